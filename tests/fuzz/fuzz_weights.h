/* fuzz_weights.h - one entry for whatever produces bytes: libFuzzer (fuzz_main.c) and the seeded mutations of
 * test_formats.c. */
#ifndef WK_FUZZ_WEIGHTS_H
#define WK_FUZZ_WEIGHTS_H

#include <stddef.h>
#include <stdint.h>

/* Hands the bytes to every reader of weight files, and uses all of what they accept. Crashes where they are wrong. */
void fuzz_weights(const uint8_t *bytes, size_t size);

#endif

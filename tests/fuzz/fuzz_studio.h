/* fuzz_studio.h - one entry for whatever produces bytes, as the studio's page might send them: libFuzzer
 * (fuzz_studio_main.c) and the seeded mutations of test_studio.c. */
#ifndef WK_FUZZ_STUDIO_H
#define WK_FUZZ_STUDIO_H

#include <stddef.h>
#include <stdint.h>

/* The bytes as the body of POST /edits on a small project, and as a header's values. Crashes where edits are made by
 * half, or an inverse does not take them back. */
void fuzz_studio(const uint8_t *bytes, size_t size);

#endif

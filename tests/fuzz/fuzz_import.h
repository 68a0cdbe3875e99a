/* fuzz_import.h - the same as fuzz_weights.h, of files that carry their network. */
#ifndef WK_FUZZ_IMPORT_H
#define WK_FUZZ_IMPORT_H

#include <stddef.h>
#include <stdint.h>

/* Hands the bytes to every reader of networks that takes them for its own, and makes layers of what it accepts; and to
 * the reader of graphs in JSON. Crashes where they are wrong. */
void fuzz_import(const uint8_t *bytes, size_t size);

#endif

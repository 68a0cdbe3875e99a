/* formats.h (internal) - what the files of this room share. */
#ifndef WK_FORMATS_INTERNAL_H
#define WK_FORMATS_INTERNAL_H

#include "base/base.h"
#include "whisker/formats.h"

/* 1234567 as "1,234,567" into `out`, which it returns. */
const char *wk_commas(char out[32], uint64_t n);

/* The tensors of all files that an index names, which lie beside it (shards.c). */
bool wk_index_is(const uint8_t *bytes, size_t size);
wk_status wk_index_open(wk_tensors **out, const uint8_t *bytes, size_t size, const char *path, wk_error *err);
bool wk_npz_is(const uint8_t *bytes, size_t size);

static inline uint16_t wk_le16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }
static inline uint32_t wk_le32(const uint8_t *p) { return wk_le16(p) | (uint32_t)wk_le16(p + 2) << 16; }
static inline uint64_t wk_le64(const uint8_t *p) { return wk_le32(p) | (uint64_t)wk_le32(p + 4) << 32; }

#endif

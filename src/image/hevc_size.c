/* hevc_size.c - how large the pictures in an HEIC are by their own headers. The file says a size as well, and may lie:
 * a decoder finds out when it has taken the memory. Parameter sets are read as ITU-T H.265 (7.3.2.2) and ISO/IEC
 * 14496-15 (8.3.3.1) lay them out; what cannot be made sense of is left to the decoder. */
#include <string.h>

#include "image/codec.h"

enum { LOOKED_THROUGH = 4 << 20, SPS = 33, PROFILE_BITS = 88, LEVEL_BITS = 8, PADDING = 63 };

typedef struct bits {
  const uint8_t *at;
  size_t size, next; /* bytes; the next bit */
} bits;

/* The bytes without those that only keep "0 0 1" from occurring. */
static size_t without_guards(uint8_t *to, size_t room, const uint8_t *from, size_t n) {
  size_t kept = 0;
  int zeros = 0;
  for (size_t i = 0; i < n && kept < room; i++) {
    if (zeros >= 2 && from[i] == 3) {
      zeros = 0;
      continue;
    }
    zeros = from[i] ? 0 : zeros + 1;
    to[kept++] = from[i];
  }
  return kept;
}

static uint32_t take(bits *b, int n) {
  uint32_t v = 0;
  for (; n; n--, b->next++)
    v = v << 1 | (b->next < b->size * 8 ? b->at[b->next / 8] >> (7 - b->next % 8) & 1 : 0);
  return v;
}

/* An Exp-Golomb number. */
static uint32_t take_golomb(bits *b) {
  int zeros = 0;
  while (zeros < 32 && b->next < b->size * 8 && !take(b, 1))
    zeros++;
  return zeros < 32 ? (uint32_t)((UINT64_C(1) << zeros) - 1 + take(b, zeros)) : UINT32_MAX;
}

/* Coded pictures are filled up to whole blocks. */
static wk_status check_unit(const uint8_t *unit, size_t n, const wk_decode_options *options, wk_error *err) {
  uint8_t plain[512];
  bits b = {.at = plain, .size = without_guards(plain, sizeof plain, unit, n)};
  take(&b, 16 + 4);
  const uint32_t layers = take(&b, 3);
  uint32_t present[8] = {0};
  take(&b, 1);
  b.next += PROFILE_BITS + LEVEL_BITS;
  for (uint32_t i = 0; i < layers; i++)
    present[i] = take(&b, 2);
  b.next += layers ? 2 * (8 - layers) : 0;
  for (uint32_t i = 0; i < layers; i++)
    b.next += (present[i] & 2 ? PROFILE_BITS : 0) + (present[i] & 1 ? LEVEL_BITS : 0);
  take_golomb(&b);
  if (take_golomb(&b) == 3)
    take(&b, 1);
  const int64_t width = take_golomb(&b), height = take_golomb(&b);
  if (width <= PADDING || height <= PADDING ||
      (uint64_t)(width - PADDING) * (uint64_t)(height - PADDING) <= options->max_pixels)
    return WK_OK;
  return wk_codec_check_size("HEIC", width, height, options, err);
}

/* All parameter sets of one hvcC box. */
static wk_status check_box(const uint8_t *box, size_t n, const wk_decode_options *options, wk_error *err) {
  size_t at = 23;
  for (int arrays = n > 22 ? box[22] : 0; arrays && n - at >= 3; arrays--) {
    const int kind = box[at] & 63;
    int units = box[at + 1] << 8 | box[at + 2];
    for (at += 3; units && n - at >= 2; units--) {
      const size_t length = (size_t)box[at] << 8 | box[at + 1];
      at += 2;
      if (length > n - at)
        return WK_OK;
      if (kind == SPS)
        WK_RETURN_IF_ERROR(check_unit(box + at, length, options, err));
      at += length;
    }
  }
  return WK_OK;
}

wk_status wk_hevc_check_size(const uint8_t *bytes, size_t size, const wk_decode_options *options, wk_error *err) {
  const uint8_t *end = bytes + (size < LOOKED_THROUGH ? size : LOOKED_THROUGH);
  for (const uint8_t *at = bytes; (at = memmem(at, (size_t)(end - at), "hvcC", 4)); at += 4)
    WK_RETURN_IF_ERROR(check_box(at + 4, (size_t)(bytes + size - at - 4), options, err));
  return WK_OK;
}

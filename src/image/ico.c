/* ico.c - icons and cursors: a directory of one picture in several sizes, each a PNG or a bitmap without its file
 * header. The largest is taken, of equal ones that with the most colours, as Pillow does. */
#include <string.h>

#include "image/codec.h"

static uint32_t le32(const uint8_t *b) {
  return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

/* The bytes of the best picture. */
static wk_status find_best(const uint8_t **best, size_t *best_size, const uint8_t *bytes, size_t size, wk_error *err) {
  const size_t count = bytes[4] | (size_t)bytes[5] << 8; /* sniff.c saw a whole entry */
  uint32_t most = 0;
  *best = NULL;
  for (size_t i = 0; i < count && 6 + 16 * (i + 1) <= size; i++) {
    const uint8_t *entry = bytes + 6 + 16 * i;
    const uint32_t width = entry[0] ? entry[0] : 256, height = entry[1] ? entry[1] : 256;
    const uint32_t bits = bytes[2] == 1 ? entry[6] : 0; /* a cursor has its hot spot there */
    const uint32_t length = le32(entry + 8), offset = le32(entry + 12), score = width * height << 8 | bits;
    if (offset >= size || score < most || (score == most && *best))
      continue;
    most = score;
    *best = bytes + offset;
    *best_size = length < size - offset ? length : size - offset;
  }
  return *best ? WK_OK : wk_codec_truncated("ICO", size, err);
}

static bool is_png(const uint8_t *bytes, size_t size) {
  return size >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0;
}

static wk_status ico_probe(wk_probe *p, wk_error *err) {
  const uint8_t *best;
  size_t size;
  WK_RETURN_IF_ERROR(find_best(&best, &size, p->bytes, p->size, err));
  if (!is_png(best, size))
    return wk_bmp_icon_size(&p->width, &p->height, best, size, err);
  wk_probe inner = {.bytes = best, .size = size, .orientation = 1};
  WK_RETURN_IF_ERROR(wk_codec_png.probe(&inner, err));
  p->width = inner.width, p->height = inner.height;
  return WK_OK;
}

static wk_status ico_decode(wk_image *out, wk_decode_job *job, wk_error *err) {
  wk_decode_job inner = *job;
  WK_RETURN_IF_ERROR(find_best(&inner.bytes, &inner.size, job->bytes, job->size, err));
  return is_png(inner.bytes, inner.size) ? wk_codec_png.decode(out, &inner, err) : wk_bmp_icon_decode(out, &inner, err);
}

const wk_codec wk_codec_ico = {"ICO", ico_probe, ico_decode, NULL, NULL};

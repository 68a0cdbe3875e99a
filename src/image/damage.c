/* damage.c - where a broken photo breaks: see damage.h. Only asked of photos that a decoder has refused, so it may take
 * its time; nothing of the file is trusted. */
#include "image/damage.h"

#include <string.h>
#include <zlib.h>

#include "image/codec.h"

static const char ends_here[] = "its data end here";

static bool ends_before(wk_damage *out, size_t at, size_t need, size_t size) {
  if (at <= size && need <= size - at)
    return false;
  *out = (wk_damage){size, ends_here};
  return true;
}

static uint32_t big32(const uint8_t *b) {
  return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static uint32_t little32(const uint8_t *b) {
  return (uint32_t)b[3] << 24 | (uint32_t)b[2] << 16 | (uint32_t)b[1] << 8 | b[0];
}

/* In coded data 0xff is followed by 0 or by a restart mark. *at: of the next other mark. */
static bool next_marker(size_t *at, const uint8_t *b, size_t size) {
  for (; *at + 1 < size; ++*at)
    if (b[*at] == 0xff && b[*at + 1] != 0 && b[*at + 1] != 0xff && !(b[*at + 1] >= 0xd0 && b[*at + 1] <= 0xd7))
      return true;
  return false;
}

static void of_jpeg(wk_damage *out, const uint8_t *b, size_t size) {
  size_t at = wk_jpeg_start(b, size) + 2, coded = 0;
  for (;;) {
    if (ends_before(out, at, 4, size))
      return;
    if (b[at] != 0xff) {
      if (!coded) {
        *out = (wk_damage){at, "a segment should begin here, and none does"};
        return;
      }
      if (!next_marker(&at, b, size)) {
        *out = (wk_damage){size, ends_here};
        return;
      }
    }
    const uint8_t mark = b[at + 1];
    if (mark == 0xd9)
      break;
    if (mark == 0xff || mark == 0x01 || (mark >= 0xd0 && mark <= 0xd8)) {
      at += mark == 0xff ? 1 : 2;
      continue;
    }
    const size_t length = (size_t)b[at + 2] << 8 | b[at + 3];
    if (length < 2) {
      *out = (wk_damage){at, "a segment says that it is shorter than its own header"};
      return;
    }
    if (ends_before(out, at + 2, length, size))
      return;
    at += 2 + length;
    if (mark == 0xda) {
      coded = at;
      if (!next_marker(&at, b, size)) {
        *out = (wk_damage){size, ends_here};
        return;
      }
    }
  }
  *out = (wk_damage){coded, "the coded picture begins here, and makes no sense"};
}

static void of_png(wk_damage *out, const uint8_t *b, size_t size) {
  size_t at = 8, picture = 8;
  bool seen = false;
  for (;;) {
    if (ends_before(out, at, 12, size))
      return;
    const size_t length = big32(b + at);
    if (ends_before(out, at + 8, length, size) || ends_before(out, at + 8 + length, 4, size))
      return;
    if (!seen && !memcmp(b + at + 4, "IDAT", 4)) {
      picture = at;
      seen = true;
    }
    if (crc32(crc32(0, NULL, 0), b + at + 4, (uInt)(length + 4)) != big32(b + at + 8 + length)) {
      *out = (wk_damage){at, "the chunk that begins here fails its checksum"};
      return;
    }
    if (!memcmp(b + at + 4, "IEND", 4))
      break;
    at += 12 + length;
  }
  *out = (wk_damage){picture, "the coded picture begins here, and makes no sense"};
}

static size_t gif_table(uint8_t flags) { return flags & 0x80 ? (size_t)3 << ((flags & 7) + 1) : 0; }

static void of_gif(wk_damage *out, const uint8_t *b, size_t size) {
  if (ends_before(out, 0, 13, size))
    return;
  size_t at = 13 + gif_table(b[10]), picture = at;
  for (;;) {
    if (ends_before(out, at, 1, size))
      return;
    if (b[at] == 0x3b)
      break;
    if (b[at] == 0x2c) {
      picture = at;
      if (ends_before(out, at, 11, size))
        return;
      at += 11 + gif_table(b[at + 9]);
    } else if (b[at] == 0x21) {
      at += 2;
    } else {
      *out = (wk_damage){at, "a block should begin here, and none does"};
      return;
    }
    for (size_t part = 1; part;) { /* parts, each behind its length; one of length 0 ends them */
      if (ends_before(out, at, 1, size))
        return;
      part = b[at];
      at += 1 + part;
    }
  }
  *out = (wk_damage){picture, "the coded picture begins here, and makes no sense"};
}

void wk_find_damage(wk_damage *out, const void *bytes, size_t size) {
  const uint8_t *b = bytes;
  *out = (wk_damage){0, "nothing of a photo begins here"};
  switch (wk_image_sniff(bytes, size)) {
  case WK_IMAGE_JPEG:
    of_jpeg(out, b, size);
    break;
  case WK_IMAGE_PNG:
    of_png(out, b, size);
    break;
  case WK_IMAGE_GIF:
    of_gif(out, b, size);
    break;
  case WK_IMAGE_WEBP:
    if (!ends_before(out, 8, little32(b + 4), size))
      *out = (wk_damage){12, "the coded picture begins here, and makes no sense"};
    break;
  case WK_IMAGE_BMP:
    if (!ends_before(out, 0, size >= 14 ? little32(b + 2) : 14, size))
      *out = (wk_damage){14, "the header or what follows it makes no sense"};
    break;
  case WK_IMAGE_UNKNOWN:
    break;
  default:
    *out = (wk_damage){0, "the file begins as its format does, and what follows makes no sense"};
  }
}

wk_status wk_image_orientation(int *out, const void *bytes, size_t size, wk_error *err) {
  wk_probe p = {0};
  WK_RETURN_IF_ERROR(wk_probe_read(&p, bytes, size, 0, err));
  *out = p.orientation;
  return WK_OK;
}

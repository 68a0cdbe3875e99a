/* jpeg_header.c - what a JPEG's segments say before its picture begins: size and which way up. One walk, without
 * libjpeg, because every photo is asked; and where the JPEG begins, for some have bytes of something else in front. */
#include <string.h>

#include "image/codec.h"

#define REACH 4096 /* how far into a file a JPEG is looked for */

static bool is_frame_header(uint8_t marker) {
  return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

/* SOI, then two segments that fit together. */
static bool begins_here(const uint8_t *b, size_t size) {
  if (size < 6 || b[0] != 0xff || b[1] != 0xd8 || b[2] != 0xff || b[3] < 0xc0)
    return false;
  size_t length = (size_t)b[4] << 8 | b[5];
  return length >= 2 && (4 + length >= size || b[4 + length] == 0xff);
}

size_t wk_jpeg_start(const uint8_t *bytes, size_t size) {
  if (size >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0)
    return 0;
  for (size_t at = 0; at + 6 <= size && at <= REACH; at++) {
    const uint8_t *ff = memchr(bytes + at, 0xff, size - at);
    if (!ff)
      break;
    at = (size_t)(ff - bytes);
    if (at <= REACH && begins_here(ff, size - at))
      return at;
  }
  return size;
}

/* EXIF's word counts before XMP's, whichever comes first in the file. */
static void read_app1(const uint8_t *segment, size_t n, int *exif, int *xmp) {
  static const char adobe[] = "http://ns.adobe.com/xap/1.0/";
  if (n >= 6 && memcmp(segment, "Exif\0", 5) == 0) {
    if (!*exif)
      *exif = wk_exif_orientation(segment, n);
  } else if (n > sizeof adobe && memcmp(segment, adobe, sizeof adobe) == 0 && !*xmp) {
    *xmp = wk_xmp_orientation(segment + sizeof adobe, n - sizeof adobe);
  }
}

wk_status wk_jpeg_probe(wk_probe *p, wk_error *err) {
  const uint8_t *b = p->bytes;
  const size_t size = p->size;
  int exif = 0, xmp = 0, width = 0, height = 0;
  for (size_t at = 2; at + 4 <= size;) {
    const uint8_t marker = b[at + 1];
    if (b[at] != 0xff || marker == 0xff) {
      at++; /* junk between segments, as libjpeg skips it; or a fill byte */
      continue;
    }
    if (marker == 0xda || marker == 0xd9)
      break; /* the picture begins, or nothing follows */
    if (marker == 0x00 || marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
      at += 2;
      continue;
    }
    size_t length = (size_t)b[at + 2] << 8 | b[at + 3], n = length < 2 ? 0 : length - 2;
    if (n > size - at - 4)
      n = size - at - 4;
    if (is_frame_header(marker) && n >= 5 && !width)
      height = b[at + 5] << 8 | b[at + 6], width = b[at + 7] << 8 | b[at + 8];
    else if (marker == 0xe1)
      read_app1(b + at + 4, n, &exif, &xmp);
    at += 2 + (length < 2 ? 2 : length);
  }
  if (width < 1 || height < 1)
    return WK_FAIL(err, WK_ERR_FORMAT, "the JPEG cannot be read: no size is given before its picture begins");
  p->width = width, p->height = height;
  p->orientation = exif ? exif : xmp ? xmp : 1;
  return WK_OK;
}

/* A profile lies in APP2 segments of at most 64 KB, numbered from 1. */
static bool is_profile_part(const uint8_t *b, size_t n) { return n > 14 && memcmp(b, "ICC_PROFILE", 12) == 0; }

/* Copies part `number` behind the others, or only counts its bytes (to NULL); 0 where it is not there. */
static size_t profile_part(uint8_t *to, const wk_probe *p, int number) {
  for (size_t at = 2; at + 4 <= p->size;) {
    const uint8_t *b = p->bytes + at;
    if (b[0] != 0xff || b[1] == 0xff || b[1] == 0x00 || b[1] == 0x01 || (b[1] >= 0xd0 && b[1] <= 0xd8)) {
      at++;
      continue;
    }
    if (b[1] == 0xda || b[1] == 0xd9)
      break;
    const size_t length = (size_t)b[2] << 8 | b[3], n = length < 2 ? 0 : length - 2;
    if (b[1] == 0xe2 && n <= p->size - at - 4 && is_profile_part(b + 4, n) && b[4 + 12] == number) {
      if (to)
        memcpy(to, b + 4 + 14, n - 14);
      return n - 14;
    }
    at += 2 + (length < 2 ? 2 : length);
  }
  return 0;
}

wk_status wk_jpeg_profile(uint8_t **out, size_t *size, const wk_probe *p, wk_error *err) {
  size_t total = 0, n = 0;
  for (int i = 1; i < 256 && (n = profile_part(NULL, p, i)) > 0; i++)
    total += n;
  if (!total)
    return WK_OK;
  uint8_t *profile = wk_alloc(total); /* at most 255 x 64 KB */
  if (!profile)
    return WK_FAIL(err, WK_ERR_MEMORY, "no memory for a colour profile of %zu bytes", total);
  *size = 0;
  for (int i = 1; i < 256 && *size < total; i++)
    *size += profile_part(profile + *size, p, i);
  *out = profile;
  return WK_OK;
}

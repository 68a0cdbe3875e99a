/* exif.c - the one EXIF tag that matters here: how to turn the picture upright. A reader of hostile bytes: every
 * access goes through span, which knows its end. */
#include <string.h>

#include "image/codec.h"

typedef struct span {
  const uint8_t *at;
  size_t size;
} span;

static span span_from(span s, size_t offset) {
  return offset < s.size ? (span){s.at + offset, s.size - offset} : (span){s.at, 0};
}

static span span_cut(span s, size_t size) { return (span){s.at, size < s.size ? size : s.size}; }

/* Bytes past the end read as 0. */
static uint32_t get(span s, size_t offset, int bytes, bool big) {
  uint32_t v = 0;
  for (int i = 0; i < bytes; i++) {
    size_t at = offset + (size_t)(big ? i : bytes - 1 - i);
    v = v << 8 | (at < s.size ? s.at[at] : 0);
  }
  return v;
}

static bool starts(span s, const char *magic, size_t n) { return s.size >= n && memcmp(s.at, magic, n) == 0; }

/* A TIFF block: byte order, 42, offset of the first directory of 12-byte entries. */
static int from_tiff(span s) {
  enum { TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3, TYPE_LONG = 4 };
  bool big = starts(s, "MM", 2);
  if ((!big && !starts(s, "II", 2)) || get(s, 2, 2, big) != 42)
    return 1;
  span dir = span_from(s, get(s, 4, 4, big));
  uint32_t entries = get(dir, 0, 2, big);
  for (uint32_t i = 0; i < entries; i++) {
    span entry = span_from(dir, 2 + 12 * (size_t)i);
    if (entry.size < 12)
      break;
    if (get(entry, 0, 2, big) != TAG_ORIENTATION)
      continue;
    uint32_t type = get(entry, 2, 2, big);
    uint32_t value = type == TYPE_SHORT ? get(entry, 8, 2, big) : type == TYPE_LONG ? get(entry, 8, 4, big) : 1;
    return value >= 1 && value <= 8 ? (int)value : 1;
  }
  return 1;
}

static int from_jpeg(span s) {
  size_t at = 2;
  while (at + 4 <= s.size) {
    if (s.at[at] != 0xff) {
      at++; /* junk between segments, as libjpeg skips it */
      continue;
    }
    uint8_t marker = s.at[at + 1];
    if (marker == 0xff) {
      at++; /* fill byte */
      continue;
    }
    if (marker == 0xda || marker == 0xd9)
      break; /* the picture begins, or nothing follows */
    if (marker == 0x00 || marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
      at += 2;
      continue;
    }
    size_t length = get(s, at + 2, 2, true);
    span segment = span_cut(span_from(s, at + 4), length < 2 ? 0 : length - 2);
    if (marker == 0xe1 && starts(segment, "Exif\0", 5))
      return from_tiff(span_from(segment, 6));
    at += 2 + (length < 2 ? 2 : length);
  }
  return 1;
}

static int from_png(span s) {
  for (size_t at = 8; at + 12 <= s.size;) {
    size_t length = get(s, at, 4, true);
    if (memcmp(s.at + at + 4, "eXIf", 4) == 0)
      return from_tiff(span_cut(span_from(s, at + 8), length));
    if (length > s.size)
      break;
    at += 12 + length;
  }
  return 1;
}

static int from_webp(span s) {
  for (size_t at = 12; at + 8 <= s.size;) {
    size_t length = get(s, at + 4, 4, false);
    if (memcmp(s.at + at, "EXIF", 4) == 0) {
      span block = span_cut(span_from(s, at + 8), length);
      return from_tiff(starts(block, "Exif\0\0", 6) ? span_from(block, 6) : block);
    }
    if (length > s.size)
      break;
    at += 8 + length + (length & 1);
  }
  return 1;
}

int wk_exif_orientation(const uint8_t *bytes, size_t size, wk_image_format format) {
  span s = {bytes, size};
  switch (format) {
  case WK_IMAGE_JPEG:
    return from_jpeg(s);
  case WK_IMAGE_PNG:
    return from_png(s);
  case WK_IMAGE_WEBP:
    return from_webp(s);
  case WK_IMAGE_TIFF:
    return from_tiff(s);
  default:
    return 1;
  }
}

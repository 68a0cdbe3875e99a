/* exif.c - which way up a picture is, by EXIF and by XMP. A reader of hostile bytes: every access goes through span,
 * which knows its end. Where the blocks lie in a file is the codecs' affair. */
#include <string.h>

#include "image/codec.h"

typedef struct span {
  const uint8_t *at;
  size_t size;
} span;

static span span_from(span s, size_t offset) {
  return offset < s.size ? (span){s.at + offset, s.size - offset} : (span){s.at, 0};
}

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
int wk_exif_orientation(const uint8_t *block, size_t size) {
  enum { TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3, TYPE_LONG = 4 };
  span s = {block, size};
  if (starts(s, "Exif\0", 5)) /* a JPEG's way to begin one, which other formats copy */
    s = span_from(s, 6);
  bool big = starts(s, "MM", 2);
  if ((!big && !starts(s, "II", 2)) || get(s, 2, 2, big) != 42)
    return 0;
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
  return 0;
}

bool wk_tiff_has_tag(const uint8_t *block, size_t size, unsigned tag) {
  span s = {block, size};
  const bool big = starts(s, "MM", 2);
  span dir = span_from(s, get(s, 4, 4, big));
  const uint32_t entries = get(dir, 0, 2, big);
  for (uint32_t i = 0; i < entries && 2 + 12 * ((size_t)i + 1) <= dir.size; i++)
    if (get(dir, 2 + 12 * (size_t)i, 2, big) == tag)
      return true;
  return false;
}

/* tiff:Orientation as an attribute (="6") or as an element (>6<). */
int wk_xmp_orientation(const uint8_t *packet, size_t size) {
  static const char name[] = "tiff:Orientation";
  const size_t n = sizeof name - 1;
  for (span s = {packet, size}; s.size > n + 2;) {
    const uint8_t *t = memchr(s.at, 't', s.size - n - 2);
    if (!t)
      break;
    s = span_from(s, (size_t)(t - s.at));
    if (starts(s, name, n)) {
      span value = span_from(s, n);
      size_t skip = starts(value, "=\"", 2) || starts(value, "='", 2) ? 2 : starts(value, ">", 1) ? 1 : 0;
      if (skip && value.size > skip && value.at[skip] >= '1' && value.at[skip] <= '8')
        return value.at[skip] - '0';
    }
    s = span_from(s, 1);
  }
  return 0;
}

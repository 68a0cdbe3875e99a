/* sniff.c - which picture format the bytes are. The first bytes decide; a file's name never does. */
#include <string.h>

#include "image/codec.h"

static bool starts(const uint8_t *bytes, size_t size, const char *magic, size_t n) {
  return size >= n && memcmp(bytes, magic, n) == 0;
}

wk_image_format wk_image_sniff(const void *bytes, size_t size) {
  const uint8_t *b = bytes;
  if (!b)
    return WK_IMAGE_UNKNOWN;
  if (starts(b, size, "\xff\xd8\xff", 3))
    return WK_IMAGE_JPEG;
  if (starts(b, size, "\x89PNG\r\n\x1a\n", 8))
    return WK_IMAGE_PNG;
  if (starts(b, size, "RIFF", 4) && size >= 12 && memcmp(b + 8, "WEBP", 4) == 0)
    return WK_IMAGE_WEBP;
  if (starts(b, size, "GIF87a", 6) || starts(b, size, "GIF89a", 6))
    return WK_IMAGE_GIF;
  if (starts(b, size, "II\x2a\0", 4) || starts(b, size, "MM\0\x2a", 4) || starts(b, size, "II\x2b\0", 4) ||
      starts(b, size, "MM\0\x2b", 4))
    return WK_IMAGE_TIFF;
  /* "BM" alone is too common a beginning of text: the header's own size must be one of the known ones. */
  if (starts(b, size, "BM", 2) && size >= 18) {
    uint32_t header = b[14] | (uint32_t)b[15] << 8 | (uint32_t)b[16] << 16 | (uint32_t)b[17] << 24;
    if (header == 12 || (header >= 40 && header <= 124) || header == 16)
      return WK_IMAGE_BMP;
  }
  return WK_IMAGE_UNKNOWN;
}

const char *wk_image_format_name(wk_image_format format) {
  static const char *const name[] = {"unknown", "JPEG", "PNG", "WebP", "GIF", "BMP", "TIFF"};
  return (unsigned)format < sizeof name / sizeof *name ? name[format] : "unknown";
}

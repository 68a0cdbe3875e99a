/* sniff.c - which picture format the bytes are. The first bytes decide; a file's name never does. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "image/codec.h"

static bool starts(const uint8_t *bytes, size_t size, const char *magic, size_t n) {
  return size >= n && memcmp(bytes, magic, n) == 0;
}

/* HEIF and AVIF are told by the brands that the first box names. */
static wk_image_format sniff_brands(const uint8_t *b, size_t size) {
  static const char heif[][5] = {"heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs", "mif1", "msf1"};
  if (size < 12 || memcmp(b + 4, "ftyp", 4) != 0)
    return WK_IMAGE_UNKNOWN;
  size_t end = (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];
  if (end > size)
    end = size;
  /* The major brand, then those the file also fits; a film or a camera's raw file may list "mif1" among the latter. */
  bool general = memcmp(b + 8, "mif1", 4) == 0 || memcmp(b + 8, "msf1", 4) == 0;
  if (memcmp(b + 8, "avif", 4) == 0 || memcmp(b + 8, "avis", 4) == 0)
    return WK_IMAGE_AVIF;
  for (size_t at = 16; general && at + 4 <= end; at += 4)
    if (memcmp(b + at, "avif", 4) == 0 || memcmp(b + at, "avis", 4) == 0)
      return WK_IMAGE_AVIF;
  for (size_t i = 0; i < sizeof heif / sizeof *heif; i++)
    if (memcmp(b + 8, heif[i], 4) == 0)
      return WK_IMAGE_HEIF;
  return WK_IMAGE_UNKNOWN;
}

/* "P1" to "P6" and then white space or a comment, a digit somewhere behind; PAM says its name on a line of its own. */
static bool is_pnm(const uint8_t *b, size_t size) {
  if (size < 3 || b[0] != 'P')
    return false;
  if (b[1] == '7')
    return b[2] == '\n' && size >= 4 && (b[3] == '#' || isupper(b[3]));
  if (b[1] < '1' || b[1] > '6')
    return false;
  size_t at = 2;
  while (at < size && isspace(b[at]))
    at++;
  return at > 2 ? at < size && (isdigit(b[at]) || b[at] == '#') : b[2] == '#';
}

/* Icons (1) and cursors (2): a directory whose first entry is sound. */
static bool is_ico(const uint8_t *b, size_t size) {
  if (size < 22 || b[0] || b[1] || (b[2] != 1 && b[2] != 2) || b[3])
    return false;
  unsigned count = b[4] | (unsigned)b[5] << 8;
  uint32_t length = b[14] | (uint32_t)b[15] << 8 | (uint32_t)b[16] << 16 | (uint32_t)b[17] << 24;
  uint32_t offset = b[18] | (uint32_t)b[19] << 8 | (uint32_t)b[20] << 16 | (uint32_t)b[21] << 24;
  return count >= 1 && length >= 12 && offset >= 6 + 16 * count && b[9] == 0;
}

static wk_image_format sniff_start(const uint8_t *b, size_t size) {
  if (starts(b, size, "\xff\xd8\xff", 3))
    return WK_IMAGE_JPEG;
  if (starts(b, size, "\x89PNG\r\n\x1a\n", 8))
    return WK_IMAGE_PNG;
  if (starts(b, size, "RIFF", 4) && size >= 12 && memcmp(b + 8, "WEBP", 4) == 0)
    return WK_IMAGE_WEBP;
  if (starts(b, size, "GIF87a", 6) || starts(b, size, "GIF89a", 6))
    return WK_IMAGE_GIF;
  if (wk_is_raw(b, size))
    return WK_IMAGE_RAW;
  if (starts(b, size, "II\x2a\0", 4) || starts(b, size, "MM\0\x2a", 4) || starts(b, size, "II\x2b\0", 4) ||
      starts(b, size, "MM\0\x2b", 4))
    return WK_IMAGE_TIFF;
  /* "BM" alone is too common a beginning of text: the header's own size must be one of the known ones. */
  if (starts(b, size, "BM", 2) && size >= 18) {
    uint32_t header = b[14] | (uint32_t)b[15] << 8 | (uint32_t)b[16] << 16 | (uint32_t)b[17] << 24;
    if (header == 12 || (header >= 40 && header <= 124) || header == 16)
      return WK_IMAGE_BMP;
  }
  if (is_pnm(b, size))
    return WK_IMAGE_PNM;
  if (is_ico(b, size))
    return WK_IMAGE_ICO;
  return sniff_brands(b, size);
}

wk_image_format wk_image_sniff(const void *bytes, size_t size) {
  if (!bytes)
    return WK_IMAGE_UNKNOWN;
  wk_image_format found = sniff_start(bytes, size);
  if (found == WK_IMAGE_UNKNOWN && !wk_is_other_file(bytes, size) && wk_jpeg_start(bytes, size) < size)
    return WK_IMAGE_JPEG;
  return found;
}

const char *wk_image_format_name(wk_image_format format) {
  static const char *const name[] = {"unknown", "JPEG", "PNG",  "WebP", "GIF", "BMP",
                                     "TIFF",    "HEIC", "AVIF", "PNM",  "ICO", "camera raw picture"};
  return (unsigned)format < sizeof name / sizeof *name ? name[format] : "unknown";
}

wk_image_format wk_image_format_of_name(const char *name) {
  static const struct {
    const char *ending;
    wk_image_format format;
  } known[] = {
      {"jpg", WK_IMAGE_JPEG},  {"jpeg", WK_IMAGE_JPEG}, {"jpe", WK_IMAGE_JPEG},  {"jfif", WK_IMAGE_JPEG},
      {"mpo", WK_IMAGE_JPEG},  {"png", WK_IMAGE_PNG},   {"apng", WK_IMAGE_PNG},  {"webp", WK_IMAGE_WEBP},
      {"gif", WK_IMAGE_GIF},   {"bmp", WK_IMAGE_BMP},   {"dib", WK_IMAGE_BMP},   {"tif", WK_IMAGE_TIFF},
      {"tiff", WK_IMAGE_TIFF}, {"heic", WK_IMAGE_HEIF}, {"heif", WK_IMAGE_HEIF}, {"hif", WK_IMAGE_HEIF},
      {"avif", WK_IMAGE_AVIF}, {"pbm", WK_IMAGE_PNM},   {"pgm", WK_IMAGE_PNM},   {"ppm", WK_IMAGE_PNM},
      {"pnm", WK_IMAGE_PNM},   {"pam", WK_IMAGE_PNM},   {"dng", WK_IMAGE_RAW},   {"cr2", WK_IMAGE_RAW},
      {"cr3", WK_IMAGE_RAW},   {"crw", WK_IMAGE_RAW},   {"nef", WK_IMAGE_RAW},   {"nrw", WK_IMAGE_RAW},
      {"arw", WK_IMAGE_RAW},   {"orf", WK_IMAGE_RAW},   {"rw2", WK_IMAGE_RAW},   {"raf", WK_IMAGE_RAW},
      {"pef", WK_IMAGE_RAW},   {"srw", WK_IMAGE_RAW},   {"x3f", WK_IMAGE_RAW},   {"mrw", WK_IMAGE_RAW},
      {"ico", WK_IMAGE_ICO},   {"cur", WK_IMAGE_ICO},
  };
  const char *dot = strrchr(name, '.');
  for (size_t i = 0; dot && dot != name && i < sizeof known / sizeof *known; i++)
    if (strcasecmp(dot + 1, known[i].ending) == 0)
      return known[i].format;
  return WK_IMAGE_UNKNOWN;
}

/* bmp.c - Windows and OS/2 bitmaps: 1 to 32 bits a pixel, palettes, bit fields, run-length coding, either way up, alpha
 * where bit fields give it a place; and the bitmaps in icons. No library is needed for so little; every read is checked
 * against the end of the bytes. */
#include <string.h>

#include "image/codec.h"

enum { RGB = 0, RLE8 = 1, RLE4 = 2, BITFIELDS = 3, ALPHA_BITFIELDS = 6 };

struct bitmap {
  const uint8_t *bytes;
  size_t size;
  int32_t width, height;
  bool top_down;
  int bits, compression;
  size_t info;      /* offset of the second header; the first one, of files, lies before it */
  size_t pixels;    /* offset of the first row */
  uint32_t mask[4]; /* red, green, blue, alpha (0: none), of 16 and 32 bits */
  uint8_t palette[256][3];
};

/* Bytes past the end read as 0. */
static uint32_t le(const struct bitmap *b, size_t at, int n) {
  uint32_t v = 0;
  for (int i = n - 1; i >= 0; i--)
    v = v << 8 | (at + (size_t)i < b->size ? b->bytes[at + (size_t)i] : 0);
  return v;
}

/* Where red, green, blue and alpha are. */
static void read_masks(struct bitmap *b, uint32_t header) {
  memset(b->mask, 0, sizeof b->mask);
  if (b->compression == BITFIELDS || b->compression == ALPHA_BITFIELDS) {
    const size_t masks = header >= 56 || b->compression == ALPHA_BITFIELDS ? 4 : 3;
    for (size_t c = 0; c < masks; c++)
      b->mask[c] =
          le(b, b->info + 40 + 4 * c, 4); /* part of the longer headers, behind the short one: the same place */
  } else {
    memcpy(b->mask, b->bits == 16 ? (uint32_t[]){0x7c00, 0x3e0, 0x1f} : (uint32_t[]){0xff0000, 0xff00, 0xff},
           3 * sizeof *b->mask);
  }
}

static void read_palette(struct bitmap *b, uint32_t header, uint32_t colours) {
  const bool core = header == 12;
  for (int i = 0; i < 256; i++)
    memset(b->palette[i], i, 3);
  if (b->bits > 8)
    return;
  const size_t entry = core ? 3 : 4, start = b->info + header, limit = (size_t)1 << b->bits;
  size_t n = colours && colours < limit ? colours : limit;
  if (b->pixels > start && (b->pixels - start) / entry < n)
    n = (b->pixels - start) / entry; /* some writers give fewer colours than they say */
  for (size_t i = 0; i < n; i++)
    for (size_t c = 0; c < 3; c++)
      b->palette[i][c] = (uint8_t)le(b, start + i * entry + 2 - c, 1);
}

/* b->info and, but for icons, b->pixels are set. */
static wk_status read_header(struct bitmap *b, bool icon, wk_error *err) {
  const size_t at = b->info;
  const uint32_t header = le(b, at, 4);
  const bool core = header == 12;
  uint32_t colours = 0;
  if (b->size < at + header)
    return wk_codec_truncated(icon ? "ICO" : "BMP", b->size, err);
  if (core) {
    b->width = (int32_t)le(b, at + 4, 2), b->height = (int32_t)le(b, at + 6, 2);
    b->bits = (int)le(b, at + 10, 2);
  } else {
    int64_t height = (int32_t)le(b, at + 8, 4);
    b->top_down = height < 0;
    if (height < 0)
      height = -height;
    b->width = (int32_t)le(b, at + 4, 4);
    b->height = height > INT32_MAX ? 0 : (int32_t)height;
    b->bits = (int)le(b, at + 14, 2);
    b->compression = header >= 40 ? (int)le(b, at + 16, 4) : RGB;
    colours = header >= 40 ? le(b, at + 32, 4) : 0;
  }
  if (b->bits != 1 && b->bits != 2 && b->bits != 4 && b->bits != 8 && b->bits != 16 && b->bits != 24 && b->bits != 32)
    return WK_FAIL(err, WK_ERR_FORMAT, "the BMP says it has %d bits a pixel; it is damaged", b->bits);
  bool known = b->compression == RGB || (b->compression == RLE8 && b->bits == 8) ||
               (b->compression == RLE4 && b->bits == 4) ||
               ((b->compression == BITFIELDS || b->compression == ALPHA_BITFIELDS) && (b->bits == 16 || b->bits == 32));
  if (!known || (icon && (b->compression == RLE8 || b->compression == RLE4)))
    return WK_FAIL(err, WK_ERR_UNSUPPORTED,
                   "the BMP uses compression %d at %d bits a pixel, which whisker does not read; save it as PNG",
                   b->compression, b->bits);
  if (icon) {
    const size_t limit = b->bits <= 8 ? (size_t)1 << b->bits : 0;
    const size_t entries = b->bits > 8 ? 0 : colours && colours < limit ? colours : limit;
    const size_t masks = header == 40 && b->compression == BITFIELDS ? 12 : header == 40 && b->compression ? 16 : 0;
    b->pixels = at + header + masks + entries * (core ? 3 : 4);
    b->height /= 2; /* the mask is counted, too */
  }
  read_masks(b, header);
  read_palette(b, header, colours);
  return WK_OK;
}

/* The bits of `mask` in `v`, stretched to 0..255. */
static uint8_t field(uint32_t v, uint32_t mask) {
  if (!mask)
    return 0;
  int shift = __builtin_ctz(mask);
  uint64_t top = mask >> shift;
  return (uint8_t)((uint64_t)((v & mask) >> shift) * 255 / top);
}

static void unpack_row(uint8_t *rgb, const struct bitmap *b, const uint8_t *row) {
  const size_t width = (size_t)b->width;
  switch (b->bits) {
  case 24:
    for (size_t x = 0; x < width; x++)
      rgb[3 * x] = row[3 * x + 2], rgb[3 * x + 1] = row[3 * x + 1], rgb[3 * x + 2] = row[3 * x];
    break;
  case 16:
  case 32:
    for (size_t x = 0; x < width; x++) {
      const uint8_t *p = row + x * (size_t)(b->bits / 8);
      uint32_t v = p[0] | (uint32_t)p[1] << 8;
      if (b->bits == 32)
        v |= (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
      const unsigned alpha = b->mask[3] ? field(v, b->mask[3]) : 255;
      for (int c = 0; c < 3; c++)
        rgb[3 * x + (size_t)c] = (uint8_t)((field(v, b->mask[c]) * alpha + 255 * (255 - alpha) + 127) / 255);
    }
    break;
  default:
    for (size_t x = 0; x < width; x++) {
      size_t bit = x * (size_t)b->bits;
      unsigned index = (unsigned)(row[bit / 8] >> (8 - (unsigned)b->bits - bit % 8)) & ((1u << b->bits) - 1);
      memcpy(rgb + 3 * x, b->palette[index], 3);
    }
  }
}

static size_t pitch_of(int32_t width, int bits) { return ((size_t)width * (size_t)bits + 31) / 32 * 4; }

/* Some writers leave the place of alpha empty: then nothing is transparent. */
static bool has_alpha(const struct bitmap *b) {
  const size_t pitch = pitch_of(b->width, b->bits), step = (size_t)b->bits / 8;
  for (int32_t y = 0; b->mask[3] && y < b->height; y++)
    for (size_t x = 0; x < (size_t)b->width; x++)
      if (le(b, b->pixels + (size_t)y * pitch + x * step, (int)step) & b->mask[3])
        return true;
  return false;
}

/* Uncompressed rows, each filled up to 4 bytes. Returns the number of rows that are there. */
static int32_t read_plain(wk_image *image, struct bitmap *b) {
  const size_t pitch = pitch_of(b->width, b->bits);
  if (!has_alpha(b))
    b->mask[3] = 0;
  const size_t used = ((size_t)b->width * (size_t)b->bits + 7) / 8;
  for (int32_t y = 0; y < b->height; y++) {
    size_t at = b->pixels + (size_t)y * pitch;
    if (at > b->size || b->size - at < used)
      return y;
    int32_t to = b->top_down ? y : b->height - 1 - y;
    unpack_row(image->pixels + (size_t)to * (size_t)b->width * 3, b, b->bytes + at);
  }
  return b->height;
}

/* Run-length coded indices. True where the end was reached; pixels that are skipped stay of the first colour. */
static bool read_runs(wk_image *image, const struct bitmap *b) {
  int64_t x = 0, y = 0;
  for (size_t i = 0; i < (size_t)b->width * (size_t)b->height; i++)
    memcpy(image->pixels + 3 * i, b->palette[0], 3);
  for (size_t at = b->pixels; at < b->size && b->size - at >= 2;) {
    unsigned count = b->bytes[at], value = b->bytes[at + 1];
    at += 2;
    size_t literal = 0; /* bytes of pixels that follow */
    if (count == 0) {
      if (value == 0) {
        x = 0, y++;
        continue;
      }
      if (value == 1)
        return true;
      if (value == 2) {
        if (b->size - at < 2)
          return false;
        x += b->bytes[at], y += b->bytes[at + 1];
        at += 2;
        continue;
      }
      count = value;
      literal = b->bits == 8 ? count : (count + 1) / 2;
      if (b->size - at < literal)
        return false;
    }
    for (unsigned i = 0; i < count; i++, x++) {
      unsigned byte = literal ? b->bytes[at + (b->bits == 8 ? i : i / 2)] : value;
      unsigned index = b->bits == 8 ? byte : i % 2 ? byte & 15 : byte >> 4;
      if (x < b->width && y < b->height) {
        int64_t to = b->top_down ? y : b->height - 1 - y;
        memcpy(image->pixels + ((size_t)to * (size_t)b->width + (size_t)x) * 3, b->palette[index], 3);
      }
    }
    at += literal + literal % 2;
    if (y >= b->height)
      return true;
  }
  return y >= b->height || (y == b->height - 1 && x >= b->width);
}

static struct bitmap bitmap_of_file(const uint8_t *bytes, size_t size) {
  struct bitmap b = {.bytes = bytes, .size = size, .info = 14};
  b.pixels = le(&b, 10, 4);
  return b;
}

static wk_status bmp_decode(wk_image *out, wk_decode_job *job, wk_error *err) {
  struct bitmap b = bitmap_of_file(job->bytes, job->size);
  WK_RETURN_IF_ERROR(read_header(&b, false, err));
  WK_RETURN_IF_ERROR(wk_codec_check_size("BMP", b.width, b.height, &job->options, err));
  wk_image image;
  WK_RETURN_IF_ERROR(wk_image_alloc(&image, b.width, b.height, err));
  bool whole =
      b.compression == RLE8 || b.compression == RLE4 ? read_runs(&image, &b) : read_plain(&image, &b) == b.height;
  if (!whole && !job->options.accept_truncated) {
    wk_image_free(&image);
    return wk_codec_truncated("BMP", job->size, err);
  }
  *out = image;
  return WK_OK;
}

static wk_status check_sides(const struct bitmap *b, int *width, int *height, wk_error *err) {
  if (b->width < 1 || b->height < 1)
    return WK_FAIL(err, WK_ERR_FORMAT, "the BMP says it is %d x %d pixels; it is damaged", b->width, b->height);
  *width = b->width, *height = b->height;
  return WK_OK;
}

static wk_status bmp_probe(wk_probe *p, wk_error *err) {
  struct bitmap b = bitmap_of_file(p->bytes, p->size);
  WK_RETURN_IF_ERROR(read_header(&b, false, err));
  return check_sides(&b, &p->width, &p->height, err);
}

const wk_codec wk_codec_bmp = {"BMP", bmp_probe, bmp_decode, NULL, NULL};

/* ---- in icons ---------------------------------------------------------------------------------- */

wk_status wk_bmp_icon_size(int *width, int *height, const uint8_t *bytes, size_t size, wk_error *err) {
  struct bitmap b = {.bytes = bytes, .size = size};
  WK_RETURN_IF_ERROR(read_header(&b, true, err));
  return check_sides(&b, width, height, err);
}

/* White where the mask has a 1. Its rows lie behind the colours'. */
static bool apply_mask(wk_image *image, const struct bitmap *b) {
  const size_t start = b->pixels + pitch_of(b->width, b->bits) * (size_t)b->height, pitch = pitch_of(b->width, 1);
  if (start > b->size || (b->size - start) / pitch < (size_t)b->height)
    return false;
  for (int32_t y = 0; y < b->height; y++) {
    const uint8_t *row = b->bytes + start + (size_t)y * pitch;
    uint8_t *to = image->pixels + (size_t)(b->height - 1 - y) * (size_t)b->width * 3;
    for (size_t x = 0; x < (size_t)b->width; x++)
      if (row[x / 8] >> (7 - x % 8) & 1)
        memset(to + 3 * x, 255, 3);
  }
  return true;
}

wk_status wk_bmp_icon_decode(wk_image *out, wk_decode_job *job, wk_error *err) {
  struct bitmap b = {.bytes = job->bytes, .size = job->size};
  WK_RETURN_IF_ERROR(read_header(&b, true, err));
  WK_RETURN_IF_ERROR(wk_codec_check_size("ICO", b.width, b.height, &job->options, err));
  wk_image image;
  WK_RETURN_IF_ERROR(wk_image_alloc(&image, b.width, b.height, err));
  if (b.bits == 32 && b.compression == RGB)
    b.mask[3] = 0xff000000; /* in icons the fourth byte is alpha */
  bool whole = read_plain(&image, &b) == b.height;
  if (whole && !b.mask[3])
    whole = apply_mask(&image, &b);
  if (!whole && !job->options.accept_truncated) {
    wk_image_free(&image);
    return wk_codec_truncated("ICO", job->size, err);
  }
  *out = image;
  return WK_OK;
}

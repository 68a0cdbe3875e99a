/* tiff.c - one page of a TIFF, through libtiff's RGBA reader, which knows all of its colour spaces and compressions.
 * Transparent parts lie over white. Errors are caught per file: libtiff's own default prints them. */
#include <string.h>

#include <tiffio.h>

#include "image/codec.h"

struct source {
  const uint8_t *bytes;
  size_t size, at;
  bool short_read; /* more was asked for than there is */
  char message[200];
};

/* libtiff is given the bytes as a mapped file: then it looks at them where they are. Version 4.5.0 refuses sound tiles
 * that it has to read (those of no multiple of 1,024 bytes). */
static int on_map(thandle_t handle, void **base, toff_t *size) {
  struct source *s = handle;
  *base = (void *)(uintptr_t)s->bytes;
  *size = s->size;
  return 1;
}

static void on_unmap(thandle_t handle, void *base, toff_t size) { (void)handle, (void)base, (void)size; }

static tmsize_t on_read(thandle_t handle, void *to, tmsize_t n) {
  struct source *s = handle;
  size_t left = s->at < s->size ? s->size - s->at : 0, take = (size_t)n < left ? (size_t)n : left;
  s->short_read |= take < (size_t)n;
  memcpy(to, s->bytes + s->at, take);
  s->at += take;
  return (tmsize_t)take;
}

static tmsize_t on_write(thandle_t handle, void *from, tmsize_t n) {
  (void)handle, (void)from, (void)n;
  return -1;
}

static toff_t on_seek(thandle_t handle, toff_t offset, int whence) {
  struct source *s = handle;
  toff_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? s->at : s->size;
  s->at = (size_t)(base + offset);
  return s->at;
}

static int on_close(thandle_t handle) {
  (void)handle;
  return 0;
}

static toff_t on_size(thandle_t handle) { return ((struct source *)handle)->size; }

WK_PRINTF(4, 0)
static int on_error(TIFF *tiff, void *user, const char *module, const char *format, va_list args) {
  (void)tiff, (void)module;
  struct source *s = user;
  if (!s->message[0])
    vsnprintf(s->message, sizeof s->message, format, args);
  return 1; /* handled: nothing is printed */
}

static int on_warning(TIFF *tiff, void *user, const char *module, const char *format, va_list args) {
  (void)tiff, (void)user, (void)module, (void)format, (void)args;
  return 1;
}

/* Does a part of the picture lie behind the end of the bytes? */
static bool breaks_off(TIFF *tiff, size_t size) {
  const bool tiled = TIFFIsTiled(tiff);
  uint64_t *offset = NULL, *bytes = NULL;
  if (!TIFFGetField(tiff, tiled ? TIFFTAG_TILEOFFSETS : TIFFTAG_STRIPOFFSETS, &offset) ||
      !TIFFGetField(tiff, tiled ? TIFFTAG_TILEBYTECOUNTS : TIFFTAG_STRIPBYTECOUNTS, &bytes))
    return false;
  uint32_t n = tiled ? TIFFNumberOfTiles(tiff) : TIFFNumberOfStrips(tiff);
  for (uint32_t i = 0; offset && bytes && i < n; i++)
    if (offset[i] > size || bytes[i] > size - offset[i])
      return true;
  return false;
}

static wk_status broken(const struct source *s, bool truncated, wk_error *err) {
  if (s->short_read || truncated)
    return wk_codec_truncated("TIFF", s->size, err);
  return WK_FAIL(err, WK_ERR_FORMAT, "the TIFF cannot be decoded: %s",
                 s->message[0] ? s->message : "its data are damaged");
}

static wk_status tiff_open(TIFF **out, uint32_t side[2], int page, struct source *s, wk_error *err) {
  TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
  if (!options)
    return WK_FAIL(err, WK_ERR_MEMORY, "no memory to decode the TIFF (%zu bytes)", s->size);
  TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, s);
  TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, s);
  TIFF *tiff =
      TIFFClientOpenExt("TIFF", "r", s, on_read, on_write, on_seek, on_close, on_size, on_map, on_unmap, options);
  TIFFOpenOptionsFree(options);
  if (!tiff)
    return broken(s, false, err);
  if (page > 0 && !TIFFSetDirectory(tiff, (tdir_t)page)) {
    wk_status st = wk_codec_no_frame("TIFF", page, (int)TIFFNumberOfDirectories(tiff), err);
    TIFFClose(tiff);
    return st;
  }
  if (!TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &side[0]) || !TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &side[1])) {
    TIFFClose(tiff);
    return broken(s, false, err);
  }
  *out = tiff;
  return WK_OK;
}

/* How libtiff's RGBA relates to the picture: its alpha is multiplied in, and an extra channel that is said to be
 * nothing in particular is taken for alpha, too. */
static bool has_alpha(TIFF *tiff) {
  uint16_t n = 0, *kinds = NULL;
  return TIFFGetField(tiff, TIFFTAG_EXTRASAMPLES, &n, &kinds) && n >= 1 && kinds[0] != EXTRASAMPLE_UNSPECIFIED;
}

/* In place: a pixel of three bytes never reaches the next one of four. */
static void to_rgb(uint32_t *raster, size_t pixels, bool alpha) {
  uint8_t *rgb = (uint8_t *)raster;
  for (size_t i = 0; i < pixels; i++, rgb += 3) {
    const uint32_t pixel = raster[i], white = alpha ? 255 - TIFFGetA(pixel) : 0;
    const uint32_t r = TIFFGetR(pixel) + white, g = TIFFGetG(pixel) + white, b = TIFFGetB(pixel) + white;
    rgb[0] = (uint8_t)(r < 255 ? r : 255), rgb[1] = (uint8_t)(g < 255 ? g : 255), rgb[2] = (uint8_t)(b < 255 ? b : 255);
  }
}

/* What libtiff's RGBA reader does not convert: said with what people can do. */
static wk_status refuse_kind(TIFF *tiff, const char *why, wk_error *err) {
  uint16_t bits = 8, samples = 1, kind = SAMPLEFORMAT_UINT;
  TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &bits);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &samples);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &kind);
  if (bits > 16 || kind == SAMPLEFORMAT_IEEEFP || bits == 12)
    return WK_FAIL(
        err, WK_ERR_UNSUPPORTED,
        "the TIFF holds measurements (%d bits a sample, %s), not the 8 or 16 bits of a photo; save it as such, or "
        "as PNG",
        bits, kind == SAMPLEFORMAT_IEEEFP ? "floating point" : "integers");
  return WK_FAIL(
      err, WK_ERR_UNSUPPORTED,
      "the TIFF is of a kind that libtiff does not convert (%s; %d bits, %d channels); save it as PNG or JPEG", why,
      bits, samples);
}

static wk_status tiff_decode(wk_image *out, wk_decode_job *job, wk_error *err) {
  wk_status st = WK_OK;
  struct source source = {.bytes = job->bytes, .size = job->size};
  TIFF *tiff = NULL;
  uint32_t *raster = NULL, side[2];
  WK_TRY(tiff_open(&tiff, side, job->options.frame, &source, err));
  WK_TRY(wk_codec_check_size("TIFF", side[0], side[1], &job->options, err));
  char why[1024] = "";
  if (!TIFFRGBAImageOK(tiff, why)) {
    st = refuse_kind(tiff, why, err);
    goto done;
  }
  const size_t pixels = (size_t)side[0] * side[1];
  raster = wk_calloc(pixels, sizeof *raster);
  WK_FAIL_IF(!raster, err, WK_ERR_MEMORY, "no memory to decode the TIFF (%u x %u pixels)", side[0], side[1]);
  /* Asking for the order that the file itself has leaves turning to decode.c. */
  uint16_t orientation = ORIENTATION_TOPLEFT;
  TIFFGetFieldDefaulted(tiff, TIFFTAG_ORIENTATION, &orientation);
  const bool alpha = has_alpha(tiff);
  if (!TIFFReadRGBAImageOriented(tiff, side[0], side[1], raster, orientation, 1)) {
    const bool truncated = source.short_read || breaks_off(tiff, job->size);
    if (!truncated || !job->options.accept_truncated) {
      st = broken(&source, truncated, err);
      goto done;
    }
  }
  to_rgb(raster, pixels, alpha);
  *out = (wk_image){.width = (int)side[0], .height = (int)side[1], .pixels = (uint8_t *)raster};
  raster = NULL;
done:
  wk_free(raster);
  if (tiff)
    TIFFClose(tiff);
  return st;
}

/* The TIFF's own tag, else what its XMP says. */
static int tiff_orientation(TIFF *tiff) {
  uint16_t tag = 0;
  if (TIFFGetField(tiff, TIFFTAG_ORIENTATION, &tag))
    return tag >= 1 && tag <= 8 ? tag : 1;
  uint32_t n = 0;
  const uint8_t *packet = NULL;
  int xmp = TIFFGetField(tiff, TIFFTAG_XMLPACKET, &n, &packet) && packet ? wk_xmp_orientation(packet, n) : 0;
  return xmp ? xmp : 1;
}

static wk_status tiff_probe(wk_probe *p, wk_error *err) {
  struct source source = {.bytes = p->bytes, .size = p->size};
  TIFF *tiff;
  uint32_t side[2];
  WK_RETURN_IF_ERROR(tiff_open(&tiff, side, p->frame, &source, err));
  p->orientation = tiff_orientation(tiff);
  TIFFClose(tiff);
  if (!side[0] || !side[1] || side[0] > INT32_MAX || side[1] > INT32_MAX)
    return WK_FAIL(err, WK_ERR_FORMAT, "the TIFF says it is %u x %u pixels; it is damaged", side[0], side[1]);
  p->width = (int)side[0], p->height = (int)side[1];
  return WK_OK;
}

static wk_status tiff_frames(int *count, const uint8_t *bytes, size_t size, wk_error *err) {
  struct source source = {.bytes = bytes, .size = size};
  TIFF *tiff;
  uint32_t side[2];
  WK_RETURN_IF_ERROR(tiff_open(&tiff, side, 0, &source, err));
  *count = (int)TIFFNumberOfDirectories(tiff);
  TIFFClose(tiff);
  return WK_OK;
}

/* Of CMYK libtiff has made RGB by its own rule: then the profile says nothing about the pixels. */
static wk_status tiff_profile(uint8_t **out, size_t *size, const wk_probe *p, wk_error *err) {
  struct source source = {.bytes = p->bytes, .size = p->size};
  TIFF *tiff;
  uint32_t side[2], n = 0;
  uint16_t kind = PHOTOMETRIC_RGB;
  const void *profile = NULL;
  WK_RETURN_IF_ERROR(tiff_open(&tiff, side, p->frame, &source, err));
  wk_status st = WK_OK;
  TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &kind);
  if (kind != PHOTOMETRIC_SEPARATED && TIFFGetField(tiff, TIFFTAG_ICCPROFILE, &n, &profile) && profile)
    st = wk_codec_keep_profile(out, size, profile, n, err);
  TIFFClose(tiff);
  return st;
}

const wk_codec wk_codec_tiff = {"TIFF", tiff_probe, tiff_decode, tiff_frames, tiff_profile};

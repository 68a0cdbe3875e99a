/* tiff.c - the first picture of a TIFF, through libtiff's RGBA reader, which knows all of its colour spaces and
 * compressions. Errors are caught per file: libtiff's own default prints them. */
#include <string.h>

#include <tiffio.h>

#include "image/codec.h"

struct source {
  const uint8_t *bytes;
  size_t size, at;
  bool short_read; /* more was asked for than there is */
  char message[200];
};

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

static wk_status broken(const struct source *s, wk_error *err) {
  if (s->short_read)
    return wk_codec_truncated("TIFF", s->size, err);
  return WK_FAIL(err, WK_ERR_FORMAT, "the TIFF cannot be decoded: %s",
                 s->message[0] ? s->message : "its data are damaged");
}

static wk_status tiff_open(TIFF **out, uint32_t side[2], struct source *s, wk_error *err) {
  TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
  if (!options)
    return WK_FAIL(err, WK_ERR_MEMORY, "no memory to decode the TIFF (%zu bytes)", s->size);
  TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, s);
  TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, s);
  /* "m": no memory mapping, the reads above are the only way in. */
  TIFF *tiff = TIFFClientOpenExt("TIFF", "rm", s, on_read, on_write, on_seek, on_close, on_size, NULL, NULL, options);
  TIFFOpenOptionsFree(options);
  if (!tiff)
    return broken(s, err);
  if (!TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &side[0]) || !TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &side[1])) {
    TIFFClose(tiff);
    return broken(s, err);
  }
  *out = tiff;
  return WK_OK;
}

/* libtiff multiplies colours by separate alpha. It is to be dropped, not applied: say that it is already in. */
static void keep_colours(TIFF *tiff) {
  uint16_t n = 0, *kinds = NULL;
  if (!TIFFGetField(tiff, TIFFTAG_EXTRASAMPLES, &n, &kinds) || n < 1 || kinds[0] != EXTRASAMPLE_UNASSALPHA)
    return;
  uint16_t kind[8] = {EXTRASAMPLE_ASSOCALPHA};
  TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, n <= 8 ? (int)n : 8, kind);
}

static wk_status tiff_decode(wk_image *out, wk_decode_job *job, wk_error *err) {
  wk_status st = WK_OK;
  struct source source = {.bytes = job->bytes, .size = job->size};
  TIFF *tiff = NULL;
  wk_image image = {0};
  uint32_t *raster = NULL, side[2];
  WK_TRY(tiff_open(&tiff, side, &source, err));
  WK_TRY(wk_codec_check_size("TIFF", side[0], side[1], &job->options, err));
  char why[1024];
  WK_FAIL_IF(!TIFFRGBAImageOK(tiff, why), err, WK_ERR_UNSUPPORTED, "the TIFF cannot be decoded: %s", why);
  WK_TRY(wk_image_alloc_raw(&image, (int)side[0], (int)side[1], err));
  const size_t pixels = (size_t)side[0] * side[1];
  raster = wk_calloc(pixels, sizeof *raster);
  WK_FAIL_IF(!raster, err, WK_ERR_MEMORY, "no memory to decode the TIFF (%u x %u pixels)", side[0], side[1]);
  keep_colours(tiff);
  /* Asking for the order that the file itself has leaves turning to exif.c. */
  uint16_t orientation = ORIENTATION_TOPLEFT;
  TIFFGetFieldDefaulted(tiff, TIFFTAG_ORIENTATION, &orientation);
  int whole = TIFFReadRGBAImageOriented(tiff, side[0], side[1], raster, orientation, 1);
  if (!whole && !(job->options.accept_truncated && source.short_read)) {
    st = broken(&source, err);
    goto done;
  }
  for (size_t i = 0; i < pixels; i++) {
    image.pixels[3 * i] = (uint8_t)TIFFGetR(raster[i]);
    image.pixels[3 * i + 1] = (uint8_t)TIFFGetG(raster[i]);
    image.pixels[3 * i + 2] = (uint8_t)TIFFGetB(raster[i]);
  }
  *out = image;
done:
  wk_free(raster);
  if (tiff)
    TIFFClose(tiff);
  if (st != WK_OK)
    wk_image_free(&image);
  return st;
}

static wk_status tiff_size(int *width, int *height, const uint8_t *bytes, size_t size, wk_error *err) {
  struct source source = {.bytes = bytes, .size = size};
  TIFF *tiff;
  uint32_t side[2];
  WK_RETURN_IF_ERROR(tiff_open(&tiff, side, &source, err));
  TIFFClose(tiff);
  if (!side[0] || !side[1] || side[0] > INT32_MAX || side[1] > INT32_MAX)
    return WK_FAIL(err, WK_ERR_FORMAT, "the TIFF says it is %u x %u pixels; it is damaged", side[0], side[1]);
  *width = (int)side[0], *height = (int)side[1];
  return WK_OK;
}

const wk_codec wk_codec_tiff = {"TIFF", tiff_size, tiff_decode};

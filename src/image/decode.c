/* decode.c - bytes to upright RGB pixels: picks the codec by content, checks sizes, turns by EXIF. */
#include <string.h>

#include "image/codec.h"

static const wk_codec *codec_of(wk_image_format format) {
  switch (format) {
  case WK_IMAGE_JPEG:
    return &wk_codec_jpeg;
  case WK_IMAGE_PNG:
    return &wk_codec_png;
  case WK_IMAGE_WEBP:
    return &wk_codec_webp;
  case WK_IMAGE_GIF:
    return &wk_codec_gif;
  case WK_IMAGE_BMP:
    return &wk_codec_bmp;
  case WK_IMAGE_TIFF:
    return &wk_codec_tiff;
  case WK_IMAGE_UNKNOWN:
    break;
  }
  return NULL;
}

void wk_decode_options_init(wk_decode_options *options) {
  *options = (wk_decode_options){.max_pixels = UINT64_C(178956970)};
}

wk_status wk_image_alloc_raw(wk_image *out, int width, int height, wk_error *err) {
  if (width < 1 || height < 1)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a picture of %d x %d pixels was asked for; both sides must be at least 1",
                   width, height);
  size_t bytes;
  uint8_t *pixels = NULL;
  if (!wk_mul_overflow(&bytes, (size_t)width * (size_t)height, 3))
    pixels = wk_alloc(bytes);
  if (!pixels)
    return WK_FAIL(err, WK_ERR_MEMORY, "no memory for a picture of %d x %d pixels", width, height);
  *out = (wk_image){.width = width, .height = height, .pixels = pixels};
  return WK_OK;
}

wk_status wk_image_alloc(wk_image *out, int width, int height, wk_error *err) {
  WK_RETURN_IF_ERROR(wk_image_alloc_raw(out, width, height, err));
  memset(out->pixels, 0, (size_t)width * (size_t)height * 3);
  return WK_OK;
}

void wk_image_free(wk_image *image) {
  if (!image)
    return;
  wk_free(image->pixels);
  *image = (wk_image){0};
}

wk_status wk_codec_check_size(const char *format, int64_t width, int64_t height, const wk_decode_options *options,
                              wk_error *err) {
  if (width < 1 || height < 1)
    return WK_FAIL(err, WK_ERR_FORMAT, "the %s says it is %lld x %lld pixels; it is damaged", format, (long long)width,
                   (long long)height);
  if (width > WK_IMAGE_MAX_SIDE || height > WK_IMAGE_MAX_SIDE)
    return WK_FAIL(err, WK_ERR_FORMAT, "the %s says it is %lld x %lld pixels, and no side may be longer than %d",
                   format, (long long)width, (long long)height, WK_IMAGE_MAX_SIDE);
  if ((uint64_t)width * (uint64_t)height > options->max_pixels)
    return WK_FAIL(
        err, WK_ERR_FORMAT,
        "the %s says it is %lld x %lld pixels, more than the %llu that are allowed; make the picture smaller", format,
        (long long)width, (long long)height, (unsigned long long)options->max_pixels);
  return WK_OK;
}

wk_status wk_codec_truncated(const char *format, size_t size, wk_error *err) {
  return WK_FAIL(err, WK_ERR_FORMAT, "the %s breaks off after %zu bytes, before its picture is complete; get it again",
                 format, size);
}

static wk_status no_picture(const uint8_t *bytes, size_t size, wk_error *err) {
  if (size == 0)
    return WK_FAIL(err, WK_ERR_FORMAT, "the file is empty; a JPEG, PNG, WebP, GIF, BMP or TIFF picture was expected");
  char start[3 * 8 + 1] = "";
  for (size_t i = 0; i < size && i < 8; i++)
    snprintf(start + 3 * i, 4, "%02x ", bytes[i]);
  return WK_FAIL(err, WK_ERR_FORMAT,
                 "not a picture that whisker reads (JPEG, PNG, WebP, GIF, BMP, TIFF): it begins with %s", start);
}

/* The region as it lies in the stored picture, given where it lies in the upright one of width x height. */
static void stored_region(int out[4], const int in[4], int orientation, int width, int height) {
  int x0 = in[0], y0 = in[1], x1 = in[2], y1 = in[3];
  /* Upright from stored is: transpose (5..8), then mirrored sides; undo in reverse. */
  bool flip_x = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  bool flip_y = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  if (flip_x) {
    int t = width - x0;
    x0 = width - x1, x1 = t;
  }
  if (flip_y) {
    int t = height - y0;
    y0 = height - y1, y1 = t;
  }
  bool swap = orientation >= 5;
  out[0] = swap ? y0 : x0, out[1] = swap ? x0 : y0;
  out[2] = swap ? y1 : x1, out[3] = swap ? x1 : y1;
}

wk_status wk_image_decode_region(wk_image *out, int *scale, const void *bytes, size_t size,
                                 const wk_decode_options *options, const int region[4], wk_error *err) {
  if (!out || (!bytes && size))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "no bytes to decode, or nowhere to put the picture");
  wk_image_format format = wk_image_sniff(bytes, size);
  const wk_codec *codec = codec_of(format);
  if (!codec)
    return no_picture(bytes, size, err);

  wk_decode_job job = {.bytes = bytes, .size = size, .scale = 1};
  if (options)
    job.options = *options;
  else
    wk_decode_options_init(&job.options);
  int orientation = job.options.ignore_orientation ? 1 : wk_exif_orientation(bytes, size, format);
  if (orientation >= 5) {
    int t = job.options.min_width;
    job.options.min_width = job.options.min_height;
    job.options.min_height = t;
  }
  if (region) {
    int width, height;
    WK_RETURN_IF_ERROR(codec->size(&width, &height, bytes, size, err));
    bool swap = orientation >= 5;
    stored_region(job.region, region, orientation, swap ? height : width, swap ? width : height);
  }

  wk_image image;
  WK_RETURN_IF_ERROR(codec->decode(&image, &job, err));
  wk_status st = wk_image_turn(&image, orientation, err);
  if (st != WK_OK) {
    wk_image_free(&image);
    return st;
  }
  *out = image;
  if (scale)
    *scale = job.scale;
  return WK_OK;
}

wk_status wk_image_decode(wk_image *out, const void *bytes, size_t size, const wk_decode_options *options,
                          wk_error *err) {
  return wk_image_decode_region(out, NULL, bytes, size, options, NULL, err);
}

wk_status wk_image_load(wk_image *out, const char *path, const wk_decode_options *options, wk_error *err) {
  wk_file_view view;
  WK_RETURN_IF_ERROR(wk_file_map(&view, path, err));
  wk_status st = wk_image_decode(out, view.data, view.size, options, err);
  if (st != WK_OK)
    st = wk_error_prefix(err, st, "%s", path);
  wk_file_unmap(&view);
  return st;
}

wk_status wk_image_probe(int *width, int *height, wk_image_format *format, const void *bytes, size_t size,
                         wk_error *err) {
  if (!bytes && size)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "no bytes to look at");
  wk_image_format found = wk_image_sniff(bytes, size);
  const wk_codec *codec = codec_of(found);
  if (!codec)
    return no_picture(bytes, size, err);
  int w, h;
  WK_RETURN_IF_ERROR(codec->size(&w, &h, bytes, size, err));
  bool swap = wk_exif_orientation(bytes, size, found) >= 5;
  if (width)
    *width = swap ? h : w;
  if (height)
    *height = swap ? w : h;
  if (format)
    *format = found;
  return WK_OK;
}

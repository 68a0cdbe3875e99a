/* codec.h (internal) - what the decoders share. A codec turns bytes into pixels as they are stored; decode.c picks
 * the codec by content and turns the result upright. */
#ifndef WK_IMAGE_CODEC_H
#define WK_IMAGE_CODEC_H

#include "base/base.h"
#include "whisker/image.h"

/* Longest side of any picture; libpng's limit, taken for all formats so that sums of sides and scales stay small. */
#define WK_IMAGE_MAX_SIDE 1000000

/* One decoding. */
typedef struct wk_decode_job {
  const uint8_t *bytes;
  size_t size;
  wk_decode_options options; /* min_width and min_height as stored, before the EXIF turn */
  /* The part of the picture that will be read, in stored full-size pixels (x0, y0, x1, y1). A codec may leave the
   * rest undefined. All zero: everything. */
  int region[4];
  int scale; /* out: the picture is ceil(stored size / scale) */
} wk_decode_job;

typedef struct wk_codec {
  const char *name;
  /* Stored size from the header. */
  wk_status (*size)(int *width, int *height, const uint8_t *bytes, size_t size, wk_error *err);
  /* On success the caller owns out's pixels; on failure out is untouched. */
  wk_status (*decode)(wk_image *out, wk_decode_job *job, wk_error *err);
} wk_codec;

extern const wk_codec wk_codec_jpeg, wk_codec_png, wk_codec_webp, wk_codec_gif, wk_codec_bmp, wk_codec_tiff;

/* Is a picture of this size allowed? Asked before anything is allocated for it. */
wk_status wk_codec_check_size(const char *format, int64_t width, int64_t height, const wk_decode_options *options,
                              wk_error *err);
/* Pixels without initial value; frees nothing on failure. */
wk_status wk_image_alloc_raw(wk_image *out, int width, int height, wk_error *err);
/* The message for a picture that breaks off. */
wk_status wk_codec_truncated(const char *format, size_t size, wk_error *err);

/* 1..8; 1 where there is no (valid) EXIF orientation. */
int wk_exif_orientation(const uint8_t *bytes, size_t size, wk_image_format format);
/* Turns a stored picture upright: replaces image's pixels. Orientation 1 does nothing. */
wk_status wk_image_turn(wk_image *image, int orientation, wk_error *err);

/* wk_image_decode with a region (upright full-size pixels, NULL: all) outside of which the result is undefined. The
 * result's sides are the photo's divided by *scale, rounded up. */
wk_status wk_image_decode_region(wk_image *out, int *scale, const void *bytes, size_t size,
                                 const wk_decode_options *options, const int region[4], wk_error *err);

#endif

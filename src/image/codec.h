/* codec.h (internal) - what the decoders share. A codec turns bytes into pixels as they are stored; decode.c picks
 * the codec by content and turns the result upright. */
#ifndef WK_IMAGE_CODEC_H
#define WK_IMAGE_CODEC_H

#include "base/base.h"
#include "whisker/image.h"

/* Longest side of any picture; libpng's limit, taken for all formats so that sums of sides and scales stay small. */
#define WK_IMAGE_MAX_SIDE 1000000

/* What the header says: read once a photo, by wk_probe_read, and handed on to the decoder. */
typedef struct wk_probe {
  const struct wk_codec *codec;
  wk_image_format format;
  const uint8_t *bytes; /* where the picture begins: behind what stands in front of a JPEG */
  size_t size;
  int frame;
  int width, height; /* as stored, before the turn */
  int orientation;   /* 1..8 as in EXIF */
} wk_probe;

/* One decoding. */
typedef struct wk_decode_job {
  const uint8_t *bytes;
  size_t size;
  wk_decode_options options; /* min_width and min_height as stored, before the turn */
  /* The part of the picture that will be read, in stored full-size pixels (x0, y0, x1, y1). A codec may leave the
   * rest undefined. All zero: everything. */
  int region[4];
  int scale; /* out: the picture is ceil(stored size / scale) */
  /* What CMYK is converted by; NULL: without a profile. */
  const struct wk_icc *cmyk;
} wk_decode_job;

typedef struct wk_codec {
  const char *name;
  /* Sets width, height and orientation (1 on entry) of frame p->frame, which was not looked at before. */
  wk_status (*probe)(wk_probe *p, wk_error *err);
  /* On success the caller owns out's pixels; on failure out is untouched. */
  wk_status (*decode)(wk_image *out, wk_decode_job *job, wk_error *err);
  /* How many frames; NULL: one. */
  wk_status (*frames)(int *count, const uint8_t *bytes, size_t size, wk_error *err);
  /* The embedded ICC profile, freed by the caller with wk_free; NULL where there is none (which is no failure). Without this
   * function the format has none. */
  wk_status (*profile)(uint8_t **out, size_t *n, const wk_probe *p, wk_error *err);
} wk_codec;

/* A copy of `n` bytes for `profile` above. */
wk_status wk_codec_keep_profile(uint8_t **out, size_t *size, const void *bytes, size_t n, wk_error *err);
/* More than any profile has: tables of 33 colours a side for four inks. */
#define WK_PROFILE_MAX ((size_t)16 << 20)

extern const wk_codec wk_codec_jpeg, wk_codec_png, wk_codec_webp, wk_codec_gif, wk_codec_bmp, wk_codec_tiff,
    wk_codec_heif, wk_codec_avif, wk_codec_pnm, wk_codec_ico, wk_codec_raw;

/* Is a picture of this size allowed? Asked before anything is allocated for it. */
wk_status wk_codec_check_size(const char *format, int64_t width, int64_t height, const wk_decode_options *options,
                              wk_error *err);
/* Pixels without initial value; frees nothing on failure. */
wk_status wk_image_alloc_raw(wk_image *out, int width, int height, wk_error *err);
/* The message for a picture that breaks off. */
wk_status wk_codec_truncated(const char *format, size_t size, wk_error *err);
/* The message for a frame that is not there. */
wk_status wk_codec_no_frame(const char *format, int frame, int count, wk_error *err);
/* `n` pixels of RGBA, alpha not multiplied in, laid over white. */
void wk_over_white(uint8_t *rgb, const uint8_t *rgba, size_t n);

/* Orientation 1..8 of a TIFF block (EXIF's form) and of an XMP packet; 0 where it says nothing (valid). */
int wk_exif_orientation(const uint8_t *block, size_t size);
int wk_xmp_orientation(const uint8_t *packet, size_t size);
/* Has the first directory of a TIFF block that tag? */
bool wk_tiff_has_tag(const uint8_t *block, size_t size, unsigned tag);
/* Raw pictures of the cameras that LibRaw knows, by how they begin. */
bool wk_is_raw(const uint8_t *bytes, size_t size);
/* Turns a stored picture upright: replaces image's pixels. Orientation 1 does nothing. */
wk_status wk_image_turn(wk_image *image, int orientation, wk_error *err);

/* Where a JPEG begins: 0, or behind at most 4,096 bytes of something else; `size` where there is none. */
size_t wk_jpeg_start(const uint8_t *bytes, size_t size);
/* Header of a JPEG without libjpeg: size and orientation in one walk over its segments. WK_ERR_FORMAT where it has no
 * frame header; then libjpeg knows why. */
wk_status wk_jpeg_probe(wk_probe *p, wk_error *err);
/* 1..8, from whichever chunk says it. */
int wk_png_orientation(const uint8_t *bytes, size_t size);
wk_status wk_png_profile(uint8_t **out, size_t *n, const wk_probe *p, wk_error *err);
wk_status wk_jpeg_profile(uint8_t **out, size_t *n, const wk_probe *p, wk_error *err);
/* Refuses an HEIC that holds larger pictures than are allowed, whatever sizes it says itself. */
wk_status wk_hevc_check_size(const uint8_t *bytes, size_t size, const wk_decode_options *options, wk_error *err);
/* Bytes that plainly are something else than a picture, whatever pictures they may hold: an archive, a document, a
 * film. */
bool wk_is_other_file(const uint8_t *bytes, size_t size);
/* The bitmap of an icon: a BMP without its file header, of twice the height it has, the lower half of which is a mask.
 */
wk_status wk_bmp_icon_decode(wk_image *out, wk_decode_job *job, wk_error *err);
wk_status wk_bmp_icon_size(int *width, int *height, const uint8_t *bytes, size_t size, wk_error *err);

/* What kind of picture, how large, which way up. The bytes must live as long as the probe. */
wk_status wk_probe_read(wk_probe *out, const void *bytes, size_t size, int frame, wk_error *err);
/* wk_image_decode with a region (upright full-size pixels, NULL: all) outside of which the result is undefined. The
 * result's sides are the photo's divided by *scale, rounded up. options->frame is the probe's. */
wk_status wk_image_decode_region(wk_image *out, int *scale, const wk_probe *probe, const wk_decode_options *options,
                                 const int region[4], wk_error *err);

#endif

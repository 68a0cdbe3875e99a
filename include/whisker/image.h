/* image.h - photos: bytes of any common format to RGB pixels, resizing as Pillow does it, and the
 * preprocessing that belongs to each pretrained network. Knows nothing about networks. */
#ifndef WHISKER_IMAGE_H
#define WHISKER_IMAGE_H

#include "whisker/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* 8-bit RGB, rows from the top, `width * 3` bytes a row without padding. */
typedef struct wk_image {
  int width, height;
  uint8_t *pixels; /* height * width * 3 */
} wk_image;

typedef enum wk_image_format {
  WK_IMAGE_UNKNOWN = 0,
  WK_IMAGE_JPEG,
  WK_IMAGE_PNG,
  WK_IMAGE_WEBP,
  WK_IMAGE_GIF,
  WK_IMAGE_BMP,
  WK_IMAGE_TIFF,
  WK_IMAGE_HEIF, /* HEIC and its kin, through libheif, which is loaded for the first one */
  WK_IMAGE_AVIF, /* likewise through libavif */
  WK_IMAGE_PNM,  /* PBM, PGM, PPM and PAM */
  WK_IMAGE_ICO,  /* icons and cursors: the largest picture of one */
  WK_IMAGE_RAW   /* of cameras (DNG, CR2, NEF, ARW...): the preview in it, through LibRaw */
} wk_image_format;

typedef struct wk_decode_options {
  /* JPEG only: decode at 1/2, 1/4 or 1/8 while both sides of the result stay at least this long
   * (0: always full size). */
  int min_width, min_height;
  bool luma_only; /* JPEG only: the brightness is enough; the colours are not decoded, and the result is grey */
  bool ignore_orientation; /* do not turn by EXIF, XMP or the TIFF's tag; HEIF is turned by its decoder */
  bool accept_truncated;   /* a photo that breaks off is an error unless this is set */
  uint64_t max_pixels;     /* refuse larger pictures before allocating; default 178,956,970 (Pillow's bomb limit) */
  bool to_srgb; /* colours as the embedded ICC profile means them, to sRGB (Little CMS); without a profile nothing changes */
  int frame; /* which picture of an animation, a TIFF of several pages or a HEIF of several photos, from 0 */
} wk_decode_options;

WK_API void wk_decode_options_init(wk_decode_options *options);

/* What the content says, whatever the file is called; WK_IMAGE_UNKNOWN for anything else. The first 64 bytes are enough
 * for all but a JPEG with something in front of it (at most 4,096 bytes). */
WK_API wk_image_format wk_image_sniff(const void *bytes, size_t size);
WK_API const char *wk_image_format_name(wk_image_format format); /* "JPEG"; never NULL */
/* The format that a file's name says by its ending ("IMG_1.HEIC"), or WK_IMAGE_UNKNOWN. */
WK_API wk_image_format wk_image_format_of_name(const char *name);

/* What a file is, in the words of a message: "%s is %s, not a photo; %s". */
typedef struct wk_file_type {
  const char *name; /* "a web page"; never NULL */
  const char *cure; /* "save the picture itself, not the page that shows it"; never NULL */
} wk_file_type;
/* By the content: pictures, documents, films, archives, models, and what is left where a file should be (a Git LFS
 * pointer, a web address, nothing at all). The first 4,096 bytes are enough; of a ZIP, all of it says more. */
WK_API wk_file_type wk_file_type_of(const void *bytes, size_t size);

/* Decodes to RGB: greyscale is repeated, palettes looked up, CMYK and YCCK (Adobe-inverted) converted as Pillow's
 * convert("RGB") does, transparent parts laid over white, 16 bits reduced to 8, the first frame of an animation taken,
 * and the picture turned upright by its orientation: EXIF's, else XMP's. WK_ERR_FORMAT for bytes that are no picture,
 * break off, or are too large; WK_ERR_UNSUPPORTED for a kind that is not read or whose library is not installed.
 * `options` may be NULL. */
WK_API wk_status wk_image_decode(wk_image *out, const void *bytes, size_t size, const wk_decode_options *options,
                                 wk_error *err) WK_NODISCARD;
/* The same from a file; the message begins with the path. */
WK_API wk_status wk_image_load(wk_image *out, const char *path, const wk_decode_options *options,
                               wk_error *err) WK_NODISCARD;
/* Size and format from the header alone. Width and height are after the turn. */
WK_API wk_status wk_image_probe(int *width, int *height, wk_image_format *format, const void *bytes, size_t size,
                                wk_error *err) WK_NODISCARD;
/* How many pictures wk_decode_options.frame can choose from: at least 1. */
WK_API wk_status wk_image_frames(int *count, const void *bytes, size_t size, wk_error *err) WK_NODISCARD;
/* 8-bit RGB PNG, written atomically. */
WK_API wk_status wk_image_save_png(const wk_image *image, const char *path, wk_error *err) WK_NODISCARD;
/* JPEG of quality 1..100 in memory, 4:2:0 as Pillow's default; *out is freed with wk_free. */
WK_API wk_status wk_image_encode_jpeg(uint8_t **out, size_t *size, const wk_image *image, int quality,
                                      wk_error *err) WK_NODISCARD;
/* Pictures of one size as an animated WebP, `frame_ms` milliseconds each, written atomically. */
WK_API wk_status wk_image_save_film(const wk_image *frame, int frames, int frame_ms, const char *path,
                                    wk_error *err) WK_NODISCARD;
WK_API wk_status wk_image_alloc(wk_image *out, int width, int height, wk_error *err) WK_NODISCARD; /* black */
WK_API void wk_image_free(wk_image *image); /* frees the pixels and zeroes the struct */

typedef enum wk_filter { WK_FILTER_BILINEAR = 0, WK_FILTER_BICUBIC, WK_FILTER_NEAREST } wk_filter;

/* Resizes the box (x0, y0, x1, y1) of `in` (in pixels, may be fractional; NULL: all of it) to width x height.
 * Bilinear and bicubic (a = -0.5) are antialiased with Pillow's 8-bit fixed-point passes (Resample.c):
 * within one grey level of Image.resize. */
WK_API wk_status wk_image_resize(wk_image *out, const wk_image *in, int width, int height, wk_filter filter,
                                 const double box[4], wk_error *err) WK_NODISCARD;
/* A copy of the rectangle; parts outside `in` are black, as in torchvision's center_crop. */
WK_API wk_status wk_image_crop(wk_image *out, const wk_image *in, int x, int y, int width, int height,
                               wk_error *err) WK_NODISCARD;

/* How a photo becomes a network's input. */
typedef enum wk_crop_rule {
  WK_CROP_CENTER = 0, /* torchvision: shorter side to `resize`, then the centre height x width; timm's crop_pct is
                         resize = floor(size / crop_pct) */
  WK_CROP_SQUASH,     /* Keras: the whole photo to height x width, aspect ratio not kept */
  WK_CROP_KEEP /* as WK_CROP_CENTER, but a photo whose shorter side already lies between the input's longer side and
                * `resize` is not enlarged, only cropped: it has been made ready for a network before */
} wk_crop_rule;

typedef struct wk_preprocess {
  int width, height; /* of the network's input */
  int resize;        /* shorter side before the crop; not for WK_CROP_SQUASH */
  wk_crop_rule rule;
  wk_filter filter;
  bool bgr;              /* channel order of the network (Keras VGG and ResNet) */
  float mean[3], std[3]; /* of 8-bit values in the network's channel order: input = (pixel - mean) / std */
  bool grey;            /* pictures are made grey before anything else, as Pillow's convert("L"); three equal channels stay */
  bool srgb;            /* colours are first brought to sRGB by the profile in a photo, where it has one */
} wk_preprocess;

/* 224 x 224 from 256, bilinear, ImageNet mean and deviation (x 255). */
WK_API void wk_preprocess_init(wk_preprocess *p);
WK_API wk_status wk_preprocess_validate(const wk_preprocess *p, wk_error *err) WK_NODISCARD;
/* The same network at another input size: keeps the ratio resize / size. resize 0: by that ratio. */
WK_API void wk_preprocess_set_size(wk_preprocess *p, int size, int resize);

/* The RGB picture that the network will see, before normalisation: p->height x p->width. */
WK_API wk_status wk_preprocess_pixels(wk_image *out, const wk_image *in, const wk_preprocess *p,
                                      wk_error *err) WK_NODISCARD;
/* Where the network's input lies in a photo of that size: (x0, y0, x1, y1) in the photo's pixels, which may reach
 * outside of a photo that is smaller than the crop. `p` must be valid. */
WK_API void wk_preprocess_box(double box[4], int width, int height, const wk_preprocess *p);
/* The way back: from d loss / d pixel of what the network sees ([p->height, p->width, 3]) to d loss / d pixel of the
 * photo of width x height it was made of ([height, width, 3] into `out`). The adjoint of the resize, which rounds
 * nothing. */
WK_API wk_status wk_preprocess_back(float *out, const float *gradient, int width, int height, const wk_preprocess *p,
                                    wk_error *err) WK_NODISCARD;
/* height * width pixels RGB8 -> height * width * 3 floats, NHWC. Cannot fail. */
WK_API void wk_preprocess_normalise(float *out, const uint8_t *rgb, const wk_preprocess *p);
/* How a photo is decoded that wk_preprocess_pixels will be given. */
WK_API void wk_preprocess_decode_options(wk_decode_options *o, const wk_preprocess *p);
/* Bytes of a file -> pixels the network sees (height * width * 3 bytes into `rgb`), with scaled decode. */
WK_API wk_status wk_preprocess_bytes(uint8_t *rgb, const void *bytes, size_t size, const wk_preprocess *p,
                                     wk_error *err) WK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif

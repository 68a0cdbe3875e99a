/* augment.h - photos changed at random for training: crops, flips, turns, colours, blur, erasing, RandAugment. What happens
 * to a photo is a pure function of (seed, epoch, photo, view), whatever the order or the number of threads. Mixing of photos
 * belongs to training, not here. */
#ifndef WHISKER_AUGMENT_H
#define WHISKER_AUGMENT_H

#include "whisker/image.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- single changes, with given strength ------------------------------------------------------- */

/* Each equals Pillow's (ImageEnhance, ImageOps) or torchvision's on a Pillow picture, byte for byte. */
typedef enum wk_adjust {
  WK_ADJUST_BRIGHTNESS = 0, /* factor; 1: as it is, 0: black */
  WK_ADJUST_CONTRAST,       /* factor; 0: the mean grey */
  WK_ADJUST_SATURATION,     /* factor; 0: grey */
  WK_ADJUST_SHARPNESS,      /* factor; 0: smoothed */
  WK_ADJUST_HUE,            /* -0.5 .. 0.5 of the colour circle */
  WK_ADJUST_GREY,           /* luma in all channels; amount is not read, nor is it by the next three */
  WK_ADJUST_INVERT,
  WK_ADJUST_AUTOCONTRAST,
  WK_ADJUST_EQUALIZE,
  WK_ADJUST_POSTERIZE,   /* bits kept, 0 .. 8 */
  WK_ADJUST_SOLARIZE,    /* values from here on are inverted, 0 .. 256 */
  WK_ADJUST_SOLARIZE_ADD /* added to values below 128, 0 .. 128 */
} wk_adjust;

WK_API wk_status wk_image_adjust(wk_image *image, wk_adjust what, double amount, wk_error *err) WK_NODISCARD;
WK_API void wk_image_flip(wk_image *image, bool vertical); /* left and right exchanged, or top and bottom */
/* out(x, y) = in(m[0] x + m[1] y + m[2], m[3] x + m[4] y + m[5]) at pixel centres, as Pillow's AFFINE; `fill` where that
 * leaves the picture. Bilinear or nearest. */
WK_API wk_status wk_image_affine(wk_image *out, const wk_image *in, const double m[6], wk_filter filter, const uint8_t fill[3],
                                 wk_error *err) WK_NODISCARD;
/* Counter-clockwise about the centre, the size kept, as Pillow's rotate. */
WK_API wk_status wk_image_rotate(wk_image *out, const wk_image *in, double degrees, wk_filter filter, const uint8_t fill[3],
                                 wk_error *err) WK_NODISCARD;
/* Gaussian of deviation `sigma` > 0 over `kernel` pixels (odd; 0: 6 sigma + 1), edges mirrored, as torchvision's gaussian_blur
 * (within one grey level: sums are single precision there and here). */
WK_API wk_status wk_image_blur(wk_image *image, int kernel, double sigma, wk_error *err) WK_NODISCARD;

/* ---- at random --------------------------------------------------------------------------------- */

typedef enum wk_erase_mode {
  WK_ERASE_CONST = 0, /* the mean colour of ImageNet */
  WK_ERASE_RAND,      /* one random colour a box */
  WK_ERASE_PIXEL      /* noise */
} wk_erase_mode;

/* In the order in which they happen. Probabilities are of a photo; 0 turns a step off. */
typedef struct wk_augment {
  bool crop; /* random resized crop (Szegedy et al. 2015), as torchvision; else the network's own resize and crop */
  double scale[2]; /* the crop's share of the photo's area */
  double ratio[2]; /* its width / height */
  double hflip, vflip;
  double rotate; /* up to so many degrees either way */
  /* RandAugment (Cubuk et al. 2019) with timm's operations and magnitudes: `rand_ops` of them, each with probability 0.5.
   * Warps are bilinear. */
  int rand_ops;
  double rand_magnitude; /* 0 .. 10 */
  double rand_deviation; /* of the magnitude; infinite: uniform in 0 .. magnitude */
  bool rand_increasing;  /* every operation is stronger with a larger magnitude */
  double jitter; /* probability of the next four, in random order, as torchvision's ColorJitter */
  double brightness, contrast, saturation; /* factor 1 - v .. 1 + v */
  double hue; /* -v .. v */
  double grey;
  double blur;
  double blur_sigma[2];
  double erase; /* random erasing (Zhong et al. 2017), as timm */
  wk_erase_mode erase_mode;
  int erase_count;
} wk_augment;

/* Everything off; strengths at timm's and torchvision's defaults, for when a step is turned on. */
WK_API void wk_augment_init(wk_augment *a);
WK_API wk_status wk_augment_validate(const wk_augment *a, wk_error *err) WK_NODISCARD;
/* Does it change anything at all? */
WK_API bool wk_augment_is_off(const wk_augment *a);
/* One option by timm's name (without the dashes): scale, ratio (LOW:HIGH, and turn the crop on), hflip, vflip, rotate, aa
 * ("rand-m9-n2-mstd0.5-inc1" or "none"), color-jitter (V, or B:C:S[:H]), color-jitter-prob, grayscale-prob, gaussian-blur-prob,
 * gaussian-blur-sigma, reprob, remode, recount. */
WK_API wk_status wk_augment_set(wk_augment *a, const char *name, const char *value, wk_error *err) WK_NODISCARD;
/* "hflip=0.5 scale=0.35:1 aa=rand-m9-n2": options as above after an optional preset: none, light (a gentle crop and a flip),
 * standard (torchvision's training crop, flip, colours) or strong (timm's RandAugment recipe with erasing). Spaces or commas between them. */
WK_API wk_status wk_augment_parse(wk_augment *a, const char *text, wk_error *err) WK_NODISCARD;
/* The text that wk_augment_parse reads back to the same options; wk_free it. NULL: no memory. */
WK_API char *wk_augment_text(const wk_augment *a);

/* Which change: the same four numbers give the same pixels. `view` tells several changed copies of a photo in one epoch apart. */
typedef struct wk_augment_key {
  uint64_t seed, epoch, photo, view;
} wk_augment_key;

/* A photo to the pixels that the network sees: p->height * p->width * 3 bytes. */
WK_API wk_status wk_augment_pixels(uint8_t *rgb, const wk_image *photo, const wk_preprocess *p, const wk_augment *a,
                                   const wk_augment_key *key, wk_error *err) WK_NODISCARD;
/* The same from the bytes of a file, of which only the crop is decoded, and large JPEGs scaled: the same choices, pixels
 * that differ a little. */
WK_API wk_status wk_augment_bytes(uint8_t *rgb, const void *bytes, size_t size, const wk_preprocess *p, const wk_augment *a,
                                  const wk_augment_key *key, wk_error *err) WK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif

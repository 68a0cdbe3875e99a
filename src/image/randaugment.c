/* randaugment.c - RandAugment (Cubuk et al., "RandAugment: Practical automated data augmentation with a reduced search
 * space", 2019) with the operations and magnitudes of timm's "rand" policies. */
#include <math.h>

#include "image/augment.h"

const uint8_t wk_augment_fill[3] = {124, 116, 104};

enum op {
  AUTOCONTRAST,
  EQUALIZE,
  INVERT,
  ROTATE,
  POSTERIZE,
  SOLARIZE,
  SOLARIZE_ADD,
  COLOR,
  CONTRAST,
  BRIGHTNESS,
  SHARPNESS,
  SHEAR_X,
  SHEAR_Y,
  TRANSLATE_X,
  TRANSLATE_Y,
  OPS
};

int wk_augment_rand_count(void) { return OPS; }

const char *wk_augment_rand_name(int op) {
  static const char *const name[OPS] = {"AutoContrast", "Equalize",    "Invert", "Rotate",     "Posterize",
                                        "Solarize",     "SolarizeAdd", "Color",  "Contrast",   "Brightness",
                                        "Sharpness",    "ShearX",      "ShearY", "TranslateX", "TranslateY"};
  return op >= 0 && op < OPS ? name[op] : "unknown";
}

static wk_status warp(wk_image *image, const double m[6], wk_error *err) {
  wk_image out;
  WK_RETURN_IF_ERROR(wk_image_affine(&out, image, m, WK_FILTER_BILINEAR, wk_augment_fill, err));
  wk_image_free(image);
  *image = out;
  return WK_OK;
}

static wk_status turn(wk_image *image, double degrees, wk_error *err) {
  wk_image out;
  WK_RETURN_IF_ERROR(wk_image_rotate(&out, image, degrees, WK_FILTER_BILINEAR, wk_augment_fill, err));
  wk_image_free(image);
  *image = out;
  return WK_OK;
}

wk_status wk_augment_rand_apply(wk_image *image, int op, double level, bool increasing, wk_rng *rng, wk_error *err) {
  const double share = level / 10.0, sign = wk_rng_uniform(rng) > 0.5 ? -1 : 1;
  /* A factor away from 1 either way, or, as the first publications had it, from 0.1 (weakest picture) to 1.9. */
  const double enhanced = increasing ? fmax(0.1, 1.0 + sign * share * 0.9) : share * 1.8 + 0.1;
  switch ((enum op)op) {
  case AUTOCONTRAST:
    return wk_image_adjust(image, WK_ADJUST_AUTOCONTRAST, 0, err);
  case EQUALIZE:
    return wk_image_adjust(image, WK_ADJUST_EQUALIZE, 0, err);
  case INVERT:
    return wk_image_adjust(image, WK_ADJUST_INVERT, 0, err);
  case ROTATE:
    return turn(image, sign * share * 30, err);
  case POSTERIZE: {
    int bits = (int)(share * 4);
    return wk_image_adjust(image, WK_ADJUST_POSTERIZE, increasing ? 4 - bits : bits, err);
  }
  case SOLARIZE: {
    int from = (int)(share * 256);
    return wk_image_adjust(image, WK_ADJUST_SOLARIZE, increasing ? 256 - from : from, err);
  }
  case SOLARIZE_ADD:
    return wk_image_adjust(image, WK_ADJUST_SOLARIZE_ADD, (int)(share * 110), err);
  case COLOR:
    return wk_image_adjust(image, WK_ADJUST_SATURATION, enhanced, err);
  case CONTRAST:
    return wk_image_adjust(image, WK_ADJUST_CONTRAST, enhanced, err);
  case BRIGHTNESS:
    return wk_image_adjust(image, WK_ADJUST_BRIGHTNESS, enhanced, err);
  case SHARPNESS:
    return wk_image_adjust(image, WK_ADJUST_SHARPNESS, enhanced, err);
  case SHEAR_X:
    return warp(image, (double[6]){1, sign * share * 0.3, 0, 0, 1, 0}, err);
  case SHEAR_Y:
    return warp(image, (double[6]){1, 0, 0, sign * share * 0.3, 1, 0}, err);
  case TRANSLATE_X:
    return warp(image, (double[6]){1, 0, sign * share * 0.45 * image->width, 0, 1, 0}, err);
  case TRANSLATE_Y:
    return warp(image, (double[6]){1, 0, 0, 0, 1, sign * share * 0.45 * image->height}, err);
  case OPS:
    break;
  }
  return WK_FAIL(err, WK_ERR_ARGUMENT, "RandAugment has no operation number %d", op);
}

wk_status wk_augment_rand(wk_image *image, const wk_augment *a, wk_rng *rng, wk_error *err) {
  for (int i = 0; i < a->rand_ops; i++) {
    int op = (int)wk_rng_below(rng, OPS);
    bool done = wk_rng_uniform(rng) < 0.5;
    double level = a->rand_magnitude;
    if (isinf(a->rand_deviation))
      level *= wk_rng_uniform(rng);
    else if (a->rand_deviation > 0)
      level += a->rand_deviation * wk_rng_normal(rng);
    level = level < 0 ? 0 : level > 10 ? 10 : level;
    if (done)
      WK_RETURN_IF_ERROR(wk_augment_rand_apply(image, op, level, a->rand_increasing, rng, err));
  }
  return WK_OK;
}

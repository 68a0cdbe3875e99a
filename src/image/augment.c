/* augment.c - the random choices and their order. Every step draws from a stream of its own, named by (seed, epoch,
 * photo, view, step): turning one step on or off changes nothing about the others. */
#include <math.h>
#include <string.h>

#include "image/augment.h"
#include "image/codec.h"

enum step { STEP_CROP, STEP_FLIP, STEP_ROTATE, STEP_RAND, STEP_JITTER, STEP_GREY, STEP_BLUR, STEP_ERASE };

static wk_rng stream_of(const wk_augment_key *key, enum step step) {
  /* 128 bits of names through the generator itself, with the seed as its key. */
  uint32_t half[4], out[4], k[2] = {(uint32_t)key->seed, (uint32_t)(key->seed >> 32)};
  wk_philox(half,
            (uint32_t[4]){(uint32_t)key->photo, (uint32_t)(key->photo >> 32), (uint32_t)key->view,
                          (uint32_t)(key->view >> 32)},
            k);
  wk_philox(out,
            (uint32_t[4]){half[0] ^ (uint32_t)key->epoch, half[1] ^ (uint32_t)(key->epoch >> 32), half[2],
                          half[3] ^ (uint32_t)step},
            k);
  wk_rng rng;
  wk_rng_init(&rng, (uint64_t)out[1] << 32 | out[0], (uint64_t)out[3] << 32 | out[2]);
  return rng;
}

static double between(wk_rng *rng, double low, double high) { return low + (high - low) * wk_rng_uniform(rng); }

static bool happens(wk_rng *rng, double probability) { return wk_rng_uniform(rng) < probability; }

/* ---- the random crop --------------------------------------------------------------------------- */

typedef struct rectangle {
  int x, y, w, h;
} rectangle;

/* torchvision's RandomResizedCrop: ten tries, then the largest centre crop within the ratios. */
static rectangle choose_crop(const wk_augment *a, int width, int height, wk_rng *rng) {
  const double area = (double)width * height, low = log(a->ratio[0]), high = log(a->ratio[1]);
  for (int try = 0; try < 10; try++) {
    double target = area * between(rng, a->scale[0], a->scale[1]), ratio = exp(between(rng, low, high));
    double w = rint(sqrt(target * ratio)), h = rint(sqrt(target / ratio));
    if (w >= 1 && w <= width && h >= 1 && h <= height) {
      rectangle r = {.w = (int)w, .h = (int)h};
      r.y = (int)wk_rng_below(rng, (uint32_t)(height - r.h + 1));
      r.x = (int)wk_rng_below(rng, (uint32_t)(width - r.w + 1));
      return r;
    }
  }
  rectangle r = {.w = width, .h = height};
  double ratio = (double)width / height;
  if (ratio < a->ratio[0])
    r.h = (int)rint(width / a->ratio[0]);
  else if (ratio > a->ratio[1])
    r.w = (int)rint(height * a->ratio[1]);
  r.h = r.h < 1 ? 1 : r.h > height ? height : r.h;
  r.w = r.w < 1 ? 1 : r.w > width ? width : r.w;
  r.x = (width - r.w) / 2, r.y = (height - r.h) / 2;
  return r;
}

/* The rectangle `r` of a photo of which `in` is a decode at 1/scale, to the network's size. */
static wk_status resized_crop(wk_image *out, const wk_image *in, rectangle r, int scale, const wk_preprocess *p,
                              wk_error *err) {
  /* As torchvision: cut first, so that the filter does not look past the cut. */
  int x0 = r.x / scale, y0 = r.y / scale;
  int x1 = (r.x + r.w + scale - 1) / scale, y1 = (r.y + r.h + scale - 1) / scale;
  wk_image cut;
  WK_RETURN_IF_ERROR(wk_image_crop(&cut, in, x0, y0, x1 - x0, y1 - y0, err));
  const double box[4] = {(double)r.x / scale - x0, (double)r.y / scale - y0, (double)(r.x + r.w) / scale - x0,
                         (double)(r.y + r.h) / scale - y0};
  wk_status st = wk_image_resize(out, &cut, p->width, p->height, p->filter, box, err);
  wk_image_free(&cut);
  return st;
}

/* ---- erasing ----------------------------------------------------------------------------------- */

/* A colour by ImageNet's mean and deviation. */
static void random_colour(uint8_t colour[3], wk_rng *rng) {
  static const double mean[3] = {123.675, 116.28, 103.53}, deviation[3] = {58.395, 57.12, 57.375};
  for (int c = 0; c < 3; c++) {
    double v = rint(mean[c] + deviation[c] * wk_rng_normal(rng));
    colour[c] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
  }
}

/* timm's RandomErasing: 2% to a third of the area over all boxes, width over height 0.3 to 1 / 0.3. */
static void erase(wk_image *image, const wk_augment *a, wk_rng *rng) {
  const double area = (double)image->width * image->height;
  for (int i = 0; i < a->erase_count; i++)
    for (int try = 0; try < 10; try++) {
      double target = between(rng, 0.02, 1.0 / 3) * area / a->erase_count,
             ratio = exp(between(rng, log(0.3), -log(0.3)));
      int h = (int)rint(sqrt(target * ratio)), w = (int)rint(sqrt(target / ratio));
      if (w < 1 || h < 1 || w >= image->width || h >= image->height)
        continue;
      int y0 = (int)wk_rng_below(rng, (uint32_t)(image->height - h + 1));
      int x0 = (int)wk_rng_below(rng, (uint32_t)(image->width - w + 1));
      uint8_t colour[3];
      memcpy(colour, wk_augment_fill, 3);
      if (a->erase_mode == WK_ERASE_RAND)
        random_colour(colour, rng);
      for (int y = y0; y < y0 + h; y++)
        for (int x = x0; x < x0 + w; x++) {
          if (a->erase_mode == WK_ERASE_PIXEL)
            random_colour(colour, rng);
          memcpy(image->pixels + ((size_t)y * (size_t)image->width + (size_t)x) * 3, colour, 3);
        }
      break;
    }
}

/* ---- everything after the crop ----------------------------------------------------------------- */

static wk_status jitter(wk_image *image, const wk_augment *a, wk_rng *rng, wk_error *err) {
  static const wk_adjust what[4] = {WK_ADJUST_BRIGHTNESS, WK_ADJUST_CONTRAST, WK_ADJUST_SATURATION, WK_ADJUST_HUE};
  const double by[4] = {a->brightness, a->contrast, a->saturation, a->hue};
  double amount[4];
  for (int i = 0; i < 4; i++)
    amount[i] = i == 3 ? between(rng, -by[i], by[i]) : between(rng, fmax(0, 1 - by[i]), 1 + by[i]);
  uint32_t order[4] = {0, 1, 2, 3};
  wk_rng_shuffle(rng, order, 4);
  for (int i = 0; i < 4; i++)
    if (by[order[i]] > 0)
      WK_RETURN_IF_ERROR(wk_image_adjust(image, what[order[i]], amount[order[i]], err));
  return WK_OK;
}

/* In place; the picture has the network's size and keeps it. */
static wk_status change(wk_image *image, const wk_augment *a, const wk_augment_key *key, wk_error *err) {
  wk_rng rng = stream_of(key, STEP_FLIP);
  if (happens(&rng, a->hflip))
    wk_image_flip(image, false);
  if (happens(&rng, a->vflip))
    wk_image_flip(image, true);
  if (a->rotate > 0) {
    rng = stream_of(key, STEP_ROTATE);
    wk_image turned;
    WK_RETURN_IF_ERROR(wk_image_rotate(&turned, image, between(&rng, -a->rotate, a->rotate), WK_FILTER_BILINEAR,
                                       wk_augment_fill, err));
    wk_image_free(image);
    *image = turned;
  }
  if (a->rand_ops > 0) {
    rng = stream_of(key, STEP_RAND);
    WK_RETURN_IF_ERROR(wk_augment_rand(image, a, &rng, err));
  }
  rng = stream_of(key, STEP_JITTER);
  if (happens(&rng, a->jitter))
    WK_RETURN_IF_ERROR(jitter(image, a, &rng, err));
  rng = stream_of(key, STEP_GREY);
  if (happens(&rng, a->grey))
    WK_RETURN_IF_ERROR(wk_image_adjust(image, WK_ADJUST_GREY, 0, err));
  rng = stream_of(key, STEP_BLUR);
  if (happens(&rng, a->blur))
    WK_RETURN_IF_ERROR(wk_image_blur(image, 0, between(&rng, a->blur_sigma[0], a->blur_sigma[1]), err));
  rng = stream_of(key, STEP_ERASE);
  if (happens(&rng, a->erase))
    erase(image, a, &rng);
  return WK_OK;
}

/* ---- the public face --------------------------------------------------------------------------- */

/* Takes the cropped picture over. */
static wk_status finish(uint8_t *rgb, wk_image *image, const wk_augment *a, const wk_augment_key *key, wk_error *err) {
  wk_status st = change(image, a, key, err);
  if (st == WK_OK)
    memcpy(rgb, image->pixels, (size_t)image->width * (size_t)image->height * 3);
  wk_image_free(image);
  return st;
}

static wk_status check(const void *rgb, const wk_preprocess *p, const wk_augment *a, const wk_augment_key *key,
                       wk_error *err) {
  if (!rgb || !p || !a || !key)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "no preprocessing, augmentation or key, or nowhere to put the pixels");
  WK_RETURN_IF_ERROR(wk_preprocess_validate(p, err));
  return wk_augment_validate(a, err);
}

wk_status wk_augment_pixels(uint8_t *rgb, const wk_image *photo, const wk_preprocess *p, const wk_augment *a,
                            const wk_augment_key *key, wk_error *err) {
  WK_RETURN_IF_ERROR(check(rgb, p, a, key, err));
  if (!photo || !photo->pixels)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "no photo to change");
  wk_image image;
  if (a->crop) {
    wk_rng rng = stream_of(key, STEP_CROP);
    rectangle r = choose_crop(a, photo->width, photo->height, &rng);
    WK_RETURN_IF_ERROR(resized_crop(&image, photo, r, 1, p, err));
  } else {
    WK_RETURN_IF_ERROR(wk_preprocess_pixels(&image, photo, p, err));
  }
  return finish(rgb, &image, a, key, err);
}

wk_status wk_augment_bytes(uint8_t *rgb, const void *bytes, size_t size, const wk_preprocess *p, const wk_augment *a,
                           const wk_augment_key *key, wk_error *err) {
  WK_RETURN_IF_ERROR(check(rgb, p, a, key, err));
  wk_image image;
  if (a->crop) {
    wk_probe probe;
    WK_RETURN_IF_ERROR(wk_probe_read(&probe, bytes, size, 0, err));
    const bool swap = probe.orientation >= 5;
    const int width = swap ? probe.height : probe.width, height = swap ? probe.width : probe.height;
    int scale;
    wk_rng rng = stream_of(key, STEP_CROP);
    rectangle r = choose_crop(a, width, height, &rng);
    /* The whole photo at the scale at which the crop still has twice the pixels that are asked for (preprocess.c). */
    wk_decode_options options;
    wk_preprocess_decode_options(&options, p);
    options.min_width = (int)fmin(ceil(2.0 * p->width * width / r.w), INT32_MAX);
    options.min_height = (int)fmin(ceil(2.0 * p->height * height / r.h), INT32_MAX);
    wk_image photo;
    WK_RETURN_IF_ERROR(
        wk_image_decode_region(&photo, &scale, &probe, &options, (int[4]){r.x, r.y, r.x + r.w, r.y + r.h}, err));
    wk_status st = resized_crop(&image, &photo, r, scale, p, err);
    wk_image_free(&photo);
    if (st != WK_OK)
      return st;
  } else {
    WK_RETURN_IF_ERROR(wk_image_alloc(&image, p->width, p->height, err));
    wk_status st = wk_preprocess_bytes(image.pixels, bytes, size, p, err);
    if (st != WK_OK) {
      wk_image_free(&image);
      return st;
    }
  }
  return finish(rgb, &image, a, key, err);
}

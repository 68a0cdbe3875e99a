/* preprocess.c - how a photo becomes a network's input: torchvision's Resize and CenterCrop (also timm's), or Keras'
 * plain resize. Resize and crop are one step: only what survives the crop is computed. */
#include <math.h>
#include <string.h>

#include "image/codec.h"
#include "image/kernels.h"
#include "image/resize.h"

void wk_preprocess_init(wk_preprocess *p) {
  *p = (wk_preprocess){.width = 224,
                       .height = 224,
                       .resize = 256,
                       .rule = WK_CROP_CENTER,
                       .filter = WK_FILTER_BILINEAR,
                       .mean = {0.485f * 255, 0.456f * 255, 0.406f * 255},
                       .std = {0.229f * 255, 0.224f * 255, 0.225f * 255}};
}

wk_status wk_preprocess_validate(const wk_preprocess *p, wk_error *err) {
  enum { MAX = 16384 };
  if (p->width < 1 || p->height < 1 || p->width > MAX || p->height > MAX)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "an input of %d x %d pixels was asked for; each side must be 1 to %d",
                   p->width, p->height, MAX);
  if ((unsigned)p->rule > WK_CROP_KEEP)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "there is no crop rule number %d", (int)p->rule);
  if ((unsigned)p->filter > WK_FILTER_NEAREST)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "there is no filter number %d", (int)p->filter);
  if (p->rule != WK_CROP_SQUASH && (p->resize < 1 || p->resize > MAX))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "photos were to be resized to %d pixels before the crop; it must be 1 to %d",
                   p->resize, MAX);
  for (int c = 0; c < 3; c++)
    if (!isfinite(p->mean[c]) || !isfinite(p->std[c]) || !(p->std[c] > 0))
      return WK_FAIL(
          err, WK_ERR_ARGUMENT,
          "channel %d is normalised with mean %g and deviation %g; both must be finite, the deviation above 0", c,
          (double)p->mean[c], (double)p->std[c]);
  return WK_OK;
}

void wk_preprocess_set_size(wk_preprocess *p, int size, int resize) {
  if (resize <= 0 && p->height > 0)
    resize = (int)((int64_t)size * p->resize / p->height);
  p->resize = resize > 0 ? resize : size;
  p->width = p->height = size;
}

/* ---- geometry ---------------------------------------------------------------------------------- */

/* The resize of a photo of width x height whose window is the network's input, and where in the input that window lies:
 * a photo that is smaller than the crop after resizing gets black borders. */
typedef struct plan {
  wk_resample resample;
  int x, y;
} plan;

/* round() of Python: halves to even. `twice` is twice the number. */
static int half_to_even(int twice) { return (twice + ((twice >> 1) & 1)) >> 1; }

/* torchvision's CenterCrop along one side: which part of `full` is taken, and where it lands. */
static void center(int full, int crop, int *from, int *count, int *at) {
  if (full < crop) {
    *from = 0, *count = full, *at = (crop - full) / 2;
  } else {
    *from = half_to_even(full - crop), *count = crop, *at = 0;
  }
}

static plan plan_make(const wk_preprocess *p, int width, int height) {
  plan out = {.resample = {p->width, p->height, p->filter, {0, 0, width, height}, 0, 0, p->width, p->height, false}};
  if (p->rule == WK_CROP_SQUASH) {
    out.resample.either_way = true; /* networks that others made: as others compute today */
    return out;
  }
  wk_resample *r = &out.resample;
  bool wide = width >= height;
  int shorter = wide ? height : width, longer = wide ? width : height;
  int input = p->width > p->height ? p->width : p->height;
  bool ready = p->rule == WK_CROP_KEEP && shorter >= input && shorter < p->resize;
  int to = ready ? shorter : p->resize;
  double scaled = (double)((int64_t)to * longer) / shorter;
  int side = scaled < INT32_MAX ? (int)scaled : INT32_MAX;
  r->width = wide ? side : to;
  r->height = wide ? to : side;
  center(r->width, p->width, &r->x, &r->w, &out.x);
  center(r->height, p->height, &r->y, &r->h, &out.y);
  return out;
}

void wk_preprocess_box(double box[4], int width, int height, const wk_preprocess *p) {
  plan how = plan_make(p, width, height);
  const wk_resample *r = &how.resample;
  const double x = (double)width / r->width, y = (double)height / r->height;
  box[0] = (r->x - how.x) * x;
  box[1] = (r->y - how.y) * y;
  box[2] = (r->x - how.x + p->width) * x;
  box[3] = (r->y - how.y + p->height) * y;
}

/* `in` may be a scaled-down decode of the photo that the plan was made for. */
static wk_status plan_run(uint8_t *rgb, const plan *how, const wk_image *in, const wk_preprocess *p, wk_error *err) {
  const wk_resample *r = &how->resample;
  const size_t pitch = (size_t)p->width * 3;
  if (r->w < p->width || r->h < p->height)
    memset(rgb, 0, pitch * (size_t)p->height);
  return wk_resample_run(rgb + (size_t)how->y * pitch + (size_t)how->x * 3, pitch, in, r, wk_cpu_isa(), err);
}

/* ITU-R 601-2, in Pillow's fixed point. */
static const uint32_t grey_weight[3] = {19595, 38470, 7471};

static void make_grey(uint8_t *rgb, size_t pixels) {
  for (size_t i = 0; i < pixels; i++, rgb += 3) {
    const uint32_t sum = rgb[0] * grey_weight[0] + rgb[1] * grey_weight[1] + rgb[2] * grey_weight[2] + 0x8000;
    rgb[0] = rgb[1] = rgb[2] = (uint8_t)(sum >> 16);
  }
}

/* A grey copy. */
static wk_status grey_of(wk_image *out, const wk_image *in, wk_error *err) {
  const size_t pixels = (size_t)in->width * (size_t)in->height;
  WK_RETURN_IF_ERROR(wk_image_alloc_raw(out, in->width, in->height, err));
  memcpy(out->pixels, in->pixels, pixels * 3);
  make_grey(out->pixels, pixels);
  return WK_OK;
}

wk_status wk_preprocess_pixels(wk_image *out, const wk_image *in, const wk_preprocess *p, wk_error *err) {
  if (!out || !in || !in->pixels || !p)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "no picture to preprocess, or nowhere to put the result");
  WK_RETURN_IF_ERROR(wk_preprocess_validate(p, err));
  wk_image image, grey = {0};
  if (p->grey)
    WK_RETURN_IF_ERROR(grey_of(&grey, in, err));
  wk_status st = wk_image_alloc_raw(&image, p->width, p->height, err);
  if (st != WK_OK) {
    wk_image_free(&grey);
    return st;
  }
  plan how = plan_make(p, in->width, in->height);
  st = plan_run(image.pixels, &how, p->grey ? &grey : in, p, err);
  wk_image_free(&grey);
  if (st == WK_OK)
    *out = image;
  else
    wk_image_free(&image);
  return st;
}

wk_status wk_preprocess_back(float *out, const float *gradient, int width, int height, const wk_preprocess *p,
                             wk_error *err) {
  WK_RETURN_IF_ERROR(wk_preprocess_validate(p, err));
  plan how = plan_make(p, width, height);
  size_t pitch = (size_t)p->width * 3, first = (size_t)how.y * pitch + (size_t)how.x * 3;
  WK_RETURN_IF_ERROR(wk_resample_back(out, gradient + first, pitch, width, height, &how.resample, err));
  for (size_t i = 0; p->grey && i < (size_t)width * (size_t)height; i++) {
    float *g = out + 3 * i, sum = g[0] + g[1] + g[2];
    for (int c = 0; c < 3; c++)
      g[c] = sum * (float)grey_weight[c] / 65536;
  }
  return WK_OK;
}

void wk_preprocess_decode_options(wk_decode_options *o, const wk_preprocess *p) {
  wk_decode_options_init(o);
  o->to_srgb = p->srgb;
}

wk_status wk_preprocess_bytes(uint8_t *rgb, const void *bytes, size_t size, const wk_preprocess *p, wk_error *err) {
  if (!rgb || !p)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "no preprocessing, or nowhere to put the pixels");
  WK_RETURN_IF_ERROR(wk_preprocess_validate(p, err));
  wk_probe probe = {0};
  WK_RETURN_IF_ERROR(wk_probe_read(&probe, bytes, size, 0, err));
  const bool swap = probe.orientation >= 5;
  const int width = swap ? probe.height : probe.width, height = swap ? probe.width : probe.height;
  plan how = plan_make(p, width, height);
  int reads[4];
  wk_resample_reads(reads, &how.resample, width, height);

  wk_decode_options options;
  wk_preprocess_decode_options(&options, p);
  /* Twice what is asked for: libjpeg's scaling averages blocks, and the filter must still have work to do for the
   * pixels to be nearly those of the full decode (0.1 grey levels on average; 1.0 without this). */
  options.min_width = how.resample.width < INT32_MAX / 2 ? 2 * how.resample.width : INT32_MAX;
  options.min_height = how.resample.height < INT32_MAX / 2 ? 2 * how.resample.height : INT32_MAX;
  if (p->rule == WK_CROP_SQUASH) /* networks that others made: they are compared with what others compute */
    options.min_width = options.min_height = 0;
  wk_image image;
  int scale;
  WK_RETURN_IF_ERROR(wk_image_decode_region(&image, &scale, &probe, &options, reads, err));
  /* A scaled decode has rounded its sides up: the box keeps the photo's true shape. */
  how.resample.box[2] = (double)width / scale;
  how.resample.box[3] = (double)height / scale;
  if (p->grey)
    make_grey(image.pixels, (size_t)image.width * (size_t)image.height);
  wk_status st = plan_run(rgb, &how, &image, p, err);
  wk_image_free(&image);
  return st;
}

void wk_preprocess_normalise(float *out, const uint8_t *rgb, const wk_preprocess *p) {
  size_t n = (size_t)p->width * (size_t)p->height * 3;
  float factor[3];
  for (int c = 0; c < 3; c++)
    factor[c] = 1.0f / p->std[c];
  wk_pixel_kernels kernel = wk_pixel_kernels_for(wk_cpu_isa());
  if (!p->bgr) {
    kernel.normalise(out, rgb, n, p->mean, factor);
    return;
  }
  enum { CHUNK = 3 * 512 };
  uint8_t swapped[CHUNK];
  for (size_t at = 0; at < n; at += CHUNK) {
    size_t m = n - at < CHUNK ? n - at : CHUNK;
    for (size_t i = 0; i < m; i += 3)
      swapped[i] = rgb[at + i + 2], swapped[i + 1] = rgb[at + i + 1], swapped[i + 2] = rgb[at + i];
    kernel.normalise(out + at, swapped, m, p->mean, factor);
  }
}

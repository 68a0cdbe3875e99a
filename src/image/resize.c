/* resize.c - resizing with the arithmetic of Pillow's Resample.c, so that every byte comes out the same: a filter that
 * widens when shrinking, coefficients in 22-bit fixed point, first across to 8 bits, then down. Only the window that is
 * wanted is computed, and of the source only what the window depends on is read. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "image/codec.h"
#include "image/kernels.h"
#include "image/resize.h"

wk_pixel_kernels wk_pixel_kernels_for(wk_isa isa) {
  static void (*const across[])(uint8_t *const[4], const uint8_t *, const wk_taps *, const int32_t *, size_t, size_t) =
      WK_ISA_TABLE(wk_resample_across);
  static void (*const down[])(uint8_t *, const uint8_t *, size_t, const int32_t *, size_t, size_t) =
      WK_ISA_TABLE(wk_resample_down);
  static void (*const normalise[])(float *, const uint8_t *, size_t, const float[3], const float[3]) =
      WK_ISA_TABLE(wk_normalise);
  return (wk_pixel_kernels){across[isa], down[isa], normalise[isa]};
}

/* ---- coefficients ------------------------------------------------------------------------------ */

static double bilinear(double x) {
  x = fabs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

static double bicubic(double x) {
  const double a = -0.5;
  x = fabs(x);
  if (x < 1.0)
    return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0)
    return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

/* One direction of a resize. */
typedef struct axis {
  int in_size, out_size;
  float from, to; /* the box; Pillow keeps it in single precision */
  wk_filter filter;
} axis;

static double axis_scale(const axis *a) { return (double)(a->to - a->from) / a->out_size; }

static double axis_support(const axis *a) {
  double scale = axis_scale(a);
  return (a->filter == WK_FILTER_BICUBIC ? 2.0 : 1.0) * (scale < 1.0 ? 1.0 : scale);
}

static wk_taps axis_taps(const axis *a, int at) {
  double center = (double)a->from + (at + 0.5) * axis_scale(a), support = axis_support(a);
  int first = (int)(center - support + 0.5), last = (int)(center + support + 0.5);
  if (first < 0)
    first = 0;
  if (last > a->in_size)
    last = a->in_size;
  return (wk_taps){first, last - first};
}

/* What one direction needs: taps and coefficients of output pixels first .. first + count - 1. */
typedef struct weights {
  wk_taps *taps;
  int32_t *coef; /* [count][ksize] */
  size_t ksize;
} weights;

static void weights_free(weights *w) {
  wk_free(w->taps);
  wk_free(w->coef);
}

static wk_status weights_make(weights *out, const axis *a, int first, int count, wk_error *err) {
  wk_status st = WK_OK;
  weights w = {.ksize = (size_t)ceil(axis_support(a)) * 2 + 1};
  double *k = wk_alloc_array(w.ksize, sizeof *k);
  size_t cells;
  w.taps = wk_alloc_array((size_t)count, sizeof *w.taps);
  w.coef = wk_mul_overflow(&cells, (size_t)count, w.ksize) ? NULL : wk_calloc(cells, sizeof *w.coef);
  WK_FAIL_IF(!k || !w.taps || !w.coef, err, WK_ERR_MEMORY, "no memory to resize %d to %d pixels", a->in_size,
             a->out_size);
  double (*filter)(double) = a->filter == WK_FILTER_BICUBIC ? bicubic : bilinear;
  double scale = axis_scale(a), shrink = 1.0 / (scale < 1.0 ? 1.0 : scale);
  for (int i = 0; i < count; i++) {
    wk_taps taps = axis_taps(a, first + i);
    double center = (double)a->from + (first + i + 0.5) * scale, sum = 0;
    for (int t = 0; t < taps.count; t++) {
      k[t] = filter((t + taps.first - center + 0.5) * shrink);
      sum += k[t];
    }
    int32_t *coef = w.coef + (size_t)i * w.ksize;
    for (int t = 0; t < taps.count; t++) {
      double fixed = (sum != 0.0 ? k[t] / sum : k[t]) * (1 << WK_RESAMPLE_BITS);
      coef[t] = (int32_t)(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
    }
    w.taps[i] = taps;
  }
  *out = w;
done:
  wk_free(k);
  if (st != WK_OK)
    weights_free(&w);
  return st;
}

static axis axis_of(const wk_resample *r, bool vertical, int in_size) {
  return (axis){in_size, vertical ? r->height : r->width, (float)r->box[vertical ? 1 : 0],
                (float)r->box[vertical ? 3 : 2], r->filter};
}

/* ---- nearest ----------------------------------------------------------------------------------- */

/* Pillow steps through the source by adding; so does this, to round at the same places. */
static void nearest_table(int *table, const axis *a, int first, int count) {
  double step = axis_scale(a), at = (double)a->from + step * 0.5;
  for (int i = 0; i < first + count; i++, at += step)
    if (i >= first) {
      int from = at < 0 ? 0 : (int)at;
      table[i - first] = from < a->in_size ? from : a->in_size - 1;
    }
}

static wk_status run_nearest(uint8_t *dst, size_t pitch, const wk_image *in, const wk_resample *r, wk_error *err) {
  int *column = wk_alloc_array((size_t)r->w + (size_t)r->h, sizeof *column);
  if (!column)
    return WK_FAIL(err, WK_ERR_MEMORY, "no memory to resize to %d x %d pixels", r->width, r->height);
  int *row = column + r->w;
  axis ax = axis_of(r, false, in->width), ay = axis_of(r, true, in->height);
  nearest_table(column, &ax, r->x, r->w);
  nearest_table(row, &ay, r->y, r->h);
  for (int y = 0; y < r->h; y++) {
    const uint8_t *from = in->pixels + (size_t)row[y] * (size_t)in->width * 3;
    for (int x = 0; x < r->w; x++)
      memcpy(dst + (size_t)y * pitch + (size_t)x * 3, from + (size_t)column[x] * 3, 3);
  }
  wk_free(column);
  return WK_OK;
}

/* ---- the two passes ---------------------------------------------------------------------------- */

void wk_resample_reads(int region[4], const wk_resample *r, int in_width, int in_height) {
  if (r->filter == WK_FILTER_NEAREST) {
    region[0] = region[1] = 0, region[2] = in_width, region[3] = in_height;
    return;
  }
  for (int v = 0; v < 2; v++) {
    axis a = axis_of(r, v, v ? in_height : in_width);
    int first = v ? r->y : r->x, count = v ? r->h : r->w;
    wk_taps begin = axis_taps(&a, first), end = axis_taps(&a, first + count - 1);
    region[v] = begin.first;
    region[v + 2] = end.first + end.count;
  }
}

/* Columns x0 .. x0 + n of four rows beside each other, 4 bytes a pixel. */
static void mix(uint8_t *mixed, const wk_image *in, const uint8_t *const row[4], int x0, int n) {
  /* Four bytes are read of three: not for the picture's very last pixel. */
  const uint8_t *end = in->pixels + (size_t)in->width * (size_t)in->height * 3;
  for (int i = 0; i < 4; i++) {
    const uint8_t *from = row[i] + (size_t)x0 * 3;
    uint8_t *to = mixed + 4 * i;
    int safe = n;
    while (safe > 0 && from + 3 * (size_t)(safe - 1) + 4 > end)
      safe--;
    for (int x = 0; x < safe; x++)
      memcpy(to + 16 * (size_t)x, from + 3 * (size_t)x, 4);
    for (int x = safe; x < n; x++) {
      memcpy(to + 16 * (size_t)x, from + 3 * (size_t)x, 3);
      to[16 * (size_t)x + 3] = 0;
    }
  }
}

/* What both orders of the passes work with. */
typedef struct passes {
  weights across, down; /* taps of `across` count from column reads[0] */
  int reads[4];
  uint8_t *mixed;
  wk_pixel_kernels kernel;
} passes;

/* Four rows of the picture, from column x0 on, to rows of the window's width and a byte to spill. */
static void run_across(uint8_t *const to[4], passes *p, const wk_image *in, const uint8_t *const from[4], int x0,
                       int w) {
  mix(p->mixed, in, from, x0, p->reads[2] - p->reads[0]);
  p->kernel.across(to, p->mixed, p->across.taps, p->across.coef, p->across.ksize, (size_t)w);
}

static size_t padded_pitch(int w) { return ((size_t)w * 3 + 1 + 63) & ~(size_t)63; }

static wk_status across_then_down(uint8_t *dst, size_t pitch, passes *p, const wk_image *in, const wk_resample *r,
                                  wk_error *err) {
  /* The picture after the pass across: its rows, rounded up to fours. */
  const size_t middle_pitch = padded_pitch(r->w);
  const int first = p->reads[1], rows = p->reads[3] - first, padded = (rows + 3) & ~3;
  uint8_t *middle = wk_alloc_array((size_t)padded, middle_pitch);
  if (!middle)
    return WK_FAIL(err, WK_ERR_MEMORY, "no memory to resize to %d x %d pixels", r->width, r->height);
  for (int y = 0; y < rows; y += 4) {
    const uint8_t *from[4];
    uint8_t *to[4];
    for (int i = 0; i < 4; i++) {
      int row = y + i < rows ? y + i : rows - 1;
      from[i] = in->pixels + (size_t)(first + row) * (size_t)in->width * 3;
      to[i] = middle + (size_t)(y + i) * middle_pitch;
    }
    run_across(to, p, in, from, p->reads[0], r->w);
  }
  for (int y = 0; y < r->h; y++)
    p->kernel.down(dst + (size_t)y * pitch, middle + (size_t)(p->down.taps[y].first - first) * middle_pitch,
                   middle_pitch, p->down.coef + (size_t)y * p->down.ksize, (size_t)p->down.taps[y].count,
                   (size_t)r->w * 3);
  wk_free(middle);
  return WK_OK;
}

static wk_status down_then_across(uint8_t *dst, size_t pitch, passes *p, const wk_image *in, const wk_resample *r,
                                  wk_error *err) {
  const size_t four = padded_pitch(r->w), from_pitch = (size_t)in->width * 3;
  wk_image middle; /* the columns that are wanted, in the window's rows */
  WK_RETURN_IF_ERROR(wk_image_alloc_raw(&middle, p->reads[2] - p->reads[0], r->h, err));
  const size_t middle_pitch = (size_t)middle.width * 3;
  uint8_t *rows = wk_alloc_array(4, four);
  if (!rows) {
    wk_image_free(&middle);
    return WK_FAIL(err, WK_ERR_MEMORY, "no memory to resize to %d x %d pixels", r->width, r->height);
  }
  for (int y = 0; y < r->h; y++)
    p->kernel.down(middle.pixels + (size_t)y * middle_pitch,
                   in->pixels + (size_t)p->down.taps[y].first * from_pitch + (size_t)p->reads[0] * 3, from_pitch,
                   p->down.coef + (size_t)y * p->down.ksize, (size_t)p->down.taps[y].count, middle_pitch);
  for (int y = 0; y < r->h; y += 4) {
    const uint8_t *from[4];
    uint8_t *const to[4] = {rows, rows + four, rows + 2 * four, rows + 3 * four};
    for (int i = 0; i < 4; i++)
      from[i] = middle.pixels + (size_t)(y + i < r->h ? y + i : r->h - 1) * middle_pitch;
    run_across(to, p, &middle, from, 0, r->w);
    for (int i = 0; i < 4 && y + i < r->h; i++)
      memcpy(dst + (size_t)(y + i) * pitch, to[i], (size_t)r->w * 3);
  }
  wk_free(rows);
  wk_image_free(&middle);
  return WK_OK;
}

/* Pillow's rule since version 13: the height shrinks by more than twice as many pixels as the width. */
static bool down_goes_first(const wk_resample *r, const wk_image *in) {
  const int64_t less = (int64_t)in->height - r->height;
  return r->either_way && less > 0 && less > 2 * ((int64_t)in->width - r->width);
}

wk_status wk_resample_run(uint8_t *dst, size_t pitch, const wk_image *in, const wk_resample *r, wk_isa isa,
                          wk_error *err) {
  if (r->filter == WK_FILTER_NEAREST)
    return run_nearest(dst, pitch, in, r, err);

  wk_status st = WK_OK;
  passes p = {.kernel = wk_pixel_kernels_for(isa)};
  axis ax = axis_of(r, false, in->width), ay = axis_of(r, true, in->height);
  WK_TRY(weights_make(&p.across, &ax, r->x, r->w, err));
  WK_TRY(weights_make(&p.down, &ay, r->y, r->h, err));
  wk_resample_reads(p.reads, r, in->width, in->height);
  for (int x = 0; x < r->w; x++)
    p.across.taps[x].first -= p.reads[0];
  p.mixed = wk_alloc_array((size_t)(p.reads[2] - p.reads[0]), 16);
  WK_FAIL_IF(!p.mixed, err, WK_ERR_MEMORY, "no memory to resize to %d x %d pixels", r->width, r->height);
  st = down_goes_first(r, in) ? down_then_across(dst, pitch, &p, in, r, err)
                              : across_then_down(dst, pitch, &p, in, r, err);
done:
  wk_free(p.mixed);
  weights_free(&p.across);
  weights_free(&p.down);
  return st;
}

/* ---- the way back ------------------------------------------------------------------------------ */

/* The adjoint of both passes, in the opposite order and without their rounding. */
static wk_status linear_back(float *out, const float *gradient, size_t pitch, int width, int height,
                             const wk_resample *r, wk_error *err) {
  wk_status st = WK_OK;
  weights across = {0}, down = {0};
  axis ax = axis_of(r, false, width), ay = axis_of(r, true, height);
  const size_t n = (size_t)r->w * 3;
  float *middle = wk_calloc((size_t)height, n * sizeof *middle);
  WK_FAIL_IF(!middle, err, WK_ERR_MEMORY, "no memory to go back through a resize of %d x %d pixels", width, height);
  WK_TRY(weights_make(&across, &ax, r->x, r->w, err));
  WK_TRY(weights_make(&down, &ay, r->y, r->h, err));
  const float one = 1.0f / (1 << WK_RESAMPLE_BITS);
  for (int y = 0; y < r->h; y++)
    for (int t = 0; t < down.taps[y].count; t++) {
      float k = (float)down.coef[(size_t)y * down.ksize + (size_t)t] * one;
      float *to = middle + (size_t)(down.taps[y].first + t) * n;
      for (size_t i = 0; i < n; i++)
        to[i] += k * gradient[(size_t)y * pitch + i];
    }
  for (int v = 0; v < height; v++)
    for (int x = 0; x < r->w; x++) {
      const float *from = middle + (size_t)v * n + (size_t)x * 3;
      float *to = out + ((size_t)v * (size_t)width + (size_t)across.taps[x].first) * 3;
      for (int t = 0; t < across.taps[x].count; t++)
        for (int c = 0; c < 3; c++)
          to[3 * t + c] += (float)across.coef[(size_t)x * across.ksize + (size_t)t] * one * from[c];
    }
done:
  wk_free(middle);
  weights_free(&across);
  weights_free(&down);
  return st;
}

static wk_status nearest_back(float *out, const float *gradient, size_t pitch, int width, int height,
                              const wk_resample *r, wk_error *err) {
  int *column = wk_alloc_array((size_t)r->w + (size_t)r->h, sizeof *column);
  if (!column)
    return WK_FAIL(err, WK_ERR_MEMORY, "no memory to go back through a resize of %d x %d pixels", width, height);
  int *row = column + r->w;
  axis ax = axis_of(r, false, width), ay = axis_of(r, true, height);
  nearest_table(column, &ax, r->x, r->w);
  nearest_table(row, &ay, r->y, r->h);
  for (int y = 0; y < r->h; y++)
    for (int x = 0; x < r->w; x++)
      for (int c = 0; c < 3; c++)
        out[((size_t)row[y] * (size_t)width + (size_t)column[x]) * 3 + (size_t)c] +=
            gradient[(size_t)y * pitch + (size_t)x * 3 + (size_t)c];
  wk_free(column);
  return WK_OK;
}

wk_status wk_resample_back(float *out, const float *gradient, size_t pitch, int width, int height, const wk_resample *r,
                           wk_error *err) {
  memset(out, 0, (size_t)width * (size_t)height * 3 * sizeof *out);
  return r->filter == WK_FILTER_NEAREST ? nearest_back(out, gradient, pitch, width, height, r, err)
                                        : linear_back(out, gradient, pitch, width, height, r, err);
}

/* ---- the public face --------------------------------------------------------------------------- */

wk_status wk_image_resize(wk_image *out, const wk_image *in, int width, int height, wk_filter filter,
                          const double box[4], wk_error *err) {
  if (!out || !in || !in->pixels)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "no picture to resize, or nowhere to put the result");
  if ((unsigned)filter > WK_FILTER_NEAREST)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "there is no filter number %d", (int)filter);
  wk_resample r = {width, height, filter, {0, 0, in->width, in->height}, 0, 0, width, height, false};
  if (box) {
    memcpy(r.box, box, sizeof r.box);
    if (!(box[0] >= 0 && box[1] >= 0 && box[2] <= in->width && box[3] <= in->height && box[0] < box[2] &&
          box[1] < box[3]))
      return WK_FAIL(err, WK_ERR_ARGUMENT, "the box (%g, %g, %g, %g) is empty or leaves the picture of %d x %d pixels",
                     box[0], box[1], box[2], box[3], in->width, in->height);
  }
  if (width > WK_IMAGE_MAX_SIDE || height > WK_IMAGE_MAX_SIDE)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a picture of %d x %d pixels was asked for; no side may be longer than %d",
                   width, height, WK_IMAGE_MAX_SIDE);
  wk_image image;
  WK_RETURN_IF_ERROR(wk_image_alloc_raw(&image, width, height, err));
  wk_status st = wk_resample_run(image.pixels, (size_t)width * 3, in, &r, wk_cpu_isa(), err);
  if (st == WK_OK)
    *out = image;
  else
    wk_image_free(&image);
  return st;
}

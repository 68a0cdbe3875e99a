/* elementwise_grad.c - see elementwise_grad.h. As in elementwise.c, plain loops over contiguous channels. */
#include "nn/kernels/f32/elementwise_grad.h"

#include <string.h>

#include "nn/kernels/f32/exp.h"
#include "nn/kernels/f32/gauss.h"
#include "nn/kernels/f32/slope.h"

static inline float slope(float x, float y, wk_act act) {
  switch (act) {
  case WK_ACT_RELU:
    return y > 0.0f ? 1.0f : 0.0f;
  case WK_ACT_RELU6:
    return (y > 0.0f) & (y < 6.0f) ? 1.0f : 0.0f; /* both, always: so that it becomes vectors */
  case WK_ACT_HARDSIGMOID:
    return (y > 0.0f) & (y < 1.0f) ? 1.0f / 6.0f : 0.0f;
  case WK_ACT_SIGMOID:
    return y * (1.0f - y);
  case WK_ACT_HARDSWISH: {
    float inside = x * (1.0f / 3.0f) + 0.5f;
    inside = x > 3.0f ? 1.0f : inside;
    return x < -3.0f ? 0.0f : inside;
  }
  case WK_ACT_SILU: {
    float s = 1.0f / (1.0f + wk_exp(-x));
    return s * (1.0f + x * (1.0f - s));
  }
  case WK_ACT_GELU:
    return wk_gelu_slope(x);
  default:
    return 1.0f;
  }
}

void WK_ISA_FN(wk_act_grad)(float *dx, const float *dy, const float *x, const float *y, size_t n, wk_act act,
                            bool accumulate) {
  if (!x)
    x = y;
  if (!y)
    y = x;
#define LOOP(A)                                                                                                        \
  case A:                                                                                                              \
    if (accumulate)                                                                                                    \
      for (size_t i = 0; i < n; i++)                                                                                   \
        dx[i] += dy[i] * slope(x[i], y[i], A);                                                                         \
    else                                                                                                               \
      for (size_t i = 0; i < n; i++)                                                                                   \
        dx[i] = dy[i] * slope(x[i], y[i], A);                                                                          \
    break
  switch (act) {
    LOOP(WK_ACT_NONE);
    LOOP(WK_ACT_RELU);
    LOOP(WK_ACT_RELU6);
    LOOP(WK_ACT_HARDSIGMOID);
    LOOP(WK_ACT_SIGMOID);
    LOOP(WK_ACT_HARDSWISH);
    LOOP(WK_ACT_SILU);
    LOOP(WK_ACT_GELU);
  }
#undef LOOP
}

void WK_ISA_FN(wk_scaled)(float *dx, const float *dy, float factor, size_t n, bool accumulate) {
  if (accumulate)
    for (size_t i = 0; i < n; i++)
      dx[i] += dy[i] * factor;
  else
    for (size_t i = 0; i < n; i++)
      dx[i] = dy[i] * factor;
}

void WK_ISA_FN(wk_affine_grad)(float *dx, const float *dy, const float *scale, size_t pixels, int channels,
                               bool accumulate) {
  for (size_t p = 0; p < pixels; p++, dx += channels, dy += channels)
    if (accumulate)
      for (int c = 0; c < channels; c++)
        dx[c] += dy[c] * scale[c];
    else
      for (int c = 0; c < channels; c++)
        dx[c] = dy[c] * scale[c];
}

/* ---- sums over pixels ---------------------------------------------------------------------------- */

enum { CHUNK = 64, RUN = 32 }; /* channels at once; pixels whose float sums join the double ones */

void WK_ISA_FN(wk_channel_sums)(double *sum, const float *a, const float *b, const float *shift, size_t pixels,
                                int channels) {
  for (int c0 = 0; c0 < channels; c0 += CHUNK) {
    int n = channels - c0 < CHUNK ? channels - c0 : CHUNK;
    double total[CHUNK] = {0};
    float zero[CHUNK] = {0};
    const float *s = shift ? shift + c0 : zero;
    for (size_t p0 = 0; p0 < pixels; p0 += RUN) {
      size_t p1 = pixels - p0 < RUN ? pixels : p0 + RUN;
      float part[CHUNK] = {0};
      for (size_t p = p0; p < p1; p++) {
        const float *u = a + p * (size_t)channels + c0;
        if (!b) {
          for (int c = 0; c < n; c++)
            part[c] += u[c];
          continue;
        }
        const float *v = b + p * (size_t)channels + c0;
        for (int c = 0; c < n; c++)
          part[c] += u[c] * (v[c] - s[c]);
      }
      for (int c = 0; c < n; c++)
        total[c] += (double)part[c];
    }
    for (int c = 0; c < n; c++)
      sum[c0 + c] = total[c];
  }
}

void WK_ISA_FN(wk_batchnorm_grad)(float *dx, const float *dy, const float *x, const float *mean, const float *k,
                                  const float *mean_dy, const float *slopes, size_t pixels, int channels,
                                  bool accumulate) {
  for (size_t p = 0; p < pixels; p++, dx += channels, dy += channels, x += channels)
    if (accumulate)
      for (int c = 0; c < channels; c++)
        dx[c] += k[c] * (dy[c] - mean_dy[c] - (x[c] - mean[c]) * slopes[c]);
    else
      for (int c = 0; c < channels; c++)
        dx[c] = k[c] * (dy[c] - mean_dy[c] - (x[c] - mean[c]) * slopes[c]);
}

/* ---- pooling ------------------------------------------------------------------------------------- */

typedef struct range {
  int from, to;
} range;

static inline range clip(int start, int kernel, int dilation, int in) {
  range r = {start, start + (kernel - 1) * dilation + 1};
  while (r.from < 0)
    r.from += dilation;
  if (r.to > in)
    r.to = in;
  return r;
}

/* One photo's gradient, of which rows first..last-1 are written. */
typedef struct max_pool {
  float *dx;
  const float *dy, *x, *y;
  const wk_window *window;
  ptrdiff_t row, channels;
  int first, last;
  vec limit;
  bool masked;
} max_pool;

/* Channels ch.. of one output, with the window h by v; the first maximum takes all. Constants: `part`, fewer than a
 * vector; `apart`, no pixel lies in two windows, so dx is finished at once; `add`, to what is there. */
WK_INLINE void max_pool_pixel(const max_pool *m, ptrdiff_t out, int ch, range h, range v, int have, bool part,
                              bool apart, bool add) {
  const int step_y = m->window->dilation_h, step_x = m->window->dilation_w;
  const vec y = part ? vec_load_part(m->y + out, have) : vec_load(m->y + out);
  vec left = part ? vec_load_part(m->dy + out, have) : vec_load(m->dy + out);
  for (int iy = h.from; iy < h.to; iy += step_y)
    for (int ix = v.from; ix < v.to; ix += step_x) {
      const ptrdiff_t at = iy * m->row + ix * m->channels + ch;
      const vec value = part ? vec_load_part(m->x + at, have) : vec_load(m->x + at);
      const vec_bits here = value == y;
      if (iy >= m->first && iy < m->last) {
        const vec before = !add ? vec_zero() : part ? vec_load_part(m->dx + at, have) : vec_load(m->dx + at);
        vec sum = before + (vec)(here & (vec_bits)left);
        if (apart && m->masked)
          sum = slope_apply(m->limit, sum, value);
        if (part)
          vec_store_part(m->dx + at, sum, have);
        else
          vec_store(m->dx + at, sum);
      }
      left = (vec)(~here & (vec_bits)left);
    }
}

/* One row of outputs, at `out`. */
WK_INLINE void max_pool_row(const max_pool *m, const wk_pool *l, ptrdiff_t out, range h, bool apart, bool add) {
  const wk_window *w = m->window;
  const int channels = l->in.channels;
  for (int ox = 0; ox < l->out.width; ox++, out += channels) {
    const range v = clip(ox * w->stride_w - w->pad_left, w->kernel_w, w->dilation_w, l->in.width);
    int c = 0;
    for (; c + WK_VL <= channels; c += WK_VL)
      max_pool_pixel(m, out + c, c, h, v, WK_VL, false, apart, add);
    if (c < channels)
      max_pool_pixel(m, out + c, c, h, v, channels - c, true, apart, add);
  }
}

/* Rows from..to-1 times the slope. */
static void max_pool_mask(const max_pool *m, int from, int to) {
  ptrdiff_t i = from * m->row;
  const ptrdiff_t end = to * m->row;
  for (; i + WK_VL <= end; i += WK_VL)
    vec_store(m->dx + i, slope_apply(m->limit, vec_load(m->dx + i), vec_load(m->x + i)));
  if (i < end) {
    const int have = (int)(end - i);
    vec_store_part(m->dx + i, slope_apply(m->limit, vec_load_part(m->dx + i, have), vec_load_part(m->x + i, have)),
                   have);
  }
}

/* Does each pixel lie in exactly one window? */
static bool windows_tile(const wk_pool *l) {
  const wk_window *w = &l->window;
  return w->kernel_h == w->stride_h && w->kernel_w == w->stride_w && w->dilation_h == 1 && w->dilation_w == 1 &&
         !w->pad_top && !w->pad_left && l->in.height == l->out.height * w->stride_h &&
         l->in.width == l->out.width * w->stride_w;
}

static int least(int a, int b) { return a < b ? a : b; }

void WK_ISA_FN(wk_max_pool_grad)(float *dx, const float *dy, const float *x, const float *y, const wk_pool *l,
                                 int first, int last, bool accumulate, wk_act mask_act) {
  const wk_window *w = &l->window;
  const ptrdiff_t row = (ptrdiff_t)l->in.width * l->in.channels, out_row = (ptrdiff_t)l->out.width * l->in.channels;
  const max_pool m = {.dx = dx,
                      .dy = dy,
                      .x = x,
                      .y = y,
                      .window = w,
                      .row = row,
                      .channels = l->in.channels,
                      .first = first,
                      .last = last,
                      .limit = slope_limit(mask_act),
                      .masked = mask_act != WK_ACT_NONE};
  const bool tile = windows_tile(l);
  int begun = first, finished = first; /* rows before: hold what is added to; are done with */
  for (int oy = 0; oy < l->out.height; oy++) {
    const range h = clip(oy * w->stride_h - w->pad_top, w->kernel_h, w->dilation_h, l->in.height);
    if (h.to <= first || h.from >= last)
      continue;
    if (tile) {
      if (accumulate)
        max_pool_row(&m, l, oy * out_row, h, true, true);
      else
        max_pool_row(&m, l, oy * out_row, h, true, false);
      continue;
    }
    const int end = least(h.to, last), next = least((oy + 1) * w->stride_h - w->pad_top, last);
    if (!accumulate && end > begun)
      memset(dx + begun * row, 0, (size_t)(end - begun) * (size_t)row * sizeof *dx);
    begun = end > begun ? end : begun;
    max_pool_row(&m, l, oy * out_row, h, false, true);
    if (m.masked && next > finished && next <= begun) {
      max_pool_mask(&m, finished, next);
      finished = next;
    }
  }
  if (tile)
    return;
  if (!accumulate && last > begun)
    memset(dx + begun * row, 0, (size_t)(last - begun) * (size_t)row * sizeof *dx);
  if (m.masked && last > finished)
    max_pool_mask(&m, finished, last);
}

static inline void spread(float *restrict dx, const float *restrict dy, range h, range v, size_t width, size_t channels,
                          float divisor) {
  for (int iy = h.from; iy < h.to; iy++)
    for (int ix = v.from; ix < v.to; ix++) {
      float *to = dx + ((size_t)iy * width + (size_t)ix) * channels;
      for (size_t c = 0; c < channels; c++)
        to[c] += dy[c] / divisor;
    }
}

static inline int padded(int start, int kernel, int in, int after) {
  int end = start + kernel;
  return (end < in + after ? end : in + after) - start;
}

void WK_ISA_FN(wk_avg_pool_grad)(float *restrict dx, const float *restrict dy, const wk_pool *l) {
  const wk_window *w = &l->window;
  for (int oy = 0; oy < l->out.height; oy++)
    for (int ox = 0; ox < l->out.width; ox++, dy += l->in.channels) {
      int y0 = oy * w->stride_h - w->pad_top, x0 = ox * w->stride_w - w->pad_left;
      range h = clip(y0, w->kernel_h, 1, l->in.height), v = clip(x0, w->kernel_w, 1, l->in.width);
      float divisor = w->count_include_pad ? (float)padded(y0, w->kernel_h, l->in.height, w->pad_bottom) *
                                                 (float)padded(x0, w->kernel_w, l->in.width, w->pad_right)
                                           : (float)(h.to - h.from) * (float)(v.to - v.from);
      spread(dx, dy, h, v, (size_t)l->in.width, (size_t)l->in.channels, divisor);
    }
}

static inline range block(int i, int in, int out) {
  int64_t n = in, m = out;
  return (range){(int)(i * n / m), (int)(((i + 1) * n + m - 1) / m)};
}

void WK_ISA_FN(wk_adaptive_avg_pool_grad)(float *restrict dx, const float *restrict dy, const wk_pool *l) {
  for (int oy = 0; oy < l->out.height; oy++)
    for (int ox = 0; ox < l->out.width; ox++, dy += l->in.channels) {
      range h = block(oy, l->in.height, l->out.height), v = block(ox, l->in.width, l->out.width);
      spread(dx, dy, h, v, (size_t)l->in.width, (size_t)l->in.channels,
             (float)(h.to - h.from) * (float)(v.to - v.from));
    }
}

void WK_ISA_FN(wk_softmax_grad)(float *dx, const float *dy, const float *y, int n, bool accumulate) {
  double dot = 0;
  for (int i = 0; i < n; i++)
    dot += (double)y[i] * (double)dy[i];
  for (int i = 0; i < n; i++) {
    float g = (float)((double)y[i] * ((double)dy[i] - dot));
    dx[i] = accumulate ? dx[i] + g : g;
  }
}

/* elementwise.c - see elementwise.h. Plain loops over contiguous channels that the compiler turns into the instruction
 * set this file is compiled for; nothing here is written for one set. */
#include "nn/kernels/f32/elementwise.h"

#include <string.h>

#include "nn/kernels/f32/exp.h"
#include "nn/kernels/f32/gauss.h"

static inline float clip6(float x) {
  x = x < 0.0f ? 0.0f : x;
  return x > 6.0f ? 6.0f : x;
}

static inline float act_f(float x, wk_act act) {
  switch (act) {
  case WK_ACT_RELU:
    return x < 0.0f ? 0.0f : x;
  case WK_ACT_RELU6:
    return clip6(x);
  case WK_ACT_HARDSIGMOID:
    return clip6(x + 3.0f) * (1.0f / 6.0f);
  case WK_ACT_HARDSWISH:
    return x * (clip6(x + 3.0f) * (1.0f / 6.0f));
  case WK_ACT_SIGMOID:
    return 1.0f / (1.0f + wk_exp(-x));
  case WK_ACT_SILU:
    return x / (1.0f + wk_exp(-x));
  case WK_ACT_GELU:
    return wk_gelu(x);
  default:
    return x;
  }
}

/* Runs STATEMENT once with `act` a constant, so that each loop is compiled for its activation. */
#define EACH_ACT(act, STATEMENT)                                                                                       \
  switch (act) {                                                                                                       \
  case WK_ACT_RELU:                                                                                                    \
    STATEMENT(WK_ACT_RELU);                                                                                            \
    break;                                                                                                             \
  case WK_ACT_RELU6:                                                                                                   \
    STATEMENT(WK_ACT_RELU6);                                                                                           \
    break;                                                                                                             \
  case WK_ACT_HARDSWISH:                                                                                               \
    STATEMENT(WK_ACT_HARDSWISH);                                                                                       \
    break;                                                                                                             \
  case WK_ACT_HARDSIGMOID:                                                                                             \
    STATEMENT(WK_ACT_HARDSIGMOID);                                                                                     \
    break;                                                                                                             \
  case WK_ACT_SILU:                                                                                                    \
    STATEMENT(WK_ACT_SILU);                                                                                            \
    break;                                                                                                             \
  case WK_ACT_SIGMOID:                                                                                                 \
    STATEMENT(WK_ACT_SIGMOID);                                                                                         \
    break;                                                                                                             \
  case WK_ACT_GELU:                                                                                                    \
    STATEMENT(WK_ACT_GELU);                                                                                            \
    break;                                                                                                             \
  default:                                                                                                             \
    STATEMENT(WK_ACT_NONE);                                                                                            \
    break;                                                                                                             \
  }

void WK_ISA_FN(wk_act_apply)(float *out, const float *in, size_t n, wk_act act) {
#define LOOP(A)                                                                                                        \
  for (size_t i = 0; i < n; i++)                                                                                       \
  out[i] = act_f(in[i], A)
  EACH_ACT(act, LOOP)
#undef LOOP
}

void WK_ISA_FN(wk_add)(float *out, const float *a, const float *b, size_t n, wk_act act) {
#define LOOP(A)                                                                                                        \
  for (size_t i = 0; i < n; i++)                                                                                       \
  out[i] = act_f(a[i] + b[i], A)
  EACH_ACT(act, LOOP)
#undef LOOP
}

void WK_ISA_FN(wk_affine)(float *out, const float *in, const float *scale, const float *shift, size_t pixels,
                          int channels, wk_act act) {
  size_t c = (size_t)channels;
  for (size_t p = 0; p < pixels; p++) {
    float *o = out + p * c;
    const float *x = in + p * c;
    if (!shift) {
      for (size_t i = 0; i < c; i++)
        o[i] = x[i] * scale[i];
      continue;
    }
#define LOOP(A)                                                                                                        \
  for (size_t i = 0; i < c; i++)                                                                                       \
  o[i] = act_f(x[i] * scale[i] + shift[i], A)
    EACH_ACT(act, LOOP)
#undef LOOP
  }
}

/* ---- pooling ------------------------------------------------------------------------------------- */

enum { CHUNK = 64 }; /* channels whose sums are held at once */

/* The part of a window of one side that lies on the input: its first pixel, its end, and its step. */
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

void WK_ISA_FN(wk_max_pool)(float *restrict out, const float *restrict in, const wk_pool *l, int row) {
  const wk_window *w = &l->window;
  int channels = l->in.channels, width = l->in.width;
  range y = clip(row * w->stride_h - w->pad_top, w->kernel_h, w->dilation_h, l->in.height);
  for (int ox = 0; ox < l->out.width; ox++) {
    range x = clip(ox * w->stride_w - w->pad_left, w->kernel_w, w->dilation_w, width);
    float *o = out + (size_t)ox * (size_t)channels;
    for (int c = 0; c < channels; c++)
      o[c] = -__builtin_inff();
    for (int iy = y.from; iy < y.to; iy += w->dilation_h)
      for (int ix = x.from; ix < x.to; ix += w->dilation_w) {
        const float *p = in + ((size_t)iy * (size_t)width + (size_t)ix) * (size_t)channels;
        for (int c = 0; c < channels; c++)
          o[c] = p[c] > o[c] ? p[c] : o[c];
      }
  }
}

/* Mean over a block of pixels: sums a chunk of channels at a time, line by line. */
static inline void mean(float *restrict out, const float *restrict in, range y, range x, int width, int channels,
                        float divisor) {
  for (int c0 = 0; c0 < channels; c0 += CHUNK) {
    int n = channels - c0 < CHUNK ? channels - c0 : CHUNK;
    float sum[CHUNK] = {0};
    for (int iy = y.from; iy < y.to; iy++) {
      const float *p = in + ((size_t)iy * (size_t)width + (size_t)x.from) * (size_t)channels + c0;
      float line[CHUNK] = {0};
      for (int ix = x.from; ix < x.to; ix++, p += channels)
        for (int c = 0; c < n; c++)
          line[c] += p[c];
      for (int c = 0; c < n; c++)
        sum[c] += line[c];
    }
    for (int c = 0; c < n; c++)
      out[c0 + c] = sum[c] / divisor;
  }
}

/* How many pixels of a window of one side count, with padding: PyTorch cuts it at the padded input's end. */
static inline int padded(int start, int kernel, int in, int after) {
  int end = start + kernel;
  return (end < in + after ? end : in + after) - start;
}

void WK_ISA_FN(wk_avg_pool)(float *restrict out, const float *restrict in, const wk_pool *l, int row) {
  const wk_window *w = &l->window;
  int y0 = row * w->stride_h - w->pad_top;
  range y = clip(y0, w->kernel_h, 1, l->in.height);
  for (int ox = 0; ox < l->out.width; ox++) {
    int x0 = ox * w->stride_w - w->pad_left;
    range x = clip(x0, w->kernel_w, 1, l->in.width);
    float divisor = w->count_include_pad ? (float)padded(y0, w->kernel_h, l->in.height, w->pad_bottom) *
                                               (float)padded(x0, w->kernel_w, l->in.width, w->pad_right)
                                         : (float)(y.to - y.from) * (float)(x.to - x.from);
    mean(out + (size_t)ox * (size_t)l->in.channels, in, y, x, l->in.width, l->in.channels, divisor);
  }
}

/* PyTorch's blocks: output i covers floor(i n / m) .. ceil((i + 1) n / m). */
static inline range block(int i, int in, int out) {
  int64_t n = in, m = out;
  return (range){(int)(i * n / m), (int)(((i + 1) * n + m - 1) / m)};
}

void WK_ISA_FN(wk_adaptive_avg_pool)(float *restrict out, const float *restrict in, const wk_pool *l, int row) {
  range y = block(row, l->in.height, l->out.height);
  for (int ox = 0; ox < l->out.width; ox++) {
    range x = block(ox, l->in.width, l->out.width);
    mean(out + (size_t)ox * (size_t)l->in.channels, in, y, x, l->in.width, l->in.channels,
         (float)(y.to - y.from) * (float)(x.to - x.from));
  }
}

void WK_ISA_FN(wk_softmax)(float *out, const float *in, int n) {
  float top = in[0];
  for (int i = 1; i < n; i++)
    top = in[i] > top ? in[i] : top;
  for (int i = 0; i < n; i++)
    out[i] = wk_exp(in[i] - top);
  double sum = 0;
  for (int i = 0; i < n; i++)
    sum += (double)out[i];
  for (int i = 0; i < n; i++)
    out[i] = (float)((double)out[i] / sum);
}

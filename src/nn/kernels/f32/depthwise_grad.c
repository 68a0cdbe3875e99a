/* depthwise_grad.c - gradients of depthwise convolutions: of the input one row at a time, of the weights a few rows of
 * outputs at a time.
 *
 * As in depthwise.c, GROUP neighbouring results of one vector of channels are made together, so that a gradient is
 * loaded once a row of the kernel. With stride 2 a group begins where the kernel's first tap meets an output, so that
 * which tap meets which result is known when this is compiled.
 */
#include "nn/kernels/f32/depthwise_grad.h"

#include "nn/kernels/f32/slope.h"
#include "nn/kernels/vec.h"

#define GROUP_1 7 /* with stride 1: divides the sides of ImageNet's networks */
#define GROUP_2 8 /* with stride 2: even */
#define MAX_GROUP 8
#define MAX_KERNEL 7           /* unrolled; larger ones take the general way */
#define BAND_FLOATS (48 << 10) /* of input and output rows whose part of the weights' gradient is made together */
#define MAX_ROWS 128           /* of inputs, likewise */
#define AHEAD 16               /* channels: the line that the next vectors will need */

/* ---- of the input ------------------------------------------------------------------------------ */

/* What a finished vector of results still goes through. */
WK_INLINE vec finish(const wk_depthwise_back *d, vec limit, vec g, const float *dx, const float *mask, int have,
                     bool part) {
  if (d->accumulate)
    g = (part ? vec_load_part(dx, have) : vec_load(dx)) + g;
  if (mask)
    g = slope_apply(limit, g, part ? vec_load_part(mask, have) : vec_load(mask));
  return g;
}

/* Channels ch.. of results x..x+group-1. `group`, `kernel`, `stride`, `edge` and `part` are constants where this is
 * inlined: `edge` for results beside the row or made of outputs beside theirs. rows[ky] is the row of outputs that tap
 * row ky meets; NULL: none. */
WK_INLINE void results(const wk_depthwise_back *d, float *dx, const float *mask, const float *const *rows, int x,
                       int ch, int group, int kernel, int stride, bool edge, bool part) {
  const int have = d->channels - ch;
  const ptrdiff_t c = d->channels;
  const int before = (kernel - 1) / stride, columns = before + (group - 1) / stride + 1;
  const int o0 = (x + d->pad_left) / stride - before; /* exact: the sum is a multiple */
  const ptrdiff_t first = o0 * c + ch;
  vec sum[MAX_GROUP];
  WK_UNROLL
  for (int g = 0; g < group; g++)
    sum[g] = vec_zero();
  for (int ky = 0; ky < d->kernel_h; ky++) {
    if (!rows[ky])
      continue;
    const float *weights = d->weights + (ptrdiff_t)ky * kernel * c + ch, *in = rows[ky] + first;
    vec w[MAX_KERNEL];
    WK_UNROLL
    for (int kx = 0; kx < kernel; kx++)
      w[kx] = part ? vec_load_part(weights + kx * c, have) : vec_load(weights + kx * c);
    WK_UNROLL
    for (int i = 0; i < columns; i++, in += c) {
      if (edge && (unsigned)(o0 + i) >= (unsigned)d->out_w)
        continue;
      const vec v = part ? vec_load_part(in, have) : vec_load(in);
      WK_UNROLL
      for (int g = 0; g < group; g++)
        if (g - (i - before) * stride >= 0 && g - (i - before) * stride < kernel)
          sum[g] = vec_fma(v, w[g - (i - before) * stride], sum[g]);
    }
  }
  const vec limit = slope_limit(d->mask_act);
  ptrdiff_t at = x * c + ch;
  WK_UNROLL
  for (int g = 0; g < group; g++, at += c) {
    if (edge && (unsigned)(x + g) >= (unsigned)d->in_w)
      continue;
    const vec v = finish(d, limit, sum[g], dx + at, mask ? mask + at : NULL, have, part);
    if (part)
      vec_store_part(dx + at, v, have);
    else
      vec_store(dx + at, v);
  }
}

/* One row. The copy cannot be what the results are written to, so its fields stay in registers. */
WK_INLINE void data_row(const wk_depthwise_back *shape, float *dx, const float *mask, const float *const *rows,
                        int group, int kernel, int stride) {
  const wk_depthwise_back copy = *shape, *const d = &copy;
  const int whole = d->channels / WK_VL * WK_VL, before = (kernel - 1) / stride;
  for (int x = -(d->pad_left % stride); x < d->in_w; x += group) {
    const int o = (x + d->pad_left) / stride;
    if (x >= 0 && x + group <= d->in_w && o - before >= 0 && o + (group - 1) / stride < d->out_w)
      for (int ch = 0; ch < whole; ch += WK_VL)
        results(d, dx, mask, rows, x, ch, group, kernel, stride, false, false);
    else
      for (int ch = 0; ch < whole; ch += WK_VL)
        results(d, dx, mask, rows, x, ch, group, kernel, stride, true, false);
    if (whole < d->channels)
      results(d, dx, mask, rows, x, whole, group, kernel, stride, true, true);
  }
}

#define DATA_ROW(kernel, stride)                                                                                       \
  static void data_row_##kernel##_##stride(const wk_depthwise_back *d, float *dx, const float *mask,                   \
                                           const float *const *rows) {                                                 \
    data_row(d, dx, mask, rows, GROUP_##stride, kernel, stride);                                                       \
  }
DATA_ROW(3, 1)
DATA_ROW(3, 2)
DATA_ROW(5, 1)
DATA_ROW(5, 2)
DATA_ROW(7, 1)

/* Any kernel and stride. */
static void data_row_any(const wk_depthwise_back *d, float *dx, const float *mask, const float *const *rows) {
  const ptrdiff_t c = d->channels;
  const vec limit = slope_limit(d->mask_act);
  for (int x = 0; x < d->in_w; x++)
    for (int ch = 0; ch < d->channels; ch += WK_VL) {
      const int have = d->channels - ch < WK_VL ? d->channels - ch : WK_VL;
      const ptrdiff_t at = x * c + ch;
      vec sum = vec_zero();
      for (int ky = 0; ky < d->kernel_h; ky++)
        for (int kx = 0; kx < d->kernel_w; kx++) {
          const int o = x + d->pad_left - kx;
          if (!rows[ky] || o < 0 || o % d->stride || o / d->stride >= d->out_w)
            continue;
          sum = vec_fma(vec_load_part(rows[ky] + o / d->stride * c + ch, have),
                        vec_load_part(d->weights + ((ptrdiff_t)ky * d->kernel_w + kx) * c + ch, have), sum);
        }
      vec_store_part(dx + at, finish(d, limit, sum, dx + at, mask ? mask + at : NULL, have, true), have);
    }
}

typedef void (*row_fn)(const wk_depthwise_back *d, float *dx, const float *mask, const float *const *rows);

static row_fn row_of(const wk_depthwise_back *d) {
  const int kernel = d->kernel_w, stride = d->stride;
  return kernel == 3 && stride == 1   ? data_row_3_1
         : kernel == 3 && stride == 2 ? data_row_3_2
         : kernel == 5 && stride == 1 ? data_row_5_1
         : kernel == 5 && stride == 2 ? data_row_5_2
         : kernel == 7 && stride == 1 ? data_row_7_1
                                      : data_row_any;
}

void WK_ISA_FN(wk_depthwise_data_row)(const wk_depthwise_back *d, float *dx, const float *mask,
                                      const float *const *rows) {
  row_of(d)(d, dx, mask, rows);
}

/* Whole rows, one after the other: they come from beyond the caches, and only what is read in one piece is fetched
 * ahead. */
void WK_ISA_FN(wk_depthwise_data)(const wk_depthwise_back *d, int row0, int row1) {
  const ptrdiff_t in_row = (ptrdiff_t)d->in_w * d->channels, out_row = (ptrdiff_t)d->out_w * d->channels;
  const row_fn run = row_of(d);
  for (int row = row0; row < row1; row++) {
    const int image = row / d->in_h, y = row % d->in_h + d->pad_top;
    const float *rows[WK_DEPTHWISE_MAX];
    for (int ky = 0; ky < d->kernel_h; ky++) {
      const int o = y - ky;
      rows[ky] = o < 0 || o % d->stride || o / d->stride >= d->out_h
                     ? NULL
                     : d->dy + ((ptrdiff_t)image * d->out_h + o / d->stride) * out_row;
    }
    run(d, d->dx + row * in_row, d->mask ? d->mask + row * in_row : NULL, rows);
  }
}

/* ---- of the weights ------------------------------------------------------------------------------ */

/* What a band of rows gives to some tap rows of one vector of channels: `count` rows of the kernel's taps from ky0 on,
 * and where `bias` to that. All but the pointers are constants where this is inlined. */
typedef struct taps {
  vec sum[3 * MAX_KERNEL], bias;
} taps;

WK_INLINE vec load(const float *p, int have, bool part) { return part ? vec_load_part(p, have) : vec_load(p); }

/* The gradients move on by one, with `next` behind them, and an input of each row meets them. */
WK_INLINE void meet(taps *t, vec *g, vec next, const float **x, const ptrdiff_t *step, int have, int count, int kernel,
                    bool part) {
  WK_UNROLL
  for (int k = kernel - 1; k > 0; k--)
    g[k] = g[k - 1];
  g[0] = next;
  WK_UNROLL
  for (int r = 0; r < count; r++) {
    const vec v = load(x[r], have, part);
    WK_UNROLL
    for (int k = 0; k < kernel; k++)
      t->sum[r * kernel + k] = vec_fma(g[k], v, t->sum[r * kernel + k]);
    x[r] += step[r];
  }
}

/* With stride 1, along a row of inputs: each meets the `kernel` gradients that move along with it in registers. */
WK_INLINE void row_1(const wk_depthwise_back *d, taps *t, const float *dy, const float *const *in,
                     const ptrdiff_t *step, int have, int count, int kernel, bool bias, bool part) {
  const ptrdiff_t c = d->channels;
  const int out_w = d->out_w, in_w = d->in_w, pad = d->pad_left;
  const float *x[3], *next = dy + pad * c;
  vec g[MAX_KERNEL]; /* g[k]: of the output that tap k of the next input belongs to, once they have moved */
  WK_UNROLL
  for (int k = 0; k + 1 < kernel; k++) {
    const int o = pad - 1 - k;
    g[k] = o >= 0 && o < out_w ? load(dy + o * c, have, part) : vec_zero();
  }
  if (bias)
    for (int o = 0; o < pad && o < out_w; o++)
      t->bias = t->bias + load(dy + o * c, have, part);
  WK_UNROLL
  for (int r = 0; r < count; r++)
    x[r] = in[r];
  const int inside = out_w - pad < 0 ? 0 : out_w - pad < in_w ? out_w - pad : in_w;
  for (int i = 0; i < inside; i++, next += c) {
    const vec v = load(next, have, part);
    if (bias) {
      t->bias = t->bias + v;
      __builtin_prefetch(next + AHEAD);
      __builtin_prefetch(x[0] + AHEAD);
    }
    meet(t, g, v, x, step, have, count, kernel, part);
  }
  for (int i = inside; i < in_w; i++)
    meet(t, g, vec_zero(), x, step, have, count, kernel, part);
  if (bias)
    for (int o = in_w + pad; o < out_w; o++)
      t->bias = t->bias + load(dy + o * c, have, part);
}

/* With any stride, along a row of gradients: each meets `kernel` inputs. */
WK_INLINE void row_any(const wk_depthwise_back *d, taps *t, const float *dy, const float *const *in,
                       const ptrdiff_t *step, int have, int count, int kernel, bool bias, bool part) {
  static const float zeros[WK_VL];
  const ptrdiff_t c = d->channels;
  const int stride = d->stride, out_w = d->out_w, in_w = d->in_w, pad = d->pad_left;
  for (int o = 0; o < out_w; o++) {
    const vec g = load(dy + o * c, have, part);
    const int x0 = o * stride - pad;
    if (bias)
      t->bias = t->bias + g;
    if (x0 >= 0 && x0 + kernel <= in_w) {
      WK_UNROLL
      for (int r = 0; r < count; r++) {
        const float *x = in[r] + x0 * step[r];
        WK_UNROLL
        for (int k = 0; k < kernel; k++, x += step[r])
          t->sum[r * kernel + k] = vec_fma(g, load(x, have, part), t->sum[r * kernel + k]);
      }
      continue;
    }
    WK_UNROLL
    for (int k = 0; k < kernel; k++) {
      const bool there = (unsigned)(x0 + k) < (unsigned)in_w;
      WK_UNROLL
      for (int r = 0; r < count; r++)
        t->sum[r * kernel + k] =
            vec_fma(g, load(there ? in[r] + (x0 + k) * step[r] : zeros, have, part), t->sum[r * kernel + k]);
    }
  }
}

/* Adds what some rows of outputs of one image give to tap rows ky0..ky0+count-1, channels ch.., and where `bias` to
 * that of the bias. x[y * stride + ky] is the row of inputs that tap row ky of outputs y meets; NULL: none. `stride` is
 * 1 or any, and as `count`, `kernel`, `bias` and `part` a constant where this is inlined. */
WK_INLINE void band(const wk_depthwise_back *shape, const float *const *x, const float *const *rows, int height, int ch,
                    int ky0, int count, int kernel, int stride, bool bias, bool part) {
  static const float zeros[WK_VL];
  const wk_depthwise_back copy = *shape, *const d = &copy;
  const int have = d->channels - ch;
  const ptrdiff_t c = d->channels;
  taps t = {.bias = vec_zero()};
  WK_UNROLL
  for (int i = 0; i < count * kernel; i++)
    t.sum[i] = load(d->dw + (ky0 * kernel + i) * c + ch, have, part);
  for (int y = 0; y < height; y++) {
    const float *in[3];
    ptrdiff_t step[3]; /* a row beside the image is one vector of zeros */
    WK_UNROLL
    for (int r = 0; r < count; r++) {
      const float *row = x[y * d->stride + ky0 + r];
      in[r] = row ? row + ch : zeros;
      step[r] = row ? c : 0;
    }
    if (stride == 1)
      row_1(d, &t, rows[y] + ch, in, step, have, count, kernel, bias, part);
    else
      row_any(d, &t, rows[y] + ch, in, step, have, count, kernel, bias, part);
  }
  WK_UNROLL
  for (int i = 0; i < count * kernel; i++) {
    float *at = d->dw + (ky0 * kernel + i) * c + ch;
    if (part)
      vec_store_part(at, t.sum[i], have);
    else
      vec_store(at, t.sum[i]);
  }
  if (bias) {
    if (part)
      vec_store_part(d->db + ch, vec_load_part(d->db + ch, have) + t.bias, have);
    else
      vec_store(d->db + ch, vec_load(d->db + ch) + t.bias);
  }
}

/* All tap rows of channels ch..; as many at a time as registers hold sums beside what they are made from. */
WK_INLINE void all_taps(const wk_depthwise_back *d, const float *const *x, const float *const *dy, int height, int ch,
                        int kernel, int stride, bool part) {
  if (kernel == 3) {
    band(d, x, dy, height, ch, 0, 3, 3, stride, true, part);
  } else if (kernel == 7) {
    band(d, x, dy, height, ch, 0, 1, 7, stride, true, part);
    for (int ky = 1; ky < 7; ky++)
      band(d, x, dy, height, ch, ky, 1, 7, stride, false, part);
  } else if (stride == 1) {
    band(d, x, dy, height, ch, 0, 1, 5, stride, true, part);
    band(d, x, dy, height, ch, 1, 2, 5, stride, false, part);
    band(d, x, dy, height, ch, 3, 2, 5, stride, false, part);
  } else {
    band(d, x, dy, height, ch, 0, 2, 5, stride, true, part);
    band(d, x, dy, height, ch, 2, 3, 5, stride, false, part);
  }
}

#define BAND(kernel, stride)                                                                                           \
  static void band_##kernel##_##stride(const wk_depthwise_back *d, const float *const *x, const float *const *dy,      \
                                       int height) {                                                                   \
    int ch = 0;                                                                                                        \
    for (; ch + WK_VL <= d->channels; ch += WK_VL)                                                                     \
      all_taps(d, x, dy, height, ch, kernel, stride, false);                                                           \
    if (ch < d->channels)                                                                                              \
      all_taps(d, x, dy, height, ch, kernel, stride, true);                                                            \
  }
BAND(3, 1)
BAND(3, 2)
BAND(5, 1)
BAND(5, 2)
BAND(7, 1)

/* Any kernel and stride. */
static void band_any(const wk_depthwise_back *d, const float *const *x, const float *const *rows, int height) {
  const ptrdiff_t c = d->channels;
  for (int y = 0; y < height; y++) {
    const float *dy = rows[y];
    for (int ox = 0; ox < d->out_w; ox++, dy += c) {
      for (int ch = 0; ch < d->channels; ch++)
        d->db[ch] += dy[ch];
      for (int ky = 0; ky < d->kernel_h; ky++)
        for (int kx = 0; kx < d->kernel_w; kx++) {
          const float *row = x[y * d->stride + ky];
          const int ix = ox * d->stride + kx - d->pad_left;
          if (!row || ix < 0 || ix >= d->in_w)
            continue;
          const float *in = row + ix * c;
          float *dw = d->dw + ((ptrdiff_t)ky * d->kernel_w + kx) * c;
          for (int ch = 0; ch < d->channels; ch++)
            dw[ch] += in[ch] * dy[ch];
        }
    }
  }
}

void WK_ISA_FN(wk_depthwise_weights_rows)(const wk_depthwise_back *d, const float *const *x, const float *const *dy,
                                          int height) {
  const bool square = d->kernel_h == d->kernel_w;
  if (square && d->kernel_h == 3)
    d->stride == 1 ? band_3_1(d, x, dy, height) : band_3_2(d, x, dy, height);
  else if (square && d->kernel_h == 5)
    d->stride == 1 ? band_5_1(d, x, dy, height) : band_5_2(d, x, dy, height);
  else if (square && d->kernel_h == 7 && d->stride == 1)
    band_7_1(d, x, dy, height);
  else
    band_any(d, x, dy, height);
}

void WK_ISA_FN(wk_depthwise_weights)(const wk_depthwise_back *d) {
  const ptrdiff_t row = (ptrdiff_t)d->in_w * d->channels, out_row = (ptrdiff_t)d->out_w * d->channels;
  memset(d->dw, 0, (size_t)d->kernel_h * (size_t)d->kernel_w * (size_t)d->channels * sizeof *d->dw);
  memset(d->db, 0, (size_t)d->channels * sizeof *d->db);
  const ptrdiff_t line = row * d->stride + out_row; /* that one more row brings in */
  int rows = BAND_FLOATS / line > 1 ? (int)(BAND_FLOATS / line) : 1;
  if ((rows - 1) * d->stride + d->kernel_h > MAX_ROWS)
    rows = (MAX_ROWS - d->kernel_h) / d->stride + 1;
  for (int image = 0; image < d->batch; image++)
    for (int y = 0; y < d->out_h; y += rows) {
      const int height = d->out_h - y < rows ? d->out_h - y : rows;
      const float *x[MAX_ROWS], *dy[MAX_ROWS];
      for (int i = 0; i < (height - 1) * d->stride + d->kernel_h; i++) {
        const int iy = y * d->stride + i - d->pad_top;
        x[i] = iy >= 0 && iy < d->in_h ? d->x + ((ptrdiff_t)image * d->in_h + iy) * row : NULL;
      }
      for (int i = 0; i < height; i++)
        dy[i] = d->dy + ((ptrdiff_t)image * d->out_h + y + i) * out_row;
      WK_ISA_FN(wk_depthwise_weights_rows)(d, x, dy, height);
    }
}

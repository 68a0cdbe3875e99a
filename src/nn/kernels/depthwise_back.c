/* depthwise_back.c - gradients of depthwise convolutions: of the input one row at a time, of the weights a few rows of
 * outputs at a time.
 *
 * As in depthwise.c, GROUP neighbouring results of one vector of channels are made together, so that a gradient is
 * loaded once a row of the kernel. With stride 2 a group begins where the kernel's first tap meets an output, so that
 * which tap meets which result is known when this is compiled.
 */
#include "nn/kernels/depthwise_back.h"

#include "nn/kernels/slope.h"
#include "nn/kernels/vec.h"

#define GROUP_1 7 /* with stride 1: divides the sides of ImageNet's networks */
#define GROUP_2 8 /* with stride 2: even */
#define MAX_GROUP 8
#define MAX_KERNEL 5           /* unrolled; larger ones take the general way */
#define BAND_FLOATS (48 << 10) /* of input and output rows whose part of the weights' gradient is made together */
#define MAX_ROWS 128           /* of inputs, likewise */

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

/* Adds what some rows of outputs of one image give to tap rows ky0..ky0+count-1, channels ch.., and where `bias` to
 * that of the bias. x[y * stride + ky] is the row of inputs that tap row ky of outputs y meets; NULL: none. `count`,
 * `kernel`, `bias` and `part` are constants where this is inlined. */
WK_INLINE void band(const wk_depthwise_back *shape, const float *const *x, const float *const *rows, int height, int ch,
                    int ky0, int count, int kernel, bool bias, bool part) {
  static const float zeros[WK_VL];
  const wk_depthwise_back copy = *shape, *const d = &copy;
  const int have = d->channels - ch, stride = d->stride;
  const ptrdiff_t c = d->channels;
  /* Outputs whose taps all lie in the row. */
  int from = (d->pad_left + stride - 1) / stride;
  int to = d->in_w + d->pad_left < kernel ? 0 : (d->in_w + d->pad_left - kernel) / stride + 1;
  to = to > d->out_w ? d->out_w : to;
  from = from > to ? to : from;
  vec sum[3 * MAX_KERNEL], sum_bias = vec_zero();
  WK_UNROLL
  for (int i = 0; i < count * kernel; i++) {
    const float *at = d->dw + (ky0 * kernel + i) * c + ch;
    sum[i] = part ? vec_load_part(at, have) : vec_load(at);
  }
  for (int y = 0; y < height; y++) {
    const float *dy = rows[y], *in[3];
    ptrdiff_t step[3]; /* a row beside the image is one vector of zeros */
    WK_UNROLL
    for (int r = 0; r < count; r++) {
      const float *row = x[y * stride + ky0 + r];
      in[r] = row ? row - d->pad_left * c + ch : zeros;
      step[r] = row ? c : 0;
    }
    for (int ox = 0; ox < d->out_w; ox++) {
      if (ox == from)
        ox = to;
      if (ox >= d->out_w)
        break;
      const vec g = part ? vec_load_part(dy + ox * c + ch, have) : vec_load(dy + ox * c + ch);
      if (bias)
        sum_bias = sum_bias + g;
      WK_UNROLL
      for (int r = 0; r < count; r++)
        WK_UNROLL
      for (int kx = 0; kx < kernel; kx++) {
        const int ix = ox * stride + kx;
        if (ix - d->pad_left < 0 || ix - d->pad_left >= d->in_w)
          continue;
        const float *at = in[r] + ix * step[r];
        sum[r * kernel + kx] = vec_fma(g, part ? vec_load_part(at, have) : vec_load(at), sum[r * kernel + kx]);
      }
    }
    const float *here[3];
    WK_UNROLL
    for (int r = 0; r < count; r++)
      here[r] = in[r] + from * stride * step[r];
    for (int ox = from; ox < to; ox++) {
      const vec g = part ? vec_load_part(dy + ox * c + ch, have) : vec_load(dy + ox * c + ch);
      if (bias)
        sum_bias = sum_bias + g;
      WK_UNROLL
      for (int r = 0; r < count; r++) {
        WK_UNROLL
        for (int kx = 0; kx < kernel; kx++) {
          const float *at = here[r] + kx * step[r];
          sum[r * kernel + kx] = vec_fma(g, part ? vec_load_part(at, have) : vec_load(at), sum[r * kernel + kx]);
        }
        here[r] += stride * step[r];
      }
    }
  }
  WK_UNROLL
  for (int i = 0; i < count * kernel; i++) {
    float *at = d->dw + (ky0 * kernel + i) * c + ch;
    if (part)
      vec_store_part(at, sum[i], have);
    else
      vec_store(at, sum[i]);
  }
  if (bias) {
    if (part)
      vec_store_part(d->db + ch, vec_load_part(d->db + ch, have) + sum_bias, have);
    else
      vec_store(d->db + ch, vec_load(d->db + ch) + sum_bias);
  }
}

static void band_3(const wk_depthwise_back *d, const float *const *x, const float *const *dy, int height) {
  int ch = 0;
  for (; ch + WK_VL <= d->channels; ch += WK_VL)
    band(d, x, dy, height, ch, 0, 3, 3, true, false);
  if (ch < d->channels)
    band(d, x, dy, height, ch, 0, 3, 3, true, true);
}

static void band_5(const wk_depthwise_back *d, const float *const *x, const float *const *dy, int height) {
  int ch = 0;
  for (; ch + WK_VL <= d->channels; ch += WK_VL) {
    band(d, x, dy, height, ch, 0, 2, 5, true, false);
    band(d, x, dy, height, ch, 2, 3, 5, false, false);
  }
  if (ch < d->channels) {
    band(d, x, dy, height, ch, 0, 2, 5, true, true);
    band(d, x, dy, height, ch, 2, 3, 5, false, true);
  }
}

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
    band_3(d, x, dy, height);
  else if (square && d->kernel_h == 5)
    band_5(d, x, dy, height);
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

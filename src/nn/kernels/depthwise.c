/* depthwise.c - convolutions that keep the channels apart, one row of outputs at a time.
 *
 * GROUP neighbouring outputs of one vector of channels are made together, so that an input is loaded once a row of the
 * kernel instead of once a tap. 7 divides the sides of ImageNet's networks; where it does not divide a row, the last
 * group overlaps the one before it and makes the same numbers again.
 */
#include "nn/kernels/depthwise.h"

#include "nn/kernels/vec.h"

#define GROUP 7
#define MAX_KERNEL 5 /* unrolled; larger ones take the general way */

void WK_ISA_FN(wk_depthwise_pack)(float *packed, const float *w, int channels, int taps) {
  for (int t = 0; t < taps; t++)
    for (int c = 0; c < channels; c++)
      packed[(size_t)t * (size_t)channels + (size_t)c] = w[(size_t)c * (size_t)taps + (size_t)t];
}

/* Channels ch.. of outputs x..x+group-1. `group`, `kernel`, `stride`, `edge` and `part` are constants where this is
 * inlined: `edge` for outputs that look beside the row, `part` for fewer channels than a vector. */
WK_INLINE void outputs(const wk_depthwise *d, float *out, const float *const *rows, int x, int ch, int group,
                       int kernel, int stride, bool edge, bool part) {
  const int have = d->channels - ch;
  const ptrdiff_t c = d->channels;
  const int x0 = x * stride - d->pad_left, columns = (group - 1) * stride + kernel;
  vec sum[GROUP];
  const vec bias = !d->bias ? vec_zero() : part ? vec_load_part(d->bias + ch, have) : vec_load(d->bias + ch);
  WK_UNROLL
  for (int g = 0; g < group; g++)
    sum[g] = bias;
  for (int ky = 0; ky < d->kernel_h; ky++) {
    if (!rows[ky])
      continue;
    const float *weights = d->weights + (ptrdiff_t)ky * kernel * c + ch, *in = rows[ky];
    vec w[MAX_KERNEL];
    WK_UNROLL
    for (int kx = 0; kx < kernel; kx++)
      w[kx] = part ? vec_load_part(weights + kx * c, have) : vec_load(weights + kx * c);
    WK_UNROLL
    for (int i = 0; i < columns; i++) {
      if (edge && (unsigned)(x0 + i) >= (unsigned)d->in_w)
        continue;
      const ptrdiff_t at = (x0 + i) * c + ch;
      const vec v = part ? vec_load_part(in + at, have) : vec_load(in + at);
      WK_UNROLL
      for (int g = 0; g < group; g++)
        if (i - g * stride >= 0 && i - g * stride < kernel)
          sum[g] = vec_fma(v, w[i - g * stride], sum[g]);
    }
  }
  const vec low = vec_set(d->act == WK_ACT_NONE ? -__builtin_inff() : 0);
  const vec high = vec_set(d->act == WK_ACT_RELU6 ? 6 : __builtin_inff());
  WK_UNROLL
  for (int g = 0; g < group; g++) {
    const vec v = vec_min(high, vec_max(low, sum[g]));
    if (part)
      vec_store_part(out + (x + g) * c + ch, v, have);
    else
      vec_store(out + (x + g) * c + ch, v);
  }
}

WK_INLINE void group_row(const wk_depthwise *d, float *out, const float *const *rows, int x, int group, int kernel,
                         int stride) {
  const int x0 = x * stride - d->pad_left, whole = d->channels / WK_VL * WK_VL;
  if (x0 >= 0 && x0 + (group - 1) * stride + kernel <= d->in_w)
    for (int ch = 0; ch < whole; ch += WK_VL)
      outputs(d, out, rows, x, ch, group, kernel, stride, false, false);
  else
    for (int ch = 0; ch < whole; ch += WK_VL)
      outputs(d, out, rows, x, ch, group, kernel, stride, true, false);
  if (whole < d->channels)
    outputs(d, out, rows, x, whole, group, kernel, stride, true, true);
}

WK_INLINE void whole_row(const wk_depthwise *d, float *out, const float *const *rows, int kernel, int stride) {
  if (d->out_w < GROUP) {
    for (int x = 0; x < d->out_w; x++)
      group_row(d, out, rows, x, 1, kernel, stride);
    return;
  }
  for (int x = 0; x < d->out_w; x += GROUP)
    group_row(d, out, rows, d->out_w - x < GROUP ? d->out_w - GROUP : x, GROUP, kernel, stride);
}

static void row_3_1(const wk_depthwise *d, float *out, const float *const *rows) { whole_row(d, out, rows, 3, 1); }
static void row_3_2(const wk_depthwise *d, float *out, const float *const *rows) { whole_row(d, out, rows, 3, 2); }
static void row_5_1(const wk_depthwise *d, float *out, const float *const *rows) { whole_row(d, out, rows, 5, 1); }
static void row_5_2(const wk_depthwise *d, float *out, const float *const *rows) { whole_row(d, out, rows, 5, 2); }

/* Any kernel and stride. */
static void row_any(const wk_depthwise *d, float *out, const float *const *rows) {
  const float low = d->act == WK_ACT_NONE ? -__builtin_inff() : 0;
  const float high = d->act == WK_ACT_RELU6 ? 6 : __builtin_inff();
  const ptrdiff_t c = d->channels;
  for (int x = 0; x < d->out_w; x++, out += c) {
    for (int ch = 0; ch < d->channels; ch++)
      out[ch] = d->bias ? d->bias[ch] : 0;
    for (int ky = 0; ky < d->kernel_h; ky++)
      for (int kx = 0; kx < d->kernel_w; kx++) {
        const int ix = x * d->stride - d->pad_left + kx;
        if (!rows[ky] || ix < 0 || ix >= d->in_w)
          continue;
        const float *in = rows[ky] + ix * c, *w = d->weights + ((ptrdiff_t)ky * d->kernel_w + kx) * c;
        for (int ch = 0; ch < d->channels; ch++)
          out[ch] += in[ch] * w[ch];
      }
    for (int ch = 0; ch < d->channels; ch++) {
      out[ch] = out[ch] < low ? low : out[ch];
      out[ch] = out[ch] > high ? high : out[ch];
    }
  }
}

void WK_ISA_FN(wk_depthwise_row)(const wk_depthwise *d, float *out, const float *const *rows) {
  const int kernel = d->kernel_w, stride = d->stride;
  if (kernel == 3 && stride == 1)
    row_3_1(d, out, rows);
  else if (kernel == 3 && stride == 2)
    row_3_2(d, out, rows);
  else if (kernel == 5 && stride == 1)
    row_5_1(d, out, rows);
  else if (kernel == 5 && stride == 2)
    row_5_2(d, out, rows);
  else
    row_any(d, out, rows);
}

void WK_ISA_FN(wk_depthwise)(const wk_depthwise *d, int row0, int row1) {
  const ptrdiff_t in_row = (ptrdiff_t)d->in_w * d->channels, out_row = (ptrdiff_t)d->out_w * d->channels;
  for (int row = row0; row < row1; row++) {
    const int image = row / d->out_h, y0 = row % d->out_h * d->stride - d->pad_top;
    const float *rows[WK_DEPTHWISE_MAX];
    for (int ky = 0; ky < d->kernel_h; ky++) {
      const int y = y0 + ky;
      rows[ky] = y >= 0 && y < d->in_h ? d->in + ((ptrdiff_t)image * d->in_h + y) * in_row : NULL;
    }
    WK_ISA_FN(wk_depthwise_row)(d, d->out + row * out_row, rows);
  }
}

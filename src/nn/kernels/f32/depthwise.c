/* depthwise.c - convolutions that keep the channels apart, a few rows of outputs at a time.
 *
 * GROUP neighbouring outputs of one vector of channels are made together, so that an input is loaded once a row of the
 * kernel instead of once a tap. 7 divides the sides of ImageNet's networks; where it does not divide a row, the last
 * group overlaps the one before it and makes the same numbers again.
 */
#include "nn/kernels/f32/depthwise.h"

#include "nn/kernels/vec.h"

#define GROUP 7
/* Unrolled: sums, weights and an input are 15 of 16 registers; larger ones take the general way. */
#define MAX_KERNEL 7
#define CHUNK 32    /* channels of a band's columns that L1 holds until the rows of outputs below have used them */
#define COLLIDE 512 /* floats: pixels so far apart fall into the same sets of L1 */

void WK_ISA_FN(wk_depthwise_pack)(float *packed, const float *w, int channels, int taps) {
  for (int t = 0; t < taps; t++)
    for (int c = 0; c < channels; c++)
      packed[(size_t)t * (size_t)channels + (size_t)c] = w[(size_t)c * (size_t)taps + (size_t)t];
}

/* Channels ch.. of outputs x..x+group-1. `group`, `kernel`, `stride`, `gap`, `edge` and `part` are constants where this
 * is inlined: `gap` where neighbours of a row lie d->dilation_w pixels apart, `edge` for outputs that look beside the
 * row, `part` for fewer channels than a vector. */
WK_INLINE void outputs(const wk_depthwise *d, float *out, const float *const *rows, int x, int ch, int group,
                       int kernel, int stride, bool gap, bool edge, bool part) {
  const int have = d->channels - ch;
  const ptrdiff_t c = d->channels, pixel = gap ? c * d->dilation_w : c;
  const int x0 = x * stride - d->pad_left, columns = (group - 1) * stride + kernel;
  const ptrdiff_t first = x0 * pixel + ch;
  vec sum[GROUP];
  const vec bias = !d->bias ? vec_zero() : part ? vec_load_part(d->bias + ch, have) : vec_load(d->bias + ch);
  WK_UNROLL
  for (int g = 0; g < group; g++)
    sum[g] = bias;
  for (int ky = 0; ky < d->kernel_h; ky++) {
    if (!rows[ky])
      continue;
    const float *weights = d->weights + (ptrdiff_t)ky * kernel * c + ch, *in = rows[ky] + first;
    vec w[MAX_KERNEL];
    WK_UNROLL
    for (int kx = 0; kx < kernel; kx++)
      w[kx] = part ? vec_load_part(weights + kx * c, have) : vec_load(weights + kx * c);
    WK_UNROLL
    for (int i = 0; i < columns; i++, in += pixel) {
      if (edge && (unsigned)(x0 + i) >= (unsigned)d->in_w)
        continue;
      const vec v = part ? vec_load_part(in, have) : vec_load(in);
      WK_UNROLL
      for (int g = 0; g < group; g++)
        if (i - g * stride >= 0 && i - g * stride < kernel)
          sum[g] = vec_fma(v, w[i - g * stride], sum[g]);
    }
  }
  const vec low = vec_set(d->act == WK_ACT_NONE ? -__builtin_inff() : 0);
  const vec high = vec_set(d->act == WK_ACT_RELU6 ? 6 : __builtin_inff());
  float *to = out + x * pixel + ch;
  WK_UNROLL
  for (int g = 0; g < group; g++, to += pixel) {
    const vec v = vec_min(high, vec_max(low, sum[g]));
    if (part)
      vec_store_part(to, v, have);
    else
      vec_store(to, v);
  }
}

/* The same channels of `count` rows of outputs, one below the other. */
WK_INLINE void column(const wk_depthwise *d, float *out, const float *const *rows, int count, int x, int ch0, int ch1,
                      int group, int kernel, int stride, bool gap, bool edge) {
  const ptrdiff_t line = (ptrdiff_t)d->out_w * d->channels;
  for (int y = 0; y < count; y++, out += line, rows += stride)
    for (int ch = ch0; ch < ch1; ch += WK_VL)
      outputs(d, out, rows, x, ch, group, kernel, stride, gap, edge, false);
}

WK_INLINE void group_rows(const wk_depthwise *d, float *out, const float *const *rows, int count, int x, int ch0,
                          int ch1, int group, int kernel, int stride, bool gap) {
  const int x0 = x * stride - d->pad_left, whole = ch0 + (ch1 - ch0) / WK_VL * WK_VL;
  const bool inside = x0 >= 0 && x0 + (group - 1) * stride + kernel <= d->in_w;
  const int step = (gap ? d->channels * d->dilation_w : d->channels) % COLLIDE ? CHUNK : d->channels;
  for (int ch = ch0; ch < whole; ch += step) {
    const int end = whole - ch < step ? whole : ch + step;
    if (inside)
      column(d, out, rows, count, x, ch, end, group, kernel, stride, gap, false);
    else
      column(d, out, rows, count, x, ch, end, group, kernel, stride, gap, true);
  }
  for (int y = 0; whole < ch1 && y < count; y++)
    outputs(d, out + (ptrdiff_t)y * d->out_w * d->channels, rows + y * stride, x, whole, group, kernel, stride, gap,
            true, true);
}

/* The copy cannot be what the results are written to, so its fields stay in registers. */
WK_INLINE void whole_rows(const wk_depthwise *shape, float *out, const float *const *rows, int count, int ch0, int ch1,
                          int kernel, int stride, bool gap) {
  const wk_depthwise copy = *shape, *const d = &copy;
  if (d->out_w < GROUP) {
    for (int x = 0; x < d->out_w; x++)
      group_rows(d, out, rows, count, x, ch0, ch1, 1, kernel, stride, gap);
    return;
  }
  for (int x = 0; x < d->out_w; x += GROUP)
    group_rows(d, out, rows, count, d->out_w - x < GROUP ? d->out_w - GROUP : x, ch0, ch1, GROUP, kernel, stride, gap);
}

#define ROWS(kernel, stride)                                                                                           \
  static void rows_##kernel##_##stride(const wk_depthwise *d, float *out, const float *const *rows, int count,         \
                                       int ch0, int ch1) {                                                             \
    whole_rows(d, out, rows, count, ch0, ch1, kernel, stride, false);                                                  \
  }
ROWS(3, 1)
ROWS(3, 2)
ROWS(5, 1)
ROWS(5, 2)
ROWS(7, 1)

/* A dilated row of stride 1: outputs that lie d->dilation_w apart are a row without dilation of the inputs they meet.
 */
static void dilated_row(const wk_depthwise *d, float *out, const float *const *rows, int ch0, int ch1) {
  const int gap = d->dilation_w;
  for (int x = 0; x < gap && x < d->out_w; x++) {
    const int at = x - d->pad_left, before = at < 0 ? (gap - 1 - at) / gap : -(at / gap), first = at + before * gap;
    wk_depthwise one = *d;
    one.pad_left = before;
    one.in_w = d->in_w > first ? (d->in_w - first + gap - 1) / gap : 0;
    one.out_w = (d->out_w - x + gap - 1) / gap;
    const float *from[WK_DEPTHWISE_MAX];
    for (int ky = 0; ky < d->kernel_h; ky++)
      from[ky] = rows[ky] ? rows[ky] + (ptrdiff_t)first * d->channels : NULL;
    if (d->kernel_w == 3)
      whole_rows(&one, out + (ptrdiff_t)x * d->channels, from, 1, ch0, ch1, 3, 1, true);
    else
      whole_rows(&one, out + (ptrdiff_t)x * d->channels, from, 1, ch0, ch1, 5, 1, true);
  }
}

/* Any kernel, stride and dilation. */
static void row_any(const wk_depthwise *d, float *out, const float *const *rows, int ch0, int ch1) {
  const float low = d->act == WK_ACT_NONE ? -__builtin_inff() : 0;
  const float high = d->act == WK_ACT_RELU6 ? 6 : __builtin_inff();
  const ptrdiff_t c = d->channels;
  for (int x = 0; x < d->out_w; x++, out += c) {
    for (int ch = ch0; ch < ch1; ch++)
      out[ch] = d->bias ? d->bias[ch] : 0;
    for (int ky = 0; ky < d->kernel_h; ky++)
      for (int kx = 0; kx < d->kernel_w; kx++) {
        const int ix = x * d->stride - d->pad_left + kx * d->dilation_w;
        if (!rows[ky] || ix < 0 || ix >= d->in_w)
          continue;
        const float *in = rows[ky] + ix * c, *w = d->weights + ((ptrdiff_t)ky * d->kernel_w + kx) * c;
        for (int ch = ch0; ch < ch1; ch++)
          out[ch] += in[ch] * w[ch];
      }
    for (int ch = ch0; ch < ch1; ch++) {
      out[ch] = out[ch] < low ? low : out[ch];
      out[ch] = out[ch] > high ? high : out[ch];
    }
  }
}

void WK_ISA_FN(wk_depthwise_rows)(const wk_depthwise *d, float *out, const float *const *rows, int count, int ch0,
                                  int ch1) {
  const int kernel = d->kernel_w, stride = d->stride;
  if (d->dilation_w > 1)
    for (int y = 0; y < count; y++) {
      float *to = out + (ptrdiff_t)y * d->out_w * d->channels;
      const float *const *from = rows + (ptrdiff_t)y * stride;
      if (stride == 1 && (kernel == 3 || kernel == 5))
        dilated_row(d, to, from, ch0, ch1);
      else
        row_any(d, to, from, ch0, ch1);
    }
  else if (kernel == 3 && stride == 1)
    rows_3_1(d, out, rows, count, ch0, ch1);
  else if (kernel == 3 && stride == 2)
    rows_3_2(d, out, rows, count, ch0, ch1);
  else if (kernel == 5 && stride == 1)
    rows_5_1(d, out, rows, count, ch0, ch1);
  else if (kernel == 5 && stride == 2)
    rows_5_2(d, out, rows, count, ch0, ch1);
  else if (kernel == 7 && stride == 1)
    rows_7_1(d, out, rows, count, ch0, ch1);
  else
    for (int y = 0; y < count; y++)
      row_any(d, out + (ptrdiff_t)y * d->out_w * d->channels, rows + (ptrdiff_t)y * stride, ch0, ch1);
}

void WK_ISA_FN(wk_depthwise)(const wk_depthwise *d, int row0, int row1, int ch0, int ch1) {
  const ptrdiff_t in_row = (ptrdiff_t)d->in_w * d->channels, out_row = (ptrdiff_t)d->out_w * d->channels;
  for (int row = row0; row < row1; row++) {
    const int image = row / d->out_h, y0 = row % d->out_h * d->stride - d->pad_top;
    const float *rows[WK_DEPTHWISE_MAX];
    for (int ky = 0; ky < d->kernel_h; ky++) {
      const int y = y0 + ky * d->dilation_h;
      rows[ky] = y >= 0 && y < d->in_h ? d->in + ((ptrdiff_t)image * d->in_h + y) * in_row : NULL;
    }
    WK_ISA_FN(wk_depthwise_rows)(d, d->out + row * out_row, rows, 1, ch0, ch1);
  }
}

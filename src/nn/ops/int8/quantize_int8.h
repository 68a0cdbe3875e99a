/* quantize_int8.h (internal) - from the ranges that a photo's values were seen in, and float weights, to the small
 * integers of microkernels_int8.h. Everything is computed in double precision and plain C: the same on every machine.
 */
#ifndef WK_NN_QUANTIZE_INT8_H
#define WK_NN_QUANTIZE_INT8_H

#include "nn/kernels/int8/microkernels_int8.h"

/* value = scale * (byte - zero), a channel at a time. */
typedef struct wk_int8_scale {
  float *scale;  /* [channels] */
  int32_t *zero; /* [channels], 0..127 */
} wk_int8_scale;

/* From low[channels] and high[channels]. A scale for all channels would waste steps on those that move little; one of
 * its own for each makes the weights that are multiplied with it the more uneven (a product's weights take the scale
 * in), and cuts off photos that go beyond what was seen. So the range of a channel is the geometric mean of its own and
 * that of all: measured on three networks, nothing else loses less. */
void wk_int8_scales(wk_int8_scale *out, const float *low, const float *high, int channels);

/* Weights [out_c][in_c][taps] of a product whose columns go (tap, channel), to q [out_c][depth] and, with what the
 * zeros of the input come to, scale and bias (which may be NULL: none) [out_c]. `row`: room for in_c * taps. */
void wk_int8_product(int8_t *q, float *scale, float *shift, double *row, const float *weight, const float *bias,
                     const wk_int8_scale *in, int out_c, int in_c, int taps, int depth);

/* Where channel `c` of wk_depthwise_int8's weights, biases and multipliers lies: as bytes of 32 channels are taken
 * apart.
 */
static inline int wk_depthwise_int8_at(int c) {
  const int in32 = c % 32;
  return c - in32 + in32 / 8 % 2 * 16 + in32 / 16 * 8 + in32 % 8;
}

/* Weights [channels][kernel][kernel] of a depthwise convolution, whose input and output have no zeros but 0; the
 * arrays are those of wk_depthwise_int8, cleared, with room for `channels` rounded up. */
void wk_int8_depthwise(int8_t *q, int16_t *shift, int16_t *multiplier, const float *weight, const float *bias,
                       const float *in_scale, const float *out_scale, int channels, int kernel);

#endif

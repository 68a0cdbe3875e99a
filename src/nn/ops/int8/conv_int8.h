/* conv_int8.h (internal) - what conv_int8.c keeps of a layer, for the kernel that runs several at once. */
#ifndef WK_NN_CONV_INT8_H
#define WK_NN_CONV_INT8_H

#include "nn/kernels/int8/microkernels_int8.h"
#include "nn/ops/op.h"

/* Of a product; the arrays lie behind it. */
typedef struct wk_packed_int8 {
  int columns, depth; /* of the product: output channels, bytes of a row */
  const int8_t *weights;
  const float *scale, *bias; /* [columns rounded up to the panel] */
  wk_quantize_int8 input;
  const uint8_t *zero; /* [in_c] bytes: what lies beside the input */
  int block;           /* rows that are made bytes at a time */
} wk_packed_int8;

/* Of a depthwise convolution inside an inverted residual. */
typedef struct wk_packed_depthwise_int8 {
  wk_quantize_int8 input; /* where nothing is expanded before it */
  const int8_t *weights;
  const int16_t *bias, *multiplier;
} wk_packed_depthwise_int8;

/* The first two only inside wk_kernel_mbconv_int8. */
extern const wk_kernel wk_kernel_expand_int8, wk_kernel_depthwise_int8;

#endif

/* conv_bf16.h (internal) - what conv_bf16.c keeps of a layer, for the kernel that runs several at once. */
#ifndef WK_NN_CONV_BF16_H
#define WK_NN_CONV_BF16_H

#include "nn/kernels/bf16/microkernels_bf16.h"
#include "nn/ops/op.h"

/* Of a product; the arrays lie behind it. */
typedef struct wk_packed_bf16 {
  int columns, depth; /* output channels; numbers of a row */
  const uint16_t *weights;
  const float *bias; /* [columns rounded up to the panel] */
  int block;         /* rows that are rounded at a time */
} wk_packed_bf16;

/* `pixels` of `channels` floats, rounded, to rows of `depth` numbers whose last may be padding. */
void wk_round_rows_bf16(const wk_microkernels_bf16 *kn, uint16_t *to, int depth, const float *from, int channels,
                        int pixels);

#endif

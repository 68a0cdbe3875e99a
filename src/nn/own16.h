/* own16.h (internal) - what own16.c keeps of a layer, for the kernel that runs several at once. */
#ifndef WK_NN_OWN16_H
#define WK_NN_OWN16_H

#include "nn/kernels/bf16.h"
#include "nn/step.h"

/* Of a product; the arrays lie behind it. */
typedef struct wk_own16 {
  int columns, depth; /* output channels; numbers of a row */
  const uint16_t *weights;
  const float *bias; /* [columns rounded up to the panel] */
  int block;         /* rows that are rounded at a time */
} wk_own16;

/* `pixels` of `channels` floats, rounded, to rows of `depth` numbers whose last may be padding. */
void wk_own16_round(const wk_kernels16 *kn, uint16_t *to, int depth, const float *from, int channels, int pixels);

#endif

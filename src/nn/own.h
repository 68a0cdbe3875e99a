/* own.h (internal) - what own.c keeps of a layer, for the kernels that run several layers at once. */
#ifndef WK_NN_OWN_H
#define WK_NN_OWN_H

#include "nn/kernels/kernels.h"
#include "nn/step.h"

/* Of every kernel in own.c: the bias and the packed weights lie behind it. */
typedef struct wk_own {
  const float *bias; /* NULL: none */
  const float *weights;
  size_t scratch;            /* floats a thread */
  _Alignas(64) float data[]; /* whole cache lines: of packed weights, and for stores past the caches */
} wk_own;

/* The block that own_block.c has packed, but for what a call brings. */
const wk_fused_mb *wk_block_forward(const void *packed);

#endif

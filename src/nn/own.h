/* own.h (internal) - what own.c keeps of a layer, for the kernels that run several layers at once. */
#ifndef WK_NN_OWN_H
#define WK_NN_OWN_H

#include "nn/step.h"

/* Of every kernel in own.c: the bias and the packed weights lie behind it. */
typedef struct wk_own {
  const float *bias; /* NULL: none */
  const float *weights;
  size_t scratch; /* floats a thread */
  float data[];
} wk_own;

/* Part `i` of `parts` of 0..n-1, cut at multiples of `step`. */
static inline int wk_cut(int n, int step, int parts, int i) {
  const int64_t steps = ((int64_t)n + step - 1) / step, at = steps * i / parts * step;
  return at < n ? (int)at : n;
}

#endif

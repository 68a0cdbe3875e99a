/* shared.h - what kernels of every precision use, in a network exported as plain C; written as float_kernels.h is. */
#ifndef WK_EXPORT_RUNTIME_SHARED_H
#define WK_EXPORT_RUNTIME_SHARED_H

#include <math.h>

#include "export/plain_c/runtime/layer.h"

/* @part window */
/* The part of a window of one side that lies on the input: its first and its end, in steps of the window. */
static void nn_window(int *from, int *to, int start, int kernel, int dilation, int size) {
  *from = start < 0 ? (-start + dilation - 1) / dilation : 0;
  *to = start >= size ? 0 : (size - 1 - start) / dilation + 1;
  if (*to > kernel)
    *to = kernel;
}
/* @part activate */
static float nn_clip6(float x) { return x < 0.0f ? 0.0f : x > 6.0f ? 6.0f : x; }

static float nn_curve(float x, int act, float alpha) {
  switch (act) {
  case nn_hardswish:
    return x * (nn_clip6(x + 3.0f) * (1.0f / 6.0f));
  case nn_hardsigmoid:
    return nn_clip6(x + 3.0f) * (1.0f / 6.0f);
  case nn_silu:
    return x / (1.0f + expf(-x));
  case nn_sigmoid:
    return 1.0f / (1.0f + expf(-x));
  case nn_leaky:
    return x > 0.0f ? x : alpha * x;
  case nn_elu:
    return x > 0.0f ? x : alpha * expm1f(x);
  case nn_tanh:
    return tanhf(x);
  case nn_gelu:
    return 0.5f * x * (1.0f + erff(x * 0.70710678f));
  default:
    return x;
  }
}

static void nn_activate(float *x, int n, int act, float alpha) {
  int i;
  if (act == nn_relu)
    for (i = 0; i < n; i++)
      x[i] = x[i] < 0.0f ? 0.0f : x[i];
  else if (act == nn_relu6)
    for (i = 0; i < n; i++)
      x[i] = nn_clip6(x[i]);
  else if (act != nn_none)
    for (i = 0; i < n; i++)
      x[i] = nn_curve(x[i], act, alpha);
}
/* @end */

#endif

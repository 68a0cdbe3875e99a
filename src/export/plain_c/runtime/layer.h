/* layer.h - what a layer of a network exported as plain C is told, in any precision. Like float_kernels.h this is
 * written into the header that `export` makes, with the network's name in place of nn_, and compiled into whisker as it
 * stands. */
#ifndef WK_EXPORT_RUNTIME_LAYER_H
#define WK_EXPORT_RUNTIME_LAYER_H

/* @part base */
#if defined(__cplusplus) || defined(__GNUC__)
#define nn_restrict __restrict
#else
#define nn_restrict restrict
#endif

typedef struct nn_layer {
  int ih, iw, ic, oh, ow, oc;   /* height, width and channels of what it reads and of what it makes */
  int kh, kw, sh, sw, dh, dw;   /* its window, the steps of the window, the steps in it */
  int top, left, bottom, right; /* padding */
  int groups, act, first, count;
  float alpha, beta, bias;
} nn_layer;

enum { nn_block = 32, nn_patch = 64 }; /* outputs that are summed at once; the widest window on a photo's bytes */

/* What is done to each number a layer gives. */
enum {
  nn_none,
  nn_relu,
  nn_relu6,
  nn_hardswish,
  nn_hardsigmoid,
  nn_silu,
  nn_sigmoid,
  nn_leaky,
  nn_elu,
  nn_tanh,
  nn_gelu
};

/* @end */

#endif

/* conv_ops.h (internal) - what the kernels of convolutions have in common, forward and back, with groups and without:
 * how they see a layer, what they keep of it, and how a call is shared. */
#ifndef WK_NN_CONV_OPS_H
#define WK_NN_CONV_OPS_H

#include "nn/kernels/microkernels.h"
#include "nn/ops/op.h"

/* Of every kernel in conv_ops.c: the bias and the packed weights lie behind it. */
typedef struct wk_packed_conv {
  const float *bias; /* NULL: none */
  const float *weights;
  size_t scratch;            /* floats a thread */
  bool on_the_fly;           /* Winograd: see wk_winograd */
  _Alignas(64) float data[]; /* whole cache lines: of packed weights, and for stores past the caches */
} wk_packed_conv;

/* A layer as the kernels see it: but for what a call brings, and weights. */
wk_conv wk_conv_of(const wk_layer *l, int batch);
/* Room for what a kernel keeps of a layer: `head` bytes, and so many floats of packed weights behind them, from `from`
 * (NULL: to be released). *scratch: floats a thread, which become whole cache lines. `out` says where and how much. */
wk_status wk_packed_room(wk_packed *out, const wk_layer *l, wk_arena *from, size_t head, size_t weights,
                         size_t *scratch, int threads, wk_error *err);
/* The gradient of the input that a call asks for. */
wk_conv_back wk_conv_back_of(const wk_call *call, const wk_conv *of_a_photo, const float *weights);
/* The block that mbconv_ops.c has packed, but for what a call brings. */
const wk_mbconv *wk_mbconv_forward(const void *packed);
/* Activations that the kernels have built in; the others follow as a pass over the output. */
wk_act wk_builtin_act(wk_act act);
void wk_trailing_act(const wk_call *c, int pixel0, int pixel1, int col0, int col1);
/* A 1x1 convolution whose rows are those of its input. */
bool wk_layer_is_pointwise(const wk_layer *l);
/* What one part of a call makes of a product whose register kernel has `rows` rows and whose packed weights have
 * panels of `panel` columns. By rows each thread reads all weights, by columns all of the input: the smaller of the two
 * is what should be read twice. */
typedef struct wk_product_range {
  int pixel0, pixel1, col0, col1;
} wk_product_range;
wk_product_range wk_product_split(int pixels, int out_c, int depth, int rows, int panel, int threads, wk_chunk chunk);

#endif

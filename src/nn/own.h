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
  bool light;                /* Winograd: see wk_winograd */
  _Alignas(64) float data[]; /* whole cache lines: of packed weights, and for stores past the caches */
} wk_own;

/* The block that own_block.c has packed, but for what a call brings. */
const wk_fused_mb *wk_block_forward(const void *packed);
/* Activations that the kernels have built in; the others follow as a pass over the output. */
wk_act wk_own_inner_act(wk_act act);
void wk_own_outer_act(const wk_call *c, int pixel0, int pixel1, int col0, int col1);
/* A 1x1 convolution whose rows are those of its input. */
bool wk_own_pointwise(const wk_layer *l);
/* What one part of a call makes of a product whose register kernel has `rows` rows and whose packed weights have
 * panels of `panel` columns. By rows each thread reads all weights, by columns all of the input: the smaller of the two
 * is what should be read twice. */
typedef struct wk_own_share {
  int pixel0, pixel1, col0, col1;
} wk_own_share;
wk_own_share wk_own_cut(int pixels, int out_c, int depth, int rows, int panel, int threads, wk_crew_part part);

#endif

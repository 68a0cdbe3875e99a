/* conv_grad.h - the functions of conv_data_grad.c and conv_weight_grad.c of each instruction set; microkernels.h says
 * what they do.
 */
#ifndef WK_NN_CONV_GRAD_H
#define WK_NN_CONV_GRAD_H

#include "base/isa.h"
#include "nn/kernels/microkernels.h"

WK_ISA_DECLARE(wk_conv_back_sizes, wk_conv_back_shape, (const wk_conv *c));
WK_ISA_DECLARE(void, wk_conv_data_pack, (float *packed, const float *w, const wk_conv *c));
WK_ISA_DECLARE(void, wk_conv_data, (const wk_conv_back *b, int block0, int block1, float *scratch));
WK_ISA_DECLARE(void, wk_conv_weights, (const wk_conv_back *b, float *scratch));
WK_ISA_DECLARE(size_t, wk_conv_weights_scratch, (const wk_conv *c)); /* floats */

/* Are its inputs, and so their gradients, the rows of a matrix as they lie? */
static inline bool wk_conv_pointwise(const wk_conv *c) {
  return c->kernel_h == 1 && c->kernel_w == 1 && c->stride_h == 1 && c->stride_w == 1 && !c->pad_top && !c->pad_left &&
         c->out_h == c->in_h && c->out_w == c->in_w;
}

/* Of a matrix of n columns, so that rows begin on cache lines, and not all in the same sets. */
static inline int wk_conv_row_floats(int n) {
  const int row = (n + 15) / 16 * 16;
  return row % 256 ? row : row + 16;
}

#endif

/* mbconv.h - the functions of mbconv.c of each instruction set; microkernels.h says what they do. */
#ifndef WK_NN_MBCONV_H
#define WK_NN_MBCONV_H

#include "base/isa.h"
#include "nn/kernels/microkernels.h"

WK_ISA_DECLARE(wk_mbconv_sizes, wk_mbconv_shape, (const wk_mbconv *f));
WK_ISA_DECLARE(void, wk_mbconv, (const wk_mbconv *f, int row0, int row1, float *scratch));
/* Expands input rows y0..y1-1 of an image into their places in a ring of ring_rows rows: row y at y % ring_rows. */
WK_ISA_DECLARE(void, wk_mbconv_expand,
               (const wk_mbconv *f, int image, int y0, int y1, float *ring, int ring_rows, float *scratch));

/* Its depthwise convolution, for wk_depthwise_rows. */
static inline wk_depthwise wk_mbconv_depthwise(const wk_mbconv *f) {
  return (wk_depthwise){.in_w = f->in_w,
                        .out_w = f->out_w,
                        .channels = f->mid_c,
                        .kernel_h = f->kernel,
                        .kernel_w = f->kernel,
                        .stride = f->stride,
                        .dilation_h = 1,
                        .dilation_w = 1,
                        .pad_left = f->pad_left,
                        .weights = f->depthwise,
                        .bias = f->depthwise_bias,
                        .act = f->depthwise_act};
}

#endif

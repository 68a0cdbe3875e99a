/* conv_im2col.h - the functions of conv_im2col.c of each instruction set; microkernels.h says what they do. */
#ifndef WK_NN_CONV_IM2COL_H
#define WK_NN_CONV_IM2COL_H

#include "base/isa.h"
#include "nn/kernels/microkernels.h"

WK_ISA_DECLARE(void, wk_conv_pack, (float *packed, const float *w, int in_c, int out_c, int taps));
WK_ISA_DECLARE(wk_conv_sizes, wk_conv_shape, (const wk_conv *c));
/* The inputs under the kernel at one output pixel: [kernel_h][kernel_w][in_c]. */
WK_ISA_DECLARE(void, wk_conv_row, (const wk_conv *c, int pixel, float *row));
WK_ISA_DECLARE(bool, wk_conv_takes_bytes, (const wk_conv *c));
WK_ISA_DECLARE(void, wk_conv, (const wk_conv *c, int pixel0, int pixel1, int col0, int col1, float *scratch));

#endif

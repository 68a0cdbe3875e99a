/* conv_back.h - the functions of conv_back.c of each instruction set; kernels.h says what they do. */
#ifndef WK_NN_KERNELS_CONV_BACK_H
#define WK_NN_KERNELS_CONV_BACK_H

#include "base/isa.h"
#include "nn/kernels/kernels.h"

WK_ISA_DECLARE(wk_conv_back_sizes, wk_conv_back_shape, (const wk_conv *c));
WK_ISA_DECLARE(void, wk_conv_data_pack, (float *packed, const float *w, const wk_conv *c));
WK_ISA_DECLARE(void, wk_conv_data, (const wk_conv_back *b, int block0, int block1, float *scratch));
WK_ISA_DECLARE(void, wk_conv_weights, (const wk_conv_back *b, float *scratch));

#endif

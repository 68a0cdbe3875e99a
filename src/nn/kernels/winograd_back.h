/* winograd_back.h - the functions of winograd_back.c of each instruction set; kernels.h says what they do. */
#ifndef WK_NN_KERNELS_WINOGRAD_BACK_H
#define WK_NN_KERNELS_WINOGRAD_BACK_H

#include "base/isa.h"
#include "nn/kernels/kernels.h"

WK_ISA_DECLARE(size_t, wk_winograd_weights_scratch, (const wk_conv *c));
WK_ISA_DECLARE(void, wk_winograd_weights, (const wk_conv_back *b, float *scratch));

#endif

/* depthwise_back.h - the functions of depthwise_back.c of each instruction set; kernels.h says what they do. */
#ifndef WK_NN_KERNELS_DEPTHWISE_BACK_H
#define WK_NN_KERNELS_DEPTHWISE_BACK_H

#include "base/isa.h"
#include "nn/kernels/kernels.h"

WK_ISA_DECLARE(void, wk_depthwise_data, (const wk_depthwise_back *d, int row0, int row1));
WK_ISA_DECLARE(void, wk_depthwise_weights, (const wk_depthwise_back *d));

#endif

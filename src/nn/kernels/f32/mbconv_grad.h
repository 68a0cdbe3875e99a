/* mbconv_grad.h - the functions of mbconv_grad.c of each instruction set; microkernels.h says what they do. */
#ifndef WK_NN_MBCONV_GRAD_H
#define WK_NN_MBCONV_GRAD_H

#include "base/isa.h"
#include "nn/kernels/microkernels.h"

WK_ISA_DECLARE(wk_mbconv_back_sizes, wk_mbconv_back_shape, (const wk_mbconv *f));
WK_ISA_DECLARE(void, wk_mbconv_back, (const wk_mbconv_back *b, int row0, int row1, float *scratch));

#endif

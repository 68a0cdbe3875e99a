/* winograd_grad.h - the functions of winograd_grad.c of each instruction set; microkernels.h says what they do. */
#ifndef WK_NN_WINOGRAD_GRAD_H
#define WK_NN_WINOGRAD_GRAD_H

#include "base/isa.h"
#include "nn/kernels/microkernels.h"

WK_ISA_DECLARE(size_t, wk_winograd_weights_scratch, (const wk_conv *c));
WK_ISA_DECLARE(void, wk_winograd_weights, (const wk_conv_back *b, float *scratch));

#endif

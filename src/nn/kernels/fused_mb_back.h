/* fused_mb_back.h - the functions of fused_mb_back.c of each instruction set; kernels.h says what they do. */
#ifndef WK_NN_KERNELS_FUSED_MB_BACK_H
#define WK_NN_KERNELS_FUSED_MB_BACK_H

#include "base/isa.h"
#include "nn/kernels/kernels.h"

WK_ISA_DECLARE(wk_fused_mb_back_sizes, wk_fused_mb_back_shape, (const wk_fused_mb *f));
WK_ISA_DECLARE(void, wk_fused_mb_back, (const wk_fused_mb_back *b, int row0, int row1, float *scratch));

#endif

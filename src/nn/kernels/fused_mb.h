/* fused_mb.h - the functions of fused_mb.c of each instruction set; kernels.h says what they do. */
#ifndef WK_NN_KERNELS_FUSED_MB_H
#define WK_NN_KERNELS_FUSED_MB_H

#include "base/isa.h"
#include "nn/kernels/kernels.h"

WK_ISA_DECLARE(wk_fused_mb_sizes, wk_fused_mb_shape, (const wk_fused_mb *f));
WK_ISA_DECLARE(void, wk_fused_mb, (const wk_fused_mb *f, int row0, int row1, float *scratch));

#endif

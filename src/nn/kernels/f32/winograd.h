/* winograd.h - the functions of winograd.c of each instruction set; microkernels.h says what they do. */
#ifndef WK_NN_WINOGRAD_H
#define WK_NN_WINOGRAD_H

#include "base/isa.h"
#include "nn/kernels/microkernels.h"

WK_ISA_DECLARE(size_t, wk_winograd_packed, (int m, int in_c, int out_c));
WK_ISA_DECLARE(void, wk_winograd_pack,
               (float *packed, const float *w, int m, int in_c, int out_c, ptrdiff_t stride_in, ptrdiff_t stride_out,
                bool flip));
WK_ISA_DECLARE(size_t, wk_winograd_packed_taps, (int in_c, int out_c));
WK_ISA_DECLARE(void, wk_winograd_pack_taps,
               (float *packed, const float *w, int in_c, int out_c, ptrdiff_t stride_in, ptrdiff_t stride_out,
                bool flip));
WK_ISA_DECLARE(wk_winograd_sizes, wk_winograd_shape, (const wk_winograd *w));
WK_ISA_DECLARE(void, wk_winograd_input, (const wk_winograd *w, int tile0, int tile1, float *input));
WK_ISA_DECLARE(void, wk_winograd_output,
               (const wk_winograd *w, int col0, int col1, const float *input, float *scratch));
WK_ISA_DECLARE(void, wk_winograd, (const wk_winograd *w, int tile0, int tile1, int col0, int col1, float *scratch));

#endif

/* stem_grad.h - the functions of stem_grad.c of each instruction set, for conv_data_grad.c. */
#ifndef WK_NN_STEM_GRAD_H
#define WK_NN_STEM_GRAD_H

#include "base/isa.h"
#include "nn/kernels/microkernels.h"

/* Has it few enough input channels? */
WK_ISA_DECLARE(bool, wk_stem_back_fits, (const wk_conv *c));
/* Blocks, packed and data_scratch; the rest is zero. A block is a row of inputs. */
WK_ISA_DECLARE(wk_conv_back_sizes, wk_stem_back_shape, (const wk_conv *c));
WK_ISA_DECLARE(void, wk_stem_back_pack, (float *packed, const float *w, const wk_conv *c));
WK_ISA_DECLARE(void, wk_stem_back, (const wk_conv_back *b, int row0, int row1, float *scratch));

#endif

/* stem.h - the functions of stem.c of each instruction set, for conv_im2col.c. */
#ifndef WK_NN_STEM_H
#define WK_NN_STEM_H

#include "base/isa.h"
#include "nn/kernels/microkernels.h"

/* Is it for this convolution? */
WK_ISA_DECLARE(bool, wk_stem_fits, (const wk_conv *c));
WK_ISA_DECLARE(size_t, wk_stem_scratch, (const wk_conv *c)); /* floats */
/* As wk_conv. */
WK_ISA_DECLARE(void, wk_stem, (const wk_conv *c, int pixel0, int pixel1, int col0, int col1, float *scratch));

#endif

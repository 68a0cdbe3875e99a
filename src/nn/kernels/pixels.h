/* pixels.h - the functions of pixels.c of each instruction set; kernels.h says what they do. */
#ifndef WK_NN_KERNELS_PIXELS_H
#define WK_NN_KERNELS_PIXELS_H

#include "base/isa.h"
#include "nn/kernels/kernels.h"

WK_ISA_DECLARE(void, wk_pixels, (float *out, const uint8_t *bytes, int count, const wk_pixels *norm));

#endif

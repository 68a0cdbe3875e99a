/* normalize_bytes.h - the functions of normalize_bytes.c of each instruction set; microkernels.h says what they do. */
#ifndef WK_NN_NORMALIZE_BYTES_H
#define WK_NN_NORMALIZE_BYTES_H

#include "base/isa.h"
#include "nn/kernels/microkernels.h"

WK_ISA_DECLARE(void, wk_pixels, (float *out, const uint8_t *bytes, int count, const wk_pixels *norm));

#endif

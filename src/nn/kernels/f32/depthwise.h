/* depthwise.h - the functions of depthwise.c of each instruction set; microkernels.h says what they do. */
#ifndef WK_NN_DEPTHWISE_H
#define WK_NN_DEPTHWISE_H

#include "base/isa.h"
#include "nn/kernels/microkernels.h"

WK_ISA_DECLARE(void, wk_depthwise_pack, (float *packed, const float *w, int channels, int taps));
WK_ISA_DECLARE(void, wk_depthwise, (const wk_depthwise *d, int row0, int row1, int ch0, int ch1));
/* `count` rows of outputs, one below the other, from rows of inputs wherever they lie: output y from the kernel_h that
 * begin at rows[y * stride]; NULL is a row of padding. d->in, d->out, d->in_h, d->out_h and d->pad_top are not looked
 * at. */
WK_ISA_DECLARE(void, wk_depthwise_rows,
               (const wk_depthwise *d, float *out, const float *const *rows, int count, int ch0, int ch1));

#endif

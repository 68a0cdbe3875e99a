/* depthwise_grad.h - the functions of depthwise_grad.c of each instruction set; microkernels.h says what they do. */
#ifndef WK_NN_DEPTHWISE_GRAD_H
#define WK_NN_DEPTHWISE_GRAD_H

#include "base/isa.h"
#include "nn/kernels/microkernels.h"

WK_ISA_DECLARE(void, wk_depthwise_data, (const wk_depthwise_back *d, int row0, int row1));
WK_ISA_DECLARE(void, wk_depthwise_weights, (const wk_depthwise_back *d));

/* One row of dx, its mask (or NULL) beside it; rows[ky] is the row of dy that tap row ky meets, or NULL. */
WK_ISA_DECLARE(void, wk_depthwise_data_row,
               (const wk_depthwise_back *d, float *dx, const float *mask, const float *const *rows));
/* Adds to dw and db what `height` neighbouring rows of dy give; x[y * stride + ky] is the row of inputs that tap row ky
 * of dy[y] meets, or NULL. */
WK_ISA_DECLARE(void, wk_depthwise_weights_rows,
               (const wk_depthwise_back *d, const float *const *x, const float *const *dy, int height));

#endif

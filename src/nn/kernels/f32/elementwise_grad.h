/* elementwise_grad.h (internal) - the arithmetic of the simple layers' gradients, compiled once an instruction set. dx
 * is the gradient of a layer's input, dy that of its output; with `accumulate` results are added to what is there. */
#ifndef WK_NN_ELEMENTWISE_GRAD_H
#define WK_NN_ELEMENTWISE_GRAD_H

#include "base/isa.h"
#include "nn/kernels/f32/elementwise.h"

/* dx = dy * act'(...), from the input x where the activation needs it (hardswish, silu, gelu), else from the output y;
 * the other may be NULL. dx may be dy. */
WK_ISA_DECLARE(void, wk_act_grad,
               (float *dx, const float *dy, const float *x, const float *y, size_t n, wk_act act, bool accumulate));
/* dx = dy * factor; dx may be dy. */
WK_ISA_DECLARE(void, wk_scaled, (float *dx, const float *dy, float factor, size_t n, bool accumulate));
/* dx[p][c] = dy[p][c] * scale[c]; dx may be dy. */
WK_ISA_DECLARE(void, wk_affine_grad,
               (float *dx, const float *dy, const float *scale, size_t pixels, int channels, bool accumulate));
/* Sums over pixels: sum[c] = of a[p][c] * (b[p][c] - shift[c]), or of a[p][c] alone where b is NULL; shift may be NULL.
 */
WK_ISA_DECLARE(void, wk_channel_sums,
               (double *sum, const float *a, const float *b, const float *shift, size_t pixels, int channels));
/* Batch norm over a batch: dx = k[c] * (dy - mean_dy[c] - (x - mean[c]) * slope[c]); dx may be dy. */
WK_ISA_DECLARE(void, wk_batchnorm_grad,
               (float *dx, const float *dy, const float *x, const float *mean, const float *k, const float *mean_dy,
                const float *slope, size_t pixels, int channels, bool accumulate));
/* Rows first..last-1 of one photo's dx. The first of equal maxima gets the gradient, as in PyTorch. Where x came from
 * ReLU or ReLU6 (mask_act; else none), dx is multiplied with its slope at the end. */
WK_ISA_DECLARE(void, wk_max_pool_grad,
               (float *dx, const float *dy, const float *x, const float *y, const wk_pool *l, int first, int last,
                bool accumulate, wk_act mask_act));
/* One photo each; dx is already what is to be added to. */
WK_ISA_DECLARE(void, wk_avg_pool_grad, (float *dx, const float *dy, const wk_pool *l));
WK_ISA_DECLARE(void, wk_adaptive_avg_pool_grad, (float *dx, const float *dy, const wk_pool *l));
/* One pixel: dx = y * (dy - sum of y * dy); dx may be dy. */
WK_ISA_DECLARE(void, wk_softmax_grad, (float *dx, const float *dy, const float *y, int n, bool accumulate));

#endif

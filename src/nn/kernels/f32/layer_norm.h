/* layer_norm.h (internal) - layer norm over the channels of single pixels, and its gradients, compiled once an
 * instruction set. A pixel is computed by the same sequence of operations wherever it lies. */
#ifndef WK_NN_LAYER_NORM_H
#define WK_NN_LAYER_NORM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/isa.h"

/* out[p][c] = (in[p][c] - mean) / sqrt(variance + eps) * scale[c] + shift[c], with mean and variance of in[p]; may be
 * in place. */
WK_ISA_DECLARE(void, wk_layer_norm,
               (float *out, const float *in, const float *scale, const float *shift, size_t pixels, int channels,
                float eps));
/* dx from x, the layer's input, and dy, the gradient of its output; dx may be dy. */
WK_ISA_DECLARE(void, wk_layer_norm_grad,
               (float *dx, const float *dy, const float *x, const float *scale, size_t pixels, int channels, float eps,
                bool accumulate));
/* Sums over pixels, [2][channels]: of dy times the normalised x, which is the gradient of the scale, and of dy. */
WK_ISA_DECLARE(void, wk_layer_norm_sums,
               (double *sum, const float *dy, const float *x, size_t pixels, int channels, float eps));

#endif

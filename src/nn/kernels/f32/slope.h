/* slope.h - a gradient times the slope of ReLU or ReLU6, from the activation's output. */
#ifndef WK_NN_SLOPE_H
#define WK_NN_SLOPE_H

#include "nn/kernels/activation.h"
#include "nn/kernels/vec.h"

typedef int32_t vec_bits __attribute__((vector_size(WK_VL * 4)));

/* The gradient passes where the output lies above 0 and not at the upper limit; NaN is no limit. */
WK_INLINE vec slope_limit(wk_act act) { return vec_set(act == WK_ACT_RELU6 ? 6 : __builtin_nanf("")); }

WK_INLINE vec slope_apply(vec limit, vec g, vec y) { return (vec)((vec_bits)g & (y > vec_zero()) & ~(y >= limit)); }

#endif

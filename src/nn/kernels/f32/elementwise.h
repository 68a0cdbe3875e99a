/* elementwise.h (internal) - the arithmetic of the simple layers over contiguous channels, compiled once an instruction
 * set. Each function computes every element by the same sequence of operations wherever it lies, so how work is cut up
 * does not matter. */
#ifndef WK_NN_ELEMENTWISE_H
#define WK_NN_ELEMENTWISE_H

#include "base/isa.h"
#include "nn/kernels/activation.h"
#include "whisker/nn.h"

/* Pooling of one photo: of [in] by windows whose paddings are real, to [out]. */
typedef struct wk_pool {
  wk_shape in, out;
  wk_window window;
} wk_pool;

/* out = act(in), n values; may be in place. */
WK_ISA_DECLARE(void, wk_act_apply, (float *out, const float *in, size_t n, wk_act act));
/* out = act(a + b), n values; may be in place. */
WK_ISA_DECLARE(void, wk_add, (float *out, const float *a, const float *b, size_t n, wk_act act));
/* out[p][c] = act(in[p][c] * scale[c] + shift[c]); shift may be NULL; may be in place. */
WK_ISA_DECLARE(void, wk_affine,
               (float *out, const float *in, const float *scale, const float *shift, size_t pixels, int channels,
                wk_act act));
/* One row of pooled pixels. `in` is the photo's whole [h, w, c]. */
WK_ISA_DECLARE(void, wk_max_pool, (float *out, const float *in, const wk_pool *l, int row));
WK_ISA_DECLARE(void, wk_avg_pool, (float *out, const float *in, const wk_pool *l, int row));
WK_ISA_DECLARE(void, wk_adaptive_avg_pool, (float *out, const float *in, const wk_pool *l, int row));
/* out[i] = exp(in[i] - max) / sum of those. */
WK_ISA_DECLARE(void, wk_softmax, (float *out, const float *in, int n));

#endif

/* outer_back.h - sums of outer products, C = A^T B: the matrix product under the gradients of weights, where the long
 * dimension is that of the pixels. Both sides are packed by whoever calls, in the layouts that the register kernel
 * reads. */
#ifndef WK_NN_KERNELS_OUTER_BACK_H
#define WK_NN_KERNELS_OUTER_BACK_H

#include "base/isa.h"
#include "nn/kernels/kernels.h"

#define WK_OUTER_CHUNK 48 /* rows of C that a piece of A holds: a multiple of every set's vector and register rows */

/* C[i][j] = or += sum over p of a[p][i] * b[p][j]. Rows of `a` lie lda floats apart. Panels of two vectors of `b` lie
 * `panel` floats apart and their rows ldb: depth * 2 * lanes and 2 * lanes where it is packed, 2 * lanes and its own
 * rows' distance where it lies as it is. Whole vectors beyond n are readable. Each sum runs over p in order. */
typedef struct wk_outer_product {
  int m, n, depth;
  const float *a, *b;
  float *c;
  ptrdiff_t lda, ldb, ldc, panel;
  bool add;
} wk_outer_product;

WK_ISA_DECLARE(void, wk_outer, (const wk_outer_product *o));
/* sum[channels] += the sums over `count` rows: the gradient of a bias. */
WK_ISA_DECLARE(void, wk_outer_bias, (float *sum, const float *rows, int count, int channels));

#endif

/* outer_back.h - sums of outer products, C = A^T B: the matrix product under the gradients of weights, where the long
 * dimension is that of the pixels. Both sides are packed by whoever calls, in the layouts that the register kernel
 * reads. */
#ifndef WK_NN_KERNELS_OUTER_BACK_H
#define WK_NN_KERNELS_OUTER_BACK_H

#include "base/isa.h"
#include "nn/kernels/kernels.h"

#define WK_OUTER_CHUNK 48 /* rows of C that a piece of A holds: a multiple of every set's vector and register rows */

/* C[i][j] = or += sum over p of a[p][i] * b[p][j]. Rows of `a` lie lda floats apart (WK_OUTER_CHUNK at most); `b` is in
 * panels of two vectors, each [depth][2 * lanes], whole vectors beyond n being readable. Each sum runs over p in order.
 */
typedef struct wk_outer_product {
  int m, n, depth; /* m <= WK_OUTER_CHUNK */
  const float *a, *b;
  float *c;
  ptrdiff_t lda, ldc;
  bool add;
} wk_outer_product;

WK_ISA_DECLARE(void, wk_outer, (const wk_outer_product *o));

#endif

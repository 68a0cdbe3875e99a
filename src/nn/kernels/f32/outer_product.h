/* outer_product.h - sums of outer products, C = A^T B: the matrix product under the gradients of weights, where the
 * long dimension is that of the pixels. Both sides are packed by whoever calls, in the layouts that the register kernel
 * reads. */
#ifndef WK_NN_OUTER_PRODUCT_H
#define WK_NN_OUTER_PRODUCT_H

#include "base/isa.h"
#include "nn/kernels/microkernels.h"

#define WK_OUTER_CHUNK 48 /* rows of C that a piece of A holds: a multiple of every set's vector and register rows */

/* C[i][j] = or += sum over p of a[p][i] * b[p][j]. Rows of `a` lie lda floats apart; where it is packed
 * (wk_outer_pack), `strip` says how far apart the strips lie, and is 0 otherwise. Panels of two vectors of `b` lie
 * `panel` floats apart and their rows ldb: depth * 2 * lanes and 2 * lanes where it is packed, 2 * lanes and its own
 * rows' distance where it lies as it is. Whole vectors beyond n are readable. Each sum runs over p in order. */
typedef struct wk_outer_product {
  int m, n, depth;
  const float *a, *b;
  float *c;
  ptrdiff_t lda, ldb, ldc, panel, strip;
  bool add;
} wk_outer_product;

WK_ISA_DECLARE(void, wk_outer, (const wk_outer_product *o));

/* How `a` lies when it is packed: lda and the floats from strip to strip, and those of
 * all strips of m columns. */
typedef struct wk_outer_strips {
  int count, lda;
  size_t strip, floats;
} wk_outer_strips;

WK_ISA_DECLARE(wk_outer_strips, wk_outer_strips_of, (int m, int depth));
/* Packs columns 0..m-1 of `depth` rows that lie ld floats apart: all of them, or those of one strip, of which `columns`
 * may be read and whose sums are added to `sum` where it is given. */
WK_ISA_DECLARE(void, wk_outer_pack, (float *packed, const float *rows, int m, int depth, ptrdiff_t ld));
WK_ISA_DECLARE(void, wk_outer_pack_strip,
               (float *packed, float *sum, const float *rows, int m, int columns, int depth, ptrdiff_t ld));
/* sum[channels] += the sums over `count` rows: the gradient of a bias. */
WK_ISA_DECLARE(void, wk_outer_bias, (float *sum, const float *rows, int count, int channels));

#endif

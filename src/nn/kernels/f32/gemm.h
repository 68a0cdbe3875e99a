/* gemm.h - the matrix product's functions of each instruction set, for the table and for the kernels built on it. */
#ifndef WK_NN_GEMM_H
#define WK_NN_GEMM_H

#include "base/isa.h"
#include "nn/kernels/microkernels.h"

WK_ISA_DECLARE(size_t, wk_gemm_packed, (int k, int n));
WK_ISA_DECLARE(void, wk_gemm_pack,
               (float *packed, const float *b, int k, int n, ptrdiff_t stride_k, ptrdiff_t stride_n));
WK_ISA_DECLARE(void, wk_gemm_transpose, (float *turned, const float *packed, int k, int n));
WK_ISA_DECLARE(void, wk_gemm, (const wk_gemm *g, int row0, int row1, int col0, int col1, float *scratch));
WK_ISA_DECLARE(wk_gemm_sizes, wk_gemm_shape, (void));

/* Width of the panel of packed B that begins at column `col` of n; it begins at float col * k. */
static inline int wk_gemm_panel_width(int lanes, int n, int col) { return n - col > lanes ? 2 * lanes : lanes; }

/* A product's sums are made in blocks of k, each at most this deep: MR rows of A and a panel of B then fit L1. The
 * blocks depend on k alone; the kb-th begins here. */
enum { WK_GEMM_DEPTH = 384 };
static inline int wk_gemm_blocks(int k) { return (k + WK_GEMM_DEPTH - 1) / WK_GEMM_DEPTH; }
static inline int wk_gemm_block(int k, int kb) { return (int)((int64_t)k * kb / wk_gemm_blocks(k)); }

/* wk_gemm's `next` where nothing is known of it: B itself, if it is too large to stay near; NULL otherwise. */
static inline const float *wk_gemm_far(const float *b, int k, int n) {
  enum { NEAR = 96 << 10 }; /* floats: with what else a product needs, more than half of L2 */
  return (int64_t)k * n > NEAR ? b : NULL;
}

#endif

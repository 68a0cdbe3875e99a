/* microkernels_bf16.h - the matrix product on bfloat16, the upper half of a float: 8 bits of mantissa, sums in float32.
 *
 * Only for processors with AVX512_BF16, whose instruction multiplies two pairs and adds both products to a float. How
 * it rounds between the two is the processor's own affair, so the plain twin, which the tests compare with, need not
 * give the same bits. As in microkernels.h: pure functions over a range on the calling thread, and an output depends on
 * its own inputs alone, by one chain of sums. */
#ifndef WK_NN_MICROKERNELS_BF16_H
#define WK_NN_MICROKERNELS_BF16_H

#include <string.h>

#include "base/base.h"
#include "nn/kernels/activation.h"

#define WK_BF16_DEPTH 2 /* rows of A are padded to a multiple of so many numbers */

/* To the nearest, ties to even; a denormal to zero, NaN stays NaN: as the processor does. */
static inline uint16_t wk_bf16(float x) {
  uint32_t u;
  memcpy(&u, &x, sizeof u);
  const uint32_t size = u & 0x7fffffff;
  if (size > 0x7f800000)
    return (uint16_t)(u >> 16 | 0x40);
  if (size < 0x00800000)
    return (uint16_t)(u >> 16 & 0x8000);
  return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

static inline float wk_bf16_float(uint16_t x) {
  const uint32_t u = (uint32_t)x << 16;
  float f;
  memcpy(&f, &u, sizeof f);
  return f;
}

/* C = act(A * B + add + bias). */
typedef struct wk_gemm_bf16 {
  int n, k;          /* k: a multiple of WK_BF16_DEPTH */
  const uint16_t *a; /* [m][k], rows lda apart */
  const uint16_t *b; /* packed by wk_gemm_bf16_pack for the kernel's panel */
  const float *bias; /* [n rounded up to the panel] */
  const float *add;  /* [m][n], rows ldadd apart, or NULL; may be c itself */
  float *c;          /* [m][n], rows ldc apart */
  ptrdiff_t lda, ldc, ldadd;
  wk_act act; /* NONE, RELU, RELU6 */
} wk_gemm_bf16;

typedef struct wk_microkernels_bf16 {
  const char *name;
  int rows, panel; /* of the register kernel of gemm */
  /* Rows row0..row1-1, columns col0..col1-1; col0 a multiple of the panel, and col1 too or n. */
  void (*gemm)(const wk_gemm_bf16 *g, int row0, int row1, int col0, int col1);
  /* `pixels` of `channels` floats each, one after the other, rounded, to rows that are `ld` apart. */
  void (*round)(uint16_t *to, ptrdiff_t ld, const float *from, int channels, int pixels);
} wk_microkernels_bf16;

/* Panels of `panel` columns, each [k / 2][panel][2]; a last one that needs at most half of that is half as wide. */
size_t wk_gemm_bf16_packed(int panel, int k, int n); /* numbers */
/* From weights [n][in_c][taps], rounded; rows of B go (tap, channel). `packed` is zero before, for what is padded. */
void wk_gemm_bf16_pack(uint16_t *packed, const float *weight, int panel, int in_c, int taps, int n);

/* The kernels of an instruction set: plain C's, or AVX-512's where this processor has AVX512_BF16; NULL otherwise. */
const wk_microkernels_bf16 *wk_microkernels_bf16_for(wk_isa isa);

#endif

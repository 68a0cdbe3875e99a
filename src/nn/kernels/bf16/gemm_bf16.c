/* gemm_bf16.c - the matrix product on bfloat16 (microkernels_bf16.h), and how its input is rounded.
 *
 * A block of B, all of k deep, stays in L2 while strips of rows of A run over it from L1. Sums stay in registers over
 * all of k, so an element of C is always the same chain, whatever the strip, range and batch.
 */
#include "nn/kernels/bf16/gemm_bf16.h"

#include "nn/kernels/vec.h"

#define MR WK_ISA_PASTE(WK_GEMM_BF16_ROWS, WK_ISA_NAME)
#define NR WK_ISA_PASTE(WK_GEMM_BF16_PANEL, WK_ISA_NAME)
#define BLOCK_BYTES (256 << 10) /* of B held in L2 */

/* Everything a register kernel needs besides its size. */
typedef struct tile {
  const uint16_t *a, *b;
  const float *bias, *add;
  float *c;
  ptrdiff_t lda, ldc, ldadd;
  float low, high;
  int depth, cols; /* cols: that exist, of the tile's width */
} tile;

#if defined(__AVX512BF16__)

WK_INLINE __m512bh pairs_load(const uint16_t *p) { return (__m512bh)_mm512_loadu_si512(p); }
WK_INLINE __m512bh pair_set(const uint16_t *p) {
  int32_t x;
  memcpy(&x, p, sizeof x);
  return (__m512bh)_mm512_set1_epi32(x);
}

WK_INLINE void finish(const tile *t, const __m512 *acc, int rows, int vectors, bool plus) {
  const vec low = vec_set(t->low), high = vec_set(t->high);
  const ptrdiff_t ldc = t->ldc, ldadd = t->ldadd;
  const int cols = t->cols;
  float *c = t->c;
  const float *add = t->add, *bias = t->bias;
  WK_UNROLL
  for (int v = 0; v < vectors; v++) {
    const vec shift = vec_load(bias + v * WK_VL);
    const int left = cols - v * WK_VL;
    if (left <= 0)
      break;
    WK_UNROLL
    for (int r = 0; r < rows; r++) {
      vec x = (vec)acc[r * vectors + v];
      if (plus)
        x = (left >= WK_VL ? vec_load(add + r * ldadd + v * WK_VL) : vec_load_part(add + r * ldadd + v * WK_VL, left)) +
            x;
      x = vec_min(high, vec_max(low, x + shift));
      if (left >= WK_VL)
        vec_store(c + r * ldc + v * WK_VL, x);
      else
        vec_store_part(c + r * ldc + v * WK_VL, x, left);
    }
  }
}

/* rows x vectors outputs, both constants wherever this is inlined. */
WK_INLINE void kernel(const tile *t, int rows, int vectors) {
  __m512 acc[MR * 2];
  WK_UNROLL
  for (int i = 0; i < rows * vectors; i++)
    acc[i] = _mm512_setzero_ps();
  const uint16_t *a = t->a, *b = t->b;
  const ptrdiff_t lda = t->lda;
  const int depth = t->depth;
  for (int k = 0; k < depth; k += 2) {
    __m512bh w[2];
    WK_UNROLL
    for (int v = 0; v < vectors; v++)
      w[v] = pairs_load(b + v * 2 * WK_VL);
    WK_UNROLL
    for (int r = 0; r < rows; r++) {
      const __m512bh x = pair_set(a + r * lda);
      WK_UNROLL
      for (int v = 0; v < vectors; v++)
        acc[r * vectors + v] = _mm512_dpbf16_ps(acc[r * vectors + v], x, w[v]);
    }
    a += 2;
    b += vectors * 2 * WK_VL;
  }
  if (t->add)
    finish(t, acc, rows, vectors, true);
  else
    finish(t, acc, rows, vectors, false);
}

typedef void (*kernel_fn)(const tile *t);
#define KERNEL(rows)                                                                                                   \
  static void full_##rows(const tile *t) { kernel(t, rows, 2); }                                                       \
  static void half_##rows(const tile *t) { kernel(t, rows, 1); }
KERNEL(1)
KERNEL(2)
KERNEL(3)
KERNEL(4)
KERNEL(5)
KERNEL(6)
KERNEL(7)
KERNEL(8)
KERNEL(9)
KERNEL(10)
KERNEL(11)
KERNEL(12)
KERNEL(13)
KERNEL(14)
static const kernel_fn full[MR] = {full_1, full_2, full_3,  full_4,  full_5,  full_6,  full_7,
                                   full_8, full_9, full_10, full_11, full_12, full_13, full_14};
static const kernel_fn half[MR] = {half_1, half_2, half_3,  half_4,  half_5,  half_6,  half_7,
                                   half_8, half_9, half_10, half_11, half_12, half_13, half_14};
static void tile_run(const tile *t, int rows, int width) {
  if (width == NR)
    full[rows - 1](t);
  else
    half[rows - 1](t);
}

static void round_run(uint16_t *to, const float *from, ptrdiff_t n) {
  ptrdiff_t i = 0;
  for (; i + WK_VL <= n; i += WK_VL)
    _mm256_storeu_si256((__m256i *)(void *)(to + i), (__m256i)_mm512_cvtneps_pbh((__m512)vec_load(from + i)));
  if (i < n)
    _mm256_mask_storeu_epi16(to + i, (__mmask16)((1u << (n - i)) - 1),
                             (__m256i)_mm512_cvtneps_pbh((__m512)vec_load_part(from + i, (int)(n - i))));
}

#else

/* The plain twin: the second of a pair comes first, as the processor's manual has it. A product of two such numbers
 * fits a float exactly. (A term at a time: of two at a time GCC 12 makes wrong sums at -O3.) */
static void tile_run(const tile *t, int rows, int width) {
  for (int r = 0; r < rows; r++)
    for (int j = 0; j < t->cols; j++) {
      float sum = 0;
      for (int i = 0; i < t->depth; i++) {
        const int k = i ^ 1;
        sum += wk_bf16_float(t->a[r * t->lda + k]) * wk_bf16_float(t->b[(k / 2 * width + j) * 2 + k % 2]);
      }
      if (t->add)
        sum = t->add[r * t->ldadd + j] + sum;
      float x = sum + t->bias[j];
      x = t->low > x ? t->low : x;
      t->c[r * t->ldc + j] = t->high < x ? t->high : x;
    }
}

static void round_run(uint16_t *to, const float *from, ptrdiff_t n) {
  for (ptrdiff_t i = 0; i < n; i++)
    to[i] = wk_bf16(from[i]);
}

#endif

void WK_ISA_FN(wk_round_bf16)(uint16_t *to, ptrdiff_t ld, const float *from, int channels, int pixels) {
  if (ld == channels) {
    round_run(to, from, (ptrdiff_t)channels * pixels);
    return;
  }
  for (int p = 0; p < pixels; p++)
    round_run(to + p * ld, from + (ptrdiff_t)p * channels, channels);
}

static void strip_run(const wk_gemm_bf16 *g, tile t, int row, int rows, int col0, int col1) {
  t.a = g->a + row * g->lda;
  for (int col = col0; col < col1;) {
    const int width = wk_gemm_bf16_width(NR, g->n, col);
    t.b = g->b + (size_t)col * (size_t)g->k;
    t.bias = g->bias + col;
    t.cols = g->n - col < width ? g->n - col : width;
    t.c = g->c + row * g->ldc + col;
    t.add = g->add ? g->add + row * g->ldadd + col : NULL;
    tile_run(&t, rows, width);
    col += width;
  }
}

void WK_ISA_FN(wk_gemm_bf16_run)(const wk_gemm_bf16 *g, int row0, int row1, int col0, int col1) {
  const int rows = row1 - row0, strips = (rows + MR - 1) / MR;
  int step = BLOCK_BYTES / (int)sizeof(uint16_t) / g->k / NR * NR;
  if (step < 2 * NR)
    step = 2 * NR;
  const tile t = {.lda = g->lda,
                  .ldc = g->ldc,
                  .ldadd = g->ldadd,
                  .low = g->act == WK_ACT_NONE ? -__builtin_inff() : 0,
                  .high = g->act == WK_ACT_RELU6 ? 6 : __builtin_inff(),
                  .depth = g->k};
  for (int col = col0; col < col1; col += step) {
    const int end = col1 - col < step ? col1 : col + step;
    for (int s = 0; s < strips; s++) {
      const int begin = row0 + (int)((int64_t)rows * s / strips), stop = row0 + (int)((int64_t)rows * (s + 1) / strips);
      strip_run(g, t, begin, stop - begin, col, end);
    }
  }
}

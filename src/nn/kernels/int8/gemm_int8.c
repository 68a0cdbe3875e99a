/* gemm_int8.c - the matrix product on small integers (microkernels_int8.h).
 *
 * AVX2 multiplies bytes in pairs into 16 bits; two such sums are added there before they are widened, which takes three
 * multiplications for 64 products where widening each would take four. A block of B, all of k deep, stays in L2 while
 * strips of rows of A run over it from L1: bytes are few, and sums of integers need no blocks of k.
 */
#include "nn/kernels/int8/gemm_int8.h"

#include <math.h>

#include "nn/kernels/vec.h"

#define MR WK_ISA_PASTE(WK_GEMM_INT8_ROWS, WK_ISA_NAME)
#define NR WK_ISA_PASTE(WK_GEMM_INT8_PANEL, WK_ISA_NAME)
#define BLOCK_BYTES (256 << 10) /* of B held in L2 */

/* Everything a register kernel needs besides its size. */
typedef struct tile {
  const uint8_t *a;
  const int8_t *b;
  const float *scale, *bias, *add;
  float *c;
  uint8_t *q;
  ptrdiff_t lda, ldc, ldadd, ldq;
  float low, high;
  int depth, cols; /* cols: that exist, of the tile's width */
} tile;

#if defined(__AVX2__)

#if defined(__AVX512F__)
typedef __m512i ivec;
WK_INLINE ivec ivec_load(const void *p) { return _mm512_loadu_si512(p); }
WK_INLINE ivec ivec_zero(void) { return _mm512_setzero_si512(); }
WK_INLINE ivec ivec_four(const uint8_t *p) {
  int32_t x;
  memcpy(&x, p, sizeof x);
  return _mm512_set1_epi32(x);
}
#if defined(__AVX512VNNI__)
WK_INLINE ivec ivec_dot(ivec acc, ivec a0, ivec b0, ivec a1, ivec b1) {
  return _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(acc, a0, b0), a1, b1);
}
#else
WK_INLINE ivec ivec_dot(ivec acc, ivec a0, ivec b0, ivec a1, ivec b1) {
  const ivec pairs = _mm512_add_epi16(_mm512_maddubs_epi16(a0, b0), _mm512_maddubs_epi16(a1, b1));
  return _mm512_add_epi32(acc, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}
#endif
WK_INLINE vec ivec_float(ivec x) { return (vec)_mm512_cvtepi32_ps(x); }
WK_INLINE void store_bytes(uint8_t *to, vec x) {
  _mm_storeu_si128((__m128i *)(void *)to,
                   _mm512_cvtusepi32_epi8(_mm512_max_epi32(_mm512_cvtps_epi32((__m512)x), _mm512_setzero_si512())));
}
WK_INLINE void store_bytes_two(uint8_t *to, vec x, vec y) { store_bytes(to, x), store_bytes(to + WK_VL, y); }
#else
typedef __m256i ivec;
WK_INLINE ivec ivec_load(const void *p) { return _mm256_loadu_si256(p); }
WK_INLINE ivec ivec_zero(void) { return _mm256_setzero_si256(); }
WK_INLINE ivec ivec_four(const uint8_t *p) {
  int32_t x;
  memcpy(&x, p, sizeof x);
  return _mm256_set1_epi32(x);
}
WK_INLINE ivec ivec_dot(ivec acc, ivec a0, ivec b0, ivec a1, ivec b1) {
  const ivec pairs = _mm256_add_epi16(_mm256_maddubs_epi16(a0, b0), _mm256_maddubs_epi16(a1, b1));
  return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
WK_INLINE vec ivec_float(ivec x) { return (vec)_mm256_cvtepi32_ps(x); }
WK_INLINE __m128i sixteen_bytes(vec x, vec y) {
  const __m256i words =
      _mm256_permute4x64_epi64(_mm256_packs_epi32(_mm256_cvtps_epi32((__m256)x), _mm256_cvtps_epi32((__m256)y)), 0xd8);
  return _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}
WK_INLINE void store_bytes(uint8_t *to, vec x) { _mm_storel_epi64((__m128i *)(void *)to, sixteen_bytes(x, x)); }
WK_INLINE void store_bytes_two(uint8_t *to, vec x, vec y) {
  _mm_storeu_si128((__m128i *)(void *)to, sixteen_bytes(x, y));
}
#endif

WK_INLINE void finish_floats(const tile *t, const ivec *acc, int rows, int vectors, bool plus) {
  const vec low = vec_set(t->low), high = vec_set(t->high);
  const ptrdiff_t ldc = t->ldc, ldadd = t->ldadd;
  const int cols = t->cols;
  float *c = t->c;
  const float *add = t->add, *scale = t->scale, *bias = t->bias;
  WK_UNROLL
  for (int v = 0; v < vectors; v++) {
    const vec s = vec_load(scale + v * WK_VL), shift = vec_load(bias + v * WK_VL);
    const int left = cols - v * WK_VL;
    if (left <= 0)
      break;
    WK_UNROLL
    for (int r = 0; r < rows; r++) {
      vec x = ivec_float(acc[r * vectors + v]) * s + shift;
      if (plus)
        x = x +
            (left >= WK_VL ? vec_load(add + r * ldadd + v * WK_VL) : vec_load_part(add + r * ldadd + v * WK_VL, left));
      x = vec_min(high, vec_max(low, x));
      if (left >= WK_VL)
        vec_store(c + r * ldc + v * WK_VL, x);
      else
        vec_store_part(c + r * ldc + v * WK_VL, x, left);
    }
  }
}

WK_INLINE void finish_bytes(const tile *t, const ivec *acc, int rows, int vectors) {
  const vec high = vec_set(WK_U7_MAX);
  const vec s0 = vec_load(t->scale), b0 = vec_load(t->bias), s1 = vec_load(t->scale + (vectors - 1) * WK_VL),
            b1 = vec_load(t->bias + (vectors - 1) * WK_VL);
  const ptrdiff_t ldq = t->ldq;
  uint8_t *q = t->q;
  WK_UNROLL
  for (int r = 0; r < rows; r++) {
    const vec x = vec_min(high, ivec_float(acc[r * vectors]) * s0 + b0);
    if (vectors == 2)
      store_bytes_two(q + r * ldq, x, vec_min(high, ivec_float(acc[r * 2 + 1]) * s1 + b1));
    else
      store_bytes(q + r * ldq, x);
  }
}

/* rows x (vectors of 32-bit sums) outputs; both are constants wherever this is inlined. */
WK_INLINE void kernel(const tile *t, int rows, int vectors) {
  ivec acc[MR * 2];
  WK_UNROLL
  for (int i = 0; i < rows * vectors; i++)
    acc[i] = ivec_zero();
  const uint8_t *a = t->a;
  const int8_t *b = t->b;
  const ptrdiff_t lda = t->lda;
  const int depth = t->depth;
  for (int k = 0; k < depth; k += 8) {
    ivec w[4];
    WK_UNROLL
    for (int v = 0; v < 2 * vectors; v++)
      w[v] = ivec_load(b + v * (int)sizeof(ivec));
    WK_UNROLL
    for (int r = 0; r < rows; r++) {
      const ivec x = ivec_four(a + r * lda), y = ivec_four(a + r * lda + 4);
      WK_UNROLL
      for (int v = 0; v < vectors; v++)
        acc[r * vectors + v] = ivec_dot(acc[r * vectors + v], x, w[v], y, w[vectors + v]);
    }
    a += 8;
    b += 2 * vectors * (int)sizeof(ivec);
  }
  if (t->q)
    finish_bytes(t, acc, rows, vectors);
  else if (t->add)
    finish_floats(t, acc, rows, vectors, true);
  else
    finish_floats(t, acc, rows, vectors, false);
}

typedef void (*kernel_fn)(const tile *t);
#define KERNEL(rows)                                                                                                   \
  static void full_##rows(const tile *t) { kernel(t, rows, 2); }                                                       \
  static void half_##rows(const tile *t) { kernel(t, rows, 1); }
KERNEL(1)
KERNEL(2)
KERNEL(3)
KERNEL(4)
#if defined(__AVX512F__)
KERNEL(5)
KERNEL(6)
KERNEL(7)
KERNEL(8)
#endif
#if defined(__AVX512VNNI__)
KERNEL(9)
KERNEL(10)
KERNEL(11)
KERNEL(12)
static const kernel_fn full[MR] = {full_1, full_2, full_3, full_4,  full_5,  full_6,
                                   full_7, full_8, full_9, full_10, full_11, full_12};
static const kernel_fn half[MR] = {half_1, half_2, half_3, half_4,  half_5,  half_6,
                                   half_7, half_8, half_9, half_10, half_11, half_12};
#elif defined(__AVX512F__)
static const kernel_fn full[MR] = {full_1, full_2, full_3, full_4, full_5, full_6, full_7, full_8};
static const kernel_fn half[MR] = {half_1, half_2, half_3, half_4, half_5, half_6, half_7, half_8};
#else
static const kernel_fn full[MR] = {full_1, full_2, full_3, full_4};
static const kernel_fn half[MR] = {half_1, half_2, half_3, half_4};
#endif
static void tile_run(const tile *t, int rows, int width) {
  if (width == NR)
    full[rows - 1](t);
  else
    half[rows - 1](t);
}

#else

/* The plain twin. */
static void tile_run(const tile *t, int rows, int width) {
  for (int r = 0; r < rows; r++)
    for (int j = 0; j < t->cols; j++) {
      int32_t sum = 0;
      for (int k = 0; k < t->depth; k++)
        sum += t->a[r * t->lda + k] * t->b[(k / 4 * width + j) * 4 + k % 4];
      float x = (float)sum * t->scale[j] + t->bias[j];
      if (t->q) {
        x = x < WK_U7_MAX ? x : WK_U7_MAX;
        t->q[r * t->ldq + j] = x > 0 ? (uint8_t)lrintf(x) : 0;
        continue;
      }
      if (t->add)
        x += t->add[r * t->ldadd + j];
      x = t->low > x ? t->low : x;
      t->c[r * t->ldc + j] = t->high < x ? t->high : x;
    }
}

#endif

static void strip_run(const wk_gemm_int8 *g, tile t, int row, int rows, int col0, int col1) {
  t.a = g->a + row * g->lda;
  for (int col = col0; col < col1;) {
    const int width = wk_gemm_int8_width(NR, g->n, col);
    t.b = g->b + (size_t)col * (size_t)g->k;
    t.scale = g->scale + col;
    t.bias = g->bias + col;
    t.cols = g->n - col < width ? g->n - col : width;
    if (g->q)
      t.q = g->q + row * g->ldq + col;
    else
      t.c = g->c + row * g->ldc + col;
    t.add = g->add ? g->add + row * g->ldadd + col : NULL;
    tile_run(&t, rows, width);
    col += width;
  }
}

void WK_ISA_FN(wk_gemm_int8_run)(const wk_gemm_int8 *g, int row0, int row1, int col0, int col1) {
  const int rows = row1 - row0, strips = (rows + MR - 1) / MR;
  int step = BLOCK_BYTES / g->k / NR * NR;
  if (step < 2 * NR)
    step = 2 * NR;
  const tile t = {.lda = g->lda,
                  .ldc = g->ldc,
                  .ldadd = g->ldadd,
                  .ldq = g->ldq,
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

/* vec.h - the vector type of the instruction set a kernel file is compiled for: WK_VL floats in a `vec`. Everything
 * but loads of part of a vector and min/max is the compiler's own arithmetic, so one source serves every set. */
#ifndef WK_NN_VEC_H
#define WK_NN_VEC_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/isa.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define WK_VL 16
#elif defined(__AVX2__)
#define WK_VL 8
#else
#define WK_VL 4
#endif

#define WK_INLINE static inline __attribute__((always_inline, unused))
/* Loops over registers must be unrolled completely, or the array of accumulators ends up in memory. */
#define WK_UNROLL _Pragma("GCC unroll 64")

typedef float vec __attribute__((vector_size(WK_VL * 4)));
/* The same, as it lies in memory: any alignment, and allowed to look at plain floats. */
typedef float vec_memory __attribute__((vector_size(WK_VL * 4), aligned(4), may_alias));

WK_INLINE vec vec_load(const float *p) { return *(const vec_memory *)p; }
WK_INLINE void vec_store(float *p, vec v) { *(vec_memory *)p = v; }
WK_INLINE vec vec_zero(void) { return (vec){0}; }

#if defined(__AVX512F__)
WK_INLINE vec vec_set(float x) { return (vec)_mm512_set1_ps(x); }
/* NaN in x stays NaN: the second operand is what these instructions return then. */
WK_INLINE vec vec_max(vec low, vec x) { return (vec)_mm512_max_ps((__m512)low, (__m512)x); }
WK_INLINE vec vec_min(vec high, vec x) { return (vec)_mm512_min_ps((__m512)high, (__m512)x); }
/* The first n floats (0..WK_VL); the rest of the vector is zero and the memory behind them is not touched. */
WK_INLINE vec vec_load_part(const float *p, int n) { return (vec)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p); }
WK_INLINE void vec_store_part(float *p, vec v, int n) {
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
}
#elif defined(__AVX2__)
WK_INLINE vec vec_set(float x) { return (vec)_mm256_set1_ps(x); }
WK_INLINE vec vec_max(vec low, vec x) { return (vec)_mm256_max_ps((__m256)low, (__m256)x); }
WK_INLINE vec vec_min(vec high, vec x) { return (vec)_mm256_min_ps((__m256)high, (__m256)x); }
WK_INLINE __m256i vec_part_mask(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
WK_INLINE vec vec_load_part(const float *p, int n) { return (vec)_mm256_maskload_ps(p, vec_part_mask(n)); }
WK_INLINE void vec_store_part(float *p, vec v, int n) { _mm256_maskstore_ps(p, vec_part_mask(n), (__m256)v); }
#else
WK_INLINE vec vec_set(float x) { return (vec){x, x, x, x}; }
WK_INLINE vec vec_max(vec low, vec x) {
  for (int i = 0; i < WK_VL; i++)
    x[i] = low[i] > x[i] ? low[i] : x[i];
  return x;
}
WK_INLINE vec vec_min(vec high, vec x) {
  for (int i = 0; i < WK_VL; i++)
    x[i] = high[i] < x[i] ? high[i] : x[i];
  return x;
}
WK_INLINE vec vec_load_part(const float *p, int n) {
  vec v = {0};
  for (int i = 0; i < n; i++)
    v[i] = p[i];
  return v;
}
WK_INLINE void vec_store_part(float *p, vec v, int n) {
  for (int i = 0; i < n; i++)
    p[i] = v[i];
}
#endif

/* Lane k of the result is lane at[k] of x. */
typedef int32_t vec_index __attribute__((vector_size(WK_VL * 4)));
#if defined(__AVX512F__)
WK_INLINE vec vec_pick(vec x, vec_index at) { return (vec)_mm512_permutexvar_ps((__m512i)at, (__m512)x); }
#elif defined(__AVX2__)
WK_INLINE vec vec_pick(vec x, vec_index at) { return (vec)_mm256_permutevar8x32_ps((__m256)x, (__m256i)at); }
#else
WK_INLINE vec vec_pick(vec x, vec_index at) {
  float from[WK_VL], to[WK_VL] = {0};
  memcpy(from, &x, sizeof from);
  for (int i = 0; i < WK_VL; i++)
    to[i] = from[at[i]];
  memcpy(&x, to, sizeof to);
  return x;
}
#endif

/* a * b + c, rounded once where the set can. Said outright: left to the compiler, GCC 13 and later fuse some sums and
 * not others (they avoid chains of it), and then the same sum has other bits in a full tile than at an edge. */
#if defined(__AVX512F__)
WK_INLINE vec vec_fma(vec a, vec b, vec c) { return (vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
#elif defined(__AVX2__)
WK_INLINE vec vec_fma(vec a, vec b, vec c) { return (vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
#else
WK_INLINE vec vec_fma(vec a, vec b, vec c) { return a * b + c; }
#endif

/* Copies n floats, whole vectors, to memory that is not read again soon: past the caches where the set can, if `to`
 * lies as such stores need it. */
WK_INLINE void vec_stream(float *to, const float *from, int n) {
#if defined(__AVX2__)
  if ((uintptr_t)to % sizeof(vec) == 0) {
    for (int i = 0; i < n; i += WK_VL)
#if defined(__AVX512F__)
      _mm512_stream_ps(to + i, (__m512)vec_load(from + i));
#else
      _mm256_stream_ps(to + i, (__m256)vec_load(from + i));
#endif
    return;
  }
#endif
  for (int i = 0; i < n; i += WK_VL)
    vec_store(to + i, vec_load(from + i));
}
/* After the last of them, before another thread may read. */
WK_INLINE void vec_stream_end(void) {
#if defined(__AVX2__)
  _mm_sfence();
#endif
}

#endif

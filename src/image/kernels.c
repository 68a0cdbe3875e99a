/* kernels.c - the inner loops over pixels, written once in vectors of the instruction set's own width (cmake/isa.cmake
 * compiles this file for each). Integer sums are exact and the one float formula has no step that could be fused, so
 * every set gives the same bits. */
#include <string.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "image/kernels.h"

#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX2__)
#define LANES 8
#else
#define LANES 4
#endif

typedef int32_t vint __attribute__((vector_size(4 * LANES)));
typedef float vfloat __attribute__((vector_size(4 * LANES)));

/* Bytes to integers, and fixed point back to bytes, clamped. Compilers take __builtin_convertvector between bytes and
 * integers apart into single lanes, so each set has its own two instructions here. */
static inline vint widen(const uint8_t *p) {
#if LANES == 16
  return (vint)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
#elif LANES == 8
  return (vint)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
#else
  return (vint){p[0], p[1], p[2], p[3]};
#endif
}

static inline void narrow(uint8_t *p, vint sum) {
  vint v = sum >> WK_RESAMPLE_BITS;
#if LANES == 16
  __m512i positive = _mm512_max_epi32((__m512i)v, _mm512_setzero_si512());
  _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtusepi32_epi8(positive));
#elif LANES == 8
  __m128i words = _mm_packs_epi32(_mm256_castsi256_si128((__m256i)v), _mm256_extracti128_si256((__m256i)v, 1));
  _mm_storel_epi64((__m128i *)(void *)p, _mm_packus_epi16(words, words));
#else
  for (int i = 0; i < LANES; i++)
    p[i] = (uint8_t)(v[i] < 0 ? 0 : v[i] > 255 ? 255 : v[i]);
#endif
}

static inline vint half(void) { return (vint){0} + (1 << (WK_RESAMPLE_BITS - 1)); }

void WK_ISA_FN(wk_resample_across)(uint8_t *const dst[4], const uint8_t *mixed, const wk_taps *taps,
                                   const int32_t *coef, size_t ksize, size_t width) {
  enum { PARTS = 16 / LANES };
  uint8_t *d0 = dst[0], *d1 = dst[1], *d2 = dst[2], *d3 = dst[3];
  for (size_t x = 0; x < width; x++, coef += ksize) {
    vint sum[PARTS];
    for (int i = 0; i < PARTS; i++)
      sum[i] = half();
    const uint8_t *p = mixed + 16 * (size_t)taps[x].first;
    for (int t = 0; t < taps[x].count; t++, p += 16)
      for (int i = 0; i < PARTS; i++)
        sum[i] += widen(p + LANES * i) * coef[t];
    uint8_t rgbx[16];
    for (int i = 0; i < PARTS; i++)
      narrow(rgbx + LANES * i, sum[i]);
    /* The fourth byte is overwritten by the next pixel, or lies in the row's padding. */
    memcpy(d0 + 3 * x, rgbx, 4);
    memcpy(d1 + 3 * x, rgbx + 4, 4);
    memcpy(d2 + 3 * x, rgbx + 8, 4);
    memcpy(d3 + 3 * x, rgbx + 12, 4);
  }
}

void WK_ISA_FN(wk_resample_down)(uint8_t *dst, const uint8_t *src, size_t pitch, const int32_t *coef, size_t taps,
                                 size_t n) {
  enum { PARTS = 4, STEP = PARTS * LANES };
  for (size_t i = 0; i + STEP <= n; i += STEP) {
    vint sum[PARTS];
    for (int j = 0; j < PARTS; j++)
      sum[j] = half();
    const uint8_t *p = src + i;
    for (size_t t = 0; t < taps; t++, p += pitch)
      for (int j = 0; j < PARTS; j++)
        sum[j] += widen(p + LANES * j) * coef[t];
    for (int j = 0; j < PARTS; j++)
      narrow(dst + i + LANES * j, sum[j]);
  }
  for (size_t i = n - n % STEP; i < n; i++) {
    int32_t sum = 1 << (WK_RESAMPLE_BITS - 1);
    for (size_t t = 0; t < taps; t++)
      sum += src[t * pitch + i] * coef[t];
    sum >>= WK_RESAMPLE_BITS;
    dst[i] = (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
  }
}

void WK_ISA_FN(wk_normalise)(float *out, const uint8_t *pixels, size_t n, const float mean[3], const float factor[3]) {
  /* The channels' pattern repeats after three vectors, wherever a vector's length is no multiple of 3. */
  enum { STEP = 3 * LANES };
  vfloat m[3], f[3];
  for (int i = 0; i < STEP; i++) {
    m[i / LANES][i % LANES] = mean[i % 3];
    f[i / LANES][i % LANES] = factor[i % 3];
  }
  size_t i = 0;
  for (; i + STEP <= n; i += STEP)
    for (int j = 0; j < 3; j++) {
      vfloat v = (__builtin_convertvector(widen(pixels + i + (size_t)j * LANES), vfloat) - m[j]) * f[j];
      memcpy(out + i + (size_t)j * LANES, &v, sizeof v);
    }
  for (; i < n; i++)
    out[i] = ((float)pixels[i] - mean[i % 3]) * factor[i % 3];
}

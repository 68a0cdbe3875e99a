/* normalize_bytes.c - bytes of a photo to a network's numbers, with the very operations (and so bits) of the image
 * room's normalisation: one subtraction, one product.
 */
#include "nn/kernels/f32/normalize_bytes.h"

#include "nn/kernels/vec.h"

/* WK_VL bytes as numbers. Compilers take the conversion of a vector of bytes apart into single lanes. */
WK_INLINE vec widen(const uint8_t *p) {
#if WK_VL == 16
  return (vec)_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)));
#elif WK_VL == 8
  return (vec)_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)));
#else
  return (vec){(float)p[0], (float)p[1], (float)p[2], (float)p[3]};
#endif
}

/* `n` values; the channels' pattern repeats after three vectors. */
static void convert(float *out, const uint8_t *bytes, int n, const vec mean[3], const vec factor[3]) {
  int i = 0;
  for (; i + 3 * WK_VL <= n; i += 3 * WK_VL) {
    WK_UNROLL
    for (int j = 0; j < 3; j++)
      vec_store(out + i + j * WK_VL, (widen(bytes + i + j * WK_VL) - mean[j]) * factor[j]);
  }
  for (int j = 0; i < n; j++, i += WK_VL) {
    const int part = n - i < WK_VL ? n - i : WK_VL;
    uint8_t last[WK_VL] = {0};
    memcpy(last, bytes + i, (size_t)part);
    vec_store_part(out + i, (widen(last) - mean[j]) * factor[j], part);
  }
}

void WK_ISA_FN(wk_pixels)(float *out, const uint8_t *bytes, int count, const wk_pixels *norm) {
  vec mean[3], factor[3];
  for (int i = 0; i < 3 * WK_VL; i++) {
    mean[i / WK_VL][i % WK_VL] = norm->mean[i % 3];
    factor[i / WK_VL][i % WK_VL] = 1.0f / norm->std[i % 3];
  }
  if (!norm->bgr) {
    convert(out, bytes, 3 * count, mean, factor);
    return;
  }
  enum { CHUNK = 256 };
  uint8_t turned[3 * CHUNK];
  for (int at = 0; at < count; at += CHUNK) {
    const int n = count - at < CHUNK ? count - at : CHUNK;
    const uint8_t *from = bytes + 3 * (ptrdiff_t)at;
    for (int i = 0; i < 3 * n; i += 3)
      turned[i] = from[i + 2], turned[i + 1] = from[i + 1], turned[i + 2] = from[i];
    convert(out + 3 * (ptrdiff_t)at, turned, 3 * n, mean, factor);
  }
}

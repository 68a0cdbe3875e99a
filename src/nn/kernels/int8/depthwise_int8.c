/* depthwise_int8.c - what surrounds the products on small integers (microkernels_int8.h): floats to bytes, and
 * depthwise convolutions.
 *
 * Depthwise sums stay in 16 bits: the weights of a channel are quantised so that no sum leaves them (quantize_int8.h).
 * Bytes of two rows are laid beside each other, so that one multiplication takes two taps of sixteen channels.
 */
#include <math.h>

#include "nn/kernels/int8/gemm_int8.h"
#include "nn/kernels/vec.h"

/* ---- floats to bytes ---------------------------------------------------------------------------- */

static uint8_t one_byte(const wk_quantize_int8 *s, float x, int c) {
  float t = x * s->inverse[c];
  t = t > s->low[c] ? t : s->low[c];
  t = t < s->high[c] ? t : s->high[c];
  return (uint8_t)(lrintf(t) + s->zero[c]);
}

#if defined(__AVX2__)
WK_INLINE __m256i eight(const wk_quantize_int8 *s, const float *from, int c) {
  const __m256 t = _mm256_mul_ps(_mm256_loadu_ps(from + c), _mm256_loadu_ps(s->inverse + c));
  const __m256 held = _mm256_min_ps(_mm256_max_ps(t, _mm256_loadu_ps(s->low + c)), _mm256_loadu_ps(s->high + c));
  return _mm256_add_epi32(_mm256_cvtps_epi32(held), _mm256_loadu_si256((const __m256i *)(const void *)(s->zero + c)));
}

WK_INLINE __m128i sixteen(const wk_quantize_int8 *s, const float *from, int c) {
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(eight(s, from, c), eight(s, from, c + 8)), 0xd8);
  return _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}
#endif

void WK_ISA_FN(wk_quantize_int8_rows)(const wk_quantize_int8 *s, uint8_t *to, ptrdiff_t ld, const float *from,
                                      int pixels) {
  const int channels = s->channels;
  for (int p = 0; p < pixels; p++, to += ld, from += channels) {
    int c = 0;
#if defined(__AVX2__)
    for (; c + 16 <= channels; c += 16)
      _mm_storeu_si128((__m128i *)(void *)(to + c), sixteen(s, from, c));
    if (c + 8 <= channels) {
      const __m256i x = eight(s, from, c), words = _mm256_permute4x64_epi64(_mm256_packs_epi32(x, x), 0xd8);
      _mm_storel_epi64((__m128i *)(void *)(to + c),
                       _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_castsi256_si128(words)));
      c += 8;
    }
#endif
    for (; c < channels; c++)
      to[c] = one_byte(s, from[c], c);
  }
}

/* ---- depthwise ---------------------------------------------------------------------------------- */

#if defined(__AVX2__)

#define GROUP 7
#define MAX_KERNEL 5

/* Sixteen of 32 channels (the lower or the upper half of each 16) of `group` neighbouring outputs. */
WK_INLINE void half_sums(__m256i *sum, const wk_depthwise_int8 *d, const uint8_t *const *rows, ptrdiff_t at, int ch,
                         int group, int kernel, int stride, bool upper) {
  const ptrdiff_t c = d->channels;
  const int columns = (group - 1) * stride + kernel;
  WK_UNROLL
  for (int g = 0; g < group; g++)
    sum[g] = _mm256_setzero_si256();
  const int8_t *weights = d->weights + 2 * ch + (upper ? 32 : 0);
  for (int ky = 0; ky < kernel; ky += 2, weights += 2 * c * kernel) {
    const uint8_t *first = rows[ky] + at, *second = rows[ky + 1 < kernel ? ky + 1 : ky] + at;
    __m256i w[MAX_KERNEL];
    WK_UNROLL
    for (int kx = 0; kx < kernel; kx++)
      w[kx] = _mm256_loadu_si256((const __m256i *)(const void *)(weights + 2 * c * kx));
    WK_UNROLL
    for (int i = 0; i < columns; i++, first += c, second += c) {
      const __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)first),
                    b = _mm256_loadu_si256((const __m256i *)(const void *)second);
      const __m256i both = upper ? _mm256_unpackhi_epi8(a, b) : _mm256_unpacklo_epi8(a, b);
      WK_UNROLL
      for (int g = 0; g < group; g++)
        if (i - g * stride >= 0 && i - g * stride < kernel)
          sum[g] = _mm256_add_epi16(sum[g], _mm256_maddubs_epi16(both, w[i - g * stride]));
    }
  }
}

WK_INLINE __m256i scaled(__m256i sum, const wk_depthwise_int8 *d, int ch, int upper) {
  const __m256i bias = _mm256_loadu_si256((const __m256i *)(const void *)(d->bias + ch + 16 * upper)),
                by = _mm256_loadu_si256((const __m256i *)(const void *)(d->multiplier + ch + 16 * upper));
  return _mm256_mulhrs_epi16(_mm256_adds_epi16(sum, bias), by);
}

WK_INLINE void outputs(const wk_depthwise_int8 *d, uint8_t *to, const uint8_t *const *rows, int x, int group,
                       int kernel, int stride) {
  const ptrdiff_t c = d->channels;
  for (int ch = 0; ch < c; ch += WK_INT8_CHANNELS) {
    __m256i lower[GROUP], upper[GROUP];
    half_sums(lower, d, rows, x * stride * c + ch, ch, group, kernel, stride, false);
    half_sums(upper, d, rows, x * stride * c + ch, ch, group, kernel, stride, true);
    WK_UNROLL
    for (int g = 0; g < group; g++) {
      const __m256i bytes = _mm256_packus_epi16(scaled(lower[g], d, ch, 0), scaled(upper[g], d, ch, 1));
      _mm256_storeu_si256((__m256i *)(void *)(to + (x + g) * c + ch),
                          _mm256_min_epu8(bytes, _mm256_set1_epi8(WK_U7_MAX)));
    }
  }
}

WK_INLINE void row(const wk_depthwise_int8 *d, uint8_t *to, const uint8_t *const *rows, int kernel, int stride) {
  if (d->out_w < GROUP)
    for (int x = 0; x < d->out_w; x++)
      outputs(d, to, rows, x, 1, kernel, stride);
  else
    for (int x = 0; x < d->out_w; x += GROUP) /* the last group may make some of the one before it again */
      outputs(d, to, rows, d->out_w - x < GROUP ? d->out_w - GROUP : x, GROUP, kernel, stride);
}

void WK_ISA_FN(wk_depthwise_int8_row)(const wk_depthwise_int8 *d, uint8_t *to, const uint8_t *const *rows) {
  if (d->kernel == 3 && d->stride == 1)
    row(d, to, rows, 3, 1);
  else if (d->kernel == 3)
    row(d, to, rows, 3, 2);
  else if (d->stride == 1)
    row(d, to, rows, 5, 1);
  else
    row(d, to, rows, 5, 2);
}

#else

void WK_ISA_FN(wk_depthwise_int8_row)(const wk_depthwise_int8 *d, uint8_t *to, const uint8_t *const *rows) {
  const ptrdiff_t c = d->channels;
  for (int x = 0; x < d->out_w; x++)
    for (int ch = 0; ch < c; ch++) {
      /* Where weights and biases of groups of 32 channels lie: as the vector twin reads them. */
      const int in32 = ch % 32, at = ch - in32 + (in32 / 8 % 2) * 16 + in32 / 16 * 8 + in32 % 8;
      int sum = 0;
      for (int ky = 0; ky < d->kernel; ky++)
        for (int kx = 0; kx < d->kernel; kx++)
          sum +=
              rows[ky][(x * d->stride + kx) * c + ch] * d->weights[((ky / 2 * d->kernel + kx) * c + at) * 2 + ky % 2];
      sum += d->bias[at];
      sum = sum > INT16_MAX ? INT16_MAX : sum < INT16_MIN ? INT16_MIN : sum;
      sum = ((sum * d->multiplier[at] >> 14) + 1) >> 1;
      to[x * c + ch] = (uint8_t)(sum < 0 ? 0 : sum > WK_U7_MAX ? WK_U7_MAX : sum);
    }
}

#endif

/* layer_norm.c - see layer_norm.h (Ba, Kiros, Hinton: "Layer normalization", 2016). Sums over channels run in lanes
 * that are added up in one fixed order; the variance is that of the differences, in a second pass over a pixel that
 * lies in L1 by then. */
#include "nn/kernels/f32/layer_norm.h"

#include <math.h>

#include "nn/kernels/vec.h"

typedef struct moments {
  float mean, k; /* k: 1 / sqrt(variance + eps) */
} moments;

WK_INLINE float lanes(vec v) {
  float part[WK_VL], sum = 0;
  vec_store(part, v);
  for (int i = 0; i < WK_VL; i++)
    sum += part[i];
  return sum;
}

WK_INLINE moments moments_of(const float *x, int channels, float eps) {
  const int whole = channels / WK_VL * WK_VL;
  vec sum[2] = {vec_zero(), vec_zero()}, squares[2] = {vec_zero(), vec_zero()};
  for (int c = 0; c < whole; c += WK_VL)
    sum[c / WK_VL % 2] += vec_load(x + c);
  float total = lanes(sum[0] + sum[1]);
  for (int c = whole; c < channels; c++)
    total += x[c];
  const float mean = total / (float)channels;
  const vec m = vec_set(mean);
  for (int c = 0; c < whole; c += WK_VL) {
    const vec d = vec_load(x + c) - m;
    squares[c / WK_VL % 2] = vec_fma(d, d, squares[c / WK_VL % 2]);
  }
  float variance = lanes(squares[0] + squares[1]);
  for (int c = whole; c < channels; c++)
    variance += (x[c] - mean) * (x[c] - mean);
  return (moments){mean, 1.0f / sqrtf(variance / (float)channels + eps)};
}

void WK_ISA_FN(wk_layer_norm)(float *out, const float *in, const float *scale, const float *shift, size_t pixels,
                              int channels, float eps) {
  const int whole = channels / WK_VL * WK_VL;
  for (size_t p = 0; p < pixels; p++, out += channels, in += channels) {
    const moments m = moments_of(in, channels, eps);
    const vec mean = vec_set(m.mean), k = vec_set(m.k);
    for (int c = 0; c < whole; c += WK_VL)
      vec_store(out + c, vec_fma((vec_load(in + c) - mean) * k, vec_load(scale + c), vec_load(shift + c)));
    const int left = channels - whole;
    if (left)
      vec_store_part(out + whole,
                     vec_fma((vec_load_part(in + whole, left) - mean) * k, vec_load_part(scale + whole, left),
                             vec_load_part(shift + whole, left)),
                     left);
  }
}

/* With n = (x - mean) k and g = dy scale: dx = k (g - mean of g - n times the mean of g n). */
void WK_ISA_FN(wk_layer_norm_grad)(float *dx, const float *dy, const float *x, const float *scale, size_t pixels,
                                   int channels, float eps, bool accumulate) {
  const int whole = channels / WK_VL * WK_VL;
  for (size_t p = 0; p < pixels; p++, dx += channels, dy += channels, x += channels) {
    const moments m = moments_of(x, channels, eps);
    vec sum = vec_zero(), dots = vec_zero();
    for (int c = 0; c < whole; c += WK_VL) {
      const vec g = vec_load(dy + c) * vec_load(scale + c);
      sum += g;
      dots = vec_fma(g, vec_load(x + c) - vec_set(m.mean), dots);
    }
    float total = lanes(sum), dot = lanes(dots);
    for (int c = whole; c < channels; c++) {
      total += dy[c] * scale[c];
      dot += dy[c] * scale[c] * (x[c] - m.mean);
    }
    const float mean_g = total / (float)channels, slope = dot / (float)channels * m.k * m.k;
    for (int c = 0; c < channels; c++) {
      const float g = m.k * (dy[c] * scale[c] - mean_g - (x[c] - m.mean) * slope);
      dx[c] = accumulate ? dx[c] + g : g;
    }
  }
}

enum { CHUNK = 64, RUN = 32 }; /* channels at once; pixels whose float sums join the double ones */

void WK_ISA_FN(wk_layer_norm_sums)(double *sum, const float *dy, const float *x, size_t pixels, int channels,
                                   float eps) {
  for (int c = 0; c < 2 * channels; c++)
    sum[c] = 0;
  for (size_t p0 = 0; p0 < pixels; p0 += RUN) {
    const size_t run = pixels - p0 < RUN ? pixels - p0 : RUN;
    moments m[RUN];
    for (size_t p = 0; p < run; p++)
      m[p] = moments_of(x + (p0 + p) * (size_t)channels, channels, eps);
    for (int c0 = 0; c0 < channels; c0 += CHUNK) {
      const int n = channels - c0 < CHUNK ? channels - c0 : CHUNK;
      float scale[CHUNK] = {0}, shift[CHUNK] = {0};
      for (size_t p = 0; p < run; p++) {
        const float *g = dy + (p0 + p) * (size_t)channels + c0, *v = x + (p0 + p) * (size_t)channels + c0;
        for (int c = 0; c < n; c++) {
          scale[c] += g[c] * ((v[c] - m[p].mean) * m[p].k);
          shift[c] += g[c];
        }
      }
      for (int c = 0; c < n; c++) {
        sum[c0 + c] += (double)scale[c];
        sum[channels + c0 + c] += (double)shift[c];
      }
    }
  }
}

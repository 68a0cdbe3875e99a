/* gauss.h (internal) - the normal distribution's integral in plain arithmetic, so that loops over it become vector
 * code. */
#ifndef WK_NN_GAUSS_H
#define WK_NN_GAUSS_H

#include "nn/kernels/f32/exp.h"

/* The integral from x on and the density times sqrt(2 pi), at |x|. The integral is exp(-x^2 / 2) times a polynomial in
 * 1 / (1 + 0.3 |x|), the form of Hastings ("Approximations for digital computers", 1955), whose coefficients were
 * fitted for the least relative error: 6e-8 up to |x| = 13, beyond which floats end. Rounding x^2 / 2 adds to it far
 * out: 4e-6 at |x| = 12 (test_ops.c). */
typedef struct wk_gauss {
  float tail, density;
} wk_gauss;

static inline wk_gauss wk_gauss_at(float x) {
  const float a = x < 0.0f ? -x : x, t = 1.0f / (1.0f + 0.3f * a);
  float q = 0.0382989533f;
  q = q * t - 0.16877988f;
  q = q * t + 0.227860808f;
  q = q * t - 0.0755905285f;
  q = q * t + 0.141901433f;
  q = q * t + 0.0949543267f;
  q = q * t + 0.121850848f;
  q = q * t + 0.119497463f;
  q = q * t + 6.59271791e-06f;
  const float e = wk_exp(-0.5f * a * a);
  return (wk_gauss){q * e, e};
}

/* The integral up to x: without cancellation on either side. */
static inline float wk_gauss_below(wk_gauss g, float x) { return x < 0.0f ? g.tail : 1.0f - g.tail; }

static inline float wk_gelu(float x) { return x * wk_gauss_below(wk_gauss_at(x), x); }

static inline float wk_gelu_slope(float x) {
  const wk_gauss g = wk_gauss_at(x);
  return wk_gauss_below(g, x) + x * (0.398942280f * g.density);
}

#endif

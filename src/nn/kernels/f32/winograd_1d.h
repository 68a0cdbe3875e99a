/* winograd_1d.h - Winograd's transforms along one dimension, for the kernels that use them: the convolution itself and
 * the gradient of its weights. `m` is a constant wherever they are inlined. */
#ifndef WK_NN_WINOGRAD_1D_H
#define WK_NN_WINOGRAD_1D_H

#include "nn/kernels/vec.h"

#define MAX_SIDE 8

/* The points of m 4 are 0, A, -A, B, -B and infinity. 5/8 and 11/8 halve the error of the usual 1 and 2, are as cheap,
 * and all their powers here are exact. */
#define A 0.625f
#define B 1.375f
#define A2 (A * A)
#define B2 (B * B)

/* B^T d: m + 2 inputs to as many frequencies. */
WK_INLINE void wk_winograd_input_1d(int m, vec *t, const vec *d) {
  if (m == 2) {
    t[0] = d[0] - d[2];
    t[1] = d[1] + d[2];
    t[2] = d[2] - d[1];
    t[3] = d[3] - d[1];
  } else if (m == 4) {
    const vec even = d[4] - B2 * d[2], odd = d[3] - B2 * d[1], even2 = d[4] - A2 * d[2], odd2 = d[3] - A2 * d[1];
    t[0] = A2 * B2 * d[0] + (d[4] - (A2 + B2) * d[2]);
    t[1] = even + A * odd;
    t[2] = even - A * odd;
    t[3] = even2 + B * odd2;
    t[4] = even2 - B * odd2;
    t[5] = A2 * B2 * d[1] + (d[5] - (A2 + B2) * d[3]);
  } else {
    const vec even = (d[2] + d[6]) - 4.25f * d[4], odd = (d[1] + d[5]) - 4.25f * d[3];
    const vec even2 = d[6] + 0.25f * d[2] - 1.25f * d[4], odd2 = 0.5f * d[1] - 2.5f * d[3] + 2 * d[5];
    const vec even3 = d[6] + 4 * d[2] - 5 * d[4], odd3 = 2 * d[1] - 2.5f * d[3] + 0.5f * d[5];
    t[0] = d[0] - d[6] + 5.25f * (d[4] - d[2]);
    t[1] = even + odd;
    t[2] = even - odd;
    t[3] = even2 + odd2;
    t[4] = even2 - odd2;
    t[5] = even3 + odd3;
    t[6] = even3 - odd3;
    t[7] = d[7] - d[1] + 5.25f * (d[3] - d[5]);
  }
}

/* A^T f: m + 2 frequencies to m outputs. */
WK_INLINE void wk_winograd_output_1d(int m, vec *y, const vec *f) {
  if (m == 2) {
    y[0] = f[0] + f[1] + f[2];
    y[1] = f[1] - f[2] + f[3];
  } else if (m == 4) {
    const vec s1 = f[1] + f[2], d1 = f[1] - f[2], s2 = f[3] + f[4], d2 = f[3] - f[4];
    y[0] = f[0] + s1 + s2;
    y[1] = A * d1 + B * d2;
    y[2] = A2 * s1 + B2 * s2;
    y[3] = A * A2 * d1 + (B * B2 * d2 + f[5]);
  } else {
    const vec s1 = f[1] + f[2], d1 = f[1] - f[2], s2 = f[3] + f[4], d2 = f[3] - f[4], s3 = f[5] + f[6],
              d3 = f[5] - f[6];
    y[0] = f[0] + s1 + s2 + s3;
    y[1] = d1 + 2 * d2 + 0.5f * d3;
    y[2] = s1 + 4 * s2 + 0.25f * s3;
    y[3] = d1 + 8 * d2 + 0.125f * d3;
    y[4] = s1 + 16 * s2 + 0.0625f * s3;
    y[5] = d1 + 32 * d2 + 0.03125f * d3 + f[7];
  }
}

/* G g: 3 taps to m + 2 frequencies. Row p of G is (1, p, p^2) over the product of p's distances to the other points.
 * For m 4, what is fused is said: the same weights are transformed here and there, to the same bits. */
WK_INLINE void wk_winograd_weight_1d(int m, vec *f, const vec *g) {
  if (m == 2) {
    const vec even = .5f * (g[0] + g[2]), odd = .5f * g[1];
    f[0] = g[0];
    f[1] = even + odd;
    f[2] = even - odd;
    f[3] = g[2];
  } else if (m == 4) {
    const float a = (float)(1 / (2. * A2 * (A2 - B2))), b = (float)(1 / (2. * B2 * (B2 - A2)));
    const vec even = vec_fma(vec_set(A2), g[2], g[0]), odd = (float)(A / (2. * A2 * (A2 - B2))) * g[1];
    const vec even2 = vec_fma(vec_set(B2), g[2], g[0]), odd2 = (float)(B / (2. * B2 * (B2 - A2))) * g[1];
    f[0] = (float)(1 / ((double)A2 * B2)) * g[0];
    f[1] = vec_fma(vec_set(a), even, odd);
    f[2] = vec_fma(vec_set(a), even, -odd);
    f[3] = vec_fma(vec_set(b), even2, odd2);
    f[4] = vec_fma(vec_set(b), even2, -odd2);
    f[5] = g[2];
  } else {
    const vec even = (float)(-2. / 9) * (g[0] + g[2]), odd = (float)(-2. / 9) * g[1];
    const vec even2 = (float)(1. / 90) * (g[0] + 4 * g[2]), odd2 = (float)(1. / 45) * g[1];
    const vec even3 = (float)(8. / 45) * (4 * g[0] + g[2]), odd3 = (float)(16. / 45) * g[1];
    f[0] = g[0];
    f[1] = even + odd;
    f[2] = even - odd;
    f[3] = even2 + odd2;
    f[4] = even2 - odd2;
    f[5] = even3 + odd3;
    f[6] = even3 - odd3;
    f[7] = g[2];
  }
}

#endif

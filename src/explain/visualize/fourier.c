/* fourier.c - the discrete Fourier transform of pictures whose sides are powers of two (Cooley and Tukey 1965). */
#include <math.h>

#include "explain/visualize/parameterization.h"

void wk_fourier_circle(float *circle, int n) {
  for (int k = 0; k < n / 2; k++) {
    double angle = 6.283185307179586477 * k / n;
    circle[2 * k] = (float)cos(angle);
    circle[2 * k + 1] = (float)sin(angle);
  }
}

/* The order of reversed bits: where number i goes. */
static int reversed(int i, int n) {
  int r = 0;
  for (int bit = 1; bit < n; bit *= 2, i >>= 1)
    r = 2 * r | (i & 1);
  return r;
}

/* `n` lines of `width` complex numbers, transformed across the lines. One line a number (width 1) is an ordinary
 * transform. */
static void transform(float *x, int n, size_t width, int sign, const float *circle, int longest) {
  size_t line = 2 * width;
  for (int i = 0; i < n; i++) {
    int j = reversed(i, n);
    for (size_t k = 0; i < j && k < line; k++) {
      float t = x[(size_t)i * line + k];
      x[(size_t)i * line + k] = x[(size_t)j * line + k];
      x[(size_t)j * line + k] = t;
    }
  }
  for (int half = 1; half < n; half *= 2)
    for (int i = 0; i < n; i++) {
      if (i & half)
        continue;
      const float *turn = circle + (size_t)(i & (half - 1)) * (size_t)(longest / half);
      float wr = turn[0], wi = (float)sign * turn[1];
      float *a = x + (size_t)i * line, *b = a + (size_t)half * line;
      for (size_t k = 0; k < line; k += 2) {
        float re = b[k] * wr - b[k + 1] * wi, im = b[k] * wi + b[k + 1] * wr;
        b[k] = a[k] - re;
        b[k + 1] = a[k + 1] - im;
        a[k] += re;
        a[k + 1] += im;
      }
    }
}

void wk_fourier(float *re_im, int height, int width, int sign, const float *circle) {
  int longest = height > width ? height : width;
  for (int y = 0; y < height; y++)
    transform(re_im + 2 * (size_t)y * (size_t)width, width, 1, sign, circle, longest);
  transform(re_im, height, (size_t)width, sign, circle, longest);
}

/* clip_average.c - lengths, clipping, and averages of whole parameter arrays. */
#include <math.h>

#include "base/base.h"
#include "whisker/optim.h"

#define BLOCK 4096
#define LANES 16 /* independent sums, so that compilers can use whole registers */

/* In double, a block at a time: one fixed order, and fast. */
double wk_norm(const float *x, size_t n) {
  double total = 0;
  for (size_t at = 0; at < n; at += BLOCK) {
    size_t last = n - at < BLOCK ? n : at + BLOCK, i = at;
    double sum[LANES] = {0};
    for (; i + LANES <= last; i += LANES)
      for (int k = 0; k < LANES; k++)
        sum[k] += (double)x[i + (size_t)k] * (double)x[i + (size_t)k];
    for (int k = 0; i < last; i++, k++)
      sum[k] += (double)x[i] * (double)x[i];
    for (int half = LANES / 2; half; half /= 2)
      for (int k = 0; k < half; k++)
        sum[k] += sum[k + half];
    total += sum[0];
  }
  return sqrt(total);
}

double wk_clip_norm(float *gradient, size_t n, double most) {
  double length = wk_norm(gradient, n);
  double scale = most / (length + 1e-6); /* PyTorch's */
  if (isfinite(length) && scale < 1)
    for (size_t i = 0; i < n; i++)
      gradient[i] *= (float)scale;
  return length;
}

void wk_clip_value(float *gradient, size_t n, double most) {
  float high = (float)most;
  for (size_t i = 0; i < n; i++)
    gradient[i] = gradient[i] > high ? high : gradient[i] < -high ? -high : gradient[i];
}

void wk_average_ema(float *average, const float *params, size_t n, double decay) {
  float step = (float)(1 - decay);
  for (size_t i = 0; i < n; i++)
    average[i] += step * (params[i] - average[i]);
}

double wk_average_ema_decay(double decay, uint64_t step) {
  double early = (1 + (double)step) / (10 + (double)step);
  return early < decay ? early : decay;
}

void wk_average_add(float *mean, const float *params, size_t n, uint64_t count) {
  float step = (float)(1 / ((double)count + 1));
  for (size_t i = 0; i < n; i++)
    mean[i] += step * (params[i] - mean[i]);
}

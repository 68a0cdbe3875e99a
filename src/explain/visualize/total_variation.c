/* total_variation.c - what keeps an ideal picture from being noise: total variation, squares, and blurred gradients. */
#include <math.h>

#include "explain/visualize/visualize_job.h"

double wk_total_variation(float *gradient, const float *x, int height, int width, double weight) {
  double sum = 0;
  size_t row = (size_t)width * 3;
  for (int y = 0; y < height; y++)
    for (size_t i = 0; i < row; i++) {
      size_t at = (size_t)y * row + i;
      for (int way = 0; way < 2; way++) {
        size_t next = at + (way ? row : 3);
        if (way ? y + 1 >= height : i + 3 >= row)
          continue;
        float d = x[next] - x[at];
        sum += fabs((double)d);
        if (gradient && d != 0) {
          float g = d > 0 ? (float)weight : -(float)weight;
          gradient[next] += g;
          gradient[at] -= g;
        }
      }
    }
  return weight * sum;
}

double wk_total_variation_isotropic(float *gradient, const float *x, int height, int width, double weight) {
  double sum = 0;
  size_t row = (size_t)width * 3;
  for (int y = 0; y < height; y++)
    for (size_t i = 0; i < row; i++) {
      size_t at = (size_t)y * row + i;
      bool right = i + 3 < row, down = y + 1 < height;
      double dx = right ? (double)x[at + 3] - (double)x[at] : 0, dy = down ? (double)x[at + row] - (double)x[at] : 0;
      double length = sqrt(dx * dx + dy * dy + 1e-8);
      sum += length;
      if (!gradient)
        continue;
      gradient[at] -= (float)(weight * (dx + dy) / length);
      if (right)
        gradient[at + 3] += (float)(weight * dx / length);
      if (down)
        gradient[at + row] += (float)(weight * dy / length);
    }
  return weight * sum;
}

double wk_visualize_smooth(float *gradient, const float *x, int height, int width, const wk_visualize_options *o,
                           double tv, float middle) {
  double loss = 0;
  if (tv > 0)
    loss += (o->isotropic ? wk_total_variation_isotropic : wk_total_variation)(gradient, x, height, width, tv);
  for (size_t i = 0; o->l2 > 0 && i < (size_t)height * (size_t)width * 3; i++) {
    float d = x[i] - middle;
    loss += o->l2 * (double)d * (double)d;
    gradient[i] += 2 * (float)o->l2 * d;
  }
  return loss;
}

/* One direction: lines of `n` values that are `step` apart. */
static void blur_line(float *x, float *line, int n, size_t step, const float *tap, int radius) {
  for (int i = 0; i < n; i++)
    line[i] = x[(size_t)i * step];
  for (int i = 0; i < n; i++) {
    float sum = 0;
    for (int k = -radius; k <= radius; k++) {
      int at = i + k < 0 ? 0 : i + k >= n ? n - 1 : i + k;
      sum += tap[k + radius] * line[at];
    }
    x[(size_t)i * step] = sum;
  }
}

void wk_visualize_blur(float *x, float *work, int height, int width, double deviation) {
  enum { MOST = 32 };
  int radius = (int)ceil(3 * deviation);
  radius = radius < MOST ? radius : MOST;
  float tap[2 * MOST + 1], sum = 0;
  for (int k = -radius; k <= radius; k++)
    sum += tap[k + radius] = (float)exp(-0.5 * k * k / (deviation * deviation));
  for (int k = 0; k <= 2 * radius; k++)
    tap[k] /= sum;
  for (int y = 0; y < height; y++)
    for (size_t c = 0; c < 3; c++)
      blur_line(x + (size_t)y * (size_t)width * 3 + c, work, width, 3, tap, radius);
  for (size_t i = 0; i < (size_t)width * 3; i++)
    blur_line(x + i, work, height, (size_t)width * 3, tap, radius);
}

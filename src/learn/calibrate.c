/* calibrate.c - see calibrate.h. The loss is convex in 1/T, so Newton's method with a bracket around the minimum always
 * arrives. */
#include <math.h>

#include "learn/calibrate.h"

#define LOWEST 1e-4 /* of 1/T */
#define HIGHEST 1e4
#define ITERATIONS 50

/* Loss of scores * b and its first two derivatives by b. */
static void derivatives(double out[3], double b, const double *score, const int *label, const double *weight,
                        size_t rows, int classes) {
  double smooth = 1.0 / ((double)rows + 2), loss = 0, slope = 0, curve = 0;
  for (size_t r = 0; r < rows; r++) {
    const double *s = score + r * (size_t)classes;
    double top = s[0], sum = 0, first = 0, second = 0, mean = 0;
    for (int c = 1; c < classes; c++)
      top = s[c] > top ? s[c] : top;
    for (int c = 0; c < classes; c++) {
      double d = s[c] - top, e = exp(b * d);
      sum += e;
      first += e * d;
      second += e * d * d;
      mean += d;
    }
    first /= sum;
    double truth = (1 - smooth) * (s[label[r]] - top) + smooth * mean / classes;
    double k = weight ? weight[r] : 1.0 / (double)rows;
    loss += k * (log(sum) - b * truth);
    slope += k * (first - truth);
    curve += k * (second / sum - first * first);
  }
  out[0] = loss;
  out[1] = slope;
  out[2] = curve;
}

void wk_temperature_fit(double *temperature, double *loss, const double *score, const int *label, const double *weight,
                        size_t rows, int classes) {
  double low = LOWEST, high = HIGHEST, b = 1 / *temperature, d[3];
  b = b > low && b < high ? b : 1;
  for (int i = 0; i < ITERATIONS; i++) {
    derivatives(d, b, score, label, weight, rows, classes);
    if (d[1] > 0)
      high = b;
    else
      low = b;
    double next = b - d[1] / d[2];
    /* Outside the bracket (or no curvature): halve it, on a scale of ratios. */
    if (!(next > low && next < high))
      next = sqrt(low * high);
    bool near = fabs(next - b) <= 1e-6 * b;
    b = next;
    if (near)
      break;
  }
  derivatives(d, b, score, label, weight, rows, classes);
  *temperature = 1 / b;
  *loss = d[0];
}

/* temperature_scaling.c - see temperature_scaling.h. The loss is convex in 1/T, so Newton's method with a bracket
 * around the minimum always arrives. */
#include <math.h>

#include "base/softmax.h"
#include "train/metrics/temperature_scaling.h"
#include "whisker/metrics.h"

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

/* ---- as a service ------------------------------------------------------------------------------ */

static wk_status measure(double *loss, double *ece, const double *score, const int *y, size_t rows, int classes,
                         double temperature, wk_error *err) {
  size_t k = (size_t)classes;
  float *p = wk_alloc_array(rows, k * sizeof *p);
  if (!p)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for calibrating on %zu photos", rows);
  for (size_t r = 0; r < rows; r++)
    wk_scores_softmax_wide(p + r * k, score + r * k, classes, temperature);
  wk_metrics *m = NULL;
  wk_status st = wk_metrics_compute(&m, p, y, rows, classes, 0, err);
  if (st == WK_OK) {
    *loss = m->loss.value;
    *ece = m->ece.value;
  }
  wk_metrics_free(m);
  wk_free(p);
  return st;
}

wk_status wk_calibrate(wk_calibration *out, const float *score, const int *y, size_t rows, int classes, wk_error *err) {
  wk_status st = WK_OK;
  wk_calibration found = {.temperature = 1};
  double *wide = NULL, smoothed;
  WK_FAIL_IF(!rows || classes < 1, err, WK_ERR_ARGUMENT, "there are no photos to calibrate on");
  wide = wk_alloc_array(rows, (size_t)classes * sizeof *wide);
  WK_FAIL_IF(!wide, err, WK_ERR_MEMORY, "out of memory for calibrating on %zu photos", rows);
  for (size_t i = 0; i < rows * (size_t)classes; i++) {
    WK_FAIL_IF(!isfinite(score[i]), err, WK_ERR_NUMERIC, "the score of class %zu for row %zu is %g",
               i % (size_t)classes, i / (size_t)classes, (double)score[i]);
    wide[i] = (double)score[i];
  }
  WK_TRY(measure(&found.loss_before, &found.ece_before, wide, y, rows, classes, 1, err));
  wk_temperature_fit(&found.temperature, &smoothed, wide, y, NULL, rows, classes);
  WK_TRY(measure(&found.loss_after, &found.ece_after, wide, y, rows, classes, found.temperature, err));
  *out = found;
done:
  wk_free(wide);
  return st;
}

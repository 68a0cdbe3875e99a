/* learning_curve.c - how errors become fewer with more photos: a power law, error = a * photos^-b (J. Hestness et al.,
 * "Deep learning scaling is predictable, empirically", 2017), fitted to what was measured with a part of the photos by
 * maximum likelihood, and carried on beyond all of them. How far that can be trusted is told by fitting it again to
 * measurements that are drawn as these might have come out. */
#include <math.h>
#include <stdlib.h>

#include "base/base.h"
#include "whisker/metrics.h"

#define STREAM 0x6375727665u
enum { STEPS = 30, EXPONENTS = 60 };
#define STEEPEST 1.5
#define NO_ERROR 1e-6

static double log_likelihood(const wk_curve_point *point, int points, double log_a, double b) {
  double sum = 0;
  for (int i = 0; i < points; i++) {
    double e = exp(log_a - b * log(point[i].photos));
    e = e < NO_ERROR ? NO_ERROR : e > 1 - NO_ERROR ? 1 - NO_ERROR : e;
    sum += point[i].errors * log(e) + (point[i].judged - point[i].errors) * log1p(-e);
  }
  return sum;
}

/* The best a for an exponent: the likelihood has one peak in log a. */
static double best_level(double *log_a, const wk_curve_point *point, int points, double b) {
  const double golden = 0.6180339887498949;
  double low = log(NO_ERROR), high = b * log(point[points - 1].photos) + 0.1;
  for (int i = 0; i < points; i++)
    high = fmax(high, b * log(point[i].photos) + 0.1);
  double x1 = high - golden * (high - low), x2 = low + golden * (high - low);
  double f1 = log_likelihood(point, points, x1, b), f2 = log_likelihood(point, points, x2, b);
  for (int i = 0; i < STEPS; i++)
    if (f1 < f2) {
      low = x1, x1 = x2, f1 = f2;
      x2 = low + golden * (high - low);
      f2 = log_likelihood(point, points, x2, b);
    } else {
      high = x2, x2 = x1, f2 = f1;
      x1 = high - golden * (high - low);
      f1 = log_likelihood(point, points, x1, b);
    }
  *log_a = (low + high) / 2;
  return fmax(f1, f2);
}

static void fit(double *log_a, double *exponent, const wk_curve_point *point, int points) {
  double best = -INFINITY;
  for (int i = 0; i <= EXPONENTS; i++) {
    const double b = STEEPEST * i / EXPONENTS;
    double level;
    const double found = best_level(&level, point, points, b);
    if (found > best) {
      best = found;
      *log_a = level;
      *exponent = b;
    }
  }
}

static double draw(wk_rng *rng, double of, double share) {
  const double spread = sqrt(of * share * (1 - share)), n = floor(of * share + spread * wk_rng_normal(rng) + 0.5);
  return n < 0 ? 0 : n > of ? of : n;
}

wk_status wk_learning_curve_fit(wk_learning_curve *out, const wk_curve_point *point, int points, uint64_t seed,
                                wk_error *err) {
  wk_curve_point drawn[WK_CURVE_POINTS];
  if (points < 2 || points > WK_CURVE_POINTS)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a learning curve needs 2 to %d measurements (got %d)", WK_CURVE_POINTS,
                   points);
  for (int i = 0; i < points; i++)
    if (!(point[i].photos >= 1) || !(point[i].judged >= 1) || !(point[i].errors >= 0) ||
        point[i].errors > point[i].judged)
      return WK_FAIL(err, WK_ERR_ARGUMENT, "measurement %d of the learning curve makes no sense", i);
  wk_learning_curve c = {0};
  wk_rng rng;
  wk_rng_init(&rng, seed, STREAM);
  fit(&c.log_a, &c.exponent, point, points);
  for (int k = 0; k < WK_CURVE_DRAWS; k++) {
    double level;
    for (int i = 0; i < points; i++) {
      drawn[i] = point[i];
      drawn[i].errors = draw(&rng, point[i].judged, exp(c.log_a - c.exponent * log(point[i].photos)));
    }
    fit(&level, &c.drawn[k], drawn, points);
  }
  *out = c;
  return WK_OK;
}

/* Photos in all, for errors to go from `now` to `target`. */
static double needed(double photos, double now, double target, double exponent) {
  return now <= target ? photos : exponent > 0 ? photos * pow(now / target, 1 / exponent) : INFINITY;
}

static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

wk_interval wk_learning_curve_needs(const wk_learning_curve *c, double photos, size_t errors, size_t judged,
                                    double target, uint64_t seed) {
  double more[WK_CURVE_DRAWS];
  wk_rng rng;
  wk_rng_init(&rng, seed, STREAM + 1);
  /* Two of each kind more, as A. Agresti and B. Coull have it: none wrong of few is not never wrong. */
  const double n = (double)judged + 4, share = ((double)errors + 2) / n;
  const double now = judged ? (double)errors / (double)judged : 0;
  for (int k = 0; k < WK_CURVE_DRAWS; k++)
    more[k] = needed(photos, draw(&rng, n, share) / n, target, c->drawn[k]) - photos;
  qsort(more, WK_CURVE_DRAWS, sizeof *more, ascending);
  return (wk_interval){needed(photos, now, target, c->exponent) - photos, more[WK_CURVE_DRAWS / 40],
                       more[WK_CURVE_DRAWS - 1 - WK_CURVE_DRAWS / 40]};
}

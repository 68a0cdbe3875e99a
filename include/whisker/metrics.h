/* metrics.h - how good a classifier is: accuracy with its interval, loss, calibration; and the temperature that makes its
 * probabilities honest. */
#ifndef WHISKER_METRICS_H
#define WHISKER_METRICS_H

#include "whisker/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wk_interval {
  double value, low, high;
} wk_interval; /* fractions, but for the loss */

/* Wilson score interval of k successes in n, 95%. n = 0 gives NaN, 0, 1. */
WK_API wk_interval wk_wilson(size_t k, size_t n);
/* Exact McNemar test, two-sided, of two classifiers on the same photos: how likely a difference at least as large is where both are
 * equally good. only_a, only_b: photos that only the one got right, and only the other; both 0 give 1. */
WK_API double wk_mcnemar(size_t only_a, size_t only_b);

typedef struct wk_metrics {
  size_t photo_count;
  int class_count;
  wk_interval top1, topk;
  int k;              /* of topk: min(5, classes) unless asked otherwise */
  wk_interval loss;   /* mean negative log-likelihood, probabilities clipped at 1e-15; interval by its standard error */
  wk_interval ece;    /* expected calibration error, 15 equal-width bins of confidence (Guo et al. 2017); interval: the middle 95%
                       * of 1,000 bootstrap samples with a fixed seed */
  wk_interval *recall; /* [classes]: share of each class's photos that were right */
  double *precision;  /* [classes]; NaN where never predicted */
  size_t *support;    /* [classes] */
  size_t *confusion;  /* [classes, classes], row = truth, column = prediction */
} wk_metrics;

/* From probabilities p [rows, classes] and truths y. Ties go to the lower class index. */
WK_API wk_status wk_metrics_compute(wk_metrics **out, const float *p, const int *y, size_t rows, int classes, int k,
                                    wk_error *err) WK_NODISCARD;
WK_API void wk_metrics_free(wk_metrics *m);

/* ---- labels that are likely wrong -------------------------------------------------------------- */

typedef struct wk_label_issue {
  size_t row;
  int suggested;  /* the class that it looks like */
  double margin;  /* probability of the label less that of the likeliest other class: -1 is the worst */
  bool confident; /* as sure of the other class as of photos that have its label: the label is likely wrong, not only the photo hard */
} wk_label_issue;

/* Confident learning (Northcutt et al., JAIR 2021) on probabilities p [rows, classes] of rows that were not learned from
 * (wk_probe_out_of_sample; a row of NaN: not judged) and labels y (-1: none). Worst first; *out is freed with wk_free. */
WK_API wk_status wk_label_issues_find(wk_label_issue **out, size_t *count, const float *p, const int *y, size_t rows, int classes,
                                      wk_error *err) WK_NODISCARD;

/* ---- how many more photos ---------------------------------------------------------------------- */

enum { WK_CURVE_POINTS = 8, WK_CURVE_DRAWS = 200 };

typedef struct wk_curve_point {
  double photos; /* of a class, that were learned from, on average */
  double errors, judged;
} wk_curve_point;

/* error = exp(log_a) * photos^-exponent */
typedef struct wk_learning_curve {
  double log_a, exponent;
  double drawn[WK_CURVE_DRAWS]; /* exponents of measurements as they might have come out */
} wk_learning_curve;

/* 2..WK_CURVE_POINTS measurements, by maximum likelihood. The same seed gives the same. */
WK_API wk_status wk_learning_curve_fit(wk_learning_curve *out, const wk_curve_point *point, int points, uint64_t seed,
                                       wk_error *err) WK_NODISCARD;
/* How many photos more a class with `photos` of them needs, `errors` of `judged` of which were wrong, for its share of errors to be
 * `target`: 0 where it is already, INFINITY where more do not help; with its 95% interval. */
WK_API wk_interval wk_learning_curve_needs(const wk_learning_curve *c, double photos, size_t errors, size_t judged, double target,
                                           uint64_t seed);

/* ---- calibration ------------------------------------------------------------------------------ */

typedef struct wk_calibration {
  double temperature; /* divide scores by it */
  double loss_before, loss_after;
  double ece_before, ece_after; /* as wk_metrics' */
} wk_calibration;

/* The temperature at which softmax(score / temperature) fits held-out labels best (Guo et al. 2017). */
WK_API wk_status wk_calibrate(wk_calibration *out, const float *score, const int *y, size_t rows, int classes,
                              wk_error *err) WK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif

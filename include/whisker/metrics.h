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

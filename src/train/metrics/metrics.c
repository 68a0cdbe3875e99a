/* metrics.c - what a classifier got right on labelled photos, with intervals. Percentages of a few hundred photos are
 * uncertain by points; nothing here gives one without saying by how much. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "whisker/metrics.h"

#define Z95 1.959963984540054 /* normal quantile of 97.5% */
#define BINS 15               /* of confidence */
#define RESAMPLES 1000
#define CLIP 1e-15
#define BOOTSTRAP_SEED 42

/* E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927. */
wk_interval wk_wilson(size_t k, size_t n) {
  if (!n)
    return (wk_interval){NAN, 0, 1};
  double p = (double)k / (double)n, z2 = Z95 * Z95 / (double)n;
  double centre = (p + z2 / 2) / (1 + z2);
  double half = Z95 * sqrt(p * (1 - p) / (double)n + z2 / (4 * (double)n)) / (1 + z2);
  /* Exact at the ends, where rounding would leave a speck. */
  return (wk_interval){p, k == 0 ? 0 : fmax(0, centre - half), k == n ? 1 : fmin(1, centre + half)};
}

double wk_mcnemar(size_t only_a, size_t only_b) {
  const size_t n = only_a + only_b, k = only_a < only_b ? only_a : only_b;
  double log_term = -(double)n * log(2.0), sum = 0; /* of i = 0: one half to the power of n */
  for (size_t i = 0; i <= k; i++) {
    sum += exp(log_term);
    log_term += log((double)(n - i)) - log((double)(i + 1));
  }
  return fmin(1, 2 * sum);
}

/* ---- one photo --------------------------------------------------------------------------------- */

typedef struct judged {
  int prediction;
  int rank; /* classes before the truth; 0 is right */
  double loss;
  float confidence;
} judged;

static judged judge(const float *p, int truth, int classes) {
  judged j = {0};
  for (int c = 0; c < classes; c++) {
    if (p[c] > p[j.prediction])
      j.prediction = c;
    j.rank += p[c] > p[truth] || (p[c] == p[truth] && c < truth);
  }
  j.confidence = p[j.prediction];
  j.loss = -log(fmin(1, fmax(CLIP, (double)p[truth])));
  return j;
}

/* ---- calibration ------------------------------------------------------------------------------- */

static int bin_of(float confidence) {
  /* Bins are (0, 1/15], (1/15, 2/15] ...; a confidence of 0 belongs to the first. */
  int b = (int)ceil((double)confidence * BINS) - 1;
  return b < 0 ? 0 : b >= BINS ? BINS - 1 : b;
}

/* Sum over bins of |right - confidence| over all photos; what counts is the share of photos, so bins need no means. */
static double ece_of(const double gap[BINS], size_t n) {
  double sum = 0;
  for (int b = 0; b < BINS; b++)
    sum += fabs(gap[b]);
  return sum / (double)n;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural networks", 2017. */
static wk_status calibration(wk_interval *out, const judged *j, size_t n, wk_error *err) {
  double *found = wk_alloc_array(RESAMPLES, sizeof *found);
  if (!found)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for the calibration error");
  double gap[BINS] = {0};
  for (size_t i = 0; i < n; i++)
    gap[bin_of(j[i].confidence)] += (j[i].rank == 0) - (double)j[i].confidence;
  out->value = ece_of(gap, n);
  for (int s = 0; s < RESAMPLES; s++) {
    wk_rng rng;
    wk_rng_init(&rng, BOOTSTRAP_SEED, (uint64_t)s);
    memset(gap, 0, sizeof gap);
    for (size_t i = 0; i < n; i++) {
      const judged *a = &j[wk_rng_below(&rng, (uint32_t)n)];
      gap[bin_of(a->confidence)] += (a->rank == 0) - (double)a->confidence;
    }
    found[s] = ece_of(gap, n);
  }
  qsort(found, RESAMPLES, sizeof *found, by_value);
  out->low = found[RESAMPLES * 25 / 1000];
  out->high = found[RESAMPLES * 975 / 1000 - 1];
  wk_free(found);
  return WK_OK;
}

/* ---- all of it --------------------------------------------------------------------------------- */

static wk_interval mean_loss(const judged *j, size_t n) {
  double sum = 0, square = 0;
  for (size_t i = 0; i < n; i++)
    sum += j[i].loss;
  double mean = sum / (double)n;
  for (size_t i = 0; i < n; i++)
    square += (j[i].loss - mean) * (j[i].loss - mean);
  double half = n > 1 ? Z95 * sqrt(square / (double)(n - 1) / (double)n) : INFINITY;
  return (wk_interval){mean, fmax(0, mean - half), mean + half};
}

static wk_status check(const float *p, const int *y, size_t rows, int classes, int k, wk_error *err) {
  if (!rows)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "there are no photos to measure on");
  if (classes < 1 || rows > UINT32_MAX)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "cannot measure %zu photos of %d classes", rows, classes);
  if (k < 0 || k > classes)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "top-%d of %d classes means nothing: k must be 1 to %d, or 0 for the default",
                   k, classes, classes);
  for (size_t r = 0; r < rows; r++) {
    if (y[r] < 0 || y[r] >= classes)
      return WK_FAIL(err, WK_ERR_ARGUMENT, "row %zu has label %d, but the %d classes are numbered 0 to %d", r, y[r],
                     classes, classes - 1);
    for (int c = 0; c < classes; c++) {
      float v = p[r * (size_t)classes + (size_t)c];
      if (!(v >= 0 && v <= 1.0001f))
        return WK_FAIL(err, WK_ERR_NUMERIC, "the probability of class %d for row %zu is %g, not within 0 to 1", c, r,
                       (double)v);
    }
  }
  return WK_OK;
}

static wk_status per_class(wk_metrics *m, wk_error *err) {
  size_t n = (size_t)m->class_count;
  m->recall = wk_alloc_array(n, sizeof *m->recall);
  m->precision = wk_alloc_array(n, sizeof *m->precision);
  m->support = wk_calloc(n, sizeof *m->support);
  if (!m->recall || !m->precision || !m->support)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for the metrics of %d classes", m->class_count);
  for (size_t c = 0; c < n; c++) {
    size_t predicted = 0, right = m->confusion[c * n + c];
    for (size_t o = 0; o < n; o++) {
      predicted += m->confusion[o * n + c];
      m->support[c] += m->confusion[c * n + o];
    }
    m->recall[c] = wk_wilson(right, m->support[c]);
    m->precision[c] = predicted ? (double)right / (double)predicted : NAN;
  }
  return WK_OK;
}

wk_status wk_metrics_compute(wk_metrics **out, const float *p, const int *y, size_t rows, int classes, int k,
                             wk_error *err) {
  wk_status st = WK_OK;
  wk_metrics *m = NULL;
  judged *j = NULL;
  WK_TRY(check(p, y, rows, classes, k, err));
  m = wk_calloc(1, sizeof *m);
  j = wk_alloc_array(rows, sizeof *j);
  WK_FAIL_IF(!m || !j, err, WK_ERR_MEMORY, "out of memory for the metrics of %zu photos", rows);
  m->confusion = wk_calloc((size_t)classes, (size_t)classes * sizeof *m->confusion);
  WK_FAIL_IF(!m->confusion, err, WK_ERR_MEMORY, "out of memory for the metrics of %d classes", classes);
  m->photo_count = rows;
  m->class_count = classes;
  m->k = k ? k : classes < 5 ? classes : 5;
  size_t top1 = 0, topk = 0;
  for (size_t r = 0; r < rows; r++) {
    j[r] = judge(p + r * (size_t)classes, y[r], classes);
    top1 += j[r].rank == 0;
    topk += j[r].rank < m->k;
    m->confusion[(size_t)y[r] * (size_t)classes + (size_t)j[r].prediction]++;
  }
  m->top1 = wk_wilson(top1, rows);
  m->topk = wk_wilson(topk, rows);
  m->loss = mean_loss(j, rows);
  WK_TRY(calibration(&m->ece, j, rows, err));
  WK_TRY(per_class(m, err));
  *out = m;
  m = NULL;
done:
  wk_free(j);
  wk_metrics_free(m);
  return st;
}

void wk_metrics_free(wk_metrics *m) {
  if (!m)
    return;
  wk_free(m->recall);
  wk_free(m->precision);
  wk_free(m->support);
  wk_free(m->confusion);
  wk_free(m);
}

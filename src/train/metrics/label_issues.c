/* label_issues.c - which labels are likely wrong: confident learning (C. Northcutt, L. Jiang, I. Chuang, "Confident
 * learning: estimating uncertainty in dataset labels", JAIR 2021) on probabilities of photos that were not learned
 * from. */
#include <math.h>
#include <stdlib.h>

#include "base/base.h"
#include "whisker/metrics.h"

#define CLEARLY 0.3 /* a class that is so much more likely than the label is worth a look, whatever the thresholds */

static int worst_first(const void *a, const void *b) {
  const wk_label_issue *x = a, *y = b;
  if (x->margin != y->margin)
    return x->margin < y->margin ? -1 : 1;
  return (x->row > y->row) - (x->row < y->row);
}

/* How sure the probe is of a class on average, where the label says it: what counts as sure. */
static void find_thresholds(double *threshold, size_t *count, const float *p, const int *y, size_t rows, int classes) {
  for (size_t r = 0; r < rows; r++) {
    if (y[r] < 0 || isnan(p[r * (size_t)classes]))
      continue;
    threshold[y[r]] += (double)p[r * (size_t)classes + (size_t)y[r]];
    count[y[r]]++;
  }
  for (int c = 0; c < classes; c++)
    threshold[c] = count[c] ? threshold[c] / (double)count[c] : INFINITY;
}

wk_status wk_label_issues_find(wk_label_issue **out, size_t *count, const float *p, const int *y, size_t rows,
                               int classes, wk_error *err) {
  wk_status st = WK_OK;
  size_t n = 0;
  wk_label_issue *list = wk_alloc_array(rows + 1, sizeof *list);
  double *threshold = wk_calloc((size_t)classes + 1, sizeof *threshold);
  size_t *labelled = wk_calloc((size_t)classes + 1, sizeof *labelled);
  WK_FAIL_IF(!list || !threshold || !labelled, err, WK_ERR_MEMORY, "out of memory for the labels of %zu photos", rows);
  for (size_t r = 0; r < rows; r++)
    WK_FAIL_IF(y[r] < -1 || y[r] >= classes, err, WK_ERR_ARGUMENT, "photo %zu has class %d of %d", r, y[r], classes);
  find_thresholds(threshold, labelled, p, y, rows, classes);
  for (size_t r = 0; r < rows; r++) {
    const float *of = p + r * (size_t)classes;
    if (y[r] < 0 || isnan(of[0]))
      continue;
    int likely = -1, sure = -1;
    for (int c = 0; c < classes; c++) {
      if (c != y[r] && (likely < 0 || of[c] > of[likely]))
        likely = c;
      if ((double)of[c] >= threshold[c] && (sure < 0 || of[c] > of[sure]))
        sure = c;
    }
    const double margin = (double)of[y[r]] - (double)of[likely];
    const bool confident = sure >= 0 && sure != y[r];
    if (confident || margin <= -CLEARLY)
      list[n++] = (wk_label_issue){r, confident ? sure : likely, margin, confident};
  }
  qsort(list, n, sizeof *list, worst_first);
  *out = list;
  *count = n;
  list = NULL;
done:
  wk_free(list);
  wk_free(threshold);
  wk_free(labelled);
  return st;
}

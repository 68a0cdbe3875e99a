/* probe_data.c - see probe_data.h. */
#include "train/probe/probe_data.h"

#include <math.h>
#include <string.h>

#define REST_ROWS 1024 /* rows of a mapped file that are let go at once */
/* Photos after which a column's own variance counts as much as the mean over columns. Between 100 and 1,000 held-out
 * accuracy hardly changes; 0 (plain standardisation) loses 10 points with five photos a class, infinity a few tenths
 * with a thousand. */
#define VARIANCE_PRIOR 250.0

/* After row `r` of a pass through all rows. */
static void let_go(const float *x, size_t r, int columns, bool mapped) {
  if (mapped && (r + 1) % REST_ROWS == 0)
    wk_scratch_release_pages(x + (r + 1 - REST_ROWS) * (size_t)columns, x + (r + 1) * (size_t)columns);
}

wk_status wk_probe_check_data(const float *x, const int *y, size_t rows, int columns, int classes, bool mapped,
                              wk_error *err) {
  if (rows < 1 || columns < 1)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "nothing to learn from: %zu photos of %d features", rows, columns);
  if (classes < 2)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "there is %s class here; telling things apart takes at least two",
                   classes == 1 ? "only one" : "no");
  size_t *count = wk_calloc((size_t)classes, sizeof *count);
  if (!count)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for %d classes", classes);
  wk_status st = WK_OK;
  for (size_t r = 0; r < rows; r++) {
    WK_FAIL_IF(y[r] < 0 || y[r] >= classes, err, WK_ERR_ARGUMENT,
               "row %zu has label %d, but the %d classes are numbered 0 to %d", r, y[r], classes, classes - 1);
    count[y[r]]++;
    for (int j = 0; j < columns; j++)
      WK_FAIL_IF(!isfinite(x[r * (size_t)columns + (size_t)j]), err, WK_ERR_NUMERIC,
                 "feature %d of row %zu is %g: the network's weights may be damaged", j, r,
                 (double)x[r * (size_t)columns + (size_t)j]);
    let_go(x, r, columns, mapped);
  }
  for (int c = 0; c < classes; c++)
    WK_FAIL_IF(!count[c], err, WK_ERR_ARGUMENT, "class %d has no photos: give it some or leave it out", c);
done:
  wk_free(count);
  return st;
}

wk_status wk_probe_row_weights(double *weight, const int *y, size_t rows, int classes, bool balance, wk_error *err) {
  size_t *count = wk_calloc((size_t)classes, sizeof *count);
  if (!count)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for %d classes", classes);
  for (size_t r = 0; r < rows; r++)
    count[y[r]]++;
  for (size_t r = 0; r < rows; r++)
    weight[r] = balance ? 1.0 / ((double)classes * (double)count[y[r]]) : 1.0 / (double)rows;
  wk_free(count);
  return WK_OK;
}

void wk_probe_scales(double *mean, double *scale, const float *x, size_t rows, int columns, bool mapped) {
  double common = 0, own = (double)rows / ((double)rows + VARIANCE_PRIOR);
  memset(mean, 0, (size_t)columns * sizeof *mean);
  memset(scale, 0, (size_t)columns * sizeof *scale);
  for (size_t r = 0; r < rows; r++) {
    for (int j = 0; j < columns; j++)
      mean[j] += x[r * (size_t)columns + (size_t)j];
    let_go(x, r, columns, mapped);
  }
  for (int j = 0; j < columns; j++)
    mean[j] /= (double)rows;
  for (size_t r = 0; r < rows; r++) {
    for (int j = 0; j < columns; j++) {
      double d = x[r * (size_t)columns + (size_t)j] - mean[j];
      scale[j] += d * d;
    }
    let_go(x, r, columns, mapped);
  }
  for (int j = 0; j < columns; j++)
    common += (scale[j] /= (double)rows) / columns;
  for (int j = 0; j < columns; j++) {
    scale[j] = sqrt(own * scale[j] + (1 - own) * common);
    if (!(scale[j] > 0)) /* every photo gives the same features */
      scale[j] = 1;
  }
}

void wk_probe_standardise(float *z, const double *mean, const double *scale, const float *x, size_t rows, int columns) {
  for (size_t r = 0; r < rows; r++)
    for (int j = 0; j < columns; j++) {
      size_t at = r * (size_t)columns + (size_t)j;
      z[at] = (float)((x[at] - mean[j]) / scale[j]);
    }
}

/* outliers.c - which photos are unlike all others of their class: the angle between a photo's features and the mean of
 * the others of its class, against how wide that angle usually is. One pass for the means, one for the angles. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/check.h"

enum {
  FEWEST = 5,     /* photos of a class, below which nobody says what is usual */
  TOGETHER = 1024 /* rows that are let go of when they were looked at */
};

static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* The median of the values at `of` (which are sorted by this). */
static double median(double *of, size_t n) {
  if (!n)
    return NAN;
  qsort(of, n, sizeof *of, ascending);
  return n % 2 ? of[n / 2] : (of[n / 2 - 1] + of[n / 2]) / 2;
}

static void rest_behind(const wk_features *f, size_t row) {
  if (row && row % TOGETHER == 0)
    wk_features_rest(f, row - TOGETHER, row);
}

/* sum[y] += each row, scaled to length 1. */
static void add_up(float *sum, size_t *count, const wk_features *f, const int *y) {
  const size_t columns = (size_t)f->columns;
  for (size_t r = 0; r < f->rows; r++) {
    const float *row = f->row + r * columns;
    double square = 0;
    rest_behind(f, r);
    if (y[r] < 0)
      continue;
    for (size_t j = 0; j < columns; j++)
      square += (double)row[j] * (double)row[j];
    const float scale = square > 0 ? (float)(1 / sqrt(square)) : 0;
    float *to = sum + (size_t)y[r] * columns;
    for (size_t j = 0; j < columns; j++)
      to[j] += scale * row[j];
    count[y[r]]++;
  }
}

/* 1 - cosine of a row and the sum of the others of its class. */
static double angle(const float *row, const float *sum, size_t columns) {
  double square = 0, along = 0, others = 0;
  for (size_t j = 0; j < columns; j++)
    square += (double)row[j] * (double)row[j];
  const double scale = square > 0 ? 1 / sqrt(square) : 0;
  for (size_t j = 0; j < columns; j++) {
    const double own = scale * (double)row[j], rest = (double)sum[j] - own;
    along += own * rest;
    others += rest * rest;
  }
  return others > 0 && square > 0 ? 1 - along / sqrt(others) : 1;
}

wk_status wk_outlier_scores(double *score, const wk_features *f, const int *y, int classes, wk_error *err) {
  wk_status st = WK_OK;
  const size_t rows = f->rows, width = (size_t)f->columns;
  size_t n = 0;
  float *sum = wk_calloc((size_t)classes + 1, width * sizeof *sum);
  size_t *count = wk_calloc((size_t)classes + 1, sizeof *count);
  double *usual = wk_alloc_array((size_t)classes + 1, sizeof *usual);
  double *sorted = wk_alloc_array(rows + 1, sizeof *sorted);
  size_t *start = wk_calloc((size_t)classes + 2, sizeof *start),
         *filled = wk_calloc((size_t)classes + 1, sizeof *filled);
  WK_FAIL_IF(!sum || !count || !usual || !sorted || !start || !filled, err, WK_ERR_MEMORY,
             "out of memory for the outliers of %zu photos", rows);
  add_up(sum, count, f, y);
  for (size_t r = 0; r < rows; r++) {
    rest_behind(f, r);
    score[r] = y[r] < 0 || count[y[r]] < FEWEST ? NAN : angle(f->row + r * width, sum + (size_t)y[r] * width, width);
  }
  for (size_t r = 0; r < rows; r++)
    if (!isnan(score[r]))
      start[y[r] + 1]++;
  for (int c = 0; c < classes; c++)
    start[c + 1] += start[c];
  memcpy(filled, start, (size_t)classes * sizeof *filled);
  for (size_t r = 0; r < rows; r++)
    if (!isnan(score[r]))
      sorted[filled[y[r]]++] = score[r];
  for (int c = 0; c < classes; c++)
    usual[c] = median(sorted + start[c], start[c + 1] - start[c]);
  /* How far beyond the usual, in what is usual of the whole collection: classes may be small. */
  for (size_t r = 0; r < rows; r++)
    if (!isnan(score[r])) {
      score[r] = usual[y[r]] > 0 ? score[r] / usual[y[r]] - 1 : 0;
      sorted[n++] = fabs(score[r]);
    }
  const double spread = 1.4826 * median(sorted, n);
  for (size_t r = 0; r < rows; r++)
    score[r] = spread > 0 ? score[r] / spread : isnan(score[r]) ? NAN : 0;
done:
  wk_free(sum);
  wk_free(count);
  wk_free(usual);
  wk_free(sorted);
  wk_free(start);
  wk_free(filled);
  return st;
}

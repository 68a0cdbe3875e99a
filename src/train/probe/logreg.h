/* logreg.h - multinomial logistic regression by L-BFGS: the core of the linear probe. */
#ifndef WK_LEARN_LOGREG_H
#define WK_LEARN_LOGREG_H

#include "base/base.h"

/* The data of a fit. Arrays belong to the caller and are only read. */
typedef struct wk_logreg {
  const float *const *row; /* [rows] pointers to `columns` floats */
  const int *label;        /* [rows] 0..classes-1 */
  const double *weight;    /* [rows] sum to 1: what each row counts in the mean loss */
  size_t rows;
  int columns, classes;
  /* [columns] a row counts as (row - mean) / scale, without a copy of it; both NULL: as it is */
  const double *mean, *scale;
  bool mapped; /* rows lie in order in one mapped file (wk_scratch_map): those that have been used are let go */
} wk_logreg;

/* Parameters are one array of doubles: weights [classes, columns], then biases [classes]. */
size_t wk_logreg_params(int classes, int columns);

/* Sum of weight * cross-entropy plus l2/2 * |W|^2, and its gradient (may be NULL). *loss (may be NULL) gets the sum
 * without the penalty. The value and every gradient entry come from one fixed order of sums: the same bits for any
 * `threads`. */
wk_status wk_logreg_objective(double *value, double *gradient, double *loss, const wk_logreg *p, const double *params,
                              double l2, int threads, const wk_context *ctx, wk_error *err);

typedef struct wk_logreg_result {
  int iterations;
  int evaluations; /* of the loss and its gradient: what a fit costs */
  double loss; /* of the data, without the penalty */
} wk_logreg_result;

/* Minimises from `params` (a warm start; zeros for a cold one) until the gradient's length is below tolerance * max(1,
 * |params|) or rounding stops progress or max_iterations is reached. WK_ERR_CANCELLED leaves params as they are. */
wk_status wk_logreg_fit(double *params, wk_logreg_result *result, const wk_logreg *p, double l2, double tolerance,
                        int max_iterations, int threads, const wk_context *ctx, wk_error *err);

/* score [rows, classes] = W row + b for other rows of the same problem: p's columns, classes, mean and scale. */
wk_status wk_logreg_scores(double *score, const float *const *row, size_t rows, const double *params,
                           const wk_logreg *p, int threads, const wk_context *ctx, wk_error *err);

#endif

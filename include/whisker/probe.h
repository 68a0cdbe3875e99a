/* probe.h - fitting heads on features (linear probe, k nearest neighbours, class means), and what a lower precision costs
 * them. */
#ifndef WHISKER_PROBE_H
#define WHISKER_PROBE_H

#include "whisker/model.h"
#include "whisker/options.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the linear probe ------------------------------------------------------------------------- */

typedef struct wk_probe_options {
  wk_head_kind kind;   /* default WK_HEAD_LINEAR */
  double l2;           /* penalty l2/2 * |W|^2 on the mean loss, bias free; < 0 (default): chosen on held-out data */
  double temperature;  /* of the head; 0 (default): found on the same held-out data, 1 where l2 is given. To fit again on more
                        * data with what was found on less, give both the report's l2 and its temperature */
  bool balance;        /* weight classes by 1 / their share */
  int max_iterations;  /* of L-BFGS; default 500 */
  double held_out;     /* share held out to choose l2 when data are many; default 0.2 */
  int folds;           /* cross-validation instead when a class has fewer than `few` photos; default 5, few 50 */
  int few;
  int k;               /* KNN; default 5 */
  bool mapped;         /* x lies in a mapped file (wk_features.mapped): LINEAR lets go of rows it has gone through, so memory does
                        * not grow with them. Default false */
} wk_probe_options;

WK_API void wk_probe_options_init(wk_probe_options *o);
WK_API wk_status wk_probe_options_validate(const wk_probe_options *o, wk_error *err) WK_NODISCARD;
WK_API const wk_option_table *wk_probe_options_table(void);

typedef struct wk_probe_report {
  double l2;           /* used */
  int iterations;      /* of the last fit */
  double train_loss;   /* mean cross-entropy without the penalty */
  double held_out_top1; /* of the chosen l2, on held-out data or over folds; NaN when l2 was given */
  size_t held_out;     /* photos it was chosen on */
  bool cross_validated;
  int classes_searched; /* whose photos l2 was chosen on: all, or a sample where they are many; 0 when l2 was given */
  double held_out_loss; /* mean cross-entropy there, at the temperature used; NaN when l2 was given */
  double temperature;   /* used */
} wk_probe_report;

/* Fits a head on features x [rows, columns] with labels y (0..classes-1); both are only read. LINEAR: standardises columns (with
 * variances drawn towards their mean over columns: own weight rows / (rows + 250)), fits multinomial logistic regression by L-BFGS,
 * folds the standardisation back; x is not copied, unless it has fewer rows than half its columns. The penalty is the one whose held-out log loss, at its best temperature, is lowest.
 * Choosing it takes some tens of fits. With more than 100 classes (and 5e8 products rows * classes * columns * folds) that is done on a
 * sample of the classes and two folds, so that all of it takes at most about as long as three fits on everything (or ten seconds). KNN and MEAN keep examples
 * or class means and find the temperature by judging each photo by the others (l2 and train_loss are NaN). Deterministic for any
 * number of threads. `report` may be NULL, and `o` (the defaults). Stage of progress: "classifier".
 * WK_ERR_ARGUMENT: one class, a class without rows, a label out of range; WK_ERR_NUMERIC: a feature that is not finite. */
WK_API wk_status wk_probe_fit(wk_head **out, wk_probe_report *report, const float *x, const int *y, size_t rows, int columns, int classes,
                              const wk_probe_options *o, const wk_context *ctx, wk_error *err) WK_NODISCARD;

/* ---- what a lower precision costs -------------------------------------------------------------- */

typedef struct wk_precision_report {
  size_t photo_count;               /* left out in turn, 5 folds */
  size_t float32_right, right; /* of them, with features of float32 and of the backbone's precision */
  double float32_speed, speed; /* photos a second, from file to features; 0: some were kept from before */
} wk_precision_report;

/* Compares b->precision with float32 on at most about `most` of the photos (each class its share, at least two), drawn by ctx->seed:
 * the same folds and the same penalty for both. label 0..classes-1; a class with one photo is left out. `o` may be NULL. */
WK_API wk_status wk_precision_compare(wk_precision_report *out, const wk_backbone *b, const char *const *path, const int *label,
                                      size_t photos, int classes, size_t most, const wk_features_options *o, const wk_context *ctx,
                                      wk_error *err) WK_NODISCARD;
/* Is it at most 0.3 points worse? */
WK_API bool wk_precision_accurate(const wk_precision_report *r);

#ifdef __cplusplus
}
#endif
#endif

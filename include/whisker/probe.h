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
  const uint32_t *group; /* [rows] the first row of the same photo (its copies): they are held out together, and do not judge each
                          * other. NULL (default): every row is a photo of its own */
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

/* ---- what a probe says of photos that it has not learned from ----------------------------------- */

/* fold[i] is 0..folds-1, or -1 for a photo that is never judged: without a label (y -1), or of a class whose photos would all be in one
 * fold. Stratified: each class is shuffled and dealt out. Photos of one group (group[i] is the number of its first photo, as
 * wk_prints_group gives it; NULL: each is its own) are in one fold. */
WK_API wk_status wk_split_folds(int *fold, const int *y, const uint32_t *group, size_t rows, int classes, int folds, uint64_t seed,
                                wk_error *err) WK_NODISCARD;

typedef struct wk_out_of_sample_options {
  int folds;          /* as in `fold`; default 5 */
  double share;       /* of each class's photos that is learned from, in every fold; default 1 */
  double l2;          /* as in wk_probe_options; default -1: chosen on held-out data */
  double temperature; /* where l2 is given; default 0: 1 */
  int max_iterations; /* default 500 */
  bool mapped;        /* x lies in a mapped file */
} wk_out_of_sample_options;
WK_API void wk_out_of_sample_options_init(wk_out_of_sample_options *o);

typedef struct wk_out_of_sample {
  double l2, temperature; /* used */
} wk_out_of_sample;

/* Probabilities p [rows, classes] of features x [rows, columns], each row by a linear probe that was fitted on the other folds (every
 * class needs a photo); NaN for rows whose fold is -1: these are learned from every time, if they have a label. Deterministic for any
 * number of threads. Stage of progress: "labels". */
WK_API wk_status wk_probe_out_of_sample(float *p, wk_out_of_sample *report, const float *x, const int *y, const int *fold, size_t rows,
                                        int columns, int classes, const wk_out_of_sample_options *o, const wk_context *ctx,
                                        wk_error *err) WK_NODISCARD;

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

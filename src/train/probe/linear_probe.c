/* linear_probe.c - the linear probe: a head on features that a frozen backbone gives. The one thing to know: the
 * standardisation of the columns (probe_data.c) is folded into the head's weights. */
#include <math.h>
#include <string.h>

#include "train/option_tables.h"
#include "train/probe/l2_search.h"
#include "train/probe/probe_data.h"
#include "train/probe/row_space.h"

#define STAGE "classifier"
#define FINAL_TOLERANCE 1e-5

static const char *const heads[] = {"linear", "knn", "mean", NULL};
static const wk_option option_rows[] = {
    {.name = "head",
     WK_ROW_CHOICE(wk_probe_options, kind, heads),
     .placeholder = "KIND",
     .help =
         "classifier that is fitted on the features: logistic regression, nearest neighbours or nearest class mean"},
    {.name = "l2",
     WK_ROW_DOUBLE(wk_probe_options, l2),
     .value = -1,
     .min = 0,
     .max = INFINITY,
     .automatic = "chosen on held-out photos",
     .placeholder = "W",
     .help = "L2 penalty of the linear head"},
    {.name = "temperature",
     WK_ROW_DOUBLE(wk_probe_options, temperature),
     .min = 0,
     .max = INFINITY,
     .automatic = "fitted on held-out photos",
     .flags = WK_OPTION_NO_FLAG,
     .help = "temperature of the head"},
    {.name = "k",
     WK_ROW_INT(wk_probe_options, k),
     .value = 5,
     .min = 1,
     .max = WK_HEAD_MAX_K,
     .placeholder = "K",
     .help = "number of neighbours of --head knn"},
    {.name = "balance",
     WK_ROW_BOOL(wk_probe_options, balance),
     .help = "weight every class the same, however many photos it has"},
    {.name = "max-iterations",
     WK_ROW_INT(wk_probe_options, max_iterations),
     .value = 500,
     .min = 1,
     .max = INFINITY,
     .flags = WK_OPTION_NO_FLAG,
     .help = "most iterations of L-BFGS"},
    {.name = "held-out",
     WK_ROW_DOUBLE(wk_probe_options, held_out),
     .value = 0.2,
     .min = 0,
     .max = 1,
     .flags = WK_OPTION_ABOVE_MIN | WK_OPTION_BELOW_MAX | WK_OPTION_NO_FLAG,
     .help = "share of the photos held out to choose the penalty"},
    {.name = "folds",
     WK_ROW_INT(wk_probe_options, folds),
     .value = 5,
     .min = 2,
     .max = INFINITY,
     .flags = WK_OPTION_NO_FLAG,
     .help = "folds of cross-validation, where a class is small"},
    {.name = "few",
     WK_ROW_INT(wk_probe_options, few),
     .value = 50,
     .min = 0,
     .max = INFINITY,
     .flags = WK_OPTION_NO_FLAG,
     .help = "a class with fewer photos than this is small"},
    {.name = "mapped",
     WK_ROW_BOOL(wk_probe_options, mapped),
     .flags = WK_OPTION_NO_FLAG,
     .help = "the features lie in a mapped file"},
    {0}};
const wk_option_table wk_probe_table = {"probe_options", sizeof(wk_probe_options), option_rows, NULL};
const wk_option_table *wk_probe_options_table(void) { return &wk_probe_table; }

void wk_probe_options_init(wk_probe_options *o) { wk_options_init(o, &wk_probe_table); }

wk_status wk_probe_options_validate(const wk_probe_options *o, wk_error *err) {
  return wk_options_validate(o, &wk_probe_table, err);
}

/* ---- the fit ----------------------------------------------------------------------------------- */

/* The standardisation becomes part of the weights: W z + b = (W / scale) x + (b - W mean / scale). */
static void fold_standardisation(wk_head *h, const double *params, const double *mean, const double *scale) {
  const double *bias = params + (size_t)h->class_count * (size_t)h->feature_count;
  for (int c = 0; c < h->class_count; c++) {
    const double *w = params + (ptrdiff_t)c * h->feature_count;
    float *to = h->weight + (ptrdiff_t)c * h->feature_count;
    double b = bias[c];
    for (int j = 0; j < h->feature_count; j++) {
      double folded = w[j] / scale[j];
      to[j] = (float)folded;
      b -= folded * mean[j];
    }
    h->bias[c] = (float)b;
  }
}

/* Chooses the penalty where that is wanted, and fits on all rows. */
static wk_status fit_params(double *params, wk_probe_report *report, const wk_logreg *p, const wk_probe_options *o,
                            const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  wk_progress progress = {0};
  wk_logreg_result fitted;
  wk_probe_choice choice = {.l2 = o->l2, .temperature = 1, .top1 = NAN, .loss = NAN};
  bool choose = o->l2 < 0;
  WK_TRY(wk_progress_begin(&progress, ctx, STAGE, 1 + (choose ? wk_probe_choice_steps() : 0), err));
  if (choose)
    WK_TRY(wk_probe_choose_l2(&choice, params, p, o, &progress, ctx, err));
  if (o->temperature > 0)
    choice.temperature = o->temperature;
  WK_TRY(wk_logreg_fit(params, &fitted, p, choice.l2, FINAL_TOLERANCE, o->max_iterations, 0, ctx, err));
  wk_progress_add(&progress, 1);
  *report = (wk_probe_report){.l2 = choice.l2,
                              .iterations = fitted.iterations,
                              .train_loss = fitted.loss,
                              .held_out_top1 = choice.top1,
                              .held_out = choice.held_out,
                              .cross_validated = choice.cross_validated,
                              .classes_searched = choice.classes_searched,
                              .held_out_loss = choice.loss,
                              .temperature = choice.temperature};
done:
  wk_progress_end(&progress);
  return st;
}

/* The same in the span of the rows, where there are few of them: few enough for a standardised copy. */
static wk_status fit_in_span(double *params, wk_probe_report *report, const wk_logreg *p, const float *x,
                             const wk_probe_options *o, const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  wk_row_space *span = NULL;
  double *inside = NULL;
  const float **row = wk_alloc_array(p->rows, sizeof *row);               /* the span keeps these */
  const float **coordinate = wk_alloc_array(p->rows, sizeof *coordinate); /* in the span */
  float *z = wk_alloc_array(p->rows, (size_t)p->columns * sizeof *z);
  WK_FAIL_IF(!row || !coordinate || !z, err, WK_ERR_MEMORY, "out of memory for a classifier on %zu photos", p->rows);
  wk_probe_standardise(z, p->mean, p->scale, x, p->rows, p->columns);
  for (size_t r = 0; r < p->rows; r++)
    row[r] = z + r * (size_t)p->columns;
  WK_TRY(wk_row_space_create(&span, row, p->rows, p->columns, ctx, err));
  wk_logreg q = *p;
  q.mean = q.scale = NULL;
  q.mapped = false;
  q.columns = wk_row_space_columns(span);
  size_t classes = (size_t)p->classes;
  inside = wk_calloc(wk_logreg_params(p->classes, q.columns), sizeof *inside);
  WK_FAIL_IF(!inside, err, WK_ERR_MEMORY, "out of memory for a classifier on %zu photos", p->rows);
  for (size_t r = 0; r < p->rows; r++)
    coordinate[r] = wk_row_space_row(span, r);
  q.row = coordinate;
  WK_TRY(fit_params(inside, report, &q, o, ctx, err));
  WK_TRY(wk_row_space_expand(params, span, inside, p->classes, ctx, err));
  memcpy(params + classes * (size_t)p->columns, inside + classes * (size_t)q.columns, classes * sizeof *params);
done:
  wk_row_space_free(span);
  wk_free(row);
  wk_free(coordinate);
  wk_free(z);
  wk_free(inside);
  return st;
}

static wk_status fit_linear(wk_head **out, wk_probe_report *report, const float *x, const int *y, size_t rows,
                            int columns, int classes, const wk_probe_options *o, const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  wk_head *head = NULL;
  wk_probe_report found;
  const float **row = wk_alloc_array(rows, sizeof *row);
  double *mean = wk_alloc_array((size_t)columns, sizeof *mean);
  double *scale = wk_alloc_array((size_t)columns, sizeof *scale);
  double *weight = wk_alloc_array(rows, sizeof *weight);
  double *params = wk_calloc(wk_logreg_params(classes, columns), sizeof *params);
  WK_FAIL_IF(!row || !mean || !scale || !weight || !params, err, WK_ERR_MEMORY,
             "out of memory for a classifier on %zu photos of %d features", rows, columns);
  wk_probe_scales(mean, scale, x, rows, columns, o->mapped);
  for (size_t r = 0; r < rows; r++)
    row[r] = x + r * (size_t)columns;
  WK_TRY(wk_probe_row_weights(weight, y, rows, classes, o->balance, err));
  wk_logreg p = {row, y, weight, rows, columns, classes, mean, scale, o->mapped};
  bool in_span = wk_row_space_pays(rows, columns) && o->l2 != 0; /* unpenalised weights may leave the span */
  WK_TRY(in_span ? fit_in_span(params, &found, &p, x, o, ctx, err) : fit_params(params, &found, &p, o, ctx, err));
  WK_TRY(wk_head_alloc(&head, WK_HEAD_LINEAR, classes, columns, 0, err));
  fold_standardisation(head, params, mean, scale);
  head->temperature = (float)found.temperature;
  if (report)
    *report = found;
  *out = head;
  head = NULL;
done:
  wk_head_free(head);
  wk_free(row);
  wk_free(mean);
  wk_free(scale);
  wk_free(weight);
  wk_free(params);
  return st;
}

wk_status wk_probe_fit(wk_head **out, wk_probe_report *report, const float *x, const int *y, size_t rows, int columns,
                       int classes, const wk_probe_options *o, const wk_context *ctx, wk_error *err) {
  wk_probe_options defaults;
  if (!o) {
    wk_probe_options_init(&defaults);
    o = &defaults;
  }
  WK_RETURN_IF_ERROR(wk_probe_options_validate(o, err));
  WK_RETURN_IF_ERROR(wk_probe_check_data(x, y, rows, columns, classes, o->mapped, err));
  return (o->kind == WK_HEAD_LINEAR ? fit_linear : wk_probe_fit_near)(out, report, x, y, rows, columns, classes, o, ctx,
                                                                      err);
}

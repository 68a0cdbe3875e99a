/* out_of_sample.c - what a linear probe says of photos that it has not learned from: each fold of the photos is judged
 * by a probe that was fitted on the others. Copies of one photo are in one fold, so none is judged by its twin. */
#include <math.h>
#include <string.h>

#include "base/softmax.h"
#include "train/probe/l2_search.h"
#include "train/probe/probe_data.h"
#include "train/probe/row_space.h"

#define TOLERANCE 1e-4
#define FOLD_STREAM 0x6f75746f66u  /* "outof" */
#define SHARE_STREAM 0x7368617265u /* "share" */
enum { JUDGED_AT_ONCE = 256 };

void wk_out_of_sample_options_init(wk_out_of_sample_options *o) {
  *o = (wk_out_of_sample_options){.folds = 5, .share = 1, .l2 = -1, .max_iterations = 500};
}

/* ---- folds ------------------------------------------------------------------------------------- */

/* Rows by class, each class shuffled: order[start[c] .. start[c + 1]]. */
typedef struct shuffled {
  uint32_t *order;
  size_t *start; /* [classes + 1] */
} shuffled;

static void shuffled_free(shuffled *s) {
  wk_free(s->order);
  wk_free(s->start);
}

static wk_status shuffle(shuffled *s, const int *y, size_t rows, int classes, uint64_t seed, uint64_t stream,
                         wk_error *err) {
  s->order = wk_alloc_array(rows + 1, sizeof *s->order);
  s->start = wk_calloc((size_t)classes + 2, sizeof *s->start);
  if (!s->order || !s->start)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for the folds of %zu photos", rows);
  for (size_t r = 0; r < rows; r++)
    if (y[r] >= 0)
      s->start[y[r] + 2]++;
  for (int c = 0; c < classes; c++)
    s->start[c + 2] += s->start[c + 1];
  for (size_t r = 0; r < rows; r++)
    if (y[r] >= 0)
      s->order[s->start[y[r] + 1]++] = (uint32_t)r;
  for (int c = 0; c < classes; c++) {
    wk_rng rng;
    wk_rng_init(&rng, seed, stream << 24 | (uint32_t)c);
    wk_rng_shuffle(&rng, s->order + s->start[c], s->start[c + 1] - s->start[c]);
  }
  return WK_OK;
}

/* A class whose photos all are in one fold could not be learned when that is judged: it is never judged. */
static void keep_narrow_classes(int *fold, const shuffled *s, int classes) {
  for (int c = 0; c < classes; c++) {
    bool wide = false;
    for (size_t i = s->start[c] + 1; i < s->start[c + 1]; i++)
      wide = wide || fold[s->order[i]] != fold[s->order[s->start[c]]];
    for (size_t i = s->start[c]; !wide && i < s->start[c + 1]; i++)
      fold[s->order[i]] = -1;
  }
}

wk_status wk_split_folds(int *fold, const int *y, const uint32_t *group, size_t rows, int classes, int folds,
                         uint64_t seed, wk_error *err) {
  wk_status st = WK_OK;
  shuffled s = {0};
  int *dealt = NULL; /* [rows] the fold of a group, by its first row */
  WK_FAIL_IF(folds < 2, err, WK_ERR_ARGUMENT, "there must be at least 2 folds (got %d)", folds);
  for (size_t r = 0; r < rows; r++) {
    fold[r] = -1;
    WK_FAIL_IF(y[r] >= classes || (group && group[r] > r), err, WK_ERR_ARGUMENT,
               "row %zu has label %d of %d classes, or belongs to a group that begins behind it", r, y[r], classes);
  }
  WK_TRY(shuffle(&s, y, rows, classes, seed, FOLD_STREAM, err));
  dealt = wk_alloc_array(rows + 1, sizeof *dealt);
  WK_FAIL_IF(!dealt, err, WK_ERR_MEMORY, "out of memory for the folds of %zu photos", rows);
  for (size_t r = 0; r < rows; r++)
    dealt[r] = -1;
  size_t turn = 0;
  for (int c = 0; c < classes; c++)
    for (size_t i = s.start[c]; i < s.start[c + 1]; i++) {
      const uint32_t r = s.order[i];
      int *of = &dealt[group ? group[r] : r];
      if (*of < 0)
        *of = (int)(turn++ % (size_t)folds);
      fold[r] = *of;
    }
  keep_narrow_classes(fold, &s, classes);
done:
  shuffled_free(&s);
  wk_free(dealt);
  return st;
}

/* ---- judging ----------------------------------------------------------------------------------- */

typedef struct judging {
  wk_logreg all;       /* every labelled row, standardised or in their span */
  const uint32_t *row; /* [all.rows] its number among the caller's */
  const int *fold;     /* [the caller's rows] */
  const bool *learned; /* [the caller's rows] belongs to the share */
  double l2, temperature;
  int max_iterations, threads;
  float *p;
  wk_progress progress;
  const wk_context *ctx;
} judging;

static wk_status judge_rows(const judging *j, const double *params, int fold, wk_error *err) {
  wk_status st = WK_OK;
  const size_t classes = (size_t)j->all.classes;
  const float *row[JUDGED_AT_ONCE];
  uint32_t number[JUDGED_AT_ONCE];
  size_t n = 0;
  double *score = wk_alloc_array(JUDGED_AT_ONCE, classes * sizeof *score);
  WK_FAIL_IF(!score, err, WK_ERR_MEMORY, "out of memory for judging %zu photos", j->all.rows);
  for (size_t i = 0; i < j->all.rows; i++) {
    if (j->fold[j->row[i]] == fold) {
      row[n] = j->all.row[i];
      number[n++] = j->row[i];
    }
    if (n < JUDGED_AT_ONCE && i + 1 < j->all.rows)
      continue;
    if (n)
      WK_TRY(wk_logreg_scores(score, row, n, params, &j->all, j->threads, j->ctx, err));
    for (size_t k = 0; k < n; k++)
      wk_scores_softmax_wide(j->p + number[k] * classes, score + k * classes, j->all.classes, j->temperature);
    n = 0;
  }
done:
  wk_free(score);
  return st;
}

static wk_status judge_fold(void *user, size_t fold, int worker, wk_error *err) {
  (void)worker;
  judging *j = user;
  const wk_logreg *all = &j->all;
  wk_status st = WK_OK;
  wk_logreg_result fitted;
  wk_logreg p = *all;
  double sum = 0;
  size_t held = 0;
  const float **row = wk_alloc_array(all->rows + 1, sizeof *row);
  int *label = wk_alloc_array(all->rows + 1, sizeof *label);
  double *weight = wk_alloc_array(all->rows + 1, sizeof *weight);
  double *params = wk_calloc(wk_logreg_params(all->classes, all->columns), sizeof *params);
  WK_FAIL_IF(!row || !label || !weight || !params, err, WK_ERR_MEMORY, "out of memory for judging %zu photos",
             all->rows);
  p.rows = 0;
  for (size_t i = 0; i < all->rows; i++) {
    const uint32_t r = j->row[i];
    held += j->fold[r] == (int)fold;
    if (j->fold[r] == (int)fold || !j->learned[r])
      continue;
    row[p.rows] = all->row[i];
    label[p.rows] = all->label[i];
    sum += weight[p.rows++] = all->weight[i];
  }
  for (size_t i = 0; i < p.rows; i++)
    weight[i] /= sum;
  p.row = row;
  p.label = label;
  p.weight = weight;
  if (held) {
    WK_TRY(wk_logreg_fit(params, &fitted, &p, j->l2, TOLERANCE, j->max_iterations, j->threads, j->ctx, err));
    WK_TRY(judge_rows(j, params, (int)fold, err));
  }
  wk_progress_add(&j->progress, 1);
done:
  wk_free(row);
  wk_free(label);
  wk_free(weight);
  wk_free(params);
  return st;
}

/* Of every class the first so many in a shuffled order, at least one in each part that is learned from. */
static wk_status draw_share(bool *learned, const int *fold, const int *y, size_t rows, int classes, double share,
                            uint64_t seed, wk_error *err) {
  shuffled s = {0};
  wk_status st = shuffle(&s, y, rows, classes, seed, SHARE_STREAM, err);
  for (int c = 0; st == WK_OK && c < classes; c++) {
    const size_t n = s.start[c + 1] - s.start[c], most = (size_t)ceil(share * (double)n);
    int first = -2; /* the fold that all of them so far are in */
    size_t taken = 0;
    for (size_t i = s.start[c]; i < s.start[c + 1] && (taken < most || first >= 0); i++) {
      const uint32_t r = s.order[i];
      learned[r] = true;
      first = taken++ == 0 || fold[r] == first ? fold[r] : -1;
    }
  }
  shuffled_free(&s);
  return st;
}

/* The labelled rows, as the fits see them. */
typedef struct labelled {
  const float **row, **inside;
  float *z; /* a standardised copy, where they are seen in their span */
  wk_row_space *span;
  uint32_t *number;
  int *label;
  double *weight, *mean, *scale;
} labelled;

static void labelled_free(labelled *l) {
  wk_row_space_free(l->span);
  wk_free(l->row);
  wk_free(l->inside);
  wk_free(l->z);
  wk_free(l->number);
  wk_free(l->label);
  wk_free(l->weight);
  wk_free(l->mean);
  wk_free(l->scale);
}

static wk_status see_in_span(labelled *l, wk_logreg *all, int columns, const wk_context *ctx, wk_error *err) {
  const size_t n = all->rows, width = (size_t)columns;
  l->inside = wk_alloc_array(n + 1, sizeof *l->inside);
  l->z = wk_alloc_array(n + 1, width * sizeof *l->z);
  if (!l->inside || !l->z)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a classifier on %zu photos", n);
  for (size_t i = 0; i < n; i++) {
    wk_probe_standardise(l->z + i * width, l->mean, l->scale, l->row[i], 1, columns);
    l->row[i] = l->z + i * width;
  }
  WK_RETURN_IF_ERROR(wk_row_space_create(&l->span, l->row, n, columns, ctx, err));
  for (size_t i = 0; i < n; i++)
    l->inside[i] = wk_row_space_row(l->span, i);
  all->row = l->inside;
  all->columns = wk_row_space_columns(l->span);
  all->mean = all->scale = NULL;
  all->mapped = false;
  return WK_OK;
}

static wk_status prepare(labelled *l, wk_logreg *all, const float *x, const int *y, size_t rows, int columns,
                         int classes, bool mapped, const wk_context *ctx, wk_error *err) {
  l->row = wk_alloc_array(rows + 1, sizeof *l->row);
  l->number = wk_alloc_array(rows + 1, sizeof *l->number);
  l->label = wk_alloc_array(rows + 1, sizeof *l->label);
  l->weight = wk_alloc_array(rows + 1, sizeof *l->weight);
  l->mean = wk_alloc_array((size_t)columns, sizeof *l->mean);
  l->scale = wk_alloc_array((size_t)columns, sizeof *l->scale);
  if (!l->row || !l->number || !l->label || !l->weight || !l->mean || !l->scale)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a classifier on %zu photos", rows);
  size_t n = 0;
  for (size_t r = 0; r < rows; r++)
    if (y[r] >= 0) {
      l->row[n] = x + r * (size_t)columns;
      l->number[n] = (uint32_t)r;
      l->label[n++] = y[r];
    }
  wk_probe_scales(l->mean, l->scale, x, rows, columns, mapped);
  WK_RETURN_IF_ERROR(wk_probe_row_weights(l->weight, l->label, n, classes, false, err));
  *all = (wk_logreg){l->row, l->label, l->weight, n, columns, classes, l->mean, l->scale, mapped};
  return wk_row_space_pays(n, columns) ? see_in_span(l, all, columns, ctx, err) : WK_OK;
}

/* The penalty that serves all rows best; a fit on fewer has the same sum of it. */
static wk_status choose(judging *j, const wk_out_of_sample_options *o, wk_error *err) {
  j->l2 = o->l2;
  j->temperature = o->temperature > 0 ? o->temperature : 1;
  if (o->l2 >= 0)
    return WK_OK;
  wk_probe_options probe;
  wk_probe_choice choice;
  wk_probe_options_init(&probe);
  double *start = wk_calloc(wk_logreg_params(j->all.classes, j->all.columns), sizeof *start);
  if (!start)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a classifier on %zu photos", j->all.rows);
  wk_status st = wk_probe_choose_l2(&choice, start, &j->all, &probe, &j->progress, j->ctx, err);
  wk_free(start);
  if (st == WK_OK) {
    j->l2 = choice.l2;
    j->temperature = choice.temperature;
  }
  return st;
}

wk_status wk_probe_out_of_sample(float *p, wk_out_of_sample *report, const float *x, const int *y, const int *fold,
                                 size_t rows, int columns, int classes, const wk_out_of_sample_options *options,
                                 const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  wk_out_of_sample_options o;
  wk_out_of_sample_options_init(&o);
  if (options)
    o = *options;
  labelled l = {0};
  size_t cells;
  judging j = {.fold = fold, .p = p, .ctx = ctx, .max_iterations = o.max_iterations, .threads = 1};
  bool *learned = wk_calloc(rows + 1, sizeof *learned);
  WK_FAIL_IF(!learned || wk_mul_overflow(&cells, rows, (size_t)classes), err, WK_ERR_MEMORY,
             "out of memory for judging %zu photos", rows);
  WK_FAIL_IF(classes < 2 || !(o.share > 0 && o.share <= 1), err, WK_ERR_ARGUMENT,
             "judging takes at least two classes, and a share above 0 and at most 1 to learn from (got %d and %g)",
             classes, o.share);
  for (size_t i = 0; i < cells; i++)
    p[i] = NAN;
  WK_TRY(
      wk_progress_begin(&j.progress, ctx, "labels", (size_t)o.folds + (o.l2 < 0 ? wk_probe_choice_steps() : 0), err));
  WK_TRY(prepare(&l, &j.all, x, y, rows, columns, classes, o.mapped, ctx, err));
  WK_TRY(choose(&j, &o, err));
  WK_TRY(draw_share(learned, fold, y, rows, classes, o.share, ctx ? ctx->seed : 42, err));
  if (report)
    *report = (wk_out_of_sample){.l2 = j.l2, .temperature = j.temperature};
  j.l2 /= o.share;
  j.row = l.number;
  j.learned = learned;
  WK_TRY(wk_parallel(ctx, 0, (size_t)o.folds, judge_fold, &j, err));
done:
  wk_progress_end(&j.progress);
  labelled_free(&l);
  wk_free(learned);
  return st;
}

/* l2_search.c - choosing the penalty of the linear probe on photos held out: one split where there are many, stratified
 * folds where a class has few.
 *
 * Penalties are compared by held-out log loss at the best temperature for each. A strong penalty makes better
 * classifiers of few photos but shrinks their confidence; without the temperature the log loss would see only the
 * second, and accuracy alone is too coarse a measure of a hundred photos. */
#include <math.h>
#include <string.h>

#include "base/softmax.h"
#include "train/metrics/temperature_scaling.h"
#include "train/probe/l2_search.h"

/* A fit costs photos x classes x features, so the time of a search grows with the square of the classes. Beyond these
 * it is done on a sample of the classes. */
#define MANY_CLASSES 100
#define MANY_PRODUCTS 5e8   /* of one evaluation on all folds */
#define SAMPLE_PRODUCTS 2e8 /* what a sample may take of them */
#define SAMPLE_FOLDS 2
#define SAMPLE_CLASSES 64 /* at least */
#define SAMPLE_STREAM 0x636c6173736573u

/* Strong to weak, in half decades: each fit starts from the one before it, and a strong one takes few iterations. */
static const double grid[] = {100, 30, 10, 3, 1, 0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4};
#define GRID (sizeof grid / sizeof *grid)
#define PATIENCE 2     /* weaker penalties tried after the best so far */
#define TOLERANCE 1e-3 /* of a fit on the path */
#define DEFAULT_L2 1.0 /* where nothing can be held out */
#define FOLD_STREAM 0x666f6c64u

size_t wk_probe_choice_steps(void) { return GRID + 1; }

/* One division of the rows: a fit on `p`, judged on the rows held out. */
typedef struct part {
  wk_logreg p;
  const float **row;
  int *label;
  double *weight;
  double *params;
  const float **out_row;
  size_t *out_index; /* where each held-out row's scores go */
  size_t out_rows;
  double products; /* that its fits took so far */
  double *out_score;
} part;

typedef struct choosing {
  const wk_logreg *all;
  part *parts;
  size_t count;
  int *fold;     /* [rows] the part that holds a row out; -1: none */
  double *score; /* [held out, classes] */
  int *label;
  double *weight;
  size_t held_out;
  double l2;
  double l2_scale; /* what the penalty is times on these rows */
  int max_iterations;
  int threads; /* inside a part */
  const wk_context *ctx;
} choosing;

static void part_free(part *t) {
  wk_free(t->row);
  wk_free(t->label);
  wk_free(t->weight);
  wk_free(t->params);
  wk_free(t->out_row);
  wk_free(t->out_index);
  wk_free(t->out_score);
}

/* Stratified folds: each class is shuffled and dealt out, and the next class goes on where the last one stopped, so
 * that folds differ by at most one photo. A class's only photo is never held out: it could not be learned. */
static wk_status deal_folds(choosing *w, int folds, const size_t *count, uint64_t seed, wk_error *err) {
  const wk_logreg *p = w->all;
  uint32_t *order = wk_alloc_array(p->rows, sizeof *order);
  if (!order)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for %zu rows", p->rows);
  size_t dealt = 0;
  for (int c = 0; c < p->classes; c++) {
    size_t n = 0;
    for (size_t r = 0; r < p->rows; r++)
      if (p->label[r] == c)
        order[n++] = (uint32_t)r;
    wk_rng rng;
    wk_rng_init(&rng, seed, ((uint64_t)FOLD_STREAM << 32) | (uint32_t)c);
    wk_rng_shuffle(&rng, order, n);
    for (size_t i = 0; i < n; i++)
      w->fold[order[i]] = count[c] < 2 ? -1 : (int)(dealt++ % (size_t)folds);
  }
  wk_free(order);
  return WK_OK;
}

/* Copies of a photo go with it. Where that leaves a class without a photo to learn from, none of its photos is held
 * out. */
static wk_status follow_groups(choosing *w, const uint32_t *group, wk_error *err) {
  const wk_logreg *p = w->all;
  wk_status st = WK_OK;
  int *fold = wk_alloc_array((size_t)p->classes, sizeof *fold); /* of the class's first photo */
  bool *divided = wk_calloc((size_t)p->classes, sizeof *divided);
  WK_FAIL_IF(!fold || !divided, err, WK_ERR_MEMORY, "out of memory for %zu rows", p->rows);
  for (int c = 0; c < p->classes; c++)
    fold[c] = -2;
  for (size_t r = 0; r < p->rows; r++) {
    w->fold[r] = w->fold[group[r]];
    int *first = &fold[p->label[r]];
    divided[p->label[r]] |= *first != -2 && *first != w->fold[r];
    *first = *first == -2 ? w->fold[r] : *first;
  }
  for (size_t r = 0; r < p->rows; r++)
    w->fold[r] = divided[p->label[r]] ? w->fold[r] : -1;
done:
  wk_free(fold);
  wk_free(divided);
  return st;
}

/* At most `most_folds` of the folds are held out, the others are only learned from. */
static wk_status divide(choosing *w, const wk_probe_options *o, int most_folds, bool *cross_validated, wk_error *err) {
  const wk_logreg *p = w->all;
  wk_status st = WK_OK;
  bool *held = NULL;
  size_t *count = wk_calloc((size_t)p->classes, sizeof *count);
  w->fold = wk_alloc_array(p->rows, sizeof *w->fold);
  WK_FAIL_IF(!count || !w->fold, err, WK_ERR_MEMORY, "out of memory for %zu rows", p->rows);
  size_t fewest = p->rows, most = 0;
  for (size_t r = 0; r < p->rows; r++)
    count[p->label[r]]++;
  for (int c = 0; c < p->classes; c++) {
    fewest = count[c] < fewest ? count[c] : fewest;
    most = count[c] > most ? count[c] : most;
  }
  if (most < 2)
    goto done;
  uint64_t seed = w->ctx ? w->ctx->seed : 42;
  *cross_validated = fewest < (size_t)o->few;
  if (*cross_validated) {
    w->count = (size_t)(o->folds < most_folds ? o->folds : most_folds);
    WK_TRY(deal_folds(w, o->folds, count, seed, err));
    if (o->group)
      WK_TRY(follow_groups(w, o->group, err));
    for (size_t r = 0; r < p->rows; r++)
      w->fold[r] = w->fold[r] < (int)w->count ? w->fold[r] : -1;
  } else {
    held = wk_alloc_array(p->rows, sizeof *held);
    WK_FAIL_IF(!held, err, WK_ERR_MEMORY, "out of memory for %zu rows", p->rows);
    WK_TRY(wk_split_grouped(held, p->label, o->group, p->rows, p->classes, o->held_out, seed, err));
    w->count = 1;
    for (size_t r = 0; r < p->rows; r++)
      w->fold[r] = held[r] ? 0 : -1;
  }
done:
  wk_free(held);
  wk_free(count);
  return st;
}

static wk_status part_init(part *t, const choosing *w, int number, wk_error *err) {
  const wk_logreg *p = w->all;
  for (size_t r = 0; r < p->rows; r++)
    t->out_rows += w->fold[r] == number;
  size_t rows = p->rows - t->out_rows;
  t->row = wk_alloc_array(rows, sizeof *t->row);
  t->label = wk_alloc_array(rows, sizeof *t->label);
  t->weight = wk_alloc_array(rows, sizeof *t->weight);
  t->params = wk_calloc(wk_logreg_params(p->classes, p->columns), sizeof *t->params);
  t->out_row = wk_alloc_array(t->out_rows, sizeof *t->out_row);
  t->out_index = wk_alloc_array(t->out_rows, sizeof *t->out_index);
  t->out_score = wk_alloc_array(t->out_rows, (size_t)p->classes * sizeof *t->out_score);
  if (!t->row || !t->label || !t->weight || !t->params || !t->out_row || !t->out_index || !t->out_score)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for choosing the penalty on %zu rows", p->rows);
  double sum = 0;
  size_t in = 0, out = 0, held = 0;
  for (size_t r = 0; r < p->rows; r++) {
    if (w->fold[r] == number) {
      t->out_row[out] = p->row[r];
      t->out_index[out++] = held;
    } else {
      t->row[in] = p->row[r];
      t->label[in] = p->label[r];
      sum += t->weight[in++] = p->weight[r];
    }
    held += w->fold[r] >= 0;
  }
  for (size_t i = 0; i < in; i++)
    t->weight[i] /= sum;
  t->p = (wk_logreg){t->row, t->label, t->weight, in, p->columns, p->classes, p->mean, p->scale, p->mapped};
  return WK_OK;
}

static wk_status part_job(void *user, size_t index, int worker, wk_error *err) {
  (void)worker;
  choosing *w = user;
  part *t = &w->parts[index];
  size_t classes = (size_t)w->all->classes;
  wk_logreg_result fitted;
  WK_RETURN_IF_ERROR(wk_logreg_fit(t->params, &fitted, &t->p, w->l2 * w->l2_scale, TOLERANCE, w->max_iterations,
                                   w->threads, w->ctx, err));
  t->products += (double)fitted.evaluations * (double)t->p.rows * (double)t->p.classes * (double)t->p.columns;
  WK_RETURN_IF_ERROR(
      wk_logreg_scores(t->out_score, t->out_row, t->out_rows, t->params, w->all, w->threads, w->ctx, err));
  for (size_t i = 0; i < t->out_rows; i++)
    memcpy(w->score + t->out_index[i] * classes, t->out_score + i * classes, classes * sizeof *w->score);
  return WK_OK;
}

static double products(const choosing *w) {
  double sum = 0;
  for (size_t i = 0; i < w->count; i++)
    sum += w->parts[i].products;
  return sum;
}

static double accuracy(const choosing *w) {
  double right = 0;
  size_t classes = (size_t)w->all->classes;
  for (size_t i = 0; i < w->held_out; i++)
    right += wk_best_class_wide(w->score + i * classes, w->all->classes) == w->label[i];
  return right / (double)w->held_out;
}

static wk_status collect_truth(choosing *w, wk_error *err) {
  const wk_logreg *p = w->all;
  for (size_t r = 0; r < p->rows; r++)
    w->held_out += w->fold[r] >= 0;
  w->label = wk_alloc_array(w->held_out, sizeof *w->label);
  w->weight = wk_alloc_array(w->held_out, sizeof *w->weight);
  w->score = wk_alloc_array(w->held_out, (size_t)p->classes * sizeof *w->score);
  w->parts = wk_calloc(w->count, sizeof *w->parts);
  if (!w->label || !w->weight || !w->score || !w->parts)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for choosing the penalty on %zu rows", p->rows);
  size_t n = 0;
  double sum = 0;
  for (size_t r = 0; r < p->rows; r++)
    if (w->fold[r] >= 0) {
      w->label[n] = p->label[r];
      sum += w->weight[n++] = p->weight[r];
    }
  for (size_t i = 0; i < n; i++)
    w->weight[i] /= sum;
  return WK_OK;
}

static void choosing_free(choosing *w) {
  for (size_t i = 0; w->parts && i < w->count; i++)
    part_free(&w->parts[i]);
  wk_free(w->parts);
  wk_free(w->fold);
  wk_free(w->label);
  wk_free(w->weight);
  wk_free(w->score);
}

/* Makes the divisions; none (w->count is 0) where nothing can be held out. */
static wk_status prepare(choosing *w, const wk_probe_options *o, int most_folds, bool *cross_validated, wk_error *err) {
  WK_RETURN_IF_ERROR(divide(w, o, most_folds, cross_validated, err));
  if (!w->count)
    return WK_OK;
  WK_RETURN_IF_ERROR(collect_truth(w, err));
  for (size_t i = 0; i < w->count; i++)
    WK_RETURN_IF_ERROR(part_init(&w->parts[i], w, (int)i, err));
  w->threads = w->count > 1 ? 1 : wk_context_threads(w->ctx);
  return WK_OK;
}

/* Fits all divisions with one penalty; each goes on from the one before. */
static wk_status judge(double *loss, double *temperature, choosing *w, double l2, wk_error *err) {
  w->l2 = l2;
  WK_RETURN_IF_ERROR(wk_parallel(w->ctx, 0, w->count, part_job, w, err));
  wk_temperature_fit(temperature, loss, w->score, w->label, w->weight, w->held_out, w->all->classes);
  return WK_OK;
}

/* Along the path of penalties. */
static wk_status search(wk_probe_choice *best, choosing *w, wk_progress *progress, wk_error *err) {
  double temperature = 1;
  best->held_out = w->held_out;
  for (size_t i = 0, worse = 0; w->count && i < GRID && worse < PATIENCE; i++) {
    double loss;
    worse++;
    WK_RETURN_IF_ERROR(judge(&loss, &temperature, w, grid[i], err));
    if (!(loss >= best->loss)) {
      best->l2 = grid[i];
      best->loss = loss;
      best->temperature = temperature;
      best->top1 = accuracy(w);
      worse = 0;
    }
    wk_progress_add(progress, 1);
  }
  best->products = products(w);
  return WK_OK;
}

/* ---- many classes ------------------------------------------------------------------------------- */

/* Some of the classes with all of their photos. */
typedef struct sample {
  wk_logreg p;
  const float **row;
  int *label;
  double *weight;
  double share; /* of all rows' weight */
} sample;

static void sample_free(sample *s) {
  wk_free(s->row);
  wk_free(s->label);
  wk_free(s->weight);
}

/* Classes whose search is affordable; all of them where that is so anyway. */
static int classes_to_search(const wk_logreg *p, const wk_probe_options *o) {
  double products = (double)p->rows * (double)p->classes * (double)p->columns;
  if (p->classes <= MANY_CLASSES || products * o->folds <= MANY_PRODUCTS)
    return p->classes;
  int classes = (int)(p->classes * sqrt(SAMPLE_PRODUCTS / (products * SAMPLE_FOLDS)));
  classes = classes < SAMPLE_CLASSES ? SAMPLE_CLASSES : classes;
  return classes < p->classes ? classes : p->classes;
}

static wk_status draw_sample(sample *s, const wk_logreg *p, int classes, uint64_t seed, wk_error *err) {
  wk_status st = WK_OK;
  uint32_t *order = wk_alloc_array((size_t)p->classes, sizeof *order);
  int *number = wk_alloc_array((size_t)p->classes, sizeof *number); /* in the sample; -1: not in it */
  s->row = wk_alloc_array(p->rows, sizeof *s->row);
  s->label = wk_alloc_array(p->rows, sizeof *s->label);
  s->weight = wk_alloc_array(p->rows, sizeof *s->weight);
  WK_FAIL_IF(!order || !number || !s->row || !s->label || !s->weight, err, WK_ERR_MEMORY,
             "out of memory for choosing the penalty on %zu rows", p->rows);
  for (int c = 0; c < p->classes; c++) {
    order[c] = (uint32_t)c;
    number[c] = -1;
  }
  wk_rng rng;
  wk_rng_init(&rng, seed, SAMPLE_STREAM);
  wk_rng_shuffle(&rng, order, (size_t)p->classes);
  for (int i = 0; i < classes; i++)
    number[order[i]] = i;
  size_t n = 0;
  for (size_t r = 0; r < p->rows; r++)
    if (number[p->label[r]] >= 0) {
      s->row[n] = p->row[r];
      s->label[n] = number[p->label[r]];
      s->share += s->weight[n++] = p->weight[r];
    }
  s->p = (wk_logreg){s->row, s->label, s->weight, n, p->columns, classes, p->mean, p->scale, p->mapped};
done:
  wk_free(order);
  wk_free(number);
  return st;
}

/* The penalty from a sample of the classes; then accuracy and temperature with all of them, on one division, whose
 * weights are where the final fit begins. In the sample each photo counts as it does among all, so the penalty is the
 * same for each class's weights; a division by the sample's share makes that so for weights that sum to 1. */
static wk_status choose_by_sample(wk_probe_choice *best, double *start, const wk_logreg *p, const wk_probe_options *o,
                                  int classes, wk_progress *progress, const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  sample s = {0};
  choosing few = {.max_iterations = o->max_iterations, .ctx = ctx}, all = few;
  wk_probe_choice found = *best;
  bool ignored;
  WK_TRY(draw_sample(&s, p, classes, ctx ? ctx->seed : 42, err));
  few.all = &s.p;
  few.l2_scale = 1 / s.share;
  WK_TRY(prepare(&few, o, SAMPLE_FOLDS, &ignored, err));
  WK_TRY(search(&found, &few, progress, err));
  choosing_free(&few);
  few = (choosing){0};
  all.all = p;
  all.l2_scale = 1;
  WK_TRY(prepare(&all, o, 1, &best->cross_validated, err));
  best->l2 = found.l2;
  best->classes_searched = classes;
  best->products = found.products;
  if (all.count) {
    WK_TRY(judge(&best->loss, &best->temperature, &all, best->l2, err));
    best->top1 = accuracy(&all);
    best->products += products(&all);
    best->held_out = all.held_out;
    memcpy(start, all.parts[0].params, wk_logreg_params(p->classes, p->columns) * sizeof *start);
  }
  wk_progress_add(progress, 1);
done:
  choosing_free(&few);
  choosing_free(&all);
  sample_free(&s);
  return st;
}

wk_status wk_probe_choose_l2(wk_probe_choice *out, double *start, const wk_logreg *p, const wk_probe_options *o,
                             wk_progress *progress, const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  choosing w = {.all = p, .max_iterations = o->max_iterations, .ctx = ctx, .l2_scale = 1};
  wk_probe_choice best = {.l2 = DEFAULT_L2, .temperature = 1, .top1 = NAN, .loss = NAN};
  int classes = classes_to_search(p, o);
  if (classes < p->classes) {
    WK_TRY(choose_by_sample(&best, start, p, o, classes, progress, ctx, err));
  } else {
    WK_TRY(prepare(&w, o, o->folds, &best.cross_validated, err));
    WK_TRY(search(&best, &w, progress, err));
    best.classes_searched = classes;
  }
  *out = best;
done:
  choosing_free(&w);
  return st;
}

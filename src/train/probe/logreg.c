/* logreg.c - see logreg.h. No sum is ever split by the number of threads: scores are shared out by rows and the
 * gradient by columns, so whoever owns an entry makes all of it, in the order of the rows. Rows are taken a chunk at a
 * time, forward and backward, so that memory for their scores does not grow with them, and rows of a file need not all
 * be there. */
#include <lbfgs.h>
#include <math.h>
#include <string.h>

#include "train/probe/logreg.h"
#include "train/probe/matrix_products.h"

#define ROW_BLOCK 64     /* rows a job; also what stays in the second-level cache */
#define COLUMN_BLOCK 128 /* columns a job of the gradient */
#define CHUNK_BYTES ((size_t)8 << 20) /* of rows at a time */

_Static_assert(sizeof(lbfgsfloatval_t) == sizeof(double), "liblbfgs must be built for double precision");

static const wk_product_scores_fn scores_of[] = WK_ISA_TABLE(wk_product_scores);
static const wk_product_gradient_fn gradient_of[] = WK_ISA_TABLE(wk_product_gradient);

size_t wk_logreg_params(int classes, int columns) { return (size_t)classes * ((size_t)columns + 1); }

typedef struct work {
  const wk_logreg *p;
  const double *params;
  double *plain;       /* params for rows as they are (see make_plain); NULL: they are standardised already */
  size_t chunk;        /* rows at a time */
  size_t begin, count; /* those of now */
  double *score;       /* [chunk, classes]: scores, then what the loss changes by with each score */
  double *loss;        /* [rows] */
  double *gradient;
  double l2;
  wk_isa isa;
} work;

/* W (x - mean) / scale + b is (W / scale) x + (b - (W / scale) mean): the rows themselves need no standardised copy,
 * which would double what training keeps in memory. */
static void make_plain(double *plain, const wk_logreg *p, const double *params) {
  const double *bias = params + (size_t)p->classes * (size_t)p->columns;
  double *plain_bias = plain + (size_t)p->classes * (size_t)p->columns;
  for (int c = 0; c < p->classes; c++) {
    const double *from = params + (ptrdiff_t)c * p->columns;
    double *to = plain + (ptrdiff_t)c * p->columns, b = bias[c];
    for (int j = 0; j < p->columns; j++) {
      to[j] = from[j] / p->scale[j];
      b -= to[j] * p->mean[j];
    }
    plain_bias[c] = b;
  }
}

/* Scores to weighted probabilities minus truth, in place; returns the row's weighted loss. */
static double softmax_loss(double *s, int classes, int label, double weight) {
  double top = s[0], sum = 0;
  for (int c = 1; c < classes; c++)
    top = s[c] > top ? s[c] : top;
  double own = s[label] - top;
  for (int c = 0; c < classes; c++)
    sum += s[c] = exp(s[c] - top);
  double k = weight / sum;
  for (int c = 0; c < classes; c++)
    s[c] *= k;
  s[label] -= weight;
  return weight * (log(sum) - own);
}

static size_t block_rows(size_t rows, size_t index) {
  size_t left = rows - index * ROW_BLOCK;
  return left < ROW_BLOCK ? left : ROW_BLOCK;
}

static void score_block(double *score, const float *const *row, size_t rows, const double *params, int classes,
                        int columns, wk_isa isa) {
  scores_of[isa](score, row, rows, params, classes, columns);
  const double *bias = params + (size_t)classes * (size_t)columns;
  for (size_t r = 0; r < rows; r++)
    for (int c = 0; c < classes; c++)
      score[r * (size_t)classes + (size_t)c] += bias[c];
}

static wk_status forward_job(void *user, size_t index, int worker, wk_error *err) {
  (void)worker, (void)err;
  work *w = user;
  const wk_logreg *p = w->p;
  size_t first = w->begin + index * ROW_BLOCK, rows = block_rows(w->count, index), classes = (size_t)p->classes;
  double *score = w->score + index * ROW_BLOCK * classes;
  score_block(score, p->row + first, rows, w->plain ? w->plain : w->params, p->classes, p->columns, w->isa);
  for (size_t r = 0; r < rows; r++)
    w->loss[first + r] = softmax_loss(score + r * classes, p->classes, p->label[first + r], p->weight[first + r]);
  return WK_OK;
}

static wk_status backward_job(void *user, size_t index, int worker, wk_error *err) {
  (void)worker, (void)err;
  work *w = user;
  const wk_logreg *p = w->p;
  int first = (int)index * COLUMN_BLOCK;
  int last = p->columns - first < COLUMN_BLOCK ? p->columns : first + COLUMN_BLOCK;
  gradient_of[w->isa](w->gradient, p->row + w->begin, w->count, w->score, p->classes, p->columns, first, last,
                      w->begin > 0);
  if (w->begin + w->count < p->rows)
    return WK_OK;
  for (int c = 0; c < p->classes; c++) {
    const double *from = w->params + (ptrdiff_t)c * p->columns;
    double *g = w->gradient + (ptrdiff_t)c * p->columns;
    double all = w->gradient[(ptrdiff_t)p->classes * p->columns + c]; /* of the bias, which is there already */
    for (int j = first; w->plain && j < last; j++)
      g[j] = (g[j] - all * p->mean[j]) / p->scale[j];
    for (int j = first; j < last; j++)
      g[j] += w->l2 * from[j];
  }
  return WK_OK;
}

static void add_bias_gradient(double *g, const double *delta, size_t rows, int classes) {
  for (size_t r = 0; r < rows; r++)
    for (int c = 0; c < classes; c++)
      g[c] += delta[r * (size_t)classes + (size_t)c];
}

/* Rows begin..begin+count-1: their loss, and their part of the gradient. */
static wk_status evaluate_chunk(work *w, size_t weights, int threads, const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  const wk_logreg *p = w->p;
  WK_TRY(wk_parallel(ctx, threads, (w->count + ROW_BLOCK - 1) / ROW_BLOCK, forward_job, w, err));
  if (w->gradient) {
    add_bias_gradient(w->gradient + weights, w->score, w->count, p->classes);
    size_t blocks = ((size_t)p->columns + COLUMN_BLOCK - 1) / COLUMN_BLOCK;
    WK_TRY(wk_parallel(ctx, threads, blocks, backward_job, w, err));
  }
done:
  if (p->mapped)
    wk_scratch_release_pages(p->row[w->begin], p->row[w->begin + w->count - 1] + p->columns);
  return st;
}

static wk_status evaluate(double *value, double *loss, work *w, int threads, const wk_context *ctx, wk_error *err) {
  const wk_logreg *p = w->p;
  size_t weights = (size_t)p->classes * (size_t)p->columns;
  if (w->plain)
    make_plain(w->plain, p, w->params);
  if (w->gradient)
    memset(w->gradient + weights, 0, (size_t)p->classes * sizeof *w->gradient);
  for (w->begin = 0; w->begin < p->rows; w->begin += w->count) {
    w->count = p->rows - w->begin < w->chunk ? p->rows - w->begin : w->chunk;
    WK_RETURN_IF_ERROR(evaluate_chunk(w, weights, threads, ctx, err));
  }
  double sum = 0, square = 0;
  for (size_t r = 0; r < p->rows; r++)
    sum += w->loss[r];
  for (size_t i = 0; i < weights; i++)
    square += w->params[i] * w->params[i];
  *value = sum + w->l2 / 2 * square;
  if (loss)
    *loss = sum;
  return WK_OK;
}

/* Whole blocks. */
static size_t chunk_of(size_t rows, int columns) {
  size_t chunk = CHUNK_BYTES / sizeof(float) / (size_t)columns / ROW_BLOCK * ROW_BLOCK;
  chunk = chunk ? chunk : ROW_BLOCK;
  return rows < chunk ? rows : chunk;
}

static wk_status work_init(work *w, const wk_logreg *p, double l2, wk_error *err) {
  size_t scores;
  *w = (work){.p = p, .l2 = l2, .isa = wk_cpu_isa(), .chunk = chunk_of(p->rows, p->columns)};
  if (wk_mul_overflow(&scores, w->chunk, (size_t)p->classes))
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for the scores of %zu rows", p->rows);
  w->score = wk_alloc_array(scores, sizeof *w->score);
  w->loss = wk_alloc_array(p->rows, sizeof *w->loss);
  if (p->scale)
    w->plain = wk_alloc_array(wk_logreg_params(p->classes, p->columns), sizeof *w->plain);
  return w->score && w->loss && (w->plain || !p->scale)
             ? WK_OK
             : WK_FAIL(err, WK_ERR_MEMORY, "out of memory for the scores of %zu rows", p->rows);
}

static void work_free(work *w) {
  wk_free(w->plain);
  wk_free(w->score);
  wk_free(w->loss);
}

wk_status wk_logreg_objective(double *value, double *gradient, double *loss, const wk_logreg *p, const double *params,
                              double l2, int threads, const wk_context *ctx, wk_error *err) {
  work w;
  wk_status st = work_init(&w, p, l2, err);
  if (st == WK_OK) {
    w.params = params;
    w.gradient = gradient;
    st = evaluate(value, loss, &w, threads, ctx, err);
  }
  work_free(&w);
  return st;
}

/* ---- L-BFGS ------------------------------------------------------------------------------------ */

typedef struct fit {
  work w;
  size_t params;
  size_t padded; /* liblbfgs rounds the number of variables up for its vector instructions */
  int threads;
  const wk_context *ctx;
  wk_error *err;
  wk_status st;
  int iterations, evaluations;
  double loss; /* of the point looked at last */
} fit;

static lbfgsfloatval_t lbfgs_evaluate_fit(void *user, const lbfgsfloatval_t *x, lbfgsfloatval_t *g, int n,
                                          lbfgsfloatval_t step) {
  (void)n, (void)step;
  fit *f = user;
  double value = 0;
  f->w.params = x;
  f->w.gradient = g;
  memset(g + f->params, 0, (f->padded - f->params) * sizeof *g);
  f->evaluations++;
  if (f->st == WK_OK)
    f->st = evaluate(&value, &f->loss, &f->w, f->threads, f->ctx, f->err);
  /* A flat point ends the line search, and progress() then ends the run. */
  if (f->st != WK_OK)
    memset(g, 0, f->padded * sizeof *g);
  return value;
}

static int lbfgs_progress_fit(void *user, const lbfgsfloatval_t *x, const lbfgsfloatval_t *g, lbfgsfloatval_t fx,
                              lbfgsfloatval_t xnorm, lbfgsfloatval_t gnorm, lbfgsfloatval_t step, int n, int k,
                              int line_search) {
  (void)x, (void)g, (void)fx, (void)xnorm, (void)gnorm, (void)step, (void)n, (void)line_search;
  fit *f = user;
  f->iterations = k;
  return f->st != WK_OK;
}

/* What L-BFGS may end with although the point it leaves is as good as rounding allows. */
static bool ended_well(int code) {
  switch (code) {
  case LBFGS_SUCCESS:
  case LBFGS_STOP:
  case LBFGS_ALREADY_MINIMIZED:
  case LBFGSERR_MAXIMUMITERATION:
  case LBFGSERR_ROUNDING_ERROR:
  case LBFGSERR_MINIMUMSTEP:
  case LBFGSERR_MAXIMUMSTEP:
  case LBFGSERR_MAXIMUMLINESEARCH:
  case LBFGSERR_WIDTHTOOSMALL:
  case LBFGSERR_INCREASEGRADIENT:
  case LBFGSERR_OUTOFINTERVAL:
  case LBFGSERR_INCORRECT_TMINMAX:
    return true;
  default:
    return false;
  }
}

wk_status wk_logreg_fit(double *params, wk_logreg_result *result, const wk_logreg *p, double l2, double tolerance,
                        int max_iterations, int threads, const wk_context *ctx, wk_error *err) {
  fit f = {.params = wk_logreg_params(p->classes, p->columns), .threads = threads, .ctx = ctx, .err = err};
  f.padded = (f.params + 15) & ~(size_t)15;
  double *x = NULL, value = 0;
  wk_status st = work_init(&f.w, p, l2, err);
  if (st != WK_OK)
    goto done;
  WK_FAIL_IF(f.padded > INT32_MAX, err, WK_ERR_UNSUPPORTED,
             "%d classes of %d features are more than the classifier can hold: use a smaller network or --head mean",
             p->classes, p->columns);
  x = wk_calloc(f.padded, sizeof *x);
  WK_FAIL_IF(!x, err, WK_ERR_MEMORY, "out of memory for a classifier of %d classes", p->classes);
  memcpy(x, params, f.params * sizeof *x);
  lbfgs_parameter_t o;
  lbfgs_parameter_init(&o);
  o.m = 10;
  o.epsilon = tolerance;
  o.max_iterations = max_iterations;
  int code = lbfgs((int)f.padded, x, &value, lbfgs_evaluate_fit, lbfgs_progress_fit, &f, &o);
  WK_TRY(f.st);
  WK_FAIL_IF(code == LBFGSERR_OUTOFMEMORY, err, WK_ERR_MEMORY, "out of memory for a classifier of %d classes",
             p->classes);
  WK_FAIL_IF(!ended_well(code), err, WK_ERR_INTERNAL, "L-BFGS ended with code %d", code);
  /* The last point looked at need not be the one kept. */
  WK_TRY(wk_logreg_objective(&value, NULL, &f.loss, p, x, l2, threads, ctx, err));
  WK_FAIL_IF(!isfinite(value), err, WK_ERR_NUMERIC, "the classifier's loss is not finite: the features are too large");
  memcpy(params, x, f.params * sizeof *x);
  if (result)
    *result = (wk_logreg_result){.iterations = f.iterations, .evaluations = f.evaluations, .loss = f.loss};
done:
  wk_free(x);
  work_free(&f.w);
  return st;
}

/* ---- scores ------------------------------------------------------------------------------------ */

typedef struct score_work {
  double *score;
  const float *const *row;
  size_t rows;
  const double *params;
  int classes, columns;
  wk_isa isa;
} score_work;

static wk_status score_job(void *user, size_t index, int worker, wk_error *err) {
  (void)worker, (void)err;
  score_work *w = user;
  size_t first = index * ROW_BLOCK;
  score_block(w->score + first * (size_t)w->classes, w->row + first, block_rows(w->rows, index), w->params, w->classes,
              w->columns, w->isa);
  return WK_OK;
}

/* How many of the first `most` rows to take at once: rows held out lie far apart in a file, and what is between two of
 * them comes with them. */
static size_t rows_together(const float *const *row, size_t most, bool mapped) {
  size_t n = 1;
  while (n < most && (!mapped || (size_t)(row[n] - row[0]) < CHUNK_BYTES / sizeof(float)))
    n++;
  return n;
}

wk_status wk_logreg_scores(double *score, const float *const *row, size_t rows, const double *params,
                           const wk_logreg *p, int threads, const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  double *plain = NULL;
  if (p->scale) {
    plain = wk_alloc_array(wk_logreg_params(p->classes, p->columns), sizeof *plain);
    if (!plain)
      return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for the scores of %zu rows", rows);
    make_plain(plain, p, params);
  }
  size_t chunk = chunk_of(rows, p->columns);
  for (size_t at = 0, n; at < rows && st == WK_OK; at += n) {
    n = rows_together(row + at, rows - at < chunk ? rows - at : chunk, p->mapped);
    score_work w = {
        score + at * (size_t)p->classes, row + at, n, plain ? plain : params, p->classes, p->columns, wk_cpu_isa()};
    st = wk_parallel(ctx, threads, (n + ROW_BLOCK - 1) / ROW_BLOCK, score_job, &w, err);
    if (p->mapped)
      wk_scratch_release_pages(row[at], row[at + n - 1] + p->columns);
  }
  wk_free(plain);
  return st;
}

/* knn.c - the two heads that compare photos instead of fitting weights: nearest examples and nearest class mean,
 * by cosine. All there is to learn is the temperature of their votes, from each photo judged by all the others. */
#include <math.h>
#include <string.h>

#include "base/softmax.h"
#include "model/model.h"
#include "train/metrics/temperature_scaling.h"
#include "train/probe/l2_search.h"
#include "train/probe/matrix_products.h"

#define STAGE "classifier"
#define QUERY_BLOCK 16
#define QUERIES 1000             /* photos judged at most, evenly spread: the temperature needs no more */
#define DEFAULT_TEMPERATURE 0.05 /* where no photo can be judged by others */

static const wk_product_scores_fn scores_of[] = WK_ISA_TABLE(wk_product_scores);

typedef struct near {
  const int *y;
  size_t rows;
  int columns, classes, k;
  float *unit;       /* [rows, columns]: each of length 1, or zeros */
  double *reference; /* KNN: the same rows; MEAN: sums of each class, [classes, columns] */
  size_t *count;     /* [classes] */
  double *score;     /* MEAN: [queries, classes] cosines */
  double *nearest;   /* KNN: [queries, k] cosines, best first */
  int *near_label;   /* KNN: [queries, k] */
  int *query_label;  /* [queries] */
  size_t queries;
  const uint32_t *group; /* wk_probe_options.group */
  wk_isa isa;
} near;

/* A photo does not judge itself, nor its copies. */
static bool same(const near *w, size_t a, size_t b) { return w->group ? w->group[a] == w->group[b] : a == b; }

static size_t query_row(const near *w, size_t q) { return q * w->rows / w->queries; }

/* The photo r and its copies. */
static size_t find_copies(uint32_t *out, const near *w, size_t r) {
  size_t n = 0;
  if (!w->group) {
    *out = (uint32_t)r;
    return 1;
  }
  for (size_t i = 0; i < w->rows; i++)
    if (same(w, i, r))
      out[n++] = (uint32_t)i;
  return n;
}

/* The sum of a class less those that are of it. */
static void sum_without(double *out, const near *w, int c, const uint32_t *row, size_t n) {
  const size_t d = (size_t)w->columns;
  memcpy(out, w->reference + (size_t)c * d, d * sizeof *out);
  for (size_t i = 0; i < n; i++)
    if (w->y[row[i]] == c)
      for (size_t j = 0; j < d; j++)
        out[j] -= w->unit[row[i] * d + j];
}

/* Cosines with every class mean, the photo itself taken out of its own. */
static wk_status mean_job(void *user, size_t index, int worker, wk_error *err) {
  (void)worker;
  near *w = user;
  size_t d = (size_t)w->columns, first = index * QUERY_BLOCK;
  wk_status st = WK_OK;
  double *sum = wk_alloc_array(d, sizeof *sum);
  uint32_t *copies = wk_alloc_array(w->group ? w->rows : 1, sizeof *copies);
  WK_FAIL_IF(!sum || !copies, err, WK_ERR_MEMORY, "out of memory for comparing %zu photos", w->rows);
  for (size_t q = first; q < w->queries && q < first + QUERY_BLOCK; q++) {
    size_t r = query_row(w, q);
    const float *x = w->unit + r * d;
    const size_t n = find_copies(copies, w, r);
    for (int c = 0; c < w->classes; c++) {
      double along = 0, square = 0;
      sum_without(sum, w, c, copies, n);
      for (size_t j = 0; j < d; j++) {
        along += sum[j] * x[j];
        square += sum[j] * sum[j];
      }
      w->score[q * (size_t)w->classes + (size_t)c] = square > 0 ? along / sqrt(square) : 0;
    }
  }
done:
  wk_free(copies);
  wk_free(sum);
  return st;
}

/* Of equally near examples the earlier counts, as in prediction. */
static void insert(double *nearest, int *label, int *found, int k, double s, int of) {
  if (*found == k && !(s > nearest[k - 1]))
    return;
  int at = *found < k ? (*found)++ : k - 1;
  for (; at > 0 && s > nearest[at - 1]; at--) {
    nearest[at] = nearest[at - 1];
    label[at] = label[at - 1];
  }
  nearest[at] = s;
  label[at] = of;
}

static wk_status knn_job(void *user, size_t index, int worker, wk_error *err) {
  (void)worker;
  near *w = user;
  size_t d = (size_t)w->columns, first = index * QUERY_BLOCK, k = (size_t)w->k;
  size_t n = w->queries - first < QUERY_BLOCK ? w->queries - first : QUERY_BLOCK;
  double *score = wk_alloc_array(n, w->rows * sizeof *score);
  if (!score)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for comparing %zu photos", w->rows);
  const float *row[QUERY_BLOCK];
  for (size_t i = 0; i < n; i++)
    row[i] = w->unit + query_row(w, first + i) * d;
  scores_of[w->isa](score, row, n, w->reference, (int)w->rows, w->columns);
  for (size_t i = 0; i < n; i++) {
    size_t q = first + i, self = query_row(w, q);
    int found = 0;
    for (size_t r = 0; r < w->rows; r++)
      if (!same(w, r, self))
        insert(w->nearest + q * k, w->near_label + q * k, &found, w->k, score[i * w->rows + r], w->y[r]);
    for (; found < w->k; found++) { /* all others are its copies */
      w->nearest[q * k + (size_t)found] = found ? -INFINITY : -1;
      w->near_label[q * k + (size_t)found] = 0;
    }
  }
  wk_free(score);
  return WK_OK;
}

/* ---- KNN's temperature ------------------------------------------------------------------------- */

/* Mean loss of the votes at a temperature. As in wk_temperature_fit, the truth is taken to be wrong now and then. */
static double vote_loss(const near *w, double temperature, double *top1, double *vote) {
  double loss = 0, right = 0, smooth = 1.0 / ((double)w->queries + 2);
  for (size_t q = 0; q < w->queries; q++) {
    const double *s = w->nearest + q * (size_t)w->k;
    const int *label = w->near_label + q * (size_t)w->k;
    double sum = 0;
    memset(vote, 0, (size_t)w->classes * sizeof *vote);
    for (int i = 0; i < w->k; i++) {
      double e = exp((s[i] - s[0]) / temperature);
      sum += e;
      vote[label[i]] += e;
    }
    const int best = wk_best_class_wide(vote, w->classes);
    int truth = w->query_label[q];
    loss -= log((1 - smooth) * vote[truth] / sum + smooth / w->classes);
    right += best == truth;
  }
  *top1 = right / (double)w->queries;
  return loss / (double)w->queries;
}

/* The lowest loss on a scale of ratios: a coarse look everywhere, as the loss need not be convex. */
static wk_status fit_votes(near *w, double *temperature, double *loss, double *top1, wk_error *err) {
  double *vote = wk_alloc_array((size_t)w->classes, sizeof *vote);
  if (!vote)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for %d classes", w->classes);
  *loss = INFINITY;
  for (int i = 0; i <= 60; i++) {
    double right, t = 1e-3 * exp2(i / 6.0), l = vote_loss(w, t, &right, vote);
    if (l < *loss) {
      *loss = l;
      *temperature = t;
      *top1 = right;
    }
  }
  wk_free(vote);
  return WK_OK;
}

/* ---- the heads --------------------------------------------------------------------------------- */

static void make_unit(float *unit, const float *x, size_t rows, int columns) {
  for (size_t r = 0; r < rows; r++) {
    const float *from = x + r * (size_t)columns;
    double square = 0;
    for (int j = 0; j < columns; j++)
      square += (double)from[j] * from[j];
    double scale = square > 0 ? 1 / sqrt(square) : 0;
    for (int j = 0; j < columns; j++)
      unit[r * (size_t)columns + (size_t)j] = (float)(from[j] * scale);
  }
}

static void class_sums(near *w) {
  size_t d = (size_t)w->columns;
  memset(w->reference, 0, (size_t)w->classes * d * sizeof *w->reference);
  for (size_t r = 0; r < w->rows; r++)
    for (size_t j = 0; j < d; j++)
      w->reference[(size_t)w->y[r] * d + j] += w->unit[r * d + j];
}

static wk_status judge_means(near *w, wk_probe_report *report, const wk_context *ctx, wk_error *err) {
  w->score = wk_alloc_array(w->queries, (size_t)w->classes * sizeof *w->score);
  if (!w->score)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for judging %zu photos", w->queries);
  WK_RETURN_IF_ERROR(wk_parallel(ctx, 0, (w->queries + QUERY_BLOCK - 1) / QUERY_BLOCK, mean_job, w, err));
  /* The only photo of its class has nothing to be judged by. */
  size_t n = 0, classes = (size_t)w->classes, right = 0;
  for (size_t q = 0; q < w->queries; q++) {
    const double *s = w->score + q * classes;
    if (w->count[w->query_label[q]] < 2)
      continue;
    memmove(w->score + n * classes, s, classes * sizeof *s);
    w->query_label[n] = w->query_label[q];
    s = w->score + n * classes;
    right += wk_best_class_wide(s, (int)classes) == w->query_label[n++];
  }
  report->held_out = n;
  if (!n)
    return WK_OK;
  wk_temperature_fit(&report->temperature, &report->held_out_loss, w->score, w->query_label, NULL, n, w->classes);
  report->held_out_top1 = (double)right / (double)n;
  return WK_OK;
}

static wk_status judge_examples(near *w, wk_probe_report *report, const wk_context *ctx, wk_error *err) {
  size_t cells = w->queries * (size_t)w->k;
  w->nearest = wk_alloc_array(cells, sizeof *w->nearest);
  w->near_label = wk_alloc_array(cells, sizeof *w->near_label);
  if (!w->nearest || !w->near_label)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for judging %zu photos", w->queries);
  WK_RETURN_IF_ERROR(wk_parallel(ctx, 0, (w->queries + QUERY_BLOCK - 1) / QUERY_BLOCK, knn_job, w, err));
  report->held_out = w->queries;
  return fit_votes(w, &report->temperature, &report->held_out_loss, &report->held_out_top1, err);
}

static void fill_head(wk_head *h, const near *w) {
  size_t d = (size_t)w->columns;
  if (h->kind == WK_HEAD_KNN) {
    memcpy(h->weight, w->unit, w->rows * d * sizeof *h->weight);
    memcpy(h->example_label, w->y, w->rows * sizeof *w->y);
    h->k = w->k;
    return;
  }
  for (int c = 0; c < w->classes; c++) {
    const double *sum = w->reference + (size_t)c * d;
    double square = 0;
    for (size_t j = 0; j < d; j++)
      square += sum[j] * sum[j];
    for (size_t j = 0; j < d && square > 0; j++)
      h->weight[(size_t)c * d + j] = (float)(sum[j] / sqrt(square));
  }
}

wk_status wk_probe_fit_near(wk_head **out, wk_probe_report *report, const float *x, const int *y, size_t rows,
                            int columns, int classes, const wk_probe_options *o, const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  bool knn = o->kind == WK_HEAD_KNN;
  wk_progress progress = {0};
  wk_head *head = NULL;
  near w = {.y = y, .rows = rows, .columns = columns, .classes = classes, .group = o->group, .isa = wk_cpu_isa()};
  wk_probe_report found = {.l2 = NAN,
                           .train_loss = NAN,
                           .held_out_top1 = NAN,
                           .held_out_loss = NAN,
                           .temperature = DEFAULT_TEMPERATURE,
                           .cross_validated = true};
  size_t cells;
  bool too_many = wk_mul_overflow(&cells, rows, (size_t)columns) || rows > INT32_MAX;
  WK_FAIL_IF(too_many, err, WK_ERR_UNSUPPORTED, "%zu photos are too many to compare with each other", rows);
  WK_FAIL_IF(knn && o->k > WK_HEAD_MAX_K, err, WK_ERR_ARGUMENT, "k is %d, but at most %d neighbours are looked at",
             o->k, WK_HEAD_MAX_K);
  w.k = (size_t)o->k < rows ? o->k : (int)rows - 1; /* each is judged by the others */
  w.queries = rows < QUERIES ? rows : QUERIES;
  w.unit = wk_alloc_array(cells, sizeof *w.unit);
  w.reference = wk_alloc_array(knn ? cells : (size_t)classes * (size_t)columns, sizeof *w.reference);
  w.count = wk_calloc((size_t)classes, sizeof *w.count);
  w.query_label = wk_alloc_array(w.queries, sizeof *w.query_label);
  WK_FAIL_IF(!w.unit || !w.reference || !w.count || !w.query_label, err, WK_ERR_MEMORY,
             "out of memory for a classifier on %zu photos of %d features", rows, columns);
  WK_TRY(wk_progress_begin(&progress, ctx, STAGE, 1, err));
  make_unit(w.unit, x, rows, columns);
  for (size_t r = 0; r < rows; r++)
    w.count[y[r]]++;
  for (size_t q = 0; q < w.queries; q++)
    w.query_label[q] = y[query_row(&w, q)];
  if (knn)
    for (size_t i = 0; i < cells; i++)
      w.reference[i] = w.unit[i];
  else
    class_sums(&w);
  WK_TRY((knn ? judge_examples : judge_means)(&w, &found, ctx, err));
  if (o->temperature > 0)
    found.temperature = o->temperature;
  WK_TRY(wk_head_alloc(&head, o->kind, classes, columns, (int)rows, err));
  fill_head(head, &w);
  head->temperature = (float)found.temperature;
  wk_progress_add(&progress, 1);
  if (report)
    *report = found;
  *out = head;
  head = NULL;
done:
  wk_progress_end(&progress);
  wk_head_free(head);
  wk_free(w.unit);
  wk_free(w.reference);
  wk_free(w.count);
  wk_free(w.query_label);
  wk_free(w.score);
  wk_free(w.nearest);
  wk_free(w.near_label);
  return st;
}

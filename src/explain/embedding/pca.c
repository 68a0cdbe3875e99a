/* pca.c - principal components of many rows without their covariance matrix: subspace iteration from random directions
 * (Halko, Martinsson, Tropp, SIAM Review 2011, algorithms 4.4 and 5.1), repeated until the variance found no longer
 * grows. Rows are only read; every sum has one order, so the result is the same for any number of threads. */
#include "explain/embedding/eigen.h"

#include <math.h>
#include <string.h>

#include "train/probe/matrix_products.h"
#include "whisker/embedding_map.h"

#define ROW_BLOCK 64
#define COLUMN_BLOCK 64
#define SPARE 14 /* directions beyond those asked for, which speed up the last of these */
#define MOST_ROUNDS 40
#define SETTLED 1e-5 /* of the variance found: what a round may still add when it is the last */
#define RANK_TOLERANCE 1e-12

static const wk_product_scores_fn scores_of[] = WK_ISA_TABLE(wk_product_scores);
static const wk_product_gradient_fn gradient_of[] = WK_ISA_TABLE(wk_product_gradient);

/* ---- small symmetric matrices ------------------------------------------------------------------ */

/* One rotation that makes a[p][q] zero. */
static void rotate(double *a, double *v, int n, int p, int q) {
  double apq = a[p * n + q], theta = (a[q * n + q] - a[p * n + p]) / (2 * apq);
  double t = (theta >= 0 ? 1 : -1) / (fabs(theta) + sqrt(theta * theta + 1)), c = 1 / sqrt(t * t + 1), s = t * c;
  for (int k = 0; k < n; k++) {
    double x = a[k * n + p], y = a[k * n + q];
    a[k * n + p] = c * x - s * y;
    a[k * n + q] = s * x + c * y;
  }
  for (int k = 0; k < n; k++) {
    double x = a[p * n + k], y = a[q * n + k];
    a[p * n + k] = c * x - s * y;
    a[q * n + k] = s * x + c * y;
    x = v[p * n + k], y = v[q * n + k];
    v[p * n + k] = c * x - s * y;
    v[q * n + k] = s * x + c * y;
  }
}

void wk_eigen_symmetric(double *value, double *v, double *a, int n) {
  double square = 0;
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) {
      v[i * n + j] = i == j;
      square += a[i * n + j] * a[i * n + j];
    }
  for (int sweep = 0; sweep < 60; sweep++) {
    double off = 0;
    for (int p = 0; p < n; p++)
      for (int q = p + 1; q < n; q++)
        off += a[p * n + q] * a[p * n + q];
    if (!(off > 1e-30 * square))
      break;
    for (int p = 0; p < n; p++)
      for (int q = p + 1; q < n; q++)
        if (a[p * n + q] != 0)
          rotate(a, v, n, p, q);
  }
  for (int i = 0; i < n; i++)
    value[i] = a[i * n + i];
  for (int i = 0; i < n; i++) { /* largest first */
    int best = i;
    for (int j = i + 1; j < n; j++)
      best = value[j] > value[best] ? j : best;
    double t = value[i];
    value[i] = value[best];
    value[best] = t;
    for (int k = 0; k < n && best != i; k++) {
      t = v[i * n + k];
      v[i * n + k] = v[best * n + k];
      v[best * n + k] = t;
    }
  }
}

/* ---- the rows, seen along a few directions ------------------------------------------------------ */

typedef struct pca {
  const float **row;
  const double *scale; /* [rows] each row counts as it times this; NULL: 1 */
  size_t rows;
  int columns, width;            /* width: directions */
  double *mean;                  /* [columns] */
  double *direction;             /* [width, columns] orthonormal, or zeros */
  double *along;                 /* [rows, width] the centred rows' coordinates */
  double *offset;                /* [width] the mean's */
  double *value, *turn, *square; /* [width], [width, width] twice */
} pca;

static double scale_of(const pca *p, size_t row) { return p->scale ? p->scale[row] : 1; }

static wk_status along_job(void *user, size_t index, int worker, wk_error *err) {
  (void)worker, (void)err;
  pca *p = user;
  size_t first = index * ROW_BLOCK, n = p->rows - first < ROW_BLOCK ? p->rows - first : ROW_BLOCK;
  double *to = p->along + first * (size_t)p->width;
  scores_of[wk_cpu_isa()](to, p->row + first, n, p->direction, p->width, p->columns);
  for (size_t r = 0; r < n; r++) {
    double scale = scale_of(p, first + r);
    for (int k = 0; k < p->width; k++, to++)
      *to = *to * scale - p->offset[k];
  }
  return WK_OK;
}

static wk_status back_job(void *user, size_t index, int worker, wk_error *err) {
  (void)worker, (void)err;
  pca *p = user;
  int first = (int)index * COLUMN_BLOCK, last = first + COLUMN_BLOCK < p->columns ? first + COLUMN_BLOCK : p->columns;
  gradient_of[wk_cpu_isa()](p->direction, p->row, p->rows, p->along, p->width, p->columns, first, last, false);
  return WK_OK;
}

static wk_status mean_job(void *user, size_t index, int worker, wk_error *err) {
  (void)worker, (void)err;
  pca *p = user;
  int first = (int)index * COLUMN_BLOCK, last = first + COLUMN_BLOCK < p->columns ? first + COLUMN_BLOCK : p->columns;
  gradient_of[wk_cpu_isa()](p->mean, p->row, p->rows, p->along, 1, p->columns, first, last, false);
  return WK_OK;
}

static double dot(const double *a, const double *b, int n) {
  double s = 0;
  for (int i = 0; i < n; i++)
    s += a[i] * b[i];
  return s;
}

/* Gram-Schmidt, twice, so that rounding leaves nothing. A direction that the ones before it span becomes zeros. */
static void orthonormalise(pca *p) {
  for (int k = 0; k < p->width; k++) {
    double *d = p->direction + (ptrdiff_t)k * p->columns, before = sqrt(dot(d, d, p->columns));
    for (int pass = 0; pass < 2; pass++)
      for (int j = 0; j < k; j++) {
        const double *e = p->direction + (ptrdiff_t)j * p->columns;
        double s = dot(d, e, p->columns);
        for (int i = 0; i < p->columns; i++)
          d[i] -= s * e[i];
      }
    double length = sqrt(dot(d, d, p->columns)), scale = length > RANK_TOLERANCE * before ? 1 / length : 0;
    for (int i = 0; i < p->columns; i++)
      d[i] *= scale;
  }
}

/* The centred rows' coordinates along the directions, and the turn that makes these the main ones of their span. */
static wk_status project(pca *p, const wk_context *ctx, wk_error *err) {
  for (int k = 0; k < p->width; k++)
    p->offset[k] = dot(p->mean, p->direction + (ptrdiff_t)k * p->columns, p->columns);
  WK_RETURN_IF_ERROR(wk_parallel(ctx, 0, (p->rows + ROW_BLOCK - 1) / ROW_BLOCK, along_job, p, err));
  memset(p->square, 0, sizeof(double) * (size_t)(p->width * p->width));
  for (size_t r = 0; r < p->rows; r++) {
    const double *y = p->along + r * (size_t)p->width;
    for (int i = 0; i < p->width; i++)
      for (int j = 0; j < p->width; j++)
        p->square[i * p->width + j] += y[i] * y[j];
  }
  wk_eigen_symmetric(p->value, p->turn, p->square, p->width);
  return WK_OK;
}

static double sum_of(const double *v, int n) {
  double s = 0;
  for (int i = 0; i < n; i++)
    s += v[i];
  return s;
}

/* Component k's sign: the column that counts most counts positively, so that the same data never come out mirrored. */
static double sign_of(const pca *p, int k) {
  double best = 0;
  for (int i = 0; i < p->columns; i++) {
    double w = 0;
    for (int j = 0; j < p->width; j++)
      w += p->turn[k * p->width + j] * p->direction[(ptrdiff_t)j * p->columns + i];
    best = fabs(w) > fabs(best) * (1 + 1e-9) ? w : best;
  }
  return best < 0 ? -1 : 1;
}

static void write_out(float *out, const pca *p, int keep) {
  for (int k = 0; k < keep; k++) {
    double sign = sign_of(p, k);
    for (size_t r = 0; r < p->rows; r++)
      out[r * (size_t)keep + (size_t)k] =
          (float)(sign * dot(p->along + r * (size_t)p->width, p->turn + (ptrdiff_t)k * p->width, p->width));
  }
}

static wk_status find_mean(pca *p, const wk_context *ctx, wk_error *err) {
  for (size_t r = 0; r < p->rows; r++)
    p->along[r] = scale_of(p, r) / (double)p->rows;
  size_t blocks = ((size_t)p->columns + COLUMN_BLOCK - 1) / COLUMN_BLOCK;
  WK_RETURN_IF_ERROR(wk_parallel(ctx, 0, blocks, mean_job, p, err));
  for (int i = 0; i < p->columns; i++)
    if (!isfinite(p->mean[i]))
      return WK_FAIL(err, WK_ERR_NUMERIC, "column %d of the features holds a value that is not finite", i);
  return WK_OK;
}

static double total_variance(const pca *p) {
  double total = 0;
  for (size_t r = 0; r < p->rows; r++) {
    double s = 0;
    for (int i = 0; i < p->columns; i++) {
      double d = (double)p->row[r][i] * scale_of(p, r) - p->mean[i];
      s += d * d;
    }
    total += s;
  }
  return total;
}

static wk_status allocate(pca *p, const float *x, int keep, wk_error *err) {
  size_t n = p->rows, d = (size_t)p->columns, least = n < d ? n : d;
  size_t w = (size_t)keep + SPARE < least ? (size_t)keep + SPARE : least;
  p->width = (int)w;
  p->row = wk_alloc_array(n, sizeof *p->row);
  p->mean = wk_alloc_array(d, sizeof *p->mean);
  p->direction = wk_alloc_array(d, w * sizeof *p->direction);
  p->along = wk_alloc_array(n, w * sizeof *p->along);
  p->offset = wk_alloc_array(w, sizeof *p->offset);
  p->value = wk_alloc_array(w, sizeof *p->value);
  p->turn = wk_alloc_array(w, w * sizeof *p->turn);
  p->square = wk_alloc_array(w, w * sizeof *p->square);
  if (!p->row || !p->mean || !p->direction || !p->along || !p->offset || !p->value || !p->turn || !p->square)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for the main directions of %zu rows", n);
  for (size_t r = 0; r < n; r++)
    p->row[r] = x + r * d;
  return WK_OK;
}

wk_status wk_pca_scaled(float *out, double *share, const float *x, const double *scale, size_t rows, int columns,
                        int keep, const wk_context *ctx, wk_error *err) {
  if (!rows || columns < 1 || keep < 1 || keep > columns || (size_t)keep > rows || keep > 512)
    return WK_FAIL(
        err, WK_ERR_ARGUMENT,
        "%d main directions of %zu rows with %d columns: at least 1, and at most as many as rows, as columns, "
        "and as 512",
        keep, rows, columns);
  wk_status st = WK_OK;
  pca p = {.scale = scale, .rows = rows, .columns = columns};
  WK_TRY(allocate(&p, x, keep, err));
  WK_TRY(find_mean(&p, ctx, err));
  for (int k = 0; k < p.width; k++) {
    wk_rng rng;
    wk_rng_init(&rng, ctx ? ctx->seed : 42, (uint64_t)k);
    for (int i = 0; i < columns; i++)
      p.direction[(ptrdiff_t)k * columns + i] = wk_rng_normal(&rng);
  }
  size_t blocks = ((size_t)columns + COLUMN_BLOCK - 1) / COLUMN_BLOCK;
  double found = -1;
  for (int round = 0;; round++) {
    WK_FAIL_IF(wk_cancelled(ctx), err, WK_ERR_CANCELLED, "stopped");
    orthonormalise(&p);
    WK_TRY(project(&p, ctx, err));
    double now = sum_of(p.value, keep);
    if (round == MOST_ROUNDS || (round > 0 && now - found <= SETTLED * now))
      break;
    found = now;
    for (size_t r = 0; scale && r < rows; r++)
      for (int k = 0; k < p.width; k++)
        p.along[r * (size_t)p.width + (size_t)k] *= scale[r];
    WK_TRY(wk_parallel(ctx, 0, blocks, back_job, &p, err)); /* along is centred: the mean takes no part */
  }
  if (share) {
    double total = total_variance(&p);
    for (int k = 0; k < keep; k++)
      share[k] = total > 0 ? fmax(0, p.value[k]) / total : 0;
  }
  write_out(out, &p, keep);
done:
  wk_free(p.row);
  wk_free(p.mean);
  wk_free(p.direction);
  wk_free(p.along);
  wk_free(p.offset);
  wk_free(p.value);
  wk_free(p.turn);
  wk_free(p.square);
  return st;
}

wk_status wk_pca(float *out, double *share, const float *x, size_t rows, int columns, int keep, const wk_context *ctx,
                 wk_error *err) {
  return wk_pca_scaled(out, share, x, NULL, rows, columns, keep, ctx, err);
}

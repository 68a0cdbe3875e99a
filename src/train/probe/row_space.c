/* row_space.c - see row_space.h. The basis is never formed: the pivoted Cholesky factor of the rows' inner products, K
 * = L L', has the coordinates as its rows. */
#include <math.h>
#include <string.h>

#include "train/probe/matrix_products.h"
#include "train/probe/row_space.h"

#define ROW_BLOCK 32
#define COLUMN_BLOCK 128
/* Of the largest squared length: what is left of a row below it is rounding of its single-precision features. */
#define RANK_TOLERANCE 1e-10
#define WHOLE 8

static const wk_product_scores_fn scores_of[] = WK_ISA_TABLE(wk_product_scores);
static const wk_product_gradient_fn gradient_of[] = WK_ISA_TABLE(wk_product_gradient);

struct wk_row_space {
  const float *const *row;
  size_t rows;
  int columns, rank;
  int width;         /* of a coordinate row: the rank in whole vectors, the rest zeros */
  double *factor;    /* [rows, rows]: K, then L in its first `rank` columns */
  uint32_t *pivot;   /* [rank] the rows that the basis is made of, in order */
  float *coordinate; /* [rows, rank] */
};

bool wk_row_space_pays(size_t rows, int columns) { return rows <= (size_t)columns / 2; }

int wk_row_space_columns(const wk_row_space *s) { return s->width; }

const float *wk_row_space_row(const wk_row_space *s, size_t row) { return s->coordinate + row * (size_t)s->width; }

void wk_row_space_free(wk_row_space *s) {
  if (!s)
    return;
  wk_free(s->factor);
  wk_free(s->pivot);
  wk_free(s->coordinate);
  wk_free(s);
}

typedef struct gram_work {
  wk_row_space *s;
  const double *wide; /* the rows in double */
} gram_work;

static wk_status gram_job(void *user, size_t index, int worker, wk_error *err) {
  (void)worker, (void)err;
  gram_work *w = user;
  wk_row_space *s = w->s;
  size_t first = index * ROW_BLOCK, n = s->rows - first < ROW_BLOCK ? s->rows - first : ROW_BLOCK;
  scores_of[wk_cpu_isa()](s->factor + first * s->rows, s->row + first, n, w->wide, (int)s->rows, s->columns);
  return WK_OK;
}

static wk_status gram(wk_row_space *s, const wk_context *ctx, wk_error *err) {
  size_t d = (size_t)s->columns;
  double *wide = wk_alloc_array(s->rows, d * sizeof *wide);
  if (!wide)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for comparing %zu photos", s->rows);
  for (size_t r = 0; r < s->rows; r++)
    for (size_t j = 0; j < d; j++)
      wide[r * d + j] = s->row[r][j];
  gram_work w = {s, wide};
  wk_status st = wk_parallel(ctx, 0, (s->rows + ROW_BLOCK - 1) / ROW_BLOCK, gram_job, &w, err);
  wk_free(wide);
  return st;
}

/* Each step takes the row that the basis explains worst and adds its unexplained part to the basis. L is built row by
 * row beside K: column k of L needs K's column of the pivot and the columns before it. */
static wk_status factorise(wk_row_space *s, wk_error *err) {
  size_t n = s->rows;
  wk_status st = WK_OK;
  double *lower = wk_calloc(n, n * sizeof *lower);
  double *left = wk_alloc_array(n, sizeof *left); /* squared length of each row's unexplained part */
  WK_FAIL_IF(!lower || !left, err, WK_ERR_MEMORY, "out of memory for comparing %zu photos", n);
  double largest = 0;
  for (size_t i = 0; i < n; i++) {
    left[i] = s->factor[i * n + i];
    largest = left[i] > largest ? left[i] : largest;
  }
  for (s->rank = 0; (size_t)s->rank < n; s->rank++) {
    size_t k = (size_t)s->rank, p = 0;
    for (size_t i = 1; i < n; i++)
      p = left[i] > left[p] ? i : p;
    if (!(left[p] > RANK_TOLERANCE * largest))
      break;
    double root = sqrt(left[p]);
    const double *base = lower + p * n;
    for (size_t i = 0; i < n; i++) {
      if (left[i] < 0 || i == p) /* already a pivot */
        continue;
      double *l = lower + i * n, dot = 0;
      for (size_t j = 0; j < k; j++)
        dot += l[j] * base[j];
      l[k] = (s->factor[i * n + p] - dot) / root;
      left[i] = fmax(0, left[i] - l[k] * l[k]);
    }
    lower[p * n + k] = root;
    left[p] = -1;
    s->pivot[k] = (uint32_t)p;
  }
  double *old = s->factor;
  s->factor = lower;
  lower = old;
done:
  wk_free(lower);
  wk_free(left);
  return st;
}

wk_status wk_row_space_create(wk_row_space **out, const float *const *row, size_t rows, int columns,
                              const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  wk_row_space *s = wk_calloc(1, sizeof *s);
  if (!s)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for comparing %zu photos", rows);
  s->row = row;
  s->rows = rows;
  s->columns = columns;
  s->factor = wk_alloc_array(rows, rows * sizeof *s->factor);
  s->pivot = wk_alloc_array(rows, sizeof *s->pivot);
  WK_FAIL_IF(!s->factor || !s->pivot, err, WK_ERR_MEMORY, "out of memory for comparing %zu photos", rows);
  WK_TRY(gram(s, ctx, err));
  WK_TRY(factorise(s, err));
  s->width = (s->rank + WHOLE - 1) / WHOLE * WHOLE;
  s->width = s->width ? s->width : WHOLE; /* all rows alike */
  size_t width = (size_t)s->width;
  s->coordinate = wk_calloc(rows, width * sizeof *s->coordinate);
  WK_FAIL_IF(!s->coordinate, err, WK_ERR_MEMORY, "out of memory for comparing %zu photos", rows);
  for (size_t r = 0; r < rows; r++)
    for (int k = 0; k < s->rank; k++)
      s->coordinate[r * width + (size_t)k] = (float)s->factor[r * rows + (size_t)k];
  *out = s;
  s = NULL;
done:
  wk_row_space_free(s);
  return st;
}

typedef struct expand_work {
  const wk_row_space *s;
  const float **row;
  const double *share;
  double *outside;
  int classes;
} expand_work;

static wk_status expand_job(void *user, size_t index, int worker, wk_error *err) {
  (void)worker, (void)err;
  expand_work *w = user;
  int first = (int)index * COLUMN_BLOCK;
  int last = w->s->columns - first < COLUMN_BLOCK ? w->s->columns : first + COLUMN_BLOCK;
  gradient_of[wk_cpu_isa()](w->outside, w->row, (size_t)w->s->rank, w->share, w->classes, w->s->columns, first, last,
                            false);
  return WK_OK;
}

/* The pivots' coordinates P are triangular and their rows are P times the basis, so the classifier is inside * inv(P)
 * times those rows: back substitution gives each pivot's share. */
wk_status wk_row_space_expand(double *outside, const wk_row_space *s, const double *inside, int classes,
                              const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  size_t rank = (size_t)s->rank, width = (size_t)s->width, k = (size_t)classes;
  const float **row = wk_alloc_array(rank, sizeof *row);
  double *share = wk_alloc_array(rank, k * sizeof *share); /* [rank, classes] */
  WK_FAIL_IF(!row || !share, err, WK_ERR_MEMORY, "out of memory for a classifier of %d classes", classes);
  for (size_t i = 0; i < rank; i++)
    row[i] = s->row[s->pivot[i]];
  for (size_t i = rank; i-- > 0;) {
    double *to = share + i * k;
    for (size_t c = 0; c < k; c++)
      to[c] = inside[c * width + i];
    for (size_t m = i + 1; m < rank; m++) {
      double l = s->factor[s->pivot[m] * s->rows + i];
      for (size_t c = 0; c < k; c++)
        to[c] -= share[m * k + c] * l;
    }
    double l = s->factor[s->pivot[i] * s->rows + i];
    for (size_t c = 0; c < k; c++)
      to[c] /= l;
  }
  expand_work w = {s, row, share, outside, classes};
  size_t blocks = ((size_t)s->columns + COLUMN_BLOCK - 1) / COLUMN_BLOCK;
  st = wk_parallel(ctx, 0, blocks, expand_job, &w, err);
done:
  wk_free(row);
  wk_free(share);
  return st;
}

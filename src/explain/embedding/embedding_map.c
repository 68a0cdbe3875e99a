/* embedding_map.c - photos laid out by their features: lengths made equal, reduced to their main directions, then to
 * two. Also which photos are most alike, by the cosine of the whole features. */
#include "explain/option_tables.h"
#include "whisker/embedding_map.h"

#include <math.h>
#include <string.h>

#include "explain/embedding/eigen.h"
#include "explain/embedding/tsne.h"
#include "train/probe/matrix_products.h"

/* Photos whose reduced features are nearest, among which the most alike by the whole features are looked for. */
#define CANDIDATES 32
#define ROW_BLOCK 64

static const wk_product_scores_fn scores_of[] = WK_ISA_TABLE(wk_product_scores);

static const char *const methods[] = {"tsne", "pca", NULL};
static const wk_option option_rows[] = {{.name = "method",
                                  WK_ROW_CHOICE(wk_embedding_map_options, method, methods),
                                  .placeholder = "METHOD",
                                  .help = "t-SNE, or the first two principal components"},
                                 {.name = "columns",
                                  WK_ROW_INT(wk_embedding_map_options, columns),
                                  .value = 50,
                                  .min = 1,
                                  .max = 512,
                                  .flags = WK_OPTION_NO_FLAG,
                                  .help = "principal components that features are reduced to first"},
                                 {.name = "neighbours",
                                  WK_ROW_INT(wk_embedding_map_options, neighbours),
                                  .value = 8,
                                  .min = 1,
                                  .max = CANDIDATES,
                                  .flags = WK_OPTION_NO_FLAG,
                                  .help = "most similar photos that are kept for each"},
                                 {WK_ROW_PART(wk_embedding_map_options, tsne, &wk_tsne_table)},
                                 {0}};
const wk_option_table wk_embedding_map_table = {"embedding_map_options", sizeof(wk_embedding_map_options), option_rows, NULL};
const wk_option_table *wk_embedding_map_options_table(void) { return &wk_embedding_map_table; }

void wk_embedding_map_options_init(wk_embedding_map_options *o) { wk_options_init(o, &wk_embedding_map_table); }

void wk_embedding_map_free(wk_embedding_map *a) {
  if (!a)
    return;
  wk_free(a->xy);
  wk_free(a->near);
  wk_free(a->cosine);
  wk_free(a);
}

static double inverse_length(const float *x, int columns) {
  double s = 0;
  for (int i = 0; i < columns; i++)
    s += (double)x[i] * (double)x[i];
  return s > 0 ? 1 / sqrt(s) : 0;
}

/* Puts (cosine, index) into its place among the n best so far, best first; candidates come in any order. */
static int insert(float *cosine, uint32_t *index, int n, int k, float c, uint32_t of) {
  int at = n;
  while (at > 0 && (cosine[at - 1] < c || (cosine[at - 1] == c && index[at - 1] > of)))
    at--;
  if (at == k)
    return n;
  int last = n < k ? n : k - 1;
  memmove(cosine + at + 1, cosine + at, (size_t)(last - at) * sizeof *cosine);
  memmove(index + at + 1, index + at, (size_t)(last - at) * sizeof *index);
  cosine[at] = c;
  index[at] = of;
  return last + 1;
}

/* ---- most alike --------------------------------------------------------------------------------- */

wk_status wk_nearest(size_t *index, float *cosine, int k, const float *query, const float *x, size_t rows, int columns,
                     wk_error *err) {
  if (k < 1 || (size_t)k > rows || rows > UINT32_MAX)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "the %d most similar of %zu photos: there are not that many", k, rows);
  wk_status st = WK_OK;
  uint32_t *best = wk_alloc_array((size_t)k, sizeof *best);
  float *c = wk_alloc_array((size_t)k, sizeof *c);
  double *wide = wk_alloc_array((size_t)columns, sizeof *wide);
  WK_FAIL_IF(!best || !c || !wide, err, WK_ERR_MEMORY, "out of memory for comparing photos");
  double scale = inverse_length(query, columns);
  for (int i = 0; i < columns; i++)
    wide[i] = (double)query[i] * scale;
  int found = 0;
  for (size_t r = 0; r < rows; r++) {
    const float *row = x + r * (size_t)columns;
    double dot;
    scores_of[wk_cpu_isa()](&dot, &row, 1, wide, 1, columns);
    found = insert(c, best, found, k, (float)(dot * inverse_length(row, columns)), (uint32_t)r);
  }
  for (int i = 0; i < k; i++) {
    index[i] = best[i];
    cosine[i] = c[i];
  }
done:
  wk_free(best);
  wk_free(c);
  wk_free(wide);
  return st;
}

typedef struct rank {
  wk_embedding_map *a;
  const float *x;
  const double *scale;
  double *wide; /* [threads, columns] */
  int columns, k;
  const uint32_t *candidate; /* [rows, k], nearest first */
} rank;

static wk_status rank_job(void *user, size_t block, int worker, wk_error *err) {
  (void)err;
  rank *w = user;
  size_t d = (size_t)w->columns, keep = (size_t)w->a->neighbours;
  int many = w->k < CANDIDATES ? w->k : CANDIDATES;
  double *wide = w->wide + (size_t)worker * d, dot[CANDIDATES];
  const float *row[CANDIDATES];
  for (size_t r = block * ROW_BLOCK; r < w->a->rows && r < (block + 1) * ROW_BLOCK; r++) {
    const uint32_t *candidate = w->candidate + r * (size_t)w->k;
    for (size_t i = 0; i < d; i++)
      wide[i] = (double)w->x[r * d + i] * w->scale[r];
    for (int j = 0; j < many; j++)
      row[j] = w->x + candidate[j] * d;
    scores_of[wk_cpu_isa()](dot, row, (size_t)many, wide, 1, w->columns);
    int found = 0;
    for (int j = 0; j < many; j++)
      found = insert(w->a->cosine + r * keep, w->a->near + r * keep, found, (int)keep,
                     (float)(dot[j] * w->scale[candidate[j]]), candidate[j]);
  }
  return WK_OK;
}

/* ---- the map ------------------------------------------------------------------------------------ */

/* Into 0..1, the longer side filled and the shorter in the middle. */
static void fit(float *xy, size_t rows) {
  float low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY};
  for (size_t i = 0; i < 2 * rows; i++) {
    low[i & 1] = fminf(low[i & 1], xy[i]);
    high[i & 1] = fmaxf(high[i & 1], xy[i]);
  }
  float side = fmaxf(high[0] - low[0], high[1] - low[1]);
  for (size_t i = 0; i < 2 * rows; i++) {
    int c = (int)(i & 1);
    float v = side > 0 ? (xy[i] - (low[c] + high[c]) / 2) / side : 0;
    xy[i] = fminf(1, fmaxf(0, 0.5f + (c ? -v : v)));
  }
}

typedef struct work {
  double *scale;
  float *reduced, *square;
  uint32_t *index;
  double *wide;
  int columns, k;
} work;

static wk_status reduce(work *w, wk_embedding_map *a, const float *x, int columns, const wk_embedding_map_options *o,
                        const wk_context *ctx, wk_error *err) {
  size_t n = a->rows, least = n < (size_t)columns ? n : (size_t)columns;
  w->columns = (size_t)o->columns < least ? o->columns : (int)least;
  w->k = wk_tsne_neighbours(n, &o->tsne);
  if (w->k < CANDIDATES)
    w->k = n - 1 < CANDIDATES ? (int)(n - 1) : CANDIDATES;
  a->neighbours = o->neighbours < w->k ? o->neighbours : w->k;
  a->neighbours = a->neighbours < CANDIDATES ? a->neighbours : CANDIDATES;
  w->scale = wk_alloc_array(n, sizeof *w->scale);
  w->reduced = wk_alloc_array(n, (size_t)w->columns * sizeof *w->reduced);
  w->index = wk_alloc_array(n, (size_t)w->k * sizeof *w->index);
  w->square = wk_alloc_array(n, (size_t)w->k * sizeof *w->square);
  w->wide = wk_alloc_array((size_t)wk_context_threads(ctx), (size_t)columns * sizeof *w->wide);
  a->near = wk_alloc_array(n, (size_t)a->neighbours * sizeof *a->near);
  a->cosine = wk_alloc_array(n, (size_t)a->neighbours * sizeof *a->cosine);
  double *share = wk_alloc_array((size_t)w->columns, sizeof *share);
  if (!w->scale || !w->reduced || !w->index || !w->square || !w->wide || !a->near || !a->cosine || !share) {
    wk_free(share);
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a map of %zu photos", n);
  }
  for (size_t r = 0; r < n; r++)
    w->scale[r] = inverse_length(x + r * (size_t)columns, columns);
  wk_status st = wk_pca_scaled(w->reduced, share, x, w->scale, n, columns, w->columns, ctx, err);
  for (int i = 0; i < w->columns && st == WK_OK; i++)
    a->variance += share[i];
  wk_free(share);
  return st;
}

/* One photo is its own map. */
static wk_status alone(wk_embedding_map *a, wk_error *err) {
  a->xy[0] = a->xy[1] = 0.5f;
  a->variance = 1;
  a->near = wk_alloc(1);
  a->cosine = wk_alloc(1);
  return a->near && a->cosine ? WK_OK : WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a map");
}

wk_status wk_embedding_map_make(wk_embedding_map **out, const float *x, size_t rows, int columns,
                                const wk_embedding_map_options *o, const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  wk_embedding_map_options defaults;
  wk_embedding_map_options_init(&defaults);
  o = o ? o : &defaults;
  work w = {0};
  if (!rows || columns < 1 || rows > UINT32_MAX / 8)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a map of %zu photos: expected at least one", rows);
  WK_RETURN_IF_ERROR(wk_options_validate(o, &wk_embedding_map_table, err));
  wk_embedding_map *a = wk_calloc(1, sizeof *a);
  WK_FAIL_IF(!a, err, WK_ERR_MEMORY, "out of memory for a map");
  a->rows = rows;
  a->kl = NAN;
  a->xy = wk_alloc_array(rows, 2 * sizeof *a->xy);
  WK_FAIL_IF(!a->xy, err, WK_ERR_MEMORY, "out of memory for a map of %zu photos", rows);
  if (rows == 1) {
    WK_TRY(alone(a, err));
  } else {
    WK_TRY(reduce(&w, a, x, columns, o, ctx, err));
    WK_TRY(wk_neighbours(w.index, w.square, w.reduced, rows, w.columns, w.k, "neighbours", ctx, err));
    rank r = {a, x, w.scale, w.wide, columns, w.k, w.index};
    WK_TRY(wk_parallel(ctx, 0, (rows + ROW_BLOCK - 1) / ROW_BLOCK, rank_job, &r, err));
    if (o->method == WK_EMBEDDING_TSNE)
      WK_TRY(wk_tsne_layout(a->xy, &a->kl, w.reduced, rows, w.columns, w.index, w.square, w.k, &o->tsne, ctx, err));
    for (size_t i = 0; i < rows && o->method == WK_EMBEDDING_PCA; i++)
      for (int c = 0; c < 2; c++)
        a->xy[2 * i + (size_t)c] = c < w.columns ? w.reduced[i * (size_t)w.columns + (size_t)c] : 0;
    fit(a->xy, rows);
  }
  *out = a;
  a = NULL;
done:
  wk_embedding_map_free(a);
  wk_free(w.scale);
  wk_free(w.reduced);
  wk_free(w.index);
  wk_free(w.square);
  wk_free(w.wide);
  return st;
}

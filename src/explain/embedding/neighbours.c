/* neighbours.c - the nearest rows of every row, by comparing all with all in tiles that stay in the processor's caches.
 * For tens of thousands of rows with some dozens of columns that takes seconds, is exact, and needs no index. */
#include <math.h>
#include <string.h>

#include "explain/embedding/tsne.h"
#include "train/probe/matrix_products.h"

#define QUERIES 32
#define TILE 512

static const wk_product_scores_fn scores_of[] = WK_ISA_TABLE(wk_product_scores);

typedef struct search {
  const float **row;
  double *wide;   /* the same rows in double */
  double *length; /* squared */
  size_t rows;
  int columns, k;
  double *dots; /* [threads, QUERIES, TILE] */
  uint32_t *index;
  float *square;
  wk_progress progress;
  const wk_context *ctx;
} search;

/* The k best so far as a heap whose top is the worst: the furthest, of equals the latest. */
static bool worse(const float *square, const uint32_t *index, int a, int b) {
  return square[a] > square[b] || (square[a] == square[b] && index[a] > index[b]);
}

static void swap(float *square, uint32_t *index, int a, int b) {
  float s = square[a];
  uint32_t i = index[a];
  square[a] = square[b], index[a] = index[b];
  square[b] = s, index[b] = i;
}

static void sink(float *square, uint32_t *index, int n, int at) {
  for (int child; (child = 2 * at + 1) < n; at = child) {
    child += child + 1 < n && worse(square, index, child + 1, child);
    if (!worse(square, index, child, at))
      return;
    swap(square, index, at, child);
  }
}

static void offer(float *square, uint32_t *index, int *n, int k, float d, uint32_t of) {
  if (*n == k) {
    if (!(d < square[0])) /* candidates come in ascending order, so of equals the earlier is there already */
      return;
    square[0] = d, index[0] = of;
    sink(square, index, k, 0);
    return;
  }
  int at = (*n)++;
  square[at] = d, index[at] = of;
  for (; at > 0 && worse(square, index, at, (at - 1) / 2); at = (at - 1) / 2)
    swap(square, index, at, (at - 1) / 2);
}

static wk_status search_job(void *user, size_t block, int worker, wk_error *err) {
  search *s = user;
  size_t first = block * QUERIES, count = s->rows - first < QUERIES ? s->rows - first : QUERIES, k = (size_t)s->k;
  double *dots = s->dots + (size_t)worker * QUERIES * TILE;
  int found[QUERIES] = {0};
  if (wk_cancelled(s->ctx))
    return WK_FAIL(err, WK_ERR_CANCELLED, "stopped");
  for (size_t tile = 0; tile < s->rows; tile += TILE) {
    size_t width = s->rows - tile < TILE ? s->rows - tile : TILE;
    scores_of[wk_cpu_isa()](dots, s->row + first, count, s->wide + tile * (size_t)s->columns, (int)width, s->columns);
    for (size_t q = 0; q < count; q++) {
      size_t r = first + q;
      for (size_t j = 0; j < width; j++) {
        double d = s->length[r] + s->length[tile + j] - 2 * dots[q * width + j];
        if (tile + j != r)
          offer(s->square + r * k, s->index + r * k, &found[q], s->k, d > 0 ? (float)d : 0, (uint32_t)(tile + j));
      }
    }
  }
  for (size_t q = 0; q < count; q++) { /* a heap taken apart from the top ends up nearest first */
    size_t r = first + q;
    for (int n = s->k - 1; n > 0; n--) {
      swap(s->square + r * k, s->index + r * k, 0, n);
      sink(s->square + r * k, s->index + r * k, n, 0);
    }
  }
  wk_progress_add(&s->progress, count);
  return WK_OK;
}

wk_status wk_neighbours(uint32_t *index, float *square, const float *x, size_t rows, int columns, int k,
                        const char *stage, const wk_context *ctx, wk_error *err) {
  if (k < 1 || (size_t)k >= rows || rows > UINT32_MAX)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "%d neighbours of %zu rows: there are not that many others", k, rows);
  wk_status st = WK_OK;
  size_t d = (size_t)columns;
  search s = {.rows = rows, .columns = columns, .k = k, .index = index, .square = square, .ctx = ctx};
  s.row = wk_alloc_array(rows, sizeof *s.row);
  s.wide = wk_alloc_array(rows, d * sizeof *s.wide);
  s.length = wk_alloc_array(rows, sizeof *s.length);
  s.dots = wk_alloc_array((size_t)wk_context_threads(ctx), QUERIES * TILE * sizeof *s.dots);
  WK_FAIL_IF(!s.row || !s.wide || !s.length || !s.dots, err, WK_ERR_MEMORY, "out of memory for comparing %zu photos",
             rows);
  for (size_t r = 0; r < rows; r++) {
    double sum = 0;
    s.row[r] = x + r * d;
    for (size_t j = 0; j < d; j++) {
      double v = s.wide[r * d + j] = x[r * d + j];
      sum += v * v;
    }
    s.length[r] = sum;
  }
  if (stage)
    WK_TRY(wk_progress_begin(&s.progress, ctx, stage, rows, err));
  WK_TRY(wk_parallel(ctx, 0, (rows + QUERIES - 1) / QUERIES, search_job, &s, err));
done:
  wk_progress_end(&s.progress);
  wk_free(s.row);
  wk_free(s.wide);
  wk_free(s.length);
  wk_free(s.dots);
  return st;
}

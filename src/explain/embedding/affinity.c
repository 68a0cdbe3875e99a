/* affinity.c - from distances to the nearest rows to the affinities that t-SNE keeps (van der Maaten and Hinton, JMLR
 * 2008, section 2; restricted to neighbours as in van der Maaten, JMLR 2014, section 4.1). */
#include <math.h>
#include <string.h>

#include "explain/embedding/tsne.h"

#define ROW_BLOCK 64

typedef struct widths {
  uint32_t *index;
  float *square;
  float *p; /* [rows, k] of each row's neighbours, given the row; sums to 1 */
  size_t rows;
  int k;
  double entropy;
} widths;

static void sort_by_index(uint32_t *index, float *square, int k) {
  for (int i = 1; i < k; i++) {
    uint32_t at = index[i];
    float s = square[i];
    int j = i;
    for (; j > 0 && index[j - 1] > at; j--)
      index[j] = index[j - 1], square[j] = square[j - 1];
    index[j] = at, square[j] = s;
  }
}

/* The Gaussian whose entropy is the wanted one, by bisection of its precision. Distances are taken from the nearest, so
 * that nothing underflows. */
static void find_width(float *p, const float *square, int k, double entropy) {
  double low = 0, high = INFINITY, nearest = square[0], furthest = square[0];
  for (int j = 1; j < k; j++) {
    nearest = fmin(nearest, square[j]);
    furthest = fmax(furthest, square[j]);
  }
  double beta = furthest > nearest ? 1 / (furthest - nearest) : 1, sum = 0;
  for (int step = 0; step < 100; step++) {
    double along = 0;
    sum = 0;
    for (int j = 0; j < k; j++) {
      double d = square[j] - nearest, e = exp(-beta * d);
      sum += e;
      along += e * d;
    }
    double have = log(sum) + beta * along / sum;
    if (fabs(have - entropy) < 1e-5)
      break;
    if (have > entropy)
      low = beta;
    else
      high = beta;
    double next = isinf(high) ? beta * 2 : (low + high) / 2;
    if (!(next > 1e-300 && next < 1e300) || next == beta) /* all at one distance: no width gives this entropy */
      break;
    beta = next;
  }
  sum = 0;
  for (int j = 0; j < k; j++)
    sum += exp(-beta * (square[j] - nearest));
  for (int j = 0; j < k; j++)
    p[j] = (float)(exp(-beta * (square[j] - nearest)) / sum);
}

static wk_status width_job(void *user, size_t block, int worker, wk_error *err) {
  (void)worker, (void)err;
  widths *w = user;
  size_t k = (size_t)w->k;
  for (size_t r = block * ROW_BLOCK; r < w->rows && r < (block + 1) * ROW_BLOCK; r++) {
    sort_by_index(w->index + r * k, w->square + r * k, w->k);
    find_width(w->p + r * k, w->square + r * k, w->k, w->entropy);
  }
  return WK_OK;
}

/* Where row `of` is among the neighbours of row r; -1: it is none. */
static int place_of(const widths *w, size_t r, uint32_t of) {
  const uint32_t *list = w->index + r * (size_t)w->k;
  int low = 0, high = w->k - 1;
  while (low <= high) {
    int middle = (low + high) / 2;
    if (list[middle] == of)
      return middle;
    if (list[middle] < of)
      low = middle + 1;
    else
      high = middle - 1;
  }
  return -1;
}

/* Each row's own neighbours, then those that have it for a neighbour without being one. */
static wk_status make_symmetric(wk_affinity *a, const widths *w, wk_error *err) {
  wk_status st = WK_OK;
  size_t n = w->rows, k = (size_t)w->k;
  size_t *fill = wk_alloc_array(n, sizeof *fill);
  a->begin = wk_calloc(n + 1, sizeof *a->begin);
  WK_FAIL_IF(!fill || !a->begin, err, WK_ERR_MEMORY, "out of memory for the neighbours of %zu photos", n);
  for (size_t i = 0; i < n; i++) {
    a->begin[i + 1] += k;
    for (size_t j = 0; j < k; j++)
      if (place_of(w, w->index[i * k + j], (uint32_t)i) < 0)
        a->begin[w->index[i * k + j] + 1]++;
  }
  for (size_t i = 0; i < n; i++) {
    fill[i] = a->begin[i] + k;
    a->begin[i + 1] += a->begin[i];
  }
  a->to = wk_alloc_array(a->begin[n], sizeof *a->to);
  a->p = wk_alloc_array(a->begin[n], sizeof *a->p);
  WK_FAIL_IF(!a->to || !a->p, err, WK_ERR_MEMORY, "out of memory for the neighbours of %zu photos", n);
  double share = 1 / (2 * (double)n);
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < k; j++) {
      uint32_t other = w->index[i * k + j];
      int back = place_of(w, other, (uint32_t)i);
      double p = w->p[i * k + j], q = back < 0 ? 0 : w->p[other * k + (size_t)back];
      a->to[a->begin[i] + j] = other;
      a->p[a->begin[i] + j] = (float)((p + q) * share);
      if (back < 0) {
        a->to[fill[other]] = (uint32_t)i;
        a->p[fill[other]++] = (float)(p * share);
      }
    }
done:
  wk_free(fill);
  return st;
}

wk_status wk_affinity_create(wk_affinity *out, uint32_t *index, float *square, size_t rows, int k, double perplexity,
                             const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  wk_affinity a = {.rows = rows};
  widths w = {index, square, wk_alloc_array(rows, (size_t)k * sizeof *w.p), rows, k, log(perplexity)};
  WK_FAIL_IF(!w.p, err, WK_ERR_MEMORY, "out of memory for the neighbours of %zu photos", rows);
  WK_TRY(wk_parallel(ctx, 0, (rows + ROW_BLOCK - 1) / ROW_BLOCK, width_job, &w, err));
  WK_TRY(make_symmetric(&a, &w, err));
  *out = a;
  a = (wk_affinity){0};
done:
  wk_affinity_free(&a);
  wk_free(w.p);
  return st;
}

void wk_affinity_free(wk_affinity *a) {
  wk_free(a->begin);
  wk_free(a->to);
  wk_free(a->p);
  *a = (wk_affinity){0};
}

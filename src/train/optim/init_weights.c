/* init_weights.c - first values of weights. Each is drawn in the order of the array from the caller's own stream, so a
 * network starts the same on every machine. */
#include <math.h>
#include <string.h>

#include "base/base.h"
#include "train/option_tables.h"

const char *const wk_init_names[WK_INIT_COUNT + 1] = {"uniform", "normal",     "lecun",  "xavier",     "xavier_normal",
                                                      "he",      "he_uniform", "he_out", "orthogonal", NULL};

static void fill_uniform(float *w, size_t n, double bound, wk_rng *rng) {
  for (size_t i = 0; i < n; i++)
    w[i] = (float)(bound * (2 * wk_rng_uniform(rng) - 1));
}

static void fill_normal(float *w, size_t n, double deviation, wk_rng *rng) {
  for (size_t i = 0; i < n; i++)
    w[i] = (float)(deviation * wk_rng_normal(rng));
}

/* The Q of a random normal matrix, by Gram-Schmidt done twice (once is not enough in floating point; twice is: Giraud
 * et al. 2005). Normal rows make it uniform over the orthogonal matrices. With more rows than columns it is the columns
 * that are orthonormal. */
static wk_status fill_orthogonal(float *w, size_t rows, size_t columns, double gain, wk_rng *rng, wk_error *err) {
  bool tall = rows > columns;
  size_t m = tall ? columns : rows, n = tall ? rows : columns;
  double *q = wk_alloc_array(m, n * sizeof *q);
  if (!q)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for an orthogonal matrix of %zu x %zu", rows, columns);
  for (size_t i = 0; i < m * n; i++)
    q[i] = wk_rng_normal(rng);
  for (size_t i = 0; i < m; i++) {
    double *v = q + i * n, square = 0;
    for (int pass = 0; pass < 2; pass++)
      for (size_t j = 0; j < i; j++) {
        const double *u = q + j * n;
        double along = 0;
        for (size_t k = 0; k < n; k++)
          along += u[k] * v[k];
        for (size_t k = 0; k < n; k++)
          v[k] -= along * u[k];
      }
    for (size_t k = 0; k < n; k++)
      square += v[k] * v[k];
    double scale = 1 / sqrt(square);
    for (size_t k = 0; k < n; k++)
      v[k] *= scale;
  }
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < columns; c++)
      w[r * columns + c] = (float)(gain * (tall ? q[c * n + r] : q[r * n + c]));
  wk_free(q);
  return WK_OK;
}

wk_status wk_init_weight(float *weight, int ndim, const int64_t *shape, wk_init_kind kind, double gain, wk_rng *rng,
                         wk_error *err) {
  size_t out = ndim > 0 ? (size_t)shape[0] : 1, in = ndim > 1 ? (size_t)shape[1] : 1, window = 1;
  for (int i = 2; i < ndim; i++)
    window *= (size_t)shape[i];
  size_t n = out * in * window;
  double fan_in = (double)(in * window), fan_out = (double)(out * window);
  if (!n)
    return WK_OK;
  switch (kind) {
  case WK_INIT_UNIFORM:
    fill_uniform(weight, n, gain, rng);
    break;
  case WK_INIT_NORMAL:
    fill_normal(weight, n, gain, rng);
    break;
  case WK_INIT_LECUN:
    fill_normal(weight, n, gain / sqrt(fan_in), rng);
    break;
  case WK_INIT_XAVIER:
    fill_uniform(weight, n, gain * sqrt(6 / (fan_in + fan_out)), rng);
    break;
  case WK_INIT_XAVIER_NORMAL:
    fill_normal(weight, n, gain * sqrt(2 / (fan_in + fan_out)), rng);
    break;
  case WK_INIT_HE:
    fill_normal(weight, n, gain * sqrt(2 / fan_in), rng);
    break;
  case WK_INIT_HE_UNIFORM:
    fill_uniform(weight, n, gain * sqrt(6 / fan_in), rng);
    break;
  case WK_INIT_HE_OUT:
    fill_normal(weight, n, gain * sqrt(2 / fan_out), rng);
    break;
  case WK_INIT_ORTHOGONAL:
    return fill_orthogonal(weight, out, in * window, gain, rng, err);
  default:
    return WK_FAIL(err, WK_ERR_ARGUMENT, "there is no initialiser of kind %d", (int)kind);
  }
  return WK_OK;
}

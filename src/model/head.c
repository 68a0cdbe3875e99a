/* head.c - the three kinds of classifier that stand on a backbone's features, and their probabilities. Every sum is
 * taken in one fixed order, so a row's result depends on nothing but the row. */
#include <math.h>
#include <string.h>

#include "base/softmax.h"
#include "model/model.h"

enum { LANES = 16 }; /* partial sums of a dot product: independent, so compilers can use whole registers */

wk_status wk_head_alloc(wk_head **out, wk_head_kind kind, int classes, int features, int examples, wk_error *err) {
  bool knn = kind == WK_HEAD_KNN;
  if ((unsigned)kind > WK_HEAD_MEAN || classes < 1 || features < 1 || (knn && examples < 1))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a head of %d classes, %d features and %d examples cannot be", classes,
                   features, examples);
  wk_head *h = wk_calloc(1, sizeof *h);
  size_t rows = (size_t)(knn ? examples : classes), cells;
  if (h && !wk_mul_overflow(&cells, rows, (size_t)features)) {
    *h = (wk_head){.kind = kind, .class_count = classes, .feature_count = features, .temperature = 1};
    h->weight = wk_calloc(cells, sizeof *h->weight);
    if (kind == WK_HEAD_LINEAR)
      h->bias = wk_calloc((size_t)classes, sizeof *h->bias);
    if (knn) {
      h->example_label = wk_calloc((size_t)examples, sizeof *h->example_label);
      h->examples = examples;
      h->k = 1;
    }
  }
  if (!h || !h->weight || (kind == WK_HEAD_LINEAR && !h->bias) || (knn && !h->example_label)) {
    wk_head_free(h);
    return WK_FAIL(err, WK_ERR_MEMORY, "not enough memory for a head of %zu x %d weights", rows, features);
  }
  *out = h;
  return WK_OK;
}

void wk_head_free(wk_head *h) {
  if (!h)
    return;
  wk_free(h->weight);
  wk_free(h->bias);
  wk_free(h->example_label);
  wk_free(h);
}

static bool all_finite(const float *x, size_t n) {
  bool finite = true;
  for (size_t i = 0; i < n; i++)
    finite &= isfinite(x[i]) != 0;
  return finite;
}

wk_status wk_head_validate(const wk_head *h, wk_error *err) {
  bool knn = h->kind == WK_HEAD_KNN;
  size_t rows = (size_t)(knn ? h->examples : h->class_count);
  if (!(h->temperature > 0) || !isfinite(h->temperature))
    return WK_FAIL(err, WK_ERR_FORMAT, "the head's temperature is %g; it must be above 0", (double)h->temperature);
  if (!all_finite(h->weight, rows * (size_t)h->feature_count) ||
      (h->bias && !all_finite(h->bias, (size_t)h->class_count)))
    return WK_FAIL(err, WK_ERR_NUMERIC, "the head's weights hold values that are not numbers");
  if (knn && (h->k < 1 || h->k > WK_HEAD_MAX_K))
    return WK_FAIL(err, WK_ERR_FORMAT, "the head looks at %d neighbours; 1 to %d are possible", h->k, WK_HEAD_MAX_K);
  for (int i = 0; knn && i < h->examples; i++)
    if (h->example_label[i] < 0 || h->example_label[i] >= h->class_count)
      return WK_FAIL(err, WK_ERR_FORMAT, "the head's example %d is of class %d; there are %d classes", i,
                     h->example_label[i], h->class_count);
  return WK_OK;
}

/* ---- probabilities ---------------------------------------------------------------------------- */

static float dot(const float *a, const float *b, int n) {
  float sum[LANES] = {0};
  int i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int k = 0; k < LANES; k++)
      sum[k] += a[i + k] * b[i + k];
  for (int k = 0; i + k < n; k++)
    sum[k] += a[i + k] * b[i + k];
  for (int half = LANES / 2; half; half /= 2)
    for (int k = 0; k < half; k++)
      sum[k] += sum[k + half];
  return sum[0];
}

/* 1 / length; a row of zeros is similar to nothing. */
static float inverse_length(const float *x, int n) {
  float square = dot(x, x, n);
  return square > 0 ? 1 / sqrtf(square) : 0;
}

static void predict_linear(float *p, const wk_head *h, const float *x) {
  for (int c = 0; c < h->class_count; c++)
    p[c] = dot(h->weight + (size_t)c * (size_t)h->feature_count, x, h->feature_count) + h->bias[c];
  wk_scores_softmax(p, p, h->class_count, (double)h->temperature);
}

static void predict_mean(float *p, const wk_head *h, const float *x) {
  float scale = inverse_length(x, h->feature_count);
  for (int c = 0; c < h->class_count; c++)
    p[c] = dot(h->weight + (size_t)c * (size_t)h->feature_count, x, h->feature_count) * scale;
  wk_scores_softmax(p, p, h->class_count, (double)h->temperature);
}

/* The nearest examples vote with the softmax of their similarities. Of equally near ones the earlier counts. */
static void predict_knn(float *p, const wk_head *h, const float *x) {
  float similarity[WK_HEAD_MAX_K] = {0};
  int label[WK_HEAD_MAX_K], found = 0, k = h->k < h->examples ? h->k : h->examples;
  k = k < 1 ? 1 : k < WK_HEAD_MAX_K ? k : WK_HEAD_MAX_K;
  float scale = inverse_length(x, h->feature_count);
  for (int e = 0; e < h->examples; e++) {
    float s = dot(h->weight + (size_t)e * (size_t)h->feature_count, x, h->feature_count) * scale;
    if (found == k && !(s > similarity[k - 1]))
      continue;
    int at = found < k ? found++ : k - 1;
    for (; at > 0 && s > similarity[at - 1]; at--) {
      similarity[at] = similarity[at - 1];
      label[at] = label[at - 1];
    }
    similarity[at] = s;
    label[at] = h->example_label[e];
  }
  wk_scores_softmax(similarity, similarity, found, (double)h->temperature);
  memset(p, 0, (size_t)h->class_count * sizeof *p);
  for (int i = 0; i < found; i++)
    p[label[i]] += similarity[i];
}

void wk_head_predict(float *p, const wk_head *h, const float *features, size_t rows) {
  for (size_t r = 0; r < rows; r++) {
    float *out = p + r * (size_t)h->class_count;
    const float *x = features + r * (size_t)h->feature_count;
    if (h->kind == WK_HEAD_KNN)
      predict_knn(out, h, x);
    else if (h->kind == WK_HEAD_MEAN)
      predict_mean(out, h, x);
    else
      predict_linear(out, h, x);
  }
}

void wk_head_predict_features(float *p, const wk_head *h, const wk_features *f, size_t first, size_t last) {
  enum { AT_ONCE = 1024 };
  for (size_t r = first; r < last; r += AT_ONCE) {
    size_t n = last - r < AT_ONCE ? last - r : AT_ONCE;
    wk_head_predict(p + (r - first) * (size_t)h->class_count, h, f->row + r * (size_t)f->columns, n);
    wk_features_rest(f, r, r + n);
  }
}

/* test_kernels_linear.c - linear layers that train, against sums in double precision, for every instruction set; and
 * that a photo's results depend neither on how many there are nor on how threads share the layer. */
#include "nn/kernels/f32/linear.h"

#include "kernels_support.h"

typedef void (*forward_fn)(float *, const float *, const float *, const float *, int, int, int, int, int);
typedef void (*data_fn)(float *, const float *, const float *, int, int, int, int, int, bool);
typedef void (*weights_fn)(float *, float *, const float *, const float *, int, int, int, int, int);

static const forward_fn forward[] = WK_ISA_TABLE(wk_linear_forward);
static const data_fn data[] = WK_ISA_TABLE(wk_linear_data);
static const weights_fn weights[] = WK_ISA_TABLE(wk_linear_weights);

/* sum over k of a[k * stride_a] * b[k * stride_b] */
static double dot(const float *a, ptrdiff_t stride_a, const float *b, ptrdiff_t stride_b, int n) {
  double s = 0;
  for (int k = 0; k < n; k++)
    s += (double)a[k * stride_a] * (double)b[k * stride_b];
  return s;
}

typedef struct layer {
  int inputs, outputs, count;
  float *w, *bias, *x, *dy, *dx;
} layer;

static void check_forward(const layer *l, int isa, int cut) {
  const size_t n = (size_t)l->count * (size_t)l->outputs;
  float *y = nans(n), *one = nans((size_t)l->outputs);
  forward[isa](y, l->x, l->w, l->bias, l->inputs, l->outputs, 0, cut, l->count);
  forward[isa](y, l->x, l->w, l->bias, l->inputs, l->outputs, cut, l->outputs, l->count);
  for (int p = 0; p < l->count; p++) {
    const float *x = l->x + (ptrdiff_t)p * l->inputs;
    for (int o = 0; o < l->outputs; o++)
      assert_near(y[p * l->outputs + o],
                  dot(x, 1, l->w + (ptrdiff_t)o * l->inputs, 1, l->inputs) + (double)(l->bias ? l->bias[o] : 0),
                  1e-6 * l->inputs + 1e-6);
    forward[isa](one, x, l->w, l->bias, l->inputs, l->outputs, 0, l->outputs, 1);
    assert_memory_equal(one, y + (ptrdiff_t)p * l->outputs, (size_t)l->outputs * sizeof *y);
  }
  free(y);
  free(one);
}

static void check_data(const layer *l, int isa, int cut, bool accumulate) {
  const size_t n = (size_t)l->count * (size_t)l->inputs;
  float *dx = nans(n), *one = nans((size_t)l->inputs);
  if (accumulate)
    memcpy(dx, l->dx, n * sizeof *dx);
  data[isa](dx, l->dy, l->w, l->inputs, l->outputs, 0, cut, l->count, accumulate);
  data[isa](dx, l->dy, l->w, l->inputs, l->outputs, cut, l->inputs, l->count, accumulate);
  for (int p = 0; p < l->count; p++) {
    const float *dy = l->dy + (ptrdiff_t)p * l->outputs, *before = l->dx + (ptrdiff_t)p * l->inputs;
    for (int i = 0; i < l->inputs; i++)
      assert_near(dx[p * l->inputs + i],
                  dot(dy, 1, l->w + i, l->inputs, l->outputs) + (accumulate ? (double)before[i] : 0),
                  1e-6 * l->outputs + 1e-6);
    memcpy(one, before, (size_t)l->inputs * sizeof *one);
    data[isa](one, dy, l->w, l->inputs, l->outputs, 0, l->inputs, 1, accumulate);
    assert_memory_equal(one, dx + (ptrdiff_t)p * l->inputs, (size_t)l->inputs * sizeof *dx);
  }
  free(dx);
  free(one);
}

static void check_weights(const layer *l, int isa, int cut) {
  float *dw = nans((size_t)l->outputs * (size_t)l->inputs), *db = nans((size_t)l->outputs);
  weights[isa](dw, db, l->x, l->dy, l->inputs, l->outputs, 0, cut, l->count);
  weights[isa](dw, db, l->x, l->dy, l->inputs, l->outputs, cut, l->outputs, l->count);
  static const float ones[] = {1};
  for (int o = 0; o < l->outputs; o++) {
    assert_near(db[o], dot(l->dy + o, l->outputs, ones, 0, l->count), 1e-5);
    for (int i = 0; i < l->inputs; i++)
      assert_near(dw[(ptrdiff_t)o * l->inputs + i], dot(l->dy + o, l->outputs, l->x + i, l->inputs, l->count), 1e-5);
  }
  free(dw);
  free(db);
}

static void ragged(void **state) {
  (void)state;
  static const int inputs[] = {1, 7, 16, 33, 64, 100, 2048, 2085}, outputs[] = {1, 3, 4, 33, 70},
                   counts[] = {1, 3, 4, 9};
  wk_rng rng;
  wk_rng_init(&rng, 11, 0);
  for (int isa = WK_ISA_C; isa <= (int)wk_cpu_isa(); isa++)
    for (size_t a = 0; a < sizeof inputs / sizeof *inputs; a++)
      for (size_t b = 0; b < sizeof outputs / sizeof *outputs; b++)
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
          layer l = {.inputs = inputs[a], .outputs = outputs[b], .count = counts[c]};
          const size_t in = (size_t)l.inputs, out = (size_t)l.outputs, n = (size_t)l.count;
          l.w = numbers(&rng, in * out), l.bias = b % 2 ? numbers(&rng, out) : NULL;
          l.x = numbers(&rng, in * n), l.dy = numbers(&rng, out * n), l.dx = numbers(&rng, in * n);
          for (size_t i = 0; i < out * n; i++) /* as behind ReLU: some for one photo, some for all */
            l.dy[i] = i % out % 3 == 1 || i % 5 == 0 ? 0 : l.dy[i];
          const int rows = l.outputs > 32 ? 32 : l.outputs, columns = l.inputs > 64 ? 64 : l.inputs;
          check_forward(&l, isa, rows);
          check_data(&l, isa, columns, false);
          check_data(&l, isa, columns, true);
          check_weights(&l, isa, rows);
          free(l.w), free(l.bias), free(l.x), free(l.dy), free(l.dx);
        }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(ragged)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_probe.c - the probe from inside: gradient, threads, degenerate data, every allocation failing. */
#include "support.h"
#include "train/metrics/temperature_scaling.h"
#include "train/probe/l2_search.h"
#include "train/probe/logreg.h"
#include "train/probe/matrix_products.h"
#include "train/probe/row_space.h"
#include "whisker/metrics.h"
#include "whisker/probe.h"

/* ---- data -------------------------------------------------------------------------------------- */

typedef struct blobs {
  float *x;
  int *y;
  const float **row;
  double *weight;
  size_t rows;
  int columns, classes;
} blobs;

/* Classes are balls around random centres, `apart` deviations from the origin. */
static blobs make_blobs(size_t rows, int columns, int classes, double apart, uint64_t seed) {
  blobs b = {.rows = rows, .columns = columns, .classes = classes};
  size_t d = (size_t)columns;
  b.x = malloc(rows * d * sizeof *b.x);
  b.y = malloc(rows * sizeof *b.y);
  b.row = malloc(rows * sizeof *b.row);
  b.weight = malloc(rows * sizeof *b.weight);
  assert_true(b.x && b.y && b.row && b.weight);
  wk_rng noise;
  wk_rng_init(&noise, seed, 0);
  for (size_t r = 0; r < rows; r++) {
    b.y[r] = (int)(r % (size_t)classes);
    b.row[r] = b.x + r * d;
    b.weight[r] = 1.0 / (double)rows;
    wk_rng centre;
    wk_rng_init(&centre, seed, 1 + (uint64_t)b.y[r]);
    for (size_t j = 0; j < d; j++)
      b.x[r * d + j] = (float)(apart * wk_rng_normal(&centre) / sqrt((double)columns) + wk_rng_normal(&noise));
  }
  return b;
}

static void free_blobs(blobs *b) {
  free(b->x);
  free(b->y);
  free(b->row);
  free(b->weight);
}

static wk_status fit(wk_head **h, wk_probe_report *report, const blobs *b, const wk_probe_options *o, int threads,
                     wk_error *err) {
  wk_context ctx;
  wk_context_init(&ctx);
  ctx.threads = threads;
  return wk_probe_fit(h, report, b->x, b->y, b->rows, b->columns, b->classes, o, &ctx, err);
}

static double accuracy(const wk_head *h, const blobs *b) {
  float *p = malloc(b->rows * (size_t)b->classes * sizeof *p);
  assert_non_null(p);
  wk_head_predict(p, h, b->x, b->rows);
  wk_metrics *m = NULL;
  wk_error err;
  assert_ok(wk_metrics_compute(&m, p, b->y, b->rows, b->classes, 0, &err), &err);
  double top1 = m->top1.value;
  wk_metrics_free(m);
  free(p);
  return top1;
}

/* ---- the products ------------------------------------------------------------------------------ */

static const wk_product_scores_fn scores_of[] = WK_ISA_TABLE(wk_product_scores);
static const wk_product_gradient_fn gradient_of[] = WK_ISA_TABLE(wk_product_gradient);

/* Every instruction set against the plain sum; sizes around the tiles. Sums of up to 150 doubles: 1e-12 is generous. */
static void products_agree(void **state) {
  (void)state;
  static const int shapes[][3] = {{1, 1, 1}, {3, 7, 2}, {4, 8, 4}, {5, 33, 3}, {9, 150, 6}, {13, 64, 37}, {64, 31, 5}};
  for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
    int rows = shapes[s][0], d = shapes[s][1], k = shapes[s][2];
    blobs b = make_blobs((size_t)rows, d, k, 1, 11 + s);
    double *w = malloc(sizeof *w * (size_t)(k * d)), *p = malloc(sizeof *p * (size_t)(rows * k));
    double *score = malloc(sizeof *score * (size_t)(rows * k)), *g = malloc(sizeof *g * (size_t)(k * d));
    wk_rng rng;
    wk_rng_init(&rng, 5, s);
    for (int i = 0; i < k * d; i++)
      w[i] = wk_rng_normal(&rng);
    for (int i = 0; i < rows * k; i++)
      p[i] = wk_rng_normal(&rng);
    for (int isa = 0; isa <= (int)wk_cpu_isa(); isa++) {
      scores_of[isa](score, b.row, (size_t)rows, w, k, d);
      for (int half = d / 2, part = 0; part < 2; part++)
        gradient_of[isa](g, b.row, (size_t)rows, p, k, d, part ? half : 0, part ? d : half, false);
      double *again = malloc(sizeof *again * (size_t)(k * d)); /* the same in two calls: the same bits */
      gradient_of[isa](again, b.row, (size_t)rows / 3, p, k, d, 0, d, false);
      gradient_of[isa](again, b.row + rows / 3, (size_t)(rows - rows / 3), p + rows / 3 * k, k, d, 0, d, true);
      assert_memory_equal(again, g, sizeof *g * (size_t)(k * d));
      free(again);
      for (int r = 0; r < rows; r++)
        for (int c = 0; c < k; c++) {
          double want = 0;
          for (int j = 0; j < d; j++)
            want += (double)b.row[r][j] * w[c * d + j];
          assert_near(score[r * k + c], want, 1e-12);
        }
      for (int c = 0; c < k; c++)
        for (int j = 0; j < d; j++) {
          double want = 0;
          for (int r = 0; r < rows; r++)
            want += (double)b.row[r][j] * p[r * k + c];
          assert_near(g[c * d + j], want, 1e-12);
        }
    }
    free(w), free(p), free(score), free(g);
    free_blobs(&b);
  }
}

/* Central differences: the error of a step of 1e-5 is about 1e-10, and rounding adds 1e-16 / 1e-5. */
static void gradient_is_the_slope(void **state) {
  (void)state;
  blobs b = make_blobs(70, 9, 4, 2, 3);
  for (size_t r = 0; r < b.rows; r++)
    b.weight[r] = (double)(1 + r % 3) / 139.0;
  wk_logreg p = {b.row, b.y, b.weight, b.rows, b.columns, b.classes, NULL, NULL, false};
  size_t n = wk_logreg_params(b.classes, b.columns);
  double *params = malloc(n * sizeof *params), *g = malloc(n * sizeof *g);
  wk_rng rng;
  wk_rng_init(&rng, 9, 9);
  for (size_t i = 0; i < n; i++)
    params[i] = 0.5 * wk_rng_normal(&rng);
  wk_error err;
  double value;
  assert_ok(wk_logreg_objective(&value, g, NULL, &p, params, 0.3, 1, NULL, &err), &err);
  for (size_t i = 0; i < n; i++) {
    double up, down, at = params[i], h = 1e-5;
    params[i] = at + h;
    assert_ok(wk_logreg_objective(&up, NULL, NULL, &p, params, 0.3, 1, NULL, &err), &err);
    params[i] = at - h;
    assert_ok(wk_logreg_objective(&down, NULL, NULL, &p, params, 0.3, 1, NULL, &err), &err);
    params[i] = at;
    assert_near(g[i], (up - down) / (2 * h), 1e-9);
  }
  free(params), free(g);
  free_blobs(&b);
}

/* Rows that are standardised as they are read give what standardised copies give. */
static void standardised_without_a_copy(void **state) {
  (void)state;
  blobs b = make_blobs(70, 9, 4, 2, 3);
  double mean[9], scale[9], value[2], score[2][70 * 4];
  float *z = malloc(b.rows * 9 * sizeof *z);
  const float **row = malloc(b.rows * sizeof *row);
  for (int j = 0; j < 9; j++) {
    mean[j] = 3 - j;
    scale[j] = 0.25 * (1 + j); /* exact, so that the copy loses nothing but its last bit */
  }
  for (size_t r = 0; r < b.rows; r++) {
    row[r] = z + r * 9;
    for (int j = 0; j < 9; j++)
      z[r * 9 + (size_t)j] = (float)(((double)b.row[r][j] - mean[j]) / scale[j]);
    b.weight[r] = 1.0 / (double)b.rows;
  }
  wk_logreg p[2] = {{row, b.y, b.weight, b.rows, 9, b.classes, NULL, NULL, false},
                    {b.row, b.y, b.weight, b.rows, 9, b.classes, mean, scale, false}};
  size_t n = wk_logreg_params(b.classes, 9);
  double *params = malloc(n * sizeof *params), *g[2];
  wk_rng rng;
  wk_rng_init(&rng, 9, 9);
  for (size_t i = 0; i < n; i++)
    params[i] = 0.5 * wk_rng_normal(&rng);
  wk_error err;
  for (int k = 0; k < 2; k++) {
    g[k] = malloc(n * sizeof **g);
    assert_ok(wk_logreg_objective(&value[k], g[k], NULL, &p[k], params, 0.3, 2, NULL, &err), &err);
    assert_ok(wk_logreg_scores(score[k], p[k].row, b.rows, params, &p[k], 2, NULL, &err), &err);
  }
  /* A copy in single precision is off by 1e-7 of values up to some 30. */
  assert_near(value[0], value[1], 1e-5);
  for (size_t i = 0; i < n; i++)
    assert_near(g[0][i], g[1][i], 1e-5);
  for (size_t i = 0; i < b.rows * (size_t)b.classes; i++)
    assert_near(score[0][i], score[1][i], 1e-4);
  free(params), free(g[0]), free(g[1]), free(z), free(row);
  free_blobs(&b);
}

/* ---- the span ---------------------------------------------------------------------------------- */

static void span_keeps_inner_products(void **state) {
  (void)state;
  blobs b = make_blobs(20, 64, 4, 2, 4);
  memcpy(b.x + 7 * 64, b.x + 2 * 64, 64 * sizeof *b.x); /* a photo twice: rank 19 */
  wk_row_space *s = NULL;
  wk_error err;
  assert_ok(wk_row_space_create(&s, b.row, b.rows, 64, NULL, &err), &err);
  int width = wk_row_space_columns(s);
  assert_int_equal(width, 24); /* 19 in whole vectors */
  double inside[2 * 24], outside[2 * 64];
  wk_rng rng;
  wk_rng_init(&rng, 1, 1);
  for (int i = 0; i < 2 * 24; i++)
    inside[i] = i % 24 < 19 ? wk_rng_normal(&rng) : 0;
  assert_ok(wk_row_space_expand(outside, s, inside, 2, NULL, &err), &err);
  for (size_t r = 0; r < b.rows; r++)
    for (int c = 0; c < 2; c++) {
      double in = 0, out = 0;
      for (int j = 0; j < width; j++)
        in += inside[c * width + j] * (double)wk_row_space_row(s, r)[j];
      for (int j = 0; j < 64; j++)
        out += outside[c * 64 + j] * (double)b.x[r * 64 + (size_t)j];
      assert_near(in, out, 1e-5); /* coordinates are rounded to float */
    }
  double in = 0, out = 0;
  for (int i = 0; i < 24; i++)
    in += inside[i] * inside[i];
  for (int i = 0; i < 64; i++)
    out += outside[i] * outside[i];
  assert_near(in, out, 1e-9);
  wk_row_space_free(s);
  free_blobs(&b);
}

/* ---- the probe --------------------------------------------------------------------------------- */

static void learns_and_is_the_same_for_any_threads(void **state) {
  (void)state;
  static const struct {
    size_t rows;
    int columns, classes;
  } shapes[] = {{600, 40, 3}, {60, 200, 5}, {150, 33, 2}};
  for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
    for (int kind = WK_HEAD_LINEAR; kind <= WK_HEAD_MEAN; kind++) {
      blobs b = make_blobs(shapes[s].rows, shapes[s].columns, shapes[s].classes, 8, 20 + s);
      wk_probe_options o;
      wk_probe_options_init(&o);
      o.kind = (wk_head_kind)kind;
      wk_head *one = NULL, *four = NULL;
      wk_probe_report a, c;
      wk_error err;
      assert_ok(fit(&one, &a, &b, &o, 1, &err), &err);
      assert_ok(fit(&four, &c, &b, &o, 4, &err), &err);
      size_t n = (size_t)(kind == WK_HEAD_KNN ? one->examples : one->class_count) * (size_t)one->feature_count;
      assert_memory_equal(one->weight, four->weight, n * sizeof *one->weight);
      if (kind == WK_HEAD_LINEAR)
        assert_memory_equal(one->bias, four->bias, (size_t)one->class_count * sizeof *one->bias);
      assert_true(one->temperature == four->temperature);
      assert_true(a.held_out_top1 == c.held_out_top1);
      assert_true(accuracy(one, &b) > 0.97);
      assert_true(a.held_out_top1 > 0.9);
      assert_true(a.held_out_loss < 0.4);
      wk_head_free(one);
      wk_head_free(four);
      free_blobs(&b);
    }
}

/* A fit on more data with what was found on less gives a head with both numbers. */
static void l2_and_temperature_can_be_given(void **state) {
  (void)state;
  blobs b = make_blobs(90, 12, 3, 3, 31);
  wk_probe_options o;
  wk_probe_options_init(&o);
  wk_head *h = NULL, *again = NULL;
  wk_probe_report found, used;
  wk_error err;
  assert_ok(fit(&h, &found, &b, &o, 1, &err), &err);
  assert_true(found.cross_validated);
  assert_int_equal(found.held_out, 90);
  o.l2 = found.l2;
  o.temperature = found.temperature;
  assert_ok(fit(&again, &used, &b, &o, 1, &err), &err);
  assert_memory_equal(h->weight, again->weight, 36 * sizeof(float));
  assert_true(h->temperature == again->temperature);
  assert_true(isnan(used.held_out_top1));
  wk_head_free(h);
  wk_head_free(again);
  free_blobs(&b);
}

static void columns_that_never_change_are_harmless(void **state) {
  (void)state;
  blobs b = make_blobs(40, 10, 2, 6, 41);
  for (size_t r = 0; r < b.rows; r++) {
    b.x[r * 10 + 3] = 0;
    b.x[r * 10 + 7] = 1e6f;
  }
  wk_head *h = NULL;
  wk_error err;
  assert_ok(fit(&h, NULL, &b, NULL, 1, &err), &err);
  assert_true(accuracy(h, &b) > 0.9);
  wk_head_free(h);
  /* All photos alike: nothing to learn, but nothing breaks. */
  for (size_t i = 0; i < 40 * 10; i++)
    b.x[i] = 2.5f;
  for (int kind = WK_HEAD_LINEAR; kind <= WK_HEAD_MEAN; kind++) {
    wk_probe_options o;
    wk_probe_options_init(&o);
    o.kind = (wk_head_kind)kind;
    assert_ok(fit(&h, NULL, &b, &o, 1, &err), &err);
    float p[2 * 40];
    wk_head_predict(p, h, b.x, 40);
    assert_near((double)p[0] + (double)p[1], 1, 1e-6);
    wk_head_free(h);
  }
  free_blobs(&b);
}

static void few_photos_a_class(void **state) {
  (void)state;
  /* One photo a class: nothing can be held out. Then one class of one photo among larger ones. */
  for (size_t rows = 3; rows <= 7; rows += 4)
    for (int kind = WK_HEAD_LINEAR; kind <= WK_HEAD_MEAN; kind++) {
      blobs b = make_blobs(rows, 16, 3, 9, 51);
      if (rows == 7)
        b.y[5] = 1, b.y[2] = 2, b.y[6] = 0;
      wk_probe_options o;
      wk_probe_options_init(&o);
      o.kind = (wk_head_kind)kind;
      wk_head *h = NULL;
      wk_probe_report report;
      wk_error err;
      assert_ok(fit(&h, &report, &b, &o, 2, &err), &err);
      if (rows == 3 && kind != WK_HEAD_KNN) {
        assert_true(isnan(report.held_out_top1));
        assert_int_equal(report.held_out, 0);
      }
      assert_true(report.temperature > 0);
      wk_head_free(h);
      free_blobs(&b);
    }
}

static void balance_helps_the_rare_class(void **state) {
  (void)state;
  blobs b = make_blobs(220, 4, 2, 1.5, 61);
  size_t rare = 0;
  for (size_t r = 0; r < b.rows; r++) /* keep one of ten of class 1 */
    if (b.y[r] == 0 || r % 20 == 1) {
      memmove(b.x + rare * 4, b.x + r * 4, 4 * sizeof *b.x);
      b.y[rare++] = b.y[r];
    }
  b.rows = rare;
  wk_probe_options o;
  wk_probe_options_init(&o);
  o.l2 = 0.01;
  wk_head *plain = NULL, *balanced = NULL;
  wk_error err;
  assert_ok(fit(&plain, NULL, &b, &o, 1, &err), &err);
  o.balance = true;
  assert_ok(fit(&balanced, NULL, &b, &o, 1, &err), &err);
  float p[2], q[2], origin[4] = {0};
  wk_head_predict(p, plain, origin, 1);
  wk_head_predict(q, balanced, origin, 1);
  assert_true(q[1] > p[1] + 0.1f);
  wk_head_free(plain);
  wk_head_free(balanced);
  free_blobs(&b);
}

static void says_what_is_wrong(void **state) {
  (void)state;
  blobs b = make_blobs(30, 5, 3, 3, 71);
  wk_head *h = NULL;
  wk_error err;
  b.x[17 * 5 + 2] = NAN;
  assert_int_equal(fit(&h, NULL, &b, NULL, 1, &err), WK_ERR_NUMERIC);
  assert_non_null(strstr(err.message, "feature 2 of row 17"));
  b.x[17 * 5 + 2] = 0;
  b.y[4] = 3;
  assert_int_equal(fit(&h, NULL, &b, NULL, 1, &err), WK_ERR_ARGUMENT);
  assert_non_null(strstr(err.message, "row 4 has label 3"));
  b.y[4] = 1;
  b.classes = 4;
  assert_int_equal(fit(&h, NULL, &b, NULL, 1, &err), WK_ERR_ARGUMENT);
  assert_non_null(strstr(err.message, "class 3 has no photos"));
  b.classes = 1;
  assert_int_equal(fit(&h, NULL, &b, NULL, 1, &err), WK_ERR_ARGUMENT);
  assert_non_null(strstr(err.message, "at least two"));
  b.classes = 3;
  wk_probe_options good, o;
  wk_probe_options_init(&good);
  assert_ok(wk_probe_options_validate(&good, &err), &err);
  o = good;
  o.l2 = NAN;
  assert_int_equal(fit(&h, NULL, &b, &o, 1, &err), WK_ERR_ARGUMENT);
  o = good;
  o.folds = 1;
  assert_int_equal(fit(&h, NULL, &b, &o, 1, &err), WK_ERR_ARGUMENT);
  o = good;
  o.held_out = 1;
  assert_int_equal(fit(&h, NULL, &b, &o, 1, &err), WK_ERR_ARGUMENT);
  o = good;
  o.max_iterations = 0;
  assert_int_equal(fit(&h, NULL, &b, &o, 1, &err), WK_ERR_ARGUMENT);
  o = good;
  o.kind = WK_HEAD_KNN;
  o.k = WK_HEAD_MAX_K + 1;
  assert_int_equal(fit(&h, NULL, &b, &o, 1, &err), WK_ERR_ARGUMENT);
  assert_null(h);
  free_blobs(&b);
}

static bool stop(void *user) { return ++*(int *)user > 3; }

static void can_be_cancelled(void **state) {
  (void)state;
  blobs b = make_blobs(300, 20, 3, 3, 81);
  int polls = 0;
  wk_context ctx;
  wk_context_init(&ctx);
  ctx.threads = 1;
  ctx.cancelled = stop;
  ctx.user = &polls;
  wk_head *h = NULL;
  wk_error err;
  assert_int_equal(wk_probe_fit(&h, NULL, b.x, b.y, b.rows, b.columns, b.classes, NULL, &ctx, &err), WK_ERR_CANCELLED);
  assert_null(h);
  free_blobs(&b);
}

static void survives_every_failing_allocation(void **state) {
  (void)state;
  for (int kind = WK_HEAD_LINEAR; kind <= WK_HEAD_MEAN; kind++)
    for (int columns = 6; columns <= 60; columns += 54) {
      blobs b = make_blobs(24, columns, 2, 5, 91);
      wk_probe_options o;
      wk_probe_options_init(&o);
      o.kind = (wk_head_kind)kind;
      o.max_iterations = 2;
      wk_status st = WK_ERR_MEMORY;
      for (long n = 0; st != WK_OK; n = TEST_NEXT_ALLOCATION(n)) {
        wk_head *h = NULL;
        wk_error err;
        test_fail_allocation(n);
        st = fit(&h, NULL, &b, &o, 1, &err);
        test_fail_allocation(-1);
        if (st != WK_OK) {
          assert_int_equal(st, WK_ERR_MEMORY);
          assert_null(h);
        }
        wk_head_free(h);
        assert_true(n < 5000);
      }
      wk_set_allocator(NULL);
      free_blobs(&b);
    }
}

/* ---- metrics ----------------------------------------------------------------------------------- */

static void metrics_of_a_handful(void **state) {
  (void)state;
  const float p[] = {0.7f, 0.2f, 0.1f, 0.4f, 0.4f, 0.2f, 0, 1, 0, 0, 1, 0};
  const int y[] = {0, 1, 1, 2};
  wk_metrics *m = NULL;
  wk_error err;
  assert_ok(wk_metrics_compute(&m, p, y, 4, 3, 2, &err), &err);
  assert_near(m->top1.value, 0.5, 0); /* the tie of row 1 goes to class 0 */
  assert_near(m->topk.value, 0.75, 0);
  assert_near(m->loss.value, (-log((double)0.7f) - log((double)0.4f) - 0 - log(1e-15)) / 4, 1e-12);
  assert_int_equal(m->confusion[1 * 3 + 0], 1);
  assert_int_equal(m->support[1], 2);
  assert_near(m->recall[1].value, 0.5, 0);
  assert_near(m->precision[1], 0.5, 0);
  assert_true(isnan(m->precision[2]));
  assert_near(m->recall[2].value, 0, 0);
  assert_true(m->ece.low <= m->ece.value && m->ece.value <= m->ece.high);
  assert_true(m->loss.low <= m->loss.value && m->loss.value <= m->loss.high);
  wk_metrics_free(m);
  assert_true(isnan(wk_wilson(0, 0).value));
  const float bad[] = {0.5f, NAN, 0.5f};
  assert_int_equal(wk_metrics_compute(&m, bad, y, 1, 3, 0, &err), WK_ERR_NUMERIC);
  assert_int_equal(wk_metrics_compute(&m, p, y, 0, 3, 0, &err), WK_ERR_ARGUMENT);
  assert_int_equal(wk_metrics_compute(&m, p, y, 4, 3, 4, &err), WK_ERR_ARGUMENT);
  assert_int_equal(wk_metrics_compute(&m, p, y, 4, 2, 0, &err), WK_ERR_ARGUMENT);
  for (long n = 0; n < 6; n++) {
    test_fail_allocation(n);
    assert_int_equal(wk_metrics_compute(&m, p, y, 4, 3, 2, &err), WK_ERR_MEMORY);
  }
  wk_set_allocator(NULL);
}

/* Scores that are twice too large, or all right: the temperature finds the factor, and stays finite. */
static void temperature_of_known_scores(void **state) {
  (void)state;
  enum { N = 4000, K = 3 };
  double *score = malloc(sizeof *score * N * K);
  int *y = malloc(sizeof *y * N);
  wk_rng rng;
  wk_rng_init(&rng, 3, 3);
  for (int r = 0; r < N; r++) {
    double e[K], sum = 0;
    for (int c = 0; c < K; c++) {
      double s = 2 * wk_rng_normal(&rng);
      sum += e[c] = exp(s);
      score[r * K + c] = 2 * s;
    }
    double u = wk_rng_uniform(&rng) * sum;
    y[r] = u < e[0] ? 0 : u < e[0] + e[1] ? 1 : 2;
  }
  double t = 1, loss;
  wk_temperature_fit(&t, &loss, score, y, NULL, N, K);
  assert_near(t, 2, 0.15); /* a few deviations of what 4,000 draws can tell */
  for (int r = 0; r < N; r++)
    for (int c = 0; c < K; c++)
      score[r * K + c] = c == y[r];
  t = 1;
  wk_temperature_fit(&t, &loss, score, y, NULL, 20, K);
  assert_true(t > 0.1 && t < 1 && loss > 0);
  for (int i = 0; i < 20 * K; i++)
    score[i] = 1; /* nothing to tell them apart by */
  t = 1;
  wk_temperature_fit(&t, &loss, score, y, NULL, 20, K);
  assert_true(t > 0 && isfinite(t));
  assert_near(loss, log(K), 1e-12);
  free(score);
  free(y);
}

/* More rows than are taken at once, in memory and in a mapped file: the same head, to the bit. */
static void rows_of_a_file(void **state) {
  (void)state;
  enum { ROWS = 2600, D = 900, K = 3 };
  blobs b = make_blobs(ROWS, D, K, 1, 77);
  size_t bytes = (size_t)ROWS * D * sizeof *b.x;
  char *dir = test_tmp_dir();
  void *room = NULL;
  wk_error err;
  assert_ok(wk_scratch_map(&room, dir, bytes, "features", &err), &err);
  memcpy(room, b.x, bytes);
  wk_probe_options o;
  wk_probe_options_init(&o);
  o.l2 = 0.1;
  o.max_iterations = 4;
  wk_head *h[2] = {NULL, NULL};
  for (int i = 0; i < 2; i++) {
    o.mapped = i == 1;
    assert_ok(wk_probe_fit(&h[i], NULL, i ? room : b.x, b.y, ROWS, D, K, &o, NULL, &err), &err);
  }
  assert_memory_equal(h[0]->weight, h[1]->weight, sizeof(float) * K * D);
  assert_memory_equal(h[0]->bias, h[1]->bias, sizeof(float) * K);
  assert_memory_equal(room, b.x, bytes);
  for (int i = 0; i < 2; i++)
    wk_head_free(h[i]);
  wk_scratch_unmap(room, bytes);
  assert_int_not_equal(wk_scratch_map(&room, "/proc/nowhere", bytes, "features", &err), WK_OK);
  test_tmp_remove(dir);
  free_blobs(&b);
}

/* ---- many classes ------------------------------------------------------------------------------ */

/* Log loss of a head's kind of scores on fresh photos, at the best temperature for them. */
static double fresh_loss(const wk_logreg *p, double l2, const blobs *fresh) {
  size_t cells = fresh->rows * (size_t)fresh->classes;
  double *params = calloc(wk_logreg_params(p->classes, p->columns), sizeof *params);
  double *score = malloc(cells * sizeof *score), loss, temperature;
  assert_true(params && score);
  wk_error err;
  assert_ok(wk_logreg_fit(params, NULL, p, l2, 1e-3, 500, 2, NULL, &err), &err);
  assert_ok(wk_logreg_scores(score, fresh->row, fresh->rows, params, p, 2, NULL, &err), &err);
  wk_temperature_fit(&temperature, &loss, score, fresh->y, fresh->weight, fresh->rows, fresh->classes);
  free(params), free(score);
  return loss;
}

static wk_probe_choice choose(double *start, const wk_logreg *p, int threads) {
  wk_context ctx;
  wk_context_init(&ctx);
  ctx.threads = threads;
  wk_probe_options o;
  wk_probe_options_init(&o);
  wk_probe_choice c;
  wk_progress progress = {0};
  wk_error err;
  assert_ok(wk_progress_begin(&progress, &ctx, "classifier", wk_probe_choice_steps(), &err), &err);
  assert_ok(wk_probe_choose_l2(&c, start, p, &o, &progress, &ctx, &err), &err);
  wk_progress_end(&progress);
  return c;
}

/* The penalty found on some of the classes serves all of them: ten times as strong or as weak is no better on photos
 * that nobody saw. And the search costs what is promised, counted in products: an evaluation of the loss on the two
 * folds of the sample takes at most 2e8, and all of it three fits, or ten seconds at 2e9 a second. */
static void many_classes_are_searched_by_a_sample(void **state) {
  (void)state;
  enum { K = 230, D = 512, EACH = 5 };
  /* The first rows are learned from, the others are photos that nobody saw. */
  blobs all = make_blobs((size_t)K * EACH * 2, D, K, 7, 77), b = all, fresh = all;
  b.rows = fresh.rows = (size_t)K * EACH;
  fresh.row = all.row + b.rows;
  fresh.y = all.y + b.rows;
  for (size_t r = 0; r < all.rows; r++)
    all.weight[r] = 1.0 / (double)b.rows;
  wk_logreg p = {b.row, b.y, b.weight, b.rows, D, K, NULL, NULL, false};
  const size_t n = wk_logreg_params(K, D);
  double *start[2] = {calloc(n, sizeof(double)), calloc(n, sizeof(double))};
  assert_true(start[0] && start[1]);
  wk_probe_choice c = choose(start[0], &p, 1), again = choose(start[1], &p, 2);
  assert_true(c.l2 == again.l2 && c.temperature == again.temperature && c.loss == again.loss && c.top1 == again.top1);
  assert_true(c.products == again.products);
  assert_memory_equal(start[0], start[1], n * sizeof(double));
  assert_in_range(c.classes_searched, 64, K - 1);
  assert_true(2.0 * EACH * c.classes_searched * c.classes_searched * D <= 2e8);
  assert_true(c.held_out > 0 && c.top1 > 0.2 && isfinite(c.loss));

  wk_logreg_result whole;
  wk_error err;
  memset(start[1], 0, n * sizeof(double));
  assert_ok(wk_logreg_fit(start[1], &whole, &p, c.l2, 1e-4, 500, 2, NULL, &err), &err);
  double fit = (double)whole.evaluations * (double)p.rows * K * D;
  if (!(c.products <= fmax(3 * fit, 2e10)))
    fail_msg("the search cost %.1f fits, %.3g products", c.products / fit, c.products);

  double here = fresh_loss(&p, c.l2, &fresh), stronger = fresh_loss(&p, 10 * c.l2, &fresh),
         weaker = fresh_loss(&p, c.l2 / 10, &fresh);
  print_message("l2 %g by %d of %d classes, %.2f fits, %.3g products: loss %.4f, stronger %.4f, weaker %.4f\n", c.l2,
                c.classes_searched, K, c.products / fit, c.products, here, stronger, weaker);
  assert_true(here <= stronger && here <= weaker);
  free(start[0]), free(start[1]);
  free_blobs(&all);
}

/* 2 (1 + 12 + 66) / 2^12, and the normal approximation where photos are many. */
static void mcnemar_is_exact(void **state) {
  (void)state;
  assert_float_equal(wk_mcnemar(10, 2), 2.0 * 79 / 4096, 1e-12);
  assert_float_equal(wk_mcnemar(2, 10), 2.0 * 79 / 4096, 1e-12);
  assert_float_equal(wk_mcnemar(0, 0), 1, 0);
  assert_float_equal(wk_mcnemar(4, 4), 1, 0);
  assert_float_equal(wk_mcnemar(0, 6), 2.0 / 64, 1e-12);
  assert_float_equal(wk_mcnemar(52000, 51500), erfc(499 / sqrt(103500.0) / sqrt(2.0)), 1e-4);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(mcnemar_is_exact),
      cmocka_unit_test(products_agree),
      cmocka_unit_test(gradient_is_the_slope),
      cmocka_unit_test(standardised_without_a_copy),
      cmocka_unit_test(span_keeps_inner_products),
      cmocka_unit_test(learns_and_is_the_same_for_any_threads),
      cmocka_unit_test(l2_and_temperature_can_be_given),
      cmocka_unit_test(columns_that_never_change_are_harmless),
      cmocka_unit_test(few_photos_a_class),
      cmocka_unit_test(balance_helps_the_rare_class),
      cmocka_unit_test(says_what_is_wrong),
      cmocka_unit_test(can_be_cancelled),
      cmocka_unit_test(rows_of_a_file),
      cmocka_unit_test(survives_every_failing_allocation),
      cmocka_unit_test(many_classes_are_searched_by_a_sample),
      cmocka_unit_test(metrics_of_a_handful),
      cmocka_unit_test(temperature_of_known_scores),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

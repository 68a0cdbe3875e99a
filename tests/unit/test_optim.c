/* test_optim.c - the parts of a training loop: what PyTorch's goldens do not say about them. */
#include "support.h"
#include "whisker/metrics.h"
#include "whisker/optim.h"
#include "whisker/probe.h"

/* ---- optimisers -------------------------------------------------------------------------------- */

enum { SIZE = 200000 }; /* several jobs */

static float *random_floats(size_t n, uint64_t stream) {
  float *x = malloc(n * sizeof *x);
  assert_non_null(x);
  wk_rng rng;
  wk_rng_init(&rng, 7, stream);
  for (size_t i = 0; i < n; i++)
    x[i] = (float)wk_rng_normal(&rng);
  return x;
}

static const wk_optim_slot big_slots[] = {{0, 150000, 1, 1}, {150000, 40000, 0.5, 0}, {190000, 10000, 0, 1}};

static wk_optim *make_optim(wk_optim_kind kind) {
  wk_optim_options o;
  wk_optim_options_init(&o, kind);
  o.weight_decay = 0.01;
  if (kind == WK_OPTIM_RMSPROP)
    o.momentum = 0.5;
  wk_optim *optim = NULL;
  wk_error err;
  assert_ok(wk_optim_create(&optim, &o, big_slots, 3, SIZE, &err), &err);
  return optim;
}

static void run_steps(wk_optim *o, float *p, int first, int last, int threads, const float *towards) {
  wk_context ctx;
  wk_context_init(&ctx);
  ctx.threads = threads;
  for (int s = first; s < last; s++) {
    wk_error err;
    float *g = random_floats(SIZE, 100 + (uint64_t)s);
    assert_ok(wk_optim_step(o, p, g, 0.01, towards, &ctx, &err), &err);
    free(g);
  }
}

/* Any number of threads, and a run that was stored and taken up again, give the same bits. */
static void optimisers_resume_and_share(void **state) {
  (void)state;
  for (int kind = 0; kind < WK_OPTIM_COUNT; kind++) {
    float *a = random_floats(SIZE, 1), *b = random_floats(SIZE, 1), *start = random_floats(SIZE, 1);
    wk_optim *one = make_optim((wk_optim_kind)kind), *first = make_optim((wk_optim_kind)kind);
    run_steps(one, a, 0, 4, 1, start);
    run_steps(first, b, 0, 2, 3, start);
    wk_optim *second = make_optim((wk_optim_kind)kind);
    assert_int_equal(wk_optim_state_count(first), wk_optim_state_count(second));
    for (int i = 0; i < wk_optim_state_count(first); i++)
      memcpy(wk_optim_state(second, i), wk_optim_state(first, i), SIZE * sizeof(float));
    wk_optim_set_steps(second, wk_optim_steps(first));
    run_steps(second, b, 2, 4, 2, start);
    assert_memory_equal(a, b, SIZE * sizeof *a);
    assert_memory_equal(a + 190000, start + 190000, 10000 * sizeof *a); /* lr_scale 0 */
    assert_true(memcmp(a, start, 4000) != 0);
    wk_optim_free(one);
    wk_optim_free(first);
    wk_optim_free(second);
    free(a), free(b), free(start);
  }
}

/* Without gradient, decay alone draws parameters to where they shall go: to `towards`, or to zero. */
static void decay_pulls_towards(void **state) {
  (void)state;
  static const wk_optim_kind kinds[] = {WK_OPTIM_SGD, WK_OPTIM_ADAMW, WK_OPTIM_LION};
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
    for (int pull = 0; pull < 2; pull++) {
      wk_optim_options o;
      wk_optim_options_init(&o, kinds[k]);
      o.weight_decay = 0.5;
      wk_optim_slot slot = {0, 2, 1, 1};
      wk_optim *optim = NULL;
      wk_error err;
      assert_ok(wk_optim_create(&optim, &o, &slot, 1, 2, &err), &err);
      float p[2] = {1, -3}, g[2] = {0}, goal[2] = {2, 2};
      for (int s = 0; s < 400; s++)
        assert_ok(wk_optim_step(optim, p, g, 0.1, pull ? goal : NULL, NULL, &err), &err);
      assert_near((double)p[0], pull ? 2 : 0, 1e-4);
      assert_near((double)p[1], pull ? 2 : 0, 1e-4);
      wk_optim_free(optim);
    }
}

static void choices_by_name(void **state) {
  (void)state;
  wk_error err;
  wk_optim_kind optim;
  wk_schedule_kind schedule;
  for (int i = 0; i < WK_OPTIM_COUNT; i++) {
    assert_ok(wk_optim_parse(&optim, wk_optim_name((wk_optim_kind)i), &err), &err);
    assert_int_equal(optim, i);
    wk_optim_options o;
    wk_optim_options_init(&o, optim);
    assert_ok(wk_optim_options_validate(&o, &err), &err);
    o.eps = 0;
    assert_int_equal(wk_optim_options_validate(&o, &err), WK_ERR_ARGUMENT);
  }
  for (int i = 0; i < WK_SCHEDULE_COUNT; i++) {
    assert_ok(wk_schedule_parse(&schedule, wk_schedule_name((wk_schedule_kind)i), &err), &err);
    assert_int_equal(schedule, i);
    wk_schedule_options o;
    wk_schedule_options_init(&o, schedule);
    assert_ok(wk_schedule_options_validate(&o, &err), &err);
    o.lr = 0;
    assert_int_equal(wk_schedule_options_validate(&o, &err), WK_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "lr must be above 0 (got 0)"));
  }
  assert_int_equal(wk_optim_parse(&optim, "admw", &err), WK_ERR_NOT_FOUND);
  assert_string_equal(err.message, "there is no optimiser called admw; did you mean adamw? There are sgd, momentum, "
                                   "nesterov, adagrad, rmsprop, adam, adamw, lamb, lion");
  assert_ok(wk_optim_parse(&optim, "AdamW", &err), &err);
  wk_optim_options o;
  wk_optim_options_init(&o, WK_OPTIM_ADAM);
  wk_optim_slot outside = {10, 20, 1, 1};
  wk_optim *none = NULL;
  assert_int_equal(wk_optim_create(&none, &o, &outside, 1, 29, &err), WK_ERR_ARGUMENT);
  outside.count = SIZE_MAX;
  assert_int_equal(wk_optim_create(&none, &o, &outside, 1, 29, &err), WK_ERR_ARGUMENT);
  assert_null(none);
}

static void optimisers_survive_failing_allocations(void **state) {
  (void)state;
  for (int kind = 0; kind < WK_OPTIM_COUNT; kind++) {
    wk_optim_options o;
    wk_optim_options_init(&o, (wk_optim_kind)kind);
    wk_status st = WK_ERR_MEMORY;
    for (long n = 0; st != WK_OK; n++) {
      wk_optim *optim = NULL;
      wk_error err;
      test_fail_allocation(n);
      st = wk_optim_create(&optim, &o, big_slots, 3, SIZE, &err);
      test_fail_allocation(-1);
      assert_true(st == WK_OK || st == WK_ERR_MEMORY);
      wk_optim_free(optim);
    }
    wk_set_allocator(NULL);
  }
}

/* ---- losses ------------------------------------------------------------------------------------ */

/* Central differences with float logits: steps of 1e-2 leave 1e-5, and rounding of the logits less. */
static void loss_gradient_is_the_slope(void **state) {
  (void)state;
  enum { N = 5, K = 4 };
  float *x = random_floats(N * K, 1), *teacher = random_floats(N * K, 2), g[N * K];
  const float weight[K] = {1, 2, 0.5f, 0.1f};
  const int label[N] = {0, 1, 2, 3, 1};
  wk_loss_options o;
  wk_loss_options_init(&o);
  o.smoothing = 0.1;
  o.class_weight = weight;
  o.distill = 0.4;
  wk_loss_target t = {.label = label, .teacher = teacher};
  double divisor = wk_loss_divisor(&o, label, N), value = 0;
  assert_near(divisor, 1 + 2 + 0.5 + 0.1 + 2, 1e-6);
  wk_loss_rows(&value, g, x, &t, 0, N, K, divisor, N, &o);
  for (int i = 0; i < N * K; i++) {
    double up = 0, down = 0;
    float at = x[i], high = at + 0.01f, low = at - 0.01f;
    x[i] = high;
    wk_loss_rows(&up, NULL, x, &t, 0, N, K, divisor, N, &o);
    x[i] = low;
    wk_loss_rows(&down, NULL, x, &t, 0, N, K, divisor, N, &o);
    x[i] = at;
    assert_near((double)g[i], (up - down) / ((double)high - (double)low), 1e-5);
  }
  /* Logits of a network gone wild still give a finite loss. */
  const float wild[K] = {3e38f, -3e38f, 0, 1};
  value = 0;
  o.distill = 0;
  wk_loss_rows(&value, g, wild, &t, 1, 1, K, 1, 1, &o);
  assert_true(isfinite(value));
  free(x), free(teacher);
}

/* ---- initialisers ------------------------------------------------------------------------------ */

static void moments(double *mean, double *deviation, double *most, const float *w, size_t n) {
  double sum = 0, square = 0;
  *most = 0;
  for (size_t i = 0; i < n; i++) {
    sum += (double)w[i];
    square += (double)w[i] * (double)w[i];
    *most = fmax(*most, fabs((double)w[i]));
  }
  *mean = sum / (double)n;
  *deviation = sqrt(square / (double)n - *mean * *mean);
}

/* 36,864 draws: deviations come out within 2%, five times their own uncertainty. */
static void initialisers_have_their_spread(void **state) {
  (void)state;
  const int64_t shape[] = {64, 64, 3, 3};
  const double in = 64 * 9, out = 64 * 9, gain = 1.5;
  const double want[WK_INIT_COUNT] = {[WK_INIT_UNIFORM] = 1 / sqrt(3),
                                      [WK_INIT_NORMAL] = 1,
                                      [WK_INIT_LECUN] = 1 / sqrt(in),
                                      [WK_INIT_XAVIER] = sqrt(2 / (in + out)),
                                      [WK_INIT_XAVIER_NORMAL] = sqrt(2 / (in + out)),
                                      [WK_INIT_HE] = sqrt(2 / in),
                                      [WK_INIT_HE_UNIFORM] = sqrt(2 / in),
                                      [WK_INIT_HE_OUT] = sqrt(2 / out),
                                      [WK_INIT_ORTHOGONAL] = 1 / sqrt(in)};
  float *w = malloc(64 * 64 * 9 * sizeof *w), *again = malloc(64 * 64 * 9 * sizeof *w);
  for (int kind = 0; kind < WK_INIT_COUNT; kind++) {
    wk_rng rng, copy;
    wk_error err;
    wk_rng_init(&rng, 1, (uint64_t)kind);
    copy = rng;
    assert_ok(wk_init_weight(w, 4, shape, (wk_init_kind)kind, gain, &rng, &err), &err);
    assert_ok(wk_init_weight(again, 4, shape, (wk_init_kind)kind, gain, &copy, &err), &err);
    assert_memory_equal(w, again, 64 * 64 * 9 * sizeof *w);
    double mean, deviation, most;
    moments(&mean, &deviation, &most, w, 64 * 64 * 9);
    assert_near(mean, 0, 0.03 * gain * want[kind]);
    assert_near(deviation, gain * want[kind], 0.02 * gain * want[kind]);
    bool uniform = kind == WK_INIT_UNIFORM || kind == WK_INIT_XAVIER || kind == WK_INIT_HE_UNIFORM;
    assert_true(uniform ? most <= gain * want[kind] * sqrt(3) * 1.000001 : most > gain * want[kind] * 2.5);
  }
  free(w), free(again);
}

static void orthogonal_is_orthogonal(void **state) {
  (void)state;
  const int64_t shapes[][3] = {{12, 40, 1}, {40, 12, 1}, {16, 16, 1}, {8, 5, 3}};
  for (size_t s = 0; s < 4; s++) {
    size_t rows = (size_t)shapes[s][0], columns = (size_t)(shapes[s][1] * shapes[s][2]);
    float w[480];
    wk_rng rng;
    wk_error err;
    wk_rng_init(&rng, 2, s);
    assert_ok(wk_init_weight(w, 3, shapes[s], WK_INIT_ORTHOGONAL, 2, &rng, &err), &err);
    bool tall = rows > columns;
    size_t m = tall ? columns : rows, n = tall ? rows : columns;
    for (size_t i = 0; i < m; i++)
      for (size_t j = 0; j < m; j++) {
        double dot = 0;
        for (size_t k = 0; k < n; k++)
          dot += tall ? (double)w[k * columns + i] * (double)w[k * columns + j]
                      : (double)w[i * columns + k] * (double)w[j * columns + k];
        assert_near(dot, i == j ? 4 : 0, 1e-5);
      }
  }
}

/* ---- averages and clipping --------------------------------------------------------------------- */

static void averages_and_clipping(void **state) {
  (void)state;
  float a[3] = {0, 1, 2}, p[3] = {4, 4, 4}, mean[3] = {0};
  wk_average_ema(a, p, 3, 0.75);
  assert_near((double)a[0], 1, 1e-6);
  assert_near((double)a[2], 2.5, 1e-6);
  assert_near(wk_average_ema_decay(0.99, 0), 0.1, 1e-12);
  assert_near(wk_average_ema_decay(0.99, 100000), 0.99, 1e-12);
  for (uint64_t i = 0; i < 5; i++) {
    float x[3] = {(float)i, 1, (float)(i * i)};
    wk_average_add(mean, x, 3, i);
  }
  assert_near((double)mean[0], 2, 1e-6);
  assert_near((double)mean[1], 1, 1e-6);
  assert_near((double)mean[2], 6, 1e-6);
  float g[4] = {-3, 0.5f, 2, 0};
  wk_clip_value(g, 4, 1);
  assert_true(g[0] == -1 && g[1] == 0.5f && g[2] == 1 && g[3] == 0);
  float small[2] = {0.3f, 0.4f};
  assert_near(wk_clip_norm(small, 2, 1), 0.5, 1e-7);
  assert_true(small[0] == 0.3f);
  float bad[2] = {NAN, 1};
  assert_true(isnan(wk_clip_norm(bad, 2, 0.5)));
  assert_true(bad[1] == 1);
  float *x = random_floats(10001, 3);
  double square = 0;
  for (int i = 0; i < 10001; i++)
    square += (double)x[i] * (double)x[i];
  assert_near(wk_norm(x, 10001), sqrt(square), 1e-9);
  free(x);
}

/* ---- mixing ------------------------------------------------------------------------------------ */

static void mixing_is_drawn_from_its_names(void **state) {
  (void)state;
  wk_mix_options o;
  wk_mix_options_init(&o);
  wk_error err;
  assert_ok(wk_mix_options_validate(&o, &err), &err);
  assert_true(wk_mix_draw(&o, 8, 8, 1, 2, 3).share == 1); /* off */
  o.mixup = 0.2;
  o.cutmix = 1;
  int cuts = 0, extreme = 0, mixed = 0;
  double share = 0;
  for (uint64_t b = 0; b < 4000; b++) {
    wk_mix m = wk_mix_draw(&o, 20, 30, 1, 0, b), again = wk_mix_draw(&o, 20, 30, 1, 0, b);
    assert_memory_equal(&m.share, &again.share, sizeof m.share);
    assert_true(m.share >= 0 && m.share <= 1);
    if (m.cut) {
      assert_true(m.top >= 0 && m.left >= 0 && m.height >= 0 && m.top + m.height <= 20 && m.left + m.width <= 30);
      assert_near(m.share, 1 - m.height * m.width / 600.0, 1e-12);
      cuts++;
    } else {
      share += m.share;
      extreme += m.share < 0.05 || m.share > 0.95;
      mixed++;
    }
  }
  assert_near(cuts / 4000.0, 0.5, 0.04);
  assert_near(share / mixed, 0.5, 0.04);
  assert_near((double)extreme / mixed, 0.58, 0.04); /* 2 * scipy.stats.beta(.2, .2).cdf(.05) */
  o.probability = 0.25;
  mixed = 0;
  for (uint64_t b = 0; b < 4000; b++)
    mixed += wk_mix_draw(&o, 20, 30, 1, b, 0).share < 1;
  assert_true(mixed > 800 && mixed < 1200);
  o.mixup = -1;
  assert_int_equal(wk_mix_options_validate(&o, &err), WK_ERR_ARGUMENT);
}

static void mixing_mixes_pictures_and_targets_alike(void **state) {
  (void)state;
  float x[3][4 * 5 * 2], soft[3 * 4];
  for (int i = 0; i < 3; i++)
    for (int k = 0; k < 40; k++)
      x[i][k] = (float)(10 * i);
  const int label[3] = {3, 1, 0};
  wk_mix m = {.share = 0.75};
  wk_mix_pictures(x[0], 3, 4, 5, 2, &m);
  wk_mix_targets(soft, label, 3, 4, &m);
  assert_near((double)x[0][7], 5, 1e-6);
  assert_near((double)x[1][7], 10, 1e-6);
  assert_near((double)x[2][7], 15, 1e-6);
  assert_near((double)soft[3], 0.75, 1e-6);
  assert_near((double)soft[0], 0.25, 1e-6);
  assert_near((double)soft[4 + 1], 1, 1e-6); /* the middle photo meets itself */
  m = (wk_mix){.share = 1 - 6.0 / 20, .cut = true, .top = 1, .left = 2, .height = 2, .width = 3};
  for (int i = 0; i < 3; i++)
    for (int k = 0; k < 40; k++)
      x[i][k] = (float)i;
  wk_mix_pictures(x[0], 3, 4, 5, 2, &m);
  for (int y = 0; y < 4; y++)
    for (int c = 0; c < 5; c++) {
      bool inside = y >= 1 && y < 3 && c >= 2;
      assert_true(x[0][(y * 5 + c) * 2 + 1] == (inside ? 2 : 0));
      assert_true(x[2][(y * 5 + c) * 2 + 1] == (inside ? 0 : 2));
    }
}

/* ---- calibration ------------------------------------------------------------------------------- */

static void calibration_reduces_the_error(void **state) {
  (void)state;
  enum { N = 2000, K = 4 };
  float *score = malloc(sizeof *score * N * K);
  int *y = malloc(sizeof *y * N);
  wk_rng rng;
  wk_rng_init(&rng, 8, 8);
  for (int r = 0; r < N; r++) {
    double e[K], sum = 0, u;
    for (int c = 0; c < K; c++) {
      double s = 1.5 * wk_rng_normal(&rng);
      sum += e[c] = exp(s);
      score[r * K + c] = (float)(3 * s);
    }
    u = wk_rng_uniform(&rng) * sum;
    for (y[r] = 0; y[r] < K - 1 && u >= e[y[r]]; y[r]++)
      u -= e[y[r]];
  }
  wk_calibration c;
  wk_error err;
  assert_ok(wk_calibrate(&c, score, y, N, K, &err), &err);
  assert_near(c.temperature, 3, 0.3);
  assert_true(c.loss_after < c.loss_before && c.ece_after < 0.3 * c.ece_before);
  score[5] = INFINITY;
  assert_int_equal(wk_calibrate(&c, score, y, N, K, &err), WK_ERR_NUMERIC);
  assert_int_equal(wk_calibrate(&c, score, y, 0, K, &err), WK_ERR_ARGUMENT);
  free(score), free(y);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(optimisers_resume_and_share),
      cmocka_unit_test(decay_pulls_towards),
      cmocka_unit_test(choices_by_name),
      cmocka_unit_test(optimisers_survive_failing_allocations),
      cmocka_unit_test(loss_gradient_is_the_slope),
      cmocka_unit_test(initialisers_have_their_spread),
      cmocka_unit_test(orthogonal_is_orthogonal),
      cmocka_unit_test(averages_and_clipping),
      cmocka_unit_test(mixing_is_drawn_from_its_names),
      cmocka_unit_test(mixing_mixes_pictures_and_targets_alike),
      cmocka_unit_test(calibration_reduces_the_error),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_visualize.c - ideal pictures: gradients of what keeps them smooth and of every canvas against central
 * differences, and that classes side by side are the same as alone. */
#include "../golden/zoo_weights.h"
#include "explain/visualize/parameterization.h"
#include "whisker/visualize.h"

static void random_floats(float *x, size_t n, uint64_t stream) {
  wk_rng rng;
  wk_rng_init(&rng, 5, stream);
  for (size_t i = 0; i < n; i++)
    x[i] = (float)wk_rng_normal(&rng);
}

/* d value / d x[i] by central differences; the picture is small, and in single precision a step of 1e-2 is best. */
static void tv_matches(double (*tv)(float *, const float *, int, int, double), double weight) {
  enum { H = 5, W = 6, N = H * W * 3 };
  float x[N], g[N] = {0};
  random_floats(x, N, 1);
  double value = tv(g, x, H, W, weight);
  assert_near(value, tv(NULL, x, H, W, weight), 0);
  for (int i = 0; i < N; i++) {
    const float keep = x[i], step = 1e-3f;
    x[i] = keep + step;
    double up = tv(NULL, x, H, W, weight), high = (double)x[i];
    x[i] = keep - step;
    double down = tv(NULL, x, H, W, weight), low = (double)x[i];
    x[i] = keep;
    assert_near((double)g[i], (up - down) / (high - low), 2e-3 * weight);
  }
}

static void total_variation_has_its_gradient(void **state) {
  (void)state;
  tv_matches(wk_total_variation, 0.5);
  tv_matches(wk_total_variation_isotropic, 0.5);
  float step[2 * 2 * 3] = {0}; /* one corner higher by 1 in one channel */
  step[0] = 1;
  assert_near(wk_total_variation(NULL, step, 2, 2, 1), 2, 1e-6);
  assert_near(wk_total_variation_isotropic(NULL, step, 2, 2, 1), sqrt(2), 2e-3); /* 1e-4 for each of 11 flat places */
}

/* sum of weight * rgb: its gradient in every canvas. */
static double weighted(wk_parameters *c, const float *weight) {
  wk_parameters_render(c);
  double sum = 0;
  for (int i = 0; i < c->height * c->width * 3; i++)
    sum += (double)c->rgb[i] * (double)weight[i];
  return sum;
}

static void canvases_have_their_gradients(void **state) {
  (void)state;
  enum { H = 13, W = 10, N = H * W * 3 };
  for (int paint = 0; paint <= WK_PARAMETERIZATION_PIXELS; paint++)
    for (int coarse = 0; coarse < 2; coarse++) {
      wk_parameters c;
      wk_error err;
      wk_rng rng;
      float weight[N];
      random_floats(weight, N, 2);
      assert_ok(wk_parameters_open(&c, (wk_parameterization)paint, H, W, &err), &err);
      wk_rng_init(&rng, 9, 9);
      wk_parameters_noise(&c, &rng);
      c.detail = coarse ? 0.5 : 1;
      weighted(&c, weight);
      memcpy(c.d, weight, sizeof weight);
      wk_parameters_backward(&c);
      for (size_t i = 0; i < c.size; i += 7) {
        float keep = c.value[i], step = paint == WK_PARAMETERIZATION_FOURIER ? 0.2f : 0.02f;
        c.value[i] = keep + step;
        double up = weighted(&c, weight);
        c.value[i] = keep - step;
        double down = weighted(&c, weight);
        c.value[i] = keep;
        assert_near((double)c.gradient[i], (up - down) / (2 * (double)step), 2e-3 + 0.01 * fabs((double)c.gradient[i]));
      }
      wk_parameters_close(&c);
    }
}

static void a_photo_stays_a_photo(void **state) {
  (void)state;
  enum { H = 21, W = 34, N = H * W * 3 };
  uint8_t photo[N];
  for (int i = 0; i < N; i++)
    photo[i] = (uint8_t)(20 + (i * 37) % 200);
  for (int paint = 0; paint <= WK_PARAMETERIZATION_PIXELS; paint++) {
    wk_parameters c;
    wk_error err;
    assert_ok(wk_parameters_open(&c, (wk_parameterization)paint, H, W, &err), &err);
    wk_parameters_photo(&c, photo);
    wk_parameters_render(&c);
    for (int i = 0; i < N; i++)
      assert_near(255 * (double)c.rgb[i], photo[i], 1); /* levels are moved off 0 and 255 a little */
    wk_parameters_close(&c);
  }
}

static wk_model *small_model(void) {
  static rule r;
  rule_init(&r);
  wk_error err;
  wk_graph *g = NULL;
  const wk_arch *arch = wk_arch_find("simple_cnn");
  assert_ok(arch->build(&g, 10, &err), &err);
  wk_tensors *weights = rule_weights(&r, g);
  wk_graph_free(g);
  wk_backbone *b = NULL;
  wk_model *m = NULL;
  static const char *const labels[10] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
  assert_ok(wk_backbone_from(&b, arch, weights, &err), &err);
  assert_ok(wk_model_create(&m, b, NULL, labels, NULL, &err), &err);
  return m;
}

/* Plain descent at a rate that makes it swing: what is kept is the best of all its pictures, and says of which step. */
static void plain_descent_keeps_its_best(void **state) {
  (void)state;
  wk_model *m = small_model();
  wk_error err;
  wk_diff_classifier_options lo;
  wk_diff_classifier_options_init(&lo);
  wk_diff_classifier *classifier = NULL;
  assert_ok(wk_diff_classifier_create(&classifier, m, &lo, &err), &err);
  wk_visualize_options o;
  wk_visualize_options_init(&o);
  o.method = WK_VISUALIZE_PLAIN;
  o.target = 3;
  o.rate = 40;
  o.steps = 30;
  o.snapshots = 30;
  o.even_snapshots = true;
  wk_visualization *v = NULL;
  assert_ok(wk_visualize_class(&v, classifier, &m->backbone->preprocess, &o, NULL, &err), &err);
  assert_int_equal(v->snapshot_count, 30);
  assert_true(v->step >= 1 && v->step <= v->steps);
  const size_t n = (size_t)v->image.width * (size_t)v->image.height * 3;
  assert_memory_equal(v->image.pixels, v->snapshots[v->step - 1].pixels, n);
  float *input = malloc(n * sizeof *input);
  double best = 0;
  for (int i = 0; i < 30; i++) {
    wk_preprocess_normalise(input, v->snapshots[i].pixels, &m->backbone->preprocess);
    assert_ok(wk_diff_classifier_forward(classifier, input, 1, &err), &err);
    double p = exp(-wk_diff_classifier_cross_entropy(NULL, wk_diff_classifier_scores(classifier), 10, 3));
    best = p > best ? p : best;
  }
  assert_true(v->p > 0 && v->p <= best + 1e-12);
  assert_true(v->p >= 0.99 * best); /* values beyond black and white may hide a better one */
  free(input);
  wk_visualization_free(v);
  wk_diff_classifier_free(classifier);
  wk_model_free(m);
}

static void classes_side_by_side_are_as_alone(void **state) {
  (void)state;
  wk_model *m = small_model();
  wk_error err;
  wk_diff_classifier_options lo;
  wk_diff_classifier_options_init(&lo);
  wk_diff_classifier *classifier = NULL;
  assert_ok(wk_diff_classifier_create(&classifier, m, &lo, &err), &err);
  wk_visualize_options o;
  wk_visualize_options_init(&o);
  o.steps = 12;
  o.views = 3;
  o.isotropic = true;
  o.l2 = 1e-3;
  o.blur = 0.7;
  const int target[3] = {2, 7, 4};
  wk_visualization *together[3], *alone = NULL;
  wk_context one;
  wk_context_init(&one);
  one.threads = 1;
  assert_ok(wk_visualize_classes(together, classifier, &m->backbone->preprocess, &o, target, 3, NULL, &err), &err);
  for (int i = 0; i < 3; i++) {
    o.target = target[i];
    assert_ok(wk_visualize_class(&alone, classifier, &m->backbone->preprocess, &o, i ? NULL : &one, &err), &err);
    assert_memory_equal(alone->image.pixels, together[i]->image.pixels, 32 * 32 * 3);
    assert_true(alone->p == together[i]->p);
    assert_int_equal(alone->snapshot_count, together[i]->snapshot_count);
    assert_picture(&alone->image, 32, 32, NULL);
    wk_visualization_free(alone);
    wk_visualization_free(together[i]);
  }
  const struct {
    int octaves, views;
    double zoom;
  } bad[] = {{0, 4, 0.6}, {7, 4, 0.6}, {3, 0, 0.6}, {3, 4, 0}, {3, 4, 1.5}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    o.octaves = bad[i].octaves;
    o.views = bad[i].views;
    o.zoom = bad[i].zoom;
    assert_int_equal(wk_visualize_class(&alone, classifier, &m->backbone->preprocess, &o, NULL, &err), WK_ERR_ARGUMENT);
  }
  wk_diff_classifier_free(classifier);
  wk_model_free(m);
}

static void a_film_is_read_back(void **state) {
  (void)state;
  wk_image frame[3], back;
  wk_error err;
  for (int k = 0; k < 3; k++) {
    assert_ok(wk_image_alloc(&frame[k], 40, 30, &err), &err);
    for (int i = 0; i < 40 * 30 * 3; i++)
      frame[k].pixels[i] = (uint8_t)((i / 3 % 40) * 5 + 20 * k);
  }
  char *dir = test_tmp_dir();
  char path[4096];
  snprintf(path, sizeof path, "%s/film.webp", dir);
  assert_ok(wk_image_save_film(frame, 3, 50, path, &err), &err);
  assert_ok(wk_image_load(&back, path, NULL, &err), &err);
  char first[TEST_HASH_SIZE];
  test_picture_hash(first, &frame[0]);
  assert_picture(&back, 40, 30, first);
  frame[1].width = 39;
  assert_int_equal(wk_image_save_film(frame, 3, 50, path, &err), WK_ERR_ARGUMENT);
  assert_int_equal(wk_image_save_film(frame, 0, 50, path, &err), WK_ERR_ARGUMENT);
  wk_image_free(&back);
  for (int k = 0; k < 3; k++)
    wk_image_free(&frame[k]);
  test_tmp_remove(dir);
}

/* Of each way: a status where an allocation fails, and nothing lost. The first few one by one, and as many of the
 * others. */
static void no_memory(void **state) {
  (void)state;
  enum { FEW = TEST_SANITIZED ? 8 : 30 };
  wk_model *m = small_model();
  wk_error err;
  wk_diff_classifier_options lo;
  wk_diff_classifier_options_init(&lo);
  for (int method = 0; method < 2; method++) {
    long all = 0;
    for (long n = -1; n < 0 || n < all; n += n < FEW ? 1 : 1 + all / FEW) {
      wk_visualization *v = NULL;
      wk_diff_classifier *classifier = NULL;
      wk_visualize_options o;
      wk_visualize_options_init(&o);
      o.method = method ? WK_VISUALIZE_PLAIN : WK_VISUALIZE_ROBUST;
      o.target = 3;
      o.steps = 2;
      test_fail_allocation(n);
      wk_status st = wk_diff_classifier_create(&classifier, m, &lo, &err);
      if (st == WK_OK)
        st = wk_visualize_class(&v, classifier, &m->backbone->preprocess, &o, NULL, &err);
      if (n < 0)
        all = test_allocations();
      test_fail_allocation(-1);
      if (n < 0)
        assert_ok(st, &err);
      else
        assert_true(st == WK_ERR_MEMORY ||
                    (st == WK_OK && n >= FEW)); /* the number differs a little with the threads */
      wk_visualization_free(v);
      wk_diff_classifier_free(classifier);
    }
  }
  wk_model_free(m);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(total_variation_has_its_gradient),
      cmocka_unit_test(canvases_have_their_gradients),
      cmocka_unit_test(a_photo_stays_a_photo),
      cmocka_unit_test(plain_descent_keeps_its_best),
      cmocka_unit_test(classes_side_by_side_are_as_alone),
      cmocka_unit_test(a_film_is_read_back),
      cmocka_unit_test(no_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

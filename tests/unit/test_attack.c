/* test_attack.c - what the attacks promise: bounds that hold in the saved file, the way back through the resize, clear
 * words for what cannot be. */
#include "../golden/zoo_weights.h"
#include "whisker/attack.h"

static wk_model *model;
static wk_diff_classifier *classifier;

static int open_model(void **state) {
  (void)state;
  static rule r;
  rule_init(&r);
  wk_error err;
  wk_graph *g = NULL;
  const wk_arch *arch = wk_arch_find("simple_cnn");
  assert_ok(arch->build(&g, 10, &err), &err);
  wk_tensors *weights = rule_weights(&r, g);
  wk_graph_free(g);
  wk_backbone *b = NULL;
  assert_ok(wk_backbone_from(&b, arch, weights, &err), &err);
  b->preprocess.rule = WK_CROP_KEEP; /* as pretrained networks: photos of another size are resized, then cropped */
  b->preprocess.resize = 36;
  static const char *const labels[10] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
  assert_ok(wk_model_create(&model, b, NULL, labels, NULL, &err), &err);
  wk_diff_classifier_options lo;
  wk_diff_classifier_options_init(&lo);
  assert_ok(wk_diff_classifier_create(&classifier, model, &lo, &err), &err);
  return 0;
}

static int close_model(void **state) {
  (void)state;
  wk_diff_classifier_free(classifier);
  wk_model_free(model);
  return 0;
}

static wk_image random_picture(int width, int height, uint64_t stream) {
  wk_image im;
  wk_error err;
  wk_rng rng;
  assert_ok(wk_image_alloc(&im, width, height, &err), &err);
  wk_rng_init(&rng, 11, stream);
  for (int i = 0; i < width * height * 3; i++)
    im.pixels[i] = (uint8_t)wk_rng_below(&rng, 256);
  return im;
}

/* <photo, back(e)> is what the network sees at the pixel that e marks: for any photo, to within the two roundings of
 * the way there. */
static void the_way_back_is_the_adjoint(void **state) {
  (void)state;
  static const struct {
    int width, height, in;
    wk_crop_rule rule;
    wk_filter filter;
  } with[] = {{61, 83, 24, WK_CROP_CENTER, WK_FILTER_BILINEAR}, {90, 40, 24, WK_CROP_KEEP, WK_FILTER_BICUBIC},
              {17, 19, 24, WK_CROP_CENTER, WK_FILTER_BICUBIC},  {50, 31, 24, WK_CROP_SQUASH, WK_FILTER_BILINEAR},
              {25, 27, 24, WK_CROP_KEEP, WK_FILTER_BILINEAR},   {64, 48, 24, WK_CROP_CENTER, WK_FILTER_NEAREST}};
  for (size_t k = 0; k < sizeof with / sizeof *with; k++) {
    wk_preprocess p;
    wk_preprocess_init(&p);
    p.rule = with[k].rule;
    p.filter = with[k].filter;
    wk_preprocess_set_size(&p, with[k].in, with[k].in + 4);
    wk_image photo = random_picture(with[k].width, with[k].height, k), seen;
    wk_error err;
    assert_ok(wk_preprocess_pixels(&seen, &photo, &p, &err), &err);
    size_t n = (size_t)p.width * (size_t)p.height * 3, m = (size_t)photo.width * (size_t)photo.height * 3;
    float *e = calloc(n, sizeof *e), *back = malloc(m * sizeof *back);
    for (size_t at = 5; at < n; at += 97) {
      e[at] = 1;
      assert_ok(wk_preprocess_back(back, e, photo.width, photo.height, &p, &err), &err);
      e[at] = 0;
      double sum = 0;
      for (size_t i = 0; i < m; i++)
        sum += (double)back[i] * photo.pixels[i];
      assert_near(fmin(fmax(sum, 0), 255), seen.pixels[at], 1.6);
    }
    free(e);
    free(back);
    wk_image_free(&seen);
    wk_image_free(&photo);
  }
}

/* Attacks `photo`, saves the result, and looks at the bound in the file. */
static void bound_holds(wk_attack_method method, double eps, bool whole) {
  wk_image photo = random_picture(whole ? 57 : 32, whole ? 44 : 32, 3), saved, back;
  size_t n = (size_t)photo.width * (size_t)photo.height * 3;
  float *pixels = malloc(n * sizeof *pixels);
  for (size_t i = 0; i < n; i++)
    pixels[i] = photo.pixels[i];
  wk_attack_options o;
  wk_attack_options_init(&o);
  o.method = method;
  o.eps_255 = eps;
  o.steps = 12;
  o.restarts = 1;
  o.patch = 9;
  o.width = whole ? photo.width : 0;
  o.height = whole ? photo.height : 0;
  wk_attack_result r;
  wk_error err;
  assert_ok(wk_attack_run(&r, classifier, &model->backbone->preprocess, pixels, &o, 1, 2, &err), &err);
  assert_ok(wk_image_alloc(&saved, photo.width, photo.height, &err), &err);
  for (size_t i = 0; i < n; i++) {
    assert_true(r.pixels[i] == rintf(r.pixels[i]) && r.pixels[i] >= 0 && r.pixels[i] <= 255);
    saved.pixels[i] = (uint8_t)r.pixels[i];
  }
  char *dir = test_tmp_dir();
  char path[4096];
  snprintf(path, sizeof path, "%s/a.png", dir);
  assert_ok(wk_image_save_png(&saved, path, &err), &err);
  assert_ok(wk_image_load(&back, path, NULL, &err), &err);
  double most = 0, square = 0;
  int changed = 0;
  for (size_t i = 0; i < n; i++) {
    double d = (double)back.pixels[i] - photo.pixels[i];
    most = fmax(most, fabs(d));
    square += d * d;
    changed += d != 0;
  }
  assert_true(changed > 0);
  assert_near(most, r.linf_255, 1e-9);
  assert_near(sqrt(square), r.l2_255, 1e-6);
  if (method == WK_ATTACK_PGD || method == WK_ATTACK_FGSM)
    assert_true(most <= floor(eps));
  if (method == WK_ATTACK_L2)
    assert_true(sqrt(square / (double)n) <= eps);
  if (method == WK_ATTACK_PATCH)
    assert_true(changed <= 9 * 9 * 3);
  /* What the file looks like to the model is what the attack says. */
  wk_image seen;
  assert_ok(wk_preprocess_pixels(&seen, &back, &model->backbone->preprocess, &err), &err);
  float input[32 * 32 * 3], p[10];
  wk_preprocess_normalise(input, seen.pixels, &model->backbone->preprocess);
  assert_ok(wk_diff_classifier_forward(classifier, input, 1, &err), &err);
  wk_diff_classifier_softmax(p, wk_diff_classifier_scores(classifier), 10);
  assert_near((double)p[r.after], (double)r.p_after, 1e-4);
  test_tmp_remove(dir);
  wk_attack_result_free(&r);
  wk_image_free(&seen);
  wk_image_free(&back);
  wk_image_free(&saved);
  wk_image_free(&photo);
  free(pixels);
}

static void bounds_hold_in_the_file(void **state) {
  (void)state;
  for (int whole = 0; whole < 2; whole++) {
    bound_holds(WK_ATTACK_FGSM, 2, whole);
    bound_holds(WK_ATTACK_PGD, 2, whole);
    bound_holds(WK_ATTACK_PGD, 3.7, whole);
    bound_holds(WK_ATTACK_L2, 1.5, whole);
    bound_holds(WK_ATTACK_PATCH, 0, whole);
  }
}

static void says_what_cannot_be(void **state) {
  (void)state;
  wk_attack_options o;
  wk_error err;
  float pixels[32 * 32 * 3] = {0};
  wk_attack_result r;
  const wk_preprocess *p = &model->backbone->preprocess;
  wk_attack_options_init(&o);
  o.eps_255 = 0;
  assert_int_equal(wk_attack_run(&r, classifier, p, pixels, &o, 1, 1, &err), WK_ERR_ARGUMENT);
  o.eps_255 = 0.5;
  assert_int_equal(wk_attack_run(&r, classifier, p, pixels, &o, 1, 1, &err), WK_ERR_ARGUMENT);
  assert_non_null(strstr(err.message, "8 bits"));
  wk_attack_options_init(&o);
  o.target = 10;
  assert_int_equal(wk_attack_run(&r, classifier, p, pixels, &o, 1, 1, &err), WK_ERR_ARGUMENT);
  wk_attack_options_init(&o);
  o.width = o.height = 32;
  o.whole_levels = false;
  assert_int_equal(wk_attack_run(&r, classifier, p, pixels, &o, 1, 1, &err), WK_ERR_ARGUMENT);
  wk_attack_options_init(&o);
  o.method = WK_ATTACK_PATCH;
  o.patch = 33;
  assert_int_equal(wk_attack_run(&r, classifier, p, pixels, &o, 1, 1, &err), WK_ERR_ARGUMENT);
  wk_attack_options_init(&o);
  assert_ok(wk_attack_run(&r, classifier, p, pixels, &o, 1, 1, &err), &err);
  o.target = r.before;
  wk_attack_result_free(&r);
  assert_int_equal(wk_attack_run(&r, classifier, p, pixels, &o, 1, 1, &err), WK_ERR_ARGUMENT);
  assert_non_null(strstr(err.message, "already"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_way_back_is_the_adjoint),
      cmocka_unit_test(bounds_hold_in_the_file),
      cmocka_unit_test(says_what_cannot_be),
  };
  return cmocka_run_group_tests(tests, open_model, close_model);
}

/* test_attack_golden.c - attacks and the lesson's ideal picture, step by step, against PyTorch in double precision
 * (tools/make_attack_goldens.py). Both sides compute the weights and the photo by the same rules. */
#include "attack_golden.h"
#include "whisker/attack.h"
#include "whisker/visualize.h"
#include "zoo_weights.h"

enum { SIDE = 32, VALUES = SIDE * SIDE * 3, SAMPLE = 97, EPS = 3 };

static wk_diff_classifier *classifier;
static float photo[VALUES];

/* Smooth everywhere: where a ReLU is at its kink, rounding decides the gradient, and the ways part. */
static wk_graph *smooth_network(void) {
  static const int channels[] = {16, 24, 32};
  static const char *const conv[] = {"conv1", "conv2", "conv3"}, *const act[] = {"act1", "act2", "act3"};
  wk_error err;
  wk_graph *g = NULL;
  assert_ok(wk_graph_create(&g, &err), &err);
  wk_node x = wk_graph_input(g, "input", SIDE, SIDE, 3);
  for (int i = 0; i < 3; i++) {
    x = wk_graph_conv(g, conv[i], x, channels[i], wk_window_square(3, i ? 2 : 1, 1), 1, true);
    x = wk_graph_unary(g, act[i], WK_OP_SILU, x);
  }
  x = wk_graph_unary(g, "flat", WK_OP_FLATTEN, wk_graph_adaptive_avg_pool(g, "pool", x, 1, 1));
  wk_graph_outputs(g, x, wk_graph_linear(g, "fc", x, 10));
  assert_ok(wk_graph_finish(g, &err), &err);
  return g;
}

static wk_model model;
static wk_backbone backbone;
static char *labels[10];

static int open_model(void **state) {
  (void)state;
  static rule r;
  rule_init(&r);
  wk_error err;
  backbone =
      (wk_backbone){.graph = smooth_network(), .preprocess = wk_arch_find("simple_cnn")->preprocess, .class_count = 10};
  backbone.weights = rule_weights(&r, backbone.graph);
  const wk_tensor *fc = wk_tensors_find(backbone.weights, "fc.weight");
  float *w = (float *)(uintptr_t)fc->data; /* the rule's, times 30: as sure of itself as trained networks */
  for (int64_t i = 0; i < fc->shape[0] * fc->shape[1]; i++)
    w[i] *= 30;
  model = (wk_model){.backbone = &backbone, .labels = labels, .label_count = 10};
  wk_diff_classifier_options lo;
  wk_diff_classifier_options_init(&lo);
  assert_ok(wk_diff_classifier_create(&classifier, &model, &lo, &err), &err);
  for (int y = 0, i = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++)
      for (int c = 0; c < 3; c++)
        photo[i++] = (float)((37 * y + 101 * x + 53 * c + 7 * x * y) % 200 + 20);
  return 0;
}

static int close_model(void **state) {
  (void)state;
  wk_diff_classifier_free(classifier);
  wk_tensors_free(backbone.weights);
  wk_graph_free(backbone.graph);
  return 0;
}

static void scores_are_those_of_pytorch(void **state) {
  (void)state;
  wk_error err;
  float input[VALUES];
  for (int i = 0; i < VALUES; i++)
    input[i] = (photo[i] - 127.5f) / 127.5f;
  assert_ok(wk_diff_classifier_forward(classifier, input, 1, &err), &err);
  for (int k = 0; k < 10; k++)
    assert_near((double)wk_diff_classifier_scores(classifier)[k], photo_scores[k], 1e-4);
}

/* Any level, no stop before the last step. */
static wk_attack_result attacked(wk_attack_method method, int steps, double momentum, int target) {
  wk_attack_options o;
  wk_attack_options_init(&o);
  o.method = method;
  o.target = target;
  o.eps_255 = EPS;
  o.step = method == WK_ATTACK_PGD ? 0.5 : 0;
  o.steps = steps;
  o.momentum = momentum;
  o.confidence = 1;
  o.whole_levels = false;
  wk_attack_result r;
  wk_error err;
  assert_ok(wk_attack_run(&r, classifier, &backbone.preprocess, photo, &o, 42, 0, &err), &err);
  assert_int_equal(r.before, BEFORE);
  return r;
}

static void is_at(const wk_attack_result *r, const double *pixels, double p) {
  /* Pixels are sums of whole steps: equal, or apart by one step where a gradient's sign is lost in rounding. */
  for (int i = 0; i < VALUES; i += SAMPLE)
    assert_near((double)r->pixels[i], pixels[i / SAMPLE], 1e-4);
  assert_near((double)r->p_target_after, p, 1e-4);
}

static void fgsm_is_that_of_pytorch(void **state) {
  (void)state;
  wk_attack_result r = attacked(WK_ATTACK_FGSM, 0, 0, TARGET);
  is_at(&r, fgsm_pixels, fgsm_p[0]);
  assert_near(r.linf_255, EPS, 1e-4);
  wk_attack_result_free(&r);
}

/* The probability after each of ten steps; the result of an attack is the best of its steps. */
static void follows(double momentum, const double *p, const double *pixels) {
  double best = 0;
  for (int steps = 1; steps <= STEPS; steps++) {
    wk_attack_result r = attacked(WK_ATTACK_PGD, steps, momentum, TARGET);
    best = fmax(best, p[steps - 1]);
    assert_near((double)r.p_target_after, best, 1e-4);
    assert_int_equal(r.steps, steps);
    if (steps == STEPS)
      is_at(&r, pixels, p[STEPS - 1]);
    wk_attack_result_free(&r);
  }
}

static void pgd_goes_the_way_of_pytorch(void **state) {
  (void)state;
  follows(0, pgd_p, pgd_pixels);
}

static void momentum_goes_the_way_of_pytorch(void **state) {
  (void)state;
  follows(0.9, momentum_p, momentum_pixels);
}

static void deepfool_ends_where_pytorch_ends(void **state) {
  (void)state;
  wk_attack_result r = attacked(WK_ATTACK_DEEPFOOL, 0, 0, -1);
  assert_true(r.success);
  assert_int_equal(r.after, deepfool_class[0]);
  assert_int_equal(r.steps, deepfool_steps[0] * 5); /* a gradient for each of five rivals */
  assert_near(r.l2_255, deepfool_length[0], 1e-3 * deepfool_length[0]);
  double deepfool = r.l2_255;
  wk_attack_result_free(&r);
  /* Carlini and Wagner's search is slower and finds a change no longer than that. */
  r = attacked(WK_ATTACK_CW, TEST_SANITIZED ? 200 : 600, 0, -1);
  assert_true(r.success);
  assert_true(r.l2_255 < deepfool);
  wk_attack_result_free(&r);
}

static void descend(double tv, const double *losses) {
  wk_visualize_options o;
  wk_visualize_options_init(&o);
  o.method = WK_VISUALIZE_PLAIN;
  o.target = TARGET;
  o.steps = IDEAL_STEPS;
  o.tv = tv;
  wk_visualization *ideal = NULL;
  wk_error err;
  assert_ok(wk_visualize_class(&ideal, classifier, &backbone.preprocess, &o, NULL, &err), &err);
  assert_int_equal(ideal->steps, IDEAL_STEPS);
  for (int i = 0; i < IDEAL_STEPS; i++)
    assert_near(ideal->losses[i], losses[i], 1e-3 * fmax(1, losses[i]));
  wk_visualization_free(ideal);
}

static void lesson_descends_as_pytorch(void **state) {
  (void)state;
  descend(0, lesson_plain);
  descend(0.005, lesson_tv);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(scores_are_those_of_pytorch),      cmocka_unit_test(fgsm_is_that_of_pytorch),
      cmocka_unit_test(pgd_goes_the_way_of_pytorch),      cmocka_unit_test(momentum_goes_the_way_of_pytorch),
      cmocka_unit_test(deepfool_ends_where_pytorch_ends), cmocka_unit_test(lesson_descends_as_pytorch),
  };
  return cmocka_run_group_tests(tests, open_model, close_model);
}

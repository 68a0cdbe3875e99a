/* test_zoo_golden.c - every architecture computes what torchvision's computes: zoo.txt, made by
 * tools/make_zoo_goldens.py. Tolerance: 1e-4 of a layer's largest sample. fp32 sums in another order differ by about
 * 1e-6 a layer at these widths, while a wrong padding, epsilon or channel order shows in the first digits. */
#include "golden/zoo_cases.h"

static void run_case(const golden_case *c, const rule *r, const wk_graph *g, const wk_tensors *weights) {
  wk_error err = {0};
  wk_node output[MAX_LAYERS];
  for (int i = 0; i < c->layers; i++) {
    const char *name = c->layer[i].name;
    output[i] = strcmp(name, "@features") == 0 ? wk_graph_features(g)
                : strcmp(name, "@logits") == 0 ? wk_graph_logits(g)
                                               : wk_graph_find(g, name);
    if (output[i] < 0)
      fail_msg("%s has no layer %s", c->arch, c->layer[i].name);
  }
  wk_plan_options o;
  wk_plan_options_init(&o);
  o.height = c->height;
  o.width = c->width;
  o.batch = 1;
  o.output = output;
  o.outputs = c->layers;
  wk_plan *plan = NULL;
  wk_exec *exec = NULL;
  assert_ok(wk_plan_create(&plan, g, weights, &o, &err), &err);
  assert_ok(wk_exec_create(&exec, plan, &err), &err);
  size_t count = (size_t)c->height * (size_t)c->width * 3;
  float *input = wk_alloc_array(count, sizeof *input);
  assert_non_null(input);
  rule_fill(input, count, r, "input", 0, 2);
  assert_ok(wk_exec_run(exec, input, 1, &err), &err);
  for (int i = 0; i < c->layers; i++) {
    wk_shape s = wk_plan_output_shape(plan, i);
    assert_int_equal(s.height, c->layer[i].height);
    assert_int_equal(s.width, c->layer[i].width);
    assert_int_equal(s.channels, c->layer[i].channels);
    compare(c, &c->layer[i], wk_exec_output(exec, i), 1e-4);
  }
  wk_free(input);
  wk_exec_free(exec);
  wk_plan_free(plan);
}

/* Of networks that differ in numbers alone, those that a sanitizer looks at; their weights take it long to fill. */
static bool sanitized_too(const golden_case *c) {
  static const char *const shown[] = {
      "efficientnet_lite1", "efficientnet_v2_s",  "densenet121",     "googlenet",      "inception_v3",
      "mobilenet_v2_x0_35", "mobilenetv1_100",    "mobilenetv2_050", "regnet_y_400mf", "resnext50_32x4d",
      "seresnet50",         "shufflenet_v2_x0_5", "squeezenet1_1",   "xception",       "mobilenetv4_conv_small",
      "convnext_nano"};
  if (c->height > 100 || strstr(c->arch, "vgg13") || strstr(c->arch, "vgg16") || strstr(c->arch, "vgg19"))
    return false;
  bool found = c->layers > 2; /* with layers between its input and its end */
  for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
    found |= strcmp(shown[i], c->arch) == 0;
  return found;
}

/* All cases whose architecture's name begins so. */
static void run_all(const char *family) {
  FILE *f = fopen(test_source("tests/golden/zoo.txt"), "r");
  assert_non_null(f);
  rule *r = test_malloc(sizeof *r);
  golden_case *c = test_malloc(sizeof *c);
  rule_init(r);
  char line[4096] = "", built[64] = "";
  wk_graph *g = NULL;
  wk_tensors *weights = NULL;
  wk_error err = {0};
  int known = 0; /* under a sanitizer a family may have no network that is looked at */
  while (read_case(c, f, line, sizeof line)) {
    if (strncmp(c->arch, family, strlen(family)) != 0)
      continue;
    known++;
    if (TEST_SANITIZED && !sanitized_too(c))
      continue;
    if (strcmp(built, c->arch) != 0) {
      wk_tensors_free(weights);
      wk_graph_free(g);
      const wk_arch *arch = wk_arch_find(c->arch);
      assert_non_null(arch);
      assert_ok(arch->build(&g, arch->class_count, &err), &err);
      weights = rule_weights(r, g);
      snprintf(built, sizeof built, "%s", c->arch);
    }
    run_case(c, r, g, weights);
  }
  assert_true(known > 0);
  wk_tensors_free(weights);
  wk_graph_free(g);
  test_free(c);
  test_free(r);
  fclose(f);
}

#define FAMILY(name)                                                                                                   \
  static void name(void **state) { (void)state, run_all(#name); }
FAMILY(alexnet)
FAMILY(convnext)
FAMILY(densenet)
FAMILY(efficientnet)
FAMILY(googlenet)
FAMILY(inception)
FAMILY(mobilenet)
FAMILY(regnet)
FAMILY(resne) /* and ResNeXt */
FAMILY(seresnet)
FAMILY(shufflenet)
FAMILY(simple_cnn)
FAMILY(squeezenet)
FAMILY(tf_efficientnet)
FAMILY(vgg)
FAMILY(wide_resnet)
FAMILY(xception)

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(alexnet),
    cmocka_unit_test(convnext),
    cmocka_unit_test(densenet),
    cmocka_unit_test(efficientnet),
    cmocka_unit_test(googlenet),
    cmocka_unit_test(inception),
    cmocka_unit_test(mobilenet),
    cmocka_unit_test(regnet),
    cmocka_unit_test(resne),
    cmocka_unit_test(seresnet),
    cmocka_unit_test(shufflenet),
    cmocka_unit_test(simple_cnn),
    cmocka_unit_test(squeezenet),
    cmocka_unit_test(vgg),
    cmocka_unit_test(wide_resnet),
    cmocka_unit_test(xception),
#if !TEST_SANITIZED /* none of them is looked at */
    cmocka_unit_test(tf_efficientnet),
#endif
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

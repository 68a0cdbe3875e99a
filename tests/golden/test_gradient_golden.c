/* test_gradient_golden.c - gradients of whole networks are those of PyTorch: gradients.txt, made by
 * tools/make_gradient_goldens.py. Tolerance: 1e-3. The reference is in double precision; here a value within float32's
 * rounding of a ReLU's edge may fall on its other side, which moves single gradients a little, while a missing or wrong
 * path shows in the first digits. */
#include "golden/zoo_cases.h"
#include "whisker/train_nn.h"

typedef struct scores {
  float *weight;
  size_t count;
} scores;

/* The loss is a fixed weighting of the scores. */
static wk_status weighted(void *user, float *gradient, double *loss, const float *output, int first, int count,
                          wk_error *err) {
  const scores *s = user;
  (void)first, (void)count, (void)err;
  for (size_t i = 0; i < s->count; i++) {
    gradient[i] = s->weight[i];
    *loss += (double)(s->weight[i] * output[i]);
  }
  return WK_OK;
}

static const float *gradient_of(wk_trainer *t, const char *name) {
  for (int i = 0; i < wk_trainer_slots(t); i++)
    if (strcmp(wk_trainer_slot(t, i)->param->name, name) == 0)
      return wk_trainer_gradient(t) + wk_trainer_slot(t, i)->offset;
  fail_msg("%s does not train", name);
  return NULL;
}

static void run_case(const golden_case *c, const rule *r) {
  wk_error err = {0};
  wk_graph *g = NULL;
  wk_trainer *t = NULL;
  wk_trainer_options o;
  const wk_arch *arch = wk_arch_find(c->arch);
  assert_non_null(arch);
  assert_ok(arch->build(&g, arch->class_count, &err), &err);
  wk_tensors *weights = rule_weights(r, g);
  wk_trainer_options_init(&o);
  o.height = c->height, o.width = c->width, o.batch = 1, o.dropout = 0, o.input_gradient = true;
  assert_ok(wk_trainer_create(&t, g, weights, &o, &err), &err);
  wk_tensors_free(weights);
  const size_t pixels = (size_t)c->height * (size_t)c->width * 3;
  float *input = test_malloc(pixels * sizeof *input), *gradient = test_malloc(pixels * sizeof *gradient);
  scores s = {.count = (size_t)arch->class_count};
  s.weight = test_malloc(s.count * sizeof *s.weight);
  rule_fill(input, pixels, r, "input", 0, 2);
  rule_fill(s.weight, s.count, r, "loss", 0, 1);
  double loss;
  assert_ok(wk_trainer_input_gradient(t, gradient, &loss, input, 1, 0, weighted, &s, NULL, &err), &err);
  compare(c, &c->layer[0], gradient, 1e-3);
  assert_ok(wk_trainer_step(t, &loss, input, 1, 0, weighted, &s, NULL, &err), &err);
  for (int i = 1; i < c->layers; i++)
    compare(c, &c->layer[i], gradient_of(t, c->layer[i].name), 1e-3);
  test_free(input);
  test_free(gradient);
  test_free(s.weight);
  wk_trainer_free(t);
  wk_graph_free(g);
}

static void run_family(const char *family) {
  FILE *f = fopen(test_source("tests/golden/gradients.txt"), "r");
  assert_non_null(f);
  rule *r = test_malloc(sizeof *r);
  golden_case *c = test_malloc(sizeof *c);
  rule_init(r);
  char line[4096] = "";
  int known = 0;
  while (read_case(c, f, line, sizeof line))
    if (strncmp(c->arch, family, strlen(family)) == 0) {
      known++;
      if (!TEST_SANITIZED || known > 1 || strcmp(family, "convnext") != 0) /* nano alone is the same code */
        run_case(c, r);
    }
  assert_true(known > 0);
  test_free(c);
  test_free(r);
  fclose(f);
}

#define FAMILY(name)                                                                                                   \
  static void name(void **state) { (void)state, run_family(#name); }
FAMILY(convnext)
FAMILY(densenet)
FAMILY(inception)

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(convnext), cmocka_unit_test(densenet),
                                     cmocka_unit_test(inception)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

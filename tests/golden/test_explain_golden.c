/* test_explain_golden.c - maps of evidence are PyTorch's: look.txt, made by tools/make_explain_goldens.py in double
 * precision. Tolerance: 1e-4 of a map's largest value. Sums in float32 differ by about 1e-6 of it at this size, while a
 * wrong sign, weight or channel order shows in the first digits. */
#include "golden/zoo_weights.h"

enum { MOST = 1024, POINTS = 54, SAMPLES = 6 };

typedef struct network {
  wk_model *model;
  float *input;
} network;

static int setup(void **state) {
  static const char *const labels[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
  network *n = calloc(1, sizeof *n);
  rule *r = malloc(sizeof *r);
  wk_error err;
  wk_graph *g;
  wk_backbone *b;
  const wk_arch *arch = wk_arch_find("simple_cnn");
  rule_init(r);
  assert_ok(arch->build(&g, 10, &err), &err);
  assert_ok(wk_backbone_from(&b, arch, rule_weights(r, g), &err), &err);
  assert_ok(wk_model_create(&n->model, b, NULL, labels, NULL, &err), &err);
  n->input = malloc(32 * 32 * 3 * sizeof *n->input);
  rule_fill(n->input, 32 * 32 * 3, r, "input", 0, 2);
  wk_graph_free(g);
  free(r);
  *state = n;
  return 0;
}

static int teardown(void **state) {
  network *n = *state;
  wk_model_free(n->model);
  free(n->input);
  free(n);
  return 0;
}

/* The numbers after `name`; how many. */
static int golden(double out[MOST], const char *name) {
  FILE *f = fopen(test_source("tests/golden/look.txt"), "r");
  assert_non_null(f);
  char *line = NULL;
  size_t room = 0, n = strlen(name);
  int count = 0;
  while (getline(&line, &room, f) > 0)
    if (!strncmp(line, name, n) && line[n] == ' ') {
      char *at = line + n, *end;
      for (double v = strtod(at, &end); end != at && count < MOST; v = strtod(at, &end)) {
        out[count++] = v;
        at = end;
      }
    }
  free(line);
  fclose(f);
  assert_true(count > 0);
  return count;
}

static double golden_one(const char *name) {
  double v[MOST];
  assert_int_equal(golden(v, name), 1);
  return v[0];
}

static void compare(const network *n, const char *name, wk_attribution_method method) {
  double want[MOST], largest = 0;
  wk_attribution_options o;
  wk_attribution *cam;
  wk_error err;
  wk_attribution_options_init(&o);
  o.method = method;
  o.target = 3;
  o.channels = 0;
  o.samples = SAMPLES;
  o.steps = POINTS;
  o.tolerance = 1e-9; /* all points */
  assert_ok(wk_attribution_make(&cam, n->model, n->input, &o, NULL, &err), &err);
  int count = golden(want, name);
  assert_int_equal(cam->height * cam->width, count);
  for (int i = 0; i < count; i++)
    largest = fmax(largest, fabs(want[i]));
  const double tolerance = method == WK_ATTRIBUTION_IG ? 1e-3 : 1e-4;
  for (int i = 0; i < count; i++)
    if (!(fabs((double)cam->map[i] - want[i]) <= tolerance * largest))
      fail_msg("%s[%d] is %.7g, expected %.7g", name, i, (double)cam->map[i], want[i]);
  assert_near(cam->score, golden_one("score"), 1e-5);
  assert_near(cam->p, golden_one("p"), 1e-5);
  if (method == WK_ATTRIBUTION_IG) {
    assert_int_equal(cam->steps, POINTS);
    assert_near(cam->total, golden_one("ig_total"), 1e-4 * fabs(golden_one("ig_total")));
    assert_near(cam->expected, golden_one("ig_expected"), 1e-5);
  }
  wk_attribution_free(cam);
}

static void gradcam(void **state) { compare(*state, "gradcam", WK_ATTRIBUTION_GRADCAM); }
static void gradcam_pp(void **state) { compare(*state, "gradcampp", WK_ATTRIBUTION_GRADCAM_PP); }
static void hirescam(void **state) { compare(*state, "hirescam", WK_ATTRIBUTION_HIRESCAM); }
static void scorecam(void **state) { compare(*state, "scorecam", WK_ATTRIBUTION_SCORECAM); }
static void gradinput(void **state) { compare(*state, "gradinput", WK_ATTRIBUTION_GRADINPUT); }
static void smoothgrad(void **state) { compare(*state, "smoothgrad", WK_ATTRIBUTION_SMOOTHGRAD); }
static void ig(void **state) { compare(*state, "ig", WK_ATTRIBUTION_IG); }

/* What the map adds up to is the score's difference, to a thousandth when that is asked for. */
static void completeness(void **state) {
  const network *n = *state;
  wk_attribution_options o;
  wk_attribution *cam;
  wk_error err;
  wk_attribution_options_init(&o);
  o.method = WK_ATTRIBUTION_IG;
  o.tolerance = 1e-3;
  o.steps = 1458;
  for (o.target = 3; o.target >= (TEST_SANITIZED ? 3 : 0); o.target -= 3) {
    assert_ok(wk_attribution_make(&cam, n->model, n->input, &o, NULL, &err), &err);
    double sum = 0;
    for (int i = 0; i < 32 * 32; i++)
      sum += (double)cam->map[i];
    assert_near(sum, cam->expected, 1.1e-3 * fabs(cam->expected));
    wk_attribution_free(cam);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(gradcam),   cmocka_unit_test(gradcam_pp),
                                     cmocka_unit_test(hirescam),  cmocka_unit_test(scorecam),
                                     cmocka_unit_test(gradinput), cmocka_unit_test(smoothgrad),
                                     cmocka_unit_test(ig),        cmocka_unit_test(completeness)};
  return cmocka_run_group_tests(tests, setup, teardown);
}

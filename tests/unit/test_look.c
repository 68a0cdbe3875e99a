/* test_look.c - looking: how a layer's positions lie in the photo, statistics of channels, and the pictures. */
#include "golden/zoo_weights.h"

/* A photo of a disc on a slope, 90 x 70. */
static void make_photo(const char *path) {
  wk_image im;
  wk_error err;
  assert_ok(wk_image_alloc(&im, 90, 70, &err), &err);
  for (int y = 0; y < 70; y++)
    for (int x = 0; x < 90; x++) {
      uint8_t *p = im.pixels + (y * 90 + x) * 3;
      bool on = (x - 50) * (x - 50) + (y - 30) * (y - 30) < 18 * 18;
      p[0] = (uint8_t)(on ? 230 : x), p[1] = (uint8_t)(on ? 150 : y), p[2] = (uint8_t)(on ? 40 : 90);
    }
  assert_ok(wk_image_save_png(&im, path, &err), &err);
  wk_image_free(&im);
}

typedef struct fixture {
  char *dir;
  wk_model *model;
  wk_view view;
} fixture;

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  rule *r = malloc(sizeof *r);
  wk_error err;
  const wk_arch *arch = wk_arch_find("simple_cnn");
  wk_graph *g;
  wk_backbone *b;
  char path[4096];
  rule_init(r);
  assert_ok(arch->build(&g, 10, &err), &err);
  assert_ok(wk_backbone_from(&b, arch, rule_weights(r, g), &err), &err);
  static const char *const labels[] = {"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"};
  assert_ok(wk_model_create(&f->model, b, NULL, labels, NULL, &err), &err);
  f->dir = test_tmp_dir();
  snprintf(path, sizeof path, "%s/photo.png", f->dir);
  make_photo(path);
  assert_ok(wk_view_open(&f->view, path, &b->preprocess, &err), &err);
  wk_graph_free(g);
  free(r);
  *state = f;
  return 0;
}

static int teardown(void **state) {
  fixture *f = *state;
  wk_view_free(&f->view);
  wk_model_free(f->model);
  test_tmp_remove(f->dir);
  free(f);
  return 0;
}

/* ---- where a position lies in the photo -------------------------------------------------------- */

static void box_of_input(void **state) {
  (void)state;
  wk_preprocess p;
  wk_preprocess_init(&p);
  double box[4];
  wk_preprocess_box(box, 512, 256, &p); /* to 512 x 256, of which the middle 224 */
  assert_near(box[0], 144, 1e-9);
  assert_near(box[2], 368, 1e-9);
  assert_near(box[1], 16, 1e-9);
  assert_near(box[3], 240, 1e-9);
  p.rule = WK_CROP_SQUASH;
  wk_preprocess_box(box, 333, 77, &p);
  assert_near(box[0], 0, 0);
  assert_near(box[3], 77, 1e-9);
  wk_preprocess_init(&p);
  p.resize = 112; /* smaller than the crop: black borders lie outside of the photo */
  wk_preprocess_box(box, 112, 112, &p);
  assert_near(box[0], -56, 1e-9);
  assert_near(box[2], 168, 1e-9);
}

static wk_graph *graph_of(const char *arch, wk_error *err) {
  wk_graph *g;
  assert_ok(wk_arch_find(arch)->build(&g, 10, err), err);
  return g;
}

/* Receptive fields as the literature has them (Araujo et al., "Computing receptive fields of convolutional neural
 * networks", Distill 2019). */
static void known_fields(void **state) {
  (void)state;
  static const struct {
    const char *arch, *layer;
    int size, step;
  } known[] = {{"vgg16", "features.29", 196, 16},
               {"vgg16", "block5", 212, 32},
               {"resnet18", "layer4", 435, 32},
               {"resnet50", "layer4", 427, 32},
               {"mobilenet_v2", "head", 491, 32}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    wk_error err;
    wk_graph *g = graph_of(known[i].arch, &err);
    wk_node n;
    wk_field f;
    assert_ok(wk_look_layer(&n, g, known[i].layer, &err), &err);
    assert_ok(wk_look_field(&f, g, n, 0, 0, &err), &err);
    assert_int_equal(f.height, known[i].size);
    assert_int_equal(f.width, known[i].size);
    assert_int_equal(f.step_y, known[i].step);
    wk_graph_free(g);
  }
}

/* The gradient of one position must reach exactly the pixels that the position is said to see. */
static void check_field(const char *arch, const char *layer, int height, int width, int row, int column) {
  wk_error err;
  wk_graph *g = graph_of(arch, &err);
  rule *r = malloc(sizeof *r);
  rule_init(r);
  wk_tensors *weights = rule_weights(r, g);
  wk_node n = wk_graph_find(g, layer);
  assert_true(n >= 0);
  wk_field f;
  assert_ok(wk_look_field(&f, g, n, height, width, &err), &err);
  wk_node_info info;
  assert_ok(wk_graph_node(&info, g, n, height, width, &err), &err);
  wk_grad_options o;
  wk_grad_options_init(&o);
  o.height = height, o.width = width, o.seed = &n, o.seeds = 1;
  wk_grad_plan *plan;
  wk_grad_exec *exec;
  assert_ok(wk_grad_plan_create(&plan, g, weights, &o, &err), &err);
  assert_ok(wk_grad_exec_create(&exec, plan, &err), &err);
  size_t in = (size_t)height * (size_t)width * 3, channels = (size_t)info.shape.channels;
  size_t out = (size_t)info.shape.height * (size_t)info.shape.width * channels;
  float *input = malloc(in * sizeof *input), *seed = calloc(out, sizeof *seed);
  rule_fill(input, in, r, "input", 0, 2);
  assert_ok(wk_grad_forward(exec, input, 1, &err), &err);
  for (size_t c = 0; c < channels; c++)
    seed[((size_t)row * (size_t)info.shape.width + (size_t)column) * channels + c] = 1 + 0.1f * (float)c;
  const float *seeds[1] = {seed};
  assert_ok(wk_grad_backward(exec, seeds, &err), &err);
  int top = height, bottom = -1, left = width, right = -1;
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++)
      if (wk_grad_result(exec, 0)[(y * width + x) * 3] != 0) {
        top = y < top ? y : top, bottom = y > bottom ? y : bottom;
        left = x < left ? x : left, right = x > right ? x : right;
      }
  int y0 = f.top + row * f.step_y, x0 = f.left + column * f.step_x;
  int y1 = y0 + f.height - 1, x1 = x0 + f.width - 1;
  assert_int_equal(top, y0 > 0 ? y0 : 0);
  assert_int_equal(left, x0 > 0 ? x0 : 0);
  assert_int_equal(bottom, y1 < height ? y1 : height - 1);
  assert_int_equal(right, x1 < width ? x1 : width - 1);
  free(input);
  free(seed);
  wk_grad_exec_free(exec);
  wk_grad_plan_free(plan);
  wk_tensors_free(weights);
  wk_graph_free(g);
  free(r);
}

static void fields_by_gradient(void **state) {
  (void)state;
  check_field("resnet18", "layer2.0.relu_1", 97, 75, 5, 4);
  check_field("efficientnet_lite0", "_blocks.3._relu1", 96, 75, 7, 5); /* SAME paddings: odd and even sizes differ */
  check_field("simple_cnn", "block2.conv2", 32, 32, 5, 0);
}

/* ---- layers ------------------------------------------------------------------------------------ */

static void layers(void **state) {
  (void)state;
  wk_error err;
  wk_graph *g = graph_of("resnet50", &err);
  wk_node n, last;
  int count;
  wk_node *rung;
  assert_ok(wk_look_layer(&n, g, "layer3", &err), &err);
  assert_int_equal(n, wk_graph_find(g, "layer3.5.relu_2"));
  assert_int_equal(wk_look_layer(&n, g, "layer9", &err), WK_ERR_NOT_FOUND);
  assert_non_null(strstr(err.message, "layer1"));
  assert_non_null(strstr(err.message, "stages work too: stem, layer1"));
  assert_ok(wk_look_ladder(&rung, &count, g, &err), &err);
  assert_int_equal(count, 5);
  assert_int_equal(rung[0], wk_graph_find(g, "maxpool"));
  assert_int_equal(rung[4], wk_graph_find(g, "layer4.2.relu_2"));
  assert_ok(wk_look_last(&last, g, wk_graph_logits(g), &err), &err);
  assert_int_equal(last, rung[4]);
  wk_free(rung);
  wk_graph_free(g);
  g = graph_of("vgg11", &err);
  assert_ok(wk_look_last(&last, g, wk_graph_features(g), &err), &err);
  assert_int_equal(last, wk_graph_find(g, "features.19")); /* before the last pooling */
  wk_graph_free(g);
}

/* ---- channels ---------------------------------------------------------------------------------- */

static void maps(void **state) {
  fixture *f = *state;
  wk_error err;
  wk_node *rung;
  wk_maps *m;
  int count;
  assert_ok(wk_look_ladder(&rung, &count, f->model->backbone->graph, &err), &err);
  assert_ok(wk_maps_make(&m, f->model->backbone, f->view.input, rung, count, NULL, &err), &err);
  for (int k = 0; k < count; k++) {
    size_t channels = (size_t)m[k].shape.channels, n = (size_t)m[k].shape.height * (size_t)m[k].shape.width * channels;
    double sum = 0, zeros = 0, high = -INFINITY;
    int dead = (int)channels;
    for (size_t i = 0; i < n; i++) {
      sum += m[k].value[i];
      zeros += m[k].value[i] == 0;
      high = fmax(high, m[k].value[i]);
    }
    for (size_t c = 0; c < channels; c++)
      for (size_t i = 0; i < n / channels; i++)
        if (m[k].value[i * channels + c] != 0) {
          dead--;
          break;
        }
    assert_near(m[k].mean, sum / (double)n, 1e-9);
    assert_near(m[k].zeros, zeros / (double)n, 1e-12);
    assert_near(m[k].high, high, 0);
    assert_int_equal(m[k].dead, dead);
    for (size_t c = 1; c < channels; c++)
      assert_true(m[k].strength[m[k].order[c]] <= m[k].strength[m[k].order[c - 1]]);
  }
  wk_maps_style s;
  wk_maps_style_init(&s);
  wk_image page;
  assert_ok(wk_maps_draw_ladder(&page, m, count, &f->view, &s, &err), &err);
  assert_picture(&page, 1280, 0, "00024002820280029e669c889de21de29d769c5c9dda19009f4c9f881dd81000");
  wk_image_free(&page);
  assert_ok(wk_maps_draw(&page, &m[1], &f->view, &s, &err), &err);
  assert_picture(&page, 1280, 0, "80028c02c64ac5ccc44ee4daa4d4c4d8a448a448e4c8a448cc28cd28cd2acd30");
  wk_image_free(&page);
  s.own_scale = true;
  assert_ok(wk_maps_draw(&page, &m[1], &f->view, &s, &err), &err);
  assert_picture(&page, 1280, 0, "80028c02d54e8decd18ea4dab4d4d4ccb44ab048e4caa24acc28cd28cd2acd30");
  wk_image_free(&page);
  assert_ok(wk_maps_draw_flat(&page, &m[count - 1], &s, &err), &err);
  assert_picture(&page, 1280, 0, "0000a00095409560956095609560956095649560916091609768936893400000");
  wk_image_free(&page);
  wk_maps_free(m, count);
  wk_free(rung);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(box_of_input), cmocka_unit_test(known_fields),
                                     cmocka_unit_test(fields_by_gradient), cmocka_unit_test(layers),
                                     cmocka_unit_test_setup_teardown(maps, setup, teardown)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

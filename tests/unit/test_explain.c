/* test_explain.c - looking: how a layer's positions lie in the photo, statistics of channels, and the pictures. */
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
  wk_explain_input view;
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
  assert_ok(wk_explain_input_open(&f->view, path, &b->preprocess, &err), &err);
  wk_graph_free(g);
  free(r);
  *state = f;
  return 0;
}

static int teardown(void **state) {
  fixture *f = *state;
  wk_explain_input_free(&f->view);
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
    wk_receptive_field f;
    assert_ok(wk_layer_find(&n, g, known[i].layer, &err), &err);
    assert_ok(wk_layer_receptive_field(&f, g, n, 0, 0, &err), &err);
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
  wk_receptive_field f;
  assert_ok(wk_layer_receptive_field(&f, g, n, height, width, &err), &err);
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
  const float *g_in = wk_grad_result(exec, 0);
  float largest = 0; /* Winograd's transform rounds within its tiles, also beside the field */
  for (size_t i = 0; i < in; i++)
    largest = fmaxf(largest, fabsf(g_in[i]));
  int top = height, bottom = -1, left = width, right = -1;
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++)
      if (fabsf(g_in[(y * width + x) * 3]) > 1e-6f * largest) {
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
  assert_ok(wk_layer_find(&n, g, "layer3", &err), &err);
  assert_int_equal(n, wk_graph_find(g, "layer3.5.relu_2"));
  assert_int_equal(wk_layer_find(&n, g, "layer9", &err), WK_ERR_NOT_FOUND);
  assert_non_null(strstr(err.message, "layer1"));
  assert_non_null(strstr(err.message, "stages work too: stem, layer1"));
  assert_ok(wk_layer_overview(&rung, &count, g, &err), &err);
  assert_int_equal(count, 5);
  assert_int_equal(rung[0], wk_graph_find(g, "maxpool"));
  assert_int_equal(rung[4], wk_graph_find(g, "layer4.2.relu_2"));
  assert_ok(wk_layer_last_spatial(&last, g, wk_graph_logits(g), &err), &err);
  assert_int_equal(last, rung[4]);
  wk_free(rung);
  wk_graph_free(g);
  g = graph_of("vgg11", &err);
  assert_ok(wk_layer_last_spatial(&last, g, wk_graph_features(g), &err), &err);
  assert_int_equal(last, wk_graph_find(g, "features.19")); /* before the last pooling */
  wk_graph_free(g);
}

/* ---- channels ---------------------------------------------------------------------------------- */

static void maps(void **state) {
  fixture *f = *state;
  wk_error err;
  wk_node *rung;
  wk_feature_maps *m;
  int count;
  assert_ok(wk_layer_overview(&rung, &count, f->model->backbone->graph, &err), &err);
  assert_ok(wk_feature_maps_make(&m, f->model->backbone, f->view.input, rung, count, NULL, &err), &err);
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
  wk_feature_maps_style s;
  wk_feature_maps_style_init(&s);
  wk_image page;
  assert_ok(wk_feature_maps_draw_overview(&page, m, count, &f->view, &s, &err), &err);
  assert_picture(&page, 1748, 0, "9000c4008800000080009c6cddc49d66dd749c549d54df44df9c9d5480008000");
  wk_image_free(&page);
  assert_ok(wk_feature_maps_draw(&page, &m[1], &f->view, &s, &err), &err);
  assert_picture(&page, 1748, 0, "c600800000009044d54cd444c456d4d4d4dcd44cd444c4cc9040c92ac92a9000");
  wk_image_free(&page);
  s.own_scale = true;
  assert_ok(wk_feature_maps_draw(&page, &m[1], &f->view, &s, &err), &err);
  assert_picture(&page, 1748, 0, "c600800000009044c5ccd1c4a2d2d4d4d4cc944cc440dccc9040c92ac92a9000");
  wk_image_free(&page);
  assert_ok(wk_feature_maps_draw_flat(&page, &m[count - 1], &s, &err), &err);
  assert_picture(&page, 1748, 0, "0000e500aac0848080008000962896629660966a9668966097609240a5100000");
  wk_image_free(&page);
  wk_feature_maps_free(m, count);
  wk_free(rung);
}

/* ---- evidence for a class ---------------------------------------------------------------------- */

static void cam_pictures(void **state) {
  fixture *f = *state;
  static const char *const hash[WK_ATTRIBUTION_METHODS] = {
      "591a4918411840785818591859085988599859985c785c387810780070007002",
      "40024000400044704010410841084108418841d8407040004000400040004002",
      "4002400040005c30781078087848704870c871d0507051804000400040004002",
      "7192719873087078701878184848684840185038707072187808584872404242",
      "6282610040c0487848b84838608850185898491844b048605048400050004002",
      "405a5248408848b841384128416840c84038419041b04200400040484018400a",
      "4102410049c0487840d840984088409848984958443044605400700040005002"};
  for (int m = 0; m < WK_ATTRIBUTION_METHODS; m++) {
    wk_attribution_options o;
    wk_attribution *cam[2];
    wk_error err;
    wk_context ctx;
    wk_image picture;
    wk_attribution_region e;
    float *map;
    wk_attribution_options_init(&o);
    wk_context_init(&ctx);
    o.method = (wk_attribution_method)m;
    o.target = 3;
    o.steps = 18, o.samples = 9, o.channels = 40;
    for (int k = 0; k < 2; k++) { /* the same bits for any number of threads */
      ctx.threads = k ? 3 : 1;
      assert_ok(wk_attribution_make(&cam[k], f->model, f->view.input, &o, &ctx, &err), &err);
    }
    assert_memory_equal(cam[0]->map, cam[1]->map, (size_t)cam[0]->height * (size_t)cam[0]->width * sizeof(float));
    assert_int_equal(cam[0]->of_pixels, wk_attribution_of_pixels(o.method));
    assert_ok(wk_attribution_upsample(&map, cam[0], f->view.seen.height, f->view.seen.width, &err), &err);
    assert_ok(wk_attribution_draw(&picture, map, &f->view, 0, &err), &err);
    assert_ok(wk_attribution_region_find(&e, map, &f->view, &err), &err);
    if (!(e.share > 0 && e.share <= 1 && e.area > 0 && e.area <= 1))
      fail_msg("method %d: share %g, area %g", m, e.share, e.area);
    const char *wrong = test_picture_wrong(&picture, 90, 70, hash[m]);
    if (wrong)
      fail_msg("method %d: %s", m, wrong);
    wk_image_free(&picture);
    wk_free(map);
    wk_attribution_free(cam[0]);
    wk_attribution_free(cam[1]);
  }
}

/* Two spots: the larger one is the strongest region, and lies where it was put. */
static void evidence(void **state) {
  fixture *f = *state;
  wk_error err;
  wk_attribution_region e;
  float map[32 * 32] = {0};
  for (int y = 20; y < 28; y++)
    for (int x = 2; x < 6; x++)
      map[y * 32 + x] = 1;
  for (int y = 4; y < 8; y++)
    for (int x = 26; x < 28; x++)
      map[y * 32 + x] = 1.5f;
  map[31] = -9; /* what speaks against counts for nothing */
  assert_ok(wk_attribution_region_find(&e, map, &f->view, &err), &err);
  assert_near(e.share, 32 / (32 + 12.0), 1e-6);
  assert_string_equal(e.place, "lower left");
  assert_near(e.area, 32 / 1024.0 * (f->view.box[2] - f->view.box[0]) * (f->view.box[3] - f->view.box[1]) / (90 * 70),
              1e-9);
  memset(map, 0, sizeof map);
  assert_ok(wk_attribution_region_find(&e, map, &f->view, &err), &err);
  assert_near(e.share, 0, 0);
}

static void rank_correlation(void **state) {
  (void)state;
  wk_error err;
  double r;
  const float a[5] = {1, 2, 3, 4, 5}, b[5] = {5, 6, 7, 8, 7}, up[5] = {1, 10, 100, 1000, 1e4f},
              flat[5] = {2, 2, 2, 2, 2};
  assert_ok(wk_rank_correlation(&r, a, b, 5, &err), &err);
  assert_near(r, 0.8207826817, 1e-9); /* scipy.stats.spearmanr */
  assert_ok(wk_rank_correlation(&r, a, up, 5, &err), &err);
  assert_near(r, 1, 1e-12);
  assert_ok(wk_rank_correlation(&r, a, flat, 5, &err), &err);
  assert_true(isnan(r));
}

static void sanity(void **state) {
  fixture *f = *state;
  wk_attribution_options o;
  wk_attribution *cam;
  wk_sanity_step *step;
  wk_error err;
  int count;
  wk_attribution_options_init(&o);
  o.method = WK_ATTRIBUTION_GRADINPUT;
  assert_ok(wk_attribution_make(&cam, f->model, f->view.input, &o, NULL, &err), &err);
  assert_ok(wk_sanity_check(&step, &count, cam, f->model, f->view.input, &o, NULL, &err), &err);
  assert_int_equal(count, 4); /* head, block3, block2, block1 and with it everything */
  assert_string_equal(step[0].name, "head");
  assert_string_equal(step[1].name, "back to block3");
  assert_string_equal(step[3].name, "everything");
  for (int i = 0; i < count; i++)
    assert_true(fabs(step[i].correlation) < 0.9);
  assert_true(fabs(step[3].correlation) < 0.5);
  wk_sanity_free(step, count);
  wk_attribution_free(cam);
}

/* The drop at one place is what a prediction of the photo with that place hidden says. */
static void occlusion(void **state) {
  fixture *f = *state;
  wk_occlusion_options o;
  wk_occlusion *c[2];
  wk_error err;
  wk_context ctx;
  float p[2][10];
  wk_occlusion_options_init(&o);
  wk_context_init(&ctx);
  o.target = 5;
  o.patch = 8;
  o.step = 5;
  for (int k = 0; k < 2; k++) {
    ctx.threads = k ? 3 : 1;
    o.batch = k ? 2 : 7;
    assert_ok(wk_occlusion_make(&c[k], f->model, f->view.input, &o, &ctx, &err), &err);
  }
  assert_int_equal(c[0]->rows, 6); /* 0, 5, 10, 15, 20, 24 */
  assert_memory_equal(c[0]->drop, c[1]->drop, 36 * sizeof(float));
  double mean[3] = {0};
  for (int i = 0; i < 32 * 32 * 3; i++)
    mean[i % 3] += (double)f->view.input[i] / (32 * 32);
  assert_ok(wk_explain_input_predict(p[0], &f->view, f->model, NULL, &err), &err);
  wk_explain_input hidden = f->view;
  float input[32 * 32 * 3];
  memcpy(input, f->view.input, sizeof input);
  for (int y = 24; y < 32; y++)
    for (int x = 10; x < 18; x++)
      for (int ch = 0; ch < 3; ch++)
        input[(y * 32 + x) * 3 + ch] = (float)mean[ch];
  hidden.input = input;
  assert_ok(wk_explain_input_predict(p[1], &hidden, f->model, NULL, &err), &err);
  assert_near(c[0]->p, p[0][5], 1e-6);
  assert_near(c[0]->drop[5 * 6 + 2], p[0][5] - p[1][5], 1e-6);
  wk_image picture;
  assert_ok(wk_attribution_draw(&picture, c[0]->map, &f->view, 0, &err), &err);
  assert_picture(&picture, 90, 70, "41924190419040704098501850e850e850185018407044004400460041804182");
  wk_image_free(&picture);
  o.patch = 33;
  assert_int_equal(wk_occlusion_make(&c[0], f->model, f->view.input, &o, &ctx, &err), WK_ERR_ARGUMENT);
  o.patch = 8, o.step = 9;
  assert_int_equal(wk_occlusion_make(&c[0], f->model, f->view.input, &o, &ctx, &err), WK_ERR_ARGUMENT);
  wk_occlusion_free(c[0]);
  wk_occlusion_free(c[1]);
}

/* ---- what channels look for -------------------------------------------------------------------- */

static void filters(void **state) {
  fixture *f = *state;
  wk_error err;
  wk_filters what;
  wk_image picture;
  assert_ok(wk_filters_draw(&picture, &what, f->model->backbone, &err), &err);
  assert_string_equal(what.name, "block1.conv1");
  assert_int_equal(what.count, 32);
  assert_int_equal(what.width, 3);
  assert_picture(&picture, 0, 0, "b2809120aa00aa14aa94af40aaecaad40954aad4ae94aab4aaa4a954a8a88880");
  wk_image_free(&picture);
}

enum { PHOTOS = 7, BEST = 3 };

/* The places are the largest values of each channel, whoever looked. */
static void patches(void **state) {
  fixture *f = *state;
  wk_error err;
  const wk_backbone *b = f->model->backbone;
  char name[PHOTOS][4200];
  const char *path[PHOTOS];
  wk_feature_maps *m[PHOTOS] = {0};
  wk_node layer;
  assert_ok(wk_layer_find(&layer, b->graph, "block2.relu1", &err), &err);
  for (int i = 0; i < PHOTOS; i++) {
    wk_image im;
    wk_rng rng;
    wk_rng_init(&rng, 5, (uint64_t)i);
    snprintf(name[i], sizeof name[i], "%s/p%d.png", f->dir, i);
    path[i] = name[i];
    if (i == 2) { /* one that cannot be read */
      FILE *broken = fopen(path[i], "w");
      fclose(broken);
      continue;
    }
    assert_ok(wk_image_alloc(&im, 40 + i, 50, &err), &err);
    for (int k = 0; k < im.width * im.height * 3; k++)
      im.pixels[k] = (uint8_t)wk_rng_below(&rng, 256);
    assert_ok(wk_image_save_png(&im, path[i], &err), &err);
    wk_image_free(&im);
    wk_explain_input v;
    assert_ok(wk_explain_input_open(&v, path[i], &b->preprocess, &err), &err);
    assert_ok(wk_feature_maps_make(&m[i], b, v.input, &layer, 1, NULL, &err), &err);
    wk_explain_input_free(&v);
  }
  wk_top_patch *found[2];
  wk_context ctx;
  wk_context_init(&ctx);
  int n;
  for (int k = 0; k < 2; k++) {
    ctx.threads = k ? 3 : 1;
    assert_ok(wk_top_patches_find(&found[k], &n, b, layer, BEST, path, PHOTOS, &ctx, &err), &err);
    assert_int_equal(n, BEST);
  }
  for (int c = 0; c < 64; c++)
    for (int i = 0; i < BEST; i++) {
      const wk_top_patch *p = &found[0][c * BEST + i], *same = &found[1][c * BEST + i];
      assert_true(p->photo == same->photo && p->row == same->row && p->column == same->column &&
                  p->value == same->value);
      assert_true(p->photo != 2);
      assert_near(p->value, m[p->photo]->value[(p->row * 16 + p->column) * 64 + c], 1e-5);
      int stronger = 0;
      for (int k = 0; k < PHOTOS; k++) {
        float most = -INFINITY;
        for (int at = 0; m[k] && at < 16 * 16; at++)
          most = fmaxf(most, m[k]->value[at * 64 + c]);
        stronger += most > p->value + 1e-5f;
      }
      assert_true(stronger <= i);
    }
  wk_image cut;
  wk_receptive_field field;
  assert_ok(wk_layer_receptive_field(&field, b->graph, layer, 0, 0, &err), &err);
  assert_ok(wk_top_patch_crop(&cut, &found[0][0], path[found[0][0].photo], b, layer, 60, &err), &err);
  assert_true((cut.width == 60 || cut.height == 60) && cut.width <= 60 && cut.height <= 60);
  wk_image_free(&cut);
  assert_int_equal(wk_top_patches_find(&found[0], &n, b, layer, BEST, path + 2, 1, &ctx, &err), WK_ERR_FORMAT);
  wk_free(found[0]);
  wk_free(found[1]);
  for (int i = 0; i < PHOTOS; i++)
    wk_feature_maps_free(m[i], 1);
}

static void excite(void **state) {
  fixture *f = *state;
  wk_error err;
  wk_image out[2][3] = {0}, page;
  double rise[3];
  wk_activation_max_options o;
  wk_context ctx;
  wk_context_init(&ctx);
  wk_activation_max_options_init(&o);
  o.steps = 24;
  const int channel[3] = {0, 9, 40}, none = 128;
  wk_node layer = wk_graph_find(f->model->backbone->graph, "block3.relu2");
  wk_receptive_field field;
  assert_ok(wk_layer_receptive_field(&field, f->model->backbone->graph, layer, 0, 0, &err), &err);
  for (int k = 0; k < 2; k++) {
    ctx.threads = k ? 3 : 1;
    assert_ok(wk_activation_max_make(out[k], rise, f->model->backbone, layer, channel, 3, &o, &ctx, &err), &err);
  }
  wk_channel_row row[3];
  for (int i = 0; i < 3; i++) {
    if (!(rise[i] > 0.05))
      fail_msg("channel %d rose by %g", channel[i], rise[i]);
    assert_int_equal(out[0][i].width, 32);
    assert_memory_equal(out[0][i].pixels, out[1][i].pixels, 32 * 32 * 3);
    row[i] = (wk_channel_row){.channel = channel[i], .ideal = &out[0][i]};
  }
  assert_ok(wk_channels_draw(&page, "block3.relu2", &field, row, 3, &err), &err);
  assert_picture(&page, 960, 0, "aa80aac09500a4488000b438b628942cb62c952c963886208c60912480a00000");
  wk_image_free(&page);
  wk_image nothing = {0};
  assert_int_equal(wk_activation_max_make(&nothing, rise, f->model->backbone, layer, &none, 1, &o, &ctx, &err),
                   WK_ERR_ARGUMENT);
  for (int i = 0; i < 3; i++) {
    wk_image_free(&out[0][i]);
    wk_image_free(&out[1][i]);
  }
}

static void cannot_be(void **state) {
  fixture *f = *state;
  wk_attribution_options o;
  wk_attribution *cam = NULL;
  wk_error err;
  wk_attribution_options_init(&o);
  o.target = 10;
  assert_int_equal(wk_attribution_make(&cam, f->model, f->view.input, &o, NULL, &err), WK_ERR_ARGUMENT);
  o.target = 0;
  o.layer = wk_graph_find(f->model->backbone->graph, "avgpool");
  assert_int_equal(wk_attribution_make(&cam, f->model, f->view.input, &o, NULL, &err), WK_ERR_ARGUMENT);
  assert_non_null(strstr(err.message, "block3.relu2"));
  wk_model bare = *f->model; /* as a network without a classifier */
  bare.label_count = 0;
  assert_int_equal(wk_attribution_make(&cam, &bare, f->view.input, &o, NULL, &err), WK_ERR_UNSUPPORTED);
  assert_null(cam);
}

/* ---- without memory ---------------------------------------------------------------------------- */

/* One call of each kind, small; what it gives is freed again. */
typedef wk_status (*call)(const fixture *f, const wk_context *ctx, wk_error *err);

static wk_status attribution_of(const fixture *f, wk_attribution_method method, const wk_context *ctx, wk_error *err) {
  wk_attribution *cam = NULL;
  wk_attribution_options o;
  wk_attribution_options_init(&o);
  o.method = method;
  o.channels = 3;
  wk_status st = wk_attribution_make(&cam, f->model, f->view.input, &o, ctx, err);
  wk_attribution_free(cam);
  return st;
}

static wk_status call_gradinput(const fixture *f, const wk_context *ctx, wk_error *err) {
  return attribution_of(f, WK_ATTRIBUTION_GRADINPUT, ctx, err);
}

static wk_status call_scorecam(const fixture *f, const wk_context *ctx, wk_error *err) {
  return attribution_of(f, WK_ATTRIBUTION_SCORECAM, ctx, err);
}

static wk_status call_occlusion(const fixture *f, const wk_context *ctx, wk_error *err) {
  wk_occlusion *hidden = NULL;
  wk_occlusion_options o;
  wk_occlusion_options_init(&o);
  o.patch = 16;
  wk_status st = wk_occlusion_make(&hidden, f->model, f->view.input, &o, ctx, err);
  wk_occlusion_free(hidden);
  return st;
}

static wk_status call_feature_maps(const fixture *f, const wk_context *ctx, wk_error *err) {
  wk_feature_maps *m = NULL;
  wk_node layer = 3;
  wk_status st = wk_feature_maps_make(&m, f->model->backbone, f->view.input, &layer, 1, ctx, err);
  wk_feature_maps_free(m, 1);
  return st;
}

static wk_status call_sanity(const fixture *f, const wk_context *ctx, wk_error *err) {
  wk_attribution *cam = NULL;
  wk_sanity_step *step = NULL;
  int count = 0;
  wk_attribution_options o;
  wk_attribution_options_init(&o);
  o.method = WK_ATTRIBUTION_GRADINPUT;
  wk_status st = wk_attribution_make(&cam, f->model, f->view.input, &o, ctx, err);
  if (st == WK_OK)
    st = wk_sanity_check(&step, &count, cam, f->model, f->view.input, &o, ctx, err);
  if (st == WK_OK)
    wk_sanity_free(step, count);
  wk_attribution_free(cam);
  return st;
}

static wk_status call_filters(const fixture *f, const wk_context *ctx, wk_error *err) {
  (void)ctx;
  wk_image picture = {0};
  wk_filters what;
  wk_status st = wk_filters_draw(&picture, &what, f->model->backbone, err);
  wk_image_free(&picture);
  return st;
}

static wk_status call_patches(const fixture *f, const wk_context *ctx, wk_error *err) {
  char name[4200];
  const char *path = name;
  wk_top_patch *found = NULL;
  int n = 0;
  snprintf(name, sizeof name, "%s/p0.png", f->dir); /* of the test of patches */
  wk_status st = wk_top_patches_find(&found, &n, f->model->backbone, 3, 1, &path, 1, ctx, err);
  wk_free(found);
  return st;
}

static wk_status call_excite(const fixture *f, const wk_context *ctx, wk_error *err) {
  wk_image picture = {0};
  double rise = 0;
  const int channel = 9;
  wk_activation_max_options o;
  wk_activation_max_options_init(&o);
  o.steps = 2;
  wk_status st = wk_activation_max_make(&picture, &rise, f->model->backbone, 3, &channel, 1, &o, ctx, err);
  wk_image_free(&picture);
  return st;
}

/* The first few allocations fail one by one, of the others as many again, evenly spread: a status, nothing lost. */
static void no_memory(void **state) {
  enum { FEW = TEST_SANITIZED ? 10 : 40 };
  const fixture *f = *state;
  static const call calls[] = {call_gradinput, call_scorecam, call_occlusion, call_feature_maps,
                               call_sanity,    call_filters,  call_patches,   call_excite};
  wk_error err;
  wk_context ctx;
  wk_context_init(&ctx);
  ctx.threads = 2;
  for (size_t k = 0; k < sizeof calls / sizeof *calls; k++) {
    test_fail_allocation(-1);
    assert_ok(calls[k](f, &ctx, &err), &err);
    const long all = test_allocations(), step = all > 2 * FEW ? (all - FEW) / FEW : 1;
    assert_true(all > 0);
    for (long n = 0; n < all; n += n < FEW ? 1 : step) {
      test_fail_allocation(n);
      const wk_status st = calls[k](f, &ctx, &err);
      test_fail_allocation(-1);
      if (st != WK_ERR_MEMORY && n < FEW)
        fail_msg("call %zu, allocation %ld of %ld: %s", k, n, all, wk_status_name(st));
      assert_true(st == WK_OK || st == WK_ERR_MEMORY); /* how many there are differs by a few with the threads */
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(box_of_input),
                                     cmocka_unit_test(known_fields),
                                     cmocka_unit_test(fields_by_gradient),
                                     cmocka_unit_test(layers),
                                     cmocka_unit_test(maps),
                                     cmocka_unit_test(cam_pictures),
                                     cmocka_unit_test(evidence),
                                     cmocka_unit_test(rank_correlation),
                                     cmocka_unit_test(sanity),
                                     cmocka_unit_test(occlusion),
                                     cmocka_unit_test(filters),
                                     cmocka_unit_test(patches),
                                     cmocka_unit_test(excite),
                                     cmocka_unit_test(cannot_be),
                                     cmocka_unit_test(no_memory)};
  return cmocka_run_group_tests(tests, setup, teardown);
}

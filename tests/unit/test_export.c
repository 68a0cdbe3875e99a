/* test_export.c - models written for other frameworks and read back by whisker's own importers: the same labels, and
 * the same logits but for rounding. The networks have seeded weights. */
#include <unistd.h>

#include "export/export.h"
#include "support.h"

enum { CLASSES = 3 };

static const char *const labels[CLASSES] = {"cat", "d\"og's", "caf\xc3\xa9"};
static char *dir;
static wk_session *session;
static wk_error error;

/* ---- models ------------------------------------------------------------------------------------------- */

/* Weights that keep values near 1, so that differences mean something. */
static wk_tensors *seeded_weights(const wk_graph *g) {
  wk_tensors *t = NULL;
  wk_rng rng;
  float *w;
  wk_rng_init(&rng, 5, 0);
  assert_ok(wk_tensors_create(&t, &error), &error);
  for (int i = 0; i < wk_graph_param_count(g); i++) {
    const wk_param_info *p = wk_graph_param(g, i);
    const int64_t n = wk_tensor_count(p->ndim, p->shape), each = n / p->shape[0];
    assert_ok(wk_tensors_add_zeros(t, &w, p->name, p->ndim, p->shape, &error), &error);
    for (int64_t k = 0; k < n; k++)
      w[k] = p->ndim > 1 ? (float)wk_rng_normal(&rng) * sqrtf(2 / (float)each) : 0.5f + (float)wk_rng_uniform(&rng);
  }
  return t;
}

static wk_backbone *seeded_backbone(const char *name, int classes) {
  wk_backbone *b = NULL;
  wk_graph *g = NULL;
  const wk_arch *arch = wk_arch_find(name);
  assert_ok(arch->build(&g, classes, &error), &error);
  assert_ok(wk_backbone_from(&b, arch, seeded_weights(g), &error), &error);
  wk_graph_free(g);
  wk_preprocess_set_size(&b->preprocess, 64, 72);
  return b;
}

/* A backbone with a trained head, or with its own classifier. */
static wk_model *seeded_model(const char *name, bool own) {
  wk_model *m = NULL;
  wk_head *h = NULL;
  wk_rng rng;
  wk_backbone *b = seeded_backbone(name, own ? CLASSES : 0);
  if (!own) {
    assert_ok(wk_head_alloc(&h, WK_HEAD_LINEAR, CLASSES, b->arch->feature_count, 0, &error), &error);
    wk_rng_init(&rng, 3, 0);
    for (int i = 0; i < CLASSES * b->arch->feature_count; i++)
      h->weight[i] = 0.05f * (float)wk_rng_normal(&rng);
    for (int i = 0; i < CLASSES; i++)
      h->bias[i] = (float)i;
    h->temperature = 0.7f;
  }
  assert_ok(wk_model_create(&m, b, h, labels, "{}", &error), &error);
  return m;
}

static char *in_dir(const char *name) {
  char *p = wk_path_join(dir, name);
  assert_non_null(p);
  return p;
}

static int setup(void **state) {
  (void)state;
  wk_session_options o;
  wk_session_options_init(&o);
  dir = test_tmp_dir();
  o.home = dir;
  assert_ok(wk_session_open(&session, &o, &error), &error);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  wk_session_close(session);
  test_tmp_remove(dir);
  return 0;
}

/* Writes, reads back, and expects next to no difference. */
static void round_trip(const wk_model *m, const char *name, const wk_export_options *o) {
  wk_export_report *r = NULL;
  char *path = in_dir(name);
  assert_ok(wk_export(&r, session, m, path, o, &error), &error);
  assert_true(r->compared);
  assert_true(r->max_rel_diff < 1e-4);
  assert_int_equal(r->class_count, CLASSES);
  assert_int_equal(r->labels_same, r->format->whole);
  assert_true(r->bytes > 0);
  wk_export_report_free(r);
  wk_free(path);
}

/* ---- the exportable network ------------------------------------------------------------------------- */

static void batch_norms_are_folded_and_the_head_is_last(void **state) {
  (void)state;
  wk_model *m = seeded_model("mobilenet_v2", false);
  wk_net *net = NULL;
  assert_ok(wk_net_create(&net, m, &error), &error);
  for (int i = 0; i < net->layers; i++) {
    const wk_net_layer *l = &net->layer[i];
    assert_int_not_equal(l->op, WK_OP_BATCH_NORM);
    assert_int_not_equal(l->op, WK_OP_DROPOUT);
    assert_int_not_equal(l->op, WK_OP_RELU6); /* each is part of a convolution */
    for (int k = 0; k < l->inputs; k++)
      assert_true(l->in[k] < i);
  }
  assert_int_equal(net->layer[0].op, WK_OP_INPUT);
  assert_int_equal(net->layer[0].to.height, 64);
  const wk_net_layer *last = &net->layer[net->layers - 1];
  assert_int_equal(last->op, WK_OP_LINEAR);
  assert_int_equal(last->to.channels, CLASSES);
  assert_true(net->layer[last->in[0]].flat);
  assert_near(last->weight[7], m->head->weight[7] / 0.7f, 1e-6);
  assert_near(last->bias[2], 2 / 0.7, 1e-6);
  wk_net_free(net);
  wk_model_free(m);
}

/* Blue first becomes red first: the same numbers come out when pixels and weights are both turned. */
static void networks_that_read_blue_first_are_turned(void **state) {
  (void)state;
  wk_model *m = seeded_model("simple_cnn", true);
  wk_net *net = NULL;
  wk_preprocess *p = &m->backbone->preprocess;
  *p = (wk_preprocess){.width = 32, .height = 32, .resize = 32, .bgr = true, .mean = {1, 2, 3}, .std = {4, 5, 6}};
  assert_ok(wk_net_create(&net, m, &error), &error);
  const wk_tensor *t = wk_tensors_at(m->backbone->weights, 0);
  const size_t taps = (size_t)(t->shape[2] * t->shape[3]);
  const wk_net_layer *l = &net->layer[1];
  double scale = 0; /* of the batch norm, the same for all weights of an output */
  assert_int_equal(l->op, WK_OP_CONV);
  for (size_t c = 0; c < 3; c++) {
    const double now = (double)l->weight[c * taps] / (double)((const float *)t->data)[(2 - c) * taps];
    assert_true(c == 0 || fabs(now - scale) < 1e-5 * fabs(scale));
    scale = now;
  }
  assert_false(net->preprocess.bgr);
  assert_near(net->preprocess.mean[0], 3, 0);
  assert_near(net->preprocess.std[2], 4, 0);
  wk_net_free(net);
  wk_model_free(m);
}

static void what_cannot_be_exported_is_refused(void **state) {
  (void)state;
  wk_model *m = NULL;
  wk_head *h = NULL;
  char *path = in_dir("refused.safetensors");
  wk_backbone *b = seeded_backbone("simple_cnn", 0);
  assert_ok(wk_head_alloc(&h, WK_HEAD_KNN, CLASSES, b->arch->feature_count, 4, &error), &error);
  assert_ok(wk_model_create(&m, b, h, labels, "{}", &error), &error);
  assert_int_equal(wk_export_write(m, path, NULL, NULL, &error), WK_ERR_UNSUPPORTED);
  assert_non_null(strstr(error.message, "--head linear"));
  assert_false(wk_path_exists(path));
  wk_model_free(m);
  m = seeded_model("simple_cnn", false);
  assert_int_equal(wk_export_write(m, "x.unheard-of", NULL, NULL, &error), WK_ERR_ARGUMENT);
  assert_non_null(strstr(error.message, "safetensors"));
  wk_export_options o;
  wk_export_options_init(&o);
  o.preprocessing = WK_EXPORT_INSIDE;
  assert_int_equal(wk_export_write(m, path, &o, NULL, &error), WK_ERR_UNSUPPORTED);
  assert_ok(wk_file_write(path, "mine", 4, &error), &error);
  assert_int_equal(wk_export(NULL, session, m, path, NULL, &error), WK_ERR_IO); /* a file of somebody else's stays */
  wk_model_free(m);
  wk_free(path);
}

/* ---- formats ------------------------------------------------------------------------------------------ */

static void weights_by_name_come_back(void **state) {
  (void)state;
  wk_model *m = seeded_model("resnet18", false);
  round_trip(m, "a.safetensors", NULL);
  round_trip(m, "a.pth", NULL);
  m->backbone->preprocess.bgr = true;
  round_trip(m, "a.pth", NULL);
  round_trip(m, "a.onnx", NULL);
  wk_model_free(m);
  m = seeded_model("simple_cnn", true);
  round_trip(m, "b.safetensors", NULL);
  round_trip(m, "b.safetensors", NULL); /* over what it wrote itself */
  wk_model_free(m);
}

/* Under timm's names they are known again, also without being told whose they are (some by the name that timm gives the
 * network: round_trip has compared what it says). */
static void weights_under_other_names_come_back(void **state) {
  (void)state;
  static const struct {
    const char *arch, *tensor;
  } known[] = {{"mobilenet_v2", "blocks.1.0.conv_pwl.weight"},
               {"mobilenet_v3_small", "blocks.5.0.conv.weight"},
               {"efficientnet_b0", "blocks.2.1.se.conv_reduce.bias"},
               {"efficientnet_lite0", "blocks.6.0.bn3.running_var"},
               {"convnext_tiny", "stages.2.blocks.8.gamma"}};
  for (size_t i = 0; i < (TEST_SANITIZED ? 2 : sizeof known / sizeof *known); i++) {
    wk_model *m = seeded_model(known[i].arch, i % 2 == 0), *back = NULL;
    wk_tensors *t = NULL;
    char *path = in_dir("t.safetensors");
    round_trip(m, "t.safetensors", NULL);
    assert_ok(wk_weights_open(&t, path, &error), &error);
    assert_non_null(wk_tensors_find(t, known[i].tensor));
    wk_tensors_free(t);
    assert_ok(wk_open(&back, session, path, &error), &error);
    assert_int_equal(back->backbone->arch->params, m->backbone->arch->params); /* by whichever of its names */
    assert_string_equal(back->labels[1], labels[1]);                           /* of the config.json beside it */
    wk_model_free(back);
    wk_model_free(m);
    wk_free(path);
  }
}

/* A network with every operation that a graph can have and files can hold. */
static wk_model *every_operation(void) {
  wk_graph *g = NULL;
  wk_backbone *b = NULL;
  wk_model *m = NULL;
  wk_preprocess p;
  wk_window odd = wk_window_square(3, 2, 0), border = wk_window_square(1, 1, 0);
  assert_ok(wk_graph_create(&g, &error), &error);
  wk_node x = wk_graph_input(g, "input", 33, 37, 3), y, z;
  odd.pad_top = 1, odd.pad_right = 2;
  border.pad_left = 1, border.pad_bottom = 2;
  x = wk_graph_conv(g, "odd", x, 8, odd, 1, true);
  x = wk_graph_unary(g, "relu", WK_OP_RELU, x);
  x = wk_graph_lrn(g, "lrn", x, 5, 1e-2f, 0.75f, 1);
  x = wk_graph_conv(g, "same", x, 8, wk_window_same(3, 2), 8, false);
  x = wk_graph_batch_norm(g, "norm", x, 1e-3f);
  x = wk_graph_unary(g, "hardswish", WK_OP_HARDSWISH, x);
  y = wk_graph_shuffle(g, "shuffle", wk_graph_conv(g, "grouped", x, 8, wk_window_square(1, 1, 0), 2, false), 4);
  z = wk_graph_leaky(g, "leaky", WK_OP_LEAKY_RELU, wk_graph_slice(g, "slice", x, 2, 4), 0.1f);
  z = wk_graph_leaky(g, "elu", WK_OP_ELU, wk_graph_pad(g, "channels", z, wk_window_square(1, 1, 0), 1, 3), 1);
  x = wk_graph_concat(g, "concat", (wk_node[]){y, z, x}, 3);
  x = wk_graph_batch_norm(g, "alone", x, 1e-5f);
  x = wk_graph_unary(g, "relu6", WK_OP_RELU6, x);
  x = wk_graph_pad(g, "border", x, border, 0, 0);
  x = wk_graph_pool(g, "max", WK_OP_MAX_POOL, x, wk_window_square(3, 1, 1));
  x = wk_graph_pool(g, "average", WK_OP_AVG_POOL, x, wk_window_square(2, 1, 0));
  y = wk_graph_unary(g, "silu", WK_OP_SILU, wk_graph_conv(g, "wide", x, 24, wk_window_square(3, 1, 1), 1, true));
  z = wk_graph_unary(g, "tanh", WK_OP_TANH, x);
  x = wk_graph_add(g, "add", wk_graph_multiply(g, "multiply", y, z), x);
  y = wk_graph_adaptive_avg_pool(g, "squeeze", x, 1, 1);
  y = wk_graph_unary(g, "gate", WK_OP_HARDSIGMOID,
                     wk_graph_conv(g, "excite", y, 24, wk_window_square(1, 1, 0), 1, true));
  x = wk_graph_scale(g, "scale", x, y);
  x = wk_graph_unary(g, "flatten", WK_OP_FLATTEN,
                     wk_graph_pool(g, "last", WK_OP_MAX_POOL, x, wk_window_square(3, 3, 0)));
  x = wk_graph_unary(g, "sigmoid", WK_OP_SIGMOID, wk_graph_linear(g, "hidden", x, 16));
  wk_graph_outputs(g, x, wk_graph_linear(g, "classes", x, CLASSES));
  assert_ok(wk_graph_finish(g, &error), &error);
  wk_preprocess_init(&p);
  p.width = 37, p.height = 33, p.resize = 40, p.filter = WK_FILTER_BICUBIC;
  assert_ok(wk_backbone_from_graph(&b, g, seeded_weights(g), "test", &p, &error), &error);
  assert_ok(wk_model_create(&m, b, NULL, labels, "{}", &error), &error);
  return m;
}

/* Keras has no counterpart of some operations, and says so (test_export_keras.c). */
static bool holds_all(const wk_export_format *f) {
  return strcmp(f->name, "keras") != 0 && strcmp(f->name, "h5") != 0 && strcmp(f->name, "teachable") != 0;
}

static void every_format(const wk_model *m, const char *name, bool all) {
  wk_export_options o;
  for (int i = 0; i < wk_export_format_count(); i++) {
    const wk_export_format *f = wk_export_format_at(i);
    char file[80];
    if (!f->reads_back || !f->whole || (all && !holds_all(f)))
      continue;
    snprintf(file, sizeof file, "%s-%s%s", name, f->name, f->ending ? f->ending : "");
    wk_export_options_init(&o);
    o.format = f->name;
    round_trip(m, file, &o);
  }
}

static void whole_networks_come_back(void **state) {
  (void)state;
  static const char *const name[] = {"simple_cnn", "mobilenet_v3_small", "efficientnet_lite0", "efficientnet_b0"};
  for (size_t i = 0; i < (TEST_SANITIZED ? 2 : sizeof name / sizeof *name); i++) {
    wk_model *m = seeded_model(name[i], i % 2 != 0);
    every_format(m, name[i], false);
    wk_model_free(m);
  }
}

static void every_operation_comes_back(void **state) {
  (void)state;
  wk_model *m = every_operation();
  every_format(m, "operations", true);
  m->backbone->preprocess.rule = WK_CROP_SQUASH;
  m->backbone->preprocess.grey = true;
  every_format(m, "operations", true);
  wk_model_free(m);
}

/* ConvNeXt's stem, one block and head. */
static wk_model *convnext_block(void) {
  wk_graph *g = NULL;
  wk_backbone *b = NULL;
  wk_model *m = NULL;
  wk_preprocess p;
  assert_ok(wk_graph_create(&g, &error), &error);
  wk_node in = wk_graph_input(g, "input", 24, 24, 3), x;
  in = wk_graph_conv(g, "stem", in, 8, wk_window_square(4, 4, 0), 1, true);
  in = wk_graph_layer_norm(g, "stem_norm", in, 1e-6f);
  x = wk_graph_conv(g, "depthwise", in, 8, wk_window_square(7, 1, 3), 8, true);
  x = wk_graph_layer_norm(g, "norm", x, 1e-3f);
  x = wk_graph_unary(g, "gelu", WK_OP_GELU, wk_graph_pointwise(g, "wider", x, 32));
  x = wk_graph_layer_scale(g, "gamma", wk_graph_pointwise(g, "narrower", x, 8), true);
  x = wk_graph_layer_scale(g, "alone", wk_graph_add(g, "add", in, x), false);
  x = wk_graph_layer_norm(g, "last", wk_graph_adaptive_avg_pool(g, "pool", x, 1, 1), 1e-6f);
  wk_graph_outputs(g, x, wk_graph_linear(g, "classes", x, CLASSES));
  assert_ok(wk_graph_finish(g, &error), &error);
  wk_preprocess_init(&p);
  p.width = p.height = 24, p.resize = 24;
  assert_ok(wk_backbone_from_graph(&b, g, seeded_weights(g), "test", &p, &error), &error);
  assert_ok(wk_model_create(&m, b, NULL, labels, "{}", &error), &error);
  return m;
}

/* Into ONNX; the others say which layer they cannot hold. */
static void layer_norms_come_back_or_are_refused(void **state) {
  (void)state;
  wk_model *m = convnext_block();
  round_trip(m, "block.onnx", NULL);
  for (int i = 0; i < wk_export_format_count(); i++) {
    const wk_export_format *f = wk_export_format_at(i);
    char file[80];
    if (!f->whole || strcmp(f->name, "onnx") == 0)
      continue;
    snprintf(file, sizeof file, "block-%s%s", f->name, f->ending ? f->ending : "");
    wk_export_options o;
    wk_export_options_init(&o);
    o.format = f->name;
    char *path = in_dir(file);
    assert_int_equal(wk_export_write(m, path, &o, NULL, &error), WK_ERR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "stem_norm"));
    wk_free(path);
  }
  wk_model_free(m);
}

/* What ONNX's metadata say of the preprocessing is what comes back. */
static void preprocessing_comes_back(void **state) {
  (void)state;
  for (int inside = 0; inside < 2; inside++) {
    wk_model *m = seeded_model("simple_cnn", true), *back = NULL;
    wk_export_options o;
    char *path = in_dir("p.onnx");
    wk_preprocess *p = &m->backbone->preprocess;
    p->width = p->height = 32, p->resize = 45, p->rule = WK_CROP_KEEP, p->filter = WK_FILTER_BICUBIC;
    wk_export_options_init(&o);
    o.preprocessing = inside ? WK_EXPORT_INSIDE : WK_EXPORT_OUTSIDE;
    assert_ok(wk_export_write(m, path, &o, NULL, &error), &error);
    assert_ok(wk_open(&back, session, path, &error), &error);
    const wk_preprocess *q = &back->backbone->preprocess;
    assert_int_equal(q->resize, 45);
    assert_int_equal(q->rule, WK_CROP_KEEP);
    assert_int_equal(q->filter, WK_FILTER_BICUBIC);
    for (int c = 0; c < 3; c++) {
      assert_near(q->mean[c], p->mean[c], 1e-4);
      assert_near(q->std[c], p->std[c], 1e-4);
    }
    assert_false(back->backbone->assumed);
    wk_model_free(back);
    wk_model_free(m);
    wk_free(path);
  }
}

/* In 8 bits, calibrated on the very picture that is compared: what is left is the rounding. */
static void whole_numbers_are_near(void **state) {
  (void)state;
  static const char *const name[] = {"simple_cnn", "mobilenet_v3_small", "resnet18"};
  char *photo = in_dir("photo.png"), *path = in_dir("small.tflite");
  wk_image picture;
  wk_export_options o;
  assert_ok(wk_export_test_picture(&picture, &error), &error);
  assert_ok(wk_image_save_png(&picture, photo, &error), &error);
  wk_image_free(&picture);
  wk_export_options_init(&o);
  o.precision = WK_EXPORT_INT8;
  wk_model *m = every_operation();
  assert_int_equal(wk_export(NULL, session, m, path, &o, &error), WK_ERR_ARGUMENT); /* on which photos? */
  o.calibrate = photo;
  assert_int_equal(wk_export(NULL, session, m, path, &o, &error), WK_ERR_UNSUPPORTED);
  assert_non_null(strstr(error.message, "'lrn'"));
  wk_model_free(m);
  for (size_t i = 0; i < (TEST_SANITIZED ? 2 : sizeof name / sizeof *name); i++) {
    wk_export_report *r = NULL;
    m = seeded_model(name[i], true);
    assert_ok(wk_export(&r, session, m, path, &o, &error), &error);
    assert_int_equal(r->calibrated_count, 1);
    assert_true(r->labels_same);
    if (!(r->max_rel_diff < 0.2))
      fail_msg("%s: logits differ by %g of the largest", name[i], r->max_rel_diff);
    wk_export_report_free(r);
    wk_model_free(m);
  }
  wk_free(photo);
  wk_free(path);
}

/* Beside an export: logits that are the model's, and two texts that say its sides; a name is no part of a program. */
static void what_lies_beside_says_what_must_come_out(void **state) {
  (void)state;
  static const char *const name[] = {"preprocess.py", "preprocess.js", "selftest.json"};
  wk_model *m = seeded_model("simple_cnn", true);
  m->backbone->preprocess.rule = WK_CROP_SQUASH;
  char *path = in_dir("q\"\n().onnx");
  assert_ok(wk_export(NULL, session, m, path, NULL, &error), &error);
  for (int i = 0; i < 3; i++) {
    uint8_t *text = NULL;
    size_t size;
    char *file = wk_export_beside_path(path, wk_export_format_at(0), name[i]);
    assert_ok(wk_file_read(&text, &size, file, 1 << 20, &error), &error);
    assert_non_null(strstr((char *)text, "q____.onnx"));
    if (i == 2) {
      json_t *o = json_loads((char *)text, 0, NULL);
      float logits[CLASSES];
      wk_image picture, seen;
      assert_non_null(o);
      assert_ok(wk_export_test_picture(&picture, &error), &error);
      assert_ok(wk_preprocess_pixels(&seen, &picture, &m->backbone->preprocess, &error), &error);
      assert_ok(wk_model_logits(logits, m, seen.pixels, seen.height, seen.width, NULL, &error), &error);
      for (size_t c = 0; c < CLASSES; c++)
        assert_near(json_number_value(json_array_get(json_object_get(o, "logits"), c)), (double)logits[c], 1e-6);
      assert_string_equal(json_string_value(json_array_get(json_object_get(o, "labels"), 1)), labels[1]);
      json_decref(o);
      wk_image_free(&picture);
      wk_image_free(&seen);
    }
    wk_free(text);
    wk_free(file);
  }
  wk_free(path);
  wk_model_free(m);
}

static void allocations_may_fail(void **state) {
  (void)state;
  wk_model *whole = every_operation(), *known = seeded_model("simple_cnn", false);
  for (int i = 0; i < wk_export_format_count(); i++) {
    const wk_export_format *f = wk_export_format_at(i);
    const wk_model *m = f->whole && holds_all(f) ? whole : known;
    wk_export_options o;
    wk_export_options_init(&o);
    o.format = f->name;
    char *path = in_dir(f->ending ? f->ending : f->name);
    for (long n = 0;; n = TEST_NEXT_ALLOCATION(n)) {
      test_fail_allocation(n);
      wk_status st = wk_export_write(m, path, &o, NULL, &error);
      if (st == WK_OK)
        st = wk_export_beside(m, path, &o, (const float[CLASSES]){0}, &error);
      test_fail_allocation(-1);
      if (st == WK_OK)
        break;
      assert_int_equal(st, WK_ERR_MEMORY);
    }
    wk_free(path);
  }
  wk_model_free(whole);
  wk_model_free(known);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(batch_norms_are_folded_and_the_head_is_last),
      cmocka_unit_test(networks_that_read_blue_first_are_turned),
      cmocka_unit_test(what_cannot_be_exported_is_refused),
      cmocka_unit_test(weights_by_name_come_back),
      cmocka_unit_test(weights_under_other_names_come_back),
      cmocka_unit_test(whole_networks_come_back),
      cmocka_unit_test(every_operation_comes_back),
      cmocka_unit_test(layer_norms_come_back_or_are_refused),
      cmocka_unit_test(preprocessing_comes_back),
      cmocka_unit_test(whole_numbers_are_near),
      cmocka_unit_test(what_lies_beside_says_what_must_come_out),
      cmocka_unit_test(allocations_may_fail),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

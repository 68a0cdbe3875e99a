/* test_checkpoints.c - weights as training scripts and frameworks leave them: under keys of all kinds, beside objects
 * of any class, in whole modules, TorchScript programs, several files, NumPy's archives (made by
 * tools/make_checkpoint_goldens.py). And classifiers of one layer, of several, and elsewhere in the file. */
#include <unistd.h>

#include "support.h"

static wk_error error;

static const char *golden(const char *name) {
  char relative[256];
  snprintf(relative, sizeof relative, "tests/golden/checkpoints/%s", name);
  return test_source(relative);
}

static void check(const wk_tensors *t, const char *name, int64_t n, const float *expected) {
  float values[64];
  const wk_tensor *x = wk_tensors_find(t, name);
  if (!x)
    fail_msg("no tensor %s", name);
  assert_int_equal(wk_tensor_count(x->ndim, x->shape), n);
  assert_ok(wk_tensor_to_f32(values, x, &error), &error);
  for (int64_t i = 0; i < n; i++)
    if (values[i] != expected[i])
      fail_msg("%s[%d] = %g, expected %g", name, (int)i, (double)values[i], (double)expected[i]);
}

/* The network of the goldens, every number `plus` more. */
static void check_network(const wk_tensors *t, float plus) {
  const float value[4] = {plus, 1 + plus, 2 + plus, 3 + plus};
  check(t, "fc.weight", 4, value);
  check(t, "fc.bias", 2, value);
}

static void weights_in_any_place(void **state) {
  (void)state;
  static const struct {
    const char *file;
    size_t tensors;
    const char *note; /* a part of what is told; NULL: nothing */
  } good[] = {
      {"beside.pth", 2, NULL},
      {"beside_legacy.pth", 2, NULL},
      {"beside_protocol4.pth", 2, NULL},
      {"own_key.pth", 2, NULL},
      {"nested.pth", 2, NULL},
      {"lightning.ckpt", 2, NULL},
      {"usual_and_ema.pth", 2, "there are also state_dict_ema (2 tensors)"},
      {"whole.pth", 7, "a whole Python object (project.net.Net)"},
      {"whole_legacy.pth", 7, "a whole Python object (project.net.Net)"},
      {"whole_in_dict.pth", 7, "DataParallel"},
      {"learner.pkl", 7, "its code is not run"},
      {"script.pt", 8, "a TorchScript program"},
      {"traced.pt", 8, "a TorchScript program"},
      {"model.safetensors.index.json", 2, NULL},
      {"pytorch_model.bin.index.json", 2, NULL},
  };
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    wk_tensors *t = NULL;
    assert_ok(wk_weights_open(&t, golden(good[i].file), &error), &error);
    if (wk_tensors_size(t) != good[i].tensors)
      fail_msg("%s: %zu tensors, expected %zu", good[i].file, wk_tensors_size(t), good[i].tensors);
    const char *note = wk_tensors_meta(t, WK_WEIGHTS_NOTE);
    if (!note != !good[i].note || (note && !strstr(note, good[i].note)))
      fail_msg("%s: the note is %s", good[i].file, note ? note : "missing");
    const bool lightning = strstr(good[i].file, "lightning");
    if (!lightning)
      check_network(t, 0);
    wk_tensors_free(t);
  }
}

static void one_of_several(void **state) {
  (void)state;
  static const struct {
    const char *file, *key;
    float plus;
  } good[] = {{"two.pth", "student", 0},
              {"two.pth", "teacher", 10},
              {"prefixes.pth", "ema_model", 10},
              {"prefixes.pth", "model.", 0},
              {"nested.pth", "run.best.model_ema", 0},
              {"usual_and_ema.pth", "state_dict_ema", 10}};
  wk_tensors *t = NULL;
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    assert_ok(wk_weights_open_key(&t, golden(good[i].file), good[i].key, &error), &error);
    check_network(t, good[i].plus);
    wk_tensors_free(t);
  }
  assert_int_equal(wk_weights_open(&t, golden("two.pth"), &error), WK_ERR_UNSUPPORTED);
  assert_non_null(strstr(error.message, "student (2 tensors), teacher (2 tensors). Say which with --weights-key"));
  assert_int_equal(wk_weights_open_key(&t, golden("prefixes.pth"), "other", &error), WK_ERR_NOT_FOUND);
  assert_non_null(strstr(error.message, "prefixes.pth: nothing is under the key other"));
  assert_int_equal(wk_weights_open(&t, golden("frozen.pt"), &error), WK_ERR_UNSUPPORTED);
  assert_non_null(strstr(error.message, "TorchScript"));
}

static void numpy(void **state) {
  (void)state;
  static const char *const file[] = {"stored.npz", "packed.npz"};
  wk_tensors *t = NULL;
  float ramp[24];
  for (int i = 0; i < 24; i++)
    ramp[i] = (float)i;
  for (size_t i = 0; i < 2; i++) {
    assert_ok(wk_weights_open(&t, golden(file[i]), &error), &error);
    check_network(t, 0);
    check(t, "fortran", 24, ramp);
    assert_int_equal(wk_tensors_find(t, "fortran")->shape[2], 4);
    check(t, "half", 3, (float[]){0, 0.5f, 1});
    check(t, "double", 3, (float[]){0, 0.5f, 1});
    check(t, "scalar", 1, (float[]){7});
    check(t, "byte", 3, ramp);
    wk_tensors_free(t);
  }
  assert_int_equal(wk_weights_open(&t, golden("object.npz"), &error), WK_ERR_UNSUPPORTED);
  assert_non_null(strstr(error.message, "'|O'"));
}

/* An index whose files are elsewhere, missing, indices themselves, or lack a tensor. */
static void hostile_index(void **state) {
  (void)state;
  static const struct {
    const char *map, *says;
  } bad[] = {{"\"a\": \"../x.safetensors\"", "not beside it"},
             {"\"a\": \"/etc/passwd\"", "not beside it"},
             {"\"a\": \"\"", "not beside it"},
             {"\"a\": 1", "does not say where a lies"},
             {"\"a\": \"none.safetensors\"", "none.safetensors"},
             {"\"a\": \"index.json\"", "is an index too"},
             {"\"a\": \"w.safetensors\"", "says that a is in w.safetensors"},
             {"", "names none"}};
  char *dir = test_tmp_dir(), *path = wk_path_join(dir, "index.json"), *w = wk_path_join(dir, "w.safetensors");
  wk_tensors *t = NULL;
  assert_ok(wk_tensors_create(&t, &error), &error);
  assert_ok(wk_safetensors_write(w, t, &error), &error);
  wk_tensors_free(t);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    char text[200];
    const int n = snprintf(text, sizeof text, "{\"weight_map\": {%s}}", bad[i].map);
    assert_ok(wk_file_write(path, text, (size_t)n, &error), &error);
    assert_int_not_equal(wk_weights_open(&t, path, &error), WK_OK);
    if (!strstr(error.message, bad[i].says))
      fail_msg("%s (expected %s)", error.message, bad[i].says);
  }
  wk_free(path);
  wk_free(w);
  test_tmp_remove(dir);
}

/* Every cut and many changed bytes of every kind of file: an error or tensors, and nothing worse. */
static void damaged(void **state) {
  (void)state;
  static const char *const file[] = {"beside.pth",  "beside_legacy.pth", "whole.pth",  "script.pt",
                                     "learner.pkl", "stored.npz",        "packed.npz", "two.pth"};
  for (size_t k = 0; k < sizeof file / sizeof *file; k++) {
    uint8_t *bytes = NULL;
    size_t n;
    wk_rng rng;
    assert_ok(wk_file_read(&bytes, &n, golden(file[k]), 1 << 20, &error), &error);
    wk_rng_init(&rng, 3, k);
    for (int i = 0; i < 600; i++) {
      wk_tensors *t = NULL;
      const size_t size = i % 3 ? n : wk_rng_below(&rng, (uint32_t)n);
      uint8_t *copy = malloc(size + 1);
      memcpy(copy, bytes, size);
      for (int j = 0; size && j < i % 3; j++)
        copy[wk_rng_below(&rng, (uint32_t)size)] = (uint8_t)wk_rng_below(&rng, 256);
      if (wk_npz_parse(&t, copy, size, &error) == WK_OK)
        wk_tensors_free(t);
      t = NULL;
      if (wk_torch_parse(&t, copy, size, &error) == WK_OK)
        wk_tensors_free(t);
      free(copy);
    }
    wk_free(bytes);
  }
}

/* ---- classifiers ---------------------------------------------------------------------------------------- */

static void add(wk_tensors *t, const char *name, int64_t rows, int64_t columns) {
  float *w;
  const int64_t shape[2] = {rows, columns};
  assert_ok(wk_tensors_add_zeros(t, &w, name, columns ? 2 : 1, shape, &error), &error);
  for (int64_t i = 0; i < rows * (columns ? columns : 1); i++)
    w[i] = (float)(i % 7 - 3) / 8;
}

/* simple_cnn's body, its names after `prefix`, in a file of its own with what `more` adds. */
static wk_backbone *open_with(const char *path, const char *prefix, void (*more)(wk_tensors *t), wk_status expected) {
  const wk_arch *arch = wk_arch_find("simple_cnn");
  wk_graph *g = NULL;
  wk_tensors *t = NULL;
  wk_backbone *b = NULL;
  assert_ok(arch->build(&g, 0, &error), &error);
  assert_ok(wk_tensors_create(&t, &error), &error);
  for (int i = 0; i < wk_graph_param_count(g); i++) {
    const wk_param_info *p = wk_graph_param(g, i);
    char name[200];
    float *w;
    snprintf(name, sizeof name, "%s%s", prefix, p->name);
    assert_ok(wk_tensors_add_zeros(t, &w, name, p->ndim, p->shape, &error), &error);
  }
  more(t);
  assert_ok(wk_safetensors_write(path, t, &error), &error);
  assert_int_equal(wk_backbone_open(&b, path, NULL, NULL, NULL, &error), expected);
  wk_tensors_free(t);
  wk_graph_free(g);
  return b;
}

static void no_more(wk_tensors *t) { (void)t; }
static void two_layers(wk_tensors *t) {
  add(t, "fc.1.weight", 16, 128), add(t, "fc.1.bias", 16, 0);
  add(t, "fc.10.weight", 3, 16), add(t, "fc.10.bias", 3, 0);
}
static void adjacent_layers(wk_tensors *t) {
  add(t, "fc.0.weight", 16, 128), add(t, "fc.0.bias", 16, 0);
  add(t, "fc.1.weight", 3, 16), add(t, "fc.1.bias", 3, 0);
}
static void broken_layers(wk_tensors *t) {
  add(t, "fc.1.weight", 16, 128), add(t, "fc.1.bias", 16, 0);
  add(t, "fc.4.weight", 3, 17), add(t, "fc.4.bias", 3, 0);
}
static void head_elsewhere(wk_tensors *t) { add(t, "head.weight", 4, 128), add(t, "head.bias", 4, 0); }
static void other_elsewhere(wk_tensors *t) { add(t, "projector.weight", 4, 99), add(t, "projector.bias", 4, 0); }

static int ops(const wk_backbone *b, wk_op op) {
  int n = 0;
  wk_node_info info;
  for (int i = wk_graph_features(b->graph) + 1; i < wk_graph_size(b->graph); i++) {
    assert_ok(wk_graph_node(&info, b->graph, i, 0, 0, &error), &error);
    n += info.op == op;
  }
  return n;
}

static void classifiers(void **state) {
  (void)state;
  static const struct {
    const char *prefix;
    void (*more)(wk_tensors *t);
    int classes, linears, relus;
    const char *note;
  } good[] = {
      {"", no_more, 0, 0, 0, NULL},
      {"", two_layers, 3, 2, 1, "fc.1: 128 to 16, fc.10: 16 to 3); a ReLU between them is assumed"},
      {"", adjacent_layers, 3, 2, 0, "has 2 layers"},
      {"backbone.", head_elsewhere, 4, 1, 0, NULL},
      {"backbone.", other_elsewhere, 0, 0, 0, "not used: projector: 99 to 4"},
  };
  char *dir = test_tmp_dir(), *path = wk_path_join(dir, "w.safetensors");
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    wk_backbone *b = open_with(path, good[i].prefix, good[i].more, WK_OK);
    assert_int_equal(b->class_count, good[i].classes);
    assert_int_equal(ops(b, WK_OP_LINEAR), good[i].linears);
    assert_int_equal(ops(b, WK_OP_RELU), good[i].relus);
    if (!b->note != !good[i].note || (b->note && !strstr(b->note, good[i].note)))
      fail_msg("%zu: the note is %s", i, b->note ? b->note : "missing");
    wk_backbone_free(b);
  }
  open_with(path, "", broken_layers, WK_ERR_FORMAT);
  assert_non_null(strstr(error.message, "fc.4: 17 to 3"));
  wk_free(path);
  test_tmp_remove(dir);
}

/* A ResNet whose modules are counted, as fastai's bodies are, with fastai's head behind it. */
static void counted_modules(void **state) {
  (void)state;
  static const char *const number[][2] = {{"conv1.", "0."},  {"bn1.", "1."},    {"layer1.", "4."},
                                          {"layer2.", "5."}, {"layer3.", "6."}, {"layer4.", "7."}};
  static const char *const prefix[] = {"", "0."};
  const wk_arch *arch = wk_arch_find("resnet18");
  wk_graph *g = NULL;
  char *dir = test_tmp_dir(), *path = wk_path_join(dir, "export.safetensors");
  assert_ok(arch->build(&g, 0, &error), &error);
  for (int k = 0; k < 2; k++) {
    wk_tensors *t = NULL;
    wk_backbone *b = NULL;
    assert_ok(wk_tensors_create(&t, &error), &error);
    for (int i = 0; i < wk_graph_param_count(g); i++) {
      const wk_param_info *p = wk_graph_param(g, i);
      char name[200] = "";
      float *w;
      for (size_t n = 0; n < sizeof number / sizeof *number; n++)
        if (strncmp(p->name, number[n][0], strlen(number[n][0])) == 0)
          snprintf(name, sizeof name, "%s%s%s", prefix[k], number[n][1], p->name + strlen(number[n][0]));
      assert_ok(wk_tensors_add_zeros(t, &w, name, p->ndim, p->shape, &error), &error);
    }
    if (k)
      add(t, "1.4.weight", 16, 1024), add(t, "1.8.weight", 2, 16);
    assert_ok(wk_safetensors_write(path, t, &error), &error);
    assert_ok(wk_backbone_open(&b, path, NULL, NULL, NULL, &error), &error);
    assert_string_equal(b->arch->name, "resnet18");
    assert_int_equal(b->class_count, 0);
    assert_int_equal(b->note && strstr(b->note, "not used: 1.4: 1024 to 16"), k);
    wk_backbone_free(b);
    wk_tensors_free(t);
  }
  wk_graph_free(g);
  wk_free(path);
  test_tmp_remove(dir);
}

/* ---- what lies beside the weights ------------------------------------------------------------------------ */

static void write_text(const char *dir, const char *name, const char *text) {
  char *path = wk_path_join(dir, name);
  if (text)
    assert_ok(wk_file_write(path, text, strlen(text), &error), &error);
  else
    unlink(path);
  wk_free(path);
}

static void needs(const wk_preprocess *p, const wk_preprocess *want) {
  assert_int_equal(p->height, want->height);
  assert_int_equal(p->width, want->width);
  assert_int_equal(p->rule, want->rule);
  assert_int_equal(p->filter, want->filter);
  if (want->rule != WK_CROP_SQUASH)
    assert_int_equal(p->resize, want->resize);
  for (int c = 0; c < 3; c++) {
    assert_near(p->mean[c], want->mean[c], 1e-3);
    assert_near(p->std[c], want->std[c], 1e-3);
  }
}

static void preprocessing_beside(void **state) {
  (void)state;
  static const struct {
    const char *name, *text;
    wk_preprocess want;
  } said[] = {
      {"config.json",
       "{\"architecture\": \"x\", \"pretrained_cfg\": {\"input_size\": [3, 40, 48], \"interpolation\": \"bicubic\", "
       "\"crop_pct\": 0.9, \"mean\": [0.5, 0.5, 0.5], \"std\": [0.5, 0.5, 0.5]}}",
       {48,
        40,
        44,
        WK_CROP_CENTER,
        WK_FILTER_BICUBIC,
        false,
        {127.5f, 127.5f, 127.5f},
        {127.5f, 127.5f, 127.5f},
        0,
        0}},
      {"config.json",
       "{\"mean\": [0, 0, 0], \"std\": [1, 1, 1], \"input_size\": [3, 32, 32], \"crop_pct\": 1.0, "
       "\"interpolation\": \"bilinear\", \"crop_mode\": \"squash\"}",
       {32, 32, 32, WK_CROP_SQUASH, WK_FILTER_BILINEAR, false, {0, 0, 0}, {255, 255, 255}, 0, 0}},
      {"preprocessor_config.json",
       "{\"image_mean\": [0.5, 0.5, 0.5], \"image_std\": [0.5, 0.5, 0.5], \"resample\": 3, \"size\": "
       "{\"shortest_edge\": "
       "36}, \"do_center_crop\": true, \"crop_size\": {\"height\": 32, \"width\": 32}}",
       {32,
        32,
        36,
        WK_CROP_CENTER,
        WK_FILTER_BICUBIC,
        false,
        {127.5f, 127.5f, 127.5f},
        {127.5f, 127.5f, 127.5f},
        0,
        0}},
      {"preprocessor_config.json",
       "{\"image_mean\": [0.5, 0.5, 0.5], \"image_std\": [0.5, 0.5, 0.5], \"resample\": 2, \"size\": 32, "
       "\"do_normalize\": false}",
       {32, 32, 32, WK_CROP_SQUASH, WK_FILTER_BILINEAR, false, {0, 0, 0}, {255, 255, 255}, 0, 0}},
  };
  char *dir = test_tmp_dir(), *path = wk_path_join(dir, "model.safetensors");
  for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
    write_text(dir, said[i].name, said[i].text);
    wk_backbone *b = open_with(path, "", two_layers, WK_OK), *folder = NULL;
    needs(&b->preprocess, &said[i].want);
    assert_false(b->assumed);
    assert_non_null(strstr(b->prepared, said[i].name));
    assert_ok(wk_backbone_open(&folder, dir, NULL, NULL, NULL, &error), &error); /* the folder stands for it */
    needs(&folder->preprocess, &said[i].want);
    wk_backbone_free(folder);
    wk_backbone_free(b);
    write_text(dir, said[i].name, NULL);
  }
  /* Broken, of another network, or without numbers: as if it were not there. */
  static const char *const passed[] = {"{", "[]", "{\"mean\": [1, 2], \"std\": [1, 1, 1]}", "{\"mean\": \"x\"}",
                                       "{\"architecture\": \"resnet18\", \"mean\": [0, 0, 0], \"std\": [1, 1, 1]}"};
  for (size_t i = 0; i < sizeof passed / sizeof *passed; i++) {
    write_text(dir, "config.json", passed[i]);
    wk_backbone *b = open_with(path, "", two_layers, WK_OK);
    needs(&b->preprocess, &wk_arch_find("simple_cnn")->preprocess);
    wk_backbone_free(b);
  }
  /* A deviation of 0 is not taken. */
  write_text(dir, "config.json", "{\"mean\": [0, 0, 0], \"std\": [0, 1, 1]}");
  assert_null(open_with(path, "", two_layers, WK_ERR_ARGUMENT));
  assert_non_null(strstr(error.message, "config.json beside"));
  /* Names of classes. */
  write_text(dir, "config.json", "{\"label_names\": [\"a\", \"b\", \"c\"]}");
  wk_backbone *b = open_with(path, "", two_layers, WK_OK);
  assert_string_equal(b->labels[2], "c");
  wk_backbone_free(b);
  wk_free(path);
  test_tmp_remove(dir);
}

/* Of a network that is published, weights of one's own are assumed to want what those do; its published file is not. */
static void assumed(void **state) {
  (void)state;
  TEST_NEEDS(weights, "weights/mobilenet_v2.safetensors");
  char *dir = test_tmp_dir(), *path = wk_path_join(dir, "mobilenet_v2-7ebf99e0.pth");
  wk_backbone *b = NULL;
  assert_ok(wk_backbone_open(&b, weights, NULL, NULL, NULL, &error), &error);
  assert_true(b->assumed);
  assert_non_null(strstr(b->prepared, "assumed: as the published weights of mobilenet_v2"));
  wk_backbone_free(b);
  wk_pull_options o;
  wk_pull_options_init(&o);
  o.pixels = "tf";
  assert_ok(wk_backbone_open(&b, weights, NULL, &o, NULL, &error), &error);
  assert_false(b->assumed);
  assert_near(b->preprocess.std[1], 127.5, 1e-6);
  wk_backbone_free(b);
  assert_int_equal(symlink(weights, path), 0);
  assert_ok(wk_backbone_open(&b, path, NULL, NULL, NULL, &error), &error);
  assert_false(b->assumed);
  assert_string_equal(b->arch->name, "mobilenet_v2.tv2_in1k");
  wk_backbone_free(b);
  wk_free(path);
  test_tmp_remove(dir);
}

static void folders(void **state) {
  (void)state;
  char *dir = test_tmp_dir();
  wk_backbone *b = NULL;
  assert_int_equal(wk_backbone_open(&b, dir, NULL, NULL, NULL, &error), WK_ERR_NOT_FOUND);
  assert_non_null(strstr(error.message, "a folder in which no network is found"));
  write_text(dir, "a.pth", "x");
  write_text(dir, "b.pth", "x");
  assert_int_equal(wk_backbone_open(&b, dir, NULL, NULL, NULL, &error), WK_ERR_ARGUMENT);
  assert_non_null(strstr(error.message, "2 files of weights"));
  write_text(dir, "b.pth", NULL);
  assert_int_equal(wk_backbone_open(&b, dir, NULL, NULL, NULL, &error), WK_ERR_FORMAT);
  assert_non_null(strstr(error.message, "a.pth"));
  test_tmp_remove(dir);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(weights_in_any_place),
      cmocka_unit_test(one_of_several),
      cmocka_unit_test(numpy),
      cmocka_unit_test(hostile_index),
      cmocka_unit_test(damaged),
      cmocka_unit_test(classifiers),
      cmocka_unit_test(counted_modules),
      cmocka_unit_test(preprocessing_beside),
      cmocka_unit_test(assumed),
      cmocka_unit_test(folders),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

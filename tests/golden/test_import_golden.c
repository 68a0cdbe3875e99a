/* test_import_golden.c - networks in the files of their makers compute what their own runtimes do: small ones that are
 * committed (tools/make_import_goldens.py), and real ones of the test data, whose golden.json has the answers of Keras,
 * ONNX Runtime, TensorFlow Lite. And: what is cut short, or has bytes changed, is refused or read, and nothing worse.
 */
#include <jansson.h>

#include "support.h"

/* (7 y + 13 x + 29 c + y x / 5) mod 256, in three equal channels where the network sees grey. */
static uint8_t *picture(int height, int width, bool grey) {
  uint8_t *rgb = malloc((size_t)height * (size_t)width * 3);
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++)
      for (int c = 0; c < 3; c++)
        rgb[((size_t)y * (size_t)width + (size_t)x) * 3 + (size_t)c] =
            (uint8_t)(7 * y + 13 * x + (grey ? 0 : 29 * c) + y * x / 5);
  return rgb;
}

static wk_backbone *open_network(const char *path, const char *pixels) {
  wk_error err;
  wk_backbone *b = NULL;
  wk_pull_options o;
  wk_pull_options_init(&o);
  o.pixels = pixels;
  assert_ok(wk_backbone_open(&b, path, NULL, &o, NULL, &err), &err);
  return b;
}

/* The logits of the picture, or of a photo; free() them. */
static float *run_on(const wk_backbone *b, const char *photo) {
  wk_error err;
  wk_plan *plan = NULL;
  wk_exec *exec = NULL;
  wk_plan_options o;
  const wk_node logits = wk_graph_logits(b->graph);
  uint8_t *rgb = picture(b->preprocess.height, b->preprocess.width, b->preprocess.grey), *bytes = NULL;
  size_t size = 0;
  if (photo) {
    assert_ok(wk_file_read(&bytes, &size, photo, 1 << 24, &err), &err);
    assert_ok(wk_preprocess_bytes(rgb, bytes, size, &b->preprocess, &err), &err);
    wk_free(bytes);
  }
  wk_plan_options_init(&o);
  o.batch = 1;
  o.output = &logits;
  o.outputs = 1;
  assert_ok(wk_backbone_plan(&plan, b, &o, &err), &err);
  assert_ok(wk_exec_create(&exec, plan, &err), &err);
  assert_ok(wk_exec_run_pixels(exec, rgb, 1, &err), &err);
  float *out = malloc((size_t)b->class_count * sizeof *out);
  memcpy(out, wk_exec_output(exec, 0), (size_t)b->class_count * sizeof *out);
  wk_exec_free(exec);
  wk_plan_free(plan);
  free(rgb);
  return out;
}

static float *run(const wk_backbone *b) { return run_on(b, NULL); }

static void softmax(float *z, int n) {
  double top = -INFINITY, sum = 0;
  for (int i = 0; i < n; i++)
    top = fmax(top, z[i]);
  for (int i = 0; i < n; i++)
    sum += exp(z[i] - top);
  for (int i = 0; i < n; i++)
    z[i] = (float)(exp(z[i] - top) / sum);
}

static void committed(void **state) {
  (void)state;
  char line[2000], name[64];
  int height, width, channels, used, files = 0;
  FILE *f = fopen(test_source("tests/golden/import/expected.txt"), "r");
  assert_non_null(f);
  while (fgets(line, sizeof line, f)) {
    assert_int_equal(sscanf(line, "%63s %d %d %d%n", name, &height, &width, &channels, &used), 4);
    char path[200];
    snprintf(path, sizeof path, "tests/golden/import/%s", name);
    /* The file that rescales itself says so; of the others nobody does. */
    const bool own = strncmp(name, "nested", 6) == 0;
    wk_backbone *b = open_network(test_source(path), own ? NULL : "tf");
    assert_int_equal(b->preprocess.height, height);
    assert_int_equal(b->preprocess.width, width);
    assert_false(b->assumed);
    float *out = run(b);
    if (!strstr(name, ".onnx"))
      softmax(out, b->class_count);
    char *at = line + used;
    for (int i = 0; i < b->class_count; i++) {
      const double want = strtod(at, &at);
      if (!(fabs(out[i] - want) <= 1e-4 * fmax(1, fabs(want))))
        fail_msg("%s: output %d is %.7g, expected %.7g", name, i, out[i], want);
    }
    while (*at == ' ' || *at == '\n')
      at++;
    assert_int_equal(*at, 0);
    free(out);
    wk_backbone_free(b);
    files++;
  }
  fclose(f);
  assert_int_equal(files, 8);
}

/* A copy of a file of the tree in which one name, up to its end, is another as long. */
static void put_text(const char *path, const char *from, const char *old, const char *new) {
  wk_error err;
  uint8_t *bytes = NULL;
  size_t size = 0;
  assert_ok(wk_file_read(&bytes, &size, test_source(from), 1 << 24, &err), &err);
  for (size_t i = 0; i + strlen(old) + 1 <= size; i++)
    if (memcmp(bytes + i, old, strlen(old) + 1) == 0)
      memcpy(bytes + i, new, strlen(new));
  FILE *f = fopen(path, "wb");
  assert_non_null(f);
  assert_int_equal(fwrite(bytes, 1, size, f), size);
  assert_int_equal(fclose(f), 0);
  wk_free(bytes);
}

/* Weights alone: what nobody says of the pixels is said to be assumed; a layer of another name is told, with its near
 * miss. */
static void weights_alone(void **state) {
  (void)state;
  wk_error err;
  wk_pull_options o;
  wk_pull_options_init(&o);
  wk_backbone *b = open_network(test_source("tests/golden/import/bare.weights.h5"), NULL);
  assert_true(b->assumed);
  assert_string_equal(b->format, "Keras (weights of MobileNet)");
  assert_non_null(strstr(b->prepared, "x / 127.5 - 1"));
  assert_int_equal(b->class_count, 5);
  wk_backbone_free(b);
  char *dir = test_tmp_dir(), path[300];
  snprintf(path, sizeof path, "%s/other.h5", dir);
  put_text(path, "tests/golden/import/bare.h5", "conv_pw_9", "conv_pw_X");
  assert_int_equal(wk_backbone_open(&b, path, NULL, &o, NULL, &err), WK_ERR_UNSUPPORTED);
  assert_non_null(strstr(err.message, "MobileNet is the nearest; 1 of its weights are missing: conv_pw_9/kernel (the "
                                      "file has conv_pw_X/conv_pw_X/kernel), 1 of the file are not its own"));
  put_text(path, "tests/golden/import/nested.h5", "model_config", "model_conf__");
  assert_int_equal(wk_backbone_open(&b, path, NULL, &o, NULL, &err), WK_ERR_UNSUPPORTED);
  assert_non_null(strstr(err.message, "weights alone"));
  test_tmp_remove(dir);
}

/* A network of its own goes through JSON and comes back, and takes another classifier. */
static void other_classes(void **state) {
  (void)state;
  wk_error err;
  wk_backbone *b = open_network(test_source("tests/golden/import/functional.keras"), NULL);
  wk_graph *again = NULL, *five = NULL;
  char *text = NULL, *twice = NULL;
  assert_true(b->assumed);
  assert_non_null(strstr(b->prepared, "assumed"));
  assert_ok(wk_graph_to_json(&text, b->graph, true, &err), &err);
  assert_ok(wk_graph_from_json(&again, text, &err), &err);
  assert_ok(wk_graph_to_json(&twice, again, true, &err), &err);
  assert_string_equal(text, twice);
  assert_ok(wk_graph_check_weights(again, b->weights, -1, &err), &err);
  assert_ok(wk_backbone_build(&five, b, 5, &err), &err);
  wk_node_info logits;
  assert_ok(wk_graph_node(&logits, five, wk_graph_logits(five), 0, 0, &err), &err);
  assert_int_equal(logits.shape.channels, 5);
  assert_int_equal(logits.op, WK_OP_LINEAR);
  for (size_t cut = strlen(text); cut-- > 0;) {
    wk_graph *none = NULL;
    text[cut] = 0;
    assert_int_not_equal(wk_graph_from_json(&none, text, NULL), WK_OK);
  }
  wk_free(text);
  wk_free(twice);
  wk_graph_free(again);
  wk_graph_free(five);
  wk_backbone_free(b);
}

/* Quantised operations, weights in a second file, and layer norm and GELU whole and in pieces: what ONNX Runtime gives,
 * within one step of the last rounding. */
static void quantised_and_external(void **state) {
  (void)state;
  char line[2000], name[64], path[200];
  int height, width, channels, used, files = 0;
  float step;
  FILE *f = fopen(test_source("tests/golden/onnx/expected.txt"), "r");
  assert_non_null(f);
  while (fgets(line, sizeof line, f)) {
    assert_int_equal(sscanf(line, "%63s %d %d %d %f%n", name, &height, &width, &channels, &step, &used), 5);
    snprintf(path, sizeof path, "tests/golden/onnx/%s", name);
    wk_backbone *b = open_network(test_source(path), "tf");
    assert_int_equal(b->class_count, 5);
    float *out = run(b);
    char *at = line + used, *text = NULL, *again = NULL;
    wk_graph *g = NULL; /* steps of rounding go through JSON */
    wk_error err;
    assert_ok(wk_graph_to_json(&text, b->graph, true, &err), &err);
    assert_ok(wk_graph_from_json(&g, text, &err), &err);
    assert_ok(wk_graph_to_json(&again, g, true, &err), &err);
    assert_string_equal(text, again);
    wk_graph_free(g);
    wk_free(text);
    wk_free(again);
    for (int i = 0; i < b->class_count; i++) {
      const double want = strtod(at, &at);
      if (!(fabs(out[i] - want) <= (double)step * 1.01 + 1e-5))
        fail_msg("%s: output %d is %.7g, expected %.7g", name, i, out[i], want);
    }
    free(out);
    wk_backbone_free(b);
    files++;
  }
  fclose(f);
  assert_int_equal(files, 5);
}

static void write_file(const char *path, const uint8_t *bytes, size_t n) {
  FILE *f = fopen(path, "wb");
  assert_non_null(f);
  assert_int_equal(fwrite(bytes, 1, n, f), n);
  fclose(f);
}

/* Opens what is left of a file, if it can be. */
static void attempt(const char *path, const uint8_t *bytes, size_t n) {
  wk_error err = {0};
  wk_import made = {0};
  write_file(path, bytes, n);
  wk_status st = wk_import_open(&made, path, NULL, &err);
  if (st != WK_OK)
    assert_true(strlen(err.message) > strlen(path));
  wk_import_free(&made);
}

static void damaged(void **state) {
  (void)state;
  static const char *const file[] = {"functional.h5", "nested.keras", "shuffle.onnx"};
  char *dir = test_tmp_dir(), path[500], source[200];
  for (size_t k = 0; k < 3; k++) {
    uint8_t *bytes = NULL;
    size_t n;
    wk_error err;
    snprintf(source, sizeof source, "tests/golden/import/%s", file[k]);
    snprintf(path, sizeof path, "%s/%s", dir, file[k]);
    assert_ok(wk_file_read(&bytes, &n, test_source(source), 1 << 20, &err), &err);
    for (int i = 0; i < 60; i++)
      attempt(path, bytes, n * (size_t)i / 60);
    wk_rng rng;
    wk_rng_init(&rng, 5, k);
    for (int i = 0; i < (TEST_SANITIZED ? 150 : 400); i++) { /* mostly in the first part, where structure is */
      const size_t at = wk_rng_below(&rng, (uint32_t)(i % 2 ? n : n < 4096 ? n : 4096));
      const uint8_t kept = bytes[at];
      bytes[at] = (uint8_t)wk_rng_below(&rng, 256);
      attempt(path, bytes, n);
      bytes[at] = kept;
    }
    wk_free(bytes);
  }
  test_tmp_remove(dir);
}

/* ---- real files ----------------------------------------------------------------------------------------- */

/* How the answers in golden.json were made; none of them is quantised unless it says so. */
static const struct {
  const char *file, *pixels;
  bool logits; /* golden.json has them, not probabilities */
  double tolerance;
} real[] = {
    {"mobilenet_v1_0.25_224_1_metadata_1.tflite", NULL, false, 1e-4},
    {"mobilenet_v1_0.25_224_quant.tflite", NULL, false, 0.02},
    {"tm_waste/keras_model.h5", NULL, false, 1e-4},
    {"fer2013_mini_XCEPTION.102-0.66.hdf5", NULL, false, 1e-4},
    {"ch_ppocr_mobile_v2.0_cls_infer.onnx", NULL, false, 1e-4},
    {"opt-mnist.onnx", NULL, true, 1e-4},
    {"light_bvlc_alexnet.onnx", "unit", false, 1e-4},
    {"light_densenet121.onnx", "unit", true, 1e-4},
    {"light_resnet50.onnx", "unit", false, 1e-4},
    {"light_shufflenet.onnx", "unit", false, 1e-4},
    {"light_squeezenet.onnx", "unit", false, 1e-4},
};

static void check_answer(const wk_backbone *b, const char *file, bool logits, double tolerance, const json_t *want,
                         const char *photo) {
  const json_t *first = json_object_get(want, "first8");
  assert_int_equal(b->class_count, json_integer_value(json_object_get(want, "n")));
  float *out = run_on(b, photo);
  if (!logits)
    softmax(out, b->class_count);
  const double largest = fmax(1, json_number_value(json_object_get(want, "score")));
  const int top = (int)json_integer_value(json_object_get(want, "top1"));
  for (int i = 0; i < b->class_count; i++)
    if (out[i] > out[top] + tolerance * largest * 0.01)
      fail_msg("%s: class %d is ahead of %d", file, i, top);
  assert_near(out[top], json_number_value(json_object_get(want, "score")), tolerance * largest);
  for (size_t i = 0; i < json_array_size(first); i++)
    assert_near(out[i], json_number_value(json_array_get(first, i)), tolerance * largest);
  free(out);
}

static void real_files(void **state) {
  (void)state;
  TEST_NEEDS(answers, "formats/golden.json");
  TEST_NEEDS(cat_photo, "photos/cats-dogs/test/cat/cat.4006.jpg");
  TEST_NEEDS(dog_photo, "photos/cats-dogs/test/dog/dog.4003.jpg");
  char cat[1000], dog[1000];
  snprintf(cat, sizeof cat, "%s", cat_photo);
  snprintf(dog, sizeof dog, "%s", dog_photo);
  json_t *golden = json_load_file(answers, 0, NULL);
  assert_non_null(golden);
  for (size_t k = 0; k < sizeof real / sizeof *real; k++) {
    char name[200];
    snprintf(name, sizeof name, "formats/%s", real[k].file);
    wk_backbone *b = open_network(test_data(name), real[k].pixels);
    const json_t *answers_of = json_object_get(golden, real[k].file);
    check_answer(b, real[k].file, real[k].logits, real[k].tolerance, json_object_get(answers_of, "synthetic"), NULL);
    check_answer(b, real[k].file, real[k].logits, real[k].tolerance, json_object_get(answers_of, "cat.4006.jpg"), cat);
    check_answer(b, real[k].file, real[k].logits, real[k].tolerance, json_object_get(answers_of, "dog.4003.jpg"), dog);
    wk_backbone_free(b);
  }
  json_decref(golden);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(committed),     cmocka_unit_test(weights_alone), cmocka_unit_test(quantised_and_external),
      cmocka_unit_test(other_classes), cmocka_unit_test(damaged),       cmocka_unit_test(real_files),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

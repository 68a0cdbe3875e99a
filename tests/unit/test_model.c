/* test_model.c - heads and model files: the same probabilities and the same bytes after a round trip, and files that
 * are damaged, hostile or of another version. The backbone is the registry's small network with seeded weights. */
#include <unistd.h>

#include "support.h"

enum { PHOTOS = 6, CLASSES = 3, FEATURES = 128 };

static const char *const labels[CLASSES] = {"cat", "d\"og", "caf\xc3\xa9"};
static const char recipe[] = "{\"l2\":0.5}";
static char *dir, *file, *other;
static char *photo[PHOTOS];
static wk_error error;

/* ---- parts ------------------------------------------------------------------------------------ */

static wk_tensors *seeded_weights(const wk_arch *arch, int classes, uint64_t seed) {
  wk_graph *g = NULL;
  wk_tensors *t = NULL;
  wk_rng rng;
  float *w;
  wk_rng_init(&rng, seed, 0);
  assert_ok(arch->build(&g, classes, &error), &error);
  assert_ok(wk_tensors_create(&t, &error), &error);
  for (int i = 0; i < wk_graph_param_count(g); i++) {
    const wk_param_info *p = wk_graph_param(g, i);
    assert_ok(wk_tensors_add_zeros(t, &w, p->name, p->ndim, p->shape, &error), &error);
    for (int64_t k = 0; k < wk_tensor_count(p->ndim, p->shape); k++)
      w[k] = p->ndim > 1 ? 0.1f * (float)wk_rng_normal(&rng) : 0.5f + (float)wk_rng_uniform(&rng);
  }
  /* what PyTorch keeps besides: no part of a model */
  assert_ok(wk_tensors_add_zeros(t, &w, "num_batches_tracked", 0, NULL, &error), &error);
  wk_graph_free(g);
  return t;
}

static wk_backbone *seeded_backbone(const char *name, int classes, uint64_t seed) {
  wk_backbone *b = NULL;
  const wk_arch *arch = wk_arch_find(name);
  assert_ok(wk_backbone_from(&b, arch, seeded_weights(arch, classes, seed), &error), &error);
  return b;
}

static wk_head *seeded_head(wk_head_kind kind, int features) {
  enum { EXAMPLES = 11 };
  wk_head *h = NULL;
  wk_rng rng;
  wk_rng_init(&rng, 3, 0);
  assert_ok(wk_head_alloc(&h, kind, CLASSES, features, EXAMPLES, &error), &error);
  int rows = kind == WK_HEAD_KNN ? EXAMPLES : CLASSES;
  for (int i = 0; i < rows * features; i++)
    h->weight[i] = 0.1f * (float)wk_rng_normal(&rng);
  for (int i = 0; h->bias && i < CLASSES; i++)
    h->bias[i] = (float)i;
  for (int i = 0; h->example_label && i < EXAMPLES; i++)
    h->example_label[i] = i % CLASSES;
  h->k = 5;
  h->temperature = 0.3f;
  return h;
}

static wk_model *seeded_model(int kind) {
  wk_model *m = NULL;
  wk_backbone *b = seeded_backbone("simple_cnn", kind < 0 ? CLASSES : 10, 1);
  b->preprocess.mean[1] = 123.456f;
  assert_ok(wk_model_create(&m, b, kind < 0 ? NULL : seeded_head((wk_head_kind)kind, FEATURES), labels, recipe, &error),
            &error);
  return m;
}

static float *predict(const wk_model *m) {
  float *p = NULL;
  wk_features *f = NULL;
  assert_ok(wk_model_predict(&p, &f, m, (const char *const *)photo, PHOTOS, NULL, NULL, &error), &error);
  assert_int_equal(f->rows, PHOTOS);
  wk_features_free(f);
  return p;
}

static char *in_dir(const char *name) {
  char *p = wk_path_join(dir, name);
  assert_non_null(p);
  return p;
}

static int setup(void **state) {
  (void)state;
  dir = test_tmp_dir();
  file = in_dir("a.whisker");
  other = in_dir("b.whisker");
  wk_rng rng;
  wk_rng_init(&rng, 1, 1);
  for (int i = 0; i < PHOTOS; i++) {
    wk_image image;
    photo[i] = in_dir((char[]){(char)('a' + i), '.', 'p', 'n', 'g', 0});
    assert_ok(wk_image_alloc(&image, 40, 36, &error), &error);
    for (int k = 0; k < 40 * 36 * 3; k++)
      image.pixels[k] = (uint8_t)(wk_rng_u32(&rng) >> 24);
    assert_ok(wk_image_save_png(&image, photo[i], &error), &error);
    wk_image_free(&image);
  }
  return 0;
}

static int teardown(void **state) {
  (void)state;
  for (int i = 0; i < PHOTOS; i++)
    wk_free(photo[i]);
  wk_free(file);
  wk_free(other);
  test_tmp_remove(dir);
  return 0;
}

static void assert_same_bytes(const char *a, const char *b) {
  uint8_t *x = NULL, *y = NULL;
  size_t n = 0, m = 0;
  assert_ok(wk_file_read(&x, &n, a, 1 << 28, &error), &error);
  assert_ok(wk_file_read(&y, &m, b, 1 << 28, &error), &error);
  assert_int_equal(n, m);
  assert_memory_equal(x, y, n);
  wk_free(x);
  wk_free(y);
}

/* ---- heads ------------------------------------------------------------------------------------ */

static void test_linear(void **state) {
  (void)state;
  wk_head *h = NULL;
  assert_ok(wk_head_alloc(&h, WK_HEAD_LINEAR, 2, 3, 0, &error), &error);
  memcpy(h->weight, (float[]){1, 0, 0, 0, 1, 0}, 24);
  h->bias[1] = 1;
  h->temperature = 2;
  float p[4];
  wk_head_predict(p, h, (float[]){2, 0, 9, 1000, -1000, 9}, 2);
  assert_near(p[0], 1 / (1 + exp(-0.5)), 1e-7); /* scores 2 and 1, halved */
  assert_near(p[0] + p[1], 1, 1e-6);
  assert_true(p[2] == 1 && p[3] == 0); /* no overflow */
  wk_head_free(h);
}

static void test_neighbours(void **state) {
  (void)state;
  wk_head *h = NULL;
  assert_ok(wk_head_alloc(&h, WK_HEAD_KNN, 3, 2, 4, &error), &error);
  memcpy(h->weight, (float[]){1, 0, 0.8f, 0.6f, 0, 1, -1, 0}, 32);
  memcpy(h->example_label, (int[]){0, 1, 1, 2}, 16);
  float p[3], x[2] = {10, 0}, zero[2] = {0, 0};
  wk_head_predict(p, h, x, 1); /* k = 1 */
  assert_true(p[0] == 1 && p[1] == 0 && p[2] == 0);
  h->k = 2;
  wk_head_predict(p, h, x, 1);
  assert_near(p[0], 1 / (1 + exp(-0.2)), 1e-6); /* similarities 1 and 0.8 */
  assert_near(p[1], 1 - p[0], 1e-6);
  h->k = 200; /* more than there are */
  wk_head_predict(p, h, zero, 1);
  assert_near(p[0], 0.25, 1e-6); /* similar to nothing: the examples' shares */
  assert_near(p[1], 0.5, 1e-6);
  wk_head_free(h);

  assert_ok(wk_head_alloc(&h, WK_HEAD_MEAN, 2, 2, 0, &error), &error);
  memcpy(h->weight, (float[]){1, 0, 0, 1}, 16);
  wk_head_predict(p, h, (float[]){3, 4}, 1);
  assert_near(p[1], 1 / (1 + exp(-0.2)), 1e-6); /* cosines 0.6 and 0.8 */
  wk_head_free(h);
  wk_head_free(NULL);
}

static void test_head_refusals(void **state) {
  (void)state;
  wk_head *h = NULL;
  assert_int_equal(wk_head_alloc(&h, WK_HEAD_LINEAR, 0, 3, 0, &error), WK_ERR_ARGUMENT);
  assert_int_equal(wk_head_alloc(&h, WK_HEAD_LINEAR, 3, -1, 0, &error), WK_ERR_ARGUMENT);
  assert_int_equal(wk_head_alloc(&h, WK_HEAD_KNN, 3, 1, 0, &error), WK_ERR_ARGUMENT);
  assert_int_equal(wk_head_alloc(&h, (wk_head_kind)9, 3, 1, 1, &error), WK_ERR_ARGUMENT);
  for (long i = 0; i < 3; i++) {
    test_fail_allocation(i);
    assert_int_equal(wk_head_alloc(&h, i < 2 ? WK_HEAD_LINEAR : WK_HEAD_KNN, 2, 2, 2, &error), WK_ERR_MEMORY);
  }
  test_fail_allocation(-1);
  wk_model *m = NULL;
  wk_backbone *b = seeded_backbone("simple_cnn", 10, 1);
  h = seeded_head(WK_HEAD_LINEAR, FEATURES - 1);
  assert_int_equal(wk_model_create(&m, b, h, labels, recipe, &error), WK_ERR_ARGUMENT);
  wk_head_free(h);
  h = seeded_head(WK_HEAD_LINEAR, FEATURES);
  assert_int_equal(wk_model_create(&m, b, h, labels, "[1]", &error), WK_ERR_FORMAT);
  assert_int_equal(wk_model_create(&m, b, h, NULL, recipe, &error), WK_ERR_ARGUMENT);
  h->weight[5] = NAN;
  assert_int_equal(wk_model_create(&m, b, h, labels, recipe, &error), WK_ERR_NUMERIC);
  wk_head_free(h);
  wk_backbone_free(b);
  b = seeded_backbone("simple_cnn", 0, 1);
  float *p = NULL;
  wk_features *f = NULL;
  assert_ok(wk_model_create(&m, b, NULL, NULL, NULL, &error), &error); /* it can still be looked at */
  assert_int_equal(m->label_count, 0);
  assert_int_equal(wk_model_predict(&p, &f, m, (const char *const *)photo, PHOTOS, NULL, NULL, &error),
                   WK_ERR_UNSUPPORTED);
  assert_int_equal(wk_model_save(m, file, false, &error), WK_ERR_ARGUMENT);
  wk_model_free(m);
}

/* ---- round trips ------------------------------------------------------------------------------ */

static void test_round_trip(void **state) {
  (void)state;
  for (int kind = -1; kind <= WK_HEAD_MEAN; kind++) {
    wk_model *m = seeded_model(kind), *again = NULL;
    float *before = predict(m), *after;
    assert_ok(wk_model_save(m, file, false, &error), &error);
    assert_ok(wk_model_open(&again, file, NULL, NULL, NULL, &error), &error);
    after = predict(again);
    assert_memory_equal(before, after, PHOTOS * CLASSES * sizeof *before);
    for (int i = 0; i < CLASSES; i++)
      assert_string_equal(again->labels[i], labels[i]);
    assert_int_equal(again->label_count, CLASSES);
    assert_string_equal(again->recipe, recipe);
    uint8_t hash[2][32];
    assert_ok(wk_backbone_hash(hash[0], again->backbone, &error), &error);
    assert_ok(wk_backbone_hash(hash[1], m->backbone, &error), &error);
    assert_memory_equal(hash[0], hash[1], sizeof hash[0]); /* so the feature cache is shared */
    assert_memory_equal(again->backbone->preprocess.mean, m->backbone->preprocess.mean, 3 * sizeof(float));
    assert_int_equal(again->head != NULL, kind >= 0);
    assert_null(wk_tensors_find(again->backbone->weights, "num_batches_tracked"));
    assert_int_equal(wk_tensors_find(again->backbone->weights, "fc.weight") != NULL, kind < 0);
    assert_ok(wk_model_save(again, other, false, &error), &error);
    assert_same_bytes(file, other);
    wk_free(before);
    wk_free(after);
    wk_model_free(m);
    wk_model_free(again);
  }
  wk_model_free(NULL);
}

/* A light model takes its backbone from the folder of weights, and only the very same weights. */
static void test_light(void **state) {
  (void)state;
  const wk_arch *arch = wk_arch_find("mobilenet_v2");
  wk_pull_options pull;
  wk_pull_options_init(&pull);
  pull.folder = dir;
  char *kept = in_dir(arch->source.file);
  wk_tensors *weights = seeded_weights(arch, 1000, 1);
  assert_ok(wk_safetensors_write(kept, weights, &error), &error);
  wk_tensors_free(weights);

  wk_model *m = NULL, *again = NULL;
  wk_head *h = seeded_head(WK_HEAD_LINEAR, arch->feature_count);
  assert_ok(wk_model_create(&m, seeded_backbone("mobilenet_v2", 1000, 1), h, labels, NULL, &error), &error);
  assert_ok(wk_model_save(m, file, true, &error), &error);
  assert_ok(wk_model_open(&again, file, NULL, &pull, NULL, &error), &error);
  assert_memory_equal(again->head->weight, h->weight, (size_t)(CLASSES * arch->feature_count) * sizeof(float));
  wk_model_free(again);
  wk_model_free(m);

  weights = seeded_weights(arch, 1000, 2);
  assert_ok(wk_safetensors_write(kept, weights, &error), &error);
  wk_tensors_free(weights);
  assert_int_equal(wk_model_open(&again, file, NULL, &pull, NULL, &error), WK_ERR_FORMAT);
  assert_non_null(strstr(error.message, "the head was trained on weights"));
  assert_ok(wk_model_open(&again, "mobilenet_v2", NULL, &pull, NULL, &error), &error);
  assert_string_equal(again->labels[0], "tench");
  assert_null(again->head);
  wk_model_free(again);
  unlink(kept);
  wk_free(kept);
}

/* ---- files that are not as they should be ----------------------------------------------------- */

/* Writes `file` again as `other`, with one metadata entry replaced (value NULL: left out), or one tensor. */
static void tamper(const char *key, const char *value, const wk_tensor *replacement) {
  wk_tensors *t = NULL, *changed = NULL;
  const char *k, *v;
  assert_ok(wk_weights_open(&t, file, &error), &error);
  assert_ok(wk_tensors_create(&changed, &error), &error);
  for (size_t i = 0; i < wk_tensors_size(t); i++) {
    const wk_tensor *tensor = wk_tensors_at(t, i);
    bool hit = replacement && strcmp(replacement->name, tensor->name) == 0;
    assert_ok(wk_tensors_add_view(changed, hit ? replacement : tensor, &error), &error);
  }
  for (size_t i = 0; i < wk_tensors_meta_size(t); i++) {
    wk_tensors_meta_at(t, i, &k, &v);
    if (!key || strcmp(k, key) != 0)
      assert_ok(wk_tensors_set_meta(changed, k, v, &error), &error);
  }
  if (key && value)
    assert_ok(wk_tensors_set_meta(changed, key, value, &error), &error);
  assert_ok(wk_safetensors_write(other, changed, &error), &error);
  wk_tensors_free(changed);
  wk_tensors_free(t);
}

static void refused(wk_status expected, const char *says) {
  wk_model *m = NULL;
  wk_status st = wk_model_open(&m, other, NULL, NULL, NULL, &error);
  if (st != expected || strncmp(error.message, other, strlen(other)) != 0 || !strstr(error.message, says))
    fail_msg("%s: %s (expected %s ... %s)", wk_status_name(st), error.message, wk_status_name(expected), says);
}

static void save_seeded(int kind) {
  wk_model *m = seeded_model(kind);
  assert_ok(wk_model_save(m, file, false, &error), &error);
  wk_model_free(m);
}

static void test_other_versions(void **state) {
  (void)state;
  save_seeded(WK_HEAD_LINEAR);
  tamper("whisker.version", "4", NULL);
  refused(WK_ERR_UNSUPPORTED, "made by a later whisker (format 4; this one reads up to 3): update whisker");
  tamper("whisker.version", "99999999999999999999999", NULL);
  refused(WK_ERR_UNSUPPORTED, "made by a later whisker");
  tamper("whisker.version", "1x", NULL);
  refused(WK_ERR_FORMAT, "not a number");
  tamper("whisker.version", "0", NULL);
  refused(WK_ERR_FORMAT, "damaged");
  tamper("whisker.arch", "resnet9000", NULL);
  refused(WK_ERR_UNSUPPORTED, "resnet9000");
}

static void test_damaged_metadata(void **state) {
  (void)state;
  static const struct {
    const char *key, *value, *says;
  } bad[] = {
      {"whisker.arch", NULL, "without whisker.arch"},
      {"whisker.arch", "resnet18", "not the weights of resnet18"},
      {"whisker.backbone", "00", "should have the hash"},
      {"whisker.light", NULL, "without whisker.light"},
      {"whisker.labels", NULL, "without whisker.labels"},
      {"whisker.labels", "[]", "no classes"},
      {"whisker.labels", "7", "labels is broken"},
      {"whisker.labels", "{}", "no classes"},
      {"whisker.labels", "[\"a\",7,\"c\"]", "no name"},
      {"whisker.labels", "[\"a\",\"\\u001b[2J\",\"c\"]", "control characters"},
      {"whisker.labels", "[\"a\",\"b\"]", "does not fit its 2 classes"},
      {"whisker.labels", "[[[[[[[[[[[[[[[[[[[[[[[[", "nests"},
      {"whisker.recipe", NULL, "without whisker.recipe"},
      {"whisker.recipe", "{", "recipe is broken"},
      {"whisker.head", "{}", "does not fit"},
      {"whisker.head", "{\"kind\":\"linear\"}", "temperature"},
      {"whisker.head", "{\"kind\":\"linear\",\"temperature\":-1}", "temperature"},
      {"whisker.head", "{\"kind\":\"linear\",\"temperature\":1e300}", "temperature"},
      {"whisker.head", "{\"kind\":\"knn\",\"temperature\":1}", "no k"},
      {"whisker.head", "{\"kind\":\"knn\",\"temperature\":1,\"k\":3}", "head.example_label"},
      {"whisker.head", NULL, "3 labels for a network of 0 classes"},
      {"whisker.preprocess", "{}", "how photos are prepared"},
  };
  save_seeded(WK_HEAD_LINEAR);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    tamper(bad[i].key, bad[i].value, NULL);
    refused(WK_ERR_FORMAT, bad[i].says);
  }
  static const char *const sizes[] = {"0", "-5", "2147483648", "1e9", "\"32\""};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    char text[256];
    wk_model *m = NULL;
    snprintf(
        text, sizeof text,
        "{\"width\":%s,\"height\":32,\"resize\":32,\"crop\":\"center\",\"filter\":\"bilinear\",\"channels\":\"rgb\","
        "\"mean\":[0,0,0],\"std\":[1,1,1]}",
        sizes[i]);
    tamper("whisker.preprocess", text, NULL);
    assert_int_not_equal(wk_model_open(&m, other, NULL, NULL, NULL, &error), WK_OK);
  }
}

static void test_damaged_tensors(void **state) {
  (void)state;
  static float values[CLASSES * FEATURES];
  static int32_t outside[11] = {0, 1, 2, 3};
  save_seeded(WK_HEAD_LINEAR);
  wk_tensor t = {
      .name = "head.weight", .ndim = 2, .shape = {CLASSES, FEATURES}, .data = values, .bytes = sizeof values};
  values[7] = NAN;
  tamper(NULL, NULL, &t);
  refused(WK_ERR_NUMERIC, "not numbers");
  values[7] = 0;
  t.shape[0] = CLASSES * 2, t.shape[1] = FEATURES / 2;
  tamper(NULL, NULL, &t);
  refused(WK_ERR_FORMAT, "does not fit its 3 classes");
  t.shape[0] = CLASSES, t.shape[1] = FEATURES / 2, t.bytes /= 2;
  tamper(NULL, NULL, &t);
  refused(WK_ERR_ARGUMENT, "expects 64 features");
  t = (wk_tensor){.name = "head.bias", .dtype = WK_F64, .ndim = 1, .shape = {CLASSES}, .data = values, .bytes = 24};
  tamper(NULL, NULL, &t);
  refused(WK_ERR_FORMAT, "head.bias");
  t = (wk_tensor){
      .name = "backbone.block1.conv1.weight", .ndim = 4, .shape = {32, 3, 3, 1}, .data = values, .bytes = 1152};
  tamper(NULL, NULL, &t);
  refused(WK_ERR_FORMAT, "simple_cnn");
  save_seeded(WK_HEAD_KNN);
  t = (wk_tensor){
      .name = "head.example_label", .dtype = WK_I32, .ndim = 1, .shape = {11}, .data = outside, .bytes = 44};
  tamper(NULL, NULL, &t);
  refused(WK_ERR_FORMAT, "is of class 3");
}

/* Any cut and any flipped bit of the header: an error, or a model; never anything worse. */
static void test_cut_and_flipped(void **state) {
  (void)state;
  save_seeded(WK_HEAD_KNN);
  wk_model *m = NULL;
  uint8_t *bytes = NULL;
  size_t size = 0;
  assert_ok(wk_file_read(&bytes, &size, file, 1 << 28, &error), &error);
  size_t header = 8 + (size_t)bytes[0] + ((size_t)bytes[1] << 8);
  for (size_t cut = 0; cut < header + 64; cut += 7) {
    FILE *f = fopen(other, "wb");
    assert_int_equal(fwrite(bytes, 1, cut, f), cut);
    fclose(f);
    assert_int_not_equal(wk_model_open(&m, other, NULL, NULL, NULL, &error), WK_OK);
    assert_int_equal(strncmp(error.message, other, strlen(other)), 0);
  }
  assert_ok(wk_file_write(other, bytes, size, &error), &error);
  FILE *f = fopen(other, "r+b");
  wk_rng rng;
  wk_rng_init(&rng, 5, 0);
  for (int i = 0; i < 600; i++) {
    size_t at = wk_rng_below(&rng, (uint32_t)header);
    fseek(f, (long)at, SEEK_SET);
    fputc(bytes[at] ^ 1 << wk_rng_below(&rng, 8), f);
    fflush(f);
    if (wk_model_open(&m, other, NULL, NULL, NULL, &error) == WK_OK)
      wk_model_free(m);
    fseek(f, (long)at, SEEK_SET);
    fputc(bytes[at], f);
    fflush(f);
  }
  fclose(f);
  wk_free(bytes);
}

static void test_every_allocation_fails(void **state) {
  (void)state;
  save_seeded(WK_HEAD_KNN);
  wk_model *m = NULL;
  test_fail_allocation(-1);
  assert_ok(wk_model_open(&m, file, NULL, NULL, NULL, &error), &error);
  long n = test_allocations();
  for (long i = 0; i < n; i++) {
    wk_model *none = NULL;
    test_fail_allocation(i);
    wk_status st = wk_model_open(&none, file, NULL, NULL, NULL, &error);
    if (st == WK_OK)
      wk_model_free(none); /* it could do without */
    else if (st != WK_ERR_MEMORY)
      fail_msg("allocation %ld of %ld: %s: %s", i, n, wk_status_name(st), error.message);
  }
  test_fail_allocation(-1);
  assert_ok(wk_model_save(m, other, false, &error), &error);
  n = test_allocations();
  for (long i = 0; i < n; i++) {
    test_fail_allocation(i);
    wk_status st = wk_model_save(m, other, false, &error);
    if (st != WK_OK)
      assert_int_equal(st, WK_ERR_MEMORY);
    test_fail_allocation(-1);
    assert_same_bytes(file, other); /* what stood there is whole */
  }
  wk_model_free(m);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_linear),
      cmocka_unit_test(test_neighbours),
      cmocka_unit_test(test_head_refusals),
      cmocka_unit_test(test_round_trip),
      cmocka_unit_test(test_light),
      cmocka_unit_test(test_other_versions),
      cmocka_unit_test(test_damaged_metadata),
      cmocka_unit_test(test_damaged_tensors),
      cmocka_unit_test(test_cut_and_flipped),
      cmocka_unit_test(test_every_allocation_fails),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

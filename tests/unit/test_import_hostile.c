/* test_import_hostile.c - files of networks that were made to do harm, and the corpora of the fuzzing targets with
 * bytes changed and cut: an error that says what is wrong, or a network, and nothing worse. */
#include <dirent.h>
#include <unistd.h>

#include "../fuzz/fuzz_import.h"
#include "support.h"

static wk_error error;

/* ---- ONNX by hand: protobuf ----------------------------------------------------------------------------- */

static void put_varint(wk_text *t, uint64_t v) {
  do {
    const char byte = (char)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
    wk_text_append(t, &byte, 1);
    v >>= 7;
  } while (v);
}

static void put_int(wk_text *t, int field, uint64_t v) {
  put_varint(t, (uint64_t)field << 3);
  put_varint(t, v);
}

static void put_bytes(wk_text *t, int field, const void *data, size_t n) {
  put_varint(t, (uint64_t)field << 3 | 2);
  put_varint(t, n);
  wk_text_append(t, data, n);
}

static void put_string(wk_text *t, int field, const char *s) { put_bytes(t, field, s, strlen(s)); }

/* Puts `inner` as a message, and frees it. */
static void put_message(wk_text *t, int field, wk_text *inner) {
  put_bytes(t, field, inner->data ? inner->data : "", inner->len);
  wk_text_free(inner);
}

static void put_node(wk_text *graph, const char *type, const char *in, const char *in2, const char *out) {
  wk_text n = {0};
  if (in)
    put_string(&n, 1, in);
  if (in2)
    put_string(&n, 1, in2);
  if (out)
    put_string(&n, 2, out);
  put_string(&n, 4, type);
  put_message(graph, 1, &n);
}

/* A picture of 1 x 3 x side x side. */
static void put_info(wk_text *graph, int field, const char *name, int side) {
  wk_text shape = {0}, tensor = {0}, type = {0}, info = {0};
  const int sides[4] = {1, 3, side, side};
  for (int i = 0; side && i < 4; i++) {
    wk_text dim = {0};
    put_int(&dim, 1, (uint64_t)sides[i]);
    put_message(&shape, 1, &dim);
  }
  put_int(&tensor, 1, 1);
  put_message(&tensor, 2, &shape);
  put_message(&type, 1, &tensor);
  put_string(&info, 1, name);
  put_message(&info, 2, &type);
  put_message(graph, field, &info);
}

static void put_shape_constant(wk_text *graph, const char *name, int64_t a, int64_t b) {
  wk_text t = {0};
  const int64_t v[2] = {a, b};
  put_int(&t, 1, 2);
  put_int(&t, 2, 7);
  put_string(&t, 8, name);
  put_bytes(&t, 9, v, sizeof v);
  put_message(graph, 5, &t);
}

/* One number: a float, or with `index` an int64 in a row of one. */
static void put_number(wk_text *graph, const char *name, float v, bool index) {
  wk_text t = {0};
  const int64_t i = (int64_t)v;
  if (index)
    put_int(&t, 1, 1);
  put_int(&t, 2, index ? 7 : 1);
  put_string(&t, 8, name);
  put_bytes(&t, 9, index ? (const void *)&i : (const void *)&v, index ? sizeof i : sizeof v);
  put_message(graph, 5, &t);
}

static void put_external(wk_text *graph, const char *name, const char *file, const char *offset, const char *length) {
  wk_text t = {0};
  const char *const pair[3][2] = {{"location", file}, {"offset", offset}, {"length", length}};
  put_int(&t, 1, 4);
  put_int(&t, 2, 1);
  put_string(&t, 8, name);
  for (int i = 0; i < 3; i++) {
    wk_text entry = {0};
    if (!pair[i][1])
      continue;
    put_string(&entry, 1, pair[i][0]);
    put_string(&entry, 2, pair[i][1]);
    put_message(&t, 13, &entry);
  }
  put_int(&t, 14, 1);
  put_message(graph, 5, &t);
}

/* The graph as a file, which is opened; the message of the error must hold `says`. */
static void refused(const char *dir, wk_text *graph, const char *says) {
  wk_text model = {0}, opset = {0};
  wk_import made = {0};
  char *path = wk_path_join(dir, "x.onnx");
  put_int(&model, 1, 8);
  put_int(&opset, 2, 13);
  put_message(&model, 8, &opset);
  put_message(&model, 7, graph);
  assert_ok(wk_file_write(path, model.data, model.len, &error), &error);
  if (wk_import_open(&made, path, NULL, &error) == WK_OK)
    fail_msg("read, where '%s' was expected", says);
  if (!strstr(error.message, says) || strncmp(error.message, path, strlen(path)) != 0)
    fail_msg("%s (expected %s)", error.message, says);
  wk_text_free(&model);
  wk_free(path);
}

static wk_text graph_with_ends(void) {
  wk_text g = {0};
  put_info(&g, 11, "x", 8);
  put_info(&g, 12, "out", 0);
  return g;
}

static void circles(void **state) {
  (void)state;
  char *dir = test_tmp_dir();
  wk_text g = graph_with_ends();
  put_node(&g, "Add", "x", "b", "a");
  put_node(&g, "Relu", "a", NULL, "b");
  put_node(&g, "Relu", "b", NULL, "out");
  refused(dir, &g, "in a circle");
  test_tmp_remove(dir);
}

/* A few bytes that stand for 4 GB, and for more than can be counted. */
static void unfolding(void **state) {
  (void)state;
  static const int64_t sides[][2] = {{1 << 15, 1 << 15}, {INT64_MAX / 2, 8}, {-5, 3}};
  static const char *const says[] = {"made to fill memory", "", ""};
  char *dir = test_tmp_dir();
  for (int i = 0; i < 3; i++) {
    wk_text g = graph_with_ends();
    put_shape_constant(&g, "shape", sides[i][0], sides[i][1]);
    put_node(&g, "ConstantOfShape", "shape", NULL, "w");
    put_node(&g, "Flatten", "x", NULL, "f");
    put_node(&g, "MatMul", "f", "w", "out");
    refused(dir, &g, says[i]);
  }
  test_tmp_remove(dir);
}

static void links_outside(void **state) {
  (void)state;
  static const struct {
    const char *file, *offset, *length, *says;
  } bad[] = {{"../w.bin", "0", "16", "not beside the file"},   {"/etc/passwd", "0", "16", "not beside the file"},
             {"a/../../w.bin", "0", "16", "not beside"},       {"", "0", "16", "not beside the file"},
             {NULL, "0", "16", "not beside the file"},         {"none.bin", "0", "16", "none.bin"},
             {"w.bin", "8", "16", "needs 16 bytes at 8"},      {"w.bin", "-4", "16", "needs 16 bytes at -4"},
             {"w.bin", "99999999999", NULL, "needs 16 bytes"}, {"w.bin", "0", "12", "needs 16 bytes"}};
  char *dir = test_tmp_dir(), *w = wk_path_join(dir, "w.bin");
  assert_ok(wk_file_write(w, "0123456789abcdef", 16, &error), &error);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    wk_text g = graph_with_ends();
    put_external(&g, "w", bad[i].file, bad[i].offset, bad[i].length);
    put_node(&g, "Add", "x", "w", "out");
    refused(dir, &g, bad[i].says);
  }
  wk_free(w);
  test_tmp_remove(dir);
}

/* Layer norm and GELU in pieces that lack an input ("" and NULL) or an output (NULL). */
static void pieces_with_holes(void **state) {
  (void)state;
  typedef const char *node[4]; /* type, inputs, output */
  static const node holes[][7] = {
      {{"ReduceMean", "x", "axis", "m"},
       {"Sub", "x", "m", "d"},
       {"Add", "d", "", "e"},
       {"Sqrt", "e", NULL, "r"},
       {"Div", "d", "r", "out"}},
      {{"ReduceMean", "x", "axis", "m"}, {"Sub", "x", "m", "d"}, {"Sqrt", NULL, NULL, "r"}, {"Div", "d", "r", "out"}},
      {{"ReduceMean", "", "axis", "m"},
       {"Sub", "", "m", "d"},
       {"Mul", "d", "d", "s"},
       {"ReduceMean", "s", "axis", "v"},
       {"Add", "v", "one", "e"},
       {"Sqrt", "e", NULL, "r"},
       {"Div", "d", "r", "out"}},
      {{"Div", "", "root", "p"},
       {"Erf", "p", NULL, "e"},
       {"Add", "e", "one", "f"},
       {"Mul", "half", "f", "g"},
       {"Mul", "g", "x", "out"}},
      {{"Div", "x", "root", "p"}, {"Erf", "p", NULL, "e"}, {"Add", "e", "one", NULL}, {"Einsum", "x", "x", "out"}},
      {{"Erf", "", NULL, "e"}, {"Div", "", "", "f"}, {"Add", "e", "f", "out"}}};
  char *dir = test_tmp_dir();
  for (size_t i = 0; i < sizeof holes / sizeof *holes; i++) {
    wk_text g = graph_with_ends();
    put_number(&g, "axis", 1, true);
    put_number(&g, "one", 1, false);
    put_number(&g, "half", 0.5f, false);
    put_number(&g, "root", 1.41421356f, false);
    for (const node *n = holes[i]; n < holes[i] + 7 && (*n)[0]; n++)
      put_node(&g, (*n)[0], (*n)[1], (*n)[2], (*n)[3]);
    refused(dir, &g, ""); /* whatever it says: nothing beyond its arrays is read */
  }
  test_tmp_remove(dir);
}

/* What cannot be read is named node by node. */
static void unknown_nodes(void **state) {
  (void)state;
  char *dir = test_tmp_dir();
  wk_text g = graph_with_ends();
  put_node(&g, "NonMaxSuppression", "x", NULL, "a");
  put_node(&g, "Einsum", "a", "x", "out");
  refused(dir, &g, "NonMaxSuppression");
  test_tmp_remove(dir);
}

/* ---- the corpora ------------------------------------------------------------------------------------------- */

static void mutate(const char *path, uint64_t seed) {
  enum { ROUNDS = TEST_SANITIZED ? 60 : 200 };
  uint8_t *bytes = NULL;
  size_t n;
  wk_rng rng;
  assert_ok(wk_file_read(&bytes, &n, path, 1 << 22, &error), &error);
  wk_rng_init(&rng, 11, seed);
  for (int i = 0; i < ROUNDS; i++) {
    const size_t size = i % 4 ? n : wk_rng_below(&rng, (uint32_t)n);
    uint8_t *copy = malloc(size + !size); /* exactly: a sanitizer sees what is read behind it */
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    for (int j = 0; size && j < i % 4; j++) {
      const size_t reach = i % 2 && size > 3000 ? 3000 : size; /* structure is at the beginning, mostly */
      copy[wk_rng_below(&rng, (uint32_t)reach)] = (uint8_t)wk_rng_below(&rng, 256);
    }
    fuzz_import(copy, size);
    free(copy);
  }
  wk_free(bytes);
}

static void corpora(void **state) {
  (void)state;
  static const char *const folder[] = {"tests/golden/import", "tests/golden/onnx"};
  uint64_t files = 0;
  for (size_t k = 0; k < 2; k++) {
    char base[1000], path[1400];
    snprintf(base, sizeof base, "%s", test_source(folder[k]));
    DIR *d = opendir(base);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
      if (*e->d_name != '.' && !strstr(e->d_name, ".txt")) {
        snprintf(path, sizeof path, "%s/%s", base, e->d_name);
        mutate(path, strlen(e->d_name));
        files++;
      }
    closedir(d);
  }
  assert_true(files >= 9);
}

/* A graph in JSON, cut and changed. */
static void graphs(void **state) {
  (void)state;
  wk_backbone *b = NULL;
  char *text = NULL;
  wk_rng rng;
  wk_rng_init(&rng, 4, 0);
  assert_ok(wk_backbone_open(&b, test_source("tests/golden/import/functional.keras"), NULL, NULL, NULL, &error),
            &error);
  assert_ok(wk_graph_to_json(&text, b->graph, true, &error), &error);
  const size_t n = strlen(text);
  for (int i = 0; i < 400; i++) {
    uint8_t *copy = malloc(n);
    memcpy(copy, text, n);
    for (int j = 0; j < 1 + i % 3; j++) {
      const size_t at = 1 + wk_rng_below(&rng, (uint32_t)n - 1);
      copy[at] = (uint8_t)(i % 2 ? "0123456789-,[]{}\""[wk_rng_below(&rng, 17)] : (int)wk_rng_below(&rng, 256));
    }
    fuzz_import(copy, n);
    free(copy);
  }
  wk_free(text);
  wk_backbone_free(b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(circles),       cmocka_unit_test(unfolding),
      cmocka_unit_test(links_outside), cmocka_unit_test(pieces_with_holes),
      cmocka_unit_test(unknown_nodes), cmocka_unit_test(corpora),
      cmocka_unit_test(graphs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

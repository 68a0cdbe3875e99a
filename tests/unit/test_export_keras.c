/* test_export_keras.c - Keras' files and Teachable Machine's folder: what whisker writes it reads back with the very
 * bits of every weight, the labels and the preprocessing; what they cannot hold is refused by name. */
#include "export/export.h"
#include "formats/hdf5.h"
#include "formats/hdf5_write.h"
#include "support.h"

enum { SIDE = 33, CLASSES = 4 };

static const char *const labels[CLASSES] = {"cat", "d\"og's", "caf\xc3\xa9", "x"};
static char *dir;
static wk_session *session;
static wk_error error;

static wk_window window(int kernel, int stride, int top, int bottom, int left, int right) {
  wk_window w = wk_window_square(kernel, stride, 0);
  w.pad_top = top, w.pad_bottom = bottom, w.pad_left = left, w.pad_right = right;
  return w;
}

/* ---- networks ------------------------------------------------------------------------------------------- */

/* What all three can hold, with names that need another where '/' is not allowed. */
static void build_common(wk_graph *g, wk_node x) {
  x = wk_graph_conv(g, "stem", x, 10, wk_window_square(3, 2, 1), 1, true);
  x = wk_graph_batch_norm(g, "stem.bn", x, 1e-5f);
  x = wk_graph_unary(g, "stem.relu6", WK_OP_RELU6, x);
  x = wk_graph_pool(g, "max", WK_OP_MAX_POOL, x, wk_window_square(3, 2, 1));
  wk_node y = wk_graph_conv(g, "block.0.depthwise", x, 10, window(5, 1, 2, 2, 2, 2), 10, true);
  y = wk_graph_unary(g, "hswish", WK_OP_HARDSWISH, y);
  wk_node s = wk_graph_adaptive_avg_pool(g, "se.pool", y, 1, 1);
  s = wk_graph_conv(g, "se.fc1", s, 3, wk_window_square(1, 1, 0), 1, true);
  s = wk_graph_unary(g, "se.silu", WK_OP_SILU, s);
  s = wk_graph_conv(g, "se.fc2", s, 10, wk_window_square(1, 1, 0), 1, true);
  s = wk_graph_unary(g, "se.gate", WK_OP_HARDSIGMOID, s);
  y = wk_graph_scale(g, "se.scale", y, s);
  x = wk_graph_add(g, "add", x, y);
  x = wk_graph_batch_norm(g, "alone", x, 1e-3f);
  y = wk_graph_conv(g, "doubled", x, 20, window(3, 1, 1, 1, 1, 1), 10, true);
  y = wk_graph_shuffle(g, "shuffle", y, 4);
  y = wk_graph_unary(g, "tanh", WK_OP_TANH, y);
  x = wk_graph_leaky(g, "leaky", WK_OP_LEAKY_RELU, x, 0.1f);
  x = wk_graph_concat(g, "concat", (const wk_node[]){x, y}, 2);
  x = wk_graph_pad(g, "pad", x, window(1, 1, 1, 0, 0, 2), 0, 0);
  x = wk_graph_conv(g, "odd", x, 7, window(3, 2, 0, 1, 1, 0), 1, true);
  x = wk_graph_leaky(g, "elu", WK_OP_ELU, x, 1);
  x = wk_graph_pool(g, "avg", WK_OP_AVG_POOL, x, wk_window_square(2, 1, 0));
  x = wk_graph_unary(g, "flat", WK_OP_FLATTEN, x);
  x = wk_graph_linear(g, "fc1", x, 300);
  x = wk_graph_unary(g, "fc1.relu", WK_OP_RELU, x);
  wk_graph_outputs(g, x, wk_graph_linear(g, "fc2", x, CLASSES));
}

/* What Keras has and TensorFlow.js has not. */
static void build_grouped(wk_graph *g, wk_node x) {
  x = wk_graph_conv(g, "stem", x, 8, wk_window_square(3, 2, 1), 1, true);
  x = wk_graph_conv(g, "grouped", x, 12, wk_window_square(3, 1, 1), 4, true);
  x = wk_graph_adaptive_avg_pool(g, "pool", x, 1, 1);
  x = wk_graph_unary(g, "flat", WK_OP_FLATTEN, x);
  wk_graph_outputs(g, x, wk_graph_linear(g, "fc", x, CLASSES));
}

static void build_impossible(wk_graph *g, wk_node x) {
  x = wk_graph_conv(g, "stem", x, 8, wk_window_square(3, 2, 1), 1, true);
  x = wk_graph_lrn(g, "normalised", x, 5, 0.1f, 0.75f, 1);
  x = wk_graph_adaptive_avg_pool(g, "pool", x, 1, 1);
  x = wk_graph_unary(g, "flat", WK_OP_FLATTEN, x);
  wk_graph_outputs(g, x, wk_graph_linear(g, "fc", x, CLASSES));
}

static wk_model *model_of(void (*build)(wk_graph *g, wk_node x)) {
  wk_graph *g = NULL;
  wk_tensors *t = NULL;
  wk_backbone *b = NULL;
  wk_model *m = NULL;
  wk_rng rng;
  float *w;
  wk_preprocess p;
  wk_preprocess_init(&p);
  p.height = p.width = SIDE, p.resize = 40, p.filter = WK_FILTER_BICUBIC;
  wk_rng_init(&rng, 7, 0);
  assert_ok(wk_graph_create(&g, &error), &error);
  build(g, wk_graph_input(g, "input", SIDE, SIDE, 3));
  assert_ok(wk_graph_finish(g, &error), &error);
  assert_ok(wk_tensors_create(&t, &error), &error);
  for (int i = 0; i < wk_graph_param_count(g); i++) {
    const wk_param_info *info = wk_graph_param(g, i);
    const int64_t n = wk_tensor_count(info->ndim, info->shape);
    const double each = info->ndim > 1 ? (double)n / (double)info->shape[0] : 1;
    assert_ok(wk_tensors_add_zeros(t, &w, info->name, info->ndim, info->shape, &error), &error);
    for (int64_t k = 0; k < n; k++)
      w[k] = info->ndim > 1 ? (float)(wk_rng_normal(&rng) * sqrt(2 / each)) : 0.5f + (float)wk_rng_uniform(&rng);
  }
  assert_ok(wk_backbone_from_graph(&b, g, t, "test", &p, &error), &error);
  assert_ok(wk_model_create(&m, b, NULL, labels, "{}", &error), &error);
  return m;
}

/* A layer's name there: without dots. */
static void name_there(char out[200], const char *name, const char *suffix) {
  snprintf(out, 200, "%s", name);
  for (char *c = out; *c; c++)
    *c = *c == '.' ? '_' : *c;
  strncat(out, suffix, 199 - strlen(out));
}

/* ---- there and back ------------------------------------------------------------------------------------- */

/* Is what the export was made of in the file that came back, bit by bit? */
static void same_weights(const wk_model *m, const wk_model *back) {
  wk_net *net = NULL;
  char name[200];
  int seen = 0;
  assert_ok(wk_net_create(&net, m, &error), &error);
  for (int i = 0; i < net->layers; i++) {
    const wk_net_layer *l = &net->layer[i];
    if (l->op != WK_OP_CONV && l->op != WK_OP_LINEAR)
      continue;
    name_there(name, l->name, ".weight");
    const wk_tensor *w = wk_tensors_find(back->backbone->weights, name);
    if (!w)
      fail_msg("%s did not come back", name);
    assert_int_equal(w->bytes, l->weights * sizeof(float));
    assert_memory_equal(w->data, l->weight, w->bytes);
    name_there(name, l->name, ".bias");
    w = wk_tensors_find(back->backbone->weights, name);
    assert_non_null(w);
    assert_memory_equal(w->data, l->bias, (size_t)l->to.channels * sizeof(float));
    seen++;
  }
  assert_true(seen > 2);
  wk_net_free(net);
}

static void round_trip(const wk_model *m, const char *name, const char *main, const wk_export_options *o) {
  wk_export_report *r = NULL;
  wk_model *back = NULL;
  char *path = wk_path_join(dir, name), *file = wk_path_join(path, main);
  assert_ok(wk_export(&r, session, m, path, o, &error), &error);
  assert_true(r->compared && r->labels_same);
  assert_true(r->max_rel_diff < 1e-4);
  wk_export_report_free(r);
  assert_ok(wk_model_open(&back, *main ? file : path, NULL, NULL, NULL, &error), &error);
  same_weights(m, back);
  assert_int_equal(back->backbone->preprocess.resize, 40);
  assert_int_equal(back->backbone->preprocess.filter, WK_FILTER_BICUBIC);
  assert_false(back->backbone->assumed);
  wk_model_free(back);
  assert_ok(wk_export(NULL, session, m, path, o, &error), &error); /* over its own */
  wk_free(path);
  wk_free(file);
}

static void weights_come_back_bit_by_bit(void **state) {
  (void)state;
  wk_model *m = model_of(build_common);
  wk_export_options o;
  wk_export_options_init(&o);
  round_trip(m, "a.h5", "", &o);
  round_trip(m, "a.keras", "", &o);
  o.preprocessing = WK_EXPORT_INSIDE;
  round_trip(m, "inside.h5", "", &o);
  round_trip(m, "inside.keras", "", &o);
  wk_export_options_init(&o);
  o.format = "teachable";
  round_trip(m, "page", "model.json", &o);
  wk_model_free(m);
  m = model_of(build_grouped);
  o.format = NULL;
  round_trip(m, "b.h5", "", &o);
  round_trip(m, "b.keras", "", &o);
  wk_model_free(m);
}

static void what_they_cannot_hold_is_named(void **state) {
  (void)state;
  wk_model *grouped = model_of(build_grouped), *impossible = model_of(build_impossible);
  wk_export_options o;
  wk_export_options_init(&o);
  char *page = wk_path_join(dir, "grouped"), *file = wk_path_join(dir, "impossible.keras");
  assert_int_equal(wk_export_write(impossible, file, &o, NULL, &error), WK_ERR_UNSUPPORTED);
  assert_non_null(strstr(error.message, "'normalised' (lrn)"));
  assert_false(wk_path_exists(file));
  o.format = "teachable";
  assert_int_equal(wk_export_write(grouped, page, &o, NULL, &error), WK_ERR_UNSUPPORTED);
  assert_non_null(strstr(error.message, "'grouped'"));
  wk_preprocess *p = &grouped->backbone->preprocess;
  p->width = 2 * SIDE;
  assert_int_equal(wk_export_write(grouped, page, &o, NULL, &error), WK_ERR_UNSUPPORTED);
  assert_non_null(strstr(error.message, "square"));
  wk_free(page);
  wk_free(file);
  wk_model_free(grouped);
  wk_model_free(impossible);
}

/* ---- HDF5 ----------------------------------------------------------------------------------------------- */

static wk_status count(void *user, const char *name, uint64_t object, wk_error *err) {
  (void)name, (void)object, (void)err;
  ++*(int *)user;
  return WK_OK;
}

/* More links than old groups hold in a node, a text longer than a message, a list of texts. */
static void groups_and_texts_of_any_size(void **state) {
  (void)state;
  enum { MANY = 700, LONG = 200000 };
  static float numbers[MANY][6];
  static char text[LONG + 1];
  static const int64_t shape[2] = {2, 3};
  wk_h5_out *out = NULL;
  wk_h5 h;
  wk_h5_dataset d;
  uint8_t *bytes = NULL;
  size_t size = 0;
  int top = 0, group = 0, seen = 0;
  char *back = NULL, name[32];
  memset(text, 'a', LONG);
  assert_ok(wk_h5_out_create(&out, &error), &error);
  assert_ok(wk_h5_out_text(out, 0, "long", text, &error), &error);
  assert_ok(wk_h5_out_text(out, 0, "short", "caf\xc3\xa9", &error), &error);
  assert_ok(wk_h5_out_list(out, 0, "list", (const char *const[]){"one", "three"}, 2, &error), &error);
  assert_ok(wk_h5_out_group(&top, out, 0, "top", &error), &error);
  for (int i = 0; i < MANY; i++) {
    snprintf(name, sizeof name, "layer_%d", i);
    numbers[i][5] = (float)i;
    assert_ok(wk_h5_out_group(&group, out, top, name, &error), &error);
    assert_ok(wk_h5_out_floats(out, group, "0", 2, shape, numbers[i], &error), &error);
  }
  assert_ok(wk_h5_out_bytes(&bytes, &size, out, &error), &error);
  wk_h5_out_free(out);
  assert_ok(wk_h5_open(&h, bytes, size, &error), &error);
  assert_ok(wk_h5_text(&back, &h, h.root, "long", &error), &error);
  assert_string_equal(back, text);
  wk_free(back);
  assert_ok(wk_h5_text(&back, &h, h.root, "short", &error), &error);
  assert_string_equal(back, "caf\xc3\xa9");
  wk_free(back);
  const uint64_t at = wk_h5_find(&h, h.root, "top", 3);
  assert_ok(wk_h5_each(&h, at, count, &seen, &error), &error);
  assert_int_equal(seen, MANY);
  const uint64_t layer = wk_h5_find(&h, at, "layer_699", 9);
  assert_ok(wk_h5_dataset_open(&d, &h, wk_h5_find(&h, layer, "0", 1), &error), &error);
  assert_int_equal(d.ndim, 2);
  assert_int_equal(d.shape[1], 3);
  assert_memory_equal(d.data, numbers[699], sizeof numbers[699]);
  wk_free(bytes);
}

/* Whatever allocation fails: a status, no leak, and no half a file. */
static void without_memory(void **state) {
  (void)state;
  static const char *const names[] = {"m.h5", "m.keras", "m.folder"};
  wk_model *m = model_of(build_grouped);
  for (int k = 0; k < 2; k++) {
    char *path = wk_path_join(dir, names[k]);
    for (long n = 0, failed = 1; failed; n++) {
      test_fail_allocation(n);
      wk_status st = wk_export_write(m, path, NULL, NULL, &error);
      failed = test_allocations() > n;
      test_fail_allocation(-1);
      assert_true(st == (failed ? WK_ERR_MEMORY : WK_OK));
      assert_true(wk_path_exists(path) == !failed);
    }
    wk_free(path);
  }
  wk_model_free(m);
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

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(weights_come_back_bit_by_bit),
                                     cmocka_unit_test(what_they_cannot_hold_is_named),
                                     cmocka_unit_test(groups_and_texts_of_any_size), cmocka_unit_test(without_memory)};
  return cmocka_run_group_tests_name("export_keras", tests, setup, teardown);
}

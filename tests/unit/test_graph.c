/* test_graph.c - the builder, shapes at any size, parameters and counts, and what it says about mistakes. The shapes
 * of windows are PyTorch's (torch.nn.functional on the same sizes) and TensorFlow's for SAME. */
#include "support.h"

static wk_graph *fresh(void) {
  wk_graph *g;
  wk_error err;
  assert_ok(wk_graph_create(&g, &err), &err);
  return g;
}

static wk_shape shape_of(const wk_graph *g, const char *name, int height, int width) {
  wk_node_info n;
  wk_error err;
  assert_ok(wk_graph_node(&n, g, wk_graph_find(g, name), height, width, &err), &err);
  return n.shape;
}

static void assert_shape(wk_shape s, int height, int width, int channels) {
  assert_int_equal(s.height, height);
  assert_int_equal(s.width, width);
  assert_int_equal(s.channels, channels);
}

/* input, kernel, stride, padding, dilation, ceil, output; from torch.nn.functional.max_pool2d / conv2d */
static void window_sizes(void **state) {
  (void)state;
  static const struct {
    int in, kernel, stride, padding, dilation;
    bool pool, ceil_mode;
    int out;
  } c[] = {{224, 7, 2, 3, 1, false, false, 112}, {112, 3, 2, 1, 1, true, false, 56}, {55, 3, 2, 0, 1, true, true, 27},
           {56, 3, 2, 0, 1, true, true, 28},     {7, 2, 2, 0, 1, true, false, 3},    {7, 2, 2, 0, 1, true, true, 4},
           {5, 1, 3, 0, 1, true, true, 2},       {4, 2, 3, 1, 1, true, true, 2},     {3, 2, 3, 1, 1, true, true, 2},
           {14, 3, 1, 2, 2, false, false, 14},   {9, 3, 2, 0, 2, true, true, 3},     {1, 1, 1, 0, 1, false, false, 1}};
  for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
    wk_error err;
    wk_graph *g = fresh();
    wk_node x = wk_graph_input(g, "input", c[i].in, c[i].in, 4);
    wk_window w = wk_window_square(c[i].kernel, c[i].stride, c[i].padding);
    w.dilation_h = w.dilation_w = c[i].dilation;
    w.ceil_mode = c[i].ceil_mode;
    if (c[i].pool)
      wk_graph_pool(g, "x", WK_OP_MAX_POOL, x, w);
    else
      wk_graph_conv(g, "x", x, 8, w, 1, false);
    assert_ok(wk_graph_finish(g, &err), &err);
    assert_shape(shape_of(g, "x", 0, 0), c[i].out, c[i].out, c[i].pool ? 4 : 8);
    wk_graph_free(g);
  }
}

static void same_sizes(void **state) {
  (void)state;
  for (int in = 1; in < 40; in++)
    for (int stride = 1; stride < 4; stride++) {
      wk_error err;
      wk_graph *g = fresh();
      wk_graph_conv(g, "x", wk_graph_input(g, "input", in, in + 1, 3), 5, wk_window_same(5, stride), 1, false);
      assert_ok(wk_graph_finish(g, &err), &err);
      assert_shape(shape_of(g, "x", 0, 0), (in + stride - 1) / stride, (in + stride) / stride, 5);
      wk_graph_free(g);
    }
}

/* A small network with every kind of thing to ask. */
static wk_graph *small(void) {
  wk_error err;
  wk_graph *g = fresh();
  wk_node x = wk_graph_input(g, "input", 32, 48, 3);
  wk_graph_stage(g, "stem");
  x = wk_graph_conv(g, "conv", x, 16, wk_window_square(3, 2, 1), 1, false);
  x = wk_graph_batch_norm(g, "norm", x, 1e-5f);
  x = wk_graph_unary(g, "act", WK_OP_RELU6, x);
  wk_graph_stage(g, "body");
  wk_node y = wk_graph_conv(g, "depth", x, 16, wk_window_square(3, 1, 1), 16, true);
  x = wk_graph_add(g, "sum", x, y);
  wk_node both[2] = {x, y};
  x = wk_graph_concat(g, "cat", both, 2);
  wk_graph_stage(g, "head");
  x = wk_graph_adaptive_avg_pool(g, "pool", x, 1, 1);
  x = wk_graph_unary(g, "flat", WK_OP_FLATTEN, x);
  wk_node logits = wk_graph_linear(g, "fc", wk_graph_dropout(g, "drop", x, 0.2f), 10);
  wk_graph_outputs(g, x, logits);
  assert_ok(wk_graph_finish(g, &err), &err);
  return g;
}

static void questions(void **state) {
  (void)state;
  wk_graph *g = small();
  wk_error err;
  wk_node_info n;
  assert_shape(shape_of(g, "conv", 0, 0), 16, 24, 16);
  assert_shape(shape_of(g, "conv", 65, 64), 33, 32, 16); /* another input size */
  assert_shape(shape_of(g, "cat", 65, 64), 33, 32, 32);
  assert_shape(shape_of(g, "fc", 65, 64), 1, 1, 10);
  assert_ok(wk_graph_node(&n, g, wk_graph_find(g, "conv"), 0, 0, &err), &err);
  assert_int_equal(n.params, 16 * 3 * 9);
  assert_int_equal(n.macs, 16 * 24 * 16 * 27);
  assert_string_equal(n.stage, "stem");
  assert_ok(wk_graph_node(&n, g, wk_graph_find(g, "depth"), 0, 0, &err), &err);
  assert_int_equal(n.params, 16 * 9 + 16);
  assert_int_equal(n.macs, 16 * 24 * 16 * 9);
  assert_ok(wk_graph_node(&n, g, wk_graph_find(g, "norm"), 0, 0, &err), &err);
  assert_int_equal(n.params, 32);
  assert_ok(wk_graph_node(&n, g, wk_graph_find(g, "fc"), 0, 0, &err), &err);
  assert_int_equal(n.params, 330);
  assert_string_equal(n.stage, "head");
  assert_int_equal(wk_graph_find(g, "nothing"), -1);
  assert_int_equal(wk_graph_find(g, NULL), -1);
  assert_int_equal(wk_graph_features(g), wk_graph_find(g, "flat"));
  assert_int_equal(wk_graph_logits(g), wk_graph_find(g, "fc"));
  static const char *const names[] = {"conv.weight",       "norm.weight",      "norm.bias",
                                      "norm.running_mean", "norm.running_var", "depth.weight",
                                      "depth.bias",        "fc.weight",        "fc.bias"};
  assert_int_equal(wk_graph_param_count(g), 9);
  for (int i = 0; i < 9; i++)
    assert_string_equal(wk_graph_param(g, i)->name, names[i]);
  assert_false(wk_graph_param(g, 3)->trainable);
  assert_null(wk_graph_param(g, 9));
  assert_null(wk_graph_param(g, -1));
  wk_graph_free(g);
}

/* Every mistake sticks, is reported by finish, and names the layer. */
#define MISTAKE(text, ...)                                                                                             \
  do {                                                                                                                 \
    wk_graph *g = fresh();                                                                                             \
    wk_error err;                                                                                                      \
    wk_node x = wk_graph_input(g, "input", 8, 8, 6);                                                                   \
    __VA_ARGS__;                                                                                                       \
    wk_graph_conv(g, "later", x, 4, wk_window_square(1, 1, 0), 1, false);                                              \
    assert_int_equal(wk_graph_finish(g, &err), WK_ERR_ARGUMENT);                                                       \
    if (!strstr(err.message, text))                                                                                    \
      fail_msg("'%s' does not say '%s'", err.message, text);                                                           \
    assert_int_not_equal(wk_graph_finish(g, NULL), WK_OK);                                                             \
    wk_graph_free(g);                                                                                                  \
  } while (0)

static void mistakes(void **state) {
  (void)state;
  wk_window one = wk_window_square(1, 1, 0);
  MISTAKE("'c' takes its input from node 77", wk_graph_conv(g, "c", 77, 4, one, 1, false));
  MISTAKE("'c' takes its input from node -1", wk_graph_unary(g, "c", WK_OP_RELU, -1));
  MISTAKE("no name", wk_graph_unary(g, NULL, WK_OP_RELU, x));
  MISTAKE("no name", wk_graph_unary(g, "", WK_OP_RELU, x));
  MISTAKE("two layers are called 'c'", wk_graph_unary(g, "c", WK_OP_RELU, wk_graph_unary(g, "c", WK_OP_RELU, x)));
  MISTAKE("'c' cannot split 6 channels", wk_graph_conv(g, "c", x, 8, one, 4, false));
  MISTAKE("'c' cannot have 0 groups", wk_graph_conv(g, "c", x, 8, one, 0, false));
  MISTAKE("'c' cannot have -3 outputs", wk_graph_conv(g, "c", x, -3, one, 1, false));
  MISTAKE("'c' has an impossible window", wk_graph_conv(g, "c", x, 4, wk_window_square(0, 1, 0), 1, false));
  MISTAKE("'c' has an impossible window", wk_graph_conv(g, "c", x, 4, wk_window_square(3, 0, 0), 1, false));
  MISTAKE("'c' has an impossible window", wk_graph_conv(g, "c", x, 4, wk_window_square(3, 1, -1), 1, false));
  MISTAKE("'c' has an impossible window", wk_graph_pool(g, "c", WK_OP_MAX_POOL, x, wk_window_square(3, 1, 2)));
  MISTAKE("'c' has a window of 9 x 9", wk_graph_conv(g, "c", x, 4, wk_window_square(9, 1, 0), 1, false));
  MISTAKE("'c': relu is not a pooling", wk_graph_pool(g, "c", WK_OP_RELU, x, one));
  MISTAKE("'c': conv does not take one input", wk_graph_unary(g, "c", WK_OP_CONV, x));
  MISTAKE("'c' cannot have eps", wk_graph_batch_norm(g, "c", x, 0));
  MISTAKE("'c' cannot have eps", wk_graph_batch_norm(g, "c", x, NAN));
  MISTAKE("'c' cannot have eps", wk_graph_layer_norm(g, "c", x, 0));
  MISTAKE("'c' cannot have 0 outputs", wk_graph_pointwise(g, "c", x, 0));
  MISTAKE("'c' cannot drop", wk_graph_dropout(g, "c", x, 1));
  MISTAKE("'c' joins nothing", wk_graph_concat(g, "c", NULL, 0));
  MISTAKE("'c' cannot pool to 0 x 1", wk_graph_adaptive_avg_pool(g, "c", x, 0, 1));
  MISTAKE("'c' needs a flat input", wk_graph_linear(g, "c", x, 5));
  MISTAKE("'c' adds", wk_graph_add(g, "c", x, wk_graph_conv(g, "d", x, 5, one, 1, false)));
  MISTAKE("'c' scales 6 channels", wk_graph_scale(g, "c", x, wk_graph_conv(g, "d", x, 5, one, 1, false)));
  MISTAKE("'c' joins inputs of",
          wk_graph_concat(g, "c", (wk_node[]){x, wk_graph_conv(g, "d", x, 5, wk_window_square(2, 2, 0), 1, false)}, 2));
  MISTAKE("second input", wk_graph_input(g, "c", 4, 4, 3));
  MISTAKE("outputs are nodes 9", wk_graph_outputs(g, 9, 0));
  MISTAKE("must be flat", wk_graph_outputs(g, x, -1));
  MISTAKE("too large a weight", wk_graph_conv(g, "c", x, 1 << 20, wk_window_square(60, 1, 30), 1, false));
  MISTAKE("would give", wk_graph_conv(g, "c", x, 1 << 20, wk_window_square(1, 1, 1 << 10), 1, false));
  MISTAKE("no name", wk_graph_stage(g, ""));
  wk_error err;
  assert_int_equal(wk_graph_finish(NULL, &err), WK_ERR_ARGUMENT);
  wk_graph *empty = fresh();
  assert_int_equal(wk_graph_finish(empty, &err), WK_ERR_ARGUMENT);
  wk_graph_free(empty);
  wk_graph_free(NULL);
}

static void impossible_sizes(void **state) {
  (void)state;
  wk_graph *g = small();
  wk_error err;
  wk_node_info n;
  assert_int_equal(wk_graph_node(&n, g, 1, -1, 5, &err), WK_ERR_ARGUMENT);
  assert_int_equal(wk_graph_node(&n, g, 1, 0, 5, &err), WK_ERR_ARGUMENT);
  assert_int_equal(wk_graph_node(&n, g, 1, 1 << 20, 5, &err), WK_ERR_ARGUMENT);
  assert_int_equal(wk_graph_node(&n, g, 1, 60000, 60000, &err), WK_ERR_ARGUMENT);
  assert_int_equal(wk_graph_node(&n, g, 99, 0, 0, &err), WK_ERR_ARGUMENT);
  assert_int_equal(wk_graph_node(&n, g, -1, 0, 0, &err), WK_ERR_ARGUMENT);
  wk_graph_free(g);
  g = fresh(); /* flattened without pooling: the classifier fits one size alone */
  wk_node x = wk_graph_unary(g, "flat", WK_OP_FLATTEN, wk_graph_input(g, "input", 8, 8, 2));
  wk_graph_linear(g, "fc", x, 3);
  assert_ok(wk_graph_finish(g, &err), &err);
  assert_int_equal(wk_graph_node(&n, g, wk_graph_find(g, "fc"), 9, 8, &err), WK_ERR_ARGUMENT);
  assert_non_null(strstr(err.message, "'fc' takes 128 values but gets 144"));
  assert_ok(wk_graph_node(&n, g, wk_graph_find(g, "flat"), 9, 8, &err), &err);
  wk_graph_free(g);
}

static void add(wk_tensors *t, const char *name, int ndim, const int64_t *shape) {
  float *data;
  wk_error err;
  assert_ok(wk_tensors_add_zeros(t, &data, name, ndim, shape, &err), &err);
}

static void weights(void **state) {
  (void)state;
  wk_graph *g = small();
  wk_error err;
  wk_tensors *t;
  assert_ok(wk_tensors_create(&t, &err), &err);
  assert_int_equal(wk_graph_check_weights(g, t, -1, &err), WK_ERR_FORMAT);
  assert_non_null(strstr(err.message, "no 'conv.weight' (expected [16, 3, 3, 3])"));
  add(t, "conv.weight", 4, (int64_t[]){16, 3, 3, 3});
  add(t, "norm.weight", 1, (int64_t[]){16});
  add(t, "norm.bias", 1, (int64_t[]){16});
  assert_ok(wk_graph_check_weights(g, t, wk_graph_find(g, "act"), &err), &err); /* no running statistics: fine */
  add(t, "norm.running_mean", 1, (int64_t[]){16});
  assert_int_equal(wk_graph_check_weights(g, t, wk_graph_find(g, "act"), &err), WK_ERR_FORMAT); /* one of two is not */
  assert_non_null(strstr(err.message, "norm.running_var"));
  add(t, "norm.running_var", 1, (int64_t[]){16});
  add(t, "depth.weight", 4, (int64_t[]){16, 16, 3, 3});
  assert_int_equal(wk_graph_check_weights(g, t, -1, &err), WK_ERR_FORMAT);
  assert_non_null(strstr(err.message, "'depth.weight' has shape [16, 16, 3, 3] but the network needs [16, 1, 3, 3]"));
  wk_tensors_free(t);
  wk_graph_free(g);
}

static void failing_allocations(void **state) {
  (void)state;
  for (long n = 0;; n++) {
    wk_graph *g = NULL;
    wk_error err;
    test_fail_allocation(n);
    wk_status st = wk_graph_create(&g, &err);
    if (st == WK_OK) {
      wk_node x = wk_graph_input(g, "input", 8, 8, 3);
      wk_graph_stage(g, "one");
      x = wk_graph_conv(g, "conv", x, 4, wk_window_square(3, 1, 1), 1, true);
      for (int i = 0; i < 70; i++) {
        char name[16];
        snprintf(name, sizeof name, "r%d", i);
        x = wk_graph_unary(g, name, WK_OP_RELU, x);
      }
      wk_graph_linear(g, "fc", wk_graph_adaptive_avg_pool(g, "pool", x, 1, 1), 3);
      st = wk_graph_finish(g, &err);
    }
    wk_graph_free(g);
    test_fail_allocation(-1);
    if (st == WK_OK)
      break;
    assert_int_equal(st, WK_ERR_MEMORY);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(window_sizes),       cmocka_unit_test(same_sizes),
                                     cmocka_unit_test(questions),          cmocka_unit_test(mistakes),
                                     cmocka_unit_test(impossible_sizes),   cmocka_unit_test(weights),
                                     cmocka_unit_test(failing_allocations)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

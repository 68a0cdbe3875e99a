/* test_ops.c - every operator, fusion and instruction set against the naive reference, on ragged shapes and random
 * networks; and that a photo's result depends on nothing but the photo.
 *
 * Tolerance: activations are near 1, sums have up to a few thousand terms, so float32 leaves about 1e-5. */
#include "nn/compile/plan.h"
#include "nn/kernels/f32/gauss.h"
#include "nn_reference.h"

static const double TOLERANCE = 5e-5;

static float *random_input(wk_rng *rng, size_t n, double **as_double) {
  float *f = malloc(n * sizeof *f);
  *as_double = malloc(n * sizeof **as_double);
  for (size_t i = 0; i < n; i++) {
    f[i] = (float)wk_rng_normal(rng);
    (*as_double)[i] = (double)f[i];
  }
  return f;
}

static size_t elements(const wk_graph *g, wk_node node, int height, int width) {
  wk_node_info n;
  wk_error err;
  assert_ok(wk_graph_node(&n, g, node, height, width, &err), &err);
  return (size_t)n.shape.height * (size_t)n.shape.width * (size_t)n.shape.channels;
}

static void compare(const float *got, const double *want, size_t n, const char *what) {
  double scale = 1;
  for (size_t i = 0; i < n; i++)
    scale = fmax(scale, fabs(want[i]));
  for (size_t i = 0; i < n; i++)
    if (!(fabs((double)got[i] - want[i]) <= TOLERANCE * scale))
      fail_msg("%s: value %zu of %zu is %.8g, expected %.8g", what, i, n, (double)got[i], want[i]);
}

/* Checks the wanted outputs of g, at that size, on every instruction set this machine has. */
static void check(const wk_graph *g, const wk_tensors *weights, const wk_node *output, int outputs, int batch,
                  int count, int height, int width, wk_rng *rng) {
  wk_error err;
  double *wide;
  float *input = random_input(rng, elements(g, 0, height, width) * (size_t)count, &wide);
  double **params = ref_params(g, weights), **want = ref_forward(g, params, false, wide, count, height, width);
  for (int isa = WK_ISA_C; isa <= (int)wk_cpu_isa(); isa++) {
    wk_plan *plan;
    wk_exec *exec;
    wk_plan_options o;
    wk_plan_options_init(&o);
    o.height = height, o.width = width, o.batch = batch, o.output = output, o.outputs = outputs;
    assert_ok(wk_plan_create_isa(&plan, g, weights, &o, (wk_isa)isa, &err), &err);
    assert_ok(wk_exec_create(&exec, plan, &err), &err);
    assert_ok(wk_exec_run(exec, input, count, &err), &err);
    for (int i = 0; i < outputs; i++) {
      wk_node_info n;
      assert_ok(wk_graph_node(&n, g, output[i], height, width, &err), &err);
      compare(wk_exec_output(exec, i), want[output[i]], elements(g, output[i], height, width) * (size_t)count, n.name);
    }
    wk_exec_free(exec);
    wk_plan_free(plan);
  }
  ref_free(want, g);
  ref_params_free(params, g);
  free(input);
  free(wide);
}

/* ---- convolutions and their fusions --------------------------------------------------------------- */

static const int act_ops[] = {-1,         WK_OP_RELU,   WK_OP_RELU6, WK_OP_HARDSWISH, WK_OP_HARDSIGMOID,
                              WK_OP_SILU, WK_OP_SIGMOID};

/* input -> conv [-> norm] [-> + shortcut] [-> act], where the shortcut's memory may or may not be reused. */
static void conv_case(wk_rng *rng, int in, int out, int groups, wk_window w, int height, int width, int variant) {
  wk_graph *g;
  wk_error err;
  assert_ok(wk_graph_create(&g, &err), &err);
  wk_node input = wk_graph_input(g, "input", height, width, in);
  wk_node x = wk_graph_conv(g, "conv", input, out, w, groups, variant & 1);
  if (variant & 2)
    x = wk_graph_batch_norm(g, "norm", x, 1e-3f);
  wk_node shortcut = -1;
  if (variant & 4) {
    shortcut = wk_graph_conv(g, "shortcut", input, out, w, groups, true);
    x = variant & 8 ? wk_graph_add(g, "sum", x, shortcut) : wk_graph_add(g, "sum", shortcut, x);
  }
  int act = act_ops[(variant >> 4) % 7];
  if (act >= 0)
    x = wk_graph_unary(g, "act", (wk_op)act, x);
  if (variant & 128 && shortcut >= 0) /* used once more: its memory must survive the sum */
    x = wk_graph_add(g, "again", x, shortcut);
  assert_ok(wk_graph_finish(g, &err), &err);
  wk_tensors *weights = ref_weights(g, rng, !(variant & 256));
  wk_node both[2] = {x, wk_graph_find(g, "conv")};
  check(g, weights, both, 1, 3, 2, 0, 0, rng);
  check(g, weights, both, 2, 2, 2, 0, 0, rng); /* the convolution itself wanted too: nothing may swallow it */
  wk_tensors_free(weights);
  wk_graph_free(g);
}

static void convolutions(void **state) {
  (void)state;
  wk_rng rng;
  wk_rng_init(&rng, 1, 0);
  static const int channels[][3] = {{1, 1, 1},   {3, 32, 1},   {3, 17, 1},   {16, 16, 1}, {33, 7, 1},  {64, 48, 1},
                                    {8, 8, 8},   {32, 32, 32}, {40, 40, 40}, {5, 10, 5},  {12, 18, 6}, {32, 64, 2},
                                    {96, 24, 1}, {19, 130, 1}, {7, 7, 7},    {24, 144, 1}};
  for (size_t i = 0; i < sizeof channels / sizeof *channels; i++)
    for (int k = 0; k < 8; k++) {
      wk_window w = wk_window_square((const int[]){1, 3, 5, 3, 7, 2, 3, 1}[k], 1 + k % 2,
                                     (const int[]){0, 1, 2, 0, 3, 0, 2, 0}[k]);
      if (k == 6)
        w.dilation_h = w.dilation_w = 2;
      if (k == 3)
        w = wk_window_same(3, 2);
      if (k == 5)
        w.pad_bottom = 1, w.pad_left = 1, w.kernel_w = 3;
      conv_case(&rng, channels[i][0], channels[i][1], channels[i][2], w, 7 + k, 9 + (int)i % 5,
                (int)wk_rng_below(&rng, 512));
    }
}

/* ---- poolings --------------------------------------------------------------------------------------- */

static void poolings(void **state) {
  (void)state;
  wk_rng rng;
  wk_error err;
  wk_rng_init(&rng, 2, 0);
  for (int i = 0; i < 200; i++) {
    int h = 3 + (int)wk_rng_below(&rng, 12), width = 3 + (int)wk_rng_below(&rng, 12);
    wk_window w = wk_window_square(1 + (int)wk_rng_below(&rng, 3), 1 + (int)wk_rng_below(&rng, 3), 0);
    w.kernel_w = 1 + (int)wk_rng_below(&rng, 3);
    w.pad_top = w.pad_bottom = (int)wk_rng_below(&rng, (uint32_t)w.kernel_h / 2 + 1);
    w.pad_left = w.pad_right = (int)wk_rng_below(&rng, (uint32_t)w.kernel_w / 2 + 1);
    w.same = i % 5 == 0;
    w.ceil_mode = i & 1;
    w.count_include_pad = !w.same && (i & 2);
    bool max = i % 3 == 0;
    if (max && !w.same && h > 4 && width > 4 && w.pad_top == 0 && w.pad_left == 0)
      w.dilation_h = w.dilation_w = 2;
    if ((w.kernel_h - 1) * w.dilation_h >= h || (w.kernel_w - 1) * w.dilation_w >= width)
      continue;
    wk_graph *g;
    assert_ok(wk_graph_create(&g, &err), &err);
    wk_node x = wk_graph_input(g, "input", h, width, 1 + (int)wk_rng_below(&rng, 140));
    wk_node out[2] = {wk_graph_pool(g, "pool", max ? WK_OP_MAX_POOL : WK_OP_AVG_POOL, x, w)};
    out[1] =
        wk_graph_adaptive_avg_pool(g, "adaptive", x, 1 + (int)wk_rng_below(&rng, 8), 1 + (int)wk_rng_below(&rng, 8));
    assert_ok(wk_graph_finish(g, &err), &err);
    check(g, NULL, out, 2, 2, 2, 0, 0, &rng);
    wk_graph_free(g);
  }
}

/* ---- whole networks --------------------------------------------------------------------------------- */

static void random_networks(void **state) {
  (void)state;
  wk_rng rng;
  for (uint64_t seed = 0; seed < 150; seed++) {
    wk_rng_init(&rng, 3, seed);
    wk_graph *g = ref_random_graph(&rng, 4 + (int)wk_rng_below(&rng, 30));
    wk_tensors *weights = ref_weights(g, &rng, seed % 4 != 0);
    int size = wk_graph_size(g);
    wk_node out[6] = {wk_graph_logits(g), wk_graph_features(g)};
    for (int i = 2; i < 6; i++)
      out[i] = (wk_node)wk_rng_below(&rng, (uint32_t)size);
    check(g, weights, out, 1, 3, 3, 0, 0, &rng);
    check(g, weights, out + 1, 5, 4, 1 + (int)wk_rng_below(&rng, 4), 0, 0, &rng);
    wk_tensors_free(weights);
    wk_graph_free(g);
  }
}

/* A photo gives the same bits alone, in any batch, beside any others and with any number of threads. */
static void independence(void **state) {
  (void)state;
  enum { PHOTOS = 9 };
  wk_rng rng;
  wk_error err;
  for (uint64_t seed = 0; seed < 40; seed++) {
    wk_rng_init(&rng, 4, seed);
    wk_graph *g = ref_random_graph(&rng, 25);
    wk_tensors *weights = ref_weights(g, &rng, true);
    double *wide;
    size_t in = elements(g, 0, 0, 0), out = elements(g, wk_graph_logits(g), 0, 0);
    float *input = random_input(&rng, in * PHOTOS, &wide), *want = malloc(out * PHOTOS * sizeof *want);
    const wk_node logits = wk_graph_logits(g);
    for (int batch = 1; batch <= PHOTOS; batch += 2)
      for (int threads = 1; threads <= 3; threads++) {
        wk_plan_options o;
        wk_plan *plan;
        wk_exec *exec;
        wk_plan_options_init(&o);
        o.batch = batch, o.threads = threads, o.output = &logits, o.outputs = 1;
        assert_ok(wk_plan_create(&plan, g, weights, &o, &err), &err);
        assert_ok(wk_exec_create(&exec, plan, &err), &err);
        for (int at = 0; at < PHOTOS; at += batch) {
          int count = PHOTOS - at < batch ? PHOTOS - at : batch;
          assert_ok(wk_exec_run(exec, input + in * (size_t)at, count, &err), &err);
          size_t bytes = out * (size_t)count * sizeof *want;
          if (batch == 1 && threads == 1)
            memcpy(want + out * (size_t)at, wk_exec_output(exec, 0), bytes);
          else if (memcmp(want + out * (size_t)at, wk_exec_output(exec, 0), bytes))
            fail_msg("network %d: batch %d with %d threads gives other bits than one photo alone", (int)seed, batch,
                     threads);
        }
        wk_exec_free(exec);
        wk_plan_free(plan);
      }
    free(want);
    free(input);
    free(wide);
    wk_tensors_free(weights);
    wk_graph_free(g);
  }
}

/* Large pictures go through the first layers a few at a time; what is kept for later, or asked for, stays whole. */
static void turns(void **state) {
  (void)state;
  enum { PHOTOS = 3, SIDE = 160 };
  wk_rng rng;
  wk_error err;
  wk_graph *g;
  wk_rng_init(&rng, 5, 0);
  assert_ok(wk_graph_create(&g, &err), &err);
  wk_node in = wk_graph_input(g, "input", SIDE, SIDE, 3);
  wk_node a = wk_graph_conv(g, "a", in, 40, wk_window_square(3, 1, 1), 1, true);
  wk_node b = wk_graph_unary(g, "b", WK_OP_RELU, a);
  wk_node c = wk_graph_conv(g, "c", b, 40, wk_window_square(3, 1, 1), 40, true);
  wk_node d = wk_graph_conv(g, "d", c, 40, wk_window_square(1, 1, 0), 1, true);
  wk_node e = wk_graph_add(g, "e", d, b);
  wk_node f = wk_graph_conv(g, "f", e, 24, wk_window_square(3, 32, 1), 1, true);
  /* far weights for few tiles: alone they stay as they are, together they are transformed beforehand */
  wk_node h = wk_graph_conv(g, "h", f, 1300, wk_window_square(3, 1, 1), 1, true);
  assert_ok(wk_graph_finish(g, &err), &err);
  wk_tensors *weights = ref_weights(g, &rng, true);
  const wk_node asked[2] = {h, e};
  double *wide;
  const size_t each = elements(g, in, 0, 0);
  float *input = random_input(&rng, each * PHOTOS, &wide);
  for (int outputs = 1; outputs <= 2; outputs++) {
    wk_plan *one, *all;
    wk_exec *alone, *together;
    wk_plan_options o;
    wk_plan_options_init(&o);
    o.output = asked, o.outputs = outputs, o.batch = 1, o.threads = outputs;
    assert_ok(wk_plan_create(&one, g, weights, &o, &err), &err);
    o.batch = PHOTOS;
    assert_ok(wk_plan_create(&all, g, weights, &o, &err), &err);
    assert_true(all->micro_batch < PHOTOS && all->micro_batch_ops > 0 && all->micro_batch_ops < all->ops);
    assert_true(wk_plan_weight_bytes(one) < wk_plan_weight_bytes(all) / 2);
    assert_ok(wk_exec_create(&alone, one, &err), &err);
    assert_ok(wk_exec_create(&together, all, &err), &err);
    for (int again = 0; again < 2; again++) {
      assert_ok(wk_exec_run(together, input, PHOTOS, &err), &err);
      for (int i = 0; i < PHOTOS; i++) {
        assert_ok(wk_exec_run(alone, input + each * (size_t)i, 1, &err), &err);
        for (int k = 0; k < outputs; k++) {
          const size_t n = elements(g, asked[k], 0, 0);
          assert_memory_equal(wk_exec_output(together, k) + n * (size_t)i, wk_exec_output(alone, k), n * sizeof(float));
        }
      }
    }
    wk_exec_free(alone), wk_exec_free(together);
    wk_plan_free(one), wk_plan_free(all);
  }
  free(input), free(wide);
  wk_tensors_free(weights);
  wk_graph_free(g);
}

/* Every single allocation may fail: an error each time, no leak (the sanitizer looks), and success in the end. */
static void failing_allocations(void **state) {
  (void)state;
  wk_rng rng;
  wk_error err;
  wk_rng_init(&rng, 5, 0);
  wk_graph *g = ref_random_graph(&rng, 20);
  wk_tensors *weights = ref_weights(g, &rng, true);
  double *wide;
  float *input = random_input(&rng, elements(g, 0, 0, 0), &wide);
  wk_plan_options o;
  wk_plan_options_init(&o);
  o.batch = 1;
  bool done = false;
  for (long n = 0; !done; n = TEST_NEXT_ALLOCATION(n)) {
    wk_plan *plan = NULL;
    wk_exec *exec = NULL;
    test_fail_allocation(n);
    wk_status st = wk_plan_create(&plan, g, weights, &o, &err);
    if (st == WK_OK)
      st = wk_exec_create(&exec, plan, &err);
    if (st == WK_OK)
      st = wk_exec_run(exec, input, 1, &err);
    done = st == WK_OK;
    if (!done)
      assert_int_equal(st, WK_ERR_MEMORY);
    wk_exec_free(exec);
    wk_plan_free(plan);
    test_fail_allocation(-1);
  }
  wk_tensors_free(weights);
  wk_graph_free(g);
  free(input);
  free(wide);
}

/* GELU and its slope from 13 deviations below 0 to 13 above, where the left tail still is a number of its own. */
static void gelu_near_and_far(void **state) {
  (void)state;
  for (int i = -1300; i <= 1300; i++) {
    const float x = (float)i / 100;
    const double below = 0.5 * erfc(-(double)x / sqrt(2)), density = exp(-0.5 * (double)x * x) / sqrt(2 * acos(-1));
    assert_true(fabs((double)wk_gelu(x) - x * below) <= 5e-6 * fabs(x * below));
    assert_true(fabs((double)wk_gelu_slope(x) - (below + x * density)) <= 3e-7);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(convolutions),     cmocka_unit_test(poolings), cmocka_unit_test(random_networks),
      cmocka_unit_test(independence),     cmocka_unit_test(turns),    cmocka_unit_test(failing_allocations),
      cmocka_unit_test(gelu_near_and_far)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_bytes_input.c - photos given as bytes: what a network makes of them is what it makes of the floats that
 * wk_preprocess_normalise gives, bit by bit, whichever layer reads them first. */
#include "kernels_support.h"
#include "nn/compile/plan.h"
#include "nn_reference.h"
#include "whisker/zoo.h"

static const wk_preprocess norms[] = {
    {.mean = {123.675f, 116.28f, 103.53f}, .std = {58.395f, 57.12f, 57.375f}}, /* torchvision */
    {.mean = {127, 127, 127}, .std = {128, 128, 128}},                         /* EfficientNet-Lite */
    {.mean = {103.939f, 116.779f, 123.68f}, .std = {1, 1, 1}, .bgr = true},    /* Keras' VGG */
    {.mean = {0.5f, 100.25f, 200.125f}, .std = {255, 0.5f, 3}, .bgr = true},   /* all channels tell apart */
};
enum { NORMS = sizeof norms / sizeof *norms };

static wk_pixels pixels_of(const wk_preprocess *p) {
  return (wk_pixels){
      .mean = {p->mean[0], p->mean[1], p->mean[2]}, .std = {p->std[0], p->std[1], p->std[2]}, .bgr = p->bgr};
}

static uint8_t *random_bytes(wk_rng *rng, size_t n) {
  uint8_t *b = malloc(n + (n == 0));
  assert_non_null(b);
  for (size_t i = 0; i < n; i++)
    b[i] = (uint8_t)wk_rng_below(rng, 256);
  return b;
}

static float *normalised(const uint8_t *bytes, int count, const wk_preprocess *norm) {
  wk_preprocess p = *norm;
  p.width = count, p.height = 1;
  float *out = nans(3 * (size_t)count);
  wk_preprocess_normalise(out, bytes, &p);
  return out;
}

static void test_normalise(void **state) {
  (void)state;
  FOR_EACH_ISA(kn) {
    wk_rng rng;
    wk_rng_init(&rng, 31, 1);
    for (int count = 0; count < 600; count += 1 + count / 40)
      for (int k = 0; k < NORMS; k++) {
        const wk_pixels norm = pixels_of(&norms[k]);
        uint8_t *bytes = random_bytes(&rng, 3 * (size_t)count);
        float *want = normalised(bytes, count, &norms[k]), *got = nans(3 * (size_t)count);
        kn->pixels(got, bytes, count, &norm);
        assert_memory_equal(got, want, 3 * (size_t)count * sizeof *got);
        free(bytes), free(want), free(got);
      }
  }
}

/* A convolution's kernel on bytes and on floats, whole and in ragged ranges. */
static void test_conv(void **state) {
  (void)state;
  FOR_EACH_ISA(kn) {
    wk_rng rng;
    int taken = 0;
    wk_rng_init(&rng, 31, 2);
    for (int i = 0; i < 150; i++) {
      wk_conv c = {.batch = pick(&rng, 1, 2),
                   .in_h = pick(&rng, 1, 12),
                   .in_w = pick(&rng, 1, 60),
                   .in_c = 3,
                   .out_c = pick(&rng, 1, 70),
                   .kernel_h = pick(&rng, 1, 7),
                   .kernel_w = pick(&rng, 1, 7),
                   .stride_h = pick(&rng, 1, 3),
                   .stride_w = pick(&rng, 1, 3),
                   .dilation_h = 1,
                   .dilation_w = 1,
                   .pad_top = pick(&rng, 0, 3),
                   .pad_left = pick(&rng, 0, 3),
                   .act = (wk_act)pick(&rng, 0, 2)};
      if (i % 3 == 0)
        c.kernel_h = c.kernel_w = 3, c.stride_h = c.stride_w = pick(&rng, 1, 2);
      c.out_h = (c.in_h + c.pad_top + pick(&rng, 0, 2) - c.kernel_h) / c.stride_h + 1;
      c.out_w = (c.in_w + c.pad_left + pick(&rng, 0, 2) - c.kernel_w) / c.stride_w + 1;
      if (c.out_h < 1 || c.out_w < 1 || !kn->conv_takes_bytes(&c))
        continue;
      taken++;
      const wk_pixels norm = pixels_of(&norms[i % NORMS]);
      const int count = c.batch * c.in_h * c.in_w, k = 3 * c.kernel_h * c.kernel_w;
      const size_t outs = (size_t)(c.batch * c.out_h * c.out_w) * (size_t)c.out_c;
      uint8_t *bytes = random_bytes(&rng, 3 * (size_t)count);
      float *in = normalised(bytes, count, &norms[i % NORMS]), *w = numbers(&rng, (size_t)(k * c.out_c));
      float *packed = nans(kn->gemm_packed(k, c.out_c)), *bias = numbers(&rng, (size_t)c.out_c);
      float *want = nans(outs), *got = nans(outs);
      kn->conv_pack(packed, w, 3, c.out_c, c.kernel_h * c.kernel_w);
      const wk_conv_sizes size = kn->conv_shape(&c);
      float *scratch = nans(size.scratch);
      c.weights = packed, c.bias = bias;
      c.in = in, c.out = want;
      kn->conv(&c, 0, size.pixels, 0, c.out_c, scratch);
      c.in = NULL, c.bytes = bytes, c.pixels = &norm, c.out = got;
      const int cut = pick(&rng, 0, size.pixels);
      kn->conv(&c, cut, size.pixels, 0, c.out_c, scratch);
      kn->conv(&c, 0, cut, 0, c.out_c, scratch);
      assert_memory_equal(got, want, outs * sizeof *got);
      free(bytes), free(in), free(w), free(packed), free(bias), free(want), free(got), free(scratch);
    }
    assert_true(taken > 50);
  }
}

/* ---- plans -------------------------------------------------------------------------------------- */

/* Bytes and floats through plans that are alike but for that. */
static void same_outputs(const wk_graph *g, const wk_tensors *weights, const wk_preprocess *norm,
                         const wk_plan_options *options, wk_isa isa, wk_rng *rng) {
  wk_error err;
  wk_node_info info;
  wk_plan *plan[2];
  wk_exec *exec[2];
  wk_plan_options o = *options;
  const wk_pixels pixels = pixels_of(norm);
  for (int k = 0; k < 2; k++) {
    o.pixels = k ? &pixels : NULL;
    assert_ok(wk_plan_create_isa(&plan[k], g, weights, &o, isa, &err), &err);
    assert_ok(wk_exec_create(&exec[k], plan[k], &err), &err);
  }
  assert_ok(wk_graph_node(&info, g, 0, o.height, o.width, &err), &err);
  const int count = o.batch * info.shape.height * info.shape.width;
  uint8_t *bytes = random_bytes(rng, 3 * (size_t)count);
  float *in = normalised(bytes, count, norm);
  assert_ok(wk_exec_run(exec[0], in, o.batch, &err), &err);
  assert_ok(wk_exec_run_pixels(exec[1], bytes, o.batch, &err), &err);
  for (int i = 0; i < o.outputs; i++) {
    const wk_shape s = wk_plan_output_shape(plan[0], i);
    const size_t n = (size_t)s.height * (size_t)s.width * (size_t)s.channels * (size_t)o.batch;
    if (memcmp(wk_exec_output(exec[1], i), wk_exec_output(exec[0], i), n * sizeof(float))) {
      assert_ok(wk_graph_node(&info, g, o.output[i], 0, 0, &err), &err);
      fail_msg("'%s', %s: bytes give other bits than floats", info.name, wk_isa_name(isa));
    }
  }
  assert_int_equal(wk_exec_run_pixels(exec[0], bytes, o.batch, &err), WK_ERR_ARGUMENT);
  assert_int_equal(wk_exec_run(exec[1], in, o.batch, &err), WK_ERR_ARGUMENT);
  free(bytes), free(in);
  for (int k = 0; k < 2; k++)
    wk_exec_free(exec[k]), wk_plan_free(plan[k]);
}

/* Whoever reads the input first: a convolution whose kernel reads bytes; others; several; nobody, or whoever asks. */
enum { ALONE, ACT, POINTWISE, GROUPS, DILATED, NARROW, TWO, RESIDUAL, POOL, INPUT_WANTED, INPUT_ALONE, KINDS };

static wk_node build(wk_graph *g, wk_node in, int kind) {
  wk_window w = wk_window_same(3, 2);
  if (kind == POINTWISE)
    w = wk_window_square(1, 1, 0);
  if (kind == DILATED)
    w = wk_window_square(3, 1, 2), w.dilation_h = w.dilation_w = 2;
  if (kind == RESIDUAL)
    w = wk_window_square(3, 1, 1);
  if (kind == POOL)
    return wk_graph_pool(g, "pool", WK_OP_MAX_POOL, in, wk_window_square(2, 2, 0));
  if (kind == INPUT_ALONE)
    return in;
  wk_node x = wk_graph_conv(g, "a", in, kind == RESIDUAL ? 3 : 24, w, kind == GROUPS ? 3 : 1, true);
  x = wk_graph_batch_norm(g, "norm", x, 1e-3f);
  if (kind == RESIDUAL)
    x = wk_graph_add(g, "sum", x, in);
  x = wk_graph_unary(g, "act", kind == ACT ? WK_OP_HARDSWISH : WK_OP_RELU6, x);
  if (kind == TWO)
    x = wk_graph_add(g, "sum", x, wk_graph_conv(g, "b", in, 24, w, 1, false));
  return wk_graph_conv(g, "last", x, 10, wk_window_square(3, 1, 1), 1, true);
}

static void test_plans(void **state) {
  (void)state;
  wk_rng rng;
  wk_error err;
  wk_rng_init(&rng, 31, 3);
  for (int kind = 0; kind < KINDS; kind++) {
    wk_graph *g;
    assert_ok(wk_graph_create(&g, &err), &err);
    wk_node in = wk_graph_input(g, "input", 22, kind == NARROW ? 5 : 45, 3), out[2] = {0, in};
    out[0] = build(g, in, kind);
    assert_ok(wk_graph_finish(g, &err), &err);
    wk_tensors *weights = ref_weights(g, &rng, true);
    wk_plan_options o;
    wk_plan_options_init(&o);
    o.output = out, o.outputs = kind == INPUT_WANTED ? 2 : 1, o.batch = 3;
    for (int isa = WK_ISA_C; isa <= (int)wk_cpu_isa(); isa++)
      for (int k = 0; k < NORMS; k++) {
        o.threads = 1 + k % 3;
        same_outputs(g, weights, &norms[k], &o, (wk_isa)isa, &rng);
      }
    wk_tensors_free(weights);
    wk_graph_free(g);
  }
}

static void test_refused(void **state) {
  (void)state;
  wk_error err;
  for (int channels = 3; channels <= 4; channels++) {
    wk_graph *g;
    wk_plan *plan = NULL;
    assert_ok(wk_graph_create(&g, &err), &err);
    wk_node out = wk_graph_unary(g, "act", WK_OP_RELU, wk_graph_input(g, "input", 8, 8, channels));
    assert_ok(wk_graph_finish(g, &err), &err);
    wk_pixels norm = pixels_of(&norms[0]);
    wk_plan_options o;
    wk_plan_options_init(&o);
    o.output = &out, o.outputs = 1, o.pixels = &norm;
    norm.std[1] = channels == 3 ? 0 : 1;
    assert_int_equal(wk_plan_create(&plan, g, NULL, &o, &err), WK_ERR_ARGUMENT);
    assert_int_equal(wk_plan_create(&plan, g, NULL, NULL, &err), WK_ERR_ARGUMENT);
    norm.std[1] = 1, norm.mean[2] = NAN;
    assert_int_equal(wk_plan_create(&plan, g, NULL, &o, &err), WK_ERR_ARGUMENT);
    wk_graph_free(g);
  }
}

/* Every architecture's first layers with its own preprocessing; the size makes TensorFlow's padding uneven. */
static void test_zoo(void **state) {
  (void)state;
  wk_rng rng;
  wk_error err;
  wk_rng_init(&rng, 31, 4);
  for (int i = 0; i < wk_arch_count(); i++) {
    const wk_arch *arch = wk_arch_at(i);
    wk_graph *g;
    wk_tensors *weights;
    const wk_node out = 6;
    if (i > 0 && wk_arch_at(i - 1)->build == arch->build) /* the same network, trained anew */
      continue;
    assert_ok(arch->build(&g, arch->class_count, &err), &err);
    assert_ok(wk_tensors_create(&weights, &err), &err);
    for (int k = 0; k < wk_graph_param_count(g); k++) {
      const wk_param_info *p = wk_graph_param(g, k);
      if (p->node > out)
        continue;
      float *to;
      assert_ok(wk_tensors_add_zeros(weights, &to, p->name, p->ndim, p->shape, &err), &err);
      for (int64_t n = wk_tensor_count(p->ndim, p->shape); n-- > 0;)
        to[n] = (float)(0.1 + 0.3 * wk_rng_uniform(&rng)); /* variances too */
    }
    wk_plan_options o;
    wk_plan_options_init(&o);
    o.output = &out, o.outputs = 1, o.batch = 2, o.height = 64, o.width = 83;
    for (int isa = WK_ISA_C; isa <= (int)wk_cpu_isa(); isa++)
      same_outputs(g, weights, &arch->preprocess, &o, (wk_isa)isa, &rng);
    wk_tensors_free(weights);
    wk_graph_free(g);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_normalise), cmocka_unit_test(test_conv),
                                     cmocka_unit_test(test_plans), cmocka_unit_test(test_refused),
                                     cmocka_unit_test(test_zoo)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

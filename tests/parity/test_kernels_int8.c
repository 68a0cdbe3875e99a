/* test_kernels_int8.c - kernels on small integers: every variant gives the bytes and the floats of the plain one, bit
 * by bit; the plain one gives the sums that 64-bit integers give; and a network in int8 is near the one in float32. */
#include "kernels_support.h"
#include "low_precision_network.h"
#include "nn/ops/int8/quantize_int8.h"

static uint8_t *u7(wk_rng *rng, size_t n) {
  uint8_t *x = malloc(n + (n == 0));
  for (size_t i = 0; i < n; i++)
    x[i] = wk_rng_below(rng, 4) ? (uint8_t)wk_rng_below(rng, 128) : 127;
  return x;
}

/* Quantised weights of random floats; `extreme`: all of one sign and nearly one size, so that sums are the largest. */
static int8_t *weights8(wk_rng *rng, float **scale, float **shift, int n, int k, int depth, bool extreme) {
  float *w = numbers(rng, (size_t)n * (size_t)k), *bias = numbers(rng, (size_t)n), *ones = malloc((size_t)k * 4);
  int32_t *zero = malloc((size_t)k * 4);
  double *row = malloc((size_t)k * sizeof *row);
  int8_t *q = malloc((size_t)n * (size_t)depth);
  *scale = calloc((size_t)wk_up(n, 64), 4), *shift = calloc((size_t)wk_up(n, 64), 4);
  for (int i = 0; extreme && i < n * k; i++)
    w[i] = (i / k % 2 ? 1 : -1) * (1 - 0.001f * w[i]);
  for (int i = 0; i < k; i++)
    ones[i] = 0.01f + 0.02f * (float)wk_rng_uniform(rng), zero[i] = (int32_t)wk_rng_below(rng, 128);
  const wk_int8_scale in = {ones, zero};
  wk_int8_product(q, *scale, *shift, row, w, bias, &in, n, k, 1, depth);
  free(w), free(bias), free(ones), free(zero), free(row);
  return q;
}

static void check_gemm(wk_rng *rng, int m, int n, int k, wk_act act, bool add, bool bytes, bool extreme) {
  n = bytes ? wk_up(n, WK_INT8_CHANNELS) : n;
  const int depth = wk_up(k, WK_INT8_DEPTH), lda = depth + pick(rng, 0, 9), ldc = n + pick(rng, 0, 3);
  const size_t cells = (size_t)(m - 1) * (size_t)ldc + (size_t)n;
  uint8_t *a = u7(rng, (size_t)(m - 1) * (size_t)lda + (size_t)depth);
  float *scale, *shift, *add_data = numbers(rng, cells), *want = NULL;
  int8_t *q = weights8(rng, &scale, &shift, n, k, depth, extreme);
  uint8_t *want8 = NULL;
  for (int i = 0; wk_microkernels_int8_at(i); i++) {
    const wk_microkernels_int8 *kn = wk_microkernels_int8_at(i);
    int8_t *packed = malloc(wk_gemm_int8_packed(kn->panel, depth, n));
    wk_gemm_int8_pack(packed, q, kn->panel, depth, n);
    float *c = nans(cells);
    uint8_t *c8 = calloc(cells, 1);
    const wk_gemm_int8 g = {.n = n,
                            .k = depth,
                            .a = a,
                            .b = packed,
                            .scale = scale,
                            .bias = shift,
                            .add = add ? add_data : NULL,
                            .c = bytes ? NULL : c,
                            .q = bytes ? c8 : NULL,
                            .lda = lda,
                            .ldc = ldc,
                            .ldadd = ldc,
                            .ldq = ldc,
                            .act = act};
    /* In parts that are cut anywhere. */
    const int row = pick(rng, 0, m), col = pick(rng, 0, n / kn->panel) * kn->panel;
    kn->gemm(&g, 0, row, 0, n);
    kn->gemm(&g, row, m, 0, col);
    kn->gemm(&g, row, m, col, n);
    for (int r = 0; i == 0 && r < m; r++)
      for (int j = 0; j < n; j++) {
        int64_t sum = 0;
        for (int l = 0; l < depth; l++)
          sum += a[r * lda + l] * q[(size_t)j * (size_t)depth + (size_t)l];
        const float scaled = (float)sum * scale[j];
        float x = scaled + shift[j];
        if (bytes) {
          x = x > 127 ? 127 : x < 0 ? 0 : x;
          assert_int_equal(c8[r * ldc + j], (int)lrintf(x));
        } else {
          x += add ? add_data[r * ldc + j] : 0;
          assert_true(c[r * ldc + j] == (float)activate((double)x, act));
        }
      }
    if (i == 0) {
      want = c, want8 = c8;
    } else {
      for (int r = 0; r < m; r++)
        if (memcmp(c + r * ldc, want + r * ldc, (size_t)n * 4) || memcmp(c8 + r * ldc, want8 + r * ldc, (size_t)n))
          fail_msg("%s differs from plain C: %d x %d x %d", kn->name, m, n, k);
      free(c), free(c8);
    }
    free(packed);
  }
  free(want), free(want8), free(a), free(scale), free(shift), free(add_data), free(q);
}

static void test_gemm(void **state) {
  (void)state;
  wk_rng rng;
  wk_rng_init(&rng, 3, 0);
  for (int m = 1; m <= 28; m++)
    check_gemm(&rng, m, pick(&rng, 1, 100), pick(&rng, 1, 60), (wk_act)(m % 3), m % 2, false, m % 7 == 0);
  for (int n = 1; n <= 70; n++)
    check_gemm(&rng, pick(&rng, 1, 30), n, pick(&rng, 1, 60), (wk_act)(n % 3), n % 2, n % 3 == 0, n % 5 == 0);
  check_gemm(&rng, 5, 600, 1200, WK_ACT_RELU, true, false, true); /* several blocks of columns, long sums */
  check_gemm(&rng, 3, 40, 4000, WK_ACT_NONE, false, false, true);
}

static void test_quantise(void **state) {
  (void)state;
  wk_rng rng;
  wk_rng_init(&rng, 4, 0);
  for (int channels = 1; channels <= 70; channels++) {
    const int pixels = pick(&rng, 1, 5), ld = channels + pick(&rng, 0, 4);
    const size_t n = (size_t)pixels * (size_t)channels, room = (size_t)(pixels - 1) * (size_t)ld + (size_t)channels;
    float *x = numbers(&rng, n), *inverse = numbers(&rng, (size_t)channels), *low = numbers(&rng, (size_t)channels),
          *high = numbers(&rng, (size_t)channels);
    int32_t *zero = malloc((size_t)channels * 4);
    for (size_t i = 0; i < n; i++)
      x[i] *= 100;
    x[0] = pick(&rng, 0, 1) ? NAN : -INFINITY, x[n - 1] = pick(&rng, 0, 1) ? INFINITY : 3e38f;
    for (int c = 0; c < channels; c++) {
      zero[c] = (int32_t)wk_rng_below(&rng, 128);
      low[c] = (float)-zero[c], high[c] = (float)(127 - zero[c]), inverse[c] = fabsf(inverse[c]) + 0.1f;
    }
    const wk_quantize_int8 s = {channels, inverse, low, high, zero};
    uint8_t *want = calloc(room, 1);
    wk_microkernels_int8_at(0)->quantise(&s, want, ld, x, pixels);
    for (int p = 0; p < pixels; p++)
      for (int c = 0; c < channels; c++) {
        const float t = x[p * channels + c] * inverse[c];
        const int byte = want[p * ld + c];
        assert_true(byte <= 127);
        if (t > low[c] && t < high[c])
          assert_int_equal(byte, (int)lrintf(t) + zero[c]);
        else
          assert_int_equal(byte, t >= high[c] ? 127 : 0);
      }
    for (int i = 1; wk_microkernels_int8_at(i); i++) {
      uint8_t *got = calloc(room, 1);
      wk_microkernels_int8_at(i)->quantise(&s, got, ld, x, pixels);
      assert_memory_equal(got, want, room);
      free(got);
    }
    free(x), free(inverse), free(low), free(high), free(zero), free(want);
  }
}

/* The bytes against the floats they stand for, and all variants against each other. */
static void check_depthwise(wk_rng *rng, int out_w, int channels, int kernel, int stride, bool extreme) {
  const int wide = wk_up(channels, WK_INT8_CHANNELS), in_w = (out_w - 1) * stride + kernel, taps = kernel * kernel;
  float *w = numbers(rng, (size_t)(channels * taps)), *bias = numbers(rng, (size_t)channels);
  float *in_scale = malloc((size_t)channels * 4), *out_scale = malloc((size_t)channels * 4);
  const size_t count = (size_t)((kernel + 1) / 2 * kernel * wide * 2);
  int8_t *q = calloc(count, 1);
  int16_t *shift = calloc((size_t)wide, 2), *multiplier = calloc((size_t)wide, 2);
  uint8_t *in = u7(rng, (size_t)(kernel * in_w * wide));
  const uint8_t *rows[5];
  for (int c = 0; c < channels; c++) {
    for (int t = 0; extreme && t < taps; t++)
      w[c * taps + t] = c % 2 ? 1 : -1;
    in_scale[c] = 0.01f + 0.05f * (float)wk_rng_uniform(rng);
    out_scale[c] = in_scale[c] * (extreme ? (float)taps : 1 + (float)wk_rng_uniform(rng));
  }
  for (int k = 0; k < kernel; k++)
    rows[k] = in + (ptrdiff_t)k * in_w * wide;
  wk_int8_depthwise(q, shift, multiplier, w, bias, in_scale, out_scale, channels, kernel);
  const wk_depthwise_int8 d = {.out_w = out_w,
                               .channels = wide,
                               .kernel = kernel,
                               .stride = stride,
                               .weights = q,
                               .bias = shift,
                               .multiplier = multiplier};
  const size_t outs = (size_t)(out_w * wide);
  uint8_t *want = calloc(outs, 1);
  wk_microkernels_int8_at(0)->depthwise(&d, want, rows);
  for (int x = 0; x < out_w; x++)
    for (int c = 0; c < channels; c++) {
      double sum = (double)bias[c], size = 0;
      for (int t = 0; t < taps; t++) {
        const double v = (double)in_scale[c] * rows[t / kernel][(x * stride + t % kernel) * wide + c];
        sum += v * (double)w[c * taps + t];
        size += v;
      }
      /* Rounding: of the output, half a step; of each weight, half a step of some 1/110 of the largest (they share 258
       * and may be as many as taps). */
      const double step = (double)out_scale[c], error = 0.5 + size / step * taps / 2 / (258 - 0.5 * taps) + 0.6;
      const double byte = sum / step < 0 ? 0 : sum / step > 127 ? 127 : sum / step;
      assert_near(want[x * wide + c], byte, error);
    }
  for (int i = 1; wk_microkernels_int8_at(i); i++) {
    uint8_t *got = calloc(outs, 1);
    wk_microkernels_int8_at(i)->depthwise(&d, got, rows);
    assert_memory_equal(got, want, outs);
    free(got);
  }
  free(w), free(bias), free(in_scale), free(out_scale), free(q), free(shift), free(multiplier), free(in), free(want);
}

static void test_depthwise(void **state) {
  (void)state;
  wk_rng rng;
  wk_rng_init(&rng, 5, 0);
  for (int out_w = 1; out_w <= 17; out_w++)
    for (int kernel = 3; kernel <= 5; kernel += 2)
      for (int stride = 1; stride <= 2; stride++)
        check_depthwise(&rng, out_w, pick(&rng, 1, 100), kernel, stride, out_w % 4 == 0);
}

/* ---- a network ----------------------------------------------------------------------------------- */

static wk_tensors *ranges_of;
static void see(void *user, const char *name, const float *value, wk_shape s) {
  wk_error err;
  float *range;
  const int pixels = *(int *)user ? s.height * s.width : 0;
  assert_ok(wk_tensors_add_zeros(ranges_of, &range, name, 2, (const int64_t[]){2, s.channels}, &err), &err);
  for (int p = 0; p < pixels; p++)
    for (int c = 0; c < s.channels; c++) {
      const float x = value[p * s.channels + c];
      range[c] = x < range[c] ? x : range[c];
      range[s.channels + c] = x > range[s.channels + c] ? x : range[s.channels + c];
    }
}

static void test_network(void **state) {
  (void)state;
  enum { PHOTOS = 3 };
  for (int kernel = 3; kernel <= 5; kernel += 2) {
    wk_rng rng;
    wk_error err;
    wk_rng_init(&rng, 6, (uint64_t)kernel);
    wk_node out;
    wk_graph *g = network(kernel, &out);
    wk_tensors *w = network_weights(g, &rng);
    const size_t pixels = 25 * 23 * 3;
    float *in = numbers(&rng, PHOTOS * pixels);
    wk_plan *apart;
    wk_exec *exec;
    wk_plan_options o;
    wk_plan_options_init(&o);
    o.batch = 1, o.no_fusion = true;
    assert_ok(wk_tensors_create(&ranges_of, &err), &err);
    assert_ok(wk_plan_create(&apart, g, w, &o, &err), &err);
    assert_ok(wk_exec_create(&exec, apart, &err), &err);
    int all = 1;
    assert_ok(wk_exec_observe(exec, in, see, &all, &err), &err);
    wk_exec_free(exec);
    wk_plan_free(apart);
    o.no_fusion = false, o.batch = PHOTOS;
    float *exact = run_network(g, w, &o, WK_ISA_C, in, PHOTOS, "int8");
    o.precision = WK_PRECISION_INT8, o.ranges = ranges_of;
    for (int isa = 0; isa <= (int)wk_cpu_isa(); isa++) {
      o.threads = 1, o.batch = PHOTOS;
      float *whole = run_network(g, w, &o, isa, in, PHOTOS, "int8");
      const double off = off_by(whole, exact, 33); /* the photo whose ranges are known: some 1% a layer */
      if (off > 0.08)
        fail_msg("%s, %dx%d: int8 is off by %.3f", wk_isa_name((wk_isa)isa), kernel, kernel, off);
      check_alone(g, w, o, isa, in, pixels, whole, PHOTOS, "int8");
      free(whole);
    }
    free(exact), free(in);
    wk_tensors_free(ranges_of);
    wk_tensors_free(w);
    wk_graph_free(g);
  }
}

/* Whatever ranges are given: no crash, no range, no lowered step; and bad ones are refused. */
static void test_ranges(void **state) {
  (void)state;
  wk_rng rng;
  wk_error err;
  wk_plan *plan = NULL;
  wk_node out;
  wk_rng_init(&rng, 9, 0);
  wk_graph *g = network(3, &out);
  wk_tensors *w = network_weights(g, &rng), *t;
  wk_plan_options o;
  wk_plan_options_init(&o);
  o.precision = WK_PRECISION_INT8;
  assert_int_equal(wk_plan_create(&plan, g, w, &o, &err), WK_ERR_ARGUMENT);
  assert_ok(wk_tensors_create(&t, &err), &err);
  o.ranges = t;
  assert_ok(wk_plan_create(&plan, g, w, &o, &err), &err); /* all float */
  for (int i = 0; i < wk_plan_ops(plan); i++) {
    wk_op_info s;
    wk_plan_op_at(&s, plan, i);
    assert_null(strstr(s.kernel, "int8"));
  }
  wk_plan_free(plan);
  float *range;
  assert_ok(wk_tensors_add_zeros(t, &range, "d.act", 2, (const int64_t[]){2, 40}, &err), &err);
  assert_ok(wk_plan_create(&plan, g, w, &o, &err), &err); /* zeros only */
  wk_plan_free(plan);
  range[3] = 1; /* above its largest */
  assert_int_equal(wk_plan_create(&plan, g, w, &o, &err), WK_ERR_FORMAT);
  range[3] = NAN;
  assert_int_equal(wk_plan_create(&plan, g, w, &o, &err), WK_ERR_FORMAT);
  range[3] = 0;
  assert_ok(wk_tensors_add_zeros(t, &range, "e.act", 2, (const int64_t[]){2, 7}, &err), &err);
  assert_int_equal(wk_plan_create(&plan, g, w, &o, &err), WK_ERR_FORMAT);
  wk_tensors_free(t);
  wk_tensors_free(w);
  wk_graph_free(g);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_gemm), cmocka_unit_test(test_quantise),
                                     cmocka_unit_test(test_depthwise), cmocka_unit_test(test_network),
                                     cmocka_unit_test(test_ranges)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

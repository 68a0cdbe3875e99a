/* test_kernels_bf16.c - kernels on bfloat16: rounding is the same bits everywhere; sums are near those in double of the
 * rounded numbers; and a network in bf16 is near the one in float32.
 *
 * Sums need not be the same bits as the plain twin's. The processor may add the two products of a pair in an order of
 * its own, and takes denormals for zero: each of k additions is off by at most 2^-24 of what has been summed. */
#include "kernels_support.h"
#include "low_precision_network.h"
#include "nn/kernels/bf16/microkernels_bf16.h"

#define FOR_EACH_SET(kn)                                                                                               \
  for (int set_ = WK_ISA_C; set_ <= WK_ISA_AVX512; set_++)                                                             \
    for (const wk_microkernels_bf16 *kn = wk_microkernels_bf16_for((wk_isa)set_); kn; kn = NULL)

static float bits(uint32_t u) {
  float x;
  memcpy(&x, &u, sizeof x);
  return x;
}

static void test_round(void **state) {
  (void)state;
  static const uint32_t in[] = {0x3f800000, 0x3f808000, 0x3f808001, 0x3f818000, 0x3f817fff, 0xbf818000,
                                0x00000000, 0x80000000, 0x007fffff, 0x80000001, 0x00800000, 0x7f7fffff,
                                0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001, 0xffffffff, 0x7f7f7fff};
  static const uint16_t want[] = {0x3f80, 0x3f80, 0x3f81, 0x3f82, 0x3f81, 0xbf82, 0x0000, 0x8000, 0x0000,
                                  0x8000, 0x0080, 0x7f80, 0x7f80, 0xff80, 0x7fc0, 0x7fc0, 0xffff, 0x7f7f};
  enum { COUNT = sizeof want / sizeof *want };
  wk_rng rng;
  wk_rng_init(&rng, 4, 0);
  FOR_EACH_SET(kn) {
    print_message("bf16 by %s\n", kn->name);
    float x[COUNT];
    uint16_t got[COUNT];
    for (int i = 0; i < COUNT; i++)
      x[i] = bits(in[i]);
    kn->round(got, COUNT, x, COUNT, 1);
    for (int i = 0; i < COUNT; i++)
      assert_int_equal(got[i], want[i]);
    for (int channels = 1; channels <= 70; channels++) {
      const int pixels = pick(&rng, 1, 5), ld = channels + pick(&rng, 0, 4);
      const size_t room = (size_t)(pixels - 1) * (size_t)ld + (size_t)channels;
      float *values = numbers(&rng, (size_t)(pixels * channels));
      uint16_t *to = calloc(room, sizeof *to);
      kn->round(to, ld, values, channels, pixels);
      for (size_t i = 0; i < room; i++) {
        const int p = (int)i / ld, c = (int)i % ld;
        assert_int_equal(to[i], c < channels ? wk_bf16(values[p * channels + c]) : 0);
      }
      free(values), free(to);
    }
  }
}

static void check_gemm(wk_rng *rng, int m, int n, int in_c, int taps, wk_act act, bool add) {
  const int k = in_c * taps, depth = (k + 1) / 2 * 2, lda = depth + pick(rng, 0, 9), ldc = n + pick(rng, 0, 3);
  const size_t cells = (size_t)(m - 1) * (size_t)ldc + (size_t)n;
  float *a = numbers(rng, (size_t)(m * k)), *w = numbers(rng, (size_t)(n * k)), *add_data = numbers(rng, cells),
        *bias = calloc((size_t)(n + 32), sizeof *bias);
  for (int j = 0; j < n; j++)
    bias[j] = (float)wk_rng_normal(rng);
  FOR_EACH_SET(kn) {
    const size_t size = wk_gemm_bf16_packed(kn->panel, depth, n);
    uint16_t *packed = calloc(size, sizeof *packed),
             *rows = calloc((size_t)(m - 1) * (size_t)lda + (size_t)depth, sizeof *rows);
    float *shift = malloc((size_t)((n + kn->panel - 1) / kn->panel * kn->panel) * sizeof *shift), *c = nans(cells);
    memcpy(shift, bias, (size_t)((n + kn->panel - 1) / kn->panel * kn->panel) * sizeof *shift);
    wk_gemm_bf16_pack(packed, w, kn->panel, in_c, taps, n);
    kn->round(rows, lda, a, k, m);
    const wk_gemm_bf16 g = {.n = n,
                            .k = depth,
                            .a = rows,
                            .b = packed,
                            .bias = shift,
                            .add = add ? add_data : NULL,
                            .c = c,
                            .lda = lda,
                            .ldc = ldc,
                            .ldadd = ldc,
                            .act = act};
    /* In parts that are cut anywhere. */
    const int row = pick(rng, 0, m), col = pick(rng, 0, n / kn->panel) * kn->panel;
    kn->gemm(&g, 0, row, 0, n);
    kn->gemm(&g, row, m, 0, col);
    kn->gemm(&g, row, m, col, n);
    for (int r = 0; r < m; r++)
      for (int j = 0; j < n; j++) {
        const double after = (double)bias[j] + (add ? (double)add_data[r * ldc + j] : 0);
        double sum = after, exact = after, all = fabs(after), terms = 0;
        for (int l = 0; l < k; l++) {
          const float x = a[r * k + l], y = w[j * k + l % in_c * taps + l / in_c];
          const double product = (double)wk_bf16_float(wk_bf16(x)) * (double)wk_bf16_float(wk_bf16(y));
          sum += product, all += fabs(product);
          exact += (double)x * (double)y, terms += fabs((double)x * (double)y);
        }
        const float got = c[r * ldc + j];
        const double off = (k + 3) * all * 0x1p-24 + 1e-30;
        if (!(fabs((double)got - activate(sum, act)) <= off))
          fail_msg("%s, %d x %d x %d: %g instead of %g", kn->name, m, n, k, (double)got, activate(sum, act));
        assert_near(got, activate(exact, act), terms * 0x1.02p-7 + off); /* 2^-8 of each of the two */
      }
    free(packed), free(rows), free(shift), free(c);
  }
  free(a), free(w), free(add_data), free(bias);
}

static void test_gemm(void **state) {
  (void)state;
  wk_rng rng;
  wk_rng_init(&rng, 3, 0);
  for (int m = 1; m <= 30; m++)
    check_gemm(&rng, m, pick(&rng, 1, 100), pick(&rng, 1, 60), 1, (wk_act)(m % 3), m % 2);
  for (int n = 1; n <= 70; n++)
    check_gemm(&rng, pick(&rng, 1, 30), n, pick(&rng, 1, 20), pick(&rng, 1, 5), (wk_act)(n % 3), n % 2);
  check_gemm(&rng, 5, 300, 1201, 1, WK_ACT_RELU, true); /* several blocks of columns, long sums */
}

/* Denormals are zero, infinity and NaN are what they are everywhere. */
static void test_special(void **state) {
  (void)state;
  FOR_EACH_SET(kn) {
    static const float row[] = {INFINITY, 1, NAN, 1e-40f};
    float weight[16] = {0}, shift[32] = {0}, c[4];
    uint16_t rows[4][2] = {{0}}, *packed = calloc(wk_gemm_bf16_packed(kn->panel, 2, 1), sizeof *packed);
    weight[0] = 2;
    wk_gemm_bf16_pack(packed, weight, kn->panel, 2, 1, 1);
    for (int i = 0; i < 4; i++)
      kn->round(rows[i], 1, &row[i], 1, 1);
    const wk_gemm_bf16 g = {
        .n = 1, .k = 2, .a = rows[0], .b = packed, .bias = shift, .c = c, .lda = 2, .ldc = 1, .act = WK_ACT_NONE};
    kn->gemm(&g, 0, 4, 0, 1);
    assert_true(isinf(c[0]) && c[1] == 2 && isnan(c[2]) && c[3] == 0);
    free(packed);
  }
}

static void test_network(void **state) {
  (void)state;
  enum { PHOTOS = 3 };
  for (int kernel = 3; kernel <= 5; kernel += 2) {
    wk_rng rng;
    wk_rng_init(&rng, 6, (uint64_t)kernel);
    wk_node out;
    wk_graph *g = network(kernel, &out);
    wk_tensors *w = network_weights(g, &rng);
    const size_t pixels = 25 * 23 * 3;
    float *in = numbers(&rng, PHOTOS * pixels);
    wk_plan_options o;
    wk_plan_options_init(&o);
    o.batch = PHOTOS;
    float *exact = run_network(g, w, &o, WK_ISA_C, in, PHOTOS, "bf16");
    o.precision = WK_PRECISION_BF16;
    for (int isa = 0; isa <= (int)WK_ISA_AVX512; isa++) {
      if (!wk_microkernels_bf16_for((wk_isa)isa))
        continue;
      o.threads = 1, o.batch = PHOTOS;
      float *whole = run_network(g, w, &o, isa, in, PHOTOS, "bf16");
      const double off = off_by(whole, exact, PHOTOS * 33);
      if (!(off > 0) || off > 0x1p-6) /* 8 products, some 2^-8 each, of either sign */
        fail_msg("%s, %dx%d: bf16 is off by %.5f", wk_isa_name((wk_isa)isa), kernel, kernel, off);
      check_alone(g, w, o, isa, in, pixels, whole, PHOTOS, "bf16");
      free(whole);
    }
    free(exact), free(in);
    wk_tensors_free(w);
    wk_graph_free(g);
  }
}

/* Where the processor has it not, nobody gets the plain twin unawares. */
static void test_refusal(void **state) {
  (void)state;
  wk_rng rng;
  wk_error err;
  wk_plan *plan = NULL;
  wk_node out;
  wk_rng_init(&rng, 9, 0);
  wk_graph *g = network(3, &out);
  wk_tensors *w = network_weights(g, &rng);
  wk_plan_options o;
  wk_plan_options_init(&o);
  o.precision = WK_PRECISION_BF16;
  assert_int_equal(wk_plan_create_isa(&plan, g, w, &o, WK_ISA_AVX2, &err), WK_ERR_UNSUPPORTED);
  const bool has = wk_cpu_has_bf16();
  assert_int_equal(wk_precision_check(WK_PRECISION_BF16, &err), has ? WK_OK : WK_ERR_UNSUPPORTED);
  assert_int_equal(wk_precision_gains(WK_PRECISION_BF16), has);
  assert_ok(wk_precision_check(WK_PRECISION_INT8, &err), &err);
  assert_int_equal(wk_plan_create(&plan, g, w, &o, &err), has ? WK_OK : WK_ERR_UNSUPPORTED);
  if (!has)
    assert_non_null(strstr(err.message, "AVX512_BF16"));
  wk_plan_free(plan);
  plan = NULL;
  for (long n = 0;; n++) {
    test_fail_allocation(n);
    wk_status st = wk_plan_create_isa(&plan, g, w, &o, WK_ISA_C, &err);
    bool all = test_allocations() <= n;
    test_fail_allocation(-1);
    assert_true(st == WK_OK || st == WK_ERR_MEMORY);
    wk_plan_free(plan);
    plan = NULL;
    if (all)
      break;
  }
  wk_tensors_free(w);
  wk_graph_free(g);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_round), cmocka_unit_test(test_gemm),
                                     cmocka_unit_test(test_special), cmocka_unit_test(test_network),
                                     cmocka_unit_test(test_refusal)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

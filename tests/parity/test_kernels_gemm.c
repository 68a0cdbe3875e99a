/* test_kernels_gemm.c - the packed matrix product of every instruction set against sums in double precision. */
#include "kernels_support.h"

/* A sum of k products of numbers in [-1, 1] in float errs by less than k * 2^-24 times the sum of their sizes (k / 4 on
 * average), and typically by the square root of that; a wrong, missing or doubled term is off by about 0.25. */
static double tolerance(int k) { return 1e-6 * sqrt(k) + 1e-7 * k; }

static void check(const wk_microkernels *kn, wk_rng *rng, int m, int n, int k, wk_act act, bool bias, bool add) {
  const int lda = k + pick(rng, 0, 3), ldc = n + pick(rng, 0, 3), ldadd = n + pick(rng, 0, 3);
  float *a = numbers(rng, (size_t)(m - 1) * (size_t)lda + (size_t)k), *b = numbers(rng, (size_t)k * (size_t)n);
  float *c = nans((size_t)(m - 1) * (size_t)ldc + (size_t)n), *whole = nans((size_t)(m - 1) * (size_t)ldc + (size_t)n);
  float *bias_data = numbers(rng, (size_t)n), *add_data = numbers(rng, (size_t)(m - 1) * (size_t)ldadd + (size_t)n);
  float *packed = nans(kn->gemm_packed(k, n));
  const wk_gemm_sizes shape = kn->gemm_shape();
  float *scratch = nans(shape.scratch);
  const bool transposed = wk_rng_below(rng, 2); /* B given as [n][k], like PyTorch's weights */
  kn->gemm_pack(packed, b, k, n, transposed ? 1 : n, transposed ? k : 1);
  wk_gemm g = {.m = m,
               .n = n,
               .k = k,
               .a = a,
               .b = packed,
               .c = whole,
               .lda = lda,
               .ldc = ldc,
               .ldadd = ldadd,
               .act = act,
               .bias = bias ? bias_data : NULL,
               .add = add ? add_data : NULL};
  kn->gemm(&g, 0, m, 0, n, scratch);
  for (int i = 0; i < m; i++)
    for (int j = 0; j < n; j++) {
      double sum = 0;
      for (int l = 0; l < k; l++)
        sum += (double)a[i * lda + l] * (transposed ? b[j * k + l] : b[l * n + j]);
      sum = activate(sum + (bias ? bias_data[j] : 0) + (add ? add_data[i * ldadd + j] : 0), act);
      assert_near(whole[i * ldc + j], sum, tolerance(k));
    }
  for (int i = 0; i + 1 < m; i++)
    for (int j = n; j < ldc; j++)
      assert_true(isnan(whole[i * ldc + j])); /* the gap between rows is not ours */
  /* Cut into any ranges, and fetched ahead or not, the same bits. */
  g.c = c;
  g.next = packed;
  const int row = pick(rng, 0, m), col = pick(rng, 0, n / shape.panel) * shape.panel;
  kn->gemm(&g, row, m, 0, col, scratch);
  kn->gemm(&g, 0, row, 0, col, scratch);
  kn->gemm(&g, row, m, col, n, scratch);
  kn->gemm(&g, 0, row, col, n, scratch);
  for (int i = 0; i < m; i++)
    assert_memory_equal(c + i * ldc, whole + i * ldc, (size_t)n * sizeof *c);
  free(a), free(b), free(c), free(whole), free(bias_data), free(add_data), free(packed), free(scratch);
}

static void test_ragged(void **state) {
  (void)state;
  FOR_EACH_ISA(kn) {
    wk_rng rng;
    wk_rng_init(&rng, 7, 1);
    for (int m = 1; m <= 30; m++)
      check(kn, &rng, m, pick(&rng, 1, 70), pick(&rng, 1, 40), (wk_act)(m % 3), m % 2, m % 5 == 0);
    for (int n = 1; n <= 66; n++)
      check(kn, &rng, pick(&rng, 1, 20), n, pick(&rng, 1, 40), (wk_act)(n % 3), n % 3 != 0, n % 2);
    for (int i = 0; i < 20; i++)
      check(kn, &rng, pick(&rng, 1, 6), pick(&rng, 100, 700), pick(&rng, 1, 1000), WK_ACT_NONE, true, i % 2);
  }
}

/* Several blocks of k and of columns, and leading dimensions that make rows collide in the cache. */
static void test_deep(void **state) {
  (void)state;
  FOR_EACH_ISA(kn) {
    wk_rng rng;
    wk_rng_init(&rng, 7, 2);
    check(kn, &rng, 33, 300, 385, WK_ACT_RELU, true, true);
    check(kn, &rng, 150, 40, 400, WK_ACT_RELU6, true, true); /* more rows than go through all of k together */
    check(kn, &rng, 17, 520, 1153, WK_ACT_NONE, false, true);
    check(kn, &rng, 1, 513, 2048, WK_ACT_RELU6, true, false);
    enum { M = 40, N = 96, K = 1024 };
    float *a = numbers(&rng, M * K), *b = numbers(&rng, K * N), *packed = nans(kn->gemm_packed(K, N));
    float *c = nans(M * N), *ahead = nans(M * N), *scratch = nans(kn->gemm_shape().scratch);
    kn->gemm_pack(packed, b, K, N, N, 1);
    wk_gemm g = {.m = M, .n = N, .k = K, .a = a, .lda = K, .b = packed, .c = c, .ldc = N};
    kn->gemm(&g, 0, M, 0, N, scratch);
    for (int i = 0; i < M * N; i++) {
      double sum = 0;
      for (int l = 0; l < K; l++)
        sum += (double)a[i / N * K + l] * b[l * N + i % N];
      assert_near(c[i], sum, tolerance(K));
    }
    g.c = ahead, g.next = packed;
    kn->gemm(&g, 0, M, 0, N, scratch);
    assert_memory_equal(ahead, c, M * N * sizeof *c);
    free(a), free(b), free(packed), free(c), free(ahead), free(scratch);
  }
}

/* The residual may be added in place. */
static void test_add_in_place(void **state) {
  (void)state;
  FOR_EACH_ISA(kn) {
    wk_rng rng;
    wk_rng_init(&rng, 7, 3);
    float *a = numbers(&rng, 9 * 500), *b = numbers(&rng, 500 * 37), *packed = nans(kn->gemm_packed(500, 37));
    float *c = numbers(&rng, 9 * 37), *before = malloc(9 * 37 * sizeof *before),
          *scratch = nans(kn->gemm_shape().scratch);
    memcpy(before, c, 9 * 37 * sizeof *c);
    kn->gemm_pack(packed, b, 500, 37, 37, 1);
    const wk_gemm g = {
        .m = 9, .n = 37, .k = 500, .a = a, .lda = 500, .b = packed, .c = c, .ldc = 37, .add = c, .ldadd = 37};
    kn->gemm(&g, 0, 9, 0, 37, scratch);
    for (int i = 0; i < 9 * 37; i++) {
      double sum = before[i];
      for (int l = 0; l < 500; l++)
        sum += (double)a[i / 37 * 500 + l] * b[l * 37 + i % 37];
      assert_near(c[i], sum, tolerance(500));
    }
    free(a), free(b), free(packed), free(c), free(before), free(scratch);
  }
}

/* NaN in the input is NaN in the output: a broken network must not look like a working one. */
static void test_nan_stays(void **state) {
  (void)state;
  FOR_EACH_ISA(kn) {
    float a[2] = {NAN, 1}, b[2] = {1, 2}, c[2], *packed = nans(kn->gemm_packed(1, 1)),
          *scratch = nans(kn->gemm_shape().scratch);
    kn->gemm_pack(packed, b, 1, 1, 1, 1);
    const wk_gemm g = {.m = 2, .n = 1, .k = 1, .a = a, .lda = 1, .b = packed, .c = c, .ldc = 1, .act = WK_ACT_RELU6};
    kn->gemm(&g, 0, 2, 0, 1, scratch);
    assert_true(isnan(c[0]));
    assert_true(c[1] == 1);
    free(packed), free(scratch);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_ragged), cmocka_unit_test(test_deep),
                                     cmocka_unit_test(test_add_in_place), cmocka_unit_test(test_nan_stays)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_kernels_conv.c - convolutions on the matrix product against sums in double precision, for every instruction
 * set. */
#include "kernels_support.h"

/* As for the matrix product: k products of numbers in [-1, 1]; a wrong tap is off by 0.25. */
static double tolerance(int k) { return 1e-6 * sqrt(k) + 1e-7 * k; }

static void check(const wk_microkernels *kn, wk_rng *rng, wk_conv c, bool bias, bool add) {
  const int span_h = (c.kernel_h - 1) * c.dilation_h + 1, span_w = (c.kernel_w - 1) * c.dilation_w + 1;
  const int free_h = c.in_h + c.pad_top + pick(rng, 0, 2) - span_h,
            free_w = c.in_w + c.pad_left + pick(rng, 0, 2) - span_w;
  if (free_h < 0 || free_w < 0)
    return;
  c.out_h = free_h / c.stride_h + 1, c.out_w = free_w / c.stride_w + 1;
  const int taps = c.kernel_h * c.kernel_w, k = taps * c.in_c;
  const size_t outs = (size_t)(c.batch * c.out_h * c.out_w) * (size_t)c.out_c;
  float *in = numbers(rng, (size_t)(c.batch * c.in_h * c.in_w) * (size_t)c.in_c),
        *w = numbers(rng, (size_t)(k * c.out_c));
  float *packed = nans(kn->gemm_packed(k, c.out_c)), *biases = numbers(rng, (size_t)c.out_c);
  float *residual = numbers(rng, outs), *out = nans(outs), *whole = nans(outs);
  kn->conv_pack(packed, w, c.in_c, c.out_c, taps);
  c.in = in, c.weights = packed, c.out = whole, c.bias = bias ? biases : NULL, c.add = add ? residual : NULL;
  const wk_conv_sizes size = kn->conv_shape(&c);
  float *scratch = nans(size.scratch);
  kn->conv(&c, 0, size.pixels, 0, c.out_c, scratch);
  for (size_t i = 0; i < outs; i++) {
    const int o = (int)(i % (size_t)c.out_c), p = (int)(i / (size_t)c.out_c);
    const int x = p % c.out_w, y = p / c.out_w % c.out_h, n = p / c.out_w / c.out_h;
    double sum = (bias ? biases[o] : 0) + (add ? residual[i] : 0);
    for (int t = 0; t < taps; t++) {
      const int iy = y * c.stride_h - c.pad_top + t / c.kernel_w * c.dilation_h;
      const int ix = x * c.stride_w - c.pad_left + t % c.kernel_w * c.dilation_w;
      for (int l = 0; l < c.in_c && iy >= 0 && ix >= 0 && iy < c.in_h && ix < c.in_w; l++)
        sum += (double)in[((n * c.in_h + iy) * c.in_w + ix) * c.in_c + l] * w[(o * c.in_c + l) * taps + t];
    }
    assert_near(whole[i], activate(sum, c.act), tolerance(k));
  }
  const int panel = kn->gemm_shape().panel, cut = pick(rng, 0, size.pixels),
            col = pick(rng, 0, c.out_c / panel) * panel;
  c.out = out;
  kn->conv(&c, cut, size.pixels, 0, col, scratch);
  kn->conv(&c, 0, cut, 0, col, scratch);
  kn->conv(&c, cut, size.pixels, col, c.out_c, scratch);
  kn->conv(&c, 0, cut, col, c.out_c, scratch);
  assert_memory_equal(out, whole, outs * sizeof *out);
  free(in), free(w), free(packed), free(biases), free(residual), free(out), free(whole), free(scratch);
}

static void test_conv(void **state) {
  (void)state;
  FOR_EACH_ISA(kn) {
    wk_rng rng;
    wk_rng_init(&rng, 17, 1);
    for (int i = 0; i < 150; i++) {
      wk_conv c = {.batch = pick(&rng, 1, 2),
                   .in_h = pick(&rng, 1, 14),
                   .in_w = pick(&rng, 1, 14),
                   .in_c = pick(&rng, 1, 20),
                   .out_c = pick(&rng, 1, 70),
                   .kernel_h = pick(&rng, 1, 7),
                   .kernel_w = pick(&rng, 1, 7),
                   .stride_h = pick(&rng, 1, 3),
                   .stride_w = pick(&rng, 1, 3),
                   .dilation_h = pick(&rng, 1, 2),
                   .dilation_w = pick(&rng, 1, 2),
                   .pad_top = pick(&rng, 0, 3),
                   .pad_left = pick(&rng, 0, 3),
                   .act = (wk_act)(i % 3)};
      check(kn, &rng, c, i % 2, i % 4 == 1);
      c.kernel_h = c.kernel_w = 1 + 2 * (i % 2);
      c.stride_h = c.stride_w = 1 + i / 2 % 2;
      c.dilation_h = c.dilation_w = 1;
      c.pad_top = c.pad_left = c.kernel_w / 2;
      check(kn, &rng, c, true, i % 3 == 0);
    }
  }
}

/* The first layers of networks, and their neighbours. */
static void test_stem(void **state) {
  (void)state;
  FOR_EACH_ISA(kn) {
    wk_rng rng;
    wk_rng_init(&rng, 17, 2);
    for (int i = 0; i < 100; i++) {
      const int kernel = pick(&rng, 1, 7), stride = pick(&rng, 1, 3);
      wk_conv c = {.batch = pick(&rng, 1, 2),
                   .in_h = pick(&rng, 1, 12),
                   .in_w = pick(&rng, 1, 60),
                   .in_c = pick(&rng, 1, 4),
                   .out_c = pick(&rng, 1, 70),
                   .kernel_h = kernel,
                   .kernel_w = pick(&rng, 1, 7),
                   .stride_h = stride,
                   .stride_w = pick(&rng, 1, 3),
                   .dilation_h = 1,
                   .dilation_w = 1,
                   .pad_top = pick(&rng, 0, 3),
                   .pad_left = pick(&rng, 0, 3),
                   .act = (wk_act)pick(&rng, 0, 2)};
      check(kn, &rng, c, pick(&rng, 0, 1), pick(&rng, 0, 3) == 0);
    }
  }
}

/* The sizes of real layers: several blocks of pixels and of k. */
static void test_large(void **state) {
  (void)state;
  FOR_EACH_ISA(kn) {
    wk_rng rng;
    wk_rng_init(&rng, 17, 2);
    const wk_conv base = {.batch = 1,
                          .dilation_h = 1,
                          .dilation_w = 1,
                          .kernel_h = 3,
                          .kernel_w = 3,
                          .stride_h = 2,
                          .stride_w = 2,
                          .pad_top = 1,
                          .pad_left = 1};
    wk_conv c = base;
    c.in_h = 16, c.in_w = 20, c.in_c = 300, c.out_c = 70;
    check(kn, &rng, c, true, false);
    c = base;
    c.in_h = 60, c.in_w = 61, c.in_c = 3, c.out_c = 64, c.kernel_h = 7, c.kernel_w = 7, c.pad_top = 3, c.pad_left = 3;
    check(kn, &rng, c, true, false);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_conv), cmocka_unit_test(test_stem),
                                     cmocka_unit_test(test_large)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

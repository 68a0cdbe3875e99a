/* test_kernels_depthwise.c - depthwise convolutions against sums in double precision, and the fused inverted residual
 * against its three parts, for every instruction set. */
#include "kernels_support.h"

/* At most 49 products of numbers in [-1, 1] and one bias. */
#define TOLERANCE 1e-5

static void check(const wk_microkernels *kn, wk_rng *rng, int kernel, int stride, int dilation_h, int dilation_w,
                  int in_h, int in_w, int channels) {
  const int reach_h = (kernel - 1) * dilation_h, reach_w = (kernel - 1) * dilation_w;
  const int batch = pick(rng, 1, 2), pad_top = pick(rng, 0, reach_h), pad_left = pick(rng, 0, reach_w);
  const int span_h = in_h + pad_top + pick(rng, 0, reach_h) - reach_h - 1;
  const int span_w = in_w + pad_left + pick(rng, 0, reach_w) - reach_w - 1;
  if (span_h < 0 || span_w < 0)
    return;
  const int out_h = span_h / stride + 1, out_w = span_w / stride + 1, taps = kernel * kernel;
  const size_t outs = (size_t)batch * (size_t)out_h * (size_t)out_w * (size_t)channels;
  float *in = numbers(rng, (size_t)batch * (size_t)in_h * (size_t)in_w * (size_t)channels);
  float *weights = numbers(rng, (size_t)channels * (size_t)taps), *bias = numbers(rng, (size_t)channels);
  float *packed = nans((size_t)channels * (size_t)taps), *out = nans(outs);
  kn->depthwise_pack(packed, weights, channels, taps);
  const wk_act act = (wk_act)pick(rng, 0, 2);
  const wk_depthwise d = {.in_h = in_h,
                          .in_w = in_w,
                          .channels = channels,
                          .out_h = out_h,
                          .out_w = out_w,
                          .kernel_h = kernel,
                          .kernel_w = kernel,
                          .stride = stride,
                          .dilation_h = dilation_h,
                          .dilation_w = dilation_w,
                          .pad_top = pad_top,
                          .pad_left = pad_left,
                          .in = in,
                          .weights = packed,
                          .out = out,
                          .act = act,
                          .bias = pick(rng, 0, 1) ? bias : NULL};
  const int cut = pick(rng, 0, batch * out_h);
  const int panel = kn->gemm_shape().panel, middle = channels / panel / 2 * panel;
  kn->depthwise(&d, cut, batch * out_h, 0, channels);
  kn->depthwise(&d, 0, cut, middle, channels);
  kn->depthwise(&d, 0, cut, 0, middle);
  for (size_t i = 0; i < outs; i++) {
    const int c = (int)(i % (size_t)channels), x = (int)(i / (size_t)channels) % out_w;
    const int row = (int)(i / (size_t)channels) / out_w, n = row / out_h, y = row % out_h;
    double sum = d.bias ? bias[c] : 0;
    for (int ky = 0; ky < kernel; ky++)
      for (int kx = 0; kx < kernel; kx++) {
        const int iy = y * stride + ky * dilation_h - pad_top, ix = x * stride + kx * dilation_w - pad_left;
        if (iy >= 0 && ix >= 0 && iy < in_h && ix < in_w)
          sum += (double)in[((n * in_h + iy) * in_w + ix) * channels + c] * weights[c * taps + ky * kernel + kx];
      }
    assert_near(out[i], activate(sum, act), TOLERANCE);
  }
  free(in), free(weights), free(bias), free(packed), free(out);
}

static void test_depthwise(void **state) {
  (void)state;
  FOR_EACH_ISA(kn) {
    wk_rng rng;
    wk_rng_init(&rng, 13, 1);
    for (int i = 0; i < 300; i++)
      check(kn, &rng, 3 + 2 * pick(&rng, 0, 2), pick(&rng, 1, 2), 1, 1, pick(&rng, 1, 18), pick(&rng, 1, 34),
            pick(&rng, 1, 37));
    for (int i = 0; i < 40; i++) /* the general way */
      check(kn, &rng, pick(&rng, 1, 7), pick(&rng, 1, 3), 1, 1, pick(&rng, 1, 12), pick(&rng, 1, 12), pick(&rng, 1, 9));
    for (int i = 0; i < 120; i++) /* dilated */
      check(kn, &rng, 3 + 2 * pick(&rng, 0, 1), 1, pick(&rng, 1, 4), pick(&rng, 1, 5), pick(&rng, 1, 12),
            pick(&rng, 1, 45), pick(&rng, 1, 37));
    for (int i = 0; i < 40; i++)
      check(kn, &rng, pick(&rng, 1, 7), pick(&rng, 1, 3), pick(&rng, 1, 3), pick(&rng, 1, 3), pick(&rng, 1, 12),
            pick(&rng, 1, 12), pick(&rng, 1, 9));
  }
}

static float *pack(const wk_microkernels *kn, const float *w, int in_c, int out_c) { /* [out_c][in_c] as in PyTorch */
  float *packed = nans(kn->gemm_packed(in_c, out_c));
  kn->gemm_pack(packed, w, in_c, out_c, 1, in_c);
  return packed;
}

static void check_fused(const wk_microkernels *kn, wk_rng *rng, int kernel, int stride, int size, int in_c, int mid_c,
                        int out_c) {
  const bool expands = in_c != mid_c, residual = stride == 1 && in_c == out_c;
  const int batch = 2, pad = pick(rng, 0, 1) ? kernel / 2 : (kernel - stride) / 2; /* PyTorch's or TensorFlow's */
  const int out = (size + stride - 1) / stride, in_w = size, out_w = out;
  const size_t ins = (size_t)(batch * size * in_w), outs = (size_t)(batch * out * out_w);
  float *in = numbers(rng, ins * (size_t)in_c), *we = numbers(rng, (size_t)(in_c * mid_c));
  float *wd = numbers(rng, (size_t)(kernel * kernel * mid_c)), *wp = numbers(rng, (size_t)(mid_c * out_c));
  float *be = numbers(rng, (size_t)mid_c), *bd = numbers(rng, (size_t)mid_c), *bp = numbers(rng, (size_t)out_c);
  float *pe = pack(kn, we, in_c, mid_c), *pp = pack(kn, wp, mid_c, out_c),
        *pd = nans((size_t)(kernel * kernel * mid_c));
  kn->depthwise_pack(pd, wd, mid_c, kernel * kernel);
  float *scratch = nans(kn->gemm_shape().scratch);
  float *mid = nans(ins * (size_t)mid_c), *mid2 = nans(outs * (size_t)mid_c);
  float *expected = nans(outs * (size_t)out_c), *got = nans(outs * (size_t)out_c);
  if (expands) {
    const wk_gemm g = {.m = (int)ins,
                       .n = mid_c,
                       .k = in_c,
                       .a = in,
                       .lda = in_c,
                       .b = pe,
                       .bias = be,
                       .c = mid,
                       .ldc = mid_c,
                       .act = WK_ACT_RELU6};
    kn->gemm(&g, 0, g.m, 0, g.n, scratch);
  } else
    memcpy(mid, in, ins * (size_t)mid_c * sizeof *mid);
  const wk_depthwise d = {.in_h = size,
                          .in_w = in_w,
                          .channels = mid_c,
                          .out_h = out,
                          .out_w = out_w,
                          .kernel_h = kernel,
                          .kernel_w = kernel,
                          .stride = stride,
                          .dilation_h = 1,
                          .dilation_w = 1,
                          .pad_top = pad,
                          .pad_left = pad,
                          .in = mid,
                          .weights = pd,
                          .bias = bd,
                          .out = mid2,
                          .act = WK_ACT_RELU};
  kn->depthwise(&d, 0, batch * out, 0, mid_c);
  const wk_gemm p = {.m = (int)outs,
                     .n = out_c,
                     .k = mid_c,
                     .a = mid2,
                     .lda = mid_c,
                     .b = pp,
                     .bias = bp,
                     .add = residual ? in : NULL,
                     .ldadd = out_c,
                     .c = expected,
                     .ldc = out_c};
  kn->gemm(&p, 0, p.m, 0, p.n, scratch);

  const wk_mbconv f = {.batch = batch,
                       .in_h = size,
                       .in_w = in_w,
                       .in_c = in_c,
                       .mid_c = mid_c,
                       .out_h = out,
                       .out_w = out_w,
                       .out_c = out_c,
                       .kernel = kernel,
                       .stride = stride,
                       .pad_top = pad,
                       .pad_left = pad,
                       .in = in,
                       .expand = expands ? pe : NULL,
                       .expand_bias = be,
                       .depthwise = pd,
                       .depthwise_bias = bd,
                       .project = pp,
                       .project_bias = bp,
                       .add = residual ? in : NULL,
                       .out = got,
                       .expand_act = WK_ACT_RELU6,
                       .depthwise_act = WK_ACT_RELU};
  const wk_mbconv_sizes shape = kn->mbconv_shape(&f);
  assert_int_equal(shape.rows, batch * out);
  float *work = nans(shape.scratch);
  kn->mbconv(&f, 0, shape.rows, work);
  assert_memory_equal(got, expected, outs * (size_t)out_c * sizeof *got);
  memset(got, 0, outs * (size_t)out_c * sizeof *got);
  const int cut = pick(rng, 0, shape.rows); /* ranges may begin within an image */
  kn->mbconv(&f, cut, shape.rows, work);
  kn->mbconv(&f, 0, cut, work);
  assert_memory_equal(got, expected, outs * (size_t)out_c * sizeof *got);
  free(in), free(we), free(wd), free(wp), free(be), free(bd), free(bp), free(pe), free(pp), free(pd);
  free(scratch), free(mid), free(mid2), free(expected), free(got), free(work);
}

static void test_fused(void **state) {
  (void)state;
  FOR_EACH_ISA(kn) {
    wk_rng rng;
    wk_rng_init(&rng, 13, 2);
    for (int i = 0; i < 60; i++) {
      const int in_c = pick(&rng, 1, 24), mid_c = pick(&rng, 0, 3) ? in_c * 6 : in_c;
      check_fused(kn, &rng, 3 + 2 * pick(&rng, 0, 1), pick(&rng, 1, 2), pick(&rng, 5, 21), in_c, mid_c,
                  pick(&rng, 0, 1) ? in_c : pick(&rng, 1, 40));
    }
    check_fused(kn, &rng, 3, 1, 28, 40, 240, 40); /* more rows than a band */
    check_fused(kn, &rng, 5, 2, 40, 24, 300, 40);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_depthwise), cmocka_unit_test(test_fused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_kernels_winograd.c - 3x3 convolutions by Winograd against sums in double precision, for every instruction set.
 */
#include "kernels_support.h"

/* Inputs and weights in [-1, 1], so an output, a sum of 9 c products, has a deviation of about sqrt(c). The transforms
 * amplify rounding: of that size, errors of 0.5, 1.5 and 6 millionths (root mean square) and at most 3, 14 and 70
 * millionths were measured for m 2, 4 and 6 at 256 channels. The bounds are twice the latter; a wrong tap is off by
 * 0.3. */
static double tolerance(int m, int c) { return (m == 2 ? 6e-6 : m == 4 ? 3e-5 : 1.5e-4) * sqrt(c + 1.0); }

typedef struct shape {
  int batch, in_h, in_w, in_c, out_c, pad_top, pad_left, pad_bottom, pad_right;
} shape;

static double reference(const wk_winograd *w, const float *weights, const float *add, int n, int y, int x, int o) {
  double sum = w->bias ? w->bias[o] : 0;
  for (int ky = 0; ky < 3; ky++)
    for (int kx = 0; kx < 3; kx++) {
      const int iy = y + ky - w->pad_top, ix = x + kx - w->pad_left;
      if (iy < 0 || ix < 0 || iy >= w->in_h || ix >= w->in_w)
        continue;
      for (int i = 0; i < w->in_c; i++)
        sum += (double)w->in[((n * w->in_h + iy) * w->in_w + ix) * w->in_c + i] *
               weights[(o * w->in_c + i) * 9 + ky * 3 + kx];
    }
  return activate(sum + (add ? add[((n * w->out_h + y) * w->out_w + x) * w->out_c + o] : 0), w->act);
}

/* In two stages, as threads that share the channels: the same bits. `scratch` has room for a call. */
static void check_stages(const wk_microkernels *kn, wk_rng *rng, wk_winograd w, const float *whole, size_t outs,
                         float *scratch) {
  const wk_winograd_sizes size = kn->winograd_shape(&w);
  const int panel = kn->gemm_shape().panel, tile = pick(rng, 0, size.tiles),
            col = pick(rng, 0, w.out_c / panel) * panel;
  if (size.tiles > size.block)
    return;
  w.out = nans(outs);
  kn->winograd_input(&w, tile, size.tiles, scratch);
  kn->winograd_input(&w, 0, tile, scratch);
  kn->winograd_output(&w, col, w.out_c, scratch, scratch + size.input);
  kn->winograd_output(&w, 0, col, scratch, scratch + size.input);
  assert_memory_equal(w.out, whole, outs * sizeof *whole);
  free(w.out);
}

/* Light weights make the same bits, whole and cut. */
static void check_light(const wk_microkernels *kn, wk_rng *rng, wk_winograd w, const float *weights, const float *whole,
                        size_t outs) {
  const int panel = kn->gemm_shape().panel, col = pick(rng, 0, w.out_c / panel) * panel;
  float *packed = nans(kn->winograd_packed_taps(w.in_c, w.out_c)), *out = nans(outs);
  kn->winograd_pack_taps(packed, weights, w.in_c, w.out_c, 9, 9 * w.in_c, false);
  w.on_the_fly = true, w.weights = packed, w.out = out;
  const wk_winograd_sizes size = kn->winograd_shape(&w);
  const int tile = pick(rng, 0, size.tiles);
  float *scratch = nans(size.scratch);
  kn->winograd(&w, 0, tile, 0, w.out_c, scratch);
  kn->winograd(&w, tile, size.tiles, 0, col, scratch);
  kn->winograd(&w, tile, size.tiles, col, w.out_c, scratch);
  assert_memory_equal(out, whole, outs * sizeof *out);
  check_stages(kn, rng, w, whole, outs, scratch);
  free(packed), free(out), free(scratch);
}

static void check(const wk_microkernels *kn, wk_rng *rng, int m, shape s, wk_act act, bool bias, bool add) {
  const int out_h = s.in_h + s.pad_top + s.pad_bottom - 2, out_w = s.in_w + s.pad_left + s.pad_right - 2;
  if (out_h < 1 || out_w < 1)
    return;
  const size_t outs = (size_t)s.batch * (size_t)out_h * (size_t)out_w * (size_t)s.out_c;
  float *in = numbers(rng, (size_t)s.batch * (size_t)s.in_h * (size_t)s.in_w * (size_t)s.in_c);
  float *weights = numbers(rng, (size_t)s.in_c * (size_t)s.out_c * 9), *biases = numbers(rng, (size_t)s.out_c);
  float *residual = numbers(rng, outs), *whole = nans(outs), *parts = nans(outs);
  float *packed = nans(kn->winograd_packed(m, s.in_c, s.out_c));
  kn->winograd_pack(packed, weights, m, s.in_c, s.out_c, 9, 9 * s.in_c, false);
  wk_winograd w = {.m = m,
                   .batch = s.batch,
                   .in_h = s.in_h,
                   .in_w = s.in_w,
                   .in_c = s.in_c,
                   .out_h = out_h,
                   .out_w = out_w,
                   .out_c = s.out_c,
                   .pad_top = s.pad_top,
                   .pad_left = s.pad_left,
                   .in = in,
                   .weights = packed,
                   .bias = bias ? biases : NULL,
                   .add = add ? residual : NULL,
                   .out = whole,
                   .act = act};
  const wk_winograd_sizes size = kn->winograd_shape(&w);
  float *scratch = nans(size.scratch);
  kn->winograd(&w, 0, size.tiles, 0, s.out_c, scratch);
  for (size_t i = 0; i < outs; i++) {
    const int o = (int)(i % (size_t)s.out_c), x = (int)(i / (size_t)s.out_c) % out_w;
    const int y = (int)(i / (size_t)s.out_c) / out_w % out_h, n = (int)(i / (size_t)s.out_c) / out_w / out_h;
    assert_near(whole[i], reference(&w, weights, w.add, n, y, x, o), tolerance(m, s.in_c));
  }
  check_stages(kn, rng, w, whole, outs, scratch);
  if (m == 4)
    check_light(kn, rng, w, weights, whole, outs);
  /* Any cut of tiles and channels gives the same bits. */
  const int panel = kn->gemm_shape().panel;
  const int tile = pick(rng, 0, size.tiles), col = pick(rng, 0, s.out_c / panel) * panel;
  w.out = parts;
  kn->winograd(&w, tile, size.tiles, col, s.out_c, scratch);
  kn->winograd(&w, 0, tile, 0, col, scratch);
  kn->winograd(&w, tile, size.tiles, 0, col, scratch);
  kn->winograd(&w, 0, tile, col, s.out_c, scratch);
  assert_memory_equal(parts, whole, outs * sizeof *parts);
  /* So does an image alone, without the rest of its batch; and the residual may be added in place. */
  w.batch = 1;
  w.in += (size_t)(s.batch - 1) * (size_t)s.in_h * (size_t)s.in_w * (size_t)s.in_c;
  w.out += outs / (size_t)s.batch * (size_t)(s.batch - 1);
  if (add) {
    memcpy(parts, residual, outs * sizeof *parts);
    w.add = w.out;
  }
  kn->winograd(&w, 0, kn->winograd_shape(&w).tiles, 0, s.out_c, scratch);
  assert_memory_equal(w.out, whole + (w.out - parts), outs / (size_t)s.batch * sizeof *parts);
  free(in), free(weights), free(biases), free(residual), free(whole), free(parts), free(packed), free(scratch);
}

static void test_ragged(void **state) {
  (void)state;
  FOR_EACH_ISA(kn) {
    wk_rng rng;
    wk_rng_init(&rng, 11, 1);
    for (int m = 2; m <= 6; m += 2)
      for (int i = 0; i < 40; i++) {
        const shape s = {pick(&rng, 1, 3), pick(&rng, 1, 15), pick(&rng, 1, 15), pick(&rng, 1, 40), pick(&rng, 1, 70),
                         pick(&rng, 0, 2), pick(&rng, 0, 2),  pick(&rng, 0, 2),  pick(&rng, 0, 2)};
        check(kn, &rng, m, s, (wk_act)(i % 3), i % 2, i % 4 == 1);
      }
  }
}

/* More tiles than a block, more channels than a chunk. */
static void test_large(void **state) {
  (void)state;
  FOR_EACH_ISA(kn) {
    wk_rng rng;
    wk_rng_init(&rng, 11, 2);
    check(kn, &rng, 4, (shape){2, 30, 30, 33, 20, 1, 1, 1, 1}, WK_ACT_RELU, true, false);
    check(kn, &rng, 4, (shape){15, 7, 7, 150, 300, 1, 1, 1, 1}, WK_ACT_RELU, true, true);
    check(kn, &rng, 4, (shape){1, 7, 7, 800, 24, 1, 1, 1, 1}, WK_ACT_RELU6, true, true); /* k in blocks */
    check(kn, &rng, 6, (shape){1, 25, 28, 64, 96, 1, 1, 1, 1}, WK_ACT_NONE, true, false);
  }
}

/* Flipped weights with exchanged strides make the gradient of the input. */
static void test_backward(void **state) {
  (void)state;
  FOR_EACH_ISA(kn) {
    wk_rng rng;
    wk_rng_init(&rng, 11, 3);
    enum { H = 9, W = 11, IN = 19, OUT = 37, PAD = 1 };
    float *dout = numbers(&rng, H * W * OUT), *weights = numbers(&rng, IN * OUT * 9), *din = nans(H * W * IN);
    float *packed = nans(kn->winograd_packed(4, OUT, IN));
    kn->winograd_pack(packed, weights, 4, OUT, IN, 9 * IN, 9, true);
    wk_winograd w = {.m = 4,
                     .batch = 1,
                     .in_h = H,
                     .in_w = W,
                     .in_c = OUT,
                     .out_h = H,
                     .out_w = W,
                     .out_c = IN,
                     .pad_top = 2 - PAD,
                     .pad_left = 2 - PAD,
                     .in = dout,
                     .weights = packed,
                     .out = din};
    const wk_winograd_sizes size = kn->winograd_shape(&w);
    float *scratch = nans(size.scratch);
    kn->winograd(&w, 0, size.tiles, 0, IN, scratch);
    for (int y = 0; y < H; y++)
      for (int x = 0; x < W; x++)
        for (int i = 0; i < IN; i++) {
          double sum = 0;
          for (int ky = 0; ky < 3; ky++)
            for (int kx = 0; kx < 3; kx++) {
              const int oy = y + PAD - ky, ox = x + PAD - kx;
              if (oy < 0 || ox < 0 || oy >= H || ox >= W)
                continue;
              for (int o = 0; o < OUT; o++)
                sum += (double)dout[(oy * W + ox) * OUT + o] * weights[(o * IN + i) * 9 + ky * 3 + kx];
            }
          assert_near(din[(y * W + x) * IN + i], sum, tolerance(4, OUT));
        }
    float *light = nans(kn->winograd_packed_taps(OUT, IN)), *same = nans(H * W * IN);
    kn->winograd_pack_taps(light, weights, OUT, IN, 9 * IN, 9, true);
    w.on_the_fly = true, w.weights = light, w.out = same;
    const wk_winograd_sizes again = kn->winograd_shape(&w);
    float *room = nans(again.scratch);
    kn->winograd(&w, 0, again.tiles, 0, IN, room);
    assert_memory_equal(same, din, sizeof *din * H * W * IN);
    free(dout), free(weights), free(din), free(packed), free(scratch), free(light), free(same), free(room);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_ragged), cmocka_unit_test(test_large),
                                     cmocka_unit_test(test_backward)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

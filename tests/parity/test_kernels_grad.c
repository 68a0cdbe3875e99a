/* test_kernels_grad.c - the kernels of gradients against sums in double precision, for every instruction set and ragged
 * shapes: of the input whole, in two ranges, added to what is there and with a slope; of the weights and the bias. */
#include "kernels_support.h"

/* Of the longest vector of sums: they are of some hundred products of numbers in [-1, 1]. */
#define TOLERANCE 2e-6
#define TOLERANCE_WINOGRAD 1e-5

/* A convolution with `groups` groups, its arrays, and its gradients in double. */
typedef struct task {
  wk_conv c;
  int groups, each; /* each: input channels a group */
  float *w, *x, *dy, *before, *mask;
  double *dx, *dw, *db; /* dw [out][tap][each] */
  size_t in, out, weights;
} task;

static void zeros(double **p, size_t n) {
  *p = calloc(n + 1, sizeof **p);
  assert_non_null(*p);
}

static task task_of(const wk_conv *shape, int groups, wk_rng *rng) {
  const wk_conv c = *shape;
  const int taps = c.kernel_h * c.kernel_w;
  task t = {.c = c, .groups = groups, .each = c.in_c / groups};
  t.in = (size_t)(c.batch * c.in_h * c.in_w * c.in_c);
  t.out = (size_t)(c.batch * c.out_h * c.out_w * c.out_c);
  t.weights = (size_t)(c.out_c * t.each * taps);
  t.w = numbers(rng, t.weights), t.x = numbers(rng, t.in), t.dy = numbers(rng, t.out);
  t.before = numbers(rng, t.in), t.mask = numbers(rng, t.in);
  for (size_t i = 0; i < t.in; i++)
    t.mask[i] = t.mask[i] < -0.5f ? 0 : t.mask[i] > 0.5f ? 6 : t.mask[i] + 1; /* as after ReLU6 */
  zeros(&t.dx, t.in), zeros(&t.dw, t.weights), zeros(&t.db, (size_t)c.out_c);
  const int of = c.out_c / groups; /* output channels a group */
  for (int n = 0; n < c.batch; n++)
    for (int oy = 0; oy < c.out_h; oy++)
      for (int ox = 0; ox < c.out_w; ox++)
        for (int o = 0; o < c.out_c; o++) {
          const double g = t.dy[((n * c.out_h + oy) * c.out_w + ox) * c.out_c + o];
          t.db[o] += g;
          for (int tap = 0; tap < taps; tap++) {
            const int y = oy * c.stride_h - c.pad_top + tap / c.kernel_w * c.dilation_h;
            const int x = ox * c.stride_w - c.pad_left + tap % c.kernel_w * c.dilation_w;
            if (y < 0 || x < 0 || y >= c.in_h || x >= c.in_w)
              continue;
            for (int i = 0; i < t.each; i++) {
              const size_t at = (size_t)(((n * c.in_h + y) * c.in_w + x) * c.in_c + o / of * t.each + i);
              t.dx[at] += g * t.w[(o * t.each + i) * taps + tap];
              t.dw[(o * taps + tap) * t.each + i] += g * t.x[at];
            }
          }
        }
  return t;
}

static void task_end(task *t) {
  void *blocks[] = {t->w, t->x, t->dy, t->before, t->mask, t->dx, t->dw, t->db};
  for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
    free(blocks[i]);
}

static double slope(double y, wk_act act) { return y > 0 && !(act == WK_ACT_RELU6 && y >= 6) ? 1 : 0; }

/* Against `want`, plus what was there before, times the slope. */
static void check_data(const task *t, const float *got, bool accumulate, wk_act mask, double tolerance) {
  double most = 1;
  for (size_t i = 0; i < t->in; i++)
    most = fabs(t->dx[i]) > most ? fabs(t->dx[i]) : most;
  for (size_t i = 0; i < t->in; i++) {
    const double want = (t->dx[i] + (accumulate ? t->before[i] : 0)) * (mask ? slope(t->mask[i], mask) : 1);
    assert_near(got[i], want, tolerance * most);
  }
}

static void check_weights(const task *t, const float *dw, const float *db, double tolerance) {
  double most = 1, most_b = 1;
  for (size_t i = 0; i < t->weights; i++)
    most = fabs(t->dw[i]) > most ? fabs(t->dw[i]) : most;
  for (int i = 0; i < t->c.out_c; i++)
    most_b = fabs(t->db[i]) > most_b ? fabs(t->db[i]) : most_b;
  for (size_t i = 0; i < t->weights; i++)
    assert_near(dw[i], t->dw[i], tolerance * most);
  for (int i = 0; i < t->c.out_c; i++)
    assert_near(db[i], t->db[i], tolerance * most_b);
}

/* dx as it may stand before a call. */
static float *start(const task *t, bool accumulate) {
  float *dx = nans(t->in);
  if (accumulate)
    memcpy(dx, t->before, t->in * sizeof *dx);
  return dx;
}

/* ---- any convolution ------------------------------------------------------------------------------ */

static void check_conv(const wk_microkernels *kn, wk_rng *rng, const wk_conv *c) {
  task t = task_of(c, 1, rng);
  const wk_conv_back_sizes size = kn->conv_back_shape(c);
  float *packed = nans(size.packed), *scratch = nans(size.data_scratch);
  kn->conv_data_pack(packed, t.w, c);
  const wk_act acts[] = {WK_ACT_NONE, WK_ACT_RELU, WK_ACT_RELU6};
  const wk_act act = acts[pick(rng, 0, 2)];
  const bool accumulate = pick(rng, 0, 1);
  wk_conv_back b = {.conv = *c, .dy = t.dy, .weights = packed, .accumulate = accumulate, .mask_act = act};
  b.mask = act ? t.mask : NULL;
  float *whole = b.dx = start(&t, accumulate);
  kn->conv_data(&b, 0, size.blocks, scratch);
  check_data(&t, whole, accumulate, act, TOLERANCE);
  float *parts = b.dx = start(&t, accumulate);
  const int cut = pick(rng, 0, size.blocks);
  kn->conv_data(&b, cut, size.blocks, scratch);
  kn->conv_data(&b, 0, cut, scratch);
  assert_memory_equal(parts, whole, t.in * sizeof *parts);

  float *work = nans(size.weights_scratch), *dw = nans(t.weights), *db = nans((size_t)c->out_c);
  b.x = t.x, b.dw = dw, b.db = db;
  kn->conv_weights(&b, work);
  check_weights(&t, dw, db, TOLERANCE);
  free(packed), free(scratch), free(whole), free(parts), free(work), free(dw), free(db);
  task_end(&t);
}

static wk_conv conv(int batch, int in_h, int in_w, int in_c, int out_c, int kernel, int stride, int pad) {
  return (wk_conv){.batch = batch,
                   .in_h = in_h,
                   .in_w = in_w,
                   .in_c = in_c,
                   .out_h = (in_h + 2 * pad - kernel) / stride + 1,
                   .out_w = (in_w + 2 * pad - kernel) / stride + 1,
                   .out_c = out_c,
                   .kernel_h = kernel,
                   .kernel_w = kernel,
                   .stride_h = stride,
                   .stride_w = stride,
                   .dilation_h = 1,
                   .dilation_w = 1,
                   .pad_top = pad,
                   .pad_left = pad};
}

static wk_conv random_conv(wk_rng *rng) {
  wk_conv c = {.batch = pick(rng, 1, 3),
               .in_h = pick(rng, 1, 13),
               .in_w = pick(rng, 1, 13),
               .in_c = pick(rng, 0, 2) ? pick(rng, 1, 37) : pick(rng, 1, 4),
               .out_c = pick(rng, 1, 60),
               .kernel_h = pick(rng, 1, 4),
               .kernel_w = pick(rng, 1, 4),
               .stride_h = pick(rng, 1, 3),
               .stride_w = pick(rng, 1, 3),
               .dilation_h = pick(rng, 1, 4),
               .dilation_w = pick(rng, 1, 4),
               .pad_top = pick(rng, 0, 2),
               .pad_left = pick(rng, 0, 2)};
  const int high = c.in_h + c.pad_top + pick(rng, 0, 2) - (c.kernel_h - 1) * c.dilation_h - 1;
  const int wide = c.in_w + c.pad_left + pick(rng, 0, 2) - (c.kernel_w - 1) * c.dilation_w - 1;
  c.out_h = high < 0 ? 0 : high / c.stride_h + 1;
  c.out_w = wide < 0 ? 0 : wide / c.stride_w + 1;
  return c;
}

static void any_convolution(void **state) {
  (void)state;
  FOR_EACH_ISA(kn) {
    wk_rng rng;
    wk_rng_init(&rng, 17, 1);
    for (int i = 0; i < 150; i++) {
      const wk_conv c = random_conv(&rng);
      if (c.out_h && c.out_w)
        check_conv(kn, &rng, &c);
    }
    const wk_conv shapes[] = {
        conv(2, 19, 23, 3, 32, 3, 2, 1),  conv(1, 21, 26, 3, 64, 7, 2, 3),  conv(2, 12, 9, 3, 24, 3, 1, 1),
        conv(2, 8, 8, 3, 40, 4, 4, 0),    conv(3, 17, 17, 24, 96, 1, 1, 0), conv(2, 14, 14, 70, 50, 1, 2, 0),
        conv(1, 7, 7, 130, 100, 3, 2, 1), conv(4, 9, 9, 16, 144, 1, 1, 0),  conv(3, 17, 19, 96, 24, 1, 1, 0),
        conv(3, 17, 19, 24, 96, 1, 1, 0), conv(3, 19, 19, 32, 24, 3, 2, 1), conv(2, 5, 4, 560, 544, 1, 1, 0),
        conv(2, 5, 4, 544, 560, 1, 1, 0), conv(2, 23, 9, 2, 33, 5, 1, 4)};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
      check_conv(kn, &rng, &shapes[i]);
  }
}

/* ---- 3x3 by Winograd ------------------------------------------------------------------------------- */

static void check_winograd(const wk_microkernels *kn, wk_rng *rng, const wk_conv *c) {
  task t = task_of(c, 1, rng);
  float *work = nans(kn->winograd_weights_scratch(c)), *dw = nans_on_lines(t.weights), *db = nans((size_t)c->out_c);
  const wk_conv_back b = {.conv = *c, .dy = t.dy, .x = t.x, .dw = dw, .db = db};
  kn->winograd_weights(&b, work);
  check_weights(&t, dw, db, TOLERANCE_WINOGRAD);
  /* of the input: the convolution itself, turned around */
  float *packed = nans(kn->winograd_packed(4, c->out_c, c->in_c));
  kn->winograd_pack(packed, t.w, 4, c->out_c, c->in_c, 9 * c->in_c, 9, true);
  const bool accumulate = pick(rng, 0, 1);
  float *dx = start(&t, accumulate);
  const wk_act act = pick(rng, 0, 1) ? WK_ACT_RELU : WK_ACT_RELU6;
  const wk_winograd w = {.m = 4,
                         .batch = c->batch,
                         .in_h = c->out_h,
                         .in_w = c->out_w,
                         .in_c = c->out_c,
                         .out_h = c->in_h,
                         .out_w = c->in_w,
                         .out_c = c->in_c,
                         .pad_top = 2 - c->pad_top,
                         .pad_left = 2 - c->pad_left,
                         .in = t.dy,
                         .weights = packed,
                         .add = accumulate ? dx : NULL,
                         .out = dx,
                         .mask = t.mask,
                         .mask_act = act};
  const wk_winograd_sizes size = kn->winograd_shape(&w);
  float *scratch = nans(size.scratch);
  kn->winograd(&w, 0, size.tiles, 0, w.out_c, scratch);
  check_data(&t, dx, accumulate, act, TOLERANCE_WINOGRAD);
  free(work), free(dw), free(db), free(packed), free(dx), free(scratch);
  task_end(&t);
}

static void winograd(void **state) {
  (void)state;
  FOR_EACH_ISA(kn) {
    wk_rng rng;
    wk_rng_init(&rng, 17, 2);
    for (int i = 0; i < 60; i++) {
      wk_conv c = conv(pick(&rng, 1, 3), pick(&rng, 3, 14), pick(&rng, 3, 14), pick(&rng, 1, 40), pick(&rng, 1, 70), 3,
                       1, pick(&rng, 0, 1));
      c.out_h = c.in_h + c.pad_top + pick(&rng, 0, 2) - 2, c.out_w = c.in_w + c.pad_left + pick(&rng, 0, 2) - 2;
      check_winograd(kn, &rng, &c);
    }
    const wk_conv many = conv(5, 21, 30, 40, 20, 3, 1, 1), wide = conv(1, 6, 6, 150, 100, 3, 1, 1);
    check_winograd(kn, &rng, &many); /* more tiles than a block */
    check_winograd(kn, &rng, &wide);
    const wk_conv far[] = {conv(1, 5, 6, 176, 170, 3, 1, 1), conv(2, 4, 7, 192, 153, 3, 1, 1)}; /* past the caches */
    check_winograd(kn, &rng, &far[0]);
    check_winograd(kn, &rng, &far[1]);
  }
}

/* ---- depthwise ------------------------------------------------------------------------------------- */

static void check_depthwise(const wk_microkernels *kn, wk_rng *rng, const wk_conv *c) {
  task t = task_of(c, c->in_c, rng);
  const int taps = c->kernel_h * c->kernel_w, channels = c->in_c;
  float *packed = nans(t.weights), *dw = nans(t.weights), *db = nans((size_t)channels);
  kn->depthwise_pack(packed, t.w, channels, taps);
  const bool accumulate = pick(rng, 0, 1);
  const wk_act acts[] = {WK_ACT_NONE, WK_ACT_RELU, WK_ACT_RELU6};
  const wk_act act = acts[pick(rng, 0, 2)];
  wk_depthwise_back d = {.batch = c->batch,
                         .in_h = c->in_h,
                         .in_w = c->in_w,
                         .channels = channels,
                         .out_h = c->out_h,
                         .out_w = c->out_w,
                         .kernel_h = c->kernel_h,
                         .kernel_w = c->kernel_w,
                         .stride = c->stride_h,
                         .pad_top = c->pad_top,
                         .pad_left = c->pad_left,
                         .dy = t.dy,
                         .weights = packed,
                         .accumulate = accumulate,
                         .mask = act ? t.mask : NULL,
                         .mask_act = act,
                         .x = t.x,
                         .dw = dw,
                         .db = db};
  const int rows = c->batch * c->in_h, cut = pick(rng, 0, rows);
  d.dx = start(&t, accumulate);
  kn->depthwise_data(&d, cut, rows);
  kn->depthwise_data(&d, 0, cut);
  check_data(&t, d.dx, accumulate, act, TOLERANCE);
  kn->depthwise_weights(&d);
  float *turned = nans(t.weights); /* [tap][channel] to [channel][tap] */
  for (int k = 0; k < taps; k++)
    for (int i = 0; i < channels; i++)
      turned[i * taps + k] = dw[k * channels + i];
  check_weights(&t, turned, db, TOLERANCE);
  free(packed), free(dw), free(db), free(d.dx), free(turned);
  task_end(&t);
}

static void depthwise(void **state) {
  (void)state;
  FOR_EACH_ISA(kn) {
    wk_rng rng;
    wk_rng_init(&rng, 17, 3);
    for (int i = 0; i < 250; i++) {
      wk_conv c = random_conv(&rng);
      const bool fast = i % 4;
      if (fast) {
        c.kernel_h = c.kernel_w = 3 + 2 * pick(&rng, 0, 2), c.stride_h = pick(&rng, 1, 2);
        c.pad_top = pick(&rng, 0, c.kernel_h - 1), c.pad_left = pick(&rng, 0, c.kernel_h - 1);
      }
      c.in_w = pick(&rng, 1, 34), c.dilation_h = c.dilation_w = 1, c.stride_w = c.stride_h, c.out_c = c.in_c;
      const int high = c.in_h + c.pad_top + pick(&rng, 0, c.kernel_h - 1) - c.kernel_h;
      const int wide = c.in_w + c.pad_left + pick(&rng, 0, c.kernel_w - 1) - c.kernel_w;
      if (high < 0 || wide < 0)
        continue;
      c.out_h = high / c.stride_h + 1, c.out_w = wide / c.stride_w + 1;
      check_depthwise(kn, &rng, &c);
    }
    wk_conv tall = conv(1, 40, 60, 48, 48, 3, 1, 1), tall5 = conv(1, 40, 61, 48, 48, 5, 2, 2);
    check_depthwise(kn, &rng, &tall); /* more rows than a band */
    check_depthwise(kn, &rng, &tall5);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(any_convolution), cmocka_unit_test(winograd),
                                     cmocka_unit_test(depthwise)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

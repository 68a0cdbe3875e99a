/* test_kernels_grouped.c - convolutions with groups and their gradients against sums in double precision, for every
 * instruction set and ragged shapes: widths of groups that divide a vector and such that do not, any stride, padding
 * and dilation, whole and in two ranges. */
#include "kernels_support.h"

/* Of the longest vector of sums: k products of numbers in [-1, 1]. */
static double tolerance(double k) { return 1e-6 * sqrt(k) + 1e-7 * k; }

/* A convolution, its arrays, and what it and its gradients are in double. */
typedef struct task {
  wk_conv c;
  int each, of; /* inputs and outputs of a group */
  float *x, *w, *bias, *add, *dy, *before, *mask;
  double *y, *dx, *dw, *db;
  size_t in, out, weights;
} task;

static double *zeros(size_t n) {
  double *p = calloc(n + 1, sizeof *p);
  assert_non_null(p);
  return p;
}

static void reference(task *t) {
  const wk_conv *c = &t->c;
  const int taps = c->kernel_h * c->kernel_w;
  for (size_t at = 0; at < t->out; at++) {
    const int o = (int)(at % (size_t)c->out_c), p = (int)(at / (size_t)c->out_c);
    const int ox = p % c->out_w, oy = p / c->out_w % c->out_h, n = p / c->out_w / c->out_h;
    const double g = t->dy[at];
    t->db[o] += g;
    for (int tap = 0; tap < taps; tap++) {
      const int y = oy * c->stride_h - c->pad_top + tap / c->kernel_w * c->dilation_h;
      const int x = ox * c->stride_w - c->pad_left + tap % c->kernel_w * c->dilation_w;
      for (int i = 0; i < t->each && y >= 0 && x >= 0 && y < c->in_h && x < c->in_w; i++) {
        const size_t from = (size_t)(((n * c->in_h + y) * c->in_w + x) * c->in_c + o / t->of * t->each + i),
                     weight = (size_t)((o * t->each + i) * taps + tap);
        t->y[at] += (double)t->x[from] * t->w[weight];
        t->dx[from] += g * t->w[weight];
        t->dw[weight] += g * t->x[from];
      }
    }
  }
}

static task task_of(wk_conv c, wk_rng *rng) {
  task t = {.c = c, .each = c.in_c / c.groups, .of = c.out_c / c.groups};
  t.in = (size_t)(c.batch * c.in_h * c.in_w * c.in_c);
  t.out = (size_t)(c.batch * c.out_h * c.out_w * c.out_c);
  t.weights = (size_t)(c.out_c * t.each * c.kernel_h * c.kernel_w);
  t.x = numbers(rng, t.in), t.w = numbers(rng, t.weights), t.bias = numbers(rng, (size_t)c.out_c);
  t.add = numbers(rng, t.out), t.dy = numbers(rng, t.out), t.before = numbers(rng, t.in), t.mask = numbers(rng, t.in);
  for (size_t i = 0; i < t.in; i++)
    t.mask[i] = t.mask[i] < -0.5f ? 0 : t.mask[i] > 0.5f ? 6 : t.mask[i] + 1; /* as after ReLU6 */
  t.y = zeros(t.out), t.dx = zeros(t.in), t.dw = zeros(t.weights), t.db = zeros((size_t)c.out_c);
  reference(&t);
  return t;
}

static void task_end(task *t) {
  void *blocks[] = {t->x, t->w, t->bias, t->add, t->dy, t->before, t->mask, t->y, t->dx, t->dw, t->db};
  for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
    free(blocks[i]);
}

static void check_forward(const wk_microkernels *kn, wk_rng *rng, const task *t) {
  wk_conv c = t->c;
  const wk_grouped_sizes size = kn->grouped_shape(&c);
  float *packed = nans(size.packed), *scratch = nans(size.scratch), *whole = nans(t->out), *parts = nans(t->out);
  const bool bias = pick(rng, 0, 1), add = pick(rng, 0, 1);
  kn->grouped_pack(packed, t->w, &c);
  c.in = t->x, c.weights = packed, c.bias = bias ? t->bias : NULL, c.add = add ? t->add : NULL, c.out = whole;
  c.act = (wk_act)pick(rng, 0, 2);
  kn->grouped(&c, 0, size.units, scratch);
  for (size_t i = 0; i < t->out; i++) {
    const double want = t->y[i] + (bias ? t->bias[i % (size_t)c.out_c] : 0) + (add ? t->add[i] : 0);
    assert_near(whole[i], activate(want, c.act), tolerance(t->each * c.kernel_h * c.kernel_w));
  }
  const int cut = pick(rng, 0, size.units);
  c.out = parts;
  kn->grouped(&c, cut, size.units, scratch);
  kn->grouped(&c, 0, cut, scratch);
  assert_memory_equal(parts, whole, t->out * sizeof *parts);
  free(packed), free(scratch), free(whole), free(parts);
}

static double slope(double y, wk_act act) { return y > 0 && !(act == WK_ACT_RELU6 && y >= 6) ? 1 : 0; }

static void check_data(const wk_microkernels *kn, wk_rng *rng, const task *t) {
  const wk_grouped_sizes size = kn->grouped_shape(&t->c);
  float *packed = nans(size.data_packed), *scratch = nans(size.data_scratch), *got[2];
  const wk_act act = (wk_act)pick(rng, 0, 2);
  const bool accumulate = pick(rng, 0, 1);
  const int cut = pick(rng, 0, size.data_units);
  kn->grouped_data_pack(packed, t->w, &t->c);
  for (int k = 0; k < 2; k++) {
    got[k] = nans(t->in);
    if (accumulate)
      memcpy(got[k], t->before, t->in * sizeof(float));
    const wk_conv_back b = {.conv = t->c,
                            .dy = t->dy,
                            .weights = packed,
                            .dx = got[k],
                            .accumulate = accumulate,
                            .mask = act ? t->mask : NULL,
                            .mask_act = act};
    kn->grouped_data(&b, k ? cut : 0, size.data_units, scratch);
    if (k)
      kn->grouped_data(&b, 0, cut, scratch);
  }
  for (size_t i = 0; i < t->in; i++) {
    const double want = (t->dx[i] + (accumulate ? t->before[i] : 0)) * (act ? slope(t->mask[i], act) : 1);
    assert_near(got[0][i], want, tolerance(t->of * t->c.kernel_h * t->c.kernel_w));
  }
  assert_memory_equal(got[0], got[1], t->in * sizeof(float));
  free(packed), free(scratch), free(got[0]), free(got[1]);
}

static void check_weights(const wk_microkernels *kn, wk_rng *rng, const task *t) {
  const wk_conv *c = &t->c;
  const wk_grouped_sizes size = kn->grouped_shape(c);
  float *scratch = nans(size.weights_scratch), *packed = nans(size.packed), *dw = nans(t->weights),
        *db = nans((size_t)c->out_c);
  const wk_conv_back b = {.conv = *c, .dy = t->dy, .x = t->x, .dw = packed, .db = db};
  kn->grouped_weights(&b, scratch);
  const int cut = pick(rng, 0, c->out_c);
  kn->grouped_unpack(dw, packed, c, cut, c->out_c);
  kn->grouped_unpack(dw, packed, c, 0, cut);
  const double off = tolerance(c->batch * c->out_h * c->out_w);
  for (size_t i = 0; i < t->weights; i++)
    assert_near(dw[i], t->dw[i], off);
  for (int i = 0; i < c->out_c; i++)
    assert_near(db[i], t->db[i], off);
  free(scratch), free(packed), free(dw), free(db);
}

/* Sets the output's size; false: there is none. */
static bool sized(wk_conv *c, wk_rng *rng) {
  const int free_h = c->in_h + c->pad_top + pick(rng, 0, 2) - (c->kernel_h - 1) * c->dilation_h - 1,
            free_w = c->in_w + c->pad_left + pick(rng, 0, 2) - (c->kernel_w - 1) * c->dilation_w - 1;
  c->out_h = free_h < 0 ? 0 : free_h / c->stride_h + 1, c->out_w = free_w < 0 ? 0 : free_w / c->stride_w + 1;
  return c->out_h && c->out_w;
}

static void check(const wk_microkernels *kn, wk_rng *rng, wk_conv c) {
  if (!sized(&c, rng))
    return;
  task t = task_of(c, rng);
  check_forward(kn, rng, &t);
  check_data(kn, rng, &t);
  check_weights(kn, rng, &t);
  task_end(&t);
}

static void test_ragged(void **state) {
  (void)state;
  FOR_EACH_ISA(kn) {
    wk_rng rng;
    wk_rng_init(&rng, 31, 1);
    for (int i = 0; i < 250; i++) {
      static const int widths[] = {1, 2, 3, 4, 5, 6, 8, 11, 12, 16, 24};
      const int each = widths[pick(&rng, 0, 10)], of = pick(&rng, 0, 2) ? each : widths[pick(&rng, 0, 10)],
                groups = pick(&rng, 2, 11);
      const wk_conv c = {.batch = pick(&rng, 1, 3),
                         .in_h = pick(&rng, 1, 13),
                         .in_w = pick(&rng, 1, 17),
                         .in_c = each * groups,
                         .out_c = of * groups,
                         .groups = groups,
                         .kernel_h = pick(&rng, 1, 5),
                         .kernel_w = pick(&rng, 1, 5),
                         .stride_h = pick(&rng, 1, 3),
                         .stride_w = pick(&rng, 1, 3),
                         .dilation_h = pick(&rng, 1, 4),
                         .dilation_w = pick(&rng, 1, 4),
                         .pad_top = pick(&rng, 0, 4),
                         .pad_left = pick(&rng, 0, 4)};
      check(kn, &rng, c);
    }
  }
}

/* Those of networks: 3x3 of stride 1 and 2, dilated, and 1x1; widths up to several vectors, several bands of rows. */
static void test_networks(void **state) {
  (void)state;
  static const int widths[] = {1, 4, 8, 16, 24, 32, 40, 48, 56, 64, 112};
  FOR_EACH_ISA(kn) {
    wk_rng rng;
    wk_rng_init(&rng, 31, 2);
    for (int i = 0; i < 33; i++) {
      const int each = widths[i % 11], groups = each > 32 ? 2 : 64 / each, kernel = i % 4 == 3 ? 1 : 3,
                dilation = 1 + i / 11;
      const wk_conv c = {.batch = 1,
                         .in_h = 15,
                         .in_w = 30,
                         .in_c = each * groups,
                         .out_c = each * groups,
                         .groups = groups,
                         .kernel_h = kernel,
                         .kernel_w = kernel,
                         .stride_h = 1 + i % 2,
                         .stride_w = 1 + i % 2,
                         .dilation_h = dilation,
                         .dilation_w = dilation,
                         .pad_top = kernel / 2 * dilation,
                         .pad_left = kernel / 2 * dilation};
      check(kn, &rng, c);
    }
  }
}

/* The gradient of a photo's input is the same, bit for bit, alone and among others; `side` says how many weights there
 * are beside the numbers of a photo, and so whether it is made photo by photo or block by block. */
static void check_alone(const wk_microkernels *kn, wk_rng *rng, int side, int groups, int each, int stride) {
  wk_conv c = {.batch = 3,
               .in_h = side,
               .in_w = side,
               .in_c = groups * each,
               .out_c = groups * each,
               .groups = groups,
               .kernel_h = 3,
               .kernel_w = 3,
               .stride_h = stride,
               .stride_w = stride,
               .dilation_h = 1,
               .dilation_w = 1,
               .pad_top = 1,
               .pad_left = 1};
  c.out_h = c.out_w = (side - 1) / stride + 1;
  task t = task_of(c, rng);
  check_data(kn, rng, &t);
  float *got[2] = {nans(t.in), nans(t.in)};
  for (int photo = -1; photo < c.batch; photo++) { /* -1: all */
    wk_conv some = c;
    some.batch = photo < 0 ? c.batch : 1;
    const size_t k = (size_t)(photo < 0 ? 0 : photo), in = t.in / (size_t)c.batch, out = t.out / (size_t)c.batch;
    const wk_grouped_sizes size = kn->grouped_shape(&some);
    float *packed = nans(size.data_packed), *scratch = nans(size.data_scratch);
    kn->grouped_data_pack(packed, t.w, &some);
    const wk_conv_back b = {.conv = some, .dy = t.dy + k * out, .weights = packed, .dx = got[photo < 0] + k * in};
    kn->grouped_data(&b, 0, size.data_units, scratch);
    free(packed), free(scratch);
  }
  assert_memory_equal(got[0], got[1], t.in * sizeof(float));
  free(got[0]), free(got[1]);
  task_end(&t);
}

static void test_photos(void **state) {
  (void)state;
  FOR_EACH_ISA(kn) {
    wk_rng rng;
    wk_rng_init(&rng, 31, 3);
    for (int stride = 1; stride <= 2; stride++) {
      check_alone(kn, &rng, 17, 18, 8, stride);
      check_alone(kn, &rng, 20, 9, 16, stride);
      check_alone(kn, &rng, 4, 9, 16, stride);
      check_alone(kn, &rng, 5, 6, 24, stride);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_ragged), cmocka_unit_test(test_networks),
                                     cmocka_unit_test(test_photos)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

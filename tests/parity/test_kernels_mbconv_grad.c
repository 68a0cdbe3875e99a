/* test_kernels_mbconv_grad.c - the way back through an inverted residual against sums in double precision, layer by
 * layer; in ranges of rows, which must give the same bits; and packed weights turned round. */
#include "kernels_support.h"

/* Of the longest vector of sums. */
#define TOLERANCE 5e-6

typedef struct task {
  wk_mbconv f;
  bool expands;
  float *in, *we, *wd, *wp, *be, *bd, *dy, *mask, *before; /* weights as [k][n], [tap][c] */
  double *expanded, *made, *dmade, *dexpanded, *dx, *dwe, *dbe, *dwd, *dbd, *dwp, *dbp;
} task;

static double *zeros(size_t n) {
  double *p = calloc(n + 1, sizeof *p);
  assert_non_null(p);
  return p;
}

static double slope(double y, wk_act act) { return act == WK_ACT_NONE || (y > 0 && (act == WK_ACT_RELU || y < 6)); }

static void reference(task *t) {
  const wk_mbconv *f = &t->f;
  const int in_c = f->in_c, mid = f->mid_c, out_c = f->out_c;
  for (int p = 0; p < f->batch * f->in_h * f->in_w; p++)
    for (int c = 0; c < mid; c++) {
      double sum = t->expands ? (double)t->be[c] : (double)t->in[p * in_c + c];
      for (int k = 0; t->expands && k < in_c; k++)
        sum += (double)t->in[p * in_c + k] * (double)t->we[k * mid + c];
      t->expanded[p * mid + c] = t->expands ? activate(sum, f->expand_act) : sum;
    }
  for (int row = 0; row < f->batch * f->out_h; row++)
    for (int ox = 0; ox < f->out_w; ox++)
      for (int c = 0; c < mid; c++) {
        const int p = row * f->out_w + ox, n = row / f->out_h;
        double sum = (double)t->bd[c], g = 0;
        for (int o = 0; o < out_c; o++)
          g += (double)t->dy[p * out_c + o] * (double)t->wp[c * out_c + o];
        for (int pass = 0; pass < 2; pass++) {
          for (int tap = 0; tap < f->kernel * f->kernel; tap++) {
            const int y = row % f->out_h * f->stride - f->pad_top + tap / f->kernel;
            const int x = ox * f->stride - f->pad_left + tap % f->kernel;
            if (y < 0 || x < 0 || y >= f->in_h || x >= f->in_w)
              continue;
            const int at = ((n * f->in_h + y) * f->in_w + x) * mid + c;
            const double w = (double)t->wd[tap * mid + c];
            if (pass == 0) {
              sum += t->expanded[at] * w;
            } else {
              t->dexpanded[at] += g * w;
              t->dwd[tap * mid + c] += g * t->expanded[at];
            }
          }
          if (pass == 0) {
            t->made[p * mid + c] = activate(sum, f->depthwise_act);
            g *= slope(t->made[p * mid + c], f->depthwise_act);
            t->dbd[c] += g;
          }
        }
        for (int o = 0; o < out_c; o++)
          t->dwp[o * mid + c] += (double)t->dy[p * out_c + o] * t->made[p * mid + c];
      }
  for (int p = 0; p < f->batch * f->out_h * f->out_w; p++)
    for (int o = 0; o < out_c; o++)
      t->dbp[o] += (double)t->dy[p * out_c + o];
  for (int p = 0; p < f->batch * f->in_h * f->in_w; p++)
    for (int c = 0; c < mid; c++) {
      double g = t->dexpanded[p * mid + c];
      if (!t->expands) {
        t->dx[p * mid + c] = g;
        continue;
      }
      g *= slope(t->expanded[p * mid + c], f->expand_act);
      t->dbe[c] += g;
      for (int k = 0; k < in_c; k++) {
        t->dx[p * in_c + k] += g * (double)t->we[k * mid + c];
        t->dwe[k * mid + c] += g * (double)t->in[p * in_c + k];
      }
    }
}

/* A value close to an edge of its activation may fall on either side: moved to where it cannot. */
static bool on_an_edge(const task *t, const double *y, size_t n, wk_act act) {
  (void)t;
  for (size_t i = 0; act != WK_ACT_NONE && i < n; i++)
    if ((y[i] != 0 && y[i] < 1e-5) || (act == WK_ACT_RELU6 && y[i] != 6 && fabs(y[i] - 6) < 1e-5))
      return true;
  return false;
}

static void near(const float *got, const double *want, size_t n, const char *what) {
  double most = 0, off = 0;
  for (size_t i = 0; i < n; i++) {
    most = fabs(want[i]) > most ? fabs(want[i]) : most;
    off = !(fabs((double)got[i] - want[i]) <= off) ? fabs((double)got[i] - want[i]) : off;
  }
  if (!(off <= TOLERANCE * (1 + most)))
    fail_msg("%s is off by %g of %g", what, off, most);
}

static void check(const wk_microkernels *kn, wk_rng *rng, int kernel, int stride, int height, int width, int in_c,
                  int mid_c, int out_c) {
  const int pad = pick(rng, 0, 1) ? kernel / 2 : (kernel - stride) / 2; /* PyTorch's or TensorFlow's */
  task t = {.expands = in_c != mid_c};
  t.f = (wk_mbconv){.batch = 2,
                    .in_h = height,
                    .in_w = width,
                    .in_c = in_c,
                    .mid_c = mid_c,
                    .out_h = (height + stride - 1) / stride,
                    .out_w = (width + stride - 1) / stride,
                    .out_c = out_c,
                    .kernel = kernel,
                    .stride = stride,
                    .pad_top = pad,
                    .pad_left = pad,
                    .expand_act = (wk_act)pick(rng, WK_ACT_NONE, WK_ACT_RELU6),
                    .depthwise_act = (wk_act)pick(rng, WK_ACT_NONE, WK_ACT_RELU6)};
  wk_mbconv *f = &t.f;
  const size_t ins = (size_t)(f->batch * height * width), outs = (size_t)(f->batch * f->out_h * f->out_w);
  const size_t in = (size_t)in_c, mid = (size_t)mid_c, out = (size_t)out_c, taps = (size_t)(kernel * kernel);
  t.in = numbers(rng, ins * in), t.we = numbers(rng, in * mid), t.wd = numbers(rng, taps * mid);
  t.wp = numbers(rng, mid * out), t.be = numbers(rng, mid), t.bd = numbers(rng, mid), t.dy = numbers(rng, outs * out);
  t.before = numbers(rng, ins * in), t.mask = numbers(rng, ins * in);
  t.expanded = zeros(ins * mid), t.made = zeros(outs * mid), t.dexpanded = zeros(ins * mid), t.dx = zeros(ins * in);
  t.dwe = zeros(in * mid), t.dbe = zeros(mid), t.dwd = zeros(taps * mid), t.dbd = zeros(mid);
  t.dwp = zeros(out * mid), t.dbp = zeros(out);
  reference(&t);
  float *pe = nans(kn->gemm_packed(in_c, mid_c)), *pp = nans(kn->gemm_packed(mid_c, out_c));
  float *te = nans(kn->gemm_packed(mid_c, in_c)), *tp = nans(kn->gemm_packed(out_c, mid_c));
  kn->gemm_pack(pe, t.we, in_c, mid_c, mid_c, 1);
  kn->gemm_pack(pp, t.wp, mid_c, out_c, out_c, 1);
  kn->gemm_transpose(te, pe, in_c, mid_c);
  kn->gemm_transpose(tp, pp, mid_c, out_c);
  float *straight = nans(kn->gemm_packed(mid_c, in_c));
  kn->gemm_pack(straight, t.we, mid_c, in_c, 1, mid_c);
  assert_memory_equal(te, straight, kn->gemm_packed(mid_c, in_c) * sizeof *te);
  f->in = t.in, f->depthwise = t.wd, f->depthwise_bias = t.bd;
  if (t.expands)
    f->expand = pe, f->expand_bias = t.be;
  const wk_mbconv_back_sizes shape = kn->mbconv_back_shape(f);
  assert_int_equal(shape.rows, f->batch * height);
  float *work = nans(shape.scratch), *dx = nans(ins * in), *dwe = nans(in * mid), *dbe = nans(mid);
  float *dwd = nans(taps * mid), *dbd = nans(mid), *dwp = nans(out * mid), *dbp = nans(out);
  wk_mbconv_back b = {.f = *f, .dy = t.dy, .expand_data = te, .project_data = tp, .dx = dx};
  b.dw_depthwise = dwd, b.db_depthwise = dbd, b.dw_project = dwp, b.db_project = dbp;
  if (t.expands)
    b.dw_expand = dwe, b.db_expand = dbe;
  const bool unsure = on_an_edge(&t, t.expanded, ins * mid, t.expands ? f->expand_act : WK_ACT_NONE) ||
                      on_an_edge(&t, t.made, outs * mid, f->depthwise_act);
  kn->mbconv_back(&b, 0, shape.rows, work);
  if (!unsure) {
    near(dx, t.dx, ins * in, "gradient of the input");
    near(dwd, t.dwd, taps * mid, "gradient of the depthwise weights");
    near(dbd, t.dbd, mid, "gradient of the depthwise bias");
    near(dwp, t.dwp, out * mid, "gradient of the projection");
    near(dbp, t.dbp, out, "gradient of the projection's bias");
    if (t.expands) {
      near(dwe, t.dwe, in * mid, "gradient of the expansion");
      near(dbe, t.dbe, mid, "gradient of the expansion's bias");
    }
  }
  /* without the input's, the weights' are the same bits */
  float *again = nans(out * mid), *bias = nans(out);
  wk_mbconv_back w = {
      .f = *f, .dy = t.dy, .expand_data = te, .project_data = tp, .dw_project = again, .db_project = bias};
  kn->mbconv_back(&w, 0, shape.rows, work);
  assert_memory_equal(again, dwp, out * mid * sizeof *again);
  assert_memory_equal(bias, dbp, out * sizeof *bias);
  /* in ranges; with a slope; added to what is there or to something else */
  float *parts = nans(ins * in), *whole = nans(ins * in);
  wk_mbconv_back d = {.f = *f, .dy = t.dy, .expand_data = te, .project_data = tp, .dx = whole};
  d.accumulate = pick(rng, 0, 1);
  d.add = !d.accumulate && t.expands ? t.before : NULL;
  d.mask = t.mask, d.mask_act = WK_ACT_RELU;
  memcpy(whole, t.before, ins * in * sizeof *whole);
  memcpy(parts, t.before, ins * in * sizeof *parts);
  kn->mbconv_back(&d, 0, shape.rows, work);
  for (size_t i = 0; i < ins * in; i++)
    assert_true(whole[i] == (t.mask[i] > 0 ? (d.accumulate || d.add ? t.before[i] : 0) + dx[i] : 0));
  const int cut = pick(rng, 0, shape.rows);
  d.dx = parts;
  kn->mbconv_back(&d, cut, shape.rows, work);
  kn->mbconv_back(&d, 0, cut, work);
  assert_memory_equal(parts, whole, ins * in * sizeof *parts);
  void *blocks[] = {t.in, t.we,  t.wd,  t.wp,  t.be,  t.bd,  t.dy,  t.mask, t.before, t.expanded, t.made, t.dexpanded,
                    t.dx, t.dwe, t.dbe, t.dwd, t.dbd, t.dwp, t.dbp, pe,     pp,       te,         tp,     straight,
                    work, dx,    dwe,   dbe,   dwd,   dbd,   dwp,   dbp,    again,    bias,       parts,  whole};
  for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
    free(blocks[i]);
}

static void test_block_back(void **state) {
  (void)state;
  FOR_EACH_ISA(kn) {
    wk_rng rng;
    wk_rng_init(&rng, 29, 0);
    for (int i = 0; i < 60; i++) {
      const int in_c = pick(&rng, 3, 40), mid_c = pick(&rng, 0, 3) ? pick(&rng, in_c + 1, 120) : in_c;
      check(kn, &rng, 3 + 2 * pick(&rng, 0, 1), pick(&rng, 1, 2), pick(&rng, 5, 19), pick(&rng, 5, 19), in_c, mid_c,
            pick(&rng, 1, 60));
    }
    check(kn, &rng, 3, 3, 11, 14, 8, 20, 9);    /* the general way of depthwise kernels */
    check(kn, &rng, 3, 1, 20, 56, 24, 144, 24); /* fewer rows a band than the image has */
    check(kn, &rng, 5, 2, 24, 40, 16, 300, 20);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_block_back)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

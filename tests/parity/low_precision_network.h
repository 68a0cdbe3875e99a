/* low_precision_network.h - a small network with every kind of step that has a lower precision, for the tests of those.
 */
#ifndef WK_TEST_LOW_NETWORK_H
#define WK_TEST_LOW_NETWORK_H

#include "kernels_support.h"
#include "nn/compile/plan.h"

static inline wk_node act_conv(wk_graph *g, const char *name, wk_node in, int out, wk_window w, int groups, wk_op act) {
  char text[64];
  wk_node x = wk_graph_conv(g, name, in, out, w, groups, true);
  snprintf(text, sizeof text, "%s.act", name);
  return act == WK_OP_INPUT ? x : wk_graph_unary(g, text, act, x);
}

/* First layer, two inverted residuals (of 5x5 and 3x3), a strided and a pointwise convolution, a linear layer that
 * takes a flatten in. */
static inline wk_graph *network(int kernel, wk_node *out) {
  wk_graph *g;
  wk_error err;
  assert_ok(wk_graph_create(&g, &err), &err);
  wk_node x = wk_graph_input(g, "input", 25, 23, 3);
  x = act_conv(g, "stem", x, 24, wk_window_square(3, 2, 1), 1, WK_OP_RELU6);
  wk_node y = act_conv(g, "a.depth", x, 24, wk_window_square(3, 1, 1), 24, WK_OP_RELU6);
  x = act_conv(g, "a.project", y, 20, wk_window_square(1, 1, 0), 1, WK_OP_INPUT);
  y = act_conv(g, "b.expand", x, 72, wk_window_square(1, 1, 0), 1, WK_OP_RELU6);
  y = act_conv(g, "b.depth", y, 72, wk_window_same(kernel, 1), 72, WK_OP_RELU6);
  y = act_conv(g, "b.project", y, 20, wk_window_square(1, 1, 0), 1, WK_OP_INPUT);
  x = wk_graph_add(g, "b.add", y, x);
  y = act_conv(g, "c.expand", x, 50, wk_window_square(1, 1, 0), 1, WK_OP_RELU);
  y = act_conv(g, "c.depth", y, 50, wk_window_same(kernel, 2), 50, WK_OP_RELU);
  x = act_conv(g, "c.project", y, 36, wk_window_square(1, 1, 0), 1, WK_OP_INPUT);
  x = act_conv(g, "d", x, 40, wk_window_square(3, 2, 1), 1, WK_OP_HARDSWISH);
  x = act_conv(g, "e", x, 30, wk_window_square(1, 1, 0), 1, WK_OP_RELU);
  x = wk_graph_unary(g, "flat", WK_OP_FLATTEN, x);
  *out = wk_graph_linear(g, "fc", x, 33);
  wk_graph_outputs(g, *out, -1);
  assert_ok(wk_graph_finish(g, &err), &err);
  return g;
}

static inline wk_tensors *network_weights(const wk_graph *g, wk_rng *rng) {
  wk_tensors *t;
  wk_error err;
  assert_ok(wk_tensors_create(&t, &err), &err);
  for (int i = 0; i < wk_graph_param_count(g); i++) {
    const wk_param_info *p = wk_graph_param(g, i);
    float *w;
    int64_t fan = 1;
    for (int k = 1; k < p->ndim; k++)
      fan *= p->shape[k];
    assert_ok(wk_tensors_add_zeros(t, &w, p->name, p->ndim, p->shape, &err), &err);
    for (int64_t k = 0; k < wk_tensor_count(p->ndim, p->shape); k++)
      w[k] = (float)(wk_rng_normal(rng) * (p->ndim > 1 ? 1.4 / sqrt((double)fan) : 0.3));
  }
  return t;
}

static inline float *run_network(const wk_graph *g, const wk_tensors *w, const wk_plan_options *o, int isa,
                                 const float *in, int count, const char *expected) {
  wk_plan *plan;
  wk_exec *exec;
  wk_error err;
  assert_ok(wk_plan_create_isa(&plan, g, w, o, (wk_isa)isa, &err), &err);
  assert_ok(wk_exec_create(&exec, plan, &err), &err);
  int lowered = 0;
  for (int i = 0; i < wk_plan_ops(plan); i++) {
    wk_op_info s;
    wk_plan_op_at(&s, plan, i);
    lowered += !strncmp(s.kernel, expected, strlen(expected));
  }
  assert_int_equal(lowered, o->precision ? 6 : 0);
  assert_ok(wk_exec_run(exec, in, count, &err), &err);
  const size_t n = (size_t)count * 33;
  float *out = malloc(n * sizeof *out);
  memcpy(out, wk_exec_output(exec, 0), n * sizeof *out);
  wk_exec_free(exec);
  wk_plan_free(plan);
  return out;
}

/* How far `got` is from `exact`, as a share of its length. */
static inline double off_by(const float *got, const float *exact, int n) {
  double error = 0, size = 0;
  for (int i = 0; i < n; i++) {
    error += pow((double)got[i] - (double)exact[i], 2);
    size += pow((double)exact[i], 2);
  }
  return sqrt(error / size);
}

/* Each photo alone, and shared by threads: the same bits as in `whole`. */
static inline void check_alone(const wk_graph *g, const wk_tensors *w, wk_plan_options o, int isa, const float *in,
                               size_t pixels, const float *whole, int photos, const char *expected) {
  o.batch = 1;
  for (o.threads = 1; o.threads <= 3; o.threads++)
    for (int p = 0; p < photos; p++) {
      float *one = run_network(g, w, &o, isa, in + (size_t)p * pixels, 1, expected);
      assert_memory_equal(one, whole + p * 33, 33 * sizeof *one);
      free(one);
    }
}

#endif

/* cmd_bench_layers.c - `whisker bench --layers`: where the time of a forward pass goes, step by step on one thread, and
 * whether the kernel that was chosen for a step is the right one: the same layers as plain sums are timed in turn
 * with it. */
#include <stdlib.h>
#include <string.h>

#include "cmd_bench.h"
#include "whisker/clock.h"

enum { ROUNDS = 5 };
static const double SLICE = 2e-3; /* seconds that a step is repeated for, a round */
static const double SLOWER = 1.03;

double cli_bench_peak(void) {
  double best = 0;
  for (int i = 0; i < ROUNDS; i++) {
    const double start = wk_clock_seconds(), flops = wk_peak_flops(200000),
                 speed = flops / (wk_clock_seconds() - start);
    best = speed > best ? speed : best;
  }
  return best;
}

enum { OWN, EXACT, WAYS };

typedef struct way {
  wk_plan *plan;
  wk_exec *exec;
  int from, to; /* the steps that do what one step of our own does */
  double best;  /* seconds for them */
} way;

static wk_status open_way(way *w, int kind, const cli_bench_job *job, wk_error *err) {
  const wk_graph *g = job->backbone->graph;
  wk_node out = wk_graph_logits(g) >= 0 ? wk_graph_logits(g) : wk_graph_features(g);
  wk_plan_options o;
  wk_plan_options_init(&o);
  o.height = job->height, o.width = job->width, o.batch = job->batch, o.output = &out, o.outputs = 1;
  if (kind == OWN)
    o.precision = job->precision, o.ranges = job->ranges;
  o.no_winograd = kind == EXACT;
  wk_status st = wk_plan_create(&w->plan, g, job->backbone->weights, &o, err);
  return st == WK_OK ? wk_exec_create(&w->exec, w->plan, err) : st;
}

/* Steps follow each other in the same order whatever computes them, and end with the same layer. */
static bool find(way *w, const char *name) {
  for (w->from = w->to; w->to < wk_plan_ops(w->plan);) {
    wk_op_info s;
    wk_plan_op_at(&s, w->plan, w->to++);
    if (!strcmp(s.name, name))
      return true;
  }
  w->to = w->from;
  return false;
}

static wk_status time_once(way *w, const float *input, int batch, wk_error *err) {
  const double start = wk_clock_seconds();
  double spent = 0;
  for (int times = 1; spent < SLICE; times++) {
    for (int i = w->from; i < w->to; i++) {
      wk_status st = wk_exec_op(w->exec, i, input, batch, err);
      if (st != WK_OK)
        return st;
    }
    spent = wk_clock_seconds() - start;
    if (spent >= SLICE && (w->best <= 0 || spent / times < w->best))
      w->best = spent / times;
  }
  return WK_OK;
}

static json_t *milliseconds(const way *w) { return w->best > 0 ? json_real(1e3 * w->best) : json_null(); }

/* One step of our own, the others in turn with it. */
static wk_status step(cli *c, json_t *rows, way *w, int index, const float *input, const cli_bench_job *job,
                      double peak, int *slower, wk_error *err) {
  wk_op_info s;
  wk_plan_op_at(&s, w[OWN].plan, index);
  w[OWN].from = index, w[OWN].to = index + 1;
  bool there[WAYS] = {true, find(&w[EXACT], s.name)};
  for (int k = 0; k < WAYS; k++)
    w[k].best = 0;
  for (int round = 0; round < ROUNDS; round++)
    for (int k = 0; k < WAYS; k++) {
      wk_status st = there[k] ? time_once(&w[k], input, job->batch, err) : WK_OK;
      if (st != WK_OK)
        return st;
    }
  const double other = w[EXACT].best;
  const bool late = other > 0 && w[OWN].best > SLOWER * other;
  *slower += late;
  const double flops = 2.0 * (double)s.macs * job->batch / w[OWN].best;
  const double moved = (double)s.bytes * job->batch + (double)s.weight_bytes;
  char shape[64], factor[16] = "";
  snprintf(shape, sizeof shape, "%dx%dx%d-%dx%dx%d", s.in.height, s.in.width, s.in.channels, s.out.height, s.out.width,
           s.out.channels);
  if (other > 0)
    snprintf(factor, sizeof factor, "%.2fx", other / w[OWN].best);
  cli_say(c, "%-28.28s %-26s %-20s %8.3f %8.1f %5.0f%% %8.1f %8.3f %6s%s\n", s.name, shape, s.kernel, 1e3 * w[OWN].best,
          1e-9 * flops, 100 * flops / peak, 1e-6 * moved, 1e3 * w[EXACT].best, factor, late ? "  slower" : "");
  json_array_append_new(rows,
                        json_pack("{s:s,s:s,s:s,s:s,s:i,s:i,s:f,s:f,s:f,s:f,s:o,s:b}", "net", job->backbone->arch->name,
                                  "step", s.name, "shape", shape, "kernel", s.kernel, "layers", s.layers, "batch",
                                  job->batch, "ms", 1e3 * w[OWN].best, "gflops", 1e-9 * flops, "share_of_peak",
                                  flops / peak, "bytes", moved, "exact_ms", milliseconds(&w[EXACT]), "slower", late));
  return WK_OK;
}

wk_status cli_bench_layers(cli *c, json_t *rows, const cli_bench_job *job, double peak, wk_error *err) {
  way w[WAYS] = {{0}};
  const size_t floats = (size_t)job->batch * (size_t)job->height * (size_t)job->width * 3;
  float *input = malloc(floats * sizeof *input);
  wk_status st = input ? WK_OK : cli_no_memory(err);
  wk_rng rng;
  wk_rng_init(&rng, job->ctx->seed, 0);
  for (size_t i = 0; st == WK_OK && i < floats; i++)
    input[i] = (float)(wk_rng_uniform(&rng) * 2 - 1);
  for (int k = 0; k < WAYS && st == WK_OK; k++) {
    st = open_way(&w[k], k, job, err);
    if (st == WK_OK)
      st = wk_exec_run(w[k].exec, input, job->batch, err);
  }
  int slower = 0;
  if (st == WK_OK)
    cli_say(c, "%s, batch %d, one thread, peak %.1f GFLOP/s\n%-28s %-26s %-20s %8s %8s %6s %8s %8s %6s\n",
            job->backbone->arch->name, job->batch, 1e-9 * peak, "step", "shape", "kernel", "ms", "GFLOP/s", "peak",
            "MB moved", "exact ms", "gain");
  for (int i = 0; st == WK_OK && i < wk_plan_ops(w[OWN].plan); i++)
    st = step(c, rows, w, i, input, job, peak, &slower, err);
  if (st == WK_OK)
    cli_say(c, "%d of %d steps take more than 3%% longer than plain sums\n", slower, wk_plan_ops(w[OWN].plan));
  for (int k = 0; k < WAYS; k++) {
    wk_exec_free(w[k].exec);
    wk_plan_free(w[k].plan);
  }
  free(input);
  return st;
}

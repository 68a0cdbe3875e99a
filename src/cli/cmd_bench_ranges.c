/* cmd_bench_ranges.c - ranges for `whisker bench --precision int8`, which has no photos: those of one image of noise.
 * How fast a network is does not depend on them. */
#include <stdlib.h>
#include <string.h>

#include "cmd_bench.h"

typedef struct look {
  wk_tensors *ranges;
  wk_status status;
  wk_error *err;
} look;

static void see(void *user, const char *name, const float *value, wk_shape s) {
  look *l = user;
  float *low;
  if (l->status == WK_OK)
    l->status = wk_tensors_add_zeros(l->ranges, &low, name, 2, (const int64_t[]){2, s.channels}, l->err);
  if (l->status != WK_OK)
    return;
  float *high = low + s.channels;
  for (int p = 0; p < s.height * s.width; p++, value += s.channels)
    for (int c = 0; c < s.channels; c++) {
      low[c] = value[c] < low[c] ? value[c] : low[c];
      high[c] = value[c] > high[c] ? value[c] : high[c];
    }
}

wk_status cli_bench_ranges(wk_tensors **out, const cli_bench_job *job, wk_error *err) {
  const wk_graph *g = job->backbone->graph;
  wk_node node = wk_graph_logits(g) >= 0 ? wk_graph_logits(g) : wk_graph_features(g);
  wk_plan_options o;
  wk_plan_options_init(&o);
  o.height = job->height, o.width = job->width, o.batch = 1, o.output = &node, o.outputs = 1, o.no_fusion = true;
  wk_plan *plan = NULL;
  wk_exec *exec = NULL;
  look l = {.err = err};
  const size_t floats = (size_t)job->height * (size_t)job->width * 3;
  float *input = malloc(floats * sizeof *input);
  wk_status st = input ? wk_tensors_create(&l.ranges, err) : cli_no_memory(err);
  wk_rng rng;
  wk_rng_init(&rng, job->ctx->seed, 1);
  for (size_t i = 0; st == WK_OK && i < floats; i++)
    input[i] = (float)(wk_rng_uniform(&rng) * 2 - 1);
  if (st == WK_OK)
    st = wk_plan_create(&plan, g, job->backbone->weights, &o, err);
  if (st == WK_OK)
    st = wk_exec_create(&exec, plan, err);
  if (st == WK_OK)
    st = wk_exec_observe(exec, input, see, &l, err);
  if (st == WK_OK)
    st = l.status;
  if (st == WK_OK)
    *out = l.ranges;
  else
    wk_tensors_free(l.ranges);
  wk_exec_free(exec);
  wk_plan_free(plan);
  free(input);
  return st;
}

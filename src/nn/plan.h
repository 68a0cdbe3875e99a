/* plan.h (internal) - a plan as its makers (plan.c, plan_fuse.c, plan_memory.c) and exec.c see it.
 *
 * A value is what one step leaves for others; value 0 is the network's input, which stays in the caller's memory. */
#ifndef WK_NN_PLAN_H
#define WK_NN_PLAN_H

#include "nn/graph.h"
#include "nn/step.h"

typedef struct wk_value {
  wk_shape shape;
  int first, last; /* steps that write it first and read it last; last is INT_MAX for outputs of the plan */
  int storage;     /* values computed in place share one */
  size_t offset;   /* into the arena of a wk_exec */
} wk_value;

typedef struct wk_step {
  wk_layer layer;
  wk_node head; /* the node whose weights are used */
  wk_node norm; /* batch norm folded into them; -1: none */
  bool permute; /* linear: its weights are put into the order of an NHWC input (the flatten before it is gone) */
  const wk_kernel *kernel;
  wk_packed packed;
  int inputs;
  int *in; /* values */
  wk_shape *in_shape;
  int residual, out; /* values; residual -1: none */
  size_t scratch;    /* offset into the arena */
} wk_step;

struct wk_plan {
  const wk_graph *graph;
  wk_dnnl_engine *engine;
  wk_isa isa;
  int batch, threads;
  bool exact, library; /* see wk_layer */
  wk_step *step;
  int steps;
  wk_value *value;
  int values;
  int *output; /* values */
  int outputs;
  size_t arena_bytes, weight_bytes;
};

/* plan_fuse.c: fills step, value (shapes), output from the graph. `shape` is every node's at the plan's input size. */
wk_status wk_plan_fuse(wk_plan *plan, const wk_node *output, const wk_shape *shape, wk_error *err);
/* plan_memory.c: lifetimes, storage in place, offsets; needs the kernels' scratch sizes. */
wk_status wk_plan_memory(wk_plan *plan, wk_error *err);
/* plan_weights.c: reads, folds and packs the weights of every step. */
wk_status wk_plan_weights(wk_plan *plan, const wk_tensors *weights, wk_error *err);

/* wk_plan_create for a lesser instruction set than the processor's: how tests reach every twin. */
wk_status wk_plan_create_isa(wk_plan **out, const wk_graph *g, const wk_tensors *weights, const wk_plan_options *o,
                             wk_isa isa, wk_error *err);
/* wk_plan_create with oneDNN wherever it can: for comparisons. */
wk_status wk_plan_create_library(wk_plan **out, const wk_graph *g, const wk_tensors *weights, const wk_plan_options *o,
                                 wk_error *err);

#endif

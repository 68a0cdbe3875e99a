/* plan.h (internal) - a plan as its makers (compile_plan.c, fuse.c, memory_planner.c) and exec.c see it.
 *
 * A value is what one op leaves for others; value 0 is the network's input, which stays in the caller's memory. */
#ifndef WK_NN_PLAN_H
#define WK_NN_PLAN_H

#include "nn/compile/first_fit.h"
#include "nn/graph/graph.h"
#include "nn/ops/op.h"

typedef struct wk_value {
  wk_shape shape;
  int first, last;  /* ops that write it first and read it last; last is INT_MAX for outputs of the plan */
  int storage;      /* values computed in place share one */
  bool micro_batch; /* has room for the photos of a micro-batch only */
  size_t offset;    /* into the arena of a wk_exec */
} wk_value;

typedef struct wk_plan_op {
  wk_layer layer;
  wk_node head; /* the node whose weights are used */
  wk_node norm; /* batch norm or layer scale folded into them; -1: none */
  bool permute; /* linear: its weights are put into the order of an NHWC input (the flatten before it is gone) */
  const wk_kernel *kernel;
  wk_op_range range;
  wk_packed packed;
  int inputs;
  int *in; /* values */
  wk_shape *in_shape;
  int residual, out;         /* values; residual -1: none */
  size_t scratch;            /* offset into the arena */
  struct wk_plan_op *sub_op; /* the ops that the kernel computes as one, in order: `layer` stands for them, they have
                           the weights; NULL: an op of one layer */
  int sub_ops;
} wk_plan_op;

struct wk_plan {
  const wk_graph *graph;
  wk_isa isa;
  int batch, threads;
  int micro_batch, micro_batch_ops; /* the first micro_batch_ops run for so many photos of a call after the others */
  bool no_winograd;                 /* see wk_layer */
  bool bytes;                       /* value 0 is a photo's bytes, */
  wk_pixels pixels;                 /* normalised like this */
  bool no_fusion;                   /* see wk_plan_options */
  wk_precision precision;
  bool own_input; /* value 0 has a place in the arena */
  wk_plan_op *op;
  int ops;
  wk_value *value;
  int values;
  int *output; /* values */
  int outputs;
  size_t arena_bytes, weight_bytes;
  wk_arena packing; /* of the own kernels' packed weights */
};

/* How layers may become ops. */
typedef struct wk_fuse_options {
  wk_node from; /* the node whose activations are given: value 0 */
  bool train;   /* an activation is drawn in only where its slope can be told from the output; linear layers see their
                   inputs in PyTorch's order */
  bool norm_batch;   /* batch norm stays an op of its own */
  const float *drop; /* [nodes] share a dropout drops: where above 0 it is an op; or NULL */
  const float
      *depth; /* [nodes] share of photos whose branch an addition leaves out: where above 0 it stays alone; or NULL */
} wk_fuse_options;

/* fuse.c: fills op, value (shapes), output from the graph. `shape` is every node's at the plan's input size.
 * value_of (may be NULL) receives each node's value, -1 where it was swallowed or is not needed. */
wk_status wk_plan_fuse(wk_plan *plan, const wk_node *output, const wk_shape *shape, const wk_fuse_options *o,
                       int *value_of, wk_error *err);
/* fuse_blocks.c: makes one op of several where a kernel computes them together, with the same bits. With `back` there
 * will be a way back, which computes again what lies between. */
wk_status wk_plan_fuse_blocks(wk_plan *plan, bool back, wk_error *err);
/* lower_precision.c: gives ops the kernels of a lower precision, where they are faster and the ranges of their values
 * are known. */
wk_status wk_plan_lower_precision(wk_plan *plan, const wk_tensors *ranges, wk_error *err);
wk_precision wk_kernel_precision(const wk_kernel *kernel);
/* memory_planner.c: first and last of every value from the ops alone; then storage, places and the arena's size. A
 * caller may lengthen lifetimes, and add values that no op writes (first >= 0), between the two. `extra` blocks are
 * placed too. */
void wk_plan_lifetimes(wk_plan *plan);
/* Of an op's inputs and output, a photo. */
size_t wk_plan_op_bytes(const wk_plan_op *s);
/* Between the two, for a plan that runs forward only: how many ops run in micro-batches, of how many photos. */
void wk_plan_micro_batch(wk_plan *plan);
wk_status wk_plan_layout(wk_plan *plan, wk_memory_block *extra, int extras, wk_error *err);
/* Where parameters come from: [wk_graph_param_count], in PyTorch's layouts; NULL: absent. */
typedef const float *const *wk_param_table;

/* pack_weights.c: reads, folds and packs the weights of every op. The hook (may be NULL) is then given the same. */
typedef wk_status (*wk_prepare_hook)(void *user, int op, const wk_prepare *p, wk_error *err);
wk_status wk_plan_pack_weights(wk_plan *plan, const wk_tensors *weights, wk_prepare_hook hook, void *user,
                               wk_error *err);
/* The same from arrays that outlive the plan. */
wk_status wk_plan_pack_weights_from(wk_plan *plan, wk_param_table param, wk_prepare_hook hook, void *user,
                                    wk_error *err);

/* The weight and bias of an op with its batch norm folded in, as kernels are given them: [wk_plan_op_weight_floats]
 * and [out channels]. */
size_t wk_plan_op_weight_floats(const wk_plan *plan, const wk_plan_op *s);
void wk_plan_op_fold(float *weight, float *bias, const wk_plan *plan, const wk_plan_op *s, wk_param_table param);
bool wk_plan_op_has_bias(const wk_plan *plan, const wk_plan_op *s);
/* Node `node` (wk_op_is_affine) as scale * x + shift. */
void wk_norm_affine(double *scale, double *shift, const wk_graph *g, wk_node node, wk_param_table param, int channel);

/* wk_plan_create for a lesser instruction set than the processor's: how tests reach every twin. */
wk_status wk_plan_create_isa(wk_plan **out, const wk_graph *g, const wk_tensors *weights, const wk_plan_options *o,
                             wk_isa isa, wk_error *err);

#endif

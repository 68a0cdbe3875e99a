/* tape.h (internal) - a plan with a backward pass: one list of instructions, the plan's ops first, then gradients
 * in the reverse order. Activations live until the last instruction that reads them, so only what a gradient needs is
 * kept.
 *
 * A tape is read-only and shared; run/tape_exec.h runs it. */
#ifndef WK_NN_TAPE_H
#define WK_NN_TAPE_H

#include "nn/compile/plan.h"

/* What an instruction does. Those from WK_INSTR_LOSS on a trainer alone has; whoever runs a tape brings the functions
 * (run/tape_exec.h). */
typedef enum wk_instr_kind {
  WK_INSTR_NONE,
  WK_INSTR_FORWARD, /* an op of the plan */
  WK_INSTR_OUTPUT_GRAD,
  WK_INSTR_MOVE,
  WK_INSTR_ACT_BACK,
  WK_INSTR_PLAIN_BACK, /* of the layers of plain_ops.c */
  WK_INSTR_DATA_BACK,
  WK_INSTR_AFFINE_BACK,
  WK_INSTR_LAYER_NORM_BACK,
  WK_INSTR_SCALE_BACK,
  WK_INSTR_FACTOR_BACK,
  WK_INSTR_CONCAT_BACK,
  WK_INSTR_FLATTEN_BACK,
  WK_INSTR_MAX_POOL_BACK,
  WK_INSTR_POOL_BACK,
  WK_INSTR_SOFTMAX_BACK,
  WK_INSTR_MBCONV_BACK, /* to its input and to its parameters */
  WK_INSTR_LOSS,
  WK_INSTR_WEIGHTS_BACK,
  WK_INSTR_LINEAR_SAVE,
  WK_INSTR_NORM_WEIGHTS,
  WK_INSTR_NORM_STATS,
  WK_INSTR_NORM_APPLY,
  WK_INSTR_NORM_SUMS,
  WK_INSTR_NORM_BACK,
  WK_INSTR_NOTHING,
  WK_INSTR_DROPOUT,
  WK_INSTR_DROPOUT_BACK,
  WK_INSTR_DEPTH_ADD,
  WK_INSTR_DEPTH_BACK,
  WK_INSTR_COUNT
} wk_instr_kind;

/* What an instruction reads and writes are values of the plan; -1: nothing. */
typedef struct wk_instr {
  wk_instr_kind kind;
  wk_instr_kind after; /* the rest of the work, once every micro-batch has come here (batch norm over a batch) */
  int op;              /* of the plan */
  int x, f, y;         /* activations: the layer's first input, its second, its output */
  int dy, dx;          /* gradients: read (and sometimes masked in place), and written */
  bool accumulate;     /* dx is added to */
  wk_act mask_act;     /* the activation that y (`data`) or x (max pooling) came from, where its slope is applied on the
                          way; else none */
  int index;           /* number of the output, input, norm or parameter group, as its kind needs it */
  int group[WK_MBCONV_OPS];        /* block: of each layer's parameters; -1: they do not train */
  const wk_kernel *data, *weights; /* at most one of them */
  wk_packed packed;
  size_t scratch; /* place in the arena */
} wk_instr;

/* A layer whose parameters train: what its gradient needs. */
typedef struct wk_param_group {
  int op, sub_op, instr;    /* sub_op: of an op of several layers, else -1; instr: the one that makes it */
  const wk_kernel *weights; /* whose layout the sums have; NULL: they are not a convolution's */
} wk_param_group;

typedef struct wk_tape {
  wk_plan *plan;
  wk_instr *instr;
  int instrs, capacity;
  int loss;      /* index of the first instruction behind the forward pass */
  int *value_of; /* [nodes] forward value, -1: none */
  int *grad_of;  /* [forward values] its gradient's value, -1: none */
  int forward_values, value_capacity;
  wk_param_group *group;
  int groups;
  wk_node *norm; /* nodes of the batch norms that use the statistics of the batch */
  int norms;
  size_t weight_bytes; /* all packed weights, both directions */
} wk_tape;

typedef struct wk_tape_options {
  int height, width, batch, threads;
  wk_node from;
  const wk_node *seed; /* where gradients come in */
  int seeds;
  const wk_node *target; /* whose gradients are wanted */
  int targets;
  const wk_node *output; /* activations wanted besides */
  int outputs;
  const bool *trainable;     /* [params]; NULL: none */
  bool norm_batch;           /* batch norms after `from` use the statistics of the batch */
  const float *depth, *drop; /* [nodes]; NULL: none */
  bool own_input;            /* value 0 has its place in the arena */
  bool repeat;               /* the backward pass may be run again for one forward pass */
  bool no_winograd;          /* see wk_layer */
  wk_param_table param;      /* parameters that outlive the tape; NULL: from the tensors */
  wk_isa isa;
} wk_tape_options;

/* ---- tape_builder.c: writing it ------------------------------------------------------------------ */

/* Adds an instruction; NULL: out of memory. */
wk_instr *wk_tape_add(wk_tape *t, wk_instr_kind kind);
/* Adds a value of that shape; -1: out of memory. */
int wk_tape_value(wk_tape *t, wk_shape shape);
const wk_plan_op *wk_param_group_op(const wk_tape *t, int group); /* the layer, as an op of its own */

/* ---- autodiff.c: appends the backward pass -------------------------------------------------------- */

wk_status wk_tape_differentiate(wk_tape *t, const wk_tape_options *o, wk_error *err);

/* ---- compile_tape.c: the whole of it -------------------------------------------------------------- */

/* plan->output: seeds, targets, then outputs. */
wk_status wk_tape_create(wk_tape **out, const wk_graph *g, const wk_tensors *weights, const wk_tape_options *o,
                         wk_error *err);
void wk_tape_free(wk_tape *t);

#endif

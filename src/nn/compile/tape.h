/* tape.h (internal) - a plan with a backward pass: one list of instructions, the plan's steps first, then gradients
 * in the reverse order. Activations live until the last instruction that reads them, so only what a gradient needs is
 * kept.
 *
 * A program is read-only and shared. A wk_tape_exec is one run of it over the photos of one micro-batch. */
#ifndef WK_NN_TAPE_H
#define WK_NN_TAPE_H

#include "nn/compile/plan.h"

typedef struct wk_instr wk_instr;
typedef struct wk_tape wk_tape;
typedef struct wk_tape_exec wk_tape_exec;

typedef wk_status (*wk_instr_fn)(const wk_instr *in, wk_tape_exec *s, wk_error *err);

/* What an instruction reads and writes are values of the plan; -1: nothing. */
struct wk_instr {
  wk_instr_fn run;
  wk_instr_fn
      after;   /* the rest of the work, once every micro-batch has come here (batch norm over a batch); NULL: none */
  int op;      /* of the plan */
  int x, f, y; /* activations: the layer's first input, its second, its output */
  int dy, dx;  /* gradients: read (and sometimes masked in place), and written */
  bool accumulate; /* dx is added to */
  wk_act mask_act; /* the activation that y (`data`) or x (max pooling) came from, where its slope is applied on the
                      way; else none */
  int index;       /* number of the seed, input, norm or parameter group, as `run` needs it */
  int group[WK_MBCONV_OPS]; /* block: of each layer's parameters; -1: they do not train */
  const wk_data_kernel *data;
  const wk_weights_kernel *weights;
  wk_packed packed;
  size_t scratch; /* place in the arena */
};

/* A layer whose parameters train: what its gradient needs. */
typedef struct wk_param_group {
  int op, sub_op, instr;            /* sub_op: of a step of several layers, else -1; instr: the one that makes it */
  const wk_weights_kernel *weights; /* whose layout the sums have; NULL: they are not a convolution's */
} wk_param_group;

const wk_plan_op *wk_param_group_op(const wk_tape *p, int group); /* the layer, as a step */

struct wk_tape {
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
};

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
  wk_param_table param;      /* parameters that outlive the program; NULL: from the tensors */
  wk_isa isa;
} wk_tape_options;

/* plan->output: seeds, targets, then outputs. */
wk_status wk_tape_create(wk_tape **out, const wk_graph *g, const wk_tensors *weights, const wk_tape_options *o,
                         wk_error *err);
void wk_tape_free(wk_tape *p);

/* autodiff.c: appends the backward pass. */
wk_status wk_tape_differentiate(wk_tape *p, const wk_tape_options *o, wk_error *err);
/* Adds an instruction; NULL: out of memory. */
wk_instr *wk_tape_add(wk_tape *p, wk_instr_fn run);
/* Adds a value of that shape; -1: out of memory. */
int wk_tape_value(wk_tape *p, wk_shape shape);

/* ---- running ------------------------------------------------------------------------------------- */

struct wk_tape_exec {
  const wk_tape *tape;
  char *arena;              /* of this run */
  void *const *state;       /* [instrs] of this thread */
  const float **in;         /* room for the inputs of a step, of this thread */
  const float *input;       /* value 0, where it is not in the arena */
  const float *const *seed; /* gradients fed in */
  wk_thread_team *crew;     /* plan->threads threads that share its steps; NULL: one */
  int count, first, index;  /* photos; the number of the first in its batch; number of the micro-batch */
  struct wk_trainer *trainer;
};

/* The kernels' states for one thread, and how they are given back. */
wk_status wk_tape_open(void ***state, const wk_tape *p, wk_error *err);
void wk_tape_close(void **state, const wk_tape *p);
int wk_tape_max_inputs(const wk_tape *p);

/* Runs instructions from *at on, at most to `end`. Stops where micro-batches must meet: *at is then that instruction,
 * whose `after` comes first when called again with `met`. */
wk_status wk_tape_run(wk_tape_exec *s, int *at, bool met, int end, wk_error *err);

float *wk_tape_exec_value(const wk_tape_exec *s, int value);
size_t wk_tape_exec_count(const wk_tape_exec *s, int value); /* floats of the photos there are */

/* backward.c: what the instructions do. */
wk_data_call wk_instr_data_call(const wk_instr *in, const wk_tape_exec *s); /* of an instruction with `data` */
wk_status wk_run_output_grad(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_move(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_act_back(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_plain_back(const wk_instr *in, wk_tape_exec *s, wk_error *err); /* backward_plain.c */
wk_status wk_run_data_back(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_affine_back(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_scale_back(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_factor_back(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_concat_back(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_flatten_back(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_max_pool_back(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_pool_back(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_softmax_back(const wk_instr *in, wk_tape_exec *s, wk_error *err);
/* trainer_ops.c: those that a trainer alone has. */
wk_status wk_run_loss(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_mbconv_back(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_weights_back(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_linear_save(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_norm_weights(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_norm_stats(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_norm_apply(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_norm_sums(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_norm_back(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_nothing(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_dropout(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_dropout_back(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_depth_add(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_depth_back(const wk_instr *in, wk_tape_exec *s, wk_error *err);

#endif

/* program.h (internal) - a plan with a backward pass: one list of instructions, the plan's steps first, then gradients
 * in the reverse order. Activations live until the last instruction that reads them, so only what a gradient needs is
 * kept.
 *
 * A program is read-only and shared. A wk_shard is one run of it over the photos of one shard. */
#ifndef WK_NN_PROGRAM_H
#define WK_NN_PROGRAM_H

#include "nn/plan.h"

typedef struct wk_instr wk_instr;
typedef struct wk_program wk_program;
typedef struct wk_shard wk_shard;

typedef wk_status (*wk_instr_fn)(const wk_instr *in, wk_shard *s, wk_error *err);

/* What an instruction reads and writes are values of the plan; -1: nothing. */
struct wk_instr {
  wk_instr_fn run;
  wk_instr_fn after; /* the rest of the work, once every shard has come here (batch norm over a batch); NULL: none */
  int step;          /* of the plan */
  int x, f, y;       /* activations: the layer's first input, its second, its output */
  int dy, dx;        /* gradients: read (and sometimes masked in place), and written */
  bool accumulate;   /* dx is added to */
  wk_act mask_act;   /* the activation that y (`data`) or x (max pooling) came from, where its slope is applied on the
                        way; else none */
  int index;         /* number of the seed, input, norm or parameter group, as `run` needs it */
  int group[WK_BLOCK_PARTS]; /* block: of each layer's parameters; -1: they do not train */
  const wk_data_kernel *data;
  const wk_weights_kernel *weights;
  wk_packed packed;
  size_t scratch; /* place in the arena */
};

/* A layer whose parameters train: what its gradient needs. */
typedef struct wk_group {
  int step, part, instr;            /* part: of a step of several layers, else -1; instr: the one that makes it */
  const wk_weights_kernel *weights; /* whose layout the sums have; NULL: they are not a convolution's */
} wk_group;

const wk_step *wk_group_step(const wk_program *p, int group); /* the layer, as a step */

struct wk_program {
  wk_plan *plan;
  wk_instr *instr;
  int instrs, capacity;
  int loss;      /* index of the first instruction behind the forward pass */
  int *value_of; /* [nodes] forward value, -1: none */
  int *grad_of;  /* [forward values] its gradient's value, -1: none */
  int forward_values, value_capacity;
  wk_group *group;
  int groups;
  wk_node *norm; /* nodes of the batch norms that use the statistics of the batch */
  int norms;
  size_t weight_bytes; /* all packed weights, both directions */
};

typedef struct wk_program_options {
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
  bool exact, library;       /* see wk_layer */
  wk_param_table param;      /* parameters that outlive the program; NULL: from the tensors */
  wk_isa isa;
} wk_program_options;

/* plan->output: seeds, targets, then outputs. */
wk_status wk_program_create(wk_program **out, const wk_graph *g, const wk_tensors *weights, const wk_program_options *o,
                            wk_error *err);
void wk_program_free(wk_program *p);

/* differentiate.c: appends the backward pass. */
wk_status wk_program_differentiate(wk_program *p, const wk_program_options *o, wk_error *err);
/* Adds an instruction; NULL: out of memory. */
wk_instr *wk_program_add(wk_program *p, wk_instr_fn run);
/* Adds a value of that shape; -1: out of memory. */
int wk_program_value(wk_program *p, wk_shape shape);

/* ---- running ------------------------------------------------------------------------------------- */

struct wk_shard {
  const wk_program *program;
  char *arena;              /* of this run */
  void *const *state;       /* [instrs] of this thread */
  const float **in;         /* room for the inputs of a step, of this thread */
  const float *input;       /* value 0, where it is not in the arena */
  const float *const *seed; /* gradients fed in */
  wk_crew *crew;            /* plan->threads threads that share its steps; NULL: one */
  int count, first, index;  /* photos; the number of the first in its batch; number of the shard */
  struct wk_trainer *trainer;
};

/* The kernels' states for one thread, and how they are given back. */
wk_status wk_program_open(void ***state, const wk_program *p, wk_error *err);
void wk_program_close(void **state, const wk_program *p);
int wk_program_max_inputs(const wk_program *p);

/* Runs instructions from *at on, at most to `end`. Stops where shards must meet: *at is then that instruction, whose
 * `after` comes first when called again with `met`. */
wk_status wk_program_run(wk_shard *s, int *at, bool met, int end, wk_error *err);

float *wk_shard_value(const wk_shard *s, int value);
size_t wk_shard_count(const wk_shard *s, int value); /* floats of the photos there are */

/* back_ops.c: what the instructions do. */
wk_data_call wk_instr_data_call(const wk_instr *in, const wk_shard *s); /* of an instruction with `data` */
wk_status wk_run_seed(const wk_instr *in, wk_shard *s, wk_error *err);
wk_status wk_run_move(const wk_instr *in, wk_shard *s, wk_error *err);
wk_status wk_run_act_back(const wk_instr *in, wk_shard *s, wk_error *err);
wk_status wk_run_data_back(const wk_instr *in, wk_shard *s, wk_error *err);
wk_status wk_run_affine_back(const wk_instr *in, wk_shard *s, wk_error *err);
wk_status wk_run_scale_back(const wk_instr *in, wk_shard *s, wk_error *err);
wk_status wk_run_factor_back(const wk_instr *in, wk_shard *s, wk_error *err);
wk_status wk_run_concat_back(const wk_instr *in, wk_shard *s, wk_error *err);
wk_status wk_run_flatten_back(const wk_instr *in, wk_shard *s, wk_error *err);
wk_status wk_run_max_pool_back(const wk_instr *in, wk_shard *s, wk_error *err);
wk_status wk_run_pool_back(const wk_instr *in, wk_shard *s, wk_error *err);
wk_status wk_run_softmax_back(const wk_instr *in, wk_shard *s, wk_error *err);
/* trainer_ops.c: those that a trainer alone has. */
wk_status wk_run_loss(const wk_instr *in, wk_shard *s, wk_error *err);
wk_status wk_run_block_back(const wk_instr *in, wk_shard *s, wk_error *err);
wk_status wk_run_weights_back(const wk_instr *in, wk_shard *s, wk_error *err);
wk_status wk_run_linear_save(const wk_instr *in, wk_shard *s, wk_error *err);
wk_status wk_run_norm_weights(const wk_instr *in, wk_shard *s, wk_error *err);
wk_status wk_run_norm_stats(const wk_instr *in, wk_shard *s, wk_error *err);
wk_status wk_run_norm_apply(const wk_instr *in, wk_shard *s, wk_error *err);
wk_status wk_run_norm_sums(const wk_instr *in, wk_shard *s, wk_error *err);
wk_status wk_run_norm_back(const wk_instr *in, wk_shard *s, wk_error *err);
wk_status wk_run_nothing(const wk_instr *in, wk_shard *s, wk_error *err);
wk_status wk_run_dropout(const wk_instr *in, wk_shard *s, wk_error *err);
wk_status wk_run_dropout_back(const wk_instr *in, wk_shard *s, wk_error *err);
wk_status wk_run_depth_add(const wk_instr *in, wk_shard *s, wk_error *err);
wk_status wk_run_depth_back(const wk_instr *in, wk_shard *s, wk_error *err);

#endif

/* trainer.h (internal) - what a trainer holds. The tape says what is computed; here is what changes from step to
 * step, and what the micro-batches of a batch share. */
#ifndef WK_NN_TRAINER_H
#define WK_NN_TRAINER_H

#include "nn/run/reduce.h"
#include "nn/run/tape_exec.h"
#include "whisker/train_nn.h"

/* How the gradient of one step's parameters is put together. */
typedef enum wk_param_group_kind {
  WK_PARAM_GROUP_CONV,
  WK_PARAM_GROUP_LINEAR,
  WK_PARAM_GROUP_NORM,
  WK_PARAM_GROUP_NORM_BATCH
} wk_param_group_kind;

typedef struct wk_param_group_grad {
  wk_param_group_kind kind;
  wk_tree_sum sum; /* CONV, NORM */
  float *x, *dy;   /* LINEAR: of the whole batch, [batch, in] and [batch, out] */
} wk_param_group_grad;

/* One batch norm that uses the statistics of the batch. c: its channels. */
typedef struct wk_norm_data {
  int channels;
  double *part;            /* [micro-batches][2c]: mean and sum of squared differences; on the way back the two sums */
  double *mean, *variance; /* [c] of the batch */
  float *shift_mean;       /* [c] the mean, as the rows subtract it */
  float *scale, *shift;    /* [c] forward: y = scale x + shift */
  float *k, *mean_dy, *slope; /* [c] backward: see wk_batchnorm_grad */
} wk_norm_data;

struct wk_trainer {
  const wk_graph *graph;
  wk_trainer_options o; /* from and to are nodes; trainable is not kept */
  wk_tape *tape;
  int micro_batches; /* of a full batch */
  int learned; /* instructions up to the last that gradients of parameters need; behind it, only the input's does */

  wk_slot *slot, *stat;
  int slots, stat_slots;
  size_t size, stats_size;
  float *params, *gradient, *stats;
  int *slot_of;        /* [params] index of its slot; -1: does not train */
  const float **param; /* [params] where each lies now; NULL: not needed */
  float **frozen;      /* [params] those that neither train nor move, ours to free */
  size_t frozen_bytes;
  float *depth, *drop; /* [nodes] or NULL */

  wk_param_group_grad *group;
  wk_norm_data *norm;

  const float ***in; /* [workers] room for the inputs of an op */
  char **arena;      /* one a worker; one a micro-batch where micro-batches meet */
  int workers, arenas;

  /* the step that is running */
  const float *input;
  float *input_gradient; /* where it goes; NULL: the parameters' are made instead */
  int count;
  double *loss; /* [micro-batches] */
  wk_loss_fn loss_fn;
  void *user;
  uint32_t key[2];
};

/* Of the step that is running. */
static inline int wk_trainer_micro_batches(const struct wk_trainer *t) {
  return (t->count + t->o.micro_batch - 1) / t->o.micro_batch;
}

/* Parameter number `index` of a node; NULL: there is none. */
static inline const float *wk_trainer_param(const struct wk_trainer *t, wk_node node, int index) {
  const wk_node_def *n = &t->graph->node[node];
  return index < n->param_count ? t->param[n->first_param + index] : NULL;
}

static inline struct wk_trainer *wk_trainer_of(const wk_tape_exec *s) { return s->user; }

#endif

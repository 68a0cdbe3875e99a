/* trainer.h (internal) - what a trainer holds. The program says what is computed; here is what changes from step to
 * step, and what the micro-batches of a batch share. */
#ifndef WK_NN_TRAINER_H
#define WK_NN_TRAINER_H

#include <pthread.h>

#include "nn/compile/tape.h"
#include "whisker/train_nn.h"

/* Sums over micro-batches: pairs of neighbours, then pairs of pairs: one fixed tree, whoever comes first. A buffer that
 * waits for its neighbour stands at its place in the tree; buffers that are done with are used again. */
typedef struct wk_sum {
  size_t floats;
  float **waiting; /* [WK_SUM_PLACES(micro_batches)]: level by level */
  float **spare;   /* stack */
  int spares;
  float *total; /* after the last micro-batch; goes back to the spares */
} wk_sum;

#define WK_SUM_PLACES(micro_batches) (2 * (size_t)(micro_batches) + 64)

/* How the gradient of one step's parameters is put together. */
typedef enum wk_param_group_kind {
  WK_PARAM_GROUP_CONV,
  WK_PARAM_GROUP_LINEAR,
  WK_PARAM_GROUP_NORM,
  WK_PARAM_GROUP_NORM_BATCH
} wk_param_group_kind;

typedef struct wk_param_group_grad {
  wk_param_group_kind kind;
  wk_sum sum;    /* CONV, NORM */
  float *x, *dy; /* LINEAR: of the whole batch, [batch, in] and [batch, out] */
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

typedef struct wk_trainer_worker {
  void **state;
  const float **in;
} wk_trainer_worker;

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
  pthread_mutex_t lock; /* guards the sums while micro-batches run */
  bool lock_made;

  wk_trainer_worker *worker;
  char **arena; /* one a worker; one a micro-batch where micro-batches meet */
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

/* reduce.c */
float *wk_sum_take(struct wk_trainer *t, wk_sum *sum); /* a buffer; NULL: out of memory */
void wk_sum_give(struct wk_trainer *t, wk_sum *sum, float *part, int micro_batch, int micro_batches);
void wk_sum_reset(wk_sum *sum, int micro_batches);
void wk_sum_free(wk_sum *sum, int micro_batches);
double wk_tree_sum(const double *part, int count);

/* fold_gradient.c: from sums over micro-batches to the flat gradient, and from parameters to packed weights. */
wk_status wk_trainer_repack(struct wk_trainer *t, const wk_context *ctx, wk_error *err);
wk_status wk_trainer_collect(struct wk_trainer *t, const wk_context *ctx, wk_error *err);

/* batchnorm.c: what happens between the halves of instruction i, and at the end of a step. */
void wk_trainer_meet(struct wk_trainer *t, int instr, int micro_batches);
void wk_trainer_move_stats(struct wk_trainer *t);

#endif

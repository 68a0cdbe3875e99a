/* finetune_parts.h - the parts of fine-tuning (whisker/finetune.h), in the order a run uses them. */
#ifndef WK_TRAIN_FINETUNE_PARTS_H
#define WK_TRAIN_FINETUNE_PARTS_H

#include "base/base.h"
#include "whisker/finetune.h"

/* ---- finetune_options.c ------------------------------------------------------------------------- */

/* The learning rate that was asked for, or the optimiser's own for so many photos. */
double wk_finetune_learning_rate(const wk_finetune_options *o, size_t photos);
/* Turns on what few photos gain from, where nothing else was asked for. */
void wk_finetune_options_help_few(wk_finetune_options *o, size_t photos);
/* The settings that the weights depend on, for the fingerprint: in the form that checkpoints have always had, and those
 * that came later, at the end and only where they are not at their defaults. */
void wk_finetune_add_settings(wk_text *t, const wk_finetune_options *o, size_t photos);
void wk_finetune_add_more_settings(wk_text *t, const wk_finetune_options *o);

/* ---- trainable_subgraph.c: what trains, and where that begins ----------------------------------------- */

/* [wk_graph_param_count] which parameters train at that depth; wk_free it. WK_ERR_NOT_FOUND lists the stages. */
wk_status wk_finetune_trainable(bool **out, const wk_graph *g, const char *depth, wk_error *err);
/* The last node that can be computed once: its activations are the input of every epoch. */
wk_node wk_finetune_boundary(const wk_graph *g, const bool *trainable);
/* The network after `boundary` as one of its own, whose input is that node's output at size height x width. Layers
 * keep their names. */
wk_status wk_trainable_subgraph(wk_graph **out, const wk_graph *g, wk_node boundary, int height, int width,
                                wk_error *err);
/* Stages from the classifier's (0) to the first, for each node; [wk_graph_size]. wk_free it. */
wk_status wk_finetune_stage_depth(int **out, const wk_graph *g, wk_error *err);

/* ---- init_random.c: first weights -------------------------------------------------------------- */

/* Draws every parameter of nodes up to `up_to` that `to` has not got yet. */
wk_status wk_init_random_weights(wk_tensors *to, const wk_graph *g, wk_node up_to, wk_init_kind kind, uint64_t seed,
                                 wk_error *err);

/* ---- frozen_extractor.c: photos through augmentation and the frozen layers -------------------------- */

typedef struct wk_augmented_view {
  uint32_t photo;
  uint64_t epoch, view; /* which change (wk_augment_key) */
  bool plain;           /* none: the photo itself */
} wk_augmented_view;

typedef struct wk_frozen_extractor wk_frozen_extractor;

/* `layer`: whose output comes out; NULL: the network's input. Keeps b, data and augment by pointer. */
wk_status wk_frozen_extractor_create(wk_frozen_extractor **out, const wk_backbone *b, const char *layer,
                                     const wk_finetune_data *data, const wk_augment *augment, uint64_t seed,
                                     const wk_context *ctx, wk_error *err);
void wk_frozen_extractor_free(wk_frozen_extractor *f);
/* Views to [count, columns] floats, or to the 8-bit pixels of the network's input. `progress` may be NULL. One call at
 * a time. */
wk_status wk_frozen_extractor_run(float *to, wk_frozen_extractor *f, const wk_augmented_view *view, size_t count,
                                  wk_progress *progress, const wk_context *ctx, wk_error *err);
wk_status wk_frozen_extractor_pixels(uint8_t *to, wk_frozen_extractor *f, const wk_augmented_view *view, size_t count,
                                     wk_progress *progress, const wk_context *ctx, wk_error *err);
/* Which photos can be read; the others are named in warnings. */
wk_status wk_finetune_readable(bool *usable, const wk_backbone *b, const wk_finetune_data *data, const wk_context *ctx,
                               wk_error *err);

/* ---- epoch_input.c: what every epoch starts from ----------------------------------------------- */

typedef struct wk_finetune_input {
  size_t rows, columns; /* photos; floats of each */
  const int *label;     /* [rows] the data's */
  int views;            /* kept of each photo; 0: none, they are made anew for each epoch */
  float *row;           /* [rows, views, columns], in memory or a mapped file; NULL: pixels */
  uint8_t *pixels;      /* the same where the network's own input is what every epoch starts from */
  const wk_preprocess *preprocess;
  wk_frozen_extractor *front; /* views 0 */
  uint64_t seed;
  size_t mapped; /* bytes, where row or pixels are a mapped file */
  uint64_t bytes;
} wk_finetune_input;

typedef struct wk_finetune_input_options {
  const char *layer; /* NULL: the network's input */
  size_t memory;     /* keep in memory up to here */
  const char *scratch;
  const wk_augment *augment; /* NULL: photos as they are */
  int views;                 /* to keep of each photo when augmenting, the first being the photo itself; 0: none */
} wk_finetune_input_options;

/* Keeps b, data and augment by pointer. All photos can be read. */
wk_status wk_finetune_input_load(wk_finetune_input *out, const wk_backbone *b, const wk_finetune_data *data,
                                 const wk_finetune_input_options *o, const wk_context *ctx, wk_error *err);
void wk_finetune_input_free(wk_finetune_input *in);
/* Photos photo[0..count-1], as they are in that epoch, into [count, columns] floats. */
wk_status wk_finetune_input_gather(float *to, const wk_finetune_input *in, const uint32_t *photo, int count,
                                   uint64_t epoch, const wk_context *ctx, wk_error *err);

/* ---- validation.c: how good it is by now ------------------------------------------------------ */

/* What node `at` of the network `tail` gives with those weights: [rows, columns], of the photos as they are in that
 * epoch. */
wk_status wk_finetune_outputs(float *out, const wk_graph *tail, wk_node at, size_t columns, const wk_tensors *weights,
                              const wk_finetune_input *in, uint64_t epoch, const wk_context *ctx, wk_error *err);
/* Scores [rows, classes] of the photos, which must be no views. */
wk_status wk_finetune_scores(float *score, const wk_graph *tail, const wk_tensors *weights, const wk_finetune_input *in,
                             int classes, const wk_context *ctx, wk_error *err);
/* Log loss at the best temperature, and top-1. */
wk_status wk_finetune_judge(double *loss, double *top1, double *temperature, const float *score, const int *label,
                            size_t rows, int classes, wk_error *err);

/* Scores to probabilities, in place. */
void wk_finetune_probabilities(float *score, size_t rows, int classes, double temperature);

/* ---- checkpoint.c: checkpoints ---------------------------------------------------------------- */

/* Everything that changes from step to step. Arrays belong to the loop; NULL ones are not used. */
typedef struct wk_checkpoint {
  size_t params, stats;
  float *param, *stat;           /* the trainer's */
  float *average, *average_stat; /* EMA or SWA */
  float *best, *best_stat;
  wk_optim *optim;
  uint64_t step;     /* of the optimiser, in all */
  uint64_t averaged; /* arrays in the average */
  int next_epoch;
  int best_epoch, since_best;
  double best_loss, best_top1;
  wk_plateau plateau;
  wk_finetune_epoch *epoch; /* [epochs + 1] */
  int epochs;               /* in the history */
} wk_checkpoint;

wk_status wk_checkpoint_save(const wk_checkpoint *s, const char *path, const char *network, const char *fingerprint,
                             wk_error *err);
/* Is it a checkpoint at all, and of that network? Can be asked before any work is done. */
wk_status wk_checkpoint_check(const char *path, const char *network, wk_error *err);
/* Fills the arrays and numbers of a state that was made for the same run. */
wk_status wk_checkpoint_load(wk_checkpoint *s, int most_epochs, const char *path, const char *fingerprint,
                             wk_error *err);

/* ---- adversarial.c: photos moved against the network -------------------------------------------- */

/* The way of one photo, of `n` values: `x` to a random point of the bound around `clean` (a function of seed, epoch and
 * photo), and on from there by `step` grey levels of the sign of `slope`. All normalised by p, and never beyond what
 * pixels can be. */
void wk_attack_random_start(float *x, const float *clean, size_t n, const wk_preprocess *p, double eps_255,
                            uint64_t seed, uint64_t epoch, uint32_t photo);
void wk_attack_sign_step(float *x, const float *clean, const float *slope, size_t n, const wk_preprocess *p,
                         double eps_255, double step_255);
/* Grey levels of a step, of so many. */
double wk_attack_step_size(double eps_255, int steps);

/* How many of so many photos are attacked to tell how much is withstood: at most 100, evenly spread. */
size_t wk_robust_eval_size(size_t rows);
/* Log loss at that temperature, and top-1, of those photos, which must be no views, each moved by PGD with a few steps
 * from where it was. */
wk_status wk_robust_eval(double *loss, double *top1, double temperature, const wk_graph *tail,
                         const wk_tensors *weights, const wk_finetune_input *in, int classes, double eps_255,
                         const wk_context *ctx, wk_error *err);

/* ---- train_step.c: batches and updates --------------------------------------------------------- */

/* What a run is made of; everything here belongs to the caller and outlives the loop. */
typedef struct wk_finetune_setup {
  const wk_finetune_options *o;
  const wk_context *ctx;
  int classes;
  const wk_graph *tail;
  const wk_tensors *start; /* weights of tail before the first step */
  const bool *trainable;   /* by parameters of tail */
  const int *stage_depth;  /* by nodes of tail */
  const wk_finetune_input *train, *val;
  const float *teacher; /* [rows, classes] probabilities to learn from as well, or NULL */
  double lr;
  const char *network;     /* its name, for the checkpoint */
  const char *fingerprint; /* of everything the result depends on: a checkpoint of another run is refused */
} wk_finetune_setup;

typedef struct wk_finetuner {
  const wk_finetune_setup *s;
  const wk_finetune_options *o;
  uint64_t seed;
  wk_trainer *t;
  wk_checkpoint st;
  wk_shape shape;        /* of one photo */
  float *towards;        /* L2-SP: the first weights */
  float *clean, *slope;  /* [batch, columns] when attacking: the input as it was, and the loss's gradient to it */
  float *sum;            /* gradients of the batches of a step */
  float *input;          /* [batch, columns] */
  int *label;            /* [batch] */
  float *soft;           /* [batch, classes], when mixing */
  float *teacher;        /* [batch, classes], when distilling */
  float *class_weight;   /* [classes], when balancing */
  uint32_t *order;       /* [rows] of the epoch */
  float *score;          /* [val rows, classes] */
  size_t batches, steps; /* an epoch */
} wk_finetuner;

/* After a failure it must be closed as well. */
wk_status wk_finetuner_open(wk_finetuner *l, const wk_finetune_setup *s, wk_error *err);
void wk_finetuner_close(wk_finetuner *l);
void wk_finetuner_shuffle(wk_finetuner *l, int epoch);
/* Photos order[first..] into l->input and l->label. */
wk_status wk_finetuner_fill(wk_finetuner *l, size_t first, size_t count, int epoch, wk_error *err);
/* Moves the batch order[first..] that is in l->input (adversarial.c). */
wk_status wk_finetuner_perturb(wk_finetuner *l, size_t first, size_t count, int epoch, uint64_t stream, wk_loss_fn loss,
                               void *user, wk_error *err);
/* Step number `index` of an epoch; *gradient: its length before clipping. */
wk_status wk_finetuner_step(wk_finetuner *l, double *loss, double *gradient, int epoch, size_t index, double rate,
                            wk_progress *progress, wk_error *err);

/* ---- epochs.c: the epochs ------------------------------------------------------------------ */

typedef struct wk_finetune_run {
  wk_trainer *trainer; /* holds the weights that were kept */
  wk_finetune_epoch *epoch;
  int epochs, best;
  bool stopped_early, cancelled;
  char *trouble; /* why it stopped, where the loss was no longer finite */
} wk_finetune_run;

wk_status wk_finetune_loop(wk_finetune_run *out, const wk_finetune_setup *s, wk_error *err);
void wk_finetune_run_free(wk_finetune_run *run);

/* ---- lr_finder.c: looking for a learning rate ------------------------------------------------- */

/* Works on copies of the first weights; the arrays of *out are the caller's. */
wk_status wk_lr_find(wk_lr_curve *out, const wk_finetune_setup *s, wk_error *err);

#endif

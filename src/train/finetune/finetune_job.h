/* finetune_job.h - one run of fine-tuning from end to end: what its steps hand to each other. */
#ifndef WK_TRAIN_FINETUNE_JOB_H
#define WK_TRAIN_FINETUNE_JOB_H

#include "train/finetune/finetune_parts.h"

/* Those photos of a collection that can be read. */
typedef struct wk_readable_photos {
  wk_finetune_data data;
  const char **path;
  int *label;
} wk_readable_photos;

typedef struct wk_finetune_job {
  const wk_backbone *b;
  const wk_finetune_data *train, *val; /* val NULL: none */
  int classes;
  const wk_finetune_options *o;
  const wk_context *ctx;
  wk_context uncancellable; /* the same without a way to stop: for what must be finished after a stop */
  wk_readable_photos train_ok, val_ok;

  wk_graph *graph; /* the architecture with this many classes */
  wk_tensors *start;
  bool *trainable;
  wk_node boundary;
  wk_graph *tail;
  bool *tail_trainable;
  int *stage_depth;
  wk_finetune_input in, val_in;
  wk_head *probe;
  float *teacher; /* [rows, classes] its probabilities */
  wk_finetune_run run;
  wk_tensors *tuned; /* weights of the tail */
  char fingerprint[2 * WK_SHA256_BYTES + 1];
  wk_finetune_result *r;
} wk_finetune_job;

/* ---- finetune_prepare.c: from photos and options to what the epochs need ----------------------- */

/* The probe on the photos that can be read; from scratch, only which photos those are. */
wk_status wk_finetune_begin(wk_finetune_job *j, wk_error *err);
/* The network with this many classes, what of it trains, and its trainable sub-graph. */
wk_status wk_finetune_make_network(wk_finetune_job *j, wk_error *err);
/* What every epoch starts from: activations of the last frozen layer, or pixels. */
wk_status wk_finetune_load_inputs(wk_finetune_job *j, wk_error *err);
/* What the teacher says of each photo, if there is one. */
wk_status wk_finetune_ask_teacher(wk_finetune_job *j, wk_error *err);
/* Everything the weights depend on, hashed: what a checkpoint must agree with. The number of threads is not in it. */
wk_status wk_finetune_make_fingerprint(wk_finetune_job *j, wk_error *err);

/* ---- initial_head.c: the classifier that a run begins with --------------------------------------- */

/* The network's first classifier: the probe, or what it is on all kept views. */
wk_status wk_finetune_start_classifier(wk_finetune_job *j, wk_error *err);

/* ---- finetune_result.c: what comes out ---------------------------------------------------------- */

/* Measures the tuned network, and puts it or the probe into the result. */
wk_status wk_finetune_choose(wk_finetune_job *j, wk_error *err);

#endif

/* finetune.h - fine-tuning: training some or all layers of a backbone on photos, or a network from scratch.
 *
 *   What does not train is computed once: activations at the deepest layer below which nothing changes are kept, and
 *   every epoch starts there. A run begins at the linear probe (probe.h): its weights are the first classifier, its score is
 *   epoch 0, and if no epoch does better the probe is what comes out.
 *
 * The same bits come out for any number of threads, and for a run that was stopped and resumed.
 */
#ifndef WHISKER_FINETUNE_H
#define WHISKER_FINETUNE_H

#include "whisker/augment.h"
#include "whisker/options.h"
#include "whisker/metrics.h"
#include "whisker/probe.h"
#include "whisker/optim.h"
#include "whisker/train_nn.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum wk_finetune_average {
  WK_AVERAGE_NONE = 0,
  WK_AVERAGE_EMA,        /* moving average over steps */
  WK_AVERAGE_SWA,        /* mean of the last epochs' weights (Izmailov et al. 2018) */
  WK_AVERAGE_CHECKPOINTS /* mean of those epochs' weights that make it better on the val photos, the first weights of a pretrained
                          * network among them ("greedy soup": Wortsman et al. 2022); without val photos as SWA */
} wk_finetune_average;

/* Which of probe and tuned network comes out. */
typedef enum wk_finetune_keep { WK_KEEP_BETTER = 0, WK_KEEP_FINETUNED, WK_KEEP_PROBE } wk_finetune_keep;

/* Photos with labels 0..classes-1. A photo that cannot be read is left out with a warning. */
typedef struct wk_finetune_data {
  const char *const *paths;
  const int *labels;
  size_t photo_count;
} wk_finetune_data;

/* One epoch of a run's history. Epoch 0 is the network before its first step. */
typedef struct wk_finetune_epoch {
  int epoch;
  double lr;       /* learning rate of its last step */
  double train_loss; /* mean over its steps, as trained (smoothed, mixed, with dropout); NaN for epoch 0 */
  double val_loss;   /* cross-entropy at the best temperature; NaN without val photos */
  double val_top1;
  double attacked_loss; /* the same two (at the temperature of the photos as they are) of at most 100 val photos, moved */
  double attacked_top1; /* against the network by a few steps; NaN unless the run is adversarial */
  double gradient_norm;   /* length of the last step's, before clipping */
  double seconds;
  bool best;         /* the best so far, and kept */
} wk_finetune_epoch;

/* What the learning-rate range test saw: short of its end where the loss rose too far. */
typedef struct wk_lr_curve {
  double *lr, *loss; /* [steps] */
  int steps;
  double suggested;
} wk_lr_curve;

/* Adversarial training: each batch is moved against the network as it is, inside a bound, before it is learned from. "Fast"
 * (Wong, Rice and Kolter, "Fast is better than free", ICLR 2020): from a random point of the bound by the gradient's sign. */
typedef struct wk_adversary {
  double eps_255; /* largest change of a value, in grey levels of 255; default 0: photos are not attacked */
  int steps;      /* gradients of an attack; default 1 */
  double share;   /* of each batch that is moved, the others are learned from as they are; default 0.5 */
} wk_adversary;

typedef struct wk_finetune_options {
  /* What trains: "head" (the classifier alone), "all", "last:N" (the last N stages and what comes after them), "from:LAYER", or a
   * stage's name (that stage and all after it). Default "last:2". */
  const char *depth;
  int epochs;     /* default 12 */
  int batch;      /* photos a step; default 32 */
  int accumulate; /* batches whose gradients are added up for a step; default 1 */

  wk_optim_options optim;       /* default adamw */
  wk_schedule_options schedule; /* default cosine after one epoch of warm-up (at most half of the epochs); lr 0 (default): the optimiser's own, smaller
                                 * where photos are fewer than a thousand: there is less to learn, and as much to lose */
  bool find_lr;           /* try many learning rates first, and take the one where the loss falls fastest */
  double head_lr;               /* times the learning rate, for the classifier; default 1 */
  double layer_decay;           /* times the learning rate, for each stage further from the classifier; default 0.8 */
  bool l2_sp;                   /* weight decay pulls to the pretrained weights, not to 0; default true */

  wk_loss_options loss; /* default no smoothing, for the probe's probabilities are right already (from scratch 0.1); class_weight is not read here, see balance */
  bool balance;         /* weight classes by 1 / their share */
  const wk_model *teacher; /* to learn from as well, by loss.distill (0.5 where that is 0); it has the same classes in the same order */
  wk_mix_options mix;   /* default off */
  wk_augment augment;   /* default off */
  bool augment_few;     /* where augment is off and photos are few: a gentle crop and a mirror all the same, as kept views (default
                         * true). What comes of a few photos a class hangs on which photos these are; their views make it less so */
  int views;            /* with augmentation: views kept of each photo, the first being the photo itself. 0: none, every
                         * epoch reads the photos and runs the frozen layers again. Negative (default): chosen by which is
                         * less work. Of several kept views the first classifier is fitted again, with the probe's penalty */
  wk_adversary adversary; /* default off. With it all photos' pixels are what every epoch starts from, whatever trains */
  float dropout;          /* share dropped at every dropout layer; negative (default): each layer's own */
  float stochastic_depth; /* default 0 */
  wk_norm_mode norm;      /* default frozen; from scratch, batch */
  double clip_norm;       /* longest gradient; 0: any; default 1 */
  double clip_value;      /* largest entry; 0: any */

  wk_finetune_average average; /* default EMA */
  double ema_decay;        /* default 0.98 */
  double swa_start;        /* share of the run after which SWA begins; default 0.75 */
  int patience;            /* stop after so many epochs that are not better; 0: never; default 6 */
  wk_finetune_keep keep;

  bool from_scratch; /* first weights are drawn, and the whole network trains; depth is not read */
  wk_init_kind init; /* default he_out, with lecun for linear layers, as torchvision's networks */

  wk_probe_options probe;
  wk_features_options features; /* where the probe's features are kept; its layer is not read */

  size_t memory_bytes;        /* most memory for kept activations; beyond it they lie in a file; default 1 GB */
  const char *scratch_folder; /* where that file is made; NULL: running out of memory_bytes is an error */
  const char *checkpoint;     /* file written after each epoch; NULL: none */
  bool resume;                /* go on from `checkpoint`, if it is there */

  /* Called after each epoch, on the caller's thread; may be NULL. */
  void (*on_epoch)(void *user, const wk_finetune_epoch *epoch);
  /* Called once before the first: what is frozen, where it is kept, what the run will need; one line, may be NULL. */
  void (*on_start)(void *user, const char *line);
  void *user;
} wk_finetune_options;

WK_API void wk_finetune_options_init(wk_finetune_options *o);
/* The recipe for adversarial training (see wk_adversary) instead: the first layers are what a small change goes through, so all
 * train, at one rate three times the usual one, for 4 epochs, each a third longer than an ordinary one. */
WK_API void wk_finetune_options_adversarial(wk_finetune_options *o, double eps_255);
/* The recipe for a network from scratch instead: first weights are far from good ones, so steps are longer, epochs more,
 * batch norm is that of the batch, and there is nothing to hold on to. */
WK_API void wk_finetune_options_scratch(wk_finetune_options *o);
WK_API wk_status wk_finetune_options_validate(const wk_finetune_options *o, wk_error *err) WK_NODISCARD;
WK_API const wk_option_table *wk_finetune_options_table(void);

typedef struct wk_finetune_result {
  wk_backbone *backbone; /* with the tuned weights; NULL where the probe came out: the backbone is unchanged */
  wk_head *head;
  bool tuned;            /* false: the probe came out */
  wk_probe_report probe; /* of the probe it began with; all NaN from scratch */
  wk_metrics *probe_val, *tuned_val; /* on the val photos, each at its own temperature; NULL without */
  wk_finetune_epoch *history;  /* [epochs] history, epoch 0 first */
  int epochs;
  int best;              /* number of the epoch whose weights were kept */
  int64_t params;        /* that trained */
  double lr;             /* the largest learning rate */
  wk_lr_curve rates;   /* with find_lr */
  char *frozen;          /* last layer that did not train and was computed once; NULL: none */
  uint64_t kept_bytes;   /* of its activations */
  bool kept_on_disk;
  int views;             /* kept of each photo; 0: made anew for each epoch */
  wk_calibration calibration; /* of the tuned network on the val photos; temperature 1 without */
  size_t attacked;       /* val photos that were attacked after each epoch; 0: the run is not adversarial, or has no val photos */
  double attacked_before, attacked_after; /* share of them that stayed right, at epoch 0 and at `best`; else NaN */
  bool stopped_early, cancelled;
  char *trouble;         /* why it stopped, where the loss was no longer finite after a good epoch; else NULL */
  size_t broken;         /* photos that could not be read */
} wk_finetune_result;

/* `b` is only read. An adversarial run is judged by what it withstands: `attacked_loss` decides which epoch is kept, and the tuned
 * network comes out although the probe may have more photos right when nobody attacks (WK_KEEP_BETTER). `val` (may be NULL, or have no photos) decides which epoch is kept, when to stop, and the temperature;
 * without it the last epoch is kept. When ctx is cancelled after at least one epoch, the result is what was best so far, with
 * `cancelled` set. Progress stages: "features", "classifier", "epoch N".
 * A loss that is not finite stops the run: in the first epoch it is WK_ERR_NUMERIC, later the result is what was best so far, with
 * `trouble`; either message names the step and the likely cause. */
WK_API wk_status wk_finetune(wk_finetune_result **out, const wk_backbone *b, const wk_finetune_data *train, const wk_finetune_data *val,
                         int classes, const wk_finetune_options *o, const wk_context *ctx, wk_error *err) WK_NODISCARD;
WK_API void wk_finetune_result_free(wk_finetune_result *r);
/* The history as JSON, which begins {"made_by":"whisker; wk_free it. NULL: out of memory. */
WK_API char *wk_finetune_history(const wk_finetune_result *r);
/* The same into a file, atomically. */
WK_API wk_status wk_finetune_history_save(const char *path, const wk_finetune_result *r, wk_error *err) WK_NODISCARD;

/* Weights drawn for every parameter of an architecture: a backbone for training from scratch. Norms start at 1 and 0, biases at 0. */
WK_API wk_status wk_backbone_init_random(wk_backbone **out, const wk_arch *arch, wk_init_kind kind, uint64_t seed, wk_error *err) WK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif

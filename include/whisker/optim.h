/* optim.h - the parts a training loop is made of: losses, optimisers, schedules, initialisers, clipping, averages, mixing of
 * pictures. They know nothing of networks: parameters and gradients are flat arrays of floats, cut into
 * slots. Everything is deterministic, for any number of threads.
 *
 * Names are timm's and PyTorch's, and so are the formulas; each part says which it must equal.
 */
#ifndef WHISKER_OPTIM_H
#define WHISKER_OPTIM_H

#include "whisker/base.h"
#include "whisker/options.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- optimisers ------------------------------------------------------------------------------- */

typedef enum wk_optim_kind {
  WK_OPTIM_SGD = 0,  /* "sgd": plain */
  WK_OPTIM_MOMENTUM, /* "momentum": torch.optim.SGD(momentum) */
  WK_OPTIM_NESTEROV, /* "nesterov": torch.optim.SGD(momentum, nesterov=True) */
  WK_OPTIM_ADAGRAD,  /* "adagrad" */
  WK_OPTIM_RMSPROP,  /* "rmsprop"; with momentum where that is not 0 */
  WK_OPTIM_ADAM,     /* "adam": weight decay is part of the gradient */
  WK_OPTIM_ADAMW,    /* "adamw": decoupled weight decay (Loshchilov, Hutter 2019) */
  WK_OPTIM_LAMB,     /* "lamb": You et al. 2020, "Large batch optimization for deep learning" */
  WK_OPTIM_LION,     /* "lion": Chen et al. 2023, "Symbolic discovery of optimization algorithms" */
  WK_OPTIM_COUNT
} wk_optim_kind;

WK_API const char *wk_optim_name(wk_optim_kind kind);
/* By name; WK_ERR_NOT_FOUND lists those there are. */
WK_API wk_status wk_optim_parse(wk_optim_kind *out, const char *name, wk_error *err) WK_NODISCARD;

typedef struct wk_optim_options {
  wk_optim_kind kind;
  double momentum;     /* MOMENTUM, NESTEROV, RMSPROP */
  double beta1, beta2; /* ADAM, ADAMW, LAMB, LION; beta2 is also RMSPROP's decay of squares (PyTorch's alpha) */
  double eps;
  double weight_decay;
  double suggested_lr; /* a sensible learning rate for fine-tuning with this optimiser; not read by the optimiser */
} wk_optim_options;

/* The optimiser's own defaults (PyTorch's, or its paper's). */
WK_API void wk_optim_options_init(wk_optim_options *o, wk_optim_kind kind);
WK_API wk_status wk_optim_options_validate(const wk_optim_options *o, wk_error *err) WK_NODISCARD;
WK_API const wk_option_table *wk_optim_options_table(void);

/* One tensor of the flat arrays. Slots must not overlap; what lies in none is left alone. */
typedef struct wk_optim_slot {
  size_t offset, count;
  double lr_scale;    /* times the learning rate; 0 freezes it */
  double decay_scale; /* times the weight decay; 0 for biases and norms by custom. LAMB adapts only slots that decay */
} wk_optim_slot;

typedef struct wk_optim wk_optim;

/* Copies slots. `size`: floats of the flat arrays. */
WK_API wk_status wk_optim_create(wk_optim **out, const wk_optim_options *o, const wk_optim_slot *slot, int slots, size_t size,
                                 wk_error *err) WK_NODISCARD;
WK_API void wk_optim_free(wk_optim *o);
/* One update of params by gradient at learning rate lr. `towards` (may be NULL: zeros): where weight decay pulls; the
 * pretrained weights give L2-SP (Li, Grandvalet, Davoine 2018). */
WK_API wk_status wk_optim_step(wk_optim *o, float *params, const float *gradient, double lr, const float *towards,
                               const wk_context *ctx, wk_error *err) WK_NODISCARD;
/* What a checkpoint has to keep: arrays of `size` floats, and the number of steps. */
WK_API int wk_optim_state_count(const wk_optim *o);
WK_API float *wk_optim_state(wk_optim *o, int index);
WK_API uint64_t wk_optim_steps(const wk_optim *o);
WK_API void wk_optim_set_steps(wk_optim *o, uint64_t steps);

/* ---- learning-rate schedules ------------------------------------------------------------------ */

typedef enum wk_schedule_kind {
  WK_SCHEDULE_CONSTANT = 0, /* "constant" */
  WK_SCHEDULE_STEP,         /* "step": times `gamma` every `step_epochs` (StepLR) */
  WK_SCHEDULE_EXPONENTIAL,  /* "exponential": times `gamma` every epoch (ExponentialLR) */
  WK_SCHEDULE_COSINE,       /* "cosine": half a cosine down to `min_lr`, every step (CosineAnnealingLR) */
  WK_SCHEDULE_ONE_CYCLE,    /* "onecycle": up and down in one cycle, every step (OneCycleLR, cosine) */
  WK_SCHEDULE_PLATEAU,      /* "plateau": times `gamma` when the loss stops falling (ReduceLROnPlateau): wk_plateau */
  WK_SCHEDULE_COUNT
} wk_schedule_kind;

WK_API const char *wk_schedule_name(wk_schedule_kind kind);
WK_API wk_status wk_schedule_parse(wk_schedule_kind *out, const char *name, wk_error *err) WK_NODISCARD;

typedef struct wk_schedule_options {
  wk_schedule_kind kind;
  double lr;            /* the largest one */
  double min_lr;        /* COSINE, PLATEAU; default 0 */
  double gamma;         /* default 0.1 (STEP, PLATEAU), 0.98 (EXPONENTIAL) */
  double step_epochs;   /* STEP; default 30 */
  double warmup_epochs; /* a line from warmup_factor * lr to lr first; the schedule then has the rest (LinearLR and
                           SequentialLR); default 0 */
  double warmup_factor; /* default 0.01 */
  double one_cycle_start, one_cycle_div, one_cycle_final_div; /* PyTorch's pct_start 0.3, div_factor 25, 1e4 */
  int patience;         /* PLATEAU: epochs without a better loss; default 10 */
  double threshold;     /* PLATEAU: share by which a loss must be lower to count; default 1e-4 */
} wk_schedule_options;

WK_API void wk_schedule_options_init(wk_schedule_options *o, wk_schedule_kind kind);
WK_API wk_status wk_schedule_options_validate(const wk_schedule_options *o, wk_error *err) WK_NODISCARD;
WK_API const wk_option_table *wk_schedule_options_table(void);
/* The learning rate of step 0..steps-1 of a run; a pure function. PLATEAU gives lr after its warm-up. */
WK_API double wk_schedule_lr(const wk_schedule_options *o, uint64_t step, uint64_t steps_per_epoch, uint64_t steps);

/* The only schedule with a memory. Plain data, so a checkpoint can keep it. */
typedef struct wk_plateau {
  double best, scale;
  int bad;
} wk_plateau;
WK_API void wk_plateau_init(wk_plateau *p);
/* After each epoch; returns what to multiply lr by from now on. */
WK_API double wk_plateau_update(wk_plateau *p, const wk_schedule_options *o, double loss);

/* ---- losses ----------------------------------------------------------------------------------- */

/* Mean cross-entropy of `rows` photos, as torch.nn.functional.cross_entropy. Either labels or soft targets. Distillation (Hinton,
 * Vinyals, Dean 2015) adds the teacher's softened probabilities:
 *   (1 - distill) * cross-entropy + distill * T^2 * KL(teacher at T || network at T). */
typedef struct wk_loss_options {
  double smoothing;          /* label smoothing, 0..1 */
  const float *class_weight; /* [classes]; NULL: all 1. With labels the mean is by weight, with soft targets by photo */
  double distill;            /* 0..1 */
  double distill_temperature; /* default 4 */
} wk_loss_options;

typedef struct wk_loss_target {
  const int *label;     /* [rows], or NULL */
  const float *soft;    /* [rows, classes] where label is NULL */
  const float *teacher; /* [rows, classes] logits, where distill > 0 */
} wk_loss_target;

WK_API void wk_loss_options_init(wk_loss_options *o);
WK_API const wk_option_table *wk_loss_options_table(void);
/* What the cross-entropy of `rows` photos is divided by: the photos, or the sum of the weights of their labels. Of photos in several
 * batches that share a step, the sum of these. */
WK_API double wk_loss_divisor(const wk_loss_options *o, const int *label, size_t rows);
/* Rows first..first+count-1 of a batch: adds their part of the loss to *loss and writes d loss / d logits, [count, classes]
 * (gradient may be NULL). `logits` is [count, classes]; the target's arrays are the whole batch's. `divisor`: wk_loss_divisor of all
 * photos of the step; `photos`: how many these are, which distillation is divided by (KLDivLoss's "batchmean"). Thread-safe. */
WK_API void wk_loss_rows(double *loss, float *gradient, const float *logits, const wk_loss_target *target, size_t first,
                         size_t count, int classes, double divisor, size_t photos, const wk_loss_options *o);

/* ---- initialisers ----------------------------------------------------------------------------- */

typedef enum wk_init_kind {
  WK_INIT_UNIFORM = 0,   /* "uniform": in [-gain, gain) */
  WK_INIT_NORMAL,        /* "normal": deviation gain */
  WK_INIT_LECUN,         /* "lecun": normal, deviation gain / sqrt(fan in) */
  WK_INIT_XAVIER,        /* "xavier": uniform, gain * sqrt(6 / (fan in + fan out)) (xavier_uniform_) */
  WK_INIT_XAVIER_NORMAL, /* "xavier_normal" */
  WK_INIT_HE,            /* "he": normal, gain * sqrt(2 / fan in) (kaiming_normal_, fan_in) */
  WK_INIT_HE_UNIFORM,    /* "he_uniform" */
  WK_INIT_HE_OUT,        /* "he_out": normal, gain * sqrt(2 / fan out), as torchvision's networks */
  WK_INIT_ORTHOGONAL,    /* "orthogonal": rows or columns orthonormal, times gain (orthogonal_) */
  WK_INIT_COUNT
} wk_init_kind;

/* Fills a weight of PyTorch's shape [out, in, ...]: fan in is in * window, fan out is out * window. A shape of fewer than two sides
 * counts as [count, 1]. Only ORTHOGONAL can fail (memory). */
WK_API wk_status wk_init_weight(float *weight, int ndim, const int64_t *shape, wk_init_kind kind, double gain, wk_rng *rng,
                                wk_error *err) WK_NODISCARD;

/* ---- clipping and averages -------------------------------------------------------------------- */

/* Scales the gradient so that its length is at most `most` (clip_grad_norm_); returns its length before (not finite: left alone). */
WK_API double wk_clip_norm(float *gradient, size_t n, double most);
/* Each value to -most..most (clip_grad_value_). */
WK_API void wk_clip_value(float *gradient, size_t n, double most);
/* Length of an array; the same bits wherever it is computed. */
WK_API double wk_norm(const float *x, size_t n);

/* average = decay * average + (1 - decay) * params. */
WK_API void wk_average_ema(float *average, const float *params, size_t n, double decay);
/* The decay of step 0, 1, ... that does not remember the start for long: min(decay, (1 + step) / (10 + step)). */
WK_API double wk_average_ema_decay(double decay, uint64_t step);
/* The mean of count + 1 arrays from the mean of `count` (SWA: Izmailov et al. 2018; checkpoint averaging). */
WK_API void wk_average_add(float *mean, const float *params, size_t n, uint64_t count);

/* ---- mixing pictures of a batch --------------------------------------------------------------- */

typedef struct wk_mix_options {
  double mixup;       /* alpha of mixup (Zhang et al. 2018); 0: off */
  double cutmix;      /* alpha of CutMix (Yun et al. 2019); 0: off */
  double probability; /* of mixing a batch at all; default 1 */
  double switching;   /* of CutMix where both are on; default 0.5 */
} wk_mix_options;

WK_API void wk_mix_options_init(wk_mix_options *o);
WK_API wk_status wk_mix_options_validate(const wk_mix_options *o, wk_error *err) WK_NODISCARD;
WK_API const wk_option_table *wk_mix_options_table(void);

/* How a batch is mixed: photo i with photo count-1-i, as timm. A pure function of (seed, epoch, batch). */
typedef struct wk_mix {
  double share;                   /* of the photo itself; 1: not mixed */
  bool cut;                       /* a box of the other photo, else all of both */
  int top, left, height, width;   /* the box */
} wk_mix;
WK_API wk_mix wk_mix_draw(const wk_mix_options *o, int height, int width, uint64_t seed, uint64_t epoch, uint64_t batch);
/* Mixes pictures [count, height, width, channels] in place. */
WK_API void wk_mix_pictures(float *pictures, int count, int height, int width, int channels, const wk_mix *mix);
/* The targets [count, classes] that go with it. */
WK_API void wk_mix_targets(float *soft, const int *label, int count, int classes, const wk_mix *mix);

#ifdef __cplusplus
}
#endif
#endif

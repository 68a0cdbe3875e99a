/* finetune_options.c - the settings of fine-tuning: the three recipes, what follows from how many photos there are, and
 * what cannot be. */
#include <math.h>

#include "train/finetune/finetune_parts.h"

/* Photos are few where several views of each are no more work than this many photos. */
#define FEW_BUDGET 2400
#define FEW_VIEWS 8
#define FULL_RATE_PHOTOS 1000 /* from here on the optimiser's own learning rate is right */

void wk_finetune_options_init(wk_finetune_options *o) {
  *o = (wk_finetune_options){.depth = "last:2",
                             .epochs = 12,
                             .batch = 32,
                             .accumulate = 1,
                             .head_lr = 1,
                             .layer_decay = 0.8,
                             .l2_sp = true,
                             .dropout = -1,
                             .norm = WK_NORM_FROZEN,
                             .clip_norm = 1,
                             .average = WK_AVERAGE_EMA,
                             .ema_decay = 0.98,
                             .swa_start = 0.75,
                             .patience = 6,
                             .init = WK_INIT_HE_OUT,
                             .memory_bytes = (size_t)1 << 30};
  wk_optim_options_init(&o->optim, WK_OPTIM_ADAMW);
  wk_schedule_options_init(&o->schedule, WK_SCHEDULE_COSINE);
  o->schedule.lr = 0;
  o->schedule.warmup_epochs = 1;
  wk_loss_options_init(&o->loss);
  wk_mix_options_init(&o->mix);
  o->adversary = (wk_adversary){.steps = 1, .share = 0.5};
  wk_augment_init(&o->augment);
  o->augment_few = true;
  o->views = -1;
  wk_probe_options_init(&o->probe);
  wk_features_options_init(&o->features);
}

void wk_finetune_options_adversarial(wk_finetune_options *o, double eps_255) {
  wk_finetune_options_init(o);
  o->adversary.eps_255 = eps_255;
  o->depth = "all";
  o->epochs = 4;
  o->layer_decay = 1;
  o->average = WK_AVERAGE_NONE;
}

void wk_finetune_options_scratch(wk_finetune_options *o) {
  wk_finetune_options_init(o);
  o->from_scratch = true;
  o->depth = "all";
  o->epochs = 30;
  o->norm = WK_NORM_BATCH;
  o->augment_few = false;
  o->loss.smoothing = 0.1;
  o->layer_decay = 1;
  o->l2_sp = false;
  o->patience = 0; /* one cycle has its best epochs at its end */
  o->optim.weight_decay = 0.05;
  wk_schedule_options_init(&o->schedule, WK_SCHEDULE_ONE_CYCLE);
  o->schedule.lr = 0;
}

double wk_finetune_learning_rate(const wk_finetune_options *o, size_t photos) {
  double share = photos < FULL_RATE_PHOTOS ? (double)photos / FULL_RATE_PHOTOS : 1;
  if (o->schedule.lr > 0)
    return o->schedule.lr;
  if (o->from_scratch)
    return o->optim.suggested_lr * 20;
  /* To withstand attacks is a new task, with much more to learn than the photos' classes, however few they are. */
  return o->optim.suggested_lr * (o->adversary.eps_255 > 0 ? 3 : share * share);
}

wk_status wk_finetune_options_validate(const wk_finetune_options *o, wk_error *err) {
  if (!o->depth || !*o->depth)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "say what to tune: head, all, last:N, from:LAYER or a stage's name");
  if (o->epochs < 1 || o->epochs > 100000)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "%d epochs cannot be: at least 1", o->epochs);
  if (o->batch < 1 || o->batch > 65536 || o->accumulate < 1)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a batch of %d photos, %d of them a step, cannot be: at least 1 each",
                   o->batch, o->accumulate);
  if (!(o->head_lr >= 0) || isinf(o->head_lr) || !(o->layer_decay > 0 && o->layer_decay <= 1))
    return WK_FAIL(
        err, WK_ERR_ARGUMENT,
        "%g times the learning rate for the classifier, and %g a stage, cannot be: 0 or more, and above 0 to "
        "1",
        o->head_lr, o->layer_decay);
  if (!(o->loss.distill >= 0 && o->loss.distill <= 1 && o->loss.distill_temperature > 0))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "distilling with weight %g at temperature %g cannot be: 0 to 1, above 0",
                   o->loss.distill, o->loss.distill_temperature);
  if (!(o->loss.smoothing >= 0 && o->loss.smoothing < 1))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "label smoothing is %g, but must be at least 0 and below 1",
                   o->loss.smoothing);
  const wk_adversary *a = &o->adversary;
  if (!(a->eps_255 >= 0 && a->eps_255 <= 255) || a->steps < 1 || a->steps > 1000 || !(a->share > 0 && a->share <= 1))
    return WK_FAIL(
        err, WK_ERR_ARGUMENT,
        "%d steps of an attack that changes values by up to %g grey levels, on %g of the photos, cannot be: 1 "
        "to 1000 steps, 0 (none) to 255 levels, a share above 0 to 1",
        a->steps, a->eps_255, a->share);
  if (!(o->clip_norm >= 0) || !(o->clip_value >= 0))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "gradients cannot be clipped at %g and %g: above 0, or 0 for not at all",
                   o->clip_norm, o->clip_value);
  if (!(o->dropout < 1) || !(o->stochastic_depth >= 0 && o->stochastic_depth < 1))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "dropout of %g and stochastic depth of %g cannot be: below 1",
                   (double)o->dropout, (double)o->stochastic_depth);
  if (!(o->ema_decay >= 0 && o->ema_decay < 1) || !(o->swa_start >= 0 && o->swa_start < 1))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "averaging with decay %g from %g of the run on cannot be: 0 to below 1",
                   o->ema_decay, o->swa_start);
  if (o->patience < 0)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "patience is %d, but must be 0 (never stop early) or more", o->patience);
  if (o->resume && !o->checkpoint)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "to resume, say from which checkpoint");
  wk_schedule_options schedule = o->schedule;
  schedule.lr = wk_finetune_learning_rate(o, FULL_RATE_PHOTOS);
  if (o->schedule.lr < 0 || isnan(o->schedule.lr))
    schedule.lr = o->schedule.lr;
  WK_RETURN_IF_ERROR(wk_schedule_options_validate(&schedule, err));
  WK_RETURN_IF_ERROR(wk_optim_options_validate(&o->optim, err));
  WK_RETURN_IF_ERROR(wk_mix_options_validate(&o->mix, err));
  WK_RETURN_IF_ERROR(wk_augment_validate(&o->augment, err));
  return wk_probe_options_validate(&o->probe, err);
}

/* Turns on what few photos gain from, in a copy of the options. */
void wk_finetune_options_help_few(wk_finetune_options *o, size_t photos) {
  size_t views = FEW_BUDGET / (photos ? photos : 1);
  if (o->from_scratch || !o->augment_few || !wk_augment_is_off(&o->augment) || views < 2)
    return;
  o->augment.crop = true;
  o->augment.scale[0] = 0.5;
  o->augment.hflip = 0.5;
  if (o->views < 0)
    o->views = views < FEW_VIEWS ? (int)views : FEW_VIEWS;
}

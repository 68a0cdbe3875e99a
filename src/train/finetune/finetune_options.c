/* finetune_options.c - what can be set of a fine-tuning run: the table that its defaults, checks, flags, JSON and a
 * checkpoint's fingerprint come from, and the recipes that differ from it. */
#include <math.h>
#include <string.h>

#include "base/option_field.h"
#include "data/data.h"
#include "image/augment.h"
#include "train/finetune/finetune_parts.h"
#include "train/option_tables.h"

/* Photos are few where several views of each are no more work than this many photos. */
#define FEW_BUDGET 2400
#define FEW_VIEWS 8
#define FULL_LR_PHOTOS 1000 /* from here on the optimiser's own learning rate is right */

static const char *const norms[] = {"frozen", "batch", NULL},
                         *const averages[] = {"none", "ema", "swa", "checkpoints", NULL},
                         *const keeps[] = {"better", "tuned", "probe", NULL};

/* ---- the table --------------------------------------------------------------------------------- */

static const wk_option adversary_rows[] = {{.name = "adversarial",
                                            WK_ROW_DOUBLE(wk_adversary, eps_255),
                                            .min = 0,
                                            .max = 255,
                                            .flags = WK_OPTION_FINGERPRINT,
                                            .placeholder = "EPS",
                                            .help = "adversarial training: perturb photos by up to EPS/255 (fine-tunes "
                                                    "all layers unless --tune says otherwise); 0: "
                                                    "off"},
                                           {.name = "adversarial-steps",
                                            WK_ROW_INT(wk_adversary, steps),
                                            .value = 1,
                                            .min = 1,
                                            .max = 1000,
                                            .flags = WK_OPTION_FINGERPRINT,
                                            .placeholder = "N",
                                            .help = "gradient steps of each attack in adversarial training"},
                                           {.name = "adversarial-share",
                                            WK_ROW_DOUBLE(wk_adversary, share),
                                            .value = 0.5,
                                            .min = 0,
                                            .max = 1,
                                            .flags = WK_OPTION_ABOVE_MIN | WK_OPTION_FINGERPRINT,
                                            .placeholder = "SHARE",
                                            .help = "share of each batch that is perturbed in adversarial training"},
                                           {0}};
static const wk_option_table adversary_table = {"adversary", sizeof(wk_adversary), adversary_rows, NULL};

static const wk_option_value adamw[] = {{"opt", WK_OPTIM_ADAMW, NULL}, {0}},
                             cosine[] = {
                                 {"sched", WK_SCHEDULE_COSINE, NULL}, {"lr", 0, NULL}, {"warmup-epochs", 1, NULL}, {0}};

static const wk_option option_rows[] = {
    {.name = "tune",
     WK_ROW_TEXT(wk_finetune_options, depth),
     .text = "last:2",
     .flags = WK_OPTION_NO_FLAG,
     .help = "what trains"},
    {.name = "epochs",
     WK_ROW_INT(wk_finetune_options, epochs),
     .value = 12,
     .min = 1,
     .max = 100000,
     .flags = WK_OPTION_FINGERPRINT,
     .placeholder = "N",
     .help = "passes over the training photos"},
    {.name = "batch-size",
     WK_ROW_INT(wk_finetune_options, batch),
     .value = 32,
     .min = 1,
     .max = 65536,
     .flags = WK_OPTION_FINGERPRINT,
     .placeholder = "N",
     .help = "photos in each training step"},
    {.name = "grad-accum-steps",
     WK_ROW_INT(wk_finetune_options, accumulate),
     .value = 1,
     .min = 1,
     .max = 65536,
     .flags = WK_OPTION_FINGERPRINT,
     .old_names = "accumulate",
     .placeholder = "N",
     .help = "batches whose gradients are summed before each update"},
    {WK_ROW_PART(wk_finetune_options, optim, &wk_optim_table), .preset = adamw},
    {WK_ROW_PART(wk_finetune_options, schedule, &wk_schedule_table), .preset = cosine},
    {.name = "find-lr",
     WK_ROW_BOOL(wk_finetune_options, find_lr),
     .flags = WK_OPTION_FINGERPRINT | WK_OPTION_NO_FLAG,
     .help = "find the learning rate by a range test first"},
    {.name = "layer-decay",
     WK_ROW_DOUBLE(wk_finetune_options, layer_decay),
     .value = 0.8,
     .min = 0,
     .max = 1,
     .flags = WK_OPTION_ABOVE_MIN | WK_OPTION_FINGERPRINT,
     .placeholder = "X",
     .help = "layer-wise learning-rate decay: factor for each stage further from the classifier"},
    {.name = "head-lr",
     WK_ROW_DOUBLE(wk_finetune_options, head_lr),
     .value = 1,
     .min = 0,
     .max = INFINITY,
     .flags = WK_OPTION_FINGERPRINT,
     .placeholder = "X",
     .help = "learning-rate factor of the classifier"},
    {.name = "l2-sp",
     WK_ROW_BOOL(wk_finetune_options, l2_sp),
     .value = 1,
     .flags = WK_OPTION_FINGERPRINT,
     .help = "let weight decay pull towards 0 instead of the pretrained weights (L2-SP)"},
    {.name = "clip-grad",
     WK_ROW_DOUBLE(wk_finetune_options, clip_norm),
     .value = 1,
     .min = 0,
     .max = INFINITY,
     .flags = WK_OPTION_FINGERPRINT,
     .placeholder = "NORM",
     .help = "largest norm of the gradient; 0: unlimited"},
    {.name = "clip-value",
     WK_ROW_DOUBLE(wk_finetune_options, clip_value),
     .min = 0,
     .max = INFINITY,
     .flags = WK_OPTION_FINGERPRINT,
     .placeholder = "V",
     .help = "largest entry of the gradient; 0: unlimited"},
    {.name = "augment",
     WK_ROW_CODEC(wk_finetune_options, augment, &wk_augment_codec),
     .flags = WK_OPTION_NO_FLAG,
     .help = "data augmentation"},
    {.name = "augment-few",
     WK_ROW_BOOL(wk_finetune_options, augment_few),
     .value = 1,
     .flags = WK_OPTION_NO_FLAG,
     .help = "gentle augmentation where photos are few"},
    {.name = "augment-views",
     WK_ROW_INT(wk_finetune_options, views),
     .value = -1,
     .min = 0,
     .max = 1000,
     .automatic = "whichever is less work",
     .placeholder = "K",
     .help = "augmented views of each photo that are kept; 0: new ones every epoch"},
    {WK_ROW_PART(wk_finetune_options, loss, &wk_loss_table)},
    {.name = "balance",
     WK_ROW_BOOL(wk_finetune_options, balance),
     .flags = WK_OPTION_FINGERPRINT | WK_OPTION_NO_FLAG,
     .help = "weight every class the same, however many photos it has"},
    {WK_ROW_PART(wk_finetune_options, mix, &wk_mix_table)},
    {WK_ROW_PART(wk_finetune_options, adversary, &adversary_table)},
    {.name = "drop",
     WK_ROW_FLOAT(wk_finetune_options, dropout),
     .value = -1,
     .min = 0,
     .max = 1,
     .automatic = "the network's own",
     .flags = WK_OPTION_BELOW_MAX | WK_OPTION_FINGERPRINT,
     .placeholder = "P",
     .help = "dropout rate"},
    {.name = "drop-path",
     WK_ROW_FLOAT(wk_finetune_options, stochastic_depth),
     .min = 0,
     .max = 1,
     .flags = WK_OPTION_BELOW_MAX | WK_OPTION_FINGERPRINT,
     .placeholder = "P",
     .help = "drop-path rate (stochastic depth)"},
    {.name = "norm",
     WK_ROW_CHOICE(wk_finetune_options, norm, norms),
     .flags = WK_OPTION_FINGERPRINT,
     .placeholder = "MODE",
     .help = "batch norm: pretrained running statistics, or those of each batch"},
    {.name = "average",
     WK_ROW_CHOICE(wk_finetune_options, average, averages),
     .value = WK_AVERAGE_EMA,
     .flags = WK_OPTION_FINGERPRINT,
     .placeholder = "KIND",
     .help = "averaging of weights over the run"},
    {.name = "model-ema-decay",
     WK_ROW_DOUBLE(wk_finetune_options, ema_decay),
     .value = 0.98,
     .min = 0,
     .max = 1,
     .flags = WK_OPTION_BELOW_MAX | WK_OPTION_FINGERPRINT,
     .placeholder = "D",
     .help = "decay of --average ema"},
    {.name = "swa-start",
     WK_ROW_DOUBLE(wk_finetune_options, swa_start),
     .value = 0.75,
     .min = 0,
     .max = 1,
     .flags = WK_OPTION_BELOW_MAX | WK_OPTION_FINGERPRINT,
     .placeholder = "SHARE",
     .help = "share of the run after which --average swa begins"},
    {.name = "patience",
     WK_ROW_INT(wk_finetune_options, patience),
     .value = 6,
     .min = 0,
     .max = INFINITY,
     .flags = WK_OPTION_FINGERPRINT,
     .placeholder = "N",
     .help = "early stopping: epochs without improvement; 0: never"},
    {.name = "keep",
     WK_ROW_CHOICE(wk_finetune_options, keep, keeps),
     .placeholder = "WHICH",
     .help = "what to save: the linear probe, the tuned network, or the better of the two"},
    {.name = "from-scratch",
     WK_ROW_BOOL(wk_finetune_options, from_scratch),
     .flags = WK_OPTION_NO_FLAG,
     .help = "train a randomly initialised network"},
    {.name = "init",
     WK_ROW_CHOICE(wk_finetune_options, init, wk_init_names),
     .value = WK_INIT_HE_OUT,
     .placeholder = "KIND",
     .help = "weight initialisation of --from-scratch"},
    {.name = "probe", WK_ROW_PART(wk_finetune_options, probe, &wk_probe_table)},
    {.name = "features", WK_ROW_PART(wk_finetune_options, features, &wk_features_table)},
    {.name = "memory",
     WK_ROW_SIZE(wk_finetune_options, memory_bytes),
     .value = 1 << 30,
     .min = 0,
     .max = INFINITY,
     .unit = 1 << 20,
     .placeholder = "MB",
     .help = "memory for kept activations, in MB; what is beyond it goes to disk"},
    {.name = "resume", WK_ROW_BOOL(wk_finetune_options, resume), .help = "continue from MODEL.checkpoint"},
    {0}};

/* ---- checks ------------------------------------------------------------------------------------ */

double wk_finetune_learning_rate(const wk_finetune_options *o, size_t photos) {
  double share = photos < FULL_LR_PHOTOS ? (double)photos / FULL_LR_PHOTOS : 1;
  if (o->schedule.lr > 0)
    return o->schedule.lr;
  if (o->from_scratch)
    return o->optim.suggested_lr * 20;
  /* To withstand attacks is a new task, with much more to learn than the photos' classes, however few they are. */
  return o->optim.suggested_lr * (o->adversary.eps_255 > 0 ? 3 : share * share);
}

static wk_status check(const void *options, wk_error *err) {
  const wk_finetune_options *o = options;
  if (!o->depth || !*o->depth)
    return WK_FAIL(err, WK_ERR_ARGUMENT,
                   "tune must be head, all, last:N, from:LAYER or the name of a stage (got nothing)");
  if (o->resume && !o->checkpoint)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "resume needs a checkpoint to continue from (got none)");
  return WK_OK;
}

const wk_option_table wk_finetune_table = {"finetune_options", sizeof(wk_finetune_options), option_rows, check};
const wk_option_table *wk_finetune_options_table(void) { return &wk_finetune_table; }

/* The learning rate may be 0 here, where it stands for the optimiser's own. */
wk_status wk_finetune_options_validate(const wk_finetune_options *o, wk_error *err) {
  wk_finetune_options resolved = *o;
  if (o->schedule.lr == 0)
    resolved.schedule.lr = wk_finetune_learning_rate(o, FULL_LR_PHOTOS);
  return wk_options_validate(&resolved, &wk_finetune_table, err);
}

/* ---- defaults and recipes ---------------------------------------------------------------------- */

static const wk_option_value adversarial[] = {{"tune", 0, "all"},
                                              {"epochs", 4, NULL},
                                              {"layer-decay", 1, NULL},
                                              {"average", WK_AVERAGE_NONE, NULL},
                                              {0}},
                             scratch[] = {{"from-scratch", 1, NULL},    {"tune", 0, "all"},
                                          {"epochs", 30, NULL},         {"norm", WK_NORM_BATCH, NULL},
                                          {"augment-few", 0, NULL},     {"smoothing", 0.1, NULL},
                                          {"layer-decay", 1, NULL},     {"l2-sp", 0, NULL},
                                          {"patience", 0, NULL}, /* one cycle has its best epochs at its end */
                                          {"weight-decay", 0.05, NULL}, {"sched", WK_SCHEDULE_ONE_CYCLE, NULL},
                                          {"warmup-epochs", 0, NULL},   {0}};

void wk_finetune_options_init(wk_finetune_options *o) { wk_options_init(o, &wk_finetune_table); }

void wk_finetune_options_adversarial(wk_finetune_options *o, double eps_255) {
  wk_options_init(o, &wk_finetune_table);
  wk_options_preset(o, &wk_finetune_table, adversarial);
  o->adversary.eps_255 = eps_255;
}

void wk_finetune_options_scratch(wk_finetune_options *o) {
  wk_options_init(o, &wk_finetune_table);
  wk_options_preset(o, &wk_finetune_table, scratch);
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

/* ---- the fingerprint --------------------------------------------------------------------------- */

/* The form of version 1, which every later one must give as well: checkpoints hold its hash. {#x} is a choice's number.
 */
static const char settings[] =
    "epochs {epochs} batch {batch-size} x {grad-accum-steps}, {opt} {momentum} {opt-beta1} {opt-beta2} {opt-eps} "
    "{weight-decay}, {sched} {lr} {min-lr} {decay-rate} {decay-epochs} {warmup-epochs} {warmup-factor}\n"
    "{one-cycle-start} {one-cycle-div} {one-cycle-final-div} {patience-epochs} {plateau-threshold}, {head-lr} "
    "{layer-decay} {l2-sp}, {smoothing} {balance}, {mixup} {cutmix} {mixup-prob} {mixup-switch-prob}\n"
    "{drop} {drop-path} {#norm}, {clip-grad} {clip-value}, {#average} {model-ema-decay} {swa-start} {patience}\n";
/* These stand elsewhere in it (finetune.c). */
static const char elsewhere[] = "{distill} {distill-temperature} {find-lr} {adversarial} {adversarial-steps} "
                                "{adversarial-share} ";

void wk_finetune_add_settings(wk_text *t, const wk_finetune_options *o, size_t photos) {
  wk_finetune_options resolved = *o;
  resolved.schedule.lr = wk_finetune_learning_rate(o, photos);
  wk_options_format(t, settings, &resolved, &wk_finetune_table);
}

void wk_finetune_add_more_settings(wk_text *t, const wk_finetune_options *o) {
  char known[sizeof settings + sizeof elsewhere];
  strcpy(known, settings);
  strcat(known, elsewhere);
  wk_options_fingerprint(t, known, o, &wk_finetune_table);
}

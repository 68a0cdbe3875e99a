/* tune_flags.c - the flags of fine-tuning, with timm's names, and the library's options from them. The defaults are the
 * library's own, read from wk_finetune_options_init, so that --help tells the truth. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tune_flags.h"

static const char *const norms[] = {"frozen", "batch", NULL},
                         *const averages[] = {"none", "ema", "swa", "checkpoints", NULL},
                         *const keeps[] = {"better", "tuned", "probe", NULL},
                         *const optimisers[] = {"sgd",  "momentum", "nesterov", "adagrad", "rmsprop",
                                                "adam", "adamw",    "lamb",     "lion",    NULL},
                         *const schedules[] = {"constant", "step",    "exponential", "cosine",
                                               "onecycle", "plateau", NULL},
                         *const inits[] = {"uniform", "normal",     "lecun",  "xavier",     "xavier_normal",
                                           "he",      "he_uniform", "he_out", "orthogonal", NULL};

static void defaults(wk_finetune_options *o, cli_tune_kind kind) {
  if (kind == CLI_TUNE_SCRATCH)
    wk_finetune_options_scratch(o);
  else if (kind == CLI_TUNE_ADVERSARIAL)
    wk_finetune_options_adversarial(o, 1);
  else
    wk_finetune_options_init(o);
}

void cli_tune_init(cli_tune *t, cli_tune_kind kind) {
  wk_finetune_options o;
  defaults(&o, kind);
  *t = (cli_tune){.depth = kind == CLI_TUNE_ADVERSARIAL ? o.depth : NULL,
                  .from_scratch = kind == CLI_TUNE_SCRATCH,
                  .epochs = o.epochs,
                  .batch = o.batch,
                  .accumulate = o.accumulate,
                  .patience = o.patience,
                  .norm = o.norm,
                  .average = o.average,
                  .keep = o.keep,
                  .optimiser = o.optim.kind,
                  .schedule = o.schedule.kind,
                  .init = o.init,
                  .warmup_epochs = o.schedule.warmup_epochs,
                  .smoothing = o.loss.smoothing,
                  .mixup = o.mix.mixup,
                  .cutmix = o.mix.cutmix,
                  .drop = NAN,
                  .drop_path = o.stochastic_depth,
                  .clip_grad = o.clip_norm,
                  .clip_value = o.clip_value,
                  .head_lr = o.head_lr,
                  .layer_decay = o.layer_decay,
                  .ema_decay = o.ema_decay,
                  .distill = 0.5,
                  .distill_temperature = o.loss.distill_temperature,
                  .memory_mb = (int)(o.memory_bytes >> 20)};
  wk_augment_init(&t->augment);
  t->views = -1;
  t->lr = t->weight_decay = t->momentum = t->min_lr = t->gamma = NAN;
}

int cli_tune_table(cli_flag *out, cli_tune *t) {
  const cli_flag table[] = {
      {"tune", 0, CLI_STRING, &t->depth, "DEPTH", "fine-tune: head, last:N, all, a stage's name, or from:LAYER", 0, 0,
       NULL},
      {"from-scratch", 0, CLI_BOOL, &t->from_scratch, NULL, "draw the first weights instead of loading any, train all",
       0, 0, NULL},
      {"epochs", 0, CLI_INT, &t->epochs, "N", "times through the photos", 1, 1000000, NULL},
      {"batch-size", 0, CLI_INT, &t->batch, "N", "photos a step", 1, 65536, NULL},
      {"accumulate", 0, CLI_INT, &t->accumulate, "N", "batches whose gradients are added up for a step", 1, 65536,
       NULL},
      {"opt", 0, CLI_CHOICE, &t->optimiser, "NAME", "optimiser", 0, 0, optimisers},
      {"lr", 0, CLI_STRING, &t->lr_text, "RATE",
       "learning rate; auto: found by trying many; without: the optimiser's own", 0, 0, NULL},
      {"sched", 0, CLI_CHOICE, &t->schedule, "NAME", "how the learning rate changes", 0, 0, schedules},
      {"warmup-epochs", 0, CLI_DOUBLE, &t->warmup_epochs, "N", "epochs in which the rate grows first", 0, 1e6, NULL},
      {"min-lr", 0, CLI_DOUBLE, &t->min_lr, "RATE", "lowest rate (cosine, plateau)", 0, 1e6, NULL},
      {"decay-rate", 0, CLI_DOUBLE, &t->gamma, "X", "what the rate is multiplied by (step, exponential, plateau)", 0, 1,
       NULL},
      {"weight-decay", 0, CLI_DOUBLE, &t->weight_decay, "W", "without: the optimiser's own", 0, 1e6, NULL},
      {"momentum", 0, CLI_DOUBLE, &t->momentum, "M", "without: the optimiser's own", 0, 0.9999, NULL},
      {"clip-grad", 0, CLI_DOUBLE, &t->clip_grad, "LENGTH", "longest gradient; 0: any", 0, 1e9, NULL},
      {"clip-value", 0, CLI_DOUBLE, &t->clip_value, "V", "largest entry of the gradient; 0: any", 0, 1e9, NULL},
      {"augment", 0, CLI_STRING, &t->augment_text, "LIST",
       "change the photos, such as scale=0.6:1,hflip=0.5,rotate=10 or aa=rand-m7; without: a little where they are few",
       0, 0, NULL},
      {"augment-views", 0, CLI_INT, &t->views, "K",
       "changed views kept of each photo; 0: new ones every epoch; -1: whichever is less work", -1, 1000, NULL},
      {"show-augment", 0, CLI_STRING, &t->show_augment, "FILE.png", "a picture of some photos as they will be changed",
       0, 0, NULL},
      {"teacher", 0, CLI_STRING, &t->teacher, "MODEL", "learn from what this model says of the photos as well", 0, 0,
       NULL},
      {"distill", 0, CLI_DOUBLE, &t->distill, "SHARE", "of the teacher's word in the loss", 0.001, 1, NULL},
      {"distill-temperature", 0, CLI_DOUBLE, &t->distill_temperature, "T", "softens what the teacher says", 0.01, 1000,
       NULL},
      {"smoothing", 0, CLI_DOUBLE, &t->smoothing, "S", "label smoothing", 0, 0.999, NULL},
      {"mixup", 0, CLI_DOUBLE, &t->mixup, "ALPHA", "mix pairs of photos; 0: off", 0, 100, NULL},
      {"cutmix", 0, CLI_DOUBLE, &t->cutmix, "ALPHA", "paste boxes of other photos; 0: off", 0, 100, NULL},
      {"drop", 0, CLI_DOUBLE, &t->drop, "P", "dropout; without: the network's own", 0, 0.99, NULL},
      {"drop-path", 0, CLI_DOUBLE, &t->drop_path, "P", "stochastic depth", 0, 0.99, NULL},
      {"norm", 0, CLI_CHOICE, &t->norm, "MODE", "batch norm: pretrained statistics, or each batch's", 0, 0, norms},
      {"average", 0, CLI_CHOICE, &t->average, "KIND", "which mean of the weights is kept", 0, 0, averages},
      {"model-ema-decay", 0, CLI_DOUBLE, &t->ema_decay, "D", "of --average ema", 0, 0.999999, NULL},
      {"patience", 0, CLI_INT, &t->patience, "N", "stop after N epochs that are not better; 0: never", 0, 1000000,
       NULL},
      {"layer-decay", 0, CLI_DOUBLE, &t->layer_decay, "X",
       "learning rate times X for each stage further from the classifier", 0.01, 1, NULL},
      {"head-lr", 0, CLI_DOUBLE, &t->head_lr, "X", "learning rate times X for the classifier", 0, 1e6, NULL},
      {"no-l2-sp", 0, CLI_BOOL, &t->no_l2_sp, NULL, "let weight decay pull to 0, not to the pretrained weights", 0, 0,
       NULL},
      {"init", 0, CLI_CHOICE, &t->init, "KIND", "first weights of --from-scratch", 0, 0, inits},
      {"keep", 0, CLI_CHOICE, &t->keep, "WHICH", "what is saved: probe or tuned network", 0, 0, keeps},
      {"resume", 0, CLI_BOOL, &t->resume, NULL, "go on from MODEL.checkpoint", 0, 0, NULL},
      {"memory", 0, CLI_INT, &t->memory_mb, "MB", "for kept activations; beyond it they lie on disk", 1, 1 << 30, NULL},
  };
  memcpy(out, table, sizeof table);
  return (int)(sizeof table / sizeof *table);
}

const char *cli_tune_misplaced(const cli *c, const cli_tune *t) {
  cli_tune own = *t;
  cli_flag table[CLI_TUNE_FLAGS];
  int n = cli_tune_table(table, &own);
  for (int i = 0; i < n; i++)
    if (cli_was_given(c, table[i].name) && strcmp(table[i].name, "show-augment") != 0 &&
        strcmp(table[i].name, "augment") != 0)
      return table[i].name;
  return NULL;
}

wk_status cli_tune_read(cli_tune *t, wk_error *err) {
  t->find_lr = t->lr_text && !strcmp(t->lr_text, "auto");
  if (t->lr_text && !t->find_lr) {
    char *end;
    t->lr = strtod(t->lr_text, &end);
    if (end == t->lr_text || *end || !(t->lr > 0) || !isfinite(t->lr))
      return cli_error(err, WK_ERR_ARGUMENT, "--lr takes a rate above 0, or auto, not '%.60s'", t->lr_text);
  }
  return t->augment_text ? wk_augment_parse(&t->augment, t->augment_text, err) : WK_OK;
}

void cli_tune_options(wk_finetune_options *o, const cli_tune *t) {
  defaults(o, t->from_scratch ? CLI_TUNE_SCRATCH : t->adversarial > 0 ? CLI_TUNE_ADVERSARIAL : CLI_TUNE_PLAIN);
  o->adversary.eps_255 = t->adversarial;
  if (t->depth && !t->from_scratch)
    o->depth = t->depth;
  o->resume = t->resume;
  o->l2_sp = o->l2_sp && !t->no_l2_sp;
  o->epochs = t->epochs;
  o->batch = t->batch;
  o->accumulate = t->accumulate;
  o->patience = t->patience;
  o->norm = (wk_norm_mode)t->norm;
  o->average = (wk_finetune_average)t->average;
  o->keep = (wk_finetune_keep)t->keep;
  o->init = (wk_init_kind)t->init;
  if (t->optimiser != (int)o->optim.kind)
    wk_optim_options_init(&o->optim, (wk_optim_kind)t->optimiser);
  if (!isnan(t->weight_decay))
    o->optim.weight_decay = t->weight_decay;
  if (!isnan(t->momentum))
    o->optim.momentum = t->momentum;
  if (t->schedule != (int)o->schedule.kind)
    wk_schedule_options_init(&o->schedule, (wk_schedule_kind)t->schedule);
  o->schedule.lr = isnan(t->lr) ? 0 : t->lr;
  o->find_lr = t->find_lr;
  o->augment = t->augment;
  o->augment_few = o->augment_few && !t->augment_text;
  o->views = t->views;
  o->schedule.warmup_epochs = t->warmup_epochs;
  if (!isnan(t->min_lr))
    o->schedule.min_lr = t->min_lr;
  if (!isnan(t->gamma))
    o->schedule.gamma = t->gamma;
  o->loss.smoothing = t->smoothing;
  o->loss.distill = t->teacher ? t->distill : 0;
  o->loss.distill_temperature = t->distill_temperature;
  o->mix.mixup = t->mixup;
  o->mix.cutmix = t->cutmix;
  o->dropout = isnan(t->drop) ? -1 : (float)t->drop;
  o->stochastic_depth = (float)t->drop_path;
  o->clip_norm = t->clip_grad;
  o->clip_value = t->clip_value;
  o->head_lr = t->head_lr;
  o->layer_decay = t->layer_decay;
  o->ema_decay = t->ema_decay;
  o->memory_bytes = (size_t)t->memory_mb << 20;
}

/* tune_flags.h - the flags of fine-tuning and what is done with them, for `train` and `tricks`. */
#ifndef WK_CLI_TUNE_H
#define WK_CLI_TUNE_H

#include "cli.h"
#include "whisker/finetune.h"

typedef struct cli_tune {
  const char *depth; /* --tune; NULL: no fine-tuning */
  const char *lr_text, *augment_text, *teacher, *show_augment;
  wk_augment augment; /* read from augment_text */
  int views;
  bool find_lr;
  bool from_scratch, resume, no_l2_sp;
  int epochs, batch, accumulate, patience, norm, average, keep, optimiser, schedule, init;
  double lr, weight_decay, momentum, warmup_epochs, min_lr, gamma, smoothing, mixup, cutmix, drop, drop_path, clip_grad,
      clip_value, head_lr, layer_decay, ema_decay, distill, distill_temperature;
  double adversarial; /* grey levels; 0: photos are not attacked */
  int memory_mb;
} cli_tune;

/* What a run's defaults are for. */
typedef enum cli_tune_kind { CLI_TUNE_PLAIN = 0, CLI_TUNE_SCRATCH, CLI_TUNE_ADVERSARIAL } cli_tune_kind;

enum { CLI_TUNE_FLAGS = 48 };
/* The library's defaults for that kind of run. */
void cli_tune_init(cli_tune *t, cli_tune_kind kind);
/* Writes the flags' table to `out` (at most CLI_TUNE_FLAGS entries); returns how many. */
int cli_tune_table(cli_flag *out, cli_tune *t);
/* The first flag of the table that was given although nothing is tuned; NULL: none. */
const char *cli_tune_misplaced(const cli *c, const cli_tune *t);
/* Reads the flags that are more than a number. WK_ERR_ARGUMENT says what is wrong with which. */
wk_status cli_tune_read(cli_tune *t, wk_error *err);
/* Options of the library from the flags; *o keeps pointers into t. */
void cli_tune_options(wk_finetune_options *o, const cli_tune *t);

/* What is trained, from what, to where. */
typedef struct cli_tune_job {
  cli *cli;
  const cli_tune *flags;
  const cli_split *split;
  wk_backbone *backbone; /* taken over when the run succeeds */
  const char *backbone_name, *out;
  bool light, balance;
  double began;
} cli_tune_job;
/* Opens the model of --teacher and checks that its classes are those of the data. */
wk_status cli_tune_teacher(wk_model **out, cli *c, const char *name, const wk_dataset *data, wk_error *err);
/* The files that a run writes beside its model without being told their names: what stands there and is not whisker's
 * is an error. */
wk_status cli_tune_check_outputs(const char *out, const cli_tune *t, wk_error *err);
/* The whole of `train --tune` after the photos are split: trains, saves the model, its history and curve, tells. */
int cli_tune_run(cli_tune_job *job);

/* The input's size and the augmentation that suit the photos, where no flag says them. */
wk_status cli_suit_scratch(cli *c, const cli_split *s, wk_preprocess *p, cli_tune *t, wk_error *err);

/* A PNG of some photos as training will change them. */
wk_status cli_show_augment(cli *c, const cli_split *s, const wk_preprocess *p, const wk_finetune_options *o,
                           const char *path, wk_error *err);

#endif

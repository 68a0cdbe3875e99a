/* tune_flags.h - the flags of fine-tuning and what is done with them, for `train` and `tricks`. */
#ifndef WK_CLI_TUNE_H
#define WK_CLI_TUNE_H

#include "cli.h"
#include "whisker/tune.h"

typedef struct cli_tune {
  const char *depth; /* --tune; NULL: no fine-tuning */
  const char *lr_text, *augment_text;
  wk_augment augment; /* read from augment_text */
  int views;
  bool find_lr;
  bool from_scratch, resume, no_l2_sp;
  int epochs, batch, accumulate, patience, norm, average, keep, optimiser, schedule, init;
  double lr, weight_decay, momentum, warmup_epochs, min_lr, gamma, smoothing, mixup, cutmix, drop, drop_path, clip_grad,
      clip_value, head_lr, layer_decay, ema_decay;
  int memory_mb;
} cli_tune;

enum { CLI_TUNE_FLAGS = 40 };
void cli_tune_init(cli_tune *t);
/* Writes the flags' table to `out` (at most CLI_TUNE_FLAGS entries); returns how many. */
int cli_tune_table(cli_flag *out, cli_tune *t);
/* Reads the flags that are more than a number. WK_ERR_ARGUMENT says what is wrong with which. */
wk_status cli_tune_read(cli_tune *t, wk_error *err);
/* Options of the library from the flags; *o keeps pointers into t. */
void cli_tune_options(wk_tune_options *o, const cli_tune *t);

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
/* The whole of `train --tune` after the photos are split: trains, saves the model, its history and curve, tells. */
int cli_tune_run(cli_tune_job *job);

#endif

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

/* What is told of an epoch, and of the whole run with where it lies now. `light`: --light was given. */
void cli_tune_say_epoch(cli *c, int epochs, const wk_finetune_epoch *e);
void cli_tune_say_result(cli *c, const wk_train_report *report, bool light);

#endif

/* tune_says.h - what `train` tells of fine-tuning (cmd_tune.c). */
#ifndef WK_CLI_TUNE_SAYS_H
#define WK_CLI_TUNE_SAYS_H

#include "cli.h"

/* What is told of an epoch, and of the whole run with where it lies now. `light`: --head-only was given. */
void cli_tune_say_epoch(cli *c, int epochs, const wk_finetune_epoch *e);
void cli_tune_say_result(cli *c, const wk_train_report *report, bool light);

#endif

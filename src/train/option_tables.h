/* option_tables.h - the tables of training's options, for those that hold others inside them. */
#ifndef WK_TRAIN_OPTION_TABLES_H
#define WK_TRAIN_OPTION_TABLES_H

#include "whisker/optim.h"
#include "whisker/options.h"

extern const wk_option_table wk_optim_table, wk_schedule_table, wk_loss_table, wk_mix_table, wk_probe_table, wk_finetune_table;
extern const char *const wk_init_names[]; /* by wk_init_kind, ends with NULL */

#endif

/* batchnorm.h (internal) - batch norm over a whole batch: what micro-batches do, and what happens where they meet. */
#ifndef WK_NN_BATCHNORM_H
#define WK_NN_BATCHNORM_H

#include "nn/run/trainer.h"

wk_status wk_run_norm_stats(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_norm_apply(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_norm_sums(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_norm_back(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_nothing(const wk_instr *in, wk_tape_exec *s, wk_error *err);

/* Between the halves of instruction `instr`. */
void wk_trainer_meet(struct wk_trainer *t, int instr, int micro_batches);
/* At the end of a step: running statistics move. */
void wk_trainer_move_stats(struct wk_trainer *t);

#endif

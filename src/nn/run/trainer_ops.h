/* trainer_ops.h (internal) - what the instructions do that a trainer alone has, but for those of batch norm. */
#ifndef WK_NN_TRAINER_OPS_H
#define WK_NN_TRAINER_OPS_H

#include "nn/run/trainer.h"

wk_status wk_run_loss(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_mbconv_back(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_weights_back(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_linear_save(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_norm_weights(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_dropout(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_dropout_back(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_depth_add(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_depth_back(const wk_instr *in, wk_tape_exec *s, wk_error *err);

#endif

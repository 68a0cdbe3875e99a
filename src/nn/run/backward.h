/* backward.h (internal) - what the instructions of a tape do that need nothing but the network itself. */
#ifndef WK_NN_BACKWARD_H
#define WK_NN_BACKWARD_H

#include "nn/run/backward_plain.h"

wk_status wk_run_forward(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_output_grad(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_move(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_act_back(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_data_back(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_affine_back(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_layer_norm_back(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_scale_back(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_factor_back(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_concat_back(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_flatten_back(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_max_pool_back(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_pool_back(const wk_instr *in, wk_tape_exec *s, wk_error *err);
wk_status wk_run_softmax_back(const wk_instr *in, wk_tape_exec *s, wk_error *err);

/* Their places in a table [WK_INSTR_COUNT]. */
#define WK_BACKWARD_FUNCTIONS                                                                                          \
  [WK_INSTR_FORWARD] = wk_run_forward, [WK_INSTR_OUTPUT_GRAD] = wk_run_output_grad, [WK_INSTR_MOVE] = wk_run_move,     \
  [WK_INSTR_ACT_BACK] = wk_run_act_back, [WK_INSTR_PLAIN_BACK] = wk_run_plain_back,                                    \
  [WK_INSTR_DATA_BACK] = wk_run_data_back, [WK_INSTR_AFFINE_BACK] = wk_run_affine_back,                                \
  [WK_INSTR_LAYER_NORM_BACK] = wk_run_layer_norm_back, [WK_INSTR_SCALE_BACK] = wk_run_scale_back,                      \
  [WK_INSTR_FACTOR_BACK] = wk_run_factor_back, [WK_INSTR_CONCAT_BACK] = wk_run_concat_back,                            \
  [WK_INSTR_FLATTEN_BACK] = wk_run_flatten_back, [WK_INSTR_MAX_POOL_BACK] = wk_run_max_pool_back,                      \
  [WK_INSTR_POOL_BACK] = wk_run_pool_back, [WK_INSTR_SOFTMAX_BACK] = wk_run_softmax_back

/* The call of an instruction with a kernel of its own: `data` or `weights`, whose `grad` is still to be set. */
wk_call wk_instr_call(const wk_instr *in, const wk_tape_exec *s);

#endif

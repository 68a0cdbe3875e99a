/* backward_plain.h (internal) - the gradient of the layers of plain_ops.c, as an instruction of a tape. */
#ifndef WK_NN_BACKWARD_PLAIN_H
#define WK_NN_BACKWARD_PLAIN_H

#include "nn/run/tape_exec.h"

wk_status wk_run_plain_back(const wk_instr *in, wk_tape_exec *s, wk_error *err);

#endif

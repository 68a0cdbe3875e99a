/* tape_exec.h (internal) - running a tape over the photos of one micro-batch. What its instructions do is a table of
 * functions that the caller brings: gradients alone need backward.h's, a trainer has some of its own besides. */
#ifndef WK_NN_TAPE_EXEC_H
#define WK_NN_TAPE_EXEC_H

#include "nn/compile/tape.h"
#include "nn/run/plan_exec.h"

typedef struct wk_tape_exec wk_tape_exec;
typedef wk_status (*wk_instr_fn)(const wk_instr *in, wk_tape_exec *s, wk_error *err);

struct wk_tape_exec {
  const wk_tape *tape;
  wk_plan_exec run;                /* of tape->plan */
  const wk_instr_fn *fn;           /* [WK_INSTR_COUNT] */
  const float *const *output_grad; /* gradients that come in */
  int count, first, index;         /* photos; the number of the first in its batch; number of the micro-batch */
  void *user;                      /* for the functions */
};

/* Runs instructions from *at on, at most to `end`. Stops where micro-batches must meet: *at is then that instruction,
 * whose `after` comes first when called again with `met`. */
wk_status wk_tape_exec_run(wk_tape_exec *s, int *at, bool met, int end, wk_error *err);

float *wk_tape_exec_value(const wk_tape_exec *s, int value);
size_t wk_tape_exec_count(const wk_tape_exec *s, int value); /* floats of the photos there are */
static inline const wk_plan_op *wk_tape_exec_op(const wk_instr *in, const wk_tape_exec *s) {
  return &s->tape->plan->op[in->op];
}

#endif

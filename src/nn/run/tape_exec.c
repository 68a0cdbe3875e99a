/* tape_exec.c - see tape_exec.h. */
#include "nn/run/tape_exec.h"

float *wk_tape_exec_value(const wk_tape_exec *s, int value) { return wk_plan_exec_value(&s->run, value, 0); }

size_t wk_tape_exec_count(const wk_tape_exec *s, int value) {
  return (size_t)wk_shape_count(s->tape->plan->value[value].shape) * (size_t)s->count;
}

wk_status wk_tape_exec_run(wk_tape_exec *s, int *at, bool met, int end, wk_error *err) {
  const wk_instr *instr = s->tape->instr;
  wk_status st = WK_OK;
  int i = *at;
  if (met) {
    WK_TRY(s->fn[instr[i].after](&instr[i], s, err));
    i++;
  }
  for (; i < end; i++) {
    WK_TRY(s->fn[instr[i].kind](&instr[i], s, err));
    if (instr[i].after)
      break;
  }
done:
  *at = i;
  return st;
}

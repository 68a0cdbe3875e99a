/* plan_exec.h (internal) - one thread's working memory for a plan, and running one of its ops: under forward runs
 * (exec.c) as under tapes (tape_exec.c), whose forward half is nothing else. */
#ifndef WK_NN_PLAN_EXEC_H
#define WK_NN_PLAN_EXEC_H

#include "nn/compile/plan.h"

typedef struct wk_plan_exec {
  const wk_plan *plan;
  wk_thread_team *team; /* plan->threads threads that share its ops; NULL: one */
  char *arena;
  const float **in;  /* room for the inputs of one op */
  const void *input; /* value 0, floats or bytes as the plan takes it, where it is not in the arena */
} wk_plan_exec;

/* Allocates what a run needs: `what` it is for is told where there is too little memory. */
wk_status wk_plan_exec_open(wk_plan_exec *e, const wk_plan *plan, const char *what, wk_error *err);
void wk_plan_exec_close(wk_plan_exec *e);
int wk_plan_exec_inputs(const wk_plan *plan); /* of the op with most */

/* Where photo `first` of a call has its part of a value; NULL: the value is bytes, or none (negative). */
float *wk_plan_exec_value(const wk_plan_exec *e, int value, int first);
/* An op, for photos first..first+count-1 of a call. */
void wk_plan_exec_op(const wk_plan_exec *e, int op, int first, int count);

#endif

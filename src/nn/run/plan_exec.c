/* plan_exec.c - see plan_exec.h. */
#include "nn/run/plan_exec.h"

int wk_plan_exec_inputs(const wk_plan *plan) {
  int most = 1;
  for (int i = 0; i < plan->ops; i++)
    most = plan->op[i].inputs > most ? plan->op[i].inputs : most;
  return most;
}

wk_status wk_plan_exec_open(wk_plan_exec *e, const wk_plan *plan, const char *what, wk_error *err) {
  wk_status st = WK_OK;
  *e = (wk_plan_exec){.plan = plan};
  WK_TRY(wk_thread_team_create(&e->team, plan->threads, err));
  e->arena = wk_alloc(plan->arena_bytes);
  e->in = wk_alloc_array((size_t)wk_plan_exec_inputs(plan), sizeof(float *));
  WK_FAIL_IF(!e->arena || !e->in, err, WK_ERR_MEMORY,
             "out of memory for %s: %zu MB are needed for a batch of %d; use a smaller one", what,
             plan->arena_bytes >> 20, plan->batch);
done:
  return st;
}

void wk_plan_exec_close(wk_plan_exec *e) {
  wk_thread_team_free(e->team);
  wk_free(e->arena);
  wk_free(e->in);
}

float *wk_plan_exec_value(const wk_plan_exec *e, int value, int first) {
  const wk_plan *plan = e->plan;
  if (value < 0)
    return NULL;
  const wk_value *v = &plan->value[value];
  const size_t before = (size_t)wk_shape_count(v->shape) * (size_t)first;
  if (value == 0 && !plan->own_input) /* read only: nothing writes value 0 */
    return plan->bytes ? NULL : (float *)e->input + before;
  float *base = (float *)(void *)(e->arena + v->offset);
  return v->micro_batch ? base : base + before;
}

void wk_plan_exec_op(const wk_plan_exec *e, int op, int first, int count) {
  const wk_plan *plan = e->plan;
  const wk_plan_op *o = &plan->op[op];
  for (int k = 0; k < o->inputs; k++)
    e->in[k] = wk_plan_exec_value(e, o->in[k], first);
  const wk_call call = {.layer = &o->layer,
                        .packed = o->packed.data,
                        .in = e->in,
                        .bytes = o->layer.pixels ? (const uint8_t *)e->input +
                                                       (size_t)wk_shape_count(plan->value[0].shape) * (size_t)first
                                                 : NULL,
                        .inputs = o->inputs,
                        .in_shape = o->in_shape,
                        .residual = wk_plan_exec_value(e, o->residual, first),
                        .out = wk_plan_exec_value(e, o->out, first),
                        .scratch = e->arena + o->scratch,
                        .count = count,
                        .threads = plan->threads,
                        .isa = plan->isa};
  wk_kernel_run(o->kernel, &call, e->team);
}

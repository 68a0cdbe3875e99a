/* exec.c - forward runs through a plan: the walk over its ops, the first of them some photos at a time. */
#include "nn/run/plan_exec.h"

struct wk_exec {
  wk_plan_exec run;
};

wk_status wk_exec_create(wk_exec **out, const wk_plan *plan, wk_error *err) {
  wk_status st = WK_OK;
  wk_exec *e = wk_calloc(1, sizeof *e);
  WK_FAIL_IF(!e, err, WK_ERR_MEMORY, "out of memory for running a network");
  WK_TRY(wk_plan_exec_open(&e->run, plan, "running a network", err));
  *out = e;
  e = NULL;
done:
  wk_exec_free(e);
  return st;
}

void wk_exec_free(wk_exec *e) {
  if (!e)
    return;
  wk_plan_exec_close(&e->run);
  wk_free(e);
}

/* Op `op` for all photos of a call, `some` at a time. */
static void run_op(const wk_exec *e, int op, int count, int some) {
  for (int first = 0; first < count; first += some)
    wk_plan_exec_op(&e->run, op, first, count - first < some ? count - first : some);
}

static wk_status run(wk_exec *e, const void *input, int count, bool bytes, wk_error *err) {
  const wk_plan *plan = e->run.plan;
  if (bytes != plan->bytes)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "the plan takes %s, and was given %s", plan->bytes ? "bytes" : "floats",
                   bytes ? "bytes" : "floats");
  if (count < 1 || count > plan->batch)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "%d photos cannot be run: the plan is for 1 to %d", count, plan->batch);
  e->run.input = input;
  for (int first = 0; first < count; first += plan->micro_batch)
    for (int i = 0; i < plan->micro_batch_ops; i++)
      wk_plan_exec_op(&e->run, i, first, count - first < plan->micro_batch ? count - first : plan->micro_batch);
  for (int i = plan->micro_batch_ops; i < plan->ops; i++)
    wk_plan_exec_op(&e->run, i, 0, count);
  return WK_OK;
}

wk_status wk_exec_run(wk_exec *e, const float *input, int count, wk_error *err) {
  return run(e, input, count, false, err);
}

wk_status wk_exec_run_pixels(wk_exec *e, const uint8_t *input, int count, wk_error *err) {
  return run(e, input, count, true, err);
}

wk_status wk_exec_op(wk_exec *e, int op, const void *input, int count, wk_error *err) {
  const wk_plan *plan = e->run.plan;
  if (op < 0 || op >= plan->ops || count < 1 || count > plan->batch)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "op %d of %d cannot be run for %d photos: the plan is for 1 to %d", op,
                   plan->ops, count, plan->batch);
  e->run.input = input;
  run_op(e, op, count, op < plan->micro_batch_ops ? plan->micro_batch : count);
  return WK_OK;
}

wk_status wk_exec_observe(wk_exec *e, const float *input,
                          void (*see)(void *user, const char *name, const float *value, wk_shape shape), void *user,
                          wk_error *err) {
  const wk_plan *plan = e->run.plan;
  if (!plan->no_fusion)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "only a plan made with no_fusion can be observed");
  e->run.input = input;
  for (int i = 0; i < plan->ops; i++) {
    const wk_plan_op *o = &plan->op[i];
    wk_plan_exec_op(&e->run, i, 0, 1);
    see(user, o->layer.name, wk_plan_exec_value(&e->run, o->out, 0), plan->value[o->out].shape);
  }
  return WK_OK;
}

const float *wk_exec_output(const wk_exec *e, int output) {
  return wk_plan_exec_value(&e->run, e->run.plan->output[output], 0);
}

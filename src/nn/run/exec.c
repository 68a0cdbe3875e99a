/* exec.c - a run through a plan: the threads that share its steps, its block of memory, its kernels' states, and the
 * walk over the steps. */
#include "nn/compile/plan.h"

struct wk_exec {
  const wk_plan *plan;
  wk_thread_team *crew; /* plan->threads threads; NULL: one */
  char *arena;
  void **state;     /* of each step's kernel */
  const float **in; /* room for the inputs of one step */
};

wk_status wk_exec_create(wk_exec **out, const wk_plan *plan, wk_error *err) {
  wk_status st = WK_OK;
  wk_exec *e = wk_calloc(1, sizeof *e);
  WK_FAIL_IF(!e, err, WK_ERR_MEMORY, "out of memory for running a network");
  e->plan = plan;
  int inputs = 1;
  for (int i = 0; i < plan->ops; i++)
    inputs = plan->op[i].inputs > inputs ? plan->op[i].inputs : inputs;
  WK_TRY(wk_thread_team_create(&e->crew, plan->threads, err));
  e->arena = wk_alloc(plan->arena_bytes);
  e->state = wk_calloc((size_t)plan->ops, sizeof *e->state);
  e->in = wk_alloc_array((size_t)inputs, sizeof(float *));
  WK_FAIL_IF(!e->arena || !e->state || !e->in, err, WK_ERR_MEMORY,
             "out of memory for running a network: %zu MB are needed for a batch of %d; use a smaller one",
             plan->arena_bytes >> 20, plan->batch);
  for (int i = 0; i < plan->ops; i++) {
    const wk_plan_op *s = &plan->op[i];
    if (s->kernel->open)
      WK_TRY(s->kernel->open(&e->state[i], &s->layer, s->packed.data, err));
  }
  *out = e;
  e = NULL;
done:
  wk_exec_free(e);
  return st;
}

void wk_exec_free(wk_exec *e) {
  if (!e)
    return;
  for (int i = 0; e->state && i < e->plan->ops; i++)
    if (e->state[i])
      e->plan->op[i].kernel->close(e->state[i]);
  wk_thread_team_free(e->crew);
  wk_free(e->arena);
  wk_free(e->state);
  wk_free(e->in);
  wk_free(e);
}

/* Where photo `first` of a call has its part of a value. */
static float *place(const wk_exec *e, int value, int first) {
  const wk_value *v = &e->plan->value[value];
  float *base = (float *)(void *)(e->arena + v->offset);
  return v->micro_batch ? base : base + (size_t)wk_shape_count(v->shape) * (size_t)first;
}

/* One step for photos first..first+count-1 of a call. The input is bytes or floats, as the plan says. */
static wk_status run_step(wk_exec *e, int index, const void *input, int first, int count, wk_error *err) {
  const wk_plan *plan = e->plan;
  const wk_plan_op *s = &plan->op[index];
  const size_t before = (size_t)wk_shape_count(plan->value[0].shape) * (size_t)first;
  const float *given = plan->bytes ? NULL : (const float *)input + before;
  for (int k = 0; k < s->inputs; k++)
    e->in[k] = s->in[k] == 0 ? given : place(e, s->in[k], first);
  wk_call call = {.layer = &s->layer,
                  .packed = s->packed.data,
                  .state = e->state[index],
                  .in = e->in,
                  .bytes = s->layer.pixels ? (const uint8_t *)input + before : NULL,
                  .inputs = s->inputs,
                  .in_shape = s->in_shape,
                  .residual = s->residual < 0    ? NULL
                              : s->residual == 0 ? given
                                                 : place(e, s->residual, first),
                  .out = place(e, s->out, first),
                  .scratch = e->arena + s->scratch,
                  .count = count,
                  .threads = plan->threads,
                  .isa = plan->isa};
  return wk_kernel_run(s->kernel, &call, e->crew, err);
}

static wk_status run(wk_exec *e, const void *input, int count, bool bytes, wk_error *err) {
  const wk_plan *plan = e->plan;
  if (bytes != plan->bytes)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "the plan takes %s, and was given %s", plan->bytes ? "bytes" : "floats",
                   bytes ? "bytes" : "floats");
  if (count < 1 || count > plan->batch)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "%d photos cannot be run: the plan is for 1 to %d", count, plan->batch);
  wk_status st = WK_OK;
  for (int first = 0; first < count && st == WK_OK; first += plan->micro_batch)
    for (int i = 0; i < plan->micro_batch_ops && st == WK_OK; i++)
      st = run_step(e, i, input, first, count - first < plan->micro_batch ? count - first : plan->micro_batch, err);
  for (int i = plan->micro_batch_ops; i < plan->ops && st == WK_OK; i++)
    st = run_step(e, i, input, 0, count, err);
  return st;
}

wk_status wk_exec_run(wk_exec *e, const float *input, int count, wk_error *err) {
  return run(e, input, count, false, err);
}

wk_status wk_exec_run_pixels(wk_exec *e, const uint8_t *input, int count, wk_error *err) {
  return run(e, input, count, true, err);
}

wk_status wk_exec_op(wk_exec *e, int step, const void *input, int count, wk_error *err) {
  const wk_plan *plan = e->plan;
  if (step < 0 || step >= plan->ops || count < 1 || count > plan->batch)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "step %d of %d cannot be run for %d photos: the plan is for 1 to %d", step,
                   plan->ops, count, plan->batch);
  const int turn = step < plan->micro_batch_ops ? plan->micro_batch : count;
  wk_status st = WK_OK;
  for (int first = 0; first < count && st == WK_OK; first += turn)
    st = run_step(e, step, input, first, count - first < turn ? count - first : turn, err);
  return st;
}

wk_status wk_exec_observe(wk_exec *e, const float *input,
                          void (*see)(void *user, const char *name, const float *value, wk_shape shape), void *user,
                          wk_error *err) {
  const wk_plan *plan = e->plan;
  if (!plan->no_fusion)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "only a plan whose layers are apart can be observed");
  wk_status st = WK_OK;
  for (int i = 0; i < plan->ops && st == WK_OK; i++) {
    st = run_step(e, i, input, 0, 1, err);
    const wk_plan_op *s = &plan->op[i];
    if (st == WK_OK)
      see(user, s->layer.name, place(e, s->out, 0), plan->value[s->out].shape);
  }
  return st;
}

const float *wk_exec_output(const wk_exec *e, int output) { return place(e, e->plan->output[output], 0); }

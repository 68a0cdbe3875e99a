/* grad.c - gradients of a fixed network: a program whose targets are activations, run by one thread at a time. */
#include <string.h>

#include "nn/run/backward.h"
#include "whisker/train_nn.h"

struct wk_grad_plan {
  wk_tape *tape;
  int seeds, targets;
  int *target; /* the values of their gradients */
};

struct wk_grad_exec {
  const wk_grad_plan *plan;
  wk_tape_exec run;
};

/* Of an inverted residual only the gradient of the input is wanted. */
static const wk_instr_fn functions[WK_INSTR_COUNT] = {WK_BACKWARD_FUNCTIONS, [WK_INSTR_MBCONV_BACK] = wk_run_data_back};

void wk_grad_options_init(wk_grad_options *o) { *o = (wk_grad_options){.batch = 1, .threads = 1}; }

static wk_status check_nodes(const wk_graph *g, const wk_node *node, int count, const char *what, wk_error *err) {
  for (int i = 0; i < count; i++)
    if (node[i] < 0 || node[i] >= g->size)
      return WK_FAIL(err, WK_ERR_ARGUMENT, "%s %d is node %d, which is not there: the network has %d", what, i, node[i],
                     g->size);
  return WK_OK;
}

static wk_status check(const wk_graph *g, const wk_tape_options *o, wk_error *err) {
  if (!g->finished)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "the network is not finished: call wk_graph_finish first");
  if (o->batch < 1 || o->batch > (1 << 16))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a batch of %d photos is not possible: 1 to %d", o->batch, 1 << 16);
  if (o->threads < 1 || o->threads > 1024)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "%d threads a layer are not possible: 1 to 1024", o->threads);
  if (o->seeds < 1 || o->targets < 1 || o->outputs < 0)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "gradients need a layer they are fed into and one they are wanted at");
  WK_RETURN_IF_ERROR(check_nodes(g, o->seed, o->seeds, "seed", err));
  WK_RETURN_IF_ERROR(check_nodes(g, o->target, o->targets, "target", err));
  return check_nodes(g, o->output, o->outputs, "output", err);
}

wk_status wk_grad_plan_create(wk_grad_plan **out, const wk_graph *g, const wk_tensors *weights,
                              const wk_grad_options *o, wk_error *err) {
  wk_status st = WK_OK;
  const wk_node *end = g->logits >= 0 ? &g->logits : &g->features;
  wk_tape_options po = {.height = o->height,
                        .width = o->width,
                        .batch = o->batch,
                        .threads = o->threads,
                        .from = g->input,
                        .seed = o->seed ? o->seed : end,
                        .seeds = o->seed ? o->seeds : *end >= 0,
                        .target = o->target ? o->target : &g->input,
                        .targets = o->target ? o->targets : 1,
                        .output = o->output,
                        .outputs = o->output ? o->outputs : 0,
                        .repeat = true,
                        .no_winograd = o->no_winograd,
                        .isa = wk_cpu_isa()};
  wk_grad_plan *p = wk_calloc(1, sizeof *p);
  WK_FAIL_IF(!p, err, WK_ERR_MEMORY, "out of memory for planning a network");
  WK_TRY(check(g, &po, err));
  WK_TRY(wk_tape_create(&p->tape, g, weights, &po, err));
  p->seeds = po.seeds;
  p->targets = po.targets;
  p->target = wk_alloc_array((size_t)p->targets, sizeof *p->target);
  WK_FAIL_IF(!p->target, err, WK_ERR_MEMORY, "out of memory for planning a network");
  for (int i = 0; i < p->targets; i++)
    p->target[i] = p->tape->grad_of[p->tape->value_of[po.target[i]]];
  *out = p;
  p = NULL;
done:
  wk_grad_plan_free(p);
  return st;
}

void wk_grad_plan_free(wk_grad_plan *plan) {
  if (!plan)
    return;
  wk_tape_free(plan->tape);
  wk_free(plan->target);
  wk_free(plan);
}

size_t wk_grad_plan_exec_bytes(const wk_grad_plan *plan) { return plan->tape->plan->arena_bytes; }

wk_status wk_grad_exec_create(wk_grad_exec **out, const wk_grad_plan *plan, wk_error *err) {
  wk_status st = WK_OK;
  wk_grad_exec *e = wk_calloc(1, sizeof *e);
  WK_FAIL_IF(!e, err, WK_ERR_MEMORY, "out of memory for running a network");
  e->plan = plan;
  e->run = (wk_tape_exec){.tape = plan->tape, .fn = functions};
  WK_TRY(wk_plan_exec_open(&e->run.run, plan->tape->plan, "gradients", err));
  *out = e;
  e = NULL;
done:
  wk_grad_exec_free(e);
  return st;
}

void wk_grad_exec_free(wk_grad_exec *e) {
  if (!e)
    return;
  wk_plan_exec_close(&e->run.run);
  wk_free(e);
}

wk_status wk_grad_forward(wk_grad_exec *e, const float *input, int count, wk_error *err) {
  const wk_tape *p = e->plan->tape;
  if (count < 1 || count > p->plan->batch)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "%d photos cannot be run: the plan is for 1 to %d", count, p->plan->batch);
  e->run.run.input = input;
  e->run.count = 0; /* nothing to go back through, should this fail */
  wk_tape_exec s = e->run;
  s.count = count;
  int at = 0;
  WK_RETURN_IF_ERROR(wk_tape_exec_run(&s, &at, false, p->loss, err));
  e->run.count = count;
  return WK_OK;
}

wk_status wk_grad_backward(wk_grad_exec *e, const float *const *gradient, wk_error *err) {
  const wk_tape *p = e->plan->tape;
  if (!e->run.count)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "no photos have been run: call wk_grad_forward first");
  e->run.output_grad = gradient;
  int at = p->loss;
  return wk_tape_exec_run(&e->run, &at, false, p->instrs, err);
}

const float *wk_grad_output(const wk_grad_exec *e, int seed) {
  return wk_tape_exec_value(&e->run, e->run.tape->plan->output[seed]);
}

const float *wk_grad_activation(const wk_grad_exec *e, int output) {
  return wk_tape_exec_value(&e->run, e->run.tape->plan->output[e->plan->seeds + e->plan->targets + output]);
}

const float *wk_grad_result(const wk_grad_exec *e, int target) {
  return wk_tape_exec_value(&e->run, e->plan->target[target]);
}

/* compile_tape.c - making a tape: fusing for training, the forward instructions, the backward ones, packed weights for
 * both directions, and places in memory over the whole of it. */
#include "nn/compile/tape.h"

#include <limits.h>
#include <string.h>

/* ---- the forward pass ------------------------------------------------------------------------------ */

/* Instruction i is op i. */
static wk_status add_forward(wk_tape *p, const wk_tape_options *o, wk_error *err) {
  const wk_plan *plan = p->plan;
  for (int i = 0; i < plan->ops; i++) {
    const wk_plan_op *s = &plan->op[i];
    wk_instr *in = wk_tape_add(p, WK_INSTR_FORWARD);
    if (!in)
      return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for planning a network");
    in->op = i;
    if (s->layer.op == WK_OP_DROPOUT)
      in->kind = WK_INSTR_DROPOUT;
    if (s->layer.op == WK_OP_ADD && o->depth && o->depth[s->head] > 0)
      in->kind = WK_INSTR_DEPTH_ADD;
    if (s->layer.op == WK_OP_BATCH_NORM && o->norm_batch) {
      in->kind = WK_INSTR_NORM_STATS;
      in->after = WK_INSTR_NORM_APPLY;
      in->x = s->in[0];
      in->index = p->norms;
      p->norm[p->norms++] = s->head;
    }
  }
  p->loss = p->instrs;
  return WK_OK;
}

/* ---- weights ----------------------------------------------------------------------------------------- */

static wk_status prepare_back(void *user, int op, const wk_prepare *forward, wk_error *err) {
  wk_tape *p = user;
  const wk_layer *l = &p->plan->op[op].layer;
  wk_prepare prepare = *forward;
  prepare.forward = p->plan->op[op].packed.data;
  for (int i = p->loss; i < p->instrs; i++) {
    wk_instr *in = &p->instr[i];
    if (in->op != op)
      continue;
    if (in->data && in->data->prepare)
      WK_RETURN_IF_ERROR(in->data->prepare(&in->packed, l, &prepare, err));
    if (in->weights && in->weights->prepare)
      WK_RETURN_IF_ERROR(in->weights->prepare(&in->packed, l, &prepare, err));
    p->weight_bytes += in->packed.weight_bytes;
  }
  return WK_OK;
}

/* ---- memory ------------------------------------------------------------------------------------------ */

static void touch(wk_plan *plan, int value, int at) {
  if (value < 0)
    return;
  wk_value *v = &plan->value[value];
  if (v->first < 0)
    v->first = at;
  if (v->last < at)
    v->last = at;
}

static wk_status lay_out(wk_tape *p, const wk_tape_options *o, wk_error *err) {
  wk_plan *plan = p->plan;
  wk_status st = WK_OK;
  int backward = p->instrs - p->loss;
  wk_memory_block *extra = wk_calloc((size_t)backward, sizeof *extra);
  WK_FAIL_IF(!extra, err, WK_ERR_MEMORY, "out of memory for planning a network");
  wk_plan_lifetimes(plan);
  for (int i = 0; i < p->instrs; i++) {
    const wk_instr *in = &p->instr[i];
    int reads[] = {in->x, in->f, in->y, in->dy, in->dx};
    for (size_t k = 0; k < sizeof reads / sizeof *reads; k++) {
      touch(plan, reads[k], i);
      if (i >= p->loss && o->repeat && k < 3 && reads[k] >= 0 && reads[k] < p->forward_values)
        plan->value[reads[k]].last = INT_MAX;
    }
    if (i >= p->loss)
      extra[i - p->loss] = (wk_memory_block){.bytes = in->packed.scratch_bytes, .first = i, .last = i};
  }
  if (plan->own_input)
    plan->value[0].first = 0;
  for (int i = 0; i < o->targets; i++)
    plan->value[p->grad_of[p->value_of[o->target[i]]]].last = INT_MAX;
  WK_TRY(wk_plan_layout(plan, extra, backward, err));
  for (int i = p->loss; i < p->instrs; i++)
    p->instr[i].scratch = extra[i - p->loss].offset;
done:
  wk_free(extra);
  return st;
}

/* ---- making it ---------------------------------------------------------------------------------------- */

static wk_status make(wk_tape *p, const wk_graph *g, const wk_tensors *weights, const wk_tape_options *o,
                      wk_node *outputs, wk_shape *shape, wk_error *err) {
  wk_plan *plan = p->plan;
  wk_status st = WK_OK;
  size_t nodes = (size_t)g->size;
  int n = 0;
  for (int i = 0; i < o->seeds; i++)
    outputs[n++] = o->seed[i];
  for (int i = 0; i < o->targets; i++)
    outputs[n++] = o->target[i];
  for (int i = 0; i < o->outputs; i++)
    outputs[n++] = o->output[i];
  wk_node last = 0;
  for (int i = 0; i < n; i++)
    last = outputs[i] > last ? outputs[i] : last;
  *plan = (wk_plan){.graph = g,
                    .packing = wk_arena_large(),
                    .isa = o->isa,
                    .batch = o->batch,
                    .threads = o->threads,
                    .no_winograd = o->no_winograd,
                    .own_input = o->own_input,
                    .outputs = n};
  plan->output = wk_alloc_array((size_t)n, sizeof *plan->output);
  p->value_of = wk_alloc_array(nodes, sizeof *p->value_of);
  p->grad_of = wk_alloc_array(nodes + 2, sizeof *p->grad_of);
  p->group = wk_alloc_array(nodes, sizeof *p->group);
  p->norm = wk_alloc_array(nodes, sizeof *p->norm);
  WK_FAIL_IF(!plan->output || !p->value_of || !p->grad_of || !p->group || !p->norm, err, WK_ERR_MEMORY,
             "out of memory for planning a network");
  WK_TRY(wk_graph_infer(shape, g, last, o->height, o->width, err));
  wk_fuse_options fuse = {
      .from = o->from, .train = true, .norm_batch = o->norm_batch, .drop = o->drop, .depth = o->depth};
  WK_TRY(wk_plan_fuse(plan, outputs, shape, &fuse, p->value_of, err));
  WK_TRY(wk_plan_fuse_blocks(plan, true, err));
  p->forward_values = plan->values;
  p->value_capacity = g->size + 2; /* what wk_plan_fuse made room for */
  for (int i = 0; i < p->forward_values; i++)
    p->grad_of[i] = -1;
  WK_TRY(add_forward(p, o, err));
  WK_TRY(wk_tape_differentiate(p, o, err));
  if (o->param)
    WK_TRY(wk_plan_pack_weights_from(plan, o->param, prepare_back, p, err));
  else
    WK_TRY(wk_plan_pack_weights(plan, weights, prepare_back, p, err));
  p->weight_bytes += plan->weight_bytes;
  WK_TRY(lay_out(p, o, err));
done:
  return st;
}

wk_status wk_tape_create(wk_tape **out, const wk_graph *g, const wk_tensors *weights, const wk_tape_options *o,
                         wk_error *err) {
  wk_status st = WK_OK;
  wk_node *outputs = wk_alloc_array((size_t)(o->seeds + o->targets + o->outputs), sizeof *outputs);
  wk_shape *shape = wk_calloc((size_t)g->size, sizeof *shape);
  wk_tape *p = wk_calloc(1, sizeof *p);
  if (p)
    p->plan = wk_calloc(1, sizeof *p->plan);
  WK_FAIL_IF(!outputs || !shape || !p || !p->plan, err, WK_ERR_MEMORY, "out of memory for planning a network");
  WK_TRY(make(p, g, weights, o, outputs, shape, err));
  *out = p;
  p = NULL;
done:
  wk_tape_free(p);
  wk_free(shape);
  wk_free(outputs);
  return st;
}

void wk_tape_free(wk_tape *p) {
  if (!p)
    return;
  for (int i = 0; i < p->instrs; i++) {
    wk_instr *in = &p->instr[i];
    if (in->packed.data && in->data && in->data->release)
      in->data->release(in->packed.data);
    if (in->packed.data && in->weights && in->weights->release)
      in->weights->release(in->packed.data);
  }
  wk_plan_free(p->plan);
  wk_free(p->instr);
  wk_free(p->value_of);
  wk_free(p->grad_of);
  wk_free(p->group);
  wk_free(p->norm);
  wk_free(p);
}

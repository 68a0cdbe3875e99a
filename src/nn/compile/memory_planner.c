/* memory_planner.c - where every value lies in a wk_exec's one block of memory: lifetimes, what may be written over,
 * places. */
#include <limits.h>

#include "nn/compile/first_fit.h"
#include "nn/compile/plan.h"

void wk_plan_lifetimes(wk_plan *p) {
  for (int i = 0; i < p->values; i++)
    p->value[i].first = p->value[i].last = p->value[i].storage = -1;
  for (int s = 0; s < p->ops; s++) {
    const wk_plan_op *op = &p->op[s];
    for (int k = 0; k < op->inputs; k++)
      p->value[op->in[k]].last = s;
    if (op->residual >= 0)
      p->value[op->residual].last = s;
    p->value[op->out].first = p->value[op->out].last = s;
  }
  for (int i = 0; i < p->outputs; i++)
    p->value[p->output[i]].last = INT_MAX;
}

/* ---- micro-batches ---------------------------------------------------------------------------------------- */

/* The first layers of a network have much more activations than weights: photo after photo they stay in the cache,
 * where a whole batch would go through memory at every layer. The last have much more weights, which all photos of a
 * batch had better use at once. */
enum {
  MICRO_BATCH_BYTES = 6 << 20
}; /* of an op's input and output: a share of the last cache that a thread may hope for */

size_t wk_plan_op_bytes(const wk_plan_op *s) {
  size_t bytes = (size_t)wk_shape_count(s->layer.out) * sizeof(float);
  for (int k = 0; k < s->inputs; k++)
    bytes += (size_t)wk_shape_count(s->in_shape[k]) * (s->layer.pixels ? 1 : sizeof(float));
  return bytes;
}

static size_t weight_bytes(const wk_plan_op *s) {
  size_t bytes = s->packed.weight_bytes;
  for (int k = 0; k < s->sub_ops; k++)
    bytes += s->sub_op[k].packed.weight_bytes;
  return bytes;
}

void wk_plan_micro_batch(wk_plan *p) {
  size_t most = 1;
  int end = 0;
  for (; end < p->ops; end++) {
    const size_t bytes = wk_plan_op_bytes(&p->op[end]);
    if (weight_bytes(&p->op[end]) > 2 * bytes)
      break;
    most = bytes > most ? bytes : most;
  }
  p->micro_batch = most < MICRO_BATCH_BYTES ? (int)(MICRO_BATCH_BYTES / most) : 1;
  p->micro_batch_ops = p->micro_batch < p->batch ? end : 0;
  if (p->micro_batch > p->batch)
    p->micro_batch = p->batch;
  for (int i = 0; i < p->values; i++)
    p->value[i].micro_batch = i > 0 && p->value[i].first >= 0 && p->value[i].last < p->micro_batch_ops;
}

/* ---- places --------------------------------------------------------------------------------------- */

/* May op s write over value v? Only where v dies here, is ours, and has the output's size. */
static bool may_overwrite(const wk_plan *p, int s, int v) {
  const wk_value *out = &p->value[p->op[s].out];
  return v > 0 && p->value[v].last == s && p->value[v].micro_batch == out->micro_batch &&
         wk_shape_count(p->value[v].shape) == wk_shape_count(out->shape);
}

static int in_place(const wk_plan *p, int s) {
  const wk_plan_op *op = &p->op[s];
  if (op->residual >= 0) {
    bool also_input = false;
    for (int k = 0; k < op->inputs; k++)
      also_input |= op->in[k] == op->residual || p->value[op->in[k]].storage == p->value[op->residual].storage;
    return !also_input && may_overwrite(p, s, op->residual) ? op->residual : -1;
  }
  if (!op->kernel || !op->kernel->inplace)
    return -1;
  /* Of two summands either may go; of a layer and its factors only the first. */
  for (int k = 0; k < (op->layer.op == WK_OP_ADD ? op->inputs : 1); k++)
    if (may_overwrite(p, s, op->in[k]))
      return op->in[k];
  return -1;
}

/* Adds what `v` needs to the block of its storage. */
static wk_status claim(wk_memory_block *b, const wk_plan *p, const wk_value *v, wk_error *err) {
  const int photos = v->micro_batch ? p->micro_batch : p->batch;
  if (wk_mul_overflow(&b->bytes, (size_t)wk_shape_count(v->shape) * sizeof(float), (size_t)photos))
    return WK_FAIL(err, WK_ERR_MEMORY, "a batch of %d photos does not fit in memory: use a smaller batch", p->batch);
  b->last = v->last; /* of what was written over, this was the end */
  return WK_OK;
}

wk_status wk_plan_layout(wk_plan *p, wk_memory_block *extra, int extras, wk_error *err) {
  wk_status st = WK_OK;
  int count = p->values + p->ops + extras;
  wk_memory_block *blocks = wk_calloc((size_t)count, sizeof *blocks), *scratch = blocks + p->values;
  WK_FAIL_IF(!blocks, err, WK_ERR_MEMORY, "out of memory for planning a network");
  for (int s = 0; s < p->ops; s++) {
    int over = in_place(p, s), out = p->op[s].out;
    wk_value *v = &p->value[out];
    v->storage = over >= 0 ? p->value[over].storage : out;
    if (over < 0) /* what a micro-batch leaves for later must survive the next ones from their first op on */
      blocks[out].first = s < p->micro_batch_ops && !v->micro_batch ? 0 : v->first;
    WK_TRY(claim(&blocks[v->storage], p, v, err));
    scratch[s] = (wk_memory_block){.bytes = p->op[s].packed.scratch_bytes, .first = s, .last = s};
  }
  for (int i = p->own_input ? 0 : 1; i < p->values; i++) { /* those that no op writes */
    wk_value *v = &p->value[i];
    if (v->storage >= 0 || v->first < 0)
      continue;
    v->storage = i;
    blocks[i].first = v->first;
    WK_TRY(claim(&blocks[i], p, v, err));
  }
  for (int i = 0; i < extras; i++)
    scratch[p->ops + i] = extra[i];
  WK_TRY(wk_first_fit(&p->arena_bytes, blocks, count, err));
  for (int i = 0; i < p->values; i++)
    if (p->value[i].storage >= 0)
      p->value[i].offset = blocks[p->value[i].storage].offset;
  for (int i = 0; i < p->ops; i++)
    p->op[i].scratch = scratch[i].offset;
  for (int i = 0; i < extras; i++)
    extra[i] = scratch[p->ops + i];
done:
  wk_free(blocks);
  return st;
}

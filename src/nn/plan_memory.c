/* plan_memory.c - where every value lies in a wk_exec's one block of memory. Values whose lifetimes do not meet share
 * bytes; large ones are placed first, each at the lowest place that is free while it lives. */
#include <limits.h>
#include <stdlib.h>

#include "nn/plan.h"

typedef struct block {
  size_t bytes, offset;
  int first, last; /* steps */
  int id;          /* a storage; or values + step: that step's scratch */
} block;

static void find_lifetimes(wk_plan *p) {
  for (int i = 0; i < p->values; i++)
    p->value[i].first = p->value[i].last = p->value[i].storage = -1;
  for (int s = 0; s < p->steps; s++) {
    const wk_step *step = &p->step[s];
    for (int k = 0; k < step->inputs; k++)
      p->value[step->in[k]].last = s;
    if (step->residual >= 0)
      p->value[step->residual].last = s;
    p->value[step->out].first = p->value[step->out].last = s;
  }
  for (int i = 0; i < p->outputs; i++)
    p->value[p->output[i]].last = INT_MAX;
}

/* May step s write over value v? Only where v dies here, is ours, and has the output's size. */
static bool may_overwrite(const wk_plan *p, int s, int v) {
  const wk_value *out = &p->value[p->step[s].out];
  return v > 0 && p->value[v].last == s && wk_shape_count(p->value[v].shape) == wk_shape_count(out->shape);
}

static int in_place(const wk_plan *p, int s) {
  const wk_step *step = &p->step[s];
  if (step->residual >= 0) {
    bool also_input = false;
    for (int k = 0; k < step->inputs; k++)
      also_input |= step->in[k] == step->residual || p->value[step->in[k]].storage == p->value[step->residual].storage;
    return !also_input && may_overwrite(p, s, step->residual) ? step->residual : -1;
  }
  if (!step->kernel->inplace)
    return -1;
  /* Of two summands either may go; of a layer and its factors only the first. */
  for (int k = 0; k < (step->layer.op == WK_OP_ADD ? step->inputs : 1); k++)
    if (may_overwrite(p, s, step->in[k]))
      return step->in[k];
  return -1;
}

static int larger_first(const void *a, const void *b) {
  const block *x = a, *y = b;
  if (x->bytes != y->bytes)
    return x->bytes < y->bytes ? 1 : -1;
  return x->id < y->id ? -1 : x->id > y->id;
}

static bool meet(const block *a, const block *b) { return a->first <= b->last && b->first <= a->last; }

/* The lowest place where `b` fits between the placed blocks that live when it does. They are kept sorted by offset. */
static void place(block *b, const block *const *placed, int count) {
  size_t at = 0;
  for (int i = 0; i < count; i++) {
    const block *o = placed[i];
    if (!meet(b, o))
      continue;
    if (at + b->bytes <= o->offset)
      break;
    if (o->offset + o->bytes > at)
      at = o->offset + o->bytes;
  }
  b->offset = at;
}

static size_t round_up(size_t bytes) { return (bytes + 63) & ~(size_t)63; }

wk_status wk_plan_memory(wk_plan *p, wk_error *err) {
  wk_status st = WK_OK;
  int count = p->values + p->steps;
  block *blocks = wk_calloc((size_t)count, sizeof *blocks);
  const block **placed = wk_alloc_array((size_t)count, sizeof(block *));
  WK_FAIL_IF(!blocks || !placed, err, WK_ERR_MEMORY, "out of memory for planning a network");
  find_lifetimes(p);
  for (int i = 0; i < count; i++)
    blocks[i].id = i;
  for (int s = 0; s < p->steps; s++) {
    int over = in_place(p, s), out = p->step[s].out;
    wk_value *v = &p->value[out];
    v->storage = over >= 0 ? p->value[over].storage : out;
    block *b = &blocks[v->storage];
    if (over < 0)
      b->first = v->first;
    b->last = v->last; /* of what was written over, this was the end */
    WK_FAIL_IF(wk_mul_overflow(&b->bytes, (size_t)wk_shape_count(v->shape) * sizeof(float), (size_t)p->batch), err,
               WK_ERR_MEMORY, "a batch of %d photos does not fit in memory: use a smaller batch", p->batch);
    b->bytes = round_up(b->bytes);
    blocks[p->values + s] =
        (block){.bytes = round_up(p->step[s].packed.scratch_bytes), .first = s, .last = s, .id = p->values + s};
  }
  qsort(blocks, (size_t)count, sizeof *blocks, larger_first);
  for (int i = 0, n = 0; i < count && blocks[i].bytes; i++, n++) {
    block *b = &blocks[i];
    place(b, placed, n);
    int at = n;
    for (; at > 0 && placed[at - 1]->offset > b->offset; at--)
      placed[at] = placed[at - 1];
    placed[at] = b;
    if (b->offset + b->bytes > p->arena_bytes)
      p->arena_bytes = b->offset + b->bytes;
  }
  for (int i = 0; i < count; i++) {
    const block *b = &blocks[i];
    if (b->id >= p->values)
      p->step[b->id - p->values].scratch = b->offset;
    for (int v = 1; b->id < p->values && v < p->values; v++)
      if (p->value[v].storage == b->id)
        p->value[v].offset = b->offset;
  }
done:
  wk_free(blocks);
  wk_free(placed);
  return st;
}

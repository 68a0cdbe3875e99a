/* trainer.c - a network that trains: what changes, where it lies, and what it will take. The steps are in
 * trainer_step.c. */
#include "nn/run/trainer.h"

#include <string.h>

void wk_trainer_options_init(wk_trainer_options *o) {
  *o = (wk_trainer_options){
      .batch = 32, .micro_batch = 4, .from = -1, .to = -1, .norm_momentum = 0.1f, .dropout = -1.0f};
}

/* ---- the part of the graph that is used ------------------------------------------------------------------ */

/* Everything `to` depends on, not going beyond `from`. */
static void find_needed(bool *needed, const wk_graph *g, wk_node from, wk_node to) {
  needed[to] = true;
  for (wk_node i = to; i >= 0; i--)
    for (int k = 0; needed[i] && i != from && k < g->node[i].inputs; k++)
      needed[g->node[i].input[k]] = true;
}

static bool node_trains(const wk_graph *g, wk_node node, const bool *trainable) {
  const wk_node_def *n = &g->node[node];
  for (int i = n->first_param; i < n->first_param + n->param_count; i++)
    if (g->param[i].trainable && (!trainable || trainable[i]))
      return true;
  return false;
}

wk_node wk_train_boundary(const wk_graph *g, wk_node to, const bool *trainable) {
  if (to < 0)
    to = g->logits;
  if (!g->finished || to < 0 || to >= g->size)
    return -1;
  bool *needed = wk_calloc((size_t)g->size, sizeof *needed);
  if (!needed)
    return g->input; /* always right, only slower */
  find_needed(needed, g, g->input, to);
  /* Node i is a cut when nobody behind it reads anything before it: `reach` is the earliest node that is read. */
  wk_node first = to, boundary = g->input;
  for (wk_node i = 0; i <= to; i++)
    if (needed[i] && node_trains(g, i, trainable)) {
      first = i;
      break;
    }
  wk_node reach = to;
  for (wk_node i = to - 1; i >= 0; i--) {
    for (int k = 0; needed[i + 1] && k < g->node[i + 1].inputs; k++)
      reach = g->node[i + 1].input[k] < reach ? g->node[i + 1].input[k] : reach;
    /* not at a dropout, which would then be behind it */
    if (needed[i] && i < first && reach >= i && g->node[i].op != WK_OP_DROPOUT) {
      boundary = i;
      break;
    }
  }
  wk_free(needed);
  return boundary;
}

/* Does `node` depend on `source`? `seen` is scratch of graph size. */
static bool depends(const wk_graph *g, wk_node node, wk_node source, bool *seen) {
  memset(seen, 0, sizeof *seen * (size_t)g->size);
  seen[node] = true;
  for (wk_node i = node; i > source; i--)
    for (int k = 0; seen[i] && k < g->node[i].inputs; k++)
      seen[g->node[i].input[k]] = true;
  return seen[source];
}

/* Residual branches: additions of a node and something computed from it. The share of photos that skip rises linearly
 * from the first to the last. */
static void find_depth(wk_trainer *t, const bool *needed, bool *seen) {
  const wk_graph *g = t->graph;
  int branches = 0, at = 0;
  for (int pass = 0; pass < 2; pass++)
    for (wk_node i = 0; i < g->size; i++) {
      const wk_node_def *n = &g->node[i];
      if (!needed[i] || i == t->o.from || n->op != WK_OP_ADD || n->input[0] == n->input[1])
        continue;
      wk_node a = n->input[0], b = n->input[1];
      if (!depends(g, a > b ? a : b, a > b ? b : a, seen))
        continue;
      if (pass == 0)
        branches++;
      else
        t->depth[i] = t->o.stochastic_depth * (float)++at / (float)branches;
    }
}

/* ---- parameters ---------------------------------------------------------------------------------------------- */

static size_t param_floats(const wk_param_info *p) { return (size_t)wk_tensor_count(p->ndim, p->shape); }

/* Lists the slots; `trainable` as in the options. */
static wk_status find_slots(wk_trainer *t, const bool *needed, const bool *trainable, wk_error *err) {
  const wk_graph *g = t->graph;
  size_t params = (size_t)g->param_count;
  t->slot = wk_calloc(params, sizeof *t->slot);
  t->stat = wk_calloc(params, sizeof *t->stat);
  t->slot_of = wk_alloc_array(params, sizeof *t->slot_of);
  t->param = wk_calloc(params, sizeof *t->param);
  t->frozen = wk_calloc(params, sizeof *t->frozen);
  if (!t->slot || !t->stat || !t->slot_of || !t->param || !t->frozen)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for training");
  for (int i = 0; i < g->param_count; i++) {
    const wk_param_info *p = &g->param[i];
    bool used = needed[p->node] && p->node != t->o.from;
    t->slot_of[i] = -1;
    if (p->trainable && trainable && trainable[i] && !used)
      return WK_FAIL(err, WK_ERR_ARGUMENT, "'%s' cannot train: it does not lie between '%s' and '%s'", p->name,
                     g->node[t->o.from].name, g->node[t->o.to].name);
    if (used && p->trainable && (!trainable || trainable[i])) {
      t->slot_of[i] = t->slots;
      t->slot[t->slots++] = (wk_slot){p, t->size, param_floats(p)};
      t->size += param_floats(p);
    } else if (used && !p->trainable && t->o.norm == WK_NORM_BATCH) {
      t->stat[t->stat_slots++] = (wk_slot){p, t->stats_size, param_floats(p)};
      t->stats_size += param_floats(p);
    }
  }
  if (!t->slots)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "nothing trains between '%s' and '%s'", g->node[t->o.from].name,
                   g->node[t->o.to].name);
  return WK_OK;
}

/* Puts every parameter in its place and fills t->param. */
static wk_status load_params(wk_trainer *t, const bool *needed, const wk_tensors *weights, wk_error *err) {
  const wk_graph *g = t->graph;
  t->params = wk_alloc_array(t->size, sizeof *t->params);
  t->gradient = wk_calloc(t->size, sizeof *t->gradient);
  t->stats = wk_alloc_array(t->stats_size, sizeof *t->stats);
  if (!t->params || !t->gradient || !t->stats)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for training: %zu MB of parameters and gradients",
                   2 * t->size * sizeof(float) >> 20);
  int stat = 0;
  for (int i = 0; i < g->param_count; i++) {
    const wk_param_info *p = &g->param[i];
    if (!needed[p->node] || p->node == t->o.from)
      continue;
    if (i == g->node[p->node].first_param)
      WK_RETURN_IF_ERROR(wk_graph_check_node(g, weights, p->node, err));
    const wk_tensor *tensor = wk_tensors_find(weights, p->name);
    size_t count = param_floats(p);
    float *to;
    if (t->slot_of[i] >= 0) {
      to = t->params + t->slot[t->slot_of[i]].offset;
    } else if (stat < t->stat_slots && t->stat[stat].param == p) {
      to = t->stats + t->stat[stat++].offset;
    } else if (!tensor) {
      continue; /* running statistics: 0 and 1 without one */
    } else {
      to = t->frozen[i] = wk_alloc_array(count, sizeof *to);
      t->frozen_bytes += count * sizeof *to;
    }
    if (!to)
      return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for '%s'", p->name);
    t->param[i] = to;
    if (tensor)
      WK_RETURN_IF_ERROR(wk_tensor_to_f32(to, tensor, err));
    else /* statistics that will move start at mean 0, variance 1 */
      for (size_t k = 0; k < count; k++)
        to[k] = i == g->node[p->node].first_param + 3 ? 1.0f : 0.0f;
  }
  return WK_OK;
}

/* ---- what micro-batches share
 * ------------------------------------------------------------------------------------------ */

static wk_status make_groups(wk_trainer *t, wk_error *err) {
  const wk_tape *p = t->tape;
  t->group = wk_calloc((size_t)p->groups, sizeof *t->group);
  WK_RETURN_IF_ERROR(t->group ? WK_OK : WK_FAIL(err, WK_ERR_MEMORY, "out of memory for training"));
  for (int i = 0; i < p->groups; i++) {
    wk_param_group_grad *d = &t->group[i];
    const wk_plan_op *s = wk_param_group_op(p, i);
    size_t batch = (size_t)t->o.batch, floats = 0;
    if (p->group[i].weights) {
      d->kind = WK_PARAM_GROUP_CONV;
      floats = p->group[i].sub_op < 0 ? p->instr[p->group[i].instr].packed.grad_floats
                                      : wk_plan_op_weight_floats(p->plan, s) + (size_t)s->layer.out.channels;
    } else if (wk_layer_is_linear(&s->layer)) {
      d->kind = WK_PARAM_GROUP_LINEAR;
      d->x = wk_alloc_array(batch, (size_t)wk_shape_count(s->layer.in) * sizeof(float));
      d->dy = wk_alloc_array(batch, (size_t)wk_shape_count(s->layer.out) * sizeof(float));
      if (!d->x || !d->dy)
        return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for training layer '%s'", s->layer.name);
    } else if (t->o.norm == WK_NORM_BATCH && s->layer.op == WK_OP_BATCH_NORM) {
      d->kind = WK_PARAM_GROUP_NORM_BATCH;
    } else {
      d->kind = WK_PARAM_GROUP_NORM;
      floats = 2 * (size_t)s->layer.in.channels;
    }
    if (floats)
      WK_RETURN_IF_ERROR(wk_tree_sum_init(&d->sum, floats, t->micro_batches, err));
  }
  return WK_OK;
}

static wk_status make_norms(wk_trainer *t, wk_error *err) {
  const wk_tape *p = t->tape;
  t->norm = wk_calloc((size_t)p->norms, sizeof *t->norm);
  bool failed = !t->norm;
  for (int i = 0; !failed && i < p->norms; i++) {
    wk_norm_data *n = &t->norm[i];
    n->channels = t->graph->node[p->norm[i]].shape.channels;
    size_t c = (size_t)n->channels;
    n->part = wk_alloc_array((size_t)t->micro_batches, 2 * c * sizeof *n->part);
    n->mean = wk_alloc_array(c, sizeof *n->mean);
    n->variance = wk_alloc_array(c, sizeof *n->variance);
    n->shift_mean = wk_alloc_array(6, c * sizeof *n->shift_mean);
    failed = !n->part || !n->mean || !n->variance || !n->shift_mean;
    if (failed)
      break;
    n->scale = n->shift_mean + c;
    n->shift = n->scale + c;
    n->k = n->shift + c;
    n->mean_dy = n->k + c;
    n->slope = n->mean_dy + c;
  }
  return failed ? WK_FAIL(err, WK_ERR_MEMORY, "out of memory for training") : WK_OK;
}

/* ---- making it ------------------------------------------------------------------------------------------------------
 */

static wk_status check(const wk_graph *g, const wk_trainer_options *o, wk_error *err) {
  if (!g->finished)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "the network is not finished: call wk_graph_finish first");
  if (o->from >= g->size || o->to >= g->size || (o->to < 0 && g->logits < 0))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "training from node %d to node %d is not possible: the network has %d",
                   o->from, o->to, g->size);
  if (o->batch < 1 || o->batch > (1 << 16) || o->micro_batch < 1)
    return WK_FAIL(err, WK_ERR_ARGUMENT,
                   "a batch of %d photos in micro-batches of %d is not possible: 1 to %d and 1 or more", o->batch,
                   o->micro_batch, 1 << 16);
  if (o->norm != WK_NORM_FROZEN && o->norm != WK_NORM_BATCH)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "there is no batch norm mode %d", (int)o->norm);
  if (!(o->norm_momentum >= 0 && o->norm_momentum <= 1))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "batch norm momentum %g is not possible: 0 to 1", (double)o->norm_momentum);
  if (!(o->dropout < 1) || !(o->stochastic_depth >= 0 && o->stochastic_depth < 1))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "dropout %g and stochastic depth %g are not possible: 0 or more and below 1",
                   (double)o->dropout, (double)o->stochastic_depth);
  return WK_OK;
}

static wk_status make_tape(wk_trainer *t, wk_error *err) {
  wk_status st = WK_OK;
  const wk_graph *g = t->graph;
  bool *trains = wk_calloc((size_t)g->param_count, sizeof *trains);
  WK_FAIL_IF(!trains, err, WK_ERR_MEMORY, "out of memory for training");
  for (int i = 0; i < g->param_count; i++)
    trains[i] = t->slot_of[i] >= 0;
  wk_tape_options po = {.height = t->o.height,
                        .width = t->o.width,
                        .batch = t->o.micro_batch,
                        .threads = 1,
                        .from = t->o.from,
                        .seed = &t->o.to,
                        .seeds = 1,
                        .target = &t->o.from,
                        .targets = t->o.input_gradient,
                        .trainable = trains,
                        .norm_batch = t->o.norm == WK_NORM_BATCH,
                        .depth = t->depth,
                        .drop = t->drop,
                        .own_input = true,
                        .no_winograd = t->o.no_winograd,
                        .param = (wk_param_table)t->param,
                        .isa = wk_cpu_isa()};
  WK_TRY(wk_tape_create(&t->tape, g, NULL, &po, err));
  for (int i = 0; i < t->tape->groups; i++)
    if (t->tape->group[i].instr >= t->learned)
      t->learned = t->tape->group[i].instr + 1;
done:
  wk_free(trains);
  return st;
}

wk_status wk_trainer_create(wk_trainer **out, const wk_graph *g, const wk_tensors *weights, const wk_trainer_options *o,
                            wk_error *err) {
  wk_status st = WK_OK;
  size_t nodes = (size_t)g->size;
  bool *needed = NULL, *seen = NULL;
  wk_trainer *t = wk_calloc(1, sizeof *t);
  WK_FAIL_IF(!t, err, WK_ERR_MEMORY, "out of memory for training");
  WK_TRY(check(g, o, err));
  WK_FAIL_IF(!weights, err, WK_ERR_ARGUMENT, "training starts from weights, but none were given");
  t->graph = g;
  t->o = *o;
  t->o.trainable = NULL;
  t->o.from = o->from < 0 ? g->input : o->from;
  t->o.to = o->to < 0 ? g->logits : o->to;
  t->o.micro_batch = o->micro_batch < o->batch ? o->micro_batch : o->batch;
  t->micro_batches = (t->o.batch + t->o.micro_batch - 1) / t->o.micro_batch;
  needed = wk_calloc(nodes, sizeof *needed);
  seen = wk_calloc(nodes, sizeof *seen);
  t->depth = wk_calloc(nodes, sizeof *t->depth);
  t->drop = wk_calloc(nodes, sizeof *t->drop);
  t->loss = wk_calloc((size_t)t->micro_batches, sizeof *t->loss);
  WK_FAIL_IF(!needed || !seen || !t->depth || !t->drop || !t->loss, err, WK_ERR_MEMORY, "out of memory for training");
  find_needed(needed, g, t->o.from, t->o.to);
  if (t->o.stochastic_depth > 0)
    find_depth(t, needed, seen);
  for (wk_node i = 0; i < g->size; i++)
    if (g->node[i].op == WK_OP_DROPOUT)
      t->drop[i] = o->dropout < 0 ? g->node[i].p : o->dropout;
  WK_TRY(find_slots(t, needed, o->trainable, err));
  WK_TRY(load_params(t, needed, weights, err));
  WK_TRY(make_tape(t, err));
  WK_TRY(make_groups(t, err));
  WK_TRY(make_norms(t, err));
  *out = t;
  t = NULL;
done:
  wk_free(needed);
  wk_free(seen);
  wk_trainer_free(t);
  return st;
}

void wk_trainer_free(wk_trainer *t) {
  if (!t)
    return;
  for (int i = 0; i < t->workers; i++)
    wk_free(t->in[i]);
  for (int i = 0; i < t->arenas; i++)
    wk_free(t->arena[i]);
  for (int i = 0; t->group && i < t->tape->groups; i++) {
    wk_tree_sum_free(&t->group[i].sum);
    wk_free(t->group[i].x);
    wk_free(t->group[i].dy);
  }
  for (int i = 0; t->norm && i < t->tape->norms; i++) {
    wk_free(t->norm[i].part);
    wk_free(t->norm[i].mean);
    wk_free(t->norm[i].variance);
    wk_free(t->norm[i].shift_mean);
  }
  for (int i = 0; t->frozen && i < t->graph->param_count; i++)
    wk_free(t->frozen[i]);
  wk_tape_free(t->tape);
  void *blocks[] = {t->slot,  t->stat, t->params, t->gradient, t->stats, t->slot_of, t->param, t->frozen,
                    t->depth, t->drop, t->group,  t->norm,     t->in,    t->arena,   t->loss};
  for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
    wk_free(blocks[i]);
  wk_free(t);
}

/* ---- asking
 * ----------------------------------------------------------------------------------------------------------- */

size_t wk_trainer_bytes(const wk_trainer *t, int threads) {
  const wk_tape *p = t->tape;
  size_t workers = (size_t)(threads < 1 ? 1 : threads > t->micro_batches ? t->micro_batches : threads), levels = 1;
  for (int n = t->micro_batches; n > 1; n = (n + 1) / 2)
    levels++;
  /* A sum has at most one part waiting a level, and one in the hands of each worker. */
  size_t parts = levels + workers - 1 < (size_t)t->micro_batches ? levels + workers - 1 : (size_t)t->micro_batches;
  size_t bytes = (2 * t->size + t->stats_size) * sizeof(float) + t->frozen_bytes + p->weight_bytes;
  bytes += p->plan->arena_bytes * (p->norms ? (size_t)t->micro_batches : workers);
  for (int i = 0; i < p->groups; i++) {
    const wk_plan_op *s = wk_param_group_op(p, i);
    bytes += t->group[i].sum.floats * parts * sizeof(float);
    if (t->group[i].kind == WK_PARAM_GROUP_LINEAR)
      bytes +=
          (size_t)(wk_shape_count(s->layer.in) + wk_shape_count(s->layer.out)) * (size_t)t->o.batch * sizeof(float);
  }
  for (int i = 0; i < p->norms; i++)
    bytes += (size_t)t->norm[i].channels * (((size_t)t->micro_batches * 2 + 2) * sizeof(double) + 6 * sizeof(float));
  return bytes;
}

wk_shape wk_trainer_input_shape(const wk_trainer *t) { return t->tape->plan->value[0].shape; }
wk_shape wk_trainer_output_shape(const wk_trainer *t) { return t->tape->plan->value[t->tape->plan->output[0]].shape; }
int wk_trainer_slots(const wk_trainer *t) { return t->slots; }
const wk_slot *wk_trainer_slot(const wk_trainer *t, int index) {
  return index < 0 || index >= t->slots ? NULL : &t->slot[index];
}
size_t wk_trainer_size(const wk_trainer *t) { return t->size; }
float *wk_trainer_params(wk_trainer *t) { return t->params; }
const float *wk_trainer_gradient(const wk_trainer *t) { return t->gradient; }
int wk_trainer_stat_slots(const wk_trainer *t) { return t->stat_slots; }
const wk_slot *wk_trainer_stat_slot(const wk_trainer *t, int index) {
  return index < 0 || index >= t->stat_slots ? NULL : &t->stat[index];
}
size_t wk_trainer_stats_size(const wk_trainer *t) { return t->stats_size; }
float *wk_trainer_stats(wk_trainer *t) { return t->stats; }
void wk_trainer_set_norm_momentum(wk_trainer *t, float momentum) { t->o.norm_momentum = momentum; }

wk_status wk_trainer_export(const wk_trainer *t, wk_tensors *out, const wk_tensors *base, wk_error *err) {
  const wk_graph *g = t->graph;
  int stat = 0;
  for (int i = 0; i < g->param_count; i++) {
    const wk_param_info *p = &g->param[i];
    const wk_slot *slot = t->slot_of[i] >= 0 ? &t->slot[t->slot_of[i]] : NULL;
    const float *values = slot ? t->params : t->stats;
    if (!slot && stat < t->stat_slots && t->stat[stat].param == p)
      slot = &t->stat[stat++];
    if (!slot) {
      const wk_tensor *old = base ? wk_tensors_find(base, p->name) : NULL;
      if (old)
        WK_RETURN_IF_ERROR(wk_tensors_add_view(out, old, err));
      continue;
    }
    wk_tensor tensor = {.name = p->name,
                        .dtype = WK_F32,
                        .ndim = p->ndim,
                        .data = values + slot->offset,
                        .bytes = slot->count * sizeof(float)};
    memcpy(tensor.shape, p->shape, sizeof *p->shape * (size_t)p->ndim);
    WK_RETURN_IF_ERROR(wk_tensors_add(out, &tensor, err));
  }
  return WK_OK;
}

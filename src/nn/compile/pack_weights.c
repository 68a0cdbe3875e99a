/* pack_weights.c - from parameters to packed weights: batch norm is folded in double precision, so that the folded
 * network is as exact as the one it came from. */
#include <math.h>
#include <string.h>

#include "nn/compile/plan.h"

/* ---- folding ------------------------------------------------------------------------------------ */

static const float *param_at(const wk_graph *g, wk_param_table param, wk_node node, int index) {
  return index < g->node[node].param_count ? param[g->node[node].first_param + index] : NULL;
}

void wk_norm_affine(double *scale, double *shift, const wk_graph *g, wk_node node, wk_param_table param, int channel) {
  const float *mean = param_at(g, param, node, 2), *variance = param_at(g, param, node, 3);
  double m = mean ? (double)mean[channel] : 0.0, v = variance ? (double)variance[channel] : 1.0;
  const float *shift_of = param_at(g, param, node, 1);
  *scale = (double)param_at(g, param, node, 0)[channel] / sqrt(v + (double)g->node[node].eps);
  *shift = (shift_of ? (double)shift_of[channel] : 0.0) - m * *scale;
}

size_t wk_plan_op_weight_floats(const wk_plan *plan, const wk_plan_op *s) {
  const wk_node_def *n = &plan->graph->node[s->head];
  if (!n->param_count)
    return 0;
  const wk_param_info *p = &plan->graph->param[n->first_param];
  return (size_t)wk_tensor_count(p->ndim, p->shape);
}

bool wk_plan_op_has_bias(const wk_plan *plan, const wk_plan_op *s) {
  const wk_node_def *n = &plan->graph->node[s->head];
  return n->bias || s->norm >= 0 || wk_op_is_affine(n->op);
}

void wk_plan_op_fold(float *weight, float *bias, const wk_plan *plan, const wk_plan_op *s, wk_param_table param) {
  const wk_graph *g = plan->graph;
  const wk_node_def *n = &g->node[s->head];
  size_t outputs = (size_t)n->shape.channels, each = wk_plan_op_weight_floats(plan, s) / outputs;
  const float *w = param_at(g, param, s->head, 0), *b = n->bias ? param_at(g, param, s->head, 1) : NULL;
  for (size_t o = 0; o < outputs; o++) {
    double scale = 1, shift = 0;
    if (wk_op_is_affine(n->op)) {
      wk_norm_affine(&scale, &shift, g, s->head, param, (int)o);
      weight[o] = (float)scale;
      bias[o] = (float)shift;
      continue;
    }
    if (s->norm >= 0)
      wk_norm_affine(&scale, &shift, g, s->norm, param, (int)o);
    if (s->norm < 0 && weight != w)
      memcpy(weight + o * each, w + o * each, each * sizeof *w);
    for (size_t i = 0; s->norm >= 0 && i < each; i++)
      weight[o * each + i] = (float)(w[o * each + i] * scale);
    if (bias)
      bias[o] = (float)((b ? (double)b[o] : 0.0) * scale + shift);
  }
}

/* ---- reading ------------------------------------------------------------------------------------ */

/* Fresh memory costs more than what is done with it, so weights of ordinary size are all read into one place. */
enum { ROOM = 4 << 20 }; /* floats */

typedef struct reader {
  const wk_tensors *weights;
  float **param; /* of all parameters; NULL where not read */
  float *room;   /* [ROOM] */
  size_t read;   /* floats since the file was last let go of */
} reader;

/* Reads the parameters of `node`, the first of which is the weight; absent ones stay NULL. */
static wk_status load_node(reader *r, const wk_graph *g, wk_node node, bool in_room, wk_error *err) {
  const wk_node_def *n = &g->node[node];
  if (!n->param_count)
    return WK_OK;
  if (!r->weights)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "layer '%s' needs weights, but none were given", n->name);
  WK_RETURN_IF_ERROR(wk_graph_check_node(g, r->weights, node, err));
  for (int i = n->first_param; i < n->first_param + n->param_count; i++) {
    const wk_param_info *p = &g->param[i];
    const wk_tensor *t = wk_tensors_find(r->weights, p->name);
    if (!t)
      continue;
    const size_t count = (size_t)wk_tensor_count(p->ndim, p->shape);
    r->param[i] = in_room && i == n->first_param && count <= ROOM ? r->room : wk_alloc_array(count, sizeof(float));
    if (!r->param[i])
      return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for '%s'", p->name);
    WK_RETURN_IF_ERROR(wk_tensor_to_f32(r->param[i], t, err));
    r->read += count;
  }
  return WK_OK;
}

static void free_node(reader *r, const wk_graph *g, wk_node node) {
  const wk_node_def *n = &g->node[node];
  for (int i = n->first_param; i < n->first_param + n->param_count; i++) {
    if (r->param[i] != r->room)
      wk_free(r->param[i]);
    r->param[i] = NULL;
  }
}

/* With `own` the parameters are the plan's to change: a weight is scaled where it lies. */
static wk_status prepare_op(wk_plan *plan, wk_plan_op *s, wk_param_table param, bool own, wk_prepare_hook hook,
                            void *user, wk_error *err) {
  const wk_graph *g = plan->graph;
  const wk_node_def *n = &g->node[s->head];
  wk_status st = WK_OK;
  wk_prepare p = {.threads = plan->threads,
                  .isa = plan->isa,
                  .batch = plan->batch,
                  .packing = &plan->packing,
                  .keep = !own,
                  .range = s->range};
  float *weight = NULL, *bias = NULL;
  if (n->param_count && s->norm < 0 && !wk_op_is_affine(n->op)) {
    p.weight = param_at(g, param, s->head, 0);
    p.bias = n->bias ? param_at(g, param, s->head, 1) : NULL;
  } else if (n->param_count) {
    size_t outputs = (size_t)n->shape.channels;
    float *to = own && !wk_op_is_affine(n->op) ? (float *)param_at(g, param, s->head, 0) : NULL;
    if (!to)
      to = weight = wk_alloc_array(wk_plan_op_weight_floats(plan, s), sizeof *weight);
    bias = wk_alloc_array(outputs, sizeof *bias);
    WK_FAIL_IF(!to || !bias, err, WK_ERR_MEMORY, "out of memory for layer '%s'", n->name);
    wk_plan_op_fold(to, bias, plan, s, param);
    p.weight = to;
    p.bias = bias;
    p.keep = false;
  }
  if (s->kernel && s->kernel->prepare)
    WK_TRY(s->kernel->prepare(&s->packed, &s->layer, &p, err));
  if (hook)
    WK_TRY(hook(user, (int)(s - plan->op), &p, err));
done:
  wk_free(weight);
  wk_free(bias);
  return st;
}

static wk_status load_op(wk_plan *plan, wk_plan_op *s, reader *r, wk_prepare_hook hook, void *user, wk_error *err) {
  const wk_graph *g = plan->graph;
  wk_status st = load_node(r, g, s->head, true, err);
  if (st == WK_OK && s->norm >= 0)
    st = load_node(r, g, s->norm, false, err);
  if (st == WK_OK)
    st = prepare_op(plan, s, (wk_param_table)r->param, true, hook, user, err);
  free_node(r, g, s->head);
  if (s->norm >= 0)
    free_node(r, g, s->norm);
  if (r->read > ROOM) { /* or the file would be in memory beside what is packed of it */
    wk_tensors_release_pages(r->weights);
    r->read = 0;
  }
  return st;
}

/* An op of several layers, once their weights are packed. */
static wk_status prepare_sub_ops(wk_plan *plan, wk_plan_op *s, wk_prepare_hook hook, void *user, wk_error *err) {
  wk_status st = WK_OK;
  wk_sub_op *sub_op = wk_alloc_array((size_t)s->sub_ops, sizeof *sub_op);
  WK_FAIL_IF(!sub_op, err, WK_ERR_MEMORY, "out of memory for layer '%s'", s->layer.name);
  for (int k = 0; k < s->sub_ops; k++)
    sub_op[k] = (wk_sub_op){&s->sub_op[k].layer, s->sub_op[k].packed.data};
  const wk_prepare p = {.threads = plan->threads,
                        .isa = plan->isa,
                        .batch = plan->batch,
                        .packing = &plan->packing,
                        .sub_op = sub_op,
                        .sub_ops = s->sub_ops};
  WK_TRY(s->kernel->prepare(&s->packed, &s->layer, &p, err));
  if (hook)
    WK_TRY(hook(user, (int)(s - plan->op), &p, err));
done:
  wk_free(sub_op);
  return st;
}

static void count_bytes(wk_plan *plan) {
  for (int i = 0; i < plan->ops; i++) {
    const wk_plan_op *s = &plan->op[i];
    plan->weight_bytes += s->packed.weight_bytes;
    for (int k = 0; k < s->sub_ops; k++)
      plan->weight_bytes += s->sub_op[k].packed.weight_bytes;
  }
}

/* Steps are packed by as many threads as will share them, each with a reader of its own. What comes of it does not
 * depend on who does which. */
typedef struct loading {
  wk_plan *plan;
  reader *reader;
  wk_prepare_hook hook;
  void *user;
} loading;

static wk_status ready_reader(reader *r, const wk_graph *g, wk_error *err) {
  if (!r->param)
    r->param = wk_calloc((size_t)g->param_count, sizeof *r->param);
  if (!r->room)
    r->room = wk_alloc_array(ROOM, sizeof *r->room);
  return r->param && r->room ? WK_OK : WK_FAIL(err, WK_ERR_MEMORY, "out of memory for planning a network");
}

/* From the end, where the large layers are: none of them is left to be done alone. */
static wk_status load_one(void *user, size_t index, int worker, wk_error *err) {
  const loading *l = user;
  wk_plan *plan = l->plan;
  reader *r = &l->reader[worker];
  wk_plan_op *s = &plan->op[plan->ops - 1 - (int)index];
  WK_RETURN_IF_ERROR(ready_reader(r, plan->graph, err));
  for (int k = 0; k < s->sub_ops; k++)
    WK_RETURN_IF_ERROR(load_op(plan, &s->sub_op[k], r, NULL, NULL, err));
  return s->sub_ops ? prepare_sub_ops(plan, s, l->hook, l->user, err) : load_op(plan, s, r, l->hook, l->user, err);
}

wk_status wk_plan_pack_weights(wk_plan *plan, const wk_tensors *weights, wk_prepare_hook hook, void *user,
                               wk_error *err) {
  wk_status st = WK_OK;
  const int threads = hook ? 1 : plan->threads;
  loading l = {.plan = plan, .hook = hook, .user = user};
  l.reader = wk_calloc((size_t)threads, sizeof *l.reader);
  WK_FAIL_IF(!l.reader, err, WK_ERR_MEMORY, "out of memory for planning a network");
  for (int i = 0; i < threads; i++)
    l.reader[i].weights = weights;
  WK_TRY(wk_parallel(NULL, threads, (size_t)plan->ops, load_one, &l, err));
  count_bytes(plan);
  if (weights)
    wk_tensors_release_pages(weights);
done:
  for (int i = 0; l.reader && i < threads; i++) {
    wk_free(l.reader[i].room);
    wk_free(l.reader[i].param);
  }
  wk_free(l.reader);
  return st;
}

wk_status wk_plan_pack_weights_from(wk_plan *plan, wk_param_table param, wk_prepare_hook hook, void *user,
                                    wk_error *err) {
  for (int i = 0; i < plan->ops; i++) {
    wk_plan_op *s = &plan->op[i];
    for (int k = 0; k < s->sub_ops; k++)
      WK_RETURN_IF_ERROR(prepare_op(plan, &s->sub_op[k], param, false, NULL, NULL, err));
    WK_RETURN_IF_ERROR(s->sub_ops ? prepare_sub_ops(plan, s, hook, user, err)
                                  : prepare_op(plan, s, param, false, hook, user, err));
  }
  count_bytes(plan);
  return WK_OK;
}

/* fold_gradient.c - the two ends of a step: packing the parameters as they are now, batch norm folded in, and turning
 * the gradients of the folded weights into those of the parameters.
 *
 * A folded layer computes with W' = s W and b' = s (b - mean) + beta, where s = gamma / sqrt(variance + eps). So
 *   dW = s dW',  db = s db',  dbeta = db',  dgamma = (<dW', W> + (b - mean) db') / sqrt(variance + eps):
 * the gradients of a frozen batch norm need no activations at all. */
#include "nn/run/fold_gradient.h"

#include <math.h>
#include <string.h>

#include "nn/kernels/f32/linear.h"

/* ---- parameters to packed weights --------------------------------------------------------------------- */

static bool op_trains(const wk_trainer *t, const wk_plan_op *s) {
  const wk_graph *g = t->graph;
  wk_node node[2] = {s->head, s->norm};
  for (int k = 0; k < 2; k++)
    for (int i = 0; node[k] >= 0 && i < g->node[node[k]].param_count; i++)
      if (t->slot_of[g->node[node[k]].first_param + i] >= 0)
        return true;
  return false;
}

/* Memory that serves a worker's micro-batches is idle while weights are packed: fresh memory at every step would cost
 * more than what is done with it. */
static float *idle_room(const wk_trainer *t, int worker, size_t floats) {
  const bool fits = worker < t->arenas && floats <= t->tape->plan->arena_bytes / sizeof(float);
  return fits ? (float *)(void *)t->arena[worker] : NULL;
}

/* The forward kernel's weights; where `index` tells the step it is, those of its gradient too. */
static wk_status repack_op(wk_trainer *t, const wk_plan_op *s, int index, int worker, wk_error *err) {
  const wk_tape *p = t->tape;
  wk_status st = WK_OK;
  float *weight = NULL, *bias = NULL, *fresh = NULL;
  if (!op_trains(t, s) || (s->layer.op == WK_OP_BATCH_NORM && t->o.norm == WK_NORM_BATCH))
    return WK_OK;
  wk_param_table table = (wk_param_table)t->param;
  wk_prepare prepare = {.threads = 1, .isa = p->plan->isa, .batch = p->plan->batch};
  const wk_node_def *n = &t->graph->node[s->head];
  if (s->norm < 0 && !wk_op_is_affine(n->op)) {
    prepare.weight = t->param[n->first_param];
    prepare.bias = n->bias ? t->param[n->first_param + 1] : NULL;
  } else {
    const size_t floats = wk_plan_op_weight_floats(p->plan, s);
    weight = idle_room(t, worker, floats);
    if (!weight)
      weight = fresh = wk_alloc_array(floats, sizeof *weight);
    bias = wk_alloc_array((size_t)n->shape.channels, sizeof *bias);
    WK_FAIL_IF(!weight || !bias, err, WK_ERR_MEMORY, "out of memory for layer '%s'", n->name);
    wk_plan_op_fold(weight, bias, p->plan, s, table);
    prepare.weight = weight;
    prepare.bias = bias;
  }
  WK_TRY(s->kernel->repack(s->packed.data, &s->layer, &prepare, err));
  for (int i = p->loss; i < p->instrs; i++)
    if (index >= 0 && p->instr[i].op == index && p->instr[i].data)
      WK_TRY(p->instr[i].data->repack(p->instr[i].packed.data, &s->layer, &prepare, err));
done:
  wk_free(fresh);
  wk_free(bias);
  return st;
}

/* The last layers, which are mostly the largest, come first: so that no thread waits long for another at the end. */
static wk_status repack(void *user, size_t job, int worker, wk_error *err) {
  wk_trainer *t = user;
  const wk_tape *p = t->tape;
  const int index = p->plan->ops - 1 - (int)job;
  const wk_plan_op *s = &p->plan->op[index];
  if (!s->sub_ops)
    return repack_op(t, s, index, worker, err);
  bool any = false;
  for (int k = 0; k < s->sub_ops; k++) {
    any |= op_trains(t, &s->sub_op[k]);
    WK_RETURN_IF_ERROR(repack_op(t, &s->sub_op[k], -1, worker, err));
  }
  const wk_prepare prepare = {.isa = p->plan->isa};
  for (int i = p->loss; any && i < p->instrs; i++)
    if (p->instr[i].op == index && p->instr[i].data)
      WK_RETURN_IF_ERROR(p->instr[i].data->repack(p->instr[i].packed.data, &s->layer, &prepare, err));
  return WK_OK;
}

wk_status wk_trainer_repack(wk_trainer *t, const wk_context *ctx, wk_error *err) {
  return wk_parallel(ctx, 0, (size_t)t->tape->plan->ops, repack, t, err);
}

/* ---- gradients of folded weights to those of parameters ------------------------------------------------ */

/* Where the gradient of parameter `index` of a node goes; NULL: it does not train. */
static float *gradient_of(const wk_trainer *t, wk_node node, int index) {
  if (node < 0 || index >= t->graph->node[node].param_count)
    return NULL;
  int slot = t->slot_of[t->graph->node[node].first_param + index];
  return slot < 0 ? NULL : t->gradient + t->slot[slot].offset;
}

/* In eight sums, so that none waits for itself. */
static double dot_product(const float *a, const float *b, size_t n) {
  double sum[8] = {0};
  size_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (size_t k = 0; k < 8; k++)
      sum[k] += (double)a[i + k] * (double)b[i + k];
  for (; i < n; i++)
    sum[0] += (double)a[i] * (double)b[i];
  return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

/* dweight may lie where the weight's gradient goes. */
static void unfold(wk_trainer *t, const wk_plan_op *s, const float *dweight, const float *dbias, int first, int last) {
  const wk_graph *g = t->graph;
  const wk_node_def *n = &g->node[s->head], *norm = s->norm < 0 ? NULL : &g->node[s->norm];
  const float *w = t->param[n->first_param], *b = n->bias ? t->param[n->first_param + 1] : NULL;
  size_t each = wk_plan_op_weight_floats(t->tape->plan, s) / (size_t)n->shape.channels;
  float *gw = gradient_of(t, s->head, 0), *gb = n->bias ? gradient_of(t, s->head, 1) : NULL;
  float *ggamma = gradient_of(t, s->norm, 0), *gbeta = gradient_of(t, s->norm, 1);
  for (int o = first; o < last; o++) {
    const float *dw = dweight + (size_t)o * each;
    double scale = 1, shift = 0;
    if (norm) {
      const float *mean = wk_trainer_param(t, s->norm, 2), *variance = wk_trainer_param(t, s->norm, 3);
      double inverse = 1.0 / sqrt((variance ? (double)variance[o] : 1.0) + (double)norm->eps);
      double m = mean ? (double)mean[o] : 0.0;
      wk_norm_affine(&scale, &shift, g, s->norm, (wk_param_table)t->param, o);
      if (ggamma)
        ggamma[o] =
            (float)((dot_product(dw, w + (size_t)o * each, each) + ((b ? (double)b[o] : 0.0) - m) * (double)dbias[o]) *
                    inverse);
      if (gbeta)
        gbeta[o] = dbias[o];
    }
    float *to = gw ? gw + (size_t)o * each : NULL;
    for (size_t i = 0; to && (norm || to != dw) && i < each; i++)
      to[i] = norm ? (float)((double)dw[i] * scale) : dw[i];
    if (gb)
      gb[o] = (float)((double)dbias[o] * scale);
  }
}

enum { NEAR_FLOATS = 16 << 10 }; /* of a gradient that are unfolded while they are near */

static wk_status collect_conv(wk_trainer *t, int group, wk_error *err) {
  const wk_tape *p = t->tape;
  const wk_param_group *g = &p->group[group];
  const wk_param_group_grad *d = &t->group[group];
  const wk_plan_op *s = wk_param_group_op(p, group);
  const size_t floats = wk_plan_op_weight_floats(p->plan, s), each = floats / (size_t)s->layer.out.channels;
  const int outputs = s->layer.out.channels, some = each < NEAR_FLOATS ? (int)(NEAR_FLOATS / each) : 1;
  wk_status st = WK_OK;
  float *direct = gradient_of(t, s->head, 0);
  float *weight = direct ? direct : wk_alloc_array(floats, sizeof *weight);
  float *bias = wk_alloc_array((size_t)outputs, sizeof *bias);
  WK_FAIL_IF(!weight || !bias, err, WK_ERR_MEMORY, "out of memory for the gradient of layer '%s'", s->layer.name);
  for (int first = 0, last; first < outputs; first = last) {
    last = g->weights->whole || outputs - first < some ? outputs : first + some;
    g->weights->unpack(weight, bias, p->instr[g->instr].packed.data, &s->layer, d->sum.total, first, last);
    unfold(t, s, weight, bias, first, last);
  }
done:
  if (!direct)
    wk_free(weight);
  wk_free(bias);
  return st;
}

static wk_status collect_linear(wk_trainer *t, const wk_param_group *group, const wk_param_group_grad *d, int first,
                                int last, wk_error *err) {
  static void (*const rows[])(float *, float *, const float *, const float *, int, int, int, int, int) =
      WK_ISA_TABLE(wk_linear_weights);
  const wk_plan *plan = t->tape->plan;
  const wk_plan_op *s = &plan->op[group->op];
  const wk_layer *l = &s->layer;
  int inputs = (int)wk_shape_count(l->in), outputs = l->out.channels;
  wk_status st = WK_OK;
  float *gw = gradient_of(t, s->head, 0), *gb = gradient_of(t, s->head, 1), *weight = NULL, *bias = NULL;
  if (s->norm < 0) {
    rows[plan->isa](gw, gb, d->x, d->dy, inputs, outputs, first, last, t->count);
    return WK_OK;
  }
  /* through temporary rows, which stand where the whole would */
  weight = wk_alloc_array((size_t)inputs * (size_t)outputs, sizeof *weight);
  bias = wk_alloc_array((size_t)outputs, sizeof *bias);
  WK_FAIL_IF(!weight || !bias, err, WK_ERR_MEMORY, "out of memory for the gradient of layer '%s'", l->name);
  rows[plan->isa](weight, bias, d->x, d->dy, inputs, outputs, first, last, t->count);
  unfold(t, s, weight, bias, first, last);
done:
  wk_free(weight);
  wk_free(bias);
  return st;
}

static void collect_norm(wk_trainer *t, const wk_param_group *group, const wk_param_group_grad *d) {
  const wk_plan_op *s = &t->tape->plan->op[group->op];
  const wk_node_def *n = &t->graph->node[s->head];
  const float *variance = wk_trainer_param(t, s->head, 3);
  float *ggamma = gradient_of(t, s->head, 0), *gbeta = gradient_of(t, s->head, 1);
  int channels = n->shape.channels;
  for (int c = 0; c < channels; c++) {
    /* a layer norm's sums are of what it has divided already */
    double inverse =
        n->op == WK_OP_LAYER_NORM ? 1.0 : 1.0 / sqrt((variance ? (double)variance[c] : 1.0) + (double)n->eps);
    if (ggamma)
      ggamma[c] = (float)((double)d->sum.total[c] * inverse);
    if (gbeta)
      gbeta[c] = d->sum.total[channels + c];
  }
}

/* Linear layers are cut into rows, because one of them may hold most of a network's parameters. */
enum { ROWS = 64 };

static int jobs_of(const wk_trainer *t, int group) {
  const wk_plan_op *s = &t->tape->plan->op[t->tape->group[group].op];
  if (t->group[group].kind != WK_PARAM_GROUP_LINEAR || s->norm >= 0)
    return 1;
  return (s->layer.out.channels + ROWS - 1) / ROWS;
}

static wk_status collect(void *user, size_t index, int worker, wk_error *err) {
  (void)worker;
  wk_trainer *t = user;
  int group = 0, job = (int)index;
  while (job >= jobs_of(t, group))
    job -= jobs_of(t, group++);
  const wk_param_group *g = &t->tape->group[group];
  const wk_param_group_grad *d = &t->group[group];
  int outputs = t->tape->plan->op[g->op].layer.out.channels, jobs = jobs_of(t, group);
  switch (d->kind) {
  case WK_PARAM_GROUP_CONV:
    return collect_conv(t, group, err);
  case WK_PARAM_GROUP_LINEAR:
    return collect_linear(t, g, d, jobs == 1 ? 0 : job * ROWS, job + 1 == jobs ? outputs : (job + 1) * ROWS, err);
  case WK_PARAM_GROUP_NORM:
    collect_norm(t, g, d);
    return WK_OK;
  default:
    return WK_OK; /* written where the micro-batches met */
  }
}

wk_status wk_trainer_collect(wk_trainer *t, const wk_context *ctx, wk_error *err) {
  size_t jobs = 0;
  for (int i = 0; i < t->tape->groups; i++)
    jobs += (size_t)jobs_of(t, i);
  return wk_parallel(ctx, 0, jobs, collect, t, err);
}

/* trainer_ops.c - the instructions that only training has: the loss, gradients of parameters, dropout and stochastic
 * depth. Random choices are a function of (seed, step, photo, layer), so micro-batches and threads change nothing. */
#include <string.h>

#include "nn/kernels/f32/elementwise.h"
#include "nn/kernels/f32/elementwise_grad.h"
#include "nn/kernels/f32/layer_norm.h"
#include "nn/run/backward.h"
#include "nn/run/trainer_ops.h"

static size_t values(wk_shape s) { return (size_t)s.height * (size_t)s.width * (size_t)s.channels; }

wk_status wk_run_loss(const wk_instr *in, wk_tape_exec *s, wk_error *err) {
  wk_trainer *t = wk_trainer_of(s);
  return t->loss_fn(t->user, wk_tape_exec_value(s, in->dx), &t->loss[s->index], wk_tape_exec_value(s, in->y), s->first,
                    s->count, err);
}

/* ---- gradients of parameters ------------------------------------------------------------------------ */

/* A buffer for the gradient of a group's parameters; NULL: out of memory. */
static float *take(wk_trainer *t, int group) { return wk_tree_sum_take(&t->group[group].sum); }

static void give(wk_trainer *t, int group, float *grad, int index) {
  wk_tree_sum_give(&t->group[group].sum, grad, index, wk_trainer_micro_batches(t));
}

wk_status wk_run_weights_back(const wk_instr *in, wk_tape_exec *s, wk_error *err) {
  wk_trainer *t = wk_trainer_of(s);
  if (t->input_gradient)
    return WK_OK;
  wk_call call = wk_instr_call(in, s);
  call.grad[0] = take(t, in->index);
  if (!call.grad[0])
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for the gradient of layer '%s'", call.layer->name);
  wk_kernel_run(in->weights, &call, s->run.team);
  give(t, in->index, call.grad[0], s->index);
  return WK_OK;
}

/* Gradients of the input of a block of layers and of its parameters at once. */
wk_status wk_run_mbconv_back(const wk_instr *in, wk_tape_exec *s, wk_error *err) {
  wk_status st = WK_OK;
  wk_trainer *t = wk_trainer_of(s);
  wk_call call = wk_instr_call(in, s);
  for (int k = 0; !t->input_gradient && k < WK_MBCONV_OPS; k++)
    if (in->group[k] >= 0) {
      call.grad[k] = take(t, in->group[k]);
      WK_FAIL_IF(!call.grad[k], err, WK_ERR_MEMORY, "out of memory for the gradient of layer '%s'", call.layer->name);
    }
  wk_kernel_run(in->data, &call, s->run.team);
  for (int k = 0; k < WK_MBCONV_OPS; k++)
    if (call.grad[k]) {
      give(t, in->group[k], call.grad[k], s->index);
      call.grad[k] = NULL;
    }
done:
  for (int k = 0; k < WK_MBCONV_OPS; k++)
    wk_free(call.grad[k]); /* left only where it failed */
  return st;
}

/* Kept for the whole batch: the gradient is then one product, and no micro-batch needs a copy as large as the weight.
 */
wk_status wk_run_linear_save(const wk_instr *in, wk_tape_exec *s, wk_error *err) {
  (void)err;
  const wk_layer *l = &wk_tape_exec_op(in, s)->layer;
  wk_param_group_grad *g = &wk_trainer_of(s)->group[in->index];
  size_t x = values(l->in), dy = values(l->out), first = (size_t)s->first, count = (size_t)s->count;
  if (wk_trainer_of(s)->input_gradient)
    return WK_OK;
  memcpy(g->x + x * first, wk_tape_exec_value(s, in->x), x * count * sizeof *g->x);
  memcpy(g->dy + dy * first, wk_tape_exec_value(s, in->dy), dy * count * sizeof *g->dy);
  return WK_OK;
}

/* A batch norm with fixed statistics, or a layer scale: the sums of dy (x - mean) and of dy. Of a layer norm: of dy
 * times the normalised x and of dy. */
wk_status wk_run_norm_weights(const wk_instr *in, wk_tape_exec *s, wk_error *err) {
  static void (*const sums[])(double *, const float *, const float *, const float *, size_t, int) =
      WK_ISA_TABLE(wk_channel_sums);
  static void (*const layer_sums[])(double *, const float *, const float *, size_t, int, float) =
      WK_ISA_TABLE(wk_layer_norm_sums);
  wk_trainer *t = wk_trainer_of(s);
  const wk_plan_op *op = wk_tape_exec_op(in, s);
  const wk_layer *l = &op->layer;
  size_t c = (size_t)l->in.channels, pixels = wk_tape_exec_count(s, in->x) / c;
  const float *mean = wk_trainer_param(t, op->head, 2);
  wk_tree_sum *sum = &t->group[in->index].sum;
  if (t->input_gradient)
    return WK_OK;
  float *grad = wk_tree_sum_take(sum);
  double *part = wk_alloc_array(2 * c, sizeof *part);
  if (!grad || !part) {
    wk_free(grad);
    wk_free(part);
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for the gradient of layer '%s'", l->name);
  }
  const float *x = wk_tape_exec_value(s, in->x), *dy = wk_tape_exec_value(s, in->dy);
  if (l->op == WK_OP_LAYER_NORM) {
    layer_sums[s->tape->plan->isa](part, dy, x, pixels, l->in.channels, l->eps);
  } else {
    sums[s->tape->plan->isa](part, dy, x, mean, pixels, l->in.channels);
    sums[s->tape->plan->isa](part + c, dy, NULL, NULL, pixels, l->in.channels);
  }
  for (size_t i = 0; i < 2 * c; i++)
    grad[i] = (float)part[i];
  wk_free(part);
  wk_tree_sum_give(sum, grad, s->index, wk_trainer_micro_batches(t));
  return WK_OK;
}

/* ---- dropout, stochastic depth ----------------------------------------------------------------------- */

/* A share p of 2^32. */
static uint32_t threshold(float p) { return (uint32_t)((double)p * 4294967296.0); }

enum { DRAW_DROPOUT = 1, DRAW_DEPTH = 2 };

/* to = from, with a share of values set to 0 and the others made larger so that the mean stays. */
static void drop(const wk_tape_exec *s, const wk_instr *in, float *to, const float *from, bool accumulate) {
  const wk_trainer *t = wk_trainer_of(s);
  const wk_plan_op *op = wk_tape_exec_op(in, s);
  size_t each = values(op->layer.in);
  float p = t->drop[op->head], factor = 1.0f / (1.0f - p);
  uint32_t limit = threshold(p);
  for (int photo = 0; photo < s->count; photo++, to += each, from += each)
    for (size_t i = 0; i < each; i += 4) {
      uint32_t draw[4],
          counter[4] = {(uint32_t)(i / 4), (uint32_t)(s->first + photo), (uint32_t)op->head, DRAW_DROPOUT};
      wk_philox(draw, counter, t->key);
      for (size_t k = 0; k < 4 && i + k < each; k++) {
        float v = draw[k] < limit ? 0.0f : from[i + k] * factor;
        to[i + k] = accumulate ? to[i + k] + v : v;
      }
    }
}

wk_status wk_run_dropout(const wk_instr *in, wk_tape_exec *s, wk_error *err) {
  (void)err;
  const wk_plan_op *op = wk_tape_exec_op(in, s);
  drop(s, in, wk_tape_exec_value(s, op->out), wk_tape_exec_value(s, op->in[0]), false);
  return WK_OK;
}

wk_status wk_run_dropout_back(const wk_instr *in, wk_tape_exec *s, wk_error *err) {
  (void)err;
  drop(s, in, wk_tape_exec_value(s, in->dx), wk_tape_exec_value(s, in->dy), in->accumulate);
  return WK_OK;
}

/* What a photo's branch is multiplied with: 0 where it is left out. */
static float branch_factor(const wk_tape_exec *s, wk_node node, int photo) {
  const wk_trainer *t = wk_trainer_of(s);
  uint32_t draw[4], counter[4] = {0, (uint32_t)(s->first + photo), (uint32_t)node, DRAW_DEPTH};
  wk_philox(draw, counter, t->key);
  return draw[0] < threshold(t->depth[node]) ? 0.0f : 1.0f / (1.0f - t->depth[node]);
}

wk_status wk_run_depth_add(const wk_instr *in, wk_tape_exec *s, wk_error *err) {
  static void (*const act[])(float *, const float *, size_t, wk_act) = WK_ISA_TABLE(wk_act_apply);
  (void)err;
  const wk_plan_op *op = wk_tape_exec_op(in, s);
  size_t each = values(op->layer.out);
  bool swap = op->in[0] > op->in[1]; /* the branch is what was computed later */
  const float *branch = wk_tape_exec_value(s, op->in[swap ? 0 : 1]),
              *shortcut = wk_tape_exec_value(s, op->in[swap ? 1 : 0]);
  float *out = wk_tape_exec_value(s, op->out);
  for (int photo = 0; photo < s->count; photo++, out += each, branch += each, shortcut += each) {
    float factor = branch_factor(s, op->head, photo);
    for (size_t i = 0; i < each; i++) /* `out` may be either of them */
      out[i] = shortcut[i] + branch[i] * factor;
    act[s->tape->plan->isa](out, out, each, op->layer.act);
  }
  return WK_OK;
}

static void (*const scaled[])(float *, const float *, float, size_t, bool) = WK_ISA_TABLE(wk_scaled);

wk_status wk_run_depth_back(const wk_instr *in, wk_tape_exec *s, wk_error *err) {
  (void)err;
  const wk_plan_op *op = wk_tape_exec_op(in, s);
  size_t each = values(op->layer.out);
  const float *dy = wk_tape_exec_value(s, in->dy);
  float *dx = wk_tape_exec_value(s, in->dx);
  for (int photo = 0; photo < s->count; photo++)
    scaled[s->tape->plan->isa](dx + each * (size_t)photo, dy + each * (size_t)photo, branch_factor(s, op->head, photo),
                               each, in->accumulate);
  return WK_OK;
}

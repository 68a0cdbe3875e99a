/* autodiff.c - the backward pass, written from the ops in reverse order.
 *
 * The gradient of a value is complete when the op that wrote it is reached, because all its readers came later. The
 * first reader's part is written (or simply becomes the gradient, where it is passed on unchanged), later ones are
 * added. */
#include <string.h>

#include "nn/compile/tape.h"
#include "nn/ops/op_table.h"

typedef struct back {
  wk_tape *p;
  const wk_tape_options *o;
  bool *needs;      /* [values] does anything wanted lie at or before it? */
  bool *target;     /* [values] its gradient is asked for, so nothing may be written over it */
  bool failed;      /* out of memory; sticks */
  wk_instr nowhere; /* written to once that has happened */
} back;

static bool trains(const back *b, wk_node node) {
  const wk_graph *g = b->p->plan->graph;
  const wk_node_def *n = &g->node[node];
  for (int i = 0; b->o->trainable && i < n->param_count; i++)
    if (b->o->trainable[n->first_param + i] && g->param[n->first_param + i].trainable)
      return true;
  return false;
}

static bool op_trains(const back *b, const wk_plan_op *s) {
  for (int k = 0; k < s->sub_ops; k++)
    if (op_trains(b, &s->sub_op[k]))
      return true;
  return !s->sub_ops && (trains(b, s->head) || (s->norm >= 0 && trains(b, s->norm)));
}

static void find_needs(back *b) {
  const wk_plan *plan = b->p->plan;
  for (int i = 0; i < b->o->targets; i++) {
    int v = b->p->value_of[b->o->target[i]];
    b->needs[v] = b->target[v] = true;
  }
  for (int i = 0; i < plan->ops; i++) {
    const wk_plan_op *s = &plan->op[i];
    bool needs = op_trains(b, s) || (s->residual >= 0 && b->needs[s->residual]);
    for (int k = 0; k < s->inputs; k++)
      needs |= b->needs[s->in[k]];
    b->needs[s->out] |= needs;
  }
}

/* ---- writing instructions ------------------------------------------------------------------------- */

static wk_instr *emit(back *b, wk_instr_kind kind, int op) {
  wk_instr *in = b->failed ? NULL : wk_tape_add(b->p, kind);
  if (!in) {
    b->failed = true;
    in = &b->nowhere;
  }
  in->op = op;
  return in;
}

static int fresh(back *b, int like) {
  int v = b->failed ? -1 : wk_tape_value(b->p, b->p->plan->value[like].shape);
  b->failed |= v < 0;
  return v;
}

/* Makes `in` write its part of the gradient of value v. */
static void contribute(back *b, wk_instr *in, int v) {
  in->accumulate = b->p->grad_of[v] >= 0;
  if (!in->accumulate)
    b->p->grad_of[v] = fresh(b, v);
  in->dx = b->p->grad_of[v];
}

/* Gradient g is, unchanged, a part of that of v. It is given away: nothing may use it as it is afterwards. */
static void give(back *b, int op, int v, int g) {
  if (b->p->grad_of[v] < 0) {
    b->p->grad_of[v] = g;
    return;
  }
  wk_instr *in = emit(b, WK_INSTR_MOVE, op);
  in->dy = g;
  in->dx = b->p->grad_of[v];
  in->accumulate = true;
}

/* The same where g is still used. */
static void copy(back *b, int op, int v, int g) {
  wk_instr *in = emit(b, WK_INSTR_MOVE, op);
  in->dy = g;
  contribute(b, in, v);
}

/* An instruction that can work in place: on g itself where v has no gradient yet. */
static void contribute_in_place(back *b, wk_instr *in, int v, int g) {
  in->dy = g;
  in->accumulate = b->p->grad_of[v] >= 0;
  if (!in->accumulate)
    b->p->grad_of[v] = g;
  in->dx = b->p->grad_of[v];
}

/* ---- one op -------------------------------------------------------------------------------------- */

/* Can it multiply what it writes with the slope of the activation that made value `out`? */
static bool can_mask(const wk_instr *in, int out) {
  return in->kind == WK_INSTR_MAX_POOL_BACK ? in->x == out && !in->mask_act : in->data && in->data->masks && in->y < 0;
}

/* The instruction that has just finished gradient g, of `out`, and can multiply it with a slope as it goes; NULL: there
 * is none, or somebody has read g since as it was. */
static wk_instr *finisher(const back *b, int g, int out, wk_act act) {
  for (int k = b->p->instrs - 1; k >= b->p->loss; k--) {
    wk_instr *in = &b->p->instr[k];
    if (in->dx == g)
      return act <= WK_ACT_RELU6 && can_mask(in, out) ? in : NULL;
    if (in->dy == g)
      return NULL;
  }
  return NULL;
}

static void mask(back *b, int i, int g) {
  const wk_plan_op *s = &b->p->plan->op[i];
  wk_instr *last = b->failed ? NULL : finisher(b, g, s->out, s->layer.act);
  if (last) {
    if (last->data)
      last->y = s->out;
    last->mask_act = s->layer.act;
    return;
  }
  wk_instr *in = emit(b, WK_INSTR_ACT_BACK, i);
  in->y = s->out;
  in->dy = in->dx = g;
}

/* The number of a new group of parameters. */
static int group(back *b, const wk_instr *in, int i, int sub_op, const wk_kernel *weights) {
  if (b->failed)
    return -1;
  b->p->group[b->p->groups] =
      (wk_param_group){.op = i, .sub_op = sub_op, .instr = (int)(in - b->p->instr), .weights = weights};
  return b->p->groups++;
}

static void back_weights(back *b, int i, int g) {
  const wk_plan_op *s = &b->p->plan->op[i];
  if (!op_trains(b, s))
    return;
  bool linear = wk_layer_is_linear(&s->layer);
  wk_instr *in = emit(b, linear ? WK_INSTR_LINEAR_SAVE : WK_INSTR_WEIGHTS_BACK, i);
  in->x = s->in[0];
  in->dy = g;
  if (!linear)
    in->weights = wk_kernel_for(&s->layer, WK_BACKWARD_WEIGHTS, b->p->plan->isa);
  in->index = group(b, in, i, -1, in->weights);
}

static void back_matrix(back *b, int i, int g) {
  const wk_plan_op *s = &b->p->plan->op[i];
  back_weights(b, i, g);
  if (b->needs[s->in[0]]) {
    wk_instr *in = emit(b, WK_INSTR_DATA_BACK, i);
    in->dy = g;
    in->data = wk_kernel_for(&s->layer, WK_BACKWARD_DATA, b->p->plan->isa);
    contribute(b, in, s->in[0]);
  }
  if (s->residual >= 0 && b->needs[s->residual])
    give(b, i, s->residual, g);
}

/* All layers of a block in one instruction. Its own input is usually the other side of the addition as well, whose part
 * is then added on the way. */
static void back_block(back *b, int i, int g) {
  /* Sums of expansion and depthwise lie by rows of outputs, those of the projection as those of any convolution. */
  const wk_kernel *const layout[WK_MBCONV_OPS] = {&wk_kernel_depthwise_weights, &wk_kernel_depthwise_weights,
                                                  &wk_kernel_conv_weights};
  const wk_plan_op *s = &b->p->plan->op[i];
  const int x = s->in[0], other = s->residual, skipped = WK_MBCONV_OPS - s->sub_ops;
  wk_instr *in = emit(b, WK_INSTR_MBCONV_BACK, i);
  in->x = x;
  in->dy = g;
  in->data = &wk_kernel_mbconv_data;
  for (int k = 0; k < WK_MBCONV_OPS; k++)
    in->group[k] = k < skipped || !op_trains(b, &s->sub_op[k - skipped]) ? -1 : group(b, in, i, k - skipped, layout[k]);
  const bool adds = other == x && !skipped && b->needs[x] && b->p->grad_of[x] < 0;
  if (b->needs[x])
    contribute(b, in, x);
  in->f = adds ? g : -1;
  if (other >= 0 && b->needs[other] && !adds)
    give(b, i, other, g);
}

static void back_add(back *b, int i, int g) {
  const wk_plan_op *s = &b->p->plan->op[i];
  int first = s->in[0], second = s->in[1];
  wk_node node = s->head;
  if (b->o->depth && b->o->depth[node] > 0) { /* the branch's part is scaled photo by photo; it is the later operand */
    int branch = first > second ? first : second, shortcut = first > second ? second : first;
    if (b->needs[branch]) {
      wk_instr *in = emit(b, WK_INSTR_DEPTH_BACK, i);
      in->dy = g;
      contribute(b, in, branch);
    }
    if (b->needs[shortcut])
      give(b, i, shortcut, g);
    return;
  }
  if (b->needs[first] && b->needs[second])
    copy(b, i, second, g);
  else if (b->needs[second])
    give(b, i, second, g);
  if (b->needs[first])
    give(b, i, first, g);
}

static void back_norm(back *b, int i, int g) {
  const wk_plan_op *s = &b->p->plan->op[i];
  bool weights = op_trains(b, s), data = b->needs[s->in[0]];
  if (b->o->norm_batch && s->layer.op == WK_OP_BATCH_NORM) {
    wk_instr *in = emit(b, WK_INSTR_NORM_SUMS, i);
    in->after = data ? WK_INSTR_NORM_BACK : WK_INSTR_NOTHING; /* they meet for its weight, too */
    in->x = s->in[0];
    int number = 0;
    while (b->p->norm[number] != s->head)
      number++;
    in->index = number;
    if (data)
      contribute_in_place(b, in, s->in[0], g);
    else
      in->dy = g;
    /* the gradients of its weight and bias fall out of the sums; the group tells where they go */
    if (weights)
      group(b, in, i, -1, NULL);
    return;
  }
  if (weights) {
    wk_instr *in = emit(b, WK_INSTR_NORM_WEIGHTS, i);
    in->x = s->in[0];
    in->dy = g;
    in->index = group(b, in, i, -1, NULL);
  }
  if (!data)
    return;
  const bool layer = s->layer.op == WK_OP_LAYER_NORM;
  wk_instr *in = emit(b, layer ? WK_INSTR_LAYER_NORM_BACK : WK_INSTR_AFFINE_BACK, i);
  in->x = layer ? s->in[0] : -1;
  contribute_in_place(b, in, s->in[0], g);
}

static void back_scale(back *b, int i, int g) {
  const wk_plan_op *s = &b->p->plan->op[i];
  if (b->needs[s->in[1]]) {
    wk_instr *in = emit(b, WK_INSTR_FACTOR_BACK, i);
    in->x = s->in[0];
    in->dy = g;
    contribute(b, in, s->in[1]);
  }
  if (b->needs[s->in[0]]) {
    wk_instr *in = emit(b, WK_INSTR_SCALE_BACK, i);
    in->f = s->in[1];
    contribute_in_place(b, in, s->in[0], g);
  }
}

static void back_concat(back *b, int i, int g) {
  const wk_plan_op *s = &b->p->plan->op[i];
  for (int k = 0; k < s->inputs; k++) {
    if (!b->needs[s->in[k]])
      continue;
    wk_instr *in = emit(b, WK_INSTR_CONCAT_BACK, i);
    in->dy = g;
    in->index = k;
    contribute(b, in, s->in[k]);
  }
}

static void back_multiply(back *b, int i, int g) {
  const wk_plan_op *s = &b->p->plan->op[i];
  for (int k = 0; k < 2; k++) {
    if (!b->needs[s->in[k]])
      continue;
    wk_instr *in = emit(b, WK_INSTR_PLAIN_BACK, i);
    in->x = s->in[1 - k];
    in->dy = g;
    contribute(b, in, s->in[k]);
  }
}

/* A layer with one input and no parameters. */
static void back_single(back *b, int i, int g) {
  const wk_plan_op *s = &b->p->plan->op[i];
  const wk_op op = s->layer.op;
  if (!b->needs[s->in[0]])
    return;
  if (wk_op_is_activation(op)) {
    wk_instr *in = emit(b, WK_INSTR_ACT_BACK, i);
    bool from_input = op == WK_OP_HARDSWISH || op == WK_OP_SILU || op == WK_OP_GELU;
    in->x = from_input ? s->in[0] : -1;
    in->y = from_input ? -1 : s->out;
    contribute_in_place(b, in, s->in[0], g);
  } else if (op > WK_OP_SOFTMAX) {
    wk_instr *in = emit(b, WK_INSTR_PLAIN_BACK, i);
    in->x = s->in[0];
    in->dy = g;
    contribute(b, in, s->in[0]);
  } else if (op == WK_OP_DROPOUT || op == WK_OP_SOFTMAX) {
    wk_instr *in = emit(b, op == WK_OP_DROPOUT ? WK_INSTR_DROPOUT_BACK : WK_INSTR_SOFTMAX_BACK, i);
    in->y = op == WK_OP_SOFTMAX ? s->out : -1;
    contribute_in_place(b, in, s->in[0], g);
  } else {
    wk_instr *in = emit(b,
                        op == WK_OP_FLATTEN    ? WK_INSTR_FLATTEN_BACK
                        : op == WK_OP_MAX_POOL ? WK_INSTR_MAX_POOL_BACK
                                               : WK_INSTR_POOL_BACK,
                        i);
    in->dy = g;
    if (op == WK_OP_MAX_POOL) {
      in->x = s->in[0];
      in->y = s->out;
    }
    contribute(b, in, s->in[0]);
  }
}

/* g: the gradient of the op's output. */
static void back_op(back *b, int i, int g) {
  const wk_plan_op *s = &b->p->plan->op[i];
  wk_op op = s->layer.op;
  if (b->target[s->out]) { /* what was asked for stays; what goes on is a copy */
    int kept = g;
    wk_instr *in = emit(b, WK_INSTR_MOVE, i);
    in->dy = kept;
    in->dx = g = fresh(b, s->out);
  }
  if (s->layer.act && !wk_op_is_activation(op))
    mask(b, i, g);
  switch (op) {
  case WK_OP_CONV:
  case WK_OP_LINEAR:
    (s->sub_ops ? back_block : back_matrix)(b, i, g);
    return;
  case WK_OP_ADD:
    back_add(b, i, g);
    return;
  case WK_OP_BATCH_NORM:
  case WK_OP_LAYER_NORM:
  case WK_OP_LAYER_SCALE:
    back_norm(b, i, g);
    return;
  case WK_OP_SCALE:
    back_scale(b, i, g);
    return;
  case WK_OP_CONCAT:
    back_concat(b, i, g);
    return;
  case WK_OP_MULTIPLY:
    back_multiply(b, i, g);
    return;
  default:
    back_single(b, i, g);
  }
}

/* Gradients that come from outside at value v. */
static void feed(back *b, int v) {
  for (int i = 0; i < b->o->seeds; i++) {
    if (b->p->value_of[b->o->seed[i]] != v || !b->needs[v])
      continue;
    wk_instr *in = emit(b, b->o->trainable ? WK_INSTR_LOSS : WK_INSTR_OUTPUT_GRAD, -1);
    in->index = i;
    in->y = b->o->trainable ? v : -1;
    contribute(b, in, v);
  }
}

wk_status wk_tape_differentiate(wk_tape *p, const wk_tape_options *o, wk_error *err) {
  const wk_plan *plan = p->plan;
  wk_status st = WK_OK;
  back b = {.p = p, .o = o};
  b.needs = wk_calloc((size_t)plan->values, sizeof *b.needs);
  b.target = wk_calloc((size_t)plan->values, sizeof *b.target);
  WK_FAIL_IF(!b.needs || !b.target, err, WK_ERR_MEMORY, "out of memory for planning a network");
  find_needs(&b);
  for (int i = plan->ops - 1; i >= 0; i--) {
    int out = plan->op[i].out;
    feed(&b, out);
    if (!b.failed && p->grad_of[out] >= 0)
      back_op(&b, i, p->grad_of[out]);
  }
  feed(&b, 0);
  WK_FAIL_IF(b.failed, err, WK_ERR_MEMORY, "out of memory for planning a network");
  for (int i = 0; i < o->targets; i++)
    WK_FAIL_IF(p->grad_of[p->value_of[o->target[i]]] < 0, err, WK_ERR_ARGUMENT,
               "the gradient of '%s' was asked for, but nothing that gradients are fed into depends on it",
               plan->graph->node[o->target[i]].name);
done:
  wk_free(b.needs);
  wk_free(b.target);
  return st;
}

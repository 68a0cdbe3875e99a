/* fuse.c - from layers to ops: only what the outputs need, with batch norm, residual and activation drawn into
 * the layer before them wherever nobody else looks at what lies between.
 *
 * Dropout and a flatten that moves nothing are not ops: their `source` is the node before them. */
#include <string.h>

#include "nn/compile/plan.h"
#include "nn/ops/op_table.h"

typedef struct fuse {
  const wk_graph *g;
  const wk_fuse_options *o;
  const wk_shape *shape;
  wk_isa isa;
  bool no_winograd;
  const wk_pixels *pixels; /* the input is bytes; NULL: floats */
  wk_node reader;          /* the node that reads them: a convolution, or the input itself, which makes floats of them;
                              -1: floats */
  bool *needed, *wanted;   /* wanted: an output, so nothing may swallow it */
  bool *deferred;          /* a flatten that the linear layer's weights do instead */
  wk_node *source;
  int *users;            /* of a source node, counted with repetition */
  wk_node *user;         /* the last of them */
  wk_node *head;         /* of the tail of a fused chain: its first node; -1: no op ends here */
  wk_node *norm, *other; /* of the head: batch norm folded in; the other side of a residual add */
  wk_act *act;           /* of the head */
  bool *absorbed;
  int *value_of; /* of a source node */
} fuse;

static wk_act act_of(wk_op op) {
  switch (op) {
  case WK_OP_RELU:
    return WK_ACT_RELU;
  case WK_OP_RELU6:
    return WK_ACT_RELU6;
  case WK_OP_HARDSWISH:
    return WK_ACT_HARDSWISH;
  case WK_OP_HARDSIGMOID:
    return WK_ACT_HARDSIGMOID;
  case WK_OP_SILU:
    return WK_ACT_SILU;
  case WK_OP_SIGMOID:
    return WK_ACT_SIGMOID;
  case WK_OP_GELU:
    return WK_ACT_GELU;
  default:
    return WK_ACT_NONE;
  }
}

static void fuse_free(fuse *f) {
  void *blocks[] = {f->needed, f->wanted, f->deferred, f->source, f->users,    f->user,
                    f->head,   f->norm,   f->other,    f->act,    f->absorbed, f->value_of};
  for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
    wk_free(blocks[i]);
}

static wk_status fuse_alloc(fuse *f, wk_error *err) {
  size_t n = (size_t)f->g->size;
  f->needed = wk_calloc(n, sizeof *f->needed);
  f->wanted = wk_calloc(n, sizeof *f->wanted);
  f->deferred = wk_calloc(n, sizeof *f->deferred);
  f->source = wk_calloc(n, sizeof *f->source);
  f->users = wk_calloc(n, sizeof *f->users);
  f->user = wk_calloc(n, sizeof *f->user);
  f->head = wk_calloc(n, sizeof *f->head);
  f->norm = wk_calloc(n, sizeof *f->norm);
  f->other = wk_calloc(n, sizeof *f->other);
  f->act = wk_calloc(n, sizeof *f->act);
  f->absorbed = wk_calloc(n, sizeof *f->absorbed);
  f->value_of = wk_calloc(n, sizeof *f->value_of);
  if (!f->needed || !f->wanted || !f->deferred || !f->source || !f->users || !f->user || !f->head || !f->norm ||
      !f->other || !f->act || !f->absorbed || !f->value_of)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for planning a network");
  for (size_t i = 0; i < n; i++) {
    f->head[i] = f->norm[i] = f->other[i] = f->user[i] = -1;
    f->value_of[i] = -1;
  }
  return WK_OK;
}

/* ---- what is needed ------------------------------------------------------------------------------ */

static void find_needed(fuse *f, const wk_node *output, int outputs) {
  for (int i = 0; i < outputs; i++)
    f->needed[output[i]] = f->wanted[output[i]] = true;
  for (wk_node i = f->g->size - 1; i >= 0; i--)
    for (int k = 0; f->needed[i] && i != f->o->from && k < f->g->node[i].inputs; k++)
      f->needed[f->g->node[i].input[k]] = true;
}

/* May the order of this flatten be put into the weights of what reads it? Only if linear layers alone do. */
static bool can_defer(const fuse *f, wk_node flatten) {
  if (f->wanted[flatten])
    return false;
  for (wk_node i = flatten + 1; i < f->g->size; i++) {
    const wk_node_def *n = &f->g->node[i];
    for (int k = 0; f->needed[i] && k < n->inputs; k++)
      if (n->input[k] == flatten && n->op != WK_OP_LINEAR && !(n->op == WK_OP_DROPOUT && can_defer(f, i)))
        return false;
  }
  return true;
}

static void find_sources(fuse *f) {
  for (wk_node i = 0; i < f->g->size; i++) {
    const wk_node_def *n = &f->g->node[i];
    f->source[i] = i;
    if (!f->needed[i] || i == f->o->from)
      continue;
    if (n->op == WK_OP_DROPOUT && !(f->o->drop && f->o->drop[i] > 0))
      f->source[i] = f->source[n->input[0]];
    if (n->op == WK_OP_FLATTEN) {
      wk_shape in = f->shape[n->input[0]];
      f->deferred[i] = !f->o->train && in.height * in.width > 1 && can_defer(f, i);
      if (in.height * in.width == 1 || f->deferred[i])
        f->source[i] = f->source[n->input[0]];
    }
    f->wanted[f->source[i]] |= f->wanted[i];
  }
  for (wk_node i = 0; i < f->g->size; i++)
    for (int k = 0; f->needed[i] && i != f->o->from && f->source[i] == i && k < f->g->node[i].inputs; k++) {
      wk_node from = f->source[f->g->node[i].input[k]];
      f->users[from]++;
      f->user[from] = i;
    }
}

/* ---- fusing -------------------------------------------------------------------------------------- */

/* The one node that reads `node` and may swallow it; -1: there is none. */
static wk_node sole_user(const fuse *f, wk_node node) {
  return f->wanted[node] || f->users[node] != 1 ? -1 : f->user[node];
}

/* Where training must find the slope of an activation, it has the output alone once it is fused. */
static bool may_fuse_act(const fuse *f, wk_op op) {
  return act_of(op) && (!f->o->train || (op != WK_OP_HARDSWISH && op != WK_OP_SILU && op != WK_OP_GELU));
}

/* Into the weights before it. */
static bool may_fold(const fuse *f, wk_op op) {
  return op == WK_OP_LAYER_SCALE || (op == WK_OP_BATCH_NORM && !f->o->norm_batch);
}

static bool may_fuse_add(const fuse *f, wk_node node) {
  return f->g->node[node].op == WK_OP_ADD && !f->absorbed[node] && !(f->o->depth && f->o->depth[node] > 0);
}

static void describe(wk_layer *l, const fuse *f, wk_node head, wk_node tail) {
  const wk_node_def *n = &f->g->node[head];
  wk_node in = n->inputs ? f->source[n->input[0]] : head;
  *l = (wk_layer){.name = f->g->node[tail].name,
                  .op = n->op,
                  .train = f->o->train,
                  .in = f->shape[in],
                  .out = f->shape[head],
                  .window = wk_window_resolve(&n->window, f->shape[in].height, f->shape[in].width),
                  .groups = n->groups,
                  .extra = n->extra,
                  .eps = n->eps,
                  .residual = f->other[head] >= 0,
                  .no_winograd = f->no_winograd,
                  .pixels = head == f->reader ? f->pixels : NULL,
                  .act = f->act[head] ? f->act[head] : act_of(n->op)};
}

/* Could a kernel compute the chain from head to tail as it stands? */
static bool possible(const fuse *f, wk_node head, wk_node tail) {
  wk_layer l;
  describe(&l, f, head, tail);
  return wk_kernel_for(&l, WK_FORWARD, f->isa) != NULL;
}

/* Who reads the bytes: the one convolution that reads the input, if there is a kernel for it; else they are made floats
 * first. */
static void find_reader(fuse *f) {
  f->reader = f->pixels ? sole_user(f, f->o->from) : -1;
  if (f->reader >= 0 && !possible(f, f->reader, f->reader))
    f->reader = -1;
  if (f->pixels && f->reader < 0)
    f->reader = f->o->from;
}

/* Draws into `head` what follows it, and marks the op's end. */
static void fuse_from(fuse *f, wk_node head) {
  const wk_graph *g = f->g;
  wk_op op = g->node[head].op;
  wk_node tail = head, next = sole_user(f, tail);
  bool weights = op == WK_OP_CONV || op == WK_OP_LINEAR;
  if (next >= 0 && weights && may_fold(f, g->node[next].op)) {
    f->norm[head] = tail = next;
    f->absorbed[next] = true;
    next = sole_user(f, tail);
  }
  if (next >= 0 && op == WK_OP_CONV && may_fuse_add(f, next)) {
    const wk_node *in = g->node[next].input;
    wk_node a = f->source[in[0]], b = f->source[in[1]];
    f->other[head] = a == tail ? b : a;
    if (possible(f, head, next)) {
      tail = next;
      f->absorbed[next] = true;
      next = sole_user(f, tail);
    } else {
      f->other[head] = -1;
    }
  }
  if (next >= 0 && may_fuse_act(f, g->node[next].op) && (weights || op == WK_OP_ADD || op == WK_OP_BATCH_NORM)) {
    f->act[head] = act_of(g->node[next].op);
    if (possible(f, head, next)) {
      tail = next;
      f->absorbed[next] = true;
    } else {
      f->act[head] = WK_ACT_NONE;
    }
  }
  f->head[tail] = head;
}

/* ---- ops --------------------------------------------------------------------------------------- */

static int new_value(wk_plan *plan, wk_shape shape) {
  plan->value[plan->values] = (wk_value){.shape = shape};
  return plan->values++;
}

static wk_status new_op(wk_plan *plan, const fuse *f, wk_node head, wk_node tail, wk_error *err) {
  const wk_node_def *n = &f->g->node[head];
  wk_plan_op *s = &plan->op[plan->ops++];
  *s = (wk_plan_op){.head = head, .norm = f->norm[head], .residual = -1};
  describe(&s->layer, f, head, tail);
  s->kernel = wk_kernel_for(&s->layer, WK_FORWARD, f->isa);
  if (!s->kernel && n->op != WK_OP_DROPOUT)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "layer '%s' (%s) cannot be computed", n->name, wk_op_name(n->op));
  s->inputs = n->inputs ? n->inputs : 1;
  s->in = wk_alloc_array((size_t)s->inputs, sizeof *s->in);
  s->in_shape = wk_alloc_array((size_t)s->inputs, sizeof *s->in_shape);
  if (!s->in || !s->in_shape)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for planning a network");
  for (int k = 0; k < s->inputs; k++) {
    wk_node from = n->inputs ? f->source[n->input[k]] : head;
    s->in[k] = f->value_of[from];
    s->in_shape[k] = f->shape[from];
  }
  if (f->other[head] >= 0)
    s->residual = f->value_of[f->other[head]];
  s->out = new_value(plan, f->shape[tail]);
  f->value_of[tail] = s->out;
  return WK_OK;
}

wk_status wk_plan_fuse(wk_plan *plan, const wk_node *output, const wk_shape *shape, const wk_fuse_options *o,
                       int *value_of, wk_error *err) {
  const wk_graph *g = plan->graph;
  fuse f = {.g = g,
            .o = o,
            .shape = shape,
            .isa = plan->isa,
            .no_winograd = plan->no_winograd,
            .pixels = plan->bytes ? &plan->pixels : NULL};
  wk_status st = WK_OK;
  WK_TRY(fuse_alloc(&f, err));
  find_needed(&f, output, plan->outputs);
  WK_FAIL_IF(o->from != g->input && f.needed[g->input], err, WK_ERR_ARGUMENT,
             "the network cannot start at '%s': layers behind it need what lies before", g->node[o->from].name);
  find_sources(&f);
  plan->op = wk_calloc((size_t)g->size + 1, sizeof *plan->op);
  plan->value = wk_calloc((size_t)g->size + 2, sizeof *plan->value);
  WK_FAIL_IF(!plan->op || !plan->value, err, WK_ERR_MEMORY, "out of memory for planning a network");
  f.value_of[o->from] = new_value(plan, shape[o->from]);
  find_reader(&f);
  if (f.reader == o->from)
    WK_TRY(new_op(plan, &f, o->from, o->from, err));
  for (wk_node i = 0; i < g->size; i++)
    if (f.needed[i] && f.source[i] == i && i != o->from && !f.absorbed[i])
      fuse_from(&f, i);
  /* An op runs where its chain ends: all that it reads was computed before. */
  for (wk_node i = 0; i < g->size; i++)
    if (f.head[i] >= 0)
      WK_TRY(new_op(plan, &f, f.head[i], i, err));
  if (value_of)
    for (wk_node i = 0; i < g->size; i++)
      value_of[i] = f.needed[i] ? f.value_of[f.source[i]] : -1;
  /* A copy, because the caller's memory may be gone when it is asked for. */
  if (f.wanted[o->from] && f.value_of[o->from] == 0 && !o->train)
    WK_TRY(new_op(plan, &f, g->input, g->input, err));
  for (int i = 0; i < plan->outputs; i++)
    plan->output[i] = f.value_of[f.source[output[i]]];
done:
  fuse_free(&f);
  return st;
}

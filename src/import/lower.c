/* lower.c - the whole network: its input, its operations one after the other, and what is done with the end of it:
 * which layer gives the logits, and which the features that another classifier can be put on. */
#include <string.h>

#include "import/fold.h"
#include "import/lower.h"

enum { USUAL_SIDE = 224, NARROW = 256 };

/* ---- before ------------------------------------------------------------------------------------- */

static wk_status prepare(wk_lower *l, wk_ir *ir, wk_error *err) {
  const size_t values = (size_t)ir->values, ops = (size_t)ir->ops;
  *l = (wk_lower){.ir = ir, .last_conv = -1};
  l->low = wk_calloc(values, sizeof *l->low);
  l->users = wk_calloc(values, sizeof *l->users);
  l->user = wk_calloc(values, sizeof *l->user);
  l->bad = wk_calloc(values, sizeof *l->bad);
  l->needed = wk_calloc(ops ? ops : 1, sizeof *l->needed);
  l->taken = wk_calloc(ops ? ops : 1, sizeof *l->taken);
  if (!l->low || !l->users || !l->user || !l->bad || !l->needed || !l->taken)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a network");
  for (size_t i = 0; i < values; i++)
    l->low[i].node = -1;
  WK_RETURN_IF_ERROR(wk_graph_create(&l->g, err));
  return wk_tensors_create(&l->weights, err);
}

static void give_back(wk_lower *l) {
  wk_graph_free(l->g);
  wk_tensors_free(l->weights);
  wk_free(l->low);
  wk_free(l->users);
  wk_free(l->user);
  wk_free(l->bad);
  wk_free(l->needed);
  wk_free(l->taken);
  wk_free(l->shape);
  wk_text_free(&l->trouble);
}

/* Which operations the output depends on; who reads what. */
static wk_status find_needed(wk_lower *l, wk_error *err) {
  wk_ir *ir = l->ir;
  bool *wanted = wk_calloc((size_t)ir->values, sizeof *wanted);
  if (!wanted)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a network");
  wanted[ir->output] = true;
  for (int i = ir->ops - 1; i >= 0; i--) {
    const wk_ir_op *op = &ir->op[i];
    for (int k = 0; k < op->outs; k++)
      l->needed[i] |= wanted[op->out[k]];
    for (int k = 0; l->needed[i] && k < op->ins; k++)
      if (op->in[k] >= 0) {
        wanted[op->in[k]] = true;
        l->users[op->in[k]]++;
        l->user[op->in[k]] = i;
      }
    if (l->needed[i] && l->last_conv < 0 && strcmp(op->type, "Conv") == 0)
      l->last_conv = i;
  }
  const bool used = wanted[ir->input];
  wk_free(wanted);
  return used ? WK_OK : WK_FAIL(err, WK_ERR_FORMAT, "its output does not depend on its input");
}

/* ---- the input ---------------------------------------------------------------------------------- */

/* Do only convolutions read the input, so that one channel can be given as three in their weights? */
static bool convolutions_read(const wk_lower *l, int v, int *budget) {
  static const char *const passes[] = {"Identity", "Cast",           "Transpose",        "Mul", "Add", "Sub",
                                       "Div",      "QuantizeLinear", "DequantizeLinear", "Pad"};
  for (int i = 0; i < l->ir->ops; i++) {
    const wk_ir_op *op = &l->ir->op[i];
    bool reads = false, pass = false;
    for (int k = 0; k < op->ins; k++)
      reads |= op->in[k] == v;
    if (!l->needed[i] || !reads)
      continue;
    for (size_t k = 0; k < sizeof passes / sizeof *passes; k++)
      pass |= strcmp(op->type, passes[k]) == 0;
    if (strcmp(op->type, "Conv") == 0 ? op->in[0] != v || wk_ir_int(op, "group", 1) != 1
                                      : !pass || --*budget < 0 || !convolutions_read(l, op->out[0], budget))
      return false;
  }
  return true;
}

/* A layer that makes one channel of three equal ones. */
static wk_status add_grey(wk_lower *l, wk_low *v, wk_error *err) {
  static const float third[3] = {1.0f / 3, 1.0f / 3, 1.0f / 3};
  v->node = wk_graph_conv(l->g, "grey", v->node, 1, wk_window_square(1, 1, 0), 1, false);
  WK_RETURN_IF_ERROR(wk_lower_added(l, v->node, err));
  return wk_lower_weight(l, "grey", "weight", 4, (const int64_t[]){1, 3, 1, 1}, third, err);
}

static wk_status add_input(wk_lower *l, wk_lowered *out, int height, int width, wk_error *err) {
  const wk_ir_value *in = &l->ir->value[l->ir->input];
  int64_t side[4] = {1, -1, -1, -1};
  if (in->ndim == 4)
    memcpy(side, in->shape, sizeof side);
  else if (in->ndim == 3)
    memcpy(side + 1, in->shape, 3 * sizeof *side);
  else
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "its input '%.100s' has %d sides; a network of pictures has 4", in->name,
                   in->ndim);
  /* Which side the channels are: the format's, unless the sides say otherwise. */
  const bool first = side[1] == 1 || side[1] == 3, last = side[3] == 1 || side[3] == 3;
  const bool nhwc = first == last ? l->ir->channels_last : last;
  const int c = nhwc ? 3 : 1, h = nhwc ? 1 : 2, w = h + 1;
  int64_t channels = side[c] < 0 ? 3 : side[c];
  if (channels != 1 && channels != 3)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "its input '%.100s' has %lld channels; photos have 3, or 1 when grey",
                   in->name, (long long)channels);
  out->size_assumed = (side[h] < 0 || side[w] < 0) && !height;
  l->height = side[h] > 0 ? (int)side[h] : height ? height : USUAL_SIDE;
  l->width = side[w] > 0 ? (int)side[w] : width ? width : l->height;
  if (side[h] > WK_NN_MAX_SIDE || side[w] > WK_NN_MAX_SIDE)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "its input is %lld x %lld pixels", (long long)side[h], (long long)side[w]);
  l->grey = channels == 1;
  wk_graph_stage(l->g, "stem");
  l->stage_height = l->height;
  const wk_node node = wk_graph_input(l->g, "input", l->height, l->width, 3);
  WK_RETURN_IF_ERROR(wk_lower_added(l, node, err));
  wk_low *v = &l->low[l->ir->input];
  *v = (wk_low){.node = node};
  const uint8_t order[2][4] = {{AXIS_ONE, AXIS_C, AXIS_H, AXIS_W}, {AXIS_ONE, AXIS_H, AXIS_W, AXIS_C}};
  for (int i = 4 - in->ndim; i < 4; i++) {
    v->axis[v->ndim] = order[nhwc][i];
    v->side[v->ndim++] = i == h ? l->height : i == w ? l->width : i == c ? channels : 1;
  }
  int budget = 20; /* operations looked through */
  return l->grey && !convolutions_read(l, l->ir->input, &budget) ? add_grey(l, v, err) : WK_OK;
}

/* ---- one after the other ---------------------------------------------------------------------------- */

/* What a Shape asks about is known here. */
static wk_status lower_shape(wk_lower *l, const wk_ir_op *op, wk_error *err) {
  const wk_low *v = &l->low[op->in[0]];
  const char *name = l->ir->value[op->out[0]].name;
  int made = -1;
  WK_RETURN_IF_ERROR(wk_ir_int_constant(&made, l->ir, name, v->side, v->ndim, err));
  l->ir->value[op->out[0]] = l->ir->value[made];
  return WK_OK;
}

static wk_status lower_op(wk_lower *l, int index, wk_error *err) {
  const wk_ir_op op = l->ir->op[index];
  bool done = false;
  l->op = index;
  /* Constants, and what comes of something that could not be read. */
  for (int k = 0; k < op.ins; k++)
    if (op.in[k] >= 0 && l->bad[op.in[k]]) {
      for (int i = 0; i < op.outs; i++)
        l->bad[op.out[i]] = true;
      return WK_OK;
    }
  WK_RETURN_IF_ERROR(wk_fold(&done, l->ir, &op, err));
  if (done)
    return WK_OK;
  if (op.ins < 1 || op.outs < 1)
    return wk_lower_trouble(l, &op, "", err);
  for (int k = 0; k < op.ins; k++)
    if (op.in[k] >= 0 && !wk_lower_constant(l, op.in[k]) && l->low[op.in[k]].node < 0)
      return wk_lower_trouble(l, &op, "its input comes from nowhere", err);
  if (strcmp(op.type, "Shape") == 0 && op.in[0] >= 0 && !wk_lower_constant(l, op.in[0]))
    return lower_shape(l, &op, err);
  const bool swap = op.in[0] >= 0 && wk_lower_constant(l, op.in[0]); /* of layers, the first input is computed */
  WK_RETURN_IF_ERROR(wk_lower_math(&done, l, &op, err));
  if (!done && (swap || op.in[0] < 0))
    return wk_lower_trouble(l, &op, "of constants", err);
  if (!done)
    WK_RETURN_IF_ERROR(wk_lower_layer(&done, l, &op, err));
  if (!done)
    WK_RETURN_IF_ERROR(wk_lower_view(&done, l, &op, err));
  return done ? WK_OK : wk_lower_trouble(l, &op, "", err);
}

/* Stages are where the picture becomes smaller; the head is what follows the last convolution. */
static void set_stage(wk_lower *l, int index) {
  char name[32];
  const int newest = l->g->size - 1;
  const int height = newest < 0 ? 0 : l->shape[newest].height;
  if (index > l->last_conv) {
    wk_graph_stage(l->g, "head");
  } else if (newest > 0 && height > 1 && height < l->stage_height && l->g->node[newest].op != WK_OP_ADAPTIVE_AVG_POOL) {
    l->stage_height = height;
    snprintf(name, sizeof name, "stage%d", ++l->stage);
    wk_graph_stage(l->g, name);
  }
}

static wk_status lower_all(wk_lower *l, wk_error *err) {
  for (int i = 0; i < l->ir->ops; i++) {
    if (!l->needed[i] || l->taken[i])
      continue;
    set_stage(l, i);
    const wk_ir_op *op = &l->ir->op[i];
    wk_status st = lower_op(l, i, err);
    if (st != WK_OK)
      return wk_error_prefix(err, st, "node '%.80s' (%.40s)",
                             *op->name  ? op->name
                             : op->outs ? l->ir->value[op->out[0]].name
                                        : "",
                             op->type);
  }
  if (l->troubles)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED,
                   "%d of its %d operations cannot be read: %s%s. Networks of convolutions, pooling, normalisation and "
                   "linear layers can; where this one ends in such, export it from there",
                   l->troubles, l->ir->ops, l->trouble.data, l->troubles > 8 ? ", and others" : "");
  return WK_OK;
}

/* ---- the end ------------------------------------------------------------------------------------ */

static bool is_head(wk_op op) {
  return op == WK_OP_LINEAR || op == WK_OP_DROPOUT || op == WK_OP_BATCH_NORM ||
         (op >= WK_OP_RELU && op <= WK_OP_SIGMOID) || op >= WK_OP_ROUND;
}

static wk_node before_dropout(const wk_graph *g, wk_node n) {
  while (g->node[n].op == WK_OP_DROPOUT)
    n = g->node[n].input[0];
  return n;
}

/* What the last linear layer reads: unless that is narrow, made for few classes, and the first of the head reads more.
 */
static wk_node linear_features(const wk_lower *l, wk_node logits) {
  const wk_graph *g = l->g;
  wk_node last = -1, first = -1;
  for (wk_node n = logits;
       g->node[n].inputs == 1 && is_head(g->node[n].op) && l->shape[n].height * l->shape[n].width == 1;
       n = g->node[n].input[0])
    if (g->node[n].op == WK_OP_LINEAR) {
      first = before_dropout(g, g->node[n].input[0]);
      last = last < 0 ? first : last;
    }
  const bool narrow =
      last >= 0 && l->shape[last].channels < NARROW && l->shape[first].channels > l->shape[last].channels;
  return narrow ? first : last;
}

/* A classifier that is a convolution before the pooling (SqueezeNet's): the features are the mean of what it reads. One
 * that is normalised, or pooled by its largest, ends a network without a classifier. */
static wk_status conv_features(wk_node *out, wk_lower *l, wk_node logits, wk_error *err) {
  const wk_graph *g = l->g;
  wk_node n = logits;
  *out = -1;
  while (g->node[n].inputs == 1 && g->node[n].op != WK_OP_CONV && g->node[n].op != WK_OP_LINEAR &&
         g->node[n].op != WK_OP_BATCH_NORM && g->node[n].op != WK_OP_MAX_POOL)
    n = g->node[n].input[0];
  if (g->node[n].op != WK_OP_CONV || g->node[n].out_channels != l->shape[logits].channels)
    return WK_OK;
  const wk_ir_op mean = {.type = "mean", .name = "features"};
  const char *name = NULL;
  WK_RETURN_IF_ERROR(wk_lower_name(&name, l, &mean, -1, err));
  *out = wk_graph_adaptive_avg_pool(l->g, name, before_dropout(g, g->node[n].input[0]), 1, 1);
  return wk_lower_added(l, *out, err);
}

static wk_status finish(wk_lowered *out, wk_lower *l, wk_error *err) {
  const int end = l->ir->output;
  wk_node logits, features = -1;
  if (l->ir->value[end].data || l->low[end].node < 0)
    return WK_FAIL(err, WK_ERR_FORMAT, "its output is a constant");
  wk_graph_stage(l->g, "head");
  WK_RETURN_IF_ERROR(wk_lower_ready(l, end, err));
  logits = l->low[end].node;
  const wk_shape s = l->shape[logits];
  if (s.height * s.width > 1) { /* a body without a head */
    const wk_ir_op mean = {.type = "mean", .name = "avgpool"};
    const char *name = NULL;
    WK_RETURN_IF_ERROR(wk_lower_name(&name, l, &mean, -1, err));
    features = wk_graph_adaptive_avg_pool(l->g, name, logits, 1, 1);
    WK_RETURN_IF_ERROR(wk_lower_added(l, features, err));
    logits = -1;
  } else {
    features = linear_features(l, logits);
    if (features < 0)
      WK_RETURN_IF_ERROR(conv_features(&features, l, logits, err));
    if (features < 0 || s.channels == 1) { /* it ends in the features, or in one number */
      features = features < 0 ? logits : features;
      logits = -1;
    }
  }
  wk_graph_outputs(l->g, features, logits);
  WK_RETURN_IF_ERROR(wk_graph_finish(l->g, err));
  WK_RETURN_IF_ERROR(wk_graph_check_weights(l->g, l->weights, -1, err));
  out->graph = l->g;
  out->weights = l->weights;
  l->g = NULL;
  l->weights = NULL;
  out->classes = logits < 0 ? 0 : s.channels;
  out->features = l->shape[features].channels;
  out->grey = l->grey;
  out->sigmoid = l->sigmoid && s.channels != 2;
  out->pixel_affine = l->pixel_affine;
  memcpy(out->pixel_scale, l->pixel_scale, sizeof out->pixel_scale);
  memcpy(out->pixel_shift, l->pixel_shift, sizeof out->pixel_shift);
  return WK_OK;
}

wk_status wk_lower_network(wk_lowered *out, wk_ir *ir, int height, int width, wk_error *err) {
  wk_lower l = {0};
  wk_status st = WK_OK;
  wk_lowered made = {0};
  WK_TRY(wk_ir_sort(ir, err));
  WK_TRY(wk_ir_join(ir, err));
  WK_TRY(prepare(&l, ir, err));
  WK_TRY(find_needed(&l, err));
  WK_TRY(add_input(&l, &made, height, width, err));
  WK_TRY(lower_all(&l, err));
  WK_TRY(finish(&made, &l, err));
  *out = made;
done:
  give_back(&l);
  return st;
}

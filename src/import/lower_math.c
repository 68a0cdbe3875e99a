/* lower_math.c - sums and products: of two values they are layers, with a constant they wait as a scale and a shift of
 * each channel. */
#include <math.h>
#include <string.h>

#include "import/lower.h"

#define TROUBLE(why) wk_lower_trouble(l, op, why, err)

static bool is(const wk_ir_op *op, const char *type) { return strcmp(op->type, type) == 0; }

/* ---- with a constant ------------------------------------------------------------------------------ */

/* The constant as one number a channel of v; *out NULL: it is not. */
static wk_status by_channel(const float **out, wk_lower *l, const wk_low *v, int constant, wk_error *err) {
  const wk_ir_value *c = &l->ir->value[constant];
  const int channels = wk_lower_channels(l, v);
  const int64_t n = wk_ir_count(c);
  const float *values = NULL;
  void *memory = NULL;
  *out = NULL;
  for (int i = 0; i < c->ndim; i++) { /* only along channels */
    const int side = v->ndim - c->ndim + i;
    if (c->shape[i] != 1 && (side < 0 || (v->axis[side] != AXIS_C && v->axis[side] != AXIS_ALL)))
      return WK_OK;
  }
  if (n != 1 && n != channels)
    return WK_OK;
  WK_RETURN_IF_ERROR(wk_ir_read_floats(&values, l->ir, constant, err));
  WK_RETURN_IF_ERROR(wk_ir_alloc(&memory, l->ir, (size_t)channels, sizeof **out, err));
  float *to = memory;
  const wk_shape s = v->flat;
  for (int k = 0; k < channels; k++) {
    int from = k;
    if (v->pixels_first && s.height) { /* k counts (c, h, w), the constant (h, w, c) */
      const int pixels = s.height * s.width;
      from = k % pixels * s.channels + k / pixels;
    }
    to[k] = values[n == 1 ? 0 : from];
  }
  *out = to;
  return WK_OK;
}

/* v with scale and shift of its own that may be changed. */
static wk_status own_affine(float **scale, float **shift, wk_lower *l, wk_low *v, wk_error *err) {
  const int channels = wk_lower_channels(l, v);
  void *memory = NULL;
  WK_RETURN_IF_ERROR(wk_ir_alloc(&memory, l->ir, 2 * (size_t)channels, sizeof(float), err));
  *scale = memory;
  *shift = *scale + channels;
  for (int c = 0; c < channels; c++) {
    (*scale)[c] = v->scale ? v->scale[c] : 1;
    (*shift)[c] = v->shift ? v->shift[c] : 0;
  }
  v->scale = *scale;
  v->shift = *shift;
  v->positive = false;
  return WK_OK;
}

static wk_status with_constant(wk_lower *l, const wk_ir_op *op, int value, int constant, bool swapped, wk_error *err) {
  const float *c = NULL;
  float *scale, *shift;
  const char type = op->type[0] == 'S' && is(op, "Sub") ? '-' : op->type[0]; /* A(dd), S(um), -, M(ul), D(iv) */
  if (wk_lower_find_axis(&l->low[value], AXIS_ALL) >= 0 || l->low[value].pad[0] || l->low[value].pad[1] ||
      l->low[value].pad[2] || l->low[value].pad[3])
    WK_RETURN_IF_ERROR(wk_lower_ready(l, value, err));
  wk_low out = l->low[value];
  if (type == 'D' && swapped)
    return TROUBLE("a constant divided by a computed value");
  WK_RETURN_IF_ERROR(by_channel(&c, l, &out, constant, err));
  if (!c)
    return TROUBLE("a constant that is neither one number nor one a channel");
  if (out.gate && out.scale && type != 'M' && type != 'D') { /* it waits on the gate's result */
    WK_RETURN_IF_ERROR(wk_lower_ready(l, value, err));
    out = l->low[value];
  }
  if (out.gate && (type == 'A' || type == 'S' || type == '-')) {
    WK_RETURN_IF_ERROR(wk_lower_ready(l, value, err));
    out = l->low[value];
  }
  const int n = wk_lower_channels(l, &out);
  const bool positive = out.positive;
  WK_RETURN_IF_ERROR(own_affine(&scale, &shift, l, &out, err));
  bool above = true;
  for (int k = 0; k < n; k++)
    switch (type) {
    case '-':
      if (swapped)
        scale[k] = -scale[k], shift[k] = c[k] - shift[k];
      else
        shift[k] -= c[k];
      above = false;
      break;
    case 'M':
      scale[k] *= c[k], shift[k] *= c[k];
      above &= c[k] >= 0;
      break;
    case 'D':
      scale[k] /= c[k], shift[k] /= c[k];
      above &= c[k] >= 0;
      break;
    default:
      shift[k] += c[k];
      above = false;
      break;
    }
  out.positive = positive && above;
  /* A gate of six thirds is a hard sigmoid when it is divided by six. */
  if (out.gate == GATE_RELU6_PLUS3) {
    bool sixth = true;
    for (int k = 0; k < n; k++)
      sixth &= fabsf(scale[k] - 1.0f / 6) < 1e-5f && shift[k] == 0;
    if (sixth) {
      out.gate = GATE_HARDSIGMOID;
      out.scale = out.shift = NULL;
    }
  }
  l->low[op->out[0]] = out;
  return WK_OK;
}

/* ---- of two values ---------------------------------------------------------------------------------- */

static bool same_look(const wk_low *a, const wk_low *b) {
  if (a->ndim != b->ndim || a->pixels_first != b->pixels_first)
    return false;
  for (int i = 0; i < a->ndim; i++)
    if (a->side[i] != b->side[i] || (a->side[i] > 1 && a->axis[i] != b->axis[i]))
      return false;
  return true;
}

static bool same_shape(wk_shape a, wk_shape b) {
  return a.height == b.height && a.width == b.width && a.channels == b.channels;
}

/* x times a function of x: SiLU or hard swish. */
static wk_status gated(bool *done, wk_lower *l, const wk_ir_op *op, int x, int gate, wk_error *err) {
  const char *name = NULL;
  *done = false;
  wk_low g = l->low[gate];
  if (!g.gate || l->low[x].gate)
    return WK_OK;
  WK_RETURN_IF_ERROR(wk_lower_ready(l, x, err));
  const wk_low like = l->low[x];
  if (like.node != g.node || !same_look(&like, &g))
    return WK_OK;
  WK_RETURN_IF_ERROR(wk_lower_name(&name, l, op, -1, err));
  const wk_node node = wk_graph_unary(l->g, name, g.gate == GATE_SIGMOID ? WK_OP_SILU : WK_OP_HARDSWISH, like.node);
  WK_RETURN_IF_ERROR(wk_lower_added(l, node, err));
  wk_lower_set(l, op->out[0], &like, node);
  wk_low *out = &l->low[op->out[0]];
  if (g.gate == GATE_RELU6_PLUS3 || g.scale) {
    float *scale, *shift;
    out->scale = g.scale;
    out->shift = g.shift;
    WK_RETURN_IF_ERROR(own_affine(&scale, &shift, l, out, err));
    for (int c = 0; c < wk_lower_channels(l, out) && g.gate == GATE_RELU6_PLUS3; c++)
      scale[c] *= 6;
    bool nothing = true;
    for (int c = 0; c < wk_lower_channels(l, out); c++) {
      if (shift[c] != 0) { /* a gate with a shift is no pure factor */
        return TROUBLE("a product whisker does not know");
      }
      nothing &= fabsf(scale[c] - 1) < 1e-6f;
    }
    if (nothing)
      out->scale = out->shift = NULL;
  }
  *done = true;
  return WK_OK;
}

static wk_status of_two(wk_lower *l, const wk_ir_op *op, int a, int b, wk_error *err) {
  const char *name = NULL;
  const bool product = is(op, "Mul");
  bool done = false;
  if (product) {
    WK_RETURN_IF_ERROR(gated(&done, l, op, a, b, err));
    if (!done && !l->bad[op->out[0]])
      WK_RETURN_IF_ERROR(gated(&done, l, op, b, a, err));
    if (done || l->bad[op->out[0]])
      return WK_OK;
  }
  if (is(op, "Div"))
    return TROUBLE("a division of two computed values");
  if (is(op, "Sub")) { /* a + (-b) */
    const int n = wk_lower_channels(l, &l->low[b]);
    float *scale, *shift;
    WK_RETURN_IF_ERROR(wk_lower_ready(l, b, err));
    const wk_low kept = l->low[b];
    WK_RETURN_IF_ERROR(own_affine(&scale, &shift, l, &l->low[b], err));
    for (int c = 0; c < n; c++)
      scale[c] = -1;
    WK_RETURN_IF_ERROR(wk_lower_ready(l, b, err));
    const wk_low minus = l->low[b];
    l->low[b] = kept;
    WK_RETURN_IF_ERROR(wk_lower_ready(l, a, err));
    if (!same_look(&l->low[a], &minus))
      return TROUBLE("values of different shapes");
    WK_RETURN_IF_ERROR(wk_lower_name(&name, l, op, -1, err));
    const wk_low like = l->low[a];
    const wk_node node = wk_graph_add(l->g, name, like.node, minus.node);
    WK_RETURN_IF_ERROR(wk_lower_added(l, node, err));
    wk_lower_set(l, op->out[0], &like, node);
    return WK_OK;
  }
  WK_RETURN_IF_ERROR(wk_lower_ready(l, a, err));
  WK_RETURN_IF_ERROR(wk_lower_ready(l, b, err));
  wk_low like = l->low[a], other = l->low[b];
  wk_shape s = l->shape[like.node], t = l->shape[other.node];
  if (product && !same_shape(s, t) && s.height == 1 && s.width == 1) { /* the factor comes first */
    const wk_low swap = like;
    const wk_shape shape = s;
    like = other, other = swap, s = t, t = shape;
  }
  WK_RETURN_IF_ERROR(wk_lower_name(&name, l, op, -1, err));
  wk_node node;
  if (product && t.height == 1 && t.width == 1 && t.channels == s.channels && wk_lower_find_axis(&other, AXIS_C) >= 0 &&
      (s.height > 1 || s.width > 1))
    node = wk_graph_scale(l->g, name, like.node, other.node);
  else if (!same_shape(s, t) || !same_look(&like, &other))
    return TROUBLE("values of different shapes");
  else
    node = (product ? wk_graph_multiply : wk_graph_add)(l->g, name, like.node, other.node);
  WK_RETURN_IF_ERROR(wk_lower_added(l, node, err));
  wk_lower_set(l, op->out[0], &like, node);
  return WK_OK;
}

/* Sum of several: one after the other. */
static wk_status sum_of(wk_lower *l, const wk_ir_op *op, wk_error *err) {
  if (op->ins == 1) {
    l->low[op->out[0]] = l->low[op->in[0]];
    return WK_OK;
  }
  int before = op->in[0];
  for (int i = 1; i < op->ins && !l->bad[op->out[0]]; i++) {
    wk_ir_op two = *op;
    int in[2] = {before, op->in[i]};
    two.in = in;
    two.ins = 2;
    const bool a = wk_lower_constant(l, in[0]), b = wk_lower_constant(l, in[1]);
    if (a && b)
      return TROUBLE("a sum of constants and a value");
    WK_RETURN_IF_ERROR(a || b ? with_constant(l, &two, a ? in[1] : in[0], a ? in[0] : in[1], a, err)
                              : of_two(l, &two, in[0], in[1], err));
    before = op->out[0];
  }
  return WK_OK;
}

wk_status wk_lower_math(bool *known, wk_lower *l, const wk_ir_op *op, wk_error *err) {
  *known = is(op, "Add") || is(op, "Sum") || is(op, "Sub") || is(op, "Mul") || is(op, "Div");
  if (!*known)
    return WK_OK;
  if (op->ins < 1 || op->in[0] < 0 || (op->ins > 1 && op->in[1] < 0))
    return TROUBLE("operands are missing");
  if (is(op, "Add") || is(op, "Sum"))
    return sum_of(l, op, err);
  if (op->ins != 2)
    return TROUBLE("operands are missing");
  const bool a = wk_lower_constant(l, op->in[0]), b = wk_lower_constant(l, op->in[1]);
  return a || b ? with_constant(l, op, a ? op->in[1] : op->in[0], a ? op->in[0] : op->in[1], a, err)
                : of_two(l, op, op->in[0], op->in[1], err);
}

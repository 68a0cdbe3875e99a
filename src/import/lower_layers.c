/* lower_layers.c - operations that are layers: convolutions, linear layers, pooling, normalisation, activations. */
#include <math.h>
#include <string.h>

#include "import/lower.h"

#define TROUBLE(why) wk_lower_trouble(l, op, why, err)

static bool is(const wk_ir_op *op, const char *type) { return strcmp(op->type, type) == 0; }

/* ---- windows ------------------------------------------------------------------------------------ */

static bool read_pair(int out[2], const wk_ir_op *op, const char *name, int otherwise) {
  const wk_ir_attr *a = wk_ir_find(op, name);
  out[0] = out[1] = otherwise;
  if (!a)
    return true;
  if (a->kind != WK_IR_INTS || a->count != 2)
    return false;
  for (int i = 0; i < 2; i++) {
    if (a->ints[i] < 0 || a->ints[i] > WK_NN_MAX_SIDE)
      return false;
    out[i] = (int)a->ints[i];
  }
  return true;
}

static bool read_pads(wk_window *w, const wk_ir_op *op) {
  const wk_ir_attr *a = wk_ir_find(op, "pads");
  if (!a)
    return true;
  if (a->kind != WK_IR_INTS || a->count != 4)
    return false;
  for (int i = 0; i < 4; i++)
    if (a->ints[i] < 0 || a->ints[i] > WK_NN_MAX_SIDE)
      return false;
  w->pad_top = (int)a->ints[0], w->pad_left = (int)a->ints[1];
  w->pad_bottom = (int)a->ints[2], w->pad_right = (int)a->ints[3];
  return true;
}

/* SAME_LOWER puts the odd pixel before: real pads at this input size. */
static void same_lower(wk_window *w, wk_shape in) {
  wk_window r = wk_window_resolve(w, in.height, in.width);
  const int top = r.pad_top, left = r.pad_left;
  r.pad_top = r.pad_bottom, r.pad_bottom = top;
  r.pad_left = r.pad_right, r.pad_right = left;
  *w = r;
}

static bool read_window(wk_window *w, const wk_ir_op *op, wk_shape in) {
  int kernel[2] = {w->kernel_h, w->kernel_w}, stride[2], dilation[2];
  const char *mode = wk_ir_string(op, "auto_pad", "NOTSET");
  if (!read_pair(kernel, op, "kernel_shape", 1) || !read_pair(stride, op, "strides", 1) ||
      !read_pair(dilation, op, "dilations", 1))
    return false;
  *w = wk_window_square(1, 1, 0);
  w->kernel_h = kernel[0], w->kernel_w = kernel[1];
  w->stride_h = stride[0], w->stride_w = stride[1];
  w->dilation_h = dilation[0], w->dilation_w = dilation[1];
  w->count_include_pad = wk_ir_int(op, "count_include_pad", 0) != 0;
  w->ceil_mode = wk_ir_int(op, "ceil_mode", 0) != 0;
  if (strncmp(mode, "SAME", 4) == 0) {
    w->same = true;
    if (strcmp(mode, "SAME_LOWER") == 0)
      same_lower(w, in);
    return true;
  }
  return strcmp(mode, "VALID") == 0 || read_pads(w, op);
}

/* Pads that wait on the value join those of the window. */
static bool join_pads(wk_window *w, const wk_low *v, wk_shape in) {
  if (!(v->pad[0] | v->pad[1] | v->pad[2] | v->pad[3]))
    return true;
  if (w->same)
    *w = wk_window_resolve(w, in.height + v->pad[0] + v->pad[1], in.width + v->pad[2] + v->pad[3]);
  w->pad_top += v->pad[0], w->pad_bottom += v->pad[1];
  w->pad_left += v->pad[2], w->pad_right += v->pad[3];
  return true;
}

/* ---- convolution -------------------------------------------------------------------------------- */

/* One class with a sigmoid behind it becomes two that exclude each other: 0 and the class's number. */
static wk_status two_classes(const float **weight, const float **bias, wk_lower *l, int64_t columns, wk_error *err) {
  void *memory = NULL;
  WK_RETURN_IF_ERROR(wk_ir_alloc(&memory, l->ir, 2 * (size_t)columns + 2, sizeof(float), err));
  float *w = memory, *b = w + 2 * columns;
  memcpy(w + columns, *weight, (size_t)columns * sizeof *w);
  if (*bias)
    b[1] = **bias;
  *weight = w;
  *bias = b;
  return WK_OK;
}

static wk_status zero_bias(const float **bias, wk_lower *l, int64_t count, wk_error *err) {
  void *memory = NULL;
  WK_RETURN_IF_ERROR(wk_ir_alloc(&memory, l->ir, (size_t)count, sizeof **bias, err));
  *bias = memory;
  return WK_OK;
}

/* weight [out, in]; the value is flat. `weight_at` names the layer. */
static wk_status add_linear(wk_lower *l, const wk_ir_op *op, int v, int weight_at, const float *weight, int64_t outputs,
                            int64_t inputs, const float *bias, int to, wk_error *err) {
  const char *name = NULL;
  bool sigmoid;
  wk_low like = l->low[v];
  const wk_node in = like.node;
  if (outputs == 1 && wk_lower_leads_out(l, to, &sigmoid) && sigmoid) {
    WK_RETURN_IF_ERROR(two_classes(&weight, &bias, l, inputs, err));
    outputs = 2;
  }
  if (!bias)
    WK_RETURN_IF_ERROR(zero_bias(&bias, l, outputs, err));
  if (outputs > INT32_MAX)
    return TROUBLE("too many outputs");
  WK_RETURN_IF_ERROR(wk_lower_name(&name, l, op, weight_at, err));
  const wk_node node = wk_graph_linear(l->g, name, in, (int)outputs);
  WK_RETURN_IF_ERROR(wk_lower_added(l, node, err));
  WK_RETURN_IF_ERROR(wk_lower_weight(l, name, "weight", 2, (const int64_t[]){outputs, inputs}, weight, err));
  WK_RETURN_IF_ERROR(wk_lower_weight(l, name, "bias", 1, &outputs, bias, err));
  like.pixels_first = false;
  like.flat = (wk_shape){0};
  const int all = wk_lower_find_axis(&like, AXIS_ALL);
  if (all >= 0)
    like.axis[all] = AXIS_C;
  wk_lower_set(l, to, &like, node);
  l->linear_end = true;
  return WK_OK;
}

static wk_status add_conv(wk_lower *l, const wk_ir_op *op, int v, const wk_window *w, int64_t groups,
                          const int64_t shape[4], const float *weight, int weight_at, const float *bias, int to,
                          wk_error *err) {
  const char *name = NULL;
  const wk_low like = l->low[v];
  wk_node in = like.node;
  int64_t real[4] = {shape[0], shape[1], shape[2], shape[3]};
  void *memory = NULL;
  if (l->grey && in == l->g->input && groups == 1 && shape[1] == 1) {
    /* Three equal channels, a third of the weight each. */
    const int64_t taps = shape[2] * shape[3];
    real[1] = 3;
    WK_RETURN_IF_ERROR(wk_ir_alloc(&memory, l->ir, (size_t)(shape[0] * taps), 3 * sizeof(float), err));
    for (int64_t i = 0; i < shape[0] * 3 * taps; i++)
      ((float *)memory)[i] = weight[i / (3 * taps) * taps + i % taps] / 3;
    weight = memory;
  }
  if (shape[0] > WK_NN_MAX_CHANNELS || groups > WK_NN_MAX_CHANNELS || groups < 1 ||
      l->shape[in].channels != real[1] * groups || shape[0] % groups)
    return TROUBLE("its weight does not fit its input");
  WK_RETURN_IF_ERROR(wk_lower_name(&name, l, op, weight_at, err));
  const wk_node node = wk_graph_conv(l->g, name, in, (int)shape[0], *w, (int)groups, bias != NULL);
  WK_RETURN_IF_ERROR(wk_lower_added(l, node, err));
  WK_RETURN_IF_ERROR(wk_lower_weight(l, name, "weight", 4, real, weight, err));
  if (bias)
    WK_RETURN_IF_ERROR(wk_lower_weight(l, name, "bias", 1, shape, bias, err));
  wk_lower_set(l, to, &like, node);
  return WK_OK;
}

static wk_status lower_conv(wk_lower *l, const wk_ir_op *op, wk_error *err) {
  const float *weight = NULL, *bias = NULL;
  int to = op->out[0];
  if (op->ins < 2 || !wk_lower_constant(l, op->in[1]) || l->ir->value[op->in[1]].ndim != 4)
    return TROUBLE("its weight is not a constant of four sides");
  WK_RETURN_IF_ERROR(wk_lower_ready_unpadded(l, op->in[0], err));
  const wk_low *v = &l->low[op->in[0]];
  const wk_shape in = l->shape[v->node];
  if (!wk_lower_is_picture(l, v) || v->pad_least)
    return TROUBLE("its input is not a picture, or its pads are not zeros");
  int64_t shape[4];
  memcpy(shape, l->ir->value[op->in[1]].shape, sizeof shape);
  wk_window w = {.kernel_h = (int)shape[2], .kernel_w = (int)shape[3]};
  if (!read_window(&w, op, in) || w.kernel_h == 0 || !join_pads(&w, v, in))
    return TROUBLE("a window whisker does not know");
  w.kernel_h = (int)shape[2], w.kernel_w = (int)shape[3];
  WK_RETURN_IF_ERROR(wk_ir_read_floats(&weight, l->ir, op->in[1], err));
  if (op->ins > 2 && op->in[2] >= 0) {
    if (!wk_lower_constant(l, op->in[2]) || wk_ir_count(&l->ir->value[op->in[2]]) != shape[0])
      return TROUBLE("its bias is not a constant");
    WK_RETURN_IF_ERROR(wk_ir_read_floats(&bias, l->ir, op->in[2], err));
  } else {
    WK_RETURN_IF_ERROR(wk_lower_take_bias(&bias, &to, l, (int)shape[0], err));
  }
  const int64_t groups = wk_ir_int(op, "group", 1);
  if (in.height == 1 && in.width == 1 && shape[2] == 1 && shape[3] == 1 && groups == 1 && shape[1] == in.channels &&
      !(w.pad_top | w.pad_bottom | w.pad_left | w.pad_right) && wk_lower_leads_out(l, to, NULL))
    return add_linear(l, op, op->in[0], op->in[1], weight, shape[0], shape[1], bias, to, err);
  return add_conv(l, op, op->in[0], &w, groups, shape, weight, op->in[1], bias, to, err);
}

/* ---- linear ------------------------------------------------------------------------------------- */

/* Columns in the order (h, w, c) to (c, h, w), where the input was flattened so. */
static wk_status turn_columns(const float **weight, wk_lower *l, const wk_low *v, int64_t outputs, int64_t inputs,
                              wk_error *err) {
  const wk_shape s = v->flat;
  if (!v->pixels_first || !s.height || s.height * s.width == 1)
    return WK_OK;
  void *memory = NULL;
  WK_RETURN_IF_ERROR(wk_ir_alloc(&memory, l->ir, (size_t)(outputs * inputs), sizeof(float), err));
  float *to = memory;
  const int64_t pixels = (int64_t)s.height * s.width;
  for (int64_t o = 0; o < outputs; o++)
    for (int64_t p = 0; p < pixels; p++)
      for (int64_t c = 0; c < s.channels; c++)
        to[o * inputs + c * pixels + p] = (*weight)[o * inputs + p * s.channels + c];
  *weight = to;
  return WK_OK;
}

static wk_status turn_matrix(const float **weight, wk_lower *l, int64_t rows, int64_t columns, float factor,
                             bool transpose, wk_error *err) {
  void *memory = NULL;
  if (!transpose && factor == 1)
    return WK_OK;
  WK_RETURN_IF_ERROR(wk_ir_alloc(&memory, l->ir, (size_t)(rows * columns), sizeof(float), err));
  for (int64_t r = 0; r < rows; r++)
    for (int64_t c = 0; c < columns; c++)
      ((float *)memory)[r * columns + c] = factor * (*weight)[transpose ? c * rows + r : r * columns + c];
  *weight = memory;
  return WK_OK;
}

/* Gemm, and MatMul of a value by a constant. */
static wk_status lower_linear(wk_lower *l, const wk_ir_op *op, wk_error *err) {
  const bool gemm = is(op, "Gemm");
  const float *weight = NULL, *bias = NULL;
  int to = op->out[0];
  if (op->ins < 2 || !wk_lower_constant(l, op->in[1]) || l->ir->value[op->in[1]].ndim != 2)
    return TROUBLE("a product of two computed values");
  if (gemm && wk_ir_int(op, "transA", 0))
    return TROUBLE("its input is transposed");
  WK_RETURN_IF_ERROR(wk_lower_ready(l, op->in[0], err));
  const wk_low *v = &l->low[op->in[0]];
  const wk_ir_value *w = &l->ir->value[op->in[1]];
  const bool stored = gemm && wk_ir_int(op, "transB", 0); /* as [out, in] */
  const int64_t outputs = w->shape[stored ? 0 : 1], inputs = w->shape[stored ? 1 : 0];
  const wk_shape in = l->shape[v->node];
  const bool everywhere = !wk_lower_is_flat(l, v) && v->ndim > 0 && v->axis[v->ndim - 1] == AXIS_C;
  if (in.channels != inputs || (!wk_lower_is_flat(l, v) && !everywhere))
    return TROUBLE("its weight does not fit its input");
  WK_RETURN_IF_ERROR(wk_ir_read_floats(&weight, l->ir, op->in[1], err));
  const float alpha = gemm ? (float)wk_ir_float(op, "alpha", 1) : 1;
  WK_RETURN_IF_ERROR(turn_matrix(&weight, l, outputs, inputs, alpha, !stored, err));
  WK_RETURN_IF_ERROR(turn_columns(&weight, l, v, outputs, inputs, err));
  if (gemm && op->ins > 2 && op->in[2] >= 0) {
    const int64_t n = wk_lower_constant(l, op->in[2]) ? wk_ir_count(&l->ir->value[op->in[2]]) : 0;
    if ((n != outputs && n != 1) || wk_ir_float(op, "beta", 1) != 1)
      return TROUBLE("its bias is not a constant");
    WK_RETURN_IF_ERROR(wk_ir_read_floats(&bias, l->ir, op->in[2], err));
    if (n != outputs) {
      const float all = *bias;
      WK_RETURN_IF_ERROR(zero_bias(&bias, l, outputs, err));
      for (int64_t i = 0; i < outputs; i++)
        ((float *)(uintptr_t)bias)[i] = all;
    }
  } else {
    WK_RETURN_IF_ERROR(wk_lower_take_bias(&bias, &to, l, (int)outputs, err));
  }
  if (everywhere) {
    const wk_window one = wk_window_square(1, 1, 0);
    return add_conv(l, op, op->in[0], &one, 1, (const int64_t[]){outputs, inputs, 1, 1}, weight, op->in[1], bias, to,
                    err);
  }
  return add_linear(l, op, op->in[0], op->in[1], weight, outputs, inputs, bias, to, err);
}

/* ---- normalisation ------------------------------------------------------------------------------ */

static wk_status lower_batch_norm(wk_lower *l, const wk_ir_op *op, wk_error *err) {
  static const char *const suffix[] = {"weight", "bias", "running_mean", "running_var"};
  const float *p[4];
  const char *name = NULL;
  const float eps = (float)wk_ir_float(op, "epsilon", 1e-5);
  WK_RETURN_IF_ERROR(wk_lower_ready(l, op->in[0], err));
  const wk_low like = l->low[op->in[0]];
  const int64_t channels = l->shape[like.node].channels;
  if (op->ins < 5 || (like.pixels_first && like.flat.height))
    return TROUBLE("statistics in an order whisker does not know");
  for (int i = 0; i < 4; i++) {
    if (!wk_lower_constant(l, op->in[i + 1]))
      return TROUBLE("its statistics are not constants");
    const int64_t n = wk_ir_count(&l->ir->value[op->in[i + 1]]);
    WK_RETURN_IF_ERROR(wk_ir_read_floats(&p[i], l->ir, op->in[i + 1], err));
    if (n != channels)
      return TROUBLE("its statistics do not fit its input");
  }
  WK_RETURN_IF_ERROR(wk_lower_name(&name, l, op, op->in[1], err));
  const wk_node node = wk_graph_batch_norm(l->g, name, like.node, eps);
  WK_RETURN_IF_ERROR(wk_lower_added(l, node, err));
  for (int i = 0; i < 4; i++)
    WK_RETURN_IF_ERROR(wk_lower_weight(l, name, suffix[i], 1, &channels, p[i], err));
  wk_lower_set(l, op->out[0], &like, node);
  return WK_OK;
}

/* Is channel after channel what is normalised, pixel by pixel? `axis`: the first of the sides that are, or with `one`
 * the only one. */
static bool over_channels(const wk_low *v, int64_t axis, bool one) {
  axis = axis < 0 ? axis + v->ndim : axis;
  for (int i = 0; i < v->ndim; i++) {
    const bool normalised = one ? i == axis : i >= axis, channels = v->axis[i] == AXIS_C || v->axis[i] == AXIS_ALL;
    if (v->side[i] > 1 && normalised != channels)
      return false;
  }
  return axis >= 0 && axis < v->ndim;
}

static wk_status lower_layer_norm(wk_lower *l, const wk_ir_op *op, wk_error *err) {
  static const char *const suffix[] = {"weight", "bias"};
  const char *name = NULL;
  WK_RETURN_IF_ERROR(wk_lower_ready(l, op->in[0], err));
  const wk_low like = l->low[op->in[0]];
  const int64_t channels = l->shape[like.node].channels;
  if (!over_channels(&like, wk_ir_int(op, "axis", -1), wk_ir_int(op, "one", 0)) ||
      (like.pixels_first && like.flat.height))
    return TROUBLE("not over the channels of each pixel");
  WK_RETURN_IF_ERROR(wk_lower_name(&name, l, op, op->ins > 1 ? op->in[1] : -1, err));
  const wk_node node = wk_graph_layer_norm(l->g, name, like.node, (float)wk_ir_float(op, "epsilon", 1e-5));
  WK_RETURN_IF_ERROR(wk_lower_added(l, node, err));
  for (int i = 0; i < 2; i++) {
    const float *p = NULL;
    void *memory = NULL;
    if (op->ins > i + 1 && op->in[i + 1] >= 0) {
      if (!wk_lower_constant(l, op->in[i + 1]) || wk_ir_count(&l->ir->value[op->in[i + 1]]) != channels)
        return TROUBLE("its scale or shift does not fit its input");
      WK_RETURN_IF_ERROR(wk_ir_read_floats(&p, l->ir, op->in[i + 1], err));
    } else {
      WK_RETURN_IF_ERROR(wk_ir_alloc(&memory, l->ir, (size_t)channels, sizeof *p, err));
      for (int64_t c = 0; c < channels; c++)
        ((float *)memory)[c] = i ? 0.0f : 1.0f;
      p = memory;
    }
    WK_RETURN_IF_ERROR(wk_lower_weight(l, name, suffix[i], 1, &channels, p, err));
  }
  wk_lower_set(l, op->out[0], &like, node);
  return WK_OK;
}

static wk_status lower_lrn(wk_lower *l, const wk_ir_op *op, wk_error *err) {
  const char *name = NULL;
  WK_RETURN_IF_ERROR(wk_lower_ready(l, op->in[0], err));
  const wk_low like = l->low[op->in[0]];
  const int64_t size = wk_ir_int(op, "size", 0);
  if (size < 1 || size > WK_NN_MAX_CHANNELS || !wk_lower_is_picture(l, &like))
    return TROUBLE("");
  WK_RETURN_IF_ERROR(wk_lower_name(&name, l, op, -1, err));
  const wk_node node = wk_graph_lrn(l->g, name, like.node, (int)size, (float)wk_ir_float(op, "alpha", 1e-4),
                                    (float)wk_ir_float(op, "beta", 0.75), (float)wk_ir_float(op, "bias", 1));
  WK_RETURN_IF_ERROR(wk_lower_added(l, node, err));
  wk_lower_set(l, op->out[0], &like, node);
  return WK_OK;
}

/* ---- pooling ------------------------------------------------------------------------------------ */

static wk_status lower_pool(wk_lower *l, const wk_ir_op *op, bool max, wk_error *err) {
  const char *name = NULL;
  wk_low *v = &l->low[op->in[0]];
  WK_RETURN_IF_ERROR(wk_lower_ready_unpadded(l, op->in[0], err));
  wk_shape in = l->shape[v->node];
  if (!wk_lower_is_picture(l, v))
    return TROUBLE("its input is not a picture");
  wk_window w = {0};
  if (!read_window(&w, op, in))
    return TROUBLE("a window whisker does not know");
  const bool own = w.same || (w.pad_top | w.pad_bottom | w.pad_left | w.pad_right);
  const bool waiting = v->pad[0] | v->pad[1] | v->pad[2] | v->pad[3];
  const bool half = v->pad[0] <= w.kernel_h / 2 && v->pad[1] <= w.kernel_h / 2 && v->pad[2] <= w.kernel_w / 2 &&
                    v->pad[3] <= w.kernel_w / 2;
  if (waiting && v->pad_least && !max)
    return TROUBLE("its pads are less than everything");
  /* Zeros are never the largest of what is not below 0. */
  if (waiting && !own && half && (!max || v->positive || v->pad_least)) {
    join_pads(&w, v, in);
    w.count_include_pad = true;
  } else {
    WK_RETURN_IF_ERROR(wk_lower_ready(l, op->in[0], err));
    v = &l->low[op->in[0]];
    in = l->shape[v->node];
  }
  const wk_low like = *v;
  WK_RETURN_IF_ERROR(wk_lower_name(&name, l, op, -1, err));
  wk_node node;
  const bool whole = w.kernel_h == in.height && w.kernel_w == in.width &&
                     (w.same ? w.stride_h >= in.height && w.stride_w >= in.width
                             : !(w.pad_top | w.pad_bottom | w.pad_left | w.pad_right));
  if (!max && whole)
    node = wk_graph_adaptive_avg_pool(l->g, name, like.node, 1, 1);
  else
    node = wk_graph_pool(l->g, name, max ? WK_OP_MAX_POOL : WK_OP_AVG_POOL, like.node, w);
  WK_RETURN_IF_ERROR(wk_lower_added(l, node, err));
  wk_lower_set(l, op->out[0], &like, node);
  l->low[op->out[0]].positive = like.positive;
  return WK_OK;
}

/* Over all pixels; `keep` the sides of 1. */
static wk_status pool_all(wk_lower *l, const wk_ir_op *op, bool max, bool keep, wk_error *err) {
  const char *name = NULL;
  WK_RETURN_IF_ERROR(wk_lower_ready(l, op->in[0], err));
  const wk_low like = l->low[op->in[0]];
  const wk_shape in = l->shape[like.node];
  wk_window w = wk_window_square(1, 1, 0);
  w.kernel_h = in.height, w.kernel_w = in.width;
  WK_RETURN_IF_ERROR(wk_lower_name(&name, l, op, -1, err));
  const wk_node node = max ? wk_graph_pool(l->g, name, WK_OP_MAX_POOL, like.node, w)
                           : wk_graph_adaptive_avg_pool(l->g, name, like.node, 1, 1);
  WK_RETURN_IF_ERROR(wk_lower_added(l, node, err));
  wk_low out = {.node = node, .positive = like.positive};
  for (int i = 0; i < like.ndim; i++) {
    const bool pixels = like.axis[i] == AXIS_H || like.axis[i] == AXIS_W || like.axis[i] == AXIS_HW;
    if (pixels && !keep)
      continue;
    out.axis[out.ndim] = like.axis[i] == AXIS_HW ? AXIS_ONE : like.axis[i];
    out.side[out.ndim++] = pixels ? 1 : like.side[i];
  }
  l->low[op->out[0]] = out;
  return WK_OK;
}

/* ReduceMean and ReduceMax: over the pixels, or over nothing that is there. */
static wk_status lower_reduce(wk_lower *l, const wk_ir_op *op, bool max, wk_error *err) {
  const wk_low *v = &l->low[op->in[0]];
  const wk_ir_attr *a = wk_ir_find(op, "axes");
  const int64_t *axes = a && a->kind == WK_IR_INTS ? a->ints : NULL;
  size_t n = axes ? a->count : 0;
  if (!axes && op->ins > 1 && wk_lower_constant(l, op->in[1])) {
    WK_RETURN_IF_ERROR(wk_ir_read_ints(&axes, l->ir, op->in[1], err));
    n = (size_t)wk_ir_count(&l->ir->value[op->in[1]]);
  }
  v = &l->low[op->in[0]];
  bool reduced[WK_MAX_DIMS] = {false};
  for (size_t i = 0; i < n; i++) {
    const int64_t axis = axes[i] < 0 ? axes[i] + v->ndim : axes[i];
    if (axis < 0 || axis >= v->ndim)
      return TROUBLE("an axis that is not there");
    reduced[axis] = true;
  }
  for (int i = 0; i < v->ndim; i++) {
    const bool pixels = v->axis[i] == AXIS_H || v->axis[i] == AXIS_W || v->axis[i] == AXIS_HW;
    if (v->side[i] > 1 && reduced[i] != pixels)
      return TROUBLE("not over height and width");
  }
  return pool_all(l, op, max, wk_ir_int(op, "keepdims", 1) != 0, err);
}

/* ---- activations -------------------------------------------------------------------------------- */

static wk_status add_unary(wk_lower *l, const wk_ir_op *op, wk_op kind, float alpha, wk_error *err) {
  const char *name = NULL;
  WK_RETURN_IF_ERROR(wk_lower_ready(l, op->in[0], err));
  const wk_low like = l->low[op->in[0]];
  WK_RETURN_IF_ERROR(wk_lower_name(&name, l, op, -1, err));
  const wk_node node = kind == WK_OP_LEAKY_RELU || kind == WK_OP_ELU
                           ? wk_graph_leaky(l->g, name, kind, like.node, alpha)
                           : wk_graph_unary(l->g, name, kind, like.node);
  WK_RETURN_IF_ERROR(wk_lower_added(l, node, err));
  wk_lower_set(l, op->out[0], &like, node);
  l->low[op->out[0]].positive = kind == WK_OP_RELU || kind == WK_OP_RELU6;
  return WK_OK;
}

static wk_status add_gate(wk_lower *l, const wk_ir_op *op, int in, wk_gate gate, wk_error *err) {
  WK_RETURN_IF_ERROR(wk_lower_ready(l, in, err));
  l->low[op->out[0]] = l->low[in];
  l->low[op->out[0]].gate = gate;
  l->low[op->out[0]].positive = true;
  return WK_OK;
}

/* Lets scale and shift wait on a copy of value `in`, seen as the output. */
static wk_status wait_affine(wk_lower *l, int in, int out, float scale, float shift, wk_error *err) {
  void *memory = NULL;
  WK_RETURN_IF_ERROR(wk_lower_ready(l, in, err));
  l->low[out] = l->low[in];
  const int n = wk_lower_channels(l, &l->low[out]);
  WK_RETURN_IF_ERROR(wk_ir_alloc(&memory, l->ir, 2 * (size_t)n, sizeof(float), err));
  float *s = memory, *t = s + n;
  for (int c = 0; c < n; c++)
    s[c] = scale, t[c] = shift;
  l->low[out].scale = s;
  l->low[out].shift = t;
  l->low[out].positive = false;
  return WK_OK;
}

/* Clips to 0..most by ReLU6: min(max(x, 0), m) = m / 6 relu6(6 / m x). */
static wk_status clip_by_relu6(wk_lower *l, const wk_ir_op *op, float least, float most, wk_error *err) {
  const float width = most - least;
  const int out = op->out[0];
  WK_RETURN_IF_ERROR(wait_affine(l, op->in[0], out, 6 / width, -least * 6 / width, err));
  wk_ir_op inner = *op;
  inner.in = &(int){out};
  WK_RETURN_IF_ERROR(add_unary(l, &inner, WK_OP_RELU6, 0, err));
  return wait_affine(l, out, out, width / 6, least, err);
}

/* Are all of a value's waiting scales and shifts these? */
static bool waits(const wk_lower *l, const wk_low *v, float scale, float shift) {
  if (!v->scale || v->gate)
    return false;
  for (int c = 0; c < wk_lower_channels(l, v); c++)
    if (fabsf(v->scale[c] - scale) > 1e-5f * scale || fabsf(v->shift[c] - shift) > 1e-5f * fabsf(shift))
      return false;
  return true;
}

static wk_status lower_clip_to(wk_lower *l, const wk_ir_op *op, float least, float most, wk_error *err) {
  wk_low *v = &l->low[op->in[0]];
  const wk_gate gate = least == 0 && most == 6 && waits(l, v, 1, 3)             ? GATE_RELU6_PLUS3
                       : least == 0 && most == 1 && waits(l, v, 1.0f / 6, 0.5f) ? GATE_HARDSIGMOID
                                                                                : GATE_NONE;
  if (gate) { /* of what was there before the shift */
    l->low[op->out[0]] = *v;
    l->low[op->out[0]].scale = l->low[op->out[0]].shift = NULL;
    return add_gate(l, &(wk_ir_op){.type = op->type, .name = op->name, .out = op->out, .outs = 1}, op->out[0], gate,
                    err);
  }
  if (least == 0 && most == 6)
    return add_unary(l, op, WK_OP_RELU6, 0, err);
  if (least == 0 && !(most < 3e38f))
    return add_unary(l, op, WK_OP_RELU, 0, err);
  if (!(least > -3e38f) && !(most < 3e38f)) {
    l->low[op->out[0]] = *v;
    return WK_OK;
  }
  if (!(least < most) || !(least > -3e38f) || !(most < 3e38f))
    return TROUBLE("limits on one side other than 0");
  return clip_by_relu6(l, op, least, most, err);
}

static wk_status lower_clip(wk_lower *l, const wk_ir_op *op, wk_error *err) {
  float limit[2] = {(float)wk_ir_float(op, "min", -INFINITY), (float)wk_ir_float(op, "max", INFINITY)};
  for (int i = 0; i < 2; i++) {
    const float *value = NULL;
    if (op->ins <= i + 1 || op->in[i + 1] < 0)
      continue;
    if (!wk_lower_constant(l, op->in[i + 1]) || wk_ir_count(&l->ir->value[op->in[i + 1]]) != 1)
      return TROUBLE("its limits are not constants");
    WK_RETURN_IF_ERROR(wk_ir_read_floats(&value, l->ir, op->in[i + 1], err));
    limit[i] = *value;
  }
  return lower_clip_to(l, op, limit[0], limit[1], err);
}

/* max(0, min(1, alpha x + beta)): with 6 alpha x + 6 beta - 3 it is the one of a sixth and a half. */
static wk_status lower_hard_sigmoid(wk_lower *l, const wk_ir_op *op, wk_error *err) {
  const float alpha = (float)wk_ir_float(op, "alpha", 0.2), beta = (float)wk_ir_float(op, "beta", 0.5);
  if (fabsf(alpha - 1.0f / 6) < 1e-5f && fabsf(beta - 0.5f) < 1e-6f)
    return add_gate(l, op, op->in[0], GATE_HARDSIGMOID, err);
  WK_RETURN_IF_ERROR(wait_affine(l, op->in[0], op->out[0], 6 * alpha, 6 * beta - 3, err));
  return add_gate(l, op, op->out[0], GATE_HARDSIGMOID, err);
}

/* max(x, 0) + slope min(x, 0) = relu(x) - slope relu(-x), channel by channel. */
static wk_status lower_prelu(wk_lower *l, const wk_ir_op *op, wk_error *err) {
  const float *slope = NULL;
  const char *name = NULL;
  void *memory = NULL;
  if (op->ins < 2 || !wk_lower_constant(l, op->in[1]))
    return TROUBLE("its slopes are not constants");
  WK_RETURN_IF_ERROR(wk_ir_read_floats(&slope, l->ir, op->in[1], err));
  const int64_t n = wk_ir_count(&l->ir->value[op->in[1]]);
  if (n == 1)
    return add_unary(l, op, WK_OP_LEAKY_RELU, *slope, err);
  WK_RETURN_IF_ERROR(wk_lower_ready(l, op->in[0], err));
  const wk_low like = l->low[op->in[0]];
  const int channels = l->shape[like.node].channels;
  if (n != channels)
    return TROUBLE("a slope for each pixel");
  WK_RETURN_IF_ERROR(wk_ir_alloc(&memory, l->ir, 3 * (size_t)channels, sizeof(float), err));
  float *minus = memory, *zero = minus + channels, *back = zero + channels;
  for (int c = 0; c < channels; c++)
    minus[c] = -1, back[c] = -slope[c];
  wk_node low = like.node;
  WK_RETURN_IF_ERROR(wk_lower_affine(l, &low, minus, zero, err));
  wk_node part[2] = {like.node, low};
  for (int i = 0; i < 2; i++) {
    WK_RETURN_IF_ERROR(wk_lower_name(&name, l, op, -1, err));
    part[i] = wk_graph_unary(l->g, name, WK_OP_RELU, part[i]);
    WK_RETURN_IF_ERROR(wk_lower_added(l, part[i], err));
  }
  WK_RETURN_IF_ERROR(wk_lower_affine(l, &part[1], back, zero, err));
  WK_RETURN_IF_ERROR(wk_lower_name(&name, l, op, -1, err));
  const wk_node node = wk_graph_add(l->g, name, part[0], part[1]);
  WK_RETURN_IF_ERROR(wk_lower_added(l, node, err));
  wk_lower_set(l, op->out[0], &like, node);
  return WK_OK;
}

/* Softmax and sigmoid at the very end are left out: logits are before them. */
static wk_status lower_end(wk_lower *l, const wk_ir_op *op, wk_error *err) {
  const bool sigmoid = is(op, "Sigmoid");
  if (wk_lower_leads_out(l, op->out[0], NULL)) {
    l->low[op->out[0]] = l->low[op->in[0]];
    l->softmax |= !sigmoid;
    l->sigmoid |= sigmoid;
    return WK_OK;
  }
  if (sigmoid)
    return add_gate(l, op, op->in[0], GATE_SIGMOID, err);
  return is(op, "Softmax") ? add_unary(l, op, WK_OP_SOFTMAX, 0, err) : TROUBLE("not at the end");
}

/* ---- the table ---------------------------------------------------------------------------------- */

wk_status wk_lower_layer(bool *known, wk_lower *l, const wk_ir_op *op, wk_error *err) {
  static const struct {
    const char *type;
    wk_op op;
    float alpha;
  } unary[] = {{"Relu", WK_OP_RELU, 0},   {"Tanh", WK_OP_TANH, 0},
               {"Gelu", WK_OP_GELU, 0},   {"HardSwish", WK_OP_HARDSWISH, 0},
               {"Swish", WK_OP_SILU, 0},  {"Silu", WK_OP_SILU, 0},
               {"Relu6", WK_OP_RELU6, 0}, {"LeakyRelu", WK_OP_LEAKY_RELU, 0.01f},
               {"Elu", WK_OP_ELU, 1}};
  *known = true;
  if (is(op, "Conv"))
    return lower_conv(l, op, err);
  if (is(op, "Gemm") || is(op, "MatMul"))
    return lower_linear(l, op, err);
  if (is(op, "BatchNormalization"))
    return lower_batch_norm(l, op, err);
  if (is(op, "LayerNormalization"))
    return lower_layer_norm(l, op, err);
  if (is(op, "LRN"))
    return lower_lrn(l, op, err);
  if (is(op, "MaxPool") || is(op, "AveragePool"))
    return lower_pool(l, op, is(op, "MaxPool"), err);
  if (is(op, "GlobalAveragePool") || is(op, "GlobalMaxPool"))
    return pool_all(l, op, is(op, "GlobalMaxPool"), true, err);
  if (is(op, "ReduceMean") || is(op, "ReduceMax"))
    return lower_reduce(l, op, is(op, "ReduceMax"), err);
  if (is(op, "Clip"))
    return lower_clip(l, op, err);
  if (is(op, "HardSigmoid"))
    return lower_hard_sigmoid(l, op, err);
  if (is(op, "PRelu"))
    return lower_prelu(l, op, err);
  if (is(op, "Softmax") || is(op, "LogSoftmax") || is(op, "Sigmoid"))
    return lower_end(l, op, err);
  if (is(op, "Gelu") && strcmp(wk_ir_string(op, "approximate", "none"), "none") != 0)
    return TROUBLE("its tanh form; whisker has the exact one");
  for (size_t i = 0; i < sizeof unary / sizeof *unary; i++)
    if (is(op, unary[i].type))
      return add_unary(l, op, unary[i].op, (float)wk_ir_float(op, "alpha", (double)unary[i].alpha), err);
  *known = false;
  return WK_OK;
}

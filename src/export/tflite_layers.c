/* tflite_layers.c - layers as operators of TensorFlow Lite, NHWC. Paddings that are not TensorFlow's SAME become an
 * operator of their own. */
#include <float.h>
#include <string.h>

#include "export/tflite_layers.h"

enum { /* BuiltinOptions */
       OPTIONS_CONV = 1,
       OPTIONS_DEPTHWISE = 2,
       OPTIONS_POOL = 5,
       OPTIONS_FULLY_CONNECTED = 8,
       OPTIONS_CONCATENATION = 10,
       OPTIONS_ADD = 11,
       OPTIONS_LRN = 13,
       OPTIONS_MUL = 21,
       OPTIONS_PAD = 22,
       OPTIONS_TRANSPOSE = 26,
       OPTIONS_REDUCER = 27,
       OPTIONS_STRIDED_SLICE = 32,
       OPTIONS_PADV2 = 43,
       OPTIONS_LEAKY_RELU = 75
};

enum { PADDING_SAME = 0, PADDING_VALID = 1, ACT_NONE = 0, ACT_RELU = 1, ACT_RELU6 = 3 };

static int act_of(wk_op act) { return act == WK_OP_RELU ? ACT_RELU : act == WK_OP_RELU6 ? ACT_RELU6 : ACT_NONE; }

static int first(const wk_tfl *t, const wk_net_layer *l) { return t->value[l->in[0]]; }
static wk_tfl_quant in_quant(const wk_tfl *t, const wk_net_layer *l) { return t->q[l->in[0]]; }

static wk_tflite_op *op1(wk_tfl *t, int code, int out, int a, int options) {
  return wk_tflite_add_op(&t->f, code, out, (const int[]){a, -1}, options);
}

static wk_tflite_op *op2(wk_tfl *t, int code, int out, int a, int b, int options) {
  return wk_tflite_add_op(&t->f, code, out, (const int[]){a, b, -1}, options);
}

static void add_act(wk_tflite_op *op, int field, int act) {
  if (act)
    wk_tflite_set(op, field, 1, act);
}

/* ---- paddings -------------------------------------------------------------------------------------------- */

static bool is_padded(const wk_net_layer *l) {
  const wk_window *w = &l->window;
  return w->pad_top || w->pad_bottom || w->pad_left || w->pad_right;
}

/* The input with the window's paddings around it, and channels before and behind. `least`: not with zeros, but with
 * what is below everything. */
static int padded(wk_tfl *t, const wk_net_layer *l, int before, int behind, bool least) {
  const wk_window *w = &l->window;
  const int32_t pads[8] = {0, 0, w->pad_top, w->pad_bottom, w->pad_left, w->pad_right, before, behind};
  const int32_t shape[4] = {1, l->from.height + w->pad_top + w->pad_bottom, l->from.width + w->pad_left + w->pad_right,
                            l->from.channels + before + behind};
  const wk_tfl_quant q = in_quant(t, l);
  const int out = wk_tfl_value(t, wk_tfl_name(t, l->name, ".padded"), shape, 4, q),
            sides = wk_tfl_ints(t, l->name, ".pads", pads, 8, 4);
  if (!least) {
    op2(t, WK_TFLITE_PAD, out, first(t, l), sides, OPTIONS_PAD);
    return out;
  }
  const float low = t->small ? (float)(-128 - q.zero) * q.scale : -FLT_MAX;
  int with = -1;
  if (t->small) { /* in the input's own steps */
    int8_t *byte = wk_net_alloc(t->n, 1, 1);
    const wk_tflite_tensor like = out >= 0 ? t->f.tensor[out] : (wk_tflite_tensor){0};
    t->f.failed |= !byte;
    if (byte)
      *byte = -128;
    with = wk_tflite_add_tensor(&t->f, &(wk_tflite_tensor){.name = wk_tfl_name(t, l->name, ".least"),
                                                           .type = WK_TFLITE_INT8,
                                                           .data = byte,
                                                           .bytes = 1,
                                                           .scale = like.scale,
                                                           .zero = like.zero,
                                                           .scales = 1});
  } else {
    with = wk_tfl_floats(t, l->name, ".least", &low, 1, true);
  }
  wk_tflite_add_op(&t->f, WK_TFLITE_PADV2, out, (const int[]){first(t, l), sides, with, -1}, OPTIONS_PADV2);
  return out;
}

/* ---- layers ------------------------------------------------------------------------------------------------ */

/* One padding or none: what a window's layer reads, and whether it pads by itself. */
static int windowed(wk_tfl *t, const wk_net_layer *l, bool least, int *padding) {
  *padding = l->same && is_padded(l) ? PADDING_SAME : PADDING_VALID;
  return *padding == PADDING_VALID && is_padded(l) ? padded(t, l, 0, 0, least) : first(t, l);
}

static void conv(wk_tfl *t, const wk_net_layer *l, int out) {
  const wk_window *w = &l->window;
  const bool depthwise = wk_net_is_depthwise(l);
  const int32_t outputs = l->to.channels, inputs = l->from.channels / l->groups;
  const int32_t ohwi[4] = {outputs, w->kernel_h, w->kernel_w, inputs}, hwo[4] = {1, w->kernel_h, w->kernel_w, outputs};
  int padding, weight[2];
  const int in = windowed(t, l, false, &padding);
  float *turned = wk_net_alloc(t->n, l->weights, sizeof *turned);
  if (!turned) {
    t->f.failed = true;
    return;
  }
  if (depthwise)
    wk_net_hwio(turned, l);
  else
    wk_net_ohwi(turned, l);
  wk_tfl_weights(t, weight, l->name, turned, depthwise ? hwo : ohwi, 4, depthwise ? 3 : 0, l->bias, outputs,
                 in_quant(t, l).scale);
  wk_tflite_op *op =
      wk_tflite_add_op(&t->f, depthwise ? WK_TFLITE_DEPTHWISE_CONV : WK_TFLITE_CONV, out,
                       (const int[]){in, weight[0], weight[1], -1}, depthwise ? OPTIONS_DEPTHWISE : OPTIONS_CONV);
  const int more = depthwise ? 1 : 0;
  wk_tflite_set(op, 0, 1, padding);
  wk_tflite_set(op, 1, 4, w->stride_w);
  wk_tflite_set(op, 2, 4, w->stride_h);
  if (depthwise)
    wk_tflite_set(op, 3, 4, outputs / l->from.channels);
  add_act(op, 3 + more, act_of(l->act));
  wk_tflite_set(op, 4 + more, 4, w->dilation_w);
  wk_tflite_set(op, 5 + more, 4, w->dilation_h);
}

static void linear(wk_tfl *t, const wk_net_layer *l, int out) {
  int weight[2];
  float *turned = wk_net_alloc(t->n, l->weights, sizeof *turned);
  if (!turned) {
    t->f.failed = true;
    return;
  }
  wk_net_matrix(turned, l, &t->n->layer[l->in[0]], false);
  wk_tfl_weights(t, weight, l->name, turned, (const int32_t[]){l->to.channels, l->from.channels}, 2, -1, l->bias,
                 l->to.channels, in_quant(t, l).scale);
  wk_tflite_op *op = wk_tflite_add_op(&t->f, WK_TFLITE_FULLY_CONNECTED, out,
                                      (const int[]){first(t, l), weight[0], weight[1], -1}, OPTIONS_FULLY_CONNECTED);
  add_act(op, 0, act_of(l->act));
}

/* A scale and a shift of each channel; of pictures in 8 bits as a convolution, whose steps are each channel's own. */
static void affine(wk_tfl *t, const wk_net_layer *l, int out) {
  const int n = l->to.channels;
  if (t->small && !l->flat) {
    int weight[2];
    wk_tfl_weights(t, weight, l->name, l->weight, (const int32_t[]){1, 1, 1, n}, 4, 3, l->bias, n,
                   in_quant(t, l).scale);
    wk_tflite_op *op = wk_tflite_add_op(&t->f, WK_TFLITE_DEPTHWISE_CONV, out,
                                        (const int[]){first(t, l), weight[0], weight[1], -1}, OPTIONS_DEPTHWISE);
    wk_tflite_set(op, 0, 1, PADDING_VALID);
    wk_tflite_set(op, 1, 4, 1);
    wk_tflite_set(op, 2, 4, 1);
    wk_tflite_set(op, 3, 4, 1);
    add_act(op, 4, act_of(l->act));
    return;
  }
  const int weight = wk_tfl_floats(t, l->name, ".weight", l->weight, n, false),
            bias = wk_tfl_floats(t, l->name, ".bias", l->bias, n, false),
            scaled = wk_tfl_layer_value(t, wk_tfl_name(t, l->name, ".scaled"), l, t->q[l - t->n->layer]);
  op2(t, WK_TFLITE_MUL, scaled, first(t, l), weight, OPTIONS_MUL);
  add_act(op2(t, WK_TFLITE_ADD, out, scaled, bias, OPTIONS_ADD), 0, act_of(l->act));
}

static wk_status pool(wk_tfl *t, const wk_net_layer *l, int out, wk_error *err) {
  const wk_window *w = &l->window;
  const bool max = l->op == WK_OP_MAX_POOL, zeros = !max && w->count_include_pad && is_padded(l);
  int padding, in;
  if (w->dilation_h != 1 || w->dilation_w != 1 || w->ceil_mode || (!max && is_padded(l) && !zeros && !l->same))
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "layer '%s' (%s) has a window that TensorFlow Lite does not know", l->name,
                   wk_op_name(l->op));
  if (zeros) {
    padding = PADDING_VALID;
    in = padded(t, l, 0, 0, false);
  } else {
    in = windowed(t, l, max && !wk_net_is_positive(t->n, l->in[0]), &padding);
  }
  wk_tflite_op *op = op1(t, max ? WK_TFLITE_MAX_POOL : WK_TFLITE_AVERAGE_POOL, out, in, OPTIONS_POOL);
  wk_tflite_set(op, 0, 1, padding);
  wk_tflite_set(op, 1, 4, w->stride_w);
  wk_tflite_set(op, 2, 4, w->stride_h);
  wk_tflite_set(op, 3, 4, w->kernel_w);
  wk_tflite_set(op, 4, 4, w->kernel_h);
  return WK_OK;
}

static int reshape(wk_tfl *t, const char *layer, const char *suffix, int in, int out, const int32_t *shape, int ndim) {
  op2(t, WK_TFLITE_RESHAPE, out, in, wk_tfl_ints(t, layer, suffix, shape, ndim, 0), 0);
  return out;
}

static void shuffle(wk_tfl *t, const wk_net_layer *l, int out) {
  const int32_t g = l->groups, n = l->to.channels / g, h = l->to.height, w = l->to.width;
  const wk_tfl_quant q = in_quant(t, l);
  const int apart = wk_tfl_value(t, wk_tfl_name(t, l->name, ".apart"), (const int32_t[]){1, h, w, g, n}, 5, q),
            turned = wk_tfl_value(t, wk_tfl_name(t, l->name, ".turned"), (const int32_t[]){1, h, w, n, g}, 5, q);
  reshape(t, l->name, ".groups", first(t, l), apart, (const int32_t[]){-1, h, w, g, n}, 5);
  op2(t, WK_TFLITE_TRANSPOSE, turned, apart, wk_tfl_ints(t, l->name, ".order", (const int32_t[]){0, 1, 2, 4, 3}, 5, 0),
      OPTIONS_TRANSPOSE);
  reshape(t, l->name, ".channels", turned, out, (const int32_t[]){-1, h, w, g * n}, 4);
}

static void slice(wk_tfl *t, const wk_net_layer *l, int out) {
  const int32_t from[4] = {0, 0, 0, l->extra.first}, to[4] = {0, 0, 0, l->extra.first + l->extra.count},
                step[4] = {1, 1, 1, 1};
  const int in[] = {first(t, l), wk_tfl_ints(t, l->name, ".begin", from, 4, 0),
                    wk_tfl_ints(t, l->name, ".end", to, 4, 0), wk_tfl_ints(t, l->name, ".step", step, 4, 0), -1};
  wk_tflite_op *op = wk_tflite_add_op(&t->f, WK_TFLITE_STRIDED_SLICE, out, in, OPTIONS_STRIDED_SLICE);
  wk_tflite_set(op, 0, 4, 7); /* of batch and pixels everything */
  wk_tflite_set(op, 1, 4, 7);
}

static void concat(wk_tfl *t, const wk_net_layer *l, int out) {
  int *in = wk_net_alloc(t->n, (size_t)l->inputs + 1, sizeof *in);
  if (!in) {
    t->f.failed = true;
    return;
  }
  for (int k = 0; k < l->inputs; k++)
    in[k] = t->value[l->in[k]];
  in[l->inputs] = -1;
  wk_tflite_op *op = wk_tflite_add_op(&t->f, WK_TFLITE_CONCATENATION, out, in, OPTIONS_CONCATENATION);
  wk_tflite_set(op, 0, 4, l->flat ? 1 : 3);
}

/* A factor for each channel, a picture of 1 x 1. */
static void scale(wk_tfl *t, const wk_net_layer *l, int out) {
  int factor = t->value[l->in[1]];
  if (t->n->layer[l->in[1]].flat) {
    const int32_t shape[4] = {1, 1, 1, l->to.channels};
    const int picture = wk_tfl_value(t, wk_tfl_name(t, l->name, ".factor"), shape, 4, t->q[l->in[1]]);
    factor = reshape(t, l->name, ".shape", factor, picture, (const int32_t[]){-1, 1, 1, l->to.channels}, 4);
  }
  op2(t, WK_TFLITE_MUL, out, first(t, l), factor, OPTIONS_MUL);
}

/* relu6(x + 3) / 6 */
static void hard_sigmoid(wk_tfl *t, const wk_net_layer *l, int out) {
  const float three = 3, sixth = 1.0f / 6;
  const int up = wk_tfl_layer_value(t, wk_tfl_name(t, l->name, ".clipped"), l, wk_tfl_quant_of((wk_net_range){0, 6}));
  add_act(op2(t, WK_TFLITE_ADD, up, first(t, l), wk_tfl_floats(t, l->name, ".three", &three, 1, true), OPTIONS_ADD), 0,
          ACT_RELU6);
  op2(t, WK_TFLITE_MUL, out, up, wk_tfl_floats(t, l->name, ".sixth", &sixth, 1, true), OPTIONS_MUL);
}

/* Operators whose steps are prescribed, then the layer's own. */
static void prescribed(wk_tfl *t, const wk_net_layer *l, int code, wk_tfl_quant q, int out) {
  if (!t->small) {
    op1(t, code, out, first(t, l), 0);
    return;
  }
  const int fixed = wk_tfl_layer_value(t, wk_tfl_name(t, l->name, ".fixed"), l, q);
  op1(t, code, fixed, first(t, l), 0);
  op1(t, WK_TFLITE_QUANTIZE, out, fixed, 0);
}

static const wk_tfl_quant unit_steps = {1.0f / 256, -128}, tanh_steps = {1.0f / 128, 0};

static void silu(wk_tfl *t, const wk_net_layer *l, int out) {
  const int gate = wk_tfl_layer_value(t, wk_tfl_name(t, l->name, ".gate"), l, unit_steps);
  op1(t, WK_TFLITE_LOGISTIC, gate, first(t, l), 0);
  op2(t, WK_TFLITE_MUL, out, first(t, l), gate, OPTIONS_MUL);
}

static wk_status lrn(wk_tfl *t, const wk_net_layer *l, int out, wk_error *err) {
  if (t->small || l->extra.count % 2 == 0)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "layer '%s' (lrn) %s", l->name,
                   t->small ? "has no operator of 8 bits in TensorFlow Lite; export floats"
                            : "is over an even number of channels, which TensorFlow Lite does not know");
  wk_tflite_op *op = op1(t, WK_TFLITE_LRN, out, first(t, l), OPTIONS_LRN);
  wk_tflite_set(op, 0, 4, l->extra.count / 2);
  wk_tflite_set_real(op, 1, l->extra.bias);
  wk_tflite_set_real(op, 2, l->extra.alpha / (float)l->extra.count);
  wk_tflite_set_real(op, 3, l->extra.beta);
  return WK_OK;
}

/* To what a quantised network can hold, and back. */
static wk_status rounding(wk_tfl *t, const wk_net_layer *l, int out, wk_error *err) {
  const int zero = -128 - l->extra.first;
  if (l->extra.count - l->extra.first != 255 || zero < -128 || zero > 127)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "layer '%s' rounds to %d steps, which TensorFlow Lite cannot say", l->name,
                   l->extra.count - l->extra.first);
  const bool small = t->small;
  t->small = true; /* one value of 8 bits */
  const int bytes = wk_tfl_layer_value(t, wk_tfl_name(t, l->name, ".bytes"), l, (wk_tfl_quant){l->extra.alpha, zero});
  t->small = small;
  op1(t, WK_TFLITE_QUANTIZE, bytes, first(t, l), 0);
  op1(t, small ? WK_TFLITE_QUANTIZE : WK_TFLITE_DEQUANTIZE, out, bytes, 0);
  return WK_OK;
}

static wk_status add_layer(wk_tfl *t, const wk_net_layer *l, int out, wk_error *err) {
  switch (l->op) {
  case WK_OP_CONV:
    conv(t, l, out);
    return WK_OK;
  case WK_OP_LINEAR:
    linear(t, l, out);
    return WK_OK;
  case WK_OP_BATCH_NORM:
    affine(t, l, out);
    return WK_OK;
  case WK_OP_MAX_POOL:
  case WK_OP_AVG_POOL:
    return pool(t, l, out, err);
  case WK_OP_ADAPTIVE_AVG_POOL:
    wk_tflite_set(op2(t, WK_TFLITE_MEAN, out, first(t, l),
                      wk_tfl_ints(t, l->name, ".axes", (const int32_t[]){1, 2}, 2, 0), OPTIONS_REDUCER),
                  0, 1, 1);
    return WK_OK;
  case WK_OP_FLATTEN:
    reshape(t, l->name, ".shape", first(t, l), out, (const int32_t[]){-1, l->to.channels}, 2);
    return WK_OK;
  case WK_OP_ADD:
    add_act(op2(t, WK_TFLITE_ADD, out, first(t, l), t->value[l->in[1]], OPTIONS_ADD), 0, act_of(l->act));
    return WK_OK;
  case WK_OP_MULTIPLY:
    op2(t, WK_TFLITE_MUL, out, first(t, l), t->value[l->in[1]], OPTIONS_MUL);
    return WK_OK;
  case WK_OP_SCALE:
    scale(t, l, out);
    return WK_OK;
  case WK_OP_CONCAT:
    concat(t, l, out);
    return WK_OK;
  case WK_OP_SLICE:
    slice(t, l, out);
    return WK_OK;
  case WK_OP_SHUFFLE:
    shuffle(t, l, out);
    return WK_OK;
  case WK_OP_LRN:
    return lrn(t, l, out, err);
  case WK_OP_ROUND:
    return rounding(t, l, out, err);
  case WK_OP_RELU:
    op1(t, WK_TFLITE_RELU, out, first(t, l), 0);
    return WK_OK;
  case WK_OP_RELU6:
    op1(t, WK_TFLITE_RELU6, out, first(t, l), 0);
    return WK_OK;
  case WK_OP_HARDSWISH:
    op1(t, WK_TFLITE_HARD_SWISH, out, first(t, l), 0);
    return WK_OK;
  case WK_OP_HARDSIGMOID:
    hard_sigmoid(t, l, out);
    return WK_OK;
  case WK_OP_SIGMOID:
    prescribed(t, l, WK_TFLITE_LOGISTIC, unit_steps, out);
    return WK_OK;
  case WK_OP_TANH:
    prescribed(t, l, WK_TFLITE_TANH, tanh_steps, out);
    return WK_OK;
  case WK_OP_SILU:
    silu(t, l, out);
    return WK_OK;
  case WK_OP_GELU:
    op1(t, WK_TFLITE_GELU, out, first(t, l), 0);
    return WK_OK;
  case WK_OP_LEAKY_RELU:
    wk_tflite_set_real(op1(t, WK_TFLITE_LEAKY_RELU, out, first(t, l), OPTIONS_LEAKY_RELU), 0, l->extra.alpha);
    return WK_OK;
  case WK_OP_ELU:
    if (l->extra.alpha == 1) {
      op1(t, WK_TFLITE_ELU, out, first(t, l), 0);
      return WK_OK;
    }
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "layer '%s' (elu) has the slope %g; TensorFlow Lite has 1 alone", l->name,
                   (double)l->extra.alpha);
  default:
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "layer '%s' (%s) has no operator in TensorFlow Lite", l->name,
                   wk_op_name(l->op));
  }
}

wk_status wk_tfl_layer(wk_tfl *t, int index, wk_error *err) {
  const wk_net_layer *l = &t->n->layer[index];
  if (l->op == WK_OP_PAD) { /* its value is that of the padding */
    t->value[index] = padded(t, l, l->extra.first, l->extra.count, false);
    return WK_OK;
  }
  t->value[index] = wk_tfl_layer_value(t, l->name, l, t->q[index]);
  return add_layer(t, l, t->value[index], err);
}

/* onnx_writer.c - ONNX, opset 17: the messages of onnx.proto3 for the layers of a network, NCHW, with a dynamic batch.
 * Everything but weights is made in memory first, so that lengths are known; weights go from where they lie to the
 * file. */
#include <math.h>
#include <string.h>

#include "export/export.h"
#include "formats/protobuf.h"
#include "import/onnx_fields.h"

enum { OPSET = 17, IR_VERSION = 8 };

typedef struct constant {
  wk_text head; /* the message up to its raw data */
  const void *data;
  size_t bytes;
} constant;

typedef struct onnx {
  wk_net *net;
  wk_text graph;      /* fields of GraphProto but initializers */
  constant *constant; /* in the order of their readers */
  size_t constants, room;
  bool failed;
  char *text; /* scratch of name_of */
} onnx;

/* ---- pieces ---------------------------------------------------------------------------------------- */

static char *name_of(onnx *o, const char *layer, const char *suffix) {
  const size_t n = strlen(layer), m = strlen(suffix);
  char *name = wk_net_alloc(o->net, n + m + 1, 1);
  if (!name) {
    o->failed = true;
    return o->text;
  }
  memcpy(name, layer, n);
  memcpy(name + n, suffix, m + 1);
  return name;
}

/* A constant of any type; `data` must live as long as the net. */
static void add_constant(onnx *o, const char *name, int type, int ndim, const int64_t *shape, const void *data,
                         size_t bytes) {
  if (o->constants == o->room) {
    constant *grown = wk_grow(o->constant, o->room * sizeof *grown, (2 * o->room + 64) * sizeof *grown);
    if (!grown) {
      o->failed = true;
      return;
    }
    o->constant = grown;
    o->room = 2 * o->room + 64;
  }
  constant *c = &o->constant[o->constants++];
  *c = (constant){.data = data, .bytes = bytes};
  for (int i = 0; i < ndim; i++)
    wk_pb_put_number(&c->head, TENSOR_DIMS, (uint64_t)shape[i]);
  wk_pb_put_number(&c->head, TENSOR_TYPE, (uint64_t)type);
  wk_pb_put_text(&c->head, TENSOR_NAME, name);
  wk_pb_put_length(&c->head, TENSOR_RAW, bytes);
}

/* A copy of `count` numbers as a constant; its name. */
static const char *constant_of(onnx *o, const char *layer, const char *suffix, int type, size_t element,
                               const void *data, int64_t count, bool scalar) {
  const char *name = name_of(o, layer, suffix);
  void *copy = wk_net_alloc(o->net, (size_t)count, element);
  if (!copy) {
    o->failed = true;
    return name;
  }
  memcpy(copy, data, (size_t)count * element);
  add_constant(o, name, type, scalar ? 0 : 1, &count, copy, (size_t)count * element);
  return name;
}

static const char *scalar(onnx *o, const char *layer, const char *suffix, float value) {
  return constant_of(o, layer, suffix, DATA_FLOAT, sizeof value, &value, 1, true);
}

static const char *ints(onnx *o, const char *layer, const char *suffix, const int64_t *value, int64_t count) {
  return constant_of(o, layer, suffix, DATA_INT64, sizeof *value, value, count, false);
}

/* One node, taken up field by field. */
static void attr_int(wk_text *node, const char *name, int64_t value) {
  wk_text a = {0};
  wk_pb_put_text(&a, ATTR_NAME, name);
  wk_pb_put_number(&a, ATTR_I, (uint64_t)value);
  wk_pb_put_number(&a, ATTR_TYPE, TYPE_INT);
  wk_pb_put_message(node, NODE_ATTRIBUTE, &a);
}

static void attr_float(wk_text *node, const char *name, float value) {
  wk_text a = {0};
  wk_pb_put_text(&a, ATTR_NAME, name);
  wk_pb_put_float(&a, ATTR_F, value);
  wk_pb_put_number(&a, ATTR_TYPE, TYPE_FLOAT);
  wk_pb_put_message(node, NODE_ATTRIBUTE, &a);
}

static void attr_ints(wk_text *node, const char *name, const int64_t *value, int count) {
  wk_text a = {0};
  wk_pb_put_text(&a, ATTR_NAME, name);
  for (int i = 0; i < count; i++)
    wk_pb_put_number(&a, ATTR_INTS, (uint64_t)value[i]);
  wk_pb_put_number(&a, ATTR_TYPE, TYPE_INTS);
  wk_pb_put_message(node, NODE_ATTRIBUTE, &a);
}

static void begin(wk_text *node, const char *type, const char *out) {
  *node = (wk_text){0};
  wk_pb_put_text(node, NODE_OUTPUT, out);
  wk_pb_put_text(node, NODE_NAME, out);
  wk_pb_put_text(node, NODE_TYPE, type);
}

static void end(onnx *o, wk_text *node) { wk_pb_put_message(&o->graph, GRAPH_NODE, node); }

static void read(wk_text *node, const char *in) { wk_pb_put_text(node, NODE_INPUT, in); }

static void one(onnx *o, const char *type, const char *in, const char *out) {
  wk_text node;
  begin(&node, type, out);
  read(&node, in);
  end(o, &node);
}

static void two(onnx *o, const char *type, const char *a, const char *b, const char *out) {
  wk_text node;
  begin(&node, type, out);
  read(&node, a);
  read(&node, b);
  end(o, &node);
}

/* ---- layers ---------------------------------------------------------------------------------------- */

/* What a layer's value is called, behind its activation. */
static const char *value_of(onnx *o, int layer) {
  const wk_net_layer *l = &o->net->layer[layer];
  return layer == o->net->layers - 1 ? "logits"
         : layer == 0                ? "pixels"
         : l->act                    ? name_of(o, l->name, ".act")
                                     : l->name;
}

static void attr_window(wk_text *node, const wk_net_layer *l) {
  const wk_window *w = &l->window;
  attr_ints(node, "kernel_shape", (const int64_t[]){w->kernel_h, w->kernel_w}, 2);
  attr_ints(node, "strides", (const int64_t[]){w->stride_h, w->stride_w}, 2);
  attr_ints(node, "pads", (const int64_t[]){w->pad_top, w->pad_left, w->pad_bottom, w->pad_right}, 4);
  if (l->op != WK_OP_AVG_POOL) /* whose windows have no gaps before opset 19 */
    attr_ints(node, "dilations", (const int64_t[]){w->dilation_h, w->dilation_w}, 2);
}

static void conv(onnx *o, const wk_net_layer *l, const char *in, const char *out) {
  const int64_t outputs = l->to.channels,
                shape[4] = {outputs, l->from.channels / l->groups, l->window.kernel_h, l->window.kernel_w};
  const char *weight = name_of(o, l->name, ".weight"), *bias = name_of(o, l->name, ".bias");
  wk_text node;
  begin(&node, "Conv", out);
  read(&node, in);
  read(&node, weight);
  read(&node, bias);
  attr_window(&node, l);
  attr_int(&node, "group", l->groups);
  end(o, &node);
  add_constant(o, weight, DATA_FLOAT, 4, shape, l->weight, l->weights * sizeof *l->weight);
  add_constant(o, bias, DATA_FLOAT, 1, &outputs, l->bias, (size_t)outputs * sizeof *l->bias);
}

static void linear(onnx *o, const wk_net_layer *l, const char *in, const char *out) {
  const int64_t shape[2] = {l->to.channels, l->from.channels};
  const char *weight = name_of(o, l->name, ".weight"), *bias = name_of(o, l->name, ".bias");
  wk_text node;
  begin(&node, "Gemm", out);
  read(&node, in);
  read(&node, weight);
  read(&node, bias);
  attr_int(&node, "transB", 1);
  end(o, &node);
  add_constant(o, weight, DATA_FLOAT, 2, shape, l->weight, l->weights * sizeof *l->weight);
  add_constant(o, bias, DATA_FLOAT, 1, shape, l->bias, (size_t)shape[0] * sizeof *l->bias);
}

/* A scale and a shift of each channel. */
static void affine(onnx *o, const wk_net_layer *l, const char *in, const char *out) {
  const int64_t n = l->to.channels, picture[4] = {1, n, 1, 1};
  const char *weight = name_of(o, l->name, ".weight"), *bias = name_of(o, l->name, ".bias"),
             *scaled = name_of(o, l->name, ".scaled");
  two(o, "Mul", in, weight, scaled);
  two(o, "Add", scaled, bias, out);
  add_constant(o, weight, DATA_FLOAT, l->flat ? 1 : 4, l->flat ? &n : picture, l->weight, (size_t)n * sizeof(float));
  add_constant(o, bias, DATA_FLOAT, l->flat ? 1 : 4, l->flat ? &n : picture, l->bias, (size_t)n * sizeof(float));
}

static void pool(onnx *o, const wk_net_layer *l, const char *in, const char *out) {
  wk_text node;
  begin(&node, l->op == WK_OP_MAX_POOL ? "MaxPool" : "AveragePool", out);
  read(&node, in);
  attr_window(&node, l);
  if (l->op == WK_OP_AVG_POOL) {
    attr_int(&node, "count_include_pad", l->window.count_include_pad);
    attr_int(&node, "ceil_mode", l->window.ceil_mode);
  }
  end(o, &node);
}

static void relu6(onnx *o, const char *layer, const char *in, const char *out) {
  wk_text node;
  begin(&node, "Clip", out);
  read(&node, in);
  read(&node, scalar(o, layer, ".least", 0));
  read(&node, scalar(o, layer, ".most", 6));
  end(o, &node);
}

static void with_axis(onnx *o, const char *type, const wk_net_layer *l, const char *out) {
  wk_text node;
  begin(&node, type, out);
  for (int k = 0; k < l->inputs; k++)
    read(&node, value_of(o, l->in[k]));
  attr_int(&node, "axis", 1);
  end(o, &node);
}

static void scale(onnx *o, const wk_net_layer *l, const char *in, const char *out) {
  const char *factor = value_of(o, l->in[1]);
  if (o->net->layer[l->in[1]].flat) {
    const char *picture = name_of(o, l->name, ".factor");
    two(o, "Unsqueeze", factor, ints(o, l->name, ".axes", (const int64_t[]){2, 3}, 2), picture);
    factor = picture;
  }
  two(o, "Mul", in, factor, out);
}

/* Of channels last: ONNX normalises over all sides from one on. */
static void layer_norm(onnx *o, const wk_net_layer *l, const char *in, const char *out) {
  const int64_t n = l->to.channels;
  const char *last = name_of(o, l->name, ".last"), *normal = name_of(o, l->name, ".normal"),
             *weight = name_of(o, l->name, ".weight"), *bias = name_of(o, l->name, ".bias");
  wk_text node;
  if (!l->flat) {
    begin(&node, "Transpose", last);
    read(&node, in);
    attr_ints(&node, "perm", (const int64_t[]){0, 2, 3, 1}, 4);
    end(o, &node);
  }
  begin(&node, "LayerNormalization", l->flat ? out : normal);
  read(&node, l->flat ? in : last);
  read(&node, weight);
  read(&node, bias);
  attr_int(&node, "axis", -1);
  attr_float(&node, "epsilon", l->eps);
  end(o, &node);
  if (!l->flat) {
    begin(&node, "Transpose", out);
    read(&node, normal);
    attr_ints(&node, "perm", (const int64_t[]){0, 3, 1, 2}, 4);
    end(o, &node);
  }
  add_constant(o, weight, DATA_FLOAT, 1, &n, l->weight, (size_t)n * sizeof(float));
  add_constant(o, bias, DATA_FLOAT, 1, &n, l->bias, (size_t)n * sizeof(float));
}

/* Opset 20 has an operation of its own, this one the pieces that PyTorch writes as well. */
static void gelu(onnx *o, const wk_net_layer *l, const char *in, const char *out) {
  const char *part = name_of(o, l->name, ".part"), *integral = name_of(o, l->name, ".erf"),
             *whole = name_of(o, l->name, ".integral"), *twice = name_of(o, l->name, ".twice");
  two(o, "Div", in, scalar(o, l->name, ".root", 1.41421356f), part);
  one(o, "Erf", part, integral);
  two(o, "Add", integral, scalar(o, l->name, ".one", 1), whole);
  two(o, "Mul", in, whole, twice);
  two(o, "Mul", twice, scalar(o, l->name, ".half", 0.5f), out);
}

static void pad(onnx *o, const wk_net_layer *l, const char *in, const char *out) {
  const wk_window *w = &l->window;
  const int64_t pads[8] = {0, l->extra.first, w->pad_top, w->pad_left, 0, l->extra.count, w->pad_bottom, w->pad_right};
  two(o, "Pad", in, ints(o, l->name, ".pads", pads, 8), out);
}

static void slice(onnx *o, const wk_net_layer *l, const char *in, const char *out) {
  const int64_t from = l->extra.first, to = from + l->extra.count, axis = 1;
  wk_text node;
  begin(&node, "Slice", out);
  read(&node, in);
  read(&node, ints(o, l->name, ".starts", &from, 1));
  read(&node, ints(o, l->name, ".ends", &to, 1));
  read(&node, ints(o, l->name, ".axes", &axis, 1));
  end(o, &node);
}

static void shuffle(onnx *o, const wk_net_layer *l, const char *in, const char *out) {
  const int64_t g = l->groups, n = l->to.channels, h = l->to.height, w = l->to.width;
  const char *apart = name_of(o, l->name, ".apart"), *turned = name_of(o, l->name, ".turned");
  two(o, "Reshape", in, ints(o, l->name, ".groups", (const int64_t[]){0, g, n / g, h, w}, 5), apart);
  wk_text node;
  begin(&node, "Transpose", turned);
  read(&node, apart);
  attr_ints(&node, "perm", (const int64_t[]){0, 2, 1, 3, 4}, 5);
  end(o, &node);
  two(o, "Reshape", turned, ints(o, l->name, ".channels", (const int64_t[]){0, n, h, w}, 4), out);
}

static void lrn(onnx *o, const wk_net_layer *l, const char *in, const char *out) {
  wk_text node;
  begin(&node, "LRN", out);
  read(&node, in);
  attr_int(&node, "size", l->extra.count);
  attr_float(&node, "alpha", l->extra.alpha);
  attr_float(&node, "beta", l->extra.beta);
  attr_float(&node, "bias", l->extra.bias);
  end(o, &node);
}

static void with_alpha(onnx *o, const char *type, float alpha, const char *in, const char *out) {
  wk_text node;
  begin(&node, type, out);
  read(&node, in);
  attr_float(&node, "alpha", alpha);
  if (strcmp(type, "HardSigmoid") == 0)
    attr_float(&node, "beta", 0.5f);
  end(o, &node);
}

/* What a quantised network can hold: to 8 bits and back. */
static wk_status rounding(onnx *o, const wk_net_layer *l, const char *in, const char *out, wk_error *err) {
  const int zero = -128 - l->extra.first;
  if (l->extra.count - l->extra.first != 255 || zero < -128 || zero > 127)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "layer '%s' rounds to %d steps, which ONNX cannot say", l->name,
                   l->extra.count - l->extra.first);
  const char *step = scalar(o, l->name, ".step", l->extra.alpha),
             *at = constant_of(o, l->name, ".zero", DATA_INT8, 1, &(int8_t){(int8_t)zero}, 1, true),
             *bytes = name_of(o, l->name, ".bytes");
  for (int back = 0; back < 2; back++) {
    wk_text node;
    begin(&node, back ? "DequantizeLinear" : "QuantizeLinear", back ? out : bytes);
    read(&node, back ? bytes : in);
    read(&node, step);
    read(&node, at);
    end(o, &node);
  }
  return WK_OK;
}

static wk_status add_layer(onnx *o, int index, wk_error *err) {
  static const char *const plain[WK_OP_COUNT] = {
      [WK_OP_RELU] = "Relu",       [WK_OP_HARDSWISH] = "HardSwish",
      [WK_OP_SIGMOID] = "Sigmoid", [WK_OP_TANH] = "Tanh",
      [WK_OP_ADD] = "Add",         [WK_OP_MULTIPLY] = "Mul",
      [WK_OP_CONCAT] = "Concat",   [WK_OP_ADAPTIVE_AVG_POOL] = "GlobalAveragePool",
      [WK_OP_FLATTEN] = "Flatten", [WK_OP_SOFTMAX] = "Softmax"};
  const wk_net_layer *l = &o->net->layer[index];
  const char *in = value_of(o, l->in[0]), *out = l->act ? l->name : value_of(o, index);
  switch (l->op) {
  case WK_OP_CONV:
    conv(o, l, in, out);
    break;
  case WK_OP_LINEAR:
    linear(o, l, in, out);
    break;
  case WK_OP_BATCH_NORM:
    affine(o, l, in, out);
    break;
  case WK_OP_MAX_POOL:
  case WK_OP_AVG_POOL:
    pool(o, l, in, out);
    break;
  case WK_OP_RELU6:
    relu6(o, l->name, in, out);
    break;
  case WK_OP_SILU:
    one(o, "Sigmoid", in, name_of(o, l->name, ".gate"));
    two(o, "Mul", in, name_of(o, l->name, ".gate"), out);
    break;
  case WK_OP_ADD:
  case WK_OP_MULTIPLY:
    two(o, plain[l->op], in, value_of(o, l->in[1]), out);
    break;
  case WK_OP_CONCAT:
  case WK_OP_FLATTEN:
  case WK_OP_SOFTMAX:
    with_axis(o, plain[l->op], l, out);
    break;
  case WK_OP_SCALE:
    scale(o, l, in, out);
    break;
  case WK_OP_PAD:
    pad(o, l, in, out);
    break;
  case WK_OP_SLICE:
    slice(o, l, in, out);
    break;
  case WK_OP_SHUFFLE:
    shuffle(o, l, in, out);
    break;
  case WK_OP_LRN:
    lrn(o, l, in, out);
    break;
  case WK_OP_LAYER_NORM:
    layer_norm(o, l, in, out);
    break;
  case WK_OP_GELU:
    gelu(o, l, in, out);
    break;
  case WK_OP_HARDSIGMOID:
    with_alpha(o, "HardSigmoid", 1.0f / 6, in, out);
    break;
  case WK_OP_LEAKY_RELU:
    with_alpha(o, "LeakyRelu", l->extra.alpha, in, out);
    break;
  case WK_OP_ELU:
    with_alpha(o, "Elu", l->extra.alpha, in, out);
    break;
  case WK_OP_ROUND:
    WK_RETURN_IF_ERROR(rounding(o, l, in, out, err));
    break;
  default:
    if (!plain[l->op])
      return WK_FAIL(err, WK_ERR_UNSUPPORTED, "layer '%s' (%s) has no operation in ONNX's opset %d", l->name,
                     wk_op_name(l->op), OPSET);
    one(o, plain[l->op], in, out);
  }
  if (l->act == WK_OP_RELU)
    one(o, "Relu", out, value_of(o, index));
  else if (l->act == WK_OP_RELU6)
    relu6(o, l->name, out, value_of(o, index));
  return WK_OK;
}

/* ---- the model -------------------------------------------------------------------------------------- */

/* ValueInfoProto of floats; the first side is the batch. */
static void add_value(onnx *o, uint32_t field, const char *name, const int64_t *side, int sides) {
  wk_text shape = {0}, dim = {0}, tensor = {0}, type = {0}, value = {0};
  wk_pb_put_text(&dim, 2, "N");
  wk_pb_put_message(&shape, 1, &dim);
  for (int i = 0; i < sides; i++) {
    wk_pb_put_number(&dim, 1, (uint64_t)side[i]);
    wk_pb_put_message(&shape, 1, &dim);
  }
  wk_pb_put_number(&tensor, 1, DATA_FLOAT);
  wk_pb_put_message(&tensor, 2, &shape);
  wk_pb_put_message(&type, 1, &tensor);
  wk_pb_put_text(&value, VALUE_NAME, name);
  wk_pb_put_message(&value, VALUE_TYPE, &type);
  wk_pb_put_message(&o->graph, field, &value);
}

/* Pixels from 0 to 255 as the first layer wants them, or the input as it is. */
static void add_input(onnx *o, bool inside) {
  const wk_preprocess *p = &o->net->preprocess;
  const int64_t side[3] = {3, p->height, p->width}, channels[4] = {1, 3, 1, 1};
  add_value(o, GRAPH_INPUT, inside ? "image" : "pixels", side, 3);
  if (!inside)
    return;
  two(o, "Sub", "image", "preprocess.mean", "preprocess.centred");
  two(o, "Div", "preprocess.centred", "preprocess.std", "pixels");
  add_constant(o, "preprocess.mean", DATA_FLOAT, 4, channels, p->mean, sizeof p->mean);
  add_constant(o, "preprocess.std", DATA_FLOAT, 4, channels, p->std, sizeof p->std);
}

static wk_status add_pair(wk_text *model, const char *key, const char *value, wk_error *err) {
  wk_text pair = {0};
  if (!value)
    return wk_export_no_memory(err);
  wk_pb_put_text(&pair, PAIR_KEY, key);
  wk_pb_put_text(&pair, PAIR_VALUE, value);
  wk_pb_put_message(model, MODEL_METADATA, &pair);
  return WK_OK;
}

/* {0: 'cat', 1: 'dog'}: Python's, as ultralytics' tools read it. */
static char *python_names(const wk_net *n) {
  wk_text t = {0};
  for (int i = 0; i < n->classes; i++) {
    const char quote = strchr(n->labels[i], '\'') ? '"' : '\'';
    wk_text_add(&t, "%s%d: %c", i ? ", " : "{", i, quote);
    for (const char *c = n->labels[i]; *c; c++)
      wk_text_add(&t, *c == '\\' || *c == quote ? "\\%c" : "%c", *c);
    wk_text_add(&t, "%c", quote);
  }
  wk_text_add(&t, "}");
  if (t.failed)
    wk_text_free(&t);
  return t.data;
}

/* What pixels are where that has a name; NULL: it has none. */
static const char *pixel_range(const wk_preprocess *p, bool inside) {
  bool unit = true, both = true;
  for (int c = 0; c < 3; c++) {
    unit &= p->mean[c] == 0 && p->std[c] == 255;
    both &= p->mean[c] == 127.5f && p->std[c] == 127.5f;
  }
  return inside ? "NominalRange_0_255" : unit ? "Normalized_0_1" : both ? "Normalized_1_1" : NULL;
}

static wk_status add_metadata(wk_text *model, const wk_net *n, bool inside, wk_error *err) {
  char *names = python_names(n), *labels = wk_export_labels_text(n),
       *prepare = wk_export_preprocess_text(&n->preprocess, inside);
  wk_status st = WK_OK;
  const char *range = pixel_range(&n->preprocess, inside);
  WK_TRY(add_pair(model, "Image.BitmapPixelFormat", "Rgb8", err));
  WK_TRY(add_pair(model, "Image.ColorSpaceGamma", "SRGB", err));
  if (range)
    WK_TRY(add_pair(model, "Image.NominalPixelRange", range, err));
  WK_TRY(add_pair(model, "names", names, err));
  WK_TRY(add_pair(model, "labels", labels, err));
  WK_TRY(add_pair(model, "preprocess", prepare, err));
done:
  wk_free(names);
  wk_free(labels);
  wk_free(prepare);
  return st;
}

/* The bytes of the graph's initializers, keys and lengths with them. */
static uint64_t constant_bytes(const constant *c, wk_text *key) {
  key->len = 0;
  wk_pb_put_length(key, GRAPH_INITIALIZER, c->head.len + c->bytes);
  return key->len + c->head.len + c->bytes;
}

static wk_status write_file(onnx *o, const wk_text *model, const char *path, wk_error *err) {
  wk_status st = WK_OK;
  wk_writer *w = NULL;
  wk_text key = {0};
  uint64_t size = o->graph.len;
  for (size_t i = 0; i < o->constants; i++) {
    size += constant_bytes(&o->constant[i], &key);
    o->failed |= o->constant[i].head.failed;
  }
  WK_FAIL_IF(o->failed || o->graph.failed || model->failed || key.failed, err, WK_ERR_MEMORY,
             "out of memory for an export");
  WK_FAIL_IF(size + model->len > INT32_MAX, err, WK_ERR_UNSUPPORTED,
             "%s: the network has %llu MB of weights; ONNX holds at most 2 GB in one file", path,
             (unsigned long long)(size >> 20));
  WK_TRY(wk_writer_open(&w, path, err));
  WK_TRY(wk_writer_write(w, model->data, model->len, err));
  key.len = 0;
  wk_pb_put_length(&key, MODEL_GRAPH, size);
  WK_FAIL_IF(key.failed, err, WK_ERR_MEMORY, "out of memory for an export");
  WK_TRY(wk_writer_write(w, key.data, key.len, err));
  WK_TRY(wk_writer_write(w, o->graph.data, o->graph.len, err));
  for (size_t i = 0; i < o->constants; i++) {
    const constant *c = &o->constant[i];
    constant_bytes(c, &key);
    WK_TRY(wk_writer_write(w, key.data, key.len, err));
    WK_TRY(wk_writer_write(w, c->head.data, c->head.len, err));
    WK_TRY(wk_writer_write(w, c->data, c->bytes, err));
  }
  st = wk_writer_commit(w, err);
  w = NULL;
done:
  wk_writer_abort(w);
  wk_text_free(&key);
  return st;
}

wk_status wk_export_onnx(const wk_export_job *job, wk_error *err) {
  wk_status st = WK_OK;
  wk_net *n = job->net;
  const bool inside = job->o->preprocessing == WK_EXPORT_INSIDE;
  onnx o = {.net = n, .text = (char[]){0}};
  wk_text model = {0}, opset = {0};
  wk_pb_put_number(&model, MODEL_IR_VERSION, IR_VERSION);
  wk_pb_put_text(&model, MODEL_PRODUCER, "whisker");
  wk_pb_put_number(&opset, OPSET_VERSION, OPSET);
  wk_pb_put_message(&model, MODEL_OPSET, &opset);
  WK_TRY(add_metadata(&model, n, inside, err));
  wk_pb_put_text(&o.graph, GRAPH_NAME, n->name);
  add_input(&o, inside);
  for (int i = 1; i < n->layers; i++)
    WK_TRY(add_layer(&o, i, err));
  add_value(&o, GRAPH_OUTPUT, "logits", (const int64_t[]){n->classes}, 1);
  WK_TRY(write_file(&o, &model, job->path, err));
done:
  for (size_t i = 0; i < o.constants; i++)
    wk_text_free(&o.constant[i].head);
  wk_free(o.constant);
  wk_text_free(&o.graph);
  wk_text_free(&model);
  return st;
}

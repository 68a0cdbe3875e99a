/* tflite.c - TensorFlow Lite files to the intermediate network. Numbers that are quantised become floats; what rounding
 * between layers would have changed is lost, which the answers hardly show. Metadata (normalisation, labels.txt in a
 * zip archive behind the network) are read, too. */
#include <math.h>
#include <string.h>

#include "formats/flatbuffer.h"
#include "formats/formats.h"
#include "formats/zip.h"
#include "import/reader.h"

/* Fields of schema.fbs that are read, table by table. */
enum {
  MODEL_CODES = 1,
  MODEL_GRAPHS = 2,
  MODEL_BUFFERS = 4,
  MODEL_METADATA = 6,
  CODE_OLD = 0,
  CODE_CUSTOM = 1,
  CODE_NEW = 3,
  GRAPH_TENSORS = 0,
  GRAPH_INPUTS = 1,
  GRAPH_OUTPUTS = 2,
  GRAPH_OPERATORS = 3,
  TENSOR_SHAPE = 0,
  TENSOR_TYPE = 1,
  TENSOR_BUFFER = 2,
  TENSOR_NAME = 3,
  TENSOR_QUANT = 4,
  TENSOR_SIGNATURE = 7,
  QUANT_SCALE = 2,
  QUANT_ZERO = 3,
  QUANT_AXIS = 6,
  OPERATOR_CODE = 0,
  OPERATOR_INPUTS = 1,
  OPERATOR_OUTPUTS = 2,
  OPERATOR_OPTIONS = 4
};

/* Numbers of BuiltinOperator. */
enum {
  ADD = 0,
  AVERAGE_POOL = 1,
  CONCATENATION = 2,
  CONV = 3,
  DEPTHWISE_CONV = 4,
  DEQUANTIZE = 6,
  FULLY_CONNECTED = 9,
  LRN = 13,
  LOGISTIC = 14,
  MAX_POOL = 17,
  MUL = 18,
  RELU = 19,
  RELU_N1 = 20,
  RELU6 = 21,
  RESHAPE = 22,
  SOFTMAX = 25,
  TANH = 28,
  PAD = 34,
  TRANSPOSE = 39,
  MEAN = 40,
  SUB = 41,
  DIV = 42,
  SQUEEZE = 43,
  STRIDED_SLICE = 45,
  SPLIT = 49,
  LOG_SOFTMAX = 50,
  CAST = 53,
  PRELU = 54,
  ARG_MAX = 56,
  PADV2 = 60,
  EXPAND_DIMS = 70,
  SHAPE = 77,
  REDUCE_MAX = 82,
  PACK = 83,
  LEAKY_RELU = 98,
  ELU = 111,
  QUANTIZE = 114,
  HARD_SWISH = 117,
  GELU = 150
};

typedef struct tflite {
  wk_ir *ir;
  wk_fb fb;
  wk_fb_table graph;
  wk_fb_vector tensors, buffers, codes;
} tflite;

static wk_status broken(wk_error *err) {
  return WK_FAIL(err, WK_ERR_FORMAT, "the TensorFlow Lite file is broken: it points outside of itself; fetch it again");
}

/* ---- tensors ------------------------------------------------------------------------------------ */

static bool dtype_of(wk_dtype *out, int64_t type) {
  static const int8_t known[] = {WK_F32, WK_F16, WK_I32, WK_U8, WK_I64, -1, WK_BOOL, WK_I16, -1, WK_I8, WK_F64};
  if (type < 0 || type >= (int64_t)sizeof known || known[type] < 0)
    return false;
  *out = (wk_dtype)known[type];
  return true;
}

static wk_fb_vector buffer_of(const tflite *t, int64_t index) {
  const wk_fb_table b = index > 0 ? wk_fb_item(&t->buffers, (size_t)index) : (wk_fb_table){0};
  return wk_fb_list(&b, 0, 1);
}

/* A quantised constant as floats. */
static wk_status dequantise(const void **out, tflite *t, const wk_ir_value *v, const wk_fb_table *quant,
                            wk_error *err) {
  const wk_fb_vector scale = wk_fb_list(quant, QUANT_SCALE, 4), zero = wk_fb_list(quant, QUANT_ZERO, 8);
  const int64_t count = wk_ir_count(v), axis = wk_fb_int(quant, QUANT_AXIS, 4, 0);
  int64_t inner = count, channels = (int64_t)scale.count;
  void *memory = NULL;
  if (channels > 1) {
    if (axis < 0 || axis >= v->ndim || v->shape[axis] != channels)
      return WK_FAIL(err, WK_ERR_FORMAT, "tensor '%.100s' has %lld scales that fit none of its sides", v->name,
                     (long long)channels);
    inner = 1;
    for (int i = (int)axis + 1; i < v->ndim; i++)
      inner *= v->shape[i];
  }
  WK_RETURN_IF_ERROR(wk_ir_alloc(&memory, t->ir, (size_t)count, sizeof(float), err));
  const uint8_t *p = v->data;
  for (int64_t i = 0; i < count; i++) {
    const int64_t c = channels > 1 ? i / inner % channels : 0;
    const int64_t q = v->dtype == WK_U8    ? p[i]
                      : v->dtype == WK_I8  ? (int8_t)p[i]
                      : v->dtype == WK_I16 ? (int16_t)wk_le16(p + 2 * i)
                      : v->dtype == WK_I32 ? (int32_t)wk_le32(p + 4 * i)
                                           : (int64_t)wk_le64(p + 8 * i);
    const int64_t z = zero.count == scale.count ? wk_fb_int_at(&zero, (size_t)c, 8) : wk_fb_int_at(&zero, 0, 8);
    ((float *)memory)[i] = (float)((double)(q - z) * (double)wk_fb_float_at(&scale, (size_t)c));
  }
  *out = memory;
  return WK_OK;
}

static wk_status read_tensor(tflite *t, size_t index, wk_error *err) {
  const wk_fb_table tensor = wk_fb_item(&t->tensors, index), quant = wk_fb_child(&tensor, TENSOR_QUANT);
  const wk_fb_vector shape = wk_fb_list(&tensor, TENSOR_SHAPE, 4), name = wk_fb_list(&tensor, TENSOR_NAME, 1),
                     open = wk_fb_list(&tensor, TENSOR_SIGNATURE, 4), scale = wk_fb_list(&quant, QUANT_SCALE, 4),
                     zero = wk_fb_list(&quant, QUANT_ZERO, 8),
                     data = buffer_of(t, wk_fb_int(&tensor, TENSOR_BUFFER, 4, 0));
  wk_ir_value v = {.ndim = (int)shape.count};
  int at = -1;
  if (!tensor.fb)
    return broken(err);
  WK_RETURN_IF_ERROR(wk_ir_text(&v.name, t->ir, (const char *)name.data, name.count, err));
  if (shape.count > WK_MAX_DIMS || !dtype_of(&v.dtype, wk_fb_int(&tensor, TENSOR_TYPE, 1, 0))) {
    v.ndim = -1; /* text and its kin: named if it is needed */
    return wk_ir_add_value(&at, t->ir, &v, err);
  }
  for (size_t i = 0; i < shape.count; i++) {
    const int64_t side = wk_fb_int_at(&shape, i, 4);
    v.shape[i] = open.count == shape.count && wk_fb_int_at(&open, i, 4) < 0 && i ? -1 : side;
  }
  if (scale.count) {
    v.scale = wk_fb_float_at(&scale, 0);
    v.zero = wk_fb_int_at(&zero, 0, 8);
  }
  if (data.count) {
    const int64_t count = wk_ir_count(&v);
    if (count < 0 || (uint64_t)count > SIZE_MAX / 8 || data.count != (size_t)count * wk_dtype_size(v.dtype))
      return WK_FAIL(err, WK_ERR_FORMAT, "tensor '%.100s' should have other than its %zu bytes", v.name, data.count);
    v.data = data.data;
    const bool whole = v.dtype != WK_F32 && v.dtype != WK_F16 && v.dtype != WK_F64 && v.dtype != WK_BOOL;
    if (scale.count && whole && wk_fb_float_at(&scale, 0) != 0) {
      WK_RETURN_IF_ERROR(dequantise(&v.data, t, &v, &quant, err));
      v.dtype = WK_F32;
    }
  }
  return wk_ir_add_value(&at, t->ir, &v, err);
}

/* ---- weights in other orders ---------------------------------------------------------------------- */

/* [o, h, w, i] to [o, i, h, w]; of a depthwise convolution [1, h, w, o] to [o, 1, h, w]. */
static wk_status picture_weight(int *out, tflite *t, int value, bool depthwise, wk_error *err) {
  const wk_ir_value v = t->ir->value[value];
  const float *from = NULL;
  float *to = NULL;
  if (v.ndim != 4 || !v.data)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "weight '%.100s' is computed", v.name);
  WK_RETURN_IF_ERROR(wk_ir_read_floats(&from, t->ir, value, err));
  const int64_t h = v.shape[1], w = v.shape[2], last = v.shape[3], outputs = depthwise ? last : v.shape[0],
                inputs = depthwise ? 1 : last;
  WK_RETURN_IF_ERROR(wk_ir_floats(out, &to, t->ir, v.name, 4, (const int64_t[]){outputs, inputs, h, w}, err));
  for (int64_t o = 0; o < outputs; o++)
    for (int64_t i = 0; i < inputs; i++)
      for (int64_t p = 0; p < h * w; p++)
        to[(o * inputs + i) * h * w + p] = depthwise ? from[p * last + o] : from[(o * h * w + p) * inputs + i];
  return WK_OK;
}

/* ---- operations ---------------------------------------------------------------------------------- */

/* An operator as it is being read. */
typedef struct reading {
  tflite *t;
  wk_fb_table options;
  wk_fb_vector in, out;
  const char *name;
  int64_t code;
} reading;

static int input_of(const reading *r, size_t i) { return i < r->in.count ? (int)wk_fb_int_at(&r->in, i, 4) : -1; }

/* What the least stored number stands for, in steps. */
static int64_t first_step(const wk_ir_value *v) { return (v->dtype == WK_I8 ? -128 : 0) - v->zero; }

/* Numbers of a quantised layer are rounded to what its output can hold. */
static bool is_rounded(const reading *r, const wk_ir_value *to) {
  const int from = input_of(r, 0);
  const wk_ir_value *in = from >= 0 ? &r->t->ir->value[from] : NULL;
  /* From other steps to these; the input's own are how it is prepared. */
  const bool requantises = r->code == QUANTIZE && in && from != r->t->ir->input &&
                           (in->dtype == WK_F32 || in->scale != to->scale || first_step(in) != first_step(to));
  const bool moves = r->code == MAX_POOL || r->code == RESHAPE || r->code == SQUEEZE || r->code == SOFTMAX ||
                     (r->code == QUANTIZE && !requantises) || r->code == DEQUANTIZE || r->code == PAD ||
                     r->code == TRANSPOSE;
  return !moves && (to->dtype == WK_I8 || to->dtype == WK_U8) && to->scale > 1e-30f && to->scale < 1e30f &&
         to->zero >= -128 && to->zero <= 255;
}

/* The value that a rounding which makes `to` is given. */
static wk_status add_rounding(int *before, const reading *r, int to, wk_error *err) {
  wk_ir *ir = r->t->ir;
  wk_ir_op *op = NULL;
  const wk_ir_value v = ir->value[to];
  const int64_t least = v.dtype == WK_I8 ? -128 : 0;
  WK_RETURN_IF_ERROR(wk_ir_add_value(before, ir, &(wk_ir_value){.name = r->name, .ndim = -1}, err));
  WK_RETURN_IF_ERROR(wk_ir_add_op(&op, ir, "QuantizeLinear", r->name, 1, 1, err));
  op->in[0] = *before;
  op->out[0] = to;
  WK_RETURN_IF_ERROR(wk_ir_add_float(ir, op, "step", (double)v.scale, err));
  WK_RETURN_IF_ERROR(wk_ir_add_int(ir, op, "least", least - v.zero, err));
  return wk_ir_add_int(ir, op, "most", least + 255 - v.zero, err);
}

/* Ends an operation: its activation, if any, is one of its own. */
static wk_status finish(const reading *r, wk_ir_op *op, int64_t activation, wk_error *err) {
  static const char *const type[] = {NULL, "Relu", "Clip", "Relu6", "Tanh"};
  wk_ir *ir = r->t->ir;
  int to = (int)wk_fb_int_at(&r->out, 0, 4);
  const int made = (int)(op - ir->op);
  if (is_rounded(r, &ir->value[to])) {
    WK_RETURN_IF_ERROR(add_rounding(&to, r, to, err));
    op = &ir->op[made];
  }
  if (activation <= 0 || activation > 4) {
    op->out[0] = to;
    return WK_OK;
  }
  int before = -1;
  wk_ir_op *act = NULL;
  const int index = (int)(op - ir->op);
  WK_RETURN_IF_ERROR(wk_ir_add_value(&before, ir, &(wk_ir_value){.name = r->name, .ndim = -1}, err));
  ir->op[index].out[0] = before;
  WK_RETURN_IF_ERROR(wk_ir_add_op(&act, ir, type[activation], r->name, 1, 1, err));
  act->in[0] = before;
  act->out[0] = to;
  if (activation == 2) {
    WK_RETURN_IF_ERROR(wk_ir_add_float(ir, act, "min", -1, err));
    WK_RETURN_IF_ERROR(wk_ir_add_float(ir, act, "max", 1, err));
  }
  return WK_OK;
}

static wk_status start(wk_ir_op **op, const reading *r, const char *type, int ins, wk_error *err) {
  WK_RETURN_IF_ERROR(wk_ir_add_op(op, r->t->ir, type, r->name, ins, 1, err));
  for (int i = 0; i < ins; i++)
    (*op)->in[i] = input_of(r, (size_t)i);
  return WK_OK;
}

static wk_status add_pair(const reading *r, wk_ir_op *op, const char *name, int64_t h, int64_t w, wk_error *err) {
  return wk_ir_add_ints(r->t->ir, op, name, (const int64_t[]){h, w}, 2, err);
}

static wk_status add_window(const reading *r, wk_ir_op *op, wk_error *err) {
  WK_RETURN_IF_ERROR(
      wk_ir_add_text(r->t->ir, op, "auto_pad", wk_fb_int(&r->options, 0, 1, 0) ? "VALID" : "SAME_UPPER", err));
  return add_pair(r, op, "strides", wk_fb_int(&r->options, 2, 4, 1), wk_fb_int(&r->options, 1, 4, 1), err);
}

static wk_status read_conv(const reading *r, wk_error *err) {
  const bool depthwise = r->code == DEPTHWISE_CONV;
  const int extra = depthwise ? 1 : 0; /* depth_multiplier lies before the rest */
  wk_ir_op *op = NULL;
  int weight = -1;
  wk_ir *ir = r->t->ir;
  if (input_of(r, 1) < 0)
    return broken(err);
  WK_RETURN_IF_ERROR(picture_weight(&weight, r->t, input_of(r, 1), depthwise, err));
  WK_RETURN_IF_ERROR(start(&op, r, "Conv", 3, err));
  op->in[1] = weight;
  WK_RETURN_IF_ERROR(add_window(r, op, err));
  WK_RETURN_IF_ERROR(add_pair(r, op, "dilations", wk_fb_int(&r->options, 5 + extra, 4, 1),
                              wk_fb_int(&r->options, 4 + extra, 4, 1), err));
  if (depthwise) {
    const int64_t multiplier = wk_fb_int(&r->options, 3, 4, 1), outputs = ir->value[weight].shape[0];
    if (multiplier < 1 || outputs % multiplier)
      return WK_FAIL(err, WK_ERR_FORMAT, "'%.100s' multiplies channels by %lld", r->name, (long long)multiplier);
    WK_RETURN_IF_ERROR(wk_ir_add_int(ir, op, "group", outputs / multiplier, err));
  } else {
    const wk_ir_value *x = input_of(r, 0) >= 0 ? &ir->value[input_of(r, 0)] : NULL;
    const int64_t inputs = ir->value[weight].shape[1];
    if (x && x->ndim == 4 && inputs > 0 && x->shape[3] > inputs && x->shape[3] % inputs == 0)
      WK_RETURN_IF_ERROR(wk_ir_add_int(ir, op, "group", x->shape[3] / inputs, err));
  }
  return finish(r, op, wk_fb_int(&r->options, 3 + extra, 1, 0), err);
}

static wk_status read_pool(const reading *r, wk_error *err) {
  wk_ir_op *op = NULL;
  WK_RETURN_IF_ERROR(start(&op, r, r->code == MAX_POOL ? "MaxPool" : "AveragePool", 1, err));
  WK_RETURN_IF_ERROR(add_window(r, op, err));
  WK_RETURN_IF_ERROR(
      add_pair(r, op, "kernel_shape", wk_fb_int(&r->options, 4, 4, 1), wk_fb_int(&r->options, 3, 4, 1), err));
  return finish(r, op, wk_fb_int(&r->options, 5, 1, 0), err);
}

/* Inputs that are not flat yet are flattened first. */
static wk_status read_linear(const reading *r, wk_error *err) {
  wk_ir *ir = r->t->ir;
  wk_ir_op *op = NULL;
  int x = input_of(r, 0);
  if (x < 0 || input_of(r, 1) < 0)
    return broken(err);
  if (ir->value[x].ndim > 2) {
    WK_RETURN_IF_ERROR(wk_ir_chain(&op, &x, ir, "Flatten", r->name, &x, 1, err));
  }
  const bool bias = input_of(r, 2) >= 0;
  WK_RETURN_IF_ERROR(start(&op, r, "Gemm", bias ? 3 : 2, err));
  op->in[0] = x;
  WK_RETURN_IF_ERROR(wk_ir_add_int(ir, op, "transB", 1, err));
  return finish(r, op, wk_fb_int(&r->options, 0, 1, 0), err);
}

static wk_status read_two(const reading *r, const char *type, wk_error *err) {
  wk_ir_op *op = NULL;
  WK_RETURN_IF_ERROR(start(&op, r, type, 2, err));
  return finish(r, op, wk_fb_int(&r->options, 0, 1, 0), err);
}

static wk_status read_concat(const reading *r, wk_error *err) {
  wk_ir_op *op = NULL;
  WK_RETURN_IF_ERROR(start(&op, r, "Concat", (int)(r->in.count < 4096 ? r->in.count : 4096), err));
  WK_RETURN_IF_ERROR(wk_ir_add_int(r->t->ir, op, "axis", wk_fb_int(&r->options, 0, 4, 0), err));
  return finish(r, op, wk_fb_int(&r->options, 1, 1, 0), err);
}

static wk_status read_reshape(const reading *r, wk_error *err) {
  wk_ir_op *op = NULL;
  const wk_fb_vector shape = wk_fb_list(&r->options, 0, 4);
  const int given = input_of(r, 1), to = (int)wk_fb_int_at(&r->out, 0, 4);
  int64_t side[WK_MAX_DIMS];
  const bool constant = given >= 0 && r->t->ir->value[given].data;
  WK_RETURN_IF_ERROR(start(&op, r, "Reshape", constant ? 2 : 1, err));
  const wk_ir_value *v = &r->t->ir->value[to];
  if (!constant && shape.count && shape.count <= WK_MAX_DIMS) {
    for (size_t i = 0; i < shape.count; i++)
      side[i] = wk_fb_int_at(&shape, i, 4);
    WK_RETURN_IF_ERROR(wk_ir_add_ints(r->t->ir, op, "shape", side, shape.count, err));
  } else if (!constant && v->ndim >= 0) { /* computed from the batch: what comes out is known */
    for (int i = 0; i < v->ndim; i++)
      side[i] = v->shape[i];
    WK_RETURN_IF_ERROR(wk_ir_add_ints(r->t->ir, op, "shape", side, (size_t)v->ndim, err));
  }
  return finish(r, op, 0, err);
}

/* [[before, behind], ...] to [before ..., behind ...]. */
static wk_status read_pad(const reading *r, wk_error *err) {
  wk_ir_op *op = NULL;
  const int64_t *pairs = NULL;
  int64_t pads[2 * WK_MAX_DIMS];
  wk_ir *ir = r->t->ir;
  if (input_of(r, 1) < 0)
    return broken(err);
  WK_RETURN_IF_ERROR(wk_ir_read_ints(&pairs, ir, input_of(r, 1), err));
  const int64_t sides = wk_ir_count(&ir->value[input_of(r, 1)]) / 2;
  if (sides > WK_MAX_DIMS)
    return broken(err);
  for (int64_t i = 0; i < sides; i++)
    pads[i] = pairs[2 * i], pads[sides + i] = pairs[2 * i + 1];
  WK_RETURN_IF_ERROR(start(&op, r, "Pad", r->code == PADV2 ? 3 : 1, err));
  if (r->code == PADV2)
    op->in[1] = -1;
  WK_RETURN_IF_ERROR(wk_ir_add_ints(ir, op, "pads", pads, 2 * (size_t)sides, err));
  return finish(r, op, 0, err);
}

static wk_status read_mean(const reading *r, wk_error *err) {
  wk_ir_op *op = NULL;
  WK_RETURN_IF_ERROR(start(&op, r, r->code == MEAN ? "ReduceMean" : "ReduceMax", 2, err));
  WK_RETURN_IF_ERROR(wk_ir_add_int(r->t->ir, op, "keepdims", wk_fb_int(&r->options, 0, 1, 0), err));
  return finish(r, op, 0, err);
}

static wk_status read_lrn(const reading *r, wk_error *err) {
  wk_ir_op *op = NULL;
  wk_ir *ir = r->t->ir;
  const int64_t size = 2 * wk_fb_int(&r->options, 0, 4, 0) + 1;
  WK_RETURN_IF_ERROR(start(&op, r, "LRN", 1, err));
  WK_RETURN_IF_ERROR(wk_ir_add_int(ir, op, "size", size, err));
  WK_RETURN_IF_ERROR(wk_ir_add_float(ir, op, "bias", (double)wk_fb_float(&r->options, 1, 0), err));
  WK_RETURN_IF_ERROR(wk_ir_add_float(ir, op, "alpha", (double)wk_fb_float(&r->options, 2, 0) * (double)size, err));
  WK_RETURN_IF_ERROR(wk_ir_add_float(ir, op, "beta", (double)wk_fb_float(&r->options, 3, 0), err));
  return finish(r, op, 0, err);
}

static wk_status read_split(const reading *r, wk_error *err) {
  wk_ir_op *op = NULL;
  const int64_t *axis = NULL;
  wk_ir *ir = r->t->ir;
  if (input_of(r, 0) < 0 || r->out.count > 4096)
    return broken(err);
  WK_RETURN_IF_ERROR(wk_ir_read_ints(&axis, ir, input_of(r, 0), err));
  WK_RETURN_IF_ERROR(wk_ir_add_op(&op, ir, "Split", r->name, 1, (int)r->out.count, err));
  op->in[0] = input_of(r, 1);
  for (size_t i = 0; i < r->out.count; i++)
    op->out[i] = (int)wk_fb_int_at(&r->out, i, 4);
  return wk_ir_add_int(ir, op, "axis", wk_ir_count(&ir->value[input_of(r, 0)]) > 0 ? *axis : 3, err);
}

/* Begin, end and strides of every side; masks leave a begin or an end open. */
static wk_status read_strided(const reading *r, wk_error *err) {
  wk_ir_op *op = NULL;
  wk_ir *ir = r->t->ir;
  const int64_t *part[3];
  int64_t n = -1, value[3][WK_MAX_DIMS];
  static const char *const name[] = {"starts", "ends", "steps"};
  if (wk_fb_int(&r->options, 2, 4, 0) || wk_fb_int(&r->options, 3, 4, 0) || wk_fb_int(&r->options, 4, 4, 0)) {
    WK_RETURN_IF_ERROR(start(&op, r, "STRIDED_SLICE", 1, err)); /* named when it is needed */
    return finish(r, op, 0, err);
  }
  for (size_t k = 0; k < 3; k++) {
    if (input_of(r, k + 1) < 0)
      return broken(err);
    WK_RETURN_IF_ERROR(wk_ir_read_ints(&part[k], ir, input_of(r, k + 1), err));
    const int64_t count = wk_ir_count(&ir->value[input_of(r, k + 1)]);
    if (count > WK_MAX_DIMS || (n >= 0 && count != n))
      return broken(err);
    n = count;
    memcpy(value[k], part[k], (size_t)n * sizeof **part);
  }
  for (int64_t i = 0; i < n; i++) {
    if (wk_fb_int(&r->options, 0, 4, 0) >> i & 1)
      value[0][i] = 0;
    if (wk_fb_int(&r->options, 1, 4, 0) >> i & 1)
      value[1][i] = INT32_MAX;
  }
  WK_RETURN_IF_ERROR(start(&op, r, "Slice", 1, err));
  for (size_t k = 0; k < 3; k++)
    WK_RETURN_IF_ERROR(wk_ir_add_ints(ir, op, name[k], value[k], (size_t)n, err));
  return finish(r, op, 0, err);
}

static wk_status read_simple(bool *known, const reading *r, wk_error *err) {
  static const struct {
    int code, ins;
    const char *type;
  } simple[] = {{DEQUANTIZE, 1, "Identity"},
                {QUANTIZE, 1, "Identity"},
                {LOGISTIC, 1, "Sigmoid"},
                {RELU, 1, "Relu"},
                {RELU6, 1, "Relu6"},
                {SOFTMAX, 1, "Softmax"},
                {TANH, 1, "Tanh"},
                {CAST, 1, "Identity"},
                {LOG_SOFTMAX, 1, "LogSoftmax"},
                {PRELU, 2, "PRelu"},
                {ARG_MAX, 1, "ArgMax"},
                {SHAPE, 1, "Shape"},
                {ELU, 1, "Elu"},
                {HARD_SWISH, 1, "HardSwish"},
                {GELU, 1, "Gelu"},
                {EXPAND_DIMS, 2, "Unsqueeze"}};
  wk_ir_op *op = NULL;
  for (size_t i = 0; i < sizeof simple / sizeof *simple; i++)
    if (simple[i].code == r->code) {
      *known = true;
      WK_RETURN_IF_ERROR(start(&op, r, simple[i].type, simple[i].ins, err));
      return finish(r, op, 0, err);
    }
  return WK_OK;
}

/* Axes that lie in the second input, or in the options. */
static wk_status read_moved(const reading *r, wk_error *err) {
  wk_ir_op *op = NULL;
  wk_ir *ir = r->t->ir;
  const int64_t *perm = NULL;
  if (r->code == TRANSPOSE) {
    if (input_of(r, 1) < 0)
      return broken(err);
    WK_RETURN_IF_ERROR(wk_ir_read_ints(&perm, ir, input_of(r, 1), err));
    WK_RETURN_IF_ERROR(start(&op, r, "Transpose", 1, err));
    WK_RETURN_IF_ERROR(wk_ir_add_ints(ir, op, "perm", perm, (size_t)wk_ir_count(&ir->value[input_of(r, 1)]), err));
    return finish(r, op, 0, err);
  }
  const wk_fb_vector axes = wk_fb_list(&r->options, 0, 4);
  int64_t axis[WK_MAX_DIMS];
  WK_RETURN_IF_ERROR(start(&op, r, "Squeeze", 1, err));
  for (size_t i = 0; i < axes.count && i < WK_MAX_DIMS; i++)
    axis[i] = wk_fb_int_at(&axes, i, 4);
  if (axes.count)
    WK_RETURN_IF_ERROR(wk_ir_add_ints(ir, op, "axes", axis, axes.count < WK_MAX_DIMS ? axes.count : WK_MAX_DIMS, err));
  return finish(r, op, 0, err);
}

static wk_status read_unknown(const reading *r, const wk_fb_table *code, wk_error *err) {
  wk_ir_op *op = NULL;
  const wk_fb_vector custom = wk_fb_list(code, CODE_CUSTOM, 1);
  char text[80];
  const char *type = NULL;
  snprintf(text, sizeof text, "operator %lld of TensorFlow Lite", (long long)r->code);
  WK_RETURN_IF_ERROR(custom.count ? wk_ir_text(&type, r->t->ir, (const char *)custom.data, custom.count, err)
                                  : wk_ir_text(&type, r->t->ir, text, strlen(text), err));
  WK_RETURN_IF_ERROR(wk_ir_add_op(&op, r->t->ir, type, r->name, r->in.count ? 1 : 0, (int)(r->out.count & 0xfff), err));
  if (op->ins)
    op->in[0] = input_of(r, 0);
  for (int i = 0; i < op->outs; i++)
    op->out[i] = (int)wk_fb_int_at(&r->out, (size_t)i, 4);
  return WK_OK;
}

static wk_status read_by_code(const reading *r, const wk_fb_table *code, wk_error *err) {
  bool known = false;
  wk_ir_op *op = NULL;
  WK_RETURN_IF_ERROR(read_simple(&known, r, err));
  if (known)
    return WK_OK;
  switch (r->code) {
  case CONV:
  case DEPTHWISE_CONV:
    return read_conv(r, err);
  case AVERAGE_POOL:
  case MAX_POOL:
    return read_pool(r, err);
  case FULLY_CONNECTED:
    return read_linear(r, err);
  case ADD:
    return read_two(r, "Add", err);
  case MUL:
    return read_two(r, "Mul", err);
  case SUB:
    return read_two(r, "Sub", err);
  case DIV:
    return read_two(r, "Div", err);
  case CONCATENATION:
    return read_concat(r, err);
  case RESHAPE:
    return read_reshape(r, err);
  case PAD:
  case PADV2:
    return read_pad(r, err);
  case MEAN:
  case REDUCE_MAX:
    return read_mean(r, err);
  case LRN:
    return read_lrn(r, err);
  case SPLIT:
    return read_split(r, err);
  case STRIDED_SLICE:
    return read_strided(r, err);
  case TRANSPOSE:
  case SQUEEZE:
    return read_moved(r, err);
  case RELU_N1:
    WK_RETURN_IF_ERROR(start(&op, r, "Clip", 1, err));
    WK_RETURN_IF_ERROR(wk_ir_add_float(r->t->ir, op, "min", -1, err));
    WK_RETURN_IF_ERROR(wk_ir_add_float(r->t->ir, op, "max", 1, err));
    return finish(r, op, 0, err);
  case LEAKY_RELU:
    WK_RETURN_IF_ERROR(start(&op, r, "LeakyRelu", 1, err));
    WK_RETURN_IF_ERROR(wk_ir_add_float(r->t->ir, op, "alpha", (double)wk_fb_float(&r->options, 0, 0), err));
    return finish(r, op, 0, err);
  default:
    return read_unknown(r, code, err);
  }
}

static wk_status read_operator(tflite *t, const wk_fb_table *operator, wk_error * err) {
  reading r = {.t = t,
               .options = wk_fb_child(operator, OPERATOR_OPTIONS),
               .in = wk_fb_list(operator, OPERATOR_INPUTS, 4),
               .out = wk_fb_list(operator, OPERATOR_OUTPUTS, 4)};
  const wk_fb_table code = wk_fb_item(&t->codes, (size_t)(uint32_t)wk_fb_int(operator, OPERATOR_CODE, 4, 0));
  const int64_t old = wk_fb_int(&code, CODE_OLD, 1, 0), now = wk_fb_int(&code, CODE_NEW, 4, 0);
  if (!code.fb || !r.out.count)
    return broken(err);
  r.code = now > old ? now : old;
  for (size_t i = 0; i < r.in.count; i++)
    if (wk_fb_int_at(&r.in, i, 4) >= (int64_t)t->tensors.count)
      return broken(err);
  for (size_t i = 0; i < r.out.count; i++) {
    const int64_t v = wk_fb_int_at(&r.out, i, 4);
    if (v < 0 || v >= (int64_t)t->tensors.count || t->ir->value[v].data)
      return broken(err);
  }
  r.name = t->ir->value[wk_fb_int_at(&r.out, 0, 4)].name;
  return read_by_code(&r, &code, err);
}

/* ---- metadata ------------------------------------------------------------------------------------- */

/* ModelMetadata: subgraph_metadata 3; of it input_tensor_metadata 2; of it process_units 4; of it options_type 0 (1:
 * normalisation), options 1: mean 0, std 1. */
static void read_normalisation(tflite *t, const wk_fb_vector *bytes) {
  wk_fb fb = {.bytes = bytes->data, .size = bytes->count};
  const wk_fb_table root = wk_fb_root(&fb);
  const wk_fb_vector graphs = wk_fb_list(&root, 3, 4);
  const wk_fb_table graph = wk_fb_item(&graphs, 0);
  const wk_fb_vector inputs = wk_fb_list(&graph, 2, 4);
  const wk_fb_table input = wk_fb_item(&inputs, 0);
  const wk_fb_vector units = wk_fb_list(&input, 4, 4);
  for (size_t i = 0; i < units.count; i++) {
    const wk_fb_table unit = wk_fb_item(&units, i), options = wk_fb_child(&unit, 1);
    const wk_fb_vector mean = wk_fb_list(&options, 0, 4), std = wk_fb_list(&options, 1, 4);
    if (wk_fb_int(&unit, 0, 1, 0) != 1 || !mean.count || !std.count)
      continue;
    bool fine = true;
    for (size_t c = 0; c < 3; c++) {
      t->ir->mean[c] = wk_fb_float_at(&mean, c < mean.count ? c : 0);
      t->ir->std[c] = wk_fb_float_at(&std, c < std.count ? c : 0);
      fine &= t->ir->std[c] > 1e-6f && t->ir->std[c] < 1e6f && fabsf(t->ir->mean[c]) < 1e6f;
    }
    t->ir->said = fine;
    t->ir->said_where = "as its metadata say";
  }
}

/* A quantised input takes bytes as they are: what they stand for is its scale and zero. */
static void read_input_type(tflite *t) {
  wk_ir *ir = t->ir;
  const wk_ir_value *in = &ir->value[ir->input];
  if ((in->dtype != WK_U8 && in->dtype != WK_I8) || !(in->scale > 1e-12f && in->scale < 1e12f) || in->zero < -1000 ||
      in->zero > 1000)
    return;
  for (int c = 0; c < 3; c++) {
    ir->mean[c] = (float)(in->zero + (in->dtype == WK_I8 ? 128 : 0));
    ir->std[c] = 1 / in->scale;
  }
  ir->said = true;
  ir->said_where = "as its input is quantised";
}

/* A text of the archive, labels or what whisker's own exports say of their preprocessing. */
static wk_status read_packed(tflite *t, const wk_zip *z, const wk_zip_entry *e, bool labels, wk_error *err) {
  enum { MOST = 4 << 20 };
  if (e->size > MOST)
    return WK_OK;
  char *text = wk_alloc((size_t)e->size + 1);
  if (!text)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for labels");
  wk_status st = wk_zip_unpack((uint8_t *)text, z, e, NULL);
  text[e->size] = 0;
  if (st == WK_OK)
    st = labels ? wk_labels_guess(t->ir, text, err) : wk_ir_text(&t->ir->prepared, t->ir, text, (size_t)e->size, err);
  else
    st = WK_OK; /* it is as if it were not there */
  wk_free(text);
  return st;
}

static bool ends_with(const wk_zip_entry *e, const char *end) {
  const size_t n = strlen(end);
  return e->name_size >= n && memcmp(e->name + e->name_size - n, end, n) == 0;
}

/* The archive behind the network: its first text that lists classes. */
static wk_status read_labels(tflite *t, wk_error *err) {
  wk_zip z = {0};
  wk_status st = WK_OK;
  if (wk_zip_open(&z, t->fb.bytes, t->fb.size, NULL) != WK_OK)
    return WK_OK;
  for (size_t i = 0; i < z.entries && st == WK_OK; i++) {
    const wk_zip_entry *e = &z.entry[i];
    if (!t->ir->labels && ends_with(e, ".txt"))
      st = read_packed(t, &z, e, true, err);
    else if (!t->ir->prepared && ends_with(e, "preprocess.json"))
      st = read_packed(t, &z, e, false, err);
  }
  wk_zip_close(&z);
  return st;
}

static wk_status read_metadata(tflite *t, const wk_fb_table *model, wk_error *err) {
  const wk_fb_vector list = wk_fb_list(model, MODEL_METADATA, 4);
  for (size_t i = 0; i < list.count && i < 64; i++) {
    const wk_fb_table m = wk_fb_item(&list, i);
    const wk_fb_vector name = wk_fb_list(&m, 0, 1);
    if (name.count == 15 && memcmp(name.data, "TFLITE_METADATA", 15) == 0) {
      const wk_fb_vector bytes = buffer_of(t, wk_fb_int(&m, 1, 4, 0));
      read_normalisation(t, &bytes);
    }
  }
  read_input_type(t);
  return read_labels(t, err);
}

/* ---- the model ----------------------------------------------------------------------------------- */

bool wk_tflite_is(const uint8_t *bytes, size_t size) { return size >= 8 && memcmp(bytes + 4, "TFL3", 4) == 0; }

wk_status wk_tflite_read(wk_ir *ir, const uint8_t *bytes, size_t size, const char *path, wk_error *err) {
  (void)path;
  tflite t = {.ir = ir, .fb = {.bytes = bytes, .size = size}};
  const wk_fb_table model = wk_fb_root(&t.fb);
  const wk_fb_vector graphs = wk_fb_list(&model, MODEL_GRAPHS, 4);
  ir->format = "TensorFlow Lite";
  ir->channels_last = true;
  t.graph = wk_fb_item(&graphs, 0);
  t.buffers = wk_fb_list(&model, MODEL_BUFFERS, 4);
  t.codes = wk_fb_list(&model, MODEL_CODES, 4);
  t.tensors = wk_fb_list(&t.graph, GRAPH_TENSORS, 4);
  const wk_fb_vector inputs = wk_fb_list(&t.graph, GRAPH_INPUTS, 4), outputs = wk_fb_list(&t.graph, GRAPH_OUTPUTS, 4),
                     operators = wk_fb_list(&t.graph, GRAPH_OPERATORS, 4);
  if (!t.graph.fb || !inputs.count || !outputs.count)
    return broken(err);
  if (inputs.count > 1)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "takes %zu inputs: whisker reads networks that see one photo",
                   inputs.count);
  for (size_t i = 0; i < t.tensors.count; i++)
    WK_RETURN_IF_ERROR(read_tensor(&t, i, err));
  const int64_t in = wk_fb_int_at(&inputs, 0, 4), out = wk_fb_int_at(&outputs, 0, 4);
  if (in < 0 || out < 0 || in >= (int64_t)t.tensors.count || out >= (int64_t)t.tensors.count)
    return broken(err);
  ir->input = (int)in;
  ir->output = (int)out;
  for (size_t i = 0; i < operators.count; i++) {
    const wk_fb_table o = wk_fb_item(&operators, i);
    WK_RETURN_IF_ERROR(o.fb ? read_operator(&t, &o, err) : broken(err));
  }
  return read_metadata(&t, &model, err);
}

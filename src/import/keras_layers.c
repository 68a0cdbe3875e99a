/* keras_layers.c - Keras' layers in the words of the intermediate network, their weights in its layouts. */
#include <math.h>
#include <string.h>

#include "import/keras_walk.h"

/* A layer as it is being read. */
typedef struct layer {
  wk_keras *k;
  const char *class, *name, *trail;
  const json_t *config, *node;
  const int *in;
  int ins;
} layer;

static bool is(const layer *l, const char *class) { return strcmp(l->class, class) == 0; }

static double real(const layer *l, const char *key, double otherwise) {
  const json_t *v = json_object_get(l->config, key);
  return json_is_number(v) ? json_number_value(v) : otherwise;
}

static bool yes(const layer *l, const char *key, bool otherwise) {
  const json_t *v = json_object_get(l->config, key);
  return json_is_boolean(v) ? json_is_true(v) : otherwise;
}

/* An integer or a list of two. */
static void pair(int64_t out[2], const layer *l, const char *key, int64_t otherwise) {
  const json_t *v = json_object_get(l->config, key);
  out[0] = out[1] = otherwise;
  if (json_is_integer(v))
    out[0] = out[1] = (int64_t)json_integer_value(v);
  for (size_t i = 0; i < 2 && json_array_size(v) >= 2; i++)
    out[i] = (int64_t)json_integer_value(json_array_get(v, i));
}

static bool first(const layer *l) { return strcmp(wk_keras_text(l->config, "data_format", ""), "channels_first") == 0; }

static wk_status chain(wk_ir_op **op, int *out, const layer *l, const char *type, const int *in, int ins,
                       wk_error *err) {
  const char *name = NULL;
  WK_RETURN_IF_ERROR(wk_ir_text(&name, l->k->ir, l->name, strlen(l->name), err));
  return wk_ir_chain(op, out, l->k->ir, type, name, in, ins, err);
}

/* ---- weights --------------------------------------------------------------------------------------- */

static wk_status find(int *out, const layer *l, const char *name, int index, bool needed, wk_error *err) {
  const wk_keras_variable v = {
      .outer = l->k->outer, .outers = l->k->outers, .layer = l->name, .trail = l->trail, .name = name, .index = index};
  WK_RETURN_IF_ERROR(l->k->weights->find(out, l->k->weights->user, l->k->ir, &v, err));
  if (*out < 0 && needed)
    return WK_FAIL(err, WK_ERR_FORMAT, "layer '%.100s' (%.40s) has no weight '%s' in the file", l->name, l->class,
                   name);
  return WK_OK;
}

/* [h, w, in, out] to [out, in, h, w]; depthwise [h, w, c, m] to [c m, 1, h, w]. */
static wk_status picture_weight(int *out, const layer *l, int value, bool depthwise, wk_error *err) {
  wk_ir *ir = l->k->ir;
  const wk_ir_value v = ir->value[value];
  const float *from = NULL;
  float *to = NULL;
  if (v.ndim != 4)
    return WK_FAIL(err, WK_ERR_FORMAT, "layer '%.100s' has a kernel of %d sides", l->name, v.ndim);
  WK_RETURN_IF_ERROR(wk_ir_read_floats(&from, ir, value, err));
  const int64_t pixels = v.shape[0] * v.shape[1], a = v.shape[2], b = v.shape[3];
  const int64_t shape[4] = {depthwise ? a * b : b, depthwise ? 1 : a, v.shape[0], v.shape[1]};
  WK_RETURN_IF_ERROR(wk_ir_floats(out, &to, ir, "", 4, shape, err));
  for (int64_t p = 0; p < pixels; p++)
    for (int64_t i = 0; i < a; i++)
      for (int64_t o = 0; o < b; o++)
        to[depthwise ? (i * b + o) * pixels + p : (o * a + i) * pixels + p] = from[(p * a + i) * b + o];
  return WK_OK;
}

/* ---- activations ------------------------------------------------------------------------------------ */

static wk_status add_clip(int *x, const layer *l, double least, double most, wk_error *err) {
  wk_ir_op *op = NULL;
  WK_RETURN_IF_ERROR(chain(&op, x, l, "Clip", x, 1, err));
  const int index = (int)(op - l->k->ir->op);
  WK_RETURN_IF_ERROR(wk_ir_add_float(l->k->ir, &l->k->ir->op[index], "min", least, err));
  return isfinite(most) ? wk_ir_add_float(l->k->ir, &l->k->ir->op[index], "max", most, err) : WK_OK;
}

static wk_status add_leaky(int *x, const layer *l, const char *type, double alpha, wk_error *err) {
  wk_ir_op *op = NULL;
  WK_RETURN_IF_ERROR(chain(&op, x, l, type, x, 1, err));
  return wk_ir_add_float(l->k->ir, op, "alpha", alpha, err);
}

static wk_status activate(int *x, const layer *l, const json_t *what, wk_error *err) {
  static const struct {
    const char *keras, *type;
  } known[] = {{"relu", "Relu"},          {"relu6", "Relu6"},
               {"softmax", "Softmax"},    {"sigmoid", "Sigmoid"},
               {"tanh", "Tanh"},          {"elu", "Elu"},
               {"swish", "Swish"},        {"silu", "Swish"},
               {"gelu", "Gelu"},          {"hard_swish", "HardSwish"},
               {"hard_silu", "HardSwish"}};
  const char *name = json_string_value(what);
  if (json_is_object(what)) { /* a layer, or a function with its name */
    name = wk_keras_text(what, "class_name", "");
    if (strcmp(name, "function") == 0)
      name = wk_keras_text(what, "config", "");
  }
  if (!what || json_is_null(what) || !name || strcmp(name, "linear") == 0)
    return WK_OK;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strcasecmp(name, known[i].keras) == 0)
      return chain(NULL, x, l, known[i].type, x, 1, err);
  if (strcmp(name, "hard_sigmoid") == 0) {
    wk_ir_op *op = NULL;
    WK_RETURN_IF_ERROR(chain(&op, x, l, "HardSigmoid", x, 1, err));
    return wk_ir_add_float(l->k->ir, op, "alpha", l->k->modern ? 1.0 / 6 : 0.2, err);
  }
  if (strcmp(name, "leaky_relu") == 0)
    return add_leaky(x, l, "LeakyRelu", 0.2, err);
  const char *type = NULL;
  WK_RETURN_IF_ERROR(wk_ir_text(&type, l->k->ir, name, strlen(name), err));
  return chain(NULL, x, l, type, x, 1, err); /* named when it is needed */
}

static wk_status end_with_activation(int *x, const layer *l, wk_error *err) {
  return activate(x, l, json_object_get(l->config, "activation"), err);
}

/* ---- convolutions and linear layers ------------------------------------------------------------------ */

static wk_status add_window(const layer *l, int index, const char *kernel, wk_error *err) {
  wk_ir *ir = l->k->ir;
  int64_t stride[2], dilation[2], size[2];
  pair(stride, l, "strides", kernel ? 0 : 1);
  pair(dilation, l, "dilation_rate", 1);
  if (kernel) {
    pair(size, l, kernel, 2);
    if (stride[0] == 0)
      memcpy(stride, size, sizeof stride);
    WK_RETURN_IF_ERROR(wk_ir_add_ints(ir, &ir->op[index], "kernel_shape", size, 2, err));
  }
  WK_RETURN_IF_ERROR(wk_ir_add_ints(ir, &ir->op[index], "strides", stride, 2, err));
  WK_RETURN_IF_ERROR(wk_ir_add_ints(ir, &ir->op[index], "dilations", dilation, 2, err));
  const bool same = strcmp(wk_keras_text(l->config, "padding", "valid"), "same") == 0;
  return wk_ir_add_text(ir, &ir->op[index], "auto_pad", same ? "SAME_UPPER" : "VALID", err);
}

/* One convolution; bias -1: none. `own_window`: strides and padding are this one's. */
static wk_status add_conv(int *x, const layer *l, int weight, int bias, int64_t groups, bool own_window,
                          wk_error *err) {
  wk_ir_op *op = NULL;
  const int in[3] = {*x, weight, bias};
  WK_RETURN_IF_ERROR(chain(&op, x, l, "Conv", in, bias < 0 ? 2 : 3, err));
  const int index = (int)(op - l->k->ir->op);
  if (own_window)
    WK_RETURN_IF_ERROR(add_window(l, index, NULL, err));
  return wk_ir_add_int(l->k->ir, &l->k->ir->op[index], "group", groups, err);
}

static wk_status read_conv(int *x, const layer *l, wk_error *err) {
  int kernel = -1, weight = -1, bias = -1;
  WK_RETURN_IF_ERROR(find(&kernel, l, "kernel", 0, true, err));
  WK_RETURN_IF_ERROR(picture_weight(&weight, l, kernel, false, err));
  if (yes(l, "use_bias", true))
    WK_RETURN_IF_ERROR(find(&bias, l, "bias", 1, true, err));
  WK_RETURN_IF_ERROR(add_conv(x, l, weight, bias, (int64_t)real(l, "groups", 1), true, err));
  return end_with_activation(x, l, err);
}

static wk_status read_depthwise(int *x, const layer *l, wk_error *err) {
  int kernel = -1, weight = -1, bias = -1;
  WK_RETURN_IF_ERROR(find(&kernel, l, "depthwise_kernel", 0, false, err));
  if (kernel < 0) /* Keras 3.? names it so */
    WK_RETURN_IF_ERROR(find(&kernel, l, "kernel", 0, true, err));
  WK_RETURN_IF_ERROR(picture_weight(&weight, l, kernel, true, err));
  if (yes(l, "use_bias", true))
    WK_RETURN_IF_ERROR(find(&bias, l, "bias", 1, true, err));
  WK_RETURN_IF_ERROR(add_conv(x, l, weight, bias, l->k->ir->value[kernel].shape[2], true, err));
  return end_with_activation(x, l, err);
}

static wk_status read_separable(int *x, const layer *l, wk_error *err) {
  int depth = -1, point = -1, weight = -1, bias = -1;
  WK_RETURN_IF_ERROR(find(&depth, l, "depthwise_kernel", 0, true, err));
  WK_RETURN_IF_ERROR(find(&point, l, "pointwise_kernel", 1, true, err));
  if (yes(l, "use_bias", true))
    WK_RETURN_IF_ERROR(find(&bias, l, "bias", 2, true, err));
  WK_RETURN_IF_ERROR(picture_weight(&weight, l, depth, true, err));
  WK_RETURN_IF_ERROR(add_conv(x, l, weight, -1, l->k->ir->value[depth].shape[2], true, err));
  WK_RETURN_IF_ERROR(picture_weight(&weight, l, point, false, err));
  WK_RETURN_IF_ERROR(add_conv(x, l, weight, bias, 1, false, err));
  return end_with_activation(x, l, err);
}

static wk_status read_dense(int *x, const layer *l, wk_error *err) {
  int kernel = -1, bias = -1;
  WK_RETURN_IF_ERROR(find(&kernel, l, "kernel", 0, true, err));
  if (yes(l, "use_bias", true))
    WK_RETURN_IF_ERROR(find(&bias, l, "bias", 1, true, err));
  WK_RETURN_IF_ERROR(chain(NULL, x, l, "MatMul", (const int[]){*x, kernel}, 2, err));
  if (bias >= 0)
    WK_RETURN_IF_ERROR(chain(NULL, x, l, "Add", (const int[]){*x, bias}, 2, err));
  return end_with_activation(x, l, err);
}

/* ---- normalisation ------------------------------------------------------------------------------------ */

static wk_status filled(int *out, const layer *l, int like, float value, wk_error *err) {
  float *data = NULL;
  const wk_ir_value v = l->k->ir->value[like];
  WK_RETURN_IF_ERROR(wk_ir_floats(out, &data, l->k->ir, "", v.ndim, v.shape, err));
  for (int64_t i = 0; i < wk_ir_count(&v); i++)
    data[i] = value;
  return WK_OK;
}

static wk_status read_batch_norm(int *x, const layer *l, wk_error *err) {
  int in[5] = {*x, -1, -1, -1, -1}, index = 0;
  wk_ir_op *op = NULL;
  if (yes(l, "scale", true))
    WK_RETURN_IF_ERROR(find(&in[1], l, "gamma", index++, true, err));
  if (yes(l, "center", true))
    WK_RETURN_IF_ERROR(find(&in[2], l, "beta", index++, true, err));
  WK_RETURN_IF_ERROR(find(&in[3], l, "moving_mean", index++, true, err));
  WK_RETURN_IF_ERROR(find(&in[4], l, "moving_variance", index, true, err));
  if (in[1] < 0)
    WK_RETURN_IF_ERROR(filled(&in[1], l, in[3], 1, err));
  if (in[2] < 0)
    WK_RETURN_IF_ERROR(filled(&in[2], l, in[3], 0, err));
  WK_RETURN_IF_ERROR(chain(&op, x, l, "BatchNormalization", in, 5, err));
  return wk_ir_add_float(l->k->ir, op, "epsilon", real(l, "epsilon", 1e-3), err);
}

/* A constant of one number, or of a list of them along the last side. */
static wk_status numbers(int *out, const layer *l, const json_t *value, double otherwise, wk_error *err) {
  float *data = NULL;
  const json_t *list = value;
  while (json_is_array(list) && json_is_array(json_array_get(list, 0))) /* [[[[a, b, c]]]] */
    list = json_array_get(list, 0);
  const int64_t n = (int64_t)json_array_size(list);
  WK_RETURN_IF_ERROR(wk_ir_floats(out, &data, l->k->ir, "", n ? 1 : 0, &n, err));
  for (int64_t i = 0; i < n; i++)
    data[i] = (float)json_number_value(json_array_get(list, (size_t)i));
  if (!n)
    *data = (float)(json_is_number(value) ? json_number_value(value) : otherwise);
  return WK_OK;
}

static wk_status read_rescaling(int *x, const layer *l, wk_error *err) {
  int scale = -1, offset = -1;
  WK_RETURN_IF_ERROR(numbers(&scale, l, json_object_get(l->config, "scale"), 1, err));
  WK_RETURN_IF_ERROR(numbers(&offset, l, json_object_get(l->config, "offset"), 0, err));
  WK_RETURN_IF_ERROR(chain(NULL, x, l, "Mul", (const int[]){*x, scale}, 2, err));
  return chain(NULL, x, l, "Add", (const int[]){*x, offset}, 2, err);
}

/* (x - mean) / sqrt(variance), from its weights or its description. */
static wk_status read_normalization(int *x, const layer *l, wk_error *err) {
  int mean = -1, variance = -1, std = -1;
  const float *values = NULL;
  float *data = NULL;
  wk_ir *ir = l->k->ir;
  WK_RETURN_IF_ERROR(find(&mean, l, "mean", 0, false, err));
  WK_RETURN_IF_ERROR(find(&variance, l, "variance", 1, false, err));
  if (mean < 0 || variance < 0) {
    WK_RETURN_IF_ERROR(numbers(&mean, l, json_object_get(l->config, "mean"), 0, err));
    WK_RETURN_IF_ERROR(numbers(&variance, l, json_object_get(l->config, "variance"), 1, err));
  }
  WK_RETURN_IF_ERROR(wk_ir_read_floats(&values, ir, variance, err));
  const wk_ir_value v = ir->value[variance];
  WK_RETURN_IF_ERROR(wk_ir_floats(&std, &data, ir, "", v.ndim, v.shape, err));
  for (int64_t i = 0; i < wk_ir_count(&v); i++)
    data[i] = fmaxf(sqrtf(values[i]), 1e-7f);
  WK_RETURN_IF_ERROR(chain(NULL, x, l, "Sub", (const int[]){*x, mean}, 2, err));
  return chain(NULL, x, l, "Div", (const int[]){*x, std}, 2, err);
}

/* ---- pooling, padding, shapes ------------------------------------------------------------------------- */

static wk_status read_pool(int *x, const layer *l, bool max, wk_error *err) {
  wk_ir_op *op = NULL;
  WK_RETURN_IF_ERROR(chain(&op, x, l, max ? "MaxPool" : "AveragePool", x, 1, err));
  return add_window(l, (int)(op - l->k->ir->op), "pool_size", err);
}

static wk_status read_global(int *x, const layer *l, bool max, wk_error *err) {
  wk_ir_op *op = NULL;
  const int64_t axes[2] = {first(l) ? 2 : 1, first(l) ? 3 : 2};
  WK_RETURN_IF_ERROR(chain(&op, x, l, max ? "ReduceMax" : "ReduceMean", x, 1, err));
  WK_RETURN_IF_ERROR(wk_ir_add_ints(l->k->ir, op, "axes", axes, 2, err));
  return wk_ir_add_int(l->k->ir, op, "keepdims", yes(l, "keepdims", false), err);
}

/* n, [v, h] or [[top, bottom], [left, right]]. */
static wk_status read_padding(int *x, const layer *l, wk_error *err) {
  const json_t *p = json_object_get(l->config, "padding");
  wk_ir_op *op = NULL;
  int64_t side[2][2];
  for (size_t i = 0; i < 2; i++)
    for (size_t k = 0; k < 2; k++) {
      const json_t *one = json_is_array(p) ? json_array_get(p, i) : p;
      side[i][k] = (int64_t)json_integer_value(json_is_array(one) ? json_array_get(one, k) : one);
    }
  const int h = first(l) ? 2 : 1;
  int64_t pads[8] = {0};
  for (int i = 0; i < 2; i++)
    pads[h + i] = side[i][0], pads[4 + h + i] = side[i][1];
  WK_RETURN_IF_ERROR(chain(&op, x, l, "Pad", x, 1, err));
  return wk_ir_add_ints(l->k->ir, op, "pads", pads, 8, err);
}

static wk_status read_reshape(int *x, const layer *l, wk_error *err) {
  const json_t *target = json_object_get(l->config, "target_shape");
  int64_t side[WK_MAX_DIMS] = {1};
  const size_t n = json_array_size(target);
  wk_ir_op *op = NULL;
  if (n + 1 > WK_MAX_DIMS)
    return WK_FAIL(err, WK_ERR_FORMAT, "layer '%.100s' has a shape of %zu sides", l->name, n);
  for (size_t i = 0; i < n; i++)
    side[i + 1] = (int64_t)json_integer_value(json_array_get(target, i));
  WK_RETURN_IF_ERROR(chain(&op, x, l, "Reshape", x, 1, err));
  return wk_ir_add_ints(l->k->ir, op, "shape", side, n + 1, err);
}

/* dims: sides counted from 1, behind the batch. */
static wk_status read_permute(int *x, const layer *l, wk_error *err) {
  const json_t *dims = json_object_get(l->config, "dims");
  const size_t n = json_array_size(dims);
  int64_t perm[WK_MAX_DIMS] = {0};
  wk_ir_op *op = NULL;
  if (!n || n + 1 > WK_MAX_DIMS)
    return WK_FAIL(err, WK_ERR_FORMAT, "layer '%.100s' turns %zu sides", l->name, n);
  for (size_t i = 0; i < n; i++)
    perm[i + 1] = (int64_t)json_integer_value(json_array_get(dims, i));
  WK_RETURN_IF_ERROR(chain(&op, x, l, "Transpose", x, 1, err));
  return wk_ir_add_ints(l->k->ir, op, "perm", perm, n + 1, err);
}

/* ---- of several --------------------------------------------------------------------------------------- */

static wk_status read_merge(int *x, const layer *l, const char *type, wk_error *err) {
  *x = l->in[0];
  if (strcmp(type, "Concat") == 0) {
    wk_ir_op *op = NULL;
    WK_RETURN_IF_ERROR(chain(&op, x, l, type, l->in, l->ins, err));
    return wk_ir_add_int(l->k->ir, op, "axis", (int64_t)real(l, "axis", -1), err);
  }
  for (int i = 1; i < l->ins; i++)
    WK_RETURN_IF_ERROR(chain(NULL, x, l, type, (const int[]){*x, l->in[i]}, 2, err));
  return WK_OK;
}

/* A function of TensorFlow as a layer (Keras 2): its operand stands in the graph. */
static wk_status read_function(int *x, const layer *l, wk_error *err) {
  static const struct {
    const char *function, *type;
    int ins;
  } known[] = {{"math.multiply", "Mul", 2},
               {"__operators__.add", "Add", 2},
               {"math.add", "Add", 2},
               {"math.subtract", "Sub", 2},
               {"math.truediv", "Div", 2},
               {"__operators__.mul", "Mul", 2},
               {"__operators__.truediv", "Div", 2},
               {"__operators__.sub", "Sub", 2},
               {"nn.relu", "Relu", 1},
               {"nn.relu6", "Relu6", 1},
               {"math.sigmoid", "Sigmoid", 1},
               {"nn.silu", "Swish", 1},
               {"nn.swish", "Swish", 1},
               {"nn.softmax", "Softmax", 1},
               {"identity", "Identity", 1}};
  const char *function = wk_keras_text(l->config, "function", "");
  const json_t *y = json_object_get(json_array_get(json_array_get(l->node, 0), 3), "y");
  if (!y && json_is_string(json_array_get(l->node, 0)))
    y = json_object_get(json_array_get(l->node, 3), "y");
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (strcmp(function, known[i].function) != 0)
      continue;
    int in[2] = {l->in[0], l->ins > 1 ? l->in[1] : -1};
    if (known[i].ins == 2 && in[1] < 0)
      WK_RETURN_IF_ERROR(numbers(&in[1], l, y, 0, err));
    return chain(NULL, x, l, known[i].type, in, known[i].ins, err);
  }
  const char *type = NULL;
  WK_RETURN_IF_ERROR(wk_ir_text(&type, l->k->ir, function, strlen(function), err));
  return chain(NULL, x, l, type, l->in, 1, err);
}

/* relu with a limit, a slope below 0, a threshold. */
static wk_status read_relu(int *x, const layer *l, wk_error *err) {
  const json_t *most = json_object_get(l->config, "max_value");
  const double slope = real(l, "negative_slope", 0);
  if (slope != 0)
    return add_leaky(x, l, "LeakyRelu", slope, err);
  return json_is_number(most) ? add_clip(x, l, 0, json_number_value(most), err) : chain(NULL, x, l, "Relu", x, 1, err);
}

static wk_status read_prelu(int *x, const layer *l, wk_error *err) {
  int alpha = -1;
  WK_RETURN_IF_ERROR(find(&alpha, l, "alpha", 0, true, err));
  return chain(NULL, x, l, "PRelu", (const int[]){*x, alpha}, 2, err);
}

/* ---- the table ----------------------------------------------------------------------------------------- */

static bool does_nothing(const layer *l) {
  static const char *const known[] = {"InputLayer",
                                      "SpatialDropout2D",
                                      "GaussianNoise",
                                      "GaussianDropout",
                                      "AlphaDropout",
                                      "RandomFlip",
                                      "RandomRotation",
                                      "RandomZoom",
                                      "RandomContrast",
                                      "RandomBrightness",
                                      "RandomTranslation",
                                      "RandomCrop",
                                      "ActivityRegularization",
                                      "Identity",
                                      "Resizing"};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (is(l, known[i]))
      return true;
  return false;
}

static wk_status read_dropout(int *x, const layer *l, wk_error *err) {
  wk_ir_op *op = NULL;
  WK_RETURN_IF_ERROR(chain(&op, x, l, "Dropout", x, 1, err));
  return wk_ir_add_float(l->k->ir, op, "ratio", real(l, "rate", real(l, "p", 0.5)), err);
}

wk_status wk_keras_layer(int *out, wk_keras *k, const char *class, const char *name, const json_t *config,
                         const json_t *node, const int *in, int ins, const char *trail, wk_error *err) {
  static const struct {
    const char *class, *type;
  } merges[] = {{"Add", "Add"}, {"Multiply", "Mul"}, {"Subtract", "Sub"}, {"Concatenate", "Concat"}};
  static const struct {
    const char *class;
    wk_status (*read)(int *x, const layer *l, wk_error *err);
  } layers[] = {{"Conv2D", read_conv},
                {"Convolution2D", read_conv},
                {"DepthwiseConv2D", read_depthwise},
                {"SeparableConv2D", read_separable},
                {"Dense", read_dense},
                {"BatchNormalization", read_batch_norm},
                {"SyncBatchNormalization", read_batch_norm},
                {"Activation", end_with_activation},
                {"ReLU", read_relu},
                {"PReLU", read_prelu},
                {"ZeroPadding2D", read_padding},
                {"Reshape", read_reshape},
                {"Permute", read_permute},
                {"Rescaling", read_rescaling},
                {"Normalization", read_normalization},
                {"Dropout", read_dropout},
                {"TFOpLambda", read_function}};
  const layer l = {k, class, name, trail, config, node, in, ins};
  *out = in[0];
  if (first(&l))
    k->ir->channels_last = false;
  if (does_nothing(&l))
    return WK_OK;
  for (size_t i = 0; i < sizeof merges / sizeof *merges; i++)
    if (is(&l, merges[i].class))
      return read_merge(out, &l, merges[i].type, err);
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
    if (is(&l, layers[i].class))
      return layers[i].read(out, &l, err);
  if (is(&l, "MaxPooling2D") || is(&l, "AveragePooling2D"))
    return read_pool(out, &l, class[0] == 'M', err);
  if (is(&l, "GlobalAveragePooling2D") || is(&l, "GlobalMaxPooling2D"))
    return read_global(out, &l, class[6] == 'M', err);
  if (is(&l, "LeakyReLU"))
    return add_leaky(out, &l, "LeakyRelu", real(&l, "negative_slope", real(&l, "alpha", 0.3)), err);
  if (is(&l, "ELU"))
    return add_leaky(out, &l, "Elu", real(&l, "alpha", 1), err);
  if (is(&l, "Softmax"))
    return chain(NULL, out, &l, "Softmax", out, 1, err);
  if (is(&l, "Flatten"))
    return chain(NULL, out, &l, "Flatten", out, 1, err);
  const char *type = NULL;
  WK_RETURN_IF_ERROR(wk_ir_text(&type, k->ir, class, strlen(class), err));
  return chain(NULL, out, &l, type, in, ins, err); /* named when it is needed */
}

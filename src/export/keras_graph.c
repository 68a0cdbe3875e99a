/* keras_graph.c - the exportable network in Keras' words: one layer or a few for each of the net's, and the variables
 * that they have. What a dialect has no layer for is put together from those it has (a hard swish is a batch norm, a
 * relu and a product), so that pages and programs that were there before open it. */
#include "export/keras_graph.h"

#include <string.h>

/* A tensor of the model that is being made. */
typedef struct tensor {
  const char *name; /* of the layer that gives it */
  wk_shape shape;
  bool flat; /* [n, c] */
} tensor;

typedef struct keras {
  wk_net *net;
  wk_keras_dialect dialect;
  json_t *layers;
  tensor *at; /* [layers of the net] */
  wk_keras_graph *out;
  const char **used; /* names of layers, and their classes */
  const char **class;
  int uses;
  bool no_memory;
} keras;

static const char *copy(keras *k, const char *text) {
  const size_t n = strlen(text) + 1;
  char *to = wk_net_alloc(k->net, n, 1);
  k->no_memory |= !to;
  return to ? memcpy(to, text, n) : "";
}

/* ---- names -------------------------------------------------------------------------------------------- */

static bool is_used(const keras *k, const char *name) {
  for (int i = 0; i < k->uses; i++)
    if (strcmp(k->used[i], name) == 0)
      return true;
  return false;
}

/* A name that all readers allow (a dot is none of PyTorch's under Keras), and no other layer has. */
static const char *layer_name(keras *k, const char *base, const char *suffix) {
  char text[200];
  int n = snprintf(text, sizeof text - 16, "%s%s", base, suffix);
  n = n < (int)sizeof text - 16 ? n : (int)sizeof text - 17;
  for (int i = 0; i < n; i++) {
    const char c = text[i];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!letter && (i == 0 || (c != '_' && c != '-')))
      text[i] = i ? '_' : 'x';
  }
  for (int more = 1; is_used(k, text) && more < 100000; more++)
    snprintf(text + n, sizeof text - (size_t)n, "_%d", more);
  return copy(k, text);
}

/* ---- layers ------------------------------------------------------------------------------------------- */

static json_t *keras_tensor(const tensor *t) {
  json_t *shape = t->flat ? json_pack("[n,i]", t->shape.channels)
                          : json_pack("[n,i,i,i]", t->shape.height, t->shape.width, t->shape.channels);
  return json_pack("{s:s,s:{s:o,s:s,s:[s,i,i]}}", "class_name", "__keras_tensor__", "config", "shape", shape, "dtype",
                   "float32", "keras_history", t->name, 0, 0);
}

/* Keras 3: arguments of a call, which hold tensors; of what merges, a list of them. Keras 2: lists of names. */
static json_t *calls(const keras *k, const tensor *const *in, int ins) {
  json_t *list = json_array();
  for (int i = 0; i < ins; i++)
    json_array_append_new(list,
                          k->dialect == WK_KERAS_3 ? keras_tensor(in[i]) : json_pack("[s,i,i,{}]", in[i]->name, 0, 0));
  if (k->dialect != WK_KERAS_3)
    return json_pack("[o]", list);
  return ins > 1 ? json_pack("[{s:[o],s:{}}]", "args", list, "kwargs")
                 : json_pack("[{s:o,s:{}}]", "args", list, "kwargs");
}

/* Adds a layer, takes its configuration; `to` is what it gives. */
static void add(keras *k, tensor *to, const char *class, const char *name, json_t *config, const tensor *const *in,
                int ins) {
  json_t *layer = json_object(), *nodes = ins ? calls(k, in, ins) : json_array();
  k->no_memory |= !layer || !nodes || !config;
  json_object_set_new(config, "name", json_string(name));
  json_object_set_new(config, "dtype", json_string("float32"));
  if (k->dialect == WK_KERAS_3) {
    json_object_set_new(layer, "module", json_string("keras.layers"));
    json_object_set_new(layer, "registered_name", json_null());
  }
  json_object_set_new(layer, "class_name", json_string(class));
  json_object_set_new(layer, "config", config);
  json_object_set_new(layer, "name", json_string(name));
  json_object_set_new(layer, "inbound_nodes", nodes);
  json_array_append_new(k->layers, layer);
  k->used[k->uses] = name;
  k->class[k->uses++] = class;
  to->name = name;
}

/* One input, and the same shape comes out. */
static void add_simple(keras *k, tensor *x, const char *class, const char *base, const char *suffix, json_t *config) {
  const tensor in = *x, *const list[1] = {&in};
  add(k, x, class, layer_name(k, base, suffix), config, list, 1);
}

/* A variable of the layer that was added last. */
static void add_var(keras *k, const char *name, int index, int ndim, const int64_t *shape, const float *data) {
  wk_keras_var *v = &k->out->var[k->out->vars++];
  *v = (wk_keras_var){.layer = k->used[k->uses - 1],
                      .class = k->class[k->uses - 1],
                      .name = name,
                      .index = index,
                      .ndim = ndim,
                      .data = data};
  for (int i = 0; i < k->uses - 1; i++)
    v->nth += strcmp(k->class[i], v -> class) == 0;
  memcpy(v->shape, shape, (size_t)ndim * sizeof *shape);
}

static float *filled(keras *k, size_t n, float value) {
  float *f = wk_net_alloc(k->net, n, sizeof *f);
  k->no_memory |= !f;
  for (size_t i = 0; f && i < n; i++)
    f[i] = value;
  return f;
}

/* x scale + shift, of each channel: a batch norm of mean 0 and variance 1, beside which its epsilon vanishes. */
static void add_affine(keras *k, tensor *x, const char *base, const char *suffix, const float *scale,
                       const float *shift) {
  const int64_t c = x->shape.channels;
  float *zeros = filled(k, (size_t)c, 0), *ones = filled(k, (size_t)c, 1);
  add_simple(k, x, "BatchNormalization", base, suffix,
             json_pack("{s:i,s:f,s:b,s:b}", "axis", -1, "epsilon", 1e-12, "center", 1, "scale", 1));
  add_var(k, "gamma", 0, 1, &c, scale);
  add_var(k, "beta", 1, 1, &c, shift);
  add_var(k, "moving_mean", 2, 1, &c, zeros);
  add_var(k, "moving_variance", 3, 1, &c, ones);
}

static void add_activation(keras *k, tensor *x, const char *base, const char *suffix, const char *what) {
  add_simple(k, x, "Activation", base, suffix, json_pack("{s:s}", "activation", what));
}

static void add_relu(keras *k, tensor *x, const char *base, const char *suffix, bool six) {
  add_simple(k, x, "ReLU", base, suffix, six ? json_pack("{s:f}", "max_value", 6.0) : json_object());
}

static void add_merge(keras *k, tensor *to, const char *class, const char *base, const tensor *const *in, int ins) {
  json_t *config = strcmp(class, "Concatenate") == 0 ? json_pack("{s:i}", "axis", -1) : json_object();
  add(k, to, class, layer_name(k, base, ""), config, in, ins);
}

static void add_reshape(keras *k, tensor *x, const char *base, const char *suffix, json_t *shape) {
  add_simple(k, x, "Reshape", base, suffix, json_pack("{s:o}", "target_shape", shape));
}

/* relu6(x + 3) / 6 */
static void add_hard_sigmoid(keras *k, tensor *x, const char *base) {
  if (k->dialect == WK_KERAS_3) { /* that of Keras 2 is another */
    add_activation(k, x, base, "_gate", "hard_sigmoid");
    return;
  }
  const size_t c = (size_t)x->shape.channels;
  add_affine(k, x, base, "_plus3", filled(k, c, 1), filled(k, c, 3));
  add_relu(k, x, base, "_relu6", true);
  add_affine(k, x, base, "_by6", filled(k, c, 1.0f / 6), filled(k, c, 0));
}

/* ---- windows ------------------------------------------------------------------------------------------ */

static bool is_padded(const wk_window *w) { return w->pad_top || w->pad_bottom || w->pad_left || w->pad_right; }

static void add_padding(keras *k, tensor *x, const char *base, const wk_window *w) {
  if (!is_padded(w))
    return;
  x->shape.height += w->pad_top + w->pad_bottom;
  x->shape.width += w->pad_left + w->pad_right;
  add_simple(k, x, "ZeroPadding2D", base, "_pad",
             json_pack("{s:[[i,i],[i,i]],s:s}", "padding", w->pad_top, w->pad_bottom, w->pad_left, w->pad_right,
                       "data_format", "channels_last"));
}

/* Do as many windows fit as the net has? */
static bool fits(const tensor *x, const wk_net_layer *l) {
  const wk_window *w = &l->window;
  return (x->shape.height - (w->kernel_h - 1) * w->dilation_h - 1) / w->stride_h + 1 == l->to.height &&
         (x->shape.width - (w->kernel_w - 1) * w->dilation_w - 1) / w->stride_w + 1 == l->to.width;
}

/* ---- the net's layers --------------------------------------------------------------------------------- */

static wk_status refuse(const keras *k, const wk_net_layer *l, const char *why, wk_error *err) {
  return WK_FAIL(err, WK_ERR_UNSUPPORTED, "layer '%s' (%s%s) has no counterpart in %s; export to ONNX instead", l->name,
                 wk_op_name(l->op), why, k->dialect == WK_KERAS_JS ? "TensorFlow.js" : "Keras");
}

static wk_status add_conv(keras *k, tensor *x, const wk_net_layer *l, wk_error *err) {
  const wk_window *w = &l->window;
  const int c = l->from.channels, o = l->to.channels;
  const bool depthwise = wk_net_is_depthwise(l);
  float *kernel = wk_net_alloc(k->net, l->weights, sizeof *kernel);
  if (!kernel)
    return wk_export_no_memory(err);
  if (l->groups > 1 && !depthwise && k->dialect == WK_KERAS_JS)
    return refuse(k, l, " in groups", err);
  wk_net_hwio(kernel, l);
  if (!l->same)
    add_padding(k, x, l->name, w);
  json_t *config =
      json_pack("{s:[i,i],s:[i,i],s:s,s:s,s:[i,i],s:s,s:b}", "kernel_size", w->kernel_h, w->kernel_w, "strides",
                w->stride_h, w->stride_w, "padding", l->same ? "same" : "valid", "data_format", "channels_last",
                "dilation_rate", w->dilation_h, w->dilation_w, "activation", "linear", "use_bias", 1);
  if (depthwise)
    json_object_set_new(config, "depth_multiplier", json_integer(o / c));
  else
    json_object_set_new(config, "filters", json_integer(o));
  if (l->groups > 1 && !depthwise)
    json_object_set_new(config, "groups", json_integer(l->groups));
  x->shape = l->to;
  add_simple(k, x, depthwise ? "DepthwiseConv2D" : "Conv2D", l->name, "", config);
  const int64_t shape[4] = {w->kernel_h, w->kernel_w, depthwise ? c : c / l->groups, depthwise ? o / c : o}, bias = o;
  add_var(k, depthwise && k->dialect != WK_KERAS_3 ? "depthwise_kernel" : "kernel", 0, 4, shape, kernel);
  add_var(k, "bias", 1, 1, &bias, l->bias);
  return WK_OK;
}

static wk_status add_dense(keras *k, tensor *x, const wk_net_layer *l, wk_error *err) {
  const int64_t o = l->to.channels, shape[2] = {(int64_t)l->weights / o, o};
  float *kernel = wk_net_alloc(k->net, l->weights, sizeof *kernel);
  if (!kernel)
    return wk_export_no_memory(err);
  wk_net_matrix(kernel, l, &k->net->layer[l->in[0]], true);
  x->shape = l->to;
  add_simple(k, x, "Dense", l->name, "",
             json_pack("{s:i,s:s,s:b}", "units", (int)o, "activation", "linear", "use_bias", 1));
  add_var(k, "kernel", 0, 2, shape, kernel);
  add_var(k, "bias", 1, 1, &o, l->bias);
  return WK_OK;
}

static wk_status add_pool(keras *k, tensor *x, const wk_net_layer *l, wk_error *err) {
  const wk_window *w = &l->window;
  const bool max = l->op == WK_OP_MAX_POOL, same = l->same && (max || !w->count_include_pad || !is_padded(w));
  if (w->dilation_h != 1 || w->dilation_w != 1)
    return refuse(k, l, " with dilation", err);
  if (!same && is_padded(w) && max && !wk_net_is_positive(k->net, l->in[0]))
    return refuse(k, l, " with padding, of values below 0", err);
  if (!same && is_padded(w) && !max && !w->count_include_pad)
    return refuse(k, l, " with padding that does not count", err);
  if (!same)
    add_padding(k, x, l->name, w);
  if (!same && !fits(x, l))
    return refuse(k, l, " with windows beyond the edge", err);
  x->shape = l->to;
  add_simple(k, x, max ? "MaxPooling2D" : "AveragePooling2D", l->name, "",
             json_pack("{s:[i,i],s:[i,i],s:s,s:s}", "pool_size", w->kernel_h, w->kernel_w, "strides", w->stride_h,
                       w->stride_w, "padding", same ? "same" : "valid", "data_format", "channels_last"));
  return WK_OK;
}

/* Global pooling gives one row of numbers; a picture of one pixel where somebody wants that. */
static wk_status add_global(keras *k, tensor *x, int layer, wk_error *err) {
  const wk_net_layer *l = &k->net->layer[layer];
  bool flat = true;
  if (l->to.height * l->to.width != 1)
    return refuse(k, l, " of several pixels", err);
  for (int i = layer + 1; i < k->net->layers; i++)
    for (int j = 0; j < k->net->layer[i].inputs; j++)
      flat &= k->net->layer[i].in[j] != layer || k->net->layer[i].op == WK_OP_FLATTEN;
  x->shape = l->to;
  x->flat = true;
  add_simple(k, x, "GlobalAveragePooling2D", l->name, "", json_pack("{s:s}", "data_format", "channels_last"));
  if (!flat) {
    x->flat = false;
    add_reshape(k, x, l->name, "_pixel", json_pack("[i,i,i]", 1, 1, l->to.channels));
  }
  return WK_OK;
}

static void add_flatten(keras *k, tensor *x, const wk_net_layer *l) {
  if (x->flat)
    return;
  x->flat = true;
  x->shape = l->to;
  add_simple(k, x, "Flatten", l->name, "", json_pack("{s:s}", "data_format", "channels_last"));
}

static void add_shuffle(keras *k, tensor *x, const wk_net_layer *l) {
  const wk_shape s = l->to;
  const int each = s.channels / l->groups;
  add_reshape(k, x, l->name, "_split", json_pack("[i,i,i,i]", s.height, s.width, l->groups, each));
  add_simple(k, x, "Permute", l->name, "_turn", json_pack("{s:[i,i,i,i]}", "dims", 1, 2, 4, 3));
  add_reshape(k, x, l->name, "", json_pack("[i,i,i]", s.height, s.width, s.channels));
}

/* Sums, products, and what is joined. */
static wk_status add_several(keras *k, tensor *x, const wk_net_layer *l, wk_error *err) {
  const char *class = l->op == WK_OP_ADD ? "Add" : l->op == WK_OP_CONCAT ? "Concatenate" : "Multiply";
  const tensor **in = wk_net_alloc(k->net, (size_t)l->inputs, sizeof *in);
  tensor factor;
  if (!in)
    return wk_export_no_memory(err);
  for (int i = 0; i < l->inputs; i++)
    in[i] = &k->at[l->in[i]];
  if (l->op == WK_OP_SCALE && in[1]->flat && !in[0]->flat) {
    factor = *in[1];
    factor.flat = false;
    const tensor before = *in[1], *const list[1] = {&before};
    add(k, &factor, "Reshape", layer_name(k, l->name, "_pixel"),
        json_pack("{s:[i,i,i]}", "target_shape", 1, 1, factor.shape.channels), list, 1);
    in[1] = &factor;
  }
  *x = *in[0];
  x->shape = l->to;
  add_merge(k, x, class, l->name, in, l->inputs);
  return WK_OK;
}

/* x times a gate that is computed of it. */
static void gated(keras *k, tensor *x, const wk_net_layer *l, bool hard) {
  const tensor before = *x;
  if (hard)
    add_hard_sigmoid(k, x, l->name);
  else
    add_activation(k, x, l->name, "_gate", "sigmoid");
  const tensor gate = *x, *const both[2] = {&before, &gate};
  add_merge(k, x, "Multiply", l->name, both, 2);
}

static wk_status add_curve(keras *k, tensor *x, const wk_net_layer *l, wk_error *err) {
  switch (l->op) {
  case WK_OP_RELU:
  case WK_OP_RELU6:
    add_relu(k, x, l->name, "", l->op == WK_OP_RELU6);
    return WK_OK;
  case WK_OP_HARDSWISH:
    if (k->dialect == WK_KERAS_3)
      add_activation(k, x, l->name, "", "hard_silu");
    else
      gated(k, x, l, true);
    return WK_OK;
  case WK_OP_HARDSIGMOID:
    add_hard_sigmoid(k, x, l->name);
    return WK_OK;
  case WK_OP_SILU:
    if (k->dialect == WK_KERAS_JS)
      gated(k, x, l, false);
    else
      add_activation(k, x, l->name, "", k->dialect == WK_KERAS_3 ? "silu" : "swish");
    return WK_OK;
  case WK_OP_SIGMOID:
  case WK_OP_TANH:
  case WK_OP_SOFTMAX:
    add_activation(k, x, l->name, "", l->op == WK_OP_SIGMOID ? "sigmoid" : l->op == WK_OP_TANH ? "tanh" : "softmax");
    return WK_OK;
  case WK_OP_GELU:
    if (k->dialect == WK_KERAS_JS)
      break;
    add_activation(k, x, l->name, "", "gelu");
    return WK_OK;
  case WK_OP_LEAKY_RELU:
    add_simple(k, x, "LeakyReLU", l->name, "",
               json_pack("{s:f}", k->dialect == WK_KERAS_3 ? "negative_slope" : "alpha", (double)l->extra.alpha));
    return WK_OK;
  case WK_OP_ELU:
    add_simple(k, x, "ELU", l->name, "", json_pack("{s:f}", "alpha", (double)l->extra.alpha));
    return WK_OK;
  default:
    break;
  }
  return refuse(k, l, "", err);
}

static wk_status add_layer(keras *k, int layer, wk_error *err) {
  const wk_net_layer *l = &k->net->layer[layer];
  tensor x = k->at[l->in[0]];
  wk_status st = WK_OK;
  switch (l->op) {
  case WK_OP_CONV:
    st = add_conv(k, &x, l, err);
    break;
  case WK_OP_LINEAR:
    st = add_dense(k, &x, l, err);
    break;
  case WK_OP_BATCH_NORM:
    if (k->net->layer[l->in[0]].unflat.height)
      return refuse(k, l, " of a flattened picture", err);
    add_affine(k, &x, l->name, "", l->weight, l->bias);
    break;
  case WK_OP_MAX_POOL:
  case WK_OP_AVG_POOL:
    st = add_pool(k, &x, l, err);
    break;
  case WK_OP_ADAPTIVE_AVG_POOL:
    st = add_global(k, &x, layer, err);
    break;
  case WK_OP_FLATTEN:
    add_flatten(k, &x, l);
    break;
  case WK_OP_ADD:
  case WK_OP_CONCAT:
  case WK_OP_MULTIPLY:
  case WK_OP_SCALE:
    st = add_several(k, &x, l, err);
    break;
  case WK_OP_PAD:
    if (l->to.channels != l->from.channels)
      return refuse(k, l, " of channels", err);
    add_padding(k, &x, l->name, &l->window);
    break;
  case WK_OP_SHUFFLE:
    add_shuffle(k, &x, l);
    break;
  default:
    st = add_curve(k, &x, l, err);
  }
  if (st == WK_OK && (l->act == WK_OP_RELU || l->act == WK_OP_RELU6))
    add_relu(k, &x, l->name, "_relu", l->act == WK_OP_RELU6);
  k->at[layer] = x;
  return st;
}

/* ---- the model ---------------------------------------------------------------------------------------- */

static void add_input(keras *k, const wk_keras_input *input) {
  const wk_shape s = k->net->layer[0].to;
  tensor x = {.shape = s};
  json_t *shape = json_pack("[n,i,i,i]", s.height, s.width, s.channels);
  add(k, &x, "InputLayer", layer_name(k, "input", ""),
      json_pack("{s:o,s:b}", k->dialect == WK_KERAS_3 ? "batch_shape" : "batch_input_shape", shape, "sparse", 0), NULL,
      0);
  if (input) {
    wk_keras_input *kept = wk_net_alloc(k->net, 1, sizeof *kept); /* as long as the graph */
    k->no_memory |= !kept;
    if (kept) {
      *kept = *input;
      add_affine(k, &x, "preprocess", "", kept->scale, kept->shift);
    }
  }
  k->at[0] = x;
}

static json_t *model_of(const keras *k, const char *name, const char *end) {
  json_t *config = json_pack("{s:s,s:b,s:O,s:[[s,i,i]],s:[[s,i,i]]}", "name", name, "trainable", 1, "layers", k->layers,
                             "input_layers", k->used[0], 0, 0, "output_layers", end, 0, 0);
  json_t *model =
      json_pack("{s:s,s:o}", "class_name", k->dialect == WK_KERAS_JS ? "Model" : "Functional", "config", config);
  if (k->dialect == WK_KERAS_3) {
    json_object_set_new(model, "module", json_string("keras.src.models.functional"));
    json_object_set_new(model, "registered_name", json_string("Functional"));
  }
  return model;
}

static wk_status build(keras *k, const wk_keras_input *input, wk_error *err) {
  wk_net *n = k->net;
  const size_t layers = (size_t)n->layers, most = 5 * layers + 8; /* a hard swish is four, and a relu may follow */
  k->layers = json_array();
  k->at = wk_net_alloc(n, layers, sizeof *k->at);
  k->used = wk_net_alloc(n, most, sizeof *k->used);
  k->class = wk_net_alloc(n, most, sizeof *k->class);
  k->out->var = wk_net_alloc(n, 4 * most, sizeof *k->out->var);
  if (!k->layers || !k->at || !k->used || !k->class || !k->out->var)
    return wk_export_no_memory(err);
  add_input(k, input);
  for (int i = 1; i < n->layers; i++)
    WK_RETURN_IF_ERROR(add_layer(k, i, err));
  const wk_shape end = n->layer[n->layers - 1].unflat;
  if (end.height * end.width > 1)
    return refuse(k, &n->layer[n->layers - 1], " of a picture, as classes", err);
  tensor last = k->at[n->layers - 1];
  add_activation(k, &last, "softmax", "", "softmax");
  k->out->model = model_of(k, layer_name(k, n->name, ""), last.name);
  return k->no_memory || !k->out->model ? wk_export_no_memory(err) : WK_OK;
}

wk_status wk_keras_graph_make(wk_keras_graph *out, wk_net *n, wk_keras_dialect dialect, const wk_keras_input *input,
                              wk_error *err) {
  wk_keras_graph made = {0};
  keras k = {.net = n, .dialect = dialect, .out = &made};
  wk_status st = build(&k, input, err);
  json_decref(k.layers);
  if (st == WK_OK)
    *out = made;
  else
    json_decref(made.model);
  return st;
}

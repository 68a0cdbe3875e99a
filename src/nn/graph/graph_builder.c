/* graph_builder.c - building a network layer by layer. Builders are long lists of calls, so the first mistake is
 * remembered and every later call does nothing: wk_graph_finish reports it. */
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "nn/graph/graph.h"

const char *wk_op_name(wk_op op) {
  static const char *const name[WK_OP_COUNT] = {
      "input",   "conv",       "batch_norm", "relu",     "relu6",    "hardswish",  "hardsigmoid",       "silu",
      "sigmoid", "add",        "scale",      "concat",   "max_pool", "avg_pool",   "adaptive_avg_pool", "linear",
      "flatten", "dropout",    "softmax",    "multiply", "pad",      "slice",      "shuffle",           "lrn",
      "round",   "leaky_relu", "elu",        "tanh",     "gelu",     "layer_norm", "layer_scale"};
  return (unsigned)op < WK_OP_COUNT ? name[op] : "unknown";
}

wk_status wk_graph_create(wk_graph **out, wk_error *err) {
  wk_graph *g = wk_calloc(1, sizeof *g);
  if (!g)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a network");
  g->input = g->features = g->logits = -1;
  g->stage = -1;
  *out = g;
  return WK_OK;
}

void wk_graph_free(wk_graph *g) {
  if (!g)
    return;
  for (int i = 0; i < g->size; i++) {
    wk_free(g->node[i].name);
    wk_free(g->node[i].input);
  }
  for (int i = 0; i < g->param_count; i++)
    wk_free((char *)g->param[i].name);
  for (int i = 0; i < g->stage_count; i++)
    wk_free(g->stages[i]);
  wk_free(g->param);
  wk_free(g->node);
  wk_free(g->stages);
  wk_free(g->by_name);
  wk_free(g);
}

/* ---- adding nodes ------------------------------------------------------------------------------ */

static bool dead(const wk_graph *g) { return !g || g->finished || g->mistake.code != WK_OK; }

WK_PRINTF(3, 4) static wk_node mistake(wk_graph *g, wk_status code, const char *fmt, ...) {
  if (!dead(g)) {
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    wk_error_set(&g->mistake, code, "wk_graph", "%s", text);
  }
  return -1;
}

#define OUT_OF_MEMORY(g) mistake((g), WK_ERR_MEMORY, "out of memory for a network")

static wk_node_def *add(wk_graph *g, const char *name, wk_op op, const wk_node *in, int inputs) {
  if (dead(g))
    return NULL;
  if (!name || !*name) {
    mistake(g, WK_ERR_ARGUMENT, "a %s layer has no name", wk_op_name(op));
    return NULL;
  }
  for (int i = 0; i < inputs; i++)
    if (in[i] < 0 || in[i] >= g->size) {
      mistake(g, WK_ERR_ARGUMENT, "layer '%s' takes its input from node %d, which is not there", name, in[i]);
      return NULL;
    }
  if (g->size == g->capacity) {
    int capacity = g->capacity ? g->capacity * 2 : 64;
    if (capacity > (1 << 20)) {
      mistake(g, WK_ERR_ARGUMENT, "a network of more than %d layers is not possible", g->capacity);
      return NULL;
    }
    wk_node_def *grown = wk_grow(g->node, sizeof *grown * (size_t)g->size, sizeof *grown * (size_t)capacity);
    if (!grown) {
      OUT_OF_MEMORY(g);
      return NULL;
    }
    g->node = grown;
    g->capacity = capacity;
  }
  wk_node_def *n = &g->node[g->size];
  *n = (wk_node_def){.op = op, .stage = g->stage, .inputs = inputs, .groups = 1};
  n->name = wk_strdup(name);
  n->input = wk_alloc_array((size_t)inputs, sizeof *n->input);
  if (!n->name || !n->input) {
    wk_free(n->name);
    wk_free(n->input);
    OUT_OF_MEMORY(g);
    return NULL;
  }
  if (inputs)
    memcpy(n->input, in, sizeof *in * (size_t)inputs);
  g->size++;
  return n;
}

static wk_node index_of(const wk_graph *g, const wk_node_def *n) { return n ? (wk_node)(n - g->node) : -1; }

wk_node wk_graph_input(wk_graph *g, const char *name, int height, int width, int channels) {
  if (dead(g))
    return -1;
  if (g->input >= 0)
    return mistake(g, WK_ERR_ARGUMENT, "layer '%s' is a second input; a network has one", name ? name : "");
  if (height < 1 || width < 1 || height > WK_NN_MAX_SIDE || width > WK_NN_MAX_SIDE || channels < 1 ||
      channels > WK_NN_MAX_CHANNELS)
    return mistake(g, WK_ERR_ARGUMENT, "input '%s' cannot be %d x %d x %d", name ? name : "", height, width, channels);
  wk_node_def *n = add(g, name, WK_OP_INPUT, NULL, 0);
  if (n) {
    n->out_height = height;
    n->out_width = width;
    n->out_channels = channels;
    g->input = index_of(g, n);
  }
  return index_of(g, n);
}

wk_window wk_window_square(int kernel, int stride, int padding) {
  return (wk_window){.kernel_h = kernel,
                     .kernel_w = kernel,
                     .stride_h = stride,
                     .stride_w = stride,
                     .dilation_h = 1,
                     .dilation_w = 1,
                     .pad_top = padding,
                     .pad_bottom = padding,
                     .pad_left = padding,
                     .pad_right = padding,
                     .count_include_pad = true};
}

wk_window wk_window_same(int kernel, int stride) {
  wk_window w = wk_window_square(kernel, stride, 0);
  w.same = true;
  w.count_include_pad = false; /* TensorFlow averages the real pixels alone */
  return w;
}

static bool side_fits(int kernel, int stride, int dilation, int before, int after, bool half) {
  if (kernel < 1 || stride < 1 || dilation < 1 || before < 0 || after < 0)
    return false;
  if (kernel > WK_NN_MAX_SIDE || stride > WK_NN_MAX_SIDE || dilation > WK_NN_MAX_SIDE || before > WK_NN_MAX_SIDE ||
      after > WK_NN_MAX_SIDE)
    return false;
  int64_t span = (int64_t)(kernel - 1) * dilation + 1;
  if (span > WK_NN_MAX_SIDE)
    return false;
  /* PyTorch's rule: pooling pads at most half a window, so that each window sees a pixel. */
  return !half || (before <= span / 2 && after <= span / 2);
}

/* `half`: the rule of pooling. */
static bool window_fits(wk_graph *g, const char *name, const wk_window *w, bool half) {
  wk_window u = *w;
  if (u.same)
    u.pad_top = u.pad_bottom = u.pad_left = u.pad_right = 0;
  bool fits = side_fits(u.kernel_h, u.stride_h, u.dilation_h, u.pad_top, u.pad_bottom, half) &&
              side_fits(u.kernel_w, u.stride_w, u.dilation_w, u.pad_left, u.pad_right, half);
  if (!fits)
    mistake(
        g, WK_ERR_ARGUMENT,
        "layer '%s' has an impossible window: kernel %d x %d, stride %d x %d, dilation %d x %d, padding %d %d %d %d",
        name ? name : "", u.kernel_h, u.kernel_w, u.stride_h, u.stride_w, u.dilation_h, u.dilation_w, u.pad_top,
        u.pad_bottom, u.pad_left, u.pad_right);
  return fits;
}

static bool channels_fit(wk_graph *g, const char *name, int channels) {
  bool fits = channels >= 1 && channels <= WK_NN_MAX_CHANNELS;
  if (!fits)
    mistake(g, WK_ERR_ARGUMENT, "layer '%s' cannot have %d outputs: 1 to %d are possible", name ? name : "", channels,
            WK_NN_MAX_CHANNELS);
  return fits;
}

wk_node wk_graph_conv(wk_graph *g, const char *name, wk_node in, int out_channels, wk_window window, int groups,
                      bool bias) {
  if (dead(g) || !window_fits(g, name, &window, false) || !channels_fit(g, name, out_channels))
    return -1;
  if (groups < 1)
    return mistake(g, WK_ERR_ARGUMENT, "layer '%s' cannot have %d groups", name ? name : "", groups);
  wk_node_def *n = add(g, name, WK_OP_CONV, &in, 1);
  if (n) {
    n->out_channels = out_channels;
    n->window = window;
    n->groups = groups;
    n->bias = bias;
  }
  return index_of(g, n);
}

wk_node wk_graph_pointwise(wk_graph *g, const char *name, wk_node in, int out_channels) {
  const wk_node node = wk_graph_conv(g, name, in, out_channels, wk_window_square(1, 1, 0), 1, true);
  if (node >= 0)
    g->node[node].flat = true;
  return node;
}

static wk_node add_norm(wk_graph *g, const char *name, wk_op op, wk_node in, float eps) {
  if (dead(g))
    return -1;
  if (!(eps > 0 && eps < 1))
    return mistake(g, WK_ERR_ARGUMENT, "layer '%s' cannot have eps %g: it must be above 0 and below 1",
                   name ? name : "", (double)eps);
  wk_node_def *n = add(g, name, op, &in, 1);
  if (n) {
    n->eps = eps;
    n->bias = op == WK_OP_LAYER_NORM;
  }
  return index_of(g, n);
}

wk_node wk_graph_batch_norm(wk_graph *g, const char *name, wk_node in, float eps) {
  return add_norm(g, name, WK_OP_BATCH_NORM, in, eps);
}

wk_node wk_graph_layer_norm(wk_graph *g, const char *name, wk_node in, float eps) {
  return add_norm(g, name, WK_OP_LAYER_NORM, in, eps);
}

wk_node wk_graph_layer_scale(wk_graph *g, const char *name, wk_node in, bool flat) {
  wk_node_def *n = add(g, name, WK_OP_LAYER_SCALE, &in, 1);
  if (n)
    n->flat = flat;
  return index_of(g, n);
}

wk_node wk_graph_unary(wk_graph *g, const char *name, wk_op op, wk_node in) {
  switch (op) {
  case WK_OP_RELU:
  case WK_OP_RELU6:
  case WK_OP_HARDSWISH:
  case WK_OP_HARDSIGMOID:
  case WK_OP_SILU:
  case WK_OP_SIGMOID:
  case WK_OP_FLATTEN:
  case WK_OP_SOFTMAX:
  case WK_OP_TANH:
  case WK_OP_GELU:
    return index_of(g, add(g, name, op, &in, 1));
  default:
    return dead(g) ? -1
                   : mistake(g, WK_ERR_ARGUMENT, "layer '%s': %s does not take one input alone", name ? name : "",
                             wk_op_name(op));
  }
}

wk_node wk_graph_add(wk_graph *g, const char *name, wk_node a, wk_node b) {
  return index_of(g, add(g, name, WK_OP_ADD, (wk_node[]){a, b}, 2));
}

wk_node wk_graph_scale(wk_graph *g, const char *name, wk_node in, wk_node factor) {
  return index_of(g, add(g, name, WK_OP_SCALE, (wk_node[]){in, factor}, 2));
}

wk_node wk_graph_concat(wk_graph *g, const char *name, const wk_node *in, int count) {
  if (dead(g))
    return -1;
  if (count < 1)
    return mistake(g, WK_ERR_ARGUMENT, "layer '%s' joins nothing", name ? name : "");
  return index_of(g, add(g, name, WK_OP_CONCAT, in, count));
}

wk_node wk_graph_multiply(wk_graph *g, const char *name, wk_node a, wk_node b) {
  return index_of(g, add(g, name, WK_OP_MULTIPLY, (wk_node[]){a, b}, 2));
}

wk_node wk_graph_leaky(wk_graph *g, const char *name, wk_op op, wk_node in, float alpha) {
  if (dead(g))
    return -1;
  if ((op != WK_OP_LEAKY_RELU && op != WK_OP_ELU) || !(alpha > -1e6f && alpha < 1e6f))
    return mistake(g, WK_ERR_ARGUMENT, "layer '%s' cannot be a %s of %g", name ? name : "", wk_op_name(op),
                   (double)alpha);
  wk_node_def *n = add(g, name, op, &in, 1);
  if (n)
    n->extra.alpha = alpha;
  return index_of(g, n);
}

wk_node wk_graph_pad(wk_graph *g, const char *name, wk_node in, wk_window window, int channels_before,
                     int channels_behind) {
  wk_window w = wk_window_square(1, 1, 0);
  w.pad_top = window.pad_top, w.pad_bottom = window.pad_bottom;
  w.pad_left = window.pad_left, w.pad_right = window.pad_right;
  if (dead(g) || !window_fits(g, name, &w, false))
    return -1;
  if (channels_before < 0 || channels_behind < 0 || channels_before > WK_NN_MAX_CHANNELS ||
      channels_behind > WK_NN_MAX_CHANNELS)
    return mistake(g, WK_ERR_ARGUMENT, "layer '%s' cannot add %d and %d channels", name ? name : "", channels_before,
                   channels_behind);
  wk_node_def *n = add(g, name, WK_OP_PAD, &in, 1);
  if (n) {
    n->window = w;
    n->extra = (wk_extra){.first = channels_before, .count = channels_behind};
  }
  return index_of(g, n);
}

wk_node wk_graph_slice(wk_graph *g, const char *name, wk_node in, int first, int count) {
  if (dead(g))
    return -1;
  if (first < 0 || count < 1 || first > WK_NN_MAX_CHANNELS || count > WK_NN_MAX_CHANNELS)
    return mistake(g, WK_ERR_ARGUMENT, "layer '%s' cannot take %d channels from %d on", name ? name : "", count, first);
  wk_node_def *n = add(g, name, WK_OP_SLICE, &in, 1);
  if (n)
    n->extra = (wk_extra){.first = first, .count = count};
  return index_of(g, n);
}

wk_node wk_graph_shuffle(wk_graph *g, const char *name, wk_node in, int groups) {
  if (dead(g))
    return -1;
  if (groups < 1)
    return mistake(g, WK_ERR_ARGUMENT, "layer '%s' cannot have %d groups", name ? name : "", groups);
  wk_node_def *n = add(g, name, WK_OP_SHUFFLE, &in, 1);
  if (n)
    n->groups = groups;
  return index_of(g, n);
}

wk_node wk_graph_round(wk_graph *g, const char *name, wk_node in, float step, int least, int most) {
  if (dead(g))
    return -1;
  if (!(step > 1e-30f && step < 1e30f) || least > most)
    return mistake(g, WK_ERR_ARGUMENT, "layer '%s' cannot round to steps of %g from %d to %d", name ? name : "",
                   (double)step, least, most);
  wk_node_def *n = add(g, name, WK_OP_ROUND, &in, 1);
  if (n)
    n->extra = (wk_extra){.first = least, .count = most, .alpha = step};
  return index_of(g, n);
}

wk_node wk_graph_lrn(wk_graph *g, const char *name, wk_node in, int count, float alpha, float beta, float bias) {
  if (dead(g))
    return -1;
  if (count < 1 || count > WK_NN_MAX_CHANNELS || !(alpha >= 0 && alpha < 1e6f) || !(beta >= 0 && beta < 1e3f) ||
      !(bias > 0 && bias < 1e6f))
    return mistake(g, WK_ERR_ARGUMENT, "layer '%s' cannot normalise over %d channels with alpha %g, beta %g, bias %g",
                   name ? name : "", count, (double)alpha, (double)beta, (double)bias);
  wk_node_def *n = add(g, name, WK_OP_LRN, &in, 1);
  if (n)
    n->extra = (wk_extra){.count = count, .alpha = alpha, .beta = beta, .bias = bias};
  return index_of(g, n);
}

wk_node wk_graph_copy_node(wk_graph *g, const wk_node_info *like, const wk_node *input) {
  const wk_extra *x = &like->extra;
  switch (like->op) {
  case WK_OP_CONV:
    return like->flat
               ? wk_graph_pointwise(g, like->name, input[0], like->out_channels)
               : wk_graph_conv(g, like->name, input[0], like->out_channels, like->window, like->groups, like->bias);
  case WK_OP_BATCH_NORM:
  case WK_OP_LAYER_NORM:
    return add_norm(g, like->name, like->op, input[0], like->eps);
  case WK_OP_LAYER_SCALE:
    return wk_graph_layer_scale(g, like->name, input[0], like->flat);
  case WK_OP_ADD:
    return wk_graph_add(g, like->name, input[0], input[1]);
  case WK_OP_MULTIPLY:
    return wk_graph_multiply(g, like->name, input[0], input[1]);
  case WK_OP_SCALE:
    return wk_graph_scale(g, like->name, input[0], input[1]);
  case WK_OP_CONCAT:
    return wk_graph_concat(g, like->name, input, like->inputs);
  case WK_OP_MAX_POOL:
  case WK_OP_AVG_POOL:
    return wk_graph_pool(g, like->name, like->op, input[0], like->window);
  case WK_OP_ADAPTIVE_AVG_POOL:
    return wk_graph_adaptive_avg_pool(g, like->name, input[0], like->shape.height, like->shape.width);
  case WK_OP_LINEAR:
    return wk_graph_linear(g, like->name, input[0], like->out_channels);
  case WK_OP_DROPOUT:
    return wk_graph_dropout(g, like->name, input[0], like->p);
  case WK_OP_PAD:
    return wk_graph_pad(g, like->name, input[0], like->window, x->first, x->count);
  case WK_OP_SLICE:
    return wk_graph_slice(g, like->name, input[0], x->first, x->count);
  case WK_OP_SHUFFLE:
    return wk_graph_shuffle(g, like->name, input[0], like->groups);
  case WK_OP_LRN:
    return wk_graph_lrn(g, like->name, input[0], x->count, x->alpha, x->beta, x->bias);
  case WK_OP_ROUND:
    return wk_graph_round(g, like->name, input[0], x->alpha, x->first, x->count);
  case WK_OP_LEAKY_RELU:
  case WK_OP_ELU:
    return wk_graph_leaky(g, like->name, like->op, input[0], x->alpha);
  default:
    return wk_graph_unary(g, like->name, like->op, input[0]);
  }
}

wk_node wk_graph_pool(wk_graph *g, const char *name, wk_op op, wk_node in, wk_window window) {
  if (dead(g) || !window_fits(g, name, &window, true))
    return -1;
  if (op != WK_OP_MAX_POOL && op != WK_OP_AVG_POOL)
    return mistake(g, WK_ERR_ARGUMENT, "layer '%s': %s is not a pooling", name ? name : "", wk_op_name(op));
  if (op == WK_OP_AVG_POOL && (window.dilation_h != 1 || window.dilation_w != 1))
    return mistake(g, WK_ERR_ARGUMENT, "layer '%s': average pooling has no dilation", name ? name : "");
  wk_node_def *n = add(g, name, op, &in, 1);
  if (n)
    n->window = window;
  return index_of(g, n);
}

wk_node wk_graph_adaptive_avg_pool(wk_graph *g, const char *name, wk_node in, int out_height, int out_width) {
  if (dead(g))
    return -1;
  if (out_height < 1 || out_width < 1 || out_height > WK_NN_MAX_SIDE || out_width > WK_NN_MAX_SIDE)
    return mistake(g, WK_ERR_ARGUMENT, "layer '%s' cannot pool to %d x %d", name ? name : "", out_height, out_width);
  wk_node_def *n = add(g, name, WK_OP_ADAPTIVE_AVG_POOL, &in, 1);
  if (n) {
    n->out_height = out_height;
    n->out_width = out_width;
  }
  return index_of(g, n);
}

wk_node wk_graph_linear(wk_graph *g, const char *name, wk_node in, int out_features) {
  if (dead(g) || !channels_fit(g, name, out_features))
    return -1;
  wk_node_def *n = add(g, name, WK_OP_LINEAR, &in, 1);
  if (n) {
    n->out_channels = out_features;
    n->bias = true;
  }
  return index_of(g, n);
}

wk_node wk_graph_dropout(wk_graph *g, const char *name, wk_node in, float p) {
  if (dead(g))
    return -1;
  if (!(p >= 0 && p < 1))
    return mistake(g, WK_ERR_ARGUMENT, "layer '%s' cannot drop a share of %g: it must be 0 or more and below 1",
                   name ? name : "", (double)p);
  wk_node_def *n = add(g, name, WK_OP_DROPOUT, &in, 1);
  if (n)
    n->p = p;
  return index_of(g, n);
}

void wk_graph_stage(wk_graph *g, const char *stage) {
  if (dead(g))
    return;
  if (!stage || !*stage) {
    mistake(g, WK_ERR_ARGUMENT, "a stage has no name");
    return;
  }
  for (int i = 0; i < g->stage_count; i++)
    if (!strcmp(g->stages[i], stage)) {
      g->stage = i;
      return;
    }
  size_t bytes = sizeof *g->stages * (size_t)g->stage_count;
  char **grown = wk_grow(g->stages, bytes, bytes + sizeof *grown);
  if (grown) {
    g->stages = grown;
    grown[g->stage_count] = wk_strdup(stage);
  }
  if (!grown || !grown[g->stage_count])
    OUT_OF_MEMORY(g);
  else
    g->stage = g->stage_count++;
}

void wk_graph_outputs(wk_graph *g, wk_node features, wk_node logits) {
  if (dead(g))
    return;
  if (features < 0 || features >= g->size || logits >= g->size)
    mistake(g, WK_ERR_ARGUMENT, "the network's outputs are nodes %d and %d, but it has %d nodes", features, logits,
            g->size);
  g->features = features;
  g->logits = logits < 0 ? -1 : logits;
}

/* ---- finishing --------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b) {
  return strcmp(((const wk_graph_name *)a)->name, ((const wk_graph_name *)b)->name);
}

static wk_status index_names(wk_graph *g, wk_error *err) {
  g->by_name = wk_alloc_array((size_t)g->size, sizeof *g->by_name);
  if (!g->by_name)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a network");
  for (int i = 0; i < g->size; i++)
    g->by_name[i] = (wk_graph_name){g->node[i].name, i};
  qsort(g->by_name, (size_t)g->size, sizeof *g->by_name, by_name);
  for (int i = 1; i < g->size; i++)
    if (!strcmp(g->by_name[i].name, g->by_name[i - 1].name))
      return WK_FAIL(err, WK_ERR_ARGUMENT, "two layers are called '%s'; names must be distinct", g->by_name[i].name);
  return WK_OK;
}

static wk_status add_param(wk_graph *g, wk_node_def *n, const char *suffix, int ndim, const int64_t *shape,
                           bool trainable, wk_error *err) {
  if (wk_tensor_count(ndim, shape) < 0 || wk_tensor_count(ndim, shape) > WK_NN_MAX_WEIGHTS)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "layer '%s' has too large a %s", n->name, suffix);
  wk_param_info *p = &g->param[g->param_count];
  *p = (wk_param_info){.node = index_of(g, n), .ndim = ndim, .trainable = trainable};
  memcpy(p->shape, shape, sizeof *shape * (size_t)ndim);
  p->name = *suffix ? wk_asprintf("%s.%s", n->name, suffix) : wk_strdup(n->name);
  if (!p->name)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a network");
  g->param_count++;
  n->param_count++;
  return WK_OK;
}

/* Parameters in the order of the nodes; at most four a node. */
static wk_status list_params(wk_graph *g, wk_error *err) {
  g->param = wk_calloc((size_t)g->size * 4, sizeof *g->param);
  if (!g->param)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a network");
  for (int i = 0; i < g->size; i++) {
    wk_node_def *n = &g->node[i];
    n->first_param = g->param_count;
    int64_t in = n->inputs ? g->node[n->input[0]].shape.channels : 0, out = n->shape.channels;
    switch (n->op) {
    case WK_OP_CONV: {
      int64_t shape[4] = {out, in / n->groups, n->window.kernel_h, n->window.kernel_w};
      WK_RETURN_IF_ERROR(add_param(g, n, "weight", n->flat ? 2 : 4, shape, true, err));
      break;
    }
    case WK_OP_LINEAR:
      WK_RETURN_IF_ERROR(add_param(g, n, "weight", 2, (int64_t[]){out, in}, true, err));
      break;
    case WK_OP_BATCH_NORM:
      WK_RETURN_IF_ERROR(add_param(g, n, "weight", 1, &out, true, err));
      WK_RETURN_IF_ERROR(add_param(g, n, "bias", 1, &out, true, err));
      WK_RETURN_IF_ERROR(add_param(g, n, "running_mean", 1, &out, false, err));
      WK_RETURN_IF_ERROR(add_param(g, n, "running_var", 1, &out, false, err));
      break;
    case WK_OP_LAYER_NORM:
      WK_RETURN_IF_ERROR(add_param(g, n, "weight", 1, &out, true, err));
      break;
    case WK_OP_LAYER_SCALE:
      WK_RETURN_IF_ERROR(add_param(g, n, "", n->flat ? 1 : 3, (int64_t[]){out, 1, 1}, true, err));
      break;
    default:
      break;
    }
    if (n->bias)
      WK_RETURN_IF_ERROR(add_param(g, n, "bias", 1, &out, true, err));
  }
  return WK_OK;
}

static wk_status check_flat(const wk_graph *g, wk_node node, const char *what, wk_error *err) {
  if (node < 0)
    return WK_OK;
  wk_shape s = g->node[node].shape;
  if (s.height != 1 || s.width != 1)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "the %s '%s' must be flat but are %d x %d pixels: pool or flatten first", what,
                   g->node[node].name, s.height, s.width);
  return WK_OK;
}

wk_status wk_graph_finish(wk_graph *g, wk_error *err) {
  if (!g)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "no network to finish");
  if (g->mistake.code != WK_OK) {
    if (err)
      *err = g->mistake;
    return g->mistake.code;
  }
  if (g->finished)
    return WK_OK;
  wk_status st = WK_OK;
  wk_shape *shape = NULL;
  WK_FAIL_IF(g->input != 0, err, WK_ERR_ARGUMENT, "the network's first layer must be its input");
  WK_TRY(index_names(g, err));
  shape = wk_alloc_array((size_t)g->size, sizeof *shape);
  WK_FAIL_IF(!shape, err, WK_ERR_MEMORY, "out of memory for a network");
  WK_TRY(wk_graph_infer(shape, g, g->size - 1, 0, 0, err));
  for (int i = 0; i < g->size; i++)
    g->node[i].shape = shape[i];
  WK_TRY(list_params(g, err));
  WK_TRY(check_flat(g, g->features, "features", err));
  WK_TRY(check_flat(g, g->logits, "class scores", err));
  g->finished = true;
done:
  wk_free(shape);
  /* A graph that could not be finished stays so: its half-made tables must not be used. */
  if (st != WK_OK)
    wk_error_set(&g->mistake, st, "wk_graph_finish", "%s", err ? err->message : "the network could not be finished");
  return st;
}

/* ---- asking ------------------------------------------------------------------------------------ */

int wk_graph_size(const wk_graph *g) { return g->size; }
wk_node wk_graph_features(const wk_graph *g) { return g->features; }
wk_node wk_graph_logits(const wk_graph *g) { return g->logits; }
int wk_graph_param_count(const wk_graph *g) { return g->param_count; }

const wk_param_info *wk_graph_param(const wk_graph *g, int index) {
  return index < 0 || index >= g->param_count ? NULL : &g->param[index];
}

wk_node wk_graph_find(const wk_graph *g, const char *name) {
  if (!g->finished || !name)
    return -1;
  wk_graph_name key = {name, -1};
  const wk_graph_name *found = bsearch(&key, g->by_name, (size_t)g->size, sizeof key, by_name);
  return found ? found->node : -1;
}

wk_status wk_graph_node(wk_node_info *out, const wk_graph *g, wk_node node, int height, int width, wk_error *err) {
  if (!g->finished)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "the network is not finished: call wk_graph_finish first");
  if (node < 0 || node >= g->size)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "node %d is not there: the network has %d", node, g->size);
  const wk_node_def *n = &g->node[node];
  wk_status st = WK_OK;
  wk_shape *shape = wk_alloc_array((size_t)node + 1, sizeof *shape);
  WK_FAIL_IF(!shape, err, WK_ERR_MEMORY, "out of memory for a network's shapes");
  WK_TRY(wk_graph_infer(shape, g, node, height, width, err));
  *out = (wk_node_info){.name = n->name,
                        .stage = n->stage < 0 ? "" : g->stages[n->stage],
                        .op = n->op,
                        .shape = shape[node],
                        .inputs = n->inputs,
                        .input = n->input,
                        .macs = n->inputs ? wk_node_macs(n, shape[n->input[0]], shape[node]) : 0,
                        .window = n->window,
                        .groups = n->groups,
                        .out_channels = n->out_channels,
                        .bias = n->bias,
                        .flat = n->flat,
                        .eps = n->eps,
                        .p = n->p,
                        .extra = n->extra};
  for (int i = 0; i < n->param_count; i++) {
    const wk_param_info *p = &g->param[n->first_param + i];
    if (p->trainable)
      out->params += wk_tensor_count(p->ndim, p->shape);
  }
done:
  wk_free(shape);
  return st;
}

/* ---- weights ----------------------------------------------------------------------------------- */

static void shape_text(char *out, size_t room, int ndim, const int64_t *shape) {
  size_t used = (size_t)snprintf(out, room, "[");
  for (int i = 0; i < ndim && used < room; i++)
    used += (size_t)snprintf(out + used, room - used, "%s%lld", i ? ", " : "", (long long)shape[i]);
  if (used < room)
    snprintf(out + used, room - used, "]");
}

static wk_status check_param(const wk_param_info *p, const wk_tensor *t, wk_error *err) {
  char want[128], have[256];
  shape_text(want, sizeof want, p->ndim, p->shape);
  if (!t)
    return WK_FAIL(err, WK_ERR_FORMAT, "the weights have no '%s' (expected %s): they belong to another network",
                   p->name, want);
  if (t->dtype == WK_BOOL)
    return WK_FAIL(err, WK_ERR_FORMAT, "'%s' holds yes or no values, not numbers", p->name);
  bool same = t->ndim == p->ndim;
  for (int i = 0; same && i < p->ndim; i++)
    same = t->shape[i] == p->shape[i];
  if (!same) {
    shape_text(have, sizeof have, t->ndim, t->shape);
    return WK_FAIL(err, WK_ERR_FORMAT, "'%s' has shape %s but the network needs %s", p->name, have, want);
  }
  return WK_OK;
}

wk_status wk_graph_check_node(const wk_graph *g, const wk_tensors *weights, wk_node node, wk_error *err) {
  const wk_node_def *n = &g->node[node];
  const wk_tensor *t[4];
  bool statistics = false;
  for (int i = 0; i < n->param_count; i++) {
    t[i] = wk_tensors_find(weights, g->param[n->first_param + i].name);
    statistics |= t[i] && !g->param[n->first_param + i].trainable;
  }
  for (int i = 0; i < n->param_count; i++) {
    const wk_param_info *p = &g->param[n->first_param + i];
    if (p->trainable || statistics)
      WK_RETURN_IF_ERROR(check_param(p, t[i], err));
  }
  return WK_OK;
}

wk_status wk_graph_check_weights(const wk_graph *g, const wk_tensors *weights, wk_node up_to, wk_error *err) {
  if (!g->finished || up_to >= g->size)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "node %d cannot be checked: the network is not finished or has only %d", up_to,
                   g->size);
  wk_status st = WK_OK;
  bool *needed = wk_calloc((size_t)g->size, sizeof *needed);
  WK_FAIL_IF(!needed, err, WK_ERR_MEMORY, "out of memory for checking weights");
  for (wk_node i = g->size - 1; i >= 0; i--) {
    needed[i] |= up_to < 0 || i == up_to;
    for (int k = 0; needed[i] && k < g->node[i].inputs; k++)
      needed[g->node[i].input[k]] = true;
  }
  for (wk_node i = 0; i < g->size; i++)
    if (needed[i])
      WK_TRY(wk_graph_check_node(g, weights, i, err));
done:
  wk_free(needed);
  return st;
}

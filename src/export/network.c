/* network.c - from a model to the exportable network: the layers that its logits depend on, in order, with batch norms
 * folded in double precision and the head at the end. Weights that need no folding are those of the mapped file. */
#include <math.h>
#include <string.h>

#include "export/export.h"
#include "nn/graph/graph.h"

typedef struct builder {
  const wk_model *m;
  const wk_graph *g;
  wk_net *net;
  wk_shape *shape; /* [nodes] */
  bool *needed;    /* [nodes] */
  wk_node *source; /* [nodes] what does nothing is looked through */
  int *users;      /* [nodes] of a source */
  int *at;         /* [nodes] its layer */
  int room;        /* layers that fit */
} builder;

wk_status wk_export_no_memory(wk_error *err) { return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for an export"); }

void *wk_net_alloc(wk_net *n, size_t count, size_t size) {
  size_t bytes;
  return wk_mul_overflow(&bytes, count, size) ? NULL : wk_arena_alloc(&n->arena, bytes);
}

/* ---- parameters ------------------------------------------------------------------------------------- */

/* Parameter `index` of a node as floats; NULL: the weights have none such, a running statistic then. */
static wk_status read_param(const float **out, builder *b, wk_node node, int index, wk_error *err) {
  const wk_node_def *d = &b->g->node[node];
  *out = NULL;
  if (index >= d->param_count)
    return WK_OK;
  const wk_tensor *t = wk_tensors_find(b->m->backbone->weights, b->g->param[d->first_param + index].name);
  if (!t)
    return WK_OK;
  if (t->dtype == WK_F32 && (uintptr_t)t->data % sizeof(float) == 0) {
    *out = t->data;
    return WK_OK;
  }
  float *copy = wk_net_alloc(b->net, (size_t)wk_tensor_count(t->ndim, t->shape), sizeof *copy);
  if (!copy)
    return wk_export_no_memory(err);
  *out = copy;
  return wk_tensor_to_f32(copy, t, err);
}

/* weight[o] *= scale, bias[o] = bias[o] * scale + shift, into memory of its own. */
static wk_status fold(wk_net_layer *l, builder *b, wk_node norm, wk_error *err) {
  const float *p[4];
  const size_t outputs = (size_t)l->to.channels, each = l->weights / outputs;
  float *weight = wk_net_alloc(b->net, l->weights, sizeof *weight), *bias = wk_net_alloc(b->net, outputs, sizeof *bias);
  if (!weight || !bias)
    return wk_export_no_memory(err);
  for (int i = 0; i < 4; i++)
    WK_RETURN_IF_ERROR(read_param(&p[i], b, norm, i, err));
  for (size_t o = 0; o < outputs; o++) {
    const double mean = p[2] ? (double)p[2][o] : 0, variance = p[3] ? (double)p[3][o] : 1;
    const double scale = (double)p[0][o] / sqrt(variance + (double)b->g->node[norm].eps);
    for (size_t i = 0; i < each; i++)
      weight[o * each + i] = (float)((l->weight ? (double)l->weight[o * each + i] : 1) * scale);
    bias[o] = (float)(((l->bias ? (double)l->bias[o] : 0) - mean) * scale + (p[1] ? (double)p[1][o] : 0));
  }
  l->weight = weight;
  l->bias = bias;
  return WK_OK;
}

/* The trained head, its temperature divided out. */
static wk_status head_weights(wk_net_layer *l, builder *b, wk_error *err) {
  const wk_head *h = b->m->head;
  float *weight = wk_net_alloc(b->net, l->weights, sizeof *weight),
        *bias = wk_net_alloc(b->net, (size_t)h->class_count, sizeof *bias);
  if (!weight || !bias)
    return wk_export_no_memory(err);
  for (size_t i = 0; i < l->weights; i++)
    weight[i] = (float)((double)h->weight[i] / (double)h->temperature);
  for (int i = 0; i < h->class_count; i++)
    bias[i] = (float)((double)h->bias[i] / (double)h->temperature);
  l->weight = weight;
  l->bias = bias;
  return WK_OK;
}

static wk_status layer_weights(wk_net_layer *l, builder *b, wk_node node, wk_error *err) {
  const wk_node_def *d = &b->g->node[node];
  if (l->op == WK_OP_BATCH_NORM) {
    l->weights = (size_t)l->to.channels;
    return fold(l, b, node, err);
  }
  const wk_param_info *p = &b->g->param[d->first_param];
  l->weights = (size_t)wk_tensor_count(p->ndim, p->shape);
  if (b->m->head && node == b->g->logits)
    return head_weights(l, b, err);
  WK_RETURN_IF_ERROR(read_param(&l->weight, b, node, 0, err));
  if (d->bias || l->op == WK_OP_LINEAR)
    WK_RETURN_IF_ERROR(read_param(&l->bias, b, node, 1, err));
  if (l->bias)
    return WK_OK;
  float *zeros = wk_net_alloc(b->net, (size_t)l->to.channels, sizeof *zeros);
  if (!zeros)
    return wk_export_no_memory(err);
  memset(zeros, 0, (size_t)l->to.channels * sizeof *zeros);
  l->bias = zeros;
  return WK_OK;
}

/* ---- layers ----------------------------------------------------------------------------------------- */

static bool is_elementwise(wk_op op) {
  switch (op) {
  case WK_OP_BATCH_NORM:
  case WK_OP_LAYER_NORM:
  case WK_OP_LAYER_SCALE:
  case WK_OP_RELU:
  case WK_OP_RELU6:
  case WK_OP_HARDSWISH:
  case WK_OP_HARDSIGMOID:
  case WK_OP_SILU:
  case WK_OP_SIGMOID:
  case WK_OP_ADD:
  case WK_OP_MULTIPLY:
  case WK_OP_ROUND:
  case WK_OP_LEAKY_RELU:
  case WK_OP_ELU:
  case WK_OP_TANH:
  case WK_OP_GELU:
  case WK_OP_SOFTMAX:
    return true;
  default:
    return false;
  }
}

static bool has_window(wk_op op) {
  return op == WK_OP_CONV || op == WK_OP_MAX_POOL || op == WK_OP_AVG_POOL || op == WK_OP_PAD;
}

/* Real paddings, and whether they are those that TensorFlow's SAME would have. */
static void set_window(wk_net_layer *l, const wk_window *w) {
  l->window = wk_window_resolve(w, l->from.height, l->from.width);
  l->window.same = false;
  if (l->op == WK_OP_MAX_POOL && w->ceil_mode) { /* beyond the edge is nothing: as well paddings */
    const int over_h = (l->to.height - 1) * w->stride_h + (w->kernel_h - 1) * w->dilation_h + 1 - l->from.height,
              over_w = (l->to.width - 1) * w->stride_w + (w->kernel_w - 1) * w->dilation_w + 1 - l->from.width;
    if (over_h - l->window.pad_top > l->window.pad_bottom)
      l->window.pad_bottom = over_h - l->window.pad_top;
    if (over_w - l->window.pad_left > l->window.pad_right)
      l->window.pad_right = over_w - l->window.pad_left;
    l->window.ceil_mode = false;
  }
  wk_window same = *w;
  same.same = true;
  same = wk_window_resolve(&same, l->from.height, l->from.width);
  l->same = same.pad_top == l->window.pad_top && same.pad_bottom == l->window.pad_bottom &&
            same.pad_left == l->window.pad_left && same.pad_right == l->window.pad_right && !l->window.ceil_mode &&
            l->to.height == (l->from.height + w->stride_h - 1) / w->stride_h &&
            l->to.width == (l->from.width + w->stride_w - 1) / w->stride_w;
}

/* Adaptive pooling is global, or windows of one size side by side; else no other framework's operation does the same.
 */
static wk_status settle_adaptive(wk_net_layer *l, wk_error *err) {
  const wk_shape in = l->from, out = l->to;
  if (out.height == 1 && out.width == 1)
    return WK_OK;
  if (in.height % out.height || in.width % out.width)
    return WK_FAIL(
        err, WK_ERR_UNSUPPORTED,
        "layer '%s' pools %d x %d pixels to %d x %d, in windows of several sizes, which other frameworks do not "
        "have; export the network at its own input size",
        l->name, in.height, in.width, out.height, out.width);
  l->op = WK_OP_AVG_POOL;
  l->window = wk_window_square(1, 1, 0);
  l->window.kernel_h = l->window.stride_h = in.height / out.height;
  l->window.kernel_w = l->window.stride_w = in.width / out.width;
  l->same = true;
  return WK_OK;
}

/* A flatten between `before` and what wants numbers; *out is its layer. */
static wk_status add_flatten(int *out, builder *b, int before, const char *for_whom, wk_error *err) {
  const wk_net_layer *from = &b->net->layer[before];
  const size_t n = strlen(for_whom);
  char *name = wk_net_alloc(b->net, n + 9, 1);
  int *in = wk_net_alloc(b->net, 1, sizeof *in);
  if (!name || !in)
    return wk_export_no_memory(err);
  memcpy(name, for_whom, n);
  memcpy(name + n, ".flatten", 9);
  *in = before;
  *out = b->net->layers++;
  b->net->layer[*out] = (wk_net_layer){.name = name,
                                       .op = WK_OP_FLATTEN,
                                       .inputs = 1,
                                       .in = in,
                                       .from = from->to,
                                       .to = {1, 1, from->to.height * from->to.width * from->to.channels},
                                       .flat = true,
                                       .unflat = from->to.height * from->to.width > 1 ? from->to : (wk_shape){0},
                                       .groups = 1};
  return WK_OK;
}

static wk_status add_layer(builder *b, wk_node node, wk_error *err) {
  const wk_node_def *d = &b->g->node[node];
  wk_net *net = b->net;
  int *in = wk_net_alloc(net, (size_t)d->inputs + 1, sizeof *in);
  if (!in)
    return wk_export_no_memory(err);
  for (int k = 0; k < d->inputs; k++)
    in[k] = b->at[b->source[d->input[k]]];
  if (d->op == WK_OP_LINEAR && !net->layer[in[0]].flat)
    WK_RETURN_IF_ERROR(add_flatten(&in[0], b, in[0], d->name, err));
  b->at[node] = net->layers;
  wk_net_layer *l = &net->layer[net->layers++];
  *l = (wk_net_layer){.name = d->name,
                      .node = node,
                      .op = d->op == WK_OP_LAYER_SCALE ? WK_OP_BATCH_NORM : d->op, /* one without a shift */
                      .inputs = d->inputs,
                      .in = in,
                      .to = b->shape[node],
                      .groups = d->groups ? d->groups : 1,
                      .eps = d->eps,
                      .extra = d->extra};
  const wk_net_layer *first = d->inputs ? &net->layer[in[0]] : NULL;
  l->from = first ? first->to : l->to;
  l->flat = d->op == WK_OP_LINEAR || d->op == WK_OP_FLATTEN || (first && first->flat && is_elementwise(d->op));
  if (d->op == WK_OP_FLATTEN && l->from.height * l->from.width > 1)
    l->unflat = l->from;
  else if (first && l->flat && is_elementwise(d->op))
    l->unflat = first->unflat;
  if (has_window(d->op))
    set_window(l, &d->window);
  if (d->op == WK_OP_ADAPTIVE_AVG_POOL)
    WK_RETURN_IF_ERROR(settle_adaptive(l, err));
  return d->param_count ? layer_weights(l, b, node, err) : WK_OK;
}

/* The layer that this node can become part of, whose only reader it is; NULL: it is one of its own. */
static wk_net_layer *absorber(const builder *b, wk_node node) {
  const wk_node_def *d = &b->g->node[node];
  if (d->inputs != 1 || b->users[b->source[d->input[0]]] != 1)
    return NULL;
  wk_net_layer *l = &b->net->layer[b->at[b->source[d->input[0]]]];
  const bool weights = l->op == WK_OP_CONV || l->op == WK_OP_LINEAR;
  if (l->act)
    return NULL;
  if (wk_op_is_affine(d->op))
    return weights ? l : NULL;
  return (d->op == WK_OP_RELU || d->op == WK_OP_RELU6) && (weights || l->op == WK_OP_ADD || l->op == WK_OP_BATCH_NORM)
             ? l
             : NULL;
}

static wk_status add_node(builder *b, wk_node node, wk_error *err) {
  wk_net_layer *l = absorber(b, node);
  if (!l)
    return add_layer(b, node, err);
  b->at[node] = b->at[b->source[b->g->node[node].input[0]]];
  l->node = node;
  if (wk_op_is_affine(b->g->node[node].op))
    return fold(l, b, node, err);
  l->act = b->g->node[node].op;
  return WK_OK;
}

static void mark(builder *b) {
  const wk_graph *g = b->g;
  b->needed[g->logits] = true;
  for (wk_node i = g->logits; i >= 0; i--)
    for (int k = 0; b->needed[i] && k < g->node[i].inputs; k++)
      b->needed[g->node[i].input[k]] = true;
  for (wk_node i = 0; i <= g->logits; i++) {
    const wk_node_def *d = &g->node[i];
    const wk_node from = d->inputs ? d->input[0] : i;
    const bool same_size = b->shape[i].height == b->shape[from].height && b->shape[i].width == b->shape[from].width;
    const bool nothing = d->op == WK_OP_DROPOUT || (d->op == WK_OP_ADAPTIVE_AVG_POOL && same_size);
    b->source[i] = nothing ? b->source[from] : i;
    for (int k = 0; b->needed[i] && b->source[i] == i && k < g->node[i].inputs; k++)
      b->users[b->source[g->node[i].input[k]]]++;
  }
}

/* A network that wants blue first gets the weights of its first convolutions turned. */
static wk_status turn_bgr(wk_net *net, wk_error *err) {
  wk_preprocess *p = &net->preprocess;
  for (int i = 1; i < net->layers; i++) {
    wk_net_layer *l = &net->layer[i];
    bool reads = false;
    for (int k = 0; k < l->inputs; k++)
      reads |= l->in[k] == 0;
    if (!reads)
      continue;
    if (l->op != WK_OP_CONV || l->groups != 1 || l->from.channels != 3)
      return WK_FAIL(err, WK_ERR_UNSUPPORTED,
                     "layer '%s' reads blue, green, red and is no convolution: such a network cannot be exported",
                     l->name);
    const size_t taps = (size_t)l->window.kernel_h * (size_t)l->window.kernel_w;
    float *turned = wk_net_alloc(net, l->weights, sizeof *turned);
    if (!turned)
      return wk_export_no_memory(err);
    for (size_t w = 0; w < l->weights; w++)
      turned[w / taps / 3 * 3 * taps + (2 - w / taps % 3) * taps + w % taps] = l->weight[w];
    l->weight = turned;
  }
  wk_export_rgb(p);
  return WK_OK;
}

/* ---- all of it --------------------------------------------------------------------------------------- */

static wk_status check_model(const wk_model *m, wk_error *err) {
  const wk_backbone *b = m->backbone;
  if (m->head && m->head->kind != WK_HEAD_LINEAR)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED,
                   "a %s head compares with kept features and cannot be exported; train one with --head linear",
                   m->head->kind == WK_HEAD_KNN ? "nearest-neighbour" : "nearest-mean");
  if (!m->head && (wk_graph_logits(b->graph) < 0 || m->label_count < 1))
    return WK_FAIL(err, WK_ERR_UNSUPPORTED,
                   "%s has no classifier, so there is nothing to predict; train a model with it and export that",
                   b->arch->name);
  return wk_preprocess_validate(&b->preprocess, err);
}

static wk_status build(builder *b, wk_error *err) {
  wk_net *net = b->net;
  const wk_graph *g = b->g;
  const wk_preprocess *p = &net->preprocess;
  const size_t n = (size_t)g->size;
  b->shape = wk_net_alloc(net, n, sizeof *b->shape);
  b->needed = wk_net_alloc(net, n, sizeof *b->needed);
  b->source = wk_net_alloc(net, n, sizeof *b->source);
  b->users = wk_net_alloc(net, n, sizeof *b->users);
  b->at = wk_net_alloc(net, n, sizeof *b->at);
  net->layer = wk_net_alloc(net, 2 * n + 1, sizeof *net->layer); /* each with a flatten */
  if (!b->shape || !b->needed || !b->source || !b->users || !b->at || !net->layer)
    return wk_export_no_memory(err);
  memset(b->needed, 0, n * sizeof *b->needed);
  memset(b->users, 0, n * sizeof *b->users);
  WK_RETURN_IF_ERROR(wk_graph_infer(b->shape, g, g->logits, p->height, p->width, err));
  mark(b);
  for (wk_node i = 0; i <= g->logits; i++)
    if (b->needed[i] && b->source[i] == i)
      WK_RETURN_IF_ERROR(add_node(b, i, err));
  int last = b->at[b->source[g->logits]];
  if (!net->layer[last].flat)
    WK_RETURN_IF_ERROR(add_flatten(&last, b, last, net->layer[last].name, err));
  for (int i = 0; i < net->layers; i++)
    for (int k = 0; k < net->layer[i].inputs; k++)
      net->layer[net->layer[i].in[k]].users++;
  net->features = g->features >= 0 && b->needed[g->features] ? b->at[b->source[g->features]] : last;
  net->classes = net->layer[last].to.channels;
  if (last != net->layers - 1 || net->classes != b->m->label_count)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "the network has %d outputs for %d labels and cannot be exported",
                   net->classes, b->m->label_count);
  return p->bgr ? turn_bgr(net, err) : WK_OK;
}

wk_status wk_net_create(wk_net **out, const wk_model *m, wk_error *err) {
  wk_status st = WK_OK;
  builder b = {.m = m};
  WK_RETURN_IF_ERROR(check_model(m, err));
  wk_net *net = wk_calloc(1, sizeof *net);
  if (!net)
    return wk_export_no_memory(err);
  net->arena = (wk_arena){.limit = SIZE_MAX, .step = (size_t)1 << 16, .align = 16};
  net->labels = m->labels;
  net->name = m->backbone->arch->name;
  net->preprocess = m->backbone->preprocess;
  net->graph = m->backbone->graph;
  if (m->head) {
    net->graph = NULL;
    net->own_graph = true;
    WK_TRY(wk_backbone_build(&net->graph, m->backbone, m->head->class_count, err));
    WK_FAIL_IF(net->graph->node[net->graph->features].shape.channels != m->head->feature_count, err, WK_ERR_UNSUPPORTED,
               "the head reads %d features and %s gives %d: such a model cannot be exported", m->head->feature_count,
               m->backbone->arch->name, net->graph->node[net->graph->features].shape.channels);
  }
  b.net = net;
  b.g = net->graph;
  WK_TRY(build(&b, err));
  *out = net;
  net = NULL;
done:
  wk_net_free(net);
  return st;
}

void wk_net_free(wk_net *n) {
  if (!n)
    return;
  if (n->own_graph)
    wk_graph_free(n->graph);
  wk_arena_free(&n->arena);
  wk_free(n);
}

/* ---- what writers ask, and weights in other orders ------------------------------------------------------ */

bool wk_net_is_depthwise(const wk_net_layer *l) { return l->groups > 1 && l->groups == l->from.channels; }

bool wk_net_is_positive(const wk_net *n, int layer) {
  const wk_net_layer *l = &n->layer[layer];
  if (l->act) /* only ReLU and ReLU6 become part of another layer */
    return true;
  switch (l->op) {
  case WK_OP_RELU:
  case WK_OP_RELU6:
  case WK_OP_SIGMOID:
  case WK_OP_HARDSIGMOID:
  case WK_OP_SOFTMAX:
    return true;
  case WK_OP_MAX_POOL:
  case WK_OP_AVG_POOL:
  case WK_OP_ADAPTIVE_AVG_POOL:
  case WK_OP_PAD:
  case WK_OP_SLICE:
  case WK_OP_SHUFFLE:
  case WK_OP_CONCAT:
    for (int i = 0; i < l->inputs; i++)
      if (!wk_net_is_positive(n, l->in[i]))
        return false;
    return true;
  default:
    return false;
  }
}

void wk_net_hwio(float *out, const wk_net_layer *l) {
  const size_t outputs = (size_t)l->to.channels, taps = (size_t)l->window.kernel_h * (size_t)l->window.kernel_w,
               inputs = l->weights / outputs / taps;
  for (size_t o = 0; o < outputs; o++)
    for (size_t i = 0; i < inputs; i++)
      for (size_t t = 0; t < taps; t++)
        out[(t * inputs + i) * outputs + o] = l->weight[(o * inputs + i) * taps + t];
}

void wk_net_ohwi(float *out, const wk_net_layer *l) {
  const size_t outputs = (size_t)l->to.channels, taps = (size_t)l->window.kernel_h * (size_t)l->window.kernel_w,
               inputs = l->weights / outputs / taps;
  for (size_t o = 0; o < outputs; o++)
    for (size_t i = 0; i < inputs; i++)
      for (size_t t = 0; t < taps; t++)
        out[(o * taps + t) * inputs + i] = l->weight[(o * inputs + i) * taps + t];
}

void wk_net_matrix(float *out, const wk_net_layer *l, const wk_net_layer *input, bool transpose) {
  const size_t outputs = (size_t)l->to.channels, inputs = l->weights / outputs;
  const wk_shape s = input->unflat;
  const size_t pixels = s.height ? (size_t)s.height * (size_t)s.width : 1, channels = inputs / pixels;
  for (size_t o = 0; o < outputs; o++)
    for (size_t c = 0; c < channels; c++)
      for (size_t p = 0; p < pixels; p++) {
        const size_t to = p * channels + c;
        out[transpose ? to * outputs + o : o * inputs + to] = l->weight[o * inputs + c * pixels + p];
      }
}

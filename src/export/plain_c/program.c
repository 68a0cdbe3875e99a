/* program.c - the net's layers as calls of kernels, and the plan of working memory: each value lies where it may be
 * written over as soon as its last reader has run. What moves nothing (a flatten of one pixel, or one whose readers can
 * have their weights turned instead) is no call. */
#include "export/plain_c/program.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include "nn/compile/first_fit.h"

const char *wk_c_kernel_name(wk_c_kernel k) {
  static const char *const name[] = {
#define ROW(name) #name,
      WK_C_KERNELS(ROW)
#undef ROW
          "conv_rgb",
      "rgb"};
  return name[k];
}

typedef struct maker {
  wk_c_program *p;
  wk_net *net;
  int *root;              /* [layers] the layer in whose place its values lie */
  int *last;              /* [layers] the last step that reads a root */
  int *storage;           /* [layers] the root whose block it writes over; itself: a block of its own */
  int *made;              /* [layers] the step that makes a root; -1: none */
  wk_memory_block *block; /* [layers] */
} maker;

static int64_t count_of(wk_shape s) { return (int64_t)s.height * s.width * s.channels; }

/* ---- calls --------------------------------------------------------------------------------------------- */

static bool reads_bytes(const wk_net *n, const wk_net_layer *l) {
  return l->op == WK_OP_CONV && l->in[0] == 0 && n->layer[0].users == 1 && l->groups == 1 &&
         l->window.kernel_w <= nn_patch;
}

/* What computes each operation, and what is done to each number by those that are curves. */
typedef struct rule {
  bool known;
  wk_c_kernel kernel;
  int act;
  bool floats; /* not in 8 bits */
} rule;

static const rule rules[WK_OP_COUNT] = {
    [WK_OP_CONV] = {true, WK_C_conv, nn_none, false},
    [WK_OP_LINEAR] = {true, WK_C_conv, nn_none, false},
    [WK_OP_BATCH_NORM] = {true, WK_C_affine, nn_none, false},
    [WK_OP_ADD] = {true, WK_C_add, nn_none, false},
    [WK_OP_MULTIPLY] = {true, WK_C_multiply, nn_none, false},
    [WK_OP_SCALE] = {true, WK_C_scale, nn_none, false},
    [WK_OP_CONCAT] = {true, WK_C_copy, nn_none, false},
    [WK_OP_MAX_POOL] = {true, WK_C_max_pool, nn_none, false},
    [WK_OP_AVG_POOL] = {true, WK_C_avg_pool, nn_none, false},
    [WK_OP_ADAPTIVE_AVG_POOL] = {true, WK_C_adaptive_avg_pool, nn_none, false},
    [WK_OP_FLATTEN] = {true, WK_C_flatten, nn_none, false},
    [WK_OP_SOFTMAX] = {true, WK_C_shares, nn_none, true},
    [WK_OP_PAD] = {true, WK_C_pad, nn_none, false},
    [WK_OP_SLICE] = {true, WK_C_slice, nn_none, false},
    [WK_OP_SHUFFLE] = {true, WK_C_shuffle, nn_none, false},
    [WK_OP_LRN] = {true, WK_C_lrn, nn_none, true},
    [WK_OP_ROUND] = {true, WK_C_round, nn_none, false},
    [WK_OP_RELU] = {true, WK_C_curves, nn_relu, false},
    [WK_OP_RELU6] = {true, WK_C_curves, nn_relu6, false},
    [WK_OP_HARDSWISH] = {true, WK_C_curves, nn_hardswish, false},
    [WK_OP_HARDSIGMOID] = {true, WK_C_curves, nn_hardsigmoid, false},
    [WK_OP_SILU] = {true, WK_C_curves, nn_silu, false},
    [WK_OP_SIGMOID] = {true, WK_C_curves, nn_sigmoid, false},
    [WK_OP_LEAKY_RELU] = {true, WK_C_curves, nn_leaky, false},
    [WK_OP_ELU] = {true, WK_C_curves, nn_elu, false},
    [WK_OP_TANH] = {true, WK_C_curves, nn_tanh, false},
    [WK_OP_GELU] = {true, WK_C_curves, nn_gelu, false},
};

static wk_c_kernel kernel_of(const wk_net *n, const wk_net_layer *l) {
  if (l->op != WK_OP_CONV)
    return rules[l->op].kernel;
  if (reads_bytes(n, l))
    return WK_C_conv_rgb;
  return wk_net_is_depthwise(l) && l->to.channels == l->from.channels ? WK_C_depthwise : WK_C_conv;
}

static bool is_curve(wk_op op) { return rules[op].kernel == WK_C_curves; }

static bool ignores_channels(wk_op op) { return op == WK_OP_FLATTEN || op == WK_OP_ROUND || is_curve(op); }

/* Do linear layers alone read what comes of `layer`, maybe through curves? */
static bool only_linear_reads(const wk_net *n, int layer) {
  if (layer == n->layers - 1)
    return false;
  for (int i = layer + 1; i < n->layers; i++)
    for (int k = 0; k < n->layer[i].inputs; k++)
      if (n->layer[i].in[k] == layer && n->layer[i].op != WK_OP_LINEAR &&
          !(ignores_channels(n->layer[i].op) && only_linear_reads(n, i)))
        return false;
  return true;
}

static nn_layer fields_of(const wk_net_layer *l, wk_c_kernel kernel) {
  const wk_window *w = &l->window;
  nn_layer f = {.ih = l->from.height,
                .iw = l->from.width,
                .ic = l->from.channels,
                .oh = l->to.height,
                .ow = l->to.width,
                .oc = l->to.channels,
                .kh = 1,
                .kw = 1,
                .sh = 1,
                .sw = 1,
                .dh = 1,
                .dw = 1,
                .groups = l->op == WK_OP_CONV || l->op == WK_OP_SHUFFLE ? l->groups : 1,
                .act = rules[kernel == WK_C_curves ? l->op : l->act].act};
  if (l->op == WK_OP_CONV || l->op == WK_OP_MAX_POOL || l->op == WK_OP_AVG_POOL) {
    f.kh = w->kernel_h, f.kw = w->kernel_w, f.sh = w->stride_h, f.sw = w->stride_w;
    f.dh = w->dilation_h, f.dw = w->dilation_w;
  }
  if (f.kh > 1 || f.kw > 1 || l->op == WK_OP_CONV || l->op == WK_OP_PAD)
    f.top = w->pad_top, f.left = w->pad_left, f.bottom = w->pad_bottom, f.right = w->pad_right;
  if (l->op == WK_OP_LINEAR) { /* one pixel of as many channels */
    f.ic *= f.ih * f.iw;
    f.ih = f.iw = 1;
  }
  if (l->op == WK_OP_AVG_POOL)
    f.first = w->count_include_pad;
  if (l->op == WK_OP_PAD || l->op == WK_OP_SLICE || l->op == WK_OP_LRN || kernel == WK_C_round ||
      l->op == WK_OP_LEAKY_RELU || l->op == WK_OP_ELU) {
    f.first = l->extra.first, f.count = l->extra.count;
    f.alpha = l->extra.alpha, f.beta = l->extra.beta, f.bias = l->extra.bias;
  }
  return f;
}

static size_t weight_bytes(const wk_net_layer *l, wk_c_kernel kernel, bool eight) {
  const size_t outputs = l->weight ? (size_t)l->to.channels : 0;
  if (eight && (kernel == WK_C_conv_rgb || kernel == WK_C_conv || kernel == WK_C_depthwise))
    return (kernel == WK_C_conv_rgb ? 12 : 0) + 8 * outputs + (l->weights + 3) / 4 * 4;
  const size_t table = kernel == WK_C_conv_rgb || kernel == WK_C_rgb ? 3 * 256 : 0;
  return (table + (l->weight ? l->weights : 0) + outputs) * sizeof(float);
}

static wk_c_step *add_step(maker *m, int layer, wk_c_kernel kernel) {
  wk_c_program *p = m->p;
  const wk_net_layer *l = &m->net->layer[layer];
  const size_t bytes = weight_bytes(l, kernel, p->quant != NULL);
  wk_c_step *s = &p->step[p->steps++];
  *s = (wk_c_step){.kernel = kernel, .layer = fields_of(l, kernel), .other = WK_C_NOTHING, .of = layer};
  if (bytes) {
    s->weights = p->weight_bytes;
    p->weight_bytes += bytes;
  }
  m->made[layer] = m->made[layer] < 0 ? p->steps - 1 : m->made[layer];
  return s;
}

static void reads(maker *m, int layer) {
  if (m->root[layer] >= 0)
    m->last[m->root[layer]] = m->p->steps - 1;
}

/* Places are not known yet: `in` and `other` are layers until all steps are there. */
static wk_status add_layer(maker *m, int i, wk_error *err) {
  const wk_net_layer *l = &m->net->layer[i];
  wk_c_kernel kernel = kernel_of(m->net, l);
  if (m->p->quant && kernel == WK_C_round) /* to bytes, in their own steps */
    kernel = WK_C_copy;
  m->root[i] = i;
  if (!rules[l->op].known || (m->p->quant && rules[l->op].floats))
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "layer '%s' (%s) cannot be written as plain C%s", l->name,
                   wk_op_name(l->op), rules[l->op].known ? " in 8 bits; write it as float32" : "");
  if (l->op == WK_OP_FLATTEN) {
    const bool one = l->from.height * l->from.width == 1;
    if (one || only_linear_reads(m->net, i)) {
      m->root[i] = m->root[l->in[0]];
      return WK_OK;
    }
    m->p->turned[i] = true;
  } else if (l->unflat.height) {
    m->p->turned[i] = m->p->turned[l->in[0]];
  }
  int at = 0;
  for (int k = 0; k < (l->op == WK_OP_CONCAT ? l->inputs : 1); k++) {
    wk_c_step *s = add_step(m, i, kernel);
    s->in = kernel == WK_C_conv_rgb ? WK_C_PHOTO : m->root[l->in[k]];
    if (kernel != WK_C_conv_rgb)
      reads(m, l->in[k]);
    if (l->op == WK_OP_CONCAT) {
      s->layer.ic = m->net->layer[l->in[k]].to.channels;
      s->layer.first = at;
      at += s->layer.ic;
    } else if (l->inputs > 1) {
      s->other = m->root[l->in[1]];
      reads(m, l->in[1]);
    }
  }
  return WK_OK;
}

/* ---- places -------------------------------------------------------------------------------------------- */

static bool works_in_place(wk_c_kernel k) {
  return k == WK_C_affine || k == WK_C_curves || k == WK_C_add || k == WK_C_multiply || k == WK_C_scale ||
         k == WK_C_round || k == WK_C_shares;
}

/* The root that step s may write over, because it is read for the last time; -1: none. */
static int overwrites(const maker *m, int s) {
  const wk_c_step *step = &m->p->step[s];
  const int64_t numbers = count_of(m->net->layer[step->of].to);
  if (!works_in_place(step->kernel))
    return -1;
  for (int k = 0; k < (step->kernel == WK_C_add || step->kernel == WK_C_multiply ? 2 : 1); k++) {
    const int64_t from = k ? step->other : step->in;
    if (from >= 0 && m->last[from] == s && count_of(m->net->layer[from].to) == numbers)
      return (int)from;
  }
  return -1;
}

static wk_status place(maker *m, wk_error *err) {
  wk_c_program *p = m->p;
  const size_t each = p->quant ? 1 : sizeof(float);
  size_t total = 0;
  const int end = m->root[m->net->layers - 1];
  m->last[end] = INT_MAX;
  for (int i = 0; i < m->net->layers; i++)
    m->storage[i] = -1;
  for (int s = 0; s < p->steps; s++) {
    const int of = p->step[s].of;
    if (m->made[of] != s)
      continue;
    const int over = overwrites(m, s), room = over < 0 ? of : m->storage[over];
    m->storage[of] = room;
    if (room == of)
      m->block[of].first = s;
    m->block[room].bytes = (size_t)count_of(m->net->layer[of].to) * each;
    m->block[room].last = m->last[of] < s ? s : m->last[of];
  }
  WK_RETURN_IF_ERROR(wk_first_fit(&total, m->block, m->net->layers, err));
  for (int s = 0; s < p->steps; s++) {
    wk_c_step *step = &p->step[s];
    int64_t *const at[] = {&step->in, &step->other};
    if (p->quant) {
      const wk_c_quant none = {1, 0};
      step->of_out = p->quant[step->of];
      step->of_in = step->in >= 0 ? p->quant[step->in] : none;
      step->of_other = step->other >= 0 ? p->quant[step->other] : none;
    }
    step->out = (int64_t)(m->block[m->storage[step->of]].offset / each);
    for (int k = 0; k < 2; k++)
      if (*at[k] >= 0)
        *at[k] = (int64_t)(m->block[m->storage[*at[k]]].offset / each);
  }
  p->logits = (int64_t)(m->block[m->storage[end]].offset / each);
  p->work_numbers = total / each;
  if (p->quant)
    p->end = p->quant[end];
  return WK_OK;
}

/* ---- all of it ----------------------------------------------------------------------------------------- */

/* Indices in the runtime are int. */
static wk_status check_sizes(const wk_net *n, wk_error *err) {
  for (int i = 0; i < n->layers; i++)
    if (count_of(n->layer[i].to) > INT_MAX / 4 || n->layer[i].weights > INT_MAX / 4)
      return WK_FAIL(err, WK_ERR_UNSUPPORTED, "layer '%s' is too large to be written as plain C", n->layer[i].name);
  return WK_OK;
}

/* Does it move numbers, and compute nothing? Then it keeps their scale. */
static bool only_moves(wk_op op) {
  return op == WK_OP_MAX_POOL || op == WK_OP_FLATTEN || op == WK_OP_SLICE || op == WK_OP_SHUFFLE || op == WK_OP_PAD;
}

wk_status wk_c_quantise(wk_c_quant **out, wk_net *net, const wk_net_range *range, wk_error *err) {
  wk_c_quant *q = wk_net_alloc(net, (size_t)net->layers, sizeof *q);
  if (!q)
    return wk_export_no_memory(err);
  for (int i = 0; i < net->layers; i++) {
    const double low = range[i].low < 0 ? (double)range[i].low : 0,
                 high = range[i].high > 0 ? (double)range[i].high : 0;
    const double step = high - low > 1e-12 ? (high - low) / 255 : 1.0 / 255;
    q[i] = (wk_c_quant){(float)step, (int32_t)lround(-128 - low / step)};
    if (only_moves(net->layer[i].op))
      q[i] = q[net->layer[i].in[0]];
  }
  *out = q;
  return WK_OK;
}

wk_status wk_c_program_make(wk_c_program *out, wk_net *net, wk_c_quant *quant, wk_error *err) {
  wk_c_program p = {.net = net, .quant = quant, .weight_bytes = WK_C_HEAD};
  p.weight_bytes += quant ? (size_t)net->layers * sizeof *quant : 0;
  maker m = {.p = &p, .net = net};
  const size_t n = (size_t)net->layers;
  size_t steps = 1;
  for (size_t i = 0; i < n; i++)
    steps += (size_t)(net->layer[i].inputs > 1 ? net->layer[i].inputs : 1);
  p.step = wk_net_alloc(net, steps, sizeof *p.step);
  p.turned = wk_net_alloc(net, n, sizeof *p.turned);
  m.root = wk_net_alloc(net, n, sizeof *m.root);
  m.last = wk_net_alloc(net, n, sizeof *m.last);
  m.storage = wk_net_alloc(net, n, sizeof *m.storage);
  m.made = wk_net_alloc(net, n, sizeof *m.made);
  m.block = wk_net_alloc(net, n, sizeof *m.block);
  if (!p.step || !p.turned || !m.root || !m.last || !m.storage || !m.made || !m.block)
    return wk_export_no_memory(err);
  WK_RETURN_IF_ERROR(check_sizes(net, err));
  for (size_t i = 0; i < n; i++) {
    m.root[i] = m.last[i] = m.made[i] = -1;
    p.turned[i] = false;
    m.block[i] = (wk_memory_block){0};
  }
  if (net->layers < 2 || !reads_bytes(net, &net->layer[1])) {
    m.root[0] = 0;
    add_step(&m, 0, WK_C_rgb)->in = WK_C_PHOTO;
  }
  for (int i = 1; i < net->layers; i++)
    WK_RETURN_IF_ERROR(add_layer(&m, i, err));
  WK_RETURN_IF_ERROR(place(&m, err));
  *out = p;
  return WK_OK;
}

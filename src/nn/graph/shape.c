/* shape.c - how large every layer's output is, at any input size. PyTorch's rules, and TensorFlow's for SAME padding.
 * A layer that cannot take the size it gets is named in the message. */
#include "nn/graph/graph.h"

int64_t wk_shape_count(wk_shape s) { return (int64_t)s.height * s.width * s.channels; }

static int span(int kernel, int dilation) { return (kernel - 1) * dilation + 1; }

static void same_padding(int *before, int *after, int in, int kernel, int stride, int dilation) {
  int out = (in + stride - 1) / stride;
  int64_t total = (int64_t)(out - 1) * stride + span(kernel, dilation) - in;
  if (total < 0)
    total = 0;
  *before = (int)(total / 2);
  *after = (int)(total - *before);
}

wk_window wk_window_resolve(const wk_window *w, int in_height, int in_width) {
  wk_window r = *w;
  if (r.same) {
    same_padding(&r.pad_top, &r.pad_bottom, in_height, r.kernel_h, r.stride_h, r.dilation_h);
    same_padding(&r.pad_left, &r.pad_right, in_width, r.kernel_w, r.stride_w, r.dilation_w);
    r.same = false;
    r.ceil_mode = false;
  }
  return r;
}

/* Output length of one side; less than 1 where the window does not fit. */
static int window_out(int in, int kernel, int stride, int dilation, int before, int after, bool ceil_mode) {
  int64_t room = (int64_t)in + before + after - span(kernel, dilation);
  if (room < 0)
    return 0;
  int64_t out = (room + (ceil_mode ? stride - 1 : 0)) / stride + 1;
  /* A window that would start in the far padding is left out, as PyTorch does. */
  if (ceil_mode && (out - 1) * stride >= (int64_t)in + before)
    out--;
  return (int)out;
}

static wk_status window_shape(wk_shape *out, const wk_node_def *n, wk_shape in, int channels, wk_error *err) {
  wk_window w = wk_window_resolve(&n->window, in.height, in.width);
  bool ceil_mode = w.ceil_mode && n->op != WK_OP_CONV;
  out->height = window_out(in.height, w.kernel_h, w.stride_h, w.dilation_h, w.pad_top, w.pad_bottom, ceil_mode);
  out->width = window_out(in.width, w.kernel_w, w.stride_w, w.dilation_w, w.pad_left, w.pad_right, ceil_mode);
  out->channels = channels;
  if (out->height < 1 || out->width < 1)
    return WK_FAIL(err, WK_ERR_ARGUMENT,
                   "layer '%s' has a window of %d x %d but only %d x %d pixels reach it: use a larger input", n->name,
                   span(w.kernel_h, w.dilation_h), span(w.kernel_w, w.dilation_w), in.height, in.width);
  return WK_OK;
}

static wk_status concat_shape(wk_shape *out, const wk_node_def *n, const wk_shape *shape, wk_error *err) {
  *out = shape[n->input[0]];
  int64_t channels = 0;
  for (int i = 0; i < n->inputs; i++) {
    wk_shape s = shape[n->input[i]];
    if (s.height != out->height || s.width != out->width)
      return WK_FAIL(err, WK_ERR_ARGUMENT, "layer '%s' joins inputs of %d x %d and %d x %d pixels; they must be equal",
                     n->name, out->height, out->width, s.height, s.width);
    channels += s.channels;
  }
  if (channels > WK_NN_MAX_CHANNELS)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "layer '%s' has %lld channels; at most %d are possible", n->name,
                   (long long)channels, WK_NN_MAX_CHANNELS);
  out->channels = (int)channels;
  return WK_OK;
}

/* Of layers that move values and compute nothing. */
static wk_status moved_shape(wk_shape *out, const wk_node_def *n, wk_shape in, wk_error *err) {
  const wk_window *w = &n->window;
  if (n->op == WK_OP_SHUFFLE && in.channels % n->groups)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "layer '%s' cannot shuffle %d channels in %d groups", n->name, in.channels,
                   n->groups);
  if (n->op == WK_OP_SLICE && n->extra.first + n->extra.count > in.channels)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "layer '%s' takes channels %d to %d of %d", n->name, n->extra.first,
                   n->extra.first + n->extra.count - 1, in.channels);
  if (n->op == WK_OP_SLICE)
    out->channels = n->extra.count;
  if (n->op == WK_OP_PAD) {
    const int64_t channels = (int64_t)in.channels + n->extra.first + n->extra.count,
                  height = (int64_t)in.height + w->pad_top + w->pad_bottom,
                  width = (int64_t)in.width + w->pad_left + w->pad_right;
    if (channels > WK_NN_MAX_CHANNELS || height > WK_NN_MAX_SIDE || width > WK_NN_MAX_SIDE)
      return WK_FAIL(err, WK_ERR_ARGUMENT, "layer '%s' would give %lld x %lld x %lld values a photo", n->name,
                     (long long)height, (long long)width, (long long)channels);
    *out = (wk_shape){(int)height, (int)width, (int)channels};
  }
  return WK_OK;
}

wk_status wk_graph_infer_node(wk_shape *out, const wk_graph *g, wk_node node, const wk_shape *shape, int height,
                              int width, wk_error *err) {
  const wk_node_def *n = &g->node[node];
  wk_shape in = n->inputs ? shape[n->input[0]] : (wk_shape){0};
  *out = in;
  switch (n->op) {
  case WK_OP_INPUT:
    *out = (wk_shape){height, width, n->out_channels};
    break;
  case WK_OP_CONV:
    if (in.channels % n->groups || n->out_channels % n->groups)
      return WK_FAIL(err, WK_ERR_ARGUMENT, "layer '%s' cannot split %d channels in and %d out into %d groups", n->name,
                     in.channels, n->out_channels, n->groups);
    WK_RETURN_IF_ERROR(window_shape(out, n, in, n->out_channels, err));
    break;
  case WK_OP_MAX_POOL:
  case WK_OP_AVG_POOL:
    WK_RETURN_IF_ERROR(window_shape(out, n, in, in.channels, err));
    break;
  case WK_OP_ADAPTIVE_AVG_POOL:
    out->height = n->out_height;
    out->width = n->out_width;
    break;
  case WK_OP_MULTIPLY:
  case WK_OP_ADD: {
    wk_shape b = shape[n->input[1]];
    if (in.height != b.height || in.width != b.width || in.channels != b.channels)
      return WK_FAIL(err, WK_ERR_ARGUMENT, "layer '%s' %s %d x %d x %d and %d x %d x %d; they must be equal", n->name,
                     n->op == WK_OP_ADD ? "adds" : "multiplies", in.height, in.width, in.channels, b.height, b.width, b.channels);
    break;
  }
  case WK_OP_SCALE: {
    wk_shape b = shape[n->input[1]];
    if (b.height != 1 || b.width != 1 || b.channels != in.channels)
      return WK_FAIL(err, WK_ERR_ARGUMENT,
                     "layer '%s' scales %d channels by a factor of %d x %d x %d; it must be 1 x 1 x %d", n->name,
                     in.channels, b.height, b.width, b.channels, in.channels);
    break;
  }
  case WK_OP_CONCAT:
    WK_RETURN_IF_ERROR(concat_shape(out, n, shape, err));
    break;
  case WK_OP_FLATTEN: {
    int64_t count = wk_shape_count(in);
    if (count > WK_NN_MAX_ELEMENTS)
      return WK_FAIL(err, WK_ERR_ARGUMENT, "layer '%s' flattens %lld values; that is too many", n->name,
                     (long long)count);
    *out = (wk_shape){1, 1, (int)count};
    break;
  }
  case WK_OP_LINEAR: {
    if (in.height != 1 || in.width != 1)
      return WK_FAIL(err, WK_ERR_ARGUMENT,
                     "layer '%s' needs a flat input but gets %d x %d pixels: flatten or pool first", n->name, in.height,
                     in.width);
    /* The weight's width was fixed at the default size. */
    int expected = g->finished ? g->node[n->input[0]].shape.channels : in.channels;
    if (in.channels != expected)
      return WK_FAIL(err, WK_ERR_ARGUMENT,
                     "layer '%s' takes %d values but gets %d at input size %d x %d: use the network's own size",
                     n->name, expected, in.channels, height, width);
    *out = (wk_shape){1, 1, n->out_channels};
    break;
  }
  case WK_OP_PAD:
  case WK_OP_SLICE:
  case WK_OP_SHUFFLE:
    WK_RETURN_IF_ERROR(moved_shape(out, n, in, err));
    break;
  default:
    break; /* shape of the input */
  }
  if (wk_shape_count(*out) > WK_NN_MAX_ELEMENTS)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "layer '%s' would give %d x %d x %d values a photo: use a smaller input",
                   n->name, out->height, out->width, out->channels);
  return WK_OK;
}

wk_status wk_graph_infer(wk_shape *shape, const wk_graph *g, wk_node last, int height, int width, wk_error *err) {
  if (height == 0 && width == 0 && g->input >= 0) {
    height = g->node[g->input].out_height;
    width = g->node[g->input].out_width;
  }
  if (height < 1 || width < 1 || height > WK_NN_MAX_SIDE || width > WK_NN_MAX_SIDE)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "an input of %d x %d pixels is not possible: each side must be 1 to %d",
                   height, width, WK_NN_MAX_SIDE);
  for (wk_node i = 0; i <= last; i++)
    WK_RETURN_IF_ERROR(wk_graph_infer_node(&shape[i], g, i, shape, height, width, err));
  return WK_OK;
}

int64_t wk_node_macs(const wk_node_def *n, wk_shape in, wk_shape out) {
  if (n->op == WK_OP_CONV)
    return wk_shape_count(out) * (in.channels / n->groups) * n->window.kernel_h * n->window.kernel_w;
  if (n->op == WK_OP_LINEAR)
    return (int64_t)in.channels * out.channels;
  return 0;
}

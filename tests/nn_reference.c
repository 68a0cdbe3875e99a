/* nn_reference.c - see nn_reference.h. */
#include "nn_reference.h"

static wk_node_info info(const wk_graph *g, wk_node node, int height, int width) {
  wk_node_info n;
  wk_error err;
  assert_ok(wk_graph_node(&n, g, node, height, width, &err), &err);
  return n;
}

double **ref_params(const wk_graph *g, const wk_tensors *weights) {
  double **param = calloc((size_t)wk_graph_param_count(g) + 1, sizeof *param);
  for (int i = 0; weights && i < wk_graph_param_count(g); i++) {
    const wk_tensor *t = wk_tensors_find(weights, wk_graph_param(g, i)->name);
    if (!t)
      continue;
    size_t n = (size_t)wk_tensor_count(t->ndim, t->shape);
    float *f = malloc(n * sizeof *f);
    assert_int_equal(wk_tensor_to_f32(f, t, NULL), WK_OK);
    param[i] = malloc(n * sizeof **param);
    for (size_t k = 0; k < n; k++)
      param[i][k] = (double)f[k];
    free(f);
  }
  return param;
}

void ref_params_free(double **param, const wk_graph *g) {
  for (int i = 0; i < wk_graph_param_count(g); i++)
    free(param[i]);
  free(param);
}

static double activation(wk_op op, double x, double alpha) {
  double six = fmin(fmax(x + 3, 0), 6) / 6;
  switch (op) {
  case WK_OP_RELU:
    return fmax(x, 0);
  case WK_OP_RELU6:
    return fmin(fmax(x, 0), 6);
  case WK_OP_HARDSWISH:
    return x * six;
  case WK_OP_HARDSIGMOID:
    return six;
  case WK_OP_SILU:
    return x / (1 + exp(-x));
  case WK_OP_SIGMOID:
    return 1 / (1 + exp(-x));
  case WK_OP_LEAKY_RELU:
    return x > 0 ? x : alpha * x;
  case WK_OP_ELU:
    return x > 0 ? x : alpha * (exp(x) - 1);
  case WK_OP_TANH:
    return tanh(x);
  case WK_OP_GELU:
    return x * (1 + erf(x / sqrt(2))) / 2;
  default:
    return x;
  }
}

#define AT(s, y, x, c) (((size_t)(y) * (size_t)(s).width + (size_t)(x)) * (size_t)(s).channels + (size_t)(c))

/* SAME as TensorFlow defines it. */
static void same(int *before, int in, int kernel, int stride, int dilation) {
  int out = (in + stride - 1) / stride, need = (out - 1) * stride + (kernel - 1) * dilation + 1 - in;
  *before = need > 0 ? need / 2 : 0;
}

/* One output pixel of a convolution after the other, all its channels at once: every channel's sum runs in the order of
 * the definition, over rows, columns and input channels. */
static void convolve(double *out, const double *in, const wk_node_info *n, wk_window w, wk_shape s,
                     const double *weight, const double *bias) {
  const wk_shape o = n->shape;
  const size_t taps = (size_t)w.kernel_h * (size_t)w.kernel_w, all = (size_t)o.channels;
  const size_t group_in = (size_t)(s.channels / n->groups), group_out = all / (size_t)n->groups;
  double *by_tap = malloc(taps * group_in * all * sizeof *by_tap); /* [ky, kx, input channel of the group, channel] */
  for (size_t c = 0; c < all; c++)
    for (size_t i = 0; i < group_in; i++)
      for (size_t k = 0; k < taps; k++)
        by_tap[(k * group_in + i) * all + c] = weight[(c * group_in + i) * taps + k];
  for (int y = 0; y < o.height; y++)
    for (int x = 0; x < o.width; x++) {
      double *sum = out + AT(o, y, x, 0);
      for (size_t c = 0; c < all; c++)
        sum[c] = bias ? bias[c] : 0;
      for (int ky = 0; ky < w.kernel_h; ky++)
        for (int kx = 0; kx < w.kernel_w; kx++) {
          int iy = y * w.stride_h - w.pad_top + ky * w.dilation_h, ix = x * w.stride_w - w.pad_left + kx * w.dilation_w;
          if (iy < 0 || iy >= s.height || ix < 0 || ix >= s.width)
            continue;
          const double *pixel = in + AT(s, iy, ix, 0);
          const double *tap = by_tap + (size_t)(ky * w.kernel_w + kx) * group_in * all;
          for (size_t i = 0; i < group_in; i++)
            for (size_t c = 0; c < all; c++)
              sum[c] += (group_out == all ? pixel[i] : pixel[c / group_out * group_in + i]) * tap[i * all + c];
        }
    }
  free(by_tap);
}

static void pool(double *out, const double *in, const wk_node_info *n, wk_window w, wk_shape s) {
  const wk_shape o = n->shape;
  for (int y = 0; y < o.height; y++)
    for (int x = 0; x < o.width; x++)
      for (int c = 0; c < o.channels; c++) {
        double sum = 0, top = -INFINITY;
        int seen = 0, counted = 0;
        for (int ky = 0; ky < w.kernel_h; ky++)
          for (int kx = 0; kx < w.kernel_w; kx++) {
            int iy = y * w.stride_h - w.pad_top + ky * w.dilation_h,
                ix = x * w.stride_w - w.pad_left + kx * w.dilation_w;
            if (iy < s.height + w.pad_bottom && ix < s.width + w.pad_right)
              counted++;
            if (iy < 0 || iy >= s.height || ix < 0 || ix >= s.width)
              continue;
            seen++;
            double v = in[AT(s, iy, ix, c)];
            sum += v;
            top = fmax(top, v);
          }
        out[AT(o, y, x, c)] = n->op == WK_OP_MAX_POOL ? top : sum / (w.count_include_pad ? counted : seen);
      }
}

static void window(double *out, const double *in, const wk_node_info *n, wk_shape s, const double *weight,
                   const double *bias) {
  wk_window w = n->window;
  if (w.same) {
    same(&w.pad_top, s.height, w.kernel_h, w.stride_h, w.dilation_h);
    same(&w.pad_left, s.width, w.kernel_w, w.stride_w, w.dilation_w);
  }
  if (n->op == WK_OP_CONV)
    convolve(out, in, n, w, s, weight, bias);
  else
    pool(out, in, n, w, s);
}

static void one_photo(double *out, const double *const *in, const wk_shape *s, const wk_node_info *n,
                      const double *const p[4]) {
  wk_shape o = n->shape;
  size_t count = (size_t)o.height * (size_t)o.width * (size_t)o.channels, c = (size_t)o.channels;
  switch (n->op) {
  case WK_OP_CONV:
  case WK_OP_MAX_POOL:
  case WK_OP_AVG_POOL:
    window(out, in[0], n, s[0], p[0], p[1]);
    break;
  case WK_OP_BATCH_NORM:
    for (size_t i = 0; i < count; i++) {
      size_t k = i % c;
      double mean = p[2] ? p[2][k] : 0, variance = p[3] ? p[3][k] : 1;
      out[i] = (in[0][i] - mean) / sqrt(variance + (double)n->eps) * p[0][k] + p[1][k];
    }
    break;
  case WK_OP_LAYER_NORM:
    for (size_t i = 0; i < count; i += c) {
      double mean = 0, variance = 0;
      for (size_t k = 0; k < c; k++)
        mean += in[0][i + k] / (double)c;
      for (size_t k = 0; k < c; k++)
        variance += (in[0][i + k] - mean) * (in[0][i + k] - mean) / (double)c;
      for (size_t k = 0; k < c; k++)
        out[i + k] = (in[0][i + k] - mean) / sqrt(variance + (double)n->eps) * p[0][k] + p[1][k];
    }
    break;
  case WK_OP_LAYER_SCALE:
    for (size_t i = 0; i < count; i++)
      out[i] = in[0][i] * p[0][i % c];
    break;
  case WK_OP_ADD:
    for (size_t i = 0; i < count; i++)
      out[i] = in[0][i] + in[1][i];
    break;
  case WK_OP_SCALE:
    for (size_t i = 0; i < count; i++)
      out[i] = in[0][i] * in[1][i % c];
    break;
  case WK_OP_MULTIPLY:
    for (size_t i = 0; i < count; i++)
      out[i] = in[0][i] * in[1][i];
    break;
  case WK_OP_PAD:
    for (int y = 0; y < o.height; y++)
      for (int x = 0; x < o.width; x++)
        for (int k = 0; k < o.channels; k++) {
          int iy = y - n->window.pad_top, ix = x - n->window.pad_left, ik = k - n->extra.first;
          bool inside = iy >= 0 && iy < s->height && ix >= 0 && ix < s->width && ik >= 0 && ik < s->channels;
          out[AT(o, y, x, k)] = inside ? in[0][AT(*s, iy, ix, ik)] : 0;
        }
    break;
  case WK_OP_SLICE:
    for (size_t i = 0; i < count; i++)
      out[i] = in[0][i / c * (size_t)s->channels + (size_t)n->extra.first + i % c];
    break;
  case WK_OP_SHUFFLE: /* [groups, each] to [each, groups] */
    for (size_t i = 0; i < count; i++) {
      size_t groups = (size_t)n->groups, to = i % c;
      out[i] = in[0][i / c * c + to % groups * (c / groups) + to / groups];
    }
    break;
  case WK_OP_ROUND:
    for (size_t i = 0; i < count; i++)
      out[i] =
          (double)n->extra.alpha * fmin(fmax(round(in[0][i] / (double)n->extra.alpha), n->extra.first), n->extra.count);
    break;
  case WK_OP_LRN:
    for (size_t i = 0; i < count; i++) {
      double sum = 0;
      for (int k = 0; k < s->channels; k++) {
        int apart = k - (int)(i % c);
        if (apart >= -((n->extra.count - 1) / 2) && apart <= n->extra.count / 2)
          sum += in[0][i / c * c + (size_t)k] * in[0][i / c * c + (size_t)k];
      }
      out[i] =
          in[0][i] / pow((double)n->extra.bias + (double)n->extra.alpha / n->extra.count * sum, (double)n->extra.beta);
    }
    break;
  case WK_OP_CONCAT: {
    size_t at = 0;
    for (int k = 0; k < n->inputs; k++) {
      size_t part = (size_t)s[k].channels;
      for (size_t i = 0; i < count / c * part; i++)
        out[i / part * c + at + i % part] = in[k][i];
      at += part;
    }
    break;
  }
  case WK_OP_ADAPTIVE_AVG_POOL:
    for (int y = 0; y < o.height; y++)
      for (int x = 0; x < o.width; x++)
        for (int k = 0; k < o.channels; k++) {
          int y0 = y * s->height / o.height, y1 = ((y + 1) * s->height + o.height - 1) / o.height;
          int x0 = x * s->width / o.width, x1 = ((x + 1) * s->width + o.width - 1) / o.width;
          double sum = 0;
          for (int iy = y0; iy < y1; iy++)
            for (int ix = x0; ix < x1; ix++)
              sum += in[0][AT(*s, iy, ix, k)];
          out[AT(o, y, x, k)] = sum / ((y1 - y0) * (x1 - x0));
        }
    break;
  case WK_OP_LINEAR:
    for (size_t k = 0; k < c; k++) {
      out[k] = p[1][k];
      for (int i = 0; i < s->channels; i++)
        out[k] += p[0][k * (size_t)s->channels + (size_t)i] * in[0][i];
    }
    break;
  case WK_OP_FLATTEN:
    for (int k = 0; k < s->channels; k++)
      for (int y = 0; y < s->height; y++)
        for (int x = 0; x < s->width; x++)
          out[((size_t)k * (size_t)s->height + (size_t)y) * (size_t)s->width + (size_t)x] = in[0][AT(*s, y, x, k)];
    break;
  case WK_OP_SOFTMAX:
    for (size_t i = 0; i < count; i += c) {
      double top = -INFINITY, sum = 0;
      for (size_t k = 0; k < c; k++)
        top = fmax(top, in[0][i + k]);
      for (size_t k = 0; k < c; k++)
        sum += out[i + k] = exp(in[0][i + k] - top);
      for (size_t k = 0; k < c; k++)
        out[i + k] /= sum;
    }
    break;
  default:
    for (size_t i = 0; i < count; i++)
      out[i] = activation(n->op, in[0][i], (double)n->extra.alpha);
    break;
  }
}

/* Mean and variance of every channel over all photos and pixels. */
static void batch_statistics(double *mean, double *variance, const double *x, size_t pixels, size_t channels) {
  for (size_t c = 0; c < channels; c++) {
    mean[c] = variance[c] = 0;
    for (size_t p = 0; p < pixels; p++)
      mean[c] += x[p * channels + c] / (double)pixels;
    for (size_t p = 0; p < pixels; p++)
      variance[c] += (x[p * channels + c] - mean[c]) * (x[p * channels + c] - mean[c]) / (double)pixels;
  }
}

double **ref_forward(const wk_graph *g, double *const *param, bool norm_batch, const double *input, int count,
                     int height, int width) {
  size_t nodes = (size_t)wk_graph_size(g);
  double **act = calloc(nodes, sizeof *act);
  wk_shape *shape = calloc(nodes, sizeof *shape);
  for (wk_node i = 0, first = 0; i < (wk_node)nodes; i++) {
    wk_node_info n = info(g, i, height, width);
    size_t each = (size_t)n.shape.height * (size_t)n.shape.width * (size_t)n.shape.channels;
    shape[i] = n.shape;
    act[i] = malloc(each * (size_t)count * sizeof(double));
    const double *p[4] = {NULL};
    for (int k = 0; first < wk_graph_param_count(g) && wk_graph_param(g, first)->node == i; first++, k++)
      p[k] = param[first];
    double *mean = NULL, *variance = NULL;
    if (n.op == WK_OP_BATCH_NORM && norm_batch) {
      size_t channels = (size_t)n.shape.channels;
      p[2] = mean = malloc(channels * sizeof *mean);
      p[3] = variance = malloc(channels * sizeof *variance);
      batch_statistics(mean, variance, act[n.input[0]], each / channels * (size_t)count, channels);
    }
    for (int photo = 0; photo < count; photo++) {
      const double *in[16];
      wk_shape s[16];
      for (int k = 0; k < n.inputs; k++) {
        s[k] = shape[n.input[k]];
        in[k] = act[n.input[k]] + (size_t)photo * (size_t)s[k].height * (size_t)s[k].width * (size_t)s[k].channels;
      }
      if (n.op == WK_OP_INPUT)
        memcpy(act[i] + each * (size_t)photo, input + each * (size_t)photo, each * sizeof(double));
      else
        one_photo(act[i] + each * (size_t)photo, in, s, &n, p);
    }
    free(mean);
    free(variance);
  }
  free(shape);
  return act;
}

void ref_free(double **activation, const wk_graph *g) {
  for (int i = 0; i < wk_graph_size(g); i++)
    free(activation[i]);
  free(activation);
}

wk_tensors *ref_weights(const wk_graph *g, wk_rng *rng, bool statistics) {
  wk_tensors *t;
  wk_error err;
  assert_ok(wk_tensors_create(&t, &err), &err);
  for (int i = 0; i < wk_graph_param_count(g); i++) {
    const wk_param_info *p = wk_graph_param(g, i);
    wk_node_info n = info(g, p->node, 0, 0);
    const char *dot = strrchr(p->name, '.'), *suffix = dot ? dot + 1 : "";
    if (!p->trainable && !statistics)
      continue;
    float *data;
    assert_ok(wk_tensors_add_zeros(t, &data, p->name, p->ndim, p->shape, &err), &err);
    int64_t count = wk_tensor_count(p->ndim, p->shape);
    double fan_in = (double)(count / p->shape[0]);
    for (int64_t k = 0; k < count; k++) {
      double x = wk_rng_normal(rng);
      if (!strcmp(suffix, "running_var"))
        x = 0.5 + fabs(x);
      else if (((n.op == WK_OP_BATCH_NORM || n.op == WK_OP_LAYER_NORM) && !strcmp(suffix, "weight")) ||
               n.op == WK_OP_LAYER_SCALE)
        x = 1 + 0.3 * x;
      else if (p->ndim > 1)
        x *= 1.4 / sqrt(fan_in);
      else
        x *= 0.3;
      data[k] = (float)x;
    }
  }
  return t;
}

/* ---- random networks --------------------------------------------------------------------------- */

static int pick(wk_rng *rng, int from, int to) { return from + (int)wk_rng_below(rng, (uint32_t)(to - from + 1)); }

static wk_window random_window(wk_rng *rng, bool pool) {
  wk_window w = wk_window_square(pick(rng, 1, 4), pick(rng, 1, 2), 0);
  if (pick(rng, 0, 2) == 0)
    w.kernel_w = pick(rng, 1, 5);
  w.stride_w = pick(rng, 1, 2);
  if (!pool && pick(rng, 0, 3) == 0)
    w.dilation_h = w.dilation_w = 2;
  w.pad_top = pick(rng, 0, w.kernel_h / 2);
  w.pad_bottom = pick(rng, 0, w.kernel_h / 2);
  w.pad_left = pick(rng, 0, w.kernel_w / 2);
  w.pad_right = pick(rng, 0, w.kernel_w / 2);
  w.same = pick(rng, 0, 3) == 0;
  w.ceil_mode = pool && pick(rng, 0, 1);
  w.count_include_pad = !w.same && pick(rng, 0, 1);
  return w;
}

/* Does a window of this size fit on pixels of that size? */
static bool window_ok(const wk_window *w, wk_shape s) {
  return w->same || (s.height + w->pad_top + w->pad_bottom > (w->kernel_h - 1) * w->dilation_h &&
                     s.width + w->pad_left + w->pad_right > (w->kernel_w - 1) * w->dilation_w);
}

/* Shapes while building: graphs tell theirs only when finished, so the same rules are followed here on the side. */
static wk_shape window_out(const wk_window *w, wk_shape s, int channels) {
  int in[2] = {s.height, s.width}, k[2] = {w->kernel_h, w->kernel_w}, st[2] = {w->stride_h, w->stride_w};
  int d[2] = {w->dilation_h, w->dilation_w}, a[2] = {w->pad_top, w->pad_left}, b[2] = {w->pad_bottom, w->pad_right};
  int out[2];
  for (int i = 0; i < 2; i++) {
    if (w->same) {
      out[i] = (in[i] + st[i] - 1) / st[i];
      continue;
    }
    int room = in[i] + a[i] + b[i] - (k[i] - 1) * d[i] - 1;
    out[i] = (w->ceil_mode ? (room + st[i] - 1) / st[i] : room / st[i]) + 1;
    if (w->ceil_mode && (out[i] - 1) * st[i] >= in[i] + a[i])
      out[i]--;
  }
  return (wk_shape){out[0], out[1], channels};
}

typedef struct net {
  wk_graph *g;
  wk_rng *rng;
  wk_node node[256];
  wk_shape shape[256];
  int size, names;
} net;

static const char *fresh(net *n) {
  static char name[32];
  snprintf(name, sizeof name, "n%d", n->names++);
  return name;
}

static int put(net *n, wk_node node, wk_shape shape) {
  n->node[n->size] = node;
  n->shape[n->size] = shape;
  return n->size++;
}

static wk_node flatten_head(net *n, int at) {
  wk_node x = n->node[at];
  if (pick(n->rng, 0, 1)) {
    int h = pick(n->rng, 1, 2), w = pick(n->rng, 1, 3);
    x = wk_graph_adaptive_avg_pool(n->g, fresh(n), x, h, w);
  }
  x = wk_graph_unary(n->g, fresh(n), WK_OP_FLATTEN, x);
  if (pick(n->rng, 0, 1))
    x = wk_graph_dropout(n->g, fresh(n), x, 0.3f);
  return x;
}

/* One of the layers that few networks have. */
static void plain_layer(net *n, int at) {
  wk_rng *rng = n->rng;
  wk_node x = n->node[at];
  wk_shape s = n->shape[at];
  wk_window w = wk_window_square(1, 1, 0);
  switch (pick(rng, 0, 7)) {
  case 0:
    for (int other = 0; other < n->size; other++)
      if (!memcmp(&n->shape[other], &s, sizeof s)) {
        put(n, wk_graph_multiply(n->g, fresh(n), x, n->node[other]), s);
        break;
      }
    break;
  case 1: {
    int before = pick(rng, 0, 2), behind = pick(rng, 0, 2);
    w.pad_top = pick(rng, 0, 2), w.pad_left = pick(rng, 0, 2), w.pad_right = pick(rng, 0, 1);
    put(n, wk_graph_pad(n->g, fresh(n), x, w, before, behind),
        (wk_shape){s.height + w.pad_top, s.width + w.pad_left + w.pad_right, s.channels + before + behind});
    break;
  }
  case 2: {
    int first = pick(rng, 0, s.channels - 1), count = pick(rng, 1, s.channels - first);
    put(n, wk_graph_slice(n->g, fresh(n), x, first, count), (wk_shape){s.height, s.width, count});
    break;
  }
  case 3:
    if (s.channels % 2 == 0)
      put(n, wk_graph_shuffle(n->g, fresh(n), x, pick(rng, 0, 1) ? 2 : s.channels / 2), s);
    break;
  case 4:
    put(n, wk_graph_lrn(n->g, fresh(n), x, pick(rng, 1, 5), 0.3f, 0.75f, 1.0f), s);
    break;
  case 5:
    put(n, wk_graph_layer_norm(n->g, fresh(n), x, 1e-2f), s);
    break;
  case 6:
    put(n, wk_graph_layer_scale(n->g, fresh(n), x, s.channels % 2), s);
    break;
  default: {
    static const wk_op op[] = {WK_OP_LEAKY_RELU, WK_OP_ELU, WK_OP_TANH, WK_OP_GELU};
    int k = pick(rng, 0, 3);
    put(n, k < 2 ? wk_graph_leaky(n->g, fresh(n), op[k], x, 0.3f) : wk_graph_unary(n->g, fresh(n), op[k], x), s);
    break;
  }
  }
}

static void random_layer(net *n) {
  wk_rng *rng = n->rng;
  int at = pick(rng, 0, 2) ? n->size - 1 : pick(rng, 0, n->size - 1);
  wk_node x = n->node[at];
  wk_shape s = n->shape[at];
  switch (pick(rng, 0, 13)) {
  case 0:
  case 1:
  case 2:
  case 3: { /* convolution of any kind, maybe with batch norm and activation */
    wk_window w = random_window(rng, false);
    if (!window_ok(&w, s))
      return;
    int kind = pick(rng, 0, 2), groups = 1, out = pick(rng, 1, 40);
    if (kind == 1)
      groups = s.channels, out = s.channels * (pick(rng, 0, 3) ? 1 : 2);
    if (kind == 2 && s.channels % 2 == 0)
      groups = 2, out = 2 * pick(rng, 1, 12);
    int node = put(n, wk_graph_conv(n->g, fresh(n), x, out, w, groups, pick(rng, 0, 1)), window_out(&w, s, out));
    if (pick(rng, 0, 1))
      node = put(n, wk_graph_batch_norm(n->g, fresh(n), n->node[node], 1e-3f), n->shape[node]);
    if (pick(rng, 0, 1))
      put(n, wk_graph_unary(n->g, fresh(n), (wk_op)pick(rng, WK_OP_RELU, WK_OP_SIGMOID), n->node[node]),
          n->shape[node]);
    break;
  }
  case 4:
    put(n, wk_graph_batch_norm(n->g, fresh(n), x, 1e-5f), s);
    break;
  case 5:
    put(n, wk_graph_unary(n->g, fresh(n), (wk_op)pick(rng, WK_OP_RELU, WK_OP_SIGMOID), x), s);
    break;
  case 6:
  case 7: { /* a residual of the last node with any of its shape */
    int other = pick(rng, 0, n->size - 1);
    for (int tries = 0; tries < n->size; tries++, other = (other + 1) % n->size)
      if (!memcmp(&n->shape[other], &s, sizeof s)) {
        put(n, wk_graph_add(n->g, fresh(n), x, n->node[other]), s);
        break;
      }
    break;
  }
  case 8: { /* squeeze-excite */
    wk_node f = wk_graph_adaptive_avg_pool(n->g, fresh(n), x, 1, 1);
    f = wk_graph_conv(n->g, fresh(n), f, pick(rng, 1, 9), wk_window_square(1, 1, 0), 1, true);
    f = wk_graph_unary(n->g, fresh(n), WK_OP_RELU, f);
    f = wk_graph_conv(n->g, fresh(n), f, s.channels, wk_window_square(1, 1, 0), 1, true);
    f = wk_graph_unary(n->g, fresh(n), pick(rng, 0, 1) ? WK_OP_SIGMOID : WK_OP_HARDSIGMOID, f);
    put(n, wk_graph_scale(n->g, fresh(n), x, f), s);
    break;
  }
  case 9: { /* joined with any of the same size */
    int other = pick(rng, 0, n->size - 1);
    wk_shape o = n->shape[other];
    if (o.height == s.height && o.width == s.width && o.channels + s.channels < 128) {
      wk_node both[3] = {x, n->node[other], x};
      int count = o.channels + 2 * s.channels < 128 ? 3 : 2;
      put(n, wk_graph_concat(n->g, fresh(n), both, count),
          (wk_shape){s.height, s.width, o.channels + s.channels * (count - 1)});
    }
    break;
  }
  case 10: {
    wk_window w = random_window(rng, true);
    if (window_ok(&w, s))
      put(n, wk_graph_pool(n->g, fresh(n), pick(rng, 0, 1) ? WK_OP_MAX_POOL : WK_OP_AVG_POOL, x, w),
          window_out(&w, s, s.channels));
    break;
  }
  case 11:
  case 12:
    plain_layer(n, at);
    break;
  default:
    put(n, wk_graph_dropout(n->g, fresh(n), x, 0.5f), s);
    break;
  }
}

wk_graph *ref_random_graph(wk_rng *rng, int layers) {
  net n = {.rng = rng};
  wk_error err;
  assert_ok(wk_graph_create(&n.g, &err), &err);
  wk_shape s = {pick(rng, 5, 17), pick(rng, 5, 17), pick(rng, 1, 5)};
  put(&n, wk_graph_input(n.g, "input", s.height, s.width, s.channels), s);
  wk_graph_stage(n.g, "body");
  for (int i = 0; i < layers && n.size < 240; i++)
    random_layer(&n);
  wk_graph_stage(n.g, "head");
  wk_node features = flatten_head(&n, n.size - 1);
  wk_node x = wk_graph_linear(n.g, fresh(&n), features, pick(rng, 1, 70));
  if (pick(rng, 0, 1)) {
    x = wk_graph_unary(n.g, fresh(&n), WK_OP_RELU, x);
    x = wk_graph_dropout(n.g, fresh(&n), x, 0.5f);
    x = wk_graph_linear(n.g, fresh(&n), x, pick(rng, 2, 11));
  }
  if (pick(rng, 0, 4) == 0)
    x = wk_graph_unary(n.g, fresh(&n), WK_OP_SOFTMAX, x);
  wk_graph_outputs(n.g, features, x);
  assert_ok(wk_graph_finish(n.g, &err), &err);
  return n.g;
}

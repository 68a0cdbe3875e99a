/* lower_view.c - operations that only look at values otherwise, join them or take parts of them. Most become no layer:
 * channels shuffled by Reshape, Transpose, Reshape do. */
#include <string.h>

#include "import/fold.h"
#include "import/lower.h"

#define TROUBLE(why) wk_lower_trouble(l, op, why, err)

static bool is(const wk_ir_op *op, const char *type) { return strcmp(op->type, type) == 0; }

/* ---- reshape ------------------------------------------------------------------------------------ */

/* A side longer than 1, and what it is. */
typedef struct factor {
  int64_t side;
  int axis;
} factor;

static int factors_of(factor *out, int ndim, const int64_t *side, const uint8_t *axis) {
  int n = 0;
  for (int i = 0; i < ndim; i++)
    if (side[i] != 1)
      out[n++] = (factor){side[i], axis ? axis[i] : AXIS_ONE};
  return n;
}

typedef enum joined { JOIN_NOT = -1, JOIN_PLAIN, JOIN_SHUFFLE } joined;

/* What sides in a row are together. */
static joined join(int *axis, bool *pixels_first, const factor *f, int n) {
  int a[4] = {0};
  if (n == 1) {
    *axis = f->axis;
    return JOIN_PLAIN;
  }
  if (n > 3)
    return JOIN_NOT;
  for (int i = 0; i < n; i++)
    a[i] = f[i].axis;
  const bool hw = a[0] == AXIS_H && a[1] == AXIS_W;
  if (n == 2 && hw)
    return *axis = AXIS_HW, JOIN_PLAIN;
  if (n == 2 && a[0] == AXIS_OUTER && a[1] == AXIS_INNER)
    return *axis = AXIS_C, JOIN_PLAIN;
  if (n == 2 && a[0] == AXIS_INNER && a[1] == AXIS_OUTER)
    return *axis = AXIS_C, JOIN_SHUFFLE;
  *axis = AXIS_ALL;
  /* One of height and width may be 1, and then it is not among the factors. */
  const bool first_c = a[0] == AXIS_C, last_c = a[n - 1] == AXIS_C;
  const int p = first_c ? 1 : 0;
  const bool pixels =
      n == 3 ? a[p] == AXIS_H && a[p + 1] == AXIS_W : a[p] == AXIS_HW || a[p] == AXIS_H || a[p] == AXIS_W;
  if (!pixels || first_c == last_c)
    return JOIN_NOT;
  *pixels_first = last_c;
  return JOIN_PLAIN;
}

static wk_status shuffle(wk_lower *l, const wk_ir_op *op, wk_low *v, int64_t outer, wk_error *err) {
  const char *name = NULL;
  WK_RETURN_IF_ERROR(wk_lower_name(&name, l, op, -1, err));
  v->node = wk_graph_shuffle(l->g, name, v->node, (int)outer);
  return wk_lower_added(l, v->node, err);
}

/* The value with these sides; *fits false: whisker cannot look at it so. */
static wk_status look(bool *fits, wk_lower *l, const wk_ir_op *op, wk_low *v, int ndim, const int64_t *side,
                      wk_error *err) {
  factor from[WK_MAX_DIMS];
  wk_low out = *v;
  int n = factors_of(from, v->ndim, v->side, v->axis), at = 0;
  out.ndim = ndim;
  *fits = false;
  for (int i = 0; i < ndim; i++) {
    out.side[i] = side[i];
    out.axis[i] = AXIS_ONE;
    if (side[i] == 1)
      continue;
    if (at == n)
      return WK_OK;
    if (from[at].side > side[i]) { /* channels as [outer, inner] */
      const int64_t inner = from[at].side / side[i];
      if (from[at].axis != AXIS_C || from[at].side % side[i] || i + 1 >= ndim || side[i + 1] != inner || inner == 1)
        return WK_OK;
      out.axis[i] = AXIS_OUTER;
      out.axis[i + 1] = AXIS_INNER;
      out.side[i + 1] = inner;
      i++;
      at++;
      continue;
    }
    int64_t product = 1;
    const int first = at;
    while (at < n && product < side[i])
      product *= from[at++].side;
    int axis = 0;
    const joined how = product == side[i] ? join(&axis, &out.pixels_first, from + first, at - first) : JOIN_NOT;
    if (how == JOIN_NOT)
      return WK_OK;
    if (how == JOIN_SHUFFLE) /* it was [outer, inner], and is now inner first */
      WK_RETURN_IF_ERROR(shuffle(l, op, &out, from[first + 1].side, err));
    if (axis == AXIS_HW && l->shape[out.node].channels == 1)
      axis = AXIS_ALL; /* of one channel, pixels are all there is */
    out.axis[i] = (uint8_t)axis;
  }
  if (at != n)
    return WK_OK;
  /* Sides of 1 keep what they were where nothing else changed. */
  if (ndim == v->ndim && memcmp(out.side, v->side, (size_t)ndim * sizeof *side) == 0)
    memcpy(out.axis, v->axis, sizeof out.axis);
  *v = out;
  *fits = true;
  return WK_OK;
}

/* A side of 1 that channels are, where there is but one: [1, 1, 28, 28]. */
static wk_status reshape_to(wk_lower *l, const wk_ir_op *op, int ndim, const int64_t *side, wk_error *err) {
  bool fits;
  wk_low *v = &l->low[op->in[0]];
  const bool padded = v->pad[0] | v->pad[1] | v->pad[2] | v->pad[3];
  if (v->gate || padded)
    WK_RETURN_IF_ERROR(wk_lower_ready(l, op->in[0], err));
  if (v->scale) { /* flattened it has other channels */
    WK_RETURN_IF_ERROR(wk_lower_ready(l, op->in[0], err));
  }
  wk_low out = l->low[op->in[0]];
  WK_RETURN_IF_ERROR(look(&fits, l, op, &out, ndim, side, err));
  if (!fits)
    return TROUBLE("a shape whisker cannot look at it in");
  /* What counts as one number keeps being channels. */
  if (wk_shape_count(l->shape[out.node]) == 1 && ndim > 0 && wk_lower_find_axis(&out, AXIS_C) < 0)
    out.axis[ndim - 1] = AXIS_C;
  l->low[op->out[0]] = out;
  return WK_OK;
}

static wk_status lower_reshape(wk_lower *l, const wk_ir_op *op, wk_error *err) {
  const wk_low *v = &l->low[op->in[0]];
  const int64_t *shape = NULL;
  int64_t side[WK_MAX_DIMS];
  int64_t n = 0;
  const wk_ir_attr *a = wk_ir_find(op, "shape");
  if (op->ins > 1 && wk_lower_constant(l, op->in[1])) {
    WK_RETURN_IF_ERROR(wk_ir_read_ints(&shape, l->ir, op->in[1], err));
    n = wk_ir_count(&l->ir->value[op->in[1]]);
  } else if (a && a->kind == WK_IR_INTS) {
    shape = a->ints;
    n = (int64_t)a->count;
  }
  if (!shape || n > WK_MAX_DIMS)
    return TROUBLE("its shape is computed from the photo");
  int64_t fixed[WK_MAX_DIMS];
  memcpy(fixed, shape, (size_t)n * sizeof *shape);
  if (n > 1 && fixed[0] > 1 && v->ndim > 0 &&
      v->side[0] == 1) { /* a fixed batch: the file was written for several photos */
    int64_t rest = 1;
    bool open = false;
    for (int64_t i = 1; i < n; i++)
      rest *= fixed[i] > 0 ? fixed[i] : 1, open |= fixed[i] < 0;
    if (!open && rest == wk_tensor_count(v->ndim, v->side))
      fixed[0] = 1;
  }
  WK_RETURN_IF_ERROR(wk_fold_target(side, fixed, (int)n, v->side, v->ndim, wk_ir_int(op, "allowzero", 0) != 0, err));
  return reshape_to(l, op, (int)n, side, err);
}

static wk_status lower_flatten(wk_lower *l, const wk_ir_op *op, wk_error *err) {
  const wk_low *v = &l->low[op->in[0]];
  int64_t axis = wk_ir_int(op, "axis", 1), side[2] = {1, 1};
  if (axis < 0)
    axis += v->ndim;
  for (int i = 0; i < v->ndim; i++)
    side[i < axis ? 0 : 1] *= v->side[i];
  return reshape_to(l, op, 2, side, err);
}

static wk_status lower_squeeze(wk_lower *l, const wk_ir_op *op, wk_error *err) {
  const bool add = is(op, "Unsqueeze");
  const wk_low *v = &l->low[op->in[0]];
  const wk_ir_attr *a = wk_ir_find(op, "axes");
  const int64_t *axes = a && a->kind == WK_IR_INTS ? a->ints : NULL;
  int64_t n = axes ? (int64_t)a->count : -1, side[WK_MAX_DIMS];
  if (!axes && op->ins > 1 && wk_lower_constant(l, op->in[1])) {
    WK_RETURN_IF_ERROR(wk_ir_read_ints(&axes, l->ir, op->in[1], err));
    n = wk_ir_count(&l->ir->value[op->in[1]]);
  }
  const int64_t ndim = add ? v->ndim + n : v->ndim;
  bool marked[WK_MAX_DIMS] = {false};
  if ((add && n < 0) || ndim > WK_MAX_DIMS || n > WK_MAX_DIMS)
    return TROUBLE("too many sides");
  for (int64_t i = 0; i < n; i++) {
    int axis = 0;
    WK_RETURN_IF_ERROR(wk_fold_axis(&axis, axes[i], (int)ndim, err));
    marked[axis] = true;
  }
  int left = 0, next = 0;
  for (int i = 0; i < ndim; i++)
    if (add)
      side[left++] = marked[i] || next >= v->ndim ? 1 : v->side[next++];
    else if (n < 0 ? v->side[i] != 1 : !marked[i])
      side[left++] = v->side[i];
  return reshape_to(l, op, left, side, err);
}

static wk_status lower_transpose(wk_lower *l, const wk_ir_op *op, wk_error *err) {
  const wk_ir_attr *p = wk_ir_find(op, "perm");
  wk_low out = l->low[op->in[0]];
  const wk_low v = out;
  bool seen[WK_MAX_DIMS] = {false};
  if (p && (p->kind != WK_IR_INTS || p->count != (size_t)v.ndim))
    return TROUBLE("another number of sides");
  for (int i = 0; i < v.ndim; i++) {
    int from;
    WK_RETURN_IF_ERROR(wk_fold_axis(&from, p ? p->ints[i] : v.ndim - 1 - i, v.ndim, err));
    if (seen[from])
      return TROUBLE("a side taken twice");
    seen[from] = true;
    out.side[i] = v.side[from];
    out.axis[i] = v.axis[from];
  }
  l->low[op->out[0]] = out;
  return WK_OK;
}

/* ---- joining and taking ---------------------------------------------------------------------------- */

static wk_status lower_concat(wk_lower *l, const wk_ir_op *op, wk_error *err) {
  const char *name = NULL;
  wk_status st = WK_OK;
  int axis = 0;
  wk_node *in = wk_alloc_array((size_t)op->ins, sizeof *in);
  WK_FAIL_IF(!in, err, WK_ERR_MEMORY, "out of memory for a network");
  for (int i = 0; i < op->ins; i++) {
    if (op->in[i] < 0 || wk_lower_constant(l, op->in[i])) {
      st = TROUBLE("joins values with constants");
      goto done;
    }
    WK_TRY(wk_lower_ready(l, op->in[i], err));
    const wk_low *v = &l->low[op->in[i]], *first = &l->low[op->in[0]];
    in[i] = v->node;
    WK_TRY(wk_fold_axis(&axis, wk_ir_int(op, "axis", 1), v->ndim, err));
    const bool channels = v->axis[axis] == AXIS_C ||
                          (v->axis[axis] == AXIS_ONE && v->side[axis] == 1 && wk_lower_find_axis(v, AXIS_C) < 0) ||
                          (v->axis[axis] == AXIS_ALL && !v->pixels_first);
    if (!channels || v->ndim != first->ndim ||
        (op->ins > 1 && memcmp(v->axis, first->axis, (size_t)v->ndim) != 0 && !wk_lower_is_flat(l, v))) {
      st = TROUBLE("not along channels");
      goto done;
    }
  }
  wk_low like = l->low[op->in[0]];
  WK_TRY(wk_lower_name(&name, l, op, -1, err));
  const wk_node node = wk_graph_concat(l->g, name, in, op->ins);
  WK_TRY(wk_lower_added(l, node, err));
  like.axis[axis] = AXIS_C;
  like.flat = (wk_shape){0};
  wk_lower_set(l, op->out[0], &like, node);
done:
  wk_free(in);
  return st;
}

static wk_status take_channels(wk_lower *l, const wk_ir_op *op, int out, const wk_low *like, int64_t first,
                               int64_t count, wk_error *err) {
  const char *name = NULL;
  if (count < 1 || first < 0 || first + count > l->shape[like->node].channels)
    return TROUBLE("channels that are not there");
  wk_ir_op named = *op;
  if (op->outs > 1)
    named.name = l->ir->value[out].name;
  WK_RETURN_IF_ERROR(wk_lower_name(&name, l, &named, -1, err));
  const wk_node node = wk_graph_slice(l->g, name, like->node, (int)first, (int)count);
  WK_RETURN_IF_ERROR(wk_lower_added(l, node, err));
  wk_lower_set(l, out, like, node);
  return WK_OK;
}

static wk_status lower_split(wk_lower *l, const wk_ir_op *op, wk_error *err) {
  const wk_ir_attr *a = wk_ir_find(op, "split");
  const int64_t *parts = a && a->kind == WK_IR_INTS && a->count == (size_t)op->outs ? a->ints : NULL;
  int axis = 0;
  if (!parts && op->ins > 1 && wk_lower_constant(l, op->in[1]) && wk_ir_count(&l->ir->value[op->in[1]]) == op->outs)
    WK_RETURN_IF_ERROR(wk_ir_read_ints(&parts, l->ir, op->in[1], err));
  WK_RETURN_IF_ERROR(wk_lower_ready(l, op->in[0], err));
  const wk_low like = l->low[op->in[0]];
  WK_RETURN_IF_ERROR(wk_fold_axis(&axis, wk_ir_int(op, "axis", 0), like.ndim, err));
  if (like.axis[axis] != AXIS_C)
    return TROUBLE("not along channels");
  const int64_t all = l->shape[like.node].channels;
  for (int64_t i = 0, first = 0; i < op->outs; i++) {
    const int64_t even = (all + op->outs - 1) / op->outs, left = all - first,
                  count = parts         ? parts[i]
                          : even < left ? even
                                        : left;
    WK_RETURN_IF_ERROR(take_channels(l, op, op->out[i], &like, first, count, err));
    first += count;
  }
  return WK_OK;
}

/* Numbers of input `at`, or of the attribute. */
static wk_status numbers(const int64_t **out, int64_t *n, wk_lower *l, const wk_ir_op *op, int at, const char *name,
                         wk_error *err) {
  const wk_ir_attr *a = wk_ir_find(op, name);
  *out = a && a->kind == WK_IR_INTS ? a->ints : NULL;
  *n = *out ? (int64_t)a->count : 0;
  if (!*out && op->ins > at && wk_lower_constant(l, op->in[at])) {
    WK_RETURN_IF_ERROR(wk_ir_read_ints(out, l->ir, op->in[at], err));
    *n = wk_ir_count(&l->ir->value[op->in[at]]);
  }
  return WK_OK;
}

/* Some of the channels; or every second pixel, as shortcuts without weights take them. */
static wk_status lower_slice(wk_lower *l, const wk_ir_op *op, wk_error *err) {
  const int64_t *starts, *ends, *axes, *steps;
  int64_t n, m, naxes, nsteps;
  const char *name = NULL;
  WK_RETURN_IF_ERROR(numbers(&starts, &n, l, op, 1, "starts", err));
  WK_RETURN_IF_ERROR(numbers(&ends, &m, l, op, 2, "ends", err));
  WK_RETURN_IF_ERROR(numbers(&axes, &naxes, l, op, 3, "axes", err));
  WK_RETURN_IF_ERROR(numbers(&steps, &nsteps, l, op, 4, "steps", err));
  if (n < 1 || n != m || n > WK_MAX_DIMS || (axes && naxes != n) || (steps && nsteps != n))
    return TROUBLE("parts that are computed");
  WK_RETURN_IF_ERROR(wk_lower_ready(l, op->in[0], err));
  wk_low v = l->low[op->in[0]];
  wk_window w = wk_window_square(1, 1, 0);
  for (int64_t i = 0; i < n; i++) {
    int axis = 0;
    WK_RETURN_IF_ERROR(wk_fold_axis(&axis, axes ? axes[i] : i, v.ndim, err));
    const int64_t all = v.side[axis], step = steps ? steps[i] : 1;
    int64_t first = starts[i] < 0 ? starts[i] + all : starts[i], last = ends[i] < 0 ? ends[i] + all : ends[i];
    first = first < 0 ? 0 : first > all ? all : first;
    last = last < first ? first : last > all ? all : last;
    const bool pixels = v.axis[axis] == AXIS_H || v.axis[axis] == AXIS_W;
    if (first == 0 && last == all && step == 1)
      continue;
    if (v.axis[axis] == AXIS_C && step == 1) {
      const wk_low like = v;
      WK_RETURN_IF_ERROR(take_channels(l, op, op->out[0], &like, first, last - first, err));
      if (l->bad[op->out[0]])
        return WK_OK;
      v = l->low[op->out[0]];
    } else if (pixels && first == 0 && last == all && step >= 1 && step < WK_NN_MAX_SIDE) {
      if (v.axis[axis] == AXIS_H)
        w.stride_h = (int)step;
      else
        w.stride_w = (int)step;
    } else {
      return TROUBLE("a part whisker cannot take");
    }
  }
  if (w.stride_h > 1 || w.stride_w > 1) {
    WK_RETURN_IF_ERROR(wk_lower_name(&name, l, op, -1, err));
    const wk_low like = v;
    const wk_node node = wk_graph_pool(l->g, name, WK_OP_MAX_POOL, like.node, w); /* of windows of one pixel */
    WK_RETURN_IF_ERROR(wk_lower_added(l, node, err));
    wk_lower_set(l, op->out[0], &like, node);
    return WK_OK;
  }
  l->low[op->out[0]] = v;
  return WK_OK;
}

static wk_status lower_pad(wk_lower *l, const wk_ir_op *op, wk_error *err) {
  const int64_t *pads = NULL;
  int64_t n;
  const float *value = NULL;
  const char *name = NULL;
  WK_RETURN_IF_ERROR(numbers(&pads, &n, l, op, 1, "pads", err));
  const wk_low *v = &l->low[op->in[0]];
  const char *mode = wk_ir_string(op, "mode", "constant");
  if (!pads || n != 2 * v->ndim || strcmp(mode, "constant") != 0 || wk_ir_float(op, "value", 0) != 0)
    return TROUBLE(strcmp(mode, "constant") != 0 ? mode : "pads whisker does not know");
  if (op->ins > 2 && op->in[2] >= 0) {
    if (!wk_lower_constant(l, op->in[2]) || wk_ir_count(&l->ir->value[op->in[2]]) != 1)
      return TROUBLE("pads with computed values");
    WK_RETURN_IF_ERROR(wk_ir_read_floats(&value, l->ir, op->in[2], err));
    if (*value != 0 && *value > -1e37f)
      return TROUBLE("pads with something else than 0");
  }
  const bool least = value && *value != 0;
  WK_RETURN_IF_ERROR(wk_lower_ready_unpadded(l, op->in[0], err));
  wk_low out = l->low[op->in[0]];
  if ((out.pad[0] | out.pad[1] | out.pad[2] | out.pad[3]) && out.pad_least != least)
    return TROUBLE("pads of two kinds");
  out.pad_least = least;
  int64_t channels[2] = {0, 0};
  for (int i = 0; i < out.ndim; i++) {
    const int64_t before = pads[i], behind = pads[out.ndim + i];
    const bool h = out.axis[i] == AXIS_H, w = out.axis[i] == AXIS_W, c = out.axis[i] == AXIS_C;
    if (!before && !behind)
      continue;
    if (before < 0 || behind < 0 || before > WK_NN_MAX_SIDE || behind > WK_NN_MAX_SIDE || !(h || w || c))
      return TROUBLE("pads whisker does not know");
    if (c) {
      channels[0] = before, channels[1] = behind;
      continue;
    }
    out.pad[h ? 0 : 2] += (int)before;
    out.pad[h ? 1 : 3] += (int)behind;
    out.side[i] += before + behind;
  }
  if (least && (channels[0] || channels[1]))
    return TROUBLE("pads channels with something else than 0");
  if (channels[0] || channels[1]) {
    wk_window w = wk_window_square(1, 1, 0);
    w.pad_top = out.pad[0], w.pad_bottom = out.pad[1], w.pad_left = out.pad[2], w.pad_right = out.pad[3];
    WK_RETURN_IF_ERROR(wk_lower_name(&name, l, op, -1, err));
    const wk_node node = wk_graph_pad(l->g, name, out.node, w, (int)channels[0], (int)channels[1]);
    WK_RETURN_IF_ERROR(wk_lower_added(l, node, err));
    const wk_low like = out;
    wk_lower_set(l, op->out[0], &like, node);
    l->low[op->out[0]].positive = like.positive;
    return WK_OK;
  }
  l->low[op->out[0]] = out;
  return WK_OK;
}

/* ---- what does nothing ------------------------------------------------------------------------------ */

static wk_status lower_dropout(wk_lower *l, const wk_ir_op *op, wk_error *err) {
  const char *name = NULL;
  float p = (float)wk_ir_float(op, "ratio", 0.5);
  if (op->ins > 1 && wk_lower_constant(l, op->in[1]) && wk_ir_count(&l->ir->value[op->in[1]]) == 1) {
    const float *value = NULL;
    WK_RETURN_IF_ERROR(wk_ir_read_floats(&value, l->ir, op->in[1], err));
    p = *value;
  }
  WK_RETURN_IF_ERROR(wk_lower_ready(l, op->in[0], err));
  const wk_low like = l->low[op->in[0]];
  if (!(p >= 0 && p < 1))
    return TROUBLE("an impossible share");
  WK_RETURN_IF_ERROR(wk_lower_name(&name, l, op, -1, err));
  const wk_node node = wk_graph_dropout(l->g, name, like.node, p);
  WK_RETURN_IF_ERROR(wk_lower_added(l, node, err));
  wk_lower_set(l, op->out[0], &like, node);
  l->low[op->out[0]].positive = like.positive;
  return WK_OK;
}

/* Rounds to a quantised network's steps. TensorFlow Lite's input itself is bytes already. */
static wk_status lower_quantize(wk_lower *l, const wk_ir_op *op, wk_error *err) {
  const char *name = NULL;
  const float *scale = NULL;
  bool bytes = true;
  double step = wk_ir_float(op, "step", 0);
  int64_t least = wk_ir_int(op, "least", 0), most = wk_ir_int(op, "most", 0);
  if (step == 0) { /* ONNX: scale and zero are inputs; the zero's type is that of the numbers */
    const int64_t *zero = NULL;
    if (op->ins < 2 || !wk_lower_constant(l, op->in[1]) || wk_ir_count(&l->ir->value[op->in[1]]) != 1 ||
        (op->ins > 2 && op->in[2] >= 0 && !wk_lower_constant(l, op->in[2])))
      return TROUBLE("a scale for each channel");
    WK_RETURN_IF_ERROR(wk_ir_read_floats(&scale, l->ir, op->in[1], err));
    step = (double)*scale;
    bytes = false;
    const bool given = op->ins > 2 && op->in[2] >= 0;
    if (given)
      WK_RETURN_IF_ERROR(wk_ir_read_ints(&zero, l->ir, op->in[2], err));
    const int64_t z = given && wk_ir_count(&l->ir->value[op->in[2]]) == 1 ? *zero : 0;
    least = (given && l->ir->value[op->in[2]].dtype == WK_I8 ? -128 : 0) - z;
    most = least + 255;
  }
  wk_low like = l->low[op->in[0]];
  if (bytes && like.node == l->g->input && !like.gate) {
    l->low[op->out[0]] = like;
    return WK_OK;
  }
  WK_RETURN_IF_ERROR(wk_lower_ready(l, op->in[0], err));
  like = l->low[op->in[0]];
  if (!(step > 1e-30 && step < 1e30) || least < -100000 || most > 100000)
    return TROUBLE("an impossible scale");
  WK_RETURN_IF_ERROR(wk_lower_name(&name, l, op, -1, err));
  const wk_node node = wk_graph_round(l->g, name, like.node, (float)step, (int)least, (int)most);
  WK_RETURN_IF_ERROR(wk_lower_added(l, node, err));
  wk_lower_set(l, op->out[0], &like, node);
  l->low[op->out[0]].positive = least >= 0 || like.positive;
  return WK_OK;
}

wk_status wk_lower_view(bool *known, wk_lower *l, const wk_ir_op *op, wk_error *err) {
  static const char *const same[] = {"Identity", "Cast", "DequantizeLinear"};
  *known = true;
  for (size_t i = 0; i < sizeof same / sizeof *same; i++)
    if (is(op, same[i])) {
      l->low[op->out[0]] = l->low[op->in[0]];
      return WK_OK;
    }
  if (is(op, "ArgMax") && wk_lower_leads_out(l, op->out[0], NULL)) {
    l->low[op->out[0]] = l->low[op->in[0]];
    l->named_class = true;
    return WK_OK;
  }
  if (is(op, "QuantizeLinear"))
    return lower_quantize(l, op, err);
  if (is(op, "Reshape"))
    return lower_reshape(l, op, err);
  if (is(op, "Flatten"))
    return lower_flatten(l, op, err);
  if (is(op, "Squeeze") || is(op, "Unsqueeze"))
    return lower_squeeze(l, op, err);
  if (is(op, "Transpose"))
    return lower_transpose(l, op, err);
  if (is(op, "Concat"))
    return lower_concat(l, op, err);
  if (is(op, "Split"))
    return lower_split(l, op, err);
  if (is(op, "Slice"))
    return lower_slice(l, op, err);
  if (is(op, "Pad"))
    return lower_pad(l, op, err);
  if (is(op, "Dropout"))
    return lower_dropout(l, op, err);
  *known = false;
  return WK_OK;
}

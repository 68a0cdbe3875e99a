/* lower_emit.c - adding layers and their weights, and doing what waits on a value before something reads it. */
#include <math.h>
#include <string.h>

#include "import/lower.h"

/* ---- names -------------------------------------------------------------------------------------- */

/* "features.0.weight" to "features.0"; "conv1_w_0" to "conv1": what tools put behind a layer's name. */
static size_t stem(const char *name) {
  static const char *const endings[] = {
      ".weight", "/kernel:0", "/depthwise_kernel:0", "/kernel", "_weights", "_weight", ".w_0", "_w_0", "_w", ":0"};
  const size_t n = strlen(name);
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
    const size_t e = strlen(endings[i]);
    if (n > e && strcmp(name + n - e, endings[i]) == 0)
      return n - e;
  }
  return 0;
}

static bool is_free(const wk_lower *l, const char *name) {
  for (int i = 0; i < l->g->size; i++)
    if (strcmp(l->g->node[i].name, name) == 0)
      return false;
  return true;
}

wk_status wk_lower_name(const char **out, wk_lower *l, const wk_ir_op *op, int weight, wk_error *err) {
  enum { LONGEST = 100 };
  char text[LONGEST + 32];
  const char *from = op->name;
  size_t n = weight >= 0 ? stem(l->ir->value[weight].name) : 0;
  if (n)
    from = l->ir->value[weight].name;
  else if (!*from && op->outs)
    from = l->ir->value[op->out[0]].name;
  if (!n)
    n = strlen(from);
  while (n && *from == '/') /* PyTorch's "/layer1/layer1.0/conv1/Conv" */
    from++, n--;
  if (n > LONGEST) {
    from += n - LONGEST;
    n = LONGEST;
  }
  if (!n)
    from = op->type, n = strlen(op->type);
  for (size_t i = 0; i < n; i++)
    text[i] = from[i] > 0x20 && from[i] < 0x7f && from[i] != '"' && from[i] != '\\' ? from[i] : '_';
  text[n] = 0;
  for (int k = 1; !is_free(l, text); k++)
    snprintf(text + n, sizeof text - n, "_%d", k);
  return wk_ir_text(out, l->ir, text, strlen(text), err);
}

/* ---- layers ------------------------------------------------------------------------------------- */

wk_status wk_lower_added(wk_lower *l, wk_node node, wk_error *err) {
  if (node < 0) {
    if (err)
      *err = l->g->mistake;
    return l->g->mistake.code != WK_OK ? l->g->mistake.code : WK_ERR_INTERNAL;
  }
  if (node >= l->shapes) {
    int room = l->shapes ? 2 * l->shapes : 256;
    wk_shape *grown = wk_grow(l->shape, (size_t)l->shapes * sizeof *grown, (size_t)room * sizeof *grown);
    if (!grown)
      return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a network");
    l->shape = grown;
    l->shapes = room;
  }
  return wk_graph_infer_node(&l->shape[node], l->g, node, l->shape, l->height, l->width, err);
}

wk_status wk_lower_weight(wk_lower *l, const char *layer, const char *suffix, int ndim, const int64_t *shape,
                          const float *data, wk_error *err) {
  char name[256];
  wk_tensor t = {.name = name, .dtype = WK_F32, .ndim = ndim, .data = data};
  snprintf(name, sizeof name, "%s.%s", layer, suffix);
  memcpy(t.shape, shape, (size_t)ndim * sizeof *shape);
  t.bytes = (size_t)wk_tensor_count(ndim, shape) * sizeof *data;
  return wk_tensors_add_view(l->weights, &t, err);
}

wk_status wk_lower_affine(wk_lower *l, wk_node *node, const float *scale, const float *shift, wk_error *err) {
  const float eps = 1e-5f;
  const int64_t channels = l->shape[*node].channels;
  const char *name = NULL;
  float *weight = NULL;
  void *memory = NULL;
  WK_RETURN_IF_ERROR(wk_ir_alloc(&memory, l->ir, (size_t)channels, sizeof *weight, err));
  weight = memory;
  for (int64_t c = 0; c < channels; c++) /* of a batch norm whose statistics are 0 and 1 */
    weight[c] = (float)((double)scale[c] * sqrt(1.0 + (double)eps));
  const wk_ir_op *now = &l->ir->op[l->op];
  wk_ir_op named = *now;
  named.name = *now->name ? now->name : "affine";
  char text[160];
  snprintf(text, sizeof text, "%.120s.affine", named.name);
  WK_RETURN_IF_ERROR(wk_ir_text(&named.name, l->ir, text, strlen(text), err));
  WK_RETURN_IF_ERROR(wk_lower_name(&name, l, &named, -1, err));
  *node = wk_graph_batch_norm(l->g, name, *node, eps);
  WK_RETURN_IF_ERROR(wk_lower_added(l, *node, err));
  WK_RETURN_IF_ERROR(wk_lower_weight(l, name, "weight", 1, &channels, weight, err));
  return wk_lower_weight(l, name, "bias", 1, &channels, shift, err);
}

/* ---- asking ------------------------------------------------------------------------------------- */

bool wk_lower_constant(const wk_lower *l, int v) {
  return v >= 0 && l->ir->value[v].data != NULL && wk_ir_count(&l->ir->value[v]) >= 0;
}

int wk_lower_find_axis(const wk_low *v, int axis) {
  for (int i = 0; i < v->ndim; i++)
    if (v->axis[i] == axis)
      return i;
  return -1;
}

int wk_lower_channels(const wk_lower *l, const wk_low *v) {
  const wk_shape s = l->shape[v->node];
  return wk_lower_find_axis(v, AXIS_ALL) >= 0 && !v->flat.height ? (int)wk_shape_count(s) : s.channels;
}

bool wk_lower_is_picture(const wk_lower *l, const wk_low *v) {
  const wk_shape s = l->shape[v->node];
  int found = 0;
  for (int i = 0; i < v->ndim; i++) {
    if (v->side[i] == 1 && v->axis[i] == AXIS_ONE)
      continue;
    if (v->axis[i] != AXIS_H && v->axis[i] != AXIS_W && v->axis[i] != AXIS_C)
      return false;
    found++;
  }
  /* Sides of 1 may have lost their meaning on the way. */
  return found == 3 || (s.height == 1 && s.width == 1 && wk_lower_find_axis(v, AXIS_C) >= 0) || wk_shape_count(s) == 1;
}

bool wk_lower_is_flat(const wk_lower *l, const wk_low *v) {
  const wk_shape s = l->shape[v->node];
  return v->flat.height || (s.height == 1 && s.width == 1);
}

wk_status wk_lower_trouble(wk_lower *l, const wk_ir_op *op, const char *why, wk_error *err) {
  enum { TOLD = 8 };
  (void)err;
  const char *name = *op->name ? op->name : op->outs ? l->ir->value[op->out[0]].name : "";
  if (l->troubles++ < TOLD)
    wk_text_add(&l->trouble, "%s'%.60s' (%.40s%s%s)", l->troubles > 1 ? ", " : "", name, op->type, *why ? ": " : "",
                why);
  for (int i = 0; i < op->outs; i++)
    l->bad[op->out[i]] = true;
  return WK_OK;
}

static bool is_one_of(const char *type, const char *const *list) {
  for (; *list; list++)
    if (strcmp(type, *list) == 0)
      return true;
  return false;
}

bool wk_lower_leads_out(const wk_lower *l, int v, bool *sigmoid) {
  static const char *const passes[] = {"Identity",  "Reshape",        "Squeeze",          "Flatten",    "Cast",
                                       "Unsqueeze", "Dropout",        "Softmax",          "LogSoftmax", "Sigmoid",
                                       "ArgMax",    "QuantizeLinear", "DequantizeLinear", NULL};
  if (sigmoid)
    *sigmoid = false;
  for (int steps = 0; steps < 64; steps++) {
    if (v == l->ir->output)
      return true;
    if (l->users[v] != 1)
      return false;
    const wk_ir_op *op = &l->ir->op[l->user[v]];
    if (!is_one_of(op->type, passes) || op->in[0] != v)
      return false;
    if (sigmoid && strcmp(op->type, "Sigmoid") == 0)
      *sigmoid = true;
    v = op->out[0];
  }
  return false;
}

wk_status wk_lower_take_bias(const float **bias, int *out, wk_lower *l, int channels, wk_error *err) {
  const int v = *out;
  if (l->users[v] != 1 || v == l->ir->output)
    return WK_OK;
  const int next = l->user[v];
  const wk_ir_op *op = &l->ir->op[next];
  if (strcmp(op->type, "Add") != 0 || op->ins != 2 || op->outs != 1)
    return WK_OK;
  const int other = op->in[0] == v ? op->in[1] : op->in[0];
  if (other < 0 || !wk_lower_constant(l, other) || wk_ir_count(&l->ir->value[other]) != channels)
    return WK_OK;
  const wk_ir_value *c = &l->ir->value[other];
  int wide = 0;
  for (int i = 0; i < c->ndim; i++)
    wide += c->shape[i] != 1;
  if (wide > 1)
    return WK_OK;
  WK_RETURN_IF_ERROR(wk_ir_read_floats(bias, l->ir, other, err));
  l->taken[next] = true;
  *out = op->out[0];
  return WK_OK;
}

void wk_lower_set(wk_lower *l, int v, const wk_low *like, wk_node node) {
  const wk_shape s = l->shape[node];
  wk_low now = {.node = node, .ndim = like->ndim, .pixels_first = like->pixels_first, .flat = like->flat};
  memcpy(now.axis, like->axis, sizeof now.axis);
  for (int i = 0; i < now.ndim; i++)
    now.side[i] = now.axis[i] == AXIS_H                              ? s.height
                  : now.axis[i] == AXIS_W                            ? s.width
                  : now.axis[i] == AXIS_C || now.axis[i] == AXIS_ALL ? s.channels
                                                                     : like->side[i];
  l->low[v] = now;
}

/* ---- what waits --------------------------------------------------------------------------------- */

static bool same_three(const float *a, const float *b) { return memcmp(a, b, 3 * sizeof *a) == 0; }

/* On the input itself: it becomes part of the pixels' normalisation, if all that read the input want the same. */
static bool give_to_pixels(wk_lower *l, const float *scale, const float *shift) {
  float s[3], t[3];
  for (int c = 0; c < 3; c++) {
    s[c] = scale[l->grey ? 0 : c];
    t[c] = shift[l->grey ? 0 : c];
    if (!(s[c] > 1e-30f && s[c] < 1e30f) || !(t[c] > -1e30f && t[c] < 1e30f))
      return false;
  }
  if (l->pixel_affine)
    return same_three(s, l->pixel_scale) && same_three(t, l->pixel_shift);
  memcpy(l->pixel_scale, s, sizeof s);
  memcpy(l->pixel_shift, t, sizeof t);
  return l->pixel_affine = true;
}

static wk_status ready_scale(wk_lower *l, wk_low *v, wk_error *err) {
  if (!v->scale)
    return WK_OK;
  if (v->node != l->g->input || !give_to_pixels(l, v->scale, v->shift))
    WK_RETURN_IF_ERROR(wk_lower_affine(l, &v->node, v->scale, v->shift, err));
  v->scale = v->shift = NULL;
  v->positive = false;
  return WK_OK;
}

static wk_status ready_gate(wk_lower *l, wk_low *v, wk_error *err) {
  const char *name = NULL;
  const wk_gate gate = v->gate;
  if (!gate)
    return WK_OK;
  const float *scale = v->scale, *shift = v->shift; /* what came after the gate */
  WK_RETURN_IF_ERROR(wk_lower_name(&name, l, &l->ir->op[l->op], -1, err));
  v->node = wk_graph_unary(l->g, name, gate == GATE_SIGMOID ? WK_OP_SIGMOID : WK_OP_HARDSIGMOID, v->node);
  WK_RETURN_IF_ERROR(wk_lower_added(l, v->node, err));
  v->gate = GATE_NONE;
  if (gate == GATE_RELU6_PLUS3) {
    const int channels = l->shape[v->node].channels;
    void *memory = NULL;
    WK_RETURN_IF_ERROR(wk_ir_alloc(&memory, l->ir, 2 * (size_t)channels, sizeof(float), err));
    float *s = memory, *t = s + channels;
    for (int c = 0; c < channels; c++) {
      s[c] = 6 * (scale ? scale[c] : 1);
      t[c] = shift ? shift[c] : 0;
    }
    v->scale = s;
    v->shift = t;
  }
  v->positive = !v->scale;
  return WK_OK;
}

static wk_status ready_pad(wk_lower *l, wk_low *v, wk_error *err) {
  if (!(v->pad[0] | v->pad[1] | v->pad[2] | v->pad[3]))
    return WK_OK;
  if (v->pad_least)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED,
                   "pads that are less than everything go to something else than the largest of windows");
  const char *name = NULL;
  wk_window w = wk_window_square(1, 1, 0);
  w.pad_top = v->pad[0], w.pad_bottom = v->pad[1], w.pad_left = v->pad[2], w.pad_right = v->pad[3];
  wk_ir_op pad = l->ir->op[l->op];
  char text[160];
  snprintf(text, sizeof text, "%.120s.pad", *pad.name ? pad.name : pad.type);
  WK_RETURN_IF_ERROR(wk_ir_text(&pad.name, l->ir, text, strlen(text), err));
  WK_RETURN_IF_ERROR(wk_lower_name(&name, l, &pad, -1, err));
  v->node = wk_graph_pad(l->g, name, v->node, w, 0, 0);
  WK_RETURN_IF_ERROR(wk_lower_added(l, v->node, err));
  memset(v->pad, 0, sizeof v->pad);
  return WK_OK;
}

static wk_status ready_flat(wk_lower *l, wk_low *v, wk_error *err) {
  const char *name = NULL;
  const wk_shape s = l->shape[v->node];
  if (wk_lower_find_axis(v, AXIS_ALL) < 0 || v->flat.height)
    return WK_OK;
  if (s.height == 1 && s.width == 1) {
    v->axis[wk_lower_find_axis(v, AXIS_ALL)] = AXIS_C;
    return WK_OK;
  }
  wk_ir_op flat = l->ir->op[l->op];
  char text[160];
  snprintf(text, sizeof text, "%.120s.flatten", *flat.name ? flat.name : flat.type);
  WK_RETURN_IF_ERROR(wk_ir_text(&flat.name, l->ir, text, strlen(text), err));
  WK_RETURN_IF_ERROR(wk_lower_name(&name, l, &flat, -1, err));
  v->node = wk_graph_unary(l->g, name, WK_OP_FLATTEN, v->node);
  v->flat = s;
  return wk_lower_added(l, v->node, err);
}

wk_status wk_lower_ready_unpadded(wk_lower *l, int index, wk_error *err) {
  wk_low *v = &l->low[index];
  WK_RETURN_IF_ERROR(ready_gate(l, v, err));
  WK_RETURN_IF_ERROR(ready_scale(l, v, err));
  return ready_flat(l, v, err);
}

wk_status wk_lower_ready(wk_lower *l, int index, wk_error *err) {
  wk_low *v = &l->low[index];
  WK_RETURN_IF_ERROR(ready_gate(l, v, err));
  WK_RETURN_IF_ERROR(ready_scale(l, v, err));
  WK_RETURN_IF_ERROR(ready_pad(l, v, err));
  return ready_flat(l, v, err);
}

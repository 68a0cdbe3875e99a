/* layers.c - finding layers by name, the ones worth looking at, and what one position of a layer sees
 * (explain_input.h). */
#include <string.h>

#include "nn/graph/graph.h"
#include "whisker/explain_input.h"

/* ---- layers ------------------------------------------------------------------------------------ */

static bool has_positions(const wk_graph *g, wk_node n) {
  const wk_node_def *d = &g->node[n];
  return d->op != WK_OP_INPUT && (int64_t)d->shape.height * d->shape.width > 1;
}

/* The last node of a stage with positions; without any, the last one. */
static wk_node last_of_stage(const wk_graph *g, int stage) {
  wk_node last = -1, spatial = -1;
  for (wk_node n = 0; n < g->size; n++)
    if (g->node[n].stage == stage && g->node[n].op != WK_OP_INPUT) {
      last = n;
      spatial = has_positions(g, n) ? n : spatial;
    }
  return spatial >= 0 ? spatial : last;
}

/* All names where there is room for them, else the stages and the nearest names. */
static wk_status no_such_layer(const wk_graph *g, const char *name, wk_error *err) {
  enum { ROOM = 800, NEAREST = 4 };
  wk_text list = {0};
  size_t length = 0;
  for (wk_node n = 0; n < g->size; n++)
    length += strlen(g->node[n].name) + 2;
  if (length < ROOM) {
    for (wk_node n = 0; n < g->size; n++)
      wk_text_add(&list, "%s%s", n ? ", " : "there are ", g->node[n].name);
  } else {
    int last = 1 << 30;
    wk_text_add(&list, "nearest: ");
    /* The nearest ones in the order of their distance; of several as near, the first. */
    for (int k = 0, distance = -1; k < NEAREST; k++) {
      int next = last;
      for (wk_node n = 0; n < g->size; n++) {
        int d = wk_edit_distance(name, g->node[n].name);
        next = d > distance && d < next ? d : next;
      }
      for (wk_node n = 0; n < g->size && next < last; n++)
        if (wk_edit_distance(name, g->node[n].name) == next) {
          wk_text_add(&list, "%s%s", k ? ", " : "", g->node[n].name);
          break;
        }
      distance = next;
    }
    wk_text_add(&list, "; stages work too:");
    for (int s = 0; s < g->stage_count; s++)
      wk_text_add(&list, "%s %s", s ? "," : "", g->stages[s]);
    wk_text_add(&list, "; `whisker info MODEL` lists all %d", g->size);
  }
  wk_status st = list.failed ? WK_FAIL(err, WK_ERR_MEMORY, "out of memory")
                             : WK_FAIL(err, WK_ERR_NOT_FOUND, "%s: no such layer; %s", name, list.data);
  wk_text_free(&list);
  return st;
}

wk_status wk_layer_find(wk_node *out, const wk_graph *g, const char *name, wk_error *err) {
  wk_node n = wk_graph_find(g, name);
  for (int s = 0; n < 0 && s < g->stage_count; s++)
    if (!strcmp(g->stages[s], name))
      n = last_of_stage(g, s);
  if (n < 0)
    return no_such_layer(g, name, err);
  *out = n;
  return WK_OK;
}

wk_status wk_layer_overview(wk_node **out, int *count, const wk_graph *g, wk_error *err) {
  wk_node *rung = wk_alloc_array((size_t)g->stage_count + 1, sizeof *rung);
  if (!rung)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory");
  int n = 0;
  for (int s = 0; s < g->stage_count; s++) {
    wk_node last = last_of_stage(g, s);
    if (last < 0 || !has_positions(g, last))
      continue;
    /* A pooling that changes nothing (VGG's, at its own input size) repeats the rung before it. */
    const wk_node_def *d = &g->node[last];
    if (d->op == WK_OP_ADAPTIVE_AVG_POOL && n && d->input[0] == rung[n - 1])
      continue;
    rung[n++] = last;
  }
  *out = rung;
  *count = n;
  return WK_OK;
}

wk_status wk_layer_last_spatial(wk_node *out, const wk_graph *g, wk_node node, wk_error *err) {
  if (node < 0 || node >= g->size)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "there is no layer number %d", node);
  bool *above = wk_calloc((size_t)node + 1, sizeof *above);
  if (!above)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory");
  above[node] = true;
  wk_node last = -1;
  for (wk_node n = node; n > 0 && last < 0; n--) {
    if (!above[n])
      continue;
    wk_op op = g->node[n].op;
    bool pools = op == WK_OP_MAX_POOL || op == WK_OP_AVG_POOL || op == WK_OP_ADAPTIVE_AVG_POOL;
    if (has_positions(g, n) && !pools)
      last = n;
    for (int i = 0; i < g->node[n].inputs; i++)
      above[g->node[n].input[i]] = true;
  }
  wk_free(above);
  *out = last;
  return WK_OK;
}

/* ---- receptive fields -------------------------------------------------------------------------- */

static wk_receptive_field through_window(const wk_receptive_field *in, const wk_window *window, wk_shape shape) {
  wk_window w = wk_window_resolve(window, shape.height, shape.width);
  return (wk_receptive_field){.top = in->top - w.pad_top * in->step_y,
                              .left = in->left - w.pad_left * in->step_x,
                              .height = in->height + (w.kernel_h - 1) * w.dilation_h * in->step_y,
                              .width = in->width + (w.kernel_w - 1) * w.dilation_w * in->step_x,
                              .step_y = in->step_y * w.stride_h,
                              .step_x = in->step_x * w.stride_w};
}

/* What sees both. */
static wk_receptive_field joined(const wk_receptive_field *a, const wk_receptive_field *b) {
  if (a->whole || b->whole)
    return (wk_receptive_field){.whole = true};
  int bottom = a->top + a->height > b->top + b->height ? a->top + a->height : b->top + b->height;
  int right = a->left + a->width > b->left + b->width ? a->left + a->width : b->left + b->width;
  wk_receptive_field f = {.step_y = a->step_y, .step_x = a->step_x};
  f.top = a->top < b->top ? a->top : b->top;
  f.left = a->left < b->left ? a->left : b->left;
  f.height = bottom - f.top;
  f.width = right - f.left;
  return f;
}

static wk_receptive_field field_of(const wk_receptive_field *field, const wk_shape *shape, const wk_graph *g,
                                   wk_node n) {
  const wk_node_def *d = &g->node[n];
  if (d->op == WK_OP_INPUT)
    return (wk_receptive_field){.height = 1, .width = 1, .step_y = 1, .step_x = 1};
  const wk_receptive_field *in = &field[d->input[0]];
  const wk_shape *from = &shape[d->input[0]];
  wk_receptive_field f = *in;
  switch (d->op) {
  case WK_OP_CONV:
  case WK_OP_MAX_POOL:
  case WK_OP_AVG_POOL:
    return f.whole ? f : through_window(in, &d->window, *from);
  case WK_OP_ADAPTIVE_AVG_POOL:
    return shape[n].height == from->height && shape[n].width == from->width ? f : (wk_receptive_field){.whole = true};
  case WK_OP_FLATTEN:
  case WK_OP_LINEAR:
    return (int64_t)from->height * from->width > 1 ? (wk_receptive_field){.whole = true} : f;
  case WK_OP_PAD:
    return f.whole ? f : through_window(in, &d->window, *from);
  case WK_OP_ADD:
  case WK_OP_MULTIPLY:
  case WK_OP_CONCAT:
    for (int i = 1; i < d->inputs; i++)
      f = joined(&f, &field[d->input[i]]);
    return f;
  default: /* activations; and SCALE, whose factor is squeeze-and-excite's */
    return f;
  }
}

wk_status wk_layer_receptive_field(wk_receptive_field *out, const wk_graph *g, wk_node node, int height, int width,
                                   wk_error *err) {
  if (node < 0 || node >= g->size)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "there is no layer number %d", node);
  wk_status st = WK_OK;
  wk_shape *shape = wk_calloc((size_t)node + 1, sizeof *shape);
  wk_receptive_field *field = wk_calloc((size_t)node + 1, sizeof *field);
  WK_FAIL_IF(!shape || !field, err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(wk_graph_infer(shape, g, node, height, width, err));
  for (wk_node n = 0; n <= node; n++)
    field[n] = field_of(field, shape, g, n);
  *out = field[node];
done:
  wk_free(shape);
  wk_free(field);
  return st;
}

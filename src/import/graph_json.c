/* graph_json.c - graphs as JSON and back, and with another classifier. What is read may come from anywhere: the builder
 * checks every layer, as it does for the zoo's. */
#include <limits.h>
#include <string.h>

#include "formats/json.h"
#include "import/import.h"
#include "nn/graph/graph.h"

/* ---- which layers ------------------------------------------------------------------------------- */

static bool *mark(const wk_graph *g, wk_node a, wk_node b) {
  bool *needed = wk_calloc((size_t)g->size, sizeof *needed);
  for (wk_node i = g->size - 1; needed && i >= 0; i--) {
    needed[i] |= i == a || i == b || i == g->input;
    for (int k = 0; needed[i] && k < g->node[i].inputs; k++)
      needed[g->node[i].input[k]] = true;
  }
  return needed;
}

/* ---- writing ------------------------------------------------------------------------------------ */

static json_t *window_json(const wk_window *w) {
  return json_pack("[iiiiiiiiiibbb]", w->kernel_h, w->kernel_w, w->stride_h, w->stride_w, w->dilation_h, w->dilation_w,
                   w->pad_top, w->pad_bottom, w->pad_left, w->pad_right, w->same, w->ceil_mode, w->count_include_pad);
}

static json_t *node_json(const wk_graph *g, wk_node i, const int *number) {
  const wk_node_def *n = &g->node[i];
  json_t *inputs = json_array(), *o = json_pack("{s:s,s:s,s:s}", "name", n->name, "op", wk_op_name(n->op), "stage",
                                                n->stage < 0 ? "" : g->stages[n->stage]);
  for (int k = 0; k < n->inputs; k++)
    json_array_append_new(inputs, json_integer(number[n->input[k]]));
  json_object_set_new(o, "in", inputs);
  switch (n->op) {
  case WK_OP_INPUT:
    json_object_set_new(o, "size", json_pack("[iii]", n->out_height, n->out_width, n->out_channels));
    break;
  case WK_OP_CONV:
    json_object_set_new(o, "out", json_integer(n->out_channels));
    json_object_set_new(o, "groups", json_integer(n->groups));
    json_object_set_new(o, "bias", json_boolean(n->bias));
    json_object_set_new(o, "window", window_json(&n->window));
    if (n->flat)
      json_object_set_new(o, "flat", json_true());
    break;
  case WK_OP_LAYER_SCALE:
    json_object_set_new(o, "flat", json_boolean(n->flat));
    break;
  case WK_OP_MAX_POOL:
  case WK_OP_AVG_POOL:
  case WK_OP_PAD:
    json_object_set_new(o, "window", window_json(&n->window));
    break;
  case WK_OP_ADAPTIVE_AVG_POOL:
    json_object_set_new(o, "to", json_pack("[ii]", n->out_height, n->out_width));
    break;
  case WK_OP_LINEAR:
    json_object_set_new(o, "out", json_integer(n->out_channels));
    break;
  case WK_OP_SHUFFLE:
    json_object_set_new(o, "groups", json_integer(n->groups));
    break;
  case WK_OP_BATCH_NORM:
  case WK_OP_LAYER_NORM:
    json_object_set_new(o, "eps", json_real((double)n->eps));
    break;
  case WK_OP_DROPOUT:
    json_object_set_new(o, "p", json_real((double)n->p));
    break;
  default:
    break;
  }
  if (n->op >= WK_OP_PAD)
    json_object_set_new(o, "extra",
                        json_pack("[iifff]", n->extra.first, n->extra.count, (double)n->extra.alpha,
                                  (double)n->extra.beta, (double)n->extra.bias));
  return o;
}

wk_status wk_graph_to_json(char **out, const wk_graph *g, bool classifier, wk_error *err) {
  wk_status st = WK_OK;
  const wk_node logits = classifier ? g->logits : -1;
  bool *needed = mark(g, g->features, logits);
  int *number = wk_calloc((size_t)g->size, sizeof *number), next = 0;
  json_t *nodes = json_array(), *all = NULL;
  wk_text text = {0};
  WK_FAIL_IF(!needed || !number || !nodes, err, WK_ERR_MEMORY, "out of memory for a network");
  for (wk_node i = 0; i < g->size; i++)
    if (needed[i]) {
      number[i] = next++;
      json_array_append_new(nodes, node_json(g, i, number));
    }
  all = json_pack("{s:O,s:i,s:i}", "layers", nodes, "features", number[g->features], "logits",
                  logits < 0 ? -1 : number[logits]);
  WK_FAIL_IF(!all || json_array_size(nodes) != (size_t)next, err, WK_ERR_MEMORY, "out of memory for a network");
  wk_json_add(&text, all);
  WK_FAIL_IF(text.failed, err, WK_ERR_MEMORY, "out of memory for a network");
  *out = text.data;
  text.data = NULL;
done:
  json_decref(all);
  json_decref(nodes);
  wk_text_free(&text);
  wk_free(needed);
  wk_free(number);
  return st;
}

/* ---- reading ------------------------------------------------------------------------------------ */

static int int_of(const json_t *v) {
  const json_int_t n = json_integer_value(v);
  return n < -1 || n > INT_MAX / 2 ? -2 : (int)n;
}

static int int_at(const json_t *object, const char *key) { return int_of(json_object_get(object, key)); }

static float float_at(const json_t *object, const char *key) {
  return (float)json_number_value(json_object_get(object, key));
}

static wk_window window_of(const json_t *object) {
  const json_t *a = json_object_get(object, "window");
  int v[10];
  for (size_t i = 0; i < 10; i++)
    v[i] = int_of(json_array_get(a, i));
  return (wk_window){.kernel_h = v[0],
                     .kernel_w = v[1],
                     .stride_h = v[2],
                     .stride_w = v[3],
                     .dilation_h = v[4],
                     .dilation_w = v[5],
                     .pad_top = v[6],
                     .pad_bottom = v[7],
                     .pad_left = v[8],
                     .pad_right = v[9],
                     .same = json_is_true(json_array_get(a, 10)),
                     .ceil_mode = json_is_true(json_array_get(a, 11)),
                     .count_include_pad = json_is_true(json_array_get(a, 12))};
}

/* The bounds of a rounding may lie below 0. */
static int signed_of(const json_t *v) {
  const json_int_t n = json_integer_value(v);
  return n < INT_MIN / 2 || n > INT_MAX / 2 ? -2 : (int)n;
}

static wk_extra extra_of(const json_t *object) {
  const json_t *a = json_object_get(object, "extra");
  return (wk_extra){.first = signed_of(json_array_get(a, 0)),
                    .count = signed_of(json_array_get(a, 1)),
                    .alpha = (float)json_number_value(json_array_get(a, 2)),
                    .beta = (float)json_number_value(json_array_get(a, 3)),
                    .bias = (float)json_number_value(json_array_get(a, 4))};
}

static wk_op op_of(const json_t *object) {
  const char *name = json_string_value(json_object_get(object, "op"));
  for (int i = 0; name && i < WK_OP_COUNT; i++)
    if (strcmp(name, wk_op_name((wk_op)i)) == 0)
      return (wk_op)i;
  return WK_OP_COUNT;
}

static wk_status damaged(wk_error *err) {
  return WK_FAIL(err, WK_ERR_FORMAT, "the description of its network is damaged, or made by a later whisker");
}

/* How many inputs a layer of that kind has; -1: any number. */
static int arity(wk_op op) {
  return op == WK_OP_INPUT                                              ? 0
         : op == WK_OP_CONCAT                                           ? -1
         : op == WK_OP_ADD || op == WK_OP_SCALE || op == WK_OP_MULTIPLY ? 2
                                                                        : 1;
}

static wk_status read_node(wk_graph *g, const json_t *o, wk_error *err) {
  wk_status st = WK_OK;
  const json_t *in = json_object_get(o, "in"), *to = json_object_get(o, "to"), *size = json_object_get(o, "size");
  const char *stage = json_string_value(json_object_get(o, "stage"));
  const size_t inputs = json_array_size(in);
  const wk_op op = op_of(o);
  wk_node *input = NULL;
  wk_node_info n = {.name = json_string_value(json_object_get(o, "name")), .op = op, .inputs = (int)inputs};
  if (op == WK_OP_COUNT || !n.name || !stage || inputs > (size_t)g->size ||
      (arity(op) >= 0 && inputs != (size_t)arity(op)))
    return damaged(err);
  input = wk_alloc_array(inputs, sizeof *input);
  WK_FAIL_IF(!input, err, WK_ERR_MEMORY, "out of memory for a network");
  for (size_t i = 0; i < inputs; i++)
    input[i] = int_of(json_array_get(in, i));
  n.window = window_of(o);
  n.extra = extra_of(o);
  n.groups = json_object_get(o, "groups") ? int_at(o, "groups") : 1;
  n.out_channels = int_at(o, "out");
  n.bias = json_is_true(json_object_get(o, "bias"));
  n.flat = json_is_true(json_object_get(o, "flat"));
  n.eps = float_at(o, "eps");
  n.p = float_at(o, "p");
  n.shape.height = int_of(json_array_get(to, 0));
  n.shape.width = int_of(json_array_get(to, 1));
  if (*stage)
    wk_graph_stage(g, stage);
  if (op == WK_OP_INPUT)
    (void)wk_graph_input(g, n.name, int_of(json_array_get(size, 0)), int_of(json_array_get(size, 1)),
                         int_of(json_array_get(size, 2)));
  else
    (void)wk_graph_copy_node(g, &n, input);
done:
  wk_free(input);
  return st;
}

wk_status wk_graph_from_json(wk_graph **out, const char *text, wk_error *err) {
  wk_status st = WK_OK;
  json_t *all = NULL;
  wk_graph *g = NULL;
  size_t i;
  const json_t *o;
  WK_TRY(wk_json_parse(&all, text, strlen(text), "the description of a network", err));
  const json_t *layers = json_object_get(all, "layers");
  if (!json_is_array(layers)) {
    st = damaged(err);
    goto done;
  }
  WK_TRY(wk_graph_create(&g, err));
  json_array_foreach(layers, i, o) WK_TRY(read_node(g, o, err));
  wk_graph_outputs(g, int_at(all, "features"), int_at(all, "logits"));
  WK_TRY(wk_graph_finish(g, err));
  *out = g;
  g = NULL;
done:
  wk_graph_free(g);
  json_decref(all);
  return st;
}

/* ---- another classifier --------------------------------------------------------------------------- */

static bool has_name(const wk_graph *g, const bool *needed, const char *name) {
  for (int i = 0; i < g->size; i++)
    if (needed[i] && strcmp(g->node[i].name, name) == 0)
      return true;
  return false;
}

/* The classifier of one layer on the features, with a dropout maybe; -1: it is something else. */
static wk_node plain_classifier(const wk_graph *g, wk_node *dropout) {
  const wk_node n = g->logits;
  *dropout = -1;
  if (n < 0 || g->node[n].op != WK_OP_LINEAR)
    return -1;
  wk_node in = g->node[n].input[0];
  if (in != g->features && g->node[in].op == WK_OP_DROPOUT) {
    *dropout = in;
    in = g->node[in].input[0];
  }
  return in == g->features ? n : -1;
}

wk_status wk_graph_copy_features(wk_graph *to, wk_node *features, const wk_graph *g, wk_error *err) {
  wk_status st = WK_OK;
  wk_node_info info;
  bool *needed = mark(g, g->features, -1);
  wk_node *at = wk_calloc((size_t)g->size, sizeof *at), *input = NULL;
  WK_FAIL_IF(!needed || !at, err, WK_ERR_MEMORY, "out of memory for a network");
  for (wk_node i = 0; i < g->size; i++) {
    if (!needed[i])
      continue;
    WK_TRY(wk_graph_node(&info, g, i, 0, 0, err));
    wk_free(input);
    input = wk_alloc_array((size_t)info.inputs, sizeof *input);
    WK_FAIL_IF(!input, err, WK_ERR_MEMORY, "out of memory for a network");
    for (int k = 0; k < info.inputs; k++)
      input[k] = at[info.input[k]];
    if (*info.stage)
      wk_graph_stage(to, info.stage);
    at[i] = i == g->input ? wk_graph_input(to, info.name, info.shape.height, info.shape.width, info.shape.channels)
                          : wk_graph_copy_node(to, &info, input);
  }
  *features = at[g->features];
done:
  wk_free(needed);
  wk_free(at);
  wk_free(input);
  return st;
}

wk_status wk_graph_with_classes(wk_graph **out, const wk_graph *g, int classes, wk_error *err) {
  wk_status st = WK_OK;
  wk_graph *made = NULL;
  bool *needed = mark(g, g->features, -1);
  char name[32] = "classifier";
  wk_node dropout, own = plain_classifier(g, &dropout), features = -1, logits = -1;
  WK_FAIL_IF(!needed, err, WK_ERR_MEMORY, "out of memory for a network");
  WK_TRY(wk_graph_create(&made, err));
  WK_TRY(wk_graph_copy_features(made, &features, g, err));
  if (classes > 0) {
    wk_graph_stage(made, "head");
    logits = features;
    if (dropout >= 0)
      logits = wk_graph_dropout(made, g->node[dropout].name, logits, g->node[dropout].p);
    for (int k = 1; has_name(g, needed, name); k++)
      snprintf(name, sizeof name, "classifier_%d", k);
    logits = wk_graph_linear(made, own >= 0 ? g->node[own].name : name, logits, classes);
  }
  wk_graph_outputs(made, features, logits);
  WK_TRY(wk_graph_finish(made, err));
  *out = made;
  made = NULL;
done:
  wk_graph_free(made);
  wk_free(needed);
  return st;
}

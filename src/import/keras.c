/* keras.c - walks a Keras model: layers one after the other, or a graph of them, models inside models. Each layer
 * becomes operations by keras_layers.c. Both dialects are read: Keras 2's lists of names and Keras 3's tensors with a
 * history. */
#include <string.h>

#include "import/keras_walk.h"

enum { MOST_LAYERS = 10000, MOST_DEPTH = 6, MOST_INPUTS = 256 };

static wk_status broken(const char *what, wk_error *err) {
  return WK_FAIL(err, WK_ERR_FORMAT, "the description of the Keras model is broken: %s", what);
}

/* ---- what a layer is ------------------------------------------------------------------------------ */

static const json_t *config_of(const json_t *layer) { return json_object_get(layer, "config"); }

const char *wk_keras_text(const json_t *object, const char *key, const char *otherwise) {
  const char *s = json_string_value(json_object_get(object, key));
  return s ? s : otherwise;
}

static const char *class_of(const json_t *layer) { return wk_keras_text(layer, "class_name", ""); }

static const char *name_of(const json_t *layer) {
  const char *s = wk_keras_text(layer, "name", NULL);
  return s ? s : wk_keras_text(config_of(layer), "name", class_of(layer));
}

static bool is_model(const json_t *layer) {
  const char *class = class_of(layer);
  return strcmp(class, "Sequential") == 0 || strcmp(class, "Functional") == 0 || strcmp(class, "Model") == 0;
}

static const json_t *layers_of(const json_t *model) {
  const json_t *config = config_of(model);
  return json_is_array(config) ? config : json_object_get(config, "layers");
}

/* ---- the input ------------------------------------------------------------------------------------- */

static bool shape_from(wk_ir_value *v, const json_t *shape) {
  const size_t n = json_array_size(shape);
  if (n < 3 || n > 4)
    return false;
  v->ndim = (int)n;
  for (size_t i = 0; i < n; i++) {
    const json_t *side = json_array_get(shape, i);
    v->shape[i] = json_is_integer(side) && json_integer_value(side) > 0 && json_integer_value(side) < INT32_MAX
                      ? (int64_t)json_integer_value(side)
                      : -1;
  }
  return true;
}

/* The first shape of an input that is told, wherever: by an input layer, or the first layer. */
static bool find_shape(wk_ir_value *v, const json_t *model, int depth) {
  static const char *const keys[] = {"batch_input_shape", "batch_shape", "input_shape"};
  const json_t *layers = layers_of(model), *layer, *build = json_object_get(config_of(model), "build_input_shape");
  size_t i;
  for (size_t k = 0; k < 3; k++)
    if (shape_from(v, json_object_get(config_of(model), keys[k])))
      return true;
  json_array_foreach(layers, i, layer) {
    for (size_t k = 0; k < 3; k++)
      if (shape_from(v, json_object_get(config_of(layer), keys[k])))
        return true;
    if (is_model(layer) && depth < MOST_DEPTH && find_shape(v, layer, depth + 1))
      return true;
  }
  return shape_from(v, build) || shape_from(v, json_object_get(json_object_get(model, "build_config"), "input_shape"));
}

/* ---- places of weights ------------------------------------------------------------------------------- */

/* "DepthwiseConv2D" to "depthwise_conv2d". */
static void snake(char out[64], const char *class) {
  size_t n = 0;
  for (const char *c = class; *c && n < 60; c++) {
    const bool upper = *c >= 'A' && *c <= 'Z', before = c > class && !(c[-1] >= 'A' && c[-1] <= 'Z'),
               word = c > class && upper && c[1] >= 'a' && c[1] <= 'z' && c[-1] >= 'A' && c[-1] <= 'Z';
    if (upper && c > class && ((before && !(c[-1] >= '0' && c[-1] <= '9')) || word))
      out[n++] = '_';
    out[n++] = upper ? (char)(*c + 32) : *c;
  }
  out[n] = 0;
}

void wk_keras_trail(char out[400], const char *before, const json_t *layers, size_t index) {
  char own[64], other[64], number[16] = "";
  int same = 0;
  snake(own, class_of(json_array_get(layers, index)));
  for (size_t i = 0; i < index; i++) {
    snake(other, class_of(json_array_get(layers, i)));
    same += strcmp(own, other) == 0;
  }
  if (same)
    snprintf(number, sizeof number, "_%d", same);
  snprintf(out, 400, "%.280s/layers/%s%s", before, own, number);
}

static wk_status trail_of(const char **out, wk_keras *k, const char *before, const json_t *layers, size_t index,
                          wk_error *err) {
  char text[400];
  wk_keras_trail(text, before, layers, index);
  return wk_ir_text(out, k->ir, text, strlen(text), err);
}

/* ---- graphs ------------------------------------------------------------------------------------------ */

static wk_status apply(int *out, wk_keras *k, const json_t *layer, const json_t *node, const int *in, int ins,
                       const char *trail, wk_error *err);

static wk_status sequential(int *out, wk_keras *k, const json_t *model, int in, const char *trail, wk_error *err) {
  const json_t *layers = layers_of(model), *layer;
  size_t i;
  json_array_foreach(layers, i, layer) {
    const char *own = NULL;
    WK_RETURN_IF_ERROR(trail_of(&own, k, trail, layers, i, err));
    WK_RETURN_IF_ERROR(apply(&in, k, layer, NULL, &in, 1, own, err));
  }
  *out = in;
  return WK_OK;
}

/* Which outputs a node reads: names of layers, and which of their calls. */
typedef struct tensor_ref {
  const char *name;
  int call;
} tensor_ref;

static void add_ref(tensor_ref *refs, int *n, const char *name, const json_t *call) {
  if (name && *n < MOST_INPUTS)
    refs[(*n)++] = (tensor_ref){name, (int)json_integer_value(call)};
}

/* Keras 3: {"class_name": "__keras_tensor__", "config": {"keras_history": [name, call, which]}}, wherever it stands. */
static void refs_of_tensors(tensor_ref *refs, int *n, const json_t *value, int depth) {
  size_t i;
  const json_t *item;
  const char *key = NULL;
  if (depth > 8)
    return;
  const json_t *history = json_object_get(json_object_get(value, "config"), "keras_history");
  if (history) {
    add_ref(refs, n, json_string_value(json_array_get(history, 0)), json_array_get(history, 1));
    return;
  }
  if (json_is_array(value)) {
    json_array_foreach(value, i, item) refs_of_tensors(refs, n, item, depth + 1);
  } else if (json_is_object(value)) {
    json_object_foreach((json_t *)(uintptr_t)value, key, item) refs_of_tensors(refs, n, item, depth + 1);
  }
}

static bool is_ref(const json_t *value) {
  return json_is_array(value) && json_array_size(value) >= 3 && json_is_string(json_array_get(value, 0)) &&
         json_is_integer(json_array_get(value, 1));
}

static int refs_of(tensor_ref *refs, const json_t *node) {
  int n = 0;
  size_t i;
  const json_t *item;
  if (json_is_object(node)) {
    refs_of_tensors(refs, &n, json_object_get(node, "args"), 0);
    refs_of_tensors(refs, &n, json_object_get(node, "kwargs"), 0);
    return n;
  }
  if (is_ref(node)) { /* one tensor, not in a list */
    add_ref(refs, &n, json_string_value(json_array_get(node, 0)), json_array_get(node, 1));
    return n;
  }
  json_array_foreach(node, i, item) {
    if (!is_ref(item))
      continue;
    add_ref(refs, &n, json_string_value(json_array_get(item, 0)), json_array_get(item, 1));
    const json_t *y = json_object_get(json_array_get(item, 3), "y"); /* the other operand of a function */
    if (is_ref(y))
      add_ref(refs, &n, json_string_value(json_array_get(y, 0)), json_array_get(y, 1));
  }
  return n;
}

typedef struct graph {
  wk_name_map values; /* "name#call" to what it gives */
} graph;

static wk_status ref_key(const char **out, wk_keras *k, const char *name, int call, wk_error *err) {
  char text[400];
  snprintf(text, sizeof text, "%.360s#%d", name, call);
  return wk_ir_text(out, k->ir, text, strlen(text), err);
}

/* All calls of a layer whose inputs are there; *left counts the others. */
static wk_status apply_calls(wk_keras *k, graph *g, const json_t *layer, const char *trail, int *left, int *done_now,
                             wk_error *err) {
  const json_t *nodes = json_object_get(layer, "inbound_nodes"), *node;
  size_t call;
  json_array_foreach(nodes, call, node) {
    tensor_ref refs[MOST_INPUTS];
    int in[MOST_INPUTS], n = refs_of(refs, node), out;
    const char *key = NULL;
    bool ready = n > 0;
    WK_RETURN_IF_ERROR(ref_key(&key, k, name_of(layer), (int)call, err));
    if (wk_name_map_find(&g->values, key) >= 0)
      continue;
    for (int i = 0; i < n && ready; i++) {
      const char *from = NULL;
      WK_RETURN_IF_ERROR(ref_key(&from, k, refs[i].name, refs[i].call, err));
      in[i] = wk_name_map_find(&g->values, from);
      ready = in[i] >= 0;
    }
    if (!ready) {
      (*left)++;
      continue;
    }
    WK_RETURN_IF_ERROR(apply(&out, k, layer, node, in, n, trail, err));
    WK_RETURN_IF_ERROR(wk_name_map_add(&g->values, key, out, err));
    (*done_now)++;
  }
  return WK_OK;
}

/* The first of what a list of inputs or outputs names: ["name", 0, 0], or a list of such. */
static const json_t *first_ref(const json_t *list) {
  const json_t *first = json_array_get(list, 0);
  return json_is_array(first) ? first : list;
}

static wk_status functional_graph(int *out, wk_keras *k, graph *g, const json_t *model, int in, const char *trail,
                                  wk_error *err) {
  const json_t *layers = layers_of(model), *layer, *end = first_ref(json_object_get(config_of(model), "output_layers")),
               *begin = json_object_get(config_of(model), "input_layers");
  const char *key, *input = json_string_value(json_array_get(first_ref(begin), 0)),
                   *last = json_string_value(json_array_get(end, 0));
  size_t i;
  if (!input || !last)
    return broken("it names no inputs or outputs", err);
  if (json_is_array(json_array_get(begin, 0)) && json_array_size(begin) > 1)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "takes %zu inputs: whisker reads networks that see one photo",
                   json_array_size(begin));
  WK_RETURN_IF_ERROR(ref_key(&key, k, input, 0, err));
  WK_RETURN_IF_ERROR(wk_name_map_add(&g->values, key, in, err));
  for (int left = 1, done_now = 1, pass = 0; left; pass++) {
    if (!done_now || pass > 100)
      return broken("its layers need each other in a circle, or one that is not there", err);
    left = done_now = 0;
    json_array_foreach(layers, i, layer) {
      const char *own = NULL;
      if (strcmp(class_of(layer), "InputLayer") == 0)
        continue;
      WK_RETURN_IF_ERROR(trail_of(&own, k, trail, layers, i, err));
      WK_RETURN_IF_ERROR(apply_calls(k, g, layer, own, &left, &done_now, err));
    }
  }
  WK_RETURN_IF_ERROR(ref_key(&key, k, last, (int)json_integer_value(json_array_get(end, 1)), err));
  *out = wk_name_map_find(&g->values, key);
  return *out >= 0 ? WK_OK : broken("its output is no layer's", err);
}

static wk_status apply_model(int *out, wk_keras *k, const json_t *model, int in, const char *trail, wk_error *err) {
  graph g = {0};
  const size_t n = json_array_size(layers_of(model));
  if (!n || n > MOST_LAYERS || k->outers == MOST_DEPTH)
    return broken("too many layers or models inside models", err);
  if (strcmp(class_of(model), "Sequential") == 0)
    return sequential(out, k, model, in, trail, err);
  wk_status st = functional_graph(out, k, &g, model, in, trail, err);
  wk_name_map_free(&g.values);
  return st;
}

static wk_status apply(int *out, wk_keras *k, const json_t *layer, const json_t *node, const int *in, int ins,
                       const char *trail, wk_error *err) {
  if (!is_model(layer))
    return wk_keras_layer(out, k, class_of(layer), name_of(layer), config_of(layer), node, in, ins, trail, err);
  k->outer[k->outers++] = name_of(layer);
  wk_status st = apply_model(out, k, layer, in[0], trail, err);
  k->outers--;
  return st;
}

/* What the networks of keras.applications want, told by the names of their layers. */
static void find_convention(wk_ir *ir) {
  bool vgg = false, resnet = false, v2 = false, dense = false, machine = false, xception = false;
  for (int i = 0; i < ir->ops; i++) {
    const char *n = ir->op[i].name;
    vgg |= strcmp(n, "block1_conv1") == 0;
    resnet |= strcmp(n, "conv1_conv") == 0 || strcmp(n, "res2a_branch2a") == 0;
    v2 |= strcmp(n, "post_bn") == 0;
    xception |= strcmp(n, "block1_conv1_bn") == 0; /* whose first layer is called as VGG's */
    dense |= strcmp(n, "conv5_block16_concat") == 0 || strcmp(n, "conv2_block1_concat") == 0;
    machine |= strncmp(n, "dense_Dense", 11) == 0;
  }
  ir->convention = dense ? 0 : ((vgg && !xception) || resnet) && !v2 ? 2 : 1; /* torch, caffe, tf */
  ir->convention_of = machine ? "as Teachable Machine prepares photos" : "as Keras' networks of its kind want it";
}

wk_status wk_keras_build(wk_ir *ir, const json_t *model, const wk_keras_weights *w, wk_error *err) {
  wk_keras k = {.ir = ir, .weights = w};
  wk_ir_value in = {.name = "input", .ndim = -1};
  ir->channels_last = true;
  if (!is_model(model))
    return WK_FAIL(err, WK_ERR_UNSUPPORTED,
                   "a Keras model of class %.60s, whose layers are Python code: save a Functional "
                   "or Sequential one, or export it to ONNX",
                   class_of(model));
  if (!find_shape(&in, model, 0))
    in = (wk_ir_value){.name = "input", .ndim = 4, .shape = {1, -1, -1, -1}};
  if (in.ndim == 4)
    in.shape[0] = 1;
  k.modern = json_object_get(model, "module") != NULL; /* Keras 3 */
  WK_RETURN_IF_ERROR(wk_ir_add_value(&ir->input, ir, &in, err));
  WK_RETURN_IF_ERROR(apply_model(&ir->output, &k, model, ir->input, "", err));
  find_convention(ir);
  return WK_OK;
}

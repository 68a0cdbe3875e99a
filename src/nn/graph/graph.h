/* graph.h (internal) - what a graph looks like inside: for shape inference, the planner and the builder itself.
 * After wk_graph_finish nothing in it changes any more, so any number of threads may read it. */
#ifndef WK_NN_GRAPH_H
#define WK_NN_GRAPH_H

#include "base/base.h"
#include "whisker/nn.h"

/* Limits that keep every index within 32 bits, which the machine-code kernels below count on. */
#define WK_NN_MAX_SIDE (1 << 16) /* height, width, kernel, stride, padding */
#define WK_NN_MAX_CHANNELS (1 << 20)
#define WK_NN_MAX_ELEMENTS ((int64_t)1 << 29) /* of one photo's activation; 2 GB */
#define WK_NN_MAX_WEIGHTS ((int64_t)1 << 31)  /* elements of one layer's weight */

typedef struct wk_node_def {
  char *name;
  int stage; /* index into stages; -1: before the first wk_graph_stage */
  wk_op op;
  int inputs;
  wk_node *input;
  wk_window window;
  int groups, out_channels;
  bool bias, flat; /* flat: of wk_node_info */
  float eps, p;
  wk_extra extra;
  int out_height, out_width; /* adaptive pooling; the input's default size */
  wk_shape shape;            /* at the default size */
  int first_param, param_count;
} wk_node_def;

typedef struct wk_graph_name {
  const char *name;
  wk_node node;
} wk_graph_name;

struct wk_graph {
  wk_node_def *node;
  int size, capacity;
  char **stages;
  int stage_count, stage;
  wk_node input, features, logits;
  wk_param_info *param;
  int param_count;
  wk_graph_name *by_name; /* sorted, for wk_graph_find */
  bool finished;
  wk_error mistake; /* the first one; code WK_OK: none yet */
};

/* The window with real paddings for an input of that size: SAME is resolved, `same` is false. */
wk_window wk_window_resolve(const wk_window *w, int in_height, int in_width);

/* Shapes of the outputs of nodes 0..last at input size height x width. `shape` holds last + 1. Messages name the layer.
 */
wk_status wk_graph_infer(wk_shape *shape, const wk_graph *g, wk_node last, int height, int width, wk_error *err);

/* The same of one node, where `shape` has those before it. */
wk_status wk_graph_infer_node(wk_shape *out, const wk_graph *g, wk_node node, const wk_shape *shape, int height,
                              int width, wk_error *err);

int64_t wk_shape_count(wk_shape s);

/* Is it scale * x + shift of each channel, with numbers that are known before anything runs? */
static inline bool wk_op_is_affine(wk_op op) { return op == WK_OP_BATCH_NORM || op == WK_OP_LAYER_SCALE; }
/* Is it one of wk_act (nn/kernels/activation.h)? The other curves are those of plain_ops.c. */
static inline bool wk_op_is_activation(wk_op op) {
  return (op >= WK_OP_RELU && op <= WK_OP_SIGMOID) || op == WK_OP_GELU;
}

/* Multiply-adds a photo of node n whose input and output have these shapes. */
int64_t wk_node_macs(const wk_node_def *n, wk_shape in, wk_shape out);

/* The same check as wk_graph_check_weights for one node's parameters. */
wk_status wk_graph_check_node(const wk_graph *g, const wk_tensors *weights, wk_node node, wk_error *err);

#endif

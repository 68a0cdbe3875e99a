/* keras_graph.h (internal) - the exportable network in Keras' words, for the three files that hold it: Keras' .h5 and
 * .keras, and TensorFlow.js's model.json. */
#ifndef WK_EXPORT_KERAS_GRAPH_H
#define WK_EXPORT_KERAS_GRAPH_H

#include "export/export.h"

typedef enum wk_keras_dialect {
  WK_KERAS_2, /* .h5, which Keras 2 and 3 open */
  WK_KERAS_3, /* .keras */
  WK_KERAS_JS /* what TensorFlow.js has known from its version 1.3 on, as Teachable Machine's pages load it */
} wk_keras_dialect;

/* A variable of a layer, in Keras' layout. */
typedef struct wk_keras_var {
  const char *layer, *class; /* "conv1", "Conv2D" */
  const char *name;          /* "kernel" */
  int index;                 /* among the layer's */
  int nth;                   /* how many layers of the class came before */
  int ndim;
  int64_t shape[4];
  const float *data;
} wk_keras_var;

typedef struct wk_keras_graph {
  json_t *model;     /* {"class_name", "config"}: json_decref it */
  wk_keras_var *var; /* of the net's arena */
  int vars;
} wk_keras_graph;

/* How pixels as the file's readers give them become the network's input: its first layer multiplies and adds, of each
 * channel; NULL: they are it. Outputs are probabilities; the layer before the softmax gives the logits. */
typedef struct wk_keras_input {
  float scale[3], shift[3];
} wk_keras_input;

wk_status wk_keras_graph_make(wk_keras_graph *out, wk_net *n, wk_keras_dialect dialect, const wk_keras_input *input,
                              wk_error *err);

#endif

/* import.h - networks that others made, from files that carry their whole graph: ONNX, TensorFlow Lite, Keras and
 * TensorFlow.js. Each becomes the same wk_graph that the zoo's builders make, with named layers and stages. Nothing in a
 * file is ever executed. Knows nothing about training. */
#ifndef WHISKER_IMPORT_H
#define WHISKER_IMPORT_H

#include "whisker/image.h"
#include "whisker/nn.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wk_import_options {
  int height, width;  /* of the input, where the file leaves them open; 0: 224, or what the maker's networks usually see */
  const char *pixels; /* how bytes become the input, as wk_pixels_parse reads it; NULL: as the file says, else the
                         convention of its kind, which is then `assumed` */
  const char *labels; /* a file of classes, one a line; NULL: those in the file or beside it */
} wk_import_options;

typedef struct wk_import {
  wk_graph *graph;
  wk_tensors *weights; /* keep the mapped file open */
  int classes;         /* 0: it has no classifier */
  int features;
  wk_preprocess preprocess;
  bool assumed;        /* nothing in the file or beside it says how photos are prepared */
  char *format;        /* "ONNX of pytorch" */
  char *prepared;      /* "x / 127.5 - 1, as its metadata say": one line for people */
  char **label;        /* of each class; NULL: they have no names */
} wk_import;

/* Is this a file, or a folder with one, that wk_import_open reads? Decided by content. */
WK_API bool wk_import_is(const char *path);
/* Errors begin with the path. Operations that cannot be read are named one by one. */
WK_API wk_status wk_import_open(wk_import *out, const char *path, const wk_import_options *o, wk_error *err) WK_NODISCARD;
WK_API void wk_import_free(wk_import *i); /* what is in it; fine on a zeroed struct */

/* "torch" (ImageNet's mean and deviation), "tf" (x / 127.5 - 1), "caffe" (BGR, ImageNet's mean taken off), "unit" (x / 255),
 * or "SCALE,SHIFT" (x * SCALE + SHIFT): sets mean, std and bgr of *p. */
WK_API wk_status wk_pixels_parse(wk_preprocess *p, const char *text, wk_error *err) WK_NODISCARD;

/* The names of classes in a file: one a line, or JSON. *out and each of them are freed with wk_free. */
WK_API wk_status wk_labels_read(char ***out, int *count, const char *path, wk_error *err) WK_NODISCARD;

/* A graph as JSON, and back: how a model file keeps the network it was made with. Only what the features (and, with
 * `classifier`, the logits) depend on. wk_free it. */
WK_API wk_status wk_graph_to_json(char **out, const wk_graph *g, bool classifier, wk_error *err) WK_NODISCARD;
WK_API wk_status wk_graph_from_json(wk_graph **out, const char *text, wk_error *err) WK_NODISCARD;
/* The same body with another classifier: one linear layer of `classes` outputs on its features (0: none). Where g's own
 * classifier is one linear layer, it has that one's name. */
WK_API wk_status wk_graph_with_classes(wk_graph **out, const wk_graph *g, int classes, wk_error *err) WK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif

/* keras.h (internal) - Keras' description of a network, which its .h5 and .keras files and TensorFlow.js's model.json
 * share, to the intermediate network. Where weights lie is each file's own. */
#ifndef WK_IMPORT_KERAS_H
#define WK_IMPORT_KERAS_H

#include <jansson.h>

#include "import/reader.h"

/* Which variable of which layer. */
typedef struct wk_keras_variable {
  const char *const *outer; /* the models around it, outermost first */
  int outers;
  const char *layer; /* "conv2d_1" */
  const char *trail; /* Keras 3's place of it: "layers/conv2d_1", by kinds and how many came before */
  const char *name;  /* "kernel" */
  int index;         /* among the layer's variables */
} wk_keras_variable;

typedef struct wk_keras_weights {
  void *user;
  /* Adds a constant to ir, in Keras' layout; *out -1: there is no such variable. */
  wk_status (*find)(int *out, void *user, wk_ir *ir, const wk_keras_variable *v, wk_error *err);
} wk_keras_weights;

/* Keras 3's place of layer number `index`, by its kind and how many of the kind came before: "layers/conv2d_1" behind
 * `before` (keras.c). */
void wk_keras_trail(char out[400], const char *before, const json_t *layers, size_t index);

/* The weights of a file that holds nothing else. find: the number of that variable among them; -1: it is not there. */
typedef struct wk_keras_names {
  const void *user;
  size_t count;
  const char *(*path)(const void *user, size_t index);
  ptrdiff_t (*find)(const void *user, const wk_keras_variable *v);
} wk_keras_names;

/* The description of the network that they belong to, and its name (keras_bare.c). json_decref *model. */
wk_status wk_keras_recognise(json_t **model, const char **network, const wk_keras_names *n, wk_error *err);

/* The networks of keras.applications: names, NULL behind the last, and descriptions, with their classifier (top) or up
 * to their features (keras_applications.c). json_decref *out. */
const char *wk_keras_application_name(int index);
wk_status wk_keras_application(json_t **out, int index, bool top, wk_error *err);

/* `model`: {"class_name", "config"}. */
wk_status wk_keras_build(wk_ir *ir, const json_t *model, const wk_keras_weights *w, wk_error *err);

#endif

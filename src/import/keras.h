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
  const char *layer;   /* "conv2d_1" */
  const char *trail;   /* Keras 3's place of it: "layers/conv2d_1", by kinds and how many came before */
  const char *name;    /* "kernel" */
  int index;           /* among the layer's variables */
} wk_keras_variable;

typedef struct wk_keras_weights {
  void *user;
  /* Adds a constant to ir, in Keras' layout; *out -1: there is no such variable. */
  wk_status (*find)(int *out, void *user, wk_ir *ir, const wk_keras_variable *v, wk_error *err);
} wk_keras_weights;

/* `model`: {"class_name", "config"}. */
wk_status wk_keras_build(wk_ir *ir, const json_t *model, const wk_keras_weights *w, wk_error *err);

#endif

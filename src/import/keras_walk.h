/* keras_walk.h (internal) - between keras.c, which walks a model, and keras_layers.c, which knows its layers. */
#ifndef WK_IMPORT_KERAS_WALK_H
#define WK_IMPORT_KERAS_WALK_H

#include "import/keras.h"

typedef struct wk_keras {
  wk_ir *ir;
  const wk_keras_weights *weights;
  const char *outer[8];
  int outers;
  bool modern; /* Keras 3 */
} wk_keras;

const char *wk_keras_text(const json_t *object, const char *key, const char *otherwise);
/* The operations of one layer on these inputs. `node` is what the graph says of the call; NULL: nothing. */
wk_status wk_keras_layer(int *out, wk_keras *k, const char *class, const char *name, const json_t *config,
                         const json_t *node, const int *in, int ins, const char *trail, wk_error *err);

#endif

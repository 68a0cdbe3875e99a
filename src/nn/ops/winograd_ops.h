/* winograd_ops.h (internal) - what a layer and the gradient of its input have in common where both go by Winograd: the
 * packed weights, and how threads share the work. */
#ifndef WK_NN_WINOGRAD_OPS_H
#define WK_NN_WINOGRAD_OPS_H

#include "base/chunk.h"
#include "nn/kernels/microkernels.h"

/* Weights are read once for all tiles of a call: where these are one strip of a product and the weights come from
 * beyond the caches, it is quicker to read them as they are (see wk_winograd). w is of one photo, `batch` the most of a
 * call. */
bool wk_winograd_on_the_fly_pays(const wk_winograd *w, int batch);

/* Packed weights, light or as frequencies: how many floats, and made of a layer's weights [out][in][3][3]; `back`: for
 * the gradient of its input, where w goes from the layer's outputs to its inputs. */
size_t wk_winograd_weights(const wk_microkernels *kn, const wk_winograd *w);
void wk_winograd_weights_pack(const wk_microkernels *kn, const wk_winograd *w, float *packed, const float *weight,
                              bool back);

/* Where the threads share the channels of one block of tiles, they transform the input together first: 2 stages. */
int wk_winograd_stages(const wk_microkernels *kn, const wk_winograd *w, int threads);
int wk_winograd_chunks(const wk_microkernels *kn, const wk_winograd *w, int threads, int stage);

/* One part of one stage, with `each` floats of scratch a thread, and what it wrote: tiles tile0..tile1-1 of channels
 * col0..col1-1, which is nothing in a first stage of two. */
typedef struct wk_winograd_range {
  int tile0, tile1, col0, col1;
} wk_winograd_range;
wk_winograd_range wk_winograd_chunk(const wk_microkernels *kn, const wk_winograd *w, int threads, int stage,
                                    float *scratch, size_t each, wk_chunk chunk);

#endif

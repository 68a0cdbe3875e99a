/* conv.h (internal) - convolution through oneDNN, as the planner sees it: float32, NHWC, one photo a call.
 *
 * One photo a call is what makes a photo's result independent of its batch: the library picks its blocking, and so the
 * order of its sums, by the batch size. Weights stay in the cache between the photos of a batch. */
#ifndef WK_NN_DNNL_CONV_H
#define WK_NN_DNNL_CONV_H

#include "nn/step.h"

/* Shared by all primitives of a plan. */

wk_status wk_dnnl_engine_create(wk_dnnl_engine **out, wk_error *err);
void wk_dnnl_engine_free(wk_dnnl_engine *engine);

/* Threads for the primitives that the calling thread makes and runs from now on; returns what it was before. */
int wk_dnnl_threads(int threads);

/* A primitive with its packed weights: read-only, shared by threads. */
typedef struct wk_dnnl_conv wk_dnnl_conv;
/* `weight` is OIHW (groups folded into O), bias [out] or NULL. Made for, and run with, the calling thread's thread
 * count. */
wk_status wk_dnnl_conv_create(wk_dnnl_conv **out, wk_dnnl_engine *engine, const wk_layer *layer, const float *weight,
                              const float *bias, wk_error *err);
void wk_dnnl_conv_free(wk_dnnl_conv *conv);
size_t wk_dnnl_conv_weight_bytes(const wk_dnnl_conv *conv);
size_t wk_dnnl_conv_scratch_bytes(const wk_dnnl_conv *conv);

/* What one thread needs to run it. */
typedef struct wk_dnnl_call wk_dnnl_call;
wk_status wk_dnnl_call_create(wk_dnnl_call **out, const wk_dnnl_conv *conv, wk_error *err);
void wk_dnnl_call_free(wk_dnnl_call *call);
/* Where the layer adds a residual, `out` holds it before and the sum after. */
wk_status wk_dnnl_call_run(wk_dnnl_call *call, const float *in, float *out, void *scratch, wk_error *err);

#endif

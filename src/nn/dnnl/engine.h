/* engine.h (internal) - what the rest of nn sees of oneDNN besides its kernels (op.h). */
#ifndef WK_NN_DNNL_ENGINE_H
#define WK_NN_DNNL_ENGINE_H

#include "base/base.h"

/* Shared by all primitives of a plan. */
typedef struct wk_dnnl_engine wk_dnnl_engine;
wk_status wk_dnnl_engine_create(wk_dnnl_engine **out, wk_error *err);
void wk_dnnl_engine_free(wk_dnnl_engine *engine);

/* Threads for the primitives that the calling thread makes and runs from now on; returns what it was before. A
 * primitive must be run with the number it was made with. */
int wk_dnnl_threads(int threads);

#endif

/* fold_gradient.h (internal) - the two ends of a training step. */
#ifndef WK_NN_FOLD_GRADIENT_H
#define WK_NN_FOLD_GRADIENT_H

#include "nn/run/trainer.h"

/* Packs the parameters as they are now. */
wk_status wk_trainer_repack(struct wk_trainer *t, const wk_context *ctx, wk_error *err);
/* From sums over micro-batches to the flat gradient. */
wk_status wk_trainer_collect(struct wk_trainer *t, const wk_context *ctx, wk_error *err);

#endif

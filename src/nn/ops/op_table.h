/* op_table.h (internal) - which kernel computes a layer: one table for all directions. */
#ifndef WK_NN_OP_TABLE_H
#define WK_NN_OP_TABLE_H

#include "nn/ops/op.h"

/* The first of that direction that fits, in the order of preference. NULL: no kernel can, which for gradients of a
 * convolution or linear layer never happens. */
const wk_kernel *wk_kernel_for(const wk_layer *layer, wk_direction direction, wk_isa isa);

#endif

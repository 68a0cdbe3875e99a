/* op_table.c - see op_table.h. */
#include "nn/ops/op_table.h"

const wk_kernel *wk_kernel_for(const wk_layer *layer, wk_direction direction, wk_isa isa) {
  /* In the order of preference. */
  static const wk_kernel *const table[] = {
      &wk_kernel_linear,
      &wk_kernel_linear_train,
      &wk_kernel_winograd,
      &wk_kernel_depthwise,
      &wk_kernel_conv,
      &wk_kernel_grouped,
      &wk_kernel_act,
      &wk_kernel_add,
      &wk_kernel_affine,
      &wk_kernel_layer_norm,
      &wk_kernel_scale,
      &wk_kernel_concat,
      &wk_kernel_flatten,
      &wk_kernel_copy,
      &wk_kernel_max_pool,
      &wk_kernel_avg_pool,
      &wk_kernel_adaptive_avg_pool,
      &wk_kernel_softmax,
      &wk_kernel_multiply,
      &wk_kernel_curve,
      &wk_kernel_pad,
      &wk_kernel_slice,
      &wk_kernel_shuffle,
      &wk_kernel_lrn,
      &wk_kernel_linear_data,
      &wk_kernel_depthwise_data,
      &wk_kernel_winograd_data,
      &wk_kernel_conv_data,
      &wk_kernel_grouped_data,
      &wk_kernel_depthwise_weights,
      &wk_kernel_winograd_weights,
      &wk_kernel_conv_weights,
      &wk_kernel_grouped_weights,
  };
  if (layer->pixels)
    return wk_kernel_conv.fits(layer, isa)        ? &wk_kernel_conv
           : wk_kernel_normalise.fits(layer, isa) ? &wk_kernel_normalise
                                                  : NULL;
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    if (table[i]->direction == direction && table[i]->fits(layer, isa))
      return table[i];
  return NULL;
}

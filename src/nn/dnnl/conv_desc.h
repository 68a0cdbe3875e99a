/* conv_desc.h (internal to nn/dnnl) - a layer's geometry as oneDNN wants it. */
#ifndef WK_NN_DNNL_CONV_DESC_H
#define WK_NN_DNNL_CONV_DESC_H

#include "nn/dnnl/primitive.h"
#include "nn/ops/op.h"

typedef struct wk_conv_desc {
  wk_md src, weight, bias, dst; /* NHWC; the weight's layout is left to the library */
  wk_md plain;                  /* the weight as PyTorch has it */
  dnnl_dims_t strides, dilates, before, after;
} wk_conv_desc;

/* For `batch` photos; *d is to be ended in any case. */
wk_status wk_conv_desc_init(wk_conv_desc *d, const wk_layer *l, int batch, bool bias, wk_error *err);
void wk_conv_desc_end(wk_conv_desc *d);

/* No post-operations: for gradients, and the hint they need. */
wk_status wk_plain_attr(dnnl_primitive_attr_t *out, const char *name, wk_error *err);

#endif

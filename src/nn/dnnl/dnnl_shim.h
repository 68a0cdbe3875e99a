/* dnnl_shim.h (internal to nn/dnnl) - oneDNN's C interface as one thing, although 2.x and 3.x differ: in 3.x memory
 * descriptors are pointers that are owned, and operation descriptors are gone. Included nowhere outside nn/dnnl. */
#ifndef WK_NN_DNNL_SHIM_H
#define WK_NN_DNNL_SHIM_H

#include <dnnl.h>
#include <string.h>

#include "base/base.h"

#define WK_DNNL_3 (DNNL_VERSION_MAJOR >= 3)

/* Turns a library status into ours; the message says what was being made. */
wk_status wk_dnnl_fail(dnnl_status_t status, const char *what, wk_error *err);

#define WK_DNNL_TRY(expr, what, err)                                                                                   \
  do {                                                                                                                 \
    dnnl_status_t wk_d_ = (expr);                                                                                      \
    if (wk_d_ != dnnl_success) {                                                                                       \
      st = wk_dnnl_fail(wk_d_, (what), (err));                                                                         \
      goto done;                                                                                                       \
    }                                                                                                                  \
  } while (0)

/* ---- memory descriptors ------------------------------------------------------------------------ */

#if WK_DNNL_3
typedef dnnl_memory_desc_t wk_md; /* owned */
typedef const_dnnl_memory_desc_t wk_md_ref;
#define WK_MD_NONE NULL
static inline wk_md_ref wk_md_get(const wk_md *md) { return *md; }
static inline dnnl_status_t wk_md_init(wk_md *md, int ndims, const dnnl_dims_t dims, dnnl_format_tag_t tag) {
  return dnnl_memory_desc_create_with_tag(md, ndims, dims, dnnl_f32, tag);
}
static inline void wk_md_end(wk_md *md) {
  if (*md)
    dnnl_memory_desc_destroy(*md);
  *md = NULL;
}
#else
typedef struct {
  dnnl_memory_desc_t desc;
} wk_md;
typedef const dnnl_memory_desc_t *wk_md_ref;
#define WK_MD_NONE                                                                                                     \
  { 0 }
static inline wk_md_ref wk_md_get(const wk_md *md) { return md->desc.ndims ? &md->desc : NULL; }
static inline dnnl_status_t wk_md_init(wk_md *md, int ndims, const dnnl_dims_t dims, dnnl_format_tag_t tag) {
  return dnnl_memory_desc_init_by_tag(&md->desc, ndims, dims, dnnl_f32, tag);
}
static inline void wk_md_end(wk_md *md) { (void)md; }
#endif

/* ---- post-operations ---------------------------------------------------------------------------- */

static inline dnnl_status_t wk_post_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t kind, float alpha, float beta) {
#if WK_DNNL_3
  return dnnl_post_ops_append_eltwise(ops, kind, alpha, beta);
#else
  return dnnl_post_ops_append_eltwise(ops, 1.0f, kind, alpha, beta);
#endif
}

static inline dnnl_status_t wk_post_sum(dnnl_post_ops_t ops) {
#if WK_DNNL_3
  return dnnl_post_ops_append_sum(ops, 1.0f, 0, dnnl_data_type_undef);
#else
  return dnnl_post_ops_append_sum(ops, 1.0f);
#endif
}

/* ---- convolution -------------------------------------------------------------------------------- */

static inline dnnl_status_t wk_conv_forward_pd(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_prop_kind_t kind,
                                               const wk_md *src, const wk_md *weights, const wk_md *bias,
                                               const wk_md *dst, const dnnl_dims_t strides, const dnnl_dims_t dilates,
                                               const dnnl_dims_t before, const dnnl_dims_t after,
                                               const_dnnl_primitive_attr_t attr) {
#if WK_DNNL_3
  return dnnl_convolution_forward_primitive_desc_create(pd, engine, kind, dnnl_convolution_direct, wk_md_get(src),
                                                        wk_md_get(weights), wk_md_get(bias), wk_md_get(dst), strides,
                                                        dilates, before, after, attr);
#else
  dnnl_convolution_desc_t desc;
  dnnl_status_t status = dnnl_dilated_convolution_forward_desc_init(&desc, kind, dnnl_convolution_direct,
                                                                    wk_md_get(src), wk_md_get(weights), wk_md_get(bias),
                                                                    wk_md_get(dst), strides, dilates, before, after);
  return status == dnnl_success ? dnnl_primitive_desc_create(pd, &desc, attr, engine, NULL) : status;
#endif
}

static inline dnnl_status_t wk_conv_data_pd(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const wk_md *src,
                                            const wk_md *weights, const wk_md *dst, const dnnl_dims_t strides,
                                            const dnnl_dims_t dilates, const dnnl_dims_t before,
                                            const dnnl_dims_t after, const_dnnl_primitive_desc_t forward,
                                            const_dnnl_primitive_attr_t attr) {
#if WK_DNNL_3
  return dnnl_convolution_backward_data_primitive_desc_create(pd, engine, dnnl_convolution_direct, wk_md_get(src),
                                                              wk_md_get(weights), wk_md_get(dst), strides, dilates,
                                                              before, after, forward, attr);
#else
  dnnl_convolution_desc_t desc;
  dnnl_status_t status = dnnl_dilated_convolution_backward_data_desc_init(
      &desc, dnnl_convolution_direct, wk_md_get(src), wk_md_get(weights), wk_md_get(dst), strides, dilates, before,
      after);
  return status == dnnl_success ? dnnl_primitive_desc_create(pd, &desc, attr, engine, forward) : status;
#endif
}

static inline dnnl_status_t wk_conv_weights_pd(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const wk_md *src,
                                               const wk_md *weights, const wk_md *bias, const wk_md *dst,
                                               const dnnl_dims_t strides, const dnnl_dims_t dilates,
                                               const dnnl_dims_t before, const dnnl_dims_t after,
                                               const_dnnl_primitive_desc_t forward, const_dnnl_primitive_attr_t attr) {
#if WK_DNNL_3
  return dnnl_convolution_backward_weights_primitive_desc_create(pd, engine, dnnl_convolution_direct, wk_md_get(src),
                                                                 wk_md_get(weights), wk_md_get(bias), wk_md_get(dst),
                                                                 strides, dilates, before, after, forward, attr);
#else
  dnnl_convolution_desc_t desc;
  dnnl_status_t status = dnnl_dilated_convolution_backward_weights_desc_init(
      &desc, dnnl_convolution_direct, wk_md_get(src), wk_md_get(weights), wk_md_get(bias), wk_md_get(dst), strides,
      dilates, before, after);
  return status == dnnl_success ? dnnl_primitive_desc_create(pd, &desc, attr, engine, forward) : status;
#endif
}

static inline dnnl_status_t wk_reorder_pd(dnnl_primitive_desc_t *pd, wk_md_ref from, wk_md_ref to,
                                          dnnl_engine_t engine) {
  return dnnl_reorder_primitive_desc_create(pd, from, engine, to, engine, NULL);
}

#endif

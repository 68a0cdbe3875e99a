/* onednn_shim.h - oneDNN's C interface as one thing, although 2.x and 3.x differ: in 3.x memory descriptors are
 * pointers that are owned, and operation descriptors are gone. */
#ifndef BENCH_ONEDNN_SHIM_H
#define BENCH_ONEDNN_SHIM_H

#include <dnnl.h>
#include <stdbool.h>
#include <string.h>

#define ONEDNN_3 (DNNL_VERSION_MAJOR >= 3)

/* ---- memory descriptors ------------------------------------------------------------------------ */

#if ONEDNN_3
typedef dnnl_memory_desc_t md; /* owned */
typedef const_dnnl_memory_desc_t md_ref;
static inline md_ref md_get(const md *m) { return *m; }
static inline dnnl_status_t md_init(md *m, int ndims, const dnnl_dims_t dims, dnnl_format_tag_t tag) {
  return dnnl_memory_desc_create_with_tag(m, ndims, dims, dnnl_f32, tag);
}
static inline void md_end(md *m) {
  if (*m)
    dnnl_memory_desc_destroy(*m);
  *m = NULL;
}
#else
typedef struct {
  dnnl_memory_desc_t desc;
} md;
typedef const dnnl_memory_desc_t *md_ref;
static inline md_ref md_get(const md *m) { return m->desc.ndims ? &m->desc : NULL; }
static inline dnnl_status_t md_init(md *m, int ndims, const dnnl_dims_t dims, dnnl_format_tag_t tag) {
  return dnnl_memory_desc_init_by_tag(&m->desc, ndims, dims, dnnl_f32, tag);
}
static inline void md_end(md *m) { (void)m; }
#endif

/* ---- post-operations ---------------------------------------------------------------------------- */

static inline dnnl_status_t post_relu(dnnl_post_ops_t ops) {
#if ONEDNN_3
  return dnnl_post_ops_append_eltwise(ops, dnnl_eltwise_relu, 0.0f, 0.0f);
#else
  return dnnl_post_ops_append_eltwise(ops, 1.0f, dnnl_eltwise_relu, 0.0f, 0.0f);
#endif
}

/* ---- convolution -------------------------------------------------------------------------------- */

static inline dnnl_status_t conv_forward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_prop_kind_t kind,
                                         const md *src, const md *weights, const md *bias, const md *dst,
                                         const dnnl_dims_t strides, const dnnl_dims_t dilates, const dnnl_dims_t before,
                                         const dnnl_dims_t after, const_dnnl_primitive_attr_t attr) {
#if ONEDNN_3
  return dnnl_convolution_forward_primitive_desc_create(pd, engine, kind, dnnl_convolution_direct, md_get(src),
                                                        md_get(weights), md_get(bias), md_get(dst), strides, dilates,
                                                        before, after, attr);
#else
  dnnl_convolution_desc_t desc;
  dnnl_status_t status =
      dnnl_dilated_convolution_forward_desc_init(&desc, kind, dnnl_convolution_direct, md_get(src), md_get(weights),
                                                 md_get(bias), md_get(dst), strides, dilates, before, after);
  return status == dnnl_success ? dnnl_primitive_desc_create(pd, &desc, attr, engine, NULL) : status;
#endif
}

static inline dnnl_status_t conv_data(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const md *src, const md *weights,
                                      const md *dst, const dnnl_dims_t strides, const dnnl_dims_t dilates,
                                      const dnnl_dims_t before, const dnnl_dims_t after,
                                      const_dnnl_primitive_desc_t forward, const_dnnl_primitive_attr_t attr) {
#if ONEDNN_3
  return dnnl_convolution_backward_data_primitive_desc_create(pd, engine, dnnl_convolution_direct, md_get(src),
                                                              md_get(weights), md_get(dst), strides, dilates, before,
                                                              after, forward, attr);
#else
  dnnl_convolution_desc_t desc;
  dnnl_status_t status = dnnl_dilated_convolution_backward_data_desc_init(
      &desc, dnnl_convolution_direct, md_get(src), md_get(weights), md_get(dst), strides, dilates, before, after);
  return status == dnnl_success ? dnnl_primitive_desc_create(pd, &desc, attr, engine, forward) : status;
#endif
}

static inline dnnl_status_t conv_weights(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const md *src,
                                         const md *weights, const md *bias, const md *dst, const dnnl_dims_t strides,
                                         const dnnl_dims_t dilates, const dnnl_dims_t before, const dnnl_dims_t after,
                                         const_dnnl_primitive_desc_t forward, const_dnnl_primitive_attr_t attr) {
#if ONEDNN_3
  return dnnl_convolution_backward_weights_primitive_desc_create(pd, engine, dnnl_convolution_direct, md_get(src),
                                                                 md_get(weights), md_get(bias), md_get(dst), strides,
                                                                 dilates, before, after, forward, attr);
#else
  dnnl_convolution_desc_t desc;
  dnnl_status_t status =
      dnnl_dilated_convolution_backward_weights_desc_init(&desc, dnnl_convolution_direct, md_get(src), md_get(weights),
                                                          md_get(bias), md_get(dst), strides, dilates, before, after);
  return status == dnnl_success ? dnnl_primitive_desc_create(pd, &desc, attr, engine, forward) : status;
#endif
}

#endif

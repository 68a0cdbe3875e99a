/* conv.c - a convolution with its fused bias, residual and activation as one oneDNN primitive. The primitive and its
 * packed weights are shared; the small memory objects that carry pointers belong to one thread each. */
#include "nn/dnnl/conv.h"

#include <omp.h>

#include "nn/dnnl/dnnl_shim.h"

wk_status wk_dnnl_fail(dnnl_status_t status, const char *what, wk_error *err) {
  if (status == dnnl_out_of_memory)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for %s", what);
  return WK_FAIL(err, WK_ERR_INTERNAL, "oneDNN cannot do %s (status %d)", what, (int)status);
}

struct wk_dnnl_engine {
  dnnl_engine_t engine;
};

wk_status wk_dnnl_engine_create(wk_dnnl_engine **out, wk_error *err) {
  wk_status st = WK_OK;
  wk_dnnl_engine *e = wk_calloc(1, sizeof *e);
  WK_FAIL_IF(!e, err, WK_ERR_MEMORY, "out of memory for oneDNN's engine");
  WK_DNNL_TRY(dnnl_engine_create(&e->engine, dnnl_cpu, 0), "an engine", err);
  *out = e;
  e = NULL;
done:
  wk_free(e);
  return st;
}

void wk_dnnl_engine_free(wk_dnnl_engine *engine) {
  if (!engine)
    return;
  dnnl_engine_destroy(engine->engine);
  wk_free(engine);
}

int wk_dnnl_threads(int threads) {
  int before = omp_get_max_threads();
  if (before != threads)
    omp_set_num_threads(threads);
  return before;
}

struct wk_dnnl_conv {
  dnnl_engine_t engine;
  dnnl_primitive_desc_t pd;
  dnnl_primitive_t primitive;
  void *weight;
  float *bias;
  size_t weight_bytes, bias_bytes, scratch_bytes;
  char name[64];
};

static dnnl_status_t append_act(dnnl_post_ops_t ops, wk_act act) {
  switch (act) {
  case WK_ACT_RELU:
    return wk_post_eltwise(ops, dnnl_eltwise_relu, 0.0f, 0.0f);
  case WK_ACT_RELU6:
    return wk_post_eltwise(ops, dnnl_eltwise_clip, 0.0f, 6.0f);
  case WK_ACT_HARDSWISH:
    return wk_post_eltwise(ops, dnnl_eltwise_hardswish, 1.0f / 6.0f, 0.5f);
  case WK_ACT_SILU:
    return wk_post_eltwise(ops, dnnl_eltwise_swish, 1.0f, 0.0f);
  case WK_ACT_SIGMOID:
    return wk_post_eltwise(ops, dnnl_eltwise_logistic, 0.0f, 0.0f);
  case WK_ACT_NONE:
    return dnnl_success;
  default:
    return dnnl_unimplemented;
  }
}

static wk_status make_attr(dnnl_primitive_attr_t *out, const wk_layer *l, wk_error *err) {
  wk_status st = WK_OK;
  dnnl_primitive_attr_t attr = NULL;
  dnnl_post_ops_t ops = NULL;
  WK_DNNL_TRY(dnnl_primitive_attr_create(&attr), l->name, err);
  WK_DNNL_TRY(dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user), l->name, err);
  WK_DNNL_TRY(dnnl_post_ops_create(&ops), l->name, err);
  if (l->residual)
    WK_DNNL_TRY(wk_post_sum(ops), l->name, err);
  WK_DNNL_TRY(append_act(ops, l->act), l->name, err);
  WK_DNNL_TRY(dnnl_primitive_attr_set_post_ops(attr, ops), l->name, err);
  *out = attr;
  attr = NULL;
done:
  if (ops)
    dnnl_post_ops_destroy(ops);
  if (attr)
    dnnl_primitive_attr_destroy(attr);
  return st;
}

/* The dimensions of the weight as oneDNN counts them: [g, o/g, i/g, kh, kw], or [o, i, kh, kw] without groups. */
static int weight_dims(dnnl_dims_t dims, const wk_layer *l) {
  int n = 0, g = l->groups;
  if (g > 1)
    dims[n++] = g;
  dims[n++] = l->out.channels / g;
  dims[n++] = l->in.channels / g;
  dims[n++] = l->window.kernel_h;
  dims[n++] = l->window.kernel_w;
  return n;
}

static wk_status make_pd(wk_dnnl_conv *c, const wk_layer *l, bool bias, wk_error *err) {
  const wk_window *w = &l->window;
  wk_status st = WK_OK;
  wk_md src = WK_MD_NONE, weight = WK_MD_NONE, b = WK_MD_NONE, dst = WK_MD_NONE;
  dnnl_primitive_attr_t attr = NULL;
  dnnl_dims_t src_dims = {1, l->in.channels, l->in.height, l->in.width};
  dnnl_dims_t dst_dims = {1, l->out.channels, l->out.height, l->out.width};
  dnnl_dims_t bias_dims = {l->out.channels}, w_dims;
  int w_ndims = weight_dims(w_dims, l);
  WK_DNNL_TRY(wk_md_init(&src, 4, src_dims, dnnl_nhwc), l->name, err);
  WK_DNNL_TRY(wk_md_init(&dst, 4, dst_dims, dnnl_nhwc), l->name, err);
  WK_DNNL_TRY(wk_md_init(&weight, w_ndims, w_dims, dnnl_format_tag_any), l->name, err);
  if (bias)
    WK_DNNL_TRY(wk_md_init(&b, 1, bias_dims, dnnl_a), l->name, err);
  WK_TRY(make_attr(&attr, l, err));
  dnnl_dims_t strides = {w->stride_h, w->stride_w}, dilates = {w->dilation_h - 1, w->dilation_w - 1};
  dnnl_dims_t before = {w->pad_top, w->pad_left}, after = {w->pad_bottom, w->pad_right};
  WK_DNNL_TRY(wk_conv_forward_pd(&c->pd, c->engine, &src, &weight, &b, &dst, strides, dilates, before, after, attr),
              l->name, err);
done:
  if (attr)
    dnnl_primitive_attr_destroy(attr);
  wk_md_end(&src);
  wk_md_end(&weight);
  wk_md_end(&b);
  wk_md_end(&dst);
  return st;
}

static wk_md_ref query(const wk_dnnl_conv *c, dnnl_query_t what) {
  return dnnl_primitive_desc_query_md(c->pd, what, 0);
}

static wk_status pack(wk_dnnl_conv *c, const wk_layer *l, const float *weight, wk_error *err) {
  wk_status st = WK_OK;
  wk_md plain = WK_MD_NONE;
  dnnl_primitive_desc_t pd = NULL;
  dnnl_primitive_t reorder = NULL;
  dnnl_memory_t from = NULL, to = NULL;
  dnnl_stream_t stream = NULL;
  dnnl_dims_t dims;
  int ndims = weight_dims(dims, l);
  wk_md_ref packed = query(c, dnnl_query_weights_md);
  WK_DNNL_TRY(wk_md_init(&plain, ndims, dims, ndims == 5 ? dnnl_goihw : dnnl_oihw), l->name, err);
  WK_DNNL_TRY(wk_reorder_pd(&pd, wk_md_get(&plain), packed, c->engine), l->name, err);
  WK_DNNL_TRY(dnnl_primitive_create(&reorder, pd), l->name, err);
  WK_DNNL_TRY(dnnl_memory_create(&from, wk_md_get(&plain), c->engine, (void *)weight), l->name, err);
  WK_DNNL_TRY(dnnl_memory_create(&to, packed, c->engine, c->weight), l->name, err);
  WK_DNNL_TRY(dnnl_stream_create(&stream, c->engine, dnnl_stream_default_flags), l->name, err);
  dnnl_exec_arg_t args[2] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
  WK_DNNL_TRY(dnnl_primitive_execute(reorder, stream, 2, args), l->name, err);
  WK_DNNL_TRY(dnnl_stream_wait(stream), l->name, err);
done:
  if (stream)
    dnnl_stream_destroy(stream);
  if (to)
    dnnl_memory_destroy(to);
  if (from)
    dnnl_memory_destroy(from);
  if (reorder)
    dnnl_primitive_destroy(reorder);
  if (pd)
    dnnl_primitive_desc_destroy(pd);
  wk_md_end(&plain);
  return st;
}

wk_status wk_dnnl_conv_create(wk_dnnl_conv **out, wk_dnnl_engine *engine, const wk_layer *l, const float *weight,
                              const float *bias, wk_error *err) {
  wk_status st = WK_OK;
  wk_dnnl_conv *c = wk_calloc(1, sizeof *c);
  WK_FAIL_IF(!c, err, WK_ERR_MEMORY, "out of memory for layer '%s'", l->name);
  c->engine = engine->engine;
  snprintf(c->name, sizeof c->name, "%s", l->name);
  WK_TRY(make_pd(c, l, bias != NULL, err));
  c->weight_bytes = dnnl_memory_desc_get_size(query(c, dnnl_query_weights_md));
  c->bias_bytes = bias ? sizeof *bias * (size_t)l->out.channels : 0;
  c->scratch_bytes = dnnl_memory_desc_get_size(query(c, dnnl_query_scratchpad_md));
  c->weight = wk_alloc(c->weight_bytes);
  c->bias = bias ? wk_alloc(c->bias_bytes) : NULL;
  WK_FAIL_IF(!c->weight || (bias && !c->bias), err, WK_ERR_MEMORY, "out of memory for the weights of layer '%s'",
             l->name);
  if (bias)
    memcpy(c->bias, bias, c->bias_bytes);
  WK_TRY(pack(c, l, weight, err));
  WK_DNNL_TRY(dnnl_primitive_create(&c->primitive, c->pd), l->name, err);
  *out = c;
  c = NULL;
done:
  wk_dnnl_conv_free(c);
  return st;
}

void wk_dnnl_conv_free(wk_dnnl_conv *c) {
  if (!c)
    return;
  if (c->primitive)
    dnnl_primitive_destroy(c->primitive);
  if (c->pd)
    dnnl_primitive_desc_destroy(c->pd);
  wk_free(c->weight);
  wk_free(c->bias);
  wk_free(c);
}

size_t wk_dnnl_conv_weight_bytes(const wk_dnnl_conv *c) { return c->weight_bytes + c->bias_bytes; }
size_t wk_dnnl_conv_scratch_bytes(const wk_dnnl_conv *c) { return c->scratch_bytes; }

/* ---- running ------------------------------------------------------------------------------------ */

struct wk_dnnl_call {
  const wk_dnnl_conv *conv;
  dnnl_stream_t stream;
  dnnl_memory_t src, dst, weight, bias, scratch;
};

wk_status wk_dnnl_call_create(wk_dnnl_call **out, const wk_dnnl_conv *c, wk_error *err) {
  wk_status st = WK_OK;
  wk_dnnl_call *call = wk_calloc(1, sizeof *call);
  WK_FAIL_IF(!call, err, WK_ERR_MEMORY, "out of memory for layer '%s'", c->name);
  call->conv = c;
  WK_DNNL_TRY(dnnl_stream_create(&call->stream, c->engine, dnnl_stream_default_flags), c->name, err);
  WK_DNNL_TRY(dnnl_memory_create(&call->src, query(c, dnnl_query_src_md), c->engine, DNNL_MEMORY_NONE), c->name, err);
  WK_DNNL_TRY(dnnl_memory_create(&call->dst, query(c, dnnl_query_dst_md), c->engine, DNNL_MEMORY_NONE), c->name, err);
  WK_DNNL_TRY(dnnl_memory_create(&call->weight, query(c, dnnl_query_weights_md), c->engine, c->weight), c->name, err);
  if (c->bias)
    WK_DNNL_TRY(dnnl_memory_create(&call->bias, dnnl_primitive_desc_query_md(c->pd, dnnl_query_weights_md, 1),
                                   c->engine, c->bias),
                c->name, err);
  WK_DNNL_TRY(dnnl_memory_create(&call->scratch, query(c, dnnl_query_scratchpad_md), c->engine, DNNL_MEMORY_NONE),
              c->name, err);
  *out = call;
  call = NULL;
done:
  wk_dnnl_call_free(call);
  return st;
}

void wk_dnnl_call_free(wk_dnnl_call *call) {
  if (!call)
    return;
  dnnl_memory_t memory[] = {call->src, call->dst, call->weight, call->bias, call->scratch};
  for (size_t i = 0; i < sizeof memory / sizeof *memory; i++)
    if (memory[i])
      dnnl_memory_destroy(memory[i]);
  if (call->stream)
    dnnl_stream_destroy(call->stream);
  wk_free(call);
}

wk_status wk_dnnl_call_run(wk_dnnl_call *call, const float *in, float *out, void *scratch, wk_error *err) {
  wk_status st = WK_OK;
  const char *name = call->conv->name;
  WK_DNNL_TRY(dnnl_memory_set_data_handle(call->src, (void *)in), name, err);
  WK_DNNL_TRY(dnnl_memory_set_data_handle(call->dst, out), name, err);
  WK_DNNL_TRY(dnnl_memory_set_data_handle(call->scratch, scratch), name, err);
  dnnl_exec_arg_t args[5] = {{DNNL_ARG_SRC, call->src},
                             {DNNL_ARG_DST, call->dst},
                             {DNNL_ARG_WEIGHTS, call->weight},
                             {DNNL_ARG_SCRATCHPAD, call->scratch},
                             {DNNL_ARG_BIAS, call->bias}};
  WK_DNNL_TRY(dnnl_primitive_execute(call->conv->primitive, call->stream, call->bias ? 5 : 4, args), name, err);
  WK_DNNL_TRY(dnnl_stream_wait(call->stream), name, err);
done:
  return st;
}

/* ---- as a kernel of the planner ----------------------------------------------------------------- */

static bool fits(const wk_layer *l, wk_isa isa) {
  (void)isa;
  return l->op == WK_OP_CONV && l->act != WK_ACT_HARDSIGMOID;
}

static wk_status prepare(wk_packed *out, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  wk_dnnl_conv *c;
  int before = wk_dnnl_threads(p->threads);
  wk_status st = wk_dnnl_conv_create(&c, p->engine, l, p->weight, p->bias, err);
  wk_dnnl_threads(before);
  if (st == WK_OK)
    *out = (wk_packed){c, wk_dnnl_conv_weight_bytes(c), c->scratch_bytes};
  return st;
}

static void release(void *packed) { wk_dnnl_conv_free(packed); }

static wk_status open_call(void **state, const wk_layer *l, const void *packed, wk_error *err) {
  (void)l;
  wk_dnnl_call *call;
  wk_status st = wk_dnnl_call_create(&call, packed, err);
  if (st == WK_OK)
    *state = call;
  return st;
}

static void close_call(void *state) { wk_dnnl_call_free(state); }

static wk_status run(const wk_call *c, wk_error *err) {
  const wk_layer *l = c->layer;
  size_t in = (size_t)l->in.height * (size_t)l->in.width * (size_t)l->in.channels;
  size_t out = (size_t)l->out.height * (size_t)l->out.width * (size_t)l->out.channels;
  if (l->residual && c->residual != c->out)
    memcpy(c->out, c->residual, sizeof *c->out * out * (size_t)c->count);
  for (int i = 0; i < c->count; i++)
    WK_RETURN_IF_ERROR(
        wk_dnnl_call_run(c->state, c->in[0] + in * (size_t)i, c->out + out * (size_t)i, c->scratch, err));
  return WK_OK;
}

const wk_kernel wk_kernel_conv_dnnl = {"direct (oneDNN)", false, fits, prepare, release, open_call, close_call, run};

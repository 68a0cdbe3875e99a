/* conv.c - a convolution with its fused bias, residual and activation as one oneDNN primitive over one photo.
 *
 * One photo a call is what makes a photo's result independent of its batch: the library picks its blocking, and so the
 * order of its sums, by the batch size; and by the number of threads, so one thread runs it but where the library
 * itself is what is asked for. Weights stay in the cache between the photos of a batch. */
#include "nn/dnnl/conv_desc.h"

/* ---- geometry ------------------------------------------------------------------------------------ */

wk_status wk_conv_desc_init(wk_conv_desc *d, const wk_layer *l, int batch, bool bias, wk_error *err) {
  const wk_window *w = &l->window;
  wk_status st = WK_OK;
  *d = (wk_conv_desc){.strides = {w->stride_h, w->stride_w},
                      .dilates = {w->dilation_h - 1, w->dilation_w - 1},
                      .before = {w->pad_top, w->pad_left},
                      .after = {w->pad_bottom, w->pad_right}};
  dnnl_dims_t src = {batch, l->in.channels, l->in.height, l->in.width};
  dnnl_dims_t dst = {batch, l->out.channels, l->out.height, l->out.width};
  dnnl_dims_t out = {l->out.channels}, weight;
  int g = l->groups, n = 0;
  if (g > 1)
    weight[n++] = g;
  weight[n++] = l->out.channels / g;
  weight[n++] = l->in.channels / g;
  weight[n++] = w->kernel_h;
  weight[n++] = w->kernel_w;
  WK_DNNL_TRY(wk_md_init(&d->src, 4, src, dnnl_nhwc), l->name, err);
  WK_DNNL_TRY(wk_md_init(&d->dst, 4, dst, dnnl_nhwc), l->name, err);
  WK_DNNL_TRY(wk_md_init(&d->weight, n, weight, dnnl_format_tag_any), l->name, err);
  WK_DNNL_TRY(wk_md_init(&d->plain, n, weight, n == 5 ? dnnl_goihw : dnnl_oihw), l->name, err);
  if (bias)
    WK_DNNL_TRY(wk_md_init(&d->bias, 1, out, dnnl_a), l->name, err);
done:
  return st;
}

void wk_conv_desc_end(wk_conv_desc *d) {
  wk_md_end(&d->src);
  wk_md_end(&d->weight);
  wk_md_end(&d->bias);
  wk_md_end(&d->dst);
  wk_md_end(&d->plain);
}

/* ---- fused operations ----------------------------------------------------------------------------- */

wk_status wk_plain_attr(dnnl_primitive_attr_t *out, const char *name, wk_error *err) {
  wk_status st = WK_OK;
  dnnl_primitive_attr_t attr = NULL;
  WK_DNNL_TRY(dnnl_primitive_attr_create(&attr), name, err);
  WK_DNNL_TRY(dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user), name, err);
  *out = attr;
  attr = NULL;
done:
  if (attr)
    dnnl_primitive_attr_destroy(attr);
  return st;
}

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

static wk_status fused_attr(dnnl_primitive_attr_t *out, const wk_layer *l, wk_error *err) {
  wk_status st = WK_OK;
  dnnl_primitive_attr_t attr = NULL;
  dnnl_post_ops_t ops = NULL;
  WK_TRY(wk_plain_attr(&attr, l->name, err));
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

/* ---- the kernel ------------------------------------------------------------------------------------ */

typedef struct conv {
  wk_dnnl_op op, packing;
  float *weight, *bias;
  size_t weight_bytes, bias_bytes;
} conv;

static bool fits(const wk_layer *l, wk_isa isa) {
  (void)isa;
  return l->op == WK_OP_CONV && l->act != WK_ACT_HARDSIGMOID;
}

static void release(void *packed) {
  conv *c = packed;
  wk_dnnl_op_end(&c->op);
  wk_dnnl_op_end(&c->packing);
  wk_free(c->weight);
  wk_free(c->bias);
  wk_free(c);
}

static wk_status repack(void *packed, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  (void)l;
  conv *c = packed;
  if (c->bias)
    memcpy(c->bias, p->bias, c->bias_bytes);
  return wk_dnnl_reorder_run(&c->packing, p->weight, c->weight, err);
}

static wk_status make(conv *c, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  wk_status st = WK_OK;
  wk_conv_desc d = {0};
  dnnl_primitive_attr_t attr = NULL;
  wk_dnnl_op_begin(&c->op, p->engine, l->name);
  WK_TRY(wk_conv_desc_init(&d, l, 1, p->bias != NULL, err));
  WK_TRY(fused_attr(&attr, l, err));
  WK_DNNL_TRY(wk_conv_forward_pd(&c->op.pd, c->op.engine, dnnl_forward_inference, &d.src, &d.weight, &d.bias, &d.dst,
                                 d.strides, d.dilates, d.before, d.after, attr),
              l->name, err);
  wk_md_ref packed = dnnl_primitive_desc_query_md(c->op.pd, dnnl_query_weights_md, 0);
  c->weight_bytes = dnnl_memory_desc_get_size(packed);
  c->bias_bytes = p->bias ? sizeof(float) * (size_t)l->out.channels : 0;
  c->weight = wk_alloc(c->weight_bytes);
  c->bias = p->bias ? wk_alloc(c->bias_bytes) : NULL;
  WK_FAIL_IF(!c->weight || (p->bias && !c->bias), err, WK_ERR_MEMORY, "out of memory for the weights of layer '%s'",
             l->name);
  wk_dnnl_op_arg(&c->op, DNNL_ARG_SRC, dnnl_query_src_md, 0, NULL);
  wk_dnnl_op_arg(&c->op, DNNL_ARG_DST, dnnl_query_dst_md, 0, NULL);
  wk_dnnl_op_arg(&c->op, DNNL_ARG_WEIGHTS, dnnl_query_weights_md, 0, c->weight);
  if (p->bias)
    wk_dnnl_op_arg(&c->op, DNNL_ARG_BIAS, dnnl_query_weights_md, 1, c->bias);
  WK_TRY(wk_dnnl_op_finish(&c->op, err));
  WK_TRY(wk_dnnl_reorder_init(&c->packing, p->engine, l->name, wk_md_get(&d.plain), packed, err));
  WK_TRY(repack(c, l, p, err));
done:
  if (attr)
    dnnl_primitive_attr_destroy(attr);
  wk_conv_desc_end(&d);
  return st;
}

static wk_status prepare(wk_packed *out, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  conv *c = wk_calloc(1, sizeof *c);
  if (!c)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for layer '%s'", l->name);
  int before = wk_dnnl_threads(l->use_onednn ? p->threads : 1);
  wk_status st = make(c, l, p, err);
  wk_dnnl_threads(before);
  if (st != WK_OK)
    release(c);
  else
    *out =
        (wk_packed){.data = c, .weight_bytes = c->weight_bytes + c->bias_bytes, .scratch_bytes = c->op.scratch_bytes};
  return st;
}

static wk_status open_call(void **state, const wk_layer *l, const void *packed, wk_error *err) {
  (void)l;
  wk_dnnl_call *call;
  wk_status st = wk_dnnl_call_create(&call, &((const conv *)packed)->op, err);
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
  const int before = wk_dnnl_threads(l->use_onednn ? c->threads : 1);
  wk_status st = WK_OK;
  for (size_t i = 0; i < (size_t)c->count && st == WK_OK; i++) {
    void *data[WK_DNNL_ARGS] = {(void *)(c->in[0] + in * i), c->out + out * i};
    st = wk_dnnl_call_run(c->state, data, c->scratch, err);
  }
  wk_dnnl_threads(before);
  return st;
}

const wk_kernel wk_kernel_conv_dnnl = {.name = "direct (oneDNN)",
                                       .fits = fits,
                                       .prepare = prepare,
                                       .release = release,
                                       .repack = repack,
                                       .open = open_call,
                                       .close = close_call,
                                       .run = run};

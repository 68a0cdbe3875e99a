/* conv_data_grad.c - gradients of a convolution through oneDNN: of its input, one photo a call as in conv.c, and of its
 * weight and bias, summed over a micro-batch in one call. Micro-batches have a fixed size, so the library's choices are
 * fixed too.
 */
#include "nn/dnnl/conv_desc.h"

static bool fits(const wk_layer *l, wk_isa isa) {
  (void)isa;
  return l->op == WK_OP_CONV;
}

static size_t values(wk_shape s) { return (size_t)s.height * (size_t)s.width * (size_t)s.channels; }

/* The library wants to see the forward primitive a gradient belongs to. */
static wk_status hint(dnnl_primitive_desc_t *out, const wk_dnnl_op *op, const wk_conv_desc *d, wk_error *err) {
  wk_status st = WK_OK;
  dnnl_primitive_attr_t attr = NULL;
  WK_TRY(wk_plain_attr(&attr, op->name, err));
  WK_DNNL_TRY(wk_conv_forward_pd(out, op->engine, dnnl_forward_training, &d->src, &d->weight, &d->bias, &d->dst,
                                 d->strides, d->dilates, d->before, d->after, attr),
              op->name, err);
done:
  if (attr)
    dnnl_primitive_attr_destroy(attr);
  return st;
}

static wk_status open_call(void **state, const wk_dnnl_op *op, wk_error *err) {
  wk_dnnl_call *call;
  wk_status st = wk_dnnl_call_create(&call, op, err);
  if (st == WK_OK)
    *state = call;
  return st;
}

static void close_call(void *state) { wk_dnnl_call_free(state); }

/* ---- of the input ---------------------------------------------------------------------------------- */

typedef struct data {
  wk_dnnl_op op, packing;
  float *weight;
  size_t weight_bytes;
} data;

static void data_release(void *packed) {
  data *c = packed;
  wk_dnnl_op_end(&c->op);
  wk_dnnl_op_end(&c->packing);
  wk_free(c->weight);
  wk_free(c);
}

static wk_status data_repack(void *packed, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  (void)l;
  data *c = packed;
  return wk_dnnl_reorder_run(&c->packing, p->weight, c->weight, err);
}

static wk_status data_make(data *c, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  wk_status st = WK_OK;
  wk_conv_desc d = {0};
  dnnl_primitive_desc_t forward = NULL;
  dnnl_primitive_attr_t attr = NULL;
  wk_dnnl_op_begin(&c->op, p->engine, l->name);
  WK_TRY(wk_conv_desc_init(&d, l, 1, false, err));
  WK_TRY(hint(&forward, &c->op, &d, err));
  WK_TRY(wk_plain_attr(&attr, l->name, err));
  WK_DNNL_TRY(wk_conv_data_pd(&c->op.pd, c->op.engine, &d.src, &d.weight, &d.dst, d.strides, d.dilates, d.before,
                              d.after, forward, attr),
              l->name, err);
  wk_md_ref packed = dnnl_primitive_desc_query_md(c->op.pd, dnnl_query_weights_md, 0);
  c->weight_bytes = dnnl_memory_desc_get_size(packed);
  c->weight = wk_alloc(c->weight_bytes);
  WK_FAIL_IF(!c->weight, err, WK_ERR_MEMORY, "out of memory for the weights of layer '%s'", l->name);
  wk_dnnl_op_arg(&c->op, DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md, 0, NULL);
  wk_dnnl_op_arg(&c->op, DNNL_ARG_DIFF_SRC, dnnl_query_diff_src_md, 0, NULL);
  wk_dnnl_op_arg(&c->op, DNNL_ARG_WEIGHTS, dnnl_query_weights_md, 0, c->weight);
  WK_TRY(wk_dnnl_op_finish(&c->op, err));
  WK_TRY(wk_dnnl_reorder_init(&c->packing, p->engine, l->name, wk_md_get(&d.plain), packed, err));
  WK_TRY(data_repack(c, l, p, err));
done:
  if (attr)
    dnnl_primitive_attr_destroy(attr);
  if (forward)
    dnnl_primitive_desc_destroy(forward);
  wk_conv_desc_end(&d);
  return st;
}

/* Scratch: the library's, then one photo's gradient that is to be added. */
static size_t round_up(size_t bytes) { return (bytes + 63) & ~(size_t)63; }

static wk_status data_prepare(wk_packed *out, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  data *c = wk_calloc(1, sizeof *c);
  if (!c)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for layer '%s'", l->name);
  int before = wk_dnnl_threads(p->threads);
  wk_status st = data_make(c, l, p, err);
  wk_dnnl_threads(before);
  if (st != WK_OK)
    data_release(c);
  else
    *out = (wk_packed){.data = c,
                       .weight_bytes = c->weight_bytes,
                       .scratch_bytes = round_up(c->op.scratch_bytes) + values(l->in) * sizeof(float)};
  return st;
}

static wk_status data_open(void **state, const wk_layer *l, const void *packed, wk_error *err) {
  (void)l;
  return open_call(state, &((const data *)packed)->op, err);
}

static wk_status data_run(const wk_data_call *c, wk_error *err) {
  size_t in = values(c->layer->in), out = values(c->layer->out);
  float *photo = (float *)(void *)((char *)c->scratch + round_up(((const data *)c->packed)->op.scratch_bytes));
  for (size_t i = 0; i < (size_t)c->count; i++) {
    float *dx = c->dx + in * i;
    void *args[WK_DNNL_ARGS] = {(void *)(c->dy + out * i), c->accumulate ? photo : dx};
    WK_RETURN_IF_ERROR(wk_dnnl_call_run(c->state, args, c->scratch, err));
    for (size_t k = 0; c->accumulate && k < in; k++)
      dx[k] += photo[k];
  }
  return WK_OK;
}

const wk_data_kernel wk_data_conv_dnnl = {.name = "direct (oneDNN)",
                                          .fits = fits,
                                          .prepare = data_prepare,
                                          .release = data_release,
                                          .repack = data_repack,
                                          .open = data_open,
                                          .close = close_call,
                                          .run = data_run};

/* ---- of weight and bias ----------------------------------------------------------------------------- */

/* The gradient: the weight's in the library's layout, rounded up to 16 floats, then the bias's. */
typedef struct weights {
  wk_dnnl_op op, unpacking;
  size_t floats;
} weights;

static void weights_release(void *packed) {
  weights *c = packed;
  wk_dnnl_op_end(&c->op);
  wk_dnnl_op_end(&c->unpacking);
  wk_free(c);
}

static wk_status weights_make(weights *c, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  wk_status st = WK_OK;
  wk_conv_desc d = {0};
  dnnl_primitive_desc_t forward = NULL;
  dnnl_primitive_attr_t attr = NULL;
  wk_dnnl_op_begin(&c->op, p->engine, l->name);
  WK_TRY(wk_conv_desc_init(&d, l, p->batch, true, err));
  WK_TRY(hint(&forward, &c->op, &d, err));
  WK_TRY(wk_plain_attr(&attr, l->name, err));
  WK_DNNL_TRY(wk_conv_weights_pd(&c->op.pd, c->op.engine, &d.src, &d.weight, &d.bias, &d.dst, d.strides, d.dilates,
                                 d.before, d.after, forward, attr),
              l->name, err);
  wk_md_ref packed = dnnl_primitive_desc_query_md(c->op.pd, dnnl_query_diff_weights_md, 0);
  c->floats = round_up(dnnl_memory_desc_get_size(packed)) / sizeof(float);
  wk_dnnl_op_arg(&c->op, DNNL_ARG_SRC, dnnl_query_src_md, 0, NULL);
  wk_dnnl_op_arg(&c->op, DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md, 0, NULL);
  wk_dnnl_op_arg(&c->op, DNNL_ARG_DIFF_WEIGHTS, dnnl_query_diff_weights_md, 0, NULL);
  wk_dnnl_op_arg(&c->op, DNNL_ARG_DIFF_BIAS, dnnl_query_diff_weights_md, 1, NULL);
  WK_TRY(wk_dnnl_op_finish(&c->op, err));
  WK_TRY(wk_dnnl_reorder_init(&c->unpacking, p->engine, l->name, packed, wk_md_get(&d.plain), err));
done:
  if (attr)
    dnnl_primitive_attr_destroy(attr);
  if (forward)
    dnnl_primitive_desc_destroy(forward);
  wk_conv_desc_end(&d);
  return st;
}

static wk_status weights_prepare(wk_packed *out, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  weights *c = wk_calloc(1, sizeof *c);
  if (!c)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for layer '%s'", l->name);
  int before = wk_dnnl_threads(p->threads);
  wk_status st = weights_make(c, l, p, err);
  wk_dnnl_threads(before);
  if (st != WK_OK)
    weights_release(c);
  else
    *out = (wk_packed){
        .data = c, .scratch_bytes = c->op.scratch_bytes, .grad_floats = c->floats + (size_t)l->out.channels};
  return st;
}

static wk_status weights_open(void **state, const wk_layer *l, const void *packed, wk_error *err) {
  (void)l;
  return open_call(state, &((const weights *)packed)->op, err);
}

static wk_status weights_run(const wk_weights_call *c, wk_error *err) {
  const weights *w = c->packed;
  size_t in = values(c->layer->in), out = values(c->layer->out), used = (size_t)c->count;
  size_t missing = (size_t)c->batch - used; /* photos that are not there add nothing */
  memset(c->x + in * used, 0, in * missing * sizeof *c->x);
  memset(c->dy + out * used, 0, out * missing * sizeof *c->dy);
  void *args[WK_DNNL_ARGS] = {c->x, c->dy, c->grad, c->grad + w->floats};
  return wk_dnnl_call_run(c->state, args, c->scratch, err);
}

static wk_status weights_unpack(float *weight, float *bias, const void *packed, const wk_layer *l, const float *grad,
                                int first, int last, wk_error *err) {
  (void)first, (void)last;
  const weights *w = packed;
  memcpy(bias, grad + w->floats, sizeof *bias * (size_t)l->out.channels);
  return wk_dnnl_reorder_run(&w->unpacking, grad, weight, err);
}

const wk_weights_kernel wk_weights_conv_dnnl = {.name = "direct (oneDNN)",
                                                .fits = fits,
                                                .prepare = weights_prepare,
                                                .release = weights_release,
                                                .open = weights_open,
                                                .close = close_call,
                                                .run = weights_run,
                                                .unpack = weights_unpack,
                                                .whole = true};

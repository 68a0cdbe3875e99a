/* mbconv_ops.c - the inverted residual as one op of the planner: what its layers have packed, handed to the fused
 * kernel, and how the threads of a call share its rows. Its bits are those of the layers one after the other. */
#include "base/chunk.h"
#include "nn/kernels/microkernels.h"
#include "nn/ops/conv_ops.h"

typedef struct block {
  wk_mbconv f;    /* but for what a call brings */
  size_t scratch; /* floats a thread */
} block;

const wk_mbconv *wk_mbconv_forward(const void *packed) { return &((const block *)packed)->f; }

static wk_status prepare(wk_packed *out, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  const wk_sub_op *expand = p->sub_ops == 3 ? &p->sub_op[0] : NULL, *depthwise = &p->sub_op[p->sub_ops - 2],
                  *project = &p->sub_op[p->sub_ops - 1];
  const wk_packed_conv *we = expand ? expand->packed : NULL, *wd = depthwise->packed, *wp = project->packed;
  const wk_layer *d = depthwise->layer;
  block *b = wk_alloc(sizeof *b);
  if (!b)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for layer '%s'", l->name);
  *b = (block){.f = {.batch = 1,
                     .in_h = d->in.height,
                     .in_w = d->in.width,
                     .in_c = l->in.channels,
                     .mid_c = d->in.channels,
                     .out_h = d->out.height,
                     .out_w = d->out.width,
                     .out_c = l->out.channels,
                     .kernel = d->window.kernel_h,
                     .stride = d->window.stride_h,
                     .pad_top = d->window.pad_top,
                     .pad_left = d->window.pad_left,
                     .expand = we ? we->weights : NULL,
                     .expand_bias = we ? we->bias : NULL,
                     .depthwise = wd->weights,
                     .depthwise_bias = wd->bias,
                     .project = wp->weights,
                     .project_bias = wp->bias,
                     .expand_act = expand ? expand->layer->act : WK_ACT_NONE,
                     .depthwise_act = d->act,
                     .project_act = project->layer->act}};
  b->scratch = (wk_microkernels_for(p->isa)->mbconv_shape(&b->f).scratch + 15) / 16 * 16;
  *out = (wk_packed){.data = b, .weight_bytes = sizeof *b};
  if (wk_mul_overflow(&out->scratch_bytes, b->scratch * sizeof(float), (size_t)p->threads))
    return WK_FAIL(err, WK_ERR_MEMORY, "layer '%s' does not fit in memory for %d threads", l->name, p->threads);
  return WK_OK;
}

static void run(const wk_call *call, wk_chunk chunk) {
  const wk_microkernels *kn = wk_microkernels_for(call->isa);
  const block *b = call->packed;
  wk_mbconv f = b->f;
  f.batch = call->count, f.in = call->in[0], f.add = call->residual, f.out = call->out;
  const int rows = f.batch * f.out_h;
  kn->mbconv(&f, wk_chunk_begin(rows, 1, chunk), wk_chunk_end(rows, 1, chunk),
             (float *)call->scratch + b->scratch * (size_t)chunk.worker);
}

const wk_kernel wk_kernel_mbconv = {.name = "inverted residual", .prepare = prepare, .release = wk_free, .share = run};

/* own_block.c - the inverted residual as one step of the planner: what its layers have packed, handed to the fused
 * kernel, and how the threads of a call share its rows. Its bits are those of the layers one after the other. */
#include "base/part.h"
#include "nn/kernels/kernels.h"
#include "nn/own.h"

typedef struct block {
  wk_fused_mb f;  /* but for what a call brings */
  size_t scratch; /* floats a thread */
} block;

const wk_fused_mb *wk_block_forward(const void *packed) { return &((const block *)packed)->f; }

static wk_status prepare(wk_packed *out, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  const wk_step_part *expand = p->parts == 3 ? &p->part[0] : NULL, *depthwise = &p->part[p->parts - 2],
                     *project = &p->part[p->parts - 1];
  const wk_own *we = expand ? expand->packed : NULL, *wd = depthwise->packed, *wp = project->packed;
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
  b->scratch = (wk_kernels_for(p->isa)->fused_mb_shape(&b->f).scratch + 15) / 16 * 16;
  *out = (wk_packed){.data = b, .weight_bytes = sizeof *b};
  if (wk_mul_overflow(&out->scratch_bytes, b->scratch * sizeof(float), (size_t)p->threads))
    return WK_FAIL(err, WK_ERR_MEMORY, "layer '%s' does not fit in memory for %d threads", l->name, p->threads);
  return WK_OK;
}

static void run(const wk_call *call, wk_crew_part part) {
  const wk_kernels *kn = wk_kernels_for(call->isa);
  const block *b = call->packed;
  wk_fused_mb f = b->f;
  f.batch = call->count, f.in = call->in[0], f.add = call->residual, f.out = call->out;
  const int rows = f.batch * f.out_h;
  kn->fused_mb(&f, wk_crew_begin(rows, 1, part), wk_crew_end(rows, 1, part),
               (float *)call->scratch + b->scratch * (size_t)part.worker);
}

const wk_kernel wk_kernel_block = {.name = "inverted residual", .prepare = prepare, .release = wk_free, .share = run};

/* mbconv_grad_ops.c - the way back through an inverted residual that is one op of the planner: the weights turned
 * round, and how threads share its rows. */
#include "base/chunk.h"
#include "nn/kernels/microkernels.h"
#include "nn/ops/conv_ops.h"

typedef struct block {
  wk_mbconv_back b; /* but for what a call brings */
  size_t scratch;   /* floats a thread */
  float *expand_data, *project_data;
} block;

static void release(void *packed) {
  block *o = packed;
  wk_free(o->expand_data);
  wk_free(o->project_data);
  wk_free(o);
}

/* From what the forward kernels have packed, wherever that changes. */
static wk_status repack(void *packed, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  (void)l, (void)err;
  const wk_microkernels *kn = wk_microkernels_for(p->isa);
  const block *o = packed;
  const wk_mbconv *f = &o->b.f;
  if (f->expand)
    kn->gemm_transpose(o->expand_data, f->expand, f->in_c, f->mid_c);
  kn->gemm_transpose(o->project_data, f->project, f->mid_c, f->out_c);
  return WK_OK;
}

static wk_status prepare(wk_packed *out, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  wk_status st = WK_OK;
  const wk_microkernels *kn = wk_microkernels_for(p->isa);
  const wk_mbconv *f = wk_mbconv_forward(p->forward);
  const size_t expand = f->expand ? kn->gemm_packed(f->mid_c, f->in_c) : 0,
               project = kn->gemm_packed(f->out_c, f->mid_c);
  size_t bytes;
  block *o = wk_calloc(1, sizeof *o);
  WK_FAIL_IF(!o, err, WK_ERR_MEMORY, "out of memory for the gradient of layer '%s'", l->name);
  o->expand_data = wk_alloc_array(expand, sizeof *o->expand_data);
  o->project_data = wk_alloc_array(project, sizeof *o->project_data);
  o->scratch = (kn->mbconv_back_shape(f).scratch + 15) / 16 * 16;
  WK_FAIL_IF(!o->expand_data || !o->project_data ||
                 wk_mul_overflow(&bytes, o->scratch * sizeof(float), (size_t)p->threads),
             err, WK_ERR_MEMORY, "out of memory for the gradient of layer '%s'", l->name);
  o->b = (wk_mbconv_back){.f = *f, .expand_data = o->expand_data, .project_data = o->project_data};
  WK_TRY(repack(o, l, p, err));
  *out = (wk_packed){.data = o, .weight_bytes = sizeof *o + (expand + project) * sizeof(float), .scratch_bytes = bytes};
  o = NULL;
done:
  if (o)
    release(o);
  return st;
}

/* Gradients of the weights are sums over all rows, which one thread makes. */
static int chunks(const wk_call *call) { return call->grad[0] || call->grad[1] || call->grad[2] ? 1 : call->threads; }

static void run(const wk_call *call, wk_chunk chunk) {
  const wk_microkernels *kn = wk_microkernels_for(call->isa);
  const block *o = call->packed;
  wk_mbconv_back b = o->b;
  b.f.batch = call->count, b.f.in = call->x, b.dy = call->dy;
  b.dx = call->dx, b.accumulate = call->accumulate, b.add = call->add, b.mask = call->mask, b.mask_act = call->mask_act;
  const size_t mid = (size_t)b.f.mid_c;
  if ((b.dw_expand = call->grad[0]))
    b.db_expand = b.dw_expand + mid * (size_t)b.f.in_c;
  if ((b.dw_depthwise = call->grad[1]))
    b.db_depthwise = b.dw_depthwise + mid * (size_t)(b.f.kernel * b.f.kernel);
  if ((b.dw_project = call->grad[2]))
    b.db_project = b.dw_project + mid * (size_t)b.f.out_c;
  const int rows = b.f.batch * b.f.in_h;
  kn->mbconv_back(&b, wk_chunk_begin(rows, 1, chunk), wk_chunk_end(rows, 1, chunk),
                  (float *)call->scratch + o->scratch * (size_t)chunk.worker);
}

const wk_kernel wk_kernel_mbconv_data = {.name = "inverted residual",
                                         .direction = WK_BACKWARD_DATA,
                                         .masks = true,
                                         .prepare = prepare,
                                         .release = release,
                                         .repack = repack,
                                         .share = run,
                                         .chunks = chunks};

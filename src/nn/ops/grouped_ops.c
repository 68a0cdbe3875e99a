/* grouped_ops.c - convolutions with groups and depthwise ones of unusual kinds (dilated, with a residual, of unequal
 * strides), and their gradients, as the planner sees them. */
#include <string.h>

#include "base/chunk.h"
#include "nn/graph/graph.h"
#include "nn/kernels/microkernels.h"
#include "nn/ops/conv_ops.h"

/* What is kept of a layer: the packed weights lie behind it (gradients of weights have none). */
typedef struct packed {
  wk_conv conv; /* of one photo */
  wk_grouped_sizes size;
  wk_isa isa;
  size_t scratch; /* floats a thread */
  const float *bias;
  _Alignas(64) float data[];
} packed;

static bool fits(const wk_layer *l, wk_isa isa) {
  (void)isa;
  return l->op == WK_OP_CONV && l->groups > 1;
}

static wk_status create(wk_packed *out, const wk_layer *l, const wk_prepare *p, int threads, size_t weights,
                        size_t scratch, wk_error *err) {
  WK_RETURN_IF_ERROR(wk_packed_room(out, l, NULL, sizeof(packed), weights, &scratch, threads, err));
  *(packed *)out->data = (packed){.conv = wk_conv_of(l, 1), .isa = p->isa, .scratch = scratch};
  return WK_OK;
}

/* ---- forward ------------------------------------------------------------------------------------- */

static wk_status repack(void *data, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  (void)err;
  packed *o = data;
  wk_microkernels_for(p->isa)->grouped_pack(o->data, p->weight, &o->conv);
  if (o->bias)
    memcpy(o->data + o->size.packed, p->bias, (size_t)l->out.channels * sizeof(float));
  return WK_OK;
}

static wk_status prepare(wk_packed *out, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  const wk_conv c = wk_conv_of(l, 1);
  const wk_grouped_sizes size = wk_microkernels_for(p->isa)->grouped_shape(&c);
  WK_RETURN_IF_ERROR(create(out, l, p, p->threads, size.packed + (size_t)c.out_c, size.scratch, err));
  packed *o = out->data;
  o->size = size;
  o->bias = p->bias ? o->data + size.packed : NULL;
  return repack(o, l, p, err);
}

static int64_t work_of(const wk_layer *l, int count) {
  return wk_shape_count(l->out) * count * l->window.kernel_h * l->window.kernel_w * (l->in.channels / l->groups);
}

static int chunks(const wk_call *call) {
  const packed *o = call->packed;
  return wk_call_chunks((int64_t)o->size.units * call->count / 4, work_of(call->layer, call->count), call->threads);
}

static void run(const wk_call *call, wk_chunk chunk) {
  const packed *o = call->packed;
  const int units = o->size.units * call->count, first = (int)wk_chunk_begin(units, 1, chunk),
            last = (int)wk_chunk_end(units, 1, chunk);
  wk_conv c = o->conv;
  c.batch = call->count, c.in = call->in[0], c.weights = o->data, c.bias = o->bias, c.add = call->residual;
  c.out = call->out;
  wk_microkernels_for(call->isa)->grouped(&c, first, last, (float *)call->scratch + o->scratch * (size_t)chunk.worker);
  const int rows = c.batch * c.out_h;
  for (int u = first; u < last && call->layer->act > WK_ACT_RELU6; u++) {
    const int col0 = u / rows * o->size.channels, col1 = col0 + o->size.channels, row = u % rows;
    wk_trailing_act(call, row * c.out_w, (row + 1) * c.out_w, col0, col1 < c.out_c ? col1 : c.out_c);
  }
}

const wk_kernel wk_kernel_grouped = {.name = "grouped",
                                     .fits = fits,
                                     .prepare = prepare,
                                     .release = wk_free,
                                     .repack = repack,
                                     .share = run,
                                     .chunks = chunks};

/* ---- gradient of the input ------------------------------------------------------------------------ */

static wk_status data_repack(void *data, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  (void)l, (void)err;
  packed *o = data;
  wk_microkernels_for(p->isa)->grouped_data_pack(o->data, p->weight, &o->conv);
  return WK_OK;
}

static wk_status data_prepare(wk_packed *out, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  const wk_conv c = wk_conv_of(l, 1);
  const wk_grouped_sizes size = wk_microkernels_for(p->isa)->grouped_shape(&c);
  WK_RETURN_IF_ERROR(create(out, l, p, p->threads, size.data_packed, size.data_scratch, err));
  ((packed *)out->data)->size = size;
  return data_repack(out->data, l, p, err);
}

static int data_chunks(const wk_call *call) {
  const packed *o = call->packed;
  return wk_call_chunks((int64_t)o->size.data_units * call->count / 4, work_of(call->layer, call->count),
                        call->threads);
}

static void data_run(const wk_call *call, wk_chunk chunk) {
  const packed *o = call->packed;
  const int units = o->size.data_units * call->count;
  const wk_conv_back b = wk_conv_back_of(call, &o->conv, o->data);
  wk_microkernels_for(call->isa)->grouped_data(&b, (int)wk_chunk_begin(units, 1, chunk),
                                               (int)wk_chunk_end(units, 1, chunk),
                                               (float *)call->scratch + o->scratch * (size_t)chunk.worker);
}

const wk_kernel wk_kernel_grouped_data = {.name = "grouped",
                                          .direction = WK_BACKWARD_DATA,
                                          .masks = true,
                                          .fits = fits,
                                          .prepare = data_prepare,
                                          .release = wk_free,
                                          .repack = data_repack,
                                          .share = data_run,
                                          .chunks = data_chunks};

/* ---- gradient of the weights ---------------------------------------------------------------------- */

static wk_status weights_prepare(wk_packed *out, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  const wk_conv c = wk_conv_of(l, 1);
  const wk_grouped_sizes size = wk_microkernels_for(p->isa)->grouped_shape(&c);
  WK_RETURN_IF_ERROR(create(out, l, p, 1, 0, size.weights_scratch, err));
  ((packed *)out->data)->size = size;
  out->grad_floats = size.packed + (size_t)c.out_c;
  return WK_OK;
}

static void weights_run(const wk_call *call) {
  const packed *o = call->packed;
  wk_conv_back b = {
      .conv = o->conv, .dy = call->dy, .x = call->x, .dw = call->grad[0], .db = call->grad[0] + o->size.packed};
  b.conv.batch = call->count;
  wk_microkernels_for(call->isa)->grouped_weights(&b, call->scratch);
}

static void weights_unpack(float *weight, float *bias, const void *data, const wk_layer *l, const float *grad,
                           int first, int last) {
  (void)l;
  const packed *o = data;
  wk_microkernels_for(o->isa)->grouped_unpack(weight, grad, &o->conv, first, last);
  memcpy(bias + first, grad + o->size.packed + first, (size_t)(last - first) * sizeof *bias);
}

/* Going through the packed numbers once is quicker than once for each few outputs. */
const wk_kernel wk_kernel_grouped_weights = {.name = "grouped",
                                             .direction = WK_BACKWARD_WEIGHTS,
                                             .fits = fits,
                                             .prepare = weights_prepare,
                                             .release = wk_free,
                                             .run = weights_run,
                                             .unpack = weights_unpack,
                                             .whole = true};

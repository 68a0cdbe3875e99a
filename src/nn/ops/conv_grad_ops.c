/* conv_grad_ops.c - gradients of convolutions on whisker's own kernels, as the planner sees them: which shapes each is
 * for, its weights, and how the threads of a call share a layer. As in conv_ops.c, how it is shared changes no number.
 */
#include <string.h>

#include "base/chunk.h"
#include "base/transpose.h"
#include "nn/graph/graph.h"
#include "nn/kernels/microkernels.h"
#include "nn/ops/conv_ops.h"
#include "nn/ops/op.h"
#include "nn/ops/winograd_ops.h"

/* What an instruction keeps: the packed weights lie behind it (gradients of weights have none). */
typedef struct own {
  wk_conv conv;                 /* of one photo */
  size_t scratch;               /* floats a thread */
  bool on_the_fly;              /* Winograd: see wk_winograd */
  _Alignas(64) float weights[]; /* packed: whole cache lines */
} own;

static wk_status packed_create(wk_packed *out, const wk_layer *l, const wk_prepare *p, size_t weights, size_t scratch,
                               wk_error *err) {
  WK_RETURN_IF_ERROR(wk_packed_room(out, l, NULL, sizeof(own), weights, &scratch, p->threads, err));
  *(own *)out->data = (own){.conv = wk_conv_of(l, 1), .scratch = scratch};
  return WK_OK;
}

/* The same for gradients of weights: of how many floats, and with what scratch for a whole micro-batch. */
static wk_status sums_create(wk_packed *out, const wk_layer *l, const wk_prepare *p, size_t scratch, wk_error *err) {
  wk_prepare one = *p;
  one.threads = 1;
  WK_RETURN_IF_ERROR(packed_create(out, l, &one, 0, scratch, err));
  const wk_window *w = &l->window;
  out->grad_floats =
      (size_t)l->out.channels * ((size_t)(l->in.channels / l->groups) * (size_t)w->kernel_h * (size_t)w->kernel_w + 1);
  return WK_OK;
}

static bool plain(const wk_layer *l) { return l->op == WK_OP_CONV && l->groups == 1; }

/* ---- any convolution ----------------------------------------------------------------------------- */

static bool fits_conv(const wk_layer *l, wk_isa isa) {
  (void)isa;
  return plain(l);
}

static wk_status data_repack(void *packed, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  (void)err, (void)l;
  own *o = packed;
  wk_microkernels_for(p->isa)->conv_data_pack(o->weights, p->weight, &o->conv);
  return WK_OK;
}

static wk_status data_prepare(wk_packed *out, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  const wk_conv c = wk_conv_of(l, 1);
  const wk_conv_back_sizes size = wk_microkernels_for(p->isa)->conv_back_shape(&c);
  WK_RETURN_IF_ERROR(packed_create(out, l, p, size.packed, size.data_scratch, err));
  return data_repack(out->data, l, p, err);
}

static int data_chunks(const wk_call *call) {
  const wk_microkernels *kn = wk_microkernels_for(call->isa);
  wk_conv c = ((const own *)call->packed)->conv;
  c.batch = call->count;
  return wk_call_chunks(kn->conv_back_shape(&c).blocks / (16 * kn->gemm_shape().rows),
                        wk_shape_count(call->layer->out) * call->count * c.kernel_h * c.kernel_w * c.in_c,
                        call->threads);
}

static void data_run(const wk_call *call, wk_chunk chunk) {
  const wk_microkernels *kn = wk_microkernels_for(call->isa);
  const own *o = call->packed;
  const wk_conv_back b = wk_conv_back_of(call, &o->conv, o->weights);
  const int blocks = kn->conv_back_shape(&b.conv).blocks, rows = kn->gemm_shape().rows;
  kn->conv_data(&b, wk_chunk_begin(blocks, rows, chunk), wk_chunk_end(blocks, rows, chunk),
                (float *)call->scratch + o->scratch * (size_t)chunk.worker);
}

static wk_status weights_prepare(wk_packed *out, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  const wk_conv c = wk_conv_of(l, 1);
  return sums_create(out, l, p, wk_microkernels_for(p->isa)->conv_back_shape(&c).weights_scratch, err);
}

/* The micro-batch of a call: gradients lie in the kernels' layout, the bias's behind the weight's. */
static wk_conv_back shard_of(const wk_call *call) {
  wk_conv_back b = {.conv = ((const own *)call->packed)->conv, .dy = call->dy, .x = call->x, .dw = call->grad[0]};
  b.conv.batch = call->count;
  b.db = b.dw + (size_t)b.conv.out_c * (size_t)b.conv.in_c * (size_t)(b.conv.kernel_h * b.conv.kernel_w);
  return b;
}

static void weights_run(const wk_call *call) {
  const wk_conv_back b = shard_of(call);
  wk_microkernels_for(call->isa)->conv_weights(&b, call->scratch);
}

/* [rows][columns] to [columns][rows], in squares. */
static void turn(float *to, const float *from, size_t rows, size_t columns) {
  const size_t whole = columns / 4 * 4, row = rows / 4 * 4;
  for (size_t c = 0; c < columns; c++) {
    for (size_t r = 0; c % 4 == 0 && c < whole && r < row; r += 4)
      wk_transpose_4x4(to + c * rows + r, (ptrdiff_t)(rows * sizeof *to), from + r * columns + c,
                       (ptrdiff_t)(columns * sizeof *from));
    for (size_t r = c < whole ? row : 0; r < rows; r++)
      to[c * rows + r] = from[r * columns + c];
  }
}

/* [out][tap][in] to PyTorch's [out][in][tap]. */
static void weights_unpack(float *weight, float *bias, const void *packed, const wk_layer *l, const float *grad,
                           int first, int last) {
  (void)packed;
  const size_t in = (size_t)(l->in.channels / l->groups), out = (size_t)l->out.channels, from = (size_t)first,
               until = (size_t)last, taps = (size_t)(l->window.kernel_h * l->window.kernel_w);
  memcpy(bias + from, grad + out * in * taps + from, (until - from) * sizeof *bias);
  for (size_t o = from; o < until; o++)
    turn(weight + o * in * taps, grad + o * in * taps, taps, in);
}

/* ---- 3x3 by Winograd ------------------------------------------------------------------------------ */

enum { TILE = 4 };

static bool fits_winograd(const wk_layer *l, wk_isa isa) {
  (void)isa;
  const wk_window *w = &l->window;
  return plain(l) && !l->no_winograd && w->kernel_h == 3 && w->kernel_w == 3 && w->stride_h == 1 && w->stride_w == 1 &&
         w->dilation_h == 1 && w->dilation_w == 1 && l->in.channels >= 16 && l->out.channels >= 16 &&
         l->in.height >= TILE && l->in.width >= TILE && w->pad_top <= 2 && w->pad_left <= 2;
}

/* The convolution that makes the gradient of the input: from the output's place to the input's. */
static wk_winograd back_of(const wk_layer *l, int count) {
  return (wk_winograd){.m = TILE,
                       .batch = count,
                       .in_h = l->out.height,
                       .in_w = l->out.width,
                       .in_c = l->out.channels,
                       .out_h = l->in.height,
                       .out_w = l->in.width,
                       .out_c = l->in.channels,
                       .pad_top = 2 - l->window.pad_top,
                       .pad_left = 2 - l->window.pad_left};
}

static wk_status winograd_repack(void *packed, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  (void)err;
  own *o = packed;
  wk_winograd w = back_of(l, 1);
  w.on_the_fly = o->on_the_fly;
  wk_winograd_weights_pack(wk_microkernels_for(p->isa), &w, o->weights, p->weight, true);
  return WK_OK;
}

static wk_status winograd_prepare(wk_packed *packed, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  const wk_microkernels *kn = wk_microkernels_for(p->isa);
  wk_winograd w = back_of(l, 1);
  w.on_the_fly = wk_winograd_on_the_fly_pays(&w, p->batch);
  WK_RETURN_IF_ERROR(packed_create(packed, l, p, wk_winograd_weights(kn, &w), kn->winograd_shape(&w).scratch, err));
  ((own *)packed->data)->on_the_fly = w.on_the_fly;
  return winograd_repack(packed->data, l, p, err);
}

static wk_winograd winograd_call(const wk_call *call) {
  const own *o = call->packed;
  wk_winograd w = back_of(call->layer, call->count);
  w.in = call->dy, w.weights = o->weights, w.on_the_fly = o->on_the_fly;
  w.out = call->dx, w.add = call->accumulate ? call->dx : NULL, w.mask = call->mask, w.mask_act = call->mask_act;
  return w;
}

static int winograd_chunks(const wk_call *call) {
  const wk_winograd w = winograd_call(call);
  return wk_winograd_chunks(wk_microkernels_for(call->isa), &w, call->threads, call->stage);
}

static int winograd_stages(const wk_call *call) {
  const wk_winograd w = winograd_call(call);
  return wk_winograd_stages(wk_microkernels_for(call->isa), &w, call->threads);
}

static void winograd_run(const wk_call *call, wk_chunk chunk) {
  const wk_winograd w = winograd_call(call);
  wk_winograd_chunk(wk_microkernels_for(call->isa), &w, call->threads, call->stage, call->scratch,
                    ((const own *)call->packed)->scratch, chunk);
}

static wk_status winograd_weights_prepare(wk_packed *out, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  wk_conv c = wk_conv_of(l, 1);
  c.batch = p->batch; /* fewer photos may come: their tiles need no more */
  return sums_create(out, l, p, wk_microkernels_for(p->isa)->winograd_weights_scratch(&c), err);
}

static void winograd_weights_run(const wk_call *call) {
  const wk_conv_back b = shard_of(call);
  wk_microkernels_for(call->isa)->winograd_weights(&b, call->scratch);
}

/* ---- depthwise ------------------------------------------------------------------------------------ */

static bool fits_depthwise(const wk_layer *l, wk_isa isa) {
  (void)isa;
  const wk_window *w = &l->window;
  return l->op == WK_OP_CONV && l->groups == l->in.channels && l->groups == l->out.channels &&
         w->stride_h == w->stride_w && w->dilation_h == 1 && w->dilation_w == 1 && w->kernel_h <= WK_DEPTHWISE_MAX;
}

static wk_depthwise_back depthwise_of(const wk_layer *l, int count) {
  return (wk_depthwise_back){.batch = count,
                             .in_h = l->in.height,
                             .in_w = l->in.width,
                             .channels = l->in.channels,
                             .out_h = l->out.height,
                             .out_w = l->out.width,
                             .kernel_h = l->window.kernel_h,
                             .kernel_w = l->window.kernel_w,
                             .stride = l->window.stride_h,
                             .pad_top = l->window.pad_top,
                             .pad_left = l->window.pad_left};
}

static wk_status depthwise_repack(void *packed, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  (void)err;
  own *o = packed;
  wk_microkernels_for(p->isa)->depthwise_pack(o->weights, p->weight, l->in.channels,
                                              l->window.kernel_h * l->window.kernel_w);
  return WK_OK;
}

static wk_status depthwise_prepare(wk_packed *out, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  const size_t taps = (size_t)(l->window.kernel_h * l->window.kernel_w);
  WK_RETURN_IF_ERROR(packed_create(out, l, p, taps * (size_t)l->in.channels, 0, err));
  return depthwise_repack(out->data, l, p, err);
}

static int depthwise_chunks(const wk_call *call) {
  const wk_layer *l = call->layer;
  return wk_call_chunks(call->count * l->in.height / 7, wk_shape_count(l->in) * call->count * 16, call->threads);
}

static void depthwise_run(const wk_call *call, wk_chunk chunk) {
  wk_depthwise_back d = depthwise_of(call->layer, call->count);
  d.dy = call->dy, d.weights = ((const own *)call->packed)->weights, d.dx = call->dx, d.accumulate = call->accumulate;
  d.mask = call->mask, d.mask_act = call->mask_act;
  const int rows = call->count * d.in_h;
  wk_microkernels_for(call->isa)->depthwise_data(&d, wk_chunk_begin(rows, 1, chunk), wk_chunk_end(rows, 1, chunk));
}

static wk_status depthwise_weights_prepare(wk_packed *out, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  return sums_create(out, l, p, 0, err);
}

static void depthwise_weights_run(const wk_call *call) {
  wk_depthwise_back d = depthwise_of(call->layer, call->count);
  d.x = call->x, d.dy = call->dy, d.dw = call->grad[0];
  d.db = d.dw + (size_t)(d.kernel_h * d.kernel_w) * (size_t)d.channels;
  wk_microkernels_for(call->isa)->depthwise_weights(&d);
}

/* [each][out] to PyTorch's [out][each]: of a depthwise layer, whose outputs have a number a tap each, and of a block's
 * expansion, whose outputs have one an input channel. */
static void turned_unpack(float *weight, float *bias, const void *packed, const wk_layer *l, const float *grad,
                          int first, int last) {
  (void)packed;
  const size_t outs = (size_t)l->out.channels, from = (size_t)first, until = (size_t)last,
               each = (size_t)(l->in.channels / l->groups * l->window.kernel_h * l->window.kernel_w);
  for (size_t o = from; o < until; o++)
    for (size_t i = 0; i < each; i++)
      weight[o * each + i] = grad[i * outs + o];
  memcpy(bias + from, grad + each * outs + from, (until - from) * sizeof *bias);
}

const wk_kernel wk_kernel_conv_data = {.name = "matrix product",
                                       .direction = WK_BACKWARD_DATA,
                                       .masks = true,
                                       .fits = fits_conv,
                                       .prepare = data_prepare,
                                       .release = wk_free,
                                       .repack = data_repack,
                                       .share = data_run,
                                       .chunks = data_chunks};
const wk_kernel wk_kernel_winograd_data = {.name = "Winograd F(4x4,3x3)",
                                           .direction = WK_BACKWARD_DATA,
                                           .masks = true,
                                           .fits = fits_winograd,
                                           .prepare = winograd_prepare,
                                           .release = wk_free,
                                           .repack = winograd_repack,
                                           .share = winograd_run,
                                           .chunks = winograd_chunks,
                                           .stages = winograd_stages};
const wk_kernel wk_kernel_depthwise_data = {.name = "depthwise",
                                            .direction = WK_BACKWARD_DATA,
                                            .masks = true,
                                            .fits = fits_depthwise,
                                            .prepare = depthwise_prepare,
                                            .release = wk_free,
                                            .repack = depthwise_repack,
                                            .share = depthwise_run,
                                            .chunks = depthwise_chunks};
const wk_kernel wk_kernel_conv_weights = {.name = "matrix product",
                                          .direction = WK_BACKWARD_WEIGHTS,
                                          .fits = fits_conv,
                                          .prepare = weights_prepare,
                                          .release = wk_free,
                                          .run = weights_run,
                                          .unpack = weights_unpack};
const wk_kernel wk_kernel_winograd_weights = {.name = "Winograd F(3x3,4x4)",
                                              .direction = WK_BACKWARD_WEIGHTS,
                                              .fits = fits_winograd,
                                              .prepare = winograd_weights_prepare,
                                              .release = wk_free,
                                              .run = winograd_weights_run,
                                              .unpack = weights_unpack};
const wk_kernel wk_kernel_depthwise_weights = {.name = "depthwise",
                                               .direction = WK_BACKWARD_WEIGHTS,
                                               .fits = fits_depthwise,
                                               .prepare = depthwise_weights_prepare,
                                               .release = wk_free,
                                               .run = depthwise_weights_run,
                                               .unpack = turned_unpack};

/* conv_ops.c - convolutions on whisker's own kernels, as the planner sees them: which shapes each is for, its weights,
 * and how the threads of a call share a layer. A photo's numbers do not depend on how it is shared. */
#include <string.h>

#include "base/chunk.h"
#include "nn/graph/graph.h"
#include "nn/kernels/f32/elementwise.h"
#include "nn/kernels/microkernels.h"
#include "nn/ops/conv_ops.h"
#include "nn/ops/winograd_ops.h"

wk_status wk_packed_room(wk_packed *out, const wk_layer *l, wk_arena *from, size_t head, size_t weights,
                         size_t *scratch, int threads, wk_error *err) {
  void *room = NULL;
  size_t bytes, all;
  *scratch = (*scratch + 15) / 16 * 16;
  if (!wk_mul_overflow(&bytes, weights, sizeof(float)) &&
      !wk_mul_overflow(&all, *scratch * sizeof(float), (size_t)threads))
    room = from ? wk_arena_alloc(from, head + bytes) : wk_alloc(head + bytes);
  if (!room)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for the weights of layer '%s'", l->name);
  *out = (wk_packed){.data = room, .weight_bytes = head + bytes, .scratch_bytes = all};
  return WK_OK;
}

static wk_status packed_create(wk_packed *out, const wk_layer *l, const wk_prepare *p, size_t weights, size_t scratch,
                               wk_error *err) {
  WK_RETURN_IF_ERROR(wk_packed_room(out, l, p->packing, sizeof(wk_packed_conv), weights + (size_t)l->out.channels,
                                    &scratch, p->threads, err));
  wk_packed_conv *o = out->data;
  *o = (wk_packed_conv){.bias = p->bias ? o->data + weights : NULL, .weights = o->data, .scratch = scratch};
  return WK_OK;
}

static void pack_bias(wk_packed_conv *o, const wk_layer *l, const wk_prepare *p) {
  if (o->bias)
    memcpy(o->data + (o->bias - o->data), p->bias, (size_t)l->out.channels * sizeof(float));
}

wk_act wk_builtin_act(wk_act act) { return act <= WK_ACT_RELU6 ? act : WK_ACT_NONE; }

void wk_trailing_act(const wk_call *c, int pixel0, int pixel1, int col0, int col1) {
  static void (*const rows[])(float *, const float *, size_t, wk_act) = WK_ISA_TABLE(wk_act_apply);
  const ptrdiff_t channels = c->layer->out.channels;
  if (c->layer->act <= WK_ACT_RELU6 || col1 <= col0)
    return;
  const bool whole = col1 - col0 == channels;
  const int step = whole ? pixel1 - pixel0 : 1;
  for (int p = pixel0; p < pixel1; p += step) {
    float *at = c->out + p * channels + col0;
    rows[c->isa](at, at, (size_t)step * (size_t)(col1 - col0), c->layer->act);
  }
}

wk_conv wk_conv_of(const wk_layer *l, int batch) {
  const wk_window *w = &l->window;
  return (wk_conv){.batch = batch,
                   .in_h = l->in.height,
                   .in_w = l->in.width,
                   .in_c = l->in.channels,
                   .out_h = l->out.height,
                   .out_w = l->out.width,
                   .out_c = l->out.channels,
                   .groups = l->groups,
                   .kernel_h = w->kernel_h,
                   .kernel_w = w->kernel_w,
                   .stride_h = w->stride_h,
                   .stride_w = w->stride_w,
                   .dilation_h = w->dilation_h,
                   .dilation_w = w->dilation_w,
                   .pad_top = w->pad_top,
                   .pad_left = w->pad_left,
                   .pixels = l->pixels,
                   .act = wk_builtin_act(l->act)};
}

wk_conv_back wk_conv_back_of(const wk_call *call, const wk_conv *of_a_photo, const float *weights) {
  wk_conv_back b = {.conv = *of_a_photo,
                    .dy = call->dy,
                    .weights = weights,
                    .dx = call->dx,
                    .accumulate = call->accumulate,
                    .mask = call->mask,
                    .mask_act = call->mask_act};
  b.conv.batch = call->count;
  return b;
}

enum { ROWS_PART = 16, PANELS_PART = 4 }; /* a product's least part: strips of rows, or panels of columns */

/* ---- any convolution ---------------------------------------------------------------------------- */

static bool fits_conv(const wk_layer *l, wk_isa isa) {
  if (l->op != WK_OP_CONV || l->groups != 1)
    return false;
  const wk_conv c = wk_conv_of(l, 1);
  return !l->pixels || (!l->residual && wk_microkernels_for(isa)->conv_takes_bytes(&c));
}

static wk_status repack_conv(void *packed, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  (void)err;
  wk_packed_conv *o = packed;
  wk_microkernels_for(p->isa)->conv_pack(o->data, p->weight, l->in.channels, l->out.channels,
                                         l->window.kernel_h * l->window.kernel_w);
  pack_bias(o, l, p);
  return WK_OK;
}

bool wk_layer_is_pointwise(const wk_layer *l) {
  const wk_window *w = &l->window;
  return w->kernel_h == 1 && w->kernel_w == 1 && w->stride_h == 1 && w->stride_w == 1 && !w->pad_top && !w->pad_left &&
         l->in.height == l->out.height && l->in.width == l->out.width;
}

static wk_status prepare_conv(wk_packed *out, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  const wk_microkernels *kn = wk_microkernels_for(p->isa);
  const wk_conv c = wk_conv_of(l, 1);
  const int taps = c.kernel_h * c.kernel_w;
  WK_RETURN_IF_ERROR(
      packed_create(out, l, p, kn->gemm_packed(taps * c.in_c, c.out_c), kn->conv_shape(&c).scratch, err));
  return repack_conv(out->data, l, p, err);
}

static bool rows_shared(int pixels, int out_c, int depth, int rows, int threads) {
  return pixels >= 4 * rows * threads && (int64_t)depth * out_c <= (int64_t)pixels * (depth + out_c);
}

wk_product_range wk_product_split(int pixels, int out_c, int depth, int rows, int panel, int threads, wk_chunk chunk) {
  if (rows_shared(pixels, out_c, depth, rows, threads))
    return (wk_product_range){(int)wk_chunk_begin(pixels, rows, chunk), (int)wk_chunk_end(pixels, rows, chunk), 0,
                              out_c};
  return (wk_product_range){0, pixels, (int)wk_chunk_begin(out_c, panel, chunk),
                            (int)wk_chunk_end(out_c, panel, chunk)};
}

/* Columns are cut only where the input is a matrix already: every part would lay out all rows. */
static int chunks_conv(const wk_call *call) {
  const wk_layer *l = call->layer;
  const wk_gemm_sizes gemm = wk_microkernels_for(call->isa)->gemm_shape();
  const int out_c = l->out.channels, depth = l->window.kernel_h * l->window.kernel_w * l->in.channels,
            pixels = call->count * l->out.height * l->out.width;
  const int most = rows_shared(pixels, out_c, depth, gemm.rows, call->threads) ? pixels / (ROWS_PART * gemm.rows)
                   : wk_layer_is_pointwise(l)                                  ? out_c / (PANELS_PART * gemm.panel)
                                                                               : 0;
  return wk_call_chunks(most, (int64_t)pixels * depth * out_c, call->threads);
}

static void run_conv(const wk_call *call, wk_chunk chunk) {
  const wk_microkernels *kn = wk_microkernels_for(call->isa);
  const wk_packed_conv *o = call->packed;
  wk_conv c = wk_conv_of(call->layer, call->count);
  c.in = call->in[0], c.bytes = call->bytes;
  c.weights = o->weights, c.bias = o->bias, c.add = call->residual, c.out = call->out;
  const wk_gemm_sizes gemm = kn->gemm_shape();
  const wk_product_range s = wk_product_split(kn->conv_shape(&c).pixels, c.out_c, c.kernel_h * c.kernel_w * c.in_c,
                                              gemm.rows, gemm.panel, call->threads, chunk);
  kn->conv(&c, s.pixel0, s.pixel1, s.col0, s.col1, (float *)call->scratch + o->scratch * (size_t)chunk.worker);
  wk_trailing_act(call, s.pixel0, s.pixel1, s.col0, s.col1);
}

/* ---- linear ------------------------------------------------------------------------------------- */

static bool fits_linear(const wk_layer *l, wk_isa isa) {
  (void)isa;
  return !l->train && wk_layer_is_linear(l);
}

static int inputs_of(const wk_layer *l) { return l->in.height * l->in.width * l->in.channels; }

/* Where a flatten is left out, the weights are those of a convolution as large as its input. */
static wk_status repack_linear(void *packed, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  (void)err;
  wk_packed_conv *o = packed;
  wk_microkernels_for(p->isa)->conv_pack(o->data, p->weight, l->in.channels, l->out.channels,
                                         l->in.height * l->in.width);
  pack_bias(o, l, p);
  return WK_OK;
}

static wk_status prepare_linear(wk_packed *out, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  const wk_microkernels *kn = wk_microkernels_for(p->isa);
  WK_RETURN_IF_ERROR(
      packed_create(out, l, p, kn->gemm_packed(inputs_of(l), l->out.channels), kn->gemm_shape().scratch, err));
  return repack_linear(out->data, l, p, err);
}

static int chunks_linear(const wk_call *call) {
  const int out = call->layer->out.channels, panel = wk_microkernels_for(call->isa)->gemm_shape().panel;
  return wk_call_chunks(out / (PANELS_PART * panel), (int64_t)inputs_of(call->layer) * out, call->threads);
}

static void run_linear(const wk_call *call, wk_chunk chunk) {
  const wk_microkernels *kn = wk_microkernels_for(call->isa);
  const wk_layer *l = call->layer;
  const wk_packed_conv *o = call->packed;
  const int in = inputs_of(l), out = l->out.channels, panel = kn->gemm_shape().panel;
  const wk_gemm g = {.m = call->count,
                     .n = out,
                     .k = in,
                     .a = call->in[0],
                     .lda = in,
                     .b = o->weights,
                     .bias = o->bias,
                     .c = call->out,
                     .ldc = out,
                     .act = wk_builtin_act(l->act)};
  const int col0 = wk_chunk_begin(out, panel, chunk), col1 = wk_chunk_end(out, panel, chunk);
  kn->gemm(&g, 0, g.m, col0, col1, (float *)call->scratch + o->scratch * (size_t)chunk.worker);
  wk_trailing_act(call, 0, call->count, col0, col1);
}

/* ---- 3x3 by Winograd ---------------------------------------------------------------------------- */

enum { TILE = 4 };

/* Worth it where the products outweigh the transforms. */
static bool fits_winograd(const wk_layer *l, wk_isa isa) {
  (void)isa;
  const wk_window *w = &l->window;
  return !l->no_winograd && fits_conv(l, isa) && w->kernel_h == 3 && w->kernel_w == 3 && w->stride_h == 1 &&
         w->stride_w == 1 && w->dilation_h == 1 && w->dilation_w == 1 && l->in.channels >= 16 &&
         l->out.channels >= 16 && l->out.height >= TILE && l->out.width >= TILE;
}

static wk_winograd winograd_of(const wk_layer *l, int count) {
  return (wk_winograd){.m = TILE,
                       .batch = count,
                       .in_h = l->in.height,
                       .in_w = l->in.width,
                       .in_c = l->in.channels,
                       .out_h = l->out.height,
                       .out_w = l->out.width,
                       .out_c = l->out.channels,
                       .pad_top = l->window.pad_top,
                       .pad_left = l->window.pad_left,
                       .act = wk_builtin_act(l->act)};
}

static wk_status repack_winograd(void *packed, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  (void)err;
  wk_packed_conv *o = packed;
  wk_winograd w = winograd_of(l, 1);
  w.on_the_fly = o->on_the_fly;
  wk_winograd_weights_pack(wk_microkernels_for(p->isa), &w, o->data, p->weight, false);
  pack_bias(o, l, p);
  return WK_OK;
}

static wk_status prepare_winograd(wk_packed *out, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  const wk_microkernels *kn = wk_microkernels_for(p->isa);
  wk_winograd w = winograd_of(l, 1);
  w.on_the_fly = wk_winograd_on_the_fly_pays(&w, p->batch);
  WK_RETURN_IF_ERROR(packed_create(out, l, p, wk_winograd_weights(kn, &w), kn->winograd_shape(&w).scratch, err));
  ((wk_packed_conv *)out->data)->on_the_fly = w.on_the_fly;
  return repack_winograd(out->data, l, p, err);
}

/* outer_act for the pixels of tiles: they are numbered row by row in each photo. */
static void tiles_act(const wk_call *c, int tile0, int tile1, int col0, int col1) {
  const int height = c->layer->out.height, width = c->layer->out.width;
  const int across = (width + TILE - 1) / TILE, down = (height + TILE - 1) / TILE;
  for (int t = tile0; c->layer->act > WK_ACT_RELU6 && t < tile1; t++) {
    const int image = t / (across * down), y0 = t / across % down * TILE, x0 = t % across * TILE;
    const int y1 = y0 + TILE < height ? y0 + TILE : height, x1 = x0 + TILE < width ? x0 + TILE : width;
    for (int y = y0; y < y1; y++) {
      const int line = (image * height + y) * width;
      wk_trailing_act(c, line + x0, line + x1, col0, col1);
    }
  }
}

static wk_winograd winograd_call(const wk_call *call) {
  const wk_packed_conv *o = call->packed;
  wk_winograd w = winograd_of(call->layer, call->count);
  w.in = call->in[0], w.weights = o->weights, w.on_the_fly = o->on_the_fly, w.bias = o->bias, w.add = call->residual;
  w.out = call->out;
  return w;
}

static int chunks_winograd(const wk_call *call) {
  const wk_winograd w = winograd_call(call);
  return wk_winograd_chunks(wk_microkernels_for(call->isa), &w, call->threads, call->stage);
}

static int stages_winograd(const wk_call *call) {
  const wk_winograd w = winograd_call(call);
  return wk_winograd_stages(wk_microkernels_for(call->isa), &w, call->threads);
}

static void run_winograd(const wk_call *call, wk_chunk chunk) {
  const wk_packed_conv *o = call->packed;
  const wk_winograd w = winograd_call(call);
  const wk_winograd_range r = wk_winograd_chunk(wk_microkernels_for(call->isa), &w, call->threads, call->stage,
                                                call->scratch, o->scratch, chunk);
  tiles_act(call, r.tile0, r.tile1, r.col0, r.col1);
}

/* ---- depthwise ---------------------------------------------------------------------------------- */

enum { FEW_ROWS = 7 };

/* Other dilated ones are faster as what they are besides: convolutions with groups. */
static bool fast_dilation(const wk_window *w) {
  return w->dilation_w == 1 || (w->stride_w == 1 && (w->kernel_w == 3 || w->kernel_w == 5));
}

static bool fits_depthwise(const wk_layer *l, wk_isa isa) {
  (void)isa;
  const wk_window *w = &l->window;
  return l->op == WK_OP_CONV && !l->residual && l->groups == l->in.channels && l->groups == l->out.channels &&
         w->stride_h == w->stride_w && fast_dilation(w) && w->kernel_h <= WK_DEPTHWISE_MAX;
}

static wk_status repack_depthwise(void *packed, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  (void)err;
  wk_packed_conv *o = packed;
  wk_microkernels_for(p->isa)->depthwise_pack(o->data, p->weight, l->out.channels,
                                              l->window.kernel_h * l->window.kernel_w);
  pack_bias(o, l, p);
  return WK_OK;
}

static wk_status prepare_depthwise(wk_packed *out, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  const int taps = l->window.kernel_h * l->window.kernel_w;
  WK_RETURN_IF_ERROR(packed_create(out, l, p, (size_t)taps * (size_t)l->out.channels, 0, err));
  return repack_depthwise(out->data, l, p, err);
}

static int chunks_depthwise(const wk_call *call) {
  const wk_layer *l = call->layer;
  return wk_call_chunks(call->count * l->out.height / FEW_ROWS, wk_shape_count(l->out) * call->count * 16,
                        call->threads);
}

static void run_depthwise(const wk_call *call, wk_chunk chunk) {
  const wk_layer *l = call->layer;
  const wk_packed_conv *o = call->packed;
  const wk_depthwise d = {.in_h = l->in.height,
                          .in_w = l->in.width,
                          .channels = l->in.channels,
                          .out_h = l->out.height,
                          .out_w = l->out.width,
                          .kernel_h = l->window.kernel_h,
                          .kernel_w = l->window.kernel_w,
                          .stride = l->window.stride_h,
                          .dilation_h = l->window.dilation_h,
                          .dilation_w = l->window.dilation_w,
                          .pad_top = l->window.pad_top,
                          .pad_left = l->window.pad_left,
                          .in = call->in[0],
                          .weights = o->weights,
                          .bias = o->bias,
                          .out = call->out,
                          .act = wk_builtin_act(l->act)};
  const wk_microkernels *kn = wk_microkernels_for(call->isa);
  const int rows = call->count * l->out.height, threads = call->threads, panel = kn->gemm_shape().panel;
  /* Few rows are shared by their channels, as the products around them are. */
  const bool by_rows = rows >= FEW_ROWS * threads || d.channels < 2 * panel * threads;
  const int row0 = by_rows ? wk_chunk_begin(rows, 1, chunk) : 0, row1 = by_rows ? wk_chunk_end(rows, 1, chunk) : rows,
            ch0 = by_rows ? 0 : wk_chunk_begin(d.channels, panel, chunk),
            ch1 = by_rows ? d.channels : wk_chunk_end(d.channels, panel, chunk);
  kn->depthwise(&d, row0, row1, ch0, ch1);
  wk_trailing_act(call, row0 * l->out.width, row1 * l->out.width, ch0, ch1);
}

const wk_kernel wk_kernel_conv = {.name = "matrix product",
                                  .fits = fits_conv,
                                  .prepare = prepare_conv,
                                  .repack = repack_conv,
                                  .share = run_conv,
                                  .chunks = chunks_conv};
const wk_kernel wk_kernel_linear = {.name = "linear",
                                    .fits = fits_linear,
                                    .prepare = prepare_linear,
                                    .repack = repack_linear,
                                    .share = run_linear,
                                    .chunks = chunks_linear};
const wk_kernel wk_kernel_winograd = {.name = "Winograd F(4x4,3x3)",
                                      .fits = fits_winograd,
                                      .prepare = prepare_winograd,
                                      .repack = repack_winograd,
                                      .share = run_winograd,
                                      .chunks = chunks_winograd,
                                      .stages = stages_winograd};
const wk_kernel wk_kernel_depthwise = {.name = "depthwise",
                                       .fits = fits_depthwise,
                                       .prepare = prepare_depthwise,
                                       .repack = repack_depthwise,
                                       .share = run_depthwise,
                                       .chunks = chunks_depthwise};

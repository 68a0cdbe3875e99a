/* conv_int8.c - convolutions and linear layers on small integers, as the planner sees them: float in, float out. Bytes
 * are made of the input some rows at a time, so nothing outside these steps knows of them. */
#include "nn/ops/int8/conv_int8.h"

#include <string.h>

#include "base/chunk.h"
#include "nn/ops/conv_ops.h"
#include "nn/ops/int8/quantize_int8.h"

enum { BLOCK_BYTES = 64 << 10, LEAST_ROWS = 48 };

/* ---- preparing ---------------------------------------------------------------------------------- */

/* Arrays one after the other in one piece of memory. */
typedef struct carver {
  char *base;
  size_t used;
} carver;

static void *carve(carver *c, size_t bytes) {
  void *at = c->base ? c->base + c->used : NULL;
  c->used += (bytes + 63) / 64 * 64;
  return at;
}

typedef struct arrays {
  wk_packed_int8 *own;
  int8_t *weights;
  float *scale, *bias, *inverse, *low, *high;
  int32_t *zero;
  uint8_t *beside;
} arrays;

static arrays carve_product(carver *c, const wk_microkernels_int8 *kn, int columns, int depth, int in_c) {
  const size_t wide = (size_t)wk_up(columns, kn->panel) * sizeof(float), in = (size_t)in_c * sizeof(float);
  return (arrays){.own = carve(c, sizeof(wk_packed_int8)),
                  .weights = carve(c, wk_gemm_int8_packed(kn->panel, depth, columns)),
                  .scale = carve(c, wide),
                  .bias = carve(c, wide),
                  .inverse = carve(c, in),
                  .low = carve(c, in),
                  .high = carve(c, in),
                  .zero = carve(c, in),
                  .beside = carve(c, (size_t)in_c)};
}

static wk_status no_memory(const wk_layer *l, wk_error *err) {
  return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for the weights of layer '%s'", l->name);
}

static wk_quantize_int8 describe_input(float *inverse, float *low, float *high, int32_t *zero, const wk_int8_scale *s,
                                       int in_c) {
  for (int c = 0; c < in_c; c++) {
    inverse[c] = 1 / s->scale[c];
    zero[c] = s->zero[c];
    low[c] = (float)-zero[c];
    high[c] = (float)(WK_U7_MAX - zero[c]);
  }
  return (wk_quantize_int8){.channels = in_c, .inverse = inverse, .low = low, .high = high, .zero = zero};
}

/* A product of `columns` columns, of which the layer has so many as it has output channels. */
static wk_status prepare(wk_packed *out, const wk_layer *l, const wk_prepare *p, int columns, bool to_bytes,
                         wk_error *err) {
  wk_status st = WK_OK;
  const wk_microkernels_int8 *kn = wk_microkernels_int8_for(p->isa);
  const bool linear = l->op == WK_OP_LINEAR;
  const int in_c = l->in.channels, out_c = l->out.channels,
            taps = linear ? l->in.height * l->in.width : l->window.kernel_h * l->window.kernel_w,
            depth = wk_up(in_c * taps, WK_INT8_DEPTH);
  carver size = {0}, c = {0}, room = {0};
  carve_product(&size, kn, columns, depth, in_c);
  int8_t *q = wk_calloc((size_t)columns, (size_t)depth);
  double *row = wk_alloc_array((size_t)in_c * (size_t)taps, sizeof *row);
  wk_int8_scale in = {0}, made = {0};
  room.base = wk_alloc(2 * ((size_t)in_c + (size_t)columns + 32) * sizeof(float));
  c.base = wk_arena_alloc(p->packing, size.used);
  if (!q || !row || !room.base || !c.base) {
    st = no_memory(l, err);
    goto done;
  }
  in.scale = carve(&room, (size_t)in_c * sizeof(float));
  in.zero = carve(&room, (size_t)in_c * sizeof(int32_t));
  const arrays a = carve_product(&c, kn, columns, depth, in_c);
  memset(a.scale, 0, (size_t)wk_up(columns, kn->panel) * sizeof *a.scale);
  memset(a.bias, 0, (size_t)wk_up(columns, kn->panel) * sizeof *a.bias);
  wk_int8_scales(&in, p->range.in, p->range.in + in_c, in_c);
  wk_int8_product(q, a.scale, a.bias, row, p->weight, p->bias, &in, out_c, in_c, taps, depth);
  for (int i = 0; i < in_c; i++)
    a.beside[i] = (uint8_t)in.zero[i];
  wk_gemm_int8_pack(a.weights, q, kn->panel, depth, columns);
  if (to_bytes) {
    made.scale = carve(&room, (size_t)out_c * sizeof(float));
    made.zero = carve(&room, (size_t)out_c * sizeof(int32_t));
    wk_int8_scales(&made, p->range.out, p->range.out + out_c, out_c);
    for (int n = 0; n < out_c; n++)
      a.scale[n] /= made.scale[n], a.bias[n] /= made.scale[n];
  }
  int block = BLOCK_BYTES / depth;
  block = wk_up(block < LEAST_ROWS ? LEAST_ROWS : block, kn->rows);
  *a.own = (wk_packed_int8){.columns = columns,
                            .depth = depth,
                            .weights = a.weights,
                            .scale = a.scale,
                            .bias = a.bias,
                            .input = describe_input(a.inverse, a.low, a.high, a.zero, &in, in_c),
                            .zero = a.beside,
                            .block = block};
  *out = (wk_packed){.data = a.own, .weight_bytes = size.used};
  if (wk_mul_overflow(&out->scratch_bytes, (size_t)block * (size_t)depth, (size_t)p->threads))
    st = no_memory(l, err);
done:
  wk_free(room.base);
  wk_free(row);
  wk_free(q);
  return st;
}

static wk_status prepare_product(wk_packed *out, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  return prepare(out, l, p, l->out.channels, false, err);
}

static wk_status prepare_expand(wk_packed *out, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  return prepare(out, l, p, wk_up(l->out.channels, WK_INT8_CHANNELS), true, err);
}

static wk_status prepare_depthwise(wk_packed *out, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  const int channels = l->in.channels, kernel = l->window.kernel_h;
  const size_t wide = (size_t)wk_up(channels, WK_INT8_CHANNELS);
  const size_t weights = (size_t)((kernel + 1) / 2 * kernel) * wide * 2;
  carver size = {0}, room = {0};
  carve(&size, sizeof(wk_packed_depthwise_int8)), carve(&size, weights), carve(&size, wide * 2), carve(&size, wide * 2);
  for (int i = 0; i < 4; i++)
    carve(&size, wide * sizeof(float));
  carver c = {.base = wk_arena_alloc(p->packing, size.used)};
  room.base = wk_alloc(4 * (wide + 16) * sizeof(float));
  if (!c.base || !room.base) {
    wk_free(room.base);
    return no_memory(l, err);
  }
  memset(c.base, 0, size.used);
  wk_packed_depthwise_int8 *o = carve(&c, sizeof *o);
  int8_t *q = carve(&c, weights);
  int16_t *bias = carve(&c, wide * 2), *multiplier = carve(&c, wide * 2);
  wk_int8_scale in, made;
  in.scale = carve(&room, wide * sizeof(float)), in.zero = carve(&room, wide * sizeof(int32_t));
  made.scale = carve(&room, wide * sizeof(float)), made.zero = carve(&room, wide * sizeof(int32_t));
  wk_int8_scales(&in, p->range.in, p->range.in + channels, channels);
  wk_int8_scales(&made, p->range.out, p->range.out + channels, channels);
  wk_int8_depthwise(q, bias, multiplier, p->weight, p->bias, in.scale, made.scale, channels, kernel);
  float *inverse = carve(&c, wide * sizeof(float)), *low = carve(&c, wide * sizeof(float)),
        *high = carve(&c, wide * sizeof(float));
  int32_t *zero = carve(&c, wide * sizeof(int32_t));
  *o = (wk_packed_depthwise_int8){.input = describe_input(inverse, low, high, zero, &in, channels),
                                  .weights = q,
                                  .bias = bias,
                                  .multiplier = multiplier};
  *out = (wk_packed){.data = o, .weight_bytes = size.used};
  wk_free(room.base);
  return WK_OK;
}

/* ---- running ------------------------------------------------------------------------------------ */

/* The bytes under the kernel at one output pixel. */
static void unfold(const wk_microkernels_int8 *kn, const wk_packed_int8 *o, const wk_layer *l, const float *in,
                   int pixel, uint8_t *row) {
  const wk_window *w = &l->window;
  const int x0 = pixel % l->out.width * w->stride_w - w->pad_left,
            y0 = pixel / l->out.width % l->out.height * w->stride_h - w->pad_top;
  const ptrdiff_t c = l->in.channels;
  const float *image = in + (ptrdiff_t)(pixel / l->out.width / l->out.height) * l->in.height * l->in.width * c;
  for (int ky = 0; ky < w->kernel_h; ky++) {
    const int y = y0 + ky * w->dilation_h;
    const bool inside = y >= 0 && y < l->in.height;
    const float *line = image + (ptrdiff_t)(inside ? y : 0) * l->in.width * c;
    if (inside && w->dilation_w == 1 && x0 >= 0 && x0 + w->kernel_w <= l->in.width) {
      kn->quantise(&o->input, row, c, line + x0 * c, w->kernel_w);
      row += w->kernel_w * c;
      continue;
    }
    for (int kx = 0; kx < w->kernel_w; kx++, row += c) {
      const int x = x0 + kx * w->dilation_w;
      if (inside && x >= 0 && x < l->in.width)
        kn->quantise(&o->input, row, c, line + x * c, 1);
      else
        memcpy(row, o->zero, (size_t)c);
    }
  }
}

static void run(const wk_call *call, wk_chunk chunk) {
  const wk_microkernels_int8 *kn = wk_microkernels_int8_for(call->isa);
  const wk_packed_int8 *o = call->packed;
  const wk_layer *l = call->layer;
  const bool linear = l->op == WK_OP_LINEAR, straight = linear || wk_layer_is_pointwise(l);
  const int pixels = linear ? call->count : call->count * l->out.height * l->out.width, out_c = l->out.channels;
  const wk_product_range s = wk_product_split(pixels, out_c, o->depth, kn->rows, kn->panel, call->threads, chunk);
  const ptrdiff_t taps = linear ? (ptrdiff_t)l->in.height * l->in.width : 1,
                  used = linear || straight ? taps * l->in.channels
                                            : (ptrdiff_t)l->window.kernel_h * l->window.kernel_w * l->in.channels;
  uint8_t *rows = (uint8_t *)call->scratch + (size_t)o->block * (size_t)o->depth * (size_t)chunk.worker;
  for (int p = s.pixel0; p < s.pixel1 && s.col0 < s.col1; p += o->block) {
    const int count = s.pixel1 - p < o->block ? s.pixel1 - p : o->block;
    if (straight && taps == 1)
      kn->quantise(&o->input, rows, o->depth, call->in[0] + p * used, count);
    for (int i = 0; i < count; i++) {
      uint8_t *row = rows + (ptrdiff_t)i * o->depth;
      if (!straight)
        unfold(kn, o, l, call->in[0], p + i, row);
      else if (taps > 1)
        kn->quantise(&o->input, row, l->in.channels, call->in[0] + (p + i) * used, (int)taps);
      if (used < o->depth)
        memset(row + used, 0, (size_t)(o->depth - used));
    }
    const ptrdiff_t at = (ptrdiff_t)p * out_c;
    const wk_gemm_int8 g = {.n = out_c,
                            .k = o->depth,
                            .a = rows,
                            .b = o->weights,
                            .scale = o->scale,
                            .bias = o->bias,
                            .add = call->residual ? call->residual + at : NULL,
                            .c = call->out + at,
                            .lda = o->depth,
                            .ldc = out_c,
                            .ldadd = out_c,
                            .act = wk_builtin_act(l->act)};
    kn->gemm(&g, 0, count, s.col0, s.col1);
  }
  wk_trailing_act(call, s.pixel0, s.pixel1, s.col0, s.col1);
}

const wk_kernel wk_kernel_conv_int8 = {.name = "int8 product", .prepare = prepare_product, .share = run};
const wk_kernel wk_kernel_expand_int8 = {.name = "int8 product to bytes", .prepare = prepare_expand};
const wk_kernel wk_kernel_depthwise_int8 = {.name = "int8 depthwise", .prepare = prepare_depthwise};

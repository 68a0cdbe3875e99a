/* conv_bf16.c - convolutions and linear layers on bfloat16, as the planner sees them: float in, float out. The input is
 * rounded some rows at a time, so nothing outside these steps knows of it. */
#include "nn/ops/bf16/conv_bf16.h"

#include <string.h>

#include "base/chunk.h"
#include "nn/ops/conv_ops.h"

enum { BLOCK_BYTES = 64 << 10, LEAST_ROWS = 56 };

static int taps_of(const wk_layer *l) {
  return l->op == WK_OP_LINEAR ? l->in.height * l->in.width : l->window.kernel_h * l->window.kernel_w;
}

static wk_status prepare(wk_packed *out, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  const wk_microkernels_bf16 *kn = wk_microkernels_bf16_for(p->isa);
  const int in_c = l->in.channels, columns = l->out.channels, taps = taps_of(l),
            depth = (in_c * taps + WK_BF16_DEPTH - 1) / WK_BF16_DEPTH * WK_BF16_DEPTH;
  const size_t head = (sizeof(wk_packed_bf16) + 63) / 64 * 64,
               wide = (size_t)((columns + kn->panel - 1) / kn->panel * kn->panel) * sizeof(float),
               weights = wk_gemm_bf16_packed(kn->panel, depth, columns) * sizeof(uint16_t),
               bytes = head + wide + weights;
  char *base = wk_arena_alloc(p->packing, bytes);
  if (!base)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for the weights of layer '%s'", l->name);
  memset(base, 0, bytes);
  wk_packed_bf16 *o = (wk_packed_bf16 *)(void *)base;
  float *bias = (float *)(void *)(base + head);
  uint16_t *packed = (uint16_t *)(void *)(base + head + wide);
  if (p->bias)
    memcpy(bias, p->bias, (size_t)columns * sizeof *bias);
  wk_gemm_bf16_pack(packed, p->weight, kn->panel, in_c, taps, columns);
  int block = BLOCK_BYTES / (int)sizeof(uint16_t) / depth;
  block = block < LEAST_ROWS ? LEAST_ROWS : block;
  block = (block + kn->rows - 1) / kn->rows * kn->rows;
  *o = (wk_packed_bf16){.columns = columns, .depth = depth, .weights = packed, .bias = bias, .block = block};
  *out = (wk_packed){.data = o, .weight_bytes = bytes};
  if (wk_mul_overflow(&out->scratch_bytes, (size_t)block * (size_t)depth * sizeof(uint16_t), (size_t)p->threads))
    return WK_FAIL(err, WK_ERR_MEMORY, "layer '%s' does not fit in memory for %d threads", l->name, p->threads);
  return WK_OK;
}

void wk_round_rows_bf16(const wk_microkernels_bf16 *kn, uint16_t *to, int depth, const float *from, int channels,
                        int pixels) {
  kn->round(to, depth, from, channels, pixels);
  for (int p = 0; channels < depth && p < pixels; p++)
    memset(to + (ptrdiff_t)p * depth + channels, 0, (size_t)(depth - channels) * sizeof *to);
}

/* What lies under the kernel at one output pixel. */
static void unfold(const wk_microkernels_bf16 *kn, const wk_layer *l, const float *in, int pixel, uint16_t *row) {
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
      kn->round(row, c, line + x0 * c, (int)c, w->kernel_w);
      row += w->kernel_w * c;
      continue;
    }
    for (int kx = 0; kx < w->kernel_w; kx++, row += c) {
      const int x = x0 + kx * w->dilation_w;
      if (inside && x >= 0 && x < l->in.width)
        kn->round(row, c, line + x * c, (int)c, 1);
      else
        memset(row, 0, (size_t)c * sizeof *row);
    }
  }
}

static void run(const wk_call *call, wk_chunk chunk) {
  const wk_microkernels_bf16 *kn = wk_microkernels_bf16_for(call->isa);
  const wk_packed_bf16 *o = call->packed;
  const wk_layer *l = call->layer;
  const bool linear = l->op == WK_OP_LINEAR, straight = linear || wk_layer_is_pointwise(l);
  const int pixels = linear ? call->count : call->count * l->out.height * l->out.width, out_c = o->columns,
            used = taps_of(l) * l->in.channels;
  const wk_product_range s = wk_product_split(pixels, out_c, o->depth, kn->rows, kn->panel, call->threads, chunk);
  uint16_t *rows = (uint16_t *)call->scratch + (size_t)o->block * (size_t)o->depth * (size_t)chunk.worker;
  for (int p = s.pixel0; p < s.pixel1 && s.col0 < s.col1; p += o->block) {
    const int count = s.pixel1 - p < o->block ? s.pixel1 - p : o->block;
    if (straight)
      wk_round_rows_bf16(kn, rows, o->depth, call->in[0] + (ptrdiff_t)p * used, used, count);
    for (int i = 0; i < count && !straight; i++) {
      uint16_t *row = rows + (ptrdiff_t)i * o->depth;
      unfold(kn, l, call->in[0], p + i, row);
      if (used < o->depth)
        row[used] = 0;
    }
    const ptrdiff_t at = (ptrdiff_t)p * out_c;
    const wk_gemm_bf16 g = {.n = out_c,
                            .k = o->depth,
                            .a = rows,
                            .b = o->weights,
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

const wk_kernel wk_kernel_conv_bf16 = {.name = "bf16 product", .prepare = prepare, .share = run};

/* elementwise_ops.c - the simple layers as kernels of the planner: they hand rows of pixels to elementwise.c and share
 * them among the threads of a call. */
#include <string.h>

#include "base/chunk.h"
#include "nn/graph/graph.h"
#include "nn/kernels/f32/elementwise.h"
#include "nn/kernels/f32/layer_norm.h"
#include "nn/kernels/microkernels.h"
#include "nn/ops/op.h"

static size_t values(wk_shape s) { return (size_t)s.height * (size_t)s.width * (size_t)s.channels; }

/* Elementwise work is cut into pieces of this many values. */
enum { PIECE = 1 << 14 };

/* ---- elementwise -------------------------------------------------------------------------------- */

static bool fits_act(const wk_layer *l, wk_isa isa) {
  (void)isa;
  return wk_op_is_activation(l->op);
}

static void run_act(const wk_call *c, wk_chunk chunk) {
  static void (*const rows[])(float *, const float *, size_t, wk_act) = WK_ISA_TABLE(wk_act_apply);
  size_t n = values(c->layer->out) * (size_t)c->count;
  long pieces = (long)((n + PIECE - 1) / PIECE);
  const long end = wk_chunk_end(pieces, 1, chunk);
  for (long i = wk_chunk_begin(pieces, 1, chunk); i < end; i++) {
    size_t from = (size_t)i * PIECE;
    rows[c->isa](c->out + from, c->in[0] + from, n - from < PIECE ? n - from : PIECE, c->layer->act);
  }
}

static bool fits_add(const wk_layer *l, wk_isa isa) {
  (void)isa;
  return l->op == WK_OP_ADD;
}

static void run_add(const wk_call *c, wk_chunk chunk) {
  static void (*const rows[])(float *, const float *, const float *, size_t, wk_act) = WK_ISA_TABLE(wk_add);
  size_t n = values(c->layer->out) * (size_t)c->count;
  long pieces = (long)((n + PIECE - 1) / PIECE);
  const long end = wk_chunk_end(pieces, 1, chunk);
  for (long i = wk_chunk_begin(pieces, 1, chunk); i < end; i++) {
    size_t from = (size_t)i * PIECE;
    rows[c->isa](c->out + from, c->in[0] + from, c->in[1] + from, n - from < PIECE ? n - from : PIECE, c->layer->act);
  }
}

static void (*const affine[])(float *, const float *, const float *, const float *, size_t, int,
                              wk_act) = WK_ISA_TABLE(wk_affine);

static bool fits_affine(const wk_layer *l, wk_isa isa) {
  (void)isa;
  return wk_op_is_affine(l->op);
}

static wk_status repack_affine(void *packed, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  (void)err;
  size_t c = (size_t)l->in.channels;
  memcpy(packed, p->weight, c * sizeof(float));
  memcpy((float *)packed + c, p->bias, c * sizeof(float));
  return WK_OK;
}

/* Scale, then shift, in one block. */
static wk_status prepare_affine(wk_packed *out, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  size_t c = (size_t)l->in.channels, bytes = 2 * c * sizeof(float);
  float *both = wk_alloc(bytes);
  if (!both)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for layer '%s'", l->name);
  *out = (wk_packed){.data = both, .weight_bytes = bytes};
  return repack_affine(both, l, p, err);
}

static void run_affine(const wk_call *c, wk_chunk chunk) {
  const wk_layer *l = c->layer;
  const float *scale = c->packed;
  size_t row = (size_t)l->in.width * (size_t)l->in.channels;
  long rows = (long)l->in.height * c->count;
  const long end = wk_chunk_end(rows, 1, chunk);
  for (long i = wk_chunk_begin(rows, 1, chunk); i < end; i++)
    affine[c->isa](c->out + row * (size_t)i, c->in[0] + row * (size_t)i, scale, scale + l->in.channels,
                   (size_t)l->in.width, l->in.channels, l->act);
}

static bool fits_layer_norm(const wk_layer *l, wk_isa isa) {
  (void)isa;
  return l->op == WK_OP_LAYER_NORM;
}

static void run_layer_norm(const wk_call *c, wk_chunk chunk) {
  static void (*const norm[])(float *, const float *, const float *, const float *, size_t, int, float) =
      WK_ISA_TABLE(wk_layer_norm);
  const wk_layer *l = c->layer;
  const float *scale = c->packed;
  const size_t channels = (size_t)l->in.channels;
  const long pixels = (long)l->in.height * l->in.width * c->count, begin = wk_chunk_begin(pixels, 1, chunk);
  norm[c->isa](c->out + channels * (size_t)begin, c->in[0] + channels * (size_t)begin, scale, scale + channels,
               (size_t)(wk_chunk_end(pixels, 1, chunk) - begin), l->in.channels, l->eps);
}

static bool fits_scale(const wk_layer *l, wk_isa isa) {
  (void)isa;
  return l->op == WK_OP_SCALE;
}

static void run_scale(const wk_call *c, wk_chunk chunk) {
  const wk_layer *l = c->layer;
  size_t channels = (size_t)l->in.channels, row = (size_t)l->in.width * channels;
  long rows = (long)l->in.height * c->count;
  const long end = wk_chunk_end(rows, 1, chunk);
  for (long i = wk_chunk_begin(rows, 1, chunk); i < end; i++)
    affine[c->isa](c->out + row * (size_t)i, c->in[0] + row * (size_t)i,
                   c->in[1] + channels * (size_t)(i / l->in.height), NULL, (size_t)l->in.width, l->in.channels,
                   WK_ACT_NONE);
}

/* ---- moving ------------------------------------------------------------------------------------- */

static bool fits_concat(const wk_layer *l, wk_isa isa) {
  (void)isa;
  return l->op == WK_OP_CONCAT;
}

static void run_concat(const wk_call *c, wk_chunk chunk) {
  const size_t to = (size_t)c->layer->out.channels;
  const long pixels = (long)c->layer->out.height * c->layer->out.width * c->count, end = wk_chunk_end(pixels, 1, chunk);
  for (long p = wk_chunk_begin(pixels, 1, chunk); p < end; p++) {
    float *out = c->out + to * (size_t)p;
    for (int k = 0; k < c->inputs; k++) {
      const size_t from = (size_t)c->in_shape[k].channels;
      memcpy(out, c->in[k] + from * (size_t)p, from * sizeof *out);
      out += from;
    }
  }
}

static bool fits_flatten(const wk_layer *l, wk_isa isa) {
  (void)isa;
  return l->op == WK_OP_FLATTEN;
}

static void run_flatten(const wk_call *c, wk_chunk chunk) {
  size_t channels = (size_t)c->layer->in.channels, pixels = values(c->layer->in) / channels;
  const int end = (int)wk_chunk_end(c->count, 1, chunk);
  for (int i = (int)wk_chunk_begin(c->count, 1, chunk); i < end; i++) {
    const float *in = c->in[0] + pixels * channels * (size_t)i;
    float *out = c->out + pixels * channels * (size_t)i;
    for (size_t k = 0; k < channels; k++)
      for (size_t p = 0; p < pixels; p++)
        out[k * pixels + p] = in[p * channels + k];
  }
}

/* The network's input wanted as an output: kept, because the caller's memory may be gone by then. */
static bool fits_copy(const wk_layer *l, wk_isa isa) {
  (void)isa;
  return l->op == WK_OP_INPUT;
}

static void run_copy(const wk_call *c) {
  memcpy(c->out, c->in[0], values(c->layer->out) * (size_t)c->count * sizeof *c->out);
}

/* The network's input where more than one convolution wants it, or none that reads bytes. */
static void run_pixels(const wk_call *c, wk_chunk chunk) {
  const wk_layer *l = c->layer;
  const wk_microkernels *kn = wk_microkernels_for(c->isa);
  const int rows = l->in.height * c->count, end = (int)wk_chunk_end(rows, 1, chunk);
  const ptrdiff_t row = (ptrdiff_t)l->in.width * l->in.channels;
  for (int i = (int)wk_chunk_begin(rows, 1, chunk); i < end; i++)
    kn->pixels(c->out + row * i, c->bytes + row * i, l->in.width, l->pixels);
}

/* ---- pooling, softmax --------------------------------------------------------------------------- */

typedef void (*pool_row)(float *, const float *, const wk_pool *, int);

static void run_pool(const wk_call *c, wk_chunk chunk, pool_row pool) {
  const wk_layer *l = c->layer;
  const wk_pool p = {l->in, l->out, l->window};
  size_t in = values(l->in), row = (size_t)l->out.width * (size_t)l->out.channels;
  long rows = (long)l->out.height * c->count;
  const long end = wk_chunk_end(rows, 1, chunk);
  for (long i = wk_chunk_begin(rows, 1, chunk); i < end; i++)
    pool(c->out + row * (size_t)i, c->in[0] + in * (size_t)(i / l->out.height), &p, (int)(i % l->out.height));
}

static bool fits_max_pool(const wk_layer *l, wk_isa isa) {
  (void)isa;
  return l->op == WK_OP_MAX_POOL;
}

static void run_max_pool(const wk_call *c, wk_chunk chunk) {
  static const pool_row rows[] = WK_ISA_TABLE(wk_max_pool);
  run_pool(c, chunk, rows[c->isa]);
}

static bool fits_avg_pool(const wk_layer *l, wk_isa isa) {
  (void)isa;
  return l->op == WK_OP_AVG_POOL;
}

static void run_avg_pool(const wk_call *c, wk_chunk chunk) {
  static const pool_row rows[] = WK_ISA_TABLE(wk_avg_pool);
  run_pool(c, chunk, rows[c->isa]);
}

static bool fits_adaptive_pool(const wk_layer *l, wk_isa isa) {
  (void)isa;
  return l->op == WK_OP_ADAPTIVE_AVG_POOL;
}

static void run_adaptive_pool(const wk_call *c, wk_chunk chunk) {
  static const pool_row rows[] = WK_ISA_TABLE(wk_adaptive_avg_pool);
  run_pool(c, chunk, rows[c->isa]);
}

static bool fits_softmax(const wk_layer *l, wk_isa isa) {
  (void)isa;
  return l->op == WK_OP_SOFTMAX;
}

static void run_softmax(const wk_call *c, wk_chunk chunk) {
  static void (*const rows[])(float *, const float *, int) = WK_ISA_TABLE(wk_softmax);
  size_t channels = (size_t)c->layer->in.channels;
  long pixels = (long)c->layer->in.height * c->layer->in.width * c->count;
  const long end = wk_chunk_end(pixels, 1, chunk);
  for (long p = wk_chunk_begin(pixels, 1, chunk); p < end; p++)
    rows[c->isa](c->out + channels * (size_t)p, c->in[0] + channels * (size_t)p, (int)channels);
}

const wk_kernel wk_kernel_act = {.name = "act", .inplace = true, .fits = fits_act, .share = run_act};
const wk_kernel wk_kernel_add = {.name = "add", .inplace = true, .fits = fits_add, .share = run_add};
const wk_kernel wk_kernel_affine = {.name = "affine",
                                    .inplace = true,
                                    .fits = fits_affine,
                                    .prepare = prepare_affine,
                                    .release = wk_free,
                                    .repack = repack_affine,
                                    .share = run_affine};
const wk_kernel wk_kernel_layer_norm = {.name = "layer norm",
                                        .inplace = true,
                                        .fits = fits_layer_norm,
                                        .prepare = prepare_affine,
                                        .release = wk_free,
                                        .repack = repack_affine,
                                        .share = run_layer_norm};
const wk_kernel wk_kernel_scale = {.name = "scale", .inplace = true, .fits = fits_scale, .share = run_scale};
const wk_kernel wk_kernel_concat = {.name = "concat", .fits = fits_concat, .share = run_concat};
const wk_kernel wk_kernel_flatten = {.name = "flatten", .fits = fits_flatten, .share = run_flatten};
const wk_kernel wk_kernel_copy = {.name = "copy", .fits = fits_copy, .run = run_copy};
const wk_kernel wk_kernel_normalise = {.name = "normalise", .fits = fits_copy, .share = run_pixels};
const wk_kernel wk_kernel_max_pool = {.name = "max_pool", .fits = fits_max_pool, .share = run_max_pool};
const wk_kernel wk_kernel_avg_pool = {.name = "avg_pool", .fits = fits_avg_pool, .share = run_avg_pool};
const wk_kernel wk_kernel_adaptive_avg_pool = {
    .name = "adaptive_avg_pool", .fits = fits_adaptive_pool, .share = run_adaptive_pool};
const wk_kernel wk_kernel_softmax = {.name = "softmax", .inplace = true, .fits = fits_softmax, .share = run_softmax};

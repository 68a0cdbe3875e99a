/* linear_ops.c - linear layers that train: one copy of the weight in PyTorch's layout serves both directions, so that
 * nothing has to be packed anew at each step, and a classifier of 400 MB is held once. */
#include <string.h>

#include "base/chunk.h"
#include "nn/kernels/f32/elementwise.h"
#include "nn/kernels/f32/linear.h"
#include "nn/ops/op.h"

enum { CUT = 32 }; /* threads share rows and columns by whole vectors: how many there are changes nothing */

typedef struct plain {
  const float *weight, *bias;
  float *own_weight, *own_bias; /* what was copied, because nobody else keeps it */
} plain;

static int inputs(const wk_layer *l) { return l->in.height * l->in.width * l->in.channels; }

static bool fits(const wk_layer *l, wk_isa isa) {
  (void)isa;
  return l->train && wk_layer_is_linear(l);
}

static void release(void *packed) {
  plain *m = packed;
  wk_free(m->own_weight);
  wk_free(m->own_bias);
  wk_free(m);
}

static wk_status repack(void *packed, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  (void)err;
  plain *m = packed;
  size_t in = (size_t)inputs(l), out = (size_t)l->out.channels;
  if (m->own_weight)
    memcpy(m->own_weight, p->weight, in * out * sizeof(float));
  if (m->own_bias)
    memcpy(m->own_bias, p->bias, out * sizeof(float));
  return WK_OK;
}

static wk_status prepare(wk_packed *packed, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  size_t in = (size_t)inputs(l), out = (size_t)l->out.channels;
  plain *m = wk_calloc(1, sizeof *m);
  if (!m)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for layer '%s'", l->name);
  if (p->keep) {
    m->weight = p->weight;
    m->bias = p->bias;
    *packed = (wk_packed){.data = m};
    return WK_OK;
  }
  m->weight = m->own_weight = wk_alloc_array(in * out, sizeof(float));
  m->bias = m->own_bias = p->bias ? wk_alloc_array(out, sizeof(float)) : NULL;
  if (!m->own_weight || (p->bias && !m->own_bias)) {
    release(m);
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for the weights of layer '%s'", l->name);
  }
  *packed = (wk_packed){.data = m, .weight_bytes = (in + 1) * out * sizeof(float)};
  return repack(m, l, p, err);
}

static int chunks(const wk_call *c) {
  const int out = c->layer->out.channels;
  return wk_call_chunks(out / (2 * CUT), (int64_t)inputs(c->layer) * out, c->threads);
}

static void run(const wk_call *c, wk_chunk chunk) {
  static void (*const forward[])(float *, const float *, const float *, const float *, int, int, int, int, int) =
      WK_ISA_TABLE(wk_linear_forward);
  static void (*const act[])(float *, const float *, size_t, wk_act) = WK_ISA_TABLE(wk_act_apply);
  const wk_layer *l = c->layer;
  const plain *m = c->packed;
  const int out = l->out.channels, from = (int)wk_chunk_begin(out, CUT, chunk), to = (int)wk_chunk_end(out, CUT, chunk);
  forward[c->isa](c->out, c->in[0], m->weight, m->bias, inputs(l), out, from, to, c->count);
  for (int i = 0; l->act && from < to && i < c->count; i++) {
    float *row = c->out + (ptrdiff_t)i * out + from;
    act[c->isa](row, row, (size_t)(to - from), l->act);
  }
}

const wk_kernel wk_kernel_linear_train = {.name = "linear",
                                          .fits = fits,
                                          .prepare = prepare,
                                          .release = release,
                                          .repack = repack,
                                          .share = run,
                                          .chunks = chunks};

/* ---- gradient of the input ------------------------------------------------------------------------ */

/* The forward kernel's copy of the weight serves. */
static wk_status borrow(wk_packed *packed, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  (void)l, (void)err;
  *packed = (wk_packed){.data = (void *)p->forward};
  return WK_OK;
}

static wk_status keep(void *packed, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  (void)packed, (void)l, (void)p, (void)err;
  return WK_OK;
}

static int chunks_data(const wk_call *c) {
  const int in = inputs(c->layer);
  return wk_call_chunks(in / (2 * CUT), (int64_t)in * c->layer->out.channels, c->threads);
}

static void run_data(const wk_call *c, wk_chunk chunk) {
  static void (*const data[])(float *, const float *, const float *, int, int, int, int, int, bool) =
      WK_ISA_TABLE(wk_linear_data);
  const plain *m = c->packed;
  const int in = inputs(c->layer), from = (int)wk_chunk_begin(in, CUT, chunk), to = (int)wk_chunk_end(in, CUT, chunk);
  data[c->isa](c->dx, c->dy, m->weight, in, c->layer->out.channels, from, to, c->count, c->accumulate);
}

const wk_kernel wk_kernel_linear_data = {.name = "linear",
                                         .direction = WK_BACKWARD_DATA,
                                         .fits = fits,
                                         .prepare = borrow,
                                         .repack = keep,
                                         .share = run_data,
                                         .chunks = chunks_data};

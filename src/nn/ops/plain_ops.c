/* plain_ops.c - layers that few networks have, in plain C: products of two, zeros around, some of the channels,
 * shuffled channels, local response normalisation, and rarer activations. Their gradients are in run/backward_plain.c.
 */
#include <math.h>
#include <string.h>

#include "base/chunk.h"
#include "nn/ops/op.h"
#include "nn/ops/plain_ops.h"

static size_t values(wk_shape s) { return (size_t)s.height * (size_t)s.width * (size_t)s.channels; }

/* Elementwise work is cut into pieces of this many values. */
enum { PIECE = 1 << 14 };

static bool is(const wk_layer *l, wk_op op) { return l->op == op && !l->residual; }

/* ---- elementwise -------------------------------------------------------------------------------- */

static bool fits_multiply(const wk_layer *l, wk_isa isa) {
  (void)isa;
  return is(l, WK_OP_MULTIPLY);
}

static void run_multiply(const wk_call *c, wk_chunk chunk) {
  const size_t n = values(c->layer->out) * (size_t)c->count;
  const long pieces = (long)((n + PIECE - 1) / PIECE), end = wk_chunk_end(pieces, 1, chunk);
  for (long p = wk_chunk_begin(pieces, 1, chunk); p < end; p++) {
    const size_t from = (size_t)p * PIECE, to = n - from < PIECE ? n : from + PIECE;
    for (size_t i = from; i < to; i++)
      c->out[i] = c->in[0][i] * c->in[1][i];
  }
}

static bool fits_curve(const wk_layer *l, wk_isa isa) {
  (void)isa;
  return l->op >= WK_OP_ROUND && l->op <= WK_OP_TANH && !l->residual;
}

static float curve(float x, wk_op op, float alpha) {
  switch (op) {
  case WK_OP_LEAKY_RELU:
    return x > 0 ? x : alpha * x;
  case WK_OP_ELU:
    return x > 0 ? x : alpha * expm1f(x);
  default:
    return tanhf(x);
  }
}

/* Halves away from 0, as quantised arithmetic rounds. */
static void round_to(float *out, const float *in, size_t n, const wk_extra *e) {
  const float per = 1.0f / e->alpha, least = (float)e->first, most = (float)e->count;
  for (size_t i = 0; i < n; i++) {
    const float steps = in[i] * per, whole = truncf(steps + copysignf(0.5f, steps));
    out[i] = e->alpha * (whole < least ? least : whole > most ? most : whole);
  }
}

static void run_curve(const wk_call *c, wk_chunk chunk) {
  const size_t n = values(c->layer->out) * (size_t)c->count;
  const long pieces = (long)((n + PIECE - 1) / PIECE), end = wk_chunk_end(pieces, 1, chunk);
  for (long p = wk_chunk_begin(pieces, 1, chunk); p < end; p++) {
    const size_t from = (size_t)p * PIECE, to = n - from < PIECE ? n : from + PIECE;
    if (c->layer->op == WK_OP_ROUND)
      round_to(c->out + from, c->in[0] + from, to - from, &c->layer->extra);
    else
      for (size_t i = from; i < to; i++)
        c->out[i] = curve(c->in[0][i], c->layer->op, c->layer->extra.alpha);
  }
}

/* ---- moving ------------------------------------------------------------------------------------- */

static bool fits_pad(const wk_layer *l, wk_isa isa) {
  (void)isa;
  return is(l, WK_OP_PAD);
}

static void run_pad(const wk_call *c, wk_chunk chunk) {
  const wk_layer *l = c->layer;
  const wk_shape in = l->in, out = l->out;
  const size_t row = (size_t)out.width * (size_t)out.channels, first = (size_t)l->extra.first;
  const long rows = (long)out.height * c->count, end = wk_chunk_end(rows, 1, chunk);
  for (long r = wk_chunk_begin(rows, 1, chunk); r < end; r++) {
    const long photo = r / out.height, y = r % out.height - l->window.pad_top;
    float *to = c->out + row * (size_t)r;
    memset(to, 0, row * sizeof *to);
    if (y < 0 || y >= in.height)
      continue;
    const float *from =
        c->in[0] + ((size_t)photo * (size_t)in.height + (size_t)y) * (size_t)in.width * (size_t)in.channels;
    for (int x = 0; x < in.width; x++)
      memcpy(to + (size_t)(x + l->window.pad_left) * (size_t)out.channels + first,
             from + (size_t)x * (size_t)in.channels, (size_t)in.channels * sizeof *to);
  }
}

static bool fits_slice(const wk_layer *l, wk_isa isa) {
  (void)isa;
  return is(l, WK_OP_SLICE);
}

static void run_slice(const wk_call *c, wk_chunk chunk) {
  const wk_layer *l = c->layer;
  const size_t from = (size_t)l->in.channels, to = (size_t)l->out.channels;
  const long pixels = (long)l->in.height * l->in.width * c->count, end = wk_chunk_end(pixels, 1, chunk);
  for (long p = wk_chunk_begin(pixels, 1, chunk); p < end; p++)
    memcpy(c->out + to * (size_t)p, c->in[0] + from * (size_t)p + l->extra.first, to * sizeof *c->out);
}

static bool fits_shuffle(const wk_layer *l, wk_isa isa) {
  (void)isa;
  return is(l, WK_OP_SHUFFLE);
}

static void run_shuffle(const wk_call *c, wk_chunk chunk) {
  const wk_layer *l = c->layer;
  const int groups = l->groups, each = l->in.channels / groups;
  const long pixels = (long)l->in.height * l->in.width * c->count, end = wk_chunk_end(pixels, 1, chunk);
  for (long p = wk_chunk_begin(pixels, 1, chunk); p < end; p++) {
    const float *in = c->in[0] + (size_t)l->in.channels * (size_t)p;
    float *out = c->out + (size_t)l->in.channels * (size_t)p;
    for (int g = 0; g < groups; g++)
      for (int i = 0; i < each; i++)
        out[i * groups + g] = in[g * each + i];
  }
}

/* ---- local response normalisation --------------------------------------------------------------- */

/* Krizhevsky, Sutskever, Hinton: "ImageNet classification with deep convolutional neural networks", NIPS 2012, 3.3. */
double wk_lrn_sum(const float *x, int channels, const wk_extra *e, int c) {
  const int before = (e->count - 1) / 2, behind = e->count / 2;
  const int first = c - before < 0 ? 0 : c - before, last = c + behind >= channels ? channels - 1 : c + behind;
  double squares = 0;
  for (int k = first; k <= last; k++)
    squares += (double)x[k] * (double)x[k];
  return (double)e->bias + (double)e->alpha / e->count * squares;
}

static bool fits_lrn(const wk_layer *l, wk_isa isa) {
  (void)isa;
  return is(l, WK_OP_LRN);
}

static void run_lrn(const wk_call *c, wk_chunk chunk) {
  const wk_layer *l = c->layer;
  const int channels = l->in.channels;
  const long pixels = (long)l->in.height * l->in.width * c->count, end = wk_chunk_end(pixels, 1, chunk);
  for (long p = wk_chunk_begin(pixels, 1, chunk); p < end; p++) {
    const float *x = c->in[0] + (size_t)channels * (size_t)p;
    float *out = c->out + (size_t)channels * (size_t)p;
    for (int k = 0; k < channels; k++)
      out[k] = (float)((double)x[k] * pow(wk_lrn_sum(x, channels, &l->extra, k), -(double)l->extra.beta));
  }
}

const wk_kernel wk_kernel_multiply = {
    .name = "multiply", .inplace = true, .fits = fits_multiply, .share = run_multiply};
const wk_kernel wk_kernel_curve = {.name = "curve", .inplace = true, .fits = fits_curve, .share = run_curve};
const wk_kernel wk_kernel_pad = {.name = "pad", .fits = fits_pad, .share = run_pad};
const wk_kernel wk_kernel_slice = {.name = "slice", .fits = fits_slice, .share = run_slice};
const wk_kernel wk_kernel_shuffle = {.name = "shuffle", .fits = fits_shuffle, .share = run_shuffle};
const wk_kernel wk_kernel_lrn = {.name = "lrn", .fits = fits_lrn, .share = run_lrn};

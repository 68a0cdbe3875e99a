/* mbconv_int8.c - the inverted residual on small integers: expanded, convolved and projected as bytes, a quarter of
 * what floats take in L2, between an input and an output of floats.
 *
 * As in kernels/mbconv.c, a band of output rows at a time. Rows of the ring have their padding in them, zeros, which
 * never change. */
#include <string.h>

#include "base/chunk.h"
#include "nn/ops/int8/conv_int8.h"

enum { BUDGET = 256 << 10, MAX_ROWS = 64 }; /* bytes of ring and band; rows of a ring */

typedef struct block {
  const wk_packed_int8 *expand, *project;
  const wk_packed_depthwise_int8 *depthwise;
  wk_quantize_int8 input; /* without an expansion */
  int in_h, in_w, in_c, wide, out_h, out_w, out_c, kernel, stride, pad_top, pad_left;
  int line; /* pixels of a row of the ring */
  int band, ring;
  size_t row_bytes, ring_bytes, band_bytes, scratch; /* row_bytes: of a row of input as bytes */
  wk_act act;
} block;

static void lay_out(block *b) {
  const int reach = (b->out_w - 1) * b->stride + b->kernel, held = b->pad_left + b->in_w;
  b->line = reach > held ? reach : held;
  const size_t line = (size_t)b->line * (size_t)b->wide, out = (size_t)b->out_w * (size_t)b->wide;
  b->band = 1;
  while (b->band < b->out_h && b->band * b->stride + b->kernel <= MAX_ROWS &&
         line * (size_t)(b->band * b->stride + b->kernel) + out * (size_t)(b->band + 1) <= BUDGET)
    b->band++;
  b->ring = (b->band - 1) * b->stride + b->kernel;
  b->ring_bytes = line * (size_t)(b->ring + 1); /* and a row of zeros */
  b->band_bytes = (out * (size_t)b->band + 63) / 64 * 64;
  b->row_bytes = b->expand ? ((size_t)b->in_w * (size_t)b->expand->depth + 63) / 64 * 64 : 0;
  b->scratch = (b->row_bytes + b->ring_bytes + b->band_bytes + 63) / 64 * 64;
}

static wk_status prepare(wk_packed *out, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  const wk_sub_op *expand = p->sub_ops == 3 ? &p->sub_op[0] : NULL, *depthwise = &p->sub_op[p->sub_ops - 2],
                  *project = &p->sub_op[p->sub_ops - 1];
  const wk_layer *d = depthwise->layer;
  block *b = wk_calloc(1, sizeof *b);
  if (!b)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for layer '%s'", l->name);
  *b = (block){.expand = expand ? expand->packed : NULL,
               .project = project->packed,
               .depthwise = depthwise->packed,
               .in_h = d->in.height,
               .in_w = d->in.width,
               .in_c = l->in.channels,
               .wide = wk_up(d->in.channels, WK_INT8_CHANNELS),
               .out_h = d->out.height,
               .out_w = d->out.width,
               .out_c = l->out.channels,
               .kernel = d->window.kernel_h,
               .stride = d->window.stride_h,
               .pad_top = d->window.pad_top,
               .pad_left = d->window.pad_left,
               .act = project->layer->act};
  lay_out(b);
  *out = (wk_packed){.data = b, .weight_bytes = sizeof *b};
  if (wk_mul_overflow(&out->scratch_bytes, b->scratch, (size_t)p->threads)) {
    wk_free(b);
    *out = (wk_packed){0};
    return WK_FAIL(err, WK_ERR_MEMORY, "layer '%s' does not fit in memory for %d threads", l->name, p->threads);
  }
  return WK_OK;
}

/* Input row y of an image into its place in the ring. */
static void expand_row(const wk_microkernels_int8 *kn, const block *b, const float *image, int y, uint8_t *ring,
                       uint8_t *bytes) {
  uint8_t *to = ring + ((ptrdiff_t)(y % b->ring) * b->line + b->pad_left) * b->wide;
  const float *from = image + (ptrdiff_t)y * b->in_w * b->in_c;
  if (!b->expand) {
    kn->quantise(&b->depthwise->input, to, b->wide, from, b->in_w);
    return;
  }
  const wk_packed_int8 *e = b->expand;
  kn->quantise(&e->input, bytes, e->depth, from, b->in_w);
  for (int x = 0; b->in_c < e->depth && x < b->in_w; x++)
    memset(bytes + (ptrdiff_t)x * e->depth + b->in_c, 0, (size_t)(e->depth - b->in_c));
  const wk_gemm_int8 g = {.n = b->wide,
                          .k = e->depth,
                          .a = bytes,
                          .lda = e->depth,
                          .b = e->weights,
                          .scale = e->scale,
                          .bias = e->bias,
                          .q = to,
                          .ldq = b->wide};
  kn->gemm(&g, 0, b->in_w, 0, b->wide);
}

static void rows_run(const wk_call *call, const block *b, int row0, int row1, uint8_t *scratch) {
  const wk_microkernels_int8 *kn = wk_microkernels_int8_for(call->isa);
  uint8_t *bytes = scratch, *ring = bytes + b->row_bytes, *band = ring + b->ring_bytes;
  const uint8_t *zeros = ring + (ptrdiff_t)b->ring * b->line * b->wide;
  memset(ring, 0, b->ring_bytes);
  const wk_depthwise_int8 d = {.out_w = b->out_w,
                               .channels = b->wide,
                               .kernel = b->kernel,
                               .stride = b->stride,
                               .weights = b->depthwise->weights,
                               .bias = b->depthwise->bias,
                               .multiplier = b->depthwise->multiplier};
  int ready = 0; /* rows of this image before it are in the ring, or not needed any more */
  for (int row = row0; row < row1;) {
    const int image = row / b->out_h, y0 = row % b->out_h;
    int rows = b->out_h - y0 < b->band ? b->out_h - y0 : b->band;
    rows = row1 - row < rows ? row1 - row : rows;
    const int first = y0 * b->stride - b->pad_top, end = first + (rows - 1) * b->stride + b->kernel;
    const int stop = end < b->in_h ? end : b->in_h;
    if (row == row0 || y0 == 0)
      ready = 0;
    const float *in = call->in[0] + (ptrdiff_t)image * b->in_h * b->in_w * b->in_c;
    for (ready = ready < first ? first : ready; ready < stop; ready++)
      expand_row(kn, b, in, ready, ring, bytes);
    for (int i = 0; i < rows; i++) {
      const uint8_t *from[5];
      for (int k = 0; k < b->kernel; k++) {
        const int y = first + i * b->stride + k;
        from[k] = y < 0 || y >= b->in_h ? zeros : ring + (ptrdiff_t)(y % b->ring) * b->line * b->wide;
      }
      kn->depthwise(&d, band + (ptrdiff_t)i * b->out_w * b->wide, from);
    }
    const ptrdiff_t at = (ptrdiff_t)row * b->out_w * b->out_c;
    const wk_gemm_int8 g = {.n = b->out_c,
                            .k = b->project->depth,
                            .a = band,
                            .lda = b->wide,
                            .b = b->project->weights,
                            .scale = b->project->scale,
                            .bias = b->project->bias,
                            .add = call->residual ? call->residual + at : NULL,
                            .ldadd = b->out_c,
                            .c = call->out + at,
                            .ldc = b->out_c,
                            .act = b->act};
    kn->gemm(&g, 0, rows * b->out_w, 0, b->out_c);
    row += rows;
  }
}

static void run(const wk_call *call, wk_chunk chunk) {
  const block *b = call->packed;
  const int rows = call->count * b->out_h;
  rows_run(call, b, (int)wk_chunk_begin(rows, 1, chunk), (int)wk_chunk_end(rows, 1, chunk),
           (uint8_t *)call->scratch + b->scratch * (size_t)chunk.worker);
}

const wk_kernel wk_kernel_mbconv_int8 = {
    .name = "int8 inverted residual", .prepare = prepare, .release = wk_free, .share = run};

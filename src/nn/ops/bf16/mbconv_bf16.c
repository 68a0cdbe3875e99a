/* mbconv_bf16.c - the inverted residual with both products on bfloat16: what is expanded stays float32 for the
 * depthwise convolution, whose output is rounded for the projection.
 *
 * As in kernels/mbconv.c, a band of output rows at a time, from a ring of expanded rows. */
#include "base/chunk.h"
#include "nn/kernels/f32/depthwise.h"
#include "nn/ops/bf16/conv_bf16.h"
#include "nn/ops/conv_ops.h"

enum { BUDGET = 512 << 10, MAX_ROWS = 64 }; /* bytes of ring and bands: half of an L2 of 1 MB; rows of a ring */

typedef struct block {
  const wk_packed_bf16 *expand, *project; /* expand: NULL without one */
  wk_depthwise d;
  int in_h, out_h, in_c, out_c, pad_top;
  int band, ring;                                          /* output rows at a time; expanded rows kept */
  size_t ring_bytes, rows_bytes, band_bytes, band16_bytes; /* rows: of input, rounded */
  size_t scratch;
  wk_act expand_act, project_act;
} block;

static size_t lines(size_t bytes) { return (bytes + 63) / 64 * 64; }

static void lay_out(block *b) {
  const int kernel = b->d.kernel_h, stride = b->d.stride;
  const size_t wide = (size_t)b->d.channels, in_w = (size_t)b->d.in_w, out_w = (size_t)b->d.out_w,
               in_row = b->expand ? in_w * (wide * sizeof(float) + (size_t)b->expand->depth * sizeof(uint16_t)) : 0,
               out_row = out_w * (wide * sizeof(float) + (size_t)b->project->depth * sizeof(uint16_t));
  b->band = 1;
  while (b->band < b->out_h && b->band * stride + kernel <= MAX_ROWS &&
         in_row * (size_t)(b->band * stride + kernel) + out_row * (size_t)(b->band + 1) <= BUDGET)
    b->band++;
  b->ring = (b->band - 1) * stride + kernel;
  if (b->expand) {
    b->ring_bytes = lines((size_t)b->ring * in_w * wide * sizeof(float));
    b->rows_bytes = lines((size_t)b->ring * in_w * (size_t)b->expand->depth * sizeof(uint16_t));
  }
  b->band_bytes = lines((size_t)b->band * out_w * wide * sizeof(float));
  b->band16_bytes = lines((size_t)b->band * out_w * (size_t)b->project->depth * sizeof(uint16_t));
  b->scratch = b->ring_bytes + b->rows_bytes + b->band_bytes + b->band16_bytes;
}

static wk_status prepare(wk_packed *out, const wk_layer *l, const wk_prepare *p, wk_error *err) {
  const wk_sub_op *expand = p->sub_ops == 3 ? &p->sub_op[0] : NULL, *depthwise = &p->sub_op[p->sub_ops - 2],
                  *project = &p->sub_op[p->sub_ops - 1];
  const wk_layer *d = depthwise->layer;
  const wk_packed_conv *own = depthwise->packed;
  block *b = wk_calloc(1, sizeof *b);
  if (!b)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for layer '%s'", l->name);
  *b = (block){.expand = expand ? expand->packed : NULL,
               .project = project->packed,
               .d = {.in_w = d->in.width,
                     .out_w = d->out.width,
                     .channels = d->in.channels,
                     .kernel_h = d->window.kernel_h,
                     .kernel_w = d->window.kernel_w,
                     .stride = d->window.stride_h,
                     .pad_left = d->window.pad_left,
                     .weights = own->weights,
                     .bias = own->bias,
                     .act = d->act},
               .in_h = d->in.height,
               .out_h = d->out.height,
               .in_c = l->in.channels,
               .out_c = l->out.channels,
               .pad_top = d->window.pad_top,
               .expand_act = expand ? expand->layer->act : WK_ACT_NONE,
               .project_act = project->layer->act};
  lay_out(b);
  *out = (wk_packed){.data = b, .weight_bytes = sizeof *b};
  if (wk_mul_overflow(&out->scratch_bytes, b->scratch, (size_t)p->threads)) {
    wk_free(b);
    *out = (wk_packed){0};
    return WK_FAIL(err, WK_ERR_MEMORY, "layer '%s' does not fit in memory for %d threads", l->name, p->threads);
  }
  return WK_OK;
}

/* Input rows y0..y1-1 of an image into their places in the ring; no more of them than it has. */
static void expand_rows(const wk_microkernels_bf16 *kn, const block *b, const float *image, int y0, int y1, float *ring,
                        uint16_t *rounded) {
  const wk_packed_bf16 *e = b->expand;
  const int in_w = b->d.in_w, wide = b->d.channels;
  for (int y = y0; y < y1;) {
    const int slot = y % b->ring, rows = y1 - y < b->ring - slot ? y1 - y : b->ring - slot, pixels = rows * in_w;
    wk_round_rows_bf16(kn, rounded, e->depth, image + (ptrdiff_t)y * in_w * b->in_c, b->in_c, pixels);
    const wk_gemm_bf16 g = {.n = wide,
                            .k = e->depth,
                            .a = rounded,
                            .lda = e->depth,
                            .b = e->weights,
                            .bias = e->bias,
                            .c = ring + (ptrdiff_t)slot * in_w * wide,
                            .ldc = wide,
                            .act = b->expand_act};
    kn->gemm(&g, 0, pixels, 0, wide);
    y += rows;
  }
}

static void rows_run(const wk_call *call, const block *b, int row0, int row1, char *scratch) {
  static void (*const depthwise[])(const wk_depthwise *, float *, const float *const *, int, int, int) =
      WK_ISA_TABLE(wk_depthwise_rows);
  const wk_microkernels_bf16 *kn = wk_microkernels_bf16_for(call->isa);
  float *ring = (float *)(void *)scratch, *band = (float *)(void *)(scratch + b->ring_bytes);
  uint16_t *band16 = (uint16_t *)(void *)(scratch + b->ring_bytes + b->band_bytes),
           *rounded = (uint16_t *)(void *)(scratch + b->ring_bytes + b->band_bytes + b->band16_bytes);
  const int wide = b->d.channels, in_w = b->d.in_w, stride = b->d.stride;
  int ready = 0; /* rows of this image before it are in the ring, or not needed any more */
  for (int row = row0; row < row1;) {
    const int image = row / b->out_h, y0 = row % b->out_h;
    int rows = b->out_h - y0 < b->band ? b->out_h - y0 : b->band;
    rows = row1 - row < rows ? row1 - row : rows;
    const int first = y0 * stride - b->pad_top, end = first + (rows - 1) * stride + b->d.kernel_h;
    const int stop = end < b->in_h ? end : b->in_h;
    if (row == row0 || y0 == 0)
      ready = 0;
    if (ready < first)
      ready = first;
    const float *in = call->in[0] + (ptrdiff_t)image * b->in_h * in_w * b->in_c;
    if (b->expand && ready < stop)
      expand_rows(kn, b, in, ready, stop, ring, rounded);
    ready = ready < stop ? stop : ready;
    const float *from[MAX_ROWS];
    for (int i = 0; i < end - first; i++) {
      const int y = first + i;
      from[i] = y < 0 || y >= b->in_h ? NULL
                : b->expand           ? ring + (ptrdiff_t)(y % b->ring) * in_w * wide
                                      : in + (ptrdiff_t)y * in_w * wide;
    }
    depthwise[call->isa](&b->d, band, from, rows, 0, wide);
    wk_round_rows_bf16(kn, band16, b->project->depth, band, wide, rows * b->d.out_w);
    const ptrdiff_t at = (ptrdiff_t)row * b->d.out_w * b->out_c;
    const wk_gemm_bf16 g = {.n = b->out_c,
                            .k = b->project->depth,
                            .a = band16,
                            .lda = b->project->depth,
                            .b = b->project->weights,
                            .bias = b->project->bias,
                            .add = call->residual ? call->residual + at : NULL,
                            .ldadd = b->out_c,
                            .c = call->out + at,
                            .ldc = b->out_c,
                            .act = b->project_act};
    kn->gemm(&g, 0, rows * b->d.out_w, 0, b->out_c);
    row += rows;
  }
}

static void run(const wk_call *call, wk_chunk chunk) {
  const block *b = call->packed;
  const int rows = call->count * b->out_h;
  rows_run(call, b, (int)wk_chunk_begin(rows, 1, chunk), (int)wk_chunk_end(rows, 1, chunk),
           (char *)call->scratch + b->scratch * (size_t)chunk.worker);
}

const wk_kernel wk_kernel_mbconv_bf16 = {
    .name = "bf16 inverted residual", .prepare = prepare, .release = wk_free, .share = run};

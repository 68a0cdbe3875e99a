/* mbconv.c - the inverted residual of MobileNetV2 and EfficientNet (Sandler et al., "MobileNetV2: inverted residuals
 * and linear bottlenecks", CVPR 2018) as one kernel: the expanded channels never leave L2.
 *
 * A band of output rows at a time: the input rows that it needs for the first time are expanded into a ring of rows,
 * the depthwise convolution reads them from there into a band buffer, and the projection goes to the output.
 */
#include "nn/kernels/f32/mbconv.h"

#include "nn/kernels/f32/depthwise.h"
#include "nn/kernels/f32/gemm.h"
#include "nn/kernels/vec.h"

/* Floats of ring and band: half of an L2 of 1 MB, or of 512 kB, beside weights and rows passing through. */
#define BUDGET (WK_VL == 16 ? 128 << 10 : 64 << 10)
#define MAX_ROWS 64 /* of a ring */

typedef struct layout {
  int band; /* output rows at a time */
  int ring; /* expanded rows kept */
  size_t ring_floats, band_floats;
} layout;

static layout layout_of(const wk_mbconv *f) {
  const size_t in_row = f->expand ? (size_t)f->in_w * (size_t)f->mid_c : 0,
               mid_row = (size_t)f->out_w * (size_t)f->mid_c;
  layout l = {.band = 1};
  while (l.band < f->out_h && l.band * f->stride + f->kernel <= MAX_ROWS &&
         (in_row * (size_t)(l.band * f->stride + f->kernel) + mid_row * (size_t)(l.band + 1)) <= BUDGET)
    l.band++;
  l.ring = (l.band - 1) * f->stride + f->kernel;
  l.ring_floats = in_row * (size_t)l.ring;
  l.band_floats = mid_row * (size_t)l.band;
  return l;
}

wk_mbconv_sizes WK_ISA_FN(wk_mbconv_shape)(const wk_mbconv *f) {
  const layout l = layout_of(f);
  return (wk_mbconv_sizes){.rows = f->batch * f->out_h,
                           .band = l.band,
                           .scratch = l.ring_floats + l.band_floats + WK_ISA_FN(wk_gemm_shape)().scratch};
}

void WK_ISA_FN(wk_mbconv_expand)(const wk_mbconv *f, int image, int y0, int y1, float *ring, int ring_rows,
                                 float *scratch) {
  for (int y = y0; y < y1;) {
    const int slot = y % ring_rows, rows = y1 - y < ring_rows - slot ? y1 - y : ring_rows - slot;
    const wk_gemm g = {.m = rows * f->in_w,
                       .n = f->mid_c,
                       .k = f->in_c,
                       .a = f->in + ((ptrdiff_t)image * f->in_h + y) * f->in_w * f->in_c,
                       .lda = f->in_c,
                       .b = f->expand,
                       .bias = f->expand_bias,
                       .c = ring + (ptrdiff_t)slot * f->in_w * f->mid_c,
                       .ldc = f->mid_c,
                       .act = f->expand_act};
    WK_ISA_FN(wk_gemm)(&g, 0, g.m, 0, g.n, scratch);
    y += rows;
  }
}

void WK_ISA_FN(wk_mbconv)(const wk_mbconv *f, int row0, int row1, float *scratch) {
  const layout l = layout_of(f);
  float *ring = scratch, *band = ring + l.ring_floats, *rest = band + l.band_floats;
  const wk_depthwise d = wk_mbconv_depthwise(f);
  int ready = 0; /* rows of this image before it have been expanded */
  for (int row = row0; row < row1;) {
    const int image = row / f->out_h, y0 = row % f->out_h;
    int rows = f->out_h - y0 < l.band ? f->out_h - y0 : l.band;
    rows = row1 - row < rows ? row1 - row : rows;
    const int first = y0 * f->stride - f->pad_top, end = first + (rows - 1) * f->stride + f->kernel;
    const int stop = end < f->in_h ? end : f->in_h;
    if (row == row0 || y0 == 0)
      ready = 0;
    if (ready < first)
      ready = first;
    if (f->expand && ready < stop)
      WK_ISA_FN(wk_mbconv_expand)(f, image, ready, stop, ring, l.ring, rest);
    ready = ready < stop ? stop : ready;
    const float *from[MAX_ROWS];
    for (int i = 0; i < end - first; i++) {
      const int iy = first + i;
      from[i] = iy < 0 || iy >= f->in_h ? NULL
                : f->expand             ? ring + (ptrdiff_t)(iy % l.ring) * f->in_w * f->mid_c
                                        : f->in + ((ptrdiff_t)image * f->in_h + iy) * f->in_w * f->in_c;
    }
    const int together = f->expand ? rows : 1; /* what comes from beyond the caches is read in whole rows */
    for (int o = 0; o < rows; o += together)
      WK_ISA_FN(wk_depthwise_rows)
    (&d, band + (ptrdiff_t)o * f->out_w * f->mid_c, from + o * f->stride, together, 0, f->mid_c);
    const ptrdiff_t at = (ptrdiff_t)row * f->out_w * f->out_c;
    const wk_gemm g = {.m = rows * f->out_w,
                       .n = f->out_c,
                       .k = f->mid_c,
                       .a = band,
                       .lda = f->mid_c,
                       .b = f->project,
                       .bias = f->project_bias,
                       .add = f->add ? f->add + at : NULL,
                       .ldadd = f->out_c,
                       .c = f->out + at,
                       .ldc = f->out_c,
                       .act = f->project_act};
    WK_ISA_FN(wk_gemm)(&g, 0, g.m, 0, g.n, rest);
    row += rows;
  }
}

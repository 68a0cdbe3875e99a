/* conv_im2col.c - any convolution without groups on the matrix product: the inputs under the kernel of some output
 * pixels are laid out as rows of a matrix that stays in L2, and multiplied by the weights as they are. Exact: no
 * transform.
 */
#include "nn/kernels/f32/conv_im2col.h"

#include "nn/kernels/f32/gemm.h"
#include "nn/kernels/f32/stem.h"
#include "nn/kernels/vec.h"

#define BUDGET (96 << 10) /* floats of the rows */

static int depth_of(const wk_conv *c) { return c->kernel_h * c->kernel_w * c->in_c; }

/* Rows begin on cache lines, and not all in the same sets. */
static int row_floats(int depth) {
  const int row = (depth + 15) / 16 * 16;
  return row % 256 ? row : row + 16;
}

/* Is the input such a matrix already? */
static bool pointwise(const wk_conv *c) {
  return c->kernel_h == 1 && c->kernel_w == 1 && c->stride_h == 1 && c->stride_w == 1 && !c->pad_top && !c->pad_left &&
         c->out_h == c->in_h && c->out_w == c->in_w;
}

static int block_of(const wk_conv *c) {
  const int rows = WK_ISA_FN(wk_gemm_shape)().rows, block = BUDGET / row_floats(depth_of(c)) / rows * rows;
  return block < 2 * rows ? 2 * rows : block;
}

void WK_ISA_FN(wk_conv_pack)(float *packed, const float *w, int in_c, int out_c, int taps) {
  for (int col = 0; col < out_c;) {
    const int width = wk_gemm_panel_width(WK_VL, out_c, col);
    for (int t = 0; t < taps; t++)
      for (int i = 0; i < in_c; i++)
        for (int j = 0; j < width; j++)
          *packed++ =
              col + j < out_c ? w[((size_t)(col + j) * (size_t)in_c + (size_t)i) * (size_t)taps + (size_t)t] : 0;
    col += width;
  }
}

wk_conv_sizes WK_ISA_FN(wk_conv_shape)(const wk_conv *c) {
  size_t rows = pointwise(c) ? 0 : (size_t)block_of(c) * (size_t)row_floats(depth_of(c));
  if (WK_ISA_FN(wk_stem_fits)(c) && rows < WK_ISA_FN(wk_stem_scratch)(c))
    rows = WK_ISA_FN(wk_stem_scratch)(c);
  return (wk_conv_sizes){.pixels = c->batch * c->out_h * c->out_w,
                         .scratch = WK_ISA_FN(wk_gemm_shape)().scratch + rows};
}

/* A pointwise product adds up in another order. */
bool WK_ISA_FN(wk_conv_takes_bytes)(const wk_conv *c) {
  return c->in_c == 3 && !pointwise(c) && WK_ISA_FN(wk_stem_fits)(c);
}

/* The inputs under the kernel at one output pixel. */
void WK_ISA_FN(wk_conv_row)(const wk_conv *c, int pixel, float *row) {
  const int x0 = pixel % c->out_w * c->stride_w - c->pad_left;
  const int y0 = pixel / c->out_w % c->out_h * c->stride_h - c->pad_top;
  const float *image = c->in + (ptrdiff_t)(pixel / c->out_w / c->out_h) * c->in_h * c->in_w * c->in_c;
  const size_t one = (size_t)c->in_c * sizeof(float), line = one * (size_t)c->kernel_w;
  for (int ky = 0; ky < c->kernel_h; ky++, row += c->kernel_w * c->in_c) {
    const int y = y0 + ky * c->dilation_h;
    if (y < 0 || y >= c->in_h)
      memset(row, 0, line);
    else if (c->dilation_w == 1 && x0 >= 0 && x0 + c->kernel_w <= c->in_w)
      memcpy(row, image + ((ptrdiff_t)y * c->in_w + x0) * c->in_c, line);
    else
      for (int kx = 0; kx < c->kernel_w; kx++) {
        const int x = x0 + kx * c->dilation_w;
        if (x < 0 || x >= c->in_w)
          memset(row + kx * c->in_c, 0, one);
        else
          memcpy(row + kx * c->in_c, image + ((ptrdiff_t)y * c->in_w + x) * c->in_c, one);
      }
  }
}

void WK_ISA_FN(wk_conv)(const wk_conv *c, int pixel0, int pixel1, int col0, int col1, float *scratch) {
  wk_gemm g = {.n = c->out_c,
               .k = depth_of(c),
               .b = c->weights,
               .next = wk_gemm_far(c->weights, depth_of(c), c->out_c),
               .ldc = c->out_c,
               .bias = c->bias,
               .ldadd = c->out_c,
               .act = c->act};
  if (pointwise(c)) {
    g.a = c->in, g.lda = c->in_c, g.c = c->out, g.add = c->add;
    WK_ISA_FN(wk_gemm)(&g, pixel0, pixel1, col0, col1, scratch);
    return;
  }
  if (WK_ISA_FN(wk_stem_fits)(c)) {
    WK_ISA_FN(wk_stem)(c, pixel0, pixel1, col0, col1, scratch);
    return;
  }
  const int block = block_of(c), ld = row_floats(g.k);
  float *rows = scratch, *rest = rows + (size_t)block * (size_t)ld;
  for (int p = pixel0; p < pixel1; p += block) {
    const int count = pixel1 - p < block ? pixel1 - p : block;
    for (int i = 0; i < count; i++)
      WK_ISA_FN(wk_conv_row)(c, p + i, rows + (ptrdiff_t)i * ld);
    const ptrdiff_t at = (ptrdiff_t)p * c->out_c;
    g.m = count, g.a = rows, g.lda = ld, g.c = c->out + at, g.add = c->add ? c->add + at : NULL;
    WK_ISA_FN(wk_gemm)(&g, 0, count, col0, col1, rest);
  }
}

/* stem.c - the first convolution of a network, of 1 to 4 channels: too few for rows of a matrix to be worth laying out.
 *
 * Where pixels have so few channels, a row of the kernel lies on one run of floats of an input row, and that of the
 * next output a few floats further. So the rows under the kernel are copied once, with their padding, and PIXELS
 * outputs at a time are summed from there.
 */
#include "nn/kernels/stem.h"

#include "nn/kernels/gemm.h"
#include "nn/kernels/vec.h"

#define PIXELS (WK_VL == 16 ? 12 : 6) /* as many sums of two vectors as there are registers */
#define MAX_CHANNELS 4
#define MAX_DEPTH 256 /* what one chain of sums may be long */

bool WK_ISA_FN(wk_stem_fits)(const wk_conv *c) {
  return c->in_c <= MAX_CHANNELS && c->dilation_h == 1 && c->dilation_w == 1 && !c->add && c->out_w >= PIXELS &&
         c->kernel_h * c->kernel_w * c->in_c <= MAX_DEPTH;
}

/* Pixels of an input row, with padding, that a row of outputs looks at. */
static int span_of(const wk_conv *c) { return (c->out_w - 1) * c->stride_w + c->kernel_w; }
static size_t row_floats(const wk_conv *c) { return ((size_t)span_of(c) * (size_t)c->in_c + 15) / 16 * 16; }

size_t WK_ISA_FN(wk_stem_scratch)(const wk_conv *c) { return (size_t)c->kernel_h * row_floats(c); }

/* The rows under the kernel of output row `row`, of all images. */
static void lay_rows(const wk_conv *c, int row, float *to) {
  const int y0 = row % c->out_h * c->stride_h - c->pad_top, span = span_of(c);
  const int room = span - c->pad_left, have = room < 0 ? 0 : room < c->in_w ? room : c->in_w;
  const int before = c->pad_left < span ? c->pad_left : span;
  const size_t pixel = (size_t)c->in_c * sizeof(float);
  const float *image = c->in + (ptrdiff_t)(row / c->out_h) * c->in_h * c->in_w * c->in_c;
  for (int ky = 0; ky < c->kernel_h; ky++, to += row_floats(c)) {
    const int y = y0 + ky;
    if (y < 0 || y >= c->in_h) {
      memset(to, 0, (size_t)span * pixel);
      continue;
    }
    memset(to, 0, (size_t)before * pixel);
    memcpy(to + before * c->in_c, image + (ptrdiff_t)y * c->in_w * c->in_c, (size_t)have * pixel);
    memset(to + (before + have) * c->in_c, 0, (size_t)(span - before - have) * pixel);
  }
}

/* PIXELS outputs of `vectors` vectors of channels, a constant where this is inlined; outputs r0..r1-1 are kept. */
WK_INLINE void tile(const wk_conv *c, const float *rows, int col, float *out, int r0, int r1, int vectors) {
  vec acc[PIXELS * 2];
  WK_UNROLL
  for (int i = 0; i < PIXELS * vectors; i++)
    acc[i] = vec_zero();
  const int line = c->kernel_w * c->in_c, next = c->stride_w * c->in_c;
  const float *b = c->weights + (ptrdiff_t)col * c->kernel_h * line;
  const ptrdiff_t row = (ptrdiff_t)row_floats(c);
  for (int ky = 0; ky < c->kernel_h; ky++) {
    const float *a = rows + ky * row;
    for (int k = 0; k < line; k++, a++, b += vectors * WK_VL) {
      vec w[2];
      WK_UNROLL
      for (int v = 0; v < vectors; v++)
        w[v] = vec_load(b + v * WK_VL);
      WK_UNROLL
      for (int p = 0; p < PIXELS; p++) {
        const vec x = vec_set(a[p * next]);
        WK_UNROLL
        for (int v = 0; v < vectors; v++)
          acc[p * vectors + v] = vec_fma(x, w[v], acc[p * vectors + v]);
      }
    }
  }
  const vec low = vec_set(c->act == WK_ACT_NONE ? -__builtin_inff() : 0);
  const vec high = vec_set(c->act == WK_ACT_RELU6 ? 6 : __builtin_inff());
  const float *bias = c->bias ? c->bias + col : NULL;
  const ptrdiff_t out_c = c->out_c;
  WK_UNROLL
  for (int v = 0; v < vectors; v++) {
    const int have = c->out_c - col - v * WK_VL;
    if (have <= 0)
      break;
    const int part = have < WK_VL ? have : WK_VL;
    const vec shift = bias ? vec_load_part(bias + v * WK_VL, part) : vec_zero();
    WK_UNROLL
    for (int p = 0; p < PIXELS; p++) {
      const vec x = vec_min(high, vec_max(low, acc[p * vectors + v] + shift));
      if (p < r0 || p >= r1)
        continue;
      if (part == WK_VL)
        vec_store(out + p * out_c + v * WK_VL, x);
      else
        vec_store_part(out + p * out_c + v * WK_VL, x, part);
    }
  }
}

static void tile_1(const wk_conv *c, const float *rows, int col, float *out, int r0, int r1) {
  tile(c, rows, col, out, r0, r1, 1);
}
static void tile_2(const wk_conv *c, const float *rows, int col, float *out, int r0, int r1) {
  tile(c, rows, col, out, r0, r1, 2);
}

void WK_ISA_FN(wk_stem)(const wk_conv *c, int pixel0, int pixel1, int col0, int col1, float *scratch) {
  for (int p = pixel0; p < pixel1;) {
    const int row = p / c->out_w, x0 = p % c->out_w;
    const int x1 = pixel1 - p < c->out_w - x0 ? x0 + pixel1 - p : c->out_w;
    lay_rows(c, row, scratch);
    for (int x = x0; x < x1; x += PIXELS) {
      /* The last outputs of a row are made with some before them, which are there already or another's to write. */
      const int start = c->out_w - x < PIXELS ? c->out_w - PIXELS : x;
      const int r0 = x - start, r1 = x1 - start < PIXELS ? x1 - start : PIXELS;
      const float *rows = scratch + (ptrdiff_t)start * c->stride_w * c->in_c;
      float *out = c->out + ((ptrdiff_t)row * c->out_w + start) * c->out_c;
      for (int col = col0, width; col < col1; col += width) {
        width = wk_gemm_panel_width(WK_VL, c->out_c, col);
        if (width == WK_VL)
          tile_1(c, rows, col, out + col, r0, r1);
        else
          tile_2(c, rows, col, out + col, r0, r1);
      }
    }
    p += x1 - x0;
  }
}

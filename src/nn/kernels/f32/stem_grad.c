/* stem_grad.c - the gradient of the input of a convolution from few channels: of a photo's pixels.
 *
 * Too few channels to be the columns of a product: so a product makes, of each output pixel's gradient, what it adds to
 * every input under its kernel, all taps side by side; and then each input takes what it is given. Nothing is laid out,
 * and nothing multiplied with zeros but what fills the last vector. Some rows of outputs lie in a ring, as many as meet
 * one row of inputs. An input adds its taps in their order, whatever the range of rows.
 */
#include "nn/kernels/f32/stem_grad.h"

#include "nn/kernels/f32/gemm.h"
#include "nn/kernels/f32/slope.h"
#include "nn/kernels/vec.h"

#define FEW 4 /* channels; a pixel's are added as a vector of as many */

typedef float quad __attribute__((vector_size(16)));
typedef float quad_memory __attribute__((vector_size(16), aligned(4), may_alias));

bool WK_ISA_FN(wk_stem_back_fits)(const wk_conv *c) { return c->in_c <= FEW; }

/* Columns of the product, [kernel_h][kernel_w][in_c], in whole vectors. */
static int columns_of(const wk_conv *c) { return (c->kernel_h * c->kernel_w * c->in_c + WK_VL - 1) / WK_VL * WK_VL; }

/* Floats of an output pixel's: the last tap is read as a whole quad, too. */
static int pixel_floats(const wk_conv *c) {
  const int need = (c->kernel_h * c->kernel_w - 1) * c->in_c + FEW, have = columns_of(c);
  return need > have ? have + WK_VL : have;
}

/* Rows of outputs that meet one row of inputs, at most. */
static int ring_rows(const wk_conv *c) { return (c->kernel_h - 1) * c->dilation_h / c->stride_h + 1; }

static size_t row_floats(const wk_conv *c) { return (size_t)c->out_w * (size_t)pixel_floats(c); }

wk_conv_back_sizes WK_ISA_FN(wk_stem_back_shape)(const wk_conv *c) {
  return (wk_conv_back_sizes){.blocks = c->batch * c->in_h,
                              .packed = WK_ISA_FN(wk_gemm_packed)(c->out_c, columns_of(c)),
                              .data_scratch = WK_ISA_FN(wk_gemm_shape)().scratch +
                                              (size_t)ring_rows(c) * row_floats(c) + (size_t)c->in_w * FEW};
}

void WK_ISA_FN(wk_stem_back_pack)(float *packed, const float *w, const wk_conv *c) {
  const int n = columns_of(c), taps = c->kernel_h * c->kernel_w;
  for (int col = 0; col < n;) {
    const int width = wk_gemm_panel_width(WK_VL, n, col);
    for (int o = 0; o < c->out_c; o++)
      for (int k = col; k < col + width; k++, packed++) {
        const int tap = k / c->in_c, channel = k % c->in_c;
        *packed = tap < taps ? w[((ptrdiff_t)o * c->in_c + channel) * taps + tap] : 0;
      }
    col += width;
  }
}

/* What each pixel of one row of outputs gives. */
static void row_gives(const wk_conv_back *b, int image, int oy, float *gives, float *scratch) {
  const wk_conv *c = &b->conv;
  const wk_gemm g = {.m = c->out_w,
                     .n = columns_of(c),
                     .k = c->out_c,
                     .a = b->dy + ((ptrdiff_t)image * c->out_h + oy) * c->out_w * c->out_c,
                     .lda = c->out_c,
                     .b = b->weights,
                     .c = gives,
                     .ldc = pixel_floats(c)};
  WK_ISA_FN(wk_gemm)(&g, 0, g.m, 0, g.n, scratch);
}

/* Adds what a row of outputs gives to a row of inputs, quads, by the taps kx of one row of the kernel from `first` on,
 * the number of its first tap. */
static void row_takes(const wk_conv *c, float *row, const float *gives, int first) {
  const int each = pixel_floats(c), step = c->stride_w * FEW;
  for (int kx = 0; kx < c->kernel_w; kx++) {
    const int shift = kx * c->dilation_w - c->pad_left; /* input x = output x * stride + shift */
    const int from = shift < 0 ? (-shift + c->stride_w - 1) / c->stride_w : 0;
    const int room = c->in_w - 1 - shift, end = room < 0 ? 0 : room / c->stride_w + 1;
    const int to = end < c->out_w ? end : c->out_w;
    const float *give = gives + (ptrdiff_t)from * each + (first + kx) * c->in_c;
    float *at = row + (ptrdiff_t)(from * c->stride_w + shift) * FEW;
    for (int x = from; x < to; x++, give += each, at += step)
      *(quad *)at += *(const quad_memory *)give;
  }
}

/* A row of inputs is complete. */
static void finish(const wk_conv_back *b, const float *row, ptrdiff_t pixel) {
  const wk_conv *c = &b->conv;
  float *to = b->dx + pixel * c->in_c;
  for (int x = 0; x < c->in_w; x++)
    for (int ch = 0; ch < c->in_c; ch++)
      to[x * c->in_c + ch] = row[x * FEW + ch] + (b->accumulate ? to[x * c->in_c + ch] : 0);
  if (!b->mask)
    return;
  const float *mask = b->mask + pixel * c->in_c;
  const vec limit = slope_limit(b->mask_act);
  const int n = c->in_w * c->in_c;
  for (int i = 0; i < n; i += WK_VL) {
    const int have = n - i < WK_VL ? n - i : WK_VL;
    vec_store_part(to + i, slope_apply(limit, vec_load_part(to + i, have), vec_load_part(mask + i, have)), have);
  }
}

void WK_ISA_FN(wk_stem_back)(const wk_conv_back *b, int row0, int row1, float *scratch) {
  const wk_conv *c = &b->conv;
  const int ring = ring_rows(c);
  float *row = scratch, *gives = row + (size_t)c->in_w * FEW, *rest = gives + (size_t)ring * row_floats(c);
  int next = 0; /* row of outputs that is to come into the ring */
  for (int r = row0; r < row1; r++) {
    const int image = r / c->in_h, u = r % c->in_h + c->pad_top; /* u = output y * stride + ky * dilation */
    const int last = u / c->stride_h < c->out_h - 1 ? u / c->stride_h : c->out_h - 1;
    const int least = last - ring + 1 > 0 ? last - ring + 1 : 0;
    if (r == row0 || u == c->pad_top)
      next = least;
    for (next = next > least ? next : least; next <= last; next++)
      row_gives(b, image, next, gives + (size_t)(next % ring) * row_floats(c), rest);
    memset(row, 0, (size_t)c->in_w * FEW * sizeof *row);
    for (int ky = 0; ky < c->kernel_h; ky++) {
      const int at = u - ky * c->dilation_h, oy = at / c->stride_h;
      if (at >= 0 && at % c->stride_h == 0 && oy < c->out_h)
        row_takes(c, row, gives + (size_t)(oy % ring) * row_floats(c), ky * c->kernel_w);
    }
    finish(b, row, (ptrdiff_t)r * c->in_w);
  }
}

/* conv_data_grad.c - the gradient of the input of any convolution without groups, on the matrix product; that of the
 * weights is in conv_weight_grad.c.
 *
 * Which taps meet an input pixel depends on its place modulo the stride. So the input falls into classes, each the
 * product of one part of the weights with the gradients in a small window: nothing is multiplied with zeros, whatever
 * the stride. Where there are too few channels to fill a vector (the photo itself), stem_grad.c does it.
 */
#include "nn/kernels/f32/conv_grad.h"

#include "nn/kernels/f32/gemm.h"
#include "nn/kernels/f32/slope.h"
#include "nn/kernels/f32/stem_grad.h"
#include "nn/kernels/vec.h"

#define BUDGET (64 << 10)      /* floats of the windows laid out at a time */
#define MASK_FLOATS (24 << 10) /* of results whose slopes are applied while they are near */

/* ---- the classes --------------------------------------------------------------------------------- */

/* One dimension. Padded input place u = stride * q + r; it meets output q + d by tap k where r - k * dilation =
 * stride * d. */
typedef struct axis {
  int in, out, kernel, stride, dilation, pad;
  int first, count; /* of q */
} axis;

/* What a place meets: d = first + i * gap, for every i below count. None: no tap meets it. */
typedef struct window {
  int first, count, gap;
} window;

/* A product: places r of a block by places s, through windows of d. */
typedef struct job {
  int r, s;
  window y, x;
} job;

static axis axis_of(int in, int out, int kernel, int stride, int dilation, int pad) {
  axis a = {.in = in, .out = out, .kernel = kernel, .stride = stride, .dilation = dilation, .pad = pad};
  a.first = pad / stride;
  a.count = (in - 1 + pad) / stride - a.first + 1;
  return a;
}

static axis rows_of(const wk_conv *c) {
  return axis_of(c->in_h, c->out_h, c->kernel_h, c->stride_h, c->dilation_h, c->pad_top);
}

static axis columns_of(const wk_conv *c) {
  return axis_of(c->in_w, c->out_w, c->kernel_w, c->stride_w, c->dilation_w, c->pad_left);
}

/* The tap by which place r meets d. */
static int tap_of(const axis *a, int r, int d) { return (r - a->stride * d) / a->dilation; }

/* The taps that meet it are evenly apart, and so is what they meet; the last tap meets the first. */
static window window_of(const axis *a, int r) {
  window w = {.gap = 1};
  int end = 0;
  for (int k = 0; k < a->kernel; k++)
    if ((r - k * a->dilation) % a->stride == 0) {
      w.first = (r - k * a->dilation) / a->stride;
      end = w.count++ ? end : w.first;
    }
  if (w.count > 1)
    w.gap = (end - w.first) / (w.count - 1);
  return w;
}

static int jobs_of(const wk_conv *c) { return c->stride_h * c->stride_w; }

static job job_of(const wk_conv *c, const axis *rows, const axis *columns, int index) {
  const int r = index / c->stride_w, s = index % c->stride_w;
  return (job){.r = r, .s = s, .y = window_of(rows, r), .x = window_of(columns, s)};
}

/* The blocks whose place r is in the input. */
static axis with_place(axis a, int r) {
  const int before = a.pad - r, last = a.in - 1 + a.pad - r;
  a.first = before <= 0 ? 0 : (before + a.stride - 1) / a.stride;
  a.count = last < a.first * a.stride ? 0 : last / a.stride - a.first + 1;
  return a;
}

static int depth_of(const wk_conv *c, const job *j) { return j->y.count * j->x.count * c->out_c; }

/* Blocks of a product that are worked on together. */
static int batch_of(int depth, int width) {
  const int rows = WK_ISA_FN(wk_gemm_shape)().rows;
  const int many = BUDGET / (wk_conv_row_floats(depth) + wk_conv_row_floats(width)) / rows * rows;
  return many < 2 * rows ? 2 * rows : many;
}

/* ---- what it takes ------------------------------------------------------------------------------ */

static wk_conv_back_sizes data_shape(const wk_conv *c) {
  const size_t gemm = WK_ISA_FN(wk_gemm_shape)().scratch;
  const axis rows = rows_of(c), columns = columns_of(c);
  wk_conv_back_sizes s = {.blocks = c->batch * rows.count * columns.count, .data_scratch = gemm};
  if (wk_conv_pointwise(c))
    s.blocks = c->batch * c->in_h * c->in_w;
  for (int i = 0; i < jobs_of(c); i++) {
    const job j = job_of(c, &rows, &columns, i);
    const int depth = depth_of(c, &j);
    const size_t scratch =
        gemm + (size_t)batch_of(depth, c->in_c) * (size_t)(wk_conv_row_floats(depth) + wk_conv_row_floats(c->in_c));
    s.packed += WK_ISA_FN(wk_gemm_packed)(depth, c->in_c);
    if (!wk_conv_pointwise(c) && scratch > s.data_scratch)
      s.data_scratch = scratch;
  }
  return s;
}

wk_conv_back_sizes WK_ISA_FN(wk_conv_back_shape)(const wk_conv *c) {
  wk_conv_back_sizes s = WK_ISA_FN(wk_stem_back_fits)(c) ? WK_ISA_FN(wk_stem_back_shape)(c) : data_shape(c);
  s.weights_scratch = WK_ISA_FN(wk_conv_weights_scratch)(c);
  return s;
}

/* ---- the products ------------------------------------------------------------------------------- */

void WK_ISA_FN(wk_conv_data_pack)(float *packed, const float *w, const wk_conv *c) {
  if (WK_ISA_FN(wk_stem_back_fits)(c)) {
    WK_ISA_FN(wk_stem_back_pack)(packed, w, c);
    return;
  }
  const axis rows = rows_of(c), columns = columns_of(c);
  const ptrdiff_t taps = (ptrdiff_t)c->kernel_h * c->kernel_w;
  for (int i = 0; i < jobs_of(c); i++) {
    const job j = job_of(c, &rows, &columns, i);
    const int n = c->in_c;
    for (int col = 0; col < n;) {
      const int width = wk_gemm_panel_width(WK_VL, n, col);
      for (int d = 0; d < j.y.count * j.x.count; d++) {
        const int ky = tap_of(&rows, j.r, j.y.first + d / j.x.count * j.y.gap);
        const int kx = tap_of(&columns, j.s, j.x.first + d % j.x.count * j.x.gap);
        const float *from[2 * WK_VL]; /* the weight of the first output; NULL: none */
        for (int k = 0; k < width; k++)
          from[k] = col + k < n ? w + (col + k) * taps + ky * c->kernel_w + kx : NULL;
        for (int o = 0; o < c->out_c; o++, packed += width)
          for (int k = 0; k < width; k++)
            packed[k] = from[k] ? from[k][o * c->in_c * taps] : 0;
      }
      col += width;
    }
  }
}

/* One pixel's gradient to its place; NULL: no output has any for it. */
WK_INLINE void finish(const wk_conv_back *b, const float *from, ptrdiff_t pixel) {
  const int channels = b->conv.in_c;
  float *to = b->dx + pixel * channels;
  const float *mask = b->mask ? b->mask + pixel * channels : NULL;
  const vec limit = slope_limit(b->mask_act);
  int ch = 0;
  for (; ch + WK_VL <= channels; ch += WK_VL) {
    vec g = from ? vec_load(from + ch) : vec_zero();
    if (b->accumulate)
      g = vec_load(to + ch) + g;
    vec_store(to + ch, mask ? slope_apply(limit, g, vec_load(mask + ch)) : g);
  }
  if (ch < channels) {
    const int have = channels - ch;
    vec g = from ? vec_load_part(from + ch, have) : vec_zero();
    if (b->accumulate)
      g = vec_load_part(to + ch, have) + g;
    vec_store_part(to + ch, mask ? slope_apply(limit, g, vec_load_part(mask + ch, have)) : g, have);
  }
}

static void apply_mask(const wk_conv_back *b, ptrdiff_t from, ptrdiff_t to) {
  const vec limit = slope_limit(b->mask_act);
  ptrdiff_t i = from;
  for (; i + WK_VL <= to; i += WK_VL)
    vec_store(b->dx + i, slope_apply(limit, vec_load(b->dx + i), vec_load(b->mask + i)));
  if (i < to) {
    const int have = (int)(to - i);
    vec_store_part(b->dx + i, slope_apply(limit, vec_load_part(b->dx + i, have), vec_load_part(b->mask + i, have)),
                   have);
  }
}

static void data_pointwise(const wk_conv_back *b, int pixel0, int pixel1, float *scratch) {
  const wk_conv *c = &b->conv;
  const int rows = WK_ISA_FN(wk_gemm_shape)().rows;
  int step = MASK_FLOATS / c->in_c / rows * rows;
  step = !b->mask ? pixel1 - pixel0 : step < 8 * rows ? 8 * rows : step;
  for (int p = pixel0; p < pixel1; p += step) {
    const int end = pixel1 - p < step ? pixel1 : p + step;
    const wk_gemm g = {.m = end - p,
                       .n = c->in_c,
                       .k = c->out_c,
                       .a = b->dy + (ptrdiff_t)p * c->out_c,
                       .lda = c->out_c,
                       .b = b->weights,
                       .next = wk_gemm_far(b->weights, c->out_c, c->in_c),
                       .c = b->dx + (ptrdiff_t)p * c->in_c,
                       .ldc = c->in_c,
                       .add = b->accumulate ? b->dx + (ptrdiff_t)p * c->in_c : NULL,
                       .ldadd = c->in_c};
    WK_ISA_FN(wk_gemm)(&g, 0, end - p, 0, c->in_c, scratch);
    if (b->mask)
      apply_mask(b, (ptrdiff_t)p * c->in_c, (ptrdiff_t)end * c->in_c);
  }
}

/* The gradients in the window of one block. */
static void lay_window(const wk_conv_back *b, const job *j, int image, int y0, int x0, float *row) {
  const wk_conv *c = &b->conv;
  const int width = j->x.count, left = x0 + j->x.first;
  const bool inside = j->x.gap == 1 && left >= 0 && left + width <= c->out_w;
  const size_t one = (size_t)c->out_c * sizeof(float), line = one * (size_t)width;
  for (int i = 0; i < j->y.count; i++, row += width * c->out_c) {
    const int y = y0 + j->y.first + i * j->y.gap;
    const float *from = b->dy + ((ptrdiff_t)image * c->out_h + y) * c->out_w * c->out_c;
    if (y < 0 || y >= c->out_h)
      memset(row, 0, line);
    else if (inside)
      memcpy(row, from + (ptrdiff_t)left * c->out_c, line);
    else
      for (int k = 0; k < width; k++) {
        const int x = left + k * j->x.gap;
        if (x < 0 || x >= c->out_w)
          memset(row + k * c->out_c, 0, one);
        else
          memcpy(row + k * c->out_c, from + (ptrdiff_t)x * c->out_c, one);
      }
  }
}

void WK_ISA_FN(wk_conv_data)(const wk_conv_back *b, int block0, int block1, float *scratch) {
  const wk_conv *c = &b->conv;
  if (WK_ISA_FN(wk_stem_back_fits)(c)) {
    WK_ISA_FN(wk_stem_back)(b, block0, block1, scratch);
    return;
  }
  if (wk_conv_pointwise(c)) {
    data_pointwise(b, block0, block1, scratch);
    return;
  }
  const axis all_rows = rows_of(c), all_columns = columns_of(c);
  const int64_t blocks = (int64_t)c->batch * all_rows.count * all_columns.count;
  const float *weights = b->weights;
  for (int i = 0; i < jobs_of(c); i++) {
    const job j = job_of(c, &all_rows, &all_columns, i);
    const axis rows = with_place(all_rows, j.r), columns = with_place(all_columns, j.s);
    const int depth = depth_of(c, &j), width = c->in_c, many = batch_of(depth, width);
    const int ld = wk_conv_row_floats(depth), ldc = wk_conv_row_floats(width);
    float *windows = scratch, *results = windows + (size_t)many * (size_t)ld,
          *rest = results + (size_t)many * (size_t)ldc;
    const int64_t own = (int64_t)c->batch * rows.count * columns.count; /* its share of them is cut likewise */
    const int end = (int)(own * block1 / blocks);
    if (depth == 0 && b->accumulate && !b->mask)
      continue;
    for (int at = (int)(own * block0 / blocks); at < end; at += many) {
      const int count = end - at < many ? end - at : many;
      for (int k = 0; k < count && depth; k++) {
        const int x = (at + k) % columns.count, y = (at + k) / columns.count % rows.count;
        lay_window(b, &j, (at + k) / columns.count / rows.count, rows.first + y, columns.first + x,
                   windows + (ptrdiff_t)k * ld);
      }
      const wk_gemm g = {.m = count,
                         .n = width,
                         .k = depth,
                         .a = windows,
                         .lda = ld,
                         .b = weights,
                         .next = wk_gemm_far(weights, depth, width),
                         .c = results,
                         .ldc = ldc};
      if (depth)
        WK_ISA_FN(wk_gemm)(&g, 0, count, 0, width, rest);
      for (int k = 0; k < count; k++) {
        const int x = (at + k) % columns.count, y = (at + k) / columns.count % rows.count;
        const ptrdiff_t image = (at + k) / columns.count / rows.count;
        const int iy = (rows.first + y) * c->stride_h + j.r - c->pad_top;
        const int ix = (columns.first + x) * c->stride_w + j.s - c->pad_left;
        finish(b, depth ? results + (ptrdiff_t)k * ldc : NULL, (image * c->in_h + iy) * c->in_w + ix);
      }
    }
    weights += WK_ISA_FN(wk_gemm_packed)(depth, width);
  }
}

/* conv_back.c - gradients of any convolution without groups on the matrix product.
 *
 * Of the input: which taps meet an input pixel depends on its place modulo the stride. So the input falls into classes,
 * each the product of one part of the weights with the gradients in a small window: nothing is multiplied with zeros,
 * whatever the stride. Where there are too few channels to fill a vector (the photo itself), stem_back.c does it.
 */
#include "nn/kernels/conv_back.h"

#include "nn/kernels/direct.h"
#include "nn/kernels/gemm.h"
#include "nn/kernels/outer_back.h"
#include "nn/kernels/slope.h"
#include "nn/kernels/stem_back.h"
#include "nn/kernels/vec.h"

#define BUDGET (64 << 10)      /* floats of the windows laid out at a time */
#define FEW 4                  /* channels that are too few for vectors of them */
#define MASK_FLOATS (24 << 10) /* of results whose slopes are applied while they are near */

/* ---- the classes --------------------------------------------------------------------------------- */

/* One dimension. Padded input place u = stride * q + r; it meets output q + d by tap k where r - k * dilation =
 * stride * d. */
typedef struct axis {
  int in, out, kernel, stride, dilation, pad;
  int first, count; /* of q */
} axis;

/* A product: places r of a block by places s, through windows of d. */
typedef struct job {
  int r, s;
  int dy0, dy1, dx0, dx1; /* of d; empty: no tap meets them */
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

/* The tap by which place r meets d; -1: none. */
static int tap_of(const axis *a, int r, int d) {
  const int t = r - a->stride * d;
  return t >= 0 && t % a->dilation == 0 && t / a->dilation < a->kernel ? t / a->dilation : -1;
}

static void window_of(const axis *a, int r, int *d0, int *d1) {
  *d0 = *d1 = 0;
  bool any = false;
  for (int k = 0; k < a->kernel; k++) {
    const int t = r - k * a->dilation;
    if (t % a->stride)
      continue;
    const int d = t / a->stride;
    *d0 = !any || d < *d0 ? d : *d0;
    *d1 = !any || d >= *d1 ? d + 1 : *d1;
    any = true;
  }
}

static int jobs_of(const wk_conv *c) { return c->stride_h * c->stride_w; }

static job job_of(const wk_conv *c, const axis *rows, const axis *columns, int index) {
  job j = {.r = index / c->stride_w, .s = index % c->stride_w};
  window_of(rows, j.r, &j.dy0, &j.dy1);
  window_of(columns, j.s, &j.dx0, &j.dx1);
  return j;
}

/* The blocks whose place r is in the input. */
static axis with_place(axis a, int r) {
  const int before = a.pad - r, last = a.in - 1 + a.pad - r;
  a.first = before <= 0 ? 0 : (before + a.stride - 1) / a.stride;
  a.count = last < a.first * a.stride ? 0 : last / a.stride - a.first + 1;
  return a;
}

static int depth_of(const wk_conv *c, const job *j) { return (j->dy1 - j->dy0) * (j->dx1 - j->dx0) * c->out_c; }

/* Is the gradient such a matrix already? */
static bool pointwise(const wk_conv *c) {
  return c->kernel_h == 1 && c->kernel_w == 1 && c->stride_h == 1 && c->stride_w == 1 && !c->pad_top && !c->pad_left &&
         c->out_h == c->in_h && c->out_w == c->in_w;
}

/* Rows begin on cache lines, and not all in the same sets. */
static int row_floats(int n) {
  const int row = (n + 15) / 16 * 16;
  return row % 256 ? row : row + 16;
}

/* Blocks of a product that are worked on together. */
static int batch_of(int depth, int width) {
  const int rows = WK_ISA_FN(wk_gemm_shape)().rows;
  const int many = BUDGET / (row_floats(depth) + row_floats(width)) / rows * rows;
  return many < 2 * rows ? 2 * rows : many;
}

/* ---- what it takes ------------------------------------------------------------------------------ */

#define DEPTH 200               /* pixels of a sum of outer products: a panel of them takes a third of L1 */
#define DEPTH_LAID 96           /* where rows of inputs under the kernel are laid out first */
#define HELD_FLOATS (104 << 10) /* of the side that is packed before the other passes */

/* How the gradient of the weights reads its inputs: rows that lie as they are, a tap's channels where panels do not
 * reach over two taps, rows of the photo where channels are few, or rows under the kernel that are laid out first. */
typedef enum reading { ROWS_LIE, BY_TAPS, PHOTO, ROWS_LAID } reading;

static reading reading_of(const wk_conv *c) {
  if (c->kernel_h == 1 && c->kernel_w == 1 && c->stride_h == 1 && c->stride_w == 1 && !c->pad_top && !c->pad_left &&
      c->out_h == c->in_h && c->out_w == c->in_w)
    return ROWS_LIE;
  if (c->in_c <= FEW && c->dilation_h == 1 && c->dilation_w == 1)
    return PHOTO;
  return c->in_c % (2 * WK_VL) ? ROWS_LAID : BY_TAPS;
}

/* A row of inputs under the kernel, with room for whole vectors behind it. */
static int laid_floats(int n) { return row_floats(n + WK_VL); }

/* Sums of outer products in pieces, as even as can be. The shorter side is packed, some parts of it one after the
 * other; of the longer side a panel or strip at a time is packed in L1. */
typedef struct pieces {
  int blocks, parts;              /* of pixels; of the shorter side */
  bool hold_inputs;               /* the shorter side */
  size_t gradients, inputs, laid; /* floats packed of each, and of rows that are laid out first: whatever the batch */
} pieces;

static pieces pieces_of(const wk_conv *c) {
  const reading how = reading_of(c);
  const int pixels = c->batch * c->out_h * c->out_w, deep = how == ROWS_LAID ? DEPTH_LAID : DEPTH;
  const int panel = 2 * WK_VL, m = c->out_c, n = c->kernel_h * c->kernel_w * c->in_c;
  pieces s = {.blocks = (pixels + deep - 1) / deep, .hold_inputs = m > n};
  s.parts = ((s.hold_inputs ? n : m) * deep + HELD_FLOATS - 1) / HELD_FLOATS;
  const int held = ((s.hold_inputs ? (n + panel - 1) / panel : m) + s.parts - 1) / s.parts;
  s.gradients = WK_ISA_FN(wk_outer_strips_of)(s.hold_inputs ? 1 : held, deep).floats;
  s.inputs = (size_t)(s.hold_inputs ? held : 1) * (size_t)(deep * panel);
  if (how == ROWS_LAID)
    s.laid = (size_t)deep * (size_t)laid_floats(n);
  return s;
}

/* The same from rows of the photo. */
typedef struct photo {
  int line, row, columns; /* floats of a row of the kernel, of a row of inputs with its borders; columns of the sums */
  size_t ring, panel, sums; /* floats of rows of inputs, of a row of gradients' panel, of the sums */
} photo;

static photo photo_of(const wk_conv *c) {
  const int panel = 2 * WK_VL;
  photo f = {.line = c->kernel_w * c->in_c,
             .row = ((c->out_w - 1) * c->stride_w + c->kernel_w) * c->in_c,
             .columns = (c->out_c + panel - 1) / panel * panel};
  f.ring = (size_t)c->kernel_h * (size_t)f.row;
  f.panel = (size_t)c->out_w * (size_t)panel;
  f.sums = (size_t)c->kernel_h * (size_t)f.line * (size_t)f.columns;
  return f;
}

static wk_conv_back_sizes data_shape(const wk_conv *c) {
  const size_t gemm = WK_ISA_FN(wk_gemm_shape)().scratch;
  const axis rows = rows_of(c), columns = columns_of(c);
  wk_conv_back_sizes s = {.blocks = c->batch * rows.count * columns.count, .data_scratch = gemm};
  if (pointwise(c))
    s.blocks = c->batch * c->in_h * c->in_w;
  for (int i = 0; i < jobs_of(c); i++) {
    const job j = job_of(c, &rows, &columns, i);
    const int depth = depth_of(c, &j);
    const size_t scratch = gemm + (size_t)batch_of(depth, c->in_c) * (size_t)(row_floats(depth) + row_floats(c->in_c));
    s.packed += WK_ISA_FN(wk_gemm_packed)(depth, c->in_c);
    if (!pointwise(c) && scratch > s.data_scratch)
      s.data_scratch = scratch;
  }
  return s;
}

wk_conv_back_sizes WK_ISA_FN(wk_conv_back_shape)(const wk_conv *c) {
  wk_conv_back_sizes s = WK_ISA_FN(wk_stem_back_fits)(c) ? WK_ISA_FN(wk_stem_back_shape)(c) : data_shape(c);
  const pieces p = pieces_of(c);
  const photo f = photo_of(c);
  s.weights_scratch = reading_of(c) == PHOTO ? f.ring + f.panel + f.sums : p.gradients + p.inputs + p.laid;
  return s;
}

/* ---- of the input -------------------------------------------------------------------------------- */

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
      for (int d = 0; d < (j.dy1 - j.dy0) * (j.dx1 - j.dx0); d++) {
        const int ky = tap_of(&rows, j.r, j.dy0 + d / (j.dx1 - j.dx0));
        const int kx = tap_of(&columns, j.s, j.dx0 + d % (j.dx1 - j.dx0));
        const float *from[2 * WK_VL]; /* the weight of the first output; NULL: no tap */
        for (int k = 0; k < width; k++)
          from[k] = col + k < n && ky >= 0 && kx >= 0 ? w + (col + k) * taps + ky * c->kernel_w + kx : NULL;
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
  const int width = j->dx1 - j->dx0;
  const size_t one = (size_t)c->out_c * sizeof(float), line = one * (size_t)width;
  for (int y = y0 + j->dy0; y < y0 + j->dy1; y++, row += width * c->out_c) {
    const float *from = b->dy + (((ptrdiff_t)image * c->out_h + y) * c->out_w + x0 + j->dx0) * c->out_c;
    if (y < 0 || y >= c->out_h)
      memset(row, 0, line);
    else if (x0 + j->dx0 >= 0 && x0 + j->dx1 <= c->out_w)
      memcpy(row, from, line);
    else
      for (int k = 0; k < width; k++) {
        const int x = x0 + j->dx0 + k;
        if (x < 0 || x >= c->out_w)
          memset(row + k * c->out_c, 0, one);
        else
          memcpy(row + k * c->out_c, from + k * c->out_c, one);
      }
  }
}

void WK_ISA_FN(wk_conv_data)(const wk_conv_back *b, int block0, int block1, float *scratch) {
  const wk_conv *c = &b->conv;
  if (WK_ISA_FN(wk_stem_back_fits)(c)) {
    WK_ISA_FN(wk_stem_back)(b, block0, block1, scratch);
    return;
  }
  if (pointwise(c)) {
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
    const int ld = row_floats(depth), ldc = row_floats(width);
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

/* ---- of the weights ------------------------------------------------------------------------------ */

/* A panel: columns of `count` rows, of which `have` are there. `then` is how far behind them lies what is next. */
static void panel_of_rows(float *to, const float *from, int count, ptrdiff_t ld, int have, ptrdiff_t then) {
  for (int p = 0; p < count; p++, from += ld, to += 2 * WK_VL) {
    __builtin_prefetch(from + then, 0, 2);
    if (have >= 2 * WK_VL) {
      vec_store(to, vec_load(from));
      vec_store(to + WK_VL, vec_load(from + WK_VL));
    } else if (have >= WK_VL) {
      vec_store(to, vec_load(from));
      vec_store(to + WK_VL, vec_load_part(from + WK_VL, have - WK_VL));
    } else {
      vec_store(to, vec_load_part(from, have));
    }
  }
}

/* A panel: channels ch.. of the inputs that tap (ky, kx) meets at `count` output pixels. */
static void panel_of_tap(float *to, const wk_conv *c, int from, int count, int ky, int kx, int ch) {
  int ox = from % c->out_w, oy = from / c->out_w % c->out_h;
  const float *image = c->in + (ptrdiff_t)(from / c->out_w / c->out_h) * c->in_h * c->in_w * c->in_c + ch;
  const int left = kx * c->dilation_w - c->pad_left, top = ky * c->dilation_h - c->pad_top;
  for (int p = 0; p < count; p++, to += 2 * WK_VL) {
    const int x = ox * c->stride_w + left, y = oy * c->stride_h + top;
    if ((unsigned)x < (unsigned)c->in_w && (unsigned)y < (unsigned)c->in_h) {
      const float *row = image + ((ptrdiff_t)y * c->in_w + x) * c->in_c;
      __builtin_prefetch(row + 2 * WK_VL);
      vec_store(to, vec_load(row));
      vec_store(to + WK_VL, vec_load(row + WK_VL));
    } else {
      vec_store(to, vec_zero());
      vec_store(to + WK_VL, vec_zero());
    }
    if (++ox == c->out_w) {
      ox = 0;
      if (++oy == c->out_h)
        oy = 0, image += (ptrdiff_t)c->in_h * c->in_w * c->in_c;
    }
  }
}

/* A block of pixels on its way. */
typedef struct block {
  const wk_conv_back *b;
  wk_conv c;
  reading how;
  int from, count, n; /* pixels; columns of all inputs */
  const float *rows;  /* of inputs, ld floats apart, where they lie or are laid out */
  ptrdiff_t ld;
  bool add;
  float *gradients, *inputs;
} block;

static void pack_panel(const block *k, float *to, int col) {
  const int panel = 2 * WK_VL, have = k->n - col < panel ? k->n - col : panel, tap = col / k->c.in_c;
  if (k->how == BY_TAPS)
    panel_of_tap(to, &k->c, k->from, k->count, tap / k->c.kernel_w, tap % k->c.kernel_w, col % k->c.in_c);
  else
    panel_of_rows(to, k->rows + col, k->count, k->ld, have, col + panel < k->n ? panel : k->count * k->ld - col);
}

/* Products of packed outputs o.. and columns col.. */
static void add_up(const block *k, int o, int m, int col, int n, int lda, size_t strip) {
  const int panel = 2 * WK_VL;
  const wk_outer_product product = {.m = m,
                                    .n = n,
                                    .depth = k->count,
                                    .a = k->gradients,
                                    .lda = lda,
                                    .strip = (ptrdiff_t)strip,
                                    .b = k->inputs,
                                    .ldb = panel,
                                    .panel = (ptrdiff_t)k->count * panel,
                                    .c = k->b->dw + (ptrdiff_t)o * k->n + col,
                                    .ldc = k->n,
                                    .add = k->add};
  WK_ISA_FN(wk_outer)(&product);
}

static void hold_inputs(const block *k, int parts) {
  const int panel = 2 * WK_VL, panels = (k->n + panel - 1) / panel, out_c = k->c.out_c;
  const float *dy = k->b->dy + (ptrdiff_t)k->from * out_c;
  const wk_outer_strips strips = WK_ISA_FN(wk_outer_strips_of)(out_c, k->count);
  for (int part = 0; part < parts; part++) {
    const int first = panels * part / parts, end = panels * (part + 1) / parts, col = first * panel;
    for (int i = first; i < end; i++)
      pack_panel(k, k->inputs + (ptrdiff_t)(i - first) * k->count * panel, i * panel);
    for (int s = 0; s < strips.count; s++) {
      const int o = out_c * s / strips.count, m = out_c * (s + 1) / strips.count - o;
      WK_ISA_FN(wk_outer_pack_strip)
      (k->gradients, part ? NULL : k->b->db + o, dy + o, m, out_c - o, k->count, out_c);
      add_up(k, o, m, col, (end == panels ? k->n : end * panel) - col, strips.lda, strips.strip);
    }
  }
}

static void hold_gradients(const block *k, int parts) {
  const int panel = 2 * WK_VL, out_c = k->c.out_c;
  const float *dy = k->b->dy + (ptrdiff_t)k->from * out_c;
  for (int part = 0; part < parts; part++) {
    const int o = out_c * part / parts, m = out_c * (part + 1) / parts - o;
    const wk_outer_strips strips = WK_ISA_FN(wk_outer_strips_of)(m, k->count);
    WK_ISA_FN(wk_outer_pack)(k->gradients, dy + o, m, k->count, out_c);
    if (part == 0)
      WK_ISA_FN(wk_outer_bias)(k->b->db, dy, k->count, out_c);
    const int panels = (k->n + panel - 1) / panel;
    for (int col = 0; col < k->n; col += panel) {
      const ptrdiff_t lines = parts > 1 ? 0 : (ptrdiff_t)k->count * out_c / 16, i = col / panel;
      for (ptrdiff_t l = lines * i / panels; l < lines * (i + 1) / panels; l++)
        __builtin_prefetch(dy + (ptrdiff_t)k->count * out_c + l * 16, 0, 2);
      pack_panel(k, k->inputs, col);
      add_up(k, o, m, col, k->n - col < panel ? k->n - col : panel, strips.lda, strips.strip);
    }
  }
}

/* A row of inputs and the zeros beside it. */
static void lay_photo_row(const wk_conv *c, float *to, const float *from, int floats) {
  const int before = c->pad_left * c->in_c, left = floats - before, all = c->in_w * c->in_c,
            there = left < 0     ? 0
                    : left < all ? left
                                 : all;
  memset(to, 0, (size_t)(before < floats ? before : floats) * sizeof *to);
  memcpy(to + before, from, (size_t)there * sizeof *to);
  if (left > there)
    memset(to + before + there, 0, (size_t)(left - there) * sizeof *to);
}

/* Where channels are few: a row of the kernel is one short run of a row of inputs, which moves on by a stride from
 * output to output. So the sums turn round: inputs are read where they lie, and the gradients are the panels. */
static void photo_weights(const wk_conv_back *b, float *scratch) {
  const wk_conv *c = &b->conv;
  const photo f = photo_of(c);
  const int panel = 2 * WK_VL, rows = c->batch * c->out_h, n = c->kernel_h * f.line;
  float *sums = scratch, *gradients = sums + f.sums, *ring = gradients + f.panel;
  memset(sums, 0, f.sums * sizeof *sums);
  int ready = 0; /* rows of this photo before it have been laid out */
  for (int i = 0; i < rows; i++) {
    const int image = i / c->out_h, oy = i % c->out_h, top = oy * c->stride_h - c->pad_top;
    const float *dy = b->dy + (ptrdiff_t)i * c->out_w * c->out_c;
    ready = oy == 0 ? 0 : ready;
    for (ready = ready < top ? top : ready; ready < top + c->kernel_h && ready < c->in_h; ready++)
      lay_photo_row(c, ring + (ptrdiff_t)(ready % c->kernel_h) * f.row,
                    b->x + ((ptrdiff_t)image * c->in_h + ready) * c->in_w * c->in_c, f.row);
    for (int col = 0; col < c->out_c; col += panel) {
      const int have = c->out_c - col < panel ? c->out_c - col : panel;
      panel_of_rows(gradients, dy + col, c->out_w, c->out_c, have,
                    col + panel < c->out_c ? panel : c->out_w * c->out_c - col);
      for (int ky = 0; ky < c->kernel_h; ky++) {
        if (top + ky < 0 || top + ky >= c->in_h)
          continue;
        const wk_outer_product product = {.m = f.line,
                                          .n = have,
                                          .depth = c->out_w,
                                          .a = ring + (ptrdiff_t)((top + ky) % c->kernel_h) * f.row,
                                          .lda = c->stride_w * c->in_c,
                                          .b = gradients,
                                          .ldb = panel,
                                          .c = sums + (ptrdiff_t)ky * f.line * f.columns + col,
                                          .ldc = f.columns,
                                          .add = true};
        WK_ISA_FN(wk_outer)(&product);
      }
    }
    WK_ISA_FN(wk_outer_bias)(b->db, dy, c->out_w, c->out_c);
  }
  for (int o = 0; o < c->out_c; o++)
    for (int k = 0; k < n; k++)
      b->dw[(ptrdiff_t)o * n + k] = sums[(ptrdiff_t)k * f.columns + o];
}

void WK_ISA_FN(wk_conv_weights)(const wk_conv_back *b, float *scratch) {
  const wk_conv *c = &b->conv;
  memset(b->db, 0, (size_t)c->out_c * sizeof *b->db);
  if (reading_of(c) == PHOTO) {
    photo_weights(b, scratch);
    return;
  }
  const pieces s = pieces_of(c);
  const int pixels = c->batch * c->out_h * c->out_w;
  block k = {.b = b, .c = *c, .how = reading_of(c), .n = c->kernel_h * c->kernel_w * c->in_c};
  float *laid = scratch + s.gradients + s.inputs;
  k.c.in = b->x, k.gradients = scratch, k.inputs = scratch + s.gradients;
  k.ld = k.how == ROWS_LIE ? k.n : laid_floats(k.n);
  for (int i = 0; i < s.blocks; i++, k.add = true) {
    k.from = (int)((int64_t)pixels * i / s.blocks);
    k.count = (int)((int64_t)pixels * (i + 1) / s.blocks) - k.from;
    k.rows = k.how == ROWS_LIE ? b->x + k.from * k.ld : laid;
    for (int p = 0; k.how == ROWS_LAID && p < k.count; p++)
      WK_ISA_FN(wk_conv_row)(&k.c, k.from + p, laid + p * k.ld);
    if (s.hold_inputs)
      hold_inputs(&k, s.parts);
    else
      hold_gradients(&k, s.parts);
  }
}

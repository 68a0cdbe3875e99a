/* mbconv_grad.c - the way back through an inverted residual (mbconv.c) as one kernel: neither the expanded channels
 * nor their gradients leave L2.
 *
 * A band of rows of the depthwise convolution's output at a time. The expanded rows under it are made again from the
 * input into a ring, and from them the band; the gradient comes through the projection into a second ring; then the
 * rows of input that no later band touches are finished. The sums for the weights grow from band to band: their long
 * side is that of the expanded channels, which is read as it lies. */
#include "nn/kernels/f32/mbconv_grad.h"

#include "nn/kernels/f32/depthwise.h"
#include "nn/kernels/f32/depthwise_grad.h"
#include "nn/kernels/f32/gemm.h"
#include "nn/kernels/f32/mbconv.h"
#include "nn/kernels/f32/outer_product.h"
#include "nn/kernels/f32/slope.h"
#include "nn/kernels/vec.h"

/* Floats of the rings and bands: most of an L2 of 1 MB, or of 512 kB. */
#define BUDGET (WK_VL == 16 ? 192 << 10 : 112 << 10)
#define MAX_ROWS 64        /* of a ring of expanded rows */
#define SLACK (2 * WK_VL)  /* floats behind rows of which whole vectors are read */
#define DEPTH_FLOATS 16384 /* of expanded pixels that a sum of outer products goes through at a time */

typedef struct layout {
  int band, high;                        /* rows of depthwise output at a time; rows of expanded pixels in the ring */
  int low, step;                         /* rows of gradients in the other ring; rows of input finished at a time */
  size_t expanded, made, back, finished; /* floats of the four */
} layout;

static layout with_band(const wk_mbconv *f, int band) {
  const size_t in_row = f->expand ? (size_t)f->in_w * (size_t)f->mid_c : 0,
               mid_row = (size_t)f->out_w * (size_t)f->mid_c;
  layout l = {.band = band,
              .high = (band - 1) * f->stride + f->kernel + f->stride - 1,
              .low = band + (f->kernel - 1) / f->stride,
              .step = band * f->stride};
  l.expanded = in_row * (size_t)l.high + SLACK;
  l.made = mid_row * (size_t)l.band + SLACK;
  l.back = mid_row * (size_t)l.low;
  l.finished = in_row * (size_t)l.step + SLACK;
  return l;
}

static size_t floats_of(const layout *l) { return l->expanded + l->made + l->back + l->finished; }

static layout layout_of(const wk_mbconv *f) {
  layout l = with_band(f, 1);
  while (l.band < f->out_h) {
    const layout more = with_band(f, l.band + 1);
    if (more.high > MAX_ROWS || floats_of(&more) > BUDGET)
      break;
    l = more;
  }
  return l;
}

wk_mbconv_back_sizes WK_ISA_FN(wk_mbconv_back_shape)(const wk_mbconv *f) {
  const layout l = layout_of(f);
  return (wk_mbconv_back_sizes){.rows = f->batch * f->in_h,
                                .scratch = floats_of(&l) + WK_ISA_FN(wk_gemm_shape)().scratch};
}

/* One image on its way. */
typedef struct work {
  const wk_mbconv_back *b;
  layout l;
  int image;
  float *expanded, *made, *back, *finished, *rest;
} work;

static const float *expanded_row(const work *w, int y) {
  const wk_mbconv *f = &w->b->f;
  if (y < 0 || y >= f->in_h)
    return NULL;
  return f->expand ? w->expanded + (ptrdiff_t)(y % w->l.high) * f->in_w * f->mid_c
                   : f->in + ((ptrdiff_t)w->image * f->in_h + y) * f->in_w * f->in_c;
}

static float *back_row(const work *w, int o) {
  return w->back + (ptrdiff_t)(o % w->l.low) * w->b->f.out_w * w->b->f.mid_c;
}

static void apply_slope(float *g, const float *y, ptrdiff_t n, wk_act act) {
  const vec limit = slope_limit(act);
  ptrdiff_t i = 0;
  for (; i + WK_VL <= n; i += WK_VL)
    vec_store(g + i, slope_apply(limit, vec_load(g + i), vec_load(y + i)));
  if (i < n) {
    const int have = (int)(n - i);
    vec_store_part(g + i, slope_apply(limit, vec_load_part(g + i, have), vec_load_part(y + i, have)), have);
  }
}

/* Rows o0..o1-1 of the depthwise output's gradient, for which the output itself is made again. */
static void through_projection(const work *w, int o0, int o1) {
  const wk_mbconv *f = &w->b->f;
  const wk_depthwise d = wk_mbconv_depthwise(f);
  const ptrdiff_t line = (ptrdiff_t)f->out_w * f->mid_c;
  const float *from[MAX_ROWS + WK_DEPTHWISE_MAX];
  for (int i = 0; i < (o1 - o0 - 1) * f->stride + f->kernel; i++)
    from[i] = expanded_row(w, o0 * f->stride - f->pad_top + i);
  const int together = f->expand ? o1 - o0 : 1; /* what comes from beyond the caches is read in whole rows */
  for (int o = 0; o < o1 - o0; o += together)
    WK_ISA_FN(wk_depthwise_rows)(&d, w->made + o * line, from + o * f->stride, together, 0, f->mid_c);
  for (int o = o0; o < o1;) {
    const int slot = o % w->l.low, rows = o1 - o < w->l.low - slot ? o1 - o : w->l.low - slot;
    const wk_gemm g = {.m = rows * f->out_w,
                       .n = f->mid_c,
                       .k = f->out_c,
                       .a = w->b->dy + ((ptrdiff_t)w->image * f->out_h + o) * f->out_w * f->out_c,
                       .lda = f->out_c,
                       .b = w->b->project_data,
                       .c = back_row(w, o),
                       .ldc = f->mid_c};
    WK_ISA_FN(wk_gemm)(&g, 0, g.m, 0, g.n, w->rest);
    if (f->depthwise_act != WK_ACT_NONE)
      apply_slope(g.c, w->made + (o - o0) * line, rows * line, f->depthwise_act);
    o += rows;
  }
}

/* dw [m][mid_c] += the outer products of `count` pixels of a [m] and of expanded channels. */
static void add_products(const work *w, float *dw, const float *a, int m, const float *channels, int count) {
  const int mid = w->b->f.mid_c, most = DEPTH_FLOATS / mid > 8 ? DEPTH_FLOATS / mid : 8;
  for (int p = 0; p < count; p += most) {
    const wk_outer_product o = {.m = m,
                                .n = mid,
                                .depth = count - p < most ? count - p : most,
                                .a = a + (ptrdiff_t)p * m,
                                .lda = m,
                                .b = channels + (ptrdiff_t)p * mid,
                                .ldb = mid,
                                .panel = 2 * WK_VL,
                                .c = dw,
                                .ldc = mid,
                                .add = true};
    WK_ISA_FN(wk_outer)(&o);
  }
}

static wk_depthwise_back depthwise_back(const wk_mbconv *f) {
  return (wk_depthwise_back){.in_w = f->in_w,
                             .channels = f->mid_c,
                             .out_w = f->out_w,
                             .kernel_h = f->kernel,
                             .kernel_w = f->kernel,
                             .stride = f->stride,
                             .pad_left = f->pad_left,
                             .weights = f->depthwise};
}

/* What rows o0..o1-1 give to the weights of the projection and of the depthwise convolution. */
static void add_weights(const work *w, int o0, int o1) {
  const wk_mbconv_back *b = w->b;
  const wk_mbconv *f = &b->f;
  if (b->dw_project) {
    const float *dy = b->dy + ((ptrdiff_t)w->image * f->out_h + o0) * f->out_w * f->out_c;
    add_products(w, b->dw_project, dy, f->out_c, w->made, (o1 - o0) * f->out_w);
    WK_ISA_FN(wk_outer_bias)(b->db_project, dy, (o1 - o0) * f->out_w, f->out_c);
  }
  if (b->dw_depthwise) {
    wk_depthwise_back d = depthwise_back(f);
    d.dw = b->dw_depthwise, d.db = b->db_depthwise;
    const float *x[MAX_ROWS + WK_DEPTHWISE_MAX], *dy[MAX_ROWS];
    for (int i = 0; i < (o1 - o0 - 1) * f->stride + f->kernel; i++)
      x[i] = expanded_row(w, o0 * f->stride - f->pad_top + i);
    for (int o = o0; o < o1; o++)
      dy[o - o0] = back_row(w, o);
    WK_ISA_FN(wk_depthwise_weights_rows)(&d, x, dy, o1 - o0);
  }
}

/* Rows y0..y1-1 of input, to which no row of outputs from `end` on gives anything any more. */
static void finish_rows(const work *w, int y0, int y1, int end) {
  const wk_mbconv_back *b = w->b;
  const wk_mbconv *f = &b->f;
  const bool expand = f->expand;
  const ptrdiff_t at = ((ptrdiff_t)w->image * f->in_h + y0) * f->in_w * f->in_c, line = (ptrdiff_t)f->in_w * f->mid_c;
  wk_depthwise_back d = depthwise_back(f);
  d.accumulate = !expand && b->accumulate, d.mask_act = expand ? f->expand_act : b->mask_act;
  for (int y = y0; y < y1; y++) {
    const float *rows[WK_DEPTHWISE_MAX];
    for (int ky = 0; ky < f->kernel; ky++) {
      const int o = y + f->pad_top - ky;
      rows[ky] = o < 0 || o % f->stride || o / f->stride >= end ? NULL : back_row(w, o / f->stride);
    }
    const ptrdiff_t row = at + (y - y0) * line; /* of dx, where nothing is expanded */
    if (expand)
      WK_ISA_FN(wk_depthwise_data_row)
    (&d, w->finished + (y - y0) * line, f->expand_act == WK_ACT_NONE ? NULL : expanded_row(w, y), rows);
    else WK_ISA_FN(wk_depthwise_data_row)(&d, b->dx + row, b->mask ? b->mask + row : NULL, rows);
  }
  if (!expand)
    return;
  const int pixels = (y1 - y0) * f->in_w;
  if (b->dw_expand) {
    add_products(w, b->dw_expand, f->in + at, f->in_c, w->finished, pixels);
    WK_ISA_FN(wk_outer_bias)(b->db_expand, w->finished, pixels, f->mid_c);
  }
  if (!b->dx)
    return;
  const wk_gemm g = {.m = pixels,
                     .n = f->in_c,
                     .k = f->mid_c,
                     .a = w->finished,
                     .lda = f->mid_c,
                     .b = b->expand_data,
                     .c = b->dx + at,
                     .ldc = f->in_c,
                     .add = b->accumulate ? b->dx + at
                            : b->add      ? b->add + at
                                          : NULL,
                     .ldadd = f->in_c};
  WK_ISA_FN(wk_gemm)(&g, 0, g.m, 0, g.n, w->rest);
  if (b->mask)
    apply_slope(b->dx + at, b->mask + at, (ptrdiff_t)pixels * f->in_c, b->mask_act);
}

/* Input rows y0..y1-1 of an image. */
static void image_rows(const work *w, int y0, int y1) {
  const wk_mbconv *f = &w->b->f;
  const int reach = y0 + f->pad_top - f->kernel + 1; /* of the first output row that meets y0 */
  int o = reach <= 0 ? 0 : (reach + f->stride - 1) / f->stride;
  const int last = (y1 - 1 + f->pad_top) / f->stride + 1, stop = y1 == f->in_h || last > f->out_h ? f->out_h : last;
  const bool wanted = w->b->dx || w->b->dw_expand;
  int done = y0, ready = 0;
  do {
    const int next = stop - o < w->l.band ? stop : o + w->l.band;
    int end = next == stop ? y1 : next * f->stride - f->pad_top; /* input rows that are complete then */
    end = end > y1 ? y1 : end < done ? done : end;
    const int first = o * f->stride - f->pad_top, need = (next - 1) * f->stride - f->pad_top + f->kernel;
    const int until = need > f->in_h ? f->in_h : need < end ? end : need;
    if (ready < first)
      ready = first;
    if (f->expand && ready < until)
      WK_ISA_FN(wk_mbconv_expand)(f, w->image, ready, until, w->expanded, w->l.high, w->rest);
    ready = ready < until ? until : ready;
    if (next > o) {
      through_projection(w, o, next);
      add_weights(w, o, next);
    }
    for (; done < end; done = end - done < w->l.step ? end : done + w->l.step)
      if (wanted)
        finish_rows(w, done, end - done < w->l.step ? end : done + w->l.step, next);
    o = next;
  } while (done < y1);
}

static void clear(float *dw, size_t floats, float *db, int channels) {
  if (!dw)
    return;
  memset(dw, 0, floats * sizeof *dw);
  memset(db, 0, (size_t)channels * sizeof *db);
}

void WK_ISA_FN(wk_mbconv_back)(const wk_mbconv_back *b, int row0, int row1, float *scratch) {
  const wk_mbconv *f = &b->f;
  const size_t mid = (size_t)f->mid_c;
  work w = {.b = b, .l = layout_of(f), .expanded = scratch};
  w.made = w.expanded + w.l.expanded;
  w.back = w.made + w.l.made;
  w.finished = w.back + w.l.back;
  w.rest = w.finished + w.l.finished;
  clear(b->dw_expand, mid * (size_t)f->in_c, b->db_expand, f->mid_c);
  clear(b->dw_depthwise, mid * (size_t)(f->kernel * f->kernel), b->db_depthwise, f->mid_c);
  clear(b->dw_project, mid * (size_t)f->out_c, b->db_project, f->out_c);
  for (int row = row0; row < row1;) {
    w.image = row / f->in_h;
    const int y0 = row % f->in_h, y1 = f->in_h - y0 < row1 - row ? f->in_h : y0 + row1 - row;
    image_rows(&w, y0, y1);
    row += y1 - y0;
  }
}

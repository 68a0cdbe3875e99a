/* conv_grouped.c - convolutions with groups, of any stride, padding and dilation, and the gradients of their inputs.
 *
 * A band of rows of some groups' inputs is packed with zeros around it, so that no tap needs a test and what the sums
 * read lies together in the nearest caches. Then some neighbouring results by some vectors of channels stay in
 * registers over all taps and inputs: one chain of sums each, whatever the band or the range. */
#include "nn/kernels/f32/conv_grouped.h"

#include "nn/kernels/f32/slope.h"
#include "nn/kernels/vec.h"

#define BAND_FLOATS (16 << 10) /* of packed inputs */
#define BLOCK_CHANNELS 16      /* least inputs of a block: whole cache lines of them */

/* Results by vectors that registers hold. */
#if WK_VL == 16
#define ROWS_1 14
#define ROWS_2 14
#define MAX_VECTORS 2
#else
#define ROWS_1 12
#define ROWS_2 6
#define ROWS_3 4
#define MAX_VECTORS 3
#endif

/* ---- the layout ----------------------------------------------------------------------------------- */

static int least(int a, int b) { return a < b ? a : b; }

static int height_of(const wk_grouped_side *y, int rows) {
  return y->taps ? (rows - 1) * y->step + (y->taps - 1) * y->gap + 1 : 0;
}

wk_grouped_layout WK_ISA_FN(wk_grouped_layout_of)(const wk_grouped_view *v) {
  wk_grouped_layout l = {.depth = v->in_c / v->groups, .each = v->out_c / v->groups};
  l.spread = l.depth == l.each && l.depth < WK_VL && WK_VL % l.depth == 0;
  l.block_groups = l.spread                    ? WK_VL / l.depth
                   : l.depth >= BLOCK_CHANNELS ? 1
                                               : (BLOCK_CHANNELS + l.depth - 1) / l.depth;
  l.block_groups = least(l.block_groups, l.spread ? l.block_groups : v->groups);
  l.blocks = (v->groups + l.block_groups - 1) / l.block_groups;
  l.vectors = l.spread ? 1 : (l.each + WK_VL - 1) / WK_VL;
  l.pixel = l.spread ? l.depth * WK_VL : l.depth * l.block_groups;
  l.line = height_of(&v->x, v->x.count);
  const int64_t row = (int64_t)l.line * l.pixel;
  l.band = 1;
  while (l.band < v->y.count && row * height_of(&v->y, l.band + 1) <= BAND_FLOATS)
    l.band++;
  l.height = height_of(&v->y, l.band);
  l.block_weights = (size_t)v->y.taps * (size_t)v->x.taps * (size_t)l.depth * (size_t)(l.vectors * WK_VL) *
                    (size_t)(l.spread ? 1 : l.block_groups);
  return l;
}

/* ---- packing inputs ------------------------------------------------------------------------------- */

static void copy_pixels(float *to, const float *from, int pixels, int channels, ptrdiff_t ld, int pixel) {
  for (int p = 0; p < pixels; p++, from += ld, to += pixel) {
    int ch = 0;
    for (; ch + WK_VL <= channels; ch += WK_VL)
      vec_store(to + ch, vec_load(from + ch));
    if (ch < channels)
      vec_store_part(to + ch, vec_load_part(from + ch, channels - ch), channels - ch);
  }
}

/* One vector for each input of a group: in every lane that of the lane's group. `depth` is a constant. */
WK_INLINE void spread_pixels(float *to, const float *from, int pixels, int channels, ptrdiff_t ld, int depth) {
  vec_index at[WK_VL];
  for (int i = 0; i < depth; i++) {
    int32_t lane[WK_VL];
    for (int k = 0; k < WK_VL; k++)
      lane[k] = k / depth * depth + i;
    memcpy(&at[i], lane, sizeof at[i]);
  }
  for (int p = 0; p < pixels; p++, from += ld, to += depth * WK_VL) {
    const vec x = channels >= WK_VL ? vec_load(from) : vec_load_part(from, channels);
    WK_UNROLL
    for (int i = 0; i < depth; i++)
      vec_store(to + i * WK_VL, depth == 1 ? x : vec_pick(x, at[i]));
  }
}

static void pack_pixels(float *to, const float *from, int pixels, int channels, ptrdiff_t ld,
                        const wk_grouped_layout *l) {
  if (!l->spread)
    copy_pixels(to, from, pixels, channels, ld, l->pixel);
  else if (l->depth == 1)
    spread_pixels(to, from, pixels, channels, ld, 1);
  else if (l->depth == 2)
    spread_pixels(to, from, pixels, channels, ld, 2);
#if WK_VL > 4
  else if (l->depth == 4)
    spread_pixels(to, from, pixels, channels, ld, 4);
#endif
#if WK_VL > 8
  else
    spread_pixels(to, from, pixels, channels, ld, 8);
#endif
}

void WK_ISA_FN(wk_grouped_pack_band)(float *to, const wk_grouped_view *v, const wk_grouped_layout *l, const float *in,
                                     int image, int block, int q0, int rows) {
  const wk_grouped_side *y = &v->y, *x = &v->x;
  const int height = height_of(y, rows), ch = block * l->block_groups * l->depth,
            channels = least(l->block_groups * l->depth, v->in_c - ch);
  const int before = x->first >= 0 ? 0 : least(-x->first, l->line), from = x->first < 0 ? 0 : x->first,
            there = from < x->in ? least(l->line - before, x->in - from) : 0;
  const size_t pixel = (size_t)l->pixel * sizeof *to;
  for (int k = 0; k < height; k++, to += (ptrdiff_t)l->line * l->pixel) {
    const int iy = y->first + q0 * y->step + k;
    if (y->taps == 1 && k % y->step) /* no result reads it */
      continue;
    if (iy < 0 || iy >= y->in) {
      memset(to, 0, (size_t)l->line * pixel);
      continue;
    }
    memset(to, 0, (size_t)before * pixel);
    pack_pixels(to + (ptrdiff_t)before * l->pixel, in + (((ptrdiff_t)image * y->in + iy) * x->in + from) * v->in_c + ch,
                there, channels, v->in_c, l);
    memset(to + (ptrdiff_t)(before + there) * l->pixel, 0, (size_t)(l->line - before - there) * pixel);
  }
}

/* ---- packing weights ------------------------------------------------------------------------------ */

/* Vectors of a group that are made together, where so many are left. */
static int together(int left) { return left == 3 ? MAX_VECTORS : left > 1 ? 2 : 1; }

/* Goes through the packed weights, [block][group][vectors made together][tap][input][lane], and those of outputs
 * first..last-1 in PyTorch's layout beside them: takes them from there, or gives them back. */
WK_INLINE void each_weight(float *packed, float *w, const wk_conv *c, const wk_grouped_view *v, int first, int last,
                           bool back) {
  const wk_grouped_layout l = WK_ISA_FN(wk_grouped_layout_of)(v);
  const ptrdiff_t taps = (ptrdiff_t)c->kernel_h * c->kernel_w, step = v->back ? l.each * taps : taps;
  const int outs = l.spread ? l.block_groups * l.each : l.each, groups = l.spread ? l.blocks : v->groups;
  for (int g = 0; g < groups; g++)
    for (int n = 0, many; n < l.vectors; n += many) {
      many = together(l.vectors - n);
      ptrdiff_t at[MAX_VECTORS * WK_VL]; /* of each lane's first weight; -1: none */
      for (int k = 0; k < many * WK_VL; k++) {
        const int lane = n * WK_VL + k, out = g * outs + lane;
        const bool there = lane < outs && out < v->out_c && out >= first && out < last;
        at[k] = !there    ? -1
                : v->back ? ((ptrdiff_t)(out / l.each) * l.depth * l.each + out % l.each) * taps
                          : (ptrdiff_t)out * l.depth * taps;
      }
      for (int ty = 0; ty < v->y.taps; ty++)
        for (int tx = 0; tx < v->x.taps; tx++) {
          const ptrdiff_t tap =
              (ptrdiff_t)(v->y.tap + ty * v->y.tap_step) * c->kernel_w + v->x.tap + tx * v->x.tap_step;
          for (int i = 0; i < l.depth; i++, packed += many * WK_VL)
            for (int k = 0; k < many * WK_VL; k++)
              if (!back)
                packed[k] = at[k] < 0 ? 0 : w[at[k] + i * step + tap];
              else if (at[k] >= 0)
                w[at[k] + i * step + tap] = packed[k];
        }
    }
}

void WK_ISA_FN(wk_grouped_pack)(float *packed, const float *w, const wk_conv *c) {
  const wk_grouped_view v = wk_grouped_forward(c);
  each_weight(packed, (float *)w, c, &v, 0, v.out_c, false);
}

void WK_ISA_FN(wk_grouped_unpack)(float *w, const float *packed, const wk_conv *c, int first, int last) {
  const wk_grouped_view v = wk_grouped_forward(c);
  each_weight((float *)packed, w, c, &v, first, last, true);
}

/* ---- the sums ------------------------------------------------------------------------------------- */

typedef struct tile {
  const float *a;               /* what the first tap of the first result reads */
  ptrdiff_t pixel, row, column; /* floats from result to result, and from tap to tap */
  int taps_y, taps_x, depth;
  const float *w;
  float *c;
  const float *add, *mask, *bias; /* add and mask are like c */
  ptrdiff_t ldc;
  int cols; /* that exist, of the vectors */
  float low, high;
  wk_act mask_act;
} tile;

WK_INLINE vec load(const float *p, int have) { return have >= WK_VL ? vec_load(p) : vec_load_part(p, have); }

WK_INLINE void finish(const tile *t, const vec *acc, int rows, int vectors) {
  const vec low = vec_set(t->low), high = vec_set(t->high), limit = slope_limit(t->mask_act);
  WK_UNROLL
  for (int v = 0; v < vectors; v++) {
    const int have = t->cols - v * WK_VL;
    if (have <= 0)
      continue;
    const vec bias = t->bias ? load(t->bias + v * WK_VL, have) : vec_zero();
    WK_UNROLL
    for (int r = 0; r < rows; r++) {
      const ptrdiff_t at = r * t->ldc + v * WK_VL;
      vec x = acc[r * vectors + v] + bias;
      if (t->add)
        x = load(t->add + at, have) + x;
      x = vec_min(high, vec_max(low, x));
      if (t->mask)
        x = slope_apply(limit, x, load(t->mask + at, have));
      if (have >= WK_VL)
        vec_store(t->c + at, x);
      else
        vec_store_part(t->c + at, x, have);
    }
  }
}

/* `rows`, `vectors` and `spread` are constants where this is inlined. */
WK_INLINE void sums(const tile *t, int rows, int vectors, bool spread) {
  vec acc[ROWS_1 * 2];
  WK_UNROLL
  for (int i = 0; i < rows * vectors; i++)
    acc[i] = vec_zero();
  const ptrdiff_t pixel = t->pixel;
  const float *w = t->w;
  for (int ty = 0; ty < t->taps_y; ty++)
    for (int tx = 0; tx < t->taps_x; tx++) {
      const float *a = t->a + ty * t->row + tx * t->column;
      for (int i = 0; i < t->depth; i++, a += spread ? WK_VL : 1, w += vectors * WK_VL) {
        vec b[3];
        WK_UNROLL
        for (int v = 0; v < vectors; v++)
          b[v] = vec_load(w + v * WK_VL);
        WK_UNROLL
        for (int r = 0; r < rows; r++) {
          const vec x = spread ? vec_load(a + r * pixel) : vec_set(a[r * pixel]);
          WK_UNROLL
          for (int v = 0; v < vectors; v++)
            acc[r * vectors + v] = vec_fma(x, b[v], acc[r * vectors + v]);
        }
      }
    }
  finish(t, acc, rows, vectors);
}

typedef void (*sums_fn)(const tile *t);

#define SUMS(rows, vectors)                                                                                            \
  static void sums_##rows##_##vectors(const tile *t) { sums(t, rows, vectors, false); }
#define ONE(rows)                                                                                                      \
  SUMS(rows, 1)                                                                                                        \
  static void spread_##rows(const tile *t) { sums(t, rows, 1, true); }
ONE(1)
ONE(2)
ONE(3)
ONE(4)
ONE(5)
ONE(6)
ONE(7)
ONE(8)
ONE(9)
ONE(10)
ONE(11)
ONE(12)
SUMS(1, 2)
SUMS(2, 2)
SUMS(3, 2)
SUMS(4, 2)
SUMS(5, 2)
SUMS(6, 2)
#if WK_VL == 16
ONE(13)
ONE(14)
SUMS(7, 2)
SUMS(8, 2)
SUMS(9, 2)
SUMS(10, 2)
SUMS(11, 2)
SUMS(12, 2)
SUMS(13, 2)
SUMS(14, 2)
static const sums_fn spread[ROWS_1] = {spread_1, spread_2, spread_3,  spread_4,  spread_5,  spread_6,  spread_7,
                                       spread_8, spread_9, spread_10, spread_11, spread_12, spread_13, spread_14};
static const sums_fn of_1[ROWS_1] = {sums_1_1, sums_2_1, sums_3_1,  sums_4_1,  sums_5_1,  sums_6_1,  sums_7_1,
                                     sums_8_1, sums_9_1, sums_10_1, sums_11_1, sums_12_1, sums_13_1, sums_14_1};
static const sums_fn of_2[ROWS_2] = {sums_1_2, sums_2_2, sums_3_2,  sums_4_2,  sums_5_2,  sums_6_2,  sums_7_2,
                                     sums_8_2, sums_9_2, sums_10_2, sums_11_2, sums_12_2, sums_13_2, sums_14_2};
#else
SUMS(1, 3)
SUMS(2, 3)
SUMS(3, 3)
SUMS(4, 3)
static const sums_fn spread[ROWS_1] = {spread_1, spread_2, spread_3, spread_4,  spread_5,  spread_6,
                                       spread_7, spread_8, spread_9, spread_10, spread_11, spread_12};
static const sums_fn of_1[ROWS_1] = {sums_1_1, sums_2_1, sums_3_1, sums_4_1,  sums_5_1,  sums_6_1,
                                     sums_7_1, sums_8_1, sums_9_1, sums_10_1, sums_11_1, sums_12_1};
static const sums_fn of_2[ROWS_2] = {sums_1_2, sums_2_2, sums_3_2, sums_4_2, sums_5_2, sums_6_2};
static const sums_fn of_3[ROWS_3] = {sums_1_3, sums_2_3, sums_3_3, sums_4_3};
#endif

static const sums_fn *sums_of(int vectors, bool spreads, int *most) {
  *most = vectors == 1 ? ROWS_1 : ROWS_2;
#if MAX_VECTORS == 3
  if (vectors == 3) {
    *most = ROWS_3;
    return of_3;
  }
#endif
  return vectors == 2 ? of_2 : spreads ? spread : of_1;
}

/* What goes beside the sums. */
typedef struct ends {
  float *c;
  const float *bias, *add, *mask;
  wk_act act, mask_act;
} ends;

/* Rows q0..q0+rows-1 of results, of one block of channels, whose inputs are packed. */
static void band_run(const wk_grouped_view *v, const wk_grouped_layout *l, const ends *e, const float *packed,
                     const float *weights, int image, int block, int q0, int rows) {
  const int outs = l->spread ? l->block_groups * l->each : l->each,
            groups = l->spread ? 1 : least(l->block_groups, v->groups - block * l->block_groups);
  const ptrdiff_t line = (ptrdiff_t)l->line * l->pixel;
  tile t = {.pixel = (ptrdiff_t)v->x.step * l->pixel,
            .row = v->y.gap * line,
            .column = (ptrdiff_t)v->x.gap * l->pixel,
            .taps_y = v->y.taps,
            .taps_x = v->x.taps,
            .depth = l->depth,
            .w = weights,
            .ldc = (ptrdiff_t)v->x.stride * v->out_c,
            .low = e->act == WK_ACT_NONE ? -__builtin_inff() : 0,
            .high = e->act == WK_ACT_RELU6 ? 6 : __builtin_inff(),
            .mask_act = e->mask_act};
  for (int g = 0; g < groups; g++)
    for (int n = 0, many; n < l->vectors; n += many) {
      many = together(l->vectors - n);
      int most;
      const sums_fn *run = sums_of(many, l->spread, &most);
      const int first = n * WK_VL, ch = (block * l->block_groups + g) * l->each + first, width = v->x.count,
                strips = (width + most - 1) / most;
      t.cols = least(least(outs - first, many * WK_VL), v->out_c - ch);
      t.bias = e->bias ? e->bias + ch : NULL;
      for (int q = 0; q < rows; q++) {
        const float *a = packed + q * v->y.step * line + (l->spread ? 0 : g * l->depth);
        const ptrdiff_t at =
            (((ptrdiff_t)image * v->out_h + v->y.place + (q0 + q) * v->y.stride) * v->out_w + v->x.place) * v->out_c +
            ch;
        for (int s = 0; s < strips; s++) {
          const int x = (int)((int64_t)width * s / strips), end = (int)((int64_t)width * (s + 1) / strips);
          const ptrdiff_t to = at + x * t.ldc;
          t.a = a + x * t.pixel;
          t.c = e->c + to;
          t.add = e->add ? e->add + to : NULL;
          t.mask = e->mask ? e->mask + to : NULL;
          run[end - x - 1](&t);
        }
      }
      t.w += (ptrdiff_t)t.taps_y * t.taps_x * t.depth * many * WK_VL;
    }
}

/* Units unit0..unit1-1: a row of results of one block of channels each, block by block. */
static void units_run(const wk_grouped_view *v, const wk_grouped_layout *l, const ends *e, const float *in,
                      const float *weights, int64_t unit0, int64_t unit1, float *scratch) {
  const int all = v->batch * v->y.count;
  for (int64_t u = unit0; u < unit1;) {
    const int block = (int)(u / all), image = (int)(u % all) / v->y.count, q0 = (int)(u % all) % v->y.count;
    const int rows = (int)(unit1 - u < v->y.count - q0 ? unit1 - u : v->y.count - q0);
    for (int q = 0; q < rows; q += l->band) {
      const int some = least(l->band, rows - q);
      if (v->x.taps)
        WK_ISA_FN(wk_grouped_pack_band)(scratch, v, l, in, image, block, q0 + q, some);
      band_run(v, l, e, scratch, weights + (ptrdiff_t)block * (ptrdiff_t)l->block_weights, image, block, q0 + q, some);
    }
    u += rows;
  }
}

static size_t band_floats(const wk_grouped_layout *l) { return (size_t)l->height * (size_t)l->line * (size_t)l->pixel; }

/* ---- the convolution and the gradient of its input ------------------------------------------------ */

static int divisor(int a, int b) { return b ? divisor(b, a % b) : a; }

/* Padded place u = stride * q + r meets output q + d by tap k where r - k * dilation = stride * d. */
static wk_grouped_side side_back(int in, int out, int kernel, int stride, int dilation, int pad, int r) {
  const int q0 = pad <= r ? 0 : (pad - r + stride - 1) / stride, last = in - 1 + pad - r;
  wk_grouped_side s = {.in = out,
                       .count = last < q0 * stride ? 0 : last / stride - q0 + 1,
                       .place = q0 * stride + r - pad,
                       .stride = stride,
                       .first = q0,
                       .step = 1};
  const int step = stride / divisor(stride, dilation);
  int k = 0; /* the first tap that meets it; all do that are `step` apart */
  while (k < step && (r - k * dilation) % stride)
    k++;
  if (k == step || k >= kernel)
    return s;
  s.taps = (kernel - 1 - k) / step + 1;
  s.tap = k + (s.taps - 1) * step;
  s.tap_step = -step;
  s.gap = step * dilation / stride;
  s.first = q0 + (r - s.tap * dilation) / stride; /* exact */
  return s;
}

static wk_grouped_view view_back(const wk_conv *c, int phase) {
  return (wk_grouped_view){
      .y = side_back(c->in_h, c->out_h, c->kernel_h, c->stride_h, c->dilation_h, c->pad_top, phase / c->stride_w),
      .x = side_back(c->in_w, c->out_w, c->kernel_w, c->stride_w, c->dilation_w, c->pad_left, phase % c->stride_w),
      .batch = c->batch,
      .groups = c->groups,
      .in_c = c->out_c,
      .out_c = c->in_c,
      .out_h = c->in_h,
      .out_w = c->in_w,
      .back = true};
}

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

wk_grouped_sizes WK_ISA_FN(wk_grouped_shape)(const wk_conv *c) {
  const wk_grouped_view v = wk_grouped_forward(c);
  const wk_grouped_layout l = WK_ISA_FN(wk_grouped_layout_of)(&v);
  wk_grouped_sizes s = {.blocks = l.blocks,
                        .channels = l.block_groups * l.each,
                        .units = l.blocks * c->batch * c->out_h,
                        .packed = l.block_weights * (size_t)l.blocks,
                        .scratch = band_floats(&l),
                        .weights_scratch = band_floats(&l) + (size_t)l.band * (size_t)c->out_w *
                                                                 (size_t)wk_grouped_gradient_floats(&l, WK_VL)};
  for (int i = 0; i < c->stride_h * c->stride_w; i++) {
    const wk_grouped_view b = view_back(c, i);
    const wk_grouped_layout k = WK_ISA_FN(wk_grouped_layout_of)(&b);
    s.data_units = k.blocks * c->batch * ((c->in_h + c->stride_h - 1) / c->stride_h);
    s.data_packed += k.block_weights * (size_t)k.blocks;
    s.data_scratch = larger(s.data_scratch, band_floats(&k));
  }
  return s;
}

void WK_ISA_FN(wk_grouped)(const wk_conv *c, int unit0, int unit1, float *scratch) {
  const wk_grouped_view v = wk_grouped_forward(c);
  const wk_grouped_layout l = WK_ISA_FN(wk_grouped_layout_of)(&v);
  const ends e = {.c = c->out, .bias = c->bias, .add = c->add, .act = c->act};
  units_run(&v, &l, &e, c->in, c->weights, unit0, unit1, scratch);
}

void WK_ISA_FN(wk_grouped_data_pack)(float *packed, const float *w, const wk_conv *c) {
  for (int i = 0; i < c->stride_h * c->stride_w; i++) {
    const wk_grouped_view v = view_back(c, i);
    const wk_grouped_layout l = WK_ISA_FN(wk_grouped_layout_of)(&v);
    each_weight(packed, (float *)w, c, &v, 0, v.out_c, false);
    packed += l.block_weights * (size_t)l.blocks;
  }
}

void WK_ISA_FN(wk_grouped_data)(const wk_conv_back *b, int unit0, int unit1, float *scratch) {
  const wk_conv *c = &b->conv;
  const ends e = {.c = b->dx, .add = b->accumulate ? b->dx : NULL, .mask = b->mask, .mask_act = b->mask_act};
  const float *weights = b->weights;
  for (int i = 0; i < c->stride_h * c->stride_w; i++) {
    const wk_grouped_view v = view_back(c, i);
    const wk_grouped_layout l = WK_ISA_FN(wk_grouped_layout_of)(&v);
    const int64_t units = (int64_t)l.blocks * c->batch * ((c->in_h + c->stride_h - 1) / c->stride_h),
                  own =
                      v.x.count ? (int64_t)l.blocks * c->batch * v.y.count : 0; /* its share of them is cut likewise */
    units_run(&v, &l, &e, b->dy, weights, own * unit0 / units, own * unit1 / units, scratch);
    weights += l.block_weights * (size_t)l.blocks;
  }
}

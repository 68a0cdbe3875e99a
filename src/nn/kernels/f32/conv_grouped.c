/* conv_grouped.c - convolutions with groups, of any stride, padding and dilation, and the gradients of their inputs.
 *
 * Inputs are packed a band of rows at a time (conv_grouped_layout.c). Then some neighbouring results by some vectors of
 * channels stay in registers over all taps and inputs: one chain of sums each, whatever the band or the range. Where
 * the taps of a row of the kernel are next to each other, an input is loaded once for all of them. */
#include "nn/kernels/f32/conv_grouped.h"

#include "nn/kernels/f32/group_spread.h"
#include "nn/kernels/f32/slope.h"
#include "nn/kernels/vec.h"

/* Results that registers hold, of 1, 2 and 3 vectors; near: with the weights of three taps. */
#if WK_VL == 16
#define ROWS_1 14
#define ROWS_NEAR 14
#define ROWS_2 14
#else
#define ROWS_1 12
#define ROWS_NEAR 11
#define ROWS_2 6
#endif
#define ROWS_3 4
#define NEAR_WEIGHTS (4 << 10) /* floats of those of all places of a group that stay in L1 from row to row */

static int least(int a, int b) { return a < b ? a : b; }

/* ---- the sums ------------------------------------------------------------------------------------- */

typedef struct phase phase;

typedef struct tile {
  const float *a; /* what the first tap of the first result reads */
  const float *w, *bias;
  float *c;
  const float *add, *mask; /* like c */
  int cols;                /* that exist, of the vectors */
} tile;

typedef void (*sums_fn)(const phase *f, const tile *t);

/* A row of results in pieces, by one function a size. */
typedef struct pieces {
  const sums_fn *sums;     /* of 1, 2, ... results */
  int count, size, larger; /* the first `larger` have one result more */
} pieces;

/* The results of one place modulo the stride of what is written; a forward convolution has only one. */
struct phase {
  int rows, width;              /* of results */
  ptrdiff_t from;               /* floats from the first packed input to what the first tap of the first result reads */
  ptrdiff_t pixel, row, column; /* floats of packed inputs from result to result, and from tap to tap */
  ptrdiff_t q;                  /* from a row of results to the next */
  int taps_y, taps_x, depth;
  ptrdiff_t to, ldc, line; /* floats of what is written: to the first result, from result to result, row to row */
  const float *w;          /* of the first block */
  size_t block_weights;
  pieces pieces[WK_GROUPED_MOST]; /* for 1, 2 and 3 vectors */
  float low, high;
  wk_act mask_act;
};

WK_INLINE vec load(const float *p, int have) { return have >= WK_VL ? vec_load(p) : vec_load_part(p, have); }

/* The way of the few: fewer channels than vectors, something to be added, a slope. */
static __attribute__((noinline)) void finish_any(const phase *f, const tile *t, const float *acc, int rows,
                                                 int vectors) {
  const vec low = vec_set(f->low), high = vec_set(f->high), limit = slope_limit(f->mask_act);
  for (int v = 0; v < vectors; v++) {
    const int have = t->cols - v * WK_VL;
    if (have <= 0)
      continue;
    const vec bias = t->bias ? load(t->bias + v * WK_VL, have) : vec_zero();
    for (int r = 0; r < rows; r++) {
      const ptrdiff_t at = r * f->ldc + v * WK_VL;
      vec x = vec_load(acc + (r * vectors + v) * WK_VL) + bias;
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

WK_INLINE void finish(const phase *f, const tile *t, const vec *acc, int rows, int vectors) {
  if (t->add || t->mask || t->cols < vectors * WK_VL) {
    float kept[ROWS_1 * 2 * WK_VL];
    WK_UNROLL
    for (int i = 0; i < rows * vectors; i++)
      vec_store(kept + i * WK_VL, acc[i]);
    finish_any(f, t, kept, rows, vectors);
    return;
  }
  const vec low = vec_set(f->low), high = vec_set(f->high);
  float *c = t->c;
  const ptrdiff_t ldc = f->ldc;
  WK_UNROLL
  for (int r = 0; r < rows; r++, c += ldc) {
    WK_UNROLL
    for (int v = 0; v < vectors; v++) {
      const vec bias = t->bias ? vec_load(t->bias + v * WK_VL) : vec_zero();
      vec_store(c + v * WK_VL, vec_min(high, vec_max(low, acc[r * vectors + v] + bias)));
    }
  }
}

/* What one input of every group adds to the sums. All but the pointers are constants where this is inlined. */
WK_INLINE void input(vec *acc, const float *a, ptrdiff_t pixel, const float *w, ptrdiff_t tap, int i, int rows,
                     int vectors, int taps, int step, int spread) {
  vec b[3];
  WK_UNROLL
  for (int k = 0; k < taps; k++) {
    WK_UNROLL
    for (int v = 0; v < vectors; v++)
      b[k * vectors + v] = vec_load(w + k * tap + v * WK_VL);
  }
  WK_UNROLL
  for (int p = 0; p < (rows - 1) * step + taps; p++) {
    const vec x = spread ? group_spread(vec_load(a + p * pixel), spread ? spread : 1, i) : vec_set(a[p * pixel + i]);
    WK_UNROLL
    for (int k = 0; k < taps; k++) {
      const int r = (p - k) / step;
      if (p < k || (p - k) % step || r >= rows)
        continue;
      WK_UNROLL
      for (int v = 0; v < vectors; v++)
        acc[r * vectors + v] = vec_fma(x, b[k * vectors + v], acc[r * vectors + v]);
    }
  }
}

/* The same. `taps`: of a row of the kernel, whose inputs lie side by side, and those of the next result `step` further;
 * 1: any, one tap after the other. `spread`: inputs of a group where a vector has several groups; 0: it has one. */
WK_INLINE void sums(const phase *f, const tile *t, int rows, int vectors, int taps, int step, int spread) {
  vec acc[ROWS_1 * 2];
  WK_UNROLL
  for (int i = 0; i < rows * vectors; i++)
    acc[i] = vec_zero();
  const int depth = spread ? spread : f->depth, across = taps > 1 ? 1 : f->taps_x, down = f->taps_y;
  const ptrdiff_t pixel = taps == 1 ? f->pixel : WK_GROUPED_NEAR, tap = (ptrdiff_t)depth * vectors * WK_VL;
  const ptrdiff_t row = f->row, column = f->column;
  const float *w = t->w, *line = t->a;
  for (int ty = 0; ty < down; ty++, line += row) {
    const float *a = line;
    for (int tx = 0; tx < across; tx++, a += column, w += taps * tap) {
      if (spread) {
        WK_UNROLL
        for (int i = 0; i < spread; i++)
          input(acc, a, pixel, w + i * WK_VL, tap, i, rows, 1, taps, step, spread);
      } else {
        for (int i = 0; i < depth; i++)
          input(acc, a, pixel, w + (ptrdiff_t)i * vectors * WK_VL, tap, i, rows, vectors, taps, step, 0);
      }
    }
  }
  finish(f, t, acc, rows, vectors);
}

/* ---- one function for each number of results ------------------------------------------------------ */

#define UP_TO_4(EACH, ...) EACH(1, __VA_ARGS__) EACH(2, __VA_ARGS__) EACH(3, __VA_ARGS__) EACH(4, __VA_ARGS__)
#define UP_TO_6(EACH, ...) UP_TO_4(EACH, __VA_ARGS__) EACH(5, __VA_ARGS__) EACH(6, __VA_ARGS__)
#define UP_TO_11(EACH, ...)                                                                                            \
  UP_TO_6(EACH, __VA_ARGS__)                                                                                           \
  EACH(7, __VA_ARGS__)                                                                                                 \
  EACH(8, __VA_ARGS__) EACH(9, __VA_ARGS__) EACH(10, __VA_ARGS__) EACH(11, __VA_ARGS__)
#define UP_TO_12(EACH, ...) UP_TO_11(EACH, __VA_ARGS__) EACH(12, __VA_ARGS__)
#define UP_TO_14(EACH, ...) UP_TO_12(EACH, __VA_ARGS__) EACH(13, __VA_ARGS__) EACH(14, __VA_ARGS__)
#define FUNCTION(rows, name, ...)                                                                                      \
  static void name##_##rows(const phase *f, const tile *t) { sums(f, t, rows, __VA_ARGS__); }
#define ENTRY(rows, name) name##_##rows,
/* vectors, taps, step, spread */
#define FUNCTIONS(UP_TO, name, ...)                                                                                    \
  UP_TO(FUNCTION, name, __VA_ARGS__)                                                                                   \
  static const sums_fn name[] = {UP_TO(ENTRY, name)};
#if WK_VL == 16
#define UP_TO_ROWS_1 UP_TO_14
#define UP_TO_NEAR UP_TO_14
#define UP_TO_ROWS_2 UP_TO_14
#else
#define UP_TO_ROWS_1 UP_TO_12
#define UP_TO_NEAR UP_TO_11
#define UP_TO_ROWS_2 UP_TO_6
FUNCTIONS(UP_TO_4, triple, 3, 1, 1, 0)
#endif
FUNCTIONS(UP_TO_ROWS_2, pair, 2, 1, 1, 0)
FUNCTIONS(UP_TO_ROWS_1, single, 1, 1, 1, 0)
FUNCTIONS(UP_TO_NEAR, single_two, 1, 2, 1, 0)
FUNCTIONS(UP_TO_NEAR, single_three, 1, 3, 1, 0)
FUNCTIONS(UP_TO_NEAR, single_three_apart, 1, 3, 2, 0)
FUNCTIONS(UP_TO_ROWS_1, spread_1, 1, 1, 1, 1)
FUNCTIONS(UP_TO_ROWS_1, spread_2, 1, 1, 1, 2)
#if WK_WIDEST_SPREAD >= 4
FUNCTIONS(UP_TO_ROWS_1, spread_4, 1, 1, 1, 4)
FUNCTIONS(UP_TO_NEAR, spread_4_two, 1, 2, 1, 4)
FUNCTIONS(UP_TO_NEAR, spread_4_three, 1, 3, 1, 4)
FUNCTIONS(UP_TO_NEAR, spread_4_three_apart, 1, 3, 2, 4)
#endif
#if WK_WIDEST_SPREAD >= 8
FUNCTIONS(UP_TO_ROWS_1, spread_8, 1, 1, 1, 8)
FUNCTIONS(UP_TO_NEAR, spread_8_two, 1, 2, 1, 8)
FUNCTIONS(UP_TO_NEAR, spread_8_three, 1, 3, 1, 8)
FUNCTIONS(UP_TO_NEAR, spread_8_three_apart, 1, 3, 2, 8)
#endif

/* taps: 1, and of those side by side 2, 3, 3 that are two pixels further for the next result. */
typedef enum across { ANY, TWO, THREE, THREE_APART } across;

static const sums_fn *sums_of(const wk_grouped_layout *l, int vectors, across how) {
  static const sums_fn *const one[] = {single, single_two, single_three, single_three_apart};
#if WK_WIDEST_SPREAD >= 4
  static const sums_fn *const four[] = {spread_4, spread_4_two, spread_4_three, spread_4_three_apart};
  if (l->spread && l->depth == 4)
    return four[how];
#endif
#if WK_WIDEST_SPREAD >= 8
  static const sums_fn *const eight[] = {spread_8, spread_8_two, spread_8_three, spread_8_three_apart};
  if (l->spread && l->depth == 8)
    return eight[how];
#endif
  if (l->spread)
    return l->depth == 1 ? spread_1 : spread_2;
#if WK_VL != 16
  if (vectors == 3)
    return triple;
#endif
  return vectors == 2 ? pair : one[how];
}

static pieces pieces_of(const wk_grouped_layout *l, const wk_grouped_side *x, int vectors) {
  const bool near = x->gap == 1 && l->pixel == WK_GROUPED_NEAR;
  const across how = !near || x->taps < 2 || x->taps > 3 || x->step > 2 ? ANY
                     : x->step == 2                                     ? (x->taps == 3 ? THREE_APART : ANY)
                     : x->taps == 3                                     ? THREE
                                                                        : TWO;
  const int most = vectors == 1 ? (how ? ROWS_NEAR : ROWS_1) : vectors == 2 ? ROWS_2 : ROWS_3;
  pieces p = {.sums = sums_of(l, vectors, how), .count = (x->count + most - 1) / most};
  if (p.count)
    p.size = x->count / p.count, p.larger = x->count % p.count;
  return p;
}

/* ---- bands of rows -------------------------------------------------------------------------------- */

/* What goes beside the sums. */
typedef struct ends {
  float *c;
  const float *bias, *add, *mask;
  wk_act act, mask_act;
} ends;

/* A call: `all` is what the phases read and make together. */
typedef struct job {
  wk_grouped_view all;
  wk_grouped_layout l;
  ends e;
  int phases;
  bool near; /* few weights: all places of a row take turns */
  const float *in;
  phase *phase;
} job;

static phase phase_of(const job *j, const wk_grouped_view *v, const float *w) {
  const wk_grouped_layout *l = &j->l;
  const ptrdiff_t line = (ptrdiff_t)l->line * l->pixel;
  phase f = {.rows = v->y.count,
             .width = v->x.count,
             .from = (v->y.first - j->all.y.first) * line + (ptrdiff_t)(v->x.first - j->all.x.first) * l->pixel,
             .pixel = (ptrdiff_t)v->x.step * l->pixel,
             .row = v->y.gap * line,
             .column = (ptrdiff_t)v->x.gap * l->pixel,
             .q = v->y.step * line,
             .taps_y = v->x.taps ? v->y.taps : 0,
             .taps_x = v->x.taps,
             .depth = l->depth,
             .to = ((ptrdiff_t)v->y.place * v->out_w + v->x.place) * v->out_c,
             .ldc = (ptrdiff_t)v->x.stride * v->out_c,
             .line = (ptrdiff_t)v->y.stride * v->out_w * v->out_c,
             .w = w,
             .block_weights = WK_ISA_FN(wk_grouped_block_weights)(l, v),
             .low = j->e.act == WK_ACT_NONE ? -__builtin_inff() : 0,
             .high = j->e.act == WK_ACT_RELU6 ? 6 : __builtin_inff(),
             .mask_act = j->e.mask_act};
  if (!f.taps_y)
    f.from = 0;
  for (int n = 1; n <= WK_GROUPED_MOST; n++)
    f.pieces[n - 1] = pieces_of(l, &v->x, n);
  return f;
}

/* One row of results of some vectors of a group. */
static void row_run(const phase *f, tile t, const ends *e, int vectors, ptrdiff_t to) {
  const pieces *p = &f->pieces[vectors - 1];
  for (int s = 0; s < p->count; s++) {
    const int size = p->size + (s < p->larger);
    t.c = e->c + to;
    t.add = e->add ? e->add + to : NULL;
    t.mask = e->mask ? e->mask + to : NULL;
    p->sums[size - 1](f, &t);
    t.a += size * f->pixel;
    to += size * f->ldc;
  }
}

/* Rows q0..q0+rows-1 of all places, of one block of channels, whose inputs are packed. Few weights stay near while the
 * places of a row take turns, so that what is written together is written at the same time; many are gone through once.
 */
static void band_run(const job *j, const float *packed, int image, int block, int q0, int rows) {
  const wk_grouped_view *v = &j->all;
  const wk_grouped_layout *l = &j->l;
  const int outs = l->bundle * l->each, bundles = wk_grouped_bundles(l, v->groups, block), step = j->near ? 1 : rows;
  const ptrdiff_t photo = (ptrdiff_t)image * v->out_h * v->out_w * v->out_c;
  for (int g = 0; g < bundles; g++)
    for (int n = 0, many; n < l->vectors; n += many) {
      many = WK_ISA_FN(wk_grouped_together)(l, l->vectors - n);
      const int first = n * WK_VL, ch = (block * l->block_groups + g * l->bundle) * l->each + first;
      tile t = {.bias = j->e.bias ? j->e.bias + ch : NULL,
                .cols = least(least(outs - first, many * WK_VL), v->out_c - ch)};
      for (int q = 0; q < rows; q += step)
        for (int i = 0; i < j->phases; i++) {
          const phase *f = &j->phase[i];
          const ptrdiff_t taps = (ptrdiff_t)f->taps_y * f->taps_x * f->depth * WK_VL;
          t.w = f->w + (ptrdiff_t)(block * f->block_weights) + (g * l->vectors + n) * taps;
          for (int k = q; k < q + step && k < rows && q0 + k < f->rows; k++) {
            t.a = packed + f->from + k * f->q + g * l->bundle * l->depth;
            row_run(f, t, &j->e, many, photo + f->to + (q0 + k) * f->line + ch);
          }
        }
    }
}

/* Units unit0..unit1-1: a row of results of one block of channels each, block by block. */
static void units_run(const job *j, int unit0, int unit1, float *scratch) {
  const wk_grouped_view *v = &j->all;
  const wk_grouped_layout *l = &j->l;
  const int each = v->y.count, all = v->batch * each;
  for (int u = unit0; u < unit1;) {
    const int block = u / all, image = u % all / each, q0 = u % all % each;
    const int rows = least(unit1 - u, each - q0);
    for (int q = 0; q < rows; q += l->band) {
      const int some = least(l->band, rows - q);
      if (v->x.taps && v->y.taps)
        WK_ISA_FN(wk_grouped_pack_band)(scratch, v, l, j->in, image, block, q0 + q, some);
      band_run(j, scratch, image, block, q0 + q, some);
    }
    u += rows;
  }
}

static size_t band_floats(const wk_grouped_layout *l) { return (size_t)l->height * (size_t)l->line * (size_t)l->pixel; }
/* They lie before the band. */
static size_t phase_floats(int phases) { return ((size_t)phases * sizeof(phase) + 63) / 64 * 64 / sizeof(float); }

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

static wk_grouped_side side_y(const wk_conv *c, int r) {
  return side_back(c->in_h, c->out_h, c->kernel_h, c->stride_h, c->dilation_h, c->pad_top, r);
}

static wk_grouped_side side_x(const wk_conv *c, int r) {
  return side_back(c->in_w, c->out_w, c->kernel_w, c->stride_w, c->dilation_w, c->pad_left, r);
}

static wk_grouped_view view_back(const wk_conv *c, wk_grouped_side y, wk_grouped_side x) {
  return (wk_grouped_view){.y = y,
                           .x = x,
                           .batch = c->batch,
                           .groups = c->groups,
                           .in_c = c->out_c,
                           .out_c = c->in_c,
                           .out_h = c->in_h,
                           .out_w = c->in_w,
                           .back = true};
}

/* All that is read for result number q of any place: one window for all of them. */
static wk_grouped_side together(wk_grouped_side all, const wk_grouped_side *s) {
  const int end = all.first + all.taps, last = s->taps ? s->first + (s->taps - 1) * s->gap + 1 : 0;
  all.count = s->count > all.count ? s->count : all.count;
  if (!s->taps)
    return all;
  if (!all.taps) {
    all.first = s->first, all.taps = last - s->first;
    return all;
  }
  all.first = least(all.first, s->first);
  all.taps = (last > end ? last : end) - all.first;
  return all;
}

static wk_grouped_view view_of_all(const wk_conv *c) {
  wk_grouped_side y = {.in = c->out_h, .stride = c->stride_h, .step = 1, .gap = 1}, x = y;
  x.in = c->out_w, x.stride = c->stride_w;
  for (int r = 0; r < c->stride_h; r++) {
    const wk_grouped_side s = side_y(c, r);
    y = together(y, &s);
  }
  for (int r = 0; r < c->stride_w; r++) {
    const wk_grouped_side s = side_x(c, r);
    x = together(x, &s);
  }
  return view_back(c, y, x);
}

wk_grouped_sizes WK_ISA_FN(wk_grouped_shape)(const wk_conv *c) {
  const wk_grouped_view v = wk_grouped_forward(c), back = view_of_all(c);
  const wk_grouped_layout l = WK_ISA_FN(wk_grouped_layout_of)(&v), k = WK_ISA_FN(wk_grouped_layout_of)(&back);
  const int phases = c->stride_h * c->stride_w;
  wk_grouped_sizes s = {.blocks = l.blocks,
                        .channels = l.block_groups * l.each,
                        .units = l.blocks * c->batch * c->out_h,
                        .packed = WK_ISA_FN(wk_grouped_block_weights)(&l, &v) * (size_t)l.blocks,
                        .scratch = phase_floats(1) + band_floats(&l),
                        .data_units = k.blocks * c->batch * back.y.count,
                        .data_scratch = phase_floats(phases) + band_floats(&k),
                        .weights_scratch = band_floats(&l) + (size_t)l.band * (size_t)c->out_w *
                                                                 (size_t)wk_grouped_gradient_floats(&l, WK_VL)};
  for (int i = 0; i < phases; i++) {
    const wk_grouped_view b = view_back(c, side_y(c, i / c->stride_w), side_x(c, i % c->stride_w));
    s.data_packed += WK_ISA_FN(wk_grouped_block_weights)(&k, &b) * (size_t)k.blocks;
  }
  return s;
}

void WK_ISA_FN(wk_grouped_pack)(float *packed, const float *w, const wk_conv *c) {
  const wk_grouped_view v = wk_grouped_forward(c);
  const wk_grouped_layout l = WK_ISA_FN(wk_grouped_layout_of)(&v);
  WK_ISA_FN(wk_grouped_pack_weights)(packed, w, c, &v, &l);
}

void WK_ISA_FN(wk_grouped)(const wk_conv *c, int unit0, int unit1, float *scratch) {
  job j = {.all = wk_grouped_forward(c),
           .e = {.c = c->out, .bias = c->bias, .add = c->add, .act = c->act},
           .phases = 1,
           .in = c->in,
           .phase = (phase *)scratch};
  j.l = WK_ISA_FN(wk_grouped_layout_of)(&j.all);
  j.phase[0] = phase_of(&j, &j.all, c->weights);
  units_run(&j, unit0, unit1, scratch + phase_floats(1));
}

void WK_ISA_FN(wk_grouped_data_pack)(float *packed, const float *w, const wk_conv *c) {
  const wk_grouped_view all = view_of_all(c);
  const wk_grouped_layout l = WK_ISA_FN(wk_grouped_layout_of)(&all);
  for (int i = 0; i < c->stride_h * c->stride_w; i++) {
    const wk_grouped_view v = view_back(c, side_y(c, i / c->stride_w), side_x(c, i % c->stride_w));
    WK_ISA_FN(wk_grouped_pack_weights)(packed, w, c, &v, &l);
    packed += WK_ISA_FN(wk_grouped_block_weights)(&l, &v) * (size_t)l.blocks;
  }
}

void WK_ISA_FN(wk_grouped_data)(const wk_conv_back *b, int unit0, int unit1, float *scratch) {
  const wk_conv *c = &b->conv;
  job j = {.all = view_of_all(c),
           .e = {.c = b->dx, .add = b->accumulate ? b->dx : NULL, .mask = b->mask, .mask_act = b->mask_act},
           .phases = c->stride_h * c->stride_w,
           .near = c->kernel_h * c->kernel_w * (c->out_c / c->groups) * 2 * WK_VL <= NEAR_WEIGHTS,
           .in = b->dy,
           .phase = (phase *)scratch};
  j.l = WK_ISA_FN(wk_grouped_layout_of)(&j.all);
  const float *weights = b->weights;
  for (int i = 0; i < j.phases; i++) {
    const wk_grouped_view v = view_back(c, side_y(c, i / c->stride_w), side_x(c, i % c->stride_w));
    j.phase[i] = phase_of(&j, &v, weights);
    weights += j.phase[i].block_weights * (size_t)j.l.blocks;
  }
  units_run(&j, unit0, unit1, scratch + phase_floats(j.phases));
}

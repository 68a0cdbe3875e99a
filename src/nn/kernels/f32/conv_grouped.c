/* conv_grouped.c - convolutions with groups, of any stride, padding and dilation, and the gradients of their inputs.
 *
 * Inputs are packed a band of rows at a time (conv_grouped_layout.c), and every row of results is made in pieces
 * (conv_grouped_sums.c): one chain of sums each, whatever the band or the range. */
#include "nn/kernels/f32/conv_grouped.h"

#include "nn/kernels/f32/conv_grouped_sums.h"
#include "nn/kernels/vec.h"

#define NEAR_WEIGHTS (4 << 10) /* floats of those of all places of a group that stay in L1 from row to row */
#define PHOTO_FIRST 2          /* times fewer weights than numbers of a photo: these are what memory is slow with */

static int least(int a, int b) { return a < b ? a : b; }

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
  bool near;        /* few weights: all places of a row take turns */
  bool photo_first; /* all blocks of a photo, then the next photo's */
  const float *in;
  wk_grouped_phase *phase;
} job;

static wk_grouped_phase phase_of(const job *j, const wk_grouped_view *v, const float *w) {
  const wk_grouped_layout *l = &j->l;
  const ptrdiff_t line = (ptrdiff_t)l->line * l->pixel;
  wk_grouped_phase f = {.rows = v->y.count,
                        .width = v->x.count,
                        .from =
                            (v->y.first - j->all.y.first) * line + (ptrdiff_t)(v->x.first - j->all.x.first) * l->pixel,
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
                        .ahead = (uintptr_t)v->y.stride * (uintptr_t)(v->out_w * v->out_c) * sizeof(float),
                        .w = w,
                        .block_weights = WK_ISA_FN(wk_grouped_block_weights)(l, v),
                        .low = j->e.act == WK_ACT_NONE ? -__builtin_inff() : 0,
                        .high = j->e.act == WK_ACT_RELU6 ? 6 : __builtin_inff(),
                        .mask_act = j->e.mask_act};
  if (!f.taps_y)
    f.from = 0;
  for (int n = 1; n <= WK_GROUPED_MOST; n++)
    f.pieces[n - 1] = WK_ISA_FN(wk_grouped_pieces_of)(l, &v->x, n, false);
  f.lines = WK_ISA_FN(wk_grouped_pieces_of_lines)(l, &v->x);
  return f;
}

/* One row of results of some vectors of a group, or two where the pieces are of so many. */
static void row_run(const wk_grouped_phase *f, const wk_grouped_pieces *p, wk_grouped_tile t, const ends *e,
                    ptrdiff_t to) {
  for (int s = 0; s < p->count; s++) {
    const int size = p->size + (s < p->larger);
    t.c = e->c + to;
    t.add = e->add ? e->add + to : NULL;
    t.mask = e->mask ? e->mask + to : NULL;
    p->sums[size - 1](f, &t);
    t.a += size * f->pixel;
    to += size * (f->pairs ? 2 * f->ldc : f->ldc);
  }
}

/* Rows q0..q0+rows-1 of all places, of one block of channels, whose inputs are packed. Few weights stay near while the
 * places of a row take turns, so that what is written together is written at the same time; many are gone through once.
 */
static void band_run(const job *j, const float *packed, int image, int block, int q0, int rows) {
  const wk_grouped_view *v = &j->all;
  const wk_grouped_layout *l = &j->l;
  const int outs = l->bundle * l->each, bundles = wk_grouped_bundles(l, v->groups, block),
            step = !j->near    ? rows
                   : l->narrow ? 2
                               : 1;
  const ptrdiff_t photo = (ptrdiff_t)image * v->out_h * v->out_w * v->out_c;
  for (int g = 0; g < bundles; g++)
    for (int n = 0, many; n < l->vectors; n += many) {
      many = WK_ISA_FN(wk_grouped_together)(l->vectors - n);
      const int first = n * WK_VL, ch = (block * l->block_groups + g * l->bundle) * l->each + first;
      wk_grouped_tile t = {.bias = j->e.bias ? j->e.bias + ch : NULL,
                           .cols = least(least(outs - first, many * WK_VL), v->out_c - ch)};
      for (int q = 0; q < rows; q += step)
        for (int i = 0; i < j->phases; i++) {
          const wk_grouped_phase *f = &j->phase[i];
          const ptrdiff_t taps = (ptrdiff_t)f->taps_y * f->taps_x * f->depth * WK_VL;
          const ptrdiff_t w = (ptrdiff_t)(block * f->block_weights) + (g * l->vectors + n) * taps;
          t.w = f->w + w;
          t.w2 = f->pairs ? f->w2 + 2 * w : NULL;
          const int end = least(least(q + step, rows), f->rows - q0);
          for (int k = q, some; k < end; k += some) {
            some = many == 2 && f->lines.sums && k + 1 < end ? 2 : 1;
            t.a = packed + f->from + k * f->q + g * l->bundle * l->depth;
            row_run(f, some == 2 ? &f->lines : &f->pieces[many - 1], t, &j->e, photo + f->to + (q0 + k) * f->line + ch);
          }
        }
    }
}

/* Units unit0..unit1-1: a row of results of one block of channels each, block by block, or photo by photo. */
static void units_run(const job *j, int unit0, int unit1, float *scratch) {
  const wk_grouped_view *v = &j->all;
  const wk_grouped_layout *l = &j->l;
  const int each = v->y.count;
  for (int u = unit0; u < unit1;) {
    const int part = u / each, q0 = u % each, block = j->photo_first ? part % l->blocks : part / v->batch,
              image = j->photo_first ? part / l->blocks : part % v->batch;
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
static size_t phase_floats(int phases) {
  return ((size_t)phases * sizeof(wk_grouped_phase) + 63) / 64 * 64 / sizeof(float);
}

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

/* Neighbours are made together where that is known how: of stride 2 across, kernels of three, groups as wide as a
 * vector or several a vector. Two phases become one of pairs, and one of what is left of the first place. */
static void pair_up(job *j, wk_grouped_phase *one, wk_grouped_phase *other, const wk_grouped_side *x0,
                    const wk_grouped_side *x1) {
  wk_grouped_side left = *x0;
  left.count = x0->count - x1->count;
  wk_grouped_phase pairs = *one, rest = *one;
  pairs.pairs = true;
  pairs.width = x1->count;
  pairs.ldc /= 2;
  pairs.w2 = other->w;
  pairs.pieces[0] = WK_ISA_FN(wk_grouped_pieces_of)(&j->l, x1, 1, true);
  rest.width = left.count;
  rest.from += x1->count * rest.pixel;
  rest.to += x1->count * rest.ldc;
  rest.pieces[0] = WK_ISA_FN(wk_grouped_pieces_of)(&j->l, &left, 1, false);
  *one = pairs, *other = rest;
}

static bool can_pair(const job *j, const wk_grouped_side *x0, const wk_grouped_side *x1) {
  const wk_grouped_layout *l = &j->l;
  return l->pixel == WK_GROUPED_NEAR && l->vectors == 1 && (l->spread ? l->depth >= 4 : l->depth == WK_VL) &&
         !x0->place && x0->taps == 1 && x1->taps == 2 && x1->gap == 1 && x0->first == x1->first &&
         x0->count >= x1->count;
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
           .phase = (wk_grouped_phase *)scratch};
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
           .phase = (wk_grouped_phase *)scratch};
  j.l = WK_ISA_FN(wk_grouped_layout_of)(&j.all);
  const float *weights = b->weights;
  for (int i = 0; i < j.phases; i++) {
    const wk_grouped_view v = view_back(c, side_y(c, i / c->stride_w), side_x(c, i % c->stride_w));
    j.phase[i] = phase_of(&j, &v, weights);
    weights += j.phase[i].block_weights * (size_t)j.l.blocks;
  }
  for (int r = 0; c->stride_w == 2 && r < 2; r++) {
    const wk_grouped_side x0 = side_x(c, r), x1 = side_x(c, 1 - r);
    for (int i = 0; can_pair(&j, &x0, &x1) && i < j.phases; i += 2)
      pair_up(&j, &j.phase[i + r], &j.phase[i + 1 - r], &x0, &x1);
  }
  const int64_t floats = (int64_t)c->out_c * (c->in_c / c->groups) * c->kernel_h * c->kernel_w;
  j.photo_first = PHOTO_FIRST * floats <= (int64_t)c->in_h * c->in_w * c->in_c;
  units_run(&j, unit0, unit1, scratch + phase_floats(j.phases));
}

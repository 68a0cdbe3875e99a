/* conv_grouped_layout.c - what convolutions with groups and their gradients read: a band of rows of some groups'
 * inputs, packed with zeros around it, so that no tap needs a test and what the sums read lies together in the nearest
 * caches; and the weights, packed for the vectors that are made together. */
#include "nn/kernels/f32/conv_grouped.h"
#include "nn/kernels/f32/group_spread.h"
#include "nn/kernels/vec.h"

#define BAND_FLOATS (16 << 10) /* of packed inputs */
#define BLOCK_CHANNELS 64      /* least inputs of a block: neighbouring lines of a pixel, read and written together */
#define BANKS 16               /* floats: pixels a multiple of them apart cannot be read at the same time */
#define NARROW 7               /* results of a row that leave registers empty where two vectors are made together */

static int least(int a, int b) { return a < b ? a : b; }

static int height_of(const wk_grouped_side *y, int rows) {
  return y->taps ? (rows - 1) * y->step + (y->taps - 1) * y->gap + 1 : 0;
}

wk_grouped_layout WK_ISA_FN(wk_grouped_layout_of)(const wk_grouped_view *v) {
  wk_grouped_layout l = {.depth = v->in_c / v->groups, .each = v->out_c / v->groups};
  l.spread = l.depth == l.each && l.depth <= WK_WIDEST_SPREAD && WK_VL % l.depth == 0;
  l.bundle = l.spread ? WK_VL / l.depth : 1;
  const int inputs = l.depth * l.bundle, bundles = (v->groups + l.bundle - 1) / l.bundle;
  l.block_groups = least((BLOCK_CHANNELS + inputs - 1) / inputs, bundles) * l.bundle;
  l.blocks = (v->groups + l.block_groups - 1) / l.block_groups;
  l.vectors = l.spread ? 1 : (l.each + WK_VL - 1) / WK_VL;
  l.narrow = v->x.count <= NARROW;
  l.pixel = l.depth * l.block_groups;
  if (l.vectors == 1 && l.pixel < WK_GROUPED_NEAR)
    l.pixel = WK_GROUPED_NEAR;
  else if (l.pixel % BANKS == 0)
    l.pixel += BANKS / 4;
  l.line = height_of(&v->x, v->x.count);
  const int64_t row = (int64_t)l.line * l.pixel;
  l.band = 1;
  while (l.band < v->y.count && row * height_of(&v->y, l.band + 1) <= BAND_FLOATS)
    l.band++;
  l.height = height_of(&v->y, l.band);
  return l;
}

int WK_ISA_FN(wk_grouped_together)(int left) {
#if WK_VL == 16 /* more registers: two vectors of a whole row */
  return left > 1 ? 2 : 1;
#else
  return left == WK_GROUPED_MOST ? WK_GROUPED_MOST : left > 1 ? 2 : 1;
#endif
}

/* ---- inputs --------------------------------------------------------------------------------------- */

/* `whole`: what is read of a pixel. */
static void pack_pixels(float *to, const float *from, int pixels, int channels, ptrdiff_t ld, int pixel, int whole) {
  for (int p = 0; p < pixels; p++, from += ld, to += pixel) {
    int ch = 0;
    for (; ch + WK_VL <= channels; ch += WK_VL)
      vec_store(to + ch, vec_load(from + ch));
    if (ch < channels)
      vec_store_part(to + ch, vec_load_part(from + ch, channels - ch), channels - ch);
    for (ch = channels; ch < whole; ch++)
      to[ch] = 0;
  }
}

void WK_ISA_FN(wk_grouped_pack_band)(float *to, const wk_grouped_view *v, const wk_grouped_layout *l, const float *in,
                                     int image, int block, int q0, int rows) {
  const wk_grouped_side *y = &v->y, *x = &v->x;
  const int height = height_of(y, rows), ch = block * l->block_groups * l->depth,
            channels = least(l->block_groups * l->depth, v->in_c - ch),
            whole = l->spread ? (channels + WK_VL - 1) / WK_VL * WK_VL : channels;
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
                there, channels, v->in_c, l->pixel, whole);
    memset(to + (ptrdiff_t)(before + there) * l->pixel, 0, (size_t)(l->line - before - there) * pixel);
  }
}

/* ---- weights -------------------------------------------------------------------------------------- */

size_t WK_ISA_FN(wk_grouped_block_weights)(const wk_grouped_layout *l, const wk_grouped_view *v) {
  return (size_t)v->y.taps * (size_t)v->x.taps * (size_t)l->depth * (size_t)(l->vectors * WK_VL) *
         (size_t)(l->block_groups / l->bundle);
}

/* Goes through the packed weights, [block][bundle][vectors made together][tap][input][lane], and those of outputs
 * first..last-1 in PyTorch's layout beside them: takes them from there, or gives them back. */
WK_INLINE void each_weight(float *packed, float *w, const wk_conv *c, const wk_grouped_view *v,
                           const wk_grouped_layout *l, int first, int last, bool back) {
  const ptrdiff_t taps = (ptrdiff_t)c->kernel_h * c->kernel_w, step = v->back ? l->each * taps : taps;
  const int outs = l->bundle * l->each, bundles = (v->groups + l->bundle - 1) / l->bundle;
  for (int g = 0; g < bundles; g++)
    for (int n = 0, many; n < l->vectors; n += many) {
      many = WK_ISA_FN(wk_grouped_together)(l->vectors - n);
      ptrdiff_t at[WK_GROUPED_MOST * WK_VL]; /* of each lane's first weight; -1: none */
      for (int k = 0; k < many * WK_VL; k++) {
        const int lane = n * WK_VL + k, out = g * outs + lane;
        const bool there = lane < outs && out < v->out_c && out >= first && out < last;
        at[k] = !there    ? -1
                : v->back ? ((ptrdiff_t)(out / l->each) * l->depth * l->each + out % l->each) * taps
                          : (ptrdiff_t)out * l->depth * taps;
      }
      for (int ty = 0; ty < v->y.taps; ty++)
        for (int tx = 0; tx < v->x.taps; tx++) {
          const ptrdiff_t tap =
              (ptrdiff_t)(v->y.tap + ty * v->y.tap_step) * c->kernel_w + v->x.tap + tx * v->x.tap_step;
          for (int i = 0; i < l->depth; i++, packed += many * WK_VL)
            for (int k = 0; k < many * WK_VL; k++)
              if (!back)
                packed[k] = at[k] < 0 ? 0 : w[at[k] + i * step + tap];
              else if (at[k] >= 0)
                w[at[k] + i * step + tap] = packed[k];
        }
    }
}

void WK_ISA_FN(wk_grouped_pack_weights)(float *packed, const float *w, const wk_conv *c, const wk_grouped_view *v,
                                        const wk_grouped_layout *l) {
  each_weight(packed, (float *)w, c, v, l, 0, v->out_c, false);
}

void WK_ISA_FN(wk_grouped_unpack)(float *w, const float *packed, const wk_conv *c, int first, int last) {
  const wk_grouped_view v = wk_grouped_forward(c);
  const wk_grouped_layout l = WK_ISA_FN(wk_grouped_layout_of)(&v);
  each_weight((float *)packed, w, c, &v, &l, first, last, true);
}

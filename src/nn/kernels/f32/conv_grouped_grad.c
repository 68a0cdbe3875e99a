/* conv_grouped_grad.c - the gradient of the weights of convolutions with groups: sums over pixels of outer products of
 * the gradients with the inputs that the taps meet. Both are packed a band of rows at a time, as in conv_grouped.c; the
 * sums of some inputs by some vectors of outputs stay in registers over a band. */
#include "nn/kernels/f32/conv_grouped.h"

#include "nn/kernels/f32/group_spread.h"
#include "nn/kernels/f32/outer_product.h"
#include "nn/kernels/vec.h"

#if WK_VL == 16
#define SUMS_1 12
#define SUMS_2 12
#define MAX_VECTORS 2
#else
#define SUMS_1 8
#define SUMS_2 6
#define SUMS_3 4
#define MAX_VECTORS 3
#endif
#define TOGETHER 3 /* taps that share a load of the gradients where a group is narrower than a vector */

static int least(int a, int b) { return a < b ? a : b; }

static void pack_gradients(float *to, const wk_conv *c, const wk_grouped_layout *l, const float *dy, int block,
                           int pixels) {
  const int outs = l->bundle * l->each, wide = l->vectors * WK_VL, bundles = wk_grouped_bundles(l, c->groups, block),
            each = wk_grouped_gradient_floats(l, WK_VL), first = block * l->block_groups * l->each;
  const float *from = dy + first;
  for (int p = 0; p < pixels; p++, from += c->out_c, to += each)
    for (int g = 0; g < bundles; g++)
      for (int k = 0; k < wide; k += WK_VL) {
        const int have = least(outs, c->out_c - first - g * outs) - k;
        const float *at = from + g * outs + k;
        vec_store(to + g * wide + k, have >= WK_VL ? vec_load(at) : vec_load_part(at, have > 0 ? have : 0));
      }
}

/* Sums over a band of rows. */
typedef struct tile {
  const float *x, *dy;
  ptrdiff_t x_pixel, x_line, dy_pixel, next; /* floats; next: from a tap to the one beside it */
  int rows, width;
  float *dw; /* [tap][input][vectors]: added to */
  ptrdiff_t dw_tap;
} tile;

/* `taps` taps beside each other by `inputs` inputs by `vectors`: constants where this is inlined, as `spread`. */
WK_INLINE void sums(const tile *t, int taps, int inputs, int vectors, bool spread) {
  vec acc[24];
  WK_UNROLL
  for (int i = 0; i < taps * inputs * vectors; i++)
    acc[i] = vec_zero();
  const ptrdiff_t x_pixel = t->x_pixel, dy_pixel = t->dy_pixel, next = t->next;
  const float *dy = t->dy;
  const int width = t->width;
  for (int r = 0; r < t->rows; r++) {
    const float *x = t->x + r * t->x_line;
    for (int p = 0; p < width; p++, x += x_pixel, dy += dy_pixel) {
      vec g[3];
      WK_UNROLL
      for (int v = 0; v < vectors; v++)
        g[v] = vec_load(dy + v * WK_VL);
      WK_UNROLL
      for (int k = 0; k < taps; k++) {
        WK_UNROLL
        for (int i = 0; i < inputs; i++) {
          const float *at = x + k * next;
          const vec a = spread ? group_spread(vec_load(at), inputs, i) : vec_set(at[i]);
          WK_UNROLL
          for (int v = 0; v < vectors; v++)
            acc[(k * inputs + i) * vectors + v] = vec_fma(a, g[v], acc[(k * inputs + i) * vectors + v]);
        }
      }
    }
  }
  WK_UNROLL
  for (int k = 0; k < taps; k++) {
    WK_UNROLL
    for (int i = 0; i < inputs * vectors; i++) {
      float *to = t->dw + k * t->dw_tap + i * WK_VL;
      vec_store(to, vec_load(to) + acc[k * inputs * vectors + i]);
    }
  }
}

typedef void (*sums_fn)(const tile *t);

#define SUMS(inputs, vectors)                                                                                          \
  static void sums_##inputs##_##vectors(const tile *t) { sums(t, 1, inputs, vectors, false); }
#define SPREAD(inputs)                                                                                                 \
  static void spread_1_##inputs(const tile *t) { sums(t, 1, inputs, 1, true); }                                        \
  static void spread_3_##inputs(const tile *t) { sums(t, TOGETHER, inputs, 1, true); }
SPREAD(1)
SPREAD(2)
#if WK_VL > 4
SPREAD(4)
#endif
#if WK_VL > 8
SPREAD(8)
#endif
SUMS(1, 1)
SUMS(2, 1)
SUMS(3, 1)
SUMS(4, 1)
SUMS(5, 1)
SUMS(6, 1)
SUMS(7, 1)
SUMS(8, 1)
SUMS(1, 2)
SUMS(2, 2)
SUMS(3, 2)
SUMS(4, 2)
SUMS(5, 2)
SUMS(6, 2)
#if WK_VL == 16
SUMS(9, 1)
SUMS(10, 1)
SUMS(11, 1)
SUMS(12, 1)
SUMS(7, 2)
SUMS(8, 2)
SUMS(9, 2)
SUMS(10, 2)
SUMS(11, 2)
SUMS(12, 2)
static const sums_fn of_1[SUMS_1] = {sums_1_1, sums_2_1, sums_3_1, sums_4_1,  sums_5_1,  sums_6_1,
                                     sums_7_1, sums_8_1, sums_9_1, sums_10_1, sums_11_1, sums_12_1};
static const sums_fn of_2[SUMS_2] = {sums_1_2, sums_2_2, sums_3_2, sums_4_2,  sums_5_2,  sums_6_2,
                                     sums_7_2, sums_8_2, sums_9_2, sums_10_2, sums_11_2, sums_12_2};
#else
SUMS(1, 3)
SUMS(2, 3)
SUMS(3, 3)
SUMS(4, 3)
static const sums_fn of_1[SUMS_1] = {sums_1_1, sums_2_1, sums_3_1, sums_4_1, sums_5_1, sums_6_1, sums_7_1, sums_8_1};
static const sums_fn of_2[SUMS_2] = {sums_1_2, sums_2_2, sums_3_2, sums_4_2, sums_5_2, sums_6_2};
static const sums_fn of_3[SUMS_3] = {sums_1_3, sums_2_3, sums_3_3, sums_4_3};
#endif

static const sums_fn *sums_of(int vectors, int *most) {
  *most = vectors == 1 ? SUMS_1 : SUMS_2;
#if MAX_VECTORS == 3
  if (vectors == 3) {
    *most = SUMS_3;
    return of_3;
  }
#endif
  return vectors == 2 ? of_2 : of_1;
}

static sums_fn spread_of(int depth, bool three) {
  if (depth == 1)
    return three ? spread_3_1 : spread_1_1;
#if WK_VL > 4
  if (depth == 4)
    return three ? spread_3_4 : spread_1_4;
#endif
#if WK_VL > 8
  if (depth == 8)
    return three ? spread_3_8 : spread_1_8;
#endif
  return three ? spread_3_2 : spread_1_2;
}

/* Taps of one row of the kernel for a block whose groups share a vector. */
static void spread_taps(tile t, const wk_grouped_layout *l, int taps) {
  for (int k = 0; k < taps;) {
    const bool three = taps - k >= TOGETHER;
    spread_of(l->depth, three)(&t);
    const int some = three ? TOGETHER : 1;
    k += some;
    t.x += some * t.next;
    t.dw += some * t.dw_tap;
  }
}

/* One tap of one group. */
static void tap_sums(tile t, const wk_grouped_layout *l, int vectors) {
  int most;
  const sums_fn *run = sums_of(vectors, &most);
  const int strips = (l->depth + most - 1) / most;
  const float *x = t.x;
  float *dw = t.dw;
  for (int s = 0; s < strips; s++) {
    const int i = (int)((int64_t)l->depth * s / strips), end = (int)((int64_t)l->depth * (s + 1) / strips);
    t.x = x + i;
    t.dw = dw + (ptrdiff_t)i * vectors * WK_VL;
    run[end - i - 1](&t);
  }
}

static void band_sums(const wk_conv *c, const wk_grouped_view *v, const wk_grouped_layout *l, const float *x,
                      const float *dy, float *dw, int block, int rows) {
  const ptrdiff_t line = (ptrdiff_t)l->line * l->pixel;
  tile t = {.x_pixel = (ptrdiff_t)v->x.step * l->pixel,
            .x_line = v->y.step * line,
            .dy_pixel = wk_grouped_gradient_floats(l, WK_VL),
            .next = (ptrdiff_t)v->x.gap * l->pixel,
            .rows = rows,
            .width = c->out_w};
  const int bundles = wk_grouped_bundles(l, c->groups, block);
  for (int g = 0; g < bundles; g++)
    for (int n = 0, many; n < l->vectors; n += many) {
      many = WK_ISA_FN(wk_grouped_together)(l->vectors - n);
      t.dw_tap = (ptrdiff_t)l->depth * many * WK_VL;
      for (int ky = 0; ky < v->y.taps; ky++) {
        t.x = x + ky * v->y.gap * line + g * l->bundle * l->depth;
        t.dy = dy + (g * l->vectors + n) * WK_VL;
        t.dw = dw;
        if (l->spread)
          spread_taps(t, l, v->x.taps);
        for (int kx = 0; !l->spread && kx < v->x.taps; kx++, t.x += t.next, t.dw += t.dw_tap)
          tap_sums(t, l, many);
        dw += v->x.taps * t.dw_tap;
      }
    }
}

void WK_ISA_FN(wk_grouped_weights)(const wk_conv_back *b, float *scratch) {
  const wk_conv *c = &b->conv;
  const wk_grouped_view v = wk_grouped_forward(c);
  const wk_grouped_layout l = WK_ISA_FN(wk_grouped_layout_of)(&v);
  float *x = scratch, *dy = x + (size_t)l.height * (size_t)l.line * (size_t)l.pixel;
  const size_t block_weights = WK_ISA_FN(wk_grouped_block_weights)(&l, &v);
  memset(b->dw, 0, block_weights * (size_t)l.blocks * sizeof *b->dw);
  memset(b->db, 0, (size_t)c->out_c * sizeof *b->db);
  for (int block = 0; block < l.blocks; block++)
    for (int image = 0; image < c->batch; image++)
      for (int q = 0; q < c->out_h; q += l.band) {
        const int rows = least(l.band, c->out_h - q);
        const ptrdiff_t at = ((ptrdiff_t)image * c->out_h + q) * c->out_w;
        WK_ISA_FN(wk_grouped_pack_band)(x, &v, &l, b->x, image, block, q, rows);
        pack_gradients(dy, c, &l, b->dy + at * c->out_c, block, rows * c->out_w);
        band_sums(c, &v, &l, x, dy, b->dw + (ptrdiff_t)block * (ptrdiff_t)block_weights, block, rows);
      }
  WK_ISA_FN(wk_outer_bias)(b->db, b->dy, c->batch * c->out_h * c->out_w, c->out_c);
}

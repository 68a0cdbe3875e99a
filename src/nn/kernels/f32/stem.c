/* stem.c - the first convolution of a network, of 1 to 4 channels: too few for rows of a matrix to be worth laying out.
 *
 * Where pixels have so few channels, a row of the kernel lies on one run of floats of an input row, and that of the
 * next output a few floats further. So input rows are copied with their padding, each once, into a ring of as many as
 * the kernel is high, and PIXELS outputs at a time are summed from there. A photo given as bytes is normalised on the
 * way into the ring: what is summed is the same.
 */
#include "nn/kernels/f32/stem.h"

#include "nn/kernels/f32/gemm.h"
#include "nn/kernels/f32/normalize_bytes.h"
#include "nn/kernels/vec.h"

#define PIXELS (WK_VL == 16 ? 12 : 6) /* as many sums of two vectors as there are registers */
#define MAX_CHANNELS 4
#define MAX_DEPTH 256 /* what one chain of sums may be long */
#define WIDE 64       /* channels from which on the processor does not see by itself what will be written next */

bool WK_ISA_FN(wk_stem_fits)(const wk_conv *c) {
  return c->in_c <= MAX_CHANNELS && c->dilation_h == 1 && c->dilation_w == 1 && !c->add && c->out_w >= PIXELS &&
         c->kernel_h * c->kernel_w * c->in_c <= MAX_DEPTH;
}

/* Pixels of an input row, with padding, that a row of outputs looks at. */
static int span_of(const wk_conv *c) { return (c->out_w - 1) * c->stride_w + c->kernel_w; }
static size_t row_floats(const wk_conv *c) { return ((size_t)span_of(c) * (size_t)c->in_c + 15) / 16 * 16; }

size_t WK_ISA_FN(wk_stem_scratch)(const wk_conv *c) { return (size_t)c->kernel_h * row_floats(c); }

/* Input row y of an image, as the kernel sees it. */
static void lay_row(const wk_conv *c, int image, int y, float *to) {
  const int span = span_of(c), room = span - c->pad_left, have = room < 0 ? 0 : room < c->in_w ? room : c->in_w;
  const int before = c->pad_left < span ? c->pad_left : span;
  const size_t pixel = (size_t)c->in_c * sizeof(float);
  const ptrdiff_t at = ((ptrdiff_t)image * c->in_h + y) * c->in_w * c->in_c;
  if (y < 0 || y >= c->in_h) {
    memset(to, 0, (size_t)span * pixel);
    return;
  }
  memset(to, 0, (size_t)before * pixel);
  if (c->bytes)
    WK_ISA_FN(wk_pixels)(to + before * c->in_c, c->bytes + at, have, c->pixels);
  else
    memcpy(to + before * c->in_c, c->in + at, (size_t)have * pixel);
  memset(to + (before + have) * c->in_c, 0, (size_t)(span - before - have) * pixel);
}

/* PIXELS outputs from output column `start`, of which r0..r1-1 are kept. Row ky of the kernel lies on slot first + ky
 * of the ring, round its end. */
typedef struct spot {
  const float *ring;
  ptrdiff_t row; /* floats of a slot */
  int first, start, r0, r1;
} spot;

/* Bias, activation, and out with them. */
WK_INLINE void finish(const wk_conv *c, const spot *s, int col, float *out, vec *acc, int vectors) {
  const vec low = vec_set(c->act == WK_ACT_NONE ? -__builtin_inff() : 0);
  const ptrdiff_t out_c = c->out_c;
  const int have = c->out_c - col;
  const bool whole = s->r0 == 0 && s->r1 == PIXELS && have >= vectors * WK_VL;
  vec shift[2];
  WK_UNROLL
  for (int v = 0; v < vectors; v++) {
    const int part = have - v * WK_VL;
    shift[v] = !c->bias || part <= 0 ? vec_zero()
               : part < WK_VL        ? vec_load_part(c->bias + col + v * WK_VL, part)
                                     : vec_load(c->bias + col + v * WK_VL);
  }
  WK_UNROLL
  for (int i = 0; i < PIXELS * vectors; i++)
    acc[i] = vec_max(low, acc[i] + shift[i % vectors]);
  if (c->act == WK_ACT_RELU6) {
    WK_UNROLL
    for (int i = 0; i < PIXELS * vectors; i++)
      acc[i] = vec_min(vec_set(6), acc[i]);
  }
  WK_UNROLL
  for (int p = 0; p < PIXELS; p++, out += out_c) {
    WK_UNROLL
    for (int v = 0; v < vectors; v++) {
      const vec x = acc[p * vectors + v];
      const int part = have - v * WK_VL;
      if (whole || (p >= s->r0 && p < s->r1 && part >= WK_VL))
        vec_store(out + v * WK_VL, x);
      else if (p >= s->r0 && p < s->r1 && part > 0)
        vec_store_part(out + v * WK_VL, x, part);
    }
  }
}

/* `vectors` vectors of channels; they, `line` and `next` are constants where this is inlined for the usual kernels. */
WK_INLINE void tile(const wk_conv *c, const spot *s, int col, float *out, int vectors, int line, int next) {
  vec acc[PIXELS * 2];
  WK_UNROLL
  for (int i = 0; i < PIXELS * vectors; i++)
    acc[i] = vec_zero();
  const float *b = c->weights + (ptrdiff_t)col * c->kernel_h * line;
  for (int ky = 0, slot = s->first; ky < c->kernel_h; ky++) {
    const float *a = s->ring + slot * s->row + (ptrdiff_t)s->start * next;
    slot = slot + 1 < c->kernel_h ? slot + 1 : 0;
    for (int k = 0; k < line; k++, a++, b += vectors * WK_VL) {
      __asm__("" : "+r"(a)); /* or numbers that iterations share are kept, where there are no registers left for them */
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
  finish(c, s, col, out, acc, vectors);
}

typedef void (*tile_fn)(const wk_conv *c, const spot *s, int col, float *out);
#define TILE(name, line, next)                                                                                         \
  static void name##_1(const wk_conv *c, const spot *s, int col, float *out) { tile(c, s, col, out, 1, line, next); }  \
  static void name##_2(const wk_conv *c, const spot *s, int col, float *out) { tile(c, s, col, out, 2, line, next); }
TILE(tile_any, c->kernel_w * c->in_c, c->stride_w * c->in_c)
TILE(tile_3, 9, 3)        /* 3 x 3 */
TILE(tile_3_stride, 9, 6) /* 3 x 3 of stride 2 */
TILE(tile_7_stride, 21, 6)

static const tile_fn *tile_for(const wk_conv *c) {
  static const tile_fn any[] = {tile_any_1, tile_any_2}, three[] = {tile_3_1, tile_3_2},
                       three_stride[] = {tile_3_stride_1, tile_3_stride_2},
                       seven_stride[] = {tile_7_stride_1, tile_7_stride_2};
  const int line = c->kernel_w * c->in_c, next = c->stride_w * c->in_c;
  return line == 9 && next == 3    ? three
         : line == 9 && next == 6  ? three_stride
         : line == 21 && next == 6 ? seven_stride
                                   : any;
}

void WK_ISA_FN(wk_stem)(const wk_conv *c, int pixel0, int pixel1, int col0, int col1, float *scratch) {
  const tile_fn *make = tile_for(c);
  int image = -1, laid = 0; /* rows of that image, from its upper padding on, that were put into the ring */
  for (int p = pixel0; p < pixel1;) {
    const int row = p / c->out_w, x0 = p % c->out_w, top = row % c->out_h * c->stride_h;
    const int x1 = pixel1 - p < c->out_w - x0 ? x0 + pixel1 - p : c->out_w;
    if (row / c->out_h != image)
      image = row / c->out_h, laid = 0;
    for (int y = laid > top ? laid : top; y < top + c->kernel_h; y++)
      lay_row(c, image, y - c->pad_top, scratch + (size_t)(y % c->kernel_h) * row_floats(c));
    laid = top + c->kernel_h;
    for (int x = x0; x < x1; x += PIXELS) {
      /* The last outputs of a row are made with some before them, which are there already or another's to write. */
      const int start = c->out_w - x < PIXELS ? c->out_w - PIXELS : x;
      const spot s = {.ring = scratch,
                      .row = (ptrdiff_t)row_floats(c),
                      .first = top % c->kernel_h,
                      .start = start,
                      .r0 = x - start,
                      .r1 = x1 - start < PIXELS ? x1 - start : PIXELS};
      float *out = c->out + ((ptrdiff_t)row * c->out_w + start) * c->out_c;
      if (c->out_c >= WIDE)
        for (int i = 0; i < PIXELS * c->out_c; i += 16)
          __builtin_prefetch(out + PIXELS * c->out_c + i, 1);
      for (int col = col0, width; col < col1; col += width) {
        width = wk_gemm_panel_width(WK_VL, c->out_c, col);
        make[width > WK_VL](c, &s, col, out + col);
      }
    }
    p += x1 - x0;
  }
}

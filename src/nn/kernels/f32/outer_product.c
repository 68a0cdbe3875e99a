/* outer_product.c - see outer_product.h: strips of rows by panels of columns, kept in registers over the whole depth.
 */
#include "nn/kernels/f32/outer_product.h"

#include "nn/kernels/vec.h"

#if WK_VL == 16
#define MR 12
#else
#define MR 6 /* 12 accumulators of 16 registers */
#endif
#define NR (2 * WK_VL)

/* `rows` and `vectors` are constants where this is inlined. */
WK_INLINE void kernel(const wk_outer_product *o, const float *a, const float *b, float *c, int cols, int rows,
                      int vectors) {
  vec acc[MR * 2];
  WK_UNROLL
  for (int i = 0; i < rows * vectors; i++)
    acc[i] = vec_zero();
  const ptrdiff_t lda = o->lda, ldb = o->ldb, ldc = o->ldc;
  for (int p = 0; p < o->depth; p++, a += lda, b += ldb) {
    vec w[2];
    WK_UNROLL
    for (int v = 0; v < vectors; v++)
      w[v] = vec_load(b + v * WK_VL);
    WK_UNROLL
    for (int r = 0; r < rows; r++) {
      const vec x = vec_set(a[r]);
      WK_UNROLL
      for (int v = 0; v < vectors; v++)
        acc[r * vectors + v] = vec_fma(x, w[v], acc[r * vectors + v]);
    }
  }
  WK_UNROLL
  for (int v = 0; v < vectors; v++) {
    const int left = cols - v * WK_VL;
    WK_UNROLL
    for (int r = 0; r < rows; r++) {
      float *to = c + r * ldc + v * WK_VL;
      vec x = acc[r * vectors + v];
      if (left >= WK_VL)
        vec_store(to, o->add ? vec_load(to) + x : x);
      else
        vec_store_part(to, o->add ? vec_load_part(to, left) + x : x, left);
    }
  }
}

typedef void (*kernel_fn)(const wk_outer_product *o, const float *a, const float *b, float *c, int cols);

#define KERNEL(rows)                                                                                                   \
  static void full_##rows(const wk_outer_product *o, const float *a, const float *b, float *c, int cols) {             \
    kernel(o, a, b, c, cols, rows, 2);                                                                                 \
  }                                                                                                                    \
  static void half_##rows(const wk_outer_product *o, const float *a, const float *b, float *c, int cols) {             \
    kernel(o, a, b, c, cols, rows, 1);                                                                                 \
  }
KERNEL(1)
KERNEL(2)
KERNEL(3)
KERNEL(4)
KERNEL(5)
KERNEL(6)
#if MR == 12
KERNEL(7)
KERNEL(8)
KERNEL(9)
KERNEL(10)
KERNEL(11)
KERNEL(12)
static const kernel_fn full[MR] = {full_1, full_2, full_3, full_4,  full_5,  full_6,
                                   full_7, full_8, full_9, full_10, full_11, full_12};
static const kernel_fn half[MR] = {half_1, half_2, half_3, half_4,  half_5,  half_6,
                                   half_7, half_8, half_9, half_10, half_11, half_12};
#else
static const kernel_fn full[MR] = {full_1, full_2, full_3, full_4, full_5, full_6};
static const kernel_fn half[MR] = {half_1, half_2, half_3, half_4, half_5, half_6};
#endif

void WK_ISA_FN(wk_outer)(const wk_outer_product *o) {
  const int strips = (o->m + MR - 1) / MR, each = o->m / strips, rest = o->m % strips;
  const float *b = o->b;
  for (int col = 0; col < o->n; col += NR, b += o->panel) {
    const int cols = o->n - col;
    const kernel_fn *run = cols > WK_VL ? full : half;
    const float *a = o->a;
    float *c = o->c + col;
    for (int s = 0, over = 0; s < strips; s++) { /* strip s begins at m * s / strips */
      over += rest;
      const int rows = each + (over >= strips);
      over -= over >= strips ? strips : 0;
      run[rows - 1](o, a, b, c, cols);
      a += o->strip ? o->strip : rows;
      c += rows * o->ldc;
    }
  }
}

#define AHEAD 16                                  /* floats: the line of a row that the next strips will need */
#define COPIED ((MR + WK_VL - 1) / WK_VL * WK_VL) /* floats of a packed row: whole vectors */

/* Strips begin on cache lines, and not all in the same sets. */
wk_outer_strips WK_ISA_FN(wk_outer_strips_of)(int m, int depth) {
  const size_t strip = (((size_t)depth * COPIED + 15) / 16 | 1) * 16;
  const int count = (m + MR - 1) / MR;
  return (wk_outer_strips){.count = count, .lda = COPIED, .strip = strip, .floats = strip * (size_t)count};
}

void WK_ISA_FN(wk_outer_pack)(float *packed, const float *rows, int m, int depth, ptrdiff_t ld) {
  const size_t strip = WK_ISA_FN(wk_outer_strips_of)(m, depth).strip;
  const int strips = (m + MR - 1) / MR, each = m / strips, rest = m % strips;
  for (int p = 0; p < depth; p++, rows += ld, packed += COPIED) {
    float *to = packed;
    for (int s = 0, begin = 0, over = 0; s < strips; s++, to += strip) {
      WK_UNROLL
      for (int k = 0; k < COPIED; k += WK_VL) {
        const int left = m - begin - k;
        vec_store(to + k,
                  left >= WK_VL ? vec_load(rows + begin + k) : vec_load_part(rows + begin + k, left < 0 ? 0 : left));
      }
      over += rest;
      begin += each + (over >= strips);
      over -= over >= strips ? strips : 0;
    }
  }
}

/* The first vectors of `depth` rows, of which `left` floats are there. */
WK_INLINE void strip(float *packed, vec *part, const float *rows, int left, int depth, ptrdiff_t ld, bool whole) {
  for (int p = 0; p < depth; p++, rows += ld, packed += COPIED) {
    __builtin_prefetch(rows + AHEAD);
    WK_UNROLL
    for (int v = 0; v < COPIED / WK_VL; v++) {
      const int have = left - v * WK_VL;
      const vec x =
          whole || have >= WK_VL ? vec_load(rows + v * WK_VL) : vec_load_part(rows + v * WK_VL, have < 0 ? 0 : have);
      part[v] = part[v] + x;
      vec_store(packed + v * WK_VL, x);
    }
  }
}

void WK_ISA_FN(wk_outer_pack_strip)(float *packed, float *sum, const float *rows, int m, int columns, int depth,
                                    ptrdiff_t ld) {
  vec part[COPIED / WK_VL];
  WK_UNROLL
  for (int v = 0; v < COPIED / WK_VL; v++)
    part[v] = vec_zero();
  if (columns >= COPIED)
    strip(packed, part, rows, columns, depth, ld, true);
  else
    strip(packed, part, rows, columns, depth, ld, false);
  float parts[COPIED];
  WK_UNROLL
  for (int v = 0; v < COPIED / WK_VL; v++)
    vec_store(parts + v * WK_VL, part[v]);
  for (int i = 0; sum && i < m; i++)
    sum[i] += parts[i];
}

/* `vectors` is a constant where this is inlined; their sums do not wait for each other. */
WK_INLINE void bias(float *sum, const float *rows, int count, int channels, int vectors) {
  vec part[4];
  WK_UNROLL
  for (int v = 0; v < vectors; v++)
    part[v] = vec_zero();
  for (int p = 0; p < count; p++, rows += channels) {
    WK_UNROLL
    for (int v = 0; v < vectors; v++)
      part[v] = part[v] + vec_load(rows + v * WK_VL);
  }
  WK_UNROLL
  for (int v = 0; v < vectors; v++)
    vec_store(sum + v * WK_VL, vec_load(sum + v * WK_VL) + part[v]);
}

void WK_ISA_FN(wk_outer_bias)(float *sum, const float *rows, int count, int channels) {
  int ch = 0;
  for (; ch + 4 * WK_VL <= channels; ch += 4 * WK_VL)
    bias(sum + ch, rows + ch, count, channels, 4);
  for (; ch + WK_VL <= channels; ch += WK_VL)
    bias(sum + ch, rows + ch, count, channels, 1);
  if (ch < channels) {
    const int have = channels - ch;
    vec part = vec_zero();
    for (int p = 0; p < count; p++)
      part = part + vec_load_part(rows + (ptrdiff_t)p * channels + ch, have);
    vec_store_part(sum + ch, vec_load_part(sum + ch, have) + part, have);
  }
}

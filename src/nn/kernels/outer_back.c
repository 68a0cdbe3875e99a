/* outer_back.c - see outer_back.h: strips of rows by panels of columns, kept in registers over the whole depth. */
#include "nn/kernels/outer_back.h"

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
  const int strips = (o->m + MR - 1) / MR;
  const float *b = o->b;
  for (int col = 0; col < o->n; col += NR, b += o->panel) {
    const int cols = o->n - col;
    const kernel_fn *run = cols > WK_VL ? full : half;
    for (int s = 0; s < strips; s++) {
      const int begin = o->m * s / strips, end = o->m * (s + 1) / strips;
      run[end - begin - 1](o, o->a + begin, b, o->c + begin * o->ldc + col, cols);
    }
  }
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

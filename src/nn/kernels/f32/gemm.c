/* gemm.c - the packed matrix product under 1x1 convolutions, linear layers, Winograd and unfolded convolutions.
 *
 * B is packed into panels of two vectors; a block of B (some panels, a block of k deep) stays in L2 while strips of MR
 * rows of A run over it from L1. One element of C is always the same chain: for each block of k in order, a fused sum
 * from zero, added to what is there (at first `add`, which may therefore lie in C). The blocks depend on k alone, so
 * the strip, range and batch never change a bit.
 */
#include "nn/kernels/f32/gemm.h"

#include "nn/kernels/vec.h"

#if WK_VL == 16
#define MR                                                                                                             \
  14 /* 28 accumulators, two vectors of B and a broadcast: 31 of 32 registers; 14 divides ImageNet's 7 * 2^n           \
      */
#else
#define MR 6 /* 12 accumulators of 16 registers */
#endif
#define NR (2 * WK_VL)
#define WIDE 4 /* panels at a time for MR_WIDE rows or fewer, where a chain of sums would wait for itself */
#define MR_WIDE (MR / 4)
#define BLOCK_FLOATS (80 << 10) /* of B held in L2: 320 kB */
#define ROWS_FLOATS (48 << 10)  /* of A that pass through all blocks of k together: 192 kB */
#define FAR_STRIPS 24 /* most strips for which B is fetched ahead: with more, its first reading matters little */
#define ROWS_LEAST 8  /* strips, or every few rows would fetch all of B */
#define STRIP_LD (WK_GEMM_DEPTH + 16) /* copied rows must not meet in the same sets of L1 */

/* Everything a register kernel needs besides its size. */
typedef struct tile {
  const float *a, *b;
  ptrdiff_t lda, panel_stride;
  float *c;
  ptrdiff_t ldc, ldadd;
  const float *bias, *add;
  float low, high;
  int depth;         /* of this block of k */
  int cols;          /* that exist, of the tile's width */
  bool first;        /* of the blocks of k; bias and activation come with the last */
  const char *ahead; /* memory to fetch, `ahead_step` bytes a step of k; NULL: none */
  ptrdiff_t ahead_step;
} tile;

/* What follows the sums: the fields of the tile are read once, and one branch decides for all rows, so that the stores
 * follow each other without a test between them. */
WK_INLINE void finish(const tile *t, const vec *acc, int rows, int width, bool plus) {
  const vec low = vec_set(t->low), high = vec_set(t->high);
  const float *before = t->first ? t->add : t->c, *bias = t->bias;
  const ptrdiff_t ld = t->first ? t->ldadd : t->ldc, ldc = t->ldc;
  const int cols = t->cols;
  float *c = t->c;
  WK_UNROLL
  for (int v = 0; v < width; v++, c += WK_VL, before += plus ? WK_VL : 0) {
    const int left = cols - v * WK_VL;
    if (left >= WK_VL) {
      const vec shift = bias ? vec_load(bias + v * WK_VL) : vec_zero();
      WK_UNROLL
      for (int r = 0; r < rows; r++) {
        vec x = acc[r * width + v];
        if (plus)
          x = vec_load(before + r * ld) + x;
        vec_store(c + r * ldc, vec_min(high, vec_max(low, x + shift)));
      }
    } else if (left > 0) {
      const vec shift = bias ? vec_load_part(bias + v * WK_VL, left) : vec_zero();
      WK_UNROLL
      for (int r = 0; r < rows; r++) {
        vec x = acc[r * width + v];
        if (plus)
          x = vec_load_part(before + r * ld, left) + x;
        vec_store_part(c + r * ldc, vec_min(high, vec_max(low, x + shift)), left);
      }
    }
  }
}

/* rows x (panels * vectors) outputs. `rows`, `panels`, `vectors`, `fetch` are constants wherever this is inlined. */
WK_INLINE void kernel(const tile *t, int rows, int panels, int vectors, bool fetch) {
  const int width = panels * vectors;
  vec acc[MR * 2];
  WK_UNROLL
  for (int i = 0; i < rows * width; i++)
    acc[i] = vec_zero();
  const float *a = t->a, *b = t->b;
  const ptrdiff_t lda = t->lda, panel_stride = t->panel_stride;
  const int depth = t->depth;
  const char *ahead = t->ahead;
  const ptrdiff_t ahead_step = t->ahead_step;
  for (int k = 0; k < depth; k++) {
    vec w[2 * WIDE];
    if (fetch) {
      __builtin_prefetch(ahead);
      ahead += ahead_step;
    }
    WK_UNROLL
    for (int p = 0; p < panels; p++) {
      WK_UNROLL
      for (int v = 0; v < vectors; v++)
        w[p * vectors + v] = vec_load(b + p * panel_stride + v * WK_VL);
    }
    WK_UNROLL
    for (int r = 0; r < rows; r++) {
      vec x = vec_set(a[r * lda]);
      WK_UNROLL
      for (int v = 0; v < width; v++)
        acc[r * width + v] = vec_fma(x, w[v], acc[r * width + v]);
    }
    a++;
    b += vectors * WK_VL;
  }
  if (t->first ? t->add : t->c)
    finish(t, acc, rows, width, true);
  else
    finish(t, acc, rows, width, false);
}

typedef void (*kernel_fn)(const tile *t);

#define KERNEL(rows)                                                                                                   \
  static void full_##rows(const tile *t) { kernel(t, rows, 1, 2, false); }                                             \
  static void ahead_##rows(const tile *t) { kernel(t, rows, 1, 2, true); }                                             \
  static void half_##rows(const tile *t) { kernel(t, rows, 1, 1, false); }
KERNEL(1) KERNEL(2) KERNEL(3) KERNEL(4) KERNEL(5) KERNEL(6) static void wide_1(const tile *t) {
  kernel(t, 1, WIDE, 2, false);
}
#if MR == 14
KERNEL(7) KERNEL(8) KERNEL(9) KERNEL(10) KERNEL(11) KERNEL(12) KERNEL(13) KERNEL(14) static void wide_2(const tile *t) {
  kernel(t, 2, WIDE, 2, false);
}
static void wide_3(const tile *t) { kernel(t, 3, WIDE, 2, false); }
static const kernel_fn full[MR] = {full_1, full_2, full_3,  full_4,  full_5,  full_6,  full_7,
                                   full_8, full_9, full_10, full_11, full_12, full_13, full_14};
static const kernel_fn half[MR] = {half_1, half_2, half_3,  half_4,  half_5,  half_6,  half_7,
                                   half_8, half_9, half_10, half_11, half_12, half_13, half_14};
static const kernel_fn wide[MR_WIDE] = {wide_1, wide_2, wide_3};
static const kernel_fn fetching[MR] = {ahead_1, ahead_2, ahead_3,  ahead_4,  ahead_5,  ahead_6,  ahead_7,
                                       ahead_8, ahead_9, ahead_10, ahead_11, ahead_12, ahead_13, ahead_14};
#else
static const kernel_fn full[MR] = {full_1, full_2, full_3, full_4, full_5, full_6};
static const kernel_fn half[MR] = {half_1, half_2, half_3, half_4, half_5, half_6};
static const kernel_fn wide[MR_WIDE] = {wide_1};
static const kernel_fn fetching[MR] = {ahead_1, ahead_2, ahead_3, ahead_4, ahead_5, ahead_6};
#endif

size_t WK_ISA_FN(wk_gemm_packed)(int k, int n) {
  return (size_t)k * (size_t)(n / NR * NR + (n % NR ? wk_gemm_panel_width(WK_VL, n, n / NR * NR) : 0));
}

void WK_ISA_FN(wk_gemm_pack)(float *packed, const float *b, int k, int n, ptrdiff_t stride_k, ptrdiff_t stride_n) {
  for (int col = 0; col < n; col += NR) {
    const int width = wk_gemm_panel_width(WK_VL, n, col), have = n - col < width ? n - col : width;
    for (int i = 0; i < k; i++, packed += width) {
      const float *row = b + i * stride_k + col * stride_n;
      for (int j = 0; j < have; j++)
        packed[j] = row[j * stride_n];
      for (int j = have; j < width; j++)
        packed[j] = 0;
    }
  }
}

void WK_ISA_FN(wk_gemm_transpose)(float *turned, const float *packed, int k, int n) {
  for (int row = 0; row < k; row += NR) {
    const int across = wk_gemm_panel_width(WK_VL, k, row), have = k - row < across ? k - row : across;
    for (int j = 0; j < n; j++, turned += across) {
      const int col = j / NR * NR, width = wk_gemm_panel_width(WK_VL, n, col);
      const float *from = packed + (size_t)col * (size_t)k + (size_t)row * (size_t)width + (j - col);
      for (int i = 0; i < across; i++)
        turned[i] = i < have ? from[i * width] : 0;
    }
  }
}

/* Rows of A are copied to L1 where they lie so that all would fall into the same sets of it. */
static bool must_copy(ptrdiff_t lda, int rows) { return rows > 4 && lda % 1024 == 0; }

/* `t` is filled in place: a copy of it a strip is read before it is written, and cost a twentieth of Winograd. */
static void strip_run(const wk_gemm *g, const float *bias, tile *t, int row, int rows, int col0, int col1, int k0,
                      float *scratch) {
  t->a = g->a + row * g->lda + k0;
  t->lda = g->lda;
  if (must_copy(g->lda, rows) && col1 - col0 > NR) {
    for (int r = 0; r < rows; r++)
      memcpy(scratch + r * STRIP_LD, t->a + r * g->lda, (size_t)t->depth * sizeof(float));
    t->a = scratch;
    t->lda = STRIP_LD;
  }
  for (int col = col0; col < col1;) {
    int width = wk_gemm_panel_width(WK_VL, g->n, col);
    kernel_fn run = width == NR ? full[rows - 1] : half[rows - 1];
    if (t->ahead && width == NR) {
      run = fetching[rows - 1];
    } else if (rows <= MR_WIDE && col1 - col >= WIDE * NR) {
      run = wide[rows - 1];
      width = WIDE * NR;
    }
    t->b = g->b + (size_t)col * g->k + (size_t)k0 * (width < NR ? width : NR);
    t->panel_stride = (ptrdiff_t)g->k * NR;
    t->cols = g->n - col < width ? g->n - col : width;
    t->c = g->c + row * g->ldc + col;
    t->bias = bias ? bias + col : NULL;
    t->add = g->add ? g->add + row * g->ldadd + col : NULL;
    run(t);
    col += width;
    if (t->ahead)
      t->ahead += t->panel_stride * (ptrdiff_t)sizeof(float);
  }
}

wk_gemm_sizes WK_ISA_FN(wk_gemm_shape)(void) {
  return (wk_gemm_sizes){.lanes = WK_VL, .rows = MR, .panel = NR, .scratch = (size_t)MR * STRIP_LD};
}

/* Rows row0..row1-1 through all blocks of k. Where B comes from beyond the caches, all strips pass one panel after the
 * other (some, where their rows are copied), and each fetches a part of what is next: left to the processor, the first
 * strip would wait for all. */
static void rows_run(const wk_gemm *g, int row0, int row1, int col0, int col1, float *scratch) {
  const int rows = row1 - row0, blocks = wk_gemm_blocks(g->k), strips = (rows + MR - 1) / MR;
  const bool far = g->next && strips > 1 && strips <= FAR_STRIPS;
  for (int kb = 0; kb < blocks; kb++) {
    const int k0 = wk_gemm_block(g->k, kb), k1 = wk_gemm_block(g->k, kb + 1);
    int step = BLOCK_FLOATS / (k1 - k0) / NR * NR;
    if (step < WIDE * NR)
      step = WIDE * NR;
    if (far)
      step = must_copy(g->lda, MR) ? WIDE * NR : NR;
    const bool last = kb == blocks - 1;
    tile t = {.ldc = g->ldc,
              .ldadd = g->ldadd,
              .low = !last || g->act == WK_ACT_NONE ? -__builtin_inff() : 0,
              .high = last && g->act == WK_ACT_RELU6 ? 6 : __builtin_inff(),
              .depth = k1 - k0,
              .first = kb == 0,
              .ahead_step = (ptrdiff_t)(NR * sizeof(float) + (size_t)strips - 1) / strips};
    for (int col = col0; col < col1; col += step) {
      const int end = col1 - col < step ? col1 : col + step;
      const float *then = end < col1 ? g->b + (size_t)end * (size_t)g->k + (size_t)k0 * NR
                          : !last    ? g->b + (size_t)col0 * (size_t)g->k + (size_t)k1 * NR
                                     : g->next;
      for (int s = 0; s < strips; s++) {
        if (far)
          t.ahead = (const char *)(then + (ptrdiff_t)t.depth * NR / strips * s);
        const int begin = row0 + (int)((int64_t)rows * s / strips),
                  stop = row0 + (int)((int64_t)rows * (s + 1) / strips);
        strip_run(g, last ? g->bias : NULL, &t, begin, stop - begin, col, end, k0, scratch);
      }
    }
  }
}

/* Deep products go some rows at a time, so that neither A nor C comes from beyond the caches once a block of k. */
void WK_ISA_FN(wk_gemm)(const wk_gemm *g, int row0, int row1, int col0, int col1, float *scratch) {
  if (row1 <= row0 || col1 <= col0)
    return;
  int step = row1 - row0;
  if (g->k > WK_GEMM_DEPTH) {
    const int most = ROWS_FLOATS / g->k / MR * MR;
    step = most < ROWS_LEAST * MR ? ROWS_LEAST * MR : most;
  }
  for (int row = row0; row < row1; row += step)
    rows_run(g, row, row1 - row < step ? row1 : row + step, col0, col1, scratch);
}

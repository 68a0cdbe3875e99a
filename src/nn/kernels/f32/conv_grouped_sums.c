/* conv_grouped_sums.c - some neighbouring results by some vectors of channels in registers over all taps and inputs:
 * one chain of sums each. Where the taps of a row of the kernel are next to each other, an input is loaded once for all
 * of them; and so for both results of a pair in the gradient of a convolution of stride 2. */
#include "nn/kernels/f32/conv_grouped_sums.h"

#include "nn/kernels/f32/group_spread.h"
#include "nn/kernels/f32/slope.h"
#include "nn/kernels/vec.h"

/* Results that registers hold, of 1, 2 and 3 vectors; near: with the weights of three taps. Pairs likewise. */
#if WK_VL == 16
#define ROWS_1 14
#define ROWS_NEAR 14
#define ROWS_2 14
#define PAIRS 7
#else
#define ROWS_1 12
#define ROWS_NEAR 11
#define ROWS_2 6
#define PAIRS 5
#endif
#define ROWS_3 4
#define LINES 3 /* of each of two lines of two vectors */
#define HELD 28 /* vectors of sums */
#define LINE 16 /* floats of a line of the caches */

WK_INLINE vec load(const float *p, int have) { return have >= WK_VL ? vec_load(p) : vec_load_part(p, have); }

/* The way of the few: fewer channels than vectors, something to be added, a slope. */
static __attribute__((noinline)) void finish_any(const wk_grouped_phase *f, const wk_grouped_tile *t, const float *acc,
                                                 int rows, int vectors, int lines) {
  const vec low = vec_set(f->low), high = vec_set(f->high), limit = slope_limit(f->mask_act);
  for (int v = 0; v < vectors; v++) {
    const int have = t->cols - v * WK_VL;
    if (have <= 0)
      continue;
    const vec bias = t->bias ? load(t->bias + v * WK_VL, have) : vec_zero();
    for (int r = 0; r < rows; r++) {
      const int across = rows / lines;
      const ptrdiff_t at = r / across * f->line + r % across * f->ldc + v * WK_VL;
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

WK_INLINE void finish(const wk_grouped_phase *f, const wk_grouped_tile *t, const vec *acc, int rows, int vectors,
                      int lines) {
  if (t->add || t->mask || t->cols < vectors * WK_VL) {
    float kept[HELD * WK_VL];
    WK_UNROLL
    for (int i = 0; i < rows * vectors; i++)
      vec_store(kept + i * WK_VL, acc[i]);
    finish_any(f, t, kept, rows, vectors, lines);
    return;
  }
  const vec low = vec_set(f->low), high = vec_set(f->high);
  const float *bias = t->bias;
  float *c = t->c;
  const ptrdiff_t ldc = f->ldc;
  vec b[3];
  WK_UNROLL
  for (int v = 0; v < vectors; v++)
    b[v] = bias ? vec_load(bias + v * WK_VL) : vec_zero();
  WK_UNROLL
  for (int r = 0; r < rows; r++, c += ldc) {
    if (r && r % (rows / lines) == 0)
      c = t->c + r / (rows / lines) * f->line;
    WK_UNROLL
    for (int v = 0; v < vectors; v++)
      vec_store(c + v * WK_VL, vec_min(high, vec_max(low, acc[r * vectors + v] + b[v])));
  }
}

/* Asks for the memory of later results while the sums are made: between the rows of one place modulo the stride lie
 * others, and no processor guesses which comes next. Where it is beyond the last row nothing happens. */
WK_INLINE void ask(const wk_grouped_phase *f, const wk_grouped_tile *t, int rows, int vectors, int lines) {
  const int across = rows / lines;
  WK_UNROLL
  for (int r = 0; r < rows; r++) {
    const uintptr_t at = (uintptr_t)(t->c + (r / across * f->line + r % across * f->ldc)) + f->ahead;
    __builtin_prefetch((const void *)at, 1);
    if (vectors * WK_VL > LINE)
      __builtin_prefetch((const void *)(at + (uintptr_t)(vectors * WK_VL - 1) * sizeof(float)), 1);
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
WK_INLINE void sums(const wk_grouped_phase *f, const wk_grouped_tile *t, int rows, int vectors, int taps, int step,
                    int spread) {
  vec acc[HELD];
  WK_UNROLL
  for (int i = 0; i < rows * vectors; i++)
    acc[i] = vec_zero();
  ask(f, t, rows, vectors, 1);
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
  finish(f, t, acc, rows, vectors, 1);
}

/* Pairs of results of one vector, of groups as wide as a vector or several a vector: `depth` inputs, a constant. */
WK_INLINE void pair_sums(const wk_grouped_phase *f, const wk_grouped_tile *t, int rows, int depth) {
  ask(f, t, 2 * rows, 1, 1);
  const int tap = depth * WK_VL, pixel = WK_GROUPED_NEAR, down = f->taps_y;
  const ptrdiff_t row = f->row;
  const float *w = t->w, *w2 = t->w2, *a = t->a;
  vec acc[HELD];
  WK_UNROLL
  for (int i = 0; i < 2 * rows; i++)
    acc[i] = vec_zero();
  for (int ty = 0; ty < down; ty++, a += row, w += tap, w2 += 2 * tap) {
    WK_UNROLL
    for (int i = 0; i < depth; i++) {
      const vec first = vec_load(w + i * WK_VL), second = vec_load(w2 + i * WK_VL),
                next = vec_load(w2 + tap + i * WK_VL);
      WK_UNROLL
      for (int p = 0; p <= rows; p++) {
        const vec x = depth < WK_VL ? group_spread(vec_load(a + p * pixel), depth < WK_VL ? depth : 1, i)
                                    : vec_set(a[p * pixel + i]);
        if (p > 0)
          acc[2 * p - 1] = vec_fma(x, next, acc[2 * p - 1]);
        if (p < rows) {
          acc[2 * p] = vec_fma(x, first, acc[2 * p]);
          acc[2 * p + 1] = vec_fma(x, second, acc[2 * p + 1]);
        }
      }
    }
  }
  finish(f, t, acc, 2 * rows, 1, 1);
}

/* The same rows of results of two lines, one below the other, of two vectors: of short lines registers hold more so. */
WK_INLINE void line_sums(const wk_grouped_phase *f, const wk_grouped_tile *t, int rows) {
  vec acc[HELD];
  WK_UNROLL
  for (int i = 0; i < 4 * rows; i++)
    acc[i] = vec_zero();
  ask(f, t, 2 * rows, 2, 2);
  const int depth = f->depth, across = f->taps_x, down = f->taps_y;
  const ptrdiff_t pixel = f->pixel, next = f->q, row = f->row, column = f->column;
  const float *w = t->w, *line = t->a;
  for (int ty = 0; ty < down; ty++, line += row) {
    const float *a = line;
    for (int tx = 0; tx < across; tx++, a += column)
      for (int i = 0; i < depth; i++, w += 2 * WK_VL) {
        const vec b0 = vec_load(w), b1 = vec_load(w + WK_VL);
        WK_UNROLL
        for (int r = 0; r < 2 * rows; r++) {
          const vec x = vec_set(a[r / rows * next + r % rows * pixel + i]);
          acc[2 * r] = vec_fma(x, b0, acc[2 * r]);
          acc[2 * r + 1] = vec_fma(x, b1, acc[2 * r + 1]);
        }
      }
  }
  finish(f, t, acc, 2 * rows, 2, 2);
}

/* ---- one function for each number of results ------------------------------------------------------ */

#define UP_TO_2(EACH, ...) EACH(1, __VA_ARGS__) EACH(2, __VA_ARGS__)
#define UP_TO_3(EACH, ...) UP_TO_2(EACH, __VA_ARGS__) EACH(3, __VA_ARGS__)
#define UP_TO_4(EACH, ...) UP_TO_3(EACH, __VA_ARGS__) EACH(4, __VA_ARGS__)
#define UP_TO_5(EACH, ...) UP_TO_4(EACH, __VA_ARGS__) EACH(5, __VA_ARGS__)
#define UP_TO_6(EACH, ...) UP_TO_5(EACH, __VA_ARGS__) EACH(6, __VA_ARGS__)
#define UP_TO_7(EACH, ...) UP_TO_6(EACH, __VA_ARGS__) EACH(7, __VA_ARGS__)
#define UP_TO_11(EACH, ...)                                                                                            \
  UP_TO_7(EACH, __VA_ARGS__)                                                                                           \
  EACH(8, __VA_ARGS__) EACH(9, __VA_ARGS__) EACH(10, __VA_ARGS__) EACH(11, __VA_ARGS__)
#define UP_TO_12(EACH, ...) UP_TO_11(EACH, __VA_ARGS__) EACH(12, __VA_ARGS__)
#define UP_TO_14(EACH, ...) UP_TO_12(EACH, __VA_ARGS__) EACH(13, __VA_ARGS__) EACH(14, __VA_ARGS__)
#define FUNCTION(rows, name, ...)                                                                                      \
  static void name##_##rows(const wk_grouped_phase *f, const wk_grouped_tile *t) { sums(f, t, rows, __VA_ARGS__); }
#define PAIR_FUNCTION(rows, name, ...)                                                                                 \
  static void name##_##rows(const wk_grouped_phase *f, const wk_grouped_tile *t) { pair_sums(f, t, rows, __VA_ARGS__); }
#define LINE_FUNCTION(rows, name)                                                                                      \
  static void name##_##rows(const wk_grouped_phase *f, const wk_grouped_tile *t) { line_sums(f, t, rows); }
#define ENTRY(rows, name) name##_##rows,
/* vectors, taps, step, spread */
#define FUNCTIONS(UP_TO, name, ...)                                                                                    \
  UP_TO(FUNCTION, name, __VA_ARGS__)                                                                                   \
  static const wk_grouped_sums_fn name[] = {UP_TO(ENTRY, name)};
/* inputs */
#define PAIR_FUNCTIONS(UP_TO, name, ...)                                                                               \
  UP_TO(PAIR_FUNCTION, name, __VA_ARGS__)                                                                              \
  static const wk_grouped_sums_fn name[] = {UP_TO(ENTRY, name)};
#if WK_VL == 16
#define UP_TO_ROWS_1 UP_TO_14
#define UP_TO_NEAR UP_TO_14
#define UP_TO_ROWS_2 UP_TO_14
#define UP_TO_PAIRS UP_TO_7
#else
#define UP_TO_ROWS_1 UP_TO_12
#define UP_TO_NEAR UP_TO_11
#define UP_TO_ROWS_2 UP_TO_6
#define UP_TO_PAIRS UP_TO_5
FUNCTIONS(UP_TO_4, three, 3, 1, 1, 0)
#endif
FUNCTIONS(UP_TO_ROWS_2, two, 2, 1, 1, 0)
#if WK_VL != 16
UP_TO_3(LINE_FUNCTION, two_lines)
static const wk_grouped_sums_fn two_lines[] = {UP_TO_3(ENTRY, two_lines)};
#endif
FUNCTIONS(UP_TO_ROWS_1, one, 1, 1, 1, 0)
FUNCTIONS(UP_TO_NEAR, one_near, 1, 3, 1, 0)
FUNCTIONS(UP_TO_NEAR, one_apart, 1, 3, 2, 0)
PAIR_FUNCTIONS(UP_TO_PAIRS, one_pairs, WK_VL)
FUNCTIONS(UP_TO_ROWS_1, spread_1, 1, 1, 1, 1)
FUNCTIONS(UP_TO_ROWS_1, spread_2, 1, 1, 1, 2)
#if WK_WIDEST_SPREAD >= 4
FUNCTIONS(UP_TO_ROWS_1, spread_4, 1, 1, 1, 4)
FUNCTIONS(UP_TO_NEAR, spread_4_near, 1, 3, 1, 4)
FUNCTIONS(UP_TO_NEAR, spread_4_apart, 1, 3, 2, 4)
PAIR_FUNCTIONS(UP_TO_PAIRS, spread_4_pairs, 4)
#endif
#if WK_WIDEST_SPREAD >= 8
FUNCTIONS(UP_TO_ROWS_1, spread_8, 1, 1, 1, 8)
FUNCTIONS(UP_TO_NEAR, spread_8_near, 1, 3, 1, 8)
FUNCTIONS(UP_TO_NEAR, spread_8_apart, 1, 3, 2, 8)
PAIR_FUNCTIONS(UP_TO_PAIRS, spread_8_pairs, 8)
#endif

/* The taps of a row: any; three side by side, and those of the next result one or two pixels further; of pairs. */
typedef enum across { ANY, NEAR, APART, IN_PAIRS } across;

static const wk_grouped_sums_fn *sums_of(const wk_grouped_layout *l, int vectors, across how) {
  static const wk_grouped_sums_fn *const narrow[] = {one, one_near, one_apart, one_pairs};
#if WK_WIDEST_SPREAD >= 4
  static const wk_grouped_sums_fn *const four[] = {spread_4, spread_4_near, spread_4_apart, spread_4_pairs};
  if (l->spread && l->depth == 4)
    return four[how];
#endif
#if WK_WIDEST_SPREAD >= 8
  static const wk_grouped_sums_fn *const eight[] = {spread_8, spread_8_near, spread_8_apart, spread_8_pairs};
  if (l->spread && l->depth == 8)
    return eight[how];
#endif
  if (l->spread)
    return l->depth == 1 ? spread_1 : spread_2;
#if WK_VL != 16
  if (vectors == 3)
    return three;
#endif
  return vectors == 2 ? two : narrow[how];
}

wk_grouped_pieces WK_ISA_FN(wk_grouped_pieces_of)(const wk_grouped_layout *l, const wk_grouped_side *x, int vectors,
                                                  bool pairs) {
  const bool near = vectors == 1 && x->taps == 3 && x->gap == 1 && x->step <= 2 && l->pixel == WK_GROUPED_NEAR &&
                    (!l->spread || l->depth > 2);
  const across how = pairs ? IN_PAIRS : !near ? ANY : x->step == 1 ? NEAR : APART;
  const int most = pairs ? PAIRS : vectors == 1 ? (near ? ROWS_NEAR : ROWS_1) : vectors == 2 ? ROWS_2 : ROWS_3;
  wk_grouped_pieces p = {.sums = sums_of(l, vectors, how), .count = (x->count + most - 1) / most};
  if (p.count)
    p.size = x->count / p.count, p.larger = x->count % p.count;
  return p;
}

wk_grouped_pieces WK_ISA_FN(wk_grouped_pieces_of_lines)(const wk_grouped_layout *l, const wk_grouped_side *x) {
  wk_grouped_pieces p = {.sums = NULL};
#if WK_VL == 16
  (void)l, (void)x;
#else
  if (l->narrow && !l->spread) {
    p.sums = two_lines, p.count = (x->count + LINES - 1) / LINES;
    if (p.count)
      p.size = x->count / p.count, p.larger = x->count % p.count;
  }
#endif
  return p;
}

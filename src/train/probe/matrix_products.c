/* matrix_products.c - the products of matrix_products.h, compiled once an instruction set. Features are read as float
 * and everything is summed in double: the optimiser then stops where the mathematics does, not where rounding does, and
 * the cost is in reading the features anyway. */
#include "train/probe/matrix_products.h"

#if defined(__AVX512F__)
#define VL 8
#elif defined(__AVX2__)
#define VL 4
#else
#define VL 2
#endif

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

typedef double vec __attribute__((vector_size(VL * 8)));
typedef double vec_memory __attribute__((vector_size(VL * 8), aligned(8), may_alias));
typedef float half __attribute__((vector_size(VL * 4), aligned(4), may_alias));

INLINE vec load(const double *p) { return *(const vec_memory *)p; }
INLINE vec widen(const float *p) { return __builtin_convertvector(*(const half *)p, vec); }

INLINE double sum(vec v) {
  double s[VL];
  *(vec_memory *)s = v;
  UNROLL for (int width = VL / 2; width > 0; width /= 2) for (int i = 0; i < width; i++) s[i] += s[i + width];
  return s[0];
}

/* Scores of R rows for C classes, kept in registers. */
#define R 4
#define C 4
INLINE void score_tile(double *score, const float *const *row, const double *w, int nr, int nc, int classes,
                       int columns) {
  vec acc[R][C] = {0};
  int j = 0;
  for (; j + VL <= columns; j += VL) {
    vec x[R];
    UNROLL for (int r = 0; r < nr; r++) x[r] = widen(row[r] + j);
    UNROLL for (int c = 0; c < nc; c++) {
      vec k = load(w + (ptrdiff_t)c * columns + j);
      UNROLL for (int r = 0; r < nr; r++) acc[r][c] += x[r] * k;
    }
  }
  UNROLL for (int r = 0; r < nr; r++) UNROLL for (int c = 0; c < nc; c++) {
    double s = sum(acc[r][c]);
    for (int i = j; i < columns; i++)
      s += (double)row[r][i] * w[(ptrdiff_t)c * columns + i];
    score[(ptrdiff_t)r * classes + c] = s;
  }
}

/* The same code for every number of rows and classes, so that a row's sums do not depend on where in a tile it is. */
INLINE void score_rows(double *score, const float *const *row, const double *w, int nr, int classes, int columns) {
  int c = 0;
  for (; c + C <= classes; c += C)
    score_tile(score + c, row, w + (ptrdiff_t)c * columns, nr, C, classes, columns);
  const double *rest = w + (ptrdiff_t)c * columns;
  if (classes - c == 3)
    score_tile(score + c, row, rest, nr, 3, classes, columns);
  else if (classes - c == 2)
    score_tile(score + c, row, rest, nr, 2, classes, columns);
  else if (classes - c == 1)
    score_tile(score + c, row, rest, nr, 1, classes, columns);
}

void WK_ISA_FN(wk_product_scores)(double *score, const float *const *row, size_t rows, const double *w, int classes,
                                  int columns) {
  size_t r = 0;
  for (; r + R <= rows; r += R)
    score_rows(score + r * (size_t)classes, row + r, w, R, classes, columns);
  for (; r < rows; r++)
    score_rows(score + r * (size_t)classes, row + r, w, 1, classes, columns);
}

/* Gradients of nc classes in nv vectors of columns, kept in registers over all rows. */
#define V 4
INLINE void gradient_tile(double *g, const float *const *row, size_t rows, const double *p, int nc, int nv, int classes,
                          int columns, int col, bool add) {
  vec acc[C][V] = {0};
  if (add)
    UNROLL for (int c = 0; c < nc; c++) UNROLL for (int v = 0; v < nv; v++) acc[c][v] =
        load(g + (ptrdiff_t)c * columns + col + v * VL);
  for (size_t r = 0; r < rows; r++) {
    vec x[V];
    UNROLL for (int v = 0; v < nv; v++) x[v] = widen(row[r] + col + v * VL);
    UNROLL for (int c = 0; c < nc; c++) {
      double k = p[r * (size_t)classes + (size_t)c];
      UNROLL for (int v = 0; v < nv; v++) acc[c][v] += x[v] * k;
    }
  }
  UNROLL for (int c = 0; c < nc; c++) UNROLL for (int v = 0; v < nv; v++) {
    *(vec_memory *)(g + (ptrdiff_t)c * columns + col + v * VL) = acc[c][v];
  }
}

INLINE void gradient_classes(double *g, const float *const *row, size_t rows, const double *p, int nc, int classes,
                             int columns, int col0, int col1, bool add) {
  int j = col0;
  for (; j + V * VL <= col1; j += V * VL)
    gradient_tile(g, row, rows, p, nc, V, classes, columns, j, add);
  for (; j + VL <= col1; j += VL)
    gradient_tile(g, row, rows, p, nc, 1, classes, columns, j, add);
  for (; j < col1; j++)
    for (int c = 0; c < nc; c++) {
      double s = add ? g[(ptrdiff_t)c * columns + j] : 0;
      for (size_t r = 0; r < rows; r++)
        s += p[r * (size_t)classes + (size_t)c] * (double)row[r][j];
      g[(ptrdiff_t)c * columns + j] = s;
    }
}

void WK_ISA_FN(wk_product_gradient)(double *g, const float *const *row, size_t rows, const double *p, int classes,
                                    int columns, int col0, int col1, bool add) {
  int c = 0;
  for (; c + C <= classes; c += C)
    gradient_classes(g + (ptrdiff_t)c * columns, row, rows, p + c, C, classes, columns, col0, col1, add);
  for (; c < classes; c++)
    gradient_classes(g + (ptrdiff_t)c * columns, row, rows, p + c, 1, classes, columns, col0, col1, add);
}

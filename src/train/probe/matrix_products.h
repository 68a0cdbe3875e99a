/* matrix_products.h - the two matrix products of a linear classifier, one for each direction. Rows are reached through
 * pointers, so that a fold of the data needs no copy of it. */
#ifndef WK_TRAIN_MATRIX_PRODUCTS_H
#define WK_TRAIN_MATRIX_PRODUCTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/isa.h"

/* Forward: score[r][c] = row[r] . w[c], for `rows` rows of `columns` floats; w [classes, columns], score [rows,
 * classes]. */
typedef void (*wk_product_scores_fn)(double *score, const float *const *row, size_t rows, const double *w, int classes,
                                     int columns);
/* Backward, columns col0..col1-1: g[c][j] = sum over r of p[r][c] * row[r][j]; p [rows, classes], g [classes, columns].
 * add: the sum goes on from what g holds, so that rows taken in several calls give the same bits as in one. */
typedef void (*wk_product_gradient_fn)(double *g, const float *const *row, size_t rows, const double *p, int classes,
                                       int columns, int col0, int col1, bool add);

/* Both sum in double, each sum in one fixed order that depends on its length alone. */
WK_ISA_DECLARE(void, wk_product_scores,
               (double *score, const float *const *row, size_t rows, const double *w, int classes, int columns));
WK_ISA_DECLARE(void, wk_product_gradient,
               (double *g, const float *const *row, size_t rows, const double *p, int classes, int columns, int col0,
                int col1, bool add));

#endif

/* eigen.h - the main directions of many rows (whisker/embedding_map.h), and the eigenvectors of small symmetric
 * matrices. */
#ifndef WK_EIGEN_H
#define WK_EIGEN_H

#include "base/base.h"

/* Eigenvalues of the symmetric a [n, n] (destroyed), largest first, and their vectors as the rows of v [n, n]: Jacobi's
 * rotations, for n up to a few hundred. */
void wk_eigen_symmetric(double *value, double *v, double *a, int n);

/* wk_pca of rows that are multiplied by scale [rows] (NULL: 1) as they are read, so that equal lengths need no copy. */
wk_status wk_pca_scaled(float *out, double *share, const float *x, const double *scale, size_t rows, int columns,
                        int keep, const wk_context *ctx, wk_error *err);

#endif

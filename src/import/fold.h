/* fold.h (internal) - operations on constants, computed while a file is read: exporters write shapes and weights as
 * small programs (Shape, Slice, Concat, Reshape; Transpose of a weight; DequantizeLinear of one). */
#ifndef WK_IMPORT_FOLD_H
#define WK_IMPORT_FOLD_H

#include "import/ir.h"

/* Computes op where it is one that can be, and all that it reads is constant: its output value becomes a constant, and
 * *done is set. Otherwise nothing happens. */
wk_status wk_fold(bool *done, wk_ir *ir, const wk_ir_op *op, wk_error *err);
/* `shape` as the target of a Reshape of `from`: 0 and -1 are filled in. */
wk_status wk_fold_target(int64_t *out, const int64_t *shape, int ndim, const int64_t *from, int from_ndim,
                         bool allow_zero, wk_error *err);
/* Axes that may count from the end, checked; sorted out of place by the caller where needed. */
wk_status wk_fold_axis(int *out, int64_t axis, int ndim, wk_error *err);

#endif

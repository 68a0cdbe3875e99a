/* row_space.h - fewer columns for few rows. n photos of d features span at most n dimensions, and a penalised
 * classifier never leaves that span: fitting in it is the same fit with n columns instead of d. */
#ifndef WK_TRAIN_ROW_SPACE_H
#define WK_TRAIN_ROW_SPACE_H

#include "base/base.h"

typedef struct wk_row_space wk_row_space;

/* Does it pay for this shape? */
bool wk_row_space_pays(size_t rows, int columns);
/* The rows' coordinates in an orthonormal basis of their span (distances and lengths stay). `row`s are kept by pointer.
 */
wk_status wk_row_space_create(wk_row_space **out, const float *const *row, size_t rows, int columns,
                              const wk_context *ctx, wk_error *err);
void wk_row_space_free(wk_row_space *s);
int wk_row_space_columns(const wk_row_space *s);
const float *wk_row_space_row(const wk_row_space *s, size_t row); /* [wk_row_space_columns] */
/* The classifier with `inside` [classes, span columns] written over the original columns: `outside` [classes, columns].
 */
wk_status wk_row_space_expand(double *outside, const wk_row_space *s, const double *inside, int classes,
                              const wk_context *ctx, wk_error *err);

#endif

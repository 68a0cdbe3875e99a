/* span.h - fewer columns for few rows. n photos of d features span at most n dimensions, and a penalised classifier
 * never leaves that span: fitting in it is the same fit with n columns instead of d. */
#ifndef WK_LEARN_SPAN_H
#define WK_LEARN_SPAN_H

#include "base/base.h"

typedef struct wk_span wk_span;

/* Does it pay for this shape? */
bool wk_span_pays(size_t rows, int columns);
/* The rows' coordinates in an orthonormal basis of their span (distances and lengths stay). `row`s are kept by pointer.
 */
wk_status wk_span_create(wk_span **out, const float *const *row, size_t rows, int columns, const wk_context *ctx,
                         wk_error *err);
void wk_span_free(wk_span *s);
int wk_span_columns(const wk_span *s);
const float *wk_span_row(const wk_span *s, size_t row); /* [wk_span_columns] */
/* The classifier with `inside` [classes, span columns] written over the original columns: `outside` [classes, columns].
 */
wk_status wk_span_expand(double *outside, const wk_span *s, const double *inside, int classes, const wk_context *ctx,
                         wk_error *err);

#endif

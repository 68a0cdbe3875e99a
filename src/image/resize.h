/* resize.h (internal) - resizing of which only a window is computed. */
#ifndef WK_IMAGE_RESIZE_H
#define WK_IMAGE_RESIZE_H

#include "base/base.h"
#include "whisker/image.h"

/* A resize of `box` of a picture to width x height, of which only the window (x, y, w, h) is wanted: its pixels are the
 * ones that the whole result would have there. */
typedef struct wk_resample {
  int width, height;
  wk_filter filter;
  double box[4]; /* x0, y0, x1, y1 in source pixels */
  int x, y, w, h;
  bool either_way; /* down before across where that is less work, as Pillow has it since version 13: pixels may differ by one
                      level. Else always across first */
} wk_resample;

/* Which source pixels (x0, y0, x1, y1) the window depends on, in a source of in_width x in_height. */
void wk_resample_reads(int region[4], const wk_resample *r, int in_width, int in_height);
/* Writes the window to dst, `pitch` bytes from row to row. `isa` chooses the kernels; all give the same bytes. */
wk_status wk_resample_run(uint8_t *dst, size_t pitch, const wk_image *in, const wk_resample *r, wk_isa isa,
                          wk_error *err);
/* The adjoint: for the window's gradient (`pitch` floats from row to row) that of the source of width x height, [height,
 * width, 3]. */
wk_status wk_resample_back(float *out, const float *gradient, size_t pitch, int width, int height,
                           const wk_resample *r, wk_error *err);

#endif

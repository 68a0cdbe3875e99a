/* output.h - may a file be written here? Nothing that is not whisker's own is ever replaced, and what cannot be written is
 * told before hours are spent on computing it. */
#ifndef WHISKER_OUTPUT_H
#define WHISKER_OUTPUT_H

#include "whisker/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A picture that was written, and what it shows. */
typedef struct wk_drawing {
  char *out, *shows;
  int width, height;
} wk_drawing;

typedef struct wk_drawings {
  wk_drawing *list;
  int count;
} wk_drawings;

/* Can a file be made at `path`, and is what stands there (if anything) a model, or a picture of whisker's, that may be replaced?
 * WK_ERR_IO, WK_ERR_NOT_FOUND (the folder is missing). */
WK_API wk_status wk_output_check(const char *path, bool model, wk_error *err) WK_NODISCARD;
/* Is there nothing at `path`, or what whisker wrote itself, which has `mark` near its beginning? */
WK_API wk_status wk_output_check_own(const char *path, const char *mark, wk_error *err) WK_NODISCARD;
/* "x.png" and "-flat" give "x-flat.png", a second file beside the one that was asked for. wk_free it; NULL: no memory. */
WK_API char *wk_output_beside(const char *path, const char *ending);
/* May that file be written: is there nothing, or what whisker drew itself? */
WK_API wk_status wk_output_check_beside(const char *path, const char *ending, wk_error *err) WK_NODISCARD;
WK_API bool wk_output_is_png(const char *path); /* by its ending */

#ifdef __cplusplus
}
#endif
#endif

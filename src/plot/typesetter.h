/* typesetter.h (internal) - text on pictures, in any script: by Pango where it is installed, else in the built-in
 * letters, which are Latin ones without accents. One typesetter a picture: it is used by one thread. */
#ifndef WK_PLOT_TYPESETTER_H
#define WK_PLOT_TYPESETTER_H

#include "base/base.h"
#include "whisker/image.h"

typedef struct wk_text_style {
  double size; /* pixels of an em */
  bool bold;
  int width; /* pixels; longer text is broken into lines, and what is too much cut with an ellipsis; 0: no limit */
  int lines; /* at most; 0 is 1 */
  uint8_t rgb[3];
} wk_text_style;

typedef struct wk_typesetter wk_typesetter;

wk_status wk_typesetter_create(wk_typesetter **out, wk_error *err);
/* Only the built-in letters, as where Pango is missing. */
wk_status wk_typesetter_create_plain(wk_typesetter **out, wk_error *err);
void wk_typesetter_free(wk_typesetter *t);
/* NULL, or in one line why letters beyond the built-in ones cannot be drawn, and what to do. */
const char *wk_typesetter_limit(const wk_typesetter *t);

/* Of UTF-8 text; bytes that are none become U+FFFD, line ends and other control characters spaces. *missing: letters
 * that no font has. Any may be NULL. */
wk_status wk_text_measure(int *width, int *height, int *missing, wk_typesetter *t, const char *text,
                          const wk_text_style *s, wk_error *err);
/* (x, y): top left. *height (may be NULL): of the lines drawn. */
wk_status wk_text_draw(wk_image *canvas, int *height, wk_typesetter *t, int x, int y, const char *text,
                       const wk_text_style *s, wk_error *err);

#endif

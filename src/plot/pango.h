/* pango.h (internal) - lines of text as levels of ink by Pango and cairo, which know fonts, scripts and directions.
 * Both are loaded when the first text is drawn, so that nothing needs them that draws none. */
#ifndef WK_PLOT_PANGO_H
#define WK_PLOT_PANGO_H

#include "base/base.h"
#include "plot/typesetter.h"

typedef struct wk_pango wk_pango;

/* WK_ERR_UNSUPPORTED says which library, or that there is no font. */
wk_status wk_pango_open(wk_pango **out, wk_error *err);
void wk_pango_close(wk_pango *p);
/* Lays out `text`, which is UTF-8 without control characters. *missing (may be NULL): letters that no font has. */
void wk_pango_measure(int *width, int *height, int *missing, wk_pango *p, const char *text, const wk_text_style *s);
/* The same text's ink, [height, width] bytes into `ink`, whose size wk_pango_measure gave. */
wk_status wk_pango_ink(uint8_t *ink, int width, int height, wk_pango *p, const char *text, const wk_text_style *s,
                       wk_error *err);

#endif

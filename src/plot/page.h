/* page.h (internal) - the one frame of all pictures: a title, the class and its probability, colour bars, and a line of
 * explanation around whatever is drawn between. All sizes are in units; a page has `density` pixels a unit. What fails
 * is kept until wk_page_finish, so that drawing needs no checks. */
#ifndef WK_PLOT_PAGE_H
#define WK_PLOT_PAGE_H

#include "base/base.h"
#include "whisker/draw.h"

enum {
  WK_PAGE_EDGE = 20,
  WK_PAGE_LINE = 17,
  WK_PAGE_TEXT = 13,
  WK_PAGE_SMALL = 10
}; /* margin; height of a line; size of letters */

typedef enum wk_ink { WK_INK = 0, WK_INK_FAINT, WK_INK_RULE } wk_ink;

typedef struct wk_page wk_page;

/* `width` of what will be drawn between the margins; a page with a frame is at least 440 wide, so that its texts can be
 * read. */
wk_status wk_page_create(wk_page **out, int width, const wk_frame *frame, wk_error *err);
void wk_page_free(wk_page *p);
int wk_page_width(const wk_page *p); /* between the margins */
/* Where the body begins. */
int wk_page_left(const wk_page *p);
int wk_page_top(const wk_page *p);

/* At most `lines` lines, the last cut with an ellipsis at `width`. Returns the height of what was written. */
int wk_page_text(wk_page *p, int x, int y, const char *text, int size, bool bold, wk_ink ink, int width, int lines);
/* The same in one line of the page's own size; with a negative width it ends at x instead of beginning there. */
void wk_page_label(wk_page *p, int x, int y, const char *text, wk_ink ink, int width);
void wk_page_small_label(wk_page *p, int x, int y, const char *text, wk_ink ink, int width);
int wk_page_text_width(wk_page *p, const char *text, int size, bool bold);
/* A picture as large as fits width x height, in the middle of it. `crisp`: enlarged without smoothing. */
void wk_page_picture(wk_page *p, const wk_image *picture, int x, int y, int width, int height, bool crisp);
void wk_page_fill(wk_page *p, int x, int y, int width, int height, const uint8_t rgb[3]);
void wk_page_outline(wk_page *p, int x, int y, int width, int height, int thickness, const uint8_t rgb[3]);
/* Low, colours, high and what they are, in one line of at most `width`. */
void wk_page_legend(wk_page *p, int x, int y, int width, const wk_legend *l);
void wk_page_rule(wk_page *p, int y); /* a thin line from margin to margin */

/* The page down to `bottom`, with the frame's note below it. The first failure, if there was one. */
wk_status wk_page_finish(wk_image *out, wk_page *p, int bottom, wk_error *err);

#endif

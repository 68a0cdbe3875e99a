/* page.c - see page.h. The page's picture grows downwards as it is drawn on: how high texts are is known when they are.
 */
#include "plot/page.h"

#include <string.h>

#include "image/codec.h"
#include "plot/typesetter.h"

enum { NARROWEST = 440, TITLE = 20, SUBTITLE = 14, BAR = 160, GAP = 8, GROWTH = 256 };

static const uint8_t paper[3] = {255, 255, 255}, inks[3][3] = {{28, 28, 32}, {104, 104, 112}, {222, 222, 226}};

struct wk_page {
  wk_image image;
  wk_typesetter *typesetter;
  wk_frame frame;
  int density, width, left, top; /* units; width: between the margins */
  wk_status st;
  wk_error err;
};

static int px(const wk_page *p, int units) {
  const int64_t n = (int64_t)units * p->density;
  return n > 4 * WK_IMAGE_MAX_SIDE    ? 4 * WK_IMAGE_MAX_SIDE
         : n < -4 * WK_IMAGE_MAX_SIDE ? -4 * WK_IMAGE_MAX_SIDE
                                      : (int)n;
}

static void keep(wk_page *p, wk_status st, const wk_error *err) {
  if (p->st == WK_OK && st != WK_OK) {
    p->st = st;
    p->err = *err;
  }
}

/* Makes room down to `bottom`. */
static bool reach(wk_page *p, int bottom) {
  if (p->st != WK_OK)
    return false;
  if (px(p, bottom) <= p->image.height)
    return true;
  wk_error err;
  const int64_t height = (int64_t)px(p, bottom) + px(p, GROWTH);
  if (height > WK_IMAGE_MAX_SIDE || p->image.width > WK_IMAGE_MAX_SIDE) {
    keep(p,
         WK_FAIL(&err, WK_ERR_ARGUMENT,
                 "the picture would be %d x %lld pixels; no side may be over %d: take fewer or smaller parts",
                 p->image.width, (long long)height, WK_IMAGE_MAX_SIDE),
         &err);
    return false;
  }
  wk_image taller;
  wk_status st = wk_image_alloc_raw(&taller, p->image.width, (int)height, &err);
  keep(p, st, &err);
  if (st != WK_OK)
    return false;
  wk_draw_fill(&taller, 0, 0, taller.width, taller.height, paper);
  if (p->image.pixels)
    wk_draw_image(&taller, &p->image, 0, 0);
  wk_image_free(&p->image);
  p->image = taller;
  return true;
}

/* ---- drawing ----------------------------------------------------------------------------------- */

static wk_text_style style_of(const wk_page *p, int size, bool bold, wk_ink ink, int width, int lines) {
  wk_text_style s = {.size = size * p->density, .bold = bold, .width = width > 0 ? px(p, width) : 0, .lines = lines};
  memcpy(s.rgb, inks[ink], 3);
  return s;
}

int wk_page_text(wk_page *p, int x, int y, const char *text, int size, bool bold, wk_ink ink, int width, int lines) {
  if (p->st != WK_OK || !text)
    return 0;
  wk_error err;
  int height = 0;
  const wk_text_style s = style_of(p, size, bold, ink, width, lines);
  keep(p, wk_text_measure(NULL, &height, NULL, p->typesetter, text, &s, &err), &err);
  height = (height + p->density - 1) / p->density;
  if (reach(p, y + height))
    keep(p, wk_text_draw(&p->image, NULL, p->typesetter, px(p, x), px(p, y), text, &s, &err), &err);
  return height;
}

int wk_page_text_width(wk_page *p, const char *text, int size, bool bold) {
  wk_error err;
  int width = 0;
  const wk_text_style s = style_of(p, size, bold, WK_INK, 0, 1);
  if (p->st == WK_OK)
    keep(p, wk_text_measure(&width, NULL, NULL, p->typesetter, text, &s, &err), &err);
  return (width + p->density - 1) / p->density;
}

static void one_line(wk_page *p, int x, int y, const char *text, int size, wk_ink ink, int width) {
  if (width < 0) {
    const int wide = wk_page_text_width(p, text, size, false);
    width = wide < -width ? wide : -width;
    x -= width;
  }
  wk_page_text(p, x, y, text, size, false, ink, width, 1);
}

void wk_page_label(wk_page *p, int x, int y, const char *text, wk_ink ink, int width) {
  one_line(p, x, y, text, WK_PAGE_TEXT, ink, width);
}

void wk_page_small_label(wk_page *p, int x, int y, const char *text, wk_ink ink, int width) {
  one_line(p, x, y, text, WK_PAGE_SMALL, ink, width);
}

void wk_page_picture(wk_page *p, const wk_image *picture, int x, int y, int width, int height, bool crisp) {
  enum { TINY = 64 };
  if (!reach(p, y + height) || picture->width < 1 || picture->height < 1)
    return;
  const int64_t room_x = px(p, width), room_y = px(p, height), w = picture->width, h = picture->height;
  const bool by_width = w * room_y >= h * room_x;
  int64_t to_w = by_width ? room_x : w * room_y / h, to_h = by_width ? h * room_x / w : room_y;
  if (w < TINY && h < TINY && to_w >= w && to_h >= h) {
    crisp = true;
    to_w = to_w / w * w, to_h = to_w / w * h;
  }
  to_w = to_w < 1 ? 1 : to_w, to_h = to_h < 1 ? 1 : to_h;
  const wk_filter filter = to_w < w ? WK_FILTER_BILINEAR : crisp ? WK_FILTER_NEAREST : WK_FILTER_BICUBIC;
  const int at_x = px(p, x) + (int)(room_x - to_w) / 2, at_y = px(p, y) + (int)(room_y - to_h) / 2;
  wk_image sized;
  wk_error err;
  wk_status st = wk_image_resize(&sized, picture, (int)to_w, (int)to_h, filter, NULL, &err);
  keep(p, st, &err);
  if (st != WK_OK)
    return;
  wk_draw_image(&p->image, &sized, at_x, at_y);
  wk_image_free(&sized);
}

void wk_page_fill(wk_page *p, int x, int y, int width, int height, const uint8_t rgb[3]) {
  if (reach(p, y + height))
    wk_draw_fill(&p->image, px(p, x), px(p, y), px(p, width), px(p, height), rgb);
}

void wk_page_outline(wk_page *p, int x, int y, int width, int height, int thickness, const uint8_t rgb[3]) {
  if (reach(p, y + height))
    wk_draw_frame(&p->image, px(p, x), px(p, y), px(p, width), px(p, height), px(p, thickness), rgb);
}

void wk_page_rule(wk_page *p, int y) { wk_page_fill(p, WK_PAGE_EDGE, y, p->width, 1, inks[WK_INK_RULE]); }

/* ---- the frame --------------------------------------------------------------------------------- */

static int legend_width(wk_page *p, const wk_legend *l) {
  return wk_page_text_width(p, l->low, WK_PAGE_TEXT, false) + wk_page_text_width(p, l->high, WK_PAGE_TEXT, false) +
         wk_page_text_width(p, l->what, WK_PAGE_TEXT, false) + BAR + 3 * GAP;
}

void wk_page_legend(wk_page *p, int x, int y, int width, const wk_legend *l) {
  const int low = wk_page_text_width(p, l->low, WK_PAGE_TEXT, false),
            high = wk_page_text_width(p, l->high, WK_PAGE_TEXT, false),
            what = wk_page_text_width(p, l->what, WK_PAGE_TEXT, false), end = x + width;
  int bar = width - low - high - 2 * GAP; /* what remains when nothing is said about it */
  const bool told = bar - what - GAP >= BAR / 4;
  bar = told ? bar - what - GAP : bar;
  bar = bar < BAR ? bar : BAR;
  wk_page_label(p, x, y, l->low, WK_INK, 0);
  x += low + GAP;
  if (bar > 0 && reach(p, y + WK_PAGE_LINE))
    wk_draw_colorbar(&p->image, px(p, x), px(p, y + 3), px(p, bar), px(p, WK_PAGE_LINE - 6), l->colours);
  x += bar + GAP;
  wk_page_label(p, x, y, l->high, WK_INK, 0);
  if (told)
    wk_page_label(p, x + high + GAP, y, l->what, WK_INK_FAINT, end - x - high - GAP);
}

/* Beside each other as far as there is room; a legend with much to say has a line more. *y is moved below them. */
static void draw_legends(wk_page *p, int *y) {
  int x = WK_PAGE_EDGE;
  for (int i = 0; i < p->frame.legend_count; i++) {
    const wk_legend *l = &p->frame.legends[i];
    const int width = legend_width(p, l), end = WK_PAGE_EDGE + p->width;
    if (x > WK_PAGE_EDGE && x + width > end) {
      x = WK_PAGE_EDGE;
      *y += WK_PAGE_LINE + 4;
    }
    if (width <= p->width) {
      wk_page_legend(p, x, *y, width, l);
    } else {
      const wk_legend bar = {l->colours, l->low, l->high, ""};
      wk_page_legend(p, x, *y, p->width, &bar);
      *y += WK_PAGE_LINE + 2;
      *y += wk_page_text(p, x, *y, l->what, WK_PAGE_TEXT, false, WK_INK_FAINT, p->width, 2) - WK_PAGE_LINE;
    }
    x += width + 3 * GAP;
  }
  if (p->frame.legend_count)
    *y += WK_PAGE_LINE + GAP;
}

wk_status wk_page_create(wk_page **out, int width, const wk_frame *frame, wk_error *err) {
  wk_status st = WK_OK;
  wk_page *p = wk_calloc(1, sizeof *p);
  WK_FAIL_IF(!p, err, WK_ERR_MEMORY, "out of memory for a picture");
  p->frame = frame ? *frame : (wk_frame){0};
  p->density = p->frame.density > 0 ? p->frame.density : 2;
  WK_FAIL_IF(p->density > 4, err, WK_ERR_ARGUMENT, "a picture has 1 to 4 pixels a unit, not %d", p->density);
  const bool texts = p->frame.title || p->frame.subtitle || p->frame.note || p->frame.legend_count;
  p->width = texts && width < NARROWEST ? NARROWEST : width;
  p->left = WK_PAGE_EDGE;
  const int64_t wide = ((int64_t)p->width + 2 * WK_PAGE_EDGE) * p->density;
  WK_FAIL_IF(width < 1 || wide > WK_IMAGE_MAX_SIDE, err, WK_ERR_ARGUMENT,
             "the picture would be %lld pixels wide; no side may be over %d: take fewer or smaller parts",
             (long long)wide, WK_IMAGE_MAX_SIDE);
  p->image.width = (int)wide;
  WK_TRY(wk_typesetter_create(&p->typesetter, err));
  int y = texts ? WK_PAGE_EDGE - 4 : WK_PAGE_EDGE;
  if (p->frame.title)
    y += wk_page_text(p, WK_PAGE_EDGE, y, p->frame.title, TITLE, true, WK_INK, p->width, 2) + 4;
  if (p->frame.subtitle)
    y += wk_page_text(p, WK_PAGE_EDGE, y, p->frame.subtitle, SUBTITLE, false, WK_INK, p->width, 3) + 4;
  if (texts)
    y += 6;
  draw_legends(p, &y);
  p->top = y;
  *out = p;
  p = NULL;
done:
  wk_page_free(p);
  return st;
}

void wk_page_free(wk_page *p) {
  if (!p)
    return;
  wk_image_free(&p->image);
  wk_typesetter_free(p->typesetter);
  wk_free(p);
}

int wk_page_width(const wk_page *p) { return p->width; }
int wk_page_left(const wk_page *p) { return p->left; }
int wk_page_top(const wk_page *p) { return p->top; }

wk_status wk_page_finish(wk_image *out, wk_page *p, int bottom, wk_error *err) {
  if (p->frame.note)
    bottom += GAP + wk_page_text(p, WK_PAGE_EDGE, bottom + GAP, p->frame.note, WK_PAGE_TEXT, false, WK_INK_FAINT,
                                 p->width, 6);
  bottom += WK_PAGE_EDGE;
  if (!reach(p, bottom)) {
    if (err)
      *err = p->err;
    return p->st;
  }
  p->image.height = px(p, bottom); /* what is below is given back with the picture */
  *out = p->image;
  p->image = (wk_image){0};
  return WK_OK;
}

wk_status wk_text_missing(int *missing, char *why, size_t room, const char *text, wk_error *err) {
  wk_typesetter *t;
  const wk_text_style s = {.size = WK_PAGE_TEXT};
  WK_RETURN_IF_ERROR(wk_typesetter_create(&t, err));
  wk_status st = wk_text_measure(NULL, NULL, missing, t, text, &s, err);
  const char *limit = wk_typesetter_limit(t);
  if (st == WK_OK)
    snprintf(why, room, "%s",
             limit ? limit : "no font here has these letters (Debian: apt-get install fonts-wqy-microhei)");
  wk_typesetter_free(t);
  return st;
}

/* channels_draw.c - what channels look for, as a page: per channel the picture that excites it and the places that
 * do. */
#include <stdio.h>

#include "plot/page.h"
#include "whisker/filters.h"

enum { TILE = 128, GAP = 10, APART = 18, NUMBER = 56, GRID_COLUMNS = 6, STEP = TILE + WK_PAGE_LINE + GAP };

static void put(wk_page *page, const wk_image *picture, int x, int y) {
  static const uint8_t back[3] = {240, 240, 242};
  wk_page_fill(page, x, y, TILE, TILE, back);
  wk_page_picture(page, picture, x, y, TILE, TILE, false);
}

static void put_ideal(wk_page *page, const wk_channel_row *row, int x, int y) {
  char text[32];
  put(page, row->ideal, x, y);
  snprintf(text, sizeof text, "channel #%d", row->channel);
  wk_page_label(page, x, y + TILE, text, WK_INK, TILE);
}

static void draw_row(wk_page *page, int x, int y, const wk_channel_row *row) {
  char text[32];
  if (row->ideal) {
    put_ideal(page, row, x, y);
    x += TILE + APART;
  } else {
    snprintf(text, sizeof text, "#%d", row->channel);
    wk_page_text(page, x, y, text, 16, true, WK_INK, NUMBER, 1);
    x += NUMBER;
  }
  for (int k = 0; k < row->patches; k++, x += TILE + GAP) {
    put(page, &row->patch[k], x, y);
    snprintf(text, sizeof text, "%s %.3g", k ? "" : "activation", (double)row->value[k]);
    wk_page_label(page, x, y + TILE, text + !!k, WK_INK_FAINT, TILE);
  }
}

typedef struct words {
  char title[200], subtitle[200];
} words;

static wk_frame frame_of(words *w, const char *layer, const wk_receptive_field *f, const wk_channel_row *row,
                         bool ideal, bool patches) {
  const int side = ideal && row->ideal ? row->ideal->width : 0;
  snprintf(w->title, sizeof w->title, "What the channels of layer %s look for", layer);
  if (f->whole)
    snprintf(w->subtitle, sizeof w->subtitle, "Each position of this layer sees the whole picture.");
  else
    snprintf(w->subtitle, sizeof w->subtitle,
             "Each position of this layer sees %d x %d pixels of the network's input%s.", f->width, f->height,
             side > f->width ? "; the pictures repeat what fits in there" : "");
  const char *note =
      !patches ? "Each picture was painted from noise so that its channel answers as strongly as possible: stripes, "
                 "fur or eyes "
                 "are what the channel looks for."
      : ideal  ? "Left: painted from noise so that the channel answers as strongly as possible. Right: the places of "
                 "photos where "
                 "it answered most, with its activation there. What all of a row have in common is what the channel "
                 "looks for."
              : "The places of photos where a channel answered most, with its activation there. What all of a row have "
                "in common "
                "is what the channel looks for. Where a place is most of the photo, a frame marks its middle.";
  return (wk_frame){.title = w->title, .subtitle = w->subtitle, .note = note};
}

wk_status wk_channels_draw(wk_image *out, const char *layer, const wk_receptive_field *field, const wk_channel_row *row,
                           int rows, wk_error *err) {
  if (rows < 1)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "no channels to draw");
  int most = 0;
  bool ideal = false;
  for (int i = 0; i < rows; i++) {
    most = row[i].patches > most ? row[i].patches : most;
    ideal = ideal || row[i].ideal;
  }
  const int columns = most ? most : rows < GRID_COLUMNS ? rows : GRID_COLUMNS;
  const int lines = most ? rows : (rows + columns - 1) / columns;
  const int width = columns * (TILE + GAP) - GAP + (most ? ideal ? TILE + APART : NUMBER : 0);
  words w;
  const wk_frame frame = frame_of(&w, layer, field, row, ideal, most > 0);
  wk_page *page;
  WK_RETURN_IF_ERROR(wk_page_create(&page, width, &frame, err));
  const int left = wk_page_left(page), top = wk_page_top(page);
  for (int i = 0; i < rows; i++)
    if (most)
      draw_row(page, left, top + i * STEP, &row[i]);
    else
      put_ideal(page, &row[i], left + i % columns * (TILE + GAP), top + i / columns * STEP);
  wk_status st = wk_page_finish(out, page, top + lines * STEP - GAP, err);
  wk_page_free(page);
  return st;
}

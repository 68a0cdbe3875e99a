/* channels_draw.c - what channels look for, as a page: per channel the picture that excites it and the places that
 * do. */
#include <stdio.h>

#include "base/base.h"
#include "whisker/filters.h"

enum { TILE = 160, GAP = 12, EDGE = 20, LINE = 16, APART = 24, GRID_COLUMNS = 6 };

static const uint8_t paper[3] = {255, 255, 255}, ink[3] = {28, 28, 32}, faint[3] = {112, 112, 120},
                     back[3] = {240, 240, 242};

/* In the middle of a square of TILE x TILE. */
static wk_status put(wk_image *page, const wk_image *picture, int x, int y, wk_error *err) {
  const int longer = picture->width > picture->height ? picture->width : picture->height;
  const int w = picture->width * TILE / longer > 0 ? picture->width * TILE / longer : 1;
  const int h = picture->height * TILE / longer > 0 ? picture->height * TILE / longer : 1;
  wk_image sized;
  WK_RETURN_IF_ERROR(wk_image_resize(&sized, picture, w, h, WK_FILTER_BICUBIC, NULL, err));
  wk_draw_fill(page, x, y, TILE, TILE, back);
  wk_draw_image(page, &sized, x + (TILE - w) / 2, y + (TILE - h) / 2);
  wk_image_free(&sized);
  return WK_OK;
}

static void label(wk_image *page, int x, int y, const wk_channel_row *row, int patch) {
  char text[32];
  if (patch < 0)
    snprintf(text, sizeof text, "#%d", row->channel);
  else
    snprintf(text, sizeof text, "%.3g", (double)row->value[patch]);
  wk_draw_text(page, x, y + TILE, text, 1, patch < 0 ? ink : faint);
}

static wk_status draw_row(wk_image *page, int y, const wk_channel_row *row, wk_error *err) {
  int x = EDGE;
  if (row->ideal) {
    WK_RETURN_IF_ERROR(put(page, row->ideal, x, y, err));
    label(page, x, y, row, -1);
    x += TILE + APART;
  } else {
    char text[32];
    snprintf(text, sizeof text, "#%d", row->channel);
    wk_draw_text(page, x, y, text, 2, ink);
    x += 80;
  }
  for (int k = 0; k < row->patches; k++, x += TILE + GAP) {
    WK_RETURN_IF_ERROR(put(page, &row->patch[k], x, y, err));
    label(page, x, y, row, k);
  }
  return WK_OK;
}

static void head(wk_image *page, const char *layer, const wk_receptive_field *f, bool ideal, bool patches) {
  char text[160];
  wk_draw_text(page, EDGE, EDGE, layer, 2, ink);
  if (f->whole)
    snprintf(text, sizeof text, "Each position sees the whole picture.");
  else
    snprintf(text, sizeof text, "Each position sees %d x %d pixels of the network's input.", f->height, f->width);
  wk_draw_text(page, EDGE, EDGE + 2 * LINE + 4, text, 1, faint);
  snprintf(text, sizeof text, "%s%s%s", ideal ? "The picture that excites a channel most" : "",
           ideal && patches ? ", and " : "",
           patches ? (ideal ? "the places in photos that do, with its value there."
                            : "Places in photos that excite a channel most, with its value there.")
                   : ".");
  wk_draw_text(page, EDGE, EDGE + 3 * LINE + 4, text, 1, faint);
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
  const int top = EDGE + 4 * LINE + EDGE, step = TILE + LINE + GAP;
  const int columns = most ? most : rows < GRID_COLUMNS ? rows : GRID_COLUMNS;
  const int lines = most ? rows : (rows + columns - 1) / columns;
  int width = 2 * EDGE + columns * (TILE + GAP) - GAP + (most ? ideal ? TILE + APART : 80 : 0);
  width = width < 480 ? 480 : width;
  wk_image page;
  WK_RETURN_IF_ERROR(wk_image_alloc(&page, width, top + lines * step + EDGE - GAP, err));
  wk_draw_fill(&page, 0, 0, page.width, page.height, paper);
  head(&page, layer, field, ideal, most > 0);
  wk_status st = WK_OK;
  for (int i = 0; i < rows && st == WK_OK; i++) {
    if (most) {
      st = draw_row(&page, top + i * step, &row[i], err);
    } else {
      const int x = EDGE + i % columns * (TILE + GAP), y = top + i / columns * step;
      st = put(&page, row[i].ideal, x, y, err);
      label(&page, x, y, &row[i], -1);
    }
  }
  if (st == WK_OK)
    *out = page;
  else
    wk_image_free(&page);
  return st;
}

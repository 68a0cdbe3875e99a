/* sheet.c - contact sheets: pictures in rows and columns, each with its label, under a title. */
#include <string.h>

#include "image/codec.h"
#include "whisker/draw.h"

void wk_sheet_init(wk_sheet *sheet) { *sheet = (wk_sheet){.gap = 6, .scale = 1, .ground = {255, 255, 255}}; }

static int lines_of(const char *text) {
  int n = 1;
  for (; *text; text++)
    n += *text == '\n';
  return n;
}

/* Line `index` of `text`, cut to `width` pixels with "..." at the end, into `out`. */
static void take_line(char *out, size_t room, const char *text, int index, int width, int scale) {
  for (; index > 0 && *text; text++)
    index -= *text == '\n';
  size_t n = index > 0 ? 0 : strcspn(text, "\n");
  if (n > room - 4)
    n = room - 4;
  memcpy(out, text, n);
  out[n] = 0;
  if (wk_text_width(out, scale) <= width)
    return;
  while (n > 0) {
    n--;
    while (n > 0 && ((uint8_t)text[n] & 0xc0) == 0x80)
      n--; /* not in the middle of a letter */
    strcpy(out + n, "...");
    if (wk_text_width(out, scale) <= width)
      return;
  }
  out[0] = 0;
}

/* The largest size that fits, and whether that is another one than the picture's. */
static bool fit(int *width, int *height, const wk_image *picture, int cell_width, int cell_height) {
  int w = picture->width, h = picture->height;
  int times = cell_width / w < cell_height / h ? cell_width / w : cell_height / h;
  if (times >= 1) {
    *width = w * times, *height = h * times;
    return times > 1;
  }
  bool by_width = (int64_t)w * cell_height >= (int64_t)h * cell_width;
  *width = by_width ? cell_width : (int)((int64_t)w * cell_height / h);
  *height = by_width ? (int)((int64_t)h * cell_width / w) : cell_height;
  *width = *width < 1 ? 1 : *width;
  *height = *height < 1 ? 1 : *height;
  return true;
}

static wk_status put_picture(wk_image *canvas, const wk_image *picture, int x, int y, int cell_width, int cell_height,
                             wk_error *err) {
  int width, height;
  if (!fit(&width, &height, picture, cell_width, cell_height)) {
    wk_draw_image(canvas, picture, x + (cell_width - width) / 2, y + (cell_height - height) / 2);
    return WK_OK;
  }
  wk_image sized;
  wk_filter filter = width >= picture->width ? WK_FILTER_NEAREST : WK_FILTER_BILINEAR;
  WK_RETURN_IF_ERROR(wk_image_resize(&sized, picture, width, height, filter, NULL, err));
  wk_draw_image(canvas, &sized, x + (cell_width - width) / 2, y + (cell_height - height) / 2);
  wk_image_free(&sized);
  return WK_OK;
}

wk_status wk_sheet_draw(wk_image *out, const wk_image *picture, const char *const *label, int count,
                        const wk_sheet *sheet, wk_error *err) {
  wk_sheet s;
  if (sheet)
    s = *sheet;
  else
    wk_sheet_init(&s);
  if (!out || !picture || count < 1)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "no pictures for a contact sheet");
  if (s.gap < 0 || s.columns < 0 || s.cell_width < 0 || s.cell_height < 0 || s.label_lines < 0 || s.scale > 64)
    return WK_FAIL(err, WK_ERR_ARGUMENT,
                   "a contact sheet's sizes must not be negative, and its text at most 64 times enlarged");
  int lines = s.label_lines, widest = 0, tallest = 0;
  for (int i = 0; i < count; i++) {
    if (!picture[i].pixels || picture[i].width < 1 || picture[i].height < 1)
      return WK_FAIL(err, WK_ERR_ARGUMENT, "picture %d of the contact sheet is empty", i);
    widest = picture[i].width > widest ? picture[i].width : widest;
    tallest = picture[i].height > tallest ? picture[i].height : tallest;
    if (!s.label_lines && label && label[i] && lines_of(label[i]) > lines)
      lines = lines_of(label[i]);
  }
  const int64_t cell_width = s.cell_width ? s.cell_width : widest,
                cell_height = s.cell_height ? s.cell_height : tallest;
  int columns = s.columns;
  if (!columns)
    for (columns = 1; (int64_t)columns * columns < count; columns++)
      ;
  columns = columns < count ? columns : count;
  const int64_t rows = (count + columns - 1) / columns, line = wk_text_height(s.scale);
  const int64_t title = s.title ? line + s.gap : 0;
  const int64_t step_x = cell_width + s.gap, step_y = cell_height + lines * line + s.gap;
  const int64_t width = s.gap + columns * step_x, height = s.gap + title + rows * step_y;
  if (width > WK_IMAGE_MAX_SIDE || height > WK_IMAGE_MAX_SIDE)
    return WK_FAIL(
        err, WK_ERR_ARGUMENT,
        "the contact sheet would be %lld x %lld pixels; no side may be over %d: take fewer or smaller pictures",
        (long long)width, (long long)height, WK_IMAGE_MAX_SIDE);

  wk_image canvas;
  WK_RETURN_IF_ERROR(wk_image_alloc_raw(&canvas, (int)width, (int)height, err));
  wk_draw_fill(&canvas, 0, 0, (int)width, (int)height, s.ground);
  char text[512];
  if (s.title) {
    take_line(text, sizeof text, s.title, 0, (int)width - 2 * s.gap, s.scale);
    wk_draw_text(&canvas, s.gap, s.gap, text, s.scale, s.ink);
  }
  wk_status st = WK_OK;
  for (int i = 0; i < count && st == WK_OK; i++) {
    int x = (int)(s.gap + i % columns * step_x), y = (int)(s.gap + title + i / columns * step_y);
    st = put_picture(&canvas, &picture[i], x, y, (int)cell_width, (int)cell_height, err);
    for (int j = 0; label && label[i] && j < lines; j++) {
      take_line(text, sizeof text, label[i], j, (int)cell_width, s.scale);
      wk_draw_text(&canvas, x, (int)(y + cell_height + j * line), text, s.scale, s.ink);
    }
  }
  if (st == WK_OK)
    *out = canvas;
  else
    wk_image_free(&canvas);
  return st;
}

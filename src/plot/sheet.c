/* sheet.c - contact sheets: pictures in rows and columns, each with its label, inside the frame. */
#include <string.h>

#include "plot/page.h"

void wk_sheet_init(wk_sheet *sheet) { *sheet = (wk_sheet){.gap = 8}; }

static int lines_of(const char *text) {
  int n = 1;
  for (; *text; text++)
    n += *text == '\n';
  return n;
}

/* Line `index` of `text`; NULL: there is none. */
static wk_status take_line(char **out, const char *text, int index, wk_error *err) {
  for (; index > 0 && *text; text++)
    index -= *text == '\n';
  *out = index > 0 ? NULL : wk_strndup(text, strcspn(text, "\n"));
  return *out || index > 0 ? WK_OK : WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a label");
}

static wk_status draw_label(wk_page *page, const char *label, int x, int y, int width, int lines, wk_error *err) {
  for (int j = 0; label && j < lines; j++) {
    char *text;
    WK_RETURN_IF_ERROR(take_line(&text, label, j, err));
    if (text)
      wk_page_label(page, x, y + j * WK_PAGE_LINE, text, j ? WK_INK_FAINT : WK_INK, width);
    wk_free(text);
  }
  return WK_OK;
}

static wk_status check(const wk_image *picture, int count, const wk_sheet *s, wk_error *err) {
  if (!picture || count < 1)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "no pictures for a contact sheet");
  if (s->gap < 0 || s->columns < 0 || s->cell_width < 0 || s->cell_height < 0 || s->label_lines < 0)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a contact sheet's sizes must not be negative");
  for (int i = 0; i < count; i++)
    if (!picture[i].pixels || picture[i].width < 1 || picture[i].height < 1)
      return WK_FAIL(err, WK_ERR_ARGUMENT, "picture %d of the contact sheet is empty", i);
  return WK_OK;
}

/* Cells that were not asked for have the shape of the largest picture. */
static void choose_cells(wk_sheet *s, const wk_image *picture, const char *const *label, int count) {
  enum { LEAST = 224, MOST = 448 };
  int widest = 0, tallest = 0, lines = 0;
  for (int i = 0; i < count; i++) {
    widest = picture[i].width > widest ? picture[i].width : widest;
    tallest = picture[i].height > tallest ? picture[i].height : tallest;
    if (label && label[i] && lines_of(label[i]) > lines)
      lines = lines_of(label[i]);
  }
  const int longer = widest > tallest ? widest : tallest, side = longer < LEAST ? LEAST : longer < MOST ? longer : MOST;
  const int width = (int)((int64_t)widest * side / longer), height = (int)((int64_t)tallest * side / longer);
  s->cell_width = s->cell_width ? s->cell_width : width > 0 ? width : 1;
  s->cell_height = s->cell_height ? s->cell_height : height > 0 ? height : 1;
  s->label_lines = s->label_lines ? s->label_lines : lines;
  for (int n = 1; !s->columns; n++)
    s->columns = (int64_t)n * n >= count ? n : 0;
  s->columns = s->columns < count ? s->columns : count;
}

wk_status wk_sheet_draw(wk_image *out, const wk_image *picture, const char *const *label, int count,
                        const wk_sheet *sheet, wk_error *err) {
  wk_sheet s;
  if (sheet)
    s = *sheet;
  else
    wk_sheet_init(&s);
  WK_RETURN_IF_ERROR(check(picture, count, &s, err));
  choose_cells(&s, picture, label, count);
  const int64_t width = (int64_t)s.columns * ((int64_t)s.cell_width + s.gap) - s.gap;
  if (width > INT32_MAX / 8 || s.cell_height > INT32_MAX / 8)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "the contact sheet would be %lld wide: take fewer or smaller pictures",
                   (long long)width);
  const int rows = (count + s.columns - 1) / s.columns;
  const int64_t step_y = (int64_t)s.cell_height + s.label_lines * WK_PAGE_LINE + (s.label_lines ? 4 : 0) + s.gap;
  if (rows * step_y > INT32_MAX / 8)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "the contact sheet would be %lld high: take fewer or smaller pictures",
                   (long long)(rows * step_y));
  wk_page *page = NULL;
  wk_status st = WK_OK;
  WK_TRY(wk_page_create(&page, (int)width, &s.frame, err));
  const int left = wk_page_left(page), top = wk_page_top(page);
  for (int i = 0; i < count; i++) {
    const int x = left + i % s.columns * (s.cell_width + s.gap), y = top + (int)(i / s.columns * step_y);
    wk_page_picture(page, &picture[i], x, y, s.cell_width, s.cell_height, s.crisp);
    if (i + 1 == s.marked)
      wk_page_outline(page, x, y, s.cell_width, s.cell_height, 3, (const uint8_t[]){213, 94, 0});
    WK_TRY(draw_label(page, label ? label[i] : NULL, x, y + s.cell_height + 2, s.cell_width, s.label_lines, err));
  }
  WK_TRY(wk_page_finish(out, page, top + (int)(rows * step_y) - s.gap, err));
done:
  wk_page_free(page);
  return st;
}

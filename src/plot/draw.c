/* draw.c - rectangles, pictures and colour bars on a picture. All of it ends in spans that are clipped to the canvas.
 */
#include <string.h>

#include "base/base.h"
#include "whisker/draw.h"

static uint8_t *pixel_at(const wk_image *canvas, int x, int y) {
  return canvas->pixels + ((size_t)y * (size_t)canvas->width + (size_t)x) * 3;
}

/* Cuts `from` .. `from + count` to 0 .. size; returns how much was cut off at the beginning. */
static int64_t clip_span(int64_t *from, int64_t *count, int64_t size) {
  int64_t cut = *from < 0 ? -*from : 0, end = *from + *count;
  *from += cut;
  *count = (end < size ? end : size) - *from;
  return cut;
}

void wk_draw_fill(wk_image *canvas, int x, int y, int width, int height, const uint8_t rgb[3]) {
  int64_t left = x, top = y, columns = width, rows = height;
  clip_span(&left, &columns, canvas->width);
  clip_span(&top, &rows, canvas->height);
  for (int64_t j = 0; j < rows; j++)
    for (int64_t i = 0; i < columns; i++)
      memcpy(pixel_at(canvas, (int)(left + i), (int)(top + j)), rgb, 3);
}

void wk_draw_frame(wk_image *canvas, int x, int y, int width, int height, int thickness, const uint8_t rgb[3]) {
  if (thickness < 1 || width < 1 || height < 1)
    return;
  if (thickness >= width - width / 2 || thickness >= height - height / 2) {
    wk_draw_fill(canvas, x, y, width, height, rgb);
    return;
  }
  wk_draw_fill(canvas, x, y, width, thickness, rgb);
  wk_draw_fill(canvas, x, y, thickness, height, rgb);
  /* The other two sides, where they can be seen at all. */
  const int64_t right = (int64_t)x + width - thickness, bottom = (int64_t)y + height - thickness;
  if (bottom < canvas->height)
    wk_draw_fill(canvas, x, (int)bottom, width, thickness, rgb);
  if (right < canvas->width)
    wk_draw_fill(canvas, (int)right, y, thickness, height, rgb);
}

void wk_draw_image(wk_image *canvas, const wk_image *piece, int x, int y) {
  int64_t left = x, top = y, columns = piece->width, rows = piece->height;
  int64_t skip_x = clip_span(&left, &columns, canvas->width), skip_y = clip_span(&top, &rows, canvas->height);
  if (columns < 1)
    return;
  for (int64_t j = 0; j < rows; j++)
    memcpy(pixel_at(canvas, (int)left, (int)(top + j)), pixel_at(piece, (int)skip_x, (int)(skip_y + j)),
           (size_t)columns * 3);
}

void wk_draw_colorbar(wk_image *canvas, int x, int y, int width, int height, wk_colormap colours) {
  for (int i = x < 0 ? -(x + 1) : 0; i < width && (int64_t)x + i < canvas->width; i++) {
    uint8_t rgb[3];
    wk_colormap_at(rgb, colours, width > 1 ? (double)i / (width - 1) : 0);
    wk_draw_fill(canvas, x + i, y, 1, height, rgb);
  }
}

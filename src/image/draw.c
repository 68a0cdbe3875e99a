/* draw.c - rectangles, lines, pictures and text on a picture. All of it ends in spans that are clipped to the canvas.
 */
#include <stdlib.h>
#include <string.h>

#include "image/codec.h"
#include "image/font.h"
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

void wk_draw_line(wk_image *canvas, int x0, int y0, int x1, int y1, const uint8_t rgb[3]) {
  int64_t dx = (int64_t)x1 - x0, dy = (int64_t)y1 - y0;
  int64_t steps = llabs(dx) > llabs(dy) ? llabs(dx) : llabs(dy);
  if (steps > 4 * (int64_t)WK_IMAGE_MAX_SIDE)
    return; /* nothing that anyone could see */
  for (int64_t i = 0; i <= steps; i++) {
    /* Rounded to the nearest pixel. */
    int64_t x = x0 + (steps ? (2 * dx * i + (dx < 0 ? -steps : steps)) / (2 * steps) : 0);
    int64_t y = y0 + (steps ? (2 * dy * i + (dy < 0 ? -steps : steps)) / (2 * steps) : 0);
    if (x >= 0 && y >= 0 && x < canvas->width && y < canvas->height)
      memcpy(pixel_at(canvas, (int)x, (int)y), rgb, 3);
  }
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

wk_status wk_draw_overlay(wk_image *canvas, const wk_image *over, double alpha, const float *weight, wk_error *err) {
  if (!canvas || !over || canvas->width != over->width || canvas->height != over->height)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "an overlay must be as large as the picture under it");
  if (!(alpha >= 0 && alpha <= 1))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "an overlay of strength %g was asked for; it must be 0 to 1", alpha);
  for (size_t i = 0, n = (size_t)canvas->width * (size_t)canvas->height; i < n; i++) {
    double share = weight ? (double)weight[i] : 1;
    share = alpha * (share > 0 ? share < 1 ? share : 1 : 0);
    for (size_t c = 3 * i; c < 3 * i + 3; c++)
      canvas->pixels[c] = (uint8_t)(canvas->pixels[c] + (over->pixels[c] - canvas->pixels[c]) * share + 0.5);
  }
  return WK_OK;
}

void wk_draw_colorbar(wk_image *canvas, int x, int y, int width, int height, wk_colormap colours) {
  for (int i = x < 0 ? -(x + 1) : 0; i < width && (int64_t)x + i < canvas->width; i++) {
    uint8_t rgb[3];
    wk_colormap_at(rgb, colours, width > 1 ? (double)i / (width - 1) : 0);
    wk_draw_fill(canvas, x + i, y, 1, height, rgb);
  }
}

/* ---- text -------------------------------------------------------------------------------------- */

/* The next letter of UTF-8 text; 0 at its end; U+FFFD for what is not UTF-8. */
static uint32_t next_code(const char **at) {
  const uint8_t *p = (const uint8_t *)*at;
  if (!p[0])
    return 0;
  int more = p[0] < 0x80                   ? 0
             : p[0] >= 0xc2 && p[0] < 0xe0 ? 1
             : (p[0] & 0xf0) == 0xe0       ? 2
             : (p[0] & 0xf8) == 0xf0       ? 3
                                           : -1;
  uint32_t code = more <= 0 ? p[0] : p[0] & (0x3fu >> more);
  for (int i = 1; i <= more; i++) {
    if ((p[i] & 0xc0) != 0x80) {
      more = -1;
      break;
    }
    code = code << 6 | (p[i] & 0x3f);
  }
  *at += more < 0 ? 1 : more + 1;
  return more < 0 ? 0xfffd : code;
}

/* A letter of the font that is near enough. */
static uint32_t fold(uint32_t code) {
  /* U+00C0 .. U+017F without their accents. */
  static const char latin[] = "AAAAAAACEEEEIIIIDNOOOOOxOUUUUYPsaaaaaaaceeeeiiiidnooooo/ouuuuypy"
                              "AaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGgGgGgHhHhIiIiIiIiIiIiJjKkkLlLlLlLlLl"
                              "NnNnNnnNnOoOoOoOoRrRrRrSsSsSsSsTtTtTtUuUuUuUuUuUuWwYyYZzZzZzs";
  if (code >= 0xc0 && code < 0xc0 + sizeof latin - 1)
    return (uint8_t)latin[code - 0xc0];
  switch (code) {
  case 0xa0:
    return ' ';
  case 0x2010:
  case 0x2011:
  case 0x2012:
  case 0x2013:
  case 0x2014:
  case 0x2212:
    return '-';
  case 0x2018:
  case 0x2019:
    return '\'';
  case 0x201c:
  case 0x201d:
    return '"';
  case 0x2026:
    return '.';
  case 0x2192:
    return '>';
  default:
    return '?';
  }
}

static const wk_glyph *glyph_of(uint32_t code) {
  for (int round = 0; round < 2; round++) {
    int low = 0, high = WK_FONT_GLYPHS - 1;
    while (low <= high) {
      int middle = (low + high) / 2;
      if (wk_font[middle].code == code)
        return &wk_font[middle];
      if (wk_font[middle].code < code)
        low = middle + 1;
      else
        high = middle - 1;
    }
    code = fold(code);
  }
  return &wk_font[0];
}

int wk_text_height(int scale) { return WK_FONT_HEIGHT * (scale < 1 ? 1 : scale); }

int wk_text_width(const char *text, int scale) {
  int width = 0;
  for (uint32_t code; (code = next_code(&text));)
    if (width < WK_IMAGE_MAX_SIDE)
      width += glyph_of(code)->width;
  return width * (scale < 1 ? 1 : scale);
}

void wk_draw_text(wk_image *canvas, int x, int y, const char *text, int scale, const uint8_t rgb[3]) {
  if (scale < 1)
    scale = 1;
  int64_t left = x, top = y;
  for (uint32_t code; (code = next_code(&text)) && left < canvas->width;) {
    const wk_glyph *g = glyph_of(code);
    for (int row = 0; row < WK_FONT_HEIGHT * scale; row++)
      for (int column = 0; column < g->width * scale; column++) {
        int64_t px = left + column, py = top + row;
        if (px < 0 || py < 0 || px >= canvas->width || py >= canvas->height)
          continue;
        char digit = g->levels[row / scale * g->width + column / scale];
        int ink = digit <= '9' ? digit - '0' : digit - 'a' + 10;
        uint8_t *p = pixel_at(canvas, (int)px, (int)py);
        for (int c = 0; c < 3; c++)
          p[c] = (uint8_t)((p[c] * (15 - ink) + rgb[c] * ink + 7) / 15);
      }
    left += g->width * scale;
  }
}

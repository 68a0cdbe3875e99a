/* bitmap_font.h (internal) - the table of letters in bitmap_font.c. */
#ifndef WK_BITMAP_FONT_H
#define WK_BITMAP_FONT_H

#include <stdint.h>

enum { WK_FONT_HEIGHT = 16, WK_FONT_GLYPHS = 96 };

typedef struct wk_glyph {
  uint16_t code; /* Unicode; the table is sorted by it */
  uint8_t width;
  const char *levels; /* WK_FONT_HEIGHT rows of `width` hexadecimal digits: how much ink */
} wk_glyph;

extern const wk_glyph wk_font[WK_FONT_GLYPHS];

#endif

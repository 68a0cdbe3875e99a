/* typesetter.c - see typesetter.h. Text is cleaned first, so that neither way of drawing sees what is not UTF-8. The
 * built-in letters are enlarged from their 13 pixels, without kerning. */
#include "plot/typesetter.h"

#include <string.h>

#include "image/codec.h"
#include "plot/bitmap_font.h"
#include "plot/pango.h"

enum { EM = 13, WIDEST = 1 << 24 }; /* the built-in letters' size; more pixels than any picture has */

struct wk_typesetter {
  wk_pango *pango; /* NULL: the built-in letters */
  char limit[sizeof((wk_error *)0)->message];
};

wk_status wk_typesetter_create_plain(wk_typesetter **out, wk_error *err) {
  wk_typesetter *t = wk_calloc(1, sizeof *t);
  if (!t)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for text");
  *out = t;
  return WK_OK;
}

wk_status wk_typesetter_create(wk_typesetter **out, wk_error *err) {
  wk_typesetter *t = NULL;
  wk_error why;
  WK_RETURN_IF_ERROR(wk_typesetter_create_plain(&t, err));
  wk_status st = wk_pango_open(&t->pango, &why);
  if (st == WK_ERR_MEMORY) {
    wk_typesetter_free(t);
    return WK_FAIL(err, st, "%s", why.message);
  }
  if (st != WK_OK)
    snprintf(t->limit, sizeof t->limit, "%s", why.message);
  *out = t;
  return WK_OK;
}

void wk_typesetter_free(wk_typesetter *t) {
  if (t)
    wk_pango_close(t->pango);
  wk_free(t);
}

const char *wk_typesetter_limit(const wk_typesetter *t) { return t->limit[0] ? t->limit : NULL; }

/* ---- UTF-8 ------------------------------------------------------------------------------------- */

/* The next letter; 0 at the end; U+FFFD for bytes that are no UTF-8. */
static uint32_t next_code(const char **at) {
  static const uint32_t least[4] = {0, 0x80, 0x800, 0x10000};
  const uint8_t *p = (const uint8_t *)*at;
  const int more = p[0] < 0x80             ? 0
                   : (p[0] & 0xe0) == 0xc0 ? 1
                   : (p[0] & 0xf0) == 0xe0 ? 2
                   : (p[0] & 0xf8) == 0xf0 ? 3
                                           : -1;
  if (!p[0])
    return 0;
  uint32_t code = more <= 0 ? p[0] : p[0] & (0x3fu >> more);
  for (int i = 1; i <= more; i++) {
    if ((p[i] & 0xc0) != 0x80) {
      *at += i;
      return 0xfffd;
    }
    code = code << 6 | (p[i] & 0x3f);
  }
  *at += more < 0 ? 1 : more + 1;
  const bool wrong = more < 0 || code < least[more] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000);
  return wrong ? 0xfffd : code;
}

static char *clean(const char *text) {
  wk_text out = {0};
  wk_text_add(&out, "%s", "");
  while (*text && !out.failed) {
    const char *from = text;
    const uint32_t code = next_code(&text);
    if (code == 0xfffd)
      wk_text_add(&out, "\xef\xbf\xbd");
    else if (code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029)
      wk_text_add(&out, " ");
    else
      wk_text_add(&out, "%.*s", (int)(text - from), from);
  }
  if (out.failed)
    wk_text_free(&out);
  return out.data;
}

/* ---- the built-in letters ---------------------------------------------------------------------- */

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
  case 0xd7:
    return 'x';
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

static const wk_glyph *look_up(uint32_t code) {
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
  return NULL;
}

static const wk_glyph *glyph_of(uint32_t code, int *missing) {
  const wk_glyph *g = look_up(code);
  if (!g) {
    g = look_up(fold(code));
    *missing += g == look_up('?') && code != '?';
  }
  return g;
}

static double letters_width(const char *text, const char *end, double size, int *missing) {
  double width = 0;
  for (const char *at = text; at < end && width < WIDEST;)
    width += glyph_of(next_code(&at), missing)->width * size / EM;
  return width;
}

static const char *letter_before(const char *text, const char *at) {
  do
    at--;
  while (at > text && ((uint8_t)*at & 0xc0) == 0x80);
  return at;
}

/* Where the line that begins at `text` ends: before the last space that fits, else at the last letter. *dots: an
 * ellipsis follows. */
static const char *line_end(const char *text, const wk_text_style *s, bool last, bool *dots) {
  int unused = 0;
  const char *end = text + strlen(text);
  *dots = false;
  if (s->width <= 0 || letters_width(text, end, s->size, &unused) <= s->width)
    return end;
  *dots = last;
  const double limit = s->width - (last ? 3 * look_up('.')->width * s->size / EM : 0);
  while (end > text && letters_width(text, end, s->size, &unused) > limit)
    end = letter_before(text, end);
  if (last)
    return end;
  for (const char *space = end; space > text; space = letter_before(text, space))
    if (*space == ' ')
      return space;
  const char *one = text;
  next_code(&one);
  return end > text ? end : one;
}

static int line_height(double size) { return (int)(size * WK_FONT_HEIGHT / EM + 0.5); }

/* How much ink of a letter lies at (x, y) of its own pixels, 0 to 1. */
static float ink_at(const wk_glyph *g, float x, float y) {
  x -= 0.5f, y -= 0.5f;
  const int x0 = x < 0 ? -1 : (int)x, y0 = y < 0 ? -1 : (int)y;
  float sum = 0;
  for (int j = y0; j <= y0 + 1; j++)
    for (int i = x0; i <= x0 + 1; i++) {
      if (i < 0 || j < 0 || i >= g->width || j >= WK_FONT_HEIGHT)
        continue;
      const char digit = g->levels[j * g->width + i];
      const float wx = 1 - (x > (float)i ? x - (float)i : (float)i - x),
                  wy = 1 - (y > (float)j ? y - (float)j : (float)j - y);
      sum += wx * wy * (float)(digit <= '9' ? digit - '0' : digit - 'a' + 10) / 15;
    }
  return sum;
}

static void mix(wk_image *canvas, int64_t x, int64_t y, int ink, const uint8_t rgb[3]) {
  if (x < 0 || y < 0 || x >= canvas->width || y >= canvas->height || !ink)
    return;
  uint8_t *p = canvas->pixels + ((size_t)y * (size_t)canvas->width + (size_t)x) * 3;
  for (int c = 0; c < 3; c++)
    p[c] = (uint8_t)((p[c] * (255 - ink) + rgb[c] * ink + 127) / 255);
}

static double draw_letter(wk_image *canvas, double left, int64_t top, const wk_glyph *g, const wk_text_style *s) {
  const float step = (float)(EM / s->size);
  const int height = line_height(s->size), width = (int)(g->width * s->size / EM) + 1;
  const int64_t x0 = (int64_t)left;
  for (int y = 0; y < height && left < canvas->width; y++)
    for (int x = 0; x < width; x++) {
      float ink = ink_at(g, ((float)(x0 + x) + 0.5f - (float)left) * step, ((float)y + 0.5f) * step);
      ink = s->bold ? ink + ink_at(g, ((float)(x0 + x) - 0.5f - (float)left) * step, ((float)y + 0.5f) * step) : ink;
      mix(canvas, x0 + x, top + y, (int)(255 * (ink < 1 ? ink : 1) + 0.5f), s->rgb);
    }
  return left + g->width * s->size / EM;
}

/* Draws unless there is no canvas; measures either way. */
static void plain(wk_image *canvas, int *width, int *height, int *missing, int64_t x, int64_t y, const char *text,
                  const wk_text_style *s) {
  const int lines = s->lines > 1 ? s->lines : 1;
  double widest = 0;
  int n = 0;
  for (; n < lines && (*text || !n); n++) {
    bool dots;
    const char *end = line_end(text, s, n + 1 == lines, &dots);
    double at = (double)x;
    for (const char *letter = text; letter < end;) {
      const wk_glyph *g = glyph_of(next_code(&letter), missing);
      at = canvas ? draw_letter(canvas, at, y + n * line_height(s->size), g, s) : at + g->width * s->size / EM;
    }
    for (int k = 0; k < 3 * dots; k++)
      at = canvas ? draw_letter(canvas, at, y + n * line_height(s->size), look_up('.'), s)
                  : at + look_up('.')->width * s->size / EM;
    widest = at - (double)x > widest ? at - (double)x : widest;
    text = end;
    while (*text == ' ')
      text++;
  }
  *width = (int)(widest + 0.999);
  *height = n * line_height(s->size);
}

/* ---- both -------------------------------------------------------------------------------------- */

wk_status wk_text_measure(int *width, int *height, int *missing, wk_typesetter *t, const char *text,
                          const wk_text_style *s, wk_error *err) {
  int w, h, none = 0;
  char *cleaned = clean(text);
  if (!cleaned)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for text");
  if (t->pango)
    wk_pango_measure(&w, &h, &none, t->pango, cleaned, s);
  else
    plain(NULL, &w, &h, &none, 0, 0, cleaned, s);
  wk_free(cleaned);
  if (width)
    *width = w;
  if (height)
    *height = h;
  if (missing)
    *missing = none;
  return WK_OK;
}

wk_status wk_text_draw(wk_image *canvas, int *height, wk_typesetter *t, int x, int y, const char *text,
                       const wk_text_style *s, wk_error *err) {
  wk_status st = WK_OK;
  int w = 0, h = 0, missing = 0;
  uint8_t *ink = NULL;
  char *cleaned = clean(text);
  WK_FAIL_IF(!cleaned, err, WK_ERR_MEMORY, "out of memory for text");
  if (!t->pango) {
    plain(canvas, &w, &h, &missing, x, y, cleaned, s);
    goto done;
  }
  wk_pango_measure(&w, &h, NULL, t->pango, cleaned, s);
  w = w > s->width ? w : s->width; /* text from right to left ends at the limit */
  /* What lies right of or below the picture need not be drawn. */
  const int64_t room_x = (int64_t)canvas->width - x, room_y = (int64_t)canvas->height - y;
  const int width = (int)(w < room_x ? w : room_x), rows = (int)(h < room_y ? h : room_y);
  if (width < 1 || rows < 1 || (int64_t)x + width < 0 || width > WK_IMAGE_MAX_SIDE || rows > WK_IMAGE_MAX_SIDE)
    goto done;
  ink = wk_alloc_array((size_t)width, (size_t)rows);
  WK_FAIL_IF(!ink, err, WK_ERR_MEMORY, "out of memory for text");
  WK_TRY(wk_pango_ink(ink, width, rows, t->pango, cleaned, s, err));
  for (int j = 0; j < rows; j++)
    for (int i = 0; i < width; i++)
      mix(canvas, (int64_t)x + i, (int64_t)y + j, ink[(size_t)j * (size_t)width + (size_t)i], s->rgb);
done:
  if (height)
    *height = h;
  wk_free(ink);
  wk_free(cleaned);
  return st;
}

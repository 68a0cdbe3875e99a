/* html.c - see html.h. File and class names are whatever users made them: nothing of them may end a tag, a string or a
 * script. */
#include "report/html.h"

#include <string.h>

/* Length of the UTF-8 sequence at s, 0 where there is none. */
static size_t sequence(const unsigned char *s) {
  if (s[0] < 0x80)
    return 1;
  size_t n = s[0] >= 0xC2 && s[0] < 0xE0 ? 2 : s[0] >= 0xE0 && s[0] < 0xF0 ? 3 : s[0] >= 0xF0 && s[0] < 0xF5 ? 4 : 0;
  for (size_t i = 1; i < n; i++)
    if ((s[i] & 0xC0) != 0x80)
      return 0;
  if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) || (s[0] == 0xF0 && s[1] < 0x90) ||
      (s[0] == 0xF4 && s[1] > 0x8F))
    return 0;
  return n;
}

static void add_safely(wk_text *t, const char *s, bool html) {
  for (const unsigned char *p = (const unsigned char *)s; *p;) {
    size_t n = sequence(p);
    if (n == 0 || (html && *p < 0x20 && *p != '\n'))
      wk_text_append(t, "\xEF\xBF\xBD", 3);
    else if (html && strchr("<>&\"'", *p))
      wk_text_add(t, "&#%d;", *p);
    else if (!html && (*p < 0x20 || strchr("<>&\"'\\\x7f", *p)))
      wk_text_add(t, "\\u%04x", *p);
    else
      wk_text_append(t, p, n);
    p += n ? n : 1;
  }
}

void wk_html_text(wk_text *t, const char *s) { add_safely(t, s, true); }

void wk_json_string(wk_text *t, const char *s) {
  wk_text_append(t, "\"", 1);
  add_safely(t, s, false);
  wk_text_append(t, "\"", 1);
}

void wk_base64(wk_text *t, const uint8_t *bytes, size_t n) {
  static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  char out[4 * 256];
  for (size_t i = 0, filled = 0; i < n; i += 3) {
    uint32_t v =
        (uint32_t)bytes[i] << 16 | (uint32_t)(i + 1 < n ? bytes[i + 1] : 0) << 8 | (i + 2 < n ? bytes[i + 2] : 0);
    out[filled++] = digit[v >> 18];
    out[filled++] = digit[v >> 12 & 63];
    out[filled++] = i + 1 < n ? digit[v >> 6 & 63] : '=';
    out[filled++] = i + 2 < n ? digit[v & 63] : '=';
    if (filled == sizeof out || i + 3 >= n) {
      wk_text_append(t, out, filled);
      filled = 0;
    }
  }
}

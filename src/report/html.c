/* html.c - see html.h. File and class names are whatever users made them: nothing of them may end a tag, a string or a
 * script. */
#include "report/html.h"

#include <string.h>

#include "formats/json.h"
#include "whisker/utf8.h"

void wk_html_text(wk_text *t, const char *s) {
  for (size_t n; *s; s += n ? n : 1) {
    n = wk_utf8_length(s);
    if (n == 0 || ((unsigned char)*s < 0x20 && *s != '\n'))
      wk_text_append(t, "\xEF\xBF\xBD", 3);
    else if (strchr("<>&\"'", *s))
      wk_text_add(t, "&#%d;", *s);
    else
      wk_text_append(t, s, n);
  }
}

void wk_json_string(wk_text *t, const char *s) {
  wk_text json = {0};
  char *text = wk_utf8_text(s);
  if (!text || wk_json_add_string(&json, text, NULL) != WK_OK || json.failed)
    t->failed = true;
  /* These stand in strings only, where they may be escaped as well. */
  for (const char *c = t->failed ? "" : json.data; *c; c++)
    if (strchr("<>&'", *c))
      wk_text_add(t, "\\u%04x", (unsigned)*c);
    else
      wk_text_append(t, c, 1);
  wk_text_free(&json);
  wk_free(text);
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

/* utf8.c - names are bytes, and not always UTF-8: what is, and what to show of the rest. */
#include <string.h>

#include "base/base.h"
#include "whisker/utf8.h"

size_t wk_utf8_length(const char *text) {
  const unsigned char *s = (const unsigned char *)text;
  if (s[0] < 0x80)
    return 1;
  size_t n = s[0] >= 0xC2 && s[0] < 0xE0 ? 2 : s[0] >= 0xE0 && s[0] < 0xF0 ? 3 : s[0] >= 0xF0 && s[0] < 0xF5 ? 4 : 0;
  for (size_t i = 1; i < n; i++)
    if ((s[i] & 0xC0) != 0x80)
      return 0;
  /* Longer than need be, halves of pairs, and beyond the last letter. */
  if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) || (s[0] == 0xF0 && s[1] < 0x90) ||
      (s[0] == 0xF4 && s[1] > 0x8F))
    return 0;
  return n;
}

char *wk_utf8_text(const char *s) {
  wk_text t = {0};
  wk_text_append(&t, "", 0);
  while (*s) {
    size_t n = wk_utf8_length(s);
    wk_text_append(&t, n ? s : "\xEF\xBF\xBD", n ? n : 3);
    s += n ? n : 1;
  }
  if (t.failed)
    wk_text_free(&t);
  return t.data;
}

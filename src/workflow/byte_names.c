/* byte_names.c - see byte_names.h. */
#include "workflow/byte_names.h"

void wk_byte_name_add(wk_text *t, const char *name) {
  for (const unsigned char *c = (const unsigned char *)name; *c; c++)
    if (*c < 0x20 || *c >= 0x7f || *c == '%')
      wk_text_add(t, "%%%02x", *c);
    else
      wk_text_append(t, c, 1);
}

static int digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

char *wk_byte_name_read(const char *text) {
  char *name = wk_strdup(text), *to = name;
  for (const char *at = text; name && *at; at++)
    if (*at == '%' && digit(at[1]) >= 0 && digit(at[2]) >= 0) {
      *to++ = (char)(digit(at[1]) << 4 | digit(at[2]));
      at += 2;
    } else {
      *to++ = *at;
    }
  if (name)
    *to = 0;
  return name;
}

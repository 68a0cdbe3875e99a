/* json.c - values as the commands print them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* Length of the UTF-8 sequence at s, 0 when there is none. */
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

json_t *cli_json_text(const char *s) {
  json_t *plain = json_string(s);
  if (plain)
    return plain;
  char *fixed = malloc(3 * strlen(s) + 1);
  if (!fixed)
    return NULL;
  size_t n = 0;
  for (const unsigned char *p = (const unsigned char *)s; *p;) {
    size_t k = sequence(p);
    memcpy(fixed + n, k ? (const char *)p : "\xEF\xBF\xBD", k ? k : 3);
    n += k ? k : 3;
    p += k ? k : 1;
  }
  json_t *text = json_stringn(fixed, n);
  free(fixed);
  return text;
}

json_t *cli_json_number(double v) { return isfinite(v) ? json_real(v) : json_null(); }

json_t *cli_json_interval(wk_interval i) {
  json_t *a = json_array();
  json_array_append_new(a, cli_json_number(i.low));
  json_array_append_new(a, cli_json_number(i.high));
  return a;
}

json_t *cli_json_labels(char *const *labels, int n) {
  json_t *a = json_array();
  for (int i = 0; i < n; i++)
    json_array_append_new(a, cli_json_text(labels[i]));
  return a;
}

/* report_json.c - values as reports write them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "workflow/workflow.h"

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

json_t *wk_report_text(const char *s) {
  if (!s)
    return json_null();
  json_t *plain = json_string(s);
  if (plain)
    return plain;
  wk_text fixed = {0};
  for (const unsigned char *p = (const unsigned char *)s; *p;) {
    size_t k = sequence(p);
    wk_text_append(&fixed, k ? (const char *)p : "\xEF\xBF\xBD", k ? k : 3);
    p += k ? k : 1;
  }
  json_t *text = fixed.failed ? NULL : json_stringn(fixed.data ? fixed.data : "", fixed.len);
  wk_text_free(&fixed);
  return text;
}

json_t *wk_report_number(double v) { return isfinite(v) ? json_real(v) : json_null(); }

json_t *wk_report_interval(wk_interval i) {
  json_t *a = json_array();
  json_array_append_new(a, wk_report_number(i.low));
  json_array_append_new(a, wk_report_number(i.high));
  return a;
}

json_t *wk_report_labels(char *const *labels, int n) {
  json_t *a = json_array();
  for (int i = 0; i < n; i++)
    json_array_append_new(a, wk_report_text(labels[i]));
  return a;
}

json_t *wk_report_lines(const wk_lines *l) {
  json_t *a = json_array();
  for (size_t i = 0; i < l->count; i++)
    json_array_append_new(a, wk_report_text(l->lines[i]));
  return a;
}

static int append(const char *bytes, size_t n, void *user) {
  wk_text_append(user, bytes, n);
  return 0;
}

static char *print(json_t *object, size_t flags) {
  wk_text text = {0};
  if (!object || json_dump_callback(object, append, &text, flags | JSON_REAL_PRECISION(9)) || text.failed)
    wk_text_free(&text);
  json_decref(object);
  return text.data;
}

char *wk_report_print(json_t *object) { return print(object, JSON_INDENT(1)); }

char *wk_report_compact(json_t *object) { return print(object, JSON_COMPACT); }

/* report_json.c - values as reports write them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "whisker/utf8.h"
#include "workflow/workflow.h"

json_t *wk_report_text(const char *s) {
  if (!s)
    return json_null();
  json_t *plain = json_string(s);
  if (plain)
    return plain;
  char *fixed = wk_utf8_text(s);
  json_t *text = fixed ? json_string(fixed) : NULL;
  wk_free(fixed);
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

/* json.c - values as the commands print them. */
#include <math.h>

#include "cli.h"
#include "whisker/utf8.h"

json_t *cli_json_text(const char *s) {
  char *text = wk_utf8_text(s);
  json_t *value = text ? json_string(text) : NULL;
  wk_free(text);
  return value;
}

json_t *cli_json_number(double v) { return isfinite(v) ? json_real(v) : json_null(); }

json_t *cli_json_labels(char *const *labels, int n) {
  json_t *a = json_array();
  for (int i = 0; i < n; i++)
    json_array_append_new(a, cli_json_text(labels[i]));
  return a;
}

/* choice.c - see choice.h. */
#include <string.h>
#include <strings.h>

#include "base/choice.h"

wk_status wk_choice_parse(int *out, const char *what, const char *name, const char *const *names, int count,
                          wk_error *err) {
  char list[512] = "";
  size_t at = 0;
  int nearest = 0;
  for (int i = 0; i < count; i++) {
    if (strcasecmp(name, names[i]) == 0) {
      *out = i;
      return WK_OK;
    }
    if (wk_edit_distance(name, names[i]) < wk_edit_distance(name, names[nearest]))
      nearest = i;
    int n = snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "", names[i]);
    at = n > 0 && at + (size_t)n < sizeof list ? at + (size_t)n : at;
  }
  return WK_FAIL(err, WK_ERR_NOT_FOUND, "there is no %s called %s; did you mean %s? There are %s", what, name,
                 names[nearest], list);
}

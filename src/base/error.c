/* error.c - statuses and error messages. */
#include <string.h>

#include "base/base.h"

const char *wk_version(void) { return WK_VERSION; }

const char *wk_status_name(wk_status status) {
  static const char *const name[] = {"ok",          "argument", "memory",    "io",      "not found", "format",
                                     "unsupported", "network",  "cancelled", "numeric", "internal"};
  return (unsigned)status < sizeof name / sizeof *name ? name[status] : "unknown";
}

/* Messages quote names out of files: none may break the line or steer a terminal. */
void wk_one_line(char *text) {
  for (uint8_t *c = (uint8_t *)text; *c; c++) {
    bool c1 = c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0; /* two bytes in UTF-8 */
    if (*c < 0x20 || *c == 0x7f || c1)
      *c = '?';
    if (c1)
      *++c = '?';
  }
}

wk_status wk_error_set(wk_error *err, wk_status code, const char *where, const char *fmt, ...) {
  if (!err)
    return code;
  /* Formatted aside first: an argument may be the old message itself. */
  char message[sizeof err->message];
  va_list args;
  va_start(args, fmt);
  vsnprintf(message, sizeof message, fmt, args);
  va_end(args);
  wk_one_line(message);
  memcpy(err->message, message, sizeof message);
  err->code = code;
  snprintf(err->where, sizeof err->where, "%s", where);
  return code;
}

wk_status wk_error_prefix(wk_error *err, wk_status code, const char *fmt, ...) {
  if (!err)
    return code;
  char message[sizeof err->message];
  va_list args;
  va_start(args, fmt);
  int n = vsnprintf(message, sizeof message, fmt, args);
  va_end(args);
  wk_one_line(message);
  size_t at = n < 0 ? 0 : (size_t)n;
  if (at + 3 < sizeof message) {
    size_t rest = strnlen(err->message, sizeof message - at - 3);
    memcpy(message + at, ": ", 2);
    memcpy(message + at + 2, err->message, rest);
    message[at + 2 + rest] = 0;
  }
  memcpy(err->message, message, sizeof message);
  return err->code;
}

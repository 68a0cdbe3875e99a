/* fault.c - see fault.h. */
#include "fault.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "whisker/utf8.h"

wk_status wk_fault_set(wk_fault *f, int http, const char *key, wk_status code, const char *fmt, ...) {
  *f = (wk_fault){.http = http, .key = key, .error.code = code, .error.where = "studio"};
  va_list args;
  va_start(args, fmt);
  vsnprintf(f->error.message, sizeof f->error.message, fmt, args);
  va_end(args);
  return code;
}

wk_status wk_fault_memory(wk_fault *f) { return wk_fault_set(f, 500, "memory", WK_ERR_MEMORY, "out of memory"); }

wk_status wk_fault_io(wk_fault *f, const char *path, const char *what) {
  const int why = errno;
  const bool full = why == ENOSPC || why == EDQUOT || why == EFBIG;
  wk_fault_set(f, full ? 507 : 500, full ? "disk_full" : "io", WK_ERR_IO, "%s cannot be %s: %s", path, what,
               strerror(why));
  wk_fault_file(f, path);
  f->fix = full ? "free some space on this disk, and try again" : "see that this file may be read and written";
  return WK_ERR_IO;
}

wk_status wk_fault_give(wk_error *err, const wk_fault *f) {
  if (err)
    *err = f->error;
  return f->error.code;
}

void wk_fault_file(wk_fault *f, const char *file) { snprintf(f->file, sizeof f->file, "%s", file); }

wk_status wk_fault_of(wk_fault *f, wk_status st, const char *file) {
  if (st == WK_OK)
    return st;
  f->fix = NULL;
  f->file[0] = 0;
  if (file)
    wk_fault_file(f, file);
  static const struct {
    int http;
    const char *key;
  } known[] = {[WK_ERR_ARGUMENT] = {400, "argument"},       [WK_ERR_NOT_FOUND] = {404, "not_found"},
               [WK_ERR_FORMAT] = {422, "format"},           [WK_ERR_MEMORY] = {500, "memory"},
               [WK_ERR_UNSUPPORTED] = {422, "unsupported"}, [WK_ERR_NUMERIC] = {422, "numeric"},
               [WK_ERR_NETWORK] = {502, "network"},         [WK_ERR_IO] = {500, "io"},
               [WK_ERR_CANCELLED] = {409, "cancelled"},     [WK_ERR_INTERNAL] = {500, "internal"}};
  f->http = known[st].http;
  f->key = known[st].key;
  return st;
}

json_t *wk_fault_error(const wk_fault *f) {
  return json_pack("{s:s,s:s,s:o,s:o,s:o}", "code", wk_status_name(f->error.code), "key", f->key, "text",
                   wk_json_text(f->error.message), "file", wk_json_text(f->file[0] ? f->file : NULL), "fix",
                   wk_json_text(f->fix));
}

json_t *wk_fault_json(const wk_fault *f) { return json_pack("{s:o}", "error", wk_fault_error(f)); }

json_t *wk_json_text(const char *text) {
  if (!text)
    return json_null();
  char *clean = wk_utf8_text(text);
  json_t *value = clean ? json_string(clean) : NULL;
  wk_free(clean);
  return value;
}

json_t *wk_json_number(double v) { return isfinite(v) ? json_real(v) : json_null(); }

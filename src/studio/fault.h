/* fault.h (internal) - what went wrong, as the page is told of it: an error of the library, and with it the answer's
 * number, the key of its translation, the file, and what to do. */
#ifndef WK_STUDIO_FAULT_H
#define WK_STUDIO_FAULT_H

#include <jansson.h>

#include "whisker/base.h"

typedef struct wk_fault {
  int http;        /* 400, 404, 409 ... */
  const char *key; /* a constant: "disk_full" */
  const char *fix; /* a constant; NULL: the text says it, or there is nothing to do */
  char file[256];  /* empty: none */
  wk_error error;
} wk_fault;

/* Fills f and returns code. */
wk_status wk_fault_set(wk_fault *f, int http, const char *key, wk_status code, const char *fmt, ...) WK_PRINTF(5, 6);
wk_status wk_fault_memory(wk_fault *f);
/* By errno; a full disk has a key of its own. `what` was to be done: "written". */
wk_status wk_fault_io(wk_fault *f, const char *path, const char *what);
/* Of a call of the library that was given &f->error and returned st: number and key by its kind. */
wk_status wk_fault_of(wk_fault *f, wk_status st, const char *file);
/* Into err, which may be NULL; returns the code. */
wk_status wk_fault_give(wk_error *err, const wk_fault *f);
void wk_fault_file(wk_fault *f, const char *file);
/* {"error":{"code","key","text","file","fix"}}; NULL: no memory. */
json_t *wk_fault_json(const wk_fault *f);
/* What stands behind "error" in it. */
json_t *wk_fault_error(const wk_fault *f);

/* Texts that JSON can hold: bytes that are no UTF-8 become U+FFFD. NULL gives null. */
json_t *wk_json_text(const char *text);
json_t *wk_json_number(double v); /* null when not finite */

#endif

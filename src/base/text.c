/* text.c - strings that grow and strings that are formatted, on whisker's own allocator. A wk_text never reports an
 * error where it happens: it remembers it in `failed`, so that whoever builds a text checks once, at the end. */
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

/* Room for `extra` more bytes and the NUL. */
static bool reserve(wk_text *t, size_t extra) {
  size_t need;
  if (t->failed)
    return false;
  if (__builtin_add_overflow(t->len, extra, &need) || need >= SIZE_MAX / 2) {
    t->failed = true;
    return false;
  }
  if (++need <= t->cap)
    return true;
  size_t cap = need + need / 2 + 64;
  char *grown = wk_grow(t->data, t->data ? t->len + 1 : 0, cap);
  if (!grown) {
    t->failed = true;
    return false;
  }
  t->data = grown;
  t->cap = cap;
  t->data[t->len] = 0;
  return true;
}

WK_PRINTF(2, 0)
static void add_va(wk_text *t, const char *fmt, va_list args) {
  va_list again;
  va_copy(again, args);
  int n = vsnprintf(NULL, 0, fmt, args);
  if (n < 0)
    t->failed = true;
  else if (reserve(t, (size_t)n)) {
    vsnprintf(t->data + t->len, (size_t)n + 1, fmt, again);
    t->len += (size_t)n;
  }
  va_end(again);
}

void wk_text_add(wk_text *t, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  add_va(t, fmt, args);
  va_end(args);
}

void wk_text_append(wk_text *t, const void *bytes, size_t n) {
  if (!reserve(t, n))
    return;
  if (n)
    memcpy(t->data + t->len, bytes, n);
  t->len += n;
  t->data[t->len] = 0;
}

void wk_text_free(wk_text *t) {
  if (!t)
    return;
  wk_free(t->data);
  *t = (wk_text){0};
}

char *wk_asprintf(const char *fmt, ...) {
  wk_text t = {0};
  va_list args;
  va_start(args, fmt);
  add_va(&t, fmt, args);
  va_end(args);
  if (t.failed)
    wk_text_free(&t);
  return t.data;
}

/* With a point, whatever the locale of the program is. */
bool wk_parse_double(double *out, const char *text) {
  if (!*text || text[strspn(text, "0123456789.+-eE")])
    return false;
  locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  if (!c)
    return false;
  char *end;
  *out = strtod_l(text, &end, c);
  freelocale(c);
  return !*end;
}

/* common.c - steps that several commands take. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

const char *const cli_head_names[] = {"linear", "knn", "mean", NULL};

char *cli_join(const char *a, const char *b) {
  size_t n = strlen(a), m = strlen(b);
  char *s = malloc(n + m + 2);
  if (!s)
    return NULL;
  memcpy(s, a, n);
  bool slash = n && a[n - 1] != '/' && m;
  if (slash)
    s[n] = '/';
  memcpy(s + n + slash, b, m + 1);
  return s;
}

wk_status cli_error(wk_error *err, wk_status code, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  vsnprintf(err->message, sizeof err->message, fmt, args);
  va_end(args);
  err->code = code;
  return code;
}

void cli_say_cell(cli *c, const char *text) {
  if (!text[strcspn(text, ",;\"\r\n")]) {
    cli_say(c, "%s", text);
    return;
  }
  cli_say(c, "\"");
  for (; *text; text++)
    cli_say(c, *text == '"' ? "\"%c" : "%c", *text);
  cli_say(c, "\"");
}

wk_status cli_no_memory(wk_error *err) { return cli_error(err, WK_ERR_MEMORY, "out of memory"); }

static void on_note(void *user, const char *line) { cli_note(user, "%s\n", line); }

static void on_progress(void *user, const char *stage, uint64_t done, uint64_t total) {
  const wk_context *ctx = &((cli *)user)->ctx;
  ctx->progress(ctx->user, stage, done, total);
}

static void on_warning(void *user, const char *message) {
  const wk_context *ctx = &((cli *)user)->ctx;
  ctx->warn(ctx->user, message);
}

static bool on_cancel(void *user) {
  const wk_context *ctx = &((cli *)user)->ctx;
  return ctx->cancelled(ctx->user);
}

wk_status cli_session(wk_session **out, cli *c, wk_error *err) {
  wk_session_options o = c->asked;
  o.home = c->home;
  o.features = c->features;
  o.keep_features = c->features != NULL;
  o.mirror = c->pull.mirror;
  o.pip = c->pull.pip;
  o.progress = on_progress;
  o.warn = on_warning;
  o.note = on_note;
  o.cancelled = on_cancel;
  o.user = c;
  if (!c->session) {
    wk_status st = wk_session_open(&c->session, &o, err);
    if (st != WK_OK)
      return st;
  }
  *out = c->session;
  return WK_OK;
}

/* list_web.c - photos that a list names by their web addresses. Each is fetched once and kept under the hash of its
 * address, several at a time: most of the time is spent waiting for others. */
#include <string.h>

#include "data/list.h"
#include "zoo/fetch.h"

enum { AT_ONCE = 8, ADDRESS_BYTES = 16 /* of its hash */ };

char *wk_web_photo_path(const char *folder, const char *url) {
  uint8_t hash[WK_SHA256_BYTES];
  char hex[2 * ADDRESS_BYTES + 1];
  wk_sha256(hash, url, strlen(url));
  wk_hex(hex, hash, ADDRESS_BYTES);
  return wk_asprintf("%s/web/%s", folder, hex);
}

typedef struct job {
  const wk_names *urls;
  const char *folder;
  wk_context ctx; /* without progress: it counts photos */
  char **why;
  wk_progress progress;
} job;

static wk_status fetch_one(void *user, size_t i, int worker, wk_error *err) {
  (void)worker;
  job *j = user;
  wk_error why = {0};
  char *path = wk_web_photo_path(j->folder, j->urls->name[i]);
  wk_status st = path ? wk_web_fetch(j->urls->name[i], path, &j->ctx, &why) : WK_ERR_MEMORY;
  wk_free(path);
  wk_progress_add(&j->progress, 1);
  if (st == WK_OK)
    return WK_OK;
  if (st == WK_ERR_CANCELLED || st == WK_ERR_MEMORY)
    return WK_FAIL(err, st, "%s", st == WK_ERR_MEMORY ? "out of memory" : why.message);
  j->why[i] = wk_strdup(why.message);
  return j->why[i] ? WK_OK : WK_FAIL(err, WK_ERR_MEMORY, "out of memory");
}

wk_status wk_web_fetch_all(char ***why, const wk_names *urls, const char *folder, const wk_context *ctx,
                           wk_error *err) {
  wk_status st = WK_OK;
  job j = {.urls = urls, .folder = folder};
  char *here = wk_path_join(folder, "web");
  if (ctx)
    j.ctx = *ctx;
  else
    wk_context_init(&j.ctx);
  j.ctx.progress = NULL;
  j.why = wk_calloc(urls->count + 1, sizeof *j.why);
  WK_FAIL_IF(!here || !j.why, err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(wk_mkdir_p(here, err));
  WK_TRY(wk_progress_begin(&j.progress, ctx, "fetching", urls->count, err));
  WK_TRY(wk_parallel(ctx, AT_ONCE, urls->count, fetch_one, &j, err));
  *why = j.why;
  j.why = NULL;
done:
  wk_progress_end(&j.progress);
  for (size_t i = 0; j.why && i < urls->count; i++)
    wk_free(j.why[i]);
  wk_free(j.why);
  wk_free(here);
  return st;
}

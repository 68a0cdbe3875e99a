/* web.c - a photo by its address. Nothing is known of it beforehand, so it is bounded, and whoever decodes it finds out
 * what it is. */
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "zoo/fetch.h"

bool wk_is_web_address(const char *name) {
  return strncasecmp(name, "http://", 7) == 0 || strncasecmp(name, "https://", 8) == 0;
}

/* What progress is called: the last part of the path where that looks like a file, else the address without "https://".
 */
static char *stage_of(const char *url) {
  const char *begin = strstr(url, "://") + 3;
  const size_t len = strcspn(begin, "?#");
  const char *last = begin;
  for (const char *c = begin; c < begin + len; c++)
    if (*c == '/')
      last = c + 1;
  const size_t n = len - (size_t)(last - begin);
  if (last > begin && memchr(last, '.', n))
    return wk_strndup(last, n < 40 ? n : 40);
  return wk_strndup(begin, len < 40 ? len : 40);
}

wk_status wk_web_fetch(const char *url, const char *file, const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  bool resumed;
  char *stage = stage_of(url), *path = wk_asprintf("%s.%ld.part", file, (long)getpid());
  const wk_part_file part = {
      .path = path, .stage = stage, .most = WK_WEB_PHOTO_MAX, .hint = "save it and give the file"};
  wk_http_options o;
  wk_http_options_init(&o);
  o.plain = true;
  WK_FAIL_IF(!stage || !path, err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(wk_http_fetch(&resumed, url, &part, &o, ctx, err));
  if (rename(path, file) != 0)
    st = WK_FAIL(err, WK_ERR_IO, "%s: cannot be written", file);
done:
  if (path)
    wk_part_remove(&part); /* and the note where its bytes are from */
  wk_free(stage);
  wk_free(path);
  return st;
}

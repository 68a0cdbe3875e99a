/* curl.c - see curl.h. */
#include "zoo/curl.h"

#include <dlfcn.h>
#include <string.h>

#include "zoo/fetch.h"

#define FILE_NAME "libcurl.so.4" /* of every libcurl since 2006 */

wk_status wk_curl_open(wk_curl *out, wk_error *err) {
  wk_curl c = {0};
  /* It stays loaded: it was not made to be taken away under what it has started. */
  c.library = dlopen(FILE_NAME, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!c.library)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED,
                   "nothing can be fetched without libcurl (%s); install it, or give files by path", dlerror());
  void *found;
#define FIND(name)                                                                                                     \
  found = dlsym(c.library, "curl_" #name);                                                                             \
  if (!found)                                                                                                          \
    goto missing;                                                                                                      \
  memcpy(&c.name, &found, sizeof found);
  WK_CURL_FUNCTIONS(FIND)
#undef FIND
  *out = c;
  return WK_OK;
missing:
  wk_curl_close(&c);
  return WK_FAIL(err, WK_ERR_UNSUPPORTED,
                 "%s is too old to fetch anything with it; install a newer one, or give files by path", FILE_NAME);
}

void wk_curl_close(wk_curl *c) {
  if (c->library)
    dlclose(c->library);
  *c = (wk_curl){0};
}

/* curl.h (internal) - libcurl, loaded when something is fetched: it brings a score of libraries with it, half of what a
 * command would load at its start, and nearly all commands fetch nothing. */
#ifndef WK_ZOO_CURL_H
#define WK_ZOO_CURL_H

#include <curl/curl.h>

#include "base/base.h"

#define WK_CURL_FUNCTIONS(X)                                                                                           \
  X(easy_init)                                                                                                         \
  X(easy_setopt)                                                                                                       \
  X(easy_perform)                                                                                                      \
  X(easy_getinfo)                                                                                                      \
  X(easy_strerror)                                                                                                     \
  X(easy_cleanup)                                                                                                      \
  X(slist_append)                                                                                                      \
  X(slist_free_all)                                                                                                    \
  X(url)                                                                                                               \
  X(url_set)                                                                                                           \
  X(url_get)                                                                                                           \
  X(url_cleanup)                                                                                                       \
  X(free)

/* curl_easy_init and so on, as curl/curl.h declares them. */
typedef struct wk_curl {
  void *library;
#define WK_CURL_MEMBER(name) __typeof__(&curl_##name) name;
  WK_CURL_FUNCTIONS(WK_CURL_MEMBER)
#undef WK_CURL_MEMBER
} wk_curl;

wk_status wk_curl_open(wk_curl *out, wk_error *err);
void wk_curl_close(wk_curl *c);

#endif

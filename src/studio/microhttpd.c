/* microhttpd.c - see microhttpd.h. */
#include "microhttpd.h"

#include <dlfcn.h>
#include <string.h>

#include "fault.h"

#define FILE_NAME "libmicrohttpd.so.12" /* of every release since 2015 */

wk_status wk_http_load(wk_http_library *out, wk_fault *f) {
  wk_http_library http = {0};
  void *library = dlopen(FILE_NAME, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!library)
    return wk_fault_set(f, 500, "unsupported", WK_ERR_UNSUPPORTED,
                        "the studio's pages are served through libmicrohttpd, which cannot be loaded (%s); install it "
                        "(Debian and Ubuntu: apt install libmicrohttpd12)",
                        dlerror());
  wk_status st = WK_OK;
  void *found;
#define FIND(name)                                                                                                     \
  found = dlsym(library, "MHD_" #name);                                                                                \
  if (!found)                                                                                                          \
    st = wk_fault_set(f, 500, "unsupported", WK_ERR_UNSUPPORTED, "%s has no MHD_%s; install a newer libmicrohttpd",    \
                      FILE_NAME, #name);                                                                               \
  memcpy(&http.name, &found, sizeof found);
  WK_HTTP_FUNCTIONS(FIND)
#undef FIND
  dlclose(library);
  if (st == WK_OK)
    *out = http;
  return st;
}

/* library.c - see library.h. */
#include "base/library.h"

#include <dlfcn.h>
#include <string.h>

wk_status wk_library_load(void *functions, const char *const *name, size_t count, const char *file, const char *purpose,
                          const char *hint, wk_error *err) {
  void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!library)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "%s, which is not here (%s); %s", purpose, dlerror(), hint);
  wk_status st = WK_OK;
  for (size_t i = 0; i < count; i++) {
    void *found = dlsym(library, name[i]);
    WK_FAIL_IF(!found, err, WK_ERR_UNSUPPORTED, "%s, and this %s is too old (it has no %s); %s", purpose, file, name[i],
               hint);
    memcpy((char *)functions + i * sizeof found, &found,
           sizeof found); /* C has no cast from object to function pointers */
  }
done:
  dlclose(library);
  return st;
}

/* arguments.c - what every call of the simple API begins and may end with. */
#include <string.h>

#include "workflow/workflow.h"

wk_status wk_need(const char *names, const void *const *given, size_t count, wk_error *err) {
  for (size_t i = 0; i < count; i++) {
    const size_t n = strcspn(names, ",");
    if (!given[i])
      return WK_FAIL(err, WK_ERR_ARGUMENT, "%.*s is NULL, but must be given", (int)n, names);
    names += n + strspn(names + n, ", ");
  }
  return WK_OK;
}

wk_status wk_no_memory(wk_error *err) { return WK_FAIL(err, WK_ERR_MEMORY, "out of memory"); }

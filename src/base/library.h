/* library.h (internal) - shared libraries that few commands need, loaded when one does. */
#ifndef WK_BASE_LIBRARY_H
#define WK_BASE_LIBRARY_H

#include "base/base.h"

/* Loads `file` and puts its `count` functions of those names, in their order, where `functions` points: a struct of nothing but
 * function pointers. WK_ERR_UNSUPPORTED where the library or a function is not there; the message begins with `purpose` ("HEIC
 * photos are read through libheif") and ends with `hint`, how to get it. It stays loaded until the process ends: many
 * libraries were not made to be taken away under what they have started. Free of cost when it is loaded already. */
wk_status wk_library_load(void *functions, const char *const *name, size_t count, const char *file, const char *purpose,
                          const char *hint, wk_error *err);

#endif

/* choice.h (internal) - choices that are given by name. */
#ifndef WK_BASE_CHOICE_H
#define WK_BASE_CHOICE_H

#include "base/base.h"

/* Index of `name` (any case) among `count`; WK_ERR_NOT_FOUND lists them and points at the nearest. */
wk_status wk_choice_parse(int *out, const char *what, const char *name, const char *const *names, int count,
                          wk_error *err);

#endif

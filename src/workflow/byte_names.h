/* byte_names.h (internal) - file names in texts: they need not be UTF-8, and may hold any byte but zero. */
#ifndef WK_WORKFLOW_BYTE_NAMES_H
#define WK_WORKFLOW_BYTE_NAMES_H

#include "base/base.h"

/* Adds `name` with everything that is no plain ASCII, and '%', as %XX. */
void wk_byte_name_add(wk_text *t, const char *name);
/* The name again; wk_free it. NULL: no memory. */
char *wk_byte_name_read(const char *text);

#endif

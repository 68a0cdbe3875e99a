/* mapped.h (internal) - keeping what wk_mapped_file tells. */
#ifndef WK_BASE_MAPPED_H
#define WK_BASE_MAPPED_H

#include <stddef.h>

void wk_mapped_note(const void *data, size_t size, const char *path);
void wk_mapped_forget(const void *data);

#endif

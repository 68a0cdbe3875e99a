/* pages.h (internal) - memory for many blocks that go together. They lie in a few large ones, which the system gives as
 * large pages (alloc.c): a fault for 2 MB instead of one for every 4 kB. Not for several threads at once. */
#ifndef WK_BASE_PAGES_H
#define WK_BASE_PAGES_H

#include <stddef.h>

typedef struct wk_pages {
  struct wk_chunk *chunk; /* the newest; each knows the one before */
  size_t left;            /* bytes at its end that are free */
} wk_pages;               /* {0}: empty */

/* Aligned to 64 bytes, not cleared; NULL: no memory. Lives until wk_pages_free. */
void *wk_pages_alloc(wk_pages *p, size_t bytes);
void wk_pages_free(wk_pages *p);

#endif

/* arena.h (internal) - memory for many things that go together: they lie one after the other in blocks, and are freed
 * all at once. Several threads may take memory of one; it is freed by one. */
#ifndef WK_BASE_ARENA_H
#define WK_BASE_ARENA_H

#include <pthread.h>
#include <stddef.h>

typedef struct wk_arena { /* all zero but what is wanted otherwise */
  pthread_mutex_t mutex;
  struct wk_arena_block *block; /* the newest; each knows the one before */
  size_t used;                  /* of the newest block */
  size_t total;                 /* of all blocks */
  size_t limit;                 /* of total */
  size_t step;                  /* bytes of a block, at least; 0: everything by itself */
  size_t align;                 /* of what is given: a power of two, at most 64 */
} wk_arena;

/* Not cleared; NULL: no memory, or the limit. */
void *wk_arena_alloc(wk_arena *a, size_t bytes);
/* Empty again, to be used as before. */
void wk_arena_free(wk_arena *a);

/* An arena for megabytes, without a limit, aligned to 64 bytes: its blocks are such as the system gives as large pages
 * (alloc.c), a fault for 2 MB instead of one for every 4 kB. */
wk_arena wk_arena_large(void);

#endif

/* pages.c - see pages.h. */
#include "base/pages.h"

#include <stdint.h>

#include "base/base.h"

enum {
  LINE = 64,
#if defined(__SANITIZE_ADDRESS__)
  FIRST = 0, /* every block by itself, so that a step beyond its end is seen */
  NEXT = 0
#else
  FIRST = 2 << 20,
  NEXT = 8 << 20
#endif
};

typedef struct wk_chunk {
  struct wk_chunk *before;
  size_t bytes; /* with this header */
} wk_chunk;

void *wk_pages_alloc(wk_pages *p, size_t bytes) {
  if (bytes > SIZE_MAX - 3 * LINE)
    return NULL;
  bytes = (bytes + LINE - 1) / LINE * LINE;
  if (!p->chunk || bytes > p->left) {
    size_t room = p->chunk ? NEXT : FIRST;
    room = room < bytes + LINE ? bytes + LINE : room;
    wk_chunk *chunk = wk_alloc(room);
    if (!chunk)
      return NULL;
    *chunk = (wk_chunk){.before = p->chunk, .bytes = room};
    p->chunk = chunk;
    p->left = room - LINE;
  }
  char *block = (char *)p->chunk + p->chunk->bytes - p->left;
  p->left -= bytes;
  return block;
}

void wk_pages_free(wk_pages *p) {
  while (p->chunk) {
    wk_chunk *before = p->chunk->before;
    wk_free(p->chunk);
    p->chunk = before;
  }
  p->left = 0;
}

/* arena.c - see arena.h. */
#include "base/arena.h"

#include <stdint.h>

#include "base/base.h"

typedef struct wk_arena_block {
  struct wk_arena_block *older;
  size_t size;
  _Alignas(64) uint8_t data[];
} wk_arena_block;

static void *take(wk_arena *a, size_t bytes) {
  if (bytes > a->limit || bytes > SIZE_MAX - a->align - sizeof *a->block)
    return NULL;
  bytes = (bytes + a->align - 1) & ~(a->align - 1);
  if (!a->block || a->block->size - a->used < bytes) {
    const size_t size = bytes > a->step ? bytes : a->step;
    if (size > a->limit - a->total)
      return NULL;
    wk_arena_block *b = wk_alloc(sizeof *b + size);
    if (!b)
      return NULL;
    *b = (wk_arena_block){.older = a->block, .size = size};
    a->block = b;
    a->used = 0;
    a->total += size;
  }
  void *p = a->block->data + a->used;
  a->used += bytes;
  return p;
}

void *wk_arena_alloc(wk_arena *a, size_t bytes) {
  pthread_mutex_lock(&a->mutex);
  void *p = take(a, bytes);
  pthread_mutex_unlock(&a->mutex);
  return p;
}

void wk_arena_free(wk_arena *a) {
  for (wk_arena_block *b = a->block, *older; b; b = older) {
    older = b->older;
    wk_free(b);
  }
  a->block = NULL;
  a->used = a->total = 0;
}

wk_arena wk_arena_large(void) {
#if defined(__SANITIZE_ADDRESS__)
  const size_t step = 0; /* so that a step beyond its end is seen */
#else
  const size_t step = ((size_t)8 << 20) - sizeof(wk_arena_block);
#endif
  return (wk_arena){.mutex = PTHREAD_MUTEX_INITIALIZER, .limit = SIZE_MAX, .step = step, .align = 64};
}

/* alloc.c - every allocation of whisker passes here, so that tests can fail any of them. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/base.h"

/* Large blocks in large pages, where the system has them for whoever asks: hundreds of times fewer faults when memory is
 * first touched, and weights of many megabytes are read without a miss of address translation every 4 kB. */
enum { LARGE_PAGE = 2 << 20 };

static void *default_alloc(void *user, size_t bytes) {
  (void)user;
  if (bytes < LARGE_PAGE)
    return aligned_alloc(64, (bytes + 63) & ~(size_t)63);
  void *block = NULL;
  if (posix_memalign(&block, LARGE_PAGE, bytes) != 0)
    return NULL;
#ifdef MADV_HUGEPAGE
  madvise(block, bytes & ~(size_t)(LARGE_PAGE - 1), MADV_HUGEPAGE); /* advice: nothing depends on it */
#endif
  return block;
}

static void default_free(void *user, void *block) {
  (void)user;
  free(block);
}

/* The library's only variable: see wk_set_allocator. */
static wk_allocator hook = {default_alloc, default_free, NULL};

void wk_set_allocator(const wk_allocator *allocator) {
  hook = allocator ? *allocator : (wk_allocator){default_alloc, default_free, NULL};
}

void *wk_alloc(size_t bytes) {
  if (bytes > SIZE_MAX - 63)
    return NULL;
  return hook.alloc(hook.user, bytes ? bytes : 1);
}

void wk_free(void *block) {
  if (block)
    hook.free(hook.user, block);
}

bool wk_mul_overflow(size_t *out, size_t a, size_t b) { return __builtin_mul_overflow(a, b, out); }

void *wk_alloc_array(size_t count, size_t size) {
  size_t bytes;
  return wk_mul_overflow(&bytes, count, size) ? NULL : wk_alloc(bytes);
}

void *wk_calloc(size_t count, size_t size) {
  size_t bytes;
  void *block = wk_mul_overflow(&bytes, count, size) ? NULL : wk_alloc(bytes);
  return block ? memset(block, 0, bytes) : NULL;
}

void *wk_grow(void *block, size_t old_bytes, size_t new_bytes) {
  void *moved = wk_alloc(new_bytes);
  if (!moved)
    return NULL;
  if (block)
    memcpy(moved, block, old_bytes < new_bytes ? old_bytes : new_bytes);
  wk_free(block);
  return moved;
}

char *wk_strndup(const char *s, size_t n) {
  n = strnlen(s, n);
  char *copy = wk_alloc(n + 1);
  if (!copy)
    return NULL;
  memcpy(copy, s, n);
  copy[n] = 0;
  return copy;
}

char *wk_strdup(const char *s) { return wk_strndup(s, strlen(s)); }

/* mapped.c - which file is mapped where, kept without locks so that a signal handler can read it. */
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

#include "base/mapped.h"
#include "whisker/mapped.h"

enum { FILES = 256, FREE = 0, CHANGING, KEPT };

static struct {
  atomic_int state;
  uintptr_t begin, end;
  char path[4096];
} files[FILES];

void wk_mapped_note(const void *data, size_t size, const char *path) {
  for (int i = 0; i < FILES; i++) {
    int expected = FREE;
    if (atomic_load_explicit(&files[i].state, memory_order_relaxed) != FREE ||
        !atomic_compare_exchange_strong(&files[i].state, &expected, CHANGING))
      continue;
    files[i].begin = (uintptr_t)data;
    files[i].end = (uintptr_t)data + size;
    snprintf(files[i].path, sizeof files[i].path, "%s", path);
    atomic_store(&files[i].state, KEPT);
    return;
  }
}

void wk_mapped_forget(const void *data) {
  for (int i = 0; i < FILES; i++)
    if (atomic_load(&files[i].state) == KEPT && files[i].begin == (uintptr_t)data) {
      atomic_store(&files[i].state, FREE);
      return;
    }
}

const char *wk_mapped_file(const void *address) {
  const uintptr_t at = (uintptr_t)address;
  for (int i = 0; i < FILES; i++)
    if (atomic_load(&files[i].state) == KEPT && at >= files[i].begin && at < files[i].end)
      return files[i].path;
  return NULL;
}

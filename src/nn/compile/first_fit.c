/* first_fit.c - first fit by size: large blocks are placed first, each at the lowest place that is free while it lives.
 */
#include "nn/compile/first_fit.h"

#include <stdlib.h>

static int larger_first(const void *a, const void *b) {
  const wk_memory_block *x = *(wk_memory_block *const *)a, *y = *(wk_memory_block *const *)b;
  if (x->bytes != y->bytes)
    return x->bytes < y->bytes ? 1 : -1;
  return x < y ? -1 : x > y;
}

static bool meet(const wk_memory_block *a, const wk_memory_block *b) {
  return a->first <= b->last && b->first <= a->last;
}

/* `placed` is sorted by offset. */
static void place(wk_memory_block *b, wk_memory_block *const *placed, int count) {
  size_t at = 0;
  for (int i = 0; i < count; i++) {
    const wk_memory_block *o = placed[i];
    if (!meet(b, o))
      continue;
    if (at + b->bytes <= o->offset)
      break;
    if (o->offset + o->bytes > at)
      at = o->offset + o->bytes;
  }
  b->offset = at;
}

wk_status wk_first_fit(size_t *total, wk_memory_block *blocks, int count, wk_error *err) {
  wk_status st = WK_OK;
  wk_memory_block **order = wk_alloc_array((size_t)count, sizeof *order),
                  **placed = wk_alloc_array((size_t)count, sizeof *placed);
  WK_FAIL_IF(!order || !placed, err, WK_ERR_MEMORY, "out of memory for planning a network");
  for (int i = 0; i < count; i++) {
    blocks[i].bytes = (blocks[i].bytes + 63) & ~(size_t)63;
    blocks[i].offset = 0;
    order[i] = &blocks[i];
  }
  qsort(order, (size_t)count, sizeof *order, larger_first);
  size_t bytes = 0;
  for (int n = 0; n < count && order[n]->bytes; n++) {
    wk_memory_block *b = order[n];
    place(b, placed, n);
    int at = n;
    for (; at > 0 && placed[at - 1]->offset > b->offset; at--)
      placed[at] = placed[at - 1];
    placed[at] = b;
    if (b->offset + b->bytes > bytes)
      bytes = b->offset + b->bytes;
  }
  *total = bytes;
done:
  wk_free(order);
  wk_free(placed);
  return st;
}

/* first_fit.h (internal) - laying blocks that live for a while into one piece of memory. */
#ifndef WK_NN_FIRST_FIT_H
#define WK_NN_FIRST_FIT_H

#include "base/base.h"

typedef struct wk_memory_block {
  size_t bytes;
  int first, last; /* moments, both included, during which it lives */
  size_t offset;   /* found: a multiple of 64 */
} wk_memory_block;

/* Finds the offsets; *total is the memory they need. Blocks that never live together may share bytes. */
wk_status wk_first_fit(size_t *total, wk_memory_block *blocks, int count, wk_error *err);

#endif

/* chunk.h (internal) - which iterations of a loop are one part's, and whose. */
#ifndef WK_BASE_CHUNK_H
#define WK_BASE_CHUNK_H

#include <stddef.h>
#include <stdint.h>

/* The index-th of `parts` parts of a loop, done by thread `worker` of those that share it. */
typedef struct wk_chunk {
  int index, parts, worker;
} wk_chunk;

/* Where part `i` of `parts` of 0..n-1 begins, cut at multiples of `step`. */
static inline long wk_chunk_bound(long n, int step, int parts, int i) {
  const int64_t steps = ((int64_t)n + step - 1) / step, at = steps * i / parts * step;
  return at < n ? (long)at : n;
}

static inline long wk_chunk_begin(long n, int step, wk_chunk p) { return wk_chunk_bound(n, step, p.parts, p.index); }
static inline long wk_chunk_end(long n, int step, wk_chunk p) { return wk_chunk_bound(n, step, p.parts, p.index + 1); }

/* Where the first of part `index` lies when n things are cut into parts that differ by one at most. */
static inline size_t wk_even_cut(size_t n, size_t parts, size_t index) { return n * index / parts; }

#endif

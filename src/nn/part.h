/* part.h (internal) - which iterations of a loop are one thread's. */
#ifndef WK_NN_PART_H
#define WK_NN_PART_H

#include <stdint.h>

/* Where part `i` of `parts` of 0..n-1 begins, cut at multiples of `step`. */
static inline long wk_cut(long n, int step, int parts, int i) {
  const int64_t steps = ((int64_t)n + step - 1) / step, at = steps * i / parts * step;
  return at < n ? (long)at : n;
}

#endif

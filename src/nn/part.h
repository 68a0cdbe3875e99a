/* part.h (internal) - which iterations of a loop are one thread's. */
#ifndef WK_NN_PART_H
#define WK_NN_PART_H

/* Where part `i` of `parts` of 0..n-1 begins. */
static inline long wk_part(long n, int parts, int i) { return n * i / parts; }

#endif

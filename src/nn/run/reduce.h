/* reduce.h (internal) - sums over micro-batches as one fixed binary tree: pairs of neighbours, then pairs of pairs,
 * whoever comes first. A buffer that waits for its neighbour stands at its place in the tree; buffers that are done
 * with are used again. */
#ifndef WK_NN_REDUCE_H
#define WK_NN_REDUCE_H

#include <pthread.h>

#include "base/base.h"

typedef struct wk_tree_sum {
  size_t floats;
  int most;        /* micro-batches */
  float **waiting; /* level by level */
  float **spare;   /* stack */
  int spares;
  float *total; /* after the last micro-batch; goes back to the spares */
  pthread_mutex_t lock;
  bool made;
} wk_tree_sum;

/* Of so many floats, for at most so many micro-batches; s is to be freed in any case. */
wk_status wk_tree_sum_init(wk_tree_sum *s, size_t floats, int most, wk_error *err);
void wk_tree_sum_free(wk_tree_sum *s);   /* fine on a zeroed one */
void wk_tree_sum_reset(wk_tree_sum *s);  /* before the first of a batch */
float *wk_tree_sum_take(wk_tree_sum *s); /* a buffer; NULL: out of memory */
/* Gives one micro-batch's part, of `count`, in such a buffer. */
void wk_tree_sum_give(wk_tree_sum *s, float *part, int index, int count);

/* Numbers added up in the same order. */
double wk_tree_sum_doubles(const double *part, int count);

#endif

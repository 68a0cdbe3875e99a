/* classifier_pool.h - one differentiable classifier a worker: they share packed weights, and each is used by one
 * thread. */
#ifndef WK_CLASSIFIER_POOL_H
#define WK_CLASSIFIER_POOL_H

#include "base/base.h"
#include "whisker/diff_classifier.h"

typedef struct wk_classifier_pool {
  wk_diff_classifier **classifier; /* [workers] */
  int workers;
  bool borrowed; /* the first is the caller's */
} wk_classifier_pool;

/* All of them, made now. */
wk_status wk_classifier_pool_create(wk_classifier_pool *out, const wk_model *m, const wk_diff_classifier_options *o,
                                    int workers, wk_error *err);
/* The first is `base`, which must outlive the pool; the others are made when their worker first asks. */
wk_status wk_classifier_pool_around(wk_classifier_pool *out, wk_diff_classifier *base, int workers, wk_error *err);
wk_status wk_classifier_pool_get(wk_diff_classifier **out, wk_classifier_pool *p, int worker, wk_error *err);
void wk_classifier_pool_free(wk_classifier_pool *p);

#endif

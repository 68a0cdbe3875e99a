/* classifier_pool.c - see classifier_pool.h. */
#include "explain/classifier_pool.h"

static wk_status open_pool(wk_classifier_pool *out, int workers, wk_error *err) {
  *out = (wk_classifier_pool){.workers = workers};
  out->classifier = wk_calloc((size_t)workers, sizeof *out->classifier);
  return out->classifier ? WK_OK : WK_FAIL(err, WK_ERR_MEMORY, "out of memory");
}

wk_status wk_classifier_pool_create(wk_classifier_pool *out, const wk_model *m, const wk_diff_classifier_options *o,
                                    int workers, wk_error *err) {
  wk_status st = WK_OK;
  WK_TRY(open_pool(out, workers, err));
  WK_TRY(wk_diff_classifier_create(&out->classifier[0], m, o, err));
  for (int i = 1; i < workers; i++)
    WK_TRY(wk_diff_classifier_share(&out->classifier[i], out->classifier[0], err));
done:
  if (st != WK_OK)
    wk_classifier_pool_free(out);
  return st;
}

wk_status wk_classifier_pool_around(wk_classifier_pool *out, wk_diff_classifier *base, int workers, wk_error *err) {
  WK_RETURN_IF_ERROR(open_pool(out, workers, err));
  out->classifier[0] = base;
  out->borrowed = true;
  return WK_OK;
}

wk_status wk_classifier_pool_get(wk_diff_classifier **out, wk_classifier_pool *p, int worker, wk_error *err) {
  if (!p->classifier[worker])
    WK_RETURN_IF_ERROR(wk_diff_classifier_share(&p->classifier[worker], p->classifier[0], err));
  *out = p->classifier[worker];
  return WK_OK;
}

void wk_classifier_pool_free(wk_classifier_pool *p) {
  for (int i = p->workers - 1; p->classifier && i >= (p->borrowed ? 1 : 0); i--)
    wk_diff_classifier_free(p->classifier[i]);
  wk_free(p->classifier);
  *p = (wk_classifier_pool){0};
}

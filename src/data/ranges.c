/* ranges.c - between which values the layers of a network move on somebody's photos: what a lower precision divides
 * into steps. A photo after the other through the float network, the photos shared by the threads. The extremes of all
 * photos are taken: averages over photos, and what 99% of them keep to, cost accuracy with every network tried. */
#include <string.h>

#include "data/photo_batch.h"

typedef struct worker {
  wk_photo_batch batch; /* of one photo */
  float *input;
  float *seen; /* [values]: of each step the least of every channel, then the largest; NULL: no photo yet */
} worker;

typedef struct job {
  const wk_backbone *b;
  const char *const *path;
  const wk_plan *plan;
  worker *worker;
  size_t *photo; /* drawn */
  size_t values;
  wk_progress progress;
} job;

typedef struct look {
  float *to;
  bool first; /* of this worker's photos */
} look;

static void see(void *user, const char *name, const float *value, wk_shape shape) {
  (void)name;
  look *l = user;
  const size_t channels = (size_t)shape.channels, pixels = (size_t)shape.height * (size_t)shape.width;
  float *low = l->to, *high = low + channels;
  if (l->first) {
    memcpy(low, value, channels * sizeof *low);
    memcpy(high, value, channels * sizeof *high);
  }
  for (size_t p = 0; p < pixels; p++) {
    const float *x = value + p * channels;
    for (size_t c = 0; c < channels; c++) {
      low[c] = x[c] < low[c] ? x[c] : low[c];
      high[c] = x[c] > high[c] ? x[c] : high[c];
    }
  }
  l->to += 2 * channels;
}

static wk_status ready(const job *j, worker *me, wk_error *err) {
  WK_RETURN_IF_ERROR(wk_photo_batch_begin(&me->batch, &j->b->preprocess, 1, err));
  if (!me->input && !(me->input = wk_alloc_array(me->batch.photo, sizeof *me->input)))
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a photo of %zu values", me->batch.photo);
  return me->batch.exec ? WK_OK : wk_exec_create(&me->batch.exec, j->plan, err);
}

static wk_status observe(void *user, size_t index, int w, wk_error *err) {
  job *j = user;
  worker *me = &j->worker[w];
  const wk_preprocess *p = &j->b->preprocess;
  wk_error reason;
  WK_RETURN_IF_ERROR(ready(j, me, err));
  wk_status st = wk_photo_batch_add(&me->batch, NULL, j->path[j->photo[index]], p, NULL, &reason);
  if (st == WK_ERR_MEMORY)
    return WK_FAIL(err, st, "%s: %s", j->path[j->photo[index]], reason.message);
  if (st == WK_OK) {
    look l = {me->seen, !me->seen};
    if (l.first)
      l.to = me->seen = wk_alloc_array(j->values, sizeof *me->seen);
    if (!me->seen)
      return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for the ranges");
    wk_preprocess_normalise(me->input, me->batch.rgb, p);
    WK_RETURN_IF_ERROR(wk_exec_observe(me->batch.exec, me->input, see, &l, err));
  }
  wk_progress_add(&j->progress, 1);
  return WK_OK;
}

/* The extremes of all workers: whose photos they were makes no difference. */
static wk_status gather(wk_tensors *out, const job *j, int threads, wk_error *err) {
  size_t at = 0;
  for (int i = 0; i < wk_plan_ops(j->plan); i++) {
    wk_op_info s;
    wk_plan_op_at(&s, j->plan, i);
    const size_t channels = (size_t)s.out.channels;
    float *range;
    WK_RETURN_IF_ERROR(
        wk_tensors_add_zeros(out, &range, s.name, 2, (const int64_t[]){2, (int64_t)s.out.channels}, err));
    bool first = true;
    for (int w = 0; w < threads; w++) {
      const float *seen = j->worker[w].seen ? j->worker[w].seen + at : NULL;
      for (size_t c = 0; seen && c < channels; c++) {
        range[c] = first || seen[c] < range[c] ? seen[c] : range[c];
        range[channels + c] =
            first || seen[channels + c] > range[channels + c] ? seen[channels + c] : range[channels + c];
      }
      first &= !seen;
    }
    at += 2 * channels;
  }
  return WK_OK;
}

/* `drawn` of 0..n-1, ascending: each is taken with the chance that it needs (Knuth's selection sampling). */
static void draw(size_t *photo, size_t n, size_t drawn, uint64_t seed) {
  wk_rng rng;
  wk_rng_init(&rng, seed, 0x72616e6765);
  size_t kept = 0;
  for (size_t i = 0; i < n && kept < drawn; i++)
    if (wk_rng_below(&rng, (uint32_t)(n - i)) < drawn - kept)
      photo[kept++] = i;
}

wk_status wk_ranges_measure(wk_tensors **out, const wk_backbone *b, const char *const *path, size_t photos, size_t most,
                            const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  wk_plan *plan = NULL;
  wk_tensors *ranges = NULL;
  const int threads = wk_context_threads(ctx);
  const size_t drawn = photos < most ? photos : most;
  job j = {.b = b, .path = path};
  wk_plan_options o;
  wk_plan_options_init(&o);
  o.height = b->preprocess.height, o.width = b->preprocess.width, o.batch = 1, o.no_fusion = true;
  WK_FAIL_IF(!drawn || photos > UINT32_MAX, err, WK_ERR_ARGUMENT, "%zu photos to look for ranges in", photos);
  WK_TRY(wk_preprocess_validate(&b->preprocess, err));
  WK_TRY(wk_plan_create(&plan, b->graph, b->weights, &o, err));
  j.plan = plan;
  for (int i = 0; i < wk_plan_ops(plan); i++) {
    wk_op_info s;
    wk_plan_op_at(&s, plan, i);
    j.values += 2 * (size_t)s.out.channels;
  }
  j.photo = wk_alloc_array(drawn, sizeof *j.photo);
  j.worker = wk_calloc((size_t)threads, sizeof *j.worker);
  WK_FAIL_IF(!j.photo || !j.worker, err, WK_ERR_MEMORY, "out of memory for the ranges");
  draw(j.photo, photos, drawn, ctx ? ctx->seed : 0);
  WK_TRY(wk_progress_begin(&j.progress, ctx, "ranges", drawn, err));
  WK_TRY(wk_parallel(ctx, threads, drawn, observe, &j, err));
  bool any = false;
  for (int i = 0; i < threads; i++)
    any |= j.worker[i].seen != NULL;
  WK_FAIL_IF(!any, err, WK_ERR_FORMAT, "none of %zu photos could be read: the ranges of int8 are not known", drawn);
  WK_TRY(wk_tensors_create(&ranges, err));
  WK_TRY(gather(ranges, &j, threads, err));
  *out = ranges;
  ranges = NULL;
done:
  wk_progress_end(&j.progress);
  for (int i = 0; j.worker && i < threads; i++) {
    wk_photo_batch_free(&j.worker[i].batch);
    wk_free(j.worker[i].seen);
    wk_free(j.worker[i].input);
  }
  wk_free(j.worker);
  wk_free(j.photo);
  wk_tensors_free(ranges);
  wk_plan_free(plan);
  return st;
}

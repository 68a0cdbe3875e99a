/* visualize.c - class visualization: options, one class or several, and what is freed. */
#include "explain/visualize/visualize_job.h"

#include <math.h>
#include <string.h>

void wk_visualize_options_init(wk_visualize_options *o) {
  *o = (wk_visualize_options){.tv = -1,
                              .octaves = 3,
                              .views = 4,
                              .jitter = 0.1,
                              .turn = 10,
                              .zoom = 0.6,
                              .target_probability = 2,
                              .snapshots = 8,
                              .seed = 42};
}

static wk_status check(const wk_visualize_options *o, int classes, wk_error *err) {
  if (o->target < 0 || o->target >= classes)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "class %d is not among the model's %d", o->target, classes);
  if (o->steps < 0 || !(o->rate >= 0) || !(o->l2 >= 0) || !(o->blur >= 0) || !isfinite(o->tv))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "steps, rate, L2 and blur must not be negative");
  if ((unsigned)o->method > WK_VISUALIZE_PLAIN || (unsigned)o->parameterization > WK_PARAMETERIZATION_PIXELS)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "there is no method number %d or parameterization number %d", (int)o->method,
                   (int)o->parameterization);
  if (o->octaves < 1 || o->octaves > 6 || o->views < 1 || o->views > 64)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "1 to 6 octaves and 1 to 64 views are possible, not %d and %d", o->octaves,
                   o->views);
  if (!(o->jitter >= 0 && o->jitter <= 0.5) || !(o->turn >= 0 && o->turn <= 180) || !(o->zoom > 0 && o->zoom <= 1))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "jitter must be 0 to 0.5, turn 0 to 180 and zoom above 0, up to 1");
  if (o->snapshots < 0 || o->snapshots > 1000)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "0 to 1000 pictures on the way can be kept, not %d", o->snapshots);
  return WK_OK;
}

static int steps_of(const wk_visualize_options *o) { return o->steps > 0 ? o->steps : o->method ? 1000 : 256; }

/* One class, with a progress that is open already. */
static wk_status make(wk_visualization **out, wk_diff_classifier *classifier, const wk_preprocess *p,
                      const wk_visualize_options *o, const wk_context *ctx, wk_progress *progress, bool tells,
                      wk_error *err) {
  bool lesson = o->method == WK_VISUALIZE_PLAIN;
  wk_visualize_job j = {.classifier = classifier, .p = p, .o = o, .ctx = ctx, .progress = progress, .tells = tells};
  j.n = (size_t)p->width * (size_t)p->height * 3;
  j.steps = steps_of(o);
  wk_status st;
  j.result = wk_calloc(1, sizeof *j.result);
  WK_FAIL_IF(!j.result, err, WK_ERR_MEMORY, "out of memory for a picture");
  j.result->losses = wk_calloc((size_t)j.steps, sizeof *j.result->losses);
  j.result->snapshots = wk_calloc((size_t)o->snapshots + 1, sizeof *j.result->snapshots);
  j.result->snapshot_step = wk_calloc((size_t)o->snapshots + 1, sizeof *j.result->snapshot_step);
  j.score_gradient = wk_calloc((size_t)wk_diff_classifier_classes(classifier), sizeof *j.score_gradient);
  WK_FAIL_IF(!j.result->losses || !j.result->snapshots || !j.result->snapshot_step || !j.score_gradient, err,
             WK_ERR_MEMORY, "out of memory for a picture in %d steps", j.steps);
  WK_TRY(lesson ? wk_visualize_plain(&j, err) : wk_visualize_robust(&j, err));
  *out = j.result;
  j.result = NULL;
done:
  progress->stage = "ideal"; /* j ends here */
  wk_free(j.score_gradient);
  wk_visualization_free(j.result);
  return st;
}

wk_status wk_visualize_class(wk_visualization **out, wk_diff_classifier *classifier, const wk_preprocess *p,
                             const wk_visualize_options *o, const wk_context *ctx, wk_error *err) {
  WK_RETURN_IF_ERROR(check(o, wk_diff_classifier_classes(classifier), err));
  wk_progress progress = {0};
  wk_status st = wk_progress_begin(&progress, ctx, "ideal", (uint64_t)steps_of(o), err);
  if (st == WK_OK)
    st = make(out, classifier, p, o, ctx, &progress, true, err);
  wk_progress_end(&progress);
  return st;
}

/* ---- several classes --------------------------------------------------------------------------- */

typedef struct several {
  wk_visualization **out;
  wk_classifier_pool pool;
  const wk_preprocess *p;
  const wk_visualize_options *o;
  const int *target;
  wk_context alone; /* for one class: a single thread, and no progress of its own */
  wk_progress progress;
} several;

static wk_status one_of_several(void *user, size_t index, int worker, wk_error *err) {
  several *s = user;
  wk_diff_classifier *classifier;
  WK_RETURN_IF_ERROR(wk_classifier_pool_get(&classifier, &s->pool, worker, err));
  wk_visualize_options o = *s->o;
  o.target = s->target[index];
  return make(&s->out[index], classifier, s->p, &o, &s->alone, &s->progress, false, err);
}

wk_status wk_visualize_classes(wk_visualization **out, wk_diff_classifier *classifier, const wk_preprocess *p,
                               const wk_visualize_options *o, const int *target, int count, const wk_context *ctx,
                               wk_error *err) {
  int threads = wk_context_threads(ctx);
  several s = {.p = p, .o = o, .target = target};
  if (ctx)
    s.alone = *ctx;
  else
    wk_context_init(&s.alone);
  s.alone.threads = 1;
  for (int i = 0; i < count; i++) {
    wk_visualize_options one = *o;
    one.target = target[i];
    WK_RETURN_IF_ERROR(check(&one, wk_diff_classifier_classes(classifier), err));
  }
  wk_status st;
  s.out = wk_calloc((size_t)count + 1, sizeof(wk_visualization *));
  WK_FAIL_IF(!s.out, err, WK_ERR_MEMORY, "out of memory for %d pictures", count);
  WK_TRY(wk_classifier_pool_around(&s.pool, classifier, threads, err));
  WK_TRY(wk_progress_begin(&s.progress, ctx, "ideal", (uint64_t)steps_of(o) * (uint64_t)count, err));
  WK_TRY(wk_parallel(ctx, threads, (size_t)count, one_of_several, &s, err));
  memcpy(out, s.out, (size_t)count * sizeof(wk_visualization *));
done:
  wk_progress_end(&s.progress);
  for (int i = 0; st != WK_OK && s.out && i < count; i++)
    wk_visualization_free(s.out[i]);
  wk_classifier_pool_free(&s.pool);
  wk_free(s.out);
  return st;
}

void wk_visualization_free(wk_visualization *ideal) {
  if (!ideal)
    return;
  for (int i = 0; i < ideal->snapshot_count; i++)
    wk_image_free(&ideal->snapshots[i]);
  wk_image_free(&ideal->image);
  wk_free(ideal->snapshots);
  wk_free(ideal->snapshot_step);
  wk_free(ideal->losses);
  wk_free(ideal);
}

/* visualize.c - class visualization: options, one class or several, and what is freed. */
#include "explain/option_tables.h"
#include "explain/visualize/visualize_job.h"

#include <math.h>
#include <string.h>

static const char *const methods[] = {"robust", "plain", NULL}, *const parameterizations[] = {"pyramid", "fourier",
                                                                                              "pixels", NULL};
static const wk_option option_rows[] = {
    {.name = "method",
     WK_ROW_CHOICE(wk_visualize_options, method, methods),
     .old_choices = "best=robust lesson=plain",
     .placeholder = "METHOD",
     .help = "robust: recognisable pictures, by transformation robustness; plain: gradient descent from noise"},
    {.name = "target",
     WK_ROW_INT(wk_visualize_options, target),
     .min = 0,
     .max = INFINITY,
     .flags = WK_OPTION_NO_FLAG,
     .help = "class to visualise"},
    {.name = "steps",
     WK_ROW_INT(wk_visualize_options, steps),
     .min = 0,
     .max = INFINITY,
     .automatic = "256, or 1000 for plain",
     .placeholder = "N",
     .help = "optimisation steps"},
    {.name = "lr",
     WK_ROW_DOUBLE(wk_visualize_options, rate),
     .min = 0,
     .max = INFINITY,
     .automatic = "depends on the method",
     .placeholder = "RATE",
     .help = "learning rate"},
    {.name = "tv",
     WK_ROW_DOUBLE(wk_visualize_options, tv),
     .value = -1,
     .min = 0,
     .max = INFINITY,
     .automatic = "0.0004, or 0 for plain",
     .placeholder = "W",
     .help = "weight of the total variation"},
    {.name = "isotropic",
     WK_ROW_BOOL(wk_visualize_options, isotropic),
     .help = "isotropic total variation: the same in every direction"},
    {.name = "l2",
     WK_ROW_DOUBLE(wk_visualize_options, l2),
     .min = 0,
     .max = INFINITY,
     .placeholder = "W",
     .help = "L2 penalty on the distance from grey"},
    {.name = "blur",
     WK_ROW_DOUBLE(wk_visualize_options, blur),
     .min = 0,
     .max = INFINITY,
     .placeholder = "PIXELS",
     .help = "standard deviation of the Gaussian that smooths each gradient; 0: none"},
    {.name = "octaves",
     WK_ROW_INT(wk_visualize_options, octaves),
     .value = 3,
     .min = 1,
     .max = 6,
     .placeholder = "N",
     .help = "robust: stages from coarse to fine (1 with --from)"},
    {.name = "parameterization",
     WK_ROW_CHOICE(wk_visualize_options, parameterization, parameterizations),
     .old_names = "paint",
     .placeholder = "KIND",
     .help = "robust: what is optimised"},
    {.name = "views",
     WK_ROW_INT(wk_visualize_options, views),
     .value = 4,
     .min = 1,
     .max = 64,
     .placeholder = "N",
     .help = "robust: random crops in each step"},
    {.name = "jitter",
     WK_ROW_DOUBLE(wk_visualize_options, jitter),
     .value = 0.1,
     .min = 0,
     .max = 0.5,
     .placeholder = "SHARE",
     .help = "robust: shift crops by up to this share of a side"},
    {.name = "rotate",
     WK_ROW_DOUBLE(wk_visualize_options, turn),
     .value = 10,
     .min = 0,
     .max = 180,
     .old_names = "turn",
     .placeholder = "DEGREES",
     .help = "robust: rotate crops by up to this angle"},
    {.name = "zoom",
     WK_ROW_DOUBLE(wk_visualize_options, zoom),
     .value = 0.6,
     .min = 0,
     .max = 1,
     .flags = WK_OPTION_ABOVE_MIN,
     .placeholder = "SHARE",
     .help = "robust: crops show as little as this share of a side"},
    {.name = "coarse",
     WK_ROW_DOUBLE(wk_visualize_options, coarse),
     .value = 0.5,
     .min = 0,
     .max = 1,
     .placeholder = "SHARE",
     .help = "robust: share of the crops that are blurred, so that shapes count and not texture alone"},
    {.name = "target-probability",
     WK_ROW_DOUBLE(wk_visualize_options, target_probability),
     .value = 2,
     .min = 0,
     .max = 2,
     .old_names = "enough",
     .placeholder = "P",
     .help = "plain: stop at this probability; above 1: never"},
    {.name = "snapshots",
     WK_ROW_INT(wk_visualize_options, snapshots),
     .value = 8,
     .min = 0,
     .max = 1000,
     .flags = WK_OPTION_NO_FLAG,
     .help = "pictures on the way that are kept"},
    {.name = "even-snapshots",
     WK_ROW_BOOL(wk_visualize_options, even_snapshots),
     .flags = WK_OPTION_NO_FLAG,
     .help = "evenly in the step instead of in its logarithm"},
    {.name = "seed",
     WK_ROW_U64(wk_visualize_options, seed),
     .value = 42,
     .flags = WK_OPTION_NO_FLAG,
     .help = "seed of the first picture and of the crops"},
    {0}};
const wk_option_table wk_visualize_table = {"visualize_options", sizeof(wk_visualize_options), option_rows, NULL};
const wk_option_table *wk_visualize_options_table(void) { return &wk_visualize_table; }

void wk_visualize_options_init(wk_visualize_options *o) { wk_options_init(o, &wk_visualize_table); }

static wk_status check(const wk_visualize_options *o, int classes, wk_error *err) {
  if (o->target < 0 || o->target >= classes)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "class %d is not among the model's %d", o->target, classes);
  return wk_options_validate(o, &wk_visualize_table, err);
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
  j.result->snapshot_p = wk_calloc((size_t)o->snapshots + 1, sizeof *j.result->snapshot_p);
  j.score_gradient = wk_calloc((size_t)wk_diff_classifier_classes(classifier), sizeof *j.score_gradient);
  WK_FAIL_IF(!j.result->losses || !j.result->snapshots || !j.result->snapshot_step || !j.result->snapshot_p ||
                 !j.score_gradient,
             err, WK_ERR_MEMORY, "out of memory for a picture in %d steps", j.steps);
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
  wk_free(ideal->snapshot_p);
  wk_free(ideal->losses);
  wk_free(ideal);
}

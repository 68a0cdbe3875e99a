/* ideal.c - a picture of a class by descending from noise: options, progress, moments on the way, and the lesson's
 * plain recipe. The final probability is that of the 8-bit picture, as it will be saved. */
#include "look/ideal.h"

#include <math.h>
#include <string.h>

void wk_ideal_options_init(wk_ideal_options *o) {
  *o = (wk_ideal_options){.tv = -1,
                          .octaves = 3,
                          .views = 4,
                          .jitter = 0.1,
                          .turn = 10,
                          .zoom = 0.6,
                          .enough = 2,
                          .moments = 8,
                          .seed = 42};
}

static wk_status check(const wk_ideal_options *o, int classes, wk_error *err) {
  if (o->target < 0 || o->target >= classes)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "class %d is not among the model's %d", o->target, classes);
  if (o->steps < 0 || !(o->rate >= 0) || !(o->l2 >= 0) || !(o->blur >= 0) || !isfinite(o->tv))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "steps, rate, L2 and blur must not be negative");
  if ((unsigned)o->method > WK_IDEAL_LESSON || (unsigned)o->paint > WK_PAINT_PIXELS)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "there is no method number %d or canvas number %d", (int)o->method,
                   (int)o->paint);
  if (o->octaves < 1 || o->octaves > 6 || o->views < 1 || o->views > 64)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "1 to 6 octaves and 1 to 64 views are possible, not %d and %d", o->octaves,
                   o->views);
  if (!(o->jitter >= 0 && o->jitter <= 0.5) || !(o->turn >= 0 && o->turn <= 180) || !(o->zoom > 0 && o->zoom <= 1))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "jitter must be 0 to 0.5, turn 0 to 180 and zoom above 0, up to 1");
  if (o->moments < 0 || o->moments > 1000)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "0 to 1000 pictures on the way can be kept, not %d", o->moments);
  return WK_OK;
}

wk_status wk_ideal_picture(wk_image *out, const float *rgb, int height, int width, wk_error *err) {
  wk_image image;
  WK_RETURN_IF_ERROR(wk_image_alloc(&image, width, height, err));
  for (size_t i = 0; i < (size_t)width * (size_t)height * 3; i++)
    image.pixels[i] = (uint8_t)(fminf(fmaxf(rgb[i], 0), 1) * 255 + 0.5f);
  *out = image;
  return WK_OK;
}

/* Moment k of K lies at steps^((k + 1) / K), or at steps (k + 1) / K. */
static bool is_moment(const wk_ideal_job *j, int step) {
  int count = j->o->moments;
  for (int k = 0; k < count; k++) {
    double share = (k + 1.0) / count;
    if (step == (int)lround(j->o->even_moments ? j->steps * share : pow(j->steps, share)))
      return true;
  }
  return false;
}

wk_status wk_ideal_step_done(wk_ideal_job *j, int step, double loss, double p, const float *rgb, wk_error *err) {
  wk_ideal *out = j->ideal;
  if (!isfinite(loss))
    return WK_FAIL(err, WK_ERR_NUMERIC, "the picture left the range of numbers at step %d: try a smaller --lr", step);
  out->losses[step - 1] = loss;
  out->steps = step;
  if (j->tells) {
    snprintf(j->stage, sizeof j->stage, "ideal p %3.0f%%", 100 * p);
    j->progress->stage = j->stage;
  }
  wk_progress_add(j->progress, 1);
  if (wk_cancelled(j->ctx))
    return WK_FAIL(err, WK_ERR_CANCELLED, "stopped at step %d", step);
  if (!is_moment(j, step) || out->moment_count == j->o->moments)
    return WK_OK;
  WK_RETURN_IF_ERROR(wk_ideal_picture(&out->moments[out->moment_count], rgb, j->p->height, j->p->width, err));
  out->moment_step[out->moment_count++] = step;
  return WK_OK;
}

/* Normalised input, in the network's channel order, to RGB in 0..1. */
static void to_rgb(float *rgb, const float *input, const wk_preprocess *p, size_t n) {
  for (size_t i = 0; i < n; i += 3)
    for (size_t c = 0; c < 3; c++)
      rgb[i + (p->bgr ? 2 - c : c)] = (input[i + c] * p->std[c] + p->mean[c]) / 255;
}

/* The picture as it will be saved, and its probability. */
wk_status wk_ideal_judge(wk_ideal_job *j, const float *rgb, wk_error *err) {
  wk_image_free(&j->ideal->image);
  WK_RETURN_IF_ERROR(wk_ideal_picture(&j->ideal->image, rgb, j->p->height, j->p->width, err));
  float *input = wk_alloc_array(j->n, sizeof *input);
  if (!input)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a picture");
  wk_preprocess_normalise(input, j->ideal->image.pixels, j->p);
  wk_status st = wk_lens_forward(j->lens, input, 1, err);
  if (st == WK_OK)
    j->ideal->p = exp(-wk_lens_cross_entropy(NULL, wk_lens_scores(j->lens), wk_lens_classes(j->lens), j->o->target));
  wk_free(input);
  return st;
}

/* Noise as bright and as varied as photos are: for ImageNet's normalisation, deviation 1 around 0. */
static void noise(float *x, const wk_preprocess *p, size_t n, uint64_t seed) {
  wk_rng rng;
  wk_rng_init(&rng, seed, 0);
  for (size_t i = 0; i < n; i++) {
    float level = 0.45f * 255 + 0.225f * 255 * (float)wk_rng_normal(&rng);
    x[i] = (fminf(fmaxf(level, 0), 255) - p->mean[i % 3]) / p->std[i % 3];
  }
}

wk_status wk_ideal_lesson(wk_ideal_job *j, wk_error *err) {
  float *x = wk_alloc_array(3 * j->n, sizeof *x), rate = (float)(j->o->rate > 0 ? j->o->rate : 1);
  if (!x)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a picture");
  float *gradient = x + j->n, *rgb = gradient + j->n;
  double tv = j->o->tv > 0 ? j->o->tv : 0;
  float weight = tv > 0 ? 10 : 1; /* the lesson's two recipes */
  int classes = wk_lens_classes(j->lens);
  noise(x, j->p, j->n, j->o->seed);
  wk_status st = WK_OK;
  for (int step = 1; step <= j->steps && !(j->ideal->p >= j->o->enough); step++) {
    WK_TRY(wk_lens_forward(j->lens, x, 1, err));
    double ce = wk_lens_cross_entropy(j->score_gradient, wk_lens_scores(j->lens), classes, j->o->target);
    for (int k = 0; k < classes; k++)
      j->score_gradient[k] *= weight;
    WK_TRY(wk_lens_backward(j->lens, j->score_gradient, err));
    memcpy(gradient, wk_lens_input_gradient(j->lens), j->n * sizeof *gradient);
    if (j->o->blur > 0)
      wk_ideal_blur(gradient, rgb, j->p->height, j->p->width, j->o->blur);
    double loss = (double)weight * ce + wk_ideal_smooth(gradient, x, j->p->height, j->p->width, j->o, tv, 0);
    for (size_t i = 0; i < j->n; i++)
      x[i] -= rate * gradient[i];
    to_rgb(rgb, x, j->p, j->n);
    WK_TRY(wk_ideal_step_done(j, step, loss, exp(-ce), rgb, err));
    /* What counts is the picture in 8 bits: its values end at black and white, the input's do not. */
    if (exp(-ce) >= j->o->enough || step == j->steps)
      WK_TRY(wk_ideal_judge(j, rgb, err));
  }
done:
  wk_free(x);
  return st;
}

static int steps_of(const wk_ideal_options *o) { return o->steps > 0 ? o->steps : o->method ? 1000 : 256; }

/* One class, with a progress that is open already. */
static wk_status make(wk_ideal **out, wk_lens *lens, const wk_preprocess *p, const wk_ideal_options *o,
                      const wk_context *ctx, wk_progress *progress, bool tells, wk_error *err) {
  bool lesson = o->method == WK_IDEAL_LESSON;
  wk_ideal_job j = {.lens = lens, .p = p, .o = o, .ctx = ctx, .progress = progress, .tells = tells};
  j.n = (size_t)p->width * (size_t)p->height * 3;
  j.steps = steps_of(o);
  wk_status st;
  j.ideal = wk_calloc(1, sizeof *j.ideal);
  WK_FAIL_IF(!j.ideal, err, WK_ERR_MEMORY, "out of memory for a picture");
  j.ideal->losses = wk_calloc((size_t)j.steps, sizeof *j.ideal->losses);
  j.ideal->moments = wk_calloc((size_t)o->moments + 1, sizeof *j.ideal->moments);
  j.ideal->moment_step = wk_calloc((size_t)o->moments + 1, sizeof *j.ideal->moment_step);
  j.score_gradient = wk_calloc((size_t)wk_lens_classes(lens), sizeof *j.score_gradient);
  WK_FAIL_IF(!j.ideal->losses || !j.ideal->moments || !j.ideal->moment_step || !j.score_gradient, err, WK_ERR_MEMORY,
             "out of memory for a picture in %d steps", j.steps);
  WK_TRY(lesson ? wk_ideal_lesson(&j, err) : wk_ideal_best(&j, err));
  *out = j.ideal;
  j.ideal = NULL;
done:
  progress->stage = "ideal"; /* j ends here */
  wk_free(j.score_gradient);
  wk_ideal_free(j.ideal);
  return st;
}

wk_status wk_ideal_make(wk_ideal **out, wk_lens *lens, const wk_preprocess *p, const wk_ideal_options *o,
                        const wk_context *ctx, wk_error *err) {
  WK_RETURN_IF_ERROR(check(o, wk_lens_classes(lens), err));
  wk_progress progress = {0};
  wk_status st = wk_progress_begin(&progress, ctx, "ideal", (uint64_t)steps_of(o), err);
  if (st == WK_OK)
    st = make(out, lens, p, o, ctx, &progress, true, err);
  wk_progress_end(&progress);
  return st;
}

/* ---- several classes --------------------------------------------------------------------------- */

typedef struct several {
  wk_ideal **out;
  wk_lens *base, **lens; /* one a worker; the first is the caller's */
  const wk_preprocess *p;
  const wk_ideal_options *o;
  const int *target;
  wk_context alone; /* for one class: a single thread, and no progress of its own */
  wk_progress progress;
} several;

static wk_status one_of_several(void *user, size_t index, int worker, wk_error *err) {
  several *s = user;
  if (!s->lens[worker])
    WK_RETURN_IF_ERROR(wk_lens_share(&s->lens[worker], s->base, err));
  wk_ideal_options o = *s->o;
  o.target = s->target[index];
  return make(&s->out[index], s->lens[worker], s->p, &o, &s->alone, &s->progress, false, err);
}

wk_status wk_ideal_make_several(wk_ideal **out, wk_lens *lens, const wk_preprocess *p, const wk_ideal_options *o,
                                const int *target, int count, const wk_context *ctx, wk_error *err) {
  int threads = wk_context_threads(ctx);
  several s = {.base = lens, .p = p, .o = o, .target = target};
  if (ctx)
    s.alone = *ctx;
  else
    wk_context_init(&s.alone);
  s.alone.threads = 1;
  for (int i = 0; i < count; i++) {
    wk_ideal_options one = *o;
    one.target = target[i];
    WK_RETURN_IF_ERROR(check(&one, wk_lens_classes(lens), err));
  }
  wk_status st;
  s.out = wk_calloc((size_t)count + 1, sizeof(wk_ideal *));
  s.lens = wk_calloc((size_t)threads, sizeof(wk_lens *));
  WK_FAIL_IF(!s.out || !s.lens, err, WK_ERR_MEMORY, "out of memory for %d pictures", count);
  s.lens[0] = lens;
  WK_TRY(wk_progress_begin(&s.progress, ctx, "ideal", (uint64_t)steps_of(o) * (uint64_t)count, err));
  WK_TRY(wk_parallel(ctx, threads, (size_t)count, one_of_several, &s, err));
  memcpy(out, s.out, (size_t)count * sizeof(wk_ideal *));
done:
  wk_progress_end(&s.progress);
  for (int i = 0; st != WK_OK && s.out && i < count; i++)
    wk_ideal_free(s.out[i]);
  for (int i = 1; s.lens && i < threads; i++)
    wk_lens_free(s.lens[i]);
  wk_free(s.out);
  wk_free(s.lens);
  return st;
}

void wk_ideal_free(wk_ideal *ideal) {
  if (!ideal)
    return;
  for (int i = 0; i < ideal->moment_count; i++)
    wk_image_free(&ideal->moments[i]);
  wk_image_free(&ideal->image);
  wk_free(ideal->moments);
  wk_free(ideal->moment_step);
  wk_free(ideal->losses);
  wk_free(ideal);
}

/* ideal.c - a picture of a class by descending from noise: options, progress, moments on the way, and the lesson's
 * plain recipe. The final probability is that of the 8-bit picture, as it will be saved. */
#include "look/ideal.h"

#include <math.h>
#include <string.h>

enum { MOMENTS = 8 };

void wk_ideal_options_init(wk_ideal_options *o) { *o = (wk_ideal_options){.tv = -1, .enough = 2, .seed = 42}; }

double wk_total_variation(float *gradient, const float *x, int height, int width, double weight) {
  double sum = 0;
  size_t row = (size_t)width * 3;
  for (int y = 0; y < height; y++)
    for (size_t i = 0; i < row; i++) {
      size_t at = (size_t)y * row + i;
      for (int way = 0; way < 2; way++) {
        size_t next = at + (way ? row : 3);
        if (way ? y + 1 >= height : i + 3 >= row)
          continue;
        float d = x[next] - x[at];
        sum += fabs((double)d);
        if (gradient && d != 0) {
          float g = d > 0 ? (float)weight : -(float)weight;
          gradient[next] += g;
          gradient[at] -= g;
        }
      }
    }
  return weight * sum;
}

wk_status wk_ideal_picture(wk_image *out, const float *rgb, int height, int width, wk_error *err) {
  wk_image image;
  WK_RETURN_IF_ERROR(wk_image_alloc(&image, width, height, err));
  for (size_t i = 0; i < (size_t)width * (size_t)height * 3; i++)
    image.pixels[i] = (uint8_t)(fminf(fmaxf(rgb[i], 0), 1) * 255 + 0.5f);
  *out = image;
  return WK_OK;
}

/* Moment k of K lies at steps^((k + 1) / K). */
static bool is_moment(const wk_ideal_job *j, int step) {
  for (int k = 0; k < MOMENTS; k++)
    if (step == (int)lround(pow(j->steps, (k + 1.0) / MOMENTS)))
      return true;
  return false;
}

wk_status wk_ideal_step_done(wk_ideal_job *j, int step, double loss, const float *rgb, wk_error *err) {
  wk_ideal *out = j->ideal;
  if (!isfinite(loss))
    return WK_FAIL(err, WK_ERR_NUMERIC, "the picture left the range of numbers at step %d: try a smaller --rate", step);
  out->losses[step - 1] = loss;
  out->steps = step;
  wk_progress_add(&j->progress, 1);
  if (wk_cancelled(j->ctx))
    return WK_FAIL(err, WK_ERR_CANCELLED, "stopped at step %d", step);
  if (!is_moment(j, step) || out->moment_count == MOMENTS)
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
  float weight = tv > 0 ? 10 : 1;
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
    double loss = (double)weight * ce + (tv > 0 ? wk_total_variation(gradient, x, j->p->height, j->p->width, tv) : 0);
    for (size_t i = 0; i < j->n; i++)
      x[i] -= rate * gradient[i];
    to_rgb(rgb, x, j->p, j->n);
    WK_TRY(wk_ideal_step_done(j, step, loss, rgb, err));
    /* What counts is the picture in 8 bits: its values end at black and white, the input's do not. */
    if (exp(-ce) >= j->o->enough || step == j->steps)
      WK_TRY(wk_ideal_judge(j, rgb, err));
  }
done:
  wk_free(x);
  return st;
}

wk_status wk_ideal_make(wk_ideal **out, wk_lens *lens, const wk_preprocess *p, const wk_ideal_options *o,
                        const wk_context *ctx, wk_error *err) {
  bool lesson = o->method == WK_IDEAL_LESSON;
  wk_ideal_job j = {.lens = lens, .p = p, .o = o, .ctx = ctx, .n = (size_t)p->width * (size_t)p->height * 3};
  j.steps = o->steps > 0 ? o->steps : lesson ? 1000 : 512;
  if (o->target < 0 || o->target >= wk_lens_classes(lens))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "class %d is not among the model's %d", o->target, wk_lens_classes(lens));
  if (o->steps < 0 || o->rate < 0)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "steps and rate must not be negative");
  wk_status st;
  j.ideal = wk_calloc(1, sizeof *j.ideal);
  WK_FAIL_IF(!j.ideal, err, WK_ERR_MEMORY, "out of memory for a picture");
  j.ideal->losses = wk_calloc((size_t)j.steps, sizeof *j.ideal->losses);
  j.ideal->moments = wk_calloc(MOMENTS, sizeof *j.ideal->moments);
  j.ideal->moment_step = wk_calloc(MOMENTS, sizeof *j.ideal->moment_step);
  j.score_gradient = wk_calloc((size_t)wk_lens_classes(lens), sizeof *j.score_gradient);
  WK_FAIL_IF(!j.ideal->losses || !j.ideal->moments || !j.ideal->moment_step || !j.score_gradient, err, WK_ERR_MEMORY,
             "out of memory for a picture in %d steps", j.steps);
  WK_TRY(wk_progress_begin(&j.progress, ctx, "ideal", (uint64_t)j.steps, err));
  WK_TRY(lesson ? wk_ideal_lesson(&j, err) : wk_ideal_best(&j, err));
  *out = j.ideal;
  j.ideal = NULL;
done:
  wk_progress_end(&j.progress);
  wk_free(j.score_gradient);
  wk_ideal_free(j.ideal);
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

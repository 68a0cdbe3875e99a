/* visualize_plain.c - class visualization by plain gradient descent on the normalised input, from noise. Such a
 * descent swings: the best of its pictures is kept, wherever it stood. */
#include <math.h>
#include <string.h>

#include "explain/visualize/visualize_job.h"

/* Normalised input, in the network's channel order, to RGB in 0..1. */
static void to_rgb(float *rgb, const float *input, const wk_preprocess *p, size_t n) {
  for (size_t i = 0; i < n; i += 3)
    for (size_t c = 0; c < 3; c++)
      rgb[i + (p->bgr ? 2 - c : c)] = (input[i + c] * p->std[c] + p->mean[c]) / 255;
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

wk_status wk_visualize_plain(wk_visualize_job *j, wk_error *err) {
  float *x = wk_alloc_array(3 * j->n, sizeof *x), rate = (float)(j->o->rate > 0 ? j->o->rate : 1);
  if (!x)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a picture");
  float *gradient = x + j->n, *rgb = gradient + j->n;
  double tv = j->o->tv > 0 ? j->o->tv : 0;
  float weight = tv > 0 ? 10 : 1; /* the lesson's two recipes */
  int classes = wk_diff_classifier_classes(j->classifier);
  noise(x, j->p, j->n, j->o->seed);
  wk_status st = WK_OK;
  bool enough = false;
  for (int step = 1; step <= j->steps && !enough; step++) {
    WK_TRY(wk_diff_classifier_forward(j->classifier, x, 1, err));
    double ce = wk_diff_classifier_cross_entropy(j->score_gradient, wk_diff_classifier_scores(j->classifier), classes,
                                                 j->o->target);
    for (int k = 0; k < classes; k++)
      j->score_gradient[k] *= weight;
    WK_TRY(wk_diff_classifier_backward(j->classifier, j->score_gradient, err));
    memcpy(gradient, wk_diff_classifier_input_gradient(j->classifier), j->n * sizeof *gradient);
    /* The picture of the step before may be the best so far. What counts is the one in 8 bits: its values end at black
     * and white, the input's do not. */
    if (step > 1 && exp(-ce) > j->result->p) {
      WK_TRY(wk_visualize_judge(j, step - 1, rgb, err));
      enough = j->result->p >= j->o->target_probability;
    }
    if (enough)
      break;
    if (j->o->blur > 0)
      wk_visualize_blur(gradient, rgb, j->p->height, j->p->width, j->o->blur);
    double loss = (double)weight * ce + wk_visualize_smooth(gradient, x, j->p->height, j->p->width, j->o, tv, 0);
    for (size_t i = 0; i < j->n; i++)
      x[i] -= rate * gradient[i];
    to_rgb(rgb, x, j->p, j->n);
    WK_TRY(wk_visualize_step_done(j, step, loss, exp(-ce), rgb, err));
    if (step == j->steps)
      WK_TRY(wk_visualize_judge(j, step, rgb, err));
  }
done:
  wk_free(x);
  return st;
}

/* visualize_job.h (internal) - what the two methods of class visualization share. */
#ifndef WK_VISUALIZE_JOB_H
#define WK_VISUALIZE_JOB_H

#include "explain/classifier_pool.h"
#include "whisker/visualize.h"

typedef struct wk_visualize_job {
  wk_diff_classifier *classifier;
  const wk_preprocess *p;
  const wk_visualize_options *o;
  const wk_context *ctx;
  wk_visualization *result;
  wk_progress *progress;
  char stage[32];        /* of progress: with the probability, where there is only one class */
  bool tells;            /* `stage` may change */
  float *score_gradient; /* [classes] */
  size_t n;              /* values of the input */
  int steps;
} wk_visualize_job;

/* RGB in 0..1, clipped, as a picture. */
wk_status wk_visualize_picture(wk_image *out, const float *rgb, int height, int width, wk_error *err);
/* Adds what the options say about smoothness to the gradient of `x` [height, width, 3]; returns its part of the loss.
 * `tv` is the method's own weight, `middle` where the squares are smallest. */
double wk_visualize_smooth(float *gradient, const float *x, int height, int width, const wk_visualize_options *o,
                           double tv, float middle);
/* Smooths `x` in place with a Gaussian; edges are repeated. `work`: as large. */
void wk_visualize_blur(float *x, float *work, int height, int width, double deviation);
/* Keeps step number `step`'s picture if it is one of the moments, its loss, and reports. */
wk_status wk_visualize_step_done(wk_visualize_job *j, int step, double loss, double p, const float *rgb, wk_error *err);
/* Makes the picture as it will be saved, after step number `step`, the result, unless its probability is below that of
 * the one before. */
wk_status wk_visualize_judge(wk_visualize_job *j, int step, const float *rgb, wk_error *err);
wk_status wk_visualize_plain(wk_visualize_job *j, wk_error *err);
wk_status wk_visualize_robust(wk_visualize_job *j, wk_error *err);

#endif

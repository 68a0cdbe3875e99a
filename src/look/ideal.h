/* ideal.h (internal) - what the two ways to an ideal picture share. */
#ifndef WK_LOOK_IDEAL_H
#define WK_LOOK_IDEAL_H

#include "base/base.h"
#include "whisker/look.h"

typedef struct wk_ideal_job {
  wk_lens *lens;
  const wk_preprocess *p;
  const wk_ideal_options *o;
  const wk_context *ctx;
  wk_ideal *ideal;
  wk_progress *progress;
  char stage[32];        /* of progress: with the probability, where there is only one class */
  bool tells;            /* `stage` may change */
  float *score_gradient; /* [classes] */
  size_t n;              /* values of the input */
  int steps;
} wk_ideal_job;

/* RGB in 0..1, clipped, as a picture. */
wk_status wk_ideal_picture(wk_image *out, const float *rgb, int height, int width, wk_error *err);
/* Adds what the options say about smoothness to the gradient of `x` [height, width, 3]; returns its part of the loss.
 * `tv` is the method's own weight, `middle` where the squares are smallest. */
double wk_ideal_smooth(float *gradient, const float *x, int height, int width, const wk_ideal_options *o, double tv,
                       float middle);
/* Smooths `x` in place with a Gaussian; edges are repeated. `work`: as large. */
void wk_ideal_blur(float *x, float *work, int height, int width, double deviation);
/* Keeps step number `step`'s picture if it is one of the moments, its loss, and reports. */
wk_status wk_ideal_step_done(wk_ideal_job *j, int step, double loss, double p, const float *rgb, wk_error *err);
/* Makes the picture as it will be saved the result, with its probability. */
wk_status wk_ideal_judge(wk_ideal_job *j, const float *rgb, wk_error *err);
wk_status wk_ideal_lesson(wk_ideal_job *j, wk_error *err);
wk_status wk_ideal_best(wk_ideal_job *j, wk_error *err);

#endif

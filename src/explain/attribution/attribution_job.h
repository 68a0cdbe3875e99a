/* attribution_job.h (internal) - what the ways to an attribution share. */
#ifndef WK_ATTRIBUTION_JOB_H
#define WK_ATTRIBUTION_JOB_H

#include "explain/classifier_pool.h"
#include "whisker/attribution.h"

typedef struct wk_attribution_job {
  const wk_model *model;
  const float *input;
  const wk_attribution_options *o;
  const wk_context *ctx;
  wk_attribution *cam;
  int height, width;     /* of the input */
  size_t n;              /* values of the input */
  wk_progress *progress; /* gradients or predictions */
} wk_attribution_job;

/* The class's score and probability from a classifier that has seen the photo. */
void wk_attribution_note_score(wk_attribution_job *j, const wk_diff_classifier *classifier);
/* d score / d everything, for the one photo that the classifier has just seen. */
wk_status wk_attribution_backward(wk_diff_classifier *classifier, int target, wk_error *err);
wk_status wk_attribution_from_gradients(wk_attribution_job *j, wk_error *err); /* GRADCAM, GRADCAM_PP, HIRESCAM */
wk_status wk_attribution_from_pixels(wk_attribution_job *j, wk_error *err);    /* GRADINPUT, SMOOTHGRAD, IG */
wk_status wk_attribution_from_score_cam(wk_attribution_job *j, wk_error *err);

#endif

/* cam.h (internal) - what the ways to a map of evidence share: lenses for every worker, and sums of gradients. */
#ifndef WK_LOOK_CAM_H
#define WK_LOOK_CAM_H

#include "base/base.h"
#include "whisker/look_cam.h"

/* One lens a worker; they share packed weights. */
typedef struct wk_team {
  wk_lens **lens;
  int workers;
} wk_team;

wk_status wk_team_create(wk_team *out, const wk_model *m, const wk_lens_options *o, int workers, wk_error *err);
void wk_team_free(wk_team *t);

typedef struct wk_cam_job {
  const wk_model *model;
  const float *input;
  const wk_cam_options *o;
  const wk_context *ctx;
  wk_cam *cam;
  int height, width;     /* of the input */
  size_t n;              /* values of the input */
  wk_progress *progress; /* gradients or predictions */
} wk_cam_job;

/* The class's score and probability from a lens that has seen the photo. */
void wk_cam_note_score(wk_cam_job *j, const wk_lens *lens);
/* d score / d everything, for the one photo that the lens has just seen. */
wk_status wk_cam_backward(wk_lens *lens, int target, wk_error *err);
wk_status wk_cam_pixels(wk_cam_job *j, wk_error *err);    /* GRADINPUT, SMOOTHGRAD, IG */
wk_status wk_cam_scorecam(wk_cam_job *j, wk_error *err);

#endif

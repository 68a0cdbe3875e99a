/* visualize_job.c - what both methods of class visualization do at a step: keep its picture and its loss, report,
 * judge. */
#include "explain/visualize/visualize_job.h"

#include <math.h>
#include <stdio.h>

wk_status wk_visualize_picture(wk_image *out, const float *rgb, int height, int width, wk_error *err) {
  wk_image image;
  WK_RETURN_IF_ERROR(wk_image_alloc(&image, width, height, err));
  for (size_t i = 0; i < (size_t)width * (size_t)height * 3; i++)
    image.pixels[i] = (uint8_t)(fminf(fmaxf(rgb[i], 0), 1) * 255 + 0.5f);
  *out = image;
  return WK_OK;
}

/* Moment k of K lies at steps^((k + 1) / K), or at steps (k + 1) / K. */
static bool is_moment(const wk_visualize_job *j, int step) {
  int count = j->o->snapshots;
  for (int k = 0; k < count; k++) {
    double share = (k + 1.0) / count;
    if (step == (int)lround(j->o->even_snapshots ? j->steps * share : pow(j->steps, share)))
      return true;
  }
  return false;
}

wk_status wk_visualize_step_done(wk_visualize_job *j, int step, double loss, double p, const float *rgb,
                                 wk_error *err) {
  wk_visualization *out = j->result;
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
  if (!is_moment(j, step) || out->snapshot_count == j->o->snapshots)
    return WK_OK;
  WK_RETURN_IF_ERROR(wk_visualize_picture(&out->snapshots[out->snapshot_count], rgb, j->p->height, j->p->width, err));
  out->snapshot_p[out->snapshot_count] = p;
  out->snapshot_step[out->snapshot_count++] = step;
  return WK_OK;
}

wk_status wk_visualize_judge(wk_visualize_job *j, int step, const float *rgb, wk_error *err) {
  wk_status st = WK_OK;
  wk_visualization *r = j->result;
  wk_image picture = {0};
  float *input = wk_alloc_array(j->n, sizeof *input);
  WK_FAIL_IF(!input, err, WK_ERR_MEMORY, "out of memory for a picture");
  WK_TRY(wk_visualize_picture(&picture, rgb, j->p->height, j->p->width, err));
  wk_preprocess_normalise(input, picture.pixels, j->p);
  WK_TRY(wk_diff_classifier_forward(j->classifier, input, 1, err));
  const double p = exp(-wk_diff_classifier_cross_entropy(NULL, wk_diff_classifier_scores(j->classifier),
                                                         wk_diff_classifier_classes(j->classifier), j->o->target));
  if (r->image.pixels && !(p > r->p))
    goto done;
  wk_image_free(&r->image);
  r->image = picture;
  picture = (wk_image){0};
  r->p = p;
  r->step = step;
done:
  wk_image_free(&picture);
  wk_free(input);
  return st;
}

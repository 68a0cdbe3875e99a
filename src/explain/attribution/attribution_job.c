/* attribution_job.c - what the ways to an attribution share: the class's score, and its gradient. */
#include "explain/attribution/attribution_job.h"

#include <math.h>

void wk_attribution_note_score(wk_attribution_job *j, const wk_diff_classifier *classifier) {
  const float *scores = wk_diff_classifier_scores(classifier);
  j->cam->score = (double)scores[j->o->target];
  j->cam->p =
      exp(-wk_diff_classifier_cross_entropy(NULL, scores, wk_diff_classifier_classes(classifier), j->o->target));
}

wk_status wk_attribution_backward(wk_diff_classifier *classifier, int target, wk_error *err) {
  float *one = wk_calloc((size_t)wk_diff_classifier_classes(classifier), sizeof *one);
  if (!one)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory");
  one[target] = 1;
  wk_status st = wk_diff_classifier_backward(classifier, one, err);
  wk_free(one);
  return st;
}

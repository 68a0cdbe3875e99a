/* attack_state.h (internal) - the state that all methods share: a picture in float grey levels, what it is compared
 * with, and the model's opinion of it. */
#ifndef WK_ATTACK_STATE_H
#define WK_ATTACK_STATE_H

#include "base/base.h"
#include "whisker/attack.h"

typedef struct wk_attack_state {
  wk_diff_classifier *classifier;
  const wk_preprocess *p;
  const wk_attack_options *o;
  const float *photo; /* [n] the picture attacked */
  int width, height;  /* of the picture attacked */
  bool whole;         /* it is a whole photo, which the model sees through resizing and cropping */
  size_t n;           /* values: height * width * 3 */
  int classes, target, avoid;
  float *x;              /* [n] where the method is now, any value in 0..255 */
  float *seen;           /* [n] what the model is shown: x, in whole levels if asked for */
  float *input;          /* [p->height, p->width, 3] what the network is given: normalised */
  float *back;           /* the same size, for a whole photo: d loss / d pixel of what the network sees */
  uint8_t *bytes;        /* [n] for a whole photo: `seen` as it will be saved */
  float *gradient;       /* [n] d loss / d pixel value of `seen` */
  float *score_gradient; /* [classes] */
  float *best;           /* [n] the best `seen` so far */
  double best_margin;    /* probability margin of `best` */
  bool best_success;
  double best_l2; /* its distance, for methods that look for the smallest */
  bool smallest;  /* among successes the nearest is best, not the surest */
  int steps;
} wk_attack_state;

/* Shows the model the picture h->x. *done: sure enough to stop. Keeps the best. */
wk_status wk_attack_evaluate(wk_attack_state *h, bool *done, wk_error *err);
/* The gradient of the loss (cross-entropy towards the target, or away from `avoid`) of what was last looked at. */
wk_status wk_attack_gradient(wk_attack_state *h, wk_error *err);
/* The gradient of any combination of scores, set in h->score_gradient. */
wk_status wk_attack_backward(wk_attack_state *h, wk_error *err);
bool wk_attack_reached(const wk_attack_state *h, const float *scores);
double wk_attack_distance(const float *a, const float *b, size_t n); /* L2 */

wk_status wk_attack_pgd(wk_attack_state *h, uint64_t seed, uint64_t stream, wk_error *err); /* PGD, FGSM, L2 */
wk_status wk_attack_plain(wk_attack_state *h, wk_error *err);
wk_status wk_attack_patch(wk_attack_state *h, wk_error *err);
wk_status wk_attack_deepfool(wk_attack_state *h, wk_error *err);
wk_status wk_attack_cw(wk_attack_state *h, wk_error *err);

#endif

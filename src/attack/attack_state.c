/* attack_state.c - showing the model a picture, and the gradient back to the picture's grey levels. A picture that must
 * end in 8 bits is rounded before the model sees it, so a success can never be lost by saving: gradients pass the
 * rounding as if it were not there. */
#include <math.h>
#include <string.h>

#include "attack/attack_state.h"
#include "base/softmax.h"

static void normalise(float *out, const float *pixels, const wk_preprocess *p, size_t n) {
  float scale[3], shift[3];
  for (int c = 0; c < 3; c++) {
    scale[c] = 1 / p->std[c];
    shift[c] = -p->mean[c] / p->std[c];
  }
  for (size_t i = 0; i < n; i += 3)
    for (int c = 0; c < 3; c++)
      out[i + (size_t)c] = pixels[i + (size_t)(p->bgr ? 2 - c : c)] * scale[c] + shift[c];
}

/* Whole levels that keep the bound: the nearest whole number that lies inside it. The photo itself is whole. */
static float whole_level(float x, float photo, double eps) {
  float r = rintf(x), most = (float)floor(eps + 1e-6);
  r = fminf(fmaxf(r, photo - most), photo + most);
  return fminf(fmaxf(r, 0), 255);
}

static void round_picture(wk_attack_state *h) {
  bool boxed = h->o->method == WK_ATTACK_PGD || h->o->method == WK_ATTACK_FGSM;
  for (size_t i = 0; i < h->n; i++)
    h->seen[i] = h->o->whole_levels ? whole_level(h->x[i], h->photo[i], boxed ? h->o->eps_255 : 255) : h->x[i];
  if (h->o->method != WK_ATTACK_L2 || !h->o->whole_levels)
    return;
  /* Rounding may push a picture out of the L2 ball: the change is shrunk until it is inside. */
  double bound = h->o->eps_255 * sqrt((double)h->n);
  for (float shrink = 0.98f; shrink > 0.01f && wk_attack_distance(h->seen, h->photo, h->n) > bound; shrink *= 0.98f)
    for (size_t i = 0; i < h->n; i++)
      h->seen[i] = whole_level(h->photo[i] + (h->x[i] - h->photo[i]) * shrink, h->photo[i], 255);
}

double wk_attack_distance(const float *a, const float *b, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) {
    double d = (double)a[i] - (double)b[i];
    sum += d * d;
  }
  return sqrt(sum);
}

bool wk_attack_reached(const wk_attack_state *h, const float *scores) {
  int top = wk_best_class(scores, h->classes, -1);
  return h->target >= 0 ? top == h->target : top != h->avoid;
}

/* What the network is given for `seen`. A whole photo goes the way that its file will go. */
static wk_status make_input(wk_attack_state *h, wk_error *err) {
  if (!h->whole) {
    normalise(h->input, h->seen, h->p, h->n);
    return WK_OK;
  }
  for (size_t i = 0; i < h->n; i++)
    h->bytes[i] = (uint8_t)h->seen[i];
  wk_image photo = {h->width, h->height, h->bytes}, crop;
  WK_RETURN_IF_ERROR(wk_preprocess_pixels(&crop, &photo, h->p, err));
  wk_preprocess_normalise(h->input, crop.pixels, h->p);
  wk_image_free(&crop);
  return WK_OK;
}

wk_status wk_attack_evaluate(wk_attack_state *h, bool *done, wk_error *err) {
  round_picture(h);
  WK_RETURN_IF_ERROR(make_input(h, err));
  WK_RETURN_IF_ERROR(wk_diff_classifier_forward(h->classifier, h->input, 1, err));
  const float *scores = wk_diff_classifier_scores(h->classifier);
  int wanted = h->target >= 0 ? h->target : h->avoid;
  double p = exp(-wk_diff_classifier_cross_entropy(NULL, scores, h->classes, wanted));
  if (!isfinite(p))
    return WK_FAIL(err, WK_ERR_NUMERIC, "the model's scores are not numbers for this picture");
  double margin = h->target >= 0 ? p : 1 - p;
  bool reached = wk_attack_reached(h, scores);
  double l2 = wk_attack_distance(h->seen, h->photo, h->n);
  bool better = reached != h->best_success ? reached
                : reached && h->smallest   ? l2 < h->best_l2
                                           : margin > h->best_margin;
  if (better || h->best_margin < 0) {
    memcpy(h->best, h->seen, h->n * sizeof *h->best);
    h->best_success = reached;
    h->best_margin = margin;
    h->best_l2 = l2;
  }
  *done = reached && margin >= h->o->confidence;
  return WK_OK;
}

wk_status wk_attack_backward(wk_attack_state *h, wk_error *err) {
  WK_RETURN_IF_ERROR(wk_diff_classifier_backward(h->classifier, h->score_gradient, err));
  const float *d = wk_diff_classifier_input_gradient(h->classifier);
  float *out = h->whole ? h->back : h->gradient;
  size_t n = (size_t)h->p->width * (size_t)h->p->height * 3;
  for (size_t i = 0; i < n; i += 3)
    for (size_t c = 0; c < 3; c++)
      out[i + (h->p->bgr ? 2 - c : c)] = d[i + c] / h->p->std[c];
  h->steps++;
  return h->whole ? wk_preprocess_back(h->gradient, h->back, h->width, h->height, h->p, err) : WK_OK;
}

wk_status wk_attack_gradient(wk_attack_state *h, wk_error *err) {
  const float *scores = wk_diff_classifier_scores(h->classifier);
  wk_diff_classifier_cross_entropy(h->score_gradient, scores, h->classes, h->target >= 0 ? h->target : h->avoid);
  for (int i = 0; h->target < 0 && i < h->classes; i++)
    h->score_gradient[i] = -h->score_gradient[i];
  return wk_attack_backward(h, err);
}

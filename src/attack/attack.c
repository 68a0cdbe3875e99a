/* attack.c - one attack from options to result; see attack.h. */

#include <math.h>
#include <string.h>

#include "attack/attack_state.h"

void wk_attack_options_init(wk_attack_options *o) {
  *o = (wk_attack_options){
      .target = -1, .avoid = -1, .eps_255 = 2, .patch = 32, .confidence = 0.9, .whole_levels = true};
}

wk_status wk_attack_options_validate(const wk_attack_options *o, int classes, wk_error *err) {
  bool bounded = o->method == WK_ATTACK_PGD || o->method == WK_ATTACK_FGSM || o->method == WK_ATTACK_L2;
  if ((unsigned)o->method > WK_ATTACK_PATCH)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "there is no attack method number %d", (int)o->method);
  if (o->target >= classes || o->avoid >= classes)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "class %d of an attack is not among the model's %d",
                   o->target >= classes ? o->target : o->avoid, classes);
  if (bounded && !(o->eps_255 > 0 && o->eps_255 <= 255))
    return WK_FAIL(err, WK_ERR_ARGUMENT,
                   "a bound of %g grey levels leaves nothing to change; give one above 0, up to 255", o->eps_255);
  if (bounded && o->method != WK_ATTACK_L2 && o->whole_levels && o->eps_255 < 1)
    return WK_FAIL(err, WK_ERR_ARGUMENT,
                   "a bound of %g grey levels is lost when the photo is saved in 8 bits; give at least 1", o->eps_255);
  if (o->steps < 0 || o->restarts < 0 || !(o->step >= 0) || !(o->momentum >= 0 && o->momentum < 1) || o->patch < 1)
    return WK_FAIL(err, WK_ERR_ARGUMENT,
                   "steps, restarts, step size, momentum (below 1) and patch must not be negative");
  if (o->width < 0 || o->height < 0 || !o->width != !o->height || (o->width && !o->whole_levels))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a whole photo needs both of its sides, and is changed in whole grey levels");
  if (!(o->confidence > 0 && o->confidence <= 1))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a confidence of %g cannot be reached; give one above 0, up to 1",
                   o->confidence);
  return WK_OK;
}

void wk_attack_result_free(wk_attack_result *r) {
  wk_free(r->pixels);
  *r = (wk_attack_result){0};
}

static void hunt_free(wk_attack_state *h) {
  wk_free(h->x);
  wk_free(h->input);
  wk_free(h->bytes);
  wk_free(h->score_gradient);
  wk_free(h->best);
}

static wk_status hunt_alloc(wk_attack_state *h, wk_error *err) {
  size_t input = (size_t)h->p->width * (size_t)h->p->height * 3;
  h->x = wk_alloc_array(3 * h->n, sizeof *h->x);
  h->input = wk_alloc_array(2 * input, sizeof *h->input);
  h->bytes = wk_alloc(h->whole ? h->n : 1);
  h->score_gradient = wk_calloc((size_t)h->classes, sizeof *h->score_gradient);
  h->best = wk_alloc_array(h->n, sizeof *h->best);
  if (!h->x || !h->input || !h->bytes || !h->score_gradient || !h->best)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for an attack on a picture of %d x %d", h->width, h->height);
  h->seen = h->x + h->n;
  h->gradient = h->seen + h->n;
  h->back = h->input + input;
  memcpy(h->x, h->photo, h->n * sizeof *h->x);
  return WK_OK;
}

/* What the model makes of one picture: the best class, and its probability and that of `asked` (-1: of the best). */
static wk_status opinion(wk_attack_state *h, const float *pixels, int *top, float *p, int asked, float *p_asked,
                         wk_error *err) {
  bool done;
  memcpy(h->x, pixels, h->n * sizeof *h->x);
  WK_RETURN_IF_ERROR(wk_attack_evaluate(h, &done, err));
  const float *scores = wk_diff_classifier_scores(h->classifier);
  *top = 0;
  for (int i = 1; i < h->classes; i++)
    *top = scores[i] > scores[*top] ? i : *top;
  *p = (float)exp(-wk_diff_classifier_cross_entropy(NULL, scores, h->classes, *top));
  *p_asked = (float)exp(-wk_diff_classifier_cross_entropy(NULL, scores, h->classes, asked < 0 ? *top : asked));
  return WK_OK;
}

static wk_status hunt_run(wk_attack_state *h, uint64_t seed, uint64_t stream, wk_error *err) {
  switch (h->o->method) {
  case WK_ATTACK_PLAIN:
    return wk_attack_plain(h, err);
  case WK_ATTACK_DEEPFOOL:
    return wk_attack_deepfool(h, err);
  case WK_ATTACK_CW:
    return wk_attack_cw(h, err);
  case WK_ATTACK_PATCH:
    return wk_attack_patch(h, err);
  case WK_ATTACK_PGD:
  case WK_ATTACK_FGSM:
  case WK_ATTACK_L2:
    break;
  }
  return wk_attack_pgd(h, seed, stream, err);
}

wk_status wk_attack_run(wk_attack_result *out, wk_diff_classifier *classifier, const wk_preprocess *p,
                        const float *pixels, const wk_attack_options *o, uint64_t seed, uint64_t stream,
                        wk_error *err) {
  int classes = wk_diff_classifier_classes(classifier);
  WK_RETURN_IF_ERROR(wk_attack_options_validate(o, classes, err));
  wk_attack_state h = {.classifier = classifier, .p = p, .o = o, .photo = pixels, .whole = o->width > 0};
  h.width = h.whole ? o->width : p->width;
  h.height = h.whole ? o->height : p->height;
  h.n = (size_t)h.width * (size_t)h.height * 3;
  if (o->method == WK_ATTACK_PATCH && (o->patch > h.width || o->patch > h.height))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a patch of %d pixels does not fit into a picture of %d x %d", o->patch,
                   h.width, h.height);
  h.classes = classes;
  h.target = o->target;
  h.best_margin = -1;
  wk_attack_result r = {0};
  wk_status st;
  WK_TRY(hunt_alloc(&h, err));
  WK_TRY(opinion(&h, pixels, &r.before, &r.p_before, o->target >= 0 ? o->target : o->avoid, &r.p_target_before, err));
  WK_FAIL_IF(r.before == o->target, err, WK_ERR_ARGUMENT,
             "the photo already is of the class asked for (%.1f%%): there is nothing to attack",
             100 * (double)r.p_before);
  h.avoid = o->avoid >= 0 ? o->avoid : r.before;
  /* The look at the photo itself counted without `avoid` known: an untargeted attack starts again from nothing. */
  h.best_margin = -1;
  h.best_success = false;
  WK_TRY(hunt_run(&h, seed, stream, err));
  r.steps = h.steps;
  r.success = h.best_success;
  WK_TRY(opinion(&h, h.best, &r.after, &r.p_after, h.target >= 0 ? h.target : h.avoid, &r.p_target_after, err));
  r.l2_255 = wk_attack_distance(h.best, pixels, h.n);
  for (size_t i = 0; i < h.n; i++)
    r.linf_255 = fmax(r.linf_255, fabs((double)h.best[i] - (double)pixels[i]));
  r.pixels = h.best;
  h.best = NULL;
  *out = r;
done:
  hunt_free(&h);
  return st;
}

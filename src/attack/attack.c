/* attack.c - one attack from options to result; see attack.h. */

#include <math.h>
#include <string.h>

#include "attack/attack_state.h"
#include "attack/option_tables.h"

static const char *const methods[] = {"pgd", "fgsm", "l2", "plain", "deepfool", "cw", "patch", NULL};
static const wk_option option_rows[] = {
    {.name = "method",
     WK_ROW_CHOICE(wk_attack_options, method, methods),
     .placeholder = "METHOD",
     .help = "attack method: PGD, FGSM, PGD in the L2 ball, plain gradient descent, DeepFool, Carlini and Wagner, or a "
             "patch"},
    {.name = "target",
     WK_ROW_INT(wk_attack_options, target),
     .value = -1,
     .min = 0,
     .max = INFINITY,
     .automatic = "any other class",
     .flags = WK_OPTION_NO_FLAG,
     .help = "class to reach"},
    {.name = "avoid",
     WK_ROW_INT(wk_attack_options, avoid),
     .value = -1,
     .min = 0,
     .max = INFINITY,
     .automatic = "what the model predicts",
     .flags = WK_OPTION_NO_FLAG,
     .help = "class to leave"},
    {.name = "eps",
     WK_ROW_DOUBLE(wk_attack_options, eps_255),
     .value = 2,
     .min = 0,
     .max = 255,
     .flags = WK_OPTION_ABOVE_MIN,
     .placeholder = "E",
     .help = "largest change of a pixel value, in units of 1/255 (pgd, fgsm); root mean square (l2)"},
    {.name = "steps",
     WK_ROW_INT(wk_attack_options, steps),
     .min = 0,
     .max = INFINITY,
     .automatic = "depends on the method",
     .placeholder = "N",
     .help = "most gradient steps"},
    {.name = "step-size",
     WK_ROW_DOUBLE(wk_attack_options, step),
     .min = 0,
     .max = INFINITY,
     .automatic = "depends on the method",
     .old_names = "step",
     .placeholder = "S",
     .help = "size of each step, in units of 1/255 (plain: learning rate)"},
    {.name = "momentum",
     WK_ROW_DOUBLE(wk_attack_options, momentum),
     .min = 0,
     .max = 1,
     .flags = WK_OPTION_BELOW_MAX,
     .placeholder = "M",
     .help = "momentum of the gradient (pgd, l2)"},
    {.name = "restarts",
     WK_ROW_INT(wk_attack_options, restarts),
     .min = 0,
     .max = INFINITY,
     .placeholder = "N",
     .help = "random restarts after a failed attempt (pgd, l2)"},
    {.name = "patch",
     WK_ROW_INT(wk_attack_options, patch),
     .value = 32,
     .min = 1,
     .max = INFINITY,
     .placeholder = "PIXELS",
     .help = "side of the patch; 1: a single pixel"},
    {.name = "width",
     WK_ROW_INT(wk_attack_options, width),
     .min = 0,
     .max = INFINITY,
     .flags = WK_OPTION_NO_FLAG,
     .help = "width of a whole photo; 0: what the network sees"},
    {.name = "height",
     WK_ROW_INT(wk_attack_options, height),
     .min = 0,
     .max = INFINITY,
     .flags = WK_OPTION_NO_FLAG,
     .help = "height of a whole photo; 0: what the network sees"},
    {.name = "confidence",
     WK_ROW_DOUBLE(wk_attack_options, confidence),
     .value = 0.9,
     .min = 0,
     .max = 1,
     .flags = WK_OPTION_ABOVE_MIN,
     .placeholder = "P",
     .help = "stop at this probability"},
    {.name = "whole-levels",
     WK_ROW_BOOL(wk_attack_options, whole_levels),
     .value = 1,
     .flags = WK_OPTION_NO_FLAG,
     .help = "the result is 8-bit"},
    {0}};

static wk_status check(const void *options, wk_error *err) {
  const wk_attack_options *o = options;
  if ((o->method == WK_ATTACK_PGD || o->method == WK_ATTACK_FGSM) && o->whole_levels && o->eps_255 < 1)
    return WK_FAIL(err, WK_ERR_ARGUMENT,
                   "eps must be at least 1 (got %g): a smaller change is lost when the photo is saved with 8 bits",
                   o->eps_255);
  if (!o->width != !o->height || (o->width && !o->whole_levels))
    return WK_FAIL(err, WK_ERR_ARGUMENT,
                   "a whole photo needs both width and height, and is changed in whole grey levels");
  return WK_OK;
}

const wk_option_table wk_attack_table = {"attack_options", sizeof(wk_attack_options), option_rows, check};
const wk_option_table *wk_attack_options_table(void) { return &wk_attack_table; }

void wk_attack_options_init(wk_attack_options *o) { wk_options_init(o, &wk_attack_table); }

/* The bound of a method that has none may be anything. */
wk_status wk_attack_options_validate(const wk_attack_options *o, int classes, wk_error *err) {
  const bool bounded = o->method == WK_ATTACK_PGD || o->method == WK_ATTACK_FGSM || o->method == WK_ATTACK_L2;
  wk_attack_options checked = *o;
  if (!bounded)
    checked.eps_255 = 1;
  if (o->target >= classes || o->avoid >= classes)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "class %d of an attack is not among the model's %d",
                   o->target >= classes ? o->target : o->avoid, classes);
  return wk_options_validate(&checked, &wk_attack_table, err);
}

void wk_attack_result_free(wk_attack_result *r) {
  if (!r)
    return;
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

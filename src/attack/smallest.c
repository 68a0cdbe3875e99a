/* smallest.c - methods that look for the smallest change: DeepFool, and Carlini and Wagner's L2. */
#include <math.h>
#include <string.h>

#include "attack/attack_state.h"
#include "train/optim/adam.h"

enum { RIVALS = 5 }; /* DeepFool without a target: how many of the likeliest classes are tried a step */

/* The gradient of score[to] - score[from]. */
static wk_status gradient_between(wk_attack_state *h, int to, int from, wk_error *err) {
  memset(h->score_gradient, 0, (size_t)h->classes * sizeof *h->score_gradient);
  h->score_gradient[to] = 1;
  h->score_gradient[from] -= 1;
  return wk_attack_backward(h, err);
}

/* The likeliest classes but `but`, best first; returns how many. */
static int likeliest(int *out, int n, const float *scores, int classes, int but) {
  int found = 0;
  for (int i = 0; i < classes; i++) {
    if (i == but || (found == n && scores[i] <= scores[out[n - 1]]))
      continue;
    int at = found < n ? found++ : n - 1;
    for (; at > 0 && scores[i] > scores[out[at - 1]]; at--)
      out[at] = out[at - 1];
    out[at] = i;
  }
  return found;
}

/* The smallest step in x that takes the linearised model from class `from` over the border of one of `rival`. */
static wk_status nearest_border(wk_attack_state *h, float *step, int from, const int *rival, int rivals,
                                wk_error *err) {
  const float *scores = wk_diff_classifier_scores(h->classifier);
  double gap[RIVALS], least = INFINITY;
  for (int r = 0; r < rivals; r++)
    gap[r] = fabs((double)scores[from] - (double)scores[rival[r]]) + 1e-4;
  memset(step, 0, h->n * sizeof *step);
  for (int r = 0; r < rivals; r++) {
    WK_RETURN_IF_ERROR(gradient_between(h, rival[r], from, err));
    double square = 0;
    for (size_t i = 0; i < h->n; i++)
      square += (double)h->gradient[i] * (double)h->gradient[i];
    if (!(square > 0) || gap[r] / sqrt(square) >= least)
      continue;
    least = gap[r] / sqrt(square);
    float k = (float)(gap[r] / square);
    for (size_t i = 0; i < h->n; i++)
      step[i] = k * h->gradient[i];
  }
  return WK_OK;
}

wk_status wk_attack_deepfool(wk_attack_state *h, wk_error *err) {
  enum { OVERSHOOT = 2 }; /* percent beyond the border, as in the paper, so that the class does change */
  int steps = h->o->steps ? h->o->steps : 50;
  float *step = wk_alloc_array(h->n, sizeof *step);
  if (!step)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for an attack");
  wk_status st = WK_OK;
  for (int t = 0; t <= steps; t++) {
    bool done;
    WK_TRY(wk_attack_evaluate(h, &done, err));
    if (h->best_success || t == steps)
      break;
    const float *scores = wk_diff_classifier_scores(h->classifier);
    int from = h->avoid, rival[RIVALS] = {h->target}, rivals = 1;
    if (h->target >= 0)
      likeliest(&from, 1, scores, h->classes, -1);
    else
      rivals = likeliest(rival, RIVALS, scores, h->classes, from);
    WK_TRY(nearest_border(h, step, from, rival, rivals, err));
    for (size_t i = 0; i < h->n; i++)
      h->x[i] = fminf(fmaxf(h->x[i] + step[i] * (1 + OVERSHOOT / 100.0f), 0), 255);
  }
done:
  wk_free(step);
  return st;
}

/* ---- Carlini and Wagner ------------------------------------------------------------------------ */

typedef struct adam {
  float *w, *m, *v; /* [n] the variable, x = 255 (tanh w + 1) / 2, and its moments */
  int t;
} adam;

static void adam_start(adam *a, const float *photo, size_t n) {
  for (size_t i = 0; i < n; i++) {
    float u = fminf(fmaxf(photo[i] / 127.5f - 1, -0.9999f), 0.9999f);
    a->w[i] = atanhf(u);
  }
  memset(a->m, 0, n * sizeof *a->m);
  memset(a->v, 0, n * sizeof *a->v);
  a->t = 0;
}

/* One descent with trade-off c on |change|^2 + c max(rival - wanted, 0), both in units of the whole range. */
static wk_status cw_descend(wk_attack_state *h, adam *a, double c, int steps, bool *reached, wk_error *err) {
  adam_start(a, h->photo, h->n);
  *reached = false;
  for (int t = 0; t <= steps; t++) {
    bool done;
    for (size_t i = 0; i < h->n; i++)
      h->x[i] = 127.5f * (tanhf(a->w[i]) + 1);
    WK_RETURN_IF_ERROR(wk_attack_evaluate(h, &done, err));
    const float *scores = wk_diff_classifier_scores(h->classifier);
    bool there = wk_attack_reached(h, scores);
    *reached = *reached || there;
    if (t == steps)
      break;
    int rival;
    likeliest(&rival, 1, scores, h->classes, h->target >= 0 ? h->target : h->avoid);
    int up = h->target >= 0 ? h->target : rival, down = h->target >= 0 ? rival : h->avoid;
    if (there)
      memset(h->gradient, 0, h->n * sizeof *h->gradient);
    else
      WK_RETURN_IF_ERROR(gradient_between(h, down, up, err));
    const wk_adam rule = wk_adam_at(0.9, 0.999, 1e-8, ++a->t);
    const float rate = h->o->step > 0 ? (float)h->o->step : 0.01f;
    for (size_t i = 0; i < h->n; i++) {
      float slope = 1 - tanhf(a->w[i]) * tanhf(a->w[i]);
      float pull = 2 * (h->x[i] - h->photo[i]) / 255, push = (float)c * h->gradient[i] * 255;
      a->w[i] -= rate * wk_adam_direction(&a->m[i], &a->v[i], (pull + push) * 0.5f * slope, &rule);
    }
  }
  return WK_OK;
}

wk_status wk_attack_cw(wk_attack_state *h, wk_error *err) {
  enum { ROUNDS = 4 };
  int steps = (h->o->steps ? h->o->steps : 300) / ROUNDS;
  float *block = wk_alloc_array(3 * h->n, sizeof *block);
  if (!block)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for an attack");
  adam a = {block, block + h->n, block + 2 * h->n, 0};
  double low = 0, high = INFINITY, c = 1;
  h->smallest = true;
  wk_status st = WK_OK;
  for (int r = 0; r < ROUNDS && st == WK_OK; r++) {
    bool reached;
    st = cw_descend(h, &a, c, steps, &reached, err);
    if (reached)
      high = c;
    else
      low = c;
    c = isfinite(high) ? (low + high) / 2 : 10 * c;
  }
  wk_free(block);
  return st;
}

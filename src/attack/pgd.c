/* pgd.c - methods that follow the gradient inside a bound: FGSM, PGD (L-infinity and L2, with momentum and random
 * restarts); and without one: the plain gradient; and inside a square: the patch. */
#include <math.h>
#include <string.h>

#include "attack/attack_state.h"

/* Puts x back into the ball around the photo and into 0..255. */
static void project(wk_attack_state *h) {
  float eps = (float)h->o->eps_255;
  if (h->o->method == WK_ATTACK_L2) {
    double length = wk_attack_distance(h->x, h->photo, h->n), bound = h->o->eps_255 * sqrt((double)h->n);
    float shrink = length > bound ? (float)(bound / length) : 1;
    for (size_t i = 0; i < h->n; i++)
      h->x[i] = fminf(fmaxf(h->photo[i] + (h->x[i] - h->photo[i]) * shrink, 0), 255);
    return;
  }
  for (size_t i = 0; i < h->n; i++) {
    float low = fmaxf(h->photo[i] - eps, 0), high = fminf(h->photo[i] + eps, 255);
    h->x[i] = fminf(fmaxf(h->x[i], low), high);
  }
}

static double mean_abs(const float *v, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; i++)
    sum += fabs((double)v[i]);
  return sum / (double)n;
}

static double length_of(const float *v, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; i++)
    sum += (double)v[i] * (double)v[i];
  return sqrt(sum);
}

static float sign_of(float v) { return (float)((v > 0) - (v < 0)); }

/* One step against `direction`. */
static void move(wk_attack_state *h, const float *direction, double step) {
  if (h->o->method == WK_ATTACK_L2) {
    double length = length_of(direction, h->n);
    float k = length > 0 ? (float)(step * sqrt((double)h->n) / length) : 0;
    for (size_t i = 0; i < h->n; i++)
      h->x[i] -= k * direction[i];
  } else {
    for (size_t i = 0; i < h->n; i++)
      h->x[i] -= (float)step * sign_of(direction[i]);
  }
  project(h);
}

/* From where x is; returns early when sure enough. */
static wk_status descend(wk_attack_state *h, float *direction, int steps, double step, bool *done, wk_error *err) {
  memset(direction, 0, h->n * sizeof *direction);
  for (int t = 0; t < steps; t++) {
    WK_RETURN_IF_ERROR(wk_attack_evaluate(h, done, err));
    if (*done)
      return WK_OK;
    WK_RETURN_IF_ERROR(wk_attack_gradient(h, err));
    double scale = h->o->momentum > 0 ? mean_abs(h->gradient, h->n) : 1;
    for (size_t i = 0; i < h->n; i++)
      direction[i] = (float)h->o->momentum * direction[i] + (scale > 0 ? h->gradient[i] / (float)scale : 0);
    move(h, direction, step);
  }
  return wk_attack_evaluate(h, done, err);
}

/* A point of the ball, uniform in each value. */
static void random_start(wk_attack_state *h, wk_rng *rng) {
  for (size_t i = 0; i < h->n; i++)
    h->x[i] = h->photo[i] + (float)((2 * wk_rng_uniform(rng) - 1) * h->o->eps_255);
  project(h);
}

wk_status wk_attack_pgd(wk_attack_state *h, uint64_t seed, uint64_t stream, wk_error *err) {
  bool one = h->o->method == WK_ATTACK_FGSM, done = false;
  int steps = one ? 1 : h->o->steps ? h->o->steps : 40;
  double least = h->o->whole_levels ? 0.5 : 0;
  double step = one ? h->o->eps_255 : h->o->step > 0 ? h->o->step : fmax(h->o->eps_255 / 8, least);
  float *direction = wk_alloc_array(h->n, sizeof *direction);
  if (!direction)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for an attack");
  wk_rng rng;
  wk_rng_init(&rng, seed, stream);
  wk_status st = descend(h, direction, steps, step, &done, err);
  for (int r = 0; r < h->o->restarts && !one && st == WK_OK && !h->best_success; r++) {
    random_start(h, &rng);
    st = descend(h, direction, steps, step, &done, err);
  }
  wk_free(direction);
  return st;
}

/* x -= rate * d loss / d x in normalised units: in grey levels the rate is multiplied by the deviation twice. */
wk_status wk_attack_plain(wk_attack_state *h, wk_error *err) {
  int steps = h->o->steps ? h->o->steps : 100;
  double rate = h->o->step > 0 ? h->o->step : 1;
  for (int t = 0; t <= steps; t++) {
    bool done;
    WK_RETURN_IF_ERROR(wk_attack_evaluate(h, &done, err));
    if (done || t == steps)
      break;
    WK_RETURN_IF_ERROR(wk_attack_gradient(h, err));
    for (size_t i = 0; i < h->n; i++) {
      float std = h->p->std[h->p->bgr ? 2 - i % 3 : i % 3];
      h->x[i] = fminf(fmaxf(h->x[i] - (float)rate * std * std * h->gradient[i], 0), 255);
    }
  }
  return WK_OK;
}

/* The window of side `k` where the gradient is strongest, by sums over columns and rows. */
static void strongest_window(int *at_x, int *at_y, const float *g, int width, int height, int k) {
  double most = -1;
  for (int y = 0; y + k <= height; y += k > 8 ? k / 4 : 1)
    for (int x = 0; x + k <= width; x += k > 8 ? k / 4 : 1) {
      double sum = 0;
      for (int v = y; v < y + k; v++)
        for (int u = 3 * x; u < 3 * (x + k); u++)
          sum += fabs((double)g[(size_t)v * (size_t)width * 3 + (size_t)u]);
      if (sum > most) {
        most = sum;
        *at_x = x;
        *at_y = y;
      }
    }
}

wk_status wk_attack_patch(wk_attack_state *h, wk_error *err) {
  int steps = h->o->steps ? h->o->steps : 200, k = h->o->patch, left = 0, top = 0;
  float step = h->o->step > 0 ? (float)h->o->step : 8;
  for (int t = 0; t <= steps; t++) {
    bool done;
    WK_RETURN_IF_ERROR(wk_attack_evaluate(h, &done, err));
    if (done || t == steps)
      break;
    WK_RETURN_IF_ERROR(wk_attack_gradient(h, err));
    if (t == 0)
      strongest_window(&left, &top, h->gradient, h->width, h->height, k);
    for (int y = top; y < top + k; y++)
      for (int u = 3 * left; u < 3 * (left + k); u++) {
        size_t i = (size_t)y * (size_t)h->width * 3 + (size_t)u;
        h->x[i] = fminf(fmaxf(h->x[i] - step * sign_of(h->gradient[i]), 0), 255);
      }
  }
  return WK_OK;
}

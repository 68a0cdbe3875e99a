/* lr_finder.c - the learning-rate range test (Smith, "Cyclical learning rates for training neural networks", WACV
 * 2017): a short run whose rate grows from tiny to huge. Where the loss falls fastest the rate is about right for a
 * whole run. */
#include <math.h>
#include <string.h>

#include "train/finetune/finetune_parts.h"

#define STEPS 60
#define LOWEST 1e-7
#define HIGHEST 1.0
#define SMOOTHING 0.9 /* of the loss, over steps */
#define TOO_MUCH 3.0  /* times the best loss so far ends the test */
#define BACK_OFF 10.0 /* from where the loss is lowest: it is about to rise there */

static double rate_at(int step) { return LOWEST * pow(HIGHEST / LOWEST, (double)step / (STEPS - 1)); }

/* The steepest fall per decade, but well before the lowest point. */
static double suggest(const double *rate, const double *smooth, int n) {
  int lowest = 0, steepest = 0;
  double most = 0;
  for (int i = 1; i < n; i++)
    lowest = smooth[i] < smooth[lowest] ? i : lowest;
  for (int i = 1; i <= lowest; i++)
    if (smooth[i - 1] - smooth[i] > most) {
      most = smooth[i - 1] - smooth[i];
      steepest = i;
    }
  double safe = rate[lowest] / BACK_OFF;
  return steepest && rate[steepest] < safe ? rate[steepest] : safe;
}

wk_status wk_lr_find(wk_lr_curve *out, const wk_finetune_setup *s, wk_error *err) {
  wk_status st = WK_OK;
  wk_finetuner l = {0};
  wk_progress progress = {0};
  double smooth[STEPS], average = 0, best = INFINITY, scale = 1, gradient;
  wk_lr_curve found = {.lr = wk_alloc_array(STEPS, sizeof(double)), .loss = wk_alloc_array(STEPS, sizeof(double))};
  WK_FAIL_IF(!found.lr || !found.loss, err, WK_ERR_MEMORY, "out of memory for the learning-rate test");
  WK_TRY(wk_finetuner_open(&l, s, err));
  WK_TRY(wk_progress_begin(&progress, s->ctx, "learning rate", STEPS, err));
  for (; found.steps < STEPS; found.steps++) {
    int i = found.steps, epoch = 1 + i / (int)l.steps;
    if ((size_t)i % l.steps == 0)
      wk_finetuner_shuffle(&l, epoch);
    found.lr[i] = rate_at(i);
    st = wk_finetuner_step(&l, &found.loss[i], &gradient, epoch, (size_t)i % l.steps, found.lr[i], NULL, err);
    bool burst = st == WK_ERR_NUMERIC;
    if (st != WK_OK && !burst)
      goto done;
    st = WK_OK;
    found.loss[i] = burst ? INFINITY : found.loss[i];
    /* The mean of what is remembered; the first steps count in full. */
    average = SMOOTHING * average + (1 - SMOOTHING) * found.loss[i];
    scale *= SMOOTHING;
    smooth[i] = average / (1 - scale);
    wk_progress_add(&progress, 1);
    if (burst || (i > 0 && !(smooth[i] < TOO_MUCH * best)))
      break;
    best = smooth[i] < best ? smooth[i] : best;
  }
  WK_FAIL_IF(!isfinite(best), err, WK_ERR_NUMERIC, "the loss is not finite before the first step");
  found.suggested = suggest(found.lr, smooth, found.steps);
  *out = found;
  found = (wk_lr_curve){0};
done:
  wk_progress_end(&progress);
  wk_finetuner_close(&l);
  wk_free(found.lr);
  wk_free(found.loss);
  return st;
}

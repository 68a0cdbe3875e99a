/* lr_schedule.c - the learning rate of each step: PyTorch's closed forms, so any step can be asked for at any time. */
#include <math.h>

#include "base/choice.h"
#include "whisker/optim.h"

static const char *const names[WK_SCHEDULE_COUNT] = {"constant", "step",     "exponential",
                                                     "cosine",   "onecycle", "plateau"};

const char *wk_schedule_name(wk_schedule_kind kind) {
  return (unsigned)kind < WK_SCHEDULE_COUNT ? names[kind] : "unknown";
}

wk_status wk_schedule_parse(wk_schedule_kind *out, const char *name, wk_error *err) {
  int kind = 0;
  WK_RETURN_IF_ERROR(wk_choice_parse(&kind, "schedule", name, names, WK_SCHEDULE_COUNT, err));
  *out = (wk_schedule_kind)kind;
  return WK_OK;
}

void wk_schedule_options_init(wk_schedule_options *o, wk_schedule_kind kind) {
  *o = (wk_schedule_options){.kind = kind,
                             .lr = 1e-3,
                             .gamma = kind == WK_SCHEDULE_EXPONENTIAL ? 0.98 : 0.1,
                             .step_epochs = 30,
                             .warmup_factor = 0.01,
                             .one_cycle_start = 0.3,
                             .one_cycle_div = 25,
                             .one_cycle_final_div = 1e4,
                             .patience = 10,
                             .threshold = 1e-4};
}

wk_status wk_schedule_options_validate(const wk_schedule_options *o, wk_error *err) {
  if ((unsigned)o->kind >= WK_SCHEDULE_COUNT)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "there is no schedule of kind %d", (int)o->kind);
  if (!(o->lr > 0) || isinf(o->lr))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "the learning rate is %g, but must be above 0, such as 0.001", o->lr);
  if (!(o->min_lr >= 0 && o->min_lr <= o->lr))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "the lowest learning rate is %g, but must lie between 0 and %g", o->min_lr,
                   o->lr);
  if (!(o->gamma > 0 && o->gamma <= 1))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "gamma is %g, but must be above 0 and at most 1", o->gamma);
  if (!(o->step_epochs > 0))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "step_epochs is %g, but must be above 0", o->step_epochs);
  if (!(o->warmup_epochs >= 0) || isinf(o->warmup_epochs) || !(o->warmup_factor > 0 && o->warmup_factor <= 1))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a warm-up of %g epochs from %g times the learning rate cannot be",
                   o->warmup_epochs, o->warmup_factor);
  if (!(o->one_cycle_start > 0 && o->one_cycle_start < 1 && o->one_cycle_div >= 1 && o->one_cycle_final_div >= 1))
    return WK_FAIL(err, WK_ERR_ARGUMENT,
                   "a cycle that rises for %g of the run from 1/%g and ends at 1/%g of that cannot be",
                   o->one_cycle_start, o->one_cycle_div, o->one_cycle_final_div);
  if (o->patience < 0 || !(o->threshold >= 0))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a plateau of %d epochs within %g cannot be", o->patience, o->threshold);
  return WK_OK;
}

/* Half a cosine from a to b as t goes from 0 to 1. */
static double half_cosine(double a, double b, double t) { return b + (a - b) / 2 * (1 + cos(acos(-1) * t)); }

static double one_cycle(const wk_schedule_options *o, double step, double steps) {
  double first = o->lr / o->one_cycle_div, last = first / o->one_cycle_final_div;
  double top = o->one_cycle_start * steps - 1, end = steps - 1;
  if (step <= top)
    return half_cosine(first, o->lr, top > 0 ? step / top : 1);
  return half_cosine(o->lr, last, end > top ? (step - top) / (end - top) : 1);
}

double wk_schedule_lr(const wk_schedule_options *o, uint64_t step, uint64_t steps_per_epoch, uint64_t steps) {
  double per_epoch = steps_per_epoch ? (double)steps_per_epoch : 1;
  uint64_t warmup = (uint64_t)llround(o->warmup_epochs * per_epoch);
  if (step < warmup)
    return o->lr * (o->warmup_factor + (1 - o->warmup_factor) * (double)step / (double)warmup);
  double t = (double)(step - warmup), n = steps > warmup ? (double)(steps - warmup) : 1;
  switch (o->kind) {
  case WK_SCHEDULE_STEP:
    return o->lr * pow(o->gamma, floor(floor(t / per_epoch) / o->step_epochs));
  case WK_SCHEDULE_EXPONENTIAL:
    return o->lr * pow(o->gamma, floor(t / per_epoch));
  case WK_SCHEDULE_COSINE:
    return half_cosine(o->lr, o->min_lr, fmin(1, t / n));
  case WK_SCHEDULE_ONE_CYCLE:
    return one_cycle(o, fmin(t, n - 1), n);
  default:
    return o->lr;
  }
}

/* ---- plateau ----------------------------------------------------------------------------------- */

void wk_plateau_init(wk_plateau *p) { *p = (wk_plateau){.best = INFINITY, .scale = 1}; }

double wk_plateau_update(wk_plateau *p, const wk_schedule_options *o, double loss) {
  if (loss < p->best * (1 - o->threshold) || (isinf(p->best) && isfinite(loss))) {
    p->best = loss;
    p->bad = 0;
  } else if (++p->bad > o->patience) {
    p->scale = fmax(p->scale * o->gamma, o->min_lr / o->lr);
    p->bad = 0;
  }
  return p->scale;
}

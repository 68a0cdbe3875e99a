/* lr_schedule.c - the learning rate of each step: PyTorch's closed forms, so any step can be asked for at any time. */
#include <math.h>

#include "base/choice.h"
#include "train/option_tables.h"

static const char *const names[WK_SCHEDULE_COUNT + 1] = {"constant", "step",    "exponential", "cosine",
                                                         "onecycle", "plateau", NULL};

const char *wk_schedule_name(wk_schedule_kind kind) {
  return (unsigned)kind < WK_SCHEDULE_COUNT ? names[kind] : "unknown";
}

wk_status wk_schedule_parse(wk_schedule_kind *out, const char *name, wk_error *err) {
  int kind = 0;
  WK_RETURN_IF_ERROR(wk_choice_parse(&kind, "schedule", name, names, WK_SCHEDULE_COUNT, err));
  *out = (wk_schedule_kind)kind;
  return WK_OK;
}

static const wk_option_value exponential[] = {{"decay-rate", 0.98, NULL}, {0}};
static const wk_option_value *const with_kind[WK_SCHEDULE_COUNT] = {[WK_SCHEDULE_EXPONENTIAL] = exponential};

static wk_status check(const void *options, wk_error *err) {
  const wk_schedule_options *o = options;
  return o->min_lr <= o->lr
             ? WK_OK
             : WK_FAIL(err, WK_ERR_ARGUMENT, "min_lr must be at most lr, which is %g (got %g)", o->lr, o->min_lr);
}

static const wk_option option_rows[] = {
    {.name = "sched",
     WK_ROW_CHOICE(wk_schedule_options, kind, names),
     .with = with_kind,
     .flags = WK_OPTION_FINGERPRINT,
     .placeholder = "NAME",
     .help = "learning-rate schedule"},
    {.name = "lr",
     WK_ROW_DOUBLE(wk_schedule_options, lr),
     .value = 1e-3,
     .min = 0,
     .max = INFINITY,
     .flags = WK_OPTION_ABOVE_MIN | WK_OPTION_FINGERPRINT | WK_OPTION_NO_FLAG,
     .help = "largest learning rate"},
    {.name = "min-lr",
     WK_ROW_DOUBLE(wk_schedule_options, min_lr),
     .min = 0,
     .max = INFINITY,
     .flags = WK_OPTION_FINGERPRINT,
     .placeholder = "RATE",
     .help = "lowest learning rate of cosine and plateau"},
    {.name = "decay-rate",
     WK_ROW_DOUBLE(wk_schedule_options, gamma),
     .value = 0.1,
     .min = 0,
     .max = 1,
     .flags = WK_OPTION_ABOVE_MIN | WK_OPTION_FINGERPRINT,
     .placeholder = "X",
     .help = "factor of each decay of step, exponential and plateau"},
    {.name = "decay-epochs",
     WK_ROW_DOUBLE(wk_schedule_options, step_epochs),
     .value = 30,
     .min = 0,
     .max = INFINITY,
     .flags = WK_OPTION_ABOVE_MIN | WK_OPTION_FINGERPRINT,
     .placeholder = "N",
     .help = "epochs between two decays of step"},
    {.name = "warmup-epochs",
     WK_ROW_DOUBLE(wk_schedule_options, warmup_epochs),
     .min = 0,
     .max = INFINITY,
     .flags = WK_OPTION_FINGERPRINT,
     .placeholder = "N",
     .help = "epochs in which the learning rate rises first, at most half of all"},
    {.name = "warmup-factor",
     WK_ROW_DOUBLE(wk_schedule_options, warmup_factor),
     .value = 0.01,
     .min = 0,
     .max = 1,
     .flags = WK_OPTION_ABOVE_MIN | WK_OPTION_FINGERPRINT | WK_OPTION_NO_FLAG,
     .help = "share of the learning rate at which the warm-up starts"},
    {.name = "one-cycle-start",
     WK_ROW_DOUBLE(wk_schedule_options, one_cycle_start),
     .value = 0.3,
     .min = 0,
     .max = 1,
     .flags = WK_OPTION_ABOVE_MIN | WK_OPTION_BELOW_MAX | WK_OPTION_FINGERPRINT | WK_OPTION_NO_FLAG,
     .help = "share of the run in which onecycle rises"},
    {.name = "one-cycle-div",
     WK_ROW_DOUBLE(wk_schedule_options, one_cycle_div),
     .value = 25,
     .min = 1,
     .max = INFINITY,
     .flags = WK_OPTION_FINGERPRINT | WK_OPTION_NO_FLAG,
     .help = "onecycle starts at the learning rate divided by this"},
    {.name = "one-cycle-final-div",
     WK_ROW_DOUBLE(wk_schedule_options, one_cycle_final_div),
     .value = 1e4,
     .min = 1,
     .max = INFINITY,
     .flags = WK_OPTION_FINGERPRINT | WK_OPTION_NO_FLAG,
     .help = "onecycle ends at its start divided by this"},
    {.name = "patience-epochs",
     WK_ROW_INT(wk_schedule_options, patience),
     .value = 10,
     .min = 0,
     .max = INFINITY,
     .flags = WK_OPTION_FINGERPRINT,
     .placeholder = "N",
     .help = "epochs without a lower loss before plateau decays"},
    {.name = "plateau-threshold",
     WK_ROW_DOUBLE(wk_schedule_options, threshold),
     .value = 1e-4,
     .min = 0,
     .max = INFINITY,
     .flags = WK_OPTION_FINGERPRINT | WK_OPTION_NO_FLAG,
     .help = "share by which a loss must be lower to count for plateau"},
    {0}};
const wk_option_table wk_schedule_table = {"schedule_options", sizeof(wk_schedule_options), option_rows, check};
const wk_option_table *wk_schedule_options_table(void) { return &wk_schedule_table; }

void wk_schedule_options_init(wk_schedule_options *o, wk_schedule_kind kind) {
  wk_options_init(o, &wk_schedule_table);
  if ((unsigned)kind < WK_SCHEDULE_COUNT)
    wk_options_preset(o, &wk_schedule_table, (const wk_option_value[]){{"sched", kind, NULL}, {0}});
  o->kind = kind;
}

wk_status wk_schedule_options_validate(const wk_schedule_options *o, wk_error *err) {
  return wk_options_validate(o, &wk_schedule_table, err);
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

/* loss.c - cross-entropy and what is built on it. All of it is per row: exponentials in double, gradients in float. */
#include <math.h>

#include "base/base.h"
#include "base/softmax.h"
#include "train/option_tables.h"

static const wk_option option_rows[] = {{.name = "smoothing",
                                         WK_ROW_DOUBLE(wk_loss_options, smoothing),
                                         .min = 0,
                                         .max = 1,
                                         .flags = WK_OPTION_BELOW_MAX | WK_OPTION_FINGERPRINT,
                                         .placeholder = "S",
                                         .help = "label smoothing"},
                                        {.name = "distill",
                                         WK_ROW_DOUBLE(wk_loss_options, distill),
                                         .automatic = "0.5 with a teacher",
                                         .min = 0,
                                         .max = 1,
                                         .flags = WK_OPTION_FINGERPRINT,
                                         .placeholder = "SHARE",
                                         .help = "weight of the distillation loss, with --teacher"},
                                        {.name = "distill-temperature",
                                         WK_ROW_DOUBLE(wk_loss_options, distill_temperature),
                                         .value = 4,
                                         .min = 0,
                                         .max = INFINITY,
                                         .flags = WK_OPTION_ABOVE_MIN | WK_OPTION_FINGERPRINT,
                                         .placeholder = "T",
                                         .help = "distillation temperature"},
                                        {0}};
const wk_option_table wk_loss_table = {"loss_options", sizeof(wk_loss_options), option_rows, NULL};
const wk_option_table *wk_loss_options_table(void) { return &wk_loss_table; }

void wk_loss_options_init(wk_loss_options *o) { wk_options_init(o, &wk_loss_table); }

double wk_loss_divisor(const wk_loss_options *o, const int *label, size_t rows) {
  if (!label || !o->class_weight)
    return (double)rows;
  double sum = 0;
  for (size_t r = 0; r < rows; r++)
    sum += (double)o->class_weight[label[r]];
  return sum;
}

/* The share of class c in the target of row r, smoothed. With labels, smoothing counts by each class's own weight. */
static double target_share(const wk_loss_target *t, const wk_loss_options *o, size_t row, int c, int classes) {
  double hard = t->label ? (double)(t->label[row] == c) : (double)t->soft[row * (size_t)classes + (size_t)c];
  return (1 - o->smoothing) * hard + o->smoothing / classes;
}

static double cross_entropy(float *g, const float *x, const wk_loss_target *t, size_t row, int classes, double k,
                            const wk_loss_options *o) {
  double z = wk_log_sum_exp(x, classes, 1), loss = 0, mass = 0;
  for (int c = 0; c < classes; c++) {
    double share = target_share(t, o, row, c, classes) * (o->class_weight ? (double)o->class_weight[c] : 1);
    loss += share * (z - (double)x[c]);
    mass += share;
    if (g)
      g[c] = (float)(-k * share);
  }
  if (g)
    for (int c = 0; c < classes; c++)
      g[c] = (float)((double)g[c] + k * mass * exp((double)x[c] - z));
  return k * loss;
}

/* T^2 KL(teacher || network), both softened; its gradient is T (network - teacher). */
static double distillation(float *g, const float *x, const float *teacher, int classes, double k, double temperature) {
  double b = 1 / temperature, z = wk_log_sum_exp(x, classes, b), zt = wk_log_sum_exp(teacher, classes, b), loss = 0;
  for (int c = 0; c < classes; c++) {
    double log_p = b * (double)x[c] - z, log_t = b * (double)teacher[c] - zt, t = exp(log_t);
    loss += t * (log_t - log_p);
    if (g)
      g[c] += (float)(k * temperature * (exp(log_p) - t));
  }
  return k * temperature * temperature * loss;
}

void wk_loss_rows(double *loss, float *gradient, const float *logits, const wk_loss_target *target, size_t first,
                  size_t count, int classes, double divisor, size_t photos, const wk_loss_options *o) {
  bool distill = target->teacher && o->distill > 0;
  double plain = distill ? 1 - o->distill : 1, sum = 0;
  for (size_t i = 0; i < count; i++) {
    const float *x = logits + i * (size_t)classes;
    float *g = gradient ? gradient + i * (size_t)classes : NULL;
    sum += cross_entropy(g, x, target, first + i, classes, plain / divisor, o);
    if (distill)
      sum += distillation(g, x, target->teacher + (first + i) * (size_t)classes, classes, o->distill / (double)photos,
                          o->distill_temperature);
  }
  *loss += sum;
}

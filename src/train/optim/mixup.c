/* mixup.c - mixup and CutMix. Photo i meets photo count-1-i, so a pair is mixed at once and nothing is copied. */
#include <math.h>
#include <string.h>

#include "base/base.h"
#include "train/option_tables.h"

#define MIX_STREAM 0x6d69780000000000u /* "mix" */

static const wk_option option_rows[] = {{.name = "mixup",
                                  WK_ROW_DOUBLE(wk_mix_options, mixup),
                                  .min = 0,
                                  .max = INFINITY,
                                  .flags = WK_OPTION_FINGERPRINT,
                                  .placeholder = "ALPHA",
                                  .help = "mixup alpha; 0: no mixup"},
                                 {.name = "cutmix",
                                  WK_ROW_DOUBLE(wk_mix_options, cutmix),
                                  .min = 0,
                                  .max = INFINITY,
                                  .flags = WK_OPTION_FINGERPRINT,
                                  .placeholder = "ALPHA",
                                  .help = "CutMix alpha; 0: no CutMix"},
                                 {.name = "mixup-prob",
                                  WK_ROW_DOUBLE(wk_mix_options, probability),
                                  .value = 1,
                                  .min = 0,
                                  .max = 1,
                                  .flags = WK_OPTION_FINGERPRINT,
                                  .placeholder = "P",
                                  .help = "probability of mixing a batch, where mixup or CutMix is on"},
                                 {.name = "mixup-switch-prob",
                                  WK_ROW_DOUBLE(wk_mix_options, switching),
                                  .value = 0.5,
                                  .min = 0,
                                  .max = 1,
                                  .flags = WK_OPTION_FINGERPRINT,
                                  .placeholder = "P",
                                  .help = "probability of CutMix, where both are on"},
                                 {0}};
const wk_option_table wk_mix_table = {"mix_options", sizeof(wk_mix_options), option_rows, NULL};
const wk_option_table *wk_mix_options_table(void) { return &wk_mix_table; }

void wk_mix_options_init(wk_mix_options *o) { wk_options_init(o, &wk_mix_table); }

wk_status wk_mix_options_validate(const wk_mix_options *o, wk_error *err) {
  return wk_options_validate(o, &wk_mix_table, err);
}

/* G. Marsaglia, W. W. Tsang, "A simple method for generating gamma variables", 2000. Below shape 1 it is drawn one
 * above and scaled by a power of a uniform number; as a logarithm, since that power may be tiny. */
static double log_gamma_variate(double shape, wk_rng *rng) {
  double boost = 0;
  if (shape < 1) {
    boost = log(1 - wk_rng_uniform(rng)) / shape;
    shape += 1;
  }
  double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
  for (;;) {
    double x = wk_rng_normal(rng), v = 1 + c * x, u = 1 - wk_rng_uniform(rng);
    if (v <= 0)
      continue;
    v = v * v * v;
    if (log(u) < x * x / 2 + d * (1 - v + log(v)))
      return boost + log(d * v);
  }
}

static double beta_variate(double alpha, wk_rng *rng) {
  double a = log_gamma_variate(alpha, rng), b = log_gamma_variate(alpha, rng);
  return 1 / (1 + exp(b - a));
}

wk_mix wk_mix_draw(const wk_mix_options *o, int height, int width, uint64_t seed, uint64_t epoch, uint64_t batch) {
  wk_mix m = {.share = 1};
  wk_rng rng;
  wk_rng_init(&rng, seed, MIX_STREAM ^ (epoch << 24) ^ batch);
  if ((o->mixup == 0 && o->cutmix == 0) || wk_rng_uniform(&rng) >= o->probability)
    return m;
  m.cut = o->cutmix > 0 && (o->mixup == 0 || wk_rng_uniform(&rng) < o->switching);
  m.share = beta_variate(m.cut ? o->cutmix : o->mixup, &rng);
  if (!m.cut)
    return m;
  /* A box with that share of the area around a random centre, cut off at the edges; the share is what it then covers.
   */
  double side = sqrt(1 - m.share);
  int h = (int)(height * side), w = (int)(width * side);
  int y = (int)wk_rng_below(&rng, (uint32_t)height), x = (int)wk_rng_below(&rng, (uint32_t)width);
  int top = y - h / 2, left = x - w / 2, bottom = y + h / 2, right = x + w / 2;
  m.top = top < 0 ? 0 : top;
  m.left = left < 0 ? 0 : left;
  m.height = (bottom > height ? height : bottom) - m.top;
  m.width = (right > width ? width : right) - m.left;
  m.share = 1 - (double)m.height * m.width / ((double)height * width);
  return m;
}

static void swap_floats(float *a, float *b, size_t n) {
  for (size_t i = 0; i < n; i++) {
    float t = a[i];
    a[i] = b[i];
    b[i] = t;
  }
}

void wk_mix_pictures(float *pictures, int count, int height, int width, int channels, const wk_mix *mix) {
  size_t line = (size_t)width * (size_t)channels, n = line * (size_t)height;
  float share = (float)mix->share;
  for (int i = 0; i < count / 2 && mix->share < 1; i++) {
    float *a = pictures + (size_t)i * n, *b = pictures + (size_t)(count - 1 - i) * n;
    if (mix->cut)
      for (int y = mix->top; y < mix->top + mix->height; y++) {
        size_t at = (size_t)y * line + (size_t)mix->left * (size_t)channels;
        swap_floats(a + at, b + at, (size_t)mix->width * (size_t)channels);
      }
    else
      for (size_t k = 0; k < n; k++) {
        float u = a[k], v = b[k];
        a[k] = v + share * (u - v);
        b[k] = u + share * (v - u);
      }
  }
}

void wk_mix_targets(float *soft, const int *label, int count, int classes, const wk_mix *mix) {
  memset(soft, 0, (size_t)count * (size_t)classes * sizeof *soft);
  for (int i = 0; i < count; i++) {
    float *t = soft + (size_t)i * (size_t)classes;
    t[label[i]] += (float)mix->share;
    t[label[count - 1 - i]] += (float)(1 - mix->share);
  }
}

/* look.h - what a network sees: the ideal picture of a class. Knows nothing about pages or the command line. */
#ifndef WHISKER_LOOK_H
#define WHISKER_LOOK_H

#include "whisker/image.h"
#include "whisker/lens.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- ideal pictures ---------------------------------------------------------------------------- */

typedef enum wk_ideal_method {
  WK_IDEAL_BEST =
      0, /* what people recognise: a pyramid of scales with decorrelated colours, seen through shifts and flips (after
          * Olah, Mordvintsev and Schubert, "Feature visualization", Distill 2017), followed by Adam */
  WK_IDEAL_LESSON /* plain gradient descent on the normalised input from noise: cross-entropy, or 10 cross-entropy + tv
                   * * total variation */
} wk_ideal_method;

typedef struct wk_ideal_options {
  wk_ideal_method method;
  int target;  /* the class */
  int steps;   /* default 0: 512 (BEST), 1000 (LESSON) */
  double rate; /* step size; default 0: 0.03 (BEST, Adam), 1 (LESSON) */
  double tv;   /* weight of the total variation: the sum over neighbours of |difference|. BEST: of RGB in 0..1, default
                * 0.0001;   LESSON: of the normalised input, default 0. Negative: the default */
  double enough;       /* LESSON: stop at this probability; default 2: never */
  const uint8_t *from; /* BEST: [height, width, 3] a photo to start from instead of noise; NULL: noise */
  uint64_t seed;
} wk_ideal_options;

WK_API void wk_ideal_options_init(wk_ideal_options *o);

typedef struct wk_ideal {
  wk_image image;    /* the picture, as large as the network's input */
  double p;          /* probability of the class, for exactly these 8-bit pixels */
  int steps;         /* done */
  double *losses;    /* [steps] */
  wk_image *moments; /* pictures on the way, evenly in the logarithm of the step */
  int *moment_step;
  int moment_count;
} wk_ideal;

/* The lens has batch 1 and the input's size. Stage of progress: "ideal". Deterministic. */
WK_API wk_status wk_ideal_make(wk_ideal **out, wk_lens *lens, const wk_preprocess *p, const wk_ideal_options *o,
                               const wk_context *ctx, wk_error *err) WK_NODISCARD;
WK_API void wk_ideal_free(wk_ideal *ideal);

/* Anisotropic total variation, sum of |difference| to the right and lower neighbour over channels, of x [height, width,
 * 3]; adds weight * its (sub)gradient to `gradient` (may be NULL) and returns weight * the sum. */
WK_API double wk_total_variation(float *gradient, const float *x, int height, int width, double weight);

#ifdef __cplusplus
}
#endif
#endif

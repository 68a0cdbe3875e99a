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
  WK_IDEAL_BEST = 0, /* what people recognise: a canvas with decorrelated colours (wk_paint), seen through several windows a
                      * step that are shifted, turned, zoomed and mirrored at random, and Adam (after Olah, Mordvintsev and Schubert,
                      * "Feature visualization", Distill 2017) */
  WK_IDEAL_LESSON    /* plain gradient descent on the normalised input from noise: cross-entropy, or 10 cross-entropy + tv
                      * total variation */
} wk_ideal_method;

/* What BEST descends in. */
typedef enum wk_paint {
  WK_PAINT_PYRAMID = 0, /* planes of six scales, added up */
  WK_PAINT_FOURIER,     /* coefficients of frequencies, the low ones as easy to change as in photos */
  WK_PAINT_PIXELS       /* single pixels */
} wk_paint;

typedef struct wk_ideal_options {
  wk_ideal_method method;
  int target;          /* the class */
  int steps;           /* default 0: 256 (BEST), 1000 (LESSON) */
  double rate;         /* step size; default 0: BEST (Adam) 0.03, 0.05 for FOURIER; LESSON 1 */
  double tv;           /* weight of the total variation: the sum over neighbours of |difference|. BEST: of RGB in 0..1, default 0.0004;
                        * LESSON: of the normalised input, default 0. Negative: the default */
  bool isotropic;      /* total variation by the length of the two differences of a pixel instead of their sum */
  double l2;           /* weight of the sum of squares: of RGB's distance from grey (BEST), of the normalised input (LESSON); default 0 */
  double blur;         /* deviation in pixels of a Gaussian that smooths the picture's gradient; default 0: none */
  int octaves;         /* BEST, not PIXELS: from coarse to fine in so many stages, each with twice the detail; default 3 */
  wk_paint paint;      /* BEST */
  int views;           /* BEST: windows a step; default 4 */
  double jitter;       /* BEST: windows are shifted by up to this share of the input's side; default 0.1 */
  double turn;         /* BEST: and turned by up to so many degrees; default 10 */
  double zoom;         /* BEST: and show as little as this share of the input's side; 1: none; default 0.6 */
  double enough;       /* LESSON: stop at this probability; default 2: never */
  const uint8_t *from; /* BEST: [height, width, 3] a photo to start from instead of noise; NULL: noise */
  int moments;         /* pictures to keep on the way; default 8 */
  bool even_moments;   /* evenly in the step, as a film needs them, instead of in its logarithm */
  uint64_t seed;
} wk_ideal_options;

WK_API void wk_ideal_options_init(wk_ideal_options *o);

typedef struct wk_ideal {
  wk_image image;    /* the picture, as large as the network's input */
  double p;          /* probability of the class, for exactly these 8-bit pixels */
  int steps;         /* done */
  double *losses;    /* [steps] */
  wk_image *moments; /* pictures on the way */
  int *moment_step;
  int moment_count;
} wk_ideal;

/* The lens has batch 1 and the input's size. BEST computes a step's windows in parallel, each thread with a lens that shares this
 * one's weights: make it with threads = 1. Stage of progress: "ideal" and the probability so far, in steps. Deterministic. */
WK_API wk_status wk_ideal_make(wk_ideal **out, wk_lens *lens, const wk_preprocess *p, const wk_ideal_options *o,
                               const wk_context *ctx, wk_error *err) WK_NODISCARD;
/* The same for `count` classes at once, each by one thread with a lens of its own: out[i] is what wk_ideal_make gives for
 * target[i]. */
WK_API wk_status wk_ideal_make_several(wk_ideal **out, wk_lens *lens, const wk_preprocess *p, const wk_ideal_options *o,
                                       const int *target, int count, const wk_context *ctx, wk_error *err) WK_NODISCARD;
WK_API void wk_ideal_free(wk_ideal *ideal);

/* Anisotropic total variation, sum of |difference| to the right and lower neighbour over channels, of x [height, width,
 * 3]; adds weight * its (sub)gradient to `gradient` (may be NULL) and returns weight * the sum. */
WK_API double wk_total_variation(float *gradient, const float *x, int height, int width, double weight);
/* Isotropic: the sum of sqrt(right^2 + down^2 + 1e-8) over pixels and channels; differences over the edge are 0. */
WK_API double wk_total_variation_isotropic(float *gradient, const float *x, int height, int width, double weight);

#ifdef __cplusplus
}
#endif
#endif

/* visualize.h - class visualization: the picture that a network finds most like a class. */
#ifndef WHISKER_VISUALIZE_H
#define WHISKER_VISUALIZE_H

#include "whisker/diff_classifier.h"
#include "whisker/options.h"
#include "whisker/image.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum wk_visualize_method {
  WK_VISUALIZE_ROBUST = 0, /* what people recognise: decorrelated colours (wk_parameterization), seen through several
                            * windows a step that are shifted, turned, zoomed and mirrored at random, and Adam (after
                            * Olah, Mordvintsev and Schubert, "Feature visualization", Distill 2017) */
  WK_VISUALIZE_PLAIN /* plain gradient descent on the normalised input from noise: cross-entropy, or 10 cross-entropy +
                      * tv total variation */
} wk_visualize_method;

/* What ROBUST descends in. */
typedef enum wk_parameterization {
  WK_PARAMETERIZATION_PYRAMID = 0, /* planes of six scales, added up */
  WK_PARAMETERIZATION_FOURIER,     /* coefficients of frequencies, the low ones as easy to change as in photos */
  WK_PARAMETERIZATION_PIXELS       /* single pixels */
} wk_parameterization;

typedef struct wk_visualize_options {
  wk_visualize_method method;
  int target;  /* the class */
  int steps;   /* default 0: 256 (ROBUST), 1000 (PLAIN) */
  double rate; /* step size; default 0: ROBUST (Adam) 0.03, 0.05 for FOURIER; PLAIN 1 */
  double tv; /* weight of the total variation: the sum over neighbours of |difference|. ROBUST: of RGB in 0..1, default
              * 0.0004; PLAIN: of the normalised input, default 0. Negative: the default */
  bool isotropic; /* total variation by the length of the two differences of a pixel instead of their sum */
  double l2;   /* weight of the sum of squares: of RGB's distance from grey (ROBUST), of the normalised input (PLAIN);
                  default 0 */
  double blur; /* deviation in pixels of a Gaussian that smooths the picture's gradient; default 0: none */
  int octaves; /* ROBUST, not PIXELS: from coarse to fine in so many stages, each with twice the detail; default 3 */
  wk_parameterization parameterization; /* ROBUST */
  int views;                            /* ROBUST: windows a step; default 4 */
  double jitter; /* ROBUST: windows are shifted by up to this share of the input's side; default 0.1 */
  double turn;   /* ROBUST: and turned by up to so many degrees; default 10 */
  double zoom;   /* ROBUST: and show as little as this share of the input's side; 1: none; default 0.6 */
  double coarse; /* ROBUST: share of the windows that are seen blurred, as from afar, so that large shapes count and
                  * not texture alone; default 0.5 */
  double target_probability; /* PLAIN: stop at this probability; default 2: never */
  const uint8_t *from;       /* ROBUST: [height, width, 3] a photo to start from instead of noise; NULL: noise */
  int snapshots;             /* pictures to keep on the way; default 8 */
  bool even_snapshots;       /* evenly in the step, as a film needs them, instead of in its logarithm */
  uint64_t seed;
} wk_visualize_options;

WK_API void wk_visualize_options_init(wk_visualize_options *o);
WK_API const wk_option_table *wk_visualize_options_table(void);

typedef struct wk_visualization {
  wk_image image;      /* the picture, as large as the network's input */
  double p;            /* probability of the class, for exactly these 8-bit pixels */
  int step;            /* after which it was kept: ROBUST the last, PLAIN the one with the largest p */
  int steps;           /* done */
  double *losses;      /* [steps] */
  wk_image *snapshots; /* pictures on the way */
  int *snapshot_step;
  double *snapshot_p; /* what the network said at that step; ROBUST: the mean over the windows */
  int snapshot_count;
} wk_visualization;

/* The classifier has batch 1 and the input's size. ROBUST computes a step's windows in parallel, each thread with a
 * classifier that shares this one's weights: make it with threads = 1. Stage of progress: "ideal" and the probability
 * so far, in steps. Deterministic. */
WK_API wk_status wk_visualize_class(wk_visualization **out, wk_diff_classifier *classifier, const wk_preprocess *p,
                                    const wk_visualize_options *o, const wk_context *ctx, wk_error *err) WK_NODISCARD;
/* The same for `count` classes at once, each by one thread with a classifier of its own: out[i] is what
 * wk_visualize_class gives for target[i]. */
WK_API wk_status wk_visualize_classes(wk_visualization **out, wk_diff_classifier *classifier, const wk_preprocess *p,
                                      const wk_visualize_options *o, const int *target, int count,
                                      const wk_context *ctx, wk_error *err) WK_NODISCARD;
WK_API void wk_visualization_free(wk_visualization *ideal);

/* Anisotropic total variation, sum of |difference| to the right and lower neighbour over channels, of x [height, width,
 * 3]; adds weight * its (sub)gradient to `gradient` (may be NULL) and returns weight * the sum. */
WK_API double wk_total_variation(float *gradient, const float *x, int height, int width, double weight);
/* Isotropic: the sum of sqrt(right^2 + down^2 + 1e-8) over pixels and channels; differences over the edge are 0. */
WK_API double wk_total_variation_isotropic(float *gradient, const float *x, int height, int width, double weight);

#ifdef __cplusplus
}
#endif
#endif

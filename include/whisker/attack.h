/* attack.h - adversarial photos: small changes of pixels that change what a model sees, and how much a model
 * withstands.
 *
 * Everything happens in pixels, before normalising: height x width x 3 grey levels from 0 to 255; either those that the
 * network sees, after resizing and cropping, or those of the whole photo, whose changes then go through resizing and
 * cropping. Distances are in grey levels. */
#ifndef WHISKER_ATTACK_H
#define WHISKER_ATTACK_H

#include "whisker/diff_classifier.h"
#include "whisker/options.h"
#include "whisker/image.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum wk_attack_method {
  WK_ATTACK_PGD = 0,  /* projected gradient descent (Madry et al. 2018), in the L-infinity ball */
  WK_ATTACK_FGSM,     /* one step of the gradient's sign (Goodfellow et al. 2015) */
  WK_ATTACK_L2,       /* projected gradient descent in the L2 ball */
  WK_ATTACK_PLAIN,    /* the bare gradient of the normalised input, without a bound */
  WK_ATTACK_DEEPFOOL, /* nearest linearised decision boundary, without a bound (Moosavi-Dezfooli et al. 2016) */
  WK_ATTACK_CW,       /* smallest L2 change, by Adam and a search over the trade-off (Carlini and Wagner 2017) */
  WK_ATTACK_PATCH     /* a square of any colours; the rest of the photo stays */
} wk_attack_method;

typedef struct wk_attack_options {
  wk_attack_method method;
  int target;     /* class to reach; -1 (default): anything but `avoid` */
  int avoid;      /* class to leave, when target is -1; -1 (default): what the model sees in the photo */
  double eps_255; /* PGD, FGSM: largest change of any value; L2: root mean square of the change. Default 2 */
  int steps;      /* default 0: 40 (PGD, L2), 100 (PLAIN), 50 (DEEPFOOL), 300 (CW), 200 (PATCH); FGSM has one */
  double step; /* default 0: PGD 0.5 grey level at least, or eps / 8; PLAIN 1 (learning rate); the others their own */
  double momentum; /* PGD, L2: share of the last direction that is kept (Dong et al. 2018); default 0 */
  int restarts;    /* PGD, L2: from random points of the ball after the photo itself has failed; default 0 */
  int patch;       /* side of the patch in pixels; default 32; 1 is a single pixel */
  int width,
      height; /* of `pixels`; default 0, 0: they are what the network sees. Otherwise a whole photo of that size */
  double confidence; /* stop when the target has this probability (untargeted: when `avoid` has less than 1 minus it);
                        default 0.9 */
  bool whole_levels; /* the result is 8 bits inside the bound (default true); false: any value, as robustness curves
                        need */
} wk_attack_options;

WK_API void wk_attack_options_init(wk_attack_options *o);
WK_API wk_status wk_attack_options_validate(const wk_attack_options *o, int classes, wk_error *err) WK_NODISCARD;
WK_API const wk_option_table *wk_attack_options_table(void);

typedef struct wk_attack_result {
  float *pixels;     /* as large as those attacked, in 0..255; whole numbers with whole_levels. wk_attack_result_free */
  int before, after; /* classes */
  float p_before, p_after;               /* probability of that class */
  float p_target_before, p_target_after; /* of `target`; of the class to leave when there is none */
  bool success;                          /* the target is what the model sees; without a target: `avoid` is not */
  double linf_255, l2_255;               /* of the change, in grey levels */
  int steps;                             /* gradients taken */
} wk_attack_result;

/* Attacks the picture `pixels` (values 0..255; whole ones where it is a whole photo) that the model behind `classifier`
 * sees through `p`. The classifier has batch 1 and the input's size. Random starts come from (seed, stream). A failed
 * attack is no error: `success` is false and the closest is given. WK_ERR_ARGUMENT when the picture already is of the
 * target class, and for a whole photo without whole_levels. */
WK_API wk_status wk_attack_run(wk_attack_result *out, wk_diff_classifier *classifier, const wk_preprocess *p,
                               const float *pixels, const wk_attack_options *o, uint64_t seed, uint64_t stream,
                               wk_error *err) WK_NODISCARD;
WK_API void wk_attack_result_free(wk_attack_result *r);

/* ---- how much a model withstands ---------------------------------------------------------------- */

/* Ordinary damage, with the strengths of ImageNet-C (Hendrycks and Dietterich 2019) at severities 1 to 5. */
typedef enum wk_corruption {
  WK_CORRUPTION_NOISE = 0,
  WK_CORRUPTION_BLUR,
  WK_CORRUPTION_JPEG,
  WK_CORRUPTION_BRIGHTNESS,
  WK_CORRUPTION_CONTRAST,
  WK_CORRUPTION_ROTATION,
  WK_CORRUPTION_COUNT
} wk_corruption;
#define WK_SEVERITIES 5

WK_API const char *wk_corruption_name(wk_corruption damage);
/* `out` and `in`: height * width * 3 bytes. Noise comes from (seed, stream). */
WK_API wk_status wk_corruption_apply(uint8_t *out, const uint8_t *in, int width, int height, wk_corruption damage,
                                     int severity, uint64_t seed, uint64_t stream, wk_error *err) WK_NODISCARD;

typedef struct wk_robust_options {
  const double *eps_255; /* strengths, ascending */
  int count;
  int steps, restarts; /* of PGD at each strength; defaults 20 and 1 */
  bool corruptions;    /* measure ordinary damage too; default true */
} wk_robust_options;

WK_API void wk_robust_options_init(wk_robust_options *o); /* 0, 1/4, 1/2, 1, 2, 4, 8 */
WK_API const wk_option_table *wk_robust_options_table(void);

typedef struct wk_robust {
  size_t photo_count; /* that could be read */
  int count;
  size_t *right; /* [count] photos that stay right under untargeted PGD */
  size_t corruption_right[WK_CORRUPTION_COUNT][WK_SEVERITIES];
} wk_robust;

/* Photos in parallel, the same for any number of threads. Stage of progress: "robust". */
WK_API wk_status wk_robust_measure(wk_robust **out, const wk_model *m, const char *const *path, const int *label,
                                   size_t photos, const wk_robust_options *o, const wk_context *ctx,
                                   wk_error *err) WK_NODISCARD;
WK_API void wk_robust_free(wk_robust *r);

#ifdef __cplusplus
}
#endif
#endif

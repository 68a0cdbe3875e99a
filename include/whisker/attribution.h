/* attribution.h - which parts of a photo speak for a class: class-activation maps, attributions of pixels, occlusion,
 * and the check whether a map depends on what was learned at all. */
#ifndef WHISKER_ATTRIBUTION_H
#define WHISKER_ATTRIBUTION_H

#include "whisker/diff_classifier.h"
#include "whisker/options.h"
#include "whisker/explain_input.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- attribution to a class ------------------------------------------------------------------- */

/* Of a layer's activations A and the gradients G of the class's score (before the softmax) with respect to them: */
typedef enum wk_attribution_method {
  WK_ATTRIBUTION_GRADCAM = 0, /* channels weighed by the mean of G (Selvaraju et al., ICCV 2017) */
  WK_ATTRIBUTION_GRADCAM_PP,  /* by a weighted mean of the positive G (Chattopadhay et al., WACV 2018) */
  WK_ATTRIBUTION_SCORECAM, /* by what the network says to the photo seen through each channel (Wang et al., CVPRW 2020)
                            */
  WK_ATTRIBUTION_HIRESCAM, /* G * A, summed over channels (Draelos, Carin 2020): faithful where what follows is linear
                            */
  /* Of the pixels: */
  WK_ATTRIBUTION_GRADINPUT,  /* gradient * input */
  WK_ATTRIBUTION_SMOOTHGRAD, /* |mean gradient| over noisy copies (Smilkov et al. 2017) */
  WK_ATTRIBUTION_IG, /* integrated gradients along the line from a photo without anything (Sundararajan et al., ICML
                        2017) */
  WK_ATTRIBUTION_METHODS
} wk_attribution_method;

typedef struct wk_attribution_options {
  wk_attribution_method method;
  int target;       /* the class */
  wk_node layer;    /* of the first four; -1 (default): the last one with positions, before the pooling */
  int channels;     /* SCORECAM: only those that vary most, 0: all; default 256 */
  int samples;      /* SMOOTHGRAD: noisy copies; default 32 */
  double noise;     /* SMOOTHGRAD: deviation of the noise, as a share of the input's range; default 0.15 */
  bool black;       /* IG: start from black instead of the network's mean colour (the input of zeros) */
  double tolerance; /* IG: the share of the score's difference that may be missing; default 0.005 */
  int steps;        /* IG: at most so many points on the line (18, 54, 162, ... are tried); default 162 */
  uint64_t seed;    /* of the noise, and of shuffling */
} wk_attribution_options;

WK_API void wk_attribution_options_init(wk_attribution_options *o);
WK_API const wk_option_table *wk_attribution_options_table(void);
WK_API const char *wk_attribution_method_name(wk_attribution_method method); /* "Grad-CAM"; never NULL */
WK_API bool wk_attribution_of_pixels(wk_attribution_method method);

typedef struct wk_attribution {
  int height, width; /* of the layer; methods of pixels: of the input */
  float *map;        /* [height, width] evidence for the class; below 0: against it (GRADINPUT and IG alone) */
  bool of_pixels;
  wk_node layer;   /* -1 for methods of pixels */
  double score, p; /* of the class, for the photo as it is */
  /* IG: the score that the map adds up to, and what it should be (the score less that of where the line begins) */
  double total, expected;
  int steps; /* gradients or predictions taken */
} wk_attribution;

/* `input`: a photo as wk_explain_input has it. Stage of progress: "looking". The same for any number of threads.
 * WK_ERR_UNSUPPORTED for a model without classes or without gradients, WK_ERR_ARGUMENT for a layer without positions.
 */
WK_API wk_status wk_attribution_make(wk_attribution **out, const wk_model *m, const float *input,
                                     const wk_attribution_options *o, const wk_context *ctx,
                                     wk_error *err) WK_NODISCARD;
WK_API void wk_attribution_free(wk_attribution *c);

/* The map at height x width (the input's): enlarged bilinearly, or, of pixels, smoothed so that an eye can follow.
 * *out: wk_free. */
WK_API wk_status wk_attribution_upsample(float **out, const wk_attribution *c, int height, int width,
                                         wk_error *err) WK_NODISCARD;

/* ---- does the map depend on what was learned? -------------------------------------------------- */

/* The map of a network whose weights are shuffled, from the classes towards the pixels, layer group by group (Adebayo
 * et al., "Sanity checks for saliency maps", NeurIPS 2018). */
typedef struct wk_sanity_step {
  char name[64]; /* "head", then "head to layer4", ..., "everything" */
  wk_attribution *cam;
  double correlation; /* rank correlation (Spearman) with the true map; not a number where one of them is flat */
} wk_sanity_step;

/* At most 6 steps; the last has everything shuffled. `cam`: the true map for `o`. */
WK_API wk_status wk_sanity_check(wk_sanity_step **out, int *count, const wk_attribution *cam, const wk_model *m,
                                 const float *input, const wk_attribution_options *o, const wk_context *ctx,
                                 wk_error *err) WK_NODISCARD;
WK_API void wk_sanity_free(wk_sanity_step *steps, int count);
/* Spearman's rank correlation, ties sharing their mean rank; not a number where one side does not vary. */
WK_API wk_status wk_rank_correlation(double *out, const float *a, const float *b, size_t n, wk_error *err) WK_NODISCARD;

/* ---- occlusion --------------------------------------------------------------------------------- */

typedef struct wk_occlusion_options {
  int target;
  int patch; /* side in pixels of the input; default 0: a seventh of the shorter side */
  int step;  /* from one place to the next; default 0: half the patch */
  int batch; /* photos a call; default 8 */
} wk_occlusion_options;

WK_API void wk_occlusion_options_init(wk_occlusion_options *o);
WK_API const wk_option_table *wk_occlusion_options_table(void);

typedef struct wk_occlusion {
  int rows, columns, patch, step; /* places of the patch */
  float *drop;                    /* [rows, columns] the class's probability that is lost when this place is hidden */
  int height, width;
  float *map; /* [height, width] the mean over the patches that lie on a pixel, weighed by how near their middles are */
  double p;   /* of the class, nothing hidden */
} wk_occlusion;

/* Hides places under the photo's mean colour (Zeiler, Fergus, ECCV 2014). Works for every head. Stage: "looking". */
WK_API wk_status wk_occlusion_make(wk_occlusion **out, const wk_model *m, const float *input,
                                   const wk_occlusion_options *o, const wk_context *ctx, wk_error *err) WK_NODISCARD;
WK_API void wk_occlusion_free(wk_occlusion *o);

/* ---- seeing it --------------------------------------------------------------------------------- */

/* The region that holds most of the evidence: connected, at least half as strong as the strongest place. */
typedef struct wk_attribution_region {
  double share;   /* of all evidence for the class; 0: there is none */
  double area;    /* of the photo */
  char place[24]; /* in the photo: "upper left", "middle", ... */
} wk_attribution_region;

/* `map` [height, width] at the size of view's input. */
WK_API wk_status wk_attribution_region_find(wk_attribution_region *out, const float *map, const wk_explain_input *view,
                                            wk_error *err) WK_NODISCARD;
/* The photo at its own size, paler, under the map's colours: yellow to red for more and more evidence, nothing where
 * there is none; blue against. What the network does not see of the photo is grey. `largest`: the value of the
 * strongest colour; 0: the map's own. */
WK_API wk_status wk_attribution_draw(wk_image *out, const float *map, const wk_explain_input *view, double largest,
                                     wk_error *err) WK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif

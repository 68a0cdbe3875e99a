/* filters.h - what channels look for: the first layer's filters themselves, the places of photos that excite a channel
 * most, and the picture that would excite it most of all. Works on any network, also one without classes. */
#ifndef WHISKER_FILTERS_H
#define WHISKER_FILTERS_H

#include "whisker/explain_input.h"
#include "whisker/options.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wk_filters {
  const char *name;         /* the first convolution; belongs to the graph */
  int count, height, width; /* filters and their sides */
} wk_filters;

/* Filters of the first convolution as small pictures, each from its own most negative to its most positive weight
 * around grey. */
WK_API wk_status wk_filters_draw(wk_image *out, wk_filters *what, const wk_backbone *b, wk_error *err) WK_NODISCARD;

/* ---- places that excite a channel -------------------------------------------------------------- */

typedef struct wk_top_patch {
  size_t photo;    /* index into the paths */
  float value;     /* the channel's largest in that photo, */
  int row, column; /* at this position */
} wk_top_patch;

/* For every channel of `layer` the `most` photos in which it is excited most, strongest first, one place each: *out
 * holds [channels, most], of which the first *found of each channel are filled (as many as photos could be read).
 * Photos that cannot be read are reported through ctx->warn and left out. Stage of progress: "looking". The same for
 * any number of threads. */
WK_API wk_status wk_top_patches_find(wk_top_patch **out, int *found, const wk_backbone *b, wk_node layer, int most,
                                     const char *const *path, size_t photos, const wk_context *ctx,
                                     wk_error *err) WK_NODISCARD;
/* What the position sees of the photo, from the photo's own pixels, in at most side x side. Where it sees more than
 * half of what the network sees, a frame marks the middle. */
WK_API wk_status wk_top_patch_crop(wk_image *out, const wk_top_patch *patch, const char *path, const wk_backbone *b,
                                   wk_node layer, int side, wk_error *err) WK_NODISCARD;

/* ---- the picture that excites a channel most --------------------------------------------------- */

typedef struct wk_activation_max_options {
  int steps;   /* default 96 */
  double rate; /* default 0.05 (Adam) */
  int size;    /* of the picture; default 0: what a position sees, from 96 to 160 or the input's size */
  uint64_t seed;
} wk_activation_max_options;

WK_API void wk_activation_max_options_init(wk_activation_max_options *o);
WK_API const wk_option_table *wk_activation_max_options_table(void);
/* For each of `channels` channels of `layer` a picture that raises its mean over all positions, by ascending from noise
 * (Erhan et al. 2009; Olah, Mordvintsev, Schubert, "Feature visualization", Distill 2017). Where the layer is an
 * activation or a pooling, what enters it is raised, for beyond zero and below a maximum there is no gradient. out:
 * [channels] pictures, zeroed before; rise: [channels] the mean at the end less that of the noise at the start. Stage
 * of progress: "painting". The same for any number of threads. */
WK_API wk_status wk_activation_max_make(wk_image *out, double *rise, const wk_backbone *b, wk_node layer,
                                        const int *channel, int channels, const wk_activation_max_options *o,
                                        const wk_context *ctx, wk_error *err) WK_NODISCARD;

/* ---- seeing it --------------------------------------------------------------------------------- */

typedef struct wk_channel_row {
  int channel;
  const wk_image *ideal; /* NULL: none was made */
  const wk_image *patch; /* [patches] strongest first */
  const float *value;    /* [patches] of the channel there */
  int patches;           /* 0: none were looked for */
} wk_channel_row;

/* One row a channel: the picture that excites it, then the places that do; without places all pictures in a grid.
 * `layer`: its name. */
WK_API wk_status wk_channels_draw(wk_image *out, const char *layer, const wk_receptive_field *field,
                                  const wk_channel_row *row, int rows, wk_error *err) WK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif

/* feature_maps.h - what a photo does to a layer: its channels as maps, their statistics, and pictures of them. Works
 * on any network, also one without classes. */
#ifndef WHISKER_FEATURE_MAPS_H
#define WHISKER_FEATURE_MAPS_H

#include "whisker/explain_input.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wk_feature_maps {
  wk_node node;
  const char *name, *stage; /* belong to the graph; stage may be NULL */
  wk_shape shape;
  wk_receptive_field field;
  float *value;    /* [height, width, channels] */
  float *strength; /* [channels] root mean square of each */
  int *order;      /* [channels] strongest first */
  double mean, low, high;
  double bright; /* all but one value in 500 lie within -bright .. bright: where colours end */
  double zeros;  /* share of values that are exactly 0 */
  int dead;      /* channels that this photo leaves at 0 everywhere */
} wk_feature_maps;

/* What `input` ([height, width, 3], normalised, of b's preprocessing) does to each of `layers` layers, all in one run.
 * *out: `layers` of them; wk_feature_maps_free. */
WK_API wk_status wk_feature_maps_make(wk_feature_maps **out, const wk_backbone *b, const float *input,
                                      const wk_node *layer, int layers, const wk_context *ctx,
                                      wk_error *err) WK_NODISCARD;
WK_API void wk_feature_maps_free(wk_feature_maps *maps, int layers);

typedef struct wk_feature_maps_style {
  int channels;        /* shown of each layer, strongest first; 0: as many as suit the picture */
  bool own_scale;      /* every map has colours of its own, not one scale a layer: the shape of weak ones shows */
  wk_colormap colours; /* WK_COLORMAP_COUNT: viridis from 0, or coolwarm around 0 where many values have a sign */
} wk_feature_maps_style;

WK_API void wk_feature_maps_style_init(wk_feature_maps_style *s); /* 0, one scale, WK_COLORMAP_COUNT */

/* A layer's channels as a grid (default: 60), under its name, shape and statistics, above its flat heat map. */
WK_API wk_status wk_feature_maps_draw(wk_image *out, const wk_feature_maps *m, const wk_explain_input *view,
                                      const wk_feature_maps_style *s, wk_error *err) WK_NODISCARD;
/* One row of maps a layer (default: 9 each). */
WK_API wk_status wk_feature_maps_draw_overview(wk_image *out, const wk_feature_maps *maps, int layers,
                                               const wk_explain_input *view, const wk_feature_maps_style *s,
                                               wk_error *err) WK_NODISCARD;
/* The flat heat map alone: one row a position (read line by line), one column a channel. */
WK_API wk_status wk_feature_maps_draw_flat(wk_image *out, const wk_feature_maps *m, const wk_feature_maps_style *s,
                                           wk_error *err) WK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif

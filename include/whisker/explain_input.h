/* explain_input.h - a photo as a network sees it, the layers worth looking at, and how much of the photo each place of
 * a layer sees: what every way of looking begins with. */
#ifndef WHISKER_EXPLAIN_INPUT_H
#define WHISKER_EXPLAIN_INPUT_H

#include "whisker/draw.h"
#include "whisker/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wk_explain_input {
  wk_image photo; /* at its own size */
  wk_image seen;  /* what the network sees of it, before normalising */
  float *input;   /* [seen.height, seen.width, 3], normalised */
  double box[4];  /* where `seen` lies in the photo: (x0, y0, x1, y1) in the photo's pixels */
} wk_explain_input;

/* Zeroes *out first, so that it may be freed whatever is returned. */
WK_API wk_status wk_explain_input_open(wk_explain_input *out, const char *path, const wk_preprocess *p,
                                       wk_error *err) WK_NODISCARD;
WK_API void wk_explain_input_free(wk_explain_input *v);
/* Probabilities [label_count] of the photo; any head. WK_ERR_UNSUPPORTED for a model without classes. */
WK_API wk_status wk_explain_input_predict(float *p, const wk_explain_input *v, const wk_model *m, const wk_context *ctx,
                                          wk_error *err) WK_NODISCARD;

/* The layer that `name` means: a layer's name, or a stage's ("layer3", "block5"), which means the last layer of it that
 * has positions. WK_ERR_NOT_FOUND lists those there are. */
WK_API wk_status wk_layer_find(wk_node *out, const wk_graph *g, const char *name, wk_error *err) WK_NODISCARD;
/* An overview from the first stage to the last: of each stage the last layer that has positions. *out is freed with
 * wk_free. */
WK_API wk_status wk_layer_overview(wk_node **out, int *count, const wk_graph *g, wk_error *err) WK_NODISCARD;
/* The last layer with positions that `node` depends on, before any pooling that follows it; -1: none. */
WK_API wk_status wk_layer_last_spatial(wk_node *out, const wk_graph *g, wk_node node, wk_error *err) WK_NODISCARD;

/* What one position of a layer sees of the input (its receptive field): position (i, j) sees `height` rows from
 * top + i * step_y on and `width` columns from left + j * step_x on, of which some may lie outside. Paths through
 * squeeze-and-excite, which weigh channels by the mean of the whole picture, are not counted. */
typedef struct wk_receptive_field {
  bool whole; /* every position sees everything: the layer comes after the pooling. The rest is 0 */
  int top, left, height, width, step_y, step_x;
} wk_receptive_field;

/* At input size height x width (0, 0: the graph's own). */
WK_API wk_status wk_layer_receptive_field(wk_receptive_field *out, const wk_graph *g, wk_node node, int height,
                                          int width, wk_error *err) WK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif

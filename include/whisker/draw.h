/* draw.h - pictures made of pictures: numbers as colours, text, overlays, contact sheets. Everything is clipped to the
 * canvas, so that nothing here can write outside of it. */
#ifndef WHISKER_DRAW_H
#define WHISKER_DRAW_H

#include "whisker/image.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- numbers as colours ------------------------------------------------------------------------ */

typedef enum wk_colormap {
  WK_COLORMAP_VIRIDIS = 0, /* perceptually even, dark to light (van der Walt, Smith 2015) */
  WK_COLORMAP_MAGMA,       /* the same from black */
  WK_COLORMAP_TURBO,       /* rainbow without the rainbow's bands (Mikhailov 2019) */
  WK_COLORMAP_COOLWARM,    /* blue, grey in the middle, red: for numbers with a sign (Moreland 2009) */
  WK_COLORMAP_GREY,
  WK_COLORMAP_COUNT,       /* those to choose from; beyond them: */
  WK_COLORMAP_ATTRIBUTION, /* what wk_attribution_draw lays over a photo: blue (against), nothing, yellow to red (for)
                            */
  WK_COLORMAP_ATTRIBUTION_FOR /* its upper half */
} wk_colormap;

/* Colour of t in 0 .. 1, cut off outside; a mid grey for what is not a number. */
WK_API void wk_colormap_at(uint8_t rgb[3], wk_colormap map, double t);

/* Smallest and largest finite value; 0 and 0 where there is none. */
WK_API void wk_heatmap_range(double *low, double *high, const float *map, size_t n);
/* [height, width] floats to another size; WK_FILTER_NEAREST or WK_FILTER_BILINEAR without antialiasing, as PyTorch's
 * interpolate(align_corners=False). */
WK_API wk_status wk_heatmap_resize(float *out, int out_width, int out_height, const float *map, int width, int height,
                                   wk_filter filter, wk_error *err) WK_NODISCARD;
/* A picture of [height, width] floats: low is the map's first colour, high its last; low == high: the values' own
 * range. */
WK_API wk_status wk_heatmap_draw(wk_image *out, const float *map, int width, int height, double low, double high,
                                 wk_colormap colours, wk_error *err) WK_NODISCARD;

/* ---- on a canvas ------------------------------------------------------------------------------- */

WK_API void wk_draw_fill(wk_image *canvas, int x, int y, int width, int height, const uint8_t rgb[3]);
WK_API void wk_draw_frame(wk_image *canvas, int x, int y, int width, int height, int thickness, const uint8_t rgb[3]);
WK_API void wk_draw_image(wk_image *canvas, const wk_image *piece, int x, int y);
/* The colours of a map from left (low) to right (high). */
WK_API void wk_draw_colorbar(wk_image *canvas, int x, int y, int width, int height, wk_colormap colours);

/* ---- the frame around every picture ------------------------------------------------------------ */

/* What a colour bar says: the colours of numbers from `low` to `high`. */
typedef struct wk_legend {
  wk_colormap colours;
  const char *low, *high; /* numbers or words at its ends */
  const char *what;       /* and what they are: "activation", "logit per pixel" */
} wk_legend;

/* Texts are UTF-8 in any script, written by Pango where it is installed and in plain Latin letters elsewhere (see
 * wk_text_missing). What is too long is cut with an ellipsis. */
typedef struct wk_frame {
  const char *title;    /* what was done to what; NULL: none */
  const char *subtitle; /* the class and its probability, the model; NULL: none */
  const char *note;     /* under the picture, one sentence: what to look for; NULL: none */
  const wk_legend *legends;
  int legend_count;
  int density; /* pixels a unit, 1 to 4; 0: 2, for sharp screens. All other sizes are in units */
} wk_frame;

/* How many letters of `text` cannot be written on pictures here, and in `why` what to install; 0: all can. */
WK_API wk_status wk_text_missing(int *missing, char *why, size_t room, const char *text, wk_error *err) WK_NODISCARD;

/* ---- contact sheets ---------------------------------------------------------------------------- */

typedef struct wk_sheet {
  wk_frame frame;
  int columns;                 /* 0: about as many as rows */
  int cell_width, cell_height; /* 0: of the shape of the largest picture, its longer side 224 to 448 units */
  int gap;                     /* between cells and around */
  int label_lines;             /* lines under each picture; 0: as many as the labels have */
  int marked;                  /* the picture with a frame around it, from 1; 0: none */
  bool crisp;                  /* pictures are enlarged without smoothing: their pixels are what is shown */
} wk_sheet;

/* No texts, a gap of 8. */
WK_API void wk_sheet_init(wk_sheet *sheet);
/* `count` pictures, each as large as fits its cell, with labels (NULL, or NULL each: none; lines split at '\n'; cut off
 * with an ellipsis where they are too long). Pictures below 64 pixels are enlarged a whole number of times, without
 * smoothing. */
WK_API wk_status wk_sheet_draw(wk_image *out, const wk_image *picture, const char *const *label, int count,
                               const wk_sheet *sheet, wk_error *err) WK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif

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
  WK_COLORMAP_COUNT
} wk_colormap;

WK_API const char *wk_colormap_name(wk_colormap map); /* "viridis"; never NULL */
WK_API bool wk_colormap_find(wk_colormap *map, const char *name);
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
WK_API void wk_draw_line(wk_image *canvas, int x0, int y0, int x1, int y1, const uint8_t rgb[3]);
WK_API void wk_draw_image(wk_image *canvas, const wk_image *piece, int x, int y);
/* canvas += (over - canvas) * alpha * weight; both of one size, weight a number a pixel in 0 .. 1 (NULL: 1 everywhere).
 */
WK_API wk_status wk_draw_overlay(wk_image *canvas, const wk_image *over, double alpha, const float *weight,
                                 wk_error *err) WK_NODISCARD;
/* The colours of a map from left (low) to right (high). */
WK_API void wk_draw_colorbar(wk_image *canvas, int x, int y, int width, int height, wk_colormap colours);

/* ---- text -------------------------------------------------------------------------------------- */

/* UTF-8; letters with accents lose them, what cannot be written is "?". scale 1: 16 pixels a line, 2: 32, ... */
WK_API int wk_text_width(const char *text, int scale);
WK_API int wk_text_height(int scale);
/* One line, (x, y) its top left. */
WK_API void wk_draw_text(wk_image *canvas, int x, int y, const char *text, int scale, const uint8_t rgb[3]);

/* ---- contact sheets ---------------------------------------------------------------------------- */

typedef struct wk_sheet {
  int columns;                 /* 0: about as many as rows */
  int cell_width, cell_height; /* 0: those of the largest picture */
  int gap;                     /* pixels between cells and around */
  int label_lines;             /* lines under each picture; 0: as many as the labels have */
  int scale;                   /* of the text */
  const char *title;           /* above everything; NULL: none */
  uint8_t ground[3], ink[3];
} wk_sheet;

/* White ground, black text, a gap of 6. */
WK_API void wk_sheet_init(wk_sheet *sheet);
/* `count` pictures with labels (NULL, or NULL each: none; lines split at '\n'; cut off with "..." where they are too
 * long). A picture that does not fit its cell is shrunk, one that is less than half as large is enlarged a whole number
 * of times. */
WK_API wk_status wk_sheet_draw(wk_image *out, const wk_image *picture, const char *const *label, int count,
                               const wk_sheet *sheet, wk_error *err) WK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif

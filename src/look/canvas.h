/* canvas.h (internal) - a picture as numbers that are good to descend in. What is shown is always RGB in 0..1; what is
 * changed are Fourier coefficients, a pyramid of planes, or plain pixels. */
#ifndef WK_LOOK_CANVAS_H
#define WK_LOOK_CANVAS_H

#include "base/base.h"
#include "whisker/look.h"

enum { WK_CANVAS_PLANES = 6 };

typedef struct wk_canvas {
  wk_paint paint;
  int height, width; /* of the picture */
  int h[WK_CANVAS_PLANES],
      w[WK_CANVAS_PLANES]; /* PYRAMID, PIXELS: of each plane. FOURIER: [0] the spectrum's sides, powers of two */
  size_t offset[WK_CANVAS_PLANES]; /* of each plane in `value` */
  int planes;
  double detail;                   /* share of the finest details that is painted: 1 all */
  size_t size;                     /* numbers */
  float *value, *gradient, *m, *v; /* [size]; m, v: Adam's */
  float *plain;                    /* [height, width, 3] before the colours are mixed */
  float *rgb;                      /* [height, width, 3] in 0..1 */
  float *d;                        /* [height, width, 3] d loss / d rgb */
  float *work;                     /* FOURIER: one channel's spectrum */
  float *scale;                    /* FOURIER: what each frequency is multiplied by, for ... */
  double scaled;                   /* ... this detail */
  float *circle;                   /* FOURIER: see wk_fourier */
} wk_canvas;

wk_status wk_canvas_open(wk_canvas *c, wk_paint paint, int height, int width, wk_error *err);
void wk_canvas_close(wk_canvas *c);
void wk_canvas_noise(wk_canvas *c, wk_rng *rng);
/* Becomes a photo of the canvas's size. */
void wk_canvas_photo(wk_canvas *c, const uint8_t *rgb);
void wk_canvas_render(wk_canvas *c);   /* value to rgb */
void wk_canvas_backward(wk_canvas *c); /* d to gradient; overwrites d */
void wk_canvas_adam(wk_canvas *c, int step, double rate);

/* fourier.c: in place, sides are powers of two; `sign` -1 is the forward transform. Nothing is scaled. `circle`:
 * [longer side] floats, from wk_fourier_circle. */
void wk_fourier_circle(float *circle, int n);
void wk_fourier(float *re_im, int height, int width, int sign, const float *circle);

#endif

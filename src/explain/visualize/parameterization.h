/* parameterization.h (internal) - a picture as numbers that are good to descend in. What is shown is always RGB in
 * 0..1; what is changed are Fourier coefficients, a pyramid of planes, or plain pixels. */
#ifndef WK_PARAMETERIZATION_H
#define WK_PARAMETERIZATION_H

#include "base/base.h"
#include "whisker/visualize.h"

enum { WK_PARAMETERS_PLANES = 6 };

typedef struct wk_parameters {
  wk_parameterization parameterization;
  int height, width; /* of the picture */
  int h[WK_PARAMETERS_PLANES],
      w[WK_PARAMETERS_PLANES]; /* PYRAMID, PIXELS: of each plane. FOURIER: [0] the spectrum's sides, powers of two */
  size_t offset[WK_PARAMETERS_PLANES]; /* of each plane in `value` */
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
} wk_parameters;

wk_status wk_parameters_open(wk_parameters *c, wk_parameterization paint, int height, int width, wk_error *err);
void wk_parameters_close(wk_parameters *c);
void wk_parameters_noise(wk_parameters *c, wk_rng *rng);
/* Becomes a photo of the canvas's size. */
void wk_parameters_photo(wk_parameters *c, const uint8_t *rgb);
void wk_parameters_render(wk_parameters *c);   /* value to rgb */
void wk_parameters_backward(wk_parameters *c); /* d to gradient; overwrites d */
void wk_parameters_adam(wk_parameters *c, int step, double rate);

/* fourier.c: in place, sides are powers of two; `sign` -1 is the forward transform. Nothing is scaled. `circle`:
 * [longer side] floats, from wk_fourier_circle. */
void wk_fourier_circle(float *circle, int n);
void wk_fourier(float *re_im, int height, int width, int sign, const float *circle);

#endif

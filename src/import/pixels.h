/* pixels.h (internal) - the conventions of how bytes become a network's input. */
#ifndef WK_IMPORT_PIXELS_H
#define WK_IMPORT_PIXELS_H

#include "import/import.h"

typedef enum wk_pixel_convention {
  WK_PIXELS_TORCH = 0,
  WK_PIXELS_TF,
  WK_PIXELS_CAFFE,
  WK_PIXELS_UNIT,
  WK_PIXELS_BYTES
} wk_pixel_convention;

/* Sets mean, std and bgr. */
void wk_pixels_set(wk_preprocess *p, wk_pixel_convention c);
const char *wk_pixels_meaning(wk_pixel_convention c);
/* "x / 127.5 - 1": what p does, in a few words. */
void wk_pixels_describe(char out[120], const wk_preprocess *p);
/* The network itself begins with scale * x + shift, of each channel: p does that, too. */
void wk_pixels_through(wk_preprocess *p, const float scale[3], const float shift[3]);

/* prepared.c: what whisker's own exports say of their preprocessing, as JSON: sets all of *p but the sides. *inside: the
 * network itself begins with the normalisation. false: it is something else, and *p is as it was. */
bool wk_prepared_read(wk_preprocess *p, bool *inside, const char *text);

#endif

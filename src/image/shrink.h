/* shrink.h (internal) - very large pictures at a half, a quarter and so on of their size, row by row as they are decoded, so that
 * memory is bounded by what is wanted of a picture and not by what its header says. */
#ifndef WK_IMAGE_SHRINK_H
#define WK_IMAGE_SHRINK_H

#include "base/base.h"
#include "whisker/image.h"

/* Pictures of at most so many pixels are decoded as they are. */
#define WK_WHOLE_PIXELS ((uint64_t)32 << 20)

/* 1, or as much smaller as is needed and options->min_width and min_height allow: then blocks of scale x scale pixels are averaged. */
int wk_shrink_scale(int width, int height, const wk_decode_options *options);

typedef struct wk_shrinker {
  wk_image *out; /* ceil(width / scale) x ceil(height / scale) */
  int width, height, scale, row;
  uint32_t *sum; /* [out->width * 3] of the rows of this block */
} wk_shrinker;

/* Allocates `out` (black) and what is needed on the way. Zeroed on failure; wk_shrinker_free does not free the picture. */
wk_status wk_shrinker_open(wk_shrinker *s, wk_image *out, int width, int height, int scale, wk_error *err);
void wk_shrinker_add(wk_shrinker *s, const uint8_t *rgb); /* the next row, width * 3 bytes */
void wk_shrinker_free(wk_shrinker *s);

#endif

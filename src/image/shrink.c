/* shrink.c - see shrink.h. */
#include "image/shrink.h"

#include <string.h>

int wk_shrink_scale(int width, int height, const wk_decode_options *options) {
  int scale = 1;
  while ((uint64_t)(width / scale) * (uint64_t)(height / scale) > WK_WHOLE_PIXELS && options->min_width > 0 &&
         options->min_height > 0 && width / (2 * scale) >= options->min_width &&
         height / (2 * scale) >= options->min_height)
    scale *= 2;
  return scale;
}

wk_status wk_shrinker_open(wk_shrinker *s, wk_image *out, int width, int height, int scale, wk_error *err) {
  *s = (wk_shrinker){.out = out, .width = width, .height = height, .scale = scale};
  WK_RETURN_IF_ERROR(wk_image_alloc(out, (width + scale - 1) / scale, (height + scale - 1) / scale, err));
  s->sum = wk_calloc((size_t)out->width * 3, sizeof *s->sum);
  if (s->sum)
    return WK_OK;
  wk_image_free(out);
  return WK_FAIL(err, WK_ERR_MEMORY, "no memory for a picture of %d x %d pixels", width, height);
}

/* Blocks at the right and lower edge may be smaller. */
static void finish_block(wk_shrinker *s, int rows) {
  uint8_t *to = s->out->pixels + (size_t)((s->row - 1) / s->scale) * (size_t)s->out->width * 3;
  for (int x = 0; x < s->out->width; x++) {
    const int left = s->width - x * s->scale, columns = left < s->scale ? left : s->scale;
    const uint32_t n = (uint32_t)(rows * columns);
    for (int c = 0; c < 3; c++)
      to[3 * x + c] = (uint8_t)((s->sum[3 * x + c] + n / 2) / n);
  }
  memset(s->sum, 0, (size_t)s->out->width * 3 * sizeof *s->sum);
}

void wk_shrinker_add(wk_shrinker *s, const uint8_t *rgb) {
  for (int x = 0; x < s->width; x++) {
    uint32_t *sum = s->sum + 3 * (size_t)(x / s->scale);
    for (int c = 0; c < 3; c++)
      sum[c] += rgb[3 * (size_t)x + (size_t)c];
  }
  s->row++;
  if (s->row % s->scale == 0 || s->row == s->height)
    finish_block(s, (s->row - 1) % s->scale + 1);
}

void wk_shrinker_free(wk_shrinker *s) {
  wk_free(s->sum);
  s->sum = NULL;
}

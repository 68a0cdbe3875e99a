/* image.c - the picture itself: its memory, and transparent pixels laid over white. */
#include <string.h>

#include "image/codec.h"

wk_status wk_image_alloc_raw(wk_image *out, int width, int height, wk_error *err) {
  if (width < 1 || height < 1)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a picture of %d x %d pixels was asked for; both sides must be at least 1",
                   width, height);
  size_t bytes;
  uint8_t *pixels = NULL;
  if (!wk_mul_overflow(&bytes, (size_t)width * (size_t)height, 3))
    pixels = wk_alloc(bytes);
  if (!pixels)
    return WK_FAIL(err, WK_ERR_MEMORY, "no memory for a picture of %d x %d pixels", width, height);
  *out = (wk_image){.width = width, .height = height, .pixels = pixels};
  return WK_OK;
}

wk_status wk_image_alloc(wk_image *out, int width, int height, wk_error *err) {
  WK_RETURN_IF_ERROR(wk_image_alloc_raw(out, width, height, err));
  memset(out->pixels, 0, (size_t)width * (size_t)height * 3);
  return WK_OK;
}

void wk_image_free(wk_image *image) {
  if (!image)
    return;
  wk_free(image->pixels);
  *image = (wk_image){0};
}

void wk_over_white(uint8_t *rgb, const uint8_t *rgba, size_t n) {
  for (size_t i = 0; i < n; i++, rgb += 3, rgba += 4)
    for (int c = 0; c < 3; c++)
      rgb[c] = (uint8_t)((rgba[c] * rgba[3] + 255 * (255 - rgba[3]) + 127) / 255);
}

/* crop.c - moving whole pixels about: rectangles cut out, pictures turned. */
#include <string.h>

#include "image/codec.h"

wk_status wk_image_crop(wk_image *out, const wk_image *in, int x, int y, int width, int height, wk_error *err) {
  if (!out || !in || !in->pixels)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "no picture to crop, or nowhere to put the result");
  wk_image cut;
  WK_RETURN_IF_ERROR(wk_image_alloc(&cut, width, height, err));
  /* In 64 bits: x + width may leave int. */
  int64_t left = x < 0 ? 0 : x, right = (int64_t)x + width;
  if (right > in->width)
    right = in->width;
  if (left < right) {
    for (int row = 0; row < height; row++) {
      int64_t from = (int64_t)y + row;
      if (from < 0 || from >= in->height)
        continue;
      memcpy(cut.pixels + ((size_t)row * (size_t)width + (size_t)(left - x)) * 3,
             in->pixels + ((size_t)from * (size_t)in->width + (size_t)left) * 3, (size_t)(right - left) * 3);
    }
  }
  *out = cut;
  return WK_OK;
}

wk_status wk_image_turn(wk_image *image, int orientation, wk_error *err) {
  if (orientation <= 1 || orientation > 8)
    return WK_OK;
  const size_t w = (size_t)image->width, h = (size_t)image->height;
  const bool transposed = orientation >= 5;
  const bool flip_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool flip_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  wk_image turned;
  WK_RETURN_IF_ERROR(wk_image_alloc_raw(&turned, transposed ? image->height : image->width,
                                        transposed ? image->width : image->height, err));
  /* flip_x and flip_y say from which end the stored picture is read. Blocks keep both pictures' lines in cache. */
  enum { BLOCK = 16 };
  for (size_t by = 0; by < h; by += BLOCK)
    for (size_t bx = 0; bx < w; bx += BLOCK)
      for (size_t y = by; y < h && y < by + BLOCK; y++)
        for (size_t x = bx; x < w && x < bx + BLOCK; x++) {
          size_t sx = flip_x ? w - 1 - x : x, sy = flip_y ? h - 1 - y : y;
          size_t to = transposed ? x * h + y : y * w + x;
          memcpy(turned.pixels + to * 3, image->pixels + (sy * w + sx) * 3, 3);
        }
  wk_image_free(image);
  *image = turned;
  return WK_OK;
}

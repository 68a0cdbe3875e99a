/* colormap.c - numbers to colours: maps by control points with straight lines between them, and arrays of floats
 * resized and drawn. 33 points stay within two grey levels of the maps' definitions. */
#include <math.h>
#include <string.h>

#include "image/codec.h"
#include "plot/shade.h"
#include "whisker/draw.h"

enum { POINTS = 33 };

static const uint32_t points[][POINTS] = {
    {0x440154, 0x470d60, 0x48186a, 0x482374, 0x472d7b, 0x453681, 0x424086, 0x3f4989, 0x3b528b, 0x375a8d, 0x33638d,
     0x2f6a8e, 0x2c728e, 0x297a8e, 0x26818e, 0x23898e, 0x21908c, 0x1f988b, 0x1f9f88, 0x21a685, 0x28ae80, 0x31b57b,
     0x3ebc74, 0x4cc26c, 0x5dc963, 0x6ece58, 0x82d34c, 0x96d83f, 0xabdc32, 0xc0df24, 0xd5e21a, 0xeae51a, 0xfde725},
    {0x000004, 0x030311, 0x0a0822, 0x130d33, 0x1d1146, 0x28115a, 0x36106a, 0x430f76, 0x50127c, 0x5d177f, 0x691c81,
     0x762181, 0x822681, 0x8f2a81, 0x9c2e7f, 0xa9327d, 0xb63779, 0xc33b75, 0xcf4170, 0xdb486a, 0xe65163, 0xee5c5e,
     0xf5695c, 0xf9785d, 0xfb8761, 0xfd9668, 0xfea571, 0xfeb47b, 0xfec387, 0xfed194, 0xfde0a2, 0xfceeb0, 0xfcfdbf},
    {0x30123b, 0x392a73, 0x4040a1, 0x4456c7, 0x466be3, 0x467ff6, 0x4293ff, 0x37a7fa, 0x29bbec, 0x1dcdd8, 0x18dcc3,
     0x1ee8b0, 0x31f299, 0x4cf97e, 0x6bfd64, 0x8aff4d, 0xa3fd3c, 0xb8f735, 0xcced34, 0xdee037, 0xedd03a, 0xf8c03a,
     0xfdae35, 0xfe982c, 0xfb8022, 0xf56817, 0xec520f, 0xe04009, 0xd23105, 0xc02302, 0xac1701, 0x950d01, 0x7a0403},
    {0x3b4cc0, 0x445acc, 0x4d68d7, 0x5775e1, 0x6282ea, 0x6c8ef1, 0x779af7, 0x82a5fb, 0x8db0fe, 0x98b9ff, 0xa3c2fe,
     0xaec9fc, 0xb8d0f9, 0xc2d5f4, 0xccd9ee, 0xd5dbe6, 0xdddddd, 0xe5d8d1, 0xecd3c5, 0xf1ccb9, 0xf4c4ad, 0xf7bba0,
     0xf7b194, 0xf7a687, 0xf49a7b, 0xf18d6f, 0xec7f63, 0xe57058, 0xde604d, 0xd55042, 0xcb3e38, 0xc0282f, 0xb40426},
};

void wk_attribution_shade(float rgb[3], float *alpha, float t) {
  static const float ramp[4][3] = {{255, 236, 120}, {255, 190, 30}, {240, 80, 20}, {190, 0, 38}},
                     against[3] = {26, 74, 190};
  const float size = fminf(fabsf(t), 1), at = 3 * size;
  const int k = at < 2 ? (int)at : 2;
  for (int c = 0; c < 3; c++)
    rgb[c] = t < 0 ? against[c] : ramp[k][c] + (ramp[k + 1][c] - ramp[k][c]) * (at - (float)k);
  *alpha = t < 0 ? 0.5f * size * size : 0.78f * size * size * (3 - 2 * size);
}

/* As over a light grey photo. */
static void attribution_at(uint8_t rgb[3], double t) {
  enum { GROUND = 228 };
  float colour[3], alpha;
  wk_attribution_shade(colour, &alpha, (float)t);
  for (int c = 0; c < 3; c++)
    rgb[c] = (uint8_t)rintf(GROUND + (colour[c] - GROUND) * alpha);
}

void wk_colormap_at(uint8_t rgb[3], wk_colormap map, double t) {
  if (!(t == t)) {
    memset(rgb, 128, 3);
    return;
  }
  t = t < 0 ? 0 : t > 1 ? 1 : t;
  if (map == WK_COLORMAP_ATTRIBUTION || map == WK_COLORMAP_ATTRIBUTION_FOR) {
    attribution_at(rgb, map == WK_COLORMAP_ATTRIBUTION ? 2 * t - 1 : t);
    return;
  }
  if ((unsigned)map >= WK_COLORMAP_GREY) {
    memset(rgb, (int)rint(t * 255), 3);
    return;
  }
  double place = t * (POINTS - 1);
  int i = place < POINTS - 2 ? (int)place : POINTS - 2;
  for (int c = 0; c < 3; c++) {
    int shift = 16 - 8 * c;
    double a = points[map][i] >> shift & 255, b = points[map][i + 1] >> shift & 255;
    rgb[c] = (uint8_t)rint(a + (b - a) * (place - i));
  }
}

/* ---- arrays ------------------------------------------------------------------------------------ */

void wk_heatmap_range(double *low, double *high, const float *map, size_t n) {
  bool any = false;
  double least = 0, most = 0;
  for (size_t i = 0; i < n; i++) {
    if (!isfinite(map[i]))
      continue;
    least = any && least <= (double)map[i] ? least : (double)map[i];
    most = any && most >= (double)map[i] ? most : (double)map[i];
    any = true;
  }
  *low = least, *high = most;
}

static wk_status check_map(const float *map, int width, int height, wk_error *err) {
  if (!map || width < 1 || height < 1 || width > WK_IMAGE_MAX_SIDE || height > WK_IMAGE_MAX_SIDE)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "no map of numbers, or one of %d x %d; sides must be 1 to %d", width, height,
                   WK_IMAGE_MAX_SIDE);
  return WK_OK;
}

/* Where output i lies between two inputs of n. */
static void place_of(int *first, int *second, float *share, int i, int n, int out_n) {
  double at = ((double)i + 0.5) * n / out_n - 0.5;
  at = at < 0 ? 0 : at;
  int low = (int)at;
  *first = low < n ? low : n - 1;
  *second = low + 1 < n ? low + 1 : n - 1;
  *share = (float)(at - low);
}

wk_status wk_heatmap_resize(float *out, int out_width, int out_height, const float *map, int width, int height,
                            wk_filter filter, wk_error *err) {
  WK_RETURN_IF_ERROR(check_map(map, width, height, err));
  WK_RETURN_IF_ERROR(check_map(out, out_width, out_height, err));
  if (filter != WK_FILTER_NEAREST && filter != WK_FILTER_BILINEAR)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "maps are resized nearest or bilinear, not by filter number %d", (int)filter);
  for (int y = 0; y < out_height; y++) {
    int top, bottom;
    float down;
    place_of(&top, &bottom, &down, y, height, out_height);
    for (int x = 0; x < out_width; x++) {
      float *to = out + (size_t)y * (size_t)out_width + (size_t)x;
      if (filter == WK_FILTER_NEAREST) {
        size_t row = (size_t)((int64_t)y * height / out_height), column = (size_t)((int64_t)x * width / out_width);
        *to = map[row * (size_t)width + column];
        continue;
      }
      int left, right;
      float across;
      place_of(&left, &right, &across, x, width, out_width);
      const float *a = map + (size_t)top * (size_t)width, *b = map + (size_t)bottom * (size_t)width;
      float above = a[left] * (1 - across) + a[right] * across, below = b[left] * (1 - across) + b[right] * across;
      *to = above * (1 - down) + below * down;
    }
  }
  return WK_OK;
}

wk_status wk_heatmap_draw(wk_image *out, const float *map, int width, int height, double low, double high,
                          wk_colormap colours, wk_error *err) {
  WK_RETURN_IF_ERROR(check_map(map, width, height, err));
  if ((unsigned)colours >= WK_COLORMAP_COUNT)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "there is no colour map number %d", (int)colours);
  wk_image image;
  WK_RETURN_IF_ERROR(wk_image_alloc_raw(&image, width, height, err));
  const size_t n = (size_t)width * (size_t)height;
  if (low == high)
    wk_heatmap_range(&low, &high, map, n);
  /* 1,024 colours, looked up: the maps themselves are too slow for every pixel of a contact sheet. */
  enum { COLOURS = 1024 };
  uint8_t table[COLOURS][3];
  for (int i = 0; i < COLOURS; i++)
    wk_colormap_at(table[i], colours, (double)i / (COLOURS - 1));
  double scale = high != low ? (COLOURS - 1) / (high - low) : 0;
  for (size_t i = 0; i < n; i++) {
    double at = ((double)map[i] - low) * scale;
    if (at == at)
      memcpy(image.pixels + 3 * i, table[at <= 0 ? 0 : at >= COLOURS - 1 ? COLOURS - 1 : (int)(at + 0.5)], 3);
    else
      memset(image.pixels + 3 * i, 128, 3);
  }
  *out = image;
  return WK_OK;
}

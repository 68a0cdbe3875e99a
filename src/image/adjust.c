/* adjust.c - changes of colour with a given strength, with Pillow's arithmetic: blending in single precision with the
 * fraction cut off, luma in 16-bit fixed point, hue through 8-bit HSV. */
#include <math.h>
#include <string.h>

#include "image/codec.h"
#include "whisker/augment.h"

static uint8_t luma(const uint8_t *p) {
  return (uint8_t)((p[0] * 19595u + p[1] * 38470u + p[2] * 7471u + 0x8000u) >> 16);
}

/* Pillow's blend: from `a` (factor 0) to `b` (factor 1) and beyond. */
static uint8_t blend(int a, int b, float factor) {
  float v = (float)a + factor * (float)(b - a);
  return (uint8_t)(v <= 0 ? 0 : v >= 255 ? 255 : (int)v);
}

static size_t pixels_of(const wk_image *image) { return (size_t)image->width * (size_t)image->height; }

/* Looks every value up; `table` has 256 entries a channel, or one for all. */
static void look_up(wk_image *image, const uint8_t *table, bool per_channel) {
  const size_t step = per_channel ? 256 : 0;
  uint8_t *p = image->pixels;
  for (size_t i = 0, n = pixels_of(image); i < n; i++, p += 3) {
    p[0] = table[p[0]];
    p[1] = table[step + p[1]];
    p[2] = table[2 * step + p[2]];
  }
}

/* Towards or away from one grey. */
static void blend_with_grey(wk_image *image, int grey, float factor) {
  uint8_t table[256];
  for (int v = 0; v < 256; v++)
    table[v] = blend(grey, v, factor);
  look_up(image, table, false);
}

static int mean_luma(const wk_image *image) {
  uint64_t sum = 0;
  const size_t n = pixels_of(image);
  for (size_t i = 0; i < n; i++)
    sum += luma(image->pixels + 3 * i);
  return (int)((double)sum / (double)n + 0.5);
}

static void saturate(wk_image *image, float factor) {
  uint8_t *p = image->pixels;
  for (size_t i = 0, n = pixels_of(image); i < n; i++, p += 3) {
    int grey = luma(p);
    for (int c = 0; c < 3; c++)
      p[c] = blend(grey, p[c], factor);
  }
}

/* Against a picture smoothed with the kernel 1 1 1, 1 5 1, 1 1 1 over 13, whose border is the picture's own. */
static wk_status sharpen(wk_image *image, float factor, wk_error *err) {
  const size_t pitch = (size_t)image->width * 3, height = (size_t)image->height;
  uint8_t *rows = wk_alloc_array(3, pitch);
  if (!rows)
    return WK_FAIL(err, WK_ERR_MEMORY, "no memory to sharpen a picture of %d x %d pixels", image->width, image->height);
  /* Three rows as they were: `above` and `at` are copies because the picture changes under way. */
  uint8_t *above = rows, *at = rows + pitch, *spare = rows + 2 * pitch;
  for (size_t y = 0; y < height; y++) {
    uint8_t *row = image->pixels + y * pitch;
    const uint8_t *below = row + pitch;
    memcpy(at, row, pitch);
    if (y > 0 && y + 1 < height)
      for (size_t i = 3; i + 3 < pitch; i++) {
        int sum = above[i - 3] + above[i] + above[i + 3] + at[i - 3] + 5 * at[i] + at[i + 3] + below[i - 3] + below[i] +
                  below[i + 3];
        row[i] = blend((2 * sum + 13) / 26, at[i], factor);
      }
    uint8_t *t = above;
    above = at, at = spare, spare = t;
  }
  wk_free(rows);
  return WK_OK;
}

/* ---- hue --------------------------------------------------------------------------------------- */

static uint8_t clip(int v) { return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v); }

static void to_hsv(uint8_t hsv[3], const uint8_t *p) {
  int r = p[0], g = p[1], b = p[2];
  int high = r > g ? (r > b ? r : b) : (g > b ? g : b), low = r < g ? (r < b ? r : b) : (g < b ? g : b);
  hsv[0] = hsv[1] = 0, hsv[2] = (uint8_t)high;
  if (high == low)
    return;
  float range = (float)(high - low), s = range / (float)high;
  float rc = (float)(high - r) / range, gc = (float)(high - g) / range, bc = (float)(high - b) / range;
  float h = r == high   ? bc - gc
            : g == high ? (float)(2.0 + (double)rc - (double)bc)
                        : (float)(4.0 + (double)gc - (double)rc);
  h = (float)fmod((double)h / 6.0 + 1.0, 1.0);
  hsv[0] = clip((int)((double)h * 255.0));
  hsv[1] = clip((int)((double)s * 255.0));
}

static void from_hsv(uint8_t *p, const uint8_t hsv[3]) {
  float h = hsv[0], v = hsv[2];
  if (hsv[1] == 0) {
    p[0] = p[1] = p[2] = hsv[2];
    return;
  }
  int sector = (int)floor((double)h * 6.0 / 255.0);
  float f = (float)((double)h * 6.0 / 255.0 - (double)(float)sector);
  float s = (float)((double)hsv[1] / 255.0);
  uint8_t low = clip((int)round((double)v * (1.0 - (double)s)));
  uint8_t fall = clip((int)round((double)v * (1.0 - (double)(s * f))));
  uint8_t rise = clip((int)round((double)v * (1.0 - (double)s * (1.0 - (double)f))));
  const uint8_t table[6][3] = {{hsv[2], rise, low}, {fall, hsv[2], low}, {low, hsv[2], rise},
                               {low, fall, hsv[2]}, {rise, low, hsv[2]}, {hsv[2], low, fall}};
  memcpy(p, table[sector % 6], 3);
}

static void turn_hue(wk_image *image, double amount) {
  const uint8_t add = (uint8_t)(int)(amount * 255);
  uint8_t *p = image->pixels;
  for (size_t i = 0, n = pixels_of(image); i < n; i++, p += 3) {
    uint8_t hsv[3];
    to_hsv(hsv, p);
    hsv[0] = (uint8_t)(hsv[0] + add);
    from_hsv(p, hsv);
  }
}

/* ---- by histogram ------------------------------------------------------------------------------ */

static void count_values(uint64_t histogram[3][256], const wk_image *image) {
  memset(histogram, 0, 3 * sizeof *histogram);
  const uint8_t *p = image->pixels;
  for (size_t i = 0, n = pixels_of(image); i < n; i++, p += 3)
    for (int c = 0; c < 3; c++)
      histogram[c][p[c]]++;
}

static void stretch_table(uint8_t table[256], const uint64_t histogram[256]) {
  int low = 0, high = 255;
  while (low < 255 && !histogram[low])
    low++;
  while (high > 0 && !histogram[high])
    high--;
  double scale = high > low ? 255.0 / (high - low) : 1, offset = high > low ? -low * scale : 0;
  for (int v = 0; v < 256; v++)
    table[v] = clip((int)(v * scale + offset));
}

static void equalize_table(uint8_t table[256], const uint64_t histogram[256]) {
  uint64_t sum = 0, last = 0;
  int used = 0;
  for (int v = 0; v < 256; v++)
    if (histogram[v])
      sum += histogram[v], last = histogram[v], used++;
  uint64_t step = (sum - last) / 255, n = step / 2;
  for (int v = 0; v < 256; v++) {
    uint64_t to = used <= 1 || !step ? (uint64_t)v : n / step;
    table[v] = (uint8_t)(to > 255 ? 255 : to);
    n += histogram[v];
  }
}

static void by_histogram(wk_image *image, void (*make)(uint8_t table[256], const uint64_t histogram[256])) {
  uint64_t histogram[3][256];
  uint8_t table[3][256];
  count_values(histogram, image);
  for (int c = 0; c < 3; c++)
    make(table[c], histogram[c]);
  look_up(image, table[0], true);
}

/* ---- the public face --------------------------------------------------------------------------- */

static void by_value(wk_image *image, wk_adjust what, int amount) {
  uint8_t table[256];
  for (int v = 0; v < 256; v++)
    switch (what) {
    case WK_ADJUST_INVERT:
      table[v] = (uint8_t)(255 - v);
      break;
    case WK_ADJUST_POSTERIZE:
      table[v] = (uint8_t)(v & ~((1 << (8 - amount)) - 1));
      break;
    case WK_ADJUST_SOLARIZE:
      table[v] = (uint8_t)(v < amount ? v : 255 - v);
      break;
    default:
      table[v] = clip(v < 128 ? v + amount : v);
      break; /* WK_ADJUST_SOLARIZE_ADD */
    }
  look_up(image, table, false);
}

wk_status wk_image_adjust(wk_image *image, wk_adjust what, double amount, wk_error *err) {
  static const struct {
    double low, high;
  } range[] = {{0, 1e6},
               {0, 1e6},
               {0, 1e6},
               {0, 1e6},
               {-0.5, 0.5},
               {-INFINITY, INFINITY},
               {-INFINITY, INFINITY},
               {-INFINITY, INFINITY},
               {-INFINITY, INFINITY},
               {0, 8},
               {0, 256},
               {0, 128}};
  if (!image || !image->pixels)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "no picture to change");
  if ((unsigned)what > WK_ADJUST_SOLARIZE_ADD)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "there is no adjustment number %d", (int)what);
  if (isfinite(range[what].low) && !(amount >= range[what].low && amount <= range[what].high))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "adjustment %d by %g was asked for; it must be between %g and %g", (int)what,
                   amount, range[what].low, range[what].high);
  const float factor = (float)amount;
  switch (what) {
  case WK_ADJUST_BRIGHTNESS:
    blend_with_grey(image, 0, factor);
    break;
  case WK_ADJUST_CONTRAST:
    blend_with_grey(image, mean_luma(image), factor);
    break;
  case WK_ADJUST_SATURATION:
    saturate(image, factor);
    break;
  case WK_ADJUST_GREY:
    saturate(image, 0);
    break;
  case WK_ADJUST_SHARPNESS:
    return sharpen(image, factor, err);
  case WK_ADJUST_HUE:
    turn_hue(image, amount);
    break;
  case WK_ADJUST_AUTOCONTRAST:
    by_histogram(image, stretch_table);
    break;
  case WK_ADJUST_EQUALIZE:
    by_histogram(image, equalize_table);
    break;
  case WK_ADJUST_INVERT:
  case WK_ADJUST_POSTERIZE:
  case WK_ADJUST_SOLARIZE:
  case WK_ADJUST_SOLARIZE_ADD:
    by_value(image, what, (int)amount);
    break;
  }
  return WK_OK;
}

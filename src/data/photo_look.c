/* photo_look.c - how a photo looks, of one decoding at an eighth of its size and without its colours where its format
 * can do that: the signs of its lowest frequencies (see whisker/photo_hash.h). These are computed in integers, so that
 * every machine finds the same bits. */
#include <stdlib.h>
#include <string.h>

#include "data/check.h"
#include "whisker/image.h"

enum {
  SIDE = WK_DOTS,   /* of the small grey copy */
  LOW = 8,          /* frequencies in each direction */
  LEAST = 96,       /* shorter side in pixels, below which many different pictures look the same (digits, icons) */
  CONTRAST_MIN = 16 /* between the darkest and the brightest dot */
};

/* round(1024 cos((2 x + 1) u pi / 64)) for u = 0..7. */
static const int16_t cosine[LOW][SIDE] = {
    {1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024,
     1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024},
    {1023, 1013, 993,  964,  926,  878,  822,  759,  688,  610,  526,  438,  345,  249,  150,   50,
     -50,  -150, -249, -345, -438, -526, -610, -688, -759, -822, -878, -926, -964, -993, -1013, -1023},
    {1019,  980,  903,  792,  650,  483,  297,  100,  -100, -297, -483, -650, -792, -903, -980, -1019,
     -1019, -980, -903, -792, -650, -483, -297, -100, 100,  297,  483,  650,  792,  903,  980,  1019},
    {1013, 926, 759, 526, 249, -50,  -345, -610, -822, -964, -1023, -993, -878, -688, -438, -150,
     150,  438, 688, 878, 993, 1023, 964,  822,  610,  345,  50,    -249, -526, -759, -926, -1013},
    {1004, 851, 569, 200, -200, -569, -851, -1004, -1004, -851, -569, -200, 200, 569, 851, 1004,
     1004, 851, 569, 200, -200, -569, -851, -1004, -1004, -851, -569, -200, 200, 569, 851, 1004},
    {993,  759,  345,  -150,  -610, -926, -1023, -878, -526, -50,  438, 822, 1013, 964,  688,  249,
     -249, -688, -964, -1013, -822, -438, 50,    526,  878,  1023, 926, 610, 150,  -345, -759, -993},
    {980,  650,  100,  -483, -903, -1019, -792, -297, 297,  792,  1019,  903,  483,  -100, -650, -980,
     -980, -650, -100, 483,  903,  1019,  792,  297,  -297, -792, -1019, -903, -483, 100,  650,  980},
    {964, 526, -150, -759, -1023, -822, -249, 438,  926,  993, 610, -50,  -688, -1013, -878, -345,
     345, 878, 1013, 688,  50,    -610, -993, -926, -438, 249, 822, 1023, 759,  150,   -526, -964},
};

static int by_value(const void *a, const void *b) {
  const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

/* Signs against the median; the mean (frequency 0, 0) is left out, for it says how bright the photo is, and its bit
 * stays 0. */
static uint64_t signs(const int64_t frequency[LOW * LOW]) {
  int64_t sorted[LOW * LOW - 1];
  memcpy(sorted, frequency + 1, sizeof sorted);
  qsort(sorted, LOW * LOW - 1, sizeof *sorted, by_value);
  const int64_t median = sorted[(LOW * LOW - 1) / 2];
  uint64_t bits = 0;
  for (int i = 1; i < LOW * LOW; i++)
    bits |= (uint64_t)(frequency[i] > median) << i;
  return bits;
}

uint64_t wk_look_frequencies(const uint8_t dot[SIDE * SIDE]) {
  int64_t half[SIDE][LOW], frequency[LOW * LOW];
  for (int y = 0; y < SIDE; y++)
    for (int u = 0; u < LOW; u++) {
      half[y][u] = 0;
      for (int x = 0; x < SIDE; x++)
        half[y][u] += cosine[u][x] * (int)dot[y * SIDE + x];
    }
  for (int v = 0; v < LOW; v++)
    for (int u = 0; u < LOW; u++) {
      int64_t sum = 0;
      for (int y = 0; y < SIDE; y++)
        sum += cosine[v][y] * half[y][u];
      frequency[v * LOW + u] = sum;
    }
  return signs(frequency);
}

void wk_look_grey(uint8_t *grey, const uint8_t *rgb, size_t dots) {
  for (size_t i = 0; i < dots; i++) {
    const uint8_t *p = rgb + 3 * i;
    grey[i] = (uint8_t)((299 * p[0] + 587 * p[1] + 114 * p[2] + 500) / 1000);
  }
}

static bool is_even(const uint8_t dot[SIDE * SIDE]) {
  unsigned low = 255, high = 0;
  for (int i = 0; i < SIDE * SIDE; i++) {
    low = dot[i] < low ? dot[i] : low;
    high = dot[i] > high ? dot[i] : high;
  }
  return high - low < CONTRAST_MIN;
}

wk_status wk_look_at(uint64_t *out, const void *bytes, size_t size, wk_error *err) {
  wk_status st = WK_OK;
  wk_image photo = {0}, small = {0};
  uint8_t dot[SIDE * SIDE];
  int width, height;
  wk_image_format format;
  wk_decode_options o;
  wk_decode_options_init(&o);
  o.min_width = o.min_height = SIDE;
  o.luma_only = true;
  *out = 0;
  WK_TRY(wk_image_probe(&width, &height, &format, bytes, size, err));
  WK_TRY(wk_image_decode(&photo, bytes, size, &o, err));
  WK_TRY(wk_image_resize(&small, &photo, SIDE, SIDE, WK_FILTER_BILINEAR, NULL, err));
  wk_look_grey(dot, small.pixels, SIDE * SIDE);
  if (width >= LEAST && height >= LEAST && !is_even(dot))
    *out = wk_look_frequencies(dot);
done:
  wk_image_free(&photo);
  wk_image_free(&small);
  return st;
}

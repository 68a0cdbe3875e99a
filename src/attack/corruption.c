/* corruption.c - ordinary damage to a photo at five severities, with the constants of ImageNet-C (Hendrycks and
 * Dietterich 2019, for 224-pixel photos) where it has that kind. */
#include <math.h>
#include <string.h>

#include "attack/attack_state.h"
#include "whisker/image.h"

static const double noise_deviation[] = {0.08, 0.12, 0.18, 0.26, 0.38};
static const double blur_deviation[] = {1, 2, 3, 4, 6};
static const int jpeg_quality[] = {25, 18, 15, 10, 7};
static const double brightness_added[] = {0.1, 0.2, 0.3, 0.4, 0.5};
static const double contrast_kept[] = {0.4, 0.3, 0.2, 0.1, 0.05};
static const double rotation_degrees[] = {5, 10, 15, 20, 30}; /* not in ImageNet-C */

const char *wk_corruption_name(wk_corruption damage) {
  static const char *const name[] = {"noise", "blur", "jpeg", "brightness", "contrast", "rotation"};
  return (unsigned)damage < WK_CORRUPTION_COUNT ? name[damage] : "unknown";
}

static uint8_t level(double v) { return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v + 0.5); }

static void add_noise(uint8_t *out, const uint8_t *in, size_t n, double deviation, uint64_t seed, uint64_t stream) {
  wk_rng rng;
  wk_rng_init(&rng, seed, stream);
  for (size_t i = 0; i < n; i++)
    out[i] = level(in[i] + 255 * deviation * wk_rng_normal(&rng));
}

/* Gaussian, both directions, edges repeated. */
static wk_status blur(uint8_t *out, const uint8_t *in, int width, int height, double deviation, wk_error *err) {
  enum { MOST = 24 };
  int radius = (int)ceil(4 * deviation);
  radius = radius < MOST ? radius : MOST;
  float tap[2 * MOST + 1], sum = 0, *rows = wk_alloc_array((size_t)width * (size_t)height * 3, sizeof *rows);
  if (!rows)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory to blur a picture");
  for (int k = -radius; k <= radius; k++)
    sum += tap[k + radius] = (float)exp(-0.5 * k * k / (deviation * deviation));
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++)
      for (int c = 0; c < 3; c++) {
        float v = 0;
        for (int k = -radius; k <= radius; k++) {
          int u = x + k < 0 ? 0 : x + k >= width ? width - 1 : x + k;
          v += tap[k + radius] * in[((size_t)y * (size_t)width + (size_t)u) * 3 + (size_t)c];
        }
        rows[((size_t)y * (size_t)width + (size_t)x) * 3 + (size_t)c] = v / sum;
      }
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width * 3; x++) {
      float v = 0;
      for (int k = -radius; k <= radius; k++) {
        int u = y + k < 0 ? 0 : y + k >= height ? height - 1 : y + k;
        v += tap[k + radius] * rows[(size_t)u * (size_t)width * 3 + (size_t)x];
      }
      out[(size_t)y * (size_t)width * 3 + (size_t)x] = level((double)(v / sum));
    }
  wk_free(rows);
  return WK_OK;
}

static wk_status through_jpeg(uint8_t *out, const uint8_t *in, int width, int height, int quality, wk_error *err) {
  wk_image picture = {width, height, (uint8_t *)(uintptr_t)in}, back;
  uint8_t *bytes;
  size_t size;
  WK_RETURN_IF_ERROR(wk_image_encode_jpeg(&bytes, &size, &picture, quality, err));
  wk_status st = wk_image_decode(&back, bytes, size, NULL, err);
  wk_free(bytes);
  if (st != WK_OK)
    return st;
  memcpy(out, back.pixels, (size_t)width * (size_t)height * 3);
  wk_image_free(&back);
  return WK_OK;
}

static void lower_contrast(uint8_t *out, const uint8_t *in, size_t n, double kept) {
  double mean[3] = {0};
  for (size_t i = 0; i < n; i++)
    mean[i % 3] += in[i];
  for (size_t i = 0; i < n; i++) {
    double m = mean[i % 3] / ((double)n / 3);
    out[i] = level(m + (in[i] - m) * kept);
  }
}

/* Brightness is the V of HSV: the value of the largest channel grows, the ratios stay. */
static void brighten(uint8_t *out, const uint8_t *in, size_t n, double added) {
  for (size_t i = 0; i < n; i += 3) {
    double v = fmax(in[i], fmax(in[i + 1], in[i + 2])), more = fmin(v + 255 * added, 255);
    for (size_t c = 0; c < 3; c++)
      out[i + c] = level(v > 0 ? in[i + c] * more / v : more);
  }
}

/* Around the centre, bilinear; corners repeat the edge. */
static void rotate(uint8_t *out, const uint8_t *in, int width, int height, double degrees) {
  double a = degrees * 3.14159265358979323846 / 180, cos_a = cos(a), sin_a = sin(a), mx = (width - 1) / 2.0,
         my = (height - 1) / 2.0;
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      double u = mx + cos_a * (x - mx) + sin_a * (y - my), v = my - sin_a * (x - mx) + cos_a * (y - my);
      u = fmin(fmax(u, 0), width - 1);
      v = fmin(fmax(v, 0), height - 1);
      int x0 = (int)u, y0 = (int)v, x1 = x0 + 1 < width ? x0 + 1 : x0, y1 = y0 + 1 < height ? y0 + 1 : y0;
      for (int c = 0; c < 3; c++) {
#define AT(i, j) in[((size_t)(j) * (size_t)width + (size_t)(i)) * 3 + (size_t)c]
        double top = AT(x0, y0) + (u - x0) * (AT(x1, y0) - AT(x0, y0)),
               low = AT(x0, y1) + (u - x0) * (AT(x1, y1) - AT(x0, y1));
#undef AT
        out[((size_t)y * (size_t)width + (size_t)x) * 3 + (size_t)c] = level(top + (v - y0) * (low - top));
      }
    }
}

wk_status wk_corruption_apply(uint8_t *out, const uint8_t *in, int width, int height, wk_corruption damage,
                              int severity, uint64_t seed, uint64_t stream, wk_error *err) {
  if (severity < 1 || severity > WK_SEVERITIES)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a severity of %d was asked for; there are 1 to %d", severity, WK_SEVERITIES);
  size_t n = (size_t)width * (size_t)height * 3;
  int s = severity - 1;
  switch (damage) {
  case WK_CORRUPTION_NOISE:
    add_noise(out, in, n, noise_deviation[s], seed, stream);
    return WK_OK;
  case WK_CORRUPTION_BLUR:
    return blur(out, in, width, height, blur_deviation[s], err);
  case WK_CORRUPTION_JPEG:
    return through_jpeg(out, in, width, height, jpeg_quality[s], err);
  case WK_CORRUPTION_BRIGHTNESS:
    brighten(out, in, n, brightness_added[s]);
    return WK_OK;
  case WK_CORRUPTION_CONTRAST:
    lower_contrast(out, in, n, contrast_kept[s]);
    return WK_OK;
  case WK_CORRUPTION_ROTATION:
    rotate(out, in, width, height, rotation_degrees[s]);
    return WK_OK;
  case WK_CORRUPTION_COUNT:
    break;
  }
  return WK_FAIL(err, WK_ERR_ARGUMENT, "there is no damage number %d", (int)damage);
}

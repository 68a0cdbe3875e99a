/* warp.c - pictures flipped, turned, sheared, and blurred. Warps follow Pillow's Geometry.c to the bit: 16.16 fixed
 * point for nearest, doubles with the fraction cut off for bilinear. */
#include <math.h>
#include <string.h>

#include "image/codec.h"
#include "whisker/augment.h"

void wk_image_flip(wk_image *image, bool vertical) {
  if (!image || !image->pixels)
    return;
  const size_t pitch = (size_t)image->width * 3;
  if (vertical) {
    for (size_t y = 0, end = (size_t)image->height; y < end / 2; y++) {
      uint8_t *a = image->pixels + y * pitch, *b = image->pixels + (end - 1 - y) * pitch;
      for (size_t i = 0; i < pitch; i++) {
        uint8_t t = a[i];
        a[i] = b[i], b[i] = t;
      }
    }
    return;
  }
  for (int y = 0; y < image->height; y++) {
    uint8_t *a = image->pixels + (size_t)y * pitch, *b = a + pitch - 3;
    for (; a < b; a += 3, b -= 3) {
      uint8_t t[3];
      memcpy(t, a, 3), memcpy(a, b, 3), memcpy(b, t, 3);
    }
  }
}

/* ---- warps ------------------------------------------------------------------------------------- */

static void warp_nearest(wk_image *out, const wk_image *in, const double m[6]) {
  int64_t fixed[6];
  for (int i = 0; i < 6; i++) {
    /* The offsets are those of the first pixel's centre. */
    double v = i % 3 < 2 ? m[i] : m[i] + m[i - 2] * 0.5 + m[i - 1] * 0.5;
    fixed[i] = (int64_t)floor(v * 65536.0 + 0.5);
  }
  for (int y = 0; y < out->height; y++) {
    uint8_t *to = out->pixels + (size_t)y * (size_t)out->width * 3;
    int64_t sx = fixed[2] + y * fixed[1], sy = fixed[5] + y * fixed[4];
    for (int x = 0; x < out->width; x++, to += 3, sx += fixed[0], sy += fixed[3]) {
      int64_t px = sx >> 16, py = sy >> 16;
      if (px >= 0 && px < in->width && py >= 0 && py < in->height)
        memcpy(to, in->pixels + ((size_t)py * (size_t)in->width + (size_t)px) * 3, 3);
    }
  }
}

static void warp_bilinear(wk_image *out, const wk_image *in, const double m[6]) {
  const size_t pitch = (size_t)in->width * 3;
  for (int y = 0; y < out->height; y++) {
    uint8_t *to = out->pixels + (size_t)y * (size_t)out->width * 3;
    for (int x = 0; x < out->width; x++, to += 3) {
      double sx = m[0] * (x + 0.5) + m[1] * (y + 0.5) + m[2], sy = m[3] * (x + 0.5) + m[4] * (y + 0.5) + m[5];
      if (!(sx >= 0 && sx < in->width && sy >= 0 && sy < in->height))
        continue;
      sx -= 0.5, sy -= 0.5;
      int x0 = (int)floor(sx), y0 = (int)floor(sy);
      double dx = sx - x0, dy = sy - y0;
      /* Past the border its own pixels go on. */
      size_t left = x0 < 0 ? 0 : (size_t)x0, right = x0 + 1 < in->width ? (size_t)(x0 + 1) : left;
      size_t top = y0 < 0 ? 0 : (size_t)y0, bottom = y0 + 1 < in->height ? (size_t)(y0 + 1) : top;
      const uint8_t *a = in->pixels + top * pitch, *b = in->pixels + bottom * pitch;
      for (size_t c = 0; c < 3; c++) {
        double above = a[3 * left + c] + (a[3 * right + c] - a[3 * left + c]) * dx;
        double below = b[3 * left + c] + (b[3 * right + c] - b[3 * left + c]) * dx;
        to[c] = (uint8_t)(above + (below - above) * dy);
      }
    }
  }
}

wk_status wk_image_affine(wk_image *out, const wk_image *in, const double m[6], wk_filter filter, const uint8_t fill[3],
                          wk_error *err) {
  if (!out || !in || !in->pixels)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "no picture to warp, or nowhere to put the result");
  if (filter != WK_FILTER_BILINEAR && filter != WK_FILTER_NEAREST)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "pictures are warped bilinear or nearest, not by filter number %d",
                   (int)filter);
  for (int i = 0; i < 6; i++)
    if (!(fabs(m[i]) <= 2.0 * WK_IMAGE_MAX_SIDE))
      return WK_FAIL(err, WK_ERR_ARGUMENT, "number %d of the warp is %g; it must lie between -2e6 and 2e6", i, m[i]);
  wk_image image;
  WK_RETURN_IF_ERROR(wk_image_alloc_raw(&image, in->width, in->height, err));
  static const uint8_t black[3];
  for (size_t i = 0, n = (size_t)in->width * (size_t)in->height; i < n; i++)
    memcpy(image.pixels + 3 * i, fill ? fill : black, 3);
  (filter == WK_FILTER_NEAREST ? warp_nearest : warp_bilinear)(&image, in, m);
  *out = image;
  return WK_OK;
}

/* As Pillow: so a quarter turn has exact zeros. The product needs more digits than a double has. */
static double to_15_digits(double v) { return (double)(rintl((long double)v * 1e15L) / 1e15L); }

wk_status wk_image_rotate(wk_image *out, const wk_image *in, double degrees, wk_filter filter, const uint8_t fill[3],
                          wk_error *err) {
  if (!isfinite(degrees))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a turn by %g degrees was asked for; it must be a number", degrees);
  if (!in)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "no picture to turn");
  const double radians = -fmod(degrees, 360.0) * (3.14159265358979323846 / 180.0);
  const double c = to_15_digits(cos(radians)), s = to_15_digits(sin(radians));
  const double cx = in->width / 2.0, cy = in->height / 2.0;
  const double m[6] = {c, s, c * -cx + s * -cy + cx, -s, c, -s * -cx + c * -cy + cy};
  return wk_image_affine(out, in, m, filter, fill, err);
}

/* ---- blur -------------------------------------------------------------------------------------- */

/* Index i of a line of n that goes on mirrored, its end not repeated. */
static int mirrored(int i, int n) {
  if (n == 1)
    return 0;
  const int period = 2 * (n - 1);
  i %= period;
  if (i < 0)
    i += period;
  return i < n ? i : period - i;
}

/* One line across: `to` [3 n] from `line` [3 n] by weights [2 reach + 1]. */
static void blur_line(float *to, const uint8_t *line, const float *weight, int reach, int n) {
  for (int x = 0; x < n; x++) {
    float sum[3] = {0, 0, 0};
    for (int k = -reach; k <= reach; k++) {
      int from = x + k >= 0 && x + k < n ? x + k : mirrored(x + k, n);
      for (int c = 0; c < 3; c++)
        sum[c] += weight[k + reach] * (float)line[3 * from + c];
    }
    memcpy(to + 3 * (size_t)x, sum, sizeof sum);
  }
}

wk_status wk_image_blur(wk_image *image, int kernel, double sigma, wk_error *err) {
  enum { MAX_REACH = 500 };
  if (!image || !image->pixels)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "no picture to blur");
  if (!(sigma > 0 && sigma <= MAX_REACH / 3.0) || kernel < 0 || kernel > 2 * MAX_REACH + 1 ||
      (kernel && kernel % 2 == 0))
    return WK_FAIL(
        err, WK_ERR_ARGUMENT,
        "a blur of deviation %g over %d pixels was asked for; the deviation must be above 0 and up to %d, the "
        "pixels odd and up to %d",
        sigma, kernel, MAX_REACH / 3, 2 * MAX_REACH + 1);
  const int reach = kernel ? kernel / 2 : (int)ceil(3 * sigma);
  const int width = image->width, height = image->height;
  const size_t pitch = (size_t)width * 3;
  float weight[2 * MAX_REACH + 1], sum = 0;
  for (int k = -reach; k <= reach; k++) {
    weight[k + reach] = (float)exp(-0.5 * (k / sigma) * (k / sigma));
    sum += weight[k + reach];
  }
  for (int k = 0; k <= 2 * reach; k++)
    weight[k] /= sum;

  float *across = wk_alloc_array((size_t)height, pitch * sizeof *across), *line = wk_alloc_array(pitch, sizeof *line);
  wk_status st = WK_OK;
  WK_FAIL_IF(!across || !line, err, WK_ERR_MEMORY, "no memory to blur a picture of %d x %d pixels", width, height);
  for (int y = 0; y < height; y++)
    blur_line(across + (size_t)y * pitch, image->pixels + (size_t)y * pitch, weight, reach, width);
  for (int y = 0; y < height; y++) {
    memset(line, 0, pitch * sizeof *line);
    for (int k = -reach; k <= reach; k++) {
      const float *from = across + (size_t)mirrored(y + k, height) * pitch, w = weight[k + reach];
      for (size_t i = 0; i < pitch; i++)
        line[i] += w * from[i];
    }
    uint8_t *row = image->pixels + (size_t)y * pitch;
    for (size_t i = 0; i < pitch; i++)
      row[i] = (uint8_t)(rintf(line[i]) > 255 ? 255 : rintf(line[i]));
  }
done:
  wk_free(across);
  wk_free(line);
  return st;
}

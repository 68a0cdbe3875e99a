/* parameterization.c - see parameterization.h. Coarse structure must be as easy to change as fine detail, or descending
 * only adds noise: in the Fourier basis every frequency is scaled by 1 / frequency, as in natural photos; in the
 * pyramid a coarse plane moves many pixels at once. Colours are mixed as they vary together in photos (both after Olah,
 * Mordvintsev and Schubert, "Feature visualization", Distill 2017). */
#include "explain/visualize/parameterization.h"

#include <math.h>
#include <string.h>

#include "train/optim/adam.h"

/* Square root of the covariance of colours in ImageNet's photos, as published there. */
static const float mix[3][3] = {{0.56f, 0.19f, 0.04f}, {0.58f, 0.00f, -0.11f}, {0.58f, -0.19f, 0.06f}};

enum { STEEP = 4 }; /* rgb = sigmoid(STEEP * mixed) */

static int power_of_two(int n) {
  int p = 1;
  while (p < n)
    p *= 2;
  return p;
}

wk_status wk_parameters_open(wk_parameters *c, wk_parameterization paint, int height, int width, wk_error *err) {
  *c = (wk_parameters){.parameterization = paint, .height = height, .width = width, .detail = 1};
  size_t work = 0, circle = 0;
  if (paint == WK_PARAMETERIZATION_FOURIER) {
    c->h[0] = power_of_two(height);
    c->w[0] = power_of_two(width);
    work = 2 * (size_t)c->h[0] * (size_t)c->w[0];
    c->size = 3 * work;
    circle = (size_t)(c->h[0] > c->w[0] ? c->h[0] : c->w[0]);
  } else {
    c->planes = paint == WK_PARAMETERIZATION_PIXELS ? 1 : WK_PARAMETERS_PLANES;
    for (int k = 0; k < c->planes; k++) {
      c->h[k] = (height + (1 << k) - 1) >> k;
      c->w[k] = (width + (1 << k) - 1) >> k;
      c->offset[k] = c->size;
      c->size += (size_t)c->h[k] * (size_t)c->w[k] * 3;
    }
  }
  size_t n = (size_t)height * (size_t)width * 3;
  c->value = wk_calloc(4 * c->size + 3 * n + work + work / 2 + circle, sizeof *c->value);
  if (!c->value)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a picture of %d x %d", width, height);
  c->gradient = c->value + c->size;
  c->m = c->gradient + c->size;
  c->v = c->m + c->size;
  c->plain = c->v + c->size;
  c->rgb = c->plain + n;
  c->d = c->rgb + n;
  c->work = c->d + n;
  c->scale = c->work + work;
  c->circle = c->scale + work / 2;
  if (circle)
    wk_fourier_circle(c->circle, (int)circle);
  return WK_OK;
}

void wk_parameters_close(wk_parameters *c) { wk_free(c->value); }

void wk_parameters_noise(wk_parameters *c, wk_rng *rng) {
  float deviation = c->parameterization == WK_PARAMETERIZATION_FOURIER ? 0.01f : 0.1f;
  for (size_t i = 0; i < c->size; i++)
    c->value[i] = deviation * (float)wk_rng_normal(rng);
}

/* ---- Fourier ----------------------------------------------------------------------------------- */

/* As natural photos: an amplitude of 1 / frequency. What is finer than the share of details asked for is 0. */
static void scale_frequencies(wk_parameters *c) {
  if (c->scaled == c->detail)
    return;
  c->scaled = c->detail;
  int h = c->h[0], w = c->w[0], longer = h > w ? h : w;
  double lowest = 1.0 / longer;
  for (int y = 0; y < h; y++)
    for (int x = 0; x < w; x++) {
      double fy = (double)(y <= h / 2 ? y : y - h) / h, fx = (double)(x <= w / 2 ? x : x - w) / w;
      double f = sqrt(fx * fx + fy * fy);
      f = f > lowest ? f : lowest;
      bool painted = f <= 0.7072 * c->detail || f == lowest; /* 0.7072: the corner of the spectrum */
      c->scale[(size_t)y * (size_t)w + (size_t)x] = painted ? (float)(0.0625 / (f * sqrt((double)h * w))) : 0;
    }
}

static void fourier_render(wk_parameters *c) {
  size_t cells = (size_t)c->h[0] * (size_t)c->w[0];
  scale_frequencies(c);
  for (size_t k = 0; k < 3; k++) {
    const float *value = c->value + k * 2 * cells;
    for (size_t i = 0; i < 2 * cells; i++)
      c->work[i] = c->scale[i / 2] * value[i];
    wk_fourier(c->work, c->h[0], c->w[0], 1, c->circle);
    for (int y = 0; y < c->height; y++)
      for (int x = 0; x < c->width; x++)
        c->plain[((size_t)y * (size_t)c->width + (size_t)x) * 3 + k] =
            c->work[2 * ((size_t)y * (size_t)c->w[0] + (size_t)x)];
  }
}

/* From `plain`-sized numbers to coefficients: the adjoint of rendering, before scaling. */
static void spectrum_of(wk_parameters *c, const float *plain, size_t channel) {
  memset(c->work, 0, 2 * (size_t)c->h[0] * (size_t)c->w[0] * sizeof *c->work);
  for (int y = 0; y < c->height; y++)
    for (int x = 0; x < c->width; x++)
      c->work[2 * ((size_t)y * (size_t)c->w[0] + (size_t)x)] =
          plain[((size_t)y * (size_t)c->width + (size_t)x) * 3 + channel];
  wk_fourier(c->work, c->h[0], c->w[0], -1, c->circle);
}

static void fourier_backward(wk_parameters *c) {
  size_t cells = (size_t)c->h[0] * (size_t)c->w[0];
  for (size_t k = 0; k < 3; k++) {
    spectrum_of(c, c->d, k);
    float *gradient = c->gradient + k * 2 * cells;
    for (size_t i = 0; i < 2 * cells; i++)
      gradient[i] = c->scale[i / 2] * c->work[i];
  }
}

/* Beyond the picture's edge the spectrum's area repeats the nearest pixel, so that no line appears there. */
static void fourier_photo(wk_parameters *c) {
  size_t cells = (size_t)c->h[0] * (size_t)c->w[0];
  scale_frequencies(c); /* with all details: none is 0 */
  for (size_t k = 0; k < 3; k++) {
    for (int y = 0; y < c->h[0]; y++)
      for (int x = 0; x < c->w[0]; x++) {
        int v = y < c->height ? y : c->height - 1, u = x < c->width ? x : c->width - 1;
        size_t i = 2 * ((size_t)y * (size_t)c->w[0] + (size_t)x);
        c->work[i] = c->plain[((size_t)v * (size_t)c->width + (size_t)u) * 3 + k];
        c->work[i + 1] = 0;
      }
    wk_fourier(c->work, c->h[0], c->w[0], -1, c->circle);
    float *value = c->value + k * 2 * cells;
    for (size_t i = 0; i < 2 * cells; i++)
      value[i] = c->work[i] / (c->scale[i / 2] * (float)cells);
  }
}

/* ---- planes ------------------------------------------------------------------------------------ */

/* Where a canvas position lies between two rows (or columns) of a plane. */
typedef struct between {
  int a, b;
  float t; /* share of b */
} between;

static between locate(int at, int level, int count) {
  float u = ((float)at + 0.5f) / (float)(1 << level) - 0.5f;
  u = u < 0 ? 0 : u;
  int a = (int)u;
  a = a < count ? a : count - 1;
  return (between){a, a + 1 < count ? a + 1 : a, u - (float)a};
}

static float plane_scale(const wk_parameters *c, int k) { return (float)(1 << (k / 2)) / (float)c->planes; }

/* Adds the plane to `plain` (gather), or d to the plane's gradient (scatter): bilinear, and its adjoint. */
static void plane(wk_parameters *c, int k, bool gather) {
  float scale = plane_scale(c, k), *v = (gather ? c->value : c->gradient) + c->offset[k];
  for (int i = 0; i < c->height; i++) {
    between r = locate(i, k, c->h[k]);
    for (int x = 0; x < c->width; x++) {
      between q = locate(x, k, c->w[k]);
      size_t at[4] = {(size_t)r.a * (size_t)c->w[k] + (size_t)q.a, (size_t)r.a * (size_t)c->w[k] + (size_t)q.b,
                      (size_t)r.b * (size_t)c->w[k] + (size_t)q.a, (size_t)r.b * (size_t)c->w[k] + (size_t)q.b};
      float share[4] = {(1 - r.t) * (1 - q.t), (1 - r.t) * q.t, r.t * (1 - q.t), r.t * q.t};
      size_t o = ((size_t)i * (size_t)c->width + (size_t)x) * 3;
      for (int s = 0; s < (k ? 4 : 1); s++)
        for (size_t j = 0; j < 3; j++)
          if (gather)
            c->plain[o + j] += scale * share[s] * v[at[s] * 3 + j];
          else
            v[at[s] * 3 + j] += scale * share[s] * c->d[o + j];
    }
  }
}

/* The finest plane that is painted, for a share of the details. */
static int finest(const wk_parameters *c) {
  int k = 0;
  while (k + 1 < c->planes && 1.0 / (1 << k) > c->detail)
    k++;
  return k;
}

/* ---- colours ----------------------------------------------------------------------------------- */

void wk_parameters_render(wk_parameters *c) {
  size_t n = (size_t)c->height * (size_t)c->width * 3;
  if (c->parameterization == WK_PARAMETERIZATION_FOURIER) {
    fourier_render(c);
  } else {
    memset(c->plain, 0, n * sizeof *c->plain);
    for (int k = finest(c); k < c->planes; k++)
      plane(c, k, true);
  }
  for (size_t i = 0; i < n; i += 3)
    for (int k = 0; k < 3; k++) {
      float s = mix[k][0] * c->plain[i] + mix[k][1] * c->plain[i + 1] + mix[k][2] * c->plain[i + 2];
      c->rgb[i + (size_t)k] = 1 / (1 + expf(-STEEP * s));
    }
}

void wk_parameters_backward(wk_parameters *c) {
  size_t n = (size_t)c->height * (size_t)c->width * 3;
  for (size_t i = 0; i < n; i += 3) {
    float g[3], out[3] = {0};
    for (size_t k = 0; k < 3; k++)
      g[k] = c->d[i + k] * STEEP * c->rgb[i + k] * (1 - c->rgb[i + k]);
    for (int k = 0; k < 3; k++)
      for (int j = 0; j < 3; j++)
        out[j] += mix[k][j] * g[k];
    memcpy(c->d + i, out, sizeof out);
  }
  if (c->parameterization == WK_PARAMETERIZATION_FOURIER) {
    fourier_backward(c);
    return;
  }
  memset(c->gradient, 0, c->size * sizeof *c->gradient);
  for (int k = finest(c); k < c->planes; k++)
    plane(c, k, false);
}

/* The photo's colours unmixed (Cramer's rule), then all of it in the spectrum, or in the finest plane. */
void wk_parameters_photo(wk_parameters *c, const uint8_t *rgb) {
  float p = mix[0][0], q = mix[0][1], r = mix[0][2], d = mix[1][0], e = mix[1][1], f = mix[1][2], g = mix[2][0],
        h = mix[2][1], i = mix[2][2], det = p * (e * i - f * h) - q * (d * i - f * g) + r * (d * h - e * g);
  float inverse[3][3] = {{(e * i - f * h) / det, (r * h - q * i) / det, (q * f - r * e) / det},
                         {(f * g - d * i) / det, (p * i - r * g) / det, (r * d - p * f) / det},
                         {(d * h - e * g) / det, (q * g - p * h) / det, (p * e - q * d) / det}};
  size_t n = (size_t)c->height * (size_t)c->width * 3;
  for (size_t at = 0; at < n; at += 3) {
    float s[3];
    for (size_t k = 0; k < 3; k++) {
      float level = ((float)rgb[at + k] + 0.5f) / 256;
      s[k] = logf(level / (1 - level)) / STEEP;
    }
    for (size_t k = 0; k < 3; k++)
      c->plain[at + k] = inverse[k][0] * s[0] + inverse[k][1] * s[1] + inverse[k][2] * s[2];
  }
  memset(c->value, 0, c->size * sizeof *c->value);
  if (c->parameterization == WK_PARAMETERIZATION_FOURIER) {
    fourier_photo(c);
    return;
  }
  for (size_t at = 0; at < n; at++)
    c->value[at] = c->plain[at] / plane_scale(c, 0);
}

void wk_parameters_adam(wk_parameters *c, int step, double rate) {
  const wk_adam a = wk_adam_at(0.9, 0.999, 1e-8, step);
  for (size_t i = 0; i < c->size; i++)
    c->value[i] -= (float)rate * wk_adam_direction(&c->m[i], &c->v[i], c->gradient[i], &a);
}

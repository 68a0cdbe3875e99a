/* attribution_draw.c - from a attribution map to what a person can see and say: smoothed, laid over the photo where it
 * belongs, and the region that holds most of it. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "explain/attribution/attribution_job.h"
#include "plot/shade.h"

/* ---- at the input's size ----------------------------------------------------------------------- */

/* Along one side: rows of `n` values, `stride` apart. Edges repeat. */
static void blur(float *out, const float *in, int n, size_t stride, const float *weight, int reach) {
  for (int i = 0; i < n; i++) {
    float sum = 0;
    for (int k = -reach; k <= reach; k++) {
      int at = i + k < 0 ? 0 : i + k >= n ? n - 1 : i + k;
      sum += weight[k + reach] * in[(size_t)at * stride];
    }
    out[(size_t)i * stride] = sum;
  }
}

/* Gaussian; single pixels are noise to an eye, their neighbourhoods are not. */
static wk_status smooth(float *map, int height, int width, double deviation, wk_error *err) {
  enum { MOST = 64 };
  int reach = (int)ceil(3 * deviation);
  reach = reach < MOST ? reach : MOST;
  float weight[2 * MOST + 1], sum = 0, *between = wk_alloc_array((size_t)height * (size_t)width, sizeof *between);
  if (!between)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a map of %d x %d", width, height);
  for (int k = -reach; k <= reach; k++)
    sum += weight[k + reach] = (float)exp(-0.5 * k * k / (deviation * deviation));
  for (int k = 0; k <= 2 * reach; k++)
    weight[k] /= sum;
  for (int y = 0; y < height; y++)
    blur(between + (size_t)y * (size_t)width, map + (size_t)y * (size_t)width, width, 1, weight, reach);
  for (int x = 0; x < width; x++)
    blur(map + x, between + x, height, (size_t)width, weight, reach);
  wk_free(between);
  return WK_OK;
}

wk_status wk_attribution_upsample(float **out, const wk_attribution *c, int height, int width, wk_error *err) {
  wk_status st = WK_OK;
  float *map = wk_alloc_array((size_t)height * (size_t)width, sizeof *map);
  WK_FAIL_IF(!map, err, WK_ERR_MEMORY, "out of memory for a map of %d x %d", width, height);
  WK_TRY(wk_heatmap_resize(map, width, height, c->map, c->width, c->height, WK_FILTER_BILINEAR, err));
  if (c->of_pixels)
    WK_TRY(smooth(map, height, width, fmax(0.5, width / 32.0), err));
  *out = map;
  map = NULL;
done:
  wk_free(map);
  return st;
}

/* ---- the strongest region ---------------------------------------------------------------------- */

typedef struct region {
  double mass, x, y; /* x, y: weighted sums */
  size_t pixels;
} region;

/* Gathers the pixels above `least` that hang together with `start`; each is taken once. */
static region gather(bool *taken, size_t *stack, const float *map, int height, int width, float least, size_t start) {
  region r = {0};
  size_t n = 0;
  stack[n++] = start;
  taken[start] = true;
  while (n) {
    const size_t at = stack[--n];
    const int x = (int)(at % (size_t)width), y = (int)(at / (size_t)width);
    const double v = (double)map[at];
    r.mass += v;
    r.x += v * (x + 0.5);
    r.y += v * (y + 0.5);
    r.pixels++;
    const size_t next[4] = {at - 1, at + 1, at - (size_t)width, at + (size_t)width};
    const bool inside[4] = {x > 0, x + 1 < width, y > 0, y + 1 < height};
    for (int k = 0; k < 4; k++)
      if (inside[k] && !taken[next[k]] && map[next[k]] >= least) {
        taken[next[k]] = true;
        stack[n++] = next[k];
      }
  }
  return r;
}

static void name_place(char out[24], double x, double y) {
  static const char *const row[] = {"upper", "", "lower"}, *const column[] = {"left", "middle", "right"};
  int i = y < 1.0 / 3 ? 0 : y < 2.0 / 3 ? 1 : 2, j = x < 1.0 / 3 ? 0 : x < 2.0 / 3 ? 1 : 2;
  snprintf(out, 24, "%s%s%s", row[i], *row[i] ? " " : "", column[j]);
}

wk_status wk_attribution_region_find(wk_attribution_region *out, const float *map, const wk_explain_input *view,
                                     wk_error *err) {
  const int height = view->seen.height, width = view->seen.width;
  const size_t pixels = (size_t)height * (size_t)width;
  float most = 0;
  double all = 0;
  for (size_t i = 0; i < pixels; i++) {
    most = map[i] > most ? map[i] : most;
    all += map[i] > 0 ? (double)map[i] : 0;
  }
  *out = (wk_attribution_region){0};
  snprintf(out->place, sizeof out->place, "nowhere");
  if (!(most > 0))
    return WK_OK;
  wk_status st = WK_OK;
  bool *taken = wk_calloc(pixels, sizeof *taken);
  size_t *stack = wk_alloc_array(pixels, sizeof *stack);
  WK_FAIL_IF(!taken || !stack, err, WK_ERR_MEMORY, "out of memory for a map of %d x %d", width, height);
  region best = {0};
  for (size_t i = 0; i < pixels; i++)
    if (!taken[i] && map[i] >= most / 2) {
      region r = gather(taken, stack, map, height, width, most / 2, i);
      best = r.mass > best.mass ? r : best;
    }
  const double *box = view->box, across = box[2] - box[0], down = box[3] - box[1];
  out->share = best.mass / all;
  out->area = (double)best.pixels / (double)pixels * across * down / ((double)view->photo.width * view->photo.height);
  name_place(out->place, (box[0] + best.x / best.mass / width * across) / view->photo.width,
             (box[1] + best.y / best.mass / height * down) / view->photo.height);
done:
  wk_free(taken);
  wk_free(stack);
  return st;
}

/* ---- over the photo ---------------------------------------------------------------------------- */

enum { SHADES = 256 };

typedef struct shade {
  float rgb[3], alpha;
} shade;

static void make_shades(shade *plus, shade *minus) {
  for (int i = 0; i < SHADES; i++) {
    const float t = (float)i / (SHADES - 1);
    wk_attribution_shade(plus[i].rgb, &plus[i].alpha, t);
    wk_attribution_shade(minus[i].rgb, &minus[i].alpha, -t);
  }
}

static float sample(const float *map, int height, int width, double y, double x) {
  x = fmin(fmax(x - 0.5, 0), width - 1);
  y = fmin(fmax(y - 0.5, 0), height - 1);
  const int x0 = (int)x, y0 = (int)y, x1 = x0 + 1 < width ? x0 + 1 : x0, y1 = y0 + 1 < height ? y0 + 1 : y0;
  const float u = (float)(x - x0), v = (float)(y - y0);
  const float *top = map + (size_t)y0 * (size_t)width, *bottom = map + (size_t)y1 * (size_t)width;
  return (top[x0] * (1 - u) + top[x1] * u) * (1 - v) + (bottom[x0] * (1 - u) + bottom[x1] * u) * v;
}

static int grey_of(const uint8_t *p) { return (p[0] * 77 + p[1] * 150 + p[2] * 29) >> 8; }

static void grey_out(uint8_t *p) {
  const int grey = grey_of(p);
  for (int c = 0; c < 3; c++)
    p[c] = (uint8_t)(105 + grey * 5 / 12);
}

/* Half of the colour, so that the map's colours are the only strong ones. */
static void pale(uint8_t *p) {
  const int grey = grey_of(p);
  for (int c = 0; c < 3; c++)
    p[c] = (uint8_t)((p[c] + grey) / 2);
}

static void draw_frame(wk_image *im, const double box[4]) {
  static const uint8_t white[3] = {255, 255, 255};
  const int x = (int)lround(box[0]), y = (int)lround(box[1]), w = (int)lround(box[2]) - x, h = (int)lround(box[3]) - y;
  const int longer = im->width > im->height ? im->width : im->height;
  if (x > 0 || y > 0 || x + w < im->width || y + h < im->height)
    wk_draw_frame(im, x, y, w, h, longer > 800 ? longer / 400 : 1, white);
}

wk_status wk_attribution_draw(wk_image *out, const float *map, const wk_explain_input *view, double largest,
                              wk_error *err) {
  const int height = view->seen.height, width = view->seen.width;
  double low, high;
  wk_heatmap_range(&low, &high, map, (size_t)height * (size_t)width);
  if (!(largest > 0))
    largest = fmax(high, -low);
  const float scale = largest > 0 ? (float)((SHADES - 1) / largest) : 0;
  shade plus[SHADES], minus[SHADES];
  make_shades(plus, minus);
  wk_image im;
  WK_RETURN_IF_ERROR(wk_image_alloc(&im, view->photo.width, view->photo.height, err));
  memcpy(im.pixels, view->photo.pixels, (size_t)im.width * (size_t)im.height * 3);
  const double *box = view->box, dx = width / (box[2] - box[0]), dy = height / (box[3] - box[1]);
  for (int y = 0; y < im.height; y++)
    for (int x = 0; x < im.width; x++) {
      uint8_t *p = im.pixels + ((size_t)y * (size_t)im.width + (size_t)x) * 3;
      const double u = (x + 0.5 - box[0]) * dx, v = (y + 0.5 - box[1]) * dy;
      if (u < 0 || v < 0 || u > width || v > height) {
        grey_out(p);
        continue;
      }
      pale(p);
      const float value = sample(map, height, width, v, u) * scale;
      const float size = fminf(fabsf(value), SHADES - 1);
      const shade *s = (value < 0 ? minus : plus) + (int)size;
      for (int c = 0; c < 3; c++)
        p[c] = (uint8_t)((float)p[c] + (s->rgb[c] - (float)p[c]) * s->alpha + 0.5f);
    }
  draw_frame(&im, box);
  *out = im;
  return WK_OK;
}

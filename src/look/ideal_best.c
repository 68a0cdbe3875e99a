/* ideal_best.c - the ideal picture that people recognise. The picture is a canvas a little larger than the input, made
 * of a pyramid of planes: the coarse ones move many pixels at once, which keeps noise down without blurring. Colours
 * are mixed as they are in photos. Every step the network sees the canvas through another window, sometimes mirrored.
 */
#include <math.h>
#include <string.h>

#include "look/ideal.h"

enum { MARGIN = 16, LEVELS = 6 };

/* How colours of natural photos vary together: the square root of their covariance (ImageNet), from "Feature
 * visualization". */
static const float mix[3][3] = {{0.56f, 0.19f, 0.04f}, {0.58f, 0.00f, -0.11f}, {0.58f, -0.19f, 0.06f}};

typedef struct pyramid {
  int height, width; /* of the canvas */
  int h[LEVELS], w[LEVELS];
  size_t offset[LEVELS], size;     /* floats */
  float *value, *gradient, *m, *v; /* [size]; m, v: Adam's */
  float *canvas;                   /* [height, width, 3] sums of the planes, before colours */
  float *rgb;                      /* [height, width, 3] in 0..1 */
  float *d;                        /* [height, width, 3] d loss / d rgb, then / d canvas */
} pyramid;

static wk_status pyramid_alloc(pyramid *y, const wk_preprocess *p, wk_error *err) {
  y->height = p->height + 2 * MARGIN;
  y->width = p->width + 2 * MARGIN;
  for (int k = 0; k < LEVELS; k++) {
    y->h[k] = (y->height + (1 << k) - 1) >> k;
    y->w[k] = (y->width + (1 << k) - 1) >> k;
    y->offset[k] = y->size;
    y->size += (size_t)y->h[k] * (size_t)y->w[k] * 3;
  }
  size_t n = (size_t)y->height * (size_t)y->width * 3;
  y->value = wk_calloc(4 * y->size + 3 * n, sizeof *y->value);
  if (!y->value)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a picture of %d x %d", p->width, p->height);
  y->gradient = y->value + y->size;
  y->m = y->gradient + y->size;
  y->v = y->m + y->size;
  y->canvas = y->v + y->size;
  y->rgb = y->canvas + n;
  y->d = y->rgb + n;
  return WK_OK;
}

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

/* Adds the plane to the canvas (gather), or the canvas's gradient to the plane's (scatter): bilinear, and its adjoint.
 */
static void plane(pyramid *y, int k, bool gather) {
  float scale = 1.0f / (float)LEVELS * (float)(1 << (k / 2)), *v = (gather ? y->value : y->gradient) + y->offset[k];
  for (int i = 0; i < y->height; i++) {
    between r = locate(i, k, y->h[k]);
    for (int x = 0; x < y->width; x++) {
      between q = locate(x, k, y->w[k]);
      size_t at[4] = {(size_t)r.a * (size_t)y->w[k] + (size_t)q.a, (size_t)r.a * (size_t)y->w[k] + (size_t)q.b,
                      (size_t)r.b * (size_t)y->w[k] + (size_t)q.a, (size_t)r.b * (size_t)y->w[k] + (size_t)q.b};
      float share[4] = {(1 - r.t) * (1 - q.t), (1 - r.t) * q.t, r.t * (1 - q.t), r.t * q.t};
      size_t o = ((size_t)i * (size_t)y->width + (size_t)x) * 3;
      for (int s = 0; s < 4; s++)
        for (size_t c = 0; c < 3; c++)
          if (gather)
            y->canvas[o + c] += scale * share[s] * v[at[s] * 3 + c];
          else
            v[at[s] * 3 + c] += scale * share[s] * y->d[o + c];
    }
  }
}

static void render(pyramid *y) {
  size_t n = (size_t)y->height * (size_t)y->width * 3;
  memset(y->canvas, 0, n * sizeof *y->canvas);
  for (int k = 0; k < LEVELS; k++)
    plane(y, k, true);
  for (size_t i = 0; i < n; i += 3)
    for (int c = 0; c < 3; c++) {
      float s = mix[c][0] * y->canvas[i] + mix[c][1] * y->canvas[i + 1] + mix[c][2] * y->canvas[i + 2];
      y->rgb[i + (size_t)c] = 1 / (1 + expf(-4 * s));
    }
}

/* d loss / d rgb in y->d becomes d loss / d planes. */
static void backward(pyramid *y) {
  size_t n = (size_t)y->height * (size_t)y->width * 3;
  for (size_t i = 0; i < n; i += 3) {
    float g[3], out[3] = {0};
    for (size_t c = 0; c < 3; c++)
      g[c] = y->d[i + c] * 4 * y->rgb[i + c] * (1 - y->rgb[i + c]);
    for (int c = 0; c < 3; c++)
      for (int k = 0; k < 3; k++)
        out[k] += mix[c][k] * g[c];
    memcpy(y->d + i, out, sizeof out);
  }
  memset(y->gradient, 0, y->size * sizeof *y->gradient);
  for (int k = 0; k < LEVELS; k++)
    plane(y, k, false);
}

static void adam(pyramid *y, int t, float rate) {
  float b1 = 1 - powf(0.9f, (float)t), b2 = 1 - powf(0.999f, (float)t);
  for (size_t i = 0; i < y->size; i++) {
    y->m[i] = 0.9f * y->m[i] + 0.1f * y->gradient[i];
    y->v[i] = 0.999f * y->v[i] + 0.001f * y->gradient[i] * y->gradient[i];
    y->value[i] -= rate * (y->m[i] / b1) / (sqrtf(y->v[i] / b2) + 1e-8f);
  }
}

/* Copies the window at (left, top) of rgb into `input`, normalised, or the input's gradient back into d. */
typedef struct window {
  int left, top;
  bool mirrored;
} window;

static size_t through(const pyramid *y, const window *w, int row, int column, int width) {
  int x = w->left + (w->mirrored ? width - 1 - column : column);
  return ((size_t)(w->top + row) * (size_t)y->width + (size_t)x) * 3;
}

static void look_through(float *input, const pyramid *y, const window *w, const wk_preprocess *p) {
  for (int row = 0; row < p->height; row++)
    for (int column = 0; column < p->width; column++, input += 3) {
      const float *rgb = y->rgb + through(y, w, row, column, p->width);
      for (int c = 0; c < 3; c++)
        input[c] = (rgb[p->bgr ? 2 - c : c] * 255 - p->mean[c]) / p->std[c];
    }
}

static void gradient_through(pyramid *y, const float *input, const window *w, const wk_preprocess *p, float share) {
  for (int row = 0; row < p->height; row++)
    for (int column = 0; column < p->width; column++, input += 3) {
      float *d = y->d + through(y, w, row, column, p->width);
      for (int c = 0; c < 3; c++)
        d[p->bgr ? 2 - c : c] += share * input[c] * 255 / p->std[c];
    }
}

/* The planes that make a photo: all of it in the finest one, its colours unmixed (Cramer's rule).
 */
static void start_from(pyramid *y, const uint8_t *from, const wk_preprocess *p) {
  float a = mix[0][0], b = mix[0][1], c = mix[0][2], d = mix[1][0], e = mix[1][1], f = mix[1][2], g = mix[2][0],
        h = mix[2][1], i = mix[2][2], det = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  float inverse[3][3] = {{(e * i - f * h) / det, (c * h - b * i) / det, (b * f - c * e) / det},
                         {(f * g - d * i) / det, (a * i - c * g) / det, (c * d - a * f) / det},
                         {(d * h - e * g) / det, (b * g - a * h) / det, (a * e - b * d) / det}};
  memset(y->value, 0, y->size * sizeof *y->value);
  for (int row = 0; row < y->height; row++)
    for (int column = 0; column < y->width; column++) {
      int v = row - MARGIN, u = column - MARGIN;
      v = v < 0 ? 0 : v >= p->height ? p->height - 1 : v;
      u = u < 0 ? 0 : u >= p->width ? p->width - 1 : u;
      float s[3];
      for (int k = 0; k < 3; k++) {
        float level = ((float)from[((size_t)v * (size_t)p->width + (size_t)u) * 3 + (size_t)k] + 0.5f) / 256;
        s[k] = logf(level / (1 - level)) / 4;
      }
      float *out = y->value + ((size_t)row * (size_t)y->width + (size_t)column) * 3;
      for (int k = 0; k < 3; k++)
        out[k] = (inverse[k][0] * s[0] + inverse[k][1] * s[1] + inverse[k][2] * s[2]) * LEVELS;
    }
}

static wk_status one_step(wk_ideal_job *j, pyramid *y, float *input, int step, wk_rng *rng, double *loss,
                          wk_error *err) {
  enum { WINDOWS = 2 };
  int classes = wk_lens_classes(j->lens);
  size_t n = (size_t)y->height * (size_t)y->width * 3;
  double tv = j->o->tv >= 0 ? j->o->tv : 1e-4;
  render(y);
  memset(y->d, 0, n * sizeof *y->d);
  *loss = 0;
  for (int k = 0; k < WINDOWS; k++) {
    window w = {(int)wk_rng_below(rng, 2 * MARGIN + 1), (int)wk_rng_below(rng, 2 * MARGIN + 1),
                wk_rng_below(rng, 2) == 1};
    look_through(input, y, &w, j->p);
    WK_RETURN_IF_ERROR(wk_lens_forward(j->lens, input, 1, err));
    const float *scores = wk_lens_scores(j->lens);
    *loss += wk_lens_cross_entropy(j->score_gradient, scores, classes, j->o->target) / WINDOWS;
    /* Beyond certainty the cross-entropy is flat: the bare score goes on pulling. */
    j->score_gradient[j->o->target] -= 0.1f;
    WK_RETURN_IF_ERROR(wk_lens_backward(j->lens, j->score_gradient, err));
    gradient_through(y, wk_lens_input_gradient(j->lens), &w, j->p, 1.0f / WINDOWS);
  }
  *loss += wk_total_variation(y->d, y->rgb, y->height, y->width, tv);
  backward(y);
  /* The rate falls to a tenth at the end, so that the picture settles. */
  double rate = j->o->rate > 0 ? j->o->rate : 0.03, left = 1 - (double)step / j->steps;
  adam(y, step, (float)(rate * (0.1 + 0.9 * left)));
  return WK_OK;
}

wk_status wk_ideal_best(wk_ideal_job *j, wk_error *err) {
  pyramid y = {0};
  wk_rng rng;
  wk_rng_init(&rng, j->o->seed, 0);
  float *input = wk_alloc_array(2 * j->n, sizeof *input), *crop = input + j->n;
  wk_status st = input ? WK_OK : WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a picture");
  if (st == WK_OK)
    st = pyramid_alloc(&y, j->p, err);
  for (size_t i = 0; st == WK_OK && i < y.size; i++)
    y.value[i] = 0.1f * (float)wk_rng_normal(&rng);
  if (st == WK_OK && j->o->from)
    start_from(&y, j->o->from, j->p);
  for (int step = 1; step <= j->steps && st == WK_OK; step++) {
    double loss;
    WK_TRY(one_step(j, &y, input, step, &rng, &loss, err));
    for (int row = 0; row < j->p->height; row++)
      memcpy(crop + (size_t)row * (size_t)j->p->width * 3,
             y.rgb + ((size_t)(row + MARGIN) * (size_t)y.width + MARGIN) * 3, (size_t)j->p->width * 3 * sizeof *crop);
    WK_TRY(wk_ideal_step_done(j, step, loss, crop, err));
  }
  if (st == WK_OK)
    st = wk_ideal_judge(j, crop, err);
done:
  wk_free(y.value);
  wk_free(input);
  return st;
}

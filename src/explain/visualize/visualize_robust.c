/* visualize_robust.c - class visualization that people recognise. The network sees the canvas through several windows a
 * step: shifted, turned, zoomed, mirrored, half of them blurred, as from afar. What only works for one grid of pixels
 * cannot grow then, and because windows show parts as well as the whole, structure appears at the size of the picture
 * and not only at that of its details. */
#include <math.h>
#include <string.h>

#include "explain/visualize/parameterization.h"
#include "explain/visualize/visualize_job.h"

/* Canvas position of the input's pixel (x, y): the centre, plus the matrix times (x, y) from the input's centre. */
typedef struct window {
  float cx, cy, xx, xy, yx, yy;
  float blur; /* deviation in pixels; 0: none */
} window;

typedef struct scratch {
  float *input;          /* [n] */
  float *gradient;       /* [n] */
  float *work;           /* [n] */
  float *score_gradient; /* [classes] */
} scratch;

typedef struct best {
  wk_visualize_job *j;
  wk_parameters canvas;
  int margin;       /* of the canvas around the input's size */
  window *window;   /* [views] */
  float *d;         /* [views][canvas] d loss / d rgb */
  double *loss, *p; /* [views] */
  wk_classifier_pool pool;
  scratch *scratch; /* [threads] */
  int threads;
} best;

static float uniform(wk_rng *rng, double low, double high) { return (float)(low + (high - low) * wk_rng_uniform(rng)); }

/* The first window of a step shows the whole, the others parts. */
static window draw_window(const best *b, int view, wk_rng *rng) {
  const wk_visualize_options *o = b->j->o;
  int side = b->j->p->width > b->j->p->height ? b->j->p->width : b->j->p->height;
  float zoom = view == 0 ? uniform(rng, 0.95, 1.1) : uniform(rng, o->zoom, 1.05);
  float angle = uniform(rng, -o->turn, o->turn) * 0.017453293f, mirror = wk_rng_below(rng, 2) ? -1.0f : 1.0f;
  float room = fmaxf(0, 1 - zoom) * 0.5f; /* how far a smaller window may be from the middle */
  float shift_x = uniform(rng, -1, 1) * ((float)o->jitter + room) * (float)side,
        shift_y = uniform(rng, -1, 1) * ((float)o->jitter + room) * (float)side;
  float c = zoom * cosf(angle), s = zoom * sinf(angle);
  /* From afar: what is left of 224 pixels in 150 to 40 of them, all sizes as often. */
  const double near = side * 1.5 / 224, far = side * 4.0 / 224, size = wk_rng_uniform(rng);
  const bool coarse = wk_rng_uniform(rng) < o->coarse;
  return (window){(float)(b->canvas.width - 1) / 2 + shift_x,
                  (float)(b->canvas.height - 1) / 2 + shift_y,
                  c * mirror,
                  -s,
                  s * mirror,
                  c,
                  coarse ? (float)(near * pow(far / near, size)) : 0};
}

/* The four pixels that a position lies between, clamped to the canvas, and their shares. */
static void between(size_t at[4], float share[4], const wk_parameters *c, float u, float v) {
  u = fminf(fmaxf(u, 0), (float)(c->width - 1));
  v = fminf(fmaxf(v, 0), (float)(c->height - 1));
  int x = (int)u, y = (int)v, x1 = x + 1 < c->width ? x + 1 : x, y1 = y + 1 < c->height ? y + 1 : y;
  float s = u - (float)x, t = v - (float)y;
  size_t row = (size_t)c->width * 3;
  at[0] = (size_t)y * row + (size_t)x * 3;
  at[1] = (size_t)y * row + (size_t)x1 * 3;
  at[2] = (size_t)y1 * row + (size_t)x * 3;
  at[3] = (size_t)y1 * row + (size_t)x1 * 3;
  share[0] = (1 - s) * (1 - t);
  share[1] = s * (1 - t);
  share[2] = (1 - s) * t;
  share[3] = s * t;
}

/* Fills the input from the canvas (d NULL), or adds the input's gradient to d. */
static void through(float *input, float *d, const float *gradient, const best *b, const window *w) {
  const wk_preprocess *p = b->j->p;
  size_t at[4], i = 0;
  float share[4];
  for (int row = 0; row < p->height; row++)
    for (int column = 0; column < p->width; column++, i += 3) {
      float x = (float)column - (float)(p->width - 1) / 2, y = (float)row - (float)(p->height - 1) / 2;
      between(at, share, &b->canvas, w->cx + w->xx * x + w->xy * y, w->cy + w->yx * x + w->yy * y);
      for (size_t c = 0; c < 3; c++) {
        size_t k = p->bgr ? 2 - c : c; /* of the canvas */
        if (d) {
          for (int s = 0; s < 4; s++)
            d[at[s] + k] += share[s] * gradient[i + c] * 255 / p->std[c];
          continue;
        }
        float level = 0;
        for (int s = 0; s < 4; s++)
          level += share[s] * b->canvas.rgb[at[s] + k];
        input[i + c] = (level * 255 - p->mean[c]) / p->std[c];
      }
    }
}

static wk_status one_view(void *user, size_t view, int worker, wk_error *err) {
  best *b = user;
  scratch *e = &b->scratch[worker];
  wk_diff_classifier *classifier;
  WK_RETURN_IF_ERROR(wk_classifier_pool_get(&classifier, &b->pool, worker, err));
  int classes = wk_diff_classifier_classes(classifier), target = b->j->o->target;
  size_t n = (size_t)b->canvas.height * (size_t)b->canvas.width * 3;
  float *d = b->d + view * n;
  memset(d, 0, n * sizeof *d);
  const wk_preprocess *p = b->j->p;
  const window *w = &b->window[view];
  through(e->input, NULL, NULL, b, w);
  if (w->blur > 0)
    wk_visualize_blur(e->input, e->work, p->height, p->width, (double)w->blur);
  WK_RETURN_IF_ERROR(wk_diff_classifier_forward(classifier, e->input, 1, err));
  b->loss[view] =
      wk_diff_classifier_cross_entropy(e->score_gradient, wk_diff_classifier_scores(classifier), classes, target);
  b->p[view] = exp(-b->loss[view]);
  /* Beyond certainty the cross-entropy is flat: the bare score goes on pulling. */
  e->score_gradient[target] -= 0.1f;
  WK_RETURN_IF_ERROR(wk_diff_classifier_backward(classifier, e->score_gradient, err));
  memcpy(e->gradient, wk_diff_classifier_input_gradient(classifier), b->j->n * sizeof *e->gradient);
  if (w->blur > 0) /* a Gaussian is its own adjoint, but for a few pixels at the edges */
    wk_visualize_blur(e->gradient, e->work, p->height, p->width, (double)w->blur);
  through(NULL, d, e->gradient, b, w);
  return WK_OK;
}

/* Shows the canvas as step number `step` will see it: each octave has an equal share of the first two thirds of the
 * steps, and the last has the rest as well. */
static void render_for(best *b, int step) {
  const wk_visualize_options *o = b->j->o;
  int octave = (int)(1.5 * o->octaves * (step - 1) / b->j->steps);
  octave = octave < o->octaves ? octave : o->octaves - 1;
  b->canvas.detail = 1.0 / (1 << (o->octaves - 1 - octave));
  wk_parameters_render(&b->canvas);
}

static wk_status one_step(best *b, int step, wk_rng *rng, double *loss, double *p, wk_error *err) {
  const wk_visualize_options *o = b->j->o;
  wk_parameters *c = &b->canvas;
  size_t n = (size_t)c->height * (size_t)c->width * 3;
  for (int v = 0; v < o->views; v++)
    b->window[v] = draw_window(b, v, rng);
  WK_RETURN_IF_ERROR(wk_parallel(b->j->ctx, b->threads, (size_t)o->views, one_view, b, err));
  memset(c->d, 0, n * sizeof *c->d);
  *loss = *p = 0;
  for (int v = 0; v < o->views; v++) { /* in a fixed order */
    *loss += b->loss[v] / o->views;
    *p += b->p[v] / o->views;
    for (size_t i = 0; i < n; i++)
      c->d[i] += b->d[(size_t)v * n + i] / (float)o->views;
  }
  if (o->blur > 0)
    wk_visualize_blur(c->d, c->plain, c->height, c->width, o->blur);
  *loss += wk_visualize_smooth(c->d, c->rgb, c->height, c->width, o, o->tv >= 0 ? o->tv : 4e-4, 0.5f);
  wk_parameters_backward(c);
  /* The rate falls to a tenth at the end, so that the picture settles. */
  double rate = o->rate > 0 ? o->rate : o->parameterization == WK_PARAMETERIZATION_FOURIER ? 0.05 : 0.03;
  wk_parameters_adam(c, step, rate * (1 - 0.9 * (step - 1) / b->j->steps));
  render_for(b, step + 1);
  return WK_OK;
}

static wk_status best_open(best *b, wk_error *err) {
  const wk_preprocess *p = b->j->p;
  const wk_visualize_options *o = b->j->o;
  int side = p->width < p->height ? p->width : p->height;
  b->margin = side / 14;
  b->threads = wk_context_threads(b->j->ctx);
  WK_RETURN_IF_ERROR(
      wk_parameters_open(&b->canvas, o->parameterization, p->height + 2 * b->margin, p->width + 2 * b->margin, err));
  size_t n = (size_t)b->canvas.height * (size_t)b->canvas.width * 3;
  b->window = wk_calloc((size_t)o->views, sizeof *b->window);
  b->d = wk_alloc_array((size_t)o->views * n, sizeof *b->d);
  b->loss = wk_calloc(2 * (size_t)o->views, sizeof *b->loss);
  b->scratch = wk_calloc((size_t)b->threads, sizeof *b->scratch);
  bool enough = b->window && b->d && b->loss && b->scratch;
  for (int i = 0; enough && i < b->threads; i++) {
    b->scratch[i].input = wk_alloc_array(3 * b->j->n, sizeof(float));
    b->scratch[i].score_gradient = wk_calloc((size_t)wk_diff_classifier_classes(b->j->classifier), sizeof(float));
    enough = b->scratch[i].input && b->scratch[i].score_gradient;
    if (enough) {
      b->scratch[i].gradient = b->scratch[i].input + b->j->n;
      b->scratch[i].work = b->scratch[i].gradient + b->j->n;
    }
  }
  if (!enough)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a picture of %d x %d", p->width, p->height);
  b->p = b->loss + o->views;
  return wk_classifier_pool_around(&b->pool, b->j->classifier, b->threads, err);
}

static void best_close(best *b) {
  for (int i = 0; b->scratch && i < b->threads; i++) {
    wk_free(b->scratch[i].input);
    wk_free(b->scratch[i].score_gradient);
  }
  wk_classifier_pool_free(&b->pool);
  wk_free(b->scratch);
  wk_free(b->loss);
  wk_free(b->d);
  wk_free(b->window);
  wk_parameters_close(&b->canvas);
}

/* The photo in the middle; its edges go on to the canvas's. */
static wk_status start_from(best *b, wk_error *err) {
  const wk_preprocess *p = b->j->p;
  wk_parameters *c = &b->canvas;
  uint8_t *rgb = wk_alloc((size_t)c->height * (size_t)c->width * 3);
  if (!rgb)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a picture");
  for (int y = 0; y < c->height; y++)
    for (int x = 0; x < c->width; x++) {
      int v = y - b->margin, u = x - b->margin;
      v = v < 0 ? 0 : v >= p->height ? p->height - 1 : v;
      u = u < 0 ? 0 : u >= p->width ? p->width - 1 : u;
      memcpy(rgb + ((size_t)y * (size_t)c->width + (size_t)x) * 3,
             b->j->o->from + ((size_t)v * (size_t)p->width + (size_t)u) * 3, 3);
    }
  wk_parameters_photo(c, rgb);
  wk_free(rgb);
  return WK_OK;
}

/* Contrast as photos have it: all but one value in 100 lie within 0.03 .. 0.97, unless that would more than double it.
 */
static void stretch(float *rgb, size_t n) {
  enum { BINS = 512 };
  size_t count[BINS] = {0}, below = 0, above = 0;
  for (size_t i = 0; i < n; i++)
    count[(int)(fminf(fmaxf(rgb[i], 0), 1) * (BINS - 1))]++;
  int low = 0, high = BINS - 1;
  while (low < high && (below += count[low]) < n / 200)
    low++;
  while (high > low && (above += count[high]) < n / 200)
    high--;
  const float middle = (float)(low + high) / (2 * (BINS - 1)), spread = (float)(high - low + 1) / (BINS - 1);
  const float gain = fminf(2, fmaxf(1, 0.94f / spread));
  for (size_t i = 0; i < n; i++)
    rgb[i] = gain > 1 ? 0.5f + gain * (rgb[i] - middle) : rgb[i];
}

/* The middle of the canvas, as it is shown. */
static void show(float *out, const best *b) {
  const wk_preprocess *p = b->j->p;
  size_t row = (size_t)p->width * 3;
  for (int y = 0; y < p->height; y++)
    memcpy(out + (size_t)y * row,
           b->canvas.rgb + ((size_t)(y + b->margin) * (size_t)b->canvas.width + (size_t)b->margin) * 3,
           row * sizeof *out);
  if (!b->j->o->from)
    stretch(out, b->j->n);
}

wk_status wk_visualize_robust(wk_visualize_job *j, wk_error *err) {
  best b = {.j = j};
  wk_rng rng;
  wk_rng_init(&rng, j->o->seed, 0);
  float *picture = wk_alloc_array(j->n, sizeof *picture);
  wk_status st = picture ? WK_OK : WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a picture");
  if (st == WK_OK)
    st = best_open(&b, err);
  if (st != WK_OK)
    goto done;
  wk_parameters_noise(&b.canvas, &rng);
  if (j->o->from)
    WK_TRY(start_from(&b, err));
  render_for(&b, 1);
  for (int step = 1; step <= j->steps; step++) {
    double loss, p;
    WK_TRY(one_step(&b, step, &rng, &loss, &p, err));
    show(picture, &b);
    WK_TRY(wk_visualize_step_done(j, step, loss, p, picture, err));
  }
  WK_TRY(wk_visualize_judge(j, j->steps, picture, err));
done:
  best_close(&b);
  wk_free(picture);
  return st;
}

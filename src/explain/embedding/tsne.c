/* tsne.c - t-SNE: rows that are near each other in many dimensions, near each other in two (van der Maaten and Hinton,
 * JMLR 2008; with trees, van der Maaten, JMLR 2014). Chosen over UMAP because its cost is a stated one whose gradient
 * can be checked, and every step moves all points at once: no sampling, so nothing depends on who works first. */
#include "explain/embedding/tsne.h"

#include <math.h>
#include <string.h>

#define ROW_BLOCK 128
#define EXAGGERATION 12

static const wk_option option_rows[] = {{.name = "perplexity",
                                  WK_ROW_DOUBLE(wk_tsne_options, perplexity),
                                  .value = 30,
                                  .min = 1,
                                  .max = 1000,
                                  .placeholder = "P",
                                  .help = "tsne: about how many neighbours count"},
                                 {.name = "steps",
                                  WK_ROW_INT(wk_tsne_options, steps),
                                  .value = 1000,
                                  .min = 1,
                                  .max = 100000,
                                  .placeholder = "N",
                                  .help = "tsne: optimisation steps"},
                                 {.name = "theta",
                                  WK_ROW_DOUBLE(wk_tsne_options, theta),
                                  .value = 0.5,
                                  .min = 0,
                                  .max = 1,
                                  .flags = WK_OPTION_NO_FLAG,
                                  .help = "tsne: accuracy of Barnes-Hut; 0: exact"},
                                 {0}};
const wk_option_table wk_tsne_table = {"tsne_options", sizeof(wk_tsne_options), option_rows, NULL};
const wk_option_table *wk_tsne_options_table(void) { return &wk_tsne_table; }

/* ---- the gradient ------------------------------------------------------------------------------- */

typedef struct pull {
  const wk_affinity *a;
  const double *y, *push;
  double *gradient, *part; /* part [blocks]: of the divergence; NULL: not wanted */
  double exaggeration, total;
} pull;

static wk_status pull_job(void *user, size_t block, int worker, wk_error *err) {
  (void)worker, (void)err;
  pull *w = user;
  const wk_affinity *a = w->a;
  double kl = 0;
  for (size_t i = block * ROW_BLOCK; i < a->rows && i < (block + 1) * ROW_BLOCK; i++) {
    double x = w->y[2 * i], y = w->y[2 * i + 1], fx = 0, fy = 0;
    for (size_t e = a->begin[i]; e < a->begin[i + 1]; e++) {
      const double *other = w->y + 2 * (size_t)a->to[e];
      double dx = x - other[0], dy = y - other[1], p = (double)a->p[e], d = 1 + dx * dx + dy * dy;
      fx += p / d * dx;
      fy += p / d * dy;
      if (w->part && p > 0)
        kl += p * log(p * d * w->total);
    }
    w->gradient[2 * i] = 4 * (w->exaggeration * fx - w->push[2 * i] / w->total);
    w->gradient[2 * i + 1] = 4 * (w->exaggeration * fy - w->push[2 * i + 1] / w->total);
  }
  if (w->part)
    w->part[block] = kl;
  return WK_OK;
}

wk_status wk_tsne_gradient(double *gradient, double *kl, double *push, const wk_affinity *a, wk_quadtree *t,
                           const double *y, double exaggeration, double theta, const wk_context *ctx, wk_error *err) {
  size_t blocks = (a->rows + ROW_BLOCK - 1) / ROW_BLOCK;
  pull w = {.a = a, .y = y, .push = push, .gradient = gradient, .exaggeration = exaggeration};
  WK_RETURN_IF_ERROR(wk_quadtree_push(push, &w.total, t, y, theta, ctx, err));
  if (kl && !(w.part = wk_alloc_array(blocks, sizeof *w.part)))
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a map of %zu points", a->rows);
  wk_status st = wk_parallel(ctx, 0, blocks, pull_job, &w, err);
  double sum = 0;
  for (size_t b = 0; w.part && b < blocks; b++)
    sum += w.part[b];
  wk_free(w.part);
  if (kl && st == WK_OK)
    *kl = sum;
  return st;
}

/* ---- the descent -------------------------------------------------------------------------------- */

/* The first two columns, small, and apart by chance where photos are equal: equal points would never part. */
static void start(double *y, const float *x, size_t rows, int columns, uint64_t seed) {
  double mean = 0, square = 0;
  for (size_t i = 0; i < rows; i++)
    mean += (double)x[i * (size_t)columns] / (double)rows;
  for (size_t i = 0; i < rows; i++) {
    double d = (double)x[i * (size_t)columns] - mean;
    square += d * d / (double)rows;
  }
  double scale = square > 0 ? 1e-4 / sqrt(square) : 0;
  wk_rng rng;
  wk_rng_init(&rng, seed, 0);
  for (size_t i = 0; i < rows; i++)
    for (size_t c = 0; c < 2; c++) {
      double at = c < (size_t)columns ? (double)x[i * (size_t)columns + c] * scale : 0;
      y[2 * i + c] = at + 1e-6 * wk_rng_normal(&rng);
    }
}

/* One step with momentum, and a gain for each coordinate that grows while its direction stays. */
static void step(double *y, double *speed, double *gain, const double *gradient, size_t rows, double momentum,
                 double rate) {
  for (size_t i = 0; i < 2 * rows; i++) {
    gain[i] = speed[i] * gradient[i] < 0 ? gain[i] + 0.2 : fmax(gain[i] * 0.8, 0.01);
    speed[i] = momentum * speed[i] - rate * gain[i] * gradient[i];
    y[i] += speed[i];
  }
}

typedef struct descent {
  double *y, *gradient, *push, *speed, *gain;
  wk_quadtree *tree;
  wk_progress progress;
} descent;

static void descent_free(descent *d) {
  wk_progress_end(&d->progress);
  wk_free(d->y);
  wk_free(d->gradient);
  wk_free(d->push);
  wk_free(d->speed);
  wk_free(d->gain);
  wk_quadtree_free(d->tree);
}

static wk_status descend(float *out, double *kl, const wk_affinity *a, const float *x, int columns,
                         const wk_tsne_options *o, const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  size_t n = a->rows;
  descent d = {0};
  d.y = wk_alloc_array(n, 2 * sizeof *d.y);
  d.gradient = wk_alloc_array(n, 2 * sizeof *d.gradient);
  d.push = wk_alloc_array(n, 2 * sizeof *d.push);
  d.speed = wk_calloc(n, 2 * sizeof *d.speed);
  d.gain = wk_alloc_array(n, 2 * sizeof *d.gain);
  WK_FAIL_IF(!d.y || !d.gradient || !d.push || !d.speed || !d.gain, err, WK_ERR_MEMORY,
             "out of memory for a map of %zu points", n);
  WK_TRY(wk_quadtree_create(&d.tree, n, err));
  WK_TRY(wk_progress_begin(&d.progress, ctx, "layout", (uint64_t)o->steps, err));
  start(d.y, x, n, columns, ctx ? ctx->seed : 42);
  for (size_t i = 0; i < 2 * n; i++)
    d.gain[i] = 1;
  double rate = fmax((double)n / (4 * EXAGGERATION), 50);
  for (int s = 0; s < o->steps; s++) {
    bool early = s < o->steps / 4;
    WK_FAIL_IF(wk_cancelled(ctx), err, WK_ERR_CANCELLED, "stopped");
    WK_TRY(wk_tsne_gradient(d.gradient, NULL, d.push, a, d.tree, d.y, early ? EXAGGERATION : 1, o->theta, ctx, err));
    step(d.y, d.speed, d.gain, d.gradient, n, early ? 0.5 : 0.8, rate);
    wk_progress_add(&d.progress, 1);
  }
  WK_TRY(wk_tsne_gradient(d.gradient, kl, d.push, a, d.tree, d.y, 1, o->theta, ctx, err));
  for (size_t i = 0; i < 2 * n; i++)
    out[i] = (float)d.y[i];
done:
  descent_free(&d);
  return st;
}

static wk_status validate(const wk_tsne_options *o, size_t rows, wk_error *err) {
  if (rows < 2)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a layout needs at least two photos");
  if (!(o->perplexity >= 1 && o->perplexity <= 1000))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a perplexity of %g: expected 1 to 1000", o->perplexity);
  if (o->steps < 1)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "%d steps: expected at least 1", o->steps);
  return WK_OK;
}

static double perplexity_of(size_t rows, const wk_tsne_options *o) {
  return fmax(1, fmin(o->perplexity, (double)(rows - 1) / 3));
}

int wk_tsne_neighbours(size_t rows, const wk_tsne_options *o) {
  size_t k = (size_t)(3 * perplexity_of(rows, o) + 1);
  return (int)(k < rows - 1 ? k : rows - 1);
}

wk_status wk_tsne_layout(float *out, double *kl, const float *x, size_t rows, int columns, uint32_t *index,
                         float *square, int k, const wk_tsne_options *o, const wk_context *ctx, wk_error *err) {
  wk_affinity a = {0};
  WK_RETURN_IF_ERROR(validate(o, rows, err));
  WK_RETURN_IF_ERROR(wk_affinity_create(&a, index, square, rows, k, perplexity_of(rows, o), ctx, err));
  wk_status st = descend(out, kl, &a, x, columns, o, ctx, err);
  wk_affinity_free(&a);
  return st;
}

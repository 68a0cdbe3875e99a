/* pixel_attribution.c - attributions of pixels: gradients of the class's score, alone or summed over many points. The
 * points of a round are divided into blocks that do not depend on the number of threads, and blocks are added in their
 * order.
 */
#include <math.h>
#include <string.h>

#include "explain/attribution/attribution_job.h"

enum { BLOCKS = 8, BLOCK = 4 }; /* of a round; points of a block */

/* Makes point number `index`. */
typedef void (*point_fn)(float *x, const void *user, int index);

typedef struct sum_job {
  wk_attribution_job *j;
  wk_classifier_pool *pool;
  point_fn point;
  const void *user;
  int first, count; /* points of this round */
  float *x;         /* [workers, n] */
  double *sum;      /* [BLOCKS, n] */
} sum_job;

static wk_status one_block(void *user, size_t index, int worker, wk_error *err) {
  sum_job *s = user;
  wk_diff_classifier *classifier = s->pool->classifier[worker];
  float *x = s->x + (size_t)worker * s->j->n;
  double *sum = s->sum + index * s->j->n;
  memset(sum, 0, s->j->n * sizeof *sum);
  for (int k = (int)index * BLOCK; k < ((int)index + 1) * BLOCK && k < s->count; k++) {
    s->point(x, s->user, s->first + k);
    WK_RETURN_IF_ERROR(wk_diff_classifier_forward(classifier, x, 1, err));
    WK_RETURN_IF_ERROR(wk_attribution_backward(classifier, s->j->o->target, err));
    const float *g = wk_diff_classifier_input_gradient(classifier);
    for (size_t i = 0; i < s->j->n; i++)
      sum[i] += (double)g[i];
    wk_progress_add(s->j->progress, 1);
  }
  return WK_OK;
}

/* total += gradients at points 0 .. count - 1 */
static wk_status sum_gradients(double *total, wk_attribution_job *j, wk_classifier_pool *pool, point_fn point,
                               const void *user, int count, wk_error *err) {
  wk_status st = WK_OK;
  sum_job s = {.j = j, .pool = pool, .point = point, .user = user};
  s.x = wk_alloc_array((size_t)pool->workers * j->n, sizeof *s.x);
  s.sum = wk_alloc_array(BLOCKS * j->n, sizeof *s.sum);
  WK_FAIL_IF(!s.x || !s.sum, err, WK_ERR_MEMORY, "out of memory for gradients of %zu values", j->n);
  for (s.first = 0; s.first < count; s.first += BLOCKS * BLOCK) {
    s.count = count - s.first < BLOCKS * BLOCK ? count - s.first : BLOCKS * BLOCK;
    size_t blocks = ((size_t)s.count + BLOCK - 1) / BLOCK;
    WK_TRY(wk_parallel(j->ctx, pool->workers, blocks, one_block, &s, err));
    for (size_t b = 0; b < blocks; b++)
      for (size_t i = 0; i < j->n; i++)
        total[i] += s.sum[b * j->n + i];
  }
  j->cam->steps += count;
done:
  wk_free(s.x);
  wk_free(s.sum);
  return st;
}

/* ---- the photo itself -------------------------------------------------------------------------- */

static void as_it_is(float *x, const void *user, int index) {
  const wk_attribution_job *j = user;
  (void)index;
  memcpy(x, j->input, j->n * sizeof *x);
}

/* ---- SmoothGrad -------------------------------------------------------------------------------- */

typedef struct noisy {
  const wk_attribution_job *j;
  double deviation;
} noisy;

static void add_noise(float *x, const void *user, int index) {
  const noisy *s = user;
  wk_rng rng;
  wk_rng_init(&rng, s->j->o->seed, (uint64_t)index);
  for (size_t i = 0; i < s->j->n; i++)
    x[i] = s->j->input[i] + (float)(s->deviation * wk_rng_normal(&rng));
}

/* ---- integrated gradients ---------------------------------------------------------------------- */

typedef struct line {
  const wk_attribution_job *j;
  const float *from; /* [3] the colour where it begins */
  int points;        /* on the line, at the middles of as many parts */
  bool refined;      /* a third of these has been taken: only the others */
} line;

static void on_line(float *x, const void *user, int index) {
  const line *l = user;
  /* Of three new middles the second is an old one. */
  int k = l->refined ? index / 2 * 3 + (index & 1) * 2 : index;
  float t = (float)((k + 0.5) / l->points);
  for (size_t i = 0; i < l->j->n; i++) {
    float from = l->from[i % 3];
    x[i] = from + t * (l->j->input[i] - from);
  }
}

/* Three times as many points each time, until what is missing is little enough. */
static wk_status integrate(double *total, wk_attribution_job *j, wk_classifier_pool *pool, const float from[3],
                           wk_error *err) {
  enum { FIRST = 18 };
  wk_status st = WK_OK;
  wk_attribution *cam = j->cam;
  float *start = wk_alloc_array(j->n, sizeof *start);
  WK_FAIL_IF(!start, err, WK_ERR_MEMORY, "out of memory");
  for (size_t i = 0; i < j->n; i++)
    start[i] = from[i % 3];
  WK_TRY(wk_diff_classifier_forward(pool->classifier[0], start, 1, err));
  cam->expected = cam->score - (double)wk_diff_classifier_scores(pool->classifier[0])[j->o->target];
  line l = {.j = j, .from = from, .points = j->o->steps < FIRST ? j->o->steps : FIRST};
  for (;;) {
    WK_TRY(sum_gradients(total, j, pool, on_line, &l, l.refined ? l.points / 3 * 2 : l.points, err));
    cam->total = 0;
    for (size_t i = 0; i < j->n; i++)
      cam->total += total[i] / l.points * (double)(j->input[i] - from[i % 3]);
    if (fabs(cam->total - cam->expected) <= j->o->tolerance * fabs(cam->expected) || l.points * 3 > j->o->steps)
      break;
    l.points *= 3;
    l.refined = true;
  }
  for (size_t i = 0; i < j->n; i++)
    total[i] /= l.points;
done:
  wk_free(start);
  return st;
}

/* ---- from gradients to a map ------------------------------------------------------------------- */

/* Black as the network sees it, or its zero: the mean colour it was trained with. */
static void baseline(float out[3], const wk_preprocess *p, bool black) {
  for (int c = 0; c < 3; c++)
    out[c] = black ? -p->mean[c] / p->std[c] : 0;
}

static void to_map(float *map, const double *g, const wk_attribution_job *j, const float from[3]) {
  for (size_t i = 0; i < j->n / 3; i++) {
    double sum = 0;
    for (size_t c = 0; c < 3; c++)
      sum += j->o->method == WK_ATTRIBUTION_SMOOTHGRAD
                 ? fabs(g[3 * i + c])
                 : g[3 * i + c] * (double)(j->input[3 * i + c] - (j->o->method == WK_ATTRIBUTION_IG ? from[c] : 0));
    map[i] = (float)sum;
  }
}

wk_status wk_attribution_from_pixels(wk_attribution_job *j, wk_error *err) {
  wk_status st = WK_OK;
  wk_classifier_pool pool = {0};
  float from[3];
  baseline(from, &j->model->backbone->preprocess, j->o->black);
  const bool one = j->o->method == WK_ATTRIBUTION_GRADINPUT; /* then the threads share its layers */
  wk_diff_classifier_options lo;
  wk_diff_classifier_options_init(&lo);
  lo.threads = one ? wk_context_threads(j->ctx) : 1;
  double *total = wk_calloc(j->n, sizeof *total);
  WK_FAIL_IF(!total, err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(wk_classifier_pool_create(&pool, j->model, &lo, one ? 1 : wk_context_threads(j->ctx), err));
  WK_TRY(wk_diff_classifier_forward(pool.classifier[0], j->input, 1, err));
  wk_attribution_note_score(j, pool.classifier[0]);
  if (j->o->method == WK_ATTRIBUTION_GRADINPUT) {
    WK_TRY(sum_gradients(total, j, &pool, as_it_is, j, 1, err));
  } else if (j->o->method == WK_ATTRIBUTION_SMOOTHGRAD) {
    double low, high;
    wk_heatmap_range(&low, &high, j->input, j->n);
    noisy s = {j, j->o->noise * (high - low)};
    WK_TRY(sum_gradients(total, j, &pool, add_noise, &s, j->o->samples, err));
    for (size_t i = 0; i < j->n; i++)
      total[i] /= j->o->samples;
  } else {
    WK_TRY(integrate(total, j, &pool, from, err));
  }
  to_map(j->cam->map, total, j, from);
done:
  wk_classifier_pool_free(&pool);
  wk_free(total);
  return st;
}

/* adversarial.c - a head that learns from attacked photos as well: in every round each photo is moved a little
 * against the head so far, and the head is fitted again on all that was seen. The attack is the fast one of Wong, Rice
 * and Kolter ("Fast is better than free", ICLR 2020): from a random point of the bound, by steps of the gradient's
 * sign.
 *
 * The backbone stays as it is, so what is gained is what the head alone can: it learns to lean on the features that
 * such a change moves least. */
#include <math.h>
#include <string.h>

#include "data/data.h"
#include "learn/probe.h"
#include "whisker/adversarial.h"
#include "whisker/train_nn.h"

typedef struct attacker {
  wk_grad_exec *exec;
  wk_buffer file;
  uint8_t *rgb;
  float *clean, *x;      /* the input: as it is, and moved */
  float *score, *toward; /* [classes], [features] */
} attacker;

typedef struct job {
  const wk_backbone *b;
  const wk_features *f;
  const char *const *path;
  const int *y;
  const wk_adversarial_options *o;
  const wk_head *head;
  wk_grad_plan *plan;
  attacker *worker;
  size_t n;  /* values of an input */
  float *to; /* [rows, columns] of this round */
  uint64_t seed;
  int round;
  wk_progress progress;
} job;

void wk_adversarial_options_init(wk_adversarial_options *o) {
  *o = (wk_adversarial_options){.eps_255 = 1, .rounds = 12, .steps = 3};
}

static wk_status ready(job *j, attacker *a, wk_error *err) {
  if (a->exec)
    return WK_OK;
  a->rgb = wk_alloc(j->n);
  a->clean = wk_alloc_array(2 * j->n, sizeof *a->clean);
  a->score = wk_alloc_array((size_t)j->head->classes + (size_t)j->head->features, sizeof *a->score);
  if (!a->rgb || !a->clean || !a->score)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for attacking photos");
  a->x = a->clean + j->n;
  a->toward = a->score + j->head->classes;
  return wk_grad_exec_create(&a->exec, j->plan, err);
}

static wk_status read_pixels(job *j, attacker *a, const char *path, wk_error *err) {
  wk_photo_file file = {.fd = -1};
  wk_status st = wk_photo_open(&file, path, err);
  if (st == WK_OK)
    st = wk_photo_read(&a->file, &file, err);
  wk_photo_close(&file);
  if (st == WK_OK)
    st = wk_preprocess_bytes(a->rgb, a->file.data, a->file.size, &j->b->preprocess, err);
  if (st != WK_OK)
    return wk_error_prefix(err, st, "%s", path);
  wk_preprocess_normalise(a->clean, a->rgb, &j->b->preprocess);
  return WK_OK;
}

/* d cross-entropy / d features of a linear head. */
static void loss_gradient(attacker *a, const wk_head *h, const float *features, int label) {
  wk_head_predict(a->score, h, features, 1);
  a->score[label] -= 1;
  memset(a->toward, 0, (size_t)h->features * sizeof *a->toward);
  for (int c = 0; c < h->classes; c++)
    for (int i = 0; i < h->features; i++)
      a->toward[i] += a->score[c] / h->temperature * h->weight[(size_t)c * (size_t)h->features + (size_t)i];
}

/* Keeps value i inside the bound and inside what a photo can be. */
static float inside(const job *j, const attacker *a, size_t i, float x) {
  const wk_preprocess *p = &j->b->preprocess;
  float eps = (float)j->o->eps_255 / p->std[i % 3];
  float low = fmaxf(a->clean[i] - eps, -p->mean[i % 3] / p->std[i % 3]),
        high = fminf(a->clean[i] + eps, (255 - p->mean[i % 3]) / p->std[i % 3]);
  return fminf(fmaxf(x, low), high);
}

static wk_status attack_row(void *user, size_t row, int worker, wk_error *err) {
  job *j = user;
  attacker *a = &j->worker[worker];
  const wk_preprocess *p = &j->b->preprocess;
  WK_RETURN_IF_ERROR(ready(j, a, err));
  WK_RETURN_IF_ERROR(read_pixels(j, a, j->path[j->f->index[row]], err));
  wk_rng rng;
  wk_rng_init(&rng, j->seed, (uint64_t)j->round * j->f->rows + row);
  for (size_t i = 0; i < j->n; i++) {
    float eps = (float)j->o->eps_255 / p->std[i % 3];
    a->x[i] = inside(j, a, i, a->clean[i] + eps * (2 * (float)wk_rng_uniform(&rng) - 1));
  }
  /* One step of 1.25 of the bound, as in the paper; several share twice that. */
  float step = (float)(j->o->eps_255 * (j->o->steps == 1 ? 1.25 : 2.5 / j->o->steps));
  for (int t = 0; t < j->o->steps; t++) {
    WK_RETURN_IF_ERROR(wk_grad_forward(a->exec, a->x, 1, err));
    loss_gradient(a, j->head, wk_grad_seed_output(a->exec, 0), j->y[row]);
    const float *seed = a->toward;
    WK_RETURN_IF_ERROR(wk_grad_backward(a->exec, &seed, err));
    const float *g = wk_grad_result(a->exec, 0);
    for (size_t i = 0; i < j->n; i++)
      a->x[i] = inside(j, a, i, a->x[i] + step / p->std[i % 3] * (float)((g[i] > 0) - (g[i] < 0)));
  }
  WK_RETURN_IF_ERROR(wk_grad_forward(a->exec, a->x, 1, err));
  size_t columns = (size_t)j->f->columns;
  memcpy(j->to + row * columns, wk_grad_seed_output(a->exec, 0), columns * sizeof *j->to);
  wk_progress_add(&j->progress, 1);
  return WK_OK;
}

static wk_status check(const wk_backbone *b, const wk_features *f, const wk_adversarial_options *o, wk_error *err) {
  if (!(o->eps_255 > 0 && o->eps_255 <= 255))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a bound of %g grey levels is not possible: above 0, up to 255", o->eps_255);
  if (o->rounds < 1 || o->rounds > 100 || o->steps < 1 || o->steps > 1000)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "%d rounds of %d steps are not possible", o->rounds, o->steps);
  if (f->columns != b->arch->features)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "the features are not the backbone's: %d columns, expected %d", f->columns,
                   b->arch->features);
  return WK_OK;
}

static wk_status open_job(job *j, int threads, wk_error *err) {
  wk_node seed = wk_graph_features(j->b->graph);
  wk_grad_options go;
  wk_grad_options_init(&go);
  go.height = j->b->preprocess.height;
  go.width = j->b->preprocess.width;
  go.seed = &seed;
  go.seeds = 1;
  j->n = (size_t)go.height * (size_t)go.width * 3;
  j->worker = wk_calloc((size_t)threads, sizeof *j->worker);
  if (!j->worker)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for %d threads", threads);
  return wk_grad_plan_create(&j->plan, j->b->graph, j->b->weights, &go, err);
}

static void close_job(job *j, int threads) {
  for (int i = 0; j->worker && i < threads; i++) {
    wk_grad_exec_free(j->worker[i].exec);
    wk_free(j->worker[i].file.data);
    wk_free(j->worker[i].rgb);
    wk_free(j->worker[i].clean);
    wk_free(j->worker[i].score);
  }
  wk_free(j->worker);
  wk_grad_plan_free(j->plan);
}

wk_status wk_probe_fit_adversarial(wk_head **out, const wk_head *start, const wk_backbone *b, const wk_features *f,
                                   const char *const *path, const int *y, size_t rows, const wk_probe_options *probe,
                                   const wk_adversarial_options *o, const wk_context *ctx, wk_error *err) {
  WK_RETURN_IF_ERROR(check(b, f, o, err));
  size_t columns = (size_t)f->columns, most = rows * ((size_t)o->rounds + 1);
  int threads = wk_context_threads(ctx);
  job j = {.b = b, .f = f, .path = path, .y = y, .o = o, .head = start, .seed = ctx ? ctx->seed : 42};
  wk_head *head = NULL;
  wk_status st;
  float *x = wk_alloc_array(most, columns * sizeof *x);
  int *label = wk_alloc_array(most, sizeof *label);
  WK_FAIL_IF(!x || !label, err, WK_ERR_MEMORY, "out of memory for %zu rows of %zu features", most, columns);
  WK_TRY(open_job(&j, threads, err));
  memcpy(x, f->row, rows * columns * sizeof *x);
  memcpy(label, y, rows * sizeof *label);
  for (j.round = 1; j.round <= o->rounds; j.round++) {
    size_t done = rows * (size_t)j.round;
    j.to = x + done * columns;
    memcpy(label + done, y, rows * sizeof *label);
    WK_TRY(wk_progress_begin(&j.progress, ctx, "attacked", rows, err));
    WK_TRY(wk_parallel(ctx, threads, rows, attack_row, &j, err));
    wk_progress_end(&j.progress);
    j.progress = (wk_progress){0};
    wk_head *better = NULL;
    WK_TRY(wk_probe_fit(&better, NULL, x, label, done + rows, (int)columns, start->classes, probe, ctx, err));
    wk_head_free(head);
    head = better;
    j.head = head;
  }
  *out = head;
  head = NULL;
done:
  wk_progress_end(&j.progress);
  close_job(&j, threads);
  wk_head_free(head);
  wk_free(x);
  wk_free(label);
  return st;
}

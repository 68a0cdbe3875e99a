/* adversarial.c - adversarial training: a batch is moved against the network before it is learned from. Photos move
 * each on its own, from a start that is a function of seed, epoch and photo: the same for any number of threads. */
#include <math.h>
#include <string.h>

#include "base/chunk.h"
#include "base/softmax.h"
#include "train/finetune/finetune_parts.h"

#define START_STREAM 0x6164760000000000u /* "adv" */

double wk_attack_step_size(double eps_255, int steps) {
  /* One step of 1.25 of the bound, as in the paper; several share twice that. */
  return steps == 1 ? 1.25 * eps_255 : 2.5 * eps_255 / steps;
}

/* Between which values a pixel's channel may lie. */
typedef struct room {
  float eps[3], low[3], high[3];
} room;

static room room_of(const wk_preprocess *p, double eps_255) {
  room r;
  for (int c = 0; c < 3; c++) {
    r.eps[c] = (float)eps_255 / p->std[c];
    r.low[c] = (0 - p->mean[c]) / p->std[c];
    r.high[c] = (255 - p->mean[c]) / p->std[c];
  }
  return r;
}

static float inside(const room *r, int c, float x, float clean) {
  float low = clean - r->eps[c], high = clean + r->eps[c];
  low = low > r->low[c] ? low : r->low[c];
  high = high < r->high[c] ? high : r->high[c];
  x = x > low ? x : low;
  return x < high ? x : high;
}

void wk_attack_random_start(float *x, const float *clean, size_t n, const wk_preprocess *p, double eps_255,
                            uint64_t seed, uint64_t epoch, uint32_t photo) {
  room r = room_of(p, eps_255);
  wk_rng rng;
  wk_rng_init(&rng, seed, START_STREAM ^ (epoch << 32) ^ photo);
  for (size_t i = 0; i < n; i += 3)
    for (int c = 0; c < 3; c++) {
      float share = (float)((int32_t)(wk_rng_u32(&rng) >> 8) - (1 << 23)) * 0x1p-23f; /* -1 to 1 */
      x[i + (size_t)c] = inside(&r, c, clean[i + (size_t)c] + share * r.eps[c], clean[i + (size_t)c]);
    }
}

void wk_attack_sign_step(float *x, const float *clean, const float *slope, size_t n, const wk_preprocess *p,
                         double eps_255, double step_255) {
  room r = room_of(p, eps_255), stride = room_of(p, step_255);
  for (size_t i = 0; i < n; i += 3)
    for (int c = 0; c < 3; c++) {
      size_t k = i + (size_t)c;
      float sign = (float)((slope[k] > 0) - (slope[k] < 0));
      x[k] = inside(&r, c, x[k] + sign * stride.eps[c], clean[k]);
    }
}

typedef struct moving {
  const wk_finetuner *l;
  const uint32_t *photo;
  uint64_t epoch;
  bool start;
} moving;

static wk_status move_photo(void *user, size_t index, int worker, wk_error *err) {
  (void)worker, (void)err;
  const moving *m = user;
  const wk_finetuner *l = m->l;
  const wk_finetune_input *in = l->s->train;
  const wk_adversary *a = &l->o->adversary;
  size_t n = in->columns, at = index * n;
  if (m->start)
    wk_attack_random_start(l->input + at, l->clean + at, n, in->preprocess, a->eps_255, l->seed, m->epoch,
                           m->photo[index]);
  else
    wk_attack_sign_step(l->input + at, l->clean + at, l->slope + at, n, in->preprocess, a->eps_255,
                        wk_attack_step_size(a->eps_255, a->steps));
  return WK_OK;
}

wk_status wk_finetuner_perturb(wk_finetuner *l, size_t first, size_t count, int epoch, uint64_t stream, wk_loss_fn loss,
                               void *user, wk_error *err) {
  const wk_context *ctx = l->s->ctx;
  moving m = {.l = l, .photo = l->order + first, .epoch = (uint64_t)epoch, .start = true};
  /* The batch is in random order, so its first photos are as good as any. */
  size_t moved = (size_t)ceil(l->o->adversary.share * (double)count);
  memcpy(l->clean, l->input, moved * l->s->train->columns * sizeof *l->clean);
  WK_RETURN_IF_ERROR(wk_parallel(ctx, 0, moved, move_photo, &m, err));
  m.start = false;
  for (int t = 0; t < l->o->adversary.steps; t++) {
    double ignored;
    WK_RETURN_IF_ERROR(
        wk_trainer_input_gradient(l->t, l->slope, &ignored, l->input, (int)moved, stream, loss, user, ctx, err));
    WK_RETURN_IF_ERROR(wk_parallel(ctx, 0, moved, move_photo, &m, err));
  }
  return WK_OK;
}

/* ---- how much is withstood ------------------------------------------------------------------------ */

enum { SAMPLE = 100, BLOCK = 4, CHECK_STEPS = 4 };

size_t wk_robust_eval_size(size_t rows) { return rows < SAMPLE ? rows : SAMPLE; }

typedef struct attacker {
  wk_grad_exec *exec;
  float *clean, *x; /* [BLOCK, columns] */
  float *slope;     /* [BLOCK, classes] d loss / d score */
} attacker;

typedef struct siege {
  const wk_finetune_input *in;
  wk_grad_plan *plan;
  attacker *attacker; /* [threads], each made by the worker that first needs it */
  uint32_t *photo;    /* [rows] of the input */
  int *label;         /* [rows] */
  float *score;       /* [rows, classes] of what they became */
  size_t rows;
  int classes;
  double eps_255;
} siege;

static wk_status ready(const siege *s, attacker *a, wk_error *err) {
  if (a->exec)
    return WK_OK;
  a->clean = wk_alloc_array(BLOCK, s->in->columns * sizeof *a->clean);
  a->x = wk_alloc_array(BLOCK, s->in->columns * sizeof *a->x);
  a->slope = wk_alloc_array(BLOCK, (size_t)s->classes * sizeof *a->slope);
  if (!a->clean || !a->x || !a->slope)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for attacking %d photos of %zu values", BLOCK, s->in->columns);
  return wk_grad_exec_create(&a->exec, s->plan, err);
}

static wk_status attack_block(void *user, size_t index, int worker, wk_error *err) {
  const siege *s = user;
  attacker *a = &s->attacker[worker];
  size_t first = index * BLOCK, count = s->rows - first < BLOCK ? s->rows - first : BLOCK, n = s->in->columns;
  wk_loss_target target = {.label = s->label};
  wk_loss_options lo;
  wk_loss_options_init(&lo);
  wk_context alone;
  wk_context_init(&alone);
  alone.threads = 1;
  WK_RETURN_IF_ERROR(ready(s, a, err));
  WK_RETURN_IF_ERROR(wk_finetune_input_gather(a->clean, s->in, s->photo + first, (int)count, 0, &alone, err));
  memcpy(a->x, a->clean, count * n * sizeof *a->x);
  for (int t = 0; t < CHECK_STEPS; t++) {
    double ignored = 0;
    WK_RETURN_IF_ERROR(wk_grad_forward(a->exec, a->x, (int)count, err));
    wk_loss_rows(&ignored, a->slope, wk_grad_output(a->exec, 0), &target, first, count, s->classes, 1, 1, &lo);
    const float *seed = a->slope;
    WK_RETURN_IF_ERROR(wk_grad_backward(a->exec, &seed, err));
    wk_attack_sign_step(a->x, a->clean, wk_grad_result(a->exec, 0), count * n, s->in->preprocess, s->eps_255,
                        wk_attack_step_size(s->eps_255, CHECK_STEPS));
  }
  WK_RETURN_IF_ERROR(wk_grad_forward(a->exec, a->x, (int)count, err));
  memcpy(s->score + first * (size_t)s->classes, wk_grad_output(a->exec, 0),
         count * (size_t)s->classes * sizeof *s->score);
  return WK_OK;
}

/* At a temperature of its own an overcome network would only be told how unsure to be: all would score the same. */
static void judge(double *loss, double *top1, siege *s, double temperature) {
  size_t k = (size_t)s->classes, right = 0;
  wk_finetune_probabilities(s->score, s->rows, s->classes, temperature);
  *loss = 0;
  for (size_t r = 0; r < s->rows; r++) {
    const float *p = s->score + r * k;
    right += wk_best_class(p, s->classes, -1) == s->label[r];
    *loss -= log(fmax((double)p[s->label[r]], 1e-30)) / (double)s->rows;
  }
  *top1 = (double)right / (double)s->rows;
}

wk_status wk_robust_eval(double *loss, double *top1, double temperature, const wk_graph *tail,
                         const wk_tensors *weights, const wk_finetune_input *in, int classes, double eps_255,
                         const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  int threads = wk_context_threads(ctx);
  siege s = {.in = in, .rows = wk_robust_eval_size(in->rows), .classes = classes, .eps_255 = eps_255};
  wk_grad_options o;
  wk_grad_options_init(&o);
  o.batch = BLOCK;
  WK_TRY(wk_grad_plan_create(&s.plan, tail, weights, &o, err));
  s.attacker = wk_calloc((size_t)threads, sizeof *s.attacker);
  s.photo = wk_alloc_array(s.rows, sizeof *s.photo);
  s.label = wk_alloc_array(s.rows, sizeof *s.label);
  s.score = wk_alloc_array(s.rows, (size_t)classes * sizeof *s.score);
  WK_FAIL_IF(!s.attacker || !s.photo || !s.label || !s.score, err, WK_ERR_MEMORY,
             "out of memory for attacking %zu photos", s.rows);
  for (size_t i = 0; i < s.rows; i++) {
    s.photo[i] = (uint32_t)wk_even_cut(in->rows, s.rows, i);
    s.label[i] = in->label[s.photo[i]];
  }
  WK_TRY(wk_parallel(ctx, threads, (s.rows + BLOCK - 1) / BLOCK, attack_block, &s, err));
  judge(loss, top1, &s, temperature);
done:
  for (int i = 0; s.attacker && i < threads; i++) {
    wk_grad_exec_free(s.attacker[i].exec);
    wk_free(s.attacker[i].clean);
    wk_free(s.attacker[i].x);
    wk_free(s.attacker[i].slope);
  }
  wk_free(s.attacker);
  wk_free(s.photo);
  wk_free(s.label);
  wk_free(s.score);
  wk_grad_plan_free(s.plan);
  return st;
}

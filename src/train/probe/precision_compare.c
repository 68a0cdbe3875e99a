/* precision_compare.c - what a lower precision costs in accuracy, on a sample of the photos that are to be learned
 * from: their features are computed both ways, and the same folds of a linear probe are fitted on both. */
#include <string.h>

#include "base/base.h"
#include "base/softmax.h"
#include "whisker/probe.h"

enum { FOLDS = 5 };

typedef struct sample {
  const char **path;
  int *label; /* 0..classes-1, of the classes that have two photos or more */
  size_t n;
  int classes;
} sample;

static void sample_free(sample *s) {
  wk_free(s->path);
  wk_free(s->label);
}

/* `most` photos, each class its share but at least two; those of a class by chance. */
static wk_status draw(sample *s, const char *const *path, const int *label, size_t n, int classes, size_t most,
                      uint64_t seed, wk_error *err) {
  wk_status st = WK_OK;
  size_t *have = wk_calloc((size_t)classes, sizeof *have), *want = wk_calloc((size_t)classes, sizeof *want);
  int *number = wk_calloc((size_t)classes, sizeof *number);
  s->path = wk_alloc_array(n, sizeof *s->path);
  s->label = wk_alloc_array(n, sizeof *s->label);
  WK_FAIL_IF(!have || !want || !number || !s->path || !s->label, err, WK_ERR_MEMORY, "out of memory for a sample");
  for (size_t i = 0; i < n; i++)
    have[label[i]]++;
  for (int k = 0; k < classes; k++) {
    want[k] = n <= most ? have[k] : (have[k] * most + n / 2) / n;
    want[k] = want[k] < 2 ? 2 : want[k];
    number[k] = have[k] < 2 ? -1 : s->classes++;
  }
  wk_rng rng;
  wk_rng_init(&rng, seed, 0x73616d706c65);
  for (size_t i = 0; i < n; i++) { /* Knuth's selection sampling, in each class */
    const int k = label[i];
    if (number[k] < 0)
      continue;
    const bool take = want[k] && wk_rng_below(&rng, (uint32_t)have[k]) < want[k];
    have[k]--;
    if (!take)
      continue;
    want[k]--;
    s->path[s->n] = path[i];
    s->label[s->n++] = number[k];
  }
done:
  wk_free(have);
  wk_free(want);
  wk_free(number);
  return st;
}

/* Photos right when their fold was left out. `fold` [rows]. */
static wk_status cross_validate(size_t *right, const float *x, const int *y, const int *fold, size_t rows, int columns,
                                int classes, const wk_probe_options *o, const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  wk_head *head = NULL;
  const size_t width = (size_t)columns;
  float *learn = wk_alloc_array(rows * width, sizeof *learn), *p = wk_alloc_array((size_t)classes, sizeof *p);
  int *truth = wk_alloc_array(rows, sizeof *truth);
  WK_FAIL_IF(!learn || !p || !truth, err, WK_ERR_MEMORY, "out of memory for comparing precisions");
  *right = 0;
  for (int f = 0; f < FOLDS; f++) {
    size_t n = 0, out = 0;
    for (size_t i = 0; i < rows; i++) {
      if (fold[i] == f) {
        out++;
        continue;
      }
      memcpy(learn + n * width, x + i * width, width * sizeof *learn);
      truth[n++] = y[i];
    }
    if (!out)
      continue;
    WK_TRY(wk_probe_fit(&head, NULL, learn, truth, n, columns, classes, o, ctx, err));
    for (size_t i = 0; i < rows; i++) {
      if (fold[i] != f)
        continue;
      wk_head_predict(p, head, x + i * width, 1);
      *right += wk_best_class(p, classes, -1) == y[i];
    }
    wk_head_free(head);
    head = NULL;
  }
done:
  wk_head_free(head);
  wk_free(learn);
  wk_free(p);
  wk_free(truth);
  return st;
}

static double speed(const wk_features *f) {
  return f->computed && f->computed == f->rows && f->seconds > 0 ? (double)f->rows / f->seconds : 0;
}

wk_status wk_precision_compare(wk_precision_report *out, const wk_backbone *b, const char *const *path,
                               const int *label, size_t photos, int classes, size_t most, const wk_features_options *o,
                               const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  sample s = {0};
  wk_features *f[2] = {0};
  int *y = NULL, *fold = NULL, *turn = NULL;
  wk_head *head = NULL;
  wk_probe_report found;
  wk_backbone way = *b; /* a view: nothing of it is freed */
  wk_precision_report r = {0};
  WK_TRY(draw(&s, path, label, photos, classes, most, ctx ? ctx->seed : 0, err));
  WK_FAIL_IF(s.classes < 2, err, WK_ERR_ARGUMENT,
             "precisions cannot be compared: fewer than two classes have two photos to learn from");
  way.precision = WK_PRECISION_FLOAT32;
  WK_TRY(wk_features_compute(&f[0], &way, s.path, s.n, o, ctx, err));
  way.precision = b->precision;
  WK_TRY(wk_features_compute(&f[1], &way, s.path, s.n, o, ctx, err));
  r.photo_count = f[0]->rows; /* what can be read can be read twice */
  WK_FAIL_IF(f[1]->rows != r.photo_count || r.photo_count < 2, err, WK_ERR_IO,
             "the photos changed while they were read");
  y = wk_alloc_array(r.photo_count, sizeof *y);
  fold = wk_alloc_array(r.photo_count, sizeof *fold);
  turn = wk_calloc((size_t)s.classes, sizeof *turn);
  WK_FAIL_IF(!y || !fold || !turn, err, WK_ERR_MEMORY, "out of memory for comparing precisions");
  for (size_t i = 0; i < r.photo_count; i++) {
    y[i] = s.label[f[0]->index[i]];
    fold[i] = (turn[y[i]]++ + y[i]) % FOLDS;
  }
  for (int k = 0; k < s.classes; k++)
    WK_FAIL_IF(turn[k] < 2, err, WK_ERR_FORMAT, "precisions cannot be compared: too many photos cannot be read");
  wk_probe_options probe;
  wk_probe_options_init(&probe);
  WK_TRY(wk_probe_fit(&head, &found, f[0]->row, y, r.photo_count, f[0]->columns, s.classes, &probe, ctx, err));
  probe.l2 = found.l2; /* float32's penalty for both */
  WK_TRY(
      cross_validate(&r.float32_right, f[0]->row, y, fold, r.photo_count, f[0]->columns, s.classes, &probe, ctx, err));
  WK_TRY(cross_validate(&r.right, f[1]->row, y, fold, r.photo_count, f[1]->columns, s.classes, &probe, ctx, err));
  r.float32_speed = speed(f[0]);
  r.speed = speed(f[1]);
  *out = r;
done:
  wk_head_free(head);
  wk_free(turn);
  wk_free(fold);
  wk_free(y);
  wk_features_free(f[0]);
  wk_features_free(f[1]);
  sample_free(&s);
  return st;
}

bool wk_precision_accurate(const wk_precision_report *r) {
  const double lost = (double)r->float32_right - (double)r->right;
  return lost * 1000 <= 3 * (double)r->photo_count;
}

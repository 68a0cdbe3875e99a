/* robust_eval.c - how much a model withstands: accuracy under untargeted PGD of growing strength, and under ordinary
 * damage.
 *
 * A photo that falls at one strength falls at every greater one (the smaller ball lies inside the larger), so attacks
 * on it end there. Every photo is a job of its own with random streams of its own: the result is the same for any
 * number of threads. */
#include <math.h>
#include <string.h>

#include "attack/attack_state.h"
#include "attack/option_tables.h"

static const double default_eps[] = {0, 0.25, 0.5, 1, 2, 4, 8};

static const wk_option option_rows[] = {{.name = "steps",
                                  WK_ROW_INT(wk_robust_options, steps),
                                  .value = 20,
                                  .min = 1,
                                  .max = INFINITY,
                                  .placeholder = "N",
                                  .help = "gradient steps of each attack"},
                                 {.name = "restarts",
                                  WK_ROW_INT(wk_robust_options, restarts),
                                  .value = 1,
                                  .min = 0,
                                  .max = INFINITY,
                                  .placeholder = "N",
                                  .help = "random restarts after a failed attempt"},
                                 {.name = "corruptions",
                                  WK_ROW_BOOL(wk_robust_options, corruptions),
                                  .value = 1,
                                  .old_names = "no-damage",
                                  .help = "attacks only: no noise, blur, JPEG and so on"},
                                 {0}};
const wk_option_table wk_robust_table = {"robust_options", sizeof(wk_robust_options), option_rows, NULL};
const wk_option_table *wk_robust_options_table(void) { return &wk_robust_table; }

void wk_robust_options_init(wk_robust_options *o) {
  wk_options_init(o, &wk_robust_table);
  o->eps_255 = default_eps;
  o->count = sizeof default_eps / sizeof *default_eps;
}

/* What one photo gave. */
typedef struct verdict {
  bool readable;
  int stands; /* strengths withstood, from the smallest on */
  bool corruption_right[WK_CORRUPTION_COUNT][WK_SEVERITIES];
} verdict;

typedef struct worker {
  wk_diff_classifier *classifier;
  uint8_t *rgb, *damaged; /* [n] */
  float *pixels, *input;  /* [n] */
} worker;

typedef struct job {
  const wk_model *model;
  const char *const *path;
  const int *label;
  const wk_robust_options *o;
  const wk_context *ctx;
  uint64_t seed;
  size_t n; /* values of a picture */
  wk_diff_classifier *first;
  worker *worker;
  verdict *verdict;
  wk_progress progress;
} job;

static wk_status prepare_worker(worker *w, const job *j, wk_error *err) {
  if (w->classifier)
    return WK_OK;
  w->rgb = wk_alloc(2 * j->n);
  w->pixels = wk_alloc_array(2 * j->n, sizeof *w->pixels);
  if (!w->rgb || !w->pixels)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory to attack photos");
  w->damaged = w->rgb + j->n;
  w->input = w->pixels + j->n;
  return wk_diff_classifier_share(&w->classifier, j->first, err);
}

static wk_status is_right(bool *right, worker *w, const job *j, const uint8_t *rgb, int label, wk_error *err) {
  wk_preprocess_normalise(w->input, rgb, &j->model->backbone->preprocess);
  WK_RETURN_IF_ERROR(wk_diff_classifier_forward(w->classifier, w->input, 1, err));
  const float *scores = wk_diff_classifier_scores(w->classifier);
  *right = true;
  for (int i = 0; i < wk_diff_classifier_classes(w->classifier); i++)
    *right = *right && (scores[i] < scores[label] || i == label || (scores[i] == scores[label] && i > label));
  return WK_OK;
}

static wk_status withstand(verdict *v, worker *w, const job *j, size_t index, wk_error *err) {
  wk_attack_options a;
  wk_attack_options_init(&a);
  a.avoid = j->label[index];
  a.steps = j->o->steps;
  a.restarts = j->o->restarts;
  a.confidence = 1e-9; /* any other class will do */
  a.whole_levels = false;
  for (v->stands = 1; v->stands < j->o->count; v->stands++) {
    a.eps_255 = j->o->eps_255[v->stands];
    wk_attack_result r;
    WK_RETURN_IF_ERROR(
        wk_attack_run(&r, w->classifier, &j->model->backbone->preprocess, w->pixels, &a, j->seed, index, err));
    bool fell = r.success;
    wk_attack_result_free(&r);
    if (fell)
      break;
  }
  return WK_OK;
}

static wk_status one_photo(void *user, size_t index, int which, wk_error *err) {
  job *j = user;
  worker *w = &j->worker[which];
  verdict *v = &j->verdict[index];
  const wk_preprocess *p = &j->model->backbone->preprocess;
  WK_RETURN_IF_ERROR(prepare_worker(w, j, err));
  wk_file_view file;
  wk_error why;
  wk_status st = wk_file_map(&file, j->path[index], &why);
  if (st == WK_OK) {
    st = wk_preprocess_bytes(w->rgb, file.data, file.size, p, &why);
    wk_file_unmap(&file);
    if (st != WK_OK)
      wk_error_prefix(&why, st, "%s", j->path[index]);
  }
  if (st != WK_OK) {
    wk_warn(j->ctx, "%s", why.message);
    wk_progress_add(&j->progress, 1);
    return WK_OK;
  }
  v->readable = true;
  for (size_t i = 0; i < j->n; i++)
    w->pixels[i] = w->rgb[i];
  bool right;
  WK_RETURN_IF_ERROR(is_right(&right, w, j, w->rgb, j->label[index], err));
  if (right)
    WK_RETURN_IF_ERROR(withstand(v, w, j, index, err));
  for (int d = 0; d < WK_CORRUPTION_COUNT && j->o->corruptions; d++)
    for (int s = 0; s < WK_SEVERITIES; s++) {
      uint64_t stream = (index * WK_CORRUPTION_COUNT + (size_t)d) * WK_SEVERITIES + (size_t)s;
      WK_RETURN_IF_ERROR(
          wk_corruption_apply(w->damaged, w->rgb, p->width, p->height, (wk_corruption)d, s + 1, j->seed, stream, err));
      WK_RETURN_IF_ERROR(is_right(&v->corruption_right[d][s], w, j, w->damaged, j->label[index], err));
    }
  wk_progress_add(&j->progress, 1);
  return WK_OK;
}

static wk_status sum_up(wk_robust **out, const job *j, size_t photos, wk_error *err) {
  wk_robust *r = wk_calloc(1, sizeof *r);
  size_t *right = wk_calloc((size_t)j->o->count, sizeof *right);
  if (!r || !right) {
    wk_free(r);
    wk_free(right);
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory");
  }
  r->count = j->o->count;
  r->right = right;
  for (size_t i = 0; i < photos; i++) {
    const verdict *v = &j->verdict[i];
    r->photo_count += v->readable;
    for (int e = 0; e < v->stands; e++)
      right[e]++;
    for (int d = 0; d < WK_CORRUPTION_COUNT; d++)
      for (int s = 0; s < WK_SEVERITIES; s++)
        r->corruption_right[d][s] += v->corruption_right[d][s];
  }
  *out = r;
  return WK_OK;
}

wk_status wk_robust_measure(wk_robust **out, const wk_model *m, const char *const *path, const int *label,
                            size_t photos, const wk_robust_options *o, const wk_context *ctx, wk_error *err) {
  if (o->count < 1 || o->eps_255[0] != 0)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "the first strength must be 0: the photos as they are");
  for (int i = 1; i < o->count; i++)
    if (!(o->eps_255[i] > o->eps_255[i - 1] && o->eps_255[i] <= 255))
      return WK_FAIL(err, WK_ERR_ARGUMENT, "strengths must grow, up to 255; %g follows %g", o->eps_255[i],
                     o->eps_255[i - 1]);
  const wk_preprocess *p = &m->backbone->preprocess;
  int threads = wk_context_threads(ctx);
  job j = {.model = m, .path = path, .label = label, .o = o, .ctx = ctx, .seed = ctx ? ctx->seed : 42};
  j.n = (size_t)p->width * (size_t)p->height * 3;
  wk_diff_classifier_options lo;
  wk_diff_classifier_options_init(&lo);
  wk_status st;
  j.worker = wk_calloc((size_t)threads, sizeof *j.worker);
  j.verdict = wk_calloc(photos ? photos : 1, sizeof *j.verdict);
  WK_FAIL_IF(!j.worker || !j.verdict, err, WK_ERR_MEMORY, "out of memory for %zu photos", photos);
  WK_TRY(wk_diff_classifier_create(&j.first, m, &lo, err));
  WK_TRY(wk_progress_begin(&j.progress, ctx, "robust", photos, err));
  WK_TRY(wk_parallel(ctx, threads, photos, one_photo, &j, err));
  WK_TRY(sum_up(out, &j, photos, err));
done:
  wk_progress_end(&j.progress);
  for (int i = 0; j.worker && i < threads; i++) {
    wk_diff_classifier_free(j.worker[i].classifier);
    wk_free(j.worker[i].rgb);
    wk_free(j.worker[i].pixels);
  }
  wk_diff_classifier_free(j.first);
  wk_free(j.worker);
  wk_free(j.verdict);
  return st;
}

void wk_robust_free(wk_robust *r) {
  if (!r)
    return;
  wk_free(r->right);
  wk_free(r);
}

/* occlusion.c - what hiding a place of the photo does to the class's probability. Plain predictions, so it works
 * for every head; each worker hides and judges a small batch by itself. */
#include <math.h>
#include <string.h>

#include "explain/option_tables.h"
#include "base/base.h"
#include "model/model.h"
#include "whisker/attribution.h"

static const wk_option option_rows[] = {{.name = "patch",
                                  WK_ROW_INT(wk_occlusion_options, patch),
                                  .min = 0,
                                  .max = 16384,
                                  .automatic = "a seventh of the input",
                                  .placeholder = "PIXELS",
                                  .help = "side of the occluding patch, in pixels of the input"},
                                 {.name = "stride",
                                  WK_ROW_INT(wk_occlusion_options, step),
                                  .min = 0,
                                  .max = 16384,
                                  .automatic = "half the patch",
                                  .old_names = "step",
                                  .placeholder = "PIXELS",
                                  .help = "distance between two places of the patch, in pixels of the input"},
                                 {.name = "batch-size",
                                  WK_ROW_INT(wk_occlusion_options, batch),
                                  .value = 8,
                                  .min = 1,
                                  .max = 1024,
                                  .placeholder = "N",
                                  .help = "photos in each call of the network"},
                                 {0}};
const wk_option_table wk_occlusion_table = {"occlusion_options", sizeof(wk_occlusion_options), option_rows, NULL};
const wk_option_table *wk_occlusion_options_table(void) { return &wk_occlusion_table; }

void wk_occlusion_options_init(wk_occlusion_options *o) { wk_options_init(o, &wk_occlusion_table); }

void wk_occlusion_free(wk_occlusion *o) {
  if (o) {
    wk_free(o->drop);
    wk_free(o->map);
  }
  wk_free(o);
}

typedef struct hide_job {
  const wk_model *model;
  const float *input;
  wk_occlusion *o;
  wk_exec **exec; /* [workers] */
  float *work;    /* [workers, batch * n + batch * classes] */
  size_t n, stride;
  int target, batch;
  float colour[3];
  wk_progress progress;
} hide_job;

/* The patch's place along one side: evenly from the edge, the last one at the other edge. */
static int place(int index, int step, int patch, int side) {
  int at = index * step;
  return at + patch <= side ? at : side - patch;
}

static int places(int side, int patch, int step) { return (side - patch + step - 1) / step + 1; }

/* Probabilities of `count` pictures at `x`. */
static wk_status judge(float *p, const hide_job *h, wk_exec *exec, const float *x, int count, wk_error *err) {
  WK_RETURN_IF_ERROR(wk_exec_run(exec, x, count, err));
  const float *y = wk_exec_output(exec, 0);
  const size_t classes = (size_t)h->model->label_count;
  if (h->model->head)
    wk_head_predict(p, h->model->head, y, (size_t)count);
  else
    for (size_t i = 0; i < (size_t)count; i++)
      wk_diff_classifier_softmax(p + i * classes, y + i * classes, h->model->label_count);
  return WK_OK;
}

static void hide(float *x, const hide_job *h, int index) {
  const wk_occlusion *o = h->o;
  const int top = place(index / o->columns, o->step, o->patch, o->height);
  const int left = place(index % o->columns, o->step, o->patch, o->width);
  memcpy(x, h->input, h->n * sizeof *x);
  for (int y = top; y < top + o->patch; y++)
    for (int at = left; at < left + o->patch; at++)
      memcpy(x + ((size_t)y * (size_t)o->width + (size_t)at) * 3, h->colour, sizeof h->colour);
}

/* Probabilities are sums of rounded numbers: a smaller difference says nothing, and a map is drawn against its largest.
 */
static const float rounding = 1e-6f;

static wk_status one_batch(void *user, size_t index, int worker, wk_error *err) {
  hide_job *h = user;
  const size_t classes = (size_t)h->model->label_count;
  float *x = h->work + (size_t)worker * h->stride, *p = x + (size_t)h->batch * h->n;
  const int first = (int)index * h->batch, all = h->o->rows * h->o->columns;
  const int count = all - first < h->batch ? all - first : h->batch;
  for (int k = 0; k < count; k++)
    hide(x + (size_t)k * h->n, h, first + k);
  WK_RETURN_IF_ERROR(judge(p, h, h->exec[worker], x, count, err));
  for (int k = 0; k < count; k++) {
    const float drop = (float)h->o->p - p[(size_t)k * classes + (size_t)h->target];
    h->o->drop[first + k] = fabsf(drop) < rounding ? 0 : drop;
  }
  wk_progress_add(&h->progress, (uint64_t)count);
  return WK_OK;
}

/* A patch's weight at `at` of its `patch` pixels: a tent, so that the map has no edges where patches end. */
static float tent(int at, int patch) {
  const int from_edge = at + 1 < patch - at ? at + 1 : patch - at;
  return (float)from_edge;
}

/* Each pixel: the weighted mean of the patches that lie on it. */
static wk_status spread(wk_occlusion *o, wk_error *err) {
  const size_t pixels = (size_t)o->height * (size_t)o->width;
  float *weights = wk_calloc(pixels, sizeof *weights);
  if (!weights)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory");
  for (int k = 0; k < o->rows * o->columns; k++) {
    const int top = place(k / o->columns, o->step, o->patch, o->height);
    const int left = place(k % o->columns, o->step, o->patch, o->width);
    for (int y = 0; y < o->patch; y++)
      for (int x = 0; x < o->patch; x++) {
        const size_t at = (size_t)(top + y) * (size_t)o->width + (size_t)(left + x);
        const float w = tent(y, o->patch) * tent(x, o->patch);
        o->map[at] += w * o->drop[k];
        weights[at] += w;
      }
  }
  for (size_t i = 0; i < pixels; i++)
    o->map[i] /= weights[i] > 0 ? weights[i] : 1;
  wk_free(weights);
  return WK_OK;
}

static wk_status check(const wk_model *m, const wk_occlusion_options *o, int patch, int step, wk_error *err) {
  const wk_preprocess *p = &m->backbone->preprocess;
  if (m->label_count < 1)
    return wk_model_no_classes(m, err);
  if (o->target < 0 || o->target >= m->label_count)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "there is no class number %d, only 0 to %d", o->target, m->label_count - 1);
  if (patch < 1 || patch > p->width || patch > p->height)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a patch of %d pixels does not fit the network's input of %d x %d", patch,
                   p->width, p->height);
  if (step < 1 || step > patch)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "the patch must move by 1 to %d pixels (its side), not %d", patch, step);
  if (o->batch < 1)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a batch holds at least 1 photo, not %d", o->batch);
  return WK_OK;
}

static wk_status run(hide_job *h, const wk_plan *plan, int workers, const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  const size_t classes = (size_t)h->model->label_count;
  h->stride = (size_t)h->batch * (h->n + classes);
  h->work = wk_alloc_array((size_t)workers * h->stride, sizeof *h->work);
  h->exec = wk_calloc((size_t)workers, sizeof *h->exec);
  WK_FAIL_IF(!h->work || !h->exec, err, WK_ERR_MEMORY, "out of memory for batches of %d photos", h->batch);
  for (int i = 0; i < workers; i++)
    WK_TRY(wk_exec_create(&h->exec[i], plan, err));
  for (size_t c = 0; c < 3; c++) {
    double sum = 0;
    for (size_t i = c; i < h->n; i += 3)
      sum += (double)h->input[i];
    h->colour[c] = (float)(sum / (double)(h->n / 3));
  }
  float *p = h->work + (size_t)h->batch * h->n;
  WK_TRY(judge(p, h, h->exec[0], h->input, 1, err));
  h->o->p = (double)p[h->target];
  const size_t all = (size_t)h->o->rows * (size_t)h->o->columns, batch = (size_t)h->batch;
  WK_TRY(wk_progress_begin(&h->progress, ctx, "looking", all, err));
  WK_TRY(wk_parallel(ctx, workers, (all + batch - 1) / batch, one_batch, h, err));
  st = spread(h->o, err);
done:
  wk_progress_end(&h->progress);
  for (int i = 0; h->exec && i < workers; i++)
    wk_exec_free(h->exec[i]);
  wk_free(h->exec);
  wk_free(h->work);
  return st;
}

wk_status wk_occlusion_make(wk_occlusion **out, const wk_model *m, const float *input, const wk_occlusion_options *o,
                            const wk_context *ctx, wk_error *err) {
  const wk_preprocess *p = &m->backbone->preprocess;
  const wk_graph *g = m->backbone->graph;
  const int shorter = p->width < p->height ? p->width : p->height;
  const int patch = o->patch ? o->patch : shorter > 7 ? shorter / 7 : 1;
  const int step = o->step ? o->step : patch > 1 ? patch / 2 : 1;
  WK_RETURN_IF_ERROR(check(m, o, patch, step, err));
  wk_status st = WK_OK;
  wk_plan *plan = NULL;
  wk_occlusion *c = wk_calloc(1, sizeof *c);
  hide_job h = {.model = m, .input = input, .o = c, .target = o->target, .batch = o->batch};
  h.n = (size_t)p->height * (size_t)p->width * 3;
  const wk_node output = m->head ? wk_graph_features(g) : wk_graph_logits(g);
  WK_FAIL_IF(!c, err, WK_ERR_MEMORY, "out of memory");
  *c = (wk_occlusion){.patch = patch, .step = step, .height = p->height, .width = p->width};
  c->rows = places(p->height, patch, step);
  c->columns = places(p->width, patch, step);
  c->drop = wk_calloc((size_t)c->rows * (size_t)c->columns, sizeof *c->drop);
  c->map = wk_calloc((size_t)p->height * (size_t)p->width, sizeof *c->map);
  WK_FAIL_IF(!c->drop || !c->map, err, WK_ERR_MEMORY, "out of memory for a map of %d x %d", p->width, p->height);
  wk_plan_options po;
  wk_plan_options_init(&po);
  po.height = p->height;
  po.width = p->width;
  po.batch = o->batch;
  po.output = &output;
  po.outputs = 1;
  WK_TRY(wk_plan_create(&plan, g, m->backbone->weights, &po, err));
  WK_TRY(run(&h, plan, wk_context_threads(ctx), ctx, err));
  *out = c;
  c = NULL;
done:
  wk_plan_free(plan);
  wk_occlusion_free(c);
  return st;
}

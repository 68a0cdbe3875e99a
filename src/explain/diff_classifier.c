/* diff_classifier.c - see diff_classifier.h. The network's gradients come from wk_grad_plan; the head's (linear, or
 * cosine to the class means) are added here, so that a user's own model and a plain backbone look the same from above.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "model/model.h"
#include "base/softmax.h"
#include "whisker/diff_classifier.h"

struct wk_diff_classifier {
  const wk_model *model;
  wk_grad_plan *plan; /* owned by the first classifier only */
  const wk_grad_plan *used;
  wk_grad_exec *exec;
  int classes, batch, count;
  int layers;
  bool input;           /* target 0 is the input; layers follow */
  float *scores;        /* [batch, classes] of a head; unused without */
  float *seed_gradient; /* [batch, features] of a head; unused without */
  size_t seed_width;    /* floats of one photo at the seed */
};

void wk_diff_classifier_options_init(wk_diff_classifier_options *o) {
  *o = (wk_diff_classifier_options){.batch = 1, .threads = 1};
}

static wk_status make_rows(wk_diff_classifier *l, wk_error *err) {
  const wk_head *h = l->model->head;
  if (!h)
    return WK_OK;
  l->scores = wk_calloc((size_t)l->batch * (size_t)l->classes, sizeof *l->scores);
  l->seed_gradient = wk_calloc((size_t)l->batch * l->seed_width, sizeof *l->seed_gradient);
  if (!l->scores || !l->seed_gradient)
    return WK_FAIL(err, WK_ERR_MEMORY, "not enough memory to look through a model of %d classes", l->classes);
  return WK_OK;
}

wk_status wk_diff_classifier_create(wk_diff_classifier **out, const wk_model *m, const wk_diff_classifier_options *o,
                                    wk_error *err) {
  const wk_graph *g = m->backbone->graph;
  wk_node seed = m->head ? wk_graph_features(g) : wk_graph_logits(g);
  if (m->head && m->head->kind == WK_HEAD_KNN)
    return WK_FAIL(
        err, WK_ERR_UNSUPPORTED,
        "this model's head votes among nearest neighbours, which has no gradient; train it with --head linear");
  if (seed < 0)
    return wk_model_no_classes(m, err);
  wk_status st = WK_OK;
  wk_diff_classifier *l = wk_calloc(1, sizeof *l);
  wk_node *target = wk_calloc((size_t)o->layers + 1, sizeof *target);
  WK_FAIL_IF(!l || !target, err, WK_ERR_MEMORY, "out of memory");
  *l = (wk_diff_classifier){.model = m, .batch = o->batch, .layers = o->layers, .input = !o->no_input};
  l->classes = m->head ? m->head->class_count : m->label_count;
  l->seed_width = m->head ? (size_t)m->head->feature_count : (size_t)m->label_count;
  int targets = 0;
  for (int i = 0; i < wk_graph_size(g) && l->input && !targets; i++) {
    wk_node_info info;
    WK_TRY(wk_graph_node(&info, g, i, 0, 0, err));
    if (info.op == WK_OP_INPUT)
      target[targets++] = i;
  }
  for (int i = 0; i < o->layers; i++)
    target[targets++] = o->layer[i];
  wk_grad_options go;
  wk_grad_options_init(&go);
  go.height = o->height ? o->height : m->backbone->preprocess.height;
  go.width = o->width ? o->width : m->backbone->preprocess.width;
  go.batch = o->batch;
  go.threads = o->threads;
  go.seed = &seed;
  go.seeds = 1;
  go.target = target;
  go.targets = targets;
  go.output = o->layer;
  go.outputs = o->layers;
  WK_TRY(wk_grad_plan_create(&l->plan, g, m->backbone->weights, &go, err));
  l->used = l->plan;
  WK_TRY(wk_grad_exec_create(&l->exec, l->plan, err));
  WK_TRY(make_rows(l, err));
  *out = l;
  l = NULL;
done:
  wk_free(target);
  wk_diff_classifier_free(l);
  return st;
}

wk_status wk_diff_classifier_share(wk_diff_classifier **out, const wk_diff_classifier *base, wk_error *err) {
  wk_diff_classifier *l = wk_calloc(1, sizeof *l);
  if (!l)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory");
  *l = (wk_diff_classifier){.model = base->model,
                            .used = base->used,
                            .classes = base->classes,
                            .batch = base->batch,
                            .layers = base->layers,
                            .input = base->input,
                            .seed_width = base->seed_width};
  wk_status st;
  WK_TRY(wk_grad_exec_create(&l->exec, l->used, err));
  WK_TRY(make_rows(l, err));
  *out = l;
  l = NULL;
done:
  wk_diff_classifier_free(l);
  return st;
}

void wk_diff_classifier_free(wk_diff_classifier *l) {
  if (!l)
    return;
  wk_grad_exec_free(l->exec);
  wk_grad_plan_free(l->plan);
  wk_free(l->scores);
  wk_free(l->seed_gradient);
  wk_free(l);
}

int wk_diff_classifier_classes(const wk_diff_classifier *l) { return l->classes; }

/* ---- the head's two directions ----------------------------------------------------------------- */

static float length_of(const float *x, size_t n) {
  double square = 0;
  for (size_t i = 0; i < n; i++)
    square += (double)x[i] * (double)x[i];
  return (float)sqrt(square);
}

static void head_forward(float *scores, const wk_head *h, const float *x) {
  size_t n = (size_t)h->feature_count;
  float length = h->kind == WK_HEAD_MEAN ? length_of(x, n) : 1, scale = length > 0 ? 1 / length : 0;
  for (int c = 0; c < h->class_count; c++) {
    const float *w = h->weight + (size_t)c * n;
    double sum = 0;
    for (size_t i = 0; i < n; i++)
      sum += (double)w[i] * (double)x[i];
    scores[c] = ((float)sum * scale + (h->bias ? h->bias[c] : 0)) / h->temperature;
  }
}

/* Linear: dx = W' ds / T. Cosine: with u = x / |x|, dx = (W' ds - u (u . W' ds)) / (|x| T). */
static void head_backward(float *dx, const wk_head *h, const float *x, const float *ds) {
  size_t n = (size_t)h->feature_count;
  memset(dx, 0, n * sizeof *dx);
  for (int c = 0; c < h->class_count; c++) {
    const float *w = h->weight + (size_t)c * n;
    float k = ds[c] / h->temperature;
    for (size_t i = 0; i < n; i++)
      dx[i] += k * w[i];
  }
  if (h->kind != WK_HEAD_MEAN)
    return;
  float length = length_of(x, n), scale = length > 0 ? 1 / length : 0;
  double along = 0;
  for (size_t i = 0; i < n; i++)
    along += (double)dx[i] * (double)x[i];
  float back = (float)along * scale * scale;
  for (size_t i = 0; i < n; i++)
    dx[i] = (dx[i] - back * x[i]) * scale;
}

/* ---- running ----------------------------------------------------------------------------------- */

wk_status wk_diff_classifier_forward(wk_diff_classifier *l, const float *input, int count, wk_error *err) {
  WK_RETURN_IF_ERROR(wk_grad_forward(l->exec, input, count, err));
  l->count = count;
  const float *x = wk_grad_output(l->exec, 0);
  for (int i = 0; l->scores && i < count; i++)
    head_forward(l->scores + (size_t)i * (size_t)l->classes, l->model->head, x + (size_t)i * l->seed_width);
  return WK_OK;
}

const float *wk_diff_classifier_scores(const wk_diff_classifier *l) {
  return l->scores ? l->scores : wk_grad_output(l->exec, 0);
}

const float *wk_diff_classifier_layer(const wk_diff_classifier *l, int layer) {
  return wk_grad_activation(l->exec, layer);
}

wk_status wk_diff_classifier_backward(wk_diff_classifier *l, const float *score_gradient, wk_error *err) {
  const float *seed = score_gradient, *x = wk_grad_output(l->exec, 0);
  if (l->scores) {
    for (int i = 0; i < l->count; i++)
      head_backward(l->seed_gradient + (size_t)i * l->seed_width, l->model->head, x + (size_t)i * l->seed_width,
                    score_gradient + (size_t)i * (size_t)l->classes);
    seed = l->seed_gradient;
  }
  return wk_grad_backward(l->exec, &seed, err);
}

const float *wk_diff_classifier_input_gradient(const wk_diff_classifier *l) {
  return l->input ? wk_grad_result(l->exec, 0) : NULL;
}

const float *wk_diff_classifier_layer_gradient(const wk_diff_classifier *l, int layer) {
  return wk_grad_result(l->exec, layer + (l->input ? 1 : 0));
}

/* ---- scores ------------------------------------------------------------------------------------ */

void wk_diff_classifier_softmax(float *p, const float *scores, int classes) {
  double norm = wk_log_sum_exp(scores, classes, 1);
  for (int i = 0; i < classes; i++)
    p[i] = (float)exp((double)scores[i] - norm);
}

double wk_diff_classifier_cross_entropy(float *gradient, const float *scores, int classes, int target) {
  double norm = wk_log_sum_exp(scores, classes, 1);
  for (int i = 0; gradient && i < classes; i++)
    gradient[i] = (float)exp((double)scores[i] - norm) - (i == target ? 1.0f : 0.0f);
  return norm - (double)scores[target];
}

/* sanity_check.c - is a map made of what was learned, or only of the photo's edges? The same network with shuffled
 * weights tells: values stay, so that activations keep their size, but what they said is gone. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explain/attribution/attribution_job.h"
#include "nn/graph/graph.h"

enum { STEPS = 6 };

/* ---- rank correlation -------------------------------------------------------------------------- */

typedef struct placed {
  float value;
  size_t at;
} placed;

static int ascending(const void *a, const void *b) {
  const placed *x = a, *y = b;
  return x->value != y->value ? (x->value > y->value) - (x->value < y->value) : (x->at > y->at) - (x->at < y->at);
}

/* rank[i] of a value less their mean; equal values share their mean rank. */
static void ranks(double *rank, placed *order, const float *v, size_t n) {
  for (size_t i = 0; i < n; i++)
    order[i] = (placed){v[i], i};
  qsort(order, n, sizeof *order, ascending);
  for (size_t i = 0, end; i < n; i = end) {
    for (end = i + 1; end < n && order[end].value <= order[i].value; end++)
      ;
    for (size_t k = i; k < end; k++)
      rank[order[k].at] = ((double)i + (double)end - (double)n) / 2;
  }
}

wk_status wk_rank_correlation(double *out, const float *a, const float *b, size_t n, wk_error *err) {
  placed *order = wk_calloc(n, sizeof *order);
  double *x = wk_calloc(2 * n, sizeof *x), *y = x + n, xy = 0, xx = 0, yy = 0;
  wk_status st = WK_OK;
  WK_FAIL_IF(!order || !x, err, WK_ERR_MEMORY, "out of memory");
  ranks(x, order, a, n);
  ranks(y, order, b, n);
  for (size_t i = 0; i < n; i++) {
    xy += x[i] * y[i];
    xx += x[i] * x[i];
    yy += y[i] * y[i];
  }
  *out = xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : NAN;
done:
  wk_free(order);
  wk_free(x);
  return st;
}

/* ---- shuffled networks ------------------------------------------------------------------------- */

static void shuffle(float *v, size_t n, uint64_t seed, uint64_t stream) {
  wk_rng rng;
  wk_rng_init(&rng, seed, stream);
  for (size_t i = n; i > 1; i--) {
    size_t j = wk_rng_below(&rng, i < UINT32_MAX ? (uint32_t)i : UINT32_MAX);
    float t = v[i - 1];
    v[i - 1] = v[j];
    v[j] = t;
  }
}

/* `weights` with those of convolutions and linear layers in nodes `first` and later shuffled; the rest are views of it.
 * Batch norms stay, so that the network does not fall silent. */
static wk_status shuffled_weights(wk_tensors **out, const wk_graph *g, const wk_tensors *weights, wk_node first,
                                  uint64_t seed, wk_error *err) {
  wk_tensors *t = NULL;
  wk_status st = WK_OK;
  WK_TRY(wk_tensors_create(&t, err));
  for (int i = 0; i < wk_graph_param_count(g); i++) {
    const wk_param_info *p = wk_graph_param(g, i);
    const wk_tensor *from = wk_tensors_find(weights, p->name);
    if (!from) /* running statistics that are not there, or a classifier that the weights do not have */
      continue;
    if (p->node < first || p->ndim < 2) {
      WK_TRY(wk_tensors_add_view(t, from, err));
      continue;
    }
    float *v;
    WK_TRY(wk_tensors_add_zeros(t, &v, p->name, p->ndim, p->shape, err));
    WK_TRY(wk_tensor_to_f32(v, from, err));
    shuffle(v, (size_t)wk_tensor_count(p->ndim, p->shape), seed, (uint64_t)i + 1);
  }
  *out = t;
  t = NULL;
done:
  wk_tensors_free(t);
  return st;
}

static wk_status shuffled_head(wk_head **out, const wk_head *h, uint64_t seed, wk_error *err) {
  wk_head *s;
  WK_RETURN_IF_ERROR(wk_head_alloc(&s, h->kind, h->class_count, h->feature_count, h->examples, err));
  const size_t n = (size_t)h->class_count * (size_t)h->feature_count;
  memcpy(s->weight, h->weight, n * sizeof *h->weight);
  shuffle(s->weight, n, seed, 0);
  if (h->bias)
    memcpy(s->bias, h->bias, (size_t)h->class_count * sizeof *h->bias);
  s->temperature = h->temperature;
  *out = s;
  return WK_OK;
}

/* The map of the network that is shuffled from node `first` on. */
static wk_status shuffled_map(wk_attribution **out, const wk_model *m, wk_node first, const float *input,
                              const wk_attribution_options *o, const wk_context *ctx, wk_error *err) {
  wk_backbone backbone = *m->backbone;
  wk_model model = *m;
  wk_tensors *weights = NULL;
  wk_head *head = NULL;
  wk_status st = WK_OK;
  const uint64_t seed = o->seed;
  WK_TRY(shuffled_weights(&weights, backbone.graph, backbone.weights, first, seed, err));
  if (m->head)
    WK_TRY(shuffled_head(&head, m->head, seed, err));
  backbone.weights = weights;
  model.backbone = &backbone;
  model.head = head;
  WK_TRY(wk_attribution_make(out, &model, input, o, ctx, err));
done:
  wk_head_free(head);
  wk_tensors_free(weights);
  return st;
}

/* ---- the cascade ------------------------------------------------------------------------------- */

/* Is there anything to shuffle in this stage? */
static bool has_weights(const wk_graph *g, const wk_tensors *weights, int stage) {
  for (int i = 0; i < g->param_count; i++)
    if (g->node[g->param[i].node].stage == stage && g->param[i].ndim > 1 && wk_tensors_find(weights, g->param[i].name))
      return true;
  return false;
}

static wk_node first_of(const wk_graph *g, int stage) {
  wk_node n = 0;
  while (n < g->size && g->node[n].stage != stage)
    n++;
  return n;
}

wk_status wk_sanity_check(wk_sanity_step **out, int *count, const wk_attribution *cam, const wk_model *m,
                          const float *input, const wk_attribution_options *o, const wk_context *ctx, wk_error *err) {
  const wk_graph *g = m->backbone->graph;
  wk_status st = WK_OK;
  int groups = 0, steps = 0;
  wk_sanity_step *step = wk_calloc(STEPS, sizeof *step);
  int *stage =
      wk_calloc((size_t)g->stage_count + 1, sizeof *stage); /* from the classes towards the pixels; -1: the head */
  WK_FAIL_IF(!step || !stage, err, WK_ERR_MEMORY, "out of memory");
  if (m->head)
    stage[groups++] = -1;
  for (int s = g->stage_count - 1; s >= 0; s--)
    if (has_weights(g, m->backbone->weights, s))
      stage[groups++] = s;
  steps = groups < STEPS ? groups : STEPS;
  for (int k = 0; k < steps; k++) {
    const int last = stage[(k + 1) * groups / steps - 1];
    const bool all = k == steps - 1;
    wk_node first = all ? 0 : last < 0 ? g->size : first_of(g, last);
    snprintf(step[k].name, sizeof step[k].name,
             all ? "everything"
             : k ? "back to %s"
                 : "%s",
             last < 0 ? "the classifier" : g->stages[last]);
    WK_TRY(shuffled_map(&step[k].cam, m, first, input, o, ctx, err));
    WK_TRY(wk_rank_correlation(&step[k].correlation, cam->map, step[k].cam->map,
                               (size_t)cam->height * (size_t)cam->width, err));
  }
  *out = step;
  *count = steps;
  step = NULL;
done:
  wk_free(stage);
  wk_sanity_free(step, steps);
  return st;
}

void wk_sanity_free(wk_sanity_step *steps, int count) {
  for (int i = 0; steps && i < count; i++)
    wk_attribution_free(steps[i].cam);
  wk_free(steps);
}

/* plan_weights.c - from named tensors to packed weights: batch norm is folded in double precision, so that the folded
 * network is as exact as the one it came from. */
#include <math.h>
#include <string.h>

#include "nn/plan.h"

/* Batch norm as y = scale x + shift. */
typedef struct affine {
  double *scale, *shift;
} affine;

static void affine_free(affine *a) {
  wk_free(a->scale);
  wk_free(a->shift);
}

/* A parameter of `node` as float32; NULL in *out where the tensor is absent and may be. */
static wk_status load(float **out, const wk_graph *g, const wk_tensors *weights, wk_node node, int index,
                      wk_error *err) {
  const wk_param_info *p = &g->param[g->node[node].first_param + index];
  const wk_tensor *t = wk_tensors_find(weights, p->name);
  *out = NULL;
  if (!t)
    return WK_OK;
  float *data = wk_alloc_array((size_t)wk_tensor_count(p->ndim, p->shape), sizeof *data);
  if (!data)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for '%s'", p->name);
  wk_status st = wk_tensor_to_f32(data, t, err);
  if (st != WK_OK)
    wk_free(data);
  else
    *out = data;
  return st;
}

static wk_status load_norm(affine *a, const wk_graph *g, const wk_tensors *weights, wk_node node, wk_error *err) {
  wk_status st = WK_OK;
  float *p[4] = {0}; /* weight, bias, mean, variance */
  size_t c = (size_t)g->node[node].shape.channels;
  for (int i = 0; i < 4; i++)
    WK_TRY(load(&p[i], g, weights, node, i, err));
  a->scale = wk_alloc_array(c, sizeof(double));
  a->shift = wk_alloc_array(c, sizeof(double));
  WK_FAIL_IF(!a->scale || !a->shift, err, WK_ERR_MEMORY, "out of memory for layer '%s'", g->node[node].name);
  for (size_t i = 0; i < c; i++) {
    double mean = p[2] ? (double)p[2][i] : 0.0, variance = p[3] ? (double)p[3][i] : 1.0;
    a->scale[i] = (double)p[0][i] / sqrt(variance + (double)g->node[node].eps);
    a->shift[i] = (double)p[1][i] - mean * a->scale[i];
  }
done:
  for (int i = 0; i < 4; i++)
    wk_free(p[i]);
  return st;
}

/* weight[o] *= scale[o], bias = bias * scale + shift. Makes a bias where there was none. */
static wk_status fold(float *weight, float **bias, size_t outputs, size_t each, const affine *a, const char *name,
                      wk_error *err) {
  if (!*bias) {
    *bias = wk_calloc(outputs, sizeof **bias);
    if (!*bias)
      return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for layer '%s'", name);
  }
  for (size_t o = 0; o < outputs; o++) {
    for (size_t i = 0; i < each; i++)
      weight[o * each + i] = (float)(weight[o * each + i] * a->scale[o]);
    (*bias)[o] = (float)((*bias)[o] * a->scale[o] + a->shift[o]);
  }
  return WK_OK;
}

/* Columns from (c, h, w), PyTorch's order of a flattened photo, to (h, w, c). */
static wk_status permute(float *weight, size_t outputs, wk_shape in, const char *name, wk_error *err) {
  size_t c = (size_t)in.channels, pixels = (size_t)in.height * (size_t)in.width, row = c * pixels;
  float *copy = wk_alloc_array(row, sizeof *copy);
  if (!copy)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for layer '%s'", name);
  for (size_t o = 0; o < outputs; o++) {
    float *w = weight + o * row;
    memcpy(copy, w, row * sizeof *copy);
    for (size_t p = 0; p < pixels; p++)
      for (size_t k = 0; k < c; k++)
        w[p * c + k] = copy[k * pixels + p];
  }
  wk_free(copy);
  return WK_OK;
}

static void to_float(float *out, const double *in, size_t n) {
  for (size_t i = 0; i < n; i++)
    out[i] = (float)in[i];
}

/* The weight and bias of a step, ready to be packed; NULL where it has none. */
static wk_status step_weights(float **weight, float **bias, const wk_plan *plan, const wk_step *s,
                              const wk_tensors *weights, wk_error *err) {
  const wk_graph *g = plan->graph;
  const wk_node_def *n = &g->node[s->head];
  size_t outputs = (size_t)n->shape.channels;
  affine norm = {0};
  wk_status st = WK_OK;
  *weight = *bias = NULL;
  if (!n->param_count)
    return WK_OK;
  WK_FAIL_IF(!weights, err, WK_ERR_ARGUMENT, "layer '%s' needs weights, but none were given", n->name);
  WK_TRY(wk_graph_check_node(g, weights, s->head, err));
  if (n->op == WK_OP_BATCH_NORM) {
    WK_TRY(load_norm(&norm, g, weights, s->head, err));
    *weight = wk_alloc_array(outputs, sizeof(float));
    *bias = wk_alloc_array(outputs, sizeof(float));
    WK_FAIL_IF(!*weight || !*bias, err, WK_ERR_MEMORY, "out of memory for layer '%s'", n->name);
    to_float(*weight, norm.scale, outputs);
    to_float(*bias, norm.shift, outputs);
    goto done;
  }
  WK_TRY(load(weight, g, weights, s->head, 0, err));
  if (n->bias)
    WK_TRY(load(bias, g, weights, s->head, 1, err));
  if (s->norm >= 0) {
    const wk_param_info *p = &g->param[n->first_param];
    size_t each = (size_t)wk_tensor_count(p->ndim, p->shape) / outputs;
    WK_TRY(wk_graph_check_node(g, weights, s->norm, err));
    WK_TRY(load_norm(&norm, g, weights, s->norm, err));
    WK_TRY(fold(*weight, bias, outputs, each, &norm, n->name, err));
  }
  if (s->permute)
    WK_TRY(permute(*weight, outputs, s->layer.in, n->name, err));
done:
  affine_free(&norm);
  return st;
}

wk_status wk_plan_weights(wk_plan *plan, const wk_tensors *weights, wk_error *err) {
  wk_status st = WK_OK;
  float *weight = NULL, *bias = NULL;
  for (int i = 0; i < plan->steps; i++) {
    wk_step *s = &plan->step[i];
    WK_TRY(step_weights(&weight, &bias, plan, s, weights, err));
    wk_prepare p = {plan->engine, weight, bias, plan->threads, plan->isa};
    if (s->kernel->prepare)
      WK_TRY(s->kernel->prepare(&s->packed, &s->layer, &p, err));
    plan->weight_bytes += s->packed.weight_bytes;
    wk_free(weight);
    wk_free(bias);
    weight = bias = NULL;
  }
done:
  wk_free(weight);
  wk_free(bias);
  return st;
}

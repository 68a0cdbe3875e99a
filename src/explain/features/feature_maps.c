/* feature_maps.c - channels of layers as numbers; look_features_draw.c makes pictures of them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "whisker/feature_maps.h"

typedef struct ranked {
  float strength;
  int channel;
} ranked;

static int stronger(const void *a, const void *b) {
  const ranked *x = a, *y = b;
  return x->strength != y->strength ? (x->strength < y->strength) - (x->strength > y->strength)
                                    : x->channel - y->channel;
}

static int ascending(const void *a, const void *b) {
  const float *x = a, *y = b;
  return (*x > *y) - (*x < *y);
}

/* A few outliers would leave a picture dark. */
static wk_status find_bright(wk_feature_maps *m, size_t n, wk_error *err) {
  float *size = wk_alloc_array(n, sizeof *size);
  if (!size)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for layer %s", m->name);
  for (size_t i = 0; i < n; i++)
    size[i] = fabsf(m->value[i]);
  qsort(size, n, sizeof *size, ascending);
  m->bright = (double)size[n - 1 - n / 500];
  wk_free(size);
  return WK_OK;
}

static wk_status measure(wk_feature_maps *m, wk_error *err) {
  const size_t positions = (size_t)m->shape.height * (size_t)m->shape.width, channels = (size_t)m->shape.channels;
  ranked *rank = wk_calloc(channels, sizeof *rank);
  if (!rank)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for layer %s", m->name);
  double sum = 0;
  size_t zeros = 0;
  wk_status st = find_bright(m, positions * channels, err);
  m->low = m->high = (double)m->value[0];
  for (size_t i = 0; i < positions; i++)
    for (size_t c = 0; c < channels; c++) {
      float v = m->value[i * channels + c];
      sum += (double)v;
      zeros += v == 0;
      m->low = fmin(m->low, (double)v);
      m->high = fmax(m->high, (double)v);
      m->strength[c] += v * v / (float)positions;
    }
  m->mean = sum / (double)(positions * channels);
  m->zeros = (double)zeros / (double)(positions * channels);
  for (size_t c = 0; c < channels; c++) {
    m->strength[c] = sqrtf(m->strength[c]);
    rank[c] = (ranked){m->strength[c], (int)c};
    m->dead += !(m->strength[c] > 0);
  }
  qsort(rank, channels, sizeof *rank, stronger);
  for (size_t c = 0; c < channels; c++)
    m->order[c] = rank[c].channel;
  wk_free(rank);
  return st;
}

static wk_status take(wk_feature_maps *m, const wk_graph *g, wk_node node, const wk_preprocess *p, wk_shape shape,
                      const float *value, wk_error *err) {
  wk_node_info info;
  WK_RETURN_IF_ERROR(wk_graph_node(&info, g, node, p->height, p->width, err));
  WK_RETURN_IF_ERROR(wk_layer_receptive_field(&m->field, g, node, p->height, p->width, err));
  m->node = node;
  m->name = info.name;
  m->stage = info.stage;
  m->shape = shape;
  const size_t channels = (size_t)shape.channels, n = (size_t)shape.height * (size_t)shape.width * channels;
  m->value = wk_alloc_array(n, sizeof *m->value);
  m->strength = wk_calloc(channels, sizeof *m->strength);
  m->order = wk_calloc(channels, sizeof *m->order);
  if (!m->value || !m->strength || !m->order)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for layer %s", m->name);
  memcpy(m->value, value, n * sizeof *value);
  return measure(m, err);
}

wk_status wk_feature_maps_make(wk_feature_maps **out, const wk_backbone *b, const float *input, const wk_node *layer,
                               int layers, const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  wk_plan *plan = NULL;
  wk_exec *exec = NULL;
  wk_feature_maps *maps = NULL;
  WK_FAIL_IF(layers < 1, err, WK_ERR_ARGUMENT, "no layers were asked for");
  maps = wk_calloc((size_t)layers, sizeof *maps);
  WK_FAIL_IF(!maps, err, WK_ERR_MEMORY, "out of memory");
  wk_plan_options o;
  wk_plan_options_init(&o);
  o.height = b->preprocess.height;
  o.width = b->preprocess.width;
  o.batch = 1;
  o.threads = wk_context_threads(ctx);
  o.output = layer;
  o.outputs = layers;
  WK_TRY(wk_plan_create(&plan, b->graph, b->weights, &o, err));
  WK_TRY(wk_exec_create(&exec, plan, err));
  WK_TRY(wk_exec_run(exec, input, 1, err));
  for (int i = 0; i < layers; i++)
    WK_TRY(take(&maps[i], b->graph, layer[i], &b->preprocess, wk_plan_output_shape(plan, i), wk_exec_output(exec, i),
                err));
  *out = maps;
  maps = NULL;
done:
  wk_feature_maps_free(maps, layers);
  wk_exec_free(exec);
  wk_plan_free(plan);
  return st;
}

void wk_feature_maps_free(wk_feature_maps *maps, int layers) {
  for (int i = 0; maps && i < layers; i++) {
    wk_free(maps[i].value);
    wk_free(maps[i].strength);
    wk_free(maps[i].order);
  }
  wk_free(maps);
}

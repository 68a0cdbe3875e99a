/* zoo_weights.h - weights that a rule makes, so that none need committing: the same as in tools/make_zoo_goldens.py.
 * One table of 65,521 uniform numbers (Philox) is read from a place that the parameter's name decides, times a scale
 * that keeps activations near 1. */
#ifndef WK_TEST_ZOO_WEIGHTS_H
#define WK_TEST_ZOO_WEIGHTS_H

#include "support.h"

#define RULE_PERIOD 65521

typedef struct rule {
  float table[RULE_PERIOD];
} rule;

static inline void rule_init(rule *r) {
  for (uint32_t i = 0; i < RULE_PERIOD; i += 4) {
    uint32_t word[4];
    wk_philox(word, (const uint32_t[4]){i / 4}, (const uint32_t[2]){2026, 7});
    for (uint32_t j = 0; j < 4 && i + j < RULE_PERIOD; j++)
      r->table[i + j] = (float)(word[j] / 2147483648.0 - 1);
  }
}

/* FNV-1a of the name is where reading begins. */
static inline size_t rule_start(const char *name) {
  uint32_t h = 2166136261u;
  for (; *name; name++)
    h = (h ^ (unsigned char)*name) * 16777619u;
  return h % RULE_PERIOD;
}

/* out[i] = base + scale * uniform */
static inline void rule_fill(float *out, size_t count, const rule *r, const char *name, float base, float scale) {
  size_t at = rule_start(name);
  for (size_t i = 0; i < count; i++) {
    float product = scale * r->table[at];
    out[i] = base + product;
    if (++at == RULE_PERIOD)
      at = 0;
  }
}

static inline bool ends_with(const char *s, const char *end) {
  size_t n = strlen(s), m = strlen(end);
  return n >= m && strcmp(s + n - m, end) == 0;
}

/* Weights of the nodes up to `last`. */
static inline wk_tensors *rule_weights_to(const rule *r, const wk_graph *g, wk_node last) {
  wk_error err = {0};
  wk_tensors *weights = NULL;
  assert_ok(wk_tensors_create(&weights, &err), &err);
  for (int i = 0; i < wk_graph_param_count(g); i++) {
    const wk_param_info *p = wk_graph_param(g, i);
    float *data = NULL, base = 0, scale;
    if (p->node > last)
      continue;
    assert_ok(wk_tensors_add_zeros(weights, &data, p->name, p->ndim, p->shape, &err), &err);
    if (ends_with(p->name, "running_mean"))
      scale = 0.1f;
    else if (ends_with(p->name, "running_var"))
      base = 1, scale = 0.5f;
    else if (p->ndim > 1) /* He: the variance stays through a ReLU */
      scale = (float)sqrt(6.0 / (double)wk_tensor_count(p->ndim - 1, p->shape + 1));
    else if (ends_with(p->name, ".bias"))
      scale = 0.1f;
    else if (ends_with(p->name, ".bn2.weight") || ends_with(p->name, ".bn3.weight") ||
             ends_with(p->name, ".block.1.1.weight") || ends_with(p->name, ".block.3.1.weight"))
      /* residual branches add up */
      base = 0.5f, scale = 0.1f;
    else
      base = 1, scale = 0.2f;
    rule_fill(data, (size_t)wk_tensor_count(p->ndim, p->shape), r, p->name, base, scale);
  }
  return weights;
}

static inline wk_tensors *rule_weights(const rule *r, const wk_graph *g) {
  return rule_weights_to(r, g, wk_graph_size(g) - 1);
}

#endif

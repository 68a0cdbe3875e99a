/* init_random.c - a backbone whose weights nobody has trained yet. */
#include <string.h>

#include "train/finetune/finetune_parts.h"

#define INIT_STREAM 0x696e697400000000u /* "init" */

static bool ends_with(const char *s, const char *end) {
  size_t n = strlen(s), m = strlen(end);
  return n >= m && strcmp(s + n - m, end) == 0;
}

wk_status wk_init_random_weights(wk_tensors *to, const wk_graph *g, wk_node up_to, wk_init_kind kind, uint64_t seed,
                                 wk_error *err) {
  for (int i = 0; i < wk_graph_param_count(g); i++) {
    const wk_param_info *p = wk_graph_param(g, i);
    if (p->node > up_to || wk_tensors_find(to, p->name))
      continue;
    float *data;
    size_t n = (size_t)wk_tensor_count(p->ndim, p->shape);
    WK_RETURN_IF_ERROR(wk_tensors_add_zeros(to, &data, p->name, p->ndim, p->shape, err));
    wk_rng rng;
    wk_rng_init(&rng, seed, INIT_STREAM + (uint64_t)i);
    /* By its outputs a classifier of two classes would begin with scores as far apart as if it were sure. */
    wk_init_kind own = kind == WK_INIT_HE_OUT && p->ndim == 2 ? WK_INIT_LECUN : kind;
    bool norm_scale = p->ndim == 1 && ends_with(p->name, ".weight");
    if (p->ndim > 1)
      WK_RETURN_IF_ERROR(wk_init_weight(data, p->ndim, p->shape, own, 1, &rng, err));
    else if (norm_scale || ends_with(p->name, ".running_var"))
      for (size_t k = 0; k < n; k++)
        data[k] = 1;
  }
  return WK_OK;
}

wk_status wk_backbone_init_random(wk_backbone **out, const wk_arch *arch, wk_init_kind kind, uint64_t seed,
                                  wk_error *err) {
  wk_status st = WK_OK;
  wk_graph *g = NULL;
  wk_tensors *weights = NULL;
  WK_TRY(arch->build(&g, 0, err));
  WK_TRY(wk_tensors_create(&weights, err));
  WK_TRY(wk_init_random_weights(weights, g, wk_graph_features(g), kind, seed, err));
  WK_TRY(wk_backbone_from(out, arch, weights, err));
  weights = NULL;
done:
  wk_tensors_free(weights);
  wk_graph_free(g);
  return st;
}

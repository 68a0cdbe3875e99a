/* subset.c - the weights that one node of a backbone depends on: what a model file keeps, and what names a backbone in
 * the feature cache. A classifier, or counters that PyTorch keeps for training, are thus no part of a backbone's
 * identity: a weight file and a model made of it share what was computed. */
#include <string.h>

#include "zoo/zoo.h"

/* Marks the nodes that `last` depends on. Inputs come before their users. */
static wk_status mark(bool *needed, const wk_graph *g, wk_node last, wk_error *err) {
  needed[last] = true;
  for (wk_node i = last; i >= 0; i--) {
    wk_node_info info;
    if (!needed[i])
      continue;
    WK_RETURN_IF_ERROR(wk_graph_node(&info, g, i, 0, 0, err));
    for (int k = 0; k < info.inputs; k++)
      needed[info.input[k]] = true;
  }
  return WK_OK;
}

wk_status wk_backbone_subset(wk_tensors **out, const wk_graph *g, const wk_tensors *weights, wk_node last,
                             const char *prefix, wk_error *err) {
  wk_status st = WK_OK;
  wk_tensors *subset = NULL;
  bool *needed = wk_calloc((size_t)wk_graph_size(g), sizeof *needed);
  WK_FAIL_IF(!needed, err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(wk_tensors_create(&subset, err));
  WK_TRY(mark(needed, g, last, err));
  for (int i = 0; i < wk_graph_param_count(g); i++) {
    const wk_param_info *param = wk_graph_param(g, i);
    const wk_tensor *found = needed[param->node] ? wk_tensors_find(weights, param->name) : NULL;
    if (!found) /* not needed, or running statistics that have a default */
      continue;
    wk_tensor view = *found;
    char *name = wk_asprintf("%s%s", prefix, param->name);
    WK_FAIL_IF(!name, err, WK_ERR_MEMORY, "out of memory");
    view.name = name;
    st = wk_tensors_add_view(subset, &view, err);
    wk_free(name);
    if (st != WK_OK)
      goto done;
  }
  *out = subset;
  subset = NULL;
done:
  wk_tensors_free(subset);
  wk_free(needed);
  return st;
}

wk_status wk_weights_hash(uint8_t out[WK_SHA256_BYTES], const wk_graph *g, const wk_tensors *weights, wk_node last,
                          wk_error *err) {
  wk_tensors *subset = NULL;
  WK_RETURN_IF_ERROR(wk_backbone_subset(&subset, g, weights, last, "", err));
  wk_tensors_sha256(out, subset);
  wk_tensors_free(subset);
  return WK_OK;
}

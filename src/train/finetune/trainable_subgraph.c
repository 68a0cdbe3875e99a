/* trainable_subgraph.c - which layers train, and the network from the first of them on as a graph of its own: small
 * enough to check and to train without the frozen part. */
#include <stdlib.h>
#include <string.h>

#include "train/finetune/finetune_parts.h"

/* ---- depth ------------------------------------------------------------------------------------- */

static wk_status node_of(wk_node_info *out, const wk_graph *g, wk_node node, wk_error *err) {
  return wk_graph_node(out, g, node, 0, 0, err);
}

/* The first node of the stage `back` stages before the one with the classifier; -1: there are not so many. */
static wk_node stage_from_end(const wk_graph *g, int back) {
  wk_node_info info;
  const char *stage = NULL;
  wk_node first = -1;
  for (wk_node n = wk_graph_logits(g); n >= 0 && node_of(&info, g, n, NULL) == WK_OK; n--) {
    if (!stage || strcmp(stage, info.stage) != 0) {
      if (stage && --back < 0)
        return first;
      stage = info.stage;
    }
    first = n;
  }
  return back > 0 ? -1 : first;
}

static wk_node stage_first(const wk_graph *g, const char *stage) {
  wk_node_info info;
  for (wk_node n = 0; n < wk_graph_size(g); n++)
    if (node_of(&info, g, n, NULL) == WK_OK && strcmp(info.stage, stage) == 0)
      return n;
  return -1;
}

static wk_status no_such_depth(const wk_graph *g, const char *depth, wk_error *err) {
  wk_text stages = {0};
  wk_node_info info;
  const char *last = "";
  for (wk_node n = 0; n < wk_graph_size(g); n++)
    if (node_of(&info, g, n, NULL) == WK_OK && strcmp(info.stage, last) != 0) {
      wk_text_add(&stages, "%s%s", *last ? ", " : "", info.stage);
      last = info.stage;
    }
  wk_status st = WK_FAIL(err, WK_ERR_NOT_FOUND,
                         "there is nothing called %s to tune: expected head, all, last:N, from:LAYER or a stage of "
                         "this network (%s)",
                         depth, stages.data ? stages.data : "");
  wk_text_free(&stages);
  return st;
}

/* The first node that trains. "head" gives the classifier itself. */
static wk_status first_node(wk_node *first, const wk_graph *g, const char *depth, wk_error *err) {
  *first = -1;
  if (strcmp(depth, "head") == 0) {
    *first = wk_graph_logits(g);
  } else if (strcmp(depth, "all") == 0) {
    *first = 0;
  } else if (strncmp(depth, "from:", 5) == 0) {
    *first = wk_graph_find(g, depth + 5);
    if (*first < 0)
      return WK_FAIL(err, WK_ERR_NOT_FOUND, "this network has no layer called %s; `whisker info` lists its layers",
                     depth + 5);
  } else if (strncmp(depth, "last:", 5) == 0) {
    char *end;
    long n = strtol(depth + 5, &end, 10);
    if (*end || end == depth + 5 || n < 0 || n > 1000)
      return WK_FAIL(err, WK_ERR_ARGUMENT, "%s: after \"last:\" comes a number of stages, such as last:2", depth);
    *first = stage_from_end(g, (int)n);
    if (*first < 0)
      return WK_FAIL(err, WK_ERR_ARGUMENT, "%s: this network has not so many stages; all trains all of it", depth);
  } else {
    *first = stage_first(g, depth);
  }
  return *first < 0 ? no_such_depth(g, depth, err) : WK_OK;
}

wk_status wk_finetune_trainable(bool **out, const wk_graph *g, const char *depth, wk_error *err) {
  wk_node first;
  WK_RETURN_IF_ERROR(first_node(&first, g, depth, err));
  int params = wk_graph_param_count(g);
  bool *trainable = wk_calloc((size_t)params, sizeof *trainable);
  if (!trainable)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for %d parameters", params);
  for (int i = 0; i < params; i++) {
    const wk_param_info *p = wk_graph_param(g, i);
    trainable[i] = p->trainable && p->node >= first;
  }
  *out = trainable;
  return WK_OK;
}

wk_node wk_finetune_boundary(const wk_graph *g, const bool *trainable) {
  wk_node at = wk_train_boundary(g, -1, trainable);
  wk_node_info info;
  /* Dropout is nothing where activations are computed, but something where they are trained on. */
  while (at > 0 && node_of(&info, g, at, NULL) == WK_OK && info.op == WK_OP_DROPOUT)
    at = info.input[0];
  return at;
}

wk_status wk_finetune_stage_depth(int **out, const wk_graph *g, wk_error *err) {
  int nodes = wk_graph_size(g), depth = -1;
  int *found = wk_calloc((size_t)nodes, sizeof *found);
  if (!found)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for %d layers", nodes);
  const char *stage = "";
  wk_node_info info;
  wk_status st = WK_OK;
  for (wk_node n = nodes - 1; n >= 0; n--) {
    WK_TRY(node_of(&info, g, n, err));
    if (depth < 0 || strcmp(stage, info.stage) != 0) {
      stage = info.stage;
      depth++;
    }
    found[n] = depth;
  }
  *out = found;
  found = NULL;
done:
  wk_free(found);
  return st;
}

/* ---- the tail ---------------------------------------------------------------------------------- */

/* Which nodes the logits need after the boundary. Inputs come before their nodes, so one pass from the end does. */
static wk_status mark_needed(bool *needed, const wk_graph *g, wk_node boundary, wk_error *err) {
  wk_node logits = wk_graph_logits(g);
  needed[logits] = true;
  for (wk_node n = logits; n > boundary; n--) {
    wk_node_info info;
    WK_RETURN_IF_ERROR(node_of(&info, g, n, err));
    for (int i = 0; needed[n] && i < info.inputs; i++) {
      if (info.input[i] < boundary)
        return WK_FAIL(err, WK_ERR_INTERNAL, "layer %s goes around the frozen boundary", info.name);
      needed[info.input[i]] = true;
    }
  }
  return WK_OK;
}

wk_status wk_trainable_subgraph(wk_graph **out, const wk_graph *g, wk_node boundary, int height, int width,
                                wk_error *err) {
  wk_status st = WK_OK;
  wk_graph *tail = NULL;
  wk_node logits = wk_graph_logits(g), *input = NULL;
  size_t nodes = (size_t)wk_graph_size(g);
  bool *needed = wk_calloc(nodes, sizeof *needed);
  wk_node *at = wk_calloc(nodes, sizeof *at); /* of each node, in the tail */
  wk_node_info info;
  WK_FAIL_IF(!needed || !at, err, WK_ERR_MEMORY, "out of memory for %zu layers", nodes);
  WK_TRY(mark_needed(needed, g, boundary, err));
  WK_TRY(wk_graph_node(&info, g, boundary, height, width, err));
  WK_TRY(wk_graph_create(&tail, err));
  wk_graph_stage(tail, info.stage);
  at[boundary] = wk_graph_input(tail, info.name, info.shape.height, info.shape.width, info.shape.channels);
  for (wk_node n = boundary + 1; n <= logits; n++) {
    if (!needed[n])
      continue;
    WK_TRY(node_of(&info, g, n, err));
    wk_free(input);
    input = wk_alloc_array((size_t)info.inputs, sizeof *input);
    WK_FAIL_IF(!input, err, WK_ERR_MEMORY, "out of memory for %zu layers", nodes);
    for (int i = 0; i < info.inputs; i++)
      input[i] = at[info.input[i]];
    wk_graph_stage(tail, info.stage);
    at[n] = wk_graph_copy_node(tail, &info, input);
  }
  wk_node features = wk_graph_features(g);
  wk_graph_outputs(tail, features >= boundary ? at[features] : at[boundary], at[logits]);
  WK_TRY(wk_graph_finish(tail, err));
  *out = tail;
  tail = NULL;
done:
  wk_graph_free(tail);
  wk_free(input);
  wk_free(needed);
  wk_free(at);
  return st;
}

/* build.c - what the builders of all architectures share: names, the beginning, the head, the end. */
#include "zoo/zoo.h"

wk_layer_name wk_layer_named(const char *fmt, ...) {
  wk_layer_name name;
  va_list args;
  va_start(args, fmt);
  vsnprintf(name.text, sizeof name.text, fmt, args);
  va_end(args);
  return name;
}

wk_status wk_build_begin(wk_graph **g, wk_node *input, int size, int classes, wk_error *err) {
  if (classes < 0)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a network cannot have %d classes (0: no classifier)", classes);
  WK_RETURN_IF_ERROR(wk_graph_create(g, err));
  wk_graph_stage(*g, "stem");
  *input = wk_graph_input(*g, "input", size, size, 3);
  return WK_OK;
}

wk_status wk_build_end(wk_graph **out, wk_graph *g, wk_error *err) {
  wk_status st = wk_graph_finish(g, err);
  if (st == WK_OK)
    *out = g;
  else
    wk_graph_free(g);
  return st;
}

void wk_build_head(wk_graph *g, wk_node x, const char *pool, const char *dropout, float p, const char *linear,
                   int classes) {
  wk_node features = wk_graph_adaptive_avg_pool(g, pool, x, 1, 1);
  wk_node logits = -1;
  if (classes > 0) {
    logits = features;
    if (p > 0)
      logits = wk_graph_dropout(g, dropout, logits, p);
    logits = wk_graph_linear(g, linear, logits, classes);
  }
  wk_graph_outputs(g, features, logits);
}

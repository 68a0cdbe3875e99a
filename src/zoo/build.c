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

int wk_build_round_to_8(double channels) {
  const int rounded = channels + 4 < 16 ? 8 : (int)(channels + 4) / 8 * 8;
  return rounded < 0.9 * channels ? rounded + 8 : rounded;
}

wk_node wk_build_conv_bn(wk_graph *g, wk_node x, const char *name, int channels, int kernel, int stride, int groups,
                         float eps) {
  x = wk_graph_conv(g, WK_NAME("%s.0", name), x, channels, wk_window_square(kernel, stride, kernel / 2), groups, false);
  return wk_graph_batch_norm(g, WK_NAME("%s.1", name), x, eps);
}

wk_node wk_build_conv_bn_act(wk_graph *g, wk_node x, const char *name, int channels, int kernel, int stride, int groups,
                             float eps, wk_op act) {
  x = wk_build_conv_bn(g, x, name, channels, kernel, stride, groups, eps);
  return wk_graph_unary(g, WK_NAME("%s.2", name), act, x);
}

wk_node wk_build_squeeze(wk_graph *g, wk_node in, const char *name, int channels, int squeezed, wk_op act, wk_op gate) {
  wk_window point = wk_window_square(1, 1, 0);
  wk_node x = wk_graph_adaptive_avg_pool(g, WK_NAME("%s.avgpool", name), in, 1, 1);
  x = wk_graph_conv(g, WK_NAME("%s.fc1", name), x, squeezed, point, 1, true);
  x = wk_graph_unary(g, WK_NAME("%s.activation", name), act, x);
  x = wk_graph_conv(g, WK_NAME("%s.fc2", name), x, channels, point, 1, true);
  x = wk_graph_unary(g, WK_NAME("%s.scale_activation", name), gate, x);
  return wk_graph_scale(g, WK_NAME("%s.mul", name), in, x);
}

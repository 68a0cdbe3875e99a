/* squeezenet.c - SqueezeNet 1.0 and 1.1 (Iandola et al.: "SqueezeNet: AlexNet-level accuracy with 50x fewer
 * parameters", 2016), with torchvision's names. Its classifier is a 1x1 convolution whose scores are averaged over the
 * picture; the features are the means of what it reads. */
#include "zoo/zoo.h"

static wk_node conv_relu(wk_graph *g, wk_node x, const char *name, const char *act, int channels, int kernel) {
  x = wk_graph_conv(g, name, x, channels, wk_window_square(kernel, 1, kernel / 2), 1, true);
  return wk_graph_unary(g, act, WK_OP_RELU, x);
}

/* 1x1 to a few channels, then 1x1 and 3x3 side by side. */
static wk_node fire(wk_graph *g, wk_node x, const char *name, int squeezed, int expanded) {
  wk_node side[2];
  x = conv_relu(g, x, WK_NAME("%s.squeeze", name), WK_NAME("%s.squeeze_activation", name), squeezed, 1);
  side[0] = conv_relu(g, x, WK_NAME("%s.expand1x1", name), WK_NAME("%s.expand1x1_activation", name), expanded, 1);
  side[1] = conv_relu(g, x, WK_NAME("%s.expand3x3", name), WK_NAME("%s.expand3x3_activation", name), expanded, 3);
  return wk_graph_concat(g, WK_NAME("%s.cat", name), side, 2);
}

/* 0: max pooling; else a fire module of that many squeezed channels, and 4 times as many on each side of it. */
static wk_status squeezenet(wk_graph **out, int classes, int channels, int kernel, const int module[11],
                            wk_error *err) {
  wk_graph *g;
  wk_node x, logits = -1;
  int stage = 0;
  wk_window down = wk_window_square(3, 2, 0);
  down.ceil_mode = true;
  WK_RETURN_IF_ERROR(wk_build_begin(&g, &x, 224, classes, err));
  x = wk_graph_conv(g, "features.0", x, channels, wk_window_square(kernel, 2, 0), 1, true);
  x = wk_graph_unary(g, "features.1", WK_OP_RELU, x);
  for (int i = 0; i < 11; i++) {
    const wk_layer_name name = wk_layer_named("features.%d", i + 2);
    if (module[i] == 0) {
      x = wk_graph_pool(g, name.text, WK_OP_MAX_POOL, x, down);
      wk_graph_stage(g, WK_NAME("block%d", ++stage));
    } else {
      x = fire(g, x, name.text, module[i], 4 * module[i]);
    }
  }
  wk_graph_stage(g, "head");
  const wk_node features = wk_graph_adaptive_avg_pool(g, "avgpool", x, 1, 1);
  if (classes > 0) {
    x = wk_graph_dropout(g, "classifier.0", x, 0.5f);
    x = conv_relu(g, x, "classifier.1", "classifier.2", classes, 1);
    logits = wk_graph_adaptive_avg_pool(g, "classifier.3", x, 1, 1);
  }
  wk_graph_outputs(g, features, logits);
  return wk_build_end(out, g, err);
}

WK_BUILDER(wk_build_squeezenet1_0) {
  return squeezenet(out, classes, 96, 7, (const int[]){0, 16, 16, 32, 0, 32, 48, 48, 64, 0, 64}, err);
}
WK_BUILDER(wk_build_squeezenet1_1) {
  return squeezenet(out, classes, 64, 3, (const int[]){0, 16, 16, 0, 32, 32, 0, 48, 48, 64, 64}, err);
}

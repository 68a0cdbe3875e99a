/* alexnet.c - AlexNet in one column, without local response normalisation (Krizhevsky: "One weird trick for
 * parallelizing convolutional neural networks", 2014), with torchvision's names. The features are the 4,096 values
 * after the last hidden layer, as of the VGGs. */
#include "zoo/zoo.h"

static wk_node conv_relu(wk_graph *g, wk_node x, int n, int channels, int kernel, int stride, int padding) {
  x = wk_graph_conv(g, WK_NAME("features.%d", n), x, channels, wk_window_square(kernel, stride, padding), 1, true);
  return wk_graph_unary(g, WK_NAME("features.%d", n + 1), WK_OP_RELU, x);
}

static wk_node pool(wk_graph *g, wk_node x, const char *name) {
  return wk_graph_pool(g, name, WK_OP_MAX_POOL, x, wk_window_square(3, 2, 0));
}

WK_BUILDER(wk_build_alexnet) {
  wk_graph *g;
  wk_node x, logits = -1;
  WK_RETURN_IF_ERROR(wk_build_begin(&g, &x, 224, classes, err));
  wk_graph_stage(g, "block1");
  x = pool(g, conv_relu(g, x, 0, 64, 11, 4, 2), "features.2");
  wk_graph_stage(g, "block2");
  x = pool(g, conv_relu(g, x, 3, 192, 5, 1, 2), "features.5");
  wk_graph_stage(g, "block3");
  x = conv_relu(g, x, 6, 384, 3, 1, 1);
  wk_graph_stage(g, "block4");
  x = conv_relu(g, x, 8, 256, 3, 1, 1);
  wk_graph_stage(g, "block5");
  x = pool(g, conv_relu(g, x, 10, 256, 3, 1, 1), "features.12");
  wk_graph_stage(g, "classifier");
  x = wk_graph_adaptive_avg_pool(g, "avgpool", x, 6, 6);
  x = wk_graph_unary(g, "flatten", WK_OP_FLATTEN, x);
  x = wk_graph_dropout(g, "classifier.0", x, 0.5f);
  x = wk_graph_linear(g, "classifier.1", x, 4096);
  x = wk_graph_unary(g, "classifier.2", WK_OP_RELU, x);
  x = wk_graph_dropout(g, "classifier.3", x, 0.5f);
  x = wk_graph_linear(g, "classifier.4", x, 4096);
  const wk_node features = wk_graph_unary(g, "classifier.5", WK_OP_RELU, x);
  if (classes > 0)
    logits = wk_graph_linear(g, "classifier.6", features, classes);
  wk_graph_outputs(g, features, logits);
  return wk_build_end(out, g, err);
}

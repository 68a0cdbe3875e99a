/* simple_cnn.c - a small network to be trained from nothing: three blocks of two 3x3 convolutions with batch norm. It
 * takes any size from 8x8 up (the default is 32x32) because the end is a global pooling. */
#include "zoo/zoo.h"

static wk_node conv_bn_relu(wk_graph *g, wk_node x, int block, int i, int channels) {
  x = wk_graph_conv(g, WK_NAME("block%d.conv%d", block, i), x, channels, wk_window_square(3, 1, 1), 1, false);
  x = wk_graph_batch_norm(g, WK_NAME("block%d.bn%d", block, i), x, 1e-5f);
  return wk_graph_unary(g, WK_NAME("block%d.relu%d", block, i), WK_OP_RELU, x);
}

WK_BUILDER(wk_build_simple_cnn) {
  wk_graph *g;
  wk_node x;
  WK_RETURN_IF_ERROR(wk_build_begin(&g, &x, 32, classes, err));
  for (int block = 1, channels = 32; block <= 3; block++, channels *= 2) {
    wk_graph_stage(g, WK_NAME("block%d", block));
    x = conv_bn_relu(g, x, block, 1, channels);
    x = conv_bn_relu(g, x, block, 2, channels);
    x = wk_graph_pool(g, WK_NAME("block%d.pool", block), WK_OP_MAX_POOL, x, wk_window_square(2, 2, 0));
  }
  wk_graph_stage(g, "head");
  wk_build_head(g, x, "avgpool", "dropout", 0.2f, "fc", classes);
  return wk_build_end(out, g, err);
}

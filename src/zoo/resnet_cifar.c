/* resnet_cifar.c - ResNet-20 for pictures of 32 x 32 (He, Zhang, Ren, Sun: "Deep residual learning for image
 * recognition", CVPR 2016, 4.2), as the public checkpoints of it have it: where the size halves, the shortcut takes
 * every second pixel and fills the new channels with zeros, without weights (option A). */
#include "zoo/zoo.h"

static wk_node conv_bn(wk_graph *g, wk_node x, const char *block, int i, int channels, int stride) {
  x = wk_graph_conv(g, WK_NAME("%s.conv%d", block, i), x, channels, wk_window_square(3, stride, 1), 1, false);
  return wk_graph_batch_norm(g, WK_NAME("%s.bn%d", block, i), x, 1e-5f);
}

static wk_node basic(wk_graph *g, wk_node in, const char *block, int channels, int stride) {
  wk_node x = conv_bn(g, in, block, 1, channels, stride), shortcut = in;
  x = wk_graph_unary(g, WK_NAME("%s.relu", block), WK_OP_RELU, x);
  x = conv_bn(g, x, block, 2, channels, 1);
  if (stride > 1) {
    const wk_window none = wk_window_square(1, 1, 0);
    shortcut = wk_graph_pool(g, WK_NAME("%s.shortcut", block), WK_OP_MAX_POOL, in, wk_window_square(1, stride, 0));
    shortcut = wk_graph_pad(g, WK_NAME("%s.shortcut.pad", block), shortcut, none, channels / 4, channels / 4);
  }
  x = wk_graph_add(g, WK_NAME("%s.add", block), x, shortcut);
  return wk_graph_unary(g, WK_NAME("%s.relu_1", block), WK_OP_RELU, x);
}

WK_BUILDER(wk_build_resnet20_cifar) {
  wk_graph *g;
  wk_node x;
  WK_RETURN_IF_ERROR(wk_build_begin(&g, &x, 32, classes, err));
  x = wk_graph_conv(g, "conv1", x, 16, wk_window_square(3, 1, 1), 1, false);
  x = wk_graph_batch_norm(g, "bn1", x, 1e-5f);
  x = wk_graph_unary(g, "relu", WK_OP_RELU, x);
  for (int layer = 0, channels = 16; layer < 3; layer++, channels *= 2) {
    wk_graph_stage(g, WK_NAME("layer%d", layer + 1));
    for (int i = 0; i < 3; i++)
      x = basic(g, x, WK_NAME("layer%d.%d", layer + 1, i), channels, i == 0 && layer > 0 ? 2 : 1);
  }
  wk_graph_stage(g, "head");
  wk_build_head(g, x, "avgpool", NULL, 0, "linear", classes);
  return wk_build_end(out, g, err);
}

/* efficientnet.c - EfficientNet-B0 (Tan, Le: "EfficientNet: rethinking model scaling for convolutional neural
 * networks", ICML 2019), with torchvision's names and its symmetric paddings. */
#include "zoo/zoo.h"

static const float bn_eps = 1e-5f;

static wk_node mbconv(wk_graph *g, wk_node in, const char *block, int in_channels, int expand, int channels, int kernel,
                      int stride) {
  int hidden = in_channels * expand, n = 0;
  wk_node x = in;
  if (expand > 1)
    x = wk_build_conv_bn_act(g, x, WK_NAME("%s.block.%d", block, n++), hidden, 1, 1, 1, bn_eps, WK_OP_SILU);
  x = wk_build_conv_bn_act(g, x, WK_NAME("%s.block.%d", block, n++), hidden, kernel, stride, hidden, bn_eps,
                           WK_OP_SILU);
  x = wk_build_squeeze(g, x, WK_NAME("%s.block.%d", block, n++), hidden, in_channels / 4, WK_OP_SILU, WK_OP_SIGMOID);
  x = wk_build_conv_bn(g, x, WK_NAME("%s.block.%d", block, n), channels, 1, 1, 1, bn_eps);
  if (stride == 1 && in_channels == channels)
    x = wk_graph_add(g, WK_NAME("%s.add", block), x, in);
  return x;
}

WK_BUILDER(wk_build_efficientnet_b0) {
  static const struct {
    int blocks, kernel, stride, expand, channels;
  } group[7] = {{1, 3, 1, 1, 16},  {2, 3, 2, 6, 24},  {2, 5, 2, 6, 40}, {3, 3, 2, 6, 80},
                {3, 5, 1, 6, 112}, {4, 5, 2, 6, 192}, {1, 3, 1, 6, 320}};
  wk_graph *g;
  wk_node x;
  WK_RETURN_IF_ERROR(wk_build_begin(&g, &x, 224, classes, err));
  x = wk_build_conv_bn_act(g, x, "features.0", 32, 3, 2, 1, bn_eps, WK_OP_SILU);
  int channels = 32;
  for (int i = 0; i < 7; i++) {
    wk_graph_stage(g, WK_NAME("block%d", i + 1));
    for (int j = 0; j < group[i].blocks; j++) {
      int stride = j == 0 ? group[i].stride : 1;
      x = mbconv(g, x, WK_NAME("features.%d.%d", i + 1, j), channels, group[i].expand, group[i].channels,
                 group[i].kernel, stride);
      channels = group[i].channels;
    }
  }
  wk_graph_stage(g, "head");
  x = wk_build_conv_bn_act(g, x, "features.8", 1280, 1, 1, 1, bn_eps, WK_OP_SILU);
  wk_build_head(g, x, "avgpool", "classifier.0", 0.2f, "classifier.1", classes);
  return wk_build_end(out, g, err);
}

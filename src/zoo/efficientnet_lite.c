/* efficientnet_lite.c - EfficientNet-Lite0 (Tan, Le: "EfficientNet", ICML 2019, in Google's variant for edge devices:
 * ReLU6 for swish, no squeeze-and-excite, stem and head not scaled), with the layer names of EfficientNet-PyTorch.
 * Paddings are TensorFlow's SAME: at stride 2 the odd pixel is at the bottom and right. */
#include "zoo/zoo.h"

static const float bn_eps = 1e-3f;

static wk_node conv_bn(wk_graph *g, wk_node x, const char *conv, const char *bn, int channels, int kernel, int stride,
                       int groups) {
  x = wk_graph_conv(g, conv, x, channels, wk_window_same(kernel, stride), groups, false);
  return wk_graph_batch_norm(g, bn, x, bn_eps);
}

static wk_node mbconv(wk_graph *g, wk_node in, const char *block, int in_channels, int expand, int channels, int kernel,
                      int stride) {
  int hidden = in_channels * expand;
  wk_node x = in;
  if (expand > 1) {
    x = conv_bn(g, x, WK_NAME("%s._expand_conv", block), WK_NAME("%s._bn0", block), hidden, 1, 1, 1);
    x = wk_graph_unary(g, WK_NAME("%s._relu0", block), WK_OP_RELU6, x);
  }
  x = conv_bn(g, x, WK_NAME("%s._depthwise_conv", block), WK_NAME("%s._bn1", block), hidden, kernel, stride, hidden);
  x = wk_graph_unary(g, WK_NAME("%s._relu1", block), WK_OP_RELU6, x);
  x = conv_bn(g, x, WK_NAME("%s._project_conv", block), WK_NAME("%s._bn2", block), channels, 1, 1, 1);
  if (stride == 1 && in_channels == channels)
    x = wk_graph_add(g, WK_NAME("%s.add", block), x, in);
  return x;
}

WK_BUILDER(wk_build_efficientnet_lite0) {
  static const struct {
    int blocks, kernel, stride, expand, channels;
  } group[7] = {{1, 3, 1, 1, 16},  {2, 3, 2, 6, 24},  {2, 5, 2, 6, 40}, {3, 3, 2, 6, 80},
                {3, 5, 1, 6, 112}, {4, 5, 2, 6, 192}, {1, 3, 1, 6, 320}};
  wk_graph *g;
  wk_node x;
  WK_RETURN_IF_ERROR(wk_build_begin(&g, &x, 224, classes, err));
  x = conv_bn(g, x, "_conv_stem", "_bn0", 32, 3, 2, 1);
  x = wk_graph_unary(g, "_relu0", WK_OP_RELU6, x);
  int channels = 32, n = 0;
  for (int i = 0; i < 7; i++) {
    wk_graph_stage(g, WK_NAME("block%d", i + 1));
    for (int j = 0; j < group[i].blocks; j++) {
      int stride = j == 0 ? group[i].stride : 1;
      x = mbconv(g, x, WK_NAME("_blocks.%d", n++), channels, group[i].expand, group[i].channels, group[i].kernel,
                 stride);
      channels = group[i].channels;
    }
  }
  wk_graph_stage(g, "head");
  x = conv_bn(g, x, "_conv_head", "_bn1", 1280, 1, 1, 1);
  x = wk_graph_unary(g, "_relu1", WK_OP_RELU6, x);
  wk_build_head(g, x, "_avg_pooling", "_dropout", 0.2f, "_fc", classes);
  return wk_build_end(out, g, err);
}

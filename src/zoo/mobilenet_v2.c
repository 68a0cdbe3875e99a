/* mobilenet_v2.c - MobileNetV2 at width 1.0 (Sandler, Howard, Zhu, Zhmoginov, Chen: "MobileNetV2: inverted residuals
 * and linear bottlenecks", CVPR 2018), with torchvision's names. */
#include "zoo/zoo.h"

static wk_node conv_bn(wk_graph *g, wk_node x, const char *conv, const char *bn, int channels, int kernel, int stride,
                       int groups) {
  x = wk_graph_conv(g, conv, x, channels, wk_window_square(kernel, stride, kernel / 2), groups, false);
  return wk_graph_batch_norm(g, bn, x, 1e-5f);
}

/* torchvision's Conv2dNormActivation: NAME.0 convolution, NAME.1 batch norm, NAME.2 ReLU6. */
static wk_node conv_bn_relu6(wk_graph *g, wk_node x, const char *name, int channels, int kernel, int stride,
                             int groups) {
  x = conv_bn(g, x, WK_NAME("%s.0", name), WK_NAME("%s.1", name), channels, kernel, stride, groups);
  return wk_graph_unary(g, WK_NAME("%s.2", name), WK_OP_RELU6, x);
}

/* Widen by a 1x1 convolution, 3x3 depthwise, narrow by a 1x1 convolution without activation. */
static wk_node inverted_residual(wk_graph *g, wk_node in, const char *block, int in_channels, int expand, int channels,
                                 int stride) {
  int hidden = in_channels * expand, n = 0;
  wk_node x = in;
  if (expand > 1)
    x = conv_bn_relu6(g, x, WK_NAME("%s.conv.%d", block, n++), hidden, 1, 1, 1);
  x = conv_bn_relu6(g, x, WK_NAME("%s.conv.%d", block, n++), hidden, 3, stride, hidden);
  x = conv_bn(g, x, WK_NAME("%s.conv.%d", block, n), WK_NAME("%s.conv.%d", block, n + 1), channels, 1, 1, 1);
  if (stride == 1 && in_channels == channels)
    x = wk_graph_add(g, WK_NAME("%s.add", block), in, x);
  return x;
}

WK_BUILDER(wk_build_mobilenet_v2) {
  static const struct {
    int expand, channels, blocks, stride;
  } group[7] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
  wk_graph *g;
  wk_node x;
  WK_RETURN_IF_ERROR(wk_build_begin(&g, &x, 224, classes, err));
  x = conv_bn_relu6(g, x, "features.0", 32, 3, 2, 1);
  int channels = 32, n = 1;
  for (int i = 0; i < 7; i++) {
    wk_graph_stage(g, WK_NAME("block%d", i + 1));
    for (int j = 0; j < group[i].blocks; j++) {
      int stride = j == 0 ? group[i].stride : 1;
      x = inverted_residual(g, x, WK_NAME("features.%d", n++), channels, group[i].expand, group[i].channels, stride);
      channels = group[i].channels;
    }
  }
  wk_graph_stage(g, "head");
  x = conv_bn_relu6(g, x, "features.18", 1280, 1, 1, 1);
  wk_build_head(g, x, "avgpool", "classifier.0", 0.2f, "classifier.1", classes);
  return wk_build_end(out, g, err);
}

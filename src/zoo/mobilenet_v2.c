/* mobilenet_v2.c - MobileNetV2 in any width (Sandler, Howard, Zhu, Zhmoginov, Chen: "MobileNetV2: inverted residuals
 * and linear bottlenecks", CVPR 2018), with torchvision's names. */
#include "zoo/zoo.h"

static const float bn_eps = 1e-5f;

/* Widen by a 1x1 convolution, 3x3 depthwise, narrow by a 1x1 convolution without activation. */
static wk_node inverted_residual(wk_graph *g, wk_node in, const char *block, int in_channels, int expand, int channels,
                                 int stride) {
  int hidden = in_channels * expand, n = 0;
  wk_node x = in;
  if (expand > 1)
    x = wk_build_conv_bn_act(g, x, WK_NAME("%s.conv.%d", block, n++), hidden, 1, 1, 1, bn_eps, WK_OP_RELU6);
  x = wk_build_conv_bn_act(g, x, WK_NAME("%s.conv.%d", block, n++), hidden, 3, stride, hidden, bn_eps, WK_OP_RELU6);
  x = wk_graph_conv(g, WK_NAME("%s.conv.%d", block, n), x, channels, wk_window_square(1, 1, 0), 1, false);
  x = wk_graph_batch_norm(g, WK_NAME("%s.conv.%d", block, n + 1), x, bn_eps);
  if (stride == 1 && in_channels == channels)
    x = wk_graph_add(g, WK_NAME("%s.add", block), in, x);
  return x;
}

static wk_status mobilenet_v2(wk_graph **out, int classes, double width, wk_error *err) {
  static const struct {
    int expand, channels, blocks, stride;
  } group[7] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
  wk_graph *g;
  wk_node x;
  WK_RETURN_IF_ERROR(wk_build_begin(&g, &x, 224, classes, err));
  int channels = wk_build_round_to_8(32 * width), n = 1;
  x = wk_build_conv_bn_act(g, x, "features.0", channels, 3, 2, 1, bn_eps, WK_OP_RELU6);
  for (int i = 0; i < 7; i++) {
    const int to = wk_build_round_to_8(group[i].channels * width);
    wk_graph_stage(g, WK_NAME("block%d", i + 1));
    for (int j = 0; j < group[i].blocks; j++, channels = to)
      x = inverted_residual(g, x, WK_NAME("features.%d", n++), channels, group[i].expand, to,
                            j == 0 ? group[i].stride : 1);
  }
  wk_graph_stage(g, "head");
  x = wk_build_conv_bn_act(g, x, "features.18", wk_build_round_to_8(1280 * (width > 1 ? width : 1)), 1, 1, 1, bn_eps,
                           WK_OP_RELU6);
  wk_build_head(g, x, "avgpool", "classifier.0", 0.2f, "classifier.1", classes);
  return wk_build_end(out, g, err);
}

WK_BUILDER(wk_build_mobilenet_v2) { return mobilenet_v2(out, classes, 1.0, err); }
WK_BUILDER(wk_build_mobilenet_v2_x0_35) { return mobilenet_v2(out, classes, 0.35, err); }
WK_BUILDER(wk_build_mobilenet_v2_x0_5) { return mobilenet_v2(out, classes, 0.5, err); }
WK_BUILDER(wk_build_mobilenet_v2_x0_75) { return mobilenet_v2(out, classes, 0.75, err); }
WK_BUILDER(wk_build_mobilenet_v2_x1_4) { return mobilenet_v2(out, classes, 1.4, err); }

/* efficientnet_lite.c - EfficientNet-Lite0 to Lite4 (Tan, Le: "EfficientNet", ICML 2019, in Google's variant for edge
 * devices: ReLU6 for swish, no squeeze-and-excite, stem and head not scaled), with the layer names of
 * EfficientNet-PyTorch. Paddings are TensorFlow's SAME: at stride 2 the odd pixel is at the bottom and right. */
#include <math.h>

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

/* Stem and head are not scaled, neither are the first and the last group's depths. */
static wk_status lite(wk_graph **out, int classes, int size, double width, double depth, float dropout, wk_error *err) {
  static const struct {
    int blocks, kernel, stride, expand, channels;
  } group[7] = {{1, 3, 1, 1, 16},  {2, 3, 2, 6, 24},  {2, 5, 2, 6, 40}, {3, 3, 2, 6, 80},
                {3, 5, 1, 6, 112}, {4, 5, 2, 6, 192}, {1, 3, 1, 6, 320}};
  wk_graph *g;
  wk_node x;
  WK_RETURN_IF_ERROR(wk_build_begin(&g, &x, size, classes, err));
  x = conv_bn(g, x, "_conv_stem", "_bn0", 32, 3, 2, 1);
  x = wk_graph_unary(g, "_relu0", WK_OP_RELU6, x);
  int channels = 32, n = 0;
  for (int i = 0; i < 7; i++) {
    const int to = wk_build_round_to_8(group[i].channels * width);
    const int blocks = i == 0 || i == 6 ? group[i].blocks : (int)ceil(group[i].blocks * depth);
    wk_graph_stage(g, WK_NAME("block%d", i + 1));
    for (int j = 0; j < blocks; j++, channels = to)
      x = mbconv(g, x, WK_NAME("_blocks.%d", n++), channels, group[i].expand, to, group[i].kernel,
                 j == 0 ? group[i].stride : 1);
  }
  wk_graph_stage(g, "head");
  x = conv_bn(g, x, "_conv_head", "_bn1", 1280, 1, 1, 1);
  x = wk_graph_unary(g, "_relu1", WK_OP_RELU6, x);
  wk_build_head(g, x, "_avg_pooling", "_dropout", dropout, "_fc", classes);
  return wk_build_end(out, g, err);
}

WK_BUILDER(wk_build_efficientnet_lite0) { return lite(out, classes, 224, 1.0, 1.0, 0.2f, err); }
WK_BUILDER(wk_build_efficientnet_lite1) { return lite(out, classes, 240, 1.0, 1.1, 0.2f, err); }
WK_BUILDER(wk_build_efficientnet_lite2) { return lite(out, classes, 260, 1.1, 1.2, 0.3f, err); }
WK_BUILDER(wk_build_efficientnet_lite3) { return lite(out, classes, 280, 1.2, 1.4, 0.3f, err); }
WK_BUILDER(wk_build_efficientnet_lite4) { return lite(out, classes, 300, 1.4, 1.8, 0.3f, err); }

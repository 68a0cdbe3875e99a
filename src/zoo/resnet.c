/* resnet.c - ResNet (He, Zhang, Ren, Sun: "Deep residual learning for image recognition", CVPR 2016) and its relatives:
 * ResNeXt (Xie et al.: "Aggregated residual transformations for deep neural networks", CVPR 2017), Wide ResNet
 * (Zagoruyko, Komodakis: "Wide residual networks", BMVC 2016) and ResNet with squeeze-and-excite (Hu, Shen, Sun, CVPR
 * 2018) as timm has it. The rest is as torchvision has it: the bottleneck's stride is on its 3x3 convolution ("v1.5").
 * Layers have torchvision's module names; a module that is used more than once is counted as in its feature_extraction
 * ("layer1.0.relu", "layer1.0.relu_1"). */
#include "zoo/zoo.h"

typedef struct spec {
  int depth[4];
  bool bottleneck, squeeze;
  int groups, width; /* of the 3x3 convolution: groups, and channels of each in the first stage */
} spec;

static wk_node conv_bn(wk_graph *g, wk_node x, const char *block, const char *conv, const char *bn, int channels,
                       int kernel, int stride, int groups) {
  x = wk_graph_conv(g, WK_NAME("%s.%s", block, conv), x, channels, wk_window_square(kernel, stride, kernel / 2), groups,
                    false);
  return wk_graph_batch_norm(g, WK_NAME("%s.%s", block, bn), x, 1e-5f);
}

/* The shortcut: a 1x1 convolution where size or depth change, else nothing. */
static wk_node shortcut(wk_graph *g, wk_node x, const char *block, int channels, int stride, bool changes) {
  return changes ? conv_bn(g, x, block, "downsample.0", "downsample.1", channels, 1, stride, 1) : x;
}

static wk_node squeeze(wk_graph *g, wk_node x, const char *block, int channels) {
  const int squeezed = channels / 16 < 8 ? 8 : (channels / 16 + 4) / 8 * 8;
  return wk_build_squeeze(g, x, WK_NAME("%s.se", block), channels, squeezed, WK_OP_RELU, WK_OP_SIGMOID);
}

/* Two 3x3 convolutions; or 1x1 to a quarter of the depth (more, where groups are wide), 3x3, 1x1 back. */
static wk_node residual(wk_graph *g, wk_node in, const char *block, const spec *s, int channels, int stride,
                        bool changes) {
  const int inner = s->bottleneck ? channels / 4 * s->width / 64 * s->groups : channels;
  int n = 0;
  wk_node x = in;
  if (s->bottleneck) {
    x = conv_bn(g, x, block, "conv1", "bn1", inner, 1, 1, 1);
    x = wk_graph_unary(g, WK_NAME("%s.relu", block), WK_OP_RELU, x);
    x = conv_bn(g, x, block, "conv2", "bn2", inner, 3, stride, s->groups);
    x = wk_graph_unary(g, WK_NAME("%s.relu_1", block), WK_OP_RELU, x);
    x = conv_bn(g, x, block, "conv3", "bn3", channels, 1, 1, 1);
    n = 2;
  } else {
    x = conv_bn(g, x, block, "conv1", "bn1", inner, 3, stride, 1);
    x = wk_graph_unary(g, WK_NAME("%s.relu", block), WK_OP_RELU, x);
    x = conv_bn(g, x, block, "conv2", "bn2", channels, 3, 1, 1);
    n = 1;
  }
  if (s->squeeze)
    x = squeeze(g, x, block, channels);
  x = wk_graph_add(g, WK_NAME("%s.add", block), x, shortcut(g, in, block, channels, stride, changes));
  return wk_graph_unary(g, WK_NAME("%s.relu_%d", block, n), WK_OP_RELU, x);
}

static wk_status resnet(wk_graph **out, int classes, spec s, wk_error *err) {
  wk_graph *g;
  wk_node x;
  WK_RETURN_IF_ERROR(wk_build_begin(&g, &x, 224, classes, err));
  x = wk_graph_conv(g, "conv1", x, 64, wk_window_square(7, 2, 3), 1, false);
  x = wk_graph_batch_norm(g, "bn1", x, 1e-5f);
  x = wk_graph_unary(g, "relu", WK_OP_RELU, x);
  x = wk_graph_pool(g, "maxpool", WK_OP_MAX_POOL, x, wk_window_square(3, 2, 1));

  int channels = s.bottleneck ? 256 : 64;
  for (int layer = 0; layer < 4; layer++, channels *= 2) {
    wk_graph_stage(g, WK_NAME("layer%d", layer + 1));
    for (int i = 0; i < s.depth[layer]; i++) {
      int stride = i == 0 && layer > 0 ? 2 : 1;
      bool changes = i == 0 && (layer > 0 || s.bottleneck);
      x = residual(g, x, WK_NAME("layer%d.%d", layer + 1, i), &s, channels, stride, changes);
    }
  }

  wk_graph_stage(g, "head");
  wk_build_head(g, x, "avgpool", NULL, 0, "fc", classes);
  return wk_build_end(out, g, err);
}

#define BASIC(...)                                                                                                     \
  (spec) { .depth = __VA_ARGS__, .groups = 1, .width = 64 }
#define BOTTLENECK(g, w, ...)                                                                                          \
  (spec) { .depth = __VA_ARGS__, .bottleneck = true, .groups = g, .width = w }
#define SE(...)                                                                                                        \
  (spec) { .depth = __VA_ARGS__, .bottleneck = true, .squeeze = true, .groups = 1, .width = 64 }
#define NETWORK(name, s)                                                                                               \
  WK_BUILDER(wk_build_##name) { return resnet(out, classes, s, err); }

NETWORK(resnet18, BASIC({2, 2, 2, 2}))
NETWORK(resnet34, BASIC({3, 4, 6, 3}))
NETWORK(resnet50, BOTTLENECK(1, 64, {3, 4, 6, 3}))
NETWORK(resnet101, BOTTLENECK(1, 64, {3, 4, 23, 3}))
NETWORK(resnet152, BOTTLENECK(1, 64, {3, 8, 36, 3}))
NETWORK(resnext50_32x4d, BOTTLENECK(32, 4, {3, 4, 6, 3}))
NETWORK(resnext101_32x8d, BOTTLENECK(32, 8, {3, 4, 23, 3}))
NETWORK(resnext101_64x4d, BOTTLENECK(64, 4, {3, 4, 23, 3}))
NETWORK(wide_resnet50_2, BOTTLENECK(1, 128, {3, 4, 6, 3}))
NETWORK(wide_resnet101_2, BOTTLENECK(1, 128, {3, 4, 23, 3}))
NETWORK(seresnet50, SE({3, 4, 6, 3}))
NETWORK(seresnet101, SE({3, 4, 23, 3}))
NETWORK(seresnet152, SE({3, 8, 36, 3}))

/* resnet.c - ResNet 18, 34, 50, 101 and 152 (He, Zhang, Ren, Sun: "Deep residual learning for image recognition",
 * CVPR 2016), as torchvision has them: the bottleneck's stride is on its 3x3 convolution ("v1.5"). Layers have
 * torchvision's module names; a module that is used more than once is counted as in its feature_extraction
 * ("layer1.0.relu", "layer1.0.relu_1"). */
#include "zoo/zoo.h"

static wk_node conv_bn(wk_graph *g, wk_node x, const char *block, const char *conv, const char *bn, int channels,
                       int kernel, int stride) {
  x = wk_graph_conv(g, WK_NAME("%s.%s", block, conv), x, channels, wk_window_square(kernel, stride, kernel / 2), 1,
                    false);
  return wk_graph_batch_norm(g, WK_NAME("%s.%s", block, bn), x, 1e-5f);
}

/* The shortcut: a 1x1 convolution where size or depth change, else nothing. */
static wk_node shortcut(wk_graph *g, wk_node x, const char *block, int channels, int stride, bool changes) {
  return changes ? conv_bn(g, x, block, "downsample.0", "downsample.1", channels, 1, stride) : x;
}

/* Two 3x3 convolutions. */
static wk_node basic(wk_graph *g, wk_node in, const char *block, int channels, int stride, bool changes) {
  wk_node x = conv_bn(g, in, block, "conv1", "bn1", channels, 3, stride);
  x = wk_graph_unary(g, WK_NAME("%s.relu", block), WK_OP_RELU, x);
  x = conv_bn(g, x, block, "conv2", "bn2", channels, 3, 1);
  x = wk_graph_add(g, WK_NAME("%s.add", block), x, shortcut(g, in, block, channels, stride, changes));
  return wk_graph_unary(g, WK_NAME("%s.relu_1", block), WK_OP_RELU, x);
}

/* 1x1 to a quarter of the depth, 3x3, 1x1 back. */
static wk_node bottleneck(wk_graph *g, wk_node in, const char *block, int channels, int stride, bool changes) {
  wk_node x = conv_bn(g, in, block, "conv1", "bn1", channels / 4, 1, 1);
  x = wk_graph_unary(g, WK_NAME("%s.relu", block), WK_OP_RELU, x);
  x = conv_bn(g, x, block, "conv2", "bn2", channels / 4, 3, stride);
  x = wk_graph_unary(g, WK_NAME("%s.relu_1", block), WK_OP_RELU, x);
  x = conv_bn(g, x, block, "conv3", "bn3", channels, 1, 1);
  x = wk_graph_add(g, WK_NAME("%s.add", block), x, shortcut(g, in, block, channels, stride, changes));
  return wk_graph_unary(g, WK_NAME("%s.relu_2", block), WK_OP_RELU, x);
}

typedef wk_node (*block_fn)(wk_graph *g, wk_node in, const char *block, int channels, int stride, bool changes);

static wk_status resnet(wk_graph **out, int classes, block_fn block, const int depth[4], wk_error *err) {
  wk_graph *g;
  wk_node x;
  WK_RETURN_IF_ERROR(wk_build_begin(&g, &x, 224, classes, err));
  x = wk_graph_conv(g, "conv1", x, 64, wk_window_square(7, 2, 3), 1, false);
  x = wk_graph_batch_norm(g, "bn1", x, 1e-5f);
  x = wk_graph_unary(g, "relu", WK_OP_RELU, x);
  x = wk_graph_pool(g, "maxpool", WK_OP_MAX_POOL, x, wk_window_square(3, 2, 1));

  int channels = block == bottleneck ? 256 : 64;
  for (int layer = 0; layer < 4; layer++, channels *= 2) {
    wk_graph_stage(g, WK_NAME("layer%d", layer + 1));
    for (int i = 0; i < depth[layer]; i++) {
      int stride = i == 0 && layer > 0 ? 2 : 1;
      bool changes = i == 0 && (layer > 0 || block == bottleneck);
      x = block(g, x, WK_NAME("layer%d.%d", layer + 1, i), channels, stride, changes);
    }
  }

  wk_graph_stage(g, "head");
  wk_build_head(g, x, "avgpool", NULL, 0, "fc", classes);
  return wk_build_end(out, g, err);
}

WK_BUILDER(wk_build_resnet18) { return resnet(out, classes, basic, (const int[]){2, 2, 2, 2}, err); }
WK_BUILDER(wk_build_resnet34) { return resnet(out, classes, basic, (const int[]){3, 4, 6, 3}, err); }
WK_BUILDER(wk_build_resnet50) { return resnet(out, classes, bottleneck, (const int[]){3, 4, 6, 3}, err); }
WK_BUILDER(wk_build_resnet101) { return resnet(out, classes, bottleneck, (const int[]){3, 4, 23, 3}, err); }
WK_BUILDER(wk_build_resnet152) { return resnet(out, classes, bottleneck, (const int[]){3, 8, 36, 3}, err); }

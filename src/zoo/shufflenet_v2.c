/* shufflenet_v2.c - ShuffleNetV2 (Ma, Zhang, Zheng, Sun: "ShuffleNet V2: practical guidelines for efficient CNN
 * architecture design", ECCV 2018), with torchvision's names. */
#include "zoo/zoo.h"

static const float bn_eps = 1e-5f;

/* Convolution and batch norm; they are BRANCH.n and BRANCH.n + 1. */
static wk_node conv_bn(wk_graph *g, wk_node x, const char *branch, int n, int channels, int kernel, int stride,
                       int groups) {
  x = wk_graph_conv(g, WK_NAME("%s.%d", branch, n), x, channels, wk_window_square(kernel, stride, kernel / 2), groups,
                    false);
  return wk_graph_batch_norm(g, WK_NAME("%s.%d", branch, n + 1), x, bn_eps);
}

static wk_node relu(wk_graph *g, wk_node x, const char *branch, int n) {
  return wk_graph_unary(g, WK_NAME("%s.%d", branch, n), WK_OP_RELU, x);
}

/* Half of the channels pass by; at stride 2 both halves are made of all. Then they are shuffled. */
static wk_node unit(wk_graph *g, wk_node in, const char *block, int in_channels, int channels, int stride) {
  const int half = channels / 2;
  const wk_layer_name left = wk_layer_named("%s.branch1", block), right = wk_layer_named("%s.branch2", block);
  wk_node side[2], x = in;
  if (stride == 1) {
    side[0] = wk_graph_slice(g, WK_NAME("%s.left", block), in, 0, half);
    x = wk_graph_slice(g, WK_NAME("%s.right", block), in, half, half);
  } else {
    side[0] = conv_bn(g, in, left.text, 0, in_channels, 3, stride, in_channels);
    side[0] = conv_bn(g, side[0], left.text, 2, half, 1, 1, 1);
    side[0] = relu(g, side[0], left.text, 4);
  }
  x = relu(g, conv_bn(g, x, right.text, 0, half, 1, 1, 1), right.text, 2);
  x = conv_bn(g, x, right.text, 3, half, 3, stride, half);
  side[1] = relu(g, conv_bn(g, x, right.text, 5, half, 1, 1, 1), right.text, 7);
  x = wk_graph_concat(g, WK_NAME("%s.cat", block), side, 2);
  return wk_graph_shuffle(g, WK_NAME("%s.shuffle", block), x, 2);
}

static wk_status shufflenet(wk_graph **out, int classes, const int width[4], wk_error *err) {
  static const int units[3] = {4, 8, 4};
  wk_graph *g;
  wk_node x;
  WK_RETURN_IF_ERROR(wk_build_begin(&g, &x, 224, classes, err));
  x = relu(g, conv_bn(g, x, "conv1", 0, 24, 3, 2, 1), "conv1", 2);
  x = wk_graph_pool(g, "maxpool", WK_OP_MAX_POOL, x, wk_window_square(3, 2, 1));
  int channels = 24;
  for (int i = 0; i < 3; i++) {
    wk_graph_stage(g, WK_NAME("stage%d", i + 2));
    for (int j = 0; j < units[i]; j++, channels = width[i])
      x = unit(g, x, WK_NAME("stage%d.%d", i + 2, j), channels, width[i], j == 0 ? 2 : 1);
  }
  wk_graph_stage(g, "head");
  x = relu(g, conv_bn(g, x, "conv5", 0, width[3], 1, 1, 1), "conv5", 2);
  wk_build_head(g, x, "mean", NULL, 0, "fc", classes);
  return wk_build_end(out, g, err);
}

WK_BUILDER(wk_build_shufflenet_v2_x0_5) { return shufflenet(out, classes, (const int[]){48, 96, 192, 1024}, err); }
WK_BUILDER(wk_build_shufflenet_v2_x1_0) { return shufflenet(out, classes, (const int[]){116, 232, 464, 1024}, err); }
WK_BUILDER(wk_build_shufflenet_v2_x1_5) { return shufflenet(out, classes, (const int[]){176, 352, 704, 1024}, err); }
WK_BUILDER(wk_build_shufflenet_v2_x2_0) { return shufflenet(out, classes, (const int[]){244, 488, 976, 2048}, err); }

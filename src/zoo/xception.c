/* xception.c - Xception (Chollet: "Xception: deep learning with depthwise separable convolutions", CVPR 2017), as
 * timm's legacy_xception has it, with its names. */
#include "zoo/zoo.h"

static const float bn_eps = 1e-5f;

/* Depthwise, then 1x1, then batch norm. */
static wk_node separable(wk_graph *g, wk_node x, const char *conv, const char *bn, int in_channels, int channels) {
  x = wk_graph_conv(g, WK_NAME("%s.conv1", conv), x, in_channels, wk_window_square(3, 1, 1), in_channels, false);
  x = wk_graph_conv(g, WK_NAME("%s.pointwise", conv), x, channels, wk_window_square(1, 1, 0), 1, false);
  return wk_graph_batch_norm(g, bn, x, bn_eps);
}

/* 2 or 3 separable convolutions, each after a ReLU but for block 1's first; all but the middle ones halve the picture.
 */
static wk_node block(wk_graph *g, wk_node in, int number, int in_channels, int channels, int count) {
  const wk_layer_name name = wk_layer_named("block%d", number);
  const bool middle = count == 3;
  int n = 0, from = in_channels;
  wk_node x = in;
  for (int i = 0; i < count; i++) {
    /* The last block keeps its width at first, the others widen at once. */
    const int to = number == 12 && i == 0 ? in_channels : channels;
    if (i > 0 || number > 1)
      x = wk_graph_unary(g, WK_NAME("%s.rep.%d", name.text, n++), WK_OP_RELU, x);
    x = separable(g, x, WK_NAME("%s.rep.%d", name.text, n), WK_NAME("%s.rep.%d", name.text, n + 1), from, to);
    n += 2;
    from = to;
  }
  wk_node other = in;
  if (!middle) {
    x = wk_graph_pool(g, WK_NAME("%s.rep.%d", name.text, n), WK_OP_MAX_POOL, x, wk_window_square(3, 2, 1));
    other = wk_graph_conv(g, WK_NAME("%s.skip", name.text), in, channels, wk_window_square(1, 2, 0), 1, false);
    other = wk_graph_batch_norm(g, WK_NAME("%s.skipbn", name.text), other, bn_eps);
  }
  return wk_graph_add(g, WK_NAME("%s.add", name.text), x, other);
}

WK_BUILDER(wk_build_xception) {
  wk_graph *g;
  wk_node x;
  WK_RETURN_IF_ERROR(wk_build_begin(&g, &x, 299, classes, err));
  x = wk_graph_conv(g, "conv1", x, 32, wk_window_square(3, 2, 0), 1, false);
  x = wk_graph_batch_norm(g, "bn1", x, bn_eps);
  x = wk_graph_unary(g, "act1", WK_OP_RELU, x);
  x = wk_graph_conv(g, "conv2", x, 64, wk_window_square(3, 1, 0), 1, false);
  x = wk_graph_batch_norm(g, "bn2", x, bn_eps);
  x = wk_graph_unary(g, "act2", WK_OP_RELU, x);
  wk_graph_stage(g, "entry");
  x = block(g, x, 1, 64, 128, 2);
  x = block(g, x, 2, 128, 256, 2);
  x = block(g, x, 3, 256, 728, 2);
  wk_graph_stage(g, "middle");
  for (int i = 4; i <= 11; i++)
    x = block(g, x, i, 728, 728, 3);
  wk_graph_stage(g, "exit");
  x = block(g, x, 12, 728, 1024, 2);
  x = separable(g, x, "conv3", "bn3", 1024, 1536);
  x = wk_graph_unary(g, "act3", WK_OP_RELU, x);
  x = separable(g, x, "conv4", "bn4", 1536, 2048);
  x = wk_graph_unary(g, "act4", WK_OP_RELU, x);
  wk_graph_stage(g, "head");
  wk_build_head(g, x, "global_pool", NULL, 0, "fc", classes);
  return wk_build_end(out, g, err);
}

/* mobilenet_v3.c - MobileNetV3 small and large (Howard et al.: "Searching for MobileNetV3", ICCV 2019), with
 * torchvision's names. The features are the values after the classifier's hidden layer, which timm calls the network's
 * features too. */
#include "zoo/zoo.h"

typedef struct block_spec {
  int kernel, expanded, channels;
  bool squeeze; /* squeeze-and-excite */
  wk_op op;     /* activation */
  int stride;
} block_spec;

#define RE WK_OP_RELU
#define HS WK_OP_HARDSWISH
static const block_spec small_blocks[] = {
    {3, 16, 16, true, RE, 2},  {3, 72, 24, false, RE, 2}, {3, 88, 24, false, RE, 1}, {5, 96, 40, true, HS, 2},
    {5, 240, 40, true, HS, 1}, {5, 240, 40, true, HS, 1}, {5, 120, 48, true, HS, 1}, {5, 144, 48, true, HS, 1},
    {5, 288, 96, true, HS, 2}, {5, 576, 96, true, HS, 1}, {5, 576, 96, true, HS, 1}};
static const block_spec large_blocks[] = {
    {3, 16, 16, false, RE, 1},  {3, 64, 24, false, RE, 2},  {3, 72, 24, false, RE, 1},  {5, 72, 40, true, RE, 2},
    {5, 120, 40, true, RE, 1},  {5, 120, 40, true, RE, 1},  {3, 240, 80, false, HS, 2}, {3, 200, 80, false, HS, 1},
    {3, 184, 80, false, HS, 1}, {3, 184, 80, false, HS, 1}, {3, 480, 112, true, HS, 1}, {3, 672, 112, true, HS, 1},
    {5, 672, 160, true, HS, 2}, {5, 960, 160, true, HS, 1}, {5, 960, 160, true, HS, 1}};

static const float bn_eps = 1e-3f;

static wk_node inverted_residual(wk_graph *g, wk_node in, const char *block, int in_channels, const block_spec *s) {
  int n = 0;
  wk_node x = in;
  if (s->expanded != in_channels)
    x = wk_build_conv_bn_act(g, x, WK_NAME("%s.block.%d", block, n++), s->expanded, 1, 1, 1, bn_eps, s->op);
  x = wk_build_conv_bn_act(g, x, WK_NAME("%s.block.%d", block, n++), s->expanded, s->kernel, s->stride, s->expanded,
                           bn_eps, s->op);
  if (s->squeeze)
    x = wk_build_squeeze(g, x, WK_NAME("%s.block.%d", block, n++), s->expanded, wk_build_round_to_8(s->expanded / 4),
                         WK_OP_RELU, WK_OP_HARDSIGMOID);
  x = wk_build_conv_bn(g, x, WK_NAME("%s.block.%d", block, n), s->channels, 1, 1, 1, bn_eps);
  if (s->stride == 1 && in_channels == s->channels)
    x = wk_graph_add(g, WK_NAME("%s.add", block), x, in);
  return x;
}

static wk_status mobilenet_v3(wk_graph **out, int classes, const block_spec *blocks, int count, int last, int hidden,
                              wk_error *err) {
  wk_graph *g;
  wk_node x;
  WK_RETURN_IF_ERROR(wk_build_begin(&g, &x, 224, classes, err));
  x = wk_build_conv_bn_act(g, x, "features.0", 16, 3, 2, 1, bn_eps, HS);
  int channels = 16, stage = 0;
  for (int i = 0; i < count; i++) {
    if (i == 0 || blocks[i].stride == 2)
      wk_graph_stage(g, WK_NAME("block%d", ++stage));
    x = inverted_residual(g, x, WK_NAME("features.%d", i + 1), channels, &blocks[i]);
    channels = blocks[i].channels;
  }
  wk_graph_stage(g, "head");
  x = wk_build_conv_bn_act(g, x, WK_NAME("features.%d", count + 1), last, 1, 1, 1, bn_eps, HS);
  x = wk_graph_adaptive_avg_pool(g, "avgpool", x, 1, 1);
  x = wk_graph_linear(g, "classifier.0", x, hidden);
  wk_node features = wk_graph_unary(g, "classifier.1", HS, x);
  wk_node logits = -1;
  if (classes > 0) {
    x = wk_graph_dropout(g, "classifier.2", features, 0.2f);
    logits = wk_graph_linear(g, "classifier.3", x, classes);
  }
  wk_graph_outputs(g, features, logits);
  return wk_build_end(out, g, err);
}

WK_BUILDER(wk_build_mobilenet_v3_small) { return mobilenet_v3(out, classes, small_blocks, 11, 576, 1024, err); }
WK_BUILDER(wk_build_mobilenet_v3_large) { return mobilenet_v3(out, classes, large_blocks, 15, 960, 1280, err); }

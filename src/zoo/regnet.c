/* regnet.c - RegNetX and RegNetY, the latter with squeeze-and-excite (Radosavovic, Kosaraju, Girshick, He, Dollar:
 * "Designing network design spaces", CVPR 2020), with torchvision's names. */
#include "zoo/zoo.h"

typedef struct spec {
  int depth[4], channels[4], group_width[4];
  bool squeeze;
} spec;

static const float bn_eps = 1e-5f;

static wk_node block(wk_graph *g, wk_node in, const char *name, int in_channels, int channels, int stride, int groups,
                     bool squeeze) {
  wk_node short_cut = in;
  if (stride > 1 || in_channels != channels)
    short_cut = wk_build_conv_bn(g, in, WK_NAME("%s.proj", name), channels, 1, stride, 1, bn_eps);
  wk_node x = wk_build_conv_bn_act(g, in, WK_NAME("%s.f.a", name), channels, 1, 1, 1, bn_eps, WK_OP_RELU);
  x = wk_build_conv_bn_act(g, x, WK_NAME("%s.f.b", name), channels, 3, stride, groups, bn_eps, WK_OP_RELU);
  if (squeeze)
    x = wk_build_squeeze(g, x, WK_NAME("%s.f.se", name), channels, in_channels / 4, WK_OP_RELU, WK_OP_SIGMOID);
  x = wk_build_conv_bn(g, x, WK_NAME("%s.f.c", name), channels, 1, 1, 1, bn_eps);
  x = wk_graph_add(g, WK_NAME("%s.add", name), short_cut, x);
  return wk_graph_unary(g, WK_NAME("%s.activation", name), WK_OP_RELU, x);
}

static wk_status regnet(wk_graph **out, int classes, const spec *s, wk_error *err) {
  wk_graph *g;
  wk_node x;
  WK_RETURN_IF_ERROR(wk_build_begin(&g, &x, 224, classes, err));
  x = wk_build_conv_bn_act(g, x, "stem", 32, 3, 2, 1, bn_eps, WK_OP_RELU);
  int from = 32;
  for (int i = 0; i < 4; i++) {
    const int to = s->channels[i];
    wk_graph_stage(g, WK_NAME("block%d", i + 1));
    for (int j = 0; j < s->depth[i]; j++, from = to)
      x = block(g, x, WK_NAME("trunk_output.block%d.block%d-%d", i + 1, i + 1, j), from, to, j == 0 ? 2 : 1,
                to / s->group_width[i], s->squeeze);
  }
  wk_graph_stage(g, "head");
  wk_build_head(g, x, "avgpool", NULL, 0, "fc", classes);
  return wk_build_end(out, g, err);
}

#define NETWORK(name, ...)                                                                                             \
  WK_BUILDER(wk_build_regnet_##name) {                                                                                 \
    static const spec s = __VA_ARGS__;                                                                                 \
    return regnet(out, classes, &s, err);                                                                              \
  }
NETWORK(x_400mf, {{1, 2, 7, 12}, {32, 64, 160, 400}, {16, 16, 16, 16}, false})
NETWORK(x_800mf, {{1, 3, 7, 5}, {64, 128, 288, 672}, {16, 16, 16, 16}, false})
NETWORK(x_1_6gf, {{2, 4, 10, 2}, {72, 168, 408, 912}, {24, 24, 24, 24}, false})
NETWORK(x_3_2gf, {{2, 6, 15, 2}, {96, 192, 432, 1008}, {48, 48, 48, 48}, false})
NETWORK(x_8gf, {{2, 5, 15, 1}, {80, 240, 720, 1920}, {80, 120, 120, 120}, false})
NETWORK(y_400mf, {{1, 3, 6, 6}, {48, 104, 208, 440}, {8, 8, 8, 8}, true})
NETWORK(y_800mf, {{1, 3, 8, 2}, {64, 144, 320, 784}, {16, 16, 16, 16}, true})
NETWORK(y_1_6gf, {{2, 6, 17, 2}, {48, 120, 336, 888}, {24, 24, 24, 24}, true})
NETWORK(y_3_2gf, {{2, 5, 13, 1}, {72, 216, 576, 1512}, {24, 24, 24, 24}, true})
NETWORK(y_8gf, {{2, 4, 10, 1}, {224, 448, 896, 2016}, {56, 56, 56, 56}, true})

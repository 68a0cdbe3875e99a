/* efficientnet.c - EfficientNet-B0 to B4 (Tan, Le: "EfficientNet: rethinking model scaling for convolutional neural
 * networks", ICML 2019) and V2-S ("EfficientNetV2: smaller models and faster training", ICML 2021), with torchvision's
 * names and its symmetric paddings. */
#include <math.h>

#include "zoo/zoo.h"

typedef struct group {
  bool fused; /* the expansion and the depthwise convolution in one: V2's first */
  int blocks, kernel, stride, expand, channels;
} group;

typedef struct spec {
  const group *group;
  int groups, stem, last; /* last: channels of the last convolution */
  double width, depth;
  int size;
  float eps, dropout;
} spec;

static wk_node mbconv(wk_graph *g, wk_node in, const char *block, int in_channels, const group *p, int channels,
                      int stride, float eps) {
  int hidden = wk_build_round_to_8(in_channels * p->expand), n = 0;
  wk_node x = in;
  if (p->fused) {
    const bool expands = hidden != in_channels;
    x = wk_build_conv_bn_act(g, x, WK_NAME("%s.block.%d", block, n++), expands ? hidden : channels, p->kernel, stride,
                             1, eps, WK_OP_SILU);
    if (expands)
      x = wk_build_conv_bn(g, x, WK_NAME("%s.block.%d", block, n), channels, 1, 1, 1, eps);
  } else {
    if (hidden != in_channels)
      x = wk_build_conv_bn_act(g, x, WK_NAME("%s.block.%d", block, n++), hidden, 1, 1, 1, eps, WK_OP_SILU);
    x = wk_build_conv_bn_act(g, x, WK_NAME("%s.block.%d", block, n++), hidden, p->kernel, stride, hidden, eps,
                             WK_OP_SILU);
    x = wk_build_squeeze(g, x, WK_NAME("%s.block.%d", block, n++), hidden, in_channels / 4, WK_OP_SILU, WK_OP_SIGMOID);
    x = wk_build_conv_bn(g, x, WK_NAME("%s.block.%d", block, n), channels, 1, 1, 1, eps);
  }
  if (stride == 1 && in_channels == channels)
    x = wk_graph_add(g, WK_NAME("%s.add", block), x, in);
  return x;
}

static wk_status efficientnet(wk_graph **out, int classes, const spec *s, wk_error *err) {
  wk_graph *g;
  wk_node x;
  WK_RETURN_IF_ERROR(wk_build_begin(&g, &x, s->size, classes, err));
  int channels = wk_build_round_to_8(s->stem * s->width);
  x = wk_build_conv_bn_act(g, x, "features.0", channels, 3, 2, 1, s->eps, WK_OP_SILU);
  for (int i = 0; i < s->groups; i++) {
    const group *p = &s->group[i];
    const int to = wk_build_round_to_8(p->channels * s->width), blocks = (int)ceil(p->blocks * s->depth);
    wk_graph_stage(g, WK_NAME("block%d", i + 1));
    for (int j = 0; j < blocks; j++, channels = to)
      x = mbconv(g, x, WK_NAME("features.%d.%d", i + 1, j), channels, p, to, j == 0 ? p->stride : 1, s->eps);
  }
  wk_graph_stage(g, "head");
  x = wk_build_conv_bn_act(g, x, WK_NAME("features.%d", s->groups + 1), s->last ? s->last : 4 * channels, 1, 1, 1,
                           s->eps, WK_OP_SILU);
  wk_build_head(g, x, "avgpool", "classifier.0", s->dropout, "classifier.1", classes);
  return wk_build_end(out, g, err);
}

static const group v1[] = {{false, 1, 3, 1, 1, 16}, {false, 2, 3, 2, 6, 24},  {false, 2, 5, 2, 6, 40},
                           {false, 3, 3, 2, 6, 80}, {false, 3, 5, 1, 6, 112}, {false, 4, 5, 2, 6, 192},
                           {false, 1, 3, 1, 6, 320}};
static const group v2_s[] = {{true, 2, 3, 1, 1, 24},   {true, 4, 3, 2, 4, 48},   {true, 4, 3, 2, 4, 64},
                             {false, 6, 3, 2, 4, 128}, {false, 9, 3, 1, 6, 160}, {false, 15, 3, 2, 6, 256}};

#define B(name, size_, width_, depth_, drop)                                                                           \
  WK_BUILDER(wk_build_efficientnet_##name) {                                                                           \
    static const spec s = {v1, 7, 32, 0, width_, depth_, size_, 1e-5f, drop};                                          \
    return efficientnet(out, classes, &s, err);                                                                        \
  }
B(b0, 224, 1.0, 1.0, 0.2f)
B(b1, 240, 1.0, 1.1, 0.2f)
B(b2, 288, 1.1, 1.2, 0.3f)
B(b3, 300, 1.2, 1.4, 0.3f)
B(b4, 380, 1.4, 1.8, 0.4f)

WK_BUILDER(wk_build_efficientnet_v2_s) {
  static const spec s = {v2_s, 6, 24, 1280, 1.0, 1.0, 384, 1e-3f, 0.2f};
  return efficientnet(out, classes, &s, err);
}

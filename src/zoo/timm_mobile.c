/* timm_mobile.c - MobileNetV1 (Howard et al., 2017), V2 in its widths (Sandler et al., CVPR 2018), V4 (Qin et al.:
 * "MobileNetV4: universal models for the mobile ecosystem", ECCV 2024) and the EfficientNet-Lites, all with timm's
 * names: there they are one network with different lists of blocks, and so they are here. */
#include <math.h>

#include "zoo/zoo.h"

typedef enum kind {
  DEPTHWISE,     /* depthwise, 1x1 */
  DEPTHWISE_ACT, /* the same with an activation behind both, and no shortcut */
  INVERTED,      /* 1x1, depthwise, 1x1 */
  EDGE,          /* 3x3, 1x1 */
  UNIVERSAL,     /* depthwise or not, 1x1, depthwise or not, 1x1 */
  PLAIN          /* a convolution */
} kind;

typedef struct blocks {
  kind kind;
  int stage, count, kernel, stride, expand, channels;
  int first; /* kernel of the first depthwise convolution of UNIVERSAL; 0: none, as kernel 0 for the second */
} blocks;

typedef struct spec {
  const blocks *list;
  int lists, size, stem;
  double width, depth;
  bool fixed_ends; /* stem and head are not widened, first and last stage not deepened */
  bool same;       /* TensorFlow's SAME paddings and epsilon */
  wk_op act;
  enum { NO_HEAD, HEAD, POOLED_HEAD } head; /* a 1x1 convolution to 1,280 channels; before or after pooling */
  float dropout;
} spec;

static float eps(const spec *s) { return s->same ? 1e-3f : 1e-5f; }

static wk_node conv_bn(wk_graph *g, const spec *s, wk_node x, const char *conv, const char *bn, int channels,
                       int kernel, int stride, int groups) {
  const wk_window w = s->same ? wk_window_same(kernel, stride) : wk_window_square(kernel, stride, kernel / 2);
  x = wk_graph_conv(g, conv, x, channels, w, groups, false);
  return wk_graph_batch_norm(g, bn, x, eps(s));
}

/* BLOCK.CONV and BLOCK.BN, then the activation that timm keeps in the norm. */
static wk_node part(wk_graph *g, const spec *s, wk_node x, const char *block, const char *conv, const char *bn,
                    int channels, int kernel, int stride, int groups, bool act) {
  x = conv_bn(g, s, x, WK_NAME("%s.%s", block, conv), WK_NAME("%s.%s", block, bn), channels, kernel, stride, groups);
  return act ? wk_graph_unary(g, WK_NAME("%s.%s.act", block, bn), s->act, x) : x;
}

static wk_node one_block(wk_graph *g, const spec *s, wk_node in, const char *block, const blocks *b, int from, int to,
                         int stride) {
  const int hidden = wk_build_round_to_8(from * b->expand);
  bool skip = stride == 1 && from == to;
  wk_node x = in;
  switch (b->kind) {
  case DEPTHWISE:
  case DEPTHWISE_ACT:
    x = part(g, s, x, block, "conv_dw", "bn1", from, b->kernel, stride, from, true);
    x = part(g, s, x, block, "conv_pw", "bn2", to, 1, 1, 1, b->kind == DEPTHWISE_ACT);
    skip = skip && b->kind == DEPTHWISE;
    break;
  case INVERTED:
    x = part(g, s, x, block, "conv_pw", "bn1", hidden, 1, 1, 1, true);
    x = part(g, s, x, block, "conv_dw", "bn2", hidden, b->kernel, stride, hidden, true);
    x = part(g, s, x, block, "conv_pwl", "bn3", to, 1, 1, 1, false);
    break;
  case EDGE:
    x = part(g, s, x, block, "conv_exp", "bn1", hidden, b->kernel, stride, 1, true);
    x = part(g, s, x, block, "conv_pwl", "bn2", to, 1, 1, 1, false);
    break;
  case UNIVERSAL:
    if (b->first)
      x = part(g, s, x, block, "dw_start.conv", "dw_start.bn", from, b->first, b->kernel ? 1 : stride, from, false);
    x = part(g, s, x, block, "pw_exp.conv", "pw_exp.bn", hidden, 1, 1, 1, true);
    if (b->kernel)
      x = part(g, s, x, block, "dw_mid.conv", "dw_mid.bn", hidden, b->kernel, stride, hidden, true);
    x = part(g, s, x, block, "pw_proj.conv", "pw_proj.bn", to, 1, 1, 1, false);
    break;
  case PLAIN:
    x = part(g, s, x, block, "conv", "bn1", to, b->kernel, stride, 1, true);
    skip = false;
    break;
  }
  return skip ? wk_graph_add(g, WK_NAME("%s.add", block), x, in) : x;
}

static wk_node conv_act(wk_graph *g, const spec *s, wk_node x, const char *conv, const char *bn, int channels,
                        int kernel, int stride) {
  x = conv_bn(g, s, x, conv, bn, channels, kernel, stride, 1);
  return wk_graph_unary(g, WK_NAME("%s.act", bn), s->act, x);
}

static void head(wk_graph *g, const spec *s, wk_node x, int classes) {
  const int wide = wk_build_round_to_8(1280 * (s->width > 1 && !s->fixed_ends ? s->width : 1));
  wk_node features, logits = -1;
  wk_graph_stage(g, "head");
  if (s->head == HEAD)
    x = conv_act(g, s, x, "conv_head", "bn2", wide, 1, 1);
  features = wk_graph_adaptive_avg_pool(g, "global_pool", x, 1, 1);
  if (s->head == POOLED_HEAD)
    features = conv_act(g, s, features, "conv_head", "norm_head", wide, 1, 1);
  if (classes > 0) {
    logits = wk_graph_dropout(g, "dropout", features, s->dropout);
    logits = wk_graph_linear(g, "classifier", logits, classes);
  }
  wk_graph_outputs(g, features, logits);
}

static wk_status build(wk_graph **out, int classes, const spec *s, wk_error *err) {
  wk_graph *g;
  wk_node x;
  WK_RETURN_IF_ERROR(wk_build_begin(&g, &x, s->size, classes, err));
  int from = s->fixed_ends ? s->stem : wk_build_round_to_8(s->stem * s->width), stage = -1, n = 0;
  const int last = s->list[s->lists - 1].stage;
  x = conv_act(g, s, x, "conv_stem", "bn1", from, 3, 2);
  for (int i = 0; i < s->lists; i++) {
    const blocks *b = &s->list[i];
    const bool fixed = s->fixed_ends && (b->stage == 0 || b->stage == last);
    const int to = wk_build_round_to_8(b->channels * s->width);
    const int count = fixed ? b->count : (int)ceil(b->count * s->depth);
    if (b->stage != stage)
      wk_graph_stage(g, WK_NAME("block%d", (stage = b->stage, n = 0, stage + 1)));
    for (int j = 0; j < count; j++, from = to)
      x = one_block(g, s, x, WK_NAME("blocks.%d.%d", b->stage, n++), b, from, to, j == 0 ? b->stride : 1);
  }
  head(g, s, x, classes);
  return wk_build_end(out, g, err);
}

/* ---- the networks -------------------------------------------------------------------------------- */

static const blocks v1[] = {{DEPTHWISE_ACT, 0, 1, 3, 1, 1, 64, 0},
                            {DEPTHWISE_ACT, 1, 2, 3, 2, 1, 128, 0},
                            {DEPTHWISE_ACT, 2, 2, 3, 2, 1, 256, 0},
                            {DEPTHWISE_ACT, 3, 6, 3, 2, 1, 512, 0},
                            {DEPTHWISE_ACT, 4, 2, 3, 2, 1, 1024, 0}};
static const blocks v2[] = {{DEPTHWISE, 0, 1, 3, 1, 1, 16, 0}, {INVERTED, 1, 2, 3, 2, 6, 24, 0},
                            {INVERTED, 2, 3, 3, 2, 6, 32, 0},  {INVERTED, 3, 4, 3, 2, 6, 64, 0},
                            {INVERTED, 4, 3, 3, 1, 6, 96, 0},  {INVERTED, 5, 3, 3, 2, 6, 160, 0},
                            {INVERTED, 6, 1, 3, 1, 6, 320, 0}};
static const blocks lite[] = {{DEPTHWISE, 0, 1, 3, 1, 1, 16, 0}, {INVERTED, 1, 2, 3, 2, 6, 24, 0},
                              {INVERTED, 2, 2, 5, 2, 6, 40, 0},  {INVERTED, 3, 3, 3, 2, 6, 80, 0},
                              {INVERTED, 4, 3, 5, 1, 6, 112, 0}, {INVERTED, 5, 4, 5, 2, 6, 192, 0},
                              {INVERTED, 6, 1, 3, 1, 6, 320, 0}};
static const blocks v4_small[] = {
    {PLAIN, 0, 1, 3, 2, 1, 32, 0},      {PLAIN, 0, 1, 1, 1, 1, 32, 0},      {PLAIN, 1, 1, 3, 2, 1, 96, 0},
    {PLAIN, 1, 1, 1, 1, 1, 64, 0},      {UNIVERSAL, 2, 1, 5, 2, 3, 96, 5},  {UNIVERSAL, 2, 4, 3, 1, 2, 96, 0},
    {UNIVERSAL, 2, 1, 0, 1, 4, 96, 3},  {UNIVERSAL, 3, 1, 3, 2, 6, 128, 3}, {UNIVERSAL, 3, 1, 5, 1, 4, 128, 5},
    {UNIVERSAL, 3, 1, 5, 1, 4, 128, 0}, {UNIVERSAL, 3, 1, 5, 1, 3, 128, 0}, {UNIVERSAL, 3, 2, 3, 1, 4, 128, 0},
    {PLAIN, 4, 1, 1, 1, 1, 960, 0}};
static const blocks v4_medium[] = {
    {EDGE, 0, 1, 3, 2, 4, 48, 0},       {UNIVERSAL, 1, 1, 5, 2, 4, 80, 3},  {UNIVERSAL, 1, 1, 3, 1, 2, 80, 3},
    {UNIVERSAL, 2, 1, 5, 2, 6, 160, 3}, {UNIVERSAL, 2, 2, 3, 1, 4, 160, 3}, {UNIVERSAL, 2, 1, 5, 1, 4, 160, 3},
    {UNIVERSAL, 2, 1, 3, 1, 4, 160, 3}, {UNIVERSAL, 2, 1, 0, 1, 4, 160, 3}, {UNIVERSAL, 2, 1, 0, 1, 2, 160, 0},
    {UNIVERSAL, 2, 1, 0, 1, 4, 160, 3}, {UNIVERSAL, 3, 1, 5, 2, 6, 256, 5}, {UNIVERSAL, 3, 1, 5, 1, 4, 256, 5},
    {UNIVERSAL, 3, 2, 5, 1, 4, 256, 3}, {UNIVERSAL, 3, 1, 0, 1, 4, 256, 0}, {UNIVERSAL, 3, 1, 0, 1, 4, 256, 3},
    {UNIVERSAL, 3, 1, 5, 1, 2, 256, 3}, {UNIVERSAL, 3, 1, 5, 1, 4, 256, 5}, {UNIVERSAL, 3, 2, 0, 1, 4, 256, 0},
    {UNIVERSAL, 3, 1, 0, 1, 2, 256, 5}, {PLAIN, 4, 1, 1, 1, 1, 960, 0}};
static const blocks v4_large[] = {
    {EDGE, 0, 1, 3, 2, 4, 48, 0},       {UNIVERSAL, 1, 1, 5, 2, 4, 96, 3},  {UNIVERSAL, 1, 1, 3, 1, 4, 96, 3},
    {UNIVERSAL, 2, 1, 5, 2, 4, 192, 3}, {UNIVERSAL, 2, 3, 3, 1, 4, 192, 3}, {UNIVERSAL, 2, 1, 5, 1, 4, 192, 3},
    {UNIVERSAL, 2, 5, 3, 1, 4, 192, 5}, {UNIVERSAL, 2, 1, 0, 1, 4, 192, 3}, {UNIVERSAL, 3, 4, 5, 2, 4, 512, 5},
    {UNIVERSAL, 3, 1, 0, 1, 4, 512, 5}, {UNIVERSAL, 3, 1, 3, 1, 4, 512, 5}, {UNIVERSAL, 3, 2, 0, 1, 4, 512, 5},
    {UNIVERSAL, 3, 1, 3, 1, 4, 512, 5}, {UNIVERSAL, 3, 1, 5, 1, 4, 512, 5}, {UNIVERSAL, 3, 3, 0, 1, 4, 512, 5},
    {PLAIN, 4, 1, 1, 1, 1, 960, 0}};

#define NETWORK(name, blocks, ...)                                                                                     \
  WK_BUILDER(wk_build_##name) {                                                                                        \
    static const spec s = {.list = blocks, .lists = sizeof blocks / sizeof *blocks, __VA_ARGS__};                      \
    return build(out, classes, &s, err);                                                                               \
  }
#define V1(w) .size = 224, .stem = 32, .width = w, .depth = 1, .act = WK_OP_RELU6, .head = NO_HEAD, .dropout = 0.2f
#define V2(w) .size = 224, .stem = 32, .width = w, .depth = 1, .act = WK_OP_RELU6, .head = HEAD, .dropout = 0.2f
#define V2D(w, d)                                                                                                      \
  .size = 224, .stem = 32, .width = w, .depth = d, .fixed_ends = true, .act = WK_OP_RELU6, .head = HEAD, .dropout = 0.2f
#define LITE(n, w, d)                                                                                                  \
  .size = n, .stem = 32, .width = w, .depth = d, .fixed_ends = true, .same = true, .act = WK_OP_RELU6, .head = HEAD,   \
  .dropout = 0.3f
#define V4(n, channels)                                                                                                \
  .size = n, .stem = channels, .width = 1, .depth = 1, .act = WK_OP_RELU, .head = POOLED_HEAD, .dropout = 0.2f

NETWORK(mobilenetv1_100, v1, V1(1))
NETWORK(mobilenetv1_125, v1, V1(1.25))
NETWORK(mobilenetv2_035, v2, V2(0.35))
NETWORK(mobilenetv2_050, v2, V2(0.5))
NETWORK(mobilenetv2_075, v2, V2(0.75))
NETWORK(mobilenetv2_100, v2, V2(1))
NETWORK(mobilenetv2_110d, v2, V2D(1.1, 1.2))
NETWORK(mobilenetv2_120d, v2, V2D(1.2, 1.4))
NETWORK(mobilenetv2_140, v2, V2(1.4))
NETWORK(mobilenetv4_conv_small, v4_small, V4(224, 32))
NETWORK(mobilenetv4_conv_medium, v4_medium, V4(256, 32))
NETWORK(mobilenetv4_conv_large, v4_large, V4(384, 24))
NETWORK(tf_efficientnet_lite0, lite, LITE(224, 1, 1))
NETWORK(tf_efficientnet_lite1, lite, LITE(240, 1, 1.1))
NETWORK(tf_efficientnet_lite2, lite, LITE(260, 1.1, 1.2))
NETWORK(tf_efficientnet_lite3, lite, LITE(300, 1.2, 1.4))
NETWORK(tf_efficientnet_lite4, lite, LITE(380, 1.4, 1.8))

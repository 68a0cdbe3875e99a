/* convnext.c - ConvNeXt (Liu, Mao, Wu, Feichtenhofer, Darrell, Xie: "A ConvNet for the 2020s", CVPR 2022): tiny with
 * torchvision's names, nano and the variants that timm alone has with timm's. A block's two linear layers are
 * convolutions of single pixels; timm's smaller ones say so in the shape of their weights. */
#include "zoo/zoo.h"

typedef struct spec {
  int depth[4], channels[4];
  bool timm;        /* whose names; and weights of linear layers as convolutions have them */
  bool overlapping; /* the stem is two convolutions of 3 x 3 instead of one of 4 x 4 side by side */
  bool norm_first;  /* in the head: before pooling */
} spec;

static const float ln_eps = 1e-6f;

static wk_node pointwise(wk_graph *g, const spec *s, const char *name, wk_node in, int channels) {
  return s->timm ? wk_graph_conv(g, name, in, channels, wk_window_square(1, 1, 0), 1, true)
                 : wk_graph_pointwise(g, name, in, channels);
}

static wk_node block(wk_graph *g, const spec *s, const char *name, wk_node in, int channels) {
  static const char *const layers[2][5] = {{"block.0", "block.2", "block.3", "block.4", "block.5"},
                                           {"conv_dw", "norm", "mlp.fc1", "mlp.act", "mlp.fc2"}};
  const char *const *layer = layers[s->timm];
  wk_node x =
      wk_graph_conv(g, WK_NAME("%s.%s", name, layer[0]), in, channels, wk_window_square(7, 1, 3), channels, true);
  x = wk_graph_layer_norm(g, WK_NAME("%s.%s", name, layer[1]), x, ln_eps);
  x = pointwise(g, s, WK_NAME("%s.%s", name, layer[2]), x, 4 * channels);
  x = wk_graph_unary(g, WK_NAME("%s.%s", name, layer[3]), WK_OP_GELU, x);
  x = pointwise(g, s, WK_NAME("%s.%s", name, layer[4]), x, channels);
  x = wk_graph_layer_scale(g, WK_NAME("%s.%s", name, s->timm ? "gamma" : "layer_scale"), x, s->timm);
  return wk_graph_add(g, WK_NAME("%s.add", name), in, x);
}

static wk_node stem(wk_graph *g, const spec *s, wk_node x) {
  const int channels = s->channels[0];
  if (s->overlapping) {
    x = wk_graph_conv(g, "stem.0", x, channels, wk_window_square(3, 2, 1), 1, true);
    x = wk_graph_conv(g, "stem.1", x, channels, wk_window_square(3, 2, 1), 1, true);
    return wk_graph_layer_norm(g, "stem.2", x, ln_eps);
  }
  x = wk_graph_conv(g, s->timm ? "stem.0" : "features.0.0", x, channels, wk_window_square(4, 4, 0), 1, true);
  return wk_graph_layer_norm(g, s->timm ? "stem.1" : "features.0.1", x, ln_eps);
}

static wk_node stage(wk_graph *g, const spec *s, int i, wk_node x) {
  wk_graph_stage(g, WK_NAME("stage%d", i + 1));
  const wk_layer_name down = s->timm ? wk_layer_named("stages.%d.downsample", i) : wk_layer_named("features.%d", 2 * i);
  if (i > 0) {
    x = wk_graph_layer_norm(g, WK_NAME("%s.0", down.text), x, ln_eps);
    x = wk_graph_conv(g, WK_NAME("%s.1", down.text), x, s->channels[i], wk_window_square(2, 2, 0), 1, true);
  }
  for (int j = 0; j < s->depth[i]; j++) {
    const wk_layer_name name =
        s->timm ? wk_layer_named("stages.%d.blocks.%d", i, j) : wk_layer_named("features.%d.%d", 2 * i + 1, j);
    x = block(g, s, name.text, x, s->channels[i]);
  }
  return x;
}

static void head(wk_graph *g, const spec *s, wk_node x, int classes) {
  wk_graph_stage(g, "head");
  if (s->norm_first)
    x = wk_graph_layer_norm(g, "norm_pre", x, ln_eps);
  x = wk_graph_adaptive_avg_pool(g, s->timm ? "head.global_pool" : "avgpool", x, 1, 1);
  if (!s->norm_first)
    x = wk_graph_layer_norm(g, s->timm ? "head.norm" : "classifier.0", x, ln_eps);
  const wk_node logits = classes > 0 ? wk_graph_linear(g, s->timm ? "head.fc" : "classifier.2", x, classes) : -1;
  wk_graph_outputs(g, x, logits);
}

static wk_status convnext(wk_graph **out, int classes, const spec *s, wk_error *err) {
  wk_graph *g;
  wk_node x;
  WK_RETURN_IF_ERROR(wk_build_begin(&g, &x, 224, classes, err));
  x = stem(g, s, x);
  for (int i = 0; i < 4; i++)
    x = stage(g, s, i, x);
  head(g, s, x, classes);
  return wk_build_end(out, g, err);
}

#define NETWORK(name, ...)                                                                                             \
  WK_BUILDER(wk_build_##name) {                                                                                        \
    static const spec s = __VA_ARGS__;                                                                                 \
    return convnext(out, classes, &s, err);                                                                            \
  }
NETWORK(convnext_tiny, {{3, 3, 9, 3}, {96, 192, 384, 768}, false, false, false})
NETWORK(convnext_tiny_hnf, {{3, 3, 9, 3}, {96, 192, 384, 768}, true, false, true})
NETWORK(convnext_nano, {{2, 2, 8, 2}, {80, 160, 320, 640}, true, false, false})
NETWORK(convnext_nano_ols, {{2, 2, 8, 2}, {80, 160, 320, 640}, true, true, false})

/* densenet.c - DenseNet-121, 161, 169 and 201 (Huang, Liu, van der Maaten, Weinberger: "Densely connected convolutional
 * networks", CVPR 2017), with torchvision's names. Every layer reads all layers of its block before it: what it makes
 * is joined to what it read, so one joined value grows from layer to layer. */
#include "zoo/zoo.h"

static wk_node norm_relu(wk_graph *g, wk_node x, const char *block, const char *n) {
  x = wk_graph_batch_norm(g, WK_NAME("%s.norm%s", block, n), x, 1e-5f);
  return wk_graph_unary(g, WK_NAME("%s.relu%s", block, n), WK_OP_RELU, x);
}

static wk_node dense_layer(wk_graph *g, wk_node in, const char *layer, int growth) {
  wk_node x = norm_relu(g, in, layer, "1");
  x = wk_graph_conv(g, WK_NAME("%s.conv1", layer), x, 4 * growth, wk_window_square(1, 1, 0), 1, false);
  x = norm_relu(g, x, layer, "2");
  x = wk_graph_conv(g, WK_NAME("%s.conv2", layer), x, growth, wk_window_square(3, 1, 1), 1, false);
  return wk_graph_concat(g, WK_NAME("%s.cat", layer), (wk_node[]){in, x}, 2);
}

static wk_status densenet(wk_graph **out, int classes, int growth, const int layers[4], wk_error *err) {
  wk_graph *g;
  wk_node x;
  WK_RETURN_IF_ERROR(wk_build_begin(&g, &x, 224, classes, err));
  int channels = 2 * growth;
  x = wk_graph_conv(g, "features.conv0", x, channels, wk_window_square(7, 2, 3), 1, false);
  x = norm_relu(g, x, "features", "0");
  x = wk_graph_pool(g, "features.pool0", WK_OP_MAX_POOL, x, wk_window_square(3, 2, 1));
  for (int i = 0; i < 4; i++) {
    wk_graph_stage(g, WK_NAME("block%d", i + 1));
    for (int j = 0; j < layers[i]; j++, channels += growth)
      x = dense_layer(g, x, WK_NAME("features.denseblock%d.denselayer%d", i + 1, j + 1), growth);
    if (i == 3)
      break;
    const wk_layer_name transition = wk_layer_named("features.transition%d", i + 1);
    x = norm_relu(g, x, transition.text, "");
    x = wk_graph_conv(g, WK_NAME("%s.conv", transition.text), x, channels /= 2, wk_window_square(1, 1, 0), 1, false);
    x = wk_graph_pool(g, WK_NAME("%s.pool", transition.text), WK_OP_AVG_POOL, x, wk_window_square(2, 2, 0));
  }
  wk_graph_stage(g, "head");
  x = norm_relu(g, x, "features", "5");
  wk_build_head(g, x, "avgpool", NULL, 0, "classifier", classes);
  return wk_build_end(out, g, err);
}

WK_BUILDER(wk_build_densenet121) { return densenet(out, classes, 32, (const int[]){6, 12, 24, 16}, err); }
WK_BUILDER(wk_build_densenet161) { return densenet(out, classes, 48, (const int[]){6, 12, 36, 24}, err); }
WK_BUILDER(wk_build_densenet169) { return densenet(out, classes, 32, (const int[]){6, 12, 32, 32}, err); }
WK_BUILDER(wk_build_densenet201) { return densenet(out, classes, 32, (const int[]){6, 12, 48, 32}, err); }

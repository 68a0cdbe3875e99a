/* vgg.c - VGG 11, 13, 16 and 19, with and without batch norm (Simonyan, Zisserman: "Very deep convolutional networks
 * for large-scale image recognition", ICLR 2015), with torchvision's names. The features are the 4,096 values after
 * the last hidden layer ("classifier.4", fc7 of the literature): they make a better linear probe than the 25,088 of the
 * last pooling, at a sixth of the columns; any other layer can be asked for by name. */
#include "zoo/zoo.h"

/* Convolutions in each of the five blocks. */
static const int vgg11[5] = {1, 1, 2, 2, 2};
static const int vgg13[5] = {2, 2, 2, 2, 2};
static const int vgg16[5] = {2, 2, 3, 3, 3};
static const int vgg19[5] = {2, 2, 4, 4, 4};

/* The five blocks, from the picture to the last pooling. torchvision numbers every module of the stack. */
static wk_node blocks(wk_graph *g, wk_node x, const int convs[5], bool bn) {
  static const int width[5] = {64, 128, 256, 512, 512};
  int n = 0;
  for (int block = 0; block < 5; block++) {
    wk_graph_stage(g, WK_NAME("block%d", block + 1));
    for (int i = 0; i < convs[block]; i++) {
      x = wk_graph_conv(g, WK_NAME("features.%d", n++), x, width[block], wk_window_square(3, 1, 1), 1, true);
      if (bn)
        x = wk_graph_batch_norm(g, WK_NAME("features.%d", n++), x, 1e-5f);
      x = wk_graph_unary(g, WK_NAME("features.%d", n++), WK_OP_RELU, x);
    }
    x = wk_graph_pool(g, WK_NAME("features.%d", n++), WK_OP_MAX_POOL, x, wk_window_square(2, 2, 0));
  }
  return x;
}

static wk_status vgg(wk_graph **out, int classes, const int convs[5], bool bn, wk_error *err) {
  wk_graph *g;
  wk_node x;
  WK_RETURN_IF_ERROR(wk_build_begin(&g, &x, 224, classes, err));
  x = blocks(g, x, convs, bn);
  wk_graph_stage(g, "classifier");
  x = wk_graph_adaptive_avg_pool(g, "avgpool", x, 7, 7);
  x = wk_graph_unary(g, "flatten", WK_OP_FLATTEN, x);
  x = wk_graph_linear(g, "classifier.0", x, 4096);
  x = wk_graph_unary(g, "classifier.1", WK_OP_RELU, x);
  x = wk_graph_dropout(g, "classifier.2", x, 0.5f);
  x = wk_graph_linear(g, "classifier.3", x, 4096);
  wk_node features = wk_graph_unary(g, "classifier.4", WK_OP_RELU, x);
  wk_node logits = -1;
  if (classes > 0) {
    x = wk_graph_dropout(g, "classifier.5", features, 0.5f);
    logits = wk_graph_linear(g, "classifier.6", x, classes);
  }
  wk_graph_outputs(g, features, logits);
  return wk_build_end(out, g, err);
}

WK_BUILDER(wk_build_vgg11) { return vgg(out, classes, vgg11, false, err); }
WK_BUILDER(wk_build_vgg13) { return vgg(out, classes, vgg13, false, err); }
WK_BUILDER(wk_build_vgg16) { return vgg(out, classes, vgg16, false, err); }
WK_BUILDER(wk_build_vgg19) { return vgg(out, classes, vgg19, false, err); }
WK_BUILDER(wk_build_vgg11_bn) { return vgg(out, classes, vgg11, true, err); }
WK_BUILDER(wk_build_vgg13_bn) { return vgg(out, classes, vgg13, true, err); }
WK_BUILDER(wk_build_vgg16_bn) { return vgg(out, classes, vgg16, true, err); }
WK_BUILDER(wk_build_vgg19_bn) { return vgg(out, classes, vgg19, true, err); }

/* The convolutions alone, as Keras publishes them ("notop"): the features are the means of the last pooling. */
static wk_status notop(wk_graph **out, int classes, const int convs[5], wk_error *err) {
  wk_graph *g;
  wk_node x;
  WK_RETURN_IF_ERROR(wk_build_begin(&g, &x, 224, classes, err));
  x = blocks(g, x, convs, false);
  wk_graph_stage(g, "head");
  wk_build_head(g, x, "avgpool", "dropout", 0, "fc", classes);
  return wk_build_end(out, g, err);
}

WK_BUILDER(wk_build_vgg16_notop) { return notop(out, classes, vgg16, err); }
WK_BUILDER(wk_build_vgg19_notop) { return notop(out, classes, vgg19, err); }

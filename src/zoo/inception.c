/* inception.c - Inception v1, GoogLeNet (Szegedy et al.: "Going deeper with convolutions", CVPR 2015), and v3 (Szegedy,
 * Vanhoucke, Ioffe, Shlens, Wojna: "Rethinking the Inception architecture for computer vision", CVPR 2016), with
 * torchvision's names. In both, torchvision's published weights want pixels from -1 to 1, which it makes of its usual
 * ones in the network; here the preprocessing says so. The classifiers at half the depth, which only training uses, are
 * not there. */
#include "zoo/zoo.h"

/* Convolution without a bias, batch norm, ReLU. */
static wk_node conv_window(wk_graph *g, wk_node x, const char *name, int channels, wk_window window) {
  x = wk_graph_conv(g, WK_NAME("%s.conv", name), x, channels, window, 1, false);
  x = wk_graph_batch_norm(g, WK_NAME("%s.bn", name), x, 1e-3f);
  return wk_graph_unary(g, WK_NAME("%s.relu", name), WK_OP_RELU, x);
}

static wk_node conv(wk_graph *g, wk_node x, const char *name, int channels, int kernel, int stride, int padding) {
  return conv_window(g, x, name, channels, wk_window_square(kernel, stride, padding));
}

/* ---- v1 ------------------------------------------------------------------------------------------ */

static wk_node pool_up(wk_graph *g, wk_node x, const char *name, int kernel, int stride, int padding) {
  wk_window w = wk_window_square(kernel, stride, padding);
  w.ceil_mode = true;
  return wk_graph_pool(g, name, WK_OP_MAX_POOL, x, w);
}

typedef struct mixed {
  const char *name;
  int point, reduce3, conv3, reduce5, conv5, pool; /* channels; the branch of 5x5 is a 3x3, as in torchvision */
} mixed;

static wk_node inception(wk_graph *g, wk_node in, const mixed *m) {
  wk_node branch[4];
  branch[0] = conv(g, in, WK_NAME("%s.branch1", m->name), m->point, 1, 1, 0);
  wk_node x = conv(g, in, WK_NAME("%s.branch2.0", m->name), m->reduce3, 1, 1, 0);
  branch[1] = conv(g, x, WK_NAME("%s.branch2.1", m->name), m->conv3, 3, 1, 1);
  x = conv(g, in, WK_NAME("%s.branch3.0", m->name), m->reduce5, 1, 1, 0);
  branch[2] = conv(g, x, WK_NAME("%s.branch3.1", m->name), m->conv5, 3, 1, 1);
  x = pool_up(g, in, WK_NAME("%s.branch4.0", m->name), 3, 1, 1);
  branch[3] = conv(g, x, WK_NAME("%s.branch4.1", m->name), m->pool, 1, 1, 0);
  return wk_graph_concat(g, WK_NAME("%s.cat", m->name), branch, 4);
}

WK_BUILDER(wk_build_googlenet) {
  static const mixed block[] = {
      {"inception3a", 64, 96, 128, 16, 32, 32},     {"inception3b", 128, 128, 192, 32, 96, 64},
      {"inception4a", 192, 96, 208, 16, 48, 64},    {"inception4b", 160, 112, 224, 24, 64, 64},
      {"inception4c", 128, 128, 256, 24, 64, 64},   {"inception4d", 112, 144, 288, 32, 64, 64},
      {"inception4e", 256, 160, 320, 32, 128, 128}, {"inception5a", 256, 160, 320, 32, 128, 128},
      {"inception5b", 384, 192, 384, 48, 128, 128}};
  wk_graph *g;
  wk_node x;
  WK_RETURN_IF_ERROR(wk_build_begin(&g, &x, 224, classes, err));
  x = conv(g, x, "conv1", 64, 7, 2, 3);
  x = pool_up(g, x, "maxpool1", 3, 2, 0);
  wk_graph_stage(g, "block2");
  x = conv(g, x, "conv2", 64, 1, 1, 0);
  x = conv(g, x, "conv3", 192, 3, 1, 1);
  x = pool_up(g, x, "maxpool2", 3, 2, 0);
  for (int i = 0; i < 9; i++) {
    wk_graph_stage(g, i < 2 ? "block3" : i < 7 ? "block4" : "block5");
    x = inception(g, x, &block[i]);
    if (i == 1)
      x = pool_up(g, x, "maxpool3", 3, 2, 0);
    if (i == 6)
      x = pool_up(g, x, "maxpool4", 2, 2, 0);
  }
  wk_graph_stage(g, "head");
  wk_build_head(g, x, "avgpool", "dropout", 0.2f, "fc", classes);
  return wk_build_end(out, g, err);
}

/* ---- v3 ------------------------------------------------------------------------------------------ */

/* height x width, what lies around it padded. */
static wk_node oblong(wk_graph *g, wk_node x, const char *name, int channels, int height, int width) {
  wk_window w = wk_window_square(1, 1, 0);
  w.kernel_h = height, w.kernel_w = width;
  w.pad_top = w.pad_bottom = height / 2;
  w.pad_left = w.pad_right = width / 2;
  return conv_window(g, x, name, channels, w);
}

/* 3x3 average pooling, then 1x1. */
static wk_node pool_branch(wk_graph *g, wk_node in, const char *block, int channels) {
  wk_node x = wk_graph_pool(g, WK_NAME("%s.avg_pool", block), WK_OP_AVG_POOL, in, wk_window_square(3, 1, 1));
  return conv(g, x, WK_NAME("%s.branch_pool", block), channels, 1, 1, 0);
}

static wk_node block_a(wk_graph *g, wk_node in, const char *block, int pool) {
  wk_node branch[4];
  branch[0] = conv(g, in, WK_NAME("%s.branch1x1", block), 64, 1, 1, 0);
  wk_node x = conv(g, in, WK_NAME("%s.branch5x5_1", block), 48, 1, 1, 0);
  branch[1] = conv(g, x, WK_NAME("%s.branch5x5_2", block), 64, 5, 1, 2);
  x = conv(g, in, WK_NAME("%s.branch3x3dbl_1", block), 64, 1, 1, 0);
  x = conv(g, x, WK_NAME("%s.branch3x3dbl_2", block), 96, 3, 1, 1);
  branch[2] = conv(g, x, WK_NAME("%s.branch3x3dbl_3", block), 96, 3, 1, 1);
  branch[3] = pool_branch(g, in, block, pool);
  return wk_graph_concat(g, WK_NAME("%s.cat", block), branch, 4);
}

static wk_node block_b(wk_graph *g, wk_node in, const char *block) {
  wk_node branch[3];
  branch[0] = conv(g, in, WK_NAME("%s.branch3x3", block), 384, 3, 2, 0);
  wk_node x = conv(g, in, WK_NAME("%s.branch3x3dbl_1", block), 64, 1, 1, 0);
  x = conv(g, x, WK_NAME("%s.branch3x3dbl_2", block), 96, 3, 1, 1);
  branch[1] = conv(g, x, WK_NAME("%s.branch3x3dbl_3", block), 96, 3, 2, 0);
  branch[2] = wk_graph_pool(g, WK_NAME("%s.max_pool", block), WK_OP_MAX_POOL, in, wk_window_square(3, 2, 0));
  return wk_graph_concat(g, WK_NAME("%s.cat", block), branch, 3);
}

static wk_node block_c(wk_graph *g, wk_node in, const char *block, int inner) {
  wk_node branch[4];
  branch[0] = conv(g, in, WK_NAME("%s.branch1x1", block), 192, 1, 1, 0);
  wk_node x = conv(g, in, WK_NAME("%s.branch7x7_1", block), inner, 1, 1, 0);
  x = oblong(g, x, WK_NAME("%s.branch7x7_2", block), inner, 1, 7);
  branch[1] = oblong(g, x, WK_NAME("%s.branch7x7_3", block), 192, 7, 1);
  x = conv(g, in, WK_NAME("%s.branch7x7dbl_1", block), inner, 1, 1, 0);
  x = oblong(g, x, WK_NAME("%s.branch7x7dbl_2", block), inner, 7, 1);
  x = oblong(g, x, WK_NAME("%s.branch7x7dbl_3", block), inner, 1, 7);
  x = oblong(g, x, WK_NAME("%s.branch7x7dbl_4", block), inner, 7, 1);
  branch[2] = oblong(g, x, WK_NAME("%s.branch7x7dbl_5", block), 192, 1, 7);
  branch[3] = pool_branch(g, in, block, 192);
  return wk_graph_concat(g, WK_NAME("%s.cat", block), branch, 4);
}

static wk_node block_d(wk_graph *g, wk_node in, const char *block) {
  wk_node branch[3];
  wk_node x = conv(g, in, WK_NAME("%s.branch3x3_1", block), 192, 1, 1, 0);
  branch[0] = conv(g, x, WK_NAME("%s.branch3x3_2", block), 320, 3, 2, 0);
  x = conv(g, in, WK_NAME("%s.branch7x7x3_1", block), 192, 1, 1, 0);
  x = oblong(g, x, WK_NAME("%s.branch7x7x3_2", block), 192, 1, 7);
  x = oblong(g, x, WK_NAME("%s.branch7x7x3_3", block), 192, 7, 1);
  branch[1] = conv(g, x, WK_NAME("%s.branch7x7x3_4", block), 192, 3, 2, 0);
  branch[2] = wk_graph_pool(g, WK_NAME("%s.max_pool", block), WK_OP_MAX_POOL, in, wk_window_square(3, 2, 0));
  return wk_graph_concat(g, WK_NAME("%s.cat", block), branch, 3);
}

static wk_node block_e(wk_graph *g, wk_node in, const char *block) {
  wk_node branch[6]; /* torchvision joins them in two steps; the order is the same */
  branch[0] = conv(g, in, WK_NAME("%s.branch1x1", block), 320, 1, 1, 0);
  wk_node x = conv(g, in, WK_NAME("%s.branch3x3_1", block), 384, 1, 1, 0);
  branch[1] = oblong(g, x, WK_NAME("%s.branch3x3_2a", block), 384, 1, 3);
  branch[2] = oblong(g, x, WK_NAME("%s.branch3x3_2b", block), 384, 3, 1);
  x = conv(g, in, WK_NAME("%s.branch3x3dbl_1", block), 448, 1, 1, 0);
  x = conv(g, x, WK_NAME("%s.branch3x3dbl_2", block), 384, 3, 1, 1);
  branch[3] = oblong(g, x, WK_NAME("%s.branch3x3dbl_3a", block), 384, 1, 3);
  branch[4] = oblong(g, x, WK_NAME("%s.branch3x3dbl_3b", block), 384, 3, 1);
  branch[5] = pool_branch(g, in, block, 192);
  return wk_graph_concat(g, WK_NAME("%s.cat", block), branch, 6);
}

WK_BUILDER(wk_build_inception_v3) {
  wk_graph *g;
  wk_node x;
  WK_RETURN_IF_ERROR(wk_build_begin(&g, &x, 299, classes, err));
  x = conv(g, x, "Conv2d_1a_3x3", 32, 3, 2, 0);
  x = conv(g, x, "Conv2d_2a_3x3", 32, 3, 1, 0);
  x = conv(g, x, "Conv2d_2b_3x3", 64, 3, 1, 1);
  x = wk_graph_pool(g, "maxpool1", WK_OP_MAX_POOL, x, wk_window_square(3, 2, 0));
  wk_graph_stage(g, "block4");
  x = conv(g, x, "Conv2d_3b_1x1", 80, 1, 1, 0);
  x = conv(g, x, "Conv2d_4a_3x3", 192, 3, 1, 0);
  x = wk_graph_pool(g, "maxpool2", WK_OP_MAX_POOL, x, wk_window_square(3, 2, 0));
  wk_graph_stage(g, "block5");
  x = block_a(g, x, "Mixed_5b", 32);
  x = block_a(g, x, "Mixed_5c", 64);
  x = block_a(g, x, "Mixed_5d", 64);
  wk_graph_stage(g, "block6");
  x = block_b(g, x, "Mixed_6a");
  x = block_c(g, x, "Mixed_6b", 128);
  x = block_c(g, x, "Mixed_6c", 160);
  x = block_c(g, x, "Mixed_6d", 160);
  x = block_c(g, x, "Mixed_6e", 192);
  wk_graph_stage(g, "block7");
  x = block_d(g, x, "Mixed_7a");
  x = block_e(g, x, "Mixed_7b");
  x = block_e(g, x, "Mixed_7c");
  wk_graph_stage(g, "head");
  wk_build_head(g, x, "avgpool", "dropout", 0.5f, "fc", classes);
  return wk_build_end(out, g, err);
}

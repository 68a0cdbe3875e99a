/* keras_applications.c - the networks of keras.applications as Keras describes them, for files that hold their weights
 * alone: VGG (Simonyan, Zisserman, ICLR 2015), ResNet in both versions (He et al., CVPR and ECCV 2016), MobileNet
 * (Howard et al., 2017) and MobileNetV2 (Sandler et al., CVPR 2018) of any width, DenseNet (Huang et al., CVPR 2017)
 * and Xception (Chollet, CVPR 2017). Layers have Keras' names, and stand in its order, by which Keras 3 counts them. */
#include <string.h>

#include "import/keras.h"

/* A description as it grows. What a layer gives is told by its number; the input is 0. */
typedef struct maker {
  json_t *layers;
  bool failed; /* out of memory */
} maker;

static const char *name_at(const maker *m, int layer) {
  return json_string_value(json_object_get(json_array_get(m->layers, (size_t)layer), "name"));
}

/* A layer called `block` and `own`; takes config. b -1: it reads one. */
static int add(maker *m, const char *class, json_t *config, int a, int b, const char *block, const char *own) {
  char name[80];
  snprintf(name, sizeof name, "%.40s%.30s", block, own);
  json_t *nodes = b < 0 ? json_pack("[[[s,i,i,{}]]]", name_at(m, a), 0, 0)
                        : json_pack("[[[s,i,i,{}],[s,i,i,{}]]]", name_at(m, a), 0, 0, name_at(m, b), 0, 0);
  json_t *layer =
      json_pack("{s:s,s:s,s:o,s:o}", "class_name", class, "name", name, "config", config, "inbound_nodes", nodes);
  m->failed |= !layer || json_array_append_new(m->layers, layer) != 0;
  return m->failed ? 0 : (int)json_array_size(m->layers) - 1;
}

static int conv_of(maker *m, const char *class, int x, const char *block, const char *own, int stride, bool same,
                   bool bias) {
  json_t *config = json_pack("{s:i,s:s,s:b}", "strides", stride, "padding", same ? "same" : "valid", "use_bias", bias);
  return add(m, class, config, x, -1, block, own);
}

static int conv(maker *m, int x, const char *block, const char *own, int stride, bool same, bool bias) {
  return conv_of(m, "Conv2D", x, block, own, stride, same, bias);
}

static int norm(maker *m, int x, const char *block, const char *own, double epsilon) {
  return add(m, "BatchNormalization", json_pack("{s:f}", "epsilon", epsilon), x, -1, block, own);
}

static int relu(maker *m, int x, const char *block, const char *own) {
  return add(m, "ReLU", json_object(), x, -1, block, own);
}

static int relu6(maker *m, int x, const char *block, const char *own) {
  return add(m, "ReLU", json_pack("{s:f}", "max_value", 6.0), x, -1, block, own);
}

static int pad(maker *m, int x, const char *block, const char *own, int pixels) {
  return add(m, "ZeroPadding2D", json_pack("{s:i}", "padding", pixels), x, -1, block, own);
}

static int max_pool(maker *m, int x, const char *block, const char *own, int size, int stride, bool same) {
  json_t *config = json_pack("{s:i,s:i,s:s}", "pool_size", size, "strides", stride, "padding", same ? "same" : "valid");
  return add(m, "MaxPooling2D", config, x, -1, block, own);
}

static int dense(maker *m, int x, const char *name, const char *activation) {
  return add(m, "Dense", json_pack("{s:s}", "activation", activation), x, -1, name, "");
}

/* The classifier, on the mean of each channel. */
static void head(maker *m, int x, bool top) {
  if (top)
    dense(m, add(m, "GlobalAveragePooling2D", json_object(), x, -1, "avg_pool", ""), "predictions", "softmax");
}

/* ---- the networks ---------------------------------------------------------------------------------- */

typedef struct application {
  const char *name;
  void (*make)(maker *m, const int *depth, bool top);
  int size;     /* of the photo */
  int depth[5]; /* layers or blocks of each stage */
} application;

static void vgg(maker *m, const int *depth, bool top) {
  char block[40], own[30];
  int x = 0;
  for (int b = 0; b < 5; b++) {
    snprintf(block, sizeof block, "block%d_", b + 1);
    for (int i = 0; i < depth[b]; i++) {
      snprintf(own, sizeof own, "conv%d", i + 1);
      x = conv(m, x, block, own, 1, true, true);
      x = relu(m, x, block, strcat(own, "_relu"));
    }
    x = max_pool(m, x, block, "pool", 2, 2, false);
  }
  if (!top)
    return;
  x = add(m, "Flatten", json_object(), x, -1, "flatten", "");
  x = dense(m, x, "fc1", "relu");
  x = dense(m, x, "fc2", "relu");
  dense(m, x, "predictions", "softmax");
}

static const double residual_epsilon = 1.001e-5;

/* The stride is on the first 1x1. */
static int residual_v1(maker *m, int in, const char *block, int stride, bool changes) {
  int x = conv(m, in, block, "_1_conv", stride, false, true), beside = in;
  x = relu(m, norm(m, x, block, "_1_bn", residual_epsilon), block, "_1_relu");
  x = conv(m, x, block, "_2_conv", 1, true, true);
  x = relu(m, norm(m, x, block, "_2_bn", residual_epsilon), block, "_2_relu");
  if (changes)
    beside = conv(m, in, block, "_0_conv", stride, false, true);
  x = conv(m, x, block, "_3_conv", 1, false, true);
  if (changes)
    beside = norm(m, beside, block, "_0_bn", residual_epsilon);
  x = norm(m, x, block, "_3_bn", residual_epsilon);
  return relu(m, add(m, "Add", json_object(), beside, x, block, "_add"), block, "_out");
}

/* Norms come first, and the stride is on the 3x3 of a stage's last block. */
static int residual_v2(maker *m, int in, const char *block, int stride, bool changes) {
  const int before = relu(m, norm(m, in, block, "_preact_bn", residual_epsilon), block, "_preact_relu");
  int x = conv(m, before, block, "_1_conv", 1, false, false), beside = in;
  x = relu(m, norm(m, x, block, "_1_bn", residual_epsilon), block, "_1_relu");
  x = conv(m, pad(m, x, block, "_2_pad", 1), block, "_2_conv", stride, false, false);
  x = relu(m, norm(m, x, block, "_2_bn", residual_epsilon), block, "_2_relu");
  if (changes)
    beside = conv(m, before, block, "_0_conv", stride, false, true);
  else if (stride > 1)
    beside = max_pool(m, in, block, "_0_pool", 1, stride, false);
  x = conv(m, x, block, "_3_conv", 1, false, true);
  return add(m, "Add", json_object(), beside, x, block, "_out");
}

static void resnet(maker *m, const int *depth, bool top, bool second) {
  char block[40];
  int x = conv(m, pad(m, 0, "conv1_pad", "", 3), "conv1_conv", "", 2, false, true);
  if (!second)
    x = relu(m, norm(m, x, "conv1_bn", "", residual_epsilon), "conv1_relu", "");
  x = max_pool(m, pad(m, x, "pool1_pad", "", 1), "pool1_pool", "", 3, 2, false);
  for (int s = 0; s < 4; s++)
    for (int i = 0; i < depth[s]; i++) {
      snprintf(block, sizeof block, "conv%d_block%d", s + 2, i + 1);
      if (second)
        x = residual_v2(m, x, block, s < 3 && i == depth[s] - 1 ? 2 : 1, i == 0);
      else
        x = residual_v1(m, x, block, s > 0 && i == 0 ? 2 : 1, i == 0);
    }
  if (second)
    x = relu(m, norm(m, x, "post_bn", "", residual_epsilon), "post_relu", "");
  head(m, x, top);
}

static void resnet_v1(maker *m, const int *depth, bool top) { resnet(m, depth, top, false); }
static void resnet_v2(maker *m, const int *depth, bool top) { resnet(m, depth, top, true); }

/* A convolution without bias, a norm and a ReLU6. */
static int mobile(maker *m, const char *class, int x, const char *block, const char *own, const char *suffix,
                  int stride) {
  char name[60];
  x = conv_of(m, class, x, block, own, stride, true, false);
  snprintf(name, sizeof name, "%.20s%.20s", own, suffix);
  x = norm(m, x, block, name, 1e-3);
  snprintf(name, sizeof name, "%.20s_relu", own);
  return relu6(m, x, block, name);
}

static void mobilenet(maker *m, const int *depth, bool top) {
  char own[30];
  int x = mobile(m, "Conv2D", 0, "", "conv1", "_bn", 2);
  (void)depth;
  for (int i = 1; i <= 13; i++) {
    snprintf(own, sizeof own, "conv_dw_%d", i);
    x = mobile(m, "DepthwiseConv2D", x, "", own, "_bn", i == 2 || i == 4 || i == 6 || i == 12 ? 2 : 1);
    snprintf(own, sizeof own, "conv_pw_%d", i);
    x = mobile(m, "Conv2D", x, "", own, "_bn", 1);
  }
  if (top) {
    x = add(m, "GlobalAveragePooling2D", json_pack("{s:b}", "keepdims", 1), x, -1, "avg_pool", "");
    x = conv(m, x, "conv_preds", "", 1, true, true);
    x = add(m, "Flatten", json_object(), x, -1, "flatten", "");
    add(m, "Softmax", json_object(), x, -1, "predictions", "");
  }
}

static void mobilenet_v2(maker *m, const int *depth, bool top) {
  char block[40];
  int x = conv(m, 0, "Conv1", "", 2, true, false);
  x = relu6(m, norm(m, x, "bn_Conv1", "", 1e-3), "Conv1_relu", "");
  for (int s = 0, n = 0; s < 7; s++) {
    static const int blocks[7] = {1, 2, 3, 4, 3, 3, 1}, stride[7] = {1, 2, 2, 2, 1, 2, 1};
    (void)depth;
    for (int i = 0; i < blocks[s]; i++, n++) {
      const int in = x;
      snprintf(block, sizeof block, n ? "block_%d_" : "expanded_conv_", n);
      if (n)
        x = mobile(m, "Conv2D", x, block, "expand", "_BN", 1);
      x = mobile(m, "DepthwiseConv2D", x, block, "depthwise", "_BN", i ? 1 : stride[s]);
      x = norm(m, conv(m, x, block, "project", 1, true, false), block, "project_BN", 1e-3);
      if (i)
        x = add(m, "Add", json_object(), in, x, block, "add");
    }
  }
  x = conv(m, x, "Conv_1", "", 1, false, false);
  head(m, relu6(m, norm(m, x, "Conv_1_bn", "", 1e-3), "out_relu", ""), top);
}

static void densenet(maker *m, const int *depth, bool top) {
  char block[40];
  int x = conv(m, pad(m, 0, "conv1_pad", "", 3), "conv1_conv", "", 2, false, false);
  x = relu(m, norm(m, x, "conv1_bn", "", residual_epsilon), "conv1_relu", "");
  x = max_pool(m, pad(m, x, "pool1_pad", "", 1), "pool1", "", 3, 2, false);
  for (int s = 0; s < 4; s++) {
    for (int i = 0; i < depth[s]; i++) {
      snprintf(block, sizeof block, "conv%d_block%d", s + 2, i + 1);
      int y = relu(m, norm(m, x, block, "_0_bn", residual_epsilon), block, "_0_relu");
      y = conv(m, y, block, "_1_conv", 1, false, false);
      y = relu(m, norm(m, y, block, "_1_bn", residual_epsilon), block, "_1_relu");
      y = conv(m, y, block, "_2_conv", 1, true, false);
      x = add(m, "Concatenate", json_pack("{s:i}", "axis", 3), x, y, block, "_concat");
    }
    if (s == 3)
      break;
    snprintf(block, sizeof block, "pool%d", s + 2);
    x = relu(m, norm(m, x, block, "_bn", residual_epsilon), block, "_relu");
    x = conv(m, x, block, "_conv", 1, false, false);
    x = add(m, "AveragePooling2D", json_pack("{s:i,s:i}", "pool_size", 2, "strides", 2), x, -1, block, "_pool");
  }
  head(m, relu(m, norm(m, x, "bn", "", residual_epsilon), "relu", ""), top);
}

/* Separable convolutions with norms and, before each or behind, activations. */
static int separable(maker *m, int x, const char *block, int n, bool before, bool behind) {
  char own[30], act[40];
  snprintf(own, sizeof own, "_sepconv%d", n);
  snprintf(act, sizeof act, "%s_act", own);
  if (before)
    x = relu(m, x, block, act);
  x = conv_of(m, "SeparableConv2D", x, block, own, 1, true, false);
  x = norm(m, x, block, strcat(own, "_bn"), 1e-3);
  return behind ? relu(m, x, block, act) : x;
}

/* The convolution beside a block that halves the picture has no name of its own: Keras counts them. */
static int halve(maker *m, int in, int n) {
  char block[40], own[30];
  const int number = n == 13 ? 3 : n - 2;
  snprintf(block, sizeof block, "block%d", n);
  int x = separable(m, in, block, 1, n > 2, false);
  x = separable(m, x, block, 2, true, false);
  x = max_pool(m, x, block, "_pool", 3, 2, true);
  snprintf(own, sizeof own, number ? "_%d" : "", number);
  int beside = conv(m, in, "conv2d", own, 2, true, false);
  beside = norm(m, beside, "batch_normalization", own, 1e-3);
  return add(m, "Add", json_object(), x, beside, block, "_add");
}

static void xception(maker *m, const int *depth, bool top) {
  char block[40];
  (void)depth;
  int x = conv(m, 0, "block1_conv1", "", 2, false, false);
  x = relu(m, norm(m, x, "block1_conv1_bn", "", 1e-3), "block1_conv1_act", "");
  x = conv(m, x, "block1_conv2", "", 1, false, false);
  x = relu(m, norm(m, x, "block1_conv2_bn", "", 1e-3), "block1_conv2_act", "");
  for (int n = 2; n <= 13; n++) {
    if (n < 5 || n == 13) {
      x = halve(m, x, n);
      continue;
    }
    snprintf(block, sizeof block, "block%d", n);
    int y = x;
    for (int i = 1; i <= 3; i++)
      y = separable(m, y, block, i, true, false);
    x = add(m, "Add", json_object(), y, x, block, "_add");
  }
  x = separable(m, x, "block14", 1, false, true);
  head(m, separable(m, x, "block14", 2, false, true), top);
}

static const application applications[] = {
    {"VGG16", vgg, 224, {2, 2, 3, 3, 3}},
    {"VGG19", vgg, 224, {2, 2, 4, 4, 4}},
    {"ResNet50", resnet_v1, 224, {3, 4, 6, 3}},
    {"ResNet101", resnet_v1, 224, {3, 4, 23, 3}},
    {"ResNet152", resnet_v1, 224, {3, 8, 36, 3}},
    {"ResNet50V2", resnet_v2, 224, {3, 4, 6, 3}},
    {"ResNet101V2", resnet_v2, 224, {3, 4, 23, 3}},
    {"ResNet152V2", resnet_v2, 224, {3, 8, 36, 3}},
    {"MobileNet", mobilenet, 224, {0}},
    {"MobileNetV2", mobilenet_v2, 224, {0}},
    {"DenseNet121", densenet, 224, {6, 12, 24, 16}},
    {"DenseNet169", densenet, 224, {6, 12, 32, 32}},
    {"DenseNet201", densenet, 224, {6, 12, 48, 32}},
    {"Xception", xception, 299, {0}},
};
enum { APPLICATIONS = sizeof applications / sizeof *applications };

const char *wk_keras_application_name(int index) {
  return index >= 0 && index < APPLICATIONS ? applications[index].name : NULL;
}

wk_status wk_keras_application(json_t **out, int index, bool top, wk_error *err) {
  const application *a = &applications[index];
  maker m = {.layers = json_pack("[{s:s,s:s,s:{s:[n,i,i,i]},s:[]}]", "class_name", "InputLayer", "name", "input",
                                 "config", "batch_input_shape", a->size, a->size, 3, "inbound_nodes")};
  if (m.layers)
    a->make(&m, a->depth, top);
  const int last = (int)json_array_size(m.layers) - 1;
  *out = !m.layers || m.failed ? NULL
                               : json_pack("{s:s,s:{s:s,s:O,s:[[s,i,i]],s:[[s,i,i]]}}", "class_name", "Functional",
                                           "config", "name", a->name, "layers", m.layers, "input_layers", "input", 0, 0,
                                           "output_layers", name_at(&m, last), 0, 0);
  json_decref(m.layers);
  return *out ? WK_OK : WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a network");
}

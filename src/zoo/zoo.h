/* zoo.h (internal) - what the builders of architectures share, and the doors between the zoo's files. */
#ifndef WK_ZOO_INTERNAL_H
#define WK_ZOO_INTERNAL_H

#include "base/base.h"
#include "whisker/zoo.h"

/* ---- building --------------------------------------------------------------------------------- */

/* A layer's name, formatted in place: wk_graph_conv(g, WK_NAME("%s.conv1", block), ...). It lives until the end of the
 * call it is an argument of. */
typedef struct wk_layer_name {
  char text[64];
} wk_layer_name;
wk_layer_name wk_layer_named(const char *fmt, ...) WK_PRINTF(1, 2);
#define WK_NAME(...) (wk_layer_named(__VA_ARGS__).text)

/* Every builder begins and ends with these: a graph with its input node, and the checked graph in *out (or the
 * graph freed, and the builder's first mistake as the error). */
wk_status wk_build_begin(wk_graph **g, wk_node *input, int size, int classes, wk_error *err);
wk_status wk_build_end(wk_graph **out, wk_graph *g, wk_error *err);
/* Global pooling ("avgpool"), the features; then, where classes > 0, dropout (p > 0) and the linear layer. */
void wk_build_head(wk_graph *g, wk_node x, const char *pool, const char *dropout, float p, const char *linear,
                   int classes);

/* The nearest multiple of 8 that is not more than a tenth below: how widths are scaled. */
int wk_build_round_to_8(double channels);

/* torchvision's Conv2dNormActivation: NAME.0 convolution, NAME.1 batch norm, NAME.2 activation. */
wk_node wk_build_conv_bn(wk_graph *g, wk_node x, const char *name, int channels, int kernel, int stride, int groups,
                         float eps);
wk_node wk_build_conv_bn_act(wk_graph *g, wk_node x, const char *name, int channels, int kernel, int stride, int groups,
                             float eps, wk_op act);
/* torchvision's SqueezeExcitation (Hu, Shen, Sun: "Squeeze-and-excitation networks", CVPR 2018): channels are weighed
 * by what a small network makes of their means. */
wk_node wk_build_squeeze(wk_graph *g, wk_node in, const char *name, int channels, int squeezed, wk_op act, wk_op gate);

#define WK_BUILDER(name) wk_status name(wk_graph **out, int classes, wk_error *err)
WK_BUILDER(wk_build_resnet18);
WK_BUILDER(wk_build_resnet34);
WK_BUILDER(wk_build_resnet50);
WK_BUILDER(wk_build_resnet101);
WK_BUILDER(wk_build_resnet152);
WK_BUILDER(wk_build_resnext50_32x4d);
WK_BUILDER(wk_build_resnext101_32x8d);
WK_BUILDER(wk_build_resnext101_64x4d);
WK_BUILDER(wk_build_wide_resnet50_2);
WK_BUILDER(wk_build_wide_resnet101_2);
WK_BUILDER(wk_build_seresnet50);
WK_BUILDER(wk_build_seresnet101);
WK_BUILDER(wk_build_seresnet152);
WK_BUILDER(wk_build_vgg11);
WK_BUILDER(wk_build_vgg13);
WK_BUILDER(wk_build_vgg16);
WK_BUILDER(wk_build_vgg19);
WK_BUILDER(wk_build_vgg16_notop);
WK_BUILDER(wk_build_vgg19_notop);
WK_BUILDER(wk_build_vgg11_bn);
WK_BUILDER(wk_build_vgg13_bn);
WK_BUILDER(wk_build_vgg16_bn);
WK_BUILDER(wk_build_vgg19_bn);
WK_BUILDER(wk_build_mobilenet_v2);
WK_BUILDER(wk_build_mobilenet_v2_x0_35);
WK_BUILDER(wk_build_mobilenet_v2_x0_5);
WK_BUILDER(wk_build_mobilenet_v2_x0_75);
WK_BUILDER(wk_build_mobilenet_v2_x1_4);
WK_BUILDER(wk_build_mobilenet_v3_small);
WK_BUILDER(wk_build_mobilenet_v3_large);
WK_BUILDER(wk_build_efficientnet_lite0);
WK_BUILDER(wk_build_efficientnet_lite1);
WK_BUILDER(wk_build_efficientnet_lite2);
WK_BUILDER(wk_build_efficientnet_lite3);
WK_BUILDER(wk_build_efficientnet_lite4);
WK_BUILDER(wk_build_efficientnet_b0);
WK_BUILDER(wk_build_efficientnet_b1);
WK_BUILDER(wk_build_efficientnet_b2);
WK_BUILDER(wk_build_efficientnet_b3);
WK_BUILDER(wk_build_efficientnet_b4);
WK_BUILDER(wk_build_efficientnet_v2_s);
WK_BUILDER(wk_build_mobilenetv1_100);
WK_BUILDER(wk_build_mobilenetv1_125);
WK_BUILDER(wk_build_mobilenetv2_035);
WK_BUILDER(wk_build_mobilenetv2_050);
WK_BUILDER(wk_build_mobilenetv2_075);
WK_BUILDER(wk_build_mobilenetv2_100);
WK_BUILDER(wk_build_mobilenetv2_110d);
WK_BUILDER(wk_build_mobilenetv2_120d);
WK_BUILDER(wk_build_mobilenetv2_140);
WK_BUILDER(wk_build_mobilenetv4_conv_small);
WK_BUILDER(wk_build_mobilenetv4_conv_medium);
WK_BUILDER(wk_build_mobilenetv4_conv_large);
WK_BUILDER(wk_build_tf_efficientnet_lite0);
WK_BUILDER(wk_build_tf_efficientnet_lite1);
WK_BUILDER(wk_build_tf_efficientnet_lite2);
WK_BUILDER(wk_build_tf_efficientnet_lite3);
WK_BUILDER(wk_build_tf_efficientnet_lite4);
WK_BUILDER(wk_build_regnet_x_400mf);
WK_BUILDER(wk_build_regnet_x_800mf);
WK_BUILDER(wk_build_regnet_x_1_6gf);
WK_BUILDER(wk_build_regnet_x_3_2gf);
WK_BUILDER(wk_build_regnet_x_8gf);
WK_BUILDER(wk_build_regnet_y_400mf);
WK_BUILDER(wk_build_regnet_y_800mf);
WK_BUILDER(wk_build_regnet_y_1_6gf);
WK_BUILDER(wk_build_regnet_y_3_2gf);
WK_BUILDER(wk_build_regnet_y_8gf);
WK_BUILDER(wk_build_densenet121);
WK_BUILDER(wk_build_densenet161);
WK_BUILDER(wk_build_densenet169);
WK_BUILDER(wk_build_densenet201);
WK_BUILDER(wk_build_googlenet);
WK_BUILDER(wk_build_inception_v3);
WK_BUILDER(wk_build_xception);
WK_BUILDER(wk_build_convnext_tiny);
WK_BUILDER(wk_build_convnext_tiny_hnf);
WK_BUILDER(wk_build_convnext_nano);
WK_BUILDER(wk_build_convnext_nano_ols);
WK_BUILDER(wk_build_squeezenet1_0);
WK_BUILDER(wk_build_squeezenet1_1);
WK_BUILDER(wk_build_alexnet);
WK_BUILDER(wk_build_shufflenet_v2_x0_5);
WK_BUILDER(wk_build_shufflenet_v2_x1_0);
WK_BUILDER(wk_build_shufflenet_v2_x1_5);
WK_BUILDER(wk_build_shufflenet_v2_x2_0);
WK_BUILDER(wk_build_resnet20_cifar);
WK_BUILDER(wk_build_simple_cnn);

/* ---- recognising ------------------------------------------------------------------------------ */

typedef struct wk_match {
  bool fits;
  const char
      *prefix; /* its first `length` bytes stand before the names ("backbone."); it points into a tensor's name */
  size_t length;
  const char *other; /* the same of another network of that kind; NULL: there is none */
  size_t other_length;
} wk_match;

/* Do these weights belong to arch, but for the classifier? */
wk_status wk_arch_match(wk_match *out, const wk_arch *arch, const wk_tensors *weights, wk_error *err);

/* ---- timm's names (timm_names.c) ----------------------------------------------------------------- */

/* What timm calls the architecture; NULL: it is none of those whose names are known. *bn_eps: what its batch norms have to be
 * told; 0: nothing. */
const char *wk_timm_architecture(const wk_arch *arch, float *bn_eps);
/* What timm calls each parameter of arch's graph g, with a classifier: (*out)[parameters]. */
wk_status wk_timm_names(char ***out, const wk_graph *g, const wk_arch *arch, wk_error *err);
void wk_timm_names_free(char **name, int count);
/* Weights of arch under timm's names become those under its own, with the same memory; all others stay as they are. */
wk_status wk_timm_rename(wk_tensors **weights, const wk_arch *arch, wk_error *err);
/* The same for any architecture; *out NULL: none. */
wk_status wk_timm_recognise(const wk_arch **out, wk_tensors **weights, wk_error *err);

/* children.c: of a ResNet whose modules are counted ("0.4.0.conv1.weight", fastai's), the tensors by torchvision's names; the
 * new set keeps the old one. Others stay as they are. */
wk_status wk_children_named(wk_tensors **weights, wk_error *err);

/* ---- the classifier in a weight file (classifier.c) ----------------------------------------------- */

typedef struct wk_classifier {
  int classes;          /* 0: there is none */
  char *found, *wanted; /* layer "fc.1." is to be called "fc"; NULL: it is called as the architecture's is */
  wk_graph *graph;      /* the whole network, where the classifier has several layers; NULL: one */
  char *note;           /* what is worth telling; NULL: nothing */
} wk_classifier;

/* `elsewhere`: layers of any name may be it, where the architecture's module is not there. */
wk_status wk_classifier_read(wk_classifier *out, const wk_arch *arch, const wk_tensors *weights, bool elsewhere,
                             wk_error *err);
void wk_classifier_free(wk_classifier *c);

/* ---- what lies beside a weight file (beside.c) -------------------------------------------------------- */

/* The file of weights that a folder is about. wk_free it. */
wk_status wk_weights_in_folder(char **out, const char *folder, wk_error *err);
/* Preprocessing and labels of a network of the registry whose weights are at that path: as files beside it say, else as
 * the architecture's own want it, which b->assumed then says. */
wk_status wk_beside_apply(wk_backbone *b, const char *weights, const wk_pull_options *o, wk_error *err);
/* The registry's entry whose published file is called as the file at `path`; NULL: none. */
const wk_arch *wk_arch_of_file(const char *path);

/* Puts a view of *weights, which then belongs to it, into its place where tensors have names that modules no longer have
 * (older_names.c). */
wk_status wk_weights_todays_names(wk_tensors **weights, wk_error *err);

/* The weights of `arch` out of a file with a graph of its own, whose first layers are arch's (transplant.c). */
wk_status wk_weights_of_graph(wk_tensors **out, const char *path, const wk_arch *arch, wk_error *err);

/* ---- a backbone's own weights ----------------------------------------------------------------- */

/* Views of those of `weights` that node `last` depends on, with `prefix` before their names, in the graph's order. */
wk_status wk_backbone_subset(wk_tensors **out, const wk_graph *g, const wk_tensors *weights, wk_node last,
                             const char *prefix, wk_error *err);
/* wk_tensors_sha256 of that subset. */
wk_status wk_weights_hash(uint8_t out[WK_SHA256_BYTES], const wk_graph *g, const wk_tensors *weights, wk_node last,
                          wk_error *err);

/* ---- networks that files describe (imported.c) ------------------------------------------------------------ */

wk_status wk_imported_open(wk_backbone **out, const char *path, const wk_pull_options *o, wk_error *err);
void wk_imported_free(wk_backbone *b);                          /* what is an imported network's own */
wk_status wk_backbone_keep_hash(wk_backbone *b, wk_error *err); /* room for its hash */
/* Pixels and labels that were asked for, on a network of the registry. */
wk_status wk_backbone_apply(wk_backbone *b, const wk_pull_options *o, wk_error *err);

#endif

/* timm_names.c - what timm calls the parameters of networks that are torchvision's or EfficientNet-PyTorch's here: for
 * weights that go there, and weights that come from there. MobileNets and EfficientNets are blocks whose convolutions
 * have roles, which the graph shows; the others differ in a few names. */
#include <ctype.h>
#include <string.h>

#include "zoo/zoo.h"

enum { NAME = 96 };

static const struct family {
  const char *name, *architecture; /* here; there */
  bool blocks;                     /* of mobile networks */
  float bn_eps;                    /* what timm has to be told, because its own is another; 0: nothing */
} families[] = {{"resnet18", "resnet18", false, 0},
                {"resnet34", "resnet34", false, 0},
                {"resnet50", "resnet50", false, 0},
                {"resnet101", "resnet101", false, 0},
                {"resnet152", "resnet152", false, 0},
                {"vgg11", "vgg11", false, 0},
                {"vgg13", "vgg13", false, 0},
                {"vgg16", "vgg16", false, 0},
                {"vgg19", "vgg19", false, 0},
                {"vgg11_bn", "vgg11_bn", false, 0},
                {"vgg13_bn", "vgg13_bn", false, 0},
                {"vgg16_bn", "vgg16_bn", false, 0},
                {"vgg19_bn", "vgg19_bn", false, 0},
                {"mobilenet_v2", "mobilenetv2_100", true, 0},
                {"mobilenet_v3_small", "mobilenetv3_small_100", true, 1e-3f},
                {"mobilenet_v3_large", "mobilenetv3_large_100", true, 1e-3f},
                {"efficientnet_b0", "efficientnet_b0", true, 0},
                {"efficientnet_lite0", "tf_efficientnet_lite0", true, 0},
                {"convnext_tiny", "convnext_tiny", false, 0}};

/* The family of "resnet50.tv2_in1k": what is before the point. */
static const struct family *family_of(const wk_arch *arch) {
  const size_t n = strcspn(arch->name, ".");
  for (size_t i = 0; i < sizeof families / sizeof *families; i++)
    if (strlen(families[i].name) == n && strncmp(families[i].name, arch->name, n) == 0)
      return &families[i];
  return NULL;
}

const char *wk_timm_architecture(const wk_arch *arch, float *bn_eps) {
  const struct family *f = family_of(arch);
  *bn_eps = f ? f->bn_eps : 0;
  return f ? f->architecture : NULL;
}

/* ---- roles in blocks ---------------------------------------------------------------------------------- */

typedef struct walk {
  char block[NAME];  /* the block that layers are in now: "features.3."; "": none yet */
  char target[NAME]; /* what it is there: "blocks.1.0" */
  int stage, in_stage, channels;
  int convolutions; /* of the block so far, squeeze-and-excite aside */
  bool separable;   /* it begins with its depthwise convolution */
  bool behind;      /* the blocks are over */
  char norm[NAME];  /* what the batch norm after the last convolution is */
} walk;

/* The block a layer belongs to: "features.3." of "features.3.conv.0.0", "_blocks.2." of "_blocks.2._bn0"; 0: to none.
 */
static size_t block_length(const char *name) {
  const char *inside = strstr(name, ".block.");
  inside = inside ? inside : strstr(name, ".conv.");
  if (inside)
    return (size_t)(inside + 1 - name);
  return strncmp(name, "_blocks.", 8) == 0 ? 9 + strcspn(name + 8, ".") : 0;
}

/* The output of a block is that of its last convolution: what the layers that follow say, looked up ahead. */
static int block_channels(const wk_graph *g, int from, const char *block, size_t length) {
  int channels = 0;
  wk_node_info n;
  for (int i = from; i < wk_graph_size(g); i++) {
    if (wk_graph_node(&n, g, i, 0, 0, NULL) == WK_OK && n.op == WK_OP_CONV && strncmp(n.name, block, length) == 0)
      channels = n.out_channels;
  }
  return channels;
}

static void enter(walk *w, const wk_graph *g, int node, const char *name, size_t length) {
  if (strncmp(w->block, name, length) == 0 && strlen(w->block) == length)
    return;
  const bool first = !*w->block;
  const int channels = block_channels(g, node, name, length);
  snprintf(w->block, sizeof w->block, "%.*s", (int)length, name);
  if (!first && channels != w->channels)
    w->stage++, w->in_stage = 0;
  else if (!first)
    w->in_stage++;
  w->channels = channels;
  w->convolutions = 0;
  snprintf(w->target, sizeof w->target, "blocks.%d.%d", w->stage, w->in_stage);
}

static void in_block(char *out, walk *w, const wk_node_info *n, bool depthwise) {
  static const char *const role[2][3] = {{"conv_pw", "conv_dw", "conv_pwl"}, {"conv_dw", "conv_pw", "conv_pwl"}};
  const char *end = strrchr(n->name, '.');
  if (n->op == WK_OP_BATCH_NORM) {
    snprintf(out, NAME, "%.70s", w->norm);
  } else if (strcmp(end, ".fc1") == 0 || strcmp(end, ".fc2") == 0) {
    snprintf(out, NAME, "%.70s.se.%s", w->target, end[3] == '1' ? "conv_reduce" : "conv_expand");
  } else {
    if (!w->convolutions)
      w->separable = depthwise;
    const int k = w->convolutions < 2 ? w->convolutions : 2;
    snprintf(out, NAME, "%.70s.%s", w->target, role[w->separable][k]);
    snprintf(w->norm, sizeof w->norm, "%.70s.bn%d", w->target, k + 1);
    w->convolutions++;
  }
}

/* MobileNetV3's last convolution counts as a block, and its hidden layer as a convolution. */
static void around_blocks(char *out, walk *w, const wk_node_info *n, bool hidden, bool last) {
  if (n->op == WK_OP_BATCH_NORM) {
    snprintf(out, NAME, "%.70s", w->norm);
  } else if (n->op == WK_OP_LINEAR) {
    snprintf(out, NAME, "%s", last ? "classifier" : "conv_head");
  } else if (!*w->block) {
    snprintf(out, NAME, "conv_stem");
    snprintf(w->norm, sizeof w->norm, "bn1");
  } else if (hidden) {
    snprintf(out, NAME, "blocks.%d.0.conv", w->stage + 1);
    snprintf(w->norm, sizeof w->norm, "blocks.%d.0.bn1", w->stage + 1);
  } else {
    snprintf(out, NAME, "conv_head");
    snprintf(w->norm, sizeof w->norm, "bn2");
  }
}

/* ---- all of them ---------------------------------------------------------------------------------------- */

static const char *plain_name(const char *layer) {
  static const char *const renamed[][2] = {
      {"classifier.0", "pre_logits.fc1"}, {"classifier.3", "pre_logits.fc2"}, {"classifier.6", "head.fc"}};
  for (size_t i = 0; i < sizeof renamed / sizeof *renamed; i++)
    if (strcmp(layer, renamed[i][0]) == 0)
      return renamed[i][1];
  return layer;
}

/* ConvNeXt: torchvision counts stem, stages and what lies between them in one row of modules. */
static void convnext_name(char *out, const char *layer) {
  static const char *const ends[][2] = {{".block.0", ".conv_dw"},
                                        {".block.2", ".norm"},
                                        {".block.3", ".mlp.fc1"},
                                        {".block.5", ".mlp.fc2"},
                                        {".layer_scale", ".gamma"}};
  int module = 0, at = 0, length = 0;
  if (sscanf(layer, "features.%d.%d%n", &module, &at, &length) < 2) {
    snprintf(out, NAME, "%s", strcmp(layer, "classifier.0") == 0 ? "head.norm" : "head.fc");
    return;
  }
  if (module == 0)
    snprintf(out, NAME, "stem.%d", at);
  else if (module % 2 == 0)
    snprintf(out, NAME, "stages.%d.downsample.%d", module / 2, at);
  for (size_t i = 0; module % 2 && i < sizeof ends / sizeof *ends; i++)
    if (strcmp(layer + length, ends[i][0]) == 0)
      snprintf(out, NAME, "stages.%d.blocks.%d%s", module / 2, at, ends[i][1]);
}

/* Of a network that is no row of mobile blocks. */
static void other_name(char *out, const struct family *f, const char *layer) {
  if (f && strncmp(f->name, "convnext", 8) == 0)
    convnext_name(out, layer);
  else
    snprintf(out, NAME, "%s", f && strncmp(f->name, "vgg", 3) == 0 ? plain_name(layer) : layer);
}

/* A tensor that only a network of that family has, under timm's names. */
static const char *sign_of(const struct family *f) {
  return f->blocks                              ? "conv_stem.weight"
         : strncmp(f->name, "convnext", 8) == 0 ? "stages.0.blocks.0.conv_dw.weight"
                                                : "pre_logits.fc1.weight";
}

static bool has_hidden_layer(const wk_graph *g) {
  int linear = 0;
  wk_node_info n;
  for (int i = 0; i < wk_graph_size(g); i++)
    linear += wk_graph_node(&n, g, i, 0, 0, NULL) == WK_OK && n.op == WK_OP_LINEAR;
  return linear > 1;
}

void wk_timm_names_free(char **name, int count) {
  for (int i = 0; name && i < count; i++)
    wk_free(name[i]);
  wk_free(name);
}

wk_status wk_timm_names(char ***out, const wk_graph *g, const wk_arch *arch, wk_error *err) {
  const struct family *f = family_of(arch);
  const int count = wk_graph_param_count(g);
  wk_status st = WK_OK;
  walk w = {.stage = 0};
  char layer[NAME] = "";
  wk_node_info n, in;
  int node = -1;
  char **name = wk_calloc((size_t)count + 1, sizeof *name);
  WK_FAIL_IF(!name, err, WK_ERR_MEMORY, "out of memory");
  const bool hidden = has_hidden_layer(g);
  for (int i = 0; i < count; i++) {
    const wk_param_info *p = wk_graph_param(g, i);
    if (p->node != node) {
      node = p->node;
      WK_TRY(wk_graph_node(&n, g, node, 0, 0, err));
      WK_TRY(wk_graph_node(&in, g, n.input[0], 0, 0, err));
      const size_t block = f && f->blocks ? block_length(n.name) : 0;
      if (!f || !f->blocks) {
        other_name(layer, f, n.name);
      } else if (block) {
        enter(&w, g, node, n.name, block);
        in_block(layer, &w, &n, n.groups > 1 && n.groups == in.shape.channels);
      } else {
        around_blocks(layer, &w, &n, hidden, node == wk_graph_logits(g));
      }
    }
    name[i] = wk_asprintf("%s%s", layer, n.op == WK_OP_LAYER_SCALE ? "" : strrchr(p->name, '.'));
    WK_FAIL_IF(!name[i], err, WK_ERR_MEMORY, "out of memory");
  }
  *out = name;
  name = NULL;
done:
  wk_timm_names_free(name, count);
  return st;
}

/* ---- reading ---------------------------------------------------------------------------------------------- */

static void release(void *user) { wk_tensors_free(user); }
static void rest(void *user) { wk_tensors_release_pages(user); }

wk_status wk_timm_rename(wk_tensors **weights, const wk_arch *arch, wk_error *err) {
  const struct family *f = family_of(arch);
  wk_status st = WK_OK;
  wk_graph *g = NULL;
  wk_tensors *made = NULL;
  char **name = NULL;
  int count = 0;
  size_t pictures = 0; /* weights of convolutions: none may be left over, which would belong to another network */
  bool all = true;
  if (!f || !wk_tensors_find(*weights, sign_of(f)))
    return WK_OK;
  for (size_t i = 0; i < wk_tensors_size(*weights); i++)
    pictures += wk_tensors_at(*weights, i)->ndim == 4;
  WK_TRY(arch->build(&g, 1, err));
  count = wk_graph_param_count(g);
  WK_TRY(wk_timm_names(&name, g, arch, err));
  WK_TRY(wk_tensors_create(&made, err));
  for (int i = 0; i < count && all; i++) {
    const wk_param_info *p = wk_graph_param(g, i);
    const wk_tensor *t = wk_tensors_find(*weights, name[i]);
    const bool classifier = p->node == wk_graph_logits(g);
    all = t || classifier || !p->trainable;
    if (!t)
      continue;
    wk_tensor view = *t;
    pictures -= t->ndim == 4;
    view.name = p->name;
    if (p->ndim == 2 && t->ndim == 4) { /* a linear layer as a convolution: the same numbers in the same order */
      view.ndim = 2;
      view.shape[1] = t->shape[1] * t->shape[2] * t->shape[3];
    }
    if (p->ndim == 3 && t->ndim == 1) { /* a layer scale */
      view.ndim = 3;
      view.shape[1] = view.shape[2] = 1;
    }
    const size_t same = classifier ? 0 : (size_t)p->ndim;
    all &= view.ndim == p->ndim && memcmp(view.shape, p->shape, same * sizeof *p->shape) == 0;
    WK_TRY(wk_tensors_add_view(made, &view, err));
  }
  if (!all || pictures)
    goto done;
  WK_TRY(wk_tensors_keep(made, release, rest, *weights, err));
  *weights = made;
  made = NULL;
done:
  wk_tensors_free(made);
  wk_timm_names_free(name, count);
  wk_graph_free(g);
  return st;
}

wk_status wk_timm_recognise(const wk_arch **out, wk_tensors **weights, wk_error *err) {
  const wk_tensors *before = *weights;
  *out = NULL;
  for (int i = 0; i < wk_arch_count() && *weights == before; i++) {
    WK_RETURN_IF_ERROR(wk_timm_rename(weights, wk_arch_at(i), err));
    if (*weights != before)
      *out = wk_arch_at(i);
  }
  return WK_OK;
}

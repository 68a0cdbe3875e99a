/* test_zoo.c - the registry against the graphs it names, ImageNet's labels, and recognising weights. */
#include "golden/zoo_weights.h"

static const struct {
  const char *name;
  int64_t params;
} published[] = {
    {"efficientnet_lite0", 4652008}, {"mobilenet_v2", 3504872},
    {"mobilenet_v3_small", 2542856}, {"mobilenet_v3_large", 5483032},
    {"efficientnet_b0", 5288548},    {"efficientnet_lite1", 5416680},
    {"efficientnet_b1", 7794184},    {"efficientnet_b4", 19341616},
    {"efficientnet_v2_s", 21458488}, {"resnext50_32x4d", 25028904},
    {"resnext101_32x8d", 88791336},  {"wide_resnet50_2", 68883240},
    {"regnet_x_400mf", 5495976},     {"regnet_y_400mf", 4344144},
    {"regnet_y_3_2gf", 19436338},    {"densenet121", 7978856},
    {"densenet201", 20013928},       {"googlenet", 6624904},
    {"inception_v3", 23834568},      {"squeezenet1_0", 1248424},
    {"squeezenet1_1", 1235496},      {"shufflenet_v2_x0_5", 1366792},
    {"shufflenet_v2_x1_0", 2278604}, {"alexnet", 61100840},
    {"xception", 22855952},          {"mobilenetv4_conv_small", 3774024},
    {"resnet18", 11689512},          {"resnet34", 21797672},
    {"resnet50", 25557032},          {"resnet101", 44549160},
    {"resnet152", 60192808},         {"vgg11", 132863336},
    {"vgg11_bn", 132868840},         {"vgg13", 133047848},
    {"vgg13_bn", 133053736},         {"vgg16", 138357544},
    {"vgg16_bn", 138365992},         {"vgg19", 143667240},
    {"vgg19_bn", 143678248},         {"convnext_tiny", 28589128},
    {"convnext_nano", 15593560},
};

/* ---- registry --------------------------------------------------------------------------------- */

static void totals(const wk_graph *g, int64_t *params, int64_t *macs) {
  *params = *macs = 0;
  for (wk_node i = 0; i < wk_graph_size(g); i++) {
    wk_node_info info;
    wk_error err = {0};
    assert_ok(wk_graph_node(&info, g, i, 0, 0, &err), &err);
    *params += info.params;
    *macs += info.macs;
  }
}

static void registry_agrees_with_graphs(void **state) {
  (void)state;
  for (int i = 0; i < wk_arch_count(); i++) {
    const wk_arch *arch = wk_arch_at(i);
    wk_graph *g = NULL;
    wk_error err = {0};
    assert_ok(arch->build(&g, arch->class_count, &err), &err);
    int64_t params, macs;
    totals(g, &params, &macs);
    if (params != arch->params || macs != arch->macs)
      fail_msg("%s has %lld parameters and %lld multiply-adds, the registry says %lld and %lld", arch->name,
               (long long)params, (long long)macs, (long long)arch->params, (long long)arch->macs);
    wk_node_info info;
    assert_ok(wk_graph_node(&info, g, wk_graph_features(g), 0, 0, &err), &err);
    assert_int_equal(info.shape.height * info.shape.width, 1);
    assert_int_equal(info.shape.channels, arch->feature_count);
    if (arch->class_count) {
      assert_ok(wk_graph_node(&info, g, wk_graph_logits(g), 0, 0, &err), &err);
      assert_int_equal(info.shape.channels, arch->class_count);
    }
    assert_ok(wk_graph_node(&info, g, 0, 0, 0, &err), &err);
    assert_int_equal(info.shape.height, arch->preprocess.height);
    assert_int_equal(info.shape.width, arch->preprocess.width);
    assert_ok(wk_preprocess_validate(&arch->preprocess, &err), &err);
    wk_graph_free(g);
  }
  for (size_t i = 0; i < sizeof published / sizeof *published; i++)
    assert_int_equal(wk_arch_find(published[i].name)->params, published[i].params);
  assert_near((double)wk_arch_find("vgg16")->macs, 15.47e9, 0.01e9);
}

static void without_classifier(void **state) {
  (void)state;
  for (int i = 0; i < wk_arch_count(); i++) {
    const wk_arch *arch = wk_arch_at(i);
    wk_graph *g = NULL;
    wk_error err = {0};
    assert_ok(arch->build(&g, 0, &err), &err);
    assert_true(wk_graph_logits(g) < 0);
    assert_true(wk_graph_features(g) == wk_graph_size(g) - 1);
    wk_graph_free(g);
    assert_int_equal(arch->build(&g, -1, &err), WK_ERR_ARGUMENT);
  }
}

static void names_mean_one_thing(void **state) {
  (void)state;
  for (int i = 0; i < wk_arch_count(); i++) {
    const wk_arch *arch = wk_arch_at(i);
    assert_ptr_equal(wk_arch_find(arch->name), arch);
    for (const char *const *alias = arch->aliases; *alias; alias++)
      assert_ptr_equal(wk_arch_find(*alias), arch);
    assert_non_null(arch->title);
    assert_non_null(arch->licence);
    assert_non_null(arch->origin);
    const wk_source *s = &arch->source;
    if (!s->url)
      continue;
    size_t digits = strlen(s->sha256);
    assert_true(digits == 8 || digits == 64);
    assert_int_equal(strspn(s->sha256, "0123456789abcdef"), digits);
    /* Published files end in their hash's first digits; what is inside a wheel need not. */
    char first[9];
    snprintf(first, sizeof first, "%.8s", s->sha256);
    assert_true(strstr(s->file, first) || s->kind == WK_SOURCE_WHEEL);
    assert_null(strchr(s->file, '/'));
  }
  assert_ptr_equal(wk_arch_find("ResNet50.TV_in1k"), wk_arch_find("resnet50"));
  assert_ptr_not_equal(wk_arch_find("resnet50.tv2_in1k"), wk_arch_find("resnet50"));
  assert_null(wk_arch_find("resnet51"));
  assert_null(wk_arch_find(NULL));
  assert_null(wk_arch_at(-1));
  assert_null(wk_arch_at(wk_arch_count()));
}

static void suggestions(void **state) {
  (void)state;
  const char *near[3];
  assert_int_equal(wk_arch_suggest(near, 3, "resnet51"), 3);
  assert_string_equal(near[0], "resnet50");
  assert_true(wk_arch_suggest(near, 1, "mobilenetv2") == 1);
  assert_string_equal(near[0], "mobilenet_v2");
  assert_int_equal(wk_arch_suggest(near, 3, "photos of my cat, of which there are many"), 0);
}

/* ---- labels ----------------------------------------------------------------------------------- */

static void labels(void **state) {
  (void)state;
  assert_string_equal(wk_imagenet_label(0), "tench");
  assert_string_equal(wk_imagenet_names(0), "tench, Tinca tinca");
  assert_string_equal(wk_imagenet_wnid(0), "n01440764");
  assert_string_equal(wk_imagenet_label(999), "toilet tissue");
  assert_null(wk_imagenet_label(1000));
  assert_null(wk_imagenet_names(-1));
  assert_int_equal(wk_imagenet_find("Siamese cat"), 284);
  assert_int_equal(wk_imagenet_find("siamese"), 284);
  assert_int_equal(wk_imagenet_find("Tinca tinca"), 0);
  assert_int_equal(wk_imagenet_find("tench, Tinca tinca"), 0);
  assert_int_equal(wk_imagenet_find("zebra"), 340);
  assert_int_equal(wk_imagenet_find("340"), 340);
  assert_int_equal(wk_imagenet_find("N01440764"), 0);
  assert_int_equal(wk_imagenet_find("1000"), -1);
  assert_int_equal(wk_imagenet_find("-1"), -1);
  assert_int_equal(wk_imagenet_find("99999999999999999999"), -1);
  assert_int_equal(wk_imagenet_find(""), -1);
  assert_int_equal(wk_imagenet_find(NULL), -1);
  assert_int_equal(wk_imagenet_find("inca"), -1);
  for (int i = 0; i < WK_IMAGENET_CLASSES; i++)
    assert_int_equal(wk_imagenet_find(wk_imagenet_wnid(i)), i);
}

/* ---- recognising ------------------------------------------------------------------------------ */

/* Tensors with the names and shapes of a graph's parameters, and no memory of their own to speak of: all are views of
 * one block. */
typedef struct shadow {
  wk_tensors *tensors;
  float *block;
} shadow;

static shadow make_shadow(const wk_arch *arch, int classes, const char *prefix, const char *leave_out) {
  shadow s = {NULL, NULL};
  wk_error err = {0};
  wk_graph *g = NULL;
  assert_ok(arch->build(&g, classes, &err), &err);
  assert_ok(wk_tensors_create(&s.tensors, &err), &err);
  size_t largest = 0;
  for (int i = 0; i < wk_graph_param_count(g); i++) {
    const wk_param_info *p = wk_graph_param(g, i);
    size_t bytes = (size_t)wk_tensor_count(p->ndim, p->shape) * sizeof(float);
    largest = bytes > largest ? bytes : largest;
  }
  s.block = wk_alloc(largest);
  assert_non_null(s.block);
  if (largest < 1 << 24) /* only the names and shapes of larger ones are looked at */
    memset(s.block, 0, largest);
  for (int i = 0; i < wk_graph_param_count(g); i++) {
    const wk_param_info *p = wk_graph_param(g, i);
    if (leave_out && strstr(p->name, leave_out))
      continue;
    char name[256];
    snprintf(name, sizeof name, "%s%s", prefix, p->name);
    wk_tensor t = {.name = name, .dtype = WK_F32, .ndim = p->ndim, .data = s.block};
    memcpy(t.shape, p->shape, sizeof p->shape);
    t.bytes = (size_t)wk_tensor_count(p->ndim, p->shape) * sizeof(float);
    assert_ok(wk_tensors_add_view(s.tensors, &t, &err), &err);
  }
  wk_graph_free(g);
  return s;
}

static void drop(shadow s) {
  wk_tensors_free(s.tensors);
  wk_free(s.block);
}

static void assert_recognised(const wk_arch *arch, int classes, const char *prefix, const char *leave_out) {
  shadow s = make_shadow(arch, classes, prefix, leave_out);
  const wk_arch *found = wk_arch_recognise(s.tensors);
  if (!found || found->build != arch->build)
    fail_msg("%s (%d classes, prefix \"%s\") is taken for %s", arch->name, classes, prefix,
             found ? found->name : "nothing");
  drop(s);
}

/* Each against all others: of that, sanitizers see a part. */
static void every_network_is_recognised(void **state) {
  (void)state;
  for (int i = 0; i < wk_arch_count(); i += TEST_SANITIZED ? 7 : 1) {
    const wk_arch *arch = wk_arch_at(i);
    assert_recognised(arch, arch->class_count, "", NULL);
    assert_recognised(arch, 37, "", NULL);
    assert_recognised(arch, 0, "", NULL);
    assert_recognised(arch, arch->class_count, "backbone.", NULL);
    assert_recognised(arch, arch->class_count, "model.net.", NULL);
    assert_recognised(arch, arch->class_count, "", "running_");
  }
}

static void others_are_not(void **state) {
  (void)state;
  const wk_arch *resnet34 = wk_arch_find("resnet34");
  /* All of ResNet-18 is in there, but it is not one. */
  shadow s = make_shadow(resnet34, 1000, "", "layer3.5.conv2.weight");
  assert_null(wk_arch_recognise(s.tensors));
  drop(s);
  s = make_shadow(resnet34, 1000, "", "layer1.0.bn1.bias");
  assert_null(wk_arch_recognise(s.tensors));
  drop(s);
  s = make_shadow(resnet34, 1000, "x", NULL); /* not a prefix of a module's path */
  assert_null(wk_arch_recognise(s.tensors));
  drop(s);
  wk_tensors *empty = NULL;
  wk_error err = {0};
  assert_ok(wk_tensors_create(&empty, &err), &err);
  assert_null(wk_arch_recognise(empty));
  wk_tensors_free(empty);
}

static void backbone_from_tensors(void **state) {
  (void)state;
  const wk_arch *arch = wk_arch_find("mobilenet_v2");
  wk_error err = {0};
  wk_backbone *b = NULL;
  uint8_t plain[32];
  static const char *const prefix[] = {"", "backbone."};
  for (int i = 0; i < 2; i++) {
    shadow s = make_shadow(arch, 37, prefix[i], NULL);
    assert_ok(wk_backbone_from(&b, arch, s.tensors, &err), &err);
    assert_int_equal(b->class_count, 37);
    assert_ptr_equal(b->arch, arch);
    assert_non_null(wk_tensors_find(b->weights, "classifier.1.weight"));
    /* The same weights have the same hash, whatever they were called. */
    uint8_t hash[32];
    for (int again = 0; again < 2; again++) {
      assert_ok(wk_backbone_hash(hash, b, &err), &err);
      if (i == 0 && !again)
        memcpy(plain, hash, sizeof plain);
      else
        assert_memory_equal(plain, hash, sizeof plain);
    }
    wk_backbone_free(b);
    wk_free(s.block);
  }
  shadow s = make_shadow(arch, 0, "", NULL);
  assert_ok(wk_backbone_from(&b, arch, s.tensors, &err), &err);
  assert_int_equal(b->class_count, 0);
  assert_true(wk_graph_logits(b->graph) < 0);
  wk_backbone_free(b);
  wk_free(s.block);
}

static void backbone_of_another_network(void **state) {
  (void)state;
  wk_error err = {0};
  wk_backbone *b = NULL;
  shadow s = make_shadow(wk_arch_find("resnet34"), 1000, "", NULL);
  assert_int_equal(wk_backbone_from(&b, wk_arch_find("vgg11"), s.tensors, &err), WK_ERR_FORMAT);
  assert_non_null(strstr(err.message, "vgg11"));
  assert_int_equal(wk_backbone_from(&b, wk_arch_find("resnet18"), s.tensors, &err), WK_ERR_FORMAT);
  assert_non_null(strstr(err.message, "deeper"));
  drop(s);
  s = make_shadow(wk_arch_find("resnet18"), 1000, "", "fc.bias");
  assert_int_equal(wk_backbone_from(&b, wk_arch_find("resnet18"), s.tensors, &err), WK_ERR_FORMAT);
  assert_non_null(strstr(err.message, "fc.bias"));
  drop(s);
}

static void opening(void **state) {
  (void)state;
  char *folder = test_tmp_dir(), path[256];
  wk_error err = {0};
  wk_backbone *b = NULL;
  rule *r = test_malloc(sizeof *r);
  rule_init(r);
  const wk_arch *arch = wk_arch_find("simple_cnn");
  wk_graph *g = NULL;
  assert_ok(arch->build(&g, 10, &err), &err);
  wk_tensors *weights = rule_weights(r, g);
  snprintf(path, sizeof path, "%s/mine.safetensors", folder);
  assert_ok(wk_safetensors_write(path, weights, &err), &err);
  assert_ok(wk_backbone_open(&b, path, NULL, NULL, NULL, &err), &err);
  assert_ptr_equal(b->arch, arch);
  assert_int_equal(b->class_count, 10);
  wk_backbone_free(b);
  assert_ok(wk_backbone_open(&b, path, "simple_cnn", NULL, NULL, &err), &err);
  wk_backbone_free(b);
  assert_int_equal(wk_backbone_open(&b, path, "resnet18", NULL, NULL, &err), WK_ERR_FORMAT);
  assert_non_null(strstr(err.message, path));
  assert_int_equal(wk_backbone_open(&b, path, "resnet19", NULL, NULL, &err), WK_ERR_NOT_FOUND);
  assert_non_null(strstr(err.message, "Did you mean resnet18"));
  assert_int_equal(wk_backbone_open(&b, "resnet51", NULL, NULL, NULL, &err), WK_ERR_NOT_FOUND);
  assert_non_null(strstr(err.message, "Did you mean resnet50, "));
  assert_int_equal(wk_backbone_open(&b, "resnet18", "resnet50", NULL, NULL, &err), WK_ERR_ARGUMENT);
  assert_int_equal(wk_backbone_open(&b, "simple_cnn", NULL, NULL, NULL, &err), WK_ERR_UNSUPPORTED);
  assert_int_equal(wk_backbone_open(&b, "resnet18", NULL, NULL, NULL, &err), WK_ERR_ARGUMENT);
  /* A kept file that is damaged: the message tells the cure. */
  wk_pull_options o;
  wk_pull_options_init(&o);
  o.folder = folder;
  snprintf(path, sizeof path, "%s/resnet18-f37072fd.pth", folder);
  assert_ok(wk_file_write(path, "damaged", 7, &err), &err);
  assert_int_equal(wk_backbone_open(&b, "resnet18", NULL, &o, NULL, &err), WK_ERR_FORMAT);
  assert_non_null(strstr(err.message, path));
  assert_non_null(strstr(err.message, "whisker pull resnet18"));
  wk_tensors_free(weights);
  wk_graph_free(g);
  test_free(r);
  test_tmp_remove(folder);
}

/* SqueezeNet's classifier is a convolution; a new one is a linear layer on its features. */
static void classifier_of_a_convolution(void **state) {
  (void)state;
  wk_error err = {0};
  wk_backbone *b = NULL;
  wk_graph *g = NULL;
  wk_node_info logits;
  shadow s = make_shadow(wk_arch_find("squeezenet1_1"), 37, "", NULL);
  assert_ok(wk_backbone_from(&b, wk_arch_find("squeezenet1_1"), s.tensors, &err), &err);
  assert_int_equal(b->class_count, 37);
  assert_ok(wk_backbone_build(&g, b, 5, &err), &err);
  assert_ok(wk_graph_node(&logits, g, wk_graph_logits(g), 0, 0, &err), &err);
  assert_int_equal(logits.op, WK_OP_LINEAR);
  assert_int_equal(logits.shape.channels, 5);
  wk_graph_free(g);
  wk_backbone_free(b);
  wk_free(s.block);
}

/* torchvision's DenseNet files number a layer's norms in a module of their own, and its Inceptions have classifiers at
 * half the depth. */
static void names_of_published_files(void **state) {
  (void)state;
  char *folder = test_tmp_dir(), path[256];
  wk_error err = {0};
  wk_backbone *b = NULL;
  shadow s = make_shadow(wk_arch_find("densenet121"), 1000, "", NULL);
  wk_tensors *old = NULL;
  assert_ok(wk_tensors_create(&old, &err), &err);
  for (size_t i = 0; i < wk_tensors_size(s.tensors); i++) {
    wk_tensor t = *wk_tensors_at(s.tensors, i);
    char name[256];
    const char *layer = strstr(t.name, ".denselayer"), *dot = layer ? strchr(layer + 1, '.') : NULL;
    const size_t head = dot ? (size_t)(dot - t.name) + 5 : 0; /* up to ".norm" */
    snprintf(name, sizeof name, "%.*s%s%s", (int)head, t.name, dot ? "." : "", t.name + head);
    t.name = name;
    assert_ok(wk_tensors_add_view(old, &t, &err), &err);
  }
  assert_non_null(wk_tensors_find(old, "features.denseblock1.denselayer1.norm.1.weight"));
  snprintf(path, sizeof path, "%s/densenet.safetensors", folder);
  assert_ok(wk_safetensors_write(path, old, &err), &err);
  wk_tensors_free(old);
  drop(s);
  assert_ok(wk_backbone_open(&b, path, NULL, NULL, NULL, &err), &err);
  assert_ptr_equal(b->arch, wk_arch_find("densenet121"));
  assert_int_equal(b->class_count, 1000);
  wk_backbone_free(b);
  s = make_shadow(wk_arch_find("googlenet"), 1000, "", NULL);
  const wk_tensor aux = {.name = "aux1.conv.conv.weight",
                         .dtype = WK_F32,
                         .ndim = 4,
                         .shape = {128, 512, 1, 1},
                         .data = s.block,
                         .bytes = 128 * 512 * sizeof(float)};
  assert_ok(wk_tensors_add_view(s.tensors, &aux, &err), &err);
  assert_ptr_equal(wk_arch_recognise(s.tensors), wk_arch_find("googlenet"));
  drop(s);
  test_tmp_remove(folder);
}

static void out_of_memory(void **state) {
  (void)state;
  const wk_arch *arch = wk_arch_find("simple_cnn");
  wk_status st = WK_ERR_MEMORY;
  for (long n = 0; st != WK_OK; n++) {
    assert_true(n < 100000);
    shadow s = make_shadow(arch, 10, "net.", NULL);
    wk_backbone *b = NULL;
    wk_error err = {0};
    test_fail_allocation(n);
    st = wk_backbone_from(&b, arch, s.tensors, &err);
    test_fail_allocation(-1);
    wk_set_allocator(NULL);
    if (st == WK_OK)
      s.tensors = NULL;
    else if (st != WK_ERR_MEMORY)
      fail_msg("allocation %ld: %s: %s", n, wk_status_name(st), err.message);
    wk_backbone_free(b);
    drop(s);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(registry_agrees_with_graphs),
      cmocka_unit_test(without_classifier),
      cmocka_unit_test(names_mean_one_thing),
      cmocka_unit_test(suggestions),
      cmocka_unit_test(labels),
      cmocka_unit_test(every_network_is_recognised),
      cmocka_unit_test(others_are_not),
      cmocka_unit_test(backbone_from_tensors),
      cmocka_unit_test(backbone_of_another_network),
      cmocka_unit_test(classifier_of_a_convolution),
      cmocka_unit_test(names_of_published_files),
      cmocka_unit_test(opening),
      cmocka_unit_test(out_of_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

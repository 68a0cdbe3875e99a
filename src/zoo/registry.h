/* registry.h (internal) - what the rows of the registry are written with, and the tables they are in. */
#ifndef WK_ZOO_REGISTRY_H
#define WK_ZOO_REGISTRY_H

#include "zoo/zoo.h"

typedef struct wk_arch_rows {
  const wk_arch *row;
  int count;
} wk_arch_rows;

extern const wk_arch_rows wk_rows_torchvision, wk_rows_timm;

/* 8-bit mean and deviation. */
#define IMAGENET_NORM                                                                                                  \
  {0.485f * 255, 0.456f * 255, 0.406f * 255}, { 0.229f * 255, 0.224f * 255, 0.225f * 255 }
#define TORCHVISION_V1                                                                                                 \
  { 224, 224, 256, WK_CROP_KEEP, WK_FILTER_BILINEAR, false, IMAGENET_NORM }
#define TORCHVISION_V2                                                                                                 \
  { 224, 224, 232, WK_CROP_KEEP, WK_FILTER_BILINEAR, false, IMAGENET_NORM }
#define TORCHVISION_BICUBIC                                                                                            \
  { 224, 224, 256, WK_CROP_KEEP, WK_FILTER_BICUBIC, false, IMAGENET_NORM }
#define TF_LITE                                                                                                        \
  {                                                                                                                    \
    224, 224, 256, WK_CROP_KEEP, WK_FILTER_BICUBIC, false, {127, 127, 127}, { 128, 128, 128 }                          \
  }
/* Keras's "caffe" preprocessing: BGR, the mean taken off, no division. */
#define KERAS_CAFFE                                                                                                    \
  {                                                                                                                    \
    224, 224, 256, WK_CROP_KEEP, WK_FILTER_BILINEAR, true, {103.939f, 116.779f, 123.68f}, { 1, 1, 1 }                  \
  }
#define UNIT_32                                                                                                        \
  {                                                                                                                    \
    32, 32, 32, WK_CROP_CENTER, WK_FILTER_BILINEAR, false, {127.5f, 127.5f, 127.5f}, { 127.5f, 127.5f, 127.5f }        \
  }

#define CIFAR_32                                                                                                       \
  { 32, 32, 32, WK_CROP_SQUASH, WK_FILTER_BICUBIC, false, IMAGENET_NORM, false }

#define ALIASES(...)                                                                                                   \
  (const char *const[]) { __VA_ARGS__, NULL }
#define NO_ALIASES                                                                                                     \
  (const char *const[]) { NULL }
#define TORCHVISION_LICENCE "BSD-3-Clause"
#define TORCHVISION_ORIGIN "torchvision, trained on ImageNet-1k"
/* A file of download.pytorch.org; its name ends in the first 8 digits of its SHA-256. */
#define TORCHVISION(file, sha256, bytes)                                                                               \
  { WK_SOURCE_URL, "https://download.pytorch.org/models/" file, NULL, file, sha256, bytes }

/* Pixels from -1 to 1. */
#define UNIT_NORM                                                                                                      \
  {127.5f, 127.5f, 127.5f}, { 127.5f, 127.5f, 127.5f }
/* A square of `size` from the middle, after the shorter side was made `resize`; then mean and deviation. */
#define CROPPED(size, resize, filter, ...)                                                                             \
  { size, size, resize, WK_CROP_KEEP, WK_FILTER_##filter, false, __VA_ARGS__ }
#define NO_SOURCE                                                                                                      \
  { WK_SOURCE_URL, NULL, NULL, NULL, NULL, 0 }
/* Of ImageNet's thousand classes. */
#define ROW(name_, title_, builder, aliases_, features, params_, macs_)                                                \
  .name = name_, .title = title_, .build = wk_build_##builder, .aliases = aliases_, .class_count = 1000,               \
  .feature_count = features, .params = params_, .macs = macs_

#endif

/* model.h - one file that holds a trained network: backbone (or its name and hash), head, labels, preprocessing,
 * and how it was made. Knows nothing about how heads are fitted. */
#ifndef WHISKER_MODEL_H
#define WHISKER_MODEL_H

#include "whisker/data.h"
#include "whisker/photo_hash.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum wk_head_kind {
  WK_HEAD_LINEAR = 0, /* softmax(W x + b); standardisation is folded into W and b */
  WK_HEAD_KNN,        /* cosine similarity to kept examples */
  WK_HEAD_MEAN        /* nearest class mean, cosine */
} wk_head_kind;

#define WK_HEAD_MAX_K 256

/* Owned by whoever made it; wk_head_free frees the arrays and the struct. */
typedef struct wk_head {
  wk_head_kind kind;
  int class_count, feature_count;
  float *weight;     /* LINEAR [classes, features]; KNN [examples, features], unit length; MEAN [classes, features], unit length */
  float *bias;       /* LINEAR [classes] */
  int *example_label; /* KNN [examples] */
  int examples, k;   /* KNN; k is 1..WK_HEAD_MAX_K; the nearest vote with the softmax of their similarities */
  float temperature; /* scores are divided by it before the softmax; 1 unless calibrated (KNN and MEAN: scale of similarities) */
} wk_head;

WK_API wk_status wk_head_alloc(wk_head **out, wk_head_kind kind, int classes, int features, int examples, wk_error *err) WK_NODISCARD;
WK_API void wk_head_free(wk_head *h);
/* Probabilities [rows, classes] of features [rows, features]; each row sums to 1. The same for any number of threads. */
WK_API void wk_head_predict(float *p, const wk_head *h, const float *features, size_t rows);
/* Of rows first..last-1 of f, which are let go as it goes where they are mapped. */
WK_API void wk_head_predict_features(float *p, const wk_head *h, const wk_features *f, size_t first, size_t last);

typedef struct wk_model {
  wk_backbone *backbone;
  wk_head *head;      /* NULL: the backbone's own classifier; where it has none there are no labels and nothing to predict */
  char **labels;
  int label_count;
  char *recipe;       /* JSON object: how it was trained (settings and results; no times, no machine) */
  wk_photo_set *learned; /* the photos that the head (and a tuned backbone) learned from, 16 bytes each; NULL: not known */
} wk_model;

/* A model from its parts; copies labels and recipe, takes ownership of backbone and head on success. */
WK_API wk_status wk_model_create(wk_model **out, wk_backbone *b, wk_head *head, const char *const *labels, const char *recipe,
                                 wk_error *err) WK_NODISCARD;
WK_API void wk_model_free(wk_model *m);
/* Atomic; the same model gives the same bytes. light: keeps the backbone's name and hash only. */
WK_API wk_status wk_model_save(const wk_model *m, const char *path, bool light, wk_error *err) WK_NODISCARD;
/* `name`: a model file, or a backbone as in wk_backbone_open (then head is NULL and labels are its own classes). A light model opens its
 * backbone through `o` and checks the hash. */
WK_API wk_status wk_model_open(wk_model **out, const char *name, const char *arch, const wk_pull_options *o,
                               const wk_context *ctx, wk_error *err) WK_NODISCARD;
/* Probabilities [f->rows, label_count] for photos, through the feature cache. *f tells which photos the rows belong to. */
WK_API wk_status wk_model_predict(float **p, wk_features **f, const wk_model *m, const char *const *path, size_t photos,
                                  const wk_features_options *o, const wk_context *ctx, wk_error *err) WK_NODISCARD;

/* WK_ERR_UNSUPPORTED, with what to do, for a network without classes. */
WK_API wk_status wk_model_check_classes(const wk_model *m, wk_error *err) WK_NODISCARD;

/* The class that `name` means: a label of the model (any case), its index, or for ImageNet's classes a WordNet id or
 * any synonym. WK_ERR_NOT_FOUND suggests the labels that share a word with it, or are spelt most like it;
 * WK_ERR_UNSUPPORTED for a network without classes. */
WK_API wk_status wk_model_class(int *out, const wk_model *m, const char *name, wk_error *err) WK_NODISCARD;
/* The classes that "any KIND" means ("any cat", by wk_imagenet_kind) into `out`, which has room for all labels. *count 0: `name` does not
 * begin with "any ", and wk_model_class knows what it is. WK_ERR_NOT_FOUND: no such kind, or the classes are not ImageNet's. */
WK_API wk_status wk_model_kind(int *out, int *count, const wk_model *m, const char *name, wk_error *err) WK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif

/* model.c - a trained network in memory: made from its parts, and asked about photos. */
#include <math.h>
#include <string.h>

#include "base/softmax.h"
#include "formats/json.h"
#include "model/model.h"

wk_status wk_model_no_classes(const wk_model *m, wk_error *err) {
  return WK_FAIL(err, WK_ERR_UNSUPPORTED,
                 "these weights of %s have no classifier, so no classes: train a head for them",
                 m->backbone->arch->name);
}

wk_status wk_model_check_classes(const wk_model *m, wk_error *err) {
  return m->label_count < 1 ? wk_model_no_classes(m, err) : WK_OK;
}

static wk_status check_parts(const wk_backbone *b, const wk_head *head, const char *recipe, wk_error *err) {
  if (head && head->feature_count != b->arch->feature_count)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "the head expects %d features; %s gives %d", head->feature_count,
                   b->arch->name, b->arch->feature_count);
  if (head)
    WK_RETURN_IF_ERROR(wk_head_validate(head, err));
  json_t *value = NULL;
  WK_RETURN_IF_ERROR(wk_json_parse(&value, recipe, strlen(recipe), "the recipe", err));
  bool object = json_is_object(value);
  json_decref(value);
  return object ? WK_OK : WK_FAIL(err, WK_ERR_FORMAT, "the recipe is not a JSON object");
}

/* Labels are printed and become names of folders; a file from elsewhere must not steer a terminal with them. */
static wk_status check_labels(const char *const *labels, int n, wk_error *err) {
  for (int i = 0; i < n; i++)
    for (const char *c = labels[i]; *c; c++)
      if ((unsigned char)*c < 0x20 || *c == 0x7f)
        return WK_FAIL(err, WK_ERR_FORMAT, "the name of class %d, \"%.100s\", holds control characters", i, labels[i]);
  return WK_OK;
}

/* The name of class `i` of a backbone's own classifier. */
static char *own_label(const wk_backbone *b, int i) {
  const char *name = b->labels                                                   ? b->labels[i]
                     : b->arch->labels && b->arch->class_count == b->class_count ? b->arch->labels[i]
                     : b->class_count == WK_IMAGENET_CLASSES                     ? wk_imagenet_label(i)
                     : b->class_count == WK_IMAGENET_CLASSES + 1 ? i ? wk_imagenet_label(i - 1) : "background"
                                                                 : NULL; /* TensorFlow's have one more, the first */
  return name ? wk_strdup(name) : wk_asprintf("class %d", i);
}

wk_status wk_model_create(wk_model **out, wk_backbone *b, wk_head *head, const char *const *labels, const char *recipe,
                          wk_error *err) {
  wk_status st = WK_OK;
  int n = head ? head->class_count : b->class_count;
  wk_model *m = NULL;
  if (!recipe)
    recipe = "{}";
  WK_FAIL_IF(head && !labels, err, WK_ERR_ARGUMENT, "a head needs labels");
  WK_TRY(check_parts(b, head, recipe, err));
  if (labels)
    WK_TRY(check_labels(labels, n, err));
  m = wk_calloc(1, sizeof *m);
  WK_FAIL_IF(!m, err, WK_ERR_MEMORY, "not enough memory for a model");
  m->recipe = wk_strdup(recipe);
  m->labels = wk_calloc((size_t)n, sizeof *m->labels);
  WK_FAIL_IF(!m->recipe || !m->labels, err, WK_ERR_MEMORY, "not enough memory for a model");
  for (; m->label_count < n; m->label_count++) {
    char **label = &m->labels[m->label_count];
    *label = labels ? wk_strdup(labels[m->label_count]) : own_label(b, m->label_count);
    WK_FAIL_IF(!*label, err, WK_ERR_MEMORY, "not enough memory for %d labels", n);
  }
  m->backbone = b;
  m->head = head;
  *out = m;
  m = NULL;
done:
  wk_model_free(m);
  return st;
}

void wk_model_free(wk_model *m) {
  if (!m)
    return;
  for (int i = 0; i < m->label_count; i++)
    wk_free(m->labels[i]);
  wk_free(m->labels);
  wk_free(m->recipe);
  wk_photo_set_free(m->learned);
  wk_head_free(m->head);
  wk_backbone_free(m->backbone);
  wk_free(m);
}

static wk_status check_finite(const wk_model *m, const float *row, wk_error *err) {
  for (int c = 0; c < m->label_count; c++)
    if (!isfinite(row[c]))
      return WK_FAIL(err, WK_ERR_FORMAT, "the score of class %d is %g: the weights of %s may be damaged", c,
                     (double)row[c], m->backbone->arch->name);
  return WK_OK;
}

static wk_status check_features(const wk_model *m, const float *row, int columns, wk_error *err) {
  for (int i = 0; i < columns; i++)
    if (!isfinite(row[i]))
      return WK_FAIL(err, WK_ERR_FORMAT, "feature %d is %g: the weights of %s may be damaged", i, (double)row[i],
                     m->backbone->arch->name);
  return WK_OK;
}

wk_status wk_model_predict(float **p, wk_features **f, const wk_model *m, const char *const *path, size_t photos,
                           const wk_features_options *o, const wk_context *ctx, wk_error *err) {
  wk_status st;
  wk_features *found = NULL;
  float *all = NULL;
  size_t cells;
  wk_features_options options;
  if (!m->label_count)
    return wk_model_no_classes(m, err);
  wk_features_options_init(&options);
  if (o)
    options = *o;
  options.layer = m->head ? NULL : "logits";
  WK_TRY(wk_features_compute(&found, m->backbone, path, photos, &options, ctx, err));
  WK_FAIL_IF(found->columns != (m->head ? m->head->feature_count : m->label_count), err, WK_ERR_INTERNAL,
             "%s gives %d columns; the model expects another number", m->backbone->arch->name, found->columns);
  all = wk_mul_overflow(&cells, found->rows, (size_t)m->label_count) ? NULL : wk_alloc_array(cells, sizeof *all);
  WK_FAIL_IF(!all, err, WK_ERR_MEMORY, "not enough memory for the probabilities of %zu photos", found->rows);
  for (size_t r = 0; m->head && r < found->rows; r++)
    WK_TRY(check_features(m, found->row + r * (size_t)found->columns, found->columns, err));
  if (m->head)
    wk_head_predict_features(all, m->head, found, 0, found->rows);
  else
    for (size_t r = 0; r < found->rows; r++) {
      float *row = all + r * (size_t)m->label_count;
      WK_TRY(check_finite(m, found->row + r * (size_t)m->label_count, err));
      memcpy(row, found->row + r * (size_t)m->label_count, (size_t)m->label_count * sizeof *row);
      wk_scores_softmax(row, row, m->label_count, 1);
    }
  *p = all;
  *f = found;
  all = NULL;
  found = NULL;
done:
  wk_free(all);
  wk_features_free(found);
  return st;
}

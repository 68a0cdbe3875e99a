/* model_file.c - a model as one .safetensors file. Metadata "whisker.*" hold everything that is not an array, as text
 * or JSON; tensors "head.*" are the classifier, "backbone.*" the weights its features depend on, under their own names.
 * The file may come from anywhere: what is read is checked before it is believed. */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "formats/json.h"
#include "model/model.h"
#include "zoo/zoo.h"

/* An earlier whisker can read what is float32, of a network that it knows. */
enum { FORMAT_VERSION = 3, PRECISION_VERSION = 2, FLOAT32_VERSION = 1 };

#define KEY_VERSION "whisker.version"
#define KEY_ARCH "whisker.arch"
#define KEY_BACKBONE "whisker.backbone" /* hash of the backbone's weights, hex */
#define KEY_GRAPH "whisker.graph"       /* of a network that no registry knows */
#define KEY_LIGHT "whisker.light"       /* "true": the backbone's weights are not in the file */
#define KEY_FILE "whisker.file"         /* of a light model: where they are, if no registry knows */
#define KEY_FILE_KEY "whisker.file_key" /* and under which key; missing: none */
#define KEY_LABELS "whisker.labels"
#define KEY_PREPROCESS "whisker.preprocess"
#define KEY_HEAD "whisker.head" /* missing: the backbone's own classifier */
#define KEY_RECIPE "whisker.recipe"
#define KEY_PRECISION "whisker.precision" /* missing: float32 */
#define LEARNED_CONTENT "learned.content" /* [photos] what the head learned from; both or none */
#define LEARNED_LOOK "learned.look"
#define BACKBONE "backbone."
#define RANGES "ranges." /* before the names of what int8 needs (wk_plan_options.ranges) */

static const char *const crop_names[] = {
    [WK_CROP_CENTER] = "center", [WK_CROP_SQUASH] = "squash", [WK_CROP_KEEP] = "keep"};
static const char *const filter_names[] = {
    [WK_FILTER_BILINEAR] = "bilinear", [WK_FILTER_BICUBIC] = "bicubic", [WK_FILTER_NEAREST] = "nearest"};
static const char *const kind_names[] = {[WK_HEAD_LINEAR] = "linear", [WK_HEAD_KNN] = "knn", [WK_HEAD_MEAN] = "mean"};
#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))
_Static_assert(COUNT(crop_names) == WK_CROP_KEEP + 1 && COUNT(filter_names) == WK_FILTER_NEAREST + 1 &&
                   COUNT(kind_names) == WK_HEAD_MEAN + 1,
               "every value has a name in the file");

/* ---- writing ---------------------------------------------------------------------------------- */

/* Sets a metadata entry to a text, which it frees. */
static wk_status set_text(wk_tensors *t, const char *key, wk_text *text, wk_error *err) {
  wk_status st = text->failed ? WK_FAIL(err, WK_ERR_MEMORY, "not enough memory for the model's description")
                              : wk_tensors_set_meta(t, key, text->data, err);
  wk_text_free(text);
  return st;
}

/* Sets a metadata entry to a JSON value, which it frees; NULL means there was no memory to make it. */
static wk_status set_json(wk_tensors *t, const char *key, json_t *value, wk_error *err) {
  wk_text text = {.failed = !value};
  if (value)
    wk_json_add(&text, value);
  json_decref(value);
  return set_text(t, key, &text, err);
}

static wk_status set_labels(wk_tensors *t, const wk_model *m, wk_error *err) {
  wk_text text = {0};
  wk_status st = WK_OK;
  for (int i = 0; i < m->label_count && st == WK_OK; i++) {
    wk_text_append(&text, i ? "," : "[", 1);
    st = wk_json_add_string(&text, m->labels[i], err);
  }
  wk_text_append(&text, "]", 1);
  if (st == WK_OK)
    return set_text(t, KEY_LABELS, &text, err);
  wk_text_free(&text);
  return st;
}

static json_t *pack_preprocess(const wk_preprocess *p) {
  json_t *packed =
      json_pack("{s:i,s:i,s:i,s:s,s:s,s:s,s:[f,f,f],s:[f,f,f]}", "width", p->width, "height", p->height, "resize",
                p->resize, "crop", crop_names[p->rule], "filter", filter_names[p->filter], "channels",
                p->grey  ? "grey"
                : p->bgr ? "bgr"
                         : "rgb",
                "mean", (double)p->mean[0], (double)p->mean[1], (double)p->mean[2], "std", (double)p->std[0],
                (double)p->std[1], (double)p->std[2]);
  if (packed && p->srgb && json_object_set_new(packed, "srgb", json_true()) != 0) {
    json_decref(packed);
    return NULL;
  }
  return packed;
}

static json_t *pack_head(const wk_head *h) {
  json_t *head = json_pack("{s:s,s:f}", "kind", kind_names[h->kind], "temperature", (double)h->temperature);
  if (head && h->kind == WK_HEAD_KNN && json_object_set_new(head, "k", json_integer(h->k)) != 0) {
    json_decref(head);
    return NULL;
  }
  return head;
}

static wk_status set_graph(wk_tensors *t, const wk_model *m, wk_error *err) {
  char *text = NULL;
  WK_RETURN_IF_ERROR(wk_graph_to_json(&text, m->backbone->graph, !m->head, err));
  wk_status st = wk_tensors_set_meta(t, KEY_GRAPH, text, err);
  wk_free(text);
  return st;
}

static wk_status set_description(wk_tensors *t, const wk_model *m, bool light, wk_error *err) {
  char version[16], hash[2 * WK_SHA256_BYTES + 1];
  snprintf(version, sizeof version, "%d",
           m->backbone->own_arch || m->backbone->preprocess.grey || m->backbone->preprocess.srgb ? FORMAT_VERSION
           : m->backbone->precision == WK_PRECISION_FLOAT32                                      ? FLOAT32_VERSION
                                                                                                 : PRECISION_VERSION);
  uint8_t bytes[WK_SHA256_BYTES];
  WK_RETURN_IF_ERROR(wk_backbone_hash(bytes, m->backbone, err));
  wk_hex(hash, bytes, sizeof bytes);
  WK_RETURN_IF_ERROR(wk_tensors_set_meta(t, KEY_VERSION, version, err));
  WK_RETURN_IF_ERROR(wk_tensors_set_meta(t, KEY_ARCH, m->backbone->arch->name, err));
  WK_RETURN_IF_ERROR(wk_tensors_set_meta(t, KEY_BACKBONE, hash, err));
  WK_RETURN_IF_ERROR(wk_tensors_set_meta(t, KEY_LIGHT, light ? "true" : "false", err));
  if (light && m->backbone->file) {
    WK_RETURN_IF_ERROR(wk_tensors_set_meta(t, KEY_FILE, m->backbone->file, err));
    if (m->backbone->file_key)
      WK_RETURN_IF_ERROR(wk_tensors_set_meta(t, KEY_FILE_KEY, m->backbone->file_key, err));
  } else if (light && m->backbone->own_arch) {
    return WK_FAIL(err, WK_ERR_ARGUMENT, "the network %s is in no file of its own, so the model cannot be without it",
                   m->backbone->arch->name);
  }
  WK_RETURN_IF_ERROR(wk_tensors_set_meta(t, KEY_RECIPE, m->recipe, err));
  WK_RETURN_IF_ERROR(set_labels(t, m, err));
  if (m->backbone->own_arch)
    WK_RETURN_IF_ERROR(set_graph(t, m, err));
  if (m->backbone->precision != WK_PRECISION_FLOAT32)
    WK_RETURN_IF_ERROR(wk_tensors_set_meta(t, KEY_PRECISION, wk_precision_name(m->backbone->precision), err));
  if (m->head)
    WK_RETURN_IF_ERROR(set_json(t, KEY_HEAD, pack_head(m->head), err));
  return set_json(t, KEY_PREPROCESS, pack_preprocess(&m->backbone->preprocess), err);
}

static wk_status add_head(wk_tensors *t, const wk_head *h, wk_error *err) {
  bool knn = h->kind == WK_HEAD_KNN;
  int64_t rows = knn ? h->examples : h->class_count;
  wk_tensor weight = {.name = "head.weight", .ndim = 2, .shape = {rows, h->feature_count}, .data = h->weight};
  wk_tensor bias = {.name = "head.bias", .ndim = 1, .shape = {rows}, .data = h->bias};
  wk_tensor label = {
      .name = "head.example_label", .dtype = WK_I32, .ndim = 1, .shape = {rows}, .data = h->example_label};
  weight.bytes = (size_t)rows * (size_t)h->feature_count * sizeof *h->weight;
  bias.bytes = label.bytes = (size_t)rows * 4;
  WK_RETURN_IF_ERROR(wk_tensors_add_view(t, &weight, err));
  if (h->kind == WK_HEAD_LINEAR)
    WK_RETURN_IF_ERROR(wk_tensors_add_view(t, &bias, err));
  return knn ? wk_tensors_add_view(t, &label, err) : WK_OK;
}

/* Views: the names are copied, the numbers stay where they are. */
static wk_status add_ranges(wk_tensors *t, const wk_backbone *b, wk_error *err) {
  wk_status st = WK_OK;
  for (size_t i = 0; b->ranges && b->precision != WK_PRECISION_FLOAT32 && i < wk_tensors_size(b->ranges); i++) {
    wk_tensor one = *wk_tensors_at(b->ranges, i);
    char *name = wk_asprintf(RANGES "%s", one.name);
    if (!name)
      return WK_FAIL(err, WK_ERR_MEMORY, "not enough memory for a model");
    one.name = name;
    st = wk_tensors_add_view(t, &one, err);
    wk_free(name);
    if (st != WK_OK)
      break;
  }
  return st;
}

/* 8 bytes of each photo's content, and 8 of its look, in the order of contents: the same photos give the same bytes. */
static wk_status add_learned(wk_tensors *t, const wk_photo_set *learned, wk_error *err) {
  wk_status st = WK_OK;
  const size_t n = wk_photo_set_size(learned);
  if (!learned)
    return WK_OK;
  int64_t *half = wk_alloc_array(n + 1, sizeof *half);
  WK_FAIL_IF(!half, err, WK_ERR_MEMORY, "not enough memory for a model");
  for (int look = 0; look < 2; look++) {
    for (size_t i = 0; i < n; i++) {
      const wk_photo_hash *h = wk_photo_set_at(learned, i);
      half[i] = (int64_t)(look ? h->look : h->content);
    }
    wk_tensor one = {.name = look ? LEARNED_LOOK : LEARNED_CONTENT,
                     .dtype = WK_I64,
                     .ndim = 1,
                     .shape = {(int64_t)n},
                     .data = half,
                     .bytes = n * sizeof *half};
    WK_TRY(wk_tensors_add(t, &one, err));
  }
done:
  wk_free(half);
  return st;
}

wk_status wk_model_save(const wk_model *m, const char *path, bool light, wk_error *err) {
  wk_status st = WK_OK;
  wk_tensors *t = NULL, *backbone = NULL;
  const wk_graph *g = m->backbone->graph;

  WK_FAIL_IF(!m->label_count, err, WK_ERR_ARGUMENT, "%s: a network without classes cannot be saved as a model", path);
  WK_TRY(wk_preprocess_validate(&m->backbone->preprocess, err));
  WK_TRY(wk_tensors_create(&t, err));
  WK_TRY(set_description(t, m, light, err));
  if (m->head)
    WK_TRY(add_head(t, m->head, err));
  WK_TRY(add_ranges(t, m->backbone, err));
  WK_TRY(add_learned(t, m->learned, err));
  if (!light) {
    wk_node last = m->head ? wk_graph_features(g) : wk_graph_logits(g);
    WK_TRY(wk_backbone_subset(&backbone, g, m->backbone->weights, last, BACKBONE, err));
    for (size_t i = 0; i < wk_tensors_size(backbone); i++)
      WK_TRY(wk_tensors_add_view(t, wk_tensors_at(backbone, i), err));
  }
  WK_TRY(wk_safetensors_write(path, t, err));
done:
  wk_tensors_free(t);
  wk_tensors_free(backbone);
  return st;
}

/* ---- reading ---------------------------------------------------------------------------------- */

static wk_status get_meta(const char **out, const wk_tensors *t, const char *key, wk_error *err) {
  const char *value = wk_tensors_meta(t, key);
  if (!value)
    return WK_FAIL(err, WK_ERR_FORMAT, "a whisker model without %s: it is damaged", key);
  *out = value;
  return WK_OK;
}

static wk_status get_json(json_t **out, const wk_tensors *t, const char *key, wk_error *err) {
  const char *text = NULL;
  WK_RETURN_IF_ERROR(get_meta(&text, t, key, err));
  return wk_json_parse(out, text, strlen(text), key, err);
}

/* Which of `names` a JSON string is; -1: none. */
static int which(const json_t *value, const char *const *names, int count) {
  const char *s = json_string_value(value);
  for (int i = 0; s && i < count; i++)
    if (strcmp(s, names[i]) == 0)
      return i;
  return -1;
}

static wk_status check_version(const wk_tensors *t, wk_error *err) {
  const char *text = NULL;
  WK_RETURN_IF_ERROR(get_meta(&text, t, KEY_VERSION, err));
  size_t digits = strspn(text, "0123456789");
  if (!digits || text[digits])
    return WK_FAIL(err, WK_ERR_FORMAT, "%s is not a number: the file is damaged", KEY_VERSION);
  unsigned long version = strtoul(text, NULL, 10); /* too many digits give ULONG_MAX: also later */
  if (version > FORMAT_VERSION)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED,
                   "made by a later whisker (format %.20s; this one reads up to %d): update whisker", text,
                   FORMAT_VERSION);
  return version ? WK_OK : WK_FAIL(err, WK_ERR_FORMAT, "%s is 0: the file is damaged", KEY_VERSION);
}

static bool read_int(int *out, const json_t *object, const char *key) {
  const json_t *value = json_object_get(object, key);
  json_int_t n = json_integer_value(value);
  if (!json_is_integer(value) || n < INT_MIN || n > INT_MAX)
    return false;
  *out = (int)n;
  return true;
}

static bool read_three(float out[3], const json_t *array) {
  if (json_array_size(array) != 3)
    return false;
  for (size_t i = 0; i < 3; i++) {
    const json_t *value = json_array_get(array, i);
    if (!json_is_number(value))
      return false;
    double x = json_number_value(value);
    if (!(fabs(x) <= 3e38))
      return false;
    out[i] = (float)x;
  }
  return true;
}

static wk_status read_preprocess(wk_preprocess *p, const wk_tensors *t, wk_error *err) {
  json_t *value = NULL;
  WK_RETURN_IF_ERROR(get_json(&value, t, KEY_PREPROCESS, err));
  static const char *const orders[] = {"rgb", "bgr", "grey"};
  int crop = which(json_object_get(value, "crop"), crop_names, COUNT(crop_names));
  int filter = which(json_object_get(value, "filter"), filter_names, COUNT(filter_names));
  int order = which(json_object_get(value, "channels"), orders, COUNT(orders));
  bool ok = read_int(&p->width, value, "width") && read_int(&p->height, value, "height") &&
            read_int(&p->resize, value, "resize") && read_three(p->mean, json_object_get(value, "mean")) &&
            read_three(p->std, json_object_get(value, "std")) && crop >= 0 && filter >= 0 && order >= 0;
  p->srgb = json_is_true(json_object_get(value, "srgb"));
  json_decref(value);
  if (!ok)
    return WK_FAIL(err, WK_ERR_FORMAT, "%s does not say how photos are prepared: the file is damaged", KEY_PREPROCESS);
  p->rule = (wk_crop_rule)crop;
  p->filter = (wk_filter)filter;
  p->bgr = order == 1;
  p->grey = order == 2;
  return wk_preprocess_validate(p, err);
}

/* The labels as strings of `array`, which owns them; the list itself is the caller's. */
static wk_status read_labels(const char ***out, size_t *count, json_t *array, wk_error *err) {
  size_t n = json_array_size(array);
  if (!n || n > INT_MAX)
    return WK_FAIL(err, WK_ERR_FORMAT, "%s lists no classes: the file is damaged", KEY_LABELS);
  const char **labels = wk_alloc_array(n, sizeof *labels);
  if (!labels)
    return WK_FAIL(err, WK_ERR_MEMORY, "not enough memory for %zu labels", n);
  for (size_t i = 0; i < n; i++)
    if (!(labels[i] = json_string_value(json_array_get(array, i)))) {
      wk_free(labels);
      return WK_FAIL(err, WK_ERR_FORMAT, "%s holds something that is no name: the file is damaged", KEY_LABELS);
    }
  *out = labels;
  *count = n;
  return WK_OK;
}

/* Copies a tensor of the head, if it has the type and shape that it must have. */
static wk_status copy_tensor(void *out, const wk_tensors *t, const char *name, wk_dtype dtype, int64_t rows,
                             int64_t columns, wk_error *err) {
  const wk_tensor *found = wk_tensors_find(t, name);
  int ndim = columns ? 2 : 1;
  if (!found || found->dtype != dtype || found->ndim != ndim || found->shape[0] != rows ||
      (columns && found->shape[1] != columns))
    return WK_FAIL(err, WK_ERR_FORMAT, "tensor %s is missing or of another shape than the classes ask for", name);
  memcpy(out, found->data, found->bytes);
  return WK_OK;
}

static wk_status read_head(wk_head **out, const wk_tensors *t, size_t classes, wk_error *err) {
  wk_status st;
  wk_head *h = NULL;
  json_t *value = NULL;
  const wk_tensor *weight = wk_tensors_find(t, "head.weight");

  WK_TRY(get_json(&value, t, KEY_HEAD, err));
  int kind = which(json_object_get(value, "kind"), kind_names, COUNT(kind_names));
  bool knn = kind == WK_HEAD_KNN;
  /* Its size is known from the tensor, which lies in the file: nothing larger than the file is allocated. */
  WK_FAIL_IF(kind < 0 || !weight || weight->ndim != 2 || weight->shape[0] < 1 || weight->shape[0] > INT_MAX ||
                 weight->shape[1] < 1 || weight->shape[1] > INT_MAX || (!knn && weight->shape[0] != (int64_t)classes),
             err, WK_ERR_FORMAT, "the head does not fit its %zu classes: the file is damaged", classes);
  int rows = (int)weight->shape[0], features = (int)weight->shape[1];
  WK_TRY(wk_head_alloc(&h, (wk_head_kind)kind, (int)classes, features, knn ? rows : 0, err));
  h->temperature = (float)json_number_value(json_object_get(value, "temperature"));
  WK_FAIL_IF(knn && !read_int(&h->k, value, "k"), err, WK_ERR_FORMAT, "%s has no k: the file is damaged", KEY_HEAD);
  WK_TRY(copy_tensor(h->weight, t, "head.weight", WK_F32, rows, features, err));
  if (h->bias)
    WK_TRY(copy_tensor(h->bias, t, "head.bias", WK_F32, rows, 0, err));
  if (knn)
    WK_TRY(copy_tensor(h->example_label, t, "head.example_label", WK_I32, rows, 0, err));
  WK_TRY(wk_head_validate(h, err));
  *out = h;
  h = NULL;
done:
  wk_head_free(h);
  json_decref(value);
  return st;
}

/* NULL where the file does not say. */
static wk_status read_learned(wk_photo_set **out, const wk_tensors *t, wk_error *err) {
  const wk_tensor *content = wk_tensors_find(t, LEARNED_CONTENT), *look = wk_tensors_find(t, LEARNED_LOOK);
  if (!content && !look)
    return WK_OK;
  if (!content || !look || content->dtype != WK_I64 || look->dtype != WK_I64 || content->ndim != 1 || look->ndim != 1 ||
      content->shape[0] != look->shape[0])
    return WK_FAIL(err, WK_ERR_FORMAT, "what it learned from is not two lists of one length: the file is damaged");
  const size_t n = (size_t)content->shape[0];
  wk_photo_hash *hash = wk_alloc_array(n + 1, sizeof *hash);
  if (!hash)
    return WK_FAIL(err, WK_ERR_MEMORY, "not enough memory for a model");
  for (size_t i = 0; i < n; i++) {
    memcpy(&hash[i].content, (const char *)content->data + 8 * i, 8);
    memcpy(&hash[i].look, (const char *)look->data + 8 * i, 8);
  }
  wk_status st = wk_photo_set_create(out, hash, n, err);
  wk_free(hash);
  return st;
}

/* The backbone from the file itself, or of a light model from the registry. *t is handed over when it is used. */
/* What the features are computed in; the ranges are copied, since a mapped file may go. */
static wk_status read_precision(wk_precision *out, wk_tensors **ranges, const wk_tensors *t, wk_error *err) {
  const char *name = wk_tensors_meta(t, KEY_PRECISION);
  int at = 0;
  while (name && at < WK_PRECISION_COUNT && strcmp(name, wk_precision_name((wk_precision)at)) != 0)
    at++;
  if (at == WK_PRECISION_COUNT)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "its features are of precision \"%.20s\", which this whisker does not know",
                   name);
  *out = (wk_precision)at;
  if (*out != WK_PRECISION_INT8)
    return WK_OK;
  WK_RETURN_IF_ERROR(wk_tensors_create(ranges, err));
  for (size_t i = 0; i < wk_tensors_size(t); i++) {
    wk_tensor one = *wk_tensors_at(t, i);
    if (strncmp(one.name, RANGES, sizeof RANGES - 1) != 0)
      continue;
    one.name += sizeof RANGES - 1;
    WK_RETURN_IF_ERROR(wk_tensors_add(*ranges, &one, err));
  }
  return WK_OK;
}

static void release_whole(void *t) { wk_tensors_free(t); }
static void release_pages(void *t) { wk_tensors_release_pages(t); }

/* The network that the file describes itself; takes the tensors on success. */
static wk_status backbone_of_graph(wk_backbone **out, wk_tensors *t, const char *name, const char *text,
                                   const wk_preprocess *p, wk_error *err) {
  wk_graph *g = NULL;
  wk_tensors *weights = NULL;
  const char *dash = strrchr(name, '-');
  char *kind = wk_strndup(name, dash ? (size_t)(dash - name) : strlen(name));
  wk_status st = WK_OK;
  WK_FAIL_IF(!kind, err, WK_ERR_MEMORY, "not enough memory for a model");
  WK_TRY(wk_graph_from_json(&g, text, err));
  WK_TRY(wk_tensors_create(&weights, err));
  for (size_t i = 0; i < wk_tensors_size(t); i++) {
    wk_tensor one = *wk_tensors_at(t, i);
    if (strncmp(one.name, BACKBONE, sizeof BACKBONE - 1) != 0)
      continue;
    one.name += sizeof BACKBONE - 1;
    WK_TRY(wk_tensors_add_view(weights, &one, err));
  }
  WK_TRY(wk_backbone_from_graph(out, g, weights, kind, p, err));
  g = NULL;
  weights = NULL;
  st = wk_tensors_keep((*out)->weights, release_whole, release_pages, t, err);
  if (st != WK_OK) {
    wk_backbone_free(*out);
    *out = NULL;
  }
done:
  wk_graph_free(g);
  wk_tensors_free(weights);
  wk_free(kind);
  return st;
}

/* The weight file that a light model was made with: where it was, or beside the model at `path`. */
static wk_status open_kept_file(wk_backbone **out, const wk_tensors *t, const char *path, const wk_arch *arch,
                                const wk_pull_options *o, const wk_context *ctx, wk_error *err) {
  const char *file = wk_tensors_meta(t, KEY_FILE), *slash = strrchr(path, '/');
  wk_pull_options plain;
  wk_pull_options_init(&plain);
  if (o)
    plain = *o;
  plain.pixels = plain.labels = NULL; /* the model says both */
  plain.weights_key = wk_tensors_meta(t, KEY_FILE_KEY);
  char *beside = wk_asprintf("%.*s%s", slash ? (int)(slash - path + 1) : 0, path, wk_path_base(file));
  if (!beside)
    return WK_FAIL(err, WK_ERR_MEMORY, "not enough memory for a model");
  const char *from = wk_path_exists(file) ? file : wk_path_exists(beside) ? beside : NULL;
  wk_context quiet;
  wk_context_init(&quiet);
  if (ctx)
    quiet = *ctx;
  quiet.warn = NULL; /* it was told when the model was made */
  wk_status st =
      from ? wk_backbone_open(out, from, arch ? arch->name : NULL, &plain, &quiet, err)
           : WK_FAIL(err, WK_ERR_NOT_FOUND,
                     "was saved without the weights of its network, which were in %s, and they are not there any more, "
                     "nor beside the model: put %s beside it, or train again without --head-only",
                     file, wk_path_base(file));
  wk_free(beside);
  return st;
}

static wk_status read_backbone(wk_backbone **out, wk_tensors **t, const char *path, const wk_pull_options *o,
                               const wk_context *ctx, wk_error *err) {
  const char *name = NULL, *light = NULL, *hash = NULL;
  uint8_t bytes[WK_SHA256_BYTES];
  char found[2 * WK_SHA256_BYTES + 1];
  wk_backbone *b = NULL;
  wk_preprocess p = {0};
  wk_precision precision = WK_PRECISION_FLOAT32;
  wk_tensors *ranges = NULL;
  WK_RETURN_IF_ERROR(get_meta(&name, *t, KEY_ARCH, err));
  WK_RETURN_IF_ERROR(get_meta(&light, *t, KEY_LIGHT, err));
  WK_RETURN_IF_ERROR(get_meta(&hash, *t, KEY_BACKBONE, err));
  WK_RETURN_IF_ERROR(read_preprocess(&p, *t, err));
  const char *graph = wk_tensors_meta(*t, KEY_GRAPH);
  const wk_arch *arch = graph ? NULL : wk_arch_find(name);
  if (!arch && !graph)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED,
                   "made with the network %.64s, which this whisker does not know: update whisker", name);
  bool is_light = strcmp(light, "true") == 0;
  char *expected = wk_strdup(hash); /* lives on when the tensors are handed over */
  if (!expected)
    return WK_FAIL(err, WK_ERR_MEMORY, "not enough memory for a model");
  wk_status st = read_precision(&precision, &ranges, *t, err);
  if (st == WK_OK && is_light && wk_tensors_meta(*t, KEY_FILE))
    st = open_kept_file(&b, *t, path, arch, o, ctx, err);
  else if (st == WK_OK && graph)
    st = backbone_of_graph(&b, *t, name, graph, &p, err);
  else if (st == WK_OK)
    st = is_light ? wk_backbone_open(&b, arch->name, NULL, o, ctx, err) : wk_backbone_from(&b, arch, *t, err);
  if (st == WK_OK && !is_light)
    *t = NULL;
  if (st == WK_OK)
    st = wk_backbone_hash(bytes, b, err);
  if (st == WK_OK) {
    wk_hex(found, bytes, sizeof bytes);
    b->preprocess = p;
    b->precision = precision;
    b->ranges = ranges;
    ranges = NULL;
    if (strcmp(found, expected) != 0)
      st = WK_FAIL(
          err, WK_ERR_FORMAT,
          is_light ? "the head was trained on weights %.16s of %s, but those here are %.16s: give it the right ones, "
                     "or save the model whole"
                   : "its backbone's weights should have the hash %.16s of %s, but have %.16s: the file is damaged",
          expected, b->arch->name, found);
  }
  wk_tensors_free(ranges);
  wk_free(expected);
  if (st == WK_OK)
    *out = b;
  else
    wk_backbone_free(b);
  return st;
}

wk_status wk_model_is_file(bool *out, const char *path, wk_error *err) {
  wk_file_view view;
  wk_tensors *t = NULL;
  *out = false;
  if (wk_file_map(&view, path, NULL) != WK_OK)
    return WK_OK;
  wk_status st = WK_OK;
  if (wk_weights_sniff(view.data, view.size) == WK_WEIGHTS_SAFETENSORS)
    st = wk_safetensors_parse(&t, view.data, view.size, err);
  *out = t && wk_tensors_meta(t, KEY_VERSION);
  wk_tensors_free(t);
  wk_file_unmap(&view);
  return st == WK_ERR_MEMORY ? st : WK_OK;
}

wk_status wk_model_read(wk_model **out, const char *path, const wk_pull_options *o, const wk_context *ctx,
                        wk_error *err) {
  wk_status st;
  wk_tensors *t = NULL;
  wk_backbone *b = NULL;
  wk_head *head = NULL;
  json_t *label_array = NULL;
  const char **labels = NULL, *text = NULL;
  char *recipe = NULL;
  size_t classes = 0;
  wk_photo_set *learned = NULL;

  WK_RETURN_IF_ERROR(wk_weights_open(&t, path, err)); /* its message has the path already */
  WK_TRY(check_version(t, err));
  WK_TRY(get_json(&label_array, t, KEY_LABELS, err));
  WK_TRY(read_labels(&labels, &classes, label_array, err));
  if (wk_tensors_meta(t, KEY_HEAD))
    WK_TRY(read_head(&head, t, classes, err));
  WK_TRY(get_meta(&text, t, KEY_RECIPE, err));
  recipe = wk_strdup(text);
  WK_FAIL_IF(!recipe, err, WK_ERR_MEMORY, "not enough memory for a model");
  WK_TRY(read_learned(&learned, t, err));
  WK_TRY(read_backbone(&b, &t, path, o, ctx, err));
  WK_FAIL_IF(!head && (size_t)b->class_count != classes, err, WK_ERR_FORMAT,
             "%zu labels for a network of %d classes: the file is damaged", classes, b->class_count);
  WK_TRY(wk_model_create(out, b, head, labels, recipe, err));
  (*out)->learned = learned;
  learned = NULL;
  b = NULL;
  head = NULL;
done:
  if (st != WK_OK)
    st = wk_error_prefix(err, st, "%s", path);
  wk_backbone_free(b);
  wk_head_free(head);
  wk_tensors_free(t);
  wk_photo_set_free(learned);
  wk_free(labels);
  wk_free(recipe);
  json_decref(label_array);
  return st;
}

/* keras_files.c - where Keras' networks lie: whole .h5 files, .keras archives, and TensorFlow.js's model.json with its
 * weights beside it. Each gives keras.c the description and a way to find a layer's weights. */
#include <string.h>

#include "formats/formats.h"
#include "formats/hdf5.h"
#include "formats/json.h"
#include "formats/zip.h"
#include "import/keras.h"

enum { MOST_DATASETS = 1 << 16, MOST_PATH = 1000, MOST_DEPTH = 24 };

/* ---- weights in an HDF5 file ------------------------------------------------------------------------- */

typedef struct h5_weights {
  const wk_h5 *h;
  struct h5_entry {
    char *path; /* "conv1/conv1/kernel:0" */
    uint64_t object;
  } * entry;
  size_t count, room;
  /* While the groups are walked: */
  char path[MOST_PATH + 300];
  size_t length;
  int depth, steps;
} h5_weights;

static void h5_free(h5_weights *w) {
  for (size_t i = 0; i < w->count; i++)
    wk_free(w->entry[i].path);
  wk_free(w->entry);
}

static wk_status h5_add(h5_weights *w, uint64_t object, wk_error *err) {
  if (w->count == w->room) {
    const size_t room = w->room ? 2 * w->room : 256;
    struct h5_entry *grown = wk_grow(w->entry, w->count * sizeof *grown, room * sizeof *grown);
    if (!grown)
      return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a network");
    w->entry = grown;
    w->room = room;
  }
  char *path = wk_strdup(w->path);
  if (!path)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a network");
  w->entry[w->count++] = (struct h5_entry){path, object};
  return WK_OK;
}

static wk_status h5_visit(void *user, const char *name, uint64_t object, wk_error *err) {
  h5_weights *w = user;
  const size_t before = w->length, n = strlen(name);
  if (before + n + 1 > MOST_PATH || w->depth > MOST_DEPTH || w->steps++ > MOST_DATASETS)
    return WK_FAIL(err, WK_ERR_FORMAT, "the HDF5 file is broken (groups without an end); fetch it again");
  w->length += (size_t)snprintf(w->path + before, sizeof w->path - before, "%s%s", before ? "/" : "", name);
  w->depth++;
  wk_status st = wk_h5_is_dataset(w->h, object) ? h5_add(w, object, err) : wk_h5_each(w->h, object, h5_visit, w, err);
  w->depth--;
  w->length = before;
  w->path[before] = 0;
  return st;
}

/* Does `path` end in that, maybe with ":0" behind it? */
static bool ends_in(const char *path, const char *want) {
  size_t n = strlen(path);
  const size_t m = strlen(want);
  if (n > 2 && path[n - 2] == ':')
    n -= 2;
  return n >= m && memcmp(path + n - m, want, m) == 0 && (n == m || path[n - m - 1] == '/');
}

enum { FULL_NAME = 300 };
static void full_name(char out[FULL_NAME], const wk_keras_variable *v) {
  snprintf(out, FULL_NAME, "%.200s/%.60s", v->layer, v->name);
}

static bool begins_with(const char *path, const char *part) {
  const size_t n = strlen(part);
  return strncmp(path, part, n) == 0 && (path[n] == '/' || !path[n]);
}

static const struct h5_entry *h5_entry_of(const h5_weights *w, const wk_keras_variable *v) {
  const struct h5_entry *any = NULL;
  char place[2][500], full[FULL_NAME];
  full_name(full, v);
  snprintf(place[0], sizeof place[0], "%.400s/vars/%d", *v->trail == '/' ? v->trail + 1 : v->trail, v->index);
  const char *slash = strrchr(v->trail, '/');
  snprintf(place[1], sizeof place[1], "%.*s%.200s/vars/%d", slash ? (int)(slash - v->trail) : 0,
           *v->trail == '/' ? v->trail + 1 : v->trail, v->layer, v->index);
  for (size_t i = 0; i < w->count; i++) {
    const struct h5_entry *e = &w->entry[i];
    if (ends_in(e->path, full)) { /* of models inside, names may repeat: the one under the outermost */
      if (begins_with(e->path, v->outers ? v->outer[0] : v->layer))
        return e;
      any = any ? any : e;
    }
    if (strcmp(e->path, place[0]) == 0)
      return e;
    if (strcmp(e->path, place[1]) == 0) /* which may be another's place: Keras calls layers as it counts them */
      any = any ? any : e;
    if (!v->outers && begins_with(e->path, v->layer) && ends_in(e->path, v->name))
      any = any ? any : e; /* Keras 2.0 numbered anew when it saved: conv2d_1/conv2d_1_1/kernel:0 */
  }
  return any;
}

static wk_status h5_find(int *out, void *user, wk_ir *ir, const wk_keras_variable *v, wk_error *err) {
  const h5_weights *w = user;
  const struct h5_entry *e = h5_entry_of(w, v);
  wk_h5_dataset d;
  wk_ir_value value = {.ndim = -1};
  *out = -1;
  if (!e)
    return WK_OK;
  wk_status st = wk_h5_dataset_open(&d, w->h, e->object, err);
  if (st != WK_OK)
    return wk_error_prefix(err, st, "weight '%.200s'", e->path);
  value.name = ""; /* layers are named by themselves, not by the path of a weight */
  value.ndim = d.ndim;
  value.dtype = d.dtype;
  memcpy(value.shape, d.shape, sizeof value.shape);
  value.data = d.data;
  if (!d.data) {
    void *memory = NULL;
    WK_RETURN_IF_ERROR(wk_ir_alloc(&memory, ir, d.bytes, 1, err));
    st = wk_h5_read(memory, w->h, &d, err);
    if (st != WK_OK)
      return wk_error_prefix(err, st, "weight '%.200s'", e->path);
    value.data = memory;
  }
  return wk_ir_add_value(out, ir, &value, err);
}

static const char *path_at(const void *user, size_t index) { return ((const h5_weights *)user)->entry[index].path; }

static ptrdiff_t number_of(const void *user, const wk_keras_variable *v) {
  const h5_weights *w = user;
  const struct h5_entry *e = h5_entry_of(w, v);
  return e ? e - w->entry : -1;
}

/* The network described by `model`, or (NULL) known by its weights, which lie under `group`. */
static wk_status build_from_h5(wk_ir *ir, const json_t *model, const wk_h5 *h, uint64_t group, wk_error *err) {
  wk_status st = WK_OK;
  json_t *known = NULL;
  const char *network = NULL;
  char format[80];
  h5_weights w = {.h = h};
  const wk_keras_weights find = {&w, h5_find};
  WK_TRY(wk_h5_each(h, group, h5_visit, &w, err));
  if (!model) {
    const wk_keras_names names = {&w, w.count, path_at, number_of};
    WK_TRY(wk_keras_recognise(&known, &network, &names, err));
    snprintf(format, sizeof format, "Keras (weights of %s)", network);
    WK_TRY(wk_ir_text(&ir->format, ir, format, strlen(format), err));
  }
  WK_TRY(wk_keras_build(ir, model ? model : known, &find, err));
done:
  h5_free(&w);
  json_decref(known);
  return st;
}

static wk_status build_described(wk_ir *ir, const char *text, size_t size, const wk_h5 *h, uint64_t group,
                                 wk_error *err) {
  json_t *model = NULL;
  WK_RETURN_IF_ERROR(wk_json_parse(&model, text, size, "the description of the Keras model", err));
  wk_status st = build_from_h5(ir, model, h, group, err);
  json_decref(model);
  return st;
}

/* What whisker's own exports say beside the model: {"labels": [...], "preprocess": {...}}. */
static wk_status read_about(wk_ir *ir, const char *text, size_t size, wk_error *err) {
  json_t *about = NULL;
  wk_text compact = {0};
  wk_status st = WK_OK;
  if (wk_json_parse(&about, text, size, "what is told of a model", NULL) != WK_OK)
    return WK_OK;
  wk_json_add(&compact, json_object_get(about, "preprocess"));
  if (!compact.failed && json_object_get(about, "preprocess"))
    st = wk_ir_text(&ir->prepared, ir, compact.data, compact.len, err);
  wk_text_free(&compact);
  compact = (wk_text){0};
  if (st == WK_OK && json_object_get(about, "labels")) {
    wk_json_add(&compact, json_object_get(about, "labels"));
    st = compact.failed ? WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a network")
                        : wk_labels_guess(ir, compact.data, err);
  }
  wk_text_free(&compact);
  json_decref(about);
  return st;
}

/* ---- .h5 ------------------------------------------------------------------------------------------- */

bool wk_keras_h5_is(const uint8_t *bytes, size_t size) { return wk_h5_is(bytes, size); }

wk_status wk_keras_h5_read(wk_ir *ir, const uint8_t *bytes, size_t size, const char *path, wk_error *err) {
  wk_status st = WK_OK;
  wk_h5 h;
  char *config = NULL, *version = NULL, *maker = NULL, *about = NULL;
  (void)path;
  WK_TRY(wk_h5_open(&h, bytes, size, err));
  WK_TRY(wk_h5_text(&about, &h, h.root, "whisker", err));
  if (about)
    WK_TRY(read_about(ir, about, strlen(about), err));
  WK_TRY(wk_h5_text(&config, &h, h.root, "model_config", err));
  if (!config) {
    WK_TRY(build_from_h5(ir, NULL, &h, h.root, err));
    goto done;
  }
  WK_TRY(wk_h5_text(&version, &h, h.root, "keras_version", err));
  ir->format = "Keras";
  if (version) {
    maker = wk_asprintf("Keras %.20s", version);
    WK_FAIL_IF(!maker, err, WK_ERR_MEMORY, "out of memory for a network");
    WK_TRY(wk_ir_text(&ir->format, ir, maker, strlen(maker), err));
  }
  const uint64_t group = wk_h5_find(&h, h.root, "model_weights", 13);
  WK_FAIL_IF(!group, err, WK_ERR_FORMAT, "a Keras model without its weights");
  WK_TRY(build_described(ir, config, strlen(config), &h, group, err));
done:
  wk_free(config);
  wk_free(version);
  wk_free(maker);
  wk_free(about);
  return st;
}

/* ---- .keras ---------------------------------------------------------------------------------------- */

static const wk_zip_entry *member(const wk_zip *z, const char *name) { return wk_zip_find(z, name, strlen(name)); }

bool wk_keras_zip_is(const uint8_t *bytes, size_t size) {
  wk_zip z = {0};
  if (size < 4 || memcmp(bytes, "PK\3\4", 4) != 0 || wk_zip_open(&z, bytes, size, NULL) != WK_OK)
    return false;
  const bool is = member(&z, "config.json") && member(&z, "model.weights.h5");
  wk_zip_close(&z);
  return is;
}

static wk_status unpack(const uint8_t **out, wk_ir *ir, const wk_zip *z, const wk_zip_entry *e, wk_error *err) {
  if (wk_zip_is_stored(e))
    return wk_zip_view(out, z, e, err);
  void *memory = NULL;
  WK_RETURN_IF_ERROR(wk_ir_alloc(&memory, ir, (size_t)e->size, 1, err));
  *out = memory;
  return wk_zip_unpack(memory, z, e, err);
}

wk_status wk_keras_zip_read(wk_ir *ir, const uint8_t *bytes, size_t size, const char *path, wk_error *err) {
  wk_status st = WK_OK;
  wk_zip z = {0};
  wk_h5 h;
  const uint8_t *config = NULL, *weights = NULL;
  (void)path;
  ir->format = "Keras 3";
  WK_TRY(wk_zip_open(&z, bytes, size, err));
  const wk_zip_entry *c = member(&z, "config.json"), *w = member(&z, "model.weights.h5"),
                     *about = member(&z, "whisker.json");
  if (about && wk_zip_is_stored(about)) {
    const uint8_t *text = NULL;
    WK_TRY(wk_zip_view(&text, &z, about, err));
    WK_TRY(read_about(ir, (const char *)text, (size_t)about->size, err));
  }
  WK_FAIL_IF(!c || !w, err, WK_ERR_FORMAT, "a .keras file without its description or its weights");
  WK_TRY(unpack(&config, ir, &z, c, err));
  WK_TRY(unpack(&weights, ir, &z, w, err));
  WK_TRY(wk_h5_open(&h, weights, (size_t)w->size, err));
  WK_TRY(build_described(ir, (const char *)config, (size_t)c->size, &h, h.root, err));
done:
  wk_zip_close(&z);
  return st;
}

/* ---- TensorFlow.js ----------------------------------------------------------------------------------- */

typedef struct js_weights {
  const json_t *manifest;
  const char *path;  /* of model.json */
  wk_name_map names; /* to values */
} js_weights;

/* All files of a group, one after the other. Their names stay inside the folder. */
static wk_status read_shards(const uint8_t **out, size_t *size, wk_ir *ir, const js_weights *w, const json_t *paths,
                             wk_error *err) {
  enum { MOST_SHARDS = 4096 };
  wk_status st = WK_OK;
  const char *slash = strrchr(w->path, '/');
  char *folder = slash ? wk_strndup(w->path, (size_t)(slash - w->path + 1)) : wk_strdup("./"), *file = NULL;
  const size_t n = json_array_size(paths);
  wk_file_view view = {0};
  uint8_t *all = NULL;
  WK_FAIL_IF(!folder, err, WK_ERR_MEMORY, "out of memory for a network");
  WK_FAIL_IF(n > MOST_SHARDS, err, WK_ERR_FORMAT, "its weights lie in %zu files", n);
  for (int pass = 0; pass < 2; pass++) {
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
      const char *name = json_string_value(json_array_get(paths, i));
      WK_FAIL_IF(!name || *name == '/' || strstr(name, ".."), err, WK_ERR_FORMAT,
                 "names weights outside of its folder");
      file = wk_path_join(folder, name);
      WK_FAIL_IF(!file, err, WK_ERR_MEMORY, "out of memory for a network");
      WK_TRY(wk_file_map(&view, file, err));
      if (pass && view.size <= *size - at)
        memcpy(all + at, view.data, view.size);
      at += view.size;
      wk_file_unmap(&view);
      wk_free(file);
      file = NULL;
    }
    if (!pass) {
      void *memory = NULL;
      *size = at;
      WK_TRY(wk_ir_alloc(&memory, ir, at, 1, err));
      all = memory;
    }
  }
  *out = all;
done:
  wk_free(folder);
  wk_free(file);
  return st;
}

static float half(const uint8_t *p) {
  const wk_tensor t = {.name = "", .dtype = WK_F16, .ndim = 1, .shape = {1}, .data = p, .bytes = 2};
  float f = 0;
  return wk_tensor_to_f32(&f, &t, NULL) == WK_OK ? f : 0;
}

/* One weight at the beginning of `data`; *used is how many bytes it takes. */
static wk_status read_js_weight(size_t *used, js_weights *w, wk_ir *ir, const json_t *one, const uint8_t *data,
                                size_t left, wk_error *err) {
  const char *name = json_string_value(json_object_get(one, "name")),
             *dtype = json_string_value(json_object_get(one, "dtype"));
  const json_t *shape = json_object_get(one, "shape"), *quant = json_object_get(one, "quantization"), *side;
  const char *stored = quant ? json_string_value(json_object_get(quant, "dtype")) : dtype;
  wk_ir_value v = {.dtype = WK_F32};
  size_t i;
  int at = -1;
  if (!name || !dtype || !stored || json_array_size(shape) > WK_MAX_DIMS)
    return WK_FAIL(err, WK_ERR_FORMAT, "a weight without a name, a type or a shape");
  json_array_foreach(shape, i, side) v.shape[v.ndim++] = (int64_t)json_integer_value(side);
  const int64_t count = wk_ir_count(&v);
  const int width = strcmp(stored, "uint8") == 0 || strcmp(stored, "bool") == 0       ? 1
                    : strcmp(stored, "uint16") == 0 || strcmp(stored, "float16") == 0 ? 2
                    : strcmp(stored, "float32") == 0 || strcmp(stored, "int32") == 0  ? 4
                                                                                      : 0;
  if (!width)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "weight '%.100s' is of type %.20s, which whisker does not read", name,
                   stored);
  if (count < 0 || (uint64_t)count > left / (size_t)width)
    return WK_FAIL(err, WK_ERR_FORMAT, "weight '%.100s' reaches beyond its files; are they whole?", name);
  *used = (size_t)count * (size_t)width;
  WK_RETURN_IF_ERROR(wk_ir_text(&v.name, ir, name, strlen(name), err));
  if (width == 4) {
    v.dtype = *stored == 'i' ? WK_I32 : WK_F32;
    v.data = data;
  } else {
    void *memory = NULL;
    const double least = json_number_value(json_object_get(quant, "min")),
                 scale =
                     quant && json_object_get(quant, "scale") ? json_number_value(json_object_get(quant, "scale")) : 1;
    WK_RETURN_IF_ERROR(wk_ir_alloc(&memory, ir, (size_t)count, sizeof(float), err));
    for (int64_t k = 0; k < count; k++)
      ((float *)memory)[k] = *stored == 'f'
                                 ? half(data + 2 * k)
                                 : (float)((double)(width == 1 ? data[k] : wk_le16(data + 2 * k)) * scale + least);
    v.data = memory;
  }
  WK_RETURN_IF_ERROR(wk_ir_add_value(&at, ir, &v, err));
  return wk_name_map_add(&w->names, v.name, at, err);
}

static wk_status read_manifest(js_weights *w, wk_ir *ir, wk_error *err) {
  size_t g, i;
  const json_t *group, *one;
  json_array_foreach(w->manifest, g, group) {
    const uint8_t *data = NULL;
    size_t size = 0, at = 0, used = 0;
    WK_RETURN_IF_ERROR(read_shards(&data, &size, ir, w, json_object_get(group, "paths"), err));
    json_array_foreach(json_object_get(group, "weights"), i, one) {
      WK_RETURN_IF_ERROR(read_js_weight(&used, w, ir, one, data + at, size - at, err));
      at += used;
    }
  }
  return WK_OK;
}

static wk_status js_find(int *out, void *user, wk_ir *ir, const wk_keras_variable *v, wk_error *err) {
  const js_weights *w = user;
  char full[FULL_NAME];
  (void)ir;
  (void)err;
  *out = -1;
  full_name(full, v);
  for (size_t i = 0; i < w->names.room; i++) {
    const struct wk_name_map_entry *e = &w->names.entry[i];
    if (e->name && ends_in(e->name, full)) {
      const bool exact = !v->outers || begins_with(e->name, v->outer[0]) || begins_with(e->name, v->layer);
      if (*out < 0 || exact)
        *out = e->number;
      if (exact)
        break;
    }
  }
  return WK_OK;
}

/* Of Teachable Machine's metadata.json, what whisker's own exports say in the part that is anybody's. */
static wk_status read_metadata(wk_ir *ir, const char *path, wk_error *err) {
  enum { METADATA_LIMIT = 16 << 20 };
  const char *slash = strrchr(path, '/');
  char *file = wk_asprintf("%.*smetadata.json", slash ? (int)(slash - path + 1) : 0, path);
  uint8_t *text = NULL;
  size_t size = 0;
  json_t *all = NULL;
  wk_text inner = {0};
  wk_status st = file ? WK_OK : WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a network");
  if (st == WK_OK && wk_path_exists(file) && wk_file_read(&text, &size, file, METADATA_LIMIT, NULL) == WK_OK &&
      wk_json_parse(&all, (const char *)text, size, "metadata.json", NULL) == WK_OK &&
      json_is_object(json_object_get(all, "userMetadata"))) {
    wk_json_add(&inner, json_object_get(all, "userMetadata"));
    st = inner.failed ? WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a network")
                      : read_about(ir, inner.data, inner.len, err);
  }
  wk_text_free(&inner);
  json_decref(all);
  wk_free(text);
  wk_free(file);
  return st;
}

bool wk_tfjs_is(const uint8_t *bytes, size_t size) {
  size_t i = 0;
  while (i < size && i < 64 && (bytes[i] == ' ' || bytes[i] == '\n' || bytes[i] == '\r' || bytes[i] == '\t'))
    i++;
  return i < size && bytes[i] == '{' && memmem(bytes, size, "\"weightsManifest\"", 17) &&
         memmem(bytes, size, "\"modelTopology\"", 15);
}

wk_status wk_tfjs_read(wk_ir *ir, const uint8_t *bytes, size_t size, const char *path, wk_error *err) {
  wk_status st = WK_OK;
  json_t *all = NULL;
  js_weights w = {.path = path};
  const wk_keras_weights find = {&w, js_find};
  ir->format = "TensorFlow.js";
  WK_TRY(wk_json_parse(&all, (const char *)bytes, size, "model.json", err));
  const json_t *topology = json_object_get(all, "modelTopology"), *inner = json_object_get(topology, "model_config");
  WK_FAIL_IF(
      json_object_get(topology, "node"), err, WK_ERR_UNSUPPORTED,
      "a TensorFlow.js graph model, which whisker does not read: a layers model is read (Teachable Machine makes "
      "such), or convert it to TensorFlow Lite or ONNX");
  w.manifest = json_object_get(all, "weightsManifest");
  WK_TRY(read_metadata(ir, path, err));
  WK_TRY(read_manifest(&w, ir, err));
  WK_TRY(wk_keras_build(ir, inner ? inner : topology, &find, err));
done:
  wk_name_map_free(&w.names);
  json_decref(all);
  return st;
}

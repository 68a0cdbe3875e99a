/* beside.c - what lies beside a weight file: the folder it is in as the thing that was given, and how photos become its
 * input, as its makers say it (timm's config.json, transformers' preprocessor_config.json). Where nobody says it the
 * convention of the architecture is taken, and that is told. */
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "formats/json.h"
#include "import/pixels.h"
#include "zoo/zoo.h"

enum { CONFIG_LIMIT = 16 << 20 };

/* ---- folders ------------------------------------------------------------------------------------------ */

static bool ends_in(const char *name, const char *end) {
  const size_t n = strlen(name), m = strlen(end);
  return n > m && strcasecmp(name + n - m, end) == 0;
}

static bool is_weights(const char *name) {
  static const char *const endings[] = {".safetensors", ".pth",  ".pt", ".pth.tar", ".bin",   ".ckpt",
                                        ".npz",         ".onnx", ".h5", ".tflite",  ".keras", ".hdf5"};
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
    if (ends_in(name, endings[i]))
      return true;
  return false;
}

/* The only file of weights in a folder; NULL: none, or several. */
static char *only_file(const char *folder, int *found) {
  char *only = NULL;
  DIR *d = opendir(folder);
  *found = 0;
  for (struct dirent *e; d && (e = readdir(d));)
    if (*e->d_name != '.' && is_weights(e->d_name) && !(*found)++)
      only = wk_path_join(folder, e->d_name);
  if (d)
    closedir(d);
  if (*found == 1)
    return only;
  wk_free(only);
  return NULL;
}

wk_status wk_weights_in_folder(char **out, const char *folder, wk_error *err) {
  static const char *const usual[] = {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
                                      "pytorch_model.bin.index.json"};
  int found = 0;
  for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
    char *path = wk_path_join(folder, usual[i]);
    if (path && wk_path_exists(path)) {
      *out = path;
      return WK_OK;
    }
    wk_free(path);
  }
  *out = only_file(folder, &found);
  if (*out)
    return WK_OK;
  return WK_FAIL(err, found ? WK_ERR_ARGUMENT : WK_ERR_NOT_FOUND,
                 found ? "%s: a folder with %d files of weights: give the path of the one that is meant"
                       : "%s: a folder in which no network is found (model.safetensors, pytorch_model.bin, model.json, "
                         "keras_model.h5, model.onnx or one file of weights were looked for)",
                 folder, found);
}

/* ---- preprocessing -------------------------------------------------------------------------------------- */

static bool three(float out[3], const json_t *list, double times) {
  if (json_array_size(list) != 3)
    return false;
  for (size_t c = 0; c < 3; c++) {
    const json_t *v = json_array_get(list, c);
    if (!json_is_number(v) || !(fabs(json_number_value(v)) < 1e6))
      return false;
    out[c] = (float)(json_number_value(v) * times);
  }
  return true;
}

static int whole(const json_t *v) {
  return json_is_integer(v) && json_integer_value(v) > 0 && json_integer_value(v) < 1 << 16 ? (int)json_integer_value(v)
                                                                                            : 0;
}

static wk_filter filter_of(const char *name, wk_filter otherwise) {
  return !name                               ? otherwise
         : strcasecmp(name, "bilinear") == 0 ? WK_FILTER_BILINEAR
         : strcasecmp(name, "nearest") == 0  ? WK_FILTER_NEAREST
                                             : WK_FILTER_BICUBIC; /* bicubic; of lanczos the nearest there is */
}

/* timm: crop_pct is the side of the crop over that of the resized photo. */
static bool read_timm(wk_preprocess *p, const json_t *config) {
  const json_t *inner = json_object_get(config, "pretrained_cfg"), *from = inner ? inner : config,
               *size = json_object_get(from, "input_size");
  wk_preprocess made = *p;
  if (!three(made.mean, json_object_get(from, "mean"), 255) || !three(made.std, json_object_get(from, "std"), 255))
    return false;
  if (json_array_size(size) == 3 && whole(json_array_get(size, 1)) && whole(json_array_get(size, 2))) {
    made.height = whole(json_array_get(size, 1));
    made.width = whole(json_array_get(size, 2));
  }
  const json_t *share = json_object_get(from, "crop_pct");
  const double crop = json_is_number(share) && json_number_value(share) > 0.05 && json_number_value(share) <= 1
                          ? json_number_value(share)
                          : 0.875;
  const char *mode = json_string_value(json_object_get(from, "crop_mode"));
  const int side = made.height < made.width ? made.height : made.width;
  made.resize = (int)floor(side / crop + 1e-9);
  made.rule = mode && strcmp(mode, "squash") == 0 ? WK_CROP_SQUASH : WK_CROP_CENTER;
  made.filter = filter_of(json_string_value(json_object_get(from, "interpolation")), WK_FILTER_BICUBIC);
  made.bgr = false;
  *p = made;
  return true;
}

/* "size" or "crop_size" of transformers: a number, a shortest edge, or height and width. */
static void sides(int *height, int *width, int *edge, const json_t *size) {
  *edge = whole(json_object_get(size, "shortest_edge"));
  *height = whole(size) ? whole(size) : whole(json_object_get(size, "height"));
  *width = whole(size) ? whole(size) : whole(json_object_get(size, "width"));
}

static bool read_transformers(wk_preprocess *p, const json_t *config) {
  static const wk_filter filters[] = {WK_FILTER_NEAREST, WK_FILTER_BICUBIC, WK_FILTER_BILINEAR, WK_FILTER_BICUBIC};
  wk_preprocess made = *p;
  int height, width, edge, crop_h, crop_w, none;
  const json_t *resample = json_object_get(config, "resample"), *share = json_object_get(config, "crop_pct"),
               *factor = json_object_get(config, "rescale_factor");
  const double full = json_is_number(factor) && json_number_value(factor) > 0 ? 1 / json_number_value(factor) : 255;
  const bool normalised = !json_is_false(json_object_get(config, "do_normalize"));
  if (!three(made.mean, json_object_get(config, "image_mean"), full) ||
      !three(made.std, json_object_get(config, "image_std"), full))
    return false;
  for (int c = 0; c < 3 && !normalised; c++)
    made.mean[c] = 0, made.std[c] = (float)full;
  sides(&height, &width, &edge, json_object_get(config, "size"));
  sides(&crop_h, &crop_w, &none, json_object_get(config, "crop_size"));
  if (json_is_integer(resample) && json_integer_value(resample) >= 0 && json_integer_value(resample) < 4)
    made.filter = filters[json_integer_value(resample)];
  if (json_is_true(json_object_get(config, "do_center_crop")) && crop_h && crop_w) {
    made.height = crop_h;
    made.width = crop_w;
    made.resize = edge ? edge : height ? height : crop_h;
    made.rule = WK_CROP_CENTER;
  } else if (edge || height) { /* ConvNeXt's: resized by crop_pct and cropped below 384, squashed from there on */
    made.height = edge ? edge : height;
    made.width = edge ? edge : width ? width : height;
    made.rule = edge && json_is_number(share) && edge < 384 ? WK_CROP_CENTER : WK_CROP_SQUASH;
    made.resize = made.rule == WK_CROP_CENTER && json_number_value(share) > 0.05
                      ? (int)floor(edge / json_number_value(share) + 1e-9)
                      : made.height;
  }
  made.bgr = false;
  *p = made;
  return true;
}

/* NULL: the file is not there, or no JSON. */
static json_t *config_in(const char *weights, const char *name) {
  char *path = wk_path_beside(weights, name);
  uint8_t *text = NULL;
  size_t size = 0;
  json_t *config = NULL;
  if (path && wk_path_exists(path) && wk_file_read(&text, &size, path, CONFIG_LIMIT, NULL) == WK_OK &&
      wk_json_parse(&config, (const char *)text, size, name, NULL) != WK_OK)
    config = NULL;
  wk_free(text);
  wk_free(path);
  return config;
}

/* Is the config that of another network, by its name? */
static bool is_of_another(const json_t *config, const wk_backbone *b) {
  const char *name = json_string_value(json_object_get(config, "architecture"));
  const wk_arch *named = name ? wk_arch_find(name) : NULL;
  return named && named->build != b->arch->build;
}

static wk_status describe(wk_backbone *b, const char *where, wk_error *err) {
  char what[120];
  wk_pixels_describe(what, &b->preprocess);
  wk_free(b->prepared);
  b->prepared = wk_asprintf("%s, %s", what, where);
  return b->prepared ? WK_OK : WK_FAIL(err, WK_ERR_MEMORY, "out of memory");
}

/* Names of the classes in a file beside the weights, where it has as many. */
static void labels_beside(wk_backbone *b, const char *weights) {
  static const char *const files[] = {"labels.txt", "config.json", "classes.txt", "labels.json", "class_names.txt"};
  for (size_t i = 0; !b->labels && b->class_count && i < sizeof files / sizeof *files; i++) {
    char *path = wk_path_beside(weights, files[i]), **labels = NULL;
    int n = 0;
    if (path && wk_path_exists(path) && wk_labels_read(&labels, &n, path, NULL) == WK_OK) {
      if (n == b->class_count && !(n == WK_IMAGENET_CLASSES && wk_imagenet_find(labels[0]) == 0)) {
        b->labels = labels;
        labels = NULL;
      }
      for (int k = 0; labels && k < n; k++)
        wk_free(labels[k]);
      wk_free(labels);
    }
    wk_free(path);
  }
}

wk_status wk_beside_apply(wk_backbone *b, const char *weights, const wk_pull_options *o, wk_error *err) {
  static const struct {
    const char *name;
    bool (*read)(wk_preprocess *p, const json_t *config);
  } configs[] = {{"preprocessor_config.json", read_transformers}, {"config.json", read_timm}};
  wk_preprocess p = b->preprocess;
  wk_status st = WK_OK;
  const char *said = NULL;
  bool inside = false;
  for (size_t i = 0; !said && i < sizeof configs / sizeof *configs; i++) {
    json_t *config = config_in(weights, configs[i].name);
    char *own = config && json_object_get(config, "whisker")
                    ? json_dumps(json_object_get(config, "whisker"), JSON_COMPACT)
                    : NULL; /* an export of whisker's: its config tells more than timm's fields can */
    if (config && !is_of_another(config, b) && configs[i].read(&p, config)) {
      said = configs[i].name;
      if (own)
        (void)wk_prepared_read(&p, &inside, own);
    }
    free(own);
    json_decref(config);
  }
  if (!o->labels)
    labels_beside(b, weights);
  if (said) {
    st = wk_preprocess_validate(&p, err);
    if (st != WK_OK)
      return wk_error_prefix(err, st, "%s beside %s", said, weights);
    b->preprocess = p;
    char where[80];
    snprintf(where, sizeof where, "as %s beside it says", said);
    WK_RETURN_IF_ERROR(describe(b, where, err));
  } else if (!o->pixels && b->arch->source.file && !wk_arch_of_file(weights)) {
    char where[200];
    snprintf(where, sizeof where, "assumed: as the published weights of %.100s want it", b->arch->name);
    WK_RETURN_IF_ERROR(describe(b, where, err));
    b->assumed = true;
  }
  return WK_OK;
}

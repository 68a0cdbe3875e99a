/* preprocess_json.c - how a photo becomes the input, as JSON: the same in every format's metadata and beside it. */
#include "export/export.h"
#include "whisker/utf8.h"

json_t *wk_export_text(const char *text) {
  json_t *plain = json_string(text);
  if (plain)
    return plain;
  char *fixed = wk_utf8_text(text);
  plain = json_string(fixed ? fixed : "");
  wk_free(fixed);
  return plain;
}

static json_t *three(const float *value) {
  json_t *a = json_array();
  for (int c = 0; c < 3; c++)
    json_array_append_new(a, json_real((double)value[c]));
  return a;
}

json_t *wk_export_preprocess_json(const wk_preprocess *p) {
  static const char *const rule[] = {[WK_CROP_CENTER] = "center", [WK_CROP_SQUASH] = "squash", [WK_CROP_KEEP] = "keep"};
  static const char *const filter[] = {
      [WK_FILTER_BILINEAR] = "bilinear", [WK_FILTER_BICUBIC] = "bicubic", [WK_FILTER_NEAREST] = "nearest"};
  return json_pack("{s:i,s:s,s:i,s:i,s:s,s:o,s:o,s:s,s:b}", "resize", p->rule == WK_CROP_SQUASH ? 0 : p->resize, "crop",
                   rule[p->rule], "width", p->width, "height", p->height, "interpolation", filter[p->filter], "mean",
                   three(p->mean), "std", three(p->std), "channels", p->bgr ? "BGR" : "RGB", "grey", p->grey);
}

static int append(const char *bytes, size_t n, void *user) {
  wk_text_append(user, bytes, n);
  return 0;
}

char *wk_export_compact(json_t *object) {
  wk_text text = {0};
  if (!object || json_dump_callback(object, append, &text, JSON_COMPACT | JSON_REAL_PRECISION(9)) || text.failed)
    wk_text_free(&text);
  json_decref(object);
  return text.data;
}

char *wk_export_labels_text(const wk_net *n) {
  json_t *labels = json_array();
  for (int i = 0; i < n->classes; i++)
    json_array_append_new(labels, wk_export_text(n->labels[i]));
  return wk_export_compact(labels);
}

char *wk_export_preprocess_text(const wk_preprocess *p, bool inside) {
  json_t *how = wk_export_preprocess_json(p);
  json_object_set_new(how, "normalised", json_string(inside ? "inside" : "outside"));
  return wk_export_compact(how);
}

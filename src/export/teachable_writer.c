/* teachable_writer.c - Teachable Machine's folder: model.json, weights.bin and metadata.json, for pages that were made
 * for it. Such a page crops the middle square of a photo, scales it to imageSize, and gives the network x / 127 - 1; so
 * the first layer makes of that what the network wants. */
#include <string.h>

#include "export/keras_graph.h"

static const float page_mean = 127, page_std = 127;

/* The way from the page's pixels to the network's; false: they are the same. */
static bool input_of(wk_keras_input *out, const wk_preprocess *p) {
  bool same = true;
  for (int c = 0; c < 3; c++) { /* x = mean' + std' y; (x - mean) / std */
    out->scale[c] = page_std / p->std[c];
    out->shift[c] = (page_mean - p->mean[c]) / p->std[c];
    same &= p->std[c] == page_std && p->mean[c] == page_mean;
  }
  return !same;
}

static wk_status put_file(const wk_export_job *job, const char *name, const void *bytes, size_t n, wk_error *err) {
  char *path = wk_path_join(job->path, name);
  wk_status st = path ? wk_file_write(path, bytes, n, err) : wk_export_no_memory(err);
  wk_free(path);
  return st;
}

static wk_status put_json(const wk_export_job *job, const char *name, json_t *object, wk_error *err) {
  char *text = wk_export_compact(object);
  wk_status st = text ? put_file(job, name, text, strlen(text), err) : wk_export_no_memory(err);
  wk_free(text);
  return st;
}

static json_t *manifest(const wk_keras_graph *g) {
  json_t *weights = json_array();
  for (int i = 0; i < g->vars; i++) {
    const wk_keras_var *v = &g->var[i];
    json_t *shape = json_array();
    char name[300];
    for (int k = 0; k < v->ndim; k++)
      json_array_append_new(shape, json_integer((json_int_t)v->shape[k]));
    snprintf(name, sizeof name, "%.200s/%s", v->layer, v->name);
    json_array_append_new(weights, json_pack("{s:s,s:o,s:s}", "name", name, "shape", shape, "dtype", "float32"));
  }
  return json_pack("[{s:[s],s:o}]", "paths", "weights.bin", "weights", weights);
}

static wk_status put_weights(const wk_export_job *job, const wk_keras_graph *g, wk_error *err) {
  wk_status st = WK_OK;
  wk_writer *w = NULL;
  char *path = wk_path_join(job->path, "weights.bin");
  WK_FAIL_IF(!path, err, WK_ERR_MEMORY, "out of memory for an export");
  WK_TRY(wk_writer_open(&w, path, err));
  for (int i = 0; i < g->vars; i++)
    WK_TRY(wk_writer_write(w, g->var[i].data, (size_t)wk_tensor_count(g->var[i].ndim, g->var[i].shape) * sizeof(float),
                           err));
  st = wk_writer_commit(w, err);
  w = NULL;
done:
  if (w)
    wk_writer_abort(w);
  wk_free(path);
  return st;
}

/* The fields that Teachable Machine's library knows; userMetadata is anybody's. */
static json_t *metadata(const wk_net *n) {
  json_t *labels = json_array();
  wk_preprocess page = n->preprocess;
  for (int i = 0; i < n->classes; i++)
    json_array_append_new(labels, wk_export_text(n->labels[i]));
  for (int c = 0; c < 3; c++)
    page.mean[c] = page_mean, page.std[c] = page_std;
  return json_pack("{s:s,s:s,s:s,s:s,s:s,s:{s:s,s:o},s:o,s:i}", "tfjsVersion", "1.3.1", "tmVersion", "2.4.5",
                   "packageVersion", "0.8.4", "packageName", "@teachablemachine/image", "modelName", n->name,
                   "userMetadata", "writer", "whisker", "preprocess", wk_export_preprocess_json(&page), "labels",
                   labels, "imageSize", n->preprocess.width);
}

wk_status wk_export_teachable(const wk_export_job *job, wk_error *err) {
  wk_status st = WK_OK;
  wk_net *n = job->net;
  wk_keras_graph g = {0};
  wk_keras_input input;
  const bool turned = input_of(&input, &n->preprocess);
  WK_FAIL_IF(n->preprocess.width != n->preprocess.height, err, WK_ERR_UNSUPPORTED,
             "%s: Teachable Machine's pages give square pictures; this network wants %d x %d", job->path,
             n->preprocess.width, n->preprocess.height);
  WK_TRY(wk_keras_graph_make(&g, n, WK_KERAS_JS, turned ? &input : NULL, err));
  WK_TRY(put_weights(job, &g, err));
  WK_TRY(put_json(job, "metadata.json", metadata(n), err));
  WK_TRY(put_json(job, "model.json",
                  json_pack("{s:s,s:s,s:{s:O,s:O,s:s,s:s},s:o}", "format", "layers-model", "generatedBy", "whisker",
                            "modelTopology", "class_name", json_object_get(g.model, "class_name"), "config",
                            json_object_get(g.model, "config"), "keras_version", "tfjs-layers 1.3.1", "backend",
                            "tensor_flow.js", "weightsManifest", manifest(&g)),
                  err));
done:
  json_decref(g.model);
  return st;
}

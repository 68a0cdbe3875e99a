/* keras_writer.c - Keras' own files: .h5, which Keras 2 and 3 open, and .keras, a zip of two descriptions and an HDF5
 * file of weights, which Keras 3 opens. Both take normalised pixels, or with the preprocessing inside those from 0 to
 * 255. */
#include <string.h>

#include "export/keras_graph.h"
#include "formats/hdf5_write.h"
#include "formats/zip_write.h"

/* ---- what both have ------------------------------------------------------------------------------------ */

static wk_status make_graph(wk_keras_graph *out, const wk_export_job *job, wk_keras_dialect dialect, wk_error *err) {
  const wk_preprocess *p = &job->net->preprocess;
  wk_keras_input input;
  for (int c = 0; c < 3; c++) {
    input.scale[c] = 1 / p->std[c];
    input.shift[c] = -p->mean[c] / p->std[c];
  }
  const bool inside = job->o->preprocessing == WK_EXPORT_INSIDE;
  return wk_keras_graph_make(out, job->net, dialect, inside ? &input : NULL, err);
}

/* What whisker reads of it again: labels, and how photos become the input. */
static char *about(const wk_export_job *job) {
  wk_preprocess p = job->net->preprocess;
  json_t *labels = json_array();
  for (int i = 0; i < job->net->classes; i++)
    json_array_append_new(labels, wk_export_text(job->net->labels[i]));
  if (job->o->preprocessing == WK_EXPORT_INSIDE)
    for (int c = 0; c < 3; c++)
      p.mean[c] = 0, p.std[c] = 1;
  return wk_export_compact(json_pack("{s:o,s:o}", "labels", labels, "preprocess", wk_export_preprocess_json(&p)));
}

/* ---- .h5 ------------------------------------------------------------------------------------------------ */

/* "conv1/conv1/kernel:0" under model_weights, and lists of what there is. */
static wk_status add_weights(wk_h5_out *h, int top, const wk_keras_graph *g, wk_error *err) {
  wk_status st = WK_OK;
  const char **layer = wk_alloc_array((size_t)g->vars, sizeof *layer);
  size_t layers = 0;
  WK_FAIL_IF(!layer, err, WK_ERR_MEMORY, "out of memory for an export");
  for (int i = 0, n; i < g->vars; i += n) {
    char text[4][300];
    const char *name[4];
    int group = 0, inside = 0;
    layer[layers++] = g->var[i].layer;
    WK_TRY(wk_h5_out_group(&group, h, top, g->var[i].layer, err));
    WK_TRY(wk_h5_out_group(&inside, h, group, g->var[i].layer, err));
    for (n = 0; n < 4 && i + n < g->vars && g->var[i + n].layer == g->var[i].layer; n++) {
      const wk_keras_var *v = &g->var[i + n];
      snprintf(text[n], sizeof text[n], "%.200s/%s:0", v->layer, v->name);
      name[n] = text[n];
      WK_TRY(wk_h5_out_floats(h, inside, text[n] + strlen(v->layer) + 1, v->ndim, v->shape, v->data, err));
    }
    WK_TRY(wk_h5_out_list(h, group, "weight_names", name, (size_t)n, err));
  }
  WK_TRY(wk_h5_out_list(h, top, "layer_names", layer, layers, err));
done:
  wk_free(layer);
  return st;
}

wk_status wk_export_keras_h5(const wk_export_job *job, wk_error *err) {
  wk_status st = WK_OK;
  wk_keras_graph g = {0};
  wk_h5_out *h = NULL;
  uint8_t *bytes = NULL;
  char *model = NULL, *ours = about(job);
  size_t size = 0;
  int top = 0;
  WK_FAIL_IF(!ours, err, WK_ERR_MEMORY, "out of memory for an export");
  WK_TRY(make_graph(&g, job, WK_KERAS_2, err));
  model = wk_export_compact(json_incref(g.model));
  WK_FAIL_IF(!model, err, WK_ERR_MEMORY, "out of memory for an export");
  WK_TRY(wk_h5_out_create(&h, err));
  WK_TRY(wk_h5_out_text(h, 0, "whisker", ours, err));
  WK_TRY(wk_h5_out_text(h, 0, "model_config", model, err));
  WK_TRY(wk_h5_out_text(h, 0, "keras_version", "2.4.0", err));
  WK_TRY(wk_h5_out_text(h, 0, "backend", "tensorflow", err));
  WK_TRY(wk_h5_out_group(&top, h, 0, "model_weights", err));
  WK_TRY(wk_h5_out_text(h, top, "keras_version", "2.4.0", err));
  WK_TRY(wk_h5_out_text(h, top, "backend", "tensorflow", err));
  WK_TRY(add_weights(h, top, &g, err));
  WK_TRY(wk_h5_out_bytes(&bytes, &size, h, err));
  WK_TRY(wk_file_write(job->path, bytes, size, err));
done:
  wk_free(bytes);
  wk_free(model);
  wk_free(ours);
  wk_h5_out_free(h);
  json_decref(g.model);
  return st;
}

/* ---- .keras ---------------------------------------------------------------------------------------------- */

/* Where Keras 3 looks for the variables of the class's nth layer. */
static void place_of(char out[64], const wk_keras_var *v) {
  static const struct {
    const char *class, *place;
  } known[] = {{"Conv2D", "conv2d"},
               {"DepthwiseConv2D", "depthwise_conv2d"},
               {"Dense", "dense"},
               {"BatchNormalization", "batch_normalization"}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strcmp(v->class, known[i].class) == 0)
      v->nth ? snprintf(out, 64, "%s_%d", known[i].place, v->nth) : snprintf(out, 64, "%s", known[i].place);
}

static wk_status weights_of(uint8_t **out, size_t *size, const wk_keras_graph *g, wk_error *err) {
  wk_status st = WK_OK;
  wk_h5_out *h = NULL;
  int layers = 0, group = 0, vars = 0;
  WK_TRY(wk_h5_out_create(&h, err));
  WK_TRY(wk_h5_out_group(&layers, h, 0, "layers", err));
  for (int i = 0; i < g->vars; i++) {
    char place[64], index[16];
    place_of(place, &g->var[i]);
    snprintf(index, sizeof index, "%d", g->var[i].index);
    WK_TRY(wk_h5_out_group(&group, h, layers, place, err));
    WK_TRY(wk_h5_out_group(&vars, h, group, "vars", err));
    WK_TRY(wk_h5_out_floats(h, vars, index, g->var[i].ndim, g->var[i].shape, g->var[i].data, err));
  }
  WK_TRY(wk_h5_out_bytes(out, size, h, err));
done:
  wk_h5_out_free(h);
  return st;
}

wk_status wk_export_keras(const wk_export_job *job, wk_error *err) {
  static const char metadata[] = "{\"keras_version\":\"3.0.0\",\"date_saved\":\"1980-01-01@00:00:00\"}";
  wk_status st = WK_OK;
  wk_keras_graph g = {0};
  wk_zip_out zip = {0};
  wk_writer *w = NULL;
  uint8_t *weights = NULL;
  char *model = NULL, *ours = about(job);
  size_t size = 0;
  WK_FAIL_IF(!ours, err, WK_ERR_MEMORY, "out of memory for an export");
  WK_TRY(make_graph(&g, job, WK_KERAS_3, err));
  model = wk_export_compact(json_incref(g.model));
  WK_FAIL_IF(!model, err, WK_ERR_MEMORY, "out of memory for an export");
  WK_TRY(weights_of(&weights, &size, &g, err));
  WK_TRY(wk_writer_open(&w, job->path, err));
  wk_zip_out_begin(&zip, w, 0);
  WK_TRY(wk_zip_out_add(&zip, "metadata.json", metadata, sizeof metadata - 1, 1, err));
  WK_TRY(wk_zip_out_add(&zip, "whisker.json", ours, strlen(ours), 1, err));
  WK_TRY(wk_zip_out_add(&zip, "config.json", model, strlen(model), 1, err));
  WK_TRY(wk_zip_out_add(&zip, "model.weights.h5", weights, size, 64, err));
  WK_TRY(wk_zip_out_end(&zip, err));
  st = wk_writer_commit(w, err);
  w = NULL;
done:
  if (w)
    wk_writer_abort(w);
  wk_zip_out_free(&zip);
  wk_free(weights);
  wk_free(model);
  wk_free(ours);
  json_decref(g.model);
  return st;
}

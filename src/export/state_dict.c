/* state_dict.c - weights by name, as PyTorch's networks have them: the backbone's parameters as they are, not folded,
 * and the head under the name of the network's own classifier. As safetensors, with timm's config.json beside it. */
#include <string.h>

#include "export/export.h"
#include "nn/graph/graph.h"
#include "whisker/formats.h"
#include "zoo/zoo.h"

/* The weight of a convolution that reads blue, green, red for one that reads red, green, blue. */
static wk_status turn(wk_tensor *t, const wk_export_job *job, wk_error *err) {
  const size_t count = (size_t)wk_tensor_count(t->ndim, t->shape), taps = count / (size_t)t->shape[0] / 3;
  float *from = wk_net_alloc(job->net, count, 2 * sizeof *from), *to = from + count;
  if (!from)
    return wk_export_no_memory(err);
  WK_RETURN_IF_ERROR(wk_tensor_to_f32(from, t, err));
  for (size_t w = 0; w < count; w++)
    to[w / taps / 3 * 3 * taps + (2 - w / taps % 3) * taps + w % taps] = from[w];
  t->dtype = WK_F32;
  t->data = to;
  t->bytes = count * sizeof *to;
  return WK_OK;
}

static bool reads_pixels(const wk_graph *g, const wk_param_info *p) {
  return p->ndim == 4 && g->node[p->node].input[0] == g->input;
}

wk_status wk_net_weights(wk_tensors **out, const wk_export_job *job, wk_error *err) {
  wk_status st = WK_OK;
  wk_tensors *t = NULL;
  const wk_graph *g = job->net->graph;
  const wk_net_layer *head = &job->net->layer[job->net->layers - 1];
  WK_TRY(wk_tensors_create(&t, err));
  for (int i = 0; i < wk_graph_param_count(g); i++) {
    const wk_param_info *p = wk_graph_param(g, i);
    const bool of_head = job->model->head && p->node == wk_graph_logits(g);
    const wk_tensor *own = wk_tensors_find(job->model->backbone->weights, p->name);
    wk_tensor view = own ? *own : (wk_tensor){0};
    if (of_head) {
      view = (wk_tensor){.dtype = WK_F32, .ndim = p->ndim, .data = p->ndim == 2 ? head->weight : head->bias};
      memcpy(view.shape, p->shape, sizeof p->shape);
      view.bytes = (size_t)wk_tensor_count(p->ndim, p->shape) * sizeof(float);
    } else if (!own) { /* running statistics that have a default */
      continue;
    }
    if (job->model->backbone->preprocess.bgr && reads_pixels(g, p))
      WK_TRY(turn(&view, job, err));
    view.name = p->name;
    WK_TRY(wk_tensors_add_view(t, &view, err));
  }
  *out = t;
  t = NULL;
done:
  wk_tensors_free(t);
  return st;
}

wk_status wk_state_dict(wk_tensors **out, const wk_export_job *job, wk_error *err) {
  if (job->model->backbone->own_arch)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED,
                   "%s: weights by name need a network that other programs know, and %s came out of a file; export it "
                   "whole, as ONNX for example",
                   job->path, job->net->name);
  return wk_net_weights(out, job, err);
}

/* ---- as timm has them ------------------------------------------------------------------------------------ */

/* timm's networks have some linear layers as convolutions. */
static void in_timms_shape(wk_tensor *t, const wk_param_info *p) {
  const bool fc1 = strcmp(t->name, "pre_logits.fc1.weight") == 0;
  if (p->ndim == 3) /* a layer scale, which has one side there */
    t->ndim = 1;
  if (p->ndim != 2 ||
      (!fc1 && strcmp(t->name, "pre_logits.fc2.weight") != 0 && strcmp(t->name, "conv_head.weight") != 0))
    return;
  t->ndim = 4;
  t->shape[2] = t->shape[3] = fc1 ? 7 : 1;
  t->shape[1] /= t->shape[2] * t->shape[3];
}

/* The same tensors under timm's names, where it has the architecture; `t` must outlive them. */
static wk_status timm_names(wk_tensors **out, const wk_tensors *t, const wk_export_job *job, wk_error *err) {
  wk_status st = WK_OK;
  char **name = NULL;
  wk_tensors *made = NULL;
  const wk_graph *g = job->net->graph;
  const int count = wk_graph_param_count(g);
  WK_TRY(wk_timm_names(&name, g, job->model->backbone->arch, err));
  WK_TRY(wk_tensors_create(&made, err));
  for (int i = 0; i < count; i++) {
    const wk_param_info *p = wk_graph_param(g, i);
    const wk_tensor *own = wk_tensors_find(t, p->name);
    if (!own)
      continue;
    wk_tensor view = *own;
    view.name = name[i];
    in_timms_shape(&view, p);
    WK_TRY(wk_tensors_add_view(made, &view, err));
  }
  *out = made;
  made = NULL;
done:
  wk_tensors_free(made);
  wk_timm_names_free(name, count);
  return st;
}

/* ---- timm's config.json --------------------------------------------------------------------------------- */

static json_t *unit_list(const float *value) { /* timm counts pixels from 0 to 1 */
  json_t *a = json_array();
  for (int c = 0; c < 3; c++)
    json_array_append_new(a, json_real((double)value[c] / 255));
  return a;
}

static json_t *pretrained_config(const wk_net *n, const char *classifier) {
  const wk_preprocess *p = &n->preprocess;
  const double share = p->rule == WK_CROP_SQUASH || p->resize < 1 ? 1.0 : (double)p->height / p->resize;
  return json_pack("{s:s,s:b,s:i,s:[i,i,i],s:s,s:f,s:s,s:o,s:o,s:s}", "tag", "whisker", "custom_load", 0, "num_classes",
                   n->classes, "input_size", 3, p->height, p->width, "interpolation",
                   p->filter == WK_FILTER_BICUBIC ? "bicubic" : "bilinear", "crop_pct", share > 1 ? 1.0 : share,
                   "crop_mode", p->rule == WK_CROP_SQUASH ? "squash" : "center", "mean", unit_list(p->mean), "std",
                   unit_list(p->std), "classifier", classifier);
}

static json_t *config_json(const wk_export_job *job, const char *classifier) {
  const wk_net *n = job->net;
  float bn_eps = 0;
  const char *architecture = wk_timm_architecture(job->model->backbone->arch, &bn_eps);
  json_t *labels = json_array();
  for (int i = 0; i < n->classes; i++)
    json_array_append_new(labels, wk_export_text(n->labels[i]));
  json_t *config = json_pack("{s:s,s:s,s:i,s:i,s:o,s:o,s:o}", "writer", "whisker", "architecture",
                             architecture ? architecture : n->name, "num_classes", n->classes, "num_features",
                             n->layer[n->features].to.channels, "label_names", labels, "pretrained_cfg",
                             pretrained_config(n, classifier), "whisker", wk_export_preprocess_json(&n->preprocess));
  if (bn_eps > 0)
    json_object_set_new(config, "model_args", json_pack("{s:f}", "bn_eps", (double)bn_eps));
  return config;
}

static wk_status write_config(const wk_export_job *job, const char *last, wk_error *err) {
  char classifier[96];
  snprintf(classifier, sizeof classifier, "%.*s", (int)(strrchr(last, '.') - last), last);
  char *path = wk_path_beside(job->path, "config.json"), *text = wk_export_compact(config_json(job, classifier));
  wk_status st = path && text ? wk_file_write(path, text, strlen(text), err) : wk_export_no_memory(err);
  wk_free(path);
  wk_free(text);
  return st;
}

wk_status wk_export_safetensors(const wk_export_job *job, wk_error *err) {
  wk_status st = WK_OK;
  wk_tensors *own = NULL, *t = NULL;
  WK_TRY(wk_state_dict(&own, job, err));
  WK_TRY(timm_names(&t, own, job, err));
  WK_TRY(wk_tensors_set_meta(t, "format", "pt", err));
  WK_TRY(wk_tensors_set_meta(t, "writer", "whisker", err));
  WK_TRY(wk_safetensors_write(job->path, t, err));
  WK_TRY(write_config(job, wk_tensors_at(t, wk_tensors_size(t) - 1)->name, err));
done:
  wk_tensors_free(t);
  wk_tensors_free(own);
  return st;
}

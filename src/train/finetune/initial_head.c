/* initial_head.c - the classifier that fine-tuning begins with: the linear probe of the photos, or, where several views
 * of each are kept, one fitted on all of them. */
#include "train/finetune/finetune_job.h"

/* Fits a linear head on the features of all kept views, with penalty and temperature of the probe of the photos alone:
 * to choose them again, a photo's other views would have to be held out with it. */
static wk_status fit_views(wk_head **out, const wk_finetune_input *in, const wk_graph *tail, const wk_tensors *weights,
                           int features, int classes, const wk_probe_options *o, const wk_probe_report *probe,
                           const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  size_t columns = (size_t)features, views = (size_t)in->views, rows = in->rows * views;
  float *x = wk_alloc_array(rows, columns * sizeof *x);
  int *y = wk_alloc_array(rows, sizeof *y);
  wk_probe_options fixed = *o;
  fixed.l2 = probe->l2;
  fixed.temperature = probe->temperature;
  WK_FAIL_IF(!x || !y, err, WK_ERR_MEMORY, "out of memory for the features of %zu views", rows);
  /* From one epoch to the next every photo goes on to its next view. */
  for (size_t v = 0; v < views; v++) {
    WK_TRY(wk_finetune_outputs(x + v * in->rows * columns, tail, wk_graph_features(tail), columns, weights, in, v, ctx,
                               err));
    for (size_t i = 0; i < in->rows; i++)
      y[v * in->rows + i] = in->label[i];
  }
  WK_TRY(wk_probe_fit(out, NULL, x, y, rows, features, classes, &fixed, ctx, err));
done:
  wk_free(x);
  wk_free(y);
  return st;
}

/* A head as the classifier's first weights, with its temperature worked in. */
static wk_status add_head(wk_finetune_job *j, const wk_head *h, const char *layer, wk_error *err) {
  wk_status st = WK_OK;
  float *weight, *bias;
  const int64_t shape[2] = {h->class_count, h->feature_count};
  char *name = wk_asprintf("%s.weight", layer), *bias_name = wk_asprintf("%s.bias", layer);
  WK_FAIL_IF(!name || !bias_name, err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(wk_tensors_add_zeros(j->start, &weight, name, 2, shape, err));
  WK_TRY(wk_tensors_add_zeros(j->start, &bias, bias_name, 1, shape, err));
  for (size_t i = 0; i < (size_t)h->class_count * (size_t)h->feature_count; i++)
    weight[i] = h->weight[i] / h->temperature;
  for (int c = 0; c < h->class_count; c++)
    bias[c] = h->bias[c] / h->temperature;
done:
  wk_free(name);
  wk_free(bias_name);
  return st;
}

wk_status wk_finetune_start_classifier(wk_finetune_job *j, wk_error *err) {
  wk_node_info logits;
  wk_head *views = NULL;
  if (j->o->from_scratch)
    return WK_OK;
  WK_RETURN_IF_ERROR(wk_graph_node(&logits, j->graph, wk_graph_logits(j->graph), 0, 0, err));
  if (j->in.views > 1) {
    wk_probe_options o = j->o->probe;
    o.kind = WK_HEAD_LINEAR;
    o.balance = j->o->balance;
    WK_RETURN_IF_ERROR(fit_views(&views, &j->in, j->tail, j->start, j->b->arch->feature_count, j->classes, &o,
                                 &j->r->probe, j->ctx, err));
  }
  wk_status st = add_head(j, views ? views : j->probe, logits.name, err);
  wk_head_free(views);
  return st;
}

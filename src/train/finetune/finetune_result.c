/* finetune_result.c - what comes out of fine-tuning: the tuned network or the probe, whichever is better on photos that
 * neither has learned from. */
#include <math.h>
#include <string.h>

#include "train/finetune/finetune_job.h"
#include "zoo/zoo.h"

static wk_status measure_tuned(wk_finetune_job *j, wk_error *err) {
  wk_status st = WK_OK;
  const wk_finetune_input *in = &j->val_in;
  wk_finetune_result *r = j->r;
  r->calibration =
      (wk_calibration){.temperature = 1, .loss_before = NAN, .loss_after = NAN, .ece_before = NAN, .ece_after = NAN};
  if (!in->rows)
    return WK_OK;
  size_t k = (size_t)j->classes;
  float *score = wk_alloc_array(in->rows, k * sizeof *score);
  WK_FAIL_IF(!score, err, WK_ERR_MEMORY, "out of memory for the scores of %zu photos", in->rows);
  WK_TRY(wk_finetune_scores(score, j->tail, j->tuned, in, j->classes, &j->uncancellable, err));
  WK_TRY(wk_calibrate(&r->calibration, score, in->label, in->rows, j->classes, err));
  wk_finetune_probabilities(score, in->rows, j->classes, r->calibration.temperature);
  WK_TRY(wk_metrics_compute(&r->tuned_val, score, in->label, in->rows, j->classes, 0, err));
done:
  wk_free(score);
  return st;
}

/* More photos right; with as many, the lower log loss. */
static bool tuned_is_better(const wk_finetune_job *j) {
  const wk_finetune_result *r = j->r;
  if (!j->probe || j->o->keep == WK_KEEP_FINETUNED)
    return true;
  if (j->o->keep == WK_KEEP_PROBE || (r->best == 0 && r->views < 2)) /* epoch 0 is the probe, but for other views */
    return false;
  if (!r->probe_val || !r->tuned_val || j->o->adversary.eps_255 > 0)
    return true;
  double gain = r->tuned_val->top1.value - r->probe_val->top1.value;
  return gain > 0 || (gain == 0 && r->tuned_val->loss.value < r->probe_val->loss.value);
}

static const float *values(const wk_tensors *t, const char *layer, const char *what, wk_error *err) {
  char *name = wk_asprintf("%s.%s", layer, what);
  const wk_tensor *found = name ? wk_tensors_find(t, name) : NULL;
  if (!found)
    (void)WK_FAIL(err, WK_ERR_INTERNAL, "the tuned network has no %s.%s", layer, what);
  wk_free(name);
  return found ? found->data : NULL;
}

static wk_status tuned_head(wk_head **out, const wk_finetune_job *j, wk_error *err) {
  wk_node_info info;
  wk_head *h = NULL;
  WK_RETURN_IF_ERROR(wk_graph_node(&info, j->graph, wk_graph_logits(j->graph), 0, 0, err));
  const float *weight = values(j->tuned, info.name, "weight", err), *bias = values(j->tuned, info.name, "bias", err);
  if (!weight || !bias)
    return WK_ERR_INTERNAL;
  int features = j->b->arch->feature_count;
  WK_RETURN_IF_ERROR(wk_head_alloc(&h, WK_HEAD_LINEAR, j->classes, features, 0, err));
  memcpy(h->weight, weight, (size_t)j->classes * (size_t)features * sizeof *weight);
  memcpy(h->bias, bias, (size_t)j->classes * sizeof *bias);
  h->temperature = (float)j->r->calibration.temperature;
  *out = h;
  return WK_OK;
}

/* The frozen part as it was and the rest as it became, with data of its own. */
static wk_status tuned_backbone(wk_backbone **out, const wk_finetune_job *j, wk_error *err) {
  wk_status st = WK_OK;
  wk_tensors *all = NULL;
  wk_backbone *b = NULL;
  wk_node features = wk_graph_features(j->graph);
  WK_TRY(wk_tensors_create(&all, err));
  for (int i = 0; i < wk_graph_param_count(j->graph); i++) {
    const wk_param_info *p = wk_graph_param(j->graph, i);
    const wk_tensor *t = wk_tensors_find(j->tuned, p->name);
    t = t ? t : wk_tensors_find(j->start, p->name);
    if (p->node <= features && t) /* running statistics may be missing: mean 0, variance 1 */
      WK_TRY(wk_tensors_add(all, t, err));
  }
  WK_TRY(wk_backbone_like(&b, j->b, all, err));
  all = NULL;
  b->preprocess = j->b->preprocess;
  *out = b;
done:
  wk_tensors_free(all);
  return st;
}

wk_status wk_finetune_choose(wk_finetune_job *j, wk_error *err) {
  wk_finetune_result *r = j->r;
  WK_RETURN_IF_ERROR(measure_tuned(j, err));
  r->tuned = tuned_is_better(j);
  if (!r->tuned) {
    r->head = j->probe;
    j->probe = NULL;
    return WK_OK;
  }
  WK_RETURN_IF_ERROR(tuned_head(&r->head, j, err));
  return tuned_backbone(&r->backbone, j, err);
}

void wk_finetune_result_free(wk_finetune_result *r) {
  if (!r)
    return;
  wk_backbone_free(r->backbone);
  wk_head_free(r->head);
  wk_metrics_free(r->probe_val);
  wk_metrics_free(r->tuned_val);
  wk_free(r->history);
  wk_free(r->frozen);
  wk_free(r->trouble);
  wk_free(r->rates.lr);
  wk_free(r->rates.loss);
  wk_free(r);
}

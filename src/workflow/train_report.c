/* train_report.c - what wk_train has to report, as JSON, and the file that it reports of. */
#include <math.h>
#include <sys/stat.h>

#include "workflow/workflow.h"

const char *wk_head_kind_name(int kind) {
  static const char *const name[] = {"linear", "knn", "mean"};
  return kind >= 0 && kind < (int)(sizeof name / sizeof *name) ? name[kind] : NULL;
}

wk_status wk_training_save(wk_training *t, bool light, wk_error *err) {
  struct stat st;
  if (!t->o->out)
    return WK_OK;
  WK_RETURN_IF_ERROR(wk_model_save(t->model, t->o->out, light, err));
  t->report->bytes = stat(t->o->out, &st) == 0 ? (uint64_t)st.st_size : 0;
  t->report->model = wk_strdup(t->o->out);
  return t->report->model ? WK_OK : wk_no_memory(err);
}

void wk_train_report_free(wk_train_report *r) {
  if (!r)
    return;
  for (int i = 0; i < r->class_count; i++)
    wk_free(r->labels[i]);
  wk_free(r->labels);
  if (!r->finetune) /* else it is the tuned run's */
    wk_metrics_free(r->val);
  wk_finetune_result_free(r->finetune);
  wk_free(r->model);
  wk_free(r->history);
  wk_free(r->curve);
  wk_free(r->rates);
  wk_free(r->shown);
  wk_free(r->shown_augment);
  wk_lines_free(&r->warnings);
  wk_free(r);
}

static json_t *seconds_json(const wk_train_report *r) {
  return json_pack("{s:f,s:f,s:f}", "features", r->seconds_features, "fit", r->seconds_fit, "total", r->seconds);
}

static json_t *probe_json(const wk_train_report *r) {
  const bool checked = r->val_count > 0;
  json_t *j = json_pack(
      "{s:i,s:o,s:I,s:I,s:o,s:o,s:o,s:I,s:o,s:s,s:o,s:o,s:I,s:o}", "classes", r->class_count, "labels",
      wk_report_labels(r->labels, r->class_count), "train_images", (json_int_t)r->train_count, "val_images",
      (json_int_t)r->val_count, "val_top1", checked ? wk_report_number(r->val_top1.value) : json_null(), "val_interval",
      checked ? wk_report_interval(r->val_top1) : json_null(), "l2", wk_report_number(r->probe.l2), "broken",
      (json_int_t)r->broken, "val_top5", r->val ? wk_report_number(r->val->topk.value) : json_null(), "head",
      wk_head_kind_name((int)r->head), "seconds", seconds_json(r), "model", wk_report_text(r->model), "bytes",
      (json_int_t)r->bytes, "warnings", wk_report_lines(&r->warnings));
  json_object_set_new(j, "precision", wk_precision_outcome_json(&r->precision));
  json_object_set_new(j, "folds",
                      r->folds ? json_pack("{s:i,s:o,s:o}", "folds", r->folds, "top1", wk_report_number(r->folds_top1),
                                           "deviation", wk_report_number(r->folds_deviation))
                               : json_null());
  json_object_set_new(j, "left_out_learned", json_integer((json_int_t)r->left_out_learned));
  return j;
}

/* null: the run was not adversarial. */
static json_t *withstood_json(const wk_train_report *r) {
  if (!(r->adversarial_eps_255 > 0))
    return json_null();
  return json_pack("{s:f,s:I,s:o,s:o}", "eps_255", r->adversarial_eps_255, "photos", (json_int_t)r->finetune->attacked,
                   "before", wk_report_number(r->finetune->attacked_before), "after",
                   wk_report_number(r->finetune->attacked_after));
}

static json_t *epochs_json(const wk_finetune_result *t) {
  char *text = wk_finetune_history(t);
  json_t *epochs = text ? json_loads(text, 0, NULL) : NULL;
  wk_free(text);
  return epochs ? epochs : json_null();
}

static json_t *top1_json(const wk_metrics *m) { return m ? wk_report_number(m->top1.value) : json_null(); }

static json_t *tune_json(const wk_train_report *r) {
  const wk_finetune_result *t = r->finetune;
  json_t *j = json_pack(
      "{s:i,s:o,s:I,s:I,s:o,s:o,s:b,s:o,s:o,s:i,s:b,s:b,s:I,s:s?,s:I,s:b,s:f,s:o,s:o,s:I,s:s?,s:o,s:o,s:o,s:o,s:o,s:I,"
      "s:o,s:o}",
      "classes", r->class_count, "labels", wk_report_labels(r->labels, r->class_count), "train_images",
      (json_int_t)r->train_count, "val_images", (json_int_t)r->val_count, "val_top1", top1_json(r->val), "val_interval",
      r->val ? wk_report_interval(r->val->top1) : json_null(), "tuned", t->tuned, "probe_top1", top1_json(t->probe_val),
      "tuned_top1", top1_json(t->tuned_val), "best_epoch", t->best, "stopped_early", t->stopped_early, "cancelled",
      t->cancelled, "trained_params", (json_int_t)t->params, "frozen_up_to", t->frozen, "kept_bytes",
      (json_int_t)t->kept_bytes, "kept_on_disk", t->kept_on_disk, "temperature", t->calibration.temperature,
      "ece_before", wk_report_number(t->calibration.ece_before), "ece_after",
      wk_report_number(t->calibration.ece_after), "broken", (json_int_t)r->broken, "trouble", t->trouble, "epochs",
      epochs_json(t), "history", wk_report_text(r->history), "curve", wk_report_text(r->curve), "seconds",
      seconds_json(r), "model", wk_report_text(r->model), "bytes", (json_int_t)r->bytes, "adversarial",
      withstood_json(r), "warnings", wk_report_lines(&r->warnings));
  json_object_set_new(j, "left_out_learned", json_integer((json_int_t)r->left_out_learned));
  return j;
}

static json_t *shown_json(const wk_train_report *r) {
  return json_pack("{s:o,s:o,s:o}", "out", wk_report_text(r->shown), "augment", wk_report_text(r->shown_augment),
                   "warnings", wk_report_lines(&r->warnings));
}

char *wk_train_report_json(const wk_train_report *r) {
  if (!r->train_count) /* nothing was trained */
    return wk_report_print(shown_json(r));
  return wk_report_print(r->finetune ? tune_json(r) : probe_json(r));
}

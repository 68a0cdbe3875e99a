/* evaluate.c - wk_evaluate: how often a model is right on photos whose class is known, how sure one can be of that, and
 * where it goes wrong. */
#include "base/softmax.h"
#include "whisker/answers.h"
#include "workflow/workflow.h"

void wk_evaluate_options_init(wk_evaluate_options *o) { *o = (wk_evaluate_options){.any_split = true}; }

wk_status wk_evaluate_options_validate(const wk_evaluate_options *o, wk_error *err) {
  if (o->k < 0)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "k must be at least 0, which means 5 or fewer (got %d)", o->k);
  if (!o->any_split && ((int)o->split < WK_SPLIT_ALL || o->split > WK_SPLIT_TEST))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "there is no part with the number %d", (int)o->split);
  return WK_OK;
}

typedef struct evaluating {
  wk_call call;
  const wk_evaluate_options *o;
  const wk_model *model;
  wk_dataset *data;
  wk_photo_list photos;
  wk_features *features;
  float *p;   /* [rows, labels] */
  int *truth; /* [rows] */
  wk_evaluation *result;
} evaluating;

static wk_status choose_photos(evaluating *e, const char *data, wk_error *err) {
  static const char *const name[] = {"all", "train", "val", "test"};
  wk_dataset_options o;
  wk_session_dataset_options(&o, e->call.session);
  o.ctx = &e->call.ctx;
  o.labels_from_name = e->o->labels_from_name;
  o.classes = (const char *const *)e->model->labels;
  o.class_count = e->model->label_count;
  WK_RETURN_IF_ERROR(wk_dataset_open(&e->data, data, &o, err));
  if (e->o->any_split) {
    WK_RETURN_IF_ERROR(wk_photos_to_test(&e->photos, &e->result->split, e->data, 0, err));
  } else {
    e->result->split = name[e->o->split];
    WK_RETURN_IF_ERROR(wk_photos_of(&e->photos, e->data, e->o->split, err));
  }
  if (!e->photos.count)
    return WK_FAIL(err, WK_ERR_NOT_FOUND, "%s: no photos in its %s part; `whisker eval --part all` takes every photo",
                   data, e->result->split);
  wk_evaluation *r = e->result;
  r->with_learned = e->o->with_learned;
  r->learned_known = e->model->learned != NULL;
  WK_RETURN_IF_ERROR(wk_leave_out_learned(&r->learned_count, &e->photos, &e->call, e->model, r->with_learned, err));
  if (!e->photos.count)
    return WK_FAIL(err, WK_ERR_ARGUMENT,
                   "%s: the model learned from all %zu photos, or was chosen by them, so they do not tell how often it "
                   "is right; give "
                   "photos it has not seen, or --with-learned to test on these all the same",
                   data, r->learned_count);
  return WK_OK;
}

static wk_status ask(evaluating *e, const char *data, wk_error *err) {
  wk_features_options o;
  wk_session_features_options(&o, e->call.session);
  o.name = e->photos.names;
  WK_RETURN_IF_ERROR(
      wk_model_predict(&e->p, &e->features, e->model, e->photos.paths, e->photos.count, &o, &e->call.ctx, err));
  const wk_features *f = e->features;
  e->result->broken_count = f->broken;
  if (!f->rows)
    return WK_FAIL(err, WK_ERR_FORMAT, "%s: none of its %zu photos could be read", data, e->photos.count);
  if (!(e->truth = wk_alloc_array(f->rows, sizeof *e->truth)))
    return wk_no_memory(err);
  for (size_t i = 0; i < f->rows; i++)
    e->truth[i] = e->photos.labels[f->index[i]];
  return wk_metrics_compute(&e->result->metrics, e->p, e->truth, f->rows, e->model->label_count, e->o->k, err);
}

static wk_status copy_labels(wk_evaluation *r, const wk_model *m, wk_error *err) {
  r->labels = wk_calloc((size_t)m->label_count + 1, sizeof *r->labels);
  if (!r->labels)
    return wk_no_memory(err);
  for (int i = 0; i < m->label_count; i++)
    if (!(r->labels[i] = wk_strdup(m->labels[i])))
      return wk_no_memory(err);
  return WK_OK;
}

/* Photos that are wrong, and those that are right but could as well be wrong. */
static wk_status list_mistakes(evaluating *e, wk_error *err) {
  wk_evaluation *r = e->result;
  const int classes = r->metrics->class_count;
  for (int i = 0; i < classes; i++)
    r->right_count += r->metrics->confusion[(size_t)i * (size_t)classes + (size_t)i];
  r->mistakes = wk_calloc(r->metrics->photo_count - r->right_count + 1, sizeof *r->mistakes);
  r->doubtful = wk_calloc(r->right_count + 1, sizeof *r->doubtful);
  if (!r->mistakes || !r->doubtful)
    return wk_no_memory(err);
  for (size_t i = 0; i < e->features->rows; i++) {
    const float *p = e->p + i * (size_t)classes;
    const int truth = e->truth[i], top = wk_best_class(p, classes, -1),
              other = top == truth ? wk_best_class(p, classes, truth) : top;
    if (other < 0 || (top == truth && (double)p[truth] - (double)p[other] >= WK_DOUBTFUL))
      continue;
    wk_mistake *m = top == truth ? &r->doubtful[r->doubtful_count++] : &r->mistakes[r->mistake_count++];
    *m = (wk_mistake){wk_strdup(e->photos.names[e->features->index[i]]), truth, other, (double)p[other],
                      (double)p[truth]};
    if (!m->file)
      return wk_no_memory(err);
  }
  return WK_OK;
}

/* The right answers with the highest probability; of equal ones the first. */
static wk_status list_surest(evaluating *e, wk_error *err) {
  wk_evaluation *r = e->result;
  const int classes = r->metrics->class_count;
  size_t row[WK_SUREST];
  for (size_t i = 0; i < e->features->rows; i++) {
    const float *p = e->p + i * (size_t)classes;
    if (wk_best_class(p, classes, -1) != e->truth[i])
      continue;
    size_t at = r->surest_count;
    for (; at > 0 && e->p[row[at - 1] * (size_t)classes + (size_t)e->truth[row[at - 1]]] < p[e->truth[i]]; at--)
      if (at < WK_SUREST)
        row[at] = row[at - 1];
    if (at < WK_SUREST)
      row[at] = i;
    r->surest_count += r->surest_count < WK_SUREST;
  }
  if (!(r->surest = wk_calloc(WK_SUREST, sizeof *r->surest)))
    return wk_no_memory(err);
  for (size_t k = 0; k < r->surest_count; k++) {
    const float *p = e->p + row[k] * (size_t)classes;
    const int truth = e->truth[row[k]], other = classes > 1 ? wk_best_class(p, classes, truth) : truth;
    r->surest[k] = (wk_mistake){wk_strdup(e->photos.names[e->features->index[row[k]]]), truth, other, (double)p[other],
                                (double)p[truth]};
    if (!r->surest[k].file)
      return wk_no_memory(err);
  }
  return WK_OK;
}

wk_status wk_evaluate(wk_evaluation **out, wk_session *s, const wk_model *m, const char *data,
                      const wk_evaluate_options *options, wk_error *err) {
  WK_NEED(err, out, s, m, data);
  wk_status st = WK_OK;
  wk_evaluate_options o;
  wk_evaluate_options_init(&o);
  if (options)
    o = *options;
  evaluating e = {.o = &o, .model = m};
  wk_call_begin(&e.call, s);
  WK_TRY(wk_evaluate_options_validate(&o, err));
  WK_TRY(wk_model_check_classes(m, err));
  e.result = wk_calloc(1, sizeof *e.result);
  WK_FAIL_IF(!e.result, err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(choose_photos(&e, data, err));
  WK_TRY(ask(&e, data, err));
  WK_TRY(copy_labels(e.result, m, err));
  WK_TRY(list_mistakes(&e, err));
  WK_TRY(list_surest(&e, err));
  WK_TRY(wk_call_take_warnings(&e.result->warnings, &e.call, err));
  *out = e.result;
  e.result = NULL;
done:
  wk_evaluation_free(e.result);
  wk_free(e.truth);
  wk_free(e.p);
  wk_features_free(e.features);
  wk_photo_list_free(&e.photos);
  wk_dataset_free(e.data);
  wk_call_end(&e.call);
  return st;
}

void wk_evaluation_free(wk_evaluation *e) {
  if (!e)
    return;
  for (int i = 0; e->labels && i < e->metrics->class_count; i++)
    wk_free(e->labels[i]);
  wk_free(e->labels);
  for (size_t i = 0; i < e->mistake_count; i++)
    wk_free(e->mistakes[i].file);
  for (size_t i = 0; i < e->doubtful_count; i++)
    wk_free(e->doubtful[i].file);
  for (size_t i = 0; e->surest && i < e->surest_count; i++)
    wk_free(e->surest[i].file);
  wk_free(e->mistakes);
  wk_free(e->doubtful);
  wk_free(e->surest);
  wk_metrics_free(e->metrics);
  wk_lines_free(&e->warnings);
  wk_free(e);
}

/* ---- JSON -------------------------------------------------------------------------------------- */

static json_t *class_json(const wk_metrics *m, int i) {
  return json_pack("{s:I,s:o,s:o,s:o}", "images", (json_int_t)m->support[i], "recall",
                   wk_report_number(m->recall[i].value), "interval", wk_report_interval(m->recall[i]), "precision",
                   wk_report_number(m->precision[i]));
}

static json_t *per_class_json(const wk_evaluation *e) {
  json_t *all = json_object();
  for (int i = 0; i < e->metrics->class_count; i++) {
    json_t *name = wk_report_text(e->labels[i]);
    if (e->metrics->support[i])
      json_object_set_new(all, json_string_value(name), class_json(e->metrics, i));
    json_decref(name);
  }
  return all;
}

static json_t *confusion_json(const wk_metrics *m) {
  json_t *rows = json_array();
  for (int i = 0; i < m->class_count; i++) {
    json_t *row = json_array();
    for (int j = 0; j < m->class_count; j++)
      json_array_append_new(row,
                            json_integer((json_int_t)m->confusion[(size_t)i * (size_t)m->class_count + (size_t)j]));
    json_array_append_new(rows, row);
  }
  return rows;
}

static json_t *mistakes_json(const wk_evaluation *e, const wk_mistake *list, size_t n) {
  json_t *rows = json_array();
  for (size_t i = 0; i < n; i++) {
    const wk_mistake *m = &list[i];
    json_array_append_new(rows, json_pack("{s:o,s:o,s:o,s:o,s:o}", "file", wk_report_text(m->file), "truth",
                                          wk_report_text(e->labels[m->truth]), "predicted",
                                          wk_report_text(e->labels[m->predicted]), "p", wk_report_number(m->p),
                                          "p_truth", wk_report_number(m->p_truth)));
  }
  return rows;
}

char *wk_evaluation_json(const wk_evaluation *e) {
  const wk_metrics *m = e->metrics;
  return wk_report_print(json_pack(
      "{s:I,s:I,s:s,s:o,s:o,s:o,s:o,s:i,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "images",
      (json_int_t)m->photo_count, "broken", (json_int_t)e->broken_count, "part", e->split, "top1",
      wk_report_number(m->top1.value), "top1_interval", wk_report_interval(m->top1), "top5",
      wk_report_number(m->topk.value), "top5_interval", wk_report_interval(m->topk), "k", m->k, "loss",
      wk_report_number(m->loss.value), "loss_interval", wk_report_interval(m->loss), "ece",
      wk_report_number(m->ece.value), "ece_interval", wk_report_interval(m->ece), "per_class", per_class_json(e),
      "confusion", confusion_json(m), "labels", wk_report_labels(e->labels, m->class_count), "mistakes",
      mistakes_json(e, e->mistakes, e->mistake_count), "doubtful", mistakes_json(e, e->doubtful, e->doubtful_count),
      "surest", mistakes_json(e, e->surest, e->surest_count), "warnings", wk_report_lines(&e->warnings),
      "left_out_learned",
      e->learned_known ? json_integer((json_int_t)(e->with_learned ? 0 : e->learned_count)) : json_null(), "learned",
      e->learned_known ? json_integer((json_int_t)e->learned_count) : json_null()));
}

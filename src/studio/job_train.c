/* job_train.c - a training: what it learned from, what it says of every photo, and how often it is right on those it
 * did not learn from. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "job_child.h"
#include "run_rows.h"
#include "whisker/training.h"

static void on_data(void *user, const wk_train_data *data) {
  wk_child_tell(user, json_pack("{s:s,s:I,s:I,s:i}", "event", "data", "train", (json_int_t)data->train_count, "val",
                                (json_int_t)data->val_count, "classes", data->class_count));
}

static void on_epoch(void *user, const wk_finetune_epoch *e) {
  wk_child_tell(user, json_pack("{s:s,s:i,s:o,s:o,s:o,s:o,s:o,s:b}", "event", "epoch", "epoch", e->epoch, "lr",
                                wk_json_number(e->lr), "train_loss", wk_json_number(e->train_loss), "val_loss",
                                wk_json_number(e->val_loss), "val_top1", wk_json_number(e->val_top1), "seconds",
                                wk_json_number(e->seconds), "best", e->best));
}

/* Photos to learn from and to check on as a list that wk_train reads. Those of part "test" are not in it: they are
 * asked about later. */
static wk_status write_list(const wk_child *c, const char *path, bool *own_val, wk_error *err) {
  size_t labelled = 0;
  *own_val = false;
  for (size_t i = 0; i < c->count; i++) {
    *own_val = *own_val || (c->parts[i] == WK_SPLIT_VAL && c->labels[i] >= 0);
    labelled += c->labels[i] >= 0 && c->parts[i] != WK_SPLIT_TEST;
  }
  if (labelled)
    return wk_child_write_list(c, path, *own_val, false, err);
  wk_fault f;
  wk_fault_set(&f, 400, "argument", WK_ERR_ARGUMENT,
               "no photo has a class: give some photos of at least two classes theirs first");
  return wk_fault_give(err, &f);
}

/* ---- what it says of every photo --------------------------------------------------------------- */

static wk_status mark_learned(bool *learned, const wk_child *c, const wk_model *m, wk_error *err) {
  wk_prints *prints = NULL;
  wk_features_options o;
  const wk_context ctx = wk_child_calm(c);
  wk_session_features_options(&o, c->session);
  const wk_status st = wk_prints_compute(&prints, c->files, c->count, o.cache_folder, &ctx, err);
  for (size_t i = 0; st == WK_OK && i < c->count; i++) {
    const wk_photo_hash hash = wk_prints_get(prints, i);
    learned[i] = m->learned && wk_photo_set_has(m->learned, &hash);
  }
  wk_prints_free(prints);
  return st;
}

static void fill_row(wk_run_row *row, const int *class_of, const float *p, int classes) {
  int top = 0, second = -1;
  for (int j = 1; j < classes; j++)
    if (p[j] > p[top]) {
      second = top;
      top = j;
    } else if (second < 0 || p[j] > p[second]) {
      second = j;
    }
  row->predicted = class_of[top];
  row->p = p[top];
  row->second = second < 0 ? -1 : class_of[second];
  row->p_label = NAN;
  for (int j = 0; j < classes; j++)
    if (row->label >= 0 && class_of[j] == row->label)
      row->p_label = p[j];
}

static wk_status ask(wk_run_row *rows, size_t *count, const wk_child *c, const wk_model *m, wk_error *err) {
  wk_features *features = NULL;
  wk_features_options o;
  float *p = NULL;
  const wk_context ctx = wk_child_calm(c);
  wk_session_features_options(&o, c->session);
  int *class_of = calloc((size_t)m->label_count + 1, sizeof *class_of);
  bool *learned = calloc(c->count + 1, sizeof *learned);
  wk_status st = class_of && learned ? WK_OK : wk_child_no_memory(err);
  for (int j = 0; st == WK_OK && j < m->label_count; j++)
    class_of[j] = wk_child_class(c, m->labels[j]);
  if (st == WK_OK)
    st = mark_learned(learned, c, m, err);
  if (st == WK_OK)
    st = wk_model_predict(&p, &features, m, c->files, c->count, &o, &ctx, err);
  for (size_t i = 0; st == WK_OK && i < features->rows; i++) {
    const size_t at = features->index[i];
    rows[i] = (wk_run_row){
        .id = c->ids[at], .label = c->labels[at], .learned = learned[at], .test = c->parts[at] == WK_SPLIT_TEST};
    fill_row(&rows[i], class_of, p + i * (size_t)m->label_count, m->label_count);
  }
  *count = st == WK_OK ? features->rows : 0;
  wk_free(p);
  wk_features_free(features);
  free(class_of);
  free(learned);
  return st;
}

/* ---- the run ----------------------------------------------------------------------------------- */

static json_t *history_json(const wk_train_report *report) {
  char *text = report->finetune ? wk_finetune_history(report->finetune) : NULL;
  json_t *history = text ? json_loads(text, 0, NULL) : json_null();
  wk_free(text);
  return history;
}

static json_t *run_json(const wk_child *c, const wk_train_report *report, const wk_model *m, const wk_run_row *rows,
                        size_t count) {
  json_t *classes = json_array();
  for (int i = 0; i < m->label_count; i++)
    json_array_append_new(
        classes, json_pack("{s:i,s:o}", "class", wk_child_class(c, m->labels[i]), "name", wk_json_text(m->labels[i])));
  const char *mode = wk_child_text(c, "mode");
  json_t *run = json_pack("{s:s,s:s,s:o,s:f,s:I,s:I,s:I,s:I,s:b,s:b,s:o}", "mode",
                          mode && !strcmp(mode, "better") ? "better" : "quick", "backbone", m->backbone->arch->name,
                          "classes", classes, "seconds", report->seconds, "train", (json_int_t)report->train_count,
                          "val", (json_int_t)report->val_count, "broken", (json_int_t)report->broken, "bytes",
                          (json_int_t)report->bytes, "stopped", report->finetune && report->finetune->cancelled,
                          "tuned", report->finetune && report->finetune->tuned, "history", history_json(report));
  wk_run_summary_add(run, rows, count);
  return run;
}

wk_status wk_child_train(json_t **result, wk_child *c, wk_error *err) {
  const char *mode = wk_child_text(c, "mode"), *backbone = json_string_value(json_object_get(c->what, "backbone"));
  wk_train_options o;
  wk_train_options_init(&o, mode && !strcmp(mode, "better") ? WK_TRAIN_FINETUNE : WK_TRAIN_PROBE);
  char *list = wk_child_path(c, "photos.csv"), *model = wk_child_path(c, "model.whisker"),
       *table = wk_child_path(c, "predictions.csv");
  wk_run_row *rows = calloc(c->count + 1, sizeof *rows);
  wk_model *m = NULL;
  wk_train_report *report = NULL;
  size_t count = 0;
  bool own_val;
  wk_status st = list && model && table && rows ? WK_OK : wk_child_no_memory(err);
  if (st == WK_OK)
    st = write_list(c, list, &own_val, err);
  if (st != WK_OK)
    goto done;
  if (backbone)
    o.backbone = backbone;
  o.val = own_val ? NULL : "0.2";
  o.finetune.epochs = (int)wk_child_number(c, "epochs", o.finetune.epochs);
  o.out = model;
  o.on_data = on_data;
  o.on_epoch = on_epoch;
  o.user = c;
  st = wk_train(&m, &report, c->session, list, &o, err);
  if (st == WK_OK)
    st = ask(rows, &count, c, m, err);
  if (st == WK_OK)
    st = wk_run_rows_write(table, rows, count, err);
  if (st == WK_OK)
    *result = run_json(c, report, m, rows, count);
done:
  wk_model_free(m);
  wk_train_report_free(report);
  free(rows);
  free(list);
  free(model);
  free(table);
  return st;
}

/* train_probe.c - the first way of training: a head on the features of a pretrained network, checked on photos that it
 * did not learn from. */
#include <math.h>
#include <string.h>

#include "base/softmax.h"
#include "whisker/clock.h"
#include "workflow/roster.h"
#include "workflow/workflow.h"

static wk_status check(wk_metrics **out, const wk_training *t, const wk_features *f, const wk_head *head,
                       wk_error *err) {
  wk_status st = WK_OK;
  const wk_holdout *s = &t->split;
  const int classes = s->data->class_count;
  size_t cells;
  float *p = wk_mul_overflow(&cells, s->check_rows, (size_t)classes) ? NULL : wk_alloc_array(cells, sizeof *p);
  WK_FAIL_IF(!p, err, WK_ERR_MEMORY, "out of memory");
  wk_head_predict_features(p, head, f, s->learn_rows, s->learn_rows + s->check_rows);
  WK_TRY(wk_metrics_compute(out, p, s->y + s->learn_rows, s->check_rows, classes, 0, err));
done:
  wk_free(p);
  return st;
}

/* Mean and deviation of the accuracies of all folds of all photos, learned from and checked on. */
static wk_status judge_folds(wk_training *t, const wk_features *f, wk_error *err) {
  wk_status st = WK_OK;
  const wk_holdout *s = &t->split;
  const int classes = s->data->class_count, folds = t->o->folds;
  size_t cells;
  wk_out_of_sample_options o;
  wk_out_of_sample_options_init(&o);
  o.folds = folds;
  o.l2 = t->o->probe.l2;
  o.mapped = f->mapped > 0;
  float *p = wk_mul_overflow(&cells, f->rows + 1, (size_t)classes) ? NULL : wk_alloc_array(cells, sizeof *p);
  int *fold = wk_alloc_array(f->rows + 1, sizeof *fold);
  uint32_t *group = wk_alloc_array(f->rows + 1, sizeof *group),
           *row_of = wk_alloc_array(s->photos.count + 1, sizeof *row_of);
  size_t *judged = wk_calloc((size_t)folds, sizeof *judged), *right = wk_calloc((size_t)folds, sizeof *right);
  WK_FAIL_IF(!p || !fold || !group || !row_of || !judged || !right, err, WK_ERR_MEMORY, "out of memory");
  for (size_t i = 0; i < s->photos.count; i++)
    row_of[i] = UINT32_MAX;
  for (size_t r = 0; r < f->rows; r++) {
    uint32_t *first = &row_of[s->group[f->index[r]]];
    if (*first == UINT32_MAX)
      *first = (uint32_t)r;
    group[r] = *first;
  }
  WK_TRY(wk_split_folds(fold, s->y, group, f->rows, classes, folds, t->call.ctx.seed, err));
  WK_TRY(wk_probe_out_of_sample(p, NULL, f->row, s->y, fold, f->rows, f->columns, classes, &o, &t->call.ctx, err));
  for (size_t r = 0; r < f->rows; r++) {
    const float *of = p + r * (size_t)classes;
    if (fold[r] >= 0) {
      judged[fold[r]]++;
      right[fold[r]] += wk_best_class(of, classes, -1) == s->y[r];
    }
  }
  double sum = 0, squares = 0;
  int n = 0;
  for (int k = 0; k < folds; k++)
    if (judged[k]) {
      sum += (double)right[k] / (double)judged[k];
      n++;
    }
  WK_FAIL_IF(n < 2, err, WK_ERR_FORMAT, "%s: there are too few photos, or too few groups of them, for folds",
             s->data->root);
  for (int k = 0; k < folds; k++)
    if (judged[k]) {
      const double off = (double)right[k] / (double)judged[k] - sum / n;
      squares += off * off;
    }
  t->report->folds = folds;
  t->report->folds_top1 = sum / n;
  t->report->folds_deviation = sqrt(squares / (n - 1));
done:
  wk_free(p);
  wk_free(fold);
  wk_free(group);
  wk_free(row_of);
  wk_free(judged);
  wk_free(right);
  return st;
}

static wk_status fit(wk_head **out, wk_training *t, const wk_features *f, wk_error *err) {
  wk_status st = WK_OK;
  const wk_holdout *s = &t->split;
  wk_train_report *r = t->report;
  const int classes = s->data->class_count;
  wk_probe_options o = t->o->probe;
  wk_head *head = NULL;
  o.mapped = f->mapped > 0;
  o.group = s->row_group;
  WK_TRY(wk_probe_fit(&head, &r->probe, f->row, s->y, s->learn_rows, f->columns, classes, &o, &t->call.ctx, err));
  if (s->check_rows)
    WK_TRY(check(&r->val, t, f, head, err));
  if (t->o->refit && s->check_rows) {
    wk_head_free(head);
    head = NULL;
    if (o.kind == WK_HEAD_LINEAR) {
      o.l2 = r->probe.l2;
      o.temperature = r->probe.temperature;
    }
    WK_TRY(wk_probe_fit(&head, NULL, f->row, s->y, s->learn_rows + s->check_rows, f->columns, classes, &o, &t->call.ctx,
                        err));
  }
  *out = head;
  head = NULL;
done:
  wk_head_free(head);
  return st;
}

/* What was checked: held-back photos, or else those that the penalty was chosen on. */
static void sum_up(wk_train_report *r, const wk_holdout *s) {
  r->train_count = s->learn_rows;
  r->left_out_learned = s->left_out_learned;
  if (r->val) {
    r->checked_on = WK_CHECKED_ON_HELD_BACK;
    r->val_count = r->val->photo_count;
    r->val_top1 = r->val->top1;
  } else if (!isnan(r->probe.held_out_top1)) {
    r->checked_on = r->probe.cross_validated ? WK_CHECKED_IN_TURN : WK_CHECKED_FOR_PENALTY;
    r->val_count = r->probe.held_out;
    r->val_top1 = wk_wilson((size_t)llround(r->probe.held_out_top1 * (double)r->probe.held_out), r->probe.held_out);
  }
}

/* How the model was made: settings and results; no times, no machine, and no path of the photos: the same photos give
 * the same bytes, in a folder or an archive. */
static char *recipe_of(const wk_training *t, int columns) {
  const wk_train_report *r = t->report;
  json_t *recipe = json_pack("{s:s,s:s,s:I,s:I,s:I,s:I,s:o,s:o,s:b,s:b}", "made_by", "whisker " WK_VERSION, "head",
                             wk_head_kind_name((int)r->head), "seed", (json_int_t)t->call.ctx.seed, "train_images",
                             (json_int_t)r->train_count, "val_images", (json_int_t)r->val_count, "columns",
                             (json_int_t)columns, "l2", wk_report_number(r->probe.l2), "val_top1",
                             wk_report_number(r->val_count ? r->val_top1.value : NAN), "balance", t->o->probe.balance,
                             "refit", t->o->refit);
  if (recipe && r->precision.used != WK_PRECISION_FLOAT32)
    json_object_set_new(recipe, "precision", json_string(wk_precision_name(r->precision.used)));
  if (recipe && r->folds) {
    json_object_set_new(recipe, "folds", json_integer(r->folds));
    json_object_set_new(recipe, "folds_top1", wk_report_number(r->folds_top1));
    json_object_set_new(recipe, "folds_deviation", wk_report_number(r->folds_deviation));
  }
  if (recipe && t->o->group_by)
    json_object_set_new(recipe, "group_by", wk_report_text(t->o->group_by));
  return wk_report_compact(recipe);
}

/* So that the model can learn more later (roster.h). A photo that could not be read is looked at again then. */
static wk_status keep_record(wk_training *t, wk_error *err) {
  wk_features_options kept;
  wk_error why = {0};
  wk_session_features_options(&kept, t->call.session);
  if (!t->o->out || !kept.cache_folder)
    return WK_OK;
  wk_status st = wk_roster_write(kept.cache_folder, t->o->out, t->split.data,
                                 (const uint8_t(*)[WK_SHA256_BYTES])t->split.known, t->o, t->call.ctx.seed, &why);
  if (st == WK_ERR_MEMORY)
    return WK_FAIL(err, st, "%s", why.message);
  if (st != WK_OK)
    wk_warn(&t->call.ctx, "the model is saved, but not what it learned from, so nothing can be added to it later: %s",
            why.message);
  return WK_OK;
}

static wk_status make_model(wk_training *t, wk_head **head, int columns, wk_error *err) {
  char *recipe = recipe_of(t, columns);
  if (!recipe)
    return wk_no_memory(err);
  wk_status st =
      wk_model_create(&t->model, t->backbone, *head, (const char *const *)t->split.data->classes, recipe, err);
  wk_free(recipe);
  if (st != WK_OK)
    return st;
  t->backbone = NULL;
  *head = NULL;
  WK_RETURN_IF_ERROR(wk_holdout_learned(&t->model->learned, &t->split, t->o->refit, err));
  WK_RETURN_IF_ERROR(wk_training_save(t, t->o->light, err));
  return keep_record(t, err);
}

/* Photos that the model to be added to learned from, of which neither the features are kept nor the file is there. */
static wk_status check_gone(const wk_training *t, const wk_features *f, wk_error *err) {
  static const uint8_t unknown[WK_SHA256_BYTES];
  const wk_holdout *s = &t->split;
  size_t gone = 0, first = 0;
  for (size_t i = 0; t->roster && i < s->photos.count; i++)
    if (!f->usable[i] && memcmp(s->sha256[i], unknown, sizeof unknown) != 0 && !wk_path_exists(s->photos.paths[i]) &&
        !gone++)
      first = i;
  if (!gone)
    return WK_OK;
  return WK_FAIL(err, WK_ERR_NOT_FOUND,
                 "%s: of %zu of the photos that it learned from neither the features are kept nor the files are there "
                 "(the first: %s); bring them back, or train anew",
                 t->o->add, gone, s->photos.paths[first]);
}

wk_status wk_train_probe(wk_training *t, wk_error *err) {
  wk_status st = WK_OK;
  wk_train_report *r = t->report;
  wk_features *f = NULL;
  wk_head *head = NULL;
  wk_features_options o;
  wk_session_features_options(&o, t->call.session);
  o.scratch_folder = wk_session_scratch_folder(t->call.session);
  WK_TRY(wk_precision_choose(&r->precision, &t->call, t->backbone, t->o->precision, &t->split, &o, err));
  o.name = t->split.photos.names;
  o.sha256 = (const uint8_t(*)[WK_SHA256_BYTES])t->split.sha256;
  double start = wk_clock_seconds();
  WK_TRY(wk_features_compute(&f, t->backbone, t->split.photos.paths, t->split.photos.count, &o, &t->call.ctx, err));
  r->seconds_features = wk_clock_seconds() - start;
  r->broken = f->broken;
  WK_TRY(check_gone(t, f, err));
  for (size_t i = 0; i < t->split.photos.count; i++)
    if (!f->usable[i] && t->split.number[i] != SIZE_MAX)
      memset(t->split.known[t->split.number[i]], 0, sizeof *t->split.known);
  if (f->broken)
    wk_call_note(&t->call, "  ! %zu photo%s could not be read: left out", f->broken, WK_S(f->broken));
  WK_TRY(wk_holdout_rows(&t->split, f, err));
  start = wk_clock_seconds();
  WK_TRY(fit(&head, t, f, err));
  if (t->o->folds)
    WK_TRY(judge_folds(t, f, err));
  r->seconds_fit = wk_clock_seconds() - start;
  sum_up(r, &t->split);
  WK_TRY(make_model(t, &head, f->columns, err));
done:
  wk_head_free(head);
  wk_features_free(f);
  return st;
}

/* robustness.c - wk_robustness: a model's accuracy against attacks of growing strength and against ordinary damage, on
 * photos that it did not learn from. */
#include <stdlib.h>

#include "attack/option_tables.h"
#include "whisker/insight.h"
#include "whisker/output.h"
#include "workflow/workflow.h"

static const wk_option option_rows[] = {
    {.name = "eps",
     WK_ROW_TEXT(wk_robustness_options, strengths),
     .placeholder = "E,E,...",
     .help = "comma-separated strengths from 0 up, in units of 1/255; default: 0,0.25,0.5,1,2,4,8"},
    {.name = "photos",
     WK_ROW_INT(wk_robustness_options, photos),
     .min = 0,
     .max = INFINITY,
     .placeholder = "N",
     .help = "use only the first N photos of every class; 0: all"},
    {.name = "labels-from-name",
     WK_ROW_BOOL(wk_robustness_options, labels_from_name),
     .flags = WK_OPTION_NO_FLAG,
     .help = "a photo's class is in its name"},
    {.name = "output",
     .letter = 'o',
     WK_ROW_TEXT(wk_robustness_options, out),
     .placeholder = "FILE.svg",
     .help = "draw the curve as a picture"},
    {WK_ROW_PART(wk_robustness_options, robust, &wk_robust_table)},
    {0}};
static const wk_option_table option_table = {"robustness_options", sizeof(wk_robustness_options), option_rows, NULL};
const wk_option_table *wk_robustness_options_table(void) { return &option_table; }

void wk_robustness_options_init(wk_robustness_options *o) {
  wk_options_init(o, &option_table);
  wk_robust_options_init(&o->robust);
}

/* "0,0.5,1" into numbers; how many, or -1. */
static int numbers(double *out, int most, const char *text) {
  int n = 0;
  for (const char *p = text; *p && n < most; n++) {
    char *end;
    out[n] = strtod(p, &end);
    if (end == p || (*end && *end != ','))
      return -1;
    p = *end ? end + 1 : end;
  }
  return n;
}

wk_status wk_robustness_options_validate(const wk_robustness_options *o, wk_error *err) {
  double eps[WK_ROBUST_STRENGTHS];
  if (o->strengths && numbers(eps, WK_ROBUST_STRENGTHS, o->strengths) < 1)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "eps takes numbers with commas between, such as 0,1,2 (got '%s')",
                   o->strengths);
  return wk_options_validate(o, &option_table, err);
}

static wk_status draw(const char *out, const wk_robust *r, const wk_robust_options *o, wk_error *err) {
  wk_robust_curve c;
  wk_robust_curve_fill(&c, r, o->eps_255, "top-1");
  return wk_chart_save(out, &c.chart, err);
}

static wk_status draw_damage(const char *path, const wk_robust *r, wk_error *err) {
  double x[WK_SEVERITIES], y[WK_CORRUPTION_COUNT][WK_SEVERITIES];
  wk_series s[WK_CORRUPTION_COUNT] = {{0}};
  for (int d = 0; d < WK_CORRUPTION_COUNT; d++) {
    for (int k = 0; k < WK_SEVERITIES; k++) {
      x[k] = k + 1;
      y[d][k] = (double)r->corruption_right[d][k] / (double)r->photo_count;
    }
    s[d] = (wk_series){.name = wk_corruption_name((wk_corruption)d), .n = WK_SEVERITIES, .x = x, .y = y[d]};
  }
  wk_chart chart = {.title = "Right after ordinary damage",
                    .x_label = "severity",
                    .y_label = "top-1",
                    .series = s,
                    .count = WK_CORRUPTION_COUNT,
                    .percent = true};
  return wk_chart_save(path, &chart, err);
}

/* ---- the call ---------------------------------------------------------------------------------- */

typedef struct measuring {
  wk_call call;
  const wk_model *model;
  wk_dataset *data;
  wk_photo_list photos;
  wk_robustness_report *report;
} measuring;

/* The photos to judge by. */
static wk_status gather(measuring *x, const char *data, const wk_robustness_options *o, wk_error *err) {
  const wk_model *m = x->model;
  size_t *left_out = &x->report->left_out_learned;
  wk_dataset_options d;
  WK_RETURN_IF_ERROR(wk_model_check_classes(m, err));
  wk_session_dataset_options(&d, x->call.session);
  d.ctx = &x->call.ctx;
  d.labels_from_name = o->labels_from_name;
  d.classes = (const char *const *)m->labels;
  d.class_count = m->label_count;
  WK_RETURN_IF_ERROR(wk_dataset_open(&x->data, data, &d, err));
  WK_RETURN_IF_ERROR(wk_photos_to_test(&x->photos, NULL, x->data, 0, err));
  WK_RETURN_IF_ERROR(wk_leave_out_learned(left_out, &x->photos, &x->call, m, false, err));
  x->report->learned_known = m->learned != NULL;
  if (*left_out && !x->photos.count)
    return WK_FAIL(err, WK_ERR_ARGUMENT,
                   "%s: the model learned from all of its %zu photos; give photos it has not seen", data, *left_out);
  return o->photos ? wk_photos_thin_out(&x->photos, x->data->class_count, o->photos, err) : WK_OK;
}

static wk_status draw_both(wk_robustness_report *r, const wk_robust_options *o, const char *out, wk_error *err) {
  if (!(r->out = wk_strdup(out)))
    return wk_no_memory(err);
  WK_RETURN_IF_ERROR(draw(out, r->result, o, err));
  if (!o->corruptions)
    return WK_OK;
  if (!(r->damage_out = wk_output_beside(out, "-damage")))
    return wk_no_memory(err);
  return draw_damage(r->damage_out, r->result, err);
}

wk_status wk_robustness(wk_robustness_report **out, wk_session *s, const wk_model *m, const char *data,
                        const wk_robustness_options *options, wk_error *err) {
  WK_NEED(err, out, s, m, data);
  wk_status st = WK_OK;
  wk_robustness_options o;
  wk_robustness_options_init(&o);
  if (options)
    o = *options;
  measuring x = {.model = m};
  wk_robustness_report *r = NULL;
  WK_RETURN_IF_ERROR(wk_robustness_options_validate(&o, err));
  wk_call_begin(&x.call, s);
  if (o.out)
    WK_TRY(wk_output_check(o.out, false, err));
  if (o.out && o.robust.corruptions)
    WK_TRY(wk_output_check_beside(o.out, "-damage", err));
  r = x.report = wk_calloc(1, sizeof *r);
  WK_FAIL_IF(!r, err, WK_ERR_MEMORY, "out of memory");
  if (o.strengths) {
    o.robust.count = numbers(r->eps_255, WK_ROBUST_STRENGTHS, o.strengths);
    o.robust.eps_255 = r->eps_255;
  } else {
    WK_FAIL_IF(o.robust.count > WK_ROBUST_STRENGTHS, err, WK_ERR_ARGUMENT, "at most %d strengths (got %d)",
               WK_ROBUST_STRENGTHS, o.robust.count);
    for (int i = 0; i < o.robust.count; i++)
      r->eps_255[i] = o.robust.eps_255[i];
  }
  r->steps = o.robust.steps;
  r->restarts = o.robust.restarts;
  r->damage = o.robust.corruptions;
  WK_TRY(gather(&x, data, &o, err));
  WK_TRY(
      wk_robust_measure(&r->result, m, x.photos.paths, x.photos.labels, x.photos.count, &o.robust, &x.call.ctx, err));
  WK_FAIL_IF(!r->result->photo_count, err, WK_ERR_FORMAT, "%s: none of its photos could be read", data);
  if (o.out)
    WK_TRY(draw_both(r, &o.robust, o.out, err));
  r->seconds = wk_call_seconds(&x.call);
  WK_TRY(wk_call_take_warnings(&r->warnings, &x.call, err));
  *out = r;
  x.report = NULL;
done:
  wk_robustness_report_free(x.report);
  wk_photo_list_free(&x.photos);
  wk_dataset_free(x.data);
  wk_call_end(&x.call);
  return st;
}

void wk_robustness_report_free(wk_robustness_report *r) {
  if (!r)
    return;
  wk_robust_free(r->result);
  wk_free(r->out);
  wk_free(r->damage_out);
  wk_lines_free(&r->warnings);
  wk_free(r);
}

/* ---- JSON -------------------------------------------------------------------------------------- */

static json_t *damage_json(const wk_robust *r) {
  json_t *all = json_object();
  for (int d = 0; d < WK_CORRUPTION_COUNT; d++) {
    json_t *row = json_array();
    for (int s = 0; s < WK_SEVERITIES; s++)
      json_array_append_new(row, wk_report_number((double)r->corruption_right[d][s] / (double)r->photo_count));
    json_object_set_new(all, wk_corruption_name((wk_corruption)d), row);
  }
  return all;
}

char *wk_robustness_report_json(const wk_robustness_report *r) {
  json_t *eps = json_array(), *accuracy = json_array(), *intervals = json_array();
  for (int i = 0; i < r->result->count; i++) {
    wk_interval w = wk_wilson(r->result->right[i], r->result->photo_count);
    json_array_append_new(eps, wk_report_number(r->eps_255[i]));
    json_array_append_new(accuracy, wk_report_number(w.value));
    json_array_append_new(intervals, wk_report_interval(w));
  }
  return wk_report_print(
      json_pack("{s:o,s:I,s:o,s:o,s:o,s:o,s:i,s:i,s:o,s:o,s:o,s:o}", "damage_out", wk_report_text(r->damage_out),
                "photos", (json_int_t)r->result->photo_count, "eps_255", eps, "accuracy", accuracy, "intervals",
                intervals, "damage", r->damage ? damage_json(r->result) : json_null(), "steps", r->steps, "restarts",
                r->restarts, "out", wk_report_text(r->out), "warnings", wk_report_lines(&r->warnings),
                "left_out_learned", r->learned_known ? json_integer((json_int_t)r->left_out_learned) : json_null(),
                "seconds", wk_report_number(r->seconds)));
}

/* check_data.c - wk_check_data: what is wrong with a collection of photos, before anyone trains on it. */
#include "whisker/answers.h"
#include "workflow/workflow.h"

void wk_check_data_options_init(wk_check_data_options *o) {
  *o = (wk_check_data_options){0};
  wk_check_options_init(&o->check);
}

wk_status wk_check_data(wk_check_report **out, wk_session *s, const char *data, const wk_check_data_options *options,
                        wk_error *err) {
  wk_status st = WK_OK;
  wk_call call;
  wk_check_data_options o;
  wk_dataset_options d;
  wk_check_data_options_init(&o);
  if (options)
    o = *options;
  wk_call_begin(&call, s);
  wk_check_report *r = wk_calloc(1, sizeof *r);
  WK_FAIL_IF(!r, err, WK_ERR_MEMORY, "out of memory");
  wk_session_dataset_options(&d, s);
  d.ctx = &call.ctx;
  d.labels_from_name = o.labels_from_name;
  d.allow_unlabelled = true;
  WK_TRY(wk_dataset_open(&r->data, data, &d, err));
  WK_TRY(wk_check_run(&r->check, r->data, &o.check, &call.ctx, err));
  *out = r;
  r = NULL;
done:
  wk_check_report_free(r);
  wk_call_end(&call);
  return st;
}

void wk_check_report_free(wk_check_report *r) {
  if (!r)
    return;
  wk_check_free(r->check);
  wk_dataset_free(r->data);
  wk_free(r);
}

/* ---- JSON -------------------------------------------------------------------------------------- */

static json_t *broken_json(const wk_check *k, const wk_dataset *d) {
  json_t *rows = json_array();
  for (size_t i = 0; i < k->broken_count; i++)
    json_array_append_new(rows, json_pack("{s:o,s:o}", "file", wk_report_text(d->photos[k->broken[i].photo].name),
                                          "why", wk_report_text(k->broken[i].why)));
  return rows;
}

static json_t *warnings_json(const wk_check *k) {
  json_t *rows = json_array();
  for (size_t i = 0; i < k->warning_count; i++)
    json_array_append_new(rows, json_pack("{s:s,s:o}", "kind", wk_check_kind_name(k->warnings[i].kind), "message",
                                          wk_report_text(k->warnings[i].message)));
  return rows;
}

/* Groups of photos that are one: the same bytes, or the same to the eye. */
static json_t *groups_json(const wk_check *k, const wk_dataset *d, bool exact) {
  json_t *rows = json_array();
  for (size_t i = 0; i < k->group_count; i++) {
    if (k->groups[i].exact != exact)
      continue;
    json_t *group = json_array();
    for (size_t p = 0; p < k->groups[i].photo_count; p++)
      json_array_append_new(group, wk_report_text(d->photos[k->groups[i].photos[p]].name));
    json_array_append_new(rows, group);
  }
  return rows;
}

static json_t *notes_json(const wk_dataset *d) {
  json_t *rows = json_array();
  for (size_t i = 0; i < d->note_count; i++)
    json_array_append_new(rows, wk_report_text(d->notes[i]));
  return rows;
}

static json_t *classes_json(const wk_check *k, const wk_dataset *d) {
  json_t *all = json_object();
  for (int i = 0; i < d->class_count; i++) {
    json_t *name = wk_report_text(d->classes[i]);
    json_object_set_new(all, json_string_value(name), json_integer((json_int_t)k->class_photos[i]));
    json_decref(name);
  }
  return all;
}

char *wk_check_report_json(const wk_check_report *r) {
  const wk_check *k = r->check;
  return wk_report_print(json_pack(
      "{s:I,s:I,s:o,s:o,s:o,s:o,s:o,s:o}", "files", (json_int_t)k->files, "usable", (json_int_t)k->usable, "broken",
      broken_json(k, r->data), "warnings", warnings_json(k), "duplicates", groups_json(k, r->data, true), "look_alikes",
      groups_json(k, r->data, false), "classes", classes_json(k, r->data), "notes", notes_json(r->data)));
}

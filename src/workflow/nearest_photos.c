/* nearest_photos.c - wk_explain_nearest: the photos of a collection that a network finds most like one photo. */
#include "whisker/insight.h"
#include "workflow/explaining.h"

static const wk_option option_rows[] = {{.name = "top",
                                         .letter = 'k',
                                         WK_ROW_INT(wk_explain_nearest_options, top),
                                         .value = 8,
                                         .min = 1,
                                         .max = WK_MOST_NEAREST,
                                         .placeholder = "K",
                                         .help = "number of photos"},
                                        {.name = "labels-from-name",
                                         WK_ROW_BOOL(wk_explain_nearest_options, labels_from_name),
                                         .flags = WK_OPTION_NO_FLAG,
                                         .help = "a photo's class is in its name"},
                                        {0}};
static const wk_option_table option_table = {"explain_nearest_options", sizeof(wk_explain_nearest_options), option_rows,
                                             NULL};
const wk_option_table *wk_explain_nearest_options_table(void) { return &option_table; }

void wk_explain_nearest_options_init(wk_explain_nearest_options *o) { wk_options_init(o, &option_table); }

wk_status wk_explain_nearest_options_validate(const wk_explain_nearest_options *o, wk_error *err) {
  return wk_options_validate(o, &option_table, err);
}

/* The photo's own features, kept or computed. */
static wk_status query(wk_features **out, const wk_explaining *e, const char *photo, wk_error *err) {
  wk_features_options o;
  wk_session_features_options(&o, e->call.session);
  WK_RETURN_IF_ERROR(wk_features_compute(out, e->model->backbone, &photo, 1, &o, &e->call.ctx, err));
  return (*out)->rows ? WK_OK : WK_FAIL(err, WK_ERR_FORMAT, "%s: cannot be read", photo);
}

wk_status wk_explain_nearest(wk_nearest_report **out, wk_session *s, const wk_model *m, const char *photo,
                             const char *data, const char *path, const wk_explain_nearest_options *options,
                             wk_error *err) {
  WK_NEED(err, out, s, m, photo, data, path);
  wk_status st = WK_OK;
  wk_explain_nearest_options o;
  wk_explain_nearest_options_init(&o);
  if (options)
    o = *options;
  wk_explaining e = {0};
  wk_nearest_report *r = NULL;
  wk_features *one = NULL;
  wk_image picture = {0};
  WK_RETURN_IF_ERROR(wk_explain_nearest_options_validate(&o, err));
  WK_TRY(wk_explaining_begin(&e, s, m, photo, path, err));
  r = wk_calloc(1, sizeof *r);
  WK_FAIL_IF(!r || !(r->out = wk_strdup(path)) || !(r->file = wk_strdup(photo)), err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(wk_call_feature_set(&r->set, &e.call, m, data, o.labels_from_name, 0, err));
  WK_TRY(query(&one, &e, photo, err));
  r->count = o.top;
  WK_TRY(wk_feature_set_nearest(r->row, r->cosine, &r->count, &r->set, one->row, err));
  WK_FAIL_IF(!r->count, err, WK_ERR_NOT_FOUND, "%s: no photo in it but %s itself", data, photo);
  WK_TRY(wk_feature_set_draw_nearest(&picture, photo, &r->set, r->row, r->cosine, r->count, 0, err));
  WK_TRY(wk_explaining_save(&r->pictures, &picture, path, "the photo, and those most like it", err));
  r->seconds = wk_call_seconds(&e.call);
  WK_TRY(wk_call_take_warnings(&r->warnings, &e.call, err));
  *out = r;
  r = NULL;
done:
  wk_image_free(&picture);
  wk_features_free(one);
  wk_nearest_report_free(r);
  wk_explaining_end(&e);
  return st;
}

void wk_nearest_report_free(wk_nearest_report *r) {
  if (!r)
    return;
  wk_feature_set_free(&r->set);
  wk_free(r->out);
  wk_free(r->file);
  wk_drawings_free(&r->pictures);
  wk_lines_free(&r->warnings);
  wk_free(r);
}

char *wk_nearest_report_json(const wk_nearest_report *r) {
  const wk_feature_set *s = &r->set;
  json_t *rows = json_array();
  for (int i = 0; i < r->count; i++) {
    const int label = s->labels[r->row[i]];
    const double cosine = (double)r->cosine[i];
    json_array_append_new(rows, json_pack("{s:o,s:o,s:o,s:o}", "file", wk_report_text(s->paths[r->row[i]]), "label",
                                          label >= 0 ? wk_report_text(s->classes[label]) : json_null(), "cosine",
                                          wk_report_number(cosine), "distance", wk_report_number(1 - cosine)));
  }
  return wk_report_print(json_pack("{s:o,s:o,s:I,s:o,s:o,s:o,s:o}", "out", wk_report_text(r->out), "file",
                                   wk_report_text(r->file), "photos", (json_int_t)s->features->rows, "nearest", rows,
                                   "images", wk_drawings_json(&r->pictures), "seconds", wk_report_number(r->seconds),
                                   "warnings", wk_report_lines(&r->warnings)));
}

/* predict.c - wk_predict names what is in photos, wk_embed gives their features. */
#include "whisker/answers.h"
#include "whisker/output.h"
#include "workflow/workflow.h"

enum { MOST_GUESSES = 64 };

/* ---- what is in these photos? ------------------------------------------------------------------ */

static const wk_option predict_rows[] = {{.name = "top",
                                          .letter = 'k',
                                          WK_ROW_INT(wk_predict_options, top),
                                          .value = 5,
                                          .min = 1,
                                          .max = MOST_GUESSES,
                                          .placeholder = "K",
                                          .help = "number of labels for each photo"},
                                         {WK_ROW_PART(wk_predict_options, names, &wk_name_table)},
                                         {0}};
static const wk_option_table predict_table = {"predict_options", sizeof(wk_predict_options), predict_rows, NULL};
const wk_option_table *wk_predict_options_table(void) { return &predict_table; }

void wk_predict_options_init(wk_predict_options *o) { wk_options_init(o, &predict_table); }

wk_status wk_predict_options_validate(const wk_predict_options *o, wk_error *err) {
  return wk_options_validate(o, &predict_table, err);
}

/* The k best classes of one row, best first; ties go to the lower index. */
static void best(int *out, int k, const float *p, int classes) {
  for (int i = 0; i < k; i++) {
    int at = -1;
    for (int j = 0; j < classes; j++) {
      bool taken = false;
      for (int t = 0; t < i; t++)
        taken = taken || out[t] == j;
      if (!taken && (at < 0 || p[j] > p[at]))
        at = j;
    }
    out[i] = at;
  }
}

static void guess(wk_guess *out, int k, const wk_model *m, const float *p) {
  int top[MOST_GUESSES];
  const bool imagenet = !m->head && m->label_count == WK_IMAGENET_CLASSES;
  best(top, k, p, m->label_count);
  for (int i = 0; i < k; i++)
    out[i] = (wk_guess){.label = m->labels[top[i]],
                        .wnid = imagenet ? wk_imagenet_wnid(top[i]) : NULL,
                        .index = top[i],
                        .p = (double)p[top[i]]};
}

static wk_status fill(wk_predictions *r, const wk_model *m, const wk_named_photos *photos, const wk_features *f,
                      const float *p, int top, wk_error *err) {
  const int k = top < m->label_count ? top : m->label_count;
  r->asked_count = photos->count + photos->lost.count;
  r->photos = wk_calloc(f->rows + 1, sizeof *r->photos);
  r->guesses = wk_calloc(f->rows * (size_t)k + 1, sizeof *r->guesses);
  if (!r->photos || !r->guesses)
    return wk_no_memory(err);
  for (size_t i = 0; i < f->rows; i++) {
    wk_guess *one = r->guesses + i * (size_t)k;
    guess(one, k, m, p + i * (size_t)m->label_count);
    r->photos[i] = (wk_prediction){.file = wk_strdup(photos->names[f->index[i]]), .top = one, .count = k};
    r->photo_count++;
    if (!r->photos[i].file)
      return wk_no_memory(err);
  }
  for (size_t i = 0; i < photos->lost.count; i++)
    if (!wk_lines_add(&r->broken, wk_strdup(photos->lost.lines[i])))
      return wk_no_memory(err);
  for (size_t i = 0; i < photos->count; i++)
    if (!f->usable[i] && !wk_lines_add(&r->broken, wk_strdup(photos->names[i])))
      return wk_no_memory(err);
  return WK_OK;
}

wk_status wk_predict(wk_predictions **out, wk_session *s, const wk_model *m, const char *const *name, size_t names,
                     const wk_predict_options *options, wk_error *err) {
  WK_NEED(err, out, s, m, name);
  wk_status st = WK_OK;
  wk_predict_options o;
  wk_call call;
  wk_named_photos photos = {0};
  wk_features *f = NULL;
  wk_features_options fo;
  float *p = NULL;
  wk_predictions *r = NULL;
  wk_predict_options_init(&o);
  if (options)
    o = *options;
  wk_call_begin(&call, s);
  wk_session_features_options(&fo, s);
  WK_TRY(wk_predict_options_validate(&o, err));
  r = wk_calloc(1, sizeof *r);
  WK_FAIL_IF(!r, err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(wk_call_name_photos(&photos, &call, name, names, &o.names, err));
  fo.name = photos.names;
  WK_TRY(wk_model_predict(&p, &f, m, photos.paths, photos.count, &fo, &call.ctx, err));
  WK_TRY(fill(r, m, &photos, f, p, o.top, err));
  WK_TRY(wk_call_take_warnings(&r->warnings, &call, err));
  *out = r;
  r = NULL;
done:
  wk_predictions_free(r);
  wk_free(p);
  wk_features_free(f);
  wk_named_photos_free(&photos);
  wk_call_end(&call);
  return st;
}

void wk_predictions_free(wk_predictions *p) {
  if (!p)
    return;
  for (size_t i = 0; i < p->photo_count; i++)
    wk_free(p->photos[i].file);
  wk_free(p->photos);
  wk_free(p->guesses);
  wk_lines_free(&p->broken);
  wk_lines_free(&p->warnings);
  wk_free(p);
}

static json_t *photo_json(const wk_prediction *p) {
  json_t *top = json_array();
  for (int i = 0; i < p->count; i++) {
    const wk_guess *g = &p->top[i];
    json_t *row =
        json_pack("{s:o,s:o,s:i}", "label", wk_report_text(g->label), "p", wk_report_number(g->p), "index", g->index);
    if (g->wnid)
      json_object_set_new(row, "wnid", json_string(g->wnid));
    json_array_append_new(top, row);
  }
  return json_pack("{s:o,s:o}", "file", wk_report_text(p->file), "top", top);
}

char *wk_predictions_json(const wk_predictions *p) {
  json_t *list = json_array();
  for (size_t i = 0; i < p->photo_count; i++)
    json_array_append_new(list, photo_json(&p->photos[i]));
  return wk_report_print(json_pack("{s:o,s:o,s:o}", "predictions", list, "broken", wk_report_lines(&p->broken),
                                   "warnings", wk_report_lines(&p->warnings)));
}

/* ---- features ---------------------------------------------------------------------------------- */

static const wk_option embed_rows[] = {
    {.name = "output",
     .letter = 'o',
     WK_ROW_TEXT(wk_embed_options, out),
     .placeholder = "FILE.npy",
     .help = "NumPy file to write: float32, one row for each photo"},
    {.name = "layer",
     WK_ROW_TEXT(wk_embed_options, layer),
     .placeholder = "NAME",
     .help = "layer of `whisker info`, flattened (h, w, c); default: the pooled features"},
    {WK_ROW_PART(wk_embed_options, names, &wk_name_table)},
    {0}};
static const wk_option_table embed_table = {"embed_options", sizeof(wk_embed_options), embed_rows, NULL};
const wk_option_table *wk_embed_options_table(void) { return &embed_table; }

void wk_embed_options_init(wk_embed_options *o) { wk_options_init(o, &embed_table); }

static wk_status name_rows(wk_embedding *e, const wk_named_photos *photos, wk_error *err) {
  const wk_features *f = e->features;
  e->asked_count = photos->count + photos->lost.count;
  e->files = wk_calloc(f->rows + 1, sizeof *e->files);
  if (!e->files)
    return wk_no_memory(err);
  for (size_t i = 0; i < f->rows; i++)
    if (!(e->files[i] = wk_strdup(photos->names[f->index[i]])))
      return wk_no_memory(err);
  return WK_OK;
}

wk_status wk_embed(wk_embedding **out, wk_session *s, const wk_model *m, const char *const *name, size_t names,
                   const wk_embed_options *options, wk_error *err) {
  WK_NEED(err, out, s, m, name);
  wk_status st = WK_OK;
  wk_embed_options o;
  wk_call call;
  wk_named_photos photos = {0};
  wk_features_options fo;
  wk_embedding *e = NULL;
  wk_embed_options_init(&o);
  if (options)
    o = *options;
  wk_call_begin(&call, s);
  wk_session_features_options(&fo, s);
  fo.layer = o.layer;
  if (o.out)
    WK_TRY(wk_output_check(o.out, false, err));
  e = wk_calloc(1, sizeof *e);
  WK_FAIL_IF(!e, err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(wk_call_name_photos(&photos, &call, name, names, &o.names, err));
  fo.name = photos.names;
  WK_TRY(wk_features_compute(&e->features, m->backbone, photos.paths, photos.count, &fo, &call.ctx, err));
  WK_FAIL_IF(!e->features->rows, err, WK_ERR_FORMAT, "none of the %zu photos could be read; nothing was written",
             photos.count);
  WK_TRY(name_rows(e, &photos, err));
  if (o.out) {
    const int64_t shape[] = {(int64_t)e->features->rows, e->features->columns};
    WK_TRY(wk_npy_write(o.out, e->features->row, 2, shape, err));
    e->out = wk_strdup(o.out);
    WK_FAIL_IF(!e->out, err, WK_ERR_MEMORY, "out of memory");
  }
  WK_TRY(wk_call_take_warnings(&e->warnings, &call, err));
  *out = e;
  e = NULL;
done:
  wk_embedding_free(e);
  wk_named_photos_free(&photos);
  wk_call_end(&call);
  return st;
}

void wk_embedding_free(wk_embedding *e) {
  if (!e)
    return;
  for (size_t i = 0; e->files && i < e->features->rows; i++)
    wk_free(e->files[i]);
  wk_free(e->files);
  wk_free(e->out);
  wk_features_free(e->features);
  wk_lines_free(&e->warnings);
  wk_free(e);
}

char *wk_embedding_json(const wk_embedding *e) {
  json_t *files = json_array();
  for (size_t i = 0; i < e->features->rows; i++)
    json_array_append_new(files, wk_report_text(e->files[i]));
  return wk_report_print(json_pack("{s:I,s:i,s:o,s:o,s:o}", "rows", (json_int_t)e->features->rows, "columns",
                                   e->features->columns, "out", wk_report_text(e->out), "files", files, "warnings",
                                   wk_report_lines(&e->warnings)));
}

/* photo_map.c - wk_explain_map: all photos of a collection laid out by what a network sees in them, as a picture and as
 * a page. */
#include <math.h>

#include "explain/option_tables.h"
#include "whisker/insight.h"
#include "workflow/explaining.h"

/* Cosine of features above which two photos are almost certainly one picture. */
#define TWIN 0.985f

static const wk_option option_rows[] = {
    {.name = "html",
     WK_ROW_TEXT(wk_explain_map_options, html),
     .placeholder = "FILE.html",
     .help = "also write a page to pan, zoom and search: one file that opens offline"},
    {.name = "photos",
     WK_ROW_INT(wk_explain_map_options, photos),
     .min = 0,
     .max = INFINITY,
     .placeholder = "N",
     .help = "use only the first N photos of every class; 0: all"},
    {.name = "size",
     WK_ROW_INT(wk_explain_map_options, size),
     .value = 1600,
     .min = 200,
     .max = 16000,
     .placeholder = "PIXELS",
     .help = "side of the picture"},
    {.name = "labels-from-name",
     WK_ROW_BOOL(wk_explain_map_options, labels_from_name),
     .flags = WK_OPTION_NO_FLAG,
     .help = "a photo's class is in its name"},
    {WK_ROW_PART(wk_explain_map_options, map, &wk_embedding_map_table)},
    {0}};
static const wk_option_table option_table = {"explain_map_options", sizeof(wk_explain_map_options), option_rows, NULL};
const wk_option_table *wk_explain_map_options_table(void) { return &option_table; }

void wk_explain_map_options_init(wk_explain_map_options *o) { wk_options_init(o, &option_table); }

wk_status wk_explain_map_options_validate(const wk_explain_map_options *o, wk_error *err) {
  return wk_options_validate(o, &option_table, err);
}

static int classes_used(const wk_feature_set *s) {
  int used = 0;
  for (int k = 0; k < s->class_count; k++)
    for (size_t i = 0; i < s->features->rows; i++)
      if (s->labels[i] == k) {
        used++;
        break;
      }
  return used;
}

/* Each pair once, by its first photo. */
static wk_status find_twins(wk_map_report *r, wk_error *err) {
  const wk_embedding_map *a = r->map;
  const size_t neighbours = (size_t)a->neighbours;
  if (!(r->twins = wk_calloc(a->rows + 1, sizeof *r->twins)))
    return wk_no_memory(err);
  for (size_t i = 0; i < a->rows && neighbours; i++) {
    const size_t j = a->near[i * neighbours];
    const bool mutual = a->near[j * neighbours] == i;
    if (a->cosine[i * neighbours] < TWIN || (mutual && j < i))
      continue;
    r->twins[r->twin_count++] = (wk_photo_twins){i, j, a->cosine[i * neighbours]};
  }
  return WK_OK;
}

wk_status wk_explain_map(wk_map_report **out, wk_session *s, const wk_model *m, const char *data, const char *path,
                         const wk_explain_map_options *options, wk_error *err) {
  WK_NEED(err, out, s, m, data, path);
  wk_status st = WK_OK;
  wk_explain_map_options o;
  wk_explain_map_options_init(&o);
  if (options)
    o = *options;
  wk_explaining e = {0};
  wk_map_report *r = NULL;
  wk_image picture = {0};
  WK_RETURN_IF_ERROR(wk_explain_map_options_validate(&o, err));
  WK_TRY(wk_explaining_begin(&e, s, m, NULL, path, err));
  if (o.html)
    WK_TRY(wk_output_check(o.html, false, err));
  r = wk_calloc(1, sizeof *r);
  WK_FAIL_IF(!r || !(r->out = wk_strdup(path)) || (o.html && !(r->html = wk_strdup(o.html))), err, WK_ERR_MEMORY,
             "out of memory");
  WK_TRY(wk_call_feature_set(&r->set, &e.call, m, data, o.labels_from_name, o.photos, err));
  const wk_features *f = r->set.features;
  WK_TRY(wk_embedding_map_make(&r->map, f->row, f->rows, f->columns, &o.map, &e.call.ctx, err));
  WK_TRY(wk_label_errors_find(&r->odd, &r->odd_count, &r->same_class, r->map, r->set.labels, r->set.class_count, err));
  WK_TRY(find_twins(r, err));
  WK_TRY(wk_feature_set_draw_map(&picture, &r->set, m, r->map, o.html, o.size, &e.call.ctx, err));
  WK_TRY(wk_explaining_save(&r->pictures, &picture, path, "all photos, those that are alike together", err));
  r->class_count = classes_used(&r->set);
  r->seconds = wk_call_seconds(&e.call);
  WK_TRY(wk_call_take_warnings(&r->warnings, &e.call, err));
  *out = r;
  r = NULL;
done:
  wk_image_free(&picture);
  wk_map_report_free(r);
  wk_explaining_end(&e);
  return st;
}

void wk_map_report_free(wk_map_report *r) {
  if (!r)
    return;
  wk_feature_set_free(&r->set);
  wk_embedding_map_free(r->map);
  wk_free(r->odd);
  wk_free(r->twins);
  wk_free(r->out);
  wk_free(r->html);
  wk_drawings_free(&r->pictures);
  wk_lines_free(&r->warnings);
  wk_free(r);
}

/* ---- JSON -------------------------------------------------------------------------------------- */

static json_t *odd_json(const wk_map_report *r) {
  const wk_feature_set *s = &r->set;
  json_t *rows = json_array();
  for (size_t i = 0; i < r->odd_count; i++)
    json_array_append_new(rows, json_pack("{s:o,s:o,s:o,s:i}", "file", wk_report_text(s->paths[r->odd[i].row]), "label",
                                          wk_report_text(s->classes[s->labels[r->odd[i].row]]), "looks_like",
                                          wk_report_text(s->classes[r->odd[i].looks_like]), "votes", r->odd[i].votes));
  return rows;
}

static json_t *twins_json(const wk_map_report *r) {
  json_t *rows = json_array();
  for (size_t i = 0; i < r->twin_count; i++)
    json_array_append_new(rows, json_pack("{s:o,s:o,s:o}", "file", wk_report_text(r->set.paths[r->twins[i].row]),
                                          "twin", wk_report_text(r->set.paths[r->twins[i].twin]), "cosine",
                                          wk_report_number((double)r->twins[i].cosine)));
  return rows;
}

static json_t *points_json(const wk_map_report *r) {
  const wk_feature_set *s = &r->set;
  json_t *rows = json_array();
  for (size_t i = 0; i < r->map->rows; i++)
    json_array_append_new(rows, json_pack("{s:o,s:o,s:f,s:f}", "file", wk_report_text(s->paths[i]), "label",
                                          s->labels[i] >= 0 ? wk_report_text(s->classes[s->labels[i]]) : json_null(),
                                          "x", (double)r->map->xy[2 * i], "y", (double)r->map->xy[2 * i + 1]));
  return rows;
}

char *wk_map_report_json(const wk_map_report *r) {
  return wk_report_print(json_pack(
      "{s:o,s:o,s:I,s:I,s:i,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "out", wk_report_text(r->out), "html",
      wk_report_text(r->html), "photos", (json_int_t)r->map->rows, "broken", (json_int_t)r->set.features->broken,
      "classes", r->class_count, "same_class_nearest", wk_report_number(r->same_class), "variance",
      wk_report_number(r->map->variance), "divergence", wk_report_number(r->map->kl), "odd", odd_json(r), "twins",
      twins_json(r), "points", points_json(r), "images", wk_drawings_json(&r->pictures), "seconds",
      wk_report_number(r->seconds), "warnings", wk_report_lines(&r->warnings)));
}

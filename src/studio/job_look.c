/* job_look.c - what a run's model sees: all photos on a map, a class's ideal picture, a photo that fools it; and the
 * model for others. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "job_child.h"
#include "whisker/answers.h"
#include "whisker/embedding_map.h"
#include "whisker/explain.h"
#include "whisker/explain_input.h"
#include "whisker/export_model.h"
#include "whisker/insight.h"

/* The run's model. */
static wk_status open_model(wk_model **out, const wk_child *c, wk_error *err) {
  const char *path = json_string_value(json_object_get(c->what, "model"));
  if (path)
    return wk_open(out, c->session, path, err);
  wk_fault f;
  wk_fault_set(&f, 400, "argument", WK_ERR_ARGUMENT, "%s/job.json: names no model", c->folder);
  return wk_fault_give(err, &f);
}

/* The report's JSON, as the library writes it. */
static json_t *parsed(char *text) {
  json_t *json = text ? json_loads(text, 0, NULL) : NULL;
  wk_free(text);
  return json;
}

/* ---- the map ----------------------------------------------------------------------------------- */

static json_t *map_json(const wk_child *c, const wk_features *f, const wk_embedding_map *map) {
  json_t *id = json_array(), *x = json_array(), *y = json_array(), *near = json_array();
  for (size_t i = 0; i < map->rows; i++) {
    json_t *row = json_array();
    json_array_append_new(id, json_integer((json_int_t)c->ids[f->index[i]]));
    json_array_append_new(x, json_real((double)map->xy[2 * i]));
    json_array_append_new(y, json_real((double)map->xy[2 * i + 1]));
    for (int k = 0; k < map->neighbours; k++)
      json_array_append_new(
          row, json_integer((json_int_t)c->ids[f->index[map->near[i * (size_t)map->neighbours + (size_t)k]]]));
    json_array_append_new(near, row);
  }
  return json_pack("{s:o,s:o,s:o,s:o}", "id", id, "x", x, "y", y, "near", near);
}

wk_status wk_child_map(json_t **result, wk_child *c, wk_error *err) {
  wk_model *m = NULL;
  wk_features *f = NULL;
  wk_embedding_map *map = NULL;
  wk_features_options fo;
  wk_embedding_map_options o;
  wk_embedding_map_options_init(&o);
  wk_session_features_options(&fo, c->session);
  const wk_context *ctx = wk_session_context(c->session);
  wk_status st = open_model(&m, c, err);
  if (st == WK_OK)
    st = wk_features_compute(&f, m->backbone, c->files, c->count, &fo, ctx, err);
  if (st == WK_OK)
    st = wk_embedding_map_make(&map, f->row, f->rows, f->columns, &o, ctx, err);
  if (st == WK_OK)
    *result = map_json(c, f, map);
  wk_embedding_map_free(map);
  wk_features_free(f);
  wk_model_free(m);
  return st;
}

/* ---- the ideal picture ------------------------------------------------------------------------- */

wk_status wk_child_ideal(json_t **result, wk_child *c, wk_error *err) {
  wk_model *m = NULL;
  wk_ideal_report *r = NULL;
  wk_ideal_options o;
  wk_ideal_options_init(&o);
  o.classes = json_string_value(json_object_get(c->what, "class_name"));
  o.visualize.steps = (int)wk_child_number(c, "steps", 0);
  char *path = wk_child_path(c, "ideal.png");
  wk_status st = path ? open_model(&m, c, err) : wk_child_no_memory(err);
  if (st == WK_OK)
    st = wk_ideal(&r, c->session, m, path, &o, NULL, NULL, err);
  if (st == WK_OK)
    *result =
        json_pack("{s:o,s:[s,s]}", "report", parsed(wk_ideal_report_json(r)), "files", "ideal.png", "ideal-steps.png");
  wk_ideal_report_free(r);
  wk_model_free(m);
  free(path);
  return st;
}

/* ---- the attack -------------------------------------------------------------------------------- */

/* Ten times the change, around grey. */
static wk_status draw_difference(const wk_image *before, const char *after, const char *path, wk_error *err) {
  wk_image other = {0};
  wk_status st = wk_image_load(&other, after, NULL, err);
  if (st != WK_OK)
    return st;
  const size_t n = (size_t)other.width * (size_t)other.height * 3;
  if (other.width == before->width && other.height == before->height)
    for (size_t i = 0; i < n; i++) {
      const int v = 128 + 10 * ((int)other.pixels[i] - (int)before->pixels[i]);
      other.pixels[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
  st = wk_image_save_png(&other, path, err);
  wk_image_free(&other);
  return st;
}

/* The photo as the network sees it, the result, and ten times what lies between. */
static wk_status draw_attack(const wk_child *c, const wk_model *m, const char *photo, const char *attacked,
                             wk_error *err) {
  wk_explain_input seen;
  char *before = wk_child_path(c, "seen.png"), *difference = wk_child_path(c, "difference.png");
  wk_status st = wk_explain_input_open(&seen, photo, &m->backbone->preprocess, err);
  if (st == WK_OK && (!before || !difference))
    st = wk_child_no_memory(err);
  if (st == WK_OK)
    st = wk_image_save_png(&seen.seen, before, err);
  if (st == WK_OK)
    st = draw_difference(&seen.seen, attacked, difference, err);
  wk_explain_input_free(&seen);
  free(before);
  free(difference);
  return st;
}

wk_status wk_child_attack(json_t **result, wk_child *c, wk_error *err) {
  const char *photo = json_string_value(json_object_get(c->what, "photo"));
  wk_model *m = NULL;
  wk_attack_report *r = NULL;
  wk_attack_photo_options o;
  wk_attack_photo_options_init(&o);
  o.to = json_string_value(json_object_get(c->what, "class_name"));
  o.attack.eps_255 = wk_child_number(c, "eps", o.attack.eps_255);
  o.attack.steps = (int)wk_child_number(c, "steps", o.attack.steps);
  char *path = wk_child_path(c, "attack.png");
  wk_status st = path && photo ? open_model(&m, c, err) : wk_child_no_memory(err);
  if (st == WK_OK)
    st = wk_attack_photo(&r, c->session, m, photo, path, &o, err);
  if (st == WK_OK)
    st = draw_attack(c, m, photo, path, err);
  if (st == WK_OK)
    *result = json_pack("{s:o,s:[s,s,s]}", "report", parsed(wk_attack_report_json(r)), "files", "seen.png",
                        "attack.png", "difference.png");
  wk_attack_report_free(r);
  wk_model_free(m);
  free(path);
  return st;
}

/* ---- the model for others ---------------------------------------------------------------------- */

wk_status wk_child_export(json_t **result, wk_child *c, wk_error *err) {
  const char *format = wk_child_text(c, "format");
  const wk_export_format *found = NULL;
  for (int i = 0; format && i < wk_export_format_count(); i++)
    if (!strcmp(wk_export_format_at(i)->name, format))
      found = wk_export_format_at(i);
  wk_model *m = NULL;
  wk_export_report *r = NULL;
  wk_export_options o;
  wk_export_options_init(&o);
  o.format = format;
  char name[64], *path;
  snprintf(name, sizeof name, "model%s", found && found->ending ? found->ending : "");
  path = wk_child_path(c, name);
  wk_status st = path ? open_model(&m, c, err) : wk_child_no_memory(err);
  if (st == WK_OK)
    st = wk_export(&r, c->session, m, path, &o, err);
  if (st == WK_OK)
    *result = json_pack("{s:o,s:[s],s:b,s:o}", "report", parsed(wk_export_report_json(r)), "files", name, "folder",
                        found && found->folder, "path", wk_json_text(path));
  wk_export_report_free(r);
  wk_model_free(m);
  free(path);
  return st;
}

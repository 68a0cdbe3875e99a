/* job_child.c - see job_child.h. */
#include "job_child.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "csv.h"

wk_status wk_child_no_memory(wk_error *err) {
  wk_fault f;
  wk_fault_memory(&f);
  return wk_fault_give(err, &f);
}

char *wk_child_path(const wk_child *c, const char *name) {
  char *path;
  return asprintf(&path, "%s/%s", c->folder, name) < 0 ? NULL : path;
}

void wk_child_tell(const wk_child *c, json_t *line) {
  char *text = line ? json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
  if (text)
    c->tell(c->user, text);
  free(text);
  json_decref(line);
}

wk_status wk_child_save(const wk_child *c, const char *name, json_t *json, wk_error *err) {
  char *path = wk_child_path(c, name), *beside = wk_child_path(c, "result.new");
  wk_fault f = {0};
  wk_status st = path && beside && json ? WK_OK : wk_fault_memory(&f);
  if (st == WK_OK && (json_dump_file(json, beside, JSON_COMPACT | JSON_REAL_PRECISION(9)) || rename(beside, path)))
    st = wk_fault_io(&f, path, "written");
  if (st != WK_OK)
    wk_fault_give(err, &f);
  free(path);
  free(beside);
  json_decref(json);
  return st;
}

const char *wk_child_text(const wk_child *c, const char *name) {
  return json_string_value(json_object_get(c->options, name));
}

double wk_child_number(const wk_child *c, const char *name, double missing) {
  const json_t *v = json_object_get(c->options, name);
  return json_is_number(v) ? json_number_value(v) : missing;
}

int wk_child_class(const wk_child *c, const char *label) {
  for (int i = 0; i < c->class_count; i++)
    if (c->classes[i] && !strcmp(c->classes[i], label))
      return i;
  return -1;
}

wk_context wk_child_calm(const wk_child *c) {
  wk_context ctx = *wk_session_context(c->session);
  ctx.cancelled = NULL;
  return ctx;
}

wk_status wk_child_write_list(const wk_child *c, const char *path, bool split, bool test, wk_error *err) {
  wk_fault f;
  FILE *out = fopen(path, "we");
  if (out)
    fprintf(out, "file,label%s\n", split ? ",split" : "");
  for (size_t i = 0; out && i < c->count; i++) {
    if (c->labels[i] < 0 || (c->parts[i] == WK_SPLIT_TEST && !test))
      continue;
    wk_csv_write_plain(out, c->files[i]);
    fputc(',', out);
    wk_csv_write_plain(out, c->classes[c->labels[i]]);
    fprintf(out, "%s\n",
            !split                         ? ""
            : c->parts[i] == WK_SPLIT_VAL  ? ",val"
            : c->parts[i] == WK_SPLIT_TEST ? ",test"
                                           : ",train");
  }
  bool failed = !out || ferror(out);
  failed = (out && fclose(out)) || failed;
  if (!failed)
    return WK_OK;
  wk_fault_io(&f, path, "written");
  return wk_fault_give(err, &f);
}

/* ---- reading job.json -------------------------------------------------------------------------- */

static wk_status read_photos(wk_child *c, wk_fault *f) {
  const json_t *ids = json_object_get(c->what, "id"), *files = json_object_get(c->what, "file"),
               *labels = json_object_get(c->what, "class"), *parts = json_object_get(c->what, "part"),
               *classes = json_object_get(c->what, "classes");
  c->count = json_array_size(ids);
  c->class_count = (int)json_array_size(classes);
  c->files = calloc(c->count + 1, sizeof *c->files);
  c->labels = calloc(c->count + 1, sizeof *c->labels);
  c->parts = calloc(c->count + 1, sizeof *c->parts);
  c->ids = calloc(c->count + 1, sizeof *c->ids);
  c->classes = calloc((size_t)c->class_count + 1, sizeof *c->classes);
  if (!c->files || !c->labels || !c->parts || !c->ids || !c->classes)
    return wk_fault_memory(f);
  for (int i = 0; i < c->class_count; i++)
    c->classes[i] = json_string_value(json_array_get(classes, (size_t)i));
  for (size_t i = 0; i < c->count; i++) {
    const json_t *label = json_array_get(labels, i);
    c->ids[i] = (uint64_t)json_integer_value(json_array_get(ids, i));
    c->files[i] = json_string_value(json_array_get(files, i));
    c->labels[i] = json_is_integer(label) ? (int)json_integer_value(label) : -1;
    c->parts[i] = (int)json_integer_value(json_array_get(parts, i));
    if (!c->files[i] || c->labels[i] >= c->class_count || (c->labels[i] >= 0 && !c->classes[c->labels[i]]))
      return wk_fault_set(f, 422, "format", WK_ERR_FORMAT, "%s/job.json: not a job of the studio", c->folder);
  }
  return WK_OK;
}

static wk_status read_job(wk_child *c, wk_fault *f) {
  char *path = wk_child_path(c, "job.json");
  json_error_t why;
  c->what = path ? json_load_file(path, 0, &why) : NULL;
  c->options = json_object_get(c->what, "options");
  const wk_status st = !path ? wk_fault_memory(f)
                       : !json_is_object(c->options)
                           ? wk_fault_set(f, 422, "format", WK_ERR_FORMAT, "%s: not a job of the studio", path)
                           : read_photos(c, f);
  free(path);
  return st;
}

wk_status wk_studio_job(wk_session *s, const char *folder, wk_studio_tell_fn tell, void *user, wk_error *err) {
  static const struct {
    const char *kind;
    wk_status (*run)(json_t **result, wk_child *c, wk_error *err);
  } kinds[] = {{"train", wk_child_train}, {"check", wk_child_check},   {"map", wk_child_map},
               {"ideal", wk_child_ideal}, {"attack", wk_child_attack}, {"export", wk_child_export}};
  wk_child c = {.session = s, .folder = folder, .tell = tell, .user = user};
  wk_fault f = {0};
  json_t *result = NULL;
  wk_status st = read_job(&c, &f);
  if (st == WK_OK) {
    const char *kind = json_string_value(json_object_get(c.what, "kind"));
    size_t i = 0;
    while (kind && i < sizeof kinds / sizeof *kinds && strcmp(kind, kinds[i].kind))
      i++;
    st = kind && i < sizeof kinds / sizeof *kinds
             ? kinds[i].run(&result, &c, &f.error)
             : wk_fault_set(&f, 422, "format", WK_ERR_FORMAT, "%s/job.json: no kind of job", folder);
  }
  if (st == WK_OK)
    st = wk_child_save(&c, "result.json", json_incref(result), &f.error);
  if (st != WK_OK)
    wk_fault_give(err, &f);
  json_decref(result);
  json_decref(c.what);
  free(c.files);
  free(c.labels);
  free(c.parts);
  free(c.ids);
  free(c.classes);
  return st;
}

/* roster.c - see roster.h. A record is a JSON file; names are in it byte by byte, what is no plain ASCII as %XX, for
 * they need not be UTF-8. */
#include "workflow/roster.h"

#include <stdlib.h>
#include <string.h>

#include "formats/json.h"
#include "workflow/byte_names.h"
#include "workflow/doctor.h"

#define FORM "whisker roster 1"
#define ROSTER_BYTES_MAX ((size_t)1 << 31)

void wk_roster_free(wk_roster *r) {
  if (!r)
    return;
  wk_dataset_free(r->data);
  wk_free(r->sha256);
  wk_free(r->val);
  wk_free(r->group_by);
  wk_free(r->probe);
  wk_free(r);
}

/* ---- names ---------------------------------------------------------------------------------------- */

static json_t *coded(const char *name) {
  wk_text t = {0};
  wk_byte_name_add(&t, name);
  json_t *text = t.failed ? NULL : json_string(t.data ? t.data : "");
  wk_text_free(&t);
  return text;
}

static int digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

static wk_status path_of(char **path, const char *folder, const char *model, wk_error *err) {
  uint8_t hash[WK_SHA256_BYTES];
  char hex[2 * WK_SHA256_BYTES + 1];
  WK_RETURN_IF_ERROR(wk_sha256_file(hash, model, err));
  wk_hex(hex, hash, sizeof hash);
  *path = wk_asprintf("%s/model-%.16s.json", folder, hex);
  return *path ? WK_OK : wk_no_memory(err);
}

/* ---- writing -------------------------------------------------------------------------------------- */

static json_t *photo_json(const wk_dataset *d, size_t i, const uint8_t sha256[WK_SHA256_BYTES]) {
  char hex[2 * WK_SHA256_BYTES + 1];
  const wk_photo *p = &d->photos[i];
  char *whole = realpath(p->path, NULL);
  wk_hex(hex, sha256, WK_SHA256_BYTES);
  json_t *row = json_pack("[s,i,i,o,o]", hex, p->label, (int)p->split, coded(wk_photo_below(d, i)),
                          coded(whole ? whole : p->path));
  free(whole);
  return row;
}

wk_status wk_roster_write(const char *folder, const char *model, const wk_dataset *d,
                          const uint8_t (*sha256)[WK_SHA256_BYTES], const wk_train_options *o, uint64_t seed,
                          wk_error *err) {
  wk_status st = WK_OK;
  json_t *classes = json_array(), *photos = json_array();
  char *path = NULL, *options = NULL, *text = NULL;
  for (int c = 0; c < d->class_count; c++)
    json_array_append_new(classes, coded(d->classes[c]));
  for (size_t i = 0; i < d->photo_count; i++)
    json_array_append_new(photos, photo_json(d, i, sha256[i]));
  options = wk_options_json(&o->probe, wk_probe_options_table());
  text = wk_report_compact(json_pack("{s:s,s:I,s:o,s:o,s:i,s:b,s:b,s:s,s:O,s:O}", "form", FORM, "seed",
                                     (json_int_t)seed, "val", o->val ? coded(o->val) : json_null(), "group_by",
                                     o->group_by ? coded(o->group_by) : json_null(), "precision", o->precision, "refit",
                                     o->refit, "light", o->light, "probe", options ? options : "{}", "classes", classes,
                                     "photos", photos));
  WK_FAIL_IF(!options || !text || json_array_size(classes) != (size_t)d->class_count ||
                 json_array_size(photos) != d->photo_count,
             err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(wk_mkdir_p(folder, err));
  WK_TRY(path_of(&path, folder, model, err));
  WK_TRY(wk_file_write(path, text, strlen(text), err));
done:
  json_decref(classes);
  json_decref(photos);
  wk_free(path);
  wk_free(options);
  wk_free(text);
  return st;
}

/* ---- reading -------------------------------------------------------------------------------------- */

static wk_status torn(const char *path, wk_error *err) {
  return WK_FAIL(err, WK_ERR_FORMAT, "%s: this record of a model's photos is damaged; train the model anew", path);
}

static wk_status read_photo(wk_roster *r, const json_t *row, const char *path, wk_error *err) {
  const char *hex, *below, *whole;
  int label, split;
  wk_dataset *d = r->data;
  wk_photo *p = &d->photos[d->photo_count];
  if (json_unpack((json_t *)row, "[s,i,i,s,s]", &hex, &label, &split, &below, &whole) != 0 ||
      strlen(hex) != 2 * WK_SHA256_BYTES || label < -1 || label >= d->class_count || split < WK_SPLIT_ALL ||
      split > WK_SPLIT_TEST)
    return torn(path, err);
  for (size_t b = 0; b < WK_SHA256_BYTES; b++) {
    if (digit(hex[2 * b]) < 0 || digit(hex[2 * b + 1]) < 0)
      return torn(path, err);
    r->sha256[d->photo_count][b] = (uint8_t)(digit(hex[2 * b]) << 4 | digit(hex[2 * b + 1]));
  }
  *p = (wk_photo){wk_byte_name_read(whole), wk_byte_name_read(below), label, (wk_split)split};
  if (!p->path || !p->name) {
    wk_free(p->path);
    wk_free(p->name);
    return wk_no_memory(err);
  }
  d->photo_count++;
  return WK_OK;
}

static wk_status read_all(wk_roster *r, const json_t *all, const char *path, wk_error *err) {
  const json_t *classes = json_object_get(all, "classes"), *photos = json_object_get(all, "photos");
  const char *form = json_string_value(json_object_get(all, "form"));
  const char *probe = json_string_value(json_object_get(all, "probe"));
  const char *val = json_string_value(json_object_get(all, "val"));
  const char *group_by = json_string_value(json_object_get(all, "group_by"));
  const size_t class_count = json_array_size(classes), photo_count = json_array_size(photos);
  if (!form || strcmp(form, FORM) != 0 || !probe || class_count > INT32_MAX || photo_count >= UINT32_MAX)
    return torn(path, err);
  r->seed = (uint64_t)json_integer_value(json_object_get(all, "seed"));
  r->precision = (int)json_integer_value(json_object_get(all, "precision"));
  r->refit = json_is_true(json_object_get(all, "refit"));
  r->light = json_is_true(json_object_get(all, "light"));
  r->probe = wk_strdup(probe);
  if ((val && !(r->val = wk_byte_name_read(val))) || (group_by && !(r->group_by = wk_byte_name_read(group_by))))
    return wk_no_memory(err);
  r->data = wk_calloc(1, sizeof *r->data);
  r->sha256 = wk_calloc(photo_count + 1, sizeof *r->sha256);
  if (!r->probe || !r->data || !r->sha256)
    return wk_no_memory(err);
  r->data->root = wk_strdup("");
  r->data->classes = wk_calloc(class_count + 1, sizeof *r->data->classes);
  r->data->photos = wk_calloc(photo_count + 1, sizeof *r->data->photos);
  if (!r->data->root || !r->data->classes || !r->data->photos)
    return wk_no_memory(err);
  for (size_t c = 0; c < class_count; c++, r->data->class_count++) {
    const char *name = json_string_value(json_array_get(classes, c));
    if (!name)
      return torn(path, err);
    if (!(r->data->classes[c] = wk_byte_name_read(name)))
      return wk_no_memory(err);
  }
  for (size_t i = 0; i < photo_count; i++)
    WK_RETURN_IF_ERROR(read_photo(r, json_array_get(photos, i), path, err));
  return WK_OK;
}

wk_status wk_roster_read(wk_roster **out, const char *folder, const char *model, wk_error *err) {
  wk_status st = WK_OK;
  char *path = NULL;
  uint8_t *bytes = NULL;
  size_t size;
  json_t *all = NULL;
  wk_roster *r = wk_calloc(1, sizeof *r);
  WK_FAIL_IF(!r, err, WK_ERR_MEMORY, "out of memory");
  if (folder)
    WK_TRY(path_of(&path, folder, model, err));
  WK_FAIL_IF(!path || !wk_path_exists(path), err, WK_ERR_NOT_FOUND,
             "%s: which photos it learned from is not on record here; that is kept with the features where a model is "
             "trained (WHISKER_HOME), so train it anew on all of its photos",
             model);
  WK_TRY(wk_file_read(&bytes, &size, path, ROSTER_BYTES_MAX, err));
  WK_TRY(wk_json_parse(&all, (const char *)bytes, size, path, err));
  WK_TRY(read_all(r, all, path, err));
  *out = r;
  r = NULL;
done:
  json_decref(all);
  wk_free(bytes);
  wk_free(path);
  wk_roster_free(r);
  return st;
}

wk_status wk_roster_options(wk_train_options *o, const wk_roster *r, wk_error *err) {
  char *texts = NULL; /* a probe has none */
  o->kind = WK_TRAIN_PROBE;
  o->val = r->val;
  o->group_by = r->group_by;
  o->precision = r->precision;
  o->refit = r->refit;
  o->light = r->light;
  wk_status st = wk_options_from_json(&o->probe, wk_probe_options_table(), r->probe, &texts, err);
  wk_free(texts);
  return st;
}

/* ---- merging -------------------------------------------------------------------------------------- */

/* A photo of one of the two, on its way into the merged collection. */
typedef struct merged {
  wk_photo photo;
  const char *below; /* lives as long as the photo */
  const char *class; /* NULL: none */
  const uint8_t *sha256;
  bool fresh;
} merged;

static int by_name(const void *a, const void *b) {
  const merged *x = a, *y = b;
  const int order = strcmp(x->below, y->below);
  return order ? order : y->fresh - x->fresh;
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The classes of both, sorted. *fresh: those that only `d` has. */
static wk_status merge_classes(char ***out, int *count, size_t *fresh, const wk_dataset *d, const wk_dataset *old,
                               wk_error *err) {
  const size_t most = (size_t)d->class_count + (size_t)old->class_count;
  char **all = wk_calloc(most + 1, sizeof *all);
  size_t n = 0;
  if (!all)
    return wk_no_memory(err);
  for (int c = 0; c < old->class_count; c++)
    all[n++] = wk_strdup(old->classes[c]);
  *fresh = 0;
  for (int c = 0; c < d->class_count; c++) {
    bool known = false;
    for (int k = 0; k < old->class_count; k++)
      known = known || !strcmp(d->classes[c], old->classes[k]);
    if (!known) {
      all[n++] = wk_strdup(d->classes[c]);
      ++*fresh;
    }
  }
  for (size_t i = 0; i < n; i++)
    if (!all[i]) {
      for (size_t k = 0; k < n; k++)
        wk_free(all[k]);
      wk_free(all);
      return wk_no_memory(err);
    }
  qsort(all, n, sizeof *all, by_text);
  *out = all;
  *count = (int)n;
  return WK_OK;
}

static wk_status copy_roster(merged *to, const wk_roster *r, wk_error *err) {
  for (size_t i = 0; i < r->data->photo_count; i++) {
    const wk_photo *p = &r->data->photos[i];
    to[i] = (merged){.photo = {wk_strdup(p->path), wk_strdup(p->name), p->label, p->split},
                     .class = p->label < 0 ? NULL : r->data->classes[p->label],
                     .sha256 = r->sha256[i]};
    to[i].below = to[i].photo.name;
    if (!to[i].photo.path || !to[i].photo.name)
      return wk_no_memory(err);
  }
  return WK_OK;
}

static void free_photo(wk_photo *p) {
  if (p->name != p->path)
    wk_free(p->name);
  wk_free(p->path);
  *p = (wk_photo){0};
}

wk_status wk_roster_merge(wk_dataset *d, uint8_t (**sha256)[WK_SHA256_BYTES], const wk_roster *r, size_t added[3],
                          wk_error *err) {
  wk_status st = WK_OK;
  const size_t old = r->data->photo_count, most = old + d->photo_count;
  char **classes = NULL;
  int class_count = 0;
  size_t n = 0;
  merged *all = wk_calloc(most + 1, sizeof *all);
  wk_photo *photos = wk_calloc(most + 1, sizeof *photos);
  uint8_t(*known)[WK_SHA256_BYTES] = wk_calloc(most + 1, sizeof *known);
  WK_FAIL_IF(!all || !photos || !known, err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(copy_roster(all, r, err));
  WK_TRY(merge_classes(&classes, &class_count, &added[2], d, r->data, err));
  for (size_t i = 0; i < d->photo_count; i++)
    all[old + i] = (merged){.photo = d->photos[i],
                            .below = wk_photo_below(d, i),
                            .class = d->photos[i].label < 0 ? NULL : d->classes[d->photos[i].label],
                            .fresh = true};
  qsort(all, most, sizeof *all, by_name);
  added[0] = d->photo_count;
  added[1] = 0;
  for (size_t i = 0; i < most; i++) {
    if (i && n && !all[i].fresh && !strcmp(all[i].below, all[i - 1].below)) { /* the new one takes its place */
      added[1]++;
      continue;
    }
    photos[n] = all[i].photo;
    all[i].photo = (wk_photo){0};
    photos[n].label = -1;
    if (all[i].class) {
      char **of = bsearch(&all[i].class, classes, (size_t)class_count, sizeof *classes, by_text);
      photos[n].label = of ? (int)(of - classes) : -1;
    }
    if (all[i].sha256)
      memcpy(known[n], all[i].sha256, sizeof *known);
    n++;
  }
  added[0] -= added[1];
  for (int c = 0; c < d->class_count; c++)
    wk_free(d->classes[c]);
  wk_free(d->classes);
  wk_free(d->photos);
  d->classes = classes;
  d->class_count = class_count;
  d->photos = photos;
  d->photo_count = n;
  *sha256 = known;
  classes = NULL;
  photos = NULL;
  known = NULL;
done:
  for (size_t i = 0; all && i < most; i++)
    if (!all[i].fresh)
      free_photo(&all[i].photo);
  wk_free(all);
  wk_free(photos);
  wk_free(known);
  return st;
}

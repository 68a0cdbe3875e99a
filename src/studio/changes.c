/* changes.c - see changes.h. A change is one of
 *   {"id":5 or "ids":[5,6], "class":2 or null}        {"id":5, "part":"val"}        {"id":5, "removed":true}
 *   {"class":2, "name":"dog" or null}                 names a class; null takes it back, when no photo has it
 *   {"id":9, "file":"photos/..", "sha256":"..", "class":2}   (journal alone) photo 9 is this file of the project's own
 * They say what becomes, so that making one twice changes nothing. */
#include "changes.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_CLASSES = 10000, LONGEST_NAME = 200 };

static const char *const parts[] = {"auto", "train", "val", "test"};

int wk_part_of(const char *name) {
  for (int i = 0; name && i < 4; i++)
    if (!strcmp(name, parts[i]))
      return i;
  return -1;
}

const char *wk_part_name(int part) { return parts[part & 3]; }

static wk_status bad(wk_fault *f, const char *why) {
  return wk_fault_set(f, 400, "edit", WK_ERR_ARGUMENT, "an edit %s", why);
}

/* ---- classes ----------------------------------------------------------------------------------- */

static bool name_is_fine(const char *name) {
  size_t letters = 0;
  for (const unsigned char *c = (const unsigned char *)name; *c; c++) {
    if (*c < 32 || *c == 127)
      return false;
    letters += *c != ' ';
  }
  return letters && strlen(name) <= LONGEST_NAME;
}

static wk_status name_class(wk_project *p, int at, const char *name, wk_fault *f) {
  char *copy = name ? strdup(name) : NULL;
  if (name && !copy)
    return wk_fault_memory(f);
  if (at == p->class_count) {
    char **grown = realloc(p->classes, (size_t)(at + 1) * sizeof *grown);
    if (!grown) {
      free(copy);
      return wk_fault_memory(f);
    }
    p->classes = grown;
    p->classes[p->class_count++] = NULL;
  }
  free(p->classes[at]);
  p->classes[at] = copy;
  return WK_OK;
}

static wk_status change_class(json_t **inverse, wk_project *p, const json_t *change, bool trusted, wk_fault *f) {
  const json_t *number = json_object_get(change, "class"), *name = json_object_get(change, "name");
  const json_int_t at = json_is_integer(number) ? json_integer_value(number) : -1;
  const char *text = json_string_value(name);
  if (at < 0 || at > p->class_count || at >= MOST_CLASSES || (!text && !json_is_null(name)))
    return bad(f, "that names a class has its number, at most one beyond the last, and a name");
  if (text && !name_is_fine(text))
    return bad(f, "gives a class a name without a letter, of more than 200 bytes, or with control characters");
  for (int i = 0; text && !trusted && i < p->class_count; i++)
    if (i != at && p->classes[i] && !strcmp(p->classes[i], text))
      return wk_fault_set(f, 409, "class_exists", WK_ERR_ARGUMENT, "there is a class '%s' already", text);
  for (size_t i = 0; !text && !trusted && i < p->photo_count; i++)
    if (p->photos[i].label == at)
      return bad(f, "takes back a class that photos have");
  *inverse = json_pack("{s:I,s:o}", "class", at, "name", wk_json_text(at < p->class_count ? p->classes[at] : NULL));
  return *inverse ? name_class(p, (int)at, text, f) : wk_fault_memory(f);
}

/* ---- photos ------------------------------------------------------------------------------------ */

typedef enum field { FIELD_LABEL, FIELD_PART, FIELD_REMOVED } field;

static int field_of(const wk_project_photo *photo, field what) {
  return what == FIELD_LABEL ? photo->label : what == FIELD_PART ? photo->part : photo->removed;
}

static void set_field(wk_project_photo *photo, field what, int value) {
  if (what == FIELD_LABEL)
    photo->label = value;
  else if (what == FIELD_PART)
    photo->part = (uint8_t)value;
  else
    photo->removed = value != 0;
}

static wk_status value_of(field *what, int *value, const wk_project *p, const json_t *change, wk_fault *f) {
  const json_t *v;
  if ((v = json_object_get(change, "class"))) {
    *what = FIELD_LABEL;
    const json_int_t at = json_is_integer(v) ? json_integer_value(v) : -1;
    *value = (int)at;
    if (!json_is_null(v) && (at < 0 || at >= p->class_count || !p->classes[at]))
      return bad(f, "gives a photo a class that is not there");
    return WK_OK;
  }
  if ((v = json_object_get(change, "part"))) {
    *what = FIELD_PART;
    *value = wk_part_of(json_string_value(v));
    return *value >= 0 ? WK_OK : bad(f, "has a part that is none of auto, train, val, test");
  }
  v = json_object_get(change, "removed");
  *what = FIELD_REMOVED;
  *value = json_is_true(v);
  return json_is_boolean(v) ? WK_OK : bad(f, "has a photo and one of class, part, removed");
}

/* Into old: {"ids":[...],"class":1}, an object for each value that the photos had. */
static bool remember(json_t *old, uint64_t id, field what, int value) {
  static const char *const keys[] = {"class", "part", "removed"};
  json_t *v = what == FIELD_LABEL  ? value < 0 ? json_null() : json_integer(value)
               : what == FIELD_PART ? json_string(wk_part_name(value))
                                   : json_boolean(value);
  json_t *group = NULL;
  size_t i;
  json_array_foreach(old, i, group) if (json_equal(json_object_get(group, keys[what]), v)) break;
  if (i == json_array_size(old)) {
    group = json_pack("{s:[],s:O}", "ids", keys[what], v);
    if (json_array_append_new(old, group)) {
      json_decref(v);
      return false;
    }
  }
  json_decref(v);
  return !json_array_append_new(json_object_get(group, "ids"), json_integer((json_int_t)id));
}

static wk_status change_photos(json_t *inverse, wk_project *p, const json_t *change, wk_fault *f) {
  field what;
  int value;
  wk_status st = value_of(&what, &value, p, change, f);
  if (st != WK_OK)
    return st;
  const json_t *ids = json_object_get(change, "ids"), *one = json_object_get(change, "id");
  if (!json_is_array(ids) == !json_is_integer(one))
    return bad(f, "has either id, a number, or ids, an array of them");
  const size_t count = ids ? json_array_size(ids) : 1;
  for (size_t i = 0; i < count; i++) {
    const json_t *id = ids ? json_array_get(ids, i) : one;
    if (!json_is_integer(id))
      return bad(f, "has an id that is no number");
    wk_project_photo *photo = wk_project_photo_at(p, (uint64_t)json_integer_value(id), f);
    if (!photo)
      return WK_ERR_NOT_FOUND;
    if (!remember(inverse, (uint64_t)json_integer_value(id), what, field_of(photo, what)))
      return wk_fault_memory(f);
    set_field(photo, what, value);
  }
  return WK_OK;
}

/* ---- added photos ------------------------------------------------------------------------------ */

static wk_status add_photo(json_t **inverse, wk_project *p, const json_t *change, wk_fault *f) {
  const json_int_t id = json_integer_value(json_object_get(change, "id"));
  const char *file = json_string_value(json_object_get(change, "file"));
  const json_t *label = json_object_get(change, "class");
  const json_int_t at = json_is_integer(label) ? json_integer_value(label) : -1;
  wk_project_photo photo = {.own = true, .label = (int32_t)at};
  if (!file || id < 1 || (uint64_t)id > p->photo_count + 1 || at >= p->class_count ||
      !wk_hash_read(photo.sha256, json_string_value(json_object_get(change, "sha256"))))
    return bad(f, "that adds a photo is broken");
  photo.file = (char *)(uintptr_t)file;
  *inverse = json_pack("{s:[I],s:b}", "ids", id, "removed", 1);
  if (!*inverse)
    return wk_fault_memory(f);
  if ((uint64_t)id == p->photo_count + 1)
    return wk_project_append(p, &photo, f);
  p->photos[id - 1].removed = false;
  return WK_OK;
}

/* ---- all of them ------------------------------------------------------------------------------- */

static wk_status make_one(json_t *inverse, wk_project *p, const json_t *change, bool trusted, wk_fault *f) {
  json_t *one = NULL;
  wk_status st;
  if (!json_is_object(change))
    return bad(f, "is a JSON object");
  if (json_object_get(change, "file") && trusted)
    st = add_photo(&one, p, change, f);
  else if (json_object_get(change, "name"))
    st = change_class(&one, p, change, trusted, f);
  else {
    json_t *old = json_array();
    st = old ? change_photos(old, p, change, f) : wk_fault_memory(f);
    /* What was changed before it failed is in it, so that it can be taken back. */
    if (old && json_array_size(old)) {
      for (size_t i = json_array_size(old); i-- > 0;)
        if (json_array_insert(inverse, 0, json_array_get(old, i)))
          st = wk_fault_memory(f);
    }
    json_decref(old);
    return st;
  }
  if (st == WK_OK && json_array_insert(inverse, 0, one))
    st = wk_fault_memory(f);
  json_decref(one);
  return st;
}

wk_status wk_changes_make(json_t **inverse, wk_project *p, const json_t *changes, bool trusted, wk_fault *f) {
  json_t *back = json_array();
  if (!back)
    return wk_fault_memory(f);
  wk_status st = json_is_array(changes) && json_array_size(changes)
                     ? WK_OK
                     : bad(f, "is missing: edits is an array of at least one");
  for (size_t i = 0; st == WK_OK && i < json_array_size(changes); i++)
    st = make_one(back, p, json_array_get(changes, i), trusted, f);
  if (st != WK_OK && json_array_size(back)) {
    wk_fault ignored;
    const wk_status undone = wk_changes_make(NULL, p, back, true, &ignored);
    (void)undone;
  }
  if (st == WK_OK && inverse)
    *inverse = back;
  else
    json_decref(back);
  return st;
}

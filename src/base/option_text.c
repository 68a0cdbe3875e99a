/* option_text.c - options written and read: one value as text, all of them as JSON, and the exact values that a
 * checkpoint's fingerprint is made of. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/option_field.h"

/* ---- numbers ----------------------------------------------------------------------------------- */

/* The fewest digits that are read back to the same number. */
static void shortest(char out[40], double v) {
  for (int digits = 6; digits <= 17; digits++) {
    snprintf(out, 40, "%.*g", digits, v);
    for (char *p = out; *p; p++)
      *p = *p == ',' ? '.' : *p;
    double back;
    if (wk_parse_double(&back, out) && back == v)
      return;
  }
}

/* A float's neighbours lie far apart: 0.1f is written as 0.1. */
static double as_written(const wk_option *row, double v) {
  if (row->type != WK_OPTION_FLOAT)
    return v;
  for (int digits = 6; digits <= 9; digits++) {
    char text[40];
    double back;
    snprintf(text, sizeof text, "%.*g", digits, v);
    for (char *p = text; *p; p++)
      *p = *p == ',' ? '.' : *p;
    if (wk_parse_double(&back, text) && (float)back == (float)v)
      return back;
  }
  return v;
}

/* ---- one value --------------------------------------------------------------------------------- */

char *wk_option_text(const void *options, const wk_option *row) {
  const double v = wk_option_number(options, row), unit = row->unit > 0 ? row->unit : 1;
  char text[40] = "";
  switch (row->type) {
  case WK_OPTION_BOOL:
    return wk_strdup(v != 0 ? "true" : "false");
  case WK_OPTION_CHOICE:
    return wk_strdup(row->choices[(int)v]);
  case WK_OPTION_TEXT:
    return wk_strdup(wk_option_string(options, row) ? wk_option_string(options, row) : "");
  case WK_OPTION_CODEC:
    return row->codec->write((const char *)options + row->offset);
  case WK_OPTION_U64:
    return wk_asprintf("%llu", (unsigned long long)*(const uint64_t *)((const char *)options + row->offset));
  case WK_OPTION_PART:
    return wk_options_json((const char *)options + row->offset, row->part);
  default:
    if (wk_option_is_automatic(row, v))
      return wk_strdup("auto");
    shortest(text, as_written(row, v) / unit);
    return wk_strdup(text);
  }
}

/* ---- JSON -------------------------------------------------------------------------------------- */

static void key_of(char out[64], const char *name) {
  size_t i = 0;
  for (; name[i] && i < 63; i++)
    out[i] = name[i] == '-' ? '_' : name[i];
  out[i] = 0;
}

static json_t *value_json(const void *options, const wk_option *row);

static json_t *object_json(const void *options, const wk_option_table *table) {
  json_t *all = json_object();
  wk_option row;
  for (int i = 0; all && wk_options_row(&row, table, i); i++) {
    char key[64];
    key_of(key, row.name);
    if (json_object_set_new(all, key, value_json(options, &row))) {
      json_decref(all);
      all = NULL;
    }
  }
  return all;
}

static json_t *value_json(const void *options, const wk_option *row) {
  const double v = wk_option_number(options, row);
  const char *string;
  char *text;
  json_t *j;
  switch (row->type) {
  case WK_OPTION_BOOL:
    return json_boolean(v != 0);
  case WK_OPTION_PART:
    return object_json((const char *)options + row->offset, row->part);
  case WK_OPTION_TEXT:
    string = wk_option_string(options, row);
    return string ? json_string(string) : json_null();
  case WK_OPTION_CHOICE:
    return json_string(row->choices[(int)v]);
  case WK_OPTION_CODEC:
    text = row->codec->write((const char *)options + row->offset);
    j = text ? json_string(text) : NULL;
    wk_free(text);
    return j;
  case WK_OPTION_U64:
    return json_integer((json_int_t) * (const uint64_t *)((const char *)options + row->offset));
  default:
    if (wk_option_is_automatic(row, v))
      return json_string("auto");
    return row->type == WK_OPTION_INT || row->type == WK_OPTION_SIZE ? json_integer((json_int_t)v)
                                                                     : json_real(as_written(row, v));
  }
}

char *wk_options_json(const void *options, const wk_option_table *table) {
  json_t *all = object_json(options, table);
  char *text = all ? json_dumps(all, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL,
       *out = text ? wk_strdup(text) : NULL;
  free(text);
  json_decref(all);
  return out;
}

/* What is read into: the block that texts are copied to, which is as long as the JSON and so long enough. */
typedef struct reading {
  char *texts;
  size_t used;
} reading;

static wk_status read_object(void *options, const wk_option_table *table, const json_t *json, reading *r,
                             wk_error *err);

static const char *kind_of(const json_t *v) {
  static const char *const name[] = {"an object", "a list", "a text", "a number", "a number", "true", "false", "null"};
  return name[json_typeof(v)];
}

static wk_status read_value(void *options, const wk_option_table *table, const char *name, const json_t *v, reading *r,
                            wk_error *err) {
  wk_option row;
  char text[40];
  if (!wk_options_find(&row, table, name))
    return wk_options_set(options, table, name, "", err); /* says which is meant, perhaps */
  if (row.type == WK_OPTION_PART && json_is_object(v))
    return read_object((char *)options + row.offset, row.part, v, r, err);
  if (row.type == WK_OPTION_TEXT && json_is_null(v)) {
    wk_option_put(options, &row, 0, NULL);
    return WK_OK;
  }
  const bool wants_text = row.type == WK_OPTION_TEXT || row.type == WK_OPTION_CHOICE || row.type == WK_OPTION_CODEC;
  if (json_is_string(v) && (wants_text || !strcmp(json_string_value(v), "auto"))) {
    char *copy = r->texts + r->used;
    r->used += json_string_length(v) + 1;
    strcpy(copy, json_string_value(v));
    return wk_options_set(options, table, name, copy, err);
  }
  if (json_is_boolean(v) && row.type == WK_OPTION_BOOL)
    return wk_options_set(options, table, name, json_is_true(v) ? "true" : "false", err);
  if (json_is_number(v) && row.type != WK_OPTION_BOOL && row.type != WK_OPTION_PART && !wants_text) {
    if (json_is_integer(v))
      snprintf(text, sizeof text, "%lld", (long long)json_integer_value(v) / (long long)(row.unit > 0 ? row.unit : 1));
    else
      shortest(text, json_real_value(v) / (row.unit > 0 ? row.unit : 1));
    return wk_options_set(options, table, name, text, err);
  }
  return WK_FAIL(err, WK_ERR_ARGUMENT, "%s must be %s (got %s)", name,
                 row.type == WK_OPTION_BOOL   ? "true or false"
                 : row.type == WK_OPTION_PART ? "an object"
                 : wants_text                 ? "a text"
                                              : "a number",
                 kind_of(v));
}

/* A choice that others go with comes before them, whatever the order in the file. */
static wk_status read_object(void *options, const wk_option_table *table, const json_t *json, reading *r,
                             wk_error *err) {
  for (int pass = 0; pass < 2; pass++) {
    const char *name;
    json_t *v;
    json_object_foreach((json_t *)json, name, v) {
      wk_option row;
      const bool first = wk_options_find(&row, table, name) && row.with;
      if (first == (pass == 0))
        WK_RETURN_IF_ERROR(read_value(options, table, name, v, r, err));
    }
  }
  return WK_OK;
}

wk_status wk_options_from_json(void *options, const wk_option_table *table, const char *json, char **texts,
                               wk_error *err) {
  wk_status st = WK_OK;
  json_error_t why;
  reading r = {0};
  json_t *all = json_loads(json, JSON_REJECT_DUPLICATES, &why);
  WK_FAIL_IF(!all, err, WK_ERR_FORMAT, "line %d of the options is not JSON: %s", why.line, why.text);
  WK_FAIL_IF(!json_is_object(all), err, WK_ERR_FORMAT, "options are a JSON object, not %s", kind_of(all));
  r.texts = wk_alloc(strlen(json) + 1);
  WK_FAIL_IF(!r.texts, err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(read_object(options, table, all, &r, err));
  *texts = r.texts;
  r.texts = NULL;
done:
  wk_free(r.texts);
  json_decref(all);
  return st;
}

/* ---- fingerprints ------------------------------------------------------------------------------ */

static void add_exact(wk_text *out, const void *options, const wk_option *row, bool number) {
  const double v = wk_option_number(options, row);
  if (row->type == WK_OPTION_FLOAT || row->type == WK_OPTION_DOUBLE)
    wk_text_add(out, "%a", v);
  else if (number || row->type == WK_OPTION_BOOL || row->type == WK_OPTION_INT || row->type == WK_OPTION_SIZE)
    wk_text_add(out, "%.0f", v);
  else {
    char *text = wk_option_text(options, row);
    wk_text_add(out, "%s", text ? text : "");
    out->failed |= !text;
    wk_free(text);
  }
}

void wk_options_format(wk_text *out, const char *text, const void *options, const wk_option_table *table) {
  while (*text) {
    size_t plain = strcspn(text, "{");
    wk_text_append(out, text, plain);
    text += plain;
    if (!*text)
      return;
    const bool number = *++text == '#';
    text += number;
    size_t length = strcspn(text, "}");
    char name[64] = "";
    wk_option row;
    if (length < sizeof name && wk_options_find(&row, table, memcpy(name, text, length)))
      add_exact(out, options, &row, number);
    else
      out->failed = true;
    text += length + (text[length] == '}');
  }
}

static bool names(const char *text, const char *name) {
  for (const char *p = text; (p = strchr(p, '{')); p++) {
    const char *begin = p[1] == '#' ? p + 2 : p + 1;
    if (wk_option_same_name(begin, name, strcspn(begin, "}")))
      return true;
  }
  return false;
}

static bool at_default(const void *options, const wk_option *row) {
  if (row->type == WK_OPTION_TEXT) {
    const char *v = wk_option_string(options, row), *d = row->text;
    return v == d || (v && d && !strcmp(v, d));
  }
  return wk_option_number(options, row) == row->value;
}

void wk_options_fingerprint(wk_text *out, const char *but, const void *options, const wk_option_table *table) {
  wk_option row;
  for (int i = 0; wk_options_row(&row, table, i); i++) {
    if (!(row.flags & WK_OPTION_FINGERPRINT) || names(but, row.name) || at_default(options, &row))
      continue;
    wk_text_add(out, "%s ", row.name);
    add_exact(out, options, &row, false);
    wk_text_add(out, "\n");
  }
}

/* options.c - what every options struct is made from: defaults, checks and values by name, all from one table of rows.
 */
#include "whisker/options.h"

#include <math.h>
#include <string.h>

#include "base/base.h"
#include "base/option_field.h"

static bool is_end(const wk_option *row) { return !row->name && !row->part; }

/* ---- fields ------------------------------------------------------------------------------------ */

double wk_option_number(const void *options, const wk_option *row) {
  const void *at = (const char *)options + row->offset;
  switch (row->type) {
  case WK_OPTION_BOOL:
    return *(const bool *)at;
  case WK_OPTION_INT:
    return *(const int *)at;
  case WK_OPTION_CHOICE:
    return (double)*(const unsigned *)at;
  case WK_OPTION_SIZE:
    return (double)*(const size_t *)at;
  case WK_OPTION_U64:
    return (double)*(const uint64_t *)at;
  case WK_OPTION_FLOAT:
    return (double)*(const float *)at;
  case WK_OPTION_DOUBLE:
    return *(const double *)at;
  default:
    return NAN;
  }
}

const char *wk_option_string(const void *options, const wk_option *row) {
  return *(const char *const *)((const char *)options + row->offset);
}

void wk_option_put(void *options, const wk_option *row, double v, const char *text) {
  void *at = (char *)options + row->offset;
  switch (row->type) {
  case WK_OPTION_BOOL:
    *(bool *)at = v != 0;
    break;
  case WK_OPTION_INT:
    *(int *)at = (int)v;
    break;
  case WK_OPTION_CHOICE:
    *(unsigned *)at = (unsigned)v;
    break;
  case WK_OPTION_SIZE:
    *(size_t *)at = (size_t)v;
    break;
  case WK_OPTION_U64:
    *(uint64_t *)at = (uint64_t)v;
    break;
  case WK_OPTION_FLOAT:
    *(float *)at = (float)v;
    break;
  case WK_OPTION_DOUBLE:
    *(double *)at = v;
    break;
  case WK_OPTION_TEXT:
    *(const char **)at = text;
    break;
  case WK_OPTION_CODEC:
    row->codec->init(at);
    break;
  case WK_OPTION_PART:
    break;
  }
}

/* ---- defaults ---------------------------------------------------------------------------------- */

static void set_defaults(void *options, const wk_option_table *table) {
  for (const wk_option *row = table->rows; !is_end(row); row++)
    if (row->type == WK_OPTION_PART) {
      void *part = (char *)options + row->offset;
      set_defaults(part, row->part);
      if (row->preset)
        wk_options_preset(part, row->part, row->preset);
    } else {
      wk_option_put(options, row, row->value, row->text);
    }
}

void wk_options_init(void *options, const wk_option_table *table) {
  memset(options, 0, table->size);
  set_defaults(options, table);
}

bool wk_option_same_name(const char *a, const char *b, size_t length) {
  size_t i = 0;
  for (; i < length && b[i]; i++)
    if ((a[i] == '_' ? '-' : a[i]) != (b[i] == '_' ? '-' : b[i]))
      return false;
  return i == length && !b[i];
}

static const wk_option_value *value_of(const wk_option_value *list, const char *name) {
  for (const wk_option_value *v = list; v && v->name; v++)
    if (wk_option_same_name(v->name, name, strlen(v->name)))
      return v;
  return NULL;
}

/* Rows that go with a choice: see wk_option.with. */
static void follow_choice(void *options, const wk_option_table *table, const wk_option *choice, int now) {
  for (const wk_option *row = table->rows; !is_end(row); row++) {
    bool depends = false;
    for (int i = 0; row->name && choice->choices[i]; i++)
      depends |= value_of(choice->with[i], row->name) != NULL;
    if (!depends)
      continue;
    const wk_option_value *v = value_of(choice->with[now], row->name);
    wk_option_put(options, row, v ? v->value : row->value, v ? v->text : row->text);
  }
}

static void put(void *options, const wk_option_table *table, const wk_option *row, double v, const char *text) {
  const bool changes = row->type == WK_OPTION_CHOICE && wk_option_number(options, row) != v;
  wk_option_put(options, row, v, text);
  if (changes && row->with)
    follow_choice(options, table, row, (int)v);
}

/* The row of that name as it stands in its own table, and where that table's struct begins. */
typedef struct place {
  const wk_option_table *table;
  const wk_option *row;
  size_t base; /* bytes from the outer struct to the one of `table` */
} place;

static bool has_name(const wk_option *row, const char *name, size_t length) {
  if (wk_option_same_name(name, row->name, length))
    return true;
  for (const char *old = row->old_names; old && *old;) {
    size_t n = strcspn(old, " ");
    char one[64] = "";
    if (n < sizeof one && wk_option_same_name(name, memcpy(one, old, n), length))
      return true;
    old += n + strspn(old + n, " ");
  }
  return false;
}

static bool find(place *out, const wk_option_table *table, const char *name, size_t base) {
  const size_t length = strcspn(name, ".");
  for (const wk_option *row = table->rows; !is_end(row); row++) {
    if (row->type == WK_OPTION_PART && !row->name) {
      if (find(out, row->part, name, base + row->offset))
        return true;
    } else if (has_name(row, name, length)) {
      *out = (place){table, row, base};
      if (!name[length])
        return true;
      return row->type == WK_OPTION_PART && find(out, row->part, name + length + 1, base + row->offset);
    }
  }
  return false;
}

void wk_options_preset(void *options, const wk_option_table *table, const wk_option_value *values) {
  for (const wk_option_value *v = values; v->name; v++) {
    place p;
    if (find(&p, table, v->name, 0))
      put((char *)options + p.base, p.table, p.row, v->value, v->text);
  }
}

bool wk_options_find(wk_option *out, const wk_option_table *table, const char *name) {
  place p;
  if (!find(&p, table, name, 0))
    return false;
  *out = *p.row;
  out->offset += p.base;
  return true;
}

/* ---- rows -------------------------------------------------------------------------------------- */

static bool row_at(wk_option *out, const wk_option_table *table, int *index, size_t base) {
  for (const wk_option *row = table->rows; !is_end(row); row++)
    if (row->type == WK_OPTION_PART && !row->name) {
      if (row_at(out, row->part, index, base + row->offset))
        return true;
    } else if ((*index)-- == 0) {
      *out = *row;
      out->offset += base;
      return true;
    }
  return false;
}

bool wk_options_row(wk_option *out, const wk_option_table *table, int index) { return row_at(out, table, &index, 0); }

/* Names further apart than this are not taken for one another. */
static int far(const char *name) { return (int)strlen(name) / 3 + 2; }

const char *wk_nearest_name(const char *name, const char *const *names) {
  const char *best = NULL;
  for (int distance = far(name); *names; names++) {
    int d = wk_edit_distance(name, *names);
    if (d < distance) {
      distance = d;
      best = *names;
    }
  }
  return best;
}

/* The name of a row most like `name`; NULL: none is near. */
static const char *nearest_row(const wk_option_table *table, const char *name) {
  const char *best = NULL;
  wk_option row;
  for (int i = 0, distance = far(name); wk_options_row(&row, table, i); i++) {
    int d = wk_edit_distance(name, row.name);
    if (d < distance) {
      distance = d;
      best = row.name;
    }
  }
  return best;
}

/* ---- checks ------------------------------------------------------------------------------------ */

bool wk_option_is_automatic(const wk_option *row, double v) {
  return row->automatic && (v == row->value || (row->value < row->min && v < row->min));
}

static bool bounded(const wk_option *row) { return !(row->min >= row->max && row->min <= row->max); }
static bool too_low(const wk_option *row, double v) {
  return !(row->flags & WK_OPTION_ABOVE_MIN ? v > row->min : v >= row->min);
}
static bool too_high(const wk_option *row, double v) {
  return !(row->flags & WK_OPTION_BELOW_MAX ? v < row->max : v <= row->max);
}

static bool is_whole(const wk_option *row) {
  return row->type == WK_OPTION_INT || row->type == WK_OPTION_SIZE || row->type == WK_OPTION_U64;
}

static double unit_of(const wk_option *row) { return row->unit > 0 ? row->unit : 1; }

static void add_bounds(wk_text *t, const wk_option *row, bool low, bool high) {
  const double unit = unit_of(row);
  low = low && isfinite(row->min);
  high = high && isfinite(row->max);
  if (low)
    wk_text_add(t, "%s %.10g", row->flags & WK_OPTION_ABOVE_MIN ? "above" : "at least", row->min / unit);
  if (high)
    wk_text_add(t, "%s%s %.10g", low ? " and " : "", row->flags & WK_OPTION_BELOW_MAX ? "below" : "at most",
                row->max / unit);
}

static void add_choices(wk_text *t, const wk_option *row) {
  wk_text_add(t, "one of ");
  for (int i = 0; row->choices[i]; i++)
    wk_text_add(t, "%s%s", i ? ", " : "", row->choices[i]);
}

static void add_allowed(wk_text *t, const wk_option *row) {
  if (row->type == WK_OPTION_CHOICE)
    add_choices(t, row);
  else if (bounded(row))
    add_bounds(t, row, true, true);
  if (row->automatic)
    wk_text_add(t, "%sauto", t->len ? ", or " : "a number, or ");
}

char *wk_option_bounds(const wk_option *row) {
  wk_text t = {0};
  wk_text_add(&t, "%s", "");
  if (row->type != WK_OPTION_BOOL && row->type != WK_OPTION_TEXT && row->type < WK_OPTION_CODEC)
    add_allowed(&t, row);
  if (t.failed)
    wk_text_free(&t);
  return t.data;
}

static wk_status out_of_bounds(const wk_option *row, const char *name, double v, wk_error *err) {
  wk_text t = {0};
  wk_text_add(&t, "%s", "");
  if (!isfinite(v) && !bounded(row))
    wk_text_add(&t, "a finite number");
  else if (is_whole(row)) /* the side on which it is wrong says it all */
    add_bounds(&t, row, too_low(row, v), too_high(row, v));
  else
    add_bounds(&t, row, true, true);
  if (row->automatic)
    wk_text_add(&t, ", or auto");
  wk_status st = t.failed ? WK_FAIL(err, WK_ERR_MEMORY, "out of memory")
                          : WK_FAIL(err, WK_ERR_ARGUMENT, "%s must be %s (got %.10g)", name, t.data, v / unit_of(row));
  wk_text_free(&t);
  return st;
}

static int choices_of(const wk_option *row) {
  int n = 0;
  while (row->choices[n])
    n++;
  return n;
}

wk_status wk_option_check(const wk_option *row, const char *name, double v, wk_error *err) {
  if (row->type == WK_OPTION_BOOL || wk_option_is_automatic(row, v))
    return WK_OK;
  if (row->type == WK_OPTION_CHOICE) {
    if (v < choices_of(row))
      return WK_OK;
    wk_text t = {0};
    add_choices(&t, row);
    wk_status st = WK_FAIL(err, WK_ERR_ARGUMENT, "%s must be %s (got number %.0f)", name,
                           t.failed ? "one of its choices" : t.data, v);
    wk_text_free(&t);
    return st;
  }
  const bool wrong = bounded(row) && (too_low(row, v) || too_high(row, v));
  return wrong || !isfinite(v) ? out_of_bounds(row, name, v, err) : WK_OK;
}

/* As a program writes it: with _ for -. */
static const char *key(char out[64], const char *name) {
  size_t i = 0;
  for (; name[i] && i < 63; i++)
    out[i] = name[i] == '-' ? '_' : name[i];
  out[i] = 0;
  return out;
}

wk_status wk_options_validate(const void *options, const wk_option_table *table, wk_error *err) {
  char name[64];
  for (const wk_option *row = table->rows; !is_end(row); row++) {
    const void *at = (const char *)options + row->offset;
    if (row->type == WK_OPTION_PART)
      WK_RETURN_IF_ERROR(wk_options_validate(at, row->part, err));
    else if (row->type == WK_OPTION_CODEC)
      WK_RETURN_IF_ERROR(row->codec->check(at, err));
    else if (row->type != WK_OPTION_TEXT)
      WK_RETURN_IF_ERROR(wk_option_check(row, key(name, row->name), wk_option_number(options, row), err));
  }
  return table->check ? table->check(options, err) : WK_OK;
}

/* ---- values from text -------------------------------------------------------------------------- */

/* "plain" for "lesson" where that is what it was called; else the text itself. `now` holds it. */
static const char *name_now(char now[64], const wk_option *row, const char *text) {
  const size_t n = strlen(text);
  for (const char *p = row->old_choices; p && *p; p += strcspn(p, " ") + (p[strcspn(p, " ")] == ' '))
    if (!strncmp(p, text, n) && p[n] == '=') {
      snprintf(now, 64, "%.*s", (int)strcspn(p + n + 1, " "), p + n + 1);
      return now;
    }
  return text;
}

static wk_status read_choice(double *out, const wk_option *row, const char *typed, wk_error *err) {
  char now[64];
  const char *text = name_now(now, row, typed);
  for (int i = 0; row->choices[i]; i++)
    if (wk_edit_distance(text, row->choices[i]) == 0) { /* the same but for capitals */
      *out = i;
      return WK_OK;
    }
  const char *nearest = wk_nearest_name(text, row->choices);
  wk_text t = {0};
  add_choices(&t, row);
  wk_status st = WK_FAIL(err, WK_ERR_ARGUMENT, "%s must be %s (got '%.60s'%s%s%s)", row->name, t.failed ? "" : t.data,
                         text, nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
  wk_text_free(&t);
  return st;
}

static wk_status read_bool(double *out, const wk_option *row, const char *text, wk_error *err) {
  static const char *const word[] = {"false", "true", "0", "1", "no", "yes", "off", "on"};
  for (int i = 0; i < 8; i++)
    if (!strcmp(text, word[i])) {
      *out = i & 1;
      return WK_OK;
    }
  return WK_FAIL(err, WK_ERR_ARGUMENT, "%s must be true or false (got '%.60s')", row->name, text);
}

static wk_status read_number(double *out, const wk_option *row, const char *text, wk_error *err) {
  const bool whole = is_whole(row);
  double v = 0;
  if (row->automatic && !strcmp(text, "auto")) {
    *out = row->value;
    return WK_OK;
  }
  if (!wk_parse_double(&v, text) || !isfinite(v) || (whole && v != floor(v)))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "%s must be a %snumber%s (got '%.60s')", row->name, whole ? "whole " : "",
                   row->automatic ? ", or auto" : "", text);
  v *= unit_of(row);
  /* What the field's type can hold; above 2^53 a double would round. */
  const double most = row->type == WK_OPTION_INT ? 2147483647.0 : 9007199254740992.0;
  if (whole && (v > most || v < (row->type == WK_OPTION_INT ? -most : 0)))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "%s must be a whole number from %.0f to %.0f (got '%.60s')", row->name,
                   row->type == WK_OPTION_INT ? -most : 0, most, text);
  *out = v;
  return wk_option_check(row, row->name, v, err);
}

/* A seed may be any 64 bits, which no double holds. */
static wk_status read_u64(void *field, const wk_option *row, const char *text, wk_error *err) {
  uint64_t v = 0;
  bool good = *text != 0;
  for (const char *p = text; *p && good; p++)
    good = *p >= '0' && *p <= '9' && !__builtin_mul_overflow(v, (uint64_t)10, &v) &&
           !__builtin_add_overflow(v, (uint64_t)(*p - '0'), &v);
  if (!good)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "%s must be a whole number from 0 to %llu (got '%.60s')", row->name,
                   (unsigned long long)UINT64_MAX, text);
  *(uint64_t *)field = v;
  return WK_OK;
}

wk_status wk_options_set(void *options, const wk_option_table *table, const char *name, const char *text,
                         wk_error *err) {
  place p;
  if (!find(&p, table, name, 0) || p.row->type == WK_OPTION_PART) {
    const char *nearest = nearest_row(table, name);
    return WK_FAIL(err, WK_ERR_NOT_FOUND, "there is no option %.60s%s%s%s", name, nearest ? "; did you mean " : "",
                   nearest ? nearest : "", nearest ? "?" : "");
  }
  char *inner = (char *)options + p.base;
  double v = 0;
  switch (p.row->type) {
  case WK_OPTION_CODEC:
    return p.row->codec->read(inner + p.row->offset, text, err);
  case WK_OPTION_U64:
    return read_u64(inner + p.row->offset, p.row, text, err);
  case WK_OPTION_TEXT:
    break;
  case WK_OPTION_BOOL:
    WK_RETURN_IF_ERROR(read_bool(&v, p.row, text, err));
    break;
  case WK_OPTION_CHOICE:
    WK_RETURN_IF_ERROR(read_choice(&v, p.row, text, err));
    break;
  default:
    WK_RETURN_IF_ERROR(read_number(&v, p.row, text, err));
    break;
  }
  put(inner, p.table, p.row, v, text);
  return WK_OK;
}

/* labels.c - the names of classes as people and tools write them: a line each, with numbers before them or without;
 * JSON lists and objects; Python's dictionaries. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "formats/json.h"
#include "import/reader.h"

enum { MOST_LABELS = 1 << 16, LONGEST = 400 };

static wk_status add(wk_ir *ir, const char **list, int *count, const char *text, size_t n, wk_error *err) {
  char clean[LONGEST];
  n = n < LONGEST ? n : LONGEST - 1;
  for (size_t i = 0; i < n; i++)
    clean[i] = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? ' ' : text[i];
  while (n && clean[n - 1] == ' ')
    n--;
  return wk_ir_text(&list[(*count)++], ir, clean, n, err);
}

static wk_status keep(wk_ir *ir, const char **list, int count) {
  if (count) {
    ir->label = list;
    ir->labels = count;
  }
  return WK_OK;
}

static wk_status from_array(wk_ir *ir, const json_t *array, wk_error *err) {
  void *memory = NULL;
  const char **list;
  int count = 0;
  const size_t n = json_array_size(array);
  if (!n || n > MOST_LABELS)
    return WK_OK;
  WK_RETURN_IF_ERROR(wk_ir_alloc(&memory, ir, n, sizeof *list, err));
  list = memory;
  for (size_t i = 0; i < n; i++) {
    const char *s = json_string_value(json_array_get(array, i));
    if (!s)
      return WK_OK;
    WK_RETURN_IF_ERROR(add(ir, list, &count, s, strlen(s), err));
  }
  return keep(ir, list, count);
}

/* {"0": "cat", "1": "dog"}, or {"cat": 0, "dog": 1}; of ["n02123045", "tabby"] the last. */
static wk_status from_object(wk_ir *ir, json_t *object, wk_error *err) {
  void *memory = NULL;
  const char **list, *key;
  const size_t n = json_object_size(object);
  json_t *value;
  if (!n || n > MOST_LABELS)
    return WK_OK;
  WK_RETURN_IF_ERROR(wk_ir_alloc(&memory, ir, n, sizeof *list, err));
  list = memory;
  json_object_foreach(object, key, value) {
    if (json_is_array(value))
      value = json_array_get(value, json_array_size(value) - 1);
    const bool by_name = json_is_integer(value);
    char *end = NULL;
    const long long at = by_name ? (long long)json_integer_value(value) : strtoll(key, &end, 10);
    const char *name = by_name ? key : json_string_value(value);
    int where = (int)at;
    if ((!by_name && (end == key || *end)) || at < 0 || (size_t)at >= n || !name || list[at])
      return WK_OK;
    WK_RETURN_IF_ERROR(add(ir, list, &where, name, strlen(name), err));
  }
  return keep(ir, list, (int)n);
}

/* Python's {0: 'cat', 1: "dog's"}: as ultralytics writes it. */
static wk_status from_python(wk_ir *ir, const char *text, wk_error *err) {
  void *memory = NULL;
  const char **list;
  int count = 0;
  size_t most = 1;
  for (const char *c = text; *c; c++)
    most += *c == ':' || *c == ',';
  if (most > MOST_LABELS)
    return WK_OK;
  WK_RETURN_IF_ERROR(wk_ir_alloc(&memory, ir, most, sizeof *list, err));
  list = memory;
  for (const char *c = text + 1; *c && *c != '}';) {
    char *end;
    while (*c == ' ' || *c == ',')
      c++;
    if (strtol(c, &end, 10) != count || end == c || *end != ':')
      return WK_OK;
    for (c = end + 1; *c == ' ';)
      c++;
    const char quote = *c;
    if (quote != '\'' && quote != '"')
      return WK_OK;
    const char *close = strchr(c + 1, quote);
    if (!close)
      return WK_OK;
    WK_RETURN_IF_ERROR(add(ir, list, &count, c + 1, (size_t)(close - c - 1), err));
    c = close + 1;
  }
  return keep(ir, list, count);
}

/* Does each line begin with its own number? Then they are not part of the names. */
static bool numbered(const char *text) {
  long expect = 0;
  for (const char *c = text; *c; c = strchr(c, '\n') ? strchr(c, '\n') + 1 : c + strlen(c)) {
    char *end;
    if (*c == '\n' || *c == '\r')
      continue;
    if (!isdigit((unsigned char)*c) || strtol(c, &end, 10) != expect++ ||
        (*end != ' ' && *end != ':' && *end != ',' && *end != '\t'))
      return false;
  }
  return expect > 0;
}

static wk_status from_lines(wk_ir *ir, const char *text, wk_error *err) {
  void *memory = NULL;
  const char **list;
  int count = 0;
  size_t most = 1;
  const bool numbers = numbered(text);
  for (const char *c = text; *c; c++)
    most += *c == '\n';
  if (most > MOST_LABELS)
    return WK_OK;
  WK_RETURN_IF_ERROR(wk_ir_alloc(&memory, ir, most, sizeof *list, err));
  list = memory;
  for (const char *c = text; *c;) {
    const char *end = strchr(c, '\n') ? strchr(c, '\n') : c + strlen(c), *from = c;
    if (numbers) {
      while (from < end && isdigit((unsigned char)*from))
        from++;
      while (from < end && (*from == ' ' || *from == ':' || *from == ',' || *from == '\t'))
        from++;
    }
    if (end > from + (from < end && *from == '\r'))
      WK_RETURN_IF_ERROR(add(ir, list, &count, from, (size_t)(end - from), err));
    c = *end ? end + 1 : end;
  }
  return keep(ir, list, count);
}

wk_status wk_labels_guess(wk_ir *ir, const char *text, wk_error *err) {
  while (isspace((unsigned char)*text) || strncmp(text, "\xef\xbb\xbf", 3) == 0)
    text += strncmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 1;
  if (*text != '{' && *text != '[')
    return strchr(text, '\n') ? from_lines(ir, text, err) : WK_OK;
  json_t *value = NULL;
  if (wk_json_parse(&value, text, strlen(text), "labels", NULL) != WK_OK)
    return *text == '{' ? from_python(ir, text, err) : WK_OK;
  json_t *inner = json_object_get(value, "labels"); /* Teachable Machine's metadata.json */
  if (!json_is_array(inner))
    inner = json_object_get(value, "label_names"); /* timm's config.json */
  if (!inner)
    inner = json_object_get(value, "id2label"); /* transformers' */
  const json_t *from = inner ? inner : value;
  wk_status st = json_is_array(from) ? from_array(ir, from, err) : from_object(ir, inner ? inner : value, err);
  json_decref(value);
  return st;
}

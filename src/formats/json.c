/* json.c - see json.h. */
#include "formats/json.h"

enum {
  VALUE_LIMIT = 4000000, /* no network comes near; holds the parser's memory below half a gigabyte */
  DEPTH_LIMIT = 22       /* Keras describes models inside models some twenty deep */
};

/* Counts values and nesting before the parser, whose memory is many times the text's, gets to see them. */
static wk_status check_size(const char *text, size_t size, const char *what, wk_error *err) {
  size_t values = 1, depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < size; i++) {
    char c = text[i];
    if (quoted) {
      if (c == '\\')
        i++;
      else if (c == '"')
        quoted = false;
      continue;
    }
    quoted = c == '"';
    values += c == ',' || c == '{' || c == '[';
    depth += c == '{' || c == '[';
    depth -= (c == '}' || c == ']') && depth;
    if (depth > DEPTH_LIMIT)
      return WK_FAIL(err, WK_ERR_FORMAT, "%s nests more than %d deep", what, DEPTH_LIMIT);
    if (values > VALUE_LIMIT)
      return WK_FAIL(err, WK_ERR_FORMAT, "%s lists more than %d values", what, VALUE_LIMIT);
  }
  return WK_OK;
}

wk_status wk_json_parse(json_t **out, const char *text, size_t size, const char *what, wk_error *err) {
  json_error_t why;
  WK_RETURN_IF_ERROR(check_size(text, size, what, err));
  json_t *value = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why);
  if (!value && json_error_code(&why) == json_error_out_of_memory)
    return WK_FAIL(err, WK_ERR_MEMORY, "not enough memory for %s", what);
  if (!value)
    return WK_FAIL(err, WK_ERR_FORMAT, "%s is broken at its byte %d: %s", what, why.position, why.text);
  *out = value;
  return WK_OK;
}

static int append(const char *bytes, size_t n, void *user) {
  wk_text_append(user, bytes, n);
  return 0;
}

wk_status wk_json_add_string(wk_text *text, const char *s, wk_error *err) {
  json_t *value = json_string(s);
  if (!value)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "\"%.100s\" is not UTF-8, so it cannot be written to a file: rename it", s);
  json_dump_callback(value, append, text, JSON_ENCODE_ANY);
  json_decref(value);
  return WK_OK;
}

void wk_json_add(wk_text *text, const json_t *value) {
  if (json_dump_callback(value, append, text, JSON_COMPACT | JSON_ENCODE_ANY) != 0)
    text->failed = true;
}

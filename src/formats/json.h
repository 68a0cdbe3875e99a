/* json.h - JSON that came from a file somebody else may have made. */
#ifndef WK_FORMATS_JSON_H
#define WK_FORMATS_JSON_H

#include <jansson.h>

#include "base/base.h"

/* Parses `size` bytes, refusing doubled keys and what would take the parser far more memory than the text is long.
 * json_decref(*out). `what` names the text in messages: "the safetensors header". */
wk_status wk_json_parse(json_t **out, const char *text, size_t size, const char *what, wk_error *err);
/* Adds `s` to a text as a JSON string, quoted. */
wk_status wk_json_add_string(wk_text *text, const char *s, wk_error *err);
/* Adds a value to a text, compact, keys in their order. */
void wk_json_add(wk_text *text, const json_t *value);

#endif

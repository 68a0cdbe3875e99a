/* prepared.c - how photos become the input, as whisker's own exports say it in their metadata: JSON with the resize,
 * the crop and the normalisation. Anybody may have written it, so what is out of bounds makes all of it count for
 * nothing. */
#include <string.h>

#include "formats/json.h"
#include "import/pixels.h"

static int choice(const json_t *o, const char *key, const char *const *names) {
  const char *text = json_string_value(json_object_get(o, key));
  for (int i = 0; text && names[i]; i++)
    if (strcmp(text, names[i]) == 0)
      return i;
  return -1;
}

static bool three(float *out, const json_t *list) {
  for (size_t c = 0; c < 3; c++) {
    const json_t *v = json_array_get(list, c);
    if (!json_is_number(v))
      return false;
    out[c] = (float)json_number_value(v);
  }
  return json_array_size(list) == 3;
}

/* Sides are the network's: they are not read. */
static bool read(wk_preprocess *p, const json_t *o) {
  static const char *const rules[] = {"center", "squash", "keep", NULL}, *const filters[] = {"bilinear", "bicubic",
                                                                                             "nearest", NULL};
  const int rule = choice(o, "crop", rules), filter = choice(o, "interpolation", filters);
  const json_int_t resize = json_integer_value(json_object_get(o, "resize"));
  if (rule < 0 || filter < 0 || resize < 0 || resize > INT32_MAX || !three(p->mean, json_object_get(o, "mean")) ||
      !three(p->std, json_object_get(o, "std")))
    return false;
  p->rule = (wk_crop_rule)rule;
  p->filter = (wk_filter)filter;
  p->resize = rule == WK_CROP_SQUASH ? p->resize : (int)resize;
  p->bgr = false;
  p->grey = json_is_true(json_object_get(o, "grey"));
  return wk_preprocess_validate(p, NULL) == WK_OK;
}

bool wk_prepared_read(wk_preprocess *p, bool *inside, const char *text) {
  json_t *o = NULL;
  wk_preprocess found = *p;
  if (wk_json_parse(&o, text, strlen(text), "preprocessing", NULL) != WK_OK)
    return false;
  const char *normalised = json_string_value(json_object_get(o, "normalised"));
  const bool fine = read(&found, o);
  if (fine) {
    *p = found;
    *inside = normalised && strcmp(normalised, "inside") == 0;
  }
  json_decref(o);
  return fine;
}

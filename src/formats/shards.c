/* shards.c - weights in several files, and the index that says which tensor lies in which: {"weight_map":
 * {"conv1.weight": "model-00001-of-00002.safetensors"}}. The files lie beside the index; a name that leads elsewhere is
 * refused. */
#include <string.h>

#include "formats/formats.h"
#include "formats/json.h"

enum { MOST_FILES = 4096 };

bool wk_index_is(const uint8_t *bytes, size_t size) {
  size_t at = 0;
  while (at < size && at < 64 && (bytes[at] == ' ' || bytes[at] == '\n' || bytes[at] == '\r' || bytes[at] == '\t'))
    at++;
  return at < size && bytes[at] == '{' && memmem(bytes, size, "\"weight_map\"", 12);
}

static void release_set(void *user) { wk_tensors_free(user); }
static void rest_set(void *user) { wk_tensors_release_pages(user); }

/* Those tensors of one file that the index says are in it. */
static wk_status add_file(wk_tensors *out, const char *path, const char *name, json_t *map, wk_error *err) {
  const char *tensor;
  json_t *where;
  wk_tensors *part = NULL;
  wk_status st = WK_OK;
  char *file = wk_path_beside(path, name);
  wk_file_view view = {0};
  WK_FAIL_IF(!file, err, WK_ERR_MEMORY, "out of memory");
  WK_FAIL_IF(!*name || *name == '/' || strstr(name, ".."), err, WK_ERR_FORMAT,
             "the index names %.100s, which is not beside it", name);
  WK_TRY(wk_file_map(&view, file, err));
  const bool again = wk_index_is(view.data, view.size);
  wk_file_unmap(&view);
  WK_FAIL_IF(again, err, WK_ERR_FORMAT, "the index names %.100s, which is an index too", name);
  WK_TRY(wk_weights_open(&part, file, err));
  json_object_foreach(map, tensor, where) {
    if (strcmp(json_string_value(where), name) != 0)
      continue;
    const wk_tensor *t = wk_tensors_find(part, tensor);
    WK_FAIL_IF(!t, err, WK_ERR_FORMAT, "the index says that %.200s is in %.100s, but it is not", tensor, name);
    WK_TRY(wk_tensors_add_view(out, t, err));
  }
  WK_TRY(wk_tensors_keep(out, release_set, rest_set, part, err));
  part = NULL;
done:
  wk_tensors_free(part);
  wk_free(file);
  return st;
}

wk_status wk_index_open(wk_tensors **out, const uint8_t *bytes, size_t size, const char *path, wk_error *err) {
  const char *tensor;
  json_t *index = NULL, *done_files = json_object(), *where;
  wk_tensors *t = NULL;
  wk_status st = WK_OK;
  WK_FAIL_IF(!done_files, err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(wk_json_parse(&index, (const char *)bytes, size, "the index of weight files", err));
  json_t *map = json_object_get(index, "weight_map");
  WK_FAIL_IF(!json_object_size(map), err, WK_ERR_FORMAT, "an index of weight files that names none");
  json_object_foreach(map, tensor, where)
      WK_FAIL_IF(!json_is_string(where), err, WK_ERR_FORMAT, "the index does not say where %.200s lies", tensor);
  WK_TRY(wk_tensors_create(&t, err));
  json_object_foreach(map, tensor, where) {
    const char *name = json_string_value(where);
    if (json_object_get(done_files, name))
      continue;
    WK_FAIL_IF(json_object_size(done_files) == MOST_FILES, err, WK_ERR_FORMAT, "the index names more than %d files",
               MOST_FILES);
    WK_FAIL_IF(json_object_set_new(done_files, name, json_true()) != 0, err, WK_ERR_MEMORY, "out of memory");
    WK_TRY(add_file(t, path, name, map, err));
  }
  *out = t;
  t = NULL;
done:
  wk_tensors_free(t);
  json_decref(done_files);
  json_decref(index);
  return st;
}

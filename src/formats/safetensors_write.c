/* safetensors_write.c - writes .safetensors. Same tensors, same bytes: metadata is sorted by key, the header lists
 * tensors in their order, and their data lie by falling element size (so that each is aligned for its type, since the
 * format allows no gaps between them) after a header that is padded to 64 bytes. */
#include <stdlib.h>
#include <string.h>

#include "formats/formats.h"
#include "formats/json.h"

typedef struct pair {
  const char *key, *value;
} pair;

static int by_key(const void *a, const void *b) { return strcmp(((const pair *)a)->key, ((const pair *)b)->key); }

static wk_status add_metadata(wk_text *text, const wk_tensors *t, wk_error *err) {
  wk_status st = WK_OK;
  const size_t n = wk_tensors_meta_size(t);
  if (!n)
    return WK_OK;
  pair *all = wk_alloc_array(n, sizeof *all);
  WK_FAIL_IF(!all, err, WK_ERR_MEMORY, "not enough memory for metadata");
  for (size_t i = 0; i < n; i++)
    wk_tensors_meta_at(t, i, &all[i].key, &all[i].value);
  qsort(all, n, sizeof *all, by_key);
  wk_text_add(text, "\"__metadata__\":{");
  for (size_t i = 0; i < n; i++) {
    wk_text_add(text, i ? "," : "");
    WK_TRY(wk_json_add_string(text, all[i].key, err));
    wk_text_add(text, ":");
    WK_TRY(wk_json_add_string(text, all[i].value, err));
  }
  wk_text_add(text, wk_tensors_size(t) ? "}," : "}");
done:
  wk_free(all);
  return st;
}

static wk_status add_tensor(wk_text *text, const wk_tensor *tensor, uint64_t begin, wk_error *err) {
  if (strcmp(tensor->name, "__metadata__") == 0)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a tensor in a safetensors file cannot be named __metadata__");
  WK_RETURN_IF_ERROR(wk_json_add_string(text, tensor->name, err));
  wk_text_add(text, ":{\"dtype\":\"%s\",\"shape\":[", wk_dtype_name(tensor->dtype));
  for (int i = 0; i < tensor->ndim; i++)
    wk_text_add(text, i ? ",%lld" : "%lld", (long long)tensor->shape[i]);
  wk_text_add(text, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)begin,
              (unsigned long long)(begin + tensor->bytes));
  return WK_OK;
}

/* Where each size of element begins: begin[s] for elements of s bytes, s in 8, 4, 2, 1. */
static void lay_out(uint64_t begin[9], const wk_tensors *t) {
  uint64_t at = 0;
  for (size_t s = 8; s; s /= 2) {
    begin[s] = at;
    for (size_t i = 0; i < wk_tensors_size(t); i++)
      if (wk_dtype_size(wk_tensors_at(t, i)->dtype) == s)
        at += wk_tensors_at(t, i)->bytes;
  }
}

static wk_status make_header(wk_text *text, const wk_tensors *t, wk_error *err) {
  uint64_t next[9];
  lay_out(next, t);
  wk_text_append(text, (const char[8]){0}, 8);
  wk_text_add(text, "{");
  WK_RETURN_IF_ERROR(add_metadata(text, t, err));
  for (size_t i = 0; i < wk_tensors_size(t); i++) {
    const wk_tensor *tensor = wk_tensors_at(t, i);
    uint64_t *at = &next[wk_dtype_size(tensor->dtype)];
    wk_text_add(text, i ? "," : "");
    WK_RETURN_IF_ERROR(add_tensor(text, tensor, *at, err));
    *at += tensor->bytes;
  }
  wk_text_add(text, "}");
  size_t pad = -text->len & 63;
  wk_text_add(text, "%*s", (int)pad, "");
  if (text->failed)
    return WK_FAIL(err, WK_ERR_MEMORY, "not enough memory for the safetensors header");
  uint64_t length = text->len - 8;
  memcpy(text->data, &length, sizeof length);
  return WK_OK;
}

wk_status wk_safetensors_write(const char *path, const wk_tensors *tensors, wk_error *err) {
  wk_status st;
  wk_text header = {0};
  wk_writer *w = NULL;

  WK_TRY(make_header(&header, tensors, err));
  WK_TRY(wk_writer_open(&w, path, err));
  WK_TRY(wk_writer_write(w, header.data, header.len, err));
  for (size_t s = 8; s; s /= 2)
    for (size_t i = 0; i < wk_tensors_size(tensors); i++) {
      const wk_tensor *tensor = wk_tensors_at(tensors, i);
      if (wk_dtype_size(tensor->dtype) == s && tensor->bytes)
        WK_TRY(wk_writer_write(w, tensor->data, tensor->bytes, err));
    }
  st = wk_writer_commit(w, err);
  w = NULL;
done:
  wk_writer_abort(w);
  wk_text_free(&header);
  return st;
}

/* safetensors.c - reads .safetensors: 8 bytes of header length, a JSON header, and the tensors' bytes one after the
 * other. Tensors become views of those bytes. Everything the format promises (no holes, no overlaps, sizes that equal
 * shape times type) is checked, so nothing after this file needs to. */
#include <stdlib.h>
#include <string.h>

#include "formats/formats.h"
#include "formats/json.h"

enum { HEADER_LIMIT = 100000000 }; /* the format's own limit */

const char *wk_commas(char out[32], uint64_t n) {
  char digits[24];
  int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n), at = 0;
  for (int i = 0; i < len; i++) {
    if (i && (len - i) % 3 == 0)
      out[at++] = ',';
    out[at++] = digits[i];
  }
  out[at] = 0;
  return out;
}

typedef struct span {
  uint64_t begin, end;
  const char *name;
} span;

static int by_place(const void *a, const void *b) {
  const span *x = a, *y = b;
  if (x->begin != y->begin)
    return x->begin < y->begin ? -1 : 1;
  if (x->end != y->end)
    return x->end < y->end ? -1 : 1;
  return strcmp(x->name, y->name);
}

static wk_status read_dtype(wk_dtype *out, const char *name, const json_t *value, wk_error *err) {
  const char *s = json_string_value(value);
  if (!s)
    return WK_FAIL(err, WK_ERR_FORMAT, "tensor %s has no type in the header", name);
  for (int d = 0; d < WK_DTYPE_COUNT; d++)
    if (strcmp(s, wk_dtype_name((wk_dtype)d)) == 0) {
      *out = (wk_dtype)d;
      return WK_OK;
    }
  return WK_FAIL(err, WK_ERR_UNSUPPORTED, "tensor %s is of type %.32s, which whisker does not read", name, s);
}

static wk_status read_shape(wk_tensor *t, const json_t *value, wk_error *err) {
  if (!json_is_array(value))
    return WK_FAIL(err, WK_ERR_FORMAT, "tensor %s has no shape in the header", t->name);
  size_t ndim = json_array_size(value);
  if (ndim > WK_MAX_DIMS)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "tensor %s has %zu dimensions; whisker reads up to %d", t->name, ndim,
                   WK_MAX_DIMS);
  t->ndim = (int)ndim;
  for (size_t i = 0; i < ndim; i++) {
    const json_t *side = json_array_get(value, i);
    if (!json_is_integer(side) || json_integer_value(side) < 0)
      return WK_FAIL(err, WK_ERR_FORMAT, "tensor %s has a shape that is not made of whole numbers", t->name);
    t->shape[i] = json_integer_value(side);
  }
  int64_t count = wk_tensor_count(t->ndim, t->shape);
  if (count < 0 || wk_mul_overflow(&t->bytes, (size_t)count, wk_dtype_size(t->dtype)))
    return WK_FAIL(err, WK_ERR_FORMAT, "tensor %s has a shape larger than any memory", t->name);
  return WK_OK;
}

static wk_status read_span(span *out, const char *name, const json_t *value, wk_error *err) {
  const json_t *begin = json_array_get(value, 0), *end = json_array_get(value, 1);
  if (json_array_size(value) != 2 || !json_is_integer(begin) || !json_is_integer(end) ||
      json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin))
    return WK_FAIL(err, WK_ERR_FORMAT, "tensor %s has no usable data_offsets in the header", name);
  *out = (span){(uint64_t)json_integer_value(begin), (uint64_t)json_integer_value(end), name};
  return WK_OK;
}

/* No holes, no overlaps, and the end is the file's end. */
static wk_status check_spans(span *spans, size_t n, uint64_t file_size, uint64_t data_at, wk_error *err) {
  uint64_t at = 0, promised = 0;
  char a[32], b[32];
  for (size_t i = 0; i < n; i++)
    if (spans[i].end > promised)
      promised = spans[i].end;
  if (promised > file_size - data_at)
    return WK_FAIL(err, WK_ERR_FORMAT, "cut short: the header promises %s bytes, the file has %s; fetch it again",
                   wk_commas(a, data_at + promised), wk_commas(b, file_size));
  if (n)
    qsort(spans, n, sizeof *spans, by_place);
  for (size_t i = 0; i < n; i++) {
    if (spans[i].begin != at)
      return WK_FAIL(err, WK_ERR_FORMAT, "tensor %s begins at byte %s of the data, but the one before it ends at %s",
                     spans[i].name, wk_commas(a, spans[i].begin), wk_commas(b, at));
    at = spans[i].end;
  }
  if (at != file_size - data_at)
    return WK_FAIL(err, WK_ERR_FORMAT, "the file has %s bytes, but its header describes only %s",
                   wk_commas(a, file_size), wk_commas(b, data_at + at));
  return WK_OK;
}

static wk_status read_metadata(wk_tensors *t, json_t *object, wk_error *err) {
  const char *key;
  json_t *value;
  if (!json_is_object(object))
    return WK_FAIL(err, WK_ERR_FORMAT, "the safetensors header's __metadata__ is not an object");
  json_object_foreach(object, key, value) {
    if (!json_is_string(value))
      return WK_FAIL(err, WK_ERR_FORMAT, "metadata %.64s in the safetensors header is not a string", key);
    WK_RETURN_IF_ERROR(wk_tensors_set_meta(t, key, json_string_value(value), err));
  }
  return WK_OK;
}

static wk_status parse_header(json_t **out, const uint8_t *bytes, size_t size, wk_error *err) {
  char a[32], b[32];
  if (size < 8)
    return WK_FAIL(err, WK_ERR_FORMAT, "cut short: %zu bytes cannot hold a safetensors header; fetch it again", size);
  uint64_t length = wk_le64(bytes);
  if (length > HEADER_LIMIT)
    return WK_FAIL(err, WK_ERR_FORMAT, "the safetensors header claims %s bytes; the format allows %s",
                   wk_commas(a, length), wk_commas(b, HEADER_LIMIT));
  if (length > size - 8)
    return WK_FAIL(err, WK_ERR_FORMAT, "cut short: the header alone takes %s bytes, the file has %s; fetch it again",
                   wk_commas(a, length + 8), wk_commas(b, size));
  json_t *header = NULL;
  WK_RETURN_IF_ERROR(wk_json_parse(&header, (const char *)bytes + 8, (size_t)length, "the safetensors header", err));
  if (!json_is_object(header)) {
    json_decref(header);
    return WK_FAIL(err, WK_ERR_FORMAT, "the safetensors header is not a JSON object");
  }
  *out = header;
  return WK_OK;
}

wk_status wk_safetensors_parse(wk_tensors **out, const void *bytes, size_t size, wk_error *err) {
  wk_status st = WK_OK;
  json_t *header = NULL, *info;
  wk_tensors *t = NULL;
  span *spans = NULL;
  const char *name;
  size_t n = 0;

  WK_TRY(parse_header(&header, bytes, size, err));
  WK_TRY(wk_tensors_create(&t, err));
  spans = wk_alloc_array(json_object_size(header), sizeof *spans);
  WK_FAIL_IF(!spans, err, WK_ERR_MEMORY, "not enough memory for the safetensors header");
  uint64_t data_at = 8 + wk_le64(bytes);
  const uint8_t *data = (const uint8_t *)bytes + data_at;

  /* First every place is read and checked, then views are made: no pointer is formed from an unchecked offset. */
  json_object_foreach(header, name, info) {
    if (strcmp(name, "__metadata__") == 0)
      WK_TRY(read_metadata(t, info, err));
    else
      WK_TRY(read_span(&spans[n++], name, json_object_get(info, "data_offsets"), err));
  }
  WK_TRY(check_spans(spans, n, size, data_at, err));
  json_object_foreach(header, name, info) {
    if (strcmp(name, "__metadata__") == 0)
      continue;
    wk_tensor tensor = {.name = name};
    span place;
    char a[32], b[32];
    WK_TRY(read_dtype(&tensor.dtype, name, json_object_get(info, "dtype"), err));
    WK_TRY(read_shape(&tensor, json_object_get(info, "shape"), err));
    WK_TRY(read_span(&place, name, json_object_get(info, "data_offsets"), err));
    WK_FAIL_IF(place.end - place.begin != tensor.bytes, err, WK_ERR_FORMAT,
               "tensor %s has %s bytes in the file, but its shape and type need %s", name,
               wk_commas(a, place.end - place.begin), wk_commas(b, tensor.bytes));
    tensor.data = data + place.begin;
    WK_TRY(wk_tensors_add_view(t, &tensor, err));
  }
  *out = t;
  t = NULL;
done:
  wk_free(spans);
  wk_tensors_free(t);
  json_decref(header);
  return st;
}

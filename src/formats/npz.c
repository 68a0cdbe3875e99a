/* npz.c - NumPy's .npz: a ZIP archive of arrays, NAME.npy each, whose names are those of the tensors. An array that is
 * stored as it is becomes a view; one that is compressed, or in Fortran's order, is written out anew. */
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "formats/formats.h"
#include "formats/zip.h"

enum { LONGEST_NAME = 500, LONGEST_HEADER = 8192 };

/* One array as its header describes it. */
typedef struct array {
  wk_tensor tensor;
  bool fortran;
} array;

bool wk_npz_is(const uint8_t *bytes, size_t size) {
  enum { LOCAL_HEADER = 30 };
  if (size < LOCAL_HEADER || memcmp(bytes, "PK\3\4", 4) != 0)
    return false;
  const size_t n = wk_le16(bytes + 26);
  return n > 4 && n <= size - LOCAL_HEADER && memcmp(bytes + LOCAL_HEADER + n - 4, ".npy", 4) == 0;
}

/* ---- the header, a Python dict as text --------------------------------------------------------------- */

static const char *value_of(const char *header, const char *key) {
  const char *at = strstr(header, key);
  at = at ? strchr(at + strlen(key), ':') : NULL;
  if (!at)
    return NULL;
  for (at++; *at == ' ';)
    at++;
  return at;
}

static bool read_type(wk_dtype *out, const char *text) {
  static const struct {
    const char *code;
    wk_dtype type;
  } types[] = {{"<f4", WK_F32}, {"<f8", WK_F64}, {"<f2", WK_F16}, {"<i8", WK_I64}, {"<i4", WK_I32},
               {"<i2", WK_I16}, {"|i1", WK_I8},  {"|u1", WK_U8},  {"|b1", WK_BOOL}};
  for (size_t i = 0; text && i < sizeof types / sizeof *types; i++)
    if ((*text == '\'' || *text == '"') && strncmp(text + 1, types[i].code, 3) == 0 && text[4] == *text) {
      *out = types[i].type;
      return true;
    }
  return false;
}

static bool read_shape(wk_tensor *t, const char *text) {
  if (!text || *text != '(')
    return false;
  for (text++; *text != ')';) {
    char *end;
    if (*text == ' ' || *text == ',') {
      text++;
      continue;
    }
    if (!isdigit((unsigned char)*text) || t->ndim == WK_MAX_DIMS)
      return false;
    const long long side = strtoll(text, &end, 10);
    if (side < 0 || side == LLONG_MAX)
      return false;
    t->shape[t->ndim++] = side;
    text = *end == 'L' ? end + 1 : end; /* Python 2's */
  }
  const int64_t count = wk_tensor_count(t->ndim, t->shape);
  return count >= 0 && !wk_mul_overflow(&t->bytes, (size_t)count, wk_dtype_size(t->dtype));
}

static wk_status read_array(array *out, const uint8_t *data, size_t size, const char *name, wk_error *err) {
  char header[LONGEST_HEADER + 1];
  size_t at = 10, length = 0;
  if (size >= 12 && memcmp(data, "\x93NUMPY", 6) == 0) {
    at = data[6] == 1 ? 10 : 12;
    length = data[6] == 1 ? wk_le16(data + 8) : wk_le32(data + 8);
  }
  if (!length || length > LONGEST_HEADER || length > size - at)
    return WK_FAIL(err, WK_ERR_FORMAT, "array %.200s is not a NumPy array, or cut short", name);
  memcpy(header, data + at, length);
  header[length] = 0;
  *out = (array){.tensor = {.name = name}};
  if (!read_type(&out->tensor.dtype, value_of(header, "'descr'")))
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "array %.200s is of a type that whisker does not read: %.60s", name,
                   header);
  if (!read_shape(&out->tensor, value_of(header, "'shape'")))
    return WK_FAIL(err, WK_ERR_FORMAT, "array %.200s has no usable shape (whisker reads up to %d dimensions)", name,
                   WK_MAX_DIMS);
  const char *order = value_of(header, "'fortran_order'");
  out->fortran = order && strncmp(order, "True", 4) == 0 && out->tensor.ndim > 1;
  if (out->tensor.bytes != size - at - length)
    return WK_FAIL(err, WK_ERR_FORMAT, "array %.200s should have %zu bytes and has %zu", name, out->tensor.bytes,
                   size - at - length);
  out->tensor.data = data + at + length;
  return WK_OK;
}

/* ---- the archive --------------------------------------------------------------------------------------- */

/* The last index runs fastest in `out`, the first in `in`. */
static void turn(uint8_t *out, const wk_tensor *t) {
  const size_t element = wk_dtype_size(t->dtype);
  int64_t at[WK_MAX_DIMS] = {0}, step[WK_MAX_DIMS] = {1};
  for (int i = 1; i < t->ndim; i++)
    step[i] = step[i - 1] * t->shape[i - 1];
  for (size_t done = 0; done < t->bytes; done += element) {
    int64_t from = 0;
    for (int i = 0; i < t->ndim; i++)
      from += at[i] * step[i];
    memcpy(out + done, (const uint8_t *)t->data + (size_t)from * element, element);
    for (int i = t->ndim; i-- > 0 && ++at[i] == t->shape[i];)
      at[i] = 0;
  }
}

static void release_arena(void *arena) {
  wk_arena_free(arena);
  wk_free(arena);
}

static wk_status room_for(uint8_t **out, wk_arena *arena, size_t bytes, size_t *budget, wk_error *err) {
  if (bytes > *budget)
    return WK_FAIL(err, WK_ERR_FORMAT, "the zip archive unpacks to far more than its own size");
  *budget -= bytes;
  *out = wk_arena_alloc(arena, bytes ? bytes : 1);
  return *out ? WK_OK : WK_FAIL(err, WK_ERR_MEMORY, "not enough memory for %zu bytes of weights", bytes);
}

static wk_status add_member(wk_tensors *t, wk_arena *arena, size_t *budget, const wk_zip *z, const wk_zip_entry *e,
                            wk_error *err) {
  char name[LONGEST_NAME];
  const uint8_t *data = NULL;
  uint8_t *copy = NULL;
  array a;
  if (e->name_size <= 4 || e->name_size >= LONGEST_NAME || memcmp(e->name + e->name_size - 4, ".npy", 4) != 0 ||
      memchr(e->name, 0, e->name_size))
    return WK_OK; /* something else beside them */
  snprintf(name, sizeof name, "%.*s", (int)e->name_size - 4, e->name);
  if (wk_zip_is_stored(e)) {
    WK_RETURN_IF_ERROR(wk_zip_view(&data, z, e, err));
  } else {
    if (e->size > SIZE_MAX / 2)
      return WK_FAIL(err, WK_ERR_FORMAT, "the zip archive unpacks to far more than its own size");
    WK_RETURN_IF_ERROR(room_for(&copy, arena, (size_t)e->size, budget, err));
    WK_RETURN_IF_ERROR(wk_zip_unpack(copy, z, e, err));
    data = copy;
  }
  WK_RETURN_IF_ERROR(read_array(&a, data, (size_t)e->size, name, err));
  if (a.fortran) {
    WK_RETURN_IF_ERROR(room_for(&copy, arena, a.tensor.bytes, budget, err));
    turn(copy, &a.tensor);
    a.tensor.data = copy;
  }
  return wk_tensors_add_view(t, &a.tensor, err);
}

wk_status wk_npz_parse(wk_tensors **out, const void *bytes, size_t size, wk_error *err) {
  enum { SLACK = 64 << 20 };
  wk_status st = WK_OK;
  wk_zip z = {0};
  wk_tensors *t = NULL;
  size_t budget = size < (SIZE_MAX - SLACK) / 8 ? 8 * size + SLACK : SIZE_MAX;
  wk_arena *arena = wk_alloc(sizeof *arena);
  WK_FAIL_IF(!arena, err, WK_ERR_MEMORY, "not enough memory for weights");
  *arena = wk_arena_large();
  WK_TRY(wk_tensors_create(&t, err));
  WK_TRY(wk_zip_open(&z, bytes, size, err));
  for (size_t i = 0; i < z.entries; i++)
    WK_TRY(add_member(t, arena, &budget, &z, &z.entry[i], err));
  WK_FAIL_IF(!wk_tensors_size(t), err, WK_ERR_FORMAT, "the zip archive holds no NumPy arrays");
  WK_TRY(wk_tensors_keep(t, release_arena, NULL, arena, err));
  arena = NULL;
  *out = t;
  t = NULL;
done:
  wk_zip_close(&z);
  wk_tensors_free(t);
  if (arena)
    release_arena(arena);
  return st;
}

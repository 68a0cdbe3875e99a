/* torch.c - PyTorch's .pth: named tensors of the weights that were saved. A tensor that lies
 * contiguously in its storage becomes a view of the file; any other is gathered into new memory, up to a budget. */
#include <stdlib.h>
#include <string.h>

#include "formats/torch.h"

#include "base/transpose.h"

/* ---- storages ----------------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b) {
  const wk_py_storage *x = *(wk_py_storage *const *)a, *y = *(wk_py_storage *const *)b;
  return strcmp(x->key, y->key);
}

size_t wk_torch_element(const wk_py_storage *s) { return s->dtype == WK_DTYPE_COUNT ? 1 : wk_dtype_size(s->dtype); }

size_t wk_torch_same_key(const wk_torch *t, size_t first) {
  size_t n = 1;
  while (first + n < t->storages && strcmp(t->storage[first + n]->key, t->storage[first]->key) == 0)
    n++;
  return n;
}

wk_status wk_torch_index_storages(wk_torch *t, wk_py_storage *list, wk_error *err) {
  size_t n = 0, bytes;
  for (const wk_py_storage *s = list; s; s = s->next)
    n++;
  t->storage = wk_alloc_array(n, sizeof *t->storage);
  if (!t->storage)
    return WK_FAIL(err, WK_ERR_MEMORY, "not enough memory for %zu storages", n);
  for (wk_py_storage *s = list; s; s = s->next)
    t->storage[t->storages++] = s;
  if (n)
    qsort(t->storage, n, sizeof *t->storage, by_key);
  for (size_t i = 0; i < n; i++) {
    const wk_py_storage *s = t->storage[i], *before = i ? t->storage[i - 1] : NULL;
    if (before && strcmp(before->key, s->key) == 0 && (before->dtype != s->dtype || before->count != s->count))
      return WK_FAIL(err, WK_ERR_FORMAT, "storage %.64s is described in two ways", s->key);
    if (wk_mul_overflow(&bytes, (size_t)s->count, wk_torch_element(s)) || bytes > SIZE_MAX / 4)
      return WK_FAIL(err, WK_ERR_FORMAT, "storage %.64s is said to hold %lld elements", s->key, (long long)s->count);
  }
  return WK_OK;
}

wk_py_storage **wk_torch_find_storage(size_t *n, const wk_torch *t, const char *key) {
  size_t low = 0, high = t->storages;
  while (low < high) {
    size_t mid = low + (high - low) / 2;
    if (strcmp(t->storage[mid]->key, key) < 0)
      low = mid + 1;
    else
      high = mid;
  }
  if (low == t->storages || strcmp(t->storage[low]->key, key) != 0)
    return NULL;
  *n = wk_torch_same_key(t, low);
  return t->storage + low;
}

wk_status wk_torch_place_storage(wk_py_storage **first, size_t n, const uint8_t *data, size_t bytes, wk_error *err) {
  char a[32], b[32];
  size_t need = (size_t)(*first)->count * wk_torch_element(*first); /* checked when they were indexed */
  if (bytes < need)
    return WK_FAIL(err, WK_ERR_FORMAT, "storage %.64s has %s bytes in the file, but its tensors were saved from %s",
                   (*first)->key, wk_commas(a, bytes), wk_commas(b, need));
  for (size_t i = 0; i < n; i++) {
    first[i]->data = data;
    first[i]->bytes = need;
  }
  return WK_OK;
}

static void release_copies(void *copies) {
  wk_arena_free(copies);
  wk_free(copies);
}

wk_status wk_torch_copy_alloc(uint8_t **out, wk_torch *t, size_t bytes, wk_error *err) {
  if (bytes > t->budget)
    return WK_FAIL(err, WK_ERR_FORMAT, "the file unpacks to far more than its own size");
  if (!t->copies) {
    wk_arena *copies = wk_alloc(sizeof *copies);
    if (!copies)
      return WK_FAIL(err, WK_ERR_MEMORY, "not enough memory for weights");
    *copies = wk_arena_large();
    wk_status st = wk_tensors_keep(t->out, release_copies, NULL, copies, err);
    if (st != WK_OK) {
      wk_free(copies);
      return st;
    }
    t->copies = copies;
  }
  uint8_t *block = wk_arena_alloc(t->copies, bytes);
  if (!block)
    return WK_FAIL(err, WK_ERR_MEMORY, "not enough memory for %zu bytes of weights", bytes);
  t->budget -= bytes;
  *out = block;
  return WK_OK;
}

/* ---- tensors ------------------------------------------------------------------------------------ */

/* Does the tensor stay inside the part of the storage that is its own? Also gives its first byte and its size. */
static wk_status locate(const uint8_t **data, size_t *bytes, const char *name, const wk_py_tensor *p, wk_error *err) {
  const wk_py_storage *s = p->storage;
  size_t element = wk_dtype_size(p->dtype), unit = wk_torch_element(s);
  int64_t count = wk_tensor_count(p->ndim, p->shape), last = p->offset, room, start;
  bool bad = count < 0 || element % unit || (s->dtype != WK_DTYPE_COUNT && s->dtype != p->dtype);
  room = bad ? 0 : s->view_count / (int64_t)(element / unit);
  for (int i = 0; i < p->ndim && count > 0; i++) {
    int64_t reach;
    bad |= __builtin_mul_overflow(p->shape[i] - 1, p->stride[i], &reach) || __builtin_add_overflow(last, reach, &last);
  }
  if (bad || (count > 0 && last >= room) || count > room)
    return WK_FAIL(err, WK_ERR_FORMAT, "tensor %.200s reaches outside its storage of %lld elements", name,
                   (long long)s->view_count);
  /* An empty tensor may have any offset; it points at the storage's beginning. */
  start = s->view_offset * (int64_t)unit + (count ? p->offset * (int64_t)element : 0);
  *data = s->data + start;
  *bytes = (size_t)count * element;
  return WK_OK;
}

static bool is_contiguous(const wk_py_tensor *p) {
  int64_t expected = 1;
  for (int i = p->ndim; i-- > 0;) {
    if (p->shape[i] != 1 && p->stride[i] != expected)
      return false;
    expected *= p->shape[i];
  }
  return true;
}

/* The last two sides of what is gathered: rows and columns of elements, in bytes apart. */
typedef struct plane {
  size_t rows, columns, element;
  ptrdiff_t row_step, column_step;
} plane;

static inline void copy_row(uint8_t *out, const uint8_t *in, size_t n, ptrdiff_t step, size_t element) {
  for (size_t i = 0; i < n; i++)
    memcpy(out + i * element, in + (ptrdiff_t)i * step, element);
}

enum { SIDE = 16 }; /* of a square */

/* A whole square of floats of which those of a column lie together: four by four in registers. */
static void turn_square(uint8_t *out, size_t out_step, const uint8_t *in, ptrdiff_t column_step) {
  for (size_t i = 0; i < SIDE; i += 4)
    for (size_t j = 0; j < SIDE; j += 4)
      wk_transpose_4x4(out + i * out_step + j * sizeof(float), (ptrdiff_t)out_step,
                       in + (ptrdiff_t)j * column_step + i * sizeof(float), column_step);
}

/* In squares, so that columns that lie far apart are read while they are near. The squares follow each other as the
 * elements do where they come from: what is read in one piece is fetched ahead. */
static void copy_plane(uint8_t *out, const uint8_t *in, const plane *p) {
  const bool by_columns = p->column_step > p->row_step,
             turned = p->element == sizeof(float) && p->row_step == (ptrdiff_t)sizeof(float);
  const size_t down = (p->rows + SIDE - 1) / SIDE, across = (p->columns + SIDE - 1) / SIDE;
  for (size_t i = 0; i < down * across; i++) {
    const size_t r = (by_columns ? i % down : i / across) * SIDE, c = (by_columns ? i / down : i % across) * SIDE;
    const size_t rows = p->rows - r < SIDE ? p->rows - r : SIDE, n = p->columns - c < SIDE ? p->columns - c : SIDE;
    uint8_t *to = out + (r * p->columns + c) * p->element;
    const uint8_t *from = in + (ptrdiff_t)r * p->row_step + (ptrdiff_t)c * p->column_step;
    if (turned && rows == SIDE && n == SIDE) {
      turn_square(to, p->columns * p->element, from, p->column_step);
      continue;
    }
    for (size_t k = 0; k < rows; k++, to += p->columns * p->element, from += p->row_step)
      if (p->element == sizeof(float)) /* the compiler's constant makes this a load and a store */
        copy_row(to, from, n, p->column_step, sizeof(float));
      else
        copy_row(to, from, n, p->column_step, p->element);
  }
}

/* Copies row-major: an odometer over all sides but the last two that are longer than 1. */
static void gather(uint8_t *out, const uint8_t *data, const wk_py_tensor *p, size_t bytes) {
  const size_t element = wk_dtype_size(p->dtype);
  int64_t shape[WK_MAX_DIMS + 2] = {1, 1}, at[WK_MAX_DIMS] = {0};
  ptrdiff_t step[WK_MAX_DIMS + 2] = {0};
  int sides = 2;
  for (int i = 0; i < p->ndim; i++)
    if (p->shape[i] != 1) {
      shape[sides] = p->shape[i];
      step[sides++] = (ptrdiff_t)(p->stride[i] * (int64_t)element);
    }
  const int outer = sides - 2;
  const plane inner = {.rows = (size_t)shape[outer],
                       .columns = (size_t)shape[outer + 1],
                       .element = element,
                       .row_step = step[outer],
                       .column_step = step[outer + 1]};
  const size_t each = inner.rows * inner.columns * element;
  for (size_t done = 0; done < bytes; done += each) {
    const uint8_t *in = data;
    for (int i = 0; i < outer; i++)
      in += at[i] * step[i];
    copy_plane(out + done, in, &inner);
    for (int i = outer; i-- > 0 && ++at[i] == shape[i];)
      at[i] = 0;
  }
}

static wk_status add_tensor(wk_torch *t, const char *name, const wk_py_tensor *p, wk_error *err) {
  wk_tensor tensor = {.name = name, .dtype = p->dtype, .ndim = p->ndim};
  const uint8_t *data = NULL;
  memcpy(tensor.shape, p->shape, sizeof tensor.shape);
  WK_RETURN_IF_ERROR(locate(&data, &tensor.bytes, name, p, err));
  tensor.data = data;
  if (tensor.bytes && !is_contiguous(p)) {
    uint8_t *copy = NULL;
    WK_RETURN_IF_ERROR(wk_torch_copy_alloc(&copy, t, tensor.bytes, err));
    gather(copy, data, p, tensor.bytes);
    tensor.data = copy;
  }
  return wk_tensors_add_view(t->out, &tensor, err);
}

/* ---- the file ------------------------------------------------------------------------------------ */

static wk_status collect(wk_torch *t, wk_error *err) {
  static const char prefix[] = "module."; /* put there by DataParallel */
  wk_torch_weights w = {0};
  bool wrapped = true;
  wk_status st = WK_OK;
  WK_TRY(wk_torch_find_weights(&w, t, err));
  for (size_t i = 0; i < w.count; i++)
    wrapped &= strncmp(w.entry[i].name, prefix, sizeof prefix - 1) == 0;
  for (size_t i = 0; i < w.count; i++) {
    const char *name = w.entry[i].name + (wrapped ? sizeof prefix - 1 : 0);
    WK_FAIL_IF(wk_tensors_find(t->out, name), err, WK_ERR_FORMAT, "there are two tensors named %.200s", name);
    WK_TRY(add_tensor(t, name, w.entry[i].tensor, err));
  }
done:
  wk_free(w.entry);
  return st;
}

wk_status wk_torch_parse(wk_tensors **out, const void *bytes, size_t size, wk_error *err) {
  const char *any = NULL;
  return wk_torch_parse_key(out, bytes, size, &any, err);
}

wk_status wk_torch_parse_key(wk_tensors **out, const void *bytes, size_t size, const char **key, wk_error *err) {
  enum { VALUES_LIMIT = 256 << 20, VALUES_STEP = 64 << 10, SLACK = 64 << 20 };
  wk_torch t = {
      .bytes = bytes, .size = size, .key = *key, .arena = {.limit = VALUES_LIMIT, .step = VALUES_STEP, .align = 16}};
  wk_status st;

  /* Packed or strided weights grow a little; a file that grows fourfold and more was made to. */
  t.budget = size < (SIZE_MAX - SLACK) / 4 ? 4 * size + SLACK : SIZE_MAX;
  WK_TRY(wk_tensors_create(&t.out, err));
  if (wk_torch_is_legacy(bytes, size))
    WK_TRY(wk_torch_read_legacy(&t, err));
  else
    WK_TRY(wk_torch_read_zip(&t, err));
  WK_TRY(collect(&t, err));
  if (wk_codebook_is(t.out)) {
    WK_TRY(wk_codebook_expand(out, t.out, t.budget, err));
    goto done;
  }
  *out = t.out;
  t.out = NULL;
done:
  if (st == WK_OK)
    *key = t.key;
  wk_tensors_free(t.out);
  wk_free(t.storage);
  wk_arena_free(&t.arena);
  return st;
}

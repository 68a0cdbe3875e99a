/* tensor.c - named arrays: the set that weight files are read into, conversions to float32, and the hash that
 * names a set of weights. Tensors are allocated one by one, so a pointer from wk_tensors_find stays good while
 * others are added. */
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "whisker/nn.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "weight files are little-endian and are used in place");

static const struct {
  const char *name;
  size_t size;
} dtypes[WK_DTYPE_COUNT] = {
    [WK_F32] = {"F32", 4}, [WK_F64] = {"F64", 8},   [WK_F16] = {"F16", 2}, [WK_BF16] = {"BF16", 2},
    [WK_I64] = {"I64", 8}, [WK_I32] = {"I32", 4},   [WK_I16] = {"I16", 2}, [WK_I8] = {"I8", 1},
    [WK_U8] = {"U8", 1},   [WK_BOOL] = {"BOOL", 1},
};

size_t wk_dtype_size(wk_dtype dtype) { return (unsigned)dtype < WK_DTYPE_COUNT ? dtypes[dtype].size : 0; }

const char *wk_dtype_name(wk_dtype dtype) { return (unsigned)dtype < WK_DTYPE_COUNT ? dtypes[dtype].name : "unknown"; }

int64_t wk_tensor_count(int ndim, const int64_t *shape) {
  int64_t count = 1;
  bool overflow = false, empty = false;
  for (int i = 0; i < ndim; i++) {
    if (shape[i] < 0)
      return -1;
    empty |= shape[i] == 0;
    overflow |= __builtin_mul_overflow(count, shape[i], &count);
  }
  return empty ? 0 : overflow ? -1 : count;
}

/* ---- the set ---------------------------------------------------------------------------------- */

typedef struct entry {
  wk_tensor tensor;
  uint64_t hash;
  void *owned; /* data to free; NULL for a view */
  char name[]; /* what tensor.name points to */
} entry;

typedef struct meta {
  char *key, *value;
  uint64_t hash;
} meta;

typedef struct named {
  const char *name;
  uint64_t hash;
} named;

/* Finds the set's tensors, or its metadata, by name. */
typedef struct name_index {
  named (*at)(const wk_tensors *t, size_t index);
  uint32_t *slot; /* open addressing: index + 1, 0 where free; always at most half full */
  size_t slots;   /* a power of two, or 0 */
} name_index;

typedef struct kept {
  void (*release)(void *user);
  void (*rest)(void *user); /* or NULL */
  void *user;
} kept;

struct wk_tensors {
  entry **entry; /* in the order they were added */
  size_t size, capacity;
  name_index entry_names;
  meta *meta; /* in the order they were set */
  size_t metas, meta_capacity;
  name_index meta_names;
  kept *kept;
  size_t kepts, kept_capacity;
};

static named entry_at(const wk_tensors *t, size_t i) { return (named){t->entry[i]->name, t->entry[i]->hash}; }
static named meta_at(const wk_tensors *t, size_t i) { return (named){t->meta[i].key, t->meta[i].hash}; }

wk_status wk_tensors_create(wk_tensors **out, wk_error *err) {
  wk_tensors *t = wk_calloc(1, sizeof *t);
  if (!t)
    return WK_FAIL(err, WK_ERR_MEMORY, "not enough memory for a set of tensors");
  t->entry_names.at = entry_at;
  t->meta_names.at = meta_at;
  *out = t;
  return WK_OK;
}

void wk_tensors_free(wk_tensors *t) {
  if (!t)
    return;
  for (size_t i = 0; i < t->size; i++) {
    wk_free(t->entry[i]->owned);
    wk_free(t->entry[i]);
  }
  for (size_t i = 0; i < t->metas; i++) {
    wk_free(t->meta[i].key);
    wk_free(t->meta[i].value);
  }
  for (size_t i = t->kepts; i-- > 0;)
    t->kept[i].release(t->kept[i].user);
  wk_free(t->entry);
  wk_free(t->entry_names.slot);
  wk_free(t->meta);
  wk_free(t->meta_names.slot);
  wk_free(t->kept);
  wk_free(t);
}

/* Makes room for one more element. */
static bool reserve(void *array, size_t size, size_t *capacity, size_t element) {
  if (size < *capacity)
    return true;
  size_t want = *capacity ? *capacity * 2 : 16;
  void *old, *grown;
  memcpy(&old, array, sizeof old);
  grown = wk_grow(old, size * element, want * element);
  if (!grown)
    return false;
  memcpy(array, &grown, sizeof grown);
  *capacity = want;
  return true;
}

/* FNV-1a, started from the set's address: a hostile file cannot know it, so it cannot choose names that collide. */
static uint64_t hash_name(const wk_tensors *t, const char *name) {
  uint64_t h = UINT64_C(14695981039346656037) ^ ((uint64_t)(uintptr_t)t * UINT64_C(0x9E3779B97F4A7C15));
  for (; *name; name++)
    h = (h ^ (uint8_t)*name) * UINT64_C(1099511628211);
  h ^= h >> 32;
  h *= UINT64_C(0xD6E8FEB86659FD93);
  return h ^ h >> 32;
}

/* Where the name is, or would be. */
static size_t find_slot(const wk_tensors *t, const name_index *x, const char *name, uint64_t hash) {
  size_t i = (size_t)hash & (x->slots - 1);
  for (; x->slot[i]; i = (i + 1) & (x->slots - 1)) {
    const named n = x->at(t, x->slot[i] - 1);
    if (n.hash == hash && strcmp(n.name, name) == 0)
      break;
  }
  return i;
}

/* Makes room for one more name beside those of `count` things. */
static bool reserve_slots(const wk_tensors *t, name_index *x, size_t count) {
  if ((count + 1) * 2 <= x->slots)
    return true;
  size_t slots = x->slots ? x->slots * 2 : 64;
  uint32_t *slot = wk_calloc(slots, sizeof *slot);
  if (!slot)
    return false;
  for (size_t i = 0; i < count; i++) {
    size_t free_slot = (size_t)x->at(t, i).hash & (slots - 1);
    while (slot[free_slot])
      free_slot = (free_slot + 1) & (slots - 1);
    slot[free_slot] = (uint32_t)i + 1;
  }
  wk_free(x->slot);
  x->slot = slot;
  x->slots = slots;
  return true;
}

static wk_status check(const wk_tensor *tensor, wk_error *err) {
  if (!tensor || !tensor->name)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "a tensor needs a name");
  if (tensor->ndim < 0 || tensor->ndim > WK_MAX_DIMS)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "tensor %s has %d dimensions; 0 to %d are possible", tensor->name,
                   tensor->ndim, WK_MAX_DIMS);
  size_t element = wk_dtype_size(tensor->dtype), bytes;
  int64_t count = wk_tensor_count(tensor->ndim, tensor->shape);
  if (!element || count < 0 || wk_mul_overflow(&bytes, (size_t)count, element))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "tensor %s has a shape or type that cannot be", tensor->name);
  if (bytes != tensor->bytes || (bytes && !tensor->data))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "tensor %s comes with %zu bytes; its shape needs %zu", tensor->name,
                   tensor->data ? tensor->bytes : 0, bytes);
  return WK_OK;
}

/* Takes over `owned` on success. */
static wk_status insert(wk_tensors *t, const wk_tensor *tensor, void *owned, wk_error *err) {
  if (wk_tensors_find(t, tensor->name))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "there are two tensors named %s", tensor->name);
  if (t->size >= UINT32_MAX / 4)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "more than %zu tensors", t->size);
  size_t name_bytes = strlen(tensor->name) + 1;
  entry *e = NULL;
  if (!reserve(&t->entry, t->size, &t->capacity, sizeof(entry *)) || !reserve_slots(t, &t->entry_names, t->size) ||
      !(e = wk_alloc(sizeof *e + name_bytes)))
    return WK_FAIL(err, WK_ERR_MEMORY, "not enough memory for tensor %s", tensor->name);
  memcpy(e->name, tensor->name, name_bytes);
  e->tensor = *tensor;
  e->tensor.name = e->name;
  for (int i = tensor->ndim; i < WK_MAX_DIMS; i++)
    e->tensor.shape[i] = 0;
  e->owned = owned;
  e->hash = hash_name(t, e->name);
  if (owned)
    e->tensor.data = owned;
  t->entry_names.slot[find_slot(t, &t->entry_names, e->name, e->hash)] = (uint32_t)t->size + 1;
  t->entry[t->size++] = e;
  return WK_OK;
}

wk_status wk_tensors_add_view(wk_tensors *t, const wk_tensor *tensor, wk_error *err) {
  WK_RETURN_IF_ERROR(check(tensor, err));
  return insert(t, tensor, NULL, err);
}

wk_status wk_tensors_add(wk_tensors *t, const wk_tensor *tensor, wk_error *err) {
  WK_RETURN_IF_ERROR(check(tensor, err));
  void *copy = wk_alloc(tensor->bytes);
  if (!copy)
    return WK_FAIL(err, WK_ERR_MEMORY, "not enough memory for tensor %s (%zu bytes)", tensor->name, tensor->bytes);
  if (tensor->bytes)
    memcpy(copy, tensor->data, tensor->bytes);
  wk_status st = insert(t, tensor, copy, err);
  if (st != WK_OK)
    wk_free(copy);
  return st;
}

wk_status wk_tensors_add_zeros(wk_tensors *t, float **data, const char *name, int ndim, const int64_t *shape,
                               wk_error *err) {
  wk_tensor tensor = {.name = name, .dtype = WK_F32, .ndim = ndim};
  int64_t count = name && ndim >= 0 && ndim <= WK_MAX_DIMS ? wk_tensor_count(ndim, shape) : -1;
  if (count < 0 || wk_mul_overflow(&tensor.bytes, (size_t)count, sizeof(float)))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "tensor %s cannot have this shape", name ? name : "without a name");
  if (ndim)
    memcpy(tensor.shape, shape, (size_t)ndim * sizeof *shape);
  float *zeros = wk_calloc((size_t)count, sizeof(float));
  if (!zeros)
    return WK_FAIL(err, WK_ERR_MEMORY, "not enough memory for tensor %s (%zu bytes)", name, tensor.bytes);
  wk_status st = insert(t, &tensor, zeros, err);
  if (st != WK_OK)
    wk_free(zeros);
  else
    *data = zeros;
  return st;
}

wk_status wk_tensors_keep(wk_tensors *t, void (*release)(void *user), void (*rest)(void *user), void *user,
                          wk_error *err) {
  if (!reserve(&t->kept, t->kepts, &t->kept_capacity, sizeof(kept)))
    return WK_FAIL(err, WK_ERR_MEMORY, "not enough memory for a set of tensors");
  t->kept[t->kepts++] = (kept){release, rest, user};
  return WK_OK;
}

void wk_tensors_release_pages(const wk_tensors *t) {
  for (size_t i = 0; i < t->kepts; i++)
    if (t->kept[i].rest)
      t->kept[i].rest(t->kept[i].user);
}

size_t wk_tensors_size(const wk_tensors *t) { return t->size; }

const wk_tensor *wk_tensors_at(const wk_tensors *t, size_t index) {
  return index < t->size ? &t->entry[index]->tensor : NULL;
}

const wk_tensor *wk_tensors_find(const wk_tensors *t, const char *name) {
  if (!t->size)
    return NULL;
  uint32_t found = t->entry_names.slot[find_slot(t, &t->entry_names, name, hash_name(t, name))];
  return found ? &t->entry[found - 1]->tensor : NULL;
}

/* ---- metadata --------------------------------------------------------------------------------- */

/* NULL: there is none of that key. */
static meta *find_meta(const wk_tensors *t, const char *key) {
  if (!t->metas)
    return NULL;
  uint32_t found = t->meta_names.slot[find_slot(t, &t->meta_names, key, hash_name(t, key))];
  return found ? &t->meta[found - 1] : NULL;
}

static wk_status add_meta(wk_tensors *t, const char *key, char *value, wk_error *err) {
  if (t->metas >= UINT32_MAX / 4)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "more than %zu entries of metadata", t->metas);
  char *copy = NULL;
  if (!reserve(&t->meta, t->metas, &t->meta_capacity, sizeof(meta)) || !reserve_slots(t, &t->meta_names, t->metas) ||
      !(copy = wk_strdup(key)))
    return WK_FAIL(err, WK_ERR_MEMORY, "not enough memory for metadata");
  const meta m = {copy, value, hash_name(t, key)};
  t->meta_names.slot[find_slot(t, &t->meta_names, key, m.hash)] = (uint32_t)t->metas + 1;
  t->meta[t->metas++] = m;
  return WK_OK;
}

wk_status wk_tensors_set_meta(wk_tensors *t, const char *key, const char *value, wk_error *err) {
  char *copy = wk_strdup(value);
  if (!copy)
    return WK_FAIL(err, WK_ERR_MEMORY, "not enough memory for metadata");
  meta *known = find_meta(t, key);
  if (known) {
    wk_free(known->value);
    known->value = copy;
    return WK_OK;
  }
  wk_status st = add_meta(t, key, copy, err);
  if (st != WK_OK)
    wk_free(copy);
  return st;
}

const char *wk_tensors_meta(const wk_tensors *t, const char *key) {
  const meta *m = find_meta(t, key);
  return m ? m->value : NULL;
}

size_t wk_tensors_meta_size(const wk_tensors *t) { return t->metas; }

void wk_tensors_meta_at(const wk_tensors *t, size_t index, const char **key, const char **value) {
  bool there = index < t->metas;
  *key = there ? t->meta[index].key : NULL;
  *value = there ? t->meta[index].value : NULL;
}

/* ---- conversion ------------------------------------------------------------------------------- */

static float from_bits(uint32_t bits) {
  float f;
  memcpy(&f, &bits, sizeof f);
  return f;
}

static float from_bf16(uint16_t h) { return from_bits((uint32_t)h << 16); }

static float from_f16(uint16_t h) {
  uint32_t sign = (uint32_t)(h & 0x8000) << 16, magnitude = h & 0x7fff;
  if (magnitude >= 0x7c00) /* infinity and NaN keep their payload */
    return from_bits(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
  /* Read as a float, the bits are 2^-112 of the value, subnormals included; the multiplication is exact. */
  float f = from_bits(magnitude << 13) * 0x1p112f;
  return sign ? -f : f;
}

/* Elements are copied out one by one because a view may lie at any address; compilers turn this into vector loads. */
#define CONVERT(type, expression)                                                                                      \
  for (size_t i = 0; i < n; i++) {                                                                                     \
    type x;                                                                                                            \
    memcpy(&x, in + i * sizeof x, sizeof x);                                                                           \
    out[i] = (expression);                                                                                             \
  }                                                                                                                    \
  break

wk_status wk_tensor_to_f32(float *out, const wk_tensor *tensor, wk_error *err) {
  WK_RETURN_IF_ERROR(check(tensor, err));
  const uint8_t *in = tensor->data;
  size_t n = tensor->bytes / wk_dtype_size(tensor->dtype);
  switch (tensor->dtype) {
  case WK_F32:
    if (n)
      memcpy(out, in, tensor->bytes);
    break;
  case WK_F64:
    CONVERT(double, (float)x);
  case WK_F16:
    CONVERT(uint16_t, from_f16(x));
  case WK_BF16:
    CONVERT(uint16_t, from_bf16(x));
  case WK_I64:
    CONVERT(int64_t, (float)x);
  case WK_I32:
    CONVERT(int32_t, (float)x);
  case WK_I16:
    CONVERT(int16_t, (float)x);
  case WK_I8:
    CONVERT(int8_t, (float)x);
  case WK_U8:
    CONVERT(uint8_t, (float)x);
  default:
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "tensor %s holds %s, not numbers", tensor->name,
                   wk_dtype_name(tensor->dtype));
  }
  return WK_OK;
}

/* ---- hash ------------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b) {
  const entry *x = *(entry *const *)a, *y = *(entry *const *)b;
  return strcmp(x->name, y->name);
}

/* The entry whose name follows `last` (NULL: the first), for when there is no memory to sort. */
static const entry *next_by_name(const wk_tensors *t, const entry *last) {
  const entry *best = NULL;
  for (size_t i = 0; i < t->size; i++) {
    const entry *e = t->entry[i];
    if ((!last || strcmp(e->name, last->name) > 0) && (!best || strcmp(e->name, best->name) < 0))
      best = e;
  }
  return best;
}

/* A chain, so that nothing here can fail: h = SHA-256(h, SHA-256(name), SHA-256(type and shape), SHA-256(data)), from
 * zeros. */
void wk_tensors_sha256(uint8_t out[32], const wk_tensors *t) {
  enum { H = WK_SHA256_BYTES };
  uint8_t link[4 * H] = {0};
  entry **sorted = wk_alloc_array(t->size, sizeof *sorted);
  if (sorted && t->size) {
    memcpy(sorted, t->entry, t->size * sizeof *sorted);
    qsort(sorted, t->size, sizeof *sorted, by_name);
  }
  const entry *e = NULL;
  for (size_t i = 0; i < t->size; i++) {
    e = sorted ? sorted[i] : next_by_name(t, e);
    int64_t type[2 + WK_MAX_DIMS] = {(int64_t)e->tensor.dtype, e->tensor.ndim};
    if (e->tensor.ndim)
      memcpy(type + 2, e->tensor.shape, (size_t)e->tensor.ndim * sizeof *type);
    wk_sha256(link + H, e->name, strlen(e->name));
    wk_sha256(link + 2 * H, type, sizeof type);
    wk_sha256(link + 3 * H, e->tensor.bytes ? e->tensor.data : "", e->tensor.bytes);
    wk_sha256(link, link, sizeof link);
  }
  wk_free(sorted);
  memcpy(out, link, H);
}

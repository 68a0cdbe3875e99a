/* hdf5_write.c - see hdf5_write.h; by the HDF5 File Format Specification, version 3: superblock 2, object headers of
 * version 2, links in messages. First all places are found, then everything is written once from the beginning to the
 * end: superblock, headers, texts, numbers. */
#include "formats/hdf5_write.h"

#include <string.h>

#include "whisker/nn.h"

enum {
  MESSAGE_SPACE = 1,
  MESSAGE_LINK_INFO = 2,
  MESSAGE_TYPE = 3,
  MESSAGE_FILL = 5,
  MESSAGE_LINK = 6,
  MESSAGE_LAYOUT = 8,
  MESSAGE_GROUP_INFO = 10,
  MESSAGE_ATTRIBUTE = 12,
  MESSAGE_MOST = 65000, /* bytes: its length has 16 bits */
  HEAP_LEAST = 4096
};

/* A text that is too long for a message of its own: in the global heap. */
typedef struct heap_text {
  char *text;
  size_t size;
} heap_text;

typedef struct attribute {
  char *name;
  wk_text list; /* texts of `each` bytes, filled up with zeros */
  size_t count, each;
  int heap; /* or one text of any length: number of a heap text; -1: a list */
} attribute;

typedef struct object {
  char *name;
  int parent; /* -1: the root */
  bool dataset;
  int ndim;
  int64_t shape[WK_MAX_DIMS];
  const float *data;
  uint64_t bytes;
  attribute *attribute;
  size_t attributes;
} object;

struct wk_h5_out {
  object *object;
  int objects, room;
  heap_text *heap;
  int heaps;
};

static wk_status no_memory(wk_error *err) { return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for an HDF5 file"); }

/* ---- what is in it -------------------------------------------------------------------------------------- */

static wk_status add_object(int *out, wk_h5_out *h, int parent, const char *name, wk_error *err) {
  if (h->objects == h->room) {
    const int room = h->room ? 2 * h->room : 64;
    object *grown = wk_grow(h->object, (size_t)h->objects * sizeof *grown, (size_t)room * sizeof *grown);
    if (!grown)
      return no_memory(err);
    h->object = grown;
    h->room = room;
  }
  char *own = wk_strdup(name);
  if (!own)
    return no_memory(err);
  h->object[h->objects] = (object){.name = own, .parent = parent};
  *out = h->objects++;
  return WK_OK;
}

wk_status wk_h5_out_create(wk_h5_out **out, wk_error *err) {
  int root = 0;
  wk_h5_out *h = wk_calloc(1, sizeof *h);
  if (!h)
    return no_memory(err);
  wk_status st = add_object(&root, h, -1, "", err);
  if (st == WK_OK)
    *out = h;
  else
    wk_h5_out_free(h);
  return st;
}

void wk_h5_out_free(wk_h5_out *h) {
  if (!h)
    return;
  for (int i = 0; i < h->objects; i++) {
    object *o = &h->object[i];
    for (size_t k = 0; k < o->attributes; k++) {
      wk_free(o->attribute[k].name);
      wk_text_free(&o->attribute[k].list);
    }
    wk_free(o->attribute);
    wk_free(o->name);
  }
  for (int i = 0; i < h->heaps; i++)
    wk_free(h->heap[i].text);
  wk_free(h->heap);
  wk_free(h->object);
  wk_free(h);
}

wk_status wk_h5_out_group(int *out, wk_h5_out *h, int parent, const char *name, wk_error *err) {
  for (int i = h->objects - 1; i > 0; i--)
    if (h->object[i].parent == parent && !h->object[i].dataset && strcmp(h->object[i].name, name) == 0) {
      *out = i;
      return WK_OK;
    }
  return add_object(out, h, parent, name, err);
}

wk_status wk_h5_out_floats(wk_h5_out *h, int group, const char *name, int ndim, const int64_t *shape, const float *data,
                           wk_error *err) {
  int at = 0;
  WK_RETURN_IF_ERROR(add_object(&at, h, group, name, err));
  object *o = &h->object[at];
  o->dataset = true;
  o->ndim = ndim;
  memcpy(o->shape, shape, (size_t)ndim * sizeof *shape);
  o->data = data;
  o->bytes = (uint64_t)wk_tensor_count(ndim, shape) * sizeof(float);
  return WK_OK;
}

static wk_status add_attribute(attribute **out, wk_h5_out *h, int group, const char *name, wk_error *err) {
  object *o = &h->object[group];
  const size_t n = o->attributes;
  attribute *grown = wk_grow(o->attribute, n * sizeof *grown, (n + 1) * sizeof *grown);
  if (!grown)
    return no_memory(err);
  o->attribute = grown;
  char *own = wk_strdup(name);
  if (!own)
    return no_memory(err);
  grown[n] = (attribute){.name = own, .heap = -1};
  o->attributes++;
  *out = &grown[n];
  return WK_OK;
}

wk_status wk_h5_out_text(wk_h5_out *h, int group, const char *name, const char *text, wk_error *err) {
  attribute *a = NULL;
  WK_RETURN_IF_ERROR(add_attribute(&a, h, group, name, err));
  heap_text *grown = wk_grow(h->heap, (size_t)h->heaps * sizeof *grown, (size_t)(h->heaps + 1) * sizeof *grown);
  if (!grown)
    return no_memory(err);
  h->heap = grown;
  char *own = wk_strdup(text);
  if (!own)
    return no_memory(err);
  a->heap = h->heaps;
  h->heap[h->heaps++] = (heap_text){own, strlen(own)};
  return WK_OK;
}

wk_status wk_h5_out_list(wk_h5_out *h, int group, const char *name, const char *const *text, size_t count,
                         wk_error *err) {
  static const char zeros[256];
  attribute *a = NULL;
  WK_RETURN_IF_ERROR(add_attribute(&a, h, group, name, err));
  a->count = count;
  a->each = 1;
  for (size_t i = 0; i < count; i++)
    a->each = strlen(text[i]) > a->each ? strlen(text[i]) : a->each;
  for (size_t i = 0; i < count; i++) {
    wk_text_append(&a->list, text[i], strlen(text[i]));
    for (size_t left = a->each - strlen(text[i]); left;) {
      const size_t n = left < sizeof zeros ? left : sizeof zeros;
      wk_text_append(&a->list, zeros, n);
      left -= n;
    }
  }
  if (a->list.failed)
    return no_memory(err);
  if (a->list.len > MESSAGE_MOST)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "%zu names of layers are more than a Keras file can list", count);
  return WK_OK;
}

/* ---- bytes ---------------------------------------------------------------------------------------------- */

/* Bob Jenkins' lookup3, with which HDF5 guards its headers. */
static uint32_t turn(uint32_t x, int by) { return x << by | x >> (32 - by); }

static uint32_t word(const uint8_t *p, size_t n) {
  uint32_t w = 0;
  for (size_t i = 0; i < 4 && i < n; i++)
    w |= (uint32_t)p[i] << 8 * i;
  return w;
}

static uint32_t checksum(const void *bytes, size_t n) {
  const uint8_t *p = bytes;
  uint32_t a = 0xdeadbeef + (uint32_t)n, b = a, c = a;
  for (; n > 12; n -= 12, p += 12) {
    a += word(p, 4), b += word(p + 4, 4), c += word(p + 8, 4);
    a -= c, a ^= turn(c, 4), c += b;
    b -= a, b ^= turn(a, 6), a += c;
    c -= b, c ^= turn(b, 8), b += a;
    a -= c, a ^= turn(c, 16), c += b;
    b -= a, b ^= turn(a, 19), a += c;
    c -= b, c ^= turn(b, 4), b += a;
  }
  if (!n)
    return c;
  a += word(p, n), b += n > 4 ? word(p + 4, n - 4) : 0, c += n > 8 ? word(p + 8, n - 8) : 0;
  c ^= b, c -= turn(b, 14);
  a ^= c, a -= turn(c, 11);
  b ^= a, b -= turn(a, 25);
  c ^= b, c -= turn(b, 16);
  a ^= c, a -= turn(c, 4);
  b ^= a, b -= turn(a, 14);
  c ^= b, c -= turn(b, 24);
  return c;
}

static void put(wk_text *t, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++) {
    const char b = (char)(value >> 8 * i);
    wk_text_append(t, &b, 1);
  }
}

static void put_message(wk_text *t, int type, const wk_text *body) {
  put(t, (uint64_t)type, 1);
  put(t, body->len, 2);
  put(t, 0, 1);
  wk_text_append(t, body->data, body->len);
  t->failed |= body->failed;
}

static void put_space(wk_text *t, int ndim, const int64_t *shape) {
  put(t, 2, 1);
  put(t, (uint64_t)ndim, 1);
  put(t, 0, 1);
  put(t, ndim > 0, 1); /* a scalar, or simple */
  for (int i = 0; i < ndim; i++)
    put(t, (uint64_t)shape[i], 8);
}

static void put_float_type(wk_text *t) {
  static const uint8_t type[20] = {0x11, 0x20, 31, 0, 4, 0, 0, 0, 0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0};
  wk_text_append(t, type, sizeof type);
}

static void put_text_type(wk_text *t, size_t size) { /* filled up with zeros, UTF-8 */
  put(t, 0x13, 1);
  put(t, 0x11, 1);
  put(t, 0, 2);
  put(t, size, 4);
}

static void put_attribute(wk_text *t, const attribute *a, const wk_h5_out *h, uint64_t heap) {
  wk_text body = {0}, type = {0}, space = {0};
  const int64_t count = (int64_t)a->count;
  if (a->heap < 0) {
    put_text_type(&type, a->each);
    put_space(&space, 1, &count);
  } else { /* a text of any length: 16 bytes that say where it lies */
    put(&type, 0x010119, 4);
    put(&type, 16, 4);
    put_text_type(&type, 1);
    put_space(&space, 0, NULL);
  }
  put(&body, 3, 2); /* version */
  put(&body, strlen(a->name) + 1, 2);
  put(&body, type.len, 2);
  put(&body, space.len, 2);
  put(&body, 1, 1); /* UTF-8 */
  wk_text_append(&body, a->name, strlen(a->name) + 1);
  wk_text_append(&body, type.data, type.len);
  wk_text_append(&body, space.data, space.len);
  if (a->heap < 0) {
    wk_text_append(&body, a->list.data ? a->list.data : "", a->list.len);
  } else {
    put(&body, h->heap[a->heap].size, 4);
    put(&body, heap, 8);
    put(&body, (uint64_t)a->heap + 1, 4);
  }
  body.failed |= type.failed || space.failed;
  put_message(t, MESSAGE_ATTRIBUTE, &body);
  wk_text_free(&body);
  wk_text_free(&type);
  wk_text_free(&space);
}

/* ---- headers -------------------------------------------------------------------------------------------- */

/* Where things lie, in bytes from the beginning of the file. */
typedef struct places {
  uint64_t *head, *data; /* [objects] */
  uint64_t heap, end;
} places;

static void put_group(wk_text *t, const wk_h5_out *h, int group, const places *p) {
  wk_text body = {0};
  put(&body, 0, 2); /* link info: no order, no heap, no tree */
  put(&body, UINT64_MAX, 8);
  put(&body, UINT64_MAX, 8);
  put_message(t, MESSAGE_LINK_INFO, &body);
  body.len = 0;
  put(&body, 0, 2);
  put_message(t, MESSAGE_GROUP_INFO, &body);
  for (int i = 1; i < h->objects; i++) {
    if (h->object[i].parent != group)
      continue;
    body.len = 0;
    put(&body, 0x1101, 2); /* a hard link; its name's length has 2 bytes, and a charset goes before it */
    put(&body, 1, 1);
    put(&body, strlen(h->object[i].name), 2);
    wk_text_append(&body, h->object[i].name, strlen(h->object[i].name));
    put(&body, p->head[i], 8);
    put_message(t, MESSAGE_LINK, &body);
  }
  for (size_t k = 0; k < h->object[group].attributes; k++)
    put_attribute(t, &h->object[group].attribute[k], h, p->heap);
  t->failed |= body.failed;
  wk_text_free(&body);
}

static void put_dataset(wk_text *t, const object *o, uint64_t at) {
  wk_text body = {0};
  put_space(&body, o->ndim, o->shape);
  put_message(t, MESSAGE_SPACE, &body);
  body.len = 0;
  put_float_type(&body);
  put_message(t, MESSAGE_TYPE, &body);
  body.len = 0;
  put(&body, 0x0a03, 2); /* nothing is filled in */
  put_message(t, MESSAGE_FILL, &body);
  body.len = 0;
  put(&body, 0x0103, 2); /* in one piece */
  put(&body, o->bytes ? at : UINT64_MAX, 8);
  put(&body, o->bytes, 8);
  put_message(t, MESSAGE_LAYOUT, &body);
  t->failed |= body.failed;
  wk_text_free(&body);
}

/* One object's header, guarded. Its length does not depend on the places. */
static void put_header(wk_text *t, const wk_h5_out *h, int i, const places *p) {
  wk_text body = {0}, all = {0};
  if (h->object[i].dataset)
    put_dataset(&body, &h->object[i], p->data[i]);
  else
    put_group(&body, h, i, p);
  wk_text_append(&all, "OHDR\2\2", 6);
  put(&all, body.len, 4);
  wk_text_append(&all, body.data, body.len);
  all.failed |= body.failed;
  if (!all.failed)
    put(&all, checksum(all.data, all.len), 4);
  wk_text_append(t, all.data ? all.data : "", all.len);
  t->failed |= all.failed;
  wk_text_free(&body);
  wk_text_free(&all);
}

/* ---- the file ------------------------------------------------------------------------------------------- */

static void align(wk_text *t) {
  while (t->len % 8 && !t->failed)
    put(t, 0, 1);
}

/* All but the numbers. */
static void put_front(wk_text *t, const wk_h5_out *h, places *p) {
  wk_text_append(t, "\211HDF\r\n\032\n\2\10\10\0", 12);
  put(t, 0, 8);
  put(t, UINT64_MAX, 8);
  put(t, p->end, 8);
  put(t, p->head[0], 8);
  if (!t->failed)
    put(t, checksum(t->data, t->len), 4);
  for (int i = 0; i < h->objects; i++) {
    align(t);
    p->head[i] = t->len;
    put_header(t, h, i, p);
  }
  align(t);
  p->heap = t->len;
  if (!h->heaps)
    return;
  uint64_t need = 16 + 16;
  for (int i = 0; i < h->heaps; i++)
    need += 16 + ((uint64_t)h->heap[i].size + 7) / 8 * 8;
  const uint64_t whole = need < HEAP_LEAST ? HEAP_LEAST : need;
  wk_text_append(t, "GCOL\1\0\0\0", 8);
  put(t, whole, 8);
  for (int i = 0; i < h->heaps; i++) {
    put(t, (uint64_t)i + 1, 2);
    put(t, 1, 2);
    put(t, 0, 4);
    put(t, h->heap[i].size, 8);
    wk_text_append(t, h->heap[i].text, h->heap[i].size);
    align(t);
  }
  const uint64_t left = p->heap + whole - t->len; /* what is free is an object, too */
  put(t, 0, 8);
  put(t, left, 8);
  for (uint64_t k = 16; k < left; k += 8)
    put(t, 0, 8);
}

wk_status wk_h5_out_bytes(uint8_t **out, size_t *size, const wk_h5_out *h, wk_error *err) {
  wk_status st = WK_OK;
  wk_text front = {0};
  uint8_t *bytes = NULL;
  places p = {.head = wk_calloc((size_t)h->objects, sizeof *p.head),
              .data = wk_calloc((size_t)h->objects, sizeof *p.data)};
  WK_FAIL_IF(!p.head || !p.data, err, WK_ERR_MEMORY, "out of memory for an HDF5 file");
  put_front(&front, h, &p); /* once to find the places, once with them */
  p.end = front.len;
  for (int i = 0; i < h->objects; i++) {
    p.data[i] = p.end;
    p.end += (h->object[i].bytes + 7) / 8 * 8;
  }
  front.len = 0;
  put_front(&front, h, &p);
  bytes = front.failed ? NULL : wk_calloc((size_t)p.end, 1);
  WK_FAIL_IF(!bytes, err, WK_ERR_MEMORY, "out of memory for an HDF5 file");
  memcpy(bytes, front.data, front.len);
  for (int i = 0; i < h->objects; i++)
    if (h->object[i].bytes)
      memcpy(bytes + p.data[i], h->object[i].data, (size_t)h->object[i].bytes);
  *out = bytes;
  *size = (size_t)p.end;
done:
  wk_free(p.head);
  wk_free(p.data);
  wk_text_free(&front);
  return st;
}

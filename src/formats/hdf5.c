/* hdf5.c - see hdf5.h; by the HDF5 File Format Specification, version 3. Walks are bounded: by the file's size, by
 * depth, and by a number of steps that no honest file needs. */
#include "formats/hdf5.h"

#include <string.h>
#include <zlib.h>

#include "formats/formats.h"

enum {
  MOST_STEPS = 1 << 18,
  MOST_DEPTH = 16,
  MESSAGE_DATASPACE = 1,
  MESSAGE_DATATYPE = 3,
  MESSAGE_LINK = 6,
  MESSAGE_LAYOUT = 8,
  MESSAGE_FILTERS = 11,
  MESSAGE_ATTRIBUTE = 12,
  MESSAGE_CONTINUATION = 16,
  MESSAGE_SYMBOLS = 17
};

static wk_status broken(const char *what, wk_error *err) {
  return WK_FAIL(err, WK_ERR_FORMAT, "the HDF5 file is broken (%s); fetch it again", what);
}

static bool inside(const wk_h5 *h, uint64_t at, uint64_t bytes) { return at <= h->size && bytes <= h->size - at; }

static uint64_t number(const uint8_t *p, int bytes) {
  return bytes == 8 ? wk_le64(p) : bytes == 4 ? wk_le32(p) : bytes == 2 ? wk_le16(p) : *p;
}

static bool signature(const wk_h5 *h, uint64_t at, const char *is) {
  return inside(h, at, 4) && memcmp(h->bytes + at, is, 4) == 0;
}

/* ---- the beginning ------------------------------------------------------------------------------- */

static const uint8_t magic[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};

bool wk_h5_is(const uint8_t *bytes, size_t size) { return size >= 8 && memcmp(bytes, magic, 8) == 0; }

wk_status wk_h5_open(wk_h5 *out, const uint8_t *bytes, size_t size, wk_error *err) {
  wk_h5 h = {.bytes = bytes, .size = size};
  if (!wk_h5_is(bytes, size) || size < 96)
    return broken("too short", err);
  const int version = bytes[8];
  if (version > 3)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "an HDF5 file of a kind (superblock %d) that whisker does not read",
                   version);
  h.address = bytes[version < 2 ? 13 : 9];
  h.length = bytes[version < 2 ? 14 : 10];
  if ((h.address != 4 && h.address != 8) || (h.length != 4 && h.length != 8))
    return broken("its superblock", err);
  if (version < 2) { /* behind the base and three addresses: the root's entry, whose second field is its header */
    const size_t at = 24 + (version == 1 ? 4 : 0) + 4 * (size_t)h.address;
    h.root = number(bytes + at + h.address, h.address);
  } else {
    h.root = number(bytes + 12 + 3 * h.address, h.address);
  }
  if (!inside(&h, h.root, 16))
    return broken("cut short?", err);
  *out = h;
  return WK_OK;
}

/* ---- an object's messages -------------------------------------------------------------------------- */

typedef struct messages {
  const wk_h5 *h;
  uint64_t at, end;                 /* of this block */
  uint64_t more[32], more_size[32]; /* blocks that follow */
  int waiting;
  bool modern, tracked; /* version 2; with the order of creation */
  int steps;
  int type; /* now */
  const uint8_t *data;
  size_t size;
} messages;

static bool begin(messages *m, const wk_h5 *h, uint64_t object) {
  *m = (messages){.h = h};
  if (!object || !inside(h, object, 16))
    return false;
  const uint8_t *p = h->bytes + object;
  if (memcmp(p, "OHDR", 4) == 0) {
    const int flags = p[5], wide = 1 << (flags & 3);
    uint64_t at = object + 6 + (flags & 0x20 ? 16 : 0) + (flags & 0x10 ? 4 : 0);
    if (p[4] != 2 || !inside(h, at, (uint64_t)wide))
      return false;
    const uint64_t size = number(h->bytes + at, wide);
    m->modern = true;
    m->tracked = flags & 4;
    m->at = at + (uint64_t)wide;
    if (!inside(h, m->at, size))
      return false;
    m->end = m->at + size;
    return true;
  }
  if (p[0] != 1)
    return false;
  m->at = object + 16;
  const uint64_t size = wk_le32(p + 8);
  if (!inside(h, m->at, size))
    return false;
  m->end = m->at + size;
  return true;
}

static bool next_block(messages *m) {
  if (!m->waiting)
    return false;
  m->waiting--;
  m->at = m->more[m->waiting];
  uint64_t size = m->more_size[m->waiting];
  if (!inside(m->h, m->at, size))
    return false;
  m->end = m->at + size;
  if (m->modern) { /* "OCHK" before, a checksum behind */
    if (size < 8 || !signature(m->h, m->at, "OCHK"))
      return false;
    m->at += 4;
    m->end -= 4;
  }
  return true;
}

/* The next message that is not a continuation. */
static bool next(messages *m) {
  while (m->steps++ < MOST_STEPS) {
    const uint64_t head = m->modern ? (m->tracked ? 6 : 4) : 8;
    if (m->end - m->at < head) {
      if (!next_block(m))
        return false;
      continue;
    }
    const uint8_t *p = m->h->bytes + m->at;
    m->type = m->modern ? p[0] : wk_le16(p);
    m->size = m->modern ? wk_le16(p + 1) : wk_le16(p + 2);
    m->at += head;
    if (m->size > m->end - m->at) {
      if (!next_block(m))
        return false;
      continue;
    }
    m->data = m->h->bytes + m->at;
    m->at += m->size;
    if (m->type != MESSAGE_CONTINUATION)
      return true;
    if (m->size >= (size_t)(m->h->address + m->h->length) && m->waiting < 32) {
      m->more[m->waiting] = number(m->data, m->h->address);
      m->more_size[m->waiting++] = number(m->data + m->h->address, m->h->length);
    }
  }
  return false;
}

static bool find_message(messages *m, const wk_h5 *h, uint64_t object, int type) {
  if (!begin(m, h, object))
    return false;
  while (next(m))
    if (m->type == type)
      return true;
  return false;
}

/* ---- groups ---------------------------------------------------------------------------------------- */

typedef struct walk {
  const wk_h5 *h;
  uint64_t heap, heap_size; /* the names of an old group */
  wk_h5_visit visit;
  void *user;
  int steps;
  wk_error *err;
} walk;

static wk_status visit_named(walk *w, const uint8_t *name, size_t size, uint64_t object) {
  char text[512];
  if (size >= sizeof text)
    return broken("a name", w->err);
  memcpy(text, name, size);
  text[size] = 0;
  return w->visit(w->user, text, object, w->err);
}

static wk_status walk_symbols(walk *w, uint64_t node) {
  const wk_h5 *h = w->h;
  const size_t each = 2 * (size_t)h->address + 24;
  if (!signature(h, node, "SNOD") || !inside(h, node, 8))
    return broken("a group", w->err);
  const size_t count = wk_le16(h->bytes + node + 6);
  if (!inside(h, node + 8, count * each))
    return broken("a group", w->err);
  for (size_t i = 0; i < count; i++) {
    const uint8_t *entry = h->bytes + node + 8 + i * each;
    const uint64_t name = number(entry, h->address), object = number(entry + h->address, h->address);
    if (name >= w->heap_size)
      return broken("a name", w->err);
    const uint8_t *text = h->bytes + w->heap + name, *end = memchr(text, 0, (size_t)(w->heap_size - name));
    if (!end)
      return broken("a name", w->err);
    wk_status st = visit_named(w, text, (size_t)(end - text), object);
    if (st != WK_OK)
      return st;
  }
  return WK_OK;
}

static wk_status walk_tree(walk *w, uint64_t node, int depth) {
  const wk_h5 *h = w->h;
  const uint64_t head = 8 + 2 * (uint64_t)h->address, each = (uint64_t)h->length + (uint64_t)h->address;
  if (depth > MOST_DEPTH || w->steps++ > MOST_STEPS || !signature(h, node, "TREE") || !inside(h, node, head))
    return broken("a group", w->err);
  const int level = h->bytes[node + 5];
  const uint64_t count = wk_le16(h->bytes + node + 6);
  if (h->bytes[node + 4] != 0 || !inside(h, node + head, count * each))
    return broken("a group", w->err);
  for (uint64_t i = 0; i < count; i++) {
    const uint64_t child = number(h->bytes + node + head + i * each + h->length, h->address);
    wk_status st = level ? walk_tree(w, child, depth + 1) : walk_symbols(w, child);
    if (st != WK_OK)
      return st;
  }
  return WK_OK;
}

static wk_status walk_old(walk *w, const uint8_t *message, size_t size) {
  const wk_h5 *h = w->h;
  if (size < 2 * (size_t)h->address)
    return broken("a group", w->err);
  const uint64_t tree = number(message, h->address), heap = number(message + h->address, h->address);
  if (!signature(h, heap, "HEAP") || !inside(h, heap, 8 + 2 * (uint64_t)h->length + (uint64_t)h->address))
    return broken("a group", w->err);
  w->heap_size = number(h->bytes + heap + 8, h->length);
  w->heap = number(h->bytes + heap + 8 + 2 * h->length, h->address);
  if (!inside(h, w->heap, w->heap_size))
    return broken("a group", w->err);
  return walk_tree(w, tree, 0);
}

/* A link of a new group; those that are not hard lead nowhere here. */
static wk_status walk_link(walk *w, const uint8_t *p, size_t size) {
  const int flags = size > 2 ? p[1] : 0, wide = 1 << (flags & 3);
  size_t at = 2;
  int type = 0;
  if (size < 4 || p[0] != 1)
    return WK_OK;
  if (flags & 8)
    type = p[at++];
  at += (flags & 4 ? 8 : 0) + (flags & 0x10 ? 1 : 0);
  if (at + (size_t)wide > size)
    return broken("a link", w->err);
  const uint64_t n = number(p + at, wide);
  at += (size_t)wide;
  if (n > size - at || size - at - n < (size_t)w->h->address)
    return type ? WK_OK : broken("a link", w->err);
  return type ? WK_OK : visit_named(w, p + at, (size_t)n, number(p + at + n, w->h->address));
}

wk_status wk_h5_each(const wk_h5 *h, uint64_t group, wk_h5_visit visit, void *user, wk_error *err) {
  walk w = {.h = h, .visit = visit, .user = user, .err = err};
  messages m;
  if (!begin(&m, h, group))
    return broken("an object's header", err);
  while (next(&m)) {
    wk_status st = m.type == MESSAGE_SYMBOLS ? walk_old(&w, m.data, m.size)
                   : m.type == MESSAGE_LINK  ? walk_link(&w, m.data, m.size)
                                             : WK_OK;
    if (st != WK_OK)
      return st;
  }
  return WK_OK;
}

typedef struct search {
  const char *name;
  size_t size;
  uint64_t found;
} search;

static wk_status compare(void *user, const char *name, uint64_t object, wk_error *err) {
  search *s = user;
  (void)err;
  if (strlen(name) == s->size && memcmp(name, s->name, s->size) == 0)
    s->found = object;
  return WK_OK;
}

uint64_t wk_h5_find(const wk_h5 *h, uint64_t group, const char *name, size_t name_size) {
  search s = {.name = name, .size = name_size};
  return wk_h5_each(h, group, compare, &s, NULL) == WK_OK ? s.found : 0;
}

/* ---- types, spaces --------------------------------------------------------------------------------- */

enum { CLASS_WHOLE = 0, CLASS_FLOAT = 1, CLASS_TEXT = 3, CLASS_VARIABLE = 9 };

static bool number_type(wk_dtype *out, const uint8_t *type, size_t size) {
  if (size < 8 || (type[1] & 1)) /* big-endian */
    return false;
  const int class = type[0] & 15;
  const uint32_t bytes = wk_le32(type + 4);
  if (class == CLASS_FLOAT)
    *out = bytes == 2 ? WK_F16 : bytes == 8 ? WK_F64 : WK_F32;
  else if (class == CLASS_WHOLE)
    *out = bytes == 1 ? (type[1] & 8 ? WK_I8 : WK_U8) : bytes == 2 ? WK_I16 : bytes == 4 ? WK_I32 : WK_I64;
  return (class == CLASS_FLOAT || class == CLASS_WHOLE) && wk_dtype_size(*out) == bytes;
}

static bool read_space(int *ndim, int64_t *shape, const wk_h5 *h, const uint8_t *p, size_t size) {
  if (size < 4 || p[1] > WK_MAX_DIMS)
    return false;
  const size_t at = p[0] == 1 ? 8 : 4;
  *ndim = p[1];
  if (size < at + (size_t)*ndim * (size_t)h->length)
    return false;
  for (int i = 0; i < *ndim; i++) {
    const uint64_t side = number(p + at + (size_t)i * (size_t)h->length, h->length);
    if (side > INT64_MAX)
      return false;
    shape[i] = (int64_t)side;
  }
  return true;
}

/* ---- attributes ------------------------------------------------------------------------------------- */

/* Element `index` of a collection of the global heap. */
static bool global(const uint8_t **data, size_t *size, const wk_h5 *h, uint64_t collection, uint32_t index) {
  if (!signature(h, collection, "GCOL") || !inside(h, collection, 8 + (uint64_t)h->length))
    return false;
  const uint64_t all = number(h->bytes + collection + 8, h->length), head = 8 + (uint64_t)h->length;
  if (all < head || !inside(h, collection, all))
    return false;
  uint64_t at = collection + head, end = collection + all;
  for (int steps = 0; steps < MOST_STEPS && end - at >= head; steps++) {
    const uint8_t *p = h->bytes + at;
    const uint64_t bytes = number(p + 8, h->length);
    if (bytes > end - at - head)
      return false;
    if (wk_le16(p) == index && index) {
      *data = p + head;
      *size = (size_t)bytes;
      return true;
    }
    if (!wk_le16(p))
      return false;
    const uint64_t step = head + ((bytes + 7) & ~(uint64_t)7);
    if (step > end - at)
      return false;
    at += step;
  }
  return false;
}

typedef struct attribute {
  const uint8_t *name, *type, *space, *data;
  size_t name_size, type_size, space_size, size;
} attribute;

static bool split_attribute(attribute *a, const uint8_t *p, size_t size) {
  if (size < 8)
    return false;
  const int version = p[0];
  const size_t part[3] = {wk_le16(p + 2), wk_le16(p + 4), wk_le16(p + 6)};
  size_t at = version == 3 ? 9 : 8, begin_of[3];
  for (int i = 0; i < 3; i++) {
    begin_of[i] = at;
    const size_t step = version == 1 ? (part[i] + 7) & ~(size_t)7 : part[i];
    if (at > size || step > size - at)
      return false;
    at += step;
  }
  *a = (attribute){p + begin_of[0], p + begin_of[1], p + begin_of[2], p + at, part[0], part[1], part[2], size - at};
  return version >= 1 && version <= 3;
}

/* The text of one that holds one. */
static wk_status attribute_text(char **out, const wk_h5 *h, const attribute *a, wk_error *err) {
  const uint8_t *data = a->data;
  size_t size = a->size;
  if (a->type_size < 8)
    return broken("an attribute", err);
  const int class = a->type[0] & 15;
  if (class == CLASS_VARIABLE) {
    if (size < 8 + (size_t)h->address)
      return broken("an attribute", err);
    const uint32_t n = wk_le32(data);
    if (!global(&data, &size, h, number(data + 4, h->address), wk_le32(data + 4 + h->address)))
      return broken("a text", err);
    size = n < size ? n : size;
  } else if (class == CLASS_TEXT) {
    const size_t n = wk_le32(a->type + 4);
    size = n < size ? n : size;
  } else {
    return WK_OK; /* numbers */
  }
  const uint8_t *end = memchr(data, 0, size);
  *out = wk_strndup((const char *)data, end ? (size_t)(end - data) : size);
  return *out ? WK_OK : WK_FAIL(err, WK_ERR_MEMORY, "out of memory for an HDF5 file");
}

wk_status wk_h5_text(char **out, const wk_h5 *h, uint64_t object, const char *name, wk_error *err) {
  messages m;
  attribute a;
  const size_t n = strlen(name);
  *out = NULL;
  if (!begin(&m, h, object))
    return broken("an object's header", err);
  while (next(&m))
    if (m.type == MESSAGE_ATTRIBUTE && split_attribute(&a, m.data, m.size) && a.name_size > n &&
        memcmp(a.name, name, n + 1) == 0)
      return attribute_text(out, h, &a, err);
  return WK_OK;
}

/* ---- datasets --------------------------------------------------------------------------------------- */

bool wk_h5_is_dataset(const wk_h5 *h, uint64_t object) {
  messages m;
  return find_message(&m, h, object, MESSAGE_LAYOUT);
}

static wk_status read_filters(wk_h5_dataset *d, const uint8_t *p, size_t size, wk_error *err) {
  if (size < 2)
    return broken("filters", err);
  const int version = p[0], count = p[1];
  size_t at = version == 1 ? 8 : 2;
  for (int i = 0; i < count; i++) {
    if (at + 8 > size)
      return broken("filters", err);
    const int id = wk_le16(p + at);
    const bool named = version == 1 || id >= 256;
    size_t name = named ? wk_le16(p + at + 2) : 0;
    at += named ? 4 : 2;
    if (at + 4 > size)
      return broken("filters", err);
    const size_t values = wk_le16(p + at + 2);
    if (version == 1)
      name = (name + 7) & ~(size_t)7;
    at += 4 + name + 4 * values + (version == 1 && values & 1 ? 4 : 0);
    if (id < 1 || id > 3 || d->filters == 4)
      return WK_FAIL(err, WK_ERR_UNSUPPORTED,
                     "its weights are packed in a way (HDF5 filter %d) that whisker does not read", id);
    d->filter[d->filters++] = id;
  }
  return WK_OK;
}

static wk_status read_layout(wk_h5_dataset *d, const wk_h5 *h, const uint8_t *p, size_t size, wk_error *err) {
  const int version = size > 2 ? p[0] : 0, class = size > 2 ? p[1] : 0;
  const size_t pair = 2 + (size_t)h->address + (size_t)h->length;
  if (version != 3 && !(version == 4 && class < 2))
    return WK_FAIL(err, WK_ERR_UNSUPPORTED,
                   "its weights lie in a way (HDF5 layout %d) that whisker does not read; save it "
                   "again with h5py's usual libver",
                   version);
  if (class == 0 && size >= 4 && wk_le16(p + 2) <= size - 4) {
    d->data = p + 4;
    return wk_le16(p + 2) >= d->bytes ? WK_OK : broken("a dataset", err);
  }
  if (class == 1 && size >= pair) {
    const uint64_t at = number(p + 2, h->address), bytes = number(p + 2 + h->address, h->length);
    if (!d->bytes)
      return WK_OK;
    if (bytes < d->bytes || !inside(h, at, d->bytes))
      return broken("a dataset outside of the file; cut short?", err);
    d->data = h->bytes + at;
    return WK_OK;
  }
  if (class == 2 && size >= 3 && p[2] == d->ndim + 1 && size >= 3 + (size_t)h->address + 4 * (size_t)p[2]) {
    d->chunks = number(p + 3, h->address);
    for (int i = 0; i < d->ndim; i++)
      if (!(d->chunk[i] = wk_le32(p + 3 + h->address + 4 * i)))
        return broken("a chunk of nothing", err);
    return WK_OK;
  }
  return broken("a dataset", err);
}

wk_status wk_h5_dataset_open(wk_h5_dataset *out, const wk_h5 *h, uint64_t object, wk_error *err) {
  wk_h5_dataset d = {0};
  messages m, layout = {0};
  bool space = false, type = false, laid = false;
  if (!begin(&m, h, object))
    return broken("an object's header", err);
  while (next(&m))
    switch (m.type) {
    case MESSAGE_DATASPACE:
      space = read_space(&d.ndim, d.shape, h, m.data, m.size);
      break;
    case MESSAGE_DATATYPE:
      type = number_type(&d.dtype, m.data, m.size);
      if (!type)
        return WK_FAIL(err, WK_ERR_UNSUPPORTED, "a dataset holds something else than plain numbers");
      break;
    case MESSAGE_FILTERS:
      WK_RETURN_IF_ERROR(read_filters(&d, m.data, m.size, err));
      break;
    case MESSAGE_LAYOUT:
      layout = m;
      laid = true;
      break;
    default:
      break;
    }
  const int64_t count = space ? wk_tensor_count(d.ndim, d.shape) : -1;
  if (!type || !laid || count < 0 || wk_mul_overflow(&d.bytes, (size_t)count, wk_dtype_size(d.dtype)))
    return broken("a dataset", err);
  WK_RETURN_IF_ERROR(read_layout(&d, h, layout.data, layout.size, err));
  *out = d;
  return WK_OK;
}

/* ---- chunks ----------------------------------------------------------------------------------------- */

typedef struct chunks {
  const wk_h5 *h;
  const wk_h5_dataset *d;
  uint8_t *to;
  size_t bytes, element; /* of a chunk unpacked */
  uint8_t *a, *b;        /* [bytes] */
  int steps;
  wk_error *err;
} chunks;

static void unshuffle(uint8_t *out, const uint8_t *in, size_t bytes, size_t element) {
  const size_t n = bytes / element;
  for (size_t i = 0; i < n; i++)
    for (size_t k = 0; k < element; k++)
      out[i * element + k] = in[k * n + i];
  memcpy(out + n * element, in + n * element, bytes - n * element);
}

/* Filters are undone from the last to the first. */
static wk_status unpack(const uint8_t **out, chunks *c, uint64_t at, size_t size, uint32_t skipped) {
  const uint8_t *data = c->h->bytes + at;
  for (int i = c->d->filters - 1; i >= 0; i--) {
    uint8_t *to = data == c->a ? c->b : c->a;
    if (skipped >> i & 1)
      continue;
    if (c->d->filter[i] == 1) {
      uLongf n = (uLongf)c->bytes;
      if (uncompress(to, &n, data, (uLong)size) != Z_OK)
        return broken("gzipped weights", c->err);
      size = (size_t)n;
      data = to;
    } else if (c->d->filter[i] == 2) {
      if (size > c->bytes)
        return broken("a chunk", c->err);
      unshuffle(to, data, size, c->element);
      data = to;
    } else {
      if (size < 4)
        return broken("a chunk", c->err);
      size -= 4; /* the checksum */
    }
  }
  *out = data;
  return size >= c->bytes ? WK_OK : broken("a chunk that is too short", c->err);
}

/* Copies what of a chunk lies within the dataset, row by row. */
static void place(const chunks *c, const uint8_t *data, const int64_t *first) {
  const wk_h5_dataset *d = c->d;
  int64_t at[WK_MAX_DIMS] = {0}, n[WK_MAX_DIMS];
  const int last = d->ndim - 1;
  for (int i = 0; i < d->ndim; i++) {
    n[i] = d->shape[i] - first[i] < d->chunk[i] ? d->shape[i] - first[i] : d->chunk[i];
    if (n[i] <= 0)
      return;
  }
  for (;;) {
    int64_t from = 0, to = 0;
    for (int i = 0; i < d->ndim; i++) {
      from = from * d->chunk[i] + at[i];
      to = to * d->shape[i] + first[i] + at[i];
    }
    memcpy(c->to + (size_t)to * c->element, data + (size_t)from * c->element, (size_t)n[last] * c->element);
    int i = last - 1;
    while (i >= 0 && ++at[i] == n[i])
      at[i--] = 0;
    if (i < 0)
      return;
  }
}

static wk_status walk_chunks(chunks *c, uint64_t node, int depth) {
  const wk_h5 *h = c->h;
  const int ndim = c->d->ndim;
  const uint64_t head = 8 + 2 * (uint64_t)h->address, key = 8 + 8 * ((uint64_t)ndim + 1),
                 each = key + (uint64_t)h->address;
  if (depth > MOST_DEPTH || c->steps++ > MOST_STEPS || !signature(h, node, "TREE") || !inside(h, node, head))
    return broken("chunks", c->err);
  const int level = h->bytes[node + 5];
  const uint64_t count = wk_le16(h->bytes + node + 6);
  if (h->bytes[node + 4] != 1 || !inside(h, node + head, count * each))
    return broken("chunks", c->err);
  for (uint64_t i = 0; i < count; i++) {
    const uint8_t *p = h->bytes + node + head + i * each;
    const uint64_t child = number(p + key, h->address), size = wk_le32(p);
    if (level) {
      WK_RETURN_IF_ERROR(walk_chunks(c, child, depth + 1));
      continue;
    }
    int64_t first[WK_MAX_DIMS];
    const uint8_t *data = NULL;
    for (int k = 0; k < ndim; k++) {
      const uint64_t at = wk_le64(p + 8 + 8 * k);
      if (at > INT64_MAX / 2)
        return broken("a chunk", c->err);
      first[k] = (int64_t)at;
    }
    if (c->steps++ > MOST_STEPS || !inside(h, child, size))
      return broken("a chunk outside of the file; cut short?", c->err);
    WK_RETURN_IF_ERROR(unpack(&data, c, child, (size_t)size, wk_le32(p + 4)));
    place(c, data, first);
  }
  return WK_OK;
}

wk_status wk_h5_read(void *to, const wk_h5 *h, const wk_h5_dataset *d, wk_error *err) {
  wk_status st = WK_OK;
  chunks c = {.h = h, .d = d, .to = to, .element = wk_dtype_size(d->dtype), .err = err};
  if (d->data || !d->chunks) {
    if (d->data)
      memcpy(to, d->data, d->bytes);
    else
      memset(to, 0, d->bytes);
    return WK_OK;
  }
  const int64_t count = wk_tensor_count(d->ndim, d->chunk);
  /* A chunk is at most as large as the dataset, rounded up in each direction. */
  WK_FAIL_IF(d->ndim < 1 || count < 1 || wk_mul_overflow(&c.bytes, (size_t)count, c.element) ||
                 c.bytes > ((size_t)1 << 31),
             err, WK_ERR_FORMAT, "the HDF5 file is broken (chunks too large); fetch it again");
  memset(to, 0, d->bytes);
  c.a = wk_alloc(c.bytes);
  c.b = wk_alloc(c.bytes);
  WK_FAIL_IF(!c.a || !c.b, err, WK_ERR_MEMORY, "out of memory for an HDF5 file");
  st = d->chunks == (h->address == 8 ? UINT64_MAX : UINT32_MAX) ? WK_OK : walk_chunks(&c, d->chunks, 0);
done:
  wk_free(c.a);
  wk_free(c.b);
  return st;
}

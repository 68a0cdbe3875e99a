/* torch_legacy.c - the layout of torch.save before version 1.6: pickles of a magic number, a protocol number, facts
 * about the machine, what was saved, and the keys of the storages; then each storage as a 64-bit count and its
 * elements. */
#include <string.h>

#include "formats/torch.h"

/* LONG1 of 10 bytes: 0x1950a86a20f9469cfc6c */
static const uint8_t magic[] = {0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};

bool wk_torch_is_legacy(const uint8_t *bytes, size_t size) {
  enum { FRAME = 9 }; /* protocol 4 and later put a frame before it */
  if (size < 2 + sizeof magic || bytes[0] != 0x80)
    return false;
  return memcmp(bytes + 2, magic, sizeof magic) == 0 ||
         (size >= 2 + FRAME + sizeof magic && bytes[2] == 0x95 && memcmp(bytes + 2 + FRAME, magic, sizeof magic) == 0);
}

/* One pickle at *at, which moves past it. */
static wk_status next_pickle(wk_py **out, size_t *at, wk_torch *t, wk_py_storage **storages, wk_error *err) {
  size_t used = 0;
  WK_RETURN_IF_ERROR(wk_unpickle(out, &used, storages, &t->foreign, &t->arena, t->bytes + *at, t->size - *at, err));
  *at += used;
  return WK_OK;
}

static wk_status check_preamble(const wk_py *protocol, const wk_py *machine, wk_error *err) {
  if (protocol->kind != WK_PY_INT || protocol->as.integer != 1001)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "a PyTorch file of an unknown protocol; 1001 was expected");
  const wk_py *little = wk_py_get(machine, "little_endian");
  if (little && little->kind == WK_PY_BOOL && !little->as.integer)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "was saved on a big-endian machine; load it in PyTorch and save it again");
  return WK_OK;
}

/* The elements of one storage, at *at. */
static wk_status next_storage(size_t *at, wk_torch *t, const wk_py *key, wk_error *err) {
  char a[32], b[32];
  size_t n = 0, bytes;
  wk_py_storage **first = key->kind == WK_PY_STR ? wk_torch_find_storage(&n, t, key->as.text.data) : NULL;
  if (!first)
    return WK_FAIL(err, WK_ERR_FORMAT, "lists a storage that no tensor was saved from");
  if ((*first)->data)
    return WK_FAIL(err, WK_ERR_FORMAT, "lists storage %.64s twice", (*first)->key);
  if (t->size - *at < 8)
    return WK_FAIL(err, WK_ERR_FORMAT, "cut short: the file ends after %s bytes, before storage %.64s; fetch it again",
                   wk_commas(a, t->size), (*first)->key);
  uint64_t count = wk_le64(t->bytes + *at);
  *at += 8;
  if (count != (uint64_t)(*first)->count)
    return WK_FAIL(err, WK_ERR_FORMAT, "storage %.64s holds %s elements, but its tensors were saved from %s",
                   (*first)->key, wk_commas(a, count), wk_commas(b, (uint64_t)(*first)->count));
  bytes = (size_t)count * wk_torch_element(*first); /* checked when they were indexed */
  if (bytes > t->size - *at)
    return WK_FAIL(err, WK_ERR_FORMAT,
                   "cut short: storage %.64s alone needs the file to have %s bytes or more, it has %s; fetch it again",
                   (*first)->key, wk_commas(a, (uint64_t)*at + bytes), wk_commas(b, t->size));
  WK_RETURN_IF_ERROR(wk_torch_place_storage(first, n, t->bytes + *at, bytes, err));
  *at += bytes;
  return WK_OK;
}

wk_status wk_torch_read_legacy(wk_torch *t, wk_error *err) {
  wk_py_storage *storages = NULL;
  wk_py *value = NULL, *protocol = NULL, *machine = NULL, *keys = NULL;
  size_t at = 0;
  WK_RETURN_IF_ERROR(next_pickle(&value, &at, t, &storages, err)); /* the magic number */
  WK_RETURN_IF_ERROR(next_pickle(&protocol, &at, t, &storages, err));
  WK_RETURN_IF_ERROR(next_pickle(&machine, &at, t, &storages, err));
  WK_RETURN_IF_ERROR(check_preamble(protocol, machine, err));
  storages = NULL;
  WK_RETURN_IF_ERROR(next_pickle(&t->root, &at, t, &storages, err));
  WK_RETURN_IF_ERROR(wk_torch_index_storages(t, storages, err));
  WK_RETURN_IF_ERROR(next_pickle(&keys, &at, t, &storages, err));
  if (keys->kind != WK_PY_LIST)
    return WK_FAIL(err, WK_ERR_FORMAT, "the list of storages is missing");
  for (size_t i = 0; i < keys->as.list.size; i++)
    WK_RETURN_IF_ERROR(next_storage(&at, t, keys->as.list.item[i], err));
  for (size_t i = 0; i < t->storages; i++)
    if (!t->storage[i]->data)
      return WK_FAIL(err, WK_ERR_FORMAT, "storage %.64s is not in the file", t->storage[i]->key);
  return WK_OK;
}

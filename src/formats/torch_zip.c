/* torch_zip.c - the layout of torch.save since version 1.6: a zip archive of NAME/data.pkl, the pickle, and
 * NAME/data/KEY, one entry a storage, stored without compression. A file that was compressed afterwards is read too. */
#include <string.h>

#include "formats/torch.h"
#include "formats/zip.h"

enum { PATH_LIMIT = 512 };

/* The bytes of an entry: in place, or unpacked into memory that lives as long as the tensors. */
static wk_status read_entry(const uint8_t **data, wk_torch *t, const wk_zip *z, const wk_zip_entry *e, wk_error *err) {
  uint8_t *copy = NULL;
  if (wk_zip_is_stored(e))
    return wk_zip_view(data, z, e, err);
  if (e->size > t->budget)
    return WK_FAIL(err, WK_ERR_FORMAT, "the zip archive unpacks to far more than its own size");
  WK_RETURN_IF_ERROR(wk_torch_copy_alloc(&copy, t, (size_t)e->size, err));
  WK_RETURN_IF_ERROR(wk_zip_unpack(copy, z, e, err));
  *data = copy;
  return WK_OK;
}

/* The one entry DIRECTORY/data.pkl. */
static const wk_zip_entry *find_pickle(const wk_zip *z) {
  static const char tail[] = "/data.pkl";
  const size_t n = sizeof tail - 1;
  const wk_zip_entry *found = NULL;
  for (size_t i = 0; i < z->entries; i++) {
    const wk_zip_entry *e = &z->entry[i];
    if (e->name_size <= n || e->name_size > PATH_LIMIT / 2 || memcmp(e->name + e->name_size - n, tail, n) != 0 ||
        memchr(e->name, '/', e->name_size - n))
      continue;
    if (found)
      return NULL;
    found = e;
  }
  return found;
}

/* Entry PREFIX/NAME. */
static const wk_zip_entry *find_entry(const wk_zip *z, const char *prefix, int prefix_size, const char *folder,
                                      const char *name) {
  char path[PATH_LIMIT];
  int n = snprintf(path, sizeof path, "%.*s/%s%s", prefix_size, prefix, folder, name);
  return n > 0 && n < PATH_LIMIT ? wk_zip_find(z, path, (size_t)n) : NULL;
}

static wk_status check_byte_order(wk_torch *t, const wk_zip *z, const wk_zip_entry *e, wk_error *err) {
  const uint8_t *order = NULL;
  if (!e) /* older files do not say; they are little-endian */
    return WK_OK;
  WK_RETURN_IF_ERROR(read_entry(&order, t, z, e, err));
  if (e->size < 6 || memcmp(order, "little", 6) != 0)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "was saved on a big-endian machine; load it in PyTorch and save it again");
  return WK_OK;
}

wk_status wk_torch_read_zip(wk_torch *t, wk_error *err) {
  wk_status st;
  wk_zip z = {0};
  wk_py_storage *storages = NULL;
  const uint8_t *data = NULL;
  size_t used = 0;

  WK_TRY(wk_zip_open(&z, t->bytes, t->size, err));
  const wk_zip_entry *pickle = find_pickle(&z);
  WK_FAIL_IF(!pickle, err, WK_ERR_FORMAT,
             "a zip archive, but not one that torch.save wrote: there is no data.pkl in it");
  int prefix = (int)(pickle->name_size - strlen("/data.pkl"));
  WK_TRY(check_byte_order(t, &z, find_entry(&z, pickle->name, prefix, "", "byteorder"), err));
  WK_TRY(read_entry(&data, t, &z, pickle, err));
  WK_TRY(wk_unpickle(&t->root, &used, &storages, &t->foreign, &t->arena, data, (size_t)pickle->size, err));
  WK_TRY(wk_torch_index_storages(t, storages, err));
  for (size_t i = 0, n; i < t->storages; i += n) {
    const char *key = t->storage[i]->key;
    const wk_zip_entry *e = find_entry(&z, pickle->name, prefix, "data/", key);
    WK_FAIL_IF(!e, err, WK_ERR_FORMAT, "storage %.64s is not in the archive", key);
    WK_TRY(read_entry(&data, t, &z, e, err));
    n = wk_torch_same_key(t, i);
    WK_TRY(wk_torch_place_storage(t->storage + i, n, data, (size_t)e->size, err));
  }
done:
  wk_zip_close(&z);
  return st;
}

/* zip.h - the directory of a zip archive in memory. Entries that are stored without compression, as PyTorch stores
 * all, are seen in place; others go through libzip. */
#ifndef WK_FORMATS_ZIP_H
#define WK_FORMATS_ZIP_H

#include "base/base.h"

typedef struct wk_zip_entry {
  const char *name; /* not NUL-terminated */
  size_t name_size;
  uint64_t size, packed_size;
  uint64_t header_at; /* of the local header, from the beginning of the file */
  uint16_t method, flags;
} wk_zip_entry;

typedef struct wk_zip {
  const uint8_t *bytes;
  size_t size;
  wk_zip_entry *entry; /* sorted by name; no two are equal */
  size_t entries;
} wk_zip;

wk_status wk_zip_open(wk_zip *out, const uint8_t *bytes, size_t size, wk_error *err);
void wk_zip_close(wk_zip *z); /* fine on a zeroed struct */
const wk_zip_entry *wk_zip_find(const wk_zip *z, const char *name, size_t name_size);
bool wk_zip_is_stored(const wk_zip_entry *e);
/* The bytes of a stored entry, entry->size of them. */
wk_status wk_zip_view(const uint8_t **data, const wk_zip *z, const wk_zip_entry *e, wk_error *err);
/* Unpacks any entry into `out`, which holds entry->size bytes. */
wk_status wk_zip_unpack(uint8_t *out, const wk_zip *z, const wk_zip_entry *e, wk_error *err);

#endif

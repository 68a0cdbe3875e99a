/* zip_write.c - see zip_write.h. An entry is a header, its name, padding as an extra field, and the bytes as they are;
 * the directory at the end repeats the headers. */
#include "formats/zip_write.h"

#include <string.h>
#include <zlib.h>

enum { LOCAL = 30, CENTRAL = 46, END = 22, MOST_ENTRIES = 65535, DATE = 0x21, UTF8 = 0x800, VERSION = 20 };

static void put(uint8_t *to, uint64_t value, size_t bytes) { memcpy(to, &value, bytes); /* little-endian */ }

void wk_zip_out_begin(wk_zip_out *z, wk_writer *w, uint64_t at) { *z = (wk_zip_out){.w = w, .at = at}; }

/* What both headers have: from the version to the length of the name. */
static void common(uint8_t *to, uint32_t crc, size_t bytes, size_t name) {
  put(to, VERSION, 2);
  put(to + 2, UTF8, 2);
  put(to + 8, DATE, 2);
  put(to + 10, crc, 4);
  put(to + 14, bytes, 4);
  put(to + 18, bytes, 4);
  put(to + 22, name, 2);
}

static uint32_t crc_of(const uint8_t *data, size_t bytes) {
  uLong crc = crc32(0, NULL, 0);
  for (size_t at = 0; at < bytes;) {
    const uInt n = (uInt)(bytes - at < 1u << 30 ? bytes - at : 1u << 30);
    crc = crc32(crc, data + at, n);
    at += n;
  }
  return (uint32_t)crc;
}

wk_status wk_zip_out_add(wk_zip_out *z, const char *name, const void *data, size_t bytes, size_t align, wk_error *err) {
  static const uint8_t nothing[256];
  uint8_t local[LOCAL] = {'P', 'K', 3, 4}, central[CENTRAL] = {'P', 'K', 1, 2, VERSION};
  const size_t n = strlen(name);
  const uint32_t crc = crc_of(data, bytes);
  size_t pad = (size_t)(-(z->at + LOCAL + n) & (align - 1));
  if (pad && pad < 4) /* an extra field has a head of its own */
    pad += align;
  if (z->at + LOCAL + n + pad + bytes > UINT32_MAX || z->entries == MOST_ENTRIES || n > 200 || pad > sizeof nothing)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "an archive of this kind holds 4 GB and %d entries at most", MOST_ENTRIES);
  common(local + 4, crc, bytes, n);
  put(local + 28, pad, 2);
  common(central + 6, crc, bytes, n);
  put(central + 42, z->at, 4);
  wk_text_append(&z->directory, central, sizeof central);
  wk_text_append(&z->directory, name, n);
  z->entries++;
  if (z->directory.failed)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for an archive");
  WK_RETURN_IF_ERROR(wk_writer_write(z->w, local, sizeof local, err));
  WK_RETURN_IF_ERROR(wk_writer_write(z->w, name, n, err));
  if (pad) {
    uint8_t head[4] = {'W', 'K'};
    put(head + 2, pad - 4, 2);
    WK_RETURN_IF_ERROR(wk_writer_write(z->w, head, sizeof head, err));
    WK_RETURN_IF_ERROR(wk_writer_write(z->w, nothing, pad - 4, err));
  }
  z->at += LOCAL + n + pad + bytes;
  return wk_writer_write(z->w, data, bytes, err);
}

wk_status wk_zip_out_end(wk_zip_out *z, wk_error *err) {
  uint8_t end[END] = {'P', 'K', 5, 6};
  if (z->at > UINT32_MAX - z->directory.len)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "an archive of this kind holds 4 GB at most");
  put(end + 8, z->entries, 2);
  put(end + 10, z->entries, 2);
  put(end + 12, z->directory.len, 4);
  put(end + 16, z->at, 4);
  WK_RETURN_IF_ERROR(wk_writer_write(z->w, z->directory.data, z->directory.len, err));
  z->at += z->directory.len + END;
  return wk_writer_write(z->w, end, sizeof end, err);
}

void wk_zip_out_free(wk_zip_out *z) {
  wk_text_free(&z->directory);
  *z = (wk_zip_out){0};
}

/* zip.c - see zip.h. The directory is read here because libzip does not tell where an entry's bytes lie, and weights
 * are not to be copied. Offsets are checked when they are used, against the file that is there. */
#include <stdlib.h>
#include <string.h>
#include <zip.h>

#include "formats/formats.h"
#include "formats/zip.h"

enum {
  END_BYTES = 22,
  LOCATOR_BYTES = 20,
  END64_BYTES = 56,
  ENTRY_BYTES = 46,
  LOCAL_BYTES = 30,
  COMMENT_LIMIT = 65535,
  ENCRYPTED = 1
};

static wk_status broken(const char *what, wk_error *err) {
  return WK_FAIL(err, WK_ERR_FORMAT, "the zip archive is broken: %s; fetch it again", what);
}

static bool is_signature(const uint8_t *p, char a, char b) {
  return p[0] == 'P' && p[1] == 'K' && p[2] == a && p[3] == b;
}

typedef struct directory {
  uint64_t at, size, entries;
} directory;

/* The 64-bit form of the end record, which a locator before the 32-bit form points at. */
static wk_status find_directory64(directory *out, const uint8_t *bytes, size_t end, wk_error *err) {
  const uint8_t *locator = end >= LOCATOR_BYTES ? bytes + end - LOCATOR_BYTES : NULL;
  if (!locator || !is_signature(locator, 6, 7))
    return broken("its 64-bit directory is missing", err);
  uint64_t at = wk_le64(locator + 8);
  if (at > end - LOCATOR_BYTES || end - LOCATOR_BYTES - at < END64_BYTES || !is_signature(bytes + at, 6, 6))
    return broken("its 64-bit directory is not where it should be", err);
  *out = (directory){
      .entries = wk_le64(bytes + at + 32), .size = wk_le64(bytes + at + 40), .at = wk_le64(bytes + at + 48)};
  return WK_OK;
}

static wk_status find_directory(directory *out, const uint8_t *bytes, size_t size, wk_error *err) {
  char a[32];
  for (size_t comment = 0; comment <= COMMENT_LIMIT && comment + END_BYTES <= size; comment++) {
    size_t end = size - END_BYTES - comment;
    const uint8_t *p = bytes + end;
    if (!is_signature(p, 5, 6) || wk_le16(p + 20) != comment)
      continue;
    *out = (directory){.entries = wk_le16(p + 10), .size = wk_le32(p + 12), .at = wk_le32(p + 16)};
    if (out->entries == UINT16_MAX || out->size == UINT32_MAX || out->at == UINT32_MAX)
      WK_RETURN_IF_ERROR(find_directory64(out, bytes, end, err));
    if (out->at > end || out->size > end - out->at)
      return broken("its directory lies outside the file", err);
    return WK_OK;
  }
  return WK_FAIL(
      err, WK_ERR_FORMAT,
      "cut short: a zip archive of which only the first %s bytes are here, without the directory at its end; "
      "fetch it again",
      wk_commas(a, size));
}

/* The 64-bit values of those 32-bit fields that are full, in the order the format gives. */
static wk_status read_extra(wk_zip_entry *e, const uint8_t *extra, size_t size, wk_error *err) {
  uint64_t *const field[] = {&e->size, &e->packed_size, &e->header_at};
  if (e->size != UINT32_MAX && e->packed_size != UINT32_MAX && e->header_at != UINT32_MAX)
    return WK_OK;
  while (size >= 4) {
    uint16_t id = wk_le16(extra), n = wk_le16(extra + 2);
    extra += 4, size -= 4;
    if (n > size)
      break;
    if (id != 1) {
      extra += n, size -= n;
      continue;
    }
    for (int i = 0; i < 3; i++)
      if (*field[i] == UINT32_MAX) {
        if (n < 8)
          return broken("an entry's 64-bit size is missing", err);
        *field[i] = wk_le64(extra);
        extra += 8, n -= 8;
      }
    return WK_OK;
  }
  return WK_OK; /* exactly 4 GB - 1: unlikely, but no error */
}

/* Reads one entry at *at and steps over it. */
static wk_status read_entry(wk_zip_entry *e, const uint8_t **at, const uint8_t *end, wk_error *err) {
  const uint8_t *p = *at;
  if (end - p < ENTRY_BYTES || !is_signature(p, 1, 2))
    return broken("its directory breaks off", err);
  size_t name = wk_le16(p + 28), extra = wk_le16(p + 30), comment = wk_le16(p + 32);
  if ((size_t)(end - p) - ENTRY_BYTES < name + extra + comment)
    return broken("its directory breaks off", err);
  *e = (wk_zip_entry){.name = (const char *)p + ENTRY_BYTES,
                      .name_size = name,
                      .size = wk_le32(p + 24),
                      .packed_size = wk_le32(p + 20),
                      .header_at = wk_le32(p + 42),
                      .method = wk_le16(p + 10),
                      .flags = wk_le16(p + 8)};
  WK_RETURN_IF_ERROR(read_extra(e, p + ENTRY_BYTES + name, extra, err));
  *at = p + ENTRY_BYTES + name + extra + comment;
  return WK_OK;
}

static int compare_names(const char *a, size_t a_size, const char *b, size_t b_size) {
  int c = memcmp(a, b, a_size < b_size ? a_size : b_size);
  return c ? c : (a_size > b_size) - (a_size < b_size);
}

static int by_name(const void *a, const void *b) {
  const wk_zip_entry *x = a, *y = b;
  return compare_names(x->name, x->name_size, y->name, y->name_size);
}

wk_status wk_zip_open(wk_zip *out, const uint8_t *bytes, size_t size, wk_error *err) {
  wk_zip z = {.bytes = bytes, .size = size};
  directory d = {0};
  wk_status st;
  WK_TRY(find_directory(&d, bytes, size, err));
  if (d.entries > d.size / ENTRY_BYTES) {
    st = broken("its directory lists more entries than it has room for", err);
    goto done;
  }
  z.entry = wk_alloc_array((size_t)d.entries, sizeof *z.entry);
  WK_FAIL_IF(!z.entry, err, WK_ERR_MEMORY, "not enough memory for a zip directory");
  const uint8_t *at = bytes + d.at, *end = at + d.size;
  for (; z.entries < d.entries; z.entries++)
    WK_TRY(read_entry(&z.entry[z.entries], &at, end, err));
  if (z.entries)
    qsort(z.entry, z.entries, sizeof *z.entry, by_name);
  for (size_t i = 1; i < z.entries; i++)
    WK_FAIL_IF(by_name(&z.entry[i - 1], &z.entry[i]) == 0, err, WK_ERR_FORMAT,
               "the zip archive has two entries named %.*s",
               (int)(z.entry[i].name_size < 200 ? z.entry[i].name_size : 200), z.entry[i].name);
  *out = z;
  z.entry = NULL;
done:
  wk_free(z.entry);
  return st;
}

void wk_zip_close(wk_zip *z) {
  wk_free(z->entry);
  *z = (wk_zip){0};
}

const wk_zip_entry *wk_zip_find(const wk_zip *z, const char *name, size_t name_size) {
  size_t low = 0, high = z->entries;
  while (low < high) {
    size_t mid = low + (high - low) / 2;
    int c = compare_names(z->entry[mid].name, z->entry[mid].name_size, name, name_size);
    if (c == 0)
      return &z->entry[mid];
    if (c < 0)
      low = mid + 1;
    else
      high = mid;
  }
  return NULL;
}

bool wk_zip_is_stored(const wk_zip_entry *e) { return e->method == 0 && !(e->flags & ENCRYPTED); }

wk_status wk_zip_view(const uint8_t **data, const wk_zip *z, const wk_zip_entry *e, wk_error *err) {
  const uint8_t *p = z->bytes + e->header_at;
  if (e->header_at > z->size || z->size - e->header_at < LOCAL_BYTES || !is_signature(p, 3, 4))
    return broken("an entry is not where the directory says", err);
  uint64_t head = (uint64_t)LOCAL_BYTES + wk_le16(p + 26) + wk_le16(p + 28), room = z->size - e->header_at;
  if (e->size != e->packed_size || head > room || e->size > room - head)
    return broken("an entry reaches beyond the end of the file", err);
  *data = p + head;
  return WK_OK;
}

wk_status wk_zip_unpack(uint8_t *out, const wk_zip *z, const wk_zip_entry *e, wk_error *err) {
  wk_status st = WK_OK;
  zip_error_t why;
  zip_t *archive = NULL;
  zip_file_t *file = NULL;
  zip_source_t *source = NULL;
  zip_stat_t stat;
  char *name = NULL;
  zip_error_init(&why);

  WK_FAIL_IF(e->flags & ENCRYPTED, err, WK_ERR_UNSUPPORTED, "the zip archive is encrypted");
  name = wk_strndup(e->name, e->name_size);
  source = zip_source_buffer_create(z->bytes, z->size, 0, &why);
  WK_FAIL_IF(!name || !source, err, WK_ERR_MEMORY, "not enough memory to unpack a zip archive");
  archive = zip_open_from_source(source, ZIP_RDONLY, &why);
  WK_FAIL_IF(!archive, err, WK_ERR_FORMAT, "the zip archive is broken: %s", zip_error_strerror(&why));
  source = NULL; /* the archive's from here on */
  file = zip_stat(archive, name, 0, &stat) == 0 && stat.size == e->size ? zip_fopen(archive, name, 0) : NULL;
  WK_FAIL_IF(!file, err, WK_ERR_FORMAT, "%.200s in the zip archive cannot be unpacked: %s", name,
             zip_strerror(archive));
  for (uint64_t done_bytes = 0; done_bytes < e->size;) {
    zip_int64_t n = zip_fread(file, out + done_bytes, e->size - done_bytes);
    WK_FAIL_IF(n <= 0, err, WK_ERR_FORMAT, "%.200s in the zip archive is broken", name);
    done_bytes += (uint64_t)n;
  }
done:
  if (file)
    zip_fclose(file);
  if (archive)
    zip_discard(archive);
  zip_source_free(source);
  zip_error_fini(&why);
  wk_free(name);
  return st;
}

/* zip_write.h - a zip archive of stored entries, written in one go: alone, or behind other bytes of the same file. The same
 * entries give the same bytes: all are of 1 January 1980. */
#ifndef WK_FORMATS_ZIP_WRITE_H
#define WK_FORMATS_ZIP_WRITE_H

#include "base/base.h"

typedef struct wk_zip_out {
  wk_writer *w;      /* the caller's */
  uint64_t at;       /* bytes of the file so far */
  wk_text directory; /* entries of the central directory */
  uint32_t entries;
} wk_zip_out;

/* `at`: how many bytes the file has already. */
void wk_zip_out_begin(wk_zip_out *z, wk_writer *w, uint64_t at);
/* One entry, whose data begin at a multiple of `align` (1: anywhere) in the file. Archives are of at most 4 GB. */
wk_status wk_zip_out_add(wk_zip_out *z, const char *name, const void *data, size_t bytes, size_t align, wk_error *err);
/* The directory; the caller commits the file. */
wk_status wk_zip_out_end(wk_zip_out *z, wk_error *err);
void wk_zip_out_free(wk_zip_out *z); /* fine on a zeroed struct, and after _end */

#endif

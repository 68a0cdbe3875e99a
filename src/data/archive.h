/* archive.h (internal) - what the two files that unpack archives share: archive.c gets the files out, archive_names.c
 * puts names and links right once all of them are there. */
#ifndef WK_DATA_ARCHIVE_H
#define WK_DATA_ARCHIVE_H

#include "data/data.h"

typedef struct wk_archive_link {
  char *name; /* path below the folder */
  char *to;   /* as the archive has it */
  bool hard;  /* `to` counts from the archive's root, not from the link */
} wk_archive_link;

typedef struct wk_unpacking {
  const char *path; /* of the archive */
  const char *show; /* what people know it by */
  const char *to;   /* the folder being filled */
  struct archive *a;
  const wk_context *ctx;
  uint64_t size, limit, written, told, entries;
  wk_progress progress;
  bool both_slashes;
  char *raw_name; /* of the one file in it, where it is no archive but a compressed file; else NULL */
  char *parent;   /* the folder that was made last */
  wk_archive_link *link;
  size_t links, link_cap;
  wk_encoding_votes votes; /* of names that are not UTF-8 */
  wk_text notes;           /* lines to be told whenever this archive is opened; "%" stands for what people know it by */
} wk_unpacking;

/* Called with every path below the folder. */
wk_status wk_archive_see_name(wk_unpacking *u, const char *below, wk_error *err);
/* Names become UTF-8, links are made, and what there is to tell is written into the folder. */
wk_status wk_archive_finish(wk_unpacking *u, wk_error *err);
/* Tells what was written there. */
wk_status wk_archive_tell(const char *folder, const wk_unpack *how, wk_error *err);

#endif

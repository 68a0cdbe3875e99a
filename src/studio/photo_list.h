/* photo_list.h (internal) - which photos the page asks for, and what it is told of each, in columns. */
#ifndef WK_STUDIO_PHOTO_LIST_H
#define WK_STUDIO_PHOTO_LIST_H

#include "project.h"

/* Bits of the column "flags". */
enum {
  WK_FLAG_REMOVED = 1,
  WK_FLAG_MISSING = 2,
  WK_FLAG_BROKEN = 4,
  WK_FLAG_COPY = 8,
  WK_FLAG_WRONG = 16,
  WK_FLAG_OTHER = 32
};

typedef struct wk_photo_filter {
  unsigned all_of, none_of; /* flags */
  bool unlabelled;
  int label; /* -1: any */
} wk_photo_filter;

/* `name`: all, unlabelled, wrong, copies, broken, missing, removed; NULL: all. `label`: a class's number; NULL: any. */
wk_status wk_photo_filter_read(wk_photo_filter *out, const wk_project *p, const char *name, const char *label,
                               wk_fault *f);
unsigned wk_photo_flags(const wk_project_photo *photo);
/* {"rev","total","id":[],"class":[],"part":[],"flags":[],"p":[]} of the photos from..from+count of those that pass;
 * free it. */
wk_status wk_photo_columns(char **out, size_t *size, const wk_project *p, const wk_photo_filter *filter, uint64_t from,
                           uint64_t count, wk_fault *f);

#endif

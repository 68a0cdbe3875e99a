/* photo_list.c - see photo_list.h. */
#include "photo_list.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server.h"

wk_status wk_photo_filter_read(wk_photo_filter *out, const wk_project *p, const char *name, const char *label,
                               wk_fault *f) {
  static const struct {
    const char *name;
    wk_photo_filter filter;
  } known[] = {{"all", {.none_of = WK_FLAG_REMOVED, .label = -1}},
               {"unlabelled", {.none_of = WK_FLAG_REMOVED, .unlabelled = true, .label = -1}},
               {"wrong", {.all_of = WK_FLAG_WRONG, .none_of = WK_FLAG_REMOVED, .label = -1}},
               {"copies", {.all_of = WK_FLAG_COPY, .none_of = WK_FLAG_REMOVED, .label = -1}},
               {"broken", {.all_of = WK_FLAG_BROKEN, .none_of = WK_FLAG_REMOVED, .label = -1}},
               {"missing", {.all_of = WK_FLAG_MISSING, .none_of = WK_FLAG_REMOVED, .label = -1}},
               {"removed", {.all_of = WK_FLAG_REMOVED, .label = -1}}};
  uint64_t at = 0;
  *out = known[0].filter;
  size_t i = 0;
  while (name && i < sizeof known / sizeof *known && strcmp(name, known[i].name))
    i++;
  if (i == sizeof known / sizeof *known)
    return wk_fault_set(f, 400, "argument", WK_ERR_ARGUMENT,
                        "filter is one of all, unlabelled, wrong, copies, broken, missing, removed");
  *out = known[i].filter;
  if (label && (!wk_number_of(&at, label, INT32_MAX) || (int)at >= p->class_count))
    return wk_fault_set(f, 400, "argument", WK_ERR_ARGUMENT, "class is the number of a class");
  if (label)
    out->label = (int)at;
  return WK_OK;
}

unsigned wk_photo_flags(const wk_project_photo *photo) {
  return (photo->removed ? WK_FLAG_REMOVED : 0u) | (photo->missing ? WK_FLAG_MISSING : 0u) | photo->found;
}

static bool passes(const wk_project_photo *photo, const wk_photo_filter *filter) {
  const unsigned flags = wk_photo_flags(photo);
  return (flags & filter->all_of) == filter->all_of && !(flags & filter->none_of) &&
         (!filter->unlabelled || photo->label < 0) && (filter->label < 0 || photo->label == filter->label);
}

typedef enum column { COLUMN_ID, COLUMN_CLASS, COLUMN_PART, COLUMN_FLAGS, COLUMN_P } column;

static void write_column(FILE *out, const wk_project *p, const uint32_t *at, size_t count, const char *name,
                         column what) {
  fprintf(out, ",\"%s\":[", name);
  for (size_t i = 0; i < count; i++) {
    const wk_project_photo *photo = &p->photos[at[i]];
    if (i)
      fputc(',', out);
    if (what == COLUMN_P && isfinite(photo->p))
      fprintf(out, "%.4f", (double)photo->p);
    else if (what == COLUMN_P || (what == COLUMN_CLASS && photo->label < 0))
      fputs("null", out);
    else
      fprintf(out, "%u",
              what == COLUMN_ID      ? at[i] + 1
              : what == COLUMN_CLASS ? (unsigned)photo->label
              : what == COLUMN_PART  ? photo->part
                                     : wk_photo_flags(photo));
  }
  fputc(']', out);
}

wk_status wk_photo_columns(char **out, size_t *size, const wk_project *p, const wk_photo_filter *filter, uint64_t from,
                           uint64_t count, wk_fault *f) {
  uint32_t *at = malloc((p->photo_count + 1) * sizeof *at);
  FILE *text = at ? open_memstream(out, size) : NULL;
  if (!text) {
    free(at);
    return wk_fault_memory(f);
  }
  size_t total = 0, kept = 0;
  for (size_t i = 0; i < p->photo_count; i++)
    if (passes(&p->photos[i], filter)) {
      if (total >= from && kept < count)
        at[kept++] = (uint32_t)i;
      total++;
    }
  fprintf(text, "{\"rev\":%llu,\"total\":%zu", (unsigned long long)p->rev, total);
  write_column(text, p, at, kept, "id", COLUMN_ID);
  write_column(text, p, at, kept, "class", COLUMN_CLASS);
  write_column(text, p, at, kept, "part", COLUMN_PART);
  write_column(text, p, at, kept, "flags", COLUMN_FLAGS);
  write_column(text, p, at, kept, "p", COLUMN_P);
  fputc('}', text);
  free(at);
  const bool failed = ferror(text);
  if (!fclose(text) && !failed)
    return WK_OK;
  free(*out);
  return wk_fault_memory(f);
}

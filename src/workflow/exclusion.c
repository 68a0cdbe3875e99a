/* exclusion.c - see exclusion.h. */
#include "workflow/exclusion.h"

#include <string.h>
#include <strings.h>

#include "data/list.h"
#include "workflow/byte_names.h"
#include "workflow/doctor.h"

enum { NOT_THERE = -1 };

/* A list that is being read, and the photos it may name. */
typedef struct reader {
  wk_dataset *d;
  wk_rows *rows;
  wk_names below, whole; /* two ways to name a photo; each name's number leads to the photo */
  uint32_t *of_below, *of_whole;
  int file, exclude, label;    /* columns; NOT_THERE: none */
  bool first_is_row;           /* there is no line of names */
  size_t named, missing, line; /* photos of the list; those that are not there, and the first one's line */
  char first_missing[256];
} reader;

static wk_status add_name(wk_names *names, uint32_t *of, const char *name, uint32_t photo, wk_error *err) {
  uint32_t number;
  const size_t before = names->count;
  WK_RETURN_IF_ERROR(wk_names_add(&number, names, name, strlen(name), err));
  if (names->count > before)
    of[number] = photo;
  return WK_OK;
}

static int column(const wk_rows *r, const char *const *names) {
  for (int i = 0; i < r->fields; i++)
    for (const char *const *name = names; *name; name++)
      if (!strcasecmp(r->field[i], *name))
        return i;
  return NOT_THERE;
}

static wk_status open_list(reader *k, wk_dataset *d, const char *path, wk_error *err) {
  static const char *const files[] = {"file", "filename", "image", "path", "photo", NULL};
  static const char *const excludes[] = {"exclude", NULL};
  static const char *const labels[] = {"label", "class", NULL};
  k->d = d;
  k->of_below = wk_alloc_array(d->photo_count + 1, sizeof *k->of_below);
  k->of_whole = wk_alloc_array(d->photo_count + 1, sizeof *k->of_whole);
  if (!k->of_below || !k->of_whole)
    return wk_no_memory(err);
  for (size_t i = 0; i < d->photo_count; i++) {
    WK_RETURN_IF_ERROR(add_name(&k->below, k->of_below, wk_photo_below(d, i), (uint32_t)i, err));
    WK_RETURN_IF_ERROR(add_name(&k->whole, k->of_whole, d->photos[i].name, (uint32_t)i, err));
  }
  WK_RETURN_IF_ERROR(wk_rows_open(&k->rows, path, path, false, err));
  WK_RETURN_IF_ERROR(wk_rows_next(k->rows, err));
  k->file = column(k->rows, files);
  k->exclude = column(k->rows, excludes);
  k->label = column(k->rows, labels);
  k->first_is_row = k->file == NOT_THERE && k->rows->fields > 0;
  if (k->file == NOT_THERE) {
    k->file = 0;
    k->exclude = NOT_THERE;
    k->label = k->rows->fields > 1 ? 1 : NOT_THERE;
  }
  return WK_OK;
}

static void close_list(reader *k) {
  wk_rows_free(k->rows);
  wk_names_free(&k->below);
  wk_names_free(&k->whole);
  wk_free(k->of_below);
  wk_free(k->of_whole);
}

/* The next row that names a file. *photo: NOT_THERE where the collection has none of that name; *more: there was a row.
 */
static wk_status next_photo(int64_t *photo, bool *more, reader *k, wk_error *err) {
  for (;;) {
    if (!k->first_is_row)
      WK_RETURN_IF_ERROR(wk_rows_next(k->rows, err));
    k->first_is_row = false;
    *more = k->rows->fields > 0;
    if (!*more || (k->file < k->rows->fields && *k->rows->field[k->file]))
      break;
  }
  if (!*more)
    return WK_OK;
  const char *name = k->rows->field[k->file];
  while (name[0] == '.' && name[1] == '/')
    name += 2;
  int64_t found = wk_names_find(&k->below, name, strlen(name));
  if (found >= 0) {
    *photo = k->of_below[found];
    return WK_OK;
  }
  char *bytes = wk_byte_name_read(name); /* a name that is not UTF-8 is written so */
  found = bytes ? wk_names_find(&k->below, bytes, strlen(bytes)) : -1;
  wk_free(bytes);
  if (found >= 0) {
    *photo = k->of_below[found];
    return WK_OK;
  }
  found = wk_names_find(&k->whole, k->rows->field[k->file], strlen(k->rows->field[k->file]));
  *photo = found >= 0 ? (int64_t)k->of_whole[found] : NOT_THERE;
  return WK_OK;
}

static void count_row(reader *k, int64_t photo) {
  k->named++;
  if (photo != NOT_THERE)
    return;
  if (!k->missing++) {
    k->line = k->rows->line;
    snprintf(k->first_missing, sizeof k->first_missing, "%s", k->rows->field[k->file]);
  }
}

/* What the list names and the collection has not. */
static wk_status tell_missing(const reader *k, const char *path, const wk_context *ctx, wk_error *err) {
  if (!k->missing)
    return WK_OK;
  if (k->missing == k->named)
    return WK_FAIL(err, WK_ERR_NOT_FOUND,
                   "%s: none of the photos that it names is in %s (the first, on line %zu: %s); names count from the "
                   "collection's folder on, such as class/photo.jpg",
                   path, k->d->root, k->line, k->first_missing);
  wk_warn(ctx, "%s: %zu of the %zu photos that it names %s not in %s (the first, on line %zu: %s): passed over", path,
          k->missing, k->named, k->missing == 1 ? "is" : "are", k->d->root, k->line, k->first_missing);
  return WK_OK;
}

static bool says_yes(const char *text) {
  static const char *const yes[] = {"yes", "y", "true", "1", "x", NULL};
  for (const char *const *word = yes; *word; word++)
    if (!strcasecmp(text, *word))
      return true;
  return false;
}

wk_status wk_exclude_photos(wk_dataset *d, uint8_t (*beside)[WK_SHA256_BYTES], const char *path, const wk_context *ctx,
                            wk_error *err) {
  wk_status st = WK_OK;
  reader k = {0};
  int64_t photo = NOT_THERE;
  bool more = true;
  bool *out = wk_calloc(d->photo_count + 1, sizeof *out);
  WK_FAIL_IF(!out, err, WK_ERR_MEMORY, "out of memory for %zu photos", d->photo_count);
  WK_TRY(open_list(&k, d, path, err));
  for (;;) {
    WK_TRY(next_photo(&photo, &more, &k, err));
    if (!more)
      break;
    if (k.exclude != NOT_THERE && (k.exclude >= k.rows->fields || !says_yes(k.rows->field[k.exclude])))
      continue;
    count_row(&k, photo);
    if (photo != NOT_THERE)
      out[photo] = true;
  }
  WK_TRY(tell_missing(&k, path, ctx, err));
  size_t kept = 0;
  for (size_t i = 0; i < d->photo_count; i++) {
    if (!out[i]) {
      if (beside)
        memmove(beside[kept], beside[i], sizeof *beside);
      d->photos[kept++] = d->photos[i];
      continue;
    }
    if (d->photos[i].name != d->photos[i].path)
      wk_free(d->photos[i].name);
    wk_free(d->photos[i].path);
  }
  d->photo_count = kept;
done:
  close_list(&k);
  wk_free(out);
  return st;
}

wk_status wk_correct_labels(wk_dataset *d, const char *path, const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  reader k = {0};
  int64_t photo = NOT_THERE;
  bool more = true;
  int *label = wk_alloc_array(d->photo_count + 1, sizeof *label);
  WK_FAIL_IF(!label, err, WK_ERR_MEMORY, "out of memory for %zu photos", d->photo_count);
  for (size_t i = 0; i < d->photo_count; i++)
    label[i] = d->photos[i].label;
  WK_TRY(open_list(&k, d, path, err));
  WK_FAIL_IF(k.label == NOT_THERE, err, WK_ERR_FORMAT,
             "%s: there is no column for the label; its first line should be file,label", path);
  for (;;) {
    WK_TRY(next_photo(&photo, &more, &k, err));
    if (!more)
      break;
    const char *name = k.label < k.rows->fields ? k.rows->field[k.label] : "";
    int class = 0;
    while (class < d->class_count && strcmp(d->classes[class], name) != 0)
      class ++;
    WK_FAIL_IF(class == d->class_count, err, WK_ERR_NOT_FOUND, "%s: line %zu: '%s' is no class of %s", path,
               k.rows->line, name, d->root);
    count_row(&k, photo);
    if (photo != NOT_THERE)
      label[photo] = class;
  }
  WK_TRY(tell_missing(&k, path, ctx, err));
  for (size_t i = 0; i < d->photo_count; i++)
    d->photos[i].label = label[i];
done:
  close_list(&k);
  wk_free(label);
  return st;
}

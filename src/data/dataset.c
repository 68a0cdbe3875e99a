/* dataset.c - opens a collection of labelled photos of any layout. The readers (folders.c, list.c) say which photos
 * there are and what their classes are called; here names become labels. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "data/data.h"

void wk_dataset_options_init(wk_dataset_options *o) { *o = (wk_dataset_options){0}; }

void wk_dataset_free(wk_dataset *d) {
  if (!d)
    return;
  for (size_t i = 0; i < d->photo_count; i++)
    wk_free(d->photos[i].path);
  for (int i = 0; i < d->class_count; i++)
    wk_free(d->classes[i]);
  wk_free(d->photos);
  wk_free(d->classes);
  wk_free(d->root);
  wk_free(d);
}

static wk_status no_memory(const wk_builder *b, wk_error *err) {
  return WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory for a list of %zu photos", b->d->root, b->d->photo_count + 1);
}

wk_status wk_builder_add(wk_builder *b, char *path, const char *name, size_t name_len, wk_split split, wk_error *err) {
  wk_status st = WK_OK;
  wk_dataset *d = b->d;
  if (path && d->photo_count == b->cap) {
    size_t cap = b->cap ? b->cap * 2 : 256;
    wk_photo *photo = wk_grow(d->photos, d->photo_count * sizeof *photo, cap * sizeof *photo);
    if (photo)
      d->photos = photo;
    uint32_t *raw = photo ? wk_grow(b->raw, d->photo_count * sizeof *raw, cap * sizeof *raw) : NULL;
    if (raw) {
      b->raw = raw;
      b->cap = cap;
    }
  }
  if (!path || d->photo_count == b->cap)
    st = no_memory(b, err);
  uint32_t number = WK_NO_CLASS;
  if (st == WK_OK && name)
    st = wk_names_add(&number, &b->names, name, name_len, err);
  if (st != WK_OK) {
    wk_free(path);
    return st;
  }
  b->raw[d->photo_count] = number;
  d->photos[d->photo_count++] = (wk_photo){path, -1, split};
  return WK_OK;
}

wk_split wk_split_find(const char *name, size_t len) {
  static const struct {
    const char *name;
    wk_split split;
  } known[] = {{"train", WK_SPLIT_TRAIN}, {"training", WK_SPLIT_TRAIN}, {"val", WK_SPLIT_VAL},
               {"valid", WK_SPLIT_VAL},   {"validation", WK_SPLIT_VAL}, {"test", WK_SPLIT_TEST},
               {"testing", WK_SPLIT_TEST}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strlen(known[i].name) == len && strncasecmp(known[i].name, name, len) == 0)
      return known[i].split;
  return WK_SPLIT_ALL;
}

/* ---- classes in file names -------------------------------------------------------------------- */

static size_t digits_at_end(const char *s, size_t len) {
  size_t n = 0;
  while (n < len && s[len - 1 - n] >= '0' && s[len - 1 - n] <= '9')
    n++;
  return n;
}

static size_t last_of(const char *s, size_t len, char c) {
  while (len > 0 && s[len - 1] != c)
    len--;
  return len ? len - 1 : 0; /* a separator at 0 has no class before it */
}

size_t wk_class_in_name(const char *file, bool *numbered) {
  size_t len = strlen(file);
  if (wk_photo_ending(file))
    len = (size_t)(strrchr(file, '.') - file);
  size_t digits = digits_at_end(file, len), stem = len - digits;
  *numbered = digits && stem >= 2 && (file[stem - 1] == '_' || file[stem - 1] == '.');
  return *numbered ? stem - 1 : last_of(file, len, '_');
}

/* ---- names to labels -------------------------------------------------------------------------- */

static bool is_imagenet(const wk_dataset_options *o) {
  return o->class_count == WK_IMAGENET_CLASSES && strcmp(o->classes[0], wk_imagenet_label(0)) == 0 &&
         strcmp(o->classes[WK_IMAGENET_CLASSES - 1], wk_imagenet_label(WK_IMAGENET_CLASSES - 1)) == 0;
}

int wk_known_class(const wk_dataset_options *o, const char *name, size_t len, bool any_form) {
  for (int i = 0; i < o->class_count; i++)
    if (strlen(o->classes[i]) == len && memcmp(o->classes[i], name, len) == 0)
      return i;
  char text[256];
  if (len == 0 || len >= sizeof text)
    return -1;
  memcpy(text, name, len);
  text[len] = 0;
  if (digits_at_end(text, len) == len) {
    long index = any_form && len < 9 ? strtol(text, NULL, 10) : -1;
    return index < o->class_count ? (int)index : -1;
  }
  return is_imagenet(o) ? wk_imagenet_find(text) : -1;
}

static wk_status unknown_class(const wk_builder *b, const char *name, wk_error *err) {
  const wk_dataset_options *o = b->o;
  int best = -1, distance = 0;
  for (int i = 0; i < o->class_count; i++) {
    int d = wk_edit_distance(name, o->classes[i]);
    if (best < 0 || d < distance)
      best = i, distance = d;
  }
  wk_text known = {0};
  for (int i = 0; i < o->class_count && i < 8; i++)
    wk_text_add(&known, "%s%s", i ? ", " : "", o->classes[i]);
  if (o->class_count > 8)
    wk_text_add(&known, " ...");
  char hint[300] = "";
  if (best >= 0 && distance <= 1 + (int)strlen(name) / 3)
    snprintf(hint, sizeof hint, " Did you mean \"%.200s\"?", o->classes[best]);
  wk_status st = WK_FAIL(err, WK_ERR_NOT_FOUND, "%s: \"%.200s\" is not a class of this model.%s It knows %d: %s",
                         b->d->root, name, hint, o->class_count, known.data && !known.failed ? known.data : "");
  wk_text_free(&known);
  return st;
}

static wk_status label_by_known(wk_builder *b, int *label_of, wk_error *err) {
  wk_status st = WK_OK;
  wk_dataset *d = b->d;
  for (size_t i = 0; i < b->names.count; i++) {
    const char *name = b->names.name[i];
    label_of[i] = wk_known_class(b->o, name, strlen(name), d->layout == WK_LAYOUT_LIST);
    if (label_of[i] < 0 && !b->o->allow_unlabelled)
      WK_TRY(unknown_class(b, name, err));
  }
  d->classes = wk_calloc((size_t)b->o->class_count, sizeof *d->classes);
  WK_FAIL_IF(!d->classes, err, WK_ERR_MEMORY, "%s: out of memory for %d classes", d->root, b->o->class_count);
  for (; d->class_count < b->o->class_count; d->class_count++) {
    char *copy = wk_strdup(b->o->classes[d->class_count]);
    WK_FAIL_IF(!copy, err, WK_ERR_MEMORY, "%s: out of memory for %d classes", d->root, b->o->class_count);
    d->classes[d->class_count] = copy;
  }
done:
  return st;
}

typedef struct ranked {
  char *name;
  uint32_t number;
} ranked;

static int by_name(const void *a, const void *b) {
  return strcmp(((const ranked *)a)->name, ((const ranked *)b)->name);
}

static wk_status label_by_data(wk_builder *b, int *label_of, wk_error *err) {
  wk_status st = WK_OK;
  wk_dataset *d = b->d;
  size_t n = b->names.count;
  ranked *rank = NULL;
  if (n == 0)
    return WK_OK; /* photos without labels, which the readers have let pass */
  WK_FAIL_IF(n == 1 && !b->o->allow_unlabelled, err, WK_ERR_FORMAT,
             "%s: all %zu photos are of one class, \"%.200s\". A classifier needs at least two: %s", d->root,
             d->photo_count, b->names.name[0],
             d->layout == WK_LAYOUT_LIST   ? "add rows of other classes"
             : d->layout == WK_LAYOUT_FLAT ? "add photos whose names begin with other classes"
                                           : "put the photos of each other class into a folder beside it");
  rank = wk_alloc_array(n, sizeof *rank);
  d->classes = wk_calloc(n, sizeof *d->classes);
  WK_FAIL_IF(!rank || !d->classes || n > INT32_MAX, err, WK_ERR_MEMORY, "%s: out of memory for %zu classes", d->root,
             n);
  for (size_t i = 0; i < n; i++)
    rank[i] = (ranked){b->names.name[i], (uint32_t)i};
  qsort(rank, n, sizeof *rank, by_name);
  for (size_t i = 0; i < n; i++) {
    label_of[rank[i].number] = (int)i;
    d->classes[i] = rank[i].name;
    b->names.name[rank[i].number] = NULL; /* the collection owns it now */
  }
  d->class_count = (int)n;
done:
  wk_free(rank);
  return st;
}

static int by_path(const void *a, const void *b) {
  return strcmp(((const wk_photo *)a)->path, ((const wk_photo *)b)->path);
}

static wk_status finish(wk_builder *b, wk_error *err) {
  wk_status st = WK_OK;
  int *label_of = wk_alloc_array(b->names.count, sizeof *label_of);
  WK_FAIL_IF(!label_of, err, WK_ERR_MEMORY, "%s: out of memory for %zu classes", b->d->root, b->names.count);
  WK_TRY(b->o->classes ? label_by_known(b, label_of, err) : label_by_data(b, label_of, err));
  for (size_t i = 0; i < b->d->photo_count; i++)
    b->d->photos[i].label = b->raw[i] == WK_NO_CLASS ? -1 : label_of[b->raw[i]];
  if (b->d->layout != WK_LAYOUT_LIST && b->d->photo_count)
    qsort(b->d->photos, b->d->photo_count, sizeof *b->d->photos, by_path);
done:
  wk_free(label_of);
  return st;
}

/* ---- opening ---------------------------------------------------------------------------------- */

/* What kind of file it is, by its first bytes. */
static wk_status sniff(wk_image_format *format, bool *archive, const char *path, wk_error *err) {
  wk_photo_file f;
  wk_buffer bytes = {0};
  wk_status st = wk_photo_open(&f, path, err);
  if (st == WK_OK) {
    f.size = f.size < 512 ? f.size : 512;
    st = wk_photo_read(&bytes, &f, err);
  }
  if (st == WK_OK) {
    *format = wk_image_sniff(bytes.data, bytes.size);
    *archive = wk_archive_sniff(bytes.data, bytes.size);
  }
  wk_buffer_free(&bytes);
  return st == WK_OK ? st : wk_error_prefix(err, st, "%s", path);
}

static wk_status read_archive(wk_builder *b, const char *path, wk_error *err) {
  char *folder;
  if (!b->o->unpack_folder)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED,
                   "%s: this is an archive, and no folder to unpack it into was given. Unpack it, and "
                   "give its folder",
                   path);
  WK_RETURN_IF_ERROR(wk_archive_unpack(&folder, path, b->o->unpack_folder, b->o->ctx, err));
  wk_status st = wk_read_folder(b, folder, err);
  wk_free(folder);
  return st == WK_OK ? st : wk_error_prefix(err, st, "%s, unpacked", path);
}

static wk_status read_file(wk_builder *b, const char *path, wk_error *err) {
  wk_image_format format = WK_IMAGE_UNKNOWN;
  bool archive = false;
  WK_RETURN_IF_ERROR(sniff(&format, &archive, path, err));
  if (archive)
    return read_archive(b, path, err);
  if (format == WK_IMAGE_UNKNOWN)
    return wk_read_list(b, path, err);
  if (!b->o->allow_unlabelled)
    return WK_FAIL(err, WK_ERR_FORMAT,
                   "%s: this is one photo (%s). Expected a folder with one sub-folder a class, or a list (CSV)", path,
                   wk_image_format_name(format));
  b->d->layout = WK_LAYOUT_PHOTOS;
  return wk_builder_add(b, wk_strdup(path), NULL, 0, WK_SPLIT_ALL, err);
}

wk_status wk_dataset_open(wk_dataset **out, const char *path, const wk_dataset_options *o, wk_error *err) {
  wk_status st = WK_OK;
  wk_dataset_options defaults;
  wk_dataset_options_init(&defaults);
  wk_builder b = {.o = o ? o : &defaults};
  struct stat s;

  if (stat(path, &s) != 0)
    return errno == ENOENT ? WK_FAIL(err, WK_ERR_NOT_FOUND, "%s: no such file or folder", path)
                           : WK_FAIL(err, WK_ERR_IO, "%s: cannot be opened: %s", path, strerror(errno));
  b.d = wk_calloc(1, sizeof *b.d);
  WK_FAIL_IF(!b.d || !(b.d->root = wk_strdup(path)), err, WK_ERR_MEMORY, "%s: out of memory", path);
  WK_TRY(S_ISDIR(s.st_mode) ? wk_read_folder(&b, path, err) : read_file(&b, path, err));
  WK_TRY(finish(&b, err));
  *out = b.d;
  b.d = NULL;
done:
  wk_dataset_free(b.d);
  wk_names_free(&b.names);
  wk_free(b.raw);
  return st;
}

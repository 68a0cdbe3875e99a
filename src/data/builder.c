/* builder.c - a collection under construction. The readers of layouts say which photos there are, what their classes
 * are called and what was taken for what; dataset.c makes the collection of it. */
#include <stdarg.h>
#include <string.h>

#include "data/data.h"

void wk_dataset_free(wk_dataset *d) {
  if (!d)
    return;
  for (size_t i = 0; i < d->photo_count; i++) {
    if (d->photos[i].name != d->photos[i].path)
      wk_free(d->photos[i].name);
    wk_free(d->photos[i].path);
  }
  for (int i = 0; i < d->class_count; i++)
    wk_free(d->classes[i]);
  for (size_t i = 0; i < d->note_count; i++)
    wk_free(d->notes[i]);
  wk_free(d->notes);
  wk_free(d->photos);
  wk_free(d->classes);
  wk_free(d->root);
  wk_free(d);
}

wk_status wk_builder_class(uint32_t *number, wk_builder *b, const char *name, size_t len, wk_error *err) {
  return wk_names_add(number, &b->names, name, len, err);
}

wk_status wk_builder_add(wk_builder *b, char *path, char *show, uint32_t number, wk_split split, wk_error *err) {
  wk_dataset *d = b->d;
  if (path && d->photo_count == b->cap) {
    size_t cap = b->cap ? b->cap * 2 : 256;
    wk_photo *photo = wk_grow(d->photos, d->photo_count * sizeof *photo, cap * sizeof *photo);
    if (photo) {
      d->photos = photo;
      b->cap = cap;
    }
  }
  if (!path || d->photo_count == b->cap) {
    wk_free(path);
    wk_free(show);
    return WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory for a list of %zu photos", d->root, d->photo_count + 1);
  }
  d->photos[d->photo_count++] = (wk_photo){path, show ? show : path, number == WK_NO_CLASS ? -1 : (int)number, split};
  return WK_OK;
}

wk_status wk_builder_add_file(wk_builder *b, const wk_tree *tree, const wk_file *f, uint32_t number, wk_split split,
                              wk_error *err) {
  char *show = NULL;
  if (tree->place[f->place].show && !(show = wk_file_show(tree, f)))
    return WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory for a list of %zu photos", b->d->root, b->d->photo_count + 1);
  return wk_builder_add(b, wk_file_path(tree, f), show, number, split, err);
}

wk_status wk_builder_note(wk_builder *b, wk_error *err, const char *fmt, ...) {
  char line[1024];
  wk_dataset *d = b->d;
  va_list args;
  va_start(args, fmt);
  vsnprintf(line, sizeof line, fmt, args);
  va_end(args);
  wk_one_line(line);
  if (d->note_count == b->note_cap) {
    size_t cap = b->note_cap ? b->note_cap * 2 : 8;
    char **note = wk_grow(d->notes, d->note_count * sizeof *note, cap * sizeof *note);
    if (note) {
      d->notes = note;
      b->note_cap = cap;
    }
  }
  char *copy = d->note_count < b->note_cap ? wk_strdup(line) : NULL;
  if (!copy)
    return WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory", d->root);
  d->notes[d->note_count++] = copy;
  return WK_OK;
}

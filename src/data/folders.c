/* folders.c - a folder of photos as a collection: class folders, train/ val/ test/ folders, or one flat folder. The
 * layout is read off from where the photos lie; what does not look like any of them is an error that says how the
 * folder should look. */
#include <string.h>

#include "data/data.h"

/* The photos and folders below one folder: `prefix` is its path with a '/' at the end, or "". */
typedef struct view {
  const char *prefix;
  size_t prefix_len;
  size_t photo, photo_end, folder, folder_end; /* runs in the tree's lists */
} view;

typedef struct child {
  const char *path; /* in the tree, relative to its root */
  const char *name; /* the last component of it */
  size_t name_len;
  view in;
  size_t direct; /* photos in the folder itself */
  size_t inner;  /* folders in it that hold photos somewhere */
} child;

/* What open_* functions pass around. */
typedef struct reader {
  wk_builder *b;
  const char *root;
  wk_tree tree;
} reader;

/* First of the sorted list that is not below `text` in byte order. */
static size_t lower_bound(char *const *list, size_t count, const char *text) {
  size_t low = 0, high = count;
  while (low < high) {
    size_t mid = low + (high - low) / 2;
    if (strcmp(list[mid], text) < 0)
      low = mid + 1;
    else
      high = mid;
  }
  return low;
}

static void run_below(size_t *begin, size_t *end, char *const *list, size_t count, const char *prefix, size_t len) {
  size_t at = *begin = lower_bound(list, count, prefix);
  while (at < count && strncmp(list[at], prefix, len) == 0)
    at++;
  *end = at;
}

static size_t photos_directly_in(const reader *r, const view *v) {
  size_t n = 0;
  for (size_t i = v->photo; i < v->photo_end; i++)
    n += !strchr(r->tree.photo[i] + v->prefix_len, '/');
  return n;
}

static void free_children(child *list, size_t count) {
  for (size_t i = 0; i < count; i++)
    wk_free((char *)list[i].in.prefix);
  wk_free(list);
}

/* The folders directly in `v`, in byte order; the caller frees them with free_children. */
static wk_status children(child **out, size_t *count, const reader *r, const view *v, wk_error *err) {
  size_t n = 0;
  for (size_t i = v->folder; i < v->folder_end; i++)
    n += !strchr(r->tree.folder[i] + v->prefix_len, '/');
  child *list = wk_calloc(n, sizeof *list);
  if (!list)
    return WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory for %zu folders", r->root, n);
  size_t at = 0;
  for (size_t i = v->folder; i < v->folder_end; i++) {
    const char *path = r->tree.folder[i];
    if (strchr(path + v->prefix_len, '/'))
      continue;
    child *c = &list[at++];
    c->path = path;
    c->name = path + v->prefix_len;
    c->name_len = strlen(c->name);
    c->in.prefix = wk_asprintf("%s/", path);
    if (!c->in.prefix) {
      free_children(list, at);
      return WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory for %zu folders", r->root, n);
    }
    c->in.prefix_len = strlen(c->in.prefix);
    run_below(&c->in.photo, &c->in.photo_end, r->tree.photo, r->tree.photos, c->in.prefix, c->in.prefix_len);
    run_below(&c->in.folder, &c->in.folder_end, r->tree.folder, r->tree.folders, c->in.prefix, c->in.prefix_len);
    c->direct = photos_directly_in(r, &c->in);
    /* Photos are sorted, so those of one inner folder follow each other. */
    const char *last = NULL;
    size_t last_len = 0;
    for (size_t k = c->in.photo; k < c->in.photo_end; k++) {
      const char *rest = r->tree.photo[k] + c->in.prefix_len, *slash = strchr(rest, '/');
      if (!slash)
        continue;
      if (!last || (size_t)(slash - rest) != last_len || memcmp(rest, last, last_len) != 0)
        c->inner++;
      last = rest;
      last_len = (size_t)(slash - rest);
    }
  }
  *out = list;
  *count = n;
  return WK_OK;
}

static size_t photos_in(const view *v) { return v->photo_end - v->photo; }

static wk_status add_photo(reader *r, size_t i, const char *name, size_t name_len, wk_split split, wk_error *err) {
  return wk_builder_add(r->b, wk_path_join(r->root, r->tree.photo[i]), name, name_len, split, err);
}

/* "ROOT/animals", for messages. */
#define PLACE_FMT "%s%s%.*s"
#define PLACE(r, v) (r)->root, (v)->prefix_len ? "/" : "", (int)((v)->prefix_len ? (v)->prefix_len - 1 : 0), (v)->prefix

static const char *const want_folders = "Expected one sub-folder a class, with that class's photos in it";

/* ---- one folder a class ----------------------------------------------------------------------- */

/* Adds the class folders in `v`. */
static wk_status add_classes(reader *r, const view *v, const child *list, size_t count, wk_split split, wk_error *err) {
  for (size_t i = 0; i < count; i++) {
    const child *c = &list[i];
    if (!photos_in(&c->in) && !r->b->o->classes && !r->b->o->allow_unlabelled)
      return WK_FAIL(err, WK_ERR_FORMAT,
                     "%s/%s: no photos in this class folder. Put photos of \"%s\" there, or remove the folder", r->root,
                     c->path, c->name);
    for (size_t k = c->in.photo; k < c->in.photo_end; k++)
      WK_RETURN_IF_ERROR(add_photo(r, k, c->name, c->name_len, split, err));
  }
  r->b->d->ignored += photos_directly_in(r, v); /* they belong to no class */
  return WK_OK;
}

/* ---- train/ val/ test/ ------------------------------------------------------------------------ */

static bool is_parts(const child *list, size_t count) {
  size_t splits = 0, with_classes = 0, others = 0;
  for (size_t i = 0; i < count; i++) {
    if (wk_split_find(list[i].name, list[i].name_len) == WK_SPLIT_ALL) {
      others += photos_in(&list[i].in) > 0;
    } else {
      splits++;
      with_classes += list[i].inner > 0;
    }
  }
  /* A class may be called "train": then it has photos, not folders, and other classes beside it. */
  return splits && (with_classes || !others);
}

static wk_status add_split(reader *r, const child *split, wk_error *err) {
  wk_split which = wk_split_find(split->name, split->name_len);
  child *list = NULL;
  size_t count = 0;
  wk_status st = WK_OK;
  if (!photos_in(&split->in))
    return WK_FAIL(err, WK_ERR_FORMAT, "%s/%s: no photos here. Put one sub-folder a class there, or remove the folder",
                   r->root, split->path);
  if (split->inner == 0) {
    if (!r->b->o->allow_unlabelled)
      return WK_FAIL(err, WK_ERR_FORMAT, "%s/%s: no class folders here, only %zu photos. %s, such as %s/cat and %s/dog",
                     r->root, split->path, split->direct, want_folders, split->name, split->name);
    for (size_t i = split->in.photo; i < split->in.photo_end; i++)
      WK_TRY(add_photo(r, i, NULL, 0, which, err));
    return WK_OK;
  }
  WK_TRY(children(&list, &count, r, &split->in, err));
  WK_TRY(add_classes(r, &split->in, list, count, which, err));
done:
  free_children(list, count);
  return st;
}

/* A class that is only in val/ or test/ can never be right: a misspelt folder, most likely. */
static wk_status check_parts(reader *r, wk_error *err) {
  wk_builder *b = r->b;
  wk_status st = WK_OK;
  bool *in_train = wk_calloc(b->names.count, sizeof *in_train);
  WK_FAIL_IF(!in_train, err, WK_ERR_MEMORY, "%s: out of memory for %zu classes", r->root, b->names.count);
  for (size_t i = 0; i < b->d->photo_count; i++)
    if (b->raw[i] != WK_NO_CLASS && b->d->photos[i].split == WK_SPLIT_TRAIN)
      in_train[b->raw[i]] = true;
  for (size_t i = 0; i < b->d->photo_count; i++)
    WK_FAIL_IF(
        b->raw[i] != WK_NO_CLASS && !in_train[b->raw[i]], err, WK_ERR_FORMAT,
        "%s: its class \"%s\" has no folder in train/, so it can never be learnt. Add it there, or rename this one",
        b->d->photos[i].path, b->names.name[b->raw[i]]);
done:
  wk_free(in_train);
  return st;
}

static wk_status open_parts(reader *r, const view *v, const child *list, size_t count, wk_error *err) {
  bool train = false;
  r->b->d->layout = WK_LAYOUT_SPLIT_FOLDERS;
  r->b->d->ignored += photos_directly_in(r, v);
  for (size_t i = 0; i < count; i++) {
    wk_split split = wk_split_find(list[i].name, list[i].name_len);
    train |= split == WK_SPLIT_TRAIN;
    if (split == WK_SPLIT_ALL)
      r->b->d->ignored += photos_in(&list[i].in);
    else
      WK_RETURN_IF_ERROR(add_split(r, &list[i], err));
  }
  if (r->b->o->classes || r->b->o->allow_unlabelled)
    return WK_OK;
  if (!train)
    return WK_FAIL(err, WK_ERR_FORMAT,
                   PLACE_FMT ": there is %s/ but no train/. Expected train/ with one sub-folder a class", PLACE(r, v),
                   list[0].name);
  return check_parts(r, err);
}

/* ---- flat ------------------------------------------------------------------------------------- */

static const char *file_name(const reader *r, size_t i) { return wk_path_base(r->tree.photo[i]); }

static wk_status open_named(reader *r, const view *v, wk_error *err) {
  r->b->d->layout = WK_LAYOUT_FLAT;
  for (size_t i = v->photo; i < v->photo_end; i++) {
    const char *name = file_name(r, i), *below = r->tree.photo[i] + v->prefix_len;
    bool numbered;
    size_t len = wk_class_in_name(name, &numbered);
    if (!len && !r->b->o->allow_unlabelled)
      return WK_FAIL(
          err, WK_ERR_FORMAT,
          "%s/%s: no class in this file name. Expected names such as cat_12.jpg or cat.12.jpg: rename or remove it",
          r->root, r->tree.photo[i]);
    /* Kaggle's train/cat.0.jpg */
    const char *slash = strchr(below, '/');
    wk_split split = slash ? wk_split_find(below, (size_t)(slash - below)) : WK_SPLIT_ALL;
    WK_RETURN_IF_ERROR(add_photo(r, i, len ? name : NULL, len, split, err));
  }
  return WK_OK;
}

static wk_status open_unlabelled(reader *r, const view *v, wk_error *err) {
  r->b->d->layout = WK_LAYOUT_PHOTOS;
  for (size_t i = v->photo; i < v->photo_end; i++)
    WK_RETURN_IF_ERROR(add_photo(r, i, NULL, 0, WK_SPLIT_ALL, err));
  return WK_OK;
}

/* No class folders: says so, and what the file names suggest. */
static wk_status explain_flat(reader *r, const view *v, size_t direct, wk_error *err) {
  wk_names seen = {0};
  size_t numbered = 0;
  const char *example = NULL;
  for (size_t i = v->photo; i < v->photo_end; i++) {
    bool with_number;
    uint32_t number;
    size_t len = wk_class_in_name(file_name(r, i), &with_number);
    if (len && with_number && wk_names_add(&number, &seen, file_name(r, i), len, NULL) == WK_OK) {
      numbered++;
      example = example ? example : file_name(r, i);
    }
  }
  size_t found = seen.count;
  wk_names_free(&seen);
  /* IMG_0001.jpg is one class by this reading, and so none. */
  if (found >= 2 && numbered * 10 >= direct * 9 && found * 2 <= numbered)
    return WK_FAIL(err, WK_ERR_FORMAT,
                   PLACE_FMT
                   ": no class folders here, only %zu photos, but their names look like CLASS_number (%zu classes, "
                   "such as %s): add --labels-from name to take the classes from the names",
                   PLACE(r, v), direct, found, example);
  return WK_FAIL(err, WK_ERR_FORMAT,
                 PLACE_FMT
                 ": no class folders here, only %zu photos. Put each class's photos into a folder of its own, or "
                 "give a list in place of the folder: a CSV with the columns file,label",
                 PLACE(r, v), direct);
}

/* The one list that describes the photos in `v`: it lies in that folder, or in one above it as a list beside images/
 * does. *out is NULL where there is none, or more than one. */
static wk_status find_list(char **out, const reader *r, const view *v, wk_error *err) {
  char *found = NULL;
  size_t count = 0;
  for (size_t i = 0; i < r->tree.lists; i++) {
    const char *path = r->tree.list[i];
    if (strncmp(path, v->prefix, (size_t)(wk_path_base(path) - path)) != 0)
      continue;
    char *full = wk_path_join(r->root, path);
    if (!full) {
      wk_free(found);
      return WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory for %zu lists", r->root, r->tree.lists);
    }
    if (wk_is_list(full) && count++ == 0)
      found = full;
    else
      wk_free(full);
  }
  if (count != 1) {
    wk_free(found);
    found = NULL;
  }
  *out = found;
  return WK_OK;
}

/* ---- which layout ----------------------------------------------------------------------------- */

static wk_status nothing_here(reader *r, wk_error *err) {
  const wk_tree *t = &r->tree;
  if (t->ignored == 0)
    return WK_FAIL(err, WK_ERR_FORMAT, "%s: no photos here, the folder %s. %s", r->root,
                   t->folders ? "holds only empty folders" : "is empty", want_folders);
  return WK_FAIL(err, WK_ERR_FORMAT, "%s: no photos here, only %zu other file%s%s%s%s. %s", r->root, t->ignored,
                 t->ignored == 1 ? "" : "s", *t->other ? " (" : "", t->other, *t->other ? ")" : "", want_folders);
}

/* A folder that only wraps the real one, as archives often have it (cats_and_dogs_filtered/train/cats ...). */
static const child *wrapped(const reader *r, const child *list, size_t count, size_t direct) {
  const child *only = NULL;
  if (direct)
    return NULL;
  for (size_t i = 0; i < count; i++)
    if (photos_in(&list[i].in)) {
      if (only)
        return NULL;
      only = &list[i];
    }
  if (!only || wk_split_find(only->name, only->name_len) != WK_SPLIT_ALL)
    return NULL;
  const wk_dataset_options *o = r->b->o;
  if (o->labels_from_name)
    return only;
  if (o->classes && wk_known_class(o, only->name, only->name_len, false) >= 0)
    return NULL;
  return only->inner && !only->direct ? only : NULL;
}

/* How many classes the folders in `v` can stand for; one called images/ is none. */
static size_t class_folders(const reader *r, const child *list, size_t count) {
  size_t classes = 0;
  const child *last = NULL;
  for (size_t i = 0; i < count; i++)
    if (photos_in(&list[i].in)) {
      classes++;
      last = &list[i];
    }
  const wk_dataset_options *o = r->b->o;
  bool known = last && o->classes && wk_known_class(o, last->name, last->name_len, false) >= 0;
  return classes == 1 && !known ? 0 : classes;
}

static wk_status open_view(reader *r, const view *v, wk_error *err) {
  const wk_dataset_options *o = r->b->o;
  child *list = NULL;
  char *csv = NULL;
  size_t count = 0, direct = photos_directly_in(r, v), in_folders = photos_in(v) - direct;
  wk_status st = children(&list, &count, r, v, err);
  if (st != WK_OK)
    return st;
  const child *inside = wrapped(r, list, count, direct);
  bool foldered = in_folders > direct, classes = foldered && class_folders(r, list, count) > 0;
  if (inside)
    WK_TRY(open_view(r, &inside->in, err));
  else if (o->labels_from_name)
    WK_TRY(open_named(r, v, err));
  else if (is_parts(list, count))
    WK_TRY(open_parts(r, v, list, count, err));
  else {
    if (!classes)
      WK_TRY(find_list(&csv, r, v, err));
    if (csv)
      WK_TRY(wk_read_list(r->b, csv, err));
    else if (o->allow_unlabelled && !classes)
      WK_TRY(open_unlabelled(r, v, err));
    else if (foldered) { /* a single class is an error, told when labels are made */
      r->b->d->layout = WK_LAYOUT_CLASS_FOLDERS;
      WK_TRY(add_classes(r, v, list, count, WK_SPLIT_ALL, err));
    } else
      WK_TRY(explain_flat(r, v, direct, err));
  }
done:
  wk_free(csv);
  free_children(list, count);
  return st;
}

wk_status wk_read_folder(wk_builder *b, const char *root, wk_error *err) {
  reader r = {.b = b, .root = root};
  WK_RETURN_IF_ERROR(wk_tree_walk(&r.tree, root, err));
  b->d->ignored = r.tree.ignored;
  view all = {.prefix = "", .photo_end = r.tree.photos, .folder_end = r.tree.folders};
  wk_status st = r.tree.photos ? open_view(&r, &all, err) : nothing_here(&r, err);
  b->d->ignored -= b->d->layout == WK_LAYOUT_LIST && b->d->ignored; /* the list was of use */
  wk_tree_free(&r.tree);
  return st;
}

/* folders.c - a folder of photos as a collection: which layout it is can be read off from where the photos lie; what
 * does not look like any is an error that says how the folder should look. What came out of an archive is read the same
 * way. */
#include "data/folders.h"

#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "data/packed.h"

#define NESTED_MAX 2 /* archives in archives */
#define GROWTH_MAX 100
#define GROWTH_FREE ((uint64_t)64 << 20)

static const char *const want_folders = "Expected one sub-folder a class, with that class's photos in it";

/* ---- views ------------------------------------------------------------------------------------ */

/* How `rel` stands to what lies below the folder `path`, in byte order. */
static int below(const char *rel, const char *path, size_t len) {
  if (len == 0)
    return 0;
  int order = strncmp(rel, path, len - 1);
  return order ? order : (unsigned char)rel[len - 1] - '/';
}

static void run_below(size_t *begin, size_t *end, const wk_files *list, size_t low, size_t high, const char *path,
                      size_t len) {
  size_t most = high;
  while (low < high) {
    size_t mid = low + (high - low) / 2;
    if (below(list->file[mid].rel, path, len) < 0)
      low = mid + 1;
    else
      high = mid;
  }
  *begin = low;
  while (low < most && below(list->file[low].rel, path, len) == 0)
    low++;
  *end = low;
}

size_t wk_view_direct(const wk_folder_reader *r, const wk_view *v) {
  size_t n = 0;
  for (size_t i = v->photo; i < v->photo_end; i++)
    n += !strchr(r->tree.photo.file[i].rel + v->len, '/');
  return n;
}

/* Photos are sorted, so those of one inner folder follow each other. */
static void count_inner(wk_child *c, const wk_folder_reader *r) {
  const char *last = NULL;
  size_t last_len = 0;
  c->photos = c->in.photo_end - c->in.photo;
  for (size_t k = c->in.photo; k < c->in.photo_end; k++) {
    const char *rest = r->tree.photo.file[k].rel + c->in.len, *slash = strchr(rest, '/');
    size_t len = slash ? (size_t)(slash - rest) : 0;
    if (!slash)
      c->direct++;
    else if (!last || len != last_len || memcmp(rest, last, len) != 0)
      c->inner++;
    last = slash ? rest : last;
    last_len = slash ? len : last_len;
  }
}

wk_status wk_view_children(wk_child **out, size_t *count, const wk_folder_reader *r, const wk_view *v, wk_error *err) {
  size_t n = 0, at = 0;
  for (size_t i = v->folder; i < v->folder_end; i++)
    n += !strchr(r->tree.folder.file[i].rel + v->len, '/');
  wk_child *list = wk_calloc(n, sizeof *list);
  if (!list)
    return WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory for %zu folders", r->root, n);
  for (size_t i = v->folder; i < v->folder_end; i++) {
    const char *path = r->tree.folder.file[i].rel;
    if (strchr(path + v->len, '/') || (at && strcmp(list[at - 1].path, path) == 0))
      continue; /* two archives may both stand for one folder */
    wk_child *c = &list[at++];
    *c = (wk_child){.path = path, .name = path + v->len, .name_len = strlen(path + v->len)};
    c->in = (wk_view){.path = path, .len = strlen(path) + 1};
    run_below(&c->in.photo, &c->in.photo_end, &r->tree.photo, v->photo, v->photo_end, path, c->in.len);
    run_below(&c->in.folder, &c->in.folder_end, &r->tree.folder, v->folder, v->folder_end, path, c->in.len);
    count_inner(c, r);
  }
  *out = list;
  *count = at;
  return WK_OK;
}

/* ---- decisions -------------------------------------------------------------------------------- */

wk_status wk_view_take(wk_folder_reader *r, const wk_view *v, const char *name, size_t name_len, wk_split split,
                       wk_error *err) {
  uint32_t number = WK_NO_CLASS;
  if (name && v->photo < v->photo_end)
    WK_RETURN_IF_ERROR(wk_builder_class(&number, r->b, name, name_len, err));
  for (size_t i = v->photo; i < v->photo_end; i++) {
    r->number[i] = number;
    r->split[i] = (uint8_t)split;
  }
  return WK_OK;
}

static bool all_welcome(const wk_folder_reader *r) { return r->b->o->allow_unlabelled && !r->b->o->classes; }

const char *wk_left_out_words(const wk_folder_reader *r) { return all_welcome(r) ? "of no class" : "not used"; }

void wk_view_leave_out(wk_folder_reader *r, const wk_view *v) {
  size_t n = v->photo_end - v->photo;
  bool welcome = all_welcome(r);
  memset(r->split + v->photo, welcome ? WK_SPLIT_ALL : WK_LEFT_OUT, n);
  r->b->d->ignored += welcome ? 0 : n;
  r->b->d->aside += welcome ? 0 : n;
}

/* Photos directly in a folder of classes belong to none. */
static wk_status leave_strays(wk_folder_reader *r, const wk_view *v, wk_error *err) {
  const char *first = NULL;
  size_t n = 0;
  for (size_t i = v->photo; i < v->photo_end; i++) {
    const char *name = r->tree.photo.file[i].rel + v->len;
    if (strchr(name, '/'))
      continue;
    wk_view one = {.photo = i, .photo_end = i + 1};
    wk_view_leave_out(r, &one);
    first = first ? first : name;
    n++;
  }
  if (!n)
    return WK_OK;
  return wk_builder_note(r->b, err, WK_PLACE_FMT ": %zu photo%s (such as %.200s) beside the class folders: %s",
                         WK_PLACE(r, v), n, n == 1 ? " lies" : "s lie", first, wk_left_out_words(r));
}

wk_status wk_view_take_classes(wk_folder_reader *r, const wk_view *v, const wk_child *list, size_t count,
                               wk_split split, wk_error *err) {
  for (size_t i = 0; i < count; i++) {
    const wk_child *c = &list[i];
    if (!c->photos && !r->b->o->classes && !r->b->o->allow_unlabelled)
      return WK_FAIL(err, WK_ERR_FORMAT,
                     "%s/%s: no photos in this class folder. Put photos of \"%s\" there, or remove the folder", r->root,
                     c->path, c->name);
    WK_RETURN_IF_ERROR(wk_view_take(r, &c->in, c->name, c->name_len, split, err));
  }
  return leave_strays(r, v, err);
}

static wk_status add_decided(wk_folder_reader *r, wk_error *err) {
  for (size_t i = 0; i < r->tree.photo.count; i++)
    if (r->split[i] != WK_LEFT_OUT)
      WK_RETURN_IF_ERROR(
          wk_builder_add_file(r->b, &r->tree, &r->tree.photo.file[i], r->number[i], (wk_split)r->split[i], err));
  return WK_OK;
}

/* ---- lists in the folder ---------------------------------------------------------------------- */

/* May a list at `path` describe the photos in `v`? It lies in that folder or one above it, or in a folder for such
 * things. */
static bool may_describe(const wk_view *v, const char *path) {
  static const char *const folder[] = {"annotations", "labels", "lists", "splits", "meta", NULL};
  size_t len = (size_t)(wk_path_base(path) - path);
  for (const char *const *f = folder; *f; f++) {
    size_t n = strlen(*f) + 1;
    while (len >= n && strncasecmp(path + len - n, *f, n - 1) == 0 && (len == n || path[len - n - 1] == '/'))
      len -= n; /* as if it lay beside that folder */
  }
  return len <= v->len && (len == 0 || strncmp(path, v->path, len - 1) == 0);
}

typedef struct lists {
  const wk_file **file;
  size_t count, with_split;
} lists;

static wk_split list_split(const wk_file *f) {
  const char *base = wk_path_base(f->rel);
  return wk_split_find(base, (size_t)(strrchr(base, '.') - base));
}

static wk_status find_lists(lists *out, const wk_folder_reader *r, const wk_view *v, wk_error *err) {
  *out = (lists){.file = wk_alloc_array(r->tree.list.count, sizeof *out->file)};
  if (!out->file)
    return WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory for %zu lists", r->root, r->tree.list.count);
  for (size_t i = 0; i < r->tree.list.count; i++) {
    const wk_file *f = &r->tree.list.file[i];
    if (!may_describe(v, f->rel))
      continue;
    char *path = wk_file_path(&r->tree, f);
    bool is = false;
    wk_status st = path ? wk_is_list(&is, path, err) : WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory", r->root);
    wk_free(path);
    if (st != WK_OK)
      return st;
    if (!is)
      continue;
    out->with_split += list_split(f) == WK_SPLIT_TRAIN;
    out->file[out->count++] = f;
  }
  return WK_OK;
}

/* train.csv and test.csv are splits; otherwise it must be clear which list is meant. */
static wk_status read_lists(bool *read, wk_folder_reader *r, const wk_view *v, wk_error *err) {
  wk_status st = WK_OK;
  lists found;
  size_t used = 0;
  WK_TRY(find_lists(&found, r, v, err));
  *read = found.count > 0;
  WK_FAIL_IF(found.count > 1 && !found.with_split, err, WK_ERR_FORMAT,
             WK_PLACE_FMT ": more than one list may tell the classes of its photos (%.200s, %.200s). Give the one that "
                          "is meant in place of the folder",
             WK_PLACE(r, v), found.file[0]->rel, found.file[1]->rel);
  for (size_t i = 0; i < found.count; i++) {
    wk_split split = found.count > 1 ? list_split(found.file[i]) : WK_SPLIT_ALL;
    if (found.count > 1 && split == WK_SPLIT_ALL)
      continue;
    const wk_place *p = &r->tree.place[found.file[i]->place];
    char *path = wk_file_path(&r->tree, found.file[i]), *show = p->show ? wk_file_show(&r->tree, found.file[i]) : NULL;
    st = path && (show || !p->show) ? wk_read_list(r->b, path, show, split, err)
                                    : WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory", r->root);
    wk_free(path);
    wk_free(show);
    if (st != WK_OK)
      goto done;
    used++;
  }
  if (*read) {
    r->b->d->ignored -= used < r->b->d->ignored ? used : r->b->d->ignored; /* they were of use */
    WK_TRY(wk_builder_note(r->b, err, WK_PLACE_FMT ": read by its list%s %.200s%s%.200s", WK_PLACE(r, v),
                           used == 1 ? "" : "s", found.file[0]->rel, used > 1 ? " and " : "",
                           used > 1 ? found.file[found.count - 1]->rel : ""));
    const size_t unlisted = r->tree.photo.count > r->b->d->photo_count ? r->tree.photo.count - r->b->d->photo_count : 0;
    if (unlisted)
      WK_TRY(wk_builder_note(r->b, err, "%s: %zu photo%s there %s on no list: not used", r->root, unlisted,
                             WK_S(unlisted), unlisted == 1 ? "is" : "are"));
  }
done:
  wk_free(found.file);
  return st;
}

/* ---- which layout ----------------------------------------------------------------------------- */

static wk_status nothing_here(wk_folder_reader *r, wk_error *err) {
  const wk_tree *t = &r->tree;
  if (t->ignored == 0)
    return WK_FAIL(err, WK_ERR_FORMAT, "%s: no photos here, the folder %s. %s", r->root,
                   t->folder.count ? "holds only empty folders" : "is empty", want_folders);
  return WK_FAIL(err, WK_ERR_FORMAT, "%s: no photos here, only %zu other file%s%s%s%s. %s", r->root, t->ignored,
                 t->ignored == 1 ? "" : "s", *t->other ? " (" : "", t->other, *t->other ? ")" : "", want_folders);
}

/* A folder that only wraps the real one, as archives often have it (cats_and_dogs_filtered/train/cats ...). */
static const wk_child *wrapped(const wk_folder_reader *r, const wk_child *list, size_t count, size_t direct) {
  const wk_child *only = NULL;
  if (direct)
    return NULL;
  for (size_t i = 0; i < count; i++)
    if (list[i].photos) {
      if (only)
        return NULL;
      only = &list[i];
    }
  if (!only || wk_split_find(only->name, only->name_len) != WK_SPLIT_ALL)
    return NULL;
  const wk_dataset_options *o = r->b->o;
  if (o->labels_from_name)
    return only;
  if (o->classes && wk_known_class(o, only->name, only->name_len) >= 0)
    return NULL;
  return only->inner && !only->direct ? only : NULL;
}

/* How many classes the folders can stand for; one called images/ is none. */
static size_t class_folders(const wk_folder_reader *r, const wk_child *list, size_t count) {
  size_t classes = 0;
  const wk_child *last = NULL;
  for (size_t i = 0; i < count; i++)
    if (list[i].photos) {
      classes++;
      last = &list[i];
    }
  const wk_dataset_options *o = r->b->o;
  bool known = last && o->classes && wk_known_class(o, last->name, last->name_len) >= 0;
  return classes == 1 && !known ? 0 : classes;
}

/* images/ with masks/ or annotations/ beside it: the second holds pictures, but no photos. Removes it from the list. */
static wk_status drop_drawings(wk_folder_reader *r, wk_child *list, size_t *count, wk_error *err) {
  static const char *const known[] = {"annotations",  "annotation",    "masks",       "mask",         "trimaps",
                                      "segmentation", "segmentations", "groundtruth", "ground_truth", NULL};
  bool images = false;
  size_t kept = 0;
  for (size_t i = 0; i < *count; i++)
    images = images || (list[i].photos && wk_name_says_nothing(list[i].name, list[i].name_len));
  for (size_t i = 0; i < *count; i++) {
    bool drawing = false;
    for (const char *const *k = known; images && *k; k++)
      drawing = drawing || strcasecmp(list[i].name, *k) == 0;
    if (!drawing) {
      list[kept++] = list[i];
      continue;
    }
    wk_view_leave_out(r, &list[i].in);
    if (list[i].photos)
      WK_RETURN_IF_ERROR(wk_builder_note(r->b, err,
                                         "%s/%s: %zu pictures, taken for drawings over the photos beside it: %s",
                                         r->root, list[i].path, list[i].photos, wk_left_out_words(r)));
  }
  *count = kept;
  return WK_OK;
}

static wk_status open_unlabelled(wk_folder_reader *r, const wk_view *v, wk_error *err) {
  r->b->d->layout = WK_LAYOUT_PHOTOS;
  return wk_view_take(r, v, NULL, 0, WK_SPLIT_ALL, err);
}

static wk_status open_view(wk_folder_reader *r, const wk_view *v, wk_error *err);

/* Neither splits nor names: class folders, a list, or photos without labels. *listed: a list told all. */
static wk_status open_plain(bool *listed, wk_folder_reader *r, const wk_view *v, const wk_child *list, size_t count,
                            bool flat_splits, wk_error *err) {
  const wk_dataset_options *o = r->b->o;
  size_t direct = wk_view_direct(r, v);
  bool foldered = v->photo_end - v->photo - direct > direct && !flat_splits;
  bool classes = foldered && class_folders(r, list, count) > 0, inside = false;
  if (!classes)
    WK_RETURN_IF_ERROR(read_lists(listed, r, v, err));
  if (*listed)
    return WK_OK;
  if (o->allow_unlabelled && !classes)
    return open_unlabelled(r, v, err);
  if (!foldered) {
    const wk_child *split = NULL;
    for (size_t i = count; flat_splits && i-- > 0;)
      split = list[i].split != WK_SPLIT_ALL && list[i].photos ? &list[i] : split;
    return wk_names_explain(r, v, split, err);
  }
  WK_RETURN_IF_ERROR(wk_splits_inside(&inside, r, list, count, err));
  r->b->d->layout = inside ? WK_LAYOUT_SPLIT_FOLDERS : WK_LAYOUT_CLASS_FOLDERS;
  return inside ? WK_OK
                : wk_view_take_classes(r, v, list, count, WK_SPLIT_ALL,
                                       err); /* a single class is an error, told when labels are made */
}

static wk_status open_children(wk_folder_reader *r, const wk_view *v, wk_child *list, size_t count, wk_error *err) {
  const wk_dataset_options *o = r->b->o;
  wk_splits_verdict verdict = WK_SPLITS_NONE;
  char *why = NULL;
  bool listed = false;
  wk_status st = WK_OK;
  const wk_child *inside = wrapped(r, list, count, wk_view_direct(r, v));
  if (inside)
    return open_view(r, &inside->in, err);
  WK_TRY(wk_splits_judge(&verdict, &why, r, v, list, count, err));
  if (o->labels_from_name) {
    WK_TRY(wk_names_take(r, v, list, count, err));
  } else if (verdict == WK_SPLITS_UNCLEAR) {
    WK_FAIL_IF(!o->allow_unlabelled || o->classes, err, WK_ERR_FORMAT, "%s", why);
    WK_TRY(wk_builder_note(r->b, err, "%s", why));
    WK_TRY(open_unlabelled(r, v, err));
  } else if (verdict == WK_SPLITS_ALL || verdict == WK_SPLITS_BESIDE) {
    WK_TRY(wk_splits_take(r, v, list, count, verdict, err));
  } else {
    WK_TRY(open_plain(&listed, r, v, list, count, verdict == WK_SPLITS_FLAT, err));
  }
  if (listed)
    memset(r->split, WK_LEFT_OUT, r->tree.photo.count); /* the list has added its photos */
done:
  wk_free(why);
  return st;
}

static wk_status open_view(wk_folder_reader *r, const wk_view *v, wk_error *err) {
  wk_child *list = NULL;
  size_t count = 0;
  WK_RETURN_IF_ERROR(wk_view_children(&list, &count, r, v, err));
  wk_status st = r->b->o->labels_from_name ? WK_OK : drop_drawings(r, list, &count, err);
  if (st == WK_OK)
    st = open_children(r, v, list, count, err);
  wk_free(list);
  return st;
}

/* ---- archives in the folder ------------------------------------------------------------------- */

static wk_status open_archive(wk_folder_reader *r, const wk_file *f, int nested, wk_error *err) {
  wk_status st = WK_OK;
  struct stat s;
  const wk_dataset_options *o = r->b->o;
  char *path = wk_file_path(&r->tree, f), *show = wk_file_show(&r->tree, f), *prefix = NULL, *folder = NULL;
  size_t stem = wk_archive_stem(f->rel), dir = (size_t)(wk_path_base(f->rel) - f->rel);
  bool single = strlen(f->rel) - stem == 3; /* x.gz is the file x, not a folder */
  prefix = single ? wk_strndup(f->rel, dir) : wk_asprintf("%.*s/", (int)stem, f->rel);
  WK_FAIL_IF(!path || !show || !prefix, err, WK_ERR_MEMORY, "%s: out of memory", r->root);
  if (nested == 0 && stat(path, &s) == 0)
    r->budget += (uint64_t)s.st_size * GROWTH_MAX + GROWTH_FREE;
  wk_unpack how = {o->unpack_folder, show, nested ? &r->budget : NULL, r->b, o->ctx};
  WK_TRY(wk_archive_unpack(&folder, path, &how, err));
  WK_TRY(wk_tree_add(&r->tree, folder, show, prefix, o->ctx, err));
done:
  wk_free(path);
  wk_free(show);
  wk_free(prefix);
  wk_free(folder);
  return st;
}

/* Where a folder holds nothing but archives, those are what is meant. */
static wk_status open_archives(wk_folder_reader *r, int nested, wk_error *err) {
  for (; !r->tree.photo.count && !r->tree.packed.count && r->tree.archive.count && r->b->o->unpack_folder; nested++) {
    wk_files here = r->tree.archive;
    wk_status st = WK_OK;
    r->tree.archive = (wk_files){0};
    if (nested > NESTED_MAX)
      st = WK_FAIL(err, WK_ERR_FORMAT,
                   "%s: holds archives in archives, more than %d deep (%.200s). Unpack it yourself and give its folder",
                   r->root, NESTED_MAX, here.file[0].rel);
    for (size_t i = 0; st == WK_OK && i < here.count; i++)
      st = open_archive(r, &here.file[i], nested, err);
    r->tree.ignored -= st == WK_OK ? here.count : 0;
    for (size_t i = 0; i < here.count; i++)
      wk_free(here.file[i].rel);
    wk_free(here.file);
    if (st != WK_OK)
      return st;
  }
  if (!r->tree.archive.count || (!r->tree.photo.count && !r->tree.packed.count))
    return WK_OK;
  size_t n = r->tree.archive.count;
  return wk_builder_note(
      r->b, err, "%s: %zu archive%s beside the photos (%.200s): not read; to use one, give it in place of the folder",
      r->root, n, n == 1 ? " lies" : "s lie", r->tree.archive.file[0].rel);
}

/* ---- the whole -------------------------------------------------------------------------------- */

static wk_status read_tree(wk_folder_reader *r, int nested, wk_error *err) {
  wk_status st = WK_OK;
  bool shards = false;
  WK_TRY(open_archives(r, nested, err));
  r->b->d->ignored = r->tree.ignored;
  size_t n = r->tree.photo.count;
  if (!n && r->tree.packed.count) {
    WK_TRY(wk_read_packed(r->b, &r->tree, err));
    goto done;
  }
  WK_TRY(n ? WK_OK : nothing_here(r, err));
  r->number = wk_alloc_array(n, sizeof *r->number);
  r->split = wk_alloc(n);
  WK_FAIL_IF(!r->number || !r->split, err, WK_ERR_MEMORY, "%s: out of memory for %zu photos", r->root, n);
  for (size_t i = 0; i < n; i++)
    r->number[i] = WK_NO_CLASS;
  memset(r->split, WK_SPLIT_ALL, n);
  WK_TRY(wk_shards_read(&shards, r, err));
  if (!shards) {
    wk_view all = {.path = "", .photo_end = n, .folder_end = r->tree.folder.count};
    WK_TRY(open_view(r, &all, err));
    WK_TRY(add_decided(r, err));
  }
done:
  wk_tree_free(&r->tree);
  wk_free(r->number);
  wk_free(r->split);
  return st;
}

wk_status wk_read_folder(wk_builder *b, const char *root, wk_error *err) {
  wk_folder_reader r = {.b = b, .root = root};
  WK_RETURN_IF_ERROR(wk_tree_walk(&r.tree, root, NULL, b->o->ctx, err));
  return read_tree(&r, 0, err);
}

wk_status wk_read_unpacked(wk_builder *b, const char *archive, const char *dir, wk_error *err) {
  struct stat s;
  wk_folder_reader r = {.b = b, .root = archive};
  r.budget = stat(archive, &s) == 0 ? (uint64_t)s.st_size * GROWTH_MAX + GROWTH_FREE : 0;
  WK_RETURN_IF_ERROR(wk_tree_walk(&r.tree, dir, archive, b->o->ctx, err));
  return read_tree(&r, 1, err);
}

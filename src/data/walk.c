/* walk.c - what lies in a folder, sorted the same way on every machine. A file is taken for a photo by its ending, or
 * by its first bytes where the ending says nothing; no other byte is read here. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/data.h"
#include "data/packed.h"
#include "whisker/image.h"

#define DEPTH_MAX 32

static bool has_ending(const char *name, const char *const *known) {
  const char *dot = strrchr(name, '.');
  if (!dot || dot == name)
    return false;
  for (; *known; known++)
    if (strcasecmp(dot + 1, *known) == 0)
      return true;
  return false;
}

bool wk_photo_ending(const char *name) { return wk_image_format_of_name(name) != WK_IMAGE_UNKNOWN; }

/* Left by file managers, archivers, notebooks and servers; nobody means them. */
bool wk_is_litter(const char *name) {
  static const char *const known[] = {"__MACOSX",    "Thumbs.db",
                                      "ehthumbs.db", "desktop.ini",
                                      "@eaDir",      "#recycle",
                                      "#snapshot",   "$RECYCLE.BIN",
                                      "RECYCLER",    "System Volume Information",
                                      "lost+found",  "__pycache__",
                                      NULL};
  if (name[0] == '.')
    return true;
  for (const char *const *k = known; *k; k++)
    if (strcasecmp(name, *k) == 0)
      return true;
  return false;
}

size_t wk_archive_stem(const char *name) {
  static const char *const known[] = {".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".tgz", ".tbz2",
                                      ".txz",    ".tar",     ".zip",    ".7z",      ".gz",  NULL};
  size_t len = strlen(name);
  for (const char *const *k = known; *k; k++)
    if (len > strlen(*k) && strcasecmp(name + len - strlen(*k), *k) == 0)
      return len - strlen(*k);
  return 0;
}

/* A .txt may be anything; as a list of photos it has a name that says so. */
static bool is_list_name(const char *name) {
  static const char *const list[] = {"csv", "tsv", NULL}, *const text[] = {"txt", NULL};
  if (has_ending(name, list))
    return true;
  size_t len = strlen(name);
  return has_ending(name, text) && (wk_split_find(name, len - 4) != WK_SPLIT_ALL ||
                                    strcasecmp(name, "labels.txt") == 0 || strcasecmp(name, "list.txt") == 0);
}

static bool is_beside_name(const char *name) {
  static const char *const known[] = {"cls", "json", "txt", NULL};
  return has_ending(name, known);
}

/* Takes ownership of `rel`, also on failure. */
static wk_status push(wk_files *list, char *rel, uint32_t place, wk_error *err) {
  if (rel && list->count == list->cap) {
    size_t cap = list->cap ? list->cap * 2 : 64;
    wk_file *grown = wk_grow(list->file, list->count * sizeof *grown, cap * sizeof *grown);
    if (grown) {
      list->file = grown;
      list->cap = cap;
    }
  }
  if (!rel || list->count == list->cap) {
    wk_free(rel);
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a list of %zu files", list->count + 1);
  }
  list->file[list->count++] = (wk_file){rel, place};
  return WK_OK;
}

static wk_status push_copy(wk_files *list, const char *rel, uint32_t place, wk_error *err) {
  return push(list, wk_strdup(rel), place, err);
}

/* Remembers a few endings of what is left out, so that messages can name them. */
static void note_ignored(wk_tree *tree, const char *name) {
  tree->ignored++;
  const char *dot = strrchr(name, '.');
  size_t have = strlen(tree->other), len = dot ? strlen(dot) : 0;
  if (len < 2 || len > 8 || have + len + 3 > sizeof tree->other)
    return;
  for (const char *at = tree->other; (at = strstr(at, dot)); at += len)
    if (at[len] == 0 || at[len] == ',')
      return;
  snprintf(tree->other + have, sizeof tree->other - have, "%s%s", have ? ", " : "", dot);
}

/* What a walk passes around. */
typedef struct walker {
  wk_tree *tree;
  uint32_t place;
  const char *dir;
  const char *prefix; /* of every `rel` */
  const wk_context *ctx;
} walker;

/* One folder on the way down. */
typedef struct level {
  const struct level *up;
  dev_t dev;
  ino_t ino;
  int depth;
} level;

static wk_status walk(const walker *w, const char *below, const level *up, wk_error *err);

static wk_status enter(const walker *w, const char *below, const struct stat *s, const level *up, wk_error *err) {
  for (const level *l = up; l; l = l->up)
    if (l->dev == s->st_dev && l->ino == s->st_ino)
      return WK_OK; /* a link back up: everything there is seen already */
  if (up->depth >= DEPTH_MAX)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "%s/%s: folders lie more than %d deep; give a folder further down", w->dir,
                   below, DEPTH_MAX);
  WK_RETURN_IF_ERROR(push(&w->tree->folder, wk_asprintf("%s%s", w->prefix, below), w->place, err));
  level here = {up, s->st_dev, s->st_ino, up->depth + 1};
  return walk(w, below, &here, err);
}

/* By its first bytes, where its name says nothing. */
static void look_inside(bool *photo, bool *packed, int folder, const char *name) {
  uint8_t head[64];
  struct stat s;
  *photo = *packed = false;
  int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0)
    return;
  ssize_t n = pread(fd, head, sizeof head, 0);
  if (n > 0 && fstat(fd, &s) == 0) {
    *photo = wk_image_sniff(head, (size_t)n) != WK_IMAGE_UNKNOWN;
    *packed = !*photo && wk_packed_sniff(name, head, (size_t)n, (uint64_t)s.st_size);
  }
  close(fd);
}

/* A file that is no photo by its name. Takes ownership of `rel`. */
static wk_status take_other(const walker *w, char *rel, int folder, const char *name, bool regular, wk_error *err) {
  wk_tree *t = w->tree;
  bool photo = false, packed = false, archive = regular && wk_archive_stem(name), list = regular && is_list_name(name);
  if (regular && !archive && !list)
    look_inside(&photo, &packed, folder, name);
  if (photo || packed)
    return push(photo ? &t->photo : &t->packed, rel, w->place, err);
  note_ignored(t, name);
  wk_status st = rel ? WK_OK : WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a list of files");
  if (st == WK_OK && archive)
    st = push_copy(&t->archive, rel, w->place, err);
  if (st == WK_OK && list)
    st = push_copy(&t->list, rel, w->place, err);
  if (st == WK_OK && regular && is_beside_name(name))
    st = push_copy(&t->beside, rel, w->place, err);
  wk_free(rel);
  return st;
}

static wk_status visit(const walker *w, const char *below, int folder, const struct dirent *entry, const level *up,
                       wk_error *err) {
  const char *name = entry->d_name;
  bool regular = entry->d_type == DT_REG;
  if (!regular) {
    struct stat s;
    if (fstatat(folder, name, &s, 0) != 0) {
      /* A link that leads nowhere: keep what is meant as a photo, so that it is named as unreadable later. */
      regular = errno == ENOENT && entry->d_type == DT_LNK && wk_photo_ending(name);
    } else if (S_ISDIR(s.st_mode)) {
      char *path = *below ? wk_asprintf("%s/%s", below, name) : wk_strdup(name);
      wk_status st =
          path ? enter(w, path, &s, up, err)
               : WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a list of %zu files", w->tree->photo.count + 1);
      wk_free(path);
      return st;
    } else {
      regular = S_ISREG(s.st_mode);
    }
  }
  char *rel = wk_asprintf("%s%s%s%s", w->prefix, below, *below ? "/" : "", name);
  if (regular && wk_photo_ending(name))
    return push(&w->tree->photo, rel, w->place, err);
  return take_other(w, rel, folder, name, regular, err);
}

static wk_status walk(const walker *w, const char *below, const level *up, wk_error *err) {
  wk_status st = WK_OK;
  DIR *dir = NULL;
  char *path = *below ? wk_path_join(w->dir, below) : wk_strdup(w->dir);
  WK_FAIL_IF(!path, err, WK_ERR_MEMORY, "out of memory for a list of %zu files", w->tree->photo.count + 1);
  dir = opendir(path);
  WK_FAIL_IF(!dir, err, WK_ERR_IO, "%s: this folder cannot be read: %s", path, strerror(errno));
  for (size_t n = 0;; n++) {
    errno = 0;
    const struct dirent *entry = readdir(dir);
    WK_FAIL_IF(!entry && errno, err, WK_ERR_IO, "%s: this folder cannot be read: %s", path, strerror(errno));
    if (!entry)
      break;
    WK_FAIL_IF(n % 256 == 0 && wk_cancelled(w->ctx), err, WK_ERR_CANCELLED, "%s: looking through it was stopped", path);
    if (!wk_is_litter(entry->d_name))
      WK_TRY(visit(w, below, dirfd(dir), entry, up, err));
  }
done:
  if (dir)
    closedir(dir);
  wk_free(path);
  return st;
}

static int by_rel(const void *a, const void *b) {
  const wk_file *x = a, *y = b;
  int order = strcmp(x->rel, y->rel);
  return order ? order : (x->place > y->place) - (x->place < y->place);
}

static void sort(wk_files *list) {
  if (list->count)
    qsort(list->file, list->count, sizeof *list->file, by_rel);
}

static wk_status add_place(uint32_t *number, wk_tree *tree, const char *dir, const char *show, size_t skip,
                           wk_error *err) {
  if (tree->places == tree->place_cap) {
    size_t cap = tree->place_cap ? tree->place_cap * 2 : 4;
    wk_place *grown = wk_grow(tree->place, tree->places * sizeof *grown, cap * sizeof *grown);
    if (!grown)
      return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a list of %zu folders", tree->places + 1);
    tree->place = grown;
    tree->place_cap = cap;
  }
  wk_place p = {wk_strdup(dir), show ? wk_strdup(show) : NULL, skip};
  if (!p.dir || (show && !p.show)) {
    wk_free(p.dir);
    wk_free(p.show);
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a list of %zu folders", tree->places + 1);
  }
  *number = (uint32_t)tree->places;
  tree->place[tree->places++] = p;
  return WK_OK;
}

wk_status wk_tree_add(wk_tree *tree, const char *dir, const char *show, const char *prefix, const wk_context *ctx,
                      wk_error *err) {
  walker w = {.tree = tree, .dir = dir, .prefix = prefix, .ctx = ctx};
  struct stat s;
  if (stat(dir, &s) != 0)
    return WK_FAIL(err, errno == ENOENT ? WK_ERR_NOT_FOUND : WK_ERR_IO, "%s: cannot be opened: %s", dir,
                   strerror(errno));
  WK_RETURN_IF_ERROR(add_place(&w.place, tree, dir, show, strlen(prefix), err));
  if (*prefix)
    WK_RETURN_IF_ERROR(push(&tree->folder, wk_strndup(prefix, strlen(prefix) - 1), w.place, err));
  level top = {NULL, s.st_dev, s.st_ino, 0};
  WK_RETURN_IF_ERROR(walk(&w, "", &top, err));
  wk_files *const all[] = {&tree->photo, &tree->folder, &tree->list, &tree->beside, &tree->archive, &tree->packed};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    sort(all[i]);
  return WK_OK;
}

wk_status wk_tree_walk(wk_tree *tree, const char *root, const char *show, const wk_context *ctx, wk_error *err) {
  *tree = (wk_tree){0};
  wk_status st = wk_tree_add(tree, root, show, "", ctx, err);
  if (st != WK_OK)
    wk_tree_free(tree);
  return st;
}

wk_status wk_tree_add_file(wk_tree *tree, const char *path, wk_error *err) {
  uint32_t place = 0;
  const char *base = wk_path_base(path);
  char *dir = base == path ? wk_strdup(".") : wk_strndup(path, (size_t)(base - path) - (base - path > 1));
  wk_status st =
      dir ? add_place(&place, tree, dir, NULL, 0, err) : WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory", path);
  wk_free(dir);
  return st == WK_OK ? push_copy(&tree->packed, base, place, err) : st;
}

char *wk_file_path(const wk_tree *tree, const wk_file *f) {
  const wk_place *p = &tree->place[f->place];
  return wk_path_join(p->dir, f->rel + p->skip);
}

char *wk_file_show(const wk_tree *tree, const wk_file *f) {
  const wk_place *p = &tree->place[f->place];
  return wk_path_join(p->show ? p->show : p->dir, f->rel + p->skip);
}

static void free_files(wk_files *list) {
  for (size_t i = 0; i < list->count; i++)
    wk_free(list->file[i].rel);
  wk_free(list->file);
}

void wk_tree_free(wk_tree *tree) {
  free_files(&tree->photo);
  free_files(&tree->folder);
  free_files(&tree->list);
  free_files(&tree->beside);
  free_files(&tree->archive);
  free_files(&tree->packed);
  for (size_t i = 0; i < tree->places; i++) {
    wk_free(tree->place[i].dir);
    wk_free(tree->place[i].show);
  }
  wk_free(tree->place);
  *tree = (wk_tree){0};
}

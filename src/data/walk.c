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
#include "whisker/image.h"

#define DEPTH_MAX 32

bool wk_photo_ending(const char *name) {
  static const char *const known[] = {"jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff"};
  const char *dot = strrchr(name, '.');
  if (!dot || dot == name)
    return false;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strcasecmp(dot + 1, known[i]) == 0)
      return true;
  return false;
}

static bool is_list_ending(const char *name) {
  const char *dot = strrchr(name, '.');
  return dot && (strcasecmp(dot, ".csv") == 0 || strcasecmp(dot, ".tsv") == 0);
}

/* Left by file managers and archivers; nobody means them. */
bool wk_is_litter(const char *name) {
  return name[0] == '.' || strcmp(name, "__MACOSX") == 0 || strcasecmp(name, "Thumbs.db") == 0 ||
         strcasecmp(name, "desktop.ini") == 0;
}

static bool looks_like_photo(int folder, const char *name) {
  uint8_t head[64];
  int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0)
    return false;
  ssize_t n = pread(fd, head, sizeof head, 0);
  close(fd);
  return n > 0 && wk_image_sniff(head, (size_t)n) != WK_IMAGE_UNKNOWN;
}

/* Takes ownership of `path`, also on failure. */
static wk_status push(char ***list, size_t *count, size_t *cap, char *path, wk_error *err) {
  if (path && *count == *cap) {
    size_t more = *cap ? *cap * 2 : 256;
    char **grown = wk_grow(*list, *count * sizeof *grown, more * sizeof *grown);
    if (grown) {
      *list = grown;
      *cap = more;
    }
  }
  if (!path || *count == *cap) {
    wk_free(path);
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a list of %zu files", *count + 1);
  }
  (*list)[(*count)++] = path;
  return WK_OK;
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

/* One folder on the way down. */
typedef struct level {
  const struct level *up;
  dev_t dev;
  ino_t ino;
} level;

static wk_status walk(wk_tree *tree, const char *root, const char *relative, const level *up, int depth, wk_error *err);

static wk_status enter(wk_tree *tree, const char *root, const char *relative, const struct stat *s, const level *up,
                       int depth, wk_error *err) {
  for (const level *l = up; l; l = l->up)
    if (l->dev == s->st_dev && l->ino == s->st_ino)
      return WK_OK; /* a link back up: everything there is seen already */
  if (depth > DEPTH_MAX)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "%s/%s: folders lie more than %d deep; give a folder further down", root,
                   relative, DEPTH_MAX);
  WK_RETURN_IF_ERROR(push(&tree->folder, &tree->folders, &tree->folder_cap, wk_strdup(relative), err));
  level here = {up, s->st_dev, s->st_ino};
  return walk(tree, root, relative, &here, depth, err);
}

static wk_status visit(wk_tree *tree, const char *root, const char *relative, int folder, const struct dirent *entry,
                       const level *up, int depth, wk_error *err) {
  wk_status st = WK_OK;
  const char *name = entry->d_name;
  char *path = *relative ? wk_asprintf("%s/%s", relative, name) : wk_strdup(name);
  WK_FAIL_IF(!path, err, WK_ERR_MEMORY, "out of memory for a list of %zu files", tree->photos + 1);

  bool regular = entry->d_type == DT_REG;
  if (!regular) {
    struct stat s;
    if (fstatat(folder, name, &s, 0) != 0) {
      /* A link that leads nowhere: keep what is meant as a photo, so that it is named as unreadable later. */
      regular = errno == ENOENT && entry->d_type == DT_LNK && wk_photo_ending(name);
    } else if (S_ISDIR(s.st_mode)) {
      WK_TRY(enter(tree, root, path, &s, up, depth + 1, err));
      goto done;
    } else {
      regular = S_ISREG(s.st_mode);
    }
  }
  if (regular && (wk_photo_ending(name) || looks_like_photo(folder, name))) {
    st = push(&tree->photo, &tree->photos, &tree->photo_cap, path, err);
    path = NULL;
  } else {
    note_ignored(tree, name);
    if (regular && is_list_ending(name)) {
      st = push(&tree->list, &tree->lists, &tree->list_cap, path, err);
      path = NULL;
    }
  }
done:
  wk_free(path);
  return st;
}

static wk_status walk(wk_tree *tree, const char *root, const char *relative, const level *up, int depth,
                      wk_error *err) {
  wk_status st = WK_OK;
  DIR *dir = NULL;
  char *path = *relative ? wk_path_join(root, relative) : wk_strdup(root);
  WK_FAIL_IF(!path, err, WK_ERR_MEMORY, "out of memory for a list of %zu files", tree->photos + 1);
  dir = opendir(path);
  WK_FAIL_IF(!dir, err, WK_ERR_IO, "%s: this folder cannot be read: %s", path, strerror(errno));
  for (;;) {
    errno = 0;
    const struct dirent *entry = readdir(dir);
    WK_FAIL_IF(!entry && errno, err, WK_ERR_IO, "%s: this folder cannot be read: %s", path, strerror(errno));
    if (!entry)
      break;
    if (!wk_is_litter(entry->d_name))
      WK_TRY(visit(tree, root, relative, dirfd(dir), entry, up, depth, err));
  }
done:
  if (dir)
    closedir(dir);
  wk_free(path);
  return st;
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void sort(char **list, size_t count) {
  if (count)
    qsort(list, count, sizeof *list, by_bytes);
}

static void free_list(char **list, size_t count) {
  for (size_t i = 0; i < count; i++)
    wk_free(list[i]);
  wk_free(list);
}

wk_status wk_tree_walk(wk_tree *tree, const char *root, wk_error *err) {
  *tree = (wk_tree){0};
  struct stat s;
  if (stat(root, &s) != 0)
    return WK_FAIL(err, errno == ENOENT ? WK_ERR_NOT_FOUND : WK_ERR_IO, "%s: cannot be opened: %s", root,
                   strerror(errno));
  level top = {NULL, s.st_dev, s.st_ino};
  wk_status st = walk(tree, root, "", &top, 0, err);
  if (st != WK_OK) {
    wk_tree_free(tree);
    return st;
  }
  sort(tree->photo, tree->photos);
  sort(tree->folder, tree->folders);
  sort(tree->list, tree->lists);
  return WK_OK;
}

void wk_tree_free(wk_tree *tree) {
  free_list(tree->photo, tree->photos);
  free_list(tree->folder, tree->folders);
  free_list(tree->list, tree->lists);
  *tree = (wk_tree){0};
}

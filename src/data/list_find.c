/* list_find.c - finds the photos that a list names. Lists travel without their folders: paths are those of another
 * computer, written the Windows way, without endings, or relative to who knows what. What found one photo is tried
 * first for the next. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/list.h"

#define FOLDERS_MAX 64
#define DEPTH_MAX 16     /* components that may be taken off a path */
#define SEARCHES_MAX 200 /* for photos that are nowhere: then only the usual places are looked at */

static const char *const endings[] = {"",     ".jpg",  ".jpeg", ".png", ".JPG", ".JPEG",
                                      ".PNG", ".webp", ".bmp",  ".gif", ".tif", ".tiff"};
enum { ENDINGS = sizeof endings / sizeof *endings, PARENT = 3 };

typedef struct way {
  size_t folder, strip, ending;
} way;

struct wk_finder {
  char *base;    /* the list's folder, with its '/', or "" */
  char **folder; /* to look in, below `base`, each with its '/' */
  size_t folders, usual,
      preferred; /* the first `usual` need no guess; those up to `preferred` are called as the list is */
  way last;
  bool found;
  size_t lost;
  char guess[600];
};

/* ---- folders ---------------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static wk_status add_folder(wk_finder *f, char *name, wk_error *err) {
  if (!name)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory");
  f->folder[f->folders++] = name;
  return WK_OK;
}

/* Folders beside the list, and those in them. */
static wk_status add_below(wk_finder *f, const char *below, int depth, wk_error *err) {
  wk_status st = WK_OK;
  size_t first = f->folders, last;
  char *path = wk_asprintf("%s%s", *f->base || *below ? f->base : "./", below);
  DIR *dir = path ? opendir(path) : NULL;
  WK_FAIL_IF(!path, err, WK_ERR_MEMORY, "out of memory");
  for (const struct dirent *e; dir && f->folders < FOLDERS_MAX && (e = readdir(dir));) {
    struct stat s;
    bool folder = e->d_type == DT_DIR ||
                  (e->d_type != DT_REG && fstatat(dirfd(dir), e->d_name, &s, 0) == 0 && S_ISDIR(s.st_mode));
    if (folder && !wk_is_litter(e->d_name) && !(depth == 0 && strcmp(e->d_name, "images") == 0))
      WK_TRY(add_folder(f, wk_asprintf("%s%s/", below, e->d_name), err));
  }
  last = f->folders;
  qsort(f->folder + first, last - first, sizeof *f->folder, by_text);
  for (size_t i = first; depth < 1 && i < last; i++)
    WK_TRY(add_below(f, f->folder[i], depth + 1, err));
done:
  if (dir)
    closedir(dir);
  wk_free(path);
  return st;
}

/* Is a folder called as the list is: train/ or train_images/ for train.csv? */
static bool goes_with(const char *folder, const char *stem, size_t len) {
  size_t n = strcspn(folder, "/");
  wk_split split = wk_split_find(stem, len);
  return (n >= len && strncmp(folder, stem, len) == 0) || (split != WK_SPLIT_ALL && wk_split_find(folder, n) == split);
}

static void prefer(wk_finder *f, const char *list) {
  const char *stem = wk_path_base(list), *dot = strrchr(stem, '.');
  size_t len = dot ? (size_t)(dot - stem) : strlen(stem), to = f->usual;
  for (size_t i = f->usual; i < f->folders; i++)
    if (len && goes_with(f->folder[i], stem, len)) {
      char *name = f->folder[i];
      memmove(f->folder + to + 1, f->folder + to, (i - to) * sizeof *f->folder);
      f->folder[to++] = name;
    }
  f->preferred = to;
}

wk_status wk_finder_open(wk_finder **out, const char *list, wk_error *err) {
  static const char *const usual[] = {"", "images/", "../images/", [PARENT] = "../"};
  wk_status st = WK_OK;
  wk_finder *f = wk_calloc(1, sizeof *f);
  WK_FAIL_IF(!f, err, WK_ERR_MEMORY, "%s: out of memory", list);
  f->base = wk_strndup(list, (size_t)(wk_path_base(list) - list));
  f->folder = wk_calloc(FOLDERS_MAX + 8, sizeof *f->folder);
  WK_FAIL_IF(!f->base || !f->folder, err, WK_ERR_MEMORY, "%s: out of memory", list);
  for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
    WK_TRY(add_folder(f, wk_strdup(usual[i]), err));
  f->usual = f->folders;
  WK_TRY(add_below(f, "", 0, err));
  prefer(f, list);
  *out = f;
  f = NULL;
done:
  wk_finder_free(f);
  return st;
}

void wk_finder_free(wk_finder *f) {
  if (!f)
    return;
  for (size_t i = 0; f->folder && i < f->folders; i++)
    wk_free(f->folder[i]);
  wk_free(f->folder);
  wk_free(f->base);
  wk_free(f);
}

const char *wk_finder_guess(const wk_finder *f) { return *f->guess ? f->guess : NULL; }

/* ---- one photo -------------------------------------------------------------------------------- */

/* The path without its first `strip` components; NULL: it has not so many. */
static const char *stripped(const char *file, size_t strip) {
  for (; strip; strip--) {
    const char *slash = strchr(file, '/');
    if (!slash || !slash[1])
      return NULL;
    file = slash + 1;
  }
  return file;
}

/* Is the first component of `file` the name of the list's own folder? */
static bool names_own_folder(const wk_finder *f, const char *file) {
  size_t end = strlen(f->base), begin = end ? end - 1 : 0, len = strcspn(file, "/");
  while (begin > 0 && f->base[begin - 1] != '/')
    begin--;
  return end && end - 1 - begin == len && strncmp(f->base + begin, file, len) == 0;
}

/* *path is NULL where there is no such file. */
static wk_status try(char **path, const wk_finder *f, const char *file, const way *w, wk_error *err) {
  *path = NULL;
  const char *rest = stripped(file, w->strip);
  if (!rest || !*rest || (w->ending && wk_photo_ending(rest)))
    return WK_OK;
  if (w->folder == PARENT && names_own_folder(f, rest))
    return WK_OK; /* back here: found without the detour when that is taken off */
  bool absolute = rest[0] == '/';
  if (absolute && w->folder)
    return WK_OK;
  char *full =
      wk_asprintf("%s%s%s%s", absolute ? "" : f->base, absolute ? "" : f->folder[w->folder], rest, endings[w->ending]);
  struct stat s;
  if (!full)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory");
  if (stat(full, &s) == 0 && !S_ISDIR(s.st_mode))
    *path = full;
  else
    wk_free(full);
  return WK_OK;
}

/* In a folder that nothing speaks for, a photo must not be in a second one. */
static wk_status check_only(const wk_finder *f, const char *file, const way *w, wk_error *err) {
  if (w->folder < f->preferred)
    return WK_OK;
  way other = *w;
  for (other.folder = w->folder + 1; other.folder < f->folders; other.folder++) {
    char *path;
    WK_RETURN_IF_ERROR(try(&path, f, file, &other, err));
    if (!path)
      continue;
    wk_free(path);
    return WK_FAIL(err, WK_ERR_FORMAT, "%.200s may be the one in %s or the one in %s. Write the folder into the list",
                   file, f->folder[w->folder], f->folder[other.folder]);
  }
  return WK_OK;
}

/* The least that must be taken off comes first. */
static wk_status search(char **path, wk_finder *f, const char *file, wk_error *err) {
  way w;
  *path = NULL;
  for (w.strip = 0; w.strip < DEPTH_MAX && stripped(file, w.strip); w.strip++)
    for (w.folder = 0; w.folder < f->folders; w.folder++)
      for (w.ending = 0; w.ending < ENDINGS; w.ending++) {
        WK_RETURN_IF_ERROR(try(path, f, file, &w, err));
        if (!*path)
          continue;
        wk_status st = check_only(f, file, &w, err);
        if (st != WK_OK) {
          wk_free(*path);
          *path = NULL;
          return st;
        }
        f->last = w;
        f->found = true;
        if (!*f->guess && (w.strip || w.folder >= f->usual))
          snprintf(f->guess, sizeof f->guess, "\"%.200s\" is taken for %.300s", file, *path);
        return WK_OK;
      }
  return WK_OK;
}

/* '/' for '\', without "C:" and "./". */
static char *usual_form(const char *file) {
  if (((file[0] | 0x20) >= 'a' && (file[0] | 0x20) <= 'z') && file[1] == ':')
    file += 2;
  char *copy = wk_strdup(file);
  for (char *c = copy; c && *c; c++)
    *c = *c == '\\' ? '/' : *c;
  char *from = copy;
  while (from && from[0] == '.' && from[1] == '/')
    from += 2;
  if (from != copy)
    memmove(copy, from, strlen(from) + 1);
  return copy;
}

wk_status wk_finder_find(char **path, bool *there, wk_finder *f, const char *file, wk_error *err) {
  wk_status st = WK_OK;
  char *found = NULL, *form = NULL;
  static const way plain = {0};
  if (strchr(file, '\\')) /* it may be part of a name here */
    WK_TRY(try(&found, f, file, &plain, err));
  form = usual_form(file);
  WK_FAIL_IF(!form, err, WK_ERR_MEMORY, "out of memory");
  if (!found)
    WK_TRY(try(&found, f, form, &plain, err));
  if (!found && f->found)
    WK_TRY(try(&found, f, form, &f->last, err));
  if (!found && f->lost < SEARCHES_MAX)
    WK_TRY(search(&found, f, form, err));
  *there = found != NULL;
  f->lost += !found;
  if (!found)
    found = wk_asprintf("%s%s", form[0] == '/' ? "" : f->base, form);
  WK_FAIL_IF(!found, err, WK_ERR_MEMORY, "out of memory");
  *path = found;
  found = NULL;
done:
  wk_free(found);
  wk_free(form);
  return st;
}

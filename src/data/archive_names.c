/* archive_names.c - what remains to be done when all files of an archive are out: names that are not UTF-8 are decoded
 * (all of them alike, for one program wrote them), links are made where they lead to something inside, and what could
 * not be had is written down, to be told whenever the archive is opened. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/archive.h"

#define NOTES_NAME ".notes" /* litter by its name, so that no walk and no archive can take it for something else */
#define NOTES_BYTES_MAX ((size_t)1 << 16)

wk_status wk_archive_see_name(wk_unpacking *u, const char *below, wk_error *err) {
  for (const char *at = below; *at;) {
    size_t len = strcspn(at, "/");
    if (!wk_is_utf8(at, len)) {
      char *part = wk_strndup(at, len);
      if (!part)
        return WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory", u->path);
      wk_encoding_vote(&u->votes, part);
      wk_free(part);
    }
    at += len + (at[len] == '/');
  }
  return WK_OK;
}

/* ---- names ------------------------------------------------------------------------------------ */

static wk_status decode(char **out, const wk_unpacking *u, wk_encoding e, const char *name, wk_error *err) {
  wk_status st = wk_encoding_decode(out, e, name, err);
  if (st == WK_OK || st == WK_ERR_MEMORY)
    return st;
  return wk_error_prefix(err, st, "%s: its names are in an old encoding (unpack it yourself and give its folder)",
                         u->path);
}

static bool plain(const char *name) { return !strchr(name, '/') && strcmp(name, "..") != 0 && strcmp(name, ".") != 0; }

static wk_status rename_one(const wk_unpacking *u, wk_encoding e, int at, const char *name, wk_error *err) {
  char *decoded;
  WK_RETURN_IF_ERROR(decode(&decoded, u, e, name, err));
  wk_status st = WK_OK;
  struct stat s;
  if (!plain(decoded) || fstatat(at, decoded, &s, AT_SYMLINK_NOFOLLOW) == 0)
    st = WK_FAIL(err, WK_ERR_FORMAT, "%s: two of its names are one (%.200s). Unpack it yourself and give its folder",
                 u->path, decoded);
  else if (renameat(at, name, at, decoded) != 0)
    st = WK_FAIL(err, WK_ERR_IO, "%s: %.200s cannot be written: %s", u->path, decoded, strerror(errno));
  wk_free(decoded);
  return st;
}

/* Lowest first, and from a list: what is renamed may turn up again in a folder that is still being read. */
static wk_status rename_below(const wk_unpacking *u, wk_encoding e, int at, const char *folder, wk_error *err) {
  wk_status st = WK_OK;
  wk_names odd = {0};
  uint32_t number;
  int fd = openat(at, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
  if (!dir && fd >= 0)
    close(fd);
  WK_FAIL_IF(!dir, err, WK_ERR_IO, "%s: %s: %s", u->path, folder, strerror(errno));
  for (const struct dirent *entry; (entry = readdir(dir));) {
    const char *name = entry->d_name;
    if (name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2])))
      continue;
    struct stat s;
    if (fstatat(dirfd(dir), name, &s, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(s.st_mode))
      WK_TRY(rename_below(u, e, dirfd(dir), name, err));
    if (!wk_is_utf8(name, strlen(name)))
      WK_TRY(wk_names_add(&number, &odd, name, strlen(name), err));
  }
  for (size_t i = 0; i < odd.count; i++)
    WK_TRY(rename_one(u, e, dirfd(dir), odd.name[i], err));
done:
  wk_names_free(&odd);
  if (dir)
    closedir(dir);
  return st;
}

/* A path of which some components may have been renamed. */
static wk_status decode_path(char **path, const wk_unpacking *u, wk_encoding e, wk_error *err) {
  if (wk_is_utf8(*path, strlen(*path)))
    return WK_OK;
  wk_text text = {0};
  for (const char *at = *path; *at;) {
    size_t len = strcspn(at, "/");
    char *part = wk_strndup(at, len), *decoded = NULL;
    wk_status st = !part                   ? WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory", u->path)
                   : wk_is_utf8(part, len) ? WK_OK
                                           : decode(&decoded, u, e, part, err);
    if (st == WK_OK)
      wk_text_add(&text, "%s%s", decoded ? decoded : part, at[len] == '/' ? "/" : "");
    wk_free(part);
    wk_free(decoded);
    if (st != WK_OK || text.failed) {
      wk_text_free(&text);
      return st != WK_OK ? st : WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory", u->path);
    }
    at += len + (at[len] == '/');
  }
  wk_free(*path);
  *path = text.data;
  return WK_OK;
}

/* ---- links ------------------------------------------------------------------------------------ */

/* Goes from folder `from` along `to`, by names alone; false: that leads out of the archive. */
static bool follow(wk_text *at, const char *from, const char *to) {
  wk_text_append(at, from, strlen(from));
  if (*to == '/')
    return false;
  while (*to) {
    size_t len = strcspn(to, "/");
    if (len == 2 && memcmp(to, "..", 2) == 0) {
      if (!at->data || !at->len)
        return false;
      char *slash = strrchr(at->data, '/');
      at->len = slash ? (size_t)(slash - at->data) : 0;
      at->data[at->len] = 0;
    } else if (len && !(len == 1 && *to == '.')) {
      if (at->len)
        wk_text_append(at, "/", 1);
      wk_text_append(at, to, len);
    }
    to += len + (to[len] == '/');
  }
  return true;
}

/* Is every folder above that name a folder, rather than a link? Through a link, "../" would count from elsewhere. */
static bool in_plain_folders(char *file, size_t root) {
  struct stat s;
  bool plain = true;
  for (char *at = file + root + 1; plain && (at = strchr(at, '/')); at++) {
    *at = 0;
    plain = lstat(file, &s) != 0 || S_ISDIR(s.st_mode);
    *at = '/';
  }
  return plain;
}

/* Makes one link, relative, so that the folder can be moved. *made: there is something where it leads. */
static wk_status make_link(bool *made, const wk_unpacking *u, const wk_archive_link *l, wk_error *err) {
  wk_status st = WK_OK;
  wk_text target = {0}, relative = {0};
  char *file = wk_path_join(u->to, l->name), *slash;
  const char *end = strrchr(l->name, '/');
  char *from = wk_strndup(l->name, end && !l->hard ? (size_t)(end - l->name) : 0);
  *made = false;
  WK_FAIL_IF(!file || !from, err, WK_ERR_MEMORY, "%s: out of memory", u->path);
  const char *to = l->to;
  while (l->hard && *to == '/')
    to++; /* as with names: below the folder */
  if (!in_plain_folders(file, strlen(u->to)) || !follow(&target, from, to) || !target.len)
    goto done;
  for (const char *at = l->name; (at = strchr(at, '/')); at++)
    wk_text_append(&relative, "../", 3);
  wk_text_append(&relative, target.data, target.len);
  WK_FAIL_IF(target.failed || relative.failed, err, WK_ERR_MEMORY, "%s: out of memory", u->path);
  slash = strrchr(file, '/');
  *slash = 0;
  WK_TRY(wk_mkdir_p(file, err));
  *slash = '/';
  *made = symlink(relative.data, file) == 0 || errno == EEXIST;
done:
  wk_text_free(&target);
  wk_text_free(&relative);
  wk_free(from);
  wk_free(file);
  return st;
}

static wk_status make_links(wk_unpacking *u, wk_error *err) {
  size_t lost = 0;
  const char *example = NULL;
  for (size_t i = 0; i < u->links; i++) {
    bool made;
    WK_RETURN_IF_ERROR(make_link(&made, u, &u->link[i], err));
    if (!made)
      u->link[i].to[0] = 0;
  }
  /* Only now are those there that other links lead to. */
  for (size_t i = 0; i < u->links; i++) {
    struct stat s;
    char *file = wk_path_join(u->to, u->link[i].name);
    if (!file)
      return WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory", u->path);
    bool there = u->link[i].to[0] && stat(file, &s) == 0;
    if (!there) {
      if (u->link[i].to[0])
        (void)unlink(file);
      lost++;
      example = example ? example : u->link[i].name;
    }
    wk_free(file);
  }
  if (lost) {
    char name[256];
    snprintf(name, sizeof name, "%.200s", example);
    wk_one_line(name);
    wk_text_add(&u->notes, "%%: %zu of its entries %s link%s to what is not in the archive, such as %s: left out\n",
                lost, lost == 1 ? "is a" : "are", lost == 1 ? "" : "s", name);
  }
  return WK_OK;
}

/* ---- what there is to tell -------------------------------------------------------------------- */

wk_status wk_archive_finish(wk_unpacking *u, wk_error *err) {
  if (u->votes.names) {
    wk_encoding e = wk_encoding_winner(&u->votes);
    WK_RETURN_IF_ERROR(rename_below(u, e, AT_FDCWD, u->to, err));
    for (size_t i = 0; i < u->links; i++) {
      WK_RETURN_IF_ERROR(decode_path(&u->link[i].name, u, e, err));
      WK_RETURN_IF_ERROR(decode_path(&u->link[i].to, u, e, err));
    }
    wk_text_add(&u->notes, "%%: its names are not UTF-8: read as %s\n", wk_encoding_name(e));
  }
  WK_RETURN_IF_ERROR(make_links(u, err));
  if (u->notes.failed)
    return WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory", u->path);
  if (!u->notes.len)
    return WK_OK;
  char *file = wk_path_join(u->to, NOTES_NAME);
  wk_status st = file ? wk_file_write(file, u->notes.data, u->notes.len, err)
                      : WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory", u->path);
  wk_free(file);
  return st;
}

wk_status wk_archive_tell(const char *folder, const wk_unpack *how, wk_error *err) {
  wk_status st = WK_OK;
  uint8_t *bytes = NULL;
  size_t size;
  char *file = wk_path_join(folder, NOTES_NAME);
  WK_FAIL_IF(!file, err, WK_ERR_MEMORY, "%s: out of memory", folder);
  if (!wk_path_exists(file))
    goto done;
  WK_TRY(wk_file_read(&bytes, &size, file, NOTES_BYTES_MAX, err));
  for (char *line = (char *)bytes, *end; *line; line = end + 1) {
    end = strchr(line, '\n');
    if (!end)
      break;
    *end = 0;
    WK_TRY(wk_builder_note(how->notes, err, "%s%s", *line == '%' ? how->show : "", line + (*line == '%')));
  }
done:
  wk_free(bytes);
  wk_free(file);
  return st;
}

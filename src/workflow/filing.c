/* filing.c - see filing.h. The list has a line for every file before it is made ("+", with what it is made of), and one
 * once it stands ("="). A line that was cut short by a crash is no line. */
#include "workflow/filing.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/data.h"
#include "workflow/byte_names.h"

#define HEADER "# whisker: what was put into this folder; `whisker sort --undo FOLDER` takes it away again\n"
#define LIST_BYTES_MAX ((size_t)1 << 31)

/* A file that was put here. */
typedef struct filed {
  char *to;       /* below the folder */
  char *photo;    /* its whole path */
  char stamp[64]; /* size and time of change of the photo then */
  bool link, done;
} filed;

struct wk_filing {
  char *folder, *list;
  int fd; /* of the list; locked */
  filed *files;
  size_t count, cap;
  wk_names photos; /* numbers lead to the latest file of a photo */
  uint32_t *latest;
};

void wk_filing_close(wk_filing *f) {
  if (!f)
    return;
  if (f->fd >= 0)
    close(f->fd);
  for (size_t i = 0; i < f->count; i++) {
    wk_free(f->files[i].to);
    wk_free(f->files[i].photo);
  }
  wk_names_free(&f->photos);
  wk_free(f->latest);
  wk_free(f->files);
  wk_free(f->folder);
  wk_free(f->list);
  wk_free(f);
}

size_t wk_filing_count(const wk_filing *f) {
  size_t n = 0;
  for (size_t i = 0; i < f->count; i++)
    n += f->files[i].done;
  return n;
}

static bool stamp_of(char stamp[64], const char *path) {
  struct stat s;
  if (stat(path, &s) != 0)
    return false;
  snprintf(stamp, 64, "%lld-%lld.%09ld", (long long)s.st_size, (long long)s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
  return true;
}

/* ---- the list ------------------------------------------------------------------------------------- */

/* Takes to and photo (NULL: no memory). */
static wk_status remember(wk_filing *f, filed one, wk_error *err) {
  uint32_t number = 0;
  wk_status st = one.to && one.photo ? WK_OK : wk_no_memory(err);
  if (st == WK_OK && f->count == f->cap) {
    const size_t cap = f->cap ? 2 * f->cap : 64;
    filed *files = wk_grow(f->files, f->count * sizeof *files, cap * sizeof *files);
    f->files = files ? files : f->files;
    uint32_t *latest = files ? wk_grow(f->latest, f->count * sizeof *latest, cap * sizeof *latest) : NULL;
    f->latest = latest ? latest : f->latest;
    if (latest)
      f->cap = cap;
    else
      st = wk_no_memory(err);
  }
  if (st == WK_OK)
    st = wk_names_add(&number, &f->photos, one.photo, strlen(one.photo), err);
  if (st != WK_OK) {
    wk_free(one.to);
    wk_free(one.photo);
    return st;
  }
  f->latest[number] = (uint32_t)f->count;
  f->files[f->count++] = one;
  return WK_OK;
}

static wk_status append(wk_filing *f, wk_text *line, wk_error *err) {
  wk_status st = line->failed ? wk_no_memory(err) : WK_OK;
  const off_t end = lseek(f->fd, 0, SEEK_END);
  for (size_t at = 0; st == WK_OK && at < line->len;) {
    const ssize_t n = write(f->fd, line->data + at, line->len - at);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0) {
      st = errno == ENOSPC || errno == EDQUOT
               ? WK_FAIL(err, WK_ERR_IO, "%s: the disk is full; make room and try again", f->list)
               : WK_FAIL(err, WK_ERR_IO, "%s: cannot be written: %s", f->list, strerror(errno));
      (void)!ftruncate(f->fd, end);
    } else {
      at += (size_t)n;
    }
  }
  wk_text_free(line);
  return st;
}

static wk_status append_done(wk_filing *f, const filed *one, wk_error *err) {
  wk_text line = {0};
  wk_text_add(&line, "=\t");
  wk_byte_name_add(&line, one->to);
  wk_text_add(&line, "\n");
  return append(f, &line, err);
}

static wk_status append_intent(wk_filing *f, const filed *one, wk_error *err) {
  wk_text line = {0};
  wk_text_add(&line, "+\t%s\t%s\t", one->stamp, one->link ? "link" : "copy");
  wk_byte_name_add(&line, one->photo);
  wk_text_add(&line, "\t");
  wk_byte_name_add(&line, one->to);
  wk_text_add(&line, "\n");
  return append(f, &line, err);
}

/* Nothing outside of the folder is ever touched, whatever a list says. */
static bool is_below(const char *to) {
  for (const char *at = to; at; at = strchr(at, '/') ? strchr(at, '/') + 1 : NULL)
    if (!*at || *at == '/' || !strncmp(at, "../", 3) || !strcmp(at, ".."))
      return false;
  return true;
}

static wk_status read_line(wk_filing *f, char *line, wk_error *err) {
  char *part[5] = {0}, *rest = line;
  int n = 0;
  for (; n < 5 && rest; n++)
    part[n] = strsep(&rest, "\t");
  if (n == 2 && !strcmp(part[0], "=") && f->count) {
    char *to = wk_byte_name_read(part[1]);
    if (!to)
      return wk_no_memory(err);
    for (size_t i = f->count; i-- > 0;) /* nearly always the last */
      if (!strcmp(f->files[i].to, to)) {
        f->files[i].done = true;
        break;
      }
    wk_free(to);
  } else if (n == 5 && !strcmp(part[0], "+") && strlen(part[1]) < sizeof f->files->stamp) {
    filed one = {
        .to = wk_byte_name_read(part[4]), .photo = wk_byte_name_read(part[3]), .link = !strcmp(part[2], "link")};
    snprintf(one.stamp, sizeof one.stamp, "%s", part[1]);
    if (one.to && !is_below(one.to)) {
      wk_free(one.to);
      wk_free(one.photo);
      return WK_OK;
    }
    return remember(f, one, err);
  }
  return WK_OK;
}

static wk_status read_list(wk_filing *f, wk_error *err) {
  uint8_t *bytes = NULL;
  size_t size, whole;
  WK_RETURN_IF_ERROR(wk_file_read(&bytes, &size, f->list, LIST_BYTES_MAX, err));
  wk_status st = WK_OK;
  for (whole = size; whole && bytes[whole - 1] != '\n';)
    whole--;
  if (whole < size && ftruncate(f->fd, (off_t)whole) != 0) /* a line that was cut short */
    st = WK_FAIL(err, WK_ERR_IO, "%s: cannot be mended: %s", f->list, strerror(errno));
  char *line = (char *)bytes;
  for (char *end; st == WK_OK && line < (char *)bytes + whole; line = end + 1) {
    end = memchr(line, '\n', (size_t)((char *)bytes + whole - line));
    *end = 0;
    st = read_line(f, line, err);
  }
  wk_free(bytes);
  return st;
}

/* ---- files ---------------------------------------------------------------------------------------- */

static bool stands(const char *path) {
  struct stat s;
  return lstat(path, &s) == 0;
}

/* Is what stands at `path` what was put there? A copy is as large as the photo was. */
static bool is_ours(const filed *one, const char *path) {
  char target[PATH_MAX];
  struct stat s;
  if (lstat(path, &s) != 0)
    return false;
  if (!one->link)
    return S_ISREG(s.st_mode) && s.st_size == strtoll(one->stamp, NULL, 10);
  const ssize_t n = readlink(path, target, sizeof target - 1);
  if (n < 0)
    return false;
  target[n] = 0;
  return !strcmp(target, one->photo);
}

/* What was begun and not finished: it stands, or it is as if it had not been begun. */
static wk_status settle(wk_filing *f, wk_error *err) {
  for (size_t i = 0; i < f->count; i++) {
    if (f->files[i].done)
      continue;
    char *path = wk_path_join(f->folder, f->files[i].to);
    if (!path)
      return wk_no_memory(err);
    wk_writer_sweep(path, 0); /* nobody else writes here: the list is locked */
    const bool there = is_ours(&f->files[i], path);
    wk_free(path);
    if (there) {
      WK_RETURN_IF_ERROR(append_done(f, &f->files[i], err));
      f->files[i].done = true;
    }
  }
  return WK_OK;
}

wk_status wk_filing_open(wk_filing **out, const char *folder, wk_error *err) {
  wk_status st = WK_OK;
  wk_filing *f = wk_calloc(1, sizeof *f);
  WK_FAIL_IF(!f, err, WK_ERR_MEMORY, "out of memory");
  f->fd = -1;
  WK_TRY(wk_mkdir_p(folder, err));
  f->folder = wk_strdup(folder);
  f->list = wk_path_join(folder, WK_FILING_LIST);
  WK_FAIL_IF(!f->folder || !f->list, err, WK_ERR_MEMORY, "out of memory");
  f->fd = open(f->list, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  WK_FAIL_IF(f->fd < 0, err, WK_ERR_IO, "%s: cannot be written: %s", f->list, strerror(errno));
  WK_FAIL_IF(flock(f->fd, LOCK_EX | LOCK_NB) != 0, err, WK_ERR_IO, "%s: another whisker puts photos into this folder",
             folder);
  if (lseek(f->fd, 0, SEEK_END) == 0) {
    wk_text line = {0};
    wk_text_add(&line, "%s", HEADER);
    WK_TRY(append(f, &line, err));
  }
  WK_TRY(read_list(f, err));
  WK_TRY(settle(f, err));
  *out = f;
  f = NULL;
done:
  wk_filing_close(f);
  return st;
}

bool wk_filing_has(const wk_filing *f, const char *photo) {
  char whole[PATH_MAX], stamp[64];
  if (!realpath(photo, whole) || !stamp_of(stamp, whole))
    return false;
  const int64_t number = wk_names_find(&f->photos, whole, strlen(whole));
  if (number < 0)
    return false;
  const filed *one = &f->files[f->latest[number]];
  return one->done && !strcmp(one->stamp, stamp);
}

/* ---- putting -------------------------------------------------------------------------------------- */

static wk_status copy_file(const char *from, const char *to, wk_error *err) {
  enum { AT_ONCE = 1 << 16 };
  wk_status st = WK_OK;
  wk_writer *w = NULL;
  char *room = wk_alloc(AT_ONCE);
  const int fd = open(from, O_RDONLY | O_CLOEXEC);
  WK_FAIL_IF(!room, err, WK_ERR_MEMORY, "out of memory");
  WK_FAIL_IF(fd < 0, err, WK_ERR_IO, "%s: cannot be opened: %s", from, strerror(errno));
  WK_TRY(wk_writer_open(&w, to, err));
  for (ssize_t n; (n = read(fd, room, AT_ONCE)) != 0;) {
    if (n < 0 && errno == EINTR)
      continue;
    WK_FAIL_IF(n < 0, err, WK_ERR_IO, "%s: cannot be read: %s", from, strerror(errno));
    WK_TRY(wk_writer_write(w, room, (size_t)n, err));
  }
  st = wk_writer_commit(w, err);
  w = NULL;
done:
  if (w)
    wk_writer_abort(w);
  if (fd >= 0)
    close(fd);
  wk_free(room);
  return st;
}

/* A name that nothing has yet: "to", or "to-2.jpg" and so on. */
static wk_status free_name(char **name, char **path, const wk_filing *f, const char *to, wk_error *err) {
  const char *dot = strrchr(wk_path_base(to), '.');
  const size_t stem = dot && dot != wk_path_base(to) ? (size_t)(dot - to) : strlen(to);
  for (size_t n = 1;; n++) {
    *name = n == 1 ? wk_strdup(to) : wk_asprintf("%.*s-%zu%s", (int)stem, to, n, to + stem);
    *path = *name ? wk_path_join(f->folder, *name) : NULL;
    if (!*path) {
      wk_free(*name);
      return wk_no_memory(err);
    }
    if (!stands(*path))
      return WK_OK;
    wk_free(*name);
    wk_free(*path);
  }
}

static wk_status make_parent(const char *path, wk_error *err) {
  char *folder = wk_strndup(path, (size_t)(wk_path_base(path) - path));
  wk_status st = folder ? wk_mkdir_p(folder, err) : wk_no_memory(err);
  wk_free(folder);
  return st;
}

wk_status wk_filing_put(wk_filing *f, const char *photo, const char *to, bool link, wk_error *err) {
  wk_status st = WK_OK;
  char whole[PATH_MAX], *name = NULL, *path = NULL;
  filed one = {.link = link};
  if (!realpath(photo, whole) || !stamp_of(one.stamp, whole))
    return WK_FAIL(err, WK_ERR_NOT_FOUND, "%s: is no file that could be copied or linked to", photo);
  WK_RETURN_IF_ERROR(free_name(&name, &path, f, to, err));
  one.to = name;
  one.photo = wk_strdup(whole);
  WK_TRY(make_parent(path, err));
  WK_TRY(one.photo ? append_intent(f, &one, err) : wk_no_memory(err));
  if (link)
    WK_FAIL_IF(symlink(whole, path) != 0, err, WK_ERR_IO, "%s: no link can be made here: %s", path, strerror(errno));
  else
    WK_TRY(copy_file(whole, path, err));
  st = append_done(f, &one, err);
  if (st != WK_OK) {
    unlink(path);
    goto done;
  }
  one.done = true;
  st = remember(f, one, err);
  one.photo = NULL;
  name = NULL;
done:
  wk_free(one.photo);
  wk_free(name);
  wk_free(path);
  return st;
}

/* ---- undoing -------------------------------------------------------------------------------------- */

/* The folders above `to` that are empty now. */
static void remove_parents(const wk_filing *f, char *to) {
  for (char *slash; (slash = strrchr(to, '/'));) {
    *slash = 0;
    char *path = wk_path_join(f->folder, to);
    const bool gone = path && rmdir(path) == 0;
    wk_free(path);
    if (!gone)
      return;
  }
}

wk_status wk_filing_undo(size_t *removed, size_t *kept, wk_filing *f, const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  *removed = *kept = 0;
  for (size_t i = f->count; i-- > 0;) {
    filed *one = &f->files[i];
    char *path = wk_path_join(f->folder, one->to);
    WK_FAIL_IF(!path, err, WK_ERR_MEMORY, "out of memory");
    if (stands(path)) {
      const bool ours = is_ours(one, path);
      if (ours && unlink(path) == 0) {
        ++*removed;
      } else {
        wk_warn(ctx, "%s: is not what was put here, so it stays", path);
        ++*kept;
      }
    }
    wk_free(path);
    remove_parents(f, one->to);
  }
  WK_FAIL_IF(unlink(f->list) != 0, err, WK_ERR_IO, "%s: cannot be removed: %s", f->list, strerror(errno));
  rmdir(f->folder);
done:
  wk_filing_close(f);
  return st;
}

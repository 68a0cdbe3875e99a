/* writer.c - writing a file so that it is there whole or not at all: bytes go to a temporary file in the same folder,
 * which is flushed to the disk and then renamed over the old one. Pipes and devices (-o /dev/stdout) have no old
 * content to protect and are written directly. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"

#define BUFFER_BYTES 65536
enum { ORPHAN_SECONDS = 10, ORPHANS_SOUGHT_IN = 4096 }; /* files of a folder */

struct wk_writer {
  int fd;
  char *path;      /* as the caller named it, for messages */
  char *target;    /* what is replaced: path, or the file a link stands for */
  char *temporary; /* NULL when written directly */
  bool replaces;   /* something is there already */
  uint64_t written;
  size_t buffered;
  wk_status failed; /* the first failure; sticks */
  char buffer[BUFFER_BYTES];
};

static void free_writer(wk_writer *w) {
  if (!w)
    return;
  if (w->fd >= 0)
    close(w->fd);
  if (w->temporary)
    unlink(w->temporary);
  wk_free(w->temporary);
  wk_free(w->target);
  wk_free(w->path);
  wk_free(w);
}

/* Turns errno into words: what happened, what is still safe, what to do. */
static wk_status fail_write(wk_writer *w, const char *verb, wk_error *err) {
  int reason = errno;
  const char *safe = w->replaces && w->temporary ? "; what was there before is untouched" : "";
  struct statvfs disk;
  w->failed = WK_ERR_IO;
  if (reason == ENOSPC || reason == EDQUOT) {
    char room[40] = "";
    if (statvfs(w->temporary ? w->temporary : w->target, &disk) == 0)
      snprintf(room, sizeof room, ", %.1f MB free", (double)disk.f_bavail * (double)disk.f_frsize / 1e6);
    return WK_FAIL(err, WK_ERR_IO, "%s: %s (%.1f MB needed up to here%s)%s; make room and try again", w->path,
                   reason == EDQUOT ? "no more may be written by this user" : "the disk is full",
                   (double)(w->written + w->buffered) / 1e6, room, safe);
  }
  if (reason == EFBIG)
    return WK_FAIL(err, WK_ERR_IO, "%s: larger than this disk or this user's limit allows a file to be%s", w->path,
                   safe);
  return WK_FAIL(err, WK_ERR_IO, "%s: cannot be %s: %s%s", w->path, verb, strerror(reason), safe);
}

/* What temporary files for `path` begin with. Long names are cut, so that the rest stays within what the file system
 * takes. */
static size_t temporary_prefix(char prefix[128], const char *path) {
  return (size_t)snprintf(prefix, 128, ".%.100s.", wk_path_base(path));
}

/* The folder that path is in; false: its name is longer than any can be. */
static bool folder_of(char folder[PATH_MAX], const char *path) {
  const size_t n = (size_t)(wk_path_base(path) - path);
  return snprintf(folder, PATH_MAX, "%.*s", n ? (int)n : 1, n ? path : ".") < PATH_MAX;
}

/* Whoever writes holds a lock on its temporary file. Nothing is allocated: this may be the way out of being short. */
void wk_writer_sweep(const char *path, int seconds) {
  char folder[PATH_MAX], prefix[128];
  const size_t length = temporary_prefix(prefix, path);
  DIR *dir = folder_of(folder, path) ? opendir(folder) : NULL;
  int looked_at = 0;
  for (const struct dirent *e; dir && looked_at < ORPHANS_SOUGHT_IN && (e = readdir(dir)); looked_at++) {
    const size_t n = strlen(e->d_name);
    struct stat info;
    if (n < length + 4 || memcmp(e->d_name, prefix, length) != 0 ||
        strcmp(e->d_name + length + strspn(e->d_name + length, "0123456789abcdef-"), ".tmp") != 0)
      continue;
    int fd = openat(dirfd(dir), e->d_name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
      continue;
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && time(NULL) - info.st_mtime >= seconds &&
        flock(fd, LOCK_EX | LOCK_NB) == 0)
      (void)unlinkat(dirfd(dir), e->d_name, 0);
    close(fd);
  }
  if (dir)
    closedir(dir);
}

/* Where what will stand at `target` is written first. wk_free it; NULL: no memory. */
static char *temporary_name(const char *target, unsigned attempt) {
  struct timespec t;
  char prefix[128];
  clock_gettime(CLOCK_REALTIME, &t);
  temporary_prefix(prefix, target);
  return wk_asprintf("%.*s%s%lx-%lx-%x.tmp", (int)(wk_path_base(target) - target), target, prefix, (long)getpid(),
                     (long)t.tv_nsec, attempt);
}

/* Makes w->temporary, a new file beside the target. The mode is left to the umask, as for any new file; mkstemp would
 * make it private. */
static wk_status open_temporary(wk_writer *w, wk_error *err) {
  wk_writer_sweep(w->target, ORPHAN_SECONDS);
  for (unsigned attempt = 0; attempt < 100; attempt++) {
    char *name = temporary_name(w->target, attempt);
    if (!name)
      return WK_FAIL(err, WK_ERR_MEMORY, "out of memory");
    w->fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (w->fd >= 0) {
      w->temporary = name;
      (void)flock(w->fd, LOCK_EX | LOCK_NB); /* not every file system can; then an orphan stays */
      return WK_OK;
    }
    wk_free(name);
    if (errno != EEXIST)
      break;
  }
  if (errno == ENOENT || errno == ENOTDIR)
    return WK_FAIL(err, WK_ERR_NOT_FOUND, "%s: cannot be written: its folder does not exist", w->path);
  return fail_write(w, "written", err);
}

/* Where a file of this name goes: through links, also one whose target is not there yet. wk_free it; NULL: no memory,
 * or *st and err say why not. */
static char *resolve(const char *path, wk_status *st, wk_error *err) {
  char resolved[PATH_MAX];
  if (realpath(path, resolved))
    return wk_strdup(resolved);
  char *at = wk_strdup(path);
  for (int hops = 0; at; hops++) {
    const ssize_t n = readlink(at, resolved, sizeof resolved - 1);
    if (n < 0)
      return at;
    resolved[n] = 0;
    if (hops == 40) {
      wk_free(at);
      *st = WK_FAIL(err, WK_ERR_IO, "%s: cannot be written: its links lead in a circle", path);
      return NULL;
    }
    char *folder = wk_strndup(at, (size_t)(wk_path_base(at) - at));
    char *next = folder ? wk_path_join(folder, resolved) : NULL;
    wk_free(folder);
    wk_free(at);
    at = next;
  }
  return NULL;
}

wk_status wk_writer_open(wk_writer **out, const char *path, wk_error *err) {
  wk_status st = WK_OK;
  struct stat info;
  wk_writer *w = wk_alloc(sizeof *w);
  if (!w)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory");
  *w = (wk_writer){.fd = -1};
  w->path = wk_strdup(path);
  w->target = resolve(path, &st, err);
  if (st != WK_OK)
    goto done;
  WK_FAIL_IF(!w->path || !w->target, err, WK_ERR_MEMORY, "out of memory");
  WK_FAIL_IF(!*wk_path_base(path), err, WK_ERR_IO, "%s: is not a file name", *path ? path : "(empty name)");
  w->replaces = stat(w->target, &info) == 0;
  WK_FAIL_IF(w->replaces && S_ISDIR(info.st_mode), err, WK_ERR_IO, "%s: is a folder, a file name is needed", path);
  if (w->replaces && !S_ISREG(info.st_mode)) {
    w->fd = open(w->target, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    WK_FAIL_IF(w->fd < 0, err, WK_ERR_IO, "%s: cannot be written: %s", path, strerror(errno));
  } else {
    WK_TRY(open_temporary(w, err));
    /* Who may read the file stays as the user had it; where that is not allowed, it is a new file's mode. Rights to act
     * as its owner do not stay: the content is another. */
    if (w->replaces)
      (void)!fchmod(w->fd, info.st_mode & 0777);
  }
  *out = w;
  w = NULL;
done:
  free_writer(w);
  return st;
}

static wk_status write_all(wk_writer *w, const char *bytes, size_t n, wk_error *err) {
  while (n) {
    ssize_t wrote = write(w->fd, bytes, n);
    if (wrote < 0 && errno == EINTR)
      continue;
    if (wrote < 0)
      return fail_write(w, "written", err);
    bytes += wrote;
    n -= (size_t)wrote;
    w->written += (uint64_t)wrote;
  }
  return WK_OK;
}

static wk_status flush(wk_writer *w, wk_error *err) {
  wk_status st = write_all(w, w->buffer, w->buffered, err);
  w->buffered = 0;
  return st;
}

wk_status wk_writer_write(wk_writer *w, const void *bytes, size_t n, wk_error *err) {
  if (w->failed)
    return WK_FAIL(err, w->failed, "%s: cannot be written: an earlier part of it failed", w->path);
  if (n > BUFFER_BYTES - w->buffered)
    WK_RETURN_IF_ERROR(flush(w, err));
  if (n >= BUFFER_BYTES)
    return write_all(w, bytes, n, err);
  if (n)
    memcpy(w->buffer + w->buffered, bytes, n);
  w->buffered += n;
  return WK_OK;
}

/* After a power cut the rename may be forgotten otherwise. Not every file system can do this for a folder; the file
 * is in place by now, so that is no failure. */
static void sync_folder(const char *path) {
  char folder[PATH_MAX];
  int fd = folder_of(folder, path) ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  if (fd >= 0) {
    (void)fsync(fd);
    close(fd);
  }
}

wk_status wk_writer_commit(wk_writer *w, wk_error *err) {
  wk_status st = WK_OK;
  int fd;
  WK_FAIL_IF(w->failed, err, w->failed, "%s: cannot be written: an earlier part of it failed", w->path);
  WK_TRY(flush(w, err));
  if (w->temporary && fsync(w->fd) != 0) {
    st = fail_write(w, "written", err);
    goto done;
  }
  fd = w->fd;
  w->fd = w->temporary ? dup(fd) : -1; /* keeps the lock until the file has its name */
  if (close(fd) != 0 || (w->temporary && rename(w->temporary, w->target) != 0)) {
    st = fail_write(w, "put in place", err);
    goto done;
  }
  if (w->temporary) {
    wk_free(w->temporary);
    w->temporary = NULL;
    sync_folder(w->target);
  }
done:
  free_writer(w);
  return st;
}

void wk_writer_abort(wk_writer *w) { free_writer(w); }

wk_status wk_file_write(const char *path, const void *bytes, size_t n, wk_error *err) {
  wk_writer *w = NULL;
  WK_RETURN_IF_ERROR(wk_writer_open(&w, path, err));
  wk_status st = wk_writer_write(w, bytes, n, err);
  if (st != WK_OK) {
    wk_writer_abort(w);
    return st;
  }
  return wk_writer_commit(w, err);
}

/* file.c - reading files whole, and the questions one asks about paths. Only regular files are read: opening a pipe
 * or a device that lies among someone's photos must not hang. Writing is in writer.c. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "base/mapped.h"

/* A descriptor of a regular file and its size; -1 with *st filled on failure. */
static int open_regular(const char *path, size_t *size, wk_status *st, wk_error *err) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) {
    if (errno == ENOENT || errno == ENOTDIR)
      *st = WK_FAIL(err, WK_ERR_NOT_FOUND, "%s: no such file", path);
    else
      *st = WK_FAIL(err, WK_ERR_IO, "%s: cannot be opened: %s", path, strerror(errno));
    return -1;
  }
  struct stat info;
  if (fstat(fd, &info) != 0)
    *st = WK_FAIL(err, WK_ERR_IO, "%s: cannot be read: %s", path, strerror(errno));
  else if (S_ISDIR(info.st_mode))
    *st = WK_FAIL(err, WK_ERR_IO, "%s: is a folder, a file is needed", path);
  else if (!S_ISREG(info.st_mode))
    *st = WK_FAIL(err, WK_ERR_IO, "%s: is not an ordinary file", path);
  else if ((uintmax_t)info.st_size > PTRDIFF_MAX)
    *st = WK_FAIL(err, WK_ERR_IO, "%s: too large for this machine", path);
  else {
    *size = (size_t)info.st_size;
    return fd;
  }
  close(fd);
  return -1;
}

wk_status wk_file_map(wk_file_view *out, const char *path, wk_error *err) {
  size_t size;
  wk_status st = WK_OK;
  int fd = open_regular(path, &size, &st, err);
  if (fd < 0)
    return st;
  const void *data = "";
  if (size) {
    data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
      st = WK_FAIL(err, errno == ENOMEM ? WK_ERR_MEMORY : WK_ERR_IO, "%s: cannot be mapped into memory: %s", path,
                   strerror(errno));
  }
  close(fd);
  if (st == WK_OK && size)
    wk_mapped_note(data, size, path);
  if (st == WK_OK)
    *out = (wk_file_view){data, size};
  return st;
}

void wk_file_unmap(wk_file_view *view) {
  if (view && view->size) {
    wk_mapped_forget(view->data);
    munmap((void *)(uintptr_t)view->data, view->size);
  }
  if (view)
    *view = (wk_file_view){0};
}

void wk_file_release_pages(const wk_file_view *view) {
  if (view->size)
    madvise((void *)(uintptr_t)view->data, view->size, MADV_DONTNEED);
}

wk_status wk_file_read(uint8_t **out, size_t *size, const char *path, size_t limit, wk_error *err) {
  size_t expected, got = 0;
  wk_status st = WK_OK;
  uint8_t *bytes = NULL;
  int fd = open_regular(path, &expected, &st, err);
  if (fd < 0)
    return st;
  WK_FAIL_IF(expected > limit, err, WK_ERR_FORMAT, "%s: %zu bytes, at most %zu were expected", path, expected, limit);
  bytes = wk_alloc(expected + 1);
  WK_FAIL_IF(!bytes, err, WK_ERR_MEMORY, "%s: not enough memory for its %zu bytes", path, expected);
  while (got < expected) {
    ssize_t n = read(fd, bytes + got, expected - got);
    if (n < 0 && errno == EINTR)
      continue;
    WK_FAIL_IF(n < 0, err, WK_ERR_IO, "%s: cannot be read: %s", path, strerror(errno));
    if (n == 0)
      break; /* it shrank while being read: what is left of it is its content */
    got += (size_t)n;
  }
  bytes[got] = 0;
  *out = bytes;
  *size = got;
  bytes = NULL;
done:
  wk_free(bytes);
  close(fd);
  return st;
}

/* ---- paths -------------------------------------------------------------------------------------- */

bool wk_path_is_dir(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool wk_path_exists(const char *path) { return access(path, F_OK) == 0; }

char *wk_path_join(const char *a, const char *b) {
  if (b[0] == '/' || !a[0])
    return wk_strdup(b);
  return wk_asprintf("%s%s%s", a, a[strlen(a) - 1] == '/' ? "" : "/", b);
}

const char *wk_path_base(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

char *wk_path_beside(const char *path, const char *name) {
  return wk_asprintf("%.*s%s", (int)(wk_path_base(path) - path), path, name);
}

wk_status wk_mkdir_p(const char *path, wk_error *err) {
  char *partial = wk_strdup(path);
  if (!partial)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory");
  wk_status st = WK_OK;
  for (char *at = partial; st == WK_OK && *at;) {
    at += strspn(at, "/");
    at += strcspn(at, "/");
    char rest = *at;
    *at = 0;
    /* Someone else may be making the same folder, and "/" cannot be made: what counts is that it is there. */
    if (*partial && mkdir(partial, 0777) != 0) {
      int reason = errno;
      if (!wk_path_is_dir(partial))
        st = reason == EEXIST || reason == ENOTDIR
                 ? WK_FAIL(err, WK_ERR_IO, "%s: cannot be made a folder: a file of that name is there", partial)
                 : WK_FAIL(err, WK_ERR_IO, "%s: the folder cannot be made: %s", partial, strerror(reason));
    }
    *at = rest;
  }
  wk_free(partial);
  return st;
}

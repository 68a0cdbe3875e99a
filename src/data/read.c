/* read.c - a photo's bytes into memory that is used again for the next one. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/data.h"

/* Far above any photo; below what would make a wrong file eat all memory. */
#define PHOTO_BYTES_MAX ((size_t)1 << 30)

wk_status wk_photo_open(wk_photo_file *f, const char *path, wk_error *err) {
  /* O_NONBLOCK: opening a pipe must not wait for someone to write to it. */
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0)
    return WK_FAIL(err, errno == ENOENT ? WK_ERR_NOT_FOUND : WK_ERR_IO, "cannot be opened: %s", strerror(errno));
  struct stat s;
  wk_status st = WK_OK;
  if (fstat(fd, &s) != 0)
    st = WK_FAIL(err, WK_ERR_IO, "cannot be opened: %s", strerror(errno));
  else if (!S_ISREG(s.st_mode))
    st =
        WK_FAIL(err, WK_ERR_FORMAT, "is %s, not a photo", S_ISDIR(s.st_mode) ? "a folder" : "a device, pipe or socket");
  else if (s.st_size == 0)
    st = WK_FAIL(err, WK_ERR_FORMAT, "the file is empty (0 bytes)");
  else if ((uint64_t)s.st_size > PHOTO_BYTES_MAX)
    st = WK_FAIL(err, WK_ERR_FORMAT, "%lld bytes are too many for a photo (at most %zu)", (long long)s.st_size,
                 PHOTO_BYTES_MAX);
  if (st != WK_OK) {
    close(fd);
    return st;
  }
  posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED);
  *f = (wk_photo_file){fd, (size_t)s.st_size};
  return WK_OK;
}

wk_status wk_photo_read(wk_buffer *b, wk_photo_file *f, wk_error *err) {
  wk_status st = WK_OK;
  b->size = 0;
  if (b->cap < f->size) {
    size_t cap = f->size + f->size / 4;
    wk_free(b->data); /* first: two large photos need not fit at once */
    b->cap = 0;
    b->data = wk_alloc(cap);
    WK_FAIL_IF(!b->data, err, WK_ERR_MEMORY, "out of memory for a photo of %zu bytes", f->size);
    b->cap = cap;
  }
  while (b->size < f->size) {
    ssize_t n = read(f->fd, b->data + b->size, f->size - b->size);
    if (n < 0 && errno == EINTR)
      continue;
    WK_FAIL_IF(n < 0, err, WK_ERR_IO, "cannot be read: %s", strerror(errno));
    WK_FAIL_IF(n == 0, err, WK_ERR_IO, "the file became shorter while it was read");
    b->size += (size_t)n;
  }
done:
  wk_photo_close(f);
  return st;
}

void wk_photo_close(wk_photo_file *f) {
  if (f->fd >= 0)
    close(f->fd);
  f->fd = -1;
}

void wk_buffer_free(wk_buffer *b) {
  wk_free(b->data);
  *b = (wk_buffer){0};
}

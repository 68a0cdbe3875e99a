/* part.c - FILE.part, where a download comes together, and FILE.part.from, two lines that say where its bytes come
 * from. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "zoo/fetch.h"

uint64_t wk_part_limit(const wk_part_file *part) {
  return part->bytes ? part->bytes : part->most ? part->most : WK_FETCH_LIMIT;
}

static wk_status fail_write(int fd, const wk_part_file *part, wk_error *err) {
  int why = errno;
  struct statvfs disk;
  if ((why == ENOSPC || why == EDQUOT) && fstatvfs(fd, &disk) == 0) {
    double room = (double)disk.f_bavail * (double)disk.f_frsize;
    if (part->bytes)
      return WK_FAIL(err, WK_ERR_IO, "%s: the disk is full (%.1f MB needed, %.1f MB free)", part->path,
                     (double)part->bytes / 1e6, room / 1e6);
    return WK_FAIL(err, WK_ERR_IO, "%s: the disk is full (%.1f MB free)", part->path, room / 1e6);
  }
  return WK_FAIL(err, WK_ERR_IO, "%s: cannot be written: %s", part->path, strerror(why));
}

wk_status wk_part_write(int fd, const void *bytes, size_t n, const wk_part_file *part, wk_error *err) {
  const char *p = bytes;
  while (n) {
    ssize_t done = write(fd, p, n);
    if (done < 0 && errno == EINTR)
      continue;
    if (done < 0)
      return fail_write(fd, part, err);
    p += done;
    n -= (size_t)done;
  }
  return WK_OK;
}

static char *origin_path(const wk_part_file *part) { return wk_asprintf("%s.from", part->path); }

wk_status wk_part_set_origin(const wk_part_file *part, const char *url, const char *mark, wk_error *err) {
  char *path = origin_path(part);
  char *text = path && mark ? wk_asprintf("%s\n%s\n", url, mark) : NULL;
  wk_status st = WK_OK;
  WK_FAIL_IF(!path || (mark && !text), err, WK_ERR_MEMORY, "out of memory");
  if (mark)
    WK_TRY(wk_file_write(path, text, strlen(text), err));
  else
    unlink(path);
done:
  wk_free(text);
  wk_free(path);
  return st;
}

char *wk_part_origin(const wk_part_file *part, const char *url) {
  char *path = origin_path(part), *mark = NULL;
  uint8_t *text = NULL;
  size_t size;
  if (path && wk_file_read(&text, &size, path, 16384, NULL) == WK_OK) {
    const char *line = (const char *)text;
    size_t n = strlen(url);
    const char *end = strncmp(line, url, n) == 0 && line[n] == '\n' ? strchr(line + n + 1, '\n') : NULL;
    if (end && end > line + n + 1)
      mark = wk_strndup(line + n + 1, (size_t)(end - line) - n - 1);
  }
  wk_free(text);
  wk_free(path);
  return mark;
}

bool wk_part_resumable(const wk_part_file *part) {
  struct stat info;
  char *path = origin_path(part);
  bool yes = path && wk_path_exists(path) && stat(part->path, &info) == 0 && info.st_size > 0;
  wk_free(path);
  return yes;
}

void wk_part_discard(const wk_part_file *part) {
  if (truncate(part->path, 0) != 0)
    unlink(part->path);
  wk_status st = wk_part_set_origin(part, "", NULL, NULL);
  (void)st; /* without memory the note stays; it then belongs to an empty file, which is not gone on with */
}

void wk_part_remove(const wk_part_file *part) {
  wk_part_discard(part);
  unlink(part->path);
}

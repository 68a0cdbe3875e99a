/* mapped_scratch.c - room for large arrays: memory, or a mapped file without a name. Pages of the file that are let go
 * stay in the system's cache while there is space, and on the disk else, so what a process keeps of them does not grow
 * with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/base.h"

/* A file that goes away by itself. */
static wk_status nameless_file(int *fd, const char *folder, size_t bytes, const char *what, wk_error *err) {
  WK_RETURN_IF_ERROR(wk_mkdir_p(folder, err));
  char *path = wk_path_join(folder, "whisker-XXXXXX");
  if (!path)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory");
  wk_status st = WK_OK;
  int file = mkstemp(path);
  if (file >= 0)
    unlink(path);
  int code = file < 0 ? errno : posix_fallocate(file, 0, (off_t)bytes);
  if (code) {
    st = WK_FAIL(err, WK_ERR_IO, "%s: cannot keep %.1f GB of %s there: %s", folder, (double)bytes / 1e9, what,
                 strerror(code));
    if (file >= 0)
      close(file);
  } else {
    *fd = file;
  }
  wk_free(path);
  return st;
}

wk_status wk_scratch_map(void **out, const char *folder, size_t bytes, const char *what, wk_error *err) {
  int fd = -1;
  WK_RETURN_IF_ERROR(nameless_file(&fd, folder, bytes, what, err));
  void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  int code = errno;
  close(fd);
  if (map == MAP_FAILED)
    return WK_FAIL(err, WK_ERR_IO, "%s: cannot map %.1f GB of %s: %s", folder, (double)bytes / 1e9, what,
                   strerror(code));
  *out = map;
  return WK_OK;
}

void wk_scratch_unmap(void *room, size_t bytes) {
  if (room)
    munmap(room, bytes);
}

void wk_scratch_release_pages(const void *begin, const void *end) {
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = (uintptr_t)begin / page * page;
  if (end > begin)
    madvise((void *)from, (uintptr_t)end - from, MADV_DONTNEED);
}

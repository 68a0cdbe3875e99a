/* shim.c - preloaded before a program, it fails the n-th call of one kind that concerns files below one folder:
 *
 * - WK_FAULT_BELOW=FOLDER: an absolute path; calls on other files pass.
 * - WK_FAULT=KIND:N[:on|:kill]: the N-th call of KIND fails; with "on" all later ones, too; with "kill" the process is
 *   killed before it.
 * - WK_FAULT_COUNTS=FILE: when the process ends, a line "KIND COUNT" for each, for whoever numbers the calls.
 *
 * Kinds: open, read, write, fsync, rename, mmap, ftruncate, close, alloc. Calls that the C library makes within itself
 * (stdio's) are not seen: what whisker prints is not failed. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum kind { OPEN, READ, WRITE, FSYNC, RENAME, MMAP, FTRUNCATE, CLOSE, ALLOC, KINDS };
static const struct {
  const char *name;
  int error;
} kinds[KINDS] = {[OPEN] = {"open", EACCES},           [READ] = {"read", EIO},
                  [WRITE] = {"write", ENOSPC},         [FSYNC] = {"fsync", EIO},
                  [RENAME] = {"rename", EIO},          [MMAP] = {"mmap", ENOMEM},
                  [FTRUNCATE] = {"ftruncate", ENOSPC}, [CLOSE] = {"close", EIO},
                  [ALLOC] = {"alloc", ENOMEM}};

enum { FDS = 4096 };
static atomic_long calls[KINDS];
static atomic_bool watched[FDS]; /* descriptors of files below the folder */
static const char *below, *counts;
static int failing = -1;
static long number;
static enum { ONCE, ON, KILL } how;

__attribute__((constructor)) static void begin(void) {
  const char *fault = getenv("WK_FAULT");
  below = getenv("WK_FAULT_BELOW");
  counts = getenv("WK_FAULT_COUNTS");
  for (int k = 0; fault && k < KINDS; k++) {
    const size_t n = strlen(kinds[k].name);
    char *end;
    if (strncmp(fault, kinds[k].name, n) != 0 || fault[n] != ':')
      continue;
    failing = k;
    number = strtol(fault + n + 1, &end, 10);
    how = !strcmp(end, ":on") ? ON : !strcmp(end, ":kill") ? KILL : ONCE;
  }
}

__attribute__((destructor)) static void finish(void) {
  FILE *f = counts ? fopen(counts, "w") : NULL;
  for (int k = 0; f && k < KINDS; k++)
    fprintf(f, "%s %ld\n", kinds[k].name, atomic_load(&calls[k]));
  if (f)
    fclose(f);
}

/* Counts a call. True: it fails, and errno is set. */
static bool fails(enum kind k) {
  const long n = atomic_fetch_add(&calls[k], 1) + 1;
  if (failing != (int)k || n < number || (n > number && how != ON))
    return false;
  if (how == KILL)
    kill(getpid(), SIGKILL);
  errno = kinds[k].error;
  return true;
}

static bool is_below(int dir, const char *path) {
  char at[PATH_MAX], link[64];
  if (!below || !path)
    return false;
  if (*path == '/')
    return strncmp(path, below, strlen(below)) == 0;
  if (dir == AT_FDCWD)
    return getcwd(at, sizeof at) && strncmp(at, below, strlen(below)) == 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
  const ssize_t n = readlink(link, at, sizeof at - 1);
  return n > 0 && (size_t)n >= strlen(below) && strncmp(at, below, strlen(below)) == 0;
}

static bool is_watched(int fd) { return fd >= 0 && fd < FDS && atomic_load(&watched[fd]); }

#define NEXT(name) (__extension__((__typeof__(&name))dlsym(RTLD_NEXT, #name)))

static int opened(int fd) {
  if (fd >= 0 && fd < FDS)
    atomic_store(&watched[fd], true);
  return fd;
}

static int open_at(int dir, const char *path, int flags, mode_t mode) {
  __typeof__(&openat) next = NEXT(openat);
  if (!is_below(dir, path))
    return next(dir, path, flags, mode);
  return fails(OPEN) ? -1 : opened(next(dir, path, flags, mode));
}

#define MODE_OF(flags, last)                                                                                           \
  mode_t mode = 0;                                                                                                     \
  if (flags & (O_CREAT | __O_TMPFILE)) {                                                                               \
    va_list more;                                                                                                      \
    va_start(more, last);                                                                                              \
    mode = va_arg(more, mode_t);                                                                                       \
    va_end(more);                                                                                                      \
  }

int open(const char *path, int flags, ...) {
  MODE_OF(flags, flags)
  return open_at(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  MODE_OF(flags, flags)
  return open_at(AT_FDCWD, path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...) {
  MODE_OF(flags, flags)
  return open_at(dir, path, flags, mode);
}

int openat64(int dir, const char *path, int flags, ...) {
  MODE_OF(flags, flags)
  return open_at(dir, path, flags, mode);
}

/* What checked copies (fortify) make of the calls below. */
int __open_2(const char *path, int flags) { return open_at(AT_FDCWD, path, flags, 0); }
int __open64_2(const char *path, int flags) { return open_at(AT_FDCWD, path, flags, 0); }
int __openat_2(int dir, const char *path, int flags) { return open_at(dir, path, flags, 0); }
int __openat64_2(int dir, const char *path, int flags) { return open_at(dir, path, flags, 0); }

ssize_t __read_chk(int fd, void *buffer, size_t n, size_t room) {
  return is_watched(fd) && fails(READ) ? -1 : NEXT(__read_chk)(fd, buffer, n, room);
}

ssize_t __pread_chk(int fd, void *buffer, size_t n, off_t at, size_t room) {
  return is_watched(fd) && fails(READ) ? -1 : NEXT(__pread_chk)(fd, buffer, n, at, room);
}

ssize_t read(int fd, void *buffer, size_t n) { return is_watched(fd) && fails(READ) ? -1 : NEXT(read)(fd, buffer, n); }

ssize_t pread(int fd, void *buffer, size_t n, off_t at) {
  return is_watched(fd) && fails(READ) ? -1 : NEXT(pread)(fd, buffer, n, at);
}

ssize_t write(int fd, const void *buffer, size_t n) {
  return is_watched(fd) && fails(WRITE) ? -1 : NEXT(write)(fd, buffer, n);
}

ssize_t pwrite(int fd, const void *buffer, size_t n, off_t at) {
  return is_watched(fd) && fails(WRITE) ? -1 : NEXT(pwrite)(fd, buffer, n, at);
}

int fsync(int fd) { return is_watched(fd) && fails(FSYNC) ? -1 : NEXT(fsync)(fd); }

int ftruncate(int fd, off_t length) { return is_watched(fd) && fails(FTRUNCATE) ? -1 : NEXT(ftruncate)(fd, length); }

/* The descriptor is gone whatever close says. */
int close(int fd) {
  const bool fail = is_watched(fd) && fails(CLOSE);
  if (fd >= 0 && fd < FDS)
    atomic_store(&watched[fd], false);
  const int reason = errno, rc = NEXT(close)(fd);
  if (fail)
    errno = reason;
  return fail ? -1 : rc;
}

int rename(const char *from, const char *to) {
  return is_below(AT_FDCWD, to) && fails(RENAME) ? -1 : NEXT(rename)(from, to);
}

void *mmap(void *at, size_t n, int protection, int flags, int fd, off_t from) {
  return is_watched(fd) && fails(MMAP) ? MAP_FAILED : NEXT(mmap)(at, n, protection, flags, fd, from);
}

/* Whisker's allocator gets all of its memory here, and other libraries seldom do (src/base/alloc.c). */
void *aligned_alloc(size_t alignment, size_t n) { return fails(ALLOC) ? NULL : NEXT(aligned_alloc)(alignment, n); }

int posix_memalign(void **out, size_t alignment, size_t n) {
  return fails(ALLOC) ? ENOMEM : NEXT(posix_memalign)(out, alignment, n);
}

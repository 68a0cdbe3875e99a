/* archive.c - a zip or tar of photos, unpacked once into a folder named by the archive's content. Nothing in an archive
 * can reach outside that folder: names are taken apart and checked, links are not made, and the total is limited. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "data/data.h"

#define BLOCK_BYTES ((size_t)1 << 16)
/* Photos hardly shrink in an archive; what grows beyond this is a bomb. */
#define GROWTH_MAX 100
#define GROWTH_FREE ((uint64_t)64 << 20)

bool wk_archive_sniff(const uint8_t *bytes, size_t size) {
  static const struct {
    size_t at, len;
    const char *magic;
  } known[] = {{0, 4, "PK\3\4"},
               {0, 4, "PK\5\6"},
               {0, 2, "\x1f\x8b"},
               {0, 3, "BZh"},
               {0, 6,
                "\xfd"
                "7zXZ"},
               {0, 6, "7z\xbc\xaf\x27\x1c"},
               {0, 4, "\x28\xb5\x2f\xfd"},
               {257, 5, "ustar"}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (size >= known[i].at + known[i].len && memcmp(bytes + known[i].at, known[i].magic, known[i].len) == 0)
      return true;
  return false;
}

typedef struct unpacking {
  const char *path; /* of the archive */
  const char *to;   /* the folder being filled */
  struct archive *a;
  const wk_context *ctx;
  uint64_t size, limit, written, told;
  wk_progress progress;
} unpacking;

/* ---- one entry -------------------------------------------------------------------------------- */

/* The entry's name as a path below the folder; *out is NULL where it is litter. */
static wk_status safe_name(char **out, const unpacking *u, const char *name, wk_error *err) {
  wk_text path = {0};
  bool litter = false;
  char separator = strchr(name, '/') ? '/' : '\\'; /* some Windows programs write the latter */
  for (const char *at = name; *at;) {
    const char *end = strchr(at, separator);
    size_t len = end ? (size_t)(end - at) : strlen(at);
    if (len == 2 && memcmp(at, "..", 2) == 0) {
      wk_text_free(&path);
      return WK_FAIL(
          err, WK_ERR_FORMAT,
          "%s: holds a file that would be written outside its own folder (%.200s). Nothing was unpacked; do not "
          "trust this archive",
          u->path, name);
    }
    if (len && !(len == 1 && *at == '.')) {
      wk_text_add(&path, "%s", path.len ? "/" : "");
      size_t begin = path.len;
      wk_text_append(&path, at, len);
      litter = litter || (path.data && wk_is_litter(path.data + begin));
    }
    at += len + (end != NULL);
  }
  if (path.failed) {
    wk_text_free(&path);
    return WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory", u->path);
  }
  if (litter || !path.len)
    wk_text_free(&path);
  *out = path.data;
  return WK_OK;
}

static wk_status broken(const unpacking *u, const char *name, wk_error *err) {
  const char *why = archive_error_string(u->a);
  return WK_FAIL(err, WK_ERR_FORMAT, "%s: cannot be unpacked%s%.200s: %.200s. Fetch or make the archive again", u->path,
                 name ? " at " : "", name ? name : "", why ? why : "it is damaged");
}

static wk_status no_room(const unpacking *u, const char *file, wk_error *err) {
  return WK_FAIL(err, WK_ERR_IO, "%s: cannot be unpacked into %s: %s", u->path, file, strerror(errno));
}

static wk_status copy_data(unpacking *u, int fd, const char *name, const char *file, wk_error *err) {
  for (;;) {
    const void *block;
    size_t n;
    la_int64_t offset;
    int result = archive_read_data_block(u->a, &block, &n, &offset);
    if (result == ARCHIVE_EOF)
      return WK_OK;
    if (result < ARCHIVE_WARN)
      return broken(u, name, err);
    u->written += n;
    if (u->written > u->limit || offset < 0 || (uint64_t)offset > u->limit)
      return WK_FAIL(
          err, WK_ERR_FORMAT,
          "%s: unpacks to more than %llu MB, which no archive of %llu bytes of photos does. Nothing was unpacked",
          u->path, (unsigned long long)(u->limit >> 20), (unsigned long long)u->size);
    for (const uint8_t *at = block; n;) {
      ssize_t w = pwrite(fd, at, n, offset);
      if (w < 0 && errno == EINTR)
        continue;
      if (w <= 0)
        return no_room(u, file, err);
      at += w;
      n -= (size_t)w;
      offset += w;
    }
    if (wk_cancelled(u->ctx))
      return WK_FAIL(err, WK_ERR_CANCELLED, "%s: unpacking was stopped", u->path);
    uint64_t read = (uint64_t)archive_filter_bytes(u->a, -1);
    if (read > u->told && read <= u->size)
      wk_progress_add(&u->progress, read - u->told), u->told = read;
  }
}

static wk_status unpack_entry(unpacking *u, struct archive_entry *entry, wk_error *err) {
  wk_status st = WK_OK;
  char *below = NULL, *file = NULL;
  int fd = -1;
  /* UTF-8 first: the other form depends on the locale. It is there when the name is not UTF-8. */
  const char *name = archive_entry_pathname_utf8(entry);
  name = name ? name : archive_entry_pathname(entry);
  if (!name)
    return WK_OK;
  WK_TRY(safe_name(&below, u, name, err));
  if (!below)
    return WK_OK;
  file = wk_path_join(u->to, below);
  WK_FAIL_IF(!file, err, WK_ERR_MEMORY, "%s: out of memory", u->path);
  if (archive_entry_filetype(entry) == AE_IFDIR) {
    WK_TRY(wk_mkdir_p(file, err));
    goto done;
  }
  if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry))
    goto done; /* links and devices are no photos */
  char *slash = strrchr(file, '/');
  *slash = 0;
  WK_TRY(wk_mkdir_p(file, err));
  *slash = '/';
  fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
  if (fd < 0)
    WK_TRY(no_room(u, file, err));
  WK_TRY(copy_data(u, fd, name, file, err));
  if (close(fd) != 0)
    st = no_room(u, file, err);
  fd = -1;
done:
  if (fd >= 0)
    close(fd);
  wk_free(below);
  wk_free(file);
  return st;
}

/* ---- the archive ------------------------------------------------------------------------------ */

static wk_status open_archive(unpacking *u, wk_error *err) {
  u->a = archive_read_new();
  if (!u->a)
    return WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory", u->path);
  /* By name, not "all": others would start programs. */
  archive_read_support_filter_gzip(u->a);
  archive_read_support_filter_bzip2(u->a);
  archive_read_support_filter_xz(u->a);
  archive_read_support_filter_zstd(u->a);
  archive_read_support_format_zip(u->a);
  archive_read_support_format_tar(u->a);
  archive_read_support_format_7zip(u->a);
  if (archive_read_open_filename(u->a, u->path, BLOCK_BYTES) == ARCHIVE_OK)
    return WK_OK;
  return broken(u, NULL, err);
}

static wk_status unpack_all(unpacking *u, wk_error *err) {
  WK_RETURN_IF_ERROR(open_archive(u, err));
  for (;;) {
    struct archive_entry *entry;
    int result = archive_read_next_header(u->a, &entry);
    if (result == ARCHIVE_EOF)
      return WK_OK;
    if (result == ARCHIVE_RETRY)
      continue;
    if (result < ARCHIVE_WARN)
      return broken(u, NULL, err);
    WK_RETURN_IF_ERROR(unpack_entry(u, entry, err));
  }
}

static int remove_one(const char *path, const struct stat *s, int flag, struct FTW *at) {
  (void)s, (void)flag, (void)at;
  return remove(path);
}

static void remove_tree(const char *path) { nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS); }

/* Another process may be unpacking the same archive: it is worth the wait. */
static wk_status wait_lock(int fd, const char *path, const wk_context *ctx, wk_error *err) {
  while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR)
      return WK_FAIL(err, WK_ERR_IO, "%s: cannot be locked: %s", path, strerror(errno));
    if (wk_cancelled(ctx))
      return WK_FAIL(err, WK_ERR_CANCELLED, "%s: unpacking was stopped", path);
    nanosleep(&(struct timespec){0, 20000000}, NULL);
  }
  return WK_OK;
}

/* Into `part`, which becomes `folder` only when all of it is there and on the disk. */
static wk_status fill(const char *folder, const char *part, const char *path, const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  unpacking u = {.path = path, .to = part, .ctx = ctx};
  int fd = -1;
  struct stat s;
  WK_FAIL_IF(stat(path, &s) != 0, err, WK_ERR_IO, "%s: cannot be opened: %s", path, strerror(errno));
  u.size = (uint64_t)s.st_size;
  u.limit = u.size * GROWTH_MAX + GROWTH_FREE;
  remove_tree(part); /* of a process that died */
  WK_TRY(wk_mkdir_p(part, err));
  WK_TRY(wk_progress_begin(&u.progress, ctx, "unpacking", u.size, err));
  WK_TRY(unpack_all(&u, err));
  fd = open(part, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 || syncfs(fd) != 0 || rename(part, folder) != 0)
    WK_TRY(no_room(&u, folder, err));
done:
  if (fd >= 0)
    close(fd);
  wk_progress_end(&u.progress);
  archive_read_free(u.a);
  if (st != WK_OK)
    remove_tree(part);
  return st;
}

wk_status wk_archive_unpack(char **folder, const char *path, const char *into, const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  uint8_t hash[WK_SHA256_BYTES];
  char hex[17];
  char *done_folder = NULL, *part = NULL, *lock = NULL;
  int fd = -1;
  WK_TRY(wk_sha256_file(hash, path, err));
  wk_hex(hex, hash, 8);
  done_folder = wk_asprintf("%s/%s", into, hex);
  part = wk_asprintf("%s/%s.part", into, hex);
  lock = wk_asprintf("%s/%s.lock", into, hex);
  WK_FAIL_IF(!done_folder || !part || !lock, err, WK_ERR_MEMORY, "%s: out of memory", path);
  if (!wk_path_is_dir(done_folder)) {
    WK_TRY(wk_mkdir_p(into, err));
    fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    WK_FAIL_IF(fd < 0, err, WK_ERR_IO, "%s: cannot be unpacked into %s: %s", path, into, strerror(errno));
    WK_TRY(wait_lock(fd, lock, ctx, err));
    if (!wk_path_is_dir(done_folder))
      WK_TRY(fill(done_folder, part, path, ctx, err));
  }
  *folder = done_folder;
  done_folder = NULL;
done:
  if (fd >= 0)
    close(fd);
  wk_free(done_folder);
  wk_free(part);
  wk_free(lock);
  return st;
}

/* archive.c - a zip or tar of photos, unpacked once into a folder named by the archive's content. Nothing in an archive
 * can reach outside that folder: names are taken apart and checked, links are made at the end and lead inside only, and
 * size and number of what comes out are limited. Names are read as bytes whatever the locale; archive_names.c makes
 * text of them. */
#include "data/archive.h"
#include "whisker/clock.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BLOCK_BYTES ((size_t)1 << 16)
/* Photos hardly shrink in an archive; what grows beyond this is a bomb. */
#define GROWTH_MAX 100
#define GROWTH_FREE ((uint64_t)64 << 20)
#define ENTRIES_MAX ((uint64_t)5000000)
#define DEPTH_MAX 64

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

static wk_status no_memory(const wk_unpacking *u, wk_error *err) {
  return WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory", u->path);
}

/* ---- one entry -------------------------------------------------------------------------------- */

/* The entry's name as a path below the folder; *out is NULL where it is litter. In a zip, and where there is no '/', a
 * '\' parts folders as well: some Windows programs write it. */
static wk_status safe_name(char **out, const wk_unpacking *u, const char *name, wk_error *err) {
  wk_text path = {0};
  bool litter = false;
  int depth = 0;
  const char *separators = !strchr(name, '/') || u->both_slashes ? "/\\" : "/";
  for (const char *at = name; *at;) {
    size_t len = strcspn(at, separators);
    if ((len == 2 && memcmp(at, "..", 2) == 0) || depth > DEPTH_MAX) {
      wk_text_free(&path);
      return depth > DEPTH_MAX
                 ? WK_FAIL(err, WK_ERR_FORMAT,
                           "%s: holds folders more than %d deep (%.200s). Nothing was unpacked; unpack it yourself "
                           "and give its folder",
                           u->path, DEPTH_MAX, name)
                 : WK_FAIL(err, WK_ERR_FORMAT,
                           "%s: holds a file that would be written outside its own folder (%.200s). Nothing was "
                           "unpacked; do not "
                           "trust this archive",
                           u->path, name);
    }
    if (len && !(len == 1 && *at == '.')) {
      wk_text_add(&path, "%s", path.len ? "/" : "");
      size_t begin = path.len;
      wk_text_append(&path, at, len);
      litter = litter || (path.data && wk_is_litter(path.data + begin));
      depth++;
    }
    at += len + (at[len] != 0);
  }
  if (path.failed) {
    wk_text_free(&path);
    return no_memory(u, err);
  }
  if (litter || !path.len)
    wk_text_free(&path);
  *out = path.data;
  return WK_OK;
}

static wk_status broken(const wk_unpacking *u, const char *name, wk_error *err) {
  const char *why = archive_error_string(u->a);
  return WK_FAIL(err, WK_ERR_FORMAT, "%s: cannot be unpacked%s%.200s: %.200s. Fetch or make the archive again", u->path,
                 name ? " at " : "", name ? name : "", why ? why : "it is damaged");
}

static wk_status no_room(const wk_unpacking *u, const char *file, wk_error *err) {
  return WK_FAIL(err, WK_ERR_IO, "%s: cannot be unpacked into %s: %s", u->path, file, strerror(errno));
}

static wk_status stopped(const wk_unpacking *u, wk_error *err) {
  return WK_FAIL(err, WK_ERR_CANCELLED, "%s: unpacking was stopped", u->path);
}

static void tell_progress(wk_unpacking *u) {
  uint64_t read = (uint64_t)archive_filter_bytes(u->a, -1);
  if (read > u->told && read <= u->size) {
    wk_progress_add(&u->progress, read - u->told);
    u->told = read;
  }
}

static wk_status copy_data(wk_unpacking *u, int fd, const char *name, const char *file, wk_error *err) {
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
      return WK_FAIL(err, WK_ERR_FORMAT,
                     "%s: unpacks to more than %llu MB, which no archive of %llu bytes of photos does. Nothing was "
                     "unpacked; if you "
                     "trust it, unpack it yourself and give its folder",
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
      return stopped(u, err);
    tell_progress(u);
  }
}

/* The folder that `file` lies in; made once for all files of one folder that follow each other. */
static wk_status make_parent(wk_unpacking *u, char *file, wk_error *err) {
  char *slash = strrchr(file, '/');
  size_t len = (size_t)(slash - file);
  if (u->parent && strlen(u->parent) == len && memcmp(u->parent, file, len) == 0)
    return WK_OK;
  wk_free(u->parent);
  u->parent = wk_strndup(file, len);
  return u->parent ? wk_mkdir_p(u->parent, err) : no_memory(u, err);
}

static wk_status unpack_file(wk_unpacking *u, const char *below, const char *name, wk_error *err) {
  wk_status st = WK_OK;
  int fd = -1;
  char *file = wk_path_join(u->to, below);
  WK_FAIL_IF(!file, err, WK_ERR_MEMORY, "%s: out of memory", u->path);
  WK_TRY(make_parent(u, file, err));
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
  wk_free(file);
  return st;
}

static wk_status keep_link(wk_unpacking *u, const char *below, const char *to, bool hard, wk_error *err) {
  if (u->links == u->link_cap) {
    size_t cap = u->link_cap ? u->link_cap * 2 : 16;
    wk_archive_link *grown = wk_grow(u->link, u->links * sizeof *grown, cap * sizeof *grown);
    if (!grown)
      return no_memory(u, err);
    u->link = grown;
    u->link_cap = cap;
  }
  wk_archive_link l = {wk_strdup(below), wk_strdup(to), hard};
  if (!l.name || !l.to) {
    wk_free(l.name);
    wk_free(l.to);
    return no_memory(u, err);
  }
  u->link[u->links++] = l;
  return WK_OK;
}

static wk_status unpack_entry(wk_unpacking *u, struct archive_entry *entry, wk_error *err) {
  wk_status st = WK_OK;
  char *below = NULL, *folder = NULL;
  const char *name = archive_entry_pathname(entry), *hard, *soft;
  name = name ? name : archive_entry_pathname_utf8(entry);
  if (!name)
    return WK_FAIL(err, WK_ERR_FORMAT,
                   "%s: the name of its entry %llu cannot be read. Unpack it yourself and give its folder", u->path,
                   (unsigned long long)u->entries);
  if (u->raw_name)
    name = u->raw_name;
  WK_TRY(safe_name(&below, u, name, err));
  if (!below)
    return WK_OK;
  WK_TRY(wk_archive_see_name(u, below, err));
  if ((hard = archive_entry_hardlink(entry))) {
    WK_TRY(keep_link(u, below, hard, true, err));
  } else if (archive_entry_filetype(entry) == AE_IFLNK && (soft = archive_entry_symlink(entry))) {
    WK_TRY(keep_link(u, below, soft, false, err));
  } else if (archive_entry_filetype(entry) == AE_IFDIR) {
    folder = wk_path_join(u->to, below);
    WK_FAIL_IF(!folder, err, WK_ERR_MEMORY, "%s: out of memory", u->path);
    WK_TRY(wk_mkdir_p(folder, err));
  } else if (archive_entry_filetype(entry) == AE_IFREG) {
    WK_TRY(unpack_file(u, below, name, err));
  } /* else a device: no photo */
done:
  wk_free(below);
  wk_free(folder);
  return st;
}

/* ---- the archive ------------------------------------------------------------------------------ */

/* `raw`: as one compressed file. False: it is not what was said. */
static bool open_as(wk_unpacking *u, bool raw) {
  u->a = archive_read_new();
  if (!u->a)
    return false;
  /* By name, not "all": others would start programs. */
  archive_read_support_filter_gzip(u->a);
  archive_read_support_filter_bzip2(u->a);
  archive_read_support_filter_xz(u->a);
  archive_read_support_filter_zstd(u->a);
  if (raw) {
    archive_read_support_format_raw(u->a);
  } else {
    archive_read_support_format_zip(u->a);
    archive_read_support_format_tar(u->a);
    archive_read_support_format_7zip(u->a);
  }
  return archive_read_open_filename(u->a, u->path, BLOCK_BYTES) == ARCHIVE_OK;
}

/* What is no archive may be a single file that was compressed, as train-images-idx3-ubyte.gz is. */
static wk_status open_archive(wk_unpacking *u, wk_error *err) {
  if (open_as(u, false))
    return WK_OK;
  const char *base = wk_path_base(u->show);
  size_t len = strlen(base);
  if (!u->a)
    return no_memory(u, err);
  if (len < 4 || strcmp(base + len - 3, ".gz") != 0)
    return broken(u, NULL, err);
  archive_read_free(u->a);
  u->raw_name = wk_strndup(base, len - 3);
  if (!u->raw_name || (!open_as(u, true) && !u->a)) {
    u->a = u->raw_name ? u->a : NULL;
    return no_memory(u, err);
  }
  return WK_OK;
}

static wk_status unpack_all(wk_unpacking *u, wk_error *err) {
  WK_RETURN_IF_ERROR(open_archive(u, err));
  for (;;) {
    struct archive_entry *entry;
    if (wk_cancelled(u->ctx))
      return stopped(u, err);
    int result = archive_read_next_header(u->a, &entry);
    if (result == ARCHIVE_EOF)
      return WK_OK;
    if (result == ARCHIVE_RETRY)
      continue;
    if (result < ARCHIVE_WARN)
      return broken(u, NULL, err);
    int format = archive_format(u->a) & ARCHIVE_FORMAT_BASE_MASK;
    u->both_slashes = format == ARCHIVE_FORMAT_ZIP || format == ARCHIVE_FORMAT_7ZIP;
    if (u->entries++ == ENTRIES_MAX)
      return WK_FAIL(err, WK_ERR_FORMAT,
                     "%s: holds more than %llu files, which is the limit. Nothing was unpacked; unpack it yourself and "
                     "give its folder",
                     u->path, (unsigned long long)ENTRIES_MAX);
    WK_RETURN_IF_ERROR(unpack_entry(u, entry, err));
    tell_progress(u);
  }
}

/* libarchive goes through the locale's wide characters, and loses names that the locale cannot write: so this thread
 * has one that can write all of them meanwhile. */
static wk_status unpack_in_utf8(wk_unpacking *u, wk_error *err) {
  locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0), before = (locale_t)0;
  if (utf8)
    before = uselocale(utf8);
  wk_status st = unpack_all(u, err);
  if (u->a)
    archive_read_free(u->a);
  u->a = NULL;
  if (utf8) {
    uselocale(before);
    freelocale(utf8);
  }
  return st;
}

/* ---- keeping it ------------------------------------------------------------------------------- */

/* What cannot be removed before `deadline` (0: none) stays for the next one who unpacks something. */
static void remove_below(int at, const char *name, double deadline) {
  if (unlinkat(at, name, 0) == 0 || errno == ENOENT)
    return;
  int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
  if (!dir) {
    if (fd >= 0)
      close(fd);
    return;
  }
  for (const struct dirent *e; (deadline == 0 || wk_clock_seconds() < deadline) && (e = readdir(dir));)
    if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
      remove_below(dirfd(dir), e->d_name, deadline);
  closedir(dir);
  (void)unlinkat(at, name, AT_REMOVEDIR);
}

static void remove_tree(const char *path, double deadline) { remove_below(AT_FDCWD, path, deadline); }

/* Folders that another process began and did not live to finish or remove. */
static wk_status sweep(const char *into, wk_error *err) {
  wk_status st = WK_OK;
  DIR *dir = opendir(into);
  for (const struct dirent *e; dir && st == WK_OK && (e = readdir(dir));) {
    size_t len = strlen(e->d_name);
    if (len < 6 || strcmp(e->d_name + len - 5, ".part") != 0)
      continue;
    char *lock = wk_asprintf("%s/%.*s.lock", into, (int)(len - 5), e->d_name);
    int fd = lock ? open(lock, O_RDWR | O_CLOEXEC) : -1;
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
      remove_below(dirfd(dir), e->d_name, 0);
    if (fd >= 0)
      close(fd);
    if (!lock)
      st = WK_FAIL(err, WK_ERR_MEMORY, "%s: out of memory", into);
    wk_free(lock);
  }
  if (dir)
    closedir(dir);
  return st;
}

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

static void unpacking_free(wk_unpacking *u) {
  for (size_t i = 0; i < u->links; i++) {
    wk_free(u->link[i].name);
    wk_free(u->link[i].to);
  }
  wk_free(u->link);
  wk_free(u->parent);
  wk_free(u->raw_name);
  wk_text_free(&u->notes);
}

/* Into `part`, which becomes `folder` only when all of it is there and on the disk. */
static wk_status fill(const char *folder, const char *part, const char *path, const wk_unpack *how, wk_error *err) {
  wk_status st = WK_OK;
  wk_unpacking u = {.path = path, .show = how->show, .to = part, .ctx = how->ctx};
  int fd = -1;
  struct stat s;
  WK_FAIL_IF(stat(path, &s) != 0, err, WK_ERR_IO, "%s: cannot be opened: %s", path, strerror(errno));
  u.size = (uint64_t)s.st_size;
  u.limit = how->budget ? *how->budget : u.size * GROWTH_MAX + GROWTH_FREE;
  remove_tree(part, 0);
  WK_TRY(wk_mkdir_p(part, err));
  WK_TRY(wk_progress_begin(&u.progress, how->ctx, "unpacking", u.size, err));
  WK_TRY(unpack_in_utf8(&u, err));
  WK_TRY(wk_archive_finish(&u, err));
  if (how->budget)
    *how->budget -= u.written;
  fd = open(part, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 || syncfs(fd) != 0 || rename(part, folder) != 0)
    WK_TRY(no_room(&u, folder, err));
done:
  if (fd >= 0)
    close(fd);
  wk_progress_end(&u.progress);
  unpacking_free(&u);
  if (st != WK_OK)
    remove_tree(part, st == WK_ERR_CANCELLED ? wk_clock_seconds() + 0.08 : 0);
  return st;
}

static wk_status hash_archive(uint8_t hash[WK_SHA256_BYTES], const char *path, const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  wk_sha256_state *state = wk_sha256_begin();
  uint8_t *block = wk_alloc((size_t)1 << 20);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  WK_FAIL_IF(!state || !block, err, WK_ERR_MEMORY, "%s: out of memory", path);
  WK_FAIL_IF(fd < 0, err, WK_ERR_IO, "%s: cannot be opened: %s", path, strerror(errno));
  for (ssize_t n; (n = read(fd, block, (size_t)1 << 20)) != 0;) {
    WK_FAIL_IF(n < 0 && errno != EINTR, err, WK_ERR_IO, "%s: cannot be read: %s", path, strerror(errno));
    WK_FAIL_IF(wk_cancelled(ctx), err, WK_ERR_CANCELLED, "%s: unpacking was stopped", path);
    if (n > 0)
      wk_sha256_add(state, block, (size_t)n);
  }
  wk_sha256_end(state, hash);
  state = NULL;
done:
  if (state)
    wk_sha256_end(state, NULL);
  if (fd >= 0)
    close(fd);
  wk_free(block);
  return st;
}

wk_status wk_archive_unpack(char **folder, const char *path, const wk_unpack *how, wk_error *err) {
  wk_status st = WK_OK;
  uint8_t hash[WK_SHA256_BYTES];
  char hex[33];
  char *done_folder = NULL, *part = NULL, *lock = NULL;
  int fd = -1;
  WK_TRY(hash_archive(hash, path, how->ctx, err));
  wk_hex(hex, hash, 16);
  done_folder = wk_asprintf("%s/%s", how->into, hex);
  part = wk_asprintf("%s/%s.part", how->into, hex);
  lock = wk_asprintf("%s/%s.lock", how->into, hex);
  WK_FAIL_IF(!done_folder || !part || !lock, err, WK_ERR_MEMORY, "%s: out of memory", path);
  if (!wk_path_is_dir(done_folder)) {
    WK_TRY(wk_mkdir_p(how->into, err));
    WK_TRY(sweep(how->into, err));
    fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    WK_FAIL_IF(fd < 0, err, WK_ERR_IO, "%s: cannot be unpacked into %s: %s", path, how->into, strerror(errno));
    WK_TRY(wait_lock(fd, lock, how->ctx, err));
    if (!wk_path_is_dir(done_folder))
      WK_TRY(fill(done_folder, part, path, how, err));
  }
  if (how->notes)
    WK_TRY(wk_archive_tell(done_folder, how, err));
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

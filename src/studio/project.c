/* project.c - a project's life, and its photos' files: see project.h. */
#include "project.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "journal.h"

bool wk_project_is(const char *folder) {
  char path[4096];
  return snprintf(path, sizeof path, "%s/project.json", folder) < (int)sizeof path && access(path, F_OK) == 0;
}

/* One studio a project: two would write over each other's journal. */
static wk_status take_lock(wk_project *p, wk_fault *f) {
  p->lock_fd = openat(p->folder_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (p->lock_fd < 0)
    return wk_fault_io(f, p->folder, "written");
  if (flock(p->lock_fd, LOCK_EX | LOCK_NB) == 0)
    return WK_OK;
  wk_fault_set(f, 423, "in_use", WK_ERR_UNSUPPORTED,
               "%s: another studio has this project open; go on in its page, or end it (Ctrl-C) and try again",
               p->folder);
  return WK_ERR_UNSUPPORTED;
}

static wk_status open_folders(wk_project *p, const char *folder, const char *root, wk_fault *f) {
  if (mkdir(folder, 0700) && errno != EEXIST)
    return wk_fault_io(f, folder, "made");
  p->folder = realpath(folder, NULL);
  if (!p->folder)
    return wk_fault_io(f, folder, "found");
  p->folder_fd = open(p->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (p->folder_fd < 0)
    return wk_fault_io(f, folder, "opened");
  if (root && !(p->root = realpath(root, NULL)))
    return wk_fault_io(f, root, "found");
  const char *slash = strrchr(p->root ? p->root : p->folder, '/');
  p->name = strdup(slash && slash[1] ? slash + 1 : "studio");
  return p->name ? WK_OK : wk_fault_memory(f);
}

wk_status wk_project_open(wk_project **out, const char *folder, const char *root, wk_fault *f) {
  wk_project *p = calloc(1, sizeof *p);
  if (!p)
    return wk_fault_memory(f);
  pthread_mutex_init(&p->lock, NULL);
  p->folder_fd = p->root_fd = p->lock_fd = p->journal_fd = -1;
  const bool old = wk_project_is(folder);
  wk_status st = open_folders(p, folder, root, f);
  if (st == WK_OK)
    st = take_lock(p, f);
  if (st == WK_OK && old)
    st = wk_project_load(p, f);
  if (st == WK_OK)
    st = wk_journal_open(p, f);
  if (st == WK_OK)
    st = wk_project_scan(p, f);
  if (st == WK_OK && (!old || p->unsaved))
    st = wk_project_save(p, f);
  if (st == WK_OK) {
    p->unsaved = false;
    *out = p;
    return WK_OK;
  }
  if (p->journal_fd >= 0)
    close(p->journal_fd);
  p->journal_fd = -1; /* what could not be read must not be written over */
  wk_project_close(p);
  return st;
}

void wk_project_close(wk_project *p) {
  if (!p)
    return;
  wk_fault f;
  if (p->journal_fd >= 0 && (p->journal_lines || p->unsaved) && wk_project_save(p, &f) == WK_OK)
    wk_journal_renew(p, &f);
  wk_journal_close(p);
  const int fds[] = {p->folder_fd, p->root_fd, p->lock_fd};
  for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
    if (fds[i] >= 0)
      close(fds[i]);
  for (size_t i = 0; i < p->photo_count; i++)
    free(p->photos[i].file);
  for (int i = 0; i < p->class_count; i++)
    free(p->classes[i]);
  free(p->photos);
  free(p->classes);
  free(p->folder);
  free(p->root);
  free(p->name);
  pthread_mutex_destroy(&p->lock);
  free(p);
}

void wk_hash_text(char out[65], const unsigned char sha256[32]) {
  for (int i = 0; i < 64; i++)
    out[i] = "0123456789abcdef"[sha256[i / 2] >> (i & 1 ? 0 : 4) & 15];
  out[64] = 0;
}

static int digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

bool wk_hash_read(unsigned char out[32], const char *hex) {
  if (!hex || strlen(hex) != 64)
    return false;
  for (int i = 0; i < 32; i++) {
    const int high = digit(hex[2 * i]), low = digit(hex[2 * i + 1]);
    if (high < 0 || low < 0)
      return false;
    out[i] = (unsigned char)(16 * high + low);
  }
  return true;
}

wk_project_photo *wk_project_photo_at(wk_project *p, uint64_t id, wk_fault *f) {
  if (id >= 1 && id <= p->photo_count)
    return &p->photos[id - 1];
  wk_fault_set(f, 404, "no_photo", WK_ERR_NOT_FOUND, "there is no photo %llu", (unsigned long long)id);
  return NULL;
}

wk_status wk_project_append(wk_project *p, const wk_project_photo *photo, wk_fault *f) {
  if (p->photo_count == p->photo_cap) {
    const size_t cap = 2 * p->photo_cap + 64;
    wk_project_photo *grown = realloc(p->photos, cap * sizeof *grown);
    if (!grown)
      return wk_fault_memory(f);
    p->photos = grown;
    p->photo_cap = cap;
  }
  wk_project_photo *at = &p->photos[p->photo_count];
  *at = *photo;
  at->p = NAN;
  at->file = strdup(photo->file);
  if (!at->file)
    return wk_fault_memory(f);
  p->photo_count++;
  return WK_OK;
}

int wk_project_class(wk_project *p, const char *name) {
  for (int i = 0; i < p->class_count; i++)
    if (p->classes[i] && !strcmp(p->classes[i], name))
      return i;
  char **grown = realloc(p->classes, (size_t)(p->class_count + 1) * sizeof *grown);
  if (!grown)
    return -1;
  p->classes = grown;
  p->classes[p->class_count] = strdup(name);
  return p->classes[p->class_count] ? p->class_count++ : -1;
}

int wk_project_photo_fd(wk_project *p, uint64_t id, wk_fault *f) {
  const wk_project_photo *photo = wk_project_photo_at(p, id, f);
  if (!photo)
    return -1;
  const int base = photo->own ? p->folder_fd : p->root_fd;
  struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
                         .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
  const int fd = base < 0 ? -1 : (int)syscall(SYS_openat2, base, photo->file, &how, sizeof how);
  if (fd >= 0)
    return fd;
  const bool outside = errno == EXDEV && base >= 0;
  wk_fault_set(f, outside ? 403 : 410,
               outside    ? "outside"
               : base < 0 ? "folder_missing"
                          : "photo_missing",
               WK_ERR_NOT_FOUND, outside ? "%s: leads out of the photos' folder" : "%s: the photo is no longer there",
               photo->file);
  wk_fault_file(f, photo->file);
  f->fix = outside    ? "put the photo itself into the folder, not a link to it"
           : base < 0 ? "the photos' folder was moved: start whisker studio with its new place and --project"
                      : "put it back, or remove it from the project";
  return -1;
}

bool wk_write_fd(int fd, const void *bytes, size_t size) {
  const char *at = bytes;
  while (size) {
    const ssize_t n = write(fd, at, size);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return false;
    at += n;
    size -= (size_t)n;
  }
  return true;
}

wk_status wk_read_fd(char **out, size_t *size, int fd, size_t most, const char *name, wk_fault *f) {
  struct stat info;
  if (fstat(fd, &info))
    return wk_fault_io(f, name, "read");
  if (!S_ISREG(info.st_mode) || (uint64_t)info.st_size > most)
    return wk_fault_set(f, 422, "format", WK_ERR_FORMAT, "%s: not a file of at most %zu bytes", name, most);
  size_t got = 0, room = (size_t)info.st_size;
  char *bytes = malloc(room + 1);
  if (!bytes)
    return wk_fault_memory(f);
  while (got < room) {
    const ssize_t n = read(fd, bytes + got, room - got);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0) {
      wk_fault_io(f, name, "read");
      free(bytes);
      return WK_ERR_IO;
    }
    if (n == 0)
      break;
    got += (size_t)n;
  }
  bytes[got] = 0;
  *out = bytes;
  *size = got;
  return WK_OK;
}

/* project_scan.c - which photos are in the photos' folder now: new ones join the project, lost ones are marked, and
 * those of a folder that was moved or tidied up are known again by their bytes. */
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "project.h"

static const unsigned char unknown[32];

wk_status wk_project_hash(wk_project *p, uint64_t id, unsigned char out[32], wk_fault *f) {
  pthread_mutex_lock(&p->lock);
  const int fd = wk_project_photo_fd(p, id, f);
  pthread_mutex_unlock(&p->lock);
  if (fd < 0)
    return WK_ERR_NOT_FOUND;
  char *bytes = NULL;
  size_t size = 0;
  wk_status st = wk_read_fd(&bytes, &size, fd, (size_t)1 << 30, "the photo", f);
  close(fd);
  if (st == WK_OK)
    SHA256((const unsigned char *)bytes, size, out);
  free(bytes);
  return st;
}

/* ---- known photos by name ---------------------------------------------------------------------- */

typedef struct named {
  const char *file;
  size_t at;
} named;

static int by_file(const void *a, const void *b) { return strcmp(((const named *)a)->file, ((const named *)b)->file); }

static wk_status known_files(named **out, size_t *count, wk_project *p, wk_fault *f) {
  named *all = malloc((p->photo_count + 1) * sizeof *all);
  size_t n = 0;
  if (!all)
    return wk_fault_memory(f);
  for (size_t i = 0; i < p->photo_count; i++) {
    struct stat info;
    if (p->photos[i].own)
      p->photos[i].missing = fstatat(p->folder_fd, p->photos[i].file, &info, AT_SYMLINK_NOFOLLOW) != 0;
    else
      all[n++] = (named){p->photos[i].file, i};
  }
  qsort(all, n, sizeof *all, by_file);
  *out = all;
  *count = n;
  return WK_OK;
}

/* ---- photos that are known by their bytes alone ------------------------------------------------ */

/* The last `fresh` photos of p were found just now: those that are the bytes of one that is missing take its place. */
static wk_status adopt_moved(wk_project *p, size_t fresh, wk_fault *f) {
  const size_t old = p->photo_count - fresh;
  size_t kept = old;
  bool lost = false;
  for (size_t i = 0; i < old; i++)
    lost = lost || (p->photos[i].missing && !p->photos[i].own && memcmp(p->photos[i].sha256, unknown, 32));
  if (!lost)
    return WK_OK;
  for (size_t i = old; i < p->photo_count; i++) {
    wk_project_photo photo = p->photos[i];
    size_t same = old;
    if (wk_project_hash(p, i + 1, photo.sha256, f) == WK_OK)
      for (same = 0; same < old; same++)
        if (p->photos[same].missing && !memcmp(p->photos[same].sha256, photo.sha256, 32))
          break;
    if (same < old) {
      free(p->photos[same].file);
      p->photos[same].file = photo.file;
      p->photos[same].missing = false;
    } else {
      p->photos[kept++] = photo;
    }
  }
  p->photo_count = kept;
  return WK_OK;
}

/* ---- the folder -------------------------------------------------------------------------------- */

static wk_status take_photo(wk_project *p, const wk_dataset *d, const wk_photo *photo, const named *known,
                            size_t known_count, wk_fault *f) {
  const size_t n = strlen(p->root);
  if (strncmp(photo->path, p->root, n) || photo->path[n] != '/')
    return WK_OK; /* of a list that names photos elsewhere: nothing outside is ever shown */
  const named wanted = {.file = photo->path + n + 1};
  const named *found = known_count ? bsearch(&wanted, known, known_count, sizeof *known, by_file) : NULL;
  if (found) {
    p->photos[found->at].missing = false;
    return WK_OK;
  }
  const wk_project_photo fresh = {.file = photo->path + n + 1,
                                  .part = (uint8_t)photo->split,
                                  .label = photo->label < 0 ? -1 : wk_project_class(p, d->classes[photo->label])};
  if (photo->label >= 0 && fresh.label < 0)
    return wk_fault_memory(f);
  p->unsaved = true;
  return wk_project_append(p, &fresh, f);
}

static wk_status take_folder(wk_project *p, wk_fault *f) {
  wk_dataset *d = NULL;
  named *known = NULL;
  size_t known_count = 0;
  const size_t before = p->photo_count;
  wk_dataset_options o;
  wk_dataset_options_init(&o);
  o.allow_one_class = o.allow_unlabelled = o.quiet = true;
  wk_status st = wk_fault_of(f, wk_dataset_open(&d, p->root, &o, &f->error), p->root);
  if (st == WK_OK)
    st = known_files(&known, &known_count, p, f);
  for (size_t i = 0; i < known_count; i++)
    p->photos[known[i].at].missing = true;
  for (int i = 0; st == WK_OK && i < d->class_count; i++) /* in the folder's order, whichever has the first photo */
    if (wk_project_class(p, d->classes[i]) < 0)
      st = wk_fault_memory(f);
  for (size_t i = 0; st == WK_OK && i < d->photo_count; i++)
    st = take_photo(p, d, &d->photos[i], known, known_count, f);
  if (st == WK_OK && p->photo_count > before)
    st = adopt_moved(p, p->photo_count - before, f);
  free(known);
  wk_dataset_free(d);
  return st;
}

wk_status wk_project_scan(wk_project *p, wk_fault *f) {
  mkdirat(p->folder_fd, "photos", 0700);
  mkdirat(p->folder_fd, "thumbs", 0700);
  mkdirat(p->folder_fd, "runs", 0700);
  if (p->root)
    p->root_fd = open(p->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (p->root_fd >= 0)
    return take_folder(p, f);
  for (size_t i = 0; i < p->photo_count; i++)
    p->photos[i].missing = !p->photos[i].own;
  return WK_OK;
}

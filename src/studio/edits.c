/* edits.c - what changes a project: edits, undo, redo, and photos that are dropped into the page. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "journal.h"
#include "studio_parts.h"
#include "whisker/image.h"

#define LEFT_FREE ((uint64_t)1 << 30) /* bytes of a disk that uploads leave alone */

void wk_studio_tell_rev(wk_studio *s) {
  wk_events_tell(&s->events, "rev", json_pack("{s:I}", "rev", (json_int_t)s->project->rev));
}

static json_t *revision(const wk_project *p) {
  return json_pack("{s:I,s:b,s:b}", "rev", (json_int_t)p->rev, "undo", p->done > 0, "redo", p->done < p->step_count);
}

static void change(wk_studio *s, wk_request *r, wk_status (*make)(wk_project *p, const json_t *changes, wk_fault *f)) {
  wk_project *p = s->project;
  wk_fault f;
  json_t *answer = NULL;
  const json_t *rev = json_object_get(r->json, "rev");
  pthread_mutex_lock(&p->lock);
  wk_status st = WK_OK;
  if (rev && (!json_is_integer(rev) || (uint64_t)json_integer_value(rev) != p->rev)) {
    st = wk_fault_set(&f, 409, "old_rev", WK_ERR_ARGUMENT, "the project is at revision %llu by now",
                      (unsigned long long)p->rev);
    f.fix = "ask for the photos again, then repeat the edit";
  }
  if (st == WK_OK)
    st = make(p, json_object_get(r->json, "edits"), &f);
  if (st == WK_OK) {
    answer = revision(p);
    wk_studio_tell_rev(s);
  }
  pthread_mutex_unlock(&p->lock);
  if (st == WK_OK)
    wk_answer_json(r, 200, answer);
  else
    wk_answer_fault(r, &f);
}

static wk_status undo(wk_project *p, const json_t *unused, wk_fault *f) {
  (void)unused;
  return wk_journal_undo(p, f);
}

static wk_status redo(wk_project *p, const json_t *unused, wk_fault *f) {
  (void)unused;
  return wk_journal_redo(p, f);
}

void wk_route_edits(void *user, wk_request *r) { change(user, r, wk_journal_edit); }
void wk_route_undo(void *user, wk_request *r) { change(user, r, undo); }
void wk_route_redo(void *user, wk_request *r) { change(user, r, redo); }

/* ---- uploads ----------------------------------------------------------------------------------- */

static wk_status check_photo(const wk_request *r, const wk_project *p, const char **ending, wk_fault *f) {
  static const char *const endings[] = {
      [WK_IMAGE_JPEG] = "jpg", [WK_IMAGE_PNG] = "png",   [WK_IMAGE_WEBP] = "webp", [WK_IMAGE_GIF] = "gif",
      [WK_IMAGE_BMP] = "bmp",  [WK_IMAGE_TIFF] = "tiff", [WK_IMAGE_HEIF] = "heic", [WK_IMAGE_AVIF] = "avif",
      [WK_IMAGE_PNM] = "pnm",  [WK_IMAGE_ICO] = "ico",   [WK_IMAGE_RAW] = "raw"};
  int width, height;
  wk_image_format format;
  const wk_status st = wk_fault_of(f, wk_image_probe(&width, &height, &format, r->body, r->size, &f->error), NULL);
  if (st != WK_OK) {
    const wk_file_type type = wk_file_type_of(r->body, r->size);
    return wk_fault_set(f, 422, "not_a_photo", WK_ERR_FORMAT, "this is %s, not a photo; %s", type.name, type.cure);
  }
  *ending = (size_t)format < sizeof endings / sizeof *endings && endings[format] ? endings[format] : "photo";
  struct statvfs disk;
  if (fstatvfs(p->folder_fd, &disk) == 0 && (uint64_t)disk.f_bavail * disk.f_frsize < LEFT_FREE + r->size) {
    wk_fault_set(f, 507, "disk_full", WK_ERR_IO, "the disk of %s has less than 1 GB left", p->folder);
    f->fix = "free some space on this disk, and try again";
    return WK_ERR_IO;
  }
  return WK_OK;
}

static wk_status write_photo(const wk_request *r, const wk_project *p, const char *file, wk_fault *f) {
  char beside[160];
  snprintf(beside, sizeof beside, "%s.%d", file, gettid());
  const int fd = openat(p->folder_fd, beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0)
    return wk_fault_io(f, file, "written");
  wk_status st = wk_write_fd(fd, r->body, r->size) && fsync(fd) == 0 ? WK_OK : wk_fault_io(f, file, "written");
  close(fd);
  if (st == WK_OK && renameat(p->folder_fd, beside, p->folder_fd, file))
    st = wk_fault_io(f, file, "written");
  if (st != WK_OK)
    unlinkat(p->folder_fd, beside, 0);
  return st;
}

/* With the lock held: the number of the photo with these bytes; 0: there is none. */
static uint64_t same_photo(const wk_project *p, const unsigned char sha256[32]) {
  for (size_t i = 0; i < p->photo_count; i++)
    if (!memcmp(p->photos[i].sha256, sha256, 32))
      return i + 1;
  return 0;
}

static wk_status join(wk_studio *s, uint64_t *id, uint64_t *rev, const char *file, const unsigned char sha256[32],
                      int64_t label, wk_fault *f) {
  wk_project *p = s->project;
  char hex[65];
  wk_hash_text(hex, sha256);
  pthread_mutex_lock(&p->lock);
  *id = same_photo(p, sha256); /* once more: the same may have come twice at once */
  if (*id) {
    *rev = p->rev;
    pthread_mutex_unlock(&p->lock);
    return WK_OK;
  }
  *id = p->photo_count + 1;
  json_t *changes = json_pack("[{s:I,s:s,s:s,s:o}]", "id", (json_int_t)*id, "file", file, "sha256", hex, "class",
                              label < 0 ? json_null() : json_integer(label));
  const wk_status st = changes ? wk_journal_add(p, changes, f) : wk_fault_memory(f);
  json_decref(changes);
  if (st == WK_OK)
    wk_studio_tell_rev(s);
  *rev = p->rev;
  pthread_mutex_unlock(&p->lock);
  return st;
}

void wk_route_upload(void *user, wk_request *r) {
  wk_studio *s = user;
  wk_project *p = s->project;
  wk_fault f;
  const char *ending = NULL, *label = wk_request_query(r, "class");
  uint64_t class_number = 0, id = 0;
  unsigned char sha256[32];
  char file[128], hex[65];
  wk_status st = check_photo(r, p, &ending, &f);
  SHA256(r->body, r->size, sha256);
  pthread_mutex_lock(&p->lock);
  if (label && (!wk_number_of(&class_number, label, INT32_MAX) || (int)class_number >= p->class_count ||
                !p->classes[class_number]))
    st = wk_fault_set(&f, 400, "argument", WK_ERR_ARGUMENT, "class is the number of a class");
  id = same_photo(p, sha256);
  uint64_t rev = p->rev;
  pthread_mutex_unlock(&p->lock);
  const bool copy = id != 0;
  wk_hash_text(hex, sha256);
  snprintf(file, sizeof file, "photos/%s.%s", hex, ending ? ending : "");
  if (st == WK_OK && !copy)
    st = write_photo(r, p, file, &f);
  if (st == WK_OK && !copy)
    st = join(s, &id, &rev, file, sha256, label ? (int64_t)class_number : -1, &f);
  if (st == WK_OK)
    wk_answer_json(r, copy ? 200 : 201,
                   json_pack("{s:I,s:b,s:I}", "id", (json_int_t)id, "copy", copy, "rev", (json_int_t)rev));
  else
    wk_answer_fault(r, &f);
}

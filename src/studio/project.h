/* project.h (internal) - a project: photos with their classes, as plain files in a folder of its own. The user's photos
 * are only read.
 *
 *   project.json   name, classes, where the photos lie
 *   photos.csv     a row a photo: id, file, sha256, class, part, removed
 *   journal.jsonl  what was changed since, a line a change with its inverse
 *   photos/        photos that were dropped into the page, named by their hash
 *   thumbs/        small pictures; may be deleted
 *
 * Lines of the journal say what became, not what was added: read again over a newer photos.csv they give the same. */
#ifndef WK_STUDIO_PROJECT_H
#define WK_STUDIO_PROJECT_H

#include <pthread.h>

#include "fault.h"
#include "whisker/data.h"

typedef struct wk_project_photo {
  char *file;               /* below the photos' folder, or, if own, below the project's */
  unsigned char sha256[32]; /* zeros: not known yet */
  int32_t label;            /* index into classes; -1: none */
  uint8_t part;             /* a wk_split; WK_SPLIT_ALL: the studio decides */
  bool own;
  bool removed;  /* by the user: not learned from, not shown unless asked for */
  bool missing;  /* the file was not there when it was last looked for */
  uint8_t found; /* by the doctor: WK_FLAG_BROKEN and its kin (photo_list.h); not kept in photos.csv, as the next */
  float p;       /* of its class, by the last run; NaN: not known */
} wk_project_photo;

typedef struct wk_project_step {
  json_t *redo, *undo; /* arrays of changes */
} wk_project_step;

typedef struct wk_project {
  pthread_mutex_t lock; /* of all below; functions say who holds it */
  char *folder, *root;  /* absolute; root NULL: there are no photos but its own */
  char *name;
  int folder_fd, root_fd, lock_fd, journal_fd;
  wk_project_photo *photos; /* photo `id` at id - 1: ids are never used again */
  size_t photo_count, photo_cap;
  char **classes; /* [class_count]; NULL: was taken back */
  int class_count;
  uint64_t rev;           /* of the last change */
  wk_project_step *steps; /* [step_count], of which the first `done` are done and the others can be done again */
  size_t step_count, step_cap, done;
  size_t journal_lines;
  bool unsaved; /* something is known that neither photos.csv nor the journal has */
  off_t journal_size;
} wk_project;

/* Opens or makes the project in `folder`, with the photos of `root` (NULL: those it has). WK_ERR_UNSUPPORTED, key
 * "in_use": another studio has it. */
wk_status wk_project_open(wk_project **out, const char *folder, const char *root, wk_fault *f);
/* Writes what is only in the journal so far; a failure loses nothing. */
void wk_project_close(wk_project *p);
/* Is there a project in that folder? */
bool wk_project_is(const char *folder);

/* A hash as 64 hexadecimal digits, and back; false: that is none. */
void wk_hash_text(char out[65], const unsigned char sha256[32]);
bool wk_hash_read(unsigned char out[32], const char *hex);

/* ---- with the lock held ------------------------------------------------------------------------ */

/* NULL and 404: there is no such photo. */
wk_project_photo *wk_project_photo_at(wk_project *p, uint64_t id, wk_fault *f);
/* Appends a photo; `file` is copied. */
wk_status wk_project_append(wk_project *p, const wk_project_photo *photo, wk_fault *f);
/* The class of that name; made where it is not there. -1: no memory. */
int wk_project_class(wk_project *p, const char *name);
/* The file of a photo, opened for reading; it lies below the photos' folder whatever links there are. -1: f says why.
 */
int wk_project_photo_fd(wk_project *p, uint64_t id, wk_fault *f);

/* photos.csv and project.json (project_files.c). */
wk_status wk_project_load(wk_project *p, wk_fault *f);
wk_status wk_project_save(wk_project *p, wk_fault *f);
/* Writes a file beside the old one, to the disk, and into place. */
wk_status wk_project_replace(const wk_project *p, const char *name, const void *bytes, size_t size, wk_fault *f);
/* All of an open file; free it. At most `most` bytes. */
wk_status wk_read_fd(char **out, size_t *size, int fd, size_t most, const char *name, wk_fault *f);

/* All of `bytes`; false: errno says why. */
bool wk_write_fd(int fd, const void *bytes, size_t size);

/* SHA-256 of the photo's file as it is now. Without the lock held. */
wk_status wk_project_hash(wk_project *p, uint64_t id, unsigned char out[32], wk_fault *f);
/* Finds the photos of root: new ones are appended, others marked as missing (project_scan.c). */
wk_status wk_project_scan(wk_project *p, wk_fault *f);

#endif

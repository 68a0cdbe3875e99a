/* roster.h (internal) - what a model was trained on, on record where features are kept: its photos by their hashes, with classes and
 * splits, and how it was trained. With it a model learns more later, or loses a class, from kept features, although its photos may be
 * gone. The model's file knows nothing of it: a record is found by the hash of that file. */
#ifndef WK_WORKFLOW_ROSTER_H
#define WK_WORKFLOW_ROSTER_H

#include "workflow/workflow.h"

typedef struct wk_roster {
  wk_dataset *data;                   /* names are what is below the collection's folder; paths are whole */
  uint8_t (*sha256)[WK_SHA256_BYTES]; /* [photos] zeros: not learned from, or could not be read */
  uint64_t seed;
  char *val, *group_by; /* as in wk_train_options; NULL: not given */
  int precision;
  bool refit, light;
  char *probe; /* wk_probe_options as JSON */
} wk_roster;

/* Puts how the model was trained into o; o->val and o->group_by live as long as the record. */
wk_status wk_roster_options(wk_train_options *o, const wk_roster *r, wk_error *err);

/* Keeps the record of the model in the file `model`. `sha256` [d->photo_count]. */
wk_status wk_roster_write(const char *folder, const char *model, const wk_dataset *d,
                          const uint8_t (*sha256)[WK_SHA256_BYTES], const wk_train_options *o, uint64_t seed, wk_error *err);
/* WK_ERR_NOT_FOUND where there is no record of the model. `folder` NULL: nothing is kept. */
wk_status wk_roster_read(wk_roster **out, const char *folder, const char *model, wk_error *err);
void wk_roster_free(wk_roster *r);
/* Puts the photos of `r` among those of `d`, as if all had been in one folder: classes sorted by name, photos by what they are called
 * below the folder. A photo of `d` takes the place of the one of the same name. sha256 [photos] is made (wk_free): zeros where it
 * is not known. added[0..2]: new photos, replaced ones, new classes. */
wk_status wk_roster_merge(wk_dataset *d, uint8_t (**sha256)[WK_SHA256_BYTES], const wk_roster *r, size_t added[3],
                          wk_error *err);

#endif

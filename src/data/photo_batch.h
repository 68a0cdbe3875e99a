/* photo_batch.h (internal) - the one way from photos' files to what a network takes: read, decoded, as the network sees
 * them or augmented, one after the other into a batch of whoever works on them; features, ranges and fine-tuning differ
 * in what they do with it. One a worker, zeroed before; memory is kept for the next batch. */
#ifndef WK_PHOTO_BATCH_H
#define WK_PHOTO_BATCH_H

#include "data/data.h"
#include "whisker/augment.h"

typedef struct wk_photo_batch {
  wk_buffer file; /* the last photo's bytes */
  uint8_t *rgb;   /* [capacity, height, width, 3] */
  size_t photo;   /* bytes of one */
  int count;      /* photos in it */
  wk_exec *exec;
} wk_photo_batch;

/* How a photo is changed on its way. */
typedef struct wk_photo_change {
  const wk_augment *augment;
  wk_augment_key key;
} wk_photo_change;

/* Empties the batch; the first time it is given room for `capacity` photos of that preprocessing. */
wk_status wk_photo_batch_begin(wk_photo_batch *b, const wk_preprocess *p, int capacity, wk_error *err);
/* The bytes of a photo, from a file that was opened ahead, or else (fd -1) is opened now and for the caller to close.
 */
wk_status wk_photo_batch_read(wk_photo_batch *b, wk_photo_file *file, const char *path, wk_error *err);
/* The photo that was read, as pixels at the batch's end, or at `to` where that is not NULL. `change` may be NULL. */
wk_status wk_photo_batch_decode(wk_photo_batch *b, uint8_t *to, const wk_preprocess *p, const wk_photo_change *change,
                                wk_error *err);
/* Both, of a photo that nobody has opened yet. */
wk_status wk_photo_batch_add(wk_photo_batch *b, uint8_t *to, const char *path, const wk_preprocess *p,
                             const wk_photo_change *change, wk_error *err);
/* The plan's first output for the photos in the batch, until the next call. */
wk_status wk_photo_batch_run(const float **rows, wk_photo_batch *b, const wk_plan *plan, wk_error *err);
void wk_photo_batch_free(wk_photo_batch *b);

#endif

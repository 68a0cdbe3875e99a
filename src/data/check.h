/* check.h (internal) - what the two files of the data doctor share. */
#ifndef WK_DATA_CHECK_H
#define WK_DATA_CHECK_H

#include "base/base.h"
#include "whisker/check.h"

#define WK_THUMB 9 /* a photo as THUMB x THUMB grey dots */

/* What is kept of each photo that was looked at. */
typedef struct wk_looked {
  uint8_t hash[WK_SHA256_BYTES]; /* of its bytes */
  uint64_t bits[2];              /* which dots are brighter than their left and upper neighbours */
  uint8_t thumb[WK_THUMB * WK_THUMB];
  uint8_t mean; /* of the dots */
  bool usable;
  bool blank; /* too even to be told from other even photos */
  uint8_t format;
  int width, height;
} wk_looked;

/* How a photo looks (photo_look.c): all that is kept of its pixels. */
typedef struct wk_look {
  uint64_t frequencies; /* wk_photo_hash.look */
  uint8_t thumb[WK_THUMB * WK_THUMB];
} wk_look;
wk_status wk_look_at(wk_look *out, const void *bytes, size_t size, wk_error *err);
/* Fills thumb, bits, mean and blank. */
void wk_describe_thumb(wk_looked *l, const uint8_t *thumb);
/* Adds groups of equal photos to c, and with look_alikes those that only look equal. */
wk_status wk_find_duplicates(wk_check *c, const wk_dataset *d, const wk_looked *looked, bool look_alikes,
                             const wk_context *ctx, wk_error *err);

#endif

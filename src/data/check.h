/* check.h (internal) - what the files of the data doctor share: what is kept of each photo that was examined
 * (examine.c), which of them are one (twins.c), and the list of findings (findings.c). */
#ifndef WK_DATA_CHECK_H
#define WK_DATA_CHECK_H

#include "base/base.h"
#include "whisker/check.h"

#define WK_DOTS 32 /* a photo as DOTS x DOTS grey dots, upright: what the doctor compares */

/* ---- photo_look.c: how a photo looks, for splits and for models that remember ------------------ */

/* wk_photo_hash.look of a photo's bytes; 0: it tells nothing. */
wk_status wk_look_at(uint64_t *out, const void *bytes, size_t size, wk_error *err);
/* Looks in blocks, one at least of which is equal in looks that are near enough (photo_hash.c). */
enum { WK_LOOK_BLOCKS = 5 };
uint64_t wk_look_block(uint64_t look, int block);
/* The signs of the lowest frequencies of a picture. */
uint64_t wk_look_frequencies(const uint8_t dot[WK_DOTS * WK_DOTS]);
/* Of 3 bytes a dot: one. */
void wk_look_grey(uint8_t *grey, const uint8_t *rgb, size_t dots);

/* ---- examine.c: what one photo is like --------------------------------------------------------- */

typedef struct wk_examined {
  uint8_t hash[WK_SHA256_BYTES]; /* of its bytes; zeros: they could not be read */
  uint8_t dot[WK_DOTS * WK_DOTS];
  int32_t width, height; /* upright */
  float missing;         /* of a photo that breaks off: the share of its rows that is not there */
  uint8_t format, orientation;
  uint8_t read;    /* its bytes are there */
  uint8_t usable;  /* and are a whole photo */
  uint8_t partial; /* it breaks off, and what is there can be decoded */
  uint8_t grey;    /* without colours */
  uint8_t one_colour;
  uint8_t even; /* too even to be compared with others */
} wk_examined;

/* Reads and decodes every photo (JPEGs at an eighth of their size), in parallel. What was found is kept in
 * `cache_folder` by the photo's hash (NULL: nothing is), so that the next time bytes are only hashed. why[i] (wk_free)
 * says of those that are not usable why, and at which byte; NULL for the others. Stage of progress: "check". */
wk_status wk_examine(wk_examined *out, char **why, const wk_dataset *d, const char *cache_folder, const wk_context *ctx,
                     wk_error *err);

/* ---- twins.c: photos that are one -------------------------------------------------------------- */

/* first[i]: the number of the first photo that has the same bytes, or (twin[i]) nearly the same picture: of another
 * size or compression, cut by some percent at its edges, or mirrored; i itself where there is none before it. Time
 * grows with the number of photos, not with its square, however many copies there are. */
wk_status wk_twins_find(uint32_t *first, bool *twin, const wk_examined *photo, size_t count, bool look_alikes,
                        const wk_context *ctx, wk_error *err);

/* ---- findings.c -------------------------------------------------------------------------------- */

/* Takes what (NULL: out of memory, which sticks in c->failed) and adds the finding. */
void wk_check_add(wk_check *c, wk_finding f);
void wk_check_sort(wk_check *c); /* worst first */

#endif

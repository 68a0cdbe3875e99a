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

/* Below so many pixels of the shorter side pictures that differ are much alike (digits, icons). */
static inline bool wk_examined_is_small(const wk_examined *x) { return x->width < 96 || x->height < 96; }

/* ---- dots.c: how much two pictures agree ------------------------------------------------------- */

typedef struct wk_dots_box {
  double x0, y0, x1, y1; /* of a picture's sides */
} wk_dots_box;

/* The part of a picture in `b`, as many dots as the picture has. */
void wk_dots_cut(uint8_t *out, const uint8_t *dot, const wk_dots_box *b, bool mirrored);
/* Correlation of the dots of two pictures; 0 where one is even. */
double wk_dots_correlation(const uint8_t *a, const uint8_t *b);

/* How far a fit goes. */
typedef struct wk_dots_fitting {
  double farthest; /* no edge is moved inwards by more */
  double worth;    /* correlation below which moving edges does not help */
  double enough;   /* from which on no better fit is looked for */
} wk_dots_fitting;

/* Correlation of `b` with the part of `a` that fits it best, from `first` on, edge by edge, as long as it helps. */
double wk_dots_fit(const uint8_t *a, const uint8_t *b, const wk_dots_box *first, bool mirrored,
                   const wk_dots_fitting *how);

/* ---- twins.c: photos that are one -------------------------------------------------------------- */

/* first[i]: the number of the first photo that has the same bytes, or (twin[i]) nearly the same picture: of another
 * size or compression, cut by some percent at its edges, or mirrored; i itself where there is none before it. Time
 * grows with the number of photos, not with its square, however many copies there are. */
wk_status wk_twins_find(uint32_t *first, bool *twin, const wk_examined *photo, size_t count, bool look_alikes,
                        const wk_context *ctx, wk_error *err);

/* ---- twins_seen.c: twins that the hash has missed ---------------------------------------------- */

/* Joins sets of wk_twins_find whose first photos a network sees nearly the same in and whose dots agree when the edges
 * of one are cut: more is cut off than the hash can bear, a margin was added, the picture was turned a little. `f` are
 * features of photos[of[row]]. Time and memory grow with the number of rows. */
wk_status wk_twins_join(uint32_t *first, bool *twin, const wk_examined *photo, size_t count, const wk_features *f,
                        const size_t *of, const wk_context *ctx, wk_error *err);

/* ---- check.c: looking, and telling what was seen ----------------------------------------------- */

/* wk_check_run in two halves, between which more may be found out about the photos. */
typedef struct wk_checking {
  wk_check *c;
  const wk_dataset *d;
  const wk_check_options *o;
  wk_examined *photo;
  char **why; /* [photos]: NULL for the usable ones */
  bool *told; /* [photos]: that it is in two classes */
  bool *twin; /* [photos]: nearly the same as c->first[i], not the same bytes */
} wk_checking;

/* Fills an empty c but for its findings and groups. wk_check_end in any case, also after a failure. */
wk_status wk_check_look(wk_checking *t, wk_check *c, const wk_dataset *d, const wk_check_options *o,
                        const wk_context *ctx, wk_error *err);
wk_status wk_check_tell(wk_checking *t, wk_error *err);
void wk_check_end(wk_checking *t);

/* ---- findings.c -------------------------------------------------------------------------------- */

/* Takes what (NULL: out of memory, which sticks in c->failed) and adds the finding. */
void wk_check_add(wk_check *c, wk_finding f);
void wk_check_sort(wk_check *c); /* worst first */

#endif

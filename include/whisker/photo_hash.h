/* photo_hash.h - what a photo is known by when it is met again: by its content, and by how it looks, so that copies of another size
 * or compression are recognised as well. 16 bytes a photo, the same on every machine. */
#ifndef WHISKER_PHOTO_HASH_H
#define WHISKER_PHOTO_HASH_H

#include "whisker/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* `look`: signs of the 64 lowest frequencies of a small grey copy, against their median (after C. Zauner, "Implementation and
 * benchmarking of perceptual image hash functions", 2010). 0: it tells nothing, because the photo is too small or nearly blank, or
 * could not be decoded. */
typedef struct wk_photo_hash {
  uint64_t content; /* the first 8 bytes of its SHA-256, the first the most significant; 0: it could not be read */
  uint64_t look;
} wk_photo_hash;

/* Looks that differ in at most so many bits are of the same picture. */
#define WK_SAME_LOOK_BITS 4

/* One hash a photo, in their order; one that cannot be read gets zeros, and no warning: whoever reads it next tells. Looks are kept
 * in `cache_folder` (may be NULL) like features. Stage of progress: "hashes". */
WK_API wk_status wk_photo_hashes(wk_photo_hash *out, const char *const *path, size_t photos, const char *cache_folder,
                                 const wk_context *ctx, wk_error *err) WK_NODISCARD;

/* Puts photos that are one into one group: group[i] is the number of its first photo. */
WK_API wk_status wk_photo_groups(uint32_t *group, const wk_photo_hash *hash, size_t count, wk_error *err) WK_NODISCARD;

/* ---- many of them ------------------------------------------------------------------------------ */

/* A set in which a photo is found by either hash. */
typedef struct wk_photo_set wk_photo_set;

/* Copies `hash`, each photo once, in the order of their contents: the same photos give the same set. Photos that could not be read
 * are left out. */
WK_API wk_status wk_photo_set_create(wk_photo_set **out, const wk_photo_hash *hash, size_t count, wk_error *err) WK_NODISCARD;
WK_API void wk_photo_set_free(wk_photo_set *s);
WK_API size_t wk_photo_set_size(const wk_photo_set *s);
WK_API const wk_photo_hash *wk_photo_set_at(const wk_photo_set *s, size_t index);
/* Is this photo in it, or one that looks the same? */
WK_API bool wk_photo_set_has(const wk_photo_set *s, const wk_photo_hash *photo);

#ifdef __cplusplus
}
#endif
#endif

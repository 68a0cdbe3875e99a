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

/* The one rule by which two photos are the same, for splits, for what is left out of a test, everywhere: equal contents, or looks that
 * differ in at most WK_SAME_LOOK_BITS. */
WK_API bool wk_photo_same(const wk_photo_hash *a, const wk_photo_hash *b);

/* ---- of many photos ---------------------------------------------------------------------------- */

/* What tells photos apart: the hash of each one's bytes, and how it looks. */
typedef struct wk_prints wk_prints;

/* Reads every photo once; a JPEG is decoded at an eighth of its size, without its colours. One that cannot be read gets zeros, and no
 * warning: whoever reads it next tells. What was found is kept in `cache_folder` by the photo's hash; NULL: keeps nothing. Stage of
 * progress: "copies". */
WK_API wk_status wk_prints_compute(wk_prints **out, const char *const *path, size_t photos, const char *cache_folder,
                                   const wk_context *ctx, wk_error *err) WK_NODISCARD;
/* The same for photos whose hashes may be known: sha256 [photos] of their bytes, a row of zeros where it is not. What is kept under a hash is
 * found without the photo; one that is neither kept nor can be read keeps the hash that is known. */
WK_API wk_status wk_prints_compute_known(wk_prints **out, const char *const *path, const unsigned char (*sha256)[32], size_t photos,
                                         const char *cache_folder, const wk_context *ctx, wk_error *err) WK_NODISCARD;
WK_API wk_photo_hash wk_prints_get(const wk_prints *p, size_t photo);
/* Of the photo's bytes, [32], as long as `p` lives; zeros: it could not be read. */
WK_API const uint8_t *wk_prints_sha256(const wk_prints *p, size_t photo);
/* group[i]: the number of the first photo that photo i is the same as (wk_photo_same); i itself where there is none before it. */
WK_API wk_status wk_prints_group(uint32_t *group, const wk_prints *p, const wk_context *ctx, wk_error *err) WK_NODISCARD;
WK_API void wk_prints_free(wk_prints *p);

/* ---- to be met again --------------------------------------------------------------------------- */

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

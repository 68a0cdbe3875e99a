/* damage.h (internal) - what is wrong with the bytes of a photo: where they stop being what their format says, and
 * which way up they lie. Nothing is decoded. */
#ifndef WK_IMAGE_DAMAGE_H
#define WK_IMAGE_DAMAGE_H

#include "base/base.h"

typedef struct wk_damage {
  size_t byte;      /* the first one that is not as the format says; the file's size where it ends too early */
  const char *what; /* a constant: "its data end here" */
} wk_damage;

/* For a file that could not be decoded. JPEG, PNG, GIF, WebP and BMP are followed from segment to segment; of other
 * formats, and where every segment is whole, the place is where the coded picture begins. */
void wk_find_damage(wk_damage *out, const void *bytes, size_t size);
/* EXIF's 1..8: 1 is upright. */
wk_status wk_image_orientation(int *out, const void *bytes, size_t size, wk_error *err);

#endif

/* from_scratch.c - what `train --from-scratch` takes from a look at the photos where the user says nothing: the input's
 * size, for a large one costs hours without weights to start from, and which changes leave a photo what it is. */
#include <stdlib.h>

#include "workflow/workflow.h"

enum { LOOKED_AT = 15, SMALL = 40, SMALL_INPUT = 32, INPUT = 64 };

static bool is_grey(const wk_image *image) {
  const uint8_t *p = image->pixels;
  for (size_t i = 0; i < (size_t)image->width * (size_t)image->height; i++, p += 3)
    if (p[0] != p[1] || p[1] != p[2])
      return false;
  return true;
}

static int by_size(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

wk_status wk_suit_scratch(wk_call *call, const wk_holdout *s, wk_preprocess *p, wk_augment *augment, bool size_given,
                          bool augment_given, wk_error *err) {
  size_t learn = s->photos.count - s->held_count;
  int side[LOOKED_AT], seen = 0, grey = 0;
  for (size_t i = 0; i < LOOKED_AT; i++) {
    wk_image image = {0};
    wk_error broken; /* is told when it is read to learn from */
    if (wk_photo_load(&image, s->photos.paths[learn * i / LOOKED_AT], NULL, &broken) != WK_OK)
      continue;
    side[seen++] = image.width < image.height ? image.width : image.height;
    grey += is_grey(&image);
    wk_image_free(&image);
  }
  if (!seen)
    return WK_OK;
  qsort(side, (size_t)seen, sizeof *side, by_size);
  int typical = side[seen / 2];
  if (!size_given)
    wk_preprocess_set_size(p, typical <= SMALL ? SMALL_INPUT : INPUT, 0);
  wk_status st = WK_OK;
  /* Grey pictures are often writing or scans, and a mirrored 2 is no 2. */
  if (!augment_given)
    st = wk_augment_parse(augment, grey == seen ? "scale=0.7:1" : "scale=0.4:1,hflip=0.5", err);
  char *changes = st == WK_OK ? wk_augment_text(augment) : NULL;
  if (changes)
    wk_call_note(call, "%s photos with a shorter side of %d pixels: input %d x %d (--size), changed by %s (--augment)",
                 grey == seen ? "grey" : "colour", typical, p->width, p->height, *changes ? changes : "nothing");
  wk_free(changes);
  return st;
}

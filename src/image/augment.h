/* augment.h (internal) - what the files of augmentation share. */
#ifndef WK_IMAGE_AUGMENT_H
#define WK_IMAGE_AUGMENT_H

#include "base/base.h"
#include "whisker/augment.h"
#include "whisker/options.h"

/* ImageNet's mean colour: what warps and erasing leave behind. */
extern const uint8_t wk_augment_fill[3];

/* A wk_augment as one option of a larger table, written as wk_augment_parse reads it. */
extern const wk_option_codec wk_augment_codec;

/* RandAugment on a picture, in place. */
wk_status wk_augment_rand(wk_image *image, const wk_augment *a, wk_rng *rng, wk_error *err);
/* One of its operations at a level of 0 .. 10, its sign and the rest drawn from rng. */
int wk_augment_rand_count(void);
const char *wk_augment_rand_name(int op);
wk_status wk_augment_rand_apply(wk_image *image, int op, double level, bool increasing, wk_rng *rng, wk_error *err);

#endif

/* icc.h (internal) - colours as an ICC profile means them, to sRGB, through Little CMS. */
#ifndef WK_IMAGE_ICC_H
#define WK_IMAGE_ICC_H

#include "base/base.h"
#include "whisker/image.h"

typedef struct wk_icc wk_icc;

typedef enum wk_icc_space { WK_ICC_RGB, WK_ICC_GREY, WK_ICC_CMYK } wk_icc_space;

/* Makes a transform from the profile; what it is for is told by wk_icc_space_of. */
wk_status wk_icc_open(wk_icc **out, const void *profile, size_t size, wk_error *err);
void wk_icc_close(wk_icc *icc);
wk_icc_space wk_icc_space_of(const wk_icc *icc);
/* `n` pixels to sRGB: RGB (of a grey profile: three equal values) in place, or CMYK in Adobe's way (255 is no ink) into `rgb`. */
void wk_icc_run(const wk_icc *icc, uint8_t *rgb, const uint8_t *cmyk, size_t n);

#endif

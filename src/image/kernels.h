/* kernels.h (internal) - the inner loops over pixels, compiled once an instruction set. All give the same bits. */
#ifndef WK_IMAGE_KERNELS_H
#define WK_IMAGE_KERNELS_H

#include "base/base.h"
#include "base/isa.h"

/* Coefficients of resampling are integers of this many fraction bits, as in Pillow. */
#define WK_RESAMPLE_BITS 22

/* Where one output pixel's taps lie, and how many there are. */
typedef struct wk_taps {
  int first, count;
} wk_taps;

/* Four rows at once: `mixed` holds, for each source column, four rows of RGB and a byte that does not matter; output
 * pixel x is the sum of columns taps[x].first ... with coef[x * ksize ...]. Writes 3 * width + 1 bytes a row. */
WK_ISA_DECLARE(void, wk_resample_across,
               (uint8_t *const dst[4], const uint8_t *mixed, const wk_taps *taps, const int32_t *coef, size_t ksize,
                size_t width));
/* One row: dst[i] = sum over t of src[t * pitch + i] * coef[t], n bytes. */
WK_ISA_DECLARE(void, wk_resample_down,
               (uint8_t * dst, const uint8_t *src, size_t pitch, const int32_t *coef, size_t taps, size_t n));
/* out[i] = (pixels[i] - mean[i % 3]) * factor[i % 3], n bytes; n is a multiple of 3. */
WK_ISA_DECLARE(void, wk_normalise,
               (float *out, const uint8_t *pixels, size_t n, const float mean[3], const float factor[3]));

typedef struct wk_pixel_kernels {
  void (*across)(uint8_t *const dst[4], const uint8_t *mixed, const wk_taps *taps, const int32_t *coef, size_t ksize,
                 size_t width);
  void (*down)(uint8_t *dst, const uint8_t *src, size_t pitch, const int32_t *coef, size_t taps, size_t n);
  void (*normalise)(float *out, const uint8_t *pixels, size_t n, const float mean[3], const float factor[3]);
} wk_pixel_kernels;

wk_pixel_kernels wk_pixel_kernels_for(wk_isa isa);

#endif

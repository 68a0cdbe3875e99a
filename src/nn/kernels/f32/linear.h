/* linear.h (internal) - linear layers that train, on PyTorch's weight [outputs][inputs] as it is, compiled once an
 * instruction set. A photo's results do not depend on how many there are. */
#ifndef WK_NN_LINEAR_H
#define WK_NN_LINEAR_H

#include <stdbool.h>

#include "base/isa.h"

/* Rows first..last-1 of the weight; `count` photos. */
WK_ISA_DECLARE(void, wk_linear_forward,
               (float *out, const float *in, const float *weight, const float *bias, int inputs, int outputs, int first,
                int last, int count));
/* dx for inputs first..last-1. Rows of the weight, which must be finite, are not read where dy is zero for all photos.
 */
WK_ISA_DECLARE(void, wk_linear_data,
               (float *dx, const float *dy, const float *weight, int inputs, int outputs, int first, int last,
                int count, bool accumulate));
/* Rows first..last-1 of dweight and dbias, summed over the photos in order; either may be NULL. */
WK_ISA_DECLARE(void, wk_linear_weights,
               (float *dweight, float *dbias, const float *x, const float *dy, int inputs, int outputs, int first,
                int last, int count));

#endif

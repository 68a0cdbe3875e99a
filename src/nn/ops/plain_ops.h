/* plain_ops.h (internal) - what a layer of plain_ops.c and its gradient share. */
#ifndef WK_NN_PLAIN_OPS_H
#define WK_NN_PLAIN_OPS_H

#include "whisker/nn.h"

/* bias + alpha / count * (sum of squares around channel c), of one pixel: what local response normalisation divides by,
 * to the power beta. */
double wk_lrn_sum(const float *x, int channels, const wk_extra *e, int c);

#endif

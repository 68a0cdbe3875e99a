/* peak.h - the processor's own limit, for benchmarks. */
#ifndef WK_NN_PEAK_H
#define WK_NN_PEAK_H

#include "base/isa.h"

/* Does `rounds` rounds of fused multiply-adds and says in *flops how many operations that were. The result is a sum
 * that means nothing, returned so that nothing is left out. */
WK_ISA_DECLARE(double, wk_peak, (double *flops, long rounds));

#endif

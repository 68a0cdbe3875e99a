/* peak.c - what the processor could do at most: independent fused multiply-adds on registers. The measure that every
 * other kernel's speed is given as a share of. */
#include "nn/kernels/f32/peak.h"

#include "nn/kernels/vec.h"

#define CHAINS (WK_VL == 16 ? 24 : 12)

double WK_ISA_FN(wk_peak)(double *flops, long rounds) {
  vec sum[CHAINS];
  WK_UNROLL
  for (int i = 0; i < CHAINS; i++)
    sum[i] = vec_set((float)i);
  vec x = vec_set(0.5f), y = vec_set(0.25f);
  for (long r = 0; r < rounds; r++) {
    WK_UNROLL
    for (int i = 0; i < CHAINS; i++)
      sum[i] = vec_fma(sum[i], x, y);
    __asm__ volatile("" : "+r"(r)); /* or the compiler may solve the loop */
  }
  vec total = vec_zero();
  WK_UNROLL
  for (int i = 0; i < CHAINS; i++)
    total = total + sum[i];
  *flops = 2.0 * CHAINS * WK_VL * (double)rounds;
  return (double)total[0];
}

/* kernels_support.h - what the kernel tests share: numbers to compute on, and buffers of exactly the stated size, so
 * that the address sanitizer sees any read or write beside them. */
#ifndef WK_TEST_KERNELS_SUPPORT_H
#define WK_TEST_KERNELS_SUPPORT_H

#include "nn/kernels/microkernels.h"
#include "support.h"

static inline float *numbers(wk_rng *rng, size_t n) {
  float *x = malloc(n * sizeof *x + (n == 0));
  assert_non_null(x);
  for (size_t i = 0; i < n; i++)
    x[i] = (float)(2 * wk_rng_uniform(rng) - 1);
  return x;
}

/* Memory for results and scratch starts as NaN: what is used without having been written shows. */
static inline float *nans(size_t n) {
  float *x = malloc(n * sizeof *x + (n == 0));
  assert_non_null(x);
  for (size_t i = 0; i < n; i++)
    x[i] = NAN;
  return x;
}

/* The same on whole cache lines, as the library's own memory is. */
static inline float *nans_on_lines(size_t n) {
  void *x = NULL;
  assert_int_equal(posix_memalign(&x, 64, n * sizeof(float) + (n == 0)), 0);
  for (size_t i = 0; i < n; i++)
    ((float *)x)[i] = NAN;
  return x;
}

static inline double activate(double x, wk_act act) {
  if (act != WK_ACT_NONE && x < 0)
    x = 0;
  return act == WK_ACT_RELU6 && x > 6 ? 6 : x;
}

static inline int pick(wk_rng *rng, int low, int high) {
  return low + (int)wk_rng_below(rng, (uint32_t)(high - low + 1));
}

/* Runs `body` with `k` being the kernels of each set that this processor has. */
#define FOR_EACH_ISA(k)                                                                                                \
  for (int isa_ = WK_ISA_C; isa_ <= WK_ISA_AVX512; isa_++)                                                             \
    for (const wk_microkernels *k = wk_microkernels_for((wk_isa)isa_); k; k = NULL)

#endif

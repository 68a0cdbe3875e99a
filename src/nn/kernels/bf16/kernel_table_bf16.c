/* kernel_table_bf16.c - the kernels on bfloat16, plain and of AVX512_BF16, and how their weights are packed. */
#include "nn/kernels/bf16/gemm_bf16.h"

size_t wk_gemm_bf16_packed(int panel, int k, int n) {
  const int last = n % panel;
  return (size_t)k * (size_t)(n - last + (last ? wk_gemm_bf16_width(panel, last, 0) : 0));
}

void wk_gemm_bf16_pack(uint16_t *packed, const float *weight, int panel, int in_c, int taps, int n) {
  const size_t depth = ((size_t)in_c * (size_t)taps + 1) / 2 * 2;
  for (int j = 0; j < n; j++) {
    const int col = j / panel * panel;
    const size_t width = (size_t)wk_gemm_bf16_width(panel, n, col);
    uint16_t *to = packed + (size_t)col * depth + (size_t)(j - col) * 2;
    for (int c = 0; c < in_c; c++)
      for (int t = 0; t < taps; t++, weight++) {
        const size_t k = (size_t)t * (size_t)in_c + (size_t)c;
        to[k / 2 * width * 2 + k % 2] = wk_bf16(*weight);
      }
  }
}

#define KERNELS(title, set)                                                                                            \
  {                                                                                                                    \
    .name = title, .rows = WK_GEMM_BF16_ROWS_##set, .panel = WK_GEMM_BF16_PANEL_##set, .gemm = wk_gemm_bf16_run_##set, \
    .round = wk_round_bf16_##set,                                                                                      \
  }

const wk_microkernels_bf16 *wk_microkernels_bf16_for(wk_isa isa) {
  static const wk_microkernels_bf16 plain = KERNELS("plain C", c);
#if defined(__x86_64__)
  static const wk_microkernels_bf16 avx512 = KERNELS("AVX512_BF16", avx512bf16);
  if (isa == WK_ISA_AVX512)
    return wk_cpu_has_bf16() ? &avx512 : NULL;
#endif
  return isa == WK_ISA_C ? &plain : NULL;
}

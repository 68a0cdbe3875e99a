/* kernel_table_int8.c - the kernels on small integers of each instruction set, and how their weights are packed. */
#include <string.h>

#include "nn/kernels/int8/gemm_int8.h"

size_t wk_gemm_int8_packed(int panel, int k, int n) {
  const int last = n % panel;
  return (size_t)k * (size_t)(n - last + (last ? wk_gemm_int8_width(panel, last, 0) : 0));
}

void wk_gemm_int8_pack(int8_t *packed, const int8_t *b, int panel, int k, int n) {
  for (int col = 0; col < n;) {
    const int width = wk_gemm_int8_width(panel, n, col);
    for (int i = 0; i < k; i += 4)
      for (int j = 0; j < width; j++, packed += 4)
        if (col + j < n)
          memcpy(packed, b + (size_t)(col + j) * (size_t)k + (size_t)i, 4);
        else
          memset(packed, 0, 4);
    col += width;
  }
}

#define KERNELS(title, set, base)                                                                                      \
  {                                                                                                                    \
    .name = title, .rows = WK_GEMM_INT8_ROWS_##set, .panel = WK_GEMM_INT8_PANEL_##set, .gemm = wk_gemm_int8_run_##set, \
    .quantise = wk_quantize_int8_rows_##base, .depthwise = wk_depthwise_int8_row_##base,                               \
  }

static const wk_microkernels_int8 plain = KERNELS("plain C", c, c);
#if defined(__x86_64__)
static const wk_microkernels_int8 avx2 = KERNELS("AVX2", avx2, avx2), avx512 = KERNELS("AVX-512", avx512, avx512),
                                  vnni = KERNELS("AVX-512 VNNI", avx512vnni, avx512);
#endif

const wk_microkernels_int8 *wk_microkernels_int8_at(int index) {
  const wk_isa isa = wk_cpu_isa();
  const wk_microkernels_int8 *all[] = {
    &plain,
#if defined(__x86_64__)
    isa >= WK_ISA_AVX2 ? &avx2 : NULL,
    isa >= WK_ISA_AVX512 ? &avx512 : NULL,
    isa >= WK_ISA_AVX512 && wk_cpu_has_vnni() ? &vnni : NULL,
#endif
  };
  (void)isa;
  return (size_t)index < sizeof all / sizeof *all ? all[index] : NULL;
}

const wk_microkernels_int8 *wk_microkernels_int8_for(wk_isa isa) {
  if (isa > wk_cpu_isa())
    return NULL;
  const wk_microkernels_int8 *better = isa == WK_ISA_AVX512 ? wk_microkernels_int8_at(WK_ISA_AVX512 + 1) : NULL;
  return better ? better : wk_microkernels_int8_at((int)isa);
}

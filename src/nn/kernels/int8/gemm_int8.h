/* gemm_int8.h - the functions of gemm_int8.c of each instruction set; microkernels_int8.h says what they do. */
#ifndef WK_NN_GEMM_INT8_H
#define WK_NN_GEMM_INT8_H

#include "base/isa.h"
#include "nn/kernels/int8/microkernels_int8.h"

WK_ISA_DECLARE(void, wk_gemm_int8_run, (const wk_gemm_int8 *g, int row0, int row1, int col0, int col1));
WK_ISA_DECLARE(void, wk_quantize_int8_rows,
               (const wk_quantize_int8 *s, uint8_t *to, ptrdiff_t ld, const float *from, int pixels));
WK_ISA_DECLARE(void, wk_depthwise_int8_row, (const wk_depthwise_int8 *d, uint8_t *to, const uint8_t *const *rows));
#if defined(__x86_64__)
void wk_gemm_int8_run_avx512vnni(const wk_gemm_int8 *g, int row0, int row1, int col0, int col1);
#endif

/* Rows and columns of the register kernels. */
enum {
  WK_GEMM_INT8_ROWS_c = 4,
  WK_GEMM_INT8_ROWS_avx2 = 4,
  WK_GEMM_INT8_ROWS_avx512 = 8,
  WK_GEMM_INT8_ROWS_avx512vnni = 12
};
enum {
  WK_GEMM_INT8_PANEL_c = 8,
  WK_GEMM_INT8_PANEL_avx2 = 16,
  WK_GEMM_INT8_PANEL_avx512 = 32,
  WK_GEMM_INT8_PANEL_avx512vnni = 32
};

/* The width of the panel that begins at column `col`. */
static inline int wk_gemm_int8_width(int panel, int n, int col) { return n - col <= panel / 2 ? panel / 2 : panel; }

#endif

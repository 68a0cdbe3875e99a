/* gemm_bf16.h - the functions of gemm_bf16.c of each instruction set; microkernels_bf16.h says what they do. */
#ifndef WK_NN_GEMM_BF16_H
#define WK_NN_GEMM_BF16_H

#include "nn/kernels/bf16/microkernels_bf16.h"

void wk_gemm_bf16_run_c(const wk_gemm_bf16 *g, int row0, int row1, int col0, int col1);
void wk_round_bf16_c(uint16_t *to, ptrdiff_t ld, const float *from, int channels, int pixels);
#if defined(__x86_64__)
void wk_gemm_bf16_run_avx512bf16(const wk_gemm_bf16 *g, int row0, int row1, int col0, int col1);
void wk_round_bf16_avx512bf16(uint16_t *to, ptrdiff_t ld, const float *from, int channels, int pixels);
#endif

/* Rows and columns of the register kernels. */
enum { WK_GEMM_BF16_ROWS_c = 4, WK_GEMM_BF16_ROWS_avx512bf16 = 14 };
enum { WK_GEMM_BF16_PANEL_c = 8, WK_GEMM_BF16_PANEL_avx512bf16 = 32 };

/* The width of the panel that begins at column `col`; it begins at number col * k. */
static inline int wk_gemm_bf16_width(int panel, int n, int col) { return n - col <= panel / 2 ? panel / 2 : panel; }

#endif

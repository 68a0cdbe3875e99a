/* kernel_table.c - the kernels of each instruction set side by side, as one constant table. */
#include "nn/kernels/microkernels.h"

#include "nn/kernels/f32/conv_grad.h"
#include "nn/kernels/f32/conv_grouped.h"
#include "nn/kernels/f32/conv_im2col.h"
#include "nn/kernels/f32/depthwise.h"
#include "nn/kernels/f32/depthwise_grad.h"
#include "nn/kernels/f32/gemm.h"
#include "nn/kernels/f32/mbconv.h"
#include "nn/kernels/f32/mbconv_grad.h"
#include "nn/kernels/f32/normalize_bytes.h"
#include "nn/kernels/f32/peak.h"
#include "nn/kernels/f32/winograd.h"
#include "nn/kernels/f32/winograd_grad.h"

#define KERNELS(set, number)                                                                                           \
  {                                                                                                                    \
    .isa = number, .peak = wk_peak_##set, .gemm_packed = wk_gemm_packed_##set, .gemm_pack = wk_gemm_pack_##set,        \
    .gemm_shape = wk_gemm_shape_##set, .gemm = wk_gemm_##set, .winograd_packed = wk_winograd_packed_##set,             \
    .winograd_pack = wk_winograd_pack_##set, .winograd_packed_taps = wk_winograd_packed_taps_##set,                    \
    .winograd_pack_taps = wk_winograd_pack_taps_##set, .winograd_shape = wk_winograd_shape_##set,                      \
    .winograd = wk_winograd_##set, .winograd_input = wk_winograd_input_##set,                                          \
    .winograd_output = wk_winograd_output_##set, .conv_pack = wk_conv_pack_##set, .conv_shape = wk_conv_shape_##set,   \
    .conv = wk_conv_##set, .conv_takes_bytes = wk_conv_takes_bytes_##set, .pixels = wk_pixels_##set,                   \
    .depthwise_pack = wk_depthwise_pack_##set, .depthwise = wk_depthwise_##set,                                        \
    .conv_back_shape = wk_conv_back_shape_##set, .conv_data_pack = wk_conv_data_pack_##set,                            \
    .conv_data = wk_conv_data_##set, .conv_weights = wk_conv_weights_##set,                                            \
    .winograd_weights_scratch = wk_winograd_weights_scratch_##set, .winograd_weights = wk_winograd_weights_##set,      \
    .depthwise_data = wk_depthwise_data_##set, .depthwise_weights = wk_depthwise_weights_##set,                        \
    .mbconv_shape = wk_mbconv_shape_##set, .mbconv = wk_mbconv_##set, .gemm_transpose = wk_gemm_transpose_##set,       \
    .grouped_shape = wk_grouped_shape_##set, .grouped_pack = wk_grouped_pack_##set, .grouped = wk_grouped_##set,       \
    .grouped_data_pack = wk_grouped_data_pack_##set, .grouped_data = wk_grouped_data_##set,                            \
    .grouped_weights = wk_grouped_weights_##set, .grouped_unpack = wk_grouped_unpack_##set,                            \
    .mbconv_back_shape = wk_mbconv_back_shape_##set, .mbconv_back = wk_mbconv_back_##set,                              \
  }

const wk_microkernels *wk_microkernels_for(wk_isa isa) {
  static const wk_microkernels table[] = {
    KERNELS(c, WK_ISA_C),
#if defined(__x86_64__)
    KERNELS(avx2, WK_ISA_AVX2),
    KERNELS(avx512, WK_ISA_AVX512),
#endif
  };
  return isa <= wk_cpu_isa() && (size_t)isa < sizeof table / sizeof table[0] ? &table[isa] : NULL;
}

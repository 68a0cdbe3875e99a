/* group_spread.h - a vector of several groups of channels, and in all lanes of each one input of that group. */
#ifndef WK_NN_GROUP_SPREAD_H
#define WK_NN_GROUP_SPREAD_H

#include "nn/kernels/vec.h"

#if WK_VL == 16
#define WK_WIDEST_SPREAD 8 /* channels of the widest groups of which a vector has several */
#elif WK_VL == 8
#define WK_WIDEST_SPREAD 4
#else
#define WK_WIDEST_SPREAD 2
#endif

/* Lane k of the result is input i of its group: lane k / depth * depth + i of x. `depth` and `i` are constants; depth
 * is 1, 2, 4 or 8, and less than a vector. */
WK_INLINE vec group_spread(vec x, int depth, int i) {
  if (depth == 1)
    return x;
#if defined(__AVX512F__)
  if (depth == 2)
    return (vec)(i ? _mm512_movehdup_ps((__m512)x) : _mm512_moveldup_ps((__m512)x));
  if (depth == 4)
    return (vec)(i == 0   ? _mm512_permute_ps((__m512)x, 0x00)
                 : i == 1 ? _mm512_permute_ps((__m512)x, 0x55)
                 : i == 2 ? _mm512_permute_ps((__m512)x, 0xaa)
                          : _mm512_permute_ps((__m512)x, 0xff));
  const vec_index at = {i, i, i, i, i, i, i, i, 8 + i, 8 + i, 8 + i, 8 + i, 8 + i, 8 + i, 8 + i, 8 + i};
  return vec_pick(x, at);
#elif defined(__AVX2__)
  if (depth == 2)
    return (vec)(i ? _mm256_movehdup_ps((__m256)x) : _mm256_moveldup_ps((__m256)x));
  return (vec)(i == 0   ? _mm256_permute_ps((__m256)x, 0x00)
               : i == 1 ? _mm256_permute_ps((__m256)x, 0x55)
               : i == 2 ? _mm256_permute_ps((__m256)x, 0xaa)
                        : _mm256_permute_ps((__m256)x, 0xff));
#else
  const vec_index at = {i, i, 2 + i, 2 + i};
  return vec_pick(x, at);
#endif
}

#endif

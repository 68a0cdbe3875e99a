/* transpose.h (internal) - 4 x 4 floats turned in registers. */
#ifndef WK_BASE_TRANSPOSE_H
#define WK_BASE_TRANSPOSE_H

#include <stddef.h>
#include <string.h>

/* Row k of `to` becomes column k of `from`; rows are so many bytes apart, and need not be aligned. */
static inline __attribute__((always_inline)) void wk_transpose_4x4(void *to, ptrdiff_t to_step, const void *from,
                                                                   ptrdiff_t from_step) {
  typedef float four __attribute__((vector_size(16)));
  four x[4];
  for (int k = 0; k < 4; k++)
    memcpy(&x[k], (const char *)from + k * from_step, sizeof x[k]);
  const four a = __builtin_shufflevector(x[0], x[1], 0, 4, 1, 5), b = __builtin_shufflevector(x[2], x[3], 0, 4, 1, 5),
             c = __builtin_shufflevector(x[0], x[1], 2, 6, 3, 7), d = __builtin_shufflevector(x[2], x[3], 2, 6, 3, 7);
  const four y[4] = {__builtin_shufflevector(a, b, 0, 1, 4, 5), __builtin_shufflevector(a, b, 2, 3, 6, 7),
                     __builtin_shufflevector(c, d, 0, 1, 4, 5), __builtin_shufflevector(c, d, 2, 3, 6, 7)};
  for (int k = 0; k < 4; k++)
    memcpy((char *)to + k * to_step, &y[k], sizeof y[k]);
}

#endif

/* microkernels_int8.h - kernels on small integers: activations are bytes 0..127 ("u7"), weights -127..127, sums are
 * exact.
 *
 * A product of two such pairs fits 16 bits, and weights are quantised (quantize_int8.h) so that the sums which AVX2
 * keeps in 16 bits fit as well. So every instruction set makes the same integers, and what follows them is rounded
 * after each operation (these files are compiled without contraction): the same bits on all processors.
 *
 * As in microkernels.h: pure functions over a range on the calling thread, and an output depends on its own inputs
 * alone. */
#ifndef WK_NN_MICROKERNELS_INT8_H
#define WK_NN_MICROKERNELS_INT8_H

#include "base/base.h"
#include "nn/kernels/activation.h"

#define WK_U7_MAX 127
#define WK_INT8_DEPTH 8      /* rows of A are padded to a multiple of so many bytes */
#define WK_INT8_CHANNELS 32  /* channels of the depthwise kernel come in groups of so many */
#define WK_INT8_PAIR_SUM 258 /* 127 times as much fits 16 bits */

/* a rounded up to a multiple of b. */
static inline int wk_up(int a, int b) { return (a + b - 1) / b * b; }

/* C = act((A * B) * scale + bias + add), or the same rounded to u7. */
typedef struct wk_gemm_int8 {
  int n, k;                  /* k: a multiple of WK_INT8_DEPTH */
  const uint8_t *a;          /* [m][k], rows lda apart */
  const int8_t *b;           /* packed by wk_gemm_int8_pack for the kernel's panel */
  const float *scale, *bias; /* [n rounded up to the panel] */
  const float *add;          /* [m][n], rows ldadd apart, or NULL; may be c itself */
  float *c;                  /* [m][n], rows ldc apart; or NULL and: */
  uint8_t *q; /* [m][n], rows ldq apart: rounded, and held within 0..127. n is then a multiple of the panel */
  ptrdiff_t lda, ldc, ldadd, ldq;
  wk_act act; /* NONE, RELU, RELU6; not looked at for q */
} wk_gemm_int8;

/* Rows of u7 from floats: round(x * inverse) + zero, held within 0..127. */
typedef struct wk_quantize_int8 {
  int channels;
  const float *inverse, *low, *high; /* [channels]: x * inverse is held within low..high, which are -zero, 127 - zero */
  const int32_t *zero;               /* [channels] */
} wk_quantize_int8;

/* Rows of a depthwise convolution on u7, whose padding is in the input already. */
typedef struct wk_depthwise_int8 {
  int out_w, channels;   /* channels: a multiple of WK_INT8_CHANNELS */
  int kernel, stride;    /* 3 or 5, 1 or 2 */
  const int8_t *weights; /* [kernel rows in pairs][kernel][channels][2]: the second of the last pair is zero */
  const int16_t *bias, *multiplier; /* [channels]: out = ((sum + bias) * multiplier / 2^15), held within 0..127 */
} wk_depthwise_int8;

typedef struct wk_microkernels_int8 {
  const char *name;
  int rows, panel; /* of the register kernel of gemm */
  /* Rows row0..row1-1, columns col0..col1-1; col0 a multiple of the panel, and col1 too or n. */
  void (*gemm)(const wk_gemm_int8 *g, int row0, int row1, int col0, int col1);
  /* `pixels` of `channels` floats each, one after the other, to bytes that are `ld` apart. */
  void (*quantise)(const wk_quantize_int8 *s, uint8_t *to, ptrdiff_t ld, const float *from, int pixels);
  /* One row of outputs from `kernel` rows of inputs. */
  void (*depthwise)(const wk_depthwise_int8 *d, uint8_t *to, const uint8_t *const *rows);
} wk_microkernels_int8;

/* Panels of `panel` columns, each [k / 4][panel][4]; a last one that needs at most half of that is half as wide. */
size_t wk_gemm_int8_packed(int panel, int k, int n);                              /* bytes */
void wk_gemm_int8_pack(int8_t *packed, const int8_t *b, int panel, int k, int n); /* b: [n][k] */

/* The kernels of an instruction set, the best of several where the processor has more than the set asks for; NULL where
 * this build or processor has not got it. */
const wk_microkernels_int8 *wk_microkernels_int8_for(wk_isa isa);
/* Every one that this processor can run, for tests and benchmarks: NULL from some index on. */
const wk_microkernels_int8 *wk_microkernels_int8_at(int index);

#endif

/* linear_rows.c - see linear_rows.h. A classifier's weights are read once a call and nothing else is: they come from
 * beyond the caches, so each row is gone through in long pieces, for all photos, while what the photos bring stays
 * near. */
#include "nn/linear_rows.h"

#include <stddef.h>
#include <string.h>

#include "nn/kernels/vec.h"

enum {
  VECTORS = 2, /* chains of sums for each row and photo */
  STEP = VECTORS * WK_VL,
  PHOTOS = 4,   /* that share a load of the weights */
  PIECE = 2048, /* columns: 8 kB of a row */
  OUTPUTS = 32, /* rows whose sums are kept from piece to piece */
  TOGETHER = 4  /* rows that are added to the inputs' gradient at a time */
};

static int least(int a, int b) { return a < b ? a : b; }

static float total(const float *v) {
  float s[STEP];
  memcpy(s, v, sizeof s);
  for (int step = STEP / 2; step; step /= 2)
    for (int i = 0; i < step; i++)
      s[i] += s[i + step];
  return s[0];
}

/* ---- forward ------------------------------------------------------------------------------------ */

/* Adds n columns of one row, for `photos` (a constant) photos; those of row `next` are on their way meanwhile. */
WK_INLINE void dots(float (*sum)[STEP], const float *in, const float *row, const float *next, int inputs, int n,
                    int photos) {
  vec s[PHOTOS * VECTORS];
  WK_UNROLL
  for (int k = 0; k < photos * VECTORS; k++)
    s[k] = vec_load(sum[k / VECTORS] + k % VECTORS * WK_VL);
  for (int i = 0; i < n; i += STEP) {
    __builtin_prefetch(next + i);
    WK_UNROLL
    for (int v = 0; v < VECTORS; v++) {
      const vec w = vec_load(row + i + v * WK_VL);
      WK_UNROLL
      for (int p = 0; p < photos; p++)
        s[p * VECTORS + v] = vec_fma(w, vec_load(in + (ptrdiff_t)p * inputs + i + v * WK_VL), s[p * VECTORS + v]);
    }
  }
  WK_UNROLL
  for (int k = 0; k < photos * VECTORS; k++)
    vec_store(sum[k / VECTORS] + k % VECTORS * WK_VL, s[k]);
}

/* Rows o..o+rows-1, at most OUTPUTS, of `photos` photos, at most PHOTOS. */
static void forward_block(float *out, const float *in, const float *weight, const float *bias, int inputs, int outputs,
                          int o, int rows, int photos) {
  float sum[OUTPUTS][PHOTOS][STEP];
  memset(sum, 0, sizeof sum);
  const int whole = inputs / STEP * STEP;
  for (int i = 0; i < whole; i += PIECE)
    for (int r = 0; r < rows; r++) {
      const float *row = weight + (ptrdiff_t)(o + r) * inputs + i;
      const float *next = r + 1 < rows ? row + inputs : row;
      const int n = least(PIECE, whole - i);
      if (photos == PHOTOS)
        dots(sum[r], in + i, row, next, inputs, n, PHOTOS);
      else
        for (int p = 0; p < photos; p++)
          dots(&sum[r][p], in + (ptrdiff_t)p * inputs + i, row, next, inputs, n, 1);
    }
  for (int r = 0; r < rows; r++)
    for (int p = 0; p < photos; p++) {
      float s = total(sum[r][p]);
      for (int k = whole; k < inputs; k++)
        s += weight[(ptrdiff_t)(o + r) * inputs + k] * in[(ptrdiff_t)p * inputs + k];
      out[(ptrdiff_t)p * outputs + o + r] = s + (bias ? bias[o + r] : 0.0f);
    }
}

void WK_ISA_FN(wk_linear_forward)(float *out, const float *in, const float *weight, const float *bias, int inputs,
                                  int outputs, int first, int last, int count) {
  for (int o = first; o < last; o += OUTPUTS)
    for (int p = 0; p < count; p += PHOTOS)
      forward_block(out + (ptrdiff_t)p * outputs, in + (ptrdiff_t)p * inputs, weight, bias, inputs, outputs, o,
                    least(OUTPUTS, last - o), least(PHOTOS, count - p));
}

/* ---- gradient of the input ------------------------------------------------------------------------ */

/* Adds columns i.. of `rows` rows times g[row * PHOTOS + photo]: a whole vector, or the `have` columns of a part of
 * one. rows, photos and part are constants. */
WK_INLINE void add_vector(float *dx, const float *g, const float *weight, int inputs, int i, int rows, int photos,
                          int have, bool part) {
  vec s[PHOTOS];
  WK_UNROLL
  for (int p = 0; p < photos; p++) {
    const float *at = dx + (ptrdiff_t)p * inputs + i;
    s[p] = part ? vec_load_part(at, have) : vec_load(at);
  }
  WK_UNROLL
  for (int r = 0; r < rows; r++) {
    const float *at = weight + (ptrdiff_t)r * inputs + i;
    const vec w = part ? vec_load_part(at, have) : vec_load(at);
    WK_UNROLL
    for (int p = 0; p < photos; p++)
      s[p] = vec_fma(vec_set(g[r * PHOTOS + p]), w, s[p]);
  }
  WK_UNROLL
  for (int p = 0; p < photos; p++) {
    float *at = dx + (ptrdiff_t)p * inputs + i;
    if (part)
      vec_store_part(at, s[p], have);
    else
      vec_store(at, s[p]);
  }
}

WK_INLINE void add_rows(float *dx, const float *g, const float *weight, int inputs, int n, int rows, int photos) {
  int i = 0;
  for (; i + WK_VL <= n; i += WK_VL)
    add_vector(dx, g, weight, inputs, i, rows, photos, WK_VL, false);
  if (i < n)
    add_vector(dx, g, weight, inputs, i, rows, photos, n - i, true);
}

/* n columns of `rows` rows, for `photos` photos: at most TOGETHER and PHOTOS. */
static void data_block(float *dx, const float *dy, const float *weight, int inputs, int outputs, int n, int rows,
                       int photos) {
  float g[TOGETHER * PHOTOS];
  for (int r = 0; r < rows; r++)
    for (int p = 0; p < photos; p++)
      g[r * PHOTOS + p] = dy[(ptrdiff_t)p * outputs + r];
  if (rows == TOGETHER && photos == PHOTOS)
    add_rows(dx, g, weight, inputs, n, TOGETHER, PHOTOS);
  else if (rows == TOGETHER)
    for (int p = 0; p < photos; p++)
      add_rows(dx + (ptrdiff_t)p * inputs, g + p, weight, inputs, n, TOGETHER, 1);
  else
    for (int r = 0; r < rows; r++)
      for (int p = 0; p < photos; p++)
        add_rows(dx + (ptrdiff_t)p * inputs, g + r * PHOTOS + p, weight + (ptrdiff_t)r * inputs, inputs, n, 1, 1);
}

void WK_ISA_FN(wk_linear_data)(float *dx, const float *dy, const float *weight, int inputs, int outputs, int first,
                               int last, int count, bool accumulate) {
  for (int i = first; i < last; i += PIECE) {
    const int n = least(PIECE, last - i);
    for (int p = 0; p < count && !accumulate; p++)
      memset(dx + (ptrdiff_t)p * inputs + i, 0, (size_t)n * sizeof *dx);
    for (int o = 0; o < outputs; o += TOGETHER)
      for (int p = 0; p < count; p += PHOTOS)
        data_block(dx + (ptrdiff_t)p * inputs + i, dy + (ptrdiff_t)p * outputs + o, weight + (ptrdiff_t)o * inputs + i,
                   inputs, outputs, n, least(TOGETHER, outputs - o), least(PHOTOS, count - p));
  }
}

/* ---- gradient of the weights ---------------------------------------------------------------------- */

void WK_ISA_FN(wk_linear_weights)(float *dweight, float *dbias, const float *x, const float *dy, int inputs,
                                  int outputs, int first, int last, int count) {
  for (int o = first; o < last; o++) {
    float *row = dweight ? dweight + (size_t)o * (size_t)inputs : NULL;
    for (int i = 0; row && i < inputs; i += 256) { /* a piece that stays in the nearest cache over all photos */
      int n = inputs - i < 256 ? inputs - i : 256;
      float sum[256] = {0};
      for (int p = 0; p < count; p++) {
        float g = dy[(size_t)p * (size_t)outputs + (size_t)o];
        const float *from = x + (size_t)p * (size_t)inputs + i;
        for (int k = 0; k < n; k++)
          sum[k] += g * from[k];
      }
      memcpy(row + i, sum, sizeof *sum * (size_t)n);
    }
    if (dbias) {
      double s = 0;
      for (int p = 0; p < count; p++)
        s += (double)dy[(size_t)p * (size_t)outputs + (size_t)o];
      dbias[o] = (float)s;
    }
  }
}

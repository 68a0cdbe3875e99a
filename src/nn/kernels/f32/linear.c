/* linear.c - see linear.h. A classifier's weights are read once a call and nothing else is: they come from
 * beyond the caches. The processor fetches ahead along each line of reading by itself, and four rows read side by side
 * come half as fast again as one after the other. */
#include "nn/kernels/f32/linear.h"

#include <stddef.h>
#include <string.h>

#include "nn/kernels/vec.h"

enum {
  TOGETHER = 4,   /* rows that are read side by side */
  PHOTOS = 4,     /* that share a load of the weights */
  PAIR = 2,       /* rows side by side for that many photos: more have no registers for their sums */
  PIECE = 2048,   /* columns of PHOTOS photos that stay near: 8 kB each */
  OUTPUTS = 32,   /* rows whose sums are kept from piece to piece */
  NEAR = 64 << 10 /* floats of the inputs' gradients that stay in L2 */
};

static int least(int a, int b) { return a < b ? a : b; }

static float total(const float *v) {
  float s[WK_VL];
  memcpy(s, v, sizeof s);
  for (int step = WK_VL / 2; step; step /= 2)
    for (int i = 0; i < step; i++)
      s[i] += s[i + step];
  return s[0];
}

/* ---- forward ------------------------------------------------------------------------------------ */

typedef float sums[PHOTOS][WK_VL]; /* of one row: one chain a photo and lane, whatever comes together */

/* Adds n columns of `rows` rows for `photos` photos (constants). */
WK_INLINE void dots(sums *sum, const float *in, const float *weight, int inputs, int n, int rows, int photos) {
  vec s[TOGETHER * PHOTOS];
  WK_UNROLL
  for (int k = 0; k < rows * photos; k++)
    s[k] = vec_load(sum[k / photos][k % photos]);
  for (int i = 0; i < n; i += WK_VL) {
    vec w[TOGETHER];
    WK_UNROLL
    for (int r = 0; r < rows; r++)
      w[r] = vec_load(weight + (ptrdiff_t)r * inputs + i);
    WK_UNROLL
    for (int p = 0; p < photos; p++) {
      const vec x = vec_load(in + (ptrdiff_t)p * inputs + i);
      WK_UNROLL
      for (int r = 0; r < rows; r++)
        s[r * photos + p] = vec_fma(w[r], x, s[r * photos + p]);
    }
  }
  WK_UNROLL
  for (int k = 0; k < rows * photos; k++)
    vec_store(sum[k / photos][k % photos], s[k]);
}

/* Rows o..o+rows-1, at most OUTPUTS, of `photos` photos, at most PHOTOS. */
static void forward_block(float *out, const float *in, const float *weight, const float *bias, int inputs, int outputs,
                          int o, int rows, int photos) {
  sums sum[OUTPUTS];
  memset(sum, 0, sizeof sum);
  const int whole = inputs / WK_VL * WK_VL, piece = photos > 1 ? PIECE : whole, each = photos > 1 ? PAIR : TOGETHER;
  for (int i = 0; i < whole; i += piece)
    for (int r = 0; r < rows; r += each) {
      const float *row = weight + (ptrdiff_t)(o + r) * inputs + i;
      const int n = least(piece, whole - i);
      if (photos == PHOTOS && r + PAIR <= rows)
        dots(sum + r, in + i, row, inputs, n, PAIR, PHOTOS);
      else if (photos == 1 && r + TOGETHER <= rows)
        dots(sum + r, in + i, row, inputs, n, TOGETHER, 1);
      else
        for (int k = r; k < least(r + each, rows); k++)
          for (int p = 0; p < photos; p++)
            dots((sums *)&sum[k][p], in + (ptrdiff_t)p * inputs + i, row + (ptrdiff_t)(k - r) * inputs, inputs, n, 1,
                 1);
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

/* Rows of the weight, and what each photo multiplies them with. */
typedef struct several {
  const float *row[TOGETHER];
  float g[TOGETHER][PHOTOS];
  int rows;
} several;

/* Adds columns i.. of `rows` rows times their g: a whole vector, or the `have` columns of a part of one. rows, photos
 * and part are constants. */
WK_INLINE void add_vector(float *dx, const several *w, int inputs, int i, int rows, int photo, int photos, int have,
                          bool part) {
  vec s[PHOTOS];
  WK_UNROLL
  for (int p = 0; p < photos; p++) {
    const float *at = dx + (ptrdiff_t)p * inputs + i;
    s[p] = part ? vec_load_part(at, have) : vec_load(at);
  }
  WK_UNROLL
  for (int r = 0; r < rows; r++) {
    const float *at = w->row[r] + i;
    const vec x = part ? vec_load_part(at, have) : vec_load(at);
    WK_UNROLL
    for (int p = 0; p < photos; p++)
      s[p] = vec_fma(vec_set(w->g[r][photo + p]), x, s[p]);
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

WK_INLINE void add_rows(float *dx, const several *from, int inputs, int n, int rows, int photo, int photos) {
  const several w = *from; /* what is written might be it, for all the compiler knows */
  int i = 0;
  for (; i + WK_VL <= n; i += WK_VL)
    add_vector(dx, &w, inputs, i, rows, photo, photos, WK_VL, false);
  if (i < n)
    add_vector(dx, &w, inputs, i, rows, photo, photos, n - i, true);
}

/* n columns of dx, for `photos` photos, at most PHOTOS. */
static void add_several(float *dx, const several *w, int inputs, int n, int photos) {
  if (w->rows == TOGETHER && photos == PHOTOS)
    add_rows(dx, w, inputs, n, TOGETHER, 0, PHOTOS);
  else if (w->rows == TOGETHER)
    for (int p = 0; p < photos; p++)
      add_rows(dx + (ptrdiff_t)p * inputs, w, inputs, n, TOGETHER, p, 1);
  else
    for (int r = 0; r < w->rows; r++) {
      several one = {.row = {w->row[r]}, .rows = 1};
      memcpy(one.g[0], w->g[r], sizeof one.g[0]);
      for (int p = 0; p < photos; p++)
        add_rows(dx + (ptrdiff_t)p * inputs, &one, inputs, n, 1, p, 1);
    }
}

void WK_ISA_FN(wk_linear_data)(float *dx, const float *dy, const float *weight, int inputs, int outputs, int first,
                               int last, int count, bool accumulate) {
  for (int p = 0; p < count; p += PHOTOS) {
    const int photos = least(PHOTOS, count - p), piece = NEAR / photos;
    for (int i = first; i < last; i += piece) {
      const int n = least(piece, last - i);
      float *to = dx + (ptrdiff_t)p * inputs + i;
      for (int k = 0; k < photos && !accumulate; k++)
        memset(to + (ptrdiff_t)k * inputs, 0, (size_t)n * sizeof *dx);
      several w = {.rows = 0};
      for (int o = 0; o < outputs; o++) {
        bool any = false;
        for (int k = 0; k < photos; k++) {
          w.g[w.rows][k] = dy[(ptrdiff_t)(p + k) * outputs + o];
          any |= w.g[w.rows][k] != 0;
        }
        if (!any)
          continue;
        w.row[w.rows++] = weight + (ptrdiff_t)o * inputs + i;
        if (w.rows == TOGETHER) {
          add_several(to, &w, inputs, n, photos);
          w.rows = 0;
        }
      }
      add_several(to, &w, inputs, n, photos);
    }
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

/* winograd_grad.c - the gradient of a 3x3 kernel of stride 1 by Winograd's F(3 x 3, 4 x 4): the algorithm of the
 * convolution turned around. Where that computes Y = A^T [(G g G^T) . (B^T d B)] A, the gradient of g is
 * G^T [(A dY A^T) . (B^T d B)] G, summed over all tiles: 36 products instead of 144 a tile and pair of channels.
 *
 * A block of tiles is transformed to one matrix per frequency; for some pairs of channels at a time the 36 sums of
 * outer products are made in L2 and go to the nine taps at once.
 */
#include "nn/kernels/f32/winograd_grad.h"

#include "nn/kernels/f32/outer_product.h"
#include "nn/kernels/f32/winograd_1d.h"
#include "nn/kernels/vec.h"

#define M 4
#define SIDE (M + 2)
#define POINTS (SIDE * SIDE)
#define PANEL (2 * WK_VL)
#define SUM_FLOATS (56 << 10)    /* of the frequencies of some pairs of channels: 220 kB */
#define BLOCK_FLOATS (640 << 10) /* of the transformed tiles of a block */
/* Input channels whose sums are made together. */
#define COLUMNS (SUM_FLOATS / POINTS / WK_OUTER_CHUNK / PANEL * PANEL)
#define FAR_FLOATS (256 << 10) /* gradients that are not near any more when they are read */

/* A y: 4 gradients of outputs to 6 frequencies, the adjoint of wk_winograd_output_1d. */
WK_INLINE void output_adjoint(vec *f, const vec *y) {
  const vec even = y[0] + A2 * y[2], odd = A * y[1] + A * A2 * y[3];
  const vec even2 = y[0] + B2 * y[2], odd2 = B * y[1] + B * B2 * y[3];
  f[0] = y[0];
  f[1] = even + odd;
  f[2] = even - odd;
  f[3] = even2 + odd2;
  f[4] = even2 - odd2;
  f[5] = y[3];
}

/* G^T f: 6 frequencies to 3 taps. */
WK_INLINE void taps_1d(vec *g, const vec *f) {
  const float zero = (float)(1 / ((double)A2 * B2)), a = (float)(1 / (2. * A2 * (A2 - B2))),
              b = (float)(1 / (2. * B2 * (B2 - A2)));
  const vec s1 = f[1] + f[2], d1 = f[1] - f[2], s2 = f[3] + f[4], d2 = f[3] - f[4];
  g[0] = zero * f[0] + (a * s1 + b * s2);
  g[1] = (a * A) * d1 + (b * B) * d2;
  g[2] = (a * A2) * s1 + ((b * B2) * s2 + f[5]);
}

typedef struct place { /* of a tile */
  int image, y, x;     /* of its first output */
} place;

static place place_of(const wk_conv *c, int tile) {
  const int across = (c->out_w + M - 1) / M, down = (c->out_h + M - 1) / M;
  return (place){tile / (across * down), tile / across % down * M, tile % across * M};
}

/* A square of `side` x `side` pixels from (y0, x0) of a picture [h][w][c], zeros beside it: channels ch.. of them, in
 * columns. */
WK_INLINE void load_square(vec *to, const float *from, int side, int y0, int x0, int h, int w, int c, int ch) {
  const int have = c - ch;
  from += ((ptrdiff_t)y0 * w + x0) * c + ch;
  if (have >= WK_VL && y0 >= 0 && x0 >= 0 && y0 + side <= h && x0 + side <= w) {
    WK_UNROLL
    for (int x = 0; x < side; x++)
      WK_UNROLL
    for (int y = 0; y < side; y++)
      to[x * side + y] = vec_load(from + ((ptrdiff_t)y * w + x) * c);
    if (ch % 16)
      return;
    WK_UNROLL
    for (int y = 0; y < side; y++)
      WK_UNROLL
    for (int x = side; x < side + M; x++) /* of the square that is next */
      __builtin_prefetch(from + ((ptrdiff_t)y * w + x) * c);
    return;
  }
  const int top = y0 < 0 ? -y0 : 0, left = x0 < 0 ? -x0 : 0, end = h - y0 < side ? h - y0 : side,
            right = w - x0 < side ? w - x0 : side;
  for (int i = 0; i < side * side; i++)
    to[i] = vec_zero();
  for (int x = left; x < right; x++)
    for (int y = top; y < end; y++) {
      const float *at = from + ((ptrdiff_t)y * w + x) * c;
      to[x * side + y] = have >= WK_VL ? vec_load(at) : vec_load_part(at, have);
    }
}

static void input_tile(const wk_conv *c, const float *x, place p, int ch, float *to, size_t plane) {
  vec d[SIDE * SIDE], half[SIDE * SIDE];
  load_square(d, x + (ptrdiff_t)p.image * c->in_h * c->in_w * c->in_c, SIDE, p.y - c->pad_top, p.x - c->pad_left,
              c->in_h, c->in_w, c->in_c, ch);
  WK_UNROLL
  for (int i = 0; i < SIDE; i++) {
    vec t[SIDE];
    wk_winograd_input_1d(M, t, d + i * SIDE);
    WK_UNROLL
    for (int y = 0; y < SIDE; y++)
      half[y * SIDE + i] = t[y];
  }
  WK_UNROLL
  for (int y = 0; y < SIDE; y++) {
    vec t[SIDE];
    wk_winograd_input_1d(M, t, half + y * SIDE);
    WK_UNROLL
    for (int i = 0; i < SIDE; i++)
      vec_store(to + (size_t)(y * SIDE + i) * plane, t[i]);
  }
}

/* Adds the gradients' sum to that of the bias as well. */
static void gradient_tile(const wk_conv *c, const float *dy, float *db, place p, int ch, float *to, size_t plane) {
  vec d[M * M], half[SIDE * M];
  load_square(d, dy + (ptrdiff_t)p.image * c->out_h * c->out_w * c->out_c, M, p.y, p.x, c->out_h, c->out_w, c->out_c,
              ch);
  vec sum = vec_zero();
  WK_UNROLL
  for (int i = 0; i < M; i++)
    sum = sum + ((d[i * M] + d[i * M + 1]) + (d[i * M + 2] + d[i * M + 3]));
  if (c->out_c - ch >= WK_VL)
    vec_store(db + ch, vec_load(db + ch) + sum);
  else
    vec_store_part(db + ch, vec_load_part(db + ch, c->out_c - ch) + sum, c->out_c - ch);
  WK_UNROLL
  for (int i = 0; i < M; i++) {
    vec t[SIDE];
    output_adjoint(t, d + i * M);
    WK_UNROLL
    for (int y = 0; y < SIDE; y++)
      half[y * M + i] = t[y];
  }
  WK_UNROLL
  for (int y = 0; y < SIDE; y++) {
    vec t[SIDE];
    output_adjoint(t, half + y * M);
    WK_UNROLL
    for (int i = 0; i < SIDE; i++)
      vec_store(to + (size_t)(y * SIDE + i) * plane, t[i]);
  }
}

/* Adds the taps of some channels to dw, each tap's `ld` floats from the one before; `from` holds their frequencies. */
static void taps(float *dw, int ld, int have, const float *from, size_t plane, bool add, bool ahead) {
  vec half[3 * SIDE];
  if (ahead) {
    WK_UNROLL
    for (int f = 0; f < POINTS; f++)
      __builtin_prefetch(from + f * plane + 16);
    WK_UNROLL
    for (int t = 0; t < 9; t++)
      __builtin_prefetch(dw + (ptrdiff_t)t * ld + 16, 1);
  }
  WK_UNROLL
  for (int x = 0; x < SIDE; x++) {
    vec f[SIDE], t[3];
    WK_UNROLL
    for (int y = 0; y < SIDE; y++)
      f[y] = vec_load(from + (size_t)(y * SIDE + x) * plane);
    taps_1d(t, f);
    WK_UNROLL
    for (int y = 0; y < 3; y++)
      half[y * SIDE + x] = t[y];
  }
  WK_UNROLL
  for (int y = 0; y < 3; y++) {
    vec t[3];
    taps_1d(t, half + y * SIDE);
    WK_UNROLL
    for (int x = 0; x < 3; x++) {
      float *to = dw + (ptrdiff_t)(3 * y + x) * ld;
      if (have >= WK_VL)
        vec_store(to, add ? vec_load(to) + t[x] : t[x]);
      else
        vec_store_part(to, add ? vec_load_part(to, have) + t[x] : t[x], have);
    }
  }
}

/* The taps of a row of channels past the caches, where they are whole lines: else each line would be read first. */
static void stream_taps(float *dw, int in_c, int channels, const float *from, size_t plane) {
  _Alignas(64) float row[9][COLUMNS];
  for (int ch = 0; ch < channels; ch += WK_VL)
    taps(row[0] + ch, COLUMNS, channels - ch, from + ch, plane, false, ch % 16 == 0);
  for (int t = 0; t < 9; t++)
    vec_stream(dw + (ptrdiff_t)t * in_c, row[t], channels);
}

/* ---- the whole ---------------------------------------------------------------------------------- */

typedef struct sizes {
  int tiles, block;        /* in all; worked on together */
  size_t left, right, sum; /* floats a frequency takes of each: odd in cache lines, so that they do not collide */
} sizes;

static size_t odd_lines(size_t floats) { return (floats / 16 | 1) * 16; }

static int round_up(int n, int step) { return (n + step - 1) / step * step; }

static sizes sizes_of(const wk_conv *c) {
  const int across = (c->out_w + M - 1) / M, down = (c->out_h + M - 1) / M;
  const int rows = round_up(c->out_c, WK_OUTER_CHUNK), columns = round_up(c->in_c, PANEL);
  sizes s = {.tiles = across * down * c->batch};
  s.block = BLOCK_FLOATS / POINTS / (rows + columns);
  s.block = s.block < 64 ? 64 : s.block > 96 ? 96 : s.block;
  s.block = s.block > s.tiles ? s.tiles : s.block;
  s.left = odd_lines((size_t)s.block * (size_t)rows + 15);
  s.right = odd_lines((size_t)s.block * (size_t)columns + 15);
  s.sum = odd_lines(COLUMNS * WK_OUTER_CHUNK + 15);
  return s;
}

size_t WK_ISA_FN(wk_winograd_weights_scratch)(const wk_conv *c) {
  const sizes s = sizes_of(c);
  return POINTS * (s.left + s.right + s.sum);
}

void WK_ISA_FN(wk_winograd_weights)(const wk_conv_back *b, float *scratch) {
  const wk_conv *c = &b->conv;
  const sizes s = sizes_of(c);
  float *left = scratch, *right = left + POINTS * s.left, *sum = right + POINTS * s.right;
  memset(b->db, 0, (size_t)c->out_c * sizeof *b->db);
  const int blocks = (s.tiles + s.block - 1) / s.block;
  const bool past = blocks == 1 && c->in_c % PANEL == 0 && (int64_t)c->out_c * c->in_c * 9 >= FAR_FLOATS;
  for (int k = 0; k < blocks; k++) {
    const int from = (int)((int64_t)s.tiles * k / blocks), count = (int)((int64_t)s.tiles * (k + 1) / blocks) - from;
    for (int t = 0; t < count; t++) {
      const place p = place_of(c, from + t);
      for (int ch = 0; ch < c->out_c; ch += WK_VL)
        gradient_tile(c, b->dy, b->db, p, ch,
                      left + (size_t)(ch / WK_OUTER_CHUNK * count + t) * WK_OUTER_CHUNK + ch % WK_OUTER_CHUNK, s.left);
      for (int ch = 0; ch < c->in_c; ch += WK_VL)
        input_tile(c, b->x, p, ch, right + (size_t)(ch / PANEL * count + t) * PANEL + ch % PANEL, s.right);
    }
    for (int col = 0; col < c->in_c; col += COLUMNS)
      for (int o = 0; o < c->out_c; o += WK_OUTER_CHUNK) {
        const int m = c->out_c - o < WK_OUTER_CHUNK ? c->out_c - o : WK_OUTER_CHUNK;
        const int n = c->in_c - col < COLUMNS ? c->in_c - col : COLUMNS;
        for (int f = 0; f < POINTS; f++) {
          const wk_outer_product product = {.m = m,
                                            .n = round_up(n, WK_VL),
                                            .depth = count,
                                            .a = left + (size_t)f * s.left + (size_t)o * (size_t)count,
                                            .lda = WK_OUTER_CHUNK,
                                            .ldb = PANEL,
                                            .panel = (ptrdiff_t)count * PANEL,
                                            .b = right + (size_t)f * s.right + (size_t)col * (size_t)count,
                                            .c = sum + (size_t)f * s.sum,
                                            .ldc = COLUMNS};
          WK_ISA_FN(wk_outer)(&product);
        }
        for (int r = 0; r < m; r++) {
          float *dw = b->dw + (ptrdiff_t)(o + r) * 9 * c->in_c + col;
          if (past)
            stream_taps(dw, c->in_c, n, sum + r * COLUMNS, s.sum);
          else
            for (int ch = 0; ch < n; ch += WK_VL)
              taps(dw + ch, c->in_c, n - ch, sum + r * COLUMNS + ch, s.sum, k > 0, ch % 16 == 0);
        }
      }
  }
  vec_stream_end();
}

/* winograd.c - 3x3 convolutions of stride 1 by Winograd's minimal filtering (Lavin and Gray, "Fast algorithms for
 * convolutional neural networks", CVPR 2016): F(m x m, 3 x 3) makes m x m outputs from (m + 2)^2 products instead of
 * 9 m^2.
 *
 * A block of tiles, which may span images, is transformed to one matrix [tiles][channels] per frequency; each is
 * multiplied by its transformed weights, a chunk of output channels at a time so that all of it stays in L2, and
 * transformed back. A tile's numbers never meet those of another, so the blocks and batches change nothing.
 */
#include "nn/kernels/f32/winograd.h"

#include "base/transpose.h"
#include "nn/kernels/f32/gemm.h"
#include "nn/kernels/f32/slope.h"
#include "nn/kernels/f32/winograd_1d.h"
#include "nn/kernels/vec.h"

#define BUDGET (192 << 10) /* floats of a block's frequencies, before and after the product */
/* Weights that every block must fetch anew are worth more tiles than stay in L2. */
#define NEAR_WEIGHTS (512 << 10) /* floats */
#define FAR_TILES 64

/* ---- weights ---------------------------------------------------------------------------------- */

size_t WK_ISA_FN(wk_winograd_packed)(int m, int in_c, int out_c) {
  return (size_t)((m + 2) * (m + 2)) * WK_ISA_FN(wk_gemm_packed)(in_c, out_c);
}

/* Training packs all weights anew at every step, so this must be quick, and what costs is writing: there are 36 planes,
 * mostly a power of two apart. The frequencies of some inputs by a panel of outputs are made in a room that stays in L1
 * or L2, and go to each plane in one piece, past the caches. */
#define PANEL (2 * WK_VL)
#define INPUTS 16 /* channels at a time: a whole number of cache lines of PyTorch's layout */

/* Of WK_VL outputs: taps[9], `width` floats apart, to rows from..until-1 of the frequencies, each `plane` floats from
 * the one before. */
WK_INLINE void weight_tile(float *to, size_t plane, const float *taps, int width, int m, int from, int until) {
  vec half[3][MAX_SIDE];
  WK_UNROLL
  for (int x = 0; x < 3; x++) {
    vec d[3];
    WK_UNROLL
    for (int y = 0; y < 3; y++)
      d[y] = vec_load(taps + (3 * y + x) * width);
    wk_winograd_weight_1d(m, half[x], d);
  }
  WK_UNROLL
  for (int u = from; u < until; u++) {
    vec d[3] = {half[0][u], half[1][u], half[2][u]}, f[MAX_SIDE];
    wk_winograd_weight_1d(m, f, d);
    WK_UNROLL
    for (int v = 0; v < m + 2; v++, to += plane)
      vec_store(to, f[v]);
  }
}

typedef struct pack_room {
  float taps[INPUTS][9][PANEL];
  float frequency[MAX_SIDE * MAX_SIDE][INPUTS * PANEL];
} pack_room;

#define WEIGHTS(m)                                                                                                     \
  static void weights_##m(pack_room *room, int inputs, int width) {                                                    \
    for (int i = 0; i < inputs; i++)                                                                                   \
      for (int j = 0; j < width; j += WK_VL)                                                                           \
        weight_tile(room->frequency[0] + i * width + j, INPUTS * PANEL, room->taps[i][0] + j, PANEL, m, 0, m + 2);     \
  }
WEIGHTS(2)
WEIGHTS(4)
WEIGHTS(6)

/* Four kernels to four columns of one row a tap: squares of 4 x 4, and the ninth taps one by one. */
WK_INLINE void gather_quad(float (*taps)[PANEL], const float *k, ptrdiff_t stride, bool flip) {
  const ptrdiff_t row = (ptrdiff_t)sizeof *taps;
  WK_UNROLL
  for (int t = 0; t < 8; t += 4)
    wk_transpose_4x4(taps[flip ? 8 - t : t], flip ? -row : row, k + t, stride * (ptrdiff_t)sizeof *k);
  WK_UNROLL
  for (int j = 0; j < 4; j++)
    taps[flip ? 0 : 8][j] = k[8 + j * stride];
}

/* The kernels from `inputs` channels, from w, to `have` outputs, side by side. */
WK_INLINE void gather_as(pack_room *room, const float *w, int inputs, int have, ptrdiff_t stride_in,
                         ptrdiff_t stride_out, bool flip) {
  for (int i = 0; i < inputs; i++, w += stride_in) {
    int j = 0;
    for (; j + 4 <= have; j += 4)
      gather_quad((float(*)[PANEL])(room->taps[i][0] + j), w + j * stride_out, stride_out, flip);
    for (; j < have; j++)
      for (int t = 0; t < 9; t++)
        room->taps[i][t][j] = w[j * stride_out + (flip ? 8 - t : t)];
  }
}

static void gather(pack_room *room, const float *w, int inputs, int have, ptrdiff_t stride_in, ptrdiff_t stride_out,
                   bool flip) {
  if (flip)
    gather_as(room, w, inputs, have, stride_in, stride_out, true);
  else
    gather_as(room, w, inputs, have, stride_in, stride_out, false);
}

/* Some inputs' kernels to a panel of outputs, from the room to their place; they are inputs i.. of the panel at `col`.
 */
static void put_frequencies(float *packed, pack_room *room, int m, int in_c, int out_c, int col, int width, int i,
                            int inputs) {
  const size_t plane = WK_ISA_FN(wk_gemm_packed)(in_c, out_c);
  float *to = packed + (size_t)col * (size_t)in_c + (size_t)i * (size_t)width;
  (m == 2 ? weights_2 : m == 4 ? weights_4 : weights_6)(room, inputs, width);
  for (int f = 0; f < (m + 2) * (m + 2); f++, to += plane)
    vec_stream(to, room->frequency[f], inputs * width);
}

static void put_taps(float *packed, const pack_room *room, int in_c, int col, int width, int i, int inputs) {
  float *to = packed + 9 * ((size_t)col * (size_t)in_c + (size_t)i * (size_t)width);
  for (int k = 0; k < inputs; k++)
    for (int t = 0; t < 9; t++, to += width)
      memcpy(to, room->taps[k][t], (size_t)width * sizeof(float));
}

/* m 0: light. */
static void pack(float *packed, const float *w, int m, int in_c, int out_c, ptrdiff_t stride_in, ptrdiff_t stride_out,
                 bool flip) {
  pack_room room;
  for (int col = 0; col < out_c;) {
    const int width = wk_gemm_panel_width(WK_VL, out_c, col), have = out_c - col < width ? out_c - col : width;
    if (have < width)
      memset(room.taps, 0, sizeof room.taps);
    for (int i = 0; i < in_c; i += INPUTS) {
      const int inputs = in_c - i < INPUTS ? in_c - i : INPUTS;
      gather(&room, w + i * stride_in + col * stride_out, inputs, have, stride_in, stride_out, flip);
      if (m)
        put_frequencies(packed, &room, m, in_c, out_c, col, width, i, inputs);
      else
        put_taps(packed, &room, in_c, col, width, i, inputs);
    }
    col += width;
  }
  vec_stream_end();
}

void WK_ISA_FN(wk_winograd_pack)(float *packed, const float *w, int m, int in_c, int out_c, ptrdiff_t stride_in,
                                 ptrdiff_t stride_out, bool flip) {
  pack(packed, w, m, in_c, out_c, stride_in, stride_out, flip);
}

/* Light weights: for each panel of outputs [in_c][9][width]. */
size_t WK_ISA_FN(wk_winograd_packed_taps)(int in_c, int out_c) { return 9 * WK_ISA_FN(wk_gemm_packed)(in_c, out_c); }

void WK_ISA_FN(wk_winograd_pack_taps)(float *packed, const float *w, int in_c, int out_c, ptrdiff_t stride_in,
                                      ptrdiff_t stride_out, bool flip) {
  pack(packed, w, 0, in_c, out_c, stride_in, stride_out, flip);
}

/* ---- a block of tiles ------------------------------------------------------------------------- */

typedef struct place { /* of a tile */
  int image, y, x;     /* of its first output */
} place;

static place place_of(const wk_winograd *w, int tile) {
  const int across = (w->out_w + w->m - 1) / w->m, down = (w->out_h + w->m - 1) / w->m;
  return (place){tile / (across * down), tile / across % down * w->m, tile % across * w->m};
}

/* Channels ch.. of one tile to one vector a frequency, plane floats apart. */
WK_INLINE void input_tile(const wk_winograd *w, int m, place p, int ch, float *to, size_t plane) {
  const int side = m + 2, have = w->in_c - ch;
  vec half[MAX_SIDE * MAX_SIDE];
  const int y0 = p.y - w->pad_top, x0 = p.x - w->pad_left;
  const float *from = w->in + (ptrdiff_t)p.image * w->in_h * w->in_w * w->in_c + ch;
  if (have >= WK_VL && y0 >= 0 && x0 >= 0 && y0 + side <= w->in_h && x0 + side <= w->in_w) {
    from += ((ptrdiff_t)y0 * w->in_w + x0) * w->in_c;
    WK_UNROLL
    for (int x = 0; x < side; x++) {
      vec d[MAX_SIDE], t[MAX_SIDE];
      WK_UNROLL
      for (int y = 0; y < side; y++)
        d[y] = vec_load(from + ((ptrdiff_t)y * w->in_w + x) * w->in_c);
      wk_winograd_input_1d(m, t, d);
      WK_UNROLL
      for (int y = 0; y < side; y++)
        half[y * side + x] = t[y];
    }
  } else {
    for (int x = 0; x < side; x++) {
      vec d[MAX_SIDE], t[MAX_SIDE];
      WK_UNROLL
      for (int y = 0; y < side; y++) {
        const int iy = y0 + y, ix = x0 + x;
        const ptrdiff_t at = ((ptrdiff_t)iy * w->in_w + ix) * w->in_c;
        d[y] = iy < 0 || ix < 0 || iy >= w->in_h || ix >= w->in_w ? vec_zero()
               : have >= WK_VL                                    ? vec_load(from + at)
                                                                  : vec_load_part(from + at, have);
      }
      wk_winograd_input_1d(m, t, d);
      WK_UNROLL
      for (int y = 0; y < side; y++)
        half[y * side + x] = t[y];
    }
  }
  WK_UNROLL
  for (int y = 0; y < side; y++) {
    vec t[MAX_SIDE];
    wk_winograd_input_1d(m, t, half + y * side);
    WK_UNROLL
    for (int x = 0; x < side; x++)
      vec_store(to + (size_t)(y * side + x) * plane, t[x]);
  }
}

/* The reverse for output channels ch..; `from` holds their frequencies. */
WK_INLINE void output_tile(const wk_winograd *w, int m, place p, int ch, const float *from, size_t plane) {
  const int side = m + 2, have = w->out_c - ch;
  vec half[MAX_SIDE * MAX_SIDE];
  WK_UNROLL
  for (int x = 0; x < side; x++) {
    vec f[MAX_SIDE], t[MAX_SIDE];
    WK_UNROLL
    for (int y = 0; y < side; y++)
      f[y] = vec_load(from + (size_t)(y * side + x) * plane);
    wk_winograd_output_1d(m, t, f);
    WK_UNROLL
    for (int y = 0; y < m; y++)
      half[y * side + x] = t[y];
  }
  const vec bias = !w->bias ? vec_zero() : have >= WK_VL ? vec_load(w->bias + ch) : vec_load_part(w->bias + ch, have);
  const vec low = vec_set(w->act == WK_ACT_NONE ? -__builtin_inff() : 0);
  const vec high = vec_set(w->act == WK_ACT_RELU6 ? 6 : __builtin_inff()), limit = slope_limit(w->mask_act);
  const ptrdiff_t at = (((ptrdiff_t)p.image * w->out_h + p.y) * w->out_w + p.x) * w->out_c + ch;
  const bool whole = have >= WK_VL && p.y + m <= w->out_h && p.x + m <= w->out_w;
  WK_UNROLL
  for (int y = 0; y < m; y++) {
    vec t[MAX_SIDE];
    wk_winograd_output_1d(m, t, half + y * side);
    if (whole) {
      WK_UNROLL
      for (int x = 0; x < m; x++) {
        const ptrdiff_t pixel = at + ((ptrdiff_t)y * w->out_w + x) * w->out_c;
        vec v = t[x] + bias;
        if (w->add)
          v = v + vec_load(w->add + pixel);
        v = vec_min(high, vec_max(low, v));
        vec_store(w->out + pixel, w->mask ? slope_apply(limit, v, vec_load(w->mask + pixel)) : v);
      }
    } else if (p.y + y < w->out_h) {
      const int part = have < WK_VL ? have : WK_VL;
      WK_UNROLL
      for (int x = 0; x < m; x++) {
        if (p.x + x >= w->out_w)
          break;
        const ptrdiff_t pixel = at + ((ptrdiff_t)y * w->out_w + x) * w->out_c;
        vec v = t[x] + bias;
        if (w->add)
          v = v + vec_load_part(w->add + pixel, part);
        v = vec_min(high, vec_max(low, v));
        if (w->mask)
          v = slope_apply(limit, v, vec_load_part(w->mask + pixel, part));
        vec_store_part(w->out + pixel, v, part);
      }
    }
  }
}

/* With few channels a tile is read and written along many lines, each too short for the processor to fetch it ahead by
 * itself: so those of the next tile are asked for, a cache line of channels at a time. With a mask, whose lines come on
 * top, that does not pay. */
#define LINE 16 /* floats */
#define FETCH_CHANNELS 128

static bool fetches(const wk_winograd *w, int channels, int ch) {
  return channels <= FETCH_CHANNELS && ch % LINE == 0 && !w->mask;
}

/* rows x columns pixels from (y, x) of an image on; what lies outside of it does no harm. */
WK_INLINE void fetch(const float *image, int width, int channels, int y, int x, int ch, int rows, int columns) {
  const uintptr_t from = (uintptr_t)image, pixel = (uintptr_t)channels * sizeof(float);
  WK_UNROLL
  for (int i = 0; i < rows; i++) {
    const uintptr_t at = from + (uintptr_t)((ptrdiff_t)(y + i) * width + x) * pixel + (uintptr_t)ch * sizeof(float);
    WK_UNROLL
    for (int j = 0; j < columns; j++)
      __builtin_prefetch((const void *)(at + (uintptr_t)j * pixel));
  }
}

/* What the next tile does not share with that at p. */
WK_INLINE void fetch_input(const wk_winograd *w, int m, place p, int ch) {
  fetch(w->in + (ptrdiff_t)p.image * w->in_h * w->in_w * w->in_c, w->in_w, w->in_c, p.y - w->pad_top,
        p.x - w->pad_left + m + 2, ch, m + 2, m);
}

WK_INLINE void fetch_output(const wk_winograd *w, int m, place p, int ch) {
  fetch(w->out + (ptrdiff_t)p.image * w->out_h * w->out_w * w->out_c, w->out_w, w->out_c, p.y, p.x + m, ch, m, m);
}

typedef void (*input_fn)(const wk_winograd *w, int tile0, int tile1, float *to, ptrdiff_t ld, size_t plane);
typedef void (*output_fn)(const wk_winograd *w, int tile0, int tile1, int col0, int col1, const float *from,
                          ptrdiff_t ld, size_t plane);

#define TRANSFORMS(m)                                                                                                  \
  static void input_##m(const wk_winograd *w, int tile0, int tile1, float *to, ptrdiff_t ld, size_t plane) {           \
    for (int t = tile0; t < tile1; t++, to += ld) {                                                                    \
      const place p = place_of(w, t);                                                                                  \
      for (int ch = 0; ch < w->in_c; ch += WK_VL) {                                                                    \
        if (fetches(w, w->in_c, ch))                                                                                   \
          fetch_input(w, m, p, ch);                                                                                    \
        input_tile(w, m, p, ch, to + ch, plane);                                                                       \
      }                                                                                                                \
    }                                                                                                                  \
  }                                                                                                                    \
  static void output_##m(const wk_winograd *w, int tile0, int tile1, int col0, int col1, const float *from,            \
                         ptrdiff_t ld, size_t plane) {                                                                 \
    for (int t = tile0; t < tile1; t++, from += ld) {                                                                  \
      const place p = place_of(w, t);                                                                                  \
      for (int ch = col0; ch < col1; ch += WK_VL) {                                                                    \
        if (fetches(w, w->out_c, ch))                                                                                  \
          fetch_output(w, m, p, ch);                                                                                   \
        output_tile(w, m, p, ch, from + (ch - col0), plane);                                                           \
      }                                                                                                                \
    }                                                                                                                  \
  }
TRANSFORMS(2)
TRANSFORMS(4)
TRANSFORMS(6)

/* ---- the whole -------------------------------------------------------------------------------- */

/* Rows are whole vectors; a plane's length is odd in cache lines, so that the planes of a tile do not collide. */
static int row_floats(int channels) { return (channels + WK_VL - 1) / WK_VL * WK_VL; }
static size_t plane_floats(int tiles, int row) { return (((size_t)tiles * (size_t)row + 15) / 16 | 1) * 16; }

/* Light weights are for tiles that are one strip of rows. They are transformed for one panel of outputs and some inputs
 * at a time, half of the frequencies after the other, and multiplied while they lie in L1. */
enum { LIGHT_M = 4, LIGHT_SIDE = LIGHT_M + 2, LIGHT_ROWS = LIGHT_SIDE / 2, LIGHT_HALF = LIGHT_ROWS * LIGHT_SIDE };
enum { LIGHT_TILES = 6, LIGHT_INPUTS = 16, LIGHT_AHEAD = 64 /* inputs */ };

typedef float light_room[LIGHT_HALF][LIGHT_INPUTS * PANEL];

/* Rows from.. of the frequencies of `inputs` kernels to a panel's outputs. The first of the two passes fetches ahead.
 */
WK_INLINE void light_weights(light_room to, const float *taps, int inputs, int width, int from) {
  for (int i = 0; i < inputs; i++, taps += 9 * width) {
    WK_UNROLL
    for (int t = 0; from == 0 && t < 9; t++)
      __builtin_prefetch(taps + (9 * LIGHT_AHEAD + t) * width);
    for (int j = 0; j < width; j += WK_VL)
      weight_tile(to[0] + i * width + j, LIGHT_INPUTS * PANEL, taps + j, width, LIGHT_M, from, from + LIGHT_ROWS);
  }
}

static void light_low(light_room to, const float *taps, int inputs, int width) {
  if (width == PANEL)
    light_weights(to, taps, inputs, PANEL, 0);
  else
    light_weights(to, taps, inputs, WK_VL, 0);
}
static void light_high(light_room to, const float *taps, int inputs, int width) {
  if (width == PANEL)
    light_weights(to, taps, inputs, PANEL, LIGHT_ROWS);
  else
    light_weights(to, taps, inputs, WK_VL, LIGHT_ROWS);
}

/* sum [rows][PANEL] goes on over `inputs` more inputs. `rows` and `vectors` are constants wherever this is inlined. */
WK_INLINE void light_sum(float *sum, const float *a, ptrdiff_t lda, const float *b, int inputs, bool first, int rows,
                         int vectors) {
  vec acc[LIGHT_TILES * 2];
  WK_UNROLL
  for (int i = 0; i < rows * vectors; i++)
    acc[i] = first ? vec_zero() : vec_load(sum + i / vectors * PANEL + i % vectors * WK_VL);
  for (int k = 0; k < inputs; k++, a++, b += vectors * WK_VL) {
    vec w[2];
    WK_UNROLL
    for (int v = 0; v < vectors; v++)
      w[v] = vec_load(b + v * WK_VL);
    WK_UNROLL
    for (int r = 0; r < rows; r++) {
      const vec x = vec_set(a[r * lda]);
      WK_UNROLL
      for (int v = 0; v < vectors; v++)
        acc[r * vectors + v] = vec_fma(x, w[v], acc[r * vectors + v]);
    }
  }
  WK_UNROLL
  for (int i = 0; i < rows * vectors; i++)
    vec_store(sum + i / vectors * PANEL + i % vectors * WK_VL, acc[i]);
}

typedef void (*light_fn)(float *sum, const float *a, ptrdiff_t lda, const float *b, int inputs, bool first);
#define LIGHT(rows)                                                                                                    \
  static void light_##rows(float *sum, const float *a, ptrdiff_t lda, const float *b, int inputs, bool first) {        \
    light_sum(sum, a, lda, b, inputs, first, rows, 2);                                                                 \
  }                                                                                                                    \
  static void light_half_##rows(float *sum, const float *a, ptrdiff_t lda, const float *b, int inputs, bool first) {   \
    light_sum(sum, a, lda, b, inputs, first, rows, 1);                                                                 \
  }
LIGHT(1)
LIGHT(2)
LIGHT(3)
LIGHT(4)
LIGHT(5)
LIGHT(6)
static const light_fn light[2][LIGHT_TILES] = {
    {light_half_1, light_half_2, light_half_3, light_half_4, light_half_5, light_half_6},
    {light_1, light_2, light_3, light_4, light_5, light_6}};

/* The products of `tiles` tiles with the weights of the panel at `col`: in and out as in the others. A sum is the same
 * chain as theirs: `more` holds that of a block of k after the first, until it is added. */
static void light_products(const wk_winograd *w, int tiles, int col, const float *in, size_t in_plane, float *out,
                           size_t out_plane, float *more) {
  const int width = wk_gemm_panel_width(WK_VL, w->out_c, col), blocks = wk_gemm_blocks(w->in_c);
  const light_fn sum = light[width == PANEL][tiles - 1];
  const float *weights = w->weights + (size_t)col * 9 * (size_t)w->in_c;
  light_room room;
  for (int kb = 0; kb < blocks; kb++) {
    const int k0 = wk_gemm_block(w->in_c, kb), k1 = wk_gemm_block(w->in_c, kb + 1);
    float *sums = kb ? more : out;
    for (int k = k0; k < k1; k += LIGHT_INPUTS) {
      const int inputs = k1 - k < LIGHT_INPUTS ? k1 - k : LIGHT_INPUTS;
      const float *taps = weights + (ptrdiff_t)k * 9 * width;
      for (size_t f = 0; f < 2 * LIGHT_HALF; f++) {
        if (f == 0)
          light_low(room, taps, inputs, width);
        else if (f == LIGHT_HALF)
          light_high(room, taps, inputs, width);
        sum(sums + f * out_plane, in + f * in_plane + k, row_floats(w->in_c), room[f % LIGHT_HALF], inputs, k == k0);
      }
    }
    for (size_t f = 0; kb && f < 2 * LIGHT_HALF; f++)
      for (int i = 0; i < tiles * PANEL; i += WK_VL) {
        float *all = out + f * out_plane + i;
        vec_store(all, vec_load(all) + vec_load(more + f * out_plane + i));
      }
  }
}

static bool weights_far(const wk_winograd *w) {
  return (int64_t)((w->m + 2) * (w->m + 2)) * w->in_c * w->out_c > NEAR_WEIGHTS;
}

/* The products of `tiles` tiles with packed weights, output channels col..stop-1; those from `then` come next. */
static void products(const wk_winograd *w, int tiles, int col, int stop, int then, int chunk, const float *in,
                     size_t in_plane, float *out, size_t out_plane, float *rest) {
  const int points = (w->m + 2) * (w->m + 2);
  const size_t plane = WK_ISA_FN(wk_gemm_packed)(w->in_c, w->out_c);
  const bool far = weights_far(w);
  for (int f = 0; f < points; f++) {
    const float *weights = w->weights + (size_t)f * plane + (size_t)col * (size_t)w->in_c;
    const float *next = f + 1 < points ? weights + plane : w->weights + (size_t)then * (size_t)w->in_c;
    const wk_gemm g = {.m = tiles,
                       .n = w->out_c - col,
                       .k = w->in_c,
                       .a = in + (size_t)f * in_plane,
                       .lda = row_floats(w->in_c),
                       .b = weights,
                       .next = far ? next : NULL,
                       .c = out + (size_t)f * out_plane,
                       .ldc = chunk};
    WK_ISA_FN(wk_gemm)(&g, 0, tiles, 0, stop - col, rest);
  }
}

wk_winograd_sizes WK_ISA_FN(wk_winograd_shape)(const wk_winograd *w) {
  const wk_gemm_sizes gemm = WK_ISA_FN(wk_gemm_shape)();
  const int side = w->m + 2, points = side * side;
  const int across = (w->out_w + w->m - 1) / w->m, down = (w->out_h + w->m - 1) / w->m;
  const int in_row = row_floats(w->in_c), panels = (w->out_c + gemm.panel - 1) / gemm.panel;
  /* Wide layers go through their output channels in chunks, narrow ones at once. */
  int chunk = w->on_the_fly ? gemm.panel : panels * gemm.panel <= 128 ? panels * gemm.panel : 128;
  int tiles = BUDGET / (points * (in_row + chunk)) / gemm.rows * gemm.rows;
  const int least = weights_far(w) ? (FAR_TILES + gemm.rows - 1) / gemm.rows * gemm.rows : 2 * gemm.rows;
  tiles = w->on_the_fly ? LIGHT_TILES : tiles < least ? least : tiles;
  const size_t in_plane = plane_floats(tiles, in_row), out_plane = plane_floats(tiles, chunk);
  return (wk_winograd_sizes){.tiles = across * down * w->batch,
                             .block = tiles,
                             .chunk = chunk,
                             .input = (size_t)points * in_plane,
                             .scratch = (size_t)points * (in_plane + out_plane) +
                                        (w->on_the_fly ? (size_t)points * out_plane : gemm.scratch)};
}

/* The input of tiles t..end-1 to the first rows of a block's planes. */
static void inputs(const wk_winograd *w, int t, int end, float *in) {
  const int row = row_floats(w->in_c);
  const input_fn input = w->m == 2 ? input_2 : w->m == 4 ? input_4 : input_6;
  input(w, t, end, in, row, plane_floats(WK_ISA_FN(wk_winograd_shape)(w).block, row));
}

/* Tiles t..end-1, which are at most a block, from their transformed input. */
static void outputs(const wk_winograd *w, int t, int end, int col0, int col1, const float *in, float *scratch) {
  const wk_winograd_sizes size = WK_ISA_FN(wk_winograd_shape)(w);
  const int points = (w->m + 2) * (w->m + 2);
  const size_t in_plane = plane_floats(size.block, row_floats(w->in_c)),
               out_plane = plane_floats(size.block, size.chunk);
  float *out = scratch, *rest = out + (size_t)points * out_plane;
  const output_fn output = w->m == 2 ? output_2 : w->m == 4 ? output_4 : output_6;
  for (int col = col0; col < col1; col += size.chunk) {
    const int stop = col1 - col < size.chunk ? col1 : col + size.chunk;
    if (w->on_the_fly)
      light_products(w, end - t, col, in, in_plane, out, out_plane, rest);
    else
      products(w, end - t, col, stop, stop < col1 ? stop : col0, size.chunk, in, in_plane, out, out_plane, rest);
    output(w, t, end, col, stop, out, size.chunk, out_plane);
  }
}

void WK_ISA_FN(wk_winograd)(const wk_winograd *w, int tile0, int tile1, int col0, int col1, float *scratch) {
  const wk_winograd_sizes size = WK_ISA_FN(wk_winograd_shape)(w);
  const int blocks = (tile1 - tile0 + size.block - 1) / size.block;
  for (int k = 0; k < blocks; k++) { /* of about the same size: each fetches the weights anew */
    const int t = tile0 + (int)((int64_t)(tile1 - tile0) * k / blocks);
    const int end = tile0 + (int)((int64_t)(tile1 - tile0) * (k + 1) / blocks);
    inputs(w, t, end, scratch);
    outputs(w, t, end, col0, col1, scratch, scratch + size.input);
  }
}

void WK_ISA_FN(wk_winograd_input)(const wk_winograd *w, int tile0, int tile1, float *input) {
  inputs(w, tile0, tile1, input + (ptrdiff_t)tile0 * row_floats(w->in_c));
}

void WK_ISA_FN(wk_winograd_output)(const wk_winograd *w, int col0, int col1, const float *input, float *scratch) {
  outputs(w, 0, WK_ISA_FN(wk_winograd_shape)(w).tiles, col0, col1, input, scratch);
}

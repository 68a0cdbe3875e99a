/* conv_weight_grad.c - the gradient of the weights of any convolution without groups: over blocks of pixels, sums of
 * outer products of the gradients with the inputs that each tap meets.
 */
#include "nn/kernels/f32/conv_grad.h"

#include "nn/kernels/f32/conv_im2col.h"
#include "nn/kernels/f32/outer_product.h"
#include "nn/kernels/vec.h"

#define FEW 4                   /* channels that are too few for vectors of them */
#define DEPTH 200               /* pixels of a sum of outer products: a panel of them takes a third of L1 */
#define DEPTH_LAID 96           /* where rows of inputs under the kernel are laid out first */
#define HELD_FLOATS (104 << 10) /* of the side that is packed before the other passes */

/* How the gradient of the weights reads its inputs: rows that lie as they are, a tap's channels where panels do not
 * reach over two taps, rows of the photo where channels are few, or rows under the kernel that are laid out first. */
typedef enum reading { ROWS_LIE, BY_TAPS, PHOTO, ROWS_LAID } reading;

static reading reading_of(const wk_conv *c) {
  if (wk_conv_pointwise(c))
    return ROWS_LIE;
  if (c->in_c <= FEW && c->dilation_h == 1 && c->dilation_w == 1)
    return PHOTO;
  return c->in_c % (2 * WK_VL) ? ROWS_LAID : BY_TAPS;
}

/* A row of inputs under the kernel, with room for whole vectors behind it. */
static int laid_floats(int n) { return wk_conv_row_floats(n + WK_VL); }

/* Sums of outer products in pieces, as even as can be. The shorter side is packed, some parts of it one after the
 * other; of the longer side a panel or strip at a time is packed in L1. */
typedef struct pieces {
  int blocks, parts;              /* of pixels; of the shorter side */
  bool hold_inputs;               /* the shorter side */
  size_t gradients, inputs, laid; /* floats packed of each, and of rows that are laid out first: whatever the batch */
} pieces;

static pieces pieces_of(const wk_conv *c) {
  const reading how = reading_of(c);
  const int pixels = c->batch * c->out_h * c->out_w, deep = how == ROWS_LAID ? DEPTH_LAID : DEPTH;
  const int panel = 2 * WK_VL, m = c->out_c, n = c->kernel_h * c->kernel_w * c->in_c;
  pieces s = {.blocks = (pixels + deep - 1) / deep, .hold_inputs = m > n};
  s.parts = ((s.hold_inputs ? n : m) * deep + HELD_FLOATS - 1) / HELD_FLOATS;
  const int held = ((s.hold_inputs ? (n + panel - 1) / panel : m) + s.parts - 1) / s.parts;
  s.gradients = WK_ISA_FN(wk_outer_strips_of)(s.hold_inputs ? 1 : held, deep).floats;
  s.inputs = (size_t)(s.hold_inputs ? held : 1) * (size_t)(deep * panel);
  if (how == ROWS_LAID)
    s.laid = (size_t)deep * (size_t)laid_floats(n);
  return s;
}

/* The same from rows of the photo. */
typedef struct photo {
  int line, row, columns; /* floats of a row of the kernel, of a row of inputs with its borders; columns of the sums */
  size_t ring, panel, sums; /* floats of rows of inputs, of a row of gradients' panel, of the sums */
} photo;

static photo photo_of(const wk_conv *c) {
  const int panel = 2 * WK_VL;
  photo f = {.line = c->kernel_w * c->in_c,
             .row = ((c->out_w - 1) * c->stride_w + c->kernel_w) * c->in_c,
             .columns = (c->out_c + panel - 1) / panel * panel};
  f.ring = (size_t)c->kernel_h * (size_t)f.row;
  f.panel = (size_t)c->out_w * (size_t)panel;
  f.sums = (size_t)c->kernel_h * (size_t)f.line * (size_t)f.columns;
  return f;
}

size_t WK_ISA_FN(wk_conv_weights_scratch)(const wk_conv *c) {
  const pieces p = pieces_of(c);
  const photo f = photo_of(c);
  return reading_of(c) == PHOTO ? f.ring + f.panel + f.sums : p.gradients + p.inputs + p.laid;
}

/* ---- panels ------------------------------------------------------------------------------------- */

/* A panel: columns of `count` rows, of which `have` are there. `then` is how far behind them lies what is next. */
static void panel_of_rows(float *to, const float *from, int count, ptrdiff_t ld, int have, ptrdiff_t then) {
  for (int p = 0; p < count; p++, from += ld, to += 2 * WK_VL) {
    __builtin_prefetch(from + then, 0, 2);
    if (have >= 2 * WK_VL) {
      vec_store(to, vec_load(from));
      vec_store(to + WK_VL, vec_load(from + WK_VL));
    } else if (have >= WK_VL) {
      vec_store(to, vec_load(from));
      vec_store(to + WK_VL, vec_load_part(from + WK_VL, have - WK_VL));
    } else {
      vec_store(to, vec_load_part(from, have));
    }
  }
}

/* A panel: channels ch.. of the inputs that tap (ky, kx) meets at `count` output pixels. */
static void panel_of_tap(float *to, const wk_conv *c, int from, int count, int ky, int kx, int ch) {
  int ox = from % c->out_w, oy = from / c->out_w % c->out_h;
  const float *image = c->in + (ptrdiff_t)(from / c->out_w / c->out_h) * c->in_h * c->in_w * c->in_c + ch;
  const int left = kx * c->dilation_w - c->pad_left, top = ky * c->dilation_h - c->pad_top;
  for (int p = 0; p < count; p++, to += 2 * WK_VL) {
    const int x = ox * c->stride_w + left, y = oy * c->stride_h + top;
    if ((unsigned)x < (unsigned)c->in_w && (unsigned)y < (unsigned)c->in_h) {
      const float *row = image + ((ptrdiff_t)y * c->in_w + x) * c->in_c;
      __builtin_prefetch(row + 2 * WK_VL);
      vec_store(to, vec_load(row));
      vec_store(to + WK_VL, vec_load(row + WK_VL));
    } else {
      vec_store(to, vec_zero());
      vec_store(to + WK_VL, vec_zero());
    }
    if (++ox == c->out_w) {
      ox = 0;
      if (++oy == c->out_h)
        oy = 0, image += (ptrdiff_t)c->in_h * c->in_w * c->in_c;
    }
  }
}

/* A block of pixels on its way. */
typedef struct block {
  const wk_conv_back *b;
  wk_conv c;
  reading how;
  int from, count, n; /* pixels; columns of all inputs */
  const float *rows;  /* of inputs, ld floats apart, where they lie or are laid out */
  ptrdiff_t ld;
  bool add;
  float *gradients, *inputs;
} block;

static void pack_panel(const block *k, float *to, int col) {
  const int panel = 2 * WK_VL, have = k->n - col < panel ? k->n - col : panel, tap = col / k->c.in_c;
  if (k->how == BY_TAPS)
    panel_of_tap(to, &k->c, k->from, k->count, tap / k->c.kernel_w, tap % k->c.kernel_w, col % k->c.in_c);
  else
    panel_of_rows(to, k->rows + col, k->count, k->ld, have, col + panel < k->n ? panel : k->count * k->ld - col);
}

/* Products of packed outputs o.. and columns col.. */
static void add_up(const block *k, int o, int m, int col, int n, int lda, size_t strip) {
  const int panel = 2 * WK_VL;
  const wk_outer_product product = {.m = m,
                                    .n = n,
                                    .depth = k->count,
                                    .a = k->gradients,
                                    .lda = lda,
                                    .strip = (ptrdiff_t)strip,
                                    .b = k->inputs,
                                    .ldb = panel,
                                    .panel = (ptrdiff_t)k->count * panel,
                                    .c = k->b->dw + (ptrdiff_t)o * k->n + col,
                                    .ldc = k->n,
                                    .add = k->add};
  WK_ISA_FN(wk_outer)(&product);
}

static void hold_inputs(const block *k, int parts) {
  const int panel = 2 * WK_VL, panels = (k->n + panel - 1) / panel, out_c = k->c.out_c;
  const float *dy = k->b->dy + (ptrdiff_t)k->from * out_c;
  const wk_outer_strips strips = WK_ISA_FN(wk_outer_strips_of)(out_c, k->count);
  for (int part = 0; part < parts; part++) {
    const int first = panels * part / parts, end = panels * (part + 1) / parts, col = first * panel;
    for (int i = first; i < end; i++)
      pack_panel(k, k->inputs + (ptrdiff_t)(i - first) * k->count * panel, i * panel);
    for (int s = 0; s < strips.count; s++) {
      const int o = out_c * s / strips.count, m = out_c * (s + 1) / strips.count - o;
      WK_ISA_FN(wk_outer_pack_strip)
      (k->gradients, part ? NULL : k->b->db + o, dy + o, m, out_c - o, k->count, out_c);
      add_up(k, o, m, col, (end == panels ? k->n : end * panel) - col, strips.lda, strips.strip);
    }
  }
}

static void hold_gradients(const block *k, int parts) {
  const int panel = 2 * WK_VL, out_c = k->c.out_c;
  const float *dy = k->b->dy + (ptrdiff_t)k->from * out_c;
  for (int part = 0; part < parts; part++) {
    const int o = out_c * part / parts, m = out_c * (part + 1) / parts - o;
    const wk_outer_strips strips = WK_ISA_FN(wk_outer_strips_of)(m, k->count);
    WK_ISA_FN(wk_outer_pack)(k->gradients, dy + o, m, k->count, out_c);
    if (part == 0)
      WK_ISA_FN(wk_outer_bias)(k->b->db, dy, k->count, out_c);
    const int panels = (k->n + panel - 1) / panel;
    for (int col = 0; col < k->n; col += panel) {
      const ptrdiff_t lines = parts > 1 ? 0 : (ptrdiff_t)k->count * out_c / 16, i = col / panel;
      for (ptrdiff_t l = lines * i / panels; l < lines * (i + 1) / panels; l++)
        __builtin_prefetch(dy + (ptrdiff_t)k->count * out_c + l * 16, 0, 2);
      pack_panel(k, k->inputs, col);
      add_up(k, o, m, col, k->n - col < panel ? k->n - col : panel, strips.lda, strips.strip);
    }
  }
}

/* A row of inputs and the zeros beside it. */
static void lay_photo_row(const wk_conv *c, float *to, const float *from, int floats) {
  const int before = c->pad_left * c->in_c, left = floats - before, all = c->in_w * c->in_c,
            there = left < 0     ? 0
                    : left < all ? left
                                 : all;
  memset(to, 0, (size_t)(before < floats ? before : floats) * sizeof *to);
  memcpy(to + before, from, (size_t)there * sizeof *to);
  if (left > there)
    memset(to + before + there, 0, (size_t)(left - there) * sizeof *to);
}

/* Where channels are few: a row of the kernel is one short run of a row of inputs, which moves on by a stride from
 * output to output. So the sums turn round: inputs are read where they lie, and the gradients are the panels. */
static void photo_weights(const wk_conv_back *b, float *scratch) {
  const wk_conv *c = &b->conv;
  const photo f = photo_of(c);
  const int panel = 2 * WK_VL, rows = c->batch * c->out_h, n = c->kernel_h * f.line;
  float *sums = scratch, *gradients = sums + f.sums, *ring = gradients + f.panel;
  memset(sums, 0, f.sums * sizeof *sums);
  int ready = 0; /* rows of this photo before it have been laid out */
  for (int i = 0; i < rows; i++) {
    const int image = i / c->out_h, oy = i % c->out_h, top = oy * c->stride_h - c->pad_top;
    const float *dy = b->dy + (ptrdiff_t)i * c->out_w * c->out_c;
    ready = oy == 0 ? 0 : ready;
    for (ready = ready < top ? top : ready; ready < top + c->kernel_h && ready < c->in_h; ready++)
      lay_photo_row(c, ring + (ptrdiff_t)(ready % c->kernel_h) * f.row,
                    b->x + ((ptrdiff_t)image * c->in_h + ready) * c->in_w * c->in_c, f.row);
    for (int col = 0; col < c->out_c; col += panel) {
      const int have = c->out_c - col < panel ? c->out_c - col : panel;
      panel_of_rows(gradients, dy + col, c->out_w, c->out_c, have,
                    col + panel < c->out_c ? panel : c->out_w * c->out_c - col);
      for (int ky = 0; ky < c->kernel_h; ky++) {
        if (top + ky < 0 || top + ky >= c->in_h)
          continue;
        const wk_outer_product product = {.m = f.line,
                                          .n = have,
                                          .depth = c->out_w,
                                          .a = ring + (ptrdiff_t)((top + ky) % c->kernel_h) * f.row,
                                          .lda = c->stride_w * c->in_c,
                                          .b = gradients,
                                          .ldb = panel,
                                          .c = sums + (ptrdiff_t)ky * f.line * f.columns + col,
                                          .ldc = f.columns,
                                          .add = true};
        WK_ISA_FN(wk_outer)(&product);
      }
    }
    WK_ISA_FN(wk_outer_bias)(b->db, dy, c->out_w, c->out_c);
  }
  for (int o = 0; o < c->out_c; o++)
    for (int k = 0; k < n; k++)
      b->dw[(ptrdiff_t)o * n + k] = sums[(ptrdiff_t)k * f.columns + o];
}

void WK_ISA_FN(wk_conv_weights)(const wk_conv_back *b, float *scratch) {
  const wk_conv *c = &b->conv;
  memset(b->db, 0, (size_t)c->out_c * sizeof *b->db);
  if (reading_of(c) == PHOTO) {
    photo_weights(b, scratch);
    return;
  }
  const pieces s = pieces_of(c);
  const int pixels = c->batch * c->out_h * c->out_w;
  block k = {.b = b, .c = *c, .how = reading_of(c), .n = c->kernel_h * c->kernel_w * c->in_c};
  float *laid = scratch + s.gradients + s.inputs;
  k.c.in = b->x, k.gradients = scratch, k.inputs = scratch + s.gradients;
  k.ld = k.how == ROWS_LIE ? k.n : laid_floats(k.n);
  for (int i = 0; i < s.blocks; i++, k.add = true) {
    k.from = (int)((int64_t)pixels * i / s.blocks);
    k.count = (int)((int64_t)pixels * (i + 1) / s.blocks) - k.from;
    k.rows = k.how == ROWS_LIE ? b->x + k.from * k.ld : laid;
    for (int p = 0; k.how == ROWS_LAID && p < k.count; p++)
      WK_ISA_FN(wk_conv_row)(&k.c, k.from + p, laid + p * k.ld);
    if (s.hold_inputs)
      hold_inputs(&k, s.parts);
    else
      hold_gradients(&k, s.parts);
  }
}

/* conv_grouped_sums.h - the innermost part of convolutions with groups: a piece of a row of results, kept in registers
 * over all taps and inputs. */
#ifndef WK_NN_CONV_GROUPED_SUMS_H
#define WK_NN_CONV_GROUPED_SUMS_H

#include "nn/kernels/f32/conv_grouped.h"

typedef struct wk_grouped_phase wk_grouped_phase;

typedef struct wk_grouped_tile {
  const float *a; /* what the first tap of the first result reads */
  const float *w, *w2, *bias;
  float *c;
  const float *add, *mask; /* like c */
  int cols;                /* that exist, of the vectors */
} wk_grouped_tile;

typedef void (*wk_grouped_sums_fn)(const wk_grouped_phase *f, const wk_grouped_tile *t);

/* A row of results in pieces, by one function a size. */
typedef struct wk_grouped_pieces {
  const wk_grouped_sums_fn *sums; /* of 1, 2, ... results, or pairs of them */
  int count, size, larger;        /* the first `larger` have one more */
} wk_grouped_pieces;

/* The results of one place modulo the stride of what is written; a forward convolution has only one. `pairs`: of two
 * places side by side, the first by one tap, the second by two, of which the first reads what that one reads. */
struct wk_grouped_phase {
  bool pairs;
  int rows, width;              /* of results */
  ptrdiff_t from;               /* floats from the first packed input to what the first tap of the first result reads */
  ptrdiff_t pixel, row, column; /* floats of packed inputs from result to result (pairs: to the next pair), from tap to
                                   tap */
  ptrdiff_t q;                  /* from a row of results to the next */
  int taps_y, taps_x, depth;
  ptrdiff_t to, ldc, line; /* floats of what is written: to the first result, from result to result, row to row */
  uintptr_t ahead;         /* bytes from what is written to what is asked for meanwhile */
  const float *w, *w2;     /* of the first block; of the second of a pair, twice as many */
  size_t block_weights;
  wk_grouped_pieces pieces[WK_GROUPED_MOST]; /* for 1, 2 and 3 vectors */
  wk_grouped_pieces lines;                   /* for 2 vectors of two rows at a time; without sums: none */
  float low, high;
  wk_act mask_act;
};

WK_ISA_DECLARE(wk_grouped_pieces, wk_grouped_pieces_of,
               (const wk_grouped_layout *l, const wk_grouped_side *x, int vectors, bool pairs));

WK_ISA_DECLARE(wk_grouped_pieces, wk_grouped_pieces_of_lines, (const wk_grouped_layout *l, const wk_grouped_side *x));

#endif

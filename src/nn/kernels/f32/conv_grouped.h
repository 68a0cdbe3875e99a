/* conv_grouped.h - the functions of conv_grouped.c, conv_grouped_layout.c and conv_grouped_grad.c of each instruction
 * set, and how they see a convolution with groups: along one side, output number q reads inputs first + q * step +
 * t * gap, for every tap t. The gradient of the input is such a convolution too, one for each place modulo the stride.
 */
#ifndef WK_NN_CONV_GROUPED_H
#define WK_NN_CONV_GROUPED_H

#include "base/isa.h"
#include "nn/kernels/microkernels.h"

typedef struct wk_grouped_side {
  int in;                     /* pixels of what is read */
  int count, place, stride;   /* of results: number q lies at place + q * stride of what is written */
  int first, step, taps, gap; /* what they read */
  int tap, tap_step;          /* tap t is number tap + t * tap_step of the kernel */
} wk_grouped_side;

typedef struct wk_grouped_view {
  wk_grouped_side y, x;
  int batch, groups, in_c, out_c, out_h, out_w; /* out: what is written */
  bool back;                                    /* of the input: weights change sides */
} wk_grouped_view;

/* How the channels are worked on: a block of them at a time, bundle by bundle. Where a group is narrower than a vector
 * and divides it, a bundle is a vector of several groups, and each of its lanes takes the input of its own group. */
typedef struct wk_grouped_layout {
  int depth, each;          /* inputs and outputs of a group */
  bool spread;              /* several groups a vector */
  int bundle;               /* groups of a bundle; not spread: 1 */
  int block_groups, blocks; /* groups of a block: whole bundles */
  int vectors;              /* of outputs of a bundle */
  bool narrow;              /* rows of results are so short that two of them are made together */
  int pixel, line;          /* floats of a packed pixel, pixels of a packed row of inputs */
  int band, height;         /* rows of results made together; of inputs they need */
} wk_grouped_layout;

#define WK_GROUPED_MOST 3 /* vectors that are made together */

WK_ISA_DECLARE(wk_grouped_layout, wk_grouped_layout_of, (const wk_grouped_view *v));
/* How many vectors of a bundle are made together where `left` are. */
WK_ISA_DECLARE(int, wk_grouped_together, (int left));
/* The inputs of rows q0..q0+rows-1 of results, of one block of channels, with zeros around the photo. */
WK_ISA_DECLARE(void, wk_grouped_pack_band,
               (float *to, const wk_grouped_view *v, const wk_grouped_layout *l, const float *in, int image, int block,
                int q0, int rows));

/* Floats of the packed weights of a block: [bundle][vectors made together][tap][input][lane]. */
WK_ISA_DECLARE(size_t, wk_grouped_block_weights, (const wk_grouped_layout *l, const wk_grouped_view *v));
WK_ISA_DECLARE(void, wk_grouped_pack_weights,
               (float *packed, const float *w, const wk_conv *c, const wk_grouped_view *v, const wk_grouped_layout *l));

/* Floats of a packed pixel where the taps of a row of the kernel can be taken together. */
#define WK_GROUPED_NEAR 68
/* Floats of a packed pixel of gradients: whole vectors for each bundle. */
static inline int wk_grouped_gradient_floats(const wk_grouped_layout *l, int lanes) {
  return l->vectors * lanes * (l->block_groups / l->bundle);
}
/* Bundles of a block of so many groups in all. */
static inline int wk_grouped_bundles(const wk_grouped_layout *l, int groups, int block) {
  const int left = groups - block * l->block_groups, own = left < l->block_groups ? left : l->block_groups;
  return (own + l->bundle - 1) / l->bundle;
}

WK_ISA_DECLARE(wk_grouped_sizes, wk_grouped_shape, (const wk_conv *c));
WK_ISA_DECLARE(void, wk_grouped_pack, (float *packed, const float *w, const wk_conv *c));
WK_ISA_DECLARE(void, wk_grouped, (const wk_conv *c, int unit0, int unit1, float *scratch));
WK_ISA_DECLARE(void, wk_grouped_data_pack, (float *packed, const float *w, const wk_conv *c));
WK_ISA_DECLARE(void, wk_grouped_data, (const wk_conv_back *b, int unit0, int unit1, float *scratch));
WK_ISA_DECLARE(void, wk_grouped_weights, (const wk_conv_back *b, float *scratch));
WK_ISA_DECLARE(void, wk_grouped_unpack, (float *w, const float *packed, const wk_conv *c, int first, int last));

/* The forward convolution. */
static inline wk_grouped_view wk_grouped_forward(const wk_conv *c) {
  return (wk_grouped_view){.y = {.in = c->in_h,
                                 .count = c->out_h,
                                 .stride = 1,
                                 .first = -c->pad_top,
                                 .step = c->stride_h,
                                 .taps = c->kernel_h,
                                 .gap = c->dilation_h,
                                 .tap_step = 1},
                           .x = {.in = c->in_w,
                                 .count = c->out_w,
                                 .stride = 1,
                                 .first = -c->pad_left,
                                 .step = c->stride_w,
                                 .taps = c->kernel_w,
                                 .gap = c->dilation_w,
                                 .tap_step = 1},
                           .batch = c->batch,
                           .groups = c->groups,
                           .in_c = c->in_c,
                           .out_c = c->out_c,
                           .out_h = c->out_h,
                           .out_w = c->out_w};
}

#endif

/* microkernels.h - whisker's own kernels: pure functions on float32 in NHWC that know nothing of graphs.
 *
 * All of them run on the calling thread and over a range, so that the caller can share a layer among threads; where
 * they need working memory the caller gives it, and a function tells its size. Nothing outside the stated shapes is
 * read or written. Weights are packed once, and a packed form belongs to one instruction set.
 *
 * The value of an output depends only on the inputs it is made from: never on the range it was computed in, the other
 * rows or images of the call, or the number of threads. Each sum has one fixed order.
 */
#ifndef WK_NN_MICROKERNELS_H
#define WK_NN_MICROKERNELS_H

#include "base/base.h"
#include "nn/kernels/activation.h"
#include "whisker/nn.h"

/* ---- matrix product --------------------------------------------------------------------------- */

/* C = act(A * B + bias + add): a 1x1 convolution on [m pixels][k channels], a linear layer on m rows. */
typedef struct wk_gemm {
  int m, n, k;
  const float *a;    /* [m][k], rows lda floats apart */
  const float *b;    /* packed by gemm_pack */
  float *c;          /* [m][n], rows ldc floats apart */
  const float *bias; /* [n], or NULL */
  const float *add;  /* [m][n] added before the activation, rows ldadd floats apart, or NULL; may be c itself */
  const float
      *next; /* where B comes from beyond the caches: what is read after it, and both are fetched ahead; or NULL */
  ptrdiff_t lda, ldc, ldadd;
  wk_act act;
} wk_gemm;

typedef struct wk_gemm_sizes {
  int lanes;      /* floats a vector */
  int rows;       /* of C that the register kernel makes at a time: ranges of rows are best a multiple of it */
  int panel;      /* columns of a panel of packed B */
  size_t scratch; /* floats of working memory for a call */
} wk_gemm_sizes;

/* ---- any convolution ------------------------------------------------------------------------- */

/* in [batch][in_h][in_w][in_c], out [batch][out_h][out_w][out_c]. */
typedef struct wk_conv {
  int batch, in_h, in_w, in_c, out_h, out_w, out_c;
  int groups; /* only the functions called grouped look at it; the others are for one group */
  int kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;
  int pad_top, pad_left;     /* zeros; what is needed behind the input follows from out_h, out_w */
  const float *in, *weights; /* weights packed by conv_pack */
  const uint8_t *bytes;      /* like in, which is not read: a photo, normalised as `pixels` says; NULL: none */
  const wk_pixels *pixels;   /* only where conv_takes_bytes */
  const float *bias;         /* [out_c], or NULL */
  const float *add;          /* like out: added before the activation; or NULL; may be out itself */
  float *out;
  wk_act act;
} wk_conv;

typedef struct wk_conv_sizes {
  int pixels;     /* of output, over all images */
  size_t scratch; /* floats of working memory for a call */
} wk_conv_sizes;

/* Of a convolution with groups and its gradients; sizes in floats, scratch for a call. */
typedef struct wk_grouped_sizes {
  int blocks, channels;   /* the output channels are made in blocks of so many */
  int units;              /* of work: a row of outputs of a block, block by block, image by image */
  size_t packed, scratch; /* of grouped_pack, grouped_unpack and dw; for grouped */
  int data_units;         /* the same of inputs, for grouped_data */
  size_t data_packed, data_scratch, weights_scratch;
} wk_grouped_sizes;

/* ---- 3x3 convolution of stride 1 -------------------------------------------------------------- */

/* By Winograd's F(m x m, 3 x 3). m 4 errs by some 1e-6 of the largest output, m 2 hardly more than direct sums, m 6 by
 * some 1e-5. in [batch][in_h][in_w][in_c], out [batch][out_h][out_w][out_c]. */
typedef struct wk_winograd {
  int m; /* 2, 4 or 6 */
  int batch, in_h, in_w, in_c, out_h, out_w, out_c;
  int pad_top, pad_left; /* rows and columns of zeros before the input; what is behind it follows from out_h, out_w */
  const float *in, *weights; /* weights packed by winograd_pack for this m, or: */
  bool on_the_fly;           /* by winograd_pack_taps, m 4: 9 numbers a kernel instead of 36, which are transformed
                           whenever they are used. The same bits; faster where 6 tiles or fewer meet many weights */
  const float *bias;         /* [out_c], or NULL */
  const float *add;          /* like out: added before the activation; or NULL; may be out itself */
  float *out;
  wk_act act;
  const float *mask; /* gradients: the output of ReLU or ReLU6 (mask_act), like out, whose slope the result is
                        multiplied with; or NULL */
  wk_act mask_act;
} wk_winograd;

typedef struct wk_winograd_sizes {
  int tiles;      /* in all, of m x m outputs, over all images */
  int block;      /* tiles that are worked on together: ranges of tiles are best a multiple of it */
  int chunk;      /* output channels likewise */
  size_t input;   /* floats of a block's frequencies before the product */
  size_t scratch; /* floats of working memory for a call, `input` of them at its beginning */
} wk_winograd_sizes;

/* ---- depthwise convolution -------------------------------------------------------------------- */

#define WK_DEPTHWISE_MAX 16 /* rows of a kernel */

/* in [batch][in_h][in_w][channels], out [batch][out_h][out_w][channels]. */
typedef struct wk_depthwise {
  int in_h, in_w, channels, out_h, out_w;
  int kernel_h, kernel_w, stride; /* kernel_h <= WK_DEPTHWISE_MAX; 3x3 and 5x5 with stride 1 and 2 are fast */
  int dilation_h, dilation_w;     /* more than 1 across is fast with stride 1 */
  int pad_top, pad_left;          /* zeros; what is needed behind the input follows from out_h, out_w */
  const float *in, *weights;      /* weights [kernel_h][kernel_w][channels] */
  const float *bias;              /* [channels], or NULL */
  float *out;
  wk_act act;
} wk_depthwise;

/* ---- inverted residual ------------------------------------------------------------------------ */

/* out = act(project(act(depthwise(act(expand(in))))) + add). in [batch][in_h][in_w][in_c], out
 * [batch][out_h][out_w][out_c]. The same bits as gemm, depthwise and gemm one after the other. */
typedef struct wk_mbconv {
  int batch, in_h, in_w, in_c, mid_c, out_h, out_w, out_c;
  int kernel, stride, pad_top, pad_left; /* of the depthwise convolution */
  const float *in;
  const float *expand, *expand_bias;       /* packed by gemm_pack [in_c][mid_c]; NULL: none, and mid_c is in_c */
  const float *depthwise, *depthwise_bias; /* [kernel][kernel][mid_c] */
  const float *project, *project_bias;     /* packed by gemm_pack [mid_c][out_c] */
  const float *add;                        /* like out, or NULL; `in` itself in a residual block */
  float *out;                              /* not `in` */
  wk_act expand_act, depthwise_act, project_act;
} wk_mbconv;

typedef struct wk_mbconv_sizes {
  int rows;       /* of output, over all images */
  int band;       /* rows made together: a range that starts in an image expands kernel - stride rows once more */
  size_t scratch; /* floats of working memory for a call */
} wk_mbconv_sizes;

/* ---- gradients -------------------------------------------------------------------------------- */

/* Of a depthwise convolution, from that of its output. */
typedef struct wk_depthwise_back {
  int batch, in_h, in_w, channels, out_h, out_w;
  int kernel_h, kernel_w, stride; /* as in wk_depthwise */
  int pad_top, pad_left;
  const float *dy; /* [batch][out_h][out_w][channels] */

  /* Of the input: dx [batch][in_h][in_w][channels]. */
  const float *weights; /* [kernel_h][kernel_w][channels] */
  float *dx;
  bool accumulate;   /* dx is added to */
  const float *mask; /* like dx: the output of an activation whose slope dx is then multiplied with; NULL: none */
  wk_act mask_act;   /* ReLU or ReLU6 */

  /* Of the weights, summed over the batch, from the input. */
  const float *x; /* [batch][in_h][in_w][channels] */
  float *dw, *db; /* [kernel_h][kernel_w][channels], [channels]: overwritten */
} wk_depthwise_back;

/* Of any convolution, from that of its output. */
typedef struct wk_conv_back {
  wk_conv conv;    /* the convolution: its pointers and activation are not looked at */
  const float *dy; /* like its output */

  /* Of the input: dx is like it. */
  const float *weights; /* packed by conv_data_pack or grouped_data_pack */
  float *dx;
  bool accumulate;   /* dx is added to */
  const float *mask; /* like dx: the output of an activation whose slope dx is then multiplied with; NULL: none */
  wk_act mask_act;   /* ReLU or ReLU6 */

  /* Of the weights, summed over the batch, from the input. */
  const float *x;
  float *dw, *db; /* [out_c][kernel_h][kernel_w][in_c] (grouped: as packed), [out_c]: overwritten */
} wk_conv_back;

typedef struct wk_conv_back_sizes {
  int blocks;                           /* of input pixels, or rows of them, over all images, for conv_data */
  size_t packed;                        /* floats of conv_data_pack */
  size_t data_scratch, weights_scratch; /* floats of working memory for a call */
} wk_conv_back_sizes;

/* Of the inverted residual. What lies between its layers is computed again from `in`, some rows at a time, and nobody
 * needs to keep it. Several instances may share their rows only where no gradients of weights are wanted. */
typedef struct wk_mbconv_back {
  wk_mbconv f;               /* the block; project, its bias and activation, add and out are not looked at */
  const float *dy;           /* like its output, before the activation of the projection */
  const float *expand_data;  /* gemm_transpose of expand; not looked at without one */
  const float *project_data; /* gemm_transpose of project */

  float *dx;         /* like in; NULL: not wanted */
  bool accumulate;   /* dx is added to */
  const float *add;  /* like dx: added, where nothing is accumulated and the block expands; or NULL; dy itself in a
                        residual block */
  const float *mask; /* like dx: the output of an activation whose slope dx is then multiplied with; NULL: none */
  wk_act mask_act;   /* ReLU or ReLU6 */

  /* Summed over the batch and overwritten: [in_c][mid_c], [kernel][kernel][mid_c], [out_c][mid_c], and the biases'.
   * Each pair may be NULL. */
  float *dw_expand, *db_expand, *dw_depthwise, *db_depthwise, *dw_project, *db_project;
} wk_mbconv_back;

typedef struct wk_mbconv_back_sizes {
  int rows;       /* of input, over all images */
  size_t scratch; /* floats of working memory for a call */
} wk_mbconv_back_sizes;

/* ---- all of them ------------------------------------------------------------------------------ */

typedef struct wk_microkernels {
  wk_isa isa;

  /* The processor's limit, for benchmarks: `rounds` rounds of independent multiply-adds, their number in *flops. */
  double (*peak)(double *flops, long rounds);

  wk_gemm_sizes (*gemm_shape)(void);
  /* Packed B: panels of `panel` columns, each [k][panel], the columns missing in the last one zero; a last panel that
   * needs at most half of that is half as wide. */
  size_t (*gemm_packed)(int k, int n); /* floats */
  /* Element (i, j) of B is b[i * stride_k + j * stride_n]: either order of PyTorch's weights is just strides. */
  void (*gemm_pack)(float *packed, const float *b, int k, int n, ptrdiff_t stride_k, ptrdiff_t stride_n);
  /* From packed B [k][n] to its transpose, packed. */
  void (*gemm_transpose)(float *turned, const float *packed, int k, int n);
  /* Rows row0..row1-1, columns col0..col1-1 of C; col0 a multiple of the panel, and col1 too or n. */
  void (*gemm)(const wk_gemm *g, int row0, int row1, int col0, int col1, float *scratch);

  /* PyTorch's [out_c][in_c][kernel_h][kernel_w] to gemm_packed(taps * in_c, out_c) floats; taps = kernel_h * kernel_w.
   */
  void (*conv_pack)(float *packed, const float *w, int in_c, int out_c, int taps);
  wk_conv_sizes (*conv_shape)(const wk_conv *c);
  /* Output pixels pixel0..pixel1-1, channels col0..col1-1; col0 a multiple of the gemm's panel, and col1 too or out_c.
   */
  void (*conv)(const wk_conv *c, int pixel0, int pixel1, int col0, int col1, float *scratch);
  /* Can a convolution of this shape read bytes? It then makes the same bits of them as of the floats they stand for. */
  bool (*conv_takes_bytes)(const wk_conv *c);
  /* Bytes of `count` pixels of 3 channels to floats, as a convolution that takes bytes sees them. */
  void (*pixels)(float *out, const uint8_t *bytes, int count, const wk_pixels *norm);

  /* With groups, of any kernel, stride and dilation. PyTorch's [out_c][in_c / groups][kernel_h][kernel_w]. */
  wk_grouped_sizes (*grouped_shape)(const wk_conv *c);
  void (*grouped_pack)(float *packed, const float *w, const wk_conv *c);
  void (*grouped)(const wk_conv *c, int unit0, int unit1, float *scratch);
  void (*grouped_data_pack)(float *packed, const float *w, const wk_conv *c);
  /* Different units write different parts of dx. */
  void (*grouped_data)(const wk_conv_back *b, int unit0, int unit1, float *scratch);
  /* The whole of dw, in the layout of grouped_pack, and of db. */
  void (*grouped_weights)(const wk_conv_back *b, float *scratch);
  /* From that layout to PyTorch's: the weights of outputs first..last-1. */
  void (*grouped_unpack)(float *w, const float *packed, const wk_conv *c, int first, int last);

  size_t (*winograd_packed)(int m, int in_c, int out_c); /* floats */
  /* The 3x3 weights from input channel i to output channel o begin at w[i * stride_in + o * stride_out]: 9 and 9 * in_c
   * for PyTorch's [out_c][in_c][3][3]. `flip` turns them by 180 degrees: with the strides exchanged, and padding 2 -
   * pad, the convolution then makes the gradient of its input from that of its output. */
  void (*winograd_pack)(float *packed, const float *w, int m, int in_c, int out_c, ptrdiff_t stride_in,
                        ptrdiff_t stride_out, bool flip);
  size_t (*winograd_packed_taps)(int in_c, int out_c); /* floats */
  void (*winograd_pack_taps)(float *packed, const float *w, int in_c, int out_c, ptrdiff_t stride_in,
                             ptrdiff_t stride_out, bool flip);
  /* Depends on the shapes and `light` alone. */
  wk_winograd_sizes (*winograd_shape)(const wk_winograd *w);
  /* Tiles tile0..tile1-1, output channels col0..col1-1; col0 a multiple of the gemm's panel, and col1 too or out_c. */
  void (*winograd)(const wk_winograd *w, int tile0, int tile1, int col0, int col1, float *scratch);
  /* The same in two stages, for all tiles where they are one block: threads that share the output channels transform
   * the input once, tile by tile, before all of them read it. `scratch` is what is behind the input of a call's. */
  void (*winograd_input)(const wk_winograd *w, int tile0, int tile1, float *input);
  void (*winograd_output)(const wk_winograd *w, int col0, int col1, const float *input, float *scratch);

  /* PyTorch's [channels][1][kernel_h][kernel_w] to wk_depthwise's order; taps = kernel_h * kernel_w. */
  void (*depthwise_pack)(float *packed, const float *w, int channels, int taps);
  /* Output rows row0..row1-1 of batch * out_h, channels ch0..ch1-1 of them; cut at multiples of gemm_shape's panel. */
  void (*depthwise)(const wk_depthwise *d, int row0, int row1, int ch0, int ch1);

  wk_conv_back_sizes (*conv_back_shape)(const wk_conv *c);
  /* PyTorch's [out_c][in_c][kernel_h][kernel_w]. */
  void (*conv_data_pack)(float *packed, const float *w, const wk_conv *c);
  /* Blocks block0..block1-1: best a multiple of the gemm's rows. Different blocks write different parts of dx. */
  void (*conv_data)(const wk_conv_back *b, int block0, int block1, float *scratch);
  /* The whole of dw and db. */
  void (*conv_weights)(const wk_conv_back *b, float *scratch);
  /* The same by Winograd's F(3 x 3, 4 x 4), for 3x3 kernels of stride 1 without dilation. */
  size_t (*winograd_weights_scratch)(const wk_conv *c); /* floats */
  void (*winograd_weights)(const wk_conv_back *b, float *scratch);

  /* Rows row0..row1-1 of batch * in_h of dx. */
  void (*depthwise_data)(const wk_depthwise_back *d, int row0, int row1);
  /* The whole of dw and db. */
  void (*depthwise_weights)(const wk_depthwise_back *d);

  wk_mbconv_sizes (*mbconv_shape)(const wk_mbconv *f);
  /* Output rows row0..row1-1 of batch * out_h. */
  void (*mbconv)(const wk_mbconv *f, int row0, int row1, float *scratch);
  /* For kernels at least as large as their stride. */
  wk_mbconv_back_sizes (*mbconv_back_shape)(const wk_mbconv *f);
  /* Input rows row0..row1-1 of batch * in_h; all of them where gradients of weights are wanted. */
  void (*mbconv_back)(const wk_mbconv_back *b, int row0, int row1, float *scratch);
} wk_microkernels;

/* The kernels of an instruction set; NULL where this build or processor has not got it. */
const wk_microkernels *wk_microkernels_for(wk_isa isa);

#endif

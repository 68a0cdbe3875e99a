/* op.h (internal) - the seam between the planner and the code that computes. A plan is a list of steps; each step is
 * one layer with what was fused into it, computed by one kernel.
 *
 * Which kernel is chosen depends on the layer's shape and the processor alone, never on a timing, so that the same
 * machine always gives the same bits. A kernel must give a photo the same result whatever `count` and `threads` are. */
#ifndef WK_NN_OP_H
#define WK_NN_OP_H

#include "base/arena.h"
#include "base/base.h"
#include "base/thread_team.h"
#include "nn/kernels/activation.h"
#include "whisker/nn.h"

/* What a step computes: op(in), plus the residual where there is one, then the activation. */
typedef struct wk_layer {
  const char *name; /* of the last layer that was fused in, for messages */
  wk_op op;
  wk_shape in, out; /* of one photo; `in` is the first input */
  wk_window window; /* resolved: real paddings */
  int groups;
  wk_extra extra;
  bool residual;
  bool train; /* its gradient is wanted too: linear layers keep their weight as it is, for both directions */
  wk_act act;
  bool no_winograd;        /* no method that rounds otherwise than plain sums (Winograd) */
  const wk_pixels *pixels; /* its one input is a photo's bytes, normalised like this; NULL: floats */
} wk_layer;

/* A matrix product over single pixels: linear layers, and the 1 x 1 convolutions of squeeze-excite. */
bool wk_layer_is_linear(const wk_layer *l);

/* Where a kernel keeps what it made of the weights. */
typedef struct wk_packed {
  void *data;           /* read-only once prepared; freed by the kernel's release */
  size_t weight_bytes;  /* what it takes, for wk_plan_weight_bytes */
  size_t scratch_bytes; /* working memory for a call, whatever `count`; 64-byte aligned */
  size_t grad_floats;   /* gradients of weights: of the layout the kernel writes them in */
} wk_packed;

/* One call of one step. All activations are [count, h, w, c]. */
typedef struct wk_call {
  const wk_layer *layer;
  const void *packed;
  void *state;            /* of this thread, from the kernel's open; NULL without one */
  const float *const *in; /* the layer's inputs */
  const uint8_t *bytes;   /* instead, where the layer has `pixels` */
  int inputs;
  const wk_shape *in_shape; /* of each input */
  const float *residual;    /* NULL: none. May be equal to `out`; no other input is, unless the kernel is `inplace` */
  float *out;
  void *scratch;
  int count, threads;
  int stage; /* of those that share goes through */
  wk_isa isa;
} wk_call;

/* Layers of the longest step of several: an inverted residual. */
enum { WK_MBCONV_OPS = 3 };

/* A layer inside a step of several, with what its own kernel made of its weights. */
typedef struct wk_sub_op {
  const wk_layer *layer;
  const void *packed;
} wk_sub_op;

/* The least and the largest value of every channel of what a step reads and makes, as seen on photos: [2][channels].
 * NULL for what is computed in float32. */
typedef struct wk_op_range {
  const float *in, *out;
} wk_op_range;

/* What prepare may use besides the layer. The arrays live only during the call. */
typedef struct wk_prepare {
  const float *weight; /* convolution: [out, in/groups, kh, kw]; linear: [out, in]; batch norm: the scale [c]. Batch
                          norm after it is folded in. NULL: the op has none. A linear layer whose input has pixels
                          replaces a flatten: its columns are in the order (c, h, w) */
  const float *bias;   /* [out]; NULL: none. Batch norm: the shift */
  int threads;
  wk_isa isa;
  int batch;         /* photos a call at most; only gradients of weights need it beforehand */
  wk_arena *packing; /* for what lives as long as the plan; gradients: NULL */
  bool keep;         /* weight and bias outlive the step: they need not be copied */
  wk_op_range range;
  const void *forward;     /* gradients: what the layer's forward kernel has packed */
  const wk_sub_op *sub_op; /* of a step of several layers: they, in order; the layers and what is packed outlive it */
  int sub_ops;
} wk_prepare;

typedef struct wk_kernel {
  const char *name;
  bool inplace; /* `out` may be in[0] (elementwise) */
  bool (*fits)(const wk_layer *layer,
               wk_isa isa); /* NULL: not in the table; fuse_blocks.c or lower_precision.c chooses it */
  /* Each of these may be NULL where there is nothing to do. */
  wk_status (*prepare)(wk_packed *out, const wk_layer *layer, const wk_prepare *p, wk_error *err);
  void (*release)(void *packed);
  /* Other weights for what prepare made; a kernel without it is released and prepared again. Not while it runs. */
  wk_status (*repack)(void *packed, const wk_layer *layer, const wk_prepare *p, wk_error *err);
  wk_status (*open)(void **state, const wk_layer *layer, const void *packed, wk_error *err); /* one thread's state */
  void (*close)(void *state);
  /* One of the two: the whole call on one thread; or a part of it, which cannot fail. */
  wk_status (*run)(const wk_call *call, wk_error *err);
  void (*share)(const wk_call *call, wk_chunk chunk);
  int (*chunks)(const wk_call *call); /* NULL: as many as threads */
  int (*stages)(const wk_call *call); /* each begins when all parts of the one before are done; NULL: 1 */
} wk_kernel;

/* How many parts a call is worth: as many for each thread, one at least, and more where each is still `work` enough
 * (multiply-adds of the whole call), so that threads that are faster take more; `most`: where it can be cut sensibly.
 */
int wk_call_chunks(int64_t most, int64_t work, int threads);

/* A call of that kernel, by the crew where it can be shared. */
wk_status wk_kernel_run(const wk_kernel *kernel, const wk_call *call, wk_thread_team *crew, wk_error *err);

/* ---- gradients ---------------------------------------------------------------------------------- */

/* Gradient of a layer's input from that of its output (before the activation), for convolutions and linear layers. */
typedef struct wk_data_call {
  const wk_layer *layer;
  const void *packed;
  void *state;
  const float *dy;   /* [count, out] */
  float *dx;         /* [count, in] */
  bool accumulate;   /* dx += */
  const float *mask; /* like dx: the output of the activation before, whose slope dx is multiplied with at the end;
                        NULL: none. Only for kernels that say so */
  wk_act mask_act;
  void *scratch;
  int count, threads;
  int stage;
  wk_isa isa;
  /* Of a step of several layers: */
  const float *x;             /* [count, in] its input */
  const float *add;           /* like dx, added to it where nothing is accumulated; NULL: none */
  float *grad[WK_MBCONV_OPS]; /* of the weights of expansion, depthwise convolution and projection, in layouts of the
                                  kernel's own; NULL: not wanted. dx may be NULL then */
} wk_data_call;

typedef struct wk_data_kernel {
  const char *name;
  bool masks; /* can apply the slope of ReLU and ReLU6 on the way */
  bool (*fits)(const wk_layer *layer, wk_isa isa);
  wk_status (*prepare)(wk_packed *out, const wk_layer *layer, const wk_prepare *p, wk_error *err);
  void (*release)(void *packed);
  wk_status (*repack)(void *packed, const wk_layer *layer, const wk_prepare *p, wk_error *err);
  wk_status (*open)(void **state, const wk_layer *layer, const void *packed, wk_error *err);
  void (*close)(void *state);
  wk_status (*run)(const wk_data_call *call, wk_error *err); /* as in wk_kernel */
  void (*share)(const wk_data_call *call, wk_chunk chunk);
  int (*chunks)(const wk_data_call *call);
  int (*stages)(const wk_data_call *call);
} wk_data_kernel;

wk_status wk_data_kernel_run(const wk_data_kernel *kernel, const wk_data_call *call, wk_thread_team *crew,
                             wk_error *err);

/* Gradient of a layer's weight and bias, summed over the photos of a micro-batch, in a layout of the kernel's own: sums
 * over micro-batches are taken there, and unpack puts the total into PyTorch's layout. */
typedef struct wk_weights_call {
  const wk_layer *layer;
  const void *packed;
  void *state;
  float *x, *dy; /* [count, in], [count, out]; there is room for `batch` photos, and the rest may be written */
  float *grad;   /* [grad_floats], overwritten */
  void *scratch;
  int count, batch;
  wk_isa isa;
} wk_weights_call;

typedef struct wk_weights_kernel {
  const char *name;
  bool (*fits)(const wk_layer *layer, wk_isa isa);
  wk_status (*prepare)(wk_packed *out, const wk_layer *layer, const wk_prepare *p, wk_error *err);
  void (*release)(void *packed);
  wk_status (*open)(void **state, const wk_layer *layer, const void *packed, wk_error *err);
  void (*close)(void *state);
  wk_status (*run)(const wk_weights_call *call, wk_error *err);
  /* Of outputs first..last-1: to their places in weight [out, in/groups, kh, kw] and bias [out]. `whole`: it is asked
   * for all outputs at once. */
  wk_status (*unpack)(float *weight, float *bias, const void *packed, const wk_layer *layer, const float *grad,
                      int first, int last, wk_error *err);
  bool whole;
} wk_weights_kernel;

/* ---- the tables --------------------------------------------------------------------------------- */

/* The first that fits, in the order of preference; NULL never happens for a legal layer of its kind. */
const wk_kernel *wk_kernel_for(const wk_layer *layer, wk_isa isa);
const wk_data_kernel *wk_data_kernel_for(const wk_layer *layer, wk_isa isa);
const wk_weights_kernel *wk_weights_kernel_for(const wk_layer *layer, wk_isa isa);

extern const wk_kernel wk_kernel_multiply, wk_kernel_curve; /* plain_ops.c */
extern const wk_kernel wk_kernel_pad, wk_kernel_slice, wk_kernel_shuffle, wk_kernel_lrn;
extern const wk_kernel wk_kernel_winograd;
extern const wk_kernel wk_kernel_depthwise;
extern const wk_kernel wk_kernel_conv;
extern const wk_kernel wk_kernel_mbconv; /* of several layers: fuse_blocks.c chooses it */
extern const wk_kernel wk_kernel_linear;
extern const wk_kernel wk_kernel_conv_int8,
    wk_kernel_mbconv_int8; /* on small integers: lower_precision.c chooses them */
extern const wk_kernel wk_kernel_conv_bf16, wk_kernel_mbconv_bf16; /* on bfloat16: the same */
extern const wk_kernel wk_kernel_grouped;
extern const wk_data_kernel wk_data_grouped;
extern const wk_data_kernel wk_data_depthwise;
extern const wk_data_kernel wk_data_winograd;
extern const wk_data_kernel wk_data_conv;
extern const wk_weights_kernel wk_weights_grouped;
extern const wk_weights_kernel wk_weights_depthwise;
extern const wk_weights_kernel wk_weights_winograd;
extern const wk_weights_kernel wk_weights_conv;
extern const wk_data_kernel wk_data_mbconv; /* of a step of several layers */
extern const wk_kernel wk_kernel_linear_train;
extern const wk_data_kernel wk_data_linear;

#endif

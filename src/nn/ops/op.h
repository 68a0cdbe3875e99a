/* op.h (internal) - the seam between the planner and the code that computes. A plan is a list of ops; each is one
 * layer with what was fused into it, computed by one kernel.
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

/* What an op computes: op(in), plus the residual where there is one, then the activation. */
typedef struct wk_layer {
  const char *name; /* of the last layer that was fused in, for messages */
  wk_op op;
  wk_shape in, out; /* of one photo; `in` is the first input */
  wk_window window; /* resolved: real paddings */
  int groups;
  wk_extra extra;
  float eps; /* layer norm */
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

/* Layers of the longest op of several: an inverted residual. */
enum { WK_MBCONV_OPS = 3 };

/* What is computed of a layer. */
typedef enum wk_direction {
  WK_FORWARD,         /* its output */
  WK_BACKWARD_DATA,   /* the gradient of its input from that of its output (before the activation) */
  WK_BACKWARD_WEIGHTS /* that of its weight and bias, summed over the photos of a call, in a layout of the kernel's own:
                         sums over micro-batches are taken there, and unpack puts the total into PyTorch's */
} wk_direction;

/* One call of a kernel. All activations and their gradients are [count, h, w, c]. */
typedef struct wk_call {
  const wk_layer *layer;
  const void *packed;
  void *scratch;
  int count, threads;
  int stage; /* of those that share goes through */
  wk_isa isa;

  /* Forward: */
  const float *const *in; /* the layer's inputs */
  const uint8_t *bytes;   /* instead, where the layer has `pixels` */
  int inputs;
  const wk_shape *in_shape; /* of each input */
  const float *residual;    /* NULL: none. May be equal to `out`; no other input is, unless the kernel is `inplace` */
  float *out;

  /* Gradients: */
  const float *dy;   /* of the layer's output */
  const float *x;    /* its first input, for gradients of weights */
  float *dx;         /* of the input; NULL: not wanted */
  bool accumulate;   /* dx += */
  const float *add;  /* like dx, added to it where nothing is accumulated; NULL: none. For ops of several layers */
  const float *mask; /* like dx: the output of the activation before, whose slope dx is multiplied with at the end;
                        NULL: none. Only for kernels that say so */
  wk_act mask_act;
  float *grad[WK_MBCONV_OPS]; /* of the weights, overwritten: the first, [grad_floats]; of several layers, those of
                                 expansion, depthwise convolution and projection. NULL: not wanted */
} wk_call;

/* A layer inside an op of several, with what its own kernel made of its weights. */
typedef struct wk_sub_op {
  const wk_layer *layer;
  const void *packed;
} wk_sub_op;

/* The least and the largest value of every channel of what an op reads and makes, as seen on photos: [2][channels].
 * NULL for what is computed in float32. */
typedef struct wk_op_range {
  const float *in, *out;
} wk_op_range;

/* What prepare may use besides the layer. The arrays live only during the call. */
typedef struct wk_prepare {
  const float *weight; /* convolution: [out, in/groups, kh, kw]; linear: [out, in]; norms and layer scale: the scale
                          [c]. Batch norm or layer scale after it is folded in. NULL: the op has none. A linear layer
                          whose input has pixels replaces a flatten: its columns are in the order (c, h, w) */
  const float *bias;   /* [out]; NULL: none. Of norms: the shift */
  int threads;
  wk_isa isa;
  int batch;         /* photos a call at most; only gradients of weights need it beforehand */
  wk_arena *packing; /* for what lives as long as the plan; gradients: NULL */
  bool keep;         /* weight and bias outlive the op: they need not be copied */
  wk_op_range range;
  const void *forward;     /* gradients: what the layer's forward kernel has packed */
  const wk_sub_op *sub_op; /* of an op of several layers: they, in order; the layers and what is packed outlive it */
  int sub_ops;
} wk_prepare;

typedef struct wk_kernel {
  const char *name;
  wk_direction direction;
  bool inplace; /* forward: `out` may be in[0] (elementwise) */
  bool masks;   /* to the input: can apply the slope of ReLU and ReLU6 on the way */
  bool whole;   /* of weights: unpack wants all outputs at once */
  /* NULL: not in the table; fuse_blocks.c or lower_precision.c chooses it. */
  bool (*fits)(const wk_layer *layer, wk_isa isa);
  /* Each of these may be NULL where there is nothing to do. */
  wk_status (*prepare)(wk_packed *out, const wk_layer *layer, const wk_prepare *p, wk_error *err);
  void (*release)(void *packed);
  /* Other weights for what prepare made. Not while it runs. */
  wk_status (*repack)(void *packed, const wk_layer *layer, const wk_prepare *p, wk_error *err);
  /* One of the two: the whole call on one thread; or a chunk of it. Neither can fail. */
  void (*run)(const wk_call *call);
  void (*share)(const wk_call *call, wk_chunk chunk);
  int (*chunks)(const wk_call *call); /* NULL: as many as threads */
  int (*stages)(const wk_call *call); /* each begins when all chunks of the one before are done; NULL: 1 */
  /* Gradients of weights: of outputs first..last-1, to their places in weight [out, in/groups, kh, kw] and bias [out].
   */
  void (*unpack)(float *weight, float *bias, const void *packed, const wk_layer *layer, const float *grad, int first,
                 int last);
} wk_kernel;

/* How many parts a call is worth: as many for each thread, one at least, and more where each is still `work` enough
 * (multiply-adds of the whole call), so that threads that are faster take more; `most`: where it can be cut sensibly.
 */
int wk_call_chunks(int64_t most, int64_t work, int threads);

/* A call of that kernel, by the team where it can be shared. */
void wk_kernel_run(const wk_kernel *kernel, const wk_call *call, wk_thread_team *team);

extern const wk_kernel wk_kernel_linear, wk_kernel_linear_train, wk_kernel_linear_data;
extern const wk_kernel wk_kernel_conv, wk_kernel_conv_data, wk_kernel_conv_weights;
extern const wk_kernel wk_kernel_winograd, wk_kernel_winograd_data, wk_kernel_winograd_weights;
extern const wk_kernel wk_kernel_depthwise, wk_kernel_depthwise_data, wk_kernel_depthwise_weights;
extern const wk_kernel wk_kernel_grouped, wk_kernel_grouped_data, wk_kernel_grouped_weights;
extern const wk_kernel wk_kernel_mbconv, wk_kernel_mbconv_data;    /* of several layers: fuse_blocks.c chooses them */
extern const wk_kernel wk_kernel_conv_int8, wk_kernel_mbconv_int8; /* on small integers: lower_precision.c does */
extern const wk_kernel wk_kernel_conv_bf16, wk_kernel_mbconv_bf16; /* on bfloat16: the same */
extern const wk_kernel wk_kernel_act, wk_kernel_add, wk_kernel_affine, wk_kernel_layer_norm, wk_kernel_scale,
    wk_kernel_concat;
extern const wk_kernel wk_kernel_flatten, wk_kernel_copy, wk_kernel_normalise, wk_kernel_softmax;
extern const wk_kernel wk_kernel_multiply, wk_kernel_curve, wk_kernel_pad, wk_kernel_slice, wk_kernel_shuffle;
extern const wk_kernel wk_kernel_lrn, wk_kernel_max_pool, wk_kernel_avg_pool, wk_kernel_adaptive_avg_pool;

#endif

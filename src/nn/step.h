/* step.h (internal) - the seam between the planner and the code that computes. A plan is a list of steps; each step is
 * one layer with what was fused into it, computed by one kernel.
 *
 * Which kernel is chosen depends on the layer's shape and the processor alone, never on a timing, so that the same
 * machine always gives the same bits. A kernel must give a photo the same result whatever `count` and `threads` are. */
#ifndef WK_NN_STEP_H
#define WK_NN_STEP_H

#include "base/base.h"
#include "nn/act.h"
#include "whisker/nn.h"

/* What a step computes: op(in), plus the residual where there is one, then the activation. */
typedef struct wk_layer {
  const char *name; /* of the last layer that was fused in, for messages */
  wk_op op;
  wk_shape in, out; /* of one photo; `in` is the first input */
  wk_window window; /* resolved: real paddings */
  int groups;
  bool residual;
  wk_act act;
  bool exact;   /* no method that rounds otherwise than plain sums (Winograd) */
  bool library; /* oneDNN wherever it can: what the own kernels are measured against */
} wk_layer;

/* Where a kernel keeps what it made of the weights. */
typedef struct wk_packed {
  void *data;           /* read-only once prepared; freed by the kernel's release */
  size_t weight_bytes;  /* what it takes, for wk_plan_weight_bytes */
  size_t scratch_bytes; /* working memory for a call, whatever `count`; 64-byte aligned */
} wk_packed;

/* One call of one step by one thread. All activations are [count, h, w, c]. */
typedef struct wk_call {
  const wk_layer *layer;
  const void *packed;
  void *state;            /* of this thread, from the kernel's open; NULL without one */
  const float *const *in; /* the layer's inputs */
  int inputs;
  const wk_shape *in_shape; /* of each input */
  const float *residual;    /* NULL: none. May be equal to `out`; no other input is, unless the kernel is `inplace` */
  float *out;
  void *scratch;
  int count, threads;
  wk_isa isa;
} wk_call;

typedef struct wk_dnnl_engine wk_dnnl_engine;

/* What prepare may use besides the layer. The arrays live only during the call. */
typedef struct wk_prepare {
  wk_dnnl_engine *engine;
  const float *weight; /* convolution: [out, in/groups, kh, kw]; linear: [out, in], in the order of the NHWC input;
                          batch norm: the scale [c]. Batch norm after it is folded in. NULL: the op has none */
  const float *bias;   /* [out]; NULL: none. Batch norm: the shift */
  int threads;
  wk_isa isa;
} wk_prepare;

typedef struct wk_kernel {
  const char *name;
  bool inplace; /* `out` may be in[0] (elementwise) */
  bool (*fits)(const wk_layer *layer, wk_isa isa);
  /* Each of these may be NULL where there is nothing to do. */
  wk_status (*prepare)(wk_packed *out, const wk_layer *layer, const wk_prepare *p, wk_error *err);
  void (*release)(void *packed);
  wk_status (*open)(void **state, const wk_layer *layer, const void *packed, wk_error *err); /* one thread's state */
  void (*close)(void *state);
  wk_status (*run)(const wk_call *call, wk_error *err);
} wk_kernel;

/* The first kernel that fits; NULL never happens for a legal layer. */
const wk_kernel *wk_kernel_for(const wk_layer *layer, wk_isa isa);

extern const wk_kernel wk_kernel_winograd;
extern const wk_kernel wk_kernel_depthwise;
extern const wk_kernel wk_kernel_conv;
extern const wk_kernel wk_kernel_conv_dnnl;
extern const wk_kernel wk_kernel_linear;
extern const wk_kernel wk_kernel_affine;
extern const wk_kernel wk_kernel_act;
extern const wk_kernel wk_kernel_add;
extern const wk_kernel wk_kernel_scale;
extern const wk_kernel wk_kernel_concat;
extern const wk_kernel wk_kernel_max_pool;
extern const wk_kernel wk_kernel_avg_pool;
extern const wk_kernel wk_kernel_adaptive_pool;
extern const wk_kernel wk_kernel_flatten;
extern const wk_kernel wk_kernel_softmax;
extern const wk_kernel wk_kernel_copy;

#endif

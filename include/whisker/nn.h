/* nn.h - tensors, the graph of a network, and the engine that runs it. Knows neither file formats nor the
 * names of networks.
 *
 *   wk_tensors   named arrays (weights), in PyTorch's names and layouts (OIHW)
 *   wk_graph     layers and how they are joined; built once by a zoo builder, then read-only
 *   wk_plan      graph + weights + input size, ready to run: shapes inferred, batch norm folded, weights packed,
 *                buffers laid out. Read-only: shared by any number of threads
 *   wk_exec      one thread's working memory for a plan
 *
 * Pixels and activations are float32 NHWC everywhere.
 */
#ifndef WHISKER_NN_H
#define WHISKER_NN_H

#include "whisker/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- tensors ---------------------------------------------------------------------------------- */

typedef enum wk_dtype {
  WK_F32 = 0,
  WK_F64,
  WK_F16,
  WK_BF16,
  WK_I64,
  WK_I32,
  WK_I16,
  WK_I8,
  WK_U8,
  WK_BOOL,
  WK_DTYPE_COUNT
} wk_dtype;

#define WK_MAX_DIMS 8

WK_API size_t wk_dtype_size(wk_dtype dtype);      /* bytes an element */
WK_API const char *wk_dtype_name(wk_dtype dtype); /* "F32", as safetensors writes it */

/* A named array, row-major and without gaps. A view: the wk_tensors it comes from owns name and data. */
typedef struct wk_tensor {
  const char *name;
  wk_dtype dtype;
  int ndim; /* 0 is a scalar */
  int64_t shape[WK_MAX_DIMS];
  const void *data; /* may be unaligned for its type when it is a view of a mapped file */
  size_t bytes;
} wk_tensor;

/* Elements of a shape; -1 when it overflows or a side is negative. */
WK_API int64_t wk_tensor_count(int ndim, const int64_t *shape);

/* An ordered set of tensors with distinct names, and string metadata. */
typedef struct wk_tensors wk_tensors;

WK_API wk_status wk_tensors_create(wk_tensors **out, wk_error *err) WK_NODISCARD;
WK_API void wk_tensors_free(wk_tensors *t);
/* Adds a tensor and copies its data. WK_ERR_ARGUMENT for a name that is there already or bytes that do not fit the shape. */
WK_API wk_status wk_tensors_add(wk_tensors *t, const wk_tensor *tensor, wk_error *err) WK_NODISCARD;
/* The same without copying the data: it must outlive t (see wk_tensors_keep). */
WK_API wk_status wk_tensors_add_view(wk_tensors *t, const wk_tensor *tensor, wk_error *err) WK_NODISCARD;
/* Adds zeroed float32 of that shape and returns its memory in *data. */
WK_API wk_status wk_tensors_add_zeros(wk_tensors *t, float **data, const char *name, int ndim, const int64_t *shape,
                                      wk_error *err) WK_NODISCARD;
/* `release(user)` is called by wk_tensors_free: how a mapped file stays open as long as its tensors. `rest(user)` (may be
 * NULL) by wk_tensors_release_pages. */
WK_API wk_status wk_tensors_keep(wk_tensors *t, void (*release)(void *user), void (*rest)(void *user), void *user,
                                 wk_error *err) WK_NODISCARD;
/* They will not be read for a while: pages of mapped files need not stay in this process's memory until they are. Making a
 * plan does so, because it has packed what it needs. */
WK_API void wk_tensors_release_pages(const wk_tensors *t);
WK_API size_t wk_tensors_size(const wk_tensors *t);
WK_API const wk_tensor *wk_tensors_at(const wk_tensors *t, size_t index);
WK_API const wk_tensor *wk_tensors_find(const wk_tensors *t, const char *name); /* NULL: not there */
WK_API wk_status wk_tensors_set_meta(wk_tensors *t, const char *key, const char *value, wk_error *err) WK_NODISCARD;
WK_API const char *wk_tensors_meta(const wk_tensors *t, const char *key); /* NULL: not there */
WK_API size_t wk_tensors_meta_size(const wk_tensors *t);
WK_API void wk_tensors_meta_at(const wk_tensors *t, size_t index, const char **key, const char **value); /* as they were set */
/* Converts any numeric tensor to float32. `out` holds its elements. WK_ERR_UNSUPPORTED for BOOL. */
WK_API wk_status wk_tensor_to_f32(float *out, const wk_tensor *tensor, wk_error *err) WK_NODISCARD;
/* SHA-256 over names, types, shapes and data in the order of names: the same weights in any file give the same hash. */
WK_API void wk_tensors_sha256(uint8_t out[32], const wk_tensors *t);

/* ---- graph ------------------------------------------------------------------------------------ */

typedef enum wk_op {
  WK_OP_INPUT = 0,
  WK_OP_CONV,        /* parameters NAME.weight [out, in/groups, kh, kw], NAME.bias [out] if bias */
  WK_OP_BATCH_NORM,  /* NAME.weight, .bias, .running_mean, .running_var [c] */
  WK_OP_RELU,
  WK_OP_RELU6,
  WK_OP_HARDSWISH,
  WK_OP_HARDSIGMOID,
  WK_OP_SILU,
  WK_OP_SIGMOID,
  WK_OP_ADD,         /* of two nodes of one shape */
  WK_OP_SCALE,       /* [n,h,w,c] times [n,1,1,c]: squeeze-excite */
  WK_OP_CONCAT,      /* along channels */
  WK_OP_MAX_POOL,
  WK_OP_AVG_POOL,
  WK_OP_ADAPTIVE_AVG_POOL, /* to out_h x out_w; 1x1 is global pooling */
  WK_OP_LINEAR,      /* NAME.weight [out, in], NAME.bias [out]; input must be flat: [n,1,1,c] */
  WK_OP_FLATTEN,     /* [n,h,w,c] -> [n,1,1,c*h*w] in PyTorch's order (c, h, w) */
  WK_OP_DROPOUT,     /* nothing at inference */
  WK_OP_SOFTMAX,     /* over channels */
  WK_OP_MULTIPLY,    /* of two nodes of one shape */
  WK_OP_PAD,         /* zeros around pixels (window.pad_*), and before and behind channels (extra.first, extra.count) */
  WK_OP_SLICE,       /* channels extra.first to extra.first + extra.count - 1 */
  WK_OP_SHUFFLE,     /* channels as [groups, c / groups], turned: ShuffleNet's */
  WK_OP_LRN,         /* local response normalisation over extra.count channels: x / (bias + alpha / count * sum of squares)^beta */
  WK_OP_ROUND,       /* extra.alpha times the whole number nearest to x / extra.alpha, at least extra.first, at most extra.count:
                        what a quantised network can hold. Its gradient is that of the limits alone */
  WK_OP_LEAKY_RELU,  /* x, or extra.alpha x below 0 */
  WK_OP_ELU,         /* x, or extra.alpha (exp(x) - 1) below 0 */
  WK_OP_TANH,
  WK_OP_GELU,        /* x times the normal distribution's integral to x, exact */
  WK_OP_LAYER_NORM,  /* NAME.weight, .bias [c]: each pixel's channels less their mean, over their deviation */
  WK_OP_LAYER_SCALE, /* NAME [c, 1, 1] or [c]: channels times a factor each */
  WK_OP_COUNT
} wk_op;

WK_API const char *wk_op_name(wk_op op); /* "conv"; never NULL */

typedef int wk_node; /* index of a node; negative: none */

typedef struct wk_window { /* of a convolution or pooling */
  int kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;
  int pad_top, pad_bottom, pad_left, pad_right; /* zeros (convolution) or nothing (pooling) around the input */
  bool same;           /* TensorFlow's SAME: padding from the input size, the odd pixel at bottom and right; pad_* are not read */
  bool ceil_mode;      /* pooling: round the output size up, as PyTorch */
  bool count_include_pad; /* average pooling: divide by the whole window, as PyTorch's default */
} wk_window;

typedef struct wk_extra { /* of the operations that say so */
  int first, count;
  float alpha, beta, bias;
} wk_extra;

typedef struct wk_graph wk_graph;

/* The builder: node functions return the new node's index. The first mistake sticks (every later call returns
 * -1) and is reported by wk_graph_finish, so builders need no check a line. `name` is the layer's name (torchvision's)
 * and must be unique; parameters are NAME.weight and so on. It is copied. */
WK_API wk_status wk_graph_create(wk_graph **out, wk_error *err) WK_NODISCARD;
WK_API void wk_graph_free(wk_graph *g);
WK_API wk_node wk_graph_input(wk_graph *g, const char *name, int height, int width, int channels); /* size is the default one */
WK_API wk_window wk_window_square(int kernel, int stride, int padding);
WK_API wk_window wk_window_same(int kernel, int stride);
WK_API wk_node wk_graph_conv(wk_graph *g, const char *name, wk_node in, int out_channels, wk_window window, int groups, bool bias);
/* A linear layer at every pixel: a convolution of 1 x 1 with bias, whose weight is [out, in] as that of PyTorch's Linear. */
WK_API wk_node wk_graph_pointwise(wk_graph *g, const char *name, wk_node in, int out_channels);
WK_API wk_node wk_graph_batch_norm(wk_graph *g, const char *name, wk_node in, float eps);
/* Over the channels of each pixel: timm's LayerNorm2d, or LayerNorm where channels come last. */
WK_API wk_node wk_graph_layer_norm(wk_graph *g, const char *name, wk_node in, float eps);
/* The parameter is called as the layer. `flat`: its shape is [c], timm's; else [c, 1, 1], torchvision's. */
WK_API wk_node wk_graph_layer_scale(wk_graph *g, const char *name, wk_node in, bool flat);
/* RELU, RELU6, HARDSWISH, HARDSIGMOID, SILU, SIGMOID, FLATTEN, SOFTMAX, TANH, GELU */
WK_API wk_node wk_graph_unary(wk_graph *g, const char *name, wk_op op, wk_node in);
WK_API wk_node wk_graph_add(wk_graph *g, const char *name, wk_node a, wk_node b);
WK_API wk_node wk_graph_scale(wk_graph *g, const char *name, wk_node in, wk_node factor);
WK_API wk_node wk_graph_concat(wk_graph *g, const char *name, const wk_node *in, int count);
WK_API wk_node wk_graph_multiply(wk_graph *g, const char *name, wk_node a, wk_node b);
WK_API wk_node wk_graph_leaky(wk_graph *g, const char *name, wk_op op, wk_node in, float alpha); /* LEAKY_RELU, ELU */
/* Zeros: of `window` the pads alone are read. */
WK_API wk_node wk_graph_pad(wk_graph *g, const char *name, wk_node in, wk_window window, int channels_before,
                            int channels_behind);
WK_API wk_node wk_graph_slice(wk_graph *g, const char *name, wk_node in, int first, int count);
WK_API wk_node wk_graph_shuffle(wk_graph *g, const char *name, wk_node in, int groups);
WK_API wk_node wk_graph_round(wk_graph *g, const char *name, wk_node in, float step, int least, int most);
WK_API wk_node wk_graph_lrn(wk_graph *g, const char *name, wk_node in, int count, float alpha, float beta, float bias);
WK_API wk_node wk_graph_pool(wk_graph *g, const char *name, wk_op op, wk_node in, wk_window window); /* MAX_POOL, AVG_POOL */
WK_API wk_node wk_graph_adaptive_avg_pool(wk_graph *g, const char *name, wk_node in, int out_height, int out_width);
WK_API wk_node wk_graph_linear(wk_graph *g, const char *name, wk_node in, int out_features);
WK_API wk_node wk_graph_dropout(wk_graph *g, const char *name, wk_node in, float p);
/* Nodes added from here on belong to this stage ("stem", "layer1", "block5", "head"): the units of freezing and looking. */
WK_API void wk_graph_stage(wk_graph *g, const char *stage);
/* Marks what other rooms use: the pooled embedding (flat) before the classifier, and the class scores (may be -1). */
WK_API void wk_graph_outputs(wk_graph *g, wk_node features, wk_node logits);
/* Checks the whole graph and infers shapes for the default input. Afterwards the graph is read-only. */
WK_API wk_status wk_graph_finish(wk_graph *g, wk_error *err) WK_NODISCARD;

/* What can be asked of a finished graph. */
typedef struct wk_shape {
  int height, width, channels;
} wk_shape;
typedef struct wk_node_info {
  const char *name, *stage;
  wk_op op;
  wk_shape shape;         /* of its output, at the size asked for */
  int inputs;
  const wk_node *input;
  int64_t params;         /* trainable parameters */
  int64_t macs;           /* multiply-adds a photo */
  wk_window window;       /* convolution and pooling */
  int groups, out_channels;
  bool bias;
  bool flat;              /* convolution: its weight is [out, in]; layer scale: its parameter is [c] */
  float eps, p;           /* batch norm, layer norm; dropout */
  wk_extra extra;
} wk_node_info;
/* A layer like `like`, of any graph, on other inputs; its name and stage too where they are free. The builder's rules hold. */
WK_API wk_node wk_graph_copy_node(wk_graph *g, const wk_node_info *like, const wk_node *input);
WK_API int wk_graph_size(const wk_graph *g);
/* At input size height x width (0, 0: the default). WK_ERR_ARGUMENT where the network cannot take that size. */
WK_API wk_status wk_graph_node(wk_node_info *out, const wk_graph *g, wk_node node, int height, int width, wk_error *err) WK_NODISCARD;
WK_API wk_node wk_graph_find(const wk_graph *g, const char *name); /* by layer name; -1: not there */
WK_API wk_node wk_graph_features(const wk_graph *g);
WK_API wk_node wk_graph_logits(const wk_graph *g);
/* Parameters in the order of the nodes: for zoo (recognising files), initialising and training. */
typedef struct wk_param_info {
  const char *name; /* "layer1.0.conv1.weight" */
  wk_node node;
  int ndim;
  int64_t shape[4]; /* PyTorch's */
  bool trainable;   /* false: running statistics */
} wk_param_info;
WK_API int wk_graph_param_count(const wk_graph *g);
WK_API const wk_param_info *wk_graph_param(const wk_graph *g, int index);
/* Do these weights fit? Every parameter is there with its shape, except running statistics, which default to mean 0
 * and variance 1 when a layer has neither. Extra tensors are fine. WK_ERR_FORMAT names the first that does not fit.
 * With up_to >= 0 only the parameters of nodes that `up_to` depends on are looked at. */
WK_API wk_status wk_graph_check_weights(const wk_graph *g, const wk_tensors *weights, wk_node up_to, wk_error *err) WK_NODISCARD;

/* ---- running it ------------------------------------------------------------------------------- */

/* How a network sees photos that are given as bytes: number c of its input's three is (byte - mean[c]) / std[c], where the
 * bytes are red, green, blue and `bgr` networks want them the other way round. */
typedef struct wk_pixels {
  float mean[3], std[3]; /* of bytes, in the network's order */
  bool bgr;
} wk_pixels;

/* What products are computed in. Between layers everything is float32. */
typedef enum wk_precision {
  WK_PRECISION_FLOAT32 = 0,
  WK_PRECISION_INT8, /* 8-bit weights with a scale for each output channel, 7-bit activations in ranges seen on photos */
  WK_PRECISION_BF16, /* weights and activations rounded to 8 bits of mantissa, sums in float32; needs AVX512_BF16 */
  WK_PRECISION_COUNT
} wk_precision;
WK_API const char *wk_precision_name(wk_precision p); /* "float32"; never NULL */
/* Can this processor compute so, and faster than in float32? (bf16: as far as its instructions promise.) */
WK_API bool wk_precision_gains(wk_precision p);
/* WK_ERR_UNSUPPORTED, with what to do instead, where this processor cannot compute so. */
WK_API wk_status wk_precision_check(wk_precision p, wk_error *err) WK_NODISCARD;

typedef struct wk_plan_options {
  int height, width;     /* of the input; 0, 0: the graph's default */
  int batch;             /* photos a call; default 8 */
  int threads;           /* that share one layer; default 1: the caller is image-parallel */
  const wk_node *output; /* nodes wanted, in order; NULL: the features node */
  int outputs;
  bool no_winograd; /* only plain sums: without it, 3x3 convolutions may go through Winograd's transform, which is several times
                 faster and rounds a little more (some 1e-6 of a layer's values) */
  const wk_pixels *pixels; /* the input is given as bytes, a quarter of the memory, which the first layer normalises as it
                              reads them: the results are those of the floats, bit by bit. NULL: as floats. Copied */
  wk_precision precision; /* default float32 */
  const wk_tensors *ranges; /* for int8: of every op that wk_exec_observe tells, its name and [2, channels] floats, the least
                               and the largest value of each channel. A layer whose ranges are not there is float32 */
  bool no_fusion; /* every layer with weights is an op of its own, for wk_exec_observe */
} wk_plan_options;

WK_API void wk_plan_options_init(wk_plan_options *o);

typedef struct wk_plan wk_plan;
typedef struct wk_exec wk_exec;

/* An op of a plan: one layer with what was fused into it, or several that are computed together. */
typedef struct wk_op_info {
  const char *name;   /* of the last layer in it */
  const char *kernel; /* "Winograd F(4x4,3x3)": what computes it */
  wk_shape in, out;
  int layers;         /* with weights of their own, that are computed together */
  int64_t macs;       /* multiply-adds a photo, as plain sums */
  size_t bytes;       /* of activations a photo, read and written */
  size_t weight_bytes;
  wk_precision precision; /* of its products */
} wk_op_info;

/* Only nodes that the outputs depend on are planned, and only their weights are read. The plan keeps no reference to
 * `weights`, but does to `g`, which must outlive it. An output that fusion would swallow is kept whole. */
WK_API wk_status wk_plan_create(wk_plan **out, const wk_graph *g, const wk_tensors *weights, const wk_plan_options *o,
                                wk_error *err) WK_NODISCARD;
WK_API void wk_plan_free(wk_plan *plan);
WK_API wk_shape wk_plan_output_shape(const wk_plan *plan, int output);
WK_API size_t wk_plan_weight_bytes(const wk_plan *plan); /* packed weights, shared */
WK_API size_t wk_plan_exec_bytes(const wk_plan *plan);   /* working memory of each wk_exec */

WK_API int wk_plan_ops(const wk_plan *plan);
WK_API void wk_plan_op_at(wk_op_info *out, const wk_plan *plan, int op);
/* Independent multiply-adds on this thread; returns how many operations that were. Timed by the caller, it tells the
 * processor's limit, of which other speeds are given as a share. */
WK_API double wk_peak_flops(long rounds);

/* A wk_exec may be used by one thread at a time; make one a worker. */
WK_API wk_status wk_exec_create(wk_exec **out, const wk_plan *plan, wk_error *err) WK_NODISCARD;
WK_API void wk_exec_free(wk_exec *exec);
/* `count` photos (1..batch), [count, height, width, channels] floats. A photo's result does not depend on the
 * others in its batch. WK_ERR_ARGUMENT for a plan that takes bytes. */
WK_API wk_status wk_exec_run(wk_exec *exec, const float *input, int count, wk_error *err) WK_NODISCARD;
/* The same for a plan with `pixels`: [count, height, width, 3] bytes, red, green, blue. */
WK_API wk_status wk_exec_run_pixels(wk_exec *exec, const uint8_t *input, int count, wk_error *err) WK_NODISCARD;
/* One op alone, on whatever the last run left in its memory: for timing it. `input` is floats or bytes, as the plan takes
 * it. Afterwards no output is valid. */
WK_API wk_status wk_exec_op(wk_exec *exec, int op, const void *input, int count, wk_error *err) WK_NODISCARD;
/* Runs one photo through a plan made with `no_fusion`, and shows what each op makes, by the op's name, before the next begins:
 * value [shape]. Afterwards the outputs are those of a run. */
WK_API wk_status wk_exec_observe(wk_exec *exec, const float *input,
                                 void (*see)(void *user, const char *name, const float *value, wk_shape shape), void *user,
                                 wk_error *err) WK_NODISCARD;
/* Output number `output` of the last run: [count, h, w, c], valid until the next run. */
WK_API const float *wk_exec_output(const wk_exec *exec, int output);

#ifdef __cplusplus
}
#endif
#endif

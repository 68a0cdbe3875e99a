/* export.h (internal) - the exportable network: what every writer is given, and the table of writers.
 *
 * A wk_net is a model as a flat list of layers, each after those it reads, ready to be written down:
 *   - layer 0 is the input: [height, width, 3] normalised pixels, red, green, blue (a network that wants BGR has the
 *     weights of its first layer turned, so writers never see BGR);
 *   - batch norms are folded into the convolution or linear layer before them; one that has none before it stays as a
 *     layer WK_OP_BATCH_NORM whose weight and bias are a scale and a shift of each channel;
 *   - dropout is gone. What linear layers read is flat (`flat` below): where the graph goes from a 1 x 1 picture to a
 * linear layer by itself, a WK_OP_FLATTEN is put between, so ranks can follow the layers one by one;
 *   - WK_OP_ADAPTIVE_AVG_POOL is global, to 1 x 1; other sizes have become WK_OP_AVG_POOL;
 *   - relu and relu6 after a convolution, linear layer, addition or batch norm are that layer's `act`;
 *   - the last layer gives the logits, [classes], flat; a trained head is a linear layer with its temperature divided
 * out, so softmax of them is the model's probabilities. A writer whose format wants probabilities adds the softmax.
 *
 * To add a writer: a function in a file of its own, its prototype below, a row in export.c's table. It writes through
 * wk_writer (temporary file, then rename) and needs neither to check the model nor to make the folder; what lies beside
 * every export (beside_files.c) follows from the row. */
#ifndef WK_EXPORT_INTERNAL_H
#define WK_EXPORT_INTERNAL_H

#include <jansson.h>

#include "base/arena.h"
#include "base/base.h"
#include "whisker/export.h"

typedef struct wk_net_layer {
  const char *name; /* the graph's: "layer1.0.conv1"; unique */
  wk_node node;     /* of the graph: the one whose output is this layer's, behind `act` */
  wk_op op;         /* WK_OP_INPUT for layer 0 alone; never WK_OP_DROPOUT */
  wk_op act;        /* WK_OP_RELU or WK_OP_RELU6 of what it gives; WK_OP_INPUT: none */
  int inputs;
  const int *in; /* [inputs] layers */
  int users;     /* how many inputs of later layers it is, counted with repetition; the last layer: 0 */
  wk_shape from; /* shape of the first input; flat things are 1 x 1 x n */
  wk_shape to;   /* shape of its output */
  bool flat; /* it is [n, c]: a linear layer, a flatten, or what is done to each number of such. Else a picture, of 1 x
                1 maybe; a SCALE whose factor is flat needs that as [n, 1, 1, c] */
  wk_shape
      unflat; /* of a flat one whose numbers are a picture's in the order (c, h, w): the picture's shape, also behind
               activations; height 0: not so. Writers of NHWC have (h, w, c) there instead, see wk_net_matrix */
  wk_window window; /* CONV, MAX_POOL, AVG_POOL, PAD: with real paddings (`same` is false) at this input's size */
  bool same;        /* the paddings are those of TensorFlow's SAME */
  int groups;       /* CONV; SHUFFLE */
  float eps;        /* LAYER_NORM */
  wk_extra extra;   /* of PAD, SLICE, LRN, ROUND, LEAKY_RELU, ELU (wk_extra in nn.h) */
  /* CONV [out, in / groups, kh, kw], LINEAR [out, in], BATCH_NORM and LAYER_NORM [c]; else NULL. */
  const float *weight;
  size_t weights;    /* how many */
  const float *bias; /* [to.channels] of those four, zeros where the layer had none; else NULL */
} wk_net_layer;

typedef struct wk_net {
  wk_net_layer *layer;
  int layers;
  int features;             /* the layer whose output the head reads */
  int classes;              /* the last layer's outputs */
  char *const *labels;      /* [classes] */
  const char *name;         /* of the architecture */
  wk_preprocess preprocess; /* mean and std in the order red, green, blue; bgr is false */
  wk_graph *graph;          /* what it was made from, with a head's classes; names point into it */
  bool own_graph;
  wk_arena arena;
} wk_net;

/* `m` must outlive it. WK_ERR_UNSUPPORTED for heads and networks that are not one function of one photo. */
wk_status wk_net_create(wk_net **out, const wk_model *m, wk_error *err);
void wk_net_free(wk_net *n);

/* CONV: is each channel convolved by itself (groups == in channels)? The multiplier is to.channels / from.channels. */
bool wk_net_is_depthwise(const wk_net_layer *l);
/* Is nothing that the layer gives below 0, so that zeros around it change no maximum? */
bool wk_net_is_positive(const wk_net *n, int layer);
/* Weights in other orders, `l->weights` floats into out:
 *   wk_net_hwio   [kh, kw, in / groups, out]   Keras; of a depthwise convolution this is [kh, kw, 1, out]
 *   wk_net_ohwi   [out, kh, kw, in / groups]   TensorFlow Lite
 *   wk_net_matrix [out, in] of LINEAR, or [in, out] with `transpose`; columns that come from a picture in the order
 *                 (h, w, c), as a flatten of NHWC gives them. `input` is n->layer[l->in[0]] */
void wk_net_hwio(float *out, const wk_net_layer *l);
void wk_net_ohwi(float *out, const wk_net_layer *l);
void wk_net_matrix(float *out, const wk_net_layer *l, const wk_net_layer *input, bool transpose);
/* Taken from the net's arena, freed with it; NULL: no memory. */
void *wk_net_alloc(wk_net *n, size_t count, size_t size);

/* ---- writers ---------------------------------------------------------------------------------------- */

/* The least and the largest value of a layer's output on somebody's photos: what 8 bits are divided over. */
typedef struct wk_net_range {
  float low, high;
} wk_net_range;

/* What one channel of a layer's output was on those photos, and what it is multiplied with in 8 bits. */
typedef struct wk_net_channel {
  wk_net_range range;
  double mean;
  float factor;
} wk_net_channel;

typedef struct wk_export_job {
  const wk_model *model;
  wk_net *net;
  const char *path; /* the file, or the folder, which is there */
  const wk_export_format *format;
  const wk_export_options *o;
  const wk_net_range *range; /* [net->layers] with --precision int8; NULL: floats are to be written */
} wk_export_job;

typedef struct wk_export_writer {
  wk_export_format format;
  bool preprocessing; /* can do --preprocessing inside */
  bool int8;          /* can do --precision int8: job->range is there then */
  wk_status (*write)(const wk_export_job *job, wk_error *err);
  /* The logits by what was written, of formats that whisker runs instead of reading them; NULL: it does not. */
  wk_status (*run)(float *logits, const wk_export_job *job, const uint8_t *rgb, wk_error *err);
} wk_export_writer;

/* ---- what writers share --------------------------------------------------------------------------------- */

/* Makes a network's preprocessing one that sees red, green, blue; the weights are somebody else's affair. */
void wk_export_rgb(wk_preprocess *p);
/* How a photo becomes the input, for metadata and for people: {"resize", "rule", "width", "height", "interpolation",
 * "mean", "std", "grey"}; mean and std of bytes. NULL: no memory. */
json_t *wk_export_preprocess_json(const wk_preprocess *p);
/* The same as text, with "normalised": is it done inside the network, or by who calls it? wk_free it. NULL: no memory.
 */
char *wk_export_preprocess_text(const wk_preprocess *p, bool inside);
/* The parameters that the logits depend on, by the graph's names and in its order; views but for those of the head. A
 * network of which only its file knows the graph has none that anybody could load. They live as long as the job's net.
 */
wk_status wk_state_dict(wk_tensors **out, const wk_export_job *job, wk_error *err);
/* The same of any network: what job->net->graph is run with. */
wk_status wk_net_weights(wk_tensors **out, const wk_export_job *job, wk_error *err);
/* Ranges [layers] of job->o's photos; they live as long as the net. Stage of progress: "ranges". */
wk_status wk_net_measure(const wk_net_range **out, const wk_export_job *job, const wk_context *ctx, wk_error *err);
/* Gives the net the weights and biases that lose least in 8 bits (int8_weights.c). channel: [layers][channels] with a
 * factor of 1; their factors are set, their ranges and means multiplied. */
wk_status wk_net_prepare_int8(wk_net *n, wk_net_channel *const *channel, wk_error *err);
/* A label; bytes that are no UTF-8 become U+FFFD. */
json_t *wk_export_text(const char *text);
/* ["cat", "dog"]; wk_free it. NULL: no memory. */
char *wk_export_labels_text(const wk_net *n);
/* Text on one line; takes the object (NULL: no memory). wk_free it. NULL: no memory. */
char *wk_export_compact(json_t *object);
wk_status wk_export_no_memory(wk_error *err); /* WK_ERR_MEMORY */

/* One function a format. */
wk_status wk_export_onnx(const wk_export_job *job, wk_error *err);
wk_status wk_export_torch(const wk_export_job *job, wk_error *err);
wk_status wk_export_tflite(const wk_export_job *job, wk_error *err);
wk_status wk_export_keras(const wk_export_job *job, wk_error *err);
wk_status wk_export_keras_h5(const wk_export_job *job, wk_error *err);
wk_status wk_export_teachable(const wk_export_job *job, wk_error *err);
wk_status wk_export_plain_c(const wk_export_job *job, wk_error *err);
wk_status wk_export_plain_c_run(float *logits, const wk_export_job *job, const uint8_t *rgb, wk_error *err);
wk_status wk_export_safetensors(const wk_export_job *job, wk_error *err);

#endif

/* lower.h (internal) - the intermediate network to layers: what the files of the lowering share.
 *
 * Each value is a layer's output and the way the file looks at it: which of its sides are height, width and channels.
 * Transposes and reshapes therefore cost nothing: they change the way of looking. Scales and shifts wait until something
 * else wants the value, because they mostly become part of something: of the pixels' normalisation, of a hard swish. */
#ifndef WK_IMPORT_LOWER_H
#define WK_IMPORT_LOWER_H

#include "import/ir.h"
#include "nn/graph/graph.h"

enum { /* what a side of a value is */
  AXIS_ONE = 0, /* 1, without a meaning */
  AXIS_H,
  AXIS_W,
  AXIS_C,
  AXIS_HW,       /* all pixels */
  AXIS_OUTER,    /* channels as [outer, inner] */
  AXIS_INNER,
  AXIS_ALL       /* everything, flattened: in the order (c, h, w), or (h, w, c) */
};

typedef enum wk_gate { /* a value that is a function of a layer's output, and mostly multiplied with it */
  GATE_NONE = 0,
  GATE_SIGMOID,
  GATE_HARDSIGMOID,
  GATE_RELU6_PLUS3 /* relu6(x + 3): six times a hard sigmoid */
} wk_gate;

typedef struct wk_low {
  wk_node node;    /* -1: not computed yet, or it cannot be */
  int ndim;
  int64_t side[WK_MAX_DIMS];
  uint8_t axis[WK_MAX_DIMS];
  bool pixels_first; /* AXIS_ALL: (h, w, c); flattening is done when somebody wants numbers, in the order (c, h, w) */
  wk_shape flat;     /* AXIS_ALL that has been flattened: what it was; height 0: not yet */
  const float *scale, *shift; /* of each channel, still to be done; NULL: none */
  wk_gate gate;
  int pad[4];        /* zeros around pixels, still to be done: top, bottom, left, right */
  bool pad_least;    /* not zeros, but less than everything: what the largest of a window does not see */
  bool positive;     /* no value is below 0 */
} wk_low;

typedef struct wk_lower {
  wk_ir *ir;
  wk_graph *g;
  wk_tensors *weights;
  wk_low *low;     /* [values] */
  int *users;      /* [values] operations that read it */
  int *user;       /* [values] the last of them */
  bool *needed;    /* [ops] */
  bool *taken;     /* [ops] became part of another */
  bool *bad;       /* [values] comes of something that cannot be read */
  wk_shape *shape; /* [nodes] */
  int shapes;
  int height, width; /* of the input */
  int op, last_conv; /* now; the last convolution */
  int stage, stage_height;
  bool pixel_affine; /* scale and shift were made part of the pixels' normalisation */
  float pixel_scale[3], pixel_shift[3];
  bool grey;           /* the input has one channel; the layers see three */
  bool softmax, sigmoid; /* at the end, behind the logits */
  bool named_class;      /* ArgMax at the end */
  bool linear_end;       /* the logits come from a layer with weights */
  wk_text trouble;       /* nodes that cannot be read */
  int troubles;
} wk_lower;

/* ---- lower_emit.c: layers ----------------------------------------------------------------------- */

/* A name for the layer of op: of its weight where that has a stem, else its own, else of what it makes; no other layer has it. */
wk_status wk_lower_name(const char **out, wk_lower *l, const wk_ir_op *op, int weight, wk_error *err);
/* The shape of what a builder's call made; its first mistake as an error. */
wk_status wk_lower_added(wk_lower *l, wk_node node, wk_error *err);
wk_status wk_lower_weight(wk_lower *l, const char *layer, const char *suffix, int ndim, const int64_t *shape,
                          const float *data, wk_error *err);
/* Value `v` as the output of a layer: waiting scales, gates, pads and flattening are done. */
wk_status wk_lower_ready(wk_lower *l, int v, wk_error *err);
/* The same but for pads, which the caller takes. */
wk_status wk_lower_ready_unpadded(wk_lower *l, int v, wk_error *err);
/* A batch norm that scales and shifts. */
wk_status wk_lower_affine(wk_lower *l, wk_node *node, const float *scale, const float *shift, wk_error *err);
/* Sides of `like` for what node is now: channels may have changed, and height and width. */
void wk_lower_set(wk_lower *l, int v, const wk_low *like, wk_node node);
/* Channels of v, however it is looked at; numbers of it if it is flat. */
int wk_lower_channels(const wk_lower *l, const wk_low *v);
int wk_lower_find_axis(const wk_low *v, int axis); /* -1: no side is it */
/* Is it seen as pixels and channels, each a side of its own or 1? */
bool wk_lower_is_picture(const wk_lower *l, const wk_low *v);
/* Is it one row of numbers? */
bool wk_lower_is_flat(const wk_lower *l, const wk_low *v);
bool wk_lower_constant(const wk_lower *l, int v);
/* An operation that cannot be read: it is told at the end. */
wk_status wk_lower_trouble(wk_lower *l, const wk_ir_op *op, const char *why, wk_error *err);
/* Does v go to the network's output, through nothing but looks and a softmax or sigmoid? `through` (may be NULL) tells
 * whether there is a sigmoid. */
bool wk_lower_leads_out(const wk_lower *l, int v, bool *sigmoid);
/* The bias that an Add of a constant right after the operation is; it becomes part of it, and *out is the Add's output. */
wk_status wk_lower_take_bias(const float **bias, int *out, wk_lower *l, int channels, wk_error *err);

/* ---- the operations: by name; *known false: none of theirs ----------------------------------------- */

wk_status wk_lower_layer(bool *known, wk_lower *l, const wk_ir_op *op, wk_error *err); /* lower_layers.c */
wk_status wk_lower_math(bool *known, wk_lower *l, const wk_ir_op *op, wk_error *err);  /* lower_math.c */
wk_status wk_lower_view(bool *known, wk_lower *l, const wk_ir_op *op, wk_error *err);  /* lower_view.c */

/* join.c: GELU and layer norm that a file has in pieces become one operation each: "Gelu", and "LayerNormalization" whose
 * `axis` is one side alone (`one`). The operations must be in order. */
wk_status wk_ir_join(wk_ir *ir, wk_error *err);

/* lower.c: makes layers of the whole network, whose input is height x width (0: as the file says, or 224). */
typedef struct wk_lowered {
  wk_graph *graph;
  wk_tensors *weights; /* views of the arena and the file */
  bool pixel_affine;   /* the network itself begins with scale * x + shift, of each channel, which is not in the graph */
  float pixel_scale[3], pixel_shift[3];
  bool grey;
  bool sigmoid;        /* classes exclude each other only where this is false; one class with a sigmoid has become two */
  int classes;         /* 0: it has no classifier */
  int features;
  bool size_assumed;   /* the file leaves height and width open */
} wk_lowered;
wk_status wk_lower_network(wk_lowered *out, wk_ir *ir, int height, int width, wk_error *err);

#endif

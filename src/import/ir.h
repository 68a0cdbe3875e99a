/* ir.h (internal) - a network as its file describes it, whatever the file's format: values, some of them constants, and
 * operations between them. Every reader makes one, in ONNX's words for operations and attributes (opset 13 and later;
 * what earlier ones say otherwise, and other formats' words, the readers translate); lower.c makes layers of it.
 *
 * Everything in it lies in one arena, whose limit is what a file may unfold to, or in the mapped file itself. */
#ifndef WK_IMPORT_IR_H
#define WK_IMPORT_IR_H

#include "base/arena.h"
#include "base/base.h"
#include "whisker/nn.h"

#define WK_IR_LIMIT ((size_t)1 << 30) /* bytes that a file's constants may unfold to beyond what lies in it */
#define WK_IR_MOST ((size_t)1 << 17)  /* values and operations each */

typedef struct wk_ir_value {
  const char *name;
  int ndim; /* -1: not known */
  int64_t shape[WK_MAX_DIMS]; /* -1: not known */
  wk_dtype dtype;
  const void *data; /* of a constant, which has a whole shape, and may be unaligned; NULL: it is computed */
  /* What a quantised file says of it: real = (stored - zero) * scale. Constants are made real by the readers. */
  float scale;
  int64_t zero;
} wk_ir_value;

typedef enum wk_ir_kind { WK_IR_INT = 0, WK_IR_FLOAT, WK_IR_TEXT, WK_IR_INTS, WK_IR_FLOATS } wk_ir_kind;

typedef struct wk_ir_attr {
  const char *name;
  wk_ir_kind kind;
  int64_t integer;
  double number;
  const char *text;
  const int64_t *ints;
  const float *floats;
  size_t count; /* of ints or floats */
} wk_ir_attr;

typedef struct wk_ir_op {
  const char *type; /* "Conv" */
  const char *name; /* may be "" */
  int *in;          /* values; -1: an optional one that is left out */
  int ins;
  int *out;
  int outs;
  wk_ir_attr *attr;
  int attrs, attr_room;
} wk_ir_op;

typedef struct wk_ir {
  wk_arena arena;
  struct wk_ir_file *files; /* others that numbers lie in, mapped */
  wk_ir_value *value;
  int values, value_room;
  wk_ir_op *op; /* a value's maker comes before its readers */
  int ops, op_room;
  int input, output;  /* values; -1: not there */
  bool channels_last; /* pictures are NHWC, as Keras and TensorFlow Lite have them; else NCHW */
  const char *format; /* "ONNX" */
  const char *maker;  /* the program that wrote it, such as "pytorch"; "" where the file does not say */
  int64_t opset;      /* ONNX's; 0: another format */
  const char **label; /* classes, where the file names them */
  int labels;
  const char *prepared;    /* what whisker's own exports say of their preprocessing (wk_prepared_read); NULL: nothing */
  bool said;               /* the file says how pixels become the input: */
  float mean[3], std[3];   /* of bytes, as in wk_preprocess */
  const char *said_where;  /* "as its metadata say" */
  int convention;            /* otherwise: what networks of its kind want (wk_pixel_convention); -1: not known */
  const char *convention_of; /* "as Keras' networks of its kind want it" */
} wk_ir;

void wk_ir_init(wk_ir *ir);
void wk_ir_free(wk_ir *ir);
/* Zeroed. WK_ERR_FORMAT beyond the limit. */
wk_status wk_ir_alloc(void **out, wk_ir *ir, size_t count, size_t size, wk_error *err);
wk_status wk_ir_text(const char **out, wk_ir *ir, const char *text, size_t size, wk_error *err);
/* The bytes of a file beside that at `path`, which stay as long as the network does. */
wk_status wk_ir_map_beside(const uint8_t **data, size_t *size, wk_ir *ir, const char *path, const char *name,
                           wk_error *err);
/* New things. Names are not copied; `value` is a template. */
wk_status wk_ir_add_value(int *out, wk_ir *ir, const wk_ir_value *value, wk_error *err);
wk_status wk_ir_add_op(wk_ir_op **out, wk_ir *ir, const char *type, const char *name, int ins, int outs, wk_error *err);
wk_status wk_ir_add_attr(wk_ir_attr **out, wk_ir *ir, wk_ir_op *op, const char *name, wk_ir_kind kind, wk_error *err);
wk_status wk_ir_add_int(wk_ir *ir, wk_ir_op *op, const char *name, int64_t value, wk_error *err);
wk_status wk_ir_add_float(wk_ir *ir, wk_ir_op *op, const char *name, double value, wk_error *err);
wk_status wk_ir_add_text(wk_ir *ir, wk_ir_op *op, const char *name, const char *value, wk_error *err);
wk_status wk_ir_add_ints(wk_ir *ir, wk_ir_op *op, const char *name, const int64_t *value, size_t count, wk_error *err);
/* One input, one output: the common case. `out` is a new value of no known shape. */
wk_status wk_ir_chain(wk_ir_op **op, int *out, wk_ir *ir, const char *type, const char *name, const int *in, int ins,
                      wk_error *err);
/* A float32 constant whose memory is returned in *data. */
wk_status wk_ir_floats(int *out, float **data, wk_ir *ir, const char *name, int ndim, const int64_t *shape, wk_error *err);
wk_status wk_ir_int_constant(int *out, wk_ir *ir, const char *name, const int64_t *value, int count, wk_error *err);

/* Elements of a value whose shape is known, else -1. */
int64_t wk_ir_count(const wk_ir_value *v);
const wk_ir_attr *wk_ir_find(const wk_ir_op *op, const char *name); /* NULL: not there */
int64_t wk_ir_int(const wk_ir_op *op, const char *name, int64_t otherwise);
double wk_ir_float(const wk_ir_op *op, const char *name, double otherwise);
const char *wk_ir_string(const wk_ir_op *op, const char *name, const char *otherwise);
/* A constant's elements as integers or floats, in memory of the arena unless they lie ready. */
wk_status wk_ir_read_ints(const int64_t **out, wk_ir *ir, int value, wk_error *err);
wk_status wk_ir_read_floats(const float **out, wk_ir *ir, int value, wk_error *err);
/* Puts operations into an order in which makers come before readers. WK_ERR_FORMAT: they go in circles. */
wk_status wk_ir_sort(wk_ir *ir, wk_error *err);

#endif

/* tflite_file.h (internal) - a TensorFlow Lite file as it is put together: tensors, operators between them, and the
 * numbers of constants. tflite_writer.c makes it of layers, tflite_file.c writes it down. */
#ifndef WK_EXPORT_TFLITE_FILE_H
#define WK_EXPORT_TFLITE_FILE_H

#include "export/export.h"

enum { /* TensorType */
       WK_TFLITE_FLOAT32 = 0,
       WK_TFLITE_INT32 = 2,
       WK_TFLITE_UINT8 = 3,
       WK_TFLITE_INT8 = 9
};

enum { /* BuiltinOperator: those that are written */
       WK_TFLITE_ADD = 0,
       WK_TFLITE_AVERAGE_POOL = 1,
       WK_TFLITE_CONCATENATION = 2,
       WK_TFLITE_CONV = 3,
       WK_TFLITE_DEPTHWISE_CONV = 4,
       WK_TFLITE_DEQUANTIZE = 6,
       WK_TFLITE_FULLY_CONNECTED = 9,
       WK_TFLITE_LRN = 13,
       WK_TFLITE_LOGISTIC = 14,
       WK_TFLITE_MAX_POOL = 17,
       WK_TFLITE_MUL = 18,
       WK_TFLITE_RELU = 19,
       WK_TFLITE_RELU6 = 21,
       WK_TFLITE_RESHAPE = 22,
       WK_TFLITE_SOFTMAX = 25,
       WK_TFLITE_TANH = 28,
       WK_TFLITE_PAD = 34,
       WK_TFLITE_TRANSPOSE = 39,
       WK_TFLITE_MEAN = 40,
       WK_TFLITE_STRIDED_SLICE = 45,
       WK_TFLITE_PADV2 = 60,
       WK_TFLITE_LEAKY_RELU = 98,
       WK_TFLITE_ELU = 111,
       WK_TFLITE_QUANTIZE = 114,
       WK_TFLITE_HARD_SWISH = 117,
       WK_TFLITE_GELU = 150
};

enum { WK_TFLITE_MOST_INPUTS = 4 };

typedef struct wk_tflite_tensor {
  const char *name;
  int type;
  int ndim;
  int32_t shape[5];
  const void *data; /* of a constant; NULL: it is computed */
  size_t bytes;
  /* Quantised: real = (stored - zero) * scale, of all or of each slice along `axis`. */
  const float *scale;
  const int64_t *zero;
  int scales; /* 0: not quantised */
  int axis;
} wk_tflite_tensor;

typedef struct wk_tflite_field { /* of an operator's options */
  int field, bytes;
  int64_t value;
  float real;
  bool is_real;
} wk_tflite_field;

typedef struct wk_tflite_op {
  int code;
  const int *in;
  int inputs, out;
  int options; /* BuiltinOptions' number of the table; 0: none */
  wk_tflite_field field[8];
  int fields;
} wk_tflite_op;

typedef struct wk_tflite_file {
  wk_net *net; /* whose arena everything lies in */
  wk_tflite_tensor *tensor;
  int tensors, tensor_room;
  wk_tflite_op *op;
  int ops, op_room;
  int input, output;    /* tensors */
  const void *metadata; /* a FlatBuffer of its own; NULL: none */
  size_t metadata_bytes;
  bool failed;        /* out of memory; sticks */
  wk_tflite_op spare; /* takes what is set after a failure */
} wk_tflite_file;

void wk_tflite_free(wk_tflite_file *f); /* the lists; what they point at is the net's */
/* New things; -1 and NULL after a failure. `data` must live as long as the net. */
int wk_tflite_add_tensor(wk_tflite_file *f, const wk_tflite_tensor *tensor);
/* An operator on inputs that end with -1; its options are added by the caller. */
wk_tflite_op *wk_tflite_add_op(wk_tflite_file *f, int code, int out, const int *in, int options);
void wk_tflite_set(wk_tflite_op *op, int field, int bytes, int64_t value);
void wk_tflite_set_real(wk_tflite_op *op, int field, float value);

/* Writes the network to w; *bytes is how many. */
wk_status wk_tflite_write(uint64_t *bytes, const wk_tflite_file *f, wk_writer *w, wk_error *err);

/* tflite_metadata.c: normalisation and labels, as TFLITE_METADATA has them; and the files behind the network. wk_free
 * *out. */
wk_status wk_tflite_metadata(uint8_t **out, size_t *bytes, const wk_net *n, bool bytes_in, wk_error *err);
wk_status wk_tflite_associated(wk_writer *w, uint64_t at, const wk_net *n, bool bytes_in, wk_error *err);

#endif

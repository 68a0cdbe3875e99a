/* tflite_file.c - the tables of TensorFlow Lite's schema.fbs, written from the front; the numbers of constants come
 * last and go from where they lie to the file. */
#include "export/tflite_file.h"

#include <string.h>

#include "formats/flatbuffer_write.h"

enum { ALIGN = 16 }; /* of a buffer's bytes, as the schema asks for */

void wk_tflite_free(wk_tflite_file *f) {
  wk_free(f->tensor);
  wk_free(f->op);
}

static void *grow(void *list, int *room, int used, size_t size) {
  if (used < *room)
    return list;
  void *grown = wk_grow(list, (size_t)*room * size, ((size_t)*room * 2 + 64) * size);
  if (grown)
    *room = *room * 2 + 64;
  return grown;
}

int wk_tflite_add_tensor(wk_tflite_file *f, const wk_tflite_tensor *tensor) {
  wk_tflite_tensor *grown = grow(f->tensor, &f->tensor_room, f->tensors, sizeof *grown);
  if (!grown) {
    f->failed = true;
    return -1;
  }
  f->tensor = grown;
  f->tensor[f->tensors] = *tensor;
  return f->tensors++;
}

wk_tflite_op *wk_tflite_add_op(wk_tflite_file *f, int code, int out, const int *in, int options) {
  int inputs = 0;
  while (in[inputs] >= 0)
    inputs++;
  wk_tflite_op *grown = grow(f->op, &f->op_room, f->ops, sizeof *grown);
  int *copy = wk_net_alloc(f->net, (size_t)inputs + 1, sizeof *copy);
  if (grown)
    f->op = grown;
  if (!grown || !copy) {
    f->failed = true;
    return &f->spare;
  }
  memcpy(copy, in, (size_t)inputs * sizeof *in);
  f->op[f->ops] = (wk_tflite_op){.code = code, .in = copy, .inputs = inputs, .out = out, .options = options};
  return &f->op[f->ops++];
}

void wk_tflite_set(wk_tflite_op *op, int field, int bytes, int64_t value) {
  if (op->fields < (int)(sizeof op->field / sizeof *op->field))
    op->field[op->fields++] = (wk_tflite_field){.field = field, .bytes = bytes, .value = value};
}

void wk_tflite_set_real(wk_tflite_op *op, int field, float value) {
  wk_tflite_set(op, field, 4, 0);
  op->field[op->fields - 1].real = value;
  op->field[op->fields - 1].is_real = true;
}

/* ---- the tables ---------------------------------------------------------------------------------------- */

typedef struct sheet {
  const wk_tflite_file *f;
  wk_text t;
  int code[32]; /* operator codes in use, each once: there are fewer */
  int codes;
  size_t *data_slot; /* of each buffer: where its numbers are pointed at */
  int buffers;
} sheet;

static int code_index(sheet *s, int code) {
  for (int i = 0; i < s->codes; i++)
    if (s->code[i] == code)
      return i;
  s->code[s->codes] = code;
  return s->codes++;
}

/* The version of an operator that its types need: runtimes refuse files that ask for more than they have. */
static int version_of(const wk_tflite_file *f, int code) {
  bool small = false;
  for (int i = 0; i < f->ops; i++)
    if (f->op[i].code == code && f->op[i].inputs && f->tensor[f->op[i].in[0]].type == WK_TFLITE_INT8)
      small = true;
  switch (code) {
  case WK_TFLITE_CONV:
  case WK_TFLITE_DEPTHWISE_CONV:
    return small ? 3 : 1;
  case WK_TFLITE_FULLY_CONNECTED:
    return small ? 4 : 1;
  case WK_TFLITE_STRIDED_SLICE:
  case WK_TFLITE_MEAN:
  case WK_TFLITE_ADD:
  case WK_TFLITE_MUL:
  case WK_TFLITE_SOFTMAX:
  case WK_TFLITE_LOGISTIC:
  case WK_TFLITE_TANH:
  case WK_TFLITE_PAD:
  case WK_TFLITE_PADV2:
  case WK_TFLITE_CONCATENATION:
  case WK_TFLITE_MAX_POOL:
  case WK_TFLITE_AVERAGE_POOL:
  case WK_TFLITE_TRANSPOSE:
  case WK_TFLITE_RELU:
  case WK_TFLITE_RELU6:
  case WK_TFLITE_DEQUANTIZE:
  case WK_TFLITE_LEAKY_RELU:
  case WK_TFLITE_QUANTIZE:
    return small ? 2 : 1;
  default:
    return 1;
  }
}

static void put_codes(sheet *s, size_t at) {
  for (int i = 0; i < s->f->ops; i++)
    code_index(s, s->f->op[i].code);
  const size_t slot = wk_fb_put_slots(&s->t, at, (size_t)s->codes);
  for (int i = 0; i < s->codes; i++)
    wk_fb_put_table(&s->t, slot + 4 * (size_t)i,
                    (const wk_fb_put[]){{.field = 0, .bytes = 1, .value = s->code[i] < 127 ? s->code[i] : 127},
                                        {.field = 2, .bytes = 4, .value = version_of(s->f, s->code[i])},
                                        {.field = 3, .bytes = 4, .value = s->code[i]}},
                    3, NULL);
}

static void put_quantisation(sheet *s, size_t at, const wk_tflite_tensor *v) {
  size_t slot[3];
  wk_fb_put_table(&s->t, at,
                  (const wk_fb_put[]){{.field = 2}, {.field = 3}, {.field = 6, .bytes = 4, .value = v->axis}}, 3, slot);
  wk_fb_put_list(&s->t, slot[0], v->scale, (size_t)v->scales, sizeof *v->scale);
  wk_fb_put_list(&s->t, slot[1], v->zero, (size_t)v->scales, sizeof *v->zero);
}

/* Buffer 0 is empty, as the schema wants it; constants follow, then the metadata. */
static void put_tensors(sheet *s, size_t at) {
  const wk_tflite_file *f = s->f;
  const size_t first = wk_fb_put_slots(&s->t, at, (size_t)f->tensors);
  for (int i = 0; i < f->tensors; i++) {
    const wk_tflite_tensor *v = &f->tensor[i];
    size_t slot[5];
    const wk_fb_put field[] = {{.field = 0},
                               {.field = 3},
                               {.field = 1, .bytes = 1, .value = v->type},
                               {.field = 2, .bytes = 4, .value = v->data ? ++s->buffers : 0},
                               {.field = 4}};
    wk_fb_put_table(&s->t, first + 4 * (size_t)i, field, v->scales ? 5 : 4, slot);
    wk_fb_put_list(&s->t, slot[0], v->shape, (size_t)v->ndim, sizeof *v->shape);
    wk_fb_put_string(&s->t, slot[1], v->name);
    if (v->scales)
      put_quantisation(s, slot[4], v);
  }
}

static void put_op(sheet *s, size_t at, const wk_tflite_op *op) {
  size_t slot[5];
  int32_t in[64];
  const int n = op->inputs < 64 ? op->inputs : 64;
  for (int k = 0; k < n; k++)
    in[k] = op->in[k];
  wk_fb_put_table(&s->t, at,
                  (const wk_fb_put[]){{.field = 0, .bytes = 4, .value = code_index(s, op->code)},
                                      {.field = 1},
                                      {.field = 2},
                                      {.field = 3, .bytes = 1, .value = op->options},
                                      {.field = 4}},
                  op->options ? 5 : 3, slot);
  wk_fb_put_list(&s->t, slot[1], in, (size_t)n, sizeof *in);
  wk_fb_put_list(&s->t, slot[2], &(int32_t){op->out}, 1, sizeof(int32_t));
  if (!op->options)
    return;
  wk_fb_put field[8];
  for (int k = 0; k < op->fields; k++)
    field[k] = (wk_fb_put){.field = op->field[k].field,
                           .bytes = op->field[k].bytes,
                           .value = op->field[k].value,
                           .real = op->field[k].real,
                           .is_real = op->field[k].is_real};
  wk_fb_put_table(&s->t, slot[4], field, op->fields, NULL);
}

static void put_graph(sheet *s, size_t at) {
  const wk_tflite_file *f = s->f;
  size_t slot[5];
  const size_t list = wk_fb_put_slots(&s->t, at, 1);
  wk_fb_put_table(&s->t, list,
                  (const wk_fb_put[]){{.field = 0}, {.field = 1}, {.field = 2}, {.field = 3}, {.field = 4}}, 5, slot);
  put_tensors(s, slot[0]);
  wk_fb_put_list(&s->t, slot[1], &(int32_t){f->input}, 1, sizeof(int32_t));
  wk_fb_put_list(&s->t, slot[2], &(int32_t){f->output}, 1, sizeof(int32_t));
  const size_t ops = wk_fb_put_slots(&s->t, slot[3], (size_t)f->ops);
  for (int i = 0; i < f->ops; i++)
    put_op(s, ops + 4 * (size_t)i, &f->op[i]);
  wk_fb_put_string(&s->t, slot[4], "main");
}

static void put_buffers(sheet *s, size_t at) {
  const int count = s->buffers + 1 + (s->f->metadata ? 1 : 0);
  const size_t first = wk_fb_put_slots(&s->t, at, (size_t)count);
  s->data_slot = wk_net_alloc(s->f->net, (size_t)count, sizeof *s->data_slot);
  if (!s->data_slot) {
    s->t.failed = true;
    return;
  }
  for (int i = 0; i < count; i++)
    wk_fb_put_table(&s->t, first + 4 * (size_t)i, (const wk_fb_put[]){{.field = 0}}, i ? 1 : 0, &s->data_slot[i]);
}

static void put_metadata(sheet *s, size_t at) {
  size_t slot[2];
  const size_t list = wk_fb_put_slots(&s->t, at, 1);
  wk_fb_put_table(&s->t, list, (const wk_fb_put[]){{.field = 0}, {.field = 1, .bytes = 4, .value = s->buffers + 1}}, 2,
                  slot);
  wk_fb_put_string(&s->t, slot[0], "TFLITE_METADATA");
}

/* ---- the numbers ----------------------------------------------------------------------------------------- */

typedef struct stream {
  wk_writer *w; /* NULL: positions are counted alone */
  uint64_t at;
} stream;

static wk_status put_bytes(stream *out, const void *data, size_t bytes, wk_error *err) {
  out->at += bytes;
  return out->w ? wk_writer_write(out->w, data, bytes, err) : WK_OK;
}

/* One buffer's bytes, behind their count; slot points there. */
static wk_status put_buffer(stream *out, sheet *s, int buffer, const void *data, size_t bytes, wk_error *err) {
  static const uint8_t zeros[ALIGN];
  const uint32_t count = (uint32_t)bytes;
  WK_RETURN_IF_ERROR(put_bytes(out, zeros, (size_t)(-(out->at + 4) & (ALIGN - 1)), err));
  if (out->at + bytes > INT32_MAX)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "the network has more than the 2 GB of weights that TensorFlow Lite holds");
  if (!out->w)
    wk_fb_put_offset(&s->t, s->data_slot[buffer], (size_t)out->at);
  WK_RETURN_IF_ERROR(put_bytes(out, &count, 4, err));
  return put_bytes(out, data, bytes, err);
}

static wk_status put_numbers(stream *out, sheet *s, wk_error *err) {
  const wk_tflite_file *f = s->f;
  int buffer = 0;
  for (int i = 0; i < f->tensors; i++)
    if (f->tensor[i].data)
      WK_RETURN_IF_ERROR(put_buffer(out, s, ++buffer, f->tensor[i].data, f->tensor[i].bytes, err));
  return f->metadata ? put_buffer(out, s, buffer + 1, f->metadata, f->metadata_bytes, err) : WK_OK;
}

wk_status wk_tflite_write(uint64_t *bytes, const wk_tflite_file *f, wk_writer *w, wk_error *err) {
  wk_status st = WK_OK;
  sheet s = {.f = f};
  size_t slot[6];
  wk_fb_put_begin(&s.t, "TFL3");
  wk_fb_put_table(
      &s.t, 0,
      (const wk_fb_put[]){
          {.field = 0, .bytes = 4, .value = 3}, {.field = 3}, {.field = 1}, {.field = 2}, {.field = 4}, {.field = 6}},
      f->metadata ? 6 : 5, slot);
  wk_fb_put_string(&s.t, slot[1], "whisker");
  put_codes(&s, slot[2]);
  put_graph(&s, slot[3]);
  put_buffers(&s, slot[4]);
  if (f->metadata)
    put_metadata(&s, slot[5]);
  WK_FAIL_IF(s.t.failed || f->failed, err, WK_ERR_MEMORY, "out of memory for an export");
  stream out = {.at = s.t.len};
  WK_TRY(put_numbers(&out, &s, err));
  WK_TRY(wk_writer_write(w, s.t.data, s.t.len, err));
  out = (stream){.w = w, .at = s.t.len};
  WK_TRY(put_numbers(&out, &s, err));
  *bytes = out.at;
done:
  wk_text_free(&s.t);
  return st;
}

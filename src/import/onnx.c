/* onnx.c - ONNX files to the intermediate network: the protobuf messages of onnx.proto3 are walked, weights stay where
 * they lie in the mapped file. Nothing about operations is decided here; that is lower.c's. */
#include <stdlib.h>
#include <string.h>

#include "formats/formats.h"
#include "formats/protobuf.h"
#include "import/onnx_fields.h"
#include "import/reader.h"

typedef struct onnx {
  wk_ir *ir;
  const char *path;  /* of the file, for those beside it */
  wk_name_map names; /* of values */
  int64_t opset;
} onnx;

static wk_status broken(const char *what, wk_error *err) {
  return WK_FAIL(err, WK_ERR_FORMAT, "the ONNX file is broken (%s); fetch it again", what);
}

static wk_status text_of(const char **out, const onnx *o, const wk_pb_field *f, wk_error *err) {
  return wk_ir_text(out, o->ir, (const char *)f->data, f->data ? f->size : 0, err);
}

/* The value of a name, made where there is none yet. "" stands for an input that is left out. */
static wk_status value_of(int *out, onnx *o, const char *name, wk_error *err) {
  if (!*name) {
    *out = -1;
    return WK_OK;
  }
  *out = wk_name_map_find(&o->names, name);
  if (*out >= 0)
    return WK_OK;
  WK_RETURN_IF_ERROR(wk_ir_add_value(out, o->ir, &(wk_ir_value){.name = name, .ndim = -1}, err));
  return wk_name_map_add(&o->names, name, *out, err);
}

/* ---- tensors ------------------------------------------------------------------------------------ */

static bool dtype_of(wk_dtype *out, uint64_t type) {
  static const int8_t known[] = {-1,      WK_F32, WK_U8,  WK_I8, -1, WK_I16, WK_I32, WK_I64, -1,
                                 WK_BOOL, WK_F16, WK_F64, -1,    -1, -1,     -1,     WK_BF16};
  if (type >= sizeof known || known[type] < 0)
    return false;
  *out = (wk_dtype)known[type];
  return true;
}

typedef struct tensor_parts {
  wk_ir_value v;
  const uint8_t *raw;
  size_t raw_size;
  wk_pb list;     /* packed numbers */
  int list_field; /* 0: none */
  uint64_t type;
  size_t single; /* numbers that are not packed: how many */
  bool external; /* they lie in another file: */
  const char *file;
  int64_t offset, length; /* length -1: not said */
} tensor_parts;

static void store(uint8_t *to, wk_dtype dtype, uint64_t bits) {
  memcpy(to, &bits, wk_dtype_size(dtype)); /* little-endian, as everything here */
}

/* Numbers of float_data, int32_data, int64_data or double_data: of one field, packed or one by one. */
static wk_status unpack_list(onnx *o, tensor_parts *t, const wk_pb_field *message, int64_t count, wk_error *err) {
  const size_t element = wk_dtype_size(t->v.dtype);
  void *memory = NULL;
  int64_t at = 0;
  WK_RETURN_IF_ERROR(wk_ir_alloc(&memory, o->ir, (size_t)count, element, err));
  wk_pb m = wk_pb_inside(message);
  wk_pb_field f;
  while (wk_pb_next(&m, &f)) {
    if ((int)f.number != t->list_field)
      continue;
    if (!f.data) {
      if (at < count)
        store((uint8_t *)memory + (size_t)at++ * element, t->v.dtype, f.value);
      continue;
    }
    wk_pb list = wk_pb_inside(&f);
    while (list.at < list.end && at < count) {
      uint64_t bits = 0;
      const size_t wide = t->list_field == TENSOR_FLOATS ? 4 : t->list_field == TENSOR_DOUBLES ? 8 : 0;
      if (wide) {
        if ((size_t)(list.end - list.at) < wide)
          return broken("a tensor's numbers end in the middle of one", err);
        bits = wide == 4 ? wk_le32(list.at) : wk_le64(list.at);
        list.at += wide;
      } else if (!wk_pb_varint(&list, &bits)) {
        return broken("a tensor's numbers", err);
      }
      store((uint8_t *)memory + (size_t)at++ * element, t->v.dtype, bits);
    }
  }
  if (at != count)
    return WK_FAIL(err, WK_ERR_FORMAT, "tensor '%.200s' should have %lld numbers but the file has %lld", t->v.name,
                   (long long)count, (long long)at);
  t->v.data = memory;
  return WK_OK;
}

static wk_status add_dim(wk_ir_value *v, uint64_t side, wk_error *err) {
  if (v->ndim == WK_MAX_DIMS || side > INT64_MAX / 2)
    return broken("a tensor's shape", err);
  v->shape[v->ndim++] = (int64_t)side;
  return WK_OK;
}

/* A StringStringEntryProto; "" where a part is missing. */
static wk_status read_pair(const char **key, const char **value, const onnx *o, const wk_pb_field *message,
                           wk_error *err) {
  wk_pb m = wk_pb_inside(message);
  wk_pb_field f;
  *key = *value = "";
  while (wk_pb_next(&m, &f))
    if (f.data && (f.number == PAIR_KEY || f.number == PAIR_VALUE))
      WK_RETURN_IF_ERROR(text_of(f.number == PAIR_KEY ? key : value, o, &f, err));
  return WK_OK;
}

/* One of location, offset and length, as texts. */
static wk_status read_external(tensor_parts *t, onnx *o, const wk_pb_field *message, wk_error *err) {
  const char *key, *value;
  WK_RETURN_IF_ERROR(read_pair(&key, &value, o, message, err));
  if (strcmp(key, "location") == 0)
    t->file = value;
  else if (strcmp(key, "offset") == 0)
    t->offset = strtoll(value, NULL, 10);
  else if (strcmp(key, "length") == 0)
    t->length = strtoll(value, NULL, 10);
  return WK_OK;
}

/* Numbers in a file beside this one, of which no name leads out of the folder. */
static wk_status find_external(onnx *o, tensor_parts *t, size_t bytes, wk_error *err) {
  const uint8_t *data = NULL;
  size_t size = 0;
  if (!t->file || !*t->file || *t->file == '/' || strstr(t->file, ".."))
    return WK_FAIL(err, WK_ERR_FORMAT, "tensor '%.200s' is said to lie in '%.200s', which is not beside the file",
                   t->v.name, t->file ? t->file : "");
  WK_RETURN_IF_ERROR(wk_ir_map_beside(&data, &size, o->ir, o->path, t->file, err));
  if (t->offset < 0 || (uint64_t)t->offset > size || bytes > size - (size_t)t->offset ||
      (t->length >= 0 && (uint64_t)t->length != bytes))
    return WK_FAIL(err, WK_ERR_FORMAT, "tensor '%.200s' needs %zu bytes at %lld of %.200s, which has %zu", t->v.name,
                   bytes, (long long)t->offset, t->file, size);
  t->raw = data + t->offset;
  t->raw_size = bytes;
  return WK_OK;
}

/* Everything but the numbers themselves. */
static wk_status scan_tensor(onnx *o, tensor_parts *t, const wk_pb_field *message, wk_error *err) {
  wk_pb m = wk_pb_inside(message);
  wk_pb_field f;
  uint64_t side;
  *t = (tensor_parts){.v = {.name = ""}, .length = -1};
  while (wk_pb_next(&m, &f))
    switch (f.number) {
    case TENSOR_DIMS:
      if (!f.data) {
        WK_RETURN_IF_ERROR(add_dim(&t->v, f.value, err));
        break;
      }
      for (wk_pb list = wk_pb_inside(&f); list.at < list.end;) {
        if (!wk_pb_varint(&list, &side))
          return broken("a tensor's shape", err);
        WK_RETURN_IF_ERROR(add_dim(&t->v, side, err));
      }
      break;
    case TENSOR_TYPE:
      t->type = f.value;
      break;
    case TENSOR_NAME:
      WK_RETURN_IF_ERROR(text_of(&t->v.name, o, &f, err));
      break;
    case TENSOR_RAW:
      t->raw = f.data;
      t->raw_size = f.size;
      break;
    case TENSOR_FLOATS:
    case TENSOR_INT32S:
    case TENSOR_INT64S:
    case TENSOR_DOUBLES:
      t->list_field = (int)f.number;
      break;
    case TENSOR_EXTERNAL:
      WK_RETURN_IF_ERROR(read_external(t, o, &f, err));
      break;
    case TENSOR_LOCATION:
      t->external = f.value == 1;
      break;
    default:
      break;
    }
  return m.broken ? broken("a tensor", err) : WK_OK;
}

static wk_status read_tensor(wk_ir_value *out, onnx *o, const wk_pb_field *message, wk_error *err) {
  tensor_parts t;
  WK_RETURN_IF_ERROR(scan_tensor(o, &t, message, err));
  if (!dtype_of(&t.v.dtype, t.type))
    return WK_FAIL(err, WK_ERR_UNSUPPORTED,
                   "tensor '%.200s' holds numbers of ONNX's type %llu, which whisker does not read", t.v.name,
                   (unsigned long long)t.type);
  const int64_t count = wk_ir_count(&t.v);
  size_t bytes;
  if (count < 0 || wk_mul_overflow(&bytes, (size_t)count, wk_dtype_size(t.v.dtype)))
    return broken("a tensor's shape", err);
  if (t.external)
    WK_RETURN_IF_ERROR(find_external(o, &t, bytes, err));
  if (t.list_field && !t.raw)
    WK_RETURN_IF_ERROR(unpack_list(o, &t, message, count, err));
  else if (t.raw_size != bytes)
    return WK_FAIL(err, WK_ERR_FORMAT, "tensor '%.200s' should have %zu bytes but the file has %zu", t.v.name, bytes,
                   t.raw_size);
  else
    t.v.data = t.raw ? t.raw : (const void *)"";
  *out = t.v;
  return WK_OK;
}

static wk_status read_initializer(onnx *o, const wk_pb_field *message, wk_error *err) {
  wk_ir_value v;
  int at = -1;
  WK_RETURN_IF_ERROR(read_tensor(&v, o, message, err));
  if (!*v.name)
    return broken("a weight without a name", err);
  WK_RETURN_IF_ERROR(value_of(&at, o, v.name, err));
  o->ir->value[at] = v;
  return WK_OK;
}

/* ---- inputs and outputs -------------------------------------------------------------------------- */

/* ValueInfoProto: name 1, type 2; TypeProto: tensor_type 1; of it: shape 2; of it: dim 1; of it: dim_value 1. */
static wk_status read_shape(wk_ir_value *v, wk_pb type, wk_error *err) {
  wk_pb_field f, g, d, n;
  while (wk_pb_next(&type, &f)) {
    if (f.number != 1 || !f.data)
      continue;
    wk_pb tensor = wk_pb_inside(&f);
    while (wk_pb_next(&tensor, &g)) {
      if (g.number != 2 || !g.data)
        continue;
      wk_pb shape = wk_pb_inside(&g);
      v->ndim = 0;
      while (wk_pb_next(&shape, &d)) {
        if (d.number != 1 || !d.data)
          continue;
        if (v->ndim == WK_MAX_DIMS)
          return broken("a shape of too many sides", err);
        wk_pb dim = wk_pb_inside(&d);
        v->shape[v->ndim] = -1;
        while (wk_pb_next(&dim, &n))
          if (n.number == 1 && !n.data && n.value > 0 && n.value < INT32_MAX)
            v->shape[v->ndim] = (int64_t)n.value;
        v->ndim++;
      }
    }
  }
  return WK_OK;
}

static wk_status read_info(int *out, onnx *o, const wk_pb_field *message, wk_error *err) {
  wk_ir_value v = {.name = "", .ndim = -1};
  wk_pb m = wk_pb_inside(message);
  wk_pb_field f;
  while (wk_pb_next(&m, &f)) {
    if (f.number == 1)
      WK_RETURN_IF_ERROR(text_of(&v.name, o, &f, err));
    else if (f.number == 2 && f.data)
      WK_RETURN_IF_ERROR(read_shape(&v, wk_pb_inside(&f), err));
  }
  if (m.broken || !*v.name)
    return broken("an input or output", err);
  WK_RETURN_IF_ERROR(value_of(out, o, v.name, err));
  wk_ir_value *known = &o->ir->value[*out];
  if (!known->data && v.ndim >= 0) {
    known->ndim = v.ndim;
    memcpy(known->shape, v.shape, sizeof v.shape);
  }
  return WK_OK;
}

/* ---- operations ---------------------------------------------------------------------------------- */

static wk_status add_number_list(onnx *o, wk_ir_attr *a, const wk_pb_field *message, uint32_t field, bool floats,
                                 wk_error *err) {
  for (int pass = 0; pass < 2; pass++) {
    wk_pb m = wk_pb_inside(message);
    wk_pb_field f;
    size_t n = 0;
    while (wk_pb_next(&m, &f)) {
      if (f.number != field)
        continue;
      wk_pb list = f.data ? wk_pb_inside(&f) : wk_pb_over("", 0);
      uint64_t bits = f.value;
      for (bool more = !f.data || list.at < list.end; more; more = f.data && list.at < list.end) {
        if (f.data && floats && list.end - list.at < 4)
          return broken("an attribute's numbers", err);
        if (f.data && floats) {
          bits = wk_le32(list.at);
          list.at += 4;
        } else if (f.data && !wk_pb_varint(&list, &bits)) {
          return broken("an attribute's numbers", err);
        }
        if (pass && floats)
          store((uint8_t *)(uintptr_t)(a->floats + n), WK_F32, bits);
        else if (pass)
          store((uint8_t *)(uintptr_t)(a->ints + n), WK_I64, bits);
        n++;
      }
    }
    if (!pass) {
      void *memory = NULL;
      WK_RETURN_IF_ERROR(wk_ir_alloc(&memory, o->ir, n, floats ? sizeof(float) : sizeof(int64_t), err));
      a->count = n;
      if (floats)
        a->floats = memory;
      else
        a->ints = memory;
    }
  }
  return WK_OK;
}

/* `constant` receives the tensor of an attribute that holds one. */
static wk_status read_attribute(onnx *o, wk_ir_op *op, const wk_pb_field *message, wk_ir_value *constant,
                                wk_error *err) {
  wk_pb m = wk_pb_inside(message);
  wk_pb_field f;
  wk_ir_attr a = {.name = ""};
  bool floats = false, ints = false, tensor = false;
  while (wk_pb_next(&m, &f))
    switch (f.number) {
    case ATTR_NAME:
      WK_RETURN_IF_ERROR(text_of(&a.name, o, &f, err));
      break;
    case ATTR_F:
      a.kind = WK_IR_FLOAT;
      a.number = (double)wk_pb_float(&f);
      break;
    case ATTR_I:
      a.kind = WK_IR_INT;
      a.integer = (int64_t)f.value;
      break;
    case ATTR_S:
      a.kind = WK_IR_TEXT;
      WK_RETURN_IF_ERROR(text_of(&a.text, o, &f, err));
      break;
    case ATTR_T:
      tensor = true;
      WK_RETURN_IF_ERROR(read_tensor(constant, o, &f, err));
      break;
    case ATTR_FLOATS:
      floats = true;
      break;
    case ATTR_INTS:
      ints = true;
      break;
    case ATTR_G:
      return WK_FAIL(err, WK_ERR_UNSUPPORTED,
                     "node '%.100s' (%.60s) holds a network inside, such as a loop: whisker reads "
                     "networks that take one way",
                     op->name, op->type);
    default:
      break;
    }
  if (m.broken)
    return broken("an attribute", err);
  if (tensor)
    return WK_OK;
  wk_ir_attr *to = NULL;
  if (floats || ints) {
    a.kind = floats ? WK_IR_FLOATS : WK_IR_INTS;
    WK_RETURN_IF_ERROR(add_number_list(o, &a, message, floats ? ATTR_FLOATS : ATTR_INTS, floats, err));
  }
  WK_RETURN_IF_ERROR(wk_ir_add_attr(&to, o->ir, op, a.name, a.kind, err));
  *to = a;
  return WK_OK;
}

/* A Constant's value, from whichever attribute holds it. */
static wk_status make_constant(onnx *o, const wk_ir_op *op, const wk_ir_value *tensor, wk_error *err) {
  wk_ir_value *to = &o->ir->value[op->out[0]], v = *tensor;
  const wk_ir_attr *a;
  if (!v.data && (a = wk_ir_find(op, "value_float"))) {
    float *number = NULL;
    int at = -1;
    WK_RETURN_IF_ERROR(wk_ir_floats(&at, &number, o->ir, to->name, 0, NULL, err));
    *number = (float)a->number;
    v = o->ir->value[at];
  } else if (!v.data && (a = wk_ir_find(op, "value_int"))) {
    int at = -1;
    WK_RETURN_IF_ERROR(wk_ir_int_constant(&at, o->ir, to->name, &a->integer, 1, err));
    v = o->ir->value[at];
    v.ndim = 0;
  } else if (!v.data && (a = wk_ir_find(op, "value_ints"))) {
    v = (wk_ir_value){.ndim = 1, .shape = {(int64_t)a->count}, .dtype = WK_I64, .data = a->ints};
  } else if (!v.data && (a = wk_ir_find(op, "value_floats"))) {
    v = (wk_ir_value){.ndim = 1, .shape = {(int64_t)a->count}, .dtype = WK_F32, .data = a->floats};
  } else if (!v.data) {
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "constant '%.200s' is neither numbers nor a tensor", to->name);
  }
  to = &o->ir->value[op->out[0]];
  v.name = to->name;
  *to = v;
  return WK_OK;
}

static wk_status read_node(onnx *o, const wk_pb_field *message, wk_error *err) {
  wk_pb m = wk_pb_inside(message);
  wk_pb_field f;
  const char *name = "", *type = "";
  int ins = 0, outs = 0;
  wk_ir_value constant = {.ndim = -1};
  while (wk_pb_next(&m, &f)) {
    ins += f.number == NODE_INPUT;
    outs += f.number == NODE_OUTPUT;
    if (f.number == NODE_NAME)
      WK_RETURN_IF_ERROR(text_of(&name, o, &f, err));
    else if (f.number == NODE_TYPE)
      WK_RETURN_IF_ERROR(text_of(&type, o, &f, err));
  }
  if (m.broken || !*type)
    return broken("a node", err);
  wk_ir_op *op = NULL;
  WK_RETURN_IF_ERROR(wk_ir_add_op(&op, o->ir, type, name, ins, outs, err));
  const int index = (int)(op - o->ir->op);
  ins = outs = 0;
  for (m = wk_pb_inside(message); wk_pb_next(&m, &f);) {
    const char *value = NULL;
    op = &o->ir->op[index];
    if (f.number == NODE_INPUT) {
      WK_RETURN_IF_ERROR(text_of(&value, o, &f, err));
      WK_RETURN_IF_ERROR(value_of(&op->in[ins++], o, value, err));
    } else if (f.number == NODE_OUTPUT) {
      WK_RETURN_IF_ERROR(text_of(&value, o, &f, err));
      WK_RETURN_IF_ERROR(value_of(&op->out[outs], o, value, err));
      if (op->out[outs] < 0) { /* an optional output that is left out */
        WK_RETURN_IF_ERROR(wk_ir_add_value(&op->out[outs], o->ir, &(wk_ir_value){.name = "", .ndim = -1}, err));
      }
      outs++;
    } else if (f.number == NODE_ATTRIBUTE && f.data) {
      WK_RETURN_IF_ERROR(read_attribute(o, op, &f, &constant, err));
    }
  }
  op = &o->ir->op[index];
  for (int k = 0; k < outs; k++)
    if (o->ir->value[op->out[k]].data)
      return WK_FAIL(err, WK_ERR_FORMAT, "'%.200s' is both a constant and computed", o->ir->value[op->out[k]].name);
  if (strcmp(type, "Constant") == 0 && outs == 1) {
    WK_RETURN_IF_ERROR(make_constant(o, op, &constant, err));
    o->ir->ops--; /* it is a value now */
    return WK_OK;
  }
  if (constant.data) { /* ConstantOfShape: what it is filled with becomes a second input */
    int at, *in;
    void *memory = NULL;
    WK_RETURN_IF_ERROR(wk_ir_add_value(&at, o->ir, &constant, err));
    op = &o->ir->op[index];
    WK_RETURN_IF_ERROR(wk_ir_alloc(&memory, o->ir, (size_t)ins + 1, sizeof *in, err));
    in = memory;
    if (ins)
      memcpy(in, op->in, (size_t)ins * sizeof *in);
    in[ins] = at;
    op->in = in;
    op->ins = ins + 1;
  }
  return wk_onnx_plain(o->ir, index, err);
}

/* ---- the model ----------------------------------------------------------------------------------- */

static wk_status read_graph(onnx *o, const wk_pb_field *message, wk_error *err) {
  wk_pb m;
  wk_pb_field f;
  int at = -1;
  /* Weights first: what is a constant is known when nodes are read. */
  for (m = wk_pb_inside(message); wk_pb_next(&m, &f);)
    if (f.number == GRAPH_INITIALIZER && f.data)
      WK_RETURN_IF_ERROR(read_initializer(o, &f, err));
  for (m = wk_pb_inside(message); wk_pb_next(&m, &f);)
    if (f.number == GRAPH_INPUT && f.data) {
      WK_RETURN_IF_ERROR(read_info(&at, o, &f, err));
      if (o->ir->value[at].data) /* before IR version 4 weights are listed among the inputs, too */
        continue;
      if (o->ir->input >= 0)
        return WK_FAIL(err, WK_ERR_UNSUPPORTED,
                       "takes two inputs, '%.80s' and '%.80s': whisker reads networks that see one "
                       "photo",
                       o->ir->value[o->ir->input].name, o->ir->value[at].name);
      o->ir->input = at;
    }
  for (m = wk_pb_inside(message); wk_pb_next(&m, &f);)
    if (f.number == GRAPH_NODE && f.data)
      WK_RETURN_IF_ERROR(read_node(o, &f, err));
  for (m = wk_pb_inside(message); wk_pb_next(&m, &f);)
    if (f.number == GRAPH_OUTPUT && f.data) {
      WK_RETURN_IF_ERROR(read_info(&at, o, &f, err));
      if (o->ir->output < 0) /* of several, the first is the classes in everything seen so far */
        o->ir->output = at;
    }
  return m.broken ? broken("its graph", err) : WK_OK;
}

/* What exporters write beside the graph: key and value. */
static wk_status read_metadata(onnx *o, const wk_pb_field *message, wk_error *err) {
  const char *key, *value;
  WK_RETURN_IF_ERROR(read_pair(&key, &value, o, message, err));
  if (strcmp(key, "names") == 0 || strcmp(key, "labels") == 0 || strcmp(key, "classes") == 0 ||
      strcmp(key, "character") == 0)
    return wk_labels_guess(o->ir, value, err);
  if (strcmp(key, "preprocess") == 0)
    o->ir->prepared = value;
  return WK_OK;
}

bool wk_onnx_is(const uint8_t *bytes, size_t size) {
  wk_pb m = wk_pb_over(bytes, size);
  wk_pb_field f;
  bool version = false;
  /* ir_version is the first field that everybody writes; then comes text, and a graph that fits into the file. */
  for (int i = 0; i < 64 && wk_pb_next(&m, &f); i++) {
    if (f.number == 1 && !f.data && f.value > 0 && f.value < 256)
      version = true;
    else if (f.number > 25)
      return false;
    if (version && f.number == MODEL_GRAPH && f.data)
      return true;
  }
  return version && m.broken && size > 4 && bytes[0] == 8; /* cut short */
}

wk_status wk_onnx_read(wk_ir *ir, const uint8_t *bytes, size_t size, const char *path, wk_error *err) {
  wk_status st = WK_OK;
  onnx o = {.ir = ir, .path = path, .opset = 1};
  wk_pb m = wk_pb_over(bytes, size);
  wk_pb_field f, graph = {0}, inner;
  ir->format = "ONNX";
  while (wk_pb_next(&m, &f)) {
    if (f.number == MODEL_PRODUCER && f.data)
      WK_TRY(text_of(&ir->maker, &o, &f, err));
    else if (f.number == MODEL_GRAPH && f.data)
      graph = f;
    else if (f.number == MODEL_METADATA && f.data)
      WK_TRY(read_metadata(&o, &f, err));
    else if (f.number == MODEL_OPSET && f.data)
      for (wk_pb set = wk_pb_inside(&f); wk_pb_next(&set, &inner);)
        if (inner.number == 2 && !inner.data && inner.value < 1000)
          o.opset = (int64_t)inner.value > o.opset ? (int64_t)inner.value : o.opset;
  }
  if (m.broken || !graph.data) {
    st = broken(m.broken ? "cut short?" : "it has no graph", err);
    goto done;
  }
  WK_TRY(read_graph(&o, &graph, err));
  st = ir->input < 0 ? broken("it has no input", err) : ir->output < 0 ? broken("it has no output", err) : WK_OK;
  ir->opset = o.opset;
done:
  wk_name_map_free(&o.names);
  return st;
}

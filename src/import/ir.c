/* ir.c - see ir.h. */
#include "import/ir.h"

#include <string.h>

void wk_ir_init(wk_ir *ir) {
  *ir = (wk_ir){.arena = {.mutex = PTHREAD_MUTEX_INITIALIZER, .limit = WK_IR_LIMIT, .step = 64 << 10, .align = 64},
                .input = -1,
                .output = -1,
                .convention = -1,
                .format = "",
                .maker = ""};
}

struct wk_ir_file {
  struct wk_ir_file *next;
  wk_file_view view;
  char *name;
};

void wk_ir_free(wk_ir *ir) {
  while (ir->files) {
    struct wk_ir_file *f = ir->files;
    ir->files = f->next;
    wk_file_unmap(&f->view);
    wk_free(f->name);
    wk_free(f);
  }
  wk_arena_free(&ir->arena);
  wk_free(ir->value);
  wk_free(ir->op);
  *ir = (wk_ir){.input = -1, .output = -1};
}

wk_status wk_ir_map_beside(const uint8_t **data, size_t *size, wk_ir *ir, const char *path, const char *name,
                           wk_error *err) {
  struct wk_ir_file *f = ir->files;
  char *file = NULL;
  wk_status st = WK_OK;
  while (f && strcmp(f->name, name) != 0)
    f = f->next;
  if (!f) {
    f = wk_calloc(1, sizeof *f);
    file = wk_path_beside(path, name);
    WK_FAIL_IF(!f || !file || !(f->name = wk_strdup(name)), err, WK_ERR_MEMORY, "out of memory for a network");
    WK_TRY(wk_file_map(&f->view, file, err));
    f->next = ir->files;
    ir->files = f;
  }
  *data = f->view.data;
  *size = f->view.size;
  f = NULL;
done:
  if (f) {
    wk_free(f->name);
    wk_free(f);
  }
  wk_free(file);
  return st;
}

wk_status wk_ir_alloc(void **out, wk_ir *ir, size_t count, size_t size, wk_error *err) {
  size_t bytes;
  void *p = NULL;
  if (wk_mul_overflow(&bytes, count, size) || bytes > ir->arena.limit - ir->arena.total)
    return WK_FAIL(err, WK_ERR_FORMAT,
                   "unfolds to more than %zu MB beyond what lies in the file: it is damaged, or made to fill memory",
                   WK_IR_LIMIT >> 20);
  p = wk_arena_alloc(&ir->arena, bytes ? bytes : 1);
  if (!p)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for reading a network");
  memset(p, 0, bytes);
  *out = p;
  return WK_OK;
}

wk_status wk_ir_text(const char **out, wk_ir *ir, const char *text, size_t size, wk_error *err) {
  void *copy = NULL;
  WK_RETURN_IF_ERROR(wk_ir_alloc(&copy, ir, size + 1, 1, err));
  if (size) /* a text that is left out has none */
    memcpy(copy, text, size);
  *out = copy;
  return WK_OK;
}

/* Room for one more of `count` elements. */
static wk_status make_room(void **array, int *room, int count, size_t size, wk_error *err) {
  if (count < *room)
    return WK_OK;
  if ((size_t)count >= WK_IR_MOST)
    return WK_FAIL(err, WK_ERR_FORMAT, "describes more than %zu values or operations", WK_IR_MOST);
  int grown = *room ? 2 * *room : 64;
  void *p = wk_grow(*array, (size_t)count * size, (size_t)grown * size);
  if (!p)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for reading a network");
  *array = p;
  *room = grown;
  return WK_OK;
}

wk_status wk_ir_add_value(int *out, wk_ir *ir, const wk_ir_value *value, wk_error *err) {
  void *array = ir->value;
  WK_RETURN_IF_ERROR(make_room(&array, &ir->value_room, ir->values, sizeof *ir->value, err));
  ir->value = array;
  ir->value[ir->values] = *value;
  *out = ir->values++;
  return WK_OK;
}

wk_status wk_ir_add_op(wk_ir_op **out, wk_ir *ir, const char *type, const char *name, int ins, int outs,
                       wk_error *err) {
  void *array = ir->op, *in = NULL, *to = NULL;
  WK_RETURN_IF_ERROR(make_room(&array, &ir->op_room, ir->ops, sizeof *ir->op, err));
  ir->op = array;
  WK_RETURN_IF_ERROR(wk_ir_alloc(&in, ir, (size_t)ins, sizeof(int), err));
  WK_RETURN_IF_ERROR(wk_ir_alloc(&to, ir, (size_t)outs, sizeof(int), err));
  ir->op[ir->ops] = (wk_ir_op){.type = type, .name = name, .in = in, .ins = ins, .out = to, .outs = outs};
  *out = &ir->op[ir->ops++];
  return WK_OK;
}

wk_status wk_ir_add_attr(wk_ir_attr **out, wk_ir *ir, wk_ir_op *op, const char *name, wk_ir_kind kind, wk_error *err) {
  if (op->attrs == op->attr_room) {
    int room = op->attr_room ? 2 * op->attr_room : 8;
    void *grown = NULL;
    WK_RETURN_IF_ERROR(wk_ir_alloc(&grown, ir, (size_t)room, sizeof *op->attr, err));
    if (op->attrs)
      memcpy(grown, op->attr, (size_t)op->attrs * sizeof *op->attr);
    op->attr = grown;
    op->attr_room = room;
  }
  *out = &op->attr[op->attrs++];
  **out = (wk_ir_attr){.name = name, .kind = kind};
  return WK_OK;
}

wk_status wk_ir_add_int(wk_ir *ir, wk_ir_op *op, const char *name, int64_t value, wk_error *err) {
  wk_ir_attr *a = NULL;
  WK_RETURN_IF_ERROR(wk_ir_add_attr(&a, ir, op, name, WK_IR_INT, err));
  a->integer = value;
  return WK_OK;
}

wk_status wk_ir_add_float(wk_ir *ir, wk_ir_op *op, const char *name, double value, wk_error *err) {
  wk_ir_attr *a = NULL;
  WK_RETURN_IF_ERROR(wk_ir_add_attr(&a, ir, op, name, WK_IR_FLOAT, err));
  a->number = value;
  return WK_OK;
}

wk_status wk_ir_add_text(wk_ir *ir, wk_ir_op *op, const char *name, const char *value, wk_error *err) {
  wk_ir_attr *a = NULL;
  WK_RETURN_IF_ERROR(wk_ir_add_attr(&a, ir, op, name, WK_IR_TEXT, err));
  a->text = value;
  return WK_OK;
}

wk_status wk_ir_add_ints(wk_ir *ir, wk_ir_op *op, const char *name, const int64_t *value, size_t count, wk_error *err) {
  wk_ir_attr *a = NULL;
  void *copy = NULL;
  WK_RETURN_IF_ERROR(wk_ir_alloc(&copy, ir, count, sizeof *value, err));
  if (count)
    memcpy(copy, value, count * sizeof *value);
  WK_RETURN_IF_ERROR(wk_ir_add_attr(&a, ir, op, name, WK_IR_INTS, err));
  a->ints = copy;
  a->count = count;
  return WK_OK;
}

wk_status wk_ir_chain(wk_ir_op **op, int *out, wk_ir *ir, const char *type, const char *name, const int *in, int ins,
                      wk_error *err) {
  wk_ir_op *made = NULL;
  int value = -1;
  WK_RETURN_IF_ERROR(wk_ir_add_value(&value, ir, &(wk_ir_value){.name = name, .ndim = -1}, err));
  WK_RETURN_IF_ERROR(wk_ir_add_op(&made, ir, type, name, ins, 1, err));
  memcpy(made->in, in, (size_t)ins * sizeof *in);
  made->out[0] = value;
  *out = value;
  if (op)
    *op = made;
  return WK_OK;
}

wk_status wk_ir_floats(int *out, float **data, wk_ir *ir, const char *name, int ndim, const int64_t *shape,
                       wk_error *err) {
  wk_ir_value v = {.name = name, .ndim = ndim, .dtype = WK_F32};
  const int64_t count = wk_tensor_count(ndim, shape);
  void *memory = NULL;
  if (count < 0)
    return WK_FAIL(err, WK_ERR_FORMAT, "'%.200s' has an impossible shape", name);
  WK_RETURN_IF_ERROR(wk_ir_alloc(&memory, ir, (size_t)count, sizeof **data, err));
  if (ndim)
    memcpy(v.shape, shape, (size_t)ndim * sizeof *shape);
  v.data = *data = memory;
  return wk_ir_add_value(out, ir, &v, err);
}

wk_status wk_ir_int_constant(int *out, wk_ir *ir, const char *name, const int64_t *value, int count, wk_error *err) {
  void *copy = NULL;
  WK_RETURN_IF_ERROR(wk_ir_alloc(&copy, ir, (size_t)count, sizeof *value, err));
  if (count)
    memcpy(copy, value, (size_t)count * sizeof *value);
  wk_ir_value v = {.name = name, .ndim = 1, .shape = {count}, .dtype = WK_I64, .data = copy};
  return wk_ir_add_value(out, ir, &v, err);
}

/* ---- asking ------------------------------------------------------------------------------------ */

int64_t wk_ir_count(const wk_ir_value *v) { return v->ndim < 0 ? -1 : wk_tensor_count(v->ndim, v->shape); }

const wk_ir_attr *wk_ir_find(const wk_ir_op *op, const char *name) {
  for (int i = 0; i < op->attrs; i++)
    if (strcmp(op->attr[i].name, name) == 0)
      return &op->attr[i];
  return NULL;
}

int64_t wk_ir_int(const wk_ir_op *op, const char *name, int64_t otherwise) {
  const wk_ir_attr *a = wk_ir_find(op, name);
  return a && a->kind == WK_IR_INT ? a->integer : otherwise;
}

double wk_ir_float(const wk_ir_op *op, const char *name, double otherwise) {
  const wk_ir_attr *a = wk_ir_find(op, name);
  return a && a->kind == WK_IR_FLOAT ? a->number : otherwise;
}

const char *wk_ir_string(const wk_ir_op *op, const char *name, const char *otherwise) {
  const wk_ir_attr *a = wk_ir_find(op, name);
  return a && a->kind == WK_IR_TEXT ? a->text : otherwise;
}

static bool aligned(const void *data, size_t to) { return ((uintptr_t)data & (to - 1)) == 0; }

static int64_t element_as_int(const uint8_t *p, wk_dtype dtype) {
  int64_t i64;
  int32_t i32;
  int16_t i16;
  float f;
  double d;
  switch (dtype) {
  case WK_I64:
    memcpy(&i64, p, sizeof i64);
    return i64;
  case WK_I32:
    memcpy(&i32, p, sizeof i32);
    return i32;
  case WK_I16:
    memcpy(&i16, p, sizeof i16);
    return i16;
  case WK_I8:
    return (int8_t)*p;
  case WK_F32:
    memcpy(&f, p, sizeof f);
    return f >= -9e18f && f <= 9e18f ? (int64_t)f : 0;
  case WK_F64:
    memcpy(&d, p, sizeof d);
    return d >= -9e18 && d <= 9e18 ? (int64_t)d : 0;
  default:
    return *p;
  }
}

wk_status wk_ir_read_ints(const int64_t **out, wk_ir *ir, int value, wk_error *err) {
  const wk_ir_value v = ir->value[value];
  const int64_t count = wk_ir_count(&v);
  if (!v.data || count < 0)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "'%.200s' is computed where whisker needs a constant", v.name);
  if (v.dtype == WK_I64 && aligned(v.data, sizeof **out)) {
    *out = v.data;
    return WK_OK;
  }
  void *memory = NULL;
  WK_RETURN_IF_ERROR(wk_ir_alloc(&memory, ir, (size_t)count, sizeof **out, err));
  int64_t *to = memory;
  for (int64_t i = 0; i < count; i++)
    to[i] = element_as_int((const uint8_t *)v.data + (size_t)i * wk_dtype_size(v.dtype), v.dtype);
  *out = to;
  return WK_OK;
}

wk_status wk_ir_read_floats(const float **out, wk_ir *ir, int value, wk_error *err) {
  const wk_ir_value v = ir->value[value];
  const int64_t count = wk_ir_count(&v);
  if (!v.data || count < 0)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "'%.200s' is computed where whisker needs a constant", v.name);
  if (v.dtype == WK_F32 && aligned(v.data, sizeof **out)) {
    *out = v.data;
    return WK_OK;
  }
  void *memory = NULL;
  WK_RETURN_IF_ERROR(wk_ir_alloc(&memory, ir, (size_t)count, sizeof **out, err));
  wk_tensor t = {.name = v.name,
                 .dtype = v.dtype,
                 .ndim = v.ndim,
                 .data = v.data,
                 .bytes = (size_t)count * wk_dtype_size(v.dtype)};
  memcpy(t.shape, v.shape, sizeof t.shape);
  WK_RETURN_IF_ERROR(wk_tensor_to_f32(memory, &t, err));
  *out = memory;
  return WK_OK;
}

/* ---- the order --------------------------------------------------------------------------------- */

enum { MOST_PASSES = 1000 };

wk_status wk_ir_sort(wk_ir *ir, wk_error *err) {
  wk_status st = WK_OK;
  const size_t ops = (size_t)ir->ops, values = (size_t)ir->values;
  bool *ready = wk_calloc(values, sizeof *ready), *placed = wk_calloc(ops, sizeof *placed);
  wk_ir_op *sorted = wk_alloc_array(ops ? ops : 1, sizeof *sorted);
  int done_ops = 0;
  WK_FAIL_IF(!ready || !placed || !sorted, err, WK_ERR_MEMORY, "out of memory for reading a network");
  memset(ready, 1, values);
  for (size_t i = 0; i < ops; i++)
    for (int k = 0; k < ir->op[i].outs; k++)
      ready[ir->op[i].out[k]] = false;
  /* Files are in order but for oddities, so one pass is the rule; each pass places one at least, and there is an end to
   * them for files that were made to need many. */
  for (int before = -1, pass = 0; done_ops < ir->ops; pass++) {
    WK_FAIL_IF(done_ops == before || pass == MOST_PASSES, err, WK_ERR_FORMAT,
               "its operations need each other's results in a circle");
    before = done_ops;
    for (size_t i = 0; i < ops; i++) {
      const wk_ir_op *op = &ir->op[i];
      bool can = !placed[i];
      for (int k = 0; can && k < op->ins; k++)
        can = op->in[k] < 0 || ready[op->in[k]];
      if (!can)
        continue;
      placed[i] = true;
      sorted[done_ops++] = *op;
      for (int k = 0; k < op->outs; k++)
        ready[op->out[k]] = true;
    }
  }
  if (ops)
    memcpy(ir->op, sorted, ops * sizeof *sorted);
done:
  wk_free(ready);
  wk_free(placed);
  wk_free(sorted);
  return st;
}

/* unpickle_torch.c - the only names of a pickle that mean something: the types of torch's storages, and the functions
 * with which torch.save describes a tensor. "Calling" one builds a value here; each checks its arguments itself. */
#include <string.h>

#include "formats/formats.h"
#include "formats/unpickle.h"

enum { KEY_LIMIT = 255 }; /* bytes of a storage's key, a number in fact: sorting a million long ones would take hours */

typedef wk_status (*maker)(wk_py **out, wk_arena *arena, const wk_py *args, wk_error *err);

struct wk_known {
  const char *module, *name;
  maker call;     /* NULL: a type, which is not called */
  wk_dtype dtype; /* of types; WK_DTYPE_COUNT for untyped bytes */
};

/* Argument `i`, if it is there and of that kind. */
static const wk_py *argument(const wk_py *args, size_t i, wk_py_kind kind) {
  const wk_py *a = i < args->as.list.size ? args->as.list.item[i] : NULL;
  return a && a->kind == kind ? a : NULL;
}

static wk_status bad_call(const char *name, wk_error *err) {
  return WK_FAIL(err, WK_ERR_FORMAT, "the pickle uses %s in a way that torch.save does not", name);
}

static wk_py *new_value(wk_arena *arena, wk_py_kind kind) {
  wk_py *v = wk_arena_alloc(arena, sizeof *v);
  if (v)
    *v = (wk_py){.kind = kind};
  return v;
}

wk_status wk_py_make_object(wk_py **out, wk_arena *arena, const char *of, wk_error *err) {
  wk_py *v = new_value(arena, WK_PY_OBJECT);
  wk_py_object *object = wk_arena_alloc(arena, sizeof *object);
  if (!v || !object)
    return wk_py_out_of_memory(arena, err);
  *object = (wk_py_object){.of = of};
  v->as.object = object;
  *out = v;
  return WK_OK;
}

const wk_py *wk_py_dict(const wk_py *value) {
  if (value && value->kind == WK_PY_OBJECT)
    value = &value->as.object->items;
  return value && value->kind == WK_PY_DICT ? value : NULL;
}

const wk_py *wk_py_attributes(const wk_py *value) {
  const wk_py *state = value && value->kind == WK_PY_OBJECT ? value->as.object->state : NULL;
  return state && state->kind == WK_PY_DICT ? state : NULL;
}

const wk_py *wk_py_get(const wk_py *dict, const char *key) {
  if (!dict || dict->kind != WK_PY_DICT)
    return NULL;
  const wk_py *found = NULL; /* the last of equal keys counts, as in Python */
  for (size_t i = 0; i + 1 < dict->as.list.size; i += 2) {
    const wk_py *k = dict->as.list.item[i];
    if (k->kind == WK_PY_STR && strcmp(k->as.text.data, key) == 0)
      found = dict->as.list.item[i + 1];
  }
  return found;
}

/* OrderedDict(), and Python 2's OrderedDict([[key, value], ...]). */
static wk_status make_dict(wk_py **out, wk_arena *arena, const wk_py *args, wk_error *err) {
  const wk_py *pairs = argument(args, 0, WK_PY_LIST);
  size_t n = pairs ? pairs->as.list.size : 0;
  if (args->as.list.size > 1 || (args->as.list.size == 1 && !pairs))
    return bad_call("OrderedDict", err);
  wk_py *dict = new_value(arena, WK_PY_DICT);
  wk_py **item = dict ? wk_arena_alloc(arena, 2 * n * sizeof *item) : NULL;
  if (!item)
    return wk_py_out_of_memory(arena, err);
  for (size_t i = 0; i < n; i++) {
    const wk_py *pair = pairs->as.list.item[i];
    if ((pair->kind != WK_PY_LIST && pair->kind != WK_PY_TUPLE) || pair->as.list.size != 2)
      return bad_call("OrderedDict", err);
    item[2 * i] = pair->as.list.item[0];
    item[2 * i + 1] = pair->as.list.item[1];
  }
  dict->as.list.item = item;
  dict->as.list.size = dict->as.list.capacity = 2 * n;
  *out = dict;
  return WK_OK;
}

static bool read_sizes(int64_t *out, int *n, const wk_py *tuple) {
  if (!tuple || tuple->as.list.size > WK_MAX_DIMS)
    return false;
  *n = (int)tuple->as.list.size;
  for (int i = 0; i < *n; i++) {
    const wk_py *v = tuple->as.list.item[i];
    if (v->kind != WK_PY_INT || v->as.integer < 0)
      return false;
    out[i] = v->as.integer;
  }
  return true;
}

/* (storage, offset, sizes, strides, ...): what follows says nothing about the values. */
static wk_status make_tensor_of(wk_py **out, wk_arena *arena, const wk_py *args, const wk_py *type, wk_error *err) {
  const wk_py *storage = argument(args, 0, WK_PY_STORAGE), *offset = argument(args, 1, WK_PY_INT);
  wk_py_tensor t = {0};
  int strides = 0;
  if (argument(args, 0, WK_PY_OBJECT)) /* on a storage of a type that no network is made of */
    return wk_py_make_object(out, arena, "torch.Tensor", err);
  const wk_py *sizes = argument(args, 2, WK_PY_TUPLE);
  if (sizes && sizes->as.list.size > WK_MAX_DIMS)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "a tensor has %zu dimensions; whisker reads up to %d", sizes->as.list.size,
                   WK_MAX_DIMS);
  if (!storage || !offset || offset->as.integer < 0 || !read_sizes(t.shape, &t.ndim, sizes) ||
      !read_sizes(t.stride, &strides, argument(args, 3, WK_PY_TUPLE)) || strides != t.ndim)
    return bad_call("_rebuild_tensor", err);
  t.storage = storage->as.storage;
  t.offset = offset->as.integer;
  t.dtype = type ? type->as.global->dtype : t.storage->dtype;
  if (t.dtype == WK_DTYPE_COUNT)
    return bad_call("_rebuild_tensor", err);
  wk_py *v = new_value(arena, WK_PY_TENSOR);
  wk_py_tensor *kept = wk_arena_alloc(arena, sizeof *kept);
  if (!v || !kept)
    return wk_py_out_of_memory(arena, err);
  *kept = t;
  v->as.tensor = kept;
  *out = v;
  return WK_OK;
}

static wk_status make_tensor(wk_py **out, wk_arena *arena, const wk_py *args, wk_error *err) {
  return make_tensor_of(out, arena, args, NULL, err);
}

/* _rebuild_tensor_v3(storage, offset, sizes, strides, requires_grad, hooks, dtype): the storage is untyped. */
static wk_status make_tensor_v3(wk_py **out, wk_arena *arena, const wk_py *args, wk_error *err) {
  const wk_py *type = argument(args, 6, WK_PY_GLOBAL);
  if (!type || type->as.global->call)
    return bad_call("_rebuild_tensor_v3", err);
  return make_tensor_of(out, arena, args, type, err);
}

/* A parameter is its tensor: (tensor, requires_grad, hooks). */
static wk_status make_parameter(wk_py **out, wk_arena *arena, const wk_py *args, wk_error *err) {
  (void)arena;
  if (!argument(args, 0, WK_PY_TENSOR) && !argument(args, 0, WK_PY_OBJECT))
    return bad_call("_rebuild_parameter", err);
  *out = args->as.list.item[0];
  return WK_OK;
}

/* _rebuild_from_type_v2(function, class, arguments, state): a tensor with attributes, or of a class of its own. */
static wk_status make_of_type(wk_py **out, wk_arena *arena, const wk_py *args, wk_error *err) {
  const wk_py *function = argument(args, 0, WK_PY_GLOBAL), *of = argument(args, 2, WK_PY_TUPLE);
  if (!of)
    return bad_call("_rebuild_from_type_v2", err);
  if (!function || !function->as.global->call || function->as.global->call == make_of_type)
    return wk_py_make_object(out, arena, "torch.Tensor", err);
  return wk_known_call(out, arena, function, of, err);
}

static wk_status make_size(wk_py **out, wk_arena *arena, const wk_py *args, wk_error *err) {
  (void)arena;
  if (args->as.list.size != 1 || !argument(args, 0, WK_PY_TUPLE))
    return bad_call("torch.Size", err);
  *out = args->as.list.item[0];
  return WK_OK;
}

/* A set, in the order of the file. */
static wk_status make_set(wk_py **out, wk_arena *arena, const wk_py *args, wk_error *err) {
  if (!argument(args, 0, WK_PY_LIST))
    return wk_py_make_object(out, arena, "builtins.set", err);
  *out = args->as.list.item[0];
  return WK_OK;
}

static wk_status make_device(wk_py **out, wk_arena *arena, const wk_py *args, wk_error *err) {
  (void)args;
  wk_py *none = new_value(arena, WK_PY_NONE);
  if (!none)
    return wk_py_out_of_memory(arena, err);
  *out = none;
  return WK_OK;
}

static const struct wk_known known[] = {
    {"collections", "OrderedDict", make_dict, 0},
    {"builtins", "set", make_set, 0},
    {"__builtin__", "set", make_set, 0},
    {"torch._utils", "_rebuild_tensor", make_tensor, 0},
    {"torch._utils", "_rebuild_tensor_v2", make_tensor, 0},
    {"torch._utils", "_rebuild_tensor_v3", make_tensor_v3, 0},
    {"torch._utils", "_rebuild_parameter", make_parameter, 0},
    {"torch._utils", "_rebuild_parameter_with_state", make_parameter, 0},
    {"torch._tensor", "_rebuild_from_type_v2", make_of_type, 0},
    {"torch.nn.parameter", "Parameter", make_parameter, 0},
    {"torch", "Size", make_size, 0},
    {"torch", "device", make_device, 0},
    {"torch", "FloatStorage", NULL, WK_F32},
    {"torch", "DoubleStorage", NULL, WK_F64},
    {"torch", "HalfStorage", NULL, WK_F16},
    {"torch", "BFloat16Storage", NULL, WK_BF16},
    {"torch", "LongStorage", NULL, WK_I64},
    {"torch", "IntStorage", NULL, WK_I32},
    {"torch", "ShortStorage", NULL, WK_I16},
    {"torch", "CharStorage", NULL, WK_I8},
    {"torch", "ByteStorage", NULL, WK_U8},
    {"torch", "BoolStorage", NULL, WK_BOOL},
    {"torch.storage", "UntypedStorage", NULL, WK_DTYPE_COUNT},
    {"torch", "float32", NULL, WK_F32},
    {"torch", "float64", NULL, WK_F64},
    {"torch", "float16", NULL, WK_F16},
    {"torch", "bfloat16", NULL, WK_BF16},
    {"torch", "int64", NULL, WK_I64},
    {"torch", "int32", NULL, WK_I32},
    {"torch", "int16", NULL, WK_I16},
    {"torch", "int8", NULL, WK_I8},
    {"torch", "uint8", NULL, WK_U8},
    {"torch", "bool", NULL, WK_BOOL},
};

const struct wk_known *wk_known_find(const char *module, const char *name) {
  if (strcmp(module, "torch.cuda") == 0 && strstr(name, "Storage")) /* files saved from a GPU */
    module = "torch";
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strcmp(known[i].module, module) == 0 && strcmp(known[i].name, name) == 0)
      return &known[i];
  return NULL;
}

wk_status wk_known_call(wk_py **out, wk_arena *arena, const wk_py *callable, const wk_py *args, wk_error *err) {
  const struct wk_known *k = callable->as.global;
  return k->call ? k->call(out, arena, args, err) : bad_call(k->name, err);
}

wk_status wk_known_storage(wk_py **out, wk_py_storage **storages, wk_arena *arena, const wk_py *id, wk_error *err) {
  if (id->kind != WK_PY_TUPLE)
    return bad_call("a persistent id", err);
  const wk_py *tag = argument(id, 0, WK_PY_STR), *type = argument(id, 1, WK_PY_GLOBAL),
              *key = argument(id, 2, WK_PY_STR), *count = argument(id, 4, WK_PY_INT),
              *view = argument(id, 5, WK_PY_TUPLE);
  if (tag && strcmp(tag->as.text.data, "module") == 0 && argument(id, 1, WK_PY_CLASS)) {
    *out = id->as.list.item[1]; /* of before 1.6: ('module', class, file, source) */
    return WK_OK;
  }
  if (tag && argument(id, 1, WK_PY_CLASS)) /* a storage of complex or quantised numbers */
    return wk_py_make_object(out, arena, id->as.list.item[1]->as.text.data, err);
  if (!tag || strcmp(tag->as.text.data, "storage") != 0 || !type || type->as.global->call || !key ||
      strlen(key->as.text.data) != key->as.text.size || key->as.text.size > KEY_LIMIT || !count ||
      count->as.integer < 0)
    return bad_call("a persistent id", err);

  wk_py *v = new_value(arena, WK_PY_STORAGE);
  wk_py_storage *s = wk_arena_alloc(arena, sizeof *s);
  if (!v || !s)
    return wk_py_out_of_memory(arena, err);
  *s = (wk_py_storage){.next = *storages,
                       .key = key->as.text.data,
                       .dtype = type->as.global->dtype,
                       .count = count->as.integer,
                       .view_count = count->as.integer};
  if (view) { /* (key of the view, offset, count) */
    const wk_py *offset = argument(view, 1, WK_PY_INT), *part = argument(view, 2, WK_PY_INT);
    if (!offset || !part || offset->as.integer < 0 || part->as.integer < 0 || offset->as.integer > s->count ||
        part->as.integer > s->count - offset->as.integer)
      return bad_call("a view of a storage", err);
    s->view_offset = offset->as.integer;
    s->view_count = part->as.integer;
  }
  *storages = s;
  v->as.storage = s;
  *out = v;
  return WK_OK;
}

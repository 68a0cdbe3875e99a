/* unpickle.h - the values that a restricted unpickler makes of a pickle. A pickle is a program for a stack machine
 * whose instructions may call any Python function; this one knows only data, and a dozen names that torch.save writes
 * around tensors. What any other name would make stays an object of that name, with what it was given inside: nothing
 * is ever executed. */
#ifndef WK_FORMATS_UNPICKLE_H
#define WK_FORMATS_UNPICKLE_H

#include "base/arena.h"
#include "base/base.h"
#include "whisker/nn.h"

/* ---- values ----------------------------------------------------------------------------------- */

typedef enum wk_py_kind {
  WK_PY_NONE = 0,
  WK_PY_BOOL,
  WK_PY_INT,
  WK_PY_BIG, /* an integer beyond 64 bits */
  WK_PY_FLOAT,
  WK_PY_STR,
  WK_PY_BYTES,
  WK_PY_LIST,
  WK_PY_TUPLE,
  WK_PY_DICT,
  WK_PY_GLOBAL, /* one of the names that are known */
  WK_PY_CLASS,  /* any other name */
  WK_PY_OBJECT, /* what calling that would give */
  WK_PY_STORAGE,
  WK_PY_TENSOR
} wk_py_kind;

typedef struct wk_py wk_py;

/* A flat piece of memory that tensors are cut from. `data` and `bytes` are filled in by the file's reader. */
typedef struct wk_py_storage {
  struct wk_py_storage *next; /* all of one pickle, newest first */
  const char *key;
  wk_dtype dtype;
  int64_t count;                   /* elements */
  int64_t view_offset, view_count; /* the part of it that was meant; the whole: 0 and count */
  const uint8_t *data;
  size_t bytes;
} wk_py_storage;

typedef struct wk_py_tensor {
  const wk_py_storage *storage;
  wk_dtype dtype;
  int ndim;
  int64_t offset; /* in elements */
  int64_t shape[WK_MAX_DIMS], stride[WK_MAX_DIMS];
} wk_py_tensor;

/* Of a class that is not known, nothing but what the pickle says to put into it. */
typedef struct wk_py_object wk_py_object;

struct wk_py {
  wk_py_kind kind;
  union {
    int64_t integer; /* BOOL too */
    double number;
    struct {
      const char *data; /* NUL-terminated past its size */
      size_t size;
    } text; /* STR, BYTES; CLASS: "module.name" */
    struct {
      wk_py **item; /* a DICT's are key, value, key, value */
      size_t size, capacity;
    } list;                        /* LIST, TUPLE, DICT */
    const struct wk_known *global; /* unpickle_torch.c */
    wk_py_object *object;
    wk_py_storage *storage;
    wk_py_tensor *tensor;
  } as;
};

struct wk_py_object {
  const char *of;     /* "module.name" */
  const wk_py *state; /* its attributes, mostly a DICT; NULL: none */
  wk_py items;        /* of a class that is a list or a dict; NONE: it holds none */
};

/* Reads one pickle at the start of `bytes`; *used is where it ends. Values live in `arena`; storages are put in front
 * of *storages. *foreign (may be NULL) becomes the first name that is not known, if there is one. */
wk_status wk_unpickle(wk_py **out, size_t *used, wk_py_storage **storages, const char **foreign, wk_arena *arena,
                      const uint8_t *bytes, size_t size, wk_error *err);

/* The value of a string key; NULL: not there or not a dict. */
const wk_py *wk_py_get(const wk_py *dict, const char *key);
/* The DICT that `value` is, or holds if it is an object of a class made of one; NULL: neither. */
const wk_py *wk_py_dict(const wk_py *value);
/* The DICT of an object's attributes; NULL: there is none. */
const wk_py *wk_py_attributes(const wk_py *value);

/* ---- the names of torch.save (unpickle_torch.c) ------------------------------------------------- */

/* NULL: not a known name. */
const struct wk_known *wk_known_find(const char *module, const char *name);
/* An object of a class that is not known. */
wk_status wk_py_make_object(wk_py **out, wk_arena *arena, const char *of, wk_error *err);
/* What calling a known name with a tuple of arguments gives. */
wk_status wk_known_call(wk_py **out, wk_arena *arena, const wk_py *callable, const wk_py *args, wk_error *err);
/* What a persistent id stands for: ('storage', type, key, device, count[, view]). */
wk_status wk_known_storage(wk_py **out, wk_py_storage **storages, wk_arena *arena, const wk_py *id, wk_error *err);
wk_status wk_py_out_of_memory(const wk_arena *arena, wk_error *err);

#endif

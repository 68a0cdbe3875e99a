/* unpickle.c - the stack machine of Python's pickle, protocols 2 to 5, for data alone. It is a loop over instructions,
 * never recursive; the stack, the memo and all memory are bounded by the bytes read. */
#include <string.h>

#include "formats/formats.h"
#include "formats/unpickle.h"

enum {
  STACK_LIMIT = 1 << 20, /* values that wait at once; Python's own pickler flushes every 1,000 */
  MEMO_LIMIT = 1 << 24   /* values that can be referred to again */
};

/* ---- memory ----------------------------------------------------------------------------------- */

wk_status wk_py_out_of_memory(const wk_arena *arena, wk_error *err) {
  if (arena->total > arena->limit / 2)
    return WK_FAIL(err, WK_ERR_FORMAT, "the pickle describes more objects than any network has");
  return WK_FAIL(err, WK_ERR_MEMORY, "not enough memory for the pickle");
}

/* ---- the machine ------------------------------------------------------------------------------ */

typedef struct machine {
  const uint8_t *start, *at, *end;
  wk_arena *arena;
  wk_py_storage **storages;
  const char *foreign; /* the first name that is not known */
  wk_py **stack;       /* values */
  size_t size, capacity;
  size_t *mark; /* heights of the stack where marks stand */
  size_t marks, mark_capacity;
  wk_py **memo;
  size_t memos, memo_capacity; /* memos: one past the highest index in use; unused ones are NULL */
  size_t steps;
  wk_error *err;
} machine;

#define BROKEN(m, ...) WK_FAIL((m)->err, WK_ERR_FORMAT, __VA_ARGS__)

static size_t position(const machine *m) { return (size_t)(m->at - m->start); }

/* `n` bytes of the input, which it steps over; NULL when there are fewer. */
static const uint8_t *take(machine *m, uint64_t n) {
  if (n > (size_t)(m->end - m->at))
    return NULL;
  const uint8_t *p = m->at;
  m->at += n;
  return p;
}

static wk_status cut_short(machine *m) {
  return BROKEN(m, "cut short: the file ends inside its pickle, after %zu bytes of it; fetch it again",
                (size_t)(m->end - m->start));
}

/* An unsigned number of n bytes. */
static wk_status take_number(uint64_t *out, machine *m, int n) {
  const uint8_t *p = take(m, (uint64_t)n);
  if (!p)
    return cut_short(m);
  uint64_t x = 0;
  for (int i = n; i-- > 0;)
    x = x << 8 | p[i];
  *out = x;
  return WK_OK;
}

static bool grow(wk_py ***array, size_t *capacity, size_t want) {
  size_t n = *capacity ? *capacity : 64;
  while (n < want)
    n *= 2;
  wk_py **moved = wk_grow(*array, *capacity * sizeof **array, n * sizeof **array);
  if (!moved)
    return false;
  memset(moved + *capacity, 0, (n - *capacity) * sizeof *moved);
  *array = moved;
  *capacity = n;
  return true;
}

static wk_status push(machine *m, wk_py *value) {
  if (m->size >= STACK_LIMIT)
    return BROKEN(m, "the pickle piles up more than %d values", STACK_LIMIT);
  if (m->size == m->capacity && !grow(&m->stack, &m->capacity, m->size + 1))
    return WK_FAIL(m->err, WK_ERR_MEMORY, "not enough memory for the pickle");
  m->stack[m->size++] = value;
  return WK_OK;
}

/* The height below which the current instruction may not reach. */
static size_t floor_of(const machine *m) { return m->marks ? m->mark[m->marks - 1] : 0; }

static wk_py *pop(machine *m) { return m->size > floor_of(m) ? m->stack[--m->size] : NULL; }

static wk_py *top(const machine *m) { return m->size > floor_of(m) ? m->stack[m->size - 1] : NULL; }

static wk_status underflow(machine *m) { return BROKEN(m, "the pickle is broken at its byte %zu", position(m)); }

static wk_status push_mark(machine *m) {
  if (m->marks >= STACK_LIMIT)
    return BROKEN(m, "the pickle nests deeper than any network");
  if (m->marks == m->mark_capacity) {
    size_t n = m->mark_capacity ? m->mark_capacity * 2 : 64;
    size_t *moved = wk_grow(m->mark, m->marks * sizeof *moved, n * sizeof *moved);
    if (!moved)
      return WK_FAIL(m->err, WK_ERR_MEMORY, "not enough memory for the pickle");
    m->mark = moved;
    m->mark_capacity = n;
  }
  m->mark[m->marks++] = m->size;
  return WK_OK;
}

/* Takes everything above the last mark off the stack; the items stay readable until the next push. */
static wk_status pop_mark(wk_py ***items, size_t *n, machine *m) {
  if (!m->marks)
    return underflow(m);
  size_t height = m->mark[--m->marks];
  *items = m->stack + height;
  *n = m->size - height;
  m->size = height;
  return WK_OK;
}

/* ---- making values ---------------------------------------------------------------------------- */

static wk_status push_new(machine *m, wk_py value) {
  wk_py *v = wk_arena_alloc(m->arena, sizeof *v);
  if (!v)
    return wk_py_out_of_memory(m->arena, m->err);
  *v = value;
  return push(m, v);
}

static wk_status push_kind(machine *m, wk_py_kind kind, int64_t integer) {
  return push_new(m, (wk_py){.kind = kind, .as.integer = integer});
}

static wk_status push_text(machine *m, wk_py_kind kind, int length_bytes) {
  uint64_t n = 0;
  WK_RETURN_IF_ERROR(take_number(&n, m, length_bytes));
  const uint8_t *p = take(m, n);
  if (!p)
    return cut_short(m);
  char *copy = wk_arena_alloc(m->arena, (size_t)n + 1);
  if (!copy)
    return wk_py_out_of_memory(m->arena, m->err);
  memcpy(copy, p, (size_t)n);
  copy[n] = 0;
  return push_new(m, (wk_py){.kind = kind, .as.text = {copy, (size_t)n}});
}

/* Two's complement of any length. */
static wk_status push_long(machine *m, int length_bytes) {
  uint64_t n = 0;
  WK_RETURN_IF_ERROR(take_number(&n, m, length_bytes));
  const uint8_t *p = take(m, n);
  if (!p)
    return cut_short(m);
  if (n > 8)
    return push_kind(m, WK_PY_BIG, 0);
  uint64_t x = n && p[n - 1] & 0x80 ? UINT64_MAX : 0;
  for (size_t i = (size_t)n; i-- > 0;)
    x = x << 8 | p[i];
  return push_kind(m, WK_PY_INT, (int64_t)x);
}

static wk_status push_float(machine *m) {
  const uint8_t *p = take(m, 8);
  if (!p)
    return cut_short(m);
  uint64_t bits = 0;
  for (int i = 0; i < 8; i++)
    bits = bits << 8 | p[i];
  wk_py v = {.kind = WK_PY_FLOAT};
  memcpy(&v.as.number, &bits, sizeof bits);
  return push_new(m, v);
}

static wk_status add_items(machine *m, wk_py *list, wk_py *const *items, size_t n) {
  size_t want = list->as.list.size + n;
  if (want > list->as.list.capacity) {
    size_t capacity = want + want / 2;
    wk_py **moved = wk_arena_alloc(m->arena, capacity * sizeof *moved);
    if (!moved)
      return wk_py_out_of_memory(m->arena, m->err);
    if (list->as.list.size)
      memcpy(moved, list->as.list.item, list->as.list.size * sizeof *moved);
    list->as.list.item = moved;
    list->as.list.capacity = capacity;
  }
  if (n)
    memcpy(list->as.list.item + list->as.list.size, items, n * sizeof *items);
  list->as.list.size = want;
  return WK_OK;
}

static wk_status push_tuple(machine *m, wk_py *const *items, size_t n) {
  wk_py *tuple = wk_arena_alloc(m->arena, sizeof *tuple);
  if (!tuple)
    return wk_py_out_of_memory(m->arena, m->err);
  *tuple = (wk_py){.kind = WK_PY_TUPLE};
  WK_RETURN_IF_ERROR(add_items(m, tuple, items, n));
  return push(m, tuple);
}

static wk_status push_tuple_of(machine *m, size_t n) {
  if (m->size - floor_of(m) < n)
    return underflow(m);
  m->size -= n;
  return push_tuple(m, m->stack + m->size, n);
}

/* Puts the last `n` values, or those above the mark, into the list or dict below them. */
static wk_status append_to(machine *m, wk_py_kind kind, wk_py *const *items, size_t n) {
  wk_py *container = top(m);
  if (container && container->kind == WK_PY_OBJECT) {
    container = &container->as.object->items;
    if (container->kind == WK_PY_NONE)
      container->kind = kind;
  }
  if (!container || container->kind != kind || (kind == WK_PY_DICT && n % 2))
    return underflow(m);
  return add_items(m, container, items, n);
}

static wk_status append_last(machine *m, wk_py_kind kind, size_t n) {
  if (m->size - floor_of(m) <= n)
    return underflow(m);
  m->size -= n;
  return append_to(m, kind, m->stack + m->size, n);
}

static wk_status append_marked(machine *m, wk_py_kind kind) {
  wk_py **items = NULL;
  size_t n = 0;
  WK_RETURN_IF_ERROR(pop_mark(&items, &n, m));
  return append_to(m, kind, items, n);
}

/* ---- memo --------------------------------------------------------------------------------------- */

/* Picklers number their memo upwards from 0, so an index beyond the number of steps is nonsense; this bounds it. */
static wk_status memo_put(machine *m, uint64_t index) {
  wk_py *value = top(m);
  if (!value || index > m->steps || index >= MEMO_LIMIT)
    return underflow(m);
  if (index >= m->memo_capacity && !grow(&m->memo, &m->memo_capacity, (size_t)index + 1))
    return WK_FAIL(m->err, WK_ERR_MEMORY, "not enough memory for the pickle");
  if (index >= m->memos)
    m->memos = (size_t)index + 1;
  m->memo[index] = value;
  return WK_OK;
}

static wk_status memo_get(machine *m, uint64_t index) {
  if (index >= m->memos || !m->memo[index])
    return underflow(m);
  return push(m, m->memo[index]);
}

/* ---- names -------------------------------------------------------------------------------------- */

/* A name that is not known stands for itself. */
static wk_status push_class(machine *m, const char *module, const char *name) {
  const size_t n = strlen(module) + strlen(name) + 2;
  char *full = wk_arena_alloc(m->arena, n);
  if (!full)
    return wk_py_out_of_memory(m->arena, m->err);
  snprintf(full, n, "%s.%s", module, name);
  if (!m->foreign)
    m->foreign = full;
  return push_new(m, (wk_py){.kind = WK_PY_CLASS, .as.text = {full, n - 1}});
}

static wk_status push_global(machine *m, const char *module, const char *name) {
  const struct wk_known *known = wk_known_find(module, name);
  return known ? push_new(m, (wk_py){.kind = WK_PY_GLOBAL, .as.global = known}) : push_class(m, module, name);
}

/* A line of the input without its newline, for the instructions that carry names as text. */
static wk_status take_line(char **out, machine *m) {
  const uint8_t *newline = memchr(m->at, '\n', (size_t)(m->end - m->at));
  if (!newline)
    return cut_short(m);
  size_t n = (size_t)(newline - m->at);
  char *line = wk_arena_alloc(m->arena, n + 1);
  if (!line)
    return wk_py_out_of_memory(m->arena, m->err);
  memcpy(line, m->at, n);
  line[n] = 0;
  m->at = newline + 1;
  *out = line;
  return WK_OK;
}

static wk_status global_from_text(machine *m) {
  char *module = NULL, *name = NULL;
  WK_RETURN_IF_ERROR(take_line(&module, m));
  WK_RETURN_IF_ERROR(take_line(&name, m));
  return push_global(m, module, name);
}

static wk_status global_from_stack(machine *m) {
  const wk_py *name = pop(m), *module = pop(m);
  if (!name || !module || name->kind != WK_PY_STR || module->kind != WK_PY_STR)
    return underflow(m);
  return push_global(m, module->as.text.data, name->as.text.data);
}

static wk_status call_with(machine *m, const wk_py *callable, const wk_py *args) {
  wk_py *result = NULL;
  if (!args || !callable || args->kind != WK_PY_TUPLE)
    return underflow(m);
  if (callable->kind == WK_PY_GLOBAL)
    WK_RETURN_IF_ERROR(wk_known_call(&result, m->arena, callable, args, m->err));
  else if (callable->kind == WK_PY_CLASS)
    WK_RETURN_IF_ERROR(wk_py_make_object(&result, m->arena, callable->as.text.data, m->err));
  else if (callable->kind == WK_PY_OBJECT) /* a method, or a function that a call has given */
    WK_RETURN_IF_ERROR(wk_py_make_object(&result, m->arena, callable->as.object->of, m->err));
  else
    return underflow(m);
  return push(m, result);
}

static wk_status call(machine *m) {
  const wk_py *args = pop(m), *callable = pop(m);
  return call_with(m, callable, args);
}

/* With named arguments, which are dropped. */
static wk_status call_named(machine *m) {
  const wk_py *named = pop(m), *args = pop(m), *callable = pop(m);
  return named ? call_with(m, callable, args) : underflow(m);
}

/* Classes of Python 2: OBJ has the class above the mark, INST in the text; then the arguments. */
static wk_status call_marked(machine *m, bool in_text) {
  wk_py **items = NULL, *result = NULL;
  const wk_py *callable;
  size_t n = 0;
  if (in_text) {
    WK_RETURN_IF_ERROR(global_from_text(m));
    callable = pop(m);
    WK_RETURN_IF_ERROR(pop_mark(&items, &n, m));
  } else {
    WK_RETURN_IF_ERROR(pop_mark(&items, &n, m));
    callable = n ? items[0] : NULL;
  }
  if (!callable || callable->kind != WK_PY_CLASS)
    return underflow(m);
  WK_RETURN_IF_ERROR(wk_py_make_object(&result, m->arena, callable->as.text.data, m->err));
  return push(m, result);
}

/* Attributes of an OrderedDict (_metadata) or of a tensor carry no weights: that state is dropped. An object keeps its
 * own; of (state, slots) the first that is a dict. */
static wk_status build(machine *m) {
  const wk_py *state = pop(m);
  wk_py *object = top(m);
  if (!state || !object)
    return underflow(m);
  if (object->kind == WK_PY_OBJECT) {
    for (size_t i = 0; state->kind == WK_PY_TUPLE && i < state->as.list.size; i++)
      if (state->as.list.item[i]->kind == WK_PY_DICT)
        state = state->as.list.item[i];
    object->as.object->state = state;
  } else if (object->kind != WK_PY_DICT && object->kind != WK_PY_TENSOR) {
    return underflow(m);
  }
  return WK_OK;
}

static wk_status persistent(machine *m) {
  const wk_py *id = pop(m);
  wk_py *storage = NULL;
  if (!id)
    return underflow(m);
  WK_RETURN_IF_ERROR(wk_known_storage(&storage, m->storages, m->arena, id, m->err));
  return push(m, storage);
}

/* ---- the loop ----------------------------------------------------------------------------------- */

static wk_status number_then(machine *m, int bytes, wk_status (*then)(machine *m, uint64_t n)) {
  uint64_t n = 0;
  WK_RETURN_IF_ERROR(take_number(&n, m, bytes));
  return then(m, n);
}

static wk_status push_unsigned(machine *m, uint64_t n) { return push_kind(m, WK_PY_INT, (int64_t)n); }

static wk_status push_signed32(machine *m, uint64_t n) { return push_kind(m, WK_PY_INT, (int32_t)(uint32_t)n); }

static wk_status check_protocol(machine *m, uint64_t n) {
  return n <= 5 ? WK_OK : BROKEN(m, "the pickle is of protocol %d; whisker reads 2 to 5", (int)n);
}

static wk_status skip_frame(machine *m, uint64_t n) {
  (void)m, (void)n; /* a hint for buffering */
  return WK_OK;
}

static wk_status step(machine *m, uint8_t op) {
  wk_py **items = NULL;
  size_t n = 0;
  switch (op) {
  case 0x80: /* PROTO */
    return number_then(m, 1, check_protocol);
  case 0x95: /* FRAME */
    return number_then(m, 8, skip_frame);
  case '(': /* MARK */
    return push_mark(m);
  case '0': /* POP */
    if (m->size == floor_of(m) && m->marks) {
      m->marks--;
      return WK_OK;
    }
    return pop(m) ? WK_OK : underflow(m);
  case '1': /* POP_MARK */
    return pop_mark(&items, &n, m);
  case '2': /* DUP */
    return top(m) ? push(m, top(m)) : underflow(m);
  case 'N': /* NONE */
    return push_kind(m, WK_PY_NONE, 0);
  case 0x88: /* NEWTRUE */
    return push_kind(m, WK_PY_BOOL, 1);
  case 0x89: /* NEWFALSE */
    return push_kind(m, WK_PY_BOOL, 0);
  case 'J': /* BININT */
    return number_then(m, 4, push_signed32);
  case 'K': /* BININT1 */
    return number_then(m, 1, push_unsigned);
  case 'M': /* BININT2 */
    return number_then(m, 2, push_unsigned);
  case 0x8a: /* LONG1 */
    return push_long(m, 1);
  case 0x8b: /* LONG4 */
    return push_long(m, 4);
  case 'G': /* BINFLOAT */
    return push_float(m);
  case 'X': /* BINUNICODE */
  case 'T': /* BINSTRING: Python 2's str */
    return push_text(m, WK_PY_STR, 4);
  case 'U':  /* SHORT_BINSTRING */
  case 0x8c: /* SHORT_BINUNICODE */
    return push_text(m, WK_PY_STR, 1);
  case 0x8d: /* BINUNICODE8 */
    return push_text(m, WK_PY_STR, 8);
  case 'C': /* SHORT_BINBYTES */
    return push_text(m, WK_PY_BYTES, 1);
  case 'B': /* BINBYTES */
    return push_text(m, WK_PY_BYTES, 4);
  case 0x8e: /* BINBYTES8 */
  case 0x96: /* BYTEARRAY8 */
    return push_text(m, WK_PY_BYTES, 8);
  case 0x8f: /* EMPTY_SET: its order is the file's */
  case ']':  /* EMPTY_LIST */
    return push_new(m, (wk_py){.kind = WK_PY_LIST});
  case '}': /* EMPTY_DICT */
    return push_new(m, (wk_py){.kind = WK_PY_DICT});
  case ')': /* EMPTY_TUPLE */
    return push_new(m, (wk_py){.kind = WK_PY_TUPLE});
  case 'a': /* APPEND */
    return append_last(m, WK_PY_LIST, 1);
  case 0x90: /* ADDITEMS, to a set */
  case 'e':  /* APPENDS */
    return append_marked(m, WK_PY_LIST);
  case 's': /* SETITEM */
    return append_last(m, WK_PY_DICT, 2);
  case 'u': /* SETITEMS */
    return append_marked(m, WK_PY_DICT);
  case 0x91: /* FROZENSET */
  case 't':  /* TUPLE */
    WK_RETURN_IF_ERROR(pop_mark(&items, &n, m));
    return push_tuple(m, items, n);
  case 0x85: /* TUPLE1 */
  case 0x86: /* TUPLE2 */
  case 0x87: /* TUPLE3 */
    return push_tuple_of(m, (size_t)op - 0x84);
  case 'q': /* BINPUT */
    return number_then(m, 1, memo_put);
  case 'r': /* LONG_BINPUT */
    return number_then(m, 4, memo_put);
  case 0x94: /* MEMOIZE */
    return memo_put(m, m->memos);
  case 'h': /* BINGET */
    return number_then(m, 1, memo_get);
  case 'j': /* LONG_BINGET */
    return number_then(m, 4, memo_get);
  case 'c': /* GLOBAL */
    return global_from_text(m);
  case 0x93: /* STACK_GLOBAL */
    return global_from_stack(m);
  case 'i': /* INST */
  case 'o': /* OBJ */
    return call_marked(m, op == 'i');
  case 'R':  /* REDUCE */
  case 0x81: /* NEWOBJ */
    return call(m);
  case 0x92: /* NEWOBJ_EX */
    return call_named(m);
  case 'b': /* BUILD */
    return build(m);
  case 'Q': /* BINPERSID */
    return persistent(m);
  default:
    return BROKEN(m, "the pickle holds instruction 0x%02x at its byte %zu, which torch.save does not write", op,
                  position(m) - 1);
  }
}

wk_status wk_unpickle(wk_py **out, size_t *used, wk_py_storage **storages, const char **foreign, wk_arena *arena,
                      const uint8_t *bytes, size_t size, wk_error *err) {
  machine m = {.start = bytes, .at = bytes, .end = bytes + size, .arena = arena, .storages = storages, .err = err};
  wk_status st = WK_OK;
  /* So that a pointer into the stack is one even when nothing is on it. */
  WK_FAIL_IF(!grow(&m.stack, &m.capacity, 1), err, WK_ERR_MEMORY, "not enough memory for the pickle");
  for (;; m.steps++) {
    const uint8_t *op = take(&m, 1);
    if (!op) {
      st = cut_short(&m);
      goto done;
    }
    if (*op == '.')
      break;
    WK_TRY(step(&m, *op));
  }
  if (m.marks || m.size != 1) {
    st = underflow(&m);
    goto done;
  }
  *out = m.stack[0];
  *used = position(&m);
  if (foreign && m.foreign)
    *foreign = m.foreign;
done:
  wk_free(m.stack);
  wk_free(m.mark);
  wk_free(m.memo);
  return st;
}

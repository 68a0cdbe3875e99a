/* fold.c - see fold.h. Constants are computed as 64-bit integers or floats, whichever the file's are. */
#include "import/fold.h"

#include <math.h>
#include <string.h>

typedef struct array { /* of the arena */
  int ndim;
  int64_t side[WK_MAX_DIMS];
  int64_t count;
  const int64_t *ints; /* one of the two */
  const float *floats;
} array;

static bool is_whole(wk_dtype d) { return d != WK_F32 && d != WK_F64 && d != WK_F16 && d != WK_BF16; }

static wk_status load(array *a, wk_ir *ir, int value, wk_error *err) {
  const wk_ir_value *v = &ir->value[value];
  *a = (array){.ndim = v->ndim, .count = wk_ir_count(v)};
  memcpy(a->side, v->shape, sizeof a->side);
  return is_whole(v->dtype) ? wk_ir_read_ints(&a->ints, ir, value, err) : wk_ir_read_floats(&a->floats, ir, value, err);
}

/* Memory for a result of that shape, of integers or floats like `like`. */
static wk_status make(array *out, void **memory, wk_ir *ir, int ndim, const int64_t *side, bool whole, wk_error *err) {
  *out = (array){.ndim = ndim, .count = wk_tensor_count(ndim, side)};
  if (ndim > WK_MAX_DIMS || out->count < 0)
    return WK_FAIL(err, WK_ERR_FORMAT, "computes a constant of an impossible shape");
  if (ndim)
    memcpy(out->side, side, (size_t)ndim * sizeof *side);
  WK_RETURN_IF_ERROR(wk_ir_alloc(memory, ir, (size_t)out->count, whole ? sizeof(int64_t) : sizeof(float), err));
  if (whole)
    out->ints = *memory;
  else
    out->floats = *memory;
  return WK_OK;
}

static void become(wk_ir *ir, int value, const array *a) {
  wk_ir_value *v = &ir->value[value];
  v->ndim = a->ndim;
  memcpy(v->shape, a->side, sizeof v->shape);
  v->dtype = a->ints ? WK_I64 : WK_F32;
  v->data = a->ints ? (const void *)a->ints : (const void *)a->floats;
}

static double at(const array *a, int64_t i) { return a->ints ? (double)a->ints[i] : (double)a->floats[i]; }

wk_status wk_fold_axis(int *out, int64_t axis, int ndim, wk_error *err) {
  if (axis < -ndim || axis >= ndim)
    return WK_FAIL(err, WK_ERR_FORMAT, "axis %lld of something that has %d", (long long)axis, ndim);
  *out = (int)(axis < 0 ? axis + ndim : axis);
  return WK_OK;
}

wk_status wk_fold_target(int64_t *out, const int64_t *shape, int ndim, const int64_t *from, int from_ndim,
                         bool allow_zero, wk_error *err) {
  int64_t known = 1, all = wk_tensor_count(from_ndim, from);
  int open = -1;
  if (ndim > WK_MAX_DIMS || all < 0)
    return WK_FAIL(err, WK_ERR_FORMAT, "a shape of %d sides", ndim);
  for (int i = 0; i < ndim; i++) {
    out[i] = shape[i] == 0 && !allow_zero ? (i < from_ndim ? from[i] : 0) : shape[i];
    if (out[i] == -1 && open < 0)
      open = i;
    else if (out[i] < 0 || __builtin_mul_overflow(known, out[i], &known))
      return WK_FAIL(err, WK_ERR_FORMAT, "a shape with a side of %lld", (long long)out[i]);
  }
  if (open >= 0)
    out[open] = known > 0 ? all / known : 0;
  if (open >= 0 ? known <= 0 || all % known : known != all)
    return WK_FAIL(err, WK_ERR_FORMAT, "%lld values cannot take the shape that is asked for", (long long)all);
  return WK_OK;
}

/* ---- two operands ------------------------------------------------------------------------------ */

typedef enum math {
  MATH_NONE = 0,
  MATH_ADD,
  MATH_SUB,
  MATH_MUL,
  MATH_DIV,
  MATH_POW,
  MATH_MIN,
  MATH_MAX,
  MATH_EQUAL
} math;

static math math_of(const char *type) {
  static const struct {
    const char *type;
    math m;
  } known[] = {{"Add", MATH_ADD}, {"Sum", MATH_ADD}, {"Sub", MATH_SUB}, {"Mul", MATH_MUL},    {"Div", MATH_DIV},
               {"Pow", MATH_POW}, {"Min", MATH_MIN}, {"Max", MATH_MAX}, {"Equal", MATH_EQUAL}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strcmp(type, known[i].type) == 0)
      return known[i].m;
  return MATH_NONE;
}

static int64_t whole_math(math m, int64_t a, int64_t b) {
  int64_t r = 0;
  switch (m) {
  case MATH_ADD:
    return __builtin_add_overflow(a, b, &r) ? 0 : r;
  case MATH_SUB:
    return __builtin_sub_overflow(a, b, &r) ? 0 : r;
  case MATH_MUL:
    return __builtin_mul_overflow(a, b, &r) ? 0 : r;
  case MATH_DIV:
    return b == 0 || (a == INT64_MIN && b == -1) ? 0 : a / b;
  case MATH_MIN:
    return a < b ? a : b;
  case MATH_MAX:
    return a > b ? a : b;
  case MATH_EQUAL:
    return a == b;
  default:
    return 0;
  }
}

static float float_math(math m, float a, float b) {
  switch (m) {
  case MATH_ADD:
    return a + b;
  case MATH_SUB:
    return a - b;
  case MATH_MUL:
    return a * b;
  case MATH_DIV:
    return a / b;
  case MATH_POW:
    return powf(a, b);
  case MATH_MIN:
    return a < b ? a : b;
  case MATH_MAX:
    return a > b ? a : b;
  default:
    return a == b;
  }
}

/* The element of `a` that stands at index `i` of the broadcast shape. */
static int64_t broadcast_index(const array *a, int64_t i, int ndim, const int64_t *side) {
  int64_t index = 0, step = 1;
  for (int k = ndim - 1; k >= 0; k--) {
    const int64_t at_k = i % side[k];
    const int d = k - (ndim - a->ndim);
    i /= side[k];
    if (d < 0)
      continue;
    index += a->side[d] == 1 ? 0 : at_k * step;
    step *= a->side[d];
  }
  return index;
}

static wk_status fold_math(wk_ir *ir, const wk_ir_op *op, math m, wk_error *err) {
  array a, b, r;
  void *memory = NULL;
  WK_RETURN_IF_ERROR(load(&a, ir, op->in[0], err));
  for (int n = 1; n < op->ins; n++) {
    int64_t side[WK_MAX_DIMS];
    WK_RETURN_IF_ERROR(load(&b, ir, op->in[n], err));
    const int ndim = a.ndim > b.ndim ? a.ndim : b.ndim;
    for (int k = 0; k < ndim; k++) {
      const int i = k - (ndim - a.ndim), j = k - (ndim - b.ndim);
      const int64_t x = i < 0 ? 1 : a.side[i], y = j < 0 ? 1 : b.side[j];
      if (x != y && x != 1 && y != 1)
        return WK_FAIL(err, WK_ERR_FORMAT, "constants of shapes that do not go together");
      side[k] = x == 1 ? y : x;
    }
    const bool whole = a.ints && b.ints && m != MATH_POW;
    WK_RETURN_IF_ERROR(make(&r, &memory, ir, ndim, side, whole, err));
    for (int64_t i = 0; i < r.count; i++) {
      const int64_t x = broadcast_index(&a, i, ndim, side), y = broadcast_index(&b, i, ndim, side);
      if (whole)
        ((int64_t *)memory)[i] = whole_math(m, a.ints[x], b.ints[y]);
      else
        ((float *)memory)[i] = float_math(m, (float)at(&a, x), (float)at(&b, y));
    }
    a = r;
  }
  become(ir, op->out[0], &a);
  return WK_OK;
}

/* ---- one operand -------------------------------------------------------------------------------- */

static float one_math(const char *type, float x) {
  switch (type[0]) {
  case 'N':
    return -x;
  case 'A':
    return fabsf(x);
  case 'S':
    return sqrtf(x);
  case 'R':
    return 1 / x;
  case 'F':
    return floorf(x);
  case 'C':
    return ceilf(x);
  default:
    return expf(x);
  }
}

static bool is_one_math(const char *type) {
  static const char *const known[] = {"Neg", "Abs", "Sqrt", "Reciprocal", "Floor", "Ceil", "Exp"};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strcmp(type, known[i]) == 0)
      return true;
  return false;
}

static wk_status fold_one(wk_ir *ir, const wk_ir_op *op, wk_error *err) {
  array a, r;
  void *memory = NULL;
  WK_RETURN_IF_ERROR(load(&a, ir, op->in[0], err));
  WK_RETURN_IF_ERROR(make(&r, &memory, ir, a.ndim, a.side, a.ints != NULL, err));
  for (int64_t i = 0; i < a.count; i++)
    if (a.ints)
      ((int64_t *)memory)[i] = op->type[0] == 'N' ? whole_math(MATH_SUB, 0, a.ints[i]) : a.ints[i];
    else
      ((float *)memory)[i] = one_math(op->type, a.floats[i]);
  become(ir, op->out[0], &r);
  return WK_OK;
}

/* ONNX's type numbers: 1 float, 10 half, 11 double, 16 bfloat16 are not whole. */
static wk_status fold_cast(wk_ir *ir, const wk_ir_op *op, wk_error *err) {
  const int64_t to = wk_ir_int(op, "to", 1);
  const bool whole = !(to == 1 || to == 10 || to == 11 || to == 16);
  array r = {0};
  wk_ir_value *in = &ir->value[op->in[0]];
  r.ndim = in->ndim;
  memcpy(r.side, in->shape, sizeof r.side);
  WK_RETURN_IF_ERROR(whole ? wk_ir_read_ints(&r.ints, ir, op->in[0], err)
                           : wk_ir_read_floats(&r.floats, ir, op->in[0], err));
  become(ir, op->out[0], &r);
  return WK_OK;
}

/* ---- shapes ------------------------------------------------------------------------------------- */

static wk_status fold_view(wk_ir *ir, const wk_ir_op *op, int ndim, const int64_t *side, wk_error *err) {
  const wk_ir_value from = ir->value[op->in[0]];
  wk_ir_value *to = &ir->value[op->out[0]];
  if (wk_tensor_count(ndim, side) != wk_ir_count(&from))
    return WK_FAIL(err, WK_ERR_FORMAT, "'%.200s' cannot take its new shape", from.name);
  const char *name = to->name;
  *to = from;
  to->name = name;
  to->ndim = ndim;
  if (ndim)
    memcpy(to->shape, side, (size_t)ndim * sizeof *side);
  return WK_OK;
}

static wk_status fold_reshape(wk_ir *ir, const wk_ir_op *op, wk_error *err) {
  const wk_ir_value *from = &ir->value[op->in[0]];
  const int64_t *shape = NULL;
  int64_t side[WK_MAX_DIMS];
  int n;
  const wk_ir_attr *a = wk_ir_find(op, "shape");
  if (op->ins > 1) {
    WK_RETURN_IF_ERROR(wk_ir_read_ints(&shape, ir, op->in[1], err));
    n = (int)wk_ir_count(&ir->value[op->in[1]]);
  } else if (a && a->kind == WK_IR_INTS) {
    shape = a->ints;
    n = (int)a->count;
  } else {
    return WK_FAIL(err, WK_ERR_FORMAT, "a Reshape without a shape");
  }
  from = &ir->value[op->in[0]];
  WK_RETURN_IF_ERROR(wk_fold_target(side, shape, n, from->shape, from->ndim, wk_ir_int(op, "allowzero", 0) != 0, err));
  return fold_view(ir, op, n, side, err);
}

/* Axes from the second input or the attribute; *n < 0: none are given. */
static wk_status axes_of(const int64_t **axes, int *n, wk_ir *ir, const wk_ir_op *op, wk_error *err) {
  const wk_ir_attr *a = wk_ir_find(op, "axes");
  *n = -1;
  if (a && a->kind == WK_IR_INTS) {
    *axes = a->ints;
    *n = (int)a->count;
  } else if (op->ins > 1 && op->in[1] >= 0) {
    WK_RETURN_IF_ERROR(wk_ir_read_ints(axes, ir, op->in[1], err));
    *n = (int)wk_ir_count(&ir->value[op->in[1]]);
  }
  return *n > WK_MAX_DIMS ? WK_FAIL(err, WK_ERR_FORMAT, "%d axes", *n) : WK_OK;
}

static wk_status fold_squeeze(wk_ir *ir, const wk_ir_op *op, bool add, wk_error *err) {
  const int64_t *axes = NULL;
  int n;
  WK_RETURN_IF_ERROR(axes_of(&axes, &n, ir, op, err));
  const wk_ir_value *from = &ir->value[op->in[0]];
  const int ndim = add ? from->ndim + n : from->ndim;
  bool marked[WK_MAX_DIMS] = {false};
  int64_t side[WK_MAX_DIMS];
  int left = 0, next = 0;
  if (ndim > WK_MAX_DIMS || (add && n < 0))
    return WK_FAIL(err, WK_ERR_FORMAT, "too many sides");
  for (int i = 0; i < n; i++) {
    int axis = 0;
    WK_RETURN_IF_ERROR(wk_fold_axis(&axis, axes[i], ndim, err));
    marked[axis] = true;
  }
  for (int i = 0; i < ndim; i++)
    if (add)
      side[left++] = marked[i] ? 1 : next < from->ndim ? from->shape[next++] : 1;
    else if (n < 0 ? from->shape[i] != 1 : !marked[i])
      side[left++] = from->shape[i];
  return fold_view(ir, op, left, side, err);
}

static wk_status fold_transpose(wk_ir *ir, const wk_ir_op *op, wk_error *err) {
  array a, r;
  void *memory = NULL;
  WK_RETURN_IF_ERROR(load(&a, ir, op->in[0], err));
  const wk_ir_attr *p = wk_ir_find(op, "perm");
  int perm[WK_MAX_DIMS];
  int64_t side[WK_MAX_DIMS], step[WK_MAX_DIMS], index[WK_MAX_DIMS] = {0}, stride = 1;
  bool seen[WK_MAX_DIMS] = {false};
  if (p && (p->kind != WK_IR_INTS || p->count != (size_t)a.ndim))
    return WK_FAIL(err, WK_ERR_FORMAT, "a Transpose of another number of sides");
  for (int i = 0; i < a.ndim; i++) {
    WK_RETURN_IF_ERROR(wk_fold_axis(&perm[i], p ? p->ints[i] : a.ndim - 1 - i, a.ndim, err));
    if (seen[perm[i]])
      return WK_FAIL(err, WK_ERR_FORMAT, "a Transpose that takes a side twice");
    seen[perm[i]] = true;
    side[i] = a.side[perm[i]];
  }
  for (int i = a.ndim - 1; i >= 0; i--) {
    for (int k = 0; k < a.ndim; k++)
      if (perm[k] == i)
        step[k] = stride;
    stride *= a.side[i];
  }
  WK_RETURN_IF_ERROR(make(&r, &memory, ir, a.ndim, side, a.ints != NULL, err));
  int64_t from = 0;
  for (int64_t i = 0; i < r.count; i++) {
    if (a.ints)
      ((int64_t *)memory)[i] = a.ints[from];
    else
      ((float *)memory)[i] = a.floats[from];
    for (int k = a.ndim - 1; k >= 0; k--) {
      from += step[k];
      if (++index[k] < side[k])
        break;
      from -= step[k] * side[k];
      index[k] = 0;
    }
  }
  become(ir, op->out[0], &r);
  return WK_OK;
}

static wk_status fold_concat(wk_ir *ir, const wk_ir_op *op, wk_error *err) {
  array r, a;
  void *memory = NULL;
  int axis = 0;
  int64_t side[WK_MAX_DIMS], outer = 1, at_out = 0;
  bool whole = true;
  WK_RETURN_IF_ERROR(load(&a, ir, op->in[0], err));
  WK_RETURN_IF_ERROR(wk_fold_axis(&axis, wk_ir_int(op, "axis", 0), a.ndim, err));
  const int ndim = a.ndim;
  memcpy(side, a.side, sizeof side);
  side[axis] = 0;
  for (int i = 0; i < op->ins; i++) {
    WK_RETURN_IF_ERROR(load(&a, ir, op->in[i], err));
    whole &= a.ints != NULL;
    if (a.ndim != ndim)
      return WK_FAIL(err, WK_ERR_FORMAT, "a Concat of shapes that do not go together");
    for (int k = 0; k < a.ndim; k++)
      if (k != axis && a.side[k] != side[k])
        return WK_FAIL(err, WK_ERR_FORMAT, "a Concat of shapes that do not go together");
    side[axis] += a.side[axis];
  }
  WK_RETURN_IF_ERROR(make(&r, &memory, ir, a.ndim, side, whole, err));
  for (int k = 0; k < axis; k++)
    outer *= side[k];
  const int64_t row = outer > 0 ? r.count / outer : 0;
  for (int i = 0; i < op->ins; i++) {
    WK_RETURN_IF_ERROR(load(&a, ir, op->in[i], err));
    const int64_t part = outer > 0 ? a.count / outer : 0;
    for (int64_t o = 0; o < outer; o++)
      for (int64_t k = 0; k < part; k++)
        if (whole)
          ((int64_t *)memory)[o * row + at_out + k] = a.ints[o * part + k];
        else
          ((float *)memory)[o * row + at_out + k] = (float)at(&a, o * part + k);
    at_out += part;
  }
  become(ir, op->out[0], &r);
  return WK_OK;
}

static wk_status fold_gather(wk_ir *ir, const wk_ir_op *op, wk_error *err) {
  array a, n, r;
  void *memory = NULL;
  int axis = 0;
  int64_t side[2 * WK_MAX_DIMS], outer = 1, inner = 1;
  WK_RETURN_IF_ERROR(load(&a, ir, op->in[0], err));
  WK_RETURN_IF_ERROR(load(&n, ir, op->in[1], err));
  WK_RETURN_IF_ERROR(wk_fold_axis(&axis, wk_ir_int(op, "axis", 0), a.ndim, err));
  if (!n.ints)
    return WK_FAIL(err, WK_ERR_FORMAT, "a Gather by numbers that are not whole");
  int ndim = 0;
  for (int k = 0; k < axis; k++)
    outer *= side[ndim++] = a.side[k];
  for (int k = 0; k < n.ndim; k++)
    side[ndim++] = n.side[k];
  for (int k = axis + 1; k < a.ndim; k++)
    inner *= side[ndim++] = a.side[k];
  WK_RETURN_IF_ERROR(make(&r, &memory, ir, ndim, side, a.ints != NULL, err));
  for (int64_t o = 0; o < outer; o++)
    for (int64_t k = 0; k < n.count; k++) {
      const int64_t which = n.ints[k] < 0 ? n.ints[k] + a.side[axis] : n.ints[k];
      if (which < 0 || which >= a.side[axis])
        return WK_FAIL(err, WK_ERR_FORMAT, "a Gather of element %lld of %lld", (long long)n.ints[k],
                       (long long)a.side[axis]);
      for (int64_t i = 0; i < inner; i++)
        if (a.ints)
          ((int64_t *)memory)[(o * n.count + k) * inner + i] = a.ints[(o * a.side[axis] + which) * inner + i];
        else
          ((float *)memory)[(o * n.count + k) * inner + i] = a.floats[(o * a.side[axis] + which) * inner + i];
    }
  become(ir, op->out[0], &r);
  return WK_OK;
}

/* Along the first side of a list only: what programs that compute shapes do. */
static wk_status fold_slice(bool *done, wk_ir *ir, const wk_ir_op *op, wk_error *err) {
  array a, r;
  void *memory = NULL;
  const int64_t *starts, *ends, *steps = NULL;
  WK_RETURN_IF_ERROR(load(&a, ir, op->in[0], err));
  const wk_ir_attr *s = wk_ir_find(op, "starts"), *e = wk_ir_find(op, "ends");
  if (a.ndim != 1 || (!(s && e) && op->ins < 3))
    return WK_OK;
  if (s && e) {
    if (s->kind != WK_IR_INTS || e->kind != WK_IR_INTS || s->count != 1 || e->count != 1)
      return WK_OK;
    starts = s->ints;
    ends = e->ints;
  } else {
    if (wk_ir_count(&ir->value[op->in[1]]) != 1 || wk_ir_count(&ir->value[op->in[2]]) != 1)
      return WK_OK;
    WK_RETURN_IF_ERROR(wk_ir_read_ints(&starts, ir, op->in[1], err));
    WK_RETURN_IF_ERROR(wk_ir_read_ints(&ends, ir, op->in[2], err));
    if (op->ins > 4 && op->in[4] >= 0 && wk_ir_count(&ir->value[op->in[4]]) == 1)
      WK_RETURN_IF_ERROR(wk_ir_read_ints(&steps, ir, op->in[4], err));
  }
  int64_t first = *starts, last = *ends, n = a.side[0];
  first = first < 0 ? first + n : first;
  last = last < 0 ? last + n : last;
  first = first < 0 ? 0 : first > n ? n : first;
  last = last < first ? first : last > n ? n : last;
  if (steps && *steps != 1)
    return WK_OK;
  const int64_t count = last - first;
  WK_RETURN_IF_ERROR(make(&r, &memory, ir, 1, &count, a.ints != NULL, err));
  for (int64_t i = 0; i < count; i++)
    if (a.ints)
      ((int64_t *)memory)[i] = a.ints[first + i];
    else
      ((float *)memory)[i] = a.floats[first + i];
  become(ir, op->out[0], &r);
  *done = true;
  return WK_OK;
}

/* ConstantOfShape, and Expand of a single number. */
static wk_status fold_fill(wk_ir *ir, const wk_ir_op *op, bool expand, wk_error *err) {
  const int shape_at = expand ? 1 : 0, fill_at = expand ? 0 : 1;
  const int64_t *shape = NULL;
  array fill = {.count = 1, .floats = &(float){0}}, r;
  void *memory = NULL;
  WK_RETURN_IF_ERROR(wk_ir_read_ints(&shape, ir, op->in[shape_at], err));
  if (op->ins > fill_at)
    WK_RETURN_IF_ERROR(load(&fill, ir, op->in[fill_at], err));
  if (fill.count != 1)
    return WK_FAIL(err, WK_ERR_UNSUPPORTED, "fills with more than one number");
  const int64_t n = wk_ir_count(&ir->value[op->in[shape_at]]);
  if (n > WK_MAX_DIMS)
    return WK_FAIL(err, WK_ERR_FORMAT, "a constant of %lld sides", (long long)n);
  WK_RETURN_IF_ERROR(make(&r, &memory, ir, (int)n, shape, fill.ints != NULL, err));
  for (int64_t i = 0; i < r.count; i++)
    if (fill.ints)
      ((int64_t *)memory)[i] = fill.ints[0];
    else
      ((float *)memory)[i] = fill.floats[0];
  become(ir, op->out[0], &r);
  return WK_OK;
}

/* (q - zero) * scale, of the whole or along an axis. */
static wk_status fold_dequantize(wk_ir *ir, const wk_ir_op *op, wk_error *err) {
  array q, zero = {0}, r;
  const float *scale = NULL;
  void *memory = NULL;
  WK_RETURN_IF_ERROR(load(&q, ir, op->in[0], err));
  WK_RETURN_IF_ERROR(wk_ir_read_floats(&scale, ir, op->in[1], err));
  const int64_t scales = wk_ir_count(&ir->value[op->in[1]]);
  if (op->ins > 2 && op->in[2] >= 0)
    WK_RETURN_IF_ERROR(load(&zero, ir, op->in[2], err));
  int64_t inner = q.count;
  if (scales > 1) {
    int axis = 0;
    WK_RETURN_IF_ERROR(wk_fold_axis(&axis, wk_ir_int(op, "axis", 1), q.ndim, err));
    if (q.side[axis] != scales)
      return WK_FAIL(err, WK_ERR_UNSUPPORTED, "%lld scales for %lld channels", (long long)scales,
                     (long long)q.side[axis]);
    inner = 1;
    for (int k = axis + 1; k < q.ndim; k++)
      inner *= q.side[k];
  }
  if (scales < 1 || (zero.count > 0 && zero.count != scales) || inner < 1)
    return WK_FAIL(err, WK_ERR_FORMAT, "a quantised constant without fitting scales");
  WK_RETURN_IF_ERROR(make(&r, &memory, ir, q.ndim, q.side, false, err));
  for (int64_t i = 0; i < q.count; i++) {
    const int64_t c = scales > 1 ? i / inner % scales : 0;
    ((float *)memory)[i] = (float)((at(&q, i) - (zero.count > 0 ? at(&zero, c) : 0)) * (double)scale[c]);
  }
  become(ir, op->out[0], &r);
  return WK_OK;
}

/* ---- the table ---------------------------------------------------------------------------------- */

wk_status wk_fold(bool *done, wk_ir *ir, const wk_ir_op *op, wk_error *err) {
  const char *t = op->type;
  *done = false;
  if (!op->ins || op->outs < 1)
    return WK_OK;
  const bool optional = strcmp(t, "Slice") == 0 || strcmp(t, "DequantizeLinear") == 0; /* inputs behind the second */
  for (int i = 0; i < op->ins; i++)
    if (op->in[i] < 0 ? !optional || i < 2 : !ir->value[op->in[i]].data || wk_ir_count(&ir->value[op->in[i]]) < 0)
      return WK_OK;
  const math m = math_of(t);
  if (strcmp(t, "Slice") == 0)
    return fold_slice(done, ir, op, err);
  *done = true;
  if (m)
    return fold_math(ir, op, m, err);
  if (is_one_math(t))
    return fold_one(ir, op, err);
  if (strcmp(t, "Cast") == 0)
    return fold_cast(ir, op, err);
  if (strcmp(t, "Identity") == 0)
    return fold_view(ir, op, ir->value[op->in[0]].ndim, ir->value[op->in[0]].shape, err);
  if (strcmp(t, "Reshape") == 0)
    return fold_reshape(ir, op, err);
  if (strcmp(t, "Squeeze") == 0 || strcmp(t, "Unsqueeze") == 0)
    return fold_squeeze(ir, op, t[0] == 'U', err);
  if (strcmp(t, "Transpose") == 0)
    return fold_transpose(ir, op, err);
  if (strcmp(t, "Concat") == 0)
    return fold_concat(ir, op, err);
  if (strcmp(t, "Gather") == 0 && op->ins == 2)
    return fold_gather(ir, op, err);
  if (strcmp(t, "ConstantOfShape") == 0)
    return fold_fill(ir, op, false, err);
  if (strcmp(t, "Expand") == 0 && op->ins == 2 && wk_ir_count(&ir->value[op->in[0]]) == 1)
    return fold_fill(ir, op, true, err);
  if (strcmp(t, "DequantizeLinear") == 0 && op->ins >= 2)
    return fold_dequantize(ir, op, err);
  *done = false;
  return WK_OK;
}

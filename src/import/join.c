/* join.c - operations that a file has in pieces become one: GELU as products around an Erf, and layer norm as means,
 * differences and a root. The last piece takes the whole's name and inputs; the others are then read by nobody. Scales
 * and shifts behind a layer norm stay as they are. */
#include <math.h>
#include <string.h>

#include "import/ir.h"
#include "import/lower.h"

typedef struct joiner {
  wk_ir *ir;
  int *maker; /* [values] the operation that makes it; -1: none */
  int *users; /* [values] */
  int *user;  /* [values] the last of them */
} joiner;

static bool is(const wk_ir_op *op, const char *type) { return op && strcmp(op->type, type) == 0; }

static wk_ir_op *maker_of(const joiner *j, int value) {
  return value < 0 || j->maker[value] < 0 ? NULL : &j->ir->op[j->maker[value]];
}

/* The one operation that reads it. */
static wk_ir_op *user_of(const joiner *j, int value) {
  return j->users[value] == 1 ? &j->ir->op[j->user[value]] : NULL;
}

/* Is it a constant of one number, `want` within a thousandth? */
static bool number(const joiner *j, int value, double want, wk_error *err) {
  const float *data = NULL;
  if (value < 0 || !j->ir->value[value].data || wk_ir_count(&j->ir->value[value]) != 1 ||
      wk_ir_read_floats(&data, j->ir, value, err) != WK_OK)
    return false;
  return fabs((double)*data - want) <= 1e-3 * fabs(want);
}

/* The other input of an operation of two; -1: it does not read `value`. */
static int other(const wk_ir_op *op, int value) {
  return !op || op->ins != 2 ? -1 : op->in[0] == value ? op->in[1] : op->in[1] == value ? op->in[0] : -1;
}

/* Is it in[0] divided by `by`, or multiplied with its inverse? *x is the other value. */
static bool divided(const joiner *j, const wk_ir_op *op, double by, int *x, wk_error *err) {
  if (!op || op->ins != 2)
    return false;
  if (is(op, "Div") && number(j, op->in[1], by, err)) {
    *x = op->in[0];
    return true;
  }
  for (int k = 0; is(op, "Mul") && k < 2; k++)
    if (number(j, op->in[1 - k], 1 / by, err)) {
      *x = op->in[k];
      return true;
    }
  return false;
}

static void become(wk_ir_op *op, const char *type, int x) {
  op->type = type;
  op->in[0] = x;
  op->ins = 1;
}

/* x / sqrt(2), Erf, plus 1, times x, halved anywhere. */
static void join_gelu(const joiner *j, const wk_ir_op *erf, wk_error *err) {
  int x = -1, half = -1;
  if (!divided(j, maker_of(j, erf->in[0]), sqrt(2), &x, err))
    return;
  const wk_ir_op *plus = user_of(j, erf->out[0]);
  if (!is(plus, "Add") || !number(j, other(plus, erf->out[0]), 1, err))
    return;
  wk_ir_op *product = user_of(j, plus->out[0]);
  const int factor = other(product, plus->out[0]);
  if (!is(product, "Mul") || factor < 0)
    return;
  if (divided(j, maker_of(j, factor), 2, &half, err) && half == x) {
    become(product, "Gelu", x);
    return;
  }
  if (number(j, factor, 0.5, err)) { /* halved first */
    wk_ir_op *last = user_of(j, product->out[0]);
    if (is(last, "Mul") && other(last, product->out[0]) == x)
      become(last, "Gelu", x);
    return;
  }
  wk_ir_op *last = user_of(j, product->out[0]);
  if (factor == x && divided(j, last, 2, &half, err) && half == product->out[0])
    become(last, "Gelu", x);
}

/* The one side that a mean is taken over. */
static bool mean_axis(const joiner *j, const wk_ir_op *op, int64_t *axis, wk_error *err) {
  const wk_ir_attr *a = op ? wk_ir_find(op, "axes") : NULL;
  const int64_t *axes = a && a->kind == WK_IR_INTS ? a->ints : NULL;
  if (!is(op, "ReduceMean") || !wk_ir_int(op, "keepdims", 1))
    return false;
  if (axes && a->count == 1) {
    *axis = *axes;
    return true;
  }
  if (axes || op->ins < 2 || op->in[1] < 0 || !j->ir->value[op->in[1]].data ||
      wk_ir_count(&j->ir->value[op->in[1]]) != 1 || wk_ir_read_ints(&axes, j->ir, op->in[1], err) != WK_OK)
    return false;
  *axis = *axes;
  return true;
}

static bool squares(const joiner *j, const wk_ir_op *op, int d, wk_error *err) {
  return (is(op, "Pow") && op->ins == 2 && op->in[0] == d && number(j, op->in[1], 2, err)) ||
         (is(op, "Mul") && op->ins == 2 && op->in[0] == d && op->in[1] == d);
}

/* With d = x - mean(x): d / sqrt(mean(d^2) + eps). */
static wk_status join_norm(const joiner *j, wk_ir_op *quotient, wk_error *err) {
  const float *eps = NULL;
  int64_t axis = 0, again = 0;
  if (quotient->ins != 2)
    return WK_OK;
  const int d = quotient->in[0];
  const wk_ir_op *difference = maker_of(j, d), *root = maker_of(j, quotient->in[1]);
  const wk_ir_op *mean = is(difference, "Sub") && difference->ins == 2 ? maker_of(j, difference->in[1]) : NULL;
  const wk_ir_op *plus = is(root, "Sqrt") ? maker_of(j, root->in[0]) : NULL;
  if (!mean_axis(j, mean, &axis, err) || mean->in[0] != difference->in[0] || !is(plus, "Add") || plus->ins != 2)
    return WK_OK;
  const int at = j->ir->value[plus->in[1]].data ? 0 : 1;
  const wk_ir_op *variance = maker_of(j, plus->in[at]);
  const wk_ir_value *e = &j->ir->value[plus->in[1 - at]];
  if (!mean_axis(j, variance, &again, err) || again != axis || !e->data || wk_ir_count(e) != 1 ||
      !squares(j, maker_of(j, variance->in[0]), d, err))
    return WK_OK;
  WK_RETURN_IF_ERROR(wk_ir_read_floats(&eps, j->ir, plus->in[1 - at], err));
  become(quotient, "LayerNormalization", difference->in[0]);
  WK_RETURN_IF_ERROR(wk_ir_add_float(j->ir, quotient, "epsilon", (double)*eps, err));
  WK_RETURN_IF_ERROR(wk_ir_add_int(j->ir, quotient, "axis", axis, err));
  return wk_ir_add_int(j->ir, quotient, "one", 1, err);
}

wk_status wk_ir_join(wk_ir *ir, wk_error *err) {
  wk_status st = WK_OK;
  const size_t values = (size_t)ir->values;
  joiner j = {ir, wk_alloc_array(values, sizeof *j.maker), wk_calloc(values, sizeof *j.users),
              wk_alloc_array(values, sizeof *j.user)};
  WK_FAIL_IF(!j.maker || !j.users || !j.user, err, WK_ERR_MEMORY, "out of memory for a network");
  for (size_t v = 0; v < values; v++)
    j.maker[v] = j.user[v] = -1;
  for (int i = 0; i < ir->ops; i++) {
    for (int k = 0; k < ir->op[i].outs; k++)
      if (ir->op[i].out[k] >= 0)
        j.maker[ir->op[i].out[k]] = i;
    for (int k = 0; k < ir->op[i].ins; k++)
      if (ir->op[i].in[k] >= 0) {
        j.users[ir->op[i].in[k]]++;
        j.user[ir->op[i].in[k]] = i;
      }
  }
  for (int i = 0; i < ir->ops; i++) {
    wk_ir_op *op = &ir->op[i];
    if (is(op, "Erf") && op->ins == 1 && op->outs == 1)
      join_gelu(&j, op, err);
    else if (is(op, "Div") && op->outs == 1)
      WK_TRY(join_norm(&j, op, err));
  }
done:
  wk_free(j.maker);
  wk_free(j.users);
  wk_free(j.user);
  return st;
}

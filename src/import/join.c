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

/* Number `k` of what an operation reads, and the first value that it makes; -1: there is none. */
static int input(const wk_ir_op *op, int k) { return op && k < op->ins ? op->in[k] : -1; }
static int output(const wk_ir_op *op) { return op && op->outs > 0 ? op->out[0] : -1; }

static wk_ir_op *maker_of(const joiner *j, int value) {
  return value < 0 || j->maker[value] < 0 ? NULL : &j->ir->op[j->maker[value]];
}

/* The one operation that reads it. */
static wk_ir_op *user_of(const joiner *j, int value) {
  return value >= 0 && j->users[value] == 1 ? &j->ir->op[j->user[value]] : NULL;
}

/* Is it a constant of one number or index? */
static bool single(const joiner *j, int value) {
  return value >= 0 && j->ir->value[value].data && wk_ir_count(&j->ir->value[value]) == 1;
}

/* Is it a constant of one number, `want` within a thousandth? */
static bool number(const joiner *j, int value, double want) {
  const float *data = NULL;
  return single(j, value) && wk_ir_read_floats(&data, j->ir, value, NULL) == WK_OK &&
         fabs((double)*data - want) <= 1e-3 * fabs(want);
}

/* The other input of an operation of two; -1: it does not read `value`. */
static int other(const wk_ir_op *op, int value) {
  return !op || op->ins != 2 ? -1 : op->in[0] == value ? op->in[1] : op->in[1] == value ? op->in[0] : -1;
}

/* Is it a value divided by `by`, or multiplied with its inverse? *x is that value. */
static bool divided(const joiner *j, const wk_ir_op *op, double by, int *x) {
  if (!op || op->ins != 2)
    return false;
  if (is(op, "Div") && number(j, op->in[1], by)) {
    *x = op->in[0];
    return *x >= 0;
  }
  for (int k = 0; is(op, "Mul") && k < 2; k++)
    if (number(j, op->in[1 - k], 1 / by)) {
      *x = op->in[k];
      return *x >= 0;
    }
  return false;
}

static void become(wk_ir_op *op, const char *type, int x) {
  op->type = type;
  op->in[0] = x;
  op->ins = 1;
}

/* x / sqrt(2), Erf, plus 1, times x, halved anywhere. */
static void join_gelu(const joiner *j, const wk_ir_op *erf) {
  int x = -1, half = -1;
  if (!divided(j, maker_of(j, input(erf, 0)), sqrt(2), &x))
    return;
  const wk_ir_op *plus = user_of(j, output(erf));
  if (!is(plus, "Add") || !number(j, other(plus, output(erf)), 1))
    return;
  wk_ir_op *product = user_of(j, output(plus)), *last = user_of(j, output(product));
  const int factor = other(product, output(plus));
  if (!is(product, "Mul") || factor < 0)
    return;
  if (divided(j, maker_of(j, factor), 2, &half) && half == x)
    become(product, "Gelu", x);
  else if (number(j, factor, 0.5) && is(last, "Mul") && other(last, output(product)) == x)
    become(last, "Gelu", x);
  else if (factor == x && divided(j, last, 2, &half) && half == output(product))
    become(last, "Gelu", x);
}

/* The one side that a mean is taken over. */
static bool mean_axis(const joiner *j, const wk_ir_op *op, int64_t *axis) {
  const wk_ir_attr *a = op ? wk_ir_find(op, "axes") : NULL;
  const int64_t *axes = a && a->kind == WK_IR_INTS ? a->ints : NULL;
  if (!is(op, "ReduceMean") || !wk_ir_int(op, "keepdims", 1) || (axes && a->count != 1))
    return false;
  if (!axes && (!single(j, input(op, 1)) || wk_ir_read_ints(&axes, j->ir, input(op, 1), NULL) != WK_OK))
    return false;
  *axis = *axes;
  return true;
}

static bool squares(const joiner *j, const wk_ir_op *op, int d) {
  return input(op, 0) == d && ((is(op, "Pow") && op->ins == 2 && number(j, op->in[1], 2)) ||
                               (is(op, "Mul") && op->ins == 2 && op->in[1] == d));
}

/* With d = x - mean(x): d / sqrt(mean(d^2) + eps). */
static wk_status join_norm(const joiner *j, wk_ir_op *quotient, wk_error *err) {
  const float *eps = NULL;
  int64_t axis = 0, again = 0;
  if (quotient->ins != 2)
    return WK_OK;
  const int d = quotient->in[0];
  const wk_ir_op *difference = maker_of(j, d), *root = maker_of(j, quotient->in[1]);
  const int x = input(difference, 0);
  if (x < 0 || !is(difference, "Sub") || difference->ins != 2 || !is(root, "Sqrt"))
    return WK_OK;
  const wk_ir_op *mean = maker_of(j, difference->in[1]), *plus = maker_of(j, input(root, 0));
  if (!mean_axis(j, mean, &axis) || input(mean, 0) != x || !is(plus, "Add") || plus->ins != 2)
    return WK_OK;
  const int at = single(j, plus->in[0]) ? 1 : 0;
  const wk_ir_op *variance = maker_of(j, plus->in[at]);
  if (!single(j, plus->in[1 - at]) || !mean_axis(j, variance, &again) || again != axis ||
      !squares(j, maker_of(j, input(variance, 0)), d))
    return WK_OK;
  WK_RETURN_IF_ERROR(wk_ir_read_floats(&eps, j->ir, plus->in[1 - at], err));
  become(quotient, "LayerNormalization", x);
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
      join_gelu(&j, op);
    else if (is(op, "Div") && op->outs == 1)
      WK_TRY(join_norm(&j, op, err));
  }
done:
  wk_free(j.maker);
  wk_free(j.users);
  wk_free(j.user);
  return st;
}
